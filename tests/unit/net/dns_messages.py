"""Name servers' messages for tests, and a name server that answers when it is told to."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.names import dns


def message(
    name: str,
    *records: dns.RRHeader,
    kind: int = dns.A,
    code: int = dns.OK,
    authority: tuple[dns.RRHeader, ...] = (),
) -> dns.Message:
    """Make a response to a question, as it would be read from the wire."""
    made = dns.Message(id=7, answer=1, rCode=code)
    made.addQuery(name.encode("ascii"), kind, dns.IN)
    made.answers = list(records)
    made.authority = list(authority)
    read = dns.Message()
    read.fromStr(made.toStr())
    return read


def a(name: str, address: str, ttl: int = 60) -> dns.RRHeader:
    """Make an A record."""
    return dns.RRHeader(name.encode("ascii"), dns.A, dns.IN, ttl, dns.Record_A(address, ttl))


def aaaa(name: str, address: str, ttl: int = 60) -> dns.RRHeader:
    """Make an AAAA record."""
    return dns.RRHeader(name.encode("ascii"), dns.AAAA, dns.IN, ttl, dns.Record_AAAA(address, ttl))


def cname(name: str, target: str, ttl: int = 60) -> dns.RRHeader:
    """Make a CNAME record."""
    return dns.RRHeader(
        name.encode("ascii"), dns.CNAME, dns.IN, ttl, dns.Record_CNAME(target.encode("ascii"), ttl)
    )


def soa(minimum: int, ttl: int) -> dns.RRHeader:
    """Make the SOA record that comes with a negative answer."""
    payload = dns.Record_SOA(b"ns.example", b"admin.example", minimum=minimum, ttl=ttl)
    return dns.RRHeader(b"example", dns.SOA, dns.IN, ttl, payload)


class ScriptedServers:
    """
    Somebody to ask whose answers the test gives.

    @ivar asked: the questions not yet answered.
    @ivar log: every question, and every one that was cancelled.
    """

    def __init__(self) -> None:
        self.asked: dict[tuple[str, int], Deferred[dns.Message]] = {}
        self.log: list[str] = []

    def ask(self, name: str, kind: int) -> Deferred[dns.Message]:
        """Keep a question."""
        word = f"{name} {dns.QUERY_TYPES[kind]}"
        self.log.append(word)
        made: Deferred[dns.Message] = Deferred(lambda _: self.log.append(f"cancelled {word}"))
        self.asked[name, kind] = made
        return made

    def answer(
        self,
        name: str,
        kind: int,
        *records: dns.RRHeader,
        code: int = dns.OK,
        authority: tuple[dns.RRHeader, ...] = (),
    ) -> None:
        """Answer a question."""
        self.asked.pop((name, kind)).callback(
            message(name, *records, kind=kind, code=code, authority=authority)
        )

    def fail(self, name: str, kind: int, fault: Exception) -> None:
        """Let a question fail."""
        self.asked.pop((name, kind)).errback(fault)
