"""
What a plugin's C{Settings} class is written with.

It is a frozen dataclass or C{msgspec.Struct}; each field says its kind, its meaning and its default, and every fault in
C{[plugins.x]} is reported with file, line and the nearest known name::

    @dataclass(frozen=True, slots=True)
    class Settings:
        limit: Annotated[Size, Help("Largest upload.")] = 2**30

Not part of C{gateway.api}'s own namespace: it is the one module that names C{gateway.config}.
"""

from gateway.config.faults import BadValue
from gateway.config.kind import Help
from gateway.config.kinds import (
    Duration,
    DurationKind,
    DurationOrZero,
    FilePath,
    Hosts,
    Networks,
    PathKind,
    Ports,
    SecretText,
    Size,
    SizeKind,
    SizeOrZero,
    TextKind,
    WholeKind,
)
from gateway.config.secrets import Secret
from gateway.config.units import size_text

__all__ = [
    "BadValue",
    "Duration",
    "DurationKind",
    "DurationOrZero",
    "FilePath",
    "Help",
    "Hosts",
    "Networks",
    "PathKind",
    "Ports",
    "Secret",
    "SecretText",
    "Size",
    "SizeKind",
    "SizeOrZero",
    "TextKind",
    "WholeKind",
    "size_text",
]
