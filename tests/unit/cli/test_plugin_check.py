"""C{gateway plugin check PATH}."""

from __future__ import annotations

import time
from pathlib import Path

from gateway.cli.plugin_check import Finding, judged
from gateway.cli.plugin_new import write
from gateway.cli.plugin_source import NoPlugin, Source, sources
from tests.unit.cli.plugins import GOOD, HEAD, InstalledTestCase


class SourceTests(InstalledTestCase):
    """Which plugin a path means."""

    def found(self, path: str) -> tuple[str, str, str, str]:
        """Give name, root, module and attribute of the only one, with the root in the test's folder."""
        (source,) = sources(self.folder / path)
        root = str(source.root.relative_to(self.folder))
        return source.name, root, source.module, source.attribute

    def test_module(self) -> None:
        """A file is a module, with the name of its plugin behind gateway_."""
        self.write("", "gateway_quiet.py")
        self.assertEqual(self.found("gateway_quiet.py"), ("quiet", ".", "gateway_quiet", "plugin"))

    def test_package(self) -> None:
        """A folder with __init__.py is a package, and so is that file; one inside another has its whole name."""
        self.write("", "outer/__init__.py")
        self.write("", "outer/__init__.py")
        inner = self.folder / "outer" / "gateway_quiet"
        inner.mkdir()
        (inner / "__init__.py").write_text("")
        expected = ("quiet", ".", "outer.gateway_quiet", "plugin")
        self.assertEqual(self.found("outer/gateway_quiet"), expected)
        self.assertEqual(self.found("outer/gateway_quiet/__init__.py"), expected)

    def test_repository(self) -> None:
        """A repository says by its entry points which plugins it has, in the folder or below src."""
        self.write(
            '[project.entry-points."gateway.plugins"]\none = "a_one:plugin"\ntwo = "two.deep:Two"',
            "pyproject.toml",
        )
        self.write("", "a_one.py")
        (self.folder / "src/two/deep").mkdir(parents=True)
        (self.folder / "src/two/deep/__init__.py").write_text("")
        self.assertEqual(
            [
                (one.name, str(one.root.relative_to(self.folder)), one.module, one.attribute)
                for one in sources(self.folder)
            ],
            [("one", ".", "a_one", "plugin"), ("two", "src", "two.deep", "Two")],
        )

    def test_no_entry_point(self) -> None:
        """A project without an entry point has a fault, for no gateway would find its plugin."""
        self.write("[project]\nname = 'x'", "pyproject.toml")
        self.write("", "gateway_quiet.py")
        (source,) = sources(self.folder)
        ((what, mend),) = source.faults
        self.assertIn("no entry point", what)
        self.assertIn('quiet = "gateway_quiet:plugin"', mend)

    def test_setup(self) -> None:
        """Of a setup.py nothing is known without running it, so there the names of packages count."""
        self.write("raise AssertionError('was run')", "setup.py")
        self.write("", "gateway_quiet.py")
        (source,) = sources(self.folder)
        self.assertEqual((source.name, source.faults), ("quiet", ()))

    def test_nothing(self) -> None:
        """What is no plugin is said, without a traceback."""
        self.write("", "notes.txt")
        for path, why in (
            ("absent", "is not there"),
            ("notes.txt", "is no module"),
            (".", "has neither an entry point"),
        ):
            error = self.assertRaises(NoPlugin, sources, self.folder / path)
            self.assertIn(why, str(error))
        for text, why in (
            ("= broken", "can't be read"),
            ('[project.entry-points]\n"gateway.plugins" = 3', "is no table"),
            (
                '[project.entry-points."gateway.plugins"]\nx = "absent:plugin"',
                "has no module absent",
            ),
        ):
            self.write(text, "pyproject.toml")
            self.assertIn(why, str(self.assertRaises(NoPlugin, sources, self.folder)))
            code, _, err = self.plugin("check", str(self.folder))
            self.assertEqual(code, 2)
            self.assertIn(why, err)


class ProcessTests(InstalledTestCase):
    """The process of its own."""

    def judged(self, code: str, seconds: float = 60.0) -> list[Finding]:
        """Judge a module called gateway_quiet."""
        path = self.write(HEAD + code, "gateway_quiet.py")
        self.write("# quiet", "README.md")
        self.write("", "pyproject.toml")
        return judged(
            Source("quiet", self.folder, "gateway_quiet", "plugin", Path(path)), {}, seconds
        )

    def test_what_it_leaves(self) -> None:
        """Nothing that it prints gets into the answer, and no thread keeps the command from its end."""
        code = (
            GOOD + "print('hello')\nimport os, threading, time\nos.write(1, b'hello')\n"
            "threading.Thread(target=time.sleep, args=(600,)).start()\n"
        )
        self.assertEqual(self.judged(code), [])

    def test_process_that_dies(self) -> None:
        """A plugin that takes the process with it is found too, with what was said last."""
        (found,) = self.judged(
            "import os, signal, sys\nsys.stderr.write('so be it')\nsys.stderr.flush()\n"
            "os.kill(os.getpid(), signal.SIGKILL)"
        )
        self.assertIn("ended by SIGKILL: so be it", found.what)
        (found,) = self.judged("import os\nos._exit(7)")
        self.assertIn("ended with status 7", found.what)

    def test_time(self) -> None:
        """One that never comes to an end is ended, with what it started."""
        began = time.monotonic()
        (found,) = self.judged("import subprocess\nsubprocess.run(['sleep', '600'])", 0.5)
        self.assertLess(time.monotonic() - began, 30.0)
        self.assertIn("not done within 0.5 s", found.what)


class CommandTests(InstalledTestCase):
    """The command as a whole."""

    def setUp(self) -> None:
        """Write a repository."""
        super().setUp()
        self.repository = self.folder / "no_ads"
        write("no_ads", self.repository)
        self.code = self.repository / "gateway_no_ads" / "__init__.py"

    def test_nothing_to_mend(self) -> None:
        """What C{gateway plugin new} writes is in order, as a repository and as a package."""
        for path in (self.repository, self.code.parent):
            self.assertEqual(
                self.plugin("check", str(path)), (0, "nothing to mend in no_ads\n", "")
            )

    def test_findings(self) -> None:
        """Each finding is a line, with its place and how to mend it; the exit code is 1."""
        self.code.write_text(self.code.read_text().replace("return None", "return False"))
        readme = self.repository / "README.md"
        readme.write_text(readme.read_text().replace("only_note", "x"))
        (self.code.parent / "py.typed").unlink()
        code, out, err = self.plugin("check", str(self.repository))
        self.assertEqual((code, err), (1, ""))
        *lines, last = out.splitlines()
        self.assertEqual(last, f"{len(lines)} to mend")
        self.assertIn("NoAds.request_headers: ", out)
        self.assertIn(f"{readme}: it says nothing of the setting only_note (", out)
        self.assertIn("(lay an empty file py.typed beside it", out)

    def test_json(self) -> None:
        """The same for a program."""
        found = self.json("check", str(self.repository))
        self.assertEqual(
            found,
            {
                "ok": True,
                "plugins": [{"name": "no_ads", "module": "gateway_no_ads"}],
                "findings": [],
            },
        )
        self.code.write_text("")
        found = self.json("check", str(self.repository))
        self.assertFalse(found["ok"])
        self.assertEqual(found["findings"][0]["plugin"], "no_ads")
        self.assertIn("names no plugin", found["findings"][0]["what"])

    def test_configuration(self) -> None:
        """Settings are taken from the configuration that is named; its faults are told as ever."""
        path = self.write("[plugins.no_ads]\nhosts = 3")
        code, out, _ = self.plugin("check", str(self.repository), "-c", path)
        self.assertEqual(code, 1)
        self.assertIn("plugins.no_ads.hosts", out)
        path = self.write("[limits]\nfields = 0")
        self.assertEqual(self.plugin("check", str(self.repository), "-c", path)[0], 2)
