"""The playbook finds what it is there to find, and lets pass what is right."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.trial.unittest import SynchronousTestCase

from gateway.testing.playbook import Like, Playbook, merged


@dataclass
class Line:
    """A complete line; not hashable on purpose."""

    text: bytes


class Refused(Exception):
    """The subject's error."""

    section = "Rule 7"


class LineReader:
    """
    Gives each line as a L{Line}, all after an empty line as C{bytes}, and refuses a line "bad".

    @ivar careless: forget what was buffered when a cut falls just before a line end: the bug to be found.
    """

    def __init__(self, *, careless: bool = False) -> None:
        self.careless = careless
        self._buffer = b""
        self._raw = False

    def receive(self, data: bytes) -> list[object]:
        """Take bytes."""
        out: list[object] = []
        self._buffer += data
        while not self._raw:
            line, found, rest = self._buffer.partition(b"\n")
            if not found:
                if self.careless and data.startswith(b"\n"):
                    self._buffer = b""
                return out
            if line == b"bad":
                raise Refused
            self._buffer = rest
            if self.careless and not line and out == []:
                return out
            self._raw = not line
            out.append(Line(line) if line else b"")
        if self._buffer:
            out.append(self._buffer)
            self._buffer = b""
        return out

    def send(self, event: Line) -> bytes:
        """Give bytes."""
        return event.text + b"\n"

    def close(self) -> None:
        """Fail."""
        raise Refused

    def again(self, text: bytes) -> Line:
        """Give one event, not a list."""
        return Line(text)


class PlaybookTests(SynchronousTestCase):
    """One script, many cuts."""

    def test_right_script(self) -> None:
        """A subject that keeps its promises passes at each cut, wherever its content is cut."""
        book = (
            Playbook(LineReader())
            .receives(b"one\ntwo\n\ncon")
            .gives(Line(b"one"), Line(b"two"), b"con")
        )
        book.receives(b"tent").gives(b"tent").at_every_cut()

    def test_factory(self) -> None:
        """What makes the subject will do as well as the subject."""
        Playbook(LineReader).receives(b"one\n").gives(Line(b"one")).at_every_cut()

    def test_wrong_event(self) -> None:
        """Another event than the expected one fails in the line that expects it."""
        book = Playbook(LineReader()).receives(b"one\n")
        error = self.assertRaises(AssertionError, book.gives, Line(b"two"))
        self.assertIn("one", str(error))

    def test_unaccounted_event(self) -> None:
        """Events that the script does not name fail it."""
        book = Playbook(LineReader()).receives(b"one\n")
        self.assertRaises(AssertionError, book.at_every_cut)

    def test_bug_at_one_cut(self) -> None:
        """A subject that is wrong at a single cut is found out, and the cut is named."""
        book = Playbook(LineReader(careless=True)).receives(b"one\n\n").gives(Line(b"one"))
        error = self.assertRaises(AssertionError, book.receives(b"x").gives(b"x").at_every_cut)
        self.assertIn("cut at 4", str(error))

    def test_error(self) -> None:
        """An expected error passes with its section, whatever a cut brings out before it."""
        Playbook(LineReader()).receives(b"one\nbad\nrest").raises(
            Refused, section="Rule 7", after=[Line(b"one")]
        ).sends(Line(b"sorry"), b"sorry\n").at_every_cut()

    def test_event_before_error(self) -> None:
        """An event that only some cuts bring out before the error has to be named."""
        book = Playbook(LineReader()).receives(b"one\nbad\n").raises(Refused)
        error = self.assertRaises(AssertionError, book.at_every_cut)
        self.assertIn("before the error", str(error))
        book = Playbook(LineReader()).receives(b"one\nbad\n").raises(Refused, after=[Line(b"two")])
        self.assertRaises(AssertionError, book.at_every_cut)

    def test_content_before_error(self) -> None:
        """Part of the content is a beginning of it; other content is not."""
        book = (
            Playbook(LineReader())
            .receives(b"\nabc")
            .calls("close")
            .raises(Refused, after=[b"abcdef"])
        )
        book.at_every_cut()
        book = Playbook(LineReader()).receives(b"\nabc").calls("close")
        self.assertRaises(AssertionError, book.raises, Refused, after=[b"xyz"])

    def test_unexpected_error(self) -> None:
        """An error that nobody expects fails the next line, or the end of the script."""
        book = Playbook(LineReader()).receives(b"bad\n")
        self.assertRaises(AssertionError, book.receives, b"more")
        self.assertRaises(AssertionError, Playbook(LineReader()).receives(b"bad\n").at_every_cut)

    def test_wrong_error(self) -> None:
        """No error, one of another kind, or one that names another section fails."""
        self.assertRaises(AssertionError, Playbook(LineReader()).receives(b"x").raises, Refused)
        self.assertRaises(
            AssertionError, Playbook(LineReader()).receives(b"bad\n").raises, KeyError
        )
        self.assertRaises(
            AssertionError, Playbook(LineReader()).receives(b"bad\n").raises, Refused, "Rule 8"
        )

    def test_wrong_bytes_sent(self) -> None:
        """Other bytes than expected fail."""
        self.assertRaises(AssertionError, Playbook(LineReader()).sends, Line(b"a"), b"a\r\n")

    def test_calls(self) -> None:
        """Any method can be called, and one event counts as well as a list."""
        Playbook(LineReader()).calls("again", b"x").gives(Line(b"x")).at_every_cut()


class LikeTests(SynchronousTestCase):
    """Events by description."""

    def test_equal(self) -> None:
        """A description equals what has its attributes and is of its kind."""
        self.assertEqual(Like(Line, text=b"a"), Line(b"a"))
        self.assertEqual(Like(Line), Line(b"b"))

    def test_unequal(self) -> None:
        """Another value or another kind is unequal."""
        self.assertNotEqual(Like(Line, text=b"a"), Line(b"b"))
        self.assertNotEqual(Like(Line), b"a")

    def test_shown(self) -> None:
        """It says in a failure what was looked for."""
        self.assertEqual(repr(Like(Line, text=b"a")), "Like(Line, text=b'a')")


class MergedTests(SynchronousTestCase):
    """Content by its bytes, not by its pieces."""

    def test_merged(self) -> None:
        """Neighbouring bytes become one, empty ones vanish, other events part them."""
        self.assertEqual(merged([b"a", b"", b"b", 1, b"c", b"", 2]), [b"ab", 1, b"c", 2])
