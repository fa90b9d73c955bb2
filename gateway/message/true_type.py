"""
What some content really is: by its first bytes, then by its declared type, then by the extension of its name.

A claim counts only where the bytes don't contradict it: what is no program by its bytes is none by its name either, and
C{application/octet-stream} claims nothing. All that is looked at is bounded, and costs a few microseconds.
"""

from __future__ import annotations

from typing import Final

from gateway.message.file_types import BY_EXTENSION, BY_MEDIA_TYPE, TYPES
from gateway.message.signatures import by_late_signature, by_signature
from gateway.message.text_kinds import as_text, text_kind

#: So many first bytes are enough for every kind but the images of discs, which show themselves at 32 KiB.
HEAD: Final = 8192

#: Whoever says so does not know what it is, or does not say.
_SAYS_NOTHING = frozenset(
    (
        "",
        "application/octet-stream",
        "binary/octet-stream",
        "application/binary",
        "application/x-binary",
        "application/unknown",
        "application/x-unknown",
        "application/download",
        "application/x-download",
        "application/force-download",
        "application/x-force-download",
        "application/x-octet-stream",
        "content/unknown",
    )
)

# What a claim may make of something that the bytes show but roughly: never anything more harmless.
_NARROWED = {
    "zip": frozenset(("jar", "apk", "ipa", "appx", "xpi")),
    "ole": frozenset(("msi", "doc", "xls", "ppt", "msg", "vsd", "mpp", "pub")),
    "ooxml": frozenset(("docx", "docm", "xlsx", "xlsm", "pptx", "pptm", "vsdx")),
    "docx": frozenset(("docm",)),
    "xlsx": frozenset(("xlsm",)),
    "pptx": frozenset(("pptm",)),
    "html": frozenset(("hta",)),
    "xml": frozenset(("wsf", "hta", "mpd")),
    "eml": frozenset(("mht", "mbox")),
    "mp4": frozenset(("m4a", "mov", "3gp")),
    "webm": frozenset(("mkv",)),
    "gzip": frozenset(),
}


def true_type(head: bytes, *, media_type: str = "", name: str = "") -> str:
    """
    Tell what some content is.

    @param head: its first bytes, L{HEAD} of them or all there are; more are looked at for images of discs. Empty: only
        what is claimed is known, and it is believed.
    @param media_type: as declared; with or without parameters.
    @param name: of the file, or a path that ends in it; without a query.
    @return: a name in L{TYPES}; C{""}: nobody can say.
    """
    if not head:
        return _claimed(media_type, name, None) or ""
    shown = by_signature(head)
    text = b""
    if not shown:
        text = as_text(head)
        if not text:
            return by_late_signature(head) or _claimed(media_type, name, _CLAIMABLE) or ""
        shown = text_kind(text)
    if not shown:
        return by_late_signature(head) or _claimed(media_type, name, _TEXTUAL) or "text"
    narrowed = _NARROWED.get(shown)
    return shown if narrowed is None else _claimed(media_type, name, narrowed) or shown


def extension(name: str) -> str:
    """Give the extension of a file's name in lower case and without its dot, as Windows takes it; empty without one."""
    last = name.replace("\\", "/").rpartition("/")[2].rstrip(". \t")
    before, dot, found = last.rpartition(".")
    return found.lower() if dot and len(found) <= 16 else ""


_CLAIMABLE = frozenset(name for name, info in TYPES.items() if info.shown_by == "claim")
_TEXTUAL = frozenset(name for name, info in TYPES.items() if info.shown_by == "text")


def _claimed(media_type: str, name: str, among: frozenset[str] | None) -> str | None:
    """
    Give the kind that is declared, or else that the name stands for.

    @param among: only these are believed; C{None}: all.
    """
    if media_type:
        media_type = media_type.partition(";")[0].strip().lower()
        if media_type not in _SAYS_NOTHING:
            found = BY_MEDIA_TYPE.get(media_type)
            # Half of all servers say text/plain of what they don't know.
            if found is not None and found != "text" and (among is None or found in among):
                return found
    if name:
        found = BY_EXTENSION.get(extension(name))
        if found is not None and (among is None or found in among):
            return found
    return None
