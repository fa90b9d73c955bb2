"""
TLS as the configuration wants it, composed: what each listener shows, and whom upstreams have to be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.logger import Logger

from gateway.api.events import Event
from gateway.config.addresses import Listen
from gateway.config.faults import BadValue, ConfigError, Fault
from gateway.config.schema import Config, Site
from gateway.config.tls import listener_tls
from gateway.net.key_log import KeyLog
from gateway.net.termination import Termination
from gateway.net.tls_contexts import ServerContexts
from gateway.net.trust import (
    CertificateException,
    TrustError,
    load_trust,
    read_fingerprint,
    system_store,
)
from gateway.net.upstream_contexts import UpstreamContexts, policy_of
from gateway.net.upstream_sides import UpstreamSides
from gateway.net.verify import TrustStore


class Securing:
    """What the snapshots of one process share of TLS."""

    _log = Logger()

    def __init__(self, reactor: Any, tell: Callable[[Event], None]) -> None:
        """
        Have nothing yet; nothing is read before it is asked for.

        @param tell: takes events about certificates.
        """
        self._reactor = reactor
        self._tell = tell
        self._contexts = ServerContexts(reactor.seconds)
        # One open file for each path that was ever named, however many listeners and reloads there are.
        self._key_logs: dict[str, KeyLog] = {}

    def listener(
        self,
        config: Config,
        place: Listen,
        sites: Sequence[Site],
        before: Termination | None,
    ) -> Termination | None:
        """
        Make the TLS of a listener; C{None} if it has none.

        @param before: that of the snapshot before, whose certificates are taken over where the files are the same.
        @raise ConfigError: a file is no good.
        """
        told = listener_tls(place, sites)
        if told is None:
            return None
        try:
            return Termination(
                told,
                policy_of(config.tls),
                self._contexts,
                self._tell,
                key_log=self._key_log(config),
                before=before,
            )
        except BadValue as bad:
            raise ConfigError([Fault(bad.message, str(place), mend=bad.mend)]) from None

    def upstreams(self, config: Config) -> UpstreamSides:
        """
        Make what verifies upstreams.

        @raise ConfigError: what is to be trusted can't be read.
        """
        tls = config.tls
        try:
            trust = load_trust(
                [Path(name) for name in tls.trust],
                [Path(name) for name in tls.crl],
                system=_system(needed=not tls.trust),
            )
        except TrustError as error:
            raise ConfigError([Fault(str(error), "tls.trust")]) from None
        excepted = [
            CertificateException(one.host, read_fingerprint(one.fingerprint), one.until, one.reason)
            for one in tls.exceptions
            if one.fingerprint
        ]
        store = TrustStore(trust, excepted)
        for caution in store.cautions():
            self._log.warn("{caution}", caution=caution)
        seconds = self._reactor.seconds
        contexts = UpstreamContexts(tls, store, seconds, key_log=self._key_log(config))
        return UpstreamSides(store, contexts, seconds)

    def _key_log(self, config: Config) -> KeyLog | None:
        """
        Give the key log, if one is wanted.

        @raise ConfigError: it can't be opened.
        """
        name = config.tls.key_log
        if not name:
            return None
        found = self._key_logs.get(name)
        if found is None:
            try:
                found = self._key_logs[name] = KeyLog(name)
            except OSError as error:
                raise ConfigError([Fault(f"{name}: {error.strerror}", "tls.key_log")]) from None
        return found


def _system(*, needed: bool) -> Path | None:
    """
    Find the system's own roots.

    @raise TrustError: there are none, and nobody else is trusted.
    """
    try:
        return system_store()
    except TrustError:
        if needed:
            raise
        return None
