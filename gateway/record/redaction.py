"""
The log that plugins get: what is secret does not come through.

Three nets, one behind the other. A field whose name says that it is a secret shows C{<redacted>}, in the text as in the
structured event. In every text, that of exceptions included, what follows such a name (C{password=...},
C{Authorization: ...}) and the user and password of a URL are cut out. And the secrets of the plugin's own settings are
replaced wherever they turn up. Values are turned to text at once: nothing that holds a secret lives on in an event.

It can't know everything: a password in a plain sentence, that no setting holds, is seen by nobody.
"""

from __future__ import annotations

import dataclasses
import re
import string
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

import msgspec
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from gateway.config.secrets import Secret

REDACTED = "<redacted>"

#: Secrets shorter than this are not searched for in texts: they would be found in the middle of words.
SHORTEST = 4

#: Longest text of one event; a traceback keeps its end, which says what happened.
MOST_TEXT = 16_384
# Looked through is more than is shown, so that nothing secret is cut in two and not known again.
_MOST_READ = 4 * MOST_TEXT

_WORDS = (
    r"authorization|authentication_info|cookie|passw(?:or)?d|passphrase|pwd|secret|token"
    r"|api_?key|private_?key|credentials?|session_?id|signature"
)
# In a name, words are parted by _ or -, or by a change of case: accessToken, X-Api-Key, proxy_authorization.
_SECRET_NAME = re.compile(rf"(?:^|_)(?:{_WORDS})s?(?:$|_)")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_FLAT = _WORDS.replace("_?", "[-_]?").replace("_", "[-_]")
# Whole field lines: what stands behind these goes up to the end of the line.
_LINE = re.compile(
    r"((?:proxy-)?authorization|(?:set-)?cookie|x-api-key)([\"']?\s*:\s*)[^\r\n]+", re.IGNORECASE
)
_PAIR = re.compile(
    rf"((?:{_FLAT})s?)([\"']?\]?\s*(?:=|:|=>)\s*)"
    r"(?!<redacted>)(b?\"[^\"\r\n]*\"|b?'[^'\r\n]*'|[^\s&,;'\")\]}>]+)",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"\b(Basic|Bearer|Negotiate|NTLM|Digest)\s+[A-Za-z0-9+/=._~-]{6,}")
_USERINFO = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]{0,15}://)[^/?#\s@\"'<>]*(?:@[^/?#\s@\"'<>]*)*@")

# What could end a line or move a cursor; line feeds of tracebacks are put back.
_CONTROLS = {
    code: f"\\x{code:02x}" for code in (*range(0x20), 0x7F, *range(0x80, 0xA0)) if code != 9
}


def is_secret_name(name: str) -> bool:
    """Tell whether a field of this name is likely to hold a secret."""
    return _SECRET_NAME.search(_HUMP.sub("_", name).replace("-", "_").lower()) is not None


def secrets_of(settings: object) -> tuple[str, ...]:
    """Collect the texts of all L{Secret<gateway.config.secrets.Secret>}s in a plugin's settings, however deep."""
    return tuple({secret.reveal() for secret in _found(settings, 8)})


class RedactingLog:
    """One plugin's log."""

    def __init__(self, plugin: str, settings: object = None, logger: Logger | None = None) -> None:
        """
        Prepare.

        @param settings: of the plugin, for its secrets.
        @param logger: where it all goes; one of the plugin's own by default.
        """
        self._plugin = plugin
        self._logger = Logger(namespace=f"gateway.plugin.{plugin}") if logger is None else logger
        known = sorted(
            (text for text in secrets_of(settings) if len(text) >= SHORTEST), key=len, reverse=True
        )
        self._known = re.compile("|".join(map(re.escape, known))) if known else None
        self._format = _Format(self)

    def debug(self, format: str | None = None, **fields: object) -> None:
        """Say what only helps to find a fault."""
        self._say(LogLevel.debug, format, fields)

    def info(self, format: str | None = None, **fields: object) -> None:
        """Say what is as it should be, or a client's own fault."""
        self._say(LogLevel.info, format, fields)

    def warn(self, format: str | None = None, **fields: object) -> None:
        """Say what someone else's fault is."""
        self._say(LogLevel.warn, format, fields)

    def error(self, format: str | None = None, **fields: object) -> None:
        """Say what is our own fault."""
        self._say(LogLevel.error, format, fields)

    def failure(self, format: str, *args: Any, **fields: Any) -> None:
        """
        Say it with an exception and its traceback.

        @param args: a C{Failure} or an exception, if it is not the one that is being handled.
        """
        given = args[0] if args else fields.pop("failure", None)
        if isinstance(given, Failure):
            given = given.value
        error = given if isinstance(given, BaseException) else sys.exception()
        self._say(LogLevel.error, format, fields, error=error)

    def scrub(self, text: str) -> str:
        """Cut what is secret out of a text for people."""
        if self._known is not None:
            text = self._known.sub(REDACTED, text)
        text = _USERINFO.sub(rf"\1{REDACTED}@", text)
        text = _LINE.sub(rf"\1\2{REDACTED}", text)
        text = _PAIR.sub(rf"\1\2{REDACTED}", text)
        return _SCHEME.sub(rf"\1 {REDACTED}", text)

    def _say(
        self,
        level: Any,
        format: str | None,
        fields: Mapping[str, object],
        error: BaseException | None = None,
    ) -> None:
        try:
            text = "" if format is None else self._format.vformat(format, (), fields)
            # Scrubbed before it is escaped, or a line end in a secret would hide it, and once more with what stands
            # around the values.
            text = self.scrub(text[:_MOST_READ].translate(_CONTROLS))[:MOST_TEXT]
            if error is not None:
                trace = "".join(traceback.format_exception(error))
                shown = self.scrub(trace[-_MOST_READ:])[-MOST_TEXT:].rstrip("\n").split("\n")
                text = "\n".join([text, *(line.translate(_CONTROLS) for line in shown)])
            kept = {f"field_{name}": self.safe(name, value) for name, value in fields.items()}
        except Exception as fault:
            # A log never breaks its caller; the format is the plugin's own text.
            text = f"a line that can't be made ({type(fault).__name__}): {self.scrub(str(format))}"
            kept = {}
        self._logger.emit(level, "{plugin}: {text}", plugin=self._plugin, text=text, **kept)

    def safe(self, name: str, value: object) -> str | int | float | bool | None:
        """Turn a value to what may be kept: a number, or a scrubbed text."""
        if isinstance(value, Secret) or is_secret_name(name):
            return REDACTED
        if value is None or isinstance(value, (bool, int, float)):
            return value
        return self.scrub(self.text(value)[:_MOST_READ]).translate(_CONTROLS)[:MOST_TEXT]

    def text(self, value: object, depth: int = 4) -> str:
        """Write a value, leaving out what secret names stand for in mappings and structs."""
        if isinstance(value, str):
            return value
        if isinstance(value, Secret):
            return REDACTED
        if depth and isinstance(value, Mapping):
            return self._braces((str(key), item) for key, item in value.items())
        if depth and isinstance(value, (list, tuple, Set)):
            return "[" + ", ".join(self._inner("", item, depth) for item in value) + "]"
        if depth and not isinstance(value, type):
            if dataclasses.is_dataclass(value):
                names: Sequence[str] = [field.name for field in dataclasses.fields(value)]
                return self._braces((name, getattr(value, name, None)) for name in names)
            if isinstance(value, msgspec.Struct):
                names = value.__struct_fields__
                return self._braces((name, getattr(value, name, None)) for name in names)
        return str(value)

    def _braces(self, items: Iterator[tuple[str, object]], depth: int = 3) -> str:
        inner = ", ".join(f"{name}: {self._inner(name, item, depth)}" for name, item in items)
        return f"{{{inner}}}"

    def _inner(self, name: str, value: object, depth: int) -> str:
        if is_secret_name(name):
            return REDACTED
        return repr(value) if isinstance(value, str) else self.text(value, depth - 1)


class _Format(string.Formatter):
    """Formats as C{str.format} does, and redacts on the way."""

    def __init__(self, log: RedactingLog) -> None:
        self._log = log

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Find what C{name}, C{name.attribute} or C{name[key]} means; anything secret on the way hides it."""
        if any(is_secret_name(part) for part in re.split(r"[.\[\]]+", field_name)):
            return REDACTED, field_name
        first = re.split(r"[.\[]", field_name, maxsplit=1)[0]
        if isinstance(kwargs.get(first), Secret):
            return REDACTED, field_name
        try:
            found, used = super().get_field(field_name, args, kwargs)
        except (KeyError, IndexError, AttributeError, TypeError):
            return f"<no {field_name}>", field_name
        return found, used

    def convert_field(self, value: Any, conversion: Any) -> Any:
        """Write it with its secrets left out, whatever the conversion."""
        if value is None or isinstance(value, (bool, int, float)):
            return super().convert_field(value, conversion)
        text = self._log.scrub(self._log.text(value)[:_MOST_READ])
        return super().convert_field(text, conversion)

    def format_field(self, value: Any, format_spec: str) -> str:
        """Apply what stands behind the colon, where it can be."""
        try:
            return str(super().format_field(value, format_spec))
        except (TypeError, ValueError):
            return str(value)


def _found(value: object, depth: int) -> Iterator[Secret]:
    if isinstance(value, Secret):
        yield value
        return
    if not depth or isinstance(value, (str, bytes, type)):
        return
    inner: Iterator[object]
    if isinstance(value, Mapping):
        inner = iter(value.values())
    elif isinstance(value, (list, tuple, Set)):
        inner = iter(value)
    elif dataclasses.is_dataclass(value):
        inner = (getattr(value, field.name, None) for field in dataclasses.fields(value))
    elif isinstance(value, msgspec.Struct):
        inner = (getattr(value, name, None) for name in value.__struct_fields__)
    else:
        return
    for item in inner:
        yield from _found(item, depth - 1)
