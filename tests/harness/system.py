"""What a test says to a machine, the same for both kinds of them.

`Machine` (machine.py) is systemd in namespaces, `Guest` (qemu.py) systemd in an
emulator. A test that uses only what is in `System` runs on either.
"""

from __future__ import annotations

import abc
import difflib
import json
import shlex
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterable, Mapping, TypeVar

T = TypeVar("T")

#: What a command sees. Nothing of the environment the tests run in: a test that passes
#: because of somebody's LANG is no test.
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root", "USER": "root", "LOGNAME": "root", "SHELL": "/bin/bash",
    "LANG": "C.UTF-8", "TERM": "dumb", "SYSTEMD_PAGER": "cat", "SYSTEMD_COLORS": "0",
}

#: The unit that what tests start lives in; it is no concern of Berth's.
HARNESS_UNIT = "test-harness.service"

#: Where images stand; /var/lib/berth/images holds links to these.
IMAGES = "/srv/images"

#: A resolver that is no loopback address and that nobody answers at: Berth refuses to start
#: a container where there is none. Addresses of RFC 5737 are nobody's.
RESOLVER = "192.0.2.53"


# Not runuser, which opens a session, and with it moves to another control group.
_AS_USER = 'exec setpriv --reuid="$0" --regid="$(id -g "$0")" --init-groups -- "$@"'


class CommandFailed(AssertionError):
    """A command in the machine did not do what the test needs."""


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    argv: tuple[str, ...]
    #: exit status; 128 + signal if it was killed
    rc: int
    stdout: bytes
    stderr: bytes
    seconds: float

    @property
    def out(self) -> str:
        return self.stdout.decode(errors="surrogateescape")

    @property
    def err(self) -> str:
        return self.stderr.decode(errors="surrogateescape")

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    def json(self) -> object:
        return json.loads(self.stdout)

    def __str__(self) -> str:
        text = f"$ {shlex.join(self.argv)}\n-> {self.rc} after {self.seconds:.2f} s"
        for name, part in (("stdout", self.out), ("stderr", self.err)):
            if part:
                text += f"\n-- {name}:\n{textwrap.indent(_shortened(part), '   ')}"
        return text


class System(abc.ABC):
    """A booted Debian with systemd, and Berth if a stage was given."""

    #: host name
    name: str
    #: images to be found in it
    images: tuple[str, ...]
    #: by how much all timeouts are longer here
    patience: float = 6.0

    def __init__(self) -> None:
        self._manifests: set[str] = set()

    # -- what each kind does in its own way --

    @abc.abstractmethod
    def _execute(self, argv: list[str], stdin: bytes, env: dict[str, str],
                 timeout: float) -> tuple[int, bytes, bytes]:
        """Runs a command inside; kills it and all it started, and raises TimeoutError."""

    @abc.abstractmethod
    def reboot(self, timeout: float = 120) -> None:
        """`systemctl reboot`, then waits until it is up again. The disk stays as it was."""

    @abc.abstractmethod
    def shutdown(self) -> None:
        """Ends it at once, and leaves nothing. More than once does no harm."""

    @abc.abstractmethod
    def console(self) -> str:
        """What it printed on its console since it was made."""

    @abc.abstractmethod
    def now(self) -> float:
        """Its clock, in seconds since 1970."""

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()

    # -- commands --

    def run(self, *argv: object, check: bool = True, timeout: float = 30,
            input: str | bytes | None = None, env: Mapping[str, str] | None = None,
            user: str | None = None, cwd: str | None = None) -> Result:
        """Runs a command inside and waits for it. As root in a clean environment, `env`
        added, or as the user of that name. Standard input is empty, or `input`. With `check` any status but 0 fails the
        test, and shows what the command printed."""
        words = [str(word) for word in argv]
        if cwd is not None:
            words = ["env", "-C", cwd, "--", *words]
        if user is not None:
            words = ["sh", "-c", _AS_USER, user, *words]
            env = {"USER": user, "LOGNAME": user, "HOME": "/", **(env or {})}
        stdin = input.encode() if isinstance(input, str) else input or b""
        timeout *= self.patience
        started = time.monotonic()
        try:
            rc, out, err = self._execute(words, stdin, {**ENVIRONMENT, **(env or {})}, timeout)
        except TimeoutError as error:
            raise CommandFailed(f"{self.name}: not done after {timeout:g} s: {shlex.join(words)}\n"
                                f"{error}") from None
        result = Result(tuple(str(word) for word in argv), rc, out, err, time.monotonic() - started)
        if check and rc != 0:
            raise CommandFailed(f"in {self.name}: {result}")
        return result

    def sh(self, script: str, check: bool = True, timeout: float = 30,
           input: str | bytes | None = None, env: Mapping[str, str] | None = None,
           user: str | None = None) -> Result:
        """Runs a shell script inside (bash, stops at the first error)."""
        return self.run("bash", "-euo", "pipefail", "-c", textwrap.dedent(script).strip(),
                        check=check, timeout=timeout, input=input, env=env, user=user)

    # -- files --

    def write(self, path: str, text: str | bytes, mode: int = 0o644) -> None:
        """Writes a file, whole or not at all, and makes the directories above it."""
        self.run("sh", "-euc", 'mkdir -p -- "${1%/*}/"; cat >"$1.part"; chmod "$2" "$1.part"; '
                 'mv -T -- "$1.part" "$1"', "write", path, f"{mode:o}", input=text)

    def read(self, path: str) -> str:
        return self.run("cat", "--", path).out

    def exists(self, path: str) -> bool:
        return self.run("test", "-e", path, check=False).rc == 0

    def copy_image(self, name: str, new: str) -> str:
        """A copy of image `name` that the test may change, as image `new`. Returns its path."""
        path = f"{IMAGES}/{new}"
        self.run("cp", "-a", "--reflink=auto", f"{IMAGES}/{name}/.", f"{path}.part", timeout=120)
        self.run("mv", "-T", f"{path}.part", path)
        self.run("ln", "-sfnT", path, f"/var/lib/berth/images/{new}")
        return path

    # -- manifests and units --

    def manifest(self, name: str, text: str) -> None:
        """Writes /etc/berth/NAME.berth; `reload()` makes it a unit. Indentation is removed."""
        self._manifests.add(name)
        self.write(f"/etc/berth/{name}.berth", textwrap.dedent(text).lstrip("\n"))

    def remove_manifest(self, name: str) -> None:
        self.run("rm", "-rf", f"/etc/berth/{name}.berth", f"/etc/berth/{name}.berth.d")

    def reload(self) -> None:
        self.run("systemctl", "daemon-reload", timeout=60)

    def start(self, unit: str, check: bool = True, timeout: float = 60) -> Result:
        """`systemctl start`. A failure shows the unit's status and journal."""
        result = self.run("systemctl", "start", unit, check=False, timeout=timeout)
        if check and result.rc != 0:
            status = self.run("systemctl", "status", "--no-pager", "-n0", unit, check=False).out
            raise CommandFailed(f"in {self.name}: {result}\n-- status:\n{status}"
                                f"-- journal:\n{self.journal(unit)}")
        return result

    def stop(self, unit: str, check: bool = True, timeout: float = 60) -> Result:
        return self.run("systemctl", "stop", unit, check=check, timeout=timeout)

    def restart(self, unit: str, check: bool = True, timeout: float = 60) -> Result:
        return self.run("systemctl", "restart", unit, check=check, timeout=timeout)

    def unit(self, unit: str, prop: str) -> str:
        """A property of a unit: m.unit("web", "Result") == "success"."""
        return self.run("systemctl", "show", "--value", "-p", prop, unit).out.rstrip("\n")

    def journal(self, unit: str | None = None, since: float | None = None,
                output: str = "cat") -> str:
        """The journal of this boot: of a unit, from a time of `now()` on, in any format of
        journalctl (-o). What was logged before the call is in it."""
        words = ["journalctl", "--quiet", "--no-pager", "--boot", f"--output={output}"]
        if unit is not None:
            words.append(f"--unit={unit}")
        if since is not None:
            words.append(f"--since=@{since:.6f}")
        self.run("journalctl", "--sync", check=False)
        return self.run(*words, timeout=60).out

    def mark(self) -> float:
        """Now, as a `since` that nothing which was logged before is after: the journal gives a line its time when it takes
        it, and that may be a while after it was written."""
        self.run("journalctl", "--sync", check=False)
        return self.now()

    # -- waiting --

    def wait_for(self, condition: Callable[[], T], what: str, timeout: float = 10) -> T:
        """Asks until the answer is true and returns it. For what nothing can be waited for
        in a better way: `start`, `stop` and the like wait by themselves."""
        deadline = time.monotonic() + timeout * self.patience
        pause = 0.005
        while True:
            answer = condition()
            if answer:
                return answer
            if time.monotonic() > deadline:
                raise CommandFailed(f"in {self.name}: no {what} within {timeout} s, last: {answer!r}")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.1)

    def wait_state(self, unit: str, state: str, timeout: float = 10) -> None:
        """Waits until ActiveState of a unit is `state`."""
        self.wait_for(lambda: self.unit(unit, "ActiveState") == state, f"{unit} {state}", timeout)

    # -- what is left --

    def mountinfo(self) -> str:
        """The mount table of its PID 1."""
        return self.read("/proc/1/mountinfo")

    def leaks_snapshot(self) -> Snapshot:
        """What is there now of all that Berth could leave behind."""
        out = self.run("bash", "-c", _SNAPSHOT, timeout=60).out
        parts: dict[str, list[str]] = {}
        for part in out.split("\x01")[1:]:
            title, *lines = part.splitlines()
            parts[title] = sorted(line for line in lines if line)
        return Snapshot(parts)

    def assert_nothing_left(self, before: Snapshot, ignore: Iterable[str] = (),
                            timeout: float = 10) -> None:
        """Fails, and names it, if something is there that was not `before`. Some things go a
        moment after the unit stopped (machined's entry), hence the timeout."""
        deadline = time.monotonic() + timeout * self.patience
        while True:
            left = self.leaks_snapshot().since(before, frozenset(ignore))
            if not left:
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"left behind in {self.name}:\n{left}")
            time.sleep(0.05)

    def reset(self) -> None:
        """Makes it ready for the next test: no manifest, no container, no data of one. Quick,
        so that one boot serves a whole file of tests."""
        self.run("bash", "-c", _RESET, "reset", *sorted(self._manifests),
                 env={"IMAGES": " ".join(self.images), "IMAGE_ROOT": IMAGES}, timeout=120)
        self._manifests.clear()


@dataclass(frozen=True)
class Snapshot:
    """What was there at one moment, by kind; see _SNAPSHOT for the kinds."""

    parts: dict[str, list[str]]

    def since(self, before: Snapshot, ignore: frozenset[str]) -> str:
        """What is new, as text; a mount that is gone counts as well."""
        text = ""
        for title, lines in self.parts.items():
            if title in ignore:
                continue
            old = before.parts.get(title, [])
            changes = [line for line in difflib.ndiff(old, lines)
                       if line[0] == "+" or (line[0] == "-" and title == "mounts")]
            if changes:
                text += f"{title}:\n" + "".join(f"  {line}\n" for line in changes)
        return text


# A control character before each title, since paths may hold anything else. What systemd
# itself starts when asked (machined, polkit) comes and goes as it likes.
_SNAPSHOT = r"""
own='^/(init\.scope|user\.slice|system\.slice/(test-harness|systemd-|dbus|polkit|modprobe@|system-))'
title() { printf '\001%s\n' "$1"; }
title mounts
awk '{ sub(/^[0-9]+ [0-9]+ [0-9:]+ /, ""); gsub(/ (shared|master):[0-9]+/, ""); print }' /proc/1/mountinfo
title cgroups
(cd /sys/fs/cgroup && find . -mindepth 1 -type d ! -name '*.slice' | sed 's/^\.//' | grep -vE "$own")
title processes
ps -eo vsz=,comm=,cgroup= | awk -v own="$own" '
    # threads of the kernel have no memory and no group
    $1 == 0 && $NF == "-" { next }
    { where = $NF; sub(/.*0::/, "", where) }
    where !~ own || $2 ~ /^berth/ { print $2, where }'
title loops
losetup -nl -O NAME,BACK-INO,BACK-FILE 2>/dev/null | while read -r name inode file; do
    # the kernel has one set of loop devices for all machines: only those of files here
    file=${file% (deleted)}
    here=$(stat -c %i "$file" 2>/dev/null || true)
    [ "$here" != "$inode" ] || echo "$name $file"
done
title run
# the directories at the top are furniture and stay; what is in them belongs to a container
[ ! -d /run/berth ] || find /run/berth -mindepth 2
title layers
[ ! -d /var/lib/berth/layers ] || find /var/lib/berth/layers -mindepth 1 -maxdepth 1
title machines
[ ! -e /run/systemd/machines ] || ls /run/systemd/machines
title links
ip -o link | awk -F': ' '{ print $2 }'
title elements
nft -j list ruleset 2>/dev/null | python3 -c '
import json, sys
for item in json.loads(sys.stdin.read() or "{}").get("nftables", []):
    for kind, value in item.items():
        for element in value.get("elem", []) if kind in ("set", "map") else []:
            element.pop("counter", None) if isinstance(element, dict) else None
            print(value["table"], value["name"], json.dumps(element, sort_keys=True))
'
exit 0
"""

# Stop before the manifests go: a unit whose manifest is gone has no ExecStopPost.
_RESET = r"""
cd /
shopt -s nullglob
units=("$@")
for file in {/etc,/run,/usr/local/lib,/usr/lib}/berth/*.berth; do
    name=${file##*/}
    units+=("${name%.berth}")
done
patterns=()
for unit in "${units[@]}"; do
    case $unit in
        *@) patterns+=("$unit*.service") ;;
        *) patterns+=("$unit.service" "berth-*$unit*") ;;
    esac
done
patterns+=('berth-run-*' 'berth-job-*' 'berth-session-*')
# patterns match only what is loaded; exact names that are not are no error here
systemctl stop "${patterns[@]}" 2>/dev/null || systemctl kill --signal=KILL "${patterns[@]}" 2>/dev/null
rm -rf {/etc,/run,/usr/local/lib,/usr/lib}/berth/*.berth{,.d} /etc/berth/berth.d
for unit in "${units[@]}"; do
    rm -rf "/etc/systemd/system/$unit.service" "/etc/systemd/system/$unit.service.d"
done
systemctl daemon-reload
systemctl reset-failed
cd /var/lib/berth || exit 1
rm -rf layers/* volumes/* assets/* backup/* snapshots/*
for link in images/* images/.[!.]*; do
    [[ " $IMAGES " == *" ${link##*/} "* ]] || rm -rf "$link"
done
for image in $IMAGES; do
    ln -sfnT "$IMAGE_ROOT/$image" "images/$image"
done
for image in "$IMAGE_ROOT"/*; do
    [[ " $IMAGES " == *" ${image##*/} "* ]] || rm -rf "$image"
done
exit 0
"""


def furnish(root: Path, name: str, machine_id: str, exec_start: str) -> None:
    """Writes what makes a bare root a machine into `root`, the upper layer over it."""

    def file(path: str, text: str, mode: int = 0o644) -> None:
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def link(path: str, target: str) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).symlink_to(target)

    file("etc/machine-id", machine_id + "\n", 0o444)
    file("etc/hostname", name + "\n")
    file("etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost\n")
    file("etc/resolv.conf", f"nameserver {RESOLVER}\n")
    file("etc/fstab", "")
    # A journal that drops lines makes tests fail that are right.
    file("etc/systemd/journald.conf.d/test.conf",
         "[Journal]\nRateLimitIntervalSec=0\nAudit=no\n")
    file(f"etc/systemd/system/{HARNESS_UNIT}", textwrap.dedent(f"""\
        [Unit]
        Description=What the tests start inside
        DefaultDependencies=no
        IgnoreOnIsolate=yes
        [Service]
        ExecStart={exec_start}
        Delegate=yes
        KillMode=mixed
        TimeoutStopSec=2
        OOMPolicy=continue
        LimitNOFILE=524288
        """))
    link(f"etc/systemd/system/sysinit.target.wants/{HARNESS_UNIT}", f"../{HARNESS_UNIT}")
    link("etc/systemd/system/default.target", "/lib/systemd/system/multi-user.target")
    for unit in (
        # nothing to log in on, and nobody who would
        "getty.target", "console-getty.service", "systemd-pstore.service",
        # what starts by itself in the middle of a test
        "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer", "dpkg-db-backup.timer",
        "apt-daily.timer", "apt-daily-upgrade.timer", "systemd-tmpfiles-clean.timer",
        "systemd-journald-audit.socket",
    ):
        link(f"etc/systemd/system/{unit}", "/dev/null")


#: Units that would reach through the namespaces to the kernel that everybody shares.
HOST_UNITS = (
    "systemd-sysctl.service", "systemd-modules-load.service", "systemd-binfmt.service",
    "systemd-random-seed.service", "proc-sys-fs-binfmt_misc.automount",
    "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "sys-kernel-config.mount",
    "sys-fs-fuse-connections.mount", "dev-hugepages.mount", "systemd-remount-fs.service",
    "systemd-udevd.service", "systemd-timesyncd.service", "kmod-static-nodes.service",
)


def _shortened(text: str, limit: int = 20000) -> str:
    if len(text) <= limit:
        return text
    return f"{text[:limit // 2]}\n[... {len(text) - limit} characters ...]\n{text[-limit // 2:]}"
