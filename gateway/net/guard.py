"""
Which addresses the forward proxy may not connect to.

Names play no part here: the judge sees the address that is about to be dialled, so a name that changes its answer
between two look-ups (DNS rebinding) gains nothing. What must not be reached is this machine (loopback, the unspecified
address, our own listeners), its link (where clouds keep their metadata), groups instead of hosts, and whatever the
configuration adds. Private networks are not refused: reaching them is what a company's proxy is for.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection
from operator import itemgetter
from typing import Protocol

from gateway.net.own_addresses import is_own_address

#: Above this the remembered judgements are dropped; one costs some 200 bytes.
_REMEMBERED = 4096

_PORT = itemgetter(1)
_ANY = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to


class Networks(Protocol):
    """A set of networks that can be asked for an address: L{NetworkSet<gateway.config.networks.NetworkSet>}."""

    def __contains__(self, address: str, /) -> bool:
        """Tell whether an address is in one of the networks."""


class Guard:
    """
    The destination guard of one configuration.

    C{deny} wins over C{allow}, C{allow} over the built-in rules, and our own listeners over everything: a connection
    to one of them is a loop.
    """

    def __init__(
        self,
        allow: Networks = (),
        deny: Networks = (),
        own: Callable[[], Collection[tuple[str, int]]] = tuple,
    ) -> None:
        """
        Make a guard; C{allow} and C{deny} must not change.

        @param own: gives the address and port of every listener at the moment; C{0.0.0.0} and C{::} stand for every
            address of this machine.
        """
        self._allow = allow
        self._deny = deny
        self._own = own
        self._judged: dict[str, str | None] = {}

    def check(self, address: str, port: int) -> str | None:
        """
        Judge a destination.

        @param address: a literal address; anything else is refused as C{"not_an_address"}.
        @return: the name of the rule that forbids it, C{None} when it may be dialled.
        """
        own = self._own()
        if port in map(_PORT, own) and self._is_own(address, port, own):
            return "own_listener"
        try:
            return self._judged[address]
        except KeyError:
            if len(self._judged) >= _REMEMBERED:
                self._judged.clear()
            rule = self._judged[address] = self._judge(address)
            return rule

    def _judge(self, address: str) -> str | None:
        spellings = _spellings(address)
        if not spellings:
            return "not_an_address"
        if any(spelling in self._deny for spelling in spellings):
            return "deny_destinations"
        if any(spelling in self._allow for spelling in spellings):
            return None
        for spelling in spellings:
            rule = _built_in(spelling)
            if rule is not None:
                return rule
        return None

    def _is_own(self, address: str, port: int, own: Collection[tuple[str, int]]) -> bool:
        for spelling in _spellings(address):
            if (spelling, port) in own:
                return True
            if any((any_address, port) in own for any_address in _ANY) and (
                _built_in(spelling) in ("loopback", "unspecified") or is_own_address(spelling)
            ):
                return True
            # The kernel takes the unspecified address for loopback.
            if spelling in _ANY and any((local, port) in own for local in ("127.0.0.1", "::1")):
                return True
        return False


def _spellings(address: str) -> tuple[str, ...]:
    """
    Give an address in its canonical form, then every IPv4 address that it carries inside.

    A gateway that translates or tunnels may take a packet from the outer to the inner address, so both are judged.
    """
    if ":" not in address:
        try:
            socket.inet_pton(socket.AF_INET, address)
        except (OSError, ValueError):
            return ()
        return (address,)
    try:
        packed = socket.inet_pton(socket.AF_INET6, address)
    except (OSError, ValueError):
        return ()
    outer = socket.inet_ntop(socket.AF_INET6, packed)
    return outer, *(socket.inet_ntop(socket.AF_INET, inner) for inner in _embedded(packed))


def _embedded(packed: bytes) -> list[bytes]:
    """Give the IPv4 addresses that the known transition formats keep in an IPv6 address."""
    last = packed[12:]
    if packed[:10] == bytes(10):
        # Mapped and compatible (RFC 4291 section 2.5.5); :: and ::1 are addresses of their own.
        if packed[10:12] == b"\xff\xff" or (packed[10:12] == bytes(2) and last[:3] != bytes(3)):
            return [last]
    elif packed[:8] == bytes(8) and packed[8:12] == b"\xff\xff\0\0":
        return [last]  # Translated (RFC 2765 section 2.1).
    elif packed[:12] == b"\0\x64\xff\x9b" + bytes(8):
        return [last]  # NAT64 (RFC 6052 section 2.1).
    elif packed[:6] == b"\0\x64\xff\x9b\0\1":
        # NAT64 for local use (RFC 8215): a site divides it as it likes, so every place of RFC 6052
        # section 2.2 counts; zeros mean that it is another place.
        places = (
            last,
            packed[6:8] + packed[9:11],
            packed[7:8] + packed[9:12],
            packed[9:13],
        )
        return [place for place in places if place[0]]
    elif packed[:2] == b"\x20\x02":
        return [packed[2:6]]  # 6to4 (RFC 3056 section 2).
    elif packed[:4] == b"\x20\x01\0\0":
        # Teredo (RFC 4380 section 4): the server, and the client with its bits turned round.
        return [packed[4:8], bytes(byte ^ 0xFF for byte in last)]
    if packed[8:12] in (b"\0\0\x5e\xfe", b"\2\0\x5e\xfe"):
        return [last]  # ISATAP (RFC 5214 section 6.1).
    return []


def _built_in(address: str) -> str | None:
    """Name the rule that forbids an address in canonical form whatever the configuration says about others."""
    if address in _METADATA:
        return "cloud_metadata"
    if ":" not in address:
        packed = socket.inet_pton(socket.AF_INET, address)
        first = packed[0]
        if first == 127:
            return "loopback"
        if first == 0:
            return "unspecified"  # "This network" (RFC 6890); Linux takes 0.0.0.0 for loopback.
        if first == 169 and packed[1] == 254:
            return "link_local"
        if 224 <= first <= 239:
            return "multicast"
        return "broadcast" if packed == b"\xff\xff\xff\xff" else None
    packed = socket.inet_pton(socket.AF_INET6, address)
    if packed[0] == 0xFF:
        return "multicast"
    if packed[0] == 0xFE and packed[1] & 0xC0 == 0x80:
        return "link_local"
    if packed[:15] == bytes(15):
        return {0: "unspecified", 1: "loopback"}.get(packed[15])
    return None


#: Where clouds answer with credentials outside of the link-local networks: AWS and Google over IPv6, Alibaba, Oracle,
#: and Azure's host agent.
_METADATA = frozenset(
    {"fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192", "168.63.129.16"}
)
