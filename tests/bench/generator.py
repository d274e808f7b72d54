#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What manifests cost at boot and at every daemon-reload: berth-generator beside "cp -r" of the same files and podman's
quadlet, in turns, on tmpfs. Wall time and processor time, minimum and median; system calls of a manifest; peak memory.
Figures to hold against the budgets of docs/decisions, never a test: the exit status says only whether it ran.

quadlet is that of Debian trixie's podman, fetched once into ${BERTH_TEST_CACHE:-/var/cache/berth-tests}. On a machine
that is busy, --fifo runs what is measured before everything else (it takes root)."""

import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

CACHE = pathlib.Path(os.environ.get("BERTH_TEST_CACHE") or "/var/cache/berth-tests")
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
QUADLET = """[Container]
Image=docker.io/nginx
Exec=serve --port {0} --name "instance {0}"
Environment=NUMBER={0} "GREETING=hello there"
Volume=data{0}:/var/lib/data
[Service]
MemoryMax=256M
TasksMax=100
[Install]
WantedBy=multi-user.target
"""
DROPIN = "[Service]\nNice=5\n"


def note(text):
    print(text, file=sys.stderr)


# --- podman's quadlet


def apt_of_trixie(work):
    """The environment of an apt that knows trixie and nothing else, from this machine's own sources."""
    sources = pathlib.Path("/etc/apt/sources.list.d/debian.sources").read_text()
    suite = next(s for s in pathlib.Path("/etc/os-release").read_text().splitlines() if s.startswith("VERSION_CODENAME="))
    (work / "parts").mkdir(parents=True)
    (work / "parts/debian.sources").write_text(sources.replace(suite.partition("=")[2].strip('"'), "trixie"))
    (work / "lists/partial").mkdir(parents=True)
    (work / "cache/archives/partial").mkdir(parents=True)
    (work / "apt.conf").write_text(
        f'Dir::Etc::sourcelist "/dev/null";\nDir::Etc::sourceparts "{work}/parts";\nDir::State "{work}";\n'
        f'Dir::State::lists "{work}/lists";\nDir::State::status "/dev/null";\nDir::Cache "{work}/cache";\n'
        'APT::Sandbox::User "root";\n')
    return os.environ | {"APT_CONFIG": str(work / "apt.conf")}


def fetch_quadlet():
    """The path of quadlet, or None where it cannot be had."""
    home = CACHE / "podman-trixie"
    quadlet = home / "usr/libexec/podman/quadlet"
    if quadlet.exists():
        return quadlet
    with tempfile.TemporaryDirectory() as temporary:
        work = pathlib.Path(temporary)
        try:
            environment = apt_of_trixie(work)
            for command in (["apt-get", "-q", "update"], ["apt-get", "-q", "download", "podman"]):
                subprocess.run(command, env=environment, cwd=work, check=True, capture_output=True, timeout=300)
            CACHE.mkdir(parents=True, exist_ok=True)
            fresh = pathlib.Path(tempfile.mkdtemp(dir=CACHE, prefix="podman-"))
            subprocess.run(["dpkg-deb", "-x", next(work.glob("podman_*.deb")), fresh], check=True)
            fresh.rename(home)
        except (OSError, StopIteration, subprocess.SubprocessError) as error:
            note(f"quadlet is left out: podman of Debian trixie cannot be fetched: {error}")
            return None
    return quadlet


# --- what is measured


class Bench:
    def __init__(self, arguments, work):
        self.generator, self.fifo, self.work = arguments.generator, arguments.fifo, work

    def fresh(self, name):
        path = self.work / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        return path

    def manifests(self, name, count, dropins=False):
        path = self.fresh(name)
        for i in range(count):
            (path / f"service-{i}.berth").write_text(MANIFEST.format(i))
            if dropins:
                (path / f"service-{i}.berth.d").mkdir()
                (path / f"service-{i}.berth.d/nice.conf").write_text(DROPIN)
        return path

    def containers(self, name, count, directories=False):
        path = self.fresh(name)
        for i in range(count):
            directory = path / f"app-{i}" if directories else path
            directory.mkdir(exist_ok=True)
            (directory / f"service-{i}.container").write_text(QUADLET.format(i))
        return path

    def run(self, command, environment):
        """Wall and processor time of one run, in milliseconds."""
        begin = time.perf_counter()
        pid = os.fork()
        if pid == 0:
            null = os.open("/dev/null", os.O_RDWR)
            for fd in (0, 1, 2):
                os.dup2(null, fd)
            if self.fifo:
                os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(5))
            os.execvpe(command[0], list(map(str, command)), os.environ | environment)
        _, status, usage = os.wait4(pid, 0)
        wall = time.perf_counter() - begin
        if status != 0:
            sys.exit(f"{command[0]} failed: {os.waitstatus_to_exitcode(status)}")
        return wall * 1000, (usage.ru_utime + usage.ru_stime) * 1000

    def turns(self, rounds, commands):
        """Runs each in turn; the figures of each by name."""
        times = {name: [] for name in commands}
        for _ in range(rounds):
            for name, (command, environment) in commands.items():
                out = self.fresh("out")
                times[name].append(self.run([*command, out], environment))
        return {name: {f"{kind}_{how.__name__}": round(how(column), 2)
                       for kind, column in zip(("wall", "cpu"), zip(*measured))
                       for how in (min, statistics.median)}
                for name, measured in times.items()}

    def generate(self, source):
        return [self.generator, f"--manifest-path={source}"], {}

    def peak_memory(self, source):
        """KiB of the largest process, or None. A small program has to start it, since Python's own memory counts."""
        if not shutil.which("time"):
            note("peak memory is left out: GNU time is not installed")
            return None
        command, _ = self.generate(source)
        done = subprocess.run([shutil.which("time"), "-f", "%M", *command, self.fresh("out")],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True)
        return int(done.stderr.split()[-1])

    def count_calls(self, source):
        log = self.work / "strace"
        command, _ = self.generate(source)
        subprocess.run(["strace", "-f", "-c", "-o", log, *command, self.fresh("out")], check=True)
        rows = re.findall(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$", log.read_text(), re.M)
        return {name: int(count) for count, name in rows if name != "total"}

    def calls_of_a_manifest(self, source, empty, count):
        """System calls by name: what a run makes more than one without manifests, divided by their number."""
        if not shutil.which("strace"):
            note("system calls are left out: strace is not installed")
            return None
        few, many = self.count_calls(empty), self.count_calls(source)
        calls = {name: round((n - few.get(name, 0)) / count, 2) for name, n in many.items()}
        return {name: n for name, n in sorted(calls.items(), key=lambda c: -c[1]) if n >= 0.1}


def measure(bench, arguments, quadlet):
    count, rounds = arguments.manifests, arguments.rounds
    flat, tenfold = bench.manifests("flat", count), bench.manifests("tenfold", 10 * count)
    dropins, empty = bench.manifests("dropins", count, dropins=True), bench.fresh("empty")

    def quadlet_of(source):
        return [quadlet, "-no-kmsg-log"], {"QUADLET_UNIT_DIRS": str(source)}

    containers = bench.containers("containers", count)
    apps = bench.containers("apps", count, directories=True)
    return {
        "manifests": count, "rounds": rounds, "cpus": len(os.sched_getaffinity(0)), "fifo": arguments.fifo,
        "none": bench.turns(rounds, {"generator": bench.generate(empty)}),
        "flat": bench.turns(rounds, {"cp -r": (["cp", "-r", flat], {}), "generator": bench.generate(flat)} |
                            ({"quadlet": quadlet_of(containers)} if quadlet else {})),
        "a directory each": bench.turns(rounds, {"cp -r": (["cp", "-r", dropins], {}), "generator": bench.generate(dropins)}),
        # which takes it seconds
        "quadlet, a directory each": bench.turns(3, {"quadlet": quadlet_of(apps)} if quadlet else {}),
        "ten times as many": bench.turns(max(3, rounds // 5), {
            "cp -r": (["cp", "-r", tenfold], {}), "generator": bench.generate(tenfold)}),
        "calls": bench.calls_of_a_manifest(flat, empty, count),
        "peak_kib": {str(n): bench.peak_memory(source) for n, source in ((count, flat), (10 * count, tenfold))},
    }


def show(result):
    print(f"{result['manifests']} manifests, {result['rounds']} rounds, {result['cpus']} CPUs; milliseconds, minimum "
          "and median; ratios of the generator's wall time")
    for layout in ("none", "flat", "a directory each", "quadlet, a directory each", "ten times as many"):
        print(f"{layout}:")
        rows = result[layout]
        for name, row in rows.items():
            ratio = ""
            if "generator" in rows and name != "generator":
                ratio = "  generator is " + " ".join(f"{rows['generator'][k] / row[k]:.2f}" for k in ("wall_min", "wall_median"))
            print(f"  {name:10} wall {row['wall_min']:7.1f} {row['wall_median']:7.1f}  "
                  f"cpu {row['cpu_min']:7.1f} {row['cpu_median']:7.1f}{ratio}")
    if result["calls"]:
        print(f"system calls of a manifest: {sum(result['calls'].values()):.1f}:",
              " ".join(f"{name} {n:g}" for name, n in result["calls"].items()))
    print("peak memory, KiB of the largest process:", result["peak_kib"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("generator", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--manifests", type=int, default=1000)
    parser.add_argument("--quadlet", type=pathlib.Path, help="the program, in the place of Debian trixie's")
    parser.add_argument("--no-quadlet", action="store_true")
    parser.add_argument("--fifo", action="store_true", help="run what is measured with real-time priority")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    arguments.generator = arguments.generator.resolve()
    quadlet = None if arguments.no_quadlet else arguments.quadlet or fetch_quadlet()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as temporary:
        result = measure(Bench(arguments, pathlib.Path(temporary)), arguments, quadlet)
    if arguments.json:
        print(json.dumps(result, indent=1))
    else:
        show(result)


if __name__ == "__main__":
    main()
