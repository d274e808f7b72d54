"""What somebody gets wrong: each verb says it in one line, with the exit status of its kind."""

from __future__ import annotations

import re

import pytest

from harness.system import System

needs_berth = True
pytestmark = pytest.mark.system

MANIFEST = "[Container]\nImage=base\nExec=sleep 1000\n{}\n[Network]\nMode=none\n"

#: 125 in the place of the others, as the command's own status is handed on
OF_A_COMMAND = ("exec", "shell", "run")

#: Words that would be right, were it not for the container, C, and what else there is to say than that there is none.
OF_A_CONTAINER: dict[str, tuple[str, str | None]] = {
    "exec": ("C true", None), "shell": ("C", None),
    "session list": ("C", None), "session reset": ("C s", "no session 's' of container 'C', see berth session list"),
    "session close": ("C s", "no session 's' of container 'C', see berth session list"),
    "env set": ("C A=1", None), "env unset": ("C A", None), "env list": ("C", None),
    "job list": ("C", None), "job logs": ("C-00000000", "no job 'C-00000000', see berth job list"),
    "job stop": ("C-00000000", "no job 'C-00000000', see berth job list"),
    "job remove": ("C-00000000", "no job 'C-00000000', see berth job list"),
    "status": ("C", None), "inspect": ("C", None), "stats": ("C", None), "top": ("C", None), "kill": ("C", None),
    "logs": ("C", None), "freeze": ("C", None), "thaw": ("C", None),
    "remove": ("C", "nothing is left of container 'C'"),
    "cp": ("C:/etc/passwd /tmp/copy", None),
    "volume list": ("C", None), "volume remove": ("C:v", "there is no volume 'C:v'"),
    "volume backup": ("C:v -", "there is no volume 'C:v'"),
    "mount": ("C /mnt", None), "umount": ("C /mnt", None),
    "file read": ("C /f", None), "file write": ("C /f", None), "file append": ("C /f", None),
    "file replace": ("C /f --old=a --new=b", None), "file insert": ("C /f --after=0", None), "file move": ("C /f /g", None),
    "file copy": ("C /f /g", None), "file search": ("C text /", None), "file list": ("C /", None),
    "snapshot create": ("C", None), "snapshot list": ("C", None), "snapshot restore": ("C", None),
    "snapshot remove": ("C t", None), "commit": ("C new", None),
    "image inspect": ("C", "image 'C': there is none, see berth image list"),
    "image verify": ("C", "image 'C': there is none, see berth image list"),
    "image remove": ("C", "image 'C': there is none, see berth image list"),
    "check": ("C", "no manifest 'C'; see berth check without arguments"),
    "preview": ("C", "no manifest 'C'; see berth check without arguments"),
    "diff": ("C", "no manifest 'C'; see berth check"),
    "enable": ("C", "no manifest 'C'; see berth check"), "disable": ("C", "no manifest 'C'; see berth check"),
}

#: Verbs that are of no container, or make what there is not.
OF_NONE = {"run", "list", "doctor", "clean", "convert", "image import", "image list", "image prune", "volume create",
           "volume restore"}

#: What they need of one that runs; the others do something sensible with one that does not.
RUNNING = ["exec", "shell", "session list", "env set", "env unset", "env list", "stats", "top", "kill", "freeze", "thaw", "mount",
           "umount"]


def verbs(s: System) -> list[str]:
    """"list", "image import": what people call, and no verb that only has verbs."""
    rows = [line.split("\t") for line in s.run("berth", "--dump-options").lines]
    names = [row[0] for row in rows if len(row) == 3 and row[2] != "internal"]
    return [name for name in names if not any(other.startswith(f"{name} ") for other in names)]


def wrong(s: System, words: str, message: str, status: int) -> None:
    done = s.run("berth", *words.split(), check=False)
    expected = 125 if words.split()[0] in OF_A_COMMAND else status
    assert (words, done.rc, done.out, done.err) == (words, expected, "", f"{message}\n")


@pytest.fixture
def s(m: System) -> System:
    m.manifest("web", MANIFEST.format(""))
    m.reload()
    return m


def test_every_verb_is_in_the_table(s: System) -> None:
    assert set(verbs(s)) == set(OF_A_CONTAINER) | OF_NONE


def test_an_unknown_option(s: System) -> None:
    for verb in verbs(s):
        done = s.run("berth", *verb.split(), "--frobnicate", check=False)
        assert (verb, done.rc, done.out) == (verb, 125 if verb in OF_A_COMMAND else 2, "")
        assert re.fullmatch(rf"[Uu]nknown option '--frobnicate', see berth {verb} --help\n", done.err), (verb, done.err)


def test_a_word_too_few(s: System) -> None:
    for verb in verbs(s):
        first = OF_A_CONTAINER.get(verb, ("",))[0].split()
        if verb in ("list", "doctor", "clean", "check", "preview", "diff", "stats", "convert") or verb.endswith(" list") or \
                verb in ("image prune", "image list"):
            continue  # without words they are about all, or say so below
        done = s.run("berth", *verb.split(), check=False)
        assert (verb, done.rc, done.out) == (verb, 125 if verb in OF_A_COMMAND else 2, ""), (first, done)
        assert done.err.count("\n") == 1 and re.search(r"needs|[Ee]xpected", done.err), (verb, done.err)


def test_a_word_too_many(s: System) -> None:
    for verb, (words, _) in OF_A_CONTAINER.items():
        if verb in ("exec", "stats", "check", "preview", "diff", "enable", "disable") or "set" in verb or \
                verb in ("session close", "job stop", "job remove", "mount"):
            continue  # these take as many as there are
        done = s.run("berth", *verb.split(), *words.replace("C", "web").split(), "one", "more", check=False)
        assert (verb, done.rc, done.out, done.err.count("\n")) == (verb, 125 if verb in OF_A_COMMAND else 2, "", 1), done.err


def test_a_container_that_there_is_not(s: System) -> None:
    for verb, (words, message) in OF_A_CONTAINER.items():
        wrong(s, f"{verb} {words}".replace("C", "nobody"),
              (message or "no container 'C', see berth list --all").replace("C", "nobody"), 3)


    assert s.sh("find /var/lib/berth /run/berth -name 'nobody*'").out == "", "something was made of it"


def test_a_name_that_is_nearly_one(s: System) -> None:
    for verb, (words, message) in OF_A_CONTAINER.items():
        if message is None:
            wrong(s, f"{verb} {words}".replace("C", "wbe"), "no container 'wbe' (did you mean 'web'?)", 3)
            wrong(s, f"{verb} {words}".replace("C", "base"), "no container 'base', but an image: berth image inspect base", 3)
            if verb != "cp":
                wrong(s, f"{verb} {words}".replace("C", "web.service"), "'web.service' is not a container's name (did you mean 'web'?)", 3)
    for verb in "inspect", "verify", "remove":
        wrong(s, f"image {verb} web", "image 'web': there is none, but a container: berth inspect web", 3)
        wrong(s, f"image {verb} bsae", "image 'bsae': there is none (did you mean 'base'?)", 3)


def test_what_is_no_name(s: System) -> None:
    for verb, (words, message) in OF_A_CONTAINER.items():
        if message is None and verb != "cp":
            wrong(s, f"{verb} {words}".replace("C", "Not_A.name"), "'Not_A.name' is not a container's name, see berth list --all", 3)
    for verb in "enable", "disable":
        wrong(s, f"{verb} ../web", "'../web' is a file; give the name of its container", 2)


def test_a_wrong_word_is_told_as_an_object_where_the_result_would_be_one(s: System) -> None:
    for verb, words in ("exec", "web true"), ("run", "--image=base true"):
        for option, as_object in ("--json --frobnicate", True), ("--frobnicate --json=stream", True), ("--jsonn", False):
            done = s.run("berth", verb, *option.split(), *words.split(), check=False)
            assert (done.rc, done.err.count("\n")) == (125, 1) and "unknown option" in done.err
            if as_object:
                assert done.json()["error"]["stage"] == "usage" and "'--frobnicate'" in done.json()["error"]["message"]
            else:
                assert done.out == ""


def test_a_container_that_does_not_run(s: System) -> None:
    for verb in RUNNING:
        wrong(s, f"{verb} {OF_A_CONTAINER[verb][0]}".replace("C", "web"),
              "container 'web' is not running; systemctl start web starts it", 4)
    for verb in ("file read", "file write", "file list"):
        wrong(s, f"{verb} web /f", "container 'web' is not running, and has kept no files (Ephemeral=yes, or it never started)", 4)


def test_a_container_that_is_frozen(s: System) -> None:
    s.start("web")
    s.run("berth", "freeze", "web")
    for words in ("exec web true", "shell web", "exec --session=s web true"):
        done = s.run("berth", *words.split(), check=False)
        assert (done.rc, done.out, done.err) == (125, "", "container 'web' is frozen, a command would hang in it; thaw it first: berth thaw web\n"), words
    for words in ("status web", "inspect web", "stats web", "top web", "list", "file list web /", "env list web", "freeze web"):
        assert s.run("berth", *words.split()).rc == 0
    s.run("berth", "thaw", "web")
    s.stop("web")


@pytest.mark.parametrize("words, message", [
    ("exec --timeout=soon web true", "--timeout=soon: expected a time span above zero, like 30s"),
    ("exec --tty-size=big web true", "--tty-size=big: expected ROWSxCOLS, each from 1 to 65535"),
    ("kill web --signal=NONE", "--signal=NONE: expected a signal, like TERM, SIGKILL or 9"),
    ("list --filter=color=red", None),
    ("logs web --lines=few", None),
    ("logs web --since=whenever", None),
    ("cp --max-size=big web:/f /tmp/x", "--max-size=big: expected bytes"),
    ("cp --owner=root /etc/passwd web:/x", "--owner=root: expected UID or UID:GID, numbers"),
    ("file write --mode=9 web /f", "web: --mode=9: expected three or four octal digits up to 0777"),
    ("file insert web /f", "web: --after=: expected the number of a line, 0 for the beginning"),
    ("file read --lines=0 web /etc/passwd", None),
    ("volume create web:v --owner=root", "--owner=root: expected UID or UID:GID, numbers"),
    ("volume create web:v --mode=9", "--mode=9: expected three or four octal digits up to 0777"),
    ("volume create web", "'web' is not NAME:VOLUME"),
    ("snapshot remove web", "snapshot remove takes either a tag or --all"),
    ("remove web --layer --all", "--all removes the layer as well; say one of --layer and --all"),
    ("clean web", "clean takes no name; what a container keeps: berth remove web"),
])
def test_a_bad_value_says_what_is_expected(s: System, words: str, message: str | None) -> None:
    done = s.run("berth", *words.split(), check=False)
    status = 125 if words.split()[0] in OF_A_COMMAND else 2
    if words.startswith("file read"):
        status = 4  # which file there is comes first
    assert (done.rc, done.out, done.err.count("\n")) == (status, "", 1), done
    assert (message is None or done.err == f"{message}\n") and (message or re.search("expected|has kept no", done.err)), done.err
