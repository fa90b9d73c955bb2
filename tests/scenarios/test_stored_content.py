"""Copies of responses go to plugins that store them: whole, or told to be broken off."""

from __future__ import annotations

from gateway.api import Block, Response, Stored
from gateway.testing.peers import chunked, request, response
from tests.scenarios.plugins import (
    Base,
    Doubled,
    OnLookUp,
    OnRequest,
    OnResponseContent,
    RefusesWord,
)
from tests.scenarios.scanners import BAD, MIB, ContentTestCase, Copies, Scanner
from tests.scenarios.support import URL


class StoreTests(ContentTestCase):
    """Copies of responses."""

    def test_copy(self) -> None:
        """A sink gets what the client gets, after all filters, and its end once, however the answer comes."""
        for doubled in (False, True):
            for pieces in (
                [response(b"abcd")],
                [response(b"abcd")[:-2], b"cd"],
                [
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                    chunked(b"ab", b"cd", trailers=[b"X-A: 1"]),
                ],
                [response(b"")],
            ):
                store = Copies()
                more: dict[str, Base] = (
                    {"doubles": OnResponseContent(lambda txn: Doubled())} if doubled else {}
                )
                gateway, origin, client = self.started(store, more)
                client.send(request(URL))
                for piece in pieces:
                    origin.send(piece)
                self.assertEqual(store.content, client.response().content)
                self.assertEqual(store.ends, ["finish"])

    def test_behind_a_hold(self) -> None:
        """Held content is stored when it was found clean, and not at all if it was not."""
        for content, ends in ((bytes(3 * MIB), ["finish"]), (BAD, [])):
            store = Copies()
            gateway, origin, client = self.started(store, {"scanner": Scanner()})
            client.send(request(URL))
            origin.send(response(content))
            gateway.settle()
            self.assertEqual(store.ends, ends)
            self.assertEqual(store.content, content if ends else b"")

    def test_broken_off(self) -> None:
        """A copy is aborted, once, when the origin or the client goes away in the middle."""
        for who in ("origin", "client"):
            store = Copies()
            gateway, origin, client = self.started(store)
            client.send(request(URL))
            origin.send(response(b"abcd")[:-1])
            (origin.connection if who == "origin" else client).reset()
            gateway.settle()
            self.assertEqual(store.told, [b"abc", "abort"])

    def test_filter_that_refuses(self) -> None:
        """A copy is aborted when a filter cuts the answer off."""
        store = Copies()
        gateway, origin, client = self.started(
            store, {"refuses": OnResponseContent(lambda txn: RefusesWord(b"bad"))}
        )
        client.send(request(URL))
        origin.send(response(b"good or bad")[:-3])
        origin.send(b"bad")
        self.assertEqual((store.content, store.ends), (b"good or ", ["abort"]))

    def test_sink_that_fails(self) -> None:
        """A sink that raises is dropped; the client does not notice."""
        for broken, told in (
            ("write", [b"ab", "abort"]),
            ("finish", [b"ab", b"cd", "finish", "abort"]),
        ):
            store = Copies(broken)
            gateway, origin, client = self.started(store)
            client.send(request(URL))
            origin.send(response(b"abcd")[:-2])
            origin.send(b"cd")
            self.assertEqual(client.response().content, b"abcd")
            self.assertEqual(store.told, told)
            self.assertLine(gateway, outcome="delivered")
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_not_asked(self) -> None:
        """Nobody is asked to store what is no content of its own, what is stored, and our own words."""
        for method, answer in (
            (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
            (b"GET", b"HTTP/1.1 304 Not Modified\r\n\r\n"),
        ):
            store = Copies()
            gateway, origin, client = self.started(store)
            client.send(request(URL, method=method))
            origin.send(answer)
            self.assertEqual((store.asked, gateway.line["outcome"]), ([], "delivered"))
        for other in (
            OnLookUp(lambda txn: Stored(Response(200, content=b"a"))),
            OnRequest(lambda txn: Block("no")),
        ):
            store = Copies()
            gateway, origin, client = self.started(store, {"other": other})
            client.send(request(URL))
            self.assertEqual((store.asked, len(client.responses())), ([], 1))

    def test_slow_client(self) -> None:
        """A copy goes at the client's pace: it does not fill memory for a client that does not read."""
        store = Copies()
        gateway, origin, client = self.started(store)
        client.stop_reading()
        client.send(request(URL))
        origin.send(response(bytes(6 * MIB)))
        self.assertGreater(origin.connection.unsent, 4 * MIB)
        client.read_on()
        self.assertEqual((len(store.content), store.ends), (6 * MIB, ["finish"]))
