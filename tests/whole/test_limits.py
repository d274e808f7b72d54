"""Limits, as systemd enforces them and as the program inside sees them; and what only a real boot shows."""

from __future__ import annotations

import re

import pytest

from harness.qemu import Guest

needs_berth = True
pytestmark = [pytest.mark.whole, pytest.mark.images("base", "postgresql")]


def service(g: Guest, name: str, exec_: str, limits: str = "", more: str = "", container: str = "") -> None:
    g.manifest(name, f"[Container]\nImage=base\nExec={exec_}\n{container}\n[Limits]\n{limits}\n{more}\n")
    g.reload()


def inside(g: Guest, name: str, *argv: str, check: bool = True) -> str:
    return g.run("berth", "exec", name, "--", *argv, check=check).out


def test_the_program_inside_reads_its_own_limits(g: Guest) -> None:
    service(g, "all", "sleep 1000", "Memory=64M\nCPUs=1.5\nTasks=42\nRuntime=1h")
    g.start("all")
    assert inside(g, "all", "sh", "-c", "cd /sys/fs/cgroup; cat memory.max memory.swap.max cpu.max pids.max") == \
        "67108864\n0\n150000 100000\n42\n"
    shown = {name: g.unit("all", name) for name in ("MemoryMax", "MemorySwapMax", "CPUQuotaPerSecUSec", "TasksMax", "RuntimeMaxUSec")}
    assert shown == {"MemoryMax": "67108864", "MemorySwapMax": "0", "CPUQuotaPerSecUSec": "1.500000s", "TasksMax": "42",
                     "RuntimeMaxUSec": "1h"}
    # and cannot raise them
    assert g.run("berth", "exec", "all", "--", "sh", "-c", "echo max >/sys/fs/cgroup/memory.max", check=False).err == \
        "sh: 1: cannot create /sys/fs/cgroup/memory.max: Read-only file system\n"
    g.stop("all")


def test_swap_is_what_is_given_beyond_the_memory(g: Guest) -> None:
    service(g, "swaps", "cat /sys/fs/cgroup/memory.swap.max", "Memory=64M\nSwap=8M", "[Service]\nType=oneshot")
    g.start("swaps")
    assert "8388608" in g.journal("swaps").splitlines()


def test_who_takes_more_memory_is_killed_and_it_is_called_so(g: Guest) -> None:
    before = g.leaks_snapshot()
    service(g, "eater", """python3 -c 'print("up", flush=True); x = b"1" * (128 << 20)'""", "Memory=32M")
    g.start("eater", check=False)
    g.wait_state("eater", "failed")
    assert g.unit("eater", "Result") == "oom-kill"
    journal = g.journal("eater")
    assert "up" in journal.splitlines()
    assert "A process of this unit has been killed by the OOM killer." in journal
    assert "Failed with result 'oom-kill'." in journal
    told = g.run("berth", "status", "eater", "--json", check=False)
    assert (told.rc, told.json()["result"], told.json()["limits_hit"]) == (4, "oom-kill", ["memory"])
    assert re.search(r"^ *Limits hit: memory$", g.run("berth", "status", "eater", check=False).out, re.MULTILINE)
    g.assert_nothing_left(before)


def test_a_fork_beyond_the_tasks_fails_inside_with_eagain(g: Guest) -> None:
    script = ("import os, errno\\nn = 0\\ntry:\\n    while n < 100:\\n        if os.fork() == 0:\\n            os.pause() if hasattr(os, \"pause\") "
              "else __import__(\"time\").sleep(1000)\\n        n += 1\\nexcept OSError as e:\\n    print(n, errno.errorcode[e.errno], flush=True)\\n")
    service(g, "forks", f"python3 -c '{script}'", "Tasks=10", "[Service]\nType=oneshot")
    g.start("forks", check=False)
    # the init and the program are two of the ten
    assert "8 EAGAIN" in g.journal("forks").splitlines()


def test_what_was_refused_and_who_was_killed_is_told_while_it_runs(g: Guest) -> None:
    fork = "for n in range(40):\\n    try:\\n        os.fork() or time.sleep(1000)\\n    except OSError:\\n        print(1, flush=True)\\n        time.sleep(1000)"
    service(g, "forks", f"""python3 -c 'import os, time\\n{fork}'""", "Tasks=10\nMemory=64M", "[Service]\nOOMPolicy=continue")
    g.start("forks")
    g.wait_for(lambda: "1" in g.journal("forks").splitlines(), "refusal")
    told = g.run("berth", "status", "forks", "--json").json()
    assert told["limits_hit"] == ["pids"] and told["tasks_refused"] >= 1 and told["tasks_max"] == 10
    g.stop("forks")
    service(g, "quiet", "sleep 1000", "Tasks=10\nMemory=64M", "[Service]\nOOMPolicy=continue")
    g.start("quiet")
    assert "limits_hit" not in g.run("berth", "status", "quiet", "--json").json()
    eaten = g.run("berth", "exec", "--json", "quiet", "--", "python3", "-c", "x = b'1' * (128 << 20)", check=False)
    assert (eaten.rc, eaten.json()["signal"], eaten.json()["limit"]) == (137, "KILL", "memory")
    refused = g.run("berth", "exec", "--json", "quiet", "--", "sh", "-c", "for n in 1 2 3 4 5 6 7 8 9 10; do sleep 1000 >/dev/null 2>&1 & done", check=False)
    assert refused.json()["limit"] == "pids", refused.out
    told = g.run("berth", "status", "quiet", "--json").json()
    assert told["limits_hit"][0] == "memory" and told["oom_kills"] == 1, told
    assert g.unit("quiet", "ActiveState") == "active"
    g.stop("quiet")


def test_no_more_processor_time_is_used_than_given(g: Guest) -> None:
    service(g, "spins", "sh -c 'while :; do :; done'", "CPUs=0.5")
    g.start("spins")

    def usage() -> tuple[float, float]:
        text = g.sh("cat /proc/uptime /sys/fs/cgroup/machine.slice/spins.service/cpu.stat").out
        return float(text.split()[0]), int(re.search(r"usage_usec (\d+)", text)[1]) / 1e6

    first = usage()

    def is_half() -> bool:
        """Over four seconds or more: a processor that stood still is made good after a while, without a limit it never is."""
        seconds, used = (later - before for later, before in zip(usage(), first, strict=True))
        return seconds >= 4 and 0.35 <= used / seconds <= 0.65

    g.wait_for(is_half, "half of a processor's time", 60)
    assert int(re.search(r"nr_throttled (\d+)", g.read("/sys/fs/cgroup/machine.slice/spins.service/payload/cpu.stat"))[1]) > 0
    g.stop("spins")


def test_who_runs_too_long_is_ended(g: Guest) -> None:
    service(g, "long", "sleep 1000", "Runtime=2s")
    g.start("long")
    g.wait_state("long", "failed")
    assert g.unit("long", "Result") == "timeout"


def test_an_exec_is_within_the_limits_of_its_container(g: Guest) -> None:
    service(g, "all", "sleep 1000", "Memory=48M")
    g.start("all")
    result = g.run("berth", "exec", "all", "--", "python3", "-c", "x = b'1' * (128 << 20)", check=False)
    assert result.rc == 137
    g.run("systemctl", "stop", "all", check=False)


def test_a_limit_set_while_it_runs_is_seen_inside(g: Guest) -> None:
    service(g, "all", "sleep 1000", "Memory=64M")
    g.start("all")
    g.run("systemctl", "set-property", "--runtime", "all", "MemoryMax=48M")
    assert g.unit("all", "MemoryMax") == "50331648"
    assert g.read("/sys/fs/cgroup/machine.slice/all.service/memory.max") == "50331648\n"
    g.stop("all")
    g.sh("rm -rf /run/systemd/system.control/all.service.d; systemctl daemon-reload")


def test_a_typo_saved_while_it_runs_keeps_limits_and_devices(g: Guest) -> None:
    service(g, "web", "sleep 1000", "Memory=64M\nTasks=42")
    g.start("web")
    group = "/sys/fs/cgroup/machine.slice/web.service"
    limits = f"cat {group}/memory.max {group}/pids.max {group}/memory.swap.max {group}/payload/memory.max"
    was = g.sh(limits).out
    assert was == "67108864\n42\n0\n67108864\n"
    # a program of the host in the unit's group meets what the unit's device policy leaves it
    probe = f"bash -c 'echo $$ >{group}/probe/cgroup.procs; exec head -c0 /dev/vda'"
    g.run("mkdir", f"{group}/probe")
    assert "Operation not permitted" in g.sh(probe, check=False).err
    service(g, "web", "sleep 1000", "Memory=64M\nTasks=42\nTaskz=1", container="ReadOnly=ture")
    assert g.unit("web", "ActiveState") == "active"
    assert g.sh(limits).out == was
    assert "Operation not permitted" in g.sh(probe, check=False).err
    g.run("rmdir", f"{group}/probe")
    g.stop("web")
    assert g.unit("web", "Result") == "success"


def test_a_disk_cannot_be_reached_by_a_node_of_ones_own(g: Guest) -> None:
    """Where root is the host's and a node is at hand, the unit's device policy is the last door."""
    g.run("mkdir", "-p", "/srv/devices")
    service(g, "reads", "head -c1 /dev2/vda", more="[Mount d]\nType=bind\nSource=/srv/devices\nTarget=/dev2\n[Service]\nType=oneshot",
            container="PrivateUsers=no")
    g.sh("[ -e /srv/devices/vda ] || mknod /srv/devices/vda b 254 0")
    g.start("reads", check=False)
    assert "head: cannot open '/dev2/vda' for reading: Permission denied" in g.journal("reads").splitlines()


def test_a_real_database_starts_and_stops_in_order(g: Guest) -> None:
    programs = g.sh("cd /var/lib/berth/images/postgresql && ls -d usr/lib/postgresql/*/bin").out.strip()
    g.manifest("db", f"""
        [Container]
        Image=postgresql
        User=postgres
        Environment=PGDATA=/var/lib/postgresql/data PGHOST=/tmp PATH=/{programs}:/usr/bin:/bin
        Exec=sh -c '[ -e "$PGDATA/PG_VERSION" ] || initdb --auth=trust --no-sync >/dev/null; exec postgres -k /tmp'
        Volume=data:/var/lib/postgresql
        [Limits]
        Memory=512M
        [Service]
        KillSignal=SIGINT
    """)
    g.reload()
    g.start("db")
    g.wait_for(lambda: "ready to accept connections" in g.journal("db"), "database", 60)
    assert inside(g, "db", "psql", "-XqAtc", "select 6 * 7") == "42\n"
    g.stop("db")
    assert g.unit("db", "Result") == "success"
    assert "received fast shutdown request" in g.journal("db")


# Last: it ends what the others share.


def test_what_is_wanted_by_the_boot_is_back_after_a_reboot(g: Guest) -> None:
    service(g, "boots", "sh -c 'echo x >>/data/boots; exec sleep 1000'", "Memory=64M", "[Install]\nWantedBy=multi-user.target",
            container="Volume=data:/data")
    service(g, "stays-off", "sleep 1000")
    assert g.unit("boots", "WantedBy") == "multi-user.target"
    g.start("boots")
    g.start("stays-off")
    g.wait_for(lambda: inside(g, "boots", "cat", "/data/boots", check=False) == "x\n", "its line")
    g.reboot()
    assert g.unit("boots", "ActiveState") == "active"
    assert g.unit("stays-off", "ActiveState") == "inactive"
    assert g.run("systemctl", "is-system-running").out == "running\n"
    g.wait_for(lambda: inside(g, "boots", "cat", "/data/boots") == "x\nx\n", "its next line")
    assert inside(g, "boots", "cat", "/sys/fs/cgroup/memory.max") == "67108864\n"
    assert g.run("ls", "/run/berth/containers").out == "boots\n"
    g.run("berth", "clean", "--all")  # what the machine went down with
    assert g.run("ls", "/var/lib/berth/layers").out == "boots.ephemeral\n"
