"""berth exec --detach, and the jobs that it makes."""

from __future__ import annotations

import json
import re

import pytest

from harness.system import System
from harness.timing import ATTEMPTS

needs_berth = True
pytestmark = pytest.mark.system

MANIFEST = "[Container]\nImage=base\nExec=sleep 1000\n[Network]\nMode=none\n"


@pytest.fixture
def s(m: System) -> System:
    m.manifest("one", MANIFEST)
    m.reload()
    m.start("one")
    return m


def detach(s: System, *words: str, name: str = "one", **more) -> str:
    out = s.run("berth", "exec", name, "--detach", *words, **more).out
    assert re.fullmatch(rf"{name}-[0-9a-f]{{8}}\n", out)
    return out.strip()


def jobs(s: System, *words: str) -> dict[str, dict]:
    return {job["job"]: job for job in s.run("berth", "job", "list", "--json", *words).json()}


def ended(s: System, job: str) -> dict:
    return s.wait_for(lambda: (found := jobs(s)[job])["state"] != "running" and found, "end of the job")


def cursor(err: str) -> str:
    return re.search(r"^-- cursor: (\S+)$", err, re.MULTILINE)[1]


def test_a_job_has_its_output_and_its_exit_status(s: System) -> None:
    job = detach(s, "--", "sh", "-c", "echo out; echo; echo err >&2; printf 'no end'; exit 3")
    found = ended(s, job)
    assert (found["container"], found["state"], found["exit_status"]) == ("one", "ended", 3)
    assert found["started"] <= found["ended"] and 0 <= found["runtime_ms"] < 600_000
    assert found["command"].startswith("sh -c echo out")
    logs = s.run("berth", "job", "logs", job)
    assert logs.out == "out\n\nno end"
    assert re.fullmatch(r"err\n-- cursor: \S+\n", logs.err)
    s.run("berth", "job", "remove", job)
    assert jobs(s) == {}
    assert s.run("systemctl", "is-failed", f"berth-job-{job}", check=False).out == "inactive\n"
    assert s.run("berth", "job", "logs", job, check=False).rc == 3


def test_a_job_that_did_well_is_still_there(s: System) -> None:
    job = detach(s, "--", "true")
    assert ended(s, job)["exit_status"] == 0
    (row,) = s.run("berth", "job", "list", "--no-legend").lines
    assert row.split()[:3] == [job, "ended", "0"] and row.endswith(" true")
    assert s.run("berth", "job", "list").lines[0].split() == ["JOB", "STATE", "EXIT", "STARTED", "RUNTIME", "COMMAND"]
    s.run("berth", "job", "remove", job)
    assert s.run("systemctl", "list-units", "--all", "--no-legend", "berth-job-*").out == ""


def test_every_byte_and_no_mixing(s: System) -> None:
    """More than a pipe holds, no text, and both streams at once."""
    job = detach(s, "--", "sh", "-c", "head -c 200000 /dev/zero | tr '\\0' '\\377'; seq 1 3000 >&2")
    ended(s, job)
    logs = s.run("berth", "job", "logs", job)
    assert logs.stdout == b"\xff" * 200000
    assert logs.err.split("-- cursor")[0] == "".join(f"{n}\n" for n in range(1, 3001))
    lines = [json.loads(line) for line in s.run("berth", "job", "logs", "--json", job).lines]
    assert list(lines[-1]) == ["cursor"]
    assert lines[-2]["exit_code"] == 0
    assert all(list(line) in (["stdout", "encoding"], ["stderr"]) for line in lines[:-2])


def test_what_came_since(s: System) -> None:
    job = detach(s, "--", "sh", "-c", "echo one; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo two; sleep 1000")

    def first():
        logs = s.run("berth", "job", "logs", job)
        return logs.out == "one\n" and logs

    at = cursor(s.wait_for(first, "first line").err)
    again = s.run("berth", "job", "logs", "--since-cursor", at, job)
    assert (again.out, cursor(again.err)) == ("", at)
    s.run("berth", "exec", "one", "--", "touch", "/tmp/go")
    s.wait_for(lambda: s.run("berth", "job", "logs", f"--since-cursor={at}", job).out == "two\n", "second line")
    for wrong in ("", "x", "s=1;", "../"):
        done = s.run("berth", "job", "logs", f"--since-cursor={wrong}", job, check=False)
        assert (done.rc, done.err) == (2, f"--since-cursor={wrong}: not a cursor\n")
    s.run("berth", "job", "stop", job)


def test_words_and_variables_arrive_as_they_are_and_are_nobodys_to_read(s: System) -> None:
    words = ["a b", "$HOME", "%n %%", '"q\'', "\\x", "\u00e4", "", "tab\tline\nend"]
    job = detach(s, "--env=A=$x %n \"'\\ \u00e4", "--env", "MINE", "--workdir=/tmp", "--user=daemon", "--", "sh", "-c",
                 'printf "%s|" "$@"; echo; echo "$A/$MINE/$PWD"; id -un', "sh", *words, env={"MINE": "hidden away"})
    ended(s, job)
    assert s.run("berth", "job", "logs", job).out == "|".join(words) + "|\n$x %n \"'\\ \u00e4/hidden away//tmp\ndaemon\n"
    shown = s.run("systemctl", "show", f"berth-job-{job}").out + s.run("systemctl", "cat", f"berth-job-{job}").out
    assert "hidden away" not in shown
    file = f"/run/berth/containers/one/job-{job[-8:]}"
    assert s.run("stat", "-c", "%a %U", file).out == "600 root\n"
    s.run("berth", "job", "remove", job)
    assert not s.exists(file)


def test_stop_is_term_and_two_seconds_later_kill(s: System) -> None:
    for _ in range(ATTEMPTS):
        kind = detach(s, "--", "sh", "-c", "trap 'echo asked; exit 0' TERM; echo up; while :; do sleep 0.05; done")
        deaf = detach(s, "--", "sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done")
        for job in (kind, deaf):
            s.wait_for(lambda job=job: s.run("berth", "job", "logs", job).out == "up\n", "its start")
        assert s.run("berth", "job", "remove", kind, check=False).err == \
            f"job '{kind}' is running; end it first: berth job stop {kind}\n"
        s.run("berth", "job", "stop", kind, deaf)
        found = jobs(s)
        assert (found[deaf]["state"], found[deaf]["exit_status"]) == ("ended", 137)
        if found[kind]["exit_status"] != 137:
            break
    assert (found[kind]["state"], found[kind]["exit_status"]) == ("ended", 0)
    assert s.run("berth", "job", "logs", kind).out == "up\nasked\n"
    s.run("berth", "job", "stop", kind)  # it has ended: nothing to do
    cgroup = "/sys/fs/cgroup" + s.unit("one.service", "ControlGroup")
    s.wait_for(lambda: not s.sh(f"ls -d {cgroup}/exec-* 2>/dev/null", check=False).out, "end of the groups")


def test_a_time_limit_ends_all_of_it(s: System) -> None:
    job = detach(s, "--timeout=500ms", "--", "sh", "-c", "setsid sleep 4243 & sleep 4243")
    found = ended(s, job)
    assert (found["state"], found["exit_status"]) == ("timed out", 124)
    assert s.run("pgrep", "-fx", "sleep 4243", check=False).rc == 1


def test_a_job_ends_with_its_container_and_its_result_stays_until_clean(s: System) -> None:
    before = s.leaks_snapshot()
    good, running = detach(s, "--", "true"), detach(s, "--", "sleep", "4244")
    ended(s, good)
    s.stop("one")
    assert s.run("pgrep", "-fx", "sleep 4244", check=False).rc == 1
    assert ended(s, running)["exit_status"] in (125, 137)
    assert jobs(s)[good]["exit_status"] == 0
    s.start("one")
    s.run("berth", "clean")  # it runs: its jobs are its own
    assert len(jobs(s)) == 2
    s.stop("one")
    cleaned = s.run("berth", "clean").err
    assert f"removed job '{good}'" in cleaned and f"removed job '{running}'" in cleaned
    assert jobs(s) == {}
    s.start("one")
    s.assert_nothing_left(before)


def test_a_client_that_is_killed_takes_the_job_along(s: System) -> None:
    job = detach(s, "--", "sleep", "4245")
    s.wait_for(lambda: s.run("pgrep", "-fx", "sleep 4245", check=False).rc == 0, "its start")
    s.run("systemctl", "kill", "--kill-who=all", "-s", "KILL", f"berth-job-{job}")
    s.wait_for(lambda: s.run("pgrep", "-fx", "sleep 4245", check=False).rc == 1, "its end")
    assert ended(s, job)["exit_status"] == 137


def test_instances_have_jobs_of_their_own(m: System) -> None:
    m.manifest("web@", MANIFEST)
    m.reload()
    m.start("web@1")
    job = detach(m, "--", "echo", "hello", name="web@1")
    ended(m, job)
    assert m.run("berth", "job", "logs", job).out == "hello\n"
    m.manifest("web", MANIFEST)
    assert list(jobs(m, "web@1")) == [job] and jobs(m, "web") == {}
    m.run("berth", "job", "remove", job)
    m.stop("web@1")


MISTAKES = [
    (["--user=nobody-here", "--", "true"], "no such user"),
    (["--env-file=/no/such", "--", "true"], "cannot read environment file '/no/such'"),
    (["--env=A=a\nb", "--", "true"], "--env=A: a value with a line break cannot go with --detach"),
    (["-t", "--", "true"], "--detach: takes neither --json nor --tty"),
    (["--input=-", "--", "true"], "--detach: a job has no standard input of the caller's"),
    (["--cap-add=CAP_SYS_ADMIN", "--", "true"], "does not have it"),
]


def test_what_cannot_be_a_job_is_said_at_once(s: System) -> None:
    for words, message in MISTAKES:
        done = s.run("berth", "exec", "one", "--detach", *words, check=False)
        assert (done.rc, done.out) == (125, "")
        assert message in done.err
        assert jobs(s) == {}
        assert "job" not in s.sh("ls /run/berth/containers/one").out


def test_a_job_and_an_object_exclude_each_other(s: System) -> None:
    done = s.run("berth", "exec", "one", "--detach", "--json", "--", "true", check=False)
    assert (done.rc, done.err) == (125, "--detach: takes neither --json nor --tty, see berth job logs\n")
    assert jobs(s) == {}


def test_what_was_stopped_and_removed_is_told(s: System) -> None:
    job = detach(s, "--", "sleep", "1000")
    done = s.run("berth", "job", "stop", "--json", job, "one-00000000", check=False)
    (told,) = done.json()
    assert (done.rc, told["job"], told["container"], told["state"], told["exit_status"]) == (3, job, "one", "ended", 143)
    (told,) = s.run("berth", "job", "remove", "--json", job).json()
    assert (told["job"], told["exit_status"]) == (job, 143)


def test_a_list_of_a_container_that_there_is_not(s: System) -> None:
    assert s.run("berth", "job", "list", "one", "--json").json() == []
    for name, message in (("nobody", "no container 'nobody', see berth list --all\n"),
                          ("../one", "'../one' is not a container's name, see berth list --all\n")):
        for words in ((), ("--json",), ("--no-legend",)):
            done = s.run("berth", "job", "list", name, *words, check=False)
            assert (done.rc, done.out, done.err) == (3, "", message)


def test_names_that_are_no_jobs(s: System) -> None:
    for verb in ("logs", "stop", "remove"):
        for name in ("one", "one-", "one-0000000", "one-0000000g", "dbus", "../x-00000000", "one-00000000", ""):
            done = s.run("berth", "job", verb, name, check=False)
            assert (done.rc, done.err) == (3, f"no job '{name}', see berth job list\n")


def test_input_is_read_by_the_job(s: System) -> None:
    s.write("/root/input", "from the host\n")
    job = s.sh("cd /root && berth exec one --detach --input=input -- cat").out.strip()
    ended(s, job)
    assert s.run("berth", "job", "logs", job).out == "from the host\n"


def test_a_job_that_systemd_refuses_leaves_no_variables(s: System) -> None:
    """Where there is no bus to ask it at."""
    done = s.run("berth", "exec", "one", "--detach", "--env=A=1", "--", "true", check=False,
                 env={"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nowhere"})
    assert (done.rc, done.err) == (125, "--detach needs systemd, and there is no system bus\n")
    assert "job" not in s.sh("ls /run/berth/containers/one").out
