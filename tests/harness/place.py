"""A mount namespace with a /var/lib and a /run/berth of its own, and a control group, for what needs no systemd."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Callable, TypeVar

from harness.container import cgroup2, remove_group
from harness.timing import PATIENCE

T = TypeVar("T")


class Place:
    """A mount namespace in which /var/lib and /run/berth are directories of a test. What runs in it is in a control group
    of its own: containers are made below that of their launcher, by their names, which others may use as well."""

    def __init__(self, build: Path, top: Path):
        self.helper, self.top = build / "helper", top
        self.group = cgroup2() / f"test-{top.name}"
        self.group.mkdir()
        self.lib, self.runtime = top / "lib", top / "run"
        for path in (self.lib, self.runtime):
            path.mkdir()
        Path("/run/berth").mkdir(exist_ok=True)
        self.keeper = subprocess.Popen(
            ["unshare", "--mount", "--propagation=private", "sh", "-c",
             'mount --bind "$0" /var/lib && mount --bind "$1" /run/berth && echo up && exec sleep infinity',
             self.lib, self.runtime], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self.keeper.stdout.readline() == b"up\n"

    def enter(self) -> tuple[str, ...]:
        """What goes before a command that has a control group."""
        return "nsenter", f"--mount=/proc/{self.keeper.pid}/ns/mnt", "--"

    def prefix(self, group: Path | None = None) -> list[str]:
        """What goes before one that is to be in the place's, or another."""
        return ["sh", "-c", 'echo 0 >"$0" && exec "$@"', str((group or self.group) / "cgroup.procs"), *self.enter()]

    def run(self, program: str, *words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*self.prefix(), str(self.helper / program), *map(str, words)], check=False, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=2 * PATIENCE)

    def launch(self, *words: object, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        return self.run("berth", "launch", "--foreground", "--name=web", "--network=none", *options, "--", *words)

    def close(self) -> None:
        (self.group / "cgroup.kill").write_text("1")
        remove_group(self.group)
        self.keeper.kill()
        self.keeper.communicate()
        subprocess.run(["rm", "-rf", self.top], check=True)  # deeper than python goes


def quick_directory() -> str:
    """Where nothing waits for a disk, if such files can be there."""
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as probe:
        try:
            os.setxattr(probe.name, "user.probe", b"")  # tmpfs has had them since Linux 6.6
        except OSError:
            return "/var/tmp"
    return "/dev/shm" if shutil.disk_usage("/dev/shm").free > 4 << 30 else "/var/tmp"


def on_a_terminal(run: Callable[[int], T]) -> tuple[T, str]:
    """What run() returns, which is given a terminal, and all that was written there. It is read meanwhile: a terminal that
    nobody reads has room for a screen or two."""
    ours, theirs = os.openpty()
    said = b""

    def read() -> None:
        nonlocal said
        try:
            while part := os.read(ours, 65536):
                said += part
        except OSError:  # nobody has it any more
            pass

    reader = threading.Thread(target=read)
    reader.start()
    try:
        result = run(theirs)
    finally:
        os.close(theirs)
        reader.join()
        os.close(ours)
    return result, said.decode()


def make_tree(path: Path) -> Path:
    """A root directory with a static shell and tools."""
    (path / "bin").mkdir(parents=True)
    (path / "etc").mkdir()
    shutil.copy("/bin/busybox", path / "bin/busybox")
    for tool in "sh cat touch ls id stat mkdir rm ln dd sync sleep find chmod chown mkfifo".split():
        (path / "bin" / tool).symlink_to("busybox")
    return path
