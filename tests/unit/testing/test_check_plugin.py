"""Tests of the check of plugins: a good one has no finding, and each fault has one that says where, what and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Plugin
from gateway.testing import check_plugin
from tests.unit.testing.plugin_checks import GOOD, CheckTestCase


class ReviewTests(CheckTestCase):
    """What a plugin says of its settings."""

    def test_cautions_are_no_findings(self) -> None:
        """A plugin that warns of its settings is as good as another."""
        body = """
            class Checked(Plugin):
                name = "checked"
                def review(self, around):
                    yield Caution("always")
        """
        self.assertEqual(check_plugin(self.made(body)), [])

    def test_raises(self) -> None:
        """One that raises in some surroundings is told in which."""
        found = self.finding(
            """
            class Checked(Plugin):
                name = "checked"
                def review(self, around):
                    around.listeners[0]
                    return ()
            """
        )
        self.assertIn("Checked.review: given no listener it raises IndexError", found)

    def test_wrong_answers(self) -> None:
        """What is no caution and no fault, and keys that are none, are findings."""
        for said, text in (
            ("'odd'", "it gives 'odd', a str; give Caution and SettingFault"),
            ("Caution('odd', 'key')", "the key 'key' is no tuple; write ('key',)"),
            (
                "SettingFault('odd', ('key',))",
                "the key ('key',) begins with no setting of the plugin",
            ),
        ):
            body = f"""
                class Checked(Plugin):
                    name = "checked"
                    def review(self, around):
                        return [{said}] if around.decrypt == "rules" else []
            """
            self.assertIn(text, self.finding(body))


class GoodTests(CheckTestCase):
    """Plugins without a fault."""

    def test_no_finding(self) -> None:
        """A plugin that keeps the rules has none, with or without settings of its own."""
        plugin = self.made(GOOD)
        self.assertEqual(check_plugin(plugin), [])
        self.assertEqual(check_plugin(plugin, {"seconds": 5.0}), [])
        self.assertEqual(check_plugin(plugin, plugin.Settings(seconds=1.0)), [])

    def test_answers(self) -> None:
        """A start that needs a certain answer gets it from the author's own check."""
        plugin = self.made("""
            import json
            class Checked(Plugin):
                name = "checked"
                async def start(self):
                    answer = await self.services.http.request("GET", "http://lists.example/")
                    json.loads(answer.content)
        """)
        (found,) = check_plugin(plugin)
        self.assertIn("start: it raises JSONDecodeError", found)
        self.assertEqual(check_plugin(plugin, http={"http://lists.example/": b"{}"}), [])

    def test_bundled(self) -> None:
        """The bundled upload limit has none."""
        from gateway_upload_limit import plugin

        self.assertEqual(check_plugin(plugin), [])


class LoadingTests(CheckTestCase):
    """What the gateway would refuse at start."""

    def test_misspelt_hook(self) -> None:
        """A mark on what is no hook names the nearest one."""
        found = self.finding("""
            class Checked(Plugin):
                name = "checked"
                @hookimpl()
                def request_header(self, txn):
                    pass
        """)
        self.assertIn("there is no hook request_header; did you mean request_headers?", found)

    def test_no_mark(self) -> None:
        """A hook without a mark would never be called."""
        found = self.finding("""
            class Checked(Plugin):
                name = "checked"
                def request_headers(self, txn):
                    pass
        """)
        self.assertIn("overrides request_headers without @hookimpl()", found)

    def test_arguments(self) -> None:
        """A hook takes what it is given."""
        found = self.finding("""
            class Checked(Plugin):
                name = "checked"
                @hookimpl()
                def request_headers(self):
                    pass
        """)
        self.assertIn("request_headers must take (self, txn)", found)

    def test_version(self) -> None:
        """A version of the API that is not there is said."""
        found = self.finding(
            "class Checked(Plugin):\n    name = 'checked'\n    requires_api = (9, 0)"
        )
        self.assertIn("needs gateway.api 9.0", found)

    def test_cannot_be_made(self) -> None:
        """What raises when it is made is told to open nothing there."""
        found = self.finding("""
            class Checked(Plugin):
                name = "checked"
                def __init__(self, settings, services):
                    raise OSError("no such file")
        """)
        self.assertIn("__init__: it raises OSError: no such file; open nothing there", found)


@dataclass(frozen=True, slots=True)
class _Loose:
    """Settings for L{Bare}."""


class Bare(Plugin):
    """A plugin in a module of tests, whose own README counts for its project."""

    name = "bare"
    Settings = _Loose


class PlaceTests(SynchronousTestCase):
    """Where a plugin is found."""

    def test_class_of_a_test(self) -> None:
        """A class of a test module is looked at like any other; files of tests are not read for imports."""
        self.assertEqual([found for found in check_plugin(Bare) if "README" not in found], [])
