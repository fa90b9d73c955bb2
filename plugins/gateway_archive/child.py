"""
The child process: takes one piece of content after the other, walks through it, and answers with what it finds, a few at a time.

It is started by L{gateway_archive.process} with nothing but a socket, and imports nothing of the gateway: whatever happens here
happens to this process alone.
"""

from __future__ import annotations

import gc
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from time import monotonic
from typing import Any

from gateway_archive import confine
from gateway_archive.blobs import Blob, Held
from gateway_archive.bounds import Bounds
from gateway_archive.found import Found, Member, Refused
from gateway_archive.messages import MAX_FILES, BadMessage, Message, receive, send
from gateway_archive.walker import Walk

_BATCH_MEMBERS = 64
#: As many as one message takes: while a process waits to be asked for more it is of no use to others, who need another one.
_BATCH_FILES = MAX_FILES
_BATCH_BYTES = 4 << 20


def main(fd: int, parent: int, memory: int, file_size: int) -> None:
    """
    Work until the parent is gone.

    @param fd: the socket.
    @param parent: its process id.
    @param memory: bytes of address space.
    @param file_size: bytes of the longest file.
    """
    confine.die_with(parent)
    confine.confine(memory, file_size)
    # Once more: who becomes somebody else is no longer told of the parent's end.
    confine.die_with(parent)
    # What was imported stays for ever.
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=fd) as to:
        try:
            send(to, {"ready": True})
            message = receive(to)
            while True:
                message = _answer(to, message)
        except BadMessage:
            return


def _answer(to: socket.socket, message: Message) -> Message:
    """Walk through one piece of content; gives the message after that."""
    words = message.words
    seconds = float(words["seconds"])
    confine.allow_seconds(seconds)
    bounds = Bounds(**words["bounds"])
    walk = Walk(_content(message), words["notes"], bounds, monotonic() + seconds)
    batches = _batches(walk, bounds.room)
    del message
    while True:
        try:
            batch = next(batches, None)
        except Exception as error:
            # Ours to mend, but told like any other; nobody knows what state this process is in now.
            batch = [Refused("extract_failed", f"unpacking it failed: {type(error).__name__}")]
            _send(to, walk, batch, is_last=True)
            raise BadMessage("nothing works here any more") from None
        is_last = batch is None or walk.is_over
        _send(to, walk, batch or [], is_last=is_last)
        del batch
        if is_last:
            # The file of the content, and with it its room, is not kept until there is something else to do.
            del walk, batches
            return receive(to)
        began = monotonic()
        after = receive(to)
        # How long others take to scan is no matter of ours.
        walk.tally.deadline += monotonic() - began
        if "more" not in after.words:
            # Another one: nobody wants to know the rest of this.
            return after


def _content(message: Message) -> Blob:
    if not message.files:
        return Blob.of(message.data)
    fd = message.files.pop()
    return Blob(Held(b"", fd, os.fstat(fd).st_size, None))


def _batches(walk: Walk, room: int) -> Iterator[list[Found]]:
    """Put together what is found, as long as it is not too much at once."""
    batch: list[Found] = []
    size = files = 0
    most = min(_BATCH_BYTES, room // 4)
    for found in walk:
        batch.append(found)
        if isinstance(found, Member):
            size += found.blob.size
            files += found.blob.is_file
        del found
        if len(batch) >= _BATCH_MEMBERS or size >= most or files >= _BATCH_FILES:
            given, batch = batch, []
            size = files = 0
            yield given
            del given
    walk.is_over = True
    if batch:
        yield batch


def _send(to: socket.socket, walk: Walk, batch: list[Found], *, is_last: bool) -> None:
    told: list[Mapping[str, Any]] = []
    data: list[bytes] = []
    files: list[int] = []
    for found in batch:
        if isinstance(found, Refused):
            told.append({"reason": found.reason, "why": found.why, "path": found.path})
            continue
        blob = found.blob
        words: dict[str, Any] = {"path": found.path, "depth": found.depth, "size": blob.size}
        if found.media_type:
            words["type"] = found.media_type
        if not blob.is_file:
            data.append(blob.read(0, blob.size))
        else:
            words["file"] = len(files)
            files.append(blob.held.fd)
        told.append(words)
    words = {
        "kind": walk.kind,
        "covers": walk.covers,
        "last": is_last,
        "held": walk.share.used,
        "found": told,
    }
    send(to, words, data, files)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
