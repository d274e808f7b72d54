"""Ways out of a container, each tried by a hostile program inside, with a canary outside.

The classes are those that container engines were broken by. The helper is started directly and
as root, on the kernel that runs the tests: nothing here leans on a setting that systemd adds.
"""

from __future__ import annotations

import ast
import errno
import fcntl
import os
import stat
import subprocess
import uuid
from pathlib import Path
from typing import Callable, Iterator

import pytest

from harness import roots
from harness.attack import HANDING_DOWN, PRELUDE, launch
from harness.container import wait_for
from harness.machine import missing
from harness.timing import PATIENCE

pytestmark = pytest.mark.kernel
needs_berth = True

USERS = ["pick", "identity", "no"]
BUSYBOX = Path("/bin/busybox")


@pytest.fixture(scope="session")
def berth(pytestconfig: pytest.Config) -> Path:
    if reason := missing():
        pytest.skip(reason)
    return Path(pytestconfig.getoption("--berth-build")).resolve() / "helper" / "berth"


@pytest.fixture
def ground(tmp_path: Path) -> Path:
    """A place on the host that can be idmapped, as /tmp need not be."""
    path = roots.cache_directory() / "escapes" / uuid.uuid4().hex
    path.mkdir(parents=True)
    os.chmod(path, 0o755)
    yield path
    subprocess.run(["rm", "-rf", path], check=True)


@pytest.fixture(autouse=True)
def _the_host_stays_as_it_is() -> Iterator[None]:
    """No test may leave a mount, or a name in the root directory, on the host."""
    mounts, names = _mounts(), sorted(os.listdir("/"))
    yield
    assert _mounts() == mounts
    assert sorted(os.listdir("/")) == names


def _mounts() -> list[str]:
    """What is mounted here; others that test beside us mount in namespaces of their own."""
    return sorted(line.split(" - ")[0].split(" ", 3)[3] for line in Path("/proc/self/mountinfo").read_text().splitlines())


# -- the kernel's doors --

# x86-64 numbers: the attackers' own, not those of a header that might be as wrong as the filter.
CALLS = PRELUDE + r"""
call("mount", 165, b"none", b"/mnt", b"tmpfs", 0, 0)
call("remount", 165, b"none", b"/proc/sys", 0, 32 | 4096, 0)
call("umount2", 166, b"/proc/sys", 2)
call("pivot_root", 155, b"/mnt", b"/mnt")
call("open_tree", 428, -100, b"/", 1)
call("move_mount", 429, -100, b"/proc", -100, b"/mnt", 0)
call("fsopen", 430, b"tmpfs", 0)
call("fsconfig", 431, 0, 6, 0, 0, 0)
call("fsmount", 432, 0, 0, 0)
call("fspick", 433, -100, b"/", 0)
call("mount_setattr", 442, -100, b"/", 0, ctypes.create_string_buffer(32), 32)
call("open_tree_attr", 467, -100, b"/", 1, 0, 0)
call("mount cgroup", 165, b"none", b"/mnt", b"cgroup", 0, b"memory")
call("unshare user", 272, 0x10000000)
call("unshare mount", 272, 0x00020000)
call("unshare net", 272, 0x40000000)
call("clone user", 56, 0x10000000 | 17, 0, 0, 0, 0)
call("clone3", 435, ctypes.create_string_buffer(88), 88)
call("setns", 308, os.open("/proc/self/ns/net", os.O_RDONLY), 0)
call("open_by_handle_at", 304, os.open("/", os.O_RDONLY), ctypes.create_string_buffer(struct.pack("IiQ", 8, 1, 2)), 0)
call("keyctl", 250, 0, -3, 0)
call("add_key", 248, b"user", b"x", b"y", 1, -3)
call("request_key", 249, b"user", b"x", 0, 0)
call("bpf", 321, 0, ctypes.create_string_buffer(128), 128)
call("perf_event_open", 298, ctypes.create_string_buffer(128), 0, -1, -1, 0)
call("userfaultfd", 323, 0)
call("io_uring_setup", 425, 1, ctypes.create_string_buffer(120))
call("io_uring_enter", 426, 0, 0, 0, 0, 0, 0)
call("kexec_load", 246, 0, 0, 0, 0)
call("kexec_file_load", 320, -1, -1, 0, 0, 0)
call("init_module", 175, b"", 0, b"")
call("finit_module", 313, 0, b"", 0)
call("delete_module", 176, b"x", 0)
call("reboot", 169, 0xfee1dead, 672274793, 0, 0)
call("swapon", 167, b"/x", 0)
call("acct", 163, b"/x")
call("settimeofday", 164, ctypes.create_string_buffer(16), 0)
call("clock_settime", 227, 0, ctypes.create_string_buffer(16))
call("adjtimex", 159, ctypes.create_string_buffer(struct.pack("i", 1), 208))  # ADJ_OFFSET
call("clock_adjtime", 305, 0, ctypes.create_string_buffer(struct.pack("i", 1), 208))
call("syslog", 103, 10, 0, 0)
call("iopl", 172, 3)
call("ioperm", 173, 0x70, 1, 1)
call("quotactl", 179, 0x800001 << 8, 0, 0, 0)
call("kcmp", 312, 1, os.getpid(), 0, 0, 0)
call("ptrace init", 101, 16, 1, 0, 0)
here = ctypes.create_string_buffer(16)
call("read memory of init", 310, 1, ctypes.create_string_buffer(struct.pack("QQ", ctypes.addressof(here), 16)), 1,
     ctypes.create_string_buffer(struct.pack("QQ", 0x1000, 16)), 1, 0)  # EFAULT would say that it may
call("write memory of init", 311, 1, ctypes.create_string_buffer(struct.pack("QQ", ctypes.addressof(here), 16)), 1,
     ctypes.create_string_buffer(struct.pack("QQ", 0x1000, 16)), 1, 0)
call("take a descriptor of init", 438, libc.syscall(434, 1, 0), 0, 0)
call("unknown call", 463 + 10)
call("x32", 0x40000000 | 39)
attempt("raw socket", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1) and None)
attempt("packet socket", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) and None)
attempt("vsock", lambda: socket.socket(40, socket.SOCK_STREAM) and None)
master, slave = os.openpty()
attempt("TIOCSTI", lambda: fcntl.ioctl(slave, 0x5412, b"x") and None)
attempt("TIOCLINUX", lambda: fcntl.ioctl(slave, 0x541C, b"\2") and None)
attempt("TIOCSETD", lambda: fcntl.ioctl(slave, 0x5423, struct.pack("i", 0)) and None)  # N_TTY, as it is
call("DCCP", 41, 1, 6 | 0o2000000, 0)  # of a family that the kernel has, and would say ESOCKTNOSUPPORT for
for request in (0x8940, 0x8941, 0x8982, 0x8983, 0x89a0, 0x89a1):  # bridges and VLANs, in sockios.h
    attempt(f"ioctl {request:x}", lambda: fcntl.ioctl(socket.socket(), request, bytes(64)) and None)
attempt("TIOCSTI with high bits", lambda: None if libc.ioctl(slave, ctypes.c_ulong(0x100005412), b"x") == 0 else
        errno.errorcode[ctypes.get_errno()])
for kind, major, minor in (("disk", 8, 0), ("memory", 1, 1), ("loop", 7, 0), ("kmsg", 1, 11)):
    mode = stat.S_IFBLK if kind in ("disk", "loop") else stat.S_IFCHR
    attempt(f"mknod {kind}", lambda: os.mknod(f"/tmp/{kind}", mode | 0o666, os.makedev(major, minor)))
print(found)
"""

DENIED = {
    "EPERM": ("mount", "remount", "umount2", "pivot_root", "open_tree", "move_mount", "fsopen", "fsconfig", "fsmount",
              "fspick", "mount_setattr", "mount cgroup", "unshare user", "unshare mount", "unshare net", "clone user", "setns",
              "open_by_handle_at", "keyctl", "add_key", "request_key", "bpf", "perf_event_open", "userfaultfd",
              "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "reboot", "swapon", "acct",
              "settimeofday", "clock_settime", "adjtimex", "clock_adjtime", "syslog", "iopl", "ioperm", "quotactl", "kcmp", "ptrace init",
              "read memory of init", "write memory of init", "take a descriptor of init", "raw socket", "packet socket", "TIOCSTI", "TIOCLINUX", "TIOCSETD", "TIOCSTI with high bits",
              "ioctl 8940", "ioctl 8941", "ioctl 8982", "ioctl 8983", "ioctl 89a0", "ioctl 89a1",
              "mknod disk", "mknod memory", "mknod loop", "mknod kmsg"),
    "ENOSYS": ("clone3", "open_tree_attr", "io_uring_setup", "io_uring_enter", "unknown call", "x32"),
    "EAFNOSUPPORT": ("vsock", "DCCP"),
}


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the attackers know x86-64's numbers")
@pytest.mark.parametrize("user", ["0", "1000"])
@pytest.mark.parametrize("users", USERS)
def test_every_door_of_the_kernel_is_closed(berth: Path, debian: Path, users: str, user: str) -> None:
    done = launch(berth, debian, "python3", "-c", CALLS, users=users, options=(f"--user={user}",))
    assert done.returncode == 0, done.stderr
    expected = {name: error for error, names in DENIED.items() for name in names}
    assert ast.literal_eval(done.stdout) == expected


COMPATIBLE = PRELUDE + r"""
import mmap
# push rbx; push rbp; mov eax, N; xor ebx, ebx; xor ecx, ecx; xor edx, edx; int 0x80; pop rbp; pop rbx; ret
def int80(number, ebx=0, ecx=0):
    code = (b"\x53\x55\xb8" + struct.pack("i", number) + b"\xbb" + struct.pack("I", ebx) + b"\xb9" + struct.pack("I", ecx) +
            b"\x31\xd2\x31\xf6\x31\xff\xcd\x80\x5d\x5b\xc3")
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    return ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
pid = os.fork()
if pid == 0:
    os._exit(0 if int80(20) == os.getpid() else 1)
print({"works": os.waitpid(pid, 0)[1] == 0, **{name: int80(number, *args) for name, number, *args in (
    ("mount", 21), ("umount2", 52), ("pivot_root", 217), ("keyctl", 288), ("bpf", 357), ("setns", 346), ("unshare", 310, 0x10000000),
    ("clone", 120, 0x10000000), ("clone3", 435), ("io_uring_setup", 425), ("socketcall", 102, 1), ("socketpair by socketcall", 102, 8),
    ("socket", 359, 40), ("socketpair", 360, 38))}})
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the second set of calls that x86-64 has")
def test_the_second_set_of_system_calls_is_closed_as_well(berth: Path, debian: Path) -> None:
    done = launch(berth, debian, "python3", "-c", COMPATIBLE, users="no")
    if done.returncode == 139 or "'works': False" in done.stdout:
        pytest.skip("this kernel has no 32-bit calls")
    assert done.returncode == 0, done.stderr
    found = ast.literal_eval(done.stdout)
    assert found == {
        "works": True, **dict.fromkeys(("mount", "umount2", "pivot_root", "keyctl", "bpf", "setns", "unshare", "clone"),
                                       -errno.EPERM),
        **dict.fromkeys(("clone3", "socketcall", "socketpair by socketcall", "io_uring_setup"), -errno.ENOSYS),
        **dict.fromkeys(("socket", "socketpair"), -errno.EAFNOSUPPORT)}


#: What a program may ask for; whatever the kernel has beside these has modules that it loads for whoever asks.
FAMILIES = {"UNIX": 1, "INET": 2, "INET6": 10, "KEY": 15, "NETLINK": 16, "PACKET": 17, "PPPOX": 24, "CAN": 29, "BLUETOOTH": 31}

ASK_FAMILIES = PRELUDE + r"""
for family in range(-1, 64):
    # socket(2) looks at the type before it looks for, or loads, the family: EINVAL says that the filter let it through
    call(("socket", family), 41, family, 15, 0)
    call(("pair", family), 53, family, 15, 0, ctypes.create_string_buffer(8))
for family, last in ((2, 263), (10, 263), (16, 32)):
    for protocol in range(last):
        call((family, protocol), 41, family, 15, protocol)
        call((-family, protocol), 53, family, 15, protocol, ctypes.create_string_buffer(8))
print({what: {family for (kind, family), result in found.items() if kind == what and result != "EAFNOSUPPORT"}
       for what in ("socket", "pair")},
      {(kind, protocol) for (kind, protocol), result in found.items() if result == "EPROTONOSUPPORT"})
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the attackers know x86-64's numbers")
@pytest.mark.parametrize("options, generic", [((), {16}), (("--capability=CAP_NET_ADMIN",), set())])
def test_no_module_of_a_rare_family_of_sockets_is_loaded(berth: Path, debian: Path, options: tuple[str, ...],
                                                         generic: set[int]) -> None:
    done = launch(berth, debian, "python3", "-c", ASK_FAMILIES, options=options)
    assert done.returncode == 0, done.stderr
    nothing = {0, 14, 25, 27, 28}  # numbers behind which no kernel has anything
    families, protocols = ast.literal_eval(done.stdout.replace("} {", "}, {"))
    assert families == dict.fromkeys(("socket", "pair"), set(FAMILIES.values()) | nothing)
    # L2TP and SMC; of netlink iSCSI, DECnet, SCSI and what came later
    rare = {2: {115, 256}, 10: {115, 256}, 16: {8, 14, *range(18, 32), *generic}}  # and by generic netlink, names of modules
    assert protocols == {(sign * family, p) for family, ps in rare.items() for p in ps for sign in (1, -1)}


TERMINALS = r"""
import errno, os
for n in range(1000):
    try:
        os.open("/dev/ptmx", os.O_RDWR)
    except OSError as error:
        print(n, errno.errorcode[error.errno])
        break
"""


def test_a_container_has_not_all_the_terminals_that_there_are(berth: Path, debian: Path) -> None:
    """Those of all containers have one limit (devpts(5)), and no shell of another would start."""
    done = launch(berth, debian, "python3", "-c", TERMINALS)
    assert done.stdout == "512 ENOSPC\n", done.stderr


@pytest.mark.parametrize("users, expected", [("pick", "ok"), ("identity", "EROFS"), ("no", "EROFS")])
def test_what_proc_has_of_the_hosts_network_obeys_nobody(berth: Path, debian: Path, users: str, expected: str) -> None:
    """There root says without a capability what an NFS server exports, and each process has a directory of it."""
    done = launch(berth, debian, "python3", "-c", PRELUDE + r"""
attempt("write", lambda: write("/proc/self/oom_score_adj", "0"))
attempt("stdout", lambda: write("/proc/self/fd/1", ""))
print(found)
""", users=users, options=("--network=host",))
    assert done.returncode == 0, done.stderr
    assert ast.literal_eval(done.stdout) == {"write": expected, "stdout": "ok"}


FILES = PRELUDE + r"""
for path in ("/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/vm/panic_on_oom",
             "/proc/irq/default_smp_affinity", "/sys/power/state", "/sys/kernel/uevent_helper", "/sys/kernel/mm/ksm/run",
             "/sys/fs/cgroup/cgroup.procs", "/sys/module/kernel/parameters/panic", "/proc/sys/fs/binfmt_misc/register"):
    attempt(path, lambda: write(path) if os.path.exists(path) else "absent")
for path in ("/proc/kcore", "/proc/kmsg", "/proc/timer_list", "/dev/mem", "/dev/kmsg", "/dev/sda", "/dev/vda", "/dev/fuse",
             "/dev/net/tun", "/dev/loop-control"):
    def read():
        if not os.path.lexists(path):
            return "absent"
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        return "read" if os.read(fd, 16) else "empty"
    attempt(path, read)
print(found)
"""


@pytest.mark.parametrize("users", USERS)
def test_the_hosts_knobs_can_be_neither_written_nor_read(berth: Path, debian: Path, users: str) -> None:
    done = launch(berth, debian, "python3", "-c", FILES, users=users)
    assert done.returncode == 0, done.stderr
    found = ast.literal_eval(done.stdout)
    assert {name: result for name, result in found.items()
            if result not in ("absent", "empty", "EROFS", "EACCES", "EPERM", "ENOENT")} == {}
    assert found["/proc/sys/kernel/core_pattern"] == "EROFS"
    assert found["/sys/fs/cgroup/cgroup.procs"] == "EROFS"
    if users != "pick":  # else it is the owner that is another
        assert found["/proc/sysrq-trigger"] == ("EROFS" if os.path.exists("/proc/sysrq-trigger") else "absent")


WALK = PRELUDE + r"""
names = {"written": [], "read": []}
def look(path, status):
    if status.st_mode & 0o222:
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
            names["written"].append(path)
        except OSError:
            pass
    if not status.st_mode & 0o044 and path.startswith("/proc/"):  # of sysfs not even the opening is harmless
        try:
            os.read(os.open(path, os.O_RDONLY | os.O_NONBLOCK), 16) and names["read"].append(path)
        except OSError:
            pass

def walk(directory):
    try:
        entries = list(os.scandir(directory))
    except OSError:
        return
    for entry in entries:
        if directory == "/proc" and entry.name.isdigit() or entry.is_symlink() or entry.path == "/proc/sys":
            continue
        try:
            status = entry.stat()
        except FileNotFoundError:  # of a device that has just gone
            continue
        if entry.is_dir():
            walk(entry.path)
        elif stat.S_ISREG(status.st_mode):  # what hides one is our /dev/null
            look(entry.path, status)

walk("/proc")
walk("/sys")
names["hidden"] = {path: os.listdir(path) for path in ("/sys/firmware", "/sys/kernel/slab", "/sys/class/zram-control",
                                                       "/sys/devices/virtual/powercap") if os.path.isdir(path)}
print(names)
"""


@pytest.mark.parametrize("users", USERS)
def test_no_file_of_the_kernel_obeys_or_tells_what_is_the_hosts_roots(berth: Path, debian: Path, users: str) -> None:
    """All of /proc and /sys: what can be opened for writing is for everyone, what only root may read is not there.
    Some of sysfs acts when it is read: with each look at zram-control/hot_add the host has a device more."""
    done = launch(berth, debian, "python3", "-c", WALK, users=users)
    assert done.returncode == 0, done.stderr
    found = ast.literal_eval(done.stdout)
    # everyone may ask to be told of pressure: it tells the asker, and changes nothing
    assert {path for path in found["written"] if not path.startswith("/proc/pressure/")} == set()
    assert found["read"] == []
    if users != "pick":
        assert [path for path, names in found["hidden"].items() if names] == []


CHROOT = PRELUDE + r"""
canary = sys.argv[1]
os.mkdir("/tmp/jail")
root = os.open("/", os.O_RDONLY)
os.chroot("/tmp/jail")
for _ in range(1000):
    os.chdir("..")
os.chroot(".")
found["above the second root"] = os.path.exists(canary)
os.fchdir(root)
for _ in range(1000):
    os.chdir("..")
os.chroot(".")
found["from a descriptor"] = os.path.exists(canary)
found["is the container's"] = os.path.exists("/tmp/jail")
pids = [p for p in os.listdir("/proc") if p.isdigit()]
for what in ("root", "cwd"):
    found[f"through {what}"] = [pid for pid in pids if os.path.exists(f"/proc/{pid}/{what}/{canary}")]
found["descriptors"] = sorted(int(fd) for fd in os.listdir("/proc/self/fd"))[:-1]
print(found)
"""


@pytest.mark.parametrize("init", ["yes", "no"])
@pytest.mark.parametrize("users", USERS)
def test_no_way_leads_above_the_root(berth: Path, debian: Path, ground: Path, users: str, init: str) -> None:
    (ground / "canary").touch()
    done = launch(berth, debian, "python3", "-c", CHROOT, str(ground / "canary"), users=users, options=(f"--init={init}",))
    assert done.returncode == 0, done.stderr
    assert ast.literal_eval(done.stdout) == {
        "above the second root": False, "from a descriptor": False, "is the container's": True, "through root": [],
        "through cwd": [], "descriptors": [0, 1, 2, 3]}  # 3 is its own, of "/"


@pytest.mark.parametrize("init", ["yes", "no"])
def test_a_leaked_descriptor_as_working_directory_leads_nowhere(berth: Path, debian: Path, init: str) -> None:
    """Neither of our own nor of the caller's, who has a directory of the host at that number."""
    opened = os.open("/", os.O_RDONLY)
    taken = fcntl.fcntl(opened, fcntl.F_DUPFD, 100)
    os.close(opened)
    try:
        for fd in range(3, 24):
            for more in ({}, {"preexec_fn": lambda number=fd: os.dup2(taken, number), "close_fds": False}):
                done = launch(berth, debian, "pwd", "-P", options=(f"--working-directory=/proc/self/fd/{fd}", f"--init={init}"), **more)
                assert (done.returncode, done.stdout) == (125, ""), fd
                # what is open until the last is the pipe that tells of this failure
                assert done.stderr in [f"cannot enter the working directory '/proc/self/fd/{fd}': {error}\n"
                                       for error in ("No such file or directory", "Not a directory")]
    finally:
        os.close(taken)


# -- hostile images --


@pytest.fixture
def image(ground: Path) -> Path:
    """busybox alone, for tests to make hostile."""
    root = ground / "image"
    for name in ("bin", "etc", "tmp"):
        (root / name).mkdir(parents=True)
    (root / "bin/busybox").write_bytes(BUSYBOX.read_bytes())
    (root / "bin/busybox").chmod(0o755)
    for applet in ("sh", "true", "ls", "cat", "id", "touch", "sleep", "mkdir", "ln", "mv", "rm"):
        (root / "bin" / applet).symlink_to("busybox")
    return root


@pytest.mark.parametrize("users", USERS)
@pytest.mark.parametrize("directory", ["dev", "proc", "sys", "etc"])
@pytest.mark.parametrize("target", ["absolute", "relative"])
def test_an_image_whose_directories_lead_outside_is_not_started(berth: Path, image: Path, ground: Path, directory: str,
                                                                target: str, users: str) -> None:
    canary = ground / "canary"
    canary.mkdir()
    subprocess.run(["rm", "-rf", image / directory], check=True)
    (image / directory).symlink_to(canary if target == "absolute" else "../canary")
    was = canary.stat()
    done = launch(berth, image, "true", users=users)
    assert done.returncode == 125
    assert f"/{directory} is a symbolic link, where a directory is needed; such an image is not started" in done.stderr
    assert list(canary.iterdir()) == []
    assert (canary.stat().st_mtime_ns, canary.stat().st_ctime_ns) == (was.st_mtime_ns, was.st_ctime_ns)


@pytest.mark.parametrize("make, message", [
    (lambda etc: (etc / "passwd").symlink_to("/dev/zero"), "no such user"),  # there is none yet
    (lambda etc: (etc / "passwd").symlink_to("/proc/self/fd/0"), "no such user"),
    (lambda etc: os.mkfifo(etc / "passwd"), "is no regular file"),
    (lambda etc: (etc / "passwd").mkdir(), "is no regular file"),
    (lambda etc: os.mknod(etc / "passwd", stat.S_IFCHR | 0o666, os.makedev(1, 5)), "is no regular file"),
    (lambda etc: os.truncate(os.open(etc / "passwd", os.O_CREAT | os.O_RDWR), 5 << 30), "is over 1 MiB"),
    (lambda etc: (etc / "passwd").symlink_to("passwd"), "is reached by a link that leads nowhere safe"),
    (lambda etc: (os.mknod(etc / "null", stat.S_IFCHR | 0o666, os.makedev(1, 5)), (etc / "passwd").symlink_to("/etc/null")),
     "is no regular file"),
    (lambda etc: (etc / "passwd").write_bytes(b"x:x:0:0::/:/bin/sh" + b"y" * 5000 + b"\n"), "no such user"),
    (lambda etc: (etc / "passwd").write_bytes(b"x\0:x:0:0::/:/bin/sh\n"), "no such user"),
    (lambda etc: (etc / "passwd").write_bytes(b"x:x:4294967296:0::/:/bin/sh\n"), "no such user"),
    (lambda etc: (etc / "passwd").write_bytes(b"x:x:-1:0::/:/bin/sh\nx:x: 0:0::/:/bin/sh\nx:x::0::/:/bin/sh\n"),
     "no such user"),
    (lambda etc: (etc / "passwd").write_bytes(b":" * (1 << 20)), "no such user"),
    (lambda etc: (etc / "passwd").write_bytes(b"\n" * (1 << 20)), "no such user"),
], ids=["zero", "descriptor", "fifo", "directory", "device", "5 GiB", "loop", "link to a device", "long line", "nul", "overflow", "odd numbers",
        "colons", "newlines"])
def test_a_hostile_passwd_is_answered_at_once_and_never_makes_a_user(berth: Path, image: Path, message: str,
                                                                     make: Callable[[Path], object]) -> None:
    make(image / "etc")
    done = launch(berth, image, "id", options=("--user=x",))
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.startswith("user 'x': ") and message in done.stderr, done.stderr


def test_of_two_entries_of_a_user_the_first_counts(berth: Path, image: Path) -> None:
    (image / "etc/passwd").write_text("x:x:1000:1000::/:/bin/sh\nx:x:0:0::/:/bin/sh\n")
    assert launch(berth, image, "id", "-u", options=("--user=x",)).stdout == "1000\n"


@pytest.mark.parametrize("user, message", [
    *((user, "no such user in the container's /etc/passwd; give a name that stands there, or a number")
      for user in ("-1", "+1", " 1", "0x0", "1:1", ":1", "1e0")),
    *((user, "not a user or group: expected a name, or a number from 0 to 4294967294")
      for user in ("4294967295", "4294967296", "99999999999"))])
def test_what_is_no_user_is_never_root(berth: Path, image: Path, user: str, message: str) -> None:
    done = launch(berth, image, "id", options=(f"--user={user}",))
    assert (done.returncode, done.stdout, done.stderr) == (125, "", f"user '{user}': {message}\n")


def test_an_empty_user_is_never_root(berth: Path, image: Path) -> None:
    done = launch(berth, image, "id", options=("--user=",))
    assert (done.returncode, done.stdout, done.stderr) == (125, "", "--user is '': expected a name or a number\n")


@pytest.mark.parametrize("init", ["yes", "no"])
@pytest.mark.parametrize("users", USERS)
def test_groups_of_the_caller_stay_outside(berth: Path, image: Path, users: str, init: str) -> None:
    for user, groups in (("0", "0"), ("1000", "1000")):
        done = launch(berth, image, "id", "-G", users=users, options=(f"--user={user}", f"--init={init}"), extra_groups=[4, 27, 4321])
        assert (done.returncode, done.stdout) == (0, f"{groups}\n"), done.stderr


@pytest.mark.parametrize("init", ["yes", "no"])
@pytest.mark.parametrize("users", USERS)
def test_capabilities_that_the_caller_would_hand_down_stay_outside(berth: Path, image: Path, users: str, init: str) -> None:
    for user in ("0", "1000"):
        done = launch(berth, image, "cat", "/proc/self/status", users=users, options=(f"--user={user}", f"--init={init}"),
                      before=HANDING_DOWN)
        assert done.returncode == 0, done.stderr
        status = dict(line.split(":\t", 1) for line in done.stdout.splitlines())
        assert (status["CapInh"], status["CapAmb"]) == ("0" * 16, "0" * 16)


def test_nothing_of_the_image_is_read_for_the_host(berth: Path, image: Path, ground: Path) -> None:
    """No loader, name service or locale of the image runs with the helper's rights."""
    for path in ("etc/ld.so.preload", "etc/nsswitch.conf", "lib/libnss_files.so.2", "usr/bin/getent", "etc/localtime"):
        (image / path).parent.mkdir(parents=True, exist_ok=True)
        (image / path).write_text("hostile")
    trace = ground / "trace"
    done = subprocess.run(["strace", "-f", "-qq", "-e", "trace=open,openat,openat2,execve", "-o", trace, berth, "launch",
                           "--foreground", f"--name=e{uuid.uuid4().hex[:12]}", f"--image={image}", "--user=root", "--network=none", "--", "true"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    text = trace.read_text().partition('execve("/bin/true"')[0]
    assert done.returncode in (0, 125) and "etc/passwd" in text
    for word in ("preload", "nsswitch", "libnss", "getent", "localtime", "locale", "gconv"):
        assert word not in text, [line for line in text.splitlines() if word in line]


# -- what the caller has as 0, 1 and 2 --


def launch_with(berth: Path, image: Path, script: str, users: str, *options: str, **streams) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([berth, "launch", "--foreground", f"--name=e{uuid.uuid4().hex[:12]}", f"--image={image}", f"--private-users={users}",
                           "--network=none", *options, "--", "python3", "-c", PRELUDE + script], timeout=2 * PATIENCE, **streams)


NULL = """
for fd in 0, 1, 2:
    assert os.fstat(fd).st_rdev == os.makedev(1, 3)
    os.fchmod(fd, 0o600)
    os.fchown(fd, 7, 7)
    os.utime(fd, (1, 1))
os.write(1, b"gone")
sys.exit(42 if os.read(0, 1) == b"" else 1)
"""


@pytest.mark.parametrize("users, init", [("no", "yes"), ("no", "no"), ("identity", "yes")])
def test_the_null_device_of_the_host_is_not_in_the_hands_of_a_container(berth: Path, debian: Path, ground: Path, users: str,
                                                                        init: str) -> None:
    """Units have it as standard input. Root inside is its owner, and it would be nobody else's any more."""
    node = ground / "null"
    os.mknod(node, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.chmod(node, 0o666)
    before = node.stat()
    with node.open("r+b", buffering=0) as null:
        done = launch_with(berth, debian, NULL, users, f"--init={init}", stdin=null, stdout=null, stderr=null)
    assert done.returncode == 42
    now = node.stat()
    assert (now.st_mode, now.st_uid, now.st_gid, now.st_mtime_ns) == (before.st_mode, before.st_uid, before.st_gid, before.st_mtime_ns)


INPUT = r"""
attempt("mode", lambda: os.fchmod(0, 0o777))
attempt("owner", lambda: os.fchown(0, 1, 1))
attempt("time", lambda: os.utime(0, (1, 1)))
attempt("write", lambda: os.write(0, b"forged") and None)
attempt("again", lambda: os.close(os.open("/proc/self/fd/0", os.O_WRONLY)))
print(found, os.read(0, 6))
"""


@pytest.mark.parametrize("users", ["pick", "no"])
def test_a_file_that_is_standard_input_can_be_read_and_nothing_else(berth: Path, debian: Path, ground: Path, users: str) -> None:
    """It may be anybody's to write to where others reach it, which the container does not."""
    source = ground / "source"
    source.write_text("first\nsecond\n")
    os.chmod(source, 0o666)
    before = source.stat()
    with source.open("r+b", buffering=0) as stdin:
        stdin.seek(6)
        done = launch_with(berth, debian, INPUT, users, stdin=stdin, stdout=subprocess.PIPE)
    found, _, read = done.stdout.decode().rstrip("\n").rpartition(" ")
    assert ast.literal_eval(found) == {"mode": "EROFS", "owner": "EROFS", "time": "EROFS", "write": "EBADF", "again": "EROFS"}
    assert read == "b'second'"
    now = source.stat()
    assert (now.st_mode, now.st_uid, now.st_mtime_ns, source.read_text()) == \
        (before.st_mode, before.st_uid, before.st_mtime_ns, "first\nsecond\n")


def test_a_file_that_systemd_has_opened_to_be_read_can_be_read_and_nothing_else(berth: Path, debian: Path, ground: Path) -> None:
    """OpenFile= with read-only, in systemd.service(5)."""
    source = ground / "source"
    source.write_text("content\n")
    source.chmod(0o600)
    done = subprocess.run(["sh", "-c", 'exec 3<"$0"; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', source, berth, "launch", "--foreground",
                           "--name=opened", f"--image={debian}", "--private-users=no", "--network=none", "--sockets=yes", "--",
                           "sh", "-c", "chmod 777 /proc/self/fd/3; (: >/proc/self/fd/3); cat <&3"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (done.stdout, done.stderr.count("Read-only file system")) == ("content\n", 2), done.stderr
    assert (source.read_text(), source.stat().st_mode & 0o777) == ("content\n", 0o600)


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_PATH])
def test_a_directory_of_the_callers_is_not_handed_in(berth: Path, debian: Path, ground: Path, flags: int) -> None:
    fd = os.open(ground, flags)
    try:
        done = launch_with(berth, debian, "", "pick", stdin=fd, stderr=subprocess.PIPE)
    finally:
        os.close(fd)
    assert (done.returncode, done.stderr) == \
        (125, b"standard input is a directory or an O_PATH descriptor: refusing to hand it in\n")


# -- set-uid files where the host sees them --

SUID = PRELUDE + r"""
os.chdir("/shared")
for name in ("chmod", "fchmod", "fchmodat", "create", "sgid", "caps", "mknod", "chown", "copy", "mkdir", "rename"):
    if name not in ("create", "mknod", "mkdir"):
        open(name, "w").close()
attempt("chmod", lambda: os.chmod("chmod", 0o4755))
fd = os.open("fchmod", os.O_RDWR)
attempt("fchmod", lambda: os.fchmod(fd, 0o4755))
call("fchmodat", 268, -100, b"fchmodat", 0o4755)
call("fchmodat2", 452, -100, b"fchmodat", 0o4755, 0)
attempt("sgid", lambda: os.chmod("sgid", 0o2755))
attempt("create", lambda: os.close(os.open("create", os.O_CREAT | os.O_WRONLY, 0o4755)))
call("creat", 85, b"create2", 0o4755)
call("open", 2, b"create3", os.O_CREAT | os.O_WRONLY, 0o6755)
call("openat2", 437, -100, b"create4", ctypes.create_string_buffer(struct.pack("QQQ", os.O_CREAT | os.O_WRONLY, 0o4755, 0)), 24)
call("tmpfile", 257, -100, b".", 0o20000000 | 0o200000 | os.O_RDWR, 0o4755)
attempt("mknod", lambda: os.mknod("mknod", stat.S_IFREG | 0o4755))
attempt("mkdir", lambda: os.mkdir("mkdir", 0o2755))
cap = struct.pack("<IIIII", 0x02000001, 1 << 7, 0, 0, 0)
attempt("caps", lambda: os.setxattr("caps", "security.capability", cap))
cap3 = struct.pack("<IIIIII", 0x03000001, 1 << 7, 0, 0, 0, 0)
attempt("caps with a root", lambda: os.setxattr("caps", "security.capability", cap3))
# a file that has the bit elsewhere
os.close(os.open("/root/suid", os.O_CREAT | os.O_WRONLY, 0o755))
attempt("chmod elsewhere", lambda: os.chmod("/root/suid", 0o4755))
attempt("link", lambda: os.link("/usr/bin/passwd", "/shared/link"))
print(found)
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the attackers know x86-64's numbers")
@pytest.mark.parametrize("users", USERS)
def test_no_file_that_gives_rights_can_be_made_in_a_writable_bind(berth: Path, debian: Path, ground: Path, users: str) -> None:
    shared = ground / "shared"
    shared.mkdir()
    done = launch(berth, debian, "python3", "-c", SUID, users=users,
                  options=(f"--mount=type=bind,source={shared},target=/shared",))
    assert done.returncode == 0, done.stderr
    found = ast.literal_eval(done.stdout)
    assert {name for name, result in found.items() if result == "ok"} == set(), found
    assert found["openat2"] == "ENOSYS" and found["link"] == "EXDEV"
    assert {result for name, result in found.items() if name not in ("openat2", "link")} <= {"EPERM", "ENOSYS"}
    for path in shared.iterdir():
        assert not path.stat().st_mode & (stat.S_ISUID | stat.S_ISGID), path
        assert "security.capability" not in os.listxattr(path), path


def test_what_is_set_uid_in_a_bind_gives_nothing_inside(berth: Path, debian: Path, ground: Path) -> None:
    shared = ground / "shared"
    shared.mkdir()
    (shared / "id").write_bytes((debian / "usr/bin/id").read_bytes())
    (shared / "id").chmod(0o4755)
    done = launch(berth, debian, "/shared/id", "-u", options=(
        "--user=1000", f"--mount=type=bind,source={shared},target=/shared"))
    assert done.stdout == "1000\n", done.stderr


@pytest.mark.parametrize("users", USERS)
def test_device_nodes_in_a_bind_cannot_be_opened(berth: Path, debian: Path, ground: Path, users: str) -> None:
    shared = ground / "shared"
    shared.mkdir()
    os.mknod(shared / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    done = launch(berth, debian, "head", "-c1", "/shared/zero", users=users,
                  options=(f"--mount=type=bind,source={shared},target=/shared",))
    assert done.returncode == 1 and "Permission denied" in done.stderr


# -- our own program --

OVERWRITE = PRELUDE + r"""
import time
for name, flags in (("write", os.O_WRONLY), ("truncate", os.O_WRONLY | os.O_TRUNC), ("append", os.O_WRONLY | os.O_APPEND)):
    attempt(f"{name} init", lambda: os.close(os.open("/proc/1/exe", flags)))
# a descriptor that is held outlives whoever ran the program: then it is busy no more
held = []
for pid in [p for p in os.listdir("/proc") if p.isdigit()]:
    attempt(f"hold {pid}", lambda: held.append(os.open(f"/proc/{pid}/exe", os.O_RDONLY)))
for fd in held:
    if os.fstat(fd).st_ino == int(sys.argv[1]):
        attempt("write what was held", lambda: os.close(os.open(f"/proc/self/fd/{fd}", os.O_WRONLY)))
        attempt("truncate what was held", lambda: os.close(os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_TRUNC)))
found = {name: result for name, result in found.items() if not name.startswith("hold ")}
print(found)
"""


@pytest.mark.parametrize("init", ["yes", "no"])
@pytest.mark.parametrize("users", USERS)
def test_the_program_that_launched_it_cannot_be_overwritten(berth: Path, debian: Path, ground: Path, users: str, init: str) -> None:
    """A container's root that is the host's could else exchange what the host's root runs next."""
    program = ground / "berth"
    program.write_bytes(berth.read_bytes())
    program.chmod(0o755)
    before = program.read_bytes()
    done = launch(program, debian, "python3", "-c", OVERWRITE, str(program.stat().st_ino), users=users,
                  options=(f"--init={init}",))
    assert done.returncode == 0, done.stderr
    found = ast.literal_eval(done.stdout)
    own = init == "no"  # PID 1 is the attacker himself, and his program is the image's
    assert {result for name, result in found.items() if not (own and name.endswith("init"))} <= {
        "EACCES", "EPERM", "EROFS", "ETXTBSY"}, found
    assert program.read_bytes() == before


# -- what the kernel shows --

MASKS = PRELUDE + r"""
for path in ("/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/kmsg"):
    if os.path.lexists(path):
        status = os.stat(path)
        found[path] = (stat.S_ISCHR(status.st_mode), os.major(status.st_rdev), os.minor(status.st_rdev), open(path, "rb").read(9))
found["console"] = os.path.lexists("/dev/console")
found["links"] = [name for name in os.listdir("/dev") if os.path.islink(f"/dev/{name}")
                  and not os.readlink(f"/dev/{name}").startswith(("/proc/self/fd", "pts/"))]
print(found)
"""


@pytest.mark.parametrize("users", ["identity", "no"])
def test_masks_are_made_of_our_own_null_whatever_the_image_calls_null(berth: Path, debian: Path, ground: Path, users: str) -> None:
    """Were a mask taken from a path that others can write, it could be a link to a knob of the kernel."""
    shared = ground / "dev"
    shared.mkdir()
    (shared / "null").symlink_to("/proc/sys/kernel/core_pattern")
    (shared / "console").symlink_to("/proc/sysrq-trigger")
    before = Path("/proc/sys/kernel/core_pattern").read_text()
    done = launch(berth, debian, "python3", "-c", MASKS, users=users,
                  options=(f"--mount=type=bind,source={shared},target=/dev/shared",))
    assert done.returncode == 0, done.stderr
    found = ast.literal_eval(done.stdout)
    assert (found.pop("console"), found.pop("links")) == (False, [])
    assert set(found) >= {"/proc/kcore"} or not os.path.exists("/proc/kcore")
    assert set(found.values()) == {(True, 1, 3, b"")}
    assert Path("/proc/sys/kernel/core_pattern").read_text() == before


# -- races --


@pytest.mark.parametrize("rounds", [pytest.param(60, id="some"), pytest.param(5000, id="many", marks=pytest.mark.long)])
@pytest.mark.parametrize("users", USERS)
def test_a_target_that_is_swapped_during_the_launch_leads_nowhere(berth: Path, image: Path, ground: Path, users: str,
                                                                  rounds: int) -> None:
    """Another container has the directory as well, and turns the targets in it into links to the host and back."""
    shared, canary = ground / "shared", ground / "canary"
    for path in (shared / "a/target", canary / "target", ground / "source"):
        path.mkdir(parents=True)
    (ground / "source/mark").touch()
    (canary / "target/innocent").touch()
    attacker = PRELUDE + f"""
os.chdir("/shared")
os.symlink({str(canary)!r}, "link")
os.symlink("/../../../../../..{canary}", "dots")
swap = lambda a, b: libc.renameat2(-100, a, -100, b, 2)
while True:
    swap(b"a", b"link"); swap(b"a", b"link"); swap(b"a", b"dots"); swap(b"a", b"dots")
"""
    once = (f"--mount=type=bind,source={ground}/source,target=/shared/a/target,read-only=yes",
            "--mount=type=tmpfs,target=/shared/a/fresh")
    bind = f"--mount=type=bind,source={shared},target=/shared"
    was = sorted((str(path), path.lstat().st_ctime_ns) for path in canary.rglob("*"))
    name = f"e{uuid.uuid4().hex[:12]}"
    debian = roots.get("machine")
    done = launch(berth, image, "ls", "/shared/a/target", users=users, options=(bind, *once))
    assert (done.returncode, done.stdout) == (0, "mark\n"), done.stderr
    hostile = subprocess.Popen([berth, "launch", "--foreground", f"--name={name}", f"--image={debian}", f"--private-users={users}",
                                "--network=none", bind, "--", "python3", "-c", attacker], stdin=subprocess.DEVNULL)
    try:
        wait_for(lambda: hostile.poll() is not None or os.path.lexists(shared / "dots"))
        assert hostile.poll() is None
        for _ in range(rounds):
            done = launch(berth, image, "ls", "/shared/a/target", users=users, options=(bind, *once))
            assert done.returncode in (0, 1, 125), done.stderr
    finally:
        hostile.terminate()
        hostile.wait(PATIENCE)
        subprocess.run([berth, "cleanup", f"--name={name}"], check=True)  # of a launcher that was killed
    assert sorted((str(path), path.lstat().st_ctime_ns) for path in canary.rglob("*")) == was, "the host was reached"
    assert sorted(path.name for path in canary.iterdir()) == ["target"]


def test_many_launches_at_once_have_ranges_and_roots_of_their_own(berth: Path, image: Path) -> None:
    processes = [subprocess.Popen([berth, "launch", "--foreground", f"--name=e{uuid.uuid4().hex[:12]}", f"--image={image}", "--network=none",
                                   "--private-users=pick", "--", "sh", "-c", "cat /proc/self/uid_map; read line"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                 for _ in range(16)]
    maps = [process.stdout.readline().split() for process in processes]
    assert len({first for _, first, _ in maps}) == 16  # while all of them run
    for process in processes:
        process.communicate(b"\n", timeout=2 * PATIENCE)
    assert [process.returncode for process in processes] == [0] * 16
