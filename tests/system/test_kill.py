"""kill -9, at every moment that there is: nothing stays, nothing hangs, the next start works.

A helper is killed at each of its system calls in turn: strace first writes down which it makes,
then ends the helper with SIGKILL at the entry of the first, the second... of them, before the
call is made. `-D` keeps the helper the unit's own main process; the leader, its sibling by
CLONE_PARENT, is not traced. The ordinary run takes every seventh call, `-m long` all of them.
"""

from __future__ import annotations

import re
from collections import Counter

import pytest

from harness.machine import Machine
from harness.moments import STRACE, Moment, moments
from harness.system import Snapshot

needs_berth = True
pytestmark = [pytest.mark.system, pytest.mark.images("base")]

STEP = 7


def chosen(found: list[Moment], every: bool, phase: int = 0) -> list[Moment]:
    return found if every else found[phase::STEP]


EVERY = [pytest.param(False, id="sample"), pytest.param(True, id="every", marks=pytest.mark.long)]


class Traced:
    """A unit whose ExecStart= or ExecStopPost= runs as /run/how says: as it is, or with strace
    and its options before it. So no round needs a daemon-reload."""

    def __init__(self, m: Machine, directive: str, manifest: str) -> None:
        self.m = m
        m.manifest("victim", manifest)
        m.reload()
        unit = m.read("/run/systemd/generator/victim.service")
        command = re.search(rf"^{directive}=:(.*)$", unit, re.M)
        assert command
        m.write("/run/how", "")
        m.write("/run/victim.sh", f"read -r how </run/how || :\nexec $how {command[1]}\n")
        m.write("/etc/systemd/system/victim.service.d/kill.conf",
                f"[Service]\n{directive}=\n{directive}=/bin/bash /run/victim.sh\n")
        m.reload()
        m.start("victim")
        self.wait_until_it_hears()
        m.stop("victim")
        self.before: Snapshot = m.leaks_snapshot()
        self.mountinfo = m.mountinfo()

    def how(self, options: str) -> None:
        self.m.write("/run/how", f"{' '.join(STRACE)} -D {options}\n" if options else "")

    def trace(self) -> list[Moment]:
        self.how("-o /run/trace")
        self.m.start("victim")
        self.wait_until_it_hears()
        self.m.stop("victim")
        self.how("")
        found = moments(self.m.read("/run/trace"))
        assert len(found) > 20, self.m.read("/run/trace")
        return found

    def assert_clean(self, moment: Moment) -> None:
        try:
            self.m.assert_nothing_left(self.before)
        except AssertionError as error:
            raise AssertionError(f"after the kill at {moment.line}\n{error}") from None
        assert self.m.mountinfo() == self.mountinfo, moment.line

    def assert_works(self, moment: Moment) -> None:
        self.how("")
        result = self.m.start("victim", check=False)
        assert result.rc == 0, f"after the kill at {moment.line}\n{result}\n{self.m.journal('victim')[-2000:]}"
        self.wait_until_it_hears()
        self.m.stop("victim")
        assert self.m.unit("victim", "Result") == "success", moment.line

    def wait_until_it_hears(self) -> None:
        """With Init=no the unit is there with the exec, and TERM is lost on a PID 1 that has no handler yet."""
        status = f"/proc/{self.m.unit('victim', 'MainPID')}/status"
        self.m.wait_for(lambda: any(int(mask, 16) & 1 << 14 for mask in re.findall(r"^Sig(?:Cgt|Blk):\t(\w+)", self.m.read(status), re.M)),
                        "a handler of TERM")


def manifest(setting: str = "", start: int = 60) -> str:
    return f"""
    [Container]
    Image=base
    Exec=bash -c 'trap "exit 0" TERM; while :; do sleep 0.05 & wait; done'
    Volume=data:/etc/skel
    {setting}
    [Unit]
    StartLimitIntervalSec=0
    [Service]
    TimeoutStartSec={start}
    TimeoutStopSec=60
    """


def lives_on(found: list[Moment]) -> int:
    """After which call the container does without the helper: the init, or who stands in for it, waits for a last word."""
    return next(i for i, moment in enumerate(found) if moment.call == "write" and '"R", 1' in moment.line)


@pytest.mark.parametrize("every", EVERY)
@pytest.mark.parametrize("setting", ["", "PrivateUsers=no", "Init=no", pytest.param("PidNamespace=host", marks=pytest.mark.long),
                                     pytest.param("PidNamespace=host\nInit=no", marks=pytest.mark.long)])
def test_a_launch_that_is_killed_leaves_nothing(m: Machine, setting: str, every: bool) -> None:
    victim = Traced(m, "ExecStart", manifest(setting))
    m.run("rm", "-rf", "/var/lib/berth/volumes/victim")
    found = victim.trace()
    told = lives_on(found)
    seen: Counter[str] = Counter()
    for index, moment in enumerate(found):
        # the sample has the moments around the hand-over as well
        if not every and index % STEP and not (setting in ("", "Init=no") and told - 4 <= index <= told + 2):
            continue
        m.run("rm", "-rf", "/var/lib/berth/volumes/victim")
        victim.how(" ".join(moment.options))
        m.start("victim", check=False)
        m.wait_for(lambda: m.unit("victim", "ActiveState") in ("active", "failed"), f"end of {moment.line}")
        state, outcome = m.unit("victim", "ActiveState"), m.unit("victim", "Result")
        if state == "active" and index <= told:  # READY=1 is on its way, and the leader sees that it is alone
            m.wait_for(lambda: m.unit("victim", "ActiveState") == "failed", f"failed unit after the kill at {moment.line}")
            state, outcome = "failed", m.unit("victim", "Result")
        seen[f"{state}/{outcome}"] += 1
        if state == "active":
            assert index > told, f"killed at {moment.line} and yet active"
            victim.wait_until_it_hears()
            m.stop("victim")
        else:
            assert outcome in ("signal", "exit-code"), moment.line
        victim.assert_clean(moment)
        if index % (STEP * 4) == 0 or every:
            victim.assert_works(moment)
    victim.assert_works(found[-1])
    # whole, whatever had been begun
    files = m.sh("cd /var/lib/berth/images/base/etc/skel && find . -type f -exec sha256sum {} + | sort").out
    assert m.sh("cd /var/lib/berth/volumes/victim/data && find . -type f -exec sha256sum {} + | sort").out == files
    assert m.run("ls", "-A", "/var/lib/berth/volumes/victim").out == "data\n"
    assert seen["failed/signal"] > 10 and seen["failed/exit-code"] > 0, seen


@pytest.mark.parametrize("every", EVERY)
def test_a_cleanup_that_is_killed_is_made_good_by_the_next_start_or_by_clean(m: Machine, every: bool) -> None:
    victim = Traced(m, "ExecStopPost", manifest())
    found = victim.trace()
    for index, moment in enumerate(chosen(found, every)):
        victim.how(" ".join(moment.options))
        m.start("victim")
        m.stop("victim", check=False)
        m.wait_for(lambda: m.unit("victim", "ActiveState") in ("inactive", "failed"), "end")
        assert m.unit("victim", "Result") != "timeout", moment.line
        if index % 2:
            m.run("berth", "clean", "--all")
            victim.assert_clean(moment)
        victim.assert_works(moment)
        victim.assert_clean(moment)


@pytest.mark.parametrize("every", EVERY)
def test_an_exec_that_is_killed_takes_its_command_along_and_nobody_else(m: Machine, every: bool) -> None:
    m.manifest("victim", manifest())
    m.reload()
    before = m.leaks_snapshot()
    m.start("victim")
    leader = m.unit("victim", "MainPID")
    command = "berth exec victim -- sh -c 'sleep 997 & sleep 0.1; kill $!'"
    m.sh(f"{' '.join(STRACE)} -o /run/trace {command}")
    found = moments(m.read("/run/trace"))
    assert len(found) > 20
    for moment in chosen(found, every):
        # without -D here: the caller waits for the tracer, and that for the helper
        result = m.sh(f"{' '.join((*STRACE, *moment.options))} {command}", check=False)
        assert result.rc in (137, 0), f"{result} at {moment.line}"
        m.wait_for(lambda: not m.sh("cat /sys/fs/cgroup/machine.slice/victim.service/exec-*/cgroup.procs "
                                    "2>/dev/null || :").out, f"end of what was executed, killed at {moment.line}")
        assert " 997" not in m.run("pgrep", "-a", "sleep").out, moment.line
        assert m.unit("victim", "MainPID") == leader and m.unit("victim", "ActiveState") == "active"
    assert m.run("berth", "exec", "victim", "--", "echo", "works").out == "works\n"
    # the empty groups of those killed are swept by the execs after them, or go with the unit
    m.stop("victim")
    assert m.unit("victim", "Result") == "success"
    m.assert_nothing_left(before)


@pytest.mark.parametrize("setting", ["", "Init=no", "PrivateUsers=no", "Ephemeral=no", "PidNamespace=host", "PidNamespace=host\nInit=no"])
def test_a_killed_leader_leaves_nothing(m: Machine, setting: str) -> None:
    m.manifest("victim", manifest(setting))
    m.reload()
    before, mountinfo = m.leaks_snapshot(), m.mountinfo()
    for _ in range(5):
        m.start("victim")
        m.run("kill", "-9", m.unit("victim", "MainPID"))
        m.wait_state("victim", "failed")
        assert m.unit("victim", "Result") == "signal"
        m.assert_nothing_left(before, ignore=["layers"] if setting == "Ephemeral=no" else [])
        assert m.mountinfo() == mountinfo
    m.start("victim")


@pytest.mark.parametrize("setting", ["", "PidNamespace=host"])
def test_a_leader_killed_under_many_processes_takes_them_all(m: Machine, setting: str) -> None:
    before = m.leaks_snapshot()
    m.manifest("victim", f"""
        [Container]
        Image=base
        {setting}
        Exec=bash -c 'for i in {{1..50}}; do (setsid sleep 998 &) ; done; echo up; sleep 998'
    """)
    m.reload()
    m.start("victim")
    m.wait_for(lambda: len(m.run("pgrep", "-x", "sleep", "-a", check=False).out.split(" 998")) > 50, "its processes")
    m.run("kill", "-9", m.unit("victim", "MainPID"))
    m.wait_state("victim", "failed")
    assert " 998" not in m.run("pgrep", "-x", "sleep", "-a", check=False).out
    m.assert_nothing_left(before)


@pytest.mark.parametrize("setting", ["", "PidNamespace=host"])
def test_a_unit_killed_whole_leaves_nothing(m: Machine, setting: str) -> None:
    m.manifest("victim", manifest(setting))
    m.reload()
    before = m.leaks_snapshot()
    for _ in range(5):
        m.start("victim")
        m.run("systemctl", "kill", "--signal=KILL", "victim")
        m.wait_state("victim", "failed")
        m.assert_nothing_left(before)
