"""A caller that stands still, on purpose: what it has begun holds up nobody, least of all a start."""

from __future__ import annotations

import fcntl
import io
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Callable, Iterator

import pytest

from harness.container import wait_for
from harness.files import DATA, Files, make_image, maker
from harness.timing import PATIENCE

pytestmark = pytest.mark.kernel
needs_berth = True

MOUNT = "--mount=type=volume,source=data,target=/data"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_image(tmp_path_factory.mktemp("image") / "root")


@pytest.fixture
def make(build: Path, image: Path) -> Iterator[Callable[..., Files]]:
    with maker(build, image, "--ephemeral=no", MOUNT) as make_one:
        yield make_one


@pytest.fixture
def stopped(make: Callable[..., Files]) -> Files:
    """One that keeps files, and a volume."""
    c = make()
    c.shell("echo old > /srv/f; mkdir /srv/d")
    c.stop()
    return c


def archive() -> bytes:
    text = io.BytesIO()
    with tarfile.open(fileobj=text, mode="w") as tar:
        entry = tarfile.TarInfo("new")
        entry.size = 400_000
        tar.addfile(entry, io.BytesIO(b"n" * entry.size))
    return text.getvalue()


def argv(c: Files, program: str, *words: str) -> list[str]:
    return [str(c.build / "helper" / program), *(word.replace("NAME", c.name) for word in words)]


@pytest.mark.parametrize("program, words, data, status", [
    ("berth-files", ("file", "write", "NAME", "/srv/f"), b"x" * 400_000, 0),
    ("berth-files", ("file", "append", "NAME", "/srv/f"), b"x" * 400_000, 0),
    ("berth-files", ("file", "insert", "NAME", "/srv/f", "--after=0"), b"x" * 400_000, 0),
    ("berth-files", ("file", "replace", "NAME", "/srv/f"), b" " * 400_000 + b'[{"old": "old", "new": "new"}]', 0),
    ("berth-files", ("cp", "-", "NAME:/srv/d"), archive(), 0),
    ("berth-storage", ("volume", "restore", "NAME:data", "-"), archive(), 1),  # it is in use by then
], ids=["write", "append", "insert", "replace", "cp", "restore"])
def test_input_that_does_not_come_holds_up_no_start(make: Callable[..., Files], stopped: Files, program: str,
                                                    words: tuple[str, ...], data: bytes, status: int) -> None:
    process = subprocess.Popen(argv(stopped, program, *words), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    # far more than a pipe holds: once this is through, it is being read
    rest = data[300_000:]
    for i in range(0, 300_000, 4096):
        assert os.write(process.stdin.fileno(), data[i:min(i + 4096, 300_000)]) > 0
    again = make(name=stopped.name)
    assert process.poll() is None
    _, said = process.communicate(rest, timeout=PATIENCE)
    assert process.returncode == status, said
    if status == 0:
        assert again.shell("cat /srv/f /srv/d/new 2>/dev/null | wc -c; cat /srv/f").split("\n", 1) != ["4", "old\n"]
    else:
        assert b"use" in said  # by the container, or by its start
    assert again.shell("ls -A /srv /srv/d | grep berth || true") == ""


def full_pipe() -> tuple[int, int]:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writer, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(writer, b"." * 4096)
    os.set_blocking(writer, True)
    return reader, writer


def stalls(process: subprocess.Popen) -> bool:
    assert process.poll() is None, "it has ended, and not stalled"
    return "pipe_write" in Path(f"/proc/{process.pid}/wchan").read_text()


@pytest.mark.parametrize("program, words, stream, expected", [
    ("berth-files", ("file", "write", "NAME", "/srv/f", "--json"), "stdout", b'"path":"/srv/f"'),
    ("berth-files", ("file", "write", "NAME", "/srv"), "stderr", b"'/srv' is a directory"),
    ("berth-files", ("cp", "-", "NAME:/srv/f/x"), "stderr", b"/srv/f/x: Not a directory"),
    ("berth-storage", ("snapshot", "create", "NAME", "first"), "stdout", b": first, "),
    ("berth-storage", ("snapshot", "restore", "NAME", "nope"), "stderr", b"has no snapshot"),
    ("berth-storage", ("volume", "create", "NAME:other", "--json"), "stdout", b"NAME:other"),
    ("berth-storage", ("volume", "remove", "NAME:nope"), "stderr", b"there is no volume"),
], ids=["write", "write-fails", "cp", "snapshot", "restore", "create", "remove"])
def test_what_a_user_does_not_read_holds_up_no_start(make: Callable[..., Files], stopped: Files, program: str,
                                                     words: tuple[str, ...], stream: str, expected: bytes) -> None:
    reader, writer = full_pipe()
    try:
        streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} | {stream: writer}
        process = subprocess.Popen(argv(stopped, program, *words), stdin=subprocess.DEVNULL,
                                   env=os.environ | {"BERTH_CALLER": "1000"}, **streams)
        os.close(writer)
        wait_for(lambda: stalls(process))
        make(name=stopped.name)
        assert process.poll() is None
        with open(reader, "rb", closefd=False) as pipe:
            said = pipe.read()
        process.wait(PATIENCE)
        assert expected.replace(b"NAME", stopped.name.encode()) in said
    finally:
        os.close(reader)
        subprocess.run(["rm", "-rf", DATA / "snapshots" / stopped.name], check=True)
