"""Tests of C{gateway.tap}: the options of C{twistd gateway}, and the ways from them to a service or to a fault."""

import sys
from pathlib import Path

from twisted.application.service import IService, IServiceCollection, loadApplication
from twisted.trial.unittest import SynchronousTestCase

from gateway import tap


class OptionsTests(SynchronousTestCase):
    """What the command line is read as."""

    def parse(self, *words: str) -> tap.Options:
        """Parse a command line."""
        options = tap.Options()
        options.parseOptions(list(words))
        return options

    def test_nothing_is_overridden_by_default(self) -> None:
        """Without options the file, or the defaults, say it all."""
        options = self.parse()
        self.assertIsNone(options["config"])
        self.assertEqual(options.overrides(), {})

    def test_only_named_settings_override(self) -> None:
        """A setting that was named overrides; the others do not."""
        self.assertEqual(self.parse("--port", "8000").overrides(), {"port": "8000"})
        self.assertEqual(
            self.parse("--port=8000", "--origin=http://127.0.0.1:80").overrides(),
            {"port": "8000", "origin": "http://127.0.0.1:80"},
        )

    def test_configuration_is_named_in_full(self) -> None:
        """The file is found again at a reload, after twistd has changed its folder."""
        self.assertEqual(
            self.parse("--config", "some.toml")["config"], str(Path.cwd() / "some.toml")
        )

    def test_help_has_examples(self) -> None:
        """The usage text shows each way to start, on lines of its own."""
        usage = str(tap.Options())
        for example in (
            "twistd -n gateway\n",
            "--origin http://127.0.0.1:8000\n",
            "--config gateway.toml\n",
        ):
            self.assertIn(example, usage)

    def test_version(self) -> None:
        """C{--version} tells the version of the gateway, not Twisted's, and ends."""
        written: list[str] = []
        self.patch(sys, "stdout", type("Output", (), {"write": staticmethod(written.append)}))
        ended = self.assertRaises(SystemExit, self.parse, "--version")
        self.assertEqual(ended.code, 0)
        self.assertRegex("".join(written), r"^gateway \d+\.\d+\.\d+\n$")


class MakeServiceTests(SynchronousTestCase):
    """From options to a service."""

    def test_defaults_make_a_service(self) -> None:
        """No option and no file make a service that is not yet running."""
        service = tap.makeService(tap.Options())
        self.assertTrue(IService.providedBy(service))
        self.assertFalse(service.running)

    def test_application_file(self) -> None:
        """C{gateway.tac} makes an application of the same service, from the file that lies beside it."""
        path = Path(tap.__file__).resolve().parent.parent / "gateway.tac"
        application = loadApplication(str(path), "python")
        self.assertEqual(len(list(IServiceCollection(application))), 1)

    def test_every_fault_is_told(self) -> None:
        """A start with faults ends with all of them, those of the command line too, one a line, and status 1."""
        path = Path(self.mktemp())
        path.write_text('[forward]\nlissten = ["127.0.0.1:8080"]\n[limits]\nhead = "many"\n')
        options = tap.Options()
        options.parseOptions(["--config", str(path), "--port", "http"])
        error = self.assertRaises(SystemExit, tap.makeService, options)
        lines = str(error.code).splitlines()
        self.assertEqual(len(lines), 3, lines)
        for place in (f"{path.absolute()}:2: ", f"{path.absolute()}:4: ", "--port: "):
            self.assertTrue(any(place in line for line in lines), (place, lines))
