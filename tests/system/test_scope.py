"""berth exec --scope: one command in a scope of systemd, beside the container's unit."""

from __future__ import annotations

import re
import signal
from typing import Callable, Iterator

import pytest

from harness.machine import Machine, Process

needs_berth = True
pytestmark = pytest.mark.system

MANIFEST = "[Container]\nImage=base\nExec=sleep 1000\n[Network]\nMode=none\n"
SLICE = "/sys/fs/cgroup/machine.slice"


@pytest.fixture
def s(m: Machine) -> Machine:
    m.manifest("one", MANIFEST)
    m.reload()
    m.start("one")
    m.wait_for(lambda: m.exists("/run/systemd/machines/one"), "its registration")
    return m


STARTED: list[Process] = []


@pytest.fixture(autouse=True)
def processes() -> Iterator[None]:
    yield
    while STARTED:
        with STARTED.pop():
            pass


def scopes(s: Machine, name: str = "one") -> list[str]:
    return s.sh(f"systemctl list-units --all --plain --no-legend 'berth-exec-{name}-*' | cut -d' ' -f1").lines


def one_scope(s: Machine, name: str = "one") -> str:
    (found,) = s.wait_for(lambda: scopes(s, name), "the scope")
    return found


def no_scope(s: Machine) -> None:
    s.wait_for(lambda: scopes(s, "*") == [] and s.sh(f"ls {SLICE}").out.count("berth-exec") == 0, "end of the scopes")


def runs(s: Machine, words: str) -> bool:
    return s.run("pgrep", "-fx", words, check=False).rc == 0


def start(s: Machine, words: str, *options: str, name: str = "one") -> Process:
    """A command in a scope, once it runs."""
    process = s.popen("berth", "exec", "--scope", *options, name, "--", "sh", "-c", f"{words} & exec {words}")
    STARTED.append(process)
    s.wait_for(lambda: s.run("pgrep", "-fxc", words, check=False).out == "2\n", "its start")
    return process


def test_a_command_runs_beside_the_unit_and_nothing_is_left(s: Machine) -> None:
    before = s.leaks_snapshot()
    done = s.run("berth", "exec", "--scope", "one", "--", "sh", "-c", "echo out; echo err >&2; cat /proc/self/cgroup; exit 3", check=False)
    assert (done.rc, done.err) == (3, "err\n")
    assert re.search(r"^0::/\.\./\.\./berth-exec-one-[0-9a-f]{8}\.scope/exec-\d+-[0-9a-f]{8}$", done.out, re.MULTILINE)
    no_scope(s)
    assert re.search(r"Started berth-exec-one-[0-9a-f]{8}\.scope - berth exec one: sh -c echo out;", s.journal())
    s.assert_nothing_left(before)


def test_what_is_told_as_json_is_of_the_scope(s: Machine) -> None:
    told = s.run("berth", "exec", "--scope", "--json", "one", "--", "sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo $i").json()
    assert (told["exit_code"], told["stdout"], told["limit"], told["error"]) == (0, "20000\n", None, None)
    assert told["cpu_usec"] > 1000


@pytest.fixture
def dropin(m: Machine) -> Iterator[Callable[[str, str], None]]:
    """What an administrator puts beside a unit, past the manifest."""
    made: list[str] = []

    def write(name: str, text: str) -> None:
        made.append(f"/run/systemd/system/{name}.service.d")
        m.write(f"{made[-1]}/own.conf", text)
        m.reload()

    yield write
    for directory in made:
        m.run("rm", "-r", directory)


def test_the_scope_has_the_walls_of_the_unit_and_its_slice(m: Machine, dropin: Callable[[str, str], None]) -> None:
    m.manifest("walls", MANIFEST)
    dropin("walls", """[Service]
        Slice=other.slice
        CPUWeight=33
        IOWeight=44
        TasksMax=77
        MemoryHigh=1G
        IPAddressAllow=localhost
        IPAddressDeny=any
        SocketBindDeny=ipv4:tcp:80
        RestrictNetworkInterfaces=lo
        AllowedCPUs=0
        CPUQuota=150%
        IOReadBandwidthMax=/dev/null 5M
        DeviceAllow=/dev/fuse rw
        DeviceAllow=char-pts rw
    """)
    m.start("walls")
    process = start(m, "sleep 4301", "-p", "IPAddressDeny=10.0.0.0/8 link-local", "-p", "KillSignal=INT", name="walls")
    scope = one_scope(m, "walls")
    equal = ["Slice", "CPUWeight", "IOWeight", "MemoryHigh", "IPAddressAllow", "SocketBindDeny", "RestrictNetworkInterfaces", "AllowedCPUs",
             "CPUQuotaPerSecUSec", "IOReadBandwidthMax", "DevicePolicy", "DeviceAllow"]

    def show(unit: str) -> dict[str, str]:
        found: dict[str, list[str]] = {}
        for line in m.run("systemctl", "show", unit).lines:  # a list has a line for each, in any order
            found.setdefault(line.partition("=")[0], []).append(line.partition("=")[2])
        return {key: " ".join(sorted(" ".join(values).split())) for key, values in found.items()}

    for _ in range(2):
        unit, beside = show("walls.service"), show(scope)
        assert [(key, beside.get(key)) for key in equal] == [(key, unit.get(key)) for key in equal]
        m.reload()  # which reads anew what there is of the scope
    assert (unit["Slice"], unit["DevicePolicy"], unit["TasksMax"]) == ("other.slice", "closed", "77")
    assert beside["TasksMax"] == "78"  # the scope's keeper is one
    assert (unit["RestrictNetworkInterfaces"], unit["CPUQuotaPerSecUSec"]) == ("lo", "1.500000s") and "80" in unit["SocketBindDeny"]
    assert unit["DeviceAllow"] == "/dev/fuse char-pts rw rw"
    assert sorted(beside["IPAddressDeny"].split()) == ["10.0.0.0/8", "169.254.0.0/16", "fe80::/64"]
    assert (beside["KillSignal"], beside["BindsTo"]) == ("2", "walls.service")
    m.stop("walls")
    assert process.wait() != 0


MISTAKES = [
    (["-p", "MemoryMax=1G"], "-p MemoryMax=1G: only a scope has properties, see --scope"),
    (["--scope", "-p", "MemoryMax"], "-p MemoryMax: expected PROPERTY=VALUE, like MemoryMax=512M"),
    (["--scope", "-p", "=1G"], "-p =1G: expected PROPERTY=VALUE, like MemoryMax=512M"),
    (["--scope", "-p", "MemryMax=1G"], "-p MemryMax=1G: no property that exec --scope takes (did you mean 'MemoryMax'?)"),
    (["--scope", "-p", "RuntimeMaxSec=5"], "-p RuntimeMaxSec=5: use --timeout=, which also tells that it has ended the command"),
    (["--scope", "-p", "MemoryMax="], "-p MemoryMax=: expected bytes, like 512M, a part of the machine's memory, like 10%, or infinity"),
    (["--scope", "-p", "MemoryMax=101%"], "-p MemoryMax=101%: expected bytes, like 512M, a part of the machine's memory, like 10%, or infinity"),
    (["--scope", "-p", "MemoryMax=-1"], "-p MemoryMax=-1: expected bytes, like 512M, a part of the machine's memory, like 10%, or infinity"),
    (["--scope", "-p", "TasksMax=4x"], "-p TasksMax=4x: expected a number, a part of the machine's, like 10%, or infinity"),
    (["--scope", "-p", "CPUQuota=0%"], "-p CPUQuota=0%: expected a part of one CPU's time, like 50%"),
    (["--scope", "-p", "CPUQuota=2"], "-p CPUQuota=2: expected a part of one CPU's time, like 50%"),
    (["--scope", "-p", "CPUWeight=0"], "-p CPUWeight=0: expected a number from 1 to 10000, or idle"),
    (["--scope", "-p", "AllowedCPUs=3-1"], "-p AllowedCPUs=3-1: expected numbers and ranges, like 0-3,6"),
    (["--scope", "-p", "IOReadBandwidthMax=10M"], "-p IOReadBandwidthMax=10M: expected a path and a number, like /dev/sda 10M"),
    (["--scope", "-p", "IPAddressDeny=all"],
     "-p IPAddressDeny=all: expected addresses, ADDRESS/LENGTH, any, localhost, link-local or multicast"),
    (["--scope", "-p", "KillSignal=WINK"], "-p KillSignal=WINK: expected a signal, like SIGINT"),
    (["--scope", "-p", "TimeoutStopSec=soon"], "-p TimeoutStopSec=soon: expected a time span, like 50ms"),
    (["--scope", "-p", "Slice=other.slice"], "-p Slice=other.slice: no property that exec --scope takes, see berth(1)"),
    (["--scope", "-p", "DevicePolicy=auto"], "-p DevicePolicy=auto: no property that exec --scope takes, see berth(1)"),
    (["--scope", "-p", "Delegate=yes"], "-p Delegate=yes: no property that exec --scope takes, see berth(1)"),
]


def test_what_is_wrong_is_said_before_anything_runs(s: Machine) -> None:
    for words, message in MISTAKES:
        done = s.run("berth", "exec", *words, "one", "--", "touch", "/ran", check=False)
        assert (done.rc, done.out, done.err) == (125, "", message + "\n")
    done = s.run("berth", "exec", "--json", "--scope", "-p", "CPUWeight=x", "one", "--", "touch", "/ran", check=False)
    assert done.json()["error"] == {"stage": "scope", "errno": "ECANCELED", "message": "-p CPUWeight=x: expected a number from 1 to 10000, or idle"}
    assert s.run("berth", "exec", "one", "--", "test", "-e", "/ran", check=False).rc == 1
    assert scopes(s) == []


def test_systemds_own_words_where_it_refuses(s: Machine) -> None:
    done = s.run("berth", "exec", "--scope", "-p", "IOReadBandwidthMax=/no/../such 1M", "one", "--", "touch", "/ran", check=False)
    assert done.rc == 125 and re.fullmatch(r"cannot start 'berth-exec-one-[0-9a-f]{8}\.scope': .*IOReadBandwidthMax.*\n", done.err), done.err
    done = s.run("berth", "exec", "--scope", "one", "--", "true", check=False, env={"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nowhere"})
    assert (done.rc, done.err) == (125, "--scope needs systemd, and there is no system bus\n")
    # nothing is born where it would be without the walls, should the scope not be there, whatever was said
    program = "/usr/libexec/berth/berth-manage"
    s.run("mount", "--bind", "/bin/true", program)
    try:
        done = s.run("berth", "exec", "--scope", "one", "--", "touch", "/ran", check=False)
    finally:
        s.run("umount", program)
    assert done.rc == 125 and re.fullmatch(r"'berth-exec-one-[0-9a-f]{8}\.scope' has ended before anything ran in it\n", done.err), done.err
    assert s.run("berth", "exec", "one", "--", "test", "-e", "/ran", check=False).rc == 1
    no_scope(s)


def test_a_limit_whose_controller_is_missing_is_refused(s: Machine) -> None:
    there = s.read(f"{SLICE}/cgroup.controllers").split()
    limits = {
        "memory" : "MemoryMax=1G",
                   "pids" : "TasksMax=50",
                            "cpu" : "CPUQuota=50%",
                                    "io" : "IOWeight=10",
                                           "cpuset" : "AllowedCPUs=0"}
    for controller, limit in limits.items():
        done = s.run("berth", "exec", "--scope", "-p", limit, "one", "--", "echo", "ran", check=False)
        if controller in there:
            assert (done.rc, done.out) == (0, "ran\n")
        else:
            assert (done.rc, done.out) == (125, "")
            assert done.err.startswith(f"-p {limit}: needs the cgroup controller '{controller}', which this host does not have in its unified hierarchy")
    no_scope(s)


@pytest.mark.parametrize("pids", ["private", "host"])
def test_it_ends_with_its_container(m: Machine, pids: str) -> None:
    """In the host's pid namespace no end of a leader ends the others."""
    m.manifest("one", MANIFEST.replace("[Network]", f"PidNamespace={pids}\n[Network]"))
    m.reload()
    m.start("one")
    m.wait_for(lambda: m.exists("/run/systemd/machines/one"), "its registration")
    before = m.leaks_snapshot()
    for n, verb in enumerate(("stop", "restart", "kill")):
        words = f"sleep {4310 + n}"
        process = start(m, words)
        m.run("berth", "exec", "--scope", "one", "--", "sh", "-c", f"setsid sleep {4315 + n} >/dev/null 2>&1 </dev/null &")
        m.wait_for(lambda n=n: runs(m, f"sleep {4315 + n}"), "what is left by another")
        if verb == "kill":
            m.run("systemctl", "kill", "-s", "KILL", "--kill-who=main", "one")
        else:
            m.run("systemctl", verb, "one", timeout=60)
        assert process.wait(30) in (125, 129, 137, 143)
        m.wait_for(lambda words=words, n=n: not runs(m, words) and not runs(m, f"sleep {4315 + n}"), "their end")
        no_scope(m)
        m.run("systemctl", "reset-failed", "one", check=False)
        m.start("one")
        m.wait_for(lambda: m.exists("/run/systemd/machines/one"), "its registration")
    m.assert_nothing_left(before)


def test_a_container_that_is_just_ending_is_not_started_by_a_scope(m: Machine) -> None:
    m.manifest("one", """[Container]
        Image=base
        Exec=sh -c "trap 'until [ -e /tmp/go ]; do sleep 0.1; done; exit 0' TERM; echo up; while :; do sleep 0.1; done"
        [Network]
        Mode=none
    """)
    m.reload()
    m.start("one")
    m.wait_for(lambda: "up" in m.journal("one").splitlines(), "its handler")
    stopping = m.mark()
    m.run("systemctl", "stop", "--no-block", "one")
    m.wait_state("one", "deactivating")
    m.run("berth", "exec", "--scope", "one", "--", "true", check=False)  # that ends with it
    m.run("berth", "exec", "one", "--", "touch", "/tmp/go")
    m.wait_state("one", "inactive", 30)
    assert "Start" not in m.journal("one", since=stopping)
    no_scope(m)


def test_what_a_command_leaves_behind_goes_on_until_its_container_ends(s: Machine) -> None:
    for verb in ("stop", "restart"):
        s.run("berth", "exec", "--scope", "one", "--", "sh", "-c", "setsid sleep 4320 >/dev/null 2>&1 </dev/null &")
        s.wait_for(lambda: runs(s, "sleep 4320"), "what is left")
        scope = one_scope(s)
        assert s.unit(scope, "ActiveState") == "active"
        s.run("systemctl", verb, "one", timeout=60)
        assert not runs(s, "sleep 4320")
        no_scope(s)
        s.start("one")


def test_a_timeout_and_a_client_that_goes_end_all_of_it(s: Machine) -> None:
    before = s.leaks_snapshot()
    done = s.run("berth", "exec", "--scope", "--timeout=300ms", "one", "--", "sh", "-c", "trap '' TERM; setsid sh -c \"trap '' TERM; sleep 4330; sleep 4330\" & "
                 "sleep 4330; sleep 4330", check=False)
    assert done.rc == 124
    assert not runs(s, "sleep 4330")
    process = start(s, "sleep 4331")
    process.kill()
    process.wait(30)
    s.wait_for(lambda: not runs(s, "sleep 4331"), "its end")
    process = start(s, "sleep 4332")
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 143
    assert not runs(s, "sleep 4332")
    no_scope(s)
    s.assert_nothing_left(before)


def test_whoever_of_ours_is_killed_the_command_does_not_stay(s: Machine) -> None:
    before = s.leaks_snapshot()
    for n, names in enumerate((["berth-guard"], ["berth-scope"], ["berth", "berth-guard"])):
        words = f"sleep {4340 + n}"
        process = start(s, words)
        s.run("pkill", "-KILL", "-x", "|".join(names))
        if names == ["berth-scope"]:  # its keeper alone: the command is none the worse
            assert runs(s, words)
            process.send_signal(signal.SIGTERM)
        process.wait(30)
        s.wait_for(lambda words=words: not runs(s, words), "its end")
        no_scope(s)
    s.assert_nothing_left(before)


SILENT = "import socket, time; s = socket.socket(socket.AF_UNIX); s.bind('/run/silent'); s.listen(); print('up', flush=True); time.sleep(1000)"


def test_a_systemd_that_does_not_answer(s: Machine) -> None:
    """Whoever gives up meanwhile leaves nothing, and takes nothing along: not the caller, in whose group all of it still is."""
    silent = s.popen("python3", "-c", SILENT)
    STARTED.append(silent)
    assert silent.stdout is not None and silent.stdout.readline() == b"up\n"
    for sent in ("TERM", "KILL"):
        caller = s.popen("sh", "-c", "berth exec --scope one -- touch /ran; echo $?; exec sleep 4395", env={"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/run/silent"})
        STARTED.append(caller)
        s.wait_for(lambda: s.run("pgrep", "-x", "berth-scope", check=False).rc == 0 and s.run("pgrep", "-f", "^berth-manage scope-start", check=False).rc == 0,
                   "its waiting")
        s.run("pkill", f"-{sent}", "-x", "berth")
        assert caller.stdout is not None and caller.stderr is not None
        assert caller.stdout.readline() == (b"125\n" if sent == "TERM" else b"137\n")
        s.wait_for(lambda: s.run("pgrep", "-f", "berth-scope|scope-start|[t]ouch /ran", check=False).rc == 1, "the end of all of it")
        s.wait_for(lambda: runs(s, "sleep 4395"), "the caller, unharmed")
        caller.kill()
        caller.wait(30)
        if sent == "TERM":
            assert caller.stderr.read() == b"asked to end before systemd had started the scope\n"
    assert s.run("berth", "exec", "one", "--", "test", "-e", "/ran", check=False).rc == 1
    s.run("rm", "/run/silent")
    no_scope(s)


def test_freezing_freezes_it_too(s: Machine) -> None:
    process = start(s, "sleep 4350")
    scope = one_scope(s)

    def frozen() -> set[str]:
        return set(re.findall(r"frozen \d", s.sh(f"cat {SLICE}/one.service/payload/cgroup.events {SLICE}/{scope}/exec-*/cgroup.events").out))

    s.run("berth", "freeze", "one")
    assert frozen() == {"frozen 1"}
    for words in ([], ["--scope"]):
        done = s.run("berth", "exec", *words, "one", "--", "true", check=False)
        assert (done.rc, done.err) == (125, "container 'one' is frozen, a command would hang in it; thaw it first: berth thaw one\n")
    s.run("berth", "thaw", "one")
    assert frozen() == {"frozen 0"}
    s.run("systemctl", "freeze", "one")  # of which the scope knows nothing
    done = s.run("berth", "exec", "--scope", "one", "--", "true", check=False)
    assert (done.rc, done.err) == (125, "container 'one' is frozen, a command would hang in it; thaw it first: berth thaw one\n")
    s.run("berth", "thaw", "one")
    s.run("berth", "freeze", "one")
    s.stop("one")
    process.wait(30)
    assert not runs(s, "sleep 4350")
    no_scope(s)


def test_who_looks_at_the_container_finds_it(s: Machine) -> None:
    for verb in ("status", "stats"):
        assert "scopes" not in s.run("berth", verb, "one", "--json").out
    process = start(s, "sleep 4360")
    scope = one_scope(s)
    (stats,) = s.run("berth", "stats", "one", "--json").json()
    status = s.run("berth", "status", "one", "--json").json()
    for told in (stats, status):
        (figures,) = told["scopes"]
        assert figures["unit"] == scope
        group = f"{SLICE}/{scope}"
        assert 0 < figures["cpu_usec"] <= int(re.findall(r"usage_usec (\d+)", s.read(f"{group}/cpu.stat"))[0])
        for member, file in (("memory_bytes", "memory.current"), ("tasks", "pids.current"), ("io_read_bytes", "io.stat")):
            assert (member in figures) == s.exists(f"{group}/{file}"), member
    assert [line.split()[0] for line in s.run("berth", "stats", "--no-legend").lines] == ["one", scope]
    assert re.search(rf"^ +Scopes: {re.escape(scope)}, CPU \d+\.\d{{3}}s", s.run("berth", "status", "one").out, re.MULTILINE)
    rows = s.run("berth", "top", "one", "--json").json()
    found = [row for row in rows if row["command"] == "sleep 4360"]
    assert len(found) == 2 and not [row for row in rows if "berth" in row["command"] and "init" not in row["command"]], rows
    for row in found:
        s.run("berth", "kill", "one", row["pid"], "--signal=KILL")
    assert process.wait(30) == 137
    no_scope(s)


def test_a_session_a_terminal_and_input(s: Machine) -> None:
    for command in ("cd /tmp; A=1", "echo $PWD $A"):
        done = s.run("berth", "exec", "--scope", "--session=x", "one", "--", command)
    assert done.out == "/tmp 1\n"
    done = s.run("berth", "exec", "--scope", "-t", "--tty-size=30x90", "one", "--", "stty", "size")
    assert done.out.split() == ["30", "90"]
    s.write("/root/in", "given\n")
    done = s.run("berth", "exec", "--scope", "--input=/root/in", "--user=daemon", "--workdir=/tmp", "-e", "A=2", "one", "--", "sh", "-c",
                 "cat; id -un; pwd; echo $A")
    assert done.out == "given\ndaemon\n/tmp\n2\n"
    done = s.run("berth", "exec", "--scope", "one", "--", "/no/such", check=False)
    assert (done.rc, done.err) == (127, "cannot execute '/no/such' in container 'one': No such file or directory\n")
    no_scope(s)


def test_a_job_in_a_scope(s: Machine) -> None:
    job = s.run("berth", "exec", "--detach", "--scope", "-p", "IPAddressDeny=any", "one", "--", "sh", "-c", "cat /proc/self/cgroup; exit 7").out.strip()
    s.wait_for(lambda: s.run("berth", "job", "list", "--json").json()[0]["state"] == "ended", "its end")
    assert s.run("berth", "job", "list", "--json").json()[0]["exit_status"] == 7
    assert "/berth-exec-one-" in s.run("berth", "job", "logs", job).out
    s.run("berth", "job", "remove", job)
    done = s.run("berth", "exec", "--detach", "--scope", "-p", "CPUWeight=x", "one", "--", "true", check=False)
    assert (done.rc, done.out, done.err) == (125, "", "-p CPUWeight=x: expected a number from 1 to 10000, or idle\n")
    no_scope(s)


def test_instances_have_scopes_of_their_own(m: Machine) -> None:
    m.manifest("web@", MANIFEST)
    m.reload()
    m.start("web@1")
    process = start(m, "sleep 4370", name="web@1")
    scope = one_scope(m, "web:1")
    assert re.fullmatch(r"berth-exec-web:1-[0-9a-f]{8}\.scope", scope)
    m.start("web@2")
    other = start(m, "sleep 4371", name="web@2")
    for name, words in (("web@1", "sleep 4370"), ("web@2", "sleep 4371")):
        rows = [row["command"] for row in m.run("berth", "top", name, "--json").json()]
        assert rows.count(words) == 2 and len([row for row in rows if row.startswith("sleep 437")]) == 2
    m.run("berth", "freeze", "web@1")
    assert "frozen 0" in m.sh(f"cat {SLICE}/{one_scope(m, 'web:2')}/exec-*/cgroup.events").out
    m.run("berth", "thaw", "web@1")
    m.stop("web@1")
    process.wait(30)
    assert not runs(m, "sleep 4370") and runs(m, "sleep 4371")
    m.stop("web@2")
    other.wait(30)
    no_scope(m)


def test_clean_ends_a_scope_whose_container_has_gone(s: Machine) -> None:
    """As after a cleanup that was killed: nothing of ours knows of it any more."""
    s.run("systemd-run", "--scope", "--quiet", "--unit=berth-exec-gone-00c0ffee.scope", "sh", "-c", "sleep 4380 >/dev/null 2>&1 &")
    process = start(s, "sleep 4381")
    # and one whose process was killed before systemd had moved it: who ends cannot be moved, and nothing tells of it
    STARTED.append(s.popen("python3", "-c", "import os, time; p = os.fork(); p or os._exit(0); open('/run/pid', 'w').write(f'{p}\\n'); time.sleep(1000)"))
    s.wait_for(lambda: s.sh("ps -o stat= -p $(cat /run/pid 2>/dev/null)", check=False).out.startswith("Z"), "who has ended")
    s.sh("busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager StartTransientUnit 'ssa(sv)a(sa(sv))' "
         "berth-exec-one-00c0ffee.scope fail 2 PIDs au 1 $(cat /run/pid) Slice s machine.slice 0; rm /run/pid")
    s.wait_state("berth-exec-one-00c0ffee.scope", "active")
    assert len(s.run("berth", "status", "one", "--json").json()["scopes"]) == 1
    done = s.run("berth", "clean")
    assert "removed a scope of container 'gone'" in done.err and "removed a scope of container 'one'" in done.err
    assert len(scopes(s)) == 1
    assert not runs(s, "sleep 4380") and runs(s, "sleep 4381")
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 143
    no_scope(s)


ATTACK = """
import os, glob
def tried(what, function):
    try:
        function()
        print(what, "done")
    except OSError as e:
        print(what, "refused")
def write(path, text):
    with open(path, "w") as f:
        f.write(text)
own = [l for l in open("/proc/self/cgroup") if l.startswith("0::")][0].strip()[3:]
for path in ("/sys/fs/cgroup", "/sys/fs/cgroup" + own, "/sys/fs/cgroup" + os.path.dirname(own), "/proc/1/root/sys/fs/cgroup"):
    tried("move to " + path, lambda: write(path + "/cgroup.procs", "0"))
    tried("make in " + path, lambda: os.mkdir(path + "/mine"))
tried("move 1", lambda: write("/sys/fs/cgroup/cgroup.procs", "1"))
seen = [open(p).read() for p in glob.glob("/proc/[0-9]*/comm")]
print("sees ours:", any("berth-scope" in s or "berth-guard" in s for s in seen))
print(sorted(os.listdir("/sys/fs/cgroup"))[:1])
"""


def test_an_attacker_in_it_cannot_leave_it(m: Machine) -> None:
    for name, users in (("mapped", ""), ("host", "PrivateUsers=no\n")):
        m.manifest(name, f"[Container]\nImage=base\nExec=sleep 1000\n{users}[Network]\nMode=none\n")
        m.reload()
        m.start(name)
        # what is tried can be done for nobody; as it is from a command without a scope
        for words in (["--scope"], []):
            done = m.run("berth", "exec", *words, name, "--", "python3", "-c", ATTACK)
            assert "done" not in done.out and "sees ours: False" in done.out, done.out
        status = {}
        for words in (["--scope"], []):
            text = m.run("berth", "exec", *words, name, "--", "sh", "-c",
                         "grep -E '^(Cap|NoNewPrivs|Seccomp|Uid|Gid|Groups)' /proc/self/status; cat /proc/self/uid_map; ls /proc/self/fd; "
                         "for n in cgroup ipc mnt net pid user uts; do readlink /proc/self/ns/$n; done; cat /proc/self/oom_score_adj; ulimit -a").out
            status[bool(words)] = text
        assert status[True] == status[False]
        m.stop(name)
    no_scope(m)


def test_a_device_cannot_be_opened_from_a_scope_either(s: Machine) -> None:
    """The unit's device policy is the last door where a node is at hand: here for a program of the host in the group."""
    s.sh("mkdir -p /srv/devices; [ -e /srv/devices/kmsg ] || mknod /srv/devices/kmsg c 1 11")
    assert s.run("head", "-c0", "/srv/devices/kmsg").rc == 0
    process = start(s, "sleep 4390")
    group = s.sh("sed -n s/^0:://p /proc/$(pgrep -fxo 'sleep 4390')/cgroup").out.strip()
    assert "/berth-exec-one-" in group
    done = s.run("bash", "-c", f"echo $$ >/sys/fs/cgroup{group}/cgroup.procs; exec head -c0 /srv/devices/kmsg", check=False)
    assert (done.rc, "Operation not permitted" in done.err) == (1, True), done.err
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    no_scope(s)


def test_a_command_without_network_beside_one_that_has_it(s: Machine) -> None:
    listen = "import socket\ns = socket.create_server(('127.0.0.1', 4404))\nwhile True: s.accept()[0].close()"
    s.manifest("net", f"[Container]\nImage=base\nExec=python3 -c \"{listen.replace(chr(10), chr(92) + 'n')}\"\n[Network]\nMode=none\n")
    s.reload()
    s.start("net")

    def connect(*words: str, seconds: int = 60) -> bool:
        script = f"import socket\ns = socket.socket()\ns.settimeout({seconds})\nprint(s.connect_ex(('127.0.0.1', 4404)))"
        return s.run("berth", "exec", *words, "net", "--", "python3", "-c", script).out == "0\n"

    s.wait_for(connect, "its listening")
    assert connect("--scope")
    assert not connect("--scope", "-p", "IPAddressDeny=any", seconds=2)
    assert connect("--scope", "-p", "IPAddressDeny=any", "-p", "IPAddressAllow=localhost")
    s.stop("net")
    no_scope(s)
