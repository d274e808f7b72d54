"""The whole machine itself: what every other test of tier 4 takes for granted."""

from __future__ import annotations

import pytest

from harness import qemu
from harness.qemu import Guest
from harness.system import CommandFailed, System

pytestmark = [pytest.mark.whole, pytest.mark.images("base", "nginx", "postgresql")]


def test_it_is_running_with_its_own_kernel(g: Guest) -> None:
    assert g.run("systemctl", "is-system-running").out == "running\n"
    assert "cloud" in g.run("uname", "-r").out


def test_every_controller_is_there(g: Guest) -> None:
    controllers = g.read("/sys/fs/cgroup/cgroup.controllers").split()
    assert {"cpu", "cpuset", "io", "memory", "pids"} <= set(controllers)


def test_a_limit_limits(g: Guest) -> None:
    g.run("systemd-run", "--wait", "-p", "MemoryMax=16M", "-p", "MemorySwapMax=0", "--unit=eater",
          "python3", "-c", "x = b'1' * (64 << 20)", check=False)
    assert "oom-kill" in g.journal("eater")


def test_kernel_has_what_containers_need(g: Guest) -> None:
    for module in ("overlay", "loop", "veth", "nf_tables", "squashfs", "erofs", "tun"):
        g.run("modprobe", module)
    g.sh("nft add table inet probe && nft delete table inet probe")
    g.sh("ip link add one type veth peer two && ip link del one")


def test_images_are_there_with_their_owners(g: Guest) -> None:
    assert g.run("stat", "-c", "%u", "/var/lib/berth/images/nginx/usr").out == "0\n"
    owner = g.run("stat", "-c", "%u", "/var/lib/berth/images/postgresql/var/lib/postgresql").out
    assert owner not in ("", "0\n")


# What is said to a system is understood by both kinds in the same way.


@pytest.mark.images("base")
def test_run_is_the_same_on_both(box: System) -> None:
    result = box.run("sh", "-c", "cat; echo err >&2; exit 7", input=b"\0in\xff", check=False)
    assert (result.rc, result.stdout, result.err) == (7, b"\0in\xff", "err\n")
    assert box.run("sh", "-c", "kill -9 $$", check=False).rc == 128 + 9
    assert box.run("id", "-un", user="nobody").out == "nobody\n"
    assert box.run("no-such-program", check=False).rc == 127
    with pytest.raises(CommandFailed, match="not done"):
        box.sh("sleep 5004 & sleep 5004", timeout=0.5)
    assert box.run("pgrep", "-f", "sleep 5004", check=False).rc == 1


def test_journal_and_units_are_the_same_on_both(box: System) -> None:
    before = box.now()
    box.write("/run/systemd/system/says.service", "[Service]\nType=oneshot\nExecStart=echo a line\n")
    box.reload()
    box.start("says")
    assert "a line" in box.journal("says", since=before - 1)
    assert box.unit("says", "Result") == "success"


def test_nothing_left_is_the_same_on_both(box: System) -> None:
    before = box.leaks_snapshot()
    box.run("mount", "-t", "tmpfs", "left", "/mnt")
    with pytest.raises(AssertionError, match="/mnt"):
        box.assert_nothing_left(before, timeout=0)
    box.run("umount", "/mnt")
    box.assert_nothing_left(before)


# Last: they end what the others share.


def test_reboot_keeps_the_disk_and_nothing_else(g: Guest) -> None:
    g.write("/etc/kept", "1")
    g.write("/run/lost", "1")
    boot = g.read("/proc/sys/kernel/random/boot_id")
    g.reboot()
    assert g.read("/proc/sys/kernel/random/boot_id") != boot
    assert g.exists("/etc/kept") and not g.exists("/run/lost")
    assert g.run("systemctl", "is-system-running").out == "running\n"


def test_power_off_ends_it(guest: Guest) -> None:
    # without reset: there is nothing left to be reset
    with pytest.raises(qemu.GuestFailed, match="ended"):
        guest.run("systemctl", "poweroff")
        guest.run("sleep", "60")
    guest.wait_off()
