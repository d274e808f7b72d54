"""What exec --json and run tell where the kernel counts and limits; and the limits of exec --scope."""

from __future__ import annotations

import re

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


EAT_LESS = "x = b'1' * (128 << 20)"
SCOPED = "[Container]\nImage=base\nExec=sleep 1000\n[Network]\nMode=none\n[Limits]\nMemory=96M\nTasks=64\n"


@pytest.fixture
def w(g: Guest) -> Guest:
    g.manifest("one", SCOPED)
    g.reload()
    g.start("one")
    return g


def no_scope(w: Guest) -> None:
    w.wait_for(lambda: "berth-exec" not in w.sh("ls /sys/fs/cgroup/machine.slice; systemctl list-units --all").out, "end of the scopes")


def exec_(w: Guest, *words: object, check: bool = False):
    return w.run("berth", "exec", "--scope", *words, check=check)


def test_who_takes_too_much_memory_ends_and_the_container_does_not(w: Guest) -> None:
    before = w.leaks_snapshot()
    pid = w.unit("one", "MainPID")
    done = exec_(w, "-p", "MemoryMax=32M", "one", "--", "python3", "-c", EAT_LESS)
    assert (done.rc, done.err) == (137, "the command in container 'one' was killed: it ran out of memory\n")
    # all of it, not what the kernel found first
    done = exec_(w, "-p", "MemoryMax=32M", "--json", "one", "--", "sh", "-c", f'setsid sleep 4401 & python3 -c "{EAT_LESS}"; echo still here')
    told = done.json()
    assert (done.rc, told["exit_code"], told["signal"], told["limit"], told["stdout"]) == (137, None, "KILL", "memory", "")
    assert 16 << 20 < told["memory_peak_bytes"] < 40 << 20 and told["error"] is None
    assert w.run("pgrep", "-fx", "sleep 4401", check=False).rc == 1
    # what the unit has is what a scope has, if nothing else is said
    done = exec_(w, "--json", "one", "--", "python3", "-c", EAT_LESS)
    assert (done.rc, done.json()["limit"]) == (137, "memory")
    # and more than that, where root says so
    done = exec_(w, "--json", "-p", "MemoryMax=256M", "-p", "MemorySwapMax=infinity", "one", "--", "python3", "-c", EAT_LESS)
    assert (done.rc, done.json()["limit"]) == (0, None) and done.json()["memory_peak_bytes"] > 100 << 20
    done = exec_(w, "-p", "MemoryMax=4K", "one", "--", "echo", "never")
    assert (done.rc, done.out) == (137, "")
    assert (w.unit("one", "ActiveState"), w.unit("one", "MainPID"), w.unit("one", "NRestarts")) == ("active", pid, "0")
    assert "oom" not in w.journal("one").lower()
    told = w.run("berth", "status", "one", "--json").json()
    assert told["oom_kills"] == 0 and "limits_hit" not in told
    no_scope(w)
    w.assert_nothing_left(before)


def test_tasks_are_counted_as_they_are_said(w: Guest) -> None:
    assert exec_(w, "-p", "TasksMax=1", "one", "--", "echo", "one").out == "one\n"
    done = exec_(w, "-p", "TasksMax=1", "--json", "one", "--", "sh", "-c", "sleep 0; echo $?")
    assert (done.rc, done.json()["limit"]) == (2, "pids") and "Cannot fork" in done.json()["stderr"]
    assert exec_(w, "-p", "TasksMax=2", "one", "--", "sh", "-c", "sleep 0; echo $?").out == "0\n"
    no_scope(w)


def test_what_was_asked_for_is_what_the_kernel_has(w: Guest) -> None:
    shown = exec_(w, "--json", "-p", "AllowedCPUs=0", "-p", "CPUWeight=idle", "one", "--", "nproc").json()
    assert shown["stdout"] == "1\n" and shown["io_read_bytes"] is not None and 0 < shown["memory_peak_bytes"] < 20_000_000
    script = "for f in memory.max memory.high memory.low memory.swap.max memory.oom.group pids.max cpu.max cpu.weight cpu.idle io.max; do echo $f $(cat $f); done"
    words = ["MemoryMax=64M", "MemoryHigh=48M", "MemoryLow=1M", "MemorySwapMax=8M", "TasksMax=20", "CPUQuota=12.5%", "CPUQuotaPeriodSec=50ms", "CPUWeight=7",
             "IOReadBandwidthMax=/dev/vda 5M", "IOWriteIOPSMax=/dev/vda 100"]
    w.run("systemd-run", "--unit=client", "--collect", "berth", "exec", "--scope", *[f"--property={word}" for word in words], "one", "--", "sh", "-c", "while :; do :; done")
    group = "/sys/fs/cgroup/machine.slice/berth-exec-one-*"
    w.wait_for(lambda: "nr_throttled 0\n" not in w.sh(f"grep nr_throttled {group}/cpu.stat || echo nr_throttled 0", check=False).out, "throttling", 30)
    found = dict(line.split(" ", 1) for line in w.sh(f"cd {group}; {script}").lines)
    assert found == {"memory.max": "67108864", "memory.high": "50331648", "memory.low": "1048576", "memory.swap.max": "8388608", "memory.oom.group": "1",
                     "pids.max": "21", "cpu.max": "6250 50000", "cpu.weight": "7", "cpu.idle": "0",
                     "io.max": "254:0 rbps=5000000 wbps=max riops=max wiops=100"}
    (figures,) = w.run("berth", "stats", "one", "--json").json()[0]["scopes"]
    assert (figures["memory_max_bytes"], figures["tasks_max"], figures["tasks"]) == (67108864, 21, 2) and figures["memory_bytes"] > 0, figures
    assert re.search(r"^ +Scopes: berth-exec-one-\w+\.scope, CPU [0-9.]+s, memory \S+, peak \S+, max 64.0M, tasks 2$", w.run("berth", "status", "one").out, re.MULTILINE)
    w.stop("one")
    no_scope(w)
