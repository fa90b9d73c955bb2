"""
Digest (RFC 7616) for local users: the password itself is never sent.

Nonces are signed and not stored: the moment, some noise, and a code over both that only this process can make. What is
stored is which counts of which nonces were used, so that nothing that was heard can be sent again. That is bounded: when it is
full the oldest nonce is forgotten, and from then on no nonce of that age or older is taken.

C{auth-int} is not offered: it needs the content before the request may pass. Neither are nonces without a count (RFC 2069).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import struct
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from gateway.api import Clock, Request
from gateway_auth.credentials import BadCredentials, parameters
from gateway_auth.verifier import Refused

#: A nonce is good for so long; then the client is given another one without asking its user.
NONCE_SECONDS: Final = 300.0
#: So many nonces in use are kept.
MOST_NONCES: Final = 20000
#: Of each nonce, so far behind the highest count others may come, as connections overtake each other.
WINDOW: Final = 64

_HASHES: Final[dict[str, Callable[[bytes], str]]] = {
    # For clients that know nothing better; the hash is not what keeps a password of Digest.
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
}
#: In the order in which they are offered.
ALGORITHMS: Final = ("SHA-256", "MD5")
_NEEDED: Final = ("username", "realm", "nonce", "uri", "response", "qop", "nc", "cnonce")
_COUNT: Final = re.compile(r"[0-9A-Fa-f]{8}")


class Stale(Exception):
    """The nonce is too old, or was made by another process: everything else may be right."""


@dataclass(slots=True)
class _Used:
    """
    The counts of one nonce that were used.

    @ivar highest: of them.
    @ivar bits: bit n: C{highest - n} was used.
    """

    made: float
    highest: int = 0
    bits: int = 0


class Nonces:
    """Makes nonces, and takes each count of each of them once."""

    def __init__(
        self, clock: Clock, *, seconds: float = NONCE_SECONDS, most: int = MOST_NONCES
    ) -> None:
        self._clock = clock
        self._seconds = seconds
        self._most = most
        self._secret = secrets.token_bytes(32)
        self._used: OrderedDict[bytes, _Used] = OrderedDict()
        self._forgotten = float("-inf")

    def make(self) -> str:
        """Make a nonce."""
        head = struct.pack(">d", self._clock.seconds()) + secrets.token_bytes(8)
        return base64.urlsafe_b64encode(head + self._code(head)).decode("ascii")

    def check(self, nonce: str) -> bytes:
        """
        Check that a nonce is ours and young enough.

        @return: what L{use} takes.
        @raise Stale: it is not.
        """
        try:
            raw = base64.b64decode(nonce.encode("ascii"), b"-_", validate=True)
        except ValueError:
            raise Stale from None
        if len(raw) != 32 or not hmac.compare_digest(raw[16:], self._code(raw[:16])):
            raise Stale
        (made,) = struct.unpack(">d", raw[:8])
        if self._clock.seconds() - made >= self._seconds or made <= self._forgotten:
            raise Stale
        return raw[:16]

    def use(self, nonce: bytes, count: int) -> None:
        """
        Take a count of a nonce.

        @param nonce: as L{check} gave it.
        @raise Stale: it was used before, or is too far behind others to be known.
        """
        used = self._used.get(nonce)
        if used is None:
            (made,) = struct.unpack(">d", nonce[:8])
            self._make_room()
            if made <= self._forgotten:
                raise Stale
            used = self._used[nonce] = _Used(made)
        ahead = count - used.highest
        if ahead > 0:
            used.bits = (used.bits << min(ahead, WINDOW) | 1) & ((1 << WINDOW) - 1)
            used.highest = count
            return
        if -ahead >= WINDOW or used.bits >> -ahead & 1:
            raise Stale
        used.bits |= 1 << -ahead

    def _make_room(self) -> None:
        """Forget nonces that nobody can use any more, and where that is not enough the oldest ones."""
        old = self._clock.seconds() - self._seconds
        while self._used:
            first = next(iter(self._used))
            made = self._used[first].made
            if made > old and len(self._used) < self._most:
                break
            del self._used[first]
            # They are in the order of first use and not of making, so this may reject a nonce that is good.
            self._forgotten = max(self._forgotten, made)

    def _code(self, head: bytes) -> bytes:
        return hmac.digest(self._secret, head, "sha256")[:16]


class Digest:
    """
    Checks answers to our challenges.

    @ivar nonces: shared by all that were made of one process's key.
    """

    def __init__(
        self, realm: str, nonces: Nonces, known: Callable[[str, str, str], str | None]
    ) -> None:
        """
        Prepare.

        @param known: gives the hash of a user, a realm and an algorithm, C{None} if there is none.
        """
        self.nonces = nonces
        self._realm = realm
        self._known = known
        self._decoy = secrets.token_hex(32)

    def challenges(self, *, stale: bool) -> tuple[str, ...]:
        """
        Give what stands in the fields of a challenge.

        @param stale: what the client sent was right but for its nonce, so it needs not ask its user.
        """
        nonce = self.nonces.make()
        again = ", stale=true" if stale else ""
        return tuple(
            f'Digest realm="{self._realm}", nonce="{nonce}", qop="auth", algorithm={algorithm}, '
            f"charset=UTF-8, userhash=false{again}"
            for algorithm in ALGORITHMS
        )

    def user_of(self, rest: bytes) -> str:
        """
        Give the name that credentials claim, for the limiter.

        @raise BadCredentials: they are none.
        """
        return _user(parameters(rest))

    def check(self, rest: bytes, request: Request) -> str:
        """
        Check credentials.

        @return: the user.
        @raise BadCredentials: they are none, or are for another request.
        @raise Refused: the password is wrong, or nobody has that name.
        @raise Stale: the password is right, but the nonce is used up.
        """
        said = parameters(rest)
        user = _user(said)
        if any(name not in said for name in _NEEDED if name != "username"):
            raise BadCredentials("a parameter is missing")
        algorithm = said.get("algorithm", "MD5").upper()
        digest = _HASHES.get(algorithm)
        if digest is None or said["qop"].lower() != "auth":
            raise BadCredentials("this was not offered")
        if said["realm"] != self._realm or said.get("userhash", "false").lower() != "false":
            raise BadCredentials("this is for somebody else")
        if not is_target(said["uri"], request):
            raise BadCredentials("this is for another request")
        count = _count(said["nc"])
        known = self._known(user, self._realm, algorithm)
        second = digest(f"{request.method}:{said['uri']}".encode())
        wanted = digest(
            f"{known or self._decoy}:{said['nonce']}:{said['nc']}:{said['cnonce']}:{said['qop']}:{second}".encode()
        )
        given = said["response"].lower().encode("utf-8", "surrogatepass")
        is_right = hmac.compare_digest(given, wanted.encode())
        if known is None:
            raise Refused("unknown_user")
        if not is_right:
            # With a nonce of another process too: what is wrong stays wrong.
            raise Refused("wrong_password")
        self.nonces.use(self.nonces.check(said["nonce"]), count)
        return user


def is_target(uri: str, request: Request) -> bool:
    """
    Tell whether C{uri} is what is asked for (RFC 7616 section 3.4.6).

    Clients of proxies write the whole URI or its path alone, and of a CONNECT the authority.
    """
    target = request.raw_target.decode("latin-1")
    if uri == target or uri == request.url:
        return True
    if request.raw_method == b"CONNECT" or "://" not in uri:
        return False
    try:
        parts = urlsplit(uri)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        return False
    rest = (parts.path or "/") + (f"?{parts.query}" if "?" in uri else "")
    return (parts.scheme, parts.hostname, port, rest) == (
        request.scheme,
        request.host,
        request.port,
        target,
    )


def _user(said: dict[str, str]) -> str:
    if "username*" in said:
        charset, _, rest = said["username*"].partition("'")
        _, quote, encoded = rest.partition("'")
        if "username" in said or charset.lower() != "utf-8" or not quote:
            raise BadCredentials("a name that can't be read")
        try:
            return unquote(encoded, errors="strict")
        except UnicodeDecodeError:
            raise BadCredentials("a name that can't be read") from None
    if "username" not in said:
        raise BadCredentials("no name")
    return said["username"]


def _count(text: str) -> int:
    if not _COUNT.fullmatch(text) or text == "00000000":
        raise BadCredentials("no count")
    return int(text, 16)
