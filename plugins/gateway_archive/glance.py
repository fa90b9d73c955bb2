"""
A quick look at content, which spares most of it a child process: an archive shows in its first bytes or in its last.
"""

from __future__ import annotations

from gateway.api import TYPE_GROUPS, ScanJob, true_type
from gateway_archive.search import holds
from gateway_archive.signatures import (
    DISC,
    DISC_AT,
    END_OF_ZIP,
    HEAD_BYTES,
    MAIL_BYTES,
    TAIL_BYTES,
    behind,
    is_mail,
    kind_at_start,
)

#: So many bytes at the start tell what kind of thing it is.
TYPE_BYTES = MAIL_BYTES
#: Searched in the reactor's thread; what is longer is looked at in another.
QUICK_BYTES = 256 << 10

_PIECE_BYTES = 256 << 10
_CONTAINERS = TYPE_GROUPS["container"]


def is_declared(job: ScanJob, *, texts: bool) -> bool:
    """
    Tell whether the sender says that something is packed in it, so that no look is needed.

    @param texts: whether text counts.
    """
    notes = job.notes
    coding = notes.get("content_encoding", "")
    if coding and coding.strip().lower() != "identity":
        return True
    media_type = job.media_type
    if media_type.startswith(("multipart/", "message/")):
        return True
    return texts and not media_type.startswith(("image/", "audio/", "video/", "font/"))


def seems_packed(content: bytes) -> bool:
    """Tell whether an archive may be in content that is in memory."""
    size = len(content)
    if kind_at_start(content[:HEAD_BYTES]) or is_mail(content[:MAIL_BYTES]):
        return True
    if content.find(END_OF_ZIP, max(0, size - TAIL_BYTES)) >= 0:
        return True
    if content[DISC_AT : DISC_AT + 5] == DISC:
        return True
    signatures, end = behind(content[:8], size)
    return any(holds(content, signature, end) for signature, _ in signatures)


def seems_packed_in_file(job: ScanJob) -> tuple[bool, bytes]:
    """
    Tell the same of content wherever it is; blocks.

    @return: that, and the first L{TYPE_BYTES}.
    """
    with job.open() as file:
        head = file.read(TYPE_BYTES)
        if kind_at_start(head[:HEAD_BYTES]) or is_mail(head):
            return True, head
        file.seek(DISC_AT)
        if file.read(5) == DISC:
            return True, head
        file.seek(max(0, job.size - TAIL_BYTES))
        if END_OF_ZIP in file.read(TAIL_BYTES):
            return True, head
        signatures, end = behind(head, job.size)
        file.seek(0)
        at = 0
        before = b""
        while at < end and (piece := file.read(min(_PIECE_BYTES, end - at))):
            at += len(piece)
            searched = before + piece
            if any(holds(searched, signature, len(searched)) for signature, _ in signatures):
                return True, head
            before = piece[-16:]
    return False, head


def kind_of(head: bytes, media_type: str, name: str) -> tuple[str, bool]:
    """
    Give what it is, and whether that is a kind that may have more in it.

    @param head: L{TYPE_BYTES} of it.
    @param name: as it is called; may be a way to it.
    """
    kind = true_type(head, media_type=media_type, name=name)
    return kind, kind in _CONTAINERS
