"""
Pages that the gateway answers with in the origin's place: HTML for people, RFC 9457 problems for programs.

Each is one piece without any outside resource or script, readable in light and dark, and is never stored. Everything
that came from a client, or from whoever packed the content that was scanned, is escaped. The words are in
L{gateway.pipeline.page_texts}.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from html import escape
from http import HTTPStatus

from gateway.api.messages import Response
from gateway.api.transaction import Transaction
from gateway.message.fields import Fields
from gateway.pipeline.judged import Judged
from gateway.pipeline.page_texts import (
    OTHER_ERROR,
    OTHER_REFUSAL,
    SCAN_ADVICE,
    SCANNED_BEFORE,
    TEXTS,
    PageText,
)

#: More of a C{detail} or a URL is not shown: a page is no place for a megabyte.
_MAX_SHOWN = 300
_MAX_ACCEPT = 1000

# System colours follow the reader's light, dark or high-contrast scheme by themselves.
_STYLE = (
    ":root{color-scheme:light dark}"
    "body{margin:0;background:Canvas;color:CanvasText;font:1rem/1.5 system-ui,sans-serif}"
    "main{max-width:38rem;margin:0 auto;padding:12vh 1.25rem 3rem}"
    "h1{font-size:1.6rem;line-height:1.25;margin:0 0 1rem}"
    "p{margin:0 0 1rem}"
    "dl{margin:2rem 0 0;padding-top:1rem;border-top:1px solid GrayText;font-size:.875rem;"
    "display:grid;grid-template-columns:auto 1fr;gap:.25rem 1rem}"
    "dd{margin:0;overflow-wrap:anywhere;font-family:ui-monospace,monospace}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

_COMMON = [
    b"Cache-Control: no-store",
    b"X-Content-Type-Options: nosniff",
]
_HTML = [
    b"Content-Type: text/html; charset=utf-8",
    b"Content-Language: en",
    (
        f"Content-Security-Policy: default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
        "base-uri 'none'; form-action 'none'"
    ).encode(),
]
_JSON = [b"Content-Type: application/problem+json"]

# Where RFC 9110 section 15 has another phrase than Python 3.11.
_PHRASES = {413: "Content Too Large", 414: "URI Too Long", 422: "Unprocessable Content"}


def page(
    name: str,
    status: int,
    txn: Transaction | None,
    detail: str = "",
    accept: str = "",
    retry_after: int | None = None,
    judged: Judged | None = None,
) -> Response:
    """
    Make a page.

    @param name: which one; an unknown name gets general words.
    @param txn: C{None} if there is none, as no request could be made out.
    @param detail: the reason in one sentence; shown only on pages where it says nothing of what is behind the gateway.
    @param accept: the request's C{Accept}; a program that would rather have JSON gets it, everybody else HTML.
    @param retry_after: seconds to say in C{Retry-After}.
    @param judged: what a scan said of content that is refused for it.
    """
    text = TEXTS.get(name)
    if text is None:
        text = OTHER_REFUSAL if status < 500 else OTHER_ERROR
    scan: dict[str, str] = {}
    if judged is not None:
        scan = _scan(judged, txn)
        text = _of_scan(text, judged)
    reason = _visible(_shortened(detail)) if text.shows_detail else ""
    if _wants_json(accept):
        lines, content = _JSON, _problem(name, status, text, reason, txn, scan)
    else:
        lines, content = _HTML, _document(status, text, reason, txn, scan)
    fields = Fields([*lines, *_COMMON])
    if txn is not None:
        fields.set("X-Request-Id", txn.id)
    if retry_after is not None:
        fields.set("Retry-After", str(retry_after))
    return Response(status, fields, content)


def _document(
    status: int, text: PageText, reason: str, txn: Transaction | None, scan: dict[str, str]
) -> bytes:
    title = escape(text.title)
    rows = [("Status", f"{status} {_phrase(status)}".strip())]
    rows += [(_SCAN_ROWS[name], value) for name, value in scan.items()]
    if txn is not None:
        rows += [("Address", _address(txn)), ("Request id", txn.id)]
    listed = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    paragraphs = "".join(
        f"<p>{escape(line)}</p>\n" for line in (_said(text.what, txn), reason, text.do) if line
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{title}</h1>\n{paragraphs}<dl>{listed}</dl>\n</main>\n</body>\n</html>\n"
    ).encode()


def _problem(
    name: str,
    status: int,
    text: PageText,
    reason: str,
    txn: Transaction | None,
    scan: dict[str, str],
) -> bytes:
    """Write a problem (RFC 9457 section 3); its type is C{about:blank}, so its title is the status's phrase."""
    problem: dict[str, object] = {
        "title": _phrase(status) or text.title,
        "status": status,
        "detail": reason or _said(text.what, txn),
        "code": name,
        "advice": text.do,
    }
    if txn is not None:
        problem["request_id"] = txn.id
    if scan:
        problem["scan"] = scan
    return json.dumps(problem).encode() + b"\n"


#: What is told of a scan, by the name that programs know it by.
_SCAN_ROWS = {
    "reason": "Reason",
    "found": "Found",
    "member": "Found in",
    "engine": "Found by",
    "patterns": "With patterns",
    "time": "Found at",
}


def _scan(judged: Judged, txn: Transaction | None) -> dict[str, str]:
    """Tell what a scan said; who came from outside to a server is not told what versions it runs."""
    told = {
        "reason": judged.token,
        "found": judged.name,
        "member": judged.member,
        "engine": judged.engine,
        "patterns": "" if txn is not None and txn.client.mode == "reverse" else judged.patterns,
    }
    if judged.found:
        told["time"] = datetime.fromtimestamp(int(judged.found), UTC).isoformat()
    return {name: _visible(_shortened(value)) for name, value in told.items() if value}


def _of_scan(text: PageText, judged: Judged) -> PageText:
    """Choose words that fit what a scan said."""
    if judged.found:
        return SCANNED_BEFORE
    advice = SCAN_ADVICE.get(judged.reason)
    return text if advice is None else replace(text, do=advice)


def _visible(text: str) -> str:
    """Write what is not printable as its number: nothing that somebody else named may change how a page reads."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def _said(sentence: str, txn: Transaction | None) -> str:
    return sentence.replace(
        "{host}", _shortened(txn.request.host) if txn is not None else "the site"
    )


def _address(txn: Transaction) -> str:
    # Without the query: it may hold secrets, and pages end up in screenshots.
    return _shortened(txn.request.url.partition("?")[0])


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…"


def _phrase(status: int) -> str:
    if status in _PHRASES:
        return _PHRASES[status]
    return HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""


def _wants_json(accept: str) -> bool:
    """Tell whether JSON is preferred (RFC 9110 section 12.5.1); a type that is named beats one under a wildcard."""
    accept = accept[:_MAX_ACCEPT].lower()
    if "json" not in accept:
        return False
    weights: dict[str, float] = {}
    for item in accept.split(","):
        media, *parameters = (part.strip() for part in item.split(";"))
        weights[media] = max(_quality(parameters), weights.get(media, 0.0))
    named = max(weights.get("application/json", 0.0), weights.get("application/problem+json", 0.0))
    html = weights.get("text/html", weights.get("application/xhtml+xml", 0.0))
    return named > html


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0
