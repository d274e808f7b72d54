"""Secret=: what the command can read of the service's credentials, and who else cannot."""

from __future__ import annotations

import pytest

from harness.machine import Machine
from test_launch import inside, job, main_pid, refused, service

needs_berth = True
pytestmark = [pytest.mark.system, pytest.mark.images("base")]

SECRET = "s3cr3t-of-the-host"


@pytest.fixture(autouse=True)
def _host(m: Machine) -> None:
    m.sh(f"mkdir -p /etc/credstore; printf '{SECRET}\\n' > /etc/credstore/db; chmod 600 /etc/credstore/db; "
         f"printf '{SECRET}-%04d\\n' {{1..1500}} > /etc/credstore/big; "
         "printf 'a\\000b' > /etc/credstore/binary; printf other > /etc/other")


@pytest.mark.parametrize("container, owner", [("", "0 0"), ("User=33", "33 33"), ("User=33\nInit=no", "33 33"),
                                              ("User=1000\nPrivateUsers=no\nReadOnly=yes", "1000 1000")])
def test_the_commands_user_reads_it_and_nobody_writes(m: Machine, container: str, owner: str) -> None:
    lines = job(m, 'cd "$CREDENTIALS_DIRECTORY"; pwd; stat -c "%a %u %g %n" . db; cat db; '
                   'touch x 2>/dev/null || echo "no new file"; echo x 2>/dev/null >db || echo "not written"; '
                   'grep -c " /run/credentials ro,nosuid,nodev,noexec" /proc/self/mountinfo',
                f"Secret=db\n{container}")
    assert lines == ["/run/credentials", f"500 {owner} .", f"400 {owner} db", SECRET, "no new file", "not written", "1"]


def test_a_variable_has_it_without_its_last_line_break_and_exec_does_not(m: Machine) -> None:
    unit = service(m, "sh", "-c", '[ ${#PASSWORD} = %d ] && exec sleep 1000' % len(SECRET),
                   container="Secret=db:env=PASSWORD db\nUser=33")
    m.start(unit)
    assert inside(m, unit, "sh", "-c", 'echo "${PASSWORD-unset}"; cat "$CREDENTIALS_DIRECTORY/db"').lines == ["unset", SECRET]
    assert m.run("berth", "exec", "--user=34", unit, "--", "cat", "/run/credentials/db", check=False).err == \
        "cat: /run/credentials/db: Permission denied\n"
    # nowhere but in the process's own environment
    assert m.run("grep", "-rl", SECRET, "/run/systemd/generator", "/run/berth", check=False).out == ""
    assert SECRET not in m.run("systemctl", "show", unit).out
    assert SECRET not in m.run("cat", f"/proc/{main_pid(m, unit)}/cmdline").out


#: How often the word stands in what a process may write: its heap and its stack.
SCAN = """
import re, sys
pid, word, n = sys.argv[1], sys.argv[2].encode(), 0
with open(f"/proc/{pid}/mem", "rb", 0) as memory:
    for line in open(f"/proc/{pid}/maps"):
        start, end, mode = re.match("([0-9a-f]+)-([0-9a-f]+) (\\S+)", line).groups()
        if "w" in mode:
            memory.seek(int(start, 16))
            n += memory.read(int(end, 16) - int(start, 16)).count(word)
print(n)
"""


def test_the_init_has_forgotten_them(m: Machine) -> None:
    """Its memory could go to a disk; the tmpfs cannot, where the kernel can promise it."""
    unit = service(m, "sleep", "1000", container="Secret=db:env=PASSWORD db big big:env=BIG")
    m.start(unit)
    init = main_pid(m, unit)
    command = m.read(f"/proc/{init}/task/{init}/children").split()[0]
    scan = [int(m.run("python3", "-c", SCAN, pid, SECRET).out) for pid in (init, command)]
    assert scan[0] == 0 and scan[1] > 0, scan


def test_secrets_come_from_where_the_service_section_says(m: Machine) -> None:
    assert job(m, "cd $CREDENTIALS_DIRECTORY; ls; cat db literal; echo; echo $V", "Secret=db literal:env=V",
               "[Service]\nLoadCredential=db:/etc/other\nSetCredential=literal:in the open\nLoadCredential=unused:/etc/passwd"
               ) == ["db", "literal", "otherin the open", "in the open"]


@pytest.mark.parametrize("secret, message", [
    ("nosuch", "secret 'nosuch': systemd has passed none of that name; put it into /etc/credstore/nosuch, or set "
               "LoadCredential=nosuch:PATH in [Service]"),
    ("binary:env=V", "secret 'binary': holds a NUL byte, which no variable can; leave ':env=V' out"),
])
def test_a_secret_that_cannot_be_had_fails_the_start(m: Machine, secret: str, message: str) -> None:
    assert refused(m, service(m, "true", container=f"Secret={secret}")) == message


def test_without_secrets_there_is_no_directory(m: Machine) -> None:
    assert job(m, "echo ${CREDENTIALS_DIRECTORY-unset}; ls /run/credentials 2>/dev/null || echo none",
               rest="[Service]\nLoadCredential=db") == ["unset", "none"]
