"""
Certificates from files, followed as the files change.

Looked at once a minute and at a reload. A new file that is no good is refused with an event and the old one goes on; so
does a certificate whose key has not been exchanged yet. Connections keep what they began with. Which certificate
fits a name is told by L{gateway.net.certificates}.
"""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from cryptography.hazmat.primitives import hashes
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from gateway.api.catalogue.certificate import (
    CERTIFICATE_EXCHANGED,
    CERTIFICATE_EXPIRES,
    CERTIFICATE_REFUSED,
)
from gateway.api.events import Event
from gateway.config.certificate_files import (
    Pair,
    certificate_paths,
    day,
    is_expired,
    read_pair,
)
from gateway.config.faults import BadValue
from gateway.config.tls import CertificateFiles
from gateway.net.certificates import CertificateAndKey, Certificates, Shared
from gateway.net.expiry import Thresholds
from gateway.net.staple import MAX_STAPLE_BYTES, BadStaple, read_staple

#: Seconds between two looks at the files.
LOOK_SECONDS = 60.0
#: What is added to a certificate's path to name its OCSP response.
STAPLE_SUFFIX = ".ocsp"

#: What tells one state of a file from another; C{None}: there is none.
_Mark: TypeAlias = tuple[int, ...] | None
_Marks: TypeAlias = tuple[tuple[str, _Mark], ...]


@dataclass(slots=True)
class _Loaded:
    """What a source holds now: the files' state, the pairs, and what is made of them."""

    marks: _Marks
    pairs: tuple[Pair, ...]
    certificates: tuple[CertificateAndKey, ...]


class CertificateStore:
    """
    The certificates of one listener.

    @ivar exchanged: how many times new files took over.
    """

    _log = Logger()

    def __init__(
        self,
        sources: Sequence[CertificateFiles],
        tell: Callable[[Event], None],
        *,
        now: Callable[[], float] = time.time,
        before: CertificateStore | None = None,
    ) -> None:
        """
        Read the files.

        @param tell: takes events; called in L{look} only.
        @param now: seconds since 1970, by which certificates expire.
        @param before: the store of the configuration before: what it has of unchanged files is taken over.
        @raise BadValue: when a file is no good; after a reload that fails the store before goes on.
        """
        self.exchanged = 0
        self._sources = tuple(dict.fromkeys(sources))
        self._tell = tell
        self._now = now
        self._loaded: dict[CertificateFiles, _Loaded] = {}
        # The state of files that were refused, so that it is said once.
        self._refused: dict[CertificateFiles, _Marks] = {}
        self._told: Thresholds = Thresholds(before._told if before is not None else None)
        self._looking: LoopingCall | None = None
        kept = (
            {_files(source): loaded for source, loaded in before._loaded.items()} if before else {}
        )
        for source in self._sources:
            marks = _marks(source)
            found = kept.get(_files(source))
            if found is None or found.marks != marks:
                found = self._read(source, marks, found)
            self._loaded[source] = found
        self._choice = self._shared()

    def certificate_for(self, server_name: str) -> CertificateAndKey | None:
        """Give the certificate to show for a name, in lower case; empty: the client named nobody."""
        return self._choice.for_name(server_name)

    def start(self, clock: Any) -> None:
        """Look now and once a minute; C{clock} is an C{IReactorTime}."""
        looking = self._looking = LoopingCall(self._look_safely)
        looking.clock = clock
        looking.start(LOOK_SECONDS)

    def stop(self) -> None:
        """Look no more; what is here goes on being shown."""
        looking, self._looking = self._looking, None
        if looking is not None and looking.running:
            looking.stop()

    def _look_safely(self) -> None:
        """Look; a fault of whoever is told must not end the looking for good."""
        try:
            self.look()
        except Exception:
            self._log.failure("certificates could not be looked at")

    def look(self) -> None:
        """Take over files that have changed, and tell what is about to expire."""
        changed = False
        for source in self._sources:
            changed = self._look_at(source) or changed
        if changed:
            self._choice = self._shared()
        for loaded in self._loaded.values():
            for pair in loaded.pairs:
                self._warn(pair)

    def pairs(self) -> Iterator[Pair]:
        """Go through what was read, for those who list certificates."""
        for loaded in self._loaded.values():
            yield from loaded.pairs

    def _look_at(self, source: CertificateFiles) -> bool:
        """Look at one source; tells whether something else is to be shown now."""
        old = self._loaded[source]
        marks = _marks(source)
        if marks == old.marks:
            return self._restaple(source, old)
        if marks == self._refused.get(source):
            return False
        try:
            new = self._read(source, marks, old)
            self._check_successor(old, new)
        except BadValue as error:
            self._refused[source] = marks
            self._tell(
                CERTIFICATE_REFUSED(
                    f"the changed certificate is not used, the one before goes on: {error.message}",
                    source.certificate,
                )
            )
            return False
        self._refused.pop(source, None)
        self._loaded[source] = new
        self.exchanged += 1
        self._tell(
            CERTIFICATE_EXCHANGED(
                "changed certificate files were read and are used from now on",
                source.certificate,
            )
        )
        return True

    def _check_successor(self, old: _Loaded, new: _Loaded) -> None:
        """Refuse to go from what is valid to what is over."""
        now = self._now()
        was_good = {pair.path for pair in old.pairs if not is_expired(pair, now)}
        for pair in new.pairs:
            if pair.path in was_good and is_expired(pair, now):
                raise BadValue(f'"{pair.path}" expired on {day(pair.leaf.not_valid_after_utc)}')

    def _read(self, source: CertificateFiles, marks: _Marks, old: _Loaded | None) -> _Loaded:
        """Read a source; of a folder only the files that have changed, for many would take long."""
        now = dict(marks)
        before = dict(old.marks) if old is not None else {}
        kept = {}
        if old is not None:
            for pair, one in zip(old.pairs, old.certificates, strict=True):
                names = _names(pair.path, source)
                if all(now.get(name) == before.get(name) for name in names):
                    kept[pair.path] = pair, one
        pairs, made = [], []
        for path in certificate_paths(source.certificate):
            if path in kept:
                pair, one = kept[path]
            else:
                pair = read_pair(path, source.key)
                one = CertificateAndKey.from_pair(pair, self._staple(source, pair))
            pairs.append(pair)
            made.append(one)
        return _Loaded(marks, tuple(pairs), tuple(made))

    def _restaple(self, source: CertificateFiles, loaded: _Loaded) -> bool:
        """Leave out OCSP responses whose time is over; the files are the same."""
        if not any(one.staple for one in loaded.certificates):
            return False
        made = tuple(
            one
            if (staple := self._staple(source, pair)) == one.staple
            # The contexts are shared: the response is no part of them.
            else replace(one, staple=staple)
            for pair, one in zip(loaded.pairs, loaded.certificates, strict=True)
        )
        changed = made != loaded.certificates
        loaded.certificates = made
        return changed

    def _staple(self, source: CertificateFiles, pair: Pair) -> bytes | None:
        """Read the OCSP response of a certificate, if it is there and says something now."""
        path = source.staple or pair.path + STAPLE_SUFFIX
        try:
            with open(path, "rb") as stream:
                data = stream.read(MAX_STAPLE_BYTES + 1)
        except OSError:
            return None
        # Who made it can be checked only against the issuer; clients do so in any case.
        issuer = pair.issuers[0] if pair.issuers else pair.leaf
        moment = datetime.datetime.fromtimestamp(self._now(), datetime.UTC)
        try:
            said = read_staple(data, pair.leaf, issuer, moment)
        except BadStaple:
            return None
        return data if said is not None else None

    def _warn(self, pair: Pair) -> None:
        """Tell that a certificate expires, once for each threshold."""
        left = pair.days_left(self._now())
        severity = self._told.passed(pair.leaf.fingerprint(hashes.SHA256()), left)
        if severity is None:
            return
        date = day(pair.leaf.not_valid_after_utc)
        text = (
            f"the certificate expires on {date}"
            if left >= 0
            else f"the certificate expired on {date}"
        )
        self._tell(
            CERTIFICATE_EXPIRES(
                text,
                pair.path,
                severity,
                names=", ".join(pair.names),
                until=date,
                days=str(int(left)),
            )
        )

    def _shared(self) -> Shared:
        return Shared(
            [
                (source.hosts, Certificates(self._loaded[source].certificates))
                for source in self._sources
            ]
        )


def _files(source: CertificateFiles) -> CertificateFiles:
    """Leave out what says nothing of the files."""
    return replace(source, hosts=())


def _marks(source: CertificateFiles) -> _Marks:
    """Give the state of every file that a source is read from."""
    try:
        paths = certificate_paths(source.certificate)
    except BadValue:
        return ((source.certificate, None),)
    names = [name for path in paths for name in _names(path, source)]
    return tuple((name, _mark(name)) for name in dict.fromkeys(names))


def _names(path: str, source: CertificateFiles) -> tuple[str, ...]:
    return (
        path,
        source.key or os.path.splitext(path)[0] + ".key",
        source.staple or path + STAPLE_SUFFIX,
    )


def _mark(path: str) -> _Mark:
    try:
        state = os.stat(path)
    except OSError:
        return None
    # The change time sees what the modification time does not: new rights, a file moved into its place.
    return state.st_mtime_ns, state.st_ctime_ns, state.st_size, state.st_ino
