"""Plugins of the tests: each hook does what the test says, and all that is asked is written down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import ref

from gateway.api import (
    Block,
    BodyFilter,
    Challenge,
    Client,
    ContentRefused,
    Identity,
    Plugin,
    Response,
    Route,
    Server,
    Stored,
    Transaction,
    Validator,
    Verdict,
    hookimpl,
)

Maybe = Any


class Base(Plugin):
    """
    A plugin that needs neither settings nor services.

    @ivar asked: what it was asked, in order.
    @ivar says: what it answers; called with what it was asked.
    """

    name = "test"

    def __init__(self, says: Callable[..., Any] = lambda *args: None) -> None:
        self.asked: list[Any] = []
        self.says = says


class OnConnect(Base):
    """C{client_connected}."""

    @hookimpl()
    def client_connected(self, client: Client) -> Maybe:
        """Ask the test."""
        self.asked.append(client.address)
        return self.says(client)


class OnAuthenticate(Base):
    """C{authenticate}."""

    @hookimpl()
    def authenticate(self, txn: Transaction) -> Maybe:
        """Ask the test."""
        self.asked.append(txn.request.url)
        return self.says(txn)


class OnRequest(Base):
    """C{request_headers}."""

    @hookimpl()
    def request_headers(self, txn: Transaction) -> Maybe:
        """Ask the test."""
        self.asked.append(txn.request.url)
        return self.says(txn)


class OnRequestContent(Base):
    """C{request_filters}."""

    @hookimpl()
    def request_filters(self, txn: Transaction) -> BodyFilter | None:
        """Ask the test."""
        self.asked.append(txn.request.url)
        found: BodyFilter | None = self.says(txn)
        return found


class OnLookUp(Base):
    """C{cache_lookup}."""

    @hookimpl()
    def cache_lookup(self, txn: Transaction) -> Maybe:
        """Ask the test."""
        self.asked.append(txn.request.url)
        return self.says(txn)


class OnRoute(Base):
    """C{select_upstream}."""

    @hookimpl()
    def select_upstream(self, txn: Transaction) -> Maybe:
        """Ask the test."""
        self.asked.append(txn.request.url)
        return self.says(txn)


class OnUpstream(Base):
    """C{upstream_connected}."""

    @hookimpl()
    def upstream_connected(self, txn: Transaction, server: Server) -> Maybe:
        """Ask the test."""
        self.asked.append(server)
        return self.says(txn, server)


class OnResponse(Base):
    """C{response_headers}."""

    @hookimpl()
    def response_headers(self, txn: Transaction) -> Maybe:
        """Ask the test."""
        assert txn.response is not None
        self.asked.append(txn.response.status)
        return self.says(txn)


class OnResponseContent(Base):
    """C{response_filters}."""

    @hookimpl()
    def response_filters(self, txn: Transaction) -> BodyFilter | None:
        """Ask the test."""
        self.asked.append(txn.request.url)
        found: BodyFilter | None = self.says(txn)
        return found


class OnPage(Base):
    """C{page}."""

    @hookimpl()
    def page(self, txn: Transaction, name: str) -> Maybe:
        """Ask the test."""
        self.asked.append(name)
        return self.says(txn, name)


class OnEnd(Base):
    """C{transaction_complete}."""

    @hookimpl()
    def transaction_complete(self, txn: Transaction) -> None:
        """Write down how it ended."""
        self.asked.append((txn.request.url, type(txn.outcome).__name__, txn.status, txn.phase.name))
        self.says(txn)


class Watcher(Plugin):
    """
    Remembers every transaction without keeping it alive.

    @ivar seen: a weak reference for each.
    """

    name = "watcher"

    def __init__(self) -> None:
        self.seen: list[ref[Transaction]] = []

    @hookimpl()
    def transaction_complete(self, txn: Transaction) -> None:
        """Remember it."""
        self.seen.append(ref(txn))

    @property
    def alive(self) -> int:
        """How many are still there."""
        return sum(found() is not None for found in self.seen)


class Upper(BodyFilter):
    """Makes capitals, byte for byte."""

    changes_length = False

    def data(self, chunk: bytes) -> bytes:
        """Make capitals."""
        return chunk.upper()


class Doubled(BodyFilter):
    """Gives everything twice, and a mark at the end."""

    def data(self, chunk: bytes) -> bytes:
        """Give it twice."""
        return chunk * 2

    def end(self) -> bytes:
        """Give the mark."""
        return b"!"


class Held(BodyFilter):
    """Gives nothing before the end."""

    def __init__(self) -> None:
        self._held = b""

    def data(self, chunk: bytes) -> bytes:
        """Keep it."""
        self._held += chunk
        return b""

    def end(self) -> bytes:
        """Give it."""
        return self._held


class RefusesWord(BodyFilter):
    """Refuses content with a word in it."""

    changes_length = False

    def __init__(self, word: bytes) -> None:
        self._word = word

    def data(self, chunk: bytes) -> bytes:
        """
        Look for it.

        @raise ContentRefused: it is there.
        """
        if self._word in chunk:
            raise ContentRefused(Block("a bad word", category="words"))
        return chunk


class RefusesEnd(BodyFilter):
    """Refuses at the end."""

    def data(self, chunk: bytes) -> bytes:
        """Pass it on."""
        return chunk

    def end(self) -> bytes:
        """
        Refuse.

        @raise ContentRefused: always.
        """
        raise ContentRefused(Block("not complete", status=422))


class Raises(BodyFilter):
    """Is broken."""

    def data(self, chunk: bytes) -> bytes:
        """
        Break.

        @raise ZeroDivisionError: always.
        """
        raise ZeroDivisionError("a filter is broken")


__all__ = [
    "Base",
    "Block",
    "Challenge",
    "Doubled",
    "Held",
    "Identity",
    "OnAuthenticate",
    "OnConnect",
    "OnEnd",
    "OnLookUp",
    "OnPage",
    "OnRequest",
    "OnRequestContent",
    "OnResponse",
    "OnResponseContent",
    "OnRoute",
    "OnUpstream",
    "Raises",
    "RefusesEnd",
    "RefusesWord",
    "Response",
    "Route",
    "Stored",
    "Upper",
    "Validator",
    "Verdict",
    "Watcher",
]
