"""The private systemd itself: what every other test of tier 3 takes for granted."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from harness import keeper, machine as machines, roots
from harness.machine import Machine
from harness.system import CommandFailed
from harness.timing import PATIENCE

pytestmark = pytest.mark.system


@pytest.fixture(autouse=True)
def _possible() -> None:
    if reason := machines.missing():
        pytest.skip(reason)


# -- commands --


def test_it_is_running(m: Machine) -> None:
    assert m.run("systemctl", "is-system-running").out == "running\n"
    assert m.run("cat", "/proc/1/comm").out == "systemd\n"


def test_run_returns_status_and_both_streams(m: Machine) -> None:
    result = m.run("sh", "-c", "echo out; echo err >&2; exit 7", check=False)
    assert (result.rc, result.out, result.err) == (7, "out\n", "err\n")


def test_a_killed_command_has_its_signal_in_the_status(m: Machine) -> None:
    assert m.run("sh", "-c", "kill -9 $$", check=False).rc == 128 + 9


def test_a_failed_command_fails_the_test_and_shows_what_it_said(m: Machine) -> None:
    with pytest.raises(CommandFailed, match="(?s)ls /nowhere.*-> 2.*No such file"):
        m.run("ls", "/nowhere")


def test_input_arrives_byte_for_byte(m: Machine) -> None:
    data = bytes(range(256)) * 1000
    assert m.run("cat", input=data).stdout == data


def test_the_environment_is_clean(m: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BERTH_OF_THE_HOST", "1")
    seen = m.run("env", env={"GIVEN": "a b"}).lines
    assert "GIVEN=a b" in seen
    assert not [line for line in seen if "BERTH_OF_THE_HOST" in line]


def test_a_user_is_that_user(m: Machine) -> None:
    assert m.run("id", "-un", user="nobody").out == "nobody\n"


def test_a_timeout_kills_what_the_command_started(m: Machine) -> None:
    with pytest.raises(CommandFailed, match=f"not done after {0.3 * m.patience:g} s"):
        m.sh("sleep 5001 & sleep 5001", timeout=0.3)
    m.wait_for(lambda: m.run("pgrep", "-f", "sleep 5001", check=False).rc == 1, "end of sleep")


def test_popen_streams_and_takes_signals(m: Machine) -> None:
    with m.popen("bash", "-c", "trap 'echo got it; exit 3' USR1; echo up; while :; do sleep 0.05; done") as p:
        assert p.stdout and p.stdout.readline() == b"up\n"
        p.send_signal(signal.SIGUSR1)
        assert p.stdout.readline() == b"got it\n"
        assert p.wait(PATIENCE) == 3


def test_commands_belong_to_a_unit_that_systemd_knows(m: Machine) -> None:
    assert "0::/system.slice/test-harness.service/" in m.read("/proc/self/cgroup")
    # a process of no pid namespace in there would make this fail
    status = m.run("systemctl", "status", "--no-pager")
    assert "Failed to dump" not in status.err


# -- files --


def test_write_makes_directories_and_read_reads(m: Machine) -> None:
    m.write("/etc/deep/er/file", "text\n", mode=0o600)
    assert m.read("/etc/deep/er/file") == "text\n"
    assert m.run("stat", "-c", "%a %u", "/etc/deep/er/file").out == "600 0\n"
    assert m.path("/etc/deep/er/file").read_text() == "text\n"


def test_manifests_are_dedented_and_removed_by_reset(m: Machine) -> None:
    m.manifest("web", """
        [Container]
        Image=base
    """)
    assert m.read("/etc/berth/web.berth") == "[Container]\nImage=base\n"
    m.reset()
    assert not m.exists("/etc/berth/web.berth")


# -- systemd and what stands around it --


def test_journal_shows_what_a_unit_says(m: Machine) -> None:
    m.run("systemd-run", "--unit=says", "--wait", "echo", "a line of its own")
    assert "a line of its own" in m.journal("says").splitlines()
    later = m.mark()
    m.run("systemd-run", "--unit=says", "--wait", "echo", "another")
    assert "a line of its own" not in m.journal("says", since=later)
    assert "another" in m.journal("says", since=later)


def test_the_journal_has_what_generators_write_to_kmsg(m: Machine) -> None:
    word = f"harness-{os.getpid()}-{time.monotonic_ns()}"
    m.sh(f"echo '<4>{word}: hello' >/dev/kmsg")
    m.wait_for(lambda: word in m.journal(output="short"), "line of kmsg in the journal")


def test_unit_properties_and_a_failing_start(m: Machine) -> None:
    m.write("/run/systemd/system/bad.service", "[Service]\nType=oneshot\nExecStart=sh -c 'echo why; exit 3'\n")
    m.reload()
    with pytest.raises(CommandFailed, match="(?s)journal:.*why"):
        m.start("bad")
    assert m.unit("bad", "Result") == "exit-code"
    assert m.unit("bad", "ExecMainStatus") == "3"


def test_machined_and_polkit_answer(m: Machine) -> None:
    assert m.run("machinectl", "list", "--no-legend").out == ""
    m.run("busctl", "call", "org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority",
          "org.freedesktop.DBus.Peer", "Ping")


def test_only_loopback_is_there_and_it_is_up(m: Machine) -> None:
    links = m.run("ip", "-o", "link").lines
    assert len(links) == 1 and "lo:" in links[0] and "UP" in links[0]
    m.sh("nft add table inet probe && nft delete table inet probe")


def test_the_cgroup_tree_is_unified_and_ours(m: Machine) -> None:
    assert m.run("stat", "-fc", "%T", "/sys/fs/cgroup").out == "cgroup2fs\n"
    assert m.read("/proc/1/cgroup").splitlines()[-1] == "0::/init.scope"


def test_images_are_whole_roots_on_a_file_system_that_can_be_idmapped(m: Machine) -> None:
    assert m.run("readlink", "/var/lib/berth/images/base").out == "/srv/images/base\n"
    assert m.run("stat", "-c", "%u", "/srv/images/base/usr").out == "0\n"
    kind = m.run("stat", "-fc", "%T", "/srv/images/base").out.strip()
    assert kind == m.run("stat", "-fc", "%T", "/var/lib/berth").out.strip()
    assert kind not in ("overlayfs", "tmpfs")
    assert m.run("touch", "/srv/images/base/x", check=False).rc != 0, "the cache can be written to"


# The least that can show it: a detached copy of the tree, mapped to a user namespace.
_IDMAP = """
import ctypes, os, struct, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
holder = subprocess.Popen(["unshare", "--user", "sh", "-c", "echo; exec sleep 60"], stdout=subprocess.PIPE)
holder.stdout.readline()
for kind in "ug":
    with open(f"/proc/{holder.pid}/{kind}id_map", "w") as file:
        file.write("0 100000 65536")
tree = libc.syscall(428, -100, sys.argv[1].encode(), 1 | os.O_CLOEXEC)  # open_tree, OPEN_TREE_CLONE
users = os.open(f"/proc/{holder.pid}/ns/user", os.O_RDONLY)
attributes = struct.pack("QQQQ", 0x100000, 0, 1 << 18, users)  # MOUNT_ATTR_IDMAP, MS_PRIVATE
ok = libc.syscall(442, tree, b"", 0x1000, attributes, len(attributes))  # mount_setattr
print(os.strerror(ctypes.get_errno()) if tree < 0 or ok < 0 else os.stat("usr", dir_fd=tree).st_uid)
holder.kill()
"""


@pytest.mark.parametrize("path", ["/srv/images/base", "/var/lib/berth"])
def test_trees_can_be_idmapped(m: Machine, path: str) -> None:
    m.sh("mkdir -p /var/lib/berth/usr")
    assert m.run("python3", "-c", _IDMAP, path).out == "100000\n"


def test_a_copied_image_can_be_changed_and_goes_with_reset(m: Machine) -> None:
    path = m.copy_image("base", "mine")
    m.write("/var/lib/berth/images/mine/etc/changed", "yes")
    assert m.exists(f"{path}/etc/changed")
    m.reset()
    assert not m.exists(path) and not m.exists("/var/lib/berth/images/mine")
    assert m.exists("/var/lib/berth/images/base/etc")


def test_mounts_are_shared_as_on_a_host(m: Machine) -> None:
    root = next(line for line in m.mountinfo().splitlines() if line.split()[4] == "/")
    assert " shared:" in root


def test_what_is_left_is_named(m: Machine) -> None:
    before = m.leaks_snapshot()
    m.assert_nothing_left(before)
    m.sh("mkdir -p /run/berth/containers/x && mount -t tmpfs left /mnt && ip link add bt-left type veth peer bt-right")
    try:
        with pytest.raises(AssertionError) as failure:
            m.assert_nothing_left(before, timeout=0)
    finally:
        m.sh("umount /mnt; ip link del bt-left; rm -r /run/berth")
    for trace in ("/run/berth/containers/x", "/mnt", "bt-left"):
        assert trace in str(failure.value)
    m.assert_nothing_left(before)


# -- its life --


def test_reboot_keeps_the_disk_and_nothing_else() -> None:
    with Machine.boot() as m:
        m.write("/etc/kept", "1")
        m.write("/run/lost", "1")
        boot = m.read("/proc/sys/kernel/random/boot_id"), m.pid
        m.reboot()
        assert m.pid != boot[1]
        assert m.exists("/etc/kept") and not m.exists("/run/lost")
        assert m.run("systemctl", "is-system-running").out == "running\n"


def test_two_machines_do_not_see_each_other() -> None:
    with Machine.boot() as one, Machine.boot() as two:
        assert one.run("hostname").out != two.run("hostname").out
        assert one.read("/etc/machine-id") != two.read("/etc/machine-id")
        one.write("/var/lib/berth/volumes/v", "one")
        one.write("/etc/only-one", "one")
        assert not two.exists("/var/lib/berth/volumes/v") and not two.exists("/etc/only-one")
        one.run("systemd-run", "--unit=there", "sleep", "5002")
        assert two.run("pgrep", "-f", "sleep 5002", check=False).rc == 1
        assert two.unit("there", "LoadState") == "not-found"


def test_a_stage_lands_behind_the_links_of_the_root(tmp_path: Path) -> None:
    # /lib is a link to usr/lib; a directory of that name in the stage must not replace it
    program = tmp_path / "lib/berth-probe/program"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho staged\n")
    program.chmod(0o755)
    with Machine.boot(stage=tmp_path) as m:
        assert m.run("/usr/lib/berth-probe/program").out == "staged\n"
        assert m.run("readlink", "/lib").out == "usr/lib\n"
        assert m.run("stat", "-c", "%a", "/").out == "755\n"


def _traces(m: Machine) -> list[str]:
    """What a machine has on this host, by the name in all of it."""
    mark = m._directory.name
    found = [f"mount: {line}" for line in Path("/proc/self/mountinfo").read_text().splitlines()
             if mark in line]
    found += [f"process: {path}" for path in Path("/proc").glob("[0-9]*/root")
              if _same_namespace(path.parent, m)]
    found += [f"cgroup: {path}" for path in (m._cgroup, *keeper.own_cgroup().glob(f"*{mark}*"))
              if path.exists()]
    found += [f"directory: {path}" for path in (roots.cache_directory() / "machines").glob(mark)]
    return found


def _mount_points() -> Counter[str]:
    return Counter(line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())


def _same_namespace(process: Path, m: Machine) -> bool:
    try:
        return os.readlink(process / "ns/pid") == m.pid_namespace
    except OSError:
        return False


def test_nothing_survives_shutdown() -> None:
    mounts = _mount_points()
    m = Machine.boot()
    m.sh("setsid sleep 5003 >/dev/null 2>&1 </dev/null &")
    m.run("systemd-run", "sleep", "5003")
    assert _traces(m), "the traces that are looked for are not those it has"
    m.shutdown()
    assert _traces(m) == []
    assert _mount_points() - mounts == Counter()
    m.shutdown()


def test_nothing_survives_when_the_test_runner_is_killed() -> None:
    script = ("import sys; sys.path.insert(0, sys.argv[1]); sys.dont_write_bytecode = True\n"
              "from harness.machine import Machine\n"
              "m = Machine.boot()\n"
              "print(m.pid, m.pid_namespace, m._directory, m._cgroup, flush=True)\n"
              "sys.stdin.read()\n")
    runner = subprocess.Popen([sys.executable, "-c", script, str(Path(__file__).parents[1])],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert runner.stdin and runner.stdout
    pid, namespace, directory, group = runner.stdout.readline().split()
    process = os.pidfd_open(int(pid))
    assert os.readlink(f"/proc/{pid}/ns/pid") == namespace and Path(group).exists()
    runner.kill()
    runner.wait()
    deadline = time.monotonic() + PATIENCE
    while Path(directory).exists() or Path(group).exists():
        assert time.monotonic() < deadline, "still there though its owner was killed"
        time.sleep(0.02)
    assert select.select([process], [], [], 0)[0], "its systemd lives on"
    os.close(process)
    runner.stdin.close()
    runner.stdout.close()


def test_what_a_killed_keeper_leaves_is_swept_by_the_next_boot() -> None:
    m = Machine.boot()
    process = os.pidfd_open(m.pid)
    m._keeper.kill()
    m._keeper.wait()
    directory = m._directory
    assert select.select([process], [], [], PATIENCE)[0], "its systemd outlives its keeper"
    os.close(process)
    with Machine.boot():
        pass
    # m still holds the lock of its directory: it is not the sweeper's yet
    assert directory.exists()
    m._lock.close()
    with Machine.boot():
        pass
    assert not directory.exists()
    m.shutdown()


def test_a_machine_that_cannot_boot_says_why(tmp_path: Path) -> None:
    broken = tmp_path / "etc/systemd/system/broken.service"
    wanted = tmp_path / "etc/systemd/system/multi-user.target.wants/broken.service"
    wanted.parent.mkdir(parents=True)
    broken.write_text("[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo because; exit 1'\n")
    wanted.symlink_to("../broken.service")
    with pytest.raises(machines.BootFailed, match="(?s)is degraded.*broken.service.*because"):
        Machine.boot(stage=tmp_path)


# -- the cache of roots --


def test_of_two_that_need_the_same_root_one_builds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BERTH_TEST_CACHE", str(tmp_path))

    def build(path: Path) -> None:
        time.sleep(0.2)
        path.mkdir()
        (path / f"by-{os.getpid()}").touch()

    children = []
    for _ in range(2):
        pid = os.fork()
        if pid == 0:
            roots.cached("root", "a root", build, progress=lambda line: None)
            os._exit(0)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0]
    assert len(list((tmp_path / "root").iterdir())) == 1


def test_a_root_that_failed_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BERTH_TEST_CACHE", str(tmp_path))

    def fail(path: Path) -> None:
        path.mkdir()
        raise roots.RootError("no")

    with pytest.raises(roots.RootError):
        roots.cached("root", "a root", fail, progress=lambda line: None)
    assert [path.name for path in tmp_path.iterdir()] == [".root.lock"]


def test_sources_are_those_of_debian_for_the_suite_asked_for() -> None:
    lines = roots.sources("trixie").splitlines()
    assert lines and all(line.endswith(" main") for line in lines)
    assert any(" trixie " in line for line in lines) and not any("bookworm" in line for line in lines)
