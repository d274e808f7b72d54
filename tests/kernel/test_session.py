"""berth exec --session and berth session, in the shells that images have."""

from __future__ import annotations

import json
import subprocess
import uuid
from pathlib import Path
from typing import Callable, Iterator

import pytest

from harness import roots
from harness.container import Container, wait_for
from harness.machine import missing
from harness.timing import PATIENCE

pytestmark = pytest.mark.kernel
needs_berth = True


@pytest.fixture(scope="module")
def debian(pytestconfig: pytest.Config, progress: roots.Progress, berth: Path) -> Iterator[Container]:
    """Whose /bin/sh is dash, and the shell of its root bash."""
    if reason := missing():
        pytest.skip(reason)
    container = Container(berth, roots.get("base", pytestconfig.getoption("--debian"), progress))
    yield container
    container.stop()


class Shell:
    def __init__(self, container: Container, user: str):
        self.container, self.user, self.id = container, user, f"t{uuid.uuid4().hex[:8]}"

    def __call__(self, script: str, *options: str, **more) -> subprocess.CompletedProcess:
        return self.container.run(f"--session={self.id}", f"--user={self.user}", *options, "--", script, **more)

    @property
    def file(self) -> Path:
        return self.container.directory / f"session-{self.id}"


@pytest.fixture(params=["ash", "dash", "bash"])
def sh(request: pytest.FixtureRequest, shared: Container) -> Shell:
    if request.param == "ash":
        return Shell(shared, "app")
    return Shell(request.getfixturevalue("debian"), {"dash": "daemon", "bash": "root"}[request.param])


def manage(berth: Path, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run([berth.parent / "berth-manage", "session", *words], capture_output=True, text=True, check=False)


HARD = "a b\n'c' \"d\" $e `f` \\ %g \u00e4*\t "


def test_directory_and_variables_are_kept(sh: Shell) -> None:
    done = sh("cd /tmp; X=\"$A\"; export Y=exported; umask 027", env={"A": HARD}, stdin=None, input="")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = sh("cd /tmp; X=$A; export Y=exported; umask 027", "--env=A=" + HARD)
    assert done.returncode == 0
    done = sh('pwd; printf "%s|" "$X"; echo; env | grep ^Y; env | grep -c ^X; umask; exit 7')
    assert (done.returncode, done.stdout) == (7, f"/tmp\n{HARD}|\nY=exported\n0\n0027\n")
    assert done.stderr == ""


def test_the_exit_status_is_that_of_the_last_command(sh: Shell) -> None:
    for status in (0, 1, 42, 126, 255):
        assert sh(f"exit {status}").returncode == status
        assert sh(f"X=1; (exit {status})").returncode == status
    assert sh("no-such-program").returncode == 127
    assert sh("kill -KILL $$").returncode == 137
    done = sh(") no shell reads this")
    assert done.returncode == 2 and "yntax error" in done.stderr


def test_words_are_put_together_as_by_ssh(sh: Shell) -> None:
    done = sh.container.run(f"--session={sh.id}", f"--user={sh.user}", "--", "echo", "a   b", "$((1 + 2))", "'c  d'")
    assert done.stdout == "a b 3 c  d\n"


def test_exit_keeps_what_was_and_a_kill_does_not(sh: Shell) -> None:
    sh("X=one")
    assert sh("X=two; exit 3").returncode == 3
    assert sh("echo $X").stdout == "two\n"
    sh("X=three; cd /tmp; kill -KILL $$")
    assert sh("echo $X; pwd").stdout == "two\n/\n"
    assert sh("X=four; exec true").returncode == 0
    assert sh("echo $X").stdout == "two\n"


def test_a_call_that_runs_out_of_time_changes_nothing(sh: Shell) -> None:
    sh("X=one; cd /tmp")
    done = sh("X=two; cd /; sleep 100", "--timeout=300ms")
    assert done.returncode == 124
    assert sh("echo $X; pwd").stdout == "one\n/tmp\n"


def test_options_and_aliases_are_kept(sh: Shell) -> None:
    sh("set -u; set -f; alias greet='echo hello'")
    assert "greet='echo hello'" in sh("alias").stdout
    done = sh("echo *; echo $NOT_SET; echo behind")
    assert done.stdout == "*\n" and done.returncode != 0
    assert sh("set +u; echo $NOT_SET; echo behind").stdout == "\nbehind\n"


def test_functions_and_arrays_of_bash(debian: Container) -> None:
    sh = Shell(debian, "root")
    sh('f() { echo "f $1"; }; list=(1 "2 3" 4); declare -A map=([a]=b); shopt -s nullglob')
    assert sh('f x; echo "${list[1]}" ${#list[@]} ${map[a]}; echo /no/such*').stdout == "f x\n2 3 3 b\n\n"


def test_a_variable_of_the_call_goes_over_what_was_kept(sh: Shell) -> None:
    sh("export X=kept Z=kept")
    assert sh('echo "$X $Z"', "--env=X=it's new").stdout == "it's new kept\n"
    assert sh("echo $X").stdout == "it's new\n"


def test_streams_and_the_object_are_those_of_any_exec(sh: Shell) -> None:
    done = sh("cat; echo err >&2; exit 4", "--json", stdin=None, input="typed\n")
    result = json.loads(done.stdout)
    assert (result["exit_code"], result["stdout"], result["stderr"], result["error"]) == (4, "typed\n", "err\n", None)


def test_what_a_command_prints_confuses_nothing(sh: Shell) -> None:
    """Nor what it does to the descriptor that it could find."""
    sh("X=kept")
    done = sh("echo '# berth: all of it'; echo garbage >&9; echo X=evil >/proc/self/fd/9; echo ')(' >&9; exit 5")
    assert (done.returncode, done.stdout) == (5, "# berth: all of it\n")
    assert sh("echo $X").stdout == "kept\n"
    assert sh("trap - EXIT; X=lost").returncode == 0  # it wants to be forgotten
    assert sh("echo $X").stdout == "kept\n"
    assert sh("head -c 6000000 /dev/zero >&9; trap - EXIT").returncode == 0
    assert sh("echo $X").stdout == "kept\n"


def test_another_user_does_not_run_what_was_told(shared: Container) -> None:
    sh = Shell(shared, "app")
    sh("PATH=/tmp/evil:$PATH")
    done = shared.run(f"--session={sh.id}", "--user=root", "--", "echo $PATH")
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr == f"session '{sh.id}' is of another user; another --session= or its own --user=\n"


def test_one_call_at_a_time(sh: Shell, berth: Path) -> None:
    process = sh.container.start(f"--session={sh.id}", f"--user={sh.user}", "--", "X=first; read line", stdin=subprocess.PIPE)
    sh.container.only_exec()
    wait_for(sh.file.exists)
    done = sh("X=second")
    assert (done.returncode, done.stderr) == (
        125, f"session '{sh.id}' of container '{sh.container.name}' is busy with another call\n")
    listed = {entry["session"]: entry for entry in json.loads(manage(berth, "list", sh.container.name, "--json").stdout)}
    assert (listed[sh.id]["state"], listed[sh.id]["container"]) == ("busy", sh.container.name)
    for verb in ("reset", "close"):
        done = manage(berth, verb, sh.container.name, sh.id)
        assert (done.returncode, done.stderr) == (
            1, f"session '{sh.id}' of container '{sh.container.name}' is busy with a call\n")
    process.communicate(b"\n", timeout=PATIENCE)
    assert process.returncode == 0
    assert sh("echo $X").stdout == "first\n"


def test_reset_and_close(sh: Shell, berth: Path) -> None:
    sh("X=1; cd /tmp")
    assert sh.file.stat().st_mode & 0o777 == 0o600
    assert manage(berth, "reset", sh.container.name, sh.id).returncode == 0
    assert sh("echo ${X-none}; pwd").stdout == "none\n/\n"
    sh("X=1")
    done = manage(berth, "close", sh.container.name, sh.id, "nope", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (3, {"sessions": [sh.id], "container": sh.container.name})
    assert not sh.file.exists()
    assert sh.id not in manage(berth, "list").stdout
    assert sh("echo ${X-none}").stdout == "none\n"
    assert manage(berth, "list").stdout.split()[:4] == ["SESSION", "CONTAINER", "STATE", "USED"]


@pytest.mark.parametrize("words", [("reset", "x", "y"), ("close", "../x", "y"), ("close", "x", "../y"), ("close", "x", "")])
def test_names_that_are_no_sessions(berth: Path, words: tuple[str, ...]) -> None:
    done = manage(berth, *words)
    assert done.returncode == 3
    assert f"no session '{words[2]}' of container '{words[1]}', see berth session list" in done.stderr


@pytest.mark.parametrize("name", ["", "a/b", "..", "a b", "x" * 65])
def test_a_wrong_id(c: Container, name: str) -> None:
    done = c.run(f"--session={name}", "--", "true")
    assert (done.returncode, done.stderr) == (125, f"--session={name}: expected letters, digits, '-' and '_'\n")


def test_half_a_file_is_none(sh: Shell) -> None:
    sh("X=1")
    text = sh.file.read_text()
    sh.file.write_text(text[:len(text) // 2])
    assert sh("echo ${X-none}").stdout == "none\n"


def test_descriptors_of_a_plain_exec_are_three(c: Container, make: Callable[..., Container]) -> None:
    """And of a session the one more that it needs, a file in memory."""
    sh = Shell(c, "app")
    done = sh("for i in 0 1 2 3 4 5 6 7 8 9 10 11 12; do [ -e /proc/$$/fd/$i ] && echo $i; done; readlink /proc/$$/fd/9")
    assert done.stdout.split("\n")[:4] == ["0", "1", "2", "9"]
    assert "/memfd:berth-session" in done.stdout


def test_a_full_disk_loses_nothing_that_was_kept(shared: Container, berth: Path) -> None:
    sh = Shell(shared, "app")
    assert sh("X=kept").returncode == 0
    before = sh.file.read_text()
    argv = shared.argv(f"--session={sh.id}", "--user=app", "--", "X=lost; Y=new")
    done = subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "-P", sh.file, "-P", f"{sh.file}.new", "-e", "trace=write",
                           "-e", "inject=write:error=ENOSPC", *argv],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stderr) == (0, f"session '{sh.id}' stays as it was before this call\n")
    assert sh.file.read_text() == before
    assert sh("echo $X$Y").stdout == "kept\n"
    assert not Path(f"{sh.file}.new").exists()
    assert manage(berth, "close", shared.name, sh.id).returncode == 0
