"""Tests of the check of what plugins declare: settings, marks, events, and their README."""

from __future__ import annotations

from gateway.testing import check_plugin
from tests.unit.testing.plugin_checks import CheckTestCase


class DeclarationTests(CheckTestCase):
    """What can be seen without running anything."""

    def test_no_plugin(self) -> None:
        """What is no plugin is refused."""
        (found,) = check_plugin(dict)  # type: ignore[arg-type]
        self.assertIn("no plugin", found)

    def test_name(self) -> None:
        """A name is small letters, digits and underscores, and no key of the table."""
        for name in ("", "Checked", "block-hosts", "9lives"):
            found = self.finding(f"class Checked(Plugin):\n    name = {name!r}")
            self.assertIn(f"Checked.name: {name!r} is no name", found)
        found = self.finding("class Checked(Plugin):\n    name = 'enabled'")
        self.assertIn("take another name", found)

    def test_place(self) -> None:
        """A finding names file, line and class."""
        found = self.finding("class Checked(Plugin):\n    name = ''")
        self.assertRegex(found, r"^\w+/gateway_checked_\d+\.py:7 Checked\.name: ")

    def test_help(self) -> None:
        """A setting without a help text is named."""
        found = self.finding("""
            @dataclass(frozen=True)
            class Settings:
                limit: int = 5
            class Checked(Plugin):
                name = "checked"
                Settings = Settings
        """)
        self.assertIn("Checked.Settings.limit: the setting has no help text", found)

    def test_required(self) -> None:
        """A setting without a default needs an example, which shows that it is meant."""
        body = """
            @dataclass(frozen=True)
            class Settings:
                limit: Annotated[int, Help("The limit."{})]
            class Checked(Plugin):
                name = "checked"
                Settings = Settings
        """
        found = self.finding(body.format(""), {"limit": 5})
        self.assertIn("limit: the setting has no default; give it one", found)
        self.assertEqual(check_plugin(self.made(body.format(', "5"')), {"limit": 5}), [])
        found = self.finding(body.format(', "5"'))
        self.assertIn("plugins.checked.limit: is missing; The limit.", found)

    def test_settings_that_change(self) -> None:
        """Settings are frozen."""
        found = self.finding("""
            @dataclass
            class Settings:
                limit: Annotated[int, Help("The limit.")] = 5
            class Checked(Plugin):
                name = "checked"
                Settings = Settings
        """)
        self.assertIn("Settings: it can be changed", found)

    def test_plain_secret(self) -> None:
        """A secret is not kept in a plain string."""
        found = self.finding("""
            @dataclass(frozen=True)
            class Settings:
                api_token: Annotated[str, Help("The token.")] = ""
            class Checked(Plugin):
                name = "checked"
                Settings = Settings
        """)
        self.assertIn("api_token: a secret in plain text", found)

    def test_key_of_the_gateway(self) -> None:
        """C{fail} and C{budget} in a plugin's table are read by the gateway and never reach the plugin."""
        found = self.finding("""
            @dataclass(frozen=True)
            class Settings:
                budget: Annotated[int, Help("How much.")] = 5
            class Checked(Plugin):
                name = "checked"
                Settings = Settings
        """)
        self.assertIn("the gateway itself reads budget", found)

    def test_imports(self) -> None:
        """What is not for plugins is named with file and line, and so is what blocks or bypasses the gateway."""
        found = check_plugin(
            self.made("""
            from gateway.config.units import size_text
            import asyncio
            class Checked(Plugin):
                name = "checked"
        """)
        )
        self.assertEqual(len(found), 2, found)
        self.assertRegex(found[0], r"\.py:8: gateway\.config\.units\.size_text is not for plugins")
        self.assertIn("it imports asyncio", found[1])

    def test_twin_of_the_gateway(self) -> None:
        """A package whose name only begins like ours is nobody's business."""
        source = "class Checked(Plugin):\n    name = 'checked'\n    import json as gateway_lists\n"
        self.assertEqual(check_plugin(self.made(source)), [])


class ReadmeTests(CheckTestCase):
    """A plugin whose package has no README."""

    readme = None

    def test_readme(self) -> None:
        """A plugin without a README is told what to write there."""
        found = self.finding("class Checked(Plugin):\n    name = 'checked'")
        self.assertIn("there is no README beside its package", found)
