"""Field lines: kept as received, found by name in any case, and never a way to change the framing."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.message.fields import CONNECTION_FIELDS, Fields

NAMES = st.text("abcXYZ0123-_!#$%&'*+.^`|~", min_size=1, max_size=12)
VALUES = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f")
).filter(lambda text: not any(0x7F <= ord(c) < 0x80 for c in text))


class ReadingTests(SynchronousTestCase):
    """Reading what was received."""

    def setUp(self) -> None:
        """Take lines as a parser gives them."""
        self.lines = [
            b"Host: a",
            b"accept:text/html",
            b"Accept: \t*/*;q=0.1 ",
            b"X-Empty:",
            b"X-8bit: caf\xe9",
        ]
        self.fields = Fields(self.lines)

    def test_first_value(self) -> None:
        """A name is found in any case; the value comes without the white space around it."""
        self.assertEqual(self.fields.get("host"), "a")
        self.assertEqual(self.fields.get("ACCEPT"), "text/html")
        self.assertEqual(self.fields.get("x-empty"), "")
        self.assertEqual(self.fields.get("X-8BIT"), "caf\xe9")

    def test_missing(self) -> None:
        """A name that isn't there gives the default, an empty list, or nothing."""
        self.assertIsNone(self.fields.get("cookie"))
        self.assertEqual(self.fields.get("cookie", "x"), "x")
        self.assertEqual(self.fields.get_all("cookie"), [])
        self.assertIsNone(self.fields.combined("cookie"))

    def test_several_lines(self) -> None:
        """Lines of one name come in order, one by one or as the one list they are (RFC 9110 section 5.3)."""
        self.assertEqual(self.fields.get_all("accept"), ["text/html", "*/*;q=0.1"])
        self.assertEqual(self.fields.combined("accept"), "text/html, */*;q=0.1")

    def test_what_is_given_is_nobody_s_own(self) -> None:
        """Changing a list that was given changes no field."""
        self.fields.get_all("accept").clear()
        self.assertEqual(len(self.fields.get_all("accept")), 2)

    def test_container(self) -> None:
        """Names can be asked for, lines counted, and pairs listed as received."""
        self.assertIn("HOST", self.fields)
        self.assertNotIn("cookie", self.fields)
        self.assertNotIn(b"host", self.fields)
        self.assertEqual(len(self.fields), 5)
        self.assertEqual(list(self.fields)[1], ("accept", "text/html"))
        self.assertEqual(len(Fields()), 0)

    def test_shown_without_values(self) -> None:
        """What is shown of fields holds no value, for it may be a secret."""
        shown = repr(Fields([b"Authorization: Basic c2VjcmV0"]))
        self.assertIn("Authorization", shown)
        self.assertNotIn("c2VjcmV0", shown)


class ChangingTests(SynchronousTestCase):
    """Changing fields."""

    def test_add(self) -> None:
        """A line goes to the end, and is found although the index was there already."""
        fields = Fields([b"A: 1"])
        self.assertEqual(fields.get_all("a"), ["1"])
        fields.add("a", "2")
        self.assertEqual(fields.get_all("A"), ["1", "2"])
        self.assertEqual(fields.lines, [b"A: 1", b"a: 2"])

    def test_set(self) -> None:
        """The new line takes the place of the first of its name; the others go; a new name goes to the end."""
        fields = Fields([b"A: 1", b"B: 2", b"a: 3", b"C: 4"])
        fields.set("a", "5")
        self.assertEqual(fields.lines, [b"a: 5", b"B: 2", b"C: 4"])
        fields.set("D", "6")
        self.assertEqual(fields.lines[-1], b"D: 6")
        self.assertEqual(fields.get("d"), "6")

    def test_other_lines(self) -> None:
        """Lines that are set in place of the others are what is read from then on."""
        fields = Fields([b"A: 1"])
        self.assertEqual(fields.get("a"), "1")
        fields.lines = [b"A: 2", b"B: 3"]
        self.assertEqual((fields.get("a"), fields.get("b")), ("2", "3"))

    def test_remove(self) -> None:
        """All lines of a name go; a name that isn't there is no error."""
        fields = Fields([b"A: 1", b"B: 2", b"a: 3"])
        fields.remove("A")
        fields.remove("X")
        self.assertEqual(fields.lines, [b"B: 2"])
        self.assertNotIn("a", fields)

    def test_copy(self) -> None:
        """A copy goes its own way."""
        fields = Fields([b"A: 1"])
        other = fields.copy()
        other.add("B", "2")
        self.assertEqual(fields.lines, [b"A: 1"])

    def test_fields_of_the_connection(self) -> None:
        """What decides framing or belongs to one hop can be neither added, replaced nor removed."""
        for name in CONNECTION_FIELDS:
            fields = Fields([f"{name}: x".encode()])
            for change in (fields.add, fields.set):
                self.assertRaises(ValueError, change, name.title(), "y")
            self.assertRaises(ValueError, fields.remove, name.upper())
            self.assertEqual(fields.lines, [f"{name}: x".encode()])

    def test_what_no_field_may_hold(self) -> None:
        """A bad name or value raises and changes nothing: no line can be smuggled into a value."""
        fields = Fields([b"A: 1"])
        for name in ("", "a b", "a:", "a\r", "caf\xe9", "a\n"):
            self.assertRaises(ValueError, fields.add, name, "x")
        for value in ("a\r\nB: 2", "a\n", "\x00", "\x7f", "\u0141"):
            self.assertRaises(ValueError, fields.set, "A", value)
        self.assertEqual(fields.lines, [b"A: 1"])

    @settings(deadline=None, derandomize=True)
    @given(
        st.lists(
            st.tuples(NAMES.filter(lambda name: name.lower() not in CONNECTION_FIELDS), VALUES)
        )
    )
    def test_round_trip(self, pairs: list[tuple[str, str]]) -> None:
        """What is put in comes out, but for the white space around values."""
        fields = Fields.of(pairs)
        self.assertEqual(list(fields), [(name, value.strip(" \t")) for name, value in pairs])
        for name, _ in pairs:
            wanted = [v.strip(" \t") for n, v in pairs if n.lower() == name.lower()]
            self.assertEqual(fields.get_all(name), wanted)
