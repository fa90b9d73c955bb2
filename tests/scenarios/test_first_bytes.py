"""Responses whose filters judge by the first bytes (C{FirstBytes}): a refusal is a page, and nothing else is held."""

from __future__ import annotations

from typing import Any

from gateway.api import BodyFilter, FirstBytes, Need, PluginError, Side, Transaction, hookimpl
from gateway.testing.peers import chunked, request, response
from tests.scenarios.plugins import Base, Doubled, Held, Raises, RefusesWord
from tests.scenarios.scanners import BAD, ContentTestCase, Copies, Scanner
from tests.scenarios.support import URL


class Begins(Base):
    """Wants the first bytes, and filters as the test says."""

    @hookimpl()
    def content_need(self, txn: Transaction, side: Side) -> Need:
        """Want what comes first."""
        return FirstBytes()

    @hookimpl()
    def scan_content(self, job: Any) -> None:
        """Nothing is held for this plugin."""

    @hookimpl()
    def response_filters(self, txn: Transaction) -> BodyFilter | None:
        """Ask the test."""
        self.asked.append(txn.request.url)
        found: BodyFilter | None = self.says()
        return found


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n"


class FirstBytesTests(ContentTestCase):
    """The need for the first bytes."""

    def test_refused(self) -> None:
        """Where the head comes alone it waits; content that is refused then is answered by a page, in both modes."""
        for reverse in (False, True):
            for kept in (HEAD, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"):
                gateway, origin, client = self.started(
                    Begins(lambda: RefusesWord(b"BAD")), reverse=reverse
                )
                client.send(request(b"/" if reverse else URL))
                origin.send(kept)
                self.assertEqual(client.received, b"")
                origin.send(b"so BAD it is" if kept is HEAD else chunked(b"so BAD it is"))
                found = client.response()
                self.assertEqual((found.status, found.complete), (403, True))
                self.assertIn(b"a bad word", found.content)
                self.assertLine(gateway, status=403, outcome="refused", reason="words")

    def test_passed(self) -> None:
        """What is not refused goes on at once and unchanged, each piece as it comes; filters are asked for once."""
        plugin = Begins(lambda: RefusesWord(b"BAD"))
        gateway, origin, client = self.started(plugin)
        client.send(request(URL))
        origin.send(HEAD)
        self.assertEqual(client.received, b"")
        origin.send(b"first")
        self.assertTrue(client.received.endswith(b"first"), client.received)
        origin.send(b" second")
        self.assertEqual(client.response().content, b"first second")
        self.assertEqual(client.response().framing, "length")
        self.assertEqual(plugin.asked, [URL.decode()])
        self.assertEqual(gateway.line["notes"], {"scan_response": "not_needed"})

    def test_late(self) -> None:
        """What is refused behind its first bytes breaks off."""
        gateway, origin, client = self.started(Begins(lambda: RefusesWord(b"BAD")))
        client.send(request(URL))
        origin.send(HEAD + b"first")
        origin.send(b" so BAD")
        found = client.response()
        self.assertEqual((found.status, found.complete), (200, False))
        self.assertNotIn(b"BAD", client.received)
        self.assertLine(gateway, outcome="refused", reason="words")

    def test_whole(self) -> None:
        """Content that comes with its head is judged likewise, by filters that change it, too."""
        for says, status, content in (
            (lambda: RefusesWord(b"BAD"), 403, None),
            (Doubled, 200, b"so BAD it isso BAD it is!"),
            (Held, 200, b"so BAD it is"),
            (lambda: None, 200, b"so BAD it is"),
            (Raises, 503, None),
        ):
            for pieces in (
                (HEAD + b"so BAD it is",),
                (HEAD, b"so BAD it is"),
                (HEAD[:20], HEAD[20:] + b"so BAD it is"),
            ):
                plugin = Begins(says)
                _, origin, client = self.started(plugin)
                client.send(request(URL))
                for piece in pieces:
                    origin.send(piece)
                found = client.response()
                self.assertEqual(found.status, status, (says, len(pieces)))
                if content is not None:
                    self.assertEqual(found.content, content)
                self.assertTrue(found.complete)
                self.assertEqual(len(plugin.asked), 1)
                self.assertEqual(bool(self.flushLoggedErrors(PluginError)), says is Raises)

    def test_no_content(self) -> None:
        """There may be none: to HEAD, and of no length, declared or not."""
        for method, answer in (
            (b"HEAD", HEAD),
            (b"GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
            (b"GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
            (b"GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ):
            _, origin, client = self.started(Begins(lambda: RefusesWord(b"BAD")))
            client.send(request(URL, method=method))
            origin.send(answer)
            self.assertIn(
                client.response(method).status if method == b"HEAD" else client.response().status,
                (200, 204),
            )

    def test_broken_off(self) -> None:
        """An answer that breaks off before its first bytes is an upstream's failure, with a page."""
        gateway, origin, client = self.started(Begins(lambda: RefusesWord(b"BAD")))
        client.send(request(URL))
        origin.send(HEAD)
        origin.connection.close()
        self.assertEqual(client.response().status, 502)
        gateway, origin, client = self.started(Begins(Held))
        client.send(request(URL))
        origin.send(HEAD + b"first")
        origin.connection.close()
        self.assertEqual(client.response().status, 502)

    def test_client_gone(self) -> None:
        """A client that goes meanwhile ends it."""
        gateway, origin, client = self.started(Begins(lambda: RefusesWord(b"BAD")))
        client.send(request(URL))
        origin.send(HEAD)
        client.reset()
        self.assertLine(gateway, outcome="aborted")

    def test_much_at_once(self) -> None:
        """However much comes with the first bytes, all of it arrives."""
        content = bytes(range(256)) * 4096
        _, origin, client = self.started(Begins(lambda: None))
        client.send(request(URL))
        answer = response(content)
        at = answer.index(b"\r\n\r\n") + 4
        origin.send(answer[:at])
        origin.send(answer[at:])
        self.assertEqual(client.response().content, content)

    def test_stored(self) -> None:
        """What is stored gets a copy of what passed, and nothing of what was refused."""
        store = Copies()
        _, origin, client = self.started(Begins(lambda: None), {"copies": store})
        client.send(request(URL))
        origin.send(HEAD)
        origin.send(b"so BAD it is")
        self.assertEqual((store.content, store.ends), (b"so BAD it is", ["finish"]))

    def test_beside_whole(self) -> None:
        """Where somebody else wants it whole it is held."""
        scanner = Scanner()
        _, origin, client = self.started(Begins(lambda: None), {"scanner": scanner})
        client.send(request(URL))
        origin.send(HEAD)
        origin.send(BAD)
        self.assertEqual(client.received, b"")
        origin.send(b"abc")
        self.assertEqual(client.response().status, 403)
        self.assertEqual(len(scanner.asked), 1)
