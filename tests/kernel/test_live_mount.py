"""berth mount and umount, as root against real containers on the running kernel."""

from __future__ import annotations

import ctypes
import json
import os
import stat
import subprocess
import threading
import uuid
from pathlib import Path
from typing import Callable, Iterator

import pytest

from harness.container import end, lives, wait_for
from harness.files import DATA, Files, make_image, maker, run_files
from harness.timing import PATIENCE

pytestmark = pytest.mark.kernel
needs_berth = True


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_image(tmp_path_factory.mktemp("image") / "root")
    (root / "srv/app").mkdir()
    (root / "srv/app/first").write_text("of the image")
    os.chown(root / "srv/app", 1000, 1000)
    (root / "srv/app").chmod(0o750)
    return root


@pytest.fixture(autouse=True)
def _the_host_stays_as_it_is() -> Iterator[None]:
    before = mounts("self")
    yield
    assert mounts("self") == before


def mounts(pid: object) -> list[tuple[str, str]]:
    """Where what is mounted there, and how."""
    lines = [line.split(" - ")[0].split() for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]
    return sorted((fields[4], fields[5]) for fields in lines)


@pytest.fixture
def make(build: Path, image: Path) -> Iterator[Callable[..., Files]]:
    with maker(build, image, "--user=1000") as make_one:
        yield make_one


@pytest.fixture(params=["pick", "no"])
def c(make: Callable[..., Files], request: pytest.FixtureRequest) -> Files:
    return make(f"--private-users={request.param}")


def mount(c: Files, *words: object, status: int = 0) -> str:
    done = c.files("mount", c.name, *words)
    assert done.returncode == status, done.stderr
    return (done.stdout if status == 0 else done.stderr).decode().strip()


def umount(c: Files, what: str, status: int = 0) -> str:
    done = c.files("umount", c.name, what)
    assert done.returncode == status, done.stderr
    return done.stderr.decode().strip()


def listed(c: Files) -> list[dict]:
    return json.loads(mount(c, "--json"))


def test_a_directory_of_the_host_appears_read_only_and_goes_again(c: Files, ground: Path) -> None:
    (ground / "f").write_text("text")
    os.chown(ground / "f", 5, 6)
    before = mounts(c.state["Pid"])
    number = mount(c, ground, "/srv/new/place", "--read-only")
    assert c.shell("cat /srv/new/place/f; stat -c '%u %g' /srv/new/place/f") == "text5 6\n"
    assert "Read-only file system" in c.sh("touch /srv/new/place/g", "--user=0").stderr
    ((_, options),) = [m for m in mounts(c.state["Pid"]) if m[0] == "/srv/new/place"]
    assert {"ro", "nosuid", "nodev"} <= set(options.split(","))
    assert listed(c) == [{"id": int(number), "type": "bind", "source": str(ground), "target": "/srv/new/place", "read_only": True}]
    assert json.loads(c.files("umount", "--json", c.name, "/srv/new/place").stdout) == {"id": int(number), "target": "/srv/new/place"}
    assert listed(c) == [] and mounts(c.state["Pid"]) == before
    assert c.shell("ls -A /srv/new/place") == ""


def test_it_cannot_be_made_writable_inside(c: Files, ground: Path) -> None:
    mount(c, ground, "/srv/place", "--read-only")
    for how in ("mount -o remount,rw /srv/place", "mount -o remount,bind,rw /srv/place", "umount /srv/place", "mount --bind /srv/place /mnt"):
        assert c.sh(how, "--user=0").returncode != 0
    assert c.sh("touch /srv/place/x", "--user=0").returncode != 0
    assert list(ground.iterdir()) == []


def test_a_new_volume_has_what_the_image_has_there(c: Files) -> None:
    mount(c, "data", "/srv/app")
    assert c.shell("cat /srv/app/first; stat -c '%u %g %a' /srv/app; echo more > /srv/app/second", user="1000") == "of the image1000 1000 750\n"
    volume = DATA / "volumes" / c.name / "data"
    assert (volume / "second").read_text() == "more\n"
    assert (volume.stat().st_uid, (volume / "second").stat().st_uid, volume.parent.stat().st_mode & 0o777) == (1000, 1000, 0o700)
    umount(c, "/srv/app")
    assert c.shell("ls -A /srv/app") == "first\n"
    assert mount(c, "data", "/srv/again").isdigit()
    assert c.shell("cat /srv/again/second") == "more\n"


def test_every_other_type(c: Files, make: Callable[..., Files]) -> None:
    other = make()
    other.shell("true")
    mount(c, "/mnt/t", "--options=size=64k,mode=0700")
    assert c.shell("stat -c '%u %a' /mnt/t; stat -f -c %T /mnt/t; df -k /mnt/t | tail -1 | awk '{print $2}'") == "0 700\ntmpfs\n64\n"
    mount(c, "kept", "/mnt/b", "--type=backup")
    c.shell("echo x > /mnt/b/x")
    assert (DATA / "backup" / c.name / "kept/x").exists()
    name = f"a{uuid.uuid4().hex[:8]}"
    try:
        mount(c, name, "/mnt/a", "--type=assets")
        assert c.sh("touch /mnt/a/x", "--user=0").returncode != 0
    finally:
        (DATA / "assets" / name).rmdir()
    assert "has no such volume" in mount(c, f"{other.name}:db", "/mnt/p", "--type=pointer", status=1)
    mount(other, "db", "/mnt/db")
    mount(c, f"{other.name}:db", "/mnt/p", "--type=pointer")
    other.shell("echo shared > /mnt/db/f")
    assert c.shell("cat /mnt/p/f") == "shared\n"


def test_files_and_what_is_below(c: Files, ground: Path) -> None:
    (ground / "d/e").mkdir(parents=True)
    (ground / "d/e/f").write_text("text")
    mount(c, ground / "d/e/f", "/srv/file", "--read-only", "--file-type=file")
    mount(c, ground, "/srv/sub", "--read-only", "--subpath=d/e")
    assert c.shell("cat /srv/file /srv/sub/f") == "texttext"
    assert "is not a directory, as FileType= says" in mount(c, ground / "d/e/f", "/srv/x", "--read-only", "--file-type=directory", status=1)
    assert "cannot be opened" in mount(c, ground, "/srv/x", "--read-only", "--subpath=d/nothing", status=1)
    umount(c, "/srv/file")
    assert c.shell("cat /srv/file") == ""


def test_what_is_mounted_below_comes_along_with_its_flags(c: Files, ground: Path) -> None:
    (ground / "below").mkdir()
    # in a mount namespace of its own, as others test beside us
    script = 'mount -t tmpfs -o suid,dev tmpfs "$0/below" && echo text >"$0/below/f" && exec "$@"'

    def live(*words: object) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(["unshare", "--mount", "--propagation=private", "sh", "-c", script, str(ground),
                               str(c.build / "helper/berth-files"), "mount", c.name, *map(str, words)], check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=2 * PATIENCE)

    assert live(ground, "/srv/one", "--read-only").returncode == 0
    assert c.shell("ls -A /srv/one/below") == ""
    done = live(ground, "/srv/all", "--read-only", "--recursive")
    if done.returncode != 0:
        assert c.state["UidBase"] != "0" and b"cannot map ids on this kernel" in done.stderr  # before Linux 6.3
        return
    assert c.shell("cat /srv/all/below/f") == "text\n"
    flags = [set(options.split(",")) for place, options in mounts(c.state["Pid"]) if place.startswith("/srv/all")]
    assert len(flags) == 2 and all({"ro", "nosuid", "nodev"} <= each for each in flags)
    umount(c, "/srv/all")
    assert [place for place, _ in mounts(c.state["Pid"]) if place.startswith("/srv/all")] == []


def test_a_bind_is_writable_only_where_the_manifest_has_one(make: Callable[..., Files], ground: Path) -> None:
    c = make()
    assert "is for containers whose manifest has one" in mount(c, ground, "/srv/x", status=1)
    (ground / "a").mkdir()
    (ground / "b").mkdir()
    c = make(f"--mount=type=bind,source={ground}/a,target=/mnt")
    mount(c, ground / "b", "/srv/x")
    c.shell("touch /srv/x/f; ! chmod 4755 /srv/x/f 2>/dev/null")
    assert (ground / "b/f").stat().st_mode & stat.S_ISUID == 0


def test_ids_are_mapped_as_asked_for(make: Callable[..., Files], ground: Path) -> None:
    (ground / "a").mkdir()
    for name, uid, gid in (("x", 100, 200), ("y", 101, 201), ("z", 5000, 5000)):
        (ground / name).write_text(name)
        os.chown(ground / name, uid, gid)
    c = make(f"--mount=type=bind,source={ground}/a,target=/mnt")
    mount(c, ground, "/srv/r", "--idmap=u:100:7:2", "--idmap=g:200:9:2", "--idmap=b:0:0:1")
    assert c.shell("cd /srv/r; stat -c '%n %u %g' x y z") == "x 7 9\ny 8 10\nz 65534 65534\n"
    assert c.sh("touch /srv/r/z", "--user=0").returncode != 0
    os.chown(ground, 300, 301)
    mount(c, ground, "/srv/auto", "--idmap=auto")
    assert c.shell("stat -c '%u %g' /srv/auto; stat -c '%u %g' /srv/auto/x") == "1000 1000\n65534 65534\n"
    c.shell("touch /srv/auto/mine", user="1000")
    assert ((ground / "mine").stat().st_uid, (ground / "mine").stat().st_gid) == (300, 301)
    assert "names an id that the container does not have" in mount(c, ground, "/srv/q", "--idmap=1:70000:1", status=1)
    assert "overlapping" in mount(c, ground, "/srv/q", "--idmap=1:1:5", "--idmap=3:20:5", status=2)


def test_what_is_in_the_way(c: Files, ground: Path) -> None:
    (ground / "f").write_text("")
    c.shell("cd /srv; mkdir full empty; touch full/x file; echo x > filled; ln -s nowhere dangling; ln -s /srv/real link; mkdir real")
    mount(c, ground, "/srv/file", "--read-only")
    mount(c, ground / "f", "/srv/empty", "--read-only")
    mount(c, ground, "/srv/link/deep", "--read-only")
    assert c.shell("ls -A /srv/real/deep; test -d /srv/file && test -f /srv/empty") == "f\n"
    for source, target in ((ground, "/srv/filled"), (ground / "f", "/srv/full"), (ground, "/srv/dangling")):
        assert "is in the way" in mount(c, source, target, "--read-only", status=1)
    assert "cannot be made in the container" in mount(c, ground, "/proc/nothing", "--read-only", status=1)


def test_it_is_found_whatever_the_container_calls_it_by_now(c: Files, ground: Path) -> None:
    mount(c, ground, "/srv/a/b", "--read-only")
    first = mount(c, "/srv/a/t")
    second = mount(c, ground, "/srv/a/t", "--read-only")
    c.shell("mv /srv/a '/srv/z z'")
    assert "something else is mounted over '/srv/a/t'" in umount(c, first, status=1)
    umount(c, second)
    umount(c, "/srv/a/t")
    umount(c, "/srv/a/b")
    assert [place for place, _ in mounts(c.state["Pid"]) if place.startswith("/srv")] == []
    for what in ("/srv/a/b", first, "/proc", "/"):
        assert "nothing that berth mount has mounted" in umount(c, what, status=1)


def test_the_next_start_knows_of_none(make: Callable[..., Files], ground: Path) -> None:
    c = make()
    mount(c, ground, "/srv/x", "--read-only")
    leader = int(c.state["Pid"])
    c.process.kill()  # nobody cleans up after it
    end(leader)
    c.process.wait(PATIENCE)
    wait_for(lambda: not lives(leader))
    assert c.files("mount", c.name).returncode == 4
    c.stop()
    again = make(name=c.name)
    assert listed(again) == [] and again.shell("ls -A /srv") == "app\n"


@pytest.mark.parametrize("words, status, message", [
    ((), 2, "needs the name of a container"), (("x", "a", "b", "c"), 2, "is one more"), (("x", "a", "b"), 2, "must be an absolute path"),
    (("x", "/a", "/b/../c"), 2, "must be an absolute path"), (("x", "a b", "/b"), 2, "source= must be"), (("x", "/a", "/b", "--typ=bind"), 2, "did you mean"),
    (("x", "/a", "/b", "--type=bnd"), 2, "wrong field 'type=bnd'"), (("x", "/b", "--type=bind"), 2, "needs a source and a target"),
    (("no-such-container", "/b"), 3, "no container 'no-such-container', see"),
    (("no-such-container",), 3, "no container 'no-such-container', see")])
def test_wrong_words(build: Path, words: tuple, status: int, message: str) -> None:
    done = run_files(build, "mount", *words)
    assert (done.returncode, message in done.stderr.decode()) == (status, True), done.stderr
    assert run_files(build, "umount", "no-such-container", "/b").returncode == 3
    assert run_files(build, "umount", "x").returncode == 2


@pytest.mark.parametrize("rounds", [pytest.param(60, id="some"), pytest.param(5000, id="many", marks=pytest.mark.long)])
@pytest.mark.parametrize("users", ["pick", "no"])
def test_a_target_that_is_swapped_meanwhile_leads_nowhere(make: Callable[..., Files], ground: Path, users: str, rounds: int) -> None:
    """The container turns the way to the target into links out of its root and back."""
    shared, canary = ground / "shared", ground / "canary"
    for path in (shared / "a/target", canary / "target", ground / "source"):
        path.mkdir(parents=True)
    (canary / "target/innocent").touch()
    c = make(f"--mount=type=bind,source={shared},target=/mnt", f"--private-users={users}")
    c.shell(f"ln -s ../../../../../../../../..{canary} /mnt/link; ln -s {canary} /mnt/dots")
    stop, swaps, libc = threading.Event(), 0, ctypes.CDLL(None)

    def swap() -> None:
        nonlocal swaps
        while not stop.is_set():
            for other in ("link", "dots"):
                for _ in range(2):
                    libc.renameat2(-100, os.fsencode(shared / "a"), -100, os.fsencode(shared / other), 2)
            swaps += 1

    was = [(str(p), p.lstat().st_ctime_ns) for p in sorted([canary, *canary.rglob("*")])]
    before, landed = mounts("self"), 0
    attacker = threading.Thread(target=swap)
    attacker.start()
    try:
        for i in range(rounds):
            target = ("/mnt/a/target", "/mnt/a/new/deep")[i % 2]
            done = c.files("mount", c.name, ground / "source", target, "--read-only")
            assert done.returncode in (0, 1), done.stderr
            if i % 16 == 0:
                assert mounts("self") == before
            if done.returncode == 0:
                landed += 1
                umount(c, done.stdout.decode().strip())
    finally:
        stop.set()
        attacker.join()
    assert swaps > 0 and landed > 0 and mounts("self") == before
    assert [(str(p), p.lstat().st_ctime_ns) for p in sorted([canary, *canary.rglob("*")])] == was
    assert [place for place, _ in mounts(c.state["Pid"]) if "/target" in place or "/new" in place] == []
