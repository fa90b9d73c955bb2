"""C{gateway plugin order}."""

from __future__ import annotations

from tests.unit.cli.plugins import InstalledTestCase

ASKED = """
class Asked(Plugin):
    name = "NAME"
    def __init__(self, settings, services):
        super().__init__(settings, services)
        services.metrics.counter("made", "Was made.").inc()
        services.every(60.0, self.start)
    def start(self): raise AssertionError("started")
    @hookimpl(fail="open")
    def request_headers(self, txn): return None
    @hookimpl(thread="directory")
    def event(self, event): return None
plugin = Asked
"""


QUITS = """
class Quits(Plugin):
    name = "quits"
    def __init__(self, settings, services): raise SystemExit(0)
plugin = Quits
"""


class OrderTests(InstalledTestCase):
    """Who is asked when."""

    def setUp(self) -> None:
        """Install two plugins of the same hooks."""
        super().setUp()
        for name in ("first", "second"):
            self.install(name, ASKED.replace("NAME", name))

    def test_order_is_the_configured_one(self) -> None:
        """For each hook they stand in the order of C{enabled}, with what holds for them; none is started."""
        for names in (["first", "second"], ["second", "first"]):
            path = self.write(
                f"[plugins]\nenabled = {names}\n[plugins.second]\nfail = 'closed'\nbudget = '9s'"
            )
            found = self.json("order", "-c", path)
            self.assertEqual((found["ok"], found["enabled"]), (True, names))
            self.assertEqual(list(found["hooks"]), ["request_headers", "event"])
            rules = {
                "first": {
                    "plugin": "first",
                    "fail": "open",
                    "budget_seconds": 5.0,
                    "thread": None,
                },
                "second": {
                    "plugin": "second",
                    "fail": "closed",
                    "budget_seconds": 9.0,
                    "thread": None,
                },
            }
            self.assertEqual(
                found["hooks"]["request_headers"],
                {"rule": "first", "asked": [rules[name] for name in names]},
            )
            told = found["hooks"]["event"]["asked"]
            self.assertEqual(
                [(one["plugin"], one["thread"]) for one in told],
                [(name, "directory") for name in names],
            )

    def test_text(self) -> None:
        """For people the places are counted."""
        path = self.write('[plugins]\nenabled = ["second", "first"]')
        code, out, _ = self.plugin("order", "-c", path)
        self.assertEqual(code, 0)
        self.assertIn("enabled: second, first\n", out)
        self.assertIn(
            "request_headers: until one has an opinion\n"
            "  1. second  fails open, budget 5 s\n"
            "  2. first  fails open, budget 5 s\n",
            out,
        )
        self.assertIn("fails open, budget 30 s, in the thread pool directory\n", out)

    def test_none(self) -> None:
        """Without a plugin there is nobody to ask."""
        path = self.write("[plugins]\nenabled = []")
        self.assertEqual(self.plugin("order", "-c", path), (0, "enabled: none\n", ""))

    def test_faults_are_those_of_the_gateway(self) -> None:
        """What would keep the gateway from starting is told, all of it, with file and line."""
        self.install("odd", ASKED.replace("NAME", "odd").replace("def event(", "def evnet("))
        path = self.write('[plugins]\nenabled = [\n"gone",\n"odd",\n]\n[plugins.odd]\nx = 1')
        code, out, err = self.plugin("order", "-c", path)
        self.assertEqual((code, out), (2, ""))
        self.assertIn(f'{path}:3: plugins.enabled[0]: no plugin "gone" is installed', err)
        self.assertIn(f"{path}:7: plugins.odd.x: unknown key", err)

    def test_plugin_that_ends_the_process(self) -> None:
        """A plugin that calls sys.exit, when it is imported or made, is a fault like any other."""
        self.install("leaves", "raise SystemExit(0)")
        self.install("quits", QUITS)
        for name, when in (("leaves", "imported"), ("quits", "made")):
            path = self.write(f'[plugins]\nenabled = ["{name}"]')
            code, _, err = self.plugin("order", "-c", path)
            self.assertEqual(code, 2)
            self.assertIn(f'"{name}" can\'t be {when}: SystemExit: 0', err)
