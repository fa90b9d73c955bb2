"""Heads, as the parsers make them and plugins change them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.api.messages import Request, Response
from gateway.message.fields import Fields
from gateway.wire.events import RequestHead, ResponseHead, ResponseSection, Section


class HeadTests(SynchronousTestCase):
    """Fields that are made when somebody asks for them."""

    def heads(self) -> list[RequestHead | ResponseHead]:
        """Make one head of each direction, both with one line."""
        return [
            RequestHead(b"GET", b"/", Section(1, [b"A: 1"], [])),
            ResponseHead(ResponseSection(200, b"OK", 1, [b"A: 1"])),
        ]

    def test_nobody_asks(self) -> None:
        """Without anybody who asks the lines are the very list that was received, and no fields are made."""
        for head in self.heads():
            self.assertIs(head.lines(), head.section.received)
            self.assertIsNone(head.own_fields)

    def test_made_here(self) -> None:
        """Messages that no parser made give the lines of their fields."""
        fields = Fields([b"A: 1"])
        asked = Request(b"GET", "http", "www.example.com", 80, b"/", 1, fields, 0)
        for message in (asked, Response(200, fields)):
            self.assertIs(message.lines(), fields.lines)

    def test_no_request_before(self) -> None:
        """Of a message that no parser made it is not known where it differs from another."""
        lines = [b"A: 1"]
        asked = Request(b"GET", "http", "www.example.com", 80, b"/", 1, Fields(lines), 0)
        self.assertIsNone(asked.differing(lines))

    def test_asked(self) -> None:
        """Whoever asks gets the same fields each time, with the very list that was received."""
        for head in self.heads():
            self.assertIs(head.fields, head.fields)
            self.assertIs(head.fields.lines, head.section.received)

    def test_changed(self) -> None:
        """What is changed shows in this head alone: others with the same section have what was received."""
        for head in self.heads():
            head.fields.set("A", "2")
            self.assertEqual(head.lines(), [b"A: 2"])
            self.assertEqual(head.section.received, [b"A: 1"])

    def test_put_in_place(self) -> None:
        """Fields may be put in the place of those received."""
        for head in self.heads():
            head.fields = Fields([b"B: 3"])
            self.assertEqual((head.fields.get("b"), head.lines()), ("3", [b"B: 3"]))
