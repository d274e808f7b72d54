"""What hostile programs in a container are made of, and how they get there."""

from __future__ import annotations

import subprocess
import uuid
from pathlib import Path

from harness.timing import PATIENCE

#: Of an attacker in Python: call() makes a system call by its number, attempt() notes what became of something.
PRELUDE = r"""
import ctypes, errno, os, socket, struct, fcntl, stat, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
found = {}

def call(name, number, *args):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_char_p(a) if isinstance(a, bytes) else
                          a if isinstance(a, ctypes.Array) else ctypes.c_long(a) for a in args])
    found[name] = errno.errorcode.get(ctypes.get_errno(), "?") if result < 0 else "ok"
    return result

def attempt(name, what):
    try:
        result = what()
        found[name] = "ok" if result is None else result
    except OSError as error:
        found[name] = errno.errorcode[error.errno]

def write(path, text="1"):
    with open(path, "w") as file:
        file.write(text)
"""


#: What hands down CAP_NET_ADMIN and CAP_SYS_ADMIN to whatever it executes.
HANDING_DOWN = ("setpriv", "--inh-caps=+net_admin,+sys_admin", "--ambient-caps=+net_admin,+sys_admin", "--")


def launch(berth: Path, image: Path, *argv: str, options: tuple[str, ...] = (), users: str = "pick",
           timeout: float = 2 * PATIENCE, name: str = "", before: tuple[str, ...] = (), **more) -> subprocess.CompletedProcess[str]:
    name = name or f"e{uuid.uuid4().hex[:12]}"
    return subprocess.run([*before, berth, "launch", "--foreground", f"--name={name}", f"--image={image}",
                           f"--private-users={users}", "--network=none", *options, "--", *argv],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=timeout, **more)
