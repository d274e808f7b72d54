"""What single keys of a manifest come to: as the program inside, its user and systemd see it."""

from __future__ import annotations

import json

import pytest

from harness.machine import Machine
from test_launch import (BOUND, VOLUMES, copy_image, inside, job, main_pid, refused, said, service, wait_for_line)

needs_berth = True
pytestmark = [pytest.mark.system, pytest.mark.images("base")]

BERTH = "/var/lib/berth"


def bits(*numbers: int) -> str:
    return f"{sum(1 << n for n in numbers):016x}"


#: capabilities(7): chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service sys_chroot setfcap
DEFAULT = (0, 1, 3, 4, 5, 6, 7, 8, 10, 18, 31)
NET_ADMIN, SYS_ADMIN, SYS_PTRACE = 12, 21, 19

STATUS = "grep -E '^(CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp):' /proc/self/status"


def status(lines: list[str]) -> dict[str, str]:
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


# -- users, modes --


def test_the_umask_is_that_of_the_manifest_for_the_command_and_for_exec(m: Machine) -> None:
    unit = service(m, "sh", "-c", "umask; exec sleep 1000", container="UMask=027")
    m.start(unit)
    wait_for_line(m, unit, "0027")
    assert inside(m, unit, "sh", "-c", "umask").out == "0027\n"
    other = service(m, "sh", "-c", "umask; exec sleep 1000")
    m.start(other)
    wait_for_line(m, other, "0022")
    assert inside(m, other, "sh", "-c", "umask").out == "0022\n"


def test_supplementary_groups_are_added_to_the_users_own(m: Machine) -> None:
    assert job(m, "id -G", "User=www-data\nSupplementaryGroups=audio 4711") == ["33 29 4711"]
    assert job(m, "id -G", "SupplementaryGroups=0 0 tty") == ["0 5"]
    unit = service(m, "sleep", "1000", container="User=33\nSupplementaryGroups=video")
    m.start(unit)
    assert inside(m, unit, "id", "-G").out == "33 44\n"


@pytest.mark.parametrize("group, line", [
    ("nosuch", "group 'nosuch': no such group in the container's /etc/group; give a name that stands there, or a "
               "number"),
    ("70000", "the command would run with the id 70000, but the container has only 65536 of them, from 0 on; "
              "choose another user or group, or a greater range with PrivateUsers="),
])
def test_a_supplementary_group_that_is_not_there_fails_the_start(m: Machine, group: str, line: str) -> None:
    assert refused(m, service(m, "true", container=f"SupplementaryGroups={group}")) == line


# -- capabilities --


def test_capabilities_are_added_and_dropped(m: Machine) -> None:
    found = status(job(m, STATUS, "Capability=CAP_NET_ADMIN CAP_SYS_PTRACE\nDropCapability=CAP_CHOWN CAP_SETFCAP"))
    expected = bits(*(set(DEFAULT) - {0, 31}), NET_ADMIN, SYS_PTRACE)
    assert (found["CapBnd"], found["CapEff"], found["CapPrm"]) == (expected,) * 3
    assert found["CapInh"] == found["CapAmb"] == bits()


def test_all_capabilities_can_be_dropped_but_one(m: Machine) -> None:
    found = status(job(m, STATUS, "DropCapability=all\nCapability=CAP_NET_ADMIN"))
    assert found["CapBnd"] == found["CapEff"] == bits(NET_ADMIN)
    found = status(job(m, STATUS, "DropCapability=all"))
    assert found["CapBnd"] == found["CapEff"] == bits()


@pytest.mark.parametrize("users", ["pick", "no"])
def test_an_ambient_capability_is_the_users_through_exec_and_no_others(m: Machine, users: str) -> None:
    unit = service(m, "sh", "-c", f"{STATUS}; exec sleep 1000",
                   container=f"User=www-data\nAmbientCapability=CAP_NET_BIND_SERVICE\nPrivateUsers={users}")
    m.start(unit)
    m.wait_for(lambda: len(said(m, unit)) >= 7, "its status")
    inherited = status(inside(m, unit, "sh", "-c", STATUS).lines)
    for found in (status(said(m, unit)), inherited):
        assert found["CapAmb"] == found["CapEff"] == found["CapPrm"] == found["CapInh"] == bits(10)
        assert found["CapBnd"] == bits(*DEFAULT)
    other = status(m.run("berth", "exec", "--user=nobody", unit, "--", "sh", "-c", STATUS).lines)
    assert other["CapAmb"] == other["CapEff"] == other["CapInh"] == bits()


def test_a_file_capability_counts_only_without_no_new_privileges(m: Machine) -> None:
    image = copy_image(m, "suid")
    m.run("chmod", "4755", f"{image}/usr/bin/id")
    for setting, expected in [("", "33"), ("NoNewPrivileges=yes", "33"), ("NoNewPrivileges=no", "0")]:
        assert job(m, "id -u", f"User=www-data\n{setting}", image="suid") == [expected], setting


@pytest.mark.parametrize("users", ["pick", "no"])
def test_without_no_new_privileges_the_filter_holds_all_the_same(m: Machine, users: str) -> None:
    for settings in ("", "User=www-data\n"):
        lines = job(m, f"{STATUS}; unshare --user true 2>&1 || :", f"{settings}NoNewPrivileges=no\nPrivateUsers={users}")
        found = status(lines[:7])
        assert (found["NoNewPrivs"], found["Seccomp"]) == ("0", "2")
        assert lines[7:] == ["unshare: unshare failed: Operation not permitted"]


def test_exec_has_no_new_privileges_as_the_leader_has(m: Machine) -> None:
    for value, expected in [("yes", "1"), ("no", "0")]:
        unit = service(m, "sleep", "1000", container=f"NoNewPrivileges={value}\nUser=www-data")
        m.start(unit)
        found = status(inside(m, unit, "sh", "-c", STATUS).lines)
        assert (found["NoNewPrivs"], found["Seccomp"]) == (expected, "2")


def test_setfcap_is_not_had_beside_a_writable_bind(m: Machine) -> None:
    m.run("mkdir", "-p", f"{BOUND}/w")
    bind = f"[Mount b]\nType=bind\nSource={BOUND}/w\nTarget=/srv/w\n"
    line = refused(m, service(m, "true", container="Capability=CAP_SETFCAP", rest=bind))
    assert line.startswith("Capability=CAP_SETFCAP cannot be had beside a bind that can be written")
    assert job(m, "echo on", "Capability=CAP_SETFCAP", rest=bind + "ReadOnly=yes") == ["on"]


# -- files of /etc, devices, sysctls --


def test_the_time_zone_is_the_hosts_of_that_name(m: Machine) -> None:
    if not m.path("/usr/share/zoneinfo/Asia/Tokyo").exists():
        m.run("mkdir", "-p", "/usr/share/zoneinfo/Asia")
        # tzfile(5), version 1: one type, 9 h east of UTC, no transitions
        m.run("python3", "-c", "import struct; open('/usr/share/zoneinfo/Asia/Tokyo', 'wb').write(b'TZif' + bytes(16) "
                               "+ struct.pack('>6l', 0, 0, 0, 0, 1, 4) + struct.pack('>lbb', 32400, 0, 0) + b'JST\\0')")
    for read_only in ("no", "yes"):
        assert job(m, "date +%z; readlink /etc/localtime || :; cmp /etc/localtime /etc/localtime",
                   f"Timezone=Asia/Tokyo\nReadOnly={read_only}") == ["+0900"]


def test_a_time_zone_that_the_host_does_not_have_fails_the_start(m: Machine) -> None:
    m.run("mkdir", "-p", "/usr/share/zoneinfo/Europe")
    m.run("sh", "-c", "echo no zone >/usr/share/zoneinfo/Europe/Text")
    for zone, reason in [("Europe/Atlantis", "'/usr/share/zoneinfo/Europe/Atlantis' of the host cannot be read: No such "
                                             "file or directory; see timedatectl list-timezones, or install tzdata"),
                         ("Europe", "'/usr/share/zoneinfo/Europe' of the host cannot be read: Is a directory"),
                         ("Europe/Text", "'/usr/share/zoneinfo/Europe/Text' is no zone of tzfile(5)")]:
        assert refused(m, service(m, "true", container=f"Timezone={zone}")) == f"time zone '{zone}': {reason}"


def test_hosts_are_added_in_order(m: Machine) -> None:
    lines = job(m, "cat /etc/hosts; getent hosts db", "AddHost=db:192.0.2.7 six:[2001:db8::7]\nAddHost=db.x:192.0.2.8",
                name="hosts")
    assert lines[-4:] == ["192.0.2.7 db", "2001:db8::7 six", "192.0.2.8 db.x", "192.0.2.7       db"]
    assert lines[0] == "127.0.0.1 localhost"


@pytest.mark.parametrize("mode, value, expected", [
    ("host", "auto", "nameserver 192.0.2.53"), ("host", "off", "of the image"), ("host", "copy-host", "nameserver 192.0.2.53"),
    ("none", "auto", "of the image"), ("none", "copy-host", "nameserver 192.0.2.53"),
])
def test_resolv_conf_is_the_images_or_a_copy_of_the_hosts(m: Machine, mode: str, value: str, expected: str) -> None:
    image = copy_image(m, "resolver")
    m.run("sh", "-c", f"rm -f {image}/etc/resolv.conf; echo of the image >{image}/etc/resolv.conf; "
                      "rm -f /etc/resolv.conf; echo nameserver 192.0.2.53 >/etc/resolv.conf")
    assert job(m, "cat /etc/resolv.conf", f"ResolvConf={value}", image="resolver",
               rest=f"[Network]\nMode={mode}") == [expected]


def test_a_device_of_the_host_is_there_and_no_other(m: Machine) -> None:
    m.run("sh", "-c", "mkdir -p /dev/sub/dir; [ -e /dev/sub/dir/zero ] || mknod -m 600 /dev/sub/dir/zero c 1 5; "
                      "[ -e /dev/readonly ] || mknod -m 600 /dev/readonly c 1 5")
    unit = service(m, "sh", "-c", "stat -c '%n %t:%T %a %u' /dev/sub/dir/zero /dev/readonly; "
                                  "head -c 3 /dev/sub/dir/zero | wc -c; find /dev -type b; exec sleep 1000",
                   container="User=www-data\nDevice=/dev/sub/dir/zero rw\nDevice=/dev/readonly r")
    m.start(unit)
    wait_for_line(m, unit, "3")
    assert said(m, unit) == ["/dev/sub/dir/zero 1:5 666 0", "/dev/readonly 1:5 444 0", "3"]
    assert m.unit(unit, "DeviceAllow") == "/dev/sub/dir/zero rw /dev/readonly r" or \
        sorted(m.run("systemctl", "show", "-P", "DeviceAllow", unit).lines) == ["/dev/readonly r", "/dev/sub/dir/zero rw"]


@pytest.mark.parametrize("device, line", [
    ("/dev/nosuch", "device '/dev/nosuch': the host has none: No such file or directory"),
    ("/dev/shm", "device '/dev/shm' is no device node"),
    ("/dev/null", "device '/dev/null' is in every container already, or stands twice; remove it"),
])
def test_a_device_that_is_none_fails_the_start(m: Machine, device: str, line: str) -> None:
    before = m.leaks_snapshot()
    assert refused(m, service(m, "true", container=f"Device={device}")) == line
    m.assert_nothing_left(before)


@pytest.mark.parametrize("users", ["pick", "identity", "no"])
def test_sysctls_of_its_own_namespaces_are_set_and_the_hosts_stay(m: Machine, users: str) -> None:
    files = ["net/ipv4/ip_local_port_range", "kernel/shmmni", "fs/mqueue/msg_max", "net/ipv4/ip_unprivileged_port_start"]
    before = [m.read(f"/proc/sys/{file}") for file in files]
    assert job(m, f"exec 2>&1; cd /proc/sys; cat {' '.join(files)}; echo 1 >kernel/shmmni || echo closed",
               f"PrivateUsers={users}\nSysctl=net.ipv4.ip_local_port_range=2048 3000\nSysctl=kernel.shmmni=77\n"
               "Sysctl=fs.mqueue.msg_max=9\nSysctl=net.ipv4.ip_unprivileged_port_start=512")[:4] == \
        ["2048\t3000", "77", "9", "512"]
    assert [m.read(f"/proc/sys/{file}") for file in files] == before


@pytest.mark.parametrize("setting, line", [
    ("net.ipv4.nosuch=1", "sysctl 'net.ipv4.nosuch': this kernel has none of that name in a network or IPC namespace"),
    ("kernel.shmmni=lots", "sysctl 'kernel.shmmni': the kernel does not take 'lots': Invalid argument"),
])
def test_a_sysctl_that_the_kernel_does_not_take_fails_the_start(m: Machine, setting: str, line: str) -> None:
    before = m.leaks_snapshot()
    assert refused(m, service(m, "true", container=f"Sysctl={setting}")) == line
    m.assert_nothing_left(before)


# -- mounts --


def test_shared_memory_has_the_size_that_is_said(m: Machine) -> None:
    assert job(m, "stat -f -c '%b %S' /dev/shm", "ShmSize=1M") == ["256 4096"]
    assert job(m, "stat -f -c '%b %S' /dev/shm") == [f"{(64 << 20) // 4096} 4096"]


def mountinfo(m: Machine, target: str, settings: str = "", rest: str = "") -> list[tuple[str, str, set[str]]]:
    """(mount point, file system, options) of each mount at target or below, as the container sees it."""
    lines = job(m, "cat /proc/self/mountinfo", settings, rest=rest)
    fields = [line.split() for line in lines]
    return [(f[4], f[f.index("-") + 1], set(f[5].split(",")) | set(f[-1].split(","))) for f in fields
            if f[4] == target or f[4].startswith(target + "/")]


def test_memory_is_mounted_where_tmpfs_says(m: Machine) -> None:
    found = mountinfo(m, "/srv", "Tmpfs=/srv/a:size=1M,mode=0700 /srv/b\nTmpfs=\"/srv/c d:ro\"")
    assert [(target, kind) for target, kind, _ in found] == [("/srv/a", "tmpfs"), ("/srv/b", "tmpfs"),
                                                            (r"/srv/c\040d", "tmpfs")]
    assert {"rw", "nosuid", "nodev", "size=1024k", "mode=700"} <= found[0][2] and "ro" in found[2][2]
    assert all({"nosuid", "nodev"} <= options for _, _, options in found)


def test_read_only_paths_are_read_only_with_all_below_them(m: Machine) -> None:
    settings = "ReadOnlyPaths=/etc /srv \"-/no such\"\nTmpfs=/srv/t\nVolume=v:/srv/v"
    assert job(m, "for d in /etc /srv /srv/t /srv/v; do touch $d/x 2>/dev/null && echo $d; done; "
                  "touch /x && echo root; mkdir /srv/t/y 2>&1 || :", settings) == \
        ["root", "mkdir: cannot create directory '/srv/t/y': Read-only file system"]
    # the volume itself is not, and another container can write to it
    assert job(m, "touch /srv/v/x && echo on", "Volume=v:/srv/v") == ["on"]


def test_inaccessible_paths_hide_directories_and_files(m: Machine) -> None:
    m.run("mkdir", "-p", f"{BOUND}/secret/deep")
    m.run("sh", "-c", f"echo secret >{BOUND}/secret/deep/file")
    rest = f"[Mount b]\nType=bind\nSource={BOUND}/secret\nTarget=/srv/b"
    lines = job(m, "exec 2>&1; set +e; cat /srv/b/deep/file; ls -A /etc/apt; stat -c %s /etc/passwd /usr/bin/id; /usr/bin/id 2>&1; "
                   "umount /etc/apt 2>&1; echo x >/etc/passwd; ls -A /proc/sys/kernel 2>&1 | wc -l",
                "InaccessiblePaths=/srv/b /etc/apt /etc/group -/nosuch\nInaccessiblePaths=/usr/bin/id /etc/passwd "
                "/proc/sys/kernel\nReadOnlyPaths=/srv", rest=rest + "\n[Service]\nSuccessExitStatus=0 1 2 126")
    assert lines[0] == "cat: /srv/b/deep/file: No such file or directory"
    assert lines[1:3] == ["0", "0"] and "Permission denied" in lines[3]
    assert lines[-1] == "0"
    assert m.read(f"{BOUND}/secret/deep/file") == "secret\n"


def test_a_path_to_cover_that_is_not_there_fails_the_start(m: Machine) -> None:
    for key in ("ReadOnlyPaths", "InaccessiblePaths"):
        assert refused(m, service(m, "true", container=f"{key}=/no/such")) == \
            "path '/no/such' is not there in the container; write '-/no/such' if it may be missing"


def test_a_covered_path_is_the_containers_own_whatever_links_say(m: Machine) -> None:
    image = copy_image(m, "links")
    m.run("ln", "-sfn", "../../../../etc", f"{image}/way-out")
    before = m.read("/etc/passwd")
    assert job(m, "ls -A /way-out; ls -A /etc", "InaccessiblePaths=/way-out", image="links") == []
    assert m.read("/etc/passwd") == before


@pytest.mark.parametrize("kind, source, directory", [
    ("assets", "model", f"{BERTH}/assets/model"), ("backup", "daily", f"{BERTH}/backup/kind/daily"),
])
def test_assets_and_backups_are_made_where_they_belong_and_for_root_alone(m: Machine, kind: str, source: str,
                                                                          directory: str) -> None:
    rest = f"[Mount m]\nType={kind}\nSource={source}\nTarget=/srv/m\nIDMap=auto"
    lines = job(m, "touch /srv/m/x 2>&1 && ls /srv/m || :", rest=rest, name="kind")
    assert lines == (["touch: cannot touch '/srv/m/x': Read-only file system"] if kind == "assets" else ["x"])
    assert m.run("stat", "-c", "%F %u", directory).out == "directory 0\n"
    assert m.run("stat", "-c", "%a %u", f"{BERTH}/{kind}").out == "700 0\n"
    assert mountinfo(m, "/srv/m", rest=rest)[0][2] >= {"nosuid", "nodev", "ro" if kind == "assets" else "rw"}


def test_assets_are_shared_by_all_containers(m: Machine) -> None:
    m.run("mkdir", "-p", "-m", "0700", f"{BERTH}/assets")
    m.run("mkdir", "-p", f"{BERTH}/assets/shared")
    m.run("sh", "-c", f"echo 42 >{BERTH}/assets/shared/answer")
    for name in ("one", "two"):
        assert job(m, "cat /srv/m/answer", name=name, rest="[Mount m]\nType=assets\nSource=shared\nTarget=/srv/m") == ["42"]


def test_a_pointer_is_another_containers_volume_which_runs_first(m: Machine) -> None:
    m.manifest("owner", "[Container]\nImage=base\nExec=sh -c 'echo theirs >/data/file; exec sleep 1000'\nVolume=data:/data\n")
    unit = service(m, "sh", "-c", "until [ -s /srv/p/file ]; do sleep 0.05; done; cat /srv/p/file; exec sleep 1000",
                   rest="[Mount p]\nType=pointer\nSource=owner:data\nTarget=/srv/p\nReadOnly=yes")
    m.start(unit)
    assert m.unit("owner", "ActiveState") == "active"
    assert {"owner.service"} <= set(m.unit(unit, "Requires").split()) & set(m.unit(unit, "After").split())
    wait_for_line(m, unit, "theirs")


def test_a_pointer_to_a_volume_that_is_not_there_fails_the_start_and_makes_none(m: Machine) -> None:
    m.manifest("owner", "[Container]\nImage=base\nExec=sleep 1000\n")
    line = refused(m, service(m, "true", rest="[Mount p]\nType=pointer\nSource=owner:none\nTarget=/srv/p"))
    assert line == "pointer 'owner:none': the other container has no such volume; start that once, or name another"
    assert m.run("ls", f"{VOLUMES}/owner").out == ""


def test_a_subpath_is_mounted_in_the_place_of_the_source(m: Machine) -> None:
    volume = "[Mount v]\nType=volume\nSource=v\nSubpath=a/b\nTarget=/srv/v"
    assert job(m, "touch /srv/v/mark; ls /srv/v", name="sub", rest=volume) == ["mark"]
    assert m.run("ls", f"{VOLUMES}/sub/v/a/b").out == "mark\n"
    m.run("mkdir", "-p", f"{BOUND}/tree/in")
    m.run("sh", "-c", f"echo here >{BOUND}/tree/in/file")
    bind = f"[Mount b]\nType=bind\nSource={BOUND}/tree\nTarget=/srv/b\nSubpath="
    assert job(m, "cat /srv/b/file", rest=bind + "in") == ["here"]
    assert job(m, "cat /srv/b", rest=bind + "in/file\nFileType=file\nReadOnly=yes") == ["here"]
    assert refused(m, service(m, "true", rest=bind + "out")) == \
        f"bind source '{BOUND}/tree': Subpath=out cannot be opened: No such file or directory"
    assert job(m, "ls -A /srv/b", rest=bind + "out\nCreate=yes") == []


def test_a_subpath_leads_nowhere_out_of_its_source(m: Machine) -> None:
    m.run("mkdir", "-p", f"{BOUND}/trap")
    for name, target in [("absolute", "/etc"), ("up", "../../../../etc"), ("magic", "/proc/1/root/etc")]:
        m.run("ln", "-sfn", target, f"{BOUND}/trap/{name}")
        assert refused(m, service(m, "true", rest=f"[Mount b]\nType=bind\nSource={BOUND}/trap\nTarget=/srv/b\n"
                                                  f"Subpath={name}")) == \
            f"bind source '{BOUND}/trap': Subpath={name} cannot be opened: No such file or directory"


@pytest.mark.parametrize("users", ["pick", "no"])
@pytest.mark.parametrize("read_only", ["no", "yes"])
def test_a_recursive_bind_takes_submounts_along_and_each_has_its_flags(m: Machine, read_only: str, users: str) -> None:
    m.sh(f"""
        mkdir -p {BOUND}/rec/one
        mountpoint -q {BOUND}/rec/one || mount -t tmpfs -o dev,suid,exec one {BOUND}/rec/one
        mkdir -p {BOUND}/rec/one/two
        mountpoint -q {BOUND}/rec/one/two || mount -t tmpfs -o dev,suid two {BOUND}/rec/one/two
        echo deep >{BOUND}/rec/one/two/file
    """)
    rest = f"[Mount b]\nType=bind\nSource={BOUND}/rec\nTarget=/srv/b\nReadOnly={read_only}\n"
    flag = "ro" if read_only == "yes" else "rw"
    assert [target for target, _, _ in mountinfo(m, "/srv/b", f"PrivateUsers={users}", rest)] == ["/srv/b"]
    lines = None
    try:
        found = mountinfo(m, "/srv/b", f"PrivateUsers={users}", rest + "Recursive=yes")
    except AssertionError:
        # tmpfs cannot be idmapped before Linux 6.3: then the start says so
        lines = refused(m, service(m, "true", container=f"PrivateUsers={users}", rest=rest + "Recursive=yes"))
        assert "its file system, tmpfs, cannot map ids on this kernel" in lines and users == "pick"
        return
    assert [target for target, _, _ in found] == ["/srv/b", "/srv/b/one", "/srv/b/one/two"]
    assert all({flag, "nosuid", "nodev"} <= options for _, _, options in found)
    assert job(m, "cat /srv/b/one/two/file; touch /srv/b/one/two/x 2>/dev/null && echo written || :",
               f"PrivateUsers={users}", rest=rest + "Recursive=yes") == \
        ["deep"] + (["written"] if read_only == "no" else [])


# -- labels, signals, reload --


def test_labels_are_listed_and_shown(m: Machine) -> None:
    unit = service(m, "sleep", "1000", container="Label=app=shop\nLabel=note=two words = one\\n%%\nLabel=app=store")
    m.start(unit)
    entry = next(c for c in json.loads(m.run("berth", "list", "--json").out) if c["name"] == unit)
    assert entry["labels"] == {"app": "store", "note": "two words = one\\n%"}
    assert json.loads(m.run("berth", "status", "--json", unit).out)["labels"] == entry["labels"]
    assert [line.strip() for line in m.run("berth", "status", unit).lines if "Label:" in line] == \
        ["Label: app=store", "Label: note=two words = one\\n%"]


@pytest.mark.parametrize("init", ["yes", "no"])
def test_the_stop_signal_is_the_manifests_and_ending_by_it_is_a_success(m: Machine, init: str) -> None:
    script = "import signal, sys, time\nsignal.signal(signal.SIGQUIT, lambda *a: (print('quit', flush=True), sys.exit(0)))\n" \
             "print('up', flush=True)\nwhile True: time.sleep(100)"
    unit = service(m, "python3", "-c", script, container=f"KillSignal=QUIT\nInit={init}\nStopTimeout=70s")
    m.start(unit)
    wait_for_line(m, unit, "up")
    assert (m.unit(unit, "KillSignal"), m.unit(unit, "TimeoutStopUSec")) == ("3", "1min 10s")
    m.stop(unit)
    assert said(m, unit)[-1] == "quit" and m.unit(unit, "Result") == "success"
    unit = service(m, "sleep", "1000", container="KillSignal=QUIT")
    m.start(unit)
    m.stop(unit)
    assert (m.unit(unit, "ActiveState"), m.unit(unit, "Result")) == ("inactive", "success")  # 131, or killed by it


def test_the_stop_signal_of_the_manifest_wins_over_the_images(m: Machine) -> None:
    copy_image(m, "signalled")
    m.run("sh", "-c", f"echo '{{\"config\": {{\"StopSignal\": \"SIGUSR1\"}}}}' >{BERTH}/images/signalled.json")
    script = "trap 'echo usr1; exit 0' USR1; trap 'echo int; exit 0' INT; echo up; while :; do sleep 0.02; done"
    for setting, expected in [("", "usr1"), ("KillSignal=INT", "int")]:
        unit = service(m, "bash", "-c", script, container=setting, image="signalled")
        m.start(unit)
        wait_for_line(m, unit, "up")
        m.stop(unit)
        assert said(m, unit)[-1] == expected


@pytest.mark.parametrize("init", ["yes", "no"])
def test_a_reload_sends_the_signal_that_is_said(m: Machine, init: str) -> None:
    script = "import signal, time\nsignal.signal(signal.SIGUSR2, lambda *a: print('reloaded', flush=True))\n" \
             "signal.signal(signal.SIGTERM, lambda *a: exit(0))\nprint('up', flush=True)\nwhile True: time.sleep(100)"
    unit = service(m, "python3", "-c", script, container=f"ReloadSignal=USR2\nInit={init}")
    m.start(unit)
    wait_for_line(m, unit, "up")
    pid = main_pid(m, unit)
    m.run("systemctl", "reload", unit)
    wait_for_line(m, unit, "reloaded")
    assert main_pid(m, unit) == pid and m.unit(unit, "ActiveState") == "active"


def test_a_reload_runs_the_command_that_is_said_inside(m: Machine) -> None:
    unit = service(m, "sleep", "1000", container="User=www-data\nReloadExec=sh -c 'id -u; echo \"$0 %%\"; exit $(cat /tmp/code)' 'a  b'")
    m.start(unit)
    inside(m, unit, "sh", "-c", "echo 0 >/tmp/code")
    m.run("systemctl", "reload", unit)
    assert said(m, unit)[-2:] == ["33", "a  b %"]
    inside(m, unit, "sh", "-c", "echo 7 >/tmp/code")
    assert m.run("systemctl", "reload", unit, check=False).rc != 0
    assert m.unit(unit, "ActiveState") == "active"


def test_a_reload_signal_reaches_nobody_once_the_container_has_ended(m: Machine) -> None:
    result = m.run("berth", "reload", "--name=nosuch", "--signal=SIGKILL", check=False)
    assert result.rc == 4


# -- resource limits --


def test_limits_of_each_process_are_those_of_systemd(m: Machine) -> None:
    settings = "LimitCORE=0\nLimitFSIZE=1M\nLimitNPROC=100:200\nLimitSTACK=4M"
    lines = job(m, "ulimit -c; ulimit -f; ulimit -s; ulimit -Sn; ulimit -Hn", settings, rest="[Limits]\nOpenFiles=77")
    assert lines == ["0", "2048", "4096", "77", "77"]


@pytest.mark.parametrize("init", ["yes", "no"])
def test_limits_of_exec_are_those_of_the_command_the_soft_ones_too(m: Machine, init: str) -> None:
    script = "ulimit -Sn; ulimit -Hn; ulimit -Ss; ulimit -Hs"
    unit = service(m, "sh", "-c", f"{script}; echo said; exec sleep 1000",
                   container=f"Init={init}\nLimitNOFILE=100:200\nLimitSTACK=1M:2M")
    m.start(unit)
    wait_for_line(m, unit, "said")
    assert inside(m, unit, "sh", "-c", script).out.split() == ["100", "200", "1024", "2048"]
    assert job(m, script, "LimitNOFILE=100:200\nLimitSTACK=1M:2M") == ["100", "200", "1024", "2048"]


# -- what is shared with the host --


def test_the_hosts_run_is_there_and_belongs_to_nobody(m: Machine) -> None:
    m.sh("echo open > /run/canary; echo closed > /run/canary.secret; chmod 600 /run/canary.secret")
    try:
        assert job(m, "cat /run/canary; cat /run/canary.secret 2>/dev/null || echo none; touch /run/x 2>/dev/null || echo no; "
                   "ls /run/berth/containers/* 2>/dev/null || echo hidden; stat -c %u /run", "SharedRun=yes") == [
            "open", "none", "no", "hidden", "65534"]
        for users in ("no", "identity"):
            assert refused(m, service(m, "true", container=f"SharedRun=yes\nPrivateUsers={users}")).endswith(
                "SharedRun= needs user ids of its own: with PrivateUsers=no or identity the container's root is the host's, and "
                "could write to all of /run; use PrivateUsers=pick")
        check = m.run("berth", "check", service(m, "true", container="SharedRun=yes"))
        assert "warning: SharedRun=yes equals access to the host" in check.out
    finally:
        m.run("rm", "/run/canary", "/run/canary.secret")


@pytest.mark.parametrize("setting, warning", [
    ("Capability=CAP_SYS_PTRACE\nPrivateUsers=no", "Capability=CAP_SYS_PTRACE with PrivateUsers=no equals access to the host"),
    ("Capability=CAP_SYS_ADMIN", "Capability=CAP_SYS_ADMIN lets the container undo read-only mounts"),
    ("Capability=CAP_SYS_PTRACE", None),
])
def test_check_says_which_rights_undo_the_walls(m: Machine, setting: str, warning: str | None) -> None:
    check = m.run("berth", "check", service(m, "true", container=setting))
    assert ("warning:" in check.out) == (warning is not None)
    assert warning is None or f"warning: {warning}" in check.out


@pytest.mark.parametrize("users", ["pick", "no"])
def test_ipc_can_be_the_hosts(m: Machine, users: str) -> None:
    m.sh("echo here > /dev/shm/canary")
    try:
        unit = service(m, "sleep", "1000", container=f"IpcNamespace=host\nPrivateUsers={users}")
        m.start(unit)
        host = m.run("readlink", "/proc/1/ns/ipc").out
        assert m.run("readlink", f"/proc/{main_pid(m, unit)}/ns/ipc").out == host
        assert inside(m, unit, "sh", "-c", "readlink /proc/self/ns/ipc; cat /dev/shm/canary").lines == [host.strip(), "here"]
        other = service(m, "sleep", "1000")
        m.start(other)
        assert m.run("readlink", f"/proc/{main_pid(m, other)}/ns/ipc").out != host
        assert inside(m, other, "ls", "/dev/shm").out == ""
    finally:
        m.run("rm", "/dev/shm/canary")


def test_an_apparmor_profile_that_nobody_would_enforce_fails_the_start(m: Machine) -> None:
    if m.run("grep", "-sq", "Y", "/sys/module/apparmor/parameters/enabled", check=False).rc == 0:
        pytest.skip("this kernel has AppArmor")
    assert refused(m, service(m, "true", container="AppArmorProfile=web")) == (
        "AppArmorProfile=web cannot be had: the kernel runs without AppArmor; boot with security=apparmor, or remove it")


# -- what is not done yet --


@pytest.mark.parametrize("section, key, value", [
    ("Network", "Publish", "80:80"), ("Network", "AllowDomain", "example.com"),
    ("Hooks", "NetworkUp", "/bin/true"),
])
def test_what_this_version_does_not_do_is_refused_and_nothing_is_made(m: Machine, section: str, key: str,
                                                                      value: str) -> None:
    before = m.leaks_snapshot()
    unit = service(m, "true", rest=f"[{section}]\n{key}={value}\n[Mount v]\nType=volume\nSource=v\nTarget=/srv/v")
    check = m.run("berth", "check", unit, check=False)
    if f"{key}= in [{section}] is not supported yet: this version" not in check.out:
        pytest.skip(f"this version does {key}=")
    assert refused(m, unit).startswith(f"{key}= in [{section}] is not supported by this version of Berth (")
    assert check.rc == 0
    assert not m.path(f"{VOLUMES}/{unit}").exists()
    m.assert_nothing_left(before)
