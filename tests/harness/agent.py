"""Runs in the guest and does what the tests say: one JSON object a line on a virtio port.

    {"id": 1, "argv": [...], "stdin": BASE64, "env": {...}, "timeout": 30}
    {"id": 1, "rc": 0, "stdout": BASE64, "stderr": BASE64, "timed_out": false}

At its start it says {"hello": BOOT_ID}, after an empty line: whatever
half a line was on its way before a reboot ends there.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path


def _find_port(name: str) -> str:
    """There is no udev here that would make a link of the port's name."""
    for port in Path("/sys/class/virtio-ports").glob("*"):
        if (port / "name").read_text().strip() == name:
            return f"/dev/{port.name}"
    raise SystemExit(f"no virtio port is called {name}")


def _run(request: dict, group: Path) -> dict:
    group.mkdir()
    procs = os.open(group / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
    timed_out = False
    try:
        process = subprocess.Popen(request["argv"], env=request["env"], cwd="/",
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE,
                                   preexec_fn=lambda: os.write(procs, b"0") and None)
    except OSError as error:
        # what a shell would say and return
        return {"rc": 127, "stdout": "", "stderr": base64.b64encode(
            f"{request['argv'][0]}: {error.strerror}\n".encode()).decode()}
    finally:
        os.close(procs)
    try:
        out, err = process.communicate(base64.b64decode(request["stdin"]), request["timeout"])
    except subprocess.TimeoutExpired:
        timed_out = True
        (group / "cgroup.kill").write_text("1")
        out, err = process.communicate()
    finally:
        try:
            group.rmdir()
        except OSError:
            pass  # it left something running; that ends with the service
    rc = process.returncode
    return {"rc": rc if rc >= 0 else 128 - rc, "timed_out": timed_out,
            "stdout": base64.b64encode(out).decode(), "stderr": base64.b64encode(err).decode()}


def main() -> None:
    own = Path("/sys/fs/cgroup" + Path("/proc/self/cgroup").read_text().split("::")[-1].strip())
    port = os.open(_find_port(sys.argv[1]), os.O_RDWR)

    def say(answer: dict) -> None:
        data = json.dumps(answer).encode() + b"\n"
        while data:
            data = data[os.write(port, data):]

    os.write(port, b"\n")
    say({"hello": Path("/proc/sys/kernel/random/boot_id").read_text().strip()})
    number, pending = 0, b""
    while True:
        data = os.read(port, 65536)
        if not data:
            time.sleep(0.05)  # the other end is closed
            continue
        *lines, pending = (pending + data).split(b"\n")
        for line in lines:
            try:
                request = json.loads(line)
            except ValueError:
                continue  # half a line from before the reboot
            number += 1
            say({"id": request["id"], **_run(request, own / f"run-{number}")})


if __name__ == "__main__":
    main()
