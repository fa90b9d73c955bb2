"""
Long contents that are sent again and again, kept a second time in files in memory, whose pages the kernel sends as they are.

To send 100 KB from bytes is to copy them into memory that another processor has just given back; sendfile(2) has no copy. A
file in memory never waits for a disk, and what is on its way holds its pages, so the file may be closed meanwhile. It is
written once and then sealed: nobody can change what was promised to the client.
"""

from __future__ import annotations

import fcntl
import os
from collections import OrderedDict
from collections.abc import MutableMapping
from weakref import ref

#: Shorter contents go with their head by one call.
LEAST_BYTES = 65536
#: The memory that all files of one snapshot take at the most; there can't be more than 256 of them.
MOST_BYTES = 1 << 24
#: A content gets a file when it is sent this often: what is asked for now and then is not worth a descriptor.
SENT = 4
#: Where the memo of a stored response has its file, or how often it was sent without.
_NAME = "gateway.paged"
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


class Paged:
    """
    One content in a sealed file in memory, which is closed with this object.

    @ivar content: the same as bytes.
    @ivar descriptor: of the file; negative when it is closed.
    @ivar files: they count it.
    @ivar used: it was sent since room was last made.
    """

    __slots__ = ("__weakref__", "content", "descriptor", "files", "used")

    def __init__(self, content: bytes, files: PagedContents) -> None:
        """
        Write the file.

        @raise OSError: there can't be one.
        """
        self.descriptor = -1
        self.content = content
        self.files = files
        self.used = False
        descriptor = os.memfd_create("content", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            if os.write(descriptor, content) != len(content):
                raise OSError("not all of it was taken")
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
        except BaseException:
            os.close(descriptor)
            raise
        self.descriptor = descriptor

    def close(self) -> None:
        """Have it no more; harmless if that is so."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
            self.files.left(self)

    def __del__(self) -> None:
        self.close()


class PagedContents:
    """
    The files of one snapshot. Each is kept in the memo of what is stored, and goes with that, or for lack of room.

    @ivar size: bytes of all that are there.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.size = 0
        self._most_bytes = most_bytes
        # By their identity, in the order in which room is made: what was sent since the last time is passed over once.
        self._kept: OrderedDict[int, ref[Paged]] = OrderedDict()

    def of(self, content: bytes, memo: MutableMapping[str, object]) -> Paged | None:
        """
        Give the file of a content that is about to be sent.

        @param content: of at least L{LEAST_BYTES}.
        @param memo: of the stored response that it is the content of.
        @return: C{None}: there is none, or not yet.
        """
        known = memo.get(_NAME)
        if (
            type(known) is Paged
            and known.content is content
            and known.files is self
            and known.descriptor >= 0
        ):
            known.used = True
            return known
        count = known + 1 if type(known) is int else 1
        if count < SENT or type(content) is not bytes or len(content) > self._most_bytes:
            memo[_NAME] = count
            return None
        try:
            made = Paged(content, self)
        except OSError:
            # No descriptor, no memory, or it is forbidden here: it leaves as bytes.
            memo[_NAME] = 0
            return None
        memo[_NAME] = made
        kept = self._kept
        # The new one has been asked for often enough; it goes last.
        self.size += len(content)
        while self.size > self._most_bytes:
            first = next(iter(kept))
            oldest = kept[first]()
            assert oldest is not None
            if oldest.used:
                oldest.used = False
                kept.move_to_end(first)
            else:
                oldest.close()
        kept[id(made)] = ref(made)
        return made

    def left(self, paged: Paged) -> None:
        """Learn that one is closed."""
        if self._kept.pop(id(paged), None) is not None:
            self.size -= len(paged.content)
