"""
What kind of text some content is, where its first words show that beyond doubt.

Most scripts don't say what they are written in: that is left to what is claimed of them. Text in UTF-16 is read as Windows
reads it, by its byte order mark, or by the zeros between its letters.
"""

from __future__ import annotations

from typing import Final

#: So many bytes are looked at; of UTF-16 twice as many.
LOOKED_AT: Final = 1024

# Without control characters but those that texts have.
_TEXT_BYTES = bytes(c for c in range(256) if c >= 0x20 or c in b"\t\n\f\r\x08\x1b")
_SPACE = b" \t\r\n\f"


def as_text(head: bytes) -> bytes:
    """
    Give the begin of a text, without a byte order mark and what is white in front, in an encoding like ASCII.

    @return: not more than L{LOOKED_AT} bytes; empty if it is no text. A text of nothing but white space is given as it is.
    """
    begin = head[:LOOKED_AT]
    if begin.startswith(b"\xef\xbb\xbf"):
        begin = begin[3:]
    if begin.translate(None, _TEXT_BYTES):
        begin = _wide(head[: 2 * LOOKED_AT])
    return begin.lstrip(_SPACE) or begin


def _wide(head: bytes) -> bytes:
    if head.startswith(b"\xff\xfe"):
        encoding = "utf-16-le"
    elif head.startswith(b"\xfe\xff"):
        encoding = "utf-16-be"
    elif head[1:8:2] == b"\0\0\0\0" and head[0]:
        encoding = "utf-16-le"
    elif head[:8:2] == b"\0\0\0\0" and head[1]:
        encoding = "utf-16-be"
    else:
        return b""
    text = head.decode(encoding, "replace").removeprefix("\ufeff").encode("utf-8", "replace")
    return b"" if text.translate(None, _TEXT_BYTES) else text


def text_kind(text: bytes) -> str:
    """
    Give the kind that the words show.

    @param text: of L{as_text}.
    @return: C{""}: it is some text.
    """
    first = text[:1]
    if first == b"<":
        return _markup(text.lower())
    if first == b"#":
        return _hash(text)
    if first in (b"{", b"["):
        return _bracket(text)
    low = text.lower()
    for words, kind in _BY_FIRST.get(low[0], ()):
        if low.startswith(words):
            return kind
    if b"<?php" in low:
        return "php"
    if b"wscript." in low or b"scripting.filesystemobject" in low:
        return _host_script(low)
    return ""


# Words at the begin, in lower case.
_WORDS = (
    (b"@echo ", "bat"),
    (b"@echo\r", "bat"),
    (b"@setlocal", "bat"),
    (b"@powershell", "bat"),
    (b"@cmd", "bat"),
    (b"@if ", "bat"),
    (b"@rem ", "bat"),
    (b"@set ", "bat"),
    (b"@start ", "bat"),
    (b"@cls", "bat"),
    (b"echo off\r", "bat"),
    (b"echo off\n", "bat"),
    (b"setlocal enabledelayedexpansion", "bat"),
    (b"setlocal enableextensions", "bat"),
    (b"powershell -", "bat"),
    (b"powershell.exe -", "bat"),
    (b"cmd /c ", "bat"),
    (b"cmd.exe /c ", "bat"),
    (b"$erroractionpreference", "ps1"),
    (b"set-strictmode ", "ps1"),
    (b"invoke-expression", "ps1"),
    (b"import-module ", "ps1"),
    (b"start-process ", "ps1"),
    (b"[cmdletbinding(", "ps1"),
    (b"on error resume next", "vbs"),
    (b"option explicit", "vbs"),
    (b"windows registry editor version", "reg"),
    (b"regedit4", "reg"),
    (b"tell application ", "applescript"),
    (b"{\\rt", "rtf"),
    (b"%!ps", "ps"),
    (b"received: ", "eml"),
    (b"return-path: ", "eml"),
    (b"delivered-to: ", "eml"),
    (b"mime-version: ", "eml"),
    (b"message-id: ", "eml"),
    (b"from: ", "eml"),
    (b"begin:vcalendar", "ics"),
    (b"begin:vcard", "vcard"),
    (b"begin 6", "uu"),
    (b"(this file must be converted with binhex", "binhex"),
    (b"-----begin pgp ", "pgp"),
    (b"-----begin ", "pem"),
    (b"webvtt", "vtt"),
    (b"id;p", "slk"),
    (b"@charset ", "css"),
    (b"%yaml ", "yaml"),
)

_BY_FIRST: dict[int, list[tuple[bytes, str]]] = {}
for _words, _kind in _WORDS:
    _BY_FIRST.setdefault(_words[0], []).append((_words, _kind))

# What a page may begin with (WHATWG MIME Sniffing section 7.1); a character follows that ends the name.
_PAGE = (
    b"<!doctype html",
    b"<html",
    b"<head",
    b"<body",
    b"<script",
    b"<iframe",
    b"<h1",
    b"<div",
    b"<font",
    b"<table",
    b"<a",
    b"<style",
    b"<title",
    b"<b",
    b"<br",
    b"<p",
    b"<meta",
    b"<form",
    b"<img",
    b"<link",
    b"<center",
)


def _markup(low: bytes) -> str:
    if low.startswith((b"<?php", b"<?=")):
        return "php"
    if b"<hta:application" in low:
        return "hta"
    if low.startswith(b"<?xml"):
        return _xml(low)
    while low.startswith(b"<!--"):
        # A comment in front says nothing.
        end = low.find(b"-->")
        if end < 0:
            return "html"
        low = low[end + 3 :].lstrip(_SPACE)
    if b"<?php" in low:
        return "php"
    for begin in _PAGE:
        if low.startswith(begin) and low[len(begin) : len(begin) + 1] in _ENDS:
            return "html"
    return _root(low)


_ENDS = (b"", b">", b" ", b"\t", b"\r", b"\n", b"\f", b"/")
_ROOTS = (
    (b"<svg", "svg"),
    (b"<!doctype svg", "svg"),
    (b"<html", "html"),
    (b"<!doctype html", "html"),
    (b"<job", "wsf"),
    (b"<package", "wsf"),
    (b"<component", "wsf"),
    (b"<scriptlet", "wsf"),
    (b"<rss", "xml"),
    (b"<feed", "xml"),
    (b"<soap", "xml"),
    (b"<mpd", "mpd"),
    (b"<!doctype", "xml"),
)


def _root(low: bytes) -> str:
    for begin, kind in _ROOTS:
        if low.startswith(begin):
            # Other documents have a package or a component too: those of the script host hold scripts.
            return kind if kind != "wsf" or b"<script" in low else "xml"
    return ""


def _xml(low: bytes) -> str:
    """Look for the root element behind declarations and comments."""
    if b'<?mso-application progid="word.' in low:
        return "doc"
    if b'<?mso-application progid="excel.' in low:
        return "xls"
    at = 1
    while (at := low.find(b"<", at)) >= 0:
        rest = low[at:]
        if rest.startswith(b"<!--"):
            at = low.find(b"-->", at)
            if at < 0:
                break
        elif not rest.startswith((b"<?", b"<!")) or rest.startswith(
            (b"<!doctype svg", b"<!doctype html")
        ):
            return _root(rest) or "xml"
        at += 1
    return "xml"


_INTERPRETERS = (
    (b"python", "python"),
    (b"perl", "perl"),
    (b"ruby", "ruby"),
    (b"php", "php"),
    (b"pwsh", "ps1"),
    (b"powershell", "ps1"),
    (b"node", "jscript"),
    (b"osascript", "applescript"),
)


def _hash(text: bytes) -> str:
    if text.startswith(b"#!"):
        line = text[2:200].partition(b"\n")[0]
        for name, kind in _INTERPRETERS:
            if name in line:
                return kind
        return "sh" if b"/" in line else ""
    low = text[:16].lower()
    if low.startswith(b"#requires -"):
        return "ps1"
    return "m3u" if low.startswith(b"#extm3u") else ""


def _bracket(text: bytes) -> str:
    """JSON begins with a bracket and goes on with a value: a section of an INI file does not."""
    low = text[:64].lower()
    if low.startswith(b"[internetshortcut]"):
        return "url"
    if low.startswith(b"[cmdletbinding("):
        return "ps1"
    if low.startswith(b"{\\rt"):
        return "rtf"
    rest = text[1:].lstrip(_SPACE)
    if text[:1] == b"{":
        return "json" if rest[:1] in (b'"', b"}") else ""
    if rest[:1] in (b"{", b"[", b'"', b"]") or rest[:1].isdigit():
        return "json"
    return (
        "json"
        if rest.startswith((b"true,", b"false,", b"null,", b"true]", b"false]", b"null]"))
        else ""
    )


def _host_script(low: bytes) -> str:
    """Only the script host of Windows has these objects; its two languages make them differently."""
    if b"activexobject(" in low or b"wscript.createobject(" in low and b"var " in low:
        return "jscript"
    if b"createobject(" in low and (b"set " in low or b"dim " in low):
        return "vbs"
    return ""
