"""berth env: variables for later execs."""

from __future__ import annotations

import pytest

from harness.system import System

needs_berth = True
pytestmark = pytest.mark.system

MANIFEST = ("[Container]\nImage=base\nExec=sh -c 'cat /proc/self/environ >/tmp/own; exec sleep 1000'\nEnvironment=A=leader B=leader\n"
            "[Network]\nMode=none\n")


@pytest.fixture
def s(m: System) -> System:
    m.manifest("one", MANIFEST)
    m.reload()
    m.start("one")
    return m


def inside(s: System, script: str, *options: str) -> str:
    return s.run("berth", "exec", *options, "one", "--", "sh", "-c", script).out


def test_what_is_set_is_there_for_later_execs_and_not_for_the_leader(s: System) -> None:
    s.run("berth", "env", "set", "one", "A=kept", "NEW=a b\n$c=d", "EMPTY=")
    assert inside(s, 'echo "$A/$B/$NEW/${EMPTY-unset}/"') == "kept/leader/a b\n$c=d//\n"
    # what the caller says goes over it
    s.write("/root/file", "NEW=file\n")
    assert inside(s, 'echo "$A/$NEW"', "--env=A=mine", "--env-file=/root/file") == "mine/file\n"
    assert s.run("berth", "env", "list", "one", "--json").json() == {"A": "kept", "NEW": "a b\n$c=d", "EMPTY": ""}
    s.run("berth", "env", "set", "one", "NEW=once")
    assert s.run("berth", "env", "unset", "one", "A", "NOT_THERE", "--json").json() == {"NEW": "once", "EMPTY": ""}
    assert s.run("berth", "env", "list", "one").out == "NEW=once\nEMPTY=\n"
    assert inside(s, 'echo "$A"') == "leader\n"
    own = s.wait_for(lambda: inside(s, "cat /tmp/own 2>/dev/null || :"), "what the leader has")
    assert "A=leader" in own and "once" not in own
    assert s.run("stat", "-c", "%a %U", "/run/berth/containers/one/variables").out == "600 root\n"


def test_a_job_has_them_and_a_restart_forgets_them(s: System) -> None:
    s.run("berth", "env", "set", "one", "NEW=kept")
    job = s.run("berth", "exec", "--detach", "one", "--", "sh", "-c", "echo $NEW").out.strip()
    s.wait_for(lambda: s.run("berth", "job", "logs", job).out == "kept\n", "its line")
    s.wait_for(lambda: "ended" in s.run("berth", "job", "list", "one").out, "its end")
    s.run("berth", "job", "remove", job)
    s.restart("one")
    assert s.run("berth", "env", "list", "one").out == ""
    assert inside(s, "echo ${NEW-none}") == "none\n"


MISTAKES = [
    (["set", "one", "A"], 2, "'A': expected NAME=VALUE"), (["set", "one", "=x"], 2, "'=x': expected NAME=VALUE"),
    (["set", "one", "1A=x"], 2, "'1A=x': expected NAME=VALUE"), (["set", "one", "A B=x"], 2, "'A B=x': expected NAME=VALUE"),
    (["set", "one", "GOOD=1", "bad"], 2, "'bad': expected NAME=VALUE"), (["unset", "one", "A=x"], 2, "'A=x': expected the name"),
    (["set", "one"], 2, "env set needs"), (["set", "two", "A=x"], 3, "two"), (["list", "../one"], 3, "../one"),
    (["lst", "one"], 2, "did you mean 'list'"),
]


def test_mistakes(s: System) -> None:
    for words, rc, message in MISTAKES:
        done = s.run("berth", "env", *words, check=False)
        assert (done.rc, done.out) == (rc, "")
        assert message in done.err
        assert s.run("berth", "env", "list", "one").out == ""


def test_a_container_that_is_stopped(s: System) -> None:
    s.stop("one")
    assert s.run("berth", "env", "set", "one", "A=x", check=False).rc == 4


def test_two_at_once_lose_nothing(s: System) -> None:
    s.sh("for i in 1 2 3 4 5 6 7 8 9; do berth env set one V$i=$i & done; wait")
    assert sorted(s.run("berth", "env", "list", "one").lines) == [f"V{n}={n}" for n in range(1, 10)]


def test_what_is_damaged_is_an_error_and_not_nothing(s: System) -> None:
    s.write("/run/berth/containers/one/variables", "NO_END=x")
    done = s.run("berth", "exec", "one", "--", "true", check=False)
    assert (done.rc, done.err) == (125, "cannot read the variables that are kept for container 'one': Bad message\n")
