"""berth image, as root on the running kernel: the store, what import makes of good sources and what it says of bad
ones. Everything happens in a mount namespace with its own /var/lib/berth and /run/berth."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import shutil
import signal
import stat
import struct
import subprocess
import tarfile
import tempfile
import time
import zlib
from pathlib import Path
from typing import Callable, Iterator

import pytest

from harness import attributes, roots
from harness.container import cgroup2, remove_group, wait_for
from harness.place import on_a_terminal, quick_directory
from harness.timing import PATIENCE

pytestmark = pytest.mark.kernel
needs_berth = True

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
DIGEST = "sha256:" + "0" * 64


# -- where it happens --


class Box:
    """A mount namespace with a store of its own, and a directory outside of it that nothing may touch."""

    def __init__(self, build: Path, where: str):
        self.program = build / "helper" / "berth-storage"
        self.berth = build / "helper" / "berth"
        self.top = Path(tempfile.mkdtemp(prefix="berth-storage.", dir=where))
        self.data, self.run_directory, self.outside = self.top / "data", self.top / "run", self.top / "outside"
        for path in (self.data, self.run_directory):
            path.mkdir()
        Path("/run/berth").mkdir(exist_ok=True)
        Path("/var/lib/berth").mkdir(exist_ok=True)
        self.keeper = subprocess.Popen(
            ["unshare", "--mount", "--propagation=private", "sh", "-c",
             'mount --bind "$0" /var/lib/berth && mount --bind "$1" /run/berth && echo up && exec sleep infinity',
             self.data, self.run_directory], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self.keeper.stdout.readline() == b"up\n"

    def prefix(self) -> list[str]:
        return ["nsenter", f"--mount=/proc/{self.keeper.pid}/ns/mnt", "--"]

    def clear(self) -> None:
        for path in (self.data, self.outside, self.run_directory):
            if path.exists():  # what a test has killed may write on for a moment
                wait_for(lambda: subprocess.run(["find", path, "-mindepth", "1", "-delete"], check=False).returncode == 0)
        self.outside.mkdir(exist_ok=True)
        (self.outside / "canary").write_text("untouched\n")
        (self.outside / "directory").mkdir()
        os.chmod(self.outside / "canary", 0o640)
        self.before = snapshot(self.outside)

    def close(self) -> None:
        self.keeper.kill()
        self.keeper.communicate()
        shutil.rmtree(self.top)

    @property
    def images(self) -> Path:
        return self.data / "images"

    @property
    def store(self) -> Path:
        return self.images / ".store"

    def call(self, *words: object, **more) -> subprocess.CompletedProcess:
        more = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
                "timeout": 2 * PATIENCE} | more
        done = subprocess.run([*self.prefix(), *map(str, more.pop("wrapper", ())), str(self.program), "image",
                               *map(str, words)], check=False, **more)
        done.out, done.err = done.stdout.decode(), (done.stderr or b"").decode()
        return done

    def ok(self, *words: object, **more) -> subprocess.CompletedProcess:
        done = self.call(*words, **more)
        assert done.returncode == 0, done.err
        return done

    def load(self, source: object, *words: object, **more) -> dict:
        """Imports, and returns what it says of it."""
        return json.loads(self.ok("import", source, "--json", *words, **more).out)

    def ids(self) -> list[str]:
        return [image["id"] for image in json.loads(self.ok("list", "--json").out)]

    def root(self, image: str = "it") -> Path:
        """The image's root, as seen from outside of the namespace."""
        name = os.readlink(self.store / "names" / image)
        return self.store / "entries" / name.removeprefix("../entries/") / "root"

    def entries(self) -> list[str]:
        return sorted(os.listdir(self.store / "entries")) if self.store.exists() else []

    def remnants(self) -> list[str]:
        if not self.store.exists():
            return []
        return sorted(set(os.listdir(self.store)) - {"lock", "names", "entries"})

    def nothing_left(self) -> None:
        assert self.ids() == []
        assert self.remnants() == [] and self.entries() == []
        assert sorted(os.listdir(self.images)) == [".store"]

    def untouched(self) -> None:
        assert snapshot(self.outside) == self.before


def snapshot(root: Path, skip: Callable[[os.stat_result], bool] = lambda st: False) -> dict:
    """All there is to know of a tree, by path."""
    found, links = {}, {}

    def look(path: Path, name: str) -> None:
        st = path.lstat()
        if skip(st):
            return
        content = None
        if stat.S_ISREG(st.st_mode):
            content = links.setdefault((st.st_dev, st.st_ino), name) if st.st_nlink > 1 else None
            if content in (None, name):
                content = hashlib.sha256(path.read_bytes()).hexdigest()
        elif stat.S_ISLNK(st.st_mode):
            content = os.readlink(path)
        attributes = {key: os.getxattr(path, key, follow_symlinks=False)
                      for key in os.listxattr(path, follow_symlinks=False)}
        found[name] = (oct(st.st_mode), st.st_uid, st.st_gid, st.st_mtime_ns, content, attributes,
                       st.st_size if stat.S_ISREG(st.st_mode) else 0)
        if stat.S_ISDIR(st.st_mode):
            for child in sorted(os.listdir(path)):
                look(path / child, f"{name}/{child}")

    look(root, ".")
    return found


def is_device(st: os.stat_result) -> bool:
    return stat.S_ISCHR(st.st_mode) or stat.S_ISBLK(st.st_mode)


@pytest.fixture(scope="module")
def boxes(pytestconfig: pytest.Config) -> Iterator[Callable[[str], Box]]:
    made: dict[str, Box] = {}

    def get(where: str) -> Box:
        if where not in made:
            made[where] = Box(Path(pytestconfig.getoption("--berth-build")).resolve(), where)
        made[where].clear()
        return made[where]

    yield get
    for box in made.values():
        box.close()


@pytest.fixture
def box(boxes: Callable[[str], Box]) -> Iterator[Box]:
    box = boxes(quick_directory())
    yield box
    box.untouched()


@pytest.fixture
def disk(boxes: Callable[[str], Box]) -> Iterator[Box]:
    """The same on a disk, for what a tmpfs cannot show."""
    box = boxes("/var/tmp")
    yield box
    box.untouched()


# -- archives --


def entry(name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", **more) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mtime, info.mode = kind, len(content), 1000000000, 0o755 if kind == b"5" else 0o644
    for key, value in more.items():
        setattr(info, key, value)
    return info, content


def file(name: str, content: bytes = b"x", **more):
    return entry(name, content=content, **more)


def directory(name: str, **more):
    return entry(name, tarfile.DIRTYPE, **more)


def link(name: str, target: str, **more):
    return entry(name, tarfile.SYMTYPE, linkname=target, **more)


def hard(name: str, target: str, **more):
    return entry(name, tarfile.LNKTYPE, linkname=target, **more)


def archive(*entries, form: int = tarfile.GNU_FORMAT) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=form) as tar:
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content))
    return data.getvalue()


class Layout:
    """An OCI image layout, right in all its parts until one is changed."""

    def __init__(self, path: Path):
        self.path = path
        (path / "blobs" / "sha256").mkdir(parents=True)
        (path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')

    def blob(self, data: bytes | dict | list) -> dict:
        if not isinstance(data, bytes):
            data = json.dumps(data).encode()
        digest = hashlib.sha256(data).hexdigest()
        self.file(digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    def file(self, digest: str) -> Path:
        return self.path / "blobs" / "sha256" / digest.removeprefix("sha256:")

    def layer(self, data: bytes, compress: bool = True) -> tuple[dict, str]:
        packed = zlib.compressobj(wbits=31)
        blob = self.blob(packed.compress(data) + packed.flush() if compress else data)
        kind = "application/vnd.oci.image.layer.v1.tar" + ("+gzip" if compress else "")
        return {"mediaType": kind, **blob}, f"sha256:{hashlib.sha256(data).hexdigest()}"

    def image(self, *layers: bytes, config: dict | None = None, architecture: str = ARCHITECTURE,
              change: Callable[[dict], None] = lambda manifest: None) -> dict:
        """Adds an image, and returns the descriptor of its manifest."""
        made = [self.layer(data) for data in layers]
        about = {"architecture": architecture, "os": "linux", "created": "2024-01-02T03:04:05Z",
                 "rootfs": {"type": "layers", "diff_ids": [diff for _, diff in made]}, "config": config or {}}
        manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **self.blob(about)},
                    "layers": [descriptor for descriptor, _ in made]}
        change(manifest)
        return {"mediaType": manifest["mediaType"], **self.blob(manifest)}

    def index(self, *manifests: dict) -> Path:
        (self.path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": list(manifests)}))
        return self.path


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "layout")


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


# -- what is kept --


GOOD = (
    directory("./", mode=0o750, uid=7, gid=8),
    directory("usr/bin", mtime=1234567890),
    file("usr/bin/su", b"set-uid", mode=0o4755),
    file("usr/bin/wall", b"set-gid", mode=0o2755, gid=5),
    file("empty", b"", uid=4000000000),
    link("bin", "usr/bin"),
    link("abs", "/etc/passwd", uid=3),
    hard("usr/bin/sudo", "usr/bin/su"),
    entry("fifo", tarfile.FIFOTYPE, mode=0o622),
    directory("var/empty/deep", mode=0o555),
    file("var/empty/deep/file", b"in a directory that is read-only"),
)


def test_a_tar_archive_becomes_the_tree_that_it_says(box: Box, tmp_path: Path):
    source = write(tmp_path / "it.tar", archive(*GOOD))
    result = box.load(source)
    assert result["id"] == "it" and result["tags"] == [] and result["entries"] == len(GOOD)
    assert result["skipped"] == {"devices": 0, "sockets": 0, "attributes": 0} and result["replaced"] is False
    found = snapshot(box.root())
    assert found["."][:3] == ("0o40750", 7, 8)
    assert found["./usr/bin"][3] == 1234567890 * 10**9
    assert found["./usr/bin/su"][0] == "0o104755" and found["./usr/bin/wall"][:3] == ("0o102755", 0, 5)
    assert found["./usr/bin/sudo"][4] == found["./usr/bin/su"][4] or "./usr/bin/su" in (
        found["./usr/bin/sudo"][4], found["./usr/bin/su"][4])
    assert (box.root() / "usr/bin/su").stat().st_nlink == 2
    assert found["./empty"][1] == 4000000000
    assert found["./bin"][4] == "usr/bin" and found["./abs"][4] == "/etc/passwd" and found["./abs"][1] == 3
    assert found["./fifo"][0] == "0o10622"
    assert found["./var"][:4] == ("0o40755", 0, 0, 0), "a directory without an entry"
    assert found["./var/empty/deep"][3] == 10**18 and found["./var/empty/deep"][0] == "0o40555"
    assert set(name[3] for path, name in found.items() if path not in (".", "./usr", "./var", "./var/empty", "./usr/bin")
               ) == {10**18}
    assert stat.S_IMODE(box.store.stat().st_mode) == 0o700
    config = json.loads((box.root().parent / "config.json").read_text())
    assert config["digest"] == result["digest"] and config["created"].endswith("Z")
    assert box.ok("verify", "it").out == ""
    assert box.remnants() == []


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_odd_names_are_kept_as_they_are(box: Box, form: int):
    names = ["a\nb", "a\x1b[31mb", "%n%s%2e", "\\x41", " blank ", "é", "\udcff\udcfe", "-rf", "..a", "...", "a:b,c=d\\", "._x"]
    data = archive(*[file(f"d/{name}") for name in names], link("l\n", "t\n\x1b\udcff"), form=form)
    box.load("-", "--name=it", input=data, stdin=None)
    assert sorted(os.listdir(box.root() / "d")) == sorted(names)
    assert os.readlink(box.root() / "l\n") == "t\n\x1b\udcff"
    assert box.ok("verify", "it").err == ""


def test_long_names_and_large_numbers(box: Box):
    deep = "/".join(["d" * 200] * 20)
    data = archive(file(f"{deep}/" + "f" * 60), file("f" * 255), file("z", mtime=2**33), file("y", mtime=-5),
                   file("x", uid=2**32 - 2, gid=2**32 - 2))
    box.load("-", "--name=it", input=data, stdin=None)
    assert len(os.listdir(box.root())) == 5
    assert (box.root() / "y").stat().st_mtime == -5 and (box.root() / "x").stat().st_uid == 2**32 - 2


def test_a_later_entry_replaces_an_earlier_one(box: Box):
    data = archive(file("a", b"1"), file("a", b"22"), link("b", "a"), file("b", b"3"), directory("c"), file("c/d"),
                   file("c", b"4"), link("d", "/etc"), directory("d"), file("d/x"), hard("h", "a"), hard("h", "h"),
                   file("h", b"5"))
    box.load("-", "--name=it", input=data, stdin=None)
    root = box.root()
    assert {path: (root / path).read_bytes() for path in ("a", "b", "c", "d/x", "h")} == {
        "a": b"22", "b": b"3", "c": b"4", "d/x": b"x", "h": b"5"}
    assert not (root / "d").is_symlink()


def test_attributes(box: Box, tmp_path: Path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "f").write_text("f")
    os.setxattr(source / "f", "user.kept", b"\0\xffvalue")
    os.setxattr(source / "f", "user.overlay.opaque", b"y")
    os.setxattr(source / "f", "trusted.other", b"t")
    capability = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
    os.setxattr(source / "f", "security.capability", capability)
    os.setxattr(source, "user.root", b"r")
    access = attributes.acl("u:rw-", "U5:r--", "g:r--", "G99:rw-", "m:rw-", "o:---")
    os.setxattr(source / "f", attributes.ACCESS, access)
    wanted = {"user.kept": b"\0\xffvalue", "security.capability": capability, attributes.ACCESS: access}
    result = box.load(source, "--name=it")
    assert result["skipped"]["attributes"] in (1, 2), "the sandbox does not even see trusted.*"
    assert snapshot(box.root())["./f"][5] == wanted and snapshot(box.root())["."][5] == {"user.root": b"r"}
    tar = tmp_path / "it.tar"
    subprocess.run(["tar", "--xattrs", "--xattrs-include=*", "--format=pax", "-C", source, "-cf", tar, "."], check=True)
    assert box.load(tar)["digest"] == result["digest"]
    assert snapshot(box.root())["./f"][5] == wanted


def test_access_lists(box: Box, tmp_path: Path):
    """As tar has them: by number, else they mean nobody."""
    def listed(name: str, access: str):
        return file(name, mode=0o660, pax_headers={"SCHILY.acl.access": access})

    data = archive(listed("number", "user::rw-,user:5:rwx,group::r--,mask::rw-,other::---"),
                   listed("both", "user::rw-,user:alice:rwx:5,group::r--,group:staff:r--:50,mask::rw-,other::---"),
                   listed("name", "user::rw-,user:alice:rwx,group::r--,mask::rw-,other::---"),
                   file("plain"), form=tarfile.PAX_FORMAT)
    done = box.ok("import", "-", "--name=it", "--json", input=data, stdin=None)
    assert done.err == ("standard input: 'name': its access list names users without their numbers (tar has --numeric-owner); "
                        "these lines are left out, and all others with them\n")
    tree = snapshot(box.root())
    assert [tree[f"./{name}"][5] for name in ("number", "both", "name", "plain")] == [
        {attributes.ACCESS: attributes.acl("u:rw-", "U5:rwx", "g:r--", "m:rw-", "o:---")},
        {attributes.ACCESS: attributes.acl("u:rw-", "U5:rwx", "g:r--", "G50:r--", "m:rw-", "o:---")},
        {attributes.ACCESS: attributes.acl("u:rw-", "g:r--", "m:rw-", "o:---")}, {}]
    box.ok("verify", "it")


def test_directories_give_nothing_to_what_is_in_them(box: Box):
    """A default access list holds for what a container makes there, not for what its image has."""
    data = archive(entry("d", tarfile.DIRTYPE, mode=0o755,
                         pax_headers={"SCHILY.acl.default": "user::rwx,user:5:rwx,group::r-x,mask::rwx,other::---"}),
                   file("d/f"), directory("d/d"), entry("d/fifo", tarfile.FIFOTYPE, mode=0o640), form=tarfile.PAX_FORMAT)
    box.load("-", "--name=it", input=data, stdin=None)
    tree = snapshot(box.root())
    assert list(tree["./d"][5]) == [attributes.DEFAULT]
    assert [tree[f"./d/{name}"][5] for name in ("f", "d", "fifo")] == [{}, {}, {}]
    assert tree["./d/fifo"][0] == oct(stat.S_IFIFO | 0o640)


@pytest.mark.parametrize("where", ["box", "disk"])
def test_holes_stay_holes(request: pytest.FixtureRequest, where: str, tmp_path: Path):
    box = request.getfixturevalue(where)
    source = tmp_path / "source"
    source.mkdir()
    with open(source / "sparse", "wb") as f:
        f.seek(100 * 1024 * 1024)
        f.write(b"end")
        f.truncate(200 * 1024 * 1024)
    tar = tmp_path / "it.tar"
    subprocess.run(["tar", "--sparse", "--format=pax", "-C", source, "-cf", tar, "."], check=True)
    digests = set()
    for path in (source, tar):
        digests.add(box.load(path, "--name=it")["digest"])
        found = (box.root() / "sparse").stat()
        assert found.st_size == 200 * 1024 * 1024 and found.st_blocks < 1000
    assert len(digests) == 1


def test_devices_and_sockets_are_left_out(box: Box, tmp_path: Path):
    data = archive(directory("dev"), entry("dev/null", tarfile.CHRTYPE, devmajor=1, devminor=3),
                   entry("dev/sda", tarfile.BLKTYPE, devmajor=8), file("f"))
    done = box.ok("import", "-", "--name=it", "--json", input=data, stdin=None)
    assert json.loads(done.out)["skipped"]["devices"] == 2
    assert done.err == "standard input: 'dev/null': a device, left out, and all others with it\n"
    assert os.listdir(box.root() / "dev") == []
    source = tmp_path / "source"
    source.mkdir()
    import socket
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(source / "socket"))
        (source / "f").write_text("f")
        assert box.load(source, "--name=it")["skipped"]["sockets"] == 1
    assert os.listdir(box.root()) == ["f"]


# -- hostile archives --


def refused(box: Box, data: bytes, message: str, *options: str) -> None:
    """The import fails with exactly this, leaves nothing, and has touched nothing."""
    done = box.call("import", "-", "--name=it", *options, input=data, stdin=None)
    assert done.err == f"standard input: {message}\n"
    assert done.returncode == 1 and done.out == ""
    box.untouched()
    box.nothing_left()


def hostile(outside: Path) -> dict[str, tuple[bytes, str]]:
    out = str(outside)
    return {
        "a link, then a file through it": (
            archive(link("l", out), file("l/canary", b"!")),
            "'l/canary': leads through 'l', a symbolic link, refused"),
        "a link to above, then a file through it": (
            archive(directory("d"), link("d/l", "../../../../../../../../../.." + out), file("d/l/new", b"!")),
            "'d/l/new': leads through 'd/l', a symbolic link, refused"),
        "a link inside, then a file through it": (
            archive(directory("d"), link("l", "d"), file("l/new")),
            "'l/new': leads through 'l', a symbolic link, refused"),
        "a link in the place of a directory": (
            archive(directory("d"), file("d/f"), link("d", out), file("d/canary", b"!")),
            "'d/canary': leads through 'd', a symbolic link, refused"),
        "a directory made through a link": (
            archive(link("l", out), directory("l/new/directory")),
            "'l/new/directory': leads through 'l', a symbolic link, refused"),
        "a file as a directory": (
            archive(file("f"), file("f/g")), "'f/g': leads through 'f', which is no directory, refused"),
        "a FIFO as a directory": (
            archive(entry("f", tarfile.FIFOTYPE), file("f/g/h")),
            "'f/g/h': leads through 'f', which is no directory, refused"),
        "a hard link to a link, then a write": (
            archive(link("l", f"{out}/canary"), hard("h", "l"), file("h", b"!")),
            "'h': a hard link to 'l', which is no regular file, refused"),
        "a hard link through a link": (
            archive(link("l", out), hard("h", "l/canary")),
            "'h': a hard link to 'l/canary', which leads through 'l', a symbolic link, refused"),
        "a hard link out": (
            archive(hard("h", f"{out}/canary")),
            f"'h': a hard link to '{out[1:]}/canary', which is not there, refused"),
        "a hard link above": (
            archive(hard("h", f"../../../../../../../../..{out}/canary")),
            f"'h': a hard link to '../../../../../../../../..{out}/canary', a name with '..' in it, refused"),
        "a hard link to a directory": (
            archive(directory("d"), hard("h", "d")), "'h': a hard link to 'd', which is no regular file, refused"),
        "a hard link to the root": (
            archive(file("a"), hard("h", ".")), "'h': a hard link to '.', which is no regular file, refused"),
        "a hard link in the root's place": (
            archive(file("a"), hard(".", "a")), "'.': the root itself, and no directory, refused"),
        "a hard link to a device": (
            archive(file("a"), entry("d", tarfile.FIFOTYPE), hard("h", "d")),
            "'h': a hard link to 'd', which is no regular file, refused"),
        "the root as a link": (
            archive(link(".", out), file("canary", b"!")), "'.': the root itself, and no directory, refused"),
        "the root as a link, by another name": (
            archive(link("./.", out), file("canary", b"!")), "'./.': the root itself, and no directory, refused"),
        "the root as a file": (archive(file(".")), "'.': the root itself, and no directory, refused"),
        "above": (archive(file("../escaped")), "'../escaped': a name with '..' in it, refused"),
        "above, in the middle": (archive(file("a/../../b")), "'a/../../b': a name with '..' in it, refused"),
        "above, at the end": (archive(directory("a/..")), "'a/../': a name with '..' in it, refused"),
        "two slashes": (archive(file("//etc/passwd")), "'//etc/passwd': an absolute name, refused"),
        "a part too long": (archive(file("a" * 256)), f"'{'a' * 204}...': a part of the name is over 255 bytes, refused"),
        "too long": (archive(file("/".join(["a" * 250] * 17))),
                     f"'{'a' * 204}...': the name is over 4095 bytes, refused"),
        "too deep": (archive(directory("/".join(["d"] * 513))),
                     f"'{('d/' * 102)}...': over 512 directories deep, refused"),
        "a name that speaks to the terminal": (
            archive(file("../\x1b]0;title\x07\n<2>forged")),
            "'../\\x1b]0;title\\x07\\x0a<2>forged': a name with '..' in it, refused"),
        "an owner that is none": (archive(file("f", uid=2**32 - 1)), "'f': an owner that is no user id, refused"),
        "an owner beyond": (archive(file("f", gid=2**40)), "'f': an owner that is no user id, refused"),
        "a negative owner": (archive(file("f", uid=-1)), "'f': an owner that is no user id, refused"),
        "nothing": (archive(), "there is nothing in it"),
        "no archive": (b"what is this?" * 1000, "cannot read it as tar (plain or compressed by gzip, zstd or xz): Unrecognized archive format"),
    }


@pytest.mark.parametrize("case", hostile(Path("/x")))
def test_hostile_archives_are_refused(box: Box, case: str):
    data, message = hostile(box.outside)[case]
    refused(box, data, message)


def test_one_slash_in_front_is_dropped(box: Box):
    box.load("-", "--name=it", input=archive(file("/etc/passwd"), hard("/etc/shadow", "/etc/passwd"), file("./a"),
                                             file(".//b//c/./d")), stdin=None)
    assert sorted(name for name in snapshot(box.root())) == [
        ".", "./a", "./b", "./b/c", "./b/c/d", "./etc", "./etc/passwd", "./etc/shadow"]


def test_more_entries_than_the_limit(box: Box):
    out = io.BytesIO()
    one = archive(file("f", b""))[:512]
    header = bytearray(one)
    for i in range(1000000):  # quicker than a million of tarfile's
        name = b"%07d" % i
        header[:8] = name + b"\0"
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        out.write(header)
        if i == 20000:
            break
    out.write(bytes(1024))
    refused(box, out.getvalue(), "more than 10000 entries, refused (--max-entries=)", "--max-entries=10000")
    assert box.load("-", "--name=it", "--max-entries=20001", input=out.getvalue(), stdin=None)["entries"] == 20001


@pytest.mark.long
def test_a_million_entries(box: Box, tmp_path: Path):
    header = bytearray(archive(file("f", b""))[:512])
    with open(tmp_path / "it.tar", "wb") as out:
        for i in range(1000000):
            header[:12] = b"%03d/%07d\0" % (i // 10000, i)
            header[148:156] = b" " * 8
            header[148:156] = b"%06o\0 " % sum(header)
            out.write(header)
        out.write(bytes(1024))
    assert box.load(tmp_path / "it.tar", timeout=600)["entries"] == 1000000
    box.ok("verify", "it", timeout=600)
    box.ok("remove", "it", timeout=600)


def test_bombs(box: Box):
    refused(box, archive(file("f", b"x" * 2000)), "more than 1999 bytes unpacked, refused (--max-size=)", "--max-size=1999")
    # a sparse file of 8 EiB of nothing: its size counts, not its blocks
    info, _ = entry("s")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "s",
                        "GNU.sparse.realsize": str(2**62)}
    info.size = 512
    refused(box, archive((info, b"0\n".ljust(512, b"\0")), form=tarfile.PAX_FORMAT),
            "more than 68719476736 bytes unpacked, refused (--max-size=)")
    # a header that promises more than there is
    data = bytearray(archive(file("f", b"x")))
    data[124:136] = b"77777777777\0"
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    refused(box, bytes(data), "more than 1048576 bytes unpacked, refused (--max-size=)", "--max-size=1M")
    # a gigabyte of zeros behind the end, in a few kilobytes
    packed = zlib.compressobj(9, wbits=31)
    bomb = packed.compress(archive(file("f")))
    for _ in range(200):
        bomb += packed.compress(bytes(1 << 20))
    bomb += packed.flush()
    refused(box, bomb, "far more bytes unpacked than its files may have, refused (--max-size=)", "--max-size=1M")
    # gzip in gzip
    twice = zlib.compressobj(wbits=31)
    data = twice.compress(bomb) + twice.flush()
    refused(box, data, "compressed more than once, refused")


def test_archives_that_are_cut_off(box: Box):
    whole = archive(*[file(f"f{i}", os.urandom(3000)) for i in range(20)])
    packed = zlib.compressobj(wbits=31)
    gzip = packed.compress(whole) + packed.flush()
    refused(box, gzip[:len(gzip) // 2], "cannot unpack: truncated gzip input")
    refused(box, gzip[:-4], "cannot unpack: it is damaged or cut off")
    refused(box, whole[:6000], "cannot read on: Truncated tar archive")
    refused(box, whole[:3584 + 100], "cannot read it as tar: Truncated tar archive")
    # at the border of an entry libarchive takes it for whole
    refused(box, whole[:512 + 3072], "does not end as a tar archive does; it is cut off or damaged")
    damaged = bytearray(gzip)
    damaged[len(gzip) // 2] ^= 0xff
    done = box.call("import", "-", "--name=it", input=bytes(damaged), stdin=None)
    assert done.returncode == 1 and done.err.count("\n") == 1, "deflate finds out late, tar perhaps sooner"
    for n in range(0, len(whole), 1777):
        assert box.call("import", "-", "--name=it", input=whole[:n], stdin=None).returncode == 1
    zstd = subprocess.run(["zstd", "-qc"], input=whole, stdout=subprocess.PIPE, check=True).stdout
    xz = subprocess.run(["xz", "-c"], input=whole, stdout=subprocess.PIPE, check=True).stdout
    for packed, message in ((zstd, "Truncated zstd input"), (xz, "Lzma library error:  No progress is possible")):
        refused(box, packed[:len(packed) // 2], f"cannot unpack: {message}")
        for n in (1, 4, 10):
            assert box.call("import", "-", "--name=it", input=packed[:-n], stdin=None).returncode == 1
    # several in a row are one
    halves = zlib.compressobj(wbits=31)
    several = halves.compress(whole[:5000]) + halves.flush()
    halves = zlib.compressobj(wbits=31)
    several += halves.compress(whole[5000:]) + halves.flush()
    box.nothing_left()
    assert box.load("-", "--name=it", input=several, stdin=None)["entries"] == 20
    two = b"".join(subprocess.run(["zstd", "-qc"], input=half, stdout=subprocess.PIPE, check=True).stdout
                   for half in (whole[:5000], whole[5000:]))
    assert box.load("-", "--name=it", input=two, stdin=None)["entries"] == 20


def test_random_damage_is_survived(box: Box):
    """Whatever is wrong with the bytes: an image or an error, never a crash."""
    rng = random.Random(4)
    base = archive(*GOOD, form=tarfile.PAX_FORMAT)
    for _ in range(150):
        data = bytearray(base)
        for _ in range(rng.choice((1, 3, 30))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        done = box.call("import", "-", "--name=it", input=bytes(data), stdin=None)
        assert done.returncode in (0, 1), done.err
        assert "signal" not in done.err
        if done.returncode == 0:
            box.ok("verify", "it")
    assert box.remnants() == []


# -- OCI images --


def test_layers_are_laid_over_each_other(box: Box, layout: Layout):
    one = archive(directory("etc"), file("etc/keep"), file("etc/gone"), directory("etc/dir"), file("etc/dir/old"),
                  directory("opaque"), file("opaque/old"), directory("opaque/sub"), file("opaque/sub/old"),
                  file("changed", b"1"), link("link", "etc"), directory("both"), file("both/one"),
                  file("hard"), directory("late"), file("late/old"))
    two = archive(file(".wh.nothing", b""), directory("etc"), file("etc/.wh.gone", b""), file("etc/.wh.dir", b""),
                  directory("opaque", mode=0o700), file("opaque/.wh..wh..opq", b""), file("opaque/new"),
                  file("changed", b"22"), directory("both"), file("both/two"), directory("link"), file("link/in"),
                  hard("harder", "hard"),
                  # the whiteout comes after what the same layer made: that stays
                  file("late/new"), directory("late/sub"), file("late/sub/new"), file("late/.wh..wh..opq", b""),
                  file("etc/dir/new"), file(".wh..wh.aufs", b""))
    three = archive(file("etc/dir/.wh.new", b""), file(".wh.changed", b""))
    config = {"User": "www", "Env": ["A=b", "PATH=/bin"], "Cmd": ["nginx", "-g", "é"], "StopSignal": "SIGQUIT"}
    manifest = layout.image(one, two, three, config=config)
    result = box.load(layout.index(manifest), "--name=it")
    assert result["digest"] == manifest["digest"]
    assert sorted(snapshot(box.root())) == sorted([
        ".", "./both", "./both/one", "./both/two", "./etc", "./etc/dir", "./etc/keep", "./hard", "./harder",
        "./late", "./late/new", "./late/sub", "./late/sub/new", "./link", "./link/in", "./opaque", "./opaque/new"])
    assert stat.S_IMODE((box.root() / "opaque").stat().st_mode) == 0o700
    about = json.loads(box.ok("inspect", "it", "--json").out)
    assert about["config"]["config"] == config and about["config"]["digest"] == manifest["digest"]
    assert about["created"] == "2024-01-02T03:04:05Z"
    box.ok("verify", "it")


def test_whiteouts_of_the_first_layer_and_of_a_plain_archive_mean_nothing(box: Box, layout: Layout):
    data = archive(file("a"), file(".wh.a", b""), file("b/.wh..wh..opq", b""))
    box.load(layout.index(layout.image(data)), "--name=it")
    assert sorted(snapshot(box.root())) == [".", "./a"]
    box.load("-", "--name=it", input=data, stdin=None)
    assert sorted(snapshot(box.root())) == [".", "./.wh.a", "./a", "./b", "./b/.wh..wh..opq"]


@pytest.mark.parametrize("entries,message", [
    ([file("l/.wh..wh..opq", b"")], "'l/.wh..wh..opq': leads through 'l', a symbolic link, refused"),
    ([file("l/.wh.canary", b"")], "'l/.wh.canary': leads through 'l', a symbolic link, refused"),
    ([file("l/directory/.wh..wh..opq", b"")], "'l/directory/.wh..wh..opq': leads through 'l', a symbolic link, refused"),
    ([file(".wh...", b"")], "'.wh...': a whiteout of nothing, of '.' or of '..', refused"),
    ([file("d/.wh...", b"")], "'d/.wh...': a whiteout of nothing, of '.' or of '..', refused"),
    ([file(".wh..", b"")], "'.wh..': a whiteout of nothing, of '.' or of '..', refused"),
    ([file(".wh.", b"")], "'.wh.': a whiteout of nothing, of '.' or of '..', refused"),
    ([file(".wh.d/x", b"")], "'.wh.d/x': below a directory that is a whiteout, refused"),
    ([directory("d/.wh.e/f")], "'d/.wh.e/f': below a directory that is a whiteout, refused"),
    ([hard("h", "l/canary")], "'h': a hard link to 'l/canary', which leads through 'l', a symbolic link, refused"),
])
def test_hostile_layers_are_refused(box: Box, layout: Layout, entries: list, message: str):
    one = archive(link("l", str(box.outside)), directory("d"), file("d/f"))
    source = layout.index(layout.image(one, archive(*entries)))
    done = box.call("import", source, "--name=it")
    assert done.err == f"{source}: layer 2: {message}\n" and done.returncode == 1
    box.untouched()
    box.nothing_left()


def test_a_whiteout_removes_a_link_and_not_what_it_leads_to(box: Box, layout: Layout):
    one = archive(link("l", str(box.outside)), directory("d"), link("d/l", str(box.outside)), file("d/f"))
    box.load(layout.index(layout.image(one, archive(file(".wh.l", b""), file("d/.wh..wh..opq", b"")))), "--name=it")
    assert sorted(snapshot(box.root())) == [".", "./d"]


def wrong_layouts() -> dict[str, tuple[Callable[[Layout], None], str]]:
    def layers(layout: Layout) -> list[Path]:
        index = json.loads((layout.path / "index.json").read_text())
        manifest = json.loads(layout.file(index["manifests"][0]["digest"]).read_text())
        return [layout.file(layer["digest"]) for layer in manifest["layers"]]

    def missing(layout: Layout) -> None:
        layers(layout)[1].unlink()

    def damaged(layout: Layout) -> None:
        path = layers(layout)[1]
        data = bytearray(path.read_bytes())
        data[9] ^= 1  # of gzip's header: it unpacks to the same
        path.write_bytes(data)

    def longer(layout: Layout) -> None:
        with open(layers(layout)[1], "ab") as f:
            f.write(b"more")

    def linked(layout: Layout) -> None:
        path = layers(layout)[1]
        path.rename(layout.path.parent / "elsewhere")
        path.symlink_to(layout.path.parent / "elsewhere")

    def fifo(layout: Layout) -> None:
        path = layers(layout)[1]
        path.unlink()
        os.mkfifo(path)

    def changed(change: Callable[[dict], None]) -> Callable[[Layout], None]:
        def do(layout: Layout) -> None:
            layout.index(layout.image(archive(file("a")), archive(file("b")), change=change))
        return do

    def index(**members: object) -> Callable[[Layout], None]:
        def do(layout: Layout) -> None:
            path = layout.path / "index.json"
            path.write_text(json.dumps(json.loads(path.read_text()) | members))
        return do

    def swap_diffs(layout: Layout) -> None:
        """The blobs are right, but not what the configuration says of them."""
        two = [layout.layer(archive(file(name))) for name in "ab"]
        about = {"os": "linux", "architecture": ARCHITECTURE,
                 "rootfs": {"type": "layers", "diff_ids": [two[1][1], two[0][1]]}}
        manifest = {"schemaVersion": 2, "layers": [two[0][0], two[1][0]],
                    "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **layout.blob(about)}}
        layout.index({"mediaType": "application/vnd.oci.image.manifest.v1+json", **layout.blob(manifest)})

    def text(data: bytes) -> Callable[[Layout], None]:
        def do(layout: Layout) -> None:
            (layout.path / "index.json").write_bytes(data)
        return do

    return {
        "a layer that is missing": (missing, r"LAYOUT: blob sha256:[0-9a-f]{64} is missing"),
        "a layer that is damaged": (damaged, r"LAYOUT: layer 2: its blob has the digest sha256:[0-9a-f]{64}"),
        "a layer that is too long": (longer, r"LAYOUT: blob sha256:[0-9a-f]{64} is \d+ bytes, not the \d+ that it is to have"),
        "a layer that is a link out": (linked, r"LAYOUT: blob sha256:[0-9a-f]{64} is missing"),
        "a layer that is a FIFO": (fifo, r"LAYOUT: blob sha256:[0-9a-f]{64} cannot be opened: Invalid argument"),
        "layers that are others": (swap_diffs, r"LAYOUT: layer 1: what it unpacks to, against the image's configuration, "
                                               r"has the digest sha256:[0-9a-f]{64}"),
        "a digest that is a path": (changed(lambda m: m["layers"][0].update(digest="sha256:../../../../etc/passwd")),
                                    r"LAYOUT: 'sha256:../../../../etc/passwd' is no digest"),
        "a digest in capitals": (changed(lambda m: m["layers"][0].update(digest=m["layers"][0]["digest"].upper())),
                                 r"LAYOUT: 'SHA256:[0-9A-F]{64}' is no digest"),
        "another algorithm": (changed(lambda m: m["layers"][0].update(digest="sha512:" + "0" * 128)),
                              r"LAYOUT: digest 'sha512:0{128}' is not of sha256, which is all that is supported"),
        "no layers": (changed(lambda m: m.update(layers=[])), r"LAYOUT: an image without layers"),
        "a layer less": (changed(lambda m: m["layers"].pop()), r"LAYOUT: 1 layers, and 2 in its configuration"),
        "an artifact": (changed(lambda m: m["config"].update(mediaType="application/vnd.oci.empty.v1+json")),
                        r"LAYOUT: its config is of no container image: an artifact\?"),
        "an unknown layer": (changed(lambda m: m["layers"][1].update(mediaType="text/plain")),
                             r"LAYOUT: layer 2 is of no known media type"),
        "an encrypted layer": (
            changed(lambda m: m["layers"][1].update(mediaType=m["layers"][1]["mediaType"] + "+encrypted")),
            r"LAYOUT: layer 2 is of no known media type"),
        "a negative size": (changed(lambda m: m["layers"][1].update(size=-1)),
                            r"LAYOUT: a descriptor without digest or size"),
        "a size that is text": (changed(lambda m: m["layers"][1].update(size="12")), r"LAYOUT: 'size' is not a number"),
        "both index and manifest": (changed(lambda m: m.update(manifests=[])),
                                    r"LAYOUT: both an index and a manifest, refused"),
        "schema 1": (changed(lambda m: m.update(schemaVersion=1)), r"LAYOUT: schemaVersion is not 2"),
        "an empty index": (index(manifests=[]), rf"LAYOUT: holds nothing that fits linux/{ARCHITECTURE}: it is empty"),
        "an index of numbers": (index(manifests=[1]), r"LAYOUT: a descriptor is not an object"),
        "an index of too many": (index(manifests=[{}] * 5000), r"LAYOUT: more than 4096 'manifests', refused"),
        "no JSON": (text(b"{"), r"LAYOUT: not JSON: continue"),
        "JSON and more": (text(b'{"schemaVersion":2,"manifests":[]} x'), r"LAYOUT: not JSON: unexpected character"),
        "deep JSON": (text(b'{"a":' + b"[" * 5000), r"LAYOUT: not JSON: nesting too deep"),
        "a large index": (text(b" " * (4 << 20) + b"{}"), r"LAYOUT: over 4 MiB"),
    }


@pytest.mark.parametrize("case", wrong_layouts())
def test_wrong_layouts_are_refused(box: Box, layout: Layout, case: str):
    import re

    change, message = wrong_layouts()[case]
    layout.index(layout.image(archive(file("a")), archive(file("b"))))
    change(layout)
    done = box.call("import", f"oci:{layout.path}", "--name=it")
    assert re.fullmatch(message.replace("LAYOUT", re.escape(str(layout.path))) + "\n", done.err), done.err
    assert done.returncode == 1 and done.out == ""
    box.nothing_left()


def test_the_manifest_of_this_platform_is_chosen(box: Box, layout: Layout):
    other = "s390x" if ARCHITECTURE != "s390x" else "amd64"

    def platform(descriptor: dict, **more) -> dict:
        return descriptor | {"platform": {"os": "linux", "architecture": ARCHITECTURE} | more}

    mine = layout.image(archive(file("mine")))
    theirs = layout.image(archive(file("theirs")), architecture=other)
    attestation = layout.image(archive(file("attestation")))
    entries = [platform(theirs, architecture=other), platform(attestation, os="unknown", architecture="unknown"),
               platform(theirs, os="windows"), platform(mine)]
    # an index in the index, as registries have it
    nested = layout.blob({"schemaVersion": 2, "manifests": entries})
    box.load(layout.index({"mediaType": "application/vnd.oci.image.index.v1+json", **nested}), "--name=it")
    assert os.listdir(box.root()) == ["mine"]
    box.load(layout.index(*entries), "--name=it")
    assert os.listdir(box.root()) == ["mine"]
    source = layout.index(*entries[:3])
    done = box.call("import", source, "--name=other")
    assert done.returncode == 1
    assert done.err == (f"{source}: holds nothing that fits linux/{ARCHITECTURE}: linux/{other}, unknown/unknown, "
                        f"windows/{ARCHITECTURE}\n")


def test_layers_share_what_may_be_unpacked(box: Box, layout: Layout):
    """One blob of zeros, named as layer a hundred times."""
    data = archive(file("f")) + bytes(4 << 20)
    source = layout.index(layout.image(*[data] * 100))
    done = box.call("import", source, "--name=it", "--max-size=1M")
    assert done.returncode == 1
    assert done.err.endswith("far more bytes unpacked than its files may have, refused (--max-size=)\n")
    box.nothing_left()


def test_one_of_several_images_is_named(box: Box, layout: Layout):
    key = "org.opencontainers.image.ref.name"
    one = layout.image(archive(file("one"))) | {"annotations": {key: "app:1"}}
    two = layout.image(archive(file("two"))) | {"annotations": {key: "app:2"}}
    source = layout.index(one, two)
    done = box.call("import", source, "--name=it")
    assert done.returncode == 1
    assert done.err == (f"{source}: holds 2 images that fit: app:1, app:2; say which by its tag, as in "
                        "oci:DIR:TAG\n")
    assert box.load(f"oci:{source}:app:2")["id"] == "layout"
    assert os.listdir(box.root("layout")) == ["two"]
    assert box.call("import", f"oci:{source}:app:3").returncode == 1


def test_an_index_that_leads_to_itself_ends(box: Box, layout: Layout):
    kind = "application/vnd.oci.image.index.v1+json"
    inner = layout.image(archive(file("f")))
    for _ in range(6):
        inner = {"mediaType": kind, **layout.blob({"schemaVersion": 2, "manifests": [inner]})}
    done = box.call("import", layout.index(inner), "--name=it")
    assert done.returncode == 1 and done.err == f"{layout.path}: index in index in index, refused\n"


def test_a_configuration_that_no_container_could_start_with_is_refused(box: Box, layout: Layout):
    source = layout.index(layout.image(archive(file("f")), config={"Cmd": "not an array"}))
    done = box.call("import", source, "--name=it")
    assert done.returncode == 1
    first, second = done.err.splitlines()
    assert first == "its configuration: member 'Cmd' is not an array of strings"
    assert second == f"{source}: no container could start from an image that says this of itself"
    box.nothing_left()


def pack(path: Path, mode: str = "w") -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=mode) as tar:
        for name in sorted(os.listdir(path)):
            tar.add(path / name, name)
    return data.getvalue()


def test_an_oci_archive_is_recognised(box: Box, layout: Layout):
    manifest = layout.image(archive(file("f")), config={"Cmd": ["f"]})
    source = layout.index(manifest)
    for mode in ("w", "w:gz"):
        result = box.load("-", "--name=it", input=pack(source, mode), stdin=None)
        assert result["digest"] == manifest["digest"] and os.listdir(box.root()) == ["f"]
    # a root that has such files at its top is a root all the same
    (source / "etc").mkdir()
    box.load("-", "--name=it", input=pack(source), stdin=None)
    assert "index.json" in os.listdir(box.root())


def docker_archive(tmp_path: Path, *layers: bytes, name: str | None = None, tags: tuple[str, ...] = ("app:1",),
                   change: Callable[[dict], None] = lambda manifest: None) -> Path:
    path = tmp_path / "docker"
    path.mkdir(exist_ok=True)
    about = {"os": "linux", "architecture": ARCHITECTURE, "config": {"Cmd": ["app"]},
             "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(data).hexdigest() for data in layers]}}
    text = json.dumps(about).encode()
    config = name or f"{hashlib.sha256(text).hexdigest()}.json"
    write(path / config, text)
    for number, data in enumerate(layers):
        (path / f"{number}").mkdir(exist_ok=True)
        write(path / f"{number}" / "layer.tar", data)
    manifest = {"Config": config, "RepoTags": list(tags), "Layers": [f"{number}/layer.tar" for number in range(len(layers))]}
    change(manifest)
    write(path / "manifest.json", json.dumps([manifest]).encode())
    return path


def test_a_docker_archive_is_recognised(box: Box, tmp_path: Path):
    path = docker_archive(tmp_path, archive(file("one")), archive(file("two"), file(".wh.one", b"")))
    digest = "sha256:" + next(config.stem for config in path.glob("*.json") if config.name != "manifest.json")
    result = box.load("-", "--name=it", input=pack(path), stdin=None)
    assert result["digest"] == digest and os.listdir(box.root()) == ["two"]
    # as older versions of docker wrote a layer that is there already
    (path / "1" / "layer.tar").unlink()
    (path / "1" / "layer.tar").symlink_to("../0/layer.tar")
    done = box.call("import", "-", "--name=it", input=pack(path), stdin=None)
    assert done.returncode == 1 and "layer 2: what it unpacks to, against the image's configuration," in done.err
    box.load(write(tmp_path / "docker.tar", pack(docker_archive(tmp_path / ".", archive(file("x"))))), "--name=it")
    assert os.listdir(box.root()) == ["x"]
    assert box.call("import", f"docker-archive:{tmp_path}/docker.tar:app:2", "--name=it").err == (
        f"{tmp_path}/docker.tar: holds no image tagged app:2\n")
    box.load(f"docker-archive:{tmp_path}/docker.tar:app:1", "--name=it")


@pytest.mark.parametrize("change,message", [
    (lambda m: m.update(Layers=["../../../../../../../../etc/hostname"]), "No such file or directory"),
    (lambda m: m.update(Layers=["/etc/hostname"]), "No such file or directory"),
    (lambda m: m.update(Layers=["link"]), "No such file or directory"),
    (lambda m: m.update(Config="link"), "No such file or directory"),
    (lambda m: m.update(Layers=[]), "an image without layers"),
    (lambda m: m.update(Layers=["0/layer.tar"] * 600), "more than 512 layers, refused"),
    (lambda m: m.update(Layers=[None]), "'Layers' is not an array of strings"),
    (lambda m: m.update(Config="manifest.json"), "configuration 'manifest.json' is not named by its digest"),
    (lambda m: m.update(Config="0" * 64 + ".json"), "No such file or directory"),
])
def test_hostile_docker_archives_are_refused(box: Box, tmp_path: Path, change, message: str):
    path = docker_archive(tmp_path, archive(file("one")), change=change)
    (path / "link").symlink_to(box.outside / "canary")
    done = box.call("import", "-", "--name=it", input=pack(path), stdin=None)
    assert done.returncode == 1 and done.err.endswith(f"{message}\n"), done.err
    box.nothing_left()


# -- the store --


def test_an_import_replaces_what_an_import_made(box: Box):
    first = box.load("-", "--name=it", input=archive(file("one")), stdin=None)
    old = box.root()
    second = box.load("-", "--name=it", input=archive(file("two")), stdin=None)
    assert second["replaced"] is True and first["digest"] != second["digest"]
    assert os.listdir(box.root()) == ["two"] and os.listdir(old) == ["one"], "a container may run from it"
    assert box.ids() == ["it"]
    assert box.ok("prune").err == "", "too young: a container may be about to start from it"
    assert old.exists()
    assert json.loads(box.ok("prune", "--all", "--json").out) == [old.parent.name]
    assert not old.exists() and box.root().exists()
    # the same once more: another entry of the same digest
    box.load("-", "--name=it", input=archive(file("two")), stdin=None)
    assert len(box.entries()) == 2 and box.ids() == ["it"]


def test_names_and_tags(box: Box, tmp_path: Path):
    source = write(tmp_path / "Nginx_1.27.tar.GZ", archive(file("f")))
    source = source.rename(tmp_path / "Nginx_1.27.tar")
    assert box.load(source, "--tag=nginx", "--tag=nginx-stable", "--tag=nginx") | {"duration_ms": 0} == {
        "id": "nginx_1.27", "tags": ["nginx", "nginx-stable"], "digest": box.load(source)["digest"], "entries": 1,
        "size": 1, "skipped": {"devices": 0, "sockets": 0, "attributes": 0}, "replaced": False, "duration_ms": 0}
    assert box.ids() == ["nginx", "nginx-stable", "nginx_1.27"]
    box.ok("remove", "nginx_1.27")
    assert len(box.entries()) == 1 and box.ids() == ["nginx", "nginx-stable"]
    for name in ("nginx", "nginx-stable"):
        box.ok("verify", name)
        told = json.loads(box.ok("remove", name, "--json").stdout)
        assert told == {"id": name, "files_removed": name == "nginx-stable"}  # the other name had them still
    box.nothing_left()


@pytest.mark.parametrize("name", ["", "A", "a/b", "..", ".a", "-a", "a\n", "a" * 129, "a.json", "a.env", "a:b",
                                  "a%s", "a,lowerdir=/"])
def test_wrong_names_are_wrong_usage(box: Box, name: str):
    for option in ([f"--name={name}"], ["--name=good", f"--tag={name}"]):
        done = box.call("import", "-", *option, input=archive(file("f")), stdin=None)
        assert done.returncode == 2 and "cannot be an image's ID" in done.err and done.err.count("\n") == 1
    assert not box.images.exists()


def test_wrong_usage(box: Box):
    for words, message in (
            ([], "image needs a verb, see berth image --help"),
            (["imprt"], "unknown verb 'image imprt' (did you mean 'import'?)"),
            (["import"], "image import needs SOURCE, see berth image import --help"),
            (["import", "a", "b"], "image import takes nothing but SOURCE: b"),
            (["import", "-"], "standard input: suggests no ID for the image; give it one: --name=ID"),
            (["import", "/srv/Ä.tar"], "/srv/\\xc3\\x84.tar: suggests no ID for the image; give it one: --name=ID"),
            (["import", "-", "--name=a", "--max-size=x"], "--max-size=x: not a number that it can be"),
            (["import", "-", "--name=a", "--max-size=8388608T"], "--max-size=8388608T: not a number that it can be"),
            (["import", "-", "--all"], "image import takes no --all"),
            (["list", "x"], "image list takes no operand: x"),
            (["list", "--jsn"], "unknown option '--jsn' (did you mean '--json'?)"),
            (["remove"], "image remove needs ID, see berth image remove --help")):
        done = box.call(*words)
        assert (done.returncode, done.err) == (2, f"{message}\n")
    assert not box.images.exists()


def test_no_such_image(box: Box):
    for verb in ("inspect", "verify", "remove"):
        for name in ("nothing", "../../etc", "a\nb", ".store"):
            done = box.call(verb, name)
            assert done.returncode == 3
            assert done.err == "image '%s': there is none, see berth image list\n" % name.replace("\n", "\\x0a")
    assert box.ok("list").out.split() == ["ID", "KIND", "DIGEST", "IMPORTED", "SIZE", "CONTAINERS"]
    assert box.ok("list", "--no-legend").out == "" and json.loads(box.ok("list", "--json").out) == []
    done = box.call("import", "/nowhere/it.tar")
    assert (done.returncode, done.err) == (1, "/nowhere/it.tar: cannot be opened: No such file or directory\n")
    box.nothing_left()


def test_what_was_put_there_by_hand_is_not_replaced(box: Box, tmp_path: Path):
    box.images.mkdir(mode=0o700)
    (box.images / "dir").mkdir()
    (box.images / "disk").write_text("disk")
    (box.images / "link").symlink_to(box.outside / "directory")
    (box.images / "meta.json").write_text("{}")
    data = archive(file("f"))
    for name, message in (
            ("dir", "image 'dir' is a directory that no import made; move it away, or: berth image remove dir"),
            ("disk", "image 'disk' is a disk image that no import made; move it away, or: berth image remove disk"),
            ("link", "image 'link' is a link that no import made (--force replaces it)"),
            ("meta", "'meta.json' is a file that no import made (--force replaces it)")):
        done = box.call("import", "-", f"--name={name}", input=data, stdin=None)
        assert (done.returncode, done.err) == (1, f"{message}\n")
    assert box.call("import", "-", "--name=dir", "--force", input=data, stdin=None).returncode == 1
    for name in ("link", "meta"):
        box.load("-", f"--name={name}", "--force", input=data, stdin=None)
        box.ok("verify", name)
    about = {image["id"]: image["kind"] for image in json.loads(box.ok("list", "--json").out)}
    assert about == {"dir": "directory", "disk": "disk", "link": "imported", "meta": "imported"}
    assert box.call("verify", "dir").err == "image 'dir': no import made it, there is nothing to compare it with\n"
    (box.images / "hand").symlink_to(box.outside / "directory")
    for name in ("dir", "disk", "link", "meta", "hand"):
        box.ok("remove", name)
    assert box.ids() == [] and box.entries() == []


def test_verify_names_what_differs(box: Box):
    box.load("-", "--name=it", input=archive(*GOOD), stdin=None)
    root = box.root()
    (root / "usr/bin/su").write_bytes(b"SET-UID")
    (root / "empty").chmod(0o600)
    (root / "new\x1b").write_text("new")
    (root / "fifo").unlink()
    (root / "bin").unlink()
    (root / "bin").symlink_to("/tmp")
    done = box.call("verify", "it")
    assert done.returncode == 1 and done.err == "image 'it': is not what was imported\n"
    assert sorted(line.split(" (")[0] for line in done.out.splitlines()) == sorted([
        "changed .", "changed ./bin", "changed ./empty", "missing ./fifo", "added ./new\\x1b", "changed ./usr/bin/su",
        "changed ./usr/bin/sudo"])
    assert "changed ./empty (mode)" in done.out
    assert json.loads(box.call("verify", "it", "--json").out) == {"id": "it", "differences": 7}
    # a listing that was changed to fit is told by the record
    listing = root.parent / "listing"
    listing.write_text(listing.read_text().replace(" ./empty", " ./other"))
    done = box.call("verify", "it")
    assert (done.returncode, done.err) == (1, "image 'it': its listing is damaged, import it anew\n")


def test_verify_counts_past_what_it_names(box: Box):
    box.load("-", "--name=it", input=archive(*[file(f"d/{i:03}") for i in range(50)]), stdin=None)
    shutil.rmtree(box.root() / "d")
    out = box.call("verify", "it").out.splitlines()
    assert len(out) == 21 and out[-1] == "and 32 more"


def test_a_directory_that_holds_the_store_is_refused(box: Box):
    for path in ("/", "/var/lib", "/var/lib/berth", "/var/lib/berth/images/.store"):
        done = box.call("import", path, "--name=it")
        assert (done.returncode, done.err) == (1, f"{path}: the image store is in it\n")
    box.load("-", "--name=it", input=archive(file("f")), stdin=None)
    assert box.load("/var/lib/berth/images/it", "--name=copy")["digest"] == json.loads(
        box.ok("inspect", "it", "--json").out)["digest"]


def test_a_registry_needs_skopeo(box: Box, tmp_path: Path, layout: Layout):
    done = box.call("import", "docker://example.com/nginx:1.27", wrapper=["env", "PATH=/nowhere"])
    assert done.returncode == 1
    assert done.err == ("docker://example.com/nginx:1.27: fetching it takes skopeo, which is not installed "
                        "(package skopeo)\n")
    box.nothing_left()
    # one that copies a layout, and says how it was called
    layout.index(layout.image(archive(file("f"))))
    tools = tmp_path / "tools"
    tools.mkdir()
    script = write(tools / "skopeo", b'#!/bin/sh\nprintf "%s\\n" "$@" >"' + str(tmp_path).encode() + b'/called"\n'
                   b'for last; do :; done\ntarget=${last#oci:}\ncp -r ' + str(layout.path).encode() +
                   b'/. "${target%:image}"\n')
    script.chmod(0o755)
    path = ["env", f"PATH={tools}:/usr/bin:/bin"]
    result = box.load("docker://example.com/Library/nginx:1.27@sha256:0", wrapper=path)
    assert result["id"] == "nginx" and os.listdir(box.root("nginx")) == ["f"]
    called = (tmp_path / "called").read_text().splitlines()
    assert called[:-1] == ["copy", "--override-os=linux", "--quiet", "--", "docker://example.com/Library/nginx:1.27@sha256:0"]
    script.write_bytes(b"#!/bin/sh\necho no such image >&2\nexit 1\n")
    done = box.call("import", "docker://nginx", wrapper=path)
    assert (done.returncode, done.err) == (1, "no such image\ndocker://nginx: skopeo could not fetch it\n")
    assert box.remnants() == []


def test_a_bar_on_a_terminal_and_silence_elsewhere(box: Box, tmp_path: Path):
    source = write(tmp_path / "it.tar", archive(entry("null", tarfile.CHRTYPE), *[file(f"f{i}", bytes(1 << 20))
                                                                                  for i in range(30)]))
    assert box.ok("import", source).out == ""
    done, said = on_a_terminal(lambda terminal: box.call("import", source, stderr=terminal))
    lines = said.replace("\r", "\n").replace("\x1b[K", "").split("\n")
    assert done.returncode == 0
    assert [line for line in lines if "% " in line and line.startswith(f"{source}: [") and " of 30.0M, " in line]
    assert f"{source}: 'null': a device, left out, and all others with it" in lines
    assert done.stdout.decode().startswith("it: sha256:") and done.stdout.endswith(b" s\n")


# -- in use --


@pytest.fixture
def container(disk: Box) -> Iterator[Callable[..., subprocess.Popen]]:
    """Runs a container of an image in the box's store, and returns when it runs."""
    busybox = Path("/bin/busybox")
    if not busybox.exists():
        pytest.skip("needs busybox-static")
    data = archive(directory("dev"), directory("proc"), directory("sys"), directory("etc"), directory("tmp"), directory("bin"),
                   file("bin/sleep", busybox.read_bytes(), mode=0o755))
    disk.load("-", "--name=sleeper", input=data, stdin=None)
    running: list[subprocess.Popen] = []

    def start(image: str = "sleeper", name: str = "sleeps") -> subprocess.Popen:
        group = cgroup2() / f"test-image-{name}-{disk.top.name}"
        group.mkdir()
        process = subprocess.Popen(
            [*disk.prefix(), disk.berth, "launch", "--foreground", f"--name={name}", f"--image={image}", "--network=none",
             "--", "/bin/sleep", "1000"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            preexec_fn=lambda: (group / "cgroup.procs").write_text("0"))
        process.group, process.name = group, name
        running.append(process)
        wait_for(lambda: process.poll() is not None or (disk.run_directory / "containers" / name / "state").exists())
        assert process.poll() is None, process.stdout.read().decode()
        return process

    yield start
    for process in running:
        stop(disk, process)


def stop(box: Box, process: subprocess.Popen) -> None:
    if not process.group.exists():
        return
    (process.group / "cgroup.kill").write_text("1")
    process.communicate(timeout=PATIENCE)
    wait_for(lambda: "populated 0" in (process.group / "cgroup.events").read_text())
    subprocess.run([*box.prefix(), box.berth, "cleanup", f"--name={process.name}"], check=False,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    remove_group(process.group)


@pytest.mark.parametrize("image", ["sleeper", "/var/lib/berth/images/sleeper"])
def test_an_image_in_use_is_not_removed(disk: Box, container, image: str):
    box = disk
    process = container(image)
    about = json.loads(box.ok("inspect", "sleeper", "--json").out)
    assert about["containers"] == ["sleeps"]
    done = box.call("remove", "sleeper")
    assert done.returncode == 1
    assert done.err.startswith("image 'sleeper': container 'sleeps' runs from it; stop that first")
    assert box.ids() == ["sleeper"]
    old = box.root("sleeper")

    # replaced: the old one stays for as long as the container runs, however it named the image
    box.load("-", "--name=sleeper", input=archive(file("new")), stdin=None)
    assert box.ok("prune", "--all").err == "" and old.exists()
    box.ok("remove", "sleeper", "--force")
    assert box.ids() == [] and old.exists()
    box.ok("prune", "--all")
    assert old.exists() and process.poll() is None
    stop(box, process)
    box.ok("prune", "--all")
    assert box.entries() == []


def test_a_mount_by_somebody_else_is_a_use_too(box: Box):
    box.load("-", "--name=it", input=archive(file("f")), stdin=None)
    old = box.root()
    other = subprocess.Popen(["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /mnt && echo up && exec sleep 1000', old],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        assert other.stdout.readline() == b"up\n"
        box.ok("remove", "it")
        box.ok("prune", "--all")
        assert old.exists() and box.ids() == []
    finally:
        other.kill()
        other.communicate()
    box.ok("prune", "--all")
    assert box.entries() == []


# -- killed at any moment --


def check_store(box: Box, allowed: set[str]) -> None:
    """An image that is one of the allowed versions and whole, with its own configuration, or none."""
    ids = box.ids()
    assert ids in (["it"], []), ids
    if ids:
        about = json.loads(box.ok("inspect", "it", "--json").out)
        assert about["digest"] in allowed and about["config"]["digest"] == about["digest"]
        box.ok("verify", "it")
    assert (ids == []) == ("" in allowed) or ids


TRACED = ("mkdirat", "openat", "flock", "renameat", "renameat2", "unlinkat", "symlinkat", "fsync", "syncfs", "utimensat",
          "fchmodat", "open_tree", "clone3", "pipe2", "poll", "waitid", "write", "close")


@pytest.mark.parametrize("before", [False, True], ids=["first", "replacing"])
@pytest.mark.parametrize("call", TRACED)
def test_killed_at_a_system_call(box: Box, tmp_path: Path, call: str, before: bool):
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    new = write(tmp_path / "it.tar", archive(*GOOD))
    digest = box.load(new, "--name=probe")["digest"]
    box.ok("remove", "probe")
    allowed = {digest}
    often = call in ("openat", "close", "write")
    for n in range(1, 100, 4 if often else 1):
        if not before:
            box.call("remove", "it")
            allowed = {digest, ""}
        elif n == 1:
            allowed.add(box.load("-", "--name=it", input=archive(file("old")), stdin=None)["digest"])
        done = box.call("import", new, wrapper=["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e",
                                                f"inject={call}:signal=KILL:when={n}"])
        check_store(box, allowed)
        if done.returncode == 0:
            break
        assert done.returncode in (-9, 137), done.err
        box.load(new)
        assert box.remnants() == []
        box.ok("prune", "--all")
        if before:
            box.load("-", "--name=it", input=archive(file("old")), stdin=None)
    else:
        assert often, "never came to an end"
    box.load(new)
    box.ok("prune", "--all")
    assert box.remnants() == [] and len(box.entries()) == 1
    check_store(box, {digest})


def test_killed_at_any_moment(box: Box, tmp_path: Path):
    rng = random.Random(1)
    source = write(tmp_path / "it.tar", archive(*[file(f"d{i % 40}/f{i}", os.urandom(4096)) for i in range(1500)]))
    started = time.monotonic()
    digest = box.load(source)["digest"]
    takes = time.monotonic() - started
    other = box.load("-", "--name=it", input=archive(file("old")), stdin=None)["digest"]
    for _ in range(60):
        process = subprocess.Popen([*box.prefix(), box.program, "image", "import", source], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0, takes * 1.1))
        process.send_signal(rng.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)))
        process.wait()
        check_store(box, {digest, other})
    # what it had forked dies with it, but not in the same moment
    wait_for(lambda: not [line for line in subprocess.run(["ps", "-eo", "args"], stdout=subprocess.PIPE, text=True,
                                                          check=True).stdout.splitlines() if str(source) in line])
    box.load(source)
    box.ok("prune", "--all")
    assert box.remnants() == [] and len(box.entries()) == 1


def test_interrupted_it_cleans_up_itself(box: Box):
    process = subprocess.Popen([*box.prefix(), box.program, "image", "import", "-", "--name=it"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(archive(file("f", b"x" * 100000))[:50000])
    process.stdin.flush()
    wait_for(lambda: list(box.store.glob("new-*/root.0/f")))
    # another import beside it leaves it alone
    box.load("-", "--name=other", input=archive(file("f")), stdin=None)
    assert len(box.remnants()) == 1
    box.ok("prune", "--all")
    assert len(box.remnants()) == 1
    process.send_signal(signal.SIGINT)
    process.wait(PATIENCE)  # before its input ends: that would be an error of its own
    out, err = process.communicate()
    assert (process.returncode, out, err) == (1, b"", b"interrupted; nothing is imported\n")
    assert box.remnants() == [] and box.ids() == ["other"]


def test_what_a_kill_left_goes_with_prune_and_with_clean(box: Box, pytestconfig: pytest.Config):
    for verb in ([box.program, "image", "prune"], [box.program.with_name("berth-manage"), "clean"]):
        process = subprocess.Popen([*box.prefix(), box.program, "image", "import", "-", "--name=it"], stdin=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: list(box.store.glob("new-*/root.0")))
        process.kill()
        process.communicate()
        assert len(box.remnants()) == 1
        subprocess.run([*box.prefix(), *verb], check=False, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert box.remnants() == []


def test_imports_of_one_name_at_once(box: Box):
    processes = []
    for i in range(8):
        process = subprocess.Popen([*box.prefix(), box.program, "image", "import", "-", "--name=it"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdin.write(archive(file(f"f{i}")))
        process.stdin.close()
        process.stdin = None
        processes.append(process)
    for process in processes:
        assert process.communicate(timeout=2 * PATIENCE) == (b"", b"") and process.returncode == 0
    box.ok("verify", "it")
    box.ok("prune", "--all")
    assert len(box.entries()) == 1 and box.remnants() == []


def test_a_full_disk_leaves_nothing(box: Box):
    size = "4M"
    script = (f'mount -t tmpfs -o size={size},mode=755 tmpfs /var/lib/berth && "$0" image import - --name=it; rc=$?; '
              'find /var/lib/berth -path "*new-*"; "$0" image list --no-legend; exit $rc')
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script, box.program], check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, input=archive(file("f", os.urandom(8 << 20))))
    assert done.returncode == 1 and done.stdout == b""
    assert done.stderr == b"standard input: 'f': cannot write: No space left on device\n"


# -- the sandbox --


def reads_on(pid: int) -> bool:
    """Has a process taken all that it was sent, and waits for more?"""
    return "pipe_read" in Path(f"/proc/{pid}/wchan").read_text()


def test_what_unpacks_has_no_rights_and_no_files(box: Box):
    process = subprocess.Popen([*box.prefix(), box.program, "image", "import", "-", "--name=it"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        process.stdin.write(archive(file("f", b"x" * 100000))[:50000])
        process.stdin.flush()
        parent = process.pid
        wait_for(lambda: list(box.store.glob("new-*/root.0/f")))
        (child,) = [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
        wait_for(lambda: reads_on(child))
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{child}/status").read_text().splitlines())
        if status["Seccomp"] == "0":
            pytest.skip("built without the sandbox, for sanitizers")
        # CHOWN DAC_OVERRIDE FOWNER FSETID SETFCAP
        wanted = "%016x" % (1 << 0 | 1 << 1 | 1 << 3 | 1 << 4 | 1 << 31)
        assert [status[key] for key in ("CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb")] == [wanted] * 3 + ["0" * 16] * 2
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2" and len(status["NSpid"].split()) > 1
        for name in ("mnt", "net", "ipc", "uts", "cgroup", "pid"):
            assert os.readlink(f"/proc/{child}/ns/{name}") != os.readlink(f"/proc/{parent}/ns/{name}")
        assert os.listdir(f"/proc/{child}/root") == []
        mounts = Path(f"/proc/{child}/mountinfo").read_text().splitlines()
        assert len(mounts) == 1 and " ro," in mounts[0]
        names = {fd: os.readlink(f"/proc/{child}/fd/{fd}") for fd in os.listdir(f"/proc/{child}/fd")}
        # 0 to 2; source, listing, config, two directories, result; what is just being written, and its directory
        assert len(names) == 11, names
        assert not [name for name in names.values() if name.endswith("lock")]
    finally:
        process.kill()
        process.communicate()


# -- the real thing --


@pytest.fixture(scope="module")
def nginx(progress: roots.Progress, pytestconfig: pytest.Config) -> Path:
    return roots.get("nginx", pytestconfig.getoption("--debian"), progress)


def without_devices(tree: dict) -> dict:
    return {path: about[:3] + about[4:] if path in ("./dev",) else about for path, about in tree.items()}


def test_a_whole_debian(box: Box, nginx: Path, tmp_path: Path, layout: Layout):
    wanted = snapshot(nginx, skip=is_device)
    digests = {"directory": box.load(nginx, "--name=it")["digest"]}
    assert snapshot(box.root()) == wanted
    tar = tmp_path / "it.tar"
    subprocess.run(["tar", "--xattrs", "--xattrs-include=*", "--format=pax", "--numeric-owner", "-C", nginx, "-cf", tar, "."],
                   check=True)
    for suffix, command in {"": None, ".gz": ["gzip", "-1kf"], ".zst": ["zstd", "-q", "-kf"],
                            ".xz": ["xz", "-0", "-T0", "-kf"]}.items():
        if command:
            subprocess.run([*command, tar], check=True)
        digests[suffix] = box.load(f"{tar}{suffix}")["digest"]
        assert snapshot(box.root()) == wanted
    with open(f"{tar}.zst", "rb") as stdin:
        digests["stdin"] = box.load("-", "--name=it", stdin=stdin)["digest"]
    assert len(set(digests.values())) == 1, digests
    box.ok("verify", "it")

    # and as layers: all of it, then a part of it changed
    manifest = layout.image(tar.read_bytes(), archive(file("etc/.wh.nginx", b""), file("etc/nginx/new")),
                            config={"Cmd": ["/usr/sbin/nginx"]})
    assert box.load(layout.index(manifest), "--name=it")["digest"] == manifest["digest"]
    assert os.listdir(box.root() / "etc/nginx") == ["new"]
    found = snapshot(box.root())
    assert {path: about for path, about in found.items() if not path.startswith("./etc/nginx")} == {
        path: about for path, about in wanted.items() if not path.startswith("./etc/nginx")}
    box.ok("verify", "it")
    box.ok("prune", "--all")
