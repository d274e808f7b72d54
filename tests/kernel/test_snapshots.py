"""berth snapshot, as root on the running kernel: what is copied, what is restored, and what a kill leaves."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Iterator

import pytest

from harness.attributes import ACCESS, CAPABILITY, NET_BIND_SERVICE, acl, capability
from harness.container import end, wait_for
from harness.place import Place, make_tree, on_a_terminal, quick_directory
from harness.timing import PATIENCE

pytestmark = pytest.mark.kernel
needs_berth = True

FILL = r"""
mkdir -p /data/deep/er && echo one >/data/one && ln /data/one /data/deep/again && ln -s ../one /data/deep/link
echo x >/data/owned && chown 1000:1000 /data/owned && chmod 4751 /data/owned
dd if=/dev/zero of=/data/sparse bs=1 count=1 seek=5000000 2>/dev/null
mkfifo /data/fifo; rm /etc/gone; rm -r /old && mkdir /old && echo new >/old/new; sync
"""
LOOK = r"""
cat /data/one /data/deep/link; stat -c '%h %i' /data/one /data/deep/again | sort -u | wc -l
stat -c '%u:%g %a' /data/owned; stat -c '%s' /data/sparse; ls /etc; ls /old; [ -p /data/fifo ] && echo fifo
"""
SEEN = "one\none\n1\n1000:1000 4751\n5000001\nhostname\nhosts\nresolv.conf\nnew\nfifo\n"


@pytest.fixture
def place(pytestconfig: pytest.Config) -> Iterator[Place]:
    """With a container 'web' that has kept something over an image."""
    top = Path(tempfile.mkdtemp(prefix="berth-snapshots.", dir=quick_directory()))
    place = Place(Path(pytestconfig.getoption("--berth-build")).resolve(), top)
    tree = make_tree(top / "tree")
    for tool in ("sort", "wc"):
        (tree / "bin" / tool).symlink_to("busybox")
    (tree / "etc/gone").write_text("of the image\n")
    (tree / "etc/resolv.conf").write_text("\n")
    (tree / "old").mkdir()
    (tree / "old/old").write_text("of the image\n")
    yield place
    place.close()


def options(place: Place) -> tuple[str, ...]:
    return (f"--image={place.top / 'tree'}", "--ephemeral=no")


def inside(place: Place, script: str) -> str:
    done = place.launch("/bin/sh", "-c", script, options=options(place))
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.replace("machine-id\n", "")


def snapshot(place: Place, *words: object) -> subprocess.CompletedProcess[str]:
    return place.run("berth-storage", "snapshot", *words)


def ok(place: Place, *words: object) -> str:
    done = snapshot(place, *words)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def everything(path: Path) -> dict[str, tuple]:
    """All there is to know of a layer, but for the numbers of its inodes."""
    found: dict[str, tuple] = {}
    first: dict[int, str] = {}
    for name in sorted(str(entry.relative_to(path)) for entry in [path, *path.rglob("*")]):
        file = path / name
        st = file.lstat()
        content: object = None
        if stat.S_ISREG(st.st_mode):
            content = (file.read_bytes(), first.setdefault(st.st_ino, name), st.st_blocks < 100)
        elif stat.S_ISLNK(st.st_mode):
            content = os.readlink(file)
        attributes = {} if stat.S_ISLNK(st.st_mode) else {
            key: os.getxattr(file, key, follow_symlinks=False) for key in os.listxattr(file, follow_symlinks=False)}
        found[name] = (st.st_mode, st.st_uid, st.st_gid, st.st_rdev, st.st_mtime_ns, content, attributes)
    return found


def left(place: Place) -> list[str]:
    """What no snapshot and no layer is."""
    return subprocess.run(["find", place.lib / "berth", "-name", ".new-*", "-o", "-name", ".dead-*"], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.split()


def test_a_snapshot_is_the_layer_and_becomes_it_again(place: Place) -> None:
    inside(place, FILL)
    assert inside(place, LOOK) == SEEN
    layer = place.lib / "berth/layers/web"
    before = everything(layer / "up")
    assert any(stat.S_ISCHR(entry[0]) for entry in before.values())  # a whiteout
    assert any("user.overlay.opaque" in entry[6] for entry in before.values())
    told = json.loads(ok(place, "create", "web", "first", "--json"))
    assert (told["container"], told["tag"], told["digest"]) == ("web", "first", None)
    assert everything(place.lib / "berth/snapshots/web/first/up") == before
    inside(place, "rm -r /data; rm /old/new; echo again >/etc/gone")
    assert ok(place, "restore", "web", "first") == "web: restored first\n"
    assert everything(layer / "up") == before
    assert inside(place, LOOK) == SEEN
    assert left(place) == []


def test_on_a_terminal_a_bar_tells_how_much_there_is(place: Place) -> None:
    inside(place, "dd if=/dev/urandom of=/big bs=1048576 count=3 2>/dev/null; dd if=/dev/zero of=/sparse bs=1 count=1 seek=900000000 2>/dev/null; sync")
    for words in (("create", "web", "a"), ("restore", "web", "a")):
        done, said = on_a_terminal(lambda terminal: subprocess.run(
            [*place.prefix(), place.helper / "berth-storage", "snapshot", *words], check=False, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=terminal, timeout=2 * PATIENCE))
        assert done.returncode == 0 and re.search(r"web: \[[# ]{30}\] +\d+% \S+ of 3\.0M, ", said), said
        assert said.endswith("\r\033[K"), said


def test_list_remove_and_what_is_wrong(place: Place) -> None:
    assert snapshot(place, "create", "web").returncode == 3
    inside(place, "echo x >/x")
    ok(place, "create", "web", "a")
    inside(place, "echo y >/x")
    (tag,) = [word for word in ok(place, "create", "web").split() if word[0].isdigit()][:1]
    tag = tag.rstrip(",")
    twice = snapshot(place, "create", "web", "a")
    assert (twice.returncode, twice.stderr) == (1, "container 'web' has a snapshot 'a' already\n")
    assert sorted(row["tag"] for row in json.loads(ok(place, "list", "--json"))) == sorted(["a", tag])
    assert [line.split()[:2] for line in ok(place, "list", "web", "--no-legend").splitlines()] == \
        sorted([["web", "a"], ["web", tag]], key=lambda row: row[1])
    other = snapshot(place, "list", "other", "--json")
    assert (other.returncode, other.stdout, other.stderr) == (3, "", "no container 'other', see berth list --all\n")
    for words, status, message in ((["restore", "web", "b"], 3, "container 'web' has no snapshot 'b', see berth snapshot "
                                                                "list web\n"),
                                   (["remove", "web", "b"], 3, "has no snapshot 'b'"),
                                   (["remove", "other", "b"], 3, "no container 'other', see berth list --all"),
                                   (["restore", "other"], 3, "no container 'other', see berth list --all\n"),
                                   (["remove", "web"], 2, "either a tag or --all"),
                                   (["remove", "web", "a", "--all"], 2, "either a tag or --all"),
                                   (["create", "web", "../x"], 2, "'../x' cannot be a tag"),
                                   (["create", "web", ".new-x"], 2, "'.new-x' cannot be a tag"),
                                   (["create", "../x", "a"], 3, "'../x' is not a container's name, see berth list --all"),
                                   (["create"], 2, "needs NAME")):
        done = snapshot(place, *words)
        assert done.returncode == status and message in done.stderr, (words, done)
    ok(place, "remove", "web", "a")
    ok(place, "restore", "web")  # the newest
    assert inside(place, "cat /x") == "y\n"
    assert json.loads(ok(place, "remove", "web", "--all", "--json")) == {"container": "web", "tags": [tag]}
    assert ok(place, "list", "web", "--no-legend") == ""  # there is such a container, and it has none
    assert snapshot(place, "restore", "web").returncode == 3
    assert left(place) == []


def test_a_layer_that_was_removed_comes_back(place: Place) -> None:
    inside(place, "echo x >/x")
    ok(place, "create", "web", "a")
    assert place.run("berth-manage", "remove", "web", "--layer").returncode == 0
    ok(place, "restore", "web")
    assert inside(place, "cat /x") == "x\n"
    told = json.loads(place.run("berth-manage", "remove", "web", "--all", "--json").stdout)
    assert [entry["removed"] for entry in told if entry["container"] == "web"] == ["layer", "snapshots"]
    assert json.loads(ok(place, "list", "--json")) == []


@pytest.fixture
def running(place: Place) -> Iterator[subprocess.Popen[bytes]]:
    """'web', which counts into a file of its layer all the time."""
    process = subprocess.Popen(
        [*place.prefix(), place.helper / "berth", "launch", "--foreground", "--name=web", "--network=none",
         *options(place), "--", "/bin/sh", "-c", "i=0; while :; do i=$((i+1)); echo $i >>/count; done"],
        stdin=subprocess.DEVNULL)
    count = place.lib / "berth/layers/web/up/count"
    wait_for(lambda: (place.runtime / "containers/web/state").exists() and count.exists() and count.stat().st_size > 1000)
    yield process
    process.kill()
    process.wait(PATIENCE)


def grows(count: Path) -> bool:
    size = count.stat().st_size
    wait_for(lambda: count.stat().st_size > size)
    return True


def test_a_running_container_stands_still_and_goes_on(place: Place, running: subprocess.Popen[bytes]) -> None:
    count = place.lib / "berth/layers/web/up/count"
    ok(place, "create", "web", "a")
    assert grows(count)
    lines = (place.lib / "berth/snapshots/web/a/up/count").read_text().splitlines()
    assert lines == [str(i + 1) for i in range(len(lines))] or lines[:-1] == [str(i + 1) for i in range(len(lines) - 1)]
    refused = snapshot(place, "restore", "web", "a")
    assert (refused.returncode, refused.stderr) == (1, "container 'web' runs; stop it first\n")
    assert running.poll() is None


def test_killed_while_it_copies_the_container_goes_on(place: Place, running: subprocess.Popen[bytes]) -> None:
    count = place.lib / "berth/layers/web/up/count"
    command = [*place.prefix(), place.helper / "berth-storage", "snapshot", "create", "web", "killed"]
    for i in range(12):
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.003 * i)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert grows(count)
        snapshot(place, "remove", "web", "--all")
    ok(place, "create", "web", "whole")
    assert left(place) == []


@pytest.fixture
def copying(place: Place, running: subprocess.Popen[bytes], tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A snapshot of 'web' that has begun to copy and is stopped there: 'web' is frozen. Its tracer leads its group."""
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    calls = tmp_path / "calls"
    process = subprocess.Popen([*place.prefix(), "strace", "-f", "-qq", "-o", calls, "-e", "trace=utimensat", "-e",
                                "inject=utimensat:signal=STOP:when=1", place.helper / "berth-storage", "snapshot", "create", "web", "new"],
                               text=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
    try:
        # its state would not tell: at each call that is traced it is stopped as well
        wait_for(lambda: process.poll() is not None or (calls.exists() and re.search(r"utimensat\(.*stopped by SIGSTOP", calls.read_text(), re.S)))
        assert process.poll() is None, process.communicate()
        yield process
    finally:
        for pid in programs(process):
            end(pid)
        process.communicate(timeout=PATIENCE)


def programs(tracer: subprocess.Popen[str]) -> list[int]:
    """What it traces: the snapshot itself, and the keeper of what stands still."""
    done = subprocess.run(["pgrep", f"--session={tracer.pid}", "-x", "berth-storage"], stdout=subprocess.PIPE, check=False)
    found = []
    for pid in map(int, done.stdout.split()):
        try:
            found += [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
        except (FileNotFoundError, ProcessLookupError):
            pass  # it has ended
    return found


def test_what_was_thawed_while_it_was_copied_is_no_snapshot(place: Place, copying: subprocess.Popen[str]) -> None:
    count = place.lib / "berth/layers/web/up/count"
    own, _ = programs(copying)
    for path in place.group.glob("**/payload/cgroup.freeze"):
        path.write_text("0")
    assert grows(count)
    os.kill(own, signal.SIGCONT)
    said = copying.communicate(timeout=PATIENCE)[1]
    assert (copying.returncode, said) == (1, "container 'web' was stopped or thawed while its files were copied; try again\n")
    assert grows(count)
    assert json.loads(ok(place, "list", "--json")) == [] and left(place) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_all_of_a_snapshot_leaves_nobody_frozen(place: Place, copying: subprocess.Popen[str], number: int) -> None:
    """As a stop of the unit that it is called in sends one, or the end of a terminal."""
    own, keeper = programs(copying)
    os.kill(keeper, number)
    os.kill(own, signal.SIGKILL)
    assert grows(place.lib / "berth/layers/web/up/count")
    copying.communicate(timeout=PATIENCE)


@pytest.mark.parametrize("rounds", [pytest.param(20, id="some"), pytest.param(400, id="many", marks=pytest.mark.long)])
@pytest.mark.parametrize("verb", ["create", "restore"])
def test_killed_at_any_moment_nothing_is_lost_and_nothing_is_left(place: Place, verb: str, rounds: int) -> None:
    inside(place, FILL + "i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo $i >/data/deep/$i; done")
    layer = place.lib / "berth/layers/web"
    before = everything(layer / "up")
    ok(place, "create", "web", "kept")
    command = [*place.prefix(), place.helper / "berth-storage", "snapshot", verb, "web",
               "kept" if verb == "restore" else "new"]
    started = time.monotonic()
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    whole = time.monotonic() - started
    for i in range(rounds):
        if verb == "create":
            snapshot(place, "remove", "web", "new")
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(whole * i / rounds)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert everything(layer / "up") == before
        assert everything(place.lib / "berth/snapshots/web/kept/up") == before
        for row in json.loads(ok(place, "list", "--json")):
            assert everything(place.lib / "berth/snapshots/web" / row["tag"] / "up") == before
    assert place.run("berth-manage", "clean", "--all").returncode == 0
    assert left(place) == []
    assert sorted(os.listdir(place.lib / "berth/layers")) == ["web"]


def test_what_a_container_made_leads_the_copy_nowhere(place: Place) -> None:
    """Links to outside, devices of a container with the host's ids, directories without end."""
    canary = place.top / "canary"
    canary.write_text("alive\n")
    inside(place, f"ln -s {canary} /link; ln -s / /root-link; mkdir -p /a; cd /a; "
           "i=0; while [ $i -lt 1100 ]; do i=$((i+1)); mkdir d && cd d || exit 1; done")
    done = snapshot(place, "create", "web", "deep")
    assert done.returncode == 1 and "cannot go deeper: Too many levels of symbolic links" in done.stderr
    assert left(place) == [] and json.loads(ok(place, "list", "--json")) == []
    inside(place, "rm -r /a")
    ok(place, "create", "web", "flat")
    up = place.lib / "berth/snapshots/web/flat/up"
    assert os.readlink(up / "link") == str(canary) and os.readlink(up / "root-link") == "/"
    assert canary.read_text() == "alive\n"


def test_a_full_disk_leaves_the_container_as_it_was(place: Place) -> None:
    """On a small file system of its own: ENOSPC while it copies."""
    if not shutil.which("mkfs.ext4") or not os.path.exists("/dev/loop-control"):
        pytest.skip("needs mkfs.ext4 and loop devices")
    inside(place, "dd if=/dev/urandom of=/big bs=1k count=3000 2>/dev/null")
    disk = place.top / "disk"
    subprocess.run(["truncate", "-s", "5M", disk], check=True)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", disk], check=True)
    (place.lib / "berth/snapshots").mkdir()
    subprocess.run([*place.prefix(), "mount", "-o", "loop", disk, place.lib / "berth/snapshots"], check=True)
    subprocess.run([*place.prefix(), "mount", "--bind", place.lib / "berth/snapshots", "/var/lib/berth/snapshots"], check=True)
    ok(place, "create", "web", "one")
    full = snapshot(place, "create", "web", "two")
    assert full.returncode == 1 and "cannot write its copy: No space left on device" in full.stderr
    assert [row["tag"] for row in json.loads(ok(place, "list", "--json"))] == ["one"]
    assert inside(place, "stat -c %s /big") == "3072000\n"


# -- commit --


def commit(place: Place, *words: object) -> subprocess.CompletedProcess[str]:
    return place.run("berth-storage", "commit", *words)


def test_commit_makes_an_image_of_what_a_container_sees(place: Place) -> None:
    tree = place.top / "tree"
    told = json.loads(place.run("berth-storage", "image", "import", tree, "--name=base", "--json").stdout)
    config = place.lib / "berth/images/base.json"
    text = json.loads(config.read_text()) | {"config": {"Env": ["A=b"], "User": "1000"}}
    config.resolve().write_text(json.dumps(text))
    kept = ("--image=base", "--ephemeral=no", "--user=0")
    assert place.launch("/bin/sh", "-c", FILL, options=kept).returncode == 0
    made = json.loads(commit(place, "web", "new", "--json").stdout)
    assert made["id"] == "new" and made["digest"] != told["digest"]
    assert json.loads((place.lib / "berth/images/new.json").read_text())["config"] == {"Env": ["A=b"], "User": "1000"}
    assert place.run("berth-storage", "image", "verify", "new").returncode == 0
    root = place.lib / "berth/images/.store/entries" / os.readlink(
        place.lib / "berth/images/.store/names/new").rsplit("/", 1)[1] / "root"
    assert sorted(os.listdir(root / "old")) == ["new"] and not (root / "etc/gone").exists()
    st = (root / "data/owned").stat()
    assert (st.st_uid, st.st_gid, oct(st.st_mode & 0o7777)) == (1000, 1000, "0o4751")
    done = place.run("berth", "launch", "--foreground", "--name=other", "--image=new", "--network=none", "--user=0",
                     "--", "/bin/sh", "-c", LOOK)
    assert (done.returncode, done.stdout.replace("machine-id\n", "")) == (0, SEEN), done.stderr
    (row,) = [row for row in json.loads(place.run("berth-storage", "image", "list", "--json").stdout) if row["id"] == "new"]
    assert row["source"] == "container web"
    assert left(place) == []


def test_commit_keeps_file_capabilities_and_access_lists(place: Place) -> None:
    """Of what the image has, and of what the container has changed of it; where they are allowed, the former hold."""
    tree, access = place.top / "tree", acl("u:rwx", "U1000:--x", "g:---", "m:--x", "o:---")
    (tree / "bin/grep").symlink_to("busybox")
    (tree / "old/list").write_text("")
    os.setxattr(tree / "old/list", ACCESS, access)
    for name in ("busybox-stays", "busybox-moves"):
        shutil.copy(tree / "bin/busybox", tree / "bin" / name)
        os.setxattr(tree / "bin" / name, CAPABILITY, capability())

    def effective(tool: str, *options: str) -> int:
        done = place.launch(f"/bin/{tool}", "grep", "CapEff", "/proc/self/status", options=("--user=1000", *options))
        assert done.returncode == 0, done.stderr
        return int(done.stdout.split()[1], 16)

    place.run("berth-storage", "image", "import", tree, "--name=base")
    may = ("--no-new-privileges=no", "--capability=CAP_NET_BIND_SERVICE")
    assert effective("busybox-stays", "--image=base", *may) == 1 << NET_BIND_SERVICE
    assert effective("busybox-stays", "--image=base") == 0
    kept = ("--image=base", "--ephemeral=no", "--user=0")
    done = place.launch("/bin/sh", "-c", "mv /bin/busybox-moves /bin/busybox-moved; mv /old/list /old/moved", options=kept)
    assert done.returncode == 0, done.stderr
    assert commit(place, "web", "new").returncode == 0
    assert place.run("berth-storage", "image", "verify", "new").returncode == 0
    for tool in ("busybox-stays", "busybox-moved"):
        assert effective(tool, "--image=new", *may) == 1 << NET_BIND_SERVICE, tool
    root = place.lib / "berth/images/.store/entries" / os.readlink(
        place.lib / "berth/images/.store/names/new").rsplit("/", 1)[1] / "root"
    assert os.getxattr(root / "bin/busybox-moved", CAPABILITY) == capability()
    assert os.getxattr(root / "old/moved", ACCESS) == access


def test_commit_says_what_it_leaves_out_by_the_containers_name(place: Place) -> None:
    (place.top / "tree/data").mkdir(exist_ok=True)
    os.mknod(place.top / "tree/data/zero", stat.S_IFCHR | 0o600, os.makedev(1, 5))
    inside(place, "echo x >/x")
    done = commit(place, "web", "new", "--json")
    assert (done.returncode, done.stderr) == (0, "container web: 'data/zero': a device, left out, and all others with it\n")
    assert json.loads(done.stdout)["skipped"]["devices"] == 1


def test_commit_of_a_running_container_and_what_is_wrong(place: Place, running: subprocess.Popen[bytes]) -> None:
    count = place.lib / "berth/layers/web/up/count"
    done = commit(place, "web", "new")
    assert done.returncode == 0, done.stderr
    assert grows(count) and running.poll() is None and left(place) == []
    for words, status, message in ((("nobody", "new"), 3, "no container 'nobody', see berth list --all\n"),
                                   (("web", "NEW"), 2, "'NEW' cannot be an image's ID"),
                                   (("web",), 2, "commit needs the name of a container and the ID of an image"),
                                   (("web", "a", "b"), 2, "commit takes the name of a container and an ID: b")):
        done = commit(place, *words)
        assert done.returncode == status and message in done.stderr, done
    assert grows(count) and left(place) == []
