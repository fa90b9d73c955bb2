"""C{gateway plugin list}."""

from __future__ import annotations

from importlib.metadata import EntryPoint

from gateway.cli.installed import installed
from tests.unit.cli.plugins import InstalledTestCase

QUIET = """
class Quiet(Plugin):
    name = "quiet"
    requires_api = (1, 0)
    @hookimpl()
    def request_headers(self, txn): return None
    @hookimpl()
    def authenticate(self, txn): return None
plugin = Quiet
"""


class ListTests(InstalledTestCase):
    """What is installed, whatever state it is in."""

    def listed(self, name: str, *arguments: str) -> dict[str, object]:
        """Give what is said of one plugin."""
        return self.only(name, self.json("list", *arguments)["plugins"])

    def only(self, name: str, rows: list[dict[str, object]]) -> dict[str, object]:
        """Give what is said of one plugin, which has to be there once."""
        (found,) = [row for row in rows if row["name"] == name]
        return found

    def test_plugin(self) -> None:
        """A plugin has its package, what it asks for, and its hooks along the path of a request."""
        self.install("quiet", QUIET, version="3.2")
        self.assertEqual(
            self.listed("quiet"),
            {
                "name": "quiet",
                "package": "gateway-quiet",
                "version": "3.2",
                "entry_point": "gateway_quiet:plugin",
                "enabled": None,
                "requires_api": "1.0",
                "hooks": ["authenticate", "request_headers"],
                "fault": None,
            },
        )

    def test_place(self) -> None:
        """Of an enabled plugin the place is told, counted from 1."""
        self.install("quiet", QUIET)
        path = self.write('[plugins]\nenabled = ["upload_limit", "quiet"]')
        self.assertEqual(self.listed("quiet", "--config", path)["enabled"], 2)
        self.assertEqual(self.listed("upload_limit", "--config", path)["enabled"], 1)

    def test_broken_packages(self) -> None:
        """A module that raises, prints, ends the process, or is none hides no other plugin."""
        self.install("quiet", QUIET)
        self.install("raises", "print('boo')\nraise RuntimeError('no licence')")
        self.install("ends", "import sys\nsys.exit(3)")
        self.install("syntax", "def")
        self.install("nothing", "")
        self.install("number", "plugin = 5")
        self.install("absent", "", module="gateway_absent", package="gateway-absent")
        (self.folder / "gateway_absent.py").unlink()
        rows = self.json("list")["plugins"]
        for name, fault in (
            ("raises", "can't be imported: RuntimeError: no licence"),
            ("ends", "can't be imported: SystemExit: 3"),
            ("syntax", "can't be imported: SyntaxError: "),
            ("nothing", "can't be imported: AttributeError: "),
            ("number", "5 is no subclass of gateway.api.Plugin"),
            ("absent", "can't be imported: ModuleNotFoundError: No module named 'gateway_absent'"),
        ):
            found = self.only(name, rows)
            self.assertIn(fault, str(found["fault"]))
            self.assertEqual((found["hooks"], found["requires_api"]), ([], None))
        self.assertIsNone(self.only("quiet", rows)["fault"])

    def test_other_name(self) -> None:
        """A plugin that is found under another name than its own has a fault: it could not be enabled."""
        self.install("loud", QUIET)
        self.assertIn('calls itself "quiet"', str(self.listed("loud")["fault"]))

    def test_table(self) -> None:
        """For people it is a table, with what is enabled and not there below it."""
        self.install("quiet", QUIET, version="3.2")
        self.install("broken", "raise ValueError('bad')")
        path = self.write('[plugins]\nenabled = ["quiet", "gone"]')
        code, out, _ = self.plugin("list", "-c", path)
        self.assertEqual(code, 0)
        lines = [" ".join(line.split()) for line in out.splitlines()]
        self.assertEqual(lines[0], "plugin enabled package api hooks")
        self.assertIn("quiet 1 gateway-quiet 3.2 1.0 authenticate, request_headers", lines)
        self.assertIn(
            "broken no gateway-broken 1.0 FAULT: can't be imported: ValueError: bad", lines
        )
        self.assertEqual(lines[-1], "gone is enabled and not installed")

    def test_faulty_configuration(self) -> None:
        """Faults of the configuration are told as every command tells them."""
        path = self.write("[limits]\nfields = 0")
        code, out, err = self.plugin("list", "-c", path)
        self.assertEqual((code, out), (2, ""))
        self.assertIn("limits.fields", err)
        self.assertFalse(self.json("list", "-c", path)["ok"])

    def test_entry_point_without_package(self) -> None:
        """An entry point that no package is known of is listed too."""
        (found,) = installed([EntryPoint("x", "no_such_module:plugin", "gateway.plugins")])
        self.assertEqual((found.package, found.version, found.distribution), ("", "", None))
