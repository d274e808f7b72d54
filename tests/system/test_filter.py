"""SystemCallFilter= and SeccompProfile=: what a command may still ask of the kernel, and where its filter comes from."""

from __future__ import annotations

import json
import os

import pytest

from harness.machine import Machine
from harness.system import Result
from test_launch import inside, said, service

needs_berth = True
pytestmark = [pytest.mark.system, pytest.mark.images("base", "machine")]

CACHE = "/run/berth/filters"
COMPILER = "/usr/libexec/berth/berth-filter"
DENY_CHOWN = "SystemCallFilter=~@chown:EACCES"


def launch(m: Machine, script: str, *options: str, image: str = "base", check: bool = True) -> Result:
    """A container without a unit, which is quick."""
    return m.run("berth", "launch", "--foreground", "--name=f", f"--image={image}", "--network=none", *options, "--",
                 "sh", "-c", script, check=check)


def refused(m: Machine, *options: str) -> str:
    result = launch(m, "true", *options, check=False)
    assert result.rc == 125, result
    return result.err.rstrip("\n")


def test_refused_calls_have_the_error_that_is_said_for_the_command_and_for_exec(m: Machine) -> None:
    unit = service(m, "sleep", "1000", container=DENY_CHOWN)
    m.start(unit)
    assert inside(m, unit, "sh", "-c", "touch /tmp/x; chown 1 /tmp/x", check=False).err == \
        "chown: changing ownership of '/tmp/x': Permission denied\n"
    m.stop(unit)
    unit = service(m, "chown", "1", "/tmp", container=DENY_CHOWN, rest="[Service]\nType=oneshot")
    assert m.start(unit, check=False).rc == 1
    assert said(m, unit) == ["chown: changing ownership of '/tmp': Permission denied"]


def test_clean_removes_the_filters_that_no_running_container_has(m: Machine) -> None:
    m.sh(f"rm -rf {CACHE}")
    stays = service(m, "sleep", "1000", container=DENY_CHOWN)
    m.start(stays)
    (used,) = m.sh(f"ls {CACHE}").lines
    launch(m, "true", "--system-call-filter=@system-service")
    m.sh(f"touch {CACHE}/no-filter")
    before = m.sh(f"ls {CACHE}").lines
    assert len(before) == 3
    m.run("berth", "clean")  # they are young: a start may have just made them
    assert m.sh(f"ls {CACHE}").lines == before
    done = m.run("berth", "clean", "--all")
    assert "removed 2 compiled filters that no running container has\n" in done.err
    assert m.sh(f"ls {CACHE}").lines == [used]
    assert launch(m, "echo here", "--system-call-filter=@system-service").out == "here\n"
    m.stop(stays)
    m.run("berth", "clean", "--all")
    assert m.sh(f"ls {CACHE}").lines == []


@pytest.mark.parametrize("options", ["", "--no-new-privileges=no", "--user=33 --no-new-privileges=no",
                                     "--private-users=no --no-new-privileges=no", "--init=no"])
def test_a_refused_call_without_an_error_kills(m: Machine, options: str) -> None:
    """No other call is needed between the filter and the program: a list of what is allowed is enough."""
    lines = launch(m, "chroot / true 2>/dev/null; echo $?; grep -E '^(CapEff|NoNewPrivs|Seccomp_filters):' /proc/self/status",
                   "--system-call-filter=@system-service", *options.split()).lines
    assert lines == ["159",  # 128 + SIGSYS
                     f"CapEff:\t{'0' * 16 if 'user=33' in options else '00000000800405fb'}",
                     f"NoNewPrivs:\t{0 if 'privileges=no' in options else 1}", "Seccomp_filters:\t2"]


@pytest.mark.parametrize("lines, script, expected", [
    # the first line says of which kind the list is; later ones add to it, or take from it
    ("SystemCallFilter=@system-service\nSystemCallFilter=~mkdir mkdirat", "mkdir /tmp/x", 159),
    ("SystemCallFilter=@system-service\nSystemCallFilter=~mkdir:EIO mkdirat:EIO", "mkdir /tmp/x", 1),
    ("SystemCallFilter=~mkdir mkdirat\nSystemCallFilter=mkdir mkdirat", "mkdir /tmp/x", 0),
    ("SystemCallFilter=~@file-system:EIO\nSystemCallFilter=@file-system", "mkdir /tmp/x", 0),
    ("SystemCallFilter=@system-service\nSystemCallFilter=chroot", "chroot / true", 0),
    ("SystemCallFilter=~mkdir:EIO mkdirat:EIO\nSystemCallFilter=~mkdir:kill mkdirat:kill", "mkdir /tmp/x", 159),
    # what the default refuses stays refused, whatever is allowed here
    ("SystemCallFilter=@known", "unshare --user true", 1),
    ("SystemCallFilter=@known", "mkdir /tmp/x", 0),
])
def test_lines_are_merged_as_systemd_does_it(m: Machine, lines: str, script: str, expected: int) -> None:
    options = [line.replace("SystemCallFilter", "--system-call-filter") for line in lines.split("\n")]
    assert launch(m, f"{script} >/dev/null 2>&1; echo $?", *options).out == f"{expected}\n"


def test_a_list_of_what_is_allowed_never_opens_what_the_default_refuses(m: Machine) -> None:
    result = launch(m, "unshare --user true", "--system-call-filter=@known unshare clone setns mount keyctl", check=False)
    assert (result.rc, result.err) == (1, "unshare: unshare failed: Operation not permitted\n")


@pytest.mark.parametrize("option, message", [
    ("--system-call-filter=frobnicate", "SystemCallFilter=: there is no system call 'frobnicate'"),
    ("--system-call-filter=~mount frobnicate:EPERM", "SystemCallFilter=: there is no system call 'frobnicate'"),
    ("--seccomp-profile=/no/such", "SeccompProfile='/no/such': cannot be opened: No such file or directory"),
    ("--seccomp-profile=/etc", "SeccompProfile='/etc': is not a file"),
    ("--seccomp-profile=/dev/zero", "SeccompProfile='/dev/zero': is not a file"),
    ("--seccomp-profile=/etc/passwd", "SeccompProfile='/etc/passwd': is not JSON: unexpected character (at byte 0)"),
])
def test_what_is_wrong_with_a_filter_fails_the_start(m: Machine, option: str, message: str) -> None:
    assert refused(m, option) == message


# -- profiles --

#: Everything but clone of namespaces, as the profiles of container engines do it.
OPEN = {"defaultAction": "SCMP_ACT_ALLOW"}


def profile(m: Machine, content: object, name: str = "/etc/profile.json") -> str:
    m.write(name, content if isinstance(content, str) else json.dumps(content))
    return f"--seccomp-profile={name}"


def test_a_profile_stands_in_the_place_of_the_default(m: Machine) -> None:
    # the name beside the number is what some engines write
    assert launch(m, "unshare --user true && echo opened", profile(m, {**OPEN, "defaultErrno": "ENOSYS"})).out == "opened\n"


FLOOR = """
import ctypes, errno, fcntl, os
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *args):
    ctypes.set_errno(0)
    libc.syscall(number, *args)
    return errno.errorcode.get(ctypes.get_errno(), "ok")
master, slave = os.openpty()
try:
    fcntl.ioctl(slave, 0x5412, b"x")
    print("ok")
except OSError as error:
    print(errno.errorcode[error.errno])
print(call(304, 0, 0, 0), call(175, 0, 0, 0), call(246, 0, 0, 0, 0), call(470), call(39))
"""


def test_no_profile_opens_the_floor(m: Machine) -> None:
    result = launch(m, f"exec python3 -c '{FLOOR}'", profile(m, OPEN), "--private-users=no", image="machine", *[
        f"--capability=CAP_{name}" for name in ("SYS_ADMIN", "DAC_READ_SEARCH", "SYS_MODULE", "SYS_BOOT")])
    assert result.lines == ["EPERM", "EPERM EPERM EPERM ENOSYS ok"]


RING = "import ctypes, errno; libc = ctypes.CDLL(None, use_errno=True)\n" \
    "print(*[libc.syscall(number, 0, 0, 0, 0, 0, 0) and errno.errorcode[ctypes.get_errno()] for number in (425, 426, 427)])"


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="knows x86-64's numbers")
def test_no_profile_opens_a_second_way_to_set_uid_files_that_the_host_sees(m: Machine) -> None:
    """io_uring makes files with modes that no filter looks at."""
    m.sh("mkdir -p /srv/seen")
    result = launch(m, f"exec python3 -c '{RING}'", profile(m, OPEN), "--private-users=no",
                    "--mount=type=bind,source=/srv/seen,target=/mnt", image="machine")
    assert result.lines == ["ENOSYS ENOSYS ENOSYS"]


WITH_A_KEY = """
import ctypes, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall(250, 1, 0)  # a session keyring, and in it
assert libc.syscall(248, b"user", b"canary", b"secret", 6, -3) > 0
sys.exit(subprocess.run(sys.argv[1:]).returncode)
"""
LOOK_FOR_IT = "import ctypes; print(ctypes.CDLL(None).syscall(250, 10, -3, b'user', b'canary', 0))"


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="knows x86-64's numbers")
@pytest.mark.parametrize("users", ["pick", "no"])
def test_keys_of_the_caller_stay_outside_whatever_the_filter_allows(m: Machine, users: str) -> None:
    """No namespace parts keyrings, and a process has its session's from its parent."""
    found = m.run("python3", "-c", WITH_A_KEY, "python3", "-c", LOOK_FOR_IT)
    assert int(found.out) > 0  # so it is there
    options = (profile(m, OPEN), f"--private-users={users}")
    launched = m.run("python3", "-c", WITH_A_KEY, "berth", "launch", "--foreground", "--name=k", "--image=machine", "--network=none",
                     *options, "--", "python3", "-c", LOOK_FOR_IT)
    assert launched.out == "-1\n"
    unit = service(m, "sleep", "1000", image="machine", container=f"SeccompProfile=/etc/profile.json\nPrivateUsers={users}")
    m.start(unit)
    assert m.run("python3", "-c", WITH_A_KEY, "berth", "exec", unit, "--", "python3", "-c", LOOK_FOR_IT).out == "-1\n"


def rule(names: str, action: str = "ERRNO", **more: object) -> dict[str, object]:
    return {"names": names.split(), "action": f"SCMP_ACT_{action}", **more}


@pytest.mark.parametrize("rules, expected", [
    ([rule("mkdir mkdirat", errnoRet=5)], "Input/output error"),
    ([rule("mkdir mkdirat")], "Operation not permitted"),
    ([rule("mkdir mkdirat", "KILL_PROCESS")], "159"),
    # 0700 is mkdir's second argument: only that
    ([rule("mkdir", errnoRet=5, args=[{"index": 1, "value": 0o700, "op": "SCMP_CMP_EQ"}]),
      rule("mkdirat", errnoRet=5, args=[{"index": 2, "value": 0o700, "op": "SCMP_CMP_EQ"}])], "0"),
    ([rule("mkdir", errnoRet=5, args=[{"index": 1, "value": 0o777, "op": "SCMP_CMP_EQ"}]),
      rule("mkdirat", errnoRet=5, args=[{"index": 2, "value": 0o777, "op": "SCMP_CMP_EQ"}])], "Input/output error"),
    # one call, two errors
    ([rule("mkdir", errnoRet=5, args=[{"index": 1, "value": 0o700, "op": "SCMP_CMP_EQ"}]),
      rule("mkdir", errnoRet=6, args=[{"index": 1, "value": 0o777, "op": "SCMP_CMP_EQ"}])], "No such device or address"),
    ([rule("mkdir mkdirat", includes={"caps": ["CAP_SYS_ADMIN"]})], "0"),
    ([rule("mkdir mkdirat", includes={"caps": ["CAP_CHOWN"]})], "Operation not permitted"),
    ([rule("mkdir mkdirat", excludes={"caps": ["CAP_SYS_ADMIN", "CAP_CHOWN"]})], "0"),
    ([rule("mkdir mkdirat", includes={"minKernel": "4.8"})], "Operation not permitted"),
    ([rule("mkdir mkdirat", includes={"minKernel": "99.0"})], "0"),
    ([rule("mkdir mkdirat", includes={"arches": ["s390x"]})], "0"),
])
def test_rules_of_a_profile_hold(m: Machine, rules: list[object], expected: str) -> None:
    out = launch(m, "mkdir -m 777 /tmp/x 2>&1; echo $?", profile(m, {**OPEN, "syscalls": rules})).lines
    assert expected in (out[-1], out[0].rpartition(": ")[2]), out


@pytest.mark.parametrize("content, message", [
    ({}, "an action is missing"),
    ({"defaultAction": "SCMP_ACT_ALOW"}, "no action: 'SCMP_ACT_ALOW'"),
    ({"defaultAction": "SCMP_ACT_NOTIFY"}, "nobody would answer, as there is no daemon: 'SCMP_ACT_NOTIFY'"),
    # of which libseccomp takes the first alone
    ({**OPEN, "syscalls": [rule("socket", errnoRet=97, args=[{"index": 0, "value": 40, "op": "SCMP_CMP_EQ"}]),
                           rule("socket", errnoRet=1, args=[{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}])]},
     "a rule for 'socket' is lost beside another with a different action"),
    ({**OPEN, "syscalls": [rule("mkdir", errnoRet=error, args=[{"index": 1, "value": 0o700, "op": "SCMP_CMP_EQ"}]) for error in (5, 6)]},
     "a rule for 'mkdir' is lost beside another with a different action; give both the same action and errnoRet, or leave one out"),
    ({**OPEN, "sycalls": []}, "unknown member 'sycalls' of the profile"),
    ({**OPEN, "syscalls": {}}, "member 'syscalls' of the profile is not of type array"),
    ({**OPEN, "syscalls": [rule("frobnicate")]}, "there is no system call 'frobnicate' that could be refused"),
    ({**OPEN, "syscalls": [rule("mkdir", arg=[])]}, "unknown member 'arg' of a rule"),
    ({**OPEN, "syscalls": [rule("mkdir", errnoRet=99999)]}, "no error number: '99999'"),
    ({**OPEN, "flags": ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"]},
     "this flag is not supported: 'SECCOMP_FILTER_FLAG_SPEC_ALLOW'"),
    ('{"defaultAction": "SCMP_ACT_ALLOW"', "is not JSON: continue"),
])
def test_a_profile_that_is_not_understood_whole_fails_the_start(m: Machine, content: object, message: str) -> None:
    assert message in refused(m, profile(m, content))


# -- the cache --


def cached(m: Machine) -> list[str]:
    return m.run("ls", CACHE).lines if m.exists(CACHE) else []


@pytest.fixture
def alone(m: Machine) -> Machine:
    """With one filter that is kept."""
    m.run("rm", "-rf", CACHE)
    launch(m, "true", OPTION)
    assert len(cached(m)) == 1
    yield m
    m.run("rm", "-rf", CACHE)


@pytest.fixture
def no_compiler(m: Machine) -> None:
    """The same file, which cannot be executed."""
    m.run("mount", "--bind", COMPILER, COMPILER)
    m.run("mount", "-o", "remount,bind,noexec", COMPILER)
    yield
    m.run("umount", COMPILER)


OPTION = "--system-call-filter=~@chown:EACCES"


def works(m: Machine) -> bool:
    return launch(m, "chown 1 /tmp", OPTION, check=False).err == \
        "chown: changing ownership of '/tmp': Permission denied\n"


def test_a_filter_is_compiled_once(alone: Machine, no_compiler: None) -> None:
    assert works(alone)
    assert alone.run("stat", "-c", "%a %u %g", CACHE, f"{CACHE}/{cached(alone)[0]}").lines == ["700 0 0", "600 0 0"]


def test_another_build_or_library_of_the_same_version_makes_its_own(alone: Machine) -> None:
    library = alone.sh(f"ldd {COMPILER} | sed -n 's/.*libseccomp.* => \\([^ ]*\\) .*/\\1/p'").out.strip()
    mine = f"{CACHE}/{cached(alone)[0]}"

    def made() -> str:
        assert works(alone) and cached(alone) == [mine.rpartition("/")[2]]
        return alone.run("stat", "-c", "%i %z", mine).out

    first = made()
    for path in (COMPILER, library):
        alone.sh(f"cp -L {path} /run/copy && mount --bind /run/copy {path}")
        try:
            second = made()
            assert second != first and made() == second, path
        finally:
            alone.sh(f"umount {path}; rm /run/copy")
        first = made()
        assert first != second, path


DAMAGES = [
    "truncate -s -8 $f", "truncate -s 0 $f", "printf x | dd of=$f bs=1 seek=500 conv=notrunc",
    "printf x | dd of=$f bs=1 seek=20 conv=notrunc", "chmod 644 $f", "chown 1 $f", "rm -f /run/second; ln $f /run/second",
    "mv $f /run/elsewhere; ln -s /run/elsewhere $f", "rm $f; mkfifo $f; chmod 600 $f",
    "cp /run/other $f",  # whole, but made of other words
]


def test_a_kept_filter_that_is_not_what_it_should_be_is_made_again(alone: Machine) -> None:
    mine = f"{CACHE}/{cached(alone)[0]}"
    launch(alone, "true", "--system-call-filter=~@swap:EACCES")
    alone.sh(f"cp -a $(ls {CACHE}/* | grep -v {mine}) /run/other")
    for damage in DAMAGES:
        alone.sh(f"f={mine}; {damage}")
        assert works(alone), damage
        assert alone.run("stat", "-c", "%F %a %h", mine).out == "regular file 600 1\n", damage


def test_and_where_it_cannot_be_made_again_nothing_starts(alone: Machine, no_compiler: None) -> None:
    mine = f"{CACHE}/{cached(alone)[0]}"
    alone.sh(f"cp -a {mine} /run/good; sed s/berth/other/ {mine} > /run/other")
    for damage in DAMAGES:
        alone.sh(f"f={mine}; rm -f $f; cp -a /run/good $f; {damage}")
        assert refused(alone, OPTION) == f"cannot execute '{COMPILER}', which compiles filters: Permission denied", damage


def test_a_directory_that_others_may_enter_is_refused(alone: Machine) -> None:
    alone.run("chmod", "755", CACHE)
    assert refused(alone, OPTION) == f"'{CACHE}' is not root's alone; remove it"


def test_exec_does_not_enter_without_the_leaders_filter(m: Machine) -> None:
    unit = service(m, "sleep", "1000", container=DENY_CHOWN)
    m.start(unit)
    path = f"/run/berth/containers/{unit}/filter"
    m.run("rm", "-rf", CACHE)  # it has its own
    assert inside(m, unit, "grep", "^Seccomp_filters", "/proc/self/status").out == "Seccomp_filters:\t2\n"
    for damage in (f"printf x | dd of={path} bs=1 seek=100 conv=notrunc", f"truncate -s 8 {path}", f"rm {path}"):
        m.sh(damage)
        result = inside(m, unit, "true", check=False)
        assert (result.rc, result.err) == (
            125, f"the state of container '{unit}' is damaged, or of another version of Berth; systemctl restart {unit} "
            "makes it anew\n"), damage


def test_the_groups_are_those_of_systemd(m: Machine) -> None:
    def groups(text: str) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for line in text.splitlines():
            if line.startswith("@"):
                name = line.strip()
                found[name] = set()
            elif line.startswith("    ") and not line.strip().startswith("#"):
                found[name].add(line.strip())
        return found

    ours = {words[0]: set(words[1:]) for words in
            (line.split() for line in m.run(COMPILER, "--groups").lines)}
    theirs = groups(m.run("systemd-analyze", "syscall-filter", "--no-pager").out)
    theirs.pop("@known")
    #: names that no kernel has, or that only systemd's own table of numbers knows
    odd = {"fstatat", "newfstat", "llseek"}
    #: what newer versions of systemd have beyond 252
    newer = {"lsm_get_self_attr", "lsm_list_modules", "mseal", "file_getattr", "file_setattr", "getxattrat", "listmount",
             "listxattrat", "removexattrat", "setxattrat", "statmount", "@sandbox"}
    assert set(theirs) <= set(ours)
    for name, calls in theirs.items():
        assert calls - ours[name] - odd == set(), name
        assert ours[name] - calls - newer == set(), name
