#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The verbs of berth-manifest beside "check", each on directories of its own: what they print, what they change and
what they end with.

    verbs.py BERTH-MANIFEST BERTH-GENERATOR"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOL, GENERATOR = "", ""
PLAIN = "[Container]\nImage=app\n"
ENABLED = "[Install]\nWantedBy=multi-user.target\n"
DROPIN = "# Written by berth enable; berth disable removes it.\n" + ENABLED


def run(program, *arguments, **options):
    environment = {"PATH": "/usr/bin:/bin"} | {k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}
    return subprocess.run([program, *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=60,
                          check=False, **options)


class Verbs(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.root = pathlib.Path(temporary.name)
        self.etc = self.root / "etc/berth"
        self.etc.mkdir(parents=True)

    def write(self, path, text):
        path = self.root / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def tool(self, verb, *arguments, status, stdout=None, stderr=None):
        """Runs a verb below the root and compares all that comes of it."""
        done = run(TOOL, verb, f"--root={self.root}", *arguments)
        where = str(self.root)
        done.stdout, done.stderr = done.stdout.replace(where, "@"), done.stderr.replace(where, "@")
        self.assertEqual((status, done.returncode), (done.returncode, status), done.stderr)
        if stdout is not None:
            self.assertEqual(done.stdout, stdout)
        if stderr is not None:
            self.assertEqual(done.stderr, stderr)
        return done

    def generate(self):
        out = self.root / "run/systemd/generator"
        out.mkdir(parents=True, exist_ok=True)
        self.assertEqual(run(GENERATOR, f"--root={self.root}", out).returncode, 0)
        return out

    def files(self):
        return {str(path.relative_to(self.root)): path.readlink() if path.is_symlink() else path.read_bytes()
                for path in self.root.rglob("*") if path.is_symlink() or path.is_file()}


class CommandLine(Verbs):
    def test_wrong_usage_is_one_line_and_status_2(self):
        rows = [
            (["chek"], "expected a verb, not 'chek'; see berth --help\n"),
            ([], "expected a verb, not ''; see berth --help\n"),
            (["check", "--jsn"], "unknown option '--jsn', see berth check --help\n"),
            (["check", "-j"], "unknown option '-j', see berth check --help\n"),
            (["check", "--json=yes"], "--json takes no value, see berth check --help\n"),
            (["preview", "--root"], "--root needs a value: --root=DIR\n"),
            (["preview", "--root="], "--root needs a value: --root=DIR\n"),
            (["preview", "--output=x"], "unknown option '--output=x', see berth preview --help\n"),
            (["convert"], "expected FILE...|DIR, see berth convert --help\n"),
            (["enable"], "expected NAME..., see berth enable --help\n"),
            (["disable", "--output=x", "y"], "unknown option '--output=x', see berth disable --help\n"),
        ]
        for arguments, message in rows:
            done = run(TOOL, *arguments)
            self.assertEqual((done.returncode, done.stderr, done.stdout), (2, message, ""))

    def test_a_value_may_be_a_word_of_its_own(self):
        self.write("etc/berth/web.berth", PLAIN)
        done = run(TOOL, "check", "--root", self.root, "--", "web")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_every_verb_has_help(self):
        for verb in ["check", "preview", "diff", "convert", "enable", "disable"]:
            done = run(TOOL, verb, "--help")
            self.assertEqual(done.returncode, 0)
            self.assertIn(f"berth {verb} ", done.stdout)


class Preview(Verbs):
    def test_the_units_are_those_of_the_generator(self):
        self.write("etc/berth/web.berth", PLAIN + ENABLED)
        self.write("etc/berth/job@.berth", PLAIN + "[Service]\nType=oneshot\n")
        before = self.files()
        told = self.tool("preview", status=0, stderr="").stdout
        self.assertEqual(before, self.files())
        out = self.generate()
        expected = [f"# /run/systemd/generator/job@.service\n{(out / 'job@.service').read_text()}",
                    f"# /run/systemd/generator/web.service\n{(out / 'web.service').read_text()}",
                    "# /run/systemd/generator/multi-user.target.wants/web.service -> ../web.service\n"]
        self.assertEqual(told, "\n".join(expected))
        self.assertEqual(self.tool("preview", "web", status=0).stdout, "\n".join(expected[1:]))

    def test_as_json(self):
        self.write("etc/berth/web.berth", PLAIN + ENABLED)
        told = json.loads(self.tool("preview", "--json", status=0, stderr="").stdout)
        out = self.generate()
        self.assertEqual(told, [
            {"path": "/run/systemd/generator/web.service", "text": (out / "web.service").read_text()},
            {"path": "/run/systemd/generator/multi-user.target.wants/web.service", "target": "../web.service"}])

    def test_a_file_may_stand_anywhere(self):
        path = self.write("home/new.berth", PLAIN)
        told = self.tool("preview", path, status=0, stderr="").stdout
        self.assertIn("# /run/systemd/generator/new.service\n", told)
        self.assertIn('"--image=app"', told)

    def test_a_bad_manifest_has_a_unit_that_says_so_and_so_does_the_verb(self):
        self.write("etc/berth/web.berth", PLAIN + "ReadOnly=ture\n")
        told = self.tool("preview", "web", status=1, stderr="/etc/berth/web.berth:3:10: error: ReadOnly= is 'ture': "
                         "expected yes, no, true, false, on, off, 1 or 0\n").stdout
        self.assertIn("berth refuse", told)

    def test_what_makes_no_unit_is_told(self):
        (self.etc / "off.berth").symlink_to("/dev/null")
        self.write("etc/berth/dbus.berth", PLAIN)
        self.tool("preview", "nope", status=3, stdout="",
                  stderr="no manifest 'nope'; see berth check without arguments\n")
        self.tool("preview", "./nope.berth", status=3, stdout="", stderr="no manifest './nope.berth'\n")
        self.tool("preview", "off", status=0, stdout="",
                  stderr="/etc/berth/off.berth: warning: the manifest is masked and makes no unit\n")
        self.tool("preview", "dbus", status=1, stdout="", stderr="/etc/berth/dbus.berth: error: the name 'dbus' is "
                  "reserved for the system; call the file 'my-dbus.berth'\n")


class Diff(Verbs):
    def container(self, name, unit, *words, began=None):
        """A state directory as a launch leaves it, of a process that runs: ourselves."""
        stat = pathlib.Path("/proc/self/stat").read_text()
        self.write(f"proc/{os.getpid()}/stat", stat)
        began = began or stat.rpartition(")")[2].split()[19]
        directory = f"run/berth/containers/{name}"
        self.write(f"{directory}/state", f"Format=1\nUnit={unit}\nPid={os.getpid()}\nStartTime={began}\n")
        if words:
            self.write(f"{directory}/launch", "".join(f"{word}\0" for word in words))

    def test_nothing_differs_after_a_reload(self):
        self.write("etc/berth/web.berth", PLAIN + ENABLED)
        self.generate()
        self.container("web", "web.service", "/usr/bin/berth", "launch", "--name=web", "--image=app")
        self.tool("diff", status=0, stdout="", stderr="")
        self.tool("diff", "--json", status=0, stdout='{"reload":[],"restart":[]}\n', stderr="")

    def test_a_manifest_that_systemd_has_not_loaded(self):
        self.write("etc/berth/web.berth", PLAIN)
        told = self.tool("diff", status=1, stderr="").stdout.splitlines()
        self.assertEqual(told[:3], ["# web.service: systemd has not loaded it; run: systemctl daemon-reload",
                                    "--- /dev/null", "+++ /etc/berth/web.berth"])
        self.assertTrue(all(line.startswith("+") for line in told[4:]))

    def test_a_manifest_that_was_changed(self):
        self.write("etc/berth/web.berth", PLAIN)
        self.generate()
        self.write("etc/berth/web.berth", PLAIN + "[Limits]\nTasks=9\n")
        told = self.tool("diff", "web", status=1, stderr="").stdout.splitlines()
        self.assertRegex(told[3], "^@@ -[0-9]+,[0-9]+ [+][0-9]+,[0-9]+ @@$")
        self.assertEqual([line for line in told if line[0] in "#+-"], [
            "# web.service: the manifest was changed; run: systemctl daemon-reload",
            "--- /run/systemd/generator/web.service", "+++ /etc/berth/web.berth",
            '-ExecStart=:/usr/bin/berth launch "--name=web" "--image=app"',
            "+TasksMax=9", '+ExecStart=:/usr/bin/berth launch "--name=web" "--image=app" "--require-controller=pids"'])

    def test_a_unit_whose_manifest_is_gone(self):
        path = self.write("etc/berth/web.berth", PLAIN)
        out = self.generate()
        path.unlink()
        (out / "other.service").write_text("# Written by somebody-generator from /etc/x\n[Service]\n")
        told = self.tool("diff", status=1, stderr="").stdout
        self.assertTrue(told.startswith("# web.service: its manifest is gone; run: systemctl daemon-reload\n"
                                        "--- /run/systemd/generator/web.service\n+++ /dev/null\n"), told)
        self.assertNotIn("other.service", told)

    def test_a_link_that_is_missing(self):
        self.write("etc/berth/web.berth", PLAIN + ENABLED)
        (self.generate() / "multi-user.target.wants/web.service").unlink()
        self.tool("diff", status=1, stderr="", stdout="# multi-user.target.wants/web.service: systemd has not loaded it; "
                  "run: systemctl daemon-reload\n")

    def test_a_container_that_runs_with_other_words(self):
        self.write("etc/berth/web.berth", PLAIN + 'Exec=new "two\\nlines"\n')
        self.generate()
        self.container("web", "web.service", "/usr/bin/berth", "launch", "--name=web", "--image=app", "--", "old")
        self.tool("diff", "web", status=1, stderr="", stdout="""\
# web: it runs as the manifest was when it started; run: systemctl restart
--- /run/berth/containers/web/launch
+++ /etc/berth/web.berth
@@ -3,4 +3,5 @@
 --name=web
 --image=app
 --
-old
+new
+"two\\nlines"
""")
        told = json.loads(self.tool("diff", "--json", status=1).stdout)
        self.assertEqual(told["reload"], [])
        self.assertEqual([(item["name"], item["why"]) for item in told["restart"]],
                         [("web", "it runs as the manifest was when it started")])

    def test_an_instance_is_compared_with_its_template(self):
        self.write("etc/berth/job@.berth", PLAIN + "Exec=%i %% %n\n")
        self.generate()
        words = ["/usr/bin/berth", "launch", "--name=job@a", "--image=app", "--", "a", "%", "job@a.service"]
        self.container("job@a", "job@a.service", *words)
        self.tool("diff", status=0, stdout="", stderr="")
        self.container("job@a", "job@a.service", *words[:-1])
        self.assertIn("+job@a.service\n", self.tool("diff", "job@a", status=1).stdout)

    def test_a_container_whose_manifest_is_bad_gone_or_older(self):
        self.write("etc/berth/web.berth", PLAIN)
        self.generate()
        self.container("web", "web.service")
        self.tool("diff", status=1, stderr="", stdout="# web: an older Berth started it and left no command line; run: "
                  "systemctl restart\n")
        self.container("web", "web.service", "berth")
        self.write("etc/berth/web.berth", PLAIN + "x\n")
        self.generate()
        self.tool("diff", status=1, stderr="", stdout="# web: its manifest has errors, and would not start again; run: "
                  "berth check\n")
        (self.etc / "web.berth").unlink()
        (self.root / "run/systemd/generator/web.service").unlink()
        self.tool("diff", status=1, stderr="", stdout="# web: it runs, and its manifest is gone; run: systemctl stop\n")

    def test_a_state_that_is_stale_is_not_believed(self):
        self.write("etc/berth/web.berth", PLAIN)
        self.generate()
        self.container("web", "web.service", "berth", "launch", "other", began=1)
        self.container("hand", "", "berth")
        self.tool("diff", status=0, stdout="", stderr="")

    def test_a_name_without_a_manifest(self):
        self.tool("diff", "nope", status=3, stdout="", stderr="no manifest 'nope'; see berth check\n")


class Enable(Verbs):
    RELOAD = "Run systemctl daemon-reload for it to hold.\n"

    def test_enabling_and_disabling_leaves_nothing(self):
        self.write("etc/berth/web.berth", PLAIN)
        before = self.files()
        self.tool("enable", "web", status=0, stderr="", stdout="web is started with the system from now on: "
                  "@/etc/berth/web.berth.d/50-enable.conf\n" + self.RELOAD)
        self.assertEqual((self.etc / "web.berth.d/50-enable.conf").read_text(), DROPIN)
        self.assertTrue((self.generate() / "multi-user.target.wants/web.service").is_symlink())
        self.tool("check", status=0, stdout="", stderr="")
        self.tool("enable", "web", status=0, stderr="", stdout="web is enabled already\n")
        self.tool("disable", "web", status=0, stderr="",
                  stdout="web is no longer started with the system by berth enable\n" + self.RELOAD)
        self.tool("disable", "web", status=0, stderr="", stdout="web is disabled already\n")
        self.assertFalse((self.etc / "web.berth.d").exists())
        self.assertEqual(before, {name: text for name, text in self.files().items() if name.startswith("etc")})

    def test_as_json(self):
        self.write("etc/berth/web.berth", PLAIN)
        self.write("etc/berth/own.berth", PLAIN + ENABLED)

        def told(verb, *names, status=0):
            return [(entry["name"], entry["enabled"], entry["changed"])
                    for entry in json.loads(self.tool(verb, "--json", *names, status=status).stdout)]

        self.assertEqual(told("enable", "web", "own"), [("web", True, True), ("own", True, False)])
        self.assertEqual(told("enable", "web", "nope", status=3), [("web", True, False)])
        self.assertEqual(told("disable", "web"), [("web", False, True)])
        self.assertEqual(told("disable", "web", "own", status=1), [("web", False, False)])

    def test_an_install_section_of_its_own(self):
        self.write("etc/berth/web.berth", PLAIN + ENABLED)
        self.tool("enable", "web", status=0, stderr="",
                  stdout="web is enabled already, by [Install] of /etc/berth/web.berth or of its drop-ins\n")
        self.tool("disable", "web", status=1, stdout="", stderr="'web' is started by [Install] of /etc/berth/web.berth "
                  "or of its drop-ins, which berth enable did not write; remove WantedBy= and its kin there, or empty "
                  "them in @/etc/berth/web.berth.d/60-disable.conf: [Install], WantedBy=, RequiredBy=, UpheldBy=\n")
        self.write("etc/berth/web.berth.d/60-disable.conf", "[Install]\nWantedBy=\nRequiredBy=\nUpheldBy=\n")
        self.tool("disable", "web", status=0, stderr="", stdout="web is disabled already\n")

    def test_instances_of_templates(self):
        self.write("etc/berth/job@.berth", PLAIN)
        self.write("usr/lib/berth/vendor@.berth", PLAIN)
        self.tool("enable", "job@a", "vendor@b", status=0, stderr="")
        self.assertEqual(os.readlink(self.etc / "job@a.berth"), "job@.berth")
        self.assertEqual(os.readlink(self.etc / "vendor@b.berth"), "/usr/lib/berth/vendor@.berth")
        wanted = self.generate() / "multi-user.target.wants"
        self.assertEqual(sorted(path.name for path in wanted.iterdir()), ["job@a.service", "vendor@b.service"])
        self.tool("enable", "job@a", status=0, stdout="job@a is enabled already\n", stderr="")
        self.tool("disable", "job@a", "vendor@b", status=0, stderr="")
        self.assertEqual([path.name for path in self.etc.iterdir()], ["job@.berth"])
        self.tool("enable", "job@", status=2, stdout="", stderr="'job@' is a template, which is not started itself; "
                  "give an instance: job@INSTANCE\n")

    def test_what_others_wrote_is_left_alone(self):
        self.write("etc/berth/web.berth", PLAIN)
        self.write("etc/berth/web.berth.d/10-mine.conf", "[Container]\nReadOnly=yes\n")
        self.tool("enable", "web", status=0)
        self.tool("disable", "web", status=0)
        self.assertEqual([path.name for path in (self.etc / "web.berth.d").iterdir()], ["10-mine.conf"])
        self.write("etc/berth/web.berth.d/50-enable.conf", "[Install]\nWantedBy=other.target\n")
        before = self.files()
        for verb in ["enable", "disable"]:
            self.tool(verb, "web", status=1, stdout="", stderr="@/etc/berth/web.berth.d/50-enable.conf is there, and not "
                      "as berth enable writes it; edit or remove it\n")
        self.assertEqual(before, self.files())

    def test_names_that_cannot_be_enabled(self):
        (self.etc / "off.berth").symlink_to("/dev/null")
        self.write("etc/berth/web.berth", PLAIN)
        self.tool("enable", "off", status=1, stdout="",
                  stderr="'off' is masked by /etc/berth/off.berth; remove that link first\n")
        self.tool("enable", "nope", status=3, stdout="", stderr="no manifest 'nope'; see berth check\n")
        self.tool("enable", "../web", status=2, stdout="",
                  stderr="'../web' is a file; give the name of its container\n")
        self.tool("enable", "nope", "web", status=3)
        self.assertTrue((self.etc / "web.berth.d/50-enable.conf").exists())

    def test_a_manifest_of_the_vendor_is_enabled_by_the_administrator(self):
        self.write("usr/lib/berth/web.berth", PLAIN)
        self.etc.rmdir()
        self.tool("enable", "web", status=0, stderr="")
        self.assertEqual((self.etc / "web.berth.d/50-enable.conf").stat().st_mode & 0o777, 0o644)
        self.assertEqual(sorted(name for name in self.files() if name.startswith("etc")),
                         ["etc/berth/web.berth.d/50-enable.conf"])


class Convert(Verbs):
    def convert(self, *arguments):
        done = run(TOOL, "convert", *arguments, cwd=self.root)
        return done.returncode, done.stdout, done.stderr

    def test_one_manifest_goes_to_standard_output(self):
        self.write("web.container", "[Container]\nImage=quay.io/a/b\n")
        status, told, _ = self.convert("web.container")
        self.assertEqual(status, 0)
        self.assertTrue(told.startswith("# Made by berth convert from web.container.\n"), told)
        self.assertTrue(told.endswith("\n\n[Container]\nImage=b\n"), told)

    def test_two_need_a_directory(self):
        self.write("a.container", "[Container]\nImage=x\n")
        self.write("b.container", "[Container]\nImage=x\n")
        self.assertEqual(self.convert("."), (2, "", "2 manifests do not fit on standard output; say where they go: "
                                             "--output=DIR\n"))
        self.assertEqual(self.convert("--output=none", "."), (1, "", "cannot open the directory 'none' of --output: "
                                                              "No such file or directory\n"))
        (self.root / "out").mkdir()
        status, told, _ = self.convert("--output", "out", "a.container", "b.container")
        self.assertEqual((status, told), (0, "out/a.berth\nout/b.berth\n"))
        self.assertEqual(sorted(path.name for path in (self.root / "out").iterdir()), ["a.berth", "b.berth"])

    def test_nothing_is_overwritten_and_the_others_are_written(self):
        self.write("a.container", "[Container]\nImage=x\n")
        self.write("b.container", "[Container]\nImage=x\n")
        self.write("out/a.berth", "mine\n")
        status, told, said = self.convert("--output=out", "a.container", "b.container")
        self.assertEqual((status, told), (1, "out/b.berth\n"))
        self.assertIn("out/a.berth is there already; move it away, or choose another --output=DIR\n", said)
        self.assertEqual((self.root / "out/a.berth").read_text(), "mine\n")
        self.assertEqual(sorted(path.name for path in (self.root / "out").iterdir()), ["a.berth", "b.berth"])

    def test_what_is_no_file_of_quadlet(self):
        self.write("web.service", "")
        self.assertEqual(self.convert("nope.container"), (1, "", "no file 'nope.container': No such file or directory\n"))
        self.assertEqual(self.convert("web.service"), (1, "", "'web.service' is no file of Quadlet: its name ends in "
                                                       ".container, .pod, .volume or .network\n"))

    def test_a_file_that_cannot_be_read(self):
        (self.root / "web.container").symlink_to("nowhere")
        self.write("fifo.d/x", "")
        os.mkfifo(self.root / "pipe.container")
        (self.root / "off.container").symlink_to("/dev/null")
        status, told, said = self.convert("--output=.", ".")
        self.assertEqual((status, told), (1, ""))
        self.assertIn("./web.container: error: does not exist (ENOENT)\n", said)
        self.assertIn("./pipe.container: error: is no regular file; rename or remove it (EINVAL)\n", said)
        self.assertNotIn("off.container", said)

    def test_what_stands_beside_a_file_is_what_it_refers_to(self):
        self.write("web.container", "[Unit]\nAfter=db.container\n[Container]\nImage=x\nVolume=data.volume:/data\n")
        self.write("db.container", "[Container]\nImage=x\nVolume=data.volume:/data\n")
        self.write("data.volume", "[Volume]\n")
        status, told, _ = self.convert(self.root / "web.container")
        self.assertEqual(status, 0)
        self.assertIn("\n[Unit]\nAfter=db.service\n", told)
        self.assertIn("\nVolume=db:data:/data\n", told)

    def test_json_has_everything(self):
        self.write("a_b.container", "[Container]\nImage=x\nAutoUpdate=registry\n")
        self.write("x.kube", "[Kube]\nYaml=x.yml\n")
        self.write("v.volume", "[Volume]\n")
        status, told, said = self.convert("--json", ".")
        told = json.loads(told)
        self.assertEqual((status, said), (1, ""))
        self.assertEqual((told["wholly"], told["partly"], told["not"]), (1, 1, 1))
        files = {file["file"]: file for file in told["files"]}
        self.assertEqual([files[name]["carried"] for name in ("./a_b.container", "./v.volume", "./x.kube")],
                         ["partly", "wholly", "not"])
        self.assertEqual(files["./a_b.container"]["name"], "a-b")
        self.assertIsNone(files["./x.kube"]["manifest"])
        self.assertIn({"file": "./a_b.container", "line": 3, "level": "warning",
                       "message": "AutoUpdate= is not carried over: no registry is asked; import the new image and restart "
                                  "the service"}, files["./a_b.container"]["findings"])


if __name__ == "__main__":
    TOOL, GENERATOR = (os.path.abspath(program) for program in sys.argv[1:3])
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
