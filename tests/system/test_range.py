"""PrivateUsers=pick: whose user ids a container takes, and whose it never takes."""

from __future__ import annotations

from typing import Callable, Iterator

import pytest

from harness.machine import Machine
from harness.system import Result
from test_launch import inside, main_pid, refused, service, uid_map

needs_berth = True
pytestmark = [pytest.mark.system, pytest.mark.images("base")]

SIZE = 65536


def launch(m: Machine, check: bool = True) -> Result:
    return m.run("berth", "launch", "--foreground", "--name=picky", "--image=base", "--network=none", "--", "cat",
                 "/proc/self/uid_map", check=check)


def pick(m: Machine) -> int:
    """The first id of the range that the container 'picky' gets now."""
    inner, base, count = map(int, launch(m).out.split())
    assert (inner, count, base % SIZE) == (0, SIZE, 0)
    return base


@pytest.fixture
def other_machine(m: Machine) -> Iterator[Callable[[int, int], None]]:
    """Makes a machine of machined's that is none of ours, with a process that has the ids."""
    def make(base: int, count: int) -> None:
        m.run("systemctl", "stop", "other", check=False)
        m.run("systemd-run", "--quiet", "--unit=other", "unshare", "--user", "sleep", "1000")
        pid = m.unit("other", "MainPID")
        m.wait_for(lambda: m.read(f"/proc/{pid}/comm") == "sleep\n", "the other machine's leader")
        m.sh(f"echo 0 {base} {count} >/proc/{pid}/uid_map")
        m.write("/run/systemd/machines/other", f"# as machined writes it\nNAME=other\nCLASS=container\nLEADER={pid}\n")

    yield make
    m.run("rm", "-f", "/run/systemd/machines/other")
    m.run("systemctl", "stop", "other", check=False)


@pytest.mark.parametrize("file", ["/etc/subuid", "/etc/subgid"])
def test_what_the_host_has_given_its_users_is_left_to_them(m: Machine, file: str) -> None:
    base = pick(m)
    numbers = {"first": base, "last": base + SIZE - 1, "before": base - 1, "after": base + SIZE}
    try:
        for line, free in (("user:{first}:1", False), ("user:{last}:1", False), ("1000:{first}:18446744073709551615", False),
                           ("a:1:2\nuser:{first}:65536", False), ("user:{before}:1", True), ("user:{after}:1", True),
                           ("user:{first}", True), ("#user:x:{first}:5", True)):
            m.write(file, line.format(**numbers) + "\n")
            assert (pick(m) == base) is free, line
    finally:
        m.run("rm", file)


@pytest.mark.parametrize("file", ["/etc/subuid", "/etc/subgid"])
def test_where_claims_cannot_be_read_nothing_is_picked(m: Machine, file: str) -> None:
    m.run("mkdir", file)
    try:
        done = launch(m, check=False)
        assert (done.rc, done.out, done.err) == (125, "", f"cannot read whose user ids are whose in '{file}': Is a directory\n")
    finally:
        m.run("rmdir", file)


def test_ids_of_another_machine_are_passed_over(m: Machine, other_machine: Callable[[int, int], None]) -> None:
    base = pick(m)
    for at, free in ((0, False), (SIZE - 1, False), (SIZE, True), (-10, True)):
        other_machine(base + at, 10)
        assert (pick(m) == base) is free, at


def test_ids_that_a_manifest_gives_are_not_picked(m: Machine) -> None:
    """Two containers with the same ids would be one user to the host: to signals, limits and files."""
    base = pick(m)
    given = service(m, "sleep", "1000", container=f"PrivateUsers={base + SIZE - 5}:10")
    m.start(given)
    assert pick(m) == base + 2 * SIZE  # the ten are of both ranges before
    m.stop(given)
    assert pick(m) == base
    m.start(given)
    m.run("kill", "-9", str(main_pid(m, given)))
    m.wait_state(given, "failed")
    assert pick(m) == base
    m.run("ln", "-s", f"{base}:10", "/run/berth/ranges/given/gone")
    assert pick(m) == base + SIZE
    m.run("berth", "clean", "--all")
    assert pick(m) == base
    m.run("rmdir", "/run/berth/ranges/given")


def test_ids_that_are_picked_are_not_given_and_given_ones_may_be_shared(m: Machine) -> None:
    base, unit = pick(m), service(m, "sleep", "1000", name="picky")
    given = service(m, "sleep", "1000", container=f"PrivateUsers={base + 1}:1000")
    m.start(unit)
    assert refused(m, given) == (
        f"PrivateUsers={base + 1}:1000: container 'picky' has some of these user ids (PrivateUsers=pick); choose others, "
        "below 524288 for one")
    assert uid_map(m, unit)[1] == base
    m.stop(unit)
    m.start(given)
    m.start(service(m, "sleep", "1000", container=f"PrivateUsers={base + 1}:1000"))


def test_files_are_the_same_users_after_the_range_was_lost(m: Machine) -> None:
    """Between stop and start somebody else takes the ids: what is on disk has numbers of its own, and is as before."""
    unit = service(m, "sleep", "1000", name="mover", container="Ephemeral=no\nVolume=data:/data\nUser=0")
    script = "for d in /data /srv; do echo x >$d/f; chown 1000:33 $d/f; chmod 640 $d/f; done"
    m.start(unit)
    inside(m, unit, "sh", "-c", script)
    look = ("stat", "-c", "%n %u:%g %a", "/data/f", "/srv/f", "/etc/passwd")
    before, base = inside(m, unit, *look).out, uid_map(m, unit)[1]
    m.stop(unit)
    m.sh(f"mkdir -p /run/berth/ranges; ln -s somebody-else /run/berth/ranges/{base}")
    try:
        m.start(unit)
        assert uid_map(m, unit) == (0, base + SIZE, SIZE)
        assert inside(m, unit, *look).out == before
        inside(m, unit, "setpriv", "--reuid=1000", "--regid=33", "--clear-groups", "sh", "-c", "echo y >>/data/f && echo y >>/srv/f")
        m.stop(unit)
    finally:
        m.run("rm", f"/run/berth/ranges/{base}")
    m.start(unit)  # and back
    assert uid_map(m, unit)[1] == base
    assert inside(m, unit, *look).out == before
    m.stop(unit)
    assert m.run("stat", "-c", "%u:%g", "/var/lib/berth/volumes/mover/data/f").out == "1000:33\n"
