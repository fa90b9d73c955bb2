"""
What the walk through some content finds, one thing after the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from gateway_archive.blobs import Blob


@dataclass(frozen=True, slots=True)
class Member:
    """
    Something that was packed.

    @ivar path: the way to it, for people.
    @ivar depth: how often it was unpacked.
    @ivar media_type: as declared, if it is.
    """

    blob: Blob
    path: str
    depth: int
    media_type: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """
    Something that could not be unpacked.

    @ivar reason: a token of C{gateway.api.REASONS}, with a colon and more where there is more to say.
    @ivar why: one sentence for people.
    @ivar path: the way to it.
    """

    reason: str
    why: str
    path: str = ""


Found: TypeAlias = Member | Refused
