"""berth file, as root against real containers on the running kernel."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import threading
import uuid
from pathlib import Path
from typing import Callable, Iterator

import pytest

from harness.attributes import ACCESS, DEFAULT, acl, as_its_root
from harness.files import Files, make_image, maker, run_files
from harness.timing import PATIENCE

pytestmark = pytest.mark.kernel
needs_berth = True


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_image(tmp_path_factory.mktemp("image") / "root")


@pytest.fixture(scope="module", params=["pick", "no"])
def c(build: Path, image: Path, request: pytest.FixtureRequest) -> Iterator[Files]:
    container = Files(build, image, "--user=1000", f"--private-users={request.param}")
    yield container
    container.stop()


@pytest.fixture
def make(build: Path, image: Path) -> Iterator[Callable[..., Files]]:
    with maker(build, image) as make_one:
        yield make_one


def fresh() -> str:
    return f"/srv/{uuid.uuid4().hex}"


class Failed(Exception):
    """What berth file said with --json, and its exit status."""


def file(c: Files, verb: str, *words: object, data: bytes | str = b"") -> dict:
    done = c.files("file", verb, c.name, *words, "--json", data=data)
    answer = json.loads(done.stdout)
    if done.returncode == 0:
        return answer
    error = answer["error"]
    # who reads standard error sees the same
    assert error["message"] in done.stderr.decode(errors="replace") or error["stage"] == "enter"
    raise Failed(done.returncode, error["stage"], error["errno"], error["message"])


def fails(c: Files, *words: object, data: bytes | str = b"") -> tuple:
    with pytest.raises(Failed) as caught:
        file(c, *words, data=data)
    return caught.value.args


# -- what it does --


def test_a_new_file_belongs_to_the_leaders_user_and_has_its_directories_made(c: Files) -> None:
    top = fresh()
    answer = file(c, "write", f"{top}/a/b", data="text\n")
    assert {key: answer[key] for key in ("path", "created", "size", "mode", "uid", "gid", "type")} == {
        "path": f"{top}/a/b", "created": True, "size": 5, "mode": "0644", "uid": 1000, "gid": 1000, "type": "file"}
    assert c.shell(f"stat -c '%a %u %g' {top} {top}/a {top}/a/b; cat {top}/a/b") == (
        "755 1000 1000\n755 1000 1000\n644 1000 1000\ntext\n")
    assert c.shell(f"ls -A {top}/a") == "b\n"


def test_a_replaced_file_keeps_owner_mode_and_attributes(c: Files) -> None:
    path = fresh()
    c.shell(f"echo old > {path}; chown 5:6 {path}; chmod 2751 {path}")
    before = c.shell(f"stat -c %i {path}")
    assert file(c, "write", path, data="new\n")["created"] is False
    assert c.shell(f"stat -c '%a %u %g' {path}; cat {path}") == "2751 5 6\nnew\n"
    assert c.shell(f"stat -c %i {path}") != before, "it was not replaced as a whole"
    assert file(c, "write", path, "--mode=0600", data="")["mode"] == "0600"


def test_extended_attributes_stay(make: Callable[..., Files], ground: Path) -> None:
    (ground / "f").write_text("a")
    os.setxattr(ground / "f", "user.tag", b"value")
    c = make(f"--mount=type=bind,source={ground},target=/mnt")
    file(c, "append", "/mnt/f", data="b")
    assert (ground / "f").read_text() == "ab"
    assert os.getxattr(ground / "f", "user.tag") == b"value"


def test_access_lists_stay_and_a_copy_has_them_too(c: Files) -> None:
    pid, path = int(c.state["Pid"]), fresh()
    access = acl("u:rw-", "U7:rwx", "g:---", "m:rwx", "o:---")
    c.shell(f"mkdir {path}; echo old > {path}/f; echo old > {path}/plain; chmod 0600 {path}/plain")
    as_its_root(pid, f"{path}/f", ACCESS, access)
    # what the directory gives to new files is not for those that take the place of one
    as_its_root(pid, path, DEFAULT, acl("u:rwx", "U8:rwx", "g:rwx", "m:rwx", "o:rwx"))
    for name in ("f", "plain"):
        file(c, "write", f"{path}/{name}", data="new")
        file(c, "copy", f"{path}/{name}", f"{path}/{name}2")
        file(c, "write", f"{path}/{name}", data="newer")
    for name in ("f", "f2"):
        assert as_its_root(pid, f"{path}/{name}", ACCESS) == access, name
    for name in ("plain", "plain2"):
        assert as_its_root(pid, f"{path}/{name}", ACCESS) is None, name
    assert c.shell(f"stat -c %a {path}/f {path}/f2 {path}/plain {path}/plain2") == "670\n670\n600\n600\n"


@pytest.mark.parametrize("lines, first, last, content", [
    (None, 1, 3, "one\ntwo\nthree"), ("2", 2, 3, "two\nthree"), ("2:2", 2, 2, "two\n"), ("3:9", 3, 3, "three"),
    ("4", 4, 3, ""), ("1:1", 1, 1, "one\n")])
def test_lines_are_read_with_their_total(c: Files, lines: str | None, first: int, last: int, content: str) -> None:
    path = fresh()
    file(c, "write", path, data="one\ntwo\nthree")
    words = [] if lines is None else [f"--lines={lines}"]
    answer = file(c, "read", path, *words)
    assert (answer["first_line"], answer["last_line"], answer["total_lines"]) == (first, last, 3)
    assert (answer["content"], answer["encoding"]) == (content, "utf-8")
    assert c.files("file", "read", c.name, path, *words).stdout.decode() == content


def test_bytes_that_are_no_text_arrive_as_they_are(c: Files) -> None:
    path, data = fresh(), bytes(range(256))
    file(c, "write", path, data=data)
    answer = file(c, "read", path)
    assert (base64.b64decode(answer["content"]), answer["encoding"]) == (data, "base64")
    assert c.files("file", "read", c.name, path).stdout == data


def test_append_adds_and_makes(c: Files) -> None:
    path = fresh()
    assert file(c, "append", path, data="a\n")["created"] is True
    assert file(c, "append", path, data="b\n")["created"] is False
    assert c.shell(f"cat {path}") == "a\nb\n"


@pytest.mark.parametrize("content, after, more, result", [
    ("a\nb\n", 0, "x\n", "x\na\nb\n"), ("a\nb\n", 1, "x", "a\nx\nb\n"), ("a\nb\n", 2, "x\n", "a\nb\nx\n"),
    ("a\nb", 2, "x", "a\nb\nx"), ("a\nb", 1, "x\ny\n", "a\nx\ny\nb"), ("", 0, "x\n", "x\n"), ("a\n", 1, "", "a\n")])
def test_insert_puts_whole_lines_behind_a_line(c: Files, content: str, after: int, more: str, result: str) -> None:
    path = fresh()
    file(c, "write", path, data=content)
    file(c, "insert", path, f"--after={after}", data=more)
    assert c.shell(f"cat {path}") == result


def test_insert_behind_a_line_that_is_not_there_changes_nothing(c: Files) -> None:
    path = fresh()
    file(c, "write", path, data="a\n")
    assert fails(c, "insert", path, "--after=2", data="x") == (
        1, "edit", "ERANGE", f"'{path}' has 1 lines, none after which 2 would be")
    assert fails(c, "insert", path, "--after=x")[:3] == (2, "options", "EINVAL")
    assert c.shell(f"cat {path}") == "a\n"


def test_several_replacements_are_written_once_or_not_at_all(c: Files) -> None:
    path = fresh()
    file(c, "write", path, data="one two two three\n")
    assert fails(c, "replace", path, "--old=one", "--new=1", "--old=two", "--new=2") == (
        1, "edit", "ENOTUNIQ", f"'{path}': replacement 2: the text stands there 2 times, not once: two")
    assert fails(c, "replace", path, "--old=one", "--new=1", "--old=one", "--new=2") == (
        1, "edit", "ENODATA", f"'{path}': replacement 2: the text stands there 0 times, not once: one")
    assert fails(c, "replace", path, "--old=one")[:3] == (2, "options", "EINVAL")
    assert c.shell(f"cat {path}") == "one two two three\n"
    file(c, "replace", path, "--old=one two", "--new=1", "--old=1 two", "--new=")
    assert c.shell(f"cat {path}") == " three\n"


def test_replacements_as_a_document_on_standard_input(c: Files) -> None:
    path = fresh()
    file(c, "write", path, data="a\"\u00e4\n b\n")
    file(c, "replace", path, data=json.dumps([{"old": "\"\u00e4\n", "new": "--help\n"}, {"old": " b", "new": "\\c"}]))
    assert c.shell(f"cat {path}") == "a--help\n\\c\n"
    for wrong in ("", "{}", "[]", "[1]", '[{"old":"a"}]', '[{"old":"a\\u0000b","new":""}]', '[{"old":"","new":"x"}]'):
        assert fails(c, "replace", path, data=wrong)[0] == 1
    assert c.shell(f"cat {path}") == "a--help\n\\c\n"


def test_an_overlapping_text_is_not_taken_for_one(c: Files) -> None:
    path = fresh()
    file(c, "write", path, data="aaa")
    assert fails(c, "replace", path, "--old=aa", "--new=b")[2] == "ENOTUNIQ"


def test_move_and_copy(c: Files) -> None:
    top = fresh()
    c.shell(f"mkdir {top}; echo text > {top}/a; chown 5:6 {top}/a; chmod 640 {top}/a; ln -s a {top}/l; mkdir {top}/d; echo x > {top}/d/x")
    copied = file(c, "copy", f"{top}/l", f"{top}/new/b")
    assert (copied["mode"], copied["uid"], copied["gid"], copied["type"]) == ("0640", 5, 6, "file")
    assert fails(c, "copy", f"{top}/a", f"{top}/new/b")[1:3] == ("write", "EEXIST")
    assert fails(c, "move", f"{top}/a", f"{top}/new/b")[1:3] == ("write", "EEXIST")
    assert fails(c, "copy", f"{top}/a", f"{top}/d")[1:3] == ("write", "EISDIR")
    assert fails(c, "copy", f"{top}/d", f"{top}/e")[2] == "EISDIR"
    file(c, "move", f"{top}/a", f"{top}/new/b", "--force")
    assert file(c, "move", f"{top}/l", f"{top}/link")["type"] == "link"
    file(c, "move", f"{top}/d", f"{top}/e")
    assert c.shell(f"cd {top}; find . | sort; cat e/x new/b") == ".\n./e\n./e/x\n./link\n./new\n./new/b\nx\ntext\n"
    assert fails(c, "move", f"{top}/nothing", f"{top}/x")[2] == "ENOENT"


def test_a_file_moves_to_another_mount(c: Files) -> None:
    path, name = fresh(), uuid.uuid4().hex
    c.shell(f"echo text > {path}; chmod 604 {path}")
    answer = file(c, "move", path, f"/dev/shm/{name}")
    assert answer["mode"] == "0604"
    assert c.shell(f"cat /dev/shm/{name}; test ! -e {path} && rm /dev/shm/{name}") == "text\n"
    c.shell(f"mkdir {path}")
    assert fails(c, "move", path, f"/dev/shm/{name}")[2] == "EXDEV"


def test_search_tells_path_line_and_text(c: Files) -> None:
    top = fresh()
    c.shell(f"mkdir -p {top}/b/c {top}/.hidden; cd {top}; printf 'x\\nNeedle here\\n' > a.py; echo needle > b/c/d.txt;"
         f"printf 'needle\\0' > bin; ln -s ../../etc b/link; echo needle > .hidden/e.py; mkfifo fifo; printf 'last needle' > z.py")
    found = lambda *words: file(c, "search", "needle", *words)
    plain = found(top)
    assert [(m["path"], m["line"], m["text"]) for m in plain["matches"]] == [
        (f"{top}/.hidden/e.py", 1, "needle"), (f"{top}/b/c/d.txt", 1, "needle"), (f"{top}/z.py", 1, "last needle")]
    assert (plain["truncated"], plain["files"], plain["skipped"]) == (False, 4, 1)
    assert [m["path"] for m in found(top, "-i", "--glob=*.py")["matches"]] == [
        f"{top}/.hidden/e.py", f"{top}/a.py", f"{top}/z.py"]
    assert [m["path"] for m in found(f"{top}/", "--glob=b/*/*.txt")["matches"]] == [f"{top}/b/c/d.txt"]
    few = found(top, "--max=1")
    assert (len(few["matches"]), few["truncated"]) == (1, True)
    assert [m["line"] for m in found(f"{top}/z.py")["matches"]] == [1]
    assert c.files("file", "search", c.name, "needle", top, "-i", "--glob=a*").stdout == f"{top}/a.py:2:Needle here\n".encode()
    assert fails(c, "search", "needle", "/nowhere")[2] == "ENOENT"


def test_list_tells_what_is_there(c: Files) -> None:
    top = fresh()
    c.shell(f"mkdir {top}; cd {top}; echo x > file; ln -s file link; mkdir dir; mkfifo fifo; chmod 700 dir; chown 5:6 file")
    entries = file(c, "list", top)["entries"]
    assert [(e["name"], e["type"], e["mode"], e["uid"], e.get("target")) for e in entries] == [
        ("dir", "directory", "0700", 0, None), ("fifo", "fifo", "0644", 0, None), ("file", "file", "0644", 5, None),
        ("link", "link", "0777", 0, "file")]
    assert "bin" in [e["name"] for e in file(c, "list")["entries"]]
    assert [e["name"] for e in file(c, "list", f"{top}/file")["entries"]] == ["file"]


def test_a_name_that_is_no_text_is_told_whole(make: Callable[..., Files], ground: Path) -> None:
    (ground / os.fsdecode(b"a\xff\nb")).write_text("needle")
    c = make(f"--mount=type=bind,source={ground},target=/mnt")
    (entry,) = file(c, "list", "/mnt")["entries"]
    assert entry["name"] == "a\ufffd\nb" and base64.b64decode(entry["name_base64"]) == b"a\xff\nb"
    assert c.files("file", "search", c.name, "needle", "/mnt").stdout == b"/mnt/a\\xff\\x0ab:1:needle\n"


# -- with whose rights --


def test_as_a_user_only_what_that_user_may(c: Files) -> None:
    path = fresh()
    c.shell(f"echo secret > {path}; chmod 600 {path}")
    assert fails(c, "read", path, "--user=app")[2] == "EACCES"
    assert fails(c, "write", "/etc/new", "--user=app", data="x")[2] == "EACCES"
    assert fails(c, "write", path, "--user=app", data="x")[2] == "EACCES"
    c.shell(f"chown app {path}; chmod 400 {path}")  # it could be replaced, but its mode says that it is not to be written
    assert fails(c, "write", path, "--user=app", data="x")[2] == "EACCES"
    assert file(c, "write", f"/tmp/{uuid.uuid4().hex}", "--user=app", data="x")["uid"] == 1000
    assert file(c, "write", f"/tmp/{uuid.uuid4().hex}", "--user=7", data="x")["uid"] == 7
    assert fails(c, "read", path, "--user=nobody-knows")[:3] == (1, "enter", "EINVAL")


def test_what_is_read_only_inside_stays_so(make: Callable[..., Files], ground: Path) -> None:
    (ground / "f").write_text("old")
    c = make(f"--mount=type=bind,source={ground},target=/mnt,read-only=yes", "--read-only-path=/etc", "--inaccessible-path=/root")
    for verb, *words in (("write", "/mnt/f"), ("write", "/mnt/new"), ("append", "/mnt/f"), ("write", "/etc/passwd"),
                         ("write", "/mnt/a/b/c"), ("copy", "/mnt/f", "/mnt/g"), ("move", "/mnt/f", "/mnt/g")):
        assert fails(c, verb, *words, data="x")[2] == "EROFS", (verb, words)
    assert file(c, "list", "/root")["entries"] == []
    assert fails(c, "move", "/root", "/srv/root")[2] == "EBUSY"
    assert (ground / "f").read_text() == "old"
    assert sorted(path.name for path in ground.iterdir()) == ["f"]


def test_an_owner_that_the_container_does_not_have_keeps_his_file(make: Callable[..., Files], ground: Path) -> None:
    (ground / "f").write_text("old")
    os.chown(ground / "f", 5, 5)
    (ground / "f").chmod(0o666)
    ground.chmod(0o777)
    c = make(f"--mount=type=bind,source={ground},target=/mnt,idmap=1000:0:1")
    assert fails(c, "write", "/mnt/f", data="x")[2] == "EACCES"
    assert ((ground / "f").read_text(), (ground / "f").stat().st_uid) == ("old", 5)


def test_kernel_files_of_the_container_give_no_more_than_inside(c: Files) -> None:
    for path in ("/proc/1/environ", "/proc/1/root/etc/passwd", "/proc/1/mem", "/proc/self/exe", "/proc/kmsg"):
        assert fails(c, "read", path)[2] in ("EACCES", "EPERM", "ENOENT", "ELOOP", "EINVAL"), path
    assert fails(c, "write", "/proc/sys/kernel/core_pattern", data="x")[2] in ("EROFS", "ENOENT", "EACCES", "EPERM")
    assert "processor" in file(c, "read", "/proc/cpuinfo")["content"]


# -- what may be in the way --


def test_nothing_but_a_regular_file_is_opened(c: Files) -> None:
    top = fresh()
    c.shell(f"mkdir {top}; cd {top}; mkfifo fifo; ln -s loop loop; ln -s /dev/zero zero; ln -s fifo l")
    for name, error in (("fifo", "EINVAL"), ("l", "EINVAL"), ("zero", "EINVAL"), ("loop", "ELOOP"), ("", "EISDIR")):
        assert fails(c, "read", f"{top}/{name}")[2] == error
        assert fails(c, "write", f"{top}/{name}", data="x")[2] == error
    assert c.shell(f"cd {top}; ls -A") == "fifo\nl\nloop\nzero\n"


def test_links_stay_inside(c: Files, ground: Path) -> None:
    top = fresh()
    (ground / "canary").write_text("host")
    c.shell(f"mkdir {top}; ln -s {ground}/canary {top}/absolute; ln -s ../../../../../../../../..{ground}/canary {top}/dots;"
         f"ln -s / {top}/root")
    for name in ("absolute", "dots", f"root{ground}/canary"):
        assert fails(c, "read", f"{top}/{name}")[2] == "ENOENT"
    file(c, "write", f"{top}/absolute", data="inside")
    assert c.shell(f"cat {ground}/canary") == "inside"
    assert (ground / "canary").read_text() == "host"


@pytest.mark.parametrize("words, status", [
    (("read", "etc/passwd"), 2), (("write", "/etc/..", ), 1), (("read", "/etc/passwd", "--lines=0"), 2),
    (("read", "/etc/passwd", "--lines=3:2"), 2), (("read", "/etc/passwd", "--max-size=2G"), 2),
    (("write", "/x", "--mode=4755"), 2), (("search", "", "/"), 2), (("search", "x", "/etc", "--max=0"), 2)])
def test_wrong_words(c: Files, words: tuple, status: int) -> None:
    assert fails(c, *words)[0] == status


def test_sizes_are_limited(c: Files) -> None:
    path = fresh()
    c.shell(f"truncate -s 17M {path}")
    assert fails(c, "read", path) == (1, "read", "EFBIG", f"'{path}' is larger than 16777216 bytes (--max-size=)")
    assert file(c, "read", path, "--max-size=32M", "--lines=2")["total_lines"] == 1
    assert fails(c, "write", path, "--max-size=3", data="1234")[1:3] == ("input", "EFBIG")
    assert fails(c, "append", "/etc/passwd", "--max-size=60", data="1" * 50)[2] == "EFBIG"


def test_what_is_a_mount_of_its_own_is_not_replaced(make: Callable[..., Files], ground: Path) -> None:
    (ground / "f").write_text("old")
    c = make(f"--mount=type=bind,source={ground}/f,target=/srv/f,filetype=file")
    assert fails(c, "write", "/srv/f", data="x")[2] == "EBUSY"
    assert (ground / "f").read_text() == "old"


# -- which container --


def test_there_is_no_such_container(build: Path) -> None:
    for name in ("no-such-container", "../x", ""):
        done = run_files(build, "file", "read", name, "/etc/passwd", "--json")
        assert (done.returncode, json.loads(done.stdout)["error"]) == (
            3, {"stage": "enter", "errno": "ENOENT", "message": "there is no such container"}), done.stderr


def test_a_kept_layer_is_read_and_written_while_nothing_runs(make: Callable[..., Files], ground: Path) -> None:
    c = make("--ephemeral=no", "--user=1000")
    c.shell("echo kept > /srv/f; chown 5:6 /srv/f; rm /etc/group; mkdir /srv/d; ln -s /etc/passwd /srv/l")
    c.stop()
    assert (file(c, "read", "/srv/f")["content"], file(c, "list", "/srv/f")["entries"][0]["uid"]) == ("kept\n", 5)
    assert file(c, "read", "/srv/l")["content"].startswith("root:x:0:0:")
    assert [e["name"] for e in file(c, "list", "/etc")["entries"] if e["name"] in ("passwd", "group")] == ["passwd"]
    file(c, "append", "/srv/f", data="more\n")
    file(c, "replace", "/etc/passwd", "--old=app:x", "--new=app:y")
    assert file(c, "write", "/srv/d/new", data="new")["uid"] == 0
    assert fails(c, "read", "/srv/d/new", "--user=nobody-knows")[1] == "enter"
    again = make("--ephemeral=no", name=c.name)
    assert again.shell("cat /srv/f; stat -c '%u %g' /srv/f /srv/d/new; grep app: /etc/passwd; ls /srv/d; ls -A /srv") == (
        "kept\nmore\n5 6\n0 0\napp:y:1000:1000::/tmp:/bin/sh\nnew\nd\nf\nl\n")


def test_a_stopped_container_hides_nothing_under_its_mounts(make: Callable[..., Files], ground: Path) -> None:
    """What would go where a mount covers it at the next start is refused, by whatever path; all else is as ever."""
    (ground / "file").write_text("host")
    options = ("--ephemeral=no", "--mount=type=volume,source=db,target=/data", "--mount=type=tmpfs,target=/data/sub/deep",
               f"--mount=type=bind,source={ground},target=/srv/bound,read-only=yes", "--mount=type=tmpfs,target=/scratch",
               f"--mount=type=bind,source={ground / 'file'},target=/srv/one,filetype=file,read-only=yes")
    c = make(*options)
    c.shell("echo v > /data/v; ln -s /data /srv/link; ln -s ../data/new /srv/dangling; mkdir /srv/plain; echo p > /srv/plain/f;"
            "echo t > /scratch/t; mkdir -p /dat")
    c.stop()
    layer = Path("/var/lib/berth/layers") / c.name / "up"
    before = sorted(str(path) for path in layer.rglob("*"))
    for path in ("/data/v", "/data/new", "/data/a/b/c", "/data/../data/v", "/srv/link/v", "/srv/link/a/b", "/srv/dangling",
                 "/srv/bound/file", "/srv/one", "/scratch/t", "/scratch", "/data", "/data/sub/deep/x", "/etc/hosts", "/proc/x", "/dev/null"):
        message = f"'{path}' is on a mount, which is there only while the container runs; start it"
        for verb, more in (("read", ()), ("write", ()), ("copy", ("/srv/to",))):
            assert fails(c, verb, path, *more, data="x") == (1, "find", "EREMOTE", message), (verb, path)
        done = c.files("cp", f"{c.name}:{path}", ground / "out")
        assert done.returncode == 1 and message in done.stderr.decode(), (path, done.stderr)
        done = c.files("cp", ground / "file", f"{c.name}:{path}/in" if path in ("/data", "/scratch") else f"{c.name}:{path}")
        assert done.returncode == 1 and b"is on a mount" in done.stderr, (path, done.stderr)
    assert fails(c, "move", "/srv/plain/f", "/data/f")[2] == "EREMOTE"
    assert fails(c, "copy", "/srv/plain/f", "/srv/one", "--force")[2] == "EREMOTE"
    assert fails(c, "move", "/srv/plain", "/srv/bound", "--force")[2] == "EREMOTE"
    assert fails(c, "move", "/srv/bound", "/elsewhere")[2] == "EREMOTE"
    assert sorted(str(path) for path in layer.rglob("*")) == before
    file(c, "move", "/srv/dangling", "/srv/dangling2")  # the link itself is the layer's
    file(c, "write", "/dat/a", data="no prefix of names")
    assert file(c, "read", "/srv/plain/f")["content"] == "p\n"
    assert file(c, "search", "p", "/")["matches"][-1]["path"] == "/srv/plain/f"
    done = c.files("cp", f"{c.name}:/srv", ground / "tree")
    assert done.returncode == 0 and b"where the container has a mount when it runs, left out" in done.stderr
    assert sorted(path.name for path in (ground / "tree").iterdir()) == ["dangling2", "link", "plain"]
    again = make(*options, name=c.name)
    assert again.shell("cat /data/v /dat/a; echo; ls -A /data; cat /srv/one /etc/hostname") == (
        f"v\nno prefix of names\nsub\nv\nhost{c.name}\n")
    subprocess.run(["rm", "-rf", Path("/var/lib/berth/volumes") / c.name], check=True)


def test_what_is_ephemeral_and_stopped_has_no_files(build: Path) -> None:
    name = f"x{uuid.uuid4().hex[:12]}"
    manifests = Path("/run/berth")
    for manifest, container in ((manifests / f"{name}.berth", name), (manifests / f"{name}@.berth", f"{name}@1")):
        manifest.write_text("[Container]\nImage=x\n")
        try:
            done = run_files(build, "file", "list", container, "--json")
        finally:
            manifest.unlink()
        assert (done.returncode, json.loads(done.stdout)["error"]["errno"]) == (4, "ESRCH")
        assert b"has kept no files (Ephemeral=yes, or it never started)" in done.stderr


def test_a_kept_layer_whose_image_was_replaced_is_refused(make: Callable[..., Files], build: Path, image: Path,
                                                          tmp_path: Path) -> None:
    import shutil
    mine = tmp_path / "image"
    shutil.copytree(image, mine, symlinks=True)
    c = Files(build, mine, "--ephemeral=no")
    c.stop()
    shutil.rmtree(mine)
    assert fails(c, "read", "/etc/passwd")[:3] == (1, "enter", "EIO")
    subprocess.run(["rm", "-rf", Path("/var/lib/berth/layers") / c.name], check=True)


# -- races --


def test_a_container_that_is_still_being_made_is_none(build: Path, image: Path, ground: Path) -> None:
    """Before its root is its own, its leader has the host's."""
    (ground / "canary").write_text("host")
    mounts = [f"--mount=type=tmpfs,target=/srv/{i}" for i in range(200)]
    name = f"x{uuid.uuid4().hex[:12]}"
    for _ in range(3):
        process = subprocess.Popen([build / "helper/berth", "launch", "--foreground", f"--name={name}", f"--image={image}",
                                    "--private-users=no", "--network=none", *mounts, "--", "sleep", "1000"],
                                   stdin=subprocess.DEVNULL)
        try:
            statuses = []
            while 0 not in statuses:
                assert process.poll() is None
                assert run_files(build, "file", "read", name, ground / "canary").stdout == b""
                statuses.append(run_files(build, "file", "read", name, "/etc/passwd").returncode)
            assert set(statuses) <= {0, 3}
        finally:
            leader = re.search(r"^Pid=(\d+)$", (Path("/run/berth/containers") / name / "state").read_text(), re.M)
            os.kill(int(leader[1]), signal.SIGKILL)
            process.wait(PATIENCE)


@pytest.mark.parametrize("rounds", [pytest.param(60, id="some"), pytest.param(5000, id="many", marks=pytest.mark.long)])
def test_directories_that_are_swapped_meanwhile_lead_nowhere(make: Callable[..., Files], build: Path, ground: Path,
                                                             rounds: int) -> None:
    """The container turns a directory into a link out of its root and back, while files in it are read and written."""
    shared, canary = ground / "shared", ground / "canary"
    for path in (shared / "a", canary):
        path.mkdir(parents=True)
    (shared / "a/f").write_text("inside")
    (canary / "f").write_text("host")
    c = make(f"--mount=type=bind,source={shared},target=/mnt")
    c.shell(f"ln -s ../../../../../../../../..{canary} /mnt/link")
    stop, swaps = threading.Event(), 0
    import ctypes
    libc = ctypes.CDLL(None)

    def swap() -> None:
        nonlocal swaps
        a, b = os.fsencode(shared / "a"), os.fsencode(shared / "link")
        while not stop.is_set():
            libc.renameat2(-100, a, -100, b, 2)
            swaps += 1

    attacker = threading.Thread(target=swap)
    attacker.start()
    was = (canary / "f").stat().st_ctime_ns
    try:
        for i in range(rounds):
            done = c.files("file", *((("read", c.name, "/mnt/a/f"), ("write", c.name, "/mnt/a/f"), ("append", c.name, "/mnt/a/n/g"))[i % 3]),
                           data="inside")
            assert done.returncode in (0, 1), done.stderr
            assert b"host" not in done.stdout
    finally:
        stop.set()
        attacker.join()
    assert swaps > 0
    assert (canary / "f").stat().st_ctime_ns == was and sorted(p.name for p in canary.iterdir()) == ["f"]
