"""The gate: what users who are not root may do, by polkit's word, and what they may not whatever it says."""

from __future__ import annotations

import re
import struct
import textwrap
from pathlib import Path
from typing import Iterator

import pytest

from harness.system import Result, System

needs_berth = True
pytestmark = pytest.mark.system

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/polkit/50-berth-web-ops.rules"
MANIFEST = "[Container]\nImage=base\nExec=sleep 1000\n[Network]\nMode=none\n"
RULES = "/etc/polkit-1/rules.d/50-berth-test.rules"

ALL_FOR_ANN = """polkit.addRule(function(action, subject) {
    if (action.id.indexOf("org.berth.") == 0 && subject.user == "ann") return polkit.Result.YES;
});
"""


@pytest.fixture
def s(m: System) -> Iterator[System]:
    m.sh("""
        getent group web-ops || groupadd web-ops
        id ann || useradd --create-home --groups=web-ops ann
        id bob || useradd --create-home bob
        systemctl start berth.socket
    """)
    for name in ("web", "other"):
        m.manifest(name, MANIFEST)
    m.reload()
    m.run("systemctl", "start", "web", "other")
    rules(m, EXAMPLE.read_text())
    yield m
    m.run("rm", "-f", RULES)
    m.run("systemctl", "stop", "berth.socket", "berth@*.service", "polkit.service")


def rules(s: System, text: str) -> None:
    s.write(RULES, text)
    s.run("systemctl", "restart", "polkit.service")  # at once, and not when it notices


def berth(s: System, user: str, *words: object, **more) -> Result:
    return s.run("berth", *words, user=user, check=False, **more)


def refused(action: str, container: str) -> str:
    return f"you may not: polkit's action org.berth.{action} for {container} takes an administrator; see berth-gate(8)\n"


def test_the_example_lets_a_group_into_one_container(s: System) -> None:
    result = berth(s, "ann", "exec", "--user=www-data", "web", "--", "id", "-un")
    assert (result.rc, result.out, result.err) == (0, "www-data\n", "")
    for user, words, container in (("ann", ("exec", "--user=www-data", "other", "id"), "other"),
                                   ("ann", ("exec", "web", "id"), "web"),
                                   ("ann", ("exec", "--user=www-data", "--user=root", "web", "id"), "web"),
                                   ("ann", ("exec", "--user=www-data:root", "web", "id"), "web"),
                                   ("bob", ("exec", "--user=www-data", "web", "id"), "web")):
        result = berth(s, user, *words)
        assert (result.rc, result.out, result.err) == (125, "", refused("exec", f"container '{container}'"))
    assert berth(s, "ann", "top", "web", "--json").json()[0]["command"] == "berth-init"
    result = berth(s, "ann", "kill", "web", "--signal=KILL")
    assert (result.rc, result.err) == (1, refused("kill", "container 'web'"))
    result = berth(s, "ann", "list")
    assert (result.rc, result.err) == (1, refused("list", "all containers"))
    assert s.unit("web.service", "ActiveState") == "active"
    journal = s.run("journalctl", "-t", "berth-gate", "-o", "cat").lines
    uid = s.run("id", "-u", "ann").out.strip()
    assert any(re.fullmatch(rf"uid {uid}, pid \d+: berth exec web", line) for line in journal)
    assert f"uid {uid}: {refused('kill', 'container ' + chr(39) + 'web' + chr(39)).strip()}" in journal


def test_there_is_an_action_for_each_verb(s: System) -> None:
    listed = [line for line in s.run("pkaction").lines if line.startswith("org.berth.")]
    assert listed == sorted(f"org.berth.{verb}" for verb in (
        "exec", "shell", "list", "status", "inspect", "stats", "top", "logs", "kill", "freeze", "thaw"))
    for action in listed:
        shown = s.run("pkaction", "--verbose", f"--action-id={action}").out
        active = "yes" if action in ("org.berth.list", "org.berth.status") else "auth_admin"
        assert re.search(rf"implicit active:\s+{active}\n", shown), shown
        assert re.search(r"implicit any:\s+auth_admin\n", shown), shown


def test_it_is_as_if_root_had_called(s: System) -> None:
    rules(s, ALL_FOR_ANN)
    assert berth(s, "ann", "exec", "web", "sh", "-c", "exit 7").rc == 7
    assert berth(s, "ann", "exec", "web", "sh", "-c", "kill -9 $$").rc == 137
    assert berth(s, "ann", "exec", "web", "nothing-there").rc == 127
    assert berth(s, "ann", "exec", "--timeout=1s", "web", "sleep", "1000").rc == 124
    assert berth(s, "ann", "status", "nobody").rc == 3
    result = berth(s, "ann", "exec", "web", "--", "sh", "-c", "cat; echo err >&2", input="through\n")
    assert (result.out, result.err) == ("through\n", "err\n")
    assert [c["name"] for c in berth(s, "ann", "list", "--json").json()] == ["other", "web"]
    assert [c["name"] for c in berth(s, "ann", "stats", "web", "other", "--json").json()] == ["web", "other"]
    report = berth(s, "ann", "exec", "--json", "web", "--", "echo", "hello").json()
    assert (report["exit_code"], report["stdout"]) == (0, "hello\n")
    # what root's environment and directory are is no concern of the command's, and the user's neither
    result = berth(s, "ann", "exec", "--env=ONE", "--env=TWO=2", "web", "env", env={"ONE": "1", "SECRET": "x"})
    assert {"ONE=1", "TWO=2"} <= set(result.lines) and "SECRET" not in result.out
    assert berth(s, "ann", "freeze", "web").rc == 0
    assert berth(s, "ann", "status", "web", "--json").json()["state"] == "frozen"
    assert berth(s, "ann", "thaw", "web").rc == 0
    s.run("berth", "list")  # root does not need it


def test_files_are_opened_with_the_users_own_rights(s: System) -> None:
    rules(s, ALL_FOR_ANN)
    s.write("/home/ann/variables", "FROM=file\n")
    s.write("/root/secret", "SECRET=1\n", mode=0o600)
    result = berth(s, "ann", "exec", "--env-file=/home/ann/variables", "--input=/home/ann/variables", "web", "--",
                   "sh", "-c", "echo $FROM; cat")
    assert (result.rc, result.out) == (0, "file\nFROM=file\n"), result
    for option in ("--env-file", "--input"):
        result = berth(s, "ann", "exec", f"{option}=/root/secret", "web", "env")
        assert (result.rc, result.out, result.err) == (125, "", "cannot open '/root/secret': Permission denied\n")
    for option in ("--detach", "--cap-add=CAP_KILL"):
        result = berth(s, "ann", "exec", option, "web", "env")
        assert (result.rc, result.err) == (125, f"only root may use {option.split('=')[0]}\n")


def test_without_polkit_nobody_may(s: System) -> None:
    rules(s, ALL_FOR_ANN)
    s.run("systemctl", "mask", "--runtime", "--now", "polkit.service")
    try:
        result = berth(s, "ann", "exec", "web", "id")
        assert result.rc == 125 and "polkit does not answer" in result.err and "only root may do this\n" in result.err
    finally:
        s.run("systemctl", "unmask", "--runtime", "polkit.service")
    assert berth(s, "ann", "exec", "web", "true").rc == 0
    s.run("systemctl", "stop", "berth.socket")
    result = berth(s, "ann", "exec", "web", "id")
    assert (result.rc, result.err) == (125, "only root may enter container 'web'\n")


# -- what no client of ours would send --

CLIENT = textwrap.dedent("""
    import array, os, socket, struct, sys
    def frame(kind, payload): return struct.pack("<II", len(payload), kind) + payload
    def connect():
        s = socket.socket(socket.AF_UNIX); s.connect("/run/berth/control"); s.settimeout(30); return s
    def request(s, *words, fds=(0, 1, 2), version="1"):
        data = frame(1, b"".join(w.encode() + b"\\0" for w in (version, "dumb", *words)))
        s.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [])
    def answer(s):
        data = b""
        while len(data) < 8 or len(data) < 8 + struct.unpack("<I", data[:4])[0]:
            more = s.recv(4096)
            if not more: return None
            data += more
        return struct.unpack("<I", data[8:12])[0], data[12:].decode()
""")


def client(s: System, script: str, user: str = "ann") -> Result:
    return s.run("python3", "-c", CLIENT + textwrap.dedent(script), user=user, timeout=60)


def test_the_gate_trusts_no_client(s: System) -> None:
    rules(s, ALL_FOR_ANN)
    out = client(s, """
        def ask(*words, **more):
            s = connect(); request(s, *words, **more); return answer(s)
        print(ask("exec", "--user=root", "web", "--", "echo", "fine"))
        print(ask("launch", "--name=x"))
        print(ask("image", "list"))
        print(ask("exec", "--cap-add=CAP_KILL", "web", "--", "id"))
        print(ask("exec", "--input=/etc/shadow", "web", "--", "cat"))
        print(ask("exec", "--input=fd:0", "web", "--", "cat"))
        print(ask("exec", "../../web", "--", "id"))
        print(ask("exec", "web", "--", "id", version="2"))
        print(ask("exec", "web", "--", "id", fds=()))
        print(ask("exec", "web", "--", "id", fds=(0, 1, 2, 0)))
        print(ask("status", "web", fds=(0, 1, os.open("/proc/self/mem", os.O_RDWR))))
        print(ask("status", "web", fds=(0, 1, os.open("/", os.O_RDONLY))))
        print(ask("status", "web", fds=(0, 1, os.open("/etc/hostname", os.O_PATH))))
        datagrams = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        print(ask("status", "web", fds=(0, datagrams.fileno(), 2)))
        s = connect(); s.sendall(frame(2, b"1234")); print(answer(s))
        s = connect(); s.sendall(struct.pack("<II", 0xffffffff, 1)); print(answer(s))
    """).lines
    assert out == [
        "fine", "(0, '')",
        "(125, 'only root may use this verb')",
        "(125, 'only root may use this verb')",
        "(125, 'the gate does not take these words')",
        "(125, 'the gate does not take these words')",
        "(125, 'the descriptors do not fit the request')",
        "(125, 'the gate does not take these words')",
        "(125, 'this is no request, or one of another version')",
        "(125, 'the descriptors do not fit the request')",
        "(125, 'the descriptors do not fit the request')",
        *["(1, 'the gate takes files, pipes, terminals and stream sockets alone')"] * 4,
        "(125, 'this is no request, or one of another version')",
        "(125, 'this is no request, or one of another version')",
    ]


def test_sixteen_connections_are_one_users_share(s: System) -> None:
    rules(s, ALL_FOR_ANN)
    script = """
        import time
        held = [connect() for _ in range(16)]
        while sum(n.startswith("berth@") for n in os.listdir("/sys/fs/cgroup/system.slice/system-berth.slice")) < 16:
            time.sleep(0.05)
        last = connect(); request(last, "status", "web"); print(answer(last), flush=True)
        request(held[0], "exec", "web", "--", "echo", "served"); print(answer(held[0]))
    """
    assert client(s, script).lines == ["(125, 'too many connections of yours at once: 16 are allowed')", "served",
                                       "(0, '')"]
    rules(s, ALL_FOR_ANN.replace("ann", "bob"))
    assert berth(s, "bob", "status", "web").rc == 0


def test_a_client_that_is_killed_takes_its_command_along(s: System) -> None:
    rules(s, ALL_FOR_ANN)
    s.sh("""
        setpriv --reuid=ann --regid=ann --init-groups berth exec web -- sh -c 'sleep 4242 & setsid sleep 4242' &
        client=$!
        until [ "$(pgrep -cfx 'sleep 4242')" = 2 ]; do sleep 0.05; done
        kill -KILL $client
        while pgrep -fx 'sleep 4242'; do sleep 0.05; done
    """, timeout=60)
    s.wait_for(lambda: not s.run("systemctl", "list-units", "--no-legend", "berth@*").out, "end of the gate's unit")


def test_signals_arrive(s: System) -> None:
    rules(s, ALL_FOR_ANN)
    out = s.sh("""
        exec 3<> <(:)
        mkfifo /tmp/ready; chmod 666 /tmp/ready
        setpriv --reuid=ann --regid=ann --init-groups berth exec web -- \\
            bash -c 'trap "echo got; exit 3" INT; echo ready; while :; do sleep 0.05; done' >/tmp/ready &
        client=$!
        exec 4</tmp/ready
        read -r line <&4; echo "$line"
        kill -INT $client
        cat <&4
        wait $client || echo "$?"
        rm /tmp/ready
    """, timeout=60).lines
    assert out == ["ready", "got", "3"]


TERMINAL = textwrap.dedent("""
    import fcntl, os, pty, select, signal, struct, sys, termios
    pid, fd = pty.fork()
    if pid == 0:
        os.execvp("setpriv", ["setpriv", "--reuid=ann", "--regid=ann", "--init-groups", "berth", "exec", "web", "--",
                              "sh", "-c", "stty size; trap 'stty size; exit 5' WINCH; echo ready; while :; do sleep 0.05; done"])
    def expect(text):
        seen = b""
        while text not in seen:
            if not select.select([fd], [], [], 30)[0]: sys.exit(f"no {text} in {seen}")
            try: seen += os.read(fd, 4096)
            except OSError: sys.exit(f"no {text} in {seen}")
    def resize(rows, columns): fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    expect(b"ready")
    resize(33, 99)
    expect(b"33 99")
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
""")


def test_a_terminal_and_its_size_go_through(s: System) -> None:
    rules(s, ALL_FOR_ANN)
    assert s.run("python3", "-c", TERMINAL, timeout=60).out == "5\n"
