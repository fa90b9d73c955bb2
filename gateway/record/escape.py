"""
How what a peer sent gets into a line of the log: always as printable ASCII.

Whoever can choose a byte of a log line can forge lines, hide one, or drive the terminal of who reads it. So nothing
here lets a line end, a control character, a quote or a byte over 0x7e through as it is. What is read most, a target
URI with nothing to escape, costs one pass in C.

Three ways, one for each kind of place: L{url_text} and L{word} for a column between spaces (percent-encoding, RFC 3986
section 2.1), L{quoted} for text between double quotes (backslashes, as web servers do), L{json_string} for JSON
(RFC 8259 section 7).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sized
from typing import TypeVar

#: Printable ASCII without space, double quote and backslash: the same in every format.
PLAIN = bytes(code for code in range(0x21, 0x7F) if code not in b'"\\')


def _only(plain: bytes) -> bytes:
    """
    Give a table for C{bytes.translate} that gives back the very object where all of its bytes are among these.

    Taking them out and looking whether something is left would have the table made anew for each call.
    """
    return bytes(code if code in plain else (code + 1) % 256 for code in range(256))


_WORD = PLAIN.replace(b"%", b"")
#: To tell whether there is nothing to escape.
ONLY_PLAIN = _only(PLAIN)
_ONLY_SPACED = _only(PLAIN + b" ")
_ONLY_WORD = _only(_WORD)

_URL_ESCAPES = [chr(code) if code in PLAIN else f"%{code:02X}" for code in range(256)]
_WORD_ESCAPES = [chr(code) if code in _WORD else f"%{code:02X}" for code in range(256)]
_QUOTED_ESCAPES = [
    chr(code) if code in PLAIN or code == 0x20 else f"\\x{code:02x}" for code in range(256)
]
for _char, _escape in (('"', '\\"'), ("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
    _QUOTED_ESCAPES[ord(_char)] = _escape

#: What is longer is worked out anew each time, so that a full memo stays small whatever peers send.
_LONGEST = 512
_MOST_KEYS = 1024


K = TypeVar("K", bound=Sized)
V = TypeVar("V", bound=Sized)


class Memo(dict[K, V]):
    """
    What a function made of keys that come again and again: hosts, media types, user agents.

    A hit is a plain dictionary look-up. It is emptied when it is full: peers choose the keys.
    """

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[K], V]) -> None:
        super().__init__()
        self._make: Callable[[K], V] = make

    def __missing__(self, key: K) -> V:
        """Work it out, and keep it if it is short."""
        made: V = self._make(key)
        if len(key) <= _LONGEST and len(made) <= _LONGEST:
            if len(self) >= _MOST_KEYS:
                self.clear()
            self[key] = made
        return made


def url_text(raw: bytes) -> str:
    """Give a URL, or a part of it, as one column; what is percent-encoded already stays so."""
    if raw.translate(ONLY_PLAIN) is raw:
        return raw.decode("ascii")
    return "".join([_URL_ESCAPES[code] for code in raw])


def word(raw: bytes) -> str:
    """Give bytes as one column, the percent sign encoded too; C{"-"} if there are none."""
    if not raw:
        return "-"
    if raw.translate(_ONLY_WORD) is raw:
        return raw.decode("ascii")
    return "".join([_WORD_ESCAPES[code] for code in raw])


def word_text(text: str) -> str:
    """Give text for people as L{word} does, from its UTF-8."""
    return word(text.encode("utf-8", "surrogatepass"))


def quoted(raw: bytes) -> str:
    """Give bytes for a place between double quotes, which are not added; C{"-"} if there are none."""
    if not raw:
        return "-"
    if raw.translate(_ONLY_SPACED) is raw:
        return raw.decode("ascii")
    return "".join([_QUOTED_ESCAPES[code] for code in raw])


def quoted_text(text: str) -> str:
    """Give text for people as L{quoted} does, from its UTF-8."""
    return quoted(text.encode("utf-8", "surrogatepass"))


def json_string(text: str) -> str:
    """Give a JSON string, its quotes included, of printable ASCII alone."""
    if not text.isascii():
        # Half of a surrogate pair is no character, and what reads JSON may refuse it.
        text = text.encode("utf-8", "replace").decode()
    # The one character of ASCII that json.dumps passes and a terminal does not print.
    return json.dumps(text).replace("\x7f", "\\u007f")


def json_bytes(raw: bytes) -> str:
    """Give a JSON string of a field value: each byte over 0x7e becomes the character of that number."""
    if raw.translate(_ONLY_SPACED) is raw:
        return f'"{raw.decode("ascii")}"'
    return json_string(raw.decode("latin-1"))
