#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a launch and an exec cost, beside the kernel's own price (floor.c) and other tools, in turns in a private systemd.
Wall time, and processor time of all processes that took part; minimum and median. Figures to hold against the budgets,
never a test: the exit status says only whether it ran. What is not installed is named and left out.

    launch     /bin/true as PID 1 in namespaces of its own, the user's among them, on a read-only root
    default    the same as a manifest that says nothing has it: a writable layer, and an init
    host-root  as launch, but root inside is the host's root: PrivateUsers=no
    exec       /bin/true in a running container
    start      systemctl start of a contained program that waits, and of the same unit uncontained
    many       500 containers one by one and at once, what they take; 10 000 execs
    calls      system calls of these, by strace
    memory     what stays of Berth beside a command, from smaps_rollup

On a machine that is busy, --fifo runs what is measured before everything else. Needs root."""

import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from harness import machine, roots  # noqa: E402

TOOLS = "/opt/bench"  # in the machine: what is compiled here, and peers with their libraries
ROOT = "/var/lib/berth/bench"  # on a file system that can be idmapped
GROUPS = "/bench"  # with nobody in it, as some peers enable controllers from the top down
PAYLOAD = "void _start(void);\nvoid _start(void) { for (;;) __asm__ volatile(%s); }\n"
CALLS = {  # a program of one system call: exit(0), and pause() for ever
    "x86_64": {"true": '"mov $60, %eax\\n xor %edi, %edi\\n syscall"', "sleep": '"mov $34, %eax\\n syscall"'},
    "aarch64": {"true": '"mov x8, #93\\n mov x0, #0\\n svc #0"',
                "sleep": '"mov x8, #73\\n mov x0, #0\\n mov x1, #0\\n mov x2, #0\\n mov x3, #0\\n svc #0"'},
}
ETC = "/run/bench/etc"  # what peers mount in /etc when they have the same walls
ETC_FILES = ("hosts", "hostname", "resolv.conf")
CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID",
                "SYS_CHROOT")
#: with a user namespace, on a read-only root, with an init
LAUNCHES = {"launch": (True, True, False), "default": (True, False, True), "host-root": (False, True, False)}
PEERS = ("bwrap", "crun", "runc")


def note(text):
    print(text, file=sys.stderr)


# --- what is measured


def compile_tools(directory, build):
    for name in ("floor", "turns"):
        subprocess.run(["cc", "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-static",
                        f"-I{build}/helper", HERE / f"{name}.c", "-o", directory / name], check=True)
    for name, call in CALLS[os.uname().machine].items():
        subprocess.run(["cc", "-O2", "-nostdlib", "-static", "-x", "c", "-", "-o", directory / name], check=True,
                       input=PAYLOAD % call, text=True)


def copy_peer(name, stage):
    """A program, with those of its libraries that the machine does not have."""
    path = shutil.which(name)
    if not path:
        note(f"{name} is left out: it is not installed")
        return
    shutil.copy(path, stage / TOOLS.lstrip("/") / name)
    listed = subprocess.run(["ldd", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout
    for library in re.findall(r"=> (/\S+)", listed):
        place = f"usr/{library.lstrip('/').removeprefix('usr/')}"  # without the links of /
        if not (roots.get("machine") / place).exists():
            (stage / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, stage / place)


def furnish(m, image):
    """The root that all start from."""
    root = m.path(ROOT)
    m.run("chmod", "0711", "/var/lib/berth")  # for those who look at the root as another user
    if image == "tiny":
        for directory in ("bin", "dev", "proc", "sys", "run", "tmp", "etc", "var", "usr"):
            (root / directory).mkdir(parents=True)
        for name in ("hosts", "hostname", "resolv.conf", "machine-id", "passwd", "group"):
            (root / "etc" / name).touch()
        shutil.copy(m.path(TOOLS) / "true", root / "bin/true")
    else:
        subprocess.run(["cp", "-a", "--reflink=auto", f"{roots.get(image)}/.", f"{root}"], check=True)


def refused(build):
    """The system calls that a container of Berth may not make, as its man page lists them, but for those that depend on an
    argument."""
    text = (pathlib.Path(build) / "man/berth.filter.7.scd").read_text().split("# CALLS")[1].split("\n# ")[0]
    return [name.replace("\\", "") for name, some in re.findall(r"\*([^*]+)\*( \(some\))?", text) if not some]


def add_walls(config, build):
    """What a container of Berth has as well, as far as a bundle can say it: a filter, few capabilities, hidden and read-only
    files of the kernel, control groups, /run, /tmp and files of /etc."""
    config["mounts"] += [
        {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["nosuid", "noexec", "nodev", "ro"]},
        {"destination": "/run", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "mode=755"]},
        {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "mode=1777"]},
        *({"destination": f"/etc/{name}", "type": "bind", "source": f"{ETC}/{name}", "options": ["bind", "ro"]}
          for name in ETC_FILES)]
    config["process"]["capabilities"] = {kind: [f"CAP_{name}" for name in CAPABILITIES]
                                         for kind in ("bounding", "effective", "permitted")}
    config["linux"].update(
        maskedPaths=["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
        readonlyPaths=["/proc/sys", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/sysrq-trigger"],
        seccomp={"defaultAction": "SCMP_ACT_ALLOW",
                 "syscalls": [{"names": refused(build), "action": "SCMP_ACT_ERRNO", "errnoRet": 1}]})


def bundle(m, name, users, read_only, build=None):
    """A bundle for crun and runc: the same namespaces, their own default mounts, no terminal. With build: and its walls."""
    kinds = ["pid", "mount", "ipc", "uts", "cgroup", "network", *(["user"] if users else [])]
    config = {
        "ociVersion": "1.0.2", "root": {"path": ROOT, "readonly": read_only}, "hostname": "bench",
        "process": {"user": {"uid": 0, "gid": 0}, "args": ["/bin/true"], "env": ["PATH=/bin"], "cwd": "/",
                    "noNewPrivileges": True},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
                   {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
                   {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
                    "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666"]},
                   {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "nodev"]},
                   {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue"},
                   {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "nodev", "ro"]}],
        "linux": {"namespaces": [{"type": kind} for kind in kinds],
                  "cgroupsPath": f"{GROUPS}/{name}/container",
                  **({"uidMappings": [{"containerID": 0, "hostID": 1000001536, "size": 65536}],
                      "gidMappings": [{"containerID": 0, "hostID": 1000001536, "size": 65536}]} if users else {})},
    }
    path = f"/run/bench/{name}{'-users' if users else ''}{'-ro' if read_only else ''}{'-walls' if build else ''}"
    if build:
        add_walls(config, build)
    m.write(f"{path}/config.json", json.dumps(config))
    return path


# Runs in the machine: times "systemctl start" of each unit in turn, and prints a line of milliseconds for each round. What
# systemd and others still have to do after a stop falls to the next start: each follows each.
STARTS = """
import random, subprocess, sys, time
rounds, units = int(sys.argv[1]), sys.argv[2:]
for _ in range(rounds):
    times = {}
    for unit in random.sample(units, len(units)):
        begin = time.perf_counter()
        subprocess.run(["systemctl", "start", unit], check=True)
        times[unit] = (time.perf_counter() - begin) * 1000
        subprocess.run(["systemctl", "stop", unit], check=True)
    print(*(times[unit] for unit in units))
"""

# Likewise: starts instances one by one, then all at once; a line of milliseconds for each.
MANY = """
import subprocess, sys, time
units = [f"bench-many@{i}.service" for i in range(int(sys.argv[1]))]
def timed(*words):
    begin = time.perf_counter()
    subprocess.run(["systemctl", *words], check=True)
    return (time.perf_counter() - begin) * 1000
print(*(timed("start", unit) for unit in units))
pids = [int(open(f"/sys/fs/cgroup{group}/payload/cgroup.procs").readline()) for group in subprocess.run(
    ["systemctl", "show", "--value", "-p", "ControlGroup", *units], stdout=subprocess.PIPE, text=True).stdout.split()]
def sizes(name):
    found = []
    for pid in pids:
        text = open(f"/proc/{pid}/smaps_rollup").read()
        found.append(int(text.split(f"{name}:")[1].split()[0]))
    return found
print(*sizes("Pss"))
timed("stop", *units)
print(timed("start", *units))
timed("stop", *units)
"""


class Bench:
    def __init__(self, m, arguments):
        self.m, self.arguments = m, arguments
        self.prefix = ["chrt", "--fifo", "5"] if arguments.fifo else []

    def has(self, peer):
        return self.m.exists(f"{TOOLS}/{peer}")

    def group(self, name):
        path = f"/sys/fs/cgroup{GROUPS}/{name}"
        self.m.run("mkdir", "-p", f"{path}/run")
        return path

    def turns(self, commands):
        """Runs each in turn, some rounds at a time; the figures of each by name."""
        times = {name: [] for name in commands}
        for block in range(self.arguments.blocks + 1):
            for name, command in commands.items():
                if name == "floor":
                    words = [command[0], "-n", self.arguments.rounds, "-g", self.group(name), *command[1:]]
                else:
                    words = [f"{TOOLS}/turns", self.group(name), self.arguments.rounds, *command]
                lines = self.m.run(*self.prefix, *words, timeout=300).lines
                if block > 0:  # the first only warms up
                    times[name] += [tuple(map(float, line.split())) for line in lines]
        return {name: {f"{kind}_{how.__name__}": round(how(column) / 1000, 3)
                       for kind, column in zip(("wall", "cpu"), zip(*measured))
                       for how in (min, statistics.median)}
                for name, measured in times.items()}

    def launch(self, users, read_only, init):
        """The commands of one kind of launch: the same namespaces, root and payload for all."""
        def yes(word):
            return "yes" if word else "no"
        layers = "/var/lib/berth/floor"
        self.m.run("mkdir", "-p", layers)
        floor = [*(["-u"] if users else []), *(["-i"] if init else []), *([] if read_only else ["-l", layers])]
        commands = {
            "floor": [f"{TOOLS}/floor", *floor, ROOT, "/bin/true"],
            "walls": [f"{TOOLS}/floor", "-w", "-g", self.group("walls"), *floor, ROOT, "/bin/true"],
            "berth": ["/usr/bin/berth", "launch", "--name=bench", f"--image={ROOT}", "--foreground", "--network=none",
                      f"--init={yes(init)}", f"--private-users={'pick' if users else 'no'}", f"--read-only={yes(read_only)}",
                      "--", "/bin/true"]}
        for name in ETC_FILES:
            self.m.write(f"{ETC}/{name}", "")
        if self.has("bwrap"):
            words = [f"{TOOLS}/bwrap", "--ro-bind" if read_only else "--bind", ROOT, "/",
                     *(["--unshare-user"] if users else []), "--unshare-pid", "--unshare-ipc", "--unshare-uts",
                     "--unshare-cgroup", "--unshare-net", "--proc", "/proc", "--dev", "/dev", *([] if init else ["--as-pid-1"])]
            commands["bwrap"] = [*words, "/bin/true"]
            commands["bwrap+"] = [*words, "--mqueue", "/dev/mqueue", "--ro-bind", "/sys", "/sys", "--tmpfs", "/run",
                                  "--tmpfs", "/tmp", "--hostname", "bench", "--cap-drop", "ALL",
                                  *(word for name in ETC_FILES for word in ("--ro-bind", f"{ETC}/{name}", f"/etc/{name}")),
                                  "/bin/true"]
        for name in ("crun", "runc"):
            if self.has(name):
                commands[name] = [f"{TOOLS}/{name}", "run", "-b", bundle(self.m, name, users, read_only), "bench"]
        if self.has("crun"):
            path = bundle(self.m, "crun", users, read_only, self.arguments.build)
            commands["crun+"] = [f"{TOOLS}/crun", "run", "-b", path, "bench"]
        commands["nspawn"] = ["/usr/bin/systemd-nspawn", "--quiet", "--keep-unit", "--register=no", "--private-network",
                              "--settings=no", "--resolv-conf=off", "--timezone=off", "--link-journal=no",
                              *(["-U", "--private-users-ownership=map"] if users else []),
                              *(["--read-only"] if read_only else []), *(["--as-pid2"] if init else []),
                              "-D", ROOT, "/bin/true"]
        return commands

    @contextlib.contextmanager
    def running(self):
        """A container to execute in, of Berth and of crun and runc."""
        m = self.m
        self.furnish_sleep()
        m.manifest("bench", f"[Container]\nImage={ROOT}\nExec=/bin/sleep\n[Network]\nMode=none\n")
        m.reload()
        m.start("bench")
        others = []
        for name in ("crun", "runc"):
            if self.has(name):
                path = bundle(m, name, True, True)
                m.run("sed", "-i", "s,/bin/true,/bin/sleep,", f"{path}/config.json")
                self.group(name)
                m.run("sh", "-c", f"cd / && exec {TOOLS}/{name} run -d -b {path} bench >/dev/null 2>&1")
                others.append(name)
        try:
            yield int(m.unit("bench", "MainPID"))
        finally:
            for name in others:
                m.run(f"{TOOLS}/{name}", "delete", "-f", "bench", check=False)
            m.stop("bench")
            m.remove_manifest("bench")

    def execs(self, leader):
        commands = {"floor": [f"{TOOLS}/floor", "-e", leader, "/bin/true"],
                    "walls": [f"{TOOLS}/floor", "-w", "-g", self.group("walls"), "-e", leader, "/bin/true"],
                    "berth": ["/usr/bin/berth", "exec", "bench", "--", "/bin/true"],
                    "nsenter": ["/usr/bin/nsenter", "-t", str(leader), "-a", "/bin/true"]}
        for name in ("crun", "runc"):
            if self.has(name):
                commands[name] = [f"{TOOLS}/{name}", "exec", "bench", "/bin/true"]
        return commands

    def furnish_sleep(self):
        self.m.run("cp", f"{TOOLS}/sleep", f"{ROOT}/bin/sleep")

    def starts(self):
        """Of a contained program, and of one that is not."""
        m = self.m
        self.furnish_sleep()
        if self.arguments.fifo:
            m.run("chrt", "--fifo", "--pid", "5", "1")  # inherited by what it starts
        text = f"[Container]\nImage={ROOT}\nExec=/bin/sleep\n[Network]\nMode=none\n"
        m.manifest("bench", text)
        m.write("/run/bench-starts.py", STARTS)
        m.reload()
        # the same unit, but for what makes it a container
        unit = m.read("/run/systemd/generator/bench.service")
        unit = re.sub(r"^(ExecReload|ExecStopPost|NotifyAccess)=.*\n", "", unit, flags=re.M)
        unit = re.sub(r"^ExecStart=.*$", f"ExecStart={TOOLS}/sleep", unit.replace("Type=notify", "Type=exec"), flags=re.M)
        m.write("/run/systemd/system/bench-plain.service", unit)
        m.reload()
        names = ["bench-plain", "bench"]
        lines = m.run(*self.prefix, "python3", "/run/bench-starts.py", self.arguments.blocks * self.arguments.rounds, *names,
                      timeout=600).lines
        columns = zip(*(map(float, line.split()) for line in lines))
        return {name: {"min": round(min(column), 2), "median": round(statistics.median(column), 2)}
                for name, column in zip(names, columns)}

    def many(self, count, execs):
        m = self.m
        self.furnish_sleep()
        m.manifest("bench-many@", f"[Container]\nImage={ROOT}\nExec=/bin/sleep\n[Network]\nMode=none\n")
        m.manifest("bench", f"[Container]\nImage={ROOT}\nExec=/bin/sleep\n[Network]\nMode=none\n")
        m.write("/run/bench-many.py", MANY)
        m.reload()
        each, memory, together = (list(map(float, line.split())) for line in
                                  m.run("python3", "/run/bench-many.py", count, timeout=1800).lines)
        m.start("bench")
        lines = m.run(f"{TOOLS}/turns", self.group("berth"), execs, "/usr/bin/berth", "exec", "bench", "--", "/bin/true",
                      timeout=1800).lines
        m.stop("bench")
        wall = [float(line.split()[0]) / 1000 for line in lines]
        tenth, tenth_of_execs = count // 10, execs // 10
        return {"containers": count, "first": round(statistics.median(each[:tenth]), 2),
                "last": round(statistics.median(each[-tenth:]), 2), "together": round(together[0], 0),
                "pss_of_an_init": round(statistics.median(memory), 1), "execs": execs,
                "first_execs": round(statistics.median(wall[:tenth_of_execs]), 3),
                "last_execs": round(statistics.median(wall[-tenth_of_execs:]), 3)}

    def calls(self, commands):
        """System calls of each, and of which kinds most."""
        counts = {}
        for name, command in commands.items():
            self.m.run("strace", "-f", "-c", "-o", "/run/bench-calls", *command, check=False)
            rows = re.findall(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$", self.m.read("/run/bench-calls"), re.M)
            counts[name] = {call: int(count) for count, call in rows}
        return counts

    def memory(self, leader):
        """KiB of the init, alone with its command."""
        text = self.m.read(f"/proc/{leader}/smaps_rollup")
        return {name: int(kib) for name, kib in re.findall(r"^(\w+): +(\d+) kB$", text, re.M) if int(kib)}


def measure(m, arguments):
    bench = Bench(m, arguments)
    furnish(m, arguments.image)
    result = {"image": arguments.image, "rounds": arguments.blocks * arguments.rounds, "fifo": arguments.fifo,
              "cpus": len(os.sched_getaffinity(0)), "kernel": os.uname().release}
    what = arguments.what or [*LAUNCHES, "exec", "start", "many", "calls", "memory"]
    result["calls"] = {}
    for kind, settings in LAUNCHES.items():
        if kind in what:
            result[kind] = bench.turns(bench.launch(*settings))
        if "calls" in what:
            result["calls"][kind] = bench.calls(bench.launch(*settings))
    if "exec" in what or "memory" in what:
        with bench.running() as leader:
            if "memory" in what:
                result["memory"] = bench.memory(leader)
            if "exec" in what:
                result["exec"] = bench.turns(bench.execs(leader))
            if "calls" in what:
                result["calls"]["exec"] = bench.calls(bench.execs(leader))
    if "many" in what:
        result["many"] = bench.many(arguments.containers, arguments.execs)
    if "start" in what:
        result["start"] = bench.starts()
    return result


def show(result):
    print(f"{result['rounds']} rounds each, in turns, on kernel {result['kernel']}, {result['cpus']} CPUs, image {result['image']}"
          f"{', realtime priority' if result['fifo'] else ''}; milliseconds, minimum and median")
    for kind in (*LAUNCHES, "exec"):
        rows = result.get(kind)
        if not rows:
            continue
        print(f"{kind}:")
        for name, row in rows.items():
            ratio = f"  berth is {rows['berth']['wall_min'] / row['wall_min']:.2f} {rows['berth']['wall_median'] / row['wall_median']:.2f}" \
                f" of it, of its processor time {rows['berth']['cpu_min'] / row['cpu_min']:.2f}"
            if name in ("floor", "walls"):
                ratio = f"  berth is {rows['berth']['wall_min'] - row['wall_min']:+.2f} {rows['berth']['wall_median'] - row['wall_median']:+.2f}," \
                    f" of processor time {rows['berth']['cpu_min'] - row['cpu_min']:+.2f}"
            print(f"  {name:8} wall {row['wall_min']:7.2f} {row['wall_median']:7.2f}  cpu {row['cpu_min']:7.2f} {row['cpu_median']:7.2f}"
                  f"{ratio if name != 'berth' else ''}")
    for kind, rows in result.get("calls", {}).items():
        print(f"system calls, {kind}: " + ", ".join(f"{name} {sum(n for call, n in calls.items() if call != 'total')}"
                                                    for name, calls in rows.items()))
    if "start" in result:
        plain = result["start"]["bench-plain"]
        print("start, by systemctl:", ", ".join(
            f"{name} {row['min']} {row['median']} ({row['min'] / plain['min']:.2f} {row['median'] / plain['median']:.2f})"
            for name, row in result["start"].items()))
    if "many" in result:
        row = result["many"]
        print(f"{row['containers']} containers one by one: median of the first tenth {row['first']}, of the last {row['last']}; "
              f"at once: {row['together']:.0f} in all; an init takes {row['pss_of_an_init']} KiB (PSS, median)\n"
              f"{row['execs']} execs: median of the first tenth {row['first_execs']}, of the last {row['last_execs']}")
    if "memory" in result:
        print("memory of the init, KiB:", " ".join(f"{name} {kib}" for name, kib in result["memory"].items()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", help="a built meson build directory")
    parser.add_argument("what", nargs="*", help="of launch, default, host-root, exec, start, many, calls, memory (all)")
    parser.add_argument("--blocks", type=int, default=10, help="how often all take their turn (%(default)s)")
    parser.add_argument("--rounds", type=int, default=10, help="how often each runs in a turn (%(default)s)")
    parser.add_argument("--image", default="tiny", help="tiny, with a payload of one system call, or one of the tests', like base")
    parser.add_argument("--containers", type=int, default=500, help="for many (%(default)s)")
    parser.add_argument("--execs", type=int, default=10000, help="for many (%(default)s)")
    parser.add_argument("--fifo", action="store_true", help="run what is measured with real-time priority")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    reason = machine.missing()
    if reason:
        parser.exit(1, f"{parser.prog}: {reason}\n")
    with tempfile.TemporaryDirectory(prefix="berth-bench.") as temporary:
        stage = pathlib.Path(temporary)
        subprocess.run(["meson", "install", "-C", arguments.build, "--no-rebuild", "--quiet", f"--destdir={stage}"], check=True)
        tools = stage / TOOLS.lstrip("/")
        tools.mkdir(parents=True)
        compile_tools(tools, arguments.build)
        for peer in PEERS:
            copy_peer(peer, stage)
        with machine.Machine.boot(stage) as m:
            result = measure(m, arguments)
    if arguments.json:
        print(json.dumps(result, indent=1))
    else:
        show(result)


if __name__ == "__main__":
    main()
