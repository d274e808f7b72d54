"""Containers whose files are reached from outside: for tests of berth-files on the running kernel."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path
from typing import Callable, Iterator

import pytest

from harness.container import Container
from harness.timing import PATIENCE

BUSYBOX = Path("/bin/busybox")
DATA = Path("/var/lib/berth")


def make_image(root: Path) -> Path:
    """busybox and a user. Skips the test where there can be none."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if not BUSYBOX.exists():
        pytest.skip(f"needs {BUSYBOX} (tools/install-build-deps installs it)")
    for name in ("bin", "etc", "proc", "sys", "dev", "root", "tmp", "srv"):
        (root / name).mkdir(parents=True)
    (root / "bin/busybox").write_bytes(BUSYBOX.read_bytes())
    (root / "bin/busybox").chmod(0o755)
    for applet in subprocess.run([BUSYBOX, "--list"], stdout=subprocess.PIPE, text=True, check=True).stdout.split():
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("busybox")
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/tmp:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\napp:x:1000:\n")
    (root / "tmp").chmod(0o1777)
    root.chmod(0o755)
    return root


def run_files(build: Path, verb: str, *words: object, data: bytes | str = b"",
              timeout: float = 2 * PATIENCE) -> subprocess.CompletedProcess[bytes]:
    """`berth VERB WORDS...`, of the verbs that berth-files has."""
    return subprocess.run([build / "helper/berth-files", verb, *(str(word) for word in words)], check=False,
                          input=data.encode() if isinstance(data, str) else data, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=timeout)


class Files(Container):
    """A container that sleeps, and the verbs that work on its files."""

    def __init__(self, build: Path, image: Path, *options: str, **more):
        self.build = build
        super().__init__(build / "helper/berth", image, *options, **more)

    def files(self, verb: str, *words: object, **more) -> subprocess.CompletedProcess[bytes]:
        return run_files(self.build, verb, *words, **more)

    def shell(self, script: str, user: str = "0") -> str:
        """What a script in it prints."""
        done = self.sh(script, f"--user={user}")
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextlib.contextmanager
def maker(build: Path, image: Path, *always: str) -> Iterator[Callable[..., Files]]:
    """Makes containers, with the options that all are to have; in the end they are stopped, and what they kept goes."""
    made: list[Files] = []

    def one(*options: str, **more) -> Files:
        made.append(Files(build, image, *always, *options, **more))
        return made[-1]

    try:
        yield one
    finally:
        for container in made:
            container.stop()
            for directory in ("volumes", "layers", "backup"):
                subprocess.run(["rm", "-rf", DATA / directory / container.name], check=True)
