"""
How much room there is on the file systems that the gateway writes to.

To be asked in a thread: a file system on another machine may not answer for minutes, or ever.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DiskUse:
    """
    One file system.

    @ivar folder: the first of ours that is on it.
    @ivar purposes: what those on it are for.
    @ivar free: bytes that an ordinary user may still write.
    @ivar size: bytes that such a user could have in all.
    @ivar free_files: how many files may still be made; C{None}: without a bound.
    @ivar files: how many there can be.
    @ivar error: why it can't be read; empty: it was.
    """

    folder: str
    purposes: tuple[str, ...]
    free: int = 0
    size: int = 0
    free_files: int | None = None
    files: int = 0
    error: str = ""

    @property
    def share(self) -> float:
        """How much is free, of room or of files, whichever is less."""
        room = self.free / self.size if self.size else 1.0
        if self.free_files is None:
            return room
        return min(room, self.free_files / self.files)


class DiskLook:
    """
    One look at some folders, which knows where it is: whoever waits for it can tell which folder does not answer.

    @ivar at: the folder that is being asked; read by another thread than writes it.
    """

    def __init__(
        self,
        folders: Mapping[str, str],
        *,
        stat: Callable[[str], os.stat_result] = os.stat,
        statvfs: Callable[[str], os.statvfs_result] = os.statvfs,
    ) -> None:
        """
        Prepare.

        @param folders: path by what it is for; one that does not exist yet stands for the folder above it.
        """
        self.at = ""
        self._folders = folders
        self._stat = stat
        self._statvfs = statvfs

    def run(self) -> list[DiskUse]:
        """Ask; one entry for each file system, and for each folder that can't be asked."""
        found: dict[object, DiskUse] = {}
        for purpose, folder in self._folders.items():
            self.at = folder
            try:
                key: object
                key, use = self._ask(purpose, folder)
            except OSError as error:
                use = DiskUse(folder, (purpose,), error=error.strerror or type(error).__name__)
                key = folder
            known = found.get(key)
            if known is not None:
                use = DiskUse(
                    known.folder,
                    (*known.purposes, purpose),
                    use.free,
                    use.size,
                    use.free_files,
                    use.files,
                    use.error,
                )
            found[key] = use
        self.at = ""
        return list(found.values())

    def _ask(self, purpose: str, folder: str) -> tuple[int, DiskUse]:
        """
        Ask one.

        @raise OSError: it can't be asked.
        """
        path = folder
        while True:
            try:
                device = self._stat(path).st_dev
                break
            except FileNotFoundError:
                above = os.path.dirname(path)
                if above == path:
                    raise
                path = above
        said = self._statvfs(path)
        # As df counts: what is reserved for root is neither free nor used.
        size = (said.f_blocks - said.f_bfree + said.f_bavail) * said.f_frsize
        return device, DiskUse(
            folder,
            (purpose,),
            said.f_bavail * said.f_frsize,
            size,
            said.f_favail if said.f_files else None,
            said.f_files,
        )
