"""C{gateway check}."""

from __future__ import annotations

import json
from contextlib import redirect_stderr
from io import StringIO

from gateway.cli.installed import plugin_faults
from gateway.cli.main import main
from gateway.config.load import load
from tests.unit.cli.plugins import InstalledTestCase
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


class PluginTests(InstalledTestCase):
    """Enabled plugins are installed, fit this gateway and take their settings."""

    def plugin_faults(self, text: str) -> list[str]:
        """List the faults of the plugins that a file enables."""
        return [
            str(fault).replace(f"{self.folder}/", "") for fault in plugin_faults(self.load(text))
        ]

    def test_not_installed(self) -> None:
        """A plugin that is not installed is a fault with the nearest that is."""
        (found,) = self.plugin_faults('[plugins]\nenabled = ["uplod_limit"]')
        self.assertEqual(
            found,
            'gateway.toml:2: plugins.enabled[0]: no plugin "uplod_limit" is installed (did you mean "upload_limit"?)',
        )
        (found,) = self.plugin_faults('[plugins]\nenabled = ["qqqqqq"]')
        self.assertIn("installed: ", found)

    def test_settings(self) -> None:
        """The settings of an enabled plugin are checked, those of another are not."""
        self.install("limiter", LIMITER)
        self.install("other", LIMITER.replace("limiter", "other"))
        text = '[plugins]\nenabled = ["limiter"]\n[plugins.limiter]\nmots = 1\n[plugins.other]\nmost = "a"'
        (found,) = self.plugin_faults(text)
        self.assertEqual(
            found, 'gateway.toml:4: plugins.limiter.mots: unknown key (did you mean "most"?)'
        )

    def test_cannot_be_loaded(self) -> None:
        """A plugin whose module raises is a fault, not a traceback."""
        self.install("broken", "raise RuntimeError('no licence')")
        (found,) = self.plugin_faults('[plugins]\nenabled = ["broken"]')
        self.assertIn("gateway.toml:2: plugins.enabled[0]: ", found)
        self.assertIn("RuntimeError: no licence", found)

    def test_what_the_gateway_would_refuse(self) -> None:
        """Whatever the gateway would refuse at its start is a fault here, such as a misspelt hook."""
        self.install("limiter", LIMITER.replace("def request_headers", "def request_haeders"))
        (found,) = self.plugin_faults('[plugins]\nenabled = ["limiter"]')
        self.assertIn("there is no hook request_haeders (did you mean request_headers?)", found)

    def test_cautions(self) -> None:
        """What a plugin says of its settings is shown with file and line, and counts with C{--strict}."""
        self.install("wary", WARY)
        path = self.write('[plugins]\nenabled = ["wary"]\n[plugins.wary]\nmost = 4\n')
        out, err = StringIO(), StringIO()
        self.assertEqual(main(["check", "-c", path], out, err), 0)
        told = [line for line in err.getvalue().splitlines() if "wary" in line]
        self.assertEqual(
            told, [f"caution: {path}:4: plugins.wary.most: with none decrypted 4 is much (say 3)"]
        )
        self.assertIn("no fault", out.getvalue())
        self.assertEqual(main(["check", "-c", path, "--strict"], StringIO(), StringIO()), 1)
        out = StringIO()
        self.assertEqual(main(["check", "-c", path, "--json"], out, StringIO()), 0)
        found = json.loads(out.getvalue())["cautions"]
        self.assertIn(
            {
                "file": path,
                "line": 4,
                "path": "plugins.wary.most",
                "message": "with none decrypted 4 is much",
                "mend": "say 3",
            },
            found,
        )

    def test_faults_beside_others(self) -> None:
        """What does not go with the rest of the configuration is a fault, shown without cautions."""
        self.install("wary", WARY)
        path = self.write('[plugins]\nenabled = ["wary"]\n[plugins.wary]\nmost = 5\n')
        out, err = StringIO(), StringIO()
        self.assertEqual(main(["check", "-c", path], out, err), 2)
        self.assertEqual(
            err.getvalue(), f"{path}:4: plugins.wary.most: there is no site\n1 fault\n"
        )

    def test_review_that_raises(self) -> None:
        """A plugin that can't say it is told of and is no fault."""
        self.install("wary", WARY)
        path = self.write('[plugins]\nenabled = ["wary"]\n[plugins.wary]\nmost = 6\n')
        out, err = StringIO(), StringIO()
        self.assertEqual(main(["check", "-c", path], out, err), 0)
        self.assertRegex(
            err.getvalue(),
            r"caution: \S+:2: plugins\.enabled\[0\]: \"wary\" can't say whether its settings make sense: "
            r"ZeroDivisionError: .* \(gateway_wary\.py:\d+\)",
        )

    def test_names(self) -> None:
        """A name that is none, or that stands there twice, is a fault once."""
        for names, count in (('["no-name"]', 1), ('["gone", "gone"]', 2)):
            path = self.write(f"[plugins]\nenabled = {names}")
            out, err = StringIO(), StringIO()
            self.assertEqual(main(["check", "-c", path], out, err), 2)
            self.assertEqual(len(err.getvalue().splitlines()), count + 1, err.getvalue())

    def test_nothing_is_started(self) -> None:
        """A plugin is made and not started, and what it prints stays out of the command's output."""
        self.install("limiter", LIMITER + "print('hello')\n")
        path = self.write('[plugins]\nenabled = ["limiter"]')
        out, err = StringIO(), StringIO()
        with redirect_stderr(StringIO()) as noise:
            self.assertEqual(main(["check", "-c", path, "--json"], out, err), 0)
        self.assertEqual(noise.getvalue(), "hello\n")
        self.assertTrue(json.loads(out.getvalue())["ok"])

    def test_together_with_other_faults(self) -> None:
        """Faults of plugins are listed with those of the gateway."""
        path = self.write('[limits]\nfields = 0\n[plugins]\nenabled = ["no_such_plugin"]')
        out, err = StringIO(), StringIO()
        self.assertEqual(main(["check", "-c", path], out, err), 2)
        self.assertEqual(err.getvalue().splitlines()[-1], "2 faults")


LIMITER = """
@dataclass(frozen=True)
class Settings:
    most: int = 3

class Limiter(Plugin):
    name = "limiter"
    Settings = Settings
    def start(self): raise AssertionError("started")
    @hookimpl()
    def request_headers(self, txn): return None
plugin = Limiter
"""


WARY = """
@dataclass(frozen=True)
class Settings:
    most: int = 3

class Wary(Plugin):
    name = "wary"
    Settings = Settings
    def review(self, around):
        most = self.settings.most
        if most == 4:
            yield Caution(f"with {around.decrypt} decrypted {most} is much", ("most",), "say 3")
        if most == 5 and not around.of_mode("reverse"):
            yield SettingFault("there is no site", ("most",))
        if most == 6:
            yield Caution(1 / 0)
plugin = Wary
"""


class DefaultTests(FilesTestCase):
    """C{gateway check} without a file."""

    def test_plain_defaults(self) -> None:
        """The defaults have no fault of their own."""
        self.assertEqual(plugin_faults(load(None, {"plugins.enabled": []})), [])
