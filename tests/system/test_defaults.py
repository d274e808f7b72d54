"""What a container has by default is what the table in the manual page says, row by row."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.machine import Machine
from test_launch import inside, main_pid, service

needs_berth = True
pytestmark = [pytest.mark.system, pytest.mark.images("base", "machine")]

PAGE = Path(__file__).parents[2] / "man/berth.manifest.5.scd"

#: capabilities(7)
NUMBERS = {"CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3, "FSETID": 4, "KILL": 5, "SETGID": 6, "SETUID": 7, "SETPCAP": 8,
           "NET_BIND_SERVICE": 10, "SYS_CHROOT": 18, "SETFCAP": 31}


def tables() -> list[dict[str, list[str]]]:
    """Those of the section, each a first cell and the others."""
    section = PAGE.read_text().partition("# WHAT A CONTAINER HAS\n")[2].partition("\n# ")[0]
    found: list[dict[str, list[str]]] = []
    for block in section.split("\n\n"):
        if block.startswith("[["):
            rows = [[cell.strip().replace("\\", "") for cell in re.split(r"\n:.", "\n" + row)]
                    for row in re.split(r"\n\|", block)[1:]]
            found.append({row[0]: row[1:] for row in rows})
    assert [len(table) > 4 for table in found] == [True, True, True]
    return found


def mask(names: str) -> str:
    return f"{sum(1 << NUMBERS[name.removeprefix('CAP_')] for name in names.split()):016x}"


def expected_status(table: dict[str, list[str]], root: bool) -> dict[str, str]:
    names, _, others = table["CapPrm"][0].partition(" for root, ")
    assert others == "none for others" and table["CapEff"][0] == "as CapPrm" and table["CapBnd"][0] == "as CapPrm of root"
    own = mask(names) if root else mask("")
    return {"CapPrm": own, "CapEff": own, "CapBnd": mask(names), **{
        key: mask("") if table[key][0] == "none" else table[key][0]
        for key in ("CapInh", "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters", "Umask")}}


def status(text: str, keys: dict[str, str]) -> dict[str, str]:
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    return {key: value.strip() for key, value in pairs if key in keys}


@pytest.fixture(scope="module")
def running(machine: Machine) -> dict[str, str]:
    """The pid of the command, by its user."""
    pids = {}
    for user in ("0", "1000"):
        unit = service(machine, "sleep", "1000", container=f"User={user}")
        machine.start(unit)
        leader = main_pid(machine, unit)
        pids[user] = machine.read(f"/proc/{leader}/task/{leader}/children").split()[0]
        pids[f"unit {user}"] = unit
    return pids


@pytest.mark.parametrize("user", ["0", "1000"])
def test_the_command_and_exec_have_what_the_table_says(machine: Machine, running: dict[str, str], user: str) -> None:
    processes = tables()[0]
    keys = expected_status(processes, user == "0")
    assert status(machine.read(f"/proc/{running[user]}/status"), keys) == keys
    assert status(inside(machine, running[f"unit {user}"], "cat", "/proc/self/status").out, keys) == keys
    checked = set(keys)
    for name in ("uid_map", "gid_map"):
        inside_id, base, count = machine.read(f"/proc/{running[user]}/{name}").split()
        assert int(base) >= 65536
        assert processes[name][0] == f"{inside_id} BASE {count}"
        checked.add(name)
    own = [name for name in ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")
           if machine.run("readlink", f"/proc/{running[user]}/ns/{name}").out != machine.run("readlink", f"/proc/1/ns/{name}").out]
    assert " ".join(own) == processes["namespaces"][0]
    environment = machine.read(f"/proc/{running[user]}/environ").split("\0")
    names = sorted(word.partition("=")[0] for word in environment if word)
    # a number that no file knows has no shell and no name
    assert set(names) == set(processes["environment"][0].split()) - (set() if user == "0" else {"SHELL", "USER", "LOGNAME"} - set(names))
    assert " ".join(machine.run("ls", f"/proc/{running[user]}/fd").lines) == processes["descriptors"][0]
    assert machine.run("readlink", f"/proc/{running[user]}/fd/0").out.strip() == processes["standard input"][0]
    assert processes["limits"][0] == "as any service"
    any_service = machine.run("systemd-run", "-q", "--wait", "--pipe", "cat", "/proc/self/limits").out
    assert machine.read(f"/proc/{running[user]}/limits") == any_service
    assert checked | {"namespaces", "environment", "descriptors", "standard input", "limits"} == set(processes)


def test_the_mounts_are_those_of_the_table(machine: Machine, running: dict[str, str]) -> None:
    found = {}
    for line in machine.read(f"/proc/{running['0']}/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        options = [word for word in left.split()[5].split(",") if word in ("ro", "rw", "nosuid", "nodev", "noexec")]
        found[left.split()[4]] = (right.split()[0], " ".join(options))
    assert found == {where: (row[0], row[1]) for where, row in tables()[1].items()}


def test_what_is_closed_to_the_hosts_root_is_what_the_page_names(machine: Machine) -> None:
    section = PAGE.read_text().partition("# WHAT A CONTAINER HAS\n")[2].partition("\n# ")[0]
    read_only, hidden = (set(re.findall(r"/[a-z_/-]+", part)) for part in section.partition("Read-only are ")[2].split("Hidden are "))
    unit = service(machine, "sleep", "1000", container="PrivateUsers=no")
    machine.start(unit)
    found = {line.split()[4]: line.split()[5].split(",") for line in
             machine.read(f"/proc/{main_pid(machine, unit)}/mountinfo").splitlines()}
    closed = set(found) - set(tables()[1])
    there = set(machine.run("ls", "-d", *sorted(read_only | hidden), check=False).lines)
    assert closed == there
    assert {path for path in closed & read_only if "ro" not in found[path]} == set()
    empty = "for f; do [ -d $f ] && ls -A $f || head -c 1 $f; done"
    assert inside(machine, unit, "sh", "-c", empty, "sh", *sorted(closed & hidden)).out == ""


def test_the_devices_are_those_of_the_table(machine: Machine, running: dict[str, str]) -> None:
    nodes = inside(machine, running["unit 0"], "sh", "-c", "for f in /dev/*; do [ -L $f ] || [ -d $f ] || "
                   "echo $f $(stat -c '%t %T' $f); done").lines
    found = {path: f"{int(major, 16)}:{int(minor, 16)}" for path, major, minor in (line.split() for line in nodes)}
    assert found == {path: row[0] for path, row in tables()[2].items()}
    assert machine.unit(running["unit 0"], "DevicePolicy") == "closed"
    for path in found:  # and each can be opened, but for a terminal that there is not
        assert inside(machine, running["unit 0"], "sh", "-c", f": < {path}", check=False).rc == (2 if path == "/dev/tty" else 0)


CALLS = r"""
import ctypes, errno, sys
libc, library = ctypes.CDLL(None, use_errno=True), ctypes.CDLL("libseccomp.so.2")
for line in sys.argv[1:]:
    name, expected = line.split(":")
    number = library.seccomp_syscall_resolve_name(name.encode())
    if number < 0:
        print(name, "is of another architecture")
        continue
    ctypes.set_errno(0)
    libc.syscall(number, 0, 0, 0, 0, 0, 0)
    found = errno.errorcode.get(ctypes.get_errno(), "ok")
    print(name, "right" if found == expected else found)
"""


def test_the_filter_refuses_what_its_page_lists_with_the_error_that_it_names(machine: Machine, pytestconfig: pytest.Config
                                                                             ) -> None:
    page = Path(pytestconfig.getoption("--berth-build")) / "man/berth.filter.7.scd"
    if not page.exists():
        pytest.skip("no manual page is built")
    section = page.read_text().partition("# CALLS\n")[2].partition("\n# ")[0]
    listed = []
    for names, reason in re.findall(r"^(\*.*\*.*)\n\t(.*)", section, re.M):
        error = re.search(r"Error: (E[A-Z]+)\.", reason)
        assert error, reason
        listed += [f"{name.strip('*')}:{error[1]}" for name in names.replace("\\", "").split(", ") if "(some)" not in name]
    assert len(listed) > 40
    done = machine.run("berth", "launch", "--foreground", "--name=calls", "--image=machine", "--network=none", "--",
                       "python3", "-c", CALLS, *listed)
    assert [line for line in done.lines if not line.endswith((" right", " is of another architecture"))] == []
    assert sum(line.endswith(" right") for line in done.lines) > 35
