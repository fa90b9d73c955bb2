"""C{gateway check}."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from io import StringIO

from gateway.cli.installed import plugin_faults
from gateway.cli.main import main
from gateway.config.load import load
from tests.unit.config.files import FilesTestCase

# Plugins are installed or not, so these files have none.
PLAIN = "[plugins]\nenabled = []\n[limits]\nupload = 0\n"


class CheckTests(FilesTestCase):
    """All faults at once, and an exit code that means something."""

    def check(self, *arguments: str) -> tuple[int, str, str]:
        """Run the command; give the exit code and both outputs."""
        out, err = StringIO(), StringIO()
        return main(["check", *arguments], out, err), out.getvalue(), err.getvalue()

    def test_no_fault(self) -> None:
        """A file without a fault ends with 0 and a summary of what would run."""
        path = self.write(PLAIN + '[[site]]\nhost = ["a", "b"]\norigins = ["http://c"]')
        code, out, err = self.check("--config", path)
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(
            out,
            f"no fault in {path}\nreverse proxy on 127.0.0.1:8000 for a, b\n"
            "health and metrics on 127.0.0.1:8081\nplugins: none\n",
        )

    def test_faults(self) -> None:
        """Faults go to the error output, one a line, with their number; the exit code is 2."""
        path = self.write(PLAIN + "fields = 0\nhaed = 1\n")
        code, out, err = self.check("-c", path)
        self.assertEqual((code, out), (2, ""))
        self.assertEqual(
            err,
            f"{path}:5: limits.fields: 0 is not in 1..10000\n"
            f'{path}:6: limits.haed: unknown key (did you mean "head"?)\n2 faults\n',
        )

    def test_faults_as_json(self) -> None:
        """The same for a program."""
        path = self.write(PLAIN + "fields = 0\n")
        code, out, err = self.check("-c", path, "--json")
        self.assertEqual((code, err), (2, ""))
        fault = {
            "file": path,
            "line": 5,
            "path": "limits.fields",
            "message": "0 is not in 1..10000",
            "mend": None,
        }
        self.assertEqual(json.loads(out), {"ok": False, "faults": [fault], "cautions": []})

    def test_cautions(self) -> None:
        """A caution is shown; it changes the exit code only when asked to."""
        path = self.write(
            PLAIN + '[forward]\nlisten = ["0.0.0.0:8080"]\nallow_from = ["0.0.0.0/0"]'
        )
        code, out, err = self.check("-c", path)
        self.assertEqual(code, 0)
        self.assertIn(f"caution: {path}:7: forward.allow_from: 0.0.0.0/0 makes an open proxy", err)
        self.assertIn("no fault", out)
        self.assertEqual(self.check("-c", path, "--strict")[0], 1)
        code, out, err = self.check("-c", path, "--json")
        found = json.loads(out)
        self.assertEqual((found["ok"], len(found["cautions"]), err), (True, 1, ""))

    def test_command_line_of_the_gateway(self) -> None:
        """The options of C{twistd gateway} are checked with the file."""
        path = self.write(PLAIN)
        self.assertEqual(self.check("-c", path, "--port", "0")[0], 2)
        code, out, _ = self.check(
            "-c", path, "--origin", "http://127.0.0.1:9000", "--port", "24101"
        )
        self.assertEqual(code, 0)
        self.assertIn("reverse proxy on 127.0.0.1:24101 for *", out)

    def test_no_such_file(self) -> None:
        """A file that is not there is a fault."""
        code, _, err = self.check("-c", str(self.folder / "absent.toml"))
        self.assertEqual(code, 2)
        self.assertIn("cannot be read: No such file or directory", err)


class PluginTests(FilesTestCase):
    """Enabled plugins are installed and take their settings."""

    def plugin_faults(self, text: str, **points: str) -> list[str]:
        """List the faults with some plugins installed, given as C{name="module:object"}."""
        found = {name: EntryPoint(name, value, "gateway.plugins") for name, value in points.items()}
        return [
            str(fault).replace(f"{self.folder}/", "")
            for fault in plugin_faults(self.load(text), found)
        ]

    def test_not_installed(self) -> None:
        """A plugin that is not installed is a fault with the nearest that is."""
        (found,) = self.plugin_faults('[plugins]\nenabled = ["uplod_limit"]', upload_limit="x:y")
        self.assertEqual(
            found,
            'gateway.toml:2: plugins.enabled[0]: no plugin "uplod_limit" is installed (did you mean "upload_limit"?)',
        )
        (found,) = self.plugin_faults('[plugins]\nenabled = ["x"]')
        self.assertIn("installed: none", found)

    def test_settings(self) -> None:
        """The settings of an enabled plugin are checked, those of another are not."""
        text = '[plugins]\nenabled = ["x"]\n[plugins.x]\nmots = 1\n[plugins.y]\nmost = "a"'
        (found,) = self.plugin_faults(text, x=f"{__name__}:Limiter", y=f"{__name__}:Limiter")
        self.assertEqual(
            found, 'gateway.toml:4: plugins.x.mots: unknown key (did you mean "most"?)'
        )

    def test_cannot_be_loaded(self) -> None:
        """A plugin whose module raises is a fault, not a traceback."""
        (found,) = self.plugin_faults('[plugins]\nenabled = ["x"]', x="no_such_module:plugin")
        self.assertIn('gateway.toml:2: plugins.enabled[0]: the plugin "x" cannot be loaded', found)

    def test_together_with_other_faults(self) -> None:
        """Faults of plugins are listed with those of the gateway."""
        path = self.write('[limits]\nfields = 0\n[plugins]\nenabled = ["no_such_plugin"]')
        out, err = StringIO(), StringIO()
        self.assertEqual(main(["check", "-c", path], out, err), 2)
        self.assertEqual(err.getvalue().splitlines()[-1], "2 faults")


@dataclass(frozen=True)
class LimiterSettings:
    """Settings of the plugin below."""

    most: int = 3


class Limiter:
    """Stands for a plugin: only its settings are looked at."""

    Settings = LimiterSettings


class DefaultTests(FilesTestCase):
    """C{gateway check} without a file."""

    def test_plain_defaults(self) -> None:
        """The defaults have no fault of their own."""
        self.assertEqual(plugin_faults(load(None, {"plugins.enabled": []})), [])
