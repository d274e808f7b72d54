"""What a container keeps: layers bound to their image, and their removal."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from harness.system import System

needs_berth = True
pytestmark = pytest.mark.system

KEPT = "[Container]\nImage=own\nEphemeral=no\nExec=sleep 1000\n[Network]\nMode=none\n"
TOOLS = "sh sleep cat touch mkdir rm ls stat mv dd sync id chown ln find chmod test sha256sum".split()


def make_tree(m: System, name: str = "tree") -> None:
    """A root directory with static tools, below /srv in the machine."""
    tree = m.path(f"/srv/{name}")
    shutil.rmtree(tree, ignore_errors=True)
    for directory in ("bin", "etc", "root", "tmp"):
        (tree / directory).mkdir(parents=True)
    shutil.copy("/bin/busybox", tree / "bin/busybox")
    for tool in TOOLS:
        (tree / "bin" / tool).symlink_to("busybox")


@pytest.fixture
def own(m: System) -> System:
    """An image 'own' that an import made of a small tree, and a container 'web' that keeps its layer."""
    make_tree(m)
    m.run("berth", "image", "import", "/srv/tree", "--name=own")
    m.manifest("web", KEPT)
    m.reload()
    return m


def change_image(m: System) -> None:
    m.run("sh", "-c", "date +%N >/srv/tree/etc/changed")
    m.run("berth", "image", "import", "/srv/tree", "--name=own")


def digest(m: System) -> str:
    return m.run("berth", "image", "inspect", "own", "--json").json()["digest"]


def test_a_kept_layer_belongs_to_one_image_and_the_way_out_is_named(own: System) -> None:
    own.start("web")
    old = digest(own)
    assert f"ImageDigest={old}" in own.run("cat", "/run/berth/containers/web/state").lines
    own.run("berth", "exec", "web", "--", "touch", "/kept")
    own.stop("web")
    change_image(own)
    assert own.run("systemctl", "start", "web", check=False).rc == 1
    assert (f"the kept layer /var/lib/berth/layers/web belongs to image '{old}', and 'own' is {digest(own)}; go back to "
            "that image, or give up what the container wrote: berth remove web --layer") in own.journal("web")
    own.run("systemctl", "reset-failed", "web")
    assert own.run("berth", "remove", "web", "--layer").err.splitlines()[-1].endswith(
        "removed the kept layer of container 'web'")
    own.start("web")
    assert own.run("berth", "exec", "web", "--", "ls", "/kept", check=False).rc != 0
    assert f"ImageDigest={digest(own)}" in own.run("cat", "/run/berth/containers/web/state").lines


def test_an_old_image_in_use_is_known_by_its_digest(own: System) -> None:
    own.start("web")
    entry = own.run("ls", "/var/lib/berth/images/.store/entries").out.strip()
    change_image(own)
    own.run("berth", "image", "prune", "--all")
    assert entry in own.run("ls", "/var/lib/berth/images/.store/entries").lines
    own.stop("web")
    own.run("berth", "image", "prune", "--all")
    assert entry not in own.run("ls", "/var/lib/berth/images/.store/entries").lines


def test_remove_says_what_it_does_and_takes_no_data_unasked(own: System) -> None:
    own.start("web")
    refused = own.run("berth", "remove", "web", check=False)
    assert (refused.rc, refused.err.splitlines()[-1]) == (1, "container 'web' runs; stop it first (--force does)")
    own.run("berth", "exec", "web", "--", "touch", "/kept")
    own.run("berth", "remove", "web", "--force")
    assert own.unit("web.service", "ActiveState") == "inactive"
    assert "web" in own.run("ls", "/var/lib/berth/layers").lines
    told = own.run("berth", "remove", "web")
    assert told.err.splitlines()[-1].endswith("container 'web' keeps a layer, which --layer removes")
    busy = own.run("flock", "--shared", "/var/lib/berth/layers/web", "berth", "remove", "web", "--layer", check=False)
    assert (busy.rc, busy.err) == (1, "cannot remove the kept layer of container 'web': a start or somebody else just uses it; try again\n")
    own.run("berth", "remove", "web", "--all")
    assert own.run("ls", "-A", "/var/lib/berth/layers").out == ""
    # with force one that leaves nothing is removed as well, when it runs
    own.manifest("web", KEPT.replace("Ephemeral=no\n", ""))
    own.reload()
    own.start("web")
    ended = own.run("berth", "remove", "web", "--force", check=False)
    assert (ended.rc, ended.err) == (0, "stopping web.service\n")
    gone = own.run("berth", "remove", "web", "--all", check=False)
    assert (gone.rc, gone.err.splitlines()[-1]) == (3, "nothing is left of container 'web'")
    for words, status in ((["../x"], 3), ([], 2), (["a", "b"], 2), (["a", "--layer", "--all"], 2), (["a", "--frce"], 2)):
        assert own.run("berth", "remove", *words, check=False).rc == status, words


def test_volumes_that_another_container_uses_are_not_removed(own: System) -> None:
    own.manifest("web", KEPT + "[Mount data]\nType=volume\nSource=data\nTarget=/data\n")
    own.manifest("guest", KEPT + "[Mount its]\nType=pointer\nSource=web:data\nTarget=/its\n")
    own.reload()
    own.start("web")
    own.run("berth", "exec", "web", "--", "touch", "/data/precious")
    own.start("guest")
    refused = own.run("berth", "remove", "web", "--all", "--force", check=False)
    assert (refused.rc, refused.err.splitlines()[-1]) == (1, "container 'guest' uses a volume of 'web'; stop it first")
    assert own.run("ls", "/var/lib/berth/volumes/web/data").out.strip() == "precious"
    own.stop("guest")
    own.stop("web")
    own.run("berth", "remove", "web", "--all")
    assert "web" not in own.run("ls", "/var/lib/berth/volumes").lines


def test_the_machine_id_is_the_same_at_each_start_and_for_each_command(own: System) -> None:
    seen = set()
    for _ in range(2):
        own.start("web")
        seen.add(own.run("berth", "exec", "web", "--", "cat", "/etc/machine-id").out)
        own.stop("web")
    (own_id,) = seen
    assert len(own_id) == 33 and own_id != own.run("cat", "/etc/machine-id").out


def test_a_unit_runs_from_a_disk_image_and_leaves_no_loop_device(own: System) -> None:
    if not own.path("/dev/loop-control").exists() or "\tsquashfs\n" not in own.run("cat", "/proc/filesystems").out:
        pytest.skip("this kernel has no loop devices, or no squashfs")
    disk = own.path("/srv/os.squashfs")
    subprocess.run(["mksquashfs", own.path("/srv/tree"), disk, "-quiet", "-noappend"], check=True,
                   stdout=subprocess.DEVNULL)
    own.run("berth", "image", "import", "/srv/os.squashfs")
    own.manifest("web", KEPT.replace("own", "os.squashfs"))
    own.reload()
    own.start("web")
    assert "block-loop r" in own.unit("web.service", "DeviceAllow")
    own.run("berth", "exec", "web", "--", "touch", "/kept")
    backing = "cat /sys/block/loop*/loop/backing_file 2>/dev/null"
    assert "/images/.store/" in own.run("sh", "-c", backing, check=False).out
    inside = own.run("berth", "exec", "web", "--", "ls", "/dev").out
    assert "loop" not in inside
    own.stop("web")
    own.wait_for(lambda: "/images/.store/" not in own.run("sh", "-c", backing, check=False).out, "no loop device")
    own.start("web")
    own.run("berth", "exec", "web", "--", "cat", "/kept")


def test_a_snapshot_of_a_unit_freezes_it_for_as_long_as_it_is_copied(own: System) -> None:
    own.manifest("web", KEPT.replace("sleep 1000", "sh -c 'i=0; while :; do i=$((i+1)); echo $i >>/count; done'"))
    own.reload()
    own.start("web")
    told = own.run("berth", "snapshot", "create", "web", "one", "--json").json()
    assert (told["tag"], told["digest"], told["image"]) == ("one", digest(own), "own")
    assert own.run("berth", "status", "web", "--json").json()["state"] == "running"
    size = int(own.run("stat", "-c", "%s", "/var/lib/berth/layers/web/up/count").out)
    own.wait_for(lambda: int(own.run("stat", "-c", "%s", "/var/lib/berth/layers/web/up/count").out) > size, "it goes on")
    own.run("berth", "freeze", "web")
    own.run("berth", "snapshot", "create", "web", "two")
    assert own.run("berth", "status", "web", "--json").json()["state"] == "frozen"  # somebody else's doing stays
    own.stop("web")
    own.run("berth", "snapshot", "restore", "web", "one")
    lines = own.run("cat", "/var/lib/berth/layers/web/up/count").lines
    assert lines[:-1] == [str(i + 1) for i in range(len(lines) - 1)]
    own.start("web")
    change_image(own)
    own.stop("web")
    own.run("berth", "snapshot", "restore", "web", "two")
    assert own.run("systemctl", "start", "web", check=False).rc == 1
    assert "the kept layer /var/lib/berth/layers/web belongs to image" in own.journal("web")
    own.run("systemctl", "reset-failed", "web")
    own.run("berth", "remove", "web", "--all")


def test_a_unit_is_set_up_once_and_a_failure_fails_its_start(own: System) -> None:
    own.manifest("web", KEPT + '[Setup]\nExec=sh -c "echo one >>/made"\nExec=sh -c "exit 3"\n')
    own.reload()
    assert own.run("systemctl", "start", "web", check=False).rc == 1
    assert "Exec= of [Setup], 'sh', has failed (exit status 3); nothing of it is kept" in own.journal("web")
    assert own.run("ls", "/var/lib/berth/layers").out == ""
    own.run("systemctl", "reset-failed", "web")
    own.manifest("web", KEPT + '[Setup]\nExec=sh -c "echo one >>/made"\nNetwork=yes\n[Limits]\nTasks=50\n')
    if "pids" not in own.run("cat", "/sys/fs/cgroup/cgroup.controllers").out:
        own.manifest("web", KEPT + '[Setup]\nExec=sh -c "echo one >>/made"\nNetwork=yes\n')
    own.reload()
    for _ in range(2):
        own.start("web")
        assert own.run("berth", "exec", "web", "--", "cat", "/made").out == "one\n"
        own.stop("web")


def test_what_a_container_has_is_safe_when_its_state_cannot_be_read(own: System) -> None:
    own.manifest("web", KEPT + "[Mount data]\nType=volume\nSource=data\nTarget=/data\n")
    own.reload()
    own.start("web")
    own.run("berth", "exec", "web", "--", "touch", "/data/mine")
    pid = own.unit("web.service", "MainPID")
    unreadable = "the state of container 'web' is damaged, or of another version of Berth; systemctl restart web makes it anew"
    for words, status, said in (
            ("exec web -- true", 125, unreadable),
            ("stats web", 1, f"{unreadable}, and berth clean removes it where nothing runs"),
            ("snapshot create web", 1, f"{unreadable}, and berth clean removes it where nothing runs"),
            ("commit web new", 1, f"{unreadable}, and berth clean removes it where nothing runs"),
            ("volume remove web:data", 1, "container 'web' uses the volume 'web:data'; stop it first, or --force"),
            ("image remove own", 1, "image 'own': container 'web' runs from it; stop that first, or --force takes the name away "
             "now and leaves the files to it")):
        for damage in ("sed -i s/^Format=1$/Format=2/", "truncate -s 0"):
            own.sh(f"cd /run/berth/containers/web; cp state good; {damage} state")
            result = own.run("berth", *words.split(), check=False)
            assert (result.rc, result.err) == (status, f"{said}\n"), (words, damage)
            own.run("mv", "/run/berth/containers/web/good", "/run/berth/containers/web/state")

    def is_shown_as_damaged() -> None:
        own.run("berth", "clean", "--all")
        shown = own.run("berth", "status", "web", check=False)
        assert shown.rc == 1 and {"         State: damaged", "          Mend: systemctl restart web"} <= set(shown.lines), shown
        assert [[row["name"], row["state"]] for row in own.run("berth", "list", "--all", "--json").json()] == [["web", "damaged"]]
        assert own.unit("web.service", "MainPID") == pid

    own.run("truncate", "-s", "0", "/run/berth/containers/web/state")
    assert [row["state"] for row in own.run("berth", "list", "--json").json()] == ["damaged"]
    is_shown_as_damaged()
    # nor when there is none any more
    own.run("rm", "-r", "/run/berth/containers/web")
    is_shown_as_damaged()
    result = own.run("berth", "volume", "remove", "web:data", check=False)
    assert result.rc == 1 and re.fullmatch(r"the volume 'web:data' is mounted for process \d+; end that first, or --force\n",
                                           result.err)
    result = own.run("berth", "stats", "web", check=False)
    assert (result.rc, result.err) == (4, "container 'web' has lost its state, '/run/berth/containers/web'; systemctl "
                                       "restart web makes it anew\n")
    result = own.run("berth", "exec", "web", "--", "true", check=False)
    assert (result.rc, result.err) == (125, "container 'web' is just starting or stopping, or has lost its state, "
                                       "'/run/berth/containers/web'; systemctl restart web makes that anew\n")
    own.restart("web")
    assert own.run("berth", "exec", "web", "--", "ls", "/data").out == "mine\n"
    # of what does not run there is nothing to protect
    own.sh("""
        install -d -m 0700 /run/berth/containers/gone
        echo Format=2 > /run/berth/containers/gone/state
        touch /run/berth/containers/file
    """)
    assert [row["name"] for row in own.run("berth", "list", "--json").json()] == ["gone", "web"]
    own.run("berth", "clean", "--all")
    assert own.run("ls", "/run/berth/containers").lines == ["web"]
