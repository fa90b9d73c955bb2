"""
A session: that a user has shown who he is, when and how, for one browser. Sealed into a cookie; nothing is kept here for it.

Who has ended one before its time, by logging out or as an operator, is L{gateway_auth.logouts}' to know.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import zlib
from dataclasses import dataclass
from functools import lru_cache

from gateway.api import Identity, Transaction
from gateway_auth.credentials import values

#: Bytes of groups, packed, that a cookie has room for: browsers take 4096 for all of it.
MAX_GROUPS = 1400

#: Bytes of groups, unpacked.
_MAX_UNPACKED = 256 * 1024

_MAX_USER = 512


@dataclass(frozen=True, slots=True)
class Session:
    """
    A user who has logged in.

    @ivar since: when, in seconds since the epoch; every cookie made of this session ends so long after that.
    @ivar groups: as they were then; C{None}: too many for a cookie.
    @ivar source: by which scheme, such as C{"basic"} or C{"form"}.
    @ivar bound: what of the client it is bound to, hashed; see L{binding}.
    """

    user: str
    since: float
    groups: frozenset[str] | None
    source: str
    bound: str

    @classmethod
    def begin(cls, identity: Identity, now: float, bound: str) -> Session:
        """Begin one, for somebody who has just shown who he is."""
        return cls(identity.user, now, identity.groups, identity.source, bound)

    def identity(self, groups: frozenset[str]) -> Identity:
        """Say who it is."""
        return Identity(self.user, groups, "cookie")

    def packed(self) -> list[object]:
        """Give what JSON can write."""
        groups: str | None = None
        if self.groups is not None:
            raw = zlib.compress("\n".join(sorted(self.groups)).encode(), 9)
            if len(raw) <= MAX_GROUPS:
                groups = base64.b64encode(raw).decode("ascii")
        # Never later than it was, or who signs out in the same moment would not be out.
        since = int(self.since * 1000) / 1000
        return [self.user[:_MAX_USER], since, groups, self.source, self.bound]

    @classmethod
    def unpacked(cls, values: object) -> Session:
        """
        Take what L{packed} gave. It was sealed by us, so there is nothing to doubt but another version's form.

        @raise ValueError: it has another form.
        """
        match values:
            case [
                str(user),
                int() | float() as since,
                None | str() as packed,
                str(source),
                str(bound),
            ]:
                return cls(user, float(since), _groups(packed), source, bound)
        raise ValueError("a session of another form")


def written(*values: object) -> bytes:
    """Write what is sealed."""
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode()


def read(content: bytes) -> list[object]:
    """
    Read what was sealed.

    @raise ValueError: another version wrote it.
    """
    values = json.loads(content)
    if not isinstance(values, list):
        raise ValueError("no list")
    return values


def fresh_id() -> str:
    """Make up a name that nobody guesses."""
    return base64.urlsafe_b64encode(os.urandom(12)).decode("ascii")


def binding(txn: Transaction, *, to_address: bool) -> str:
    """
    Hash what a browser's cookie is bound to.

    @param to_address: the client's address too, not only the kind of browser.
    """
    agent = ", ".join(values(txn.request.fields.lines, b"\nuser-agent:"))
    return _digest(txn.client.address if to_address else "", agent)


@lru_cache(maxsize=1024)
def _digest(address: str, agent: str) -> str:
    digest = hashlib.sha256(f"{address}\0{agent}".encode("utf-8", "replace")).digest()
    return base64.urlsafe_b64encode(digest[:12]).decode("ascii")


def client_hash(txn: Transaction) -> str:
    """Hash what stays the same of a client for the minutes of a login."""
    return binding(txn, to_address=True)


def same(one: str, other: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())


def _groups(packed: str | None) -> frozenset[str] | None:
    if packed is None:
        return None
    unpacking = zlib.decompressobj()
    text = unpacking.decompress(base64.b64decode(packed), _MAX_UNPACKED).decode()
    return frozenset(text.split("\n")) if text else frozenset()
