"""Ways out through the processes of ours that a container can see: the leader before it is one, and those of exec."""

from __future__ import annotations

import ast
import fcntl
import os
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest

from harness.attack import PRELUDE

pytestmark = pytest.mark.kernel
needs_berth = True


@pytest.fixture
def canary(ground: Path) -> Path:
    """A file of the host that anyone may read who finds a way to it."""
    (ground / "canary").write_text("of the host")
    return ground / "canary"


LOOK_AT_INIT = PRELUDE + r"""
import time
canary, end, seen = sys.argv[1], time.monotonic() + 1.2, set()
while time.monotonic() < end:
    for what in ("root", "cwd"):
        if os.path.exists(f"/proc/1/{what}{canary}"):
            seen.add(what)
    for fd in range(256):
        for up in ("", "/..", "/../..", "/../../..", "/" + "../" * 12):
            if os.path.exists(f"/proc/1/fd/{fd}{up}{canary}") or os.path.exists(f"/proc/1/fd/{fd}{up}/canary"):
                seen.add((fd, up))
print(seen)
"""


@pytest.mark.parametrize("users", ["identity", "no"])  # with others it is another user
def test_the_init_has_let_go_of_the_host_before_the_command_runs(berth: Path, debian: Path, canary: Path, users: str) -> None:
    """A container that may ptrace can look into its init, where that shares the host's users: at its descriptors, which
    are those of the launcher and of who called it. The init is held up where it closes the last of them."""
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    opened = os.open(canary.parent, os.O_RDONLY)
    leaked = fcntl.fcntl(opened, fcntl.F_DUPFD, 250)  # among the last to be closed
    try:
        done = subprocess.run(
            ["strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=close_range", "-e",
             "inject=close_range:delay_enter=600000:when=3+", berth, "launch", "--foreground", f"--name=e{uuid.uuid4().hex[:12]}",
             f"--image={debian}", f"--private-users={users}", "--network=none", "--capability=CAP_SYS_PTRACE", "--", "python3",
             "-c", LOOK_AT_INIT, str(canary)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
            pass_fds=(leaked,))
    finally:
        os.close(leaked)
        os.close(opened)
    assert done.returncode == 0, done.stderr
    assert ast.literal_eval(done.stdout) == set()
