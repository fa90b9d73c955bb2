"""How hostile text becomes printable ASCII."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.record.escape import (
    Memo,
    json_bytes,
    json_string,
    quoted,
    quoted_text,
    url_text,
    word,
    word_text,
)
from tests.effort import examples

EVERY_BYTE = bytes(range(256))


class EscapeTests(SynchronousTestCase):
    """The four ways of writing."""

    def test_what_needs_no_escape_stays(self) -> None:
        """A URL that is one already is not touched, percent signs included."""
        self.assertEqual(url_text(b"/a%20b?c=d&e=~"), "/a%20b?c=d&e=~")
        self.assertEqual(word(b"alice@example.com"), "alice@example.com")
        self.assertEqual(quoted(b"curl/8 (x; y)"), "curl/8 (x; y)")

    def test_every_byte(self) -> None:
        """No byte but printable ASCII gets out, and no space out of a column."""
        for write in (url_text, word):
            self.assertRegex(write(EVERY_BYTE), r"\A[!#-\[\]-~]+\Z")
        self.assertRegex(quoted(EVERY_BYTE), r"\A[ -~]+\Z")
        self.assertEqual(json.loads(json_bytes(EVERY_BYTE)), EVERY_BYTE.decode("latin-1"))

    def test_word_can_be_read_back(self) -> None:
        """In a column of text the percent sign is encoded too, so nothing is ambiguous."""
        self.assertEqual(word_text("50% ü"), "50%25%20%C3%BC")
        self.assertEqual(quoted_text("ü"), r"\xc3\xbc")

    def test_nothing(self) -> None:
        """Nothing is a dash, so that columns stay where they are."""
        self.assertEqual((word(b""), word_text(""), quoted(b""), quoted_text("")), ("-",) * 4)

    @settings(derandomize=True, deadline=None, max_examples=examples(100))
    @given(st.text(st.characters(exclude_categories=["Cs"])))
    def test_json_round_trip(self, text: str) -> None:
        """A JSON string is printable ASCII and says what it was made of."""
        made = json_string(text)
        self.assertRegex(made, r"\A[ -~]*\Z")
        self.assertEqual(json.loads(made), text)


class MemoTests(SynchronousTestCase):
    """What is remembered is bounded, for peers choose it."""

    def test_made_once(self) -> None:
        """The same key is worked out once."""
        asked: list[bytes] = []
        memo: Memo[bytes, str] = Memo(lambda key: asked.append(key) or key.decode())  # type: ignore[func-returns-value]
        self.assertEqual([memo[b"a"], memo[b"a"]], ["a", "a"])
        self.assertEqual(asked, [b"a"])

    def test_count(self) -> None:
        """However many keys come, about a thousand are kept."""
        memo: Memo[bytes, str] = Memo(bytes.decode)
        for number in range(5000):
            self.assertEqual(memo[b"%d" % number], str(number))
            self.assertLessEqual(len(memo), 1024)

    def test_size(self) -> None:
        """What is long, or becomes long, is not kept."""
        memo: Memo[bytes, str] = Memo(word)
        memo[b"a" * 513]
        memo[b"\n" * 400]
        self.assertEqual(len(memo), 0)
