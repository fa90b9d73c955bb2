"""
The pages of signing in and out: HTML without scripts and outside resources, readable with a screen reader and without colours.

Each is made of what is escaped here, is never stored, shown in no frame and sends its form nowhere else. Where a page leads on
after a form, it does so by a refresh: the redirects of a form's own answer would all be held to C{form-action}.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape

from gateway.api import Fields, Response

# System colours follow the reader's light, dark or high-contrast scheme by themselves.
_STYLE = (
    ":root{color-scheme:light dark}"
    "body{margin:0;background:Canvas;color:CanvasText;font:1rem/1.5 system-ui,sans-serif}"
    "main{max-width:24rem;margin:0 auto;padding:12vh 1.25rem 3rem}"
    "h1{font-size:1.6rem;line-height:1.25;margin:0 0 1rem}"
    "p{margin:0 0 1rem;overflow-wrap:anywhere}"
    "label{display:block;margin:0 0 .25rem;font-weight:600}"
    "input,button{box-sizing:border-box;width:100%;font:inherit;padding:.5rem;margin:0 0 1rem}"
    ".fault{border-inline-start:.25rem solid;padding-inline-start:.75rem;font-weight:600}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

_FIELDS = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Language", "en"),
    (
        "Content-Security-Policy",
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'",
    ),
    ("X-Frame-Options", "DENY"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cache-Control", "no-store"),
    # The form says where it comes from, to the same origin alone.
    ("Referrer-Policy", "same-origin"),
)

#: The one sentence for every refusal: it says neither which of the two was wrong nor whether there is such a user.
REFUSED = "The name or the password is not right."
TOO_OFTEN = "There were too many tries. Wait a while, then try again."
STALE = "This form was open for too long, or cookies are off. Please try again."
UNAVAILABLE = "Names and passwords can't be checked at the moment. Try again in a few minutes."


def form(
    action: str,
    *,
    proof: str,
    wish: str = "",
    user: str = "",
    fault: str = "",
    host: str = "",
    status: int = 200,
    retry_after: int = 0,
) -> Response:
    """
    Ask for a name and a password.

    @param action: the path that takes the form.
    @param proof: shows that it is this form that comes back.
    @param wish: sealed; where the user wanted to go.
    @param user: what was typed before.
    @param fault: why it is asked again, in one sentence.
    @param host: of the site; empty for the way to all sites.
    @param retry_after: seconds.
    """
    what = (
        f"Sign in to go on to {escape(_shortened(host))}."
        if host
        else "This network asks who you are before it takes you to the web."
    )
    described = ' aria-describedby="fault" aria-invalid="true"' if fault else ""
    message = f'<p class="fault" id="fault" role="alert">{escape(fault)}</p>\n' if fault else ""
    # The first field that is empty is where one types on.
    on_user, on_password = ("", " autofocus") if user else (" autofocus", "")
    content = (
        f"{message}<p>{what}</p>\n"
        f'<form method="post" action="{escape(action)}" accept-charset="utf-8">\n'
        f"{_hidden('proof', proof)}{_hidden('wish', wish)}"
        '<label for="user">User name</label>\n'
        f'<input id="user" name="user" type="text" value="{escape(user)}" autocomplete="username" '
        f'autocapitalize="none" spellcheck="false" maxlength="256" required{on_user}{described}>\n'
        '<label for="password">Password</label>\n'
        '<input id="password" name="password" type="password" autocomplete="current-password" '
        f'maxlength="1024" required{on_password}{described}>\n'
        '<button type="submit">Sign in</button>\n</form>'
    )
    response = _page("Sign in", content, status)
    if retry_after:
        response.fields.set("Retry-After", str(retry_after))
    return response


def onward(url: str) -> Response:
    """
    Lead on after a form.

    @param url: where to; it was checked.
    """
    shown = escape(url)
    return _page(
        "Signed in",
        f'<p>You are signed in. <a href="{shown}">Go on</a></p>',
        200,
        head=f'<meta http-equiv="refresh" content="0;url={shown}">\n',
    )


def signed_in(user: str, action: str, proof: str) -> Response:
    """Show who is signed in, and the way out."""
    return _page(
        "You are signed in",
        f"<p>You are signed in as <strong>{escape(_shortened(user))}</strong>.</p>\n"
        f'<form method="post" action="{escape(action)}">\n{_hidden("proof", proof)}'
        '<button type="submit">Sign out</button>\n</form>',
        200,
    )


def signed_out() -> Response:
    """Say that it is over."""
    return _page(
        "You are signed out",
        "<p>You are signed out. Close all windows of the browser if others use it, too.</p>",
        200,
    )


def gone() -> Response:
    """Say that there is nothing, or nothing any more: for links that are too old, used, or somebody else's."""
    return _page(
        "This link is no longer good",
        "<p>It was for signing in, and for one time and one browser only. "
        "Go to the page that you wanted once more.</p>",
        403,
    )


def unavailable() -> Response:
    """Say that nobody can sign in at the moment."""
    return _page("Signing in is not possible at the moment", f"<p>{UNAVAILABLE}</p>", 503)


def _page(title: str, content: str, status: int, head: str = "") -> Response:
    text = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"{head}<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{title}</h1>\n{content}\n</main>\n</body>\n</html>\n"
    )
    return Response(status, Fields.of(_FIELDS), text.encode("utf-8", "replace"))


def _hidden(name: str, value: str) -> str:
    return f'<input type="hidden" name="{name}" value="{escape(value)}">\n' if value else ""


def _shortened(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:199]}…"
