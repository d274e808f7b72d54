"""berth cp, as root against real containers on the running kernel."""

from __future__ import annotations

import ctypes
import io
import json
import os
import stat
import subprocess
import tarfile
import threading
import uuid
from pathlib import Path
from typing import Callable, Iterator

import pytest

from harness.attributes import ACCESS, CAPABILITY, DEFAULT, acl, as_its_root, capability
from harness.files import Files, make_image, maker, run_files

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


def cp(c: Files, *words: object, data: bytes = b"", status: int = 0) -> subprocess.CompletedProcess[bytes]:
    done = c.files("cp", *words, data=data)
    assert done.returncode == status, done.stderr
    return done


def listing(top: Path) -> list[tuple]:
    """All that is to stay the same."""
    found = []
    first: dict[int, str] = {}
    for path in sorted([top, *top.rglob("*")], key=os.fsencode):
        st, name = path.lstat(), os.fsencode(path.relative_to(top))
        content = (os.readlink(path) if path.is_symlink() else path.read_bytes() if stat.S_ISREG(st.st_mode) else None)
        attributes = {} if path.is_symlink() else {key: os.getxattr(path, key) for key in os.listxattr(path) if key.startswith("user.")}
        found.append((name, st.st_mode, st.st_uid, st.st_gid, st.st_mtime_ns, content, attributes,
                      first.setdefault(st.st_ino, name) if stat.S_ISREG(st.st_mode) else None))
    return found


def make_tree(top: Path) -> Path:
    (top / "d/deep/er").mkdir(parents=True)
    (top / "a").write_text("text")
    os.link(top / "a", top / "d/hard")
    (top / "link").symlink_to("/etc/passwd")
    (top / "dangling").symlink_to("../nowhere")
    os.mkfifo(top / "fifo", 0o640)
    (top / os.fsdecode(b"b\xff\nd")).write_text("name")
    (top / "\u00e4 b").write_text("")
    os.setxattr(top / "a", "user.tag", b"\0value")
    os.chown(top / "d/deep", 33, 34)
    (top / "d/deep").chmod(0o2750)
    os.lchown(top / "link", 5, 6)
    with (top / "sparse").open("wb") as sparse:
        sparse.truncate(30 << 20)
        sparse.seek(10 << 20)
        sparse.write(b"x")
    for name in ("d/deep/er", "a", "d"):
        os.utime(top / name, ns=(0, 1_000_000_000_123_456_789))
    return top


def test_a_tree_is_the_same_after_going_in_and_out(c: Files, ground: Path) -> None:
    source, path = make_tree(ground / "source"), fresh()
    cp(c, source, f"{c.name}:{path}")
    assert c.shell(f"stat -c '%u %g %a' {path}/d/deep; cat {path}/a; ls -A {path}/..; du -k {path}/sparse") .startswith("33 34 2750\ntext")
    assert int(c.shell(f"du -k {path}/sparse").split()[0]) < 100
    cp(c, f"{c.name}:{path}", ground / "back")
    assert listing(ground / "back") == listing(source)
    assert (ground / "back/sparse").stat().st_blocks < 200
    assert sorted(p.name for p in ground.iterdir()) == ["back", "source"]


LIST = acl("u:rw-", "U0:r--", "U1234:rwx", "g:r--", "G77:-w-", "m:rw-", "o:---")
INHERITED = acl("u:rwx", "U1234:rwx", "g:r-x", "m:rwx", "o:---")


def test_access_lists_are_the_same_after_going_out_and_in(c: Files, ground: Path) -> None:
    pid, path, back = int(c.state["Pid"]), fresh(), fresh()
    c.shell(f"mkdir -p {path}/d; echo text > {path}/d/f; echo text > {path}/d/plain; mkfifo {path}/d/fifo; chmod 0640 {path}/d/plain {path}/d/fifo")
    assert as_its_root(pid, f"{path}/d/f", ACCESS, LIST) == LIST
    as_its_root(pid, f"{path}/d", DEFAULT, INHERITED)
    cp(c, f"{c.name}:{path}", ground / "out")
    # the numbers of the container, as for owners
    assert os.getxattr(ground / "out/d/f", ACCESS) == LIST
    assert os.getxattr(ground / "out/d", DEFAULT) == INHERITED
    # nothing inherits while it is copied
    for name in ("plain", "fifo"):
        assert os.listxattr(ground / "out/d" / name) == [], name
        assert stat.S_IMODE((ground / "out/d" / name).lstat().st_mode) == 0o640
    cp(c, ground / "out", f"{c.name}:{back}")
    assert as_its_root(pid, f"{back}/d/f", ACCESS) == LIST
    assert as_its_root(pid, f"{back}/d", DEFAULT) == INHERITED
    assert as_its_root(pid, f"{back}/d/plain", ACCESS) is None
    assert c.shell(f"stat -c %a {back}/d/f {back}/d/plain") == "660\n640\n"
    # a stream is what tar knows
    data = cp(c, f"{c.name}:{path}/.", "-").stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.getmember("./d/f").pax_headers["SCHILY.acl.access"] == (
            "user::rw-,group::r--,other::---,user:0:r--,user:1234:rwx,group:77:-w-,mask::rw-")
        assert "SCHILY.acl.default" in tar.getmember("./d").pax_headers
    cp(c, "-", f"{c.name}:{back}2", data=data)
    assert as_its_root(pid, f"{back}2/d/f", ACCESS) == LIST


def test_what_arrives_inherits_nothing_from_where_it_goes(c: Files, ground: Path) -> None:
    pid, path = int(c.state["Pid"]), fresh()
    c.shell(f"mkdir {path}")
    as_its_root(pid, path, DEFAULT, INHERITED)
    cp(c, make_tree(ground / "source"), f"{c.name}:{path}/in")
    cp(c, f"{c.name}:{path}/in", ground / "back")
    assert listing(ground / "back") == listing(ground / "source")
    assert not [file for file in (ground / "back").rglob("*") if not file.is_symlink() and {ACCESS, DEFAULT} & set(os.listxattr(file))]


def test_of_another_owner_no_access_list_is_left_and_no_right_is_gained(c: Files, ground: Path) -> None:
    pid, path = int(c.state["Pid"]), fresh()
    c.shell(f"echo text > {path}; chown 5:6 {path}")
    as_its_root(pid, path, ACCESS, LIST)  # the group's bits of its mode are those of the mask
    assert c.shell(f"stat -c %a {path}") == "660\n"
    cp(c, f"{c.name}:{path}", ground / "f", "--owner=0")
    assert os.listxattr(ground / "f") == [] and stat.S_IMODE((ground / "f").stat().st_mode) == 0o640


def test_whom_the_container_has_no_number_for_is_left_out_of_the_list(make: Callable[..., Files], ground: Path) -> None:
    (ground / "shared").mkdir()
    (ground / "shared/f").write_text("text")
    os.setxattr(ground / "shared/f", ACCESS, acl("u:rw-", "U7:r--", "U3000000000:rwx", "g:---", "m:rwx", "o:---"))
    c = make(f"--mount=type=bind,source={ground / 'shared'},target=/mnt", "--private-users=pick")
    done = cp(c, f"{c.name}:/mnt/f", ground / "f")
    assert b"'content': its access list names users that have no number here; these lines are left out" in done.stderr
    assert os.getxattr(ground / "f", ACCESS) == acl("u:rw-", "U7:r--", "g:---", "m:rwx", "o:---")


def test_file_capabilities_do_not_come_out_of_a_container(c: Files, ground: Path) -> None:
    pid, path = int(c.state["Pid"]), fresh()
    c.shell(f"cp /bin/busybox {path}")
    assert as_its_root(pid, path, CAPABILITY, capability()) == capability()
    cp(c, f"{c.name}:{path}", ground / "tool")
    assert os.listxattr(ground / "tool") == []
    assert b"capability" not in cp(c, f"{c.name}:{path}", "-").stdout[:4096]
    # nor go in
    os.setxattr(ground / "tool", CAPABILITY, capability())
    cp(c, ground / "tool", f"{c.name}:{path}2")
    assert as_its_root(pid, f"{path}2", CAPABILITY) is None


@pytest.mark.parametrize("target, result", [("{0}", "{0}"), ("{0}/", None), ("/srv", "/srv/source"), ("/srv/", "/srv/source"),
                                            ("{0}/x/y", "{0}/x/y")])
def test_where_it_goes_is_as_with_cp(make: Callable[..., Files], ground: Path, target: str, result: str | None) -> None:
    c = make()
    path = fresh()
    (ground / "source").write_text("text")
    cp(c, ground / "source", f"{c.name}:{target.format(path)}", status=0 if result else 1)
    if result:
        assert c.shell(f"cat {result.format(path)}") == "text"


def test_what_is_in_a_directory_goes_into_another(c: Files, ground: Path) -> None:
    path = fresh()
    (ground / "a").write_text("new")
    (ground / "d").mkdir()
    (ground / "d/b").write_text("b")
    c.shell(f"mkdir -p {path}/d; echo old > {path}/a; echo stays > {path}/d/c; chmod 700 {path}/d; chown 7 {path}/d")
    cp(c, f"{ground}/.", f"{c.name}:{path}")
    assert c.shell(f"cd {path}; cat a d/b d/c; stat -c '%a %u' d; ls -A . d") == "newbstays\n700 7\n.:\na\nd\n\nd:\nb\nc\n"


def test_what_has_arrived_is_counted(c: Files, ground: Path) -> None:
    (ground / "s/d").mkdir(parents=True)
    (ground / "s/d/f").write_text("12345")
    for done in (cp(c, "--json", ground / "s", f"{c.name}:{fresh()}"), cp(c, ground / "s", f"{c.name}:{fresh()}", "--json")):
        assert json.loads(done.stdout) == {"entries": 3, "bytes": 5}
    done = cp(c, "--json", f"{c.name}:/etc/passwd", "-", status=2)
    assert (done.stdout, done.stderr) == (b"", b"--json and an archive cannot both be standard output\n")


def test_what_is_in_the_way_stops_it(c: Files, ground: Path) -> None:
    path = fresh()
    (ground / "s/a").mkdir(parents=True)
    (ground / "s/b").write_text("b")
    c.shell(f"mkdir -p {path}/s; echo a > {path}/s/a; mkdir {path}/s/b")
    done = cp(c, ground / "s", f"{c.name}:{path}", status=1)
    assert b"is in the way: a directory and something else cannot be merged" in done.stderr
    assert c.shell(f"cd {path}; ls -A . s; cat s/a") == ".:\ns\n\ns:\na\nb\na\n"
    (ground / "f").mkdir()
    done = cp(c, f"{c.name}:{path}/s/a", ground / "f/a/b", status=1)
    assert b"No such file or directory" in done.stderr
    assert list((ground / "f").iterdir()) == []


def test_numbers_stay_or_are_what_was_asked_for(c: Files, ground: Path) -> None:
    path = fresh()
    (ground / "a").write_text("a")
    os.chown(ground / "a", 1000, 100)
    cp(c, ground / "a", f"{c.name}:{path}")
    cp(c, ground / "a", f"{c.name}:{path}.own", "--owner=7:8")
    cp(c, f"{c.name}:{path}", ground / "same")
    cp(c, f"{c.name}:{path}", ground / "mine", "--owner=9")
    assert c.shell(f"stat -c '%u %g' {path} {path}.own") == "1000 100\n7 8\n"
    assert [((ground / name).stat().st_uid, (ground / name).stat().st_gid) for name in ("same", "mine")] == [(1000, 100), (9, 9)]


def test_an_owner_that_the_container_lacks_is_an_error(make: Callable[..., Files], ground: Path) -> None:
    c = make()
    (ground / "a").write_text("a")
    os.chown(ground / "a", 100000, 0)
    done = cp(c, ground / "a", f"{c.name}:/srv/a", status=1)
    assert b"cannot set its owner: Invalid argument" in done.stderr
    assert c.shell("ls -A /srv") == ""


def test_nothing_comes_out_with_rights_of_others(make: Callable[..., Files], ground: Path) -> None:
    c = make()
    c.shell("cp /bin/busybox /srv/su; chmod 6755 /srv/su")
    cp(c, f"{c.name}:/srv/su", ground / "su")
    assert stat.S_IMODE((ground / "su").stat().st_mode) == 0o755
    (ground / "su").chmod(0o4755)
    cp(c, ground / "su", f"{c.name}:/srv/in")
    assert c.shell("stat -c %a /srv/in") == "4755\n"


def test_from_one_container_to_another(make: Callable[..., Files]) -> None:
    a, b = make(), make()
    a.shell("mkdir /srv/d; echo text > /srv/d/f; chown 5:6 /srv/d/f; chmod 4700 /srv/d/f")
    cp(a, f"{a.name}:/srv/d", f"{b.name}:/tmp/d")
    assert b.shell("stat -c '%a %u %g' /tmp/d/f; cat /tmp/d/f") == "700 5 6\ntext\n"


def test_devices_and_what_the_kernel_makes_up_stay_where_they_are(make: Callable[..., Files], ground: Path) -> None:
    c = make("--mount=type=tmpfs,target=/srv/mount")
    c.shell("echo text > /srv/mount/f; mkdir /dev/shm/d")
    cp(c, f"{c.name}:/", ground / "root")
    assert (ground / "root/srv/mount/f").read_text() == "text\n"
    assert list((ground / "root/proc").iterdir()) == [] and list((ground / "root/sys").iterdir()) == []
    assert not (ground / "root/dev/null").exists() and (ground / "root/dev/shm/d").is_dir()
    assert not any(stat.S_ISCHR(p.lstat().st_mode) for p in (ground / "root").rglob("*"))
    for path in ("/dev/zero", "/dev/pts/ptmx"):
        done = cp(c, f"{c.name}:{path}", ground / "x", status=1)
        assert b"is neither a file nor a directory" in done.stderr


# -- streams --


def test_a_stream_is_an_archive_that_others_read(c: Files, ground: Path) -> None:
    path = fresh()
    cp(c, make_tree(ground / "s"), f"{c.name}:{path}/s")
    data = cp(c, f"{c.name}:{path}/s", "-").stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        names = {member.name: member for member in archive}
    assert names["s/d/deep"].mode == 0o2750 and names["s/d/deep"].uid == 33 and names["s/link"].linkname == "/etc/passwd"
    assert names["s/d/hard"].islnk() != names["s/a"].islnk()
    subprocess.run(["tar", "-xf", "-", "-C", ground, "--xform=s,^s,t,S", "--warning=no-unknown-keyword"], input=data, check=True)
    assert (ground / "t/sparse").stat().st_size == 30 << 20


@pytest.mark.parametrize("compress", [None, "gzip", "zstd", "xz"])
def test_a_stream_goes_in(c: Files, ground: Path, compress: str | None) -> None:
    path = fresh()
    (ground / "d").mkdir()
    (ground / "d/f").write_text("text")
    data = subprocess.run(["tar", "-cf", "-", "-C", ground, "d"], stdout=subprocess.PIPE, check=True).stdout
    if compress:
        data = subprocess.run([compress, "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout
    cp(c, "-", f"{c.name}:{path}", data=data)
    assert c.shell(f"cat {path}/d/f; stat -c '%a %u' {path}") == "text755 0\n"
    c.shell(f"echo stays > {path}/d/g")
    cp(c, "-", f"{c.name}:{path}", data=data)
    assert c.shell(f"ls -A {path}/d") == "f\ng\n"


def tar(*members: tuple[str, dict, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, fields, content in members:
            info = tarfile.TarInfo(name)
            for key, value in fields.items():
                setattr(info, key, value)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


HOSTILE = {
    "dots": (("../x", {}, b"x"),),
    "absolute": (("//x", {}, b"x"),),
    "through a link": (("l", {"type": tarfile.SYMTYPE, "linkname": "/srv"}, b""), ("l/x", {}, b"x")),
    "hard link out": (("h", {"type": tarfile.LNKTYPE, "linkname": "../../etc/passwd"}, b""),),
    "hard link to nothing": (("h", {"type": tarfile.LNKTYPE, "linkname": "nothing"}, b""),),
}


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_stream_changes_nothing(c: Files, members: tuple) -> None:
    path = fresh()
    c.shell(f"mkdir {path}; echo old > {path}/f")
    cp(c, "-", f"{c.name}:{path}", data=tar(("f", {}, b"new"), *members), status=1)
    assert c.shell(f"ls -A {path}; cat {path}/f; ls -A {path}/.. | grep -c berth || true") == "f\nold\n0\n"


def test_a_stream_that_is_cut_off_changes_nothing(c: Files) -> None:
    path = fresh()
    c.shell(f"mkdir {path}; echo old > {path}/f")
    whole = tar(("f", {}, b"new" * 1000), ("g", {}, b"g"))
    for size in (0, 100, 512, 700, 4096, 4608):
        cp(c, "-", f"{c.name}:{path}", data=whole[:size], status=1)
        assert c.shell(f"ls -A {path}; cat {path}/f") == "f\nold\n"


def test_more_than_is_allowed_changes_nothing(c: Files, ground: Path) -> None:
    path = fresh()
    for name in ("a", "b"):
        (ground / name).write_text("x" * 600)
    for source, data in ((f"{ground}/.", b""), ("-", tar(("a", {}, b"x" * 600), ("b", {}, b"x" * 600)))):
        done = cp(c, source, f"{c.name}:{path}", "--max-size=1000", data=data, status=1)
        assert b"--max-size=" in done.stderr
        assert c.shell(f"ls -A {path}/.. | grep -c {path[5:]} || true") == "0\n"


# -- which container --


@pytest.mark.parametrize("words, status, message", [
    (("a", "b"), 2, "neither 'a' nor 'b' is of a container"), (("x:/a",), 2, "cp needs two paths"),
    (("x:a", "b"), 2, "'a' is not absolute"), (("x:/a", "b", "c"), 2, "is a third"), (("x.y:/a", "b"), 2, "is not a container's name"),
    (("-", "-"), 2, "neither"), (("x:/a", "b", "--owner=root"), 2, "expected UID or UID:GID"),
    (("-", "x:/b", "--owner=1"), 2, "not for what a stream brings"), (("x:/a/..", "b"), 2, "ends with '..'"),
    (("no-such-container:/etc", "/tmp/never"), 3, "no-such-container"), (("/etc/passwd", "no-such-container:/etc"), 3, "no-such")])
def test_wrong_words(build: Path, words: tuple, status: int, message: str) -> None:
    done = run_files(build, "cp", *words)
    assert (done.returncode, message in done.stderr.decode()) == (status, True), done.stderr
    assert not Path("/tmp/never").exists()


def test_what_is_not_there(c: Files, ground: Path) -> None:
    for words in ((f"{c.name}:/nowhere", ground / "x"), (ground / "nowhere", f"{c.name}:/srv/x"), (f"{c.name}:/nowhere", "-")):
        assert b"No such file or directory" in cp(c, *words, status=1).stderr
    assert list(ground.iterdir()) == []


def test_what_a_stopped_container_keeps(make: Callable[..., Files], ground: Path) -> None:
    c = make("--ephemeral=no")
    c.shell("echo text > /srv/f; chown 5 /srv/f")
    c.stop()
    cp(c, f"{c.name}:/srv", ground / "srv")
    assert ((ground / "srv/f").read_text(), (ground / "srv/f").stat().st_uid) == ("text\n", 5)
    (ground / "srv/g").write_text("g")
    cp(c, f"{ground}/srv/.", f"{c.name}:/srv")
    assert make("--ephemeral=no", name=c.name).shell("ls -A /srv; stat -c %u /srv/f") == "f\ng\n5\n"


# -- what the container does meanwhile --


def test_links_in_a_tree_stay_links(make: Callable[..., Files], ground: Path) -> None:
    (ground / "canary").mkdir()
    (ground / "canary/f").write_text("host")
    c = make()
    c.shell(f"mkdir -p /srv/d; ln -s {ground}/canary /srv/d/l; ln -s ../../../../../../../../..{ground}/canary /srv/out; ln -s d /srv/in")
    cp(c, f"{c.name}:/srv/d", ground / "d")
    assert os.readlink(ground / "d/l") == str(ground / "canary")
    cp(c, f"{c.name}:/srv/out", ground / "x", status=1)
    cp(c, f"{c.name}:/srv/in", ground / "y")
    assert (ground / "y/l").is_symlink()
    # in: what leads out of the container leads nowhere
    cp(c, ground / "canary/f", f"{c.name}:/srv/out/f", status=1)
    assert sorted(p.name for p in (ground / "canary").iterdir()) == ["f"]


@pytest.mark.parametrize("rounds", [pytest.param(40, id="some"), pytest.param(5000, id="many", marks=pytest.mark.long)])
def test_directories_that_are_swapped_meanwhile_lead_nowhere(make: Callable[..., Files], ground: Path, rounds: int) -> None:
    shared, canary, out = ground / "shared", ground / "canary", ground / "out"
    for path in (shared / "a/d/e", canary / "d/e", out, ground / "in/d/e"):
        path.mkdir(parents=True)
    (shared / "a/d/e/f").write_text("inside")
    (canary / "d/e/f").write_text("host")
    (ground / "in/d/e/f").write_text("inside")
    c = make(f"--mount=type=bind,source={shared},target=/mnt")
    c.shell(f"ln -s ../../../../../../../../..{canary} /mnt/link; ln -s ../../../../../../../../..{canary}/d /mnt/dots")
    stop, swaps, libc = threading.Event(), 0, ctypes.CDLL(None)

    def swap() -> None:
        nonlocal swaps
        pairs = [(shared / "a", shared / "link"), (shared / "a/d", shared / "dots")]
        while not stop.is_set():
            for a, b in pairs:
                for _ in range(2):
                    libc.renameat2(-100, os.fsencode(a), -100, os.fsencode(b), 2)
            swaps += 1

    was = [(str(p), p.lstat().st_ctime_ns) for p in sorted(canary.rglob("*"))]
    attacker = threading.Thread(target=swap)
    attacker.start()
    try:
        for i in range(rounds):
            done = c.files("cp", *((f"{c.name}:/mnt/a", out / "got") if i % 2 else (f"{ground}/in/.", f"{c.name}:/mnt/a")))
            assert done.returncode in (0, 1), done.stderr
            for path in out.rglob("*"):
                assert path.is_symlink() or path.is_dir() or path.read_text() == "inside"
            subprocess.run(["rm", "-rf", out / "got"], check=True) if i % 2 else None
    finally:
        stop.set()
        attacker.join()
    assert swaps > 0
    assert [(str(p), p.lstat().st_ctime_ns) for p in sorted(canary.rglob("*"))] == was
