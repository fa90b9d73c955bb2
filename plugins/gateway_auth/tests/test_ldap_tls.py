"""TLS on a connection to a directory server, with real certificates and both sides in memory."""

from __future__ import annotations

import datetime
import ssl
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from twisted.internet.defer import CancelledError, Deferred

from gateway_auth.ldap_messages import (
    BIND_ANSWER,
    EXTENDED_ANSWER,
    SEARCH_DONE,
    message,
    start_tls_request,
    unbind_request,
)
from gateway_auth.ldap_wire import NoAnswer, ServerFailed
from gateway_auth.tests.lines import TlsServer, WireCase, Written, tls_server
from gateway_auth.tests.test_ldap_messages import result
from gateway_auth.tests.test_ldap_wire import SECRET, bind_asked

HOST = "dc1.example.com"


@cache
def made(*names: str) -> tuple[bytes, bytes]:
    """Make a certificate for these names that certifies itself; gives it, and it with its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), False)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem, pem + private


class TlsTests(WireCase):
    """
    A server with a certificate, which the connection's side knows.

    @ivar server: the server's side.
    """

    def setUp(self) -> None:
        """Make both sides."""
        self.authority, pem = made(HOST)
        self.shows = tls_server(pem, self.mktemp())
        self.trusts = ssl.create_default_context(cadata=self.authority.decode())
        super().setUp()

    def connect(self) -> None:
        """Make another one, and a server for it."""
        super().connect()
        self.server = TlsServer(self.shows)

    def exchange(self, size: int = 0) -> None:
        """Carry what both sides send, until neither has anything to say; in pieces of so many bytes."""
        while sent := self.asked():
            back = self.server.take(sent)
            if back:
                self.said(back, size=size)

    def secured(self, size: int = 0) -> None:
        """Have TLS."""
        securing = self.wire.secure(self.trusts, HOST)
        self.exchange(size)
        self.successResultOf(securing)

    def bound(self, number: int = 1) -> None:
        """Bind."""
        binding = self.wire.bind("cn=x", SECRET)
        sent = self.asked()
        self.assertNotIn(SECRET.encode(), sent)
        self.server.heard = b""
        self.server.take(sent)
        self.assertEqual(self.server.heard, bind_asked(number))
        self.said(self.server.say(result(number, BIND_ANSWER, 0)), size=11)
        self.assertEqual(self.successResultOf(binding).code, 0)

    def not_secured(self, host: str = HOST) -> str:
        """Give why the handshake fails."""
        securing = self.wire.secure(self.trusts, host)
        self.exchange()
        why = self.why(securing)
        self.assertFalse(self.wire.is_open)
        self.assertTrue(self.line.is_aborted)
        self.failureResultOf(self.wire.bind("cn=x", SECRET), ServerFailed)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        return why

    def test_good(self) -> None:
        """Binds go over it, however what comes is cut in pieces."""
        for size in (0, 1, 7, 100):
            self.connect()
            self.secured(size)
            self.bound(1)
            self.bound(2)

    def test_older(self) -> None:
        """Likewise over TLS 1.2, where the handshake ends the other way round."""
        self.shows.maximum_version = ssl.TLSVersion.TLSv1_2
        self.connect()
        self.secured()
        self.bound()

    def test_address(self) -> None:
        """A name in a certificate is no address."""
        self.assertIn("not trusted", self.not_secured("192.0.2.1"))

    def test_start(self) -> None:
        """It can begin on a connection that began without; then nothing is sent in clear any more."""
        starting = self.wire.start_tls(self.trusts, HOST)
        self.assertEqual(self.asked(), message(1, start_tls_request()))
        self.said(result(1, EXTENDED_ANSWER, 0))
        self.assertNoResult(starting)
        self.exchange()
        self.successResultOf(starting)
        self.bound(2)

    def test_wrong_name(self) -> None:
        """A certificate for another name is refused, and the server hears that."""
        why = self.not_secured("dc2.example.com")
        self.assertIn("the certificate is not trusted", why)
        self.assertIn("dc2.example.com", why)
        self.assertIsNotNone(self.server.failed)

    def test_unknown_authority(self) -> None:
        """So is one that nobody here knows."""
        other, _ = made("other.example.com")
        self.trusts = ssl.create_default_context(cadata=other.decode())
        self.assertIn("the certificate is not trusted", self.not_secured())
        self.assertIsNotNone(self.server.failed)

    def test_no_name(self) -> None:
        """What can't be a name is an error of the connection's."""
        self.failureResultOf(self.wire.secure(self.trusts, ".example"), ServerFailed)
        self.assertEqual(self.asked(), b"")

    def test_garbage(self) -> None:
        """What is no TLS ends it, in the handshake and later."""
        securing = self.wire.secure(self.trusts, HOST)
        self.said(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        self.assertTrue(self.why(securing).startswith("no TLS: "))
        self.assertTrue(self.line.is_aborted)
        for noise in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x17\x03\x03\x00\x20" + b"x" * 32):
            self.connect()
            self.secured()
            binding = self.wire.bind("cn=x", SECRET)
            self.said(noise)
            self.assertNotIn("secret", self.why(binding))
            self.assertFalse(self.wire.is_open)

    def test_answer_in_clear(self) -> None:
        """An answer that is not within TLS is none."""
        self.secured()
        binding = self.wire.bind("cn=x", SECRET)
        self.said(result(1, BIND_ANSWER, 0))
        self.failureResultOf(binding, ServerFailed)

    def test_said_before_asked(self) -> None:
        """What a server says within TLS before it is asked is no answer: it ends the connection."""
        securing = self.wire.secure(self.trusts, HOST)
        back = self.server.take(self.asked())
        self.said(back)
        back = self.server.take(self.asked())
        self.said(back + self.server.say(result(1, BIND_ANSWER, 0)))
        self.successResultOf(securing)
        self.failureResultOf(self.wire.bind("cn=x", SECRET), ServerFailed)

    def test_said_in_the_handshake(self) -> None:
        """Nor is what it says together with the end of its part of the handshake."""
        self.shows.maximum_version = ssl.TLSVersion.TLSv1_2
        self.connect()
        securing = self.wire.secure(self.trusts, HOST)
        self.said(self.server.take(self.asked()))
        back = self.server.take(self.asked())
        self.said(back + self.server.say(result(1, BIND_ANSWER, 0)))
        self.successResultOf(securing)
        self.asked()
        self.failureResultOf(self.wire.bind("cn=x", SECRET), ServerFailed)
        self.assertEqual(self.asked(), b"")

    def test_closed_in_the_handshake(self) -> None:
        """A server that closes it there is said to have done so."""
        securing = self.wire.secure(self.trusts, HOST)
        self.said(self.server.take(self.asked())[:50])
        self.leave()
        self.assertIn("closed the connection", self.why(securing))

    def test_late(self) -> None:
        """The handshake has no more time than all else."""
        securing = self.wire.secure(self.trusts, HOST)
        back = self.server.take(self.asked())
        for at in range(49):
            self.said(back[at : at + 1])
            self.clock.advance(0.1)
        self.assertNoResult(securing)
        self.clock.advance(0.2)
        error = self.failureResultOf(securing, NoAnswer).value
        self.assertEqual(str(error), "no TLS: no answer in time")
        self.assertTrue(self.line.is_aborted)

    def test_given_up(self) -> None:
        """Who gives up in the handshake gives the connection up."""
        securing = self.wire.secure(self.trusts, HOST)
        securing.cancel()
        self.failureResultOf(securing, CancelledError)
        self.assertTrue(self.line.is_aborted)

    def test_server_ends_it(self) -> None:
        """When the server says that it says nothing more the connection is over, in the middle and while nothing is asked."""
        self.secured()
        binding: Deferred[Any] = self.wire.bind("cn=x", SECRET)
        self.said(self.server.leave())
        self.assertIn("closed the connection", self.why(binding))
        self.connect()
        self.secured()
        self.said(self.server.leave())
        self.assertFalse(self.wire.is_open)
        self.failureResultOf(self.wire.bind("cn=x", SECRET), ServerFailed)

    def test_answers_and_ends_it(self) -> None:
        """What it said before counts; the connection is over all the same."""
        self.secured()
        binding = self.wire.bind("cn=x", SECRET)
        self.server.take(self.asked())
        self.said(self.server.say(result(1, BIND_ANSWER, 49)) + self.server.leave())
        self.assertEqual(self.successResultOf(binding).code, 49)
        self.assertFalse(self.wire.is_open)

    def test_goodbye(self) -> None:
        """The goodbye is said within it; in the handshake there is none."""
        self.secured()
        self.server.heard = b""
        self.wire.close()
        self.server.take(self.asked())
        self.assertEqual(self.server.heard, message(1, unbind_request()))
        self.assertTrue(self.line.is_leaving)
        self.leave()
        self.connect()
        self.wire.secure(self.trusts, HOST)
        self.asked()
        self.wire.close()
        self.assertEqual(self.asked(), b"")
        self.assertTrue(self.line.is_aborted)

    def test_long_answer(self) -> None:
        """An answer of several records is one answer."""
        self.secured()
        searching = self.begin()
        self.server.take(self.asked())
        text = "x" * 100_000
        answer = self.server.say(result(1, SEARCH_DONE, 50, text))
        self.assertGreater(answer.count(b"\x17\x03\x03"), 5)
        self.said(answer, size=5000)
        results: list[Any] = []
        searching.addBoth(results.append)
        self.assertIn("a search is refused", str(results[0].value))


class PlainSendingTests(TlsTests):
    """The same on a transport that can't send at once."""

    makes = Written
