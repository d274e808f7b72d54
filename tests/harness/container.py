"""A container in the foreground of a process of the test's, as root on the running kernel."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import uuid
from pathlib import Path
from typing import Callable

import pytest

from harness.timing import PATIENCE


def cgroup2() -> Path:
    """Where the unified hierarchy is mounted here."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(where)
    pytest.skip("needs a mounted cgroup2")


def wait_for(what: Callable[[], object], seconds: float = PATIENCE) -> object:
    """The first true value of what(), polled."""
    deadline = time.monotonic() + seconds
    while not (value := what()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return value


def lives(pid: int) -> bool:
    """A zombie does not: whether it is reaped is its parent's affair."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def words_of(pid: int) -> list[str]:
    """The command line of a process; of one that has ended there is none."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")[:-1]
    except (FileNotFoundError, ProcessLookupError):
        return []


def members(group: Path) -> list[int]:
    """The processes of a control group and of those below it, which may go meanwhile."""
    found: list[int] = []
    for path in group.rglob("cgroup.procs"):
        try:
            found += [int(pid) for pid in path.read_text().split()]
        except OSError:
            pass
    return found


def end(pid: int) -> None:
    """Kills a process that may have ended by now."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def remove_group(group: Path) -> None:
    """Removes a control group and those below it: it lists no process a moment before the last of them has left it."""
    def removed() -> bool:
        for path, _, _ in [*os.walk(group, topdown=False)]:
            try:
                Path(path).rmdir()
            except OSError:
                pass
        return not group.exists()

    wait_for(removed)


class Container:
    """A container in the foreground of a process of ours, in a control group of its own."""

    def __init__(self, berth: Path, image: Path, *options: str, command: tuple[str, ...] = ("sleep", "1000"),
                 name: str = "", prefix: tuple[str, ...] = (), runtime: Path = Path("/run/berth")):
        self.berth, self.name = berth, name or f"x{uuid.uuid4().hex[:12]}"
        #: how a command gets to where /run/berth is that directory
        self.prefix, self.runtime = prefix, runtime
        #: the caller's control group
        self.caller = cgroup2() / f"test-{self.name}"
        self.caller.mkdir()
        #: what stands for a unit's below it: payload, guard and execs
        self.unit = self.caller / f"berth-{self.name}"
        self.process = subprocess.Popen(
            [*prefix, berth, "launch", "--foreground", f"--name={self.name}", f"--image={image}", "--network=none",
             *options, "--", *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            preexec_fn=lambda: (self.caller / "cgroup.procs").write_text("0"))
        wait_for(lambda: (self.directory / "state").exists() or self.process.poll() is not None)
        assert self.process.poll() is None, self.process.stdout.read().decode()
        #: the leader's control group
        self.payload = self.unit / self.state["Cgroup"].rsplit("/", 1)[1]

    @property
    def directory(self) -> Path:
        return self.runtime / "containers" / self.name

    @property
    def state(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in (self.directory / "state").read_text().splitlines())

    def execs(self) -> list[Path]:
        """The control groups of execs that are there."""
        return sorted(self.unit.glob("exec-*"))

    def argv(self, *words: str, verb: str = "exec") -> list[str]:
        return [*self.prefix, str(self.berth), verb, self.name, *words]

    def run(self, *words: str, verb: str = "exec", **more) -> subprocess.CompletedProcess:
        more = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
                "text": True, "timeout": PATIENCE} | more
        return subprocess.run(self.argv(*words, verb=verb), check=False, **more)

    def sh(self, script: str, *options: str, **more) -> subprocess.CompletedProcess:
        return self.run(*options, "--", "sh", "-c", script, **more)

    def start(self, *words: str, verb: str = "exec", **more) -> subprocess.Popen:
        more = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more
        return subprocess.Popen(self.argv(*words, verb=verb), **more)

    def processes(self, cgroup: Path) -> list[int]:
        try:
            return [int(line) for line in (cgroup / "cgroup.procs").read_text().split()]
        except (FileNotFoundError, OSError):
            return []

    def only_exec(self) -> Path:
        """The control group of the one exec, once something runs in it."""
        (path,) = wait_for(lambda: [path for path in self.execs() if self.processes(path)])
        return path

    def begun(self, *options: str, script: str, **more) -> tuple[subprocess.Popen, Path]:
        """An exec of a script that has said "ready", and its control group."""
        process = self.start(*options, "--", "sh", "-c", script, **more)
        assert process.stdout.readline() == b"ready\n", process.communicate()
        return process, self.only_exec()

    def begun_in_time(self, script: str, *, first: float = 0.5) -> tuple[subprocess.Popen, Path, float]:
        """An exec with a time limit, whose script has said "ready" before that, however long the machine takes; and how many
        seconds it has."""
        for seconds in (first, first * 10, first * 100):
            process = self.start(f"--timeout={round(seconds * 1000)}ms", "--", "sh", "-c", script)
            if process.stdout.readline() == b"ready\n" and (groups := [path for path in self.execs() if self.processes(path)]):
                return process, groups[0], seconds
            process.communicate(timeout=PATIENCE)
        raise AssertionError(f"not begun within {seconds} s")

    def none_left(self) -> None:
        """Waits until no exec and no guard is left."""
        wait_for(lambda: not self.execs() and not self.processes(self.unit / "guard"))

    def stop(self) -> None:
        if not self.caller.exists():
            return
        if self.process.poll() is None:
            try:
                (self.payload / "cgroup.kill").write_text("1")
            except OSError:
                pass  # it is ending
        self.process.communicate(timeout=PATIENCE)
        (self.caller / "cgroup.kill").write_text("1")
        wait_for(lambda: "populated 0" in (self.caller / "cgroup.events").read_text())
        remove_group(self.caller)
        if self.directory.exists():
            done = subprocess.run([*self.prefix, self.berth, "cleanup", f"--name={self.name}"], check=False, text=True,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            assert done.returncode == 0 and not self.directory.exists(), done.stdout
