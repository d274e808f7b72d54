"""A manifest becomes a running service: what its user, systemd and the program inside see."""

from __future__ import annotations

import itertools
import re
import signal

import pytest

from harness.machine import Machine
from harness.moments import STRACE, moments
from harness.system import Result

needs_berth = True
pytestmark = [pytest.mark.system, pytest.mark.images("base", "nginx")]

_numbers = itertools.count(1)

VOLUMES = "/var/lib/berth/volumes"

#: Directories to be bound: on a file system that can be idmapped, which the machine's root is not.
BOUND = "/var/lib/berth/bound"

#: chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service sys_chroot setfcap
CAPABILITIES = 0x800405FB


def copy_image(m: Machine, name: str) -> str:
    """A copy of the image base, where it can be idmapped."""
    path = f"/var/lib/berth/images/{name}"
    m.run("cp", "-a", "--reflink=auto", "/var/lib/berth/images/base/.", path, timeout=120)
    return path


def words(*argv: str) -> str:
    """The words as a value of Exec=, whatever is in them."""
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "%": "%%"}
    return " ".join('"' + "".join(escapes.get(c, c) for c in word) + '"' for word in argv)


def service(m: Machine, *argv: str, container: str = "", rest: str = "", image: str = "base",
            name: str = "") -> str:
    """Writes a manifest that runs a command, and reloads. Returns the name, a new one each time:
    what its journal says is of this service alone."""
    name = name or f"s{next(_numbers)}"
    m.manifest(name, f"[Container]\nImage={image}\nExec={words(*argv)}\n{container}\n{rest}\n")
    m.reload()
    return name


def said(m: Machine, unit: str, since: float | None = None) -> list[str]:
    """What a service and Berth for it have written, without systemd's own lines."""
    match = [f"--since=@{since:.6f}"] if since is not None else []
    m.run("journalctl", "--sync")
    return m.run("journalctl", "--quiet", "--no-pager", "--boot", "--output=cat", f"--unit={unit}",
                 *match, "_TRANSPORT=stdout").lines


def job(m: Machine, script: str, container: str = "", rest: str = "", image: str = "base",
        name: str = "") -> list[str]:
    """Runs a shell script in a container as a job that must succeed. Returns its lines."""
    unit = service(m, "sh", "-euc", script, container=container, image=image, name=name,
                   rest=f"[Service]\nType=oneshot\n{rest}")
    since = m.now()
    m.start(unit)
    return said(m, unit, since)


def refused(m: Machine, unit: str, status: int = 125) -> str:
    """Starts what must not start. Returns the line that says why."""
    result = m.start(unit, check=False)
    assert result.rc == 1, result
    lines = said(m, unit)
    assert m.unit(unit, "ActiveState") == "failed"
    assert (m.unit(unit, "Result"), m.unit(unit, "ExecMainStatus")) == ("exit-code", str(status)), lines
    assert lines, m.journal(unit)
    return lines[-1]


def main_pid(m: Machine, unit: str) -> int:
    return int(m.unit(unit, "MainPID"))


def wait_for_line(m: Machine, unit: str, line: str) -> None:
    m.wait_for(lambda: line in said(m, unit), f"'{line}' from {unit}")


def inside(m: Machine, unit: str, *argv: str, check: bool = True) -> Result:
    return m.run("berth", "exec", unit, "--", *argv, check=check)


def has_controller(m: Machine, name: str) -> bool:
    return name in m.read("/sys/fs/cgroup/cgroup.controllers").split()


# -- processes --

@pytest.mark.parametrize("users", ["pick", "no"])
def test_a_log_that_systemd_appends_to_is_not_in_the_hands_of_the_container(m: Machine, users: str) -> None:
    """As its owner, root of the host, it could make it a set-uid program."""
    log = "/var/log/of-many"
    m.sh(f"umask 077; echo by somebody >{log}")
    rest = f"[Service]\nStandardOutput=append:{log}\nStandardError=journal"
    unit = service(m, "sh", "-c", "echo by the command; chmod 4755 /proc/self/fd/1; truncate -s 0 /proc/self/fd/1",
                   container=f"PrivateUsers={users}", rest=rest + "\nType=oneshot")
    m.start(unit, check=False)
    assert (m.read(log), m.sh(f"stat -c %a {log}").out) == ("by somebody\nby the command\n", "600\n")
    if users == "no":  # without the init there is nobody who could have it instead
        unit = service(m, "true", container=f"PrivateUsers={users}\nInit=no", rest=rest)
        assert refused(m, unit) == ("the file of StandardOutput= or StandardError= would be in the hands of the container's root, "
                                    "which with PrivateUsers=no or identity is the host's; leave it or Init=no out")


def test_the_init_is_the_only_process_of_berth_and_systemds_main_process(m: Machine) -> None:
    unit = service(m, "sleep", "1000")
    m.start(unit)
    # the launcher, which tells machined of it, is not waited for by the start
    m.wait_for(lambda: m.run("pgrep", "-l", "berth").out == f"{main_pid(m, unit)} berth-init\n", "no other process")
    assert m.read(f"/proc/{main_pid(m, unit)}/comm") == "berth-init\n"
    assert m.unit(unit, "ControlGroup") == f"/machine.slice/{unit}.service"
    processes = m.read(f"/sys/fs/cgroup/machine.slice/{unit}.service/payload/cgroup.procs").split()
    assert sorted(m.read(f"/proc/{pid}/comm") for pid in processes) == ["berth-init\n", "sleep\n"]


def test_without_init_the_command_is_the_main_process(m: Machine) -> None:
    unit = service(m, "sleep", "1000", container="Init=no")
    m.start(unit)
    assert m.read(f"/proc/{main_pid(m, unit)}/comm") == "sleep\n"
    m.wait_for(lambda: m.run("pgrep", "-c", "berth", check=False).out == "0\n", "end of the launcher, which tells machined of it")
    assert "\nNSpid:\t%d\t1\n" % main_pid(m, unit) in m.read(f"/proc/{main_pid(m, unit)}/status")
    m.stop(unit)
    assert m.unit(unit, "Result") == "signal"  # and no timeout
    assert (f"the command of container '{unit}' has no handler for SIGTERM, which it does not get then, as PID 1: it is killed. "
            "With Init=yes it would get it") in m.journal(unit)


@pytest.mark.parametrize("what, result", [("trap 'exit 0' TERM", "success"), ("trap '' TERM", "timeout")])
def test_without_init_what_hears_or_ignores_a_signal_is_not_killed(m: Machine, what: str, result: str) -> None:
    unit = service(m, "sh", "-c", f"{what}; echo ready; while :; do sleep 0.1; done", container="Init=no", rest="[Service]\nTimeoutStopSec=1")
    m.start(unit)
    m.wait_for(lambda: "ready" in m.journal(unit), "the trap")
    m.stop(unit)
    assert m.unit(unit, "Result") == result
    assert "has no handler" not in m.journal(unit)


def test_an_idle_leader_waits_for_exec(m: Machine) -> None:
    unit = f"s{next(_numbers)}"
    m.manifest(unit, "[Container]\nImage=base\nExec=\n")
    m.reload()
    m.start(unit)
    assert inside(m, unit, "ps", "-o", "comm=", "-p", "1").out == "berth-init\n"
    m.stop(unit)
    assert m.unit(unit, "Result") == "success"


@pytest.mark.parametrize("init", ["yes", "no"])
@pytest.mark.parametrize("code", [0, 1, 2, 42, 124, 127, 200, 255])
def test_an_exit_status_is_reported_as_it_is(m: Machine, code: int, init: str) -> None:
    unit = service(m, "sh", "-c", f"exit {code}", container=f"Init={init}", rest="[Service]\nType=oneshot")
    assert m.start(unit, check=False).rc == (1 if code else 0), m.journal(unit)
    if code:  # one that succeeded is not loaded any more
        assert m.unit(unit, "ExecMainCode") == "1"  # CLD_EXITED
    assert m.unit(unit, "ExecMainStatus") == str(code)
    assert m.unit(unit, "Result") == ("exit-code" if code else "success")


@pytest.mark.parametrize("code", [0, 3])
def test_a_command_that_ends_before_systemd_has_heard_of_it_has_run(m: Machine, code: int) -> None:
    unit = service(m, "sh", "-c", f"exit {code}")
    command = re.search("^ExecStart=:(.*)$", m.read(f"/run/systemd/generator/{unit}.service"), re.M)
    assert command

    def traced(*options: str) -> None:
        m.write(f"/etc/systemd/system/{unit}.service.d/traced.conf",
                f"[Service]\nExecStart=\nExecStart=:{' '.join((*STRACE, '-D', *options))} {command[1]}\n")
        m.reload()
        m.start(unit)  # which is done, whatever came of it later
        m.wait_state(unit, "failed" if code else "inactive")
        if code:
            assert (m.unit(unit, "Result"), m.unit(unit, "ExecMainStatus")) == ("exit-code", str(code))

    traced("-o", "/run/trace")
    word = next(moment for moment in moments(m.read("/run/trace")) if "READY=1" in moment.line)
    traced("-o", "/dev/null", "-e", "trace=sendmsg", "-e", f"inject=sendmsg:delay_enter=300000:when={word.count}")


@pytest.mark.parametrize("signal, number", [("KILL", 9), ("SEGV", 11), ("USR1", 10)])
def test_a_command_that_dies_by_a_signal_has_128_and_its_number(m: Machine, signal: str, number: int) -> None:
    unit = service(m, "sh", "-c", f"kill -{signal} $$", rest="[Service]\nType=oneshot")
    assert m.start(unit, check=False).rc == 1
    assert m.unit(unit, "ExecMainStatus") == str(128 + number)
    assert m.unit(unit, "Result") == "exit-code"


def test_a_leader_that_is_killed_is_reported_as_killed(m: Machine) -> None:
    unit = service(m, "sleep", "1000")
    m.start(unit)
    m.run("kill", "-9", main_pid(m, unit))
    m.wait_state(unit, "failed")
    assert (m.unit(unit, "Result"), m.unit(unit, "ExecMainCode"), m.unit(unit, "ExecMainStatus")) == \
        ("signal", "2", "9")


@pytest.mark.parametrize("init", ["yes", "no"])
def test_a_command_that_fails_at_once_is_never_taken_for_success(m: Machine, init: str) -> None:
    unit = service(m, "sh", "-c", "exit 42", container=f"Init={init}")
    for _ in range(20):
        m.start(unit, check=False)  # it may have been ready for a moment
        m.wait_state(unit, "failed")
        assert (m.unit(unit, "Result"), m.unit(unit, "ExecMainStatus")) == ("exit-code", "42")
        m.run("systemctl", "reset-failed", unit)


def test_a_restart_of_systemds_own_brings_back_what_failed(m: Machine) -> None:
    unit = service(m, "sh", "-c", "exit 1",
                   rest="[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestart=on-failure\nRestartSec=10ms")
    m.start(unit, check=False)
    m.wait_for(lambda: int(m.unit(unit, "NRestarts")) >= 3, "three restarts")
    m.stop(unit)


@pytest.mark.parametrize("init", ["yes", "no"])
@pytest.mark.parametrize("command, status, line", [
    ("no-such-program", 127, "cannot execute 'no-such-program': No such file or directory"),
    ("/no/such", 127, "cannot execute '/no/such': No such file or directory"),
    ("/etc/passwd", 126, "cannot execute '/etc/passwd': Permission denied"),
    ("/usr", 126, "cannot execute '/usr': Permission denied"),
])
def test_what_cannot_be_executed_fails_the_start(m: Machine, command: str, status: int, line: str,
                                                 init: str) -> None:
    before = m.leaks_snapshot()
    assert refused(m, service(m, command, container=f"Init={init}"), status) == line
    m.assert_nothing_left(before)


@pytest.mark.parametrize("setting, line", [
    ("User=nosuch", "user 'nosuch': no such user in the container's /etc/passwd; give a name that stands "
     "there, or a number"),
    ("Group=nosuch", "group 'nosuch': no such group in the container's /etc/group; give a name that stands "
     "there, or a number"),
])
def test_an_unknown_user_or_group_fails_the_start(m: Machine, setting: str, line: str) -> None:
    assert refused(m, service(m, "true", container=setting)) == line


def test_a_user_that_the_range_does_not_have_fails_the_start(m: Machine) -> None:
    for setting in ("User=70000", "User=33\nGroup=70000", "User=65536"):
        number = setting.rpartition("=")[2]
        assert refused(m, service(m, "true", container=setting)) == (
            f"the command would run with the id {number}, but the container has only 65536 of them, from 0 on; "
            "choose another user or group, or a greater range with PrivateUsers=")


@pytest.mark.parametrize("user, group, expected", [
    ("www-data", "", "33 33 33"),
    ("33", "", "33 33 33"),
    ("12345", "", "12345 12345 12345"),
    ("www-data", "tty", "33 5 5"),
    ("12345", "7", "12345 7 7"),
    ("", "", "0 0 0"),
])
def test_a_user_is_who_it_says_with_its_groups_and_no_others(m: Machine, user: str, group: str,
                                                             expected: str) -> None:
    settings = (f"User={user}\n" if user else "") + (f"Group={group}\n" if group else "")
    assert job(m, "echo $(id -u) $(id -g) $(id -G)", settings) == [expected]


def test_a_user_has_the_groups_that_list_it(m: Machine) -> None:
    image = copy_image(m, "grouped")
    m.sh(f"""
        echo 'one:x:701:www-data' >>{image}/etc/group
        echo 'two:x:702:root,www-data' >>{image}/etc/group
        echo 'three:x:703:www-dat,www-data2' >>{image}/etc/group
    """)
    assert job(m, "id -G", "User=www-data", image="grouped") == ["33 701 702"]


# -- stop, restart, signals --


@pytest.mark.parametrize("command", [
    ("sleep", "1000"),
    ("sh", "-c", "while :; do sleep 1000; done"),
    ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done"),
    ("sh", "-c", "sleep 1000 & sleep 1000 & wait"),
])
def test_a_stop_hits_no_timeout_and_is_a_success(m: Machine, command: tuple[str, ...]) -> None:
    before = m.leaks_snapshot()
    unit = service(m, *command)
    m.start(unit)
    m.stop(unit)
    assert (m.unit(unit, "ActiveState"), m.unit(unit, "Result")) == ("inactive", "success")
    m.assert_nothing_left(before)


def test_a_real_server_starts_serves_and_stops(m: Machine) -> None:
    before = m.leaks_snapshot()
    unit = service(m, "nginx", "-g", "daemon off;", image="nginx",
                   container="PrivateUsers=no", rest="[Network]\nMode=host")  # for the port below 1024
    m.start(unit)
    m.wait_for(lambda: m.run("socat", "-u", "/dev/null", "TCP:127.0.0.1:80", check=False).rc == 0, "nginx")
    page = m.run("socat", "-t60", "-", "TCP:127.0.0.1:80", input="GET / HTTP/1.0\r\n\r\n").out
    assert page.startswith("HTTP/1.1 200 OK") and "Welcome to nginx!" in page
    m.stop(unit)
    assert m.unit(unit, "Result") == "success"
    m.assert_nothing_left(before)


def test_a_command_that_ignores_the_stop_is_killed_after_the_timeout(m: Machine) -> None:
    before = m.leaks_snapshot()
    unit = service(m, "sh", "-c", "trap '' TERM; echo up; while :; do sleep 1000; done",
                   rest="[Service]\nTimeoutStopSec=1")
    m.start(unit)
    wait_for_line(m, unit, "up")
    assert m.stop(unit).seconds > 0.9
    assert m.unit(unit, "Result") == "timeout"
    if "code=killed" in m.unit(unit, "ExecStopPost"):  # a second is all that the cleanup has as well
        m.run("berth", "clean", "--all")
    m.assert_nothing_left(before)


def test_a_hundred_restarts_work_and_leave_one(m: Machine) -> None:
    before = m.leaks_snapshot()
    unit = service(m, "sleep", "1000", rest="[Unit]\nStartLimitIntervalSec=0")
    m.start(unit)
    seen = set()
    for _ in range(100):
        m.restart(unit)
        seen.add(m.unit(unit, "InvocationID"))
        assert m.unit(unit, "ActiveState") == "active"
    assert len(seen) == 100
    assert m.run("pgrep", "-c", "berth-init").out == "1\n"
    assert m.run("ls", "/run/berth/containers").out == f"{unit}\n"
    m.stop(unit)
    m.assert_nothing_left(before)


@pytest.mark.parametrize("init, zombies", [("yes", 0), ("no", 100)])
def test_the_init_reaps_what_the_command_left(m: Machine, init: str, zombies: int) -> None:
    script = """
import os, time
for _ in range(100):  # each forks one that forks one and leaves it
    if os.fork() == 0:
        if os.fork() == 0:
            os._exit(0)
        os._exit(0)
for _ in range(100):
    os.wait()
print("forked", flush=True)
time.sleep(1000)
"""
    unit = service(m, "python3", "-c", script, container=f"Init={init}",
                   rest="[Service]\nTimeoutStopSec=1")
    m.start(unit)
    wait_for_line(m, unit, "forked")
    leader = main_pid(m, unit)
    m.wait_for(lambda: m.run("ps", "--ppid", leader, "-o", "stat=", check=False).out.count("Z") == zombies,
               f"{zombies} zombies")


def test_each_signal_to_the_main_process_reaches_the_command_or_is_the_inits_own(m: Machine) -> None:
    script = """
import signal
known = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
signal.pthread_sigmask(signal.SIG_BLOCK, known)
print("up", flush=True)
heard = {signal.sigwait(known)}
print("first", *map(int, heard), flush=True)
while signal.SIGRTMAX not in heard:
    heard.add(signal.sigwait(known))
print("heard", *sorted(map(int, heard)), flush=True)
"""
    unit = service(m, "python3", "-c", script)
    m.start(unit)
    wait_for_line(m, unit, "up")
    stops = {signal.SIGRTMIN + 3, signal.SIGRTMIN + 4}
    own = {signal.SIGCHLD, signal.SIGPIPE, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
    sent = {int(number) for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}} - {32, 33}
    leader = main_pid(m, unit)
    m.run("kill", "-CONT", leader)  # a stop signal behind it that waits as well would undo it
    wait_for_line(m, unit, f"first {int(signal.SIGCONT)}")
    # The last is the highest number: of several that wait the kernel gives the lowest first.
    m.sh("; ".join(f"kill -{number} {leader}" for number in sorted(sent - {signal.SIGCONT})))
    wait_for_line(m, unit, " ".join(["heard", *(str(int(number)) for number in sorted(sent - own - stops))]))


@pytest.mark.parametrize("number", ["RTMIN+3", "RTMIN+4"])
def test_the_signals_of_an_inits_power_off_stop_it(m: Machine, number: str) -> None:
    unit = service(m, "sh", "-c", "trap 'echo term; exit 0' TERM; echo up; while :; do sleep 0.02; done")
    m.start(unit)
    wait_for_line(m, unit, "up")
    m.run("systemctl", "kill", "--kill-whom=main", f"--signal={number}", unit)
    m.wait_state(unit, "inactive")
    assert said(m, unit)[-1] == "term"
    assert m.unit(unit, "Result") == "success"


# -- what the command finds --


@pytest.mark.parametrize("user", ["root", "www-data"])
@pytest.mark.parametrize("users", ["pick", "no"])
def test_the_standard_streams_can_be_opened_again_by_any_user(m: Machine, user: str, users: str) -> None:
    lines = job(m, "echo 1 >/dev/stdout; echo 2 >/dev/stderr; echo 3 >/proc/self/fd/1; echo 4 >>/dev/fd/2",
                f"User={user}\nPrivateUsers={users}")
    assert sorted(lines) == ["1", "2", "3", "4"]


def test_nothing_of_a_fast_commands_output_is_lost(m: Machine) -> None:
    assert job(m, "seq 20000") == [str(n) for n in range(1, 20001)]


def environment(m: Machine, container: str = "") -> list[str]:
    unit = service(m, "env", container=container, rest="[Service]\nType=oneshot")
    m.start(unit)
    return sorted(said(m, unit))


PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def test_the_environment_is_what_is_documented_and_no_more(m: Machine) -> None:
    assert environment(m) == ["HOME=/root", "LOGNAME=root", PATH, "SHELL=/bin/bash", "USER=root",
                              "container=berth"]
    assert environment(m, "User=www-data") == ["HOME=/var/www", "LOGNAME=www-data", PATH,
                                               "SHELL=/usr/sbin/nologin", "USER=www-data", "container=berth"]
    assert environment(m, "User=12345") == ["HOME=/", PATH, "SHELL=/bin/sh", "container=berth"]


def test_the_keys_come_over_the_files_and_later_files_over_earlier(m: Machine) -> None:
    m.write("/etc/one.env", "# a comment\nA=one\nB=one\n\nC=one\nE= \"kept as it is\" # so\n")
    m.write("/etc/two.env", "B=two\nC=two=2\nPATH=/bin\nHOME=/somewhere")
    found = environment(m, "EnvironmentFile=/etc/one.env\nEnvironmentFile=/etc/two.env\n"
                           'Environment=C=three "D=with blank" F=\nEnvironment=D=last')
    assert found == ["A=one", "B=two", "C=three", "D=last", 'E= "kept as it is" # so', "F=", "HOME=/somewhere",
                     "LOGNAME=root", "PATH=/bin", "SHELL=/bin/bash", "USER=root", "container=berth"]


@pytest.mark.parametrize("text, line", [
    ("A=1\nno equals sign\n", "/etc/bad.env:2: expected KEY=VALUE, or '#' first for a comment"),
    ("A=1\n\n# x\n=1\n", "/etc/bad.env:4: expected KEY=VALUE, or '#' first for a comment"),
    ("export A=1\n", "/etc/bad.env:1: expected KEY=VALUE, or '#' first for a comment"),
    ("A=1\0B=2\n", "/etc/bad.env: holds a NUL byte; an environment cannot"),
    (None, "cannot read environment file '/etc/bad.env': No such file or directory"),
])
def test_a_bad_environment_file_fails_the_start_and_says_where(m: Machine, text: str | None, line: str) -> None:
    m.run("rm", "-f", "/etc/bad.env")
    if text is not None:
        m.write("/etc/bad.env", text)
    assert refused(m, service(m, "true", container="EnvironmentFile=/etc/bad.env")) == line


def test_words_arrive_as_they_are_written(m: Machine) -> None:
    awkward = ["", " ", "a b", "$HOME", "${X}", "%i", "\\", '"', "'", "tab\there", "new\nline", "ü€𝄞", "-x", "*"]
    unit = service(m, "python3", "-c", "import sys; print(sys.argv[1:])", *awkward,
                   rest="[Service]\nType=oneshot")
    m.start(unit)
    assert said(m, unit) == [str(awkward)]


def test_the_hostname_is_the_name_or_what_is_asked_for(m: Machine) -> None:
    host = m.run("hostname").out
    assert job(m, "uname -n", name="box-1") == ["box-1"]
    assert job(m, "uname -n", "Hostname=some.example.org") == ["some.example.org"]
    assert m.run("hostname").out == host


def test_a_container_knows_its_own_name_and_the_image_is_left_alone(m: Machine) -> None:
    lines = job(m, "cat /etc/hostname /etc/hosts; hostname -i; echo x >>/etc/hosts", "Hostname=one.example.org")
    assert lines == ["one.example.org", "127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback",
                     "127.0.1.1 one.example.org one", "127.0.1.1"]
    assert not m.exists("/var/lib/berth/images/base/etc/hostname")


def test_the_working_directory_is_entered_as_the_user(m: Machine) -> None:
    assert job(m, "pwd") == ["/"]
    assert job(m, "pwd", "WorkingDirectory=/usr/lib/") == ["/usr/lib"]
    assert refused(m, service(m, "true", container="WorkingDirectory=/no/such")) == \
        "cannot enter the working directory '/no/such': No such file or directory"
    assert refused(m, service(m, "true", container="WorkingDirectory=/root\nUser=www-data")) == \
        "cannot enter the working directory '/root': Permission denied"


# -- confinement --


def status_of_command(m: Machine, container: str = "", rest: str = "") -> dict[str, str]:
    lines = job(m, "cat /proc/self/status", container, rest)
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


@pytest.mark.parametrize("users", ["pick", "identity", "no"])
@pytest.mark.parametrize("user, effective", [("root", CAPABILITIES), ("www-data", 0)])
def test_capabilities_privileges_and_filter_are_what_is_documented(m: Machine, user: str, effective: int,
                                                                   users: str) -> None:
    status = status_of_command(m, f"User={user}\nPrivateUsers={users}")
    masks = {name: int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
    assert masks == {"CapInh": 0, "CapPrm": effective, "CapEff": effective, "CapBnd": CAPABILITIES, "CapAmb": 0}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


def test_a_writable_bind_takes_away_the_right_to_set_file_capabilities(m: Machine) -> None:
    m.run("mkdir", "-p", "/var/lib/berth/bound/shared")
    bind = "[Mount x]\nType=bind\nSource=/var/lib/berth/bound/shared\nTarget=/mnt\n"
    assert int(status_of_command(m, rest=bind)["CapBnd"], 16) == CAPABILITIES & ~(1 << 31)
    assert int(status_of_command(m, rest=bind + "ReadOnly=yes")["CapBnd"], 16) == CAPABILITIES


def test_the_init_keeps_no_capability_but_kill(m: Machine) -> None:
    unit = service(m, "sleep", "1000")
    m.start(unit)
    status = m.read(f"/proc/{main_pid(m, unit)}/status")
    assert re.findall(r"Cap(?:Prm|Eff|Bnd):\t(\w+)", status) == ["0000000000000020"] * 3
    assert "NoNewPrivs:\t1" in status


def test_no_descriptor_leaks_into_the_command_or_stays_in_the_init(m: Machine) -> None:
    unit = service(m, "python3", "-c", "import os; print(sorted(map(int, os.listdir('/proc/self/fd')))[:-1])",
                   rest="[Service]\nType=oneshot")  # the last is the listing's own
    m.start(unit)
    assert said(m, unit) == ["[0, 1, 2]"]
    unit = service(m, "sleep", "1000")
    m.start(unit)
    for target in m.sh(f"for fd in /proc/{main_pid(m, unit)}/fd/*; do readlink $fd; done").lines:
        assert re.fullmatch(r"/dev/null|(pipe|socket):\[\d+\]|anon_inode:\[signalfd\]", target), target


NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")


@pytest.mark.parametrize("container, rest, shared", [
    ("", "", set()),
    ("", "[Network]\nMode=none", set()),
    ("", "[Network]\nMode=host", {"net"}),
    ("PrivateUsers=identity", "", set()),
    ("PrivateUsers=no", "", {"user"}),
    ("PrivateUsers=no", "[Network]\nMode=host", {"net", "user"}),
    ("Init=no", "", set()),
])
def test_every_namespace_is_its_own_but_those_that_are_switched_off(m: Machine, container: str, rest: str,
                                                                    shared: set[str]) -> None:
    ours = m.sh(f"cd /proc/1/ns; readlink {' '.join(NAMESPACES)}").lines
    theirs = job(m, f"cd /proc/self/ns; readlink {' '.join(NAMESPACES)}", container, rest)
    assert {name for name, a, b in zip(NAMESPACES, ours, theirs, strict=True) if a == b} == shared


@pytest.mark.parametrize("mode", ["private", "none"])
def test_a_private_network_has_loopback_only_and_it_is_up(m: Machine, mode: str) -> None:
    lines = job(m, "ip -o -4 addr; ip -o link | wc -l", rest=f"[Network]\nMode={mode}")
    assert "127.0.0.1/8" in lines[0] and lines[1:] == ["1"]


def test_any_user_of_a_private_network_may_have_a_low_port(m: Machine) -> None:
    bind = "import socket; s = socket.socket(); s.bind(('127.0.0.1', 80)); print('bound')"
    unit = service(m, "python3", "-c", bind, container="User=www-data", rest="[Service]\nType=oneshot")
    m.start(unit)
    assert said(m, unit) == ["bound"]


# -- users --


def uid_map(m: Machine, unit: str) -> tuple[int, int, int]:
    inner, outer, count = m.read(f"/proc/{main_pid(m, unit)}/uid_map").split()
    return int(inner), int(outer), int(count)


def test_the_range_of_ids_is_picked_by_name_and_stays(m: Machine) -> None:
    unit, other = service(m, "sleep", "1000", name="picky"), service(m, "sleep", "1000", name="picky2")
    m.start(unit)
    m.start(other)
    inner, base, count = uid_map(m, unit)
    assert (inner, count) == (0, 65536)
    assert 524288 <= base < 1878982656 and base % 65536 == 0
    assert m.read(f"/proc/{main_pid(m, unit)}/gid_map").split() == ["0", str(base), "65536"]
    assert uid_map(m, other)[1] != base
    for _ in range(3):
        m.restart(unit)
        assert uid_map(m, unit) == (0, base, 65536)
    assert m.read(f"/proc/{main_pid(m, unit)}/status").split("Uid:")[1].split()[0] == str(base)


def test_a_range_that_another_has_is_passed_over(m: Machine) -> None:
    unit = service(m, "sleep", "1000", name="collides")
    m.start(unit)
    base = uid_map(m, unit)[1]
    m.stop(unit)
    m.sh(f"mkdir -p /run/berth/ranges; ln -s somebody-else /run/berth/ranges/{base}")
    m.start(unit)
    assert uid_map(m, unit)[1] == base + 65536
    m.stop(unit)
    # given back, and only its own; a directory of those that manifests give may be there
    assert m.run("ls", "--ignore=given", "/run/berth/ranges").lines == [str(base)]
    m.run("rm", f"/run/berth/ranges/{base}")
    m.write("/etc/subuid", f"user:{base + 10}:5\n")
    try:
        m.start(unit)
        assert uid_map(m, unit)[1] == base + 65536
    finally:
        m.run("rm", "/etc/subuid")


@pytest.mark.parametrize("users, expected", [
    ("identity", ("0", "0", "4294967295")),
    ("200000:1000", ("0", "200000", "1000")),
    ("200000:1", ("0", "200000", "1")),
])
def test_ids_are_mapped_as_asked(m: Machine, users: str, expected: tuple[str, ...]) -> None:
    lines = job(m, "cat /proc/self/uid_map /proc/self/gid_map; id -u; stat -c %u:%g /usr /etc/passwd",
                f"PrivateUsers={users}")
    assert [tuple(line.split()) for line in lines[:2]] == [expected, expected]
    assert lines[2:] == ["0", "0:0", "0:0"]


def test_without_private_users_the_ids_are_the_hosts(m: Machine) -> None:
    host = m.run("cat", "/proc/1/uid_map").out.split()
    assert job(m, "cat /proc/self/uid_map", "PrivateUsers=no")[0].split() == host


def test_a_process_of_the_container_is_nobody_on_the_host(m: Machine) -> None:
    unit = service(m, "sleep", "1000", container="User=www-data")
    m.start(unit)
    base = uid_map(m, unit)[1]
    pid = m.run("pgrep", "-x", "sleep", "-n").out.strip()
    assert re.search(rf"^Uid:\t{base + 33}\t", m.read(f"/proc/{pid}/status"), re.M)


# -- the root --

MOUNT_POINTS = ["/", "/dev", "/dev/mqueue", "/dev/pts", "/dev/shm", "/etc/hostname", "/etc/hosts", "/etc/machine-id", "/proc",
                "/proc/sys", "/sys", "/sys/fs/cgroup"]


def mounts(lines: list[str]) -> dict[str, list[str]]:
    """Mount point -> fields of mountinfo. Two mounts on one point would be one that hides another."""
    table = {line.split()[4]: line.split() for line in lines}
    assert len(table) == len(lines), lines
    return table


def test_the_mount_table_holds_nothing_of_the_host(m: Machine) -> None:
    table = mounts(job(m, "cat /proc/self/mountinfo"))
    assert sorted(table) == MOUNT_POINTS
    for point, fields in table.items():
        assert "shared:" not in " ".join(fields), fields
        root = "/sys" if point == "/proc/sys" else point if point.startswith("/etc/") else "/"
        assert fields[3] == root, fields
        options = set(fields[5].split(","))
        if point != "/":
            assert {"nosuid", "noexec"} <= options, fields
        if point in ("/proc/sys", "/sys", "/sys/fs/cgroup"):
            assert "ro" in options, fields
    assert not [word for word in table["/"] if "/var/" in word or "/srv/" in word], table["/"]


def test_where_root_is_the_hosts_the_doors_of_proc_are_closed(m: Machine) -> None:
    table = mounts(job(m, "cat /proc/self/mountinfo", "PrivateUsers=no"))
    extra = sorted(set(table) - set(MOUNT_POINTS))
    assert {"/proc/irq", "/proc/bus", "/proc/fs", "/proc/sysrq-trigger", "/proc/kcore", "/proc/keys",
            "/proc/timer_list"} & set(m.sh("ls -d /proc/*").lines) <= set(extra)
    for point in extra:
        assert table[point][3] == "/null" or "ro" in table[point][5].split(","), table[point]


def test_a_volume_shows_its_own_path_and_no_other(m: Machine) -> None:
    unit_lines = job(m, "cat /proc/self/mountinfo", "Volume=data:/srv/data", name="paths")
    table = mounts(unit_lines)
    assert sorted(table) == sorted([*MOUNT_POINTS, "/srv/data"])
    assert table["/srv/data"][3].endswith("/volumes/paths/data")
    assert {"nosuid", "nodev"} <= set(table["/srv/data"][5].split(","))


def test_the_command_line_of_pid_1_shows_no_environment(m: Machine) -> None:
    unit = service(m, "sleep", "1000", container="Environment=PASSWORD=hunter2")
    m.start(unit)
    line = inside(m, unit, "cat", "/proc/1/cmdline").stdout
    assert line.strip(b"\0") == b"berth-init"
    assert m.run("cat", f"/proc/{main_pid(m, unit)}/cmdline").stdout == line
    denied = inside(m, unit, "cat", "/proc/1/environ", check=False)
    assert "Permission denied" in denied.err and b"hunter2" not in denied.stdout


def test_nothing_of_the_old_root_can_be_reached(m: Machine) -> None:
    m.write("/host-only", "secret")
    m.write("/srv/host-only", "secret")
    lines = job(m, r"""
        for path in /host-only /../host-only /srv/host-only /proc/1/root/host-only /proc/self/root/host-only \
                    /proc/1/cwd/host-only /proc/self/cwd/../host-only; do
            [ ! -e $path ] || echo found $path
        done
        readlink -f /proc/1/root || echo denied
        echo done
    """)
    assert not [line for line in lines if line.startswith("found")] and lines[-1] == "done"
    m.run("rm", "/host-only", "/srv/host-only")


def test_kernel_settings_are_read_only(m: Machine) -> None:
    files = ("kernel/hostname", "kernel/core_pattern", "vm/swappiness", "net/ipv4/ip_forward")
    for users in ("pick", "identity", "no"):
        lines = job(m, f"""
            for file in {' '.join(files)}; do
                (echo x >/proc/sys/$file) 2>&1 || :
            done
        """, f"PrivateUsers={users}")
        assert lines == [f"sh: 3: cannot create /proc/sys/{file}: Read-only file system" for file in files]


def test_a_read_only_root_has_a_writable_tmp_and_run_that_start_empty(m: Machine) -> None:
    lines = job(m, """
        touch /x /etc/x /var/x 2>&1 || :
        find /tmp /run
        echo 1 >/tmp/x; echo 2 >/run/x; echo 3 >/dev/shm/x; cat /tmp/x /run/x /dev/shm/x
        stat -c '%a %u' /tmp /run
    """, "ReadOnly=yes")
    assert lines == [f"touch: cannot touch '{path}': Read-only file system" for path in ("/x", "/etc/x", "/var/x")] + \
        ["/tmp", "/run", "1", "2", "3", "1777 0", "755 0"]


def test_an_ephemeral_root_forgets(m: Machine) -> None:
    unit = service(m, "sh", "-c", "ls /mark 2>&1; echo 1 >/mark; rm /etc/motd; ls /etc/motd 2>&1",
                   rest="[Service]\nType=oneshot")
    m.start(unit, check=False)
    first = said(m, unit)
    later = m.mark()
    m.start(unit, check=False)
    assert said(m, unit, later) == first
    assert first[0] == "ls: cannot access '/mark': No such file or directory"
    assert m.run("ls", "/var/lib/berth/layers").out == ""


def test_a_kept_root_remembers_over_restarts_and_daemon_reloads(m: Machine) -> None:
    unit = service(m, "sh", "-c", "echo x >>/mark; chown 1000:1000 /mark; wc -l </mark; rm -rf /opt",
                   container="Ephemeral=no", rest="[Service]\nType=oneshot")
    for _ in range(3):
        m.start(unit)
        m.reload()
    assert said(m, unit) == ["1", "2", "3"]
    assert m.run("stat", "-c", "%u:%g", f"/var/lib/berth/layers/{unit}/up/mark").out == "1000:1000\n"


def test_a_kept_root_of_another_image_is_refused(m: Machine) -> None:
    unit = service(m, "true", container="Ephemeral=no", rest="[Service]\nType=oneshot")
    m.start(unit)
    m.manifest(unit, "[Container]\nImage=nginx\nEphemeral=no\nExec=true\n[Service]\nType=oneshot\n")
    m.reload()
    line = refused(m, unit)
    assert line.startswith(f"the kept layer /var/lib/berth/layers/{unit} belongs to image 'base', and 'nginx' is another; ")
    m.manifest(unit, "[Container]\nImage=base\nEphemeral=no\nExec=true\n[Service]\nType=oneshot\n")
    m.reload()
    m.start(unit)


def test_layers_and_volumes_can_be_entered_by_root_alone(m: Machine) -> None:
    unit = service(m, "sleep", "1000", container="Volume=data:/srv/data")
    m.start(unit)
    for path in ("layers", "volumes", f"layers/{unit}.ephemeral", f"volumes/{unit}"):
        assert m.run("stat", "-c", "%a %u", f"/var/lib/berth/{path}").out == "700 0\n", path
    assert m.run("ls", f"{VOLUMES}/{unit}/data", user="nobody", check=False).rc != 0


# -- jobs, instances, limits --


def test_a_job_is_starting_while_it_runs_and_inactive_after(m: Machine) -> None:
    unit = service(m, "sh", "-c", "echo up; while [ ! -e /var/lib/berth/bound/go/on ]; do sleep 0.02; done; echo over",
                   rest="[Service]\nType=oneshot\n[Mount go]\nType=bind\nSource=/var/lib/berth/bound/go\nTarget=/var/lib/berth/bound/go\nReadOnly=yes")
    m.run("mkdir", "-p", "/var/lib/berth/bound/go")
    m.run("rm", "-f", "/var/lib/berth/bound/go/on")
    m.run("systemctl", "start", "--no-block", unit)
    wait_for_line(m, unit, "up")
    assert m.unit(unit, "ActiveState") == "activating"
    assert m.read(f"/proc/{main_pid(m, unit)}/comm") == "berth-init\n"
    m.run("touch", "/var/lib/berth/bound/go/on")
    m.wait_state(unit, "inactive")
    assert m.unit(unit, "Result") == "success" and said(m, unit)[-1] == "over"


def test_a_template_makes_instances_each_with_its_own_name(m: Machine) -> None:
    before = m.leaks_snapshot()
    m.manifest("tpl@", f"[Container]\nImage=base\nEnvironment=I=%i\nExec={words('sh', '-c', 'echo $I; uname -n; exec sleep 1000')}\n"
                       "Volume=data:/srv/data\n")
    m.reload()
    m.start("tpl@1")
    m.start("tpl@two")
    wait_for_line(m, "tpl@1", "tpl-1")
    wait_for_line(m, "tpl@two", "tpl-two")
    assert said(m, "tpl@1") == ["1", "tpl-1"] and said(m, "tpl@two") == ["two", "tpl-two"]
    assert uid_map(m, "tpl@1") != uid_map(m, "tpl@two")
    assert sorted(m.run("ls", VOLUMES).lines) == ["tpl@1", "tpl@two"]
    m.stop("tpl@1")
    assert m.unit("tpl@two", "ActiveState") == "active"
    assert inside(m, "tpl@two", "uname", "-n").out == "tpl-two\n"
    m.stop("tpl@two")
    m.assert_nothing_left(before)


@pytest.mark.parametrize("setting, controller", [("Memory=64M", "memory"), ("CPUs=0.5", "cpu"), ("Tasks=20", "pids")])
def test_a_limit_that_cannot_be_enforced_is_refused(m: Machine, setting: str, controller: str) -> None:
    if has_controller(m, controller):
        pytest.skip(f"this machine has the controller {controller}; see tests/whole/test_limits.py")
    before = m.leaks_snapshot()
    line = refused(m, service(m, "true", rest=f"[Limits]\n{setting}"))
    assert line == (f"a limit needs the cgroup controller '{controller}', which this host does not have in its "
                    "unified hierarchy; remove the limit, or boot with systemd.unified_cgroup_hierarchy=1")
    m.assert_nothing_left(before)


def test_a_running_time_is_limited(m: Machine) -> None:
    unit = service(m, "sleep", "1000", rest="[Limits]\nRuntime=500ms")
    m.start(unit)
    m.wait_state(unit, "failed")
    assert m.unit(unit, "Result") == "timeout"
    unit = service(m, "sleep", "1000", rest="[Service]\nType=oneshot\n[Limits]\nRuntime=500ms")
    assert m.start(unit, check=False).rc == 1
    assert m.unit(unit, "Result") == "timeout"


# -- volumes and mounts --


def on_disk(m: Machine, path: str, what: str = "%u:%g %a") -> str:
    return m.run("stat", "-c", what, path).out.strip()


def test_a_new_volume_takes_owner_mode_and_once_content_of_its_target(m: Machine) -> None:
    image = copy_image(m, "seeded")
    m.sh(f"""
        mkdir -p {image}/srv/data/sub
        echo seed >{image}/srv/data/sub/file
        ln -s sub/file {image}/srv/data/link
        chown 33:34 {image}/srv/data; chmod 2750 {image}/srv/data
        chown 1000:1001 {image}/srv/data/sub/file; chmod 0604 {image}/srv/data/sub/file
    """)
    unit = service(m, "sh", "-c", "stat -c '%u:%g %a' /srv/data; cat /srv/data/link; rm -r /srv/data/sub",
                   container="Volume=data:/srv/data", image="seeded", rest="[Service]\nType=oneshot")
    m.start(unit)
    assert said(m, unit) == ["33:34 2750", "seed"]
    volume = f"{VOLUMES}/{unit}/data"
    assert on_disk(m, volume) == "33:34 2750"
    later = m.mark()
    m.start(unit, check=False)
    assert "cat: /srv/data/link: No such file or directory" in said(m, unit, later), "it was seeded again"
    assert m.run("ls", volume).lines == ["link"]
    assert on_disk(m, f"{image}/srv/data/sub/file") == "1000:1001 604", "the image was changed"


def test_the_content_of_a_volume_has_the_owners_of_the_image(m: Machine) -> None:
    image = copy_image(m, "seeded")
    m.sh(f"mkdir {image}/srv/d; echo 1 >{image}/srv/d/f; chown 1000:1001 {image}/srv/d/f; chmod 604 {image}/srv/d/f")
    unit = service(m, "stat", "-c", "%u:%g %a", "/srv/d/f", container="Volume=v:/srv/d", image="seeded",
                   rest="[Service]\nType=oneshot")
    m.start(unit)
    assert said(m, unit) == ["1000:1001 604"]
    assert on_disk(m, f"{VOLUMES}/{unit}/v/f") == "1000:1001 604"


def test_a_volume_without_a_target_in_the_image_is_roots(m: Machine) -> None:
    unit = service(m, "stat", "-c", "%u:%g %a", "/not/there", container="Volume=v:/not/there",
                   rest="[Service]\nType=oneshot")
    m.start(unit)
    assert said(m, unit) == ["0:0 755"]


@pytest.mark.parametrize("users", ["pick", "identity", "no", "300000:65536"])
def test_ids_on_disk_are_the_ids_inside_whatever_the_range(m: Machine, users: str) -> None:
    unit = service(m, "sh", "-euc", "cd /v; touch root other; chown 1000:2000 other; chmod 4711 other; "
                   "stat -c %u:%g root other", container=f"Volume=v:/v\nPrivateUsers={users}",
                   rest="[Service]\nType=oneshot")
    m.start(unit)
    assert said(m, unit) == ["0:0", "1000:2000"]
    assert on_disk(m, f"{VOLUMES}/{unit}/v/root", "%u:%g") == "0:0"
    assert on_disk(m, f"{VOLUMES}/{unit}/v/other", "%u:%g") == "1000:2000"


def test_another_containers_volume_is_shared_by_its_name(m: Machine) -> None:
    unit = service(m, "sh", "-c", "echo hello >/v/from", container="Volume=v:/v", rest="[Service]\nType=oneshot")
    m.start(unit)
    assert job(m, "cat /w/from; echo x 2>&1 >/w/x || :", f"Volume={unit}:v:/w:ro")[0] == "hello"


def test_a_read_only_volume_cannot_be_written(m: Machine) -> None:
    assert job(m, "touch /v/x 2>&1 || :", "Volume=v:/v:ro") == ["touch: cannot touch '/v/x': Read-only file system"]


SOURCE = f"{BOUND}/src"
BIND = f"[Mount x]\nType=bind\nSource={SOURCE}\nTarget=/mnt/x\n"


@pytest.fixture
def source(m: Machine) -> str:
    m.sh(f"rm -rf {BOUND}; mkdir -p {SOURCE}; echo hello >{SOURCE}/file")
    return SOURCE


def test_id_ranges_map_disk_to_inside_and_the_rest_is_nobodys(m: Machine, source: str) -> None:
    m.sh("""
        cd /var/lib/berth/bound/src; rm file
        echo 1 >mine; echo 1 >hers; echo 1 >foreign
        chown 1000:1000 . mine; chown 5005:6006 hers; chown 7:7 foreign; chmod 666 foreign
    """)
    lines = job(m, """
        cd /mnt/x; stat -c '%n %u:%g' mine hers foreign
        echo 2 >new; echo 2 >>mine
        chown 10:20 new
        chown 7:7 new 2>&1 || echo chown refused
        rm foreign 2>&1 || echo rm refused
        mv foreign x 2>&1 || echo mv refused
        (echo 2 >>foreign) 2>&1 || echo write refused
    """, rest=BIND + "IDMap=1000:0:1 u:5005:10:1\nIDMap=g:6006:20:1")
    assert lines[:3] == ["mine 0:0", "hers 10:20", "foreign 65534:65534"]
    assert [line for line in lines if line.endswith("refused")] == \
        ["chown refused", "rm refused", "mv refused", "write refused"], lines
    assert on_disk(m, "/var/lib/berth/bound/src/new", "%u:%g") == "5005:6006"
    assert m.read("/var/lib/berth/bound/src/mine") == "1\n2\n"
    assert m.read("/var/lib/berth/bound/src/foreign") == "1\n"


@pytest.mark.parametrize("users", ["pick", "no"])
def test_idmap_auto_makes_the_source_the_users(m: Machine, source: str, users: str) -> None:
    m.sh("chown -R 4321:4322 /var/lib/berth/bound/src; chmod 700 /var/lib/berth/bound/src")
    lines = job(m, "stat -c %u:%g /mnt/x /mnt/x/file; echo 1 >/mnt/x/new",
                f"User=www-data\nPrivateUsers={users}", rest=BIND + "IDMap=auto")
    assert lines == ["33:33", "33:33"]
    assert on_disk(m, "/var/lib/berth/bound/src/new", "%u:%g") == "4321:4322"


def test_an_idmap_outside_of_the_containers_ids_is_refused(m: Machine, source: str) -> None:
    line = refused(m, service(m, "true", rest=BIND + "IDMap=0:70000:1"))
    assert line == "mount '/mnt/x': IDMap= names an id that the container does not have"


def test_a_bind_writes_to_its_source(m: Machine, source: str) -> None:
    assert job(m, "cat /mnt/x/file; echo changed >/mnt/x/file", rest=BIND) == ["hello"]
    assert m.read("/var/lib/berth/bound/src/file") == "changed\n"


def test_a_missing_source_is_an_error_unless_it_is_to_be_made(m: Machine) -> None:
    m.run("rm", "-rf", "/var/lib/berth/bound/src")
    assert refused(m, service(m, "true", rest=BIND)) == \
        "bind source '/var/lib/berth/bound/src' does not exist; make it, or set Create=yes in the mount"
    assert not m.exists("/var/lib/berth/bound/src")
    assert job(m, "stat -c %F /mnt/x", rest=BIND + "Create=yes") == ["directory"]
    assert on_disk(m, "/var/lib/berth/bound/src") == "0:0 755"
    m.run("rm", "-r", "/var/lib/berth/bound/src")
    assert job(m, "stat -c '%F %s' /mnt/x", rest=BIND + "Create=yes\nFileType=file") == ["regular empty file 0"]
    m.run("rm", "/var/lib/berth/bound/src")


def test_a_file_is_bound_over_a_file_a_missing_path_and_an_empty_directory(m: Machine, source: str) -> None:
    image = copy_image(m, "places")
    m.sh(f"mkdir {image}/srv/empty {image}/srv/full; echo x >{image}/srv/full/x; echo old >{image}/srv/old")
    rest = "".join(f"[Mount {n}]\nType=bind\nSource=/var/lib/berth/bound/src/file\nTarget={path}\n"
                   for n, path in enumerate(("/srv/old", "/srv/new/deep/file", "/srv/empty")))
    assert job(m, "cat /srv/old /srv/new/deep/file /srv/empty", rest=rest, image="places") == ["hello"] * 3
    unit = service(m, "true", image="places", rest="[Mount f]\nType=bind\nSource=/var/lib/berth/bound/src/file\nTarget=/srv/full\n")
    assert refused(m, unit) == ("mount '/srv/full': the target cannot be made in the image: Is a directory; something "
                                "else (a link that leads nowhere, a file, a filled directory) is in the way")
    unit = service(m, "true", image="places", rest="[Mount f]\nType=bind\nSource=/var/lib/berth/bound/src\nTarget=/srv/old\n")
    assert "mount '/srv/old': the target cannot be made in the image: Not a directory" in refused(m, unit)


@pytest.mark.parametrize("path, kind, line", [
    ("/var/lib/berth/bound/src", "file", "bind source '/var/lib/berth/bound/src' is not a regular file, as FileType= says"),
    ("/var/lib/berth/bound/src/file", "directory", "bind source '/var/lib/berth/bound/src/file' is not a directory, as FileType= says"),
])
def test_a_source_of_another_type_than_said_is_refused(m: Machine, source: str, path: str, kind: str,
                                                       line: str) -> None:
    rest = f"[Mount x]\nType=bind\nSource={path}\nTarget=/mnt/x\nFileType={kind}\n"
    assert refused(m, service(m, "true", rest=rest)) == line


def test_a_tmpfs_has_the_options_it_is_given(m: Machine) -> None:
    lines = job(m, """
        stat -c '%a %u:%g' /scratch; stat -f -c '%T %S %b' /scratch; stat -f -c %c /scratch
        head -c 2M /dev/zero 2>&1 >/scratch/x || :
    """, rest="[Mount t]\nType=tmpfs\nTarget=/scratch\nOptions=size=1M,mode=0710,nr_inodes=50,uid=7,gid=8\n")
    assert lines[:3] == ["710 7:8", "tmpfs 4096 256", "50"]
    assert "No space left on device" in lines[3]


def test_a_read_only_tmpfs_cannot_be_written(m: Machine) -> None:
    rest = "[Mount t]\nType=tmpfs\nTarget=/scratch\nReadOnly=yes\n"
    assert job(m, "touch /scratch/x 2>&1 || :", rest=rest) == ["touch: cannot touch '/scratch/x': Read-only file system"]


def test_a_target_through_links_of_the_image_stays_inside(m: Machine) -> None:
    image = copy_image(m, "links")
    m.sh(f"""
        rm -rf /canary; mkdir -p /canary/there {image}/srv/real {image}/canary
        ln -s /srv/real {image}/srv/absolute
        ln -s ../../../../../../canary {image}/srv/dots
        ln -s /canary/there {image}/srv/dangling
    """)
    before, mountinfo = m.sh("find /canary -printf '%p %T@\\n'").out, m.mountinfo()
    rest = "".join(f"[Mount {n}]\nType=volume\nSource=v{n}\nTarget={target}\n" for n, target in enumerate(
        ("/srv/absolute/one", "/srv/dots/two")))
    lines = job(m, "touch /srv/real/one/x /canary/two/x; while read -r a b c d e f; do echo $e; done </proc/self/mountinfo",
                rest=rest, image="links")
    assert "/srv/real/one" in lines and "/canary/two" in lines
    unit = service(m, "true", image="links", rest="[Mount d]\nType=volume\nSource=v\nTarget=/srv/dangling/x\n")
    assert refused(m, unit) == (
        "mount '/srv/dangling/x': the target cannot be made in the image: Not a directory; something else (a link that "
        "leads nowhere, a file, a filled directory) is in the way")
    assert m.sh("find /canary -printf '%p %T@\\n'").out == before, "something reached the host"
    assert m.mountinfo() == mountinfo
    m.run("rm", "-r", "/canary")


NESTED = ("/d", "/d/e", "/d/e/f")


def nested(order: tuple[str, ...]) -> str:
    return "".join(f"[Mount {n}]\nType=volume\nSource=v{target.count('/')}\nTarget={target}\n"
                   for n, target in enumerate(order))


@pytest.mark.parametrize("order", [NESTED, NESTED[::-1], ("/d/e", "/d/e/f", "/d")])
def test_targets_inside_each_other_may_stand_in_any_order(m: Machine, order: tuple[str, ...]) -> None:
    unit = service(m, "sh", "-euc", "touch /d/1 /d/e/2 /d/e/f/3", rest=nested(order) + "[Service]\nType=oneshot")
    m.start(unit)
    assert m.sh(f"cd {VOLUMES}/{unit} && find . -type f | sort").lines == ["./v1/1", "./v2/2", "./v3/3"]


@pytest.mark.parametrize("fault, status, told", [
    ("unshare:error=ENOSPC", 125, "cannot make the network namespace of the container: No space left on device"),
    ("ioctl:error=EPERM", 125, "cannot bring up the loopback interface: Operation not permitted"),
    ("setns:error=EPERM", 125, "cannot enter the network namespace of the container: Operation not permitted"),
    ("clone:error=EAGAIN", 0, ""),  # no room for a process beside the leader, who makes it himself
])
def test_a_network_is_made_or_the_launch_fails_with_the_reason(m: Machine, fault: str, status: int, told: str) -> None:
    before = m.mountinfo()
    done = m.run(*STRACE, "-f", "-o", "/run/faults", "-e", f"trace={fault.partition(':')[0]}", "-e", f"inject={fault}:when=1", "berth",
                 "launch", "--foreground", "--name=network", "--image=base", "--network=none", "--", "cat", "/proc/net/dev", check=False)
    assert (done.rc, done.err.strip()) == (status, told)
    assert [line.split(":")[0].strip() for line in done.lines[2:]] == ([] if status else ["lo"])
    assert "(INJECTED)" in m.read("/run/faults")
    assert m.mountinfo() == before and not m.exists("/run/berth/containers/network")
