"""Access control lists and file capabilities, as bytes, and as a container's own root gives them to its files."""

from __future__ import annotations

import os
import struct
import subprocess
import sys

ACCESS, DEFAULT, CAPABILITY = "system.posix_acl_access", "system.posix_acl_default", "security.capability"
NET_BIND_SERVICE = 10

_TAGS = {"u": 1, "U": 2, "g": 4, "G": 8, "m": 16, "o": 32}


def acl(*lines: str) -> bytes:
    """A list of "u:rwx" (the owner), "U1000:r--", "g:", "G5:", "m:" and "o:" lines, in the order of the kernel."""
    value = struct.pack("<I", 2)
    for line in lines:
        who, rights = line.split(":")
        value += struct.pack("<HHI", _TAGS[who[0]], sum({"r": 4, "w": 2, "x": 1, "-": 0}[c] for c in rights),
                             int(who[1:]) if len(who) > 1 else 0xffffffff)
    return value


def capability(number: int = NET_BIND_SERVICE) -> bytes:
    """Permitted and effective, of version 2."""
    return struct.pack("<IIIII", 0x02000001, 1 << number, 0, 0, 0)


_SCRIPT = """
import os, sys
root, path, name, *value = sys.argv[1:]
os.fchdir(int(root))
if value:
    os.setxattr(path, name, bytes.fromhex(value[0]))
sys.stdout.write(os.getxattr(path, name).hex() if name in os.listxattr(path) else "none")
"""


def as_its_root(pid: int, path: str, name: str, value: bytes | None = None) -> bytes | None:
    """Sets and reads an attribute as root of the user namespace of process pid does, below that process' root."""
    enter = [] if os.readlink(f"/proc/{pid}/ns/user") == os.readlink("/proc/self/ns/user") else [
        "nsenter", "-U", "-t", str(pid), "-S", "0", "-G", "0"]
    root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY)
    words = [str(root), f".{path}", name] + ([] if value is None else [value.hex()])
    try:
        seen = subprocess.run([*enter, sys.executable, "-c", _SCRIPT, *words], check=True, text=True, pass_fds=[root],
                              stdout=subprocess.PIPE).stdout
    finally:
        os.close(root)
    return None if seen == "none" else bytes.fromhex(seen)
