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


def findings(m: System, *arguments: str) -> tuple[int, list[tuple[str, str, str]]]:
    told = m.run("berth", "check", *arguments, check=False)
    return told.rc, [tuple(line.split(": ", 2)) for line in told.lines]


def test_check_tells_of_what_no_unit_comes_of(m: System) -> None:
    m.manifest("web", MANIFEST)
    assert findings(m) == (0, [])
    m.write("/usr/lib/berth/web.berth", MANIFEST)
    m.write("/run/berth/web.berth", MANIFEST)
    m.write("/etc/berth/wbe.berth.d/10-hard.conf", "[Container]\nReadOnly=yes\n")
    m.manifest("Web", MANIFEST)
    m.write("/usr/lib/berth/off.berth", MANIFEST)
    m.run("ln", "-s", "/dev/null", "/etc/berth/off.berth")
    status, told = findings(m)
    assert sorted(told) == [
        ("/etc/berth/wbe.berth.d", "warning",
         "there is no manifest that these drop-ins apply to; rename or remove the directory"),
        ("/etc/berth/web.berth", "warning", "the name differs from that of /etc/berth/Web.berth in upper and lower case only"),
        ("/run/berth/web.berth", "warning", "this file is not read: /etc/berth/web.berth has the same name and comes first"),
        ("/usr/lib/berth/off.berth", "warning", "this file is not read: /etc/berth/off.berth masks it"),
        ("/usr/lib/berth/web.berth", "warning", "this file is not read: /etc/berth/web.berth has the same name and comes first"),
    ]
    assert status == 0  # they are odd, and all that is said holds
    m.reload()
    assert m.unit("off", "LoadState") == "not-found"
    assert m.unit("Web", "LoadState") == m.unit("web", "LoadState") == "loaded"


def test_check_ends_with_what_it_found(m: System) -> None:
    m.manifest("good", MANIFEST)
    m.manifest("bad", "[Container]\nImage=base\nReadOnly=ture\n[Limits]\nMemroy=1G\n")
    bad = [("/etc/berth/bad.berth:3:10", "error", "ReadOnly= is 'ture': expected yes, no, true, false, on, off, 1 or 0"),
           ("/etc/berth/bad.berth:5:1", "error", "unknown key 'Memroy' in [Limits] (did you mean 'Memory'?)")]
    assert findings(m) == (1, bad)
    assert findings(m, "good") == (0, [])
    assert findings(m, "good", "bad") == (1, bad)
    assert findings(m, "/etc/berth/bad.berth") == (1, bad)
    missing = m.run("berth", "check", "nosuch", check=False)
    assert (missing.rc, missing.out) == (3, "") and "nosuch" in missing.err
    assert m.run("berth", "check", "--nosuch", check=False).rc == 2
    told = m.run("berth", "check", "--json", check=False)
    assert told.rc == 1
    assert told.json() == {"errors": 2, "warnings": 0, "findings": [
        {"file": path.split(":")[0], "line": int(path.split(":")[1]), "column": int(path.split(":")[2]),
         "level": level, "message": message} for path, level, message in bad]}
    assert m.run("berth", "check", "--json", "good").json() == {"errors": 0, "warnings": 0, "findings": []}


def test_diff_tells_of_what_systemd_has_of_a_manifest_that_is_gone(m: System) -> None:
    m.manifest("one", MANIFEST)
    m.reload()
    m.start("one")
    m.run("rm", "/etc/berth/one.berth")
    told = m.run("berth", "diff", check=False)
    assert told.rc == 1
    assert any(line.startswith("# one.service: ") and "systemctl daemon-reload" in line for line in told.lines)
    m.stop("one")
    m.reload()
    assert m.run("berth", "diff").out == ""
    assert m.run("berth", "diff", "one", check=False).rc == 3


def test_what_is_enabled_is_there_after_a_reboot_and_of_a_template_the_instance(m: System) -> None:
    m.manifest("job@", MANIFEST)
    assert m.run("berth", "enable", "nosuch", check=False).rc == 3
    m.run("berth", "enable", "job@5")
    m.reload()
    m.run("systemctl", "start", "multi-user.target")
    assert m.unit("job@5", "UnitFileState") == "generated"
    assert "job@5.service" in m.run("systemctl", "show", "--property=Wants", "--value", "multi-user.target").out.split()
    assert m.run("berth", "enable", "job@5").rc == 0  # once more changes nothing
    m.run("berth", "disable", "job@5")
    m.reload()
    assert "job@5.service" not in m.run("systemctl", "show", "--property=Wants", "--value", "multi-user.target").out.split()
    assert not m.run("sh", "-c", "ls -d /etc/berth/job@5*", check=False).out
