"""Each unit of the golden tests is good to the systemd of each Debian that Berth runs on."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from harness import machine as machines
from harness import roots

pytestmark = pytest.mark.system

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_systemd_loads_every_golden_unit_without_a_word(suite: str, progress: roots.Progress) -> None:
    if machines.missing():
        pytest.skip(machines.missing())
    roots.get("machine", suite, progress)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(GOLDEN, "golden")
    with machines.Machine.boot(None, suite, ()) as m:
        m.run("tar", "-x", "-C", "/tmp", "--no-same-owner", input=packed.getvalue(), timeout=60)
        done = m.run("python3", "/tmp/golden/verify.py", "/tmp/golden", check=False, timeout=300)
        assert done.rc == 0, done.out
        assert int(done.lines[-1].split()[0]) > 100, done.out
