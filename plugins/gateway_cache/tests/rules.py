"""Builders for the tests of the rules: messages from pairs, at a moment that is always the same."""

from __future__ import annotations

from gateway_cache.dates import write_date
from gateway_cache.entry import Head
from gateway_cache.keys import Place
from gateway_cache.messages import Answer, Asked
from gateway_cache.policy import Policy
from gateway_cache.storable import NotStorable, Storable, storable

#: Sun, 22 Nov 2026 08:00:00 GMT, and half a second.
NOW = 1_795_334_400.5
TARGET = Place("https", "www.example.com", 443, b"/path?query=1")
POLICY = Policy(name="")


def lines(*fields: str) -> list[bytes]:
    """Make field lines."""
    return [field.encode("latin-1") for field in fields]


def at(seconds: float) -> str:
    """Write the date so many seconds from now."""
    return write_date(NOW + seconds).decode()


def request(*fields: str, method: bytes = b"GET") -> Asked:
    """Make a request."""
    return Asked(method, lines(*fields))


def answer(*fields: str, status: int = 200) -> Answer:
    """Make a response."""
    return Answer(status, lines(*fields))


def judged(
    *fields: str,
    asked: Asked | None = None,
    status: int = 200,
    policy: Policy = POLICY,
    took: float = 0.0,
) -> Storable | NotStorable:
    """Judge a response, received now."""
    return storable(
        request() if asked is None else asked,
        answer(*fields, status=status),
        policy,
        requested=NOW - took,
        received=NOW,
        target=TARGET,
    )


def stored(
    *fields: str,
    asked: Asked | None = None,
    status: int = 200,
    policy: Policy = POLICY,
    took: float = 0.0,
) -> Head:
    """Store a response, received now."""
    verdict = judged(*fields, asked=asked, status=status, policy=policy, took=took)
    assert isinstance(verdict, Storable), verdict
    return verdict.head(b"key", status)
