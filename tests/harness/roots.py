"""Debian root directories, made once with mmdebstrap and kept.

`machine` is what the private systemd runs from; the others are images for the
containers in it. They are plain directories whose files have the numeric owners
they have in a distribution (root is 0), because that is what an idmapped mount of
an image needs to find.

The apt sources are those of the machine the tests run on: whoever has a working
`apt-get` has working tests, mirrors and proxies included, and no host name stands
in this repository.

    python3 roots.py [--suite=SUITE] [NAME...]      builds and prints their paths
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator

#: Part of every cache key. Raise it when what is done to a root changes.
RECIPE_VERSION = 1

DEFAULT_SUITE = "bookworm"

Progress = Callable[[str], None]


class RootError(Exception):
    """A root could not be made; the message says what mmdebstrap said."""


@dataclass(frozen=True)
class Recipe:
    """What one root is made of."""

    #: Package names, or "NAME:SUITE,SUITE" for what only these suites have.
    packages: tuple[str, ...]
    #: mmdebstrap's variant: "essential" has no apt in it, which images never need.
    variant: str = "essential"
    #: Shell, run with the root as $1 before the packages are configured.
    before_configure: str = ""
    #: Shell, run with the root as $1 when everything is in place. (mmdebstrap's own hook for
    #: that is not run for what is only unpacked.)
    after: str = ""


# A cluster made while the package is installed would be an initialised database
# inside the image, made by a postgres that ran on the build machine. What a test
# needs is the opposite: an empty directory that the container initialises.
_NO_CLUSTER = """
mkdir -p "$1/etc/postgresql-common"
echo 'create_main_cluster = false' >"$1/etc/postgresql-common/createcluster.conf"
"""

_OWN_DATA_DIRECTORY = """
install -d -m 0700 "$1/var/lib/postgresql"
chroot "$1" chown postgres:postgres /var/lib/postgresql
"""

RECIPES: dict[str, Recipe] = {
    "machine": Recipe(
        packages=(
            "systemd", "systemd-sysv", "systemd-container", "dbus", "polkitd",
            "libpam-systemd",
            # what Berth links with or runs
            "libsystemd0", "libmount1", "libseccomp2", "libiniparser1:bookworm",
            "libiniparser4:trixie", "libnftnl11", "libmnl0", "libjson-c5",
            "libarchive13:bookworm", "libarchive13t64:trixie", "libssl3:bookworm",
            "libssl3t64:trixie", "e2fsprogs", "dnsmasq-base",
            # what tests look with
            "iproute2", "nftables", "procps", "util-linux", "mount", "bsdutils",
            "strace", "socat", "python3", "attr", "libcap2-bin", "kmod", "less",
        ),
    ),
    "base": Recipe(
        packages=("bash", "coreutils", "procps", "util-linux", "python3-minimal",
                  "iproute2", "libcap2-bin", "socat"),
    ),
    "nginx": Recipe(packages=("nginx-light:bookworm", "nginx:trixie")),
    # Only unpacked: a kernel needs no root to be installed in to be started by an emulator.
    "kernel": Recipe(
        packages=("linux-image-cloud-amd64",),
        variant="extract",
        after="""
            # newer suites have it in usr/lib, and the link to there is in another package
            [ -e "$1/lib/modules" ] || { mkdir -p "$1/lib"; ln -s ../usr/lib/modules "$1/lib/modules"; }
            for version in "$1"/lib/modules/*; do depmod -b "$1" "${version##*/}"; done
        """,
    ),
    "redis": Recipe(packages=("redis-server",)),
    # No container runs from it: what tests of a whole machine make file systems and profiles with.
    "tools": Recipe(packages=("xfsprogs", "btrfs-progs", "erofs-utils", "squashfs-tools", "e2fsprogs",
                              "apparmor")),
    "postgresql": Recipe(
        packages=("postgresql",),
        before_configure=_NO_CLUSTER,
        after=_OWN_DATA_DIRECTORY,
    ),
}

# Nothing that runs reads these, and they are most of a small root.
_UNNEEDED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*",
             "/usr/share/locale/*", "/usr/share/lintian/*")


def cache_directory() -> Path:
    """Where roots are kept. It must be on a file system that can be idmapped."""
    path = Path(os.environ.get("BERTH_TEST_CACHE") or "/var/cache/berth-tests")
    path.mkdir(parents=True, exist_ok=True)
    # Overlay options and mount tables give these characters a meaning of their own.
    if re.search(r"[,:\\\s]", str(path)):
        raise RootError(f"BERTH_TEST_CACHE={path}: no comma, colon, backslash or space, please")
    return path


def say(line: str) -> None:
    """The default progress: a line on stderr."""
    print(line, file=sys.stderr, flush=True)


def get(name: str, suite: str = DEFAULT_SUITE, progress: Progress = say) -> Path:
    """The directory of root `name`, built now if it is not there yet.

    Never write into it: every test of every run shares it."""
    recipe = RECIPES[name]
    packages = _packages(recipe, suite)
    tag = key(RECIPE_VERSION, name, suite, packages, recipe.variant,
               recipe.before_configure, recipe.after, _UNNEEDED)
    return cached(f"{name}-{suite}-{tag}", f"{suite} root '{name}'",
                  lambda path: _build(path, recipe, suite, packages), progress)


def cached(entry: str, what: str, build: Callable[[Path], None], progress: Progress = say) -> Path:
    """The cache entry `entry`, made by `build(path)` when it is missing.

    It is built beside its place and renamed when whole, so that whoever is killed
    leaves no half of a root; and under a lock, so that of two test runs one waits."""
    directory = cache_directory()
    path = directory / entry
    if path.exists():
        return path
    with locked(directory / f".{entry}.lock"):
        if path.exists():
            return path
        for stale in directory.glob(f".{entry}.building.*"):
            _remove(stale)
        started = time.monotonic()
        progress(f"building {what} (once, kept in {directory})")
        building = Path(tempfile.mkdtemp(prefix=f".{entry}.building.", dir=directory))
        try:
            build(building / "it")
            (building / "it").rename(path)
        finally:
            _remove(building)
        progress(f"built {what} in {time.monotonic() - started:.0f} s")
    return path


def _build(path: Path, recipe: Recipe, suite: str, packages: list[str]) -> None:
    command = ["mmdebstrap", "--quiet", "--mode=root", "--format=directory",
               f"--variant={recipe.variant}", f"--include={','.join(packages)}",
               "--dpkgopt=force-unsafe-io",
               *(f"--dpkgopt=path-exclude={pattern}" for pattern in _UNNEEDED),
               '--aptopt=Apt::Install-Recommends "false"',
               *(f"--aptopt={line}" for line in _apt_options())]
    if recipe.before_configure:
        command.append(f"--extract-hook={recipe.before_configure}")
    command += [suite, str(path), "-"]
    done = subprocess.run(command, input=sources(suite), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={**os.environ, "LC_ALL": "C.UTF-8"})
    if done.returncode != 0:
        raise RootError(f"mmdebstrap exited {done.returncode}:\n{done.stdout}")
    if recipe.after:
        subprocess.run(["sh", "-euc", recipe.after, "sh", str(path)], check=True)
    for leftover in ("var/cache/apt", "var/lib/apt/lists", "var/cache/debconf", "var/log/apt"):
        _remove(path / leftover)
    # The machine fills these in; what the build machine had must not show through.
    for file in ("etc/hostname", "etc/resolv.conf", "etc/machine-id", "var/lib/dbus/machine-id"):
        (path / file).unlink(missing_ok=True)
    if recipe.variant != "extract":
        (path / "etc/machine-id").touch()


def sources(suite: str) -> str:
    """This machine's own apt sources for Debian, as lines for `suite`.

    Lists of other vendors are left out, so that a test root is the same Debian
    everywhere, whatever else a developer has installed."""
    lines = []
    for uri, found, components, signed_by in _apt_sources():
        # Archives end in /debian or /debian-security at every mirror.
        if uri.rstrip("/").rsplit("/", 1)[-1] not in ("debian", "debian-security"):
            continue
        part = re.fullmatch(r"([a-z]+|oldstable|stable)(-updates|-security)?", found)
        if not part or "main" not in components:
            continue
        option = f" [signed-by={signed_by}]" if signed_by else ""
        line = f"deb{option} {uri} {suite}{part[2] or ''} main"
        if line not in lines:
            lines.append(line)
    if not lines:
        raise RootError("no source of Debian's main in /etc/apt/sources.list*: "
                        "mmdebstrap has nowhere to take packages from")
    return "\n".join(lines) + "\n"


def _apt_sources() -> Iterator[tuple[str, str, list[str], str]]:
    """(URI, suite, components, signed-by) of each enabled binary source of this machine,
    from both of the formats apt reads."""
    files = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    for file in files:
        if not file.is_file():
            continue
        text = file.read_text(errors="replace")
        if file.suffix == ".sources":
            for stanza in re.split(r"\n\s*\n", text):
                # comments first: one may stand between two fields
                stanza = re.sub(r"^#.*\n?", "", stanza, flags=re.MULTILINE)
                fields = {key.lower(): value.split() for key, value in
                          re.findall(r"^([\w-]+):((?:.*\n?)(?:[ \t].*\n?)*)", stanza, re.MULTILINE)}
                if "deb" not in fields.get("types", []) or fields.get("enabled") == ["no"]:
                    continue
                key = fields.get("signed-by", [])
                signed_by = key[0] if len(key) == 1 and key[0].startswith("/") else ""
                for uri in fields.get("uris", []):
                    for suite in fields.get("suites", []):
                        yield uri, suite, fields.get("components", []), signed_by
        elif file.suffix == ".list":
            for line in text.splitlines():
                match = re.fullmatch(r"\s*deb\s+(?:\[([^]]*)\]\s*)?(\S+)\s+(\S+)\s+([^#]*)(#.*)?", line)
                if match:
                    option = re.search(r"signed-by=(\S+)", match[1] or "")
                    yield match[2], match[3], match[4].split(), option[1] if option else ""


def _apt_options() -> list[str]:
    """Proxies and the like: how this machine's apt reaches its sources."""
    dump = subprocess.run(["apt-config", "dump"], stdout=subprocess.PIPE, text=True, check=True).stdout
    wanted = re.compile(r"Acquire::(https?::[Pp]roxy|Check-Valid-Until|Check-Date|ForceIPv[46])\b")
    return [line.rstrip(";") for line in dump.splitlines() if wanted.match(line) and '""' not in line]


def _packages(recipe: Recipe, suite: str) -> list[str]:
    names = []
    for entry in recipe.packages:
        name, _, suites = entry.partition(":")
        if not suites or suite in suites.split(","):
            names.append(name)
    return names


def key(*parts: object) -> str:
    """A short name for whatever these are, for a cache entry."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Of all who do this with that path, one at a time."""
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _remove(path: Path) -> None:
    """Removes a tree or file, if it is there. A root of Debian can hold a mounted /proc
    when mmdebstrap was killed: never cross into another file system."""
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)
        return
    if any(line.split()[4].startswith(f"{path}/") for line in open("/proc/self/mountinfo")):
        raise RootError(f"{path}: something is mounted in it, unmount that first")
    shutil.rmtree(path)


def main() -> None:
    parser = argparse.ArgumentParser(description="Builds the Debian roots that the tests use.")
    parser.add_argument("--suite", default=DEFAULT_SUITE)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(RECIPES)} (all)")
    arguments = parser.parse_args()
    for name in arguments.names or RECIPES:
        if name not in RECIPES:
            parser.error(f"no root is called {name}")
        print(get(name, arguments.suite))


if __name__ == "__main__":
    main()
