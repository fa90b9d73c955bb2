"""What every table of the file is made of."""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One table of the file."""

    later: ClassVar[tuple[str, ...]] = ()
    """Keys of versions to come."""
