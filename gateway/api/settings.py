"""
What a plugin's C{Settings} class is written with.

It is a frozen dataclass or C{msgspec.Struct}; each field says its kind, its meaning and its default, and every fault in
C{[plugins.x]} is reported with file, line and the nearest known name::

    @dataclass(frozen=True, slots=True)
    class Settings:
        limit: Annotated[Size, Help("Largest upload.")] = 2**30
        hosts: Annotated[Hosts, Help("Whose uploads.")] = HostSet(["*"])

C{Hosts}, C{Networks} and C{Ports} are kinds; what they give is a L{HostSet}, a L{NetworkSet} and a L{PortSet}. A function
given to C{TextKind} raises L{BadValue}; all that is wrong with a configuration is in one L{ConfigError}.

Not part of C{gateway.api}'s own namespace: it is the one module that names C{gateway.config}.
"""

from gateway.config.faults import BadValue, ConfigError
from gateway.config.hosts import HostSet
from gateway.config.kind import Help
from gateway.config.kinds.numbers import (
    Duration,
    DurationKind,
    DurationOrZero,
    Size,
    SizeKind,
    SizeOrZero,
    WholeKind,
)
from gateway.config.kinds.secret import SecretText
from gateway.config.kinds.sets import Hosts, Networks, Ports
from gateway.config.kinds.texts import FilePath, PathKind, TextKind
from gateway.config.networks import NetworkSet
from gateway.config.ports import PortSet
from gateway.config.secrets import Secret
from gateway.config.units import size_text

__all__ = [
    "BadValue",
    "ConfigError",
    "Duration",
    "DurationKind",
    "DurationOrZero",
    "FilePath",
    "Help",
    "HostSet",
    "Hosts",
    "NetworkSet",
    "Networks",
    "PathKind",
    "PortSet",
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
