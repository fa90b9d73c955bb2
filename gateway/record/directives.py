"""
C{format = "custom ..."}: a format string of directives, most with the names that Squid or Apache gave them.

A directive is C{%}, a way of quoting, C{-} or C{0} and a width, a precision, an argument in braces, and a name; only
the name is needed. The string is compiled once into a tuple of functions. A name means the longest one that fits.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from gateway.api.transaction import ClientTls, Transaction
from gateway.record.columns import SECRET_FIELDS, Columns, milliseconds, since_begun
from gateway.record.connection_tls import bump_mode, squid_version
from gateway.record.escape import quoted, quoted_text, word, word_text
from gateway.record.outcomes import outcome_name, reason, squid_hierarchy, squid_result

#: Bytes a peer sent, text for people, or what is safe in a line as it is; C{None} and empty become C{"-"}.
_Value: TypeAlias = bytes | str | int | None
_Piece: TypeAlias = Callable[[Transaction], str]
_Reader: TypeAlias = Callable[[Columns, Transaction, str], _Value]


@dataclass(frozen=True, slots=True)
class Directive:
    """
    What one name stands for.

    @ivar meaning: for the documents.
    @ivar read: gives the value; its last argument is the text in braces.
    @ivar argument: what the braces hold, C{""} if there must be none.
    @ivar plain: the value is a column already and needs no escape.
    """

    meaning: str
    read: _Reader
    argument: str = ""
    plain: bool = True


def _request_field(columns: Columns, txn: Transaction, name: str) -> bytes:
    return columns.field(txn.request.fields, name.lower().encode("ascii"))


def _response_field(columns: Columns, txn: Transaction, name: str) -> bytes | None:
    if txn.response is None:
        return None
    return columns.field(txn.response.fields, name.lower().encode("ascii"))


def _note(columns: Columns, txn: Transaction, name: str) -> str | None:
    return txn.notes.get(name) if txn.has_notes else None


def _ends(txn: Transaction) -> str:
    """Give the end's moment as the squid format has it, cut off after the milliseconds."""
    timings = txn.timings
    moment = timings.wall + max(0.0, timings.ended - timings.begun)
    second = int(moment)
    return f"{second}.{int((moment - second) * 1000.0):03d}"


def _mark(txn: Transaction, moment: float) -> str | None:
    spent = since_begun(txn, moment)
    return None if spent is None else f"{spent:.3f}"


def _path_and_query(columns: Columns, txn: Transaction) -> tuple[str, str]:
    if not txn.request.scheme and txn.request.host:
        return "", ""
    path, mark, query = columns.target(txn.request).partition("?")
    return path, mark + query


def _request_line(columns: Columns, txn: Transaction, _: str) -> bytes:
    request = txn.request
    method = columns.methods[request.raw_method]
    line = f"{method} {columns.request_target(txn)} HTTP/1.{request.minor}"
    return line.encode("ascii")


_NO_TLS: Final = ClientTls()


def _tls(txn: Transaction) -> ClientTls:
    """Give what is known of the connection's TLS; nothing, if there is none."""
    return txn.client.tls or _NO_TLS


def _directives() -> dict[str, Directive]:
    d = Directive
    a = "the client's address"
    known = {
        "%": d("a percent sign", lambda c, t, _: "%"),
        ">a": d(a, lambda c, t, _: c.names[t.client.address]),
        ">p": d("the client's port", lambda c, t, _: t.client.port),
        "peer": d(
            "the address of the TCP peer: a downstream proxy's, if one vouched for `%>a`",
            lambda c, t, _: c.names[t.client.peer],
        ),
        "listener": d(
            "the address that was connected to", lambda c, t, _: c.names[t.client.listener]
        ),
        "mode": d("`forward`, `reverse`, ...", lambda c, t, _: c.names[t.client.mode]),
        "site": d("the site of a reverse-proxied request", lambda c, t, _: c.names[t.site]),
        "id": d("the transaction's id", lambda c, t, _: t.id, plain=False),
        "ts": d("seconds since the epoch, at the end", lambda c, t, _: _ends(t)[:-4]),
        "tu": d("milliseconds of that second", lambda c, t, _: int(_ends(t)[-3:])),
        "tg": d(
            "date and time of the end, in UTC, as `21/Nov/2026:22:08:58 +0000`",
            lambda c, t, _: c.apache_time(t.timings.wall + milliseconds(t) / 1000.0),
        ),
        "tr": d("milliseconds it took", lambda c, t, _: int(milliseconds(t))),
        "dt": d(
            "milliseconds from the request head to the resolved name",
            lambda c, t, _: _mark(t, t.timings.resolved),
        ),
        "ct": d(
            "milliseconds from the request head to the upstream connection",
            lambda c, t, _: _mark(t, t.timings.connected),
        ),
        "<pt": d(
            "milliseconds from the request head to the response head",
            lambda c, t, _: _mark(t, t.timings.first_byte),
        ),
        "un": d("the user", lambda c, t, _: c.user(t)),
        "ui": d("always `-`", lambda c, t, _: None),
        "Ss": d("Squid's result code", lambda c, t, _: squid_result(t)),
        "Sh": d("Squid's hierarchy code", lambda c, t, _: squid_hierarchy(t)),
        ">Hs": d("the status that was sent, 0 if none was", lambda c, t, _: t.status),
        "<st": d("bytes sent to the client, heads included", lambda c, t, _: t.bytes_out),
        ">st": d("bytes of content received from the client", lambda c, t, _: t.bytes_in),
        "rm": d("the method", lambda c, t, _: c.methods[t.request.raw_method]),
        "ru": d("the URL; `host:port` for CONNECT", lambda c, t, _: c.url(t.request)),
        "rd": d("the URL's host", lambda c, t, _: c.names[t.request.host]),
        "rP": d("the URL's port", lambda c, t, _: t.request.port or None),
        "rp": d("path and query", lambda c, t, _: "".join(_path_and_query(c, t))),
        "rv": d("the client's HTTP version", lambda c, t, _: f"1.{t.request.minor}"),
        "<a": d("the upstream's address", lambda c, t, _: c.hosts[t.upstream]),
        "upstream": d("the upstream's address and port", lambda c, t, _: c.names[t.upstream]),
        "route": d("`direct`, `parent`, `origin` or `none`", lambda c, t, _: c.names[t.route]),
        "mt": d("the response's media type", lambda c, t, _: c.media_type(t)),
        "outcome": d("how it ended", lambda c, t, _: outcome_name(t)),
        "reason": d("why, as a token", lambda c, t, _: reason(t)[0], plain=False),
        "detail": d("why, as a sentence", lambda c, t, _: reason(t)[1], plain=False),
        ">h": d("a field of the request", _request_field, "field", plain=False),
        "<h": d("a field of the response", _response_field, "field", plain=False),
        "note": d("a note that a plugin made", _note, "name", plain=False),
        "t": d(
            "date and time of the request, in UTC, in brackets",
            lambda c, t, _: f"[{c.apache_time(t.timings.wall)}]",
        ),
        "r": d("the request line", _request_line, plain=False),
        "b": d(
            "bytes of content sent to the client, `-` if none",
            lambda c, t, _: c.content_out(t) or None,
        ),
        "B": d("the same, 0 if none", lambda c, t, _: c.content_out(t)),
        "D": d("microseconds it took", lambda c, t, _: int(milliseconds(t) * 1000.0)),
        "T": d("seconds it took", lambda c, t, _: int(milliseconds(t) / 1000.0)),
        "U": d("the path", lambda c, t, _: _path_and_query(c, t)[0]),
        "q": d(
            "the query with its question mark, empty if there is none",
            lambda c, t, _: _path_and_query(c, t)[1] or b"",
        ),
        "H": d("the protocol", lambda c, t, _: f"HTTP/1.{t.request.minor}"),
        "v": d("the site, or the URL's host", lambda c, t, _: c.names[t.site or t.request.host]),
        "ssl::>sni": d(
            "the host that the client asked for in TLS (SNI)",
            lambda c, t, _: c.names[_tls(t).server_name],
        ),
        "ssl::bump_mode": d(
            "`bump`: TLS was intercepted, `splice`: it passed unread, `terminate`: it was refused",
            lambda c, t, _: bump_mode(t.client.tls),
        ),
        "ssl::>negotiated_version": d(
            "TLS with the client, such as `TLS/1.3`",
            lambda c, t, _: c.names[squid_version(_tls(t).version)],
        ),
        "ssl::>negotiated_cipher": d(
            "the cipher with the client", lambda c, t, _: c.names[_tls(t).cipher]
        ),
        "ssl::<negotiated_version": d(
            "TLS with the server, where it is intercepted or passes unread",
            lambda c, t, _: c.names[squid_version(_tls(t).upstream_version)],
        ),
        "ssl::<negotiated_cipher": d(
            "the cipher with the server, likewise", lambda c, t, _: c.names[_tls(t).upstream_cipher]
        ),
        "tls_decision": d(
            "what became of the client's TLS: `terminate`, `intercept`, `tunnel` or `block`",
            lambda c, t, _: c.names[_tls(t).decision],
        ),
        "tls_why": d("what led to that, as a token", lambda c, t, _: c.names[_tls(t).why]),
        "tls_alpn": d("the protocol agreed within TLS", lambda c, t, _: c.names[_tls(t).alpn]),
        "tls_resumed": d(
            "1: an earlier session of TLS was taken up again, else 0; `-` without TLS",
            lambda c, t, _: None if t.client.tls is None else int(t.client.tls.resumed),
        ),
    }
    same = {
        "h": ">a", "l": "ui", "u": "un", "m": "rm", "s": ">Hs", ">s": ">Hs", "Hs": ">Hs", "O": "<st",
        "I": ">st", "i": ">h", "o": "<h", "n": "note",
    }  # fmt: skip
    return known | {alias: known[name] for alias, name in same.items()}


#: Every name there is.
DIRECTIVES: Final = _directives()

_DIRECTIVE = re.compile(
    r"%(?P<quoting>[\"#\[]?)(?P<left>-?)(?P<zero>0?)(?P<width>\d*)(?:\.(?P<most>\d+))?"
    r"(?:\{(?P<argument>[^{}]*)\})?(?P<name>"
    + "|".join(re.escape(name) for name in sorted(DIRECTIVES, key=len, reverse=True))
    + ")"
)
_FIELD_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_WIDEST = 4096


def compile_custom(text: str, columns: Columns) -> _Piece:
    """
    Make the maker for a format string.

    @raise ValueError: an unknown or malformed directive, a field that holds secrets, or a character that is neither
        printable ASCII nor a tab.
    """
    if not (text.isascii() and text.replace("\t", "").isprintable()):
        raise ValueError("a log format is printable ASCII and tabs")
    pieces: list[_Piece] = []
    quotes = 0
    at = 0
    while at < len(text):
        percent = text.find("%", at)
        literal = text[at:] if percent < 0 else text[at:percent]
        if literal:
            quotes += literal.count('"')
            pieces.append(_constant(literal))
        if percent < 0:
            break
        match = _DIRECTIVE.match(text, percent)
        if match is None:
            raise ValueError(
                f"unknown directive {text[percent : percent + 8]!r} at column {percent + 1}"
            )
        pieces.append(_piece(match, columns, inside_quotes=bool(quotes % 2)))
        at = match.end()
    made = tuple(pieces)

    def line(txn: Transaction) -> str:
        return "".join([piece(txn) for piece in made]) + "\n"

    return line


def _constant(text: str) -> _Piece:
    return lambda _: text


def _piece(match: re.Match[str], columns: Columns, *, inside_quotes: bool) -> _Piece:
    name = match["name"]
    directive = DIRECTIVES[name]
    argument = match["argument"]
    _check_argument(f"%{name}", directive, argument)
    read = directive.read
    key = argument or ""
    backslashes = match["quoting"] == '"' or (inside_quotes and not match["quoting"])
    empty = "" if name == "q" else "-"
    shape = _shape(match)

    def piece(txn: Transaction) -> str:
        value = read(columns, txn, key)
        if value is None or value == b"" or value == "":
            text = empty
        elif isinstance(value, int):
            text = str(value)
        elif directive.plain and isinstance(value, str):
            text = value
        elif isinstance(value, bytes):
            text = quoted(value) if backslashes else word(value)
        else:
            text = quoted_text(value) if backslashes else word_text(value)
        return text if shape is None else shape(text)

    return piece


def _check_argument(name: str, directive: Directive, argument: str | None) -> None:
    if not directive.argument:
        if argument is not None:
            raise ValueError(f"{name} takes no argument")
        return
    if not argument:
        raise ValueError(f"{name} needs a {directive.argument} in braces, as in %{{...}}{name[1:]}")
    if directive.argument == "field":
        if not _FIELD_NAME.fullmatch(argument):
            raise ValueError(f"{argument!r} is not a field name")
        if argument.lower() in SECRET_FIELDS:
            raise ValueError(f"{argument} holds secrets and can't be logged")


def _shape(match: re.Match[str]) -> Callable[[str], str] | None:
    width = int(match["width"] or 0)
    most = int(match["most"]) if match["most"] else None
    if not width and most is None:
        return None
    if width > _WIDEST:
        raise ValueError(f"a width over {_WIDEST}")
    if match["left"]:
        return lambda text: text[:most].ljust(width)
    fill = "0" if match["zero"] else " "
    return lambda text: text[:most].rjust(width, fill)
