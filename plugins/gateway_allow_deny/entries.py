"""
Entries of the lists: what one line means, and a whole file of them.

The forms of an entry::

    example.com             the host and everything below it, on every port
    .example.com            the same
    *.example.com           everything below it, not the host itself
    =example.com            the host alone
    *                       every host
    example.com:8443        on this port alone
    example.com/private     this path and everything below it
    https://example.com/x   by this scheme, on its own port unless one is written
    192.0.2.7  10.0.0.0/8  2001:db8::/32      addresses, also those that a name turns out to mean

Knows nothing of transactions. A file is read when the settings are, so that a fault in it is one of the configuration.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Literal, TypeAlias

from gateway.api.settings import BadValue
from gateway_allow_deny.canonical import canonical_host, is_plain, path_readings

#: Which hosts an entry means: itself and all below, all below, itself.
Scope: TypeAlias = Literal["tree", "below", "exact"]

_SCHEMES = {"http": 80, "https": 443}
_NETWORK = re.compile(r"[0-9A-Fa-f:.]+/[0-9]{1,3}")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_PARTS = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?"
    r"(?P<mark>\*\.|\.|=)?"
    r"(?P<host>\[[^\]/]*\]|[^/:?#]*)"
    r"(?::(?P<port>[0-9]+))?"
    r"(?P<path>/[^?#]*)?"
)
#: So many faults of one file are shown.
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """
    An entry that says more than a host and all below it.

    @ivar text: as it was written.
    @ivar host: canonical; empty for every host.
    @ivar scope: which hosts it means.
    @ivar scheme: C{"http"}, C{"https"} or empty for both.
    @ivar port: 0 for every port.
    @ivar path: canonical; empty for every path.
    """

    text: str
    host: str
    scope: Scope = "tree"
    scheme: str = ""
    port: int = 0
    path: bytes = b""


@dataclass(frozen=True, slots=True)
class Network:
    """
    An entry that means addresses.

    @ivar text: as it was written.
    @ivar version: 4 or 6.
    @ivar prefix: how many bits count.
    @ivar number: these bits, as a number.
    """

    text: str
    version: int
    prefix: int
    number: int


@dataclass(slots=True)
class Entries:
    """
    Entries as they are found; merged into one list at the end.

    @ivar trees: hosts that are meant with all below them; nearly everything in a long list is one.
    @ivar others: all the other entries about hosts.
    @ivar networks: entries about addresses.
    """

    trees: set[str] = field(default_factory=set)
    others: list[Entry] = field(default_factory=list)
    networks: list[Network] = field(default_factory=list)

    def add(self, text: str) -> None:
        """
        Add an entry.

        @raise BadValue: it means nothing.
        """
        # A long list is long in these, so they come first and cheap.
        if len(text) <= 253 and is_plain(text):
            self.trees.add(text)
            return
        found = entry(text)
        if isinstance(found, Network):
            self.networks.append(found)
        elif found == Entry(found.text, found.host) and found.host:
            self.trees.add(found.host)
        else:
            self.others.append(found)

    def update(self, other: Entries) -> None:
        """Add all of another."""
        self.trees |= other.trees
        self.others += other.others
        self.networks += other.networks


@dataclass(frozen=True, slots=True)
class ListFile:
    """
    A file of entries that was read.

    @ivar path: where it is.
    @ivar entries: what is in it.
    """

    path: str
    entries: Entries

    def __str__(self) -> str:
        """Give the path, as it is written in the settings."""
        return self.path


def entry(text: str) -> Entry | Network:
    """
    Read one entry.

    @raise BadValue: it means nothing, or could mean two things.
    """
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if _NETWORK.fullmatch(bare):
        return _network(text, bare)
    if _IPV6.fullmatch(bare):
        host = canonical_host(bare)
        if host is not None:
            return _network(text, host)
    found = _PARTS.fullmatch(text)
    if found is None:
        raise BadValue(f'"{text}" is no host, URL or network', _why(text))
    scheme = (found["scheme"] or "").lower()
    if scheme and scheme not in _SCHEMES:
        raise BadValue(f'"{text}": the scheme is {scheme}', "http and https alone can be listed")
    port = _port(text, found["port"]) if found["port"] else _SCHEMES.get(scheme, 0)
    path = _path(text, found["path"] or "")
    if found["host"] == "*" and not found["mark"]:
        return Entry(text, "", "tree", scheme, port, path)
    host = canonical_host(found["host"])
    if host is None:
        raise BadValue(f'"{text}" is no host, URL or network', _why(text))
    if _is_address(host):
        if found["mark"] not in (None, "="):
            raise BadValue(f'"{text}": nothing is below an address', f'"{host}"')
        if not (scheme or port or path):
            return _network(text, host)
        return Entry(text, host, "exact", scheme, port, path)
    scope: Scope = {"*.": "below", "=": "exact"}.get(found["mark"] or "", "tree")  # type: ignore[assignment]
    return Entry(text, host, scope, scheme, port, path)


def read_list(path: str) -> ListFile:
    """
    Read a file: one entry in a line, UTF-8; what follows a C{#} at the begin of a line or behind white space is a comment.

    @raise BadValue: it can't be read, or lines of it mean nothing; they are named by file and line.
    """
    entries = Entries()
    faults: list[str] = []
    count = 0
    try:
        with open(path, "rb") as lines:
            content = lines.read()
    except OSError as error:
        raise BadValue(f"{path} can't be read: {error.strerror}") from None
    for number, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        try:
            text = _uncommented(raw.decode("utf-8")).strip()
            if text:
                entries.add(text)
        except (BadValue, UnicodeDecodeError) as error:
            count += 1
            if len(faults) < _SHOWN:
                faults.append(f"{path}:{number}: {_said(error)}")
    if faults:
        more = f"; and {count - len(faults)} more" if count > len(faults) else ""
        raise BadValue("; ".join(faults) + more)
    return ListFile(path, entries)


def gathered(written: Iterable[Entry | Network], files: Iterable[ListFile]) -> Entries:
    """Put together what stands in the settings and in the files."""
    made = Entries()
    for one in written:
        made.add(one.text)
    for file in files:
        made.update(file.entries)
    return made


def _uncommented(line: str) -> str:
    if "#" not in line:
        return line
    return re.split(r"(?:^|\s)#", line, maxsplit=1)[0]


def _said(error: Exception) -> str:
    if not isinstance(error, BadValue):
        return "this is not UTF-8"
    return f"{error.message} ({error.mend})" if error.mend else error.message


def _network(text: str, written: str) -> Network:
    try:
        network = ip_network(written)
    except ValueError as error:
        advice = "write it like 10.0.0.0/8 or 2001:db8::/32"
        if "host bits" in str(error):
            advice = f"{ip_network(written, strict=False)} for the network"
        raise BadValue(f'"{text}" is no network', advice) from None
    version, prefix = network.version, network.prefixlen
    number = int(network.network_address)
    if version == 6 and prefix >= 96 and number >> 32 == 0xFFFF:
        # What maps IPv4 is IPv4 (RFC 4291 section 2.5.5.2).
        version, prefix, number = 4, prefix - 96, number & 0xFFFFFFFF
    bits = 32 if version == 4 else 128
    return Network(text, version, prefix, number >> (bits - prefix))


def _port(text: str, digits: str) -> int:
    if len(digits) > 5 or not 1 <= int(digits) <= 65535:
        raise BadValue(f'"{text}": the port is not in 1..65535')
    return int(digits)


def _path(text: str, written: str) -> bytes:
    """Give the canonical path of an entry; one that origins read differently is no good in a list."""
    if "*" in written:
        raise BadValue(
            f'"{text}": there are no wildcards in a path', "a path means itself and all below it"
        )
    readings = path_readings(written.encode("utf-8"))
    if readings is None or len(readings) != 1:
        raise BadValue(
            f'"{text}": servers read this path in different ways',
            "write it without dot segments, parameters and encoded slashes",
        )
    return readings[0]


def _is_address(host: str) -> bool:
    return ":" in host or host.rpartition(".")[2].isdigit()


def _why(text: str) -> str:
    if "@" in text:
        return "leave out the user and password"
    if "?" in text:
        return "queries can't be listed: leave out the ? and what follows"
    if "*" in text:
        return '"*" stands alone or as the whole first label: *.example.com'
    if any(character.isspace() for character in text):
        return "one entry in a line"
    return "such as example.com, =www.example.com, example.com/path, 10.0.0.0/8"
