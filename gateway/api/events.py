"""
Events: what operators should hear of, apart from the log of single transactions.

An event is a fact with a stable name. What there is to know of a kind of event, apart from the one occurrence, is its
L{EventType}: documents, MIB and mails are made from it. Those of the gateway and its own plugins are in
L{gateway.api.catalogue}. Channels (trap, mail, syslog) get what is worth telling by L{gateway.api.alarms}; the hook
L{event<gateway.api.Plugin.event>} sees each single event.
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

    @property
    def rank(self) -> int:
        """Give a number that grows with it: 0, 1, 2."""
        return _RANKS[self]


_RANKS = {Severity.INFO: 0, Severity.WARNING: 1, Severity.ERROR: 2}


class Notify(enum.Enum):
    """
    How a channel tells of events of one type.

    NEVER: it is only in the log. FIRST: the first one at once, what follows within the digest's period with the next
    digest. DIGEST: with the next digest. ALWAYS: each one, but not more often than the channel's limit: what comes
    within that is counted and told at its end.
    """

    NEVER = "never"
    FIRST = "first"
    DIGEST = "digest"
    ALWAYS = "always"


class EventGroup(enum.Enum):
    """What an event is about; a maintenance window keeps back all groups but C{SECURITY}."""

    SECURITY = "security"
    SERVICE = "service"
    RESOURCE = "resource"
    UPDATE = "update"
    IDENTITY = "identity"
    CERTIFICATE = "certificate"
    CONFIGURATION = "configuration"
    PLUGIN = "plugin"


@dataclass(frozen=True, slots=True)
class EventField:
    """
    One detail that events of a type have.

    @ivar name: its key in C{Event.values}.
    @ivar help: what it says, with its unit.
    @ivar example: a value as it may be; made up.
    """

    name: str
    help: str
    example: str


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


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """
    A kind of event; called with a text it makes one: C{ORIGIN_DOWN("origin 10.0.0.1:80 ...", "10.0.0.1:80", site="a")}.

    @ivar name: lower case, digits and C{_}; never changed once released.
    @ivar number: its arc in the MIB, never used again for another; 0: it has none, as those of third parties.
    @ivar severity: unless the single event says another.
    @ivar group: what it is about.
    @ivar title: a few words, for the subject of a mail.
    @ivar when: one or two sentences: when it is raised, and how often.
    @ivar act: one to three sentences: what whoever reads it should do.
    @ivar subject: what C{Event.subject} is; empty: there is none.
    @ivar fields: what may be in C{Event.values}, and no other.
    @ivar ends: the name of the event whose state this one ends: an outage that is over. The other one is a state then:
        raised at its beginning (an edge), repeated by channels while it lasts, told once when it is over.
    @ivar trap: the notification of the MIB that it is sent as; several types may share one.
    @ivar notify: how channels tell of it unless the site says otherwise.
    @ivar owner: the plugin that raises it; empty: the gateway itself, or several.
    @ivar logged: single events have a line in the process log; C{False}: the access log has all that there is to say.
    """

    name: str
    number: int = 0
    severity: Severity
    group: EventGroup
    title: str
    when: str
    act: str
    subject: str = ""
    fields: tuple[EventField, ...] = ()
    ends: str = ""
    trap: str = "gwOther"
    notify: Notify = Notify.DIGEST
    owner: str = ""
    logged: bool = True

    def __call__(
        self, text: str, subject: str = "", severity: Severity | None = None, /, **values: str
    ) -> Event:
        """
        Make an event of this type.

        @param severity: if it is another than the type's.
        @param values: of its C{fields}; those without a value may be left out.
        @raise ValueError: a value that the type has no field for.
        """
        for name in values:
            if not any(one.name == name for one in self.fields):
                raise ValueError(f"events of the type {self.name} have no field {name}")
        return Event(self.name, severity or self.severity, text, subject, values)
