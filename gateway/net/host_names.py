"""
Which texts can be host names or literal addresses, and their one canonical form.

The C library reads C{127.1}, C{0x7f.1}, C{0177.0.0.1} and C{2130706433} as 127.0.0.1; what looks like a number here is
a full literal address or nothing (WHATWG URL, "ends in a number"), so no spelling of an address slips by as a name.
"""

from __future__ import annotations

import re
import socket

from gateway.net.faults import NameInvalid

#: Labels of letters, digits, hyphen and the underscore that real hosts use; RFC 1035 section 2.3.4 for the lengths.
_NAME = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_-]{1,63}\.)*([a-z0-9_-]{1,63})\Z").match
_NUMBER = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)\Z").match


def literal(text: str) -> str | None:
    """
    Give the canonical spelling of a literal IPv4 or IPv6 address, C{None} for anything else.

    IPv6 comes bare or in the brackets of a URI (RFC 3986 section 3.2.2), without a zone; IPv4 only as four decimal
    numbers without leading zeros.
    """
    family = socket.AF_INET
    if ":" in text:
        family = socket.AF_INET6
        if text[0] == "[" and text[-1] == "]":
            text = text[1:-1]
    try:
        packed = socket.inet_pton(family, text)
    except (OSError, ValueError):
        return None
    return text if family == socket.AF_INET else socket.inet_ntop(family, packed)


def canonical(text: str) -> str:
    """
    Give a host name in small letters and without the dot at its end.

    @param text: ASCII, or Unicode of a configuration file, which is brought into its A-labels (RFC 5890).
    @raise NameInvalid: no host can have this name.
    """
    if not text.isascii():
        text = _a_labels(text)
    name = text.lower().removesuffix(".")
    matched = _NAME(name)
    if matched is None or _NUMBER(matched[1]) is not None:
        raise NameInvalid("the host name is not valid")
    return name


def _a_labels(text: str) -> str:
    # Imported where it is needed: the tables take longer to load than most of us.
    import idna

    try:
        return idna.encode(text, uts46=True).decode("ascii")
    except idna.IDNAError:
        raise NameInvalid("the host name is not valid") from None
