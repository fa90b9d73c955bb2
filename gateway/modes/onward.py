"""
The request as the next hop gets it: what forward and reverse mode have in common.

Fields of the connection end here (RFC 9110 section 7.6.1), Via gets our entry, framing is written anew, and TRACE and
OPTIONS count their Max-Forwards down (section 7.6.2).
"""

from __future__ import annotations

from itertools import filterfalse
from typing import Any

from gateway.api.errors import ClientError, TransactionError
from gateway.api.messages import Response
from gateway.message.fields import Fields
from gateway.message.forwarding import Forwarding
from gateway.message.via import Via
from gateway.wire.events import UNMET_EXPECTATION, RequestHead, Section
from gateway.wire.lines import (
    FORWARDING,
    MAX_FORWARDS,
    VIA,
    FieldLine,
    going_on,
    name_of,
)
from gateway.wire.write import section

#: Longest field lines of a request that a connection remembers as they go on.
MOST_KEPT = 4096

#: Protocols that a connection may be upgraded to. An upgrade to h2c would open a way round everything here.
UPGRADES = frozenset((b"websocket",))

#: Methods whose Max-Forwards counts (RFC 9110 section 7.6.2).
COUNTED = frozenset((b"TRACE", b"OPTIONS"))

#: What a TRACE must not reflect (RFC 9110 section 9.3.8).
_NOT_TRACED = frozenset((b"authorization", b"proxy-authorization", b"cookie"))
_NO_OPTIONS = b"GET, HEAD, POST, PUT, DELETE, OPTIONS, TRACE, PATCH, CONNECT"


class Binding(Exception):
    """
    The request has credentials that hold for the connection they come by (RFC 4559 section 6): from now on the client's
    requests go by upstream connections of its own.
    """


def check(head: RequestHead, via: Via) -> Response | None:
    """
    Judge what both modes refuse, and answer what ends here.

    @return: the answer of the final recipient, C{None} if the request goes on.
    @raise TransactionError: it is refused.
    @raise Binding: it is to be asked about again when the connection was bound.
    """
    method = head.raw_method
    if is_harmless(head.section) and method not in COUNTED:
        return None
    if head.section.demands:
        _demanding(head)
    upgrade = head.upgrade
    if upgrade is not None and (
        head.framing or head.raw_method != b"GET" or upgrade.lower() not in UPGRADES
    ):
        # A server may ignore Upgrade; so may we (RFC 9110 section 7.8).
        head.upgrade = None
    for known in head.section.special:
        if known.code == VIA:
            values = [line.value for line in head.section.special if line.code == VIA]
            if via.seen(values):
                raise TransactionError(
                    "the request came back to this gateway", status=508, page="loop"
                )
            break
    if method in COUNTED:
        if head.framing and method == b"TRACE":
            raise ClientError("content in a TRACE request (RFC 9110 section 9.3.8)")
        return _last_hop(head)
    return None


def is_harmless(section: Section) -> bool:
    """Tell whether nothing in a header section calls for more than to be sent on, and remember it."""
    if section.harmless:
        return True
    # An upgrade that is not passed on counts: the next head alike asks for it again.
    if section.demands or section.asked_upgrade is not None:
        return False
    for known in section.special:
        if known.code == VIA:
            return False
    section.harmless = True
    return True


def way_before(section: Section, connection: Any) -> Any:
    """
    Give where the request before went, for fields that were not seen before, if they may go there and call for no more.

    @param connection: the client's, whose C{way} is that of its mode; C{None}: nothing is remembered.
    @return: likewise; the section has it from here on.
    """
    way = connection.way
    if way is None or section.host_field != way.field or not is_harmless(section):
        return None
    section.way = way
    # That was made of other fields, though a plugin may have put the same lines in their place.
    way.lines = None
    return way


def fields(
    head: RequestHead,
    host: bytes,
    via: Via,
    chunked: bool | None,
    written: list[bytes],
    *,
    keeps_forwarding: bool,
    more: tuple[bytes, ...] = (),
) -> bytes:
    """
    Give the field lines to send on, each with its CRLF.

    @param host: value of Host; equal to what the client sent, its line stays where it is.
    @param chunked: how content is framed; C{None}: there is none.
    @param written: lines of plugins'; see L{gateway.modes.rewritten}.
    @param keeps_forwarding: X-Forwarded-For and its kin stay as received.
    @param more: lines of the mode's own.
    """
    drop = head.section.hop
    dropped: list[bytes] = []
    for known in head.section.special:
        if known.code == FORWARDING and not keeps_forwarding:
            dropped.append(known.line)
        elif known.code == MAX_FORWARDS and head.raw_method in COUNTED:
            dropped.append(known.line)
            more = (*more, b"Max-Forwards: %d" % (int(known.value) - 1))
    if head.section.host_field == host:
        out: list[bytes] = []
    else:
        out = [b"Host: " + host]
        if head.section.host_field is not None:
            dropped.extend(line for line in head.fields.lines if name_of(line) == b"host")
    kept = head.lines()
    if dropped:
        drop = drop.union(dropped) if drop is not None else set(dropped)
    if drop is None:
        out += kept
    elif drop.isdisjoint(written):
        # So whatever ends here is as it was received.
        out += filterfalse(drop.__contains__, kept)
    else:
        out += going_on(kept, head.section.received, drop)
    out.append(via.lines[head.minor])
    out += more
    if chunked is None:
        if head.section.declared is not None:
            out.append(b"Content-Length: 0")
    elif chunked:
        out.append(b"Transfer-Encoding: chunked")
    else:
        out.append(b"Content-Length: %d" % head.framing)
    if head.upgrade is not None:
        out.append(b"Upgrade: " + head.upgrade)
        out.append(
            b"Connection: Upgrade, TE" if head.section.accepts_trailers else b"Connection: Upgrade"
        )
        if head.section.accepts_trailers:
            out.append(b"TE: trailers")
    elif head.section.accepts_trailers:
        out.append(b"TE: trailers")
        out.append(b"Connection: TE")
    return section(out)


def _demanding(head: RequestHead) -> None:
    """Refuse what can't be met, and have the connection bound; what a CONNECT says of a server reaches none."""
    if head.section.demands & UNMET_EXPECTATION:
        raise ClientError(
            "an expectation other than 100-continue", status=417, page="expectation_failed"
        )
    if head.raw_method != b"CONNECT":
        head.section.demands = 0
        raise Binding


def client_fields(
    head: RequestHead,
    host: bytes,
    via: Via,
    chunked: bool | None,
    written: list[bytes],
    forwarding: Forwarding | None,
    more: tuple[bytes, ...] = (),
) -> bytes:
    """
    Give L{fields} where the client chose the host itself: what is said of the client is the operator's choice.

    @param written: lines of plugins'; see L{gateway.modes.rewritten}.
    @param forwarding: what is said of it; C{None}: nothing, and what it says itself is dropped.
    """
    if forwarding is None:
        return fields(head, host, via, chunked, written, keeps_forwarding=False, more=more)
    received = [known for known in head.section.special if known.code == FORWARDING]
    return fields(
        head,
        host,
        via,
        chunked,
        written,
        keeps_forwarding=not forwarding.drops,
        more=(*forwarding.lines(host, received), *more),
    )


def _last_hop(head: RequestHead) -> Response | None:
    """Answer TRACE and OPTIONS whose Max-Forwards is used up."""
    found: FieldLine | None = None
    for known in head.section.special:
        if known.code == MAX_FORWARDS:
            if found is not None or not known.value.isdigit() or len(known.value) > 9:
                raise ClientError("a bad Max-Forwards (RFC 9110 section 7.6.2)")
            found = known
    if found is None or int(found.value):
        return None
    if head.raw_method == b"OPTIONS":
        return Response(200, Fields([b"Allow: " + _NO_OPTIONS]))
    kept = [line for line in head.fields.lines if name_of(line) not in _NOT_TRACED]
    content = b"TRACE %b HTTP/1.%d\r\n%b\r\n\r\n" % (head.target, head.minor, b"\r\n".join(kept))
    return Response(
        200, Fields([b"Content-Type: message/http", b"Cache-Control: no-store"]), content
    )
