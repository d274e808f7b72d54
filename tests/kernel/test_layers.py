"""Layers and the data directory, as root on the running kernel, in a mount namespace with a /var/lib of its own."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
import uuid
from pathlib import Path
from typing import Iterator

import pytest

from harness import roots
from harness.container import cgroup2, members, wait_for
from harness.place import Place, make_tree
from harness.timing import PATIENCE

pytestmark = pytest.mark.kernel
needs_berth = True


def _host_id() -> str:
    try:
        return Path("/etc/machine-id").read_text()
    except OSError:
        return ""


@pytest.fixture
def place(pytestconfig: pytest.Config) -> Iterator[Place]:
    top = roots.cache_directory() / "layers" / uuid.uuid4().hex  # /tmp need not be idmappable
    top.mkdir(parents=True)
    place = Place(Path(pytestconfig.getoption("--berth-build")).resolve(), top)
    yield place
    place.close()


def test_the_data_directory_may_be_a_link_of_the_administrator(place: Place) -> None:
    (place.lib / "elsewhere").mkdir()
    (place.lib / "berth").symlink_to("elsewhere")
    done = place.run("berth-storage", "image", "import", make_tree(place.top / "tree"), "--name=own")
    assert (done.returncode, done.stderr) == (0, "")
    options = ("--image=own", "--ephemeral=no", "--mount=type=volume,source=data,target=/data")
    for words, out in (("echo x | tee /kept >/data/it", ""), ("cat /kept /data/it", "x\nx\n")):
        done = place.launch("/bin/sh", "-c", words, options=options)
        assert (done.returncode, done.stdout) == (0, out), done.stderr
    assert (place.lib / "elsewhere/volumes/web/data/it").read_text() == "x\n"
    assert place.run("berth-manage", "remove", "web", "--all").returncode == 0
    assert os.listdir(place.lib / "elsewhere/layers") == os.listdir(place.lib / "elsewhere/volumes") == []


@pytest.mark.parametrize("what", ["layers", "volumes", "images"])
def test_below_the_data_directory_no_link_is_followed(place: Place, what: str) -> None:
    tree = make_tree(place.top / "tree")
    (place.lib / "berth").mkdir()
    (place.lib / "outside").mkdir()
    (place.lib / "berth" / what).symlink_to("../outside")
    if what == "images":
        done = place.run("berth-storage", "image", "import", tree, "--name=own")
    else:
        done = place.launch("/bin/sh", options=(f"--image={tree}", "--ephemeral=no",
                                                "--mount=type=volume,source=data,target=/data"))
    assert done.returncode != 0 and "Not a directory" in done.stderr, done.stderr
    assert os.listdir(place.lib / "outside") == []


@pytest.mark.parametrize("digest", ["x", "sha256:", "sha256:XYZ", "sha256:" + "0" * 300, "a\nb:00", ":00"])
def test_a_digest_that_is_none_is_an_error(place: Place, digest: str) -> None:
    images = place.lib / "berth/images"
    images.mkdir(parents=True)
    (images / "own").symlink_to(make_tree(place.top / "tree"))
    (images / "own.json").write_text(json.dumps({"digest": digest}))
    done = place.launch("/bin/sh", options=("--image=own",))
    assert done.returncode == 125
    assert "/var/lib/berth/images/own.json: member 'digest' is not a digest (sha256: and hex digits)" in done.stderr


needs_machine_id = pytest.mark.skipif(not re.fullmatch(r"[0-9a-f]{32}\n", _host_id()),
                                      reason="this host has no /etc/machine-id")
MACHINE_ID = r"[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}\n"


@needs_machine_id
def test_a_container_has_a_machine_id_that_is_its_own_and_stays(place: Place) -> None:
    tree = make_tree(place.top / "tree")
    (tree / "etc/machine-id").write_text("of the image\n")
    ids = [place.run("berth", "launch", "--foreground", f"--name={name}", f"--image={tree}", "--network=none",
                     f"--private-users={users}", "--", "/bin/cat", "/etc/machine-id").stdout
           for name, users in (("web", "pick"), ("web", "no"), ("other", "pick"))]
    assert ids[0] == ids[1] != ids[2]
    for text in ids:
        assert re.fullmatch(MACHINE_ID, text) and text != Path("/etc/machine-id").read_text()
    assert (tree / "etc/machine-id").read_text() == "of the image\n"


@needs_machine_id
@pytest.mark.parametrize("target", ["/canary", "../../../../../../../../canary"])
def test_a_link_at_machine_id_is_not_followed(place: Place, target: str) -> None:
    tree = make_tree(place.top / "tree")
    (tree / "canary").write_text("alive\n")
    (tree / "etc/machine-id").symlink_to(target)
    done = place.launch("/bin/sh", "-c", "cat /canary /etc/machine-id", options=(f"--image={tree}",))
    assert re.fullmatch("alive\n" + MACHINE_ID, done.stdout), done.stderr
    assert os.readlink(tree / "etc/machine-id") == target and (tree / "canary").read_text() == "alive\n"


# -- [Setup] --


def set_up(place: Place, *commands: str, options: tuple[str, ...] = (), network: str = "no",
          command: str = "cat /made") -> subprocess.CompletedProcess[str]:
    tree = place.top / "tree"
    if not tree.exists():
        make_tree(tree)
    words = [word for line in commands for word in ("--setup=/bin/sh", "--setup-word=-c", f"--setup-word={line}")]
    return place.launch("/bin/sh", "-c", command, options=(
        f"--image={tree}", "--ephemeral=no", f"--setup-network={network}", *words, *options))


def test_setup_runs_once_in_order_and_before_the_first_start(place: Place) -> None:
    commands = ("echo one >>/made", "echo two >>/made; id -u >>/made; echo $A >>/made")
    for _ in range(2):
        done = set_up(place, *commands, options=("--env=A=b c", "--user=1000", "--working-directory=/bin"))
        assert (done.returncode, done.stdout) == (0, "one\ntwo\n0\nb c\n"), done.stderr
    assert "setup" not in os.listdir(place.lib / "berth/layers/web")
    assert place.run("berth-manage", "remove", "web", "--layer").returncode == 0
    assert set_up(place, *commands).stdout == "one\ntwo\n0\n\n"


def test_a_setup_does_not_say_what_the_container_mounts(place: Place) -> None:
    """Its first start does, and until then nobody knows what would lie under a mount."""
    bind = f"--mount=type=bind,source={place.top / 'missing'},target=/srv,read-only=yes"
    done = set_up(place, "true", options=(bind,))
    assert done.returncode == 125 and "does not exist" in done.stderr, done.stderr
    done = place.run("berth-files", "file", "list", "web")
    assert (done.returncode, done.stderr) == (1, "the kept layer /var/lib/berth/layers/web does not say what the container mounts; "
                                                 "start it once\n")
    (place.top / "missing").mkdir()
    assert set_up(place, "true", options=(bind,)).returncode != 125
    assert place.run("berth-files", "file", "list", "web").returncode == 0
    assert "'/srv' is on a mount" in place.run("berth-files", "file", "list", "web", "/srv").stderr


def test_a_setup_that_fails_fails_the_start_and_keeps_nothing(place: Place) -> None:
    for command, how in (("echo x >>/made; exit 7", "exit status 7"), ("kill -9 $$", "exit status 137"),
                         ("/nothing/there", "exit status 127")):
        done = set_up(place, "echo one >>/made", command, "echo never >>/made",
                     options=("--mount=type=volume,source=v,target=/v",))
        assert done.returncode == 125 and done.stdout == ""
        assert f"Exec= of [Setup], '/bin/sh', has failed ({how}); nothing of it is kept" in done.stderr
        assert os.listdir(place.lib / "berth/layers") == []
        assert not (place.lib / "berth/volumes").exists()
    assert set_up(place, "echo one >>/made").stdout == "one\n"


def test_a_layer_that_was_there_is_not_set_up(place: Place) -> None:
    assert set_up(place, command="echo mine >/made").returncode == 0
    assert set_up(place, "echo one >>/made").stdout == "mine\n"


def test_setup_has_the_hosts_network_only_where_it_is_asked_for(place: Place) -> None:
    look = "ls /sys/class/net | tr '\\n' ' ' >/made"
    (make_tree(place.top / "tree") / "bin/tr").symlink_to("busybox")
    host = " ".join(sorted(os.listdir("/sys/class/net")))
    assert set_up(place, look, network="yes").stdout.split() == host.split()
    assert place.run("berth-manage", "remove", "web", "--layer").returncode == 0
    assert set_up(place, look).stdout.split() == ["lo"]


def test_setup_needs_a_layer_that_is_kept(place: Place) -> None:
    done = place.run("berth", "launch", "--dry-run", "--name=web", "--image=/x", "--setup=true")
    assert (done.returncode, done.stderr) == (125, "--setup= makes a layer that is kept: it needs --ephemeral=no\n")
    done = place.run("berth", "launch", "--dry-run", "--name=web", "--image=/x", "--ephemeral=no", "--setup-word=true")
    assert done.returncode == 125 and "expected a command, and then its words" in done.stderr


def test_clean_removes_the_control_group_of_a_launcher_that_was_killed(place: Place) -> None:
    name = f"x{uuid.uuid4().hex[:12]}"
    launcher = subprocess.Popen(
        [*place.prefix(), place.helper / "berth", "launch", "--foreground", f"--name={name}", "--network=none",
         f"--image={make_tree(place.top / 'tree')}", "--", "sleep", "1000"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    state = place.runtime / "containers" / name / "state"
    wait_for(state.exists)
    path = re.search(r"^Cgroup=/(.*)$", state.read_text(), re.MULTILINE).group(1)
    payload = cgroup2() / path
    launcher.kill()
    launcher.wait()
    wait_for(lambda: not members(payload))
    assert payload.parent.name == f"berth-{name}"
    # which is empty a moment before the last of it has ended: until then it is not what nobody owns

    def cleaned() -> bool:
        assert place.run("berth-manage", "clean").returncode == 0
        return not payload.parent.exists()

    wait_for(cleaned)


def test_a_start_is_not_out_of_time_while_its_setup_is_at_work(place: Place) -> None:
    tree = make_tree(place.top / "tree")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0berth-test-{place.top.name}")
        manager.settimeout(60)
        setup = subprocess.Popen(
            [*place.prefix(), place.helper / "berth", "launch", "--foreground", "--name=web", "--network=none",
             f"--image={tree}", "--ephemeral=no", "--setup=ls", "--setup=sleep", "--setup-word=1000", "--", "ls"],
            env={"NOTIFY_SOCKET": f"@berth-test-{place.top.name}", "PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        said: list[str] = []
        while "STATUS=Setting up: sleep" not in said or said[-2:].count("EXTEND_TIMEOUT_USEC=60000000") < 2:  # for as long as it is at work
            said.append(manager.recv(4096).decode())
        assert [line for line in said if line.startswith("STATUS=")] == ["STATUS=Setting up: ls", "STATUS=Setting up: sleep"]
        setup.kill()
        setup.wait()


@pytest.mark.parametrize("rounds", [pytest.param(25, id="some"), pytest.param(500, id="many", marks=pytest.mark.long)])
def test_killed_at_any_moment_a_setup_is_done_once_and_whole(place: Place, rounds: int) -> None:
    words = [word for line in ("echo one >>/made", "echo two >>/made")
             for word in ("--setup=/bin/sh", "--setup-word=-c", f"--setup-word={line}")]
    command = [*place.prefix(), place.helper / "berth", "launch", "--foreground", "--name=web", "--network=none",
               f"--image={make_tree(place.top / 'tree')}", "--ephemeral=no", *words, "--", "/bin/cat", "/made"]

    def start() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, check=False, stdin=subprocess.DEVNULL, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=2 * PATIENCE)

    started = time.monotonic()
    assert start().stdout == "one\ntwo\n"
    whole = time.monotonic() - started
    for i in range(rounds):
        wait_for(lambda: place.run("berth-manage", "remove", "web", "--all").returncode != 1)
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(whole * i / rounds)
        process.kill()
        process.wait()
        deadline = time.monotonic() + PATIENCE
        done = start()
        while "running already" in done.stderr or "just being" in done.stderr:  # what was killed is about to end
            assert time.monotonic() < deadline
            done = start()
        assert (done.returncode, done.stdout) == (0, "one\ntwo\n"), done.stderr


def test_what_somebody_has_mounted_in_a_layer_is_not_removed_with_it(place: Place) -> None:
    layer = "/var/lib/berth/layers/web.ephemeral"
    subprocess.run([*place.prefix(), "sh", "-euc", f"mkdir -p {layer}/up/there {layer}/work; mount -t tmpfs none {layer}/up/there; "
                    f"echo precious >{layer}/up/there/file"], check=True)
    done = place.run("berth", "cleanup", "--name=web")
    assert (done.returncode, done.stderr) == (1, f"cannot remove '{layer}': Invalid cross-device link\n")
    kept = subprocess.run([*place.prefix(), "cat", f"{layer}/up/there/file"], check=True, stdout=subprocess.PIPE, text=True)
    assert kept.stdout == "precious\n"


@pytest.mark.parametrize("ephemeral", ["yes", "no"])
def test_only_a_layer_that_is_kept_is_brought_to_disk(place: Place, ephemeral: str) -> None:
    options = (f"--image={make_tree(place.top / 'tree')}", f"--ephemeral={ephemeral}")
    done = place.launch("/bin/sh", "-c", "echo x >/written; cat /written /proc/self/mountinfo", options=options)
    assert done.returncode == 0, done.stderr
    root = next(line.split() for line in done.stdout.splitlines() if line.split()[4:5] == ["/"])
    assert ("volatile" in root[-1]) == (ephemeral == "yes")  # or "fsync=volatile", by newer kernels
    assert os.listdir(place.lib / "berth/layers") == ([] if ephemeral == "yes" else ["web"])


def test_a_volume_and_a_layer_read_the_same_whoever_the_users_are(place: Place) -> None:
    """Written under one mode of PrivateUsers=, read and written on under every other."""
    tree = make_tree(place.top / "tree")
    modes = ["pick", "no", "identity", "1000000:65536", "pick"]
    write = "echo {0} >/{1}/{0}; chown {0}:{0} /{1}/{0}; chmod 4750 /{1}/{0}; "
    look = "for f in /v/[0-9]* /kept/[0-9]*; do stat -c '%n %u:%g %a' $f; cat $f; done"
    for i, mode in enumerate(modes):
        number = 1000 + i
        done = place.launch("/bin/sh", "-c", "mkdir -p /kept; " + write.format(number, "v") + write.format(number, "kept") + look,
                            options=(f"--image={tree}", "--ephemeral=no", f"--private-users={mode}",
                                     "--mount=type=volume,source=v,target=/v"))
        expected = "".join(f"/{where}/{n} {n}:{n} 4750\n{n}\n" for where in ("v", "kept") for n in range(1000, number + 1))
        assert (done.returncode, done.stdout) == (0, expected), (mode, done.stderr)
    for directory in ("volumes/web/v", "layers/web/up/kept"):
        assert {(file.stat().st_uid, file.name) for file in (place.lib / "berth" / directory).iterdir()} == {
            (1000 + i, str(1000 + i)) for i in range(len(modes))}  # on disk they are the numbers inside, never chowned
