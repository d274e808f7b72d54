"""The built-in init: what its container ends with, and what becomes of the output."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import uuid
from pathlib import Path

import pytest

from harness.container import lives, wait_for
from harness.timing import PATIENCE

needs_berth = True
pytestmark = pytest.mark.kernel

PIPE = 65536


def launch(berth: Path, image: Path, script: str, name: str = "", **more) -> subprocess.Popen:
    """A container in the foreground whose command is a script."""
    more = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more
    return subprocess.Popen([berth, "launch", "--foreground", f"--name={name or f'x{uuid.uuid4().hex[:12]}'}",
                             f"--image={image}", "--network=none", "--", "sh", "-c", script], **more)


def children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def command_has_ended(launcher: subprocess.Popen) -> bool:
    """What the init has reaped is no child of it any more."""
    inits = children(launcher.pid)
    return launcher.poll() is not None or bool(inits) and not children(inits[0])


def traces(name: str) -> list[Path]:
    """What is left of a container."""
    return [*Path("/run/berth/containers").glob(name), *Path("/var/lib/berth/layers").glob(f"{name}*"),
            *(link for link in Path("/run/berth/ranges").glob("*") if link.is_symlink() and str(link.readlink()) == name)]


def test_a_process_that_writes_for_ever_does_not_hold_up_the_end(berth: Path, image: Path) -> None:
    done = launch(berth, image, "yes & read line; exit 3", stdin=subprocess.PIPE)
    assert len(done.stdout.read(16 * PIPE)) == 16 * PIPE  # it is at it
    out, err = done.communicate(b"go on\n", timeout=2 * PATIENCE)
    assert (done.returncode, err, set(out) - set(b"y\n")) == (3, b"", set())


def test_all_that_the_command_wrote_arrives_at_a_reader_that_is_late(berth: Path, image: Path) -> None:
    # the reader's pipe holds two thirds of it, and the command's the rest
    size = PIPE + PIPE // 2
    done = launch(berth, image, f"head -c {size} /dev/zero; echo end >&2")
    assert done.stderr.readline() == b"end\n"
    wait_for(lambda: command_has_ended(done))
    out, err = done.communicate(timeout=2 * PATIENCE)
    assert (done.returncode, len(out), err) == (0, size, b"")


def test_a_reader_that_is_gone_does_not_hold_up_the_end(berth: Path, image: Path) -> None:
    done = launch(berth, image, f"head -c {PIPE + PIPE // 2} /dev/zero; echo end >&2; exit 4")
    assert done.stderr.readline() == b"end\n"
    done.stdout.close()
    assert done.wait(timeout=2 * PATIENCE) == 4
    done.stderr.close()


def test_a_launcher_that_is_killed_takes_its_container_along_and_is_in_nobodys_way(berth: Path, image: Path) -> None:
    name = f"x{uuid.uuid4().hex[:12]}"
    state = Path("/run/berth/containers") / name
    first = launch(berth, image, "echo up; exec sleep 1000", name)
    assert first.stdout.readline() == b"up\n"
    (leader,) = children(first.pid)
    commands = children(leader)
    first.kill()
    first.communicate(timeout=2 * PATIENCE)
    assert commands
    wait_for(lambda: not any(lives(pid) for pid in (leader, *commands)))
    # what it has left names nobody, and the next start takes its place
    assert state.exists()
    done = subprocess.run([berth, "exec", name, "--", "true"], check=False, stdin=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True)
    assert done.returncode == 125 and f"container '{name}' is not running" in done.stderr
    second = launch(berth, image, "echo again; cat /root/x; echo x >/root/x", name)
    out, err = second.communicate(timeout=2 * PATIENCE)
    assert (second.returncode, out) == (0, b"again\n") and b"/root/x" in err
    assert traces(name) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_launcher_that_is_asked_to_end_has_the_command_end_and_leaves_nothing(berth: Path, image: Path, number: signal.Signals) -> None:
    name = f"x{uuid.uuid4().hex[:12]}"
    done = launch(berth, image, f"trap 'echo got; exit 9' {number.name[3:]}; echo up; while :; do sleep 0.02; done", name,
                  preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))
    assert done.stdout.readline() == b"up\n"
    done.send_signal(number)
    out, err = done.communicate(timeout=2 * PATIENCE)
    assert (done.returncode, out, err) == (9, b"got\n", b"")
    assert traces(name) == []


def test_the_interrupt_key_of_a_terminal_reaches_the_command(berth: Path, image: Path) -> None:
    name = f"x{uuid.uuid4().hex[:12]}"
    script = "trap 'echo got; exit 9' INT; echo up; while :; do sleep 0.02; done"
    pid, terminal = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # one that is ignored at its start no shell can trap
        os.execv(berth, ["berth", "launch", "--foreground", f"--name={name}", f"--image={image}", "--network=none", "--",
                         "/bin/sh", "-c", script])
    with open(terminal, "rb+", buffering=0) as keyboard:
        assert keyboard.readline() == b"up\r\n"
        keyboard.write(b"\x03")
        assert keyboard.readline() in (b"^Cgot\r\n", b"got\r\n")
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    assert traces(name) == []


def test_a_launcher_that_is_asked_to_end_before_there_is_a_leader_leaves_nothing(berth: Path, image: Path) -> None:
    name = f"x{uuid.uuid4().hex[:12]}"
    # blocked, a signal waits for the exec, and comes as the launcher begins to look
    done = launch(berth, image, "echo up", name, preexec_fn=lambda: (signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]),
                                                                     os.kill(os.getpid(), signal.SIGTERM)))
    out, err = done.communicate(timeout=2 * PATIENCE)
    assert (done.returncode, out, err) == (128 + signal.SIGTERM, b"", b"")
    assert traces(name) == []


def foreign_directories(pid: int) -> list[Path]:
    """Descriptors of what is not mounted where the process is."""
    mounted = {line.split()[0] for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()}
    return [fd for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.is_dir() and
            (Path(f"/proc/{pid}/fdinfo") / fd.name).read_text().split("mnt_id:")[1].split()[0] not in mounted]


def test_a_launcher_holds_nothing_of_what_its_container_has_mounted(berth: Path, image: Path) -> None:
    launcher = launch(berth, image, "echo up; read line", stdin=subprocess.PIPE)
    assert launcher.stdout.readline() == b"up\n"
    wait_for(lambda: not foreign_directories(launcher.pid), 60)
    assert launcher.communicate(b"end\n", timeout=120) == (b"", b"")
    assert launcher.returncode == 0
