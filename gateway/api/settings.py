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

C{Events}, C{NotifyMap} and C{Least} are for plugins that tell people of events: which of them, how, and from what severity
on; they give an L{EventSet}, a mapping of names to L{Notify<gateway.api.Notify>}, and a L{Severity<gateway.api.Severity>}.

Not part of C{gateway.api}'s own namespace: with what it is made of, it is all that names C{gateway.config}.
"""

from gateway.api.event_kinds import Events, EventSet, Least, NotifyMap
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
from gateway.config.kinds.secret import SecretKind, SecretText
from gateway.config.kinds.sets import Hosts, Networks, Ports
from gateway.config.kinds.texts import (
    FilePath,
    OneOrMoreKind,
    PathKind,
    TextKind,
    receiver_label,
    told_apart,
)
from gateway.config.networks import NetworkSet, is_this_machine
from gateway.config.ports import PortSet
from gateway.config.secrets import Secret
from gateway.config.units import size_text

__all__ = [
    "BadValue",
    "ConfigError",
    "Duration",
    "DurationKind",
    "DurationOrZero",
    "EventSet",
    "Events",
    "FilePath",
    "Help",
    "HostSet",
    "Hosts",
    "Least",
    "NetworkSet",
    "Networks",
    "NotifyMap",
    "OneOrMoreKind",
    "PathKind",
    "PortSet",
    "Ports",
    "Secret",
    "SecretKind",
    "SecretText",
    "Size",
    "SizeKind",
    "SizeOrZero",
    "TextKind",
    "WholeKind",
    "is_this_machine",
    "receiver_label",
    "size_text",
    "told_apart",
]
