"""[Hooks]: what the host runs when a container fails."""

from __future__ import annotations

import re
from typing import Iterator

import pytest

from harness.system import System

needs_berth = True
pytestmark = pytest.mark.system

HOOK = """#!/bin/sh
{ echo "words:" "$@"; /usr/bin/env; /usr/bin/id -u; pwd; readlink /proc/self/fd/0; } >/run/hook.new
mv /run/hook.new /run/hook.out
"""


@pytest.fixture
def s(m: System) -> Iterator[System]:
    m.write("/usr/local/bin/hook", HOOK, mode=0o755)
    yield m
    m.run("rm", "-f", "/run/hook.out", "/usr/local/bin/hook")


def manifest(s: System, hook: str, command: str, more: str = "") -> None:
    s.run("rm", "-f", "/run/hook.out")
    s.manifest("web", f"[Container]\nImage=base\nExec={command}\n{more}\n[Network]\nMode=none\n[Hooks]\nError={hook}\n")
    s.reload()


def variables(s: System) -> dict[str, str]:
    return dict(line.split("=", 1) for line in s.read("/run/hook.out").splitlines() if "=" in line)


def test_a_failure_runs_the_hook_with_its_environment(s: System) -> None:
    manifest(s, "/usr/local/bin/hook failed 'a  b' %n $HOME", "sh -c 'exec sleep 1000'")
    s.start("web")
    pid = s.unit("web.service", "MainPID")
    s.run("berth", "kill", "web", "--signal=KILL")
    s.wait_state("web.service", "failed")
    found = variables(s)
    found.pop("PWD")  # of the hook's own shell
    assert found == {"BERTH_NAME": "web", "BERTH_UNIT": "web.service", "BERTH_PID": pid, "BERTH_IMAGE": "base",
                     "BERTH_CGROUP": "/machine.slice/web.service/payload", "BERTH_ERROR": "signal: killed KILL",
                     **{k: v for k, v in found.items() if k in ("SHLVL", "_", "OLDPWD")}}
    lines = s.read("/run/hook.out").splitlines()
    assert lines[0] == "words: failed a  b web.service $HOME"
    assert lines[-3:] == ["0", "/", "/dev/null"]


@pytest.mark.parametrize("image, error", [("base", "exit-code: exited 3"), ("none", "exit-code: exited 125")])
def test_what_it_is_told(s: System, image: str, error: str) -> None:
    manifest(s, "/usr/local/bin/hook", "sh -c 'trap \"exit 3\" USR1; echo ready; while :; do sleep 0.1; done'")
    s.sh(f"sed -i 's/^Image=.*/Image={image}/' /etc/berth/web.berth")
    s.reload()
    s.start("web", check=False)
    if image == "base":  # an end before the launcher has told of the leader has no BERTH_PID
        s.wait_for(lambda: "ready" in s.journal("web"), "the trap")
        s.run("berth", "kill", "--signal=USR1", "web")
    s.wait_state("web.service", "failed")
    assert variables(s)["BERTH_ERROR"] == error
    assert ("BERTH_PID" in variables(s)) == (image == "base")


def test_a_stop_is_no_failure(s: System) -> None:
    manifest(s, "/usr/local/bin/hook", "sleep 1000")
    s.start("web")
    s.stop("web")
    assert s.unit("web.service", "Result") == "success"
    assert not s.exists("/run/hook.out")


@pytest.mark.parametrize("hook, message, words, status", [
    ("/usr/bin/false 'a b'", "the hook '/usr/bin/false' failed with exit status 1", ["/usr/bin/false", "a b"], 1),
    ("/bin/sh -c 'exit 125'", "the hook '/bin/sh' failed with exit status 125, which is kept as 1", ["/bin/sh", "-c", "exit 125"], 1),
    ("/nothing/there", "cannot execute the hook '/nothing/there': No such file or directory", ["/nothing/there"], 127),
    ("/etc/passwd", "cannot execute the hook '/etc/passwd': Permission denied", ["/etc/passwd"], 126),
    ("/bin/sh -c 'kill -9 $$'", "the hook '/bin/sh' was killed by signal 9", ["/bin/sh", "-c", "kill -9 $$"], 137),
])
def test_a_hook_that_fails_is_told_and_leaves_nothing(s: System, hook: str, message: str, words: list[str], status: int) -> None:
    before = s.leaks_snapshot()
    manifest(s, hook, "false")
    s.sh("printf '[Service]\\nExecStopPost=/bin/sh -c \"ls /run/berth/containers; echo mine\"\\n' >>/etc/berth/web.berth")
    s.reload()
    s.start("web", check=False)
    s.wait_state("web.service", "failed")
    assert message in s.journal("web")
    assert s.unit("web.service", "Result") == "exit-code"
    (failed,) = s.run("berth", "status", "web", "--json", check=False).json()["failed_commands"]
    assert (failed["directive"], failed["command"], failed["exit_status"]) == ("Error", words, status)
    assert re.search(rf"^Failed command: Error={re.escape(' '.join(words))} \(exit status {status}, \d{{4}}-\d\d-\d\d [\d:]{{8}}\)$",
                     s.run("berth", "status", "web", check=False).out, re.MULTILINE)
    s.wait_for(lambda: "mine" in s.journal("web"), "the manifest's own command")
    s.run("systemctl", "reset-failed", "web")
    s.assert_nothing_left(before, ignore=["/etc/berth"])


@pytest.mark.parametrize("limit", ["systemd's", pytest.param("own", marks=pytest.mark.long)])
def test_a_hook_that_hangs_is_killed_with_all_that_it_started(s: System, limit: str) -> None:
    before = s.leaks_snapshot()
    manifest(s, "/bin/sh -c '/bin/sleep 4712 & /bin/sleep 4713'", "false", more="StopTimeout=2min")
    s.run("systemctl", "start", "--no-block", "web")
    if limit != "own":  # it says so by TERM, and this test before that
        s.wait_for(lambda: s.run("pgrep", "-fxc", "/bin/sleep 471[23]", check=False).out == "2\n", "what the hook starts")
        s.run("systemctl", "kill", "--kill-who=control", "--signal=TERM", "web")
    s.wait_state("web.service", "failed", timeout=120)
    assert "the hook '/bin/sh' took more than 30 seconds, or than TimeoutStopSec=, and was killed" in s.journal("web")
    (failed,) = s.run("berth", "status", "web", "--json", check=False).json()["failed_commands"]
    assert (failed["directive"], failed["exit_status"]) == ("Error", 124)
    s.run("systemctl", "reset-failed", "web")
    s.assert_nothing_left(before, ignore=["/etc/berth"])
    assert s.run("pgrep", "-f", "sleep 471[23]", check=False).out == ""


def test_commands_of_the_unit_that_fail_are_told_and_keep_nothing_from_being_cleaned_up(s: System) -> None:
    before = s.leaks_snapshot()
    s.manifest("web", """
        [Container]
        Image=base
        Exec=sleep 1000
        [Network]
        Mode=none
        [Service]
        ExecStartPre=-/bin/sh -c 'exit 4'
        ExecStartPost=-/usr/bin/false
        ExecStopPost=/bin/sh -c 'kill -KILL $$$$'
        ExecStopPost=/bin/touch /run/never
    """)
    s.reload()
    s.start("web")

    def failed() -> list[tuple[object, ...]]:
        told = s.run("berth", "status", "web", "--json", check=False).json().get("failed_commands", [])
        return [(entry["directive"], entry["command"], entry.get("exit_status"), entry.get("exit_signal")) for entry in told]

    at_start = [("ExecStartPre", ["/bin/sh", "-c", "exit 4"], 4, None), ("ExecStartPost", ["/usr/bin/false"], 1, None)]
    assert failed() == at_start
    s.stop("web")
    assert s.unit("web.service", "Result") == "signal" and not s.exists("/run/never")
    assert failed() == [*at_start, ("ExecStopPost", ["/bin/sh", "-c", "kill -KILL $$$$"], None, "KILL")]
    s.run("systemctl", "reset-failed", "web")
    s.assert_nothing_left(before, ignore=["/etc/berth"])


def test_a_restart_comes_after_the_hook(s: System) -> None:
    manifest(s, "/bin/sh -c 'echo x >>/run/hook.out'", "sh -c 'exit 1'")
    s.sh("printf '[Service]\\nRestart=on-failure\\nRestartSec=0\\n[Unit]\\nStartLimitBurst=3\\nStartLimitIntervalSec=1h\\n' "
         ">>/etc/berth/web.berth")
    s.reload()
    s.start("web", check=False)
    s.wait_for(lambda: s.unit("web.service", "NRestarts") == "3" or s.unit("web.service", "ActiveState") == "failed",
               "its third failure")
    s.wait_for(lambda: s.read("/run/hook.out").splitlines() == ["x"] * 3, "three hooks")
