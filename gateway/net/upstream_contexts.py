"""
TLS with upstreams: which context a host gets, after C{[tls]} and its exceptions.

One object per snapshot. Contexts are made when the first host needs them: one for all, and one more for each different
policy that an exception asks for, and for each certificate that some hosts are shown. Sessions go with their context,
for what was believed once must be judged anew when the trust is another.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass

from OpenSSL import SSL

from gateway.config.sections.tls import Tls, TlsException
from gateway.net.certificates import CertificateAndKey
from gateway.net.presented import Presented
from gateway.net.tls_contexts import KeyLine, TlsPolicy, Trust, client_context
from gateway.net.tls_sessions import UpstreamSessions


def policy_of(tls: Tls) -> TlsPolicy:
    """Give what the configuration allows where no exception says otherwise, with clients as with upstreams."""
    return TlsPolicy(tls.min_version, tls.max_version, tls.ciphers)


@dataclass(frozen=True, slots=True)
class UpstreamContext:
    """
    A context for upstreams, and the sessions that can be resumed on it.

    @ivar presents: it shows a certificate of ours to servers that ask for one.
    """

    context: SSL.Context
    sessions: UpstreamSessions
    presents: bool = False


class UpstreamContexts:
    """The contexts of one snapshot."""

    __slots__ = (
        "_excepted",
        "_key_log",
        "_made",
        "_now",
        "_policy",
        "_seconds",
        "_trust",
        "presented",
    )

    def __init__(
        self,
        tls: Tls,
        trust: Trust,
        seconds: Callable[[], float],
        *,
        now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
        key_log: KeyLine | None = None,
        presented: Presented | None = None,
    ) -> None:
        """
        Have none yet.

        @param trust: what judges upstreams; is installed in every context.
        @param seconds: a clock that never goes backwards, for the age of sessions.
        @param now: the time in UTC, for the last day of exceptions.
        @param presented: the certificates that hosts are shown; without it none is.
        """
        self.presented = presented or Presented()
        self._policy = policy_of(tls)
        self._trust = trust
        self._seconds = seconds
        self._now = now
        self._key_log = key_log
        self._made: dict[tuple[TlsPolicy, CertificateAndKey | None], UpstreamContext] = {}
        self._excepted: dict[str, list[TlsException]] = {}
        for exception in tls.exceptions:
            if exception.min_version or exception.ciphers:
                self._excepted.setdefault(exception.host, []).append(exception)

    def for_host(self, host: str) -> UpstreamContext:
        """Give the context for a host: a name in lower case, or an address without brackets."""
        policy = self._policy
        if self._excepted:
            policy = self._excepted_policy(host)
        shown = self.presented.for_host(host)
        made = self._made.get((policy, shown))
        if made is None:
            context = client_context(policy, self._trust, shown=shown, key_log=self._key_log)
            sessions = UpstreamSessions(self._seconds)
            made = UpstreamContext(context, sessions, shown is not None)
            self._made[policy, shown] = made
        return made

    def _excepted_policy(self, host: str) -> TlsPolicy:
        policy = self._policy
        for exception in self._excepted.get(host, ()):
            if exception.until >= self._now().date():
                policy = TlsPolicy(
                    exception.min_version or policy.min_version,
                    policy.max_version,
                    exception.ciphers or policy.ciphers,
                )
        return policy
