"""
A plugin package outside the tree, from C{gateway plugin new} to a request that it refuses.

Both packages, ours and the new one, are built as wheels and installed by pip into an environment of its own, which nothing
of the checkout can be imported from. To be quick and to need no network, building uses the setuptools that is here, and
the environment takes the packages of others (Twisted, mypy, ...) from the one that runs the tests, by a path file:
that the dependencies can be downloaded is for C{tools/check-install} to see.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from functools import cache
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.live.peers import Origin, connected
from tests.live.processes import FORWARD, REPOSITORY, Gateway

NAME = "no_ads"
PACKAGE = f"gateway_{NAME}"

#: All of the tree that becomes part of a wheel.
PARTS = ("gateway", "plugins", "twisted", "setup.py", "pyproject.toml", "README.md", "LICENSE")


class Environment:
    """
    A virtual environment that is thrown away.

    @ivar folder: of everything; commands run in it.
    @ivar python: its interpreter.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="gateway-plugin-"))
        self.run(sys.executable, "-m", "venv", "--without-pip", "venv")
        self.python = str(self.folder / "venv/bin/python")
        (packages,) = (self.folder / "venv/lib").glob("python*/site-packages")
        # A plain path: path files inside it, such as that of an editable install, are not read.
        (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def run(self, *command: str, folder: str = ".") -> str:
        """
        Run a command, in a clean environment, and give its output.

        @raise AssertionError: it fails.
        """
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        done = subprocess.run(
            command,
            cwd=self.folder / folder,
            env=clean,
            capture_output=True,
            text=True,
            timeout=120,
        )
        if done.returncode:
            raise AssertionError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout

    def gateway(self, *arguments: str, folder: str = ".") -> str:
        """Run the console script that was installed."""
        return self.run(str(self.folder / "venv/bin/gateway"), *arguments, folder=folder)

    def install(self, source: str) -> None:
        """Build a wheel of a folder and install it."""
        pip = (self.python, "-m", "pip", "--disable-pip-version-check", "-q")
        wheels = f"{source}-wheel"
        build = ("--no-deps", "--no-build-isolation", "--no-index", "-w", wheels, f"./{source}")
        self.run(*pip, "wheel", *build)
        (wheel,) = (self.folder / wheels).glob("*.whl")
        # What is there already is the checkout's own metadata, in the folder of others.
        self.run(*pip, "install", "--no-deps", "--no-index", "--ignore-installed", str(wheel))


@cache
def installed() -> Environment:
    """Install ours, make a new one with it, and install that; once for all tests, as it takes its time."""
    made = Environment()
    atexit.register(shutil.rmtree, made.folder, ignore_errors=True)
    (made.folder / "source").mkdir()
    for part in PARTS:
        source, target = REPOSITORY / part, made.folder / "source" / part
        if source.is_dir():
            ignore = shutil.ignore_patterns("__pycache__", "dropin.cache")
            shutil.copytree(source, target, ignore=ignore)
        else:
            shutil.copy(source, target)
    made.install("source")
    # Whatever is imported from now on comes from the wheel.
    shutil.rmtree(made.folder / "source")
    made.gateway("plugin", "new", NAME, "--folder", "repository")
    made.install("repository")
    return made


class PackageTests(SynchronousTestCase):
    """The package, installed as anybody would."""

    def setUp(self) -> None:
        """Have it installed."""
        self.environment = installed()

    def test_what_is_installed(self) -> None:
        """Both packages are in the environment, and nothing of the checkout is imported."""
        program = f"import gateway, {PACKAGE} as made; print(gateway.__file__, made.__file__)"
        for file in self.environment.run(self.environment.python, "-c", program).split():
            self.assertTrue(file.startswith(str(self.environment.folder / "venv")), file)

    def test_it_is_listed(self) -> None:
        """The installed plugin is found by its entry point, with its package, and needs what is there."""
        rows = json.loads(self.environment.gateway("plugin", "list", "--json"))["plugins"]
        (row,) = [row for row in rows if row["name"] == NAME]
        self.assertEqual(
            (row["package"], row["enabled"], row["hooks"], row["fault"]),
            ("gateway-no-ads", None, ["request_headers"], None),
        )

    def test_readmes(self) -> None:
        """The README of a bundled plugin is in our wheel; that of the other is its package's description."""
        places = [
            json.loads(self.environment.gateway("plugin", "show", name, "--json"))["readme"]
            for name in ("upload_limit", NAME)
        ]
        self.assertTrue(Path(places[0]).is_relative_to(self.environment.folder), places)
        self.assertEqual(places[1], "the description of the package gateway-no-ads")

    def test_its_tests_pass(self) -> None:
        """The generated tests pass under trial, in the package as it is installed."""
        told = self.environment.run(self.environment.python, "-m", "twisted.trial", PACKAGE)
        self.assertRegex(told, r"PASSED \(successes=5\)")

    def test_types(self) -> None:
        """mypy finds nothing in it with its own strict settings."""
        told = self.environment.run(self.environment.python, "-m", "mypy", folder="repository")
        self.assertIn("no issues found in 3 source files", told)

    def test_it_is_checked(self) -> None:
        """C{gateway plugin check} has nothing to say of the repository."""
        told = self.environment.gateway("plugin", "check", ".", folder="repository")
        self.assertEqual(told, f"nothing to mend in {NAME}\n")

    def test_it_runs(self) -> None:
        """Under twistd it refuses a listed host, lets others by, and shows in log and metrics."""
        origin = Origin(self)
        gateway = Gateway(
            self,
            FORWARD + f'[plugins]\nenabled = ["upload_limit", "{NAME}"]\n'
            f'[plugins.{NAME}]\nhosts = ["*.ads.example.com"]\n',
            through=[self.environment.python],
        )
        client = connected(self, gateway.forward)
        client.send(
            b"GET http://www.ads.example.com/ HTTP/1.1\r\nHost: www.ads.example.com\r\n\r\n"
        )
        refused = client.answer()
        self.assertEqual(refused.status, 403)
        self.assertIn(b"www.ads.example.com is on a list.", refused.content)
        other = connected(self, gateway.forward)
        host = f"127.0.0.1:{origin.port}".encode()
        other.send(b"GET http://%s/hello HTTP/1.1\r\nHost: %s\r\n\r\n" % (host, host))
        self.assertEqual(other.answer().content, b"origin")
        told = [(line["status"], line["reason"]) for line in gateway.lines(2)]
        self.assertEqual(told[0], (403, NAME))
        self.assertEqual(told[1][0], 200)
        self.assertEqual(gateway.metric(f"gateway_plugin_{NAME}_refused_total"), 1)
