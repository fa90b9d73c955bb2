"""
Write how the cache fares in the public cache tests into docs/cache.md, between the two marks there.

    cache_table.py [--score FILE] SUITE [JUDGES]

SUITE is a checkout of http-tests/cache-tests in which `npm install` was run, JUDGES the folder of the judges (../shared/conformance).
All tests run against a gateway with the cache and its defaults, which takes a minute; with --score an earlier result of theirs,
cache-newest.score.json, is taken instead. What is required and fails has to be explained on the page, outside of the marks: the
status is 1 if one of those tests is not named there.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

# A program in its own folder finds the repository so.
from tools import conformance  # noqa: E402
from tools.judging import Unjudged  # noqa: E402

PAGE = ROOT / "docs/cache.md"
BEGIN = "<!-- Made by tools/cache_table.py; do not edit. -->"
END = "<!-- The end of what tools/cache_table.py made. -->"
KINDS = ("required", "optimal", "check")

# What the suite calls its categories, by their ids.
TITLES = {
    "cc-freshness": "Freshness by `Cache-Control`",
    "cc-parse": "Parsing `Cache-Control`",
    "age-parse": "Parsing `Age`",
    "expires": "Freshness by `Expires`",
    "expires-parse": "Parsing `Expires`",
    "cc-response": "Response directives",
    "stale": "Serving stale",
    "heuristic": "Heuristic freshness",
    "method": "Methods",
    "status": "Status codes",
    "cc-request": "Request directives",
    "pragma": "`Pragma`",
    "vary": "`Vary`",
    "vary-parse": "Parsing `Vary`",
    "conditional-lm": "Conditions: `Last-Modified`",
    "conditional-inm": "Conditions: `ETag`",
    "headers": "Storing fields",
    "update304": "Updates by a 304",
    "updateHEAD": "Updates by HEAD",
    "invalidation": "Invalidation",
    "partial": "Partial content",
    "auth": "Authenticated requests",
    "other": "Other",
    "cdn-cache-control": "`CDN-Cache-Control` (RFC 9213)",
    "interim": "Interim responses",
}


@dataclass(frozen=True, slots=True)
class Row:
    """
    How one category fared.

    @ivar counts: passed and all tests, by kind; a kind that it has no tests of is left out.
    """

    title: str
    counts: Mapping[str, tuple[int, int]]


class NoMarks(Exception):
    """The page has not exactly one of each mark, in their order."""


def main() -> int:
    """Do what the command line says; the result is the exit status."""
    parser = argparse.ArgumentParser(description="Write the results of the public cache tests.")
    parser.add_argument("--score", type=Path, metavar="FILE", help="an earlier result")
    parser.add_argument("suite", type=Path, help="a checkout of http-tests/cache-tests")
    parser.add_argument(
        "judges", type=Path, nargs="?", default=ROOT / "../shared/conformance", help="their folder"
    )
    asked = parser.parse_args()
    try:
        score = json.loads((asked.score or judged(asked.judges, asked.suite)).read_text())
        before = PAGE.read_text()
        after = replaced(before, table(score, revision(asked.suite)))
    except (Unjudged, NoMarks, OSError) as error:
        print(error)
        return 1
    PAGE.write_text(after)
    print(f"{'written' if after != before else 'unchanged'}: {PAGE.relative_to(ROOT)}")
    silent = unexplained(after, score["fails"]["required"])
    for test in silent:
        print(f"required, failed, and not explained on the page: {test}")
    return int(bool(silent))


def judged(judges: Path, suite: Path) -> Path:
    """
    Run the tests, and give the file with their score.

    @raise Unjudged: there is none.
    """
    home = Path(os.environ.setdefault("GW_HOME", f"{tempfile.gettempdir()}/gwtest-conformance"))
    results = home / "out/cache"
    (judge,) = (each for each in conformance.JUDGES if each.name == conformance.CACHE_NEWEST)
    conformance.run_cache(judge, judges.resolve() / "cache", results, suite)
    return results / f"{judge.name}.score.json"


def revision(suite: Path) -> str:
    """Name the state of the suite: commit and day, as far as git knows them."""
    found = subprocess.run(
        ["git", "-C", suite, "show", "-s", "--format=%h of %cs"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    return found.stdout.strip() or "without history"


def table(score: Mapping[str, Any], state: str) -> str:
    """
    Write the table.

    @param score: what C{score.mjs} wrote: C{kinds}, C{cats}, C{fails}.
    @param state: of the suite.
    """
    rows = [
        Row(
            TITLES.get(name, f"`{name}`"),
            {kind: (passed, of) for kind, (passed, of) in counts.items()},
        )
        for name, counts in score["cats"].items()
    ]
    total = {
        kind: (
            sum(row.counts.get(kind, (0, 0))[0] for row in rows),
            sum(row.counts.get(kind, (0, 0))[1] for row in rows),
        )
        for kind in KINDS
    }
    lines = [
        f"[http-tests/cache-tests](https://github.com/http-tests/cache-tests), {state}: passed of all. Checks say how a cache "
        "behaves where it may choose; none of the answers is wrong.",
        "",
        "| category | required | optimal | checks: yes |",
        "|---|---|---|---|",
        *(_line(row) for row in rows),
        _line(Row("**all**", total)),
    ]
    fails = score["fails"]
    for words, names in (
        ("Required, and failed", fails["required"]),
        ("Optimal, and not reached", fails["optimal"]),
        ("Not judged, because a test before it or its own preparation failed", fails["setup"]),
    ):
        lines += ["", f"{words}: {_listed(names)}."]
    return "\n".join(lines)


def _line(row: Row) -> str:
    cells = [
        "{}/{}".format(*row.counts[kind]) if row.counts.get(kind, (0, 0))[1] else ""
        for kind in KINDS
    ]
    return f"| {' | '.join([row.title, *cells])} |"


def _listed(names: Sequence[str]) -> str:
    # A test that was not judged comes with how it ended: "ID:retry".
    told = [name.partition(":") for name in names]
    return ", ".join(f"`{test}`" + (f" ({how})" if how else "") for test, _, how in told) or "none"


def replaced(page: str, made: str) -> str:
    """
    Put the table between the marks of a page.

    @raise NoMarks: they are not there.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in before + after:
        raise NoMarks(f"{PAGE.name} needs one line {BEGIN!r} and one line {END!r} after it")
    return f"{before}{BEGIN}\n\n{made}\n\n{END}{after}"


def unexplained(page: str, failed: Sequence[str]) -> list[str]:
    """Give the failed tests that the page does not speak of outside of the marks."""
    text = page.partition(BEGIN)[0] + page.partition(END)[2]
    return [test for test in failed if f"`{test}`" not in text]


if __name__ == "__main__":
    sys.exit(main())
