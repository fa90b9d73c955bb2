"""
What others wrote, made fit for a line of a mail.

The text of an event may hold what a client chose: names of files, URLs, user names. Nothing of it may begin a new line or a
field, turn the direction of writing, or become a link that somebody follows.
"""

from __future__ import annotations

import re
import unicodedata

#: How much of one value is told.
MOST = 1000

_LINK = re.compile(r"(?i)\b(https?|ftps?)(?=://)|(?<=://)[^/?#\s]+")


def one_line(text: str, most: int = MOST) -> str:
    """
    Make it one line of visible characters.

    Line ends and other space become one space each; what is not visible is named, such as C{<U+202E>}, so that a name with it is
    not taken for another one.

    @param most: characters that are kept; more are cut off, and it is said how many there were.
    """
    kept = text[:most].strip()
    if not kept.isprintable():
        kept = "".join(c if c.isprintable() else _shown(c) for c in kept)
    if len(kept) > most:
        kept = kept[:most]
    return kept if len(text) <= most else f"{kept}… ({len(text):,} characters)"


def unlinked(text: str) -> str:
    """
    Write URLs so that no program makes a link of them: C{hxxp://www[.]example[.]com/a}.

    A mail with the address of malware in it is refused by many servers, too.
    """
    return _LINK.sub(_unlink, text) if "://" in text else text


def _unlink(found: re.Match[str]) -> str:
    scheme = found[1]
    if scheme:
        return scheme.replace("tt", "xx").replace("TT", "XX") if scheme[0] in "hH" else f"{scheme}x"
    return found[0].replace(".", "[.]")


def _shown(character: str) -> str:
    if character in "\r\n\t" or unicodedata.category(character) in ("Zs", "Zl", "Zp"):
        return " "
    return f"<U+{ord(character):04X}>"
