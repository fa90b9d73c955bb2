"""
Reading OIDs as people write them.
"""

from __future__ import annotations

from gateway.api.settings import BadValue
from gateway_snmp.tree import Oid

#: RFC 2578 section 3.5, with room for what is appended.
_MOST_ARCS = 100
_MOST_ARC = (1 << 32) - 1


def oid(text: str) -> Oid:
    """
    Read an OID below which a tree may begin.

    @raise BadValue: it is none, or one that belongs to everybody.
    """
    parts = text.removeprefix(".").split(".")
    advice = 'such as "1.3.6.1.4.1.8072.9999.9999"'
    if not all(part.isascii() and part.isdigit() and len(part) <= 10 for part in parts):
        raise BadValue(f'"{text}" is no OID', advice)
    found = tuple(map(int, parts))
    if any(arc > _MOST_ARC for arc in found) or len(found) > _MOST_ARCS:
        raise BadValue(f'"{text}" is no OID: an arc is too large, or there are too many', advice)
    if found[:6] != (1, 3, 6, 1, 4, 1) or len(found) < 7:
        raise BadValue(f'"{text}" is not below enterprises (1.3.6.1.4.1)', advice)
    return found
