"""
What need not be found out again when a connection's next request shows the same as the one before.

Programs that keep a connection mostly send the same field lines again, and the gateway then gives the very same list of them
(L{gateway.api.Fields.lines}: it is replaced and never changed). So one comparison of identity tells that every byte is as it
was, a secret within included, and nothing of a secret is compared. Browsers, whose lines differ from page to page, still send the
same ones of those that tell who asks: credentials, cookies, the program, proxies on the way. So it is enough that no such line is
among those that differ. Which differ is found by hashes with a key of this process; lines whose hashes are not the same are never
held against each other.

That a proof was good once does not make it good again: whatever may have ended it since is looked at for each request. It is
kept with the connection it came by and is of no use to any other one; what a trusted proxy sends, for whoever, is judged each
time. Knows nothing of schemes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import compress
from math import inf
from typing import Final, Protocol

from gateway.api import Identity, Key, Request, Rewriting, Transaction
from gateway_auth.address_book import Signs
from gateway_auth.connections import PROXY_FIELDS

#: Lines that tell who asks, whatever he is known by: the kind of program, and proxies that pass on what others ask.
_ALWAYS: Final = ("user-agent", *PROXY_FIELDS)


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
    @ivar is_basic: the proof is a remembered password.
    @ivar key: of the entry of the address cache that is the proof; empty: it is none.
    @ivar is_simple: nothing has to be looked at but whether proof and repeat have ended.
    @ivar left: the lines as L{authenticate<gateway_auth.plugin.Auth.authenticate>} leaves them.
    @ivar is_sent: so they go to the origin; else that was not found out yet, or is another time another.
    @ivar telling: finds the lines that tell who asks and those that origins must not see as they are, where nothing else of a
        request was looked at; C{None}: it holds for the very same lines alone.
    @ivar txn: the number of the transaction that it was kept or taken for last.
    @ivar signs: what the address cache looks at, as it made it; C{None}: it was not asked.
    """

    __slots__ = (
        "_rewriting",
        "_untold",
        "epoch",
        "host",
        "is_basic",
        "is_sent",
        "is_simple",
        "key",
        "left",
        "lines",
        "maker",
        "port",
        "proof",
        "scheme",
        "signs",
        "telling",
        "txn",
        "until",
    )

    def __init__(
        self,
        maker: object,
        epoch: object,
        txn: Transaction,
        lines: list[bytes],
        proof: Proof | None,
        until: float,
        *,
        is_basic: bool,
        telling: re.Pattern[bytes] | None,
    ) -> None:
        """
        Keep a request.

        @param lines: as received; what is left of them is taken from the request.
        """
        request = txn.request
        self.maker = maker
        self.epoch = epoch
        self.scheme = request.scheme
        self.host = request.host
        self.port = request.port
        self.lines = lines
        self.left = request.fields.lines
        self.proof = proof
        self.until = until
        self.is_basic = is_basic
        self.key = ""
        self.is_simple = True
        self.is_sent = False
        self.signs: Signs | None = None
        self.telling = telling
        self.txn = txn.id
        # How C{left} is made of C{lines}; found out as soon as other lines come.
        self._rewriting: Rewriting | None = None
        # Where lines tell nothing: the places of those that were others the last time. C{None}: that is not known.
        self._untold: list[bool] | None = None

    def by_address(self, proof: Proof, until: float, key: str) -> None:
        """
        Take what is known of the address for the proof, as nothing in the lines is one.

        @param until: when everybody at the address is asked again.
        @param key: of the entry.
        """
        self.proof = proof
        self.until = until
        self.key = key
        self.is_simple = False

    def sends(self, lines: list[bytes]) -> None:
        """Take note of what becomes of C{left} for the origin: so the next ones are left at once."""
        self.left = lines
        self.is_sent = True
        self._rewriting = None

    def goes_on(self, request: Request, lines: list[bytes]) -> bool:
        """
        Go over to a request with other lines if none of those that tell who asks is another one.

        @return: whether that is so. What is left of them is known then, too.
        """
        telling = self.telling
        if telling is None:
            return False
        before = self.lines
        differ = request.differing(before)
        if differ is not None:
            # Each line that tells stands where it stood, and none is new. What stood at the same places as last time did not tell then.
            text = b"\n".join((b"", *compress(lines, differ)))
            if differ != self._untold:
                text = b"\n".join((text, *compress(before, differ)))
        else:
            others = set(lines)
            if len(others) != len(lines):
                # What may stand there once is something else if it stands there twice.
                return False
            others.symmetric_difference_update(before)
            text = b"\n".join((b"", *others))
        if telling.search(text) is not None:
            return False
        self._untold = differ
        if self.left is self.lines:
            self.lines = self.left = lines
            return True
        try:
            rewriting = self._rewriting
            if rewriting is None:
                rewriting = self._rewriting = self._learnt(telling)
            self.left = rewriting.of(lines)
        except ValueError:
            self.telling = None
            return False
        self.lines = lines
        return True

    def _learnt(self, telling: re.Pattern[bytes]) -> Rewriting:
        """
        Learn how lines were rewritten.

        @raise ValueError: that can't be said, or concerns lines that may be others next time.
        """
        made = Rewriting(self.lines, self.left)
        if not made.touches_only(telling):
            raise ValueError("a line was changed that tells nothing")
        return made


def telling(names: Iterable[str]) -> re.Pattern[bytes]:
    """
    Give a pattern for the lines that tell who asks, each with a line break in front.

    @param names: of fields, beside those that always do.
    """
    found = "|".join(re.escape(name) for name in (*_ALWAYS, *names))
    return re.compile(rf"\n(?i:{found}):".encode("ascii"))


class Repeats:
    """
    Keeps repeats, for one plugin object.

    @ivar maker: stands for that object in what connections keep, as they must not keep itself after a reload.
    @ivar epoch: ends all of them.
    """

    __slots__ = ("_at_sites", "_usual", "epoch", "maker")

    def __init__(self, epoch: Epoch, usual: re.Pattern[bytes], at_sites: re.Pattern[bytes]) -> None:
        """
        Keep nothing yet.

        @param usual: finds the lines that tell who asks, by L{telling}.
        @param at_sites: likewise, in front of sites (reverse mode).
        """
        self.epoch = epoch
        self.maker = object()
        self._usual = usual
        self._at_sites = at_sites

    def keep(
        self,
        txn: Transaction,
        received: list[bytes],
        proof: Proof | None = None,
        until: float = inf,
        *,
        is_basic: bool = False,
        by_telling: bool = True,
    ) -> Repeat:
        """
        Keep what a request has shown for those of the connection that show the same; see L{Repeat}.

        @param by_telling: it was judged by its telling lines alone.
        """
        client = txn.client
        pattern = self._at_sites if client.mode == "reverse" else self._usual
        made = Repeat(
            self.maker,
            self.epoch.now,
            txn,
            received,
            proof,
            until,
            is_basic=is_basic,
            telling=pattern if by_telling else None,
        )
        client.store[LAST] = made
        return made


#: The last one of a connection.
LAST: Key[Repeat] = Key("auth.last")
