#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Golden tests of berth-generator: a directory of manifests in, a directory of units out.

A case is a directory CASE/ whose name says what holds. It is copied, CASE/setup (a shell script, if there is one)
makes in the copy what git cannot keep, the generator runs with --root=COPY, and what comes out must be
CASE/expected and CASE/stderr. It then runs again, into the same directory and into a fresh one, and nothing may
change. A file CASE/as-nobody has it run without privileges.

    run.py [--update] GENERATOR CASE..."""

import filecmp
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

NOBODY = 65534


def run(generator, root, out, nobody):
    out.mkdir()
    if nobody:
        os.chown(out, NOBODY, NOBODY)
    ids = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if nobody else {}
    command = [generator, f"--root={root}", out, out, out]
    # Nothing of the caller's: neither systemd's variables nor a locale may matter.
    environment = {"PATH": "/usr/bin:/bin"} | {k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}
    done = subprocess.run(command, env=environment, capture_output=True, timeout=60, **ids)
    if done.returncode != 0:
        print(f"  exit status {done.returncode}")
    return done.stderr, done.returncode


def same(a, b):
    """Do two directories hold the same? Prints the difference."""
    return subprocess.run(["diff", "-ru", "--no-dereference", a, b]).returncode == 0


def prepare(case, generator, work):
    shutil.copytree(case, work / "root", symlinks=True)
    (work / "root/expected").exists() and shutil.rmtree(work / "root/expected")
    copy = shutil.copy2(generator, work / "berth-generator")
    os.chmod(work, 0o755)
    setup = work / "root/setup"
    if setup.exists():
        subprocess.run(["sh", "-eu", setup.absolute()], cwd=work / "root", check=True)
    return copy


def check(case, generator, update):
    nobody = (case / "as-nobody").exists()
    if nobody and os.geteuid() != 0:
        print("  skipped: it takes root to become nobody")
        return True
    with tempfile.TemporaryDirectory() as temporary:
        work = pathlib.Path(temporary)
        copy = prepare(case, generator, work)
        stderr, status = run(copy, work / "root", work / "out", nobody)
        again, _ = run(copy, work / "root", work / "fresh", nobody)
        command = [copy, f"--root={work / 'root'}", work / "out"]  # one directory, and there is something in it
        if not nobody:
            subprocess.run(command, stderr=subprocess.DEVNULL, check=False)
        good = status == 0 and stderr == again and same(work / "out", work / "fresh")
        if update:
            shutil.rmtree(case / "expected", ignore_errors=True)
            shutil.copytree(work / "out", case / "expected", symlinks=True)
            (case / "stderr").write_bytes(stderr)
            return good
        (work / "stderr").write_bytes(stderr)
        expected = case / "expected"
        if not expected.exists():  # git keeps no empty directories
            expected = work / "empty"
            expected.mkdir()
        good = same(expected, work / "out") and good
        if not filecmp.cmp(case / "stderr", work / "stderr", shallow=False):
            subprocess.run(["diff", "-u", case / "stderr", work / "stderr"])
            good = False
        return good


def main(arguments):
    update = arguments[0] == "--update"
    generator, *cases = arguments[1:] if update else arguments
    failed = 0
    for case in sorted(map(pathlib.Path, cases)):
        good = check(case, pathlib.Path(generator), update)
        failed += not good
        print("ok  " if good else "FAIL", case.name)
    print(f"{len(cases)} cases, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
