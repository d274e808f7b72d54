"""Layers and the data directory, as root on the running kernel, in a mount namespace with a /var/lib of its own."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Iterator

import pytest

from harness import roots
from harness.place import Place, make_tree

pytestmark = pytest.mark.kernel
needs_berth = True


def _host_id() -> str:
    try:
        return Path("/etc/machine-id").read_text()
    except OSError:
        return ""


@pytest.fixture
def place(pytestconfig: pytest.Config, tmp_path: Path) -> Iterator[Place]:
    top = roots.cache_directory() / "layers" / f"{os.getpid()}-{tmp_path.name}"  # /tmp need not be idmappable
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
