"""Fixtures and options that all tests share.

    machine   a private systemd with Berth in it, one for a test file
    m         the same machine, made clean again after each test
    guest     the same in an emulator with its own kernel, one for a test file
    g         the same guest, made clean again after each test
    box       for tests that are to pass on both: they run once with each

A file says what images it needs by `pytestmark = pytest.mark.images("nginx")`; without
that it has `base`. One with `needs_berth = True` is skipped where --berth-build is not
given. Names of test files must differ, whatever directory they are in.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Iterator

import pytest

sys.dont_write_bytecode = True

from harness import machine as machines  # noqa: E402
from harness import qemu, roots  # noqa: E402
from harness.stage import InstallFailed, install  # noqa: E402
from harness.system import System  # noqa: E402

MARKERS = {
    "kernel": "tier 2: the helper as root on the running kernel",
    "system": "tier 3: a private systemd in namespaces",
    "whole": "tier 4: a whole machine in an emulator",
    "long": "takes minutes; runs only when asked for by -m",
    "images(*names)": "the images that the machines of this file need",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("berth")
    group.addoption("--berth-build", metavar="DIR", help="a built meson build directory; without it "
                    "machines come up without Berth, and tests that need it are skipped")
    group.addoption("--debian", metavar="SUITE", default=roots.DEFAULT_SUITE,
                    help="what Debian the machines run (%(default)s)")
    group.addoption("--must-run", action="store_true", help="a skipped test is a failed one")


def pytest_configure(config: pytest.Config) -> None:
    for name, meaning in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "long" in (config.option.markexpr or ""):
        return
    short = [item for item in items if not item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("long")])
    items[:] = short


# -- what machines are made of --


@pytest.fixture(scope="session")
def stage(pytestconfig: pytest.Config) -> Iterator[Path | None]:
    """Berth as `meson install` puts it into a root; None without --berth-build."""
    build = pytestconfig.getoption("--berth-build")
    if build is None:
        yield None
        return
    directory = Path(tempfile.mkdtemp(prefix="berth-stage."))
    try:
        try:
            install(build, directory, pytestconfig.getoption("--debian"))
        except InstallFailed as error:
            pytest.fail(str(error), pytrace=False)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def progress(pytestconfig: pytest.Config) -> roots.Progress:
    """Says something to whoever waits, past pytest's capturing."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def say(line: str) -> None:
        with capture.global_and_fixture_disabled():
            roots.say(f"\n{line}")

    return say


def _images(request: pytest.FixtureRequest) -> tuple[str, ...]:
    names = ["base"]
    for mark in request.node.iter_markers("images"):
        names += [name for name in mark.args if name not in names]
    return tuple(names)


def _need(reason: str | None) -> None:
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="module")
def machine(request: pytest.FixtureRequest, stage: Path | None,
            progress: roots.Progress) -> Iterator[machines.Machine]:
    """A private systemd for this file, as it was left by the test before."""
    _need(machines.missing())
    suite = request.config.getoption("--debian")
    images = _images(request)
    for name in ("machine", *images):  # here, where progress can be seen
        roots.get(name, suite, progress)
    with machines.Machine.boot(stage, suite, images) as booted:
        yield booted


@pytest.fixture
def m(machine: machines.Machine) -> Iterator[machines.Machine]:
    """The private systemd, clean."""
    yield machine
    machine.reset()


@pytest.fixture(scope="module")
def guest(request: pytest.FixtureRequest, stage: Path | None,
          progress: roots.Progress) -> Iterator[qemu.Guest]:
    """A whole machine for this file, as it was left by the test before."""
    _need(qemu.missing())
    with qemu.Guest.boot(stage, request.config.getoption("--debian"), _images(request),
                         progress=progress) as booted:
        yield booted


@pytest.fixture
def g(guest: qemu.Guest) -> Iterator[qemu.Guest]:
    """The whole machine, clean."""
    yield guest
    guest.reset()


@pytest.fixture(params=[pytest.param("m", marks=pytest.mark.system),
                        pytest.param("g", marks=pytest.mark.whole)])
def box(request: pytest.FixtureRequest) -> System:
    """One after the other, both."""
    return request.getfixturevalue(request.param)


@pytest.fixture(autouse=True, scope="module")
def _berth_needed(request: pytest.FixtureRequest, stage: Path | None) -> None:
    """Files that say `needs_berth = True` are skipped where there is none to test."""
    if getattr(request.module, "needs_berth", False) and stage is None:
        pytest.skip("needs Berth: give --berth-build=DIR")


# -- what a failure shows --


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    item.stash[_STARTED] = {}
    yield
    for system in _systems(item):
        item.stash[_STARTED][system.name] = system.now()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    report = (yield).get_result()
    if report.failed and call.when == "call":
        for system in _systems(item):
            try:
                journal = system.journal(since=item.stash[_STARTED].get(system.name), output="short")
            except Exception as error:  # it may be what failed; the test's own failure matters more
                journal = f"cannot be read: {error}\n{system.console()[-5000:]}"
            report.sections.append((f"journal of {system.name} during this test", journal))
    if report.skipped and not hasattr(report, "wasxfail") and item.config.getoption("--must-run"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"--must-run, but: {reason}"


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    report = (yield).get_result()
    if report.skipped and collector.config.getoption("--must-run"):
        report.outcome = "failed"
        report.longrepr = f"--must-run, but all of {collector.nodeid} is skipped: {report.longrepr}"


_STARTED = pytest.StashKey[dict[str, float]]()


def _systems(item: pytest.Item) -> list[System]:
    """The machines a test uses, each once."""
    values = getattr(item, "funcargs", {}).values()
    return list({id(value): value for value in values if isinstance(value, System)}.values())
