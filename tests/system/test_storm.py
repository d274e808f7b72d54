"""A storm of kill -9: whatever of Berth runs is killed at moments of no choice, round after round, and at the end
nothing is there that was not before. Where test_kill.py kills a program at each of its calls in turn, here several run
at once: a stop while a command is executed, a start while a health check is.

The ordinary run has few rounds, always the same; `-m long` a thousand, of a seed that a failure names, for
BERTH_STORM_SEED=N."""

from __future__ import annotations

import json
import os
import random
from collections import Counter

import pytest

from harness.machine import Machine

needs_berth = True
pytestmark = [pytest.mark.system, pytest.mark.images("base")]

SETTINGS = {"storm-plain": "", "storm-bare": "Init=no", "storm-root": "PrivateUsers=no", "storm-read": "ReadOnly=yes"}

MANIFEST = """
    [Container]
    Image=base
    Exec=bash -c 'trap "exit 0" TERM; while :; do sleep 0.05 & wait; done'
    Volume=data:/mnt
    %s
    [Network]
    Mode=none
    [Health]
    Exec=true
    Interval=1h
    [Unit]
    StartLimitIntervalSec=0
    [Service]
    TimeoutStartSec=60
    TimeoutStopSec=5
"""

# Runs in the machine: rounds of "begin something, wait a moment, kill a process that belongs to it".
STORM = r"""
import json, os, random, signal, subprocess, sys, time

seed, rounds, names = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
choice = random.Random(seed)
TOP = "/sys/fs/cgroup"

def processes(group):
    found = []
    for directory, _, _ in os.walk(group):
        try:
            found += [int(pid) for pid in open(f"{directory}/cgroup.procs").read().split()]
        except OSError:
            pass
    return found

def show(unit, prop):
    return subprocess.run(["systemctl", "show", "--value", "-p", prop, unit], stdout=subprocess.PIPE, text=True).stdout.strip()

def until(condition, what):
    end = time.monotonic() + 60
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"round {number}, {action} of {name}: {what} does not come")
        time.sleep(0.002)

def settled(unit):
    return show(unit, "ActiveState") in ("active", "inactive", "failed") and not show(unit, "Job")

def kill_one(group, begun, extra=()):
    # what it is goes into the log: a storm that always hits the same is none
    while True:
        found = [pid for pid in processes(group) if pid > 1] + list(extra)
        if found:
            pid = choice.choice(found)
            try:
                comm = open(f"/proc/{pid}/comm").read().strip()
                os.kill(pid, signal.SIGKILL)
                return comm
            except OSError:
                continue
        if begun.poll() is not None:
            return None

for number in range(rounds):
    name, action = choice.choice(names), choice.choice(["start", "stop", "exec", "health", "leader"])
    group = f"{TOP}/machine.slice/{name}.service"
    until(lambda: settled(name), "rest")
    running = show(name, "ActiveState") == "active"
    if running != (action != "start"):
        subprocess.run(["systemctl", "stop" if running else "start", name], check=True)
    health = f"berth-health@{name}.service"
    begun = subprocess.Popen({"exec": ["berth", "exec", name, "--", "sh", "-c", "sleep 0.02 & sleep 0.01; wait"],
                              "health": ["systemctl", "start", health],
                              "leader": ["true"]}.get(action, ["systemctl", action, name]),
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(choice.choice([0, 0.001, 0.003, 0.01, 0.02]) * choice.random())
    if action == "exec":
        killed = kill_one(f"{group}/guard", begun, [begun.pid] + [
            pid for exec_group in os.listdir(group) if exec_group.startswith("exec-") for pid in processes(f"{group}/{exec_group}")])
    elif action == "health":
        killed = kill_one(TOP + (show(health, "ControlGroup") or "/none"), begun)
    else:
        killed = kill_one(group, begun)
    try:
        begun.wait(60)
    except subprocess.TimeoutExpired:
        sys.exit(f"round {number}, {action} of {name}: hangs after {killed} was killed")
    if action == "exec":  # a command never outlives both its client and its guard
        until(lambda: not [pid for directory in os.listdir(group) if directory.startswith("exec-")
                           for pid in processes(f"{group}/{directory}")] if os.path.isdir(group) else True, "end of the command")
    until(lambda: settled(name), "rest")
    print(json.dumps({"round": number, "name": name, "action": action, "killed": killed, "state": show(name, "ActiveState")}))
"""


def descriptors(m: Machine) -> int:
    """Of the machine's systemd."""
    return int(m.sh("ls /proc/1/fd | wc -l").out)


def units(m: Machine) -> list[str]:
    listed = m.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "berth-*", "run-*").lines
    return sorted(line.split()[0] for line in listed)


@pytest.mark.parametrize("rounds, batch", [pytest.param(30, 15, id="short"),
                                           pytest.param(1000, 50, id="long", marks=pytest.mark.long)])
def test_a_storm_leaves_nothing(m: Machine, rounds: int, batch: int) -> None:
    for name, setting in SETTINGS.items():
        m.manifest(name, MANIFEST % setting)
    m.reload()
    m.write("/run/storm.py", STORM)
    for name in SETTINGS:
        m.start(name)
        m.stop(name)
    before, mountinfo, open_files, known = m.leaks_snapshot(), m.mountinfo(), descriptors(m), units(m)
    seed = int(os.environ.get("BERTH_STORM_SEED") or (random.SystemRandom().randrange(1 << 32) if rounds >= 1000 else 1))
    killed: Counter[str] = Counter()
    for first in range(0, rounds, batch):
        result = m.run("python3", "/run/storm.py", seed + first, batch, *SETTINGS, check=False, timeout=600)
        assert result.rc == 0, f"seed {seed + first}: {result}\n{m.journal()[-5000:]}"
        killed.update(f"{line['action']} {line['killed']}" for line in map(json.loads, result.lines))
        for name in SETTINGS:
            m.stop(name, check=False)
        if any("code=killed" in m.unit(name, "ExecStopPost") for name in SETTINGS):
            m.run("berth", "clean", "--all")  # a cleanup that was killed is made good by the next start, or by this
        m.run("systemctl", "reset-failed")
        try:
            m.assert_nothing_left(before)
            assert m.mountinfo() == mountinfo
            m.wait_for(lambda: descriptors(m) <= open_files, "end of what systemd had open")
            m.wait_for(lambda: units(m) == known, "end of the units")
        except AssertionError as error:
            raise AssertionError(f"seed {seed + first}, {batch} rounds:\n{result.out}\n{error}") from None
    print(f"seed {seed}: {dict(killed.most_common())}")  # pytest -rP shows it
    if rounds >= 1000:
        assert len(killed) >= 10, killed
    for name in SETTINGS:
        m.start(name)
        assert m.run("berth", "exec", name, "--", "echo", "works").out == "works\n"
        m.stop(name)
