"""Tests of L{gateway.net.tls_sessions}: sessions with upstreams that are resumed."""

from __future__ import annotations

from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from gateway.net import tls_sessions
from gateway.net.certificates import CertificateAndKey, Certificates
from gateway.net.tls_contexts import (
    ServerSide,
    TlsPolicy,
    accepting,
    client_context,
    server_context,
)
from gateway.net.tls_sessions import MAX_OF_ONE, SESSION_SECONDS, UpstreamSessions
from tests.unit.net.certificates import leaf
from tests.unit.net.tls_ends import Trusting, as_client, reused, shake

WWW = "www.example.com"


class SessionTests(SynchronousTestCase):
    """One upstream, asked again and again."""

    def setUp(self) -> None:
        self.time = 0.0
        self.sessions = UpstreamSessions(lambda: self.time)
        self.up_to("1.3")

    def up_to(self, version: str) -> None:
        """Speak this version."""
        policy = TlsPolicy("1.2", version)  # type: ignore[arg-type]
        self.context = client_context(policy, Trusting())
        self.upstream = server_context(policy)
        made = leaf(WWW)
        shown = CertificateAndKey.of(made.certificate, (), made.key)
        self.choice = Certificates([shown])

    def ask(self, key: str = WWW, *, keep: bool = True) -> bool:
        """Connect and keep the session; tell whether one was resumed."""
        client = as_client(self.context, WWW)
        offered = self.sessions.offer(client, key)
        shake(client, accepting(self.upstream, ServerSide(self.choice.for_name)))
        self.assertEqual(reused(client), offered)
        if keep:
            self.sessions.keep(client, key, self.time)
        self.sessions.over(client)
        return offered

    def test_resumed(self) -> None:
        """The second connection to an upstream resumes, and each one after it, with both versions."""
        for version in ("1.2", "1.3"):
            self.setUp()
            self.up_to(version)
            self.assertEqual([self.ask() for _ in range(4)], [False, True, True, True])

    def test_one_key(self) -> None:
        """Other expectations are another destination."""
        self.ask()
        self.assertFalse(self.ask("www.example.com with a fingerprint"))
        self.assertEqual(len(self.sessions), 2)

    def test_single_use(self) -> None:
        """A ticket of TLS 1.3 is used once, a session of TLS 1.2 as often as one likes."""
        self.ask()
        self.assertTrue(self.ask(keep=False))
        self.assertFalse(self.ask(keep=False))
        self.up_to("1.2")
        self.sessions = UpstreamSessions(lambda: self.time)
        self.ask()
        self.assertEqual([self.ask(keep=False) for _ in range(3)], [True, True, True])

    def test_ends(self) -> None:
        """After its time nothing is resumed, and what is judged too long ago is not kept."""
        self.ask()
        self.time = SESSION_SECONDS
        self.assertFalse(self.ask(keep=False))
        self.assertEqual(len(self.sessions), 0)
        client = as_client(self.context, WWW)
        shake(client, accepting(self.upstream, ServerSide(self.choice.for_name)))
        self.sessions.keep(client, WWW, 0.0)
        self.assertEqual(len(self.sessions), 0)

    def test_forgotten(self) -> None:
        """What is forgotten is not resumed."""
        self.ask()
        self.sessions.forget(WWW)
        self.assertFalse(self.ask())

    def test_bounded(self) -> None:
        """Neither destinations nor the sessions of one grow without bound."""
        for _ in range(MAX_OF_ONE + 3):
            client = as_client(self.context, WWW)
            shake(client, accepting(self.upstream, ServerSide(self.choice.for_name)))
            self.sessions.keep(client, WWW, self.time)
        taken = 0
        while self.sessions.offer(as_client(self.context, WWW), WWW):
            taken += 1
        self.assertEqual(taken, MAX_OF_ONE)
        self.patch(tls_sessions, "MAX_KEYS", 2)
        for key in ("a", "b", "c"):
            self.ask(key)
        self.assertEqual(len(self.sessions), 2)
        self.assertFalse(self.sessions.offer(as_client(self.context, WWW), "a"))

    def test_nothing_to_keep(self) -> None:
        """A connection without a handshake leaves nothing."""
        self.sessions.keep(SSL.Connection(self.context, None), WWW, 0.0)
        self.assertEqual(len(self.sessions), 0)
