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
from typing import Iterator

import pytest

from harness import roots
from harness.place import Place, make_tree

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
def place(pytestconfig: pytest.Config, tmp_path: Path) -> Iterator[Place]:
    top = roots.cache_directory() / "disks" / f"{os.getpid()}-{tmp_path.name}"
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
    deadline = time.monotonic() + 20
    while loops(top):
        assert time.monotonic() < deadline, loops(top)
        time.sleep(0.02)


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
    done = place.launch("/bin/sh", "-c", "cat /etc/owned", options=(f"--image={disks['squashfs']}",))
    assert (done.returncode, done.stdout) == (0, "x\n"), done.stderr
