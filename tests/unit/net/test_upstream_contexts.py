"""Tests of L{gateway.net.upstream_contexts}: which context a host gets."""

from __future__ import annotations

import datetime

from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from gateway.config.sections.tls import Tls, TlsException
from gateway.net.tls_contexts import TlsPolicy
from gateway.net.upstream_contexts import UpstreamContexts, policy_of
from tests.unit.net.tls_ends import Trusting, as_client

UNTIL = datetime.date(2027, 4, 30)


def exception(host: str, **more: str) -> TlsException:
    """Make an exception."""
    return TlsException(host=host, reason="old", until=UNTIL, **more)  # type: ignore[arg-type]


class Counting(Trusting):
    """Counts the contexts that it is installed in."""

    def __init__(self) -> None:
        self.count = 0

    def install(self, context: SSL.Context) -> None:
        """Count."""
        self.count += 1
        super().install(context)


class ContextTests(SynchronousTestCase):
    """Hosts and exceptions."""

    def setUp(self) -> None:
        self.today = datetime.datetime(2027, 4, 30, 23, 59, tzinfo=datetime.UTC)
        self.trust = Counting()

    def contexts(self, *exceptions: TlsException, **more: str) -> UpstreamContexts:
        """Make those of a snapshot."""
        tls = Tls(exceptions=exceptions, **more)  # type: ignore[arg-type]
        return UpstreamContexts(tls, self.trust, lambda: 0.0, now=lambda: self.today)

    def test_one_for_all(self) -> None:
        """Hosts without an exception share one context and its sessions, made when the first one needs it."""
        contexts = self.contexts()
        self.assertEqual(self.trust.count, 0)
        self.assertIs(contexts.for_host("a"), contexts.for_host("b"))
        self.assertEqual(self.trust.count, 1)

    def test_exceptions(self) -> None:
        """Hosts with equal exceptions share one; a fingerprint alone is the affair of the trust."""
        contexts = self.contexts(
            exception("a", min_version="1.0"),
            exception("b", min_version="1.0"),
            exception("c", ciphers="compatible"),
            exception("d", fingerprint="ab" * 32),
        )
        a, b, c, d, e = map(contexts.for_host, "abcde")
        self.assertIs(a, b)
        self.assertIs(d, e)
        self.assertEqual(len({id(one) for one in (a, c, d)}), 3)
        self.assertIn("AES128-SHA", as_client(c.context, "c").get_cipher_list())
        self.assertNotIn("AES128-SHA", as_client(d.context, "d").get_cipher_list())

    def test_last_day(self) -> None:
        """On its last day an exception holds, on the day after it does not, without a reload."""
        contexts = self.contexts(exception("a", ciphers="compatible"))
        self.assertIsNot(contexts.for_host("a"), contexts.for_host("b"))
        self.today += datetime.timedelta(minutes=1)
        self.assertIs(contexts.for_host("a"), contexts.for_host("b"))

    def test_policy(self) -> None:
        """What the configuration says is what is allowed."""
        self.assertEqual(policy_of(Tls()), TlsPolicy("1.2", "1.3", "modern"))
        told = Tls(min_version="1.3", ciphers="compatible")
        self.assertEqual(policy_of(told), TlsPolicy("1.3", "1.3", "compatible"))
