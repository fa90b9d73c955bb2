"""C{gateway plugin show NAME}."""

from __future__ import annotations

from gateway.cli.installed import compiled
from gateway.config.load import load
from tests.unit.cli.plugins import InstalledTestCase

SCORED = '''
@dataclass(frozen=True, slots=True)
class Settings:
    server: Annotated[str, Help("Whom to ask.", '"scores.example.com"')]
    patience: Annotated[Duration, Help("How long to wait.")] = 2.5
    most: Annotated[int | None, SizeKind(), Help("Largest content.")] = None

class Scored(Plugin):
    """Asks for a C{score}."""
    name = "scored"
    Settings = Settings
    @hookimpl(budget_seconds=0.5)
    async def request_headers(self, txn): return None
    @hookimpl(thread="scan", fail="open")
    def scan_content(self, job): return None
    @hookimpl()
    def request_filters(self, txn): return None
    @hookimpl(fail="closed")
    def transaction_complete(self, txn): return None
plugin = Scored
'''


class ShowTests(InstalledTestCase):
    """One plugin, from its own words and the configuration."""

    def setUp(self) -> None:
        """Install the plugin."""
        super().setUp()
        self.path = self.install("scored", SCORED)

    def test_settings(self) -> None:
        """Each setting has its unit, default, meaning and example; then come those of every plugin."""
        found = self.json("show", "scored")["settings"]
        self.assertEqual(
            found[:2],
            [
                {
                    "key": "server",
                    "value": "string",
                    "default": None,
                    "text": "Whom to ask.",
                    "example": '"scores.example.com"',
                },
                {
                    "key": "patience",
                    "value": "duration",
                    "default": '"2500ms"',
                    "text": "How long to wait.",
                    "example": None,
                },
            ],
        )
        self.assertEqual(
            [setting["key"] for setting in found],
            ["server", "patience", "most", "fail", "budget"],
        )

    def test_default_that_cannot_be_written(self) -> None:
        """Where to say nothing is something else than any value, no default is shown."""
        (most,) = [one for one in self.json("show", "scored")["settings"] if one["key"] == "most"]
        self.assertIsNone(most["default"])

    def hooks(self, *arguments: str) -> dict[str, tuple[object, ...]]:
        """Give the rules of each hook."""
        return {
            hook["hook"]: (
                hook["thread"],
                hook["budget_seconds"],
                hook["budget_from"],
                hook["fail"],
                hook["fail_from"],
            )
            for hook in self.json("show", "scored", *arguments)["hooks"]
        }

    def test_rules_of_plugin_and_table(self) -> None:
        """What the plugin marks wins over the table; there is no budget where nothing waits, and no choice at the end."""
        self.assertEqual(
            self.hooks(),
            {
                "request_headers": (None, 0.5, "plugin", "closed", "table"),
                "request_filters": (None, None, None, "closed", "table"),
                "scan_content": ("scan", 600.0, "table", "open", "plugin"),
                "transaction_complete": (None, None, None, "open", "table"),
            },
        )

    def test_rules_of_configuration(self) -> None:
        """The configuration wins over both."""
        path = self.write('[plugins.scored]\nfail = "open"\nbudget = "7s"')
        self.assertEqual(
            self.hooks("-c", path),
            {
                "request_headers": (None, 7.0, "config", "open", "config"),
                "request_filters": (None, None, None, "open", "config"),
                "scan_content": ("scan", 7.0, "config", "open", "config"),
                "transaction_complete": (None, None, None, "open", "table"),
            },
        )

    def test_rules_are_those_of_the_gateway(self) -> None:
        """What is told of budgets and errors is what the loader makes of them."""
        self.install(
            "ruled",
            SCORED.replace("scored", "ruled").replace(
                "scan_content(self, job", "event(self, event"
            ),
        )
        for said in ("", 'fail = "open"\nbudget = "7s"', 'fail = "closed"'):
            path = self.write(
                f'[plugins]\nenabled = ["ruled"]\n[plugins.ruled]\nserver = "a"\n{said}'
            )
            steps = compiled(load(path)).steps
            told = self.json("show", "ruled", "-c", path)["hooks"]
            self.assertEqual(
                [(step.hook, step.fail) for step in steps],
                [(hook["hook"], hook["fail"]) for hook in told],
            )
            for step, hook in zip(steps, told, strict=True):
                if hook["budget_seconds"] is not None:
                    self.assertEqual(hook["budget_seconds"], step.budget_seconds)

    def test_text(self) -> None:
        """For people: whose it is, whether it runs, and what it says of itself."""
        code, out, _ = self.plugin("show", "scored")
        self.assertEqual(code, 0)
        for text in (
            "scored of gateway-scored 1.0, not enabled\n",
            "  Asks for a score.\n",
            "Settings, in [plugins.scored]\n  server (string), no default\n      Whom to ask.",
            "0.5 s (plugin)",
            "fails open (plugin)",
            "fails closed (table): the plugin_error page, 503",
            "README: none found\n",
        ):
            self.assertIn(text, out)
        path = self.write('[plugins]\nenabled = ["scored"]')
        self.assertIn("enabled, number 1\n", self.plugin("show", "scored", "-c", path)[1])

    def test_readme(self) -> None:
        """The README is found in the package, beside it in a repository, or by the address that the package names."""
        bundled = self.json("show", "upload_limit")["readme"]
        self.assertTrue(bundled.endswith("gateway_upload_limit/README.md"), bundled)
        noted = self.folder / "gateway_scored-1.0.dist-info" / "METADATA"
        noted.write_text(noted.read_text() + "Project-URL: Home, https://example.com/scored\n")
        self.assertEqual(self.json("show", "scored")["readme"], "https://example.com/scored")
        readme = self.write("# scored", "README.md")
        self.assertNotEqual(self.json("show", "scored")["readme"], readme)
        self.write("", "pyproject.toml")
        self.assertEqual(self.json("show", "scored")["readme"], readme)

    def test_description(self) -> None:
        """Without any of them the description in the package's metadata is named."""
        noted = self.folder / "gateway_scored-1.0.dist-info" / "METADATA"
        noted.write_text(noted.read_text() + "\n# scored\n")
        self.assertIn("description of the package", self.json("show", "scored")["readme"])

    def test_unknown(self) -> None:
        """Of a name that nothing has, the nearest is told; the exit code is 1."""
        self.assertEqual(
            self.plugin("show", "scord"),
            (1, "", 'no plugin "scord" is installed (did you mean scored?)\n'),
        )
        self.assertFalse(self.json("show", "scord")["ok"])

    def test_broken(self) -> None:
        """Of one that cannot be imported it is said why."""
        self.install("broken", "raise ValueError('bad')")
        self.assertEqual(
            self.plugin("show", "broken"),
            (1, "", '"broken" can\'t be imported: ValueError: bad\n'),
        )

    def test_two(self) -> None:
        """Of two packages with one plugin none is shown in place of the other."""
        self.install("scored", SCORED, package="gateway-other", module="gateway_other")
        code, _, err = self.plugin("show", "scored")
        self.assertEqual(code, 1)
        self.assertIn("two packages bring", err)
        self.assertIn("gateway-other", err)
