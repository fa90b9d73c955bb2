"""
Which requests of browsers may be redirected, and where to: the paths kept for ourselves, what is a person's navigation, and the
redirect itself (RFC 9110 section 15.4.3).

Knows nothing of who is asking, nor of cookies.
"""

from __future__ import annotations

from typing import Final

from gateway.api import Fields, Request, Response

#: What the gateway keeps for itself of every origin's paths: this and everything below it.
RESERVED: Final = "/.gateway-auth"

GO: Final = f"{RESERVED}/go"


def redirect(url: str, status: int = 302) -> Response:
    """Send a browser elsewhere; nothing of where it comes from goes with it."""
    fields = Fields.of(
        [
            ("Location", _in_a_field(url)),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
        ]
    )
    return Response(status, fields)


def is_navigation(request: Request) -> bool:
    """Tell whether a person goes to a page: what is redirected then is not noticed by any program."""
    if request.raw_method not in (b"GET", b"HEAD") or not is_browser(request):
        return False
    fields = request.fields
    if "text/html" not in (fields.combined("accept") or "").lower():
        return False
    # Sent to https and loopback only; who does not send them is taken for what he looks like.
    if (fields.get("sec-fetch-mode") or "navigate") != "navigate":
        return False
    if (fields.get("sec-fetch-dest") or "document") != "document":
        return False
    early = fields.get("sec-purpose") or fields.get("purpose") or ""
    return "prefetch" not in early and "x-requested-with" not in fields


def is_browser(request: Request) -> bool:
    """Tell whether who asks calls itself a browser."""
    return (request.fields.get("user-agent") or "").startswith("Mozilla/")


def is_reserved(path: str) -> bool:
    """Tell whether a path is kept for ourselves."""
    return path == RESERVED or path.startswith(f"{RESERVED}/")


def _in_a_field(url: str) -> str:
    """Write a URL so that no browser reads another one: bytes beyond ASCII, and the backslash that some take for a slash."""
    return "".join(
        c if "!" <= c <= "~" and c != "\\" else "".join(f"%{b:02X}" for b in c.encode("latin-1"))
        for c in url
    )
