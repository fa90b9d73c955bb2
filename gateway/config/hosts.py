"""
Host names and patterns of them: which requests a parent proxy takes, which site a Host field means.

Patterns match on label boundaries only: C{*.example.com} never matches C{badexample.com}. Names are compared in lower
case and without the dot of the root; international names stand in their ASCII form (RFC 5890 A-labels).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from gateway.config.faults import BadValue
from gateway.config.networks import Network, NetworkSet, is_address, network

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")


def host_name(text: str) -> str:
    """
    Check a host name or address and give it in lower case, without brackets.

    @raise BadValue: for anything that cannot be a host.
    """
    name = text.lower()
    if name.startswith("[") and name.endswith("]") and ":" in name:
        name = name[1:-1]
    if is_address(name):
        return name
    if not name.isascii():
        raise BadValue(f'"{text}" is not ASCII', _ascii_advice(name))
    labels = name.removesuffix(".").split(".")
    if len(name) > 253 or not all(map(_LABEL.fullmatch, labels)) or labels[-1].isdigit():
        raise BadValue(f'"{text}" is not a host name or an IP address')
    return name.removesuffix(".")


def site_host(text: str) -> str:
    """
    Check a host of a site: a name, C{*.name} or C{*}.

    @raise BadValue: also for a wildcard anywhere but as the whole leftmost label.
    """
    if text == "*":
        return text
    if re.search(r":[0-9]+$", text) and not is_address(text):
        raise BadValue(
            f'"{text}" has a port',
            "a site answers on every port that it listens on: leave the port out",
        )
    if text.startswith("*."):
        if "*" not in text[2:]:
            return "*." + host_name(text[2:])
    elif "*" not in text:
        return host_name(text)
    raise BadValue(
        f'"{text}": a wildcard is the whole leftmost label and stands alone',
        'write "*.example.com" or "*"',
    )


class HostSet:
    """
    A frozen set of hosts, asked by C{host in hosts}.

    A pattern is a name (that host alone), C{*.name} (everything below it), C{.name} (it and everything below), C{*}
    (every host), an address or a network; the last two match only a host that is written as an address.
    """

    __slots__ = ("_all", "_below", "_exact", "_networks", "patterns")

    patterns: tuple[str, ...]

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self.patterns = tuple(patterns)
        self._all = False
        exact: set[str] = set()
        below: set[str] = set()
        networks: list[Network] = []
        for pattern in self.patterns:
            if pattern == "*":
                self._all = True
            elif "/" in pattern or is_address(pattern.strip("[]")):
                networks.append(network(pattern.strip("[]")))
            elif pattern.startswith("."):
                exact.add(host_name(pattern[1:]))
                below.add(host_name(pattern[1:]))
            else:
                name = site_host(pattern)
                if name.startswith("*."):
                    below.add(name[2:])
                else:
                    exact.add(name)
        self._exact = frozenset(exact)
        self._below = frozenset(below)
        self._networks = NetworkSet(networks)

    def __contains__(self, host: str) -> bool:
        """Tell whether a pattern matches; C{host} is a name in any case, or an address without brackets."""
        if self._all:
            return True
        if is_address(host):
            return host in self._networks
        name = host.lower().removesuffix(".")
        if name in self._exact:
            return True
        if self._below:
            at = name.find(".")
            while at >= 0:
                if name[at + 1 :] in self._below:
                    return True
                at = name.find(".", at + 1)
        return False

    def __iter__(self) -> Iterator[str]:
        """Go through the patterns as they were given."""
        return iter(self.patterns)

    def __len__(self) -> int:
        """Count the patterns; an empty set is false."""
        return len(self.patterns)

    def __eq__(self, other: object) -> bool:
        """Tell whether both were made of the same patterns."""
        return isinstance(other, HostSet) and self.patterns == other.patterns

    def __hash__(self) -> int:
        """Hash by the patterns."""
        return hash(self.patterns)

    def __repr__(self) -> str:
        """Write the patterns."""
        return f"HostSet({', '.join(self.patterns)})"


def _ascii_advice(name: str) -> str:
    try:
        return f'write "{name.encode("idna").decode("ascii")}"'
    except UnicodeError:
        return "write the xn-- form"
