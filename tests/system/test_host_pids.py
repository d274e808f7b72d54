"""PidNamespace=host under systemd: the unit's control group is all that ends the container, and it does."""

from __future__ import annotations

import json

import pytest

from harness.machine import Machine
from harness.system import Snapshot
from test_launch import inside, job, main_pid, refused, said, service, wait_for_line

needs_berth = True
pytestmark = [pytest.mark.system, pytest.mark.images("base", "machine")]

HOST = "PidNamespace=host"

#: Leaves processes of every kind: in the background, in sessions of their own, children of nobody; deaf to all but KILL.
LEAVE = """
trap "" HUP INT
for i in 1 2 3 4 5 6 7 8; do setsid sh -c 'trap "" TERM HUP INT; sleep 996 & sleep 996' & done
(setsid sh -c '(setsid sleep 996 &)' &)
(sleep 996 &)
"""


def left(m: Machine) -> list[str]:
    return [line for line in m.run("pgrep", "-ax", "sleep", check=False).out.splitlines() if line.endswith(" 996")]


def leave(m: Machine, unit: str) -> None:
    """Waits for them, and has an exec leave some more."""
    m.wait_for(lambda: len(left(m)) == 18, "its processes")
    inside(m, unit, "sh", "-c", "exec >/dev/null 2>&1; setsid sleep 996 & (setsid sleep 996 &)")
    m.wait_for(lambda: len(left(m)) == 20, "those of an exec")


def assert_gone(m: Machine, before: Snapshot) -> None:
    assert left(m) == []
    m.assert_nothing_left(before)


@pytest.mark.parametrize("init", ["", "Init=no"])
def test_a_stop_leaves_no_process_whatever_it_has_made_of_itself(m: Machine, init: str) -> None:
    """With neither a wait for the timeout nor one of systemd's own KILLs: cleanup ends what the leader has left."""
    unit = service(m, "bash", "-c", LEAVE + "trap 'exit 0' TERM; while :; do sleep 0.05; done", container=f"{HOST}\n{init}\nStopTimeout=50")
    before = m.leaks_snapshot()
    for _ in range(2):
        m.start(unit)
        leave(m, unit)
        m.stop(unit)
        assert m.unit(unit, "Result") == "success"
        assert_gone(m, before)
    assert "(sleep) with signal SIGKILL" not in m.journal(unit)


def test_a_restart_has_none_of_the_processes_before(m: Machine) -> None:
    unit = service(m, "bash", "-c", LEAVE + "trap 'exit 0' TERM; while :; do sleep 0.05; done", container=HOST)
    before = m.leaks_snapshot()
    m.start(unit)
    leave(m, unit)
    first = left(m)
    m.restart(unit)
    m.wait_for(lambda: len(left(m)) == 18, "its processes")
    assert not set(first) & set(left(m))
    m.stop(unit)
    assert_gone(m, before)


@pytest.mark.parametrize("init", ["", "Init=no"])
def test_a_job_that_has_ended_leaves_no_process(m: Machine, init: str) -> None:
    before = m.leaks_snapshot()
    unit = service(m, "bash", "-c", LEAVE + "sleep 0.2; echo done", container=f"{HOST}\n{init}", rest="[Service]\nType=oneshot")
    m.start(unit)
    assert "done" in said(m, unit)
    assert_gone(m, before)


@pytest.mark.parametrize("init", ["", "Init=no"])
def test_a_command_that_fails_leaves_no_process_and_keeps_its_status(m: Machine, init: str) -> None:
    before = m.leaks_snapshot()
    unit = service(m, "bash", "-c", LEAVE + "mkfifo /tmp/go; read -r < /tmp/go", container=f"{HOST}\n{init}")
    m.start(unit)
    leave(m, unit)
    m.run("berth", "kill", "--signal=KILL", unit)
    m.wait_state(unit, "failed")
    assert m.unit(unit, "Result") == "signal"
    assert_gone(m, before)
    failing = service(m, "bash", "-c", LEAVE + "exit 9", container=f"{HOST}\n{init}")
    m.start(failing)
    m.wait_state(failing, "failed")
    assert m.unit(failing, "ExecMainStatus") == "9"
    assert_gone(m, before)


def test_a_command_that_has_no_handler_ends_by_the_stop(m: Machine) -> None:
    """It is no PID 1, to which the kernel would not give the signal."""
    unit = service(m, "sleep", "1000", container=f"{HOST}\nInit=no\nStopTimeout=50")
    m.start(unit)
    m.stop(unit)
    assert m.unit(unit, "Result") == "success"


def test_it_runs_like_any_other(m: Machine) -> None:
    unit = service(m, "bash", "-c", "trap 'echo reloaded' HUP; trap 'exit 0' TERM; systemd-notify --ready --status=here; echo $PPID; "
                   "while :; do sleep 0.05; done", image="machine",
                   container=f"{HOST}\nNotify=yes\nReloadSignal=HUP", rest="[Health]\nExec=true\nInterval=1s")
    m.start(unit)
    pid = main_pid(m, unit)
    wait_for_line(m, unit, str(pid))
    assert m.unit(unit, "StatusText") == "here"
    m.run("systemctl", "reload", unit)
    wait_for_line(m, unit, "reloaded")
    m.wait_for(lambda: json.loads(m.run("berth", "status", "--json", unit).out)["health"] == "healthy", "health")
    inspected = json.loads(m.run("berth", "inspect", "--json", unit).out)
    assert inspected["namespaces"]["pid"] == "host" and "processes of the host" in inspected["can"]["reach"]
    m.wait_for(lambda: f"Leader={pid}\n" in m.run("machinectl", "show", unit, check=False).out, "machined's entry")
    m.run("berth", "freeze", unit)
    assert "frozen" in inside(m, unit, "true", check=False).err
    m.run("berth", "thaw", unit)
    assert inside(m, unit, "cat", "/proc/1/comm").out == "systemd\n"
    assert m.run("berth", "kill", unit, "1", check=False).rc == 1
    m.stop(unit)
    assert m.unit(unit, "Result") == "success"
    m.wait_for(lambda: m.run("machinectl", "--no-legend", "list").out == "", "end of machined's entry")


def test_the_options_of_the_hosts_proc_hold_inside(m: Machine) -> None:
    """hidepid=, which an administrator has set, is not undone by a procfs of another kind."""
    m.run("mount", "-o", "remount,hidepid=invisible", "/proc")
    try:
        assert job(m, "test -e /proc/1 || echo none; test -e /proc/self/stat && echo own", HOST) == ["none", "own"]
    finally:
        m.run("mount", "-o", "remount,hidepid=off", "/proc")
    assert job(m, "test -e /proc/1 && echo there", HOST) == ["there"]


@pytest.mark.parametrize("users", ["no", "identity", "0:65536"])
def test_it_is_not_for_root_of_the_host(m: Machine, users: str) -> None:
    unit = service(m, "true", container=f"{HOST}\nPrivateUsers={users}")
    assert refused(m, unit) == (
        f"/etc/berth/{unit}.berth:4: PidNamespace= is 'host', which needs user ids of its own: with PrivateUsers=no or identity the "
        "container's root is the host's, and could end all of the host's processes; use PrivateUsers=pick")


def test_check_says_what_it_shows(m: Machine) -> None:
    check = m.run("berth", "check", service(m, "true", container=HOST))
    assert "warning: PidNamespace=host shows the container all processes of the host, with their command lines" in check.out


def test_what_was_run_and_is_killed_leaves_no_process(m: Machine) -> None:
    """berth run, whose client is killed: its exec ends with it, and the container with that."""
    before = m.leaks_snapshot()
    m.write("/root/run.berth", f"[Container]\nImage=base\n{HOST}\n")
    client = m.popen("berth", "run", "--name=runner", "/root/run.berth", "--", "bash", "-c", LEAVE + "sleep 996")
    m.wait_for(lambda: len(left(m)) == 19, "its processes")
    m.run("pkill", "-KILL", "-f", "^berth run --name=runner")
    m.wait_for(lambda: m.unit("runner", "LoadState") == "not-found", "end of the unit")
    client.communicate(timeout=30)
    assert_gone(m, before)
