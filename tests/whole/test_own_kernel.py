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


# -- what it has in /proc, and the kernel of most tests has not --

def test_no_knob_in_proc_obeys_root_of_the_host(guest: Guest) -> None:
    """It asks for no capability who says which of its messages are logged. Everyone may ask to be told of pressure, and mtrr
    does ask for one, of whoever writes."""
    knob = "/proc/dynamic_debug/control"
    assert guest.run("test", "-w", knob, check=False).rc == 0
    done = launch(guest, f"""
        for file in /proc/[a-z]* /proc/[a-z]*/* /proc/[a-z]*/*/*; do
            case $file in /proc/sys/*|/proc/self/*|/proc/thread-self/*|/proc/pressure/*|/proc/mtrr) continue;; esac
            [ -f "$file" ] && true 2>/dev/null >>"$file" && echo "$file"
        done
        echo 'module nosuch +p' >{knob}
    """, "--private-users=identity", "--drop-capability=CAP_DAC_OVERRIDE", check=False)
    assert (done.rc, done.out) == (2, ""), done
    assert done.err.endswith(f"cannot create {knob}: Read-only file system\n"), done.err


# -- Disk= as a project quota --

MAKE = {
    "ext4": "truncate -s 300M $file; mkfs.ext4 -q -O quota,project -E quotatype=prjquota,nodiscard $file",
    "xfs": f"truncate -s 300M {TOOLS}/tmp/it; chroot {TOOLS} mkfs.xfs -q /tmp/it; mv {TOOLS}/tmp/it $file",
}

KEPT = "--ephemeral=no"
DISK = {size: f"--disk={size << 20}" for size in (8, 16, 32)}

#: Fills the root and says how large the file became, in MiB.
FILL = "dd if=/dev/zero of=/big bs=64k 2>/dev/shm/error || true; echo $((($(stat -c %s /big) + 524288) / 1048576))"

#: xfs gives back what was removed in its own time.
ROOM = "until [ $(df --output=used -k / | tail -1) -lt 2000 ]; do :; done"

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


def project(g: Guest, layer: str) -> int:
    return int(g.run("lsattr", "-dp", f"{LAYERS}/{layer}").out.split()[0])


def quota(g: Guest, number: int) -> tuple[int, ...]:
    return tuple(map(int, g.run("python3", "-c", QUOTA, LAYERS, number).out.split()))


@pytest.mark.parametrize("quotas", ["ext4", "xfs"], indirect=True)
def test_a_project_quota_limits_a_kept_layer_and_can_be_changed(quotas: Guest) -> None:
    g = quotas
    full = launch(g, f"df --output=size -k / | tail -1; {FILL}; cat /dev/shm/error >&2; rm /big; {ROOM}; echo kept >/kept; {FILL}", KEPT, DISK[16])
    assert full.out.split() == ["16384", "16", "16"], full.err
    assert "Disk quota exceeded" in full.err or "No space left on device" in full.err
    assert "disk" not in g.run("ls", f"{LAYERS}/web").out.split()
    assert launch(g, "head -c 20000000 /dev/zero >/big; stat -c %s /big", KEPT, name="other").out == "20000000\n"
    assert quota(g, project(g, "other"))[0] == 0
    assert launch(g, f"cat /kept; {FILL}", KEPT, DISK[32]).out == "kept\n32\n"
    # less than it has: nothing more goes in, until there is room again
    less = launch(g, f"echo x >/x || rm -f /big /x; {ROOM}; echo x >/x; cat /x; {FILL}", KEPT, DISK[8])
    assert less.out == "x\n8\n", less.err
    number = project(g, "web")
    assert quota(g, number)[0] == 8 << 20
    assert launch(g, "head -c 20000000 /dev/zero >/more; stat -c %s /more", KEPT).out == "20000000\n"
    assert launch(g, "true", KEPT, DISK[8]).rc == 0
    g.run("berth", "remove", "web", "--layer")
    g.wait_for(lambda: quota(g, number) == (0, 0, 0), "end of the project")


def test_files_are_limited_as_well_and_an_ephemeral_layer_leaves_no_limit(quotas: Guest) -> None:
    g = quotas
    made = launch(g, "i=0; while [ $i -lt 5000 ] && true >/f$i; do i=$((i + 1)); done 2>/dev/shm/error; echo $i; cat /dev/shm/error >&2", DISK[8])
    assert 900 < int(made.out) <= 1024, made.err
    assert "Disk quota exceeded" in made.err or "No space left on device" in made.err
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


@pytest.mark.parametrize("quotas", ["ext4", pytest.param("xfs", marks=pytest.mark.long)], indirect=True)
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
    assert project(g, "web") not in (0, old)
    g.wait_for(lambda: quota(g, old) == (0, 0, 0), "end of the project")
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


# -- disk images --

#: From the directory $tree, by what the tools have.
IMAGES = {
    "ext4": ("raw", "truncate -s 64M it; mkfs.ext4 -q -d $tree it"),
    "xfs": ("raw", "truncate -s 300M it; in_tools mkfs.xfs -q /tmp/it; fill"),
    "btrfs": ("raw", "truncate -s 128M it; in_tools mkfs.btrfs -q /tmp/it; fill"),
    "squashfs": ("squashfs", "cp -a $tree tree; in_tools mksquashfs /tmp/tree /tmp/it -quiet -no-progress >/dev/null; rm -r tree"),
    "erofs": ("erofs", "cp -a $tree tree; in_tools mkfs.erofs --quiet /tmp/it /tmp/tree; rm -r tree"),
}

LOOK = "stat -c %u:%g /etc/owned; id -u; echo new >/etc/new && cat /etc/new; touch /etc/owned && echo written"


@pytest.fixture
def disk(guest: Guest, small: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """An image in a file, as large as the smallest that the programs make."""
    kind = request.param
    suffix, make = IMAGES[kind]
    path = f"/var/tmp/{kind}.{suffix}"
    guest.sh(f"""
        in_tools() {{ mount --bind /proc {TOOLS}/proc; chroot {TOOLS} "$@"; umount {TOOLS}/proc; }}
        fill() {{ mount -o loop it /mnt; cp -a $tree/. /mnt/; umount /mnt; }}
        tree={small}; cd {TOOLS}/tmp; {make}; mv it {path}
    """, timeout=60)
    yield path
    guest.sh(f"rm -rf {path} {LAYERS}/* /var/lib/berth/snapshots/*")


@pytest.mark.parametrize("disk", ["xfs", "erofs", *(pytest.param(kind, marks=pytest.mark.long) for kind in ("ext4", "btrfs"))], indirect=True)
def test_a_container_stands_on_every_disk_image(guest: Guest, disk: str) -> None:
    g = guest
    image = f"--image={disk}"
    for users in ("pick", "no"):
        assert launch(g, LOOK, image, f"--private-users={users}").out == "1000:1000\n0\nnew\nwritten\n"
    # two at once, of one file
    second = "berth launch --foreground --name=two --network=none --init=no --private-users=no " + image
    twice = g.run("sh", "-c", f"""
        mkfifo /run/in /run/out
        {second.replace("two", "one")} -- sh -c 'echo up; read line' </run/in >/run/out &
        exec 3>/run/in 4</run/out; read up <&4
        {second} -- cat /etc/debian_version; echo $?
        exec 3>&-; wait; rm /run/in /run/out
    """)
    # later kernels take the second device of a btrfs for a copy of the first (tried: 6.1 does not)
    assert twice.out == "small\n0\n" or ("btrfs" in disk and twice.out == "125\n" and "one btrfs cannot be mounted twice" in twice.err), twice.err
    g.wait_for(lambda: disk not in g.run("losetup", "-nlO", "BACK-FILE").out, "loop devices given back")


@pytest.mark.long
@pytest.mark.parametrize("disk", ["btrfs", "erofs"], indirect=True)
def test_what_a_container_keeps_over_a_disk_image_is_reached(guest: Guest, disk: str) -> None:
    g = guest
    image = f"--image={disk}"
    assert launch(g, "echo kept >/kept; rm /etc/owned; cat /kept", image, KEPT, DISK[8]).out == "kept\n"
    assert g.run("berth", "file", "read", "web", "/kept").out == "kept\n"
    look, said = "cat /kept /etc/debian_version; ls /etc/owned 2>/dev/null || echo gone", "kept\nsmall\ngone\n"
    g.run("berth", "snapshot", "create", "web", "first")
    g.run("berth", "commit", "web", "copied")
    g.run("berth", "snapshot", "restore", "web", "first")
    assert launch(g, look, image, KEPT, DISK[8]).out == said
    assert launch(g, look, "--image=copied").out == said
    g.run("berth", "image", "remove", "copied")


@pytest.mark.parametrize("disk", ["squashfs"], indirect=True)
def test_what_this_kernel_cannot_map_is_named_with_what_to_do(guest: Guest, disk: str) -> None:
    done = launch(guest, LOOK, f"--image={disk}", check=False)
    if not guest.run("uname", "-r").out.startswith("6.1."):  # later ones can: seen of 6.12
        assert done.rc == 0, done
        return
    assert (done.rc, done.err) == (
        125, f"image '{disk}': its file system, squashfs, cannot map ids on this kernel; make an erofs of it, or set "
        "PrivateUsers=no\n")
    assert launch(guest, LOOK, f"--image={disk}", "--private-users=no").out == "1000:1000\n0\nnew\nwritten\n"


# -- AppArmor --

PROFILE = """
profile berth-test flags=(attach_disconnected) {
  file,
  capability,
  network,
  signal,
  ptrace,
  unix,
  deny /etc/owned rw,
}
"""


@pytest.fixture
def profile(guest: Guest) -> Iterator[str]:
    """A profile that is loaded; nothing of AppArmor's is installed but in the tools."""
    security = "/sys/kernel/security/apparmor"
    guest.write(f"{TOOLS}/tmp/profile", PROFILE)
    guest.sh(f"""
        mount --rbind /sys {TOOLS}/sys; mount --make-rslave {TOOLS}/sys
        chroot {TOOLS} apparmor_parser --skip-cache --skip-kernel-load --ofile /tmp/binary /tmp/profile
        umount -l {TOOLS}/sys
        cat {TOOLS}/tmp/binary >{security}/.replace
    """, timeout=60)
    yield "berth-test"
    guest.sh(f"grep -q '^berth-test ' {security}/profiles && echo -n berth-test >{security}/.remove", check=False)


def test_the_command_and_what_is_executed_are_under_the_profile(guest: Guest, profile: str) -> None:
    g = guest
    option = f"--apparmor-profile={profile}"
    look = ("cat /proc/self/attr/current; cat /etc/debian_version; cat /etc/owned 2>&1; "
            "echo changeprofile unconfined 2>&1 >/proc/self/attr/current; cat /proc/self/attr/current")
    want = ["berth-test (enforce)", "small", "cat: /etc/owned: Permission denied"]
    for init in ("no", "yes"):
        said = launch(g, look, option, f"--init={init}", check=False).out.splitlines()
        assert said[:3] == want and said[-1] == want[0], said
    # a command of a container that runs, and one after the profile has gone
    g.write("/var/tmp/look", look)
    both = g.run("sh", "-c", f"""
        mkfifo /run/in /run/out
        berth launch --foreground --name=web --network=none --image=small {option} -- sh -c 'echo up; read line' </run/in >/run/out &
        exec 3>/run/in 4</run/out; read up <&4
        berth exec web -- sh -c "$(cat /var/tmp/look)"
        echo -n {profile} >/sys/kernel/security/apparmor/.remove
        berth exec web -- true; echo $? >&2
        exec 3>&-; wait; rm /run/in /run/out
    """)
    said = both.out.splitlines()
    assert said[:3] == want and said[-1] == want[0], said
    assert both.err.endswith("cannot enter the AppArmor profile 'berth-test' of container 'web': No such file or directory; is it loaded?\n125\n"), both.err


def test_a_profile_that_is_not_loaded_lets_nothing_start(guest: Guest) -> None:
    refused = launch(guest, "true", "--apparmor-profile=nobody-has-this", check=False)
    assert (refused.rc, refused.err) == (
        125, "cannot enter the AppArmor profile 'nobody-has-this': No such file or directory; is it loaded?\n")
    assert guest.sh(f"ls {LAYERS}; ls /run/berth/containers").out == ""


@pytest.mark.long
def test_an_exec_stays_unreadable_where_a_change_of_ids_opens_what_was_closed(guest: Guest) -> None:
    """fs.suid_dumpable, of all who share the kernel: no test sets it on one that is not its own. The exec is held up where it
    is the user already, and has no filter yet."""
    look = ("for p in /proc/[0-9]*; do read name <$p/comm; [ \"$name\" != berth-guard ] || if cat $p/maps >/dev/null 2>&1; then echo open; "
            "else echo closed; fi; done")
    guest.write("/var/tmp/look", look)
    seen = guest.sh("""
        echo 1 >/proc/sys/fs/suid_dumpable
        mkfifo /run/in /run/out
        berth launch --foreground --name=web --network=none --image=small --user=1000 -- sh -c 'echo up; read line' </run/in >/run/out &
        exec 3>/run/in 4</run/out; read up <&4
        strace -f --seccomp-bpf -qq -o /dev/null -e trace=seccomp -e inject=seccomp:delay_enter=15000000 berth exec web -- true &
        held=$!
        while kill -0 $held 2>/dev/null; do berth exec web -- sh -c "$(cat /var/tmp/look)"; done
        echo 0 >/proc/sys/fs/suid_dumpable
        exec 3>&-; wait; rm /run/in /run/out
    """, timeout=120).lines
    assert set(seen) == {"closed"}
