"""What stands around a running container: list, status, clean, machined's entry, and exec in a real unit."""

from __future__ import annotations

import json

import pytest

from harness.json_page import compare, documented
from harness.system import System

needs_berth = True
pytestmark = pytest.mark.system

MANIFEST = "[Container]\nImage=base\nExec=sleep 1000\n[Network]\nMode=none\n"


@pytest.fixture
def s(m: System) -> System:
    m.manifest("one", MANIFEST)
    m.reload()
    m.start("one")
    return m


def rows(s: System) -> list[list[str]]:
    return [line.split() for line in s.run("berth", "list", "--no-legend").lines]


def test_list_and_status(s: System) -> None:
    (row,) = rows(s)
    assert (row[0], row[2], row[-1]) == ("one", "running", "one.service")
    assert s.run("berth", "list").lines[0].split() == ["NAME", "IMAGE", "STATE", "PID", "UPTIME", "HEALTH", "NETWORK", "UNIT"]
    (entry,) = s.run("berth", "list", "--json").json()
    assert (entry["name"], entry["unit"], str(entry["pid"])) == ("one", "one.service", row[3])
    status = s.run("berth", "status", "one", "--json").json()
    assert (status["state"], status["active_state"], status["sub_state"], status["result"]) == (
        "running", "active", "running", "success")
    assert status["manifest"].endswith("/one.berth")
    assert status["pid"] == entry["pid"] == int(s.unit("one.service", "MainPID"))
    assert "memory_bytes" not in status or status["memory_bytes"] > 0
    assert entry["network"] == status["network"] == "none"
    assert 0 < entry["uptime_usec"] <= status["uptime_usec"]
    text = s.run("berth", "status", "one").out
    assert "State: running\n" in text and "Unit: one.service\n" in text
    assert "Network: none (loopback only)\n" in text


def test_a_stopped_container_and_an_unknown_one(s: System) -> None:
    s.stop("one")
    assert rows(s) == []
    assert s.run("berth", "list", "--json").json() == []
    result = s.run("berth", "status", "one", "--json", check=False)
    assert (result.rc, result.json()["state"], result.json()["active_state"]) == (4, "stopped", "inactive")
    assert s.run("berth", "status", "unknown", check=False).rc == 3
    assert s.run("berth", "status", "dbus", check=False).rc == 3  # a unit, but none of ours
    assert s.run("berth", "status", "../x", check=False).rc == 3
    assert s.run("berth", "status", check=False).rc == 2
    assert s.run("berth", "lst", check=False).rc == 2
    assert "did you mean 'list'" in s.run("berth", "lst", check=False).err


def test_those_that_do_not_run_are_listed_when_asked_for(s: System) -> None:
    s.manifest("bad", "[Container]\nImage=base\nExec=sleep 1000\nLabel=kind=bad\nInit=no\n[Network]\nMode=host\n")
    s.manifest("again", "[Container]\nImage=base\nExec=false\n[Network]\nMode=none\n"
                        "[Service]\nRestart=always\nRestartSec=1h\n")
    s.manifest("typo", "[Container]\nImagee=base\nExec=true\n[Network]\nMode=none\n")
    s.manifest("off", "[Container]\nProfile=minimal\nExec=true\n[Network]\nMode=none\n[Health]\nExec=true\n")
    s.manifest("many@", MANIFEST)
    s.reload()
    s.run("systemctl", "start", "--no-block", "bad", "again", "typo", "many@1")
    s.wait_state("bad.service", "active", timeout=60)
    s.run("systemctl", "kill", "--signal=KILL", "bad.service")
    for unit, state in (("bad", "failed"), ("typo", "failed"), ("many@1", "active")):
        s.wait_state(f"{unit}.service", state, timeout=60)
    s.wait_for(lambda: s.unit("again.service", "SubState") == "auto-restart", "a restart", timeout=60)

    def listed(*options: str) -> dict[str, tuple]:
        return {entry["name"]: (entry["state"], entry["image"], entry["unit"])
                for entry in s.run("berth", "list", "--json", *options).json()}

    assert sorted(listed()) == ["many@1", "one"]
    assert listed("--all") == {
        "again": ("restarting", "base", "again.service"),
        "bad": ("failed", "base", "bad.service"),
        "many@1": ("running", "base", "many@1.service"),
        "off": ("stopped", "minimal", "off.service"),
        "one": ("running", "base", "one.service"),
        "typo": ("failed", None, "typo.service"),
    }
    assert sorted(listed("--filter=state=failed")) == ["bad", "typo"]
    assert sorted(listed("-a", "--filter=label=kind=bad", "--filter=image=base")) == ["bad"]
    assert listed("--filter=label=kind=bad") == {}
    entry = next(e for e in s.run("berth", "list", "-a", "--json").json() if e["name"] == "bad")
    assert not {"pid", "created", "uptime_usec", "network"} & set(entry)
    assert ["off", "minimal", "stopped", "-", "-", "none", "-", "off.service"] in [
        line.split() for line in s.run("berth", "list", "--all").lines]

    result = s.run("berth", "status", "bad", "--json", check=False)
    shown = result.json()
    assert (result.rc, shown["state"], shown["result"], shown["exit_signal"]) == (4, "failed", "signal", "KILL")
    assert "exit_status" not in shown and shown["ended"].endswith("Z")
    text = s.run("berth", "status", "again", check=False).out
    assert "State: restarting\n" in text and "Exit status: 1\n" in text
    assert text.endswith("Log: berth logs again --invocation\n")
    for unit in ("again", "many@1"):
        s.stop(unit)


def test_colours_are_those_of_systemds_tools(s: System) -> None:
    green, plain = "\033[0;1;32mrunning\033[0m", "one  base  running"

    def on_terminal(*variables: str) -> str:  # the harness has one of them
        return s.run("env", "--unset=SYSTEMD_COLORS", "TERM=xterm", *variables,
                     "script", "-qec", "berth list", "/dev/null").out

    assert green in on_terminal() and green in s.run("berth", "list", env={"SYSTEMD_COLORS": "1"}).out
    assert green in s.run("berth", "status", "one", env={"SYSTEMD_COLORS": "256"}).out
    for text in (on_terminal("NO_COLOR=1"), on_terminal("SYSTEMD_COLORS=0"), on_terminal("TERM=dumb"),
                 s.run("env", "--unset=SYSTEMD_COLORS", "TERM=xterm", "berth", "list").out):
        assert plain in text and "\033" not in text
    assert on_terminal().endswith("1 container listed. Pass --all to see those that do not run, too.\r\n")
    assert "listed" not in s.run("berth", "list").out


def test_machined_knows_it_and_forgets_it(s: System) -> None:
    s.wait_for(lambda: "one" in s.run("machinectl", "list", "--no-legend").out, "entry")
    shown = s.run("machinectl", "show", "one").lines
    assert "Service=berth" in shown and "Class=container" in shown
    for _ in range(3):
        s.restart("one")
        s.wait_for(lambda: f"Leader={s.unit('one.service', 'MainPID')}\n" in
                   s.run("machinectl", "show", "one", check=False).out, "entry of the new leader")
    s.stop("one")
    s.wait_for(lambda: s.run("machinectl", "list", "--no-legend").out == "", "end of the entry")


def test_exec_in_a_unit(s: System) -> None:
    assert s.run("berth", "exec", "one", "sh", "-c", "exit 7", check=False).rc == 7
    result = s.run("berth", "exec", "--timeout=1", "one", "--", "sh", "-c", "sleep 100 & setsid sleep 100", check=False)
    assert result.rc == 124
    cgroup = "/sys/fs/cgroup" + s.unit("one.service", "ControlGroup")
    s.wait_for(lambda: not s.sh(f"ls -d {cgroup}/exec-* 2>/dev/null", check=False).out, "end of the exec's cgroup")
    assert s.sh(f"cat {cgroup}/payload/cgroup.procs").out


def test_a_stop_ends_what_was_executed(s: System) -> None:
    s.run("berth", "exec", "one", "sh", "-c", "sleep 4242 </dev/null >/dev/null 2>&1 &")
    s.wait_for(lambda: s.run("pgrep", "-fx", "sleep 4242", check=False).rc == 0, "its start")
    s.stop("one")
    assert s.run("pgrep", "-fx", "sleep 4242", check=False).rc == 1


def test_names_are_completed(s: System) -> None:
    s.manifest("onward", "[Container]\nImage=base\nExec=sleep 1\n")
    s.reload()
    s.run("berth", "exec", "--session=s7", "one", "true")
    script = """. /usr/share/bash-completion/completions/berth
        complete_() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _berth; echo ${COMPREPLY[*]}; }
        complete_ berth exec on; complete_ berth status on; complete_ berth remove on; complete_ berth session close one ''; complete_ berth image inspect ba"""
    assert s.run("bash", "-c", script).lines == ["one", "one onward", "one onward", "s7", "base"]


def test_a_frozen_unit_is_shown_and_not_entered(s: System) -> None:
    s.run("systemctl", "freeze", "one.service")
    assert rows(s)[0][2] == "frozen"
    result = s.run("berth", "exec", "one", "true", check=False)
    assert result.rc == 125 and "frozen" in result.err
    s.run("systemctl", "thaw", "one.service")
    assert s.run("berth", "exec", "one", "true").rc == 0


def test_clean_leaves_what_runs_and_removes_the_rest(s: System) -> None:
    s.sh("mkdir -p /run/berth/containers/gone /var/lib/berth/layers/gone.ephemeral/up /var/lib/berth/layers/kept/up "
         "/run/berth/ranges && ln -s gone /run/berth/ranges/1000013824")
    before = s.sh("ls /run/berth/containers /run/berth/ranges /var/lib/berth/layers").out
    s.run("berth", "clean")  # all of it is young
    assert s.sh("ls /run/berth/containers /run/berth/ranges /var/lib/berth/layers").out == before
    told = s.run("berth", "clean", "--all", "--json")
    assert told.err == "" and sorted((entry["container"], entry["removed"]) for entry in told.json()["containers"]) == [
        ("gone", "ephemeral-layer"), ("gone", "state"), ("gone", "user-ids")]
    assert told.json()["jobs"] == [] and told.json()["filters"] >= 0
    left = s.sh("find /run/berth/containers /run/berth/ranges /var/lib/berth/layers -mindepth 1 -maxdepth 1").out
    assert "gone" not in left and "1000013824" not in left
    assert "/kept" in left and "/run/berth/containers/one" in left
    assert s.run("berth", "exec", "one", "true").rc == 0
    s.sh("rm -r /var/lib/berth/layers/kept")


def test_the_timer_cleans(s: System) -> None:
    s.run("systemctl", "start", "berth-clean.service")
    assert s.unit("berth-clean.service", "Result") == "success"
    assert s.run("berth", "exec", "one", "true").rc == 0


# -- JSON is what berth.json(7) says --

JSON_MANIFEST = """
    [Container]
    Image=base
    User=nobody
    Exec=sleep 1000
    Ephemeral=no
    Label=tier=front
    Volume=data:/data
    [Network]
    Publish=127.0.0.1:8199:80
    [Health]
    Exec=sh -c "echo fine"
    Interval=1h
    [Service]
    ExecStartPost=-/bin/false
"""

#: Sections of the page, and what prints it. Files: /tmp/j/usr is an image, /tmp/j.tar an archive, /tmp/j.container Quadlet's.
JSON_VERBS = """
EXEC, RUN|berth exec --json one -- true
EXEC, RUN|berth exec --json one -- /nosuch
LIST|berth list --all --json
STATUS|berth status one --json
STATUS|berth status ended --json
INSPECT|berth inspect one --json
STATS|berth stats --json
TOP|berth top one --json
LOGS|berth logs ended -n 1 --json
KILL|berth kill one 1 --signal=CONT --json
FREEZE, THAW|berth freeze one --json
FREEZE, THAW|berth thaw one --json
DOCTOR|berth doctor --json
JOB LIST, STOP, REMOVE|berth job list --json
JOB LIST, STOP, REMOVE|berth job stop $JOB --json
JOB LOGS|berth job logs $JOB --json | tail -n 1
JOB LIST, STOP, REMOVE|berth job remove $JOB --json
SESSION LIST|berth session list --json
SESSION RESET, CLOSE|berth session reset one s --json
SESSION RESET, CLOSE|berth session close one s --json
CP|berth cp /tmp/j.tar one:/tmp/f --json
FILE|berth file read one /etc/hostname --json
FILE|echo x | berth file write one /tmp/x --json
FILE|berth file move one /tmp/x /tmp/y --json
FILE|berth file search one x /tmp --json
FILE|berth file list one /tmp --json
FILE|berth file read one /nosuch --json
FILE|berth file replace one /tmp/y --old=q --new=p --json
VOLUME|berth volume list --json
VOLUME|berth volume create one:more --json
VOLUME|berth volume backup one:data --json
VOLUME|berth volume restore one:more /tmp/j.tar --json
VOLUME|berth volume remove one:more --json
MOUNT, UMOUNT|berth mount one /mnt/a --json
MOUNT, UMOUNT|berth mount one --json
MOUNT, UMOUNT|berth umount one /mnt/a --json
SNAPSHOT CREATE, LIST, RESTORE|berth snapshot create one t --json
SNAPSHOT CREATE, LIST, RESTORE|berth snapshot list --json
SNAPSHOT REMOVE|berth snapshot remove one t --json
IMAGE IMPORT, COMMIT|berth image import /tmp/j --name=small --tag=other --json
IMAGE LIST, INSPECT|berth image list --json
IMAGE LIST, INSPECT|berth image inspect small --json
IMAGE VERIFY|berth image verify small --json
IMAGE REMOVE|berth image remove small --json
CHECK|berth check wrong --json
PREVIEW|berth preview one linked --json
DIFF|berth diff --json
CONVERT|berth convert /tmp/j.container --json
ENABLE, DISABLE|berth enable ended --json
ENABLE, DISABLE|berth disable ended --json
REMOVE|berth remove one --force --layer --json
CLEAN|berth clean --all --json
"""

#: What none of these happens to have, and this host may not count.
JSON_RARE = {
    "STATUS": {"load_state", "exit_signal", "limits_hit", "failed_commands[].exit_signal"},
    "STATS": {"cpu_percent", "cpu_throttled_usec", "memory_bytes", "memory_peak_bytes", "memory_max_bytes", "swap_bytes", "tasks",
              "tasks_peak", "tasks_max", "tasks_refused", "io_read_bytes", "io_write_bytes", "oom_kills", "scopes"},
    "SNAPSHOT CREATE, LIST, RESTORE": {"disk"},
    "CLEAN": {"containers[].container", "containers[].removed"},
    "DIFF": {"restart[].name", "restart[].why", "restart[].diff"},
}


def test_json_is_what_the_manual_says(m: System) -> None:
    m.manifest("one", JSON_MANIFEST)
    m.manifest("ended", "[Container]\nImage=base\nExec=false\n")
    m.manifest("linked", "[Container]\nImage=base\nExec=true\n[Install]\nWantedBy=multi-user.target\n")
    m.reload()
    m.start("one")
    m.start("ended", check=False)
    m.wait_for(lambda: m.run("berth", "status", "ended", "--json", check=False).json()["state"] == "failed", "ended to fail")
    m.run("berth", "health", "--name=one", "--", "sh", "-c", "echo fine")
    m.manifest("wrong", "[Container]\nImag=x\n")  # systemd does not know of it yet
    m.sh("""mkdir -p /tmp/j/usr && tar -C /tmp/j -cf /tmp/j.tar usr && printf '[Container]\\nImage=a\\n' >/tmp/j.container
            berth exec --session=s one -- true; journalctl --sync""")
    calls = [line.split("|", 1) for line in JSON_VERBS.strip().splitlines()]
    script = "".join(f"{command}\nprintf '\\1'\n" for _, command in calls)
    printed = m.sh(f"JOB=$(berth exec --detach one -- sleep 1000); exec 2>/dev/null; set +e\n{script}", timeout=120).out.split("\1")
    page = documented()
    assert {section for section, _ in calls} == set(page)
    seen: dict[str, set[str]] = {section: set() for section in page}
    wrong = []
    for (section, command), text in zip(calls, printed):
        members = page[section]
        if section == "INSPECT":
            members = page["STATUS"] | members
        if section in ("STATUS", "INSPECT"):
            members = page["STATS"] | members
        value = json.loads(text)
        whole = "error" not in value or "exec" in command
        wrong += [f"{command}: {error}" for error in compare(value, members, seen[section], whole)]
    for section, members in page.items():
        wrong += [f"{section}: {name} was never there"
                  for name in sorted(set(members) - seen[section] - JSON_RARE.get(section, set()))]
    assert "\n".join(wrong) == ""
