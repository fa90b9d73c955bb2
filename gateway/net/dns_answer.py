"""
What a name server's message says about one question: RFC 1034, RFC 1035 and, for what is not there, RFC 2308.

Only records that belong to the question are believed: those of the name asked for, or of the names that its aliases
lead to. No I/O here.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TypeAlias, cast

from twisted.names import dns

#: Aliases followed within one message; real chains have two or three.
_CHAIN = 16


@dataclass(frozen=True, slots=True)
class Addresses:
    """
    The name has these addresses.

    @ivar ttl: seconds; the least of the whole chain.
    """

    addresses: tuple[str, ...]
    ttl: int


@dataclass(frozen=True, slots=True)
class Alias:
    """The name is an alias, and the server did not say for what address: the other name has to be asked for."""

    target: str
    ttl: int


@dataclass(frozen=True, slots=True)
class NoData:
    """
    The name exists without an address of this kind.

    @ivar ttl: how long this may be believed, C{None} if the server didn't say (RFC 2308 section 5).
    """

    ttl: int | None


@dataclass(frozen=True, slots=True)
class NoName:
    """There is no such name. The fields are those of L{NoData}."""

    ttl: int | None


Answer: TypeAlias = Addresses | Alias | NoData | NoName


def answers_question(message: dns.Message, asked: dns.Message) -> bool:
    """Tell whether a message is the response to a query of ours, and not a stray or forged one."""
    if message.id != asked.id or not message.answer or len(message.queries) != 1:
        return False
    ours, theirs = asked.queries[0], message.queries[0]
    return bool(
        theirs.type == ours.type
        and theirs.cls == ours.cls
        and theirs.name.name.lower() == ours.name.name.lower()
    )


def read_answer(message: dns.Message, name: str, kind: int) -> Answer:
    """
    Read a response that is complete and whose code is C{OK} or C{ENAME}.

    @param name: the name that was asked for, in its canonical form.
    @param kind: C{dns.A} or C{dns.AAAA}.
    """
    aliases: dict[str, tuple[str, int]] = {}
    found: dict[str, list[tuple[str, int]]] = {}
    for record in message.answers:
        if record.cls != dns.IN:
            continue
        owner = _text(record.name)
        if record.type == dns.CNAME:
            target = cast(dns.Name, cast(dns.Record_CNAME, record.payload).name)
            aliases.setdefault(owner, (_text(target), _seconds(record.ttl)))
        elif record.type == kind:
            payload = cast("dns.Record_A | dns.Record_AAAA", record.payload)
            found.setdefault(owner, []).append((_address(payload), _seconds(record.ttl)))
    at, ttl, seen = name, 2**31, {name}
    while at in aliases and at not in found:
        at, alias_ttl = aliases[at]
        ttl = min(ttl, alias_ttl)
        if at in seen or len(seen) > _CHAIN:
            return NoData(None)
        seen.add(at)
    if at in found:
        addresses = tuple(dict.fromkeys(address for address, _ in found[at]))
        return Addresses(addresses, min([ttl, *(seconds for _, seconds in found[at])]))
    negative = _negative_ttl(message)
    if message.rCode == dns.ENAME:
        return NoName(negative)
    if at != name and negative is None:
        return Alias(at, ttl)
    return NoData(negative)


def _negative_ttl(message: dns.Message) -> int | None:
    # The SOA's minimum, or its own time to live where that is less (RFC 2308 section 5).
    for record in message.authority:
        if record.type == dns.SOA:
            soa = cast(dns.Record_SOA, record.payload)
            return min(_seconds(int(soa.minimum)), _seconds(record.ttl))
    return None


def _seconds(ttl: int | None) -> int:
    # A value with the highest bit set counts as zero (RFC 2181 section 8).
    return 0 if ttl is None or not 0 <= ttl < 2**31 else ttl


def _address(payload: dns.Record_A | dns.Record_AAAA) -> str:
    packed = payload.address or bytes(4)
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def _text(name: dns.Name) -> str:
    # A label may hold any byte (RFC 2181 section 11); what is no ASCII equals no name that we ask for.
    return name.name.decode("ascii", "replace").lower().removesuffix(".")
