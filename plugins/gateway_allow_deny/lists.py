"""
A list that is asked for each request: found in as many steps as a host has labels, however long the list is.

Names are matched on label boundaries: C{example.com} means C{sub.example.com} and never C{testexample.com}. Paths likewise:
C{/private} means C{/private/x} and never C{/privateer}.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal, TypeAlias

from gateway_allow_deny.canonical import addresses_within, path_readings
from gateway_allow_deny.entries import Entries, Entry

#: What a path in an entry means for a tunnel, in which no path can be seen: it counts as there, or as not there.
Unseen: TypeAlias = Literal["matches", "differs"]

#: In place of paths: it may be any.
_UNREADABLE: set[bytes] = set()


@dataclass(slots=True)
class Target:
    """
    What a request asks for.

    @ivar host: canonical name or address.
    @ivar is_address: the host is an address.
    @ivar scheme: C{"http"} or C{"https"}; empty for a tunnel.
    @ivar port: the port.
    @ivar path: as sent, without the query; C{None} for a tunnel.
    """

    host: str
    is_address: bool
    scheme: str
    port: int
    path: bytes | None


class Networks:
    """Entries about addresses; one look-up for each length of prefix that occurs."""

    __slots__ = ("_by_prefix",)

    def __init__(self, entries: Entries) -> None:
        found: dict[tuple[int, int], dict[int, str]] = {}
        for one in entries.networks:
            found.setdefault((one.version, one.prefix), {})[one.number] = one.text
        self._by_prefix = list(found.items())

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self._by_prefix)

    def find(self, address: str) -> str | None:
        """
        Give the entry that an address is in, C{None} if there is none.

        @param address: canonical.
        """
        if not self._by_prefix:
            return None
        parsed = ip_address(address)
        number, bits = int(parsed), parsed.max_prefixlen
        for (version, prefix), known in self._by_prefix:
            if version == parsed.version:
                text = known.get(number >> (bits - prefix))
                if text is not None:
                    return text
        return None

    def find_within(self, address: str) -> str | None:
        """Look also for the IPv4 address that an IPv6 address stands for."""
        for one in addresses_within(address):
            text = self.find(one)
            if text is not None:
                return text
        return None


class _Narrow:
    """
    What is listed of one host beyond its name.

    @ivar whole: entries without a path.
    @ivar paths: entries with one, by their path.
    @ivar tunnels: of those with a path one for each that differs to a tunnel.
    """

    __slots__ = ("paths", "tunnels", "whole")

    def __init__(self) -> None:
        self.whole: list[Entry] = []
        self.paths: dict[bytes, list[Entry]] = {}
        self.tunnels: dict[tuple[str, int], Entry] = {}

    def add(self, one: Entry, path: bytes) -> None:
        """Sort an entry in."""
        if path:
            self.paths.setdefault(path, []).append(one)
            self.tunnels.setdefault((one.scope, one.port), one)
        else:
            self.whole.append(one)


class HostList:
    """
    All entries of one list.

    To deny, a request is meant if any reading of its path is, whatever the case of its letters; to allow, if every
    reading is, as it is written.

    @ivar networks: those about addresses.
    @ivar with_paths: those with a path, which say nothing sure of a tunnel.
    """

    __slots__ = ("_deepest", "_longest", "_narrow", "_to_deny", "_trees", "networks", "with_paths")

    def __init__(self, entries: Entries, use: Literal["allow", "deny"]) -> None:
        self.networks = Networks(entries)
        self.with_paths = [one for one in entries.others if one.path]
        self._to_deny = use == "deny"
        self._trees = frozenset(entries.trees)
        self._deepest = max((one.path.count(b"/") for one in self.with_paths), default=0)
        self._longest = max((len(one.path) for one in self.with_paths), default=0)
        self._narrow: dict[str, _Narrow] = {}
        for one in entries.others:
            narrow = self._narrow.setdefault(one.host, _Narrow())
            narrow.add(one, one.path.lower() if self._to_deny else one.path)

    def find(self, target: Target, unseen: Unseen) -> str | None:
        """Give the entry that means a target, C{None} if there is none."""
        host = target.host
        if target.is_address:
            networks = self.networks
            found = networks.find_within(host) if self._to_deny else networks.find(host)
            if found is not None:
                return found
        paths: set[bytes] | None = None
        whole = True
        while True:
            if host in self._trees:
                return host
            narrow = self._narrow.get(host) if self._narrow else None
            if narrow is not None:
                for one in narrow.whole:
                    if _means(one, target, whole):
                        return one.text
                if narrow.paths and target.path is None:
                    for one in narrow.tunnels.values() if unseen == "matches" else ():
                        if _means(one, target, whole):
                            return one.text
                elif narrow.paths:
                    if paths is None:
                        paths = self._paths(target.path or b"")
                    for path in narrow.paths if paths is _UNREADABLE else paths:
                        for one in narrow.paths.get(path, ()):
                            if _means(one, target, whole):
                                return one.text
            if not host:
                return None
            # What means every host is kept under the empty one, the last.
            host = "" if target.is_address else host.partition(".")[2]
            whole = False

    def _paths(self, raw: bytes) -> set[bytes]:
        """Give the paths that, were one listed, would mean this one: those above it in any reading or in all."""
        readings = path_readings(raw)
        if readings is None:
            # To deny, what nobody can read is what was meant; to allow, it is not.
            return _UNREADABLE if self._to_deny else set()
        if self._to_deny:
            return set().union(*(self._above(one.lower()) for one in readings))
        first, *others = map(self._above, readings)
        return first.intersection(*others)

    def _above(self, path: bytes) -> set[bytes]:
        """Give a path and those above it, no deeper than any that is listed."""
        found = set()
        at = 0
        for _ in range(self._deepest):
            at = path.find(b"/", at + 1)
            if at < 0:
                if len(path) <= self._longest:
                    found.add(path)
                break
            if at > self._longest:
                break
            found.add(path[:at])
        return found


def _means(one: Entry, target: Target, whole: bool) -> bool:
    """Tell whether an entry found under a host means a target in all but its path."""
    if (one.scope == "below" and whole) or (one.scope == "exact" and not whole):
        return False
    if one.port and one.port != target.port:
        return False
    return not (one.scheme and target.scheme and one.scheme != target.scheme)
