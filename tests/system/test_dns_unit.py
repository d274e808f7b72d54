"""The DNS of a container with AllowDomain=, as systemd has it: its unit, with other programs in the place of ours."""

from __future__ import annotations

import pytest

from harness.machine import Machine

needs_berth = True
pytestmark = [pytest.mark.system, pytest.mark.images("base")]

MANIFEST = "[Container]\nImage=base\nExec=sleep inf\n[Network]\nAllowDomain=example.com\n"


@pytest.fixture
def pair(m: Machine) -> Machine:
    """The service and its DNS, both of them a sleep."""
    m.manifest("web", MANIFEST)
    m.write("/etc/systemd/system/web.service.d/sleep.conf",
            "[Service]\nType=exec\nExecStart=\nExecStart=/bin/sleep inf\n")
    m.write("/etc/systemd/system/berth-dns@web.service.d/sleep.conf",
            "[Service]\nExecStart=\nExecStart=/bin/sleep inf\n")
    m.reload()
    return m


def moment(m: Machine, unit: str) -> int:
    return int(m.unit(unit, "ActiveEnterTimestampMonotonic"))


def test_it_is_there_before_the_container_and_restarted_with_it(pair: Machine) -> None:
    pair.start("web")
    assert pair.unit("berth-dns@web", "ActiveState") == "active"
    assert moment(pair, "berth-dns@web") < moment(pair, "web")
    before = pair.unit("berth-dns@web", "InvocationID")
    pair.restart("web")
    assert pair.unit("berth-dns@web", "ActiveState") == "active"
    assert pair.unit("berth-dns@web", "InvocationID") != before
    pair.stop("web")
    pair.wait_state("berth-dns@web", "inactive")


def test_it_ends_with_a_container_that_is_killed(pair: Machine) -> None:
    pair.start("web")
    pair.run("systemctl", "kill", "--signal=KILL", "--kill-who=main", "web")
    pair.wait_state("web", "failed")
    pair.wait_state("berth-dns@web", "inactive")


def test_it_is_not_started_by_itself(pair: Machine) -> None:
    done = pair.run("systemctl", "start", "berth-dns@web", check=False)
    assert done.rc != 0
    assert "may be requested by dependency only" in done.err
    assert pair.unit("web", "ActiveState") == "inactive"


def test_it_has_two_capabilities_and_a_user_of_its_own(pair: Machine) -> None:
    pair.start("web")
    status = pair.read(f"/proc/{pair.unit('berth-dns@web', 'MainPID')}/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    net_admin_and_bind_service = f"{1 << 12 | 1 << 10:016x}"
    for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb"):
        assert fields[name] == net_admin_and_bind_service, name
    assert int(fields["Uid"].split()[0]) >= 61184  # of systemd's dynamic ones
    assert fields["Seccomp"] == "2"


def test_launch_refuses_what_it_does_not_do_yet_and_nothing_stays(m: Machine) -> None:
    m.manifest("web", MANIFEST)
    m.reload()
    assert m.start("web", check=False).rc != 0
    assert "is not supported by this version of Berth" in m.journal("web")
    m.wait_state("berth-dns@web", "inactive")
