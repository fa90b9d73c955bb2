"""
Who asked, told from hop to hop: X-Forwarded-For and its kin, and Forwarded (RFC 7239).

Read from right to left: the last entry is by our peer, the one before it by whoever that entry names, and so on; an
entry is worth as much as the hop that wrote it. Written by one of three policies:

 - C{delete}: nothing of the kind leaves; the client's network stays private (the forward proxy's default).
 - C{append}: what a peer that is not trusted says of itself is dropped, or it could be anybody; ours stands alone. The
   chain of a trusted peer is continued in the field or fields it came in (the reverse proxy's default).
 - C{keep}: left as received, nothing added.

Nothing here knows connections or settings; who is trusted comes in as a set of addresses.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, Protocol, TypeAlias

Policy: TypeAlias = Literal["delete", "append", "keep"]

#: Names, in lower case, by which a message speaks of the hops before; an untrusted peer's are dropped together.
FORWARDING_FIELDS = frozenset(
    (
        b"forwarded",
        b"x-forwarded",
        b"x-forwarded-by",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-path",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
        b"x-forwarded-protocol",
        b"x-forwarded-scheme",
        b"x-forwarded-server",
        b"x-forwarded-ssl",
        b"x-forwarded-uri",
        b"x-real-ip",
    )
)

#: Hops that are followed; a longer chain is a loop or a lie, and what is left of this point counts for nothing.
MAX_HOPS = 32


class Addresses(Protocol):
    """A set of addresses; it may know networks, and may refuse to be asked about anything else."""

    def __contains__(self, address: str, /) -> bool:
        """
        Tell whether an address is in it.

        @raise ValueError: that is no address.
        """


class ReceivedField(Protocol):
    """A field line taken apart."""

    @property
    def name(self) -> bytes:
        """Its name in lower case."""

    @property
    def value(self) -> bytes:
        """Its value without surrounding white space."""

    @property
    def line(self) -> bytes:
        """The whole line as received."""


def client_address(
    xff_values: Sequence[bytes],
    forwarded_values: Sequence[bytes],
    peer: str,
    trusted: Addresses,
) -> str:
    """
    Tell the address of the client that a chain of trusted hops speaks for.

    The walk begins at C{peer} and goes on while the address in hand is trusted. An entry that is no address ends it,
    and the last address in hand is the answer: it is the one that at least was seen by a trusted hop.

    X-Forwarded-For wins where both are there, since nearly every proxy writes that one. A proxy in front therefore has
    to remove the field that it doesn't write itself, or its own clients could tell their story in it.

    @param xff_values: values of X-Forwarded-For, in the order of their lines.
    @param forwarded_values: values of Forwarded, likewise.
    @param peer: address of the peer; may be empty (a unix socket), which no one trusts.
    @param trusted: asked as L{trusts} does.
    """
    address = peer
    if not trusts(trusted, address):
        return address
    read, values = (_read_xff, xff_values) if xff_values else (_read_forwarded, forwarded_values)
    left = MAX_HOPS
    for value in reversed(values):
        entries = read(value, left)
        left -= len(entries)
        for entry in entries:
            if entry is None:
                return address
            address = entry
            if not trusts(trusted, address):
                return address
        if left <= 0:
            break
    return address


def trusts(trusted: Addresses, address: str) -> bool:
    """Tell whether an address is in a set; one that the set can't be asked about (C{ValueError}) is not."""
    try:
        return address in trusted
    except ValueError:
        return False


class Forwarding:
    """
    What one client connection adds to each request of its own, ready-made.

    @ivar drops: the received lines named in L{FORWARDING_FIELDS} must not go on; L{lines} gives those that do.
    """

    __slots__ = (
        "_address",
        "_begins",
        "_continues",
        "_fixed",
        "_host",
        "_made",
        "_writes",
        "drops",
        "scheme",
    )

    def __init__(
        self,
        policy: Policy,
        address: str,
        scheme: str,
        *,
        trusted: bool,
        forwarded: bool = True,
    ) -> None:
        """
        Prepare for a connection.

        @param address: the sender's, as the next hop shall read it: the peer's, or the one that its PROXY protocol
            header names. Not what L{client_address} found: that one is in the chain already.
        @param scheme: C{"http"} or C{"https"}, of the client's connection.
        @param trusted: the peer's own chain is continued; only C{append} looks at it. See L{trusts}.
        @param forwarded: where no chain came, Forwarded is begun beside X-Forwarded-For.
        """
        self.drops = policy != "keep"
        self.scheme = scheme
        self._writes = policy == "append"
        self._continues = self._writes and trusted
        self._begins = forwarded
        self._address = address.encode("ascii") or b"unknown"
        self._fixed = (
            b"X-Forwarded-For: " + self._address,
            b"X-Forwarded-Proto: " + scheme.encode("ascii"),
        )
        self._host = b""
        self._made: tuple[bytes, ...] = ()

    def lines(self, host: bytes, received: Sequence[ReceivedField] = ()) -> tuple[bytes, ...]:
        """
        Give the lines to add, without line ends. The same tuple as before while C{host} stays the same.

        @param host: value of the client's Host field, already validated; empty if it sent none (HTTP/1.0).
        @param received: the client's lines named in L{FORWARDING_FIELDS}, in order.
        """
        if not self._writes:
            return ()
        if received and self._continues:
            return self._continued(host, received)
        if host != self._host or not self._made:
            made = (*self._fixed, *_host_line(host))
            self._made = (*made, b"Forwarded: " + self._element(host)) if self._begins else made
            self._host = host
        return self._made

    def _continued(self, host: bytes, received: Sequence[ReceivedField]) -> tuple[bytes, ...]:
        chain: list[bytes] = []
        forwarded: list[bytes] = []
        names: set[bytes] = set()
        made: list[bytes] = []
        for field in received:
            names.add(field.name)
            if field.name == b"x-forwarded-for":
                chain.append(field.value)
            elif field.name == b"forwarded":
                forwarded.append(field.value)
            else:
                made.append(field.line)
        # One line, not one more: many an origin reads only the first or the last of several.
        if chain or not forwarded:
            made.append(b"X-Forwarded-For: " + b", ".join([*filter(None, chain), self._address]))
        if forwarded or (self._begins and not chain):
            element = self._element(host)
            made.append(b"Forwarded: " + b", ".join([*filter(None, forwarded), element]))
        if b"x-forwarded-proto" not in names:
            made.append(self._fixed[1])
        if b"x-forwarded-host" not in names:
            made.extend(_host_line(host))
        return tuple(made)

    def _element(self, host: bytes) -> bytes:
        address = self._address
        node = b'"[' + address + b']"' if b":" in address else address
        element = b"for=" + node
        if host:
            element += b";host=" + (host if _TOKEN.fullmatch(host) else _quoted(host))
        return element + b";proto=" + self.scheme.encode("ascii")


_MAX_ENTRY = 128
_MAX_ELEMENT = 1024
_MAX_COMMAS = 8

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_XFF = re.compile(
    rb"(?P<ipv4>[0-9.]{7,15})(?::(?:[0-9]{1,5}|_[0-9A-Za-z._-]{1,64}))?"
    rb"|\[(?P<bracketed>[0-9A-Fa-f:.]{2,45})\](?::(?:[0-9]{1,5}|_[0-9A-Za-z._-]{1,64}))?"
    rb"|(?P<bare>[0-9A-Fa-f:.]{2,45})"
)
_PAIR = rb"""[!#$%&'*+\-.^_`|~0-9A-Za-z]++=(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]++|"(?:[^"\\]|\\.)*+")"""
# White space around the semicolons is not in RFC 7239's grammar but in real messages.
_ELEMENT = re.compile(rb"[ \t]*%s(?:[ \t]*;[ \t]*(?:%s)?)*[ \t]*" % (_PAIR, _PAIR), re.DOTALL)
_FOR = re.compile(
    rb"""(?:^|;)[ \t]*for=(?:([!#$%&'*+\-.^_`|~0-9A-Za-z]+)|"([^"\\]*)")[ \t]*(?=;|$)""",
    re.IGNORECASE,
)
_QUOTED_STRING = re.compile(rb'=("(?:[^"\\]|\\.)*+")', re.DOTALL)


def _host_line(host: bytes) -> tuple[bytes, ...]:
    return (b"X-Forwarded-Host: " + host,) if host else ()


def _quoted(text: bytes) -> bytes:
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def _read_xff(value: bytes, limit: int) -> list[str | None]:
    """Give the entries from the right; C{None} for one that is no address."""
    entries = reversed(value.rsplit(b",", limit)[-limit:])
    # Empty elements of a list are skipped (RFC 9110 section 5.6.1.2).
    return [_address(entry) for entry in entries if entry.strip(b" \t")]


def _address(entry: bytes) -> str | None:
    """Read an address, with or without a port; an IPv4-mapped one comes back as what it maps."""
    entry = entry.strip(b" \t")
    # Longer than any, and not to be remembered.
    return _known_address(entry) if len(entry) <= _MAX_ENTRY else None


@lru_cache(1024)
def _known_address(entry: bytes) -> str | None:
    found = _XFF.fullmatch(entry)
    if found is None:
        return None
    text = (found["ipv4"] or found["bracketed"] or found["bare"]).decode("ascii")
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return str(address.ipv4_mapped or address)
    # Brackets are for IPv6 alone.
    return None if found["bracketed"] else str(address)


def _read_forwarded(value: bytes, limit: int) -> list[str | None]:
    """
    Give the nodes of C{for=} from the right; C{None} for an element without one, or with a name in place of one.

    A quoted string may hold commas, so elements can't simply be split; and reading from the left would let a client
    swallow the entries of honest hops behind it by an open quotation mark. The shortest text at the end that is a
    whole element is the last element: a part of one that begins inside a quoted string never is a whole one, as
    it holds an odd number of quotation marks.
    """
    nodes: list[str | None] = []
    end = len(value)
    # Twice the limit, for empty elements are skipped and not counted.
    for _ in range(2 * limit):
        if end < 0 or len(nodes) == limit:
            break
        start = end
        for _ in range(_MAX_COMMAS):
            start = value.rfind(b",", max(0, end - _MAX_ELEMENT), start)
            element = value[start + 1 : end]
            if start == -1 or not element.strip(b" \t") or _ELEMENT.fullmatch(element):
                break
        if element.strip(b" \t"):
            nodes.append(_node(element))
            if nodes[-1] is None:
                break
        end = start
    return nodes


def _node(element: bytes) -> str | None:
    if len(element) > _MAX_ELEMENT or not _ELEMENT.fullmatch(element):
        return None
    # What other parameters quote must not be taken for a parameter.
    bare = _QUOTED_STRING.sub(lambda found: b"=" + found[1].replace(b";", b"_"), element)
    found = _FOR.findall(bare)
    if len(found) != 1:
        return None
    token, quoted = found[0]
    node: bytes = token or quoted
    if b":" in node and not node.startswith(b"[") and node.count(b":") != 1:
        # An IPv6 address stands in brackets (RFC 7239 section 6).
        return None
    return _address(node)
