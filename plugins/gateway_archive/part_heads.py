"""
Heads of parts and what they declare, in every way that anyone reads it: RFC 2046, 2183, 2231, 7578, and the many who follow none.

Nothing here is a fault. A field that stands there twice has two values, and so has a parameter that is quoted oddly; which one
counts is for whoever gets the message to say, so all are given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from gateway_archive.faults import shown

#: How many readings of one thing are given.
MOST = 16
#: The longest boundary; by RFC 2046 it may have 70 letters.
MAX_BOUNDARY = 1024

_MAX_NAME = 120
_MAX_TYPE = 4096

_BREAK = re.compile(r"\r\n|\r|\n")
_BOUNDARY = re.compile(r"boundary([ \t*\d]{0,20})=[ \t]*", re.I)
_PARAMETER = re.compile(
    r"""(?<![a-z])(file)?name(\*?)(\d{0,3})(\*?)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^;]*)""",
    re.I | re.S,
)
_CONTAINER = re.compile(r"multipart[ \t]*/|message[ \t]*/[ \t]*(?:rfc822|global|news|http)", re.I)
_TRANSFER = {
    "base64": ("base64",),
    "quoted-printable": ("quoted-printable",),
    "uuencode": ("uuencode",),
    "x-uuencode": ("uuencode",),
    "x-uue": ("uuencode",),
    "uue": ("uuencode",),
}
_CONTENT = {
    "gzip": ("gzip",),
    "x-gzip": ("gzip",),
    "deflate": ("zlib", "deflate"),
    "br": ("br",),
    "zstd": ("zstd",),
    "compress": ("compress",),
    "x-compress": ("compress",),
}


@dataclass(frozen=True, slots=True)
class Head:
    """
    What the head of a part declares.

    @ivar name: of the field of a form; fit to be shown.
    @ivar filenames: each that can be read from it, the likeliest first; fit to be shown, without folders.
    @ivar content_types: each C{Content-Type}, whole.
    @ivar codings: each coding that is declared, by the names of L{codings<gateway_archive.codings.decode>}.
    """

    name: str = ""
    filenames: tuple[str, ...] = ()
    content_types: tuple[str, ...] = ()
    codings: tuple[str, ...] = ()


def read_head(text: bytes) -> Head:
    """Read the fields of a head; what is no field is skipped."""
    types: list[str] = []
    codings: list[str] = []
    names: list[str] = []
    files: list[str] = []
    also: list[str] = []
    for name, value in _fields(text.decode("latin-1")):
        if name == "content-type":
            types.append(value[:_MAX_TYPE])
        elif name == "content-transfer-encoding":
            codings += _named(value, _TRANSFER)
        elif name == "content-encoding":
            codings += _named(value, _CONTENT)
        if name in ("content-disposition", "content-type"):
            for is_file, one in _names(value):
                if is_file:
                    files.append(one)
                else:
                    # Mail gives the name of a file with its type, too.
                    (names if name == "content-disposition" else also).append(one)
    return Head(
        names[0] if names else "",
        _ends(files + also),
        _ends(types),
        tuple(dict.fromkeys(codings)),
    )


def media_type(content_type: str) -> str:
    """Give a declared type in lower case and without parameters."""
    return shown(content_type.partition(";")[0].partition(",")[0].strip().lower(), _MAX_NAME)


def is_container(content_type: str) -> bool:
    """Tell whether what is of this type has parts or a head of its own, so that it can be split."""
    return _CONTAINER.search(content_type[:_MAX_TYPE]) is not None


def boundaries(content_type: str) -> tuple[bytes, ...]:
    """
    Give every boundary that anyone could read from a C{Content-Type}, the likeliest first.

    @return: at most one more than L{MOST}: then there are too many to try them all.
    """
    content_type = content_type[:_MAX_TYPE]
    found: dict[str, None] = {}
    pieces: list[tuple[str, str]] = []
    for match in _BOUNDARY.finditer(content_type):
        mark = "".join(match[1].split())
        values = list(_values(content_type[match.end() :]))
        if mark:
            pieces.append((mark, values[0]))
        if mark.endswith("*"):
            values += [_extended(value) for value in values]
        found.update(dict.fromkeys(values))
    if pieces:
        # RFC 2231: one value in several pieces, each of which may be quoted like an URL.
        found[
            "".join(_extended(value) if mark.endswith("*") else value for mark, value in pieces)
        ] = None
        ordered = sorted(
            pieces,
            key=lambda piece: (
                int(piece[0].strip("*") or "0") if piece[0].strip("*").isdecimal() else 0
            ),
        )
        found[
            "".join(_extended(value) if mark.endswith("*") else value for mark, value in ordered)
        ] = None
    encoded: dict[bytes, None] = {}
    for value in found:
        for charset in ("latin-1", "utf-8"):
            boundary = value.encode(charset, "replace")
            if 0 < len(boundary) <= MAX_BOUNDARY:
                encoded[boundary] = None
    return tuple(encoded)[: MOST + 1]


def _values(text: str) -> Iterator[str]:
    """Give all readings of a parameter's value, from where it begins to the end of the field."""
    item = text.partition(";")[0].strip()
    if text.startswith('"'):
        closed = re.match(r'"((?:[^"\\]|\\.)*)"', text, re.S)
        if closed is not None:
            yield re.sub(r"\\(.)", r"\1", closed[1], flags=re.S)
            yield closed[1]
        first, quote, _ = text[1:].partition('"')
        yield first if quote else first.strip()
        yield item.strip('"')
        yield item
    else:
        yield re.split(r"[;,\s]", text, maxsplit=1)[0]
        yield re.split(r"[;,]", text, maxsplit=1)[0].strip()
        yield item
        yield re.split(r"\s", text, maxsplit=1)[0]
        yield text.strip()
        yield item.partition("(")[0].strip()
        yield item.strip("'\"")
        yield item.partition('"')[0]


def _extended(value: str) -> str:
    """Undo the quoting of RFC 2231: C{charset'language'value}."""
    return unquote_to_bytes(value.split("'", 2)[-1].encode("latin-1", "replace")).decode("latin-1")


def _fields(text: str) -> Iterator[tuple[str, str]]:
    name, value = "", ""
    for line in _BREAK.split(text):
        if line[:1] in (" ", "\t"):
            # A folded line; without bounds it would be joined again and again.
            if len(value) < _MAX_TYPE:
                value += " " + line.strip()
            continue
        if name:
            yield name, value
        name, _, value = line.partition(":")
        name, value = name.strip().lower(), value.strip()
    if name:
        yield name, value


def _named(value: str, table: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    for token in re.findall(r"[a-z0-9-]+", value[:_MAX_TYPE].lower()):
        yield from table.get(token, ())


def _names(value: str) -> list[tuple[bool, str]]:
    """
    Give the names in a field's parameters.

    @return: each with whether it is a file's.
    """
    found: list[tuple[bool, str]] = []
    pieces: dict[bool, str] = {}
    for match in _PARAMETER.finditer(value[:_MAX_TYPE]):
        is_file = bool(match[1])
        extended = bool(match[4] or (match[2] and not match[3]))
        for reading in _read(match[5], extended):
            found.append((is_file, reading))
        if match[3]:
            first = next(iter(_read(match[5], extended)), "")
            pieces[is_file] = pieces.get(is_file, "") + first
    found = list(pieces.items()) + found
    return [(is_file, clean) for is_file, one in found if (clean := _clean(one))]


def _ends(values: list[str]) -> tuple[str, ...]:
    """Bound a list: who takes only one value of many takes one of the first or of the last."""
    each = tuple(dict.fromkeys(values))
    return each if len(each) <= MOST else each[: MOST // 2] + each[-MOST // 2 :]


def _read(raw: str, extended: bool) -> Iterable[str]:
    raw = raw.strip()
    quoted = len(raw) > 1 and raw.startswith('"') and raw.endswith('"')
    text = re.sub(r"\\(.)", r"\1", raw[1:-1], flags=re.S) if quoted else raw
    if extended:
        text = _extended(text)
    readings = [text]
    if quoted and "\\" in raw:
        # Browsers of old sent whole paths and quoted no backslash.
        readings.append(raw[1:-1])
    if not quoted:
        readings.append(text.partition(",")[0].strip().strip("\"'"))
    return [_decoded(reading) for reading in readings]


def _decoded(text: str) -> str:
    return text.encode("latin-1", "replace").decode("utf-8", "replace")


def _clean(name: str) -> str:
    """Make a name fit to be shown: without folders, what can't be printed, and excess; its end says what it is."""
    name = re.split(r"[/\\]", name)[-1].strip()
    return shown(name if len(name) <= _MAX_NAME else "…" + name[1 - _MAX_NAME :], _MAX_NAME)
