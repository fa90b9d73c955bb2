"""Settings that are sets: networks, host patterns, ports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeAlias

from gateway.config import hosts, networks, ports
from gateway.config.faults import BadValue
from gateway.config.kind import Faulty, Kind, Place, quoted
from gateway.config.kinds.texts import TextKind
from gateway.config.reading import read_array


@dataclass(frozen=True, slots=True)
class NetworksKind(Kind):
    """An array of IP networks, as a L{networks.NetworkSet}."""

    name: ClassVar[str] = "IP networks"

    def read(self, raw: object, place: Place) -> networks.NetworkSet | Faulty:
        """Read each network."""
        found = read_array(
            Annotated[networks.Network, TextKind("an IP network", networks.network)], raw, place
        )
        return found if isinstance(found, Faulty) else networks.NetworkSet(found)

    def toml(self, value: Any) -> str:
        """Write an array."""
        return _array(quoted(str(item)) for item in value)


@dataclass(frozen=True, slots=True)
class HostsKind(Kind):
    """An array of host patterns, as a L{hosts.HostSet}."""

    name: ClassVar[str] = "host patterns"

    def read(self, raw: object, place: Place) -> hosts.HostSet | Faulty:
        """Read each pattern."""
        found = read_array(Annotated[str, TextKind("a host pattern", self.pattern)], raw, place)
        return found if isinstance(found, Faulty) else hosts.HostSet(found)

    @staticmethod
    def pattern(text: str) -> str:
        """
        Check one pattern.

        @raise BadValue: when it is none.
        """
        hosts.HostSet([text])
        return text

    def toml(self, value: Any) -> str:
        """Write an array."""
        return _array(map(quoted, value))


@dataclass(frozen=True, slots=True)
class PortsKind(Kind):
    """Ports, as a L{ports.PortSet}: a number, a range, or an array of both."""

    name: ClassVar[str] = "ports"

    def read(self, raw: object, place: Place) -> ports.PortSet:
        """Read numbers and ranges."""
        if raw == "":
            return ports.PortSet()
        ranges = []
        for index, item in enumerate(raw if isinstance(raw, list) else [raw]):
            try:
                ranges.append(ports.port_range(item))
            except BadValue as error:
                (place.child(index) if isinstance(raw, list) else place).bad(error)
        return ports.PortSet(ranges)

    def toml(self, value: Any) -> str:
        """Write an array."""
        return _array(str(a) if a == b else f'"{a}-{b}"' for a, b in value.ranges)


def _array(items: Any) -> str:
    return "[" + ", ".join(items) + "]"


Networks: TypeAlias = Annotated[networks.NetworkSet, NetworksKind()]
Hosts: TypeAlias = Annotated[hosts.HostSet, HostsKind()]
Ports: TypeAlias = Annotated[ports.PortSet, PortsKind()]
