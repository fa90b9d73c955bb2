"""
What a file is called: by C{Content-Disposition} (RFC 6266), else by the last part of the path.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from gateway.api import Fields

_PARAMETER = re.compile(
    r';\s*(filename\*|filename)\s*=\s*(?:"((?:[^"\\]|\\.){0,400})"|([^;\s"]{1,400}))', re.IGNORECASE
)
_MOST = 100
_MOST_LOOKED_AT = 2000


def of_disposition(value: str | None) -> str:
    """Give the name that a C{Content-Disposition} says; empty if it says none."""
    if not value:
        return ""
    found: dict[str, str] = {}
    for name, quoted, token in _PARAMETER.findall(value[:_MOST_LOOKED_AT]):
        text = re.sub(r"\\(.)", r"\1", quoted) or token
        if name.lower() == "filename*":
            charset, _, rest = text.partition("'")
            encoding = "utf-8" if charset.lower() != "iso-8859-1" else "latin-1"
            text = unquote(rest.partition("'")[2], encoding, "replace")
        found.setdefault(name.lower(), text)
    return found.get("filename*") or found.get("filename") or ""


def of_path(path: str) -> str:
    """Give the last part of a path as in a URL."""
    return unquote(path.rpartition("/")[2][-400:], errors="replace")


def of_message(fields: Fields, path: str) -> str:
    """Give the name of a message's content."""
    return of_disposition(fields.get("content-disposition")) or of_path(path)


def shown(name: str) -> str:
    """Give a name for people: without folders and control characters, and not at any length."""
    last = name.replace("\\", "/").rpartition("/")[2]
    text = "".join(c if c.isprintable() and c != '"' else "?" for c in last)
    return text if len(text) <= _MOST else text[: _MOST - 1] + "…"


def media_type(value: str | None) -> str:
    """Give a declared type in lower case and without parameters."""
    return "" if value is None else value.partition(";")[0].strip().lower()
