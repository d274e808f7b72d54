"""Tier 3: a private systemd in half a second.

A cached Debian root is booted as PID 1 of new pid, mount, uts, ipc, net and cgroup
namespaces on the running kernel. See keeper.py for how it is made and ended.

It has whatever controllers the host can give a child of its own control group; where
the host keeps them on cgroup v1 it has none.
"""

from __future__ import annotations

import atexit
import fcntl
import itertools
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import IO, Iterable, Mapping

from . import keeper, roots
from .system import ENVIRONMENT, HARNESS_UNIT, HOST_UNITS, IMAGES, System, furnish
from .timing import PATIENCE

_numbers = itertools.count(1)


# The command joins its group itself, by a file that was opened outside. Were nsenter to join
# it and fork, then nsenter, which is in no pid namespace of the machine, would be seen there
# as pid 0, and every `systemctl status` fail on it.
_JOIN = 'echo 0 >&9 && exec 9>&- && exec "$@"'


class BootFailed(Exception):
    """The machine did not come up; the message holds its console."""


class Process(subprocess.Popen[bytes]):
    """A command running inside, as `Machine.popen` gives it. Its pid is the one of the
    nsenter that waits for it; signals go to the command itself."""

    cgroup: Path

    def command_pid(self) -> int | None:
        """The command's own pid, as seen from outside."""
        try:
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        except OSError:
            return None
        return int(children[0]) if children else None

    def send_signal(self, sig: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while self.poll() is None and time.monotonic() < deadline:
            pid = self.command_pid()
            if pid is not None:
                os.kill(pid, sig)
                return
            time.sleep(0.005)  # nsenter has not begun it yet

    def kill(self) -> None:
        """Kills the command and everything it started."""
        try:
            self.send_signal(signal.SIGKILL)  # it may not be in its group yet
        except ProcessLookupError:
            pass
        try:
            (self.cgroup / "cgroup.kill").write_text("1")
        except FileNotFoundError:
            pass

    def __exit__(self, *args: object) -> None:
        self.kill()
        super().__exit__(*args)
        _remove_group(self.cgroup)


class Machine(System):
    """A private systemd. `with Machine.boot(...) as m:`"""

    @classmethod
    def boot(cls, stage: str | Path | None = None, suite: str = roots.DEFAULT_SUITE,
             images: Iterable[str] = ("base",), name: str | None = None,
             timeout: float = 180) -> Machine:
        """Boots one and waits until systemd calls itself running.

        stage    a `meson install --destdir` tree to lay over the root
        images   roots to be found as images in it, any of roots.RECIPES
        """
        return cls(stage, suite, tuple(images), name, timeout)

    def __init__(self, stage: str | Path | None, suite: str, images: tuple[str, ...],
                 name: str | None, timeout: float) -> None:
        super().__init__()
        root = roots.get("machine", suite)
        image_paths = {image: str(roots.get(image, suite)) for image in images}
        self.name = name or f"m{os.getpid()}-{next(_numbers)}"
        self.images = images
        self._ended = False
        self._groups = itertools.count(1)

        directory = roots.cache_directory() / "machines"
        directory.mkdir(exist_ok=True)
        self._directory = directory / f"{self.name}-{uuid.uuid4().hex[:8]}"
        with roots.locked(roots.cache_directory() / ".machines.lock"):
            _sweep(directory)
            self._directory.mkdir(mode=0o700)
            # Held by the keeper for as long as it lives: a directory whose lock is free is
            # one that nobody is left to clean.
            self._lock = open(self._directory / "lock", "w")
            fcntl.flock(self._lock, fcntl.LOCK_EX)

        self._furnish(self._directory / "upper")
        self._boot_keeper(str(root), str(stage) if stage else "", image_paths, timeout)

    def _furnish(self, upper: Path) -> None:
        upper.mkdir()
        furnish(upper, self.name, uuid.uuid4().hex, "/usr/bin/sleep infinity")
        for unit in HOST_UNITS:
            upper.joinpath("etc/systemd/system", unit).symlink_to("/dev/null")
        berth = self._directory / "berth"
        berth.mkdir(mode=0o700)
        berth.joinpath("images").mkdir(mode=0o700)
        for image in self.images:
            berth.joinpath("images", image).symlink_to(f"{IMAGES}/{image}")

    def _boot_keeper(self, root: str, stage: str, images: dict[str, str], timeout: float) -> None:
        prefix: list[str] = []
        group = f"berth-test-{self._directory.name}"
        if os.path.isdir("/run/systemd/system"):
            # The host's tree is its systemd's. A delegated scope is the part of it that we
            # are given; the keeper finds its own place and makes the machine's group there.
            prefix = ["systemd-run", "--scope", "--quiet", "--collect", "--property=Delegate=yes",
                      f"--unit={group}.scope", "--"]
            cgroup = ""
        else:
            cgroup = str(keeper.own_cgroup() / group)
        plan = {"name": self.name, "directory": str(self._directory), "root": root,
                "stage": stage, "images": images, "cgroup": cgroup}
        self._keeper = subprocess.Popen(
            [*prefix, sys.executable, "-IB", keeper.__file__, json.dumps(plan)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[self._lock.fileno()])
        atexit.register(self.shutdown)
        #: PID 1 as seen from outside, and its pid namespace as /proc names it
        self.pid = 0
        self.pid_namespace = ""
        self._cgroup = Path()
        try:
            self._wait_up(timeout)
        except BaseException:
            self.shutdown()
            raise

    def _wait_up(self, timeout: float) -> None:
        """Reads what the keeper says until a boot is done."""
        deadline = time.monotonic() + timeout
        began = False
        assert self._keeper.stdout
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._keeper.stdout], [], [], left)[0]:
                raise BootFailed(f"{self.name} is not up after {timeout} s\n{self.console()[-8000:]}")
            line = _read_line(self._keeper.stdout)
            said = json.loads(line) if line else {"ended": "without a word"}
            if "ended" in said:
                raise BootFailed(f"{self.name} ended: {said['ended']}\n{self.console()[-8000:]}")
            if "pid" in said:
                self.pid = said["pid"]
                began = bool(self.pid)
                self._cgroup = Path(said["cgroup"])
                self.pid_namespace = os.readlink(f"/proc/{self.pid}/ns/pid") if self.pid else ""
            if "ready" in said and began:  # since systemd 254 each reload says so as well
                break
        state = self.run("systemctl", "is-system-running", "--wait", check=False).out.strip()
        if state != "running":
            failed = self.run("systemctl", "--failed", "--no-legend", check=False).out
            raise BootFailed(f"{self.name} is {state}\n{failed}\n{self.journal(output='short')[-20000:]}")

    # -- commands --

    def popen(self, *argv: object, env: Mapping[str, str] | None = None,
              stdin: int | IO[bytes] = subprocess.DEVNULL,
              stdout: int | IO[bytes] = subprocess.PIPE,
              stderr: int | IO[bytes] = subprocess.PIPE) -> Process:
        """Starts a command inside and does not wait: for streams, signals, two at a time.
        Use it in a `with`: at its end the command and all its children are killed."""
        return self._popen([str(word) for word in argv], {**ENVIRONMENT, **(env or {})},
                           stdin, stdout, stderr)

    def _popen(self, argv: list[str], env: dict[str, str], stdin: int | IO[bytes] | None,
               stdout: int | IO[bytes] | None, stderr: int | IO[bytes] | None) -> Process:
        if self._ended:
            raise RuntimeError(f"{self.name} is shut down")
        # A group for each command, below a unit that systemd inside knows: so the caller is
        # somebody there (sd_pid_get_unit, SO_PEERCRED and polkit work), and a kill reaches
        # all that the command left running.
        group = self._cgroup / "system.slice" / HARNESS_UNIT / f"run-{next(self._groups)}"
        group.mkdir()
        procs = os.open(group / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
        try:
            process = Process(
                ["/usr/bin/nsenter", "--target", str(self.pid), "--mount", "--uts", "--ipc", "--net",
                 "--pid", "--cgroup", "--", "/bin/sh", "-c", _JOIN, "join", *argv],
                env=env, stdin=stdin, stdout=stdout, stderr=stderr,
                # Python closes on exec whatever it opened, all but the copy made here.
                close_fds=False, preexec_fn=lambda: os.set_inheritable(os.dup2(procs, 9), True))
        finally:
            os.close(procs)
        process.cgroup = group
        return process

    def _execute(self, argv: list[str], stdin: bytes, env: dict[str, str],
                 timeout: float) -> tuple[int, bytes, bytes]:
        process = self._popen(argv, env, subprocess.PIPE if stdin else subprocess.DEVNULL,
                              subprocess.PIPE, subprocess.PIPE)
        try:
            out, err = process.communicate(stdin or None, timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise TimeoutError((out + err).decode(errors="replace")) from None
        except BaseException:
            process.kill()
            raise
        finally:
            # Stays if the command left something running; reset() and shutdown() end that.
            _remove_group(process.cgroup)
        rc = process.returncode
        return (rc if rc >= 0 else 128 - rc), out, err

    def shell(self, *argv: str) -> int:
        """Runs a command on the caller's own terminal; a root shell without one."""
        env = {**ENVIRONMENT, "TERM": os.environ.get("TERM", "dumb")}
        process = self._popen(list(argv) or ["bash", "-i"], env, None, None, None)
        return process.wait()

    # -- the machine --

    def path(self, inside: str) -> Path:
        """A file of the machine as seen from outside. Absolute links on the way lead
        outside: for those use read() and write()."""
        return Path(f"/proc/{self.pid}/root") / inside.lstrip("/")

    def reset(self) -> None:
        harness = self._cgroup / "system.slice" / HARNESS_UNIT
        for group in harness.glob("run-*"):
            keeper.remove_cgroup(str(group))
        super().reset()

    def reboot(self, timeout: float = 180) -> None:
        # --no-block, and unchecked: PID 1 takes the caller with it when it goes
        self.run("systemctl", "reboot", "--no-block", check=False)
        self._wait_up(timeout)

    def shutdown(self) -> None:
        if self._ended:
            return
        self._ended = True
        atexit.unregister(self.shutdown)
        assert self._keeper.stdin and self._keeper.stdout
        self._keeper.stdin.close()  # lets go of the leash
        self._keeper.wait()
        self._keeper.stdout.close()
        self._lock.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def console(self) -> str:
        try:
            text = self._directory.joinpath("console").read_text(errors="replace")
        except OSError:
            return ""
        # without the dance of asterisks that systemd shows while it waits for a job
        return re.sub(r"\x1bM|\x1b\[K.*Job .*", "", text).replace("\r", "").replace("\n\n", "\n")

    def now(self) -> float:
        return time.time()


def missing() -> str | None:
    """Why machines cannot be booted here, or None if they can."""
    if os.geteuid() != 0:
        return "needs root (namespaces, mounts, control groups)"
    for program in ("mmdebstrap", "nsenter", "tar"):
        if not shutil.which(program):
            return f"needs {program} (tools/install-build-deps installs it)"
    if "overlay" not in Path("/proc/filesystems").read_text():
        subprocess.run(["modprobe", "overlay"], check=False, stderr=subprocess.DEVNULL)
        if "overlay" not in Path("/proc/filesystems").read_text():
            return "needs a kernel with overlayfs"
    try:
        keeper.own_cgroup()
    except OSError as error:
        return str(error)
    return None


def _read_line(stream: IO[bytes]) -> bytes:
    # Unbuffered, so that select() before it sees all there is.
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(stream.fileno(), 1)
        if not byte:
            return line
        line += byte
    return line


def _remove_group(group: Path) -> None:
    try:
        group.rmdir()
    except OSError:
        pass


def _sweep(directory: Path) -> None:
    """Removes what machines left whose keeper was killed, too."""
    for old in directory.iterdir():
        try:
            with open(old / "lock") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                keeper.clean(str(old), str(keeper.own_cgroup() / f"berth-test-{old.name}"))
        except OSError:
            continue
