"""What a manifest says arrives in the container as it was said: every byte of every word, value and path, through the
generator, systemd's own reading of the unit, and the helper.

Hundreds of cases go into one container each: its command writes /proc/self/cmdline and environ to a volume, and the
test compares bytes. The random ones are the same in every run, but for the long test, which rolls dice: a failure names
the seed, and FIDELITY_SEED=N has it again."""

from __future__ import annotations

import os
import random

import pytest

from harness.machine import Machine

needs_berth = True
pytestmark = [pytest.mark.system, pytest.mark.images("base")]

SEED = int(os.environ.get("FIDELITY_SEED", 20))
DICE = int(os.environ.get("FIDELITY_SEED", random.randrange(1 << 32)))

VOLUMES = "/var/lib/berth/volumes"

#: Not a script with an interpreter: what the kernel hands over is what is looked at.
DUMP = r"""
import os, sys
for name in ("cmdline", "environ"):
    with open(f"/proc/self/{name}", "rb") as source, open(f"/out/{name}", "wb") as target:
        target.write(source.read())
with open("/out/cwd", "wb") as target:
    target.write(os.getcwdb())
"""

#: Words that have been somebody's bug: of a shell, of systemd, of podman's Quadlet, of ours.
CHOSEN = [
    "", " ", "  ", "\t", "\n", "\r", "\r\n", "a b", " a", "a ", ";", ";;", "; ", "a;b", "#", "#a", "$", "$$", "$$$",
    "$HOME", "${HOME}", "${HOME", "$(id)", "`id`", "%", "%%", "%%%", "%n", "%i", "%h", "%H", "%Z", "100%", "%25", "a%20b",
    "'", "''", '"', '""', "'a'", '"a"', "'a", 'a"b', "it's", "\\", "\\\\", "\\n", "\\x41", "\\101", "\\q", "a\\", "\\ ",
    "@", "@a", "-", "-a", "--", "--help", ":", ":a", "+", "+a", "!", "!a", "!!", "!!a", "|", "|a", "@-:+!!a", "=", "a=b",
    "=a", "a=", "[Service]", "[X", "ExecStart=/bin/false", "\nExecStart=/bin/false", "x\n[Service]\nUser=root\n",
    "*", "?", "[a-z]*", "~", "~root", "{a,b}", "&", "&&", "|", "||", ">", "<", ">/tmp/x", "(", ")", "\x01", "\x07", "\x08",
    "\x0b", "\x0c", "\x1b[2J", "\x7f", "\x80", "\x85", "\xa0", "é", "e\u0301", "ß", "Ω", "日本語", "🙂", "👩‍👩‍👧", "\ufeff",
    "\ufeffa", "\u2028", "\u202e", "\ufdd0", "\ufffd", "\ufffe", "\uffff", "\U0001fffe", "\U0010ffff", "\u200b", "a" * 4095,
    "a" * 4096, "é" * 5000, "%" * 5000, "\\" * 5000, '"' * 5000, "\n" * 5000, "\x01" * 5000, "a b " * 25600,  # 100 KiB
    "𝄞" * 25600, ";" * 3, " ; ", "\\;", "/usr/bin/berth", "launch", "--name=other", "--", "refuse", "OPTION=--user=0",
]

PLAIN = "abcXYZ019_./"
SPECIAL = " \t\n\r;%$'\"\\@-:+!|#=[]{}*?~`&<>(),^"
CONTROL = "".join(map(chr, range(1, 32))) + "\x7f"
WIDE = "éßΩя日語🙂𝄞\u0301\ufeff\u2028\u0080\u00a0\U0010fffd"


def word(chance: random.Random) -> str:
    letters = chance.choice([PLAIN, PLAIN + SPECIAL, SPECIAL, SPECIAL + CONTROL, PLAIN + SPECIAL + CONTROL + WIDE, WIDE])
    length = chance.choice([0, 1, 1, 2, 3, 5, 8, 20, 60, 300])
    return "".join(chance.choice(letters) for _ in range(length))


def escape(chance: random.Random, letter: str) -> str:
    """One character as an escape, any of those that there are."""
    code = ord(letter)
    ways = [f"\\U{code:08x}"]
    if code < 0x10000:
        ways.append(f"\\u{code:04x}")
    ways.append("".join(f"\\x{byte:02x}" for byte in letter.encode()))
    ways.append("".join(f"\\{byte:03o}" for byte in letter.encode()))
    named = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\",
             '"': '\\"', "'": "\\'", " ": "\\s"}
    if letter in named:
        ways.append(named[letter])
    # A percent is a percent only if it is doubled, however it is spelt.
    return chance.choice(ways) * (2 if letter == "%" else 1)


def spell(chance: random.Random, text: str) -> str:
    """A word as a manifest may have it: one of many ways."""
    out, at = "", 0
    while at < len(text) or not out:
        part = text[at:at + chance.choice([1, 3, 10, 100000])]
        at += len(part)
        quote = chance.choice(['"', "'", ""]) or ("" if part else '"')
        bare = set() if quote else set(" \t'\"")
        spelt = ""
        for letter in part:
            must = ord(letter) < 32 or letter in "\x7f\\" or letter == quote or letter in bare
            # no more than a few escapes in what is long: a unit's line has its limit
            spelt += escape(chance, letter) if must or chance.random() < min(0.1, 20 / len(text)) \
                else "%%" if letter == "%" else letter
        out += quote + spelt + quote
    return out


def arrive(m: Machine, name: str, words: list[str], values: list[str], chance: random.Random, keys: str = "") -> None:
    """Runs one container with these words and values and compares."""
    variables = {f"V{i}": value for i, value in enumerate(values)}
    lines = ["[Container]", "Image=base", keys, "Volume=out:/out",
             "Exec=python3 /dump/dump.py " + " ".join(spell(chance, w) for w in words)]
    for i in range(0, len(values), 7):
        lines.append("Environment=" + " ".join(spell(chance, f"V{j}={values[j]}")
                                               for j in range(i, min(i + 7, len(values)))))
    lines += ["[Mount dump]", "Type=bind", "Source=/var/lib/berth/bound/dump", "Target=/dump", "[Service]", "Type=oneshot"]
    m.manifest(name, "\n".join(lines) + "\n")
    m.reload()
    m.start(name)
    cmdline = m.run("cat", f"{VOLUMES}/{name}/out/cmdline").stdout.split(b"\0")[:-1]
    environ = dict(line.partition(b"=")[::2]
                   for line in m.run("cat", f"{VOLUMES}/{name}/out/environ").stdout.split(b"\0")[:-1])
    wanted = [b"python3", b"/dump/dump.py"] + [w.encode() for w in words]
    assert len(cmdline) == len(wanted), SEED
    for got, said in zip(cmdline, wanted):
        assert got == said, SEED
    for key, value in variables.items():
        assert environ.get(key.encode()) == value.encode(), (SEED, key)


@pytest.fixture
def ready(m: Machine) -> Machine:
    m.write("/var/lib/berth/bound/dump/dump.py", DUMP)
    return m


def valid(text: str) -> bool:
    """Noncharacters are no text to systemd, and so to a manifest neither; see the test of their own."""
    return not any(0xfdd0 <= ord(c) <= 0xfdef or ord(c) & 0xfffe == 0xfffe for c in text)


def batches(items: list[str], size: int) -> list[list[str]]:
    """No more bytes in one than a unit's line and the kernel take."""
    out: list[list[str]] = [[]]
    for item in items:
        if len(out[-1]) == size or sum(len(w.encode()) * 2 + 3 for w in out[-1]) + len(item.encode()) * 2 > 400000:
            out.append([])
        out[-1].append(item)
    return out


@pytest.mark.parametrize("init", ["yes", "no"])
def test_chosen_words_and_values_arrive(ready: Machine, init: str) -> None:
    chance = random.Random(SEED)
    for i, batch in enumerate(batches([w for w in CHOSEN if valid(w)], 400)):
        arrive(ready, f"chosen-{init}-{i}", batch, batch, chance, f"Init={init}")


def test_random_words_and_values_arrive(ready: Machine) -> None:
    chance = random.Random(SEED)
    for i in range(3):
        arrive(ready, f"random-{i}", [word(chance) for _ in range(200)], [word(chance) for _ in range(200)], chance)


@pytest.mark.long
def test_ten_thousand_random_words_and_values_arrive(ready: Machine) -> None:
    chance = random.Random(DICE)
    print("FIDELITY_SEED is", DICE)
    for i in range(25):
        arrive(ready, f"long-{i}", [word(chance) for _ in range(200)], [word(chance) for _ in range(200)], chance)


def test_words_that_systemd_takes_for_no_text_are_refused_or_arrive(ready: Machine) -> None:
    for i, text in enumerate(w for w in CHOSEN if not valid(w)):
        for j, spelt in enumerate([text, "".join(f"\\x{byte:02x}" for byte in text.encode())]):
            name = f"non-{i}-{j}"
            ready.manifest(name, f"[Container]\nImage=base\nExec=echo \"{spelt}\"\n[Service]\nType=oneshot\n")
            ready.reload()
            if ready.start(name, check=False).rc == 0:
                ready.run("journalctl", "--sync")
                out = ready.run("journalctl", "-u", name, "--output=json", "_TRANSPORT=stdout").json()
                message = out["MESSAGE"]
                assert (bytes(message) if isinstance(message, list) else message.encode()) == text.encode()
            else:
                assert ready.unit(name, "LoadState") == "loaded"
                assert f"{name}.berth:3:" in ready.journal(name)


def test_the_name_of_the_program_is_a_word_like_others(ready: Machine) -> None:
    for i, name in enumerate(["@a", "-a", ":a", "+a", "!!a", "|a", "a b", "$a", "100%", 'a"b', "é", "a\\b", "a\tb"]):
        path = f"/var/lib/berth/bound/dump/{name}"
        ready.write(path, "#!/bin/sh\nprintf '%s' \"$0\" >/out/zero\n", mode=0o755)
        unit = f"program-{i}"
        ready.manifest(unit, "[Container]\nImage=base\nVolume=out:/out\nExec="
                       + spell(random.Random(SEED + i), f"/dump/{name}")
                       + "\n[Mount dump]\nType=bind\nSource=/var/lib/berth/bound/dump\nTarget=/dump\n[Service]\nType=oneshot\n")
    ready.reload()
    for i, name in enumerate(["@a", "-a", ":a", "+a", "!!a", "|a", "a b", "$a", "100%", 'a"b', "é", "a\\b", "a\tb"]):
        ready.start(f"program-{i}")
        assert ready.read(f"{VOLUMES}/program-{i}/out/zero") == f"/dump/{name}"


def random_names(count: int) -> list[str]:
    """Names of files, as random as words: what of them a path can hold. No control characters, which are refused."""
    chance = random.Random(SEED)
    names: list[str] = []
    while len(names) < count:
        name = "".join(c for c in word(chance) if c != "/" and ord(c) >= 32 and not 0x7f <= ord(c) < 0xa0).strip(" \t")
        if 0 < len(name.encode()) < 100 and name not in (".", "..") and not name.endswith("\\") and name not in names:
            names.append(name)
    return names


def test_targets_of_volumes_arrive(ready: Machine) -> None:
    """Written short, where a colon ends a path: all the rest is taken whole. Those of one container, each a mount."""
    names = [n for n in ["a b", "100%", "%n", "$HOME", "it's", 'say "x"', "back\\slash", "semi;colon", "#hash", "a,b=c",
                         "é日🙂", "-dash"] + random_names(30) if ":" not in n]
    volumes = "".join(f"Volume=v{i}:/in/{name.replace('%', '%%')}\n" for i, name in enumerate(names))
    ready.write("/var/lib/berth/bound/dump/list.py", "import os\nfor name in os.listdir(b'/in'):\n"
                "    with open(b'/in/' + name + b'/name', 'wb') as f: f.write(name)\n")
    ready.manifest("targets", f"[Container]\nImage=base\n{volumes}Exec=python3 /dump/list.py\n"
                   "[Mount dump]\nType=bind\nSource=/var/lib/berth/bound/dump\nTarget=/dump\n[Service]\nType=oneshot\n")
    ready.reload()
    ready.start("targets")
    for i, name in enumerate(names):
        assert ready.read(f"{VOLUMES}/targets/v{i}/name") == name, SEED


def test_paths_arrive(ready: Machine) -> None:
    """Of mounts and of the working directory: taken whole, but for the percent sign."""
    names = ["a b", "a  b", "100%", "%n", "$HOME", "it's", 'say "x"', "back\\slash", "semi;colon", "#hash", "a,b=c:d",
             "é日🙂", "-dash", "@at", "[brackets]", "trailing.", "*?", "{a,b}", "\\x41", "n" * 255]
    names += random_names(8)
    for i, name in enumerate(names):
        where = f"/var/lib/berth/bound/{name}"
        ready.write(f"{where}/file", name)
        written = name.replace("%", "%%")
        ready.manifest(f"path-{i}", f"[Container]\nImage=base\nVolume=out:/out\nWorkingDirectory=/in/{written}\n"
                       "Exec=python3 /dump/dump.py\n"
                       f"[Mount a]\nType=bind\nSource=/var/lib/berth/bound/{written}\nTarget=/in/{written}\n"
                       "[Mount dump]\nType=bind\nSource=/var/lib/berth/bound/dump\nTarget=/dump\n"
                       "[Service]\nType=oneshot\n")
    ready.reload()
    for i, name in enumerate(names):
        ready.start(f"path-{i}")
        assert ready.read(f"{VOLUMES}/path-{i}/out/cwd") == f"/in/{name}", name
        assert ready.unit(f"path-{i}", "RequiresMountsFor").find("bound") >= 0


def test_values_of_an_environment_file_arrive(ready: Machine) -> None:
    chance = random.Random(SEED)
    values = [w for w in CHOSEN + [word(chance) for _ in range(200)] if "\n" not in w and "\r" not in w and valid(w)]
    values = [v for v in values if len(v) < 5000]
    ready.write("/etc/berth/values 100%.env", "".join(f"F{i}={v}\n" for i, v in enumerate(values)).encode())
    ready.manifest("file", "[Container]\nImage=base\nVolume=out:/out\nExec=python3 /dump/dump.py\n"
                   "EnvironmentFile=/etc/berth/values 100%%.env\n[Mount dump]\nType=bind\n"
                   "Source=/var/lib/berth/bound/dump\nTarget=/dump\n[Service]\nType=oneshot\n")
    ready.reload()
    ready.start("file")
    environ = dict(line.partition(b"=")[::2]
                   for line in ready.run("cat", f"{VOLUMES}/file/out/environ").stdout.split(b"\0")[:-1])
    for i, value in enumerate(values):
        assert environ.get(b"F%d" % i) == value.encode(), (SEED, i)
    ready.run("rm", "/etc/berth/values 100%.env")
