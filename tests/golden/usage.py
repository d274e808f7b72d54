#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How berth-generator is called, and what it does with files that would block, act or never end.

usage.py GENERATOR"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

CASES = []


def case(function):
    CASES.append(function)
    return function


def run(generator, *arguments, **environment):
    # A FIFO or a device that is opened would hold it.
    return subprocess.run([generator, *arguments], capture_output=True, text=True, timeout=60,
                          env={"PATH": "/usr/bin:/bin"} | environment)


def manifests(work, **files):
    directory = work / "etc/berth"
    directory.mkdir(parents=True)
    (work / "out").mkdir()
    for name, text in files.items():
        (directory / f"{name}.berth").write_text(text)
    return directory


GOOD = "[Container]\nImage=a\n"


@case
def one_directory_and_three_make_the_same(generator, work):
    manifests(work, web=GOOD)
    for name in ("early", "late"):
        (work / name).mkdir()
    assert run(generator, f"--root={work}", work / "out").returncode == 0
    first = (work / "out/web.service").read_bytes()
    (work / "out/web.service").unlink()
    assert run(generator, f"--root={work}", work / "out", work / "early", work / "late").returncode == 0
    assert (work / "out/web.service").read_bytes() == first
    assert not list((work / "early").iterdir()) and not list((work / "late").iterdir())


@case
def in_an_initrd_nothing_is_done(generator, work):
    manifests(work, web=GOOD)
    assert run(generator, f"--root={work}", work / "out", SYSTEMD_IN_INITRD="1").returncode == 0
    assert not list((work / "out").iterdir())
    assert run(generator, f"--root={work}", work / "out", SYSTEMD_IN_INITRD="0").returncode == 0
    assert list((work / "out").iterdir())


@case
def wrong_usage_is_one_line_and_status_2(generator, work):
    for arguments in ([], ["--frobnicate", work], ["a", "b"], ["a", "b", "c", "d"]):
        # --root= keeps the lines of a test out of the kernel's log
        done = run(generator, f"--root={work}", *arguments)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, (arguments, done)


@case
def help_and_version_are_printed(generator, work):
    assert "--manifest-path=" in run(generator, "--help").stdout
    assert run(generator, "--version").stdout.startswith("berth-generator ")


@case
def a_missing_output_directory_is_status_1(generator, work):
    manifests(work, web=GOOD)
    done = run(generator, f"--root={work}", work / "absent")
    assert done.returncode == 1 and "absent" in done.stderr


@case
def devices_are_never_opened(generator, work):
    directory = manifests(work, web=GOOD)
    for name, target in {"zero": "/dev/zero", "tty": "/dev/tty", "random": "/dev/random", "self": "/proc/self/fd/0",
                         "dir": "/", "loop": "loop.berth", "kmsg": "/proc/kmsg"}.items():
        os.symlink(target, directory / f"{name}.berth")
    os.mkfifo(directory / "fifo.berth")
    done = run(generator, f"--manifest-path={directory}", "--unit-path=/nowhere", work / "out")
    assert done.returncode == 0, done
    units = {p.name for p in (work / "out").iterdir()}
    assert units == {f"{n}.service" for n in ("web", "zero", "tty", "random", "self", "dir", "loop", "kmsg", "fifo")}
    for unit in units - {"web.service"}:
        assert "/berth refuse " in (work / "out" / unit).read_text(), unit


@case
def a_unit_of_another_generator_is_not_overwritten(generator, work):
    manifests(work, web=GOOD, db=GOOD)
    (work / "out/web.service").write_text("[Service]\nExecStart=/bin/other\n")
    (work / "out/db.service").symlink_to("other.service")
    done = run(generator, f"--root={work}", work / "out")
    assert done.returncode == 1 and "Another generator" in done.stderr
    assert "other" in (work / "out/web.service").read_text()
    assert os.readlink(work / "out/db.service") == "other.service"
    assert sorted(os.listdir(work / "out")) == ["db.service", "web.service"]  # nothing temporary stays


@case
def links_of_targets_do_not_lead_out_of_the_directory(generator, work):
    manifests(work, web=GOOD + "[Install]\nWantedBy=a.target\n")
    (work / "elsewhere").mkdir()
    (work / "out/a.target.wants").symlink_to(work / "elsewhere")
    assert run(generator, f"--root={work}", work / "out").returncode == 1
    assert not list((work / "elsewhere").iterdir())


@case
def a_leftover_of_a_killed_run_is_no_obstacle(generator, work):
    manifests(work, web=GOOD)
    shell = f'touch "$1/.berth-generator-$$.tmp"; exec "$0" --root={work} "$1"'
    assert subprocess.run(["sh", "-c", shell, generator, work / "out"], timeout=60).returncode == 0
    assert os.listdir(work / "out") == ["web.service"]


@case
def workers_change_nothing(generator, work):
    """What several processes make is what one makes: bytes, messages in order, status."""
    texts = {f"s{i}": GOOD + f"[Install]\nWantedBy=t{i % 3}.target\n" for i in range(300)}
    for i in range(0, 300, 7):
        texts[f"s{i}"] = GOOD + "Imag=b\n"
    for i in range(1, 300, 11):  # aliases go to the first that asks, whoever is done first
        texts[f"s{i}"] = GOOD + f"[Install]\nAlias=alias{i % 4}.service\n"
    texts["berth-reserved"] = GOOD
    directory = manifests(work, **texts)
    (directory / "s2.berth").unlink()
    (directory / "s2.berth").symlink_to("/dev/null")
    (work / "out/s3.service").write_text("# of another generator\n")
    shutil.copytree(work / "out", work / "alone")
    many, one = (subprocess.run([*limit, generator, f"--root={work}", work / out], capture_output=True, timeout=60)
                 for limit, out in (((), "out"), (("taskset", "-c", str(min(os.sched_getaffinity(0)))), "alone")))
    assert many.returncode == one.returncode == 1
    assert many.stderr == one.stderr and many.stderr.count(b"\n") > 60
    assert subprocess.run(["diff", "-r", "--no-dereference", work / "out", work / "alone"]).returncode == 0


@case
def many_messages_are_bounded(generator, work):
    manifests(work, **{f"bad{i}": "x\n" * 100 for i in range(300)})
    done = run(generator, f"--root={work}", work / "out")
    lines = done.stderr.splitlines()
    assert len(lines) == 201 and "more messages are not shown" in lines[-1]
    assert all(len(line.encode()) < 1000 for line in lines)
    assert len(list((work / "out").iterdir())) == 300


def main(generator):
    for function in CASES:
        with tempfile.TemporaryDirectory() as temporary:
            function(generator, pathlib.Path(temporary))
        print("ok  ", function.__name__.replace("_", " "))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
