"""Every moment at which a program can be killed: strace writes down which system calls it makes, then ends it with
SIGKILL at the entry of one of them, before the call is made."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

STRACE = ("strace", "-qq", "-e", "signal=none")


@dataclass(frozen=True)
class Moment:
    """The n-th call of that name that a program makes."""

    call: str
    count: int
    #: as strace writes it
    line: str

    @property
    def options(self) -> tuple[str, ...]:
        return ("-o", "/dev/null", "-e", f"trace={self.call}", "-e", f"inject={self.call}:signal=KILL:when={self.count}")


def moments(trace: str) -> list[Moment]:
    seen: Counter[str] = Counter()
    found = []
    for line in trace.splitlines()[1:]:  # the first is strace's own execve(), which it leaves alone
        name = re.match(r"(\w+)\(", line)
        if name:
            seen[name[1]] += 1
            found.append(Moment(name[1], seen[name[1]], line))
    return found
