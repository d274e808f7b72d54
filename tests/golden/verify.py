#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""systemd's own judgement of every golden unit: it must load without a word.

verify.py GOLDEN-DIRECTORY     (exit status 77: systemd-analyze or systemd's units are not here)"""

import pathlib
import shutil
import subprocess
import sys
import tempfile

UNITS = next((p for p in map(pathlib.Path, ["/usr/lib/systemd/system", "/lib/systemd/system"]) if p.is_dir()), None)

SUFFIXES = {".service", ".socket", ".timer", ".d"}

# What a case passes on on purpose that this version of systemd does not know.
EXPECTED = {"systemd-sections-pass-on": "Unknown key 'SomeNewDirective' in section [Service], ignoring."}


def stage(work):
    """A root with systemd's units and programs where those of the units go."""
    for program in ["usr/bin/berth", "usr/bin/true", "usr/bin/false", "usr/bin/systemd-nspawn", "bin/echo", "bin/true"]:
        (work / program).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2("/bin/true", work / program)
    shutil.copytree(UNITS, work / "usr/lib/systemd/system", symlinks=True)


def install(work, case):
    shutil.rmtree(work / "etc", ignore_errors=True)
    shutil.copytree(case / "expected", work / "etc/systemd/system", symlinks=True)


def name(unit):
    """What to ask for: of a template, an instance; of a directory of drop-ins, the unit."""
    if unit.suffix == ".d":
        return unit.stem
    return unit.stem + ("one" if unit.stem.endswith("@") else "") + unit.suffix


def main(golden):
    if not shutil.which("systemd-analyze") or not UNITS:
        print("skipped: systemd-analyze verify over golden units; systemd is not installed here")
        return 77
    count, failed = 0, 0
    with tempfile.TemporaryDirectory() as temporary:
        work = pathlib.Path(temporary)
        stage(work)
        for case in sorted(p.parent for p in pathlib.Path(golden).glob("*/expected")):
            install(work, case)
            for unit in sorted(p for p in (case / "expected").iterdir() if p.suffix in SUFFIXES):
                if unit.is_symlink() or (unit.suffix == ".d" and not (UNITS / "systemd-nspawn@.service").exists()):
                    continue
                count += 1
                done = subprocess.run(
                    ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", f"--root={work}", name(unit)],
                    capture_output=True, text=True, timeout=60)
                told = [line for line in done.stderr.splitlines() if EXPECTED.get(case.name, "\0") not in line]
                if told or (done.returncode != 0 and case.name not in EXPECTED):
                    failed += 1
                    print(f"FAIL {case.name}: {unit.name}", *told, sep="\n  ")
    print(f"{count} units, {failed} failed")
    return failed > 0 or count == 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
