"""
Sealed texts: what the gateway gives into a browser's hands and believes when it comes back.

Encrypted by AES-256-CTR, then signed by HMAC-SHA256 over everything; the signature is checked first, in constant time, and
nothing unsigned is decrypted. The two keys are derived (RFC 5869) for each I{purpose} and I{context}, such as "cookie" and
an origin, so that a text of one origin is noise at another one, and a login form's text is none for a session.

Sealed: C{KEY.DATA.TAG}, of characters that may stand in cookies and in queries. It ends by itself; whoever must be sure
that it is used once asks L{Once}.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import struct
from collections import OrderedDict
from collections.abc import Callable
from typing import Literal, TypeAlias

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR

from gateway_auth.keys import Key, KeyRing

#: Longer texts are not even looked at; a URL within one has at most L{MAX_URL} characters.
MAX_SEALED = 24 * 1024

#: Of characters; a longer one is not remembered through a login.
MAX_URL = 8000

#: How far the clocks of two nodes may be apart, seconds.
SKEW = 60.0

#: What somebody is told of in the log: C{malformed}: no text of ours; C{key}: a key that is not known or has ended;
#: C{forged}: changed, or made for another purpose or origin; C{expired}; C{early}: made in the future.
Fault: TypeAlias = Literal["malformed", "key", "forged", "expired", "early"]

_IV = 16
_TIMES = struct.Struct(">QQ")


class BadToken(Exception):
    """
    A text is not believed.

    @ivar reason: for the log and the metrics.
    """

    def __init__(self, reason: Fault) -> None:
        super().__init__(reason)
        self.reason: Fault = reason


class NoKey(Exception):
    """There is nothing to seal with: all keys have ended, or they are not read yet."""


class Tokens:
    """
    Seals and opens.

    @ivar changed: called when other keys were set: what was opened before may be opened no longer.
    """

    def __init__(
        self,
        keys: KeyRing | None,
        now: Callable[[], float],
        changed: Callable[[], object] = lambda: None,
    ) -> None:
        """
        Take the keys.

        @param now: seconds since the epoch.
        """
        self._keys = keys
        self.now = now
        self.changed = changed

    @property
    def keys(self) -> KeyRing | None:
        """The keys; may be set anew at any time. C{None}: there are none yet, and nothing is believed."""
        return self._keys

    @keys.setter
    def keys(self, keys: KeyRing | None) -> None:
        self._keys = keys
        self.changed()

    def seal(self, purpose: str, context: str, content: bytes, seconds: float) -> str:
        """
        Seal.

        @param seconds: how long it is good for.
        @raise NoKey: there is no key.
        """
        now = self.now()
        key = None if self.keys is None else self.keys.sealing(now)
        if key is None:
            raise NoKey
        encrypting, signing = _derived(key, purpose, context)
        iv = os.urandom(_IV)
        # To the next whole second: what lives for a second must not be dead on arrival.
        plain = _TIMES.pack(int(now), int(now + seconds) + 1) + content
        encryptor = Cipher(AES256(encrypting), CTR(iv)).encryptor()
        data = _encoded(iv + encryptor.update(plain) + encryptor.finalize())
        return f"{key.id}.{data}.{_encoded(_tag(signing, key.id, data))}"

    def open(self, purpose: str, context: str, text: str) -> bytes:
        """
        Open what L{seal} gave for the same purpose and context, here or at a node with the same key.

        @raise BadToken: it is not believed.
        """
        return self.opened(purpose, context, text)[0]

    def opened(self, purpose: str, context: str, text: str) -> tuple[bytes, float]:
        """
        Open it, and tell when it ends, by itself or with its key, in seconds since the epoch.

        @raise BadToken: as L{open}.
        """
        if len(text) > MAX_SEALED or not text.isascii():
            raise BadToken("malformed")
        id, dot, rest = text.partition(".")
        data, second_dot, tag = rest.partition(".")
        if not dot or not second_dot:
            raise BadToken("malformed")
        now = self.now()
        key = None if self.keys is None else self.keys.get(id, now)
        if key is None:
            raise BadToken("key")
        encrypting, signing = _derived(key, purpose, context)
        # The texts are compared, not what they decode to: one content has one spelling only.
        expected = _encoded(_tag(signing, id, data))
        if not hmac.compare_digest(expected.encode("ascii"), tag.encode("ascii")):
            raise BadToken("forged")
        raw = _decoded(data)
        if len(raw) < _IV + _TIMES.size:
            raise BadToken("malformed")
        decryptor = Cipher(AES256(encrypting), CTR(raw[:_IV])).decryptor()
        plain = decryptor.update(raw[_IV:]) + decryptor.finalize()
        begin, end = _TIMES.unpack_from(plain)
        if now >= end:
            raise BadToken("expired")
        if begin > now + SKEW:
            raise BadToken("early")
        return plain[_TIMES.size :], float(end) if key.until is None else min(end, key.until)


class Once:
    """
    Remembers what was used, until that would have ended anyway.

    @ivar size: the most that is remembered. Only what was sealed here is ever asked about, so a stranger can't fill it.
    """

    def __init__(self, size: int = 10_000) -> None:
        self.size = size
        self._used: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._used)

    def use(self, id: str, now: float, seconds: float) -> bool:
        """
        Use it.

        @param now: seconds of any clock, always of the same.
        @param seconds: how long it could be used at the most, from now on; the same for all that is asked about here.
        @return: C{False} if it was used before.
        """
        used = self._used
        while used and next(iter(used.values())) <= now:
            used.popitem(last=False)
        if id in used:
            return False
        if len(used) >= self.size:
            used.popitem(last=False)
        used[id] = now + seconds
        return True


def _derived(key: Key, purpose: str, context: str) -> tuple[bytes, bytes]:
    # No purpose has a NUL, so no two pairs run into one.
    both = key.derived(f"token 1\0{purpose}\0{context}".encode(), 64)
    return both[:32], both[32:]


def _tag(signing: bytes, id: str, data: str) -> bytes:
    return hmac.digest(signing, f"{id}.{data}".encode("ascii"), "sha256")


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _decoded(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise BadToken("malformed") from None
