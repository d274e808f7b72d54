#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Golden tests of "berth convert": files of Quadlet in, manifests out.

A case is a directory CASE/ whose name says what holds: CASE/in with files as podman has them, CASE/expected with the
manifests that come of them, CASE/told with the exit status and what was said. The conversion runs in a copy, whose
path is @DIR@ in what is compared. COUNT says how many of the files of all cases convert: wholly, partly, not. Then it runs again, which must change nothing and say what is in the way; with
--json, which must say the same; and every manifest must pass "berth check", but for keys that this version knows and
does not support yet.

    run.py [--update] BERTH-MANIFEST CASE..."""

import difflib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

NOT_YET = "not supported by this version of Berth"
#: What is said of keys that are to come, and so changes when they come.
PASSING = ("but this version of Berth does not support it yet", "refuses to start a container")


COUNT = pathlib.Path(__file__).with_name("COUNT")
#: Files of all cases, by what became of them.
COUNTED = {"wholly": 0, "partly": 0, "not": 0}


def lasting(text, directory):
    lines = text.replace(str(directory), "@DIR@").splitlines(keepends=True)
    return "".join(line for line in lines if not any(text in line for text in PASSING))


def run(tool, *arguments):
    environment = {"PATH": "/usr/bin:/bin"} | {k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}
    return subprocess.run([tool, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False)


def complain(text):
    print(" ", text)
    return False


def again(tool, work, manifests):
    """A second run finds the first one's manifests in its way, and leaves them alone."""
    before = {path.name: path.read_text() for path in manifests}
    done = run(tool, "convert", f"--output={work}/out", f"{work}/in")
    if before != {path.name: path.read_text() for path in manifests}:
        return complain("the second run changed a manifest")
    for name in before:
        if f"{work}/out/{name} is there already" not in done.stderr:
            return complain(f"the second run does not say that {name} is there")
    return done.returncode == 1 or not before or complain(f"the second run ended with {done.returncode}")


def as_json(tool, work, manifests, status):
    done = run(tool, "convert", "--json", f"{work}/in")
    told = json.loads(done.stdout)
    if done.returncode != status:
        return complain(f"--json: exit status {done.returncode}, not {status}")
    texts = {f"{file['name']}.berth": file["manifest"] for file in told["files"] if file["manifest"]}
    if texts != {path.name: path.read_text() for path in manifests}:
        return complain("--json has other manifests")
    for word in COUNTED:
        COUNTED[word] += told[word]
    lost = [file for file in told["files"] if any(finding["level"] != "note" for finding in file["findings"])]
    return told["partly"] + told["not"] == len(lost) or complain("--json counts wrong")


def passes(tool, work):
    """What was converted together is checked together: manifests may name each other."""
    done = run(tool, "check", "--json", f"--manifest-path={work}/out", f"--unit-path={work}/none")
    wrong = [f for f in json.loads(done.stdout)["findings"] if f["level"] == "error" and NOT_YET not in f["message"]]
    return not wrong or complain(f"berth check: {wrong}")


def check(case, tool, update):
    with tempfile.TemporaryDirectory() as temporary:
        work = pathlib.Path(temporary)
        shutil.copytree(case / "in", work / "in", symlinks=True)
        (work / "out").mkdir()
        done = run(tool, "convert", f"--output={work}/out", f"{work}/in")
        manifests = sorted((work / "out").iterdir())
        found = {path.name: lasting(path.read_text(), temporary) for path in manifests}
        told = lasting(f"exit status {done.returncode}\n{done.stderr}", temporary)
        good = (again(tool, work, manifests) & as_json(tool, work, manifests, done.returncode) & passes(tool, work))
    expected = case / "expected"
    if update:
        shutil.rmtree(expected, ignore_errors=True)
        for name, text in found.items():
            expected.mkdir(exist_ok=True)
            (expected / name).write_text(text)
        (case / "told").write_text(told)
        return good
    wanted = {path.name: path.read_text() for path in expected.iterdir()} if expected.exists() else {}
    wanted["told"], found["told"] = (case / "told").read_text(), told
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            good = False
            lines = [text.splitlines() for text in (wanted.get(name, ""), found.get(name, ""))]
            print(*difflib.unified_diff(*lines, f"{name}, expected", f"{name}, found", lineterm=""), sep="\n")
    return good


def main(arguments):
    update = arguments[0] == "--update"
    tool, *cases = arguments[1:] if update else arguments
    failed = 0
    for case in sorted(map(pathlib.Path, cases)):
        good = check(case, tool, update)
        failed += not good
        print("ok  " if good else "FAIL", case.name)
    text = f"{sum(COUNTED.values())} files: " + ", ".join(f"{n} {word}" for word, n in COUNTED.items()) + "\n"
    if cases[1:] and update:
        COUNT.write_text(text)
    elif cases[1:] and text != COUNT.read_text():
        failed += 1
        print(f"FAIL COUNT has {COUNT.read_text()}     but it is {text}", end="")
    print(f"{len(cases)} cases, {failed} failed; {text}", end="")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
