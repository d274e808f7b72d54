"""What the kernel that most tests run on cannot do, and Debian's can: project quotas, further file systems, AppArmor."""

from __future__ import annotations

from typing import Iterator

import pytest

from harness.qemu import Guest
from harness.system import Result

needs_berth = True
pytestmark = [pytest.mark.whole, pytest.mark.images("base", "tools")]

LAYERS = "/var/lib/berth/layers"
TOOLS = "/srv/images/tools"


def launch(g: Guest, script: str, *options: str, name: str = "web", check: bool = True) -> Result:
    """One container, without a unit: what systemd has to do with it, the other tests of a whole machine tell."""
    return g.run("berth", "launch", "--foreground", f"--name={name}", "--network=none", "--init=no",
                 *(() if any(option.startswith("--image=") for option in options) else ("--image=small",)),
                 *options, "--", "sh", "-c", script, check=check)


@pytest.fixture(scope="module", autouse=True)
def small(guest: Guest) -> str:
    """An image of a few programs, which does not take an emulator long to read."""
    root = "/srv/images/small"
    guest.sh(f"""
        mkdir -p {root}/usr/bin {root}/usr/lib {root}/usr/lib64 {root}/etc {root}/proc {root}/sys {root}/dev {root}/tmp {root}/run
        ln -s usr/bin usr/lib usr/lib64 {root}/
        echo small >{root}/etc/debian_version
        echo x >{root}/etc/owned && chown 1000:1000 {root}/etc/owned
        for program in sh cat dd df head id ln ls mkdir mv rm stat tail touch true; do
            cp -L /usr/bin/$program {root}/usr/bin/
        done
        ldd {root}/usr/bin/* | grep -o '/[^ ]*' | grep -v : | sort -u | while read -r file; do
            mkdir -p "{root}${{file%/*}}" && cp -L $file {root}$file
        done
        ln -s {root} /var/lib/berth/images/small
    """)
    return root


# -- Disk= as a project quota --

MAKE = {
    "ext4": "truncate -s 300M $file; mkfs.ext4 -q -O quota,project -E quotatype=prjquota,nodiscard $file",
    "xfs": f"truncate -s 300M {TOOLS}/tmp/it; chroot {TOOLS} mkfs.xfs -q /tmp/it; mv {TOOLS}/tmp/it $file",
}

KEPT = "--ephemeral=no"
DISK = {size: f"--disk={size << 20}" for size in (8, 16, 32)}

#: Fills the root and says how large the file became, in MiB.
FILL = "dd if=/dev/zero of=/big bs=64k 2>/dev/shm/error || true; echo $((($(stat -c %s /big) + 524288) / 1048576))"

#: What quotactl(2) tells of projects: the limit and the use, in bytes, and the files.
QUOTA = r"""
import ctypes, os, struct, sys
buffer = ctypes.create_string_buffer(112)
fd = os.open(sys.argv[1], os.O_RDONLY)
if ctypes.CDLL(None).syscall(443, fd, (0x5803 << 8) | 2, int(sys.argv[2]), buffer):
    print(0, 0, 0)
else:
    hard, _, inodes, _, used, files = struct.unpack_from("QQQQQQ", buffer, 8)
    print(hard * 512, used * 512, files)
"""


@pytest.fixture
def quotas(guest: Guest, request: pytest.FixtureRequest) -> Iterator[Guest]:
    """The layers on a file system with project quotas."""
    kind = getattr(request, "param", "ext4")
    guest.sh(f"""
        mkdir -p {LAYERS} && chmod 700 {LAYERS}
        file=/var/tmp/{kind}.quota
        [ -e $file ] || {{ {MAKE[kind]}; }}
        mount -o loop,prjquota $file {LAYERS}
        rm -rf {LAYERS}/lost+found
    """, timeout=60)
    yield guest
    guest.sh(f"rm -rf {LAYERS}/* /var/lib/berth/snapshots/*; umount {LAYERS}")


both = pytest.mark.parametrize("quotas", ["ext4", "xfs"], indirect=True)


def project(g: Guest, layer: str) -> int:
    return int(g.run("lsattr", "-dp", f"{LAYERS}/{layer}").out.split()[0])


def quota(g: Guest, number: int) -> tuple[int, ...]:
    return tuple(map(int, g.run("python3", "-c", QUOTA, LAYERS, number).out.split()))


@both
def test_a_project_quota_limits_a_kept_layer_and_can_be_changed(quotas: Guest) -> None:
    g = quotas
    full = launch(g, f"df --output=size -k / | tail -1; {FILL}; cat /dev/shm/error >&2; rm /big; echo kept >/kept; {FILL}", KEPT, DISK[16])
    assert full.out.split() == ["16384", "16", "16"], full.err
    assert "Disk quota exceeded" in full.err or "No space left on device" in full.err
    assert "disk" not in g.run("ls", f"{LAYERS}/web").out.split()
    assert launch(g, "head -c 20000000 /dev/zero >/big; stat -c %s /big", KEPT, name="other").out == "20000000\n"
    assert quota(g, project(g, "other"))[0] == 0
    assert launch(g, f"cat /kept; {FILL}", KEPT, DISK[32]).out == "kept\n32\n"
    # less than it has: nothing more goes in, until there is room again
    less = launch(g, f"echo x >/x || rm -f /big /x; echo x >/x; cat /x; {FILL}", KEPT, DISK[8])
    assert less.out == "x\n8\n", less.err
    number = project(g, "web")
    assert quota(g, number)[0] == 8 << 20
    assert launch(g, "head -c 20000000 /dev/zero >/more; stat -c %s /more", KEPT).out == "20000000\n"
    assert launch(g, "true", KEPT, DISK[8]).rc == 0
    g.run("berth", "remove", "web", "--layer")
    assert quota(g, number) == (0, 0, 0)


def test_files_are_limited_as_well_and_an_ephemeral_layer_leaves_no_limit(quotas: Guest) -> None:
    g = quotas
    script = "import errno\ntry:\n    for n in range(5000): open(f'/f{n}', 'w').close()\nexcept OSError as e: print(n > 900, e.errno in (errno.EDQUOT, errno.ENOSPC))"
    assert launch(g, f'python3 -c "{script}"', DISK[8], "--image=base").out == "True True\n"
    assert g.run("ls", LAYERS).out == ""
    assert g.sh(f"mkdir {LAYERS}/other; lsattr -dp {LAYERS}/other").out.split()[0] == "0"
    # of the numbers that may have been its own none has a limit
    first = int(g.run("stat", "-c", "%i", f"{LAYERS}/other").out)
    for inode in range(first - 2, first + 2):
        assert quota(g, 0x40000000 + inode) == (0, 0, 0)


#: What a container may try on its files and directories to get out of its project.
ESCAPE = r"""
import errno, fcntl, os, struct
def attempt(what, call):
    try:
        call()
        print(what, "done")
    except OSError as error:
        print(what, errno.errorcode[error.errno])
def give(path, number):
    fd = os.open(path, os.O_RDONLY)
    attributes = bytearray(28)
    fcntl.ioctl(fd, 0x801C581F, attributes)  # FS_IOC_FSGETXATTR
    struct.pack_into("I", attributes, 12, number)
    fcntl.ioctl(fd, 0x401C5820, bytes(attributes))  # FS_IOC_FSSETXATTR
def leave(path):
    fd = os.open(path, os.O_RDONLY)
    flags = bytearray(8)
    fcntl.ioctl(fd, 0x80086601, flags)  # FS_IOC_GETFLAGS
    was = struct.unpack_from("I", flags)[0]
    fcntl.ioctl(fd, 0x40086602, struct.pack("I", was & ~0x20000000) + bytes(4))
    fcntl.ioctl(fd, 0x80086601, flags)
    if struct.unpack_from("I", flags)[0] == was:
        raise OSError(errno.EALREADY, "")
os.mkdir("d")
open("f", "w").close()
attempt("file", lambda: give("f", 7))
attempt("directory", lambda: give("d", 7))
attempt("inheritance", lambda: leave("d"))
attempt("inheritance of the root", lambda: leave("."))
"""


@both
def test_no_container_leaves_its_project(quotas: Guest) -> None:
    g = quotas
    g.write("/var/tmp/escape", ESCAPE)
    said = launch(g, f"cd / && python3 -c '{ESCAPE}'; ln /f /d/again; mv /d /e; mv /e/again /top; stat -c %h /top; "
                     f"cd /e; {FILL.replace('/big', '/e/big')}", KEPT, DISK[8], "--image=base").out.splitlines()
    assert said[:2] == ["file EPERM", "directory EPERM"], said
    assert said[2].split()[-1] != "done" and said[3].split()[-1] != "done", said
    assert said[4:] == ["2", "8"]
    assert quota(g, project(g, "web"))[1] <= 8 << 20
    # without a filter of ours it is the kernel that refuses, in any user namespace but the first
    g.sh(f"chmod 711 {LAYERS}; mkdir -m 777 {LAYERS}/by-hand && chattr +P -p 4711 {LAYERS}/by-hand")
    said = g.sh(f"cd {LAYERS}/by-hand && exec unshare --user --map-root-user python3 /var/tmp/escape").out.splitlines()
    g.run("chmod", "700", LAYERS)
    assert said == ["file EINVAL", "directory EINVAL", "inheritance EINVAL", "inheritance of the root EINVAL"]


def test_no_two_layers_are_one_project(quotas: Guest) -> None:
    g = quotas
    # the number that it would take first is somebody else's
    taken = int(g.sh(f"""
        mkdir -m 700 {LAYERS}/web; first=$((0x40000000 + $(stat -c %i {LAYERS}/web)))
        mkdir {LAYERS}/theirs; chattr +P -p $first {LAYERS}/theirs; echo $first
    """).out)
    launch(g, "true", KEPT, DISK[8])
    launch(g, "true", KEPT, DISK[8], name="other")
    assert project(g, "web") == taken + 1 and project(g, "other") not in (0, taken, taken + 1)


def test_where_a_project_does_not_hold_it_is_a_file_system_or_an_error(quotas: Guest) -> None:
    g = quotas
    # outside of a user namespace files can be given to other projects; and what is in somebody's project stays there
    launch(g, "true", KEPT, DISK[8], "--private-users=no")
    g.run("chattr", "-p", "9", LAYERS)
    launch(g, "true", KEPT, DISK[8], name="other")
    g.run("chattr", "-p", "0", LAYERS)
    for name in ("web", "other"):
        assert "disk" in g.run("ls", f"{LAYERS}/{name}").out.split()
        g.run("berth", "remove", name, "--layer")
    # what was made a project, and can be none any more
    launch(g, "true", KEPT, DISK[8])
    refused = launch(g, "true", KEPT, DISK[8], "--private-users=no", check=False)
    assert (refused.rc, refused.err) == (
        125, "layer web: is limited by a project quota, which Disk= with PrivateUsers=no cannot rely on; remove one of them, "
        "or give up what the container wrote: berth remove web --layer\n")
    g.sh(f"umount {LAYERS}; mount -o loop /var/tmp/ext4.quota {LAYERS}")
    refused = launch(g, "true", KEPT, DISK[8], check=False)
    assert (refused.rc, refused.err) == (
        125, "layer web: Disk= is a project quota here, and its file system does not enforce them any more; mount it with "
        "prjquota, or remove Disk=\n")
    assert launch(g, "true", KEPT).rc == 0


def test_snapshots_images_and_files_of_a_layer_that_is_a_project(quotas: Guest) -> None:
    g = quotas
    launch(g, "echo one >/one; ln /one /two; head -c 1000000 /dev/urandom >/data; rm /etc/debian_version", KEPT, DISK[8])
    g.run("berth", "snapshot", "create", "web", "first")
    launch(g, "echo changed >/one; rm /data", KEPT, DISK[8])
    assert g.run("berth", "file", "read", "web", "/one").out == "changed\n"
    g.run("berth", "file", "write", "web", "/three", input="three\n")
    g.run("berth", "commit", "web", "copied", timeout=120)
    old = project(g, "web")
    g.run("berth", "snapshot", "restore", "web", "first")
    assert project(g, "web") not in (0, old) and quota(g, old) == (0, 0, 0)
    again = launch(g, "cat /one /two; stat -c '%s %h' /data /one; ls /etc/debian_version /three 2>/dev/null; " + FILL, KEPT, DISK[8])
    assert again.out == "one\none\n1000000 1\n4 2\n7\n"
    g.run("berth", "remove", "web", "--all")
    assert launch(g, "cat /one /three", DISK[8], "--image=copied").out == "changed\nthree\n"
    g.run("berth", "image", "remove", "copied")


# -- Disk= as a file system of its own --


def test_a_kept_limit_can_grow(guest: Guest) -> None:
    g = guest
    launch(g, "echo kept >/kept", KEPT, DISK[8])
    for size, part in ((12, 6), (200, 40)):  # a little, and beyond one group of blocks
        grown = launch(g, f"cat /kept; head -c {part << 20} /dev/zero >/big; stat -c %s /big; rm /big", KEPT, f"--disk={size << 20}")
        assert grown.out == f"kept\n{part << 20}\n", grown.err
    # far, as one leaves it that was killed after the file grew
    g.run("truncate", "-s", "1100M", f"{LAYERS}/web/disk")
    assert int(launch(g, "df --output=size -m / | tail -1", KEPT, f"--disk={1100 << 20}").out.split()[-1]) > 1010
    g.wait_for(lambda: g.run("losetup", "-nlO", "BACK-FILE").out == "", "loop device given back")
    assert g.run("e2fsck", "-fn", f"{LAYERS}/web/disk", check=False).rc == 0
    g.run("berth", "remove", "web", "--layer")
