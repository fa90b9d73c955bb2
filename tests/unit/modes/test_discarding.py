"""What content of answered requests is worth reading."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.api.messages import Response
from gateway.api.transaction import Client, Timings, Transaction
from gateway.message.fields import Fields
from gateway.modes.discarding import Discarding
from gateway.pipeline.body import BodyPipe
from gateway.pipeline.exchange import Exchange
from gateway.pipeline.nowhere import NOWHERE
from gateway.wire.events import RequestHead
from gateway.wire.http1_request import RequestParser

POST = b"POST http://example.com/ HTTP/1.1\r\nHost: example.com\r\n%b\r\n\r\n"


class Source:
    """Content that comes when the test says so."""

    def pause(self) -> None:
        """Nothing to pause."""

    def resume(self) -> None:
        """Nothing to resume."""


class DiscardingTests(SynchronousTestCase):
    """L{Discarding.left}."""

    discarding = Discarding(most=100, most_in_handshake=1000)

    def left(self, framing: bytes, status: int, *fields: bytes, came: int = 0) -> int:
        """Judge an answer to a request some of whose content came."""
        head = RequestParser().receive(POST % framing)[0]
        assert type(head) is RequestHead
        upload = BodyPipe(Source())
        upload.write(bytes(came))
        txn = Transaction("1", head, Client("192.0.2.7", 1, mode="forward"), Timings(0.0, 0.0))
        txn.response, txn.status = Response(status, Fields(list(fields))), status
        nowhere: Any = NOWHERE
        down: Any = None
        return self.discarding.left(Exchange(txn, head, upload, down, nowhere))

    def test_bounds(self) -> None:
        """A declared length is judged by what is left of it, chunks by the bound alone."""
        for framing, came, expected in (
            (b"Content-Length: 100", 0, 100),
            (b"Content-Length: 101", 0, -1),
            (b"Content-Length: 101", 1, 100),
            (b"Transfer-Encoding: chunked", 0, 100),
            (b"Transfer-Encoding: chunked", 5000, 100),
        ):
            self.assertEqual(self.left(framing, 403, came=came), expected, framing)

    def test_statuses(self) -> None:
        """Whose content is too much, or may never come, is not waited for."""
        for status, expected in ((413, -1), (417, -1), (200, 100), (407, 100), (502, 100)):
            self.assertEqual(self.left(b"Content-Length: 10", status), expected)

    def test_expectation(self) -> None:
        """Who waits for a 100 is not read on unless some of it came, or a handshake goes on."""
        framing = b"Expect: 100-continue\r\nContent-Length: 10"
        self.assertEqual(self.left(framing, 403), -1)
        self.assertEqual(self.left(framing, 403, came=1), 100)
        self.assertEqual(self.left(framing, 407, b"Proxy-Authenticate: NTLM"), -1)
        self.assertEqual(self.left(framing, 407, b"Proxy-Authenticate: NTLM TlRM"), 1000)

    def test_handshakes(self) -> None:
        """A handshake goes on where a challenge of its scheme has a message; anything else is a first question."""
        framing = b"Content-Length: 1000"
        for status, field, goes_on in (
            (407, b"Proxy-Authenticate: NTLM TlRMTVNTUAAC", True),
            (401, b"WWW-Authenticate: Negotiate oXcwdaAD", True),
            (407, b'proxy-authenticate: Basic realm="x", negotiate YII=', True),
            (407, b"Proxy-Authenticate: NTLM", False),
            (407, b'Proxy-Authenticate: Negotiate, NTLM, Basic realm="x"', False),
            (407, b'Proxy-Authenticate: Basic realm="NTLM TlRM"', False),
            (407, b"WWW-Authenticate: NTLM TlRMTVNTUAAC", False),
            (401, b"Proxy-Authenticate: NTLM TlRMTVNTUAAC", False),
            (403, b"Proxy-Authenticate: NTLM TlRMTVNTUAAC", False),
            (407, b"Proxy-Authenticate: Ntlmx TlRMTVNTUAAC", False),
        ):
            self.assertEqual(self.left(framing, status, field), 1000 if goes_on else -1, field)
