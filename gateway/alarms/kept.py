"""
What a gate remembers, as it is written down for the next start.

Times to come are kept as so many seconds from when it was written, for the clock that they are measured by begins anew with
the process.
"""

from __future__ import annotations

import msgspec

from gateway.api.events import Event, Severity

#: Characters of a text, and of each value, that are kept.
_LONGEST = 2000
_VERSION = 1


class KeptEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """An event."""

    name: str
    severity: str
    text: str
    subject: str = ""
    values: dict[str, str] = {}

    @classmethod
    def of(cls, event: Event) -> KeptEvent:
        """Take what is kept of an event."""
        values = {name: str(value)[:_LONGEST] for name, value in event.values.items()}
        return cls(event.name, event.severity.value, event.text[:_LONGEST], event.subject, values)

    def event(self) -> Event:
        """
        Give it back.

        @raise ValueError: there is no such severity.
        """
        return Event(self.name, Severity(self.severity), self.text, self.subject, self.values)


class KeptTally(msgspec.Struct, frozen=True, omit_defaults=True):
    """Events of one type that were counted; see L{gateway.alarms.tally.Tally}."""

    id: str
    event: KeptEvent
    count: int
    first: float
    last: float
    subjects: dict[str, int] = {}
    before: dict[str, int] = {}


class KeptState(msgspec.Struct, frozen=True, omit_defaults=True):
    """One state; see L{gateway.alarms.state.State}."""

    subject: str
    event: KeptEvent
    id: str
    begun: str
    since: float
    first: float
    last: float
    count: int = 0
    hushed: int = 0
    is_down: bool = False
    is_told: bool = False
    over: KeptEvent | None = None
    rank: int = 0
    lane: str = ""
    repeats: int = 0


class KeptFamily(msgspec.Struct, frozen=True, omit_defaults=True):
    """All of one type, or of one state."""

    name: str
    is_state: bool = False
    lane: str = ""
    limit_in: float = 0.0
    over_in: float = 0.0
    first_in: float = 0.0
    tally: KeptTally | None = None
    states: list[KeptState] = []


class KeptGate(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    All of a gate.

    @ivar written: wall-clock time, seconds since 1970.
    @ivar quiet_until: until when an operator wanted quiet; 0: not at all.
    """

    version: int
    written: float
    digest_in: float = -1.0
    quiet_until: float = 0.0
    families: list[KeptFamily] = []


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(KeptGate)


def written(
    families: list[KeptFamily], *, at: float, digest_in: float, quiet_until: float
) -> bytes:
    """Write it; nothing at all if there is nothing to remember."""
    if not families and not quiet_until:
        return b""
    return _encoder.encode(KeptGate(_VERSION, at, digest_in, quiet_until, families))


def read(kept: bytes) -> KeptGate | None:
    """
    Read it; C{None}: there is nothing.

    @raise ValueError: it is not what was written, or another version's.
    """
    if not kept:
        return None
    found = _decoder.decode(kept)
    if found.version != _VERSION:
        raise ValueError(f"it is of version {found.version}")
    return found
