"""
One vocabulary for how a transaction ended, used by the log, the counters and their documents alike.

Squid's result codes and hierarchy codes are here too, for everything that reads Squid's log knows them.
"""

from __future__ import annotations

from typing import Final

from gateway.api.errors import UpstreamError
from gateway.api.transaction import (
    Aborted,
    Delivered,
    Failed,
    Intercepted,
    Refused,
    Transaction,
    Tunnelled,
)
from gateway.api.verdicts import Allow, Block, Respond

#: What C{outcome} may be, in the log and as a label; C{"unknown"} is a fault of ours.
OUTCOMES: Final = (
    "delivered", "refused", "failed", "aborted", "tunnelled", "intercepted", "unknown",
)  # fmt: skip

OUTCOME_NAMES: Final[dict[type, str]] = {
    Delivered: "delivered",
    Refused: "refused",
    Failed: "failed",
    Aborted: "aborted",
    Tunnelled: "tunnelled",
    Intercepted: "intercepted",
}

#: How a request went that a stored response has answered.
STORE: Final = "store"

_DENIALS = frozenset((401, 403, 407, 413))
# Decisions of client.tls after which a CONNECT is no tunnel.
_OPENED = frozenset(("intercept", "block"))


def outcome_name(txn: Transaction) -> str:
    """Give one of L{OUTCOMES}."""
    return OUTCOME_NAMES.get(txn.outcome.__class__, "unknown")


def reason(txn: Transaction) -> tuple[str, str]:
    """
    Give a token for programs and a sentence for people; both empty if it went well.

    The token is the page's name of a refusal or an error, C{"respond"} for an answer of a plugin's, and the side that
    went away (C{"client"}, C{"upstream"}, C{"gateway"}) for what was broken off.
    """
    match txn.outcome:
        case Refused(Block(why, category, _, page)):
            return category or page, why
        case Refused(Respond()):
            return "respond", ""
        case Refused(Allow(why)):
            return "allow", why
        case Failed(error):
            return error.page, error.detail
        case Aborted(by, why):
            return by, why
        case _:
            return "", ""


def plain_result(outcome: type, route: str) -> str:
    """Give Squid's result code of what went well; empty: more has to be known for it (L{squid_result})."""
    if outcome is Delivered:
        return "TCP_HIT" if route == STORE else "TCP_MISS"
    return "TCP_TUNNEL" if outcome is Tunnelled else ""


def squid_result(txn: Transaction) -> str:
    """
    Give Squid's result code (its C{%Ss}).

    C{TCP_MISS} fetched, C{TCP_HIT} answered by what is stored, C{TCP_TUNNEL} tunnelled, C{TCP_DENIED} refused before and C{TCP_DENIED_REPLY} after an
    upstream was asked, C{TCP_REDIRECT} redirected by a plugin, C{NONE_NONE} neither fetched nor refused by a rule, and
    so, as with Squid, a CONNECT whose TLS is decrypted; C{_ABORTED} is added if a side went away.
    """
    outcome = txn.outcome
    plain = plain_result(outcome.__class__, txn.route)
    if plain:
        return plain
    match outcome:
        case Refused(Respond()) if txn.status not in _DENIALS:
            return "TCP_REDIRECT" if 300 <= txn.status < 400 else "NONE_NONE"
        case Refused():
            return "TCP_DENIED_REPLY" if txn.upstream else "TCP_DENIED"
        case Failed(error) if error.status in _DENIALS:
            return "TCP_DENIED"
        case Failed(UpstreamError()):
            return "TCP_MISS"
        case Aborted():
            if txn.status == 101:
                return "TCP_TUNNEL_ABORTED"
            if not txn.request.scheme and 200 <= txn.status < 300:
                tls = txn.client.tls
                opened = tls is not None and tls.decision in _OPENED
                return "NONE_NONE_ABORTED" if opened else "TCP_TUNNEL_ABORTED"
            if txn.route == "none":
                return "NONE_NONE_ABORTED"
            return "TCP_HIT_ABORTED" if txn.route == STORE else "TCP_MISS_ABORTED"
        case _:
            return "NONE_NONE"


def squid_hierarchy(txn: Transaction) -> str:
    """
    Give Squid's hierarchy code (its C{%Sh}): where the request went.

    An origin of a site is C{FIRSTUP_PARENT}, as in Squid's own reverse proxy.
    """
    if not txn.upstream:
        return "HIER_NONE"
    return hierarchy(txn.client.mode, txn.route)


def hierarchy(mode: str, route: str) -> str:
    """Give the code for a mode and a route, of what did go to an upstream."""
    if route == "direct":
        return "ORIGINAL_DST" if mode == "transparent" else "HIER_DIRECT"
    return "FIRSTUP_PARENT" if route in ("parent", "origin") else "HIER_NONE"
