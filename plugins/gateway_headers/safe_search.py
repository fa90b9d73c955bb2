"""
Safe search: a search without the strict filter is sent back to the same address with it.

The engines take the filter as a parameter of the query. The answer is a redirect and no change on the way, so the
address that is shown tells what is searched, and what was asked for twice is asked for once. Searches by any other
method than GET and HEAD, and what is in a tunnel, are not seen here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias
from urllib.parse import unquote_plus

from gateway.api import Fields, Request, Response

Engine: TypeAlias = Literal["google", "bing", "duckduckgo"]


@dataclass(frozen=True, slots=True)
class _Searches:
    hosts: re.Pattern[str]
    paths: re.Pattern[str]
    parameter: str
    value: str


_ENGINES: dict[Engine, _Searches] = {
    "google": _Searches(
        re.compile(r"(?:www\.|images\.)?google\.(?:com?\.)?[a-z]{2,3}"),
        re.compile(r"/+(?:search|images|imghp|custom|m)?(?:/.*)?"),
        "safe",
        "active",
    ),
    "bing": _Searches(
        re.compile(r"(?:[a-z]+\.)?bing\.com"),
        re.compile(r"/+(?:(?:images|videos|news|shop)/+)?search(?:/.*)?"),
        "adlt",
        "strict",
    ),
    "duckduckgo": _Searches(
        re.compile(r"(?:[a-z]+\.)?duckduckgo\.com"),
        re.compile(r"/+(?:(?:html|lite|i\.js|d\.js|v\.js)/*)?"),
        "kp",
        "1",
    ),
}
#: What a query has to have to be a search.
_ASKED = frozenset(("q", "as_q"))


def safe_location(engines: tuple[Engine, ...], request: Request) -> Response | None:
    """Give the redirect to the filtered form of a search; C{None}: it is none, or filtered already."""
    if request.raw_method not in (b"GET", b"HEAD") or b"?" not in request.raw_target:
        return None
    for engine in engines:
        searches = _ENGINES[engine]
        if searches.hosts.fullmatch(request.host):
            return _redirect(searches, request)
    return None


def _redirect(searches: _Searches, request: Request) -> Response | None:
    if not searches.paths.fullmatch(unquote_plus(request.path).lower()):
        return None
    kept: list[str] = []
    found: list[str] = []
    is_search = False
    for part in request.query.split("&"):
        name, _, value = part.partition("=")
        name = unquote_plus(name).lower()
        if name == searches.parameter:
            found.append(unquote_plus(value).lower())
            continue
        is_search = is_search or name in _ASKED
        kept.append(part)
    # Exactly once, for which of two counts is the engine's secret.
    if not is_search or found == [searches.value]:
        return None
    query = "&".join((*kept, f"{searches.parameter}={searches.value}"))
    location = f"{request.scheme}://{request.authority}{request.path}?{query}"
    fields = Fields.of((("Location", location), ("Cache-Control", "no-store")))
    return Response(302, fields)
