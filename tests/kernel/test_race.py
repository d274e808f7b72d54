"""What opens, makes, mounts on, replaces, packs, unpacks and removes a container's files, against a thread that exchanges
names under it as fast as it can (tests/race/race.c): nothing outside of the container's root may notice."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.kernel
needs_berth = True

CLASSES = ("open", "regular", "beneath", "make-path", "target", "mount", "file", "pack", "arrive", "remove", "copy")


def race(pytestconfig: pytest.Config, what: str, rounds: int) -> tuple[int, str]:
    program = Path(pytestconfig.getoption("--berth-build")).resolve() / "tests/race/race"
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if not program.exists():
        pytest.skip(f"needs {program} (ninja builds it)")
    done = subprocess.run([program, what, str(rounds)], check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=3600)
    return done.returncode, done.stdout


@pytest.mark.parametrize("rounds", [pytest.param(1000, id="some"), pytest.param(100000, id="many", marks=pytest.mark.long)])
@pytest.mark.parametrize("what", CLASSES)
def test_names_that_are_exchanged_meanwhile_lead_nowhere(pytestconfig: pytest.Config, what: str, rounds: int) -> None:
    status, said = race(pytestconfig, what, rounds)
    assert status == 0, said
    counts = re.fullmatch(rf"{what}: (\d+) rounds, (\d+) done, (\d+) swaps\n", said)
    assert counts and int(counts[1]) >= rounds and int(counts[2]) > 0 and int(counts[3]) >= rounds, said


def test_a_path_that_is_checked_and_then_opened_is_caught(pytestconfig: pytest.Config) -> None:
    """That the race is one, and that it is told."""
    status, said = race(pytestconfig, "unsafe", 1_000_000_000)
    assert status == 1 and said.endswith("caught\n"), said
