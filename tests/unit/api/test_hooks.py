"""Tests of the hooks' table: complete, documented and read the same by code and page."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import gateway.api
from gateway.api.answers import Challenge
from gateway.api.content import NONE, BodyFilter, ScanJob, Side, Whole
from gateway.api.describe import hooks_page
from gateway.api.hooks import HOOKS, NOT_CALLED_YET, NoSettings, Plugin
from gateway.api.marks import IMPL_MARK, HookMark, hookimpl

ROOT = Path(__file__).parents[3]

# Name, rule and default on error, as the design has them.
TABLE = {
    "client_connected": ("first", "closed"),
    "client_hello": ("first", "closed"),
    "authenticate": ("identity", "closed"),
    "request_headers": ("first", "closed"),
    "request_filters": ("all", "closed"),
    "response_filters": ("all", "closed"),
    "cache_lookup": ("first", "open"),
    "select_upstream": ("first", "closed"),
    "upstream_connected": ("first", "closed"),
    "response_headers": ("first", "closed"),
    "content_need": ("union", "closed"),
    "scan_patterns": ("all", "open"),
    "unpack_content": ("first", "closed"),
    "scan_content": ("worst", "closed"),
    "cache_store": ("first", "open"),
    "page": ("first", "open"),
    "transaction_complete": ("all", "open"),
    "event": ("all", "open"),
    "admin_pages": ("all", "open"),
    "counters": ("all", "open"),
    "not_ready": ("all", "open"),
    "order": ("first", "open"),
}


class HookTableTests(SynchronousTestCase):
    """The specifications on L{Plugin}."""

    def test_every_hook_of_the_table(self) -> None:
        """Each hook of the design is on Plugin with its rule and its default, and no other is."""
        self.assertEqual({name: (spec.rule, spec.fail) for name, spec in HOOKS.items()}, TABLE)

    def test_documented(self) -> None:
        """Each hook says when it is called, what each answer leads to, where it runs, how long, and since when."""
        for name, spec in HOOKS.items():
            text = inspect.getdoc(vars(Plugin)[name]) or ""
            with self.subTest(hook=name):
                self.assertIn("When: ", text)
                self.assertRegex(text, r"Since 1\.\d+\.")
                self.assertRegex(text, r"[Oo]nce per|Exactly once per")
                answers = text.partition("Answers:")[2]
                for kind in spec.answers:
                    word = "None" if kind is type(None) else kind.__name__
                    self.assertRegex(answers, rf"  - [LC]\{{{word}[}}<]|which is a L\{{{word}\}}")
                expected = (
                    f"budget {spec.budget_seconds:g} s" if spec.waits else "the answer can't wait"
                )
                self.assertIn(expected, text)

    def test_annotated(self) -> None:
        """Every argument and answer of a hook has a type, and only a hook that can wait answers a Maybe."""
        for name, spec in HOOKS.items():
            signature = inspect.signature(vars(Plugin)[name])
            with self.subTest(hook=name):
                for parameter in list(signature.parameters.values())[1:]:
                    self.assertIsNot(parameter.annotation, inspect.Parameter.empty)
                self.assertEqual(str(signature.return_annotation).startswith("Maybe["), spec.waits)

    def test_base_class_has_no_opinion(self) -> None:
        """What Plugin itself answers changes nothing."""
        plugin = Plugin(NoSettings(), None)  # type: ignore[arg-type]
        empty = {"content_need": NONE, "admin_pages": (), "counters": {}, "scan_patterns": ""}
        for name in HOOKS:
            count = len(inspect.signature(getattr(plugin, name)).parameters)
            self.assertEqual(getattr(plugin, name)(*[None] * count), empty.get(name))
        self.assertIsNone(plugin.start())
        self.assertIsNone(plugin.stop())

    def test_page_is_current(self) -> None:
        """docs/hooks.md is what the source says; python -m gateway.api.describe > docs/hooks.md writes it."""
        self.assertEqual((ROOT / "docs/hooks.md").read_text(), hooks_page())

    def test_page_names_what_is_not_called(self) -> None:
        """The page says of each hook whether this version calls it."""
        sections = re.split(r"^## ", hooks_page(), flags=re.MULTILINE)
        silent = {
            part.partition("\n")[0] for part in sections if "Not called by this version" in part
        }
        self.assertEqual(silent, NOT_CALLED_YET)

    def test_page_shows_every_hook_on_the_path(self) -> None:
        """No hook is missing in the picture of a request's path."""
        path = hooks_page().partition("```text")[2].partition("```")[0]
        self.assertEqual(set(re.findall(r"[a-z_]+", path)) & set(HOOKS), set(HOOKS))


class MarkTests(SynchronousTestCase):
    """The mark of an implementation."""

    def test_mark_changes_nothing_else(self) -> None:
        """A marked function is the same function, with what was said about it beside it."""

        def function() -> None:
            """Do nothing."""

        marked = hookimpl(budget_seconds=0.5, thread="scan", fail="open")(function)
        self.assertIs(marked, function)
        self.assertEqual(getattr(marked, IMPL_MARK), HookMark(0.5, "scan", "open"))
        marked = hookimpl(stored=False)(function)
        self.assertEqual(getattr(marked, IMPL_MARK), HookMark(stored=False))

    def test_bad_budget(self) -> None:
        """A budget of nothing is refused where it is written."""
        for bad in (0, -1, float("nan")):
            self.assertRaises(ValueError, hookimpl, budget_seconds=bad)

    def test_bad_rule(self) -> None:
        """Another word than closed or open is refused where it is written."""
        self.assertRaises(ValueError, hookimpl, fail="shut")


class ValueTests(SynchronousTestCase):
    """Values of the API that do more than hold something."""

    def test_challenges_merge(self) -> None:
        """Every way of proving oneself is offered once, in the order of the plugins."""
        merged = Challenge.merged(
            [
                Challenge(("Negotiate",), "who are you?"),
                Challenge(("Basic realm=x", "Negotiate"), ""),
                Challenge(()),
            ]
        )
        self.assertEqual(merged, Challenge(("Negotiate", "Basic realm=x"), "who are you?"))

    def test_filter_passes_everything(self) -> None:
        """A filter that overrides nothing changes nothing."""
        passing = BodyFilter()
        self.assertEqual((passing.data(b"abc"), passing.end()), (b"abc", b""))

    def test_scan_job_of_bytes(self) -> None:
        """A job made of bytes has their length and digest."""
        job = ScanJob.of(b"abc", side=Side.REQUEST)
        self.assertEqual((job.size, job.path, job.side), (3, None, Side.REQUEST))
        self.assertEqual(
            job.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        )

    def test_needs(self) -> None:
        """Needing nothing and needing the whole are two things."""
        self.assertNotEqual(NONE, Whole(0))


class NamespaceTests(SynchronousTestCase):
    """What C{import gateway.api} brings."""

    def test_exports_exist(self) -> None:
        """Every exported name is there, and once."""
        self.assertEqual(len(set(gateway.api.__all__)), len(gateway.api.__all__))
        for name in gateway.api.__all__:
            self.assertTrue(hasattr(gateway.api, name), name)

    def test_imports_no_framework(self) -> None:
        """A plugin's module can be imported and its types checked without Twisted or pluggy."""
        code = (
            "import sys, gateway.api; "
            "print(*(m for m in ('twisted', 'pluggy', 'zope', 'gateway.config') if m in sys.modules))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
        )
        self.assertEqual(done.stdout.split(), [])
