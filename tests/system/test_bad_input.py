"""Manifests and images that are wrong: what is said, where, and that nobody else suffers."""

from __future__ import annotations

from typing import Iterator

import pytest

from harness.machine import Machine

needs_berth = True
pytestmark = [pytest.mark.system, pytest.mark.images("base")]

GOOD = b"[Container]\nImage=base\nExec=sleep 1000\n"

BOOL = "expected yes, no, true, false, on, off, 1 or 0"
SIZE = "expected a size above 0 in bytes, or with K, M, G or T (of 1024)"

# name -> content, and what is said of it with {} for the file's path
REFUSED: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "value-of-no-bool": (GOOD + b"ReadOnly=ture\n", ("{}:4: ReadOnly= is 'ture': " + BOOL,)),
    "memory-below-zero": (GOOD + b"[Limits]\nMemory=-1\n", ("{}:5: Memory= is '-1': " + SIZE,)),
    "memory-as-a-float": (GOOD + b"[Limits]\nMemory=1e9\n", ("{}:5: Memory= is '1e9': " + SIZE,)),
    "key-twice": (GOOD + b"Image=other\n", ("{}:4: Image= stands on line 2 already; give it once",)),
    "key-misspelt": (GOOD + b"Imgae=base\n", ("{}:4: unknown key 'Imgae' in [Container] (did you mean 'Image'?)",)),
    "key-of-nothing": (GOOD + b"Frobnicate=1\n", (
        "{}:4: unknown key 'Frobnicate' in [Container]; remove it, or call it 'X-Frobnicate' to have it ignored",)),
    "key-of-another-section": (GOOD + b"Memory=1G\n", (
        "{}:4: unknown key 'Memory' in [Container]; it belongs in [Limits]",)),
    "key-outside": (b"Image=base\n" + GOOD, ("{}:1: 'Image' stands before any section; put [Container] first",)),
    "section-misspelt": (GOOD + b"[Limitz]\nMemory=1G\n", ("{}:4: unknown section [Limitz] (did you mean [Limits]?)",)),
    "no-setting": (GOOD + b"nonsense\n", ("{}:4: 'nonsense' is no setting; write KEY=VALUE, or # before a comment",)),
    "quote-not-closed": (b"[Container]\nImage=base\nExec=sh -c 'open\n", (
        "{}:3: Exec=: a quote is not closed; close it, or write \\\" or \\' for a plain one (at ''open')",)),
    "escape-unknown": (b"[Container]\nImage=base\nExec=sh \\q\n", (
        "{}:3: Exec=: unknown escape; write two backslashes for one, or one of "
        "\\a \\b \\f \\n \\r \\t \\v \\\\ \\\" \\' \\s \\xHH \\NNN \\uXXXX \\UXXXXXXXX (at '\\q')",)),
    "nul-byte": (GOOD + b"Environment=A=b\0c\n", ("{}:4: the line holds a NUL byte; remove it",)),
    "not-utf-8": (GOOD + b"Environment=A=\xe9\n", ("{}:4: the line is not valid UTF-8; save the file as UTF-8",)),
    "line-of-2-mib": (b"[Container]\nImage=base\nEnvironment=A=" + b"x" * (2 << 20) + b"\nExec=true\n", (
        "{}:3: the line is longer than 1 MiB, which systemd does not read; split it or use EnvironmentFile=",)),
    "empty": (b"", ("{}: there is no Image= in [Container]; add the id of an image, or an absolute path to one",)),
    "image-id-wrong": (b"[Container]\nImage=Bad/Id\nExec=true\n", (
        "{}:2: Image= is 'Bad/Id': expected an image's id ([a-z0-9][a-z0-9._-]*, at most 128) or an absolute path",)),
    "set-by-berth": (GOOD + b"[Service]\nUser=root\nExecStart=/bin/true\n", (
        "{}:5: User= may not be set in [Service]: use User= in [Container]",
        "{}:6: ExecStart= may not be set in [Service]: use Exec= in [Container]")),
    "all-at-once": (b"[Container]\nImage=base\nReadOnly=ture\nInit=2\nUser=\n[Limits]\nTasks=0\n", (
        "{}:3: ReadOnly= is 'ture': " + BOOL, "{}:4: Init= is '2': " + BOOL,
        "{}:5: User= is empty: expected a name ([A-Za-z0-9._-]) or a number from 0 to 4294967294",
        "{}:7: Tasks= is '0': expected a number above 0")),
    "dangling-link": (b"", ("{}: is a link to nothing; mend or remove it (ENOENT)",)),
    "link-to-itself": (b"", ("{}: is a link that leads in a circle; mend or remove it (ELOOP)",)),
    "directory": (b"", ("{}: is a directory, not a manifest; rename or remove it (EISDIR)",)),
    "fifo": (b"", ("{}: is no regular file; rename or remove it (EINVAL)",)),
}

ODD_FILES = """
cd /etc/berth
rm dangling-link.berth link-to-itself.berth directory.berth fifo.berth
ln -s /no/where dangling-link.berth
ln -s link-to-itself.berth link-to-itself.berth
mkdir directory.berth
mkfifo fifo.berth
chmod 0 accepted-without-a-mode.berth
"""

# What is right as a manifest and fails when it is started: content, status, line.
FAILING: dict[str, tuple[bytes, int, str]] = {
    "image-missing": (b"[Container]\nImage=nosuch\nExec=true\n", 125,
                      "image 'nosuch': not found in /var/lib/berth/images nor in /var/lib/machines; berth image import "
                      "makes one, or put a root directory or a disk image there"),
    "image-path-missing": (b"[Container]\nImage=/no/such\nExec=true\n", 125, "image '/no/such': no such directory"),
    "image-is-a-file": (b"[Container]\nImage=/etc/passwd\nExec=true\n", 125,
                        "image '/etc/passwd': /etc/passwd is not a directory; the name of a disk image ends in .raw, "
                        ".squashfs or .erofs, so that its unit may use loop devices: rename it"),
    "no-command": (b"[Container]\nImage=base\n", 125,
                   "image 'base' names no command, and neither Exec= nor Entrypoint= is set; set one (Exec= set empty "
                   "gives an idle leader)"),
    "command-missing": (b"[Container]\nImage=base\nExec=nosuch\n", 127,
                        "cannot execute 'nosuch': No such file or directory"),
    "user-unknown": (b"[Container]\nImage=base\nExec=true\nUser=nosuch\n", 125,
                     "user 'nosuch': no such user in the container's /etc/passwd; give a name that stands there, or a "
                     "number"),
}

ACCEPTED = {
    "accepted-bom": b"\xef\xbb\xbf" + GOOD,
    "accepted-crlf": GOOD.replace(b"\n", b"\r\n"),
    "accepted-no-last-newline": GOOD.rstrip(b"\n"),
    "accepted-without-a-mode": GOOD,  # root may read it
    "accepted-foreign": GOOD + b"X-Note=1\n[X-Tool]\nanything=here\n",
}

# name -> what is said; there is no unit of that name at all
NO_UNIT = {
    "my_app": "'my_app' cannot be a container's name: letters, digits and '-', at most 63; call the file 'my-app.berth'",
    "berth-x": "the name 'berth-x' is reserved for the system; call the file 'my-berth-x.berth'",
    "systemd-x": "the name 'systemd-x' is reserved for the system; call the file 'my-systemd-x.berth'",
    "dbus": "the name 'dbus' is reserved for the system; call the file 'my-dbus.berth'",
    "init": "the name 'init' is reserved for the system; call the file 'my-init.berth'",
}


def said(m: Machine, unit: str) -> list[str]:
    m.run("journalctl", "--sync")
    return m.run("journalctl", "--quiet", "--no-pager", "--boot", "--output=cat", f"--unit={unit}",
                 "_TRANSPORT=stdout").lines


@pytest.fixture(scope="module")
def zoo(machine: Machine) -> Iterator[Machine]:
    """All of them beside each other, and one good neighbour that runs since before."""
    machine.write("/etc/berth/neighbour.berth", GOOD)
    machine.reload()
    machine.start("neighbour")
    for name, (content, _) in REFUSED.items():
        machine.write(f"/etc/berth/{name}.berth", content)
    for name, (content, _, _) in FAILING.items():
        machine.write(f"/etc/berth/{name}.berth", content)
    for name, content in ACCEPTED.items():
        machine.write(f"/etc/berth/{name}.berth", content)
    for name in NO_UNIT:
        machine.write(f"/etc/berth/{name}.berth", GOOD)
    machine.sh(ODD_FILES)
    machine.reload()
    yield machine
    machine.reset()


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_manifest_has_a_unit_that_fails_with_all_that_is_wrong(zoo: Machine, name: str) -> None:
    result = zoo.start(name, check=False)
    assert result.rc == 1
    assert zoo.unit(name, "LoadState") == "loaded"
    assert (zoo.unit(name, "ActiveState"), zoo.unit(name, "Result"), zoo.unit(name, "ExecMainStatus")) == \
        ("failed", "exit-code", "125")
    path = f"/etc/berth/{name}.berth"
    lines = [line.format(path) for line in REFUSED[name][1]]
    assert said(zoo, name) == lines
    status = zoo.run("systemctl", "status", "--no-pager", "--lines=50", name, check=False).out
    for line in lines:
        assert line.partition(" ")[0] in status, status


@pytest.mark.parametrize("name", FAILING)
def test_what_is_found_wrong_at_the_start_fails_it_with_one_line(zoo: Machine, name: str) -> None:
    _, status, line = FAILING[name]
    before = zoo.leaks_snapshot()
    assert zoo.start(name, check=False).rc == 1
    assert (zoo.unit(name, "Result"), zoo.unit(name, "ExecMainStatus")) == ("exit-code", str(status))
    assert said(zoo, name) == [line]
    zoo.assert_nothing_left(before)


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_only_looks_odd_runs(zoo: Machine, name: str) -> None:
    zoo.start(name)
    assert zoo.unit(name, "ActiveState") == "active"
    zoo.stop(name)


@pytest.mark.parametrize("name", NO_UNIT)
def test_a_name_that_is_not_a_containers_gets_no_unit(zoo: Machine, name: str) -> None:
    assert not zoo.exists(f"/run/systemd/generator/{name}.service")
    if name != "dbus":
        assert zoo.unit(name, "LoadState") == "not-found"
        assert zoo.start(name, check=False).err == f"Failed to start {name}.service: Unit {name}.service not found.\n"


def test_the_services_whose_names_were_taken_are_unharmed(zoo: Machine) -> None:
    assert zoo.unit("dbus", "ActiveState") == "active"
    assert zoo.unit("dbus", "FragmentPath") in ("/lib/systemd/system/dbus.service", "/usr/lib/systemd/system/dbus.service")
    zoo.run("busctl", "call", "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId")


def test_check_tells_of_every_one_with_file_line_and_column(zoo: Machine) -> None:
    result = zoo.run("berth", "check", check=False)
    assert result.rc == 1
    told: dict[str, list[str]] = {}
    for line in result.lines:
        place, _, message = line.partition(": error: ")
        assert message, line
        path, *numbers = place.split(":")
        assert len(numbers) in (0, 2), line
        told.setdefault(path, []).append(":".join([path, *numbers[:1]]) + f": {message}")
    expected = {f"/etc/berth/{name}.berth": [line.format(f"/etc/berth/{name}.berth") for line in lines]
                for name, (_, lines) in REFUSED.items()}
    expected |= {f"/etc/berth/{name}.berth": [f"/etc/berth/{name}.berth: {line}"] for name, line in NO_UNIT.items()}
    assert told == expected


def test_the_neighbour_ran_all_the_time(zoo: Machine) -> None:
    assert zoo.unit("neighbour", "ActiveState") == "active"
    assert zoo.unit("neighbour", "NRestarts") == "0"
    zoo.restart("neighbour")
    assert zoo.run("berth", "exec", "neighbour", "--", "echo", "here").out == "here\n"


def test_the_system_is_not_degraded_by_them_until_they_are_started(m: Machine) -> None:
    m.reset()  # the units above have failed, and stay so
    m.manifest("bad", "[Container]\nReadOnly=ture\n")
    m.manifest("my_app", "[Container]\nReadOnly=ture\n")
    m.reload()
    assert m.run("systemctl", "is-system-running").out == "running\n"


# -- each by itself --


def test_what_gets_no_unit_is_told_in_the_log(m: Machine) -> None:
    since = m.now()
    m.manifest("my_app", GOOD.decode())
    m.reload()
    line = f"/etc/berth/my_app.berth: {NO_UNIT['my_app']}"
    m.wait_for(lambda: line in m.journal(since=since).splitlines(), "line in the log")


def test_the_kernels_log_has_a_record_for_each_error_and_first_what_no_unit_tells(m: Machine) -> None:
    long = "v" * 5000
    for i in range(15):
        m.manifest(f"a{i:02}", f"[Container]\nImage=base\nReadOnly={long}\nInit=y\u00e9\n")
    m.manifest("my_app", GOOD.decode())
    m.manifest("dbus", GOOD.decode())
    m.write("/tmp/kmsg", "")
    # a file in its place: the real one is shared with others, and drops records when many come
    m.run("mkdir", "/tmp/normal")
    m.run("unshare", "-m", "sh", "-c", "mount --bind /tmp/kmsg /dev/kmsg && "
          "/usr/lib/systemd/system-generators/berth-generator /tmp/normal /tmp/normal /tmp/normal")
    records = m.read("/tmp/kmsg").splitlines()
    assert all(len(record.encode()) + 1 <= 1024 for record in records)
    assert all(record.startswith("<3>berth-generator: /etc/berth/") for record in records)
    said = [record.removeprefix("<3>berth-generator: ") for record in records]
    assert said[0] == f"/etc/berth/dbus.berth: {NO_UNIT['dbus']}"
    assert said[1] == f"/etc/berth/my_app.berth: {NO_UNIT['my_app']}"
    assert [line.split(": ")[0] for line in said[2:]] == \
        [f"/etc/berth/a{i:02}.berth:{line}" for i in range(15) for line in (3, 4)]
    assert not m.run("sh", "-c", "ls /tmp/normal | grep -E 'dbus|my_app'", check=False).out


def test_a_manifest_never_takes_the_place_of_a_service_of_the_system(m: Machine) -> None:
    m.write("/etc/systemd/system/mine.service", "[Service]\nExecStart=sleep 1000\n")
    m.manifest("mine", GOOD.decode())
    m.reload()
    assert m.unit("mine", "FragmentPath") == "/etc/systemd/system/mine.service"
    result = m.run("berth", "check", "mine", check=False)
    assert result.rc == 1
    assert result.out.startswith("/etc/berth/mine.berth: error: ") and "mine.service" in result.out
    m.run("rm", "/etc/systemd/system/mine.service")
    m.reload()
    m.start("mine")
    assert m.run("berth", "exec", "mine", "true").rc == 0


def test_of_two_manifests_of_one_name_that_in_etc_counts_and_check_says_so(m: Machine) -> None:
    m.write("/usr/lib/berth/twice.berth", "[Container]\nImage=nosuch\nExec=true\n")
    m.write("/run/berth/twice.berth", "[Container]\nImage=nosuch2\nExec=true\n")
    m.manifest("twice", GOOD.decode())
    m.reload()
    m.start("twice")
    result = m.run("berth", "check", check=False)
    assert result.rc == 0
    for path in ("/run/berth/twice.berth", "/usr/lib/berth/twice.berth"):
        assert f"{path}: warning: this file is not read: /etc/berth/twice.berth has the same name and comes first" \
            in result.lines
    m.stop("twice")
    m.run("rm", "/etc/berth/twice.berth")
    m.reload()
    m.start("twice", check=False)
    assert said(m, "twice")[-1].startswith("image 'nosuch2': not found")


def test_a_bad_manifest_is_not_started_again_and_again(m: Machine) -> None:
    restart = "[Service]\nRestart=always\nRestartSec=0\n"
    m.manifest("looping", f"[Container]\nImage=base\nReadOnly=ture\n{restart}")
    m.reload()
    assert m.start("looping", check=False).rc == 1
    assert (m.unit("looping", "ActiveState"), m.unit("looping", "NRestarts")) == ("failed", "0")
    assert len(said(m, "looping")) == 1
    # a disk or an image may come later: that is the admin's to decide
    m.manifest("looping", f"[Unit]\nStartLimitIntervalSec=0\n[Container]\nImage=nosuch\nExec=true\n{restart}")
    m.reload()
    m.start("looping", check=False)
    m.wait_for(lambda: int(m.unit("looping", "NRestarts")) >= 2, "two restarts")


def test_a_manifest_that_is_masked_is_none(m: Machine) -> None:
    m.write("/usr/lib/berth/masked.berth", GOOD)
    m.sh("mkdir -p /etc/berth; ln -sf /dev/null /etc/berth/masked.berth")
    m.reload()
    assert m.unit("masked", "LoadState") == "not-found"
    assert m.run("berth", "check").lines == [
        "/usr/lib/berth/masked.berth: warning: this file is not read: /etc/berth/masked.berth masks it"]
    m.run("rm", "/etc/berth/masked.berth")
    m.reload()
    m.start("masked")


@pytest.mark.parametrize("directory", ["dev", "proc", "sys", "etc"])
def test_an_image_whose_own_directories_are_links_is_not_started(m: Machine, directory: str) -> None:
    before = m.leaks_snapshot()
    canary = "/srv/canary"
    m.sh(f"""
        rm -rf {canary} /srv/hostile; mkdir -p {canary} /srv/hostile
        for link in bin lib lib64 sbin usr etc; do ln -s /var/lib/berth/images/base/$link /srv/hostile/$link; done
        rm -f /srv/hostile/{directory}
        [ {directory} = etc ] || {{ rm /srv/hostile/etc; mkdir /srv/hostile/etc; }}
        ln -s {canary} /srv/hostile/{directory}
    """)
    seen = m.run("stat", "-c", "%y %z", canary).out
    mountinfo = m.mountinfo()
    m.manifest("hostile", "[Container]\nImage=/srv/hostile\nExec=true\nPrivateUsers=no\n")
    m.manifest("neighbour", GOOD.decode())
    m.reload()
    assert m.start("hostile", check=False).rc == 1
    assert m.unit("hostile", "ExecMainStatus") == "125"
    assert said(m, "hostile")[-1] == (f"image '/srv/hostile': /{directory} is a symbolic link, where a directory is "
                                      "needed; such an image is not started")
    assert m.run("ls", "-A", canary).out == "" and m.run("stat", "-c", "%y %z", canary).out == seen
    assert m.mountinfo() == mountinfo
    m.assert_nothing_left(before)
    m.start("neighbour")
    m.run("rm", "-r", canary, "/srv/hostile")


def test_a_typo_saved_while_it_runs_loosens_nothing(m: Machine) -> None:
    before = m.leaks_snapshot()
    manifest = """
        [Container]
        Image=base
        Exec=sleep 1000
        %s
        [Limits]
        Runtime=1h
        [Service]
        LimitNOFILE=1234
        TimeoutStopSec=77
        """
    kept = ("DevicePolicy", "Delegate", "KillMode", "Slice", "OOMPolicy", "NotifyAccess", "RuntimeMaxUSec", "LimitNOFILE",
            "TimeoutStopUSec", "SuccessExitStatus", "Type")
    m.manifest("web", manifest % "")
    m.manifest("neighbour", GOOD.decode())
    m.reload()
    m.start("web")
    m.start("neighbour")

    def settings() -> dict[str, str]:
        return {name: m.unit("web", name) for name in kept}

    was, leader, cleanup = settings(), m.unit("web", "MainPID"), m.unit("web", "ExecStopPost").split(" ; ")[1]
    assert was["DevicePolicy"] == "closed" and was["RuntimeMaxUSec"] == "1h" and was["LimitNOFILE"] == "1234"
    assert cleanup == "argv[]=/usr/bin/berth cleanup --name=web"

    for typo in ("ReadOnly=ture", "Boot=on or off"):
        m.manifest("web", manifest % typo)
        m.reload()
        assert m.unit("web", "ActiveState") == "active" and m.unit("web", "MainPID") == leader
        assert settings() == was
        assert cleanup in m.unit("web", "ExecStopPost")
        assert m.run("berth", "exec", "web", "--", "echo", "alive").out == "alive\n"

    # nor does a typo in the sections that are passed on, or one that costs a whole section
    m.manifest("web", manifest.replace("[Limits]", "[Limitz]") % "Frob=1")
    m.reload()
    assert {**settings(), "RuntimeMaxUSec": ""} == {**was, "RuntimeMaxUSec": ""}

    m.stop("web")
    assert m.unit("web", "Result") == "success"
    m.stop("neighbour")
    m.assert_nothing_left(before)
    assert m.start("web", check=False).rc == 1
    assert said(m, "web")[-2:] == [
        "/etc/berth/web.berth:4: unknown key 'Frob' in [Container]; remove it, or call it 'X-Frob' to have it ignored",
        "/etc/berth/web.berth:5: unknown section [Limitz] (did you mean [Limits]?)"]
    m.manifest("web", manifest % "")
    m.reload()
    m.start("web")


@pytest.mark.parametrize("how", ["clean", "start"])
def test_what_a_deleted_manifest_leaves_is_found_again(m: Machine, how: str) -> None:
    before = m.leaks_snapshot()
    m.manifest("gone", GOOD.decode())
    m.reload()
    m.start("gone")
    m.run("rm", "/etc/berth/gone.berth")
    m.reload()
    assert m.unit("gone", "ActiveState") == "active"
    m.stop("gone")  # without ExecStopPost=, which went with the manifest
    assert m.exists("/run/berth/containers/gone")
    if how == "clean":
        m.run("berth", "clean", "--all")
    else:
        m.manifest("gone", GOOD.decode())
        m.reload()
        m.start("gone")
        m.stop("gone")
    m.assert_nothing_left(before)
