"""Content of a request that is answered already is read and dropped up to a bound, and the connection used on (RFC 9112 section 9.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from gateway.api import (
    Block,
    BodyFilter,
    Challenge,
    ContentRefused,
    Identity,
    Response,
    Stored,
    Transaction,
)
from gateway.testing.harness import Harness
from gateway.testing.peers import ScriptedClient, ScriptedOrigin, chunked, request, response
from tests.scenarios.plugins import Base, OnAuthenticate, OnLookUp, OnRequest, OnRequestContent
from tests.scenarios.support import URL, ScenarioTestCase

CHUNKED = b"Transfer-Encoding: chunked"
EXPECT = b"Expect: 100-continue"
BOUNDS = {
    "limits.discard": "1000B",
    "limits.discard_in_handshake": "3000B",
    "timeouts.discard": "20s",
}
NEXT = request(URL + b"next")
#: What a client might send as content to have it taken for a request.
FORGED = request(URL + b"forged")


def length(count: int) -> bytes:
    """Give the field that declares content."""
    return b"Content-Length: %d" % count


class DiscardingTestCase(ScenarioTestCase):
    """Tests with a plugin that refuses whatever has content."""

    def started(
        self, says: Callable[[Transaction], Any] | None = None, **settings: object
    ) -> tuple[Harness, ScriptedOrigin, ScriptedClient]:
        """Start a forward proxy with small bounds, an origin that answers, and a client."""
        plugin = OnRequest(says or self.refuse)
        return self.started_with(plugin, **settings)

    def started_with(
        self, plugin: Base, **settings: object
    ) -> tuple[Harness, ScriptedOrigin, ScriptedClient]:
        """The same with any plugin."""
        said = {**BOUNDS, **{name.replace("__", "."): value for name, value in settings.items()}}
        gateway = self.forward(said, plugins={"test": plugin})
        return gateway, gateway.origin(reply=response(b"ok")), gateway.client()

    @staticmethod
    def refuse(txn: Transaction) -> Block | None:
        """Refuse what has content."""
        return None if txn.request.length == 0 else Block("no", category="test")

    def statuses(self, client: ScriptedClient) -> list[int]:
        """Give the statuses of what a client got."""
        return [found.status for found in client.responses()]

    def assertKept(self, client: ScriptedClient, origin: ScriptedOrigin, *before: int) -> None:
        """The connection goes on: these answers, none of which says close, and that to one more request."""
        self.assertEqual((self.statuses(client), client.closed), ([*before], ""))
        count = len(origin.requests)
        client.send(NEXT)
        self.assertEqual(self.statuses(client), [*before, 200])
        self.assertEqual([found.target for found in origin.requests[count:]], [b"/next"])
        self.assertEqual({found.get("connection") for found in client.responses()}, {None})

    def assertClosing(
        self, client: ScriptedClient, *statuses: int, says: bytes | None = b"close"
    ) -> None:
        """The connection is closed in order behind these answers."""
        self.assertEqual((self.statuses(client), client.closed), ([*statuses], "fin"))
        self.assertEqual(client.responses()[-1].get("connection"), says)


class KeptTests(DiscardingTestCase):
    """What is little enough."""

    def test_declared(self) -> None:
        """Behind the end of the content the connection is as any other; what is in it is no request."""
        gateway, origin, client = self.started()
        client.send(request(URL, length(1000), method=b"POST"))
        self.assertEqual(self.statuses(client), [403])
        content = (FORGED * 20)[:1000]
        client.send(content[:600])
        client.send(content[600:])
        self.assertKept(client, origin, 403)
        self.assertEqual([line["bytes_in"] for line in gateway.log], [0, 0])

    def test_part_is_here(self) -> None:
        """What came before the answer does not count."""
        _, origin, client = self.started()
        client.send(request(URL, length(1500), method=b"POST") + bytes(500))
        client.send(bytes(1000))
        self.assertKept(client, origin, 403)

    def test_any_cut(self) -> None:
        """Wherever the network cuts the stream, the next request begins where the content ends."""
        content = (FORGED * 10)[:200]
        gateway, origin, _ = self.started()
        cuts = 0
        for framing, sent in (
            (length(200), content),
            (CHUNKED, chunked(content[:7], content[7:], trailers=[b"X-Last: 1"])),
        ):
            stream = sent + NEXT + request(URL, length(3), method=b"POST") + b"abc" + NEXT
            for cut in range(1, len(stream), 3):
                cuts += 1
                client = gateway.client()
                client.send(request(URL, framing, method=b"POST"))
                client.send(stream[:cut])
                client.send(stream[cut:])
                self.assertEqual(self.statuses(client), [403, 200, 403, 200])
                client.close()
        self.assertEqual([found.target for found in origin.requests], [b"/next"] * 2 * cuts)

    def test_byte_by_byte(self) -> None:
        """One byte at a time is the same."""
        _, origin, client = self.started()
        client.send(request(URL, CHUNKED, method=b"POST"))
        for byte in chunked(b"abc" * 20) + NEXT:
            client.send(bytes((byte,)))
        self.assertEqual(self.statuses(client), [403, 200])
        self.assertEqual([found.target for found in origin.requests], [b"/next"])

    def test_pipelined(self) -> None:
        """Requests behind the content keep their order, whether they are refused, go on, or are answered early too."""
        _, origin, client = self.started()
        early = request(URL, length(10), method=b"PUT")
        client.send(early + bytes(4))
        client.send(bytes(6) + NEXT + early + bytes(10) + NEXT + early + bytes(9))
        self.assertEqual(self.statuses(client), [403, 200, 403, 200, 403])
        client.send(b"\0" + NEXT)
        self.assertEqual(self.statuses(client), [403, 200, 403, 200, 403, 200])
        self.assertEqual([found.target for found in origin.requests], [b"/next"] * 3)

    def test_later(self) -> None:
        """A plugin that takes its time and has the client held up meanwhile changes nothing."""
        waiting: list[Deferred[Any]] = []

        def ask(txn: Transaction) -> Any:
            if txn.request.length == 0:
                return None
            waiting.append(Deferred())
            return waiting[-1]

        gateway, origin, client = self.started(ask, limits__discard="300KiB")
        client.send(request(URL, length(300_000), method=b"POST") + bytes(250_000))
        self.assertGreater(client.unsent, 0)
        waiting[0].callback(Block("no"))
        gateway.settle()
        self.assertEqual(client.unsent, 0)
        client.send(bytes(50_000))
        self.assertKept(client, origin, 403)

    def test_other_answers(self) -> None:
        """So it is with a stored answer, and with a failure."""
        stored = Stored(Response(200, content=b"stored"))
        _, origin, client = self.started_with(
            OnLookUp(lambda txn: stored if txn.request.length else None)
        )
        client.send(request(URL, length(5), method=b"POST"))
        client.send(b"12345")
        self.assertKept(client, origin, 200)
        _, origin, client = self.started(lambda txn: None)
        client.send(request(b"http://nowhere.example.com/", length(5), method=b"POST"))
        client.send(b"12345")
        self.assertKept(client, origin, 502)

    def test_refused_by_a_filter(self) -> None:
        """What a filter refuses in the middle is read to its end, whether that is here already or comes later."""

        class Refusing(BodyFilter):
            changes_length = False

            def data(self, chunk: bytes) -> bytes:
                if b"bad" in chunk:
                    raise ContentRefused(Block("bad"))
                return chunk

        for framing, sent in ((length(60), b"good" * 5 + b"bad!" * 10), (CHUNKED, chunked(b"bad"))):
            for cut in (0, len(sent) - 3, len(sent)):
                _, origin, client = self.started_with(OnRequestContent(lambda txn: Refusing()))
                client.send(request(URL, framing, method=b"POST") + sent[:cut])
                client.send(sent[cut:] + NEXT)
                self.assertEqual((self.statuses(client), client.closed), ([403, 200], ""))
                complete = [found.target for found in origin.requests if found.complete]
                self.assertEqual(complete, [b"/next"])

    def test_origin_answers_early(self) -> None:
        """An origin that answers before it has all loses its own connection; the client keeps his."""
        for whole in (True, False):
            _, origin, client = self.started(lambda txn: None)
            origin.reply = None
            client.send(request(URL, length(900), method=b"POST") + bytes(100))
            answer = response(b"enough", status=b"403 Forbidden")
            for part in (answer,) if whole else (answer[:-3], answer[-3:]):
                origin.send(part)
            self.assertEqual(origin.connection.closed, "reset")
            client.send(bytes(800))
            origin.reply = response(b"ok")
            self.assertKept(client, origin, 403)
            self.assertEqual(len(origin.connections), 2)

    def test_reverse(self) -> None:
        """A site's clients keep their connections as well."""
        gateway = self.reverse(settings=BOUNDS, plugins={"test": OnRequest(self.refuse)})
        gateway.origin(reply=response(b"ok"))
        client = gateway.client()
        client.send(request(b"/", length(5), method=b"POST"))
        client.send(b"12345" + request(b"/"))
        self.assertEqual((self.statuses(client), client.closed), ([403, 200], ""))

    def test_wide_default(self) -> None:
        """Without settings it is 1 MiB."""
        gateway = self.forward(plugins={"test": OnRequest(self.refuse)})
        origin = gateway.origin(reply=response(b"ok"))
        client = gateway.client()
        client.send(request(URL, length(1 << 20), method=b"POST"))
        client.send(bytes(1 << 20))
        self.assertKept(client, origin, 403)
        client = gateway.client()
        client.send(request(URL, length((1 << 20) + 1), method=b"POST"))
        self.assertClosing(client, 403)


class ClosedTests(DiscardingTestCase):
    """What is too much, breaks a rule or takes too long."""

    def test_declared_too_much(self) -> None:
        """More than the bound is said to close, and closed in two steps."""
        gateway, origin, client = self.started()
        client.send(request(URL, length(1001), method=b"POST"))
        self.assertClosing(client, 403)
        client.send(bytes(1001) + NEXT)
        self.assertEqual((self.statuses(client), origin.connections), ([403], []))
        gateway.advance(6.0)
        self.assertEqual(gateway.connections, 0)

    def test_gigabytes(self) -> None:
        """Who declares gigabytes is not read for nothing, in a handshake neither."""
        challenge = Challenge(("NTLM TlRMTVNTUAACAAAA",))
        _, _, client = self.started_with(OnAuthenticate(lambda txn: challenge))
        client.send(request(URL, length(2 << 30), method=b"POST"))
        self.assertClosing(client, 407)

    def test_chunks_too_much(self) -> None:
        """Chunked content has no length to judge by: it is cut off when it passes the bound, however small its chunks."""
        for piece in (b"3e8\r\n" + bytes(1000) + b"\r\n", b"1\r\nx\r\n", b"1;a=bcdefgh\r\nx\r\n"):
            gateway, origin, client = self.started()
            client.send(request(URL, CHUNKED, method=b"POST"))
            self.assertEqual((self.statuses(client), client.closed), ([403], ""))
            sent = 0
            while not client.closed:
                self.assertLessEqual(sent, 1000)
                client.send(piece)
                sent += len(piece)
            client.send(b"0\r\n\r\n" + NEXT)
            self.assertClosing(client, 403, says=None)
            self.assertEqual(origin.connections, [])
            gateway.advance(6.0)
            self.assertEqual(gateway.connections, 0)

    def test_bad_chunks(self) -> None:
        """Where the content would end nobody can say after a chunk that is none: no second answer, and no request."""
        for bad in (b"x\r\n", b"5\r\nabcdeX\r\n", b"-1\r\n", b"0\r\nContent Length: 5\r\n\r\n"):
            gateway, origin, client = self.started()
            client.send(request(URL, CHUNKED, method=b"POST"))
            client.send(bad + NEXT * 3)
            self.assertClosing(client, 403, says=None)
            self.assertEqual(origin.connections, [])
            self.assertEqual(len(gateway.log), 1)

    def test_cut_off(self) -> None:
        """Content that ends short ends the connection; what was there of it is no request."""
        for framing in (length(500), CHUNKED):
            gateway, origin, client = self.started()
            client.send(request(URL, framing, method=b"POST"))
            client.send(b"5\r\nabcde\r\n")
            client.end()
            self.assertClosing(client, 403, says=None)
            self.assertEqual((origin.connections, gateway.connections), ([], 0))

    def test_cut_off_and_deaf(self) -> None:
        """Who has ended in the middle and takes no answer either is waited for no longer than anybody else."""
        gateway = self.forward(BOUNDS, plugins={"test": OnRequest(self.refuse)}, window=300)
        client = gateway.client()
        client.stop_reading()
        client.send(request(URL, length(500), method=b"POST") + bytes(10))
        client.end()
        self.assertEqual(gateway.connections, 1)
        # The first look finds that it may have taken some.
        gateway.advance(12.0)
        self.assertEqual(gateway.connections, 0)

    def test_reset(self) -> None:
        """So does a client that is gone."""
        gateway, _, client = self.started()
        client.send(request(URL, length(500), method=b"POST") + bytes(10))
        client.reset()
        self.assertEqual(gateway.connections, 0)
        self.assertLine(gateway, status=403, outcome="refused")

    def test_upload_limit(self) -> None:
        """An upload that is over its limit closes, however little it is: 413."""
        for framing, sent in ((length(600), b""), (CHUNKED, b"258\r\n" + bytes(600) + b"\r\n")):
            _, _, client = self.started(lambda txn: None, limits__upload="500B")
            client.send(request(URL, framing, method=b"POST") + sent)
            self.assertClosing(client, 413)

    def test_client_says_close(self) -> None:
        """A client that wants no other request gets its answer and the close."""
        _, _, client = self.started()
        client.send(request(URL, length(5), b"Connection: close", method=b"POST"))
        self.assertClosing(client, 403)

    def test_off(self) -> None:
        """With no bound each such answer closes."""
        _, _, client = self.started(limits__discard=0, limits__discard_in_handshake=0)
        client.send(request(URL, length(1), method=b"POST"))
        self.assertClosing(client, 403)

    def test_slow_drip(self) -> None:
        """All of it has its time, and a byte now and then gets no more."""
        gateway, origin, client = self.started()
        client.send(request(URL, length(900), method=b"POST"))
        for _ in range(9):
            gateway.advance(2.0)
            client.send(b"x")
            self.assertEqual(client.closed, "")
        gateway.advance(3.0)
        self.assertClosing(client, 403, says=None)
        client.send(b"x")
        gateway.advance(6.0)
        self.assertEqual((gateway.connections, origin.connections), (0, []))

    def test_silent(self) -> None:
        """Who sends nothing of it is not waited for any longer."""
        gateway, _, client = self.started()
        client.send(request(URL, length(900), method=b"POST"))
        gateway.advance(21.0)
        self.assertClosing(client, 403, says=None)

    def test_time_begins_anew(self) -> None:
        """Behind the content the connection has the time of an idle one, and the next one to be dropped its own."""
        gateway, _, client = self.started(timeouts__client_idle="40s")
        for count in range(1, 4):
            client.send(request(URL, length(5), method=b"POST"))
            gateway.advance(15.0)
            client.send(b"12345")
            gateway.advance(35.0)
            self.assertEqual((self.statuses(client), client.closed), ([403] * count, ""))
        gateway.advance(10.0)
        self.assertEqual(client.closed, "fin")

    def test_unread_answer(self) -> None:
        """A client that does not take its answer gets no more time for its content by that."""
        gateway, _, client = self.started(lambda txn: Block("x" * 2000, status=403))
        client.stop_reading()
        client.send(request(URL, length(900), method=b"POST"))
        for _ in range(6):
            gateway.advance(5.0)
            client.send(b"x")
            client.read(200)
        gateway.advance(12.0)
        self.assertEqual(gateway.connections, 0)

    def test_drain(self) -> None:
        """A gateway that stops waits for no content that it drops."""
        gateway, _, client = self.started()
        client.send(request(URL, length(900), method=b"POST"))
        stopping = gateway.begin_stop()
        self.assertEqual(client.closed, "fin")
        gateway.advance(6.0)
        self.assertTrue(stopping.called)

    def test_reload(self) -> None:
        """A reload changes the bounds of the answers that follow; what is being dropped goes on."""
        gateway, origin, client = self.started()
        client.send(request(URL, length(900), method=b"POST"))
        gateway.reload({"limits.discard": "10B"})
        client.send(bytes(900))
        self.assertKept(client, origin, 403)
        client.send(request(URL, length(11), method=b"POST"))
        self.assertEqual(client.closed, "fin")


class HandshakeTests(DiscardingTestCase):
    """NTLM and Negotiate, whose handshakes belong to their connections (RFC 4559)."""

    @staticmethod
    def handshake(scheme: str = "NTLM") -> Callable[[Transaction], Challenge | Identity]:
        """Be a plugin that speaks a scheme: who has answered a challenge on this very connection is known by it."""
        begun = set()

        def says(txn: Transaction) -> Challenge | Identity:
            peer = txn.client.port
            said = txn.request.fields.get("proxy-authorization")
            if said == f"{scheme} first":
                begun.add(peer)
                return Challenge((f"{scheme} TlRMTVNTUAACAAAA",))
            if said == f"{scheme} third" and peer in begun:
                return Identity("alice", source="ntlm")
            return Challenge((scheme, 'Basic realm="x"'))

        return says

    def test_post(self) -> None:
        """Each step brings its content along, and all go by one connection."""
        for scheme in ("NTLM", "Negotiate", "negotiate"):
            for framing, sent in ((length(900), bytes(900)), (CHUNKED, chunked(bytes(900)))):
                _, origin, client = self.started_with(OnAuthenticate(self.handshake(scheme)))
                for step in (b"", b" first", b" third"):
                    lines = [b"Proxy-Authorization: " + scheme.encode() + step] if step else []
                    client.send(request(URL, framing, *lines, method=b"POST"))
                    client.send(sent[:500])
                    client.send(sent[500:])
                self.assertEqual((self.statuses(client), client.closed), ([407, 407, 200], ""))
                self.assertEqual(origin.request.content, bytes(900))

    def test_more_than_usual(self) -> None:
        """The challenge that answers a message has a bound of its own, that of a first question has not."""
        _, _, client = self.started_with(OnAuthenticate(self.handshake()))
        first = b"Proxy-Authorization: NTLM first"
        client.send(request(URL, first, length(3000), method=b"POST"))
        client.send(bytes(3000))
        self.assertEqual((self.statuses(client), client.closed), ([407], ""))
        client.send(request(URL, length(1001), method=b"POST"))
        self.assertEqual((self.statuses(client), client.closed), ([407, 407], "fin"))
        _, _, client = self.started_with(OnAuthenticate(self.handshake()))
        client.send(request(URL, first, length(3001), method=b"POST"))
        self.assertClosing(client, 407)

    def test_off(self) -> None:
        """Who switches its bound off has the usual one."""
        _, _, client = self.started_with(
            OnAuthenticate(self.handshake()), limits__discard_in_handshake=0
        )
        first = b"Proxy-Authorization: NTLM first"
        client.send(request(URL, first, length(1000), method=b"POST"))
        self.assertEqual((self.statuses(client), client.closed), ([407], ""))

    def test_origin(self) -> None:
        """An origin's handshake ends with its connection, so the client's ends with it and begins anew."""
        gateway = self.forward(BOUNDS)
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL, b"Authorization: NTLM first", length(900), method=b"POST"))
        origin.send(
            response(b"", b"WWW-Authenticate: NTLM TlRMTVNTUAACAAAA", status=b"401 Unauthorized")
        )
        self.assertEqual(origin.connection.closed, "reset")
        self.assertClosing(client, 401)


class ExpectTests(DiscardingTestCase):
    """Clients that wait for a 100 (RFC 9110 section 10.1.1)."""

    def test_waits(self) -> None:
        """Who waited and is refused may send anything next, so nothing of it is read as one or the other."""
        _, origin, client = self.started()
        client.send(request(URL, EXPECT, length(5), method=b"POST"))
        client.send(NEXT)
        self.assertClosing(client, 403)
        self.assertEqual(origin.connections, [])

    def test_sends_at_once(self) -> None:
        """Who has begun to send it has decided."""
        _, origin, client = self.started()
        client.send(request(URL, EXPECT, length(5), method=b"POST") + b"1")
        client.send(b"2345")
        self.assertKept(client, origin, 403)

    def test_handshake(self) -> None:
        """In a handshake the content is awaited: without it the client could never be known."""
        _, origin, client = self.started_with(OnAuthenticate(HandshakeTests.handshake()))
        for step in (b"first", b"third"):
            lines = (EXPECT, b"Proxy-Authorization: NTLM " + step, length(5))
            client.send(request(URL, *lines, method=b"POST"))
            client.send(b"12345")
        self.assertEqual((self.statuses(client), client.closed), ([407, 200], ""))
        self.assertEqual(origin.request.content, b"12345")

    def test_unknown_expectation(self) -> None:
        """Who expects what nobody knows may wait for it for ever: 417 and the close."""
        _, _, client = self.started()
        client.send(request(URL, b"Expect: miracles", length(5), method=b"POST"))
        self.assertClosing(client, 417)
