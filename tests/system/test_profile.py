"""Profile=: the host's own programs without an image, and nothing of the host that is not meant to be seen."""

from __future__ import annotations

import pytest

from harness.machine import Machine
from harness.system import Result
from test_launch import BOUND, main_pid, refused as unit_refused, said

needs_berth = True
pytestmark = [pytest.mark.system, pytest.mark.images("base")]

PROFILES = ["minimal", "standard", "full"]
SECRET = "secret-of-the-host"


def launch(m: Machine, profile: str, script: str, *options: str, check: bool = True) -> Result:
    return m.run("berth", "launch", "--foreground", "--name=p", f"--profile={profile}", "--network=none", *options, "--",
                 "sh", "-c", script, check=check)


@pytest.fixture
def canaries(m: Machine) -> Machine:
    """What a host has that is nobody's business, each with the secret in it; a socket that tells it."""
    m.sh(f"""
        mkdir -p /root/.ssh /home/you /var/lib/berth/volumes/db/data /var/lib/app /tmp/x
        for file in /root/.ssh/id /home/you/notes /var/lib/berth/volumes/db/data/file /run/token /tmp/x/file /var/tmp/file \\
                    /var/lib/app/private /etc/canary.key; do
            echo {SECRET} > $file
        done
        chmod 666 /home/you/notes /run/token /tmp/x/file /var/tmp/file
        chmod 777 /root /root/.ssh /home /home/you /var/lib/berth /var/lib/berth/volumes
        chmod 600 /var/lib/app/private /etc/canary.key
        echo "canary:{SECRET}:1::::::" >> /etc/shadow
    """)
    yield m
    m.sh("""
        sed -i /^canary:/d /etc/shadow; rm -rf /home/you /root/.ssh /run/token /tmp/x /var/tmp/file /var/lib/app /etc/canary.key
        chmod 700 /root /var/lib/berth; rm -rf /var/lib/berth/volumes
    """)


@pytest.mark.parametrize("options", ["", "--user=65534", "--capability=CAP_DAC_READ_SEARCH"])
@pytest.mark.parametrize("profile", PROFILES)
def test_no_secret_of_the_host_can_be_read(canaries: Machine, profile: str, options: str) -> None:
    done = launch(canaries, profile, f"cat /etc/shadow /etc/canary.key 2>/dev/null | grep -c {SECRET}; "
                  f"grep -rsl --exclude-dir=proc --exclude-dir=sys --exclude-dir=usr {SECRET} /; "
                  "ls -A /home /root/.ssh /var/lib/berth/volumes /tmp 2>/dev/null | grep -v :", *options.split(), check=False)
    assert done.out.split() == ["0"], done


@pytest.mark.parametrize("profile", PROFILES)
def test_no_socket_of_the_host_can_be_reached(canaries: Machine, profile: str) -> None:
    # the name of the second looks like a line of the kernel's list, and what it leads to is no socket
    with canaries.popen("python3", "-c", "import os, socket; s, t = socket.socket(1, 1), socket.socket(1, 1); s.bind('/var/lib/app/socket'); "
                        "name = '/var/lib/app/x\\n0: 0 0 0 0 0 0 /usr/bin/python3'; os.makedirs(os.path.dirname(name)); t.bind(name); "
                        "os.chmod('/var/lib/app/socket', 0o777); s.listen(); print('up', flush=True); s.accept()") as listener:
        assert listener.stdout.readline() == b"up\n"
        done = launch(canaries, profile, r"""python3 -c '
import errno, os, socket
for path in ("/run/dbus/system_bus_socket", "/var/run/dbus/system_bus_socket", "/run/systemd/private", "/run/systemd/notify",
             "/run/systemd/journal/stdout", "/dev/log", "/var/lib/app/socket"):
    s = socket.socket(1, 2 if "notify" in path or "log" in path else 1)
    try:
        s.connect(path)
        print(path)
    except OSError as error:
        assert error.errno in (errno.ENOENT, errno.EACCES, errno.ECONNREFUSED, errno.ENOTDIR), error
print("done")'""")
        assert done.out == "done\n"


@pytest.mark.parametrize("profile", PROFILES)
def test_nothing_of_the_host_can_be_written(m: Machine, profile: str) -> None:
    done = launch(m, profile, "for d in /usr /usr/bin /etc/alternatives /var /var/lib /srv /opt; do [ ! -d $d ] || touch $d/x; done; "
                  "touch /tmp/x /run/x; echo ok", check=False)
    assert done.out == "ok\n"
    assert all(line.endswith("Read-only file system") or line.endswith("Permission denied") for line in done.err.splitlines()
               ), done.err
    assert m.run("ls", "/usr/x", "/tmp/x", "/run/x", check=False).out == ""


@pytest.mark.parametrize("profile, etc", [("minimal", "group hostname hosts machine-id passwd"), ("standard", None), ("full", None)])
def test_what_a_profile_shows(m: Machine, profile: str, etc: str | None) -> None:
    done = launch(m, profile, "echo $(ls /); echo $(ls /etc); python3 -c 'print(6 * 7)'; id -un; stat -c %U /usr")
    top, names, answer, user, owner = done.lines
    assert (answer, user, owner) == ("42", "root", "nobody")
    if profile != "full":
        assert set(top.split()) <= set("bin dev etc home lib lib32 lib64 libx32 proc root run sbin sys tmp usr".split())
        assert not {"shadow", "gshadow", "ssh", "sudoers", "systemd", "berth", "fstab"} & set(names.split())
    if etc:
        assert names == etc
    if profile == "standard":
        assert {"alternatives", "ld.so.cache", "nsswitch.conf"} <= set(names.split())


def test_set_user_id_programs_of_the_host_give_nothing(m: Machine) -> None:
    m.sh("cp /usr/bin/id /usr/local/bin/suid-id; chmod 4755 /usr/local/bin/suid-id")
    assert launch(m, "minimal", "/usr/local/bin/suid-id -u", "--user=1000", "--no-new-privileges=no").out == "1000\n"
    m.run("rm", "/usr/local/bin/suid-id")


def test_given_paths_can_be_read_or_written_by_the_commands_user(m: Machine) -> None:
    m.sh(f"mkdir -p {BOUND}/in {BOUND}/out; echo text > {BOUND}/in/file; chown -R 1234 {BOUND}/in {BOUND}/out; chmod 700 {BOUND}/*")
    given = f"--read-path={BOUND}/in", f"--write-path={BOUND}/out"
    done = launch(m, "minimal", f"cat {BOUND}/in/file; touch {BOUND}/in/x; echo made > {BOUND}/out/file; ls {BOUND}",
                  "--user=1000", *given, check=False)
    assert (done.out, done.err) == ("text\nin\nout\n", f"touch: cannot touch '{BOUND}/in/x': Read-only file system\n")
    assert m.run("stat", "-c", "%u", f"{BOUND}/out/file").out == "1234\n"
    # nor can a file that is made there be one that gives rights on the host
    assert launch(m, "minimal", f"chmod 4755 {BOUND}/out/file", *given, check=False).rc == 1
    m.run("rm", "-r", f"{BOUND}/in", f"{BOUND}/out")


@pytest.mark.parametrize("options, message", [
    (["--profile=full", "--private-users=no"], "Profile=full needs user ids of its own: root would read all that the host's "
     "root does; use PrivateUsers=pick"),
    (["--profile=full", "--private-users=identity"], "Profile=full needs user ids of its own"),
    (["--profile=minimal", "--ephemeral=no"], "Ephemeral=no keeps a layer over an image, and Profile= has none; remove it"),
    (["--profile=minimal", "--read-path=/no/such"], "bind source '/no/such' does not exist"),
    (["--profile=ful"], "--profile is 'ful': expected minimal, standard or full"),
    (["--profile=full", "--image=base"], "--image= and --profile= exclude each other"),
    (["--image=base", "--read-path=/srv"], "--read-path= and --write-path= are of --profile=; use --mount="),
    (["--profile=minimal", "--read-path=/a/../b"], "--read-path is '/a/../b': expected an absolute path without '..'"),
])
def test_what_cannot_be_had_is_refused(m: Machine, options: list[str], message: str) -> None:
    before = m.leaks_snapshot()
    done = m.run("berth", "launch", "--foreground", "--name=p", "--network=none", *options, "--", "true", check=False)
    assert done.rc == 125 and done.err.startswith(message), done
    m.assert_nothing_left(before)


def test_a_service_has_a_profile_too_and_exec_enters_it(m: Machine) -> None:
    before = m.leaks_snapshot()
    m.manifest("box", "[Container]\nProfile=standard\nUser=nobody\nExec=sleep 1000\n[Limits]\nRuntime=1h\n")
    m.reload()
    m.start("box")
    assert m.run("berth", "exec", "box", "--", "sh", "-c", "id -un; cat /etc/hostname; ls /home").lines == ["nobody", "box"]
    assert "profile:standard" in m.run("berth", "list").out
    assert m.run("cat", f"/proc/{main_pid(m, 'box')}/uid_map").out.split()[1] != "0"
    m.stop("box")
    m.assert_nothing_left(before)
    m.manifest("box", "[Container]\nProfile=full\nPrivateUsers=no\nExec=sleep 1000\n")
    m.reload()
    assert unit_refused(m, "box") == (
        "/etc/berth/box.berth:2: Profile=full needs user ids of its own: root would read all that the host's root does; "
        "use PrivateUsers=pick")
    assert said(m, "box")
