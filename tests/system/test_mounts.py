"""Volumes and mounts under a real systemd, and the verbs that reach files of containers."""

from __future__ import annotations

import json

import pytest

from harness.machine import Machine

pytestmark = [pytest.mark.system]
needs_berth = True
BERTH = "/var/lib/berth"


def start(m: Machine, name: str, text: str) -> None:
    m.manifest(name, text)
    m.reload()
    m.start(name)


def inside(m: Machine, name: str, script: str) -> str:
    return m.run("berth", "exec", name, "--", "sh", "-c", script).out


def test_a_thousand_mounts_in_one_manifest(m: Machine) -> None:
    volumes = "".join(f"Volume=v{i}:/srv/{i:04}\n" for i in range(100)) + "".join(
        f"[Mount m{i}]\nType=volume\nSource=v{i}\nTarget=/srv/{i:04}\nReadOnly=no\n" for i in range(100, 1000))
    start(m, "many", f"[Container]\nImage=base\nExec=sleep 1000\n{volumes}")
    assert inside(m, "many", "ls /srv | wc -l; grep -c ' /srv/' /proc/self/mountinfo; echo x >/srv/0998/x").split() == ["1000", "1000"]
    assert m.run("cat", f"{BERTH}/volumes/many/v998/x").out == "x\n"
    m.run("systemctl", "stop", "many")
    assert m.unit("many", "Result") == "success"


def test_several_ranges_of_ids(m: Machine) -> None:
    m.sh(f"mkdir -p {BERTH}/volumes/ids/v; chmod 700 {BERTH}/volumes {BERTH}/volumes/ids; cd {BERTH}/volumes/ids/v;"
         "for i in 100 101 200 300; do echo $i >$i; chown $i:$i $i; done; chmod 777 .; chown 100:200 .")
    start(m, "ids", "[Container]\nImage=base\nExec=sleep 1000\n[Mount v]\nType=volume\nSource=v\nTarget=/srv\n"
                    "IDMap=u:100:7:2 g:100:0:2\nIDMap=b:200:33:1\n")
    assert inside(m, "ids", "cd /srv; stat -c '%n %u %g' 100 101 200 300").splitlines() == [
        "100 7 0", "101 8 1", "200 33 33", "300 65534 65534"]
    assert inside(m, "ids", "cd /srv; touch 300 2>/dev/null || echo refused; setpriv --reuid=7 --regid=33 --clear-groups touch new").strip() == "refused"
    assert m.run("stat", "-c", "%u %g", f"{BERTH}/volumes/ids/v/new").out == "100 200\n"


def test_a_volume_reads_the_same_whatever_private_users_says(m: Machine) -> None:
    m.run("berth", "volume", "create", "users:data", "--owner=33:34")
    for i, users in enumerate(("pick", "identity", "no", "700000000:65536", "pick")):
        start(m, "users", f"[Container]\nImage=base\nUser=33\nPrivateUsers={users}\nExec=sleep 1000\nVolume=data:/srv\n")
        assert inside(m, "users", f"id -u; echo {i} >>/srv/f; stat -c '%u %g' /srv /srv/f; cat /srv/f").split() == [
            "33", "33", "34", "33", "33", *map(str, range(i + 1))]
        m.run("systemctl", "stop", "users")
    assert m.run("stat", "-c", "%u", f"{BERTH}/volumes/users/data/f").out == "33\n"


def test_the_verbs_as_a_user_calls_them(m: Machine) -> None:
    start(m, "web", "[Container]\nImage=base\nUser=33\nExec=sleep 1000\nVolume=data:/srv\n")
    m.run("berth", "file", "write", "web", "/srv/f", input="one\ntwo\n")
    assert inside(m, "web", "cat /srv/f; stat -c %u /srv/f") == "one\ntwo\n33\n"
    m.run("berth", "file", "replace", "web", "/srv/f", "--old=two", "--new=2")
    assert json.loads(m.run("berth", "file", "read", "web", "/srv/f", "--json").out)["content"] == "one\n2\n"
    m.run("berth", "cp", "web:/srv/f", "/root/copied")
    assert m.read("/root/copied") == "one\n2\n"
    backup = m.run("berth", "volume", "backup", "web:data", "--freeze").out.strip()
    assert backup.startswith(f"{BERTH}/backup/web/data-")
    number = m.run("berth", "mount", "web", "more", "/mnt").out.strip()
    inside(m, "web", "grep -q ' /mnt ' /proc/self/mountinfo")
    assert "/volumes/web/more" in m.run("berth", "inspect", "web").out
    m.run("berth", "umount", "web", number)
    assert "stop it first" in m.run("berth", "volume", "restore", "web:data", backup, check=False).err
    m.run("systemctl", "stop", "web")
    assert m.run("berth", "file", "read", "web", "/srv/f", check=False).rc == 4
    m.run("rm", f"{BERTH}/volumes/web/data/f")
    m.run("berth", "volume", "restore", "web:data", backup)
    assert m.read(f"{BERTH}/volumes/web/data/f") == "one\n2\n"
    assert [line.split() for line in m.run("berth", "volume", "list").lines[1:]] == [
        ["web:data", "0:0", "-"], ["web:more", "0:0", "-"]]
