"""Disk images: file systems in files, alone and in partitions, mounted through loop devices that nobody leaves behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
import subprocess
import time
import uuid
from pathlib import Path
from typing import Callable, Iterator

import pytest

from harness import roots
from harness.container import wait_for
from harness.place import Place, make_tree
from harness.timing import PATIENCE

pytestmark = pytest.mark.kernel
needs_berth = True

KINDS = ["ext4", "squashfs", "erofs"]
NAMES = {"ext4": "os.raw", "squashfs": "os.squashfs", "erofs": "os.erofs"}


@pytest.fixture(scope="module")
def disks() -> Iterator[dict[str, Path]]:
    """The same small tree as a file of each file system."""
    top = roots.cache_directory() / "disks" / uuid.uuid4().hex
    tree = make_tree(top / "tree")
    (tree / "etc/owned").write_text("x\n")
    os.chown(tree / "etc/owned", 1000, 1000)
    made = {}
    for kind in KINDS:
        made[kind] = top / NAMES[kind]
        make(kind, tree, made[kind])
    yield made
    shutil.rmtree(top)


def make(kind: str, tree: Path, file: Path) -> None:
    commands = {"ext4": ["mkfs.ext4", "-q", "-d", tree, file, "16M"], "squashfs": ["mksquashfs", tree, file, "-quiet"],
                "erofs": ["mkfs.erofs", "--quiet", file, tree]}
    if not shutil.which(str(commands[kind][0])):
        pytest.skip(f"{commands[kind][0]} is not installed")
    subprocess.run(list(map(str, commands[kind])), check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def known(kind: str) -> None:
    if not os.path.exists("/dev/loop-control"):
        pytest.skip("this kernel has no loop devices")
    if f"\t{kind}\n" not in Path("/proc/filesystems").read_text():
        pytest.skip(f"this kernel does not know {kind}")


@pytest.fixture
def place(pytestconfig: pytest.Config) -> Iterator[Place]:
    top = roots.cache_directory() / "disks" / uuid.uuid4().hex
    top.mkdir(parents=True)
    place = Place(Path(pytestconfig.getoption("--berth-build")).resolve(), top)
    yield place
    place.close()


def loops(top: Path) -> list[str]:
    """The loop devices that stand on a file below top."""
    found = []
    for path in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            file = path.read_text().strip()
        except OSError:
            continue  # given back at this moment
        if str(top) in file:
            found.append(file)
    return found


def wait_no_loops(top: Path) -> None:
    """The kernel gives a device back when its last user has gone, in its own time."""
    wait_for(lambda: not loops(top))


SCRIPT = "stat -c %u:%g /etc/owned; id -u; echo new >/etc/new && cat /etc/new; touch /etc/owned && echo written"


@pytest.mark.parametrize("users", ["pick", "no"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_container_runs_from_a_disk_image(place: Place, disks: dict[str, Path], kind: str, users: str) -> None:
    known(kind)
    before = disks[kind].read_bytes()
    done = place.launch("/bin/sh", "-c", SCRIPT, options=(f"--image={disks[kind]}", f"--private-users={users}"))
    assert (done.returncode, done.stdout) == (0, "1000:1000\n0\nnew\nwritten\n"), done.stderr
    assert disks[kind].read_bytes() == before
    wait_no_loops(disks[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_image_is_imported_listed_verified_and_removed(place: Place, disks: dict[str, Path], kind: str) -> None:
    known(kind)
    name = NAMES[kind]
    told = json.loads(place.run("berth-storage", "image", "import", disks[kind], "--json").stdout)
    assert told["id"] == name and told["size"] == disks[kind].stat().st_size
    digest = subprocess.run(["sha256sum", disks[kind]], check=True, stdout=subprocess.PIPE, text=True).stdout.split()[0]
    assert told["digest"] == f"sha256:{digest}"
    (row,) = json.loads(place.run("berth-storage", "image", "list", "--json").stdout)
    assert (row["id"], row["kind"], row["digest"]) == (name, "imported", told["digest"])
    assert place.run("berth-storage", "image", "verify", name).returncode == 0
    done = place.launch("/bin/sh", "-c", "cat /etc/owned", options=(f"--image={name}", "--ephemeral=no"))
    assert (done.returncode, done.stdout) == (0, "x\n"), done.stderr
    assert (place.lib / "berth/layers/web/image").read_text() == told["digest"]
    stored = place.lib / "berth/images" / name
    os.chmod(stored.resolve(), 0o600)
    with open(place.lib / "berth/images/.store/names" / name / "root", "r+b") as file:
        file.seek(9000)
        file.write(b"changed")
    broken = place.run("berth-storage", "image", "verify", name)
    assert (broken.returncode, broken.stderr) == (1, f"image '{name}': is not what was imported\n")
    assert place.run("berth-storage", "image", "remove", name).returncode == 0
    assert os.listdir(place.lib / "berth/images/.store/entries") == []


def gpt(parts: list[tuple[str, bytes]]) -> bytes:
    """A disk with a partition table (no checksums: nothing here reads them) and these partitions."""
    entries, body, at = b"", b"", 64
    for kind, content in parts:
        content += b"\0" * (-len(content) % 512)
        sectors = len(content) // 512
        entries += struct.pack("<16s16sQQQ72s", uuid.UUID(kind).bytes_le, uuid.uuid4().bytes, at, at + sectors - 1, 0, b"")
        body, at = body + content, at + sectors
    header = struct.pack("<8sIIIIQQQQ16s", b"EFI PART", 0x10000, 92, 0, 0, 1, 0, 34, 0, b"")
    header += struct.pack("<QIII", 2, 128, 128, 0)
    disk = bytearray(64 * 512)
    disk[510:512] = b"\x55\xaa"
    disk[512:512 + len(header)] = header
    disk[1024:1024 + len(entries)] = entries
    return bytes(disk) + body


ROOT = {"x86_64": "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
        "aarch64": "b921b045-1df0-41c3-af44-4c6f280d3fae"}.get(os.uname().machine, "")
LINUX = "0fc63daf-8483-4772-8e79-3d69d8477de4"
ESP = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"


@pytest.mark.skipif(not ROOT, reason="no partition type of this architecture here")
@pytest.mark.parametrize("parts", [[LINUX], [ROOT], [ESP, ROOT], [ROOT, LINUX]])
def test_the_root_of_a_partitioned_disk_is_found(place: Place, disks: dict[str, Path], parts: list[str]) -> None:
    known("squashfs")
    content = disks["squashfs"].read_bytes()
    disk = place.top / "disk.raw"
    wanted = ROOT if ROOT in parts else LINUX
    disk.write_bytes(gpt([(kind, content if kind == wanted else b"\0" * 4096) for kind in parts]))
    done = place.launch("/bin/sh", "-c", "cat /etc/owned", options=(f"--image={disk}",))
    assert (done.returncode, done.stdout) == (0, "x\n"), done.stderr
    wait_no_loops(place.top)


def damaged(disks: dict[str, Path]) -> dict[str, tuple[bytes, str]]:
    nothing = "holds no file system that is known here (ext4, xfs, btrfs, squashfs, erofs), neither alone nor in a partition"
    squashfs = disks["squashfs"].read_bytes()
    far = bytearray(gpt([(LINUX, squashfs)]))
    far[1024 + 32:1024 + 48] = struct.pack("<QQ", 1 << 60, (1 << 60) + 8)
    many = bytearray(gpt([(LINUX, squashfs)]))
    many[512 + 80:512 + 84] = b"\xff" * 4
    return {
        "empty": (b"", nothing),
        "text": (b"hello\n" * 1000, nothing),
        "short": (b"hsqs", "its squashfs cannot be mounted"),
        "cut off": (squashfs[:4096], "its squashfs cannot be mounted"),
        "two partitions": (gpt([(LINUX, squashfs), (LINUX, squashfs)]), "has several partitions, of which none is marked"),
        "no partition": (gpt([]), nothing),
        "partition of nothing": (gpt([(LINUX, b"\0" * 4096)]), nothing),
        "partition behind the end": (bytes(far), nothing),
        "a table without end": (bytes(many), nothing),
    }


def test_what_is_no_disk_image_is_a_clear_error_and_leaves_no_device(place: Place, disks: dict[str, Path]) -> None:
    known("squashfs")
    disk = place.top / "disk.raw"
    for case, (content, message) in damaged(disks).items():
        disk.write_bytes(content)
        done = place.launch("/bin/sh", options=(f"--image={disk}",))
        assert done.returncode == 125 and f"image '{disk}': {message}" in done.stderr, (case, done.stderr)
    wait_no_loops(place.top)


def test_the_name_says_that_it_is_a_disk_image(place: Place, disks: dict[str, Path]) -> None:
    known("squashfs")
    wrong = place.top / "disk.img"
    shutil.copy(disks["squashfs"], wrong)
    done = place.launch("/bin/sh", options=(f"--image={wrong}",))
    assert done.stderr == (f"image '{wrong}': {wrong} is not a directory; the name of a disk image ends in .raw, .squashfs "
                           "or .erofs, so that its unit may use loop devices: rename it\n")
    done = place.run("berth-storage", "image", "import", wrong, "--name=os")
    assert (done.returncode, done.stderr) == (
        1, f"{wrong}: is a disk image, whose ID has to end in .raw, .squashfs or .erofs: --name=os.raw\n")
    done = place.run("berth-storage", "image", "import", make_tree(place.top / "tree"), "--name=os.raw")
    assert done.returncode == 1 and "is no disk image, and 'os.raw' is the ID of one" in done.stderr
    assert os.listdir(place.lib / "berth/images/.store/entries") == []


@pytest.mark.parametrize("target", ["/dev/null", "/dev/loop0", "fifo"])
def test_what_is_no_file_is_never_read_as_a_disk(place: Place, target: str) -> None:
    disk = place.top / "disk.raw"
    if target == "fifo":
        os.mkfifo(disk)
    else:
        disk.symlink_to(target)
    done = place.launch("/bin/sh", options=(f"--image={disk}",))
    assert done.returncode == 125
    assert "is neither a directory nor a file" in done.stderr or "no such file" in done.stderr


@pytest.mark.parametrize("rounds", [pytest.param(25, id="some"), pytest.param(500, id="many", marks=pytest.mark.long)])
def test_killed_at_any_moment_no_loop_device_stays(place: Place, disks: dict[str, Path], rounds: int) -> None:
    known("squashfs")
    command = [*place.prefix(), place.helper / "berth", "launch", "--foreground", "--name=web", "--network=none",
               f"--image={disks['squashfs']}", "--", "/bin/sh", "-c", ":"]
    started = time.monotonic()
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    whole = time.monotonic() - started
    for i in range(rounds):
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(whole * i / rounds)
        process.send_signal(signal.SIGKILL)
        process.wait()
    wait_no_loops(disks["squashfs"].parent)
    done = once_it_may(lambda: place.launch("/bin/sh", "-c", "cat /etc/owned", options=(f"--image={disks['squashfs']}",)))
    assert (done.returncode, done.stdout) == (0, "x\n"), done.stderr


def once_it_may(launch: Callable[[], subprocess.CompletedProcess[str]]) -> subprocess.CompletedProcess[str]:
    """Once what a killed launcher had started has ended."""
    deadline = time.monotonic() + PATIENCE
    while "is running already" in (done := launch()).stderr:
        assert time.monotonic() < deadline
    return done


# -- Disk= --


@pytest.fixture
def limited(place: Place) -> Place:
    known("ext4")
    if not shutil.which("mkfs.ext4"):
        pytest.skip("mkfs.ext4 is not installed")
    make_tree(place.top / "tree")
    return place


def limit(place: Place, size: int, script: str, *options: str) -> subprocess.CompletedProcess[str]:
    return place.launch("/bin/sh", "-c", script, options=(f"--image={place.top / 'tree'}", f"--disk={size << 20}", *options))


@pytest.mark.parametrize("users", ["pick", "no"])
@pytest.mark.parametrize("ephemeral", ["yes", "no"])
def test_a_full_layer_is_enospc_inside_and_nowhere_else(limited: Place, ephemeral: str, users: str) -> None:
    script = ("dd if=/dev/zero of=/big bs=64k 2>/error && echo no error; cat /error >/dev/null; rm /big; "
              "echo again >/small && cat /small; echo x >/volume/x && echo volume")
    done = limit(limited, 32, script, f"--ephemeral={ephemeral}", f"--private-users={users}",
                 "--mount=type=volume,source=v,target=/volume")
    assert (done.returncode, done.stdout) == (0, "again\nvolume\n"), done.stderr
    big = limit(limited, 32, "dd if=/dev/zero of=/big bs=64k", f"--ephemeral={ephemeral}", f"--private-users={users}")
    assert "No space left on device" in big.stderr
    wait_no_loops(limited.top)
    left = limited.lib / "berth/layers"
    assert os.listdir(left) == ([] if ephemeral == "yes" else ["web"])
    if ephemeral == "no":
        disk = left / "web/disk"
        assert disk.stat().st_size == 32 << 20
        assert limit(limited, 32, "rm /big; sync; cat /small", "--ephemeral=no",
                     f"--private-users={users}").stdout == "again\n"
        wait_no_loops(limited.top)
        assert disk.stat().st_blocks * 512 < 16 << 20  # sparse, and given back


def test_a_kept_limit_does_not_shrink_and_what_cannot_grow_stays_as_it_is(limited: Place) -> None:
    assert limit(limited, 8, "echo kept >/kept; sync", "--ephemeral=no").returncode == 0
    smaller = limit(limited, 4, "true", "--ephemeral=no")
    assert (smaller.returncode, smaller.stderr) == (
        125, "layer web: was made with Disk=8388608, and can grow but not shrink; set no less, or give up what the container "
        "wrote (berth remove NAME --layer)\n")
    bounded = subprocess.run([*limited.prefix(), "setpriv", "--bounding-set=-sys_resource", limited.helper / "berth", "launch",
                              "--foreground", "--name=web", "--network=none", "--ephemeral=no", f"--image={limited.top / 'tree'}",
                              f"--disk={16 << 20}", "--", "/bin/sh", "-c", "true"],
                             check=False, stdin=subprocess.DEVNULL, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert (bounded.returncode, bounded.stderr) == (
        125, "layer web: its ext4 cannot grow to Disk=16777216: Operation not permitted\n")
    wait_no_loops(limited.top)
    assert limit(limited, 8, "cat /kept", "--ephemeral=no").stdout == "kept\n"
    none = limited.launch("/bin/sh", "-c", "true", options=(f"--image={limited.top / 'tree'}", "--ephemeral=no"))
    assert none.returncode == 125 and "layer web: was made with Disk=; set that again" in none.stderr
    wait_no_loops(limited.top)


def test_a_layer_without_a_limit_gets_none_later(limited: Place) -> None:
    plain = limited.launch("/bin/sh", "-c", "echo x >/x", options=(f"--image={limited.top / 'tree'}", "--ephemeral=no"))
    assert plain.returncode == 0
    done = limit(limited, 8, "true", "--ephemeral=no")
    assert done.returncode == 125 and "layer web: was made without Disk=; remove that" in done.stderr
    small = limit(limited, 1, "true")
    assert small.returncode == 125 and "Disk= is less than 4M" in small.stderr


def test_without_mkfs_the_error_says_what_to_install(limited: Place) -> None:
    empty = limited.top / "empty"
    empty.mkdir()
    hide = " && ".join(f'mount --bind "{empty}" {path}' for path in sorted(
        {os.path.realpath(d) for d in ("/usr/sbin", "/sbin", "/usr/local/sbin") if os.path.isdir(d)}))
    done = subprocess.run([*limited.prefix(), "unshare", "--mount", "sh", "-c", f'{hide} && exec "$@"', "sh",
                           limited.helper / "berth", "launch", "--foreground", "--name=web", "--network=none",
                           f"--image={limited.top / 'tree'}", f"--disk={8 << 20}", "--", "/bin/sh"],
                          check=False, stdin=subprocess.DEVNULL, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 125
    assert "layer web.ephemeral: Disk= needs mkfs.ext4, which is not installed (package e2fsprogs)" in done.stderr


@pytest.mark.parametrize("rounds", [pytest.param(12, id="some"), pytest.param(400, id="many", marks=pytest.mark.long)])
def test_killed_while_its_disk_is_made_the_next_start_has_a_whole_one(limited: Place, rounds: int) -> None:
    command = [*limited.prefix(), limited.helper / "berth", "launch", "--foreground", "--name=web", "--network=none",
               "--ephemeral=no", f"--image={limited.top / 'tree'}", f"--disk={8 << 20}", "--", "/bin/sh", "-c", ":"]
    started = time.monotonic()
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    whole = time.monotonic() - started
    for i in range(rounds):
        wait_for(lambda: limited.run("berth-manage", "remove", "web", "--all").returncode != 1)
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(whole * i / rounds)
        process.send_signal(signal.SIGKILL)
        process.wait()
        done = once_it_may(lambda: limit(limited, 8, "echo x >/x && cat /x", "--ephemeral=no"))
        assert (done.returncode, done.stdout) == (0, "x\n"), done.stderr
    assert {"disk", "image", "name"} <= set(left := os.listdir(limited.lib / "berth/layers/web")) and "disk.new" not in left


def test_a_disk_that_somebody_has_mounted_is_not_mounted_again(limited: Place) -> None:
    """As the leader of a launch that was killed may have it for a moment: twice mounted it would be destroyed."""
    groups = [limited.group / name for name in ("first", "second")]

    def start(group: Path, words: str) -> subprocess.Popen[bytes]:
        """In a group of its own: in the same one it would end what the other has left."""
        group.mkdir()
        return subprocess.Popen([*limited.prefix(group),
                                 limited.helper / "berth", "launch", "--foreground", "--name=web", "--network=none",
                                 "--ephemeral=no", f"--image={limited.top / 'tree'}", f"--disk={8 << 20}", "--",
                                 "/bin/sh", "-c", words],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    first = start(groups[0], "echo up; read line; echo x >/x")
    assert first.stdout.readline() == b"up\n"
    state = limited.runtime / "containers/web"
    state.rename(limited.runtime / "hidden")  # what was killed before it told of itself
    second = start(groups[1], "cat /x")
    with pytest.raises(subprocess.TimeoutExpired):
        second.communicate(timeout=0.5)
    first.communicate(b"\n", timeout=PATIENCE)
    out, err = second.communicate(timeout=PATIENCE)
    assert (second.returncode, out) == (0, b"x\n"), err


def test_snapshots_images_and_files_of_a_layer_that_is_a_file_system(limited: Place) -> None:
    kept = "--ephemeral=no"
    assert limit(limited, 8, "echo one >/one; ln /one /two; rm /bin/chown; echo up", kept).stdout == "up\n"
    told = limited.run("berth-storage", "snapshot", "create", "web", "first", "--json")
    assert (told.returncode, json.loads(told.stdout)["disk"]) == (0, 8 << 20), told.stderr
    assert limited.run("berth-files", "file", "read", "web", "/one").stdout == "one\n"
    assert limit(limited, 8, "echo changed >/one && cat /two", kept).stdout == "changed\n"
    (limited.top / "new").write_text("new\n")
    done = limited.run("berth-files", "cp", limited.top / "new", "web:/new")
    assert done.returncode == 0, done.stderr
    (limited.top / "large").write_bytes(bytes(10 << 20))
    done = limited.run("berth-files", "cp", limited.top / "large", "web:/large")
    assert done.returncode == 1 and "No space left on device" in done.stderr
    done = limited.run("berth-storage", "commit", "web", "copied")
    assert done.returncode == 0, done.stderr
    image = limited.lib / "berth/images/copied"
    assert {"new", "one", "two"} <= set(os.listdir(image)) and "chown" not in os.listdir(image / "bin")
    done = limited.run("berth-storage", "snapshot", "restore", "web", "first")
    assert done.returncode == 0, done.stderr
    wait_no_loops(limited.top)
    assert limit(limited, 8, "cat /one; stat -c %h /two; ls /new /bin/chown", kept).stdout == "one\n2\n"
    assert limited.run("berth-manage", "remove", "web", "--layer").returncode == 0
    done = limited.run("berth-storage", "snapshot", "restore", "web", "first")
    assert done.returncode == 0, done.stderr
    assert limit(limited, 8, "cat /two", kept).stdout == "one\n"
    wait_no_loops(limited.top)
    assert subprocess.run(["e2fsck", "-fn", limited.lib / "berth/layers/web/disk"], stdout=subprocess.DEVNULL, check=False).returncode == 0
    running = subprocess.Popen([*limited.prefix(), limited.helper / "berth", "launch", "--foreground", "--name=web", "--network=none",
                                kept, f"--image={limited.top / 'tree'}", f"--disk={8 << 20}", "--", "/bin/sh", "-c",
                                "echo meanwhile >/three; echo up; read line; echo later >/three"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert running.stdout.readline() == b"up\n"
    # of one that runs the same file system is read: what it has not written to disk yet is there as well
    done = limited.run("berth-storage", "snapshot", "create", "web", "second")
    assert done.returncode == 0, done.stderr
    done = limited.run("berth-storage", "commit", "web", "running")
    assert done.returncode == 0, done.stderr
    assert (limited.lib / "berth/images/running/three").read_text() == "meanwhile\n"
    running.communicate(b"\n", timeout=PATIENCE)
    wait_no_loops(limited.top)
    assert subprocess.run(["e2fsck", "-fn", limited.lib / "berth/layers/web/disk"], stdout=subprocess.DEVNULL, check=False).returncode == 0
    assert limit(limited, 8, "cat /three", kept).stdout == "later\n"
    done = limited.run("berth-storage", "snapshot", "restore", "web", "second")
    assert done.returncode == 0, done.stderr
    assert limit(limited, 8, "cat /three", kept).stdout == "meanwhile\n"
