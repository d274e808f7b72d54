"""PidNamespace=host: the container sees the host's processes and can do nothing to them, and none of its own outlives it."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import uuid
from pathlib import Path
from typing import Iterator

import pytest

from harness import roots
from harness.attack import PRELUDE, launch
from harness.container import Container, lives, members, wait_for, words_of
from harness.place import Place
from harness.timing import PATIENCE

pytestmark = pytest.mark.kernel
needs_berth = True

HOST = "--pid-namespace=host"

@pytest.fixture
def victims() -> Iterator[dict[str, int]]:
    """Processes of the host: root's, and a user's."""
    env = {"PATH": os.environ["PATH"], "SECRET": "of the host"}
    processes = {"root": subprocess.Popen(["sleep", "1001"], env=env),
                 "user": subprocess.Popen(["sleep", "1002"], env=env, user=1000, group=1000, extra_groups=[])}
    yield {name: process.pid for name, process in processes.items()}
    for process in processes.values():
        process.kill()
        process.wait()


ATTACK = PRELUDE + r"""
import ast, signal
def attack(pid):
    for number in (0, signal.SIGCONT, signal.SIGTERM, signal.SIGKILL):
        attempt(f"kill {number}", lambda: os.kill(pid, number))
        call(f"tgkill {number}", 234, pid, pid, number)
    fd = libc.syscall(434, pid, 0)  # pidfd_open
    if fd >= 0:
        call("pidfd_send_signal", 424, fd, 9, 0, 0)
        call("pidfd_getfd", 438, fd, 0, 0)
        for flag in (0x20000, 0x40000000, 0x04000000, 0x10000000, 0x08000000):
            call(f"setns {flag:x}", 308, fd, flag)
        call("process_madvise", 440, fd, 0, 0, 4, 0)
        call("process_mrelease", 448, fd, 0)
    call("ptrace attach", 101, 16, pid, 0, 0)
    call("ptrace seize", 101, 0x4206, pid, 0, 0)
    there = ctypes.create_string_buffer(64)
    local = struct.pack("QQ", ctypes.addressof(there), 64)
    call("process_vm_readv", 310, pid, local, 1, struct.pack("QQ", 0x400000, 64), 1, 0)
    call("process_vm_writev", 311, pid, local, 1, struct.pack("QQ", 0x400000, 64), 1, 0)
    call("kcmp", 312, os.getpid(), pid, 0, 0, 0)
    call("sched_setaffinity", 203, pid, 8, struct.pack("Q", 1))
    call("sched_setscheduler", 144, pid, 3, struct.pack("i", 0))
    call("setpriority", 141, 0, pid, 19)
    call("ioprio_set", 251, 1, pid, 3 << 13)
    call("prlimit", 302, pid, 7, struct.pack("QQ", 8, 8), 0)
    call("migrate_pages", 256, pid, 64, struct.pack("Q", 1), struct.pack("Q", 1))
    for name in ("environ", "auxv", "maps", "smaps", "mem", "stack", "syscall", "io", "personality", "pagemap"):
        attempt(name, lambda: open(f"/proc/{pid}/{name}", "rb").read(8))
    for name in ("root", "cwd", "exe", "ns/mnt", "ns/pid", "fd/0"):
        attempt(name, lambda: os.readlink(f"/proc/{pid}/{name}"))
        attempt(f"{name} open", lambda: os.close(os.open(f"/proc/{pid}/{name}", os.O_RDONLY)))
    for name in ("fd", "fdinfo", "map_files"):
        attempt(name, lambda: os.listdir(f"/proc/{pid}/{name}"))
    for name in ("oom_score_adj", "oom_adj", "comm", "coredump_filter", "clear_refs", "autogroup", "timerslack_ns", "mem", "uid_map",
                 "setgroups", "loginuid", "attr/current", "attr/exec"):
        if os.path.exists(f"/proc/{pid}/{name}"):
            attempt(f"write {name}", lambda: write(f"/proc/{pid}/{name}", "1"))

call("uncovered", 166, b"/proc/sys", 2)
print(repr(("root of the container", found["uncovered"])))
for name, pid in ast.literal_eval(sys.argv[1]).items():
    found = {}
    attack(pid)
    print(repr((name, {what: how for what, how in found.items() if how not in ("EPERM", "EACCES", "ENOSYS", "EINVAL", "ENODEV")})))
found = {}
for path in ("/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/pid_max",
             "/proc/sys/vm/drop_caches", "/proc/sys/fs/suid_dumpable", "/proc/irq/default_smp_affinity",
             "/proc/1/oom_score_adj"):
    if os.path.exists(path):
        attempt(f"write {path}", lambda: os.close(os.open(path, os.O_WRONLY)))
if os.path.exists("/proc/sys/kernel/ns_last_pid"):  # anyone may open it
    attempt("write ns_last_pid", lambda: write("/proc/sys/kernel/ns_last_pid", "300"))
for path in ("/proc/kcore", "/proc/kmsg", "/proc/kpagecount", "/proc/slabinfo", "/proc/vmallocinfo"):
    if os.path.exists(path):
        attempt(f"read {path}", lambda: os.close(os.open(path, os.O_RDONLY)))
os.makedirs("/tmp/proc")
attempt("mount proc", lambda: None if libc.mount(b"proc", b"/tmp/proc", b"proc", 0, None) == 0 else (_ for _ in ()).throw(
    OSError(ctypes.get_errno(), "")))
print(repr(("kernel", {what: how for what, how in found.items() if how not in ("EPERM", "EACCES", "EROFS")})))
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the attackers know x86-64's numbers")
@pytest.mark.parametrize("users", ["pick", "200000:70000"])
@pytest.mark.parametrize("user", ["0", "1000"])
def test_processes_of_the_host_are_seen_and_cannot_be_touched(berth: Path, debian: Path, victims: dict[str, int], users: str,
                                                              user: str) -> None:
    """Not by who has every capability inside and no filter either, and takes away what covers /proc/sys."""
    other = Container(berth, debian, command=("sleep", "1003"))
    container = Container(berth, debian, HOST, f"--private-users={users}")
    try:
        victims = victims | {"init": 1, "launcher": container.process.pid, "another container": int(other.state["Pid"])}
        before = {name: Path(f"/proc/{pid}/limits").read_text() for name, pid in victims.items()}
        done = subprocess.run(["nsenter", f"--target={container.state['Pid']}", "--user", "--mount", "--net", "--ipc", "--uts", f"--setuid={user}",
                               f"--setgid={user}", "python3", "-c", ATTACK, repr(victims)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=2 * PATIENCE,
                              start_new_session=True)  # kill(2): CONT may go to one's own session
        assert done.returncode == 0, done.stderr
        assert [ast.literal_eval(line) for line in done.stdout.splitlines()] == [
            ("root of the container", "ok" if user == "0" else "EPERM"), *((name, {}) for name in victims), ("kernel", {})]
        assert {name: Path(f"/proc/{pid}/limits").read_text() for name, pid in victims.items()} == before
    finally:
        container.stop()
        other.stop()


def test_ps_shows_the_host(berth: Path, debian: Path, victims: dict[str, int]) -> None:
    done = launch(berth, debian, "ps", "-eo", "pid=,args=", options=(HOST,))
    lines = {line.strip() for line in done.stdout.splitlines()}
    assert {f"{victims['root']} sleep 1001", f"{victims['user']} sleep 1002"} <= lines


@pytest.mark.parametrize("users", ["no", "identity", "0:65536"])
def test_root_of_the_host_gets_none_of_it(berth: Path, debian: Path, users: str) -> None:
    done = launch(berth, debian, "true", options=(HOST,), users=users)
    assert (done.returncode, done.stderr) == (125, "PidNamespace=host needs user ids of its own: with PrivateUsers=no or identity "
                                                   "the container's root is the host's, and could end all of the host's processes\n")


def test_ports_and_masks_are_those_of_any_container(berth: Path, debian: Path) -> None:
    """/proc/sys is read-only, and shows the container's own network in the host's procfs."""
    script = ("import os, socket\n"
              "print(os.getuid(), open('/proc/sys/net/ipv4/ip_unprivileged_port_start').read().strip())\n"
              "socket.socket().bind(('127.0.0.1', 80))\n"
              "print(os.statvfs('/proc/sys').f_flag & os.ST_RDONLY)\n")
    done = launch(berth, debian, "python3", "-c", script, options=(HOST, "--user=1000"))
    assert (done.stdout, done.stderr) == ("1000 0\n1\n", "")
    assert Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text() != "0\n"


# -- the init --


def test_orphans_come_to_the_init_and_it_reaps_them(berth: Path, debian: Path) -> None:
    container = Container(berth, debian, HOST, command=("sh", "-c", "sh -c 'setsid sleep 1004 & ' & wait; echo left; sleep 1005"))
    try:
        leader = int(container.state["Pid"])
        assert container.process.stdout.readline() == b"left\n"
        (orphan,) = wait_for(lambda: [pid for pid in container.processes(container.payload) if words_of(pid) == ["sleep", "1004"]])
        wait_for(lambda: Path(f"/proc/{orphan}/stat").read_text().rsplit(")", 1)[1].split()[1] == str(leader))
        os.kill(orphan, signal.SIGKILL)
        wait_for(lambda: not Path(f"/proc/{orphan}").exists())
        assert container.run("--", "true").returncode == 0
    finally:
        container.stop()


@pytest.mark.parametrize("number, heard", [(signal.SIGTERM, "TERM"), (signal.SIGRTMIN + 3, "TERM"), (signal.SIGRTMIN + 4, "TERM"),
                                           (signal.SIGHUP, "HUP"), (signal.SIGUSR1, "USR1")])
def test_the_init_forwards_signals(berth: Path, debian: Path, number: int, heard: str) -> None:
    container = Container(berth, debian, HOST, command=("bash", "-c", f"trap 'echo {heard}; exit 7' {heard}; echo up; while :; do sleep 0.05; done"))
    try:
        assert container.process.stdout.readline() == b"up\n"
        os.kill(int(container.state["Pid"]), number)
        assert container.process.stdout.readline() == f"{heard}\n".encode()
        assert container.process.wait(timeout=PATIENCE) == 7
    finally:
        container.stop()


def test_a_command_without_an_init_ends_by_a_signal_that_it_has_no_handler_for(berth: Path, debian: Path) -> None:
    """As PID 1 it would not."""
    container = Container(berth, debian, HOST, "--init=no", command=("sleep", "1006"))
    try:
        os.kill(int(container.state["Pid"]), signal.SIGTERM)
        assert container.process.wait(timeout=PATIENCE) == 128 + signal.SIGTERM
    finally:
        container.stop()


# -- the end --

LEAVE = "for i in 1 2 3 4 5; do setsid sh -c 'sleep 1007 & sleep 1007 &' & done; (setsid setsid sleep 1007 &); echo up; "


def none_lives(pids: list[int]) -> bool:
    """A control group is empty a moment before the last of it has ended."""
    return not any(lives(pid) for pid in pids)


@pytest.mark.parametrize("init", ["yes", "no"])
def test_nothing_outlives_the_command(berth: Path, debian: Path, init: str) -> None:
    container = Container(berth, debian, HOST, f"--init={init}", command=("bash", "-c", LEAVE + "read -r < /tmp/fifo || sleep 1008"))
    try:
        assert container.process.stdout.readline() == b"up\n"
        assert container.run("--", "sh", "-c", "exec > /dev/null 2>&1; setsid sleep 1007 & setsid sleep 1007 &").returncode == 0
        wait_for(lambda: len([pid for pid in members(container.unit) if words_of(pid) == ["sleep", "1007"]]) == 11 + 2)
        (command,) = wait_for(lambda: [pid for pid in members(container.unit) if words_of(pid) == ["sleep", "1008"]])
        left = members(container.unit)
        os.kill(command, signal.SIGKILL)
        assert container.process.wait(timeout=PATIENCE) == 137
        assert not container.unit.exists() and not container.directory.exists()
        wait_for(lambda: none_lives(left))
    finally:
        container.stop()


@pytest.fixture
def place(build: Path) -> Iterator[Place]:
    """Of its own: clean --all takes what is just starting beside us for a remnant."""
    top = roots.cache_directory() / "pids" / uuid.uuid4().hex
    top.mkdir(parents=True)
    place = Place(build, top)
    yield place
    place.close()


@pytest.mark.parametrize("how", ["launch", "clean"])
@pytest.mark.parametrize("init", ["yes", "no"])
def test_what_a_killed_launcher_leaves_is_ended_by_the_next_launch_or_by_clean(berth: Path, build: Path, debian: Path, place: Place,
                                                                              init: str, how: str) -> None:
    container = Container(berth, debian, HOST, f"--init={init}", command=("bash", "-c", LEAVE + "sleep 1008"), prefix=place.enter(),
                          runtime=place.runtime)
    try:
        assert container.process.stdout.readline() == b"up\n"
        wait_for(lambda: len([pid for pid in members(container.unit) if words_of(pid) == ["sleep", "1007"]]) == 11)
        leader, left = int(container.state["Pid"]), members(container.unit)
        container.process.kill()
        container.process.wait()
        wait_for(lambda: not lives(leader))  # PR_SET_PDEATHSIG
        if how == "clean":
            done = subprocess.run([*place.enter(), build / "helper/berth-manage", "clean", "--all"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, check=False)
            assert f"removed the processes of container '{container.name}'" in done.stdout
            assert not container.unit.exists() and not container.directory.exists()
        else:
            done = launch(berth, debian, "echo", "works", name=container.name, before=place.enter())
            assert (done.returncode, done.stdout) == (0, "works\n"), done.stderr
        wait_for(lambda: none_lives(left))
    finally:
        container.stop()


def test_a_leader_that_the_container_kills_takes_all_with_it(berth: Path, debian: Path) -> None:
    """A PID 1 could not be killed by its own; here the container may, and it is its end."""
    container = Container(berth, debian, HOST, command=("bash", "-c", LEAVE + "until [ -e /tmp/go ]; do sleep 0.05; done; kill -9 $PPID; sleep 1008"))
    try:
        container.run("--", "touch", "/tmp/go")
        assert container.process.wait(timeout=PATIENCE) == 137
        assert not container.unit.exists() and not container.directory.exists()
    finally:
        container.stop()


# -- what acts on it --

STOP_THE_GUARD = PRELUDE + r"""
import signal
print("up", flush=True)
while True:
    for pid in [int(name) for name in os.listdir("/proc") if name.isdigit()]:
        try:
            if open(f"/proc/{pid}/comm").read() == "berth-guard\n":
                os.kill(pid, signal.SIGSTOP)
        except OSError:
            pass
"""


def test_the_guard_of_an_exec_cannot_be_stopped_by_the_container(berth: Path, debian: Path) -> None:
    """Its root may signal whoever has its users: then nobody would keep the time."""
    container = Container(berth, debian, HOST, command=("python3", "-c", STOP_THE_GUARD))
    try:
        assert container.process.stdout.readline() == b"up\n"
        done = container.run("--timeout=1", "--", "sleep", "1009", timeout=2 * PATIENCE)
        assert done.returncode == 124, done.stderr
    finally:
        container.stop()


def test_an_exec_is_of_the_container_like_any_other(berth: Path, debian: Path) -> None:
    container = Container(berth, debian, HOST, "--user=1000", command=("sleep", "1010"))
    try:
        leader = container.state["Pid"]
        done = container.run("--", "bash", "-c", "id -u; readlink /proc/self/ns/{user,mnt,pid,uts,ipc,net,cgroup}; ulimit -n; "
                             "cat /proc/self/oom_score_adj; tail -1 /proc/self/cgroup")
        assert done.returncode == 0, done.stderr
        uid, *namespaces, files, score, group = done.stdout.splitlines()
        assert uid == "1000" and group.startswith("0::/../exec-")
        assert namespaces == [os.readlink(f"/proc/{leader}/ns/{name}") for name in ("user", "mnt", "pid", "uts", "ipc", "net", "cgroup")]
        assert namespaces[2] == os.readlink("/proc/self/ns/pid")
        assert score == Path(f"/proc/{leader}/oom_score_adj").read_text().strip() and int(files) > 0
    finally:
        container.stop()
    done = container.run("--", "true")
    assert done.returncode == 125


def test_kill_and_top_are_for_its_own_processes(berth: Path, build: Path, debian: Path, victims: dict[str, int]) -> None:
    container = Container(berth, debian, HOST, command=("sleep", "1011"))
    manage = build / "helper/berth-manage"

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([manage, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    try:
        command = container.start("--", "sleep", "1012")
        wait_for(lambda: ["sleep", "1012"] in [words_of(pid) for pid in members(container.unit)])
        guard = (container.unit / "guard/cgroup.procs").read_text().strip()
        for pid in ("1", str(os.getpid()), str(victims["root"]), guard):
            done = call("kill", "--signal=KILL", container.name, pid)
            assert (done.returncode, done.stderr) == (
                1, f"container '{container.name}' has no process {pid}, see berth top {container.name}\n")
        rows = [line.split(None, 6) for line in call("top", "--no-legend", container.name).stdout.splitlines()]
        assert all(row[0] == row[1] for row in rows)
        assert sorted(row[6] for row in rows) == ["berth-init", "sleep 1011", "sleep 1012"]
        (pid,) = [row[0] for row in rows if row[6] == "sleep 1012"]
        assert call("kill", container.name, pid).returncode == 0
        assert command.wait(timeout=PATIENCE) == 128 + signal.SIGTERM
    finally:
        container.stop()
