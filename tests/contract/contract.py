#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The contract between generator and helper: every command of every golden unit, read as systemd reads it, is
understood by berth, and berth reads out of it what the manifest said.

contract.py GOLDEN-DIRECTORY BERTH     (exit status 77: there is no berth yet)"""

import os
import pathlib
import re
import subprocess
import sys

ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "s": " ",
           "\\": "\\", '"': '"', "'": "'"}


def unescape(text):
    return bytes([int(text[1:], 16)]) if text[:1] == b"x" else ESCAPES[text.decode()].encode()


#: Options that launch only checks and prints, by their names (common/unsupported.h)
LATER = [name.encode() for name in (
    "publish policy policy-default allow-domain allow-cidr deny-cidr allow protocol dns link "
    "allow-host bandwidth bandwidth-up address ipv6 hook-network-up hook-network-down "
    "hook-policy-changed").split()]


def words(line):
    """systemd.syntax(7) for what a generator of ours writes: words, in double quotes or plain."""
    token = re.compile(rb'"((?:[^"\\]|\\.)*)"(?= |$)|([^ "\\]+)(?= |$)')
    at, found = 0, []
    while at < len(line):
        match = token.match(line, at)
        assert match, line[at:]
        found.append(re.sub(rb"\\(x[0-9a-f]{2}|.)", lambda m: unescape(m.group(1)), match.group(1))
                     if match.group(1) is not None else match.group(2))
        at = match.end() + 1
    return found


def expand(word, unit):
    """systemd.unit(5), specifiers, as far as golden manifests go."""
    name = unit.removesuffix(".service")
    prefix, _, instance = name.partition("@")
    table = {b"%": b"%", b"i": instance, b"n": unit, b"N": name, b"p": prefix}
    return re.sub(rb"%(.)", lambda m: v if isinstance(v := table[m.group(1)], bytes) else v.encode(), word)


def commands(unit, name):
    for line in unit.read_bytes().splitlines():
        match = re.match(rb"(ExecStart|ExecReload|ExecStop|ExecStopPost)=-?:/usr/bin/berth (.*)", line)
        if match:
            yield match.group(1).decode(), [expand(word, name) for word in words(match.group(2))]


def check(berth, arguments):
    """Returns what is wrong with berth's answer, or None."""
    verb = arguments[0]
    if verb == b"launch":
        arguments = [verb, b"--dry-run", *arguments[1:]]
    elif verb in (b"health", b"proxy", b"dns", b"cleanup"):
        return unknown_options(berth, arguments)
    elif verb in (b"reload", b"exec", b"unheard"):
        arguments = [verb, b"--help"]  # what it would do, it would do to the machine of the test
    environment = {k: v for k, v in os.environ.items() if k != "NOTIFY_SOCKET"}
    done = subprocess.run([berth.encode(), *arguments], capture_output=True, timeout=60, env=environment)
    if verb == b"refuse":
        if done.returncode != 125:
            return f"exit status {done.returncode}, not 125"
        missing = [m for m in arguments[arguments.index(b"--") + 1:] if m not in done.stderr]
        return f"{missing[0]!r} is not told" if missing else None
    if verb == b"launch":
        if done.returncode != 0:
            return f"exit status {done.returncode}: {done.stderr.decode(errors='replace').strip()}"
        return misread(arguments[2:], done.stdout.splitlines())
    return None if done.returncode == 0 else f"exit status {done.returncode}"


def unknown_options(berth, arguments):
    """Of a verb that another program has, and that would do something: has it these options?"""
    dump = subprocess.run([berth, "--dump-options"], capture_output=True, timeout=60, check=True).stdout
    known = {row.split(b"\t")[2] for row in dump.splitlines() if row.startswith(arguments[0] + b"\t")}
    options = arguments[1:arguments.index(b"--")] if b"--" in arguments else arguments[1:]
    said = {word.partition(b"=")[0] for word in options}
    return f"unknown options {sorted(said - known)}" if said - known else None


def printed(value):
    """A value as --dry-run prints it."""
    return re.sub(rb"[\x00-\x1f\x7f\\\\]", lambda m: b"\\x%02x" % m.group()[0], value)


def misread(arguments, plan):
    """Does the plan hold the words that were said, in their order?"""
    options, command = arguments, []
    if b"--" in arguments:
        options, command = arguments[:arguments.index(b"--")], arguments[arguments.index(b"--") + 1:]
    said = {b"Exec": command}
    for option, key in {b"--name=": b"Name", b"--image=": b"Image", b"--entrypoint=": b"Entrypoint",
                        b"--env-file=": b"EnvironmentFile", b"--user=": b"User", b"--group=": b"Group",
                        b"--supplementary-group=": b"SupplementaryGroup", b"--umask=": b"UMask",
                        b"--timezone=": b"Timezone", b"--kill-signal=": b"KillSignal", b"--sysctl=": b"Sysctl",
                        b"--shm-size=": b"ShmSize", b"--disk=": b"Disk", b"--setup=": b"Setup",
                        b"--setup-word=": b"SetupWord", b"--setup-network=": b"SetupNetwork", b"--system-call-filter=": b"SystemCallFilter",
                        b"--seccomp-profile=": b"SeccompProfile",
                        b"--notify=": b"Notify", b"--secret=": b"Secret", b"--apparmor-profile=": b"AppArmorProfile",
                        b"--profile=": b"Profile",
                        b"--read-path=": b"ReadPath", b"--write-path=": b"WritePath", b"--read-only-path=": b"ReadOnlyPath",
                        b"--inaccessible-path=": b"InaccessiblePath", b"--resolv-conf=": b"ResolvConf",
                        b"--add-host=": b"AddHost", b"--label=": b"Label", b"--network=": b"Network"}.items():
        said[key] = [w.removeprefix(option) for w in options if w.startswith(option)]
    for name in LATER:
        said[name] = [w.removeprefix(b"--" + name + b"=") for w in options if w.startswith(b"--" + name + b"=")]
    said[b"Entrypoint"] = [w for w in said[b"Entrypoint"] if w]
    for key, values in said.items():
        got = [line.partition(b": ")[2] for line in plan if line.partition(b":")[0] == key]
        if values and got != [printed(v) for v in values]:
            return f"{key.decode()}: berth read {got!r}, the manifest says {values!r}"
    return None


def main(golden, berth):
    if not os.access(berth, os.X_OK):
        print("skipped: contract of generator and helper; berth is not built")
        return 77
    count, failed = 0, 0
    for unit in sorted(pathlib.Path(golden).glob("*/expected/*.service")):
        name = unit.name.replace("@.", "@one.")
        for key, arguments in commands(unit, name):
            count += 1
            wrong = check(berth, arguments)
            if wrong:
                failed += 1
                print(f"FAIL {unit.parent.parent.name}: {unit.name}: {key}=\n  {wrong}")
    print(f"{count} commands, {failed} failed")
    return failed > 0 or count == 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
