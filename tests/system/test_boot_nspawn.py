"""Boot=yes: a whole Debian, which systemd-nspawn boots."""

from __future__ import annotations

import subprocess
from typing import Iterator

import pytest

from harness import machine as machines
from harness import roots
from harness.machine import Machine

needs_berth = True
pytestmark = pytest.mark.system

ROOT = "/var/lib/machines/os1"  # machinectl start looks for images of that name, and there


@pytest.fixture(scope="module")
def host(request: pytest.FixtureRequest, stage, progress) -> Iterator[Machine]:
    """A machine with a Debian in it that boots, in a directory of its own."""
    if machines.missing():
        pytest.skip(machines.missing())
    suite = request.config.getoption("--debian")
    for name in ("machine", "base"):
        roots.get(name, suite, progress)
    with Machine.boot(stage, suite, ("base", "machine")) as m:
        m.run("mkdir", "-p", "/var/lib/machines")
        m.run("cp", "-a", "--reflink=auto", "/srv/images/machine/.", ROOT, timeout=180)
        m.run("rm", "-f", f"{ROOT}/etc/hostname")
        yield m


@pytest.fixture
def m(host: Machine) -> Iterator[Machine]:
    yield host
    host.run("systemctl", "stop", "os1.service", check=False, timeout=120)
    host.reset()


def system(m: Machine, keys: str = "", rest: str = "") -> None:
    m.manifest("os1", f"[Container]\nBoot=yes\nImage={ROOT}\nPrivateUsers=no\nTemplate=private\n{keys}\n{rest}")
    m.reload()


def inside(m: Machine, *words: str) -> str:
    """Not by machinectl, which would have to wait for the bus of what is booting."""
    leader = m.run("machinectl", "show", "os1", "--value", "-p", "Leader").out.strip()
    return m.run("nsenter", "-t", leader, "-a", "--", *words).out


def booted(m: Machine) -> None:
    """Until then its init does not heed what nspawn says to it, and a stop takes its whole timeout."""
    m.wait_for(lambda: m.run("nsenter", "-t", m.run("machinectl", "show", "os1", "--value", "-p", "Leader").out.strip(),
                             "-a", "--", "systemctl", "is-system-running", check=False).out.strip()
               in ("running", "degraded"), "the inner system", timeout=60)


def test_systemctl_and_machinectl_mean_the_same_system(m: Machine) -> None:
    system(m, "Hostname=old\nEnvironment=\"WHO=%p 100%%\"")
    m.start("os1", timeout=120)
    assert m.unit("systemd-nspawn@os1", "ActiveState") == "active"
    assert "systemd-nspawn" in m.run("machinectl", "list", "--no-legend").out
    booted(m)
    assert b"WHO=os1 100%" in inside(m, "cat", "/proc/1/environ").encode().split(b"\0")
    assert inside(m, "cat", "/proc/1/comm") == "systemd\n"
    m.stop("os1", timeout=120)
    m.wait_state("systemd-nspawn@os1", "inactive", timeout=60)
    m.run("machinectl", "start", "os1", timeout=120)
    assert m.unit("os1", "ActiveState") == "active"
    booted(m)
    m.restart("os1", timeout=120)
    assert m.unit("systemd-nspawn@os1", "ActiveState") == "active"
    booted(m)
    m.run("machinectl", "terminate", "os1")
    m.wait_state("systemd-nspawn@os1", "inactive", timeout=30)
    m.wait_state("os1", "inactive", timeout=30)


def test_a_settings_file_of_somebody_is_without_effect(m: Machine) -> None:
    system(m)
    m.write("/etc/systemd/nspawn/os1.nspawn", "[Exec]\nEnvironment=STRAY=1\n[Files]\nBind=/root\n")
    m.start("os1", timeout=120)
    booted(m)
    assert "STRAY" not in inside(m, "cat", "/proc/1/environ")
    m.run("rm", "/etc/systemd/nspawn/os1.nspawn")


def test_mounts_and_limits_are_those_of_the_manifest(m: Machine) -> None:
    m.write("/srv/a:b/file", "data")
    system(m, rest="[Mount a]\nType=bind\nSource=/srv/a:b\nTarget=/mnt/a\nReadOnly=yes\n"
           "[Mount b]\nType=tmpfs\nTarget=/mnt/b\nOptions=size=1M\n[Limits]\nTasks=333\n")
    m.start("os1", timeout=120)
    booted(m)
    assert inside(m, "cat", "/mnt/a/file") == "data"
    assert "size=1024k" in inside(m, "findmnt", "-no", "OPTIONS", "/mnt/b")
    assert m.unit("systemd-nspawn@os1", "TasksMax") == "333"


def test_an_error_starts_nothing_and_is_told_by_both(m: Machine) -> None:
    told = "os1.berth:6: Exec= in [Container] has no meaning with Boot=yes"
    system(m, "Exec=sh")
    assert m.start("os1", check=False).rc != 0
    assert told in m.journal("os1")
    assert told in m.run("systemctl", "status", "os1", check=False).out
    assert m.unit("systemd-nspawn@os1", "ActiveState") == "inactive"
    assert m.run("machinectl", "start", "os1", check=False).rc != 0
    assert told in m.journal("systemd-nspawn@os1")
    system(m)
    m.start("os1", timeout=120)
    booted(m)
    system(m, "Exec=sh", "[Limits]\nTasks=333\n")
    assert m.unit("systemd-nspawn@os1", "ActiveState") == "active"
    assert m.unit("systemd-nspawn@os1", "TasksMax") == "333"
    # a slip in Boot= itself could be of either kind
    manifest = m.read("/etc/berth/os1.berth")
    m.write("/etc/berth/os1.berth", manifest.replace("Exec=sh", "").replace("Boot=yes", "Boot=yess"))
    m.reload()
    assert m.unit("systemd-nspawn@os1", "ActiveState") == "active"
    assert m.unit("systemd-nspawn@os1", "TasksMax") == "333"
    m.stop("os1", timeout=120)
    m.wait_state("systemd-nspawn@os1", "inactive", timeout=60)
    assert m.run("machinectl", "start", "os1", check=False).rc != 0
    assert "Boot= is 'yess'" in m.journal("systemd-nspawn@os1")


def test_machinectl_opens_a_shell_and_a_login(m: Machine) -> None:
    system(m)
    m.start("os1", timeout=120)
    booted(m)
    assert "who=root at os1" in m.run(
        "machinectl", "shell", "os1", "/bin/sh", "-c", "echo who=$(id -un) at $(cat /etc/hostname /proc/sys/kernel/hostname)",
        timeout=60).out
    with m.popen("script", "-qec", "machinectl login os1", "/dev/null", stdin=subprocess.PIPE) as p:
        seen = b""
        while b"login:" not in seen:
            more = p.stdout.read1(4096)
            assert more, seen.decode()
            seen += more
