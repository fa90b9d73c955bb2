"""
The site at which clients get the gateway's CA: one page with instructions, and the files.

Reached through the proxy under a name of the gateway's own, by plain HTTP, for who has no trust yet can't be offered it
over TLS. So the page can be forged by whoever sits in between, and says to compare the fingerprint. Nothing is
asked of the client but the path; what is served is public. Who serves it, and under which name, is not known here.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from html import escape

from gateway.api.messages import Response
from gateway.message.fields import Fields
from gateway.pipeline.ca_formats import FORMATS, NEXT_FILE, PublishedCa, export, fingerprint
from gateway.pipeline.ca_texts import PLATFORMS, Platform

#: The pages under which it is found.
PATHS = ("/", "/ca", "/ca/")

_STYLE = (
    ":root{color-scheme:light dark}"
    "body{margin:0;background:Canvas;color:CanvasText;font:1rem/1.5 system-ui,sans-serif}"
    "main{max-width:46rem;margin:0 auto;padding:6vh 1.25rem 3rem}"
    "h1{font-size:1.6rem;line-height:1.25;margin:0 0 1rem}"
    "h2{font-size:1.2rem;line-height:1.3;margin:2rem 0 .5rem;padding-top:1rem;border-top:1px solid GrayText}"
    "p,ul,ol{margin:0 0 1rem}"
    "dl{margin:0 0 1rem;font-size:.875rem;display:grid;grid-template-columns:auto 1fr;gap:.25rem 1rem}"
    "dd{margin:0;overflow-wrap:anywhere}"
    "code,pre,dd{font-family:ui-monospace,monospace}"
    "pre{margin:0 0 1rem;padding:.75rem;border:1px solid GrayText;overflow-x:auto;font-size:.875rem}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

_COMMON = (b"Cache-Control: no-store", b"X-Content-Type-Options: nosniff")
_HTML = (
    b"Content-Type: text/html; charset=utf-8",
    b"Content-Language: en",
    (
        f"Content-Security-Policy: default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ).encode(),
)
_TYPED = re.compile(r"`([^`]+)`")


def ca_response(path: str, published: Sequence[PublishedCa]) -> Response | None:
    """
    Answer a GET or HEAD for a path of this site.

    @param path: with or without a query, which is not looked at.
    @param published: what clients are to trust, the one that signs first; empty while there is no CA.
    @return: C{None} if there is nothing under this path.
    """
    path = path.partition("?")[0]
    if path in PATHS:
        return ca_page(published)
    file = path.removeprefix("/ca").removeprefix("/")
    if file == NEXT_FILE and len(published) > 1:
        return ca_file("der", published[1:], file)
    found = next((one for one in FORMATS.values() if one.file == file), None)
    if found is None or not published:
        return None
    return ca_file(found.name, published, file)


def ca_page(published: Sequence[PublishedCa]) -> Response:
    """Make the page."""
    if published:
        body = _offer(published)
    else:
        body = (
            "<h1>This gateway has no CA</h1>\n<p>It decrypts nothing, so there is nothing to install. "
            "If that will change, there will be a certificate here.</p>\n"
        )
    document = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>The gateway's certificate</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"{body}</main>\n</body>\n</html>\n"
    )
    return Response(200, Fields([*_HTML, *_COMMON]), document.encode())


def ca_file(name: str, published: Sequence[PublishedCa], file: str) -> Response:
    """
    Make the answer with a file.

    @param name: the format.
    @param published: at least one.
    @param file: how the client is to call it.
    """
    # iOS installs a profile, and Android a certificate, only from what is not called an attachment.
    kept = "inline" if name in ("mobileconfig", "der") else "attachment"
    lines = (
        f"Content-Type: {FORMATS[name].media}".encode(),
        f'Content-Disposition: {kept}; filename="{file}"'.encode(),
        b"Content-Security-Policy: default-src 'none'; frame-ancestors 'none'",
    )
    return Response(200, Fields([*lines, *_COMMON]), export(name, published))


def _offer(published: Sequence[PublishedCa]) -> str:
    contents = "".join(
        f'<li><a href="#{one.anchor}">{escape(one.title)}</a></li>\n' for one in PLATFORMS
    )
    files = "".join(
        f'<li><a href="/{one.file}">{one.file}</a>: {escape(one.what)}</li>\n'
        for one in FORMATS.values()
    )
    if len(published) > 1:
        files += (
            f'<li><a href="/{NEXT_FILE}">{NEXT_FILE}</a>: the second certificate, '
            "for what takes only one a file</li>\n"
        )
    return (
        "<h1>Install the gateway's certificate</h1>\n"
        "<p>This network's gateway looks into some encrypted connections, to keep harm away. Until this "
        "device trusts the gateway's certificate, browsers and programs report those connections as unsafe.</p>\n"
        "<p><strong>Before you install it</strong>, compare the SHA-256 fingerprint with the one that your "
        "administrator has told you by another way: this page itself comes unprotected. Whoever has "
        "the key of a certificate that you trust can read what you send.</p>\n"
        + "".join(map(_certificate, published))
        + f'<h2 id="files">Files</h2>\n<ul>\n{files}</ul>\n'
        + f'<h2 id="how">How to install it</h2>\n<nav aria-labelledby="how"><ul>\n{contents}</ul></nav>\n'
        + "".join(map(_platform, PLATFORMS))
    )


def _certificate(one: PublishedCa) -> str:
    use = "now" if one.signs else f"from {one.signs_from:%Y-%m-%d}: install it in time"
    rows = (
        ("Name", one.name),
        ("SHA-256", fingerprint(one)),
        ("In use", use),
        ("Valid until", f"{one.expires:%Y-%m-%d}"),
    )
    return "<dl>" + "".join(f"<dt>{k}</dt><dd>{escape(v)}</dd>" for k, v in rows) + "</dl>\n"


def _platform(one: Platform) -> str:
    links = ", ".join(
        f'<a href="/{FORMATS[name].file}">{FORMATS[name].file}</a>' for name in one.formats
    )
    steps = "".join(
        "<li>" + _TYPED.sub(r"<code>\1</code>", escape(step, quote=False)) + "</li>\n"
        for step in one.steps
    )
    code = (
        f'<pre tabindex="0" aria-label="Commands for {escape(one.title)}"><code>{escape(one.code)}</code></pre>\n'
        if one.code
        else ""
    )
    return f'<h2 id="{one.anchor}">{escape(one.title)}</h2>\n<p>Files: {links}</p>\n<ol>\n{steps}</ol>\n{code}'
