"""Berth as `meson install` puts it into a root, to be laid over that of a machine."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from . import roots

#: Libraries that Berth is linked with here, and which the next Debian has under another name: they come along.
BORROWED = ("libiniparser.so.1",)


class InstallFailed(Exception):
    """What meson said."""


def install(build: str | Path, directory: str | Path, suite: str = roots.DEFAULT_SUITE) -> None:
    done = subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet", f"--destdir={directory}"],
                          text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise InstallFailed(f"meson install -C {build} failed:\n{done.stdout}")
    if suite == roots.DEFAULT_SUITE:
        return
    for name in BORROWED:
        for library in Path("/usr/lib").glob(f"*-linux-gnu/{name}"):
            place = Path(directory) / library.parent.relative_to("/")
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, place)
