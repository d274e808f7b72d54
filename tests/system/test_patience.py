"""Steps of a start that take longer than TimeoutStartSec=: each is held up by strace at one of its calls, or waits itself."""

from __future__ import annotations

import re

import pytest

from harness.machine import Machine
from harness.moments import STRACE

needs_berth = True
pytestmark = [pytest.mark.system, pytest.mark.images("base")]

LIMIT, LONGER = 10, 15


def hold_up(m: Machine, name: str, call: str) -> None:
    """From now on the first such call of a launch takes its time. systemd counts for the launch itself, not for the tracer."""
    command = re.search(r"^ExecStart=:(.*)$", m.read(f"/run/systemd/generator/{name}.service"), re.M)
    assert command
    strace = f"{' '.join(STRACE)} -D -o /dev/null -e trace={call} -e inject={call}:delay_enter={LONGER * 1000000}:when=1"
    m.write("/run/slow.sh", f"exec {strace} {command[1]}\n")
    m.write(f"/etc/systemd/system/{name}.service.d/slow.conf", "[Service]\nExecStart=\nExecStart=/bin/bash /run/slow.sh\n")
    m.reload()


def manifest(m: Machine, name: str, container: str = "", rest: str = "") -> None:
    m.manifest(name, f"[Container]\nImage=base\nExec=sleep 1000\n{container}\n{rest}\n[Service]\nTimeoutStartSec={LIMIT}\n")
    m.reload()


def test_a_new_volume_takes_the_time_that_it_needs(m: Machine) -> None:
    manifest(m, "slow", "Volume=data:/etc/skel")
    hold_up(m, "slow", "utimensat")  # after the first file is copied
    m.run("systemctl", "start", "--no-block", "slow")
    m.wait_for(lambda: m.unit("slow", "StatusText") == "Filling a new volume", "what it is at", 30)
    m.start("slow")
    assert (m.unit("slow", "StatusText"), m.unit("slow", "Result")) == ("", "success")
    assert ".bashrc" in m.run("ls", "-A", "/var/lib/berth/volumes/slow/data").out


@pytest.mark.long
def test_what_a_start_has_left_is_removed_in_the_time_that_it_needs(m: Machine) -> None:
    manifest(m, "slow")
    m.sh("mkdir -p /var/lib/berth/layers/slow.ephemeral/up; touch /var/lib/berth/layers/slow.ephemeral/up/file")
    hold_up(m, "slow", "unlinkat")
    m.start("slow")


@pytest.mark.long
def test_a_setup_takes_the_time_that_it_needs(m: Machine) -> None:
    manifest(m, "slow", "Ephemeral=no", f"[Setup]\nExec=sleep {LONGER}\n")
    m.start("slow")


@pytest.mark.long
def test_a_setup_is_brought_to_disk_in_the_time_that_it_needs(m: Machine) -> None:
    manifest(m, "slow", "Ephemeral=no", "[Setup]\nExec=true\n")
    hold_up(m, "slow", "syncfs")
    m.start("slow")


@pytest.mark.long
def test_a_start_that_hangs_elsewhere_has_the_time_that_it_was_given(m: Machine) -> None:
    manifest(m, "slow", "Volume=data:/etc/skel")  # which is filled in no time, and asks for none
    hold_up(m, "slow", "clone3")
    assert m.start("slow", check=False).rc != 0
    assert m.unit("slow", "Result") == "timeout"
