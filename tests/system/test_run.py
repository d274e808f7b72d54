"""berth run: containers that nobody has installed."""

from __future__ import annotations

import json
import re

import pytest

from harness.moments import STRACE, Moment, moments
from harness.system import Result, System
from harness.timing import ATTEMPTS

needs_berth = True
pytestmark = pytest.mark.system


@pytest.fixture
def s(m: System) -> System:
    """The test must leave nothing, also of what the manager and /run know."""
    before = m.leaks_snapshot()
    yield m
    m.wait_for(lambda: not left(m), "end of what was run")
    m.assert_nothing_left(before)


def left(s: System) -> list[str]:
    """Units and files of runs."""
    units = s.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "berth-run-*", "run-????????.service", "job.service").lines
    files = s.sh("cd /; ls -d run/berth/run/* run/systemd/system/*.service 2>/dev/null || :").lines
    return units + files


def run(s: System, *words: str, **more) -> Result:
    return s.run("berth", "run", "--image=base", *words, check=False, **more)


def test_the_command_is_run_in_a_container_and_nothing_is_left(s: System) -> None:
    done = run(s, "--", "sh", "-c", "echo out; echo err >&2; hostname; cat; exit 7", input="typed\n")
    assert done.rc == 7
    assert re.fullmatch(r"out\nrun-[0-9a-f]{8}\ntyped\n", done.out)
    assert done.err == "err\n"
    assert left(s) == []


def test_the_exit_status_is_that_of_exec(s: System) -> None:
    for words, rc in [(["true"], 0), (["--", "sh", "-c", "kill -KILL $$"], 137), (["no-such-program"], 127), (["/etc"], 126),
                      (["--timeout=300ms", "sleep", "100"], 124), (["--user=nobody-here", "--", "true"], 125)]:
        assert run(s, *words).rc == rc


def test_the_result_as_an_object(s: System) -> None:
    done = run(s, "--json", "--user=daemon", "--workdir=/tmp", "--env=A=1", "--", "sh", "-c", "id -un; pwd; echo $A; exit 3")
    assert done.rc == 3
    result = done.json()
    assert (result["exit_code"], result["stdout"], result["error"]) == (3, "daemon\n/tmp\n1\n", None)


def test_what_went_wrong_before_the_command_as_an_object(s: System) -> None:
    for words, step, message in [
        (["berth", "run", "--json", "--image=no-such", "true"], "launch", "image 'no-such': not found"),
        (["berth", "run", "--json", "--image=base", "--set=Foo=1", "true"], "manifest", "unknown key 'Foo'"),
        (["berth", "run", "--json", "--imagine=base", "true"], "usage", "did you mean '--image'"),
        (["berth", "run", "--json", "--image=base"], "usage", "expected a command"),
        (["berth", "run", "--image=base", "--name=dbus", "--json", "true"], "name", "'dbus.service' exists"),
    ]:
        done = s.run(*words, check=False)
        assert done.rc == 125
        result = done.json()
        assert result["error"]["stage"] == step
        assert message in result["error"]["message"] and message in done.err
        assert (result["exit_code"], result["stdout"]) == (None, "")


MISTAKES = [
    ([], "expected a manifest, or --image=IMAGE or --profile=PROFILE\n"),
    (["web"], "'web': expected the path of a manifest, like ./web.berth, or --image=IMAGE"),
    (["./web.berth", "true"], "cannot find manifest './web.berth': No such file"),
    (["--image=base", "--name=a/b", "true"], "--name=a/b: expected letters, digits and dashes\n"),
    (["--image=base", "--name=../x", "true"], "--name=../x: expected letters, digits and dashes\n"),
    (["--image=base", "--name=berth-x", "true"], "reserved"),
    (["--image=base", "--set=x", "true"], "--set=x: expected [SECTION.]KEY=VALUE"),
    (["--image=base\nExec=evil", "true"], "--image: expected UTF-8 without a line break"),
    (["--image=base", "--memory=1G\\", "true"], "--memory: expected UTF-8 without a line break, and no backslash at its end"),
    (["--image=base", "--bind=here", "true"], "--bind=here: expected PATH:TARGET"),
    (["--image=base", "--replace", "true"], "--replace: expected --name=NAME"),
    (["--image=base", "--set=Container.ReadOnly=maybe", "true"], "ReadOnly= is 'maybe'"),
    (["--image=base", "--publish=127.0.0.1:80:80", "true"], "a container that is only run cannot have"),
    (["--image=base", "--detach", "--json", "true"], "--json: cannot go with --detach"),
    (["--image=base", "--detach", "--input=/x", "true"], "--input: cannot go with --detach"),
    (["--image=base", "--memory=64M", "true"], "a limit needs the cgroup controller 'memory'"),
]


def test_mistakes_are_named_and_leave_nothing(s: System) -> None:
    for words, message in MISTAKES:
        done = s.run("berth", "run", *words, check=False)
        assert (done.rc, done.out) == (125, "")
        assert message in done.err
        assert not [line for line in left(s) if "berth-run-" not in line]


def test_files_of_the_host(s: System) -> None:
    s.sh("mkdir -p /var/lib/berth/work && echo data >/var/lib/berth/work/in && chmod 1777 /var/lib/berth/work")
    done = s.run("berth", "run", "--image=base", "--bind=work:/work", "--bind=/var/lib/berth/work:/same:ro", "--", "sh", "-c",
                 "cat /work/in; echo made >/work/out; (echo no >/same/no) 2>/dev/null || echo read-only", cwd="/var/lib/berth")
    assert (done.out, s.read("/var/lib/berth/work/out")) == ("data\nread-only\n", "made\n")
    s.sh("rm -r /var/lib/berth/work")


def test_what_changes_in_it_is_gone(s: System) -> None:
    assert run(s, "--name=job", "--", "sh", "-c", "echo x >/root/x && cat /root/x").out == "x\n"
    assert run(s, "--name=job", "--", "ls", "/root").out == ""


def test_a_manifest_with_its_dropins(s: System) -> None:
    s.sh("mkdir -p /root/m/job.berth.d")
    s.write("/root/m/job.berth", "[Container]\nImage=base\nExec=sleep 1000\nEnvironment=FROM=manifest OTHER=manifest\nReadOnly=yes\n")
    s.write("/root/m/job.berth.d/10-more.conf", "[Container]\nEnvironment=OTHER=dropin\n")
    done = s.run("berth", "run", "job.berth", "-e", "MINE=1", "--", "sh", "-c", "echo $FROM $OTHER $MINE; (>/x) 2>/dev/null || echo read-only",
                 cwd="/root/m")
    assert done.out == "manifest dropin 1\nread-only\n"
    assert s.run("berth", "run", "/root/m/job.berth", check=False).err.startswith("expected a command: berth run /root/m/job.berth")
    # detached it runs its own
    s.run("berth", "run", "--detach", "--name=job", "/root/m/job.berth")
    assert "sleep 1000" in s.run("berth", "exec", "job", "--", "sh", "-c", "cat /proc/*/cmdline | tr '\\0' ' '").out
    s.stop("job")
    s.sh("rm -r /root/m")


def kept(s: System) -> list[str]:
    return s.sh("cd /var/lib/berth; ls -d layers/* volumes/* 2>/dev/null || :").lines


@pytest.mark.parametrize("ready", ["[Container]\nNotify=yes\n", "[Container]\nNotify=healthy\n[Health]\nExec=false\n",
                                   "[Service]\nType=oneshot\n"], ids=["yes", "healthy", "oneshot"])
def test_a_command_waits_for_no_readiness_of_the_manifests_own(s: System, ready: str) -> None:
    # were it waited for, the start would fail, or never come to its end
    s.write("/root/job.berth", f"[Container]\nImage=base\nExec=sleep 1000\n{ready}[Service]\nTimeoutStartSec=60\n")
    done = s.run("berth", "run", "/root/job.berth", "--", "echo", "ran", check=False, timeout=90)
    assert (done.rc, done.out) == (0, "ran\n"), done.err
    if "healthy" not in ready:
        name = s.run("berth", "run", "--detach", "/root/job.berth", "--", "sleep", "1000", timeout=90).out.strip()
        assert s.unit(f"{name}.service", "ActiveState") == "active"
        s.stop(name)
    s.sh("rm /root/job.berth")


def test_what_stands_beside_a_service_is_left_out_where_it_is_not_needed(s: System) -> None:
    manifest = ("[Container]\nImage=base\nExec=sleep 1000\n[Network]\nPublish=127.0.0.1:4701:80\n[Health]\nExec=true\n"
                "[Timer]\nOnCalendar=daily\n[Install]\nWantedBy=multi-user.target\n")
    s.write("/root/all.berth", manifest)
    call = ("berth", "run", "--name=all", "/root/all.berth")
    done = s.run(*call, "--set=Network.Publish=", "--", "hostname")
    assert done.out == "all\n"
    assert done.err == "".join(f"without '{unit}': a container that is only run has no units beside it\n"
                               for unit in ("all.timer", "berth-health@all.timer"))
    for words, unit in ((["--", "true"], "berth-proxy-all-4701.socket"),
                        (["--set=Network.Publish=", "--detach"], "berth-health@all.timer"),
                        (["--set=Network.Publish=", "--set=Network.AllowDomain=example.org", "--", "true"],
                         "berth-dns@all.service"),
                        (["--set=Network.Publish=", "--set=Socket.ListenStream=4702", "--", "true"], "all.socket")):
        done = s.run(*call, *words, check=False)
        assert (done.rc, done.out) == (125, "")
        assert f"a container that is only run cannot have '{unit}' beside it; leave out what makes it" in done.err
    s.write("/root/all.berth", manifest.replace("[Health]\nExec=true\n", ""))
    assert s.run(*call, "--set=Network.Publish=", "--detach").out == "all\n"
    s.stop("all")
    s.sh("rm /root/all.berth")


def test_without_a_name_nothing_is_kept_and_with_one_it_is(s: System) -> None:
    keeping = ("--set=Ephemeral=no", "--volume=data:/data", "--", "sh", "-c", "echo x >>/data/it; echo x >>/it; cat /data/it /it")
    assert run(s, *keeping).out == "x\nx\n"
    assert kept(s) == []
    name = run(s, "--detach", "--set=Ephemeral=no", "--volume=data:/data").out.strip()
    assert kept(s) == [f"layers/{name}", f"volumes/{name}"]
    s.run("systemctl", "kill", "--signal=KILL", f"{name}.service")
    s.wait_for(lambda: not left(s), "its end")
    assert kept(s) == []
    for out in ("x\nx\n", "x\nx\nx\nx\n"):
        assert run(s, "--name=job", *keeping).out == out
    assert kept(s) == ["layers/job", "volumes/job"]
    s.run("berth", "remove", "job", "--all")


def test_a_rule_for_all_containers_holds_here_too(s: System) -> None:
    s.write("/etc/berth/berth.d/10-all.conf", "[Container]\nEnvironment=RULE=all\n")
    assert run(s, "--", "sh", "-c", "echo $RULE").out == "all\n"
    s.sh("rm -r /etc/berth/berth.d")


@pytest.mark.parametrize("victims", ["^berth run --image", "^berth (run --image|exec job)", "^/usr/libexec/berth/berth-manage run-end",
                                     "^(berth run --image|/usr/libexec/berth/berth-manage run-end)"])
def test_a_client_that_is_killed_leaves_nothing(s: System, victims: str) -> None:
    s.sh("berth run --image=base --name=job -- sleep 4246 >/dev/null 2>&1 </dev/null &")
    s.wait_for(lambda: s.run("pgrep", "-fx", "sleep 4246", check=False).rc == 0, "its start")
    s.sh(f"kill -KILL $(pgrep -f '{victims}')")
    s.wait_for(lambda: not left(s), "end of everything", timeout=20)
    assert s.run("pgrep", "-fx", "sleep 4246", check=False).rc == 1


def test_a_client_and_who_waits_for_it_killed_before_the_start_leave_nothing(s: System) -> None:
    client = s.popen(*STRACE, "-o", "/dev/null", "-e", "trace=renameat2", "-e", "inject=renameat2:signal=STOP:when=1",
                     "berth", "run", "--image=base", "--name=job", "--", "true")
    s.wait_for(lambda: s.exists("/run/berth/run/job"), "the first that is made")
    s.sh("kill -KILL $(pgrep -f '^(berth run --image|/usr/libexec/berth/berth-manage run-end)')")
    client.wait(30)
    s.wait_for(lambda: not left(s), "end of everything")


def writes(moment: Moment) -> bool:
    """Is something made or asked for with that call, or just before it?"""
    return re.search(r"run/berth|run/systemd|O_TMPFILE|job|berth-manifest|Start", moment.line) is not None or moment.call in (
        "mkdirat", "linkat", "symlinkat", "unlink", "unlinkat", "sendmsg", "clone", "wait4", "kill", "rt_sigtimedwait", "exit_group")


@pytest.mark.parametrize("every", [pytest.param(False, id="sample"), pytest.param(True, id="every", marks=pytest.mark.long)])
@pytest.mark.parametrize("words", [["--", "true"], ["--detach"]], ids=["foreground", "detached"])
def test_a_client_that_is_killed_at_any_moment_leaves_nothing(s: System, words: list[str], every: bool) -> None:
    command = ["berth", "run", "--image=base", "--name=job", *words]
    s.run(*STRACE, "-s", "200", "-o", "/run/trace", *command)
    if "--detach" in words:
        s.stop("job")
    s.wait_for(lambda: not left(s), "end of the traced one")
    found = moments(s.read("/run/trace"))
    assert sum(map(writes, found)) > 20
    released = next((i for i, moment in enumerate(found) if moment.call == "unlink" and "/client-" in moment.line), len(found))
    before = s.leaks_snapshot()
    for moment in found if every else [moment for moment in found if writes(moment)][::8]:
        s.run(*STRACE, *moment.options, *command, check=False)
        s.wait_for(lambda: not [line for line in left(s) if "berth-run-" in line], f"end of who waits, after the kill at {moment.line}")
        if "--detach" in words and s.unit("job.service", "ActiveState") == "active":  # it is for others to stop
            # how often it hears of the bus is not the same each time
            assert found.index(moment) > released or moment.call in ("recvmsg", "ppoll"), moment.line
            s.stop("job")
        s.wait_for(lambda: not left(s), f"end of everything after the kill at {moment.line}")
        s.assert_nothing_left(before)
    s.run("rm", "/run/trace")


@pytest.mark.parametrize("name", ["TERM", "HUP", "INT"])
def test_a_signal_to_the_client_reaches_the_command(s: System, name: str) -> None:
    script = f"""
        berth run --image=base --name=job -- sh -c 'trap "echo got; exit 9" {name}; echo up; while :; do sleep 0.05; done' >/tmp/said 2>/dev/null </dev/null &
        client=$!
        until grep -q up /tmp/said; do sleep 0.05; done
        kill -{name} $client
        rc=0; wait $client || rc=$?
        echo $rc; cat /tmp/said; rm /tmp/said
    """
    # A shell without job control has its background processes ignore INT. TERM comes once passed on, and once to end all that
    # is left: whoever is slow hears it twice, and who is too slow is killed.
    for _ in range(ATTEMPTS):
        lines = [*dict.fromkeys(s.run("bash", "-c", "set -m\n" + script).lines)]
        if lines[0] != "137":
            break
    assert lines == ["9", "up", "got"]


def test_detached_it_is_a_service(s: System) -> None:
    words = ["a b", "$HOME", "%n %%", '"q\'', "\\x", "\u00e4", "", "tab\tline\nend"]
    name = run(s, "-d", "--user=daemon", "--workdir=/tmp", "--env=A=$x %n \"'\\ \u00e4\nend", "--timeout=1h", "--", "sh", "-c",
               'for w; do printf "%s|" "$w"; done >/tmp/said; echo "$A/$(id -un)/$PWD" >>/tmp/said; exec sleep 1000', "sh", *words).out.strip()
    assert re.fullmatch("run-[0-9a-f]{8}", name)
    said = s.wait_for(lambda: s.run("berth", "exec", name, "--", "cat", "/tmp/said", check=False).out, "its words")
    s.wait_for(lambda: s.run("berth", "exec", name, "--", "cat", "/tmp/said").out.endswith("/tmp\n"), "the last line")
    said = s.run("berth", "exec", name, "--", "cat", "/tmp/said").out
    assert said == "|".join(words) + "|$x %n \"'\\ \u00e4\nend/daemon//tmp\n"
    assert s.unit(f"{name}.service", "RuntimeMaxUSec") == "1h"
    assert s.run("systemctl", "is-active", name).out == "active\n"
    assert name in s.run("berth", "list").out
    assert s.run("berth", "remove", "--force", name).err == f"stopping {name}.service\n"
    s.wait_for(lambda: not left(s), "end of who waits for its end")
    assert s.run("berth", "remove", "--force", name, check=False).err == f"nothing is left of container '{name}'\n"


def test_detached_without_a_command_it_idles(s: System) -> None:
    assert run(s, "--detach", "--name=job").out == "job\n"
    assert s.run("berth", "exec", "job", "--", "echo", "inside").out == "inside\n"
    again = run(s, "--detach", "--name=job")
    assert (again.rc, again.err) == (125, "container 'job' is running; --replace stops it first\n")
    leader = s.unit("job.service", "MainPID")
    assert run(s, "--detach", "--replace", "--name=job").out == "job\n"
    assert s.unit("job.service", "MainPID") != leader
    assert run(s, "--replace", "--name=job", "--", "hostname").out == "job\n"
    assert not [line for line in left(s) if not re.search("berth-run-job-", line)]


def test_who_is_replaced_leaves_the_one_in_its_place_alone(s: System) -> None:
    s.sh("(berth run --image=base --name=job -- sh -c 'echo up; exec sleep 1000' >/run/said 2>&1 || echo $? >/run/ended) "
         ">/dev/null 2>&1 </dev/null &")
    s.wait_for(lambda: s.sh("cat /run/said 2>/dev/null || :").out == "up\n", "its start")
    run(s, "--detach", "--replace", "--name=job")
    leader = s.unit("job.service", "MainPID")
    s.wait_for(lambda: s.sh("cat /run/ended 2>/dev/null || :").out, "end of the one before")
    s.wait_for(lambda: not [line for line in left(s) if "berth-run-" in line], "end of what stood beside it")
    assert (s.unit("job.service", "ActiveState"), s.unit("job.service", "MainPID")) == ("active", leader)
    assert s.exists("/run/berth/run/job/job.berth")
    s.stop("job")
    s.run("rm", "/run/said", "/run/ended")


def test_why_a_detached_command_did_not_start_is_told(s: System) -> None:
    for word in "nosuch", "neither":  # of the second what was wrong with the first is not told again
        result = run(s, "--detach", "--name=job", "--", word)
        assert (result.rc, result.out) == (125, "")
        assert result.err.splitlines() == [f"cannot execute '{word}': No such file or directory",
                                           "container of 'job.service' did not start"]


def test_a_detached_command_that_ends_leaves_nothing(s: System) -> None:
    run(s, "--detach", "--name=job", "--", "false")
    s.wait_for(lambda: not left(s), "its end")
    assert "status=1/FAILURE" in s.journal("job")


def test_an_installed_container_is_not_replaced(s: System) -> None:
    s.manifest("mine", "[Container]\nImage=base\nExec=sleep 1000\n[Network]\nMode=none\n")
    s.reload()
    s.start("mine")
    leader = s.unit("mine.service", "MainPID")
    for words in (["--name=mine"], ["--name=mine", "--replace"]):
        done = run(s, *words, "--", "true")
        assert (done.rc, done.err) == (
            125, "'mine.service' exists and is no container that was only run; choose another --name=\n")
    assert s.unit("mine.service", "MainPID") == leader
    s.stop("mine")
    s.remove_manifest("mine")
    s.reload()


def test_daemon_reload_changes_nothing(s: System) -> None:
    run(s, "--detach", "--name=job")
    leader = s.unit("job.service", "MainPID")
    s.reload()
    assert (s.unit("job.service", "MainPID"), s.unit("job.service", "ActiveState")) == (leader, "active")
    s.stop("job")


def test_clean_removes_what_a_lost_run_has_left(s: System) -> None:
    s.sh("mkdir -p /run/berth/run/lost && touch /run/berth/run/lost/lost.berth && "
         "printf '[Service]\\nExecStart=/bin/true\\n' >/run/systemd/system/lost.service")
    s.run("berth", "clean")  # it is young: it may be starting
    assert len(left(s)) == 2
    s.run("berth", "clean", "--all")
    assert left(s) == []


def test_many_at_once(s: System) -> None:
    done = s.sh("for i in 1 2 3 4 5 6; do (berth run --image=base --json -- sh -c \"echo $i; exit $i\"; echo) & done; wait", timeout=120)
    results = sorted((json.loads(line) for line in done.lines if line), key=lambda r: r["exit_code"])
    assert [(r["exit_code"], r["stdout"]) for r in results] == [(n, f"{n}\n") for n in range(1, 7)]
