"""
Passwords that were checked lately, so that Basic, which comes with every request, is not asked of a directory each time.

Nothing is kept of a password but a hash with the key of this process, which is never written anywhere. Good and bad ones
are kept apart, so that a flood of wrong ones pushes no good one out.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass

from gateway.api import Clock, Identity
from gateway_auth.verifier import Reason

#: So many spellings and passwords of one user are remembered: old and new one, with domain and without.
_MOST_OF_USER = 8


@dataclass(slots=True, eq=False)
class Good:
    """
    Credentials that are good (a L{Proof<gateway_auth.repeats.Proof>}).

    @ivar password: a keyed hash of it alone.
    @ivar until: when they have to be checked anew, on the monotonic clock; 0 as soon as they are forgotten.
    """

    identity: Identity
    password: bytes
    until: float


@dataclass(frozen=True, slots=True)
class _Bad:
    reason: Reason
    expires: float


class Remembered:
    """
    What was found out about credentials.

    @ivar hits: how often good ones were found.
    @ivar refused_hits: how often bad ones were.
    """

    def __init__(
        self, clock: Clock, *, seconds: float, refused_seconds: float, most: int = 20000
    ) -> None:
        """
        Begin with nothing.

        @param seconds: for how long good ones are remembered, from when they were checked.
        @param refused_seconds: for how long bad ones are; 0.0: not at all.
        @param most: how many of each.
        """
        self.hits = 0
        self.refused_hits = 0
        self._clock = clock
        self._seconds = seconds
        self._refused_seconds = refused_seconds
        self._most = most
        self._secret = secrets.token_bytes(32)
        self._good: OrderedDict[bytes, Good] = OrderedDict()
        self._bad: OrderedDict[bytes, _Bad] = OrderedDict()
        self._of_user: dict[str, list[bytes]] = {}

    def key(self, credentials: bytes) -> bytes:
        """Give that under which credentials are remembered; nobody without the process's key can make it."""
        return hashlib.blake2b(credentials, key=self._secret, digest_size=32).digest()

    def identity(self, key: bytes) -> Identity | None:
        """Tell whose credentials they are; C{None} if it is not known, or no longer."""
        found = self.good(key)
        return None if found is None else found.identity

    def good(self, key: bytes) -> Good | None:
        """Give what is known of good credentials; C{None} if it is not known, or no longer."""
        found = self._good.get(key)
        if found is None:
            return None
        if found.until <= self._clock.seconds():
            self._drop(key)
            return None
        self.hits += 1
        return found

    def refused(self, key: bytes) -> Reason | None:
        """Tell why they were refused; C{None} if they were not, or not lately."""
        found = self._bad.get(key)
        if found is None:
            return None
        if found.expires <= self._clock.seconds():
            del self._bad[key]
            return None
        self.refused_hits += 1
        return found.reason

    def keep(self, key: bytes, identity: Identity, password: str) -> None:
        """
        Remember that credentials are good, and that no other password of this user is any more.

        @param password: of which a keyed hash is kept, to tell another spelling of the name from another password.
        """
        hashed = self.key(b"\0" + password.encode("utf-8", "surrogatepass"))
        for other in list(self._of_user.get(identity.user, ())):
            if not hmac.compare_digest(self._good[other].password, hashed):
                self._drop(other)
        self._bad.pop(key, None)
        self._drop(key)
        self._good[key] = Good(identity, hashed, self._clock.seconds() + self._seconds)
        keys = self._of_user.setdefault(identity.user, [])
        keys.append(key)
        if len(keys) > _MOST_OF_USER:
            self._drop(keys[0])
        if len(self._good) > self._most:
            self._drop(next(iter(self._good)))

    def refuse(self, key: bytes, reason: Reason) -> None:
        """Remember that credentials are bad, and that they are good no longer."""
        self._drop(key)
        if not self._refused_seconds:
            return
        self._bad.pop(key, None)
        self._bad[key] = _Bad(reason, self._clock.seconds() + self._refused_seconds)
        if len(self._bad) > self._most:
            self._bad.popitem(last=False)

    def forget(self, user: str) -> int:
        """Forget all good credentials of a user; tells how many there were."""
        keys = list(self._of_user.get(user, ()))
        for key in keys:
            self._drop(key)
        return len(keys)

    def forget_refused(self) -> None:
        """Forget all bad ones, as what they were held against has changed."""
        self._bad.clear()

    def __len__(self) -> int:
        """Count the good ones."""
        return len(self._good)

    def _drop(self, key: bytes) -> None:
        found = self._good.pop(key, None)
        if found is None:
            return
        # For whoever has it at hand.
        found.until = 0.0
        keys = self._of_user[found.identity.user]
        keys.remove(key)
        if not keys:
            del self._of_user[found.identity.user]
