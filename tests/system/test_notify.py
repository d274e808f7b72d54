"""Notify=: what an application says to systemd, and what it cannot say."""

from __future__ import annotations

import re

import pytest

from harness.machine import Machine
from test_launch import inside, main_pid, refused, said, service

needs_berth = True
pytestmark = [pytest.mark.system, pytest.mark.images("base", "machine")]

#: A program that says what it is told to: each line of /tmp/say, as it comes.
APP = r"""
import os, signal, socket, sys, time
def say(text, size=0):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.connect(os.environ["NOTIFY_SOCKET"])
        s.send(text.encode().decode("unicode_escape").encode("latin-1") + b"x" * size)
os.mkfifo("/tmp/say")
os.chmod("/tmp/say", 0o666)
print("up", os.getpid(), os.environ.get("WATCHDOG_PID"), os.environ.get("WATCHDOG_USEC"), flush=True)
while True:
    with open("/tmp/say") as file:
        for line in file:
            exec(line)
    with open("/tmp/said", "a") as file:
        print("said", file=file)
"""


def app(m: Machine, container: str = "", rest: str = "") -> str:
    """A service that has been told to start, and waits."""
    unit = service(m, "python3", "-c", APP, container=f"Notify=yes\n{container}", rest=rest, image="machine")
    m.run("systemctl", "start", "--no-block", unit)
    m.wait_for(lambda: any(line.startswith("up ") for line in said(m, unit)), "the application")
    return unit


def tell(m: Machine, unit: str, *lines: str) -> None:
    count = inside(m, unit, "sh", "-c", "cat /tmp/said 2>/dev/null | wc -l").out.strip()
    inside(m, unit, "sh", "-c", 'printf "%s\\n" "$@" > /tmp/say', "sh", *lines)
    m.wait_for(lambda: inside(m, unit, "sh", "-c", "cat /tmp/said 2>/dev/null | wc -l").out.strip() != count, "words said")


def status(m: Machine, unit: str) -> str:
    return m.unit(unit, "StatusText")


@pytest.mark.parametrize("container", ["", "User=1000\nPrivateUsers=no", "Init=no", "Init=no\nUser=1000"])
def test_the_service_is_started_when_the_application_says_so(m: Machine, container: str) -> None:
    unit = app(m, container)
    assert m.unit(unit, "ActiveState") == "activating"
    tell(m, unit, 'say("STATUS=nearly")')
    m.wait_for(lambda: status(m, unit) == "nearly", "status")
    assert m.unit(unit, "ActiveState") == "activating"
    tell(m, unit, 'say("READY=1\\nSTATUS=there")')
    m.wait_state(unit, "active")
    m.wait_for(lambda: status(m, unit) == "there", "status")
    if "Init=no" in container:
        m.run("systemctl", "kill", "--signal=KILL", unit)  # TERM is nothing to a PID 1 that does not care
    else:
        m.stop(unit)
        assert m.unit(unit, "Result") == "success"


def test_an_application_that_ends_before_has_its_own_status(m: Machine) -> None:
    unit = service(m, "sh", "-c", "exit 42", container="Notify=yes")
    assert m.start(unit, check=False).rc == 1
    assert (m.unit(unit, "Result"), m.unit(unit, "ExecMainStatus")) == ("exit-code", "42")


def test_stopping_and_errors_reach_systemd(m: Machine) -> None:
    unit = app(m)
    tell(m, unit, 'say("READY=1")')
    m.wait_state(unit, "active")
    tell(m, unit, 'say("ERRNO=5\\nSTOPPING=1\\nEXTEND_TIMEOUT_USEC=5000000")')
    m.wait_for(lambda: m.unit(unit, "SubState") == "stop-sigterm" and m.unit(unit, "StatusErrno") == "5", "the end")
    m.run("systemctl", "kill", "--signal=KILL", unit)  # it has not ended, and a stop would wait for that


@pytest.mark.parametrize("users", ["no", "pick"])
def test_nobody_else_can_be_made_the_main_process(m: Machine, users: str) -> None:
    """The words by which a container with the host's root had a foreign service killed."""
    m.write("/etc/systemd/system/canary.service", "[Service]\nExecStart=/bin/sleep 1000\n")
    m.run("systemctl", "daemon-reload")
    m.start("canary")
    canary = main_pid(m, "canary")
    unit = app(m, f"PrivateUsers={users}")
    main = main_pid(m, unit)
    for text in (f"MAINPID={canary}\\nREADY=1", f"READY=1\\nMAINPID={canary}", f"STATUS=x\\rMAINPID={canary}",
                 f"MAINPID={canary}\\x00", "FDSTORE=1\\nFDNAME=x", "NOTIFYACCESS=all", "STATUS=end"):
        tell(m, unit, f'say("{text}")')
    m.wait_for(lambda: status(m, unit) == "end", "the last word")
    assert (main_pid(m, unit), m.unit(unit, "NotifyAccess"), m.unit(unit, "NFileDescriptorStore")) == (main, "main", "0")
    m.stop(unit)
    assert main_pid(m, "canary") == canary and m.exists(f"/proc/{canary}")


def test_other_users_inside_are_not_listened_to(m: Machine) -> None:
    unit = app(m, "User=33")
    tell(m, unit, 'say("READY=1\\nSTATUS=mine")')
    m.wait_state(unit, "active")
    script = ("import socket; s = socket.socket(1, 2); s.connect('/dev/notify'); "
              "s.send(b'STATUS=forged'); s.send(b'STOPPING=1')")
    m.run("berth", "exec", "--user=1000", unit, "--", "python3", "-c", script)
    m.run("berth", "exec", "--user=0", unit, "--", "python3", "-c", script.replace("forged", "root").replace(
        "STOPPING=1", "ERRNO=7"))
    m.wait_for(lambda: m.unit(unit, "StatusErrno") == "7", "root's word")
    assert (status(m, unit), m.unit(unit, "ActiveState")) == ("root", "active")


def test_a_status_cannot_speak_to_the_terminal(m: Machine) -> None:
    unit = app(m)
    tell(m, unit, 'say("READY=1\\nSTATUS=a\\x1b]0;x\\x07b")')
    m.wait_for(lambda: status(m, unit) == "a?]0;x?b", "status")


def test_neither_a_flood_nor_junk_hurts(m: Machine) -> None:
    unit = app(m)
    flood = "import os; pid = os.fork(); [say('STATUS=%d' % i) for i in range(100 if pid else 200)]; pid or os._exit(0)"
    tell(m, unit, 'say("READY=1")', 'say("STATUS=", 5000)', 'say("STATUS=", 100000)', 'say("")', flood)
    m.wait_state(unit, "active")
    tell(m, unit, 'os.wait(); say("STATUS=after all")')
    m.wait_for(lambda: status(m, unit) == "after all", "the last word", timeout=30)
    m.stop(unit)
    assert m.unit(unit, "Result") == "success"


def test_descriptors_are_not_kept(m: Machine) -> None:
    unit = app(m)
    tell(m, unit, "import array; s = socket.socket(1, 2); s.connect('/dev/notify'); [s.sendmsg([b'STATUS=fds'], [(1, 1, "
         "array.array('i', [0] * 20))]) for _ in range(20)]", 'say("READY=1")')
    m.wait_state(unit, "active")
    assert len(m.run("ls", f"/proc/{main_pid(m, unit)}/fd").lines) <= 10


PINGS = """import threading; alive = threading.Event()
def ping():
    while not alive.wait(0.2): say("WATCHDOG=1")
threading.Thread(target=ping).start()"""


def test_the_watchdog_hears_the_application(m: Machine) -> None:
    unit = app(m, "", "[Service]\nWatchdogSec=600\n")
    (up,) = (line for line in said(m, unit) if line.startswith("up "))
    assert re.fullmatch(r"up (\d+) \1 600000000", up) and not up.startswith("up 1 ")
    tell(m, unit, f"exec({PINGS!r}, globals())", 'say("READY=1")')
    m.wait_state(unit, "active")
    last = m.unit(unit, "WatchdogTimestampMonotonic")
    m.wait_for(lambda: m.unit(unit, "WatchdogTimestampMonotonic") != last, "sign of life")
    tell(m, unit, "alive.set()")


def test_the_watchdog_ends_an_application_that_says_nothing_though_its_init_lives(m: Machine) -> None:
    unit = app(m, "", "[Service]\nWatchdogSec=1\nWatchdogSignal=SIGKILL\n")
    inside(m, unit, "sh", "-c", "echo 'say(\"READY=1\")' > /tmp/say", check=False)  # it may be killed before this has ended
    m.wait_state(unit, "failed")
    assert m.unit(unit, "Result") == "watchdog"


def test_without_an_init_the_watchdog_is_told_of_pid_1(m: Machine) -> None:
    unit = app(m, "Init=no", "[Service]\nWatchdogSec=600\n")
    assert [line for line in said(m, unit) if line.startswith("up ")] == ["up 1 1 600000000"]
    m.run("systemctl", "kill", "--signal=KILL", unit)


def test_without_a_word_of_the_application_the_init_gives_the_signs_of_life(m: Machine) -> None:
    seconds = 16  # it gives them twice as often as it has to
    unit = service(m, "sh", "-c", "echo \"${WATCHDOG_USEC-unset} ${NOTIFY_SOCKET-unset}\"; exec sleep 1000",
                   rest=f"[Service]\nWatchdogSec={seconds}\n")
    m.start(unit)
    first = int(m.unit(unit, "ActiveEnterTimestampMonotonic"))
    m.wait_for(lambda: int(m.unit(unit, "WatchdogTimestampMonotonic")) > first + seconds * 250000, "a sign of life that is not its first")
    assert "unset unset" in said(m, unit)
    assert m.unit(unit, "ActiveState") == "active"


@pytest.mark.parametrize("users", ["no", "identity", "0:65536"])
def test_the_hosts_root_may_not_speak_for_itself(m: Machine, users: str) -> None:
    unit = service(m, "true", container=f"Notify=yes\nInit=no\nPrivateUsers={users}")
    assert refused(m, unit) == (
        f"/etc/berth/{unit}.berth:4: Notify=yes with Init=no and PrivateUsers={users} would let the container's root speak "
        "to systemd as the host's; leave one of the three out")


def test_healthy_is_ready_at_the_first_good_check(m: Machine) -> None:
    unit = service(m, "sleep", "1000", container="Notify=healthy\nEphemeral=yes", rest="""
        [Health]
        Exec=test -e /tmp/well
        Interval=1
        Retries=1
        OnFailure=stop
        """)
    m.run("systemctl", "start", "--no-block", unit)
    m.wait_for(lambda: m.unit(f"berth-health@{unit}.service", "ExecMainStatus") == "1", "a check that fails")
    assert m.unit(unit, "ActiveState") == "activating"  # and was not stopped
    inside(m, unit, "touch", "/tmp/well")
    m.wait_state(unit, "active", timeout=20)
    inside(m, unit, "rm", "/tmp/well")
    m.wait_state(unit, "inactive", timeout=20)


def test_the_init_stays_small(m: Machine) -> None:
    """What it shares with no other process, after it has passed something on: 200 KiB at most."""
    unit = app(m)
    tell(m, unit, 'say("READY=1")')
    m.wait_state(unit, "active")
    figures = dict(line.split(":") for line in m.read(f"/proc/{main_pid(m, unit)}/smaps_rollup").splitlines()[1:])
    assert int(figures["Pss"].removesuffix(" kB")) <= 200, figures
