"""
What is known of clients' addresses: whose each is, and which ones several people share.

The book belongs to the running gateway and not to one plugin object (L{gateway_auth.lasting}), so a reload neither asks
everybody anew nor forgets that an address is shared or that an entry was evicted. It is in memory alone: after a restart
each user is asked once, and no list of who was where stays on a disk. Code that is read anew (C{gateway reload --fresh})
begins an empty book, for what older code has left there it may not understand.

Nothing here decides; that is done in L{gateway_auth.addresses} and L{gateway_auth.shared_addresses}.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Literal, TypeAlias, get_args

from gateway.api import Identity, Services
from gateway_auth.lasting import lasting

#: Why an address counts as shared: two users were seen there; requests from there came through another proxy; it is one
#: of C{trusted_proxies}; it is in C{shared_networks}.
Reason: TypeAlias = Literal["users", "relay", "proxy", "network"]

#: What became of a look-up.
Lookup: TypeAlias = Literal["hits", "unknown", "other_program", "probation", "relay"]

#: What a request shows of who sent it: another proxy has passed it on; the kind of program.
Signs: TypeAlias = tuple[bool, int]

#: How many kinds of programs of one address are told apart.
MOST_PROGRAMS = 16


@dataclass(slots=True, eq=False)
class Believed:
    """
    That an address is somebody's (a L{Proof<gateway_auth.repeats.Proof>}), for connections to keep.

    @ivar until: as the entry's; 0 as soon as that is gone or says something else.
    """

    identity: Identity
    until: float


@dataclass(slots=True, eq=False)
class Entry:
    """
    Whose an address is.

    @ivar key: see L{key_of}.
    @ivar address: canonical.
    @ivar identity: what requests from there are given.
    @ivar since: when the user was first seen there, on the plugin's clock; the window begins here and never moves.
    @ivar until: when it ends whatever the settings become.
    @ivar programs: for each kind of program that has authenticated, when it did so first; a kind that did not is never
        answered from the entry.
    @ivar vetted: stands for the settings that it was last held against.
    @ivar proof: what connections have of it; C{None}: nothing.
    """

    key: str
    address: str
    identity: Identity
    since: float
    until: float
    programs: dict[int, float] = field(default_factory=dict)
    vetted: object = None
    proof: Believed | None = None

    def believed(self) -> Believed:
        """Give what connections may keep."""
        if self.proof is None:
            self.proof = Believed(self.identity, self.until)
        return self.proof

    def take_back(self) -> None:
        """Let nothing count that connections have kept."""
        if self.proof is not None:
            self.proof.until = 0.0
            self.proof = None


@dataclass(slots=True, eq=False)
class Mark:
    """
    That an address is shared.

    @ivar since: when that was noticed.
    @ivar until: when it is forgotten, unless it is noticed again.
    @ivar last: the user that was seen last, to notice the next one.
    """

    address: str
    reason: Reason
    since: float
    until: float
    last: str


class AddressBook:
    """
    All entries and marks; the least recently used ones are first.

    @ivar told: networks that operators were told of already.
    @ivar lookups: how many there were of each kind.
    """

    def __init__(self) -> None:
        self.entries: OrderedDict[str, Entry] = OrderedDict()
        self.marks: OrderedDict[str, Mark] = OrderedDict()
        self.told: set[str] = set()
        self.lookups: dict[Lookup, int] = dict.fromkeys(get_args(Lookup), 0)


def book_of(services: Services) -> AddressBook:
    """Give the book of the gateway that a plugin object belongs to."""
    return lasting(services.clock, "addresses", None, AddressBook)


def key_of(address: str, mode: str) -> str:
    """Give the key of an entry: ICAP has a window of its own, and so entries of its own."""
    return f"{address} icap" if mode == "icap" else address


@lru_cache(maxsize=16384)
def canonical(address: str) -> str:
    """
    Give the one spelling of an address: without a zone, and IPv4 wherever it is mapped into IPv6 (RFC 4291 2.5.5.2).

    @return: empty if it is none, as that of the client of a unix socket.
    """
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return str(found)
