"""The line of each key, for every way in which TOML can write it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.config.faults import Path
from gateway.config.kind import quoted
from gateway.config.lines import line_map

TEXT = '''\
# [not.a.table]
top = "a # b"   # comment with "quotes" and [brackets]
[forward]
listen = [
  "127.0.0.1:8080",   # first
  { address = "x", tls = { certificate = "]}" } },
]
text = """
[no.table]
key = 1 \\"""
"""
literal = \'\'\'
[[no]]\'\'\'
"quoted.key" = 1979-05-27 07:32:00
dotted . inner = [[1, 2], [3]]

[[site]]
host = ["a"]
[[site.rule]]
a = 1
[[site.rule]]
b = 2
[site.health]
path = "/"
[[site]]
host = ["b"]
[[site.rule]]
c = 3
  [ deep . "er" ]  # indented
  x = true
'''


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Go through the paths of all tables, keys and elements of what tomllib gave."""
    if path:
        yield path
    items: Any = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, inner in items:
        yield from paths(inner, (*path, key))


class LineTests(SynchronousTestCase):
    """Lines are counted from 1."""

    def test_every_form(self) -> None:
        """Strings, arrays, inline tables, dotted keys and arrays of tables all have their lines."""
        lines = line_map(TEXT)
        expected: dict[Path, int] = {
            ("top",): 2,
            ("forward",): 3,
            ("forward", "listen"): 4,
            ("forward", "listen", 0): 5,
            ("forward", "listen", 1): 6,
            ("forward", "listen", 1, "address"): 6,
            ("forward", "listen", 1, "tls", "certificate"): 6,
            ("forward", "text"): 8,
            ("forward", "literal"): 12,
            ("forward", "quoted.key"): 14,
            ("forward", "dotted"): 15,
            ("forward", "dotted", "inner", 1, 0): 15,
            ("site",): 17,
            ("site", 0): 17,
            ("site", 0, "host", 0): 18,
            ("site", 0, "rule", 0, "a"): 20,
            ("site", 0, "rule", 1, "b"): 22,
            ("site", 0, "health", "path"): 24,
            ("site", 1): 25,
            ("site", 1, "rule", 0): 27,
            ("site", 1, "rule", 0, "c"): 28,
            ("deep", "er"): 29,
            ("deep", "er", "x"): 30,
        }
        self.assertEqual({path: lines.get(path) for path in expected}, expected)

    def test_same_paths_as_tomllib(self) -> None:
        """The scanner finds the tables, keys and elements that the parser finds, no more and no fewer."""
        self.assertEqual(set(line_map(TEXT)), set(paths(tomllib.loads(TEXT))))

    def test_line_ends_of_windows(self) -> None:
        """A carriage return before the line feed changes nothing."""
        self.assertEqual(line_map(TEXT.replace("\n", "\r\n")), line_map(TEXT))

    def test_empty(self) -> None:
        """A text without keys has no lines."""
        self.assertEqual(line_map("\n# nothing\n"), {})

    @settings(deadline=None)
    @given(
        st.recursive(
            st.one_of(st.integers(), st.booleans(), st.text(max_size=8)),
            lambda inner: st.one_of(
                st.lists(inner, max_size=3),
                st.dictionaries(st.text(max_size=5), inner, max_size=3),
            ),
            max_leaves=12,
        )
    )
    def test_any_inline_value(self, value: object) -> None:
        """Whatever stands in one line, nested as it may be, each part of it is found there."""
        text = f"# first\nkey = {inline(value)}\n"
        self.assertEqual(line_map(text), dict.fromkeys(paths(tomllib.loads(text)), 2))


def inline(value: Any) -> str:
    """Write a value as TOML in one line."""
    if isinstance(value, dict):
        return (
            "{" + ", ".join(f"{quoted(key)} = {inline(item)}" for key, item in value.items()) + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return quoted(value) if isinstance(value, str) else str(value)
