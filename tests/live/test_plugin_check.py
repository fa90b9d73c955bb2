"""C{gateway plugin check PATH} in its process of its own, with plugins that do there whatever they like."""

from __future__ import annotations

import time
from pathlib import Path

from gateway.cli.plugin_check import Finding, judged
from gateway.cli.plugin_new import write
from gateway.cli.plugin_source import Source
from tests.unit.cli.plugins import GOOD, HEAD, InstalledTestCase


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
