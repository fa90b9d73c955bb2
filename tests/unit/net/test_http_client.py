"""Tests of plugins' own requests, between a client and scripted origins in memory."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.services import HttpAnswer, HttpFailed
from gateway.message.fields import Fields
from gateway.message.via import Via
from gateway.net.deadlines import Deadlines
from gateway.net.dial import Dialer
from gateway.net.guard import Guard
from gateway.net.http_client import MOST_REQUESTS, HttpClient
from gateway.testing.harness import Names
from gateway.testing.network import MemoryNetwork
from gateway.testing.peers import ScriptedOrigin, response

ADDRESS = "198.51.100.1"
URL = "http://origin.example.com/list?v=1"


class HttpTestCase(SynchronousTestCase):
    """One plugin's client, and an origin that answers C{hello} unless told otherwise."""

    def setUp(self) -> None:
        """Make both; the guard for clients forbids everything, which is no business of ours."""
        self.network = MemoryNetwork()
        self.names = Names()
        self.own: list[tuple[str, int]] = []
        self.loops: list[int] = []
        guard = Guard(deny=("198.51.100.1", "127.0.0.1"))
        dialer = Dialer(self.network, self.names, guard)
        self.client = HttpClient(
            self.network,
            Deadlines(self.network),
            dialer=lambda: dialer,
            own=lambda: self.own,
            via=lambda: Via("gateway-1"),
            looped=lambda: self.loops.append(1),
        )
        self.http = self.client.for_plugin()
        self.origin = ScriptedOrigin(self.network, ADDRESS, 80, response(b"hello"))

    def ask(self, url: str = URL, method: str = "GET", **options: Any) -> Deferred[HttpAnswer]:
        """Ask, and let everything happen."""
        answer = self.http.request(method, url, **options)
        self.network.settle()
        return answer

    def failed(self, answer: Deferred[HttpAnswer]) -> str:
        """Say why there is no answer."""
        error = self.failureResultOf(answer, HttpFailed).value
        assert isinstance(error, HttpFailed)
        return error.reason

    def tearDown(self) -> None:
        """Nothing stays open or on the clock when the client is closed."""
        self.client.close()
        self.network.pass_time(60)
        self.assertTrue(self.network.idle)
        self.assertEqual((self.client.asking, self.http.under_way), (set(), 0))


class AnswerTests(HttpTestCase):
    """Answers."""

    def test_get(self) -> None:
        """An answer is status, fields and content; the request has our Via and no length."""
        self.origin.reply = response(b"hello", b"Content-Type: text/plain")
        answer = self.successResultOf(self.ask(fields=Fields.of([("Accept", "text/plain")])))
        self.assertEqual((answer.status, answer.content), (200, b"hello"))
        self.assertEqual(answer.fields.get("content-type"), "text/plain")
        sent = self.origin.request
        self.assertEqual(sent.start, b"GET /list?v=1 HTTP/1.1")
        self.assertEqual(
            sent.fields,
            [
                (b"host", b"origin.example.com"),
                (b"accept", b"text/plain"),
                (b"user-agent", b"gateway"),
                (b"via", b"1.1 gateway-1"),
            ],
        )

    def test_post(self) -> None:
        """Content has its length."""
        self.successResultOf(self.ask(method="POST", content=b"a=1"))
        self.assertEqual(self.origin.request.content, b"a=1")
        self.assertIn((b"content-length", b"3"), self.origin.request.fields)

    def test_empty_post(self) -> None:
        """A POST without content says so."""
        self.successResultOf(self.ask(method="POST"))
        self.assertIn((b"content-length", b"0"), self.origin.request.fields)

    def test_head(self) -> None:
        """The length in an answer to HEAD is no content, however large."""
        self.origin.reply = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"
        self.assertEqual(self.successResultOf(self.ask(method="HEAD")).content, b"")

    def test_chunks_and_interim(self) -> None:
        """Chunks are joined, and interim responses mean nothing."""
        self.origin.reply = (
            b"HTTP/1.1 103 Early Hints\r\n\r\n"
            b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        )
        answer = self.successResultOf(self.ask())
        self.assertEqual((answer.status, answer.content), (404, b"abcde"))

    def test_redirect(self) -> None:
        """A redirect is an answer and is not followed."""
        self.origin.reply = response(
            b"", b"Location: http://other.example.com/", status=b"302 Found"
        )
        self.assertEqual(self.successResultOf(self.ask()).status, 302)
        self.assertEqual(len(self.origin.requests), 1)

    def test_kept_connection(self) -> None:
        """The next request goes over the same connection."""
        self.successResultOf(self.ask())
        self.successResultOf(self.ask())
        self.assertEqual(len(self.origin.connections), 1)

    def test_dead_kept_connection(self) -> None:
        """A request on a kept connection that is dead goes out again on a fresh one, if that can do no harm."""
        self.successResultOf(self.ask())
        self.origin.reply = None
        answer = self.ask()
        self.origin.reply = response(b"again")
        self.origin.connection.close()
        self.network.settle()
        self.assertEqual(self.successResultOf(answer).content, b"again")
        self.origin.reply = None
        answer = self.ask(method="POST", content=b"x")
        self.origin.connection.close()
        self.network.settle()
        self.assertEqual(self.failed(answer), "protocol")

    def test_fields_of_the_connection(self) -> None:
        """Fields that decide framing or the host are ours, also when they come from a received message."""
        lines = [b"Host: evil.example.com", b"Content-Length: 7", b"TE: trailers", b"X-A: 1"]
        self.successResultOf(self.ask(fields=Fields(lines)))
        names = [name for name, _ in self.origin.request.fields]
        self.assertEqual(names, [b"host", b"x-a", b"user-agent", b"via"])
        self.assertEqual(self.origin.request.fields[0][1], b"origin.example.com")


class FailureTests(HttpTestCase):
    """Why there may be no answer."""

    def test_bad_urls(self) -> None:
        """What is no URL of HTTP, or has a password in it, is refused, and not repeated in the error."""
        for url in (
            "ftp://a/",
            "http://bob:hunter2@a/",
            "http:///",
            "http://a b/",
            "http://é/",
            "x",
        ):
            answer = self.ask(url)
            error = self.failureResultOf(answer, HttpFailed).value
            self.assertEqual(getattr(error, "reason", ""), "url")
            self.assertNotIn("hunter2", str(error))

    def test_misuse(self) -> None:
        """What a program can't mean is raised at once."""
        self.assertRaises(ValueError, self.http.request, "GE T", URL)
        self.assertRaises(ValueError, self.http.request, "CONNECT", URL)
        self.assertRaises(ValueError, self.http.request, "GET", URL, timeout_seconds=0)
        self.assertRaises(ValueError, self.http.request, "GET", URL, max_bytes=0)
        smuggled = Fields([b"X: 1\r\nHost: b"])
        self.assertRaises(ValueError, self.http.request, "GET", URL, fields=smuggled)

    def test_no_name(self) -> None:
        """A name without an address."""
        self.assertEqual(self.failed(self.ask("http://missing.example.com/")), "name")

    def test_refused(self) -> None:
        """Nobody listens there."""
        self.origin.admitting = False
        self.assertEqual(self.failed(self.ask()), "connect")

    def test_no_answer(self) -> None:
        """The time is for all of it, and the connection is broken off at its end."""
        self.origin.reply = None
        answer = self.ask(timeout_seconds=3.0)
        self.network.pass_time(2.9)
        self.assertNoResult(answer)
        self.origin.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel")
        self.network.pass_time(0.2)
        self.assertEqual(self.failed(answer), "timeout")

    def test_no_connection(self) -> None:
        """A server that does not accept is out of time, too."""
        self.origin.admitting = None
        answer = self.ask(timeout_seconds=3.0)
        self.network.pass_time(3.1)
        self.assertEqual(self.failed(answer), "timeout")

    def test_declared_too_large(self) -> None:
        """An answer that says it is too large is not read."""
        self.origin.reply = b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n"
        self.assertEqual(self.failed(self.ask(max_bytes=1000)), "too_large")

    def test_too_large(self) -> None:
        """One that does not say it is broken off when it is; the very bound is allowed."""
        head = b"HTTP/1.1 200 OK\r\n\r\n"
        self.origin.reply = None
        answer = self.ask(max_bytes=1000)
        self.origin.send(head + bytes(1000))
        self.assertNoResult(answer)
        self.origin.send(b".")
        self.assertEqual(self.failed(answer), "too_large")
        self.origin.reply = response(bytes(1000))
        self.assertEqual(len(self.successResultOf(self.ask(max_bytes=1000)).content), 1000)
        self.origin.reply = response(bytes(1001))
        self.assertEqual(self.failed(self.ask(max_bytes=1000)), "too_large")

    def test_endless_head(self) -> None:
        """A head without an end is refused at the parser's bound."""
        self.origin.reply = (
            b"HTTP/1.1 200 OK\r\n" + b"X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 5000
        )
        self.assertEqual(self.failed(self.ask()), "protocol")

    def test_no_http(self) -> None:
        """What is no HTTP, or cut off, is the server's fault."""
        for reply in (b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n"):
            self.origin.reply = reply
            self.assertEqual(self.failed(self.ask()), "protocol")
        self.origin.reply = None
        answer = self.ask()
        self.origin.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel")
        self.origin.connection.close()
        self.network.settle()
        self.assertEqual(self.failed(answer), "protocol")

    def test_cancelled(self) -> None:
        """Who gives up breaks the connection off; while dialling, too."""
        self.origin.reply = None
        answer = self.ask()
        answer.cancel()
        self.network.settle()
        self.failureResultOf(answer, CancelledError)
        self.assertEqual(len(self.client.pool), 0)
        self.origin.admitting = None
        answer = self.ask()
        answer.cancel()
        self.failureResultOf(answer, CancelledError)
        self.assertEqual(self.network.connecting, 0)

    def test_busy(self) -> None:
        """A plugin has so many requests under way and no more; those of another one are not affected."""
        self.origin.reply = None
        waiting = [self.ask() for _ in range(MOST_REQUESTS)]
        self.assertEqual(self.failed(self.ask()), "busy")
        other = self.client.for_plugin().request("GET", URL)
        self.assertNoResult(other)
        waiting[0].cancel()
        self.failureResultOf(waiting[0], CancelledError)
        self.assertNoResult(more := self.ask())
        self.client.close()
        for answer in (*waiting[1:], other, more):
            self.assertEqual(self.failed(answer), "closed")

    def test_closed(self) -> None:
        """After the end there are no requests."""
        self.client.close()
        self.assertEqual(self.failed(self.ask()), "closed")


class LoopTests(HttpTestCase):
    """Requests that would come back to us (S20)."""

    def test_own_listener(self) -> None:
        """The address that is dialled counts, whatever the name; nothing is sent, and it is counted."""
        self.own.append(("198.51.100.1", 80))
        for url in (URL, "http://198.51.100.1/", "http://[::ffff:198.51.100.1]/"):
            self.assertEqual(self.failed(self.ask(url)), "loop")
        self.assertEqual((len(self.loops), self.origin.connections), (3, []))

    def test_every_address(self) -> None:
        """A listener on every address is met at loopback."""
        self.own.append(("0.0.0.0", 8080))
        self.assertEqual(self.failed(self.ask("http://127.0.0.1:8080/")), "loop")

    def test_other_port(self) -> None:
        """Another port of the same machine is somebody else, also on loopback."""
        self.own.append(("0.0.0.0", 8080))
        ScriptedOrigin(self.network, "127.0.0.1", 8081, response(b"directory"))
        answer = self.successResultOf(self.ask("http://127.0.0.1:8081/"))
        self.assertEqual((answer.content, self.loops), (b"directory", []))

    def test_came_back(self) -> None:
        """An answer of 508 says that somebody has seen our name in Via."""
        self.origin.reply = response(b"", status=b"508 Loop Detected")
        self.assertEqual(self.failed(self.ask()), "loop")
        self.assertEqual(len(self.loops), 1)
