"""
Events: what operators should hear of, apart from the log of single transactions.

An event is a fact with a stable name; how it reaches people (trap, mail, syslog) is the business of plugins
with an L{event<gateway.api.Plugin.event>} hook.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field


class Severity(enum.Enum):
    """How much it matters to the people on duty."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Event:
    """
    Something happened that someone may have to act on.

    @ivar name: a stable token such as C{plugin_unhealthy}.
    @ivar severity: how much it matters.
    @ivar text: one sentence for people, without secrets.
    @ivar subject: what it is about, such as a plugin's name; two events of one name and one subject are about
        the same thing.
    @ivar values: details by name.
    """

    name: str
    severity: Severity
    text: str
    subject: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
