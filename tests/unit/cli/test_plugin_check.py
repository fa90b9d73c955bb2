"""C{gateway plugin check PATH}."""

from __future__ import annotations

from gateway.cli.plugin_source import NoPlugin, sources
from tests.unit.cli.plugins import InstalledTestCase


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
