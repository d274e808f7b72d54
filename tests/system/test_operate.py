"""What an administrator looks at and does while a container runs: inspect, stats, top, kill, freeze, filters."""

from __future__ import annotations

import json
from typing import Iterator

import pytest

from harness.moments import STRACE
from harness.system import System

needs_berth = True
pytestmark = pytest.mark.system

MANIFEST = """
    [Container]
    Image=base
    Exec=sleep 1000
    Label=app=shop
    Label=tier=front
    Label=url=http://x/?a=1
    Volume=data:/data
    Volume=site:/site:ro
    Device=/dev/sub/zero rw
    DropCapability=CAP_CHOWN
    [Network]
    Mode=none
"""


@pytest.fixture
def s(m: System) -> Iterator[System]:
    m.sh("mkdir -p /dev/sub && mknod /dev/sub/zero c 1 5")
    m.manifest("one", MANIFEST)
    m.reload()
    m.start("one")
    yield m
    m.sh("rm -r /dev/sub")


def names(s: System, *filters: str) -> list[str]:
    return [entry["name"] for entry in s.run("berth", "list", "--json", *(f"--filter={f}" for f in filters)).json()]


def processes(s: System) -> dict[str, dict]:
    return {entry["command"]: entry for entry in s.run("berth", "top", "one", "--json").json()}


def test_list_is_filtered(s: System) -> None:
    s.manifest("two", MANIFEST.replace("shop", "blog"))
    s.reload()
    s.start("two")
    assert names(s) == ["one", "two"]
    assert names(s, "label=app=shop") == ["one"]
    assert names(s, "label=app") == ["one", "two"]
    assert names(s, "label=ap") == names(s, "label=url=http://x/?a") == names(s, "label=url=") == []
    assert names(s, "label=url=http://x/?a=1", "label=url") == ["one", "two"]
    assert names(s, "label=app=blog", "label=tier=front") == ["two"]
    assert names(s, "label=app=blog", "label=tier=back") == []
    assert names(s, "image=base", "state=running", "health=none") == ["one", "two"]
    assert names(s, "state=frozen") == names(s, "image=other") == names(s, "health=healthy") == []
    for wrong, message in (("colour=red", "expected state=, health=, image= or label= with a value"),
                           ("image=", "expected state=, health=, image= or label= with a value"),
                           ("state=well", "expected state=running, frozen, starting, restarting, stopping, failed, stopped, masked or damaged"),
                           ("health=fine", "expected health=starting, healthy, unhealthy or none")):
        result = s.run("berth", "list", f"--filter={wrong}", check=False)
        assert (result.rc, result.out, result.err) == (2, "", f"--filter={wrong}: {message}\n")


def test_what_is_masked_is_shown_as_that(s: System) -> None:
    s.manifest("two", MANIFEST)
    s.reload()
    s.run("systemctl", "mask", "one", "two")
    assert {e["name"]: e["state"] for e in s.run("berth", "list", "--all", "--json").json()} == {"one": "running", "two": "masked"}
    assert names(s, "state=masked") == ["two"]
    status = s.run("berth", "status", "two", "--json", check=False)
    assert (status.rc, status.json()["state"], status.json()["load_state"]) == (4, "masked", "masked")
    assert [s.run("berth", "status", "one", "--json").json()[key] for key in ("state", "load_state")] == ["running", "masked"]
    result = s.run("berth", "freeze", "two", check=False)
    assert (result.rc, result.err) == (4, "container 'two' is not running, and its unit is masked; systemctl unmask two undoes that\n")
    assert s.run("berth", "logs", "two").rc == 0
    s.run("systemctl", "unmask", "one", "two")
    assert s.run("berth", "status", "two", "--json", check=False).json().get("load_state") is None
    # a manifest that is masked is none, for whoever asks
    s.sh("mkdir -p /run/berth && mv /etc/berth/two.berth /run/berth && ln -s /dev/null /etc/berth/two.berth")
    s.reload()
    assert "two" not in s.run("berth", "list", "--all").out
    for verb, rc in (("status", 3), ("exec", 125), ("shell", 125), ("top", 3), ("freeze", 3)):
        result = s.run("berth", verb, "two", *(["true"] if verb == "exec" else []), check=False)
        assert (result.rc, result.err) == (rc, "no container 'two', see berth list --all\n"), verb
    s.run("rm", "/run/berth/two.berth", "/etc/berth/two.berth")
    # and so is one of the name of a unit that is systemd's
    s.manifest("getty@", MANIFEST)
    s.reload()
    result = s.run("berth", "exec", "getty@tty1", "true", check=False)
    assert (result.rc, result.err) == (125, "no container 'getty@tty1', see berth list --all\n")


def test_top_knows_both_numbers_of_a_process(s: System) -> None:
    found = processes(s)
    leader, command = found["berth-init"], found["sleep 1000"]
    assert (leader["pid"], leader["host_pid"]) == (1, int(s.unit("one.service", "MainPID")))
    assert s.read(f"/proc/{command['host_pid']}/comm") == "sleep\n"
    status = s.run("berth", "status", "one", "--json").json()
    assert (command["user"], command["uid"], command["host_uid"]) == ("root", 0, status["uid_base"])
    assert command["memory_bytes"] > 0
    assert s.run("berth", "top", "one").lines[0].split() == ["PID", "HOST-PID", "USER", "HOST-UID", "CPU", "MEMORY",
                                                            "COMMAND"]
    assert s.run("berth", "top", "one", "--no-legend").lines[0].split()[0] == "1"


def test_what_a_process_calls_itself_does_not_reach_the_terminal(s: System) -> None:
    s.run("berth", "exec", "one", "--", "bash", "-c", "(exec -a \"$(printf 'x\\033[2Jy\\nz')\" sleep 4243 "
          "</dev/null >/dev/null 2>&1) &")
    s.wait_for(lambda: "4243" in s.run("berth", "top", "one").out, "the process")
    out = s.run("berth", "top", "one").out
    assert "x\\x1b[2Jy\\x0az 4243" in out and "\x1b" not in out


def test_kill_takes_the_number_inside_and_nobody_elses(s: System) -> None:
    # with more groups than a page or two of /proc/PID/status hold, which would hide it and all others
    s.run("berth", "exec", "one", "--", "sh", "-c",
          "setpriv --groups=$(seq -s, 12000) sleep 4242 </dev/null >/dev/null 2>&1 &")
    s.wait_for(lambda: "sleep 4242" in processes(s), "the process")
    pid = processes(s)["sleep 4242"]["pid"]
    host = processes(s)["sleep 4242"]["host_pid"]
    assert s.run("berth", "kill", "one", pid, "--signal=19", "--json").json() == {
        "container": "one", "pid": pid, "host_pid": host, "signal": "STOP"}
    assert len(s.read(f"/proc/{host}/status")) > 65536
    s.wait_for(lambda: "State:\tT" in s.read(f"/proc/{host}/status"), "its stop")
    s.run("berth", "kill", "one", pid, "-s", "KILL")
    s.wait_for(lambda: "sleep 4242" not in processes(s), "its end")
    s.run("systemd-run", "--property=Type=exec", "--unit=outside", "sleep", "4243")
    outside = s.unit("outside.service", "MainPID")
    result = s.run("berth", "kill", "one", outside, check=False)
    assert (result.rc, result.err) == (1, f"container 'one' has no process {outside}, see berth top one\n")
    assert s.read(f"/proc/{outside}/comm") == "sleep\n"
    s.run("systemctl", "stop", "outside")
    for wrong in ("0", "-1", "4294967296", "x", "1 "):
        result = s.run("berth", "kill", "one", "--", wrong, check=False)
        assert result.rc == 2, result
    result = s.run("berth", "kill", "one", "--signal=NONE", check=False)
    assert (result.rc, result.err) == (2, "--signal=NONE: expected a signal, like TERM, SIGKILL or 9\n")
    leader = int(s.unit("one.service", "MainPID"))
    assert s.run("berth", "kill", "one", "--json").json() == {  # the leader, which ends by it
        "container": "one", "pid": 1, "host_pid": leader, "signal": "TERM"}
    s.wait_state("one.service", "inactive")
    result = s.run("berth", "kill", "one", check=False)
    assert (result.rc, result.err) == (4, "container 'one' is not running; systemctl start one starts it\n")


def test_stats_are_the_kernels(s: System) -> None:
    (entry,) = s.run("berth", "stats", "--json").json()
    cgroup = "/sys/fs/cgroup" + s.unit("one.service", "ControlGroup")
    assert entry["name"] == "one"
    used = int(next(line for line in s.read(f"{cgroup}/cpu.stat").splitlines() if line.startswith("usage_usec ")).split()[1])
    assert 0 < entry["cpu_usec"] <= used
    for member, file in (("memory_bytes", "memory.current"), ("tasks", "pids.current"), ("io_read_bytes", "io.stat")):
        assert (member in entry) == s.exists(f"{cgroup}/{file}"), member
    assert s.run("berth", "stats", "one", "--no-legend").lines[0].split()[0] == "one"
    assert s.run("berth", "stats", "one", "two", check=False).rc == 3
    # a round is a line; from the second on it knows what was used since. Who ends meanwhile is left out; with the last one it is over
    s.manifest("two", MANIFEST)
    s.reload()
    s.start("two")
    out = s.sh("(berth stats --watch --json two one 2>&1 || echo $?) | (read -r line; echo \"$line\"; systemctl stop two; read -r next; "
               "while [[ $next == *two* ]]; do read -r next; done; echo \"$next\"; systemctl stop one; cat)").lines
    first, second = json.loads(out[0]), json.loads(out[1])
    assert [entry["name"] for entry in first] == ["two", "one"] and "cpu_percent" not in first[1]
    assert [entry["name"] for entry in second] == ["one"] and second[0]["cpu_percent"] >= 0
    assert out[-2].startswith("container 'one' is not running") and out[-1] == "4"


def thawers(s: System) -> list[str]:
    return [line.split()[0] for line in s.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "berth-frozen@*").lines]


def test_freeze_and_thaw(s: System) -> None:
    assert s.run("berth", "freeze", "one", "--json").json() == {"container": "one", "unit": "one.service", "state": "frozen"}
    assert names(s, "state=frozen") == ["one"]
    assert s.run("berth", "exec", "one", "true", check=False).rc == 125
    assert thawers(s) == ["berth-frozen@one.service"]
    s.run("berth", "freeze", "one")
    assert names(s, "state=frozen") == ["one"]
    assert s.run("berth", "thaw", "one", "--json").json() == {"container": "one", "unit": "one.service", "state": "running"}
    assert s.run("berth", "exec", "one", "true").rc == 0
    s.wait_for(lambda: thawers(s) == [], "end of what would thaw it")
    s.run("berth", "thaw", "one")
    result = s.run("berth", "freeze", "nobody", check=False)
    assert (result.rc, result.err) == (3, "no container 'nobody', see berth list --all\n")
    assert s.run("berth", "thaw", "nobody", check=False).rc == 3


def test_all_of_a_container_stands_still_and_nothing_of_systemds(s: System) -> None:
    """systemd makes its own group below the unit's, and version 257 hangs where it starts something in a frozen one."""
    group = "/sys/fs/cgroup/machine.slice/one.service"
    running = s.popen("berth", "exec", "one", "--", "sleep", "1000")
    s.wait_for(lambda: s.sh(f"cat {group}/exec-*/cgroup.procs 2>/dev/null || :").out, "the exec")
    s.sh(f"mkdir -p {group}/.control")
    s.run("berth", "freeze", "one")
    frozen = dict(line.split() for line in s.sh(
        f"cd {group} && for g in . payload guard exec-* .control; do echo $g $(sed -n 's/^frozen //p' $g/cgroup.events); done").lines)
    assert frozen.pop(".") == frozen.pop(".control") == frozen.pop("guard") == "0"
    assert len(frozen) == 2 and set(frozen.values()) == {"1"}, frozen
    s.run("berth", "thaw", "one")
    s.run("berth", "kill", "--signal=TERM", "one")
    running.wait(30)


def groups(s: System) -> dict[str, str]:
    """Of one.service: which of its control groups were asked to stand still."""
    found = s.sh("cd /sys/fs/cgroup/machine.slice/one.service && grep . payload/cgroup.freeze exec-*/cgroup.freeze", check=False)
    return dict(line.split("/cgroup.freeze:") for line in found.lines)


def test_a_container_that_cannot_be_frozen_whole_goes_on(s: System) -> None:
    running = s.popen("berth", "exec", "one", "--", "sleep", "1000")
    s.wait_for(lambda: len(groups(s)) == 2, "the exec")
    result = s.run(*STRACE, "-o", "/dev/null", "-e", "trace=write", "-e", "inject=write:error=EIO:when=2", "berth", "freeze", "one", check=False)
    assert (result.rc, result.err) == (1, "container 'one' cannot be frozen: Input/output error\n")
    assert set(groups(s).values()) == {"0"}
    s.wait_for(lambda: thawers(s) == [], "end of what would thaw it")
    order = [name for name in s.sh("ls -U /sys/fs/cgroup/machine.slice/one.service").lines if name in groups(s)]
    exec_group = 2 + [name.startswith("exec-") for name in order].index(True)  # payload is written to before them
    for when, said in (("1..3", "container 'one' was thawed by somebody else while it was to be frozen; try again\n"),
                       (exec_group, "container 'one' cannot be frozen: not all of its processes stood still within 10 seconds; try again\n")):
        result = s.run(*STRACE, "-o", "/dev/null", "-e", "trace=write,clock_nanosleep", "-e", f"inject=write:retval=1:when={when}",
                       "-e", "inject=clock_nanosleep:retval=0", "berth", "freeze", "one", check=False)
        assert (result.rc, result.err) == (1, said)
        assert set(groups(s).values()) == {"0"}
        s.wait_for(lambda: thawers(s) == [], "end of what would thaw it")
    s.sh("echo 1 > /sys/fs/cgroup/machine.slice/cgroup.freeze")
    result = s.run("berth", "thaw", "one", check=False)
    s.sh("echo 0 > /sys/fs/cgroup/machine.slice/cgroup.freeze")
    assert (result.rc, result.err) == (
        1, "container 'one' cannot be thawed: control group /machine.slice, which it is in, is frozen; thaw that first: systemctl thaw machine.slice\n")
    assert s.run("berth", "exec", "one", "echo", "works").out == "works\n"
    s.run("berth", "kill", "--signal=TERM", "one")
    running.wait(30)


def test_no_exec_slips_in_while_a_container_is_frozen(s: System) -> None:
    """What it finds is frozen one after the other: first what an exec looks at that has made its group meanwhile."""
    running = [s.popen("berth", "exec", "one", "--", "sleep", "1000") for _ in range(3)]
    s.wait_for(lambda: len(groups(s)) == 4, "the execs")
    freeze = s.popen(*STRACE, "-o", "/run/freeze", "-e", "signal=STOP", "-e", "trace=write", "-e", "inject=write:signal=STOP:when=1", "berth", "freeze", "one")
    # it is stopped after its call, and would not heed who lets it go on before that
    s.wait_for(lambda: s.sh("grep -s 'stopped by SIGSTOP' /run/freeze", check=False).rc == 0, "the first of them")
    assert "1" in groups(s).values()
    result = s.run("berth", "exec", "one", "true", check=False)
    assert (result.rc, "is frozen" in result.err) == (125, True), result
    s.run("pkill", "-CONT", "-f", "^berth freeze")
    assert freeze.wait(30) == 0
    assert set(groups(s).values()) == {"1"}
    # dead as they are, their guards reap them, or the container would not end before it is thawed
    s.run("berth", "kill", "--signal=KILL", "one")
    assert [process.wait(30) for process in running] == [137] * 3
    s.wait_state("one", "failed")
    s.wait_for(lambda: thawers(s) == [], "end of what would thaw it")


def test_a_time_limit_holds_in_a_frozen_container(s: System) -> None:
    running = s.popen("berth", "exec", "--timeout=3s", "one", "--", "sleep", "1000")
    s.wait_for(lambda: len(groups(s)) == 2 or running.poll() is not None, "the exec")
    s.run("berth", "freeze", "one")
    assert running.wait(30) == 124
    assert names(s, "state=frozen") == ["one"]


@pytest.mark.parametrize("verb", ["stop", "restart"])
def test_a_stop_thaws_and_the_command_hears_of_it(s: System, verb: str) -> None:
    s.manifest("two", """
        [Container]
        Image=base
        Exec=bash -c 'trap "echo heard; exit 0" TERM; echo up; while :; do sleep 0.05 & wait; done'
        [Service]
        TimeoutStopSec=60
    """)
    s.reload()
    s.start("two")
    s.wait_for(lambda: "up" in s.journal("two"), "its handler")
    s.run("berth", "freeze", "two")
    assert s.run("systemctl", verb, "two").rc == 0
    assert s.unit("two.service", "Result") == "success" and "heard" in s.journal("two")
    assert names(s, "state=frozen") == []
    s.wait_for(lambda: thawers(s) == [], "end of what has thawed it")
    if verb == "restart":
        assert s.run("berth", "exec", "two", "echo", "works").out == "works\n"


def test_what_starts_or_is_a_job_freezes_and_what_stops_does_not(s: System) -> None:
    s.manifest("job", """
        [Container]
        Image=base
        Exec=bash -c 'trap "echo heard; exit 0" TERM; echo up; while :; do sleep 0.05 & wait; done'
        [Network]
        Mode=none
        [Service]
        Type=oneshot
        TimeoutStartSec=infinity
    """)
    s.manifest("slow", """
        [Container]
        Image=base
        Exec=bash -c 'trap : TERM; echo up; until [ -e /tmp/go ]; do sleep 0.05; done'
        [Network]
        Mode=none
        [Service]
        TimeoutStopSec=120
    """)
    s.reload()
    s.run("systemctl", "start", "--no-block", "job")
    s.start("slow")
    s.wait_for(lambda: "up" in s.journal("job") and "up" in s.journal("slow"), "their commands")
    s.run("berth", "freeze", "job")
    assert names(s, "state=frozen") == ["job"]
    s.stop("job")
    assert "heard" in s.journal("job") and s.unit("job.service", "Result") == "success"
    s.wait_for(lambda: thawers(s) == [], "end of what has thawed it")
    s.run("systemctl", "start", "--no-block", "job")
    s.wait_for(lambda: s.journal("job").count("up") == 2, "its command")
    s.run("berth", "freeze", "job")
    s.run("berth", "kill", "--signal=KILL", "job")
    s.wait_state("job", "failed")
    s.wait_for(lambda: thawers(s) == [], "end of what would thaw it")
    s.run("systemctl", "stop", "--no-block", "slow")
    s.wait_for(lambda: s.unit("slow.service", "ActiveState") == "deactivating", "its stop")
    result = s.run("berth", "freeze", "slow", check=False)
    assert (result.rc, result.err) == (1, "container 'slow' is just stopping, and cannot be frozen\n")
    s.run("berth", "exec", "slow", "touch", "/tmp/go")
    s.wait_state("slow", "inactive", timeout=60)


def test_a_frozen_container_that_dies_is_cleaned_up_and_starts_again(s: System) -> None:
    s.run("berth", "freeze", "one")
    s.run("berth", "kill", "--signal=KILL", "one")
    s.wait_state("one", "failed")
    assert s.unit("one.service", "Result") == "signal"
    cleanup = s.unit("one.service", "ExecStopPost")
    assert "code=exited" in cleanup and "status=0" in cleanup, cleanup
    assert not s.exists("/run/berth/containers/one")
    s.wait_for(lambda: thawers(s) == [], "end of what would thaw it")
    result = s.run("berth", "freeze", "one", check=False)
    assert (result.rc, result.err) == (4, "container 'one' is not running: it has failed, see berth logs one\n")
    s.start("one")
    assert s.run("berth", "exec", "one", "echo", "works").out == "works\n"


def test_what_systemctl_froze_is_thawed(s: System) -> None:
    s.run("systemctl", "freeze", "one.service")
    assert names(s, "state=frozen") == ["one"]
    s.run("berth", "thaw", "one")
    assert s.unit("one.service", "FreezerState") == "running" and names(s, "state=running") == ["one"]
    assert s.run("berth", "exec", "one", "true").rc == 0


def test_inspect_tells_what_the_kernel_shows(s: System) -> None:
    shown = s.run("berth", "inspect", "one", "--json").json()
    status = s.run("berth", "status", "one", "--json").json()
    assert status.keys() <= shown.keys() and shown["labels"] == {"app": "shop", "tier": "front", "url": "http://x/?a=1"}
    command = processes(s)["sleep 1000"]["host_pid"]
    lines = dict(line.split(":\t", 1) for line in s.read(f"/proc/{command}/status").splitlines())
    held = shown["capabilities"]
    assert sum(1 for _ in held["bounding"]) == int(lines["CapBnd"], 16).bit_count()
    assert "CAP_CHOWN" not in held["bounding"] and "CAP_KILL" in held["bounding"]
    assert shown["filter"] == {"mode": "filter", "filters": int(lines["Seccomp_filters"])}
    assert shown["no_new_privileges"] is (lines["NoNewPrivs"] == "1") is True
    assert set(shown["namespaces"].values()) == {"own"}
    assert shown["ids"]["uid_map"] == [{"inside": 0, "outside": status["uid_base"], "count": 65536}]
    mounts = {mount["target"]: mount for mount in shown["mounts"]}
    assert len(shown["mounts"]) == len(s.read(f"/proc/{command}/mountinfo").splitlines())
    assert "rw" in mounts["/data"]["options"] and "ro" in mounts["/site"]["options"]
    devices = {device["path"]: device for device in shown["devices"]}
    assert devices["/dev/null"]["number"] == "1:3" and devices["/dev/sub/zero"]["number"] == "1:5"
    can = shown["can"]
    assert any(line.startswith("/data (") for line in can["write"])
    assert any(line.startswith("/site (") for line in can["read"])
    assert not any(line.startswith("/site (") for line in can["write"])
    assert can["reach"] == ["itself, through lo"]
    assert "use /dev/sub/zero (char 1:5)" in can["do"] and not any("/dev/null" in line for line in can["do"]) and "CAP_KILL" in can["do"]
    text = s.run("berth", "inspect", "one").out
    assert "Can reach: itself, through lo\n" in text and "State: running\n" in text


def test_inspect_says_what_is_open(s: System) -> None:
    s.manifest("open", """
        [Container]
        Image=base
        Exec=sleep 1000
        PrivateUsers=no
        NoNewPrivileges=no
        Init=no
        StopTimeout=1s
        [Network]
        Mode=host
    """)
    s.reload()
    s.start("open")
    shown = s.run("berth", "inspect", "open", "--json").json()
    assert shown["namespaces"]["user"] == shown["namespaces"]["net"] == "host"
    assert "be root of the host: it has no user ids of its own" in shown["can"]["do"]
    assert "gain rights by set-uid programs" in shown["can"]["do"]
    assert shown["can"]["reach"] == ["whatever the host reaches, and the host's own sockets"]
    s.stop("open")
    stopped = s.run("berth", "inspect", "open", "--json", check=False)
    assert (stopped.rc, stopped.json()["state"], "can" in stopped.json()) == (4, "failed", False)
    assert s.run("berth", "inspect", "nobody", check=False).rc == 3


def test_a_runtime_limit_that_ended_it_is_told(s: System) -> None:
    s.manifest("brief", """
        [Container]
        Image=base
        Exec=sleep 1000
        [Network]
        Mode=none
        [Limits]
        Runtime=1h
    """)
    s.reload()
    s.start("brief")
    assert "limits_hit" not in s.run("berth", "status", "brief", "--json").json()
    # systemd counts from the start anew with what it reads now
    s.sh("sed -i s/Runtime=1h/Runtime=1s/ /etc/berth/brief.berth")
    s.reload()
    s.wait_state("brief.service", "failed", timeout=30)
    result = s.run("berth", "status", "brief", "--json", check=False)
    assert (result.rc, result.json()["result"], result.json()["limits_hit"]) == (4, "timeout", ["runtime"])


def messages(s: System, *options: str) -> list[str]:
    return [json.loads(line)["message"] for line in s.run("berth", "logs", "talk", "--json", *options).lines]


def test_logs(s: System) -> None:
    # what some terminals obey, as a byte of ISO 6429 in UTF-8
    s.sh("ln -s $(readlink -f /var/lib/berth/images/base) /var/tmp/od\u009bd")
    s.manifest("talk", """
        [Container]
        Image=/var/tmp/od\u009bd
        Label=odd=\u009b2J
        Exec=bash -c 'echo one; printf "a\\\\\\\\033[2Jb\\\\\\\\303\\\\\\\\244\\\\\\\\n"; printf "x\\\\\\\\377y\\\\\\\\n"; printf "c\\\\\\\\302\\\\\\\\2332J\\\\\\\\n"; echo "<0>grave"; echo "<3>err" >&2; exec sleep 1000'
        KillSignal=SIGKILL
        [Network]
        Mode=none
        [Service]
        ExecStartPost=berth exec talk -- echo "<0>of exec"
    """)
    s.reload()
    s.start("talk")
    own = ["one", "a\x1b[2Jbä", "eP95", "grave", "of exec", "err"]
    s.wait_for(lambda: "err" in messages(s), "its lines")
    s.run("journalctl", "--sync")  # systemd's own
    assert sorted(message for message in messages(s) if message in own) == sorted(own)
    entries = [json.loads(line) for line in s.run("berth", "logs", "talk", "--json").lines]
    assert next(e["encoding"] for e in entries if e["message"] == "eP95") == "base64"
    assert next(e["priority"] for e in entries if e["message"] == "err") == 3
    # an emergency would be written to the terminals of all who are logged in, control characters and all
    assert [e["priority"] for e in entries if e["message"] in ("grave", "of exec")] == [1, 1]
    assert any(e["message"].startswith("Started talk.service") and e["pid"] == 1 for e in entries)
    assert [e["realtime_usec"] for e in entries] == sorted(e["realtime_usec"] for e in entries)
    text = s.run("berth", "logs", "talk").out
    assert "]: a?[2Jbä\n" in text and "]: x?y\n" in text and "]: c??2J\n" in text and "\x1b" not in text
    said = s.run("berth", "status", "talk").out + s.run("berth", "inspect", "talk").out + s.run("berth", "list").out
    assert said.count("/var/tmp/od??d") == 3 and said.count("odd=??2J") == 2 and "\x9b" not in said + text
    # the latest start alone
    s.restart("talk")
    s.wait_for(lambda: messages(s).count("err") == 2, "its lines again")
    s.run("journalctl", "--sync")
    latest = messages(s, "-I")
    assert latest.count("one") == 1 and latest[0].startswith("Starting talk.service")
    everything = messages(s)
    assert messages(s, "-n2") == everything[-2:] and messages(s, "--lines=0") == []
    assert messages(s, "--lines=all") == messages(s, "--since=-1h") == messages(s, "--since=yesterday") == everything
    today = messages(s, "--since=today")
    assert everything[len(everything) - len(today):] == today  # all of it, if no day has begun meanwhile
    assert messages(s, "--since=@9999999999") == []
    # what is of others is not his, whatever it calls itself
    s.run("logger", "UNIT=talk.service", "-t", "talk", "forged")
    s.sh("printf 'MESSAGE=forged\\nUNIT=talk.service\\n' | logger --journald")
    s.run("journalctl", "--sync")
    assert "forged" not in messages(s)
    s.stop("talk")
    assert "one" in messages(s)  # also when it has ended
    for options in ([], ["--lines=0"], ["--since=-1h"], ["--follow"]):
        result = s.run("berth", "logs", "nobody", *options, check=False)
        assert (result.rc, result.out, result.err) == (3, "", "no container 'nobody', see berth list --all\n"), options
    result = s.run("berth", "logs", "talk", "--lines=0")
    assert (result.out, result.err) == ("", "")
    for wrong, message in (("--since=then", "--since=then: expected a time, like '2026-11-23 04:05:06', yesterday, "
                                            "'5min ago' or -5min"),
                           ("--lines=-1", "--lines=-1: expected a number, or all")):
        result = s.run("berth", "logs", "talk", wrong, check=False)
        assert (result.rc, result.err) == (2, message + "\n")


def test_without_an_init_no_line_is_an_emergency_either(s: System) -> None:
    s.manifest("grave", """
        [Container]
        Image=base
        Init=no
        Exec=echo "<0>all is lost"
        [Network]
        Mode=none
        [Service]
        Type=oneshot
    """)
    s.reload()
    s.start("grave")
    s.wait_for(lambda: "all is lost" in s.journal("grave"), "its line")
    entries = [json.loads(line) for line in s.run("berth", "logs", "grave", "--json").lines]
    assert [e["priority"] for e in entries if e["message"] == "<0>all is lost"] == [6]


def test_logs_go_on(s: System) -> None:
    s.run("journalctl", "--sync")
    before = s.run("berth", "logs", "one").lines
    first = s.sh("(berth logs -f -n1 one || true) | head -n1").lines
    assert first == before[-1:]
    # what comes later: the stop of the unit
    out = s.sh("(berth logs -f -n1 one || true) | (read -r line; systemctl stop one; read -r line; echo \"$line\")").out
    assert out.endswith("]: Stopping one.service - one (berth)...\n")


#: What breaks a check of doctor, in a mount namespace of its own, and what that then says.
DEFECTS = [
    ("kernel", "exec setarch --uname-2.6 berth doctor --json", "missing"),
    ("cgroup2", "mount -t tmpfs x /sys/fs/cgroup", "missing"),
    ("user-namespaces", "echo 0 >/run/zero && mount --bind /run/zero /proc/sys/user/max_user_namespaces", "missing"),
    ("seccomp", "mount -t tmpfs x /proc/sys/kernel/seccomp", "missing"),
    ("overlay", "grep -v overlay /proc/filesystems >/run/fs && mount --bind /run/fs /proc/filesystems", "missing"),
    ("id-maps", "mount -t ramfs x /var/lib/berth", "missing"),
    ("pressure", "mount -t tmpfs x /proc/pressure", "lacking"),
    ("loop", "mount -t tmpfs x /dev", "lacking"),
    ("squashfs", "grep -v squashfs /proc/filesystems >/run/fs && mount --bind /run/fs /proc/filesystems", "lacking"),
    ("erofs", "grep -v erofs /proc/filesystems >/run/fs && mount --bind /run/fs /proc/filesystems", "lacking"),
    ("mkfs.ext4", "mount -t tmpfs x /usr/sbin", "lacking"),
    ("dnsmasq", "mount -t tmpfs x /usr/sbin", "lacking"),
]


def test_doctor(s: System) -> None:
    result = s.run("berth", "doctor", "--json", check=False)
    rows = {row["check"]: row for row in result.json()}
    assert result.rc == (1 if any(r["needed"] and r["result"] != "ok" for r in rows.values()) else 0)
    for row in rows.values():
        assert row["result"] in ("ok", "unknown", "missing" if row["needed"] else "lacking"), row
        assert (row["fix"] is None) == (row["result"] == "ok"), row
    # containers run here
    assert {name for name, row in rows.items() if row["needed"] and row["result"] != "ok"} == set()
    controllers = s.read("/sys/fs/cgroup/cgroup.controllers").split()
    for name in ("cpu", "memory", "pids", "io"):
        assert (rows[f"controller-{name}"]["result"] == "ok") == (name in controllers)
    assert rows["polkit"]["result"] == rows["machined"]["result"] == "ok"
    assert rows["mkfs.ext4"]["detail"] == "/usr/sbin/mkfs.ext4"
    assert rows["skopeo"]["result"] == "lacking" and rows["skopeo"]["fix"] == "install skopeo"
    table = s.run("berth", "doctor", check=False).lines
    assert table[0].split() == ["CHECK", "RESULT", "WHAT", "DETAIL"] and len(table) == len(rows) + 1
    assert s.sh("ls -A /var/lib/berth").out == s.sh("berth doctor >/dev/null || true; ls -A /var/lib/berth").out
    for name, breaks, state in DEFECTS:
        found = {row["check"]: row for row in s.sh(f"unshare -m bash -c '{breaks} && exec berth doctor --json' || :").json()}
        assert found[name]["result"] == state and found[name]["fix"], (name, found[name])
        others = {key for key in rows if rows[key]["needed"] and found[key]["result"] != "ok"}
        assert others == ({name} if state == "missing" else set()), others
    listening = s.popen("python3", "-c", "import socket, time; a = [socket.create_server(('0.0.0.0', p)) for p in (4404, 440)]; time.sleep(1000)")
    s.wait_for(lambda: s.sh("grep -c ' 00000000:\\(1134\\|01B8\\) ' /proc/net/tcp", check=False).out == "2\n", "its listening")
    s.run("systemctl", "stop", "berth.socket")
    found = {row["check"]: row for row in s.run("berth", "doctor", "--json").json()}
    assert found["gate"]["result"] == "lacking"
    assert found["open-ports"]["result"] == "lacking" and {"440", "4404"} <= set(found["open-ports"]["detail"].split())
    s.run("systemctl", "start", "berth.socket")
    listening.kill()
    listening.wait(30)
    found = {row["check"]: row for row in s.run("berth", "doctor", "--json", check=False, env={"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nowhere"}).json()}
    assert {name for name in found if found[name]["result"] == "unknown"} == {"systemd", "machined", "polkit", "gate", "firewalls"}
    nobody = s.run("/usr/libexec/berth/berth-manage", "doctor", "--json", user="nobody", check=False)
    assert nobody.rc == 1 and nobody.json()[0]["result"] == "missing"
