"""kill -9 at each system call of what makes images and copies what containers keep: what was there is there, what comes
of it is whole or not there at all, what is left goes, and the next call works.

The ordinary run takes a sample of the calls, `-m long` all of them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Callable, Iterator

import pytest

from harness import roots
from harness.moments import STRACE, Moment, moments
from harness.place import Place, make_tree, quick_directory
from harness.timing import PATIENCE
from test_disks import known, make, wait_no_loops
from test_image import Layout, archive, docker_archive, file, link, pack
from test_snapshots import FILL, everything, inside, left, ok, snapshot

pytestmark = pytest.mark.kernel
needs_berth = True

EVERY = [pytest.param(2, id="sample"), pytest.param(0, id="every", marks=pytest.mark.long)]
KILLED = 137, -9


@pytest.fixture
def place(pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> Iterator[Place]:
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    # a file for a loop device is where it can be idmapped
    where = roots.cache_directory() if "disk" in request.node.callspec.params.values() else quick_directory()
    place = Place(Path(pytestconfig.getoption("--berth-build")).resolve(), Path(tempfile.mkdtemp(prefix="berth-kills.", dir=where)))
    yield place
    place.close()


def traced(place: Place, options: tuple[str, ...], words: tuple[object, ...]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*place.prefix(), *STRACE, *options, place.helper / "berth-storage", *map(str, words)], text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=2 * PATIENCE, check=False)


def each(place: Place, sample: int, words: tuple[object, ...], before: Callable[[], None]) -> Iterator[Moment]:
    """Kills at one moment after the other; before each, what before() does. The sample has as many as it says, and the
    last calls, where what was made gets its name."""
    trace = place.top / "trace"
    before()
    assert traced(place, ("-o", str(trace)), words).returncode == 0
    found = moments(trace.read_text())
    assert len(found) > 30
    if sample:
        naming = [moment for moment in found if moment.call.startswith(("rename", "symlink", "mkdirat"))]
        found = found[::len(found) // sample] + naming[::max(1, len(naming) // sample)] + found[-2:]
    for moment in found:
        before()
        done = traced(place, moment.options, words)
        # with other numbers of temporary names a call or two may be fewer than in the trace
        assert done.returncode in (*KILLED, 0), f"{moment.line}: {done.stderr}"
        yield moment


# -- images --


def images(place: Place, *words: object) -> dict | list:
    done = place.run("berth-storage", "image", *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check_image(place: Place, image: str, allowed: set[str], line: str) -> None:
    """One of the allowed versions and whole, or none if that is allowed."""
    if image not in [row["id"] for row in images(place, "list")]:
        assert "" in allowed, f"lost, killed at {line}"
        return
    assert images(place, "inspect", image)["digest"] in allowed, line
    done = place.run("berth-storage", "image", "verify", image)
    assert done.returncode == 0, f"{done.stderr}, killed at {line}"


def remnants(place: Place) -> list[str]:
    store = place.lib / "berth/images/.store"
    return sorted(set(os.listdir(store)) - {"lock", "names", "entries"})


def source_of(kind: str, top: Path) -> Path:
    base = archive(*[file(f"d{i % 3}/f{i}", bytes([i]) * 3000) for i in range(12)], link("l", "/etc/passwd"))
    upper = archive(file("d0/.wh.f0", b""), file("more", b"more"))
    if kind == "tar":
        (top / "it.tar").write_bytes(base)
        return top / "it.tar"
    if kind == "directory":
        return make_tree(top / "directory")
    if kind == "disk":
        known("ext4")
        make("ext4", make_tree(top / "tree"), top / "it.raw")
        return top / "it.raw"
    if kind == "docker":
        return docker_archive(top, base, upper)
    layout = Layout(top / "layout")
    path = layout.index(layout.image(base, upper, config={"Cmd": ["x"]}))
    if kind == "oci":
        return path
    (top / "archive.tar").write_bytes(pack(path))
    return top / "archive.tar"


def old_of(kind: str, top: Path) -> Path:
    path = top / ("old.raw" if kind == "disk" else "old.tar")
    if kind == "disk":
        (top / "empty").mkdir()
        make("ext4", top / "empty", path)
    else:
        path.write_bytes(archive(file("old")))
    return path


@pytest.mark.parametrize("sample", EVERY)
@pytest.mark.parametrize("kind", ["tar", "directory", "oci", "disk", *(pytest.param(kind, marks=pytest.mark.long)
                                                                       for kind in ("oci-archive", "docker"))])
def test_an_import_that_is_killed_makes_all_or_nothing(place: Place, kind: str, sample: int) -> None:
    source, image = source_of(kind, place.top), "it.raw" if kind == "disk" else "it"
    words, another = ("image", "import", source, f"--name={image}"), ("image", "import", old_of(kind, place.top), f"--name={image}")
    assert place.run("berth-storage", *words).returncode == 0
    digest = images(place, "inspect", image)["digest"]
    replaced = False

    def before() -> None:
        """By turns no image of that name is there, and another one."""
        nonlocal replaced
        place.run("berth-storage", "image", "remove", image)
        replaced = not replaced
        if replaced:
            assert place.run("berth-storage", *another).returncode == 0

    before()
    old = images(place, "inspect", image)["digest"]
    for moment in each(place, sample, words, before):
        check_image(place, image, {digest, old if replaced else ""}, moment.line)
        done = place.run("berth-storage", *words)
        assert done.returncode == 0, f"{done.stderr}, killed at {moment.line}"
        check_image(place, image, {digest}, moment.line)
        assert place.run("berth-storage", "image", "prune").returncode == 0
        assert remnants(place) == [], moment.line
        wait_no_loops(place.top)
    assert place.run("berth-storage", "image", "prune", "--all").returncode == 0
    assert len(os.listdir(place.lib / "berth/images/.store/entries")) == 1


# -- what a container keeps --


@pytest.fixture
def kept(place: Place) -> tuple[Place, dict[str, tuple]]:
    """A container that has kept something, and all there is to know of that."""
    tree = make_tree(place.top / "tree")
    for tool in ("sort", "wc"):
        (tree / "bin" / tool).symlink_to("busybox")
    (tree / "etc/gone").write_text("of the image\n")
    (tree / "old").mkdir()
    inside(place, FILL)
    return place, everything(place.lib / "berth/layers/web/up")


def check_left(place: Place, line: str) -> None:
    assert place.run("berth-manage", "clean", "--all").returncode == 0, line
    assert left(place) == [], line
    assert sorted(os.listdir(place.lib / "berth/layers")) == ["web"], line


@pytest.mark.parametrize("sample", EVERY)
def test_a_commit_that_is_killed_makes_all_or_nothing(kept: tuple[Place, dict[str, tuple]], sample: int) -> None:
    place, layer = kept
    image = "it"
    words = ("commit", "web", image)
    assert place.run("berth-storage", *words).returncode == 0
    digest = images(place, "inspect", image)["digest"]
    for moment in each(place, sample, words, lambda: place.run("berth-storage", "image", "remove", image) and None):
        check_image(place, image, {digest, ""}, moment.line)
        assert everything(place.lib / "berth/layers/web/up") == layer, moment.line
        check_left(place, moment.line)
        place.run("berth-storage", "image", "remove", image)
        done = place.run("berth-storage", *words)
        assert done.returncode == 0, f"{done.stderr}, killed at {moment.line}"
        check_image(place, image, {digest}, moment.line)
        assert remnants(place) == [], moment.line


@pytest.mark.parametrize("sample", EVERY)
@pytest.mark.parametrize("verb", ["create", "restore"])
def test_a_snapshot_that_is_killed_loses_nothing(kept: tuple[Place, dict[str, tuple]], verb: str, sample: int) -> None:
    place, layer = kept
    ok(place, "create", "web", "kept")
    inside(place, "echo changed >/data/one")
    changed = everything(place.lib / "berth/layers/web/up")
    assert changed != layer
    words = ("snapshot", verb, "web", "kept" if verb == "restore" else "new")
    ok(place, "create", "web", "changed")

    def before() -> None:
        if verb == "create":
            snapshot(place, "remove", "web", "new")
        else:
            ok(place, "restore", "web", "changed")

    for moment in each(place, sample, words, before):
        now = everything(place.lib / "berth/layers/web/up")
        assert now == changed or verb == "restore" and now == layer, moment.line
        made = {row["tag"]: everything(place.lib / "berth/snapshots/web" / row["tag"] / "up")
                for row in json.loads(ok(place, "list", "--json"))}
        assert made.pop("new", changed) == changed, moment.line
        assert made == {"kept": layer, "changed": changed}, moment.line
        check_left(place, moment.line)
        before()
        ok(place, *words[1:])
        assert everything(place.lib / "berth/layers/web/up") == (layer if verb == "restore" else changed), moment.line
