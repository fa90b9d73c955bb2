"""
The page that a person looks at while a download is held and scanned: HTML with a little script, and JSON for the script.

One piece without any outside resource; what the policy lets run is named by a nonce of this one answer. Without
JavaScript the page loads itself again and again. Everything that came from elsewhere is escaped.
"""

from __future__ import annotations

import json
import re
import secrets
from html import escape
from urllib.parse import quote, unquote, urlsplit

from gateway.api.messages import Response
from gateway.message.fields import Fields
from gateway.pipeline.deferred import Fetch

#: Seconds after which a page without JavaScript loads itself again.
RELOAD_SECONDS = 3

_MAX_NAME = 150

_STYLE = (
    ":root{color-scheme:light dark}"
    "body{margin:0;background:Canvas;color:CanvasText;font:1rem/1.5 system-ui,sans-serif}"
    "main{max-width:38rem;margin:0 auto;padding:12vh 1.25rem 3rem}"
    "h1{font-size:1.6rem;line-height:1.25;margin:0 0 1rem}"
    "p{margin:0 0 1rem}"
    "progress{display:block;width:100%;height:1.25rem;margin:1.5rem 0 .5rem;accent-color:#0b66c3}"
    "#amount{font-size:.875rem;font-variant-numeric:tabular-nums}"
    "dl{margin:2rem 0 0;padding-top:1rem;border-top:1px solid GrayText;font-size:.875rem;"
    "display:grid;grid-template-columns:auto 1fr;gap:.25rem 1rem}"
    "dd{margin:0;overflow-wrap:anywhere;font-family:ui-monospace,monospace}"
)

_SAYS = {
    "receiving": "The file is being fetched.",
    "scanning": "The file is here and is being scanned for malware.",
    "ready": "Nothing bad was found. The download begins.",
    "refused": "The file was not passed on. The reason follows.",
}
_GONE = "This download is over. Go back and begin it anew if you still want it."
_LOST = "The gateway does not answer at the moment; it is asked again."

# What is said changes with the state alone, so that a screen reader does not read out numbers all the time.
_SCRIPT = """
"use strict";
(async () => {
  const at = PATH, says = TEXTS;
  const bar = document.getElementById("bar");
  const state = document.getElementById("state");
  const amount = document.getElementById("amount");
  const say = (text) => { if (state.textContent !== text) state.textContent = text; };
  for (;;) {
    const asked = Date.now();
    try {
      const answer = await fetch(at + "status", {cache: "no-store", credentials: "omit"});
      if (answer.status === 404 || answer.status === 410) {
        bar.hidden = true; amount.textContent = ""; say(says.gone); return;
      }
      const now = await answer.json();
      if (now.percent === null) bar.removeAttribute("value"); else bar.value = now.percent;
      amount.textContent = now.amount;
      say(says[now.state]);
      if (now.next) { location.replace(now.next); return; }
    } catch (error) { say(says.lost); }
    if (Date.now() - asked < 500) await new Promise((go) => setTimeout(go, 1000));
  }
})();
"""


def progress_page(fetch: Fetch, detail: str = "") -> Response:
    """Make the page as things stand now."""
    nonce = secrets.token_urlsafe(18)
    state, name = fetch.state, file_name(fetch.url)
    percent = _percent(fetch)
    value = "" if percent is None else f' value="{percent}"'
    texts = json.dumps({**_SAYS, "gone": _GONE, "lost": _LOST})
    script = _SCRIPT.replace("PATH", json.dumps(fetch.path)).replace("TEXTS", texts)
    if fetch.done:
        target = escape(_result(fetch))
        more = f'<p><a href="{target}">Go on</a> if nothing happens.</p>\n'
        reload, script_there = f'<meta http-equiv="refresh" content="0; url={target}">', ""
    else:
        more = "<noscript><p>This page loads itself again every few seconds.</p></noscript>\n"
        reload = (
            f'<noscript><meta http-equiv="refresh" content="{RELOAD_SECONDS}; '
            f'url={escape(fetch.path)}"></noscript>'
        )
        script_there = f'<script nonce="{nonce}">{script}</script>\n'
    address = escape(_shown(fetch.url.partition("?")[0]))
    document = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'{reload}\n<title>{escape(name)} is being checked</title>\n<style nonce="{nonce}">{_STYLE}'
        "</style>\n</head>\n<body>\n<main>\n"
        "<h1>Your download is being checked</h1>\n"
        "<p>This gateway scans files for malware before it passes them on. When that is done the "
        "download begins by itself. Please keep this page open.</p>\n"
        f'<progress id="bar" max="100" aria-label="Progress of the download"{value}></progress>\n'
        f'<p id="amount">{escape(_amount(fetch))}</p>\n'
        f'<p id="state" role="status">{escape(_SAYS[state])}</p>\n{more}'
        f"<dl><dt>File</dt><dd>{escape(name)}</dd><dt>Address</dt><dd>{address}</dd>"
        f"<dt>Request id</dt><dd>{escape(fetch.x.txn.id)}</dd></dl>\n</main>\n{script_there}</body>\n</html>\n"
    )
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'"
    )
    fields = Fields(
        [
            b"Content-Type: text/html; charset=utf-8",
            b"Content-Language: en",
            f"Content-Security-Policy: {policy}".encode(),
            b"Referrer-Policy: no-referrer",
            b"Cache-Control: no-store",
            b"X-Content-Type-Options: nosniff",
        ]
    )
    fields.set("X-Request-Id", fetch.x.txn.id)
    return Response(200, fields, document.encode())


def status(fetch: Fetch) -> Response:
    """Tell the script how it goes."""
    said = {
        "state": fetch.state,
        "received": fetch.received,
        "total": fetch.total,
        "percent": _percent(fetch),
        "amount": _amount(fetch),
        "next": _result(fetch) if fetch.done else None,
    }
    lines = [
        b"Content-Type: application/json",
        b"Cache-Control: no-store",
        b"X-Content-Type-Options: nosniff",
    ]
    return Response(200, Fields(lines), json.dumps(said).encode() + b"\n")


def file_name(url: str) -> str:
    """Give the name that a file has by its URL: the end of the path, of what a file's name can hold."""
    last = unquote(urlsplit(url).path.rpartition("/")[2], errors="replace")
    name = re.sub(
        r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|\ufffd\u200b-\u200f\u2028-\u202e\u2066-\u2069]+', "_", last
    )
    return name.strip(" .")[:_MAX_NAME] or "download"


def attachment(url: str) -> bytes:
    """Write the field that has a file saved under the name of its URL (RFC 6266 section 4)."""
    name = file_name(url)
    plain = re.sub(r"[^ -~]|%", "_", name)
    line = f'Content-Disposition: attachment; filename="{plain}"'
    if plain != name:
        line += f"; filename*=UTF-8''{quote(name, safe='')}"
    return line.encode() + b"\r\n"


def _result(fetch: Fetch) -> str:
    return f"{fetch.path}get/{quote(file_name(fetch.url), safe='')}"


def _percent(fetch: Fetch) -> int | None:
    if fetch.state != "receiving":
        return 100
    if not fetch.total:
        return None
    return min(99, fetch.received * 100 // fetch.total)


def _amount(fetch: Fetch) -> str:
    received = _size(fetch.received)
    if fetch.total and fetch.state == "receiving":
        return f"{received} of {_size(fetch.total)}"
    return received


def _size(count: int) -> str:
    if count < 1_000_000:
        return f"{count / 1000:.0f} kB"
    return f"{count / 1_000_000:.1f} MB"


def _shown(text: str) -> str:
    return text if len(text) <= 300 else text[:299] + "…"
