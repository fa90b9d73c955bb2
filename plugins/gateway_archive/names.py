"""
The names of members: what senders claim, made fit for people and logs.
"""

from __future__ import annotations

#: Of the name of one member, and of the whole way to it.
_NAME_CHARACTERS = 200
_PATH_CHARACTERS = 800

_ENDINGS = {
    "gzip": (".gz", ".tgz"),
    "bzip2": (".bz2", ".tbz", ".tbz2"),
    "xz": (".xz", ".txz"),
    "zstd": (".zst", ".tzst"),
    "compress": (".z",),
    "lzma": (".lzma",),
    "lz4": (".lz4",),
    "lzip": (".lz",),
}


def visible(name: str) -> str:
    """Make everything unprintable visible, and the name not too long; an empty one gets a question mark."""
    if len(name) > _NAME_CHARACTERS:
        # The end says what it is for.
        name = name[: _NAME_CHARACTERS - 40] + "…" + name[-39:]
    if name.isprintable() and "\\" not in name:
        return name or "?"
    return "".join(map(_shown, name))


def below(path: str, name: str) -> str:
    """
    Give the way to a member.

    @param path: to what it is in; empty: to the content itself.
    @param name: as L{visible} gives it.
    """
    joined = f"{path}/{name}" if path else name
    if len(joined) > _PATH_CHARACTERS:
        joined = "…" + joined[1 - _PATH_CHARACTERS :]
    return joined


def without_ending(path: str, kind: str) -> str:
    """
    Name what a packed file was before.

    @param path: the way to it.
    @param kind: what it is packed with.
    """
    name = path.rpartition("/")[2]
    for ending in _ENDINGS.get(kind, ()):
        if name.lower().endswith(ending) and len(name) > len(ending):
            tar = ".tar" if ending.startswith(".t") else ""
            return name[: -len(ending)] + tar
    return f"({kind})"


def _shown(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if character.isprintable():
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        # A byte that is no UTF-8.
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
