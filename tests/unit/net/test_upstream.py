"""Tests of L{gateway.net.upstream}: one exchange after the other on a connection."""

from __future__ import annotations

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.python.failure import Failure

from gateway.net.upstream import READ_BYTES
from tests.unit.net.upstream_ends import GET, HELLO, OK, Asking, UpstreamCase


class ExchangeTests(UpstreamCase):
    """Requests and their answers."""

    def test_large_reads(self) -> None:
        """A connection to an upstream reads in large pieces."""
        self.assertEqual(self.connection()[1].readSize, READ_BYTES)

    def test_whole_answer(self) -> None:
        """An answer in one read is told at once, and the connection is kept before that."""
        connection, wire = self.asked()
        self.assertEqual(wire.sent, GET)
        self.asking.then = lambda: self.asking.told.append(self.pool.idle)
        connection.dataReceived(HELLO)
        self.assertEqual(self.asking.told, [200, b"hello", "end", 1])
        self.assertIs(self.pool.take("a"), connection)

    def test_answers_in_pieces(self) -> None:
        """Cut at any place the answer is the same: head, content, one end."""
        for cut in range(1, len(HELLO)):
            self.asking = Asking()
            connection, _ = self.asked()
            connection.dataReceived(HELLO[:cut])
            connection.dataReceived(HELLO[cut:])
            told = self.asking.told
            content = b"".join(each for each in told if isinstance(each, bytes))
            rest = [each for each in told if not isinstance(each, bytes) and each != "settled"]
            self.assertEqual((content, rest), (b"hello", [200, "end"]), cut)

    def test_interim_answers(self) -> None:
        """Interim answers come before the final one, in order, and end nothing."""
        connection, _ = self.asked()
        connection.dataReceived(b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 102 Wait\r\n\r\n" + HELLO)
        self.assertEqual(self.asking.told, [103, 102, 200, b"hello", "end"])

    def test_without_content(self) -> None:
        """What has no content ends with its head, whatever length that names."""
        connection, _ = self.asked(b"HEAD")
        connection.dataReceived(OK + b"Content-Length: 5\r\n\r\n")
        self.assertEqual([each for each in self.asking.told if each != b""], [200, "end"])
        self.assertEqual(self.pool.idle, 1)

    def test_chunked(self) -> None:
        """Chunks and trailers arrive without their framing."""
        connection, _ = self.asked()
        connection.dataReceived(
            OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nA: b\r\n\r\n"
        )
        self.assertEqual(
            b"".join(each for each in self.asking.told if isinstance(each, bytes)), b"hello"
        )
        self.assertEqual(self.asking.told[-1], ("end", b"A: b"))

    def test_request_content(self) -> None:
        """Content leaves with the head when it is flushed, framed as said, and the end in its own time."""
        connection, wire = self.connection()
        connection.send(b"PUT", b"HEAD", True, self.asking)
        self.assertEqual(wire.sent, b"")
        connection.write(b"hello")
        connection.flush()
        self.assertEqual(wire.sent, b"HEAD5\r\nhello\r\n")
        self.assertFalse(connection.request_ended)
        connection.end((b"A: b",))
        self.assertEqual(wire.sent, b"HEAD5\r\nhello\r\n0\r\nA: b\r\n\r\n")
        self.assertTrue(connection.request_ended)
        connection, wire = self.connection()
        connection.send(b"PUT", b"HEAD", False, self.asking)
        connection.write(b"hello")
        connection.end(())
        self.assertEqual(wire.sent, b"HEADhello")

    def test_producer_of_content(self) -> None:
        """Who feeds the request is the transport's producer until the request is at its end, and once."""
        connection, wire = self.connection()
        connection.send(b"PUT", b"HEAD", False, self.asking)
        producer = object()
        connection.stream(producer)
        connection.stream(producer)
        self.assertIs(wire.producer, producer)
        connection.end(())
        self.assertIsNone(wire.producer)

    def test_next_request_from_within(self) -> None:
        """Whoever is told of the end may send the next request from there."""
        connection, wire = self.asked()
        again = Asking()

        def ask_again() -> None:
            taken = self.pool.take("a")
            self.assertIs(taken, connection)
            connection.ask(b"GET", GET, again)

        self.asking.then = ask_again
        connection.dataReceived(HELLO)
        connection.dataReceived(HELLO)
        self.assertEqual(again.told, [200, b"hello", "end"])
        self.assertEqual(connection.used, 2)

    def test_upgrade(self) -> None:
        """A 101 is told as an answer, and whoever takes the transport gets what came behind it."""
        connection, wire = self.asked()
        rest: list[bytes] = []
        self.asking.answered = lambda head: rest.append(connection.surrender())  # type: ignore[method-assign]
        connection.dataReceived(
            b"HTTP/1.1 101 Now\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n\x81\x05"
        )
        self.assertEqual(rest, [b"\x81\x05"])
        self.assertEqual((wire.done, len(self.pool)), ([], 0))


class PersistenceTests(UpstreamCase):
    """Which connections are kept, and which must not be."""

    def ends(self, answer: bytes) -> list[str]:
        """Give an answer; give what becomes of the connection."""
        connection, wire = self.asked()
        connection.dataReceived(answer)
        self.assertEqual(self.asking.told[-1], "end")
        self.assertEqual((self.pool.idle, len(self.pool)), (0, 0))
        return wire.done

    def test_close(self) -> None:
        """One that the server wants closed is closed."""
        self.assertEqual(
            self.ends(OK + b"Connection: close\r\nContent-Length: 0\r\n\r\n"), ["close"]
        )

    def test_old_version(self) -> None:
        """One of HTTP/1.0 is closed."""
        self.assertEqual(self.ends(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"), ["close"])

    def test_more_than_asked(self) -> None:
        """One that brings more than was asked for is closed: what follows could be taken for another's answer."""
        self.assertEqual(self.ends(HELLO + b"HTTP/1.1 200 OK"), ["close"])

    def test_unasked(self) -> None:
        """A kept one that brings anything is closed and not used again."""
        connection, wire = self.kept()
        connection.dataReceived(b"HTTP/1.1 408 Timeout\r\n\r\n")
        self.assertEqual(wire.done, ["close"])
        self.assertIsNone(self.pool.take("a"))

    def test_early_answer(self) -> None:
        """One whose request is not complete is reset, or the part that was sent could look like the whole."""
        connection, wire = self.connection()
        connection.send(b"PUT", b"HEAD", True, self.asking)
        connection.stream(object())
        connection.flush()
        connection.dataReceived(HELLO)
        self.assertEqual((wire.done, wire.producer), (["reset"], None))
        self.assertEqual(self.asking.told, [200, b"hello", "end"])

    def test_unread_request(self) -> None:
        """One that is to be closed while the server has not read all is reset: an orderly close might wait for ever."""
        connection, wire = self.asked()
        wire.queued = 1000
        connection.dataReceived(OK + b"Connection: close\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual(wire.done, ["reset"])

    def test_paused_by_what_came_with_the_end(self) -> None:
        """One that was paused by the last content reads again before it is kept, or its next user would wait in vain."""
        connection, wire = self.asked()
        connection.dataReceived(OK + b"Content-Length: 5\r\n\r\n")
        self.asking.received = lambda data: connection.pause()  # type: ignore[method-assign]
        connection.dataReceived(b"hello")
        self.assertEqual(wire.done, ["pause", "resume"])
        self.assertEqual(self.pool.idle, 1)


class BreakTests(UpstreamCase):
    """Answers that are cut off, and nonsense."""

    def test_close_delimited(self) -> None:
        """Content without a length ends with an orderly close, told by whichever call comes."""
        for orderly in ("half-close", "close"):
            self.asking = Asking()
            connection, wire = self.asked()
            connection.dataReceived(OK + b"\r\nhello")
            if orderly == "half-close":
                connection.readConnectionLost()
                self.assertEqual(wire.done, ["close"])
            connection.connectionLost(Failure(ConnectionDone()))
            self.assertEqual(self.asking.told, [200, b"hello", "settled", "end"])

    def test_close_delimited_reset(self) -> None:
        """A reset is no end of it."""
        connection, _ = self.asked()
        connection.dataReceived(OK + b"\r\nhello")
        connection.connectionLost(Failure(ConnectionLost()))
        self.assertEqual(self.asking.told[-1], "UpstreamClosed")
        self.assertNotIn("end", self.asking.told)

    def test_cut_off(self) -> None:
        """A length that is not reached, a missing last chunk, half a head and silence are breaks, in either way."""
        for sent in (
            OK + b"Content-Length: 6\r\n\r\nhello",
            OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            OK,
            b"",
        ):
            for how in ("half-close", "close", "reset"):
                self.asking = Asking()
                connection, wire = self.asked()
                if sent:
                    connection.dataReceived(sent)
                if how == "half-close":
                    connection.readConnectionLost()
                connection.connectionLost(
                    Failure(ConnectionLost() if how == "reset" else ConnectionDone())
                )
                self.assertEqual(self.asking.told[-1], "UpstreamClosed", (sent, how))
                self.assertNotIn("end", self.asking.told)
                self.assertEqual(len(self.pool), 0)

    def test_certificate_wanted(self) -> None:
        """An alert of TLS about our certificate is the answer to all that was asked, unless one had begun."""
        alert = Failure(ConnectionLost("tlsv13 alert certificate required"))
        for sent, told in ((b"", "TlsFault"), (OK, "UpstreamClosed")):
            self.asking = Asking()
            connection, _ = self.asked()
            if sent:
                connection.dataReceived(sent)
            connection.connectionLost(alert)
            self.assertEqual(self.asking.told[-1], told)

    def test_nonsense(self) -> None:
        """What is no HTTP is a fault of the protocol, told once, and the connection is given up."""
        connection, wire = self.asked()
        connection.dataReceived(b"SSH-2.0-x\r\n\r\n")
        self.assertEqual(self.asking.told, ["UpstreamProtocolError"])
        connection.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(len(self.asking.told), 1)
        self.assertIn(wire.done, (["close"], ["reset"]))

    def test_abort(self) -> None:
        """After an abort the answering side hears nothing more, whatever comes."""
        connection, wire = self.asked()
        connection.stream(object())
        connection.abort()
        self.assertEqual((wire.done, wire.producer, len(self.pool)), (["reset"], None, 0))
        connection.dataReceived(HELLO)
        connection.connectionLost(Failure(ConnectionLost()))
        self.assertEqual(self.asking.told, [])
        connection.abort()

    def test_lost_while_sending(self) -> None:
        """A producer is taken off a connection that is lost without touching its transport."""
        connection, wire = self.connection()
        connection.send(b"PUT", b"HEAD", True, self.asking)
        connection.stream(object())
        wire.unregisterProducer = lambda: self.fail("it is gone")  # type: ignore[method-assign]
        connection.connectionLost(Failure(ConnectionLost()))
        self.assertEqual(self.asking.told, ["UpstreamClosed"])
        connection.pause()
        connection.resume()
        self.assertEqual(wire.done, [])
