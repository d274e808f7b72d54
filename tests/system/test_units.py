"""The units that a manifest makes beside its service, and its drop-ins: what systemd does with them."""

from __future__ import annotations

import json
import random

import pytest

from harness.machine import Machine

needs_berth = True
pytestmark = [pytest.mark.system, pytest.mark.images("base")]

#: Tells what it was given, then answers each connection with a line.
SERVER = r"""
import os, socket, stat, sys
n = int(os.environ.get("LISTEN_FDS", "0"))
print("pid", os.environ.get("LISTEN_PID") == str(os.getpid()), os.getpid())
print("names", os.environ.get("LISTEN_FDNAMES"))
def is_open(fd):
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True
print("open", [fd for fd in range(1024) if is_open(fd)])
print("uid", os.getuid(), flush=True)
import selectors
s = selectors.DefaultSelector()
for fd in range(3, 3 + n):
    s.register(socket.socket(fileno=fd), selectors.EVENT_READ)
while True:
    for key, _ in s.select():
        peer, _ = key.fileobj.accept()
        peer.sendall(b"fd %d\n" % key.fileobj.fileno())
        peer.close()
"""


def volume(m: Machine, name: str, **files: str) -> str:
    for file, text in files.items():
        m.write(f"/var/lib/berth/bound/{name}/{file}", text)
    return f"[Mount files]\nType=bind\nSource=/var/lib/berth/bound/{name}\nTarget=/files\nReadOnly=yes\n"


def said(m: Machine, unit: str) -> list[str]:
    m.run("journalctl", "--sync")
    return m.run("journalctl", "--quiet", "--no-pager", "--boot", "--output=cat", f"--unit={unit}",
                 "_TRANSPORT=stdout").lines


def ask(m: Machine, where: str, check: bool = True) -> str:
    """What the other end says, from the host."""
    return m.run("python3", "-c", "import socket, sys\n"
                 "where = eval(sys.argv[1])\n"
                 "s = socket.socket(socket.AF_UNIX if isinstance(where, str) else socket.AF_INET)\n"
                 "s.settimeout(60)\ns.connect(where)\nprint(s.recv(100).decode(), end='')", where, check=check).out


def status(m: Machine, name: str) -> dict:
    return m.run("berth", "status", name, "--json", check=False).json()


# -- sockets --


@pytest.mark.parametrize("init", ["yes", "no"])
def test_a_connection_starts_the_container_which_gets_the_sockets(m: Machine, init: str) -> None:
    name = f"sock-{init}"
    m.manifest(name, f"[Container]\nImage=base\nInit={init}\nUser=33\nExec=python3 /files/server.py\n"
               f"Environment=LISTEN_FDS=77 PYTHONUNBUFFERED=1\n[Network]\nMode=none\n"
               f"[Socket]\nListenStream=127.0.0.1:8099\nListenStream=/run/{name}.sock\nFileDescriptorName=http\n"
               f"[Service]\nTimeoutStopSec=2\n"
               + volume(m, name, **{"server.py": SERVER}))
    m.reload()
    m.start(f"{name}.socket")
    assert m.unit(name, "ActiveState") == "inactive"
    assert ask(m, "('127.0.0.1', 8099)") == "fd 3\n"
    assert ask(m, f"'/run/{name}.sock'") == "fd 4\n"
    m.wait_state(name, "active")
    lines = said(m, name)
    assert lines[0].startswith("pid True ") and (lines[0] == "pid True 1") == (init == "no")
    assert lines[1:4] == ["names http:http", "open [0, 1, 2, 3, 4]", "uid 33"]
    # the init has no use for them, and what an exec gets is not theirs either
    out = m.run("berth", "exec", name, "--", "sh", "-c", "ls /proc/self/fd; env").out
    assert "LISTEN" not in out.replace("LISTEN_FDS=77", "") and "\n4\n" not in out
    m.stop(f"{name}.socket")
    m.stop(name)


def test_the_service_alone_has_its_sockets_too(m: Machine) -> None:
    m.manifest("alone", "[Container]\nImage=base\nExec=python3 /files/server.py\n[Socket]\n"
               "ListenStream=/run/alone.sock\n[Service]\nTimeoutStopSec=2\n"
               + volume(m, "alone", **{"server.py": SERVER}))
    m.reload()
    m.start("alone")
    assert m.unit("alone.socket", "ActiveState") == "active"
    assert ask(m, "'/run/alone.sock'") == "fd 3\n"
    m.restart("alone")
    assert ask(m, "'/run/alone.sock'") == "fd 3\n"


def test_a_container_without_a_socket_section_gets_no_descriptor(m: Machine) -> None:
    m.manifest("closed", "[Container]\nImage=base\nExec=python3 /files/server.py\n[Service]\nTimeoutStopSec=2\n"
               "Sockets=other.socket\n" + volume(m, "closed", **{"server.py": SERVER}))
    m.write("/run/systemd/system/other.socket", "[Socket]\nListenStream=/run/other.sock\nService=closed.service\n")
    m.reload()
    m.start("other.socket")
    m.start("closed")
    m.wait_for(lambda: len(said(m, "closed")) >= 4, "lines")
    assert said(m, "closed")[1:3] == ["names None", "open [0, 1, 2]"]
    m.stop("other.socket")
    m.run("rm", "/run/systemd/system/other.socket")


def test_sockets_that_were_not_passed_are_an_error(m: Machine) -> None:
    done = m.run("berth", "launch", "--foreground", "--name=x", "--image=base", "--sockets=yes", "--", "true", check=False)
    assert done.rc == 125 and "passed no sockets" in done.err


def test_a_directory_is_not_handed_in(m: Machine) -> None:
    script = "import os; os.dup2(os.open('/', os.O_RDONLY), 3); os.set_inheritable(3, True); " \
        "os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid())); " \
        "os.execvp('berth', 'berth launch --foreground --name=x --image=base --network=none --sockets=yes -- true'.split())"
    done = m.run("python3", "-c", script, check=False)
    assert done.rc == 125 and "directory" in done.err, done


# -- ports of loopback --

#: Answers each connection to its own port 80 with who it is.
ECHO = r"""
import os, socket
s = socket.create_server(("127.0.0.1", 80))
while True:
    peer, _ = s.accept()
    peer.sendall(os.environ["WHO"].encode() + b"\n")
    peer.close()
"""


def published(m: Machine, name: str, port: int, rest: str = "") -> None:
    m.manifest(name, f"[Container]\nImage=base\nExec=python3 /files/echo.py\nEnvironment=WHO={name}\n"
               f"[Network]\nPublish=127.0.0.1:{port}:80 [::1]:{port}:80\n[Unit]\nStartLimitIntervalSec=0\n[Service]\n{rest}\n"
               + volume(m, name, **{"echo.py": ECHO}))
    m.reload()


def reached(m: Machine, name: str, port: int) -> None:
    m.wait_for(lambda: ask(m, f"('127.0.0.1', {port})", check=False) == f"{name}\n", "an answer")


def test_a_port_of_loopback_leads_into_the_container(m: Machine) -> None:
    before = m.leaks_snapshot()
    published(m, "local", 8123)
    m.start("local")
    reached(m, "local", 8123)
    # A proxy that only works, and is never taken for started, is killed by TimeoutStartSec=.
    m.wait_state("berth-proxy-local-8123.service", "active", timeout=30)
    proxy = int(m.unit("berth-proxy-local-8123.service", "MainPID"))
    state = m.read("/run/berth/containers/local/state")
    base = int(state.partition("UidBase=")[2].split()[0])
    lines = m.read(f"/proc/{proxy}/status").splitlines()
    assert f"Uid:\t{base + 65534}\t{base + 65534}\t{base + 65534}\t{base + 65534}" in lines
    assert [line.split()[1] for line in lines if line.startswith("CapEff:")] == ["0" * 16]
    assert m.read(f"/proc/{proxy}/comm") == "systemd-socket-\n"
    leader = m.unit("local", "MainPID")
    assert m.run("readlink", f"/proc/{proxy}/ns/net").out == m.run("readlink", f"/proc/{leader}/ns/net").out
    m.stop("local")
    for unit in ("berth-proxy-local-8123.service", "berth-proxy-local-8123.socket"):
        m.wait_state(unit, "inactive")
    m.assert_nothing_left(before, ignore=["layers", "run"])


def test_what_is_listened_on_for_a_container_is_shown(m: Machine) -> None:
    published(m, "seen", 8133)
    published(m, "seen-2", 8134)
    m.manifest("heard", "[Container]\nImage=base\nExec=sleep 1000\n"
               "[Socket]\nListenStream=/run/heard\nListenDatagram=127.0.0.1:8135\n")
    m.reload()
    m.start("seen")
    m.start("seen-2")
    m.start("heard")

    def sockets(name: str) -> list[str] | None:
        return json.loads(m.run("berth", "status", "--json", name, check=False).out).get("sockets")

    assert sockets("seen") == ["127.0.0.1:8133", "[::1]:8133"]
    assert sockets("seen-2") == ["127.0.0.1:8134", "[::1]:8134"]
    assert sockets("heard") == ["/run/heard", "127.0.0.1:8135"]
    shown = m.run("berth", "inspect", "heard").out
    assert "Sockets: /run/heard 127.0.0.1:8135\n" in shown
    can = json.loads(m.run("berth", "inspect", "--json", "heard").out)["can"]
    assert can["reach"] == ["itself, through lo", "whoever connects to /run/heard", "whoever connects to 127.0.0.1:8135"]
    m.stop("seen")
    m.run("systemctl", "stop", "heard.service")
    m.wait_for(lambda: sockets("seen") is None, "end of its sockets")
    assert sockets("heard") == ["/run/heard", "127.0.0.1:8135"]  # a connection starts it
    m.stop("heard.socket")
    assert sockets("heard") is None


def test_a_proxy_never_leads_to_the_network_of_a_container_that_is_gone(m: Machine) -> None:
    published(m, "local", 8124, "Restart=always\nRestartSec=100ms")
    m.start("local")
    for _ in range(3):
        reached(m, "local", 8124)
        leader = m.unit("local", "MainPID")
        m.run("kill", "-9", leader)
        m.wait_for(lambda: m.unit("local", "MainPID") not in ("0", leader), "a new leader")
        m.wait_state("local", "active")
        m.wait_state("berth-proxy-local-8124.socket", "active")
    m.restart("local")
    reached(m, "local", 8124)
    m.stop("local")
    m.start("local")
    reached(m, "local", 8124)
    m.stop("local")


def test_a_connection_does_not_start_a_container_that_is_stopped(m: Machine) -> None:
    published(m, "local", 8125)
    m.start("local")
    m.stop("local")
    m.wait_state("berth-proxy-local-8125.socket", "inactive")
    with pytest.raises(AssertionError, match="refused"):
        ask(m, "('127.0.0.1', 8125)")
    assert m.start("berth-proxy-local-8125.service", check=False).rc != 0
    assert m.unit("local", "ActiveState") == "inactive"


def test_a_port_of_loopback_that_is_taken_fails_the_start(m: Machine) -> None:
    published(m, "first", 8126)
    published(m, "second", 8126)
    m.start("first")
    since = m.mark()
    assert m.start("second", check=False).rc != 0
    assert m.unit("second", "ActiveState") == "inactive"
    # by whom systemd has tried it, who is gone when the journal asks what unit that was of
    assert "Address already in use" in m.journal(since=since)
    reached(m, "first", 8126)
    m.stop("first")
    m.wait_state("berth-proxy-first-8126.socket", "inactive")
    m.start("second")
    reached(m, "second", 8126)
    m.stop("second")


# -- timers, names, instances --


def test_a_timer_runs_a_job(m: Machine) -> None:
    m.manifest("tick", "[Container]\nImage=base\nExec=echo ran\n[Service]\nType=oneshot\n"
               "[Timer]\nOnActiveSec=100ms\nAccuracySec=10ms\n")
    m.reload()
    m.start("tick.timer")
    m.wait_for(lambda: "ran" in said(m, "tick"), "'ran'")
    m.stop("tick.timer")


def test_the_journal_has_the_containers_name(m: Machine) -> None:
    m.manifest("named", "[Container]\nImage=base\nExec=echo hello\n[Service]\nType=oneshot\n")
    m.manifest("t@", "[Container]\nImage=base\nExec=echo %i\n[Service]\nType=oneshot\n")
    m.reload()
    m.start("named")
    m.start("t@one")
    assert any(" named[" in line and line.endswith("hello") for line in m.journal("named", output="short").splitlines())
    assert any(" t@one[" in line and line.endswith("one") for line in m.journal("t@one", output="short").splitlines())


def test_a_masked_instance_does_not_start(m: Machine) -> None:
    m.manifest("t@", "[Container]\nImage=base\nExec=\n")
    m.run("ln", "-s", "/dev/null", "/etc/berth/t@no.berth")
    m.reload()
    done = m.start("t@no", check=False)
    assert done.rc != 0 and "masked" in done.err
    m.start("t@yes")
    m.run("rm", "/etc/berth/t@no.berth")


# -- drop-ins --


def test_a_drop_in_holds_and_a_bad_one_lets_nothing_start(m: Machine) -> None:
    m.manifest("web", "[Container]\nImage=base\nExec=sh -c \"echo $$USER; touch /x && echo written\"\n"
               .replace("$$", "$") + "[Service]\nType=oneshot\n")
    m.write("/etc/berth/web.berth.d/10-hard.conf", "[Container]\nReadOnly=yes\nEnvironment=USER=drop\n")
    m.reload()
    m.start("web", check=False)
    assert "drop" in said(m, "web") and "written" not in said(m, "web")
    m.write("/etc/berth/web.berth.d/10-hard.conf", "[Container]\nReadOnly=ture\n")
    m.reload()
    assert m.start("web", check=False).rc == 1
    assert "/etc/berth/web.berth.d/10-hard.conf:2: ReadOnly= is 'ture'" in said(m, "web")[-1]
    m.run("rm", "-r", "/etc/berth/web.berth.d")


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 50))])
def test_drop_ins_apply_as_those_of_systemd_do(m: Machine, seed: int) -> None:
    """Random trees, ours beside systemd's own: the same files in the same order."""
    chance = random.Random(seed)
    names = ["a", "a-b", "a-b-c", "a-", "a--b", "t@x", "a-t@x", "a-b-t@x", "a-t@x-y"]
    scopes = ["a", "a-", "a-b", "a-b-", "a-b-c", "a--", "a--b", "t@", "t@x", "a-t@", "a-t@x", "a-@", "a-@x", "a-b-@x",
              "a-b-@", "a-b-t@", "a-b-t@x", "a-t@x-y", "a-@x-y", "a-t@x-", ""]
    places = {"/etc/berth": "/etc/systemd/system", "/run/berth": "/run/systemd/system",
              "/usr/local/lib/berth": "/usr/local/lib/systemd/system", "/usr/lib/berth": "/usr/lib/systemd/system"}
    lines = ["set -e"]
    for name in names:
        lines.append(f"printf '[Container]\\nImage=base\\nExec=\\n' >/etc/berth/'z{name}'.berth")
        lines.append(f"printf '[Service]\\nExecStart=/bin/true\\n' >/run/systemd/system/'y{name}'.service")
    made, masks = set(), set()
    for _ in range(160):
        place, scope, file = chance.choice(list(places)), chance.choice(scopes), chance.choice("1234567")
        if scope == "" and place != "/etc/berth" and chance.random() < 0.5 or (place, scope, file) in made:
            continue
        made.add((place, scope, file))
        masked = chance.random() < 0.15
        for kind, directory, suffix in (("z", place, "berth"), ("y", places[place], "service")):
            path = f"{directory}/{kind}{scope}.{suffix}.d" if scope else f"{directory}/{suffix}.d"
            file_name = f"{path}/{file}-test.conf"
            lines.append(f"mkdir -p '{path}'")
            if masked:  # which systemd lists as well, and reads nothing from
                masks.add(file_name)
            lines.append(f"ln -sfn /dev/null '{file_name}'" if masked
                         else f"printf '{'[Container]' if kind == 'z' else '[Service]'}\\n' >'{file_name}'")
    m.sh("\n".join(lines), timeout=60)
    m.reload()
    for name in names:
        ours = [line.removeprefix("# with ") for line in m.run("systemctl", "cat", f"z{name}.service").lines
                if line.startswith("# with ")]
        theirs = [path for path in m.unit(f"y{name}.service", "DropInPaths").split()
                  if path.endswith("-test.conf") and path not in masks]
        wanted = []
        for path in theirs:
            for place, unit_place in places.items():
                if path.startswith(unit_place + "/"):
                    path = place + path.removeprefix(unit_place).replace("/y", "/z").replace("service.d", "berth.d")
                    break
            wanted.append(path)
        assert ours == wanted, (seed, name)
    m.sh("rm -rf /{etc,run,usr/local/lib,usr/lib}/berth/*.d /etc/berth/z* /{etc,run,usr/local/lib,usr/lib}/systemd/system/y*"
         " /{etc,run,usr/local/lib,usr/lib}/systemd/system/service.d")
    m.reload()


# -- health --


def health(m: Machine, name: str, check: str, keys: str = "", container: str = "") -> None:
    m.manifest(name, f"[Container]\nImage=base\nExec=sleep 1000\n{container}\n"
               f"[Health]\nExec={check}\nInterval=200ms\n{keys}\n[Unit]\nStartLimitIntervalSec=0\n")
    m.reload()


def test_a_container_becomes_healthy_unhealthy_and_healthy_again(m: Machine) -> None:
    health(m, "sick", "sh -c \"echo looked; test -e /ok\"", "Retries=2\nTimeout=60s")
    m.start("sick")
    assert m.unit("berth-health@sick.timer", "ActiveState") == "active"
    m.wait_for(lambda: status(m, "sick").get("health") == "unhealthy", "unhealthy")
    told = status(m, "sick")
    assert told["health_output"] == "looked" and told["health_exit_status"] == 1 and told["health_failures"] >= 2
    assert m.unit("sick", "ActiveState") == "active"
    m.run("berth", "exec", "sick", "--", "touch", "/ok")
    m.wait_for(lambda: status(m, "sick").get("health") == "healthy", "healthy")
    assert "Health: healthy" in m.run("berth", "status", "sick").out
    for what in "is unhealthy", "healthy again":
        m.wait_for(lambda what=what: [line for line in said(m, "berth-health@sick.service") if what in line], f"line '{what}'")
    assert "failed" not in m.run("systemctl", "list-units", "--failed", "--no-legend").out
    m.stop("sick")
    m.wait_state("berth-health@sick.timer", "inactive")
    assert not m.exists("/run/berth/containers/sick")


def test_an_unhealthy_container_is_restarted(m: Machine) -> None:
    health(m, "again", "false", "Retries=2\nOnFailure=restart")
    m.start("again")
    first = m.unit("again", "MainPID")
    m.wait_for(lambda: m.unit("again", "MainPID") not in ("0", first), "a new leader")
    m.wait_state("again", "active")
    m.wait_state("berth-health@again.timer", "active")
    second = m.unit("again", "MainPID")
    m.wait_for(lambda: m.unit("again", "MainPID") not in ("0", second), "one more")
    assert "its health checks fail: it is restarted (OnFailure=restart)" in m.journal("again").splitlines()
    m.stop("again")


def test_an_unhealthy_container_is_stopped(m: Machine) -> None:
    health(m, "over", "false", "Retries=1\nOnFailure=stop")
    m.start("over")
    m.wait_state("over", "inactive")
    m.wait_state("berth-health@over.timer", "inactive")
    why = "its health checks fail: it is stopped (OnFailure=stop)"
    assert why in m.journal("over").splitlines()
    assert why in [json.loads(line)["message"] for line in m.run("berth", "logs", "--json", "over").lines]


def test_failures_within_the_start_period_do_not_count(m: Machine) -> None:
    health(m, "slow", "false", "Retries=1\nStartPeriod=1h\nOnFailure=stop")
    m.start("slow")
    seen = set()

    def checks() -> int:
        if status(m, "slow").get("health_checked"):
            seen.add(m.unit("berth-health@slow", "InvocationID"))
        return len(seen)

    m.wait_for(lambda: checks() > 4, "some checks")
    told = status(m, "slow")
    assert told["health"] == "starting" and told["health_failures"] == 0
    m.stop("slow")


def test_a_check_that_takes_too_long_is_ended_with_all_it_started(m: Machine) -> None:
    health(m, "hang", "sh -c \"sleep 4321 & sleep 4321\"", "Retries=1\nTimeout=300ms")
    m.start("hang")
    m.wait_for(lambda: status(m, "hang").get("health") == "unhealthy", "unhealthy")
    assert status(m, "hang")["health_exit_status"] == 124
    m.stop("berth-health@hang.timer")
    m.wait_state("berth-health@hang.service", "inactive")
    assert m.run("pgrep", "-fc", "sleep 4321", check=False).out == "0\n"


def test_before_the_first_check_the_container_is_starting(m: Machine) -> None:
    m.manifest("calm", "[Container]\nImage=base\nExec=sleep 1000\n[Health]\nExec=true\nInterval=1h\n")
    m.manifest("none", "[Container]\nImage=base\nExec=sleep 1000\n")
    m.manifest("h@", "[Container]\nImage=base\nExec=sleep 1000\n[Health]\nExec=true\nInterval=1h\n")
    m.reload()
    for name in ("calm", "none", "h@x"):
        m.start(name)
    assert status(m, "calm")["health"] == "starting"
    assert status(m, "h@x")["health"] == "starting"
    assert "health" not in status(m, "none")


def test_the_check_of_an_instance_knows_its_instance(m: Machine) -> None:
    m.manifest("i@", "[Container]\nImage=base\nExec=sleep 1000\n"
               "[Health]\nExec=sh -c \"echo %i %p %n %N; exit 3\"\nInterval=200ms\n")
    m.reload()
    m.run("ln", "-s", "i@.berth", "/etc/berth/i@own.berth")
    m.reload()
    for name in ("i@made", "i@own"):
        m.start(name)
        m.wait_for(lambda: status(m, name).get("health_output"), "output")
        instance = name.partition("@")[2]
        assert status(m, name)["health_output"] == f"{instance} i {name}.service {name}"
        m.stop(name)
    m.run("rm", "/etc/berth/i@own.berth")


def test_what_a_check_prints_cannot_speak_to_the_terminal(m: Machine) -> None:
    health(m, "loud", "python3 -c \"import os; os.write(1, b'a' * 100000 + b'\\\\x1b[2J\\\\n\\\\xff<b\\\\0>')\"")
    m.start("loud")
    m.wait_for(lambda: status(m, "loud").get("health") == "healthy", "healthy")
    assert len(status(m, "loud")["health_output"]) <= 4096
    out = m.run("berth", "status", "loud").stdout
    assert b"\x1b" not in out and b"?[2J" in out and b"<b?>" in out
    m.stop("loud")
