"""Containers for the tests of what acts on a running one."""

from __future__ import annotations

import os
import subprocess
import uuid
from pathlib import Path
from typing import Callable, Iterator

import pytest

from harness import roots
from harness.container import Container
from harness.files import make_image

PASSWD = """root:x:0:0:root:/root:/bin/sh
app:x:1000:1000:App:/home/app:/bin/sh
app:x:0:0:a second entry of that name:/:/bin/sh
daemon:x:1:1::/:/bin/sh
99999999999:x:0:0:a name that looks like a number:/:/bin/sh
nogroup:x:1001:77777::/nowhere:/bin/sh
far:x:70000:70000::/:/bin/sh
"""
GROUP = "root:x:0:\napp:x:1000:\nextra:x:2000:app,daemon\nmore:x:2001:x,app\n"


@pytest.fixture(scope="session")
def build(pytestconfig: pytest.Config) -> Path:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    return Path(pytestconfig.getoption("--berth-build")).resolve()


@pytest.fixture(scope="session")
def berth(build: Path) -> Path:
    return build / "helper/berth"


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """busybox and a few users."""
    root = make_image(tmp_path_factory.mktemp("image") / "root")
    for name in ("home/app", "closed"):
        (root / name).mkdir(parents=True)
    (root / "bin/text").write_text("no program")
    (root / "bin/broken").write_text("#!/no/such/interpreter\n")
    (root / "bin/broken").chmod(0o755)
    (root / "etc/passwd").write_text(PASSWD)
    (root / "etc/group").write_text(GROUP)
    (root / "closed").chmod(0o700)
    os.chown(root / "home/app", 1000, 1000)
    return root


@pytest.fixture
def ground() -> Iterator[Path]:
    """A place on the host that can be idmapped, as /tmp need not be."""
    path = roots.cache_directory() / "ground" / uuid.uuid4().hex
    path.mkdir(parents=True)
    yield path
    subprocess.run(["rm", "-rf", path], check=True)


@pytest.fixture(scope="session")
def debian(pytestconfig: pytest.Config, progress: roots.Progress) -> Path:
    """An image with a whole python, for attackers that need the kernel's calls."""
    return roots.get("machine", pytestconfig.getoption("--debian"), progress)


@pytest.fixture(scope="module")
def shared(berth: Path, image: Path) -> Iterator[Container]:
    """One container for all tests that leave it as it was."""
    container = Container(berth, image)
    yield container
    container.stop()


@pytest.fixture
def c(shared: Container) -> Iterator[Container]:
    """The shared container; the test may leave no process and no control group in it."""
    yield shared
    shared.none_left()


@pytest.fixture
def make(berth: Path, image: Path) -> Iterator[Callable[..., Container]]:
    """Makes containers that are stopped at the end."""
    made: list[Container] = []

    def one(*options: str, **more) -> Container:
        made.append(Container(berth, image, *options, **more))
        return made[-1]

    yield one
    for container in made:
        container.stop()
