"""Statuses and lengths that plugins give to answers: none makes the client read content as its next answer."""

from __future__ import annotations

from gateway.api import Respond, Response, Stored, Transaction, hookimpl
from gateway.message.fields import Fields
from gateway.testing.peers import chunked, request, response
from tests.scenarios.plugins import Base, OnLookUp, OnRequest
from tests.scenarios.support import URL, ScenarioTestCase

#: What a careless client would take for an answer.
FORGED = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Forged: 1\r\n\r\n"
DATE = b"Date: Sat, 21 Nov 2026 22:34:58 GMT"
NO_FINAL = (0, -1, 99, 100, 101, 103, 199, 1000, 12345)


class Sets(Base):
    """Gives answers another status."""

    name = "sets"

    def __init__(self, status: int) -> None:
        self.status = status

    @hookimpl()
    def response_headers(self, txn: Transaction) -> None:
        """Set it."""
        assert txn.response is not None
        txn.response.status = self.status


class Declares(Base):
    """Gives answers another length."""

    name = "declares"

    def __init__(self, length: int | None) -> None:
        self.length = length

    @hookimpl()
    def response_headers(self, txn: Transaction) -> None:
        """Set it."""
        assert txn.response is not None
        txn.response.length = self.length


class LengthTests(ScenarioTestCase):
    """Through a forward proxy."""

    CONTENT = b"abc" + FORGED

    def framings(self) -> tuple[tuple[bytes, ...], ...]:
        """Give the same answer in several ways, in pieces as they come."""
        content, size = self.CONTENT, len(self.CONTENT)
        return (
            (response(content),),
            (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size, content[:5], content[5:]),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(content),),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunked(content)),
        )

    def test_content(self) -> None:
        """Whatever a plugin says of the length, the client gets the content and knows where it ends; so on the next request."""
        for length in (None, 0, 3, len(self.CONTENT), 5000, -1):
            for pieces in self.framings():
                gateway = self.forward(plugins={"declares": Declares(length)})
                origin = gateway.origin()
                client = gateway.client()
                for _ in range(2):
                    client.send(request(URL))
                    for piece in pieces:
                        origin.send(piece)
                self.assertEqual(
                    [(one.status, one.content) for one in client.responses()],
                    [(200, self.CONTENT)] * 2,
                    (length, pieces),
                )

    def test_what_is_so(self) -> None:
        """A length that can be seen to be the right one is declared."""
        gateway = self.forward(plugins={"declares": Declares(len(self.CONTENT))})
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL))
        origin.send(self.framings()[2][0])
        self.assertEqual(client.response().framing, "length")

    def test_head(self) -> None:
        """The length of content that does not follow may be any, and none is less than nothing."""
        for length, said in ((3, b"3"), (5000, b"5000"), (0, b"0"), (-1, None), (None, None)):
            gateway = self.forward(plugins={"declares": Declares(length)})
            gateway.origin(reply=b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n")
            client = gateway.client()
            for _ in range(2):
                client.send(request(URL, method=b"HEAD"))
            found = client.responses(b"HEAD", b"HEAD")
            self.assertEqual([one.get("content-length") for one in found], [said] * 2, length)


class StatusTests(ScenarioTestCase):
    """Through a forward proxy."""

    def test_of_an_answer_with_content(self) -> None:
        """An answer with content can't become one without, nor one that is no final answer: that is an error, and is in the log."""
        framed = (
            (response(FORGED, DATE), b""),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunked(FORGED)),
            # The content comes later.
            (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(FORGED), FORGED),
        )
        for status in (204, 304, *NO_FINAL):
            for head, content in framed:
                gateway = self.forward(plugins={"sets": Sets(status)})
                origin = gateway.origin()
                client = gateway.client()
                client.send(request(URL))
                origin.send(head)
                origin.send(content)
                found = client.response()
                self.assertEqual(found.status, 500, (status, head))
                self.assertNotIn(b"X-Forged", client.received)
                self.assertIn(str(status), self.assertLine(gateway, status=500)["detail"])

    def test_of_an_answer_without(self) -> None:
        """What has no content may become what has none, and the connection goes on."""
        for status in (204, 304):
            gateway = self.forward(plugins={"sets": Sets(status)})
            gateway.origin(reply=b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            client = gateway.client()
            for _ in range(2):
                client.send(request(URL))
            self.assertEqual([one.status for one in client.responses()], [status] * 2)

    def test_others(self) -> None:
        """Any other status is the plugin's to give."""
        for status in (200, 205, 299, 404, 599, 999):
            gateway = self.forward(plugins={"sets": Sets(status)})
            gateway.origin(reply=response(b"abc", DATE))
            client = gateway.client()
            for _ in range(2):
                client.send(request(URL))
            self.assertEqual(
                [(one.status, one.content) for one in client.responses()], [(status, b"abc")] * 2
            )

    def test_made_by_a_plugin(self) -> None:
        """An answer of a plugin's own that can't be one is a plain 500."""
        for status in NO_FINAL:
            gateway = self.forward(
                plugins={
                    "test": OnRequest(lambda txn, s=status: Respond(Response(s, None, FORGED)))
                }
            )
            client = gateway.client()
            client.send(request(URL))
            self.assertEqual(client.response().status, 500)
            self.assertNotIn(b"X-Forged", client.received)
            self.assertLine(gateway, status=500)

    def test_stored(self) -> None:
        """Nor is what a plugin has stored sent with such a status."""
        for status in NO_FINAL:
            stored = Stored(Response(status, Fields([DATE]), FORGED), memo={})
            gateway = self.forward(plugins={"test": OnLookUp(lambda txn, found=stored: found)})
            client = gateway.client()
            client.send(request(URL))
            self.assertEqual(client.response().status, 500)
            self.assertNotIn(b"X-Forged", client.received)
            self.assertLine(gateway, status=500)

    def test_reasons(self) -> None:
        """A reason that is no phrase becomes no line of its own, wherever it comes from."""
        reason = b"OK\r\nX-Forged: 1"

        class Says(Base):
            name = "says"

            @hookimpl()
            def response_headers(self, txn: Transaction) -> None:
                assert txn.response is not None
                txn.response.reason = reason

        made = Response(200, Fields([DATE]), b"abc", reason=reason)
        stored = (Stored(made, memo={}), Stored(made))
        plugins: tuple[dict[str, object], ...] = (
            {"says": Says()},
            {"test": OnRequest(lambda txn: Respond(made))},
            {"test": OnLookUp(lambda txn: stored[0])},
            {"test": OnLookUp(lambda txn: stored[1])},
        )
        for some in plugins:
            gateway = self.forward(plugins=some)
            gateway.origin(reply=response(b"abc", DATE))
            client = gateway.client()
            for _ in range(2):
                client.send(request(URL))
            self.assertEqual([one.content for one in client.responses()], [b"abc"] * 2)
            self.assertNotIn(b"X-Forged", client.received)
