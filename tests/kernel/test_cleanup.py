"""berth cleanup, which systemd calls once nothing of a container is left, as root on the running kernel."""

from __future__ import annotations

import subprocess
from typing import Callable

import pytest

from harness.container import Container, end, wait_for
from harness.timing import PATIENCE

pytestmark = pytest.mark.kernel
needs_berth = True


def cleanup(c: Container) -> subprocess.CompletedProcess[str]:
    return subprocess.run([c.berth, "cleanup", f"--name={c.name}"], check=False, text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=2 * PATIENCE)


@pytest.mark.parametrize("rounds", [10, pytest.param(1000, marks=pytest.mark.long)])
def test_it_works_the_moment_that_the_control_group_is_empty(make: Callable[..., Container], rounds: int) -> None:
    """What was killed counts as ended a moment later than that."""
    for _ in range(rounds):
        c = make()
        leader = int(c.state["Pid"])
        c.process.kill()
        end(leader)  # unless it has died with that
        wait_for(lambda: "populated 0" in (c.caller / "cgroup.events").read_text())
        done = cleanup(c)
        assert (done.returncode, done.stdout) == (0, "")
        assert not c.directory.exists()
        c.stop()


def test_of_what_runs_nothing_is_removed(make: Callable[..., Container]) -> None:
    c = make()
    done = cleanup(c)
    assert done.returncode == 1
    assert done.stdout == f"container '{c.name}' is running (leader {c.state['Pid']}); stop it first\n"
    assert c.run("--", "true").returncode == 0
