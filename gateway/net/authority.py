"""
The gateway's CA: what signs the certificates that clients are shown where TLS is decrypted.

It is made at first need and never before: neither making an L{Authority} nor looking at it writes anything. A rotation
makes the next generation and publishes it beside the present one, until the day from which it signs; the one before stays
known until it expires. So clients get the new certificate before they meet it. What a leaf looks like is
L{gateway.net.mint}'s business, what a generation is L{gateway.net.ca_generation}'s, files are L{gateway.net.ca_files}'s.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from cryptography.hazmat.primitives import serialization

from gateway.net import ca_files
from gateway.net.ca_files import AuthorityError, Warn
from gateway.net.ca_generation import CaProfile, Generation, generation, make_root
from gateway.net.ca_reading import Material, faults, name_of, read_material, self_signed

__all__ = ["Authority", "AuthorityError", "CaProfile", "Generation", "Published", "Role", "utc_now"]

#: From publishing the next generation to its first signature, if nobody says otherwise.
OVERLAP = datetime.timedelta(days=30)


def utc_now() -> datetime.datetime:
    """Tell the time."""
    return datetime.datetime.now(datetime.UTC)


def _refuse(warning: str) -> None:
    raise AuthorityError(warning)


class Role(Enum):
    """What a generation is there for at the moment."""

    NEXT = "next"
    """Published, and signs from a later day."""
    PRESENT = "present"
    """Signs."""
    RETIRED = "retired"
    """Has signed; what it signed may still be in use."""
    EXPIRED = "expired"
    """No client takes it any more."""


@dataclass(frozen=True, slots=True)
class Published:
    """
    What clients are to trust for one generation: itself, or the root above it.

    @ivar root: whether it is a root.
    @ivar signs: whether the generation signs already.
    """

    name: str
    der: bytes
    root: bool
    signs_from: datetime.datetime
    expires: datetime.datetime
    signs: bool


class Authority:
    """
    All generations of the CA in one folder.

    Not for more than one thread; several processes may share the folder.
    """

    def __init__(
        self,
        folder: Path,
        profile: CaProfile | None = None,
        *,
        warn: Warn = _refuse,
        now: Callable[[], datetime.datetime] = utc_now,
        mends: bool = True,
    ) -> None:
        """
        Name the folder; nothing is read, and nothing is made before L{signer}.

        @param profile: what a new generation is made like.
        @param warn: takes what was mended and what the operator should know; without one a warning is an error.
        @param mends: rights that are too wide are taken away when files are read.
        """
        self.folder = folder
        self.profile = profile or CaProfile()
        self.now = now
        self._warn = warn
        self._mends = mends
        self._generations: tuple[Generation, ...] = ()
        self._loaded = False
        self._signer: Generation | None = None
        # Until when the one in _signer is right.
        self._until = datetime.datetime.min.replace(tzinfo=datetime.UTC)

    @property
    def generations(self) -> tuple[Generation, ...]:
        """Those that were loaded, the earliest first."""
        return self._generations

    def load(self) -> Authority:
        """
        Read the folder again, and judge all that may sign; nothing is made.

        @raise AuthorityError: the first thing that is wrong; what was loaded before stays in force.
        """
        ca_files.check_folder(self.folder, self._warn, mends=self._mends)
        known = {(one.path, one.fingerprint): one for one in self._generations}
        now = self.now()
        read: list[Generation] = []
        listed = ca_files.found(self.folder)
        current = _current([when for when, _ in listed], now)
        for index, (when, path) in enumerate(listed):
            try:
                made = self._read(when, path, keyless=index < current, now=now)
            except AuthorityError as error:
                if index >= current:
                    raise
                # What only clients still know must not keep the gateway from starting.
                self._warn(f"{error}; it has retired, and is left out")
                continue
            old = known.get((path, made.fingerprint))
            # The same object for the same CA: leaves in the cache stay good.
            read.append(
                old if old is not None and (old.key is None) == (made.key is None) else made
            )
        self._generations = tuple(read)
        self._loaded = True
        self._signer = None
        return self

    def role(self, one: Generation) -> Role:
        """Tell what a generation is there for now."""
        now = self.now()
        if one.expires <= now:
            return Role.EXPIRED
        current = self._generations[_current([each.signs_from for each in self._generations], now)]
        if one.path == current.path:
            return Role.PRESENT
        return Role.NEXT if one.signs_from > current.signs_from else Role.RETIRED

    def published(self, *roles: Role) -> tuple[Published, ...]:
        """
        Give what clients should trust, as loaded.

        @param roles: of which; by default the present CA, then the next.
        """
        roles = roles or (Role.PRESENT, Role.NEXT)
        found: dict[bytes, Published] = {}
        for one in self._generations:
            role = self.role(one)
            if role in roles:
                anchor = one.anchor
                made = Published(
                    name_of(anchor),
                    anchor.public_bytes(serialization.Encoding.DER),
                    self_signed(anchor),
                    one.signs_from,
                    anchor.not_valid_after_utc,
                    role is Role.PRESENT,
                )
                # Two intermediates may have one root.
                found.setdefault(made.der, made)
        return tuple(found.values())

    def signer(self, now: datetime.datetime | None = None) -> Generation:
        """
        Give the generation that signs now; make the first one if there is none.

        Costs a comparison of times, usually.

        @param now: the time, if the caller has just looked.
        @raise AuthorityError: there is none that may sign.
        """
        now = now or self.now()
        if self._signer is not None and now < self._until:
            return self._signer
        if not self._loaded:
            self.load()
        if not self._generations:
            self.create()
        index = _current([one.signs_from for one in self._generations], now)
        chosen = self._generations[index]
        if chosen.expires <= now:
            raise AuthorityError(
                f"the CA expired on {chosen.expires:%Y-%m-%d}",
                chosen.path,
                "make a new one and give it to the clients: gateway ca rotate --now",
            )
        if chosen.certificate.not_valid_before_utc > now:
            raise AuthorityError(
                f"the CA is not valid before {chosen.certificate.not_valid_before_utc:%Y-%m-%d}",
                chosen.path,
                "look whether the clock of this machine is right",
            )
        following = self._generations[index + 1 :]
        self._until = min([chosen.expires, *(one.signs_from for one in following[:1])])
        self._signer = chosen
        return chosen

    def create(self) -> Generation:
        """
        Make the first generation, unless somebody else just has; it signs from now on.

        @raise AuthorityError: it can't be written.
        """
        with ca_files.locked(self.folder, self._warn):
            self.load()
            if not self._generations:
                self._add(make_root(self.profile, self.now()), self.now())
        return self._generations[0]

    def rotate(self, signs_from: datetime.datetime) -> Generation:
        """
        Make a generation that signs from a later time, or from now; keys of those that have retired are destroyed.

        @raise AuthorityError: one is waiting already, or it can't be written.
        """
        return self._follow(make_root(self.profile, self.now()), signs_from)

    def adopt(self, material: Material, signs_from: datetime.datetime) -> Generation:
        """
        Take a CA that somebody else has made, as the next generation.

        @raise AuthorityError: it can't be the gateway's CA (all reasons are in the message), it is in the folder
            already, one is waiting, or it can't be written.
        """
        wrong = [*faults(material, max(self.now(), signs_from))]
        if material.key is None:
            wrong.append("it has no private key")
        if wrong:
            raise AuthorityError(
                "this can't be the gateway's CA: " + "; ".join(wrong), mend="bring another one"
            )
        return self._follow(material, signs_from)

    def _follow(self, material: Material, signs_from: datetime.datetime) -> Generation:
        with ca_files.locked(self.folder, self._warn):
            self.load()
            now = self.now()
            for one in self._generations:
                if one.certificate == material.certificate:
                    raise AuthorityError("this CA is there already", one.path)
                if self.role(one) is Role.NEXT:
                    raise AuthorityError(
                        f"another CA is to sign from {one.signs_from:%Y-%m-%d}",
                        one.path,
                        "wait until then, or move that file away if no client has it",
                    )
                if self.role(one) in (Role.RETIRED, Role.EXPIRED) and one.key is not None:
                    # It never signs again, and clients may trust it for years.
                    kept = Material(one.certificate, None, one.chain)
                    ca_files.replace(one.path, kept.pem)
            if not any(self.role(one) is Role.PRESENT for one in self._generations):
                # Nothing signs that the new one could wait for.
                signs_from = now
            return self._add(material, max(signs_from, now))

    def _add(self, material: Material, signs_from: datetime.datetime) -> Generation:
        path = ca_files.add(self.folder, signs_from, material.pem)
        self.load()
        return next(one for one in self._generations if one.path == path)

    def _read(
        self, when: datetime.datetime, path: Path, *, keyless: bool, now: datetime.datetime
    ) -> Generation:
        content = ca_files.read(path, self._warn, mends=self._mends)
        try:
            material = read_material(content, str(path), keyless=keyless)
        except AuthorityError as error:
            raise AuthorityError(
                error.message,
                path,
                "bring the file back from a copy, or move it away; without it clients need a new CA",
            ) from None
        # Whether it has expired is asked when it is to sign, so that `gateway ca show` can tell.
        at = min(max(now, material.certificate.not_valid_before_utc), _last_moment(material))
        wrong = list(faults(material, at))
        if wrong:
            raise AuthorityError("; ".join(wrong), path, "bring another CA: gateway ca import")
        return generation(when, material, path)


def _current(starts: list[datetime.datetime], now: datetime.datetime) -> int:
    """Give the index of the one that signs: the last that has begun, or else the first."""
    return max(sum(start <= now for start in starts) - 1, 0)


def _last_moment(material: Material) -> datetime.datetime:
    ends = [one.not_valid_after_utc for one in (material.certificate, *material.chain)]
    return min(ends) - datetime.timedelta(seconds=1)
