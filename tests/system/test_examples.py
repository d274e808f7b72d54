"""Every manifest in examples/ starts, and does what its first line says."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.system import System

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

needs_berth = True
pytestmark = [pytest.mark.system, pytest.mark.images("nginx", "postgresql", "redis")]


@pytest.fixture
def s(m: System) -> System:
    version = m.sh("cd /var/lib/berth/images/postgresql/usr/lib/postgresql && ls").out.strip()  # each Debian has another
    for file in sorted(EXAMPLES.glob("*.berth")):
        m.manifest(file.stem, file.read_text().replace("/postgresql/15/", f"/postgresql/{version}/"))
    m.reload()
    return m


def fetch(s: System) -> str:
    script = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/', timeout=60).read().decode())"
    result = s.run("python3", "-c", script, check=False)
    return result.out if result.rc == 0 else ""


def psql(s: System, statement: str, check: bool = True) -> str:
    return s.run("berth", "exec", "db", "--", "psql", "-XAtc", statement, check=check).out.strip()


def wait_for_database(s: System) -> None:
    s.wait_for(lambda: psql(s, "select 1", check=False) == "1", "answer of the database", timeout=30)


def test_the_table_names_every_example() -> None:
    table = (EXAMPLES / "README.md").read_text()
    for file in EXAMPLES.glob("*.berth"):
        assert f"| [{file.name}]({file.name}) |" in table


def test_check_finds_nothing(s: System) -> None:
    assert s.run("berth", "check").out == ""


def test_web_serves_the_volume_and_logs_to_the_journal(s: System) -> None:
    s.start("web")
    assert "Welcome to nginx" in s.wait_for(lambda: fetch(s), "page")
    s.write("/var/lib/berth/volumes/web/site/index.html", "written on the host\n")
    assert fetch(s) == "written on the host\n\n"
    s.wait_for(lambda: '"GET / HTTP/1.1" 200' in s.journal("web"), "its line in the log")  # which comes after the answer
    assert s.run("berth", "exec", "web", "--", "touch", "/var/www/html/x", check=False).rc == 1
    s.restart("web")
    assert s.wait_for(lambda: fetch(s), "page after the restart") == "written on the host\n\n"


def test_db_keeps_its_data_and_shuts_down_fast(s: System) -> None:
    s.start("db")
    wait_for_database(s)
    psql(s, "create table t (v text)")
    psql(s, "insert into t values ('kept')")
    owners = "find /var/lib/berth/volumes/db/data -ignore_readdir_race -printf '%U:%G\n' | sort -u"
    before = s.sh(owners).out

    since = s.mark()
    s.restart("db")
    wait_for_database(s)
    assert psql(s, "select v from t") == "kept"
    log = s.journal("db", since=since)
    assert "received fast shutdown request" in log and "database system was shut down" in log
    assert "not properly shut down" not in log
    # its own number on the disk, the one of the image's passwd, and it stays that
    assert s.sh(owners).out == before
    entry = s.run("grep", "^postgres:", "/srv/images/postgresql/etc/passwd").out.split(":")
    assert before.split() == [f"{entry[2]}:{entry[3]}"]


def test_db_recovers_from_a_kill(s: System) -> None:
    s.start("db")
    wait_for_database(s)
    psql(s, "create table t (v text)")
    psql(s, "insert into t values ('kept')")
    since = s.mark()
    pid = s.unit("db", "MainPID")
    s.run("kill", "-KILL", pid)
    s.wait_for(lambda: s.unit("db", "MainPID") not in ("0", pid), "start by itself")
    wait_for_database(s)
    assert psql(s, "select v from t") == "kept"
    assert "database system was not properly shut down; automatic recovery in progress" in s.journal("db", since=since)


def test_cache_keeps_what_it_is_told(s: System) -> None:
    def redis(*words: str) -> str:
        return s.run("berth", "exec", "cache", "--", "redis-cli", "-s", "/tmp/redis.sock", *words,
                     check=False).out.strip()

    s.start("cache")
    s.wait_for(lambda: redis("ping") == "PONG", "PONG")
    assert redis("set", "key", "value") == "OK"
    s.restart("cache")
    s.wait_for(lambda: redis("ping") == "PONG", "PONG after the restart")
    assert redis("get", "key") == "value"
    assert s.run("berth", "exec", "--user=root", "cache", "--", "touch", "/etc/x", check=False).rc == 1


def test_job_ends_and_tells_how(s: System) -> None:
    for number in (1, 2):
        since = s.mark()
        s.start("job")
        assert f"entry {number} written" in s.journal("job", since=since)
    assert s.unit("job", "Result") == "success"
    assert len(s.read("/var/lib/berth/volumes/job/diary/entries").splitlines()) == 2


def test_workers_have_a_volume_each(s: System) -> None:
    s.run("systemctl", "start", "worker@a", "worker@b")
    for instance in "ab":
        def journal(instance: str = instance) -> str:
            return s.journal(f"worker@{instance}")

        s.wait_for(lambda: f"worker {instance} starts on worker-{instance}" in journal(), "first line")
        heartbeat = f"/var/lib/berth/volumes/worker@{instance}/state/heartbeat"
        s.wait_for(lambda: s.exists(heartbeat), "heartbeat")
    s.run("systemctl", "stop", "worker@a")
    assert s.unit("worker@b", "ActiveState") == "active"


def sandbox_text(limits: bool) -> str:
    text = (EXAMPLES / "sandbox.berth").read_text()
    return text if limits else text.partition("[Limits]")[0]


def test_sandbox_without_its_limits_is_closed(s: System) -> None:
    s.manifest("sandbox", sandbox_text(limits=False))
    s.reload()
    s.start("sandbox")
    box = ("berth", "exec", "sandbox", "--")
    assert s.run(*box, "python3", "-c", "print(6 * 7)").out == "42\n"
    assert s.run(*box, "id", "-u").out == "65534\n"
    s.run(*box, "sh", "-c", "echo x >/scratch/x")
    for path in ("/x", "/etc/x", "/usr/x"):
        assert s.run(*box, "touch", path, check=False).rc == 1
    links = s.run(*box, "ls", "/sys/class/net").out.split()
    assert links == ["lo"]
    assert s.run("berth", "exec", "--timeout=300ms", "sandbox", "--", "sleep", "60", check=False).rc == 124
    s.restart("sandbox")
    assert s.run(*box, "ls", "/scratch").out == ""


def test_sandbox_is_refused_where_its_limits_cannot_be_enforced(s: System) -> None:
    controllers = set(s.read("/sys/fs/cgroup/cgroup.controllers").split())
    missing = {"cpu", "memory", "pids"} - controllers
    if not missing:
        pytest.skip("this system has the controllers cpu, memory and pids, so nothing is refused")
    assert s.start("sandbox", check=False).rc != 0
    assert s.unit("sandbox", "ExecMainStatus") == "125"
    assert "a limit needs the cgroup controller" in s.journal("sandbox")


def sandbox_is_limited(s: System) -> None:
    s.start("sandbox")
    seen = s.run("berth", "exec", "sandbox", "--", "sh", "-c",
                 "cd /sys/fs/cgroup && cat memory.max pids.max cpu.max", check=False)
    assert seen.out.split("\n")[:3] == [str(256 << 20), "64", "50000 100000"], seen


def test_sandbox_is_limited_where_controllers_are(s: System) -> None:
    controllers = set(s.read("/sys/fs/cgroup/cgroup.controllers").split())
    missing = {"cpu", "memory", "pids"} - controllers
    if missing:
        pytest.skip(f"this system has no controller {', '.join(sorted(missing))}; "
                    "the same is tested in the whole machine")
    sandbox_is_limited(s)
