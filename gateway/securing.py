"""
TLS as the configuration wants it, composed: what each listener shows, whom upstreams have to be, and with which CA
clients are answered in an origin's name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any

from twisted.logger import Logger

from gateway.api.events import Event
from gateway.config.addresses import Listen
from gateway.config.faults import BadValue, ConfigError, Fault
from gateway.config.folders import ca_folder, state_folder
from gateway.config.schema import Config
from gateway.config.sections.site import Site
from gateway.config.tls import listener_tls, mints_certificates, verifies_upstreams
from gateway.net.ca_files import AuthorityError
from gateway.net.key_log import KeyLog
from gateway.net.minting import Minting
from gateway.net.presented import Presented
from gateway.net.privileges import PrivilegeError, account_ids
from gateway.net.refused_certificates import RefusedCertificates
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

    def __init__(
        self,
        reactor: Any,
        tell: Callable[[Event], None],
        *,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """
        Have nothing yet; nothing is read before it is asked for.

        @param tell: takes events about certificates.
        @param environ: where systemd says its folder for state; the process's own by default.
        """
        self._environ = os.environ if environ is None else environ
        # Settled with the first configuration, as it is for plugins.
        self._state: str | None = None
        self._reactor = reactor
        self._tell = tell
        self._contexts = ServerContexts(reactor.seconds)
        # One open file for each path that was ever named, however many listeners and reloads there are.
        self._key_logs: dict[str, KeyLog] = {}
        self._rehearses = False
        self._refused = RefusedCertificates(reactor, tell)

    def rehearsal(self) -> Securing:
        """Give one that says what is wrong with a configuration as this one would, and makes and changes nothing on disk."""
        made = copy(self)
        made._rehearses = True
        return made

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

    def interception(self, config: Config, before: Minting | None) -> Minting | None:
        """
        Make what clients are answered with in an origin's name; C{None}: that never happens, and there need be no CA.

        The first time that it does, the CA is made.

        @param before: that of the snapshot before, whose CA and leaves are taken over where the same is said of them.
        @raise ConfigError: there is no CA that may sign.
        """
        if self._state is None:
            self._state = state_folder(config, self._environ)
        if not mints_certificates(config):
            return None
        folder = ca_folder(config.tls, self._state)
        if not folder:
            raise ConfigError(
                [
                    config.sources.fault(
                        ("tls", "ca"),
                        "decryption needs a CA, and there is no folder for it",
                        'name one, such as "/var/lib/gateway/ca", or set gateway.state',
                    )
                ]
            )
        try:
            return Minting.of(
                config.tls,
                Path(folder),
                self._contexts,
                key_log=self._key_log(config),
                before=before,
                warn=lambda caution: self._log.warn("{caution}", caution=caution),
                prepare=lambda path: _for_user(config, path),
                rehearses=self._rehearses,
            )
        except AuthorityError as error:
            what = f"{error.path}: {error.message}" if error.path else error.message
            raise ConfigError([config.sources.fault(("tls", "ca"), what, error.mend)]) from None

    def upstreams(self, config: Config) -> UpstreamSides | None:
        """
        Make what verifies upstreams; C{None}: none is reached by TLS, and nobody's certificates are read.

        @raise ConfigError: what is to be trusted or shown can't be read.
        """
        if not verifies_upstreams(config):
            return None
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
        contexts = UpstreamContexts(
            tls,
            store,
            seconds,
            key_log=self._key_log(config),
            presented=Presented(tls.client_certificates),
        )
        return UpstreamSides(store, contexts, seconds, self._refused.refused)

    def stop(self) -> None:
        """Tell what is left to be told, at the end of the process."""
        self._refused.stop()

    def _key_log(self, config: Config) -> KeyLog | None:
        """
        Give the key log, if one is wanted.

        @raise ConfigError: it can't be opened.
        """
        name = config.tls.key_log
        if not name or self._rehearses:
            return None
        found = self._key_logs.get(name)
        if found is None:
            try:
                found = self._key_logs[name] = KeyLog(name)
            except OSError as error:
                raise ConfigError([Fault(f"{name}: {error.strerror}", "tls.key_log")]) from None
        return found


def _for_user(config: Config, folder: Path) -> None:
    """
    Make the folder of a CA for the user that this process is about to become, if it is there for root alone now.

    What is written into it belongs to whoever owns it.

    @raise AuthorityError: it can't be made.
    """
    if os.geteuid() != 0:
        return
    try:
        ids = account_ids(config.gateway.user, config.gateway.group)
        if ids is not None:
            os.mkdir(folder, 0o700)
            os.chown(folder, *ids)
    except FileExistsError:
        pass
    except OSError as error:
        raise AuthorityError(f"can't be made: {error.strerror}", folder) from None
    except PrivilegeError:
        # Said by whoever is to become it.
        pass


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
