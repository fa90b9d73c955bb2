"""C{gateway plugin new NAME}; that what it writes works is shown by C{tests/live/test_plugin_package.py}."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gateway import __version__
from gateway.cli import plugin_new
from gateway.cli.plugin_new import LONGEST, TEMPLATES, contents, name_fault
from gateway.config.load import load
from tests.unit.cli.plugins import InstalledTestCase


class NameTests(InstalledTestCase):
    """Which names a plugin can have."""

    def test_good_names(self) -> None:
        """Letters, digits and single underscores, beginning with a letter; words of Python too."""
        for name in ("a", "block_hosts", "x2", "class", "none", "a" * LONGEST):
            self.assertEqual(name_fault(name), "", name)

    def test_bad_names(self) -> None:
        """Anything else is refused, with a name that would do where there is one."""
        for name, near in (
            ("Block-Hosts", "block_hosts"),
            ("gateway-ads", "ads"),
            ("two__lines", "two_lines"),
            ("_x_", "x"),
            ("a/../b", "a_b"),
        ):
            self.assertIn(f"{near} would do", name_fault(name), name)
        for name in ("", "3com", "ä", "-", "a" * (LONGEST + 1)):
            self.assertNotEqual(name_fault(name), "", name)

    def test_prefix(self) -> None:
        """The package has the prefix gateway_ anyway."""
        self.assertIn("say ads", name_fault("gateway_ads"))

    def test_taken(self) -> None:
        """An installed plugin, a package of that name, and a key of the table [plugins] are taken."""
        self.assertIn("of the package gateway", name_fault("upload_limit"))
        self.install("there", "")
        self.assertIn("of the package gateway-there", name_fault("there"))
        self.write("", "gateway_loose.py")
        self.assertIn("a package gateway_loose already", name_fault("loose"))
        self.assertIn("key of the table [plugins]", name_fault("enabled"))


class ContentsTests(SynchronousTestCase):
    """What is written."""

    def test_every_template_is_used(self) -> None:
        """Each file of the folder belongs to a file of the repository, and no tool takes it for what it will be."""
        folder = Path(plugin_new.__file__).parent / "template"
        self.assertEqual(
            sorted(path.name for path in folder.iterdir()),
            sorted(f"{name}.tmpl" for name in TEMPLATES.values() if name),
        )

    def test_no_blank_is_left(self) -> None:
        """Names are put in everywhere."""
        for path, text in contents("no_ads").items():
            self.assertNotIn("@@", path + text, path)
        self.assertIn("gateway_no_ads/tests/test_no_ads.py", contents("no_ads"))

    def test_package_data(self) -> None:
        """The package is found by its entry point, needs this gateway or a newer one, and is no licence's yet."""
        found = tomllib.loads(contents("no_ads")["pyproject.toml"])
        project = found["project"]
        self.assertEqual(project["name"], "gateway-no-ads")
        self.assertEqual(
            project["entry-points"]["gateway.plugins"], {"no_ads": "gateway_no_ads:plugin"}
        )
        self.assertEqual(project["dependencies"], [f"gateway>={__version__}"])
        self.assertIn("test", project["optional-dependencies"])
        self.assertNotIn("license", project)
        self.assertTrue(found["tool"]["mypy"]["strict"])

    def test_class_names(self) -> None:
        """A name that would hide a word of the template, or of Python, gets a class of another name."""
        for name, expected in (
            ("no_ads", "NoAds"),
            ("block", "BlockPlugin"),
            ("none", "NonePlugin"),
            ("exception", "ExceptionPlugin"),
            ("hosts", "HostsPlugin"),
        ):
            code = contents(name)[f"gateway_{name}/__init__.py"]
            classes = [node.name for node in ast.parse(code).body if isinstance(node, ast.ClassDef)]
            self.assertEqual(classes, [f"{expected}Settings", expected])

    def test_readme(self) -> None:
        """The README has the sections of a bundled plugin, and each setting."""
        text = contents("no_ads")["README.md"]
        for part in ("## Settings", "## When it fails", "| `hosts` | `[]` |", "| `only_note` |"):
            self.assertIn(part, text)


class NewTests(InstalledTestCase):
    """The command."""

    def test_written(self) -> None:
        """Every file is there, and the output says what to do next."""
        folder = self.folder / "blocker"
        code, out, err = self.plugin("new", "no_ads", "--folder", str(folder))
        self.assertEqual((code, err), (0, ""))
        for path, text in contents("no_ads").items():
            self.assertEqual((folder / path).read_text(), text)
        commands = [line.strip() for line in out.splitlines() if line.startswith("  ")]
        self.assertEqual(
            commands,
            [
                f"cd {folder} && python -m pip install -e '.[test]'",
                "python -m twisted.trial gateway_no_ads",
                "twistd -n gateway --config gateway.toml",
            ],
        )
        self.assertEqual(load(str(folder / "gateway.toml")).plugins.enabled[-1], "no_ads")

    def test_json(self) -> None:
        """The same for a program."""
        folder = self.folder / "blocker"
        found = self.json("new", "no_ads", "--folder", str(folder))
        self.assertTrue(found["ok"])
        self.assertEqual(sorted(found["files"]), sorted(contents("no_ads")))
        self.assertFalse(self.json("new", "no_ads", "--folder", str(folder))["ok"])

    def test_nothing_is_written_over(self) -> None:
        """A folder with anything in it is left as it is; an empty one, or a fresh repository, is used."""
        folder = self.folder / "mine"
        (folder / ".git").mkdir(parents=True)
        self.assertEqual(self.plugin("new", "no_ads", "--folder", str(folder))[0], 0)
        (folder / "README.md").write_text("mine")
        code, out, err = self.plugin("new", "other", "--folder", str(folder))
        self.assertEqual((code, out), (1, ""))
        self.assertEqual(
            err, f"{folder} is there already and not empty; name another with --folder\n"
        )
        self.assertEqual((folder / "README.md").read_text(), "mine")
        self.assertFalse((folder / "gateway_other").exists())

    def test_cannot_be_written(self) -> None:
        """A folder that cannot be made is said in one line."""
        path = self.write("a file", "file")
        for folder in (path, f"{path}/below"):
            code, out, err = self.plugin("new", "no_ads", "--folder", folder)
            self.assertEqual((code, out), (1, ""))
            self.assertIn("Not a directory", err)

    def test_bad_name(self) -> None:
        """A name that cannot be writes nothing."""
        folder = self.folder / "blocker"
        code, _, err = self.plugin("new", "No-Ads", "--folder", str(folder))
        self.assertEqual(code, 1)
        self.assertIn("no_ads would do", err)
        self.assertFalse(folder.exists())


class StyleTests(InstalledTestCase):
    """What linters say of it, whatever the length of its name."""

    def test_ruff(self) -> None:
        """The shortest and the longest name leave nothing to mend or to format."""
        for name in ("a", "b" * LONGEST, "_".join(["c" * 9] * 2)):
            folder = self.folder / name
            self.assertEqual(self.plugin("new", name, "--folder", str(folder))[0], 0)
            for command in (["check"], ["format", "--check", "--diff"]):
                done = subprocess.run(
                    [sys.executable, "-m", "ruff", *command, "--no-cache", "."],
                    cwd=folder,
                    capture_output=True,
                    text=True,
                )
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
