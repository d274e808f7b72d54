"""ReadOnly=yes: a root that nobody can write to, and that needs no place on disk to be so."""

from __future__ import annotations

import pytest

from harness.machine import Machine

needs_berth = True
pytestmark = [pytest.mark.system, pytest.mark.images("base")]

# In the container's namespaces, as their root with every capability that there is in them.
INTRUDER = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
for fd in [os.open(f"/proc/{sys.argv[1]}/ns/{name}", os.O_RDONLY) for name in ("user", "mnt")]:
    assert libc.setns(fd, 0) == 0
MS_REMOUNT, MS_BIND = 32, 4096
for flags in (MS_REMOUNT | MS_BIND, MS_REMOUNT):
    print("done" if libc.mount(None, b"/", None, ctypes.c_ulong(flags), None) == 0 else os.strerror(ctypes.get_errno()))
    try:
        open("/new", "w")
    except OSError as error:
        print(error.strerror)
"""


def layers(m: Machine) -> str:
    return m.sh("ls -A /var/lib/berth/layers 2>/dev/null || :").out


def manifest(m: Machine, more: str = "", image: str = "base") -> None:
    m.manifest("fixed", f"[Container]\nImage={image}\nExec=sleep infinity\nReadOnly=yes\n{more}\n[Network]\nMode=none\n")
    m.reload()


@pytest.mark.parametrize("setting", ["", "PrivateUsers=no", "PrivateUsers=identity", "Init=no"])
def test_a_read_only_root_has_no_layer(m: Machine, setting: str) -> None:
    manifest(m, setting)
    before = m.leaks_snapshot()
    m.start("fixed")
    assert layers(m) == ""
    for path in ("/new", "/etc/new", "/usr/new"):
        result = m.run("berth", "exec", "fixed", "--", "touch", path, check=False)
        assert (result.rc, result.err) == (1, f"touch: cannot touch '{path}': Read-only file system\n")
    # the image has neither of these: their places are not in it, and yet they are there
    assert m.run("berth", "exec", "fixed", "--", "cat", "/etc/hostname").out == "fixed\n"
    assert "127.0.1.1 fixed\n" in m.run("berth", "exec", "fixed", "--", "cat", "/etc/hosts").out
    # one file system to whoever does not want to leave it
    devices = m.run("berth", "exec", "fixed", "--", "stat", "-c", "%d", "/", "/etc", "/etc/passwd", "/usr/bin/env").lines
    assert len(set(devices)) == 1, devices
    m.run("berth", "exec", "fixed", "--", "sh", "-c", "touch /run/works /tmp/works")
    m.run("systemctl", "kill", "--signal=KILL", "fixed")
    m.wait_state("fixed", "failed")
    m.assert_nothing_left(before)


def test_not_even_with_every_capability_is_the_image_written_to(m: Machine) -> None:
    manifest(m)
    m.start("fixed")
    m.write("/run/intruder.py", INTRUDER)
    assert m.run("python3", "/run/intruder.py", m.unit("fixed", "MainPID")).lines == [
        "done", "Read-only file system", "Read-only file system", "Read-only file system"]
    assert not m.exists("/var/lib/berth/images/base/new")


def test_a_place_that_the_image_does_not_have_is_made_in_a_layer(m: Machine) -> None:
    manifest(m, "Volume=data:/new/place")
    before = m.leaks_snapshot()
    m.start("fixed")
    assert layers(m) == "fixed.ephemeral\n"
    m.run("berth", "exec", "fixed", "--", "touch", "/new/place/file")
    assert m.run("berth", "exec", "fixed", "--", "touch", "/new/file", check=False).rc == 1
    m.stop("fixed")
    assert m.exists("/var/lib/berth/volumes/fixed/data/file")
    m.assert_nothing_left(before)


def test_a_place_that_the_image_has_needs_none(m: Machine) -> None:
    manifest(m, "Volume=data:/mnt\nTmpfs=/srv")
    m.start("fixed")
    assert layers(m) == ""
    m.run("berth", "exec", "fixed", "--", "touch", "/mnt/file", "/srv/file")


def test_a_link_in_the_way_of_a_file_of_etc_is_replaced_in_a_layer(m: Machine) -> None:
    root = m.copy_image("base", "linked")
    m.run("ln", "-s", "../usr/hosts", f"{root}/etc/hosts")
    manifest(m, "PrivateUsers=no", "linked")
    m.start("fixed")
    assert layers(m) == "fixed.ephemeral\n"
    assert "127.0.1.1 fixed\n" in m.run("berth", "exec", "fixed", "--", "cat", "/etc/hosts").out
    assert m.run("readlink", f"{root}/etc/hosts").out == "../usr/hosts\n"
