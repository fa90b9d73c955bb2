"""Statuses that plugins give to answers: none makes the client read content as its next answer."""

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
