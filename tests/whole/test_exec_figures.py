"""What exec --json and run tell where the kernel counts and limits."""

from __future__ import annotations

import pytest

from harness.qemu import Guest

needs_berth = True
pytestmark = [pytest.mark.whole]

EAT = "x = b'1' * (200 << 20)"


def test_what_a_command_used_is_counted_for_it_alone(g: Guest) -> None:
    g.manifest("idle", "[Container]\nImage=base\nExec=sleep 1000\n[Network]\nMode=none\n")
    g.reload()
    g.start("idle")
    big = g.run("berth", "exec", "--json", "idle", "--", "sh", "-c", "head -c 40000000 /dev/zero | tail -c 30000000 | wc -c").json()
    small = g.run("berth", "exec", "--json", "idle", "--", "true").json()
    assert (big["stdout"], big["limit"], small["limit"]) == ("30000000\n", None, None)
    assert big["memory_peak_bytes"] > 20_000_000 > small["memory_peak_bytes"] > 0
    assert big["cpu_usec"] > small["cpu_usec"] > 0
    assert small["io_read_bytes"] is not None and small["io_write_bytes"] is not None
    g.stop("idle")


def test_a_run_that_takes_too_much_memory(g: Guest) -> None:
    before = g.leaks_snapshot()
    done = g.run("berth", "run", "--image=base", "--memory=64M", "--json", "--", "python3", "-c", EAT, check=False)
    result = done.json()
    assert (done.rc, result["exit_code"], result["signal"], result["limit"]) == (137, None, "KILL", "memory")
    assert 32 << 20 < result["memory_peak_bytes"] < 96 << 20  # what is counted may be some pages ahead of the limit
    # one of its processes
    done = g.run("berth", "run", "--image=base", "--memory=64M", "--json", "--", "sh", "-c",
                 f'python3 -c "{EAT}"; echo it was $?; exit 3', check=False)
    result = done.json()
    assert (done.rc, result["exit_code"], result["stdout"], result["limit"]) == (3, 3, "it was 137\n", "memory")
    g.assert_nothing_left(before)


def test_a_run_that_starts_too_many(g: Guest) -> None:
    script = "import os\nfor n in range(60):\n    if os.fork() == 0:\n        __import__('time').sleep(1000)\n"
    done = g.run("berth", "run", "--image=base", "--tasks=20", "--json", "--", "python3", "-c", script, check=False)
    result = done.json()
    assert (done.rc, result["exit_code"], result["limit"]) == (1, 1, "pids")
    assert "BlockingIOError" in result["stderr"]
    assert g.run("berth", "run", "--image=base", "--tasks=20", "--json", "--", "true").json()["limit"] is None
