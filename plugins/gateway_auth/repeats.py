"""
What need not be found out again when a connection's next request has the very same lines as the one before.

Programs that keep a connection mostly send the same field lines again, and the gateway then gives the very same list of them
(L{gateway.api.Fields.lines}: it is replaced and never changed). So one comparison of identity tells that every byte is as it
was, a secret within included, and nothing of a secret is compared. Browsers, whose lines differ from page to page, have the same
C{Cookie} and C{User-Agent}, which are compared in constant time.

That a proof was good once does not make it good again: whatever may have ended it since is looked at for each request. It is
kept with the connection it came by and is of no use to any other one; what a trusted proxy sends, for whoever, is judged each
time. Knows nothing of schemes.
"""

from __future__ import annotations

from hmac import compare_digest
from math import inf
from typing import Protocol

from gateway.api import Identity, Key, Request, Transaction
from gateway_auth.cookies import stripped
from gateway_auth.credentials import named


class Proof(Protocol):
    """
    That somebody has shown who he is, by whatever: kept where it was found out, and taken back there.

    @ivar identity: who he is.
    @ivar until: when it ends on the monotonic clock; 0 once it was taken back. It never grows.
    """

    @property
    def identity(self) -> Identity:
        """Who he is."""

    @property
    def until(self) -> float:
        """When it ends."""


class Epoch:
    """
    Ends what is kept of all connections at once: replaced whenever a user was evicted or logged out, or his password or
    groups have changed. One for the gateway, whichever plugin object notices.

    @ivar now: stands for what was known then; compared by identity.
    """

    __slots__ = ("now",)

    def __init__(self) -> None:
        self.now = object()

    def end(self) -> None:
        """Let nothing count that was kept before."""
        self.now = object()


class Repeat:
    """
    A request that somebody was known by, or by which nobody shows who he is.

    @ivar maker: stands for the settings that it was judged by.
    @ivar epoch: L{Epoch.now} at that time.
    @ivar scheme: of whom it was asked, with C{host} and C{port}.
    @ivar lines: as they were received.
    @ivar proof: C{None}: nothing in these lines says who it is.
    @ivar until: when it has to be looked again in any case, on the monotonic clock.
    @ivar keys: by which a cookie was opened, to be held against those of now; C{None} where there is no cookie.
    @ivar is_basic: the proof is a remembered password.
    @ivar left: the lines as L{authenticate<gateway_auth.plugin.Auth.authenticate>} has left them.
    @ivar sent: what became of C{left} for the origin; C{None} as long as that was not found out.
    @ivar cookie: the C{Cookie} line, if the proof was judged by that and C{agent} alone, and whoever has both in other lines has
        shown the same.
    @ivar agent: the C{User-Agent} line; empty: there is none.
    @ivar answered: the lines of an answer that set no cookie of ours.
    @ivar signs: what the address cache looks at, as it made it; C{None}: it was not asked.
    """

    __slots__ = (
        "_rest",
        "agent",
        "answered",
        "cookie",
        "epoch",
        "host",
        "is_basic",
        "keys",
        "left",
        "lines",
        "maker",
        "port",
        "proof",
        "scheme",
        "sent",
        "signs",
        "until",
    )

    def __init__(
        self,
        maker: object,
        epoch: object,
        request: Request,
        lines: list[bytes],
        proof: Proof | None = None,
        until: float = 0.0,
        *,
        keys: object = None,
        is_basic: bool = False,
    ) -> None:
        """
        Keep a request.

        @param lines: as received; what is left of them is taken from the request.
        """
        self.maker = maker
        self.epoch = epoch
        self.scheme = request.scheme
        self.host = request.host
        self.port = request.port
        self.lines = lines
        self.left = request.fields.lines
        self.proof = proof
        self.until = until
        self.keys = keys
        self.is_basic = is_basic
        self.sent: list[bytes] | None = None
        self.answered: list[bytes] | None = None
        self.signs: tuple[bool, int] | None = None
        self.cookie: bytes | None = None
        self.agent = b""
        # What the origin gets of C{cookie}.
        self._rest: bytes | None = None

    def take_cookie(self) -> None:
        """Remember by which lines a cookie was judged, for requests that have those among others."""
        found, agents = named(self.lines, _COOKIE), named(self.lines, _AGENT)
        if len(found) == 1 and len(agents) < 2:
            self.cookie = found[0]
            self._rest = stripped(found[0])
            self.agent = agents[0] if agents else b""

    def goes_on(self, lines: list[bytes]) -> bool:
        """
        Go over to other lines if these show the same: the same cookies and program, and no credentials for a proxy.

        @return: whether they do. What is sent of them is known then, too.
        """
        cookie = self.cookie
        text = b"\n".join((b"", *lines, b""))
        lowered = text.lower()
        at = lowered.find(_COOKIE)
        if cookie is None or at < 0 or _CREDENTIALS in lowered:
            return False
        end = text.index(b"\n", at + 1)
        if not compare_digest(text[at + 1 : end], cookie) or lowered.find(_COOKIE, end) >= 0:
            return False
        at = lowered.find(_AGENT)
        agent = b""
        if at >= 0:
            end = text.index(b"\n", at + 1)
            agent = text[at + 1 : end]
            if lowered.find(_AGENT, end) >= 0:
                return False
        if agent != self.agent:
            return False
        if self.sent is not None:
            if self.sent is self.left:
                self.sent = lines
            else:
                place = lines.index(cookie)
                rest = self._rest
                self.sent = [
                    *lines[:place],
                    *(() if rest is None else (rest,)),
                    *lines[place + 1 :],
                ]
        self.lines = self.left = lines
        return True

    def is_of(self, maker: object, epoch: object, request: Request) -> bool:
        """Tell whether it holds for a request with the same lines: asked of the same origin, and nothing has changed since."""
        return (
            self.maker is maker
            and self.epoch is epoch
            and self.host == request.host
            and self.port == request.port
            and self.scheme == request.scheme
        )


class Repeats:
    """
    Keeps repeats, for one plugin object.

    @ivar maker: stands for that object in what connections keep, as they must not keep itself after a reload.
    @ivar epoch: ends all of them.
    """

    __slots__ = ("epoch", "maker")

    def __init__(self, epoch: Epoch) -> None:
        self.epoch = epoch
        self.maker = object()

    def keep(
        self,
        txn: Transaction,
        received: list[bytes],
        proof: Proof | None = None,
        until: float = inf,
        *,
        keys: object = None,
        is_basic: bool = False,
    ) -> Repeat:
        """Keep what a request has shown for those of the connection that have the same lines; see L{Repeat}."""
        made = Repeat(
            self.maker,
            self.epoch.now,
            txn.request,
            received,
            proof,
            until,
            keys=keys,
            is_basic=is_basic,
        )
        txn.client.store[LAST] = made
        return made


_COOKIE = b"\ncookie:"
_AGENT = b"\nuser-agent:"
_CREDENTIALS = b"\nproxy-authorization:"

#: The last one of a connection.
LAST: Key[Repeat] = Key("auth.last")
