"""berth exec --json, --input and --cap-add, as root against a real container on the running kernel."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Callable

import pytest

from harness.container import Container, end, wait_for
from harness.timing import ATTEMPTS, PATIENCE

pytestmark = pytest.mark.kernel
needs_berth = True

KEYS = ["exit_code", "signal", "timed_out", "limit", "stdout", "stderr", "encoding", "omitted", "duration_ms", "cpu_usec",
        "memory_peak_bytes", "io_read_bytes", "io_write_bytes", "error"]


def told(done: subprocess.CompletedProcess) -> dict:
    """The one line that was printed."""
    assert done.stdout.count("\n") == 1 and done.stdout.endswith("\n")
    result = json.loads(done.stdout)
    assert list(result) == KEYS
    return result


def run(c: Container, script: str, *options: str, **more) -> dict:
    done = c.sh(script, "--json", *options, **more)
    result = told(done)
    result["status"] = done.returncode
    return result


# -- the object --


def test_the_object_says_it_all(c: Container) -> None:
    began = time.monotonic()
    done = c.sh("echo out; echo err >&2; exit 3", "--json")
    took = time.monotonic() - began
    assert (done.returncode, done.stderr) == (3, "")
    result = told(done)
    assert 0 <= result.pop("duration_ms") <= took * 1000
    assert result.pop("cpu_usec") > 0
    for key in ("memory_peak_bytes", "io_read_bytes", "io_write_bytes"):
        value = result.pop(key)
        assert value is None or value >= 0
    assert result == {
        "exit_code": 3, "signal": None, "timed_out": False, "limit": None, "stdout": "out\n", "stderr": "err\n",
        "encoding": "utf-8", "omitted": {"stdout": {"bytes": 0, "lines": 0}, "stderr": {"bytes": 0, "lines": 0}},
        "error": None}


def test_figures_that_nobody_counts_are_null(c: Container) -> None:
    controllers = (c.unit / "cgroup.controllers").read_text().split()
    result = run(c, "true")
    assert (result["memory_peak_bytes"] is None) == ("memory" not in controllers)
    assert (result["io_read_bytes"] is None) == ("io" not in controllers)
    assert (result["io_write_bytes"] is None) == ("io" not in controllers)


def test_the_processor_time_is_of_the_command_and_its_children(c: Container) -> None:
    result = run(c, "for i in 1 2; do sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done'; done")
    assert 1000 < result["cpu_usec"] < 60_000_000
    assert result["cpu_usec"] <= result["duration_ms"] * 1000 * os.cpu_count() + 100_000


def test_a_signal_is_told_by_its_name_and_is_no_exit_code(c: Container) -> None:
    result = run(c, "kill -SEGV $$")
    assert (result["exit_code"], result["signal"], result["status"]) == (None, "SEGV", 128 + signal.SIGSEGV)
    # a status that only looks like one
    result = run(c, f"exit {128 + signal.SIGSEGV}")
    assert (result["exit_code"], result["signal"], result["status"]) == (139, None, 139)
    result = run(c, "kill -40 $$")
    assert (result["exit_code"], result["signal"], result["status"]) == (None, "RTMIN+6", 128 + 40)


def test_the_time_that_ran_out(c: Container) -> None:
    for seconds in (0.3, 3, 30):  # before that a slow machine has to print a word
        result = run(c, "echo before; exec sleep 1000", f"--timeout={round(seconds * 1000)}ms")
        if result["stdout"]:
            break
    assert (result["timed_out"], result["limit"], result["status"]) == (True, "runtime", 124)
    assert (result["exit_code"], result["signal"], result["stdout"]) == (None, "TERM", "before\n")
    assert result["duration_ms"] >= seconds * 1000
    for seconds in (0.3, 3, 3, 30, 30):  # and within the two seconds that it has then another one
        result = run(c, "trap 'echo asked; exit 7' TERM; echo ready; while :; do sleep 0.05; done", f"--timeout={round(seconds * 1000)}ms")
        if result["exit_code"] == 7:
            break
    assert (result["timed_out"], result["exit_code"], result["signal"], result["status"]) == (True, 7, None, 124)
    assert result["stdout"] == "ready\nasked\n"


@pytest.mark.parametrize("words, status, step, errno, message", [
    (["no-such-program"], 127, "exec", "ENOENT", "cannot execute 'no-such-program'"),
    (["/etc"], 126, "exec", "EACCES", "cannot execute '/etc'"),
    (["--workdir=/no/such", "true"], 125, "directory", "ENOENT", "cannot change to directory '/no/such'"),
    (["--user=no-such", "true"], 125, "user", "ESRCH", "--user=no-such: no such user"),
    (["--env-file=/no/such", "true"], 125, "environment", "ENOENT", "cannot read environment file '/no/such'"),
    (["--input=/no/such", "true"], 125, "streams", "ENOENT", "--input: cannot open '/no/such'"),
    (["--cap-add=CAP_SYS_ADMIN", "true"], 125, "capabilities", "EPERM", "--cap-add=CAP_SYS_ADMIN"),
    (["--tmieout=1", "true"], 125, "usage", "EINVAL", "did you mean '--timeout'"),
    (["--tty", "true"], 125, "usage", "EINVAL", "--tty"),
    ([], 125, "usage", "EINVAL", "expected a command"),
])
def test_what_berth_itself_could_not_do(c: Container, words: list[str], status: int, step: str, errno: str,
                                        message: str) -> None:
    done = c.run("--json", *words)
    result = told(done)
    assert done.returncode == status
    assert (result["exit_code"], result["signal"], result["stdout"], result["stderr"]) == (None, None, "", "")
    assert (result["error"]["stage"], result["error"]["errno"]) == (step, errno)
    assert message in result["error"]["message"]
    # people read it where they always do
    assert done.stderr == f"{result['error']['message']}\n"


def test_a_container_that_does_not_run(berth: Path) -> None:
    done = subprocess.run([berth, "exec", "--json", "not-there", "true"], text=True, capture_output=True, check=False)
    assert done.returncode == 125
    assert told(done)["error"] == {"stage": "container", "errno": "ENOENT",
                                   "message": "no container 'not-there', see berth list --all"}


def test_a_guard_that_was_killed(c: Container) -> None:
    process = c.start("--json", "--", "sleep", "1000")
    c.only_exec()
    (guard,) = c.processes(c.unit / "guard")
    end(guard)
    out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 125
    assert json.loads(out)["error"]["stage"] == "guard"


def test_without_private_users_the_object_is_the_same(make: Callable[..., Container]) -> None:
    """There berth begins anew from a copy of itself, which must find standard error where it was."""
    container = make("--private-users=no")
    result = run(container, "echo out; echo err >&2")
    assert (result["stdout"], result["stderr"], result["error"]) == ("out\n", "err\n", None)
    done = container.run("--json", "no-such-program")
    assert done.stderr == "" + told(done)["error"]["message"] + "\n"


# -- what it printed --


def test_streams_are_kept_apart_and_are_pipes(c: Container) -> None:
    result = run(c, "for i in 1 2 3; do echo o$i; echo e$i >&2; done; readlink /proc/self/fd/1; tty <&1")
    assert result["stderr"] == "e1\ne2\ne3\n"
    assert result["stdout"].startswith("o1\no2\no3\npipe:[")
    assert result["stdout"].endswith("not a tty\n")


@pytest.mark.parametrize("user", ["root", "app"])
def test_dev_stdout_can_be_opened(c: Container, user: str) -> None:
    result = run(c, "echo out >/dev/stdout; echo err >/dev/stderr", f"--user={user}")
    assert (result["stdout"], result["stderr"], result["status"]) == ("out\n", "err\n", 0)


def test_any_text_comes_through(c: Container) -> None:
    text = "".join(chr(n) for n in range(1, 0x300)) + "\u20ac\U0001f600\"\\\n"
    result = run(c, "cat", stdin=None, input=text)
    assert (result["stdout"], result["encoding"]) == (text, "utf-8")
    result = run(c, r"printf 'a\0b'")
    assert (result["stdout"], result["encoding"]) == ("a\0b", "utf-8")


def test_what_is_no_text_is_base64(c: Container) -> None:
    data = os.urandom(5000) + b"\xff"
    done = c.run("--json", "--", "sh", "-c", "cat; echo err >&2", stdin=None, input=data, text=False)
    result = json.loads(done.stdout)
    assert result["encoding"] == "base64"
    assert base64.b64decode(result["stdout"], validate=True) == data
    assert base64.b64decode(result["stderr"], validate=True) == b"err\n"


def test_more_than_is_kept_is_counted_by_bytes_and_lines(c: Container) -> None:
    result = run(c, "seq 1 100000; seq 1 5 >&2", "--max-output=1K")
    whole = "".join(f"{n}\n" for n in range(1, 100001))
    head, notice, tail = result["stdout"].partition("[... ")[0], *result["stdout"].partition("[... ")[2].split("\n", 1)
    assert whole.startswith(head) and whole.endswith(tail)
    assert head.endswith("\n") and tail.startswith(f"{tail.split()[0]}\n")
    assert 410 < len(head) <= 460 and 410 < len(tail) <= 460
    omitted = result["omitted"]["stdout"]
    assert omitted == {"bytes": len(whole) - len(head) - len(tail), "lines": 100000 - head.count("\n") - tail.count("\n")}
    assert notice == f"{omitted['bytes']} bytes, {omitted['lines']} lines omitted ...]"
    assert (result["stderr"], result["omitted"]["stderr"]) == ("1\n2\n3\n4\n5\n", {"bytes": 0, "lines": 0})


def test_256_kib_are_kept_of_each(c: Container) -> None:
    result = run(c, "head -c 262144 /dev/zero | tr '\\0' x; head -c 262145 /dev/zero | tr '\\0' y >&2")
    assert result["stdout"] == "x" * 262144
    assert result["omitted"]["stderr"]["bytes"] == 262145 - 2 * 117964


@pytest.mark.parametrize("size", ["", "x", "-1", "65M", "1.5", "999999999999999999999"])
def test_a_wrong_size(c: Container, size: str) -> None:
    done = c.run("--json", f"--max-output={size}", "true")
    assert done.returncode == 125
    assert told(done)["error"]["message"] == f"--max-output={size}: expected a size, like 256K, up to 64M"


def test_what_only_json_keeps(c: Container) -> None:
    done = c.run("--max-output=1K", "true")
    assert (done.returncode, done.stdout) == (125, "")
    assert "--max-output: only --json keeps output" in done.stderr
    done = c.run("--json=lines", "true")
    assert (done.returncode, done.stderr) == (125, "--json=lines: expected --json or --json=stream\n")


def test_gigabytes_cost_little_memory(c: Container) -> None:
    process = c.start("--json", "--", "sh", "-c", "head -c 500000000 /dev/zero; echo last; >/tmp/done; read x", stdin=subprocess.PIPE)
    # when all has been written it has been read, but for what a pipe holds
    done = Path(f"/proc/{c.state['Pid']}/root/tmp/done")
    wait_for(done.exists, 5 * PATIENCE)
    done.unlink()
    peak = next(int(line.split()[1]) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
                if line.startswith("VmHWM"))
    out, _ = process.communicate(b"\n", timeout=PATIENCE)
    result = json.loads(out)
    assert result["omitted"]["stdout"]["bytes"] == 500000005 - 117964 - 117964
    assert result["stdout"].endswith("\0last\n")
    assert peak < 4096  # KiB


def test_a_background_process_does_not_hold_up_the_object(c: Container) -> None:
    result = run(c, "yes & sleep 1000 & echo $! >&2; echo done", timeout=5 * PATIENCE)
    assert (result["status"], result["error"]) == (0, None)
    assert result["stderr"].strip().isdigit()
    for path in c.execs():
        (path / "cgroup.kill").write_text("1")
    wait_for(lambda: not any(c.processes(path) for path in c.execs()))
    c.run("true")  # sweeps


# -- as it comes --


def test_stream_is_a_line_each_and_last_the_object(c: Container) -> None:
    process = c.start("--json=stream", "--", "sh", "-c",
                      "echo one; read x; echo two >&2; read x; printf 'a\\303'; read x; printf '\\244'; exit 4",
                      stdin=subprocess.PIPE)
    assert json.loads(process.stdout.readline()) == {"stdout": "one\n"}  # while it runs
    process.stdin.write(b"\n")
    process.stdin.flush()
    assert json.loads(process.stdout.readline()) == {"stderr": "two\n"}
    process.stdin.write(b"\n")
    process.stdin.flush()
    assert json.loads(process.stdout.readline()) == {"stdout": "a"}  # half of a character waits for the rest
    process.stdin.write(b"\n")
    process.stdin.flush()
    assert json.loads(process.stdout.readline()) == {"stdout": "\u00e4"}
    result = json.loads(process.stdout.readline())
    assert list(result) == KEYS
    assert (result["exit_code"], result["stdout"], result["stderr"]) == (4, "one\na\u00e4", "two\n")
    assert process.stdout.read() == b""
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 4


def test_stream_of_what_is_no_text(c: Container) -> None:
    data = os.urandom(300_000)
    done = c.run("--json=stream", "cat", stdin=None, input=data, text=False)
    *lines, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert b"".join(base64.b64decode(line["stdout"]) if "encoding" in line else line["stdout"].encode()
                    for line in lines) == data
    assert 300_000 - 2 * 117964 <= last["omitted"]["stdout"]["bytes"] < 300_000


def test_lines_of_two_streams_are_never_mixed(c: Container) -> None:
    """Though the reader is slow and takes a few bytes at a time."""
    process = c.start("--json=stream", "--", "sh", "-c", "seq 1 20000 & seq 1 20000 >&2; wait", bufsize=0)
    text = b""
    while piece := os.read(process.stdout.fileno(), 777):
        text += piece
    process.communicate(timeout=PATIENCE)
    *lines, last = [json.loads(line) for line in text.splitlines()]
    whole = "".join(f"{n}\n" for n in range(1, 20001))
    assert "".join(line.get("stdout", "") for line in lines) == whole
    assert "".join(line.get("stderr", "") for line in lines) == whole
    assert last["exit_code"] == 0


@pytest.mark.parametrize("mode", ["--json", "--json=stream"])
def test_a_reader_that_goes_away_ends_the_command(c: Container, mode: str) -> None:
    process = c.start(mode, "--", "sh", "-c", "trap '' HUP; sleep 500 & sleep 501")
    cgroup = c.only_exec()
    process.stdout.close()
    wait_for(lambda: not cgroup.exists())
    process.wait(timeout=PATIENCE)
    process.stderr.close()


def test_a_client_that_is_killed_takes_everything_along(c: Container) -> None:
    process = c.start("--json", "--", "sh", "-c", "setsid sleep 500 & sleep 501")
    cgroup = c.only_exec()
    process.kill()
    wait_for(lambda: not cgroup.exists())
    process.communicate(timeout=PATIENCE)


def test_a_signal_to_the_client_is_passed_on_and_the_object_comes(c: Container) -> None:
    ready = Path(f"/proc/{c.state['Pid']}/root/tmp/ready")
    for _ in range(ATTEMPTS):
        process = c.start("--json", "--", "sh", "-c", "trap 'echo got; exit 9' TERM; >/tmp/ready; while :; do sleep 0.05; done")
        wait_for(ready.exists)
        ready.unlink()
        process.terminate()
        out, _ = process.communicate(timeout=PATIENCE)
        result = json.loads(out)
        if process.returncode == 9:  # else it took longer than the two seconds that it has
            break
    assert process.returncode == 9
    assert (result["exit_code"], result["stdout"]) == (9, "got\n")


def test_a_full_disk_is_no_success(c: Container) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = c.run("--json", "true", stdout=full)
    assert done.returncode == 125
    assert done.stderr == "cannot write the result to standard output: No space left on device\n"


# -- input --


def test_input_from_a_file_of_the_host(c: Container, tmp_path: Path) -> None:
    data = os.urandom(300_000)
    (tmp_path / "input").write_bytes(data)
    done = c.run(f"--input={tmp_path}/input", "--", "cat", text=False)
    assert (done.returncode, done.stdout) == (0, data)
    assert run(c, "wc -c", f"--input={tmp_path}/input")["stdout"].strip() == "300000"
    assert c.run("--input", "/dev/null", "--", "cat").stdout == ""
    assert c.run("--input=-", "--", "cat", stdin=None, input="own\n").stdout == "own\n"


def test_the_file_itself_is_not_handed_in(make: Callable[..., Container], tmp_path: Path) -> None:
    """Not even where root inside is root outside: opened anew, the descriptor would be writable."""
    container = make("--private-users=no")
    file = tmp_path / "canary"
    file.write_text("canary\n")
    done = container.sh("cat; readlink /proc/self/fd/0; (echo changed >/proc/self/fd/0) 2>/dev/null", f"--input={file}")
    assert done.stdout.startswith("canary\npipe:[")
    assert file.read_text() == "canary\n"


def test_input_that_nobody_reads_holds_up_nothing(c: Container) -> None:
    assert c.run("--input=/dev/zero", "--", "true").returncode == 0
    assert c.run("--input=/dev/zero", "--", "head", "-c", "10").stdout == "\0" * 10


@pytest.mark.parametrize("path, message", [("/", "--input: '/' is a directory"), ("", "--input: expected the path of a file"),
                                           ("/no/such", "--input: cannot open '/no/such'")])
def test_input_that_is_none(c: Container, path: str, message: str) -> None:
    done = c.run(f"--input={path}", "--", "true")
    assert done.returncode == 125
    assert message in done.stderr


def test_a_socket_can_be_opened_again_as_a_pipe(c: Container) -> None:
    """As /dev/stderr of a command whose output goes to the journal."""
    import socket
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = c.start("--user=app", "--", "sh", "-c", "echo out >/dev/stdout; echo err >/dev/stderr", stdout=theirs,
                          stderr=theirs)
        theirs.close()
        text = b""
        while piece := ours.recv(100):
            text += piece
        assert process.wait(timeout=PATIENCE) == 0
    assert sorted(text.split()) == [b"err", b"out"]


# -- capabilities --


def caps_of(c: Container, *options: str) -> dict[str, int]:
    done = c.run(*options, "--", "cat", "/proc/self/status")
    assert done.returncode == 0, done.stderr
    return {line[3:6]: int(line.split()[1], 16) for line in done.stdout.splitlines() if line.startswith("Cap")}


def test_a_user_gets_one_of_the_containers_capabilities_and_no_other(c: Container) -> None:
    bounding = int(c.state["Capabilities"])
    chown, kill = 1 << 0, 1 << 5
    assert caps_of(c, "--user=app", "--cap-add=CAP_CHOWN") == {
        "Inh": chown, "Prm": chown, "Eff": chown, "Bnd": bounding, "Amb": chown}
    assert caps_of(c, "--user=app", "--cap-add=CAP_CHOWN", "--cap-add", "CAP_KILL")["Eff"] == chown | kill
    # it is good for something
    assert c.sh("touch /tmp/mine && chown 4:5 /tmp/mine", "--user=app").returncode != 0
    assert c.sh("chown 4:5 /tmp/mine && rm -f /tmp/mine", "--user=app", "--cap-add=CAP_CHOWN",
                "--cap-add=CAP_FOWNER").returncode == 0
    # root has them all the same, and nothing inheritable
    assert caps_of(c, "--cap-add=CAP_CHOWN") == {"Inh": 0, "Prm": bounding, "Eff": bounding, "Bnd": bounding, "Amb": 0}


@pytest.mark.parametrize("capability, message", [
    ("CAP_SYS_ADMIN", "does not have it; Capability= of its manifest gives it"),
    ("CAP_NET_ADMIN", "does not have it"),
    ("sys_admin", "no such capability (did you mean 'CAP_SYS_ADMIN'?)"),
    ("all", "no such capability, see capabilities(7)"),
    ("", "no such capability"), ("63", "no such capability"),
])
def test_never_more_than_the_container_has(c: Container, capability: str, message: str) -> None:
    for user in ("root", "app"):
        done = c.run(f"--user={user}", f"--cap-add={capability}", "--", "true")
        assert (done.returncode, done.stdout) == (125, "")
        assert message in done.stderr


def test_a_container_without_any_gives_none(make: Callable[..., Container]) -> None:
    container = make("--drop-capability=all")
    done = container.run("--user=app", "--cap-add=CAP_CHOWN", "--", "true")
    assert done.returncode == 125
    assert "does not have it" in done.stderr


def test_a_line_to_the_journal_has_its_level(c: Container, tmp_path: Path) -> None:
    """Where standard error is the journal, which JOURNAL_STREAM tells; here a file is taken for it."""
    with open(tmp_path / "journal", "w+b") as file:
        status = os.fstat(file.fileno())
        env = os.environ | {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        done = c.run("--json", "no-such-program", stderr=file, env=env)
        file.seek(0)
        assert file.read().decode() == f"<3>{told(done)['error']['message']}\n"
