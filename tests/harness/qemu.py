"""Tier 4: the same Debian under its own kernel, in an emulator.

Everything is there that namespaces cannot give: all controllers of cgroup2, a boot
from the beginning, the distribution's kernel, a reboot that loses what a reboot loses.
It needs no root at run time that the tests would not need anyway, no network and no
/dev/kvm, but uses that if it works.

The disk (machine, its modules, images) is packed once and kept; each guest writes to a
throw-away layer over it. What changes from run to run, the stage above all, comes in the
initrd and is laid over the disk by the first boot.
"""

from __future__ import annotations

import atexit
import base64
import ctypes
import fcntl
import itertools
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import time
import uuid
from pathlib import Path
from typing import Iterable

from . import agent, roots
from .system import IMAGES, System, furnish

_numbers = itertools.count(1)

PORT = "test.agent"

#: In the order in which they need each other; ext4 is built in.
MODULES = ("virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev",
           "virtio_pci", "virtio_blk", "virtio_console")

MEMORY = "2G"

# The stage is unpacked by the disk's own tar: busybox's does not know how to go through
# the link that /lib is. A reboot must not undo what tests changed, hence the mark.
_INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
echo "initrd: started" >/dev/console
mount -t devtmpfs dev /dev
for module in %(modules)s; do
    [ ! -f /modules/$module.ko ] || insmod /modules/$module.ko || echo "initrd: $module failed"
done
mount -t ext4 -o rw /dev/vda /root || exec sh
if [ ! -e /root/.staged ]; then
    mount --bind /stage /root/mnt
    chroot /root /bin/sh -c 'tar -C /mnt -c . | tar -C / -x --keep-directory-symlink --no-overwrite-dir'
    umount /root/mnt
    : >/root/.staged
fi
umount /dev
exec switch_root /root /sbin/init
"""


class GuestFailed(Exception):
    """The guest did not come up or went away; the message holds its console."""


class Guest(System):
    """A whole machine. `with Guest.boot(...) as g:`"""

    @classmethod
    def boot(cls, stage: str | Path | None = None, suite: str = roots.DEFAULT_SUITE,
             images: Iterable[str] = ("base",), name: str | None = None, timeout: float = 600,
             progress: roots.Progress = roots.say) -> Guest:
        """Boots one and waits until systemd calls itself running. Arguments as Machine.boot."""
        return cls(stage, suite, tuple(images), name, timeout, progress)

    def __init__(self, stage: str | Path | None, suite: str, images: tuple[str, ...],
                 name: str | None, timeout: float, progress: roots.Progress) -> None:
        super().__init__()
        self.name = name or f"g{os.getpid()}-{next(_numbers)}"
        self.images = images
        self._choose("kvm" if kvm_may_work() else "tcg")
        self._ended = False
        self._requests = itertools.count(1)
        self._boot_id = ""
        self._received = b""

        kernel = roots.get("kernel", suite, progress)
        disk = _disk(suite, images, kernel, progress)
        directory = roots.cache_directory() / "guests"
        directory.mkdir(exist_ok=True)
        self._directory = directory / f"{self.name}-{uuid.uuid4().hex[:8]}"
        with roots.locked(roots.cache_directory() / ".guests.lock"):
            _sweep(directory)
            self._directory.mkdir(mode=0o700)
            self._lock = open(self._directory / "lock", "w")
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        atexit.register(self.shutdown)
        self._qemu: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        try:
            initrd = self._make_initrd(kernel, stage)
            self._start_qemu(kernel, disk, initrd)
            if self.accelerator == "kvm" and not self._kvm_starts():
                self._end_qemu()
                _kvm_mark().write_text(_host_boot())
                self._choose("tcg")
                self._start_qemu(kernel, disk, initrd)
            self._wait_up(timeout)
        except BaseException:
            self.shutdown()
            raise

    def _choose(self, accelerator: str) -> None:
        self.accelerator = accelerator
        # An emulated processor is slow, not wrong.
        self.patience = 6.0 if accelerator == "kvm" else 8.0

    def _kvm_starts(self) -> bool:
        """Whether the initrd says something soon. Inside another virtual machine /dev/kvm may
        make a processor, and then that never gets anywhere."""
        assert self._qemu
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline and self._qemu.poll() is None:
            if "initrd: started" in self.console():
                return True
            time.sleep(0.05)
        return False

    def _make_initrd(self, kernel: Path, stage: str | Path | None) -> Path:
        tree = self._directory / "initrd"
        for path in ("bin", "dev", "root", "modules", "stage"):
            (tree / path).mkdir(parents=True)
        os.mknod(tree / "dev/console", 0o600 | stat.S_IFCHR, os.makedev(5, 1))
        shutil.copy("/bin/busybox", tree / "bin/busybox")
        for module in MODULES:
            for file in kernel.glob(f"lib/modules/*/kernel/**/{module}.ko*"):
                _copy_module(file, tree / f"modules/{module}.ko")
        (tree / "init").write_text(_INIT % {"modules": " ".join(MODULES)})
        (tree / "init").chmod(0o755)

        over = tree / "stage"
        if stage:
            subprocess.run(["cp", "-a", "--", f"{stage}/.", str(over)], check=True)
        program = "usr/lib/test-harness/agent.py"
        furnish(over, self.name, uuid.uuid4().hex, f"/usr/bin/python3 -IB /{program} {PORT}")
        (over / program).parent.mkdir(parents=True)
        shutil.copy(agent.__file__, over / program)
        links = over / "var/lib/berth/images"
        links.mkdir(parents=True)
        for directory in (links.parent, links):
            directory.chmod(0o700)
        for image in self.images:
            (links / image).symlink_to(f"{IMAGES}/{image}")

        initrd = self._directory / "initrd.cpio"
        with open(initrd, "wb") as file:
            files = subprocess.run(["find", ".", "-print0"], cwd=tree, check=True,
                                   stdout=subprocess.PIPE).stdout
            subprocess.run(["cpio", "--quiet", "-0", "-o", "-H", "newc", "-R", "0:0"], cwd=tree,
                           input=files, stdout=file, check=True)
        shutil.rmtree(tree)
        return initrd

    def _start_qemu(self, kernel: Path, disk: Path, initrd: Path) -> None:
        vmlinuz = next(kernel.glob("boot/vmlinuz-*"))
        # Inside another virtual machine kvm may refuse to set that register, and qemu aborts.
        accelerator = (["-accel", "kvm", "-cpu", "max,arch-capabilities=off"]
                       if self.accelerator == "kvm" else ["-accel", "tcg,thread=multi", "-cpu", "max"])
        # The tests' end of the port is made before qemu and handed to it, so that nobody has
        # to wait for a path to appear.
        ours, theirs = socket.socketpair()
        libc = ctypes.CDLL(None)
        with open(self._directory / "qemu.log", "wb") as log, theirs:
            self._qemu = subprocess.Popen(
                ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none",
                 *accelerator, "-smp", str(min(os.cpu_count() or 1, 4)), "-m", MEMORY,
                 "-kernel", str(vmlinuz), "-initrd", str(initrd),
                 "-append", "console=ttyS0 loglevel=4 panic=-1 systemd.show_status=0",
                 "-serial", f"file:{self._directory}/console",
                 "-drive", f"file={disk},format=raw,if=virtio,snapshot=on,cache=unsafe",
                 "-device", "virtio-serial-pci",
                 "-chardev", f"socket,id=agent,fd={theirs.fileno()}",
                 "-device", f"virtserialport,chardev=agent,name={PORT}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[theirs.fileno()],
                env={**os.environ, "TMPDIR": str(self._directory)}, start_new_session=True,
                # PR_SET_PDEATHSIG: whoever kills the tests kills this as well
                preexec_fn=lambda: libc.prctl(1, signal.SIGKILL, 0, 0, 0) and None)
        self._socket = ours

    def _wait_up(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while True:
            message = self._receive(deadline, "a sign of life")
            if message.get("hello") not in (None, self._boot_id):
                self._boot_id = message["hello"]
                break
        left = max(1.0, deadline - time.monotonic())
        state = self.run("systemctl", "is-system-running", "--wait", check=False, timeout=left).out.strip()
        if state != "running":
            failed = self.run("systemctl", "--failed", "--no-legend", check=False).out
            raise GuestFailed(f"{self.name} is {state}\n{failed}\n{self.journal(output='short')[-20000:]}")

    def _receive(self, deadline: float, what: str) -> dict:
        """The next message of the agent. Lines that are none are what a reboot cut off."""
        assert self._socket
        while True:
            line, newline, rest = self._received.partition(b"\n")
            if newline:
                self._received = rest
                try:
                    message = json.loads(line)
                except ValueError:
                    continue
                if isinstance(message, dict):
                    return message
                continue
            self._socket.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                data = self._socket.recv(1 << 16)
            except TimeoutError:
                raise GuestFailed(f"{self.name}: no {what} in time\n{self.console()[-8000:]}") from None
            if not data:
                log = (self._directory / "qemu.log").read_text(errors="replace")
                raise GuestFailed(f"{self.name} ended\n{log}\n{self.console()[-8000:]}")
            self._received += data

    def _execute(self, argv: list[str], stdin: bytes, env: dict[str, str],
                 timeout: float) -> tuple[int, bytes, bytes]:
        if self._ended or not self._socket:
            raise RuntimeError(f"{self.name} is shut down")
        number = next(self._requests)
        request = {"id": number, "argv": argv, "stdin": base64.b64encode(stdin).decode(), "env": env,
                   "timeout": timeout}
        self._socket.settimeout(60)
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        # The agent keeps the time. Longer silence is a guest that is stuck.
        deadline = time.monotonic() + timeout + 60
        while True:
            message = self._receive(deadline, f"answer to {argv}")
            if message.get("id") == number:
                break
            if message.get("hello"):  # for whoever waits for the boot that we just met
                self._received = json.dumps(message).encode() + b"\n" + self._received
                raise GuestFailed(f"{self.name} rebooted during {argv}")
        out, err = base64.b64decode(message["stdout"]), base64.b64decode(message["stderr"])
        if message.get("timed_out"):
            raise TimeoutError((out + err).decode(errors="replace"))
        return message["rc"], out, err

    def reboot(self, timeout: float = 600) -> None:
        try:
            self.run("systemctl", "reboot", "--no-block", check=False)
        except GuestFailed:
            pass  # gone before it could answer, which is what was asked for
        self._wait_up(timeout)

    def wait_off(self, timeout: float = 60) -> None:
        """Waits until it has switched itself off."""
        assert self._qemu
        try:
            self._qemu.wait(timeout * self.patience)
        except subprocess.TimeoutExpired:
            raise GuestFailed(f"{self.name} is still on\n{self.console()[-8000:]}") from None

    def _end_qemu(self) -> None:
        if self._qemu:
            self._qemu.kill()
            self._qemu.wait()
        if self._socket:
            self._socket.close()

    def shutdown(self) -> None:
        if self._ended:
            return
        self._ended = True
        atexit.unregister(self.shutdown)
        self._end_qemu()
        self._lock.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def console(self) -> str:
        try:
            return (self._directory / "console").read_text(errors="replace").replace("\r", "")
        except OSError:
            return ""

    def now(self) -> float:
        # Asked each time: an emulated clock is not as fast as ours.
        return float(self.run("date", "+%s.%N").out)


def _disk(suite: str, images: tuple[str, ...], kernel: Path, progress: roots.Progress) -> Path:
    """A raw ext4 disk with the machine, its kernel's modules and the images."""
    parts = {"": roots.get("machine", suite, progress), "/usr/lib/modules": kernel / "lib/modules"}
    for image in sorted(images):
        parts[f"{IMAGES}/{image}"] = roots.get(image, suite, progress)
    entry = "disk-" + roots.key(1, {where: str(path) for where, path in parts.items()}) + ".raw"

    def build(target: Path) -> None:
        # mke2fs walks through mount points, so nothing needs to be copied first.
        work = target.parent / "work"
        size = 3 << 30
        script = 'set -e; mount --make-rprivate /; mkdir -p "$1/up" "$1/work" "$1/root"\n'
        for where, path in parts.items():
            size += int(subprocess.run(["du", "-s", "--apparent-size", "-B1", path], check=True, text=True,
                                       stdout=subprocess.PIPE).stdout.split()[0])
            if where:
                script += f'mkdir -p "$1/root{where}"; mount --bind {path} "$1/root{where}"\n'
            else:
                script += (f'mount -t overlay overlay "$1/root" -o '
                           f'"lowerdir={path},upperdir=$1/up,workdir=$1/work"\n')
        script += 'mke2fs -q -t ext4 -E lazy_itable_init=1,root_owner=0:0 -d "$1/root" "$2" "$3"\n'
        subprocess.run(["unshare", "--mount", "sh", "-c", script, "sh", str(work), str(target),
                        f"{size >> 10}k"], check=True, stdout=subprocess.DEVNULL)

    return roots.cached(entry, f"disk with {', '.join(images)}", build, progress)


def _copy_module(source: Path, target: Path) -> None:
    """busybox cannot load what newer distributions compress."""
    if source.suffix == ".xz":
        with open(target, "wb") as file:
            subprocess.run(["xz", "-dc", str(source)], stdout=file, check=True)
    else:
        shutil.copy(source, target)


def kvm_may_work() -> bool:
    """Whether kvm is worth a try: it can be opened, and did not fail since this host booted."""
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC))
        return _kvm_mark().read_text() != _host_boot()
    except FileNotFoundError:
        return os.path.exists("/dev/kvm")
    except OSError:
        return False


def _kvm_mark() -> Path:
    """Holds the boot of this host in which kvm was found not to work."""
    return roots.cache_directory() / ".kvm-failed"


def _host_boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text()


def missing() -> str | None:
    """Why guests cannot be booted here, or None if they can."""
    if os.geteuid() != 0:
        return "needs root (to pack a disk with the right owners)"
    if os.uname().machine != "x86_64":
        return f"needs x86_64, this is {os.uname().machine}"
    for program in ("qemu-system-x86_64", "busybox", "mke2fs", "cpio", "mmdebstrap", "depmod"):
        if not shutil.which(program):
            return f"needs {program} (tools/install-build-deps installs it)"
    return None


def _sweep(directory: Path) -> None:
    """Removes what killed test runners left."""
    for old in directory.iterdir():
        try:
            with open(old / "lock") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(old, ignore_errors=True)
        except OSError:
            continue
