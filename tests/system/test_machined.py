"""What machinectl can do with a container, and what it says where it cannot."""

from __future__ import annotations

import pytest

from harness.machine import Machine

needs_berth = True
pytestmark = [pytest.mark.system, pytest.mark.images("base")]


def machines(m: Machine) -> list[str]:
    return [line.split()[0] for line in m.run("machinectl", "list", "--no-legend", "--no-pager").lines]


def up(m: Machine, name: str = "web", container: str = "", unit: str = "") -> None:
    """Starts a container and waits until machined knows it, which the start does not."""
    m.manifest(name, f"[Container]\nImage=base\nExec=sleep 1000\n{container}\n")
    m.reload()
    m.start(unit or name)
    machine = (unit or name).replace("@", "-")
    m.wait_for(lambda: machine in machines(m), f"machine {machine}")


def version(m: Machine) -> str:
    """Of the Debian in the image."""
    return m.sh(". /var/lib/berth/images/base/etc/os-release && echo $VERSION_ID").out.strip()


@pytest.mark.parametrize("container", ["", "Init=no"])
def test_a_container_is_listed_while_it_runs(m: Machine, container: str) -> None:
    before = m.leaks_snapshot()
    up(m, container=container)
    line = m.run("machinectl", "list", "--no-legend", "--no-pager").out.split()
    assert line[:5] == ["web", "container", "berth", "debian", version(m)]
    shown = dict(line.split("=", 1) for line in m.run("machinectl", "show", "web").lines)
    assert (shown["Unit"], shown["Leader"], shown["Class"], shown["State"]) == \
        ("web.service", m.unit("web", "MainPID"), "container", "running")
    m.stop("web")
    m.wait_for(lambda: machines(m) == [], "empty list")
    m.assert_nothing_left(before)


def test_status_shows_leader_unit_processes_and_ids(m: Machine) -> None:
    up(m)
    status = m.run("machinectl", "status", "--no-pager", "web").out
    base = m.read(f"/proc/{m.unit('web', 'MainPID')}/uid_map").split()[1]
    for expected in (f"Leader: {m.unit('web', 'MainPID')} (berth-init)", "Service: berth; class container",
                     f"OS: Debian GNU/Linux {version(m)}", f"UID Shift: {base}", "Unit: web.service", "sleep 1000"):
        assert expected in status, status


def test_an_instance_is_listed_with_a_name_that_a_machine_may_have(m: Machine) -> None:
    up(m, "tpl@", unit="tpl@one")
    assert machines(m) == ["tpl-one"]
    # the container tpl-one is another, of the same name there: who came first has it
    m.manifest("tpl-one", "[Container]\nImage=base\nExec=sleep 1000\n")
    m.reload()
    m.start("tpl-one")
    m.wait_for(lambda: "is not entered into systemd-machined: another machine is called 'tpl-one'" in m.journal("tpl-one"),
               "its warning")
    m.stop("tpl-one")
    assert dict(line.split("=", 1) for line in m.run("machinectl", "show", "tpl-one").lines)["Unit"] == "tpl@one.service"
    m.stop("tpl@one")
    m.wait_for(lambda: machines(m) == [], "empty list")


def test_terminate_stops_the_service_in_order(m: Machine) -> None:
    before = m.leaks_snapshot()
    up(m)
    m.run("machinectl", "terminate", "web")
    m.wait_state("web", "inactive")
    assert m.unit("web", "Result") == "success"
    m.assert_nothing_left(before)


def test_poweroff_stops_it_too(m: Machine) -> None:
    up(m)
    m.run("machinectl", "poweroff", "web")
    m.wait_state("web", "inactive")
    assert m.unit("web", "Result") == "success"


def test_a_signal_goes_to_the_command(m: Machine) -> None:
    m.manifest("web", """
        [Container]
        Image=base
        Exec=bash -c 'trap "echo got it" USR1; echo up; while :; do sleep 0.02; done'
    """)
    m.reload()
    m.start("web")
    m.wait_for(lambda: machines(m) == ["web"] and "up" in m.journal("web").splitlines(), "machine")
    m.run("machinectl", "kill", "--kill-whom=leader", "--signal=USR1", "web")
    m.wait_for(lambda: "got it" in m.journal("web").splitlines(), "signal")


def test_a_file_can_be_copied_out(m: Machine) -> None:
    up(m)
    m.run("rm", "-f", "/tmp/out")
    m.run("berth", "exec", "web", "--", "sh", "-c", "echo from inside >/tmp/in")
    m.run("machinectl", "copy-from", "web", "/tmp/in", "/tmp/out")
    assert m.read("/tmp/out") == "from inside\n"


def test_a_file_can_be_copied_in_only_where_ids_are_the_hosts(m: Machine) -> None:
    m.write("/tmp/file", "from outside\n")
    up(m)
    result = m.run("machinectl", "copy-to", "web", "/tmp/file", "/tmp/file", check=False)
    assert (result.rc, result.err) == (1, "Failed to copy: Value too large for defined data type\n")
    up(m, "plain", "PrivateUsers=no")
    m.run("machinectl", "copy-to", "plain", "/tmp/file", "/tmp/file")
    assert m.run("berth", "exec", "plain", "--", "cat", "/tmp/file").out == "from outside\n"


@pytest.mark.parametrize("argv, error", [
    (("shell", "web"), "Failed to get shell PTY: There is no system bus in container web.\n"),
    (("login", "web"), "Failed to get login PTY: There is no system bus in container web.\n"),
    (("bind", "web", "/srv"), "Failed to bind mount: Can't bind mount on container with user namespacing applied.\n"),
])
def test_what_cannot_work_fails_and_says_why(m: Machine, argv: tuple[str, ...], error: str) -> None:
    up(m)
    result = m.run("machinectl", *argv, check=False)
    assert (result.rc, result.err) == (1, error)  # and not that it took too long
    assert m.unit("web", "ActiveState") == "active"


def test_a_hundred_restarts_leave_no_stale_machine(m: Machine) -> None:
    m.write("/etc/systemd/system/web.service.d/often.conf", "[Unit]\nStartLimitIntervalSec=0\n")
    up(m)
    for _ in range(100):
        m.restart("web")
    leader = m.unit("web", "MainPID")
    m.wait_for(lambda: machines(m) == ["web"] and m.run("machinectl", "show", "-p", "Leader", "--value", "web", check=False)
               .out.strip() == leader, "the machine of the last start")
    log = m.journal()
    assert "Failed to stop machine scope" not in log and "already exists" not in log
    assert m.unit("web", "ActiveState") == "active"
    m.stop("web")
    m.wait_for(lambda: machines(m) == [], "empty list")


def test_a_killed_leader_leaves_no_machine_in_the_way(m: Machine) -> None:
    up(m)
    for _ in range(10):
        m.run("kill", "-9", m.unit("web", "MainPID"))
        m.wait_state("web", "failed")
        m.start("web")
        m.wait_for(lambda: machines(m) == ["web"], "machine")
        m.run("systemctl", "reset-failed", "web")
    assert m.unit("web", "ActiveState") == "active"


#: Seconds that systemd's library waits for an answer on the bus.
BUS_TIMEOUT = 25


def test_it_starts_where_there_is_no_machined(m: Machine) -> None:
    m.run("systemctl", "mask", "--runtime", "systemd-machined.service")
    m.run("systemctl", "stop", "systemd-machined.service")
    try:
        before = m.leaks_snapshot()
        m.manifest("web", "[Container]\nImage=base\nExec=sleep 1000\n")
        m.reload()
        assert m.start("web").seconds < BUS_TIMEOUT
        m.stop("web")
        assert m.unit("web", "Result") == "success"
        m.assert_nothing_left(before)
    finally:
        m.run("systemctl", "unmask", "--runtime", "systemd-machined.service")
