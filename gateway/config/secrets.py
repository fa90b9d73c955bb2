"""
Secrets: values that are used but never shown.

A secret is named in the file and kept elsewhere: C{{ file = "..." }}, C{{ env = "..." }} or C{{ credential = "..." }}
(a systemd credential). It is read once, when the configuration is loaded.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from gateway.config.faults import BadValue

MAX_SECRET_BYTES = 64 * 1024


class Secret:
    """A text that does not show itself in a log, a traceback or a repr; L{reveal} gives it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Give the text; call it where it is used and keep no copy."""
        return self._text

    def __repr__(self) -> str:
        """Write a stand-in."""
        return "<secret>"

    def __bool__(self) -> bool:
        """Tell whether there is anything in it."""
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        """Compare the texts; for configurations, not for checking what a stranger sent (that takes constant time)."""
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        """Hash by the text."""
        return hash(self._text)

    def __reduce__(self) -> str | tuple[object, ...]:
        """Refuse to be written anywhere by pickle or copied out by it."""
        raise TypeError("a secret cannot be pickled")


def from_file(path: str) -> Secret:
    """
    Read a secret from a file; the line end at its end does not belong to it.

    @raise BadValue: when it cannot be read, is empty, too large or not UTF-8.
    """
    try:
        with open(path, "rb") as stream:
            content = stream.read(MAX_SECRET_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise BadValue(f'cannot read "{path}": {reason}') from None
    if len(content) > MAX_SECRET_BYTES:
        raise BadValue(f'"{path}" is larger than a secret can be')
    try:
        text = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise BadValue(f'"{path}" is not UTF-8 text') from None
    if not text:
        raise BadValue(f'"{path}" is empty')
    return Secret(text)


def from_environment(name: str, environ: Mapping[str, str]) -> Secret:
    """
    Read a secret from an environment variable.

    @raise BadValue: when the variable is not set or empty.
    """
    text = environ.get(name, "")
    if not text:
        raise BadValue(f"the environment variable {name} is not set")
    return Secret(text)


def from_credential(name: str, environ: Mapping[str, str]) -> Secret:
    """
    Read a credential that systemd passed to the service (C{LoadCredential=} in its unit).

    @raise BadValue: when the service got no credentials, or none of that name.
    """
    folder = environ.get("CREDENTIALS_DIRECTORY", "")
    if not folder:
        raise BadValue("systemd passed no credentials", f"LoadCredential={name}:/path in the unit")
    if "/" in name or name in ("", ".", ".."):
        raise BadValue(f'"{name}" is not the name of a credential')
    return from_file(os.path.join(folder, name))
