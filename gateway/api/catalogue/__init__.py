"""
Every kind of event that the gateway and its own plugins raise: the one source of documents, MIB and mail templates.

Third parties describe theirs in C{Plugin.event_types}.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.api.catalogue import (
    certificate,
    configuration,
    identity,
    machine,
    resource,
    scanning,
    security,
    service,
)
from gateway.api.events import EventType

#: All types by name, in the order of their numbers.
CATALOGUE: Final[Mapping[str, EventType]] = MappingProxyType(
    {
        one.name: one
        for one in sorted(
            (
                *security.TYPES,
                *scanning.TYPES,
                *service.TYPES,
                *resource.TYPES,
                *identity.TYPES,
                *certificate.TYPES,
                *configuration.TYPES,
                *machine.TYPES,
            ),
            key=lambda one: one.number,
        )
    }
)
