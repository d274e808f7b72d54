"""What berth diff and berth enable say and do where systemd has loaded what the generator wrote."""

from __future__ import annotations

import pytest

from harness.system import System

needs_berth = True
pytestmark = pytest.mark.system

MANIFEST = "[Container]\nImage=base\nExec=sleep 1000\n[Network]\nMode=none\n"


def test_diff_follows_a_manifest_from_its_change_to_the_restart(m: System) -> None:
    m.manifest("one", MANIFEST)
    told = m.run("berth", "diff", check=False)
    assert (told.rc, told.lines[0]) == (
        1, "# one.service: systemd has not loaded it; run: systemctl daemon-reload")
    m.reload()
    m.start("one")
    assert m.run("berth", "diff").out == ""

    m.manifest("one", MANIFEST.replace("1000", "2000"))
    told = m.run("berth", "diff", "one", check=False)
    assert told.rc == 1
    assert [line for line in told.lines if line.startswith("#")] == [
        "# one.service: the manifest was changed; run: systemctl daemon-reload",
        "# one: it runs as the manifest was when it started; run: systemctl restart"]
    assert "-1000" in told.lines and "+2000" in told.lines

    m.reload()
    told = m.run("berth", "diff", "--json", check=False)
    assert (told.rc, told.json()["reload"], [item["name"] for item in told.json()["restart"]]) == (1, [], ["one"])
    m.restart("one")
    assert m.run("berth", "diff").out == ""


def test_an_instance_runs_as_its_template_says(m: System) -> None:
    m.manifest("job@", MANIFEST.replace("1000", "100%i"))
    m.reload()
    m.start("job@5")
    assert m.run("berth", "diff").out == ""
    m.stop("job@5")


def test_what_is_enabled_is_wanted_after_a_reload(m: System) -> None:
    m.manifest("one", MANIFEST)
    m.reload()
    wants = ["systemctl", "show", "--property=Wants", "--value", "multi-user.target"]
    assert "one.service" not in m.run(*wants).out
    m.run("berth", "enable", "one")
    assert "one.service" not in m.run(*wants).out  # nothing happens behind one's back
    m.reload()
    assert "one.service" in m.run(*wants).out.split()
    assert m.run("berth", "check").out == ""
    m.run("berth", "disable", "one")
    m.reload()
    assert "one.service" not in m.run(*wants).out.split()


def test_preview_is_what_systemd_then_has(m: System) -> None:
    m.manifest("one", MANIFEST)
    told = m.run("berth", "preview", "one").out
    m.reload()
    assert told == m.run("systemctl", "cat", "one.service").out
