"""Tests of how C{tools/cache_table.py} writes the results of the public cache tests into the documentation."""

from twisted.trial.unittest import SynchronousTestCase

from tools.cache_table import BEGIN, END, PAGE, NoMarks, replaced, table, unexplained

SCORE = {
    "kinds": {},
    "cats": {
        "stale": {"required": [4, 5], "check": [6, 6]},
        "unheard-of": {"optimal": [1, 3], "required": [2, 2]},
    },
    "fails": {
        "required": ["stale-close"],
        "optimal": [],
        "setup": ["a:dependency_fail", "b:retry"],
    },
}


class TableTests(SynchronousTestCase):
    """The table itself."""

    def setUp(self) -> None:
        """Have one."""
        self.lines = table(SCORE, "1234567 of 2026-01-01").splitlines()

    def test_categories(self) -> None:
        """Each category has a line with what passed of each kind that it has; one without a title goes by its id."""
        self.assertIn("| Serving stale | 4/5 |  | 6/6 |", self.lines)
        self.assertIn("| `unheard-of` | 2/2 | 1/3 |  |", self.lines)

    def test_sum(self) -> None:
        """The last line counts all of them."""
        self.assertIn("| **all** | 6/7 | 1/3 | 6/6 |", self.lines)

    def test_state(self) -> None:
        """The table says of which state of the suite it is."""
        self.assertIn("1234567 of 2026-01-01", self.lines[0])

    def test_failed(self) -> None:
        """Tests that failed are named, and those that were not judged with how they ended."""
        self.assertIn("Required, and failed: `stale-close`.", self.lines)
        self.assertIn("Optimal, and not reached: none.", self.lines)
        self.assertTrue(self.lines[-1].endswith("`a` (dependency_fail), `b` (retry)."))


class PageTests(SynchronousTestCase):
    """The page around it."""

    def test_between_the_marks(self) -> None:
        """What stands between the marks is replaced, and nothing else; a second time changes nothing."""
        once = replaced(f"head\n{BEGIN}\nold\n{END}\nfoot\n", "new")
        self.assertEqual(once, f"head\n{BEGIN}\n\nnew\n\n{END}\nfoot\n")
        self.assertEqual(replaced(once, "new"), once)

    def test_marks(self) -> None:
        """Without both marks, in their order and once each, nothing is written."""
        for page in ("", BEGIN, END, f"{END}{BEGIN}", f"{BEGIN}{BEGIN}{END}", f"{BEGIN}{END}{END}"):
            self.assertRaises(NoMarks, replaced, page, "new")

    def test_page_has_the_marks(self) -> None:
        """The documentation has a place for the table."""
        replaced(PAGE.read_text(), "new")

    def test_explained(self) -> None:
        """What fails and is required has to be named outside of the table."""
        page = f"`one` fails, for\n{BEGIN}`two`{END}\n`three`"
        self.assertEqual(unexplained(page, ["one", "two", "three"]), ["two"])
