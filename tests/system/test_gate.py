"""The gate: what users who are not root may do, by polkit's word, and what they may not whatever it says."""

from __future__ import annotations

import re
import struct
import textwrap
from pathlib import Path
from typing import Iterator

import pytest

from harness.system import Result, System
from harness.timing import ATTEMPTS

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
                                   ("ann", ("exec", "--user=33", "web", "id"), "web"),
                                   ("ann", ("exec", "--user=www-data\n", "web", "id"), "web"),
                                   ("ann", ("exec", "--user=www-data", "Web", "id"), "Web"),
                                   ("bob", ("exec", "--user=www-data", "web", "id"), "web")):
        result = berth(s, user, *words)
        assert (result.rc, result.out, result.err) == (125, "", refused("exec", f"container '{container}'"))
    assert berth(s, "ann", "top", "web", "--json").json()[0]["command"] == "berth-init"
    result = berth(s, "ann", "kill", "web", "--signal=KILL")
    assert (result.rc, result.err) == (1, refused("kill", "container 'web'"))
    result = berth(s, "ann", "list")
    assert (result.rc, result.err) == (1, refused("list", "all containers"))
    assert s.unit("web.service", "ActiveState") == "active"
    s.run("journalctl", "--sync")
    journal = s.run("journalctl", "-t", "berth-gate", "-o", "cat").lines
    uid = s.run("id", "-u", "ann").out.strip()
    assert any(re.fullmatch(rf"uid {uid}, pid \d+: berth exec web", line) for line in journal)
    assert f"uid {uid}: {refused('kill', 'container ' + chr(39) + 'web' + chr(39)).strip()}" in journal


def test_there_is_an_action_for_each_verb(s: System) -> None:
    listed = [line for line in s.run("pkaction").lines if line.startswith("org.berth.")]
    assert listed == sorted({f"org.berth.{action}" for action, *_ in ACTIONS})
    for action in listed:
        shown = s.run("pkaction", "--verbose", f"--action-id={action}").out
        active = "yes" if action in ("org.berth.list", "org.berth.status") else "auth_admin"
        assert re.search(rf"implicit active:\s+{active}\n", shown), shown
        assert re.search(r"implicit any:\s+auth_admin\n", shown), shown


#: Each action of the gate: words that ask for it, and what they are about.
ACTIONS = [
    ("exec", "exec other id"),
    ("exec", "exec --session=s other id"),
    ("job.start", "exec --detach other id"),
    ("shell", "shell other"),
    ("session.list", "session list", None),
    ("session.list", "session list other"),
    ("session.reset", "session reset other s"),
    ("session.close", "session close other s"),
    ("env.set", "env set other A=1"),
    ("env.unset", "env unset other A"),
    ("env.list", "env list other"),
    ("job.list", "job list", None),
    ("job.list", "job list other"),
    ("job.logs", "job logs other-00000000"),
    ("job.stop", "job stop other-00000000"),
    ("job.remove", "job remove other-00000000"),
    ("list", "list", None),
    ("status", "status other"),
    ("inspect", "inspect other"),
    ("stats", "stats", None),
    ("stats", "stats other"),
    ("top", "top other"),
    ("kill", "kill other"),
    ("logs", "logs other"),
    ("freeze", "freeze other"),
    ("thaw", "thaw other"),
    ("file.read", "file read other /etc/hostname"),
    ("file.write", "file write other /made"),
    ("file.append", "file append other /made"),
    ("file.replace", "file replace other /etc/passwd --old=root --new=toor"),
    ("file.insert", "file insert other /etc/passwd --after=0"),
    ("file.move", "file move other /etc/passwd /gone"),
    ("file.copy", "file copy other /etc/passwd /made"),
    ("file.search", "file search other root /etc/passwd"),
    ("file.list", "file list other /"),
    ("cp.out", "cp other:/etc/passwd ."),
    ("cp.in", "cp /etc/passwd other:/made"),
    ("snapshot.create", "snapshot create other"),
    ("snapshot.list", "snapshot list", None),
    ("snapshot.list", "snapshot list other"),
    ("snapshot.restore", "snapshot restore other"),
    ("snapshot.remove", "snapshot remove other"),
    ("volume.list", "volume list", None),
    ("volume.list", "volume list other"),
    ("volume.create", "volume create other:made"),
    ("volume.remove", "volume remove other:made"),
    ("volume.backup", "volume backup other:made -"),
    ("volume.restore", "volume restore other:made /etc/hostname"),
]


def test_each_verb_asks_for_its_own_action(s: System) -> None:
    for action, words, *about in ACTIONS:
        container = "all containers" if about else "container 'other'"
        result = s.run("berth", *words.split(), user="ann", check=False, input="x\n", env={"TMPDIR": "/tmp"})
        assert result.rc == (125 if action in ("exec", "job.start", "shell") else 1), words
        assert refused(action, container) in result.err, words
        assert result.out == "", words
    assert s.run("berth", "file", "list", "other", "/made", check=False).rc == 1
    assert not s.path("/var/lib/berth/volumes/other").exists()
    assert s.run("berth", "job", "list", "--no-legend").out == ""
    assert s.unit("other.service", "ActiveState") == "active"


def test_what_is_for_root_alone_says_why(s: System) -> None:
    rules(s, ALL_FOR_ANN)
    for words, status, what in (
            (("run", "--image=base", "id"), 125, "'run': its words say what of the host a container has"),
            (("mount", "web", "/home/ann", "/mnt"), 1, "'mount': it gives the container's root the rights of files "
             "of the host, or of another container"),
            (("umount", "web", "/mnt"), 1, "'umount': it undoes what root has mounted"),
            (("image", "import", "x.tar"), 1, "'image import': an image is not of one container, and what starts from "
             "it next is what it says"),
            (("commit", "web", "x"), 1, "'commit': an image is not of one container, and what starts from it next is "
             "what it says"),
            (("remove", "web"), 1, "'remove': it ends containers, and what they keep"),
            (("clean",), 1, "'clean': it is about all containers"),
            (("exec", "--cap-add=CAP_KILL", "web", "id"), 125, "--cap-add"),
            (("exec", "--scope", "web", "id"), 125, "--scope"),
            (("exec", "-p", "MemoryMax=infinity", "--scope", "web", "id"), 125, "--property"),
            (("exec", "--detach", "--input=/dev/null", "web", "id"), 125, "--input together with --detach"),
            (("volume", "remove", "--force", "web:x"), 1, "--force"),
            (("volume", "backup", "--freeze", "web:x", "-"), 1, "--freeze")):
        result = berth(s, "ann", *words)
        assert (result.rc, result.out, result.err) == (status, "", f"only root may use {what}\n")
    result = berth(s, "ann", "volume", "backup", "web:x")
    assert (result.rc, result.err) == (1, "only root may have a file written; for standard output: -\n")
    assert berth(s, "ann", "mount", "--help").rc == 0
    assert berth(s, "ann", "check").rc == 0


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
    # whoever reads no more is no error
    result = s.run("python3", "-c", "import os, subprocess; r, w = os.pipe(); os.close(r); "
                   "print(subprocess.run(['berth', 'inspect', 'web'], stdout=w).returncode)", user="ann")
    assert (result.out, result.err) == ("141\n", "")
    # what is kept for a user is in root's memory
    result = berth(s, "ann", "exec", "--json", "--max-output=5M", "web", "true")
    assert (result.rc, result.err) == (125, "--max-output=5M: expected a size, like 256K, up to 4M; root has up to 64M\n")
    result = berth(s, "ann", "file", "write", "--max-size=17M", "web", "/tmp/x", input="")
    assert (result.rc, result.err) == (2, "web: --max-size=17M: expected bytes, at most 16M; root has up to 1G\n")
    assert berth(s, "ann", "exec", "--json", "--max-output=4M", "web", "true").rc == 0
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


def test_files_of_a_container_go_through(s: System) -> None:
    rules(s, """polkit.addRule(function(action, subject) {
        if (action.id.indexOf("org.berth.file.") == 0 && action.lookup("container") == "web" && subject.user == "ann" &&
            (action.id == "org.berth.file.read" || action.lookup("user") == "www-data")) return polkit.Result.YES;
    });""")
    result = berth(s, "ann", "file", "write", "--user=www-data", "--mode=0640", "web", "/tmp/page", input="one\ntwo\n")
    assert (result.rc, result.err) == (0, "")
    assert berth(s, "ann", "file", "replace", "-u", "www-data", "web", "/tmp/page", "--old=one", "--new=1").rc == 0
    assert berth(s, "ann", "file", "read", "web", "/tmp/page").out == "1\ntwo\n"
    assert s.run("berth", "exec", "web", "stat", "-c", "%U %a", "/tmp/page").out == "www-data 640\n"
    result = berth(s, "ann", "file", "append", "--user=www-data", "web", "/etc/passwd", input="x\n")
    assert result.rc == 1 and "Permission denied" in result.err
    result = berth(s, "ann", "file", "write", "web", "/etc/passwd", input="x\n")
    assert (result.rc, result.err) == (1, refused("file.write", "container 'web'"))
    result = berth(s, "ann", "file", "read", "web", "--", "--user=x")  # no option by the time it is executed
    assert (result.rc, result.err) == (2, "web: '--user=x' is not absolute; paths inside begin with '/'\n")


def test_a_copy_reaches_of_the_host_what_its_caller_may(s: System) -> None:
    rules(s, ALL_FOR_ANN)
    s.sh("""
        rm -rf /home/ann/*
        cd /home/ann
        mkdir -p tree/below
        echo 1 >tree/one; echo 2 >tree/below/two; ln -s /etc/shadow tree/link
        chown -hR ann: .; chmod 4755 tree/one
        berth exec other -- sh -c 'mkdir -p /srv/t; cp /bin/true /srv/t/suid; chmod 4755 /srv/t/suid; ln -s /etc/shadow /srv/t/link'
    """)

    def as_ann(command: str) -> Result:
        return s.run("sh", "-c", f"cd /home/ann; {command}", user="ann", check=False)

    def listing(container: str, path: str) -> str:
        return s.run("berth", "exec", container, "--", "find", path, "-printf", "%P %y %m %U %l\n").out

    uid = s.run("id", "-u", "ann").out.strip()
    # into a directory, under another name, what is in a directory
    for target in ("web:/srv", "web:/srv/other", "web:/srv/content"):
        source = "tree/." if "content" in target else "tree"
        result = as_ann(f"berth cp {source} {target}")
        assert (result.rc, result.out, result.err) == (0, "", "")
    expected = sorted(["below d 755 " + uid + " ", "below/two f 644 " + uid + " ",
                       "link l 777 " + uid + " /etc/shadow", "one f 4755 " + uid + " "])
    for path in ("/srv/tree", "/srv/other", "/srv/content"):
        assert sorted(listing("web", path).splitlines()[1:]) == expected
    # and back: the caller's own now, without the bits of whoever made it
    result = as_ann("berth cp web:/srv/tree back && berth cp other:/srv/t . && stat -c '%U %a' back/one t/suid && "
                    "readlink back/link t/link && diff tree/below/two back/below/two")
    assert (result.rc, result.err) == (0, "")
    assert result.lines == ["ann 755", "ann 755", "/etc/shadow", "/etc/shadow"]
    # from one container to another, without a file between
    assert as_ann("berth cp --owner=33:33 web:/srv/tree/below other:/srv/").rc == 0
    assert listing("other", "/srv/below/two") == " f 644 33 \n"
    # what is not the caller's to read or to write
    s.write("/home/ann/tree/secret", "root's\n", mode=0o600)
    result = as_ann("berth cp tree web:/srv/whole")
    assert result.rc == 1 and "Permission denied" in result.err
    assert s.run("berth", "file", "list", "web", "/srv/whole", check=False).rc == 1
    result = as_ann("berth cp web:/srv/tree /etc/tree")
    assert result.rc == 1 and "Permission denied" in result.err
    assert not s.path("/etc/tree").exists()
    assert as_ann("berth cp /root/x web:/srv/").rc == 1
    assert as_ann("berth cp nobody:/x .").rc == 3
    # nothing half done stays
    assert sorted(p.name for p in s.path("/home/ann").iterdir() if not p.name.startswith(".")) == ["back", "t", "tree"]
    assert ".berth-" not in listing("web", "/srv")


def test_jobs_sessions_and_variables_are_of_a_container(s: System) -> None:
    rules(s, ALL_FOR_ANN.replace('"ann")', '"ann" && action.lookup("container") == "web")'))
    job = berth(s, "ann", "exec", "--detach", "--env=WORD=said", "web", "--", "sh", "-c", "echo $WORD; sleep 1000").out.strip()
    assert re.fullmatch(r"web-[0-9a-f]{8}", job)
    s.wait_for(lambda: "said" in berth(s, "ann", "job", "logs", job).out, "what the job says")
    assert [j["job"] for j in berth(s, "ann", "job", "list", "web", "--json").json()] == [job]
    others = s.run("berth", "exec", "--detach", "other", "--", "sleep", "1000").out.strip()
    for words in (("logs", others), ("stop", job, others), ("remove", others)):
        result = berth(s, "ann", "job", *words)
        assert (result.rc, result.err) == (1, refused(f"job.{words[0]}", "container 'other'"))
    assert all(s.unit(f"berth-job-{j}.service", "SubState") == "running" for j in (job, others))
    assert berth(s, "ann", "job", "stop", job).rc == 0
    assert berth(s, "ann", "job", "remove", job).rc == 0
    s.run("berth", "job", "stop", others)

    assert berth(s, "ann", "exec", "--session=s", "web", "--", "cd /srv; A=1").rc == 0
    assert berth(s, "ann", "exec", "--session=s", "web", "--", "echo $PWD $A").out == "/srv 1\n"
    assert berth(s, "ann", "session", "close", "web", "s").rc == 0
    assert berth(s, "ann", "env", "set", "web", "KEPT=yes").rc == 0
    assert berth(s, "ann", "exec", "web", "--", "sh", "-c", "echo $KEPT").out == "yes\n"
    assert berth(s, "ann", "env", "unset", "web", "KEPT").rc == 0


def test_who_may_start_something_may_not_fill_the_host(s: System) -> None:
    rules(s, ALL_FOR_ANN)
    s.sh("""
        for i in $(seq 32); do touch /run/berth/containers/web/session-$i; done
        for i in $(seq 256); do
            printf '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=:/bin/true\n' \
                >"$(printf /run/systemd/system/berth-job-web-%08x.service $i)"
        done
        systemctl daemon-reload
        systemctl start $(cd /run/systemd/system; ls berth-job-web-*)
    """, timeout=120)
    result = berth(s, "ann", "exec", "--session=more", "web", "true")
    assert (result.rc, result.err) == (125, "container 'web' has 32 sessions; close some: berth session close\n")
    assert berth(s, "ann", "exec", "--session=7", "web", "true").rc == 0
    result = berth(s, "ann", "exec", "--detach", "web", "true")
    assert (result.rc, result.err) == (125, "container 'web' has 256 jobs; forget some: berth job remove\n")
    s.sh("""
        systemctl stop 'berth-job-web-*'
        rm /run/systemd/system/berth-job-web-*
        systemctl daemon-reload
    """, timeout=120)
    assert berth(s, "ann", "exec", "--detach", "web", "true").rc == 0


def test_volumes_and_snapshots_are_of_a_container(s: System) -> None:
    s.manifest("kept", """
        [Container]
        Image=base
        Exec=sleep 1000
        Ephemeral=no
        [Network]
        Mode=none
    """)
    s.reload()
    s.run("systemctl", "start", "kept")
    rules(s, """polkit.addRule(function(action, subject) {
        if (action.id.indexOf("org.berth.volume.") == 0 && action.lookup("container") == "web" &&
            action.lookup("volume") == "data" && subject.user == "ann") return polkit.Result.YES;
        if (action.id.indexOf("org.berth.snapshot.") == 0 && action.lookup("container") == "kept" &&
            subject.user == "ann") return polkit.Result.YES;
    });""")
    assert berth(s, "ann", "volume", "create", "--mode=0700", "web:data").rc == 0
    result = berth(s, "ann", "volume", "create", "web:more")
    assert (result.rc, result.err) == (1, refused("volume.create", "container 'web'"))
    s.write("/var/lib/berth/volumes/web/data/file", "content\n")
    result = s.run("sh", "-c", "cd; berth volume backup web:data - >saved && berth volume remove web:data && "
                   "berth volume create web:data && berth volume restore web:data saved", user="ann", check=False,
                   env={"HOME": "/home/ann"})
    assert (result.rc, result.err) == (0, "")
    assert s.path("/var/lib/berth/volumes/web/data/file").read_text() == "content\n"
    s.write("/root/archive", "", mode=0o600)
    result = berth(s, "ann", "volume", "restore", "web:data", "/root/archive")
    assert (result.rc, result.err) == (1, "cannot open '/root/archive': Permission denied\n")

    s.run("berth", "file", "write", "kept", "/mark", input="before\n")
    assert berth(s, "ann", "snapshot", "create", "kept", "one").rc == 0
    s.run("berth", "file", "write", "kept", "/mark", input="after\n")
    s.run("systemctl", "stop", "kept")
    assert berth(s, "ann", "snapshot", "restore", "kept", "one").rc == 0
    assert s.run("berth", "file", "read", "kept", "/mark").out == "before\n"
    assert berth(s, "ann", "snapshot", "remove", "kept", "one").rc == 0


def test_a_user_who_stands_still_holds_up_no_start(s: System) -> None:
    rules(s, ALL_FOR_ANN)
    s.manifest("kept", MANIFEST.replace("Image=base", "Image=base\nEphemeral=no"))
    s.reload()
    s.start("kept")
    s.stop("kept")
    s.run("systemd-run", "--unit=slow", "--uid=ann", "sh", "-c", "sleep 1000 | berth file write kept /x")
    waits = "for pid in $(pgrep -x berth-files); do ! grep -q pipe_read /proc/$pid/wchan || echo $pid; done"
    (pid,) = s.wait_for(lambda: s.sh(waits, check=False).out.split(), "that it waits for input")
    assert f"BERTH_CALLER={s.run('id', '-u', 'ann').out.strip()}" in s.read(f"/proc/{pid}/environ").split("\0")
    s.start("kept")
    s.run("systemctl", "stop", "slow")
    s.stop("kept")
    s.run("berth", "remove", "kept", "--layer")


def test_no_file_of_a_user_is_in_the_hands_of_a_container(s: System) -> None:
    """Where ids are not mapped, root inside could make a program of theirs the host's root's."""
    s.manifest("bare", MANIFEST.replace("[Network]", "PrivateUsers=no\n[Network]"))
    s.reload()
    s.run("systemctl", "start", "bare")
    rules(s, ALL_FOR_ANN)
    s.sh("rm -rf /home/ann/*; cp /bin/true /home/ann/in; chown ann: /home/ann/in")
    result = s.run("sh", "-c", "cd; berth exec bare -- sh -c 'cat; for n in 0 1; do chown 0:0 /proc/self/fd/$n; "
                   "chmod 4755 /proc/self/fd/$n; done' <in >out 2>/dev/null; cmp in out", user="ann",
                   env={"HOME": "/home/ann"})
    assert result.out == ""
    assert s.run("stat", "-c", "%U %a", "/home/ann/in", "/home/ann/out").lines == ["ann 755", "ann 644"]
    s.run("berth", "exec", "bare", "--", "sh", "-c", "chmod 0 /proc/self/fd/0", user="ann", check=False)
    assert s.run("stat", "-c", "%a", "/dev/null").out == "666\n"


def test_what_the_gate_does_not_take_the_client_copies(s: System) -> None:
    rules(s, ALL_FOR_ANN)
    s.run("rm", "-rf", "/home/ann/out")

    def as_ann(script: str) -> Result:
        return s.run("bash", "-c", f"cd /home/ann; {script}", user="ann", check=False, timeout=60)

    # in the order in which it was said, all of it, both ways
    result = as_ann("berth exec web -- sh -c 'for i in 1 2 3; do echo out $i; echo err $i >&2; done' >out 2>&1; cat out")
    assert result.lines == [f"{stream} {i}" for i in (1, 2, 3) for stream in ("out", "err")]
    assert as_ann("head -c 3000000 /dev/urandom >in; berth exec web -- cat <in >out; cmp in out").rc == 0
    assert as_ann("berth exec web -- cat </dev/null >out; stat -c %s out").out == "0\n"
    # a background process of the container holds up nothing
    result = as_ann("berth exec web -- sh -c 'sleep 1000 & echo done' >out 2>&1; cat out")
    assert (result.rc, result.out) == (0, "done\n")
    result = as_ann("berth exec web -- echo lost >/dev/full")
    assert (result.rc, result.err) == (125, "cannot write what was to be written: No space left on device\n")
    # as sshd(8) has it
    result = s.run("python3", "-c", textwrap.dedent("""
        import socket, subprocess
        a, b = socket.socketpair()
        p = subprocess.Popen(["berth", "exec", "web", "--", "sh", "-c", "cat; exit 7"], stdin=b, stdout=b)
        b.close(); a.sendall(b"through\\n"); a.shutdown(socket.SHUT_WR)
        print(a.makefile().read(), p.wait(), sep="")
    """), user="ann", timeout=60)
    assert result.out == "through\n7\n"


def test_a_flood_of_connections_closes_the_gate_for_nobody(s: System) -> None:
    rules(s, ALL_FOR_ANN)
    s.run("python3", "-c", textwrap.dedent("""
        import socket
        for _ in range(1000):
            with socket.socket(socket.AF_UNIX) as s: s.connect("/run/berth/control")
    """), user="bob", timeout=60)
    s.wait_for(lambda: not s.run("systemctl", "list-units", "--no-legend", "berth@*").out, "end of the flood", timeout=60)
    assert berth(s, "ann", "exec", "web", "--", "echo", "served").out == "served\n"
    assert s.unit("berth.socket", "ActiveState") == "active"


def test_logs_are_of_containers(s: System) -> None:
    rules(s, ALL_FOR_ANN)
    result = berth(s, "ann", "logs", "dbus")
    assert (result.rc, result.out, result.err) == (3, "", "no container 'dbus', see berth list --all\n")
    assert berth(s, "ann", "logs", "web").rc == 0
    # nor is what is no service any more: the journal still has it
    s.run("systemd-run", "--wait", "--quiet", "--unit=once", "echo", "the host's")
    s.run("journalctl", "--sync")
    assert "the host's" in s.run("berth", "logs", "once").out
    result = berth(s, "ann", "logs", "once")
    assert (result.rc, result.out, result.err) == (3, "", "no container 'once', see berth list --all\n")


# -- what no client of ours would send --

CLIENT = textwrap.dedent("""
    import array, contextlib, os, socket, struct, subprocess, sys, time
    from pathlib import Path
    empty, end = os.pipe(); os.dup2(empty, 0); os.close(end)
    def frame(kind, payload): return struct.pack("<II", len(payload), kind) + payload
    def connect():
        s = socket.socket(socket.AF_UNIX); s.connect("/run/berth/control"); s.settimeout(30); return s
    def request(s, *words, fds=(0, 1, 2), version="1"):
        data = frame(1, b"".join(w.encode() + b"\\0" for w in (version, "dumb", *words)))
        with contextlib.suppress(BrokenPipeError):  # who is refused before he has asked has his answer all the same
            s.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [])
    def answer(s):
        data = b""
        while len(data) < 8 or len(data) < 8 + struct.unpack("<I", data[:4])[0]:
            more = s.recv(4096)
            if not more: return None
            data += more
        return struct.unpack("<I", data[8:12])[0], data[12:].decode()
    def serves(): return list(Path("/sys/fs/cgroup/system.slice/system-berth.slice").glob("berth@*"))
    # for who asks often: a connection of before counts until its unit has ended
    def ask(*words, **more):
        with connect() as s: request(s, *words, **more); told = answer(s)
        while serves(): time.sleep(0.02)
        return told
""")


def client(s: System, script: str, user: str = "ann") -> Result:
    return s.run("python3", "-u", "-c", CLIENT + textwrap.dedent(script), user=user, timeout=60)


def test_the_gate_trusts_no_client(s: System) -> None:
    rules(s, ALL_FOR_ANN)
    out = client(s, """
        print(ask("exec", "--user=root", "web", "--", "echo", "fine"))
        print(ask("launch", "--name=x"))
        print(ask("image", "list"))
        print(ask("mount", "web", "/root", "/mnt"))
        print(ask("cp", "/etc/shadow", "web:/x"))
        print(ask("volume", "restore", "web:x", "/etc/shadow"))
        print(ask("job", "logs", "../web-00000000"))
        print(ask("file", "list", "web", "--", "--user=root"))
        print(ask("exec", "--cap-add=CAP_KILL", "web", "--", "id"))
        print(ask("exec", "--input=/etc/shadow", "web", "--", "cat"))
        print(ask("exec", "--input=fd:0", "web", "--", "cat"))
        print(ask("exec", "../../web", "--", "id"))
        print(ask("exec", "web", "--", "id", version="2"))
        print(ask("exec", "web", "--", "id", fds=()))
        print(ask("exec", "web", "--", "id", fds=(0, 1, 2, 0)))
        s = connect(); s.sendall(frame(2, b"1234")); print(answer(s))
        s = connect(); s.sendall(struct.pack("<II", 0xffffffff, 1)); print(answer(s))
    """).lines
    assert out == [
        "fine", "(0, '')",
        "(125, 'the gate does not take these words')",
        *["(125, 'only root may use this verb')"] * 2,
        *["(125, 'the gate does not take these words')"] * 3,
        "(2, '')",
        "(125, 'the gate does not take these words')",
        "(125, 'the gate does not take these words')",
        "(125, 'the descriptors do not fit the request')",
        "(125, 'the gate does not take these words')",
        "(125, 'this is no request, or one of another version')",
        "(125, 'the descriptors do not fit the request')",
        "(125, 'the descriptors do not fit the request')",
        "(125, 'this is no request, or one of another version')",
        "(125, 'this is no request, or one of another version')",
    ]


def test_descriptors_that_mean_something_to_root_are_refused(s: System) -> None:
    rules(s, ALL_FOR_ANN)
    out = client(s, """
        import tempfile
        def ask_with(*fds, words=("status", "web")): return ask(*words, fds=fds)[1]
        home = tempfile.mkdtemp()
        open(home + "/file", "w").write("A=secret\\n")
        os.mkfifo(home + "/fifo")
        pair = socket.socketpair()
        streams = [os.open(home + "/file", os.O_RDWR), os.open("/dev/null", os.O_RDWR), os.open("/", os.O_RDONLY),
                   os.open("/proc/self/mem", os.O_RDWR), os.open("/etc/hostname", os.O_PATH),
                   os.open(home + "/fifo", os.O_PATH), pair[0].fileno(),
                   socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).detach(), socket.socket().detach(),
                   os.memfd_create("x"), os.eventfd(0), os.pidfd_open(os.getpid())]
        for fd in streams:
            for fds in ((fd, 1, 2), (0, fd, 2), (0, 1, fd)):
                print(ask_with(*fds))
        words = ("exec", "--env-file=fd:0", "web", "--", "sh", "-c", "echo $A")
        print(ask_with(0, 1, 2, os.open(home + "/file", os.O_RDONLY), words=words) == "")
        for fd in (os.open(home + "/file", os.O_WRONLY), os.open("/", os.O_RDONLY), os.open(home + "/file", os.O_PATH),
                   os.open("/proc/self/environ", os.O_RDONLY), os.open("/proc/self/ns/mnt", os.O_RDONLY), pair[0].fileno()):
            print(ask_with(0, 1, 2, fd, words=words))
        # sent later they are nobody's
        s = connect(); request(s, "exec", "web", "--", "sleep", "1000")
        s.sendmsg([frame(2, struct.pack("<I", 10))], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0] * 17))])
        print(answer(s))
    """).lines
    at = out.index("secret")
    assert set(out[:at]) == {"the gate takes only pipes and terminals as streams"} and at == 3 * 12
    assert out[at:] == ["secret", "True", *["the gate takes only files that can be read"] * 6, "(129, '')"]


def test_nothing_is_done_for_a_client_that_has_gone_meanwhile(s: System) -> None:
    s.run("install", "-d", "-m", "1777", "/run/berth-test")
    rules(s, """polkit.addRule(function(action, subject) {
        polkit.spawn(["/bin/sh", "-c", ": polkit-asks; until [ -e /run/berth-test/answer ]; do sleep 0.05; done"]);
        return polkit.Result.YES;
    });""")
    client(s, """
        def asks():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    if b": polkit" + b"-asks;" in path.read_bytes(): return True
                except OSError: pass
        s = connect(); request(s, "exec", "web", "--", "touch", "/done")
        while not asks(): time.sleep(0.05)
        s.close()
        Path("/run/berth-test/answer").touch()
        while serves(): time.sleep(0.05)
    """)
    s.run("journalctl", "--sync")
    journal = s.run("journalctl", "-t", "berth-gate", "-o", "cat").lines
    assert any(line.endswith("has gone before anything was done") for line in journal)
    assert s.run("berth", "file", "list", "web", "/done", check=False).rc == 1
    s.run("rm", "-r", "/run/berth-test")


#: The gate looks at who has connected when it starts, and that is held up until a file is there.
HELD_UP = "/run/systemd/system/berth@.service.d/held-up.conf"


@pytest.fixture
def held_up(s: System) -> Iterator[None]:
    s.run("install", "-d", "-m", "1777", "/run/berth-test")
    s.write(HELD_UP, "[Service]\nExecStartPre=/bin/sh -c 'until [ -e /run/berth-test/go ]; do sleep 0.05; done'\n")
    s.reload()
    yield
    s.run("rm", "-rf", "/run/berth-test", HELD_UP)
    s.reload()


#: One that connects and has gone when the gate looks; its child has the socket still, and asks.
GONE = CLIENT + textwrap.dedent("""
    s = connect()
    if os.fork():
        Path("/run/berth-test/pid").write_text(str(os.getpid()) + "\\n")
        os._exit(0)
    os.setsid()  # a number that is a session's or group's is not free
    while not Path("/run/berth-test/go").exists(): time.sleep(0.05)
    try:
        request(s, "exec", "web", "--", "touch", "/done"); print(answer(s))
    except (BrokenPipeError, ConnectionResetError):
        print(None)
""")

#: A process of ann's with that number.
TAKE_NUMBER = textwrap.dedent("""
    import os, pwd, sys
    ann, number = pwd.getpwnam("ann"), int(sys.argv[1])
    for _ in range(10000):
        open("/proc/sys/kernel/ns_last_pid", "w").write(str(number - 1))
        child = os.fork()
        if child == 0:
            if os.getpid() == number:
                os.setgid(ann.pw_gid); os.setuid(ann.pw_uid)
                os.closerange(0, 3)
                os.execvp("sleep", ["sleep", "1000"])
            os._exit(0)
        if child == number: sys.exit()
        os.waitpid(child, 0)
    sys.exit("the number was never free")
""")


@pytest.mark.parametrize("user, reused", [("ann", False), ("bob", True)], ids=["gone", "reused"])
def test_who_has_gone_before_the_gate_looks_is_nobody(s: System, held_up: None, user: str, reused: bool) -> None:
    """Though ann, who may do all, connected; nor is it ann who has bob's number by then."""
    rules(s, ALL_FOR_ANN)
    if reused and not s.exists("/proc/sys/kernel/ns_last_pid"):
        pytest.skip("needs CONFIG_CHECKPOINT_RESTORE")
    s.write("/run/berth-client.py", GONE, mode=0o644)
    s.run("systemd-run", "--unit=gone", f"--uid={user}", "--property=ExitType=cgroup", "--property=StandardOutput=file:/run/berth-out",
          "python3", "-u", "/run/berth-client.py")
    pid = s.wait_for(lambda: s.exists("/run/berth-test/pid") and s.read("/run/berth-test/pid").strip(), "its number")
    s.wait_for(lambda: not s.exists(f"/proc/{pid}"), "its end")
    if reused:
        s.run("python3", "-c", TAKE_NUMBER, pid)
        s.wait_for(lambda: s.sh(f"ps -o user= -p {pid}").out.strip() == "ann", "ann's process of that number")
    s.run("touch", "/run/berth-test/go")
    answer = s.wait_for(lambda: s.read("/run/berth-out"), "the answer")
    if reused:
        s.run("kill", pid)
    s.wait_for(lambda: s.unit("gone", "LoadState") == "not-found", "end of its unit")
    s.run("rm", "/run/berth-client.py", "/run/berth-out")
    # there is nobody to say anything to; before Linux 6.5 it is polkit that finds out
    assert answer == "None\n" or (reused and answer.startswith("(125, ")), answer
    assert s.run("berth", "file", "list", "web", "/done", check=False).rc == 1


def test_sixteen_connections_are_one_users_share(s: System) -> None:
    rules(s, ALL_FOR_ANN)
    script = """
        held = []
        for _ in range(16):
            held.append(connect())
            output, end = os.pipe()
            request(held[-1], "exec", "web", "--", "sh", "-c", "echo served; exec sleep 1000", fds=(0, end, 2))
            assert os.read(output, 100) == b"served\\n"
            os.close(end)
        last = connect(); request(last, "status", "web"); print(answer(last))
        while len(serves()) > 16: time.sleep(0.02)
        # berth itself as well when its request comes behind the refusal
        done = subprocess.run(["strace", "-qq", "-o", "/dev/null", "-e", "trace=sendmsg", "-e", "inject=sendmsg:delay_enter=1000000",
                               "berth", "status", "web"], stdin=0, capture_output=True, text=True)
        print(done.returncode, done.stdout, done.stderr, end="")
    """
    # a connection of before counts until its unit has ended
    s.wait_for(lambda: not s.run("systemctl", "list-units", "--no-legend", "berth@*").out, "end of the others")
    assert client(s, script).lines == ["(125, 'too many connections of yours at once: 16 are allowed')",
                                       "125  too many connections of yours at once: 16 are allowed"]
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
    for _ in range(ATTEMPTS):
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
        if out[-1] != "137":  # who is too slow is killed
            break
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
