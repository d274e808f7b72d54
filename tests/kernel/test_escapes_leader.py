"""Ways out through the processes of ours that a container can see: the leader before it is one, and those of exec."""

from __future__ import annotations

import ast
import fcntl
import os
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest

from harness.attack import PRELUDE
from harness.container import Container

pytestmark = pytest.mark.kernel
needs_berth = True


@pytest.fixture
def canary(ground: Path) -> Path:
    """A file of the host that anyone may read who finds a way to it."""
    (ground / "canary").write_text("of the host")
    return ground / "canary"


LOOK_AT_INIT = PRELUDE + r"""
import time
canary, end, seen = sys.argv[1], time.monotonic() + 1.2, set()
while time.monotonic() < end:
    for what in ("root", "cwd"):
        if os.path.exists(f"/proc/1/{what}{canary}"):
            seen.add(what)
    for fd in range(256):
        for up in ("", "/..", "/../..", "/../../..", "/" + "../" * 12):
            if os.path.exists(f"/proc/1/fd/{fd}{up}{canary}") or os.path.exists(f"/proc/1/fd/{fd}{up}/canary"):
                seen.add((fd, up))
print(seen)
"""


@pytest.mark.parametrize("users", ["identity", "no"])  # with others it is another user
def test_the_init_has_let_go_of_the_host_before_the_command_runs(berth: Path, debian: Path, canary: Path, users: str) -> None:
    """A container that may ptrace can look into its init, where that shares the host's users: at its descriptors, which
    are those of the launcher and of who called it. The init is held up where it closes the last of them."""
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    opened = os.open(canary.parent, os.O_RDONLY)
    leaked = fcntl.fcntl(opened, fcntl.F_DUPFD, 250)  # among the last to be closed
    try:
        done = subprocess.run(
            ["strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=close_range", "-e",
             "inject=close_range:delay_enter=600000:when=3+", berth, "launch", "--foreground", f"--name=e{uuid.uuid4().hex[:12]}",
             f"--image={debian}", f"--private-users={users}", "--network=none", "--capability=CAP_SYS_PTRACE", "--", "python3",
             "-c", LOOK_AT_INIT, str(canary)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
            pass_fds=(leaked,))
    finally:
        os.close(leaked)
        os.close(opened)
    assert done.returncode == 0, done.stderr
    assert ast.literal_eval(done.stdout) == set()


#: The calls of an exec between its clone and the command's own program.
STEPS = ("setns", "close_range", "setsid", "keyctl", "prctl", "setgroups", "setresgid", "setresuid", "capset", "chdir", "seccomp",
         "execve")

LOOK_AT_EXEC = PRELUDE + r"""
import time
canary, own, seen, count = sys.argv[1], os.getpid(), set(), 0
def look(pid):
    global count
    if not (name := open(f"/proc/{pid}/comm").read()).startswith("berth"):
        return
    count += 1
    for what in ("exe", "root", "cwd", "environ", "mem", "maps", "auxv", "stack", "ns/mnt", "map_files"):
        path = f"/proc/{pid}/{what}"
        try:
            os.readlink(path) if what in ("exe", "root", "cwd", "ns/mnt") else os.listdir(path) if what == "map_files" else (
                open(path, "rb").read(1))
            seen.add(what)
        except OSError:
            pass
    for fd in range(64):
        for up in ("", "/" + "../" * 12):
            if os.path.exists(f"/proc/{pid}/fd/{fd}{up}{canary}") or os.path.exists(f"/proc/{pid}/fd/{fd}{up}/canary"):
                seen.add(f"fd{up}")
    if libc.syscall(101, 0x4206, pid, 0, 0) == 0:  # PTRACE_SEIZE
        seen.add("ptrace")
        libc.syscall(101, 17, pid, 0, 0)
    if (fd := libc.syscall(434, pid, 0)) >= 0:
        for number in range(16):
            if libc.syscall(438, fd, number, 0) >= 0:  # pidfd_getfd
                seen.add("pidfd_getfd")
        os.close(fd)

print("up", flush=True)
while not os.path.exists("/tmp/enough"):
    for pid in [int(name) for name in os.listdir("/proc") if name.isdigit()]:
        if pid > 1 and pid != own:
            try:
                look(pid)
            except OSError:
                pass
print({"looks": count > 0, "seen": seen}, flush=True)
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the attackers know x86-64's numbers")
@pytest.mark.parametrize("users, capability", [("pick", "CAP_SYS_PTRACE"), ("identity", "CAP_SYS_PTRACE"), ("no", "CAP_CHOWN")])
def test_an_exec_on_its_way_in_cannot_be_looked_into(berth: Path, debian: Path, canary: Path, users: str, capability: str) -> None:
    """From its clone to the command's own program it is held up at each of its calls, and looked at meanwhile."""
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    leaked = os.open(canary.parent, os.O_RDONLY)
    container = Container(berth, debian, f"--private-users={users}", f"--capability={capability}",
                          command=("python3", "-c", LOOK_AT_EXEC, str(canary)))
    try:
        assert container.process.stdout.readline() == b"up\n"
        done = subprocess.run(
            ["strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", f"trace={','.join(STEPS)}", "-e",
             f"inject={','.join(STEPS)}:delay_enter=60000", *container.argv("--", "touch", "/tmp/enough")],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
            pass_fds=(leaked,))
        assert done.returncode == 0, done.stderr
        assert ast.literal_eval(container.process.stdout.readline().decode()) == {"looks": True, "seen": set()}
    finally:
        container.stop()
        os.close(leaked)
