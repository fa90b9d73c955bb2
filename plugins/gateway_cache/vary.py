"""
Which stored variant answers a request (RFC 9111 section 4.1).

The values of the selecting fields are brought into one form before they are compared, as far as the meaning of the
field allows: lists lose blanks and empty members, preferences their order, languages and codings their case. Fields that
are no lists are compared as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from gateway_cache.entry import Head
from gateway_cache.messages import Asked, index
from gateway_cache.policy import Policy

#: Stands for a field that is not there, which is not the same as an empty one; no field value has this byte.
_ABSENT = b"\x00"
_COOKIE = "cookie:"
_MOST_NAMES = 32
_MOST_VARIANTS = 64

_REMEMBERED = 1024
_REMEMBERED_BYTES = 512
_names: dict[
    tuple[tuple[bytes, ...], frozenset[str], tuple[str, ...], tuple[str, ...]],
    tuple[str, ...] | None,
] = {}

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]+")
_QUALITY = re.compile(rb"([^;]+?)[ \t]*(?:;[ \t]*q=([01](?:\.[0-9]{0,3})?)[ \t]*)?", re.IGNORECASE)

_ASKED_FOR = re.compile(rb"""(?:host|proto)=(?:"[^"]*"|[^;, \t"]*)""", re.IGNORECASE)

_RANKED = frozenset(("accept-charset", "accept-encoding", "accept-language"))
#: Fields that are no lists, or in which a blank may mean something.
_SINGLE = frozenset(("authorization", "cookie", "host", "origin", "range", "referer", "user-agent"))


def selecting_names(
    values: Iterable[bytes] | None, policy: Policy, keyed: tuple[str, ...] = ()
) -> tuple[str, ...] | None:
    """
    Read C{Vary}, and add what the rules of the site tell variants apart by.

    @param values: of its lines; C{None}: there is none.
    @param keyed: of the request: it counts as if they were named.
    @return: names in lower case and alphabetical order; a cookie is C{"cookie:name"}. C{None}: no request matches, as
        there is a C{*}, a name that is none, or one of a field that the gateway changes on the way.
    """
    cookies = policy.keys.cookies
    if not values and not cookies and not keyed:
        return ()
    given = tuple(values or ())
    known = (given, policy.rewritten, cookies, keyed)
    if known in _names:
        return _names[known]
    read = _read_names(given, policy, keyed)
    if sum(map(len, given)) <= _REMEMBERED_BYTES:
        if len(_names) >= _REMEMBERED:
            _names.clear()
        _names[known] = read
    return read


def _read_names(
    values: tuple[bytes, ...], policy: Policy, keyed: tuple[str, ...]
) -> tuple[str, ...] | None:
    names: set[str] = set()
    for value in values:
        for part in value.decode("latin-1").lower().split(","):
            name = part.strip(" \t")
            if not name:
                continue
            if name == "*" or name in policy.rewritten or not _NAME.fullmatch(name):
                return None
            names.add(name)
    if len(names) > _MOST_NAMES:
        return None
    names.update(_COOKIE + name for name in policy.keys.cookies)
    names.update(keyed)
    return tuple(sorted(names))


def variant_of(names: tuple[str, ...], asked: Asked) -> bytes:
    """Give the values of the selecting fields in a request, in one form; made once for each head."""
    if not names:
        return b""
    known = asked.variants.get(names)
    if known is None:
        if len(asked.variants) >= _MOST_VARIANTS:
            # An origin that varies by something else each time has no claim on the memory of a connection.
            asked.variants.clear()
        known = asked.variants[names] = b"\n".join(_selected(name, asked) for name in names)
    return known


def matches(head: Head, asked: Asked, policy: Policy) -> bool:
    """Tell whether a stored response was selected by what this request says too."""
    names = head.vary
    cookies = policy.keys.cookies
    if cookies and not all(_COOKIE + name in names for name in cookies):
        # It was stored before the rule was made.
        return False
    if asked.keyed and not set(asked.keyed).issubset(names):
        # A proxy in front has said something of this request that it didn't say of that one.
        return False
    if not names or variant_of(names, asked) == head.variant:
        return True
    return (
        policy.select_language
        and "accept-language" in names
        and _in_preferred_language(head, asked, names)
    )


def select(heads: Sequence[Head], asked: Asked, policy: Policy) -> Head | None:
    """
    Choose the stored response that answers a request; parts never do.

    @param heads: all that have the key, the newest first; of those that match, that one counts.
    """
    for head in heads:
        if head.part is None and matches(head, asked, policy):
            return head
    return None


def select_parts(heads: Sequence[Head], asked: Asked, policy: Policy) -> tuple[Head, ...]:
    """Give the stored parts that belong to what a request asks for, the newest first."""
    return tuple(h for h in heads if h.part is not None and matches(h, asked, policy))


def _selected(name: str, asked: Asked) -> bytes:
    if name.startswith(_COOKIE):
        return _cookie(asked.wanted.get(b"cookie"), name[len(_COOKIE) :].encode("latin-1"))
    values = asked.values(name.encode("latin-1"))
    if values is None:
        return _ABSENT
    if name == "forwarded":
        # Who asked is in it as well (RFC 7239 section 4), and is nothing to choose by.
        return b",".join(part.lower() for value in values for part in _ASKED_FOR.findall(value))
    if name in _SINGLE:
        return b"\x01".join(values)
    if name in _RANKED:
        ranked = _ranked(values)
        if ranked is not None:
            return b",".join(b"%b;%d" % (member, q) for q, member in ranked)
    return _listed(values)


def _listed(values: Iterable[bytes]) -> bytes:
    joined = b",".join(values)
    if b'"' in joined:
        # A comma may be part of a quotation, and so may blanks.
        return joined
    return b",".join(part for piece in joined.split(b",") if (part := piece.strip(b" \t")))


def _ranked(values: Iterable[bytes]) -> list[tuple[int, bytes]] | None:
    """
    Read a list of preferences (RFC 9110 section 12.4.2), the highest first.

    @return: thousandths and the member in lower case; C{None}: it is none.
    """
    found: list[tuple[int, bytes]] = []
    for part in b",".join(values).split(b","):
        member = part.strip(b" \t")
        if not member:
            continue
        read = _QUALITY.fullmatch(member)
        if read is None:
            return None
        quality = 1000 if read[2] is None else round(float(read[2]) * 1000)
        found.append((min(quality, 1000), read[1].lower()))
    found.sort(key=lambda pair: (-pair[0], pair[1]))
    return found


def _in_preferred_language(head: Head, asked: Asked, names: tuple[str, ...]) -> bool:
    """Tell whether all but the language matches, and the stored one is what this client prefers to any other."""
    wanted = _ranked(asked.values(b"accept-language") or ())
    if not wanted or (len(wanted) > 1 and wanted[0][0] == wanted[1][0]) or wanted[0][0] == 0:
        return False
    language = head.memo.get("language")
    if language is None:
        said = index(head.lines).get(b"content-language", ())
        language = head.memo["language"] = said[0].lower() if len(said) == 1 else b""
    if not language or language != wanted[0][1]:
        return False
    stored = head.variant.split(b"\n")
    presented = variant_of(names, asked).split(b"\n")
    return len(stored) == len(presented) and all(
        name == "accept-language" or one == other
        for name, one, other in zip(names, stored, presented, strict=False)
    )


def _cookie(values: Iterable[bytes] | None, name: bytes) -> bytes:
    for value in values or ():
        for pair in value.split(b";"):
            found, equals, said = pair.strip(b" \t").partition(b"=")
            if equals and found == name:
                return said
    return _ABSENT
