"""
The files of a configuration laid over one another, and the memory of what came from where.

Lowest first: gateway.toml, conf.d/*.toml beside it in the order of their names, node.toml beside it, the command line.
Tables merge key by key; arrays of tables at the top (C{[[site]]}) are joined; any other value of a later file takes the
place of an earlier one.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from glob import escape, glob
from typing import Any

from gateway.config.faults import Fault, Path, path_text

_SYNTAX = re.compile(
    r"(?P<what>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class File:
    """One file, read and parsed."""

    name: str
    """As the user named it, for faults."""
    text: str
    tree: Mapping[str, Any]

    @property
    def folder(self) -> str:
        """Where relative paths in it begin; empty for the current folder and for the command line."""
        return os.path.dirname(self.name)


class Sources:
    """Knows for each value of the merged tree the file that it came from, and finds its line when somebody asks."""

    def __init__(self, files: Iterable[File] = ()) -> None:
        self.files = tuple(files)
        self._origins: dict[Path, tuple[File, Path]] = {}
        self._lines: dict[str, dict[Path, int]] = {}

    def merge(self) -> dict[str, Any]:
        """Lay the files over one another and remember the origin of each value."""
        tree: dict[str, Any] = {}
        for file in self.files:
            self._lay(tree, file, file.tree, (), ())
        return tree

    def fault(self, path: Path, message: str, mend: str = "") -> Fault:
        """Make a fault for a path of the merged tree: with file and line, and the path as it is in that file."""
        file, inner = self._locate(path)
        if file is None:
            return Fault(message, path_text(path), mend=mend)
        return Fault(message, path_text(inner), file.name, self._line(file, inner), mend)

    def says(self, path: Path) -> bool:
        """Tell whether any file has a value inside a table."""
        return any(len(at) > len(path) and at[: len(path)] == path for at in self._origins)

    def where(self, path: Path) -> str:
        """Say in a message where a value stands: C{site[0] (gateway.toml:12)}."""
        file, inner = self._locate(path)
        line = self._line(file, inner) if file else 0
        return f"{path_text(inner)} ({file.name}:{line})" if file and line else path_text(inner)

    def folder(self, path: Path) -> str:
        """Give the folder of the file in which a value stands; empty for the current one."""
        file, _ = self._locate(path)
        return file.folder if file else ""

    def __eq__(self, other: object) -> bool:
        """Be equal to all others: where settings were written is no part of what they mean."""
        return isinstance(other, Sources)

    def __hash__(self) -> int:
        """Hash alike, as all are equal."""
        return 0

    def __repr__(self) -> str:
        """Name the files."""
        return f"Sources({', '.join(file.name for file in self.files)})"

    def _lay(
        self, tree: dict[str, Any], file: File, table: Mapping[str, Any], path: Path, inner: Path
    ) -> None:
        for key, value in table.items():
            at, inside = (*path, key), (*inner, key)
            self._origins[at] = (file, inside)
            below = tree.get(key)
            if isinstance(value, dict):
                merged = tree[key] = below if isinstance(below, dict) else {}
                self._lay(merged, file, value, at, inside)
            elif (
                not path
                and _is_array_of_tables(value)
                and (below is None or _is_array_of_tables(below))
            ):
                joined = tree.setdefault(key, [])
                for index, item in enumerate(value):
                    self._origins[(*at, len(joined))] = (file, (*inside, index))
                    joined.append(item)
            else:
                tree[key] = value

    def _locate(self, path: Path) -> tuple[File | None, Path]:
        """Find the file of a value, or of the nearest table around it, and the path inside that file."""
        for length in range(len(path), 0, -1):
            found = self._origins.get(path[:length])
            if found is not None:
                return found[0], found[1] + path[length:]
        return (self.files[0] if self.files else None), path

    def _line(self, file: File, inner: Path) -> int:
        if file.name not in self._lines:
            from gateway.config.lines import line_map  # only a faulty configuration pays for this

            self._lines[file.name] = line_map(file.text)
        lines = self._lines[file.name]
        for length in range(len(inner), 0, -1):
            if inner[:length] in lines:
                return lines[inner[:length]]
        return 0


def read_files(path: str) -> tuple[list[File], list[Fault]]:
    """Read a configuration file and those beside it; one that cannot be read is a fault and left out."""
    files: list[File] = []
    faults: list[Fault] = []
    for found in map(_read, file_names(path)):
        if isinstance(found, File):
            files.append(found)
        else:
            faults.append(found)
    return files, faults


def file_names(path: str) -> list[str]:
    """Name the files that make up a configuration, in the order in which they are laid over one another."""
    folder = os.path.dirname(path)
    parts, node = os.path.join(folder, "conf.d"), os.path.join(folder, "node.toml")
    names = [path]
    names += sorted(glob(os.path.join(escape(parts), "*.toml")))  # not the hidden ones of an editor
    if os.path.exists(node):
        names.append(node)
    return names


def _read(name: str) -> File | Fault:
    try:
        with open(name, "rb") as stream:
            content = stream.read()
    except OSError as error:
        return Fault(f"cannot be read: {error.strerror}", file=name)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return Fault("is not UTF-8 text", file=name, line=line, mend="save the file as UTF-8")
    try:
        return File(name, text, tomllib.loads(text))
    except (ValueError, RecursionError) as error:
        # Not only TOMLDecodeError: a number of 5,000 digits is a plain ValueError.
        return _syntax_fault(name, text, str(error))


def _syntax_fault(name: str, text: str, message: str) -> Fault:
    match = _SYNTAX.fullmatch(message)
    if match is None:
        return Fault(message, file=name)
    what = match["what"][:1].lower() + match["what"][1:]
    if match["line"] is None:
        return Fault(f"{what} at the end of the file", file=name, line=text.count("\n") + 1)
    return Fault(
        f"{what}, column {match['column']}",
        file=name,
        line=int(match["line"]),
        mend="the file is not TOML",
    )


def _is_array_of_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)
