"""The tutorial works: its files are written, its tests run, its types are checked and its configuration loads."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gateway.config.load import load
from tests.tutorial import PAGE, ROOT, blocks, commands, files, noted, written


class TutorialTests(SynchronousTestCase):
    """docs/tutorial.md."""

    def run_line(self, line: str, folder: Path) -> str:
        """Run a command as the page shows it, in the folder of its files, and give what it printed."""
        path = [str(folder), str(ROOT), str(ROOT / "plugins")]
        programs = Path(sys.executable).parent
        done = subprocess.run(
            line,
            shell=True,
            cwd=folder,
            env={
                **os.environ,
                "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}",
                "PYTHONPATH": os.pathsep.join(path),
                "MYPYPATH": str(ROOT),
                "MYPY_CACHE_DIR": str(ROOT / ".mypy_cache" / "tutorial"),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(done.returncode, 0, f"{line}\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def test_every_block_is_known(self) -> None:
        """Each block is a file, or commands that some test runs; the only other one is the picture of the files."""
        shown = []
        for language, name, _ in blocks():
            if language in ("python", "toml", "markdown"):
                shown.append(name)
            elif language == "sh":
                self.assertIn(name, ("checks", "wheel", "run", "try"))
            else:
                self.assertEqual((language, name), ("text", "gateway-house/"))
        self.assertEqual(len(shown), len(set(shown)), "each file is shown once")
        (picture,) = [body for language, _, body in blocks() if language == "text"]
        self.assertEqual({Path(name).name for name in shown}, set(re.findall(r"\S+\.\w+", picture)))

    def test_checks(self) -> None:
        """Its tests pass, all that it shows, and so do types, plugins and configuration."""
        folder = written(Path(self.mktemp()).absolute())
        noted(folder)
        tests = sum(text.count("def test_") for text in files().values())
        said = {line: self.run_line(line, folder) for line in commands("checks")}
        trial, mypy, listed, judged, checked = said.values()
        self.assertIn(f"PASSED (successes={tests})", trial)
        self.assertIn("Success: no issues found", mypy)
        for name in ("house_hosts", "house_scores", "house_words"):
            self.assertIn(name, listed)
        self.assertIn("nothing to mend in house_hosts, house_scores, house_words", judged)
        self.assertIn("no fault in gateway.toml", checked)
        self.assertIn("upload_limit, house_hosts, house_scores, house_words", checked)

    def test_configuration(self) -> None:
        """Its configuration has no fault, and enables what its package brings."""
        path = Path(self.mktemp())
        path.write_text(files()["gateway.toml"])
        config = load(str(path), {}, {})
        self.assertEqual(
            config.plugins.enabled, ("upload_limit", "house_hosts", "house_scores", "house_words")
        )

    def test_words(self) -> None:
        """The page names nothing of the test kit that is not there."""
        import gateway.testing as kit

        text = PAGE.read_text()
        for name in re.findall(r"`gw\.(\w+)", text):
            self.assertTrue(hasattr(kit.FakeGateway, name) or name in ("origin", "http", "clock"))
        for name in re.findall(r"from gateway\.testing import (.+)", text):
            for each in name.split(", "):
                self.assertIn(each, kit.__all__)
