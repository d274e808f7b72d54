"""berth volume, as root on the running kernel."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import stat
import subprocess
import uuid
from pathlib import Path
from typing import Callable, Iterator

import pytest

from harness.attributes import ACCESS, CAPABILITY, DEFAULT, acl, capability
from harness.container import wait_for
from harness.files import DATA, Files, make_image, maker
from harness.timing import PATIENCE

pytestmark = pytest.mark.kernel
needs_berth = True


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_image(tmp_path_factory.mktemp("image") / "root")


class Volumes:
    """The volumes of a container that need not be there."""

    def __init__(self, build: Path):
        self.program, self.name = build / "helper/berth-storage", f"v{uuid.uuid4().hex[:12]}"
        self.directory = DATA / "volumes" / self.name

    def run(self, verb: str, *words: object, data: bytes = b"", status: int = 0) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run([self.program, "volume", verb, *(str(word) for word in words)], input=data, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=2 * PATIENCE)
        assert done.returncode == status, done.stderr
        return done

    def free(self) -> bool:
        """Does nobody have the volumes locked?"""
        fd = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(fd)
        return True

    def leftovers(self) -> list[str]:
        return sorted(path.name for path in self.directory.iterdir() if path.name.startswith("."))


@pytest.fixture
def v(build: Path) -> Iterator[Volumes]:
    volumes = Volumes(build)
    yield volumes
    for directory in ("volumes", "backup"):
        subprocess.run(["rm", "-rf", DATA / directory / volumes.name], check=True)


@pytest.fixture
def make(build: Path, image: Path) -> Iterator[Callable[..., Files]]:
    with maker(build, image) as make_one:
        yield make_one


def fill(directory: Path) -> list[tuple]:
    (directory / "d").mkdir()
    (directory / "d/f").write_text("text")
    os.link(directory / "d/f", directory / "hard")
    (directory / "l").symlink_to("/etc/passwd")
    (directory / "su").write_text("")
    (directory / "su").chmod(0o4755)
    os.setxattr(directory / "d/f", "user.tag", b"value")
    os.chown(directory / "d", 33, 34)
    directory.chmod(0o2770)
    os.chown(directory, 5, 6)
    with (directory / "sparse").open("wb") as sparse:
        sparse.truncate(20 << 20)
    return listing(directory)


def listing(top: Path) -> list[tuple]:
    return [(str(path.relative_to(top)), (st := path.lstat()).st_mode, st.st_uid, st.st_gid, st.st_mtime_ns, st.st_nlink,
             path.read_bytes() if stat.S_ISREG(st.st_mode) else None) for path in sorted([top, *top.rglob("*")])]


def test_made_listed_and_removed(v: Volumes) -> None:
    v.run("create", f"{v.name}:db", "--owner=999:998", "--mode=0700")
    st = (v.directory / "db").stat()
    assert (st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)) == (999, 998, 0o700)
    assert stat.S_IMODE(v.directory.stat().st_mode) == 0o700
    assert b"already" in v.run("create", f"{v.name}:db", status=1).stderr
    assert json.loads(v.run("create", f"{v.name}:a", "--json").stdout) == {"volume": f"{v.name}:a"}
    (v.directory / ".hidden").mkdir()
    assert json.loads(v.run("list", v.name, "--json").stdout) == [
        {"volume": f"{v.name}:{name}", "uid": uid, "gid": gid, "containers": []} for name, uid, gid in (("a", 0, 0), ("db", 999, 998))]
    assert [line.split() for line in v.run("list", v.name).stdout.decode().splitlines()] == [
        ["VOLUME", "OWNER", "CONTAINERS"], [f"{v.name}:a", "0:0", "-"], [f"{v.name}:db", "999:998", "-"]]
    (v.directory / "db/f").write_text("x")
    assert json.loads(v.run("remove", f"{v.name}:db", "--json").stdout) == {"volume": f"{v.name}:db"}
    assert sorted(path.name for path in v.directory.iterdir()) == [".hidden", "a"]
    assert b"there is no volume" in v.run("remove", f"{v.name}:db", status=3).stderr
    done = v.run("list", "nobody", "--json", status=3)
    assert (done.stdout, done.stderr) == (b"", b"no container 'nobody', see berth list --all\n")
    done = v.run("list", "../x", status=3)
    assert (done.stdout, done.stderr) == (b"", b"'../x' is not a container's name, see berth list --all\n")


def test_a_backup_restores_all_of_it(v: Volumes, tmp_path: Path) -> None:
    v.run("create", f"{v.name}:db")
    was = fill(v.directory / "db")
    answer = json.loads(v.run("backup", f"{v.name}:db", "--json").stdout)
    path = Path(answer["file"])
    assert path.parent == DATA / "backup" / v.name and path.stat().st_size == answer["size"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    subprocess.run(["rm", "-rf", v.directory / "db"], check=True)
    v.run("restore", f"{v.name}:db", path)
    assert listing(v.directory / "db") == was
    assert os.getxattr(v.directory / "db/d/f", "user.tag") == b"value"
    assert (v.directory / "db/sparse").stat().st_blocks < 100
    # over what is there: nothing of the old stays
    (v.directory / "db/more").write_text("")
    data = v.run("backup", f"{v.name}:other", "-", status=3).stdout + path.read_bytes()
    v.run("restore", f"{v.name}:db", "-", data=data)
    assert listing(v.directory / "db") == was
    v.run("backup", f"{v.name}:db", tmp_path / "out.tar.zst")
    assert b"d/f" in subprocess.run(["tar", "--zstd", "-tf", tmp_path / "out.tar.zst"], stdout=subprocess.PIPE, check=True).stdout
    assert v.leftovers() == [] and sorted(p.name for p in tmp_path.iterdir()) == ["out.tar.zst"]


def test_a_backup_keeps_access_lists_and_no_capabilities(v: Volumes) -> None:
    """The numbers on disk, which are those inside."""
    v.run("create", f"{v.name}:db")
    top = v.directory / "db"
    (top / "d").mkdir()
    (top / "d/f").write_text("text")
    (top / "d/tool").write_text("")
    access, default = acl("u:rw-", "U70000:rwx", "g:r--", "m:rwx", "o:---"), acl("u:rwx", "g:r-x", "G5:r--", "m:r-x", "o:---")
    os.setxattr(top / "d/f", ACCESS, access)
    os.setxattr(top / "d", DEFAULT, default)
    os.setxattr(top / "d/tool", CAPABILITY, capability())
    was = listing(top)
    data = v.run("backup", f"{v.name}:db", "-").stdout
    v.run("remove", f"{v.name}:db")
    v.run("restore", f"{v.name}:db", "-", data=data)
    assert listing(top) == was
    assert os.getxattr(top / "d/f", ACCESS) == access and os.getxattr(top / "d", DEFAULT) == default
    assert os.listxattr(top / "d/tool") == []


def test_a_missing_part_of_a_volume_is_made_as_what_it_is_to_be(make: Callable[..., Files], v: Volumes) -> None:
    """Below links of the volume that lead out of it, too."""
    (v.directory / "db/etc").mkdir(parents=True)
    (v.directory / "db/link").symlink_to("/" + "../" * 20 + "etc")
    c = make("--mount=type=volume,source=db,subpath=conf/app.conf,filetype=file,target=/etc/app.conf",
             "--mount=type=volume,source=db,subpath=top.conf,filetype=file,target=/etc/top.conf",
             "--mount=type=volume,source=db,subpath=a/b,target=/srv/dir", f"--mount=type=pointer,source={v.name}:db,target=/srv/db",
             "--mount=type=backup,source=db,subpath=last,filetype=file,target=/srv/last")
    assert c.shell("stat -c '%F %a %s' /etc/app.conf /etc/top.conf /srv/last; echo text > /etc/app.conf; stat -c %F /srv/dir") == (
        "regular empty file 644 0\n" * 3 + "directory\n")
    volume = DATA / "volumes" / c.name
    assert (volume / "db/conf/app.conf").read_text() == "text\n"
    other = make(f"--mount=type=volume,source={v.name}:db,subpath=link/berth-test-new,filetype=file,target=/srv/f")
    assert other.shell("stat -c %F /srv/f") == "regular empty file\n"
    assert not Path("/etc/berth-test-new").exists() and (v.directory / "db/etc/berth-test-new").is_file()
    for directory in (volume, DATA / "backup" / c.name):
        subprocess.run(["rm", "-rf", directory], check=True)


def test_the_first_content_of_a_volume_has_its_access_lists(build: Path, tmp_path: Path) -> None:
    root = make_image(tmp_path / "root")
    access, default = acl("u:rw-", "U7:rwx", "g:---", "m:rwx", "o:---"), acl("u:rwx", "U7:rwx", "g:---", "m:rwx", "o:---")
    (root / "srv/f").write_text("text")
    os.setxattr(root / "srv/f", ACCESS, access)
    os.setxattr(root / "srv", DEFAULT, default)
    (root / "srv/plain").mkdir()
    os.removexattr(root / "srv/plain", ACCESS)
    os.removexattr(root / "srv/plain", DEFAULT)
    container = Files(build, root, "--mount=type=volume,source=db,target=/srv")
    container.stop()
    volume = DATA / "volumes" / container.name
    assert [os.getxattr(volume / "db/f", ACCESS), os.getxattr(volume / "db", DEFAULT)] == [access, default]
    assert os.listxattr(volume / "db/plain") == []
    subprocess.run(["rm", "-rf", volume], check=True)


@pytest.mark.parametrize("what", ["cut", "no archive", "too much", "no file"])
def test_a_restore_that_fails_changes_nothing(v: Volumes, tmp_path: Path, what: str) -> None:
    v.run("create", f"{v.name}:db")
    was = fill(v.directory / "db")
    data = v.run("backup", f"{v.name}:db", "-").stdout
    (tmp_path / "x").write_bytes({"cut": data[:len(data) // 2], "no archive": b"no archive" * 1000}.get(what, data))
    words = ["--max-size=1M"] if what == "too much" else []
    v.run("restore", f"{v.name}:db", tmp_path / ("none" if what == "no file" else "x"), *words, status=1)
    assert listing(v.directory / "db") == was and v.leftovers() == []


def test_what_a_container_uses_is_neither_removed_nor_restored(v: Volumes, make: Callable[..., Files], tmp_path: Path) -> None:
    v.run("create", f"{v.name}:db")
    v.run("backup", f"{v.name}:db", tmp_path / "b")
    c = make("--mount=type=volume,source=db,target=/srv", name=v.name)
    other = make(f"--mount=type=pointer,source={v.name}:db,target=/srv")
    for verb, *words in (("remove",), ("restore", tmp_path / "b")):
        done = v.run(verb, f"{v.name}:db", *words, status=1)
        assert b"stop it first" in done.stderr or b"being used by a start" in done.stderr
    (entry,) = json.loads(v.run("list", v.name, "--json").stdout)
    assert entry["containers"] == sorted([c.name, other.name])
    c.stop()
    v.run("remove", f"{v.name}:db", status=1)
    other.stop()
    assert other.files("mount", other.name).returncode == 3
    v.run("restore", f"{v.name}:db", tmp_path / "b")


def test_one_that_was_mounted_live_is_in_use(v: Volumes, make: Callable[..., Files]) -> None:
    c = make(name=v.name)
    assert c.files("mount", c.name, "db", "/srv").returncode == 0
    assert b"container '%s' uses the volume" % c.name.encode() in v.run("remove", f"{v.name}:db", status=1).stderr
    assert c.files("umount", c.name, "/srv").returncode == 0
    v.run("remove", f"{v.name}:db")


@pytest.mark.parametrize("gone", ["launch", "mounts"])
def test_where_use_cannot_be_told_nothing_is_removed(v: Volumes, make: Callable[..., Files], gone: str) -> None:
    v.run("create", f"{v.name}:db")
    c = make()
    state = Path("/run/berth/containers") / c.name
    if gone == "launch":
        (state / "launch").rename(state / "elsewhere")
    else:
        (state / "mounts").write_text("no directory")
    done = v.run("remove", f"{v.name}:db", status=1)
    assert done.stderr.startswith(f"cannot tell whether container '{c.name}' uses it: ".encode())
    c.stop()
    v.run("remove", f"{v.name}:db")


def test_frozen_while_it_is_written(v: Volumes, make: Callable[..., Files], tmp_path: Path) -> None:
    c = make("--mount=type=volume,source=db,target=/srv", name=v.name, command=(
        "sh", "-c", "i=0; while :; do i=$((i+1)); echo $i >/srv/a; echo $i >/srv/b; done"))
    wait_for(lambda: (v.directory / "db/b").exists())
    for _ in range(3):
        data = v.run("backup", f"{v.name}:db", "-", "--freeze").stdout
        subprocess.run(["tar", "--zstd", "-xf", "-", "-C", tmp_path], input=data, check=True)
        a, b = ((tmp_path / name).read_text().strip() for name in "ab")
        assert a == b or int(a or -1) == int(b or 0) + 1 or "" in (a, b)
    was = (v.directory / "db/a").read_text()
    wait_for(lambda: (v.directory / "db/a").read_text() != was)  # it goes on
    assert c.shell("true") == ""


def test_a_kill_leaves_the_old_or_the_new(v: Volumes, tmp_path: Path) -> None:
    v.run("create", f"{v.name}:db")
    (v.directory / "db/content").write_text("old")
    (tmp_path / "new").mkdir()
    for i in range(300):
        (tmp_path / f"new/{i}").write_text("x" * 1000)
    (tmp_path / "new/content").write_text("new")
    subprocess.run(["tar", "-cf", tmp_path / "b", "-C", tmp_path / "new", "."], check=True)
    seen = set()
    for step in range(12):
        process = subprocess.Popen([v.program, "volume", "restore", f"{v.name}:db", tmp_path / "b"], start_new_session=True)
        try:
            process.wait(0.004 * step)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)
        wait_for(v.free)  # what it had forked dies with it, but not in the same moment
        content = (v.directory / "db/content").read_text()
        seen.add(content)
        assert len(list((v.directory / "db").iterdir())) == (301 if content == "new" else 1)
    v.run("restore", f"{v.name}:db", tmp_path / "b")
    assert (v.directory / "db/content").read_text() == "new" and seen <= {"old", "new"}
    assert v.leftovers() == [], "what the killed ones left goes with the next"


@pytest.mark.parametrize("words, message", [
    (("create", "db"), "is not NAME:VOLUME"), (("create", "a:../x"), "is not NAME:VOLUME"), (("create", "a:b", "--owner=root"), "numbers"),
    (("create", "a:b", "--mode=9"), "octal"), (("remove",), "needs NAME:VOLUME"), (("restore", "a:b"), "needs NAME:VOLUME FILE|-"),
    (("backup", "a:b", "--force"), "takes no --force"), (("lst",), "did you mean 'list'")])
def test_wrong_words(v: Volumes, words: tuple, message: str) -> None:
    assert message in v.run(*words, status=2).stderr.decode()
