"""
The refusal as a program reads it: a problem (RFC 9457) with the limit, its setting and the file as members of their own.

People get the gateway's own page, which says the same in words.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from gateway.api import Fields, Key, Response, Transaction
from gateway.api.settings import size_text
from gateway_upload_limit.rules import Limit, media_type

_MAX_ACCEPT = 1000


@dataclass(frozen=True, slots=True)
class Excess:
    """
    What was too large.

    @ivar why: in one sentence.
    @ivar limit: which it was over.
    @ivar file: its name; empty if it is not known.
    """

    why: str
    limit: Limit
    file: str = ""


#: What a transaction was refused for.
EXCESS: Key[Excess] = Key("upload_limit.excess")


def wants_problem(txn: Transaction) -> bool:
    """
    Tell whether it is a program that is answered.

    It says so in C{Accept}; or it sends JSON and does not ask for HTML, as programs do that accept anything.
    """
    accept = (txn.request.fields.combined("accept") or "")[:_MAX_ACCEPT].lower()
    weights: dict[str, float] = {}
    for item in accept.split(","):
        media, *parameters = (part.strip() for part in item.split(";"))
        weights[media] = max(_quality(parameters), weights.get(media, 0.0))
    html = max(weights.get("text/html", 0.0), weights.get("application/xhtml+xml", 0.0))
    named = max(weights.get("application/json", 0.0), weights.get("application/problem+json", 0.0))
    if named or html:
        return named > html
    sent = media_type(txn)
    return sent == "application/json" or sent.endswith("+json")


def problem(txn: Transaction, excess: Excess) -> Response:
    """Write the problem."""
    members: dict[str, object] = {
        "title": "Content Too Large",
        "status": 413,
        "detail": excess.why,
        "code": "upload_limit",
        "limit": size_text(excess.limit.count),
        "limit_bytes": excess.limit.count,
        "setting": excess.limit.setting,
        "request_id": txn.id,
    }
    if excess.file:
        members["file"] = excess.file
    fields = Fields.of(
        (
            ("Content-Type", "application/problem+json"),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Request-Id", txn.id),
        )
    )
    return Response(413, fields, json.dumps(members).encode() + b"\n")


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0
