"""Ways out through those who enter a container: the leader before it is one, exec, and who reads its files and names."""

from __future__ import annotations

import ast
import fcntl
import os
import re
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest

from harness.attack import PRELUDE, launch
from harness.container import Container
from harness.timing import ATTEMPTS, PATIENCE

pytestmark = pytest.mark.kernel
needs_berth = True


@pytest.fixture
def canary(ground: Path) -> Path:
    """A file of the host that anyone may read who finds a way to it."""
    (ground / "canary").write_text("of the host")
    return ground / "canary"


LOOK = PRELUDE + r"""
import time
canary, own, seen, count = sys.argv[1], os.getpid(), set(), 0
def look(pid):
    global count
    if not (name := open(f"/proc/{pid}/comm").read()).startswith("berth"):
        return
    count += 1
    got = set()
    for what in ("exe", "root", "cwd", "environ", "mem", "maps", "auxv", "stack", "ns/mnt", "map_files"):
        path = f"/proc/{pid}/{what}"
        try:
            if (os.readlink(path) if what in ("exe", "root", "cwd", "ns/mnt") else os.listdir(path) if what == "map_files" else
                    open(path, "rb").read(1)):  # of one that has ended there is nothing
                got.add(what)
        except OSError:
            pass
    for fd in range(64):
        for up in ("", "/" + "../" * 12):
            if os.path.exists(f"/proc/{pid}/fd/{fd}{up}{canary}") or os.path.exists(f"/proc/{pid}/fd/{fd}{up}/canary"):
                got.add(f"fd{up}")
    if libc.syscall(101, 0x4206, pid, 0, 0) == 0:  # PTRACE_SEIZE
        got.add("ptrace")
        libc.syscall(101, 17, pid, 0, 0)
    if (fd := libc.syscall(434, pid, 0)) >= 0:
        for number in range(16):
            if (taken := libc.syscall(438, fd, number, 0)) >= 0:  # pidfd_getfd
                got.add("pidfd_getfd")
                os.close(taken)  # of the command it may be what somebody waits for the end of
        os.close(fd)
    # by now it may be the command, which is the container's own: to look, and to have looked a moment before
    try:
        if got and os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "touch":
            return
    except (FileNotFoundError, ProcessLookupError):
        return
    except PermissionError:
        pass
    seen.update(got)
"""

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
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=2 * PATIENCE, check=False,
            pass_fds=(leaked,))
    finally:
        os.close(leaked)
        os.close(opened)
    assert done.returncode == 0, done.stderr
    assert ast.literal_eval(done.stdout) == set()


LOOK_AT_UNCONFINED = LOOK + r"""
def is_ready():  # its new name is its last act, and is seen by all
    return open("/proc/1/comm").read() == "berth-init\n"
while not is_ready():
    try:
        look(1)
    except OSError:
        pass
    count -= is_ready()
print({"looks": count > 0, "seen": seen})
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the attackers know x86-64's numbers")
@pytest.mark.parametrize("users", ["identity", "pick"])
def test_the_init_cannot_be_looked_into_before_it_has_given_up_its_rights(berth: Path, debian: Path, canary: Path,
                                                                          users: str) -> None:
    """Who could write its memory then would have every capability of the container's users, and no filter. It is held up
    where it has just forked the command, for as long as a slow machine needs to start that."""
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    for delay in (0.4, 4, 20):
        done = launch(berth, debian, "python3", "-c", LOOK_AT_UNCONFINED, str(canary), users=users, options=("--capability=CAP_SYS_PTRACE",),
                      before=("strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=clone", "-e",
                              f"inject=clone:delay_exit={int(delay * 1000000)}"))
        assert done.returncode == 0, done.stderr
        result = ast.literal_eval(done.stdout)
        if result["looks"]:
            break
    assert result == {"looks": True, "seen": set()}


#: The calls of an exec between its clone and the command's own program.
STEPS = ("setns", "close_range", "setsid", "keyctl", "prctl", "setgroups", "setresgid", "setresuid", "capset", "chdir", "seccomp",
         "execve")

LOOK_AT_EXEC = LOOK + r"""
print("up", flush=True)
while True:
    while not os.path.exists("/tmp/enough"):
        for pid in [int(name) for name in os.listdir("/proc") if name.isdigit()]:
            if pid > 1 and pid != own:
                try:
                    with open(f"/proc/{pid}/cmdline") as file:
                        if "WORD" "=secret" in file.read():
                            seen.add("what the caller has typed")
                    look(pid)
                except OSError:
                    pass
    os.unlink("/tmp/enough")
    print({"looks": count > 0, "seen": seen}, flush=True)
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the attackers know x86-64's numbers")
@pytest.mark.parametrize("users, capability, pids", [
    ("pick", "CAP_SYS_PTRACE", "private"), ("identity", "CAP_SYS_PTRACE", "private"), ("no", "CAP_CHOWN", "private"),
    ("pick", "CAP_SYS_PTRACE", "host"),
])
def test_an_exec_on_its_way_in_cannot_be_looked_into(berth: Path, debian: Path, canary: Path, users: str, capability: str,
                                                     pids: str) -> None:
    """From its clone to the command's own program it is held up at each of its calls, and looked at meanwhile; in the host's
    pid namespace so are its client, its guard and the init."""
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    leaked = os.open(canary.parent, os.O_RDONLY)
    container = Container(berth, debian, f"--private-users={users}", f"--capability={capability}", f"--pid-namespace={pids}",
                          command=("python3", "-c", LOOK_AT_EXEC, str(canary)))
    typed = ("--env=WORD=secret",) if pids == "private" else ()  # the host's see its client as well
    try:
        assert container.process.stdout.readline() == b"up\n"
        for _ in range(ATTEMPTS):  # an attacker who stands still meanwhile has not looked
            done = subprocess.run(
                ["strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", f"trace={','.join(STEPS)}", "-e",
                 f"inject={','.join(STEPS)}:delay_enter=60000", *container.argv(*typed, "--", "touch", "/tmp/enough")],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=2 * PATIENCE, check=False,
                pass_fds=(leaked,))
            assert done.returncode == 0, done.stderr
            result = ast.literal_eval(container.process.stdout.readline().decode())
            if result["looks"]:
                break
        assert result == {"looks": True, "seen": set()}
    finally:
        container.stop()
        os.close(leaked)


HOSTILE = ("etc/ld.so.preload", "etc/ld.so.cache", "etc/nsswitch.conf", "usr/bin/getent", "etc/localtime",
           "usr/lib/x86_64-linux-gnu/libnss_files.so.2", "usr/lib/x86_64-linux-gnu/gconv/gconv-modules",
           "usr/lib/locale/C.utf8/LC_CTYPE")


def entered(trace: str) -> list[str]:
    """What those do who have joined the container, and who were forked by them, until they execute a command of its own. Of
    strace's lines: of others, who are still on the host, there may be some in between."""
    joined: set[str] = set()
    found = []
    for line in trace.splitlines():
        pid, _, call = line.partition(" ")
        call = call.strip()
        if pid in joined:
            found.append(line)
            if call.startswith("execve("):
                joined.discard(pid)
                found.pop()
            if child := re.search(r"^(?:<\.\.\. )?(?:clone3?|v?fork)\b.* = (\d+)$", call):
                joined.add(child[1])
        elif re.match(r"(<\.\.\. )?setns\b.* = 0$", call):
            joined.add(pid)
            found.append(line)
    return found


def test_no_code_of_the_container_runs_for_those_who_enter_it(berth: Path, debian: Path, ground: Path) -> None:
    """No loader, name service, conversion or locale of the container is as much as opened with the rights of exec, file, cp
    and mount; a variable for the loader is for the command alone."""
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    container = Container(berth, debian, "--private-users=no", command=("sleep", "1000"))
    files, trace = berth.with_name("berth-files"), ground / "trace"
    try:
        root = Path(f"/proc/{container.state['Pid']}/root")
        for path in HOSTILE:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).unlink(missing_ok=True)
            (root / path).write_text("hostile")
        (ground / "f").write_text("x")
        for program, words, status in (
                (berth, ("exec", container.name, "--user=daemon", "--env=LD_PRELOAD=/hostile.so", "--", "true"), 0),
                (files, ("file", "read", container.name, "/etc/passwd", "--user=daemon"), 0),
                (files, ("cp", f"{container.name}:/etc/passwd", ground / "passwd"), 0),
                (files, ("cp", ground / "f", f"{container.name}:/root/f"), 0),
                (files, ("mount", container.name, "/mnt"), 0)):
            done = subprocess.run(["strace", "-f", "-qq", "-e", "trace=%process,open,openat,openat2,setns", "-o", trace, program,
                                   *map(str, words)], check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, timeout=2 * PATIENCE)
            assert done.returncode == status, done.stderr
            lines = entered(trace.read_text())
            assert lines, words
            found = [line for line in lines if any(os.path.basename(path) in line for path in HOSTILE) or
                     "hostile" in line or "locale" in line or "libnss" in line]
            assert found == [], words
    finally:
        container.stop()


def test_users_are_not_looked_up_in_files_of_the_host(berth: Path, debian: Path, ground: Path) -> None:
    """passwd and group of a container that lead to such: for launch, exec and file."""
    for name, text in (("passwd", "canary:x:0:0::/:/bin/sh\n"), ("group", "canary:x:0:\n")):
        (ground / name).write_text(text)
    image = ground / "image"
    (image / "bin").mkdir(parents=True)
    (image / "etc").mkdir()
    shutil.copy("/bin/busybox", image / "bin/busybox")
    for applet in ("id", "sleep"):
        (image / "bin" / applet).symlink_to("busybox")
    for way in (str(ground), f"../../../../../../..{ground}"):
        for name in ("passwd", "group"):
            (image / "etc" / name).unlink(missing_ok=True)
            (image / "etc" / name).symlink_to(f"{way}/{name}")
        for option in ("--user=canary", "--group=canary", "--supplementary-group=canary"):
            done = launch(berth, image, "id", options=(option,))
            assert (done.returncode, done.stdout) == (125, "") and "'canary': no such" in done.stderr, (option, done)
        container = Container(berth, image)
        try:
            for option in ("--user=canary", "--user=0:canary"):
                done = container.run(option, "--", "id")
                assert (done.returncode, done.stdout) == (125, "") and "no such" in done.stderr, (option, done)
            done = subprocess.run([berth.with_name("berth-files"), "file", "list", container.name, "/", "--user=canary"], text=True,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=2 * PATIENCE, check=False)
            assert (done.returncode, done.stdout) == (1, "") and "no such" in done.stderr, done
        finally:
            container.stop()


def test_an_image_cannot_name_its_way_into_the_options_of_a_mount(berth: Path, debian: Path, ground: Path) -> None:
    """Paths go to the kernel as descriptors: what options of overlayfs look like is a name."""
    (ground / "canary").mkdir()
    (ground / "canary/secret").write_text("of the host")
    for name in (f"a,lowerdir={ground}/canary", "a:b", "a\\,b", "upperdir=x", "a\nb", "%h", "-o", "a b"):
        image = ground / name.replace("/", "_")
        (image / "bin").mkdir(parents=True)
        shutil.copy("/bin/busybox", image / "bin/busybox")
        (image / "bin/ls").symlink_to("busybox")
        done = launch(berth, image, "ls", "/")
        assert done.returncode == 0, (name, done.stderr)
        assert done.stdout.split() == ["bin", "dev", "etc", "proc", "sys"], name


def test_no_unit_trusts_a_pid_file_or_listens_where_a_network_leads(stage: Path) -> None:
    """A PIDFile= says who is killed, and may be another's; an abstract socket is reachable for whoever shares the network."""
    units = [path for path in stage.rglob("*") if path.suffix in (".service", ".socket", ".timer")]
    text = "\n".join(path.read_text() for path in units)
    assert len(units) > 2 and "PIDFile=" not in text
    assert {line for line in text.splitlines() if line.startswith("Listen")} == {"ListenStream=/run/berth/control"}


def test_nothing_inside_an_image_sets_an_option(berth: Path, debian: Path, ground: Path) -> None:
    """What stands beside an image may, within bounds; what is in it is the container's to write."""
    image = ground / "image"
    (image / "bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", image / "bin/busybox")
    for applet in ("env", "id", "cat"):
        (image / "bin" / applet).symlink_to("busybox")
    manifest = "[Container]\nEnvironment=HOSTILE=1\nPrivateUsers=no\nCapability=CAP_SYS_ADMIN\n"
    config = '{"user": "7", "config": {"Env": ["HOSTILE=1"], "User": "7", "Cmd": ["id"]}}'
    for name, text in (("image.json", config), ("image.env", "HOSTILE=1\n"), ("config.json", config), ("manifest.json", config),
                       (".berth", manifest), ("image.berth", manifest), ("etc/berth/image.berth", manifest),
                       ("image.nspawn", "[Exec]\nPrivateUsers=no\n"), ("run/berth/containers/x/state", "Uid=7\n"),
                       ("etc/environment", "HOSTILE=1\n"), ("etc/profile", "export HOSTILE=1\n"), (".env", "HOSTILE=1\n")):
        (image / name).parent.mkdir(parents=True, exist_ok=True)
        (image / name).write_text(text)
    assert "HOSTILE" not in launch(berth, image, "env").stdout
    assert launch(berth, image, "id", "-u").stdout == "0\n"
    assert launch(berth, image, "cat", "/proc/self/uid_map").stdout.split()[1:] != ["0", "4294967295"]
    mask = {line.split()[1] for line in launch(berth, image, "cat", "/proc/self/status").stdout.splitlines() if line.startswith("CapBnd")}
    assert mask == {"00000000800405fb"}
