"""A real database: its files keep their owners, it stops in order, and it comes back from anything."""

from __future__ import annotations

import pytest

from harness.machine import Machine

needs_berth = True
pytestmark = [pytest.mark.system, pytest.mark.images("base", "postgresql")]

DATA = "/var/lib/berth/volumes/db/data"
IMAGE = "/var/lib/berth/images/postgresql"

# As an image of a registry would have it: the first start makes the cluster. SIGINT is PostgreSQL's fast shutdown. What it
# would do by itself after a minute is none of a test's business.
MANIFEST = """
    [Container]
    Image=postgresql
    User=postgres
    Environment=PGDATA=/var/lib/postgresql/data PGHOST=/tmp PATH=%s:/usr/bin:/bin
    Exec=sh -c '[ -e "$PGDATA/PG_VERSION" ] || initdb --auth=trust >/dev/null; exec postgres -k /tmp -c logging_collector=off -c autovacuum=off'
    Volume=data:/var/lib/postgresql
    PrivateUsers=%s
    [Service]
    KillSignal=SIGINT
"""


def write(m: Machine, users: str = "pick") -> None:
    programs = m.sh(f"cd {IMAGE} && ls -d usr/lib/postgresql/*/bin").out.strip()
    m.manifest("db", MANIFEST % (f"/{programs}", users))
    m.reload()


def log(m: Machine, since: float) -> str:
    return m.journal("db", since=since)


def start(m: Machine) -> str:
    """Starts it and waits until it takes connections. Returns what it said until then."""
    since = m.mark()
    m.start("db")
    m.wait_for(lambda: "database system is ready to accept connections" in log(m, since), "database", 60)
    return log(m, since)


def stop(m: Machine) -> str:
    since = m.mark()
    m.stop("db")
    assert m.unit("db", "Result") == "success"
    return log(m, since)


def sql(m: Machine, statement: str) -> str:
    return m.run("berth", "exec", "db", "--", "psql", "-XqAtc", statement).out.strip()


def table(m: Machine) -> None:
    sql(m, "create table t (n int); insert into t select generate_series(1, 1000)")


def total(m: Machine) -> str:
    return sql(m, "select count(*), sum(n) from t")


def tree(m: Machine, what: str = "%p %U:%G %m") -> list[str]:
    """Owners of all of its files, as they are on disk."""
    return sorted(m.sh(f"cd {DATA} && find . -ignore_readdir_race -printf '{what}\\n'").lines)


def owner(m: Machine) -> str:
    """postgres' numbers, as the image has them."""
    found = m.run("stat", "-c", "%u:%g", f"{IMAGE}/var/lib/postgresql").out.strip()
    assert found not in ("", "0:0")
    return found


def test_its_new_volume_has_the_owner_of_the_images_directory(m: Machine) -> None:
    write(m)
    start(m)
    assert m.run("stat", "-c", "%u:%g %a", DATA).out.strip() == f"{owner(m)} 700"
    assert {line.split()[1] for line in tree(m)} == {owner(m)}
    uid = owner(m).partition(":")[0]
    base = int(m.read(f"/proc/{m.unit('db', 'MainPID')}/uid_map").split()[1])
    pids = m.wait_for(lambda: len(found := m.run("pgrep", "-x", "postgres").lines) > 4 and found, "its processes")
    for pid in pids:
        assert m.read(f"/proc/{pid}/status").split("Uid:\t")[1].split()[0] == str(base + int(uid))
    assert sql(m, "show data_directory") == "/var/lib/postgresql/data"


def test_it_stops_in_order_and_starts_without_recovery(m: Machine) -> None:
    write(m)
    start(m)
    table(m)
    said = stop(m)
    assert "received fast shutdown request" in said and "database system is shut down" in said
    said = start(m)
    assert "database system was shut down at" in said
    assert "recovery" not in said and "interrupted" not in said
    assert total(m) == "1000|500500"


def test_a_stop_with_a_client_connected_hits_no_timeout(m: Machine) -> None:
    write(m)
    start(m)
    with m.popen("berth", "exec", "db", "--", "psql", "-XqAtc", "select pg_sleep(1000)"):
        m.wait_for(lambda: sql(m, "select count(*) from pg_stat_activity where query like 'select pg_sleep%'") == "1", "client")
        m.stop("db")
    assert m.unit("db", "Result") == "success"


def test_nobody_ever_changes_the_owners_of_its_files(m: Machine) -> None:
    write(m)
    start(m)
    stop(m)
    owners, changes = tree(m), dict(line.split() for line in tree(m, "%p %C@"))
    # what the server itself touches while it starts and stops is no matter of ours
    still = [path for path in changes if path.startswith("./data/base/") and path.count("/") == 4
             and not path.endswith(("pg_internal.init", "pg_filenode.map"))]
    assert len(still) > 500
    for _ in range(2):
        start(m)
        stop(m)
    later = dict(line.split() for line in tree(m, "%p %C@"))
    assert [path for path in still if later.get(path) != changes[path]] == [], "some inode was changed"
    assert {line.split()[1] for line in tree(m)} == {line.split()[1] for line in owners} == {owner(m)}


def test_killed_it_recovers_by_itself(m: Machine) -> None:
    before = m.leaks_snapshot()
    write(m)
    start(m)
    table(m)
    m.run("kill", "-9", m.unit("db", "MainPID"))
    m.wait_state("db", "failed")
    m.assert_nothing_left(before)
    said = start(m)
    assert "database system was not properly shut down; automatic recovery in progress" in said
    assert total(m) == "1000|500500"
    assert "database system is shut down" in stop(m)


def test_with_restart_it_is_back_without_anybody(m: Machine) -> None:
    write(m)
    m.write("/etc/systemd/system/db.service.d/restart.conf", "[Service]\nRestart=on-failure\nRestartSec=50ms\n")
    m.reload()
    start(m)
    table(m)
    since, leader = m.mark(), m.unit("db", "MainPID")
    m.run("kill", "-9", leader)
    m.wait_for(lambda: "ready to accept connections" in log(m, since), "database", 30)
    assert m.unit("db", "MainPID") not in (leader, "0") and m.unit("db", "NRestarts") == "1"
    assert total(m) == "1000|500500"


def test_any_range_of_ids_reads_the_same_data(m: Machine) -> None:
    write(m)
    start(m)
    table(m)
    stop(m)
    owners = {line.split()[1] for line in tree(m)}
    for users in ("no", "identity", "400000:65536", "pick"):
        write(m, users)
        start(m)
        assert total(m) == "1000|500500", users
        said = stop(m)
        assert "database system is shut down" in said, users
        assert {line.split()[1] for line in tree(m)} == owners == {owner(m)}, users


def test_its_data_survives_a_reboot(m: Machine) -> None:
    write(m)
    m.manifest("db", m.read("/etc/berth/db.berth") + "[Install]\nWantedBy=multi-user.target\n")
    m.reload()
    start(m)
    table(m)
    since = m.mark()
    m.reboot()
    m.wait_for(lambda: "ready to accept connections" in log(m, since), "database", 30)
    said = log(m, since)
    assert "received fast shutdown request" in said
    assert "database system was shut down at" in said and "recovery" not in said
    assert total(m) == "1000|500500"
