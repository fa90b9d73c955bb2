"""
Request targets: the four forms of RFC 9112 section 3.2 and the authority in C{Host} (RFC 9110 section 7.2, RFC 3986).

Bytes from the request line or a field come in; a host that is fit to be compared, resolved and logged comes out, or
L{InvalidTarget}. A host has one spelling here, whatever the client wrote, because rules, site tables and the
destination guard all compare it; what could be read as two different hosts is refused and never repaired.

Nothing here knows what a target is used for, and nothing here resolves names.
"""

from __future__ import annotations

import ipaddress
import re

#: Ports that need not be written, by scheme (RFC 9110 sections 4.2.1 and 4.2.2).
DEFAULT_PORTS = {"http": 80, "https": 443}


class InvalidTarget(ValueError):
    """
    A target or authority that is refused. The caller answers with a 4xx and passes nothing on.

    @ivar status: the status of the answer.
    @ivar page: the name of the page that explains it; also the reason's name in the log.
    @ivar detail: one sentence for people, without any of the client's bytes.
    """

    def __init__(self, detail: str, *, status: int = 400, page: str = "bad_target") -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.page = page


def parse_authority(raw: bytes, default_port: int | None) -> tuple[str, int]:
    """
    Read C{host[:port]}, as in C{Host} and in the target of a CONNECT.

    The host comes back in lower case and without the dot that may end a name; an IPv6 address without brackets and in
    the short form of RFC 5952, or as the IPv4 address that it maps. A host whose last label is a number has to be an IPv4 address in four decimal parts:
    C{127.1}, C{2130706433} and C{0x7f.0.0.1} mean loopback to many resolvers and something else to every rule.

    @param default_port: the port where none is written; C{None} if one has to be (CONNECT, RFC 9110 section 9.3.6).
    @raise InvalidTarget: empty, user information, a character that no host has, percent-encoding, a bad port.
    """
    key = (raw, default_port)
    known = _authorities.get(key)
    if known is not None:
        return known
    made = _authority(raw, default_port)
    if len(_authorities) >= _MAX_AUTHORITIES:
        # Cheaper than any order of leaving; whoever floods it with names makes us parse, as without a cache.
        _authorities.clear()
    _authorities[key] = made
    return made


def parse_absolute(raw: bytes, method: bytes = b"GET") -> tuple[str, str, int, bytes]:
    """
    Read an absolute-form target (RFC 9112 section 3.2.2).

    The origin-form is what a next hop gets that is no proxy: the path as it was sent, C{/} for an empty one, and C{*}
    for an OPTIONS request with neither path nor query (RFC 9112 section 3.2.4).

    @return: scheme in lower case, host and port as L{parse_authority} gives them, origin-form.
    @raise InvalidTarget: not C{http} or C{https}, user information (RFC 9110 section 4.2.4), a fragment, or a
        character that no target has.
    """
    found = _ABSOLUTE.fullmatch(raw)
    if found is None:
        raise _why_not_absolute(raw)
    authority, rest = found.group(2, 3)
    # The group takes four or five letters in any case.
    scheme, port = ("https", 443) if len(found[1]) == 5 else ("http", 80)
    host, port = parse_authority(authority, port)
    if not rest:
        return scheme, host, port, b"*" if method == b"OPTIONS" else b"/"
    return scheme, host, port, rest if rest[0] == _SLASH else b"/" + rest


def valid_origin_form(raw: bytes) -> bool:
    """
    Tell whether it is an origin-form target: a slash, then visible ASCII but no C{#}.

    That is more than RFC 3986 allows: browsers and scripts send C{|}, C{"}, C{\\{\\}} and a bare C{%} unencoded every day,
    and none of them can end a request line. 8-bit bytes are refused: no two servers agree on what they spell.
    """
    return _ORIGIN_FORM.fullmatch(raw) is not None


def format_authority(scheme: str, host: str, port: int) -> bytes:
    """Write the value of C{Host} for a parsed host; the scheme's own port is left out."""
    text = f"[{host}]" if ":" in host else host
    if DEFAULT_PORTS.get(scheme) != port:
        text = f"{text}:{port}"
    return text.encode("ascii")


_MAX_AUTHORITIES = 1024
_SLASH = 0x2F

_authorities: dict[tuple[bytes, int | None], tuple[str, int]] = {}

_ORIGIN_FORM = re.compile(rb'/[!"$-~]*')
_ABSOLUTE = re.compile(rb'(https?)://([^/?#@]*)((?:[/?][!"$-~]*)?)', re.IGNORECASE)

# No possessive group: CPython before 3.11.4 forgets to step back from a half-matched last round of one (Debian 12 has
# 3.11.2). Labels as the DNS has them, with the underscore that real names have (RFC 2181 section 11). The rest of RFC 3986's
# reg-name (sub-delims, percent-encoding) names no host on any network and has been used only to confuse.
_HOST_PORT = re.compile(
    rb"(?:(?P<name>[0-9A-Za-z_-]{1,63}(?:\.[0-9A-Za-z_-]{1,63})*)(?P<dot>\.?)"
    rb"|\[(?P<ipv6>[0-9A-Fa-f:.]{2,45})\])"
    rb"(?::(?P<port>[0-9]*))?"
)
_PORT = re.compile(rb"[1-9][0-9]{0,4}")
# WHATWG URL, "ends in a number": what a resolver may take for one part of an address.
_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
_IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:\.(?!$)|$)){4}")
_MAX_NAME = 253


def _authority(raw: bytes, default_port: int | None) -> tuple[str, int]:
    found = _HOST_PORT.fullmatch(raw)
    if found is None:
        raise _why_no_authority(raw)
    name, dot, ipv6, port = found.group("name", "dot", "ipv6", "port")
    host = _named(name.decode("ascii").lower(), bool(dot)) if name else _ipv6(ipv6.decode("ascii"))
    if not port:
        if default_port is None:
            raise InvalidTarget("the target names no port")
        return host, default_port
    if not _PORT.fullmatch(port) or int(port) > 65535:
        raise InvalidTarget("the port is not a number from 1 to 65535")
    return host, int(port)


def _named(host: str, dot: bool) -> str:
    if len(host) > _MAX_NAME:
        raise InvalidTarget("the host name is longer than any name can be")
    if _NUMBER.fullmatch(host) and (dot or not _IPV4.fullmatch(host)):
        raise InvalidTarget(
            "the host looks like an IPv4 address but is not one in four decimal parts"
        )
    return host


def _ipv6(text: str) -> str:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        raise InvalidTarget("what stands in brackets is not an IPv6 address") from None
    # The system dials the IPv4 address, so rules have to see that one (RFC 4291 section 2.5.5.2).
    return str(address.ipv4_mapped or address.compressed)


def _why_no_authority(raw: bytes) -> InvalidTarget:
    if not raw:
        return InvalidTarget("the host is empty")
    if b"@" in raw:
        return InvalidTarget("user information in a target is refused")
    return InvalidTarget("the host holds a character or a label that no host name has")


def _why_not_absolute(raw: bytes) -> InvalidTarget:
    scheme, mark, rest = raw.partition(b"://")
    if not mark or not re.fullmatch(rb"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        return InvalidTarget("the target is neither a path nor a whole URI")
    if scheme.lower() not in (b"http", b"https"):
        return InvalidTarget("only http and https targets can be fetched", page="bad_scheme")
    if b"#" in rest:
        return InvalidTarget("a fragment has no place in a request")
    if b"@" in re.split(rb"[/?]", rest, maxsplit=1)[0]:
        return InvalidTarget("user information in a target is refused")
    return InvalidTarget("the target holds a character that no URI has")
