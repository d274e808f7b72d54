"""Boots systemd as PID 1 of new namespaces, and leaves nothing when it ends.

`machine.py` starts this as a process of its own, with a JSON object in argv and a
pipe as stdin. The pipe is the leash: when its other end closes, for whatever
reason, `kill -9` of the test runner included, the machine is killed and its
directory and control groups are removed. Three processes, each tied to the one
before by PR_SET_PDEATHSIG, so that killing any of them ends all that follow:

    keeper    outside; waits, copies the console to a file, cleans up
    stage     in the new namespaces but not in the new pid namespace
    PID 1     builds the root, then becomes systemd

It says what happens as JSON lines on stdout: {"pid": N, "cgroup": PATH} for each boot,
then {"ready": true} when systemd says READY=1, {"ended": STATUS} at the end.
"""

from __future__ import annotations

import ctypes
import json
import os
import pty
import resource
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

_libc = ctypes.CDLL(None, use_errno=True)

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS = 0x00020000, 0x02000000, 0x04000000
CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = 0x08000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE, MS_SHARED = 32, 4096, 16384, 1 << 18, 1 << 20
MNT_DETACH = 2
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}

#: Loop devices a machine can see. They belong to the kernel, so all machines share them.
LOOP_DEVICES = 64


@dataclass(frozen=True)
class Plan:
    """What machine.py asks for; the keys of the JSON object."""

    #: host name of the machine
    name: str
    #: this machine's own directory; removed at the end
    directory: str
    #: the cached root, lower layer of the overlay
    root: str
    #: a `meson install --destdir` tree to lay over it, or ""
    stage: str
    #: image name -> directory
    images: dict[str, str]
    #: the control group to make and put the machine in; "" to make one below our own
    cgroup: str


def _check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    _check(_libc.mount(source.encode(), target.encode(), kind.encode() or None,
                       ctypes.c_ulong(flags), options.encode() or None),
           f"mount {source} on {target}")


def _die_with_parent() -> None:
    _check(_libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "PR_SET_PDEATHSIG")


def _tell(**fields: object) -> None:
    try:
        print(json.dumps(fields), flush=True)
    except BrokenPipeError:
        pass  # nobody listens any more; the leash says the same


# -- control groups ----------------------------------------------------------


def enter_cgroup(path: str) -> None:
    Path(path, "cgroup.procs").write_text("0")


def own_cgroup() -> Path:
    """The cgroup2 directory of this process, wherever the host has mounted that."""
    mounted = ""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        head, _, tail = line.partition(" - ")
        if tail.startswith("cgroup2 ") and head.split()[3] == "/":
            mounted = head.split()[4]
    if not mounted:
        raise OSError("no cgroup2 file system is mounted")
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        if line.startswith("0::"):
            return Path(mounted + line[3:])
    raise OSError("this process is in no cgroup2 group")


def claim_scope() -> str:
    """Divides the delegated scope that this process was put in by the host's systemd: one
    group for the keeper, one for the machine with every controller there is to give. A group
    with processes of its own cannot give controllers away, hence the first."""
    scope = own_cgroup()
    aside = scope / "keeper"
    aside.mkdir()
    enter_cgroup(str(aside))
    for controller in scope.joinpath("cgroup.controllers").read_text().split():
        try:
            scope.joinpath("cgroup.subtree_control").write_text(f"+{controller}")
        except OSError:
            pass  # some (cpu beside realtime tasks) cannot be had; the rest is still useful
    return str(scope / "machine")


def remove_cgroup(path: str) -> None:
    """Kills what is left in a group and its children, and removes them."""
    root = Path(path)
    deadline = time.monotonic() + 60
    while root.is_dir() and time.monotonic() < deadline:
        try:
            root.joinpath("cgroup.kill").write_text("1")
            for directory, _, _ in os.walk(root, topdown=False):
                os.rmdir(directory)
        except OSError:
            time.sleep(0.01)  # a killed process is still on its way out, or what it was in has just gone


# -- inside ------------------------------------------------------------------


def _device(path: str, kind: int, major: int, minor: int, mode: int) -> None:
    os.mknod(path, kind | mode, os.makedev(major, minor))
    os.chmod(path, mode)  # whatever the umask


def _make_dev(dev: str, console: str) -> None:
    """A /dev of its own: the host's devtmpfs is one for all and would let a test change it."""
    mount("tmpfs", dev, "tmpfs", MS_NOSUID, "mode=0755,size=16m")
    for name, minor in (("null", 3), ("zero", 5), ("full", 7), ("random", 8), ("urandom", 9)):
        _device(f"{dev}/{name}", stat.S_IFCHR, 1, minor, 0o666)
    _device(f"{dev}/tty", stat.S_IFCHR, 5, 0, 0o666)
    # The kernel's log, as on a host: generators have nowhere else to write.
    _device(f"{dev}/kmsg", stat.S_IFCHR, 1, 11, 0o644)
    _device(f"{dev}/fuse", stat.S_IFCHR, 10, 229, 0o666)
    _device(f"{dev}/loop-control", stat.S_IFCHR, 10, 237, 0o660)
    for index in range(LOOP_DEVICES):
        _device(f"{dev}/loop{index}", stat.S_IFBLK, 7, index, 0o660)
    os.mkdir(f"{dev}/net")
    _device(f"{dev}/net/tun", stat.S_IFCHR, 10, 200, 0o666)
    for name, target in (("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"),
                         ("stdout", "/proc/self/fd/1"), ("stderr", "/proc/self/fd/2"),
                         ("core", "/proc/kcore"), ("ptmx", "pts/ptmx")):
        os.symlink(target, f"{dev}/{name}")
    for name in ("pts", "shm", "mqueue", "hugepages"):
        os.mkdir(f"{dev}/{name}")
    mount("devpts", f"{dev}/pts", "devpts", MS_NOSUID | MS_NOEXEC,
          "newinstance,ptmxmode=0666,mode=0620,gid=5")
    mount("tmpfs", f"{dev}/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    mount("mqueue", f"{dev}/mqueue", "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    Path(dev, "console").touch()
    mount(console, f"{dev}/console", flags=MS_BIND)


def _lay_stage(stage: str, root: str) -> None:
    """Copies the installed tree over the root. tar, because a tree with a real /lib in it
    must land behind the root's /lib -> usr/lib and not in its place."""
    pack = subprocess.Popen(["tar", "-C", stage, "-c", "."], stdout=subprocess.PIPE)
    subprocess.run(["tar", "-C", root, "-x", "--keep-directory-symlink", "--no-overwrite-dir",
                    "--numeric-owner", "--no-same-owner"], stdin=pack.stdout, check=True)
    if pack.wait() != 0:
        raise OSError(f"tar of {stage} exited {pack.returncode}")


def _build_root(plan: Plan, console: str) -> str:
    root = f"{plan.directory}/root"
    mount("overlay", root, "overlay", 0, f"lowerdir={plan.root},"
          f"upperdir={plan.directory}/upper,workdir={plan.directory}/work")
    staged = Path(plan.directory, "staged")
    if plan.stage and not staged.exists():  # a reboot keeps what tests changed
        _lay_stage(plan.stage, root)
    staged.touch()

    mount("proc", f"{root}/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("sysfs", f"{root}/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("cgroup2", f"{root}/sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("tmpfs", f"{root}/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755")
    mount("tmpfs", f"{root}/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    _make_dev(f"{root}/dev", console)

    # Not part of the overlay, which cannot be idmapped.
    os.makedirs(f"{root}/var/lib/berth", mode=0o700, exist_ok=True)
    mount(f"{plan.directory}/berth", f"{root}/var/lib/berth", flags=MS_BIND)
    for name, source in plan.images.items():
        target = f"{root}/srv/images/{name}"
        os.makedirs(target, exist_ok=True)
        mount(source, target, flags=MS_BIND)
        # The cache is shared by all tests of all runs: a container's lower layer needs no
        # more than to be read.
        mount("", target, flags=MS_REMOUNT | MS_BIND | MS_RDONLY)

    os.makedirs(f"{root}/run/host")
    Path(root, "run/host/notify").touch()
    mount(f"{plan.directory}/notify", f"{root}/run/host/notify", flags=MS_BIND)
    return root


def _become_init(plan: Plan, console: str, log: int) -> NoReturn:
    _die_with_parent()
    try:
        os.setsid()
        os.umask(0o022)
        mount("", "/", flags=MS_REC | MS_PRIVATE)
        root = _build_root(plan, console)
        os.chdir(root)
        _check(_libc.syscall(SYS_PIVOT_ROOT[os.uname().machine], b".", b"."), "pivot_root")
        _check(_libc.umount2(b".", MNT_DETACH), "umount of the old root")
        os.chdir("/")
        # As on every systemd host. A helper that forgets to make its trees private is
        # found out here and not at a user's.
        mount("", "/", flags=MS_REC | MS_SHARED)
        _check(_libc.sethostname(plan.name.encode(), len(plan.name)), "sethostname")
        null = os.open("/dev/null", os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        # The hard limit that services raise theirs to: as high as can be had here.
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (1024, max(hard, 524288)))
        except (OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        # container= keeps systemd from setting what belongs to the host: clock, sysctls, modules.
        os.execve("/lib/systemd/systemd", ["/sbin/init"], {
            "container": "berth-test", "NOTIFY_SOCKET": "/run/host/notify",
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"})
    except BaseException as error:  # there is nobody above to catch it
        os.write(log, f"keeper: cannot start systemd: {error!r}\n".encode())
    os._exit(70)


def _stage(plan: Plan, console: str, log: int, report: int) -> NoReturn:
    """Makes the namespaces, starts PID 1 in them, reports its pid, ends as it ends."""
    _die_with_parent()
    try:
        home = os.open(own_cgroup() / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
        enter_cgroup(plan.cgroup)
        _check(_libc.unshare(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC
                             | CLONE_NEWPID | CLONE_NEWNET), "unshare")
        pid = os.fork()
        if pid == 0:
            os.close(report)
            _become_init(plan, console, log)
        # Back to where the keeper is: systemd could not enable controllers in a group
        # that a process outside of its pid namespace holds busy.
        os.write(home, b"0")
        os.write(report, str(pid).encode())
        os.close(report)
        status = os.waitpid(pid, 0)[1]
        os._exit(0x80 | os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))
    except BaseException as error:
        os.write(log, f"keeper: {error!r}\n".encode())
    os._exit(71)


# -- outside -----------------------------------------------------------------


def _boot(plan: Plan, log: int) -> tuple[int, int]:
    """Starts one boot; returns the stage's pid and the console's master."""
    master, slave = pty.openpty()
    console = os.ttyname(slave)
    read, write = os.pipe()
    stage = os.fork()
    if stage == 0:
        os.close(read)
        _stage(plan, console, log, write)
    os.close(write)
    pid = os.read(read, 32)
    os.close(read)
    # Kept open: without a slave the master reads as hung up between two writers.
    os.set_inheritable(slave, False)
    _tell(pid=int(pid) if pid else 0, cgroup=plan.cgroup)
    return stage, master


def _watch(plan: Plan, notify: socket.socket, log: int) -> int:
    """One boot from start to end. Returns how PID 1 ended, -1 if the leash was let go."""
    stage, master = _boot(plan, log)
    child = os.pidfd_open(stage)
    poll = select.poll()
    for fd in (0, child, master, notify.fileno()):
        poll.register(fd, select.POLLIN | select.POLLHUP)
    try:
        while True:
            for fd, _ in poll.poll():
                if fd == master:
                    try:
                        os.write(log, os.read(master, 65536))
                    except OSError:
                        poll.unregister(master)
                elif fd == notify.fileno():
                    if b"READY=1" in notify.recv(65536).split(b"\n"):
                        _tell(ready=True)
                elif fd == 0 and not os.read(0, 1):
                    os.kill(stage, signal.SIGKILL)
                    _reap(stage)
                    return -1
                elif fd == child:
                    return _reap(stage)
    finally:
        os.close(child)
        os.close(master)


def _reap(stage: int) -> int:
    """Waits until the stage and PID 1 are gone, and with PID 1 all of its namespace. This
    process is their reaper, so PID 1 comes to it when the stage dies first."""
    ended = 0
    while True:
        try:
            pid, status = os.waitpid(-1, 0)
        except ChildProcessError:
            return ended
        if pid == stage:
            ended = os.waitstatus_to_exitcode(status)


def clean(directory: str, cgroup: str) -> None:
    """Removes what a machine had outside its namespaces."""
    remove_cgroup(cgroup)
    shutil.rmtree(directory, ignore_errors=True)


def main() -> None:
    os.setsid()  # a Ctrl-C is for the tests; they end the machine in their own way
    _check(_libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "PR_SET_CHILD_SUBREAPER")
    plan = Plan(**json.loads(sys.argv[1]))
    for name in ("root", "work"):
        os.mkdir(f"{plan.directory}/{name}")
    log = os.open(f"{plan.directory}/console", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    os.chdir(plan.directory)  # a socket's path is short, a cache's may not be
    notify.bind("notify")
    os.chdir("/")
    ended = -1
    try:
        if not plan.cgroup:
            plan = replace(plan, cgroup=claim_scope())
        os.mkdir(plan.cgroup)
        while True:
            ended = _watch(plan, notify, log)
            # reboot(2) in a pid namespace ends its PID 1 with SIGHUP for a restart and
            # SIGINT for a halt or power-off.
            if ended != 0x80 | signal.SIGHUP:
                break
            remove_cgroup(plan.cgroup)
            Path(plan.cgroup).mkdir()
        if ended in (0x80 | signal.SIGINT, -1):
            ended = 0
    except Exception as error:
        os.write(log, f"keeper: {error!r}\n".encode())
        ended = 72
    finally:
        _tell(ended=ended)
        if ended:  # the tests read the console before they let go
            sys.stdin.buffer.read()
        clean(plan.directory, plan.cgroup)


if __name__ == "__main__":
    main()
