"""C{[scan] quarantine}: refused content that is kept for people to look at."""

from __future__ import annotations

from typing import Annotated, ClassVar

from gateway.config.kind import Help
from gateway.config.kinds.numbers import Duration, SizeKind
from gateway.config.kinds.secret import SecretOrNone
from gateway.config.kinds.texts import FilePath
from gateway.config.sections.section import Section
from gateway.config.units import GIB, MIB

#: Shorter ones can be guessed.
SHORTEST_KEY = 32


class Quarantine(Section, frozen=True, kw_only=True):
    """Where content is kept that a scan refused, encrypted and never executable."""

    shorthand: ClassVar[str] = "path"

    path: Annotated[
        FilePath,
        Help(
            "Folder for it, of the gateway alone; it is made if the folder above it is there. "
            "Empty: nothing is kept. `gateway quarantine` lists what is there and takes it out.",
            '"/var/lib/gateway/quarantine"',
        ),
    ] = ""
    keep: Annotated[Duration, Help("How long content is kept.")] = 30 * 86400.0
    limit: Annotated[
        int,
        SizeKind(least=MIB),
        Help("Room for all of it together; the oldest goes first."),
    ] = GIB
    key: Annotated[
        SecretOrNone,
        Help(
            "What it is encrypted with: 32 random characters or more, as `openssl rand -hex 32` "
            "gives them. Without one a key is made, in a file beside the folder whose name is the "
            "folder's with `.key` behind it. Without the key nothing can be taken out again."
        ),
    ] = None

    def __post_init__(self) -> None:
        """Refuse a key that can be guessed."""
        if self.key is not None and len(self.key.reveal()) < SHORTEST_KEY:
            raise ValueError(f"the key of the quarantine has less than {SHORTEST_KEY} characters")
