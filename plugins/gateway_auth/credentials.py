"""
Credentials as they stand in a request (RFC 9110 section 11.4): which field they are in, and what is in it.

C{Proxy-Authorization} is for a proxy, C{Authorization} for an origin and so for a gateway that stands in front of one.
Nothing here is ever logged, and no value of these classes shows its contents.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field

#: More than so many bytes are no credentials: tokens of Kerberos with many groups have up to 64 KiB.
MAX_CREDENTIALS = 96 * 1024
MAX_BASIC = 4096

_SCHEME = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32})(?: +(.*))?", re.DOTALL)
_TOKEN68 = re.compile(rb"[A-Za-z0-9\-._~+/]+=*")
_PARAMETER = re.compile(
    rb"[ \t]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*=[ \t]*"
    rb'(?:"((?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\t\x20-\x7e\x80-\xff])*)"'
    rb"|([!#$%&'*+\-.^_`|~0-9A-Za-z]+))[ \t]*(?:,|$)"
)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class BadCredentials(Exception):
    """What stands there are no credentials; the text says what is wrong and nothing of them."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """
    One scheme and what belongs to it.

    @ivar scheme: in lower case.
    @ivar rest: a token or parameters, as bytes.
    """

    scheme: str
    rest: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class UserPassword:
    """Name and password (RFC 7617)."""

    user: str
    password: str = field(repr=False)


def find_line(lines: list[bytes], name: bytes) -> bytes | None:
    """
    Give the line of credentials, as received; C{None} if there is none.

    It takes no index of fields, which would cost more than all that follows.

    @param name: in lower case.
    @raise BadCredentials: there are two, and nobody knows which of them another reader takes.
    """
    # One search through all of them is quicker than a look at each; no line has a line break in it.
    text = b"\n".join((b"", *lines, b""))
    lowered = text.lower()
    mark = b"\n" + name + b":"
    at = lowered.find(mark)
    if at < 0:
        return None
    if lowered.find(mark, at + 1) >= 0:
        raise BadCredentials("two fields of credentials")
    return text[at + 1 : text.index(b"\n", at + 1)]


def named(lines: list[bytes], mark: bytes) -> list[bytes]:
    """
    Give all lines of a name, as received; like L{find_line} without an index of them all.

    @param mark: the name in lower case, with a line break in front and its colon behind.
    """
    text = b"\n".join((b"", *lines, b""))
    lowered = text.lower()
    at = lowered.find(mark)
    found: list[bytes] = []
    while at >= 0:
        end = text.index(b"\n", at + 1)
        found.append(text[at + 1 : end])
        at = lowered.find(mark, end)
    return found


def values(lines: list[bytes], mark: bytes) -> list[str]:
    """Give the values of all lines of a name, as C{Fields.get_all} does; C{mark}: as of L{named}."""
    found = named(lines, mark)
    at = len(mark) - 1
    return [line[at:].decode("latin-1").strip(" \t") for line in found] if found else []


def parse(value: bytes) -> Credentials:
    """
    Read the value of a field of credentials.

    @raise BadCredentials: it holds none.
    """
    if len(value) > MAX_CREDENTIALS:
        raise BadCredentials("too long")
    found = _SCHEME.fullmatch(value)
    if found is None:
        raise BadCredentials("no scheme")
    return Credentials(found[1].decode("ascii").lower(), found[2] or b"")


def token(rest: bytes) -> bytes:
    """
    Decode a token (C{token68}).

    @raise BadCredentials: it is none.
    """
    if not _TOKEN68.fullmatch(rest):
        raise BadCredentials("no token")
    try:
        return base64.b64decode(rest, validate=True)
    except (binascii.Error, ValueError):
        raise BadCredentials("no base64") from None


def user_password(rest: bytes) -> UserPassword:
    """
    Read the token of Basic.

    @raise BadCredentials: it is none, or holds characters that no name and password has.
    """
    if len(rest) > MAX_BASIC:
        raise BadCredentials("too long")
    raw = token(rest)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        # What programs send that heed no charset.
        text = raw.decode("latin-1")
    user, colon, password = text.partition(":")
    if not colon or _CONTROLS.search(text):
        raise BadCredentials("no name and password")
    return UserPassword(user, password)


def parameters(rest: bytes) -> dict[str, str]:
    """
    Read parameters, their names in lower case.

    @raise BadCredentials: they are no parameters, or one stands there twice.
    """
    found: dict[str, str] = {}
    at = 0
    while at < len(rest):
        match = _PARAMETER.match(rest, at)
        if match is None or len(found) > 32:
            raise BadCredentials("no parameters")
        name = match[1].decode("ascii").lower()
        if name in found:
            raise BadCredentials("a parameter twice")
        quoted = match[2]
        value = match[3] if quoted is None else _ESCAPED.sub(rb"\1", quoted)
        try:
            found[name] = value.decode("utf-8")
        except UnicodeDecodeError:
            found[name] = value.decode("latin-1")
        at = match.end()
    return found
