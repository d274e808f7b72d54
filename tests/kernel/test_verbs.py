"""The tables of verbs and options: help, completion and manual page say what the parser takes."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from harness.timing import PATIENCE

needs_berth = True
SOURCE = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def binary(pytestconfig: pytest.Config) -> Path:
    return Path(pytestconfig.getoption("--berth-build")).resolve() / "helper" / "berth"


def run(*argv: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in argv], check=False, text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE)


@pytest.fixture(scope="session")
def verbs(binary: Path) -> dict[str, dict[str, tuple[str, str]]]:
    """Verb -> option -> (letter, value); verbs of people only. "image import" is a verb too."""
    table: dict[str, dict[str, tuple[str, str]]] = {}
    for line in run(binary, "--dump-options").stdout.splitlines():
        verb, _, option, *more = line.split("\t")
        if option == "internal":
            continue
        if not option:
            table[verb] = {}
        elif verb in table:
            table[verb][option] = (more[0].strip("-"), more[1])
    assert "exec" in table and "launch" not in table
    return table


def plain(verbs: dict) -> list[str]:
    return [verb for verb in verbs if " " not in verb]


def test_help_names_every_verb(binary: Path, verbs: dict) -> None:
    done = run(binary, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines() if re.match(r"  [a-z]", line)] == plain(verbs)


def test_help_of_a_verb_names_every_option(binary: Path, verbs: dict) -> None:
    for verb in ("exec", "shell"):
        for words in ((verb, "--help"), (verb, "-h"), (verb, "name", "--help")):
            done = run(binary, *words)
            assert (done.returncode, done.stderr) == (0, "")
            for option, (letter, value) in verbs[verb].items():
                assert f"{option}={value}" if value else option in done.stdout
                assert not letter or f"-{letter} {option}" in done.stdout


def test_the_manual_page_names_every_verb_and_option(verbs: dict) -> None:
    general = (SOURCE / "man/berth.1.scd").read_text()
    known = {option for options in verbs.values() for option in options} | {"--help", "--version", "--name", "--dry-run"}  # two of the internal launch
    assert set(re.findall(r"(?<![-\w])--[a-z][-a-z]+", general)) <= known
    for verb, options in verbs.items():
        own = SOURCE / f"man/berth-{verb.split()[0]}.1.scd"
        page, name = (own.read_text(), verb.split()[-1]) if " " in verb and own.exists() else (general, verb)
        assert re.search(rf"\*{name}[* ]", page), verb
        for option, (letter, _) in options.items():
            assert f"*{option}*" in page, f"{verb} {option}"
            assert not letter or f"*-{letter}*, *{option}*" in page


@pytest.mark.parametrize("words, status, message", [
    ([], 2, "expected a verb"),
    (["exce"], 2, "did you mean 'exec'"),
    (["nothing-like-it"], 2, "unknown verb"),
    (["exec"], 125, "expected the name"),
    (["exec", "--frobnicate", "x"], 125, "unknown option '--frobnicate'"),
    (["exec", "--usr=x", "x"], 125, "did you mean '--user'"),
    (["exec", "--tty=yes", "x"], 125, "takes no value"),
    (["exec", "--user"], 125, "needs a value"),
    (["exec", "-x", "y"], 125, "unknown option '-x'"),
    (["shell", "-T", "x"], 125, "unknown option '-T'"),
    (["shell", "x", "ls"], 125, "use exec"),
    (["imgae", "list"], 2, "did you mean 'image'"),
    (["ps"], 2, "unknown verb 'ps' (did you mean 'list'?)"),
    (["help"], 2, "unknown verb 'help' (did you mean '--help'?)"),
    (["start", "web"], 2, "unknown verb 'start': a container is a service, systemctl start web"),
    (["stop"], 2, "unknown verb 'stop': a container is a service, systemctl stop NAME"),
])
def test_wrong_usage_is_one_line(binary: Path, words: list[str], status: int, message: str) -> None:
    done = run(binary, *words)
    assert (done.returncode, done.stdout) == (status, "")
    assert message in done.stderr and done.stderr.count("\n") == 1


def complete(binary: Path, *words: str) -> list[str]:
    script = (f'PATH={binary.parent}:$PATH; source {SOURCE}/completion/berth.bash; COMP_WORDS=("$@"); '
              'COMP_CWORD=$(($# - 1)); _berth; printf "%s\\n" "${COMPREPLY[@]}"')
    done = run("bash", "-c", script, "bash", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_completion_offers_what_there_is(binary: Path, verbs: dict) -> None:
    assert complete(binary, "berth", "") == [*plain(verbs), "--help", "--version"]
    assert complete(binary, "berth", "sh") == ["shell"]
    assert complete(binary, "berth", "exec", "name", "--t") == ["--tty-size=", "--timeout=", "--tty"]
    assert complete(binary, "berth", "list", "--") == ["--all", "--filter=", "--json", "--no-legend", "--help"]
    assert complete(binary, "berth", "exec", "name", "--timeout", "") == []
    assert complete(binary, "berth", "image", "") == [
        *(verb.split()[1] for verb in verbs if verb.startswith("image ")), "--help"]
    assert complete(binary, "berth", "image", "list", "--") == ["--json", "--no-legend", "--help"]
    assert complete(binary, "berth", "image", "import", "x", "--n") == ["--name="]


def test_lines_have_their_level_in_the_journal_alone(binary: Path, tmp_path: Path) -> None:
    command = [binary, "refuse", "--name=web", "--", "a.berth:1: first"]
    with (tmp_path / "journal").open("w+") as journal:
        stat = os.fstat(journal.fileno())
        stream = {"JOURNAL_STREAM": f"{stat.st_dev}:{stat.st_ino}"}
        subprocess.run(command, check=False, stderr=journal, env=stream)
        assert (tmp_path / "journal").read_text() == "<3>a.berth:1: first\n"
        for elsewhere in (stream, {}, {"JOURNAL_STREAM": f"{stat.st_dev}:"}):
            done = subprocess.run(command, check=False, capture_output=True, text=True, env=elsewhere)
            assert done.stderr == "a.berth:1: first\n"


def test_refuse_says_everything_and_fails(binary: Path, tmp_path: Path) -> None:
    import socket
    done = run(binary, "refuse", "--name=web", "--", "a.berth:1: first", "a.berth:2: second\nREADY=1")
    assert done.returncode == 125
    assert done.stderr == "a.berth:1: first\na.berth:2: second?READY=1\n"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        subprocess.run([binary, "refuse", "--name=web", "--", "one\nREADY=1", "two"], check=False,
                       stderr=subprocess.DEVNULL, env={"NOTIFY_SOCKET": str(tmp_path / "notify")})
        listener.settimeout(PATIENCE)
        assert listener.recv(4096) == b"STATUS=one READY=1"
