"""
The folder of the rules: what is in it, and a digest that changes when any of it does.

It blocks, and is done in threads.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

#: So many files, and bytes of them all, are read.
MAX_FILES = 10_000
MAX_BYTES = 256 * 1024 * 1024

_SUFFIXES = (".yar", ".yara")


@dataclass(frozen=True, slots=True)
class Fault:
    """
    What is wrong with a file of rules.

    @ivar file: its name within the folder; empty: it is the folder itself.
    @ivar line: counted from 1; 0: no line in particular.
    """

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        """Say where and what, in one line."""
        where = f"{self.file}:{self.line}: " if self.line else f"{self.file}: " if self.file else ""
        return where + "".join(c if c.isprintable() else " " for c in self.what)


@dataclass(frozen=True, slots=True)
class Sources:
    """
    What was in the folder.

    @ivar digest: of names and contents, and of what could not be read; in hexadecimal.
    @ivar files: name within the folder and content, in the order of their names.
    @ivar faults: what could not be read.
    """

    digest: str
    files: tuple[tuple[str, bytes], ...] = ()
    faults: tuple[Fault, ...] = ()


def read_folder(folder: str) -> Sources:
    """
    Read the rules; a folder that is not there has none.

    Hidden files and folders are left out, as those that editors and package tools write beside a file are.
    """
    digest = hashlib.sha256()
    files: list[tuple[str, bytes]] = []
    faults: list[Fault] = []
    total = 0
    for name in _names(Path(folder), faults):
        try:
            content = (Path(folder) / name).read_bytes()
        except FileNotFoundError:
            # It went meanwhile: the next look sees the folder without it.
            continue
        except OSError as error:
            faults.append(Fault(name, 0, f"can't be read: {error.strerror}"))
            continue
        total += len(content)
        if len(files) == MAX_FILES or total > MAX_BYTES:
            most = f"{MAX_FILES} files or {MAX_BYTES >> 20} MiB"
            faults.append(Fault(name, 0, f"there are more rules than {most}"))
            break
        files.append((name, content))
        digest.update(b"%d %d " % (len(os.fsencode(name)), len(content)))
        digest.update(os.fsencode(name))
        digest.update(content)
    for fault in faults:
        digest.update(str(fault).encode("utf-8", "replace"))
    return Sources(digest.hexdigest(), tuple(files), tuple(faults))


def _names(folder: Path, faults: list[Fault]) -> list[str]:
    found = []

    def failed(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            inner = os.path.relpath(error.filename, folder)
            name = "" if inner == "." else inner
            faults.append(Fault(name, 0, f"the folder can't be read: {error.strerror}"))

    for place, folders, names in os.walk(folder, onerror=failed):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            if name.endswith(_SUFFIXES) and not name.startswith("."):
                found.append(os.path.relpath(os.path.join(place, name), folder))
    return sorted(found)
