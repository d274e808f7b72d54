#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What 1000 manifests cost at boot and at every daemon-reload: berth-generator beside "cp -r" of the same files, in
turns, on tmpfs. Prints milliseconds and the ratio; a budget, never a test.

generator.py GENERATOR [ROUNDS [QUADLET]]"""

import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

MANIFESTS = 1000
MANIFEST = """[Container]
Image=nginx
Exec=serve --port {0} --name "instance {0}"
Environment=NUMBER={0} "GREETING=hello there"
Volume=data{0}:/var/lib/data
[Limits]
Memory=256M
Tasks=100
[Install]
WantedBy=multi-user.target
"""
QUADLET = "[Container]\nImage=docker.io/nginx\nExec=serve --port {0}\nEnvironment=NUMBER={0}\n[Install]\nWantedBy=multi-user.target\n"


def milliseconds(command, **options):
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    return (time.perf_counter() - begin) * 1000


def fresh(path):
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    return path


def report(name, times, base):
    ratio = f"{min(times) / min(base):6.2f} {statistics.median(times) / statistics.median(base):6.2f}"
    print(f"{name:12} min {min(times):7.1f} ms  median {statistics.median(times):7.1f} ms  of cp -r: {ratio}")


def main(generator, rounds=20, quadlet=None):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as temporary:
        work = pathlib.Path(temporary)
        manifests, containers = fresh(work / "manifests"), fresh(work / "containers")
        for i in range(MANIFESTS):
            (manifests / f"service-{i}.berth").write_text(MANIFEST.format(i))
            (containers / f"service-{i}.container").write_text(QUADLET.format(i))
        times = {"cp -r": [], "generator": [], "quadlet": []}
        for _ in range(int(rounds)):
            out = fresh(work / "out")
            times["generator"].append(milliseconds([generator, f"--manifest-path={manifests}", out]))
            times["cp -r"].append(milliseconds(["cp", "-r", manifests, fresh(work / "copy")]))
            if quadlet:
                times["quadlet"].append(milliseconds([quadlet, "-no-kmsg-log", fresh(work / "out")],
                                                     env={"QUADLET_UNIT_DIRS": str(containers)}))
        assert quadlet or len(list(out.glob("*.service"))) == MANIFESTS
        print(f"{MANIFESTS} manifests, {rounds} rounds, ratios of the minima and of the medians")
        for name, measured in times.items():
            if measured:
                report(name, measured, times["cp -r"])


if __name__ == "__main__":
    main(*sys.argv[1:])
