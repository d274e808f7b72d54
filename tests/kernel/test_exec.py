"""berth exec and berth shell, as root against a real container on the running kernel."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import stat
import struct
import subprocess
import termios
import time
import uuid
from pathlib import Path
from typing import Callable, Iterator

import pytest

from harness.attack import HANDING_DOWN
from harness.container import Container, cgroup2, end, lives, remove_group, wait_for, words_of
from harness.timing import ATTEMPTS, PATIENCE

pytestmark = pytest.mark.kernel
needs_berth = True

# -- exit statuses --


@pytest.mark.parametrize("status", [0, 1, 2, 42, 124, 125, 126, 127, 128, 254, 255])
def test_the_exit_status_is_the_commands_own(c: Container, status: int) -> None:
    assert c.sh(f"exit {status}").returncode == status


@pytest.mark.parametrize("name", ["HUP", "INT", "KILL", "TERM", "USR1", "SEGV", "PIPE"])
def test_death_by_a_signal_is_128_and_its_number(c: Container, name: str) -> None:
    assert c.sh(f"kill -{name} $$").returncode == 128 + signal.Signals[f"SIG{name}"]


@pytest.mark.parametrize("words, status, message", [
    (["no-such-program"], 127, "No such file"),
    (["/no/such/program"], 127, "No such file"),
    (["/etc/passwd/below-a-file"], 127, "Not a directory"),
    ([""], 127, "No such file"),
    (["broken"], 127, "No such file"),
    (["/etc"], 126, "Permission denied"),
    (["/bin/text"], 126, "Permission denied"),
    (["--workdir=/no/such/directory", "true"], 125, "cannot change to directory"),
    (["--user=nobody-of-that-name", "true"], 125, "no such user"),
    (["--timeout=0", "true"], 125, "--timeout=0"),
    (["--timeout=soon", "true"], 125, "--timeout=soon"),
    (["--tty-size=24", "true"], 125, "--tty-size=24"),
    (["--tmieout=1", "true"], 125, "did you mean '--timeout'"),
    (["--env==x", "true"], 125, "--env"),
    (["--env-file=/no/such/file", "true"], 125, "/no/such/file"),
    ([], 125, "expected a command"),
])
def test_failures_have_their_own_status_and_words(c: Container, words: list[str], status: int, message: str) -> None:
    done = c.run(*words)
    assert (done.returncode, done.stdout) == (status, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_container_that_does_not_run_is_named(c: Container, berth: Path) -> None:
    for name in ("not-there", "../../etc", "", "a/b"):
        done = subprocess.run([berth, "exec", name, "true"], check=False, text=True, stderr=subprocess.PIPE)
        assert done.returncode == 125
        assert f"'{name}'" in done.stderr


def test_a_leader_that_ended_is_not_mistaken_for_another_process(make: Callable[..., Container]) -> None:
    container = make()
    text = (container.directory / "state").read_text()
    # the same pid, living, but started at another time
    (container.directory / "state").write_text(text.replace("StartTime=", "StartTime=1"))
    done = container.run("true")
    assert done.returncode == 125
    assert "has ended" in done.stderr
    # another living process that has that pid
    fields = dict(line.split("=", 1) for line in text.splitlines())
    (container.directory / "state").write_text(text.replace(f"Pid={fields['Pid']}", f"Pid={os.getpid()}"))
    done = container.run("true")
    assert (done.returncode, done.stderr) == (125, f"container '{container.name}' is not running: its leader has ended\n")
    (container.directory / "state").write_text(text)
    assert container.run("true").returncode == 0


# -- what the command is --


def status_of(container: Container, *options: str) -> dict[str, str]:
    done = container.run(*options, "--", "cat", "/proc/self/status")
    assert done.returncode == 0, done.stderr
    return {key: value.strip() for key, value in (line.split(":", 1) for line in done.stdout.splitlines())}


def test_root_has_the_leaders_capabilities_and_nothing_inheritable(c: Container) -> None:
    mask = f"{int(c.state['Capabilities']):016x}"
    status = status_of(c)
    assert [status[f"Cap{kind}"] for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")] == ["0" * 16, mask, mask, mask,
                                                                                        "0" * 16]
    assert status["NoNewPrivs"] == "1"


def test_another_user_has_no_capabilities(c: Container) -> None:
    mask = f"{int(c.state['Capabilities']):016x}"
    status = status_of(c, "--user=app")
    assert [status[f"Cap{kind}"] for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")] == ["0" * 16, "0" * 16, "0" * 16,
                                                                                        mask, "0" * 16]
    assert status["NoNewPrivs"] == "1"


@pytest.mark.parametrize("user", ["root", "app"])
def test_capabilities_that_the_caller_would_hand_down_stay_outside(c: Container, user: str) -> None:
    for argv, mask in ((["cat", "/proc/self/status"], f"{1 << 12 | 1 << 21:016x}"),  # so it has them
                       (c.argv(f"--user={user}", "--", "cat", "/proc/self/status"), "0" * 16)):
        done = subprocess.run([*HANDING_DOWN, *argv], check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        assert done.returncode == 0
        status = dict(line.split(":\t", 1) for line in done.stdout.splitlines())
        assert (status["CapInh"], status["CapAmb"]) == (mask, mask)


def test_confinement_is_as_tight_as_the_leaders(c: Container) -> None:
    inside = {key: status_of(c)[key] for key in ("CapBnd", "CapInh", "CapAmb", "NoNewPrivs", "Seccomp")}
    children = Path(f"/proc/{c.state['Pid']}/task/{c.state['Pid']}/children").read_text().split()
    leader = {key: value.strip() for key, value in
              (line.split(":", 1) for line in Path(f"/proc/{children[0]}/status").read_text().splitlines())}
    assert inside == {key: leader[key] for key in inside}


def test_namespaces_are_the_leaders(c: Container) -> None:
    for kind in ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts"):
        assert c.run("readlink", f"/proc/self/ns/{kind}").stdout == c.sh(f"readlink /proc/1/ns/{kind}").stdout or \
            c.run("readlink", f"/proc/self/ns/{kind}").stdout.strip() == os.readlink(
                f"/proc/{c.state['Pid']}/ns/{kind}")


def test_only_three_descriptors_are_open(c: Container) -> None:
    with open("/etc/hostname", encoding="utf-8") as extra:  # one of the caller's, inheritable
        os.set_inheritable(extra.fileno(), True)
        done = c.sh('for i in $(seq 0 300); do [ -L /proc/$$/fd/$i ] && echo $i; done', pass_fds=(extra.fileno(),))
    assert done.stdout.split() == ["0", "1", "2"]


def test_closed_standard_descriptors_are_harmless(c: Container) -> None:
    process = subprocess.Popen(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *c.argv("sleep", "1000")])
    pid = c.processes(c.only_exec())[0]
    wait_for(lambda: Path(f"/proc/{pid}/comm").read_text() == "sleep\n")
    assert [os.readlink(path) for path in sorted(Path(f"/proc/{pid}/fd").iterdir())] == ["/dev/null"] * 3
    process.terminate()
    assert process.wait(timeout=PATIENCE) == 128 + signal.SIGTERM


@pytest.mark.parametrize("number", range(3, 21))
def test_no_descriptor_of_ours_can_be_a_working_directory(c: Container, number: int) -> None:
    """Neither of our own nor of the caller's, who has a directory of the host at that number."""
    opened = os.open("/", os.O_RDONLY)
    taken = fcntl.fcntl(opened, fcntl.F_DUPFD, 100)
    os.close(opened)

    def hand_over() -> None:
        os.dup2(taken, number)  # inheritable

    handed = {"preexec_fn": hand_over, "close_fds": False}
    try:
        for path in (f"/proc/self/fd/{number}", f"/proc/self/fd/{number}/../../.."):
            for more, options in (({}, []), (handed, []), (handed, ["--session=w"])):
                done = c.run(*options, f"--workdir={path}", "pwd", **more)
                assert (done.returncode, done.stdout) == (125, "")
                # what is open until the last is the pipe that tells of this failure, and a session's state
                assert done.stderr in [f"cannot change to directory '{path}' in container '{c.name}': {error}\n"
                                       for error in ("No such file or directory", "Not a directory")]
    finally:
        os.close(taken)


def test_a_directory_is_not_handed_in(c: Container) -> None:
    fd = os.open("/", os.O_RDONLY)
    try:
        done = c.run("sh", "-c", "cd /proc/self/fd/0 && ls", stdin=fd)
        assert (done.returncode, done.stdout) == (125, "")
        assert done.stderr == "standard input is a directory or an O_PATH descriptor: refusing to hand it in\n"
    finally:
        os.close(fd)


def test_signals_start_afresh(c: Container) -> None:
    done = c.run("grep", "-E", "Sig(Blk|Ign)", "/proc/self/status",
                 preexec_fn=lambda: [signal.signal(s, signal.SIG_IGN) for s in
                                     (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGUSR1,
                                      signal.SIGCHLD, signal.SIGRTMIN + 5)]
                 and signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGALRM}))
    assert done.returncode == 0
    assert [line.split()[1] for line in done.stdout.splitlines()] == ["0" * 16, "0" * 16]


def test_limits_are_the_leaders_not_the_callers(c: Container) -> None:
    import resource
    leader = Path(f"/proc/{c.state['Pid']}/limits").read_text().splitlines()
    files = next(line for line in leader if line.startswith("Max open files")).split()[3]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    done = c.run("sh", "-c", "ulimit -n", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (99, hard)))
    assert (done.returncode, done.stdout.strip()) == (0, files)


def test_the_umask_and_the_oom_score_are_not_the_callers(c: Container) -> None:
    def before() -> None:
        os.umask(0)
        Path("/proc/self/oom_score_adj").write_text("500")
    done = c.sh("umask; cat /proc/self/oom_score_adj", preexec_fn=before)
    leader = Path(f"/proc/{c.state['Pid']}/oom_score_adj").read_text().strip()
    assert done.stdout.split() == ["0022", leader]


# -- users --


@pytest.mark.parametrize("user, expected", [
    ("root", "0 0 0"), ("app", "1000 1000 1000 2000 2001"), ("daemon", "1 1 1 2000"), ("0", "0 0 0"),
    ("1", "1 1 1 2000"), ("01", "1 1 1 2000"), ("1000", "1000 1000 1000 2000 2001"), ("4242", "4242 4242 4242"),
    ("app:extra", "1000 2000 2000 2001"), ("app:7", "1000 7 7 2000 2001"), ("4242:0", "4242 0 0"),
])
def test_users_and_their_groups(c: Container, user: str, expected: str) -> None:
    done = c.run(f"--user={user}", "--", "sh", "-c", "echo $(id -u) $(id -g) $(grep ^Groups /proc/self/status)",
                 extra_groups=[4, 27, 4321])  # the caller's, none of which gets in
    uid, gid, *groups = expected.split()
    assert done.returncode == 0, done.stderr
    words = done.stdout.replace("Groups:", "").split()
    assert words[:2] == [uid, gid]
    assert sorted(words[2:], key=int) == sorted(groups, key=int)


NO_USER = "no such user in the container's /etc/passwd; give a name that stands there, or a number\n"
NO_GROUP = "no such group in the container's /etc/group; give a name that stands there, or a number\n"
NEITHER = "not a user or group: expected a name, or a number from 0 to 4294967294\n"


@pytest.mark.parametrize("user, message", [
    *((user, NO_USER) for user in ("+1", "-1", " 1", "1 ", "nobody-here", "0x0", "1.0", "root ", "ROOT")),
    *((user, NEITHER) for user in ("", "4294967295", "99999999999", "1:", ":1", "app:4294967295", ":")),
    ("app:nothing", NO_GROUP), ("1:1:1", NO_GROUP),
    *((user, f"{what} does not exist in container '{{}}', which has 0 to 65535\n") for user, what in (
        ("nogroup", "group 77777"), ("far", "user 70000"), ("65536", "user 65536"), ("0:65536", "group 65536")))])
def test_what_is_no_user_is_refused_and_never_root(c: Container, user: str, message: str) -> None:
    done = c.run(f"--user={user}", "--", "id", "-u")
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.endswith(message.format(c.name)), done.stderr


POISON = {
    "fifo": ("mkfifo /etc/passwd", "no regular file"),
    "zero": ("ln -s /dev/zero /etc/passwd", "no regular file"),
    "sparse": ("dd if=/dev/null of=/etc/passwd bs=1M seek=5120", "over 1 MiB"),
    "host": ("ln -s /../../../../../proc/1/root/etc/passwd /etc/passwd", "a link that leads nowhere safe"),
    "loop": ("ln -s passwd /etc/passwd", "a link that leads nowhere safe"),
    "directory": ("mkdir /etc/passwd", "no regular file"),
}


@pytest.mark.parametrize("which", POISON)
def test_a_hostile_passwd_neither_hangs_nor_helps(make: Callable[..., Container], which: str) -> None:
    container = make()
    poison, message = POISON[which]
    assert container.sh(f"rm /etc/passwd && {poison}").returncode == 0
    done = container.run("--user=app", "--", "id", "-u")
    assert (done.returncode, done.stdout) == (125, "")
    assert message in done.stderr, done.stderr


# -- environment and directory --


def env_of(container: Container, *options: str, **more) -> dict[str, str]:
    done = container.run(*options, "--", "cat", "/proc/self/environ", **more)
    assert done.returncode == 0, done.stderr
    return dict(word.split("=", 1) for word in done.stdout.split("\0") if word)


def test_nothing_of_the_callers_environment_gets_in(c: Container) -> None:
    env = env_of(c, env={"LD_PRELOAD": "/x.so", "SECRET": "s", "PATH": "/nowhere", "TERM": "vt100", "HOME": "/h"})
    assert env == {"container": "berth", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                   "HOME": "/root", "USER": "root", "LOGNAME": "root", "SHELL": "/bin/sh"}


def test_variables_are_set_in_order(c: Container, tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("# comment\nA=file\nB=file=with=equals\n\nC='kept'\n")
    env = env_of(c, "-e", "A=option", f"--env-file={file}", "--env=HOST", "--env=ABSENT", "--env=HOME=/elsewhere",
                 "--env=EMPTY=", env={"HOST": "the caller's"})
    assert (env["A"], env["B"], env["C"]) == ("option", "file=with=equals", "'kept'")
    assert (env["HOST"], env["HOME"], env["EMPTY"]) == ("the caller's", "/elsewhere", "")
    assert "ABSENT" not in env


def test_a_bad_line_of_a_file_is_named(c: Container, tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("A=1\nno assignment\n")
    done = c.run(f"--env-file={file}", "true")
    assert done.returncode == 125
    assert f"{file}:2" in done.stderr


def test_home_and_name_are_of_the_user(c: Container) -> None:
    env = env_of(c, "--user=app")
    assert (env["HOME"], env["USER"], env["LOGNAME"], env["SHELL"]) == ("/home/app", "app", "app", "/bin/sh")
    env = env_of(c, "--user=4242")
    assert (env["HOME"], env["SHELL"], "USER" in env) == ("/", "/bin/sh", False)


def test_the_directory(c: Container) -> None:
    assert c.run("pwd").stdout == "/\n"
    assert c.run("-w", "/home/app", "pwd").stdout == "/home/app\n"
    assert c.run("--workdir", "home", "pwd").stdout == "/home\n"
    # entered as the user: what he may not enter, he does not
    assert c.run("--workdir=/closed", "--user=app", "pwd").returncode == 125


# -- streams --


def test_input_is_streamed_to_its_end(c: Container) -> None:
    data = os.urandom(1 << 20)
    done = c.run("cat", stdin=None, input=data, text=False)
    assert (done.returncode, done.stdout) == (0, data)


def test_stdout_and_stderr_stay_apart(c: Container) -> None:
    done = c.sh("echo out; echo err >&2")
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


@pytest.mark.parametrize("user", ["root", "app"])
def test_dev_stdout_can_be_opened_again(c: Container, user: str) -> None:
    done = c.sh("echo out >/dev/stdout; echo err >/dev/stderr; echo again >/proc/self/fd/1", f"--user={user}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "out\nagain\n", "err\n")


def test_a_closed_reader_ends_the_command(c: Container) -> None:
    process = c.start("yes")
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait(timeout=PATIENCE) == 128 + signal.SIGPIPE
    process.stderr.close()


# -- terminals --


class Tty:
    """A terminal of ours with a command on it, which is the leader of its session, as under a login shell."""

    def __init__(self, argv: list[str], rows: int = 33, columns: int = 101, stdout: int | None = None):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            if stdout is not None:
                os.dup2(stdout, 1)
            os.execvpe(argv[0], argv, os.environ | {"TERM": "vt220"})
        self.text = b""

    def until(self, text: str, seconds: float = PATIENCE) -> str:
        """Reads until text was seen."""
        deadline = time.monotonic() + seconds
        while text.encode() not in self.text:
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.fd], [], [], left)[0], f"no {text!r} in {self.text!r}"
            try:
                data = os.read(self.fd, 4096)
            except OSError:
                data = b""
            assert data, f"no {text!r} in {self.text!r}"
            self.text += data
        before, self.text = self.text.split(text.encode(), 1)
        return (before + text.encode()).decode()

    def write(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def wait(self, seconds: float = PATIENCE) -> int:
        """The exit status, as a shell has it, once all was read that was written."""
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.fd], [], [], left)[0], f"still open; {self.text!r}"
            try:
                self.text += os.read(self.fd, 65536)
            except OSError:
                break  # nobody has it any more
        done, status = wait_for(lambda: (ended := os.waitpid(self.pid, os.WNOHANG))[0] and ended)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)

    def close(self) -> None:
        os.close(self.fd)
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


@pytest.fixture
def tty() -> Iterator[Callable[..., Tty]]:
    made: list[Tty] = []

    def one(argv: list[str], **more) -> Tty:
        made.append(Tty(argv, **more))
        return made[-1]

    yield one
    for terminal in made:
        terminal.close()


def test_with_a_terminal_the_command_gets_one_of_its_own(c: Container, tty: Callable[..., Tty]) -> None:
    terminal = tty(c.argv("sh", "-c", "tty; stty size; echo TERM=$TERM; readlink /proc/self/fd/2; exit 9"))
    assert terminal.wait() == 9
    lines = terminal.text.decode().split("\r\n")
    assert lines[0].startswith("/dev/pts/")
    assert lines[1:4] == ["33 101", "TERM=vt220", lines[0]]


def test_the_size_can_be_given(c: Container, tty: Callable[..., Tty]) -> None:
    terminal = tty(c.argv("--tty-size=11x22", "stty", "size"))
    assert terminal.wait() == 0
    assert terminal.text == b"11 22\r\n"
    done = c.run("-t", "--tty-size=12x34", "stty", "size")
    assert (done.returncode, done.stdout) == (0, "12 34\n".replace("\n", "\r\n")) or done.stdout == "12 34\n"


def test_a_change_of_size_arrives(c: Container, tty: Callable[..., Tty]) -> None:
    terminal = tty(c.argv("sh", "-c", "trap 'stty size; exit 3' WINCH; echo ready; while :; do sleep 0.05; done"))
    terminal.until("ready")
    fcntl.ioctl(terminal.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 44, 55, 0, 0))
    assert terminal.wait() == 3
    assert b"44 55" in terminal.text


def test_keys_reach_the_command_and_only_it(c: Container, tty: Callable[..., Tty]) -> None:
    terminal = tty(c.argv("sh", "-c", "trap 'echo caught; exit 5' INT; echo ready; while :; do sleep 0.05; done"))
    terminal.until("ready")
    terminal.write("\x03")
    assert terminal.wait() == 5
    assert b"caught" in terminal.text


def test_the_command_leads_the_foreground_of_its_terminal(c: Container, tty: Callable[..., Tty]) -> None:
    terminal = tty(c.argv("cat", "/proc/self/stat"))
    assert terminal.wait() == 0
    fields = terminal.text.split(b")")[1].split()  # proc_pid_stat(5), from the third on
    pid, pgrp, session, foreground = int(terminal.text.split()[0]), *map(int, (fields[2], fields[3], fields[5]))
    assert pid == pgrp == session == foreground


def test_a_shell_has_job_control(c: Container, tty: Callable[..., Tty]) -> None:
    terminal = tty(c.argv("--env=PS1=prompt> ", "sh", "-i"))

    def line(text: str, answer: str) -> None:
        terminal.until("prompt> ")
        terminal.write(text + "\r")
        terminal.until(answer)

    def has_the_keys(command: str) -> bool:
        """Is it in the foreground of its terminal, rather than the shell?"""
        for pid in [pid for path in c.execs() for pid in c.processes(path)]:
            if words_of(pid) == command.split() and lives(pid):
                fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()  # proc_pid_stat(5), from the third on
                return fields[2] == fields[5]
        return False

    line("sleep 4711", "sleep 4711\r\n")
    wait_for(lambda: has_the_keys("sleep 4711"))
    terminal.write("\x1a")  # control-Z
    terminal.until("Stopped")
    line("fg", "sleep 4711\r\n")
    wait_for(lambda: has_the_keys("sleep 4711"))
    terminal.write("\x03")  # control-C
    line("echo status=$?", "status=130")
    # who is not in the foreground can neither read, nor, if the terminal says so, write
    line("cat &", "cat &\r\n")
    line("while ! jobs | grep 'Stopped (tty input)'; do :; done", "Stopped (tty input)")
    line("kill -KILL $!; stty tostop", "tostop\r\n")
    line("ls / &", "ls / &\r\n")
    line("while ! jobs | grep 'Stopped (tty output)'; do :; done", "Stopped (tty output)")
    line("kill -KILL $!; stty -tostop", "-tostop\r\n")
    line("exec sh -c 'exit 5'", "5'\r\n")  # "exit" could ask about jobs
    assert terminal.wait() == 5
    # what was killed may have ended after the shell
    wait_for(lambda: not any(c.processes(path) for path in c.execs()), PATIENCE)
    c.run("true")  # sweeps


def test_end_of_file_by_key(c: Container, tty: Callable[..., Tty]) -> None:
    terminal = tty(c.argv("cat"))
    terminal.write("hello\r")
    terminal.until("hello\r\nhello\r\n")
    terminal.write("\x04")
    assert terminal.wait() == 0


def test_our_terminal_is_as_before_afterwards(c: Container) -> None:
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    for words in (["true"], ["sh", "-c", "stty raw -echo; kill -KILL $$"], ["no-such-program"],
                  ["--timeout=100ms", "sleep", "9"]):
        process = subprocess.Popen(c.argv(*words), stdin=slave, stdout=slave, stderr=slave)
        process.wait(timeout=PATIENCE)
        assert termios.tcgetattr(slave) == before
    process = subprocess.Popen(c.argv("sleep", "1000"), stdin=slave, stdout=slave, stderr=slave)
    wait_for(lambda: termios.tcgetattr(slave) != before)
    process.terminate()
    assert process.wait(timeout=PATIENCE) == 128 + signal.SIGTERM
    assert termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)


def test_all_output_arrives_before_the_end(c: Container, tty: Callable[..., Tty]) -> None:
    terminal = tty(c.argv("seq", "1", "20000"))
    assert terminal.wait() == 0
    assert terminal.text.split() == [str(n).encode() for n in range(1, 20001)]


def test_a_background_process_does_not_hold_the_terminal(c: Container, tty: Callable[..., Tty]) -> None:
    terminal = tty(c.argv("sh", "-c", "trap '' HUP; sleep 1000 & echo started"))
    assert terminal.wait() == 0
    assert b"started" in terminal.text
    for path in c.execs():
        (path / "cgroup.kill").write_text("1")
    wait_for(lambda: not any(c.processes(path) for path in c.execs()))
    c.run("true")  # sweeps


def test_no_terminal_of_ours_is_handed_in(c: Container, tty: Callable[..., Tty]) -> None:
    """With stdin a terminal and stdout none there is no terminal inside, and ours is not what it gets."""
    read, write = os.pipe()
    script = "for i in 0 1 2; do tty <&$i; readlink /proc/self/fd/$i; done; cat /proc/self/stat | cut -d' ' -f7"
    terminal = tty(c.argv("sh", "-c", script), stdout=write)
    assert terminal.wait() == 0
    os.close(write)
    with os.fdopen(read) as file:
        text = file.read()
    assert "/dev/pts" not in text and "/dev/tty" not in text
    assert text.count("not a tty") == 3
    assert text.splitlines()[-1] == "0"  # tty_nr: no controlling terminal


def test_typed_input_without_a_terminal(c: Container, tty: Callable[..., Tty]) -> None:
    read, write = os.pipe()
    terminal = tty(c.argv("cat"), stdout=write)
    os.close(write)
    terminal.write("typed\r\x04")
    assert terminal.wait() == 0
    with os.fdopen(read) as file:
        assert file.read() == "typed\n"


def test_without_a_terminal_there_is_no_controlling_one(c: Container, tty: Callable[..., Tty]) -> None:
    terminal = tty(c.argv("-T", "sh", "-c", "(: </dev/tty) 2>/dev/null && echo HAS || echo none; exit 4"))
    assert terminal.wait() == 4
    assert b"none" in terminal.text


def test_a_forced_terminal_ends_with_the_input(c: Container) -> None:
    done = c.run("-t", "cat", stdin=None, input="one\ntwo")
    assert done.returncode == 0
    assert done.stdout.count("one") == 2 and done.stdout.count("two") >= 1


def test_a_hostile_ptmx_is_refused(make: Callable[..., Container], tty: Callable[..., Tty]) -> None:
    container = make()
    root = f"/proc/{container.state['Pid']}/root"
    # as root of the container would do it: its own /dev/pts, with something else in the place of ptmx
    subprocess.run(["nsenter", "-t", container.state["Pid"], "-m", "mount", "-t", "tmpfs", "none", "/dev/pts"],
                   check=True)
    for lure in ("link", "null", "file"):
        path = Path(root) / "dev/pts/ptmx"
        if lure == "link":
            path.symlink_to("/dev/ptmx")
        elif lure == "null":
            os.mknod(path, 0o666 | 0o020000, os.makedev(1, 3))
        else:
            path.write_text("x")
        terminal = tty(container.argv("true"))
        assert terminal.wait() == 125
        assert terminal.text.decode() == ("cannot allocate a terminal from the container's /dev/pts (Inappropriate ioctl for "
                                          "device); -T runs the command without one\r\n")
        path.unlink()
    assert container.run("-T", "true").returncode == 0


def test_shell_is_a_login_shell_of_the_user(c: Container, tty: Callable[..., Tty]) -> None:
    terminal = tty(c.argv("--user=app", verb="shell"))
    terminal.write("echo $0 $(id -u) $PWD $HOME; exit 6\r")
    assert terminal.wait() == 6
    assert b"-sh 1000 /home/app /home/app" in terminal.text
    terminal = tty(c.argv("--user=daemon", verb="shell"))
    terminal.write("exit\r")
    assert terminal.wait() == 0


# -- the end --


FORKS = "setsid sh -c '(setsid sleep 900 </dev/null >/dev/null 2>&1 &) ; exit 0'; sleep 901 & sleep 902"
FORKS_AND_SAYS = "setsid sh -c '(setsid sleep 900 </dev/null >/dev/null 2>&1 &) ; exit 0'; sleep 901 >&2 & echo ready; exec sleep 902 >&2"


def test_a_timeout_ends_everything(c: Container) -> None:
    began = time.monotonic()
    process, cgroup, seconds = c.begun_in_time(f"trap '' TERM; {FORKS_AND_SAYS}", first=1)
    pids = c.processes(cgroup)
    assert len(pids) >= 3
    process.communicate(timeout=4 * PATIENCE)
    assert process.returncode == 124
    assert time.monotonic() - began > seconds + 1.9  # it ignored TERM: two seconds more, then KILL
    wait_for(lambda: not cgroup.exists())  # its guard goes after the exec
    wait_for(lambda: not [pid for pid in pids if lives(pid)])


def test_a_timeout_waits_no_longer_than_it_must(c: Container) -> None:
    began = time.monotonic()
    assert c.run("--timeout=300ms", "sleep", "1000").returncode == 124
    assert time.monotonic() - began > 0.25
    assert c.run("--timeout=1000", "true").returncode == 0


def test_a_timeout_reaches_stopped_processes(c: Container) -> None:
    assert c.sh("kill -STOP $$", "--timeout=300ms").returncode == 124


def test_a_stopped_client_does_not_stop_the_clock(c: Container) -> None:
    process, cgroup, _ = c.begun_in_time("echo ready; exec sleep 1000")
    process.send_signal(signal.SIGSTOP)
    wait_for(lambda: not c.processes(cgroup), 2 * PATIENCE)
    process.send_signal(signal.SIGCONT)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 124


@pytest.mark.parametrize("how", ["KILL", "client's cgroup"])
def test_a_client_that_vanishes_takes_everything_along(c: Container, how: str) -> None:
    own = cgroup2() / f"test-client-{uuid.uuid4().hex[:8]}"
    own.mkdir()
    process = c.start("sh", "-c", FORKS, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                      preexec_fn=lambda: (own / "cgroup.procs").write_text("0"))
    cgroup = c.only_exec()
    wait_for(lambda: len(c.processes(cgroup)) >= 3)
    if how == "KILL":
        process.kill()
    else:
        (own / "cgroup.kill").write_text("1")
    process.wait(timeout=PATIENCE)
    wait_for(lambda: not cgroup.exists())
    remove_group(own)


@pytest.mark.parametrize("name", ["HUP", "TERM", "INT", "QUIT"])
def test_a_signal_to_the_client_reaches_the_command_first(c: Container, name: str) -> None:
    for _ in range(ATTEMPTS):
        process, _ = c.begun(script=f"trap 'echo got; exit 33' {name}; echo ready; while :; do sleep 0.05; done")
        process.send_signal(getattr(signal, f"SIG{name}"))
        out, _ = process.communicate(timeout=PATIENCE)
        if process.returncode == 33:  # else it took longer than the two seconds that it has
            break
    assert (process.returncode, out) == (33, b"got\n")


@pytest.mark.parametrize("name", ["HUP", "TERM", "INT"])
def test_a_command_that_ignores_the_hang_up_is_killed(c: Container, name: str) -> None:
    process = c.start("sh", "-c", f"trap '' {name} TERM; echo ready; while :; do sleep 0.05; done")
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(getattr(signal, f"SIG{name}"))
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + signal.SIGKILL


def test_user_signals_are_passed_on_and_nothing_else_happens(c: Container) -> None:
    """To all of its process group, as a terminal would."""
    process = c.start("sh", "-c", "(trap 'echo two; exit' USR1; echo ready; while :; do sleep 0.05; done) & "
                      "trap 'echo one' USR1; trap 'exit 8' USR2; echo ready; while :; do sleep 0.05; done")
    assert [process.stdout.readline() for _ in range(2)] == [b"ready\n"] * 2
    process.send_signal(signal.SIGUSR1)
    assert sorted(process.stdout.readline() for _ in range(2)) == [b"one\n", b"two\n"]
    process.send_signal(signal.SIGUSR2)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 8


def test_a_terminal_that_goes_away_is_a_hang_up(c: Container) -> None:
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(str(c.berth), c.argv("sh", "-c", f"trap '' HUP; {FORKS}"))
    cgroup = c.only_exec()
    wait_for(lambda: len(c.processes(cgroup)) >= 3)
    os.close(fd)
    os.waitpid(pid, 0)
    wait_for(lambda: not cgroup.exists())


def test_background_processes_outlive_a_normal_end(make: Callable[..., Container]) -> None:
    container = make()
    done = container.sh("sleep 903 </dev/null >/dev/null 2>&1 & echo $!")
    assert done.returncode == 0
    (cgroup,) = wait_for(container.execs)
    wait_for(lambda: len(container.processes(cgroup)) == 1)
    assert container.run("true").returncode == 0
    wait_for(lambda: container.execs() == [cgroup])  # busy: not swept
    (cgroup / "cgroup.kill").write_text("1")
    wait_for(lambda: not container.processes(cgroup))
    assert container.run("true").returncode == 0
    container.none_left()  # swept


def test_a_guard_that_was_killed_leaves_no_timeout_unkept(c: Container) -> None:
    process = c.start("--timeout=1000", "--", "sleep", "1000")
    cgroup = c.only_exec()
    (guard,) = c.processes(c.unit / "guard")
    end(guard)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 125
    assert b"guard" in err
    wait_for(lambda: not cgroup.exists())


def test_many_at_once_do_not_sweep_each_other_away(c: Container) -> None:
    processes = [c.start("sh", "-c", f"exit {n % 100}", stdout=subprocess.DEVNULL) for n in range(150)]
    for n, process in enumerate(processes):
        _, err = process.communicate(timeout=4 * PATIENCE)
        assert (process.returncode, err) == (n % 100, b"")


@pytest.mark.parametrize("which", ["payload", "unit"])
def test_a_frozen_container_is_refused_at_once(make: Callable[..., Container], which: str) -> None:
    container = make()
    cgroup = container.payload if which == "payload" else container.unit
    (cgroup / "cgroup.freeze").write_text("1")
    done = container.run("true")
    assert done.returncode == 125
    assert "frozen" in done.stderr
    assert container.execs() == []
    wait_for(lambda: not container.processes(container.unit / "guard"))  # nor a guard that stands still with it
    (cgroup / "cgroup.freeze").write_text("0")
    assert container.run("true").returncode == 0


def test_a_stopped_client_does_not_hold_up_the_end_of_the_container(make: Callable[..., Container]) -> None:
    container = make()
    process = container.start("sleep", "1000")
    container.only_exec()
    process.send_signal(signal.SIGSTOP)
    os.kill(int(container.state["Pid"]), signal.SIGKILL)
    container.process.wait(timeout=PATIENCE)
    process.send_signal(signal.SIGCONT)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + signal.SIGKILL


def test_a_timeout_holds_in_a_container_frozen_meanwhile(make: Callable[..., Container]) -> None:
    container = make()
    for first in (0.5, 5, 50):
        process, cgroup, seconds = container.begun_in_time("echo ready; exec sleep 1000", first=first)
        (container.unit / "cgroup.freeze").write_text("1")
        wait_for(lambda: "frozen 1" in (container.unit / "cgroup.events").read_text())
        if container.processes(cgroup):
            break
        (container.unit / "cgroup.freeze").write_text("0")  # its time was up by then
        process.communicate(timeout=PATIENCE)
    # the guard is frozen along with everything in the unit: its clock runs on, its work waits for the thaw
    time.sleep(2 * seconds)
    assert process.poll() is None and container.processes(cgroup)
    (container.unit / "cgroup.freeze").write_text("0")
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 124


def test_other_users_are_told_that_only_root_may(c: Container, berth: Path) -> None:
    copy = Path("/tmp") / f"berth-{c.name}"  # where they can execute it
    copy.write_bytes(berth.read_bytes())
    copy.chmod(0o755)
    try:
        done = subprocess.run([copy, "exec", c.name, "true"], check=False, text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, user=65534, group=65534, extra_groups=[])
        assert done.returncode == 125
        assert "only root" in done.stderr
    finally:
        copy.unlink()


def test_a_full_unit_is_named(make: Callable[..., Container]) -> None:
    container = make()
    if not (container.unit / "pids.max").exists():
        pytest.skip("needs the pids controller on cgroup2")
    (container.unit / "pids.max").write_text("2")
    done = container.run("true")
    assert done.returncode == 125
    assert "as many tasks" in done.stderr


def test_the_end_of_the_container_ends_the_command(make: Callable[..., Container]) -> None:
    container = make()
    process = container.start("sleep", "1000")
    container.only_exec()
    os.kill(int(container.state["Pid"]), signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + signal.SIGKILL


# -- a container whose root is the host's --


@pytest.mark.parametrize("users", ["no", "identity"])
def test_a_root_that_is_the_hosts_cannot_overwrite_our_file(make: Callable[..., Container], berth: Path, users: str) -> None:
    """CVE-2019-5736: a command that is /proc/self/exe runs the helper's own file inside, where others can open it."""
    container = make(f"--private-users={users}")
    before = berth.read_bytes(), berth.stat().st_mode
    assert container.sh(r"printf '#!/proc/self/exe\n' >/tmp/lure && chmod 755 /tmp/lure").returncode == 0
    ends = os.pipe()
    os.set_blocking(ends[1], False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(ends[1], b"x" * 4096)
    os.set_blocking(ends[1], True)
    # it has an error to tell, and waits for room until the attack is over
    lure = container.start("/tmp/lure", stderr=ends[1])
    held = wait_for(lambda: container.sh("cd /proc && grep -al ^/proc/self/exe [0-9]*/cmdline").stdout).split("/")[0]
    # who opens it with O_TRUNC or changes its mode learns of the mount, even while somebody runs it (ETXTBSY)
    attack = f"""
        exec 7<"/proc/{held}/exe" && echo held
        for path in /proc/{held}/exe /proc/self/fd/7; do (: >$path); chmod 777 $path; done
        kill -9 {held}; while [ -d /proc/{held} ]; do :; done
        (: >/proc/self/fd/7); chmod 777 /proc/self/fd/7
        (echo OVERWRITTEN >>/proc/self/fd/7) 2>/dev/null
    """
    done = container.sh(attack)
    os.close(ends[0])
    os.close(ends[1])
    lure.communicate(timeout=PATIENCE)
    assert done.stdout == "held\n"
    assert [line.endswith("Read-only file system") for line in done.stderr.splitlines()] == 6 * [True], done.stderr
    assert (berth.read_bytes(), berth.stat().st_mode) == before


ATTACK = """
    for fd in 0 1 2; do
        chmod 777 /proc/self/fd/$fd; chown 1:1 /proc/self/fd/$fd; truncate -s 0 /proc/self/fd/$fd
        (: >/proc/self/fd/$fd)
    done 2>/dev/null >/dev/null
    cat; echo out; echo err >&2; echo end
"""


@pytest.mark.parametrize("users", ["no", "identity", "0:1000"])
def test_a_file_of_its_own_users_is_not_in_the_hands_of_a_container(make: Callable[..., Container], tmp_path: Path, users: str) -> None:
    """Root inside owns it: with the descriptor it could open it anew, for anything."""
    container = make(f"--private-users={users}")
    source, target, other = (tmp_path / name for name in ("in", "out", "err"))
    content = "line\n" * 20_000
    source.write_text(content)
    for path in (target, other):
        path.write_text("before\n")
    for path in (source, target, other):
        path.chmod(0o640)
    with source.open() as stdin, target.open("a") as stdout, other.open("a") as stderr:
        assert container.sh(ATTACK, stdin=stdin, stdout=stdout, stderr=stderr).returncode == 0
    assert source.read_text() == content
    assert target.read_text() == f"before\n{content}out\nend\n" and other.read_text() == "before\nerr\n"
    with source.open() as stdin, target.open("a") as stdout:
        assert container.sh(ATTACK, stdin=stdin, stdout=stdout, stderr=subprocess.STDOUT).returncode == 0
    assert target.read_text().endswith(f"{content}out\nerr\nend\n"), "what goes to one file keeps its order"
    for path in (source, target, other):
        st = path.stat()
        assert (st.st_mode & 0o7777, st.st_uid, st.st_gid) == (0o640, 0, 0)


def test_nor_is_a_file_that_all_may_write_to(c: Container, tmp_path: Path) -> None:
    """It may be where the container cannot reach it."""
    source = tmp_path / "in"
    source.write_text("line\n")
    source.chmod(0o666)
    with source.open() as stdin:
        assert c.sh("(: >/proc/self/fd/0) 2>/dev/null; cat", stdin=stdin).stdout == "line\n"
    assert source.read_text() == "line\n"


@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFIFO])
def test_nor_is_a_device_or_fifo_of_the_host(make: Callable[..., Container], tmp_path: Path, kind: int) -> None:
    container = make("--private-users=no")
    node = tmp_path / "node"
    os.mknod(node, kind | 0o600, os.makedev(1, 3) if kind == stat.S_IFCHR else 0)
    fd = os.open(node, os.O_RDWR)  # of a FIFO: both ends
    try:
        done = container.sh("chmod 777 /proc/self/fd/0; chown 1:1 /proc/self/fd/0; echo out", stdin=fd)
        assert (done.returncode, done.stdout) == (0, "out\n")
        done = container.sh("chmod 777 /proc/self/fd/1; chown 1:1 /proc/self/fd/1; echo out", stdout=fd)
        assert done.returncode == 0
        st = node.stat()
        assert (st.st_mode, st.st_uid, st.st_gid) == (kind | 0o600, 0, 0)
    finally:
        os.close(fd)


REWRITE = """
import fcntl, os
os.write(1, b"by the command\\n")
for fd in (1, 2):
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) & ~os.O_APPEND)
    for attack in (lambda: os.pwrite(fd, b"forged", 0), lambda: os.ftruncate(fd, 0), lambda: os.lseek(fd, 0, 0)):
        try:
            attack()
        except OSError:
            pass
"""


def test_what_a_file_has_already_is_not_in_the_hands_of_a_command(berth: Path, debian: Path, tmp_path: Path) -> None:
    """A log that others write to as well."""
    container = Container(berth, debian)
    try:
        log = tmp_path / "log"
        log.write_text("by somebody\n")
        with log.open("a") as f:
            assert container.run("python3", "-c", REWRITE, stdout=f, stderr=subprocess.STDOUT).returncode == 0
            f.write("by the caller\n")
        assert log.read_text() == "by somebody\nby the command\nby the caller\n"
    finally:
        container.stop()


@pytest.fixture
def full() -> Iterator[Path]:
    """A file system without room, in a mount namespace of its own: those who test beside us count the host's mounts."""
    keeper = subprocess.Popen(["unshare", "--mount", "--propagation=private", "sh", "-c", "mount -t tmpfs -o size=4k tmpfs /mnt && "
                               "head -c 4096 /dev/zero >/mnt/first && echo up && exec sleep infinity"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert keeper.stdout.readline() == b"up\n"
    yield Path(f"/proc/{keeper.pid}/root/mnt")
    keeper.kill()
    keeper.communicate()


@pytest.mark.parametrize("script", ["echo little", "yes | head -c 1000000"])
def test_output_that_cannot_be_written_is_no_success(c: Container, full: Path, script: str) -> None:
    with (full / "out").open("w") as f:
        done = c.sh(script, stdout=f)
    assert (done.returncode, done.stderr) == \
        (125, f"cannot write what the command in container '{c.name}' has written: No space left on device\n")


def test_a_file_of_nobody_inside_that_is_read_is_handed_in_as_it_is(c: Container, tmp_path: Path) -> None:
    """It costs nothing there, and its offset is the caller's."""
    (tmp_path / "in").write_text("first\nsecond\n")
    with (tmp_path / "in").open("rb", buffering=0) as stdin:
        assert c.run("head", "-c6", stdin=stdin).stdout == "first\n"
        assert stdin.read() == b"second\n"
