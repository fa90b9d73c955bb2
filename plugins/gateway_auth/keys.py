"""
The keys that cookies and tokens are sealed with: read from a secret, or made here and kept in the plugin's store.

A text of keys has one in each line, the newest first::

    # the key that seals
    b7a1...  (32 characters or more)
    # the one before it, taken until its last cookie has ended
    90cc...  2026-12-01T08:00:00Z

The first that has not ended seals; all that have not ended are taken. What a key is called in a token is made of the key
itself, so nodes that have the same text understand one another without any other agreement (L4).
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from gateway.api.settings import BadValue

#: Fewer characters can't hold what a key has to: 32 in hexadecimal are 128 bits.
MIN_SECRET = 32
MAX_KEYS = 16

_SALT = b"gateway_auth keys 1"


@dataclass(frozen=True, slots=True)
class Key:
    """
    One key.

    @ivar id: what a token names it by; says nothing of the key.
    @ivar until: when it ends, in seconds since the epoch; C{None}: never.
    """

    id: str
    material: bytes = field(repr=False)
    until: float | None = None

    @classmethod
    def of(cls, secret: str, until: float | None = None) -> Key:
        """Make one of a secret text."""
        material = HKDF(SHA256(), 32, _SALT, b"material").derive(secret.encode())
        id = HKDFExpand(SHA256(), 6, b"id").derive(material)
        return cls(base64.urlsafe_b64encode(id).decode(), material, until)

    def derived(self, info: bytes, length: int) -> bytes:
        """Derive a key for one use (RFC 5869 section 2.3)."""
        return HKDFExpand(SHA256(), length, info).derive(self.material)

    def holds(self, now: float) -> bool:
        """Tell whether it has not ended."""
        return self.until is None or now < self.until


class KeyRing:
    """The keys of one gateway, the newest first."""

    __slots__ = ("_by_id", "keys")

    def __init__(self, keys: Iterable[Key]) -> None:
        self.keys = tuple(keys)
        self._by_id = {key.id: key for key in self.keys}

    def sealing(self, now: float) -> Key | None:
        """Give the key that seals; C{None} if all have ended."""
        return next((key for key in self.keys if key.holds(now)), None)

    def get(self, id: str, now: float) -> Key | None:
        """Give a key that is still taken."""
        key = self._by_id.get(id)
        return key if key is not None and key.holds(now) else None


def read_keys(text: str) -> KeyRing:
    """
    Read a text of keys.

    @raise BadValue: some line is no key, or there is none; the message has the number of the line and nothing of the key.
    """
    keys: list[Key] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) > 2:
            raise BadValue(f"line {number} of the keys has more than a key and its end")
        if len(words[0]) < MIN_SECRET:
            raise BadValue(
                f"the key in line {number} is too short",
                f'at least {MIN_SECRET} characters, such as "openssl rand -hex 32" gives',
            )
        until = _moment(words[1], number) if len(words) == 2 else None
        key = Key.of(words[0], until)
        if any(key.id == other.id for other in keys):
            raise BadValue(f"the key in line {number} is there twice")
        keys.append(key)
    if not keys:
        raise BadValue("there is no key", 'a line such as "openssl rand -hex 32" gives')
    if len(keys) > MAX_KEYS:
        raise BadValue(f"{len(keys)} keys are too many", f"at most {MAX_KEYS}")
    return KeyRing(keys)


def renewed(
    text: str,
    now: float,
    *,
    every_seconds: float,
    life_seconds: float,
    make: Callable[[], str] = lambda: secrets.token_hex(32),
) -> str:
    """
    Give the text of keys that the gateway keeps for itself, with a new one in front if the newest is too old.

    @param text: as this function gave it before; empty at first. One that can't be read is begun anew.
    @param every_seconds: how long a key seals.
    @param life_seconds: how long after that what it sealed may still be shown.
    @return: the same text if nothing has to be done.
    """
    try:
        newest = read_keys(text).keys[0] if text else None
    except BadValue:
        text, newest = "", None
    # All of ours say when they end.
    if newest is not None and newest.until is not None and newest.until - life_seconds > now:
        return text
    until = _written(now + every_seconds + life_seconds)
    kept = [line for line in text.splitlines() if _lasts(line, now)][: MAX_KEYS - 1]
    return "\n".join([f"{make()} {until}", *kept])


def _lasts(line: str, now: float) -> bool:
    words = line.split()
    return len(words) == 2 and _moment(words[1], 0) > now


def _moment(text: str, number: int) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadValue(
            f"the end of the key in line {number} is no moment", 'such as "2026-12-01T08:00:00Z"'
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _written(moment: float) -> str:
    return datetime.fromtimestamp(int(moment) + 1, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
