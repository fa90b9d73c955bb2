"""The commands of the tutorial: its checks pass, the wheel is built and installed as the page says, and the gateway runs with its plugins."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.live.processes import Gateway, made_folder
from tests.tutorial import ROOT, commands, files, noted, written


class TutorialTests(SynchronousTestCase):
    """docs/tutorial.md, from its wheel on."""

    def run_line(self, line: str, folder: Path, **environment: str) -> str:
        """Run a command as the page shows it, and give what it printed."""
        programs = Path(sys.executable).parent
        path = f"{programs}{os.pathsep}{os.environ.get('PATH', '')}"
        done = subprocess.run(
            line,
            shell=True,
            cwd=folder,
            env={**os.environ, "PATH": path, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(done.returncode, 0, f"{line}\n{done.stdout}{done.stderr}")
        return done.stdout

    def test_ship_and_run(self) -> None:
        """What a wheel brings is enabled by the configuration shown, refuses as said, and leaves the tests at home."""
        folder = written(made_folder(self))
        site = folder / "site"
        for line in commands("wheel"):
            # Into a folder of its own, and with the setuptools that is here: nothing is fetched.
            self.run_line(
                line,
                folder,
                PIP_TARGET=str(site) if " install " in line else "",
                PIP_NO_DEPS="1",
                PIP_NO_INDEX="1",
                PIP_NO_BUILD_ISOLATION="0",
                PIP_DISABLE_PIP_VERSION_CHECK="1",
            )
        self.assertTrue((site / "gateway_house/words.py").exists())
        self.assertFalse((site / "gateway_house/tests").exists())
        (run,) = commands("run")
        self.assertEqual(run, "twistd -n gateway --config gateway.toml")
        text = files()["gateway.toml"].replace("127.0.0.1:8080", "127.0.0.1:$forward")
        text = text.replace('path = "-"', 'path = "$log"')
        gateway = Gateway(self, text, environment={"PYTHONPATH": str(site)})
        (curl,) = commands("try")
        told = self.run_line(
            f"{curl} --silent --show-error --dump-header -".replace(
                "127.0.0.1:8080", f"127.0.0.1:{gateway.forward}"
            ),
            folder,
        )
        self.assertIn("HTTP/1.1 403", told)
        self.assertIn("tracker.example.net is on the list of the house.", told)
        gateway.lines(1)
        self.assertIn('"outcome":"refused"', gateway.log.read_text())
        self.assertIn('"reason":"house"', gateway.log.read_text())


class ChecksTests(SynchronousTestCase):
    """What the page says to run before a plugin is shipped."""

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
