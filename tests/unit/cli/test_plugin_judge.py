"""What C{gateway plugin check} finds, without the process around it."""

from __future__ import annotations

import importlib
import linecache
import sys

from gateway.cli.plugin_judge import Found, judge
from tests.unit.cli.plugins import GOOD, HEAD, InstalledTestCase


class JudgeTests(InstalledTestCase):
    """What is found."""

    def judge(self, code: str, **settings: object) -> list[Found]:
        """Judge a module called gateway_quiet."""
        self.write(HEAD + code, "gateway_quiet.py")
        self.write("# quiet", "README.md")
        self.write("", "pyproject.toml")
        sys.modules.pop("gateway_quiet", None)
        self.addCleanup(sys.modules.pop, "gateway_quiet", None)
        importlib.invalidate_caches()
        linecache.clearcache()
        return list(judge(self.folder, "gateway_quiet", "plugin", "quiet", settings))

    def only(self, code: str, **settings: object) -> Found:
        """Judge a module in which there is one thing to find."""
        found = self.judge(code, **settings)
        self.assertEqual(len(found), 1, found)
        return found[0]

    def test_good(self) -> None:
        """In a good one nothing is found."""
        self.assertEqual(self.judge(GOOD), [])

    def test_import(self) -> None:
        """A module that can't be imported: by which line of its own, and what may be missing."""
        found = self.only("import no_such_module_of_anybody")
        self.assertEqual(found[0], str(self.folder / "gateway_quiet.py") + ":5")
        self.assertIn("ModuleNotFoundError: No module named 'no_such_module_of_anybody'", found[1])
        self.assertIn("no_such_module_of_anybody", found[2])
        self.assertIn("SyntaxError", self.only("def")[1])
        self.assertIn("SystemExit: 3", self.only("raise SystemExit(3)")[1])

    def test_no_plugin(self) -> None:
        """A module that names none, or something else as one."""
        self.assertIn("names no plugin", self.only("")[1])
        self.assertIn("no class of a plugin", self.only("plugin = 5")[1])

    def test_name(self) -> None:
        """A plugin that is called otherwise than where it lies could not be enabled."""
        found = self.only(GOOD.replace('"quiet"', '"loud"'))
        self.assertIn('calls itself "loud" and is found as "quiet"', found[1])
        self.assertIn("gateway_quiet.py:", found[0])

    def test_what_the_kit_finds(self) -> None:
        """Findings of check_plugin come with their place and how to mend them."""
        first, *_ = self.judge(GOOD.replace("return None", "return True"))
        where, what, mend = first
        self.assertIn("Quiet.request_headers", where)
        self.assertIn("True, a bool", what)
        self.assertEqual(mend, "answer Allow | Block | Respond | ReadContent | None")

    def test_settings(self) -> None:
        """It is made with the settings that are given."""
        code = GOOD.replace(
            'name = "quiet"',
            'name = "quiet"\n    @dataclass(frozen=True, slots=True)\n    class Settings:\n'
            '        most: Annotated[int, Help("The most.", "3")]\n',
        )
        self.assertEqual(self.judge(code, most=3), [])
        self.assertIn("is missing", self.only(code)[1])

    def test_end_of_the_process(self) -> None:
        """A hook that tries to end the process is found by the line that does."""
        found = self.only(GOOD.replace("return None", "raise SystemExit(0)"))
        self.assertIn("SystemExit", found[1])
