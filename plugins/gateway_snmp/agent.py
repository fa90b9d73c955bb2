"""
Answers to SNMP requests, for Net-SNMP's snmpd, which runs C{gateway snmp agent} by C{pass_persist}.

It speaks lines over standard input and output (snmpd.conf(5)): C{PING}, C{get}, C{getnext} and C{set}. snmpd waits for each
answer and does nothing else meanwhile, so a gateway that does not answer is asked again only after some time, and what
it said is good for a moment. Only public numbers are shown, those of F{/metrics}; nothing can be changed.
"""

from __future__ import annotations

import time
import zlib
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, TextIO, TypeAlias

from gateway_snmp.notification import text_bytes
from gateway_snmp.oids import oid
from gateway_snmp.reader import NoNumbers, Samples, config_hash, fetch
from gateway_snmp.settings import Address, address
from gateway_snmp.tree import (
    CHANNEL_OBJECTS,
    CHANNELS,
    OBJECTS,
    STATE,
    STATE_OBJECTS,
    Object,
    Oid,
    oid_text,
)

#: How long what the gateway said is good, in seconds.
GOOD_SECONDS: Final = 2.0
#: How long the gateway may take; snmpd waits so long.
PATIENCE_SECONDS: Final = 1.0
#: How long a gateway that did not answer is not asked again.
AWAY_SECONDS: Final = 5.0

_MOST_32: Final = (1 << 32) - 1
_MOST_64: Final = (1 << 64) - 1

#: What snmpd calls the type, and the text of the value.
Value: TypeAlias = "tuple[str, str]"

_TYPES: Final[Mapping[str, str]] = {
    "gauge": "gauge",
    "counter64": "counter64",
    "ticks": "timeticks",
    "text": "string",
    "truth": "integer",
}


def values(samples: Samples | None, base: Oid, now: float) -> dict[Oid, Value]:
    """
    Give everything that can be read.

    @param samples: what the gateway says; C{None}: it says nothing.
    @param now: the time since 1970.
    """
    state = (*base, OBJECTS, STATE)
    found: dict[Oid, Value] = {(*state, 1, 0): ("integer", "2" if samples is None else "1")}
    if samples is None:
        return found
    for one in STATE_OBJECTS[1:]:
        value = _scalar(one, samples, now)
        if value is not None:
            found[*state, one.number, 0] = (_TYPES[one.syntax], value)
    table = (*base, OBJECTS, CHANNELS, 1, 1)
    for row, name in _rows(samples).items():
        found[*table, 2, row] = ("string", _line(name))
        for one in CHANNEL_OBJECTS[2:]:
            number = samples.total(one.metric, {"channel": name})
            if number is not None:
                found[*table, one.number, row] = (_TYPES[one.syntax], _number(one, number))
    return found


def _scalar(one: Object, samples: Samples, now: float) -> str | None:
    if one.name == "gwVersion":
        return _line(samples.label("gateway_info", "version")) or None
    if one.name == "gwConfigHash":
        return _line(samples.config_hash) or None
    number = samples.total(one.metric, dict(one.labels))
    if number is None:
        return None
    if one.syntax == "ticks":
        return str(int(max(0.0, now - number) * 100) & _MOST_32)
    return _number(one, number)


def _number(one: Object, number: float) -> str:
    scaled = max(0, int(number * one.scale))
    return str(scaled & _MOST_64 if one.syntax == "counter64" else min(scaled, _MOST_32))


def _rows(samples: Samples) -> dict[int, str]:
    """Give the channels by the index of their rows."""
    names = {
        sample.labels["channel"]
        for one in CHANNEL_OBJECTS[2:]
        for sample in samples.of.get(one.metric, ())
        if sample.labels.get("channel")
    }
    return {row_index(name): name for name in sorted(names)}


def row_index(name: str) -> int:
    """Give the index of a channel's row."""
    return zlib.crc32(name.encode()) & 0x7FFFFFFF or 1


def _line(text: str) -> str:
    return text_bytes(text).decode()


class Agent:
    """What snmpd asks."""

    def __init__(
        self,
        read: Callable[[], Samples],
        base: Oid,
        *,
        now: Callable[[], float] = time.time,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Prepare; nothing is asked yet.

        @param read: asks the gateway, or raises L{NoNumbers}.
        @param base: where the tree begins.
        @param now: the time since 1970.
        @param seconds: a clock that does not jump.
        """
        self._read = read
        self._base = base
        self._now = now
        self._seconds = seconds
        self._until = float("-inf")
        self._values: dict[Oid, Value] = {}
        self._order: list[Oid] = []

    def get(self, wanted: str) -> str:
        """Answer C{get}."""
        return self._answer(_parsed(wanted))

    def getnext(self, wanted: str) -> str:
        """Answer C{getnext}: what comes behind an OID, which need not be there itself."""
        after = _parsed(wanted)
        if after is None:
            return "NONE"
        self._renew()
        place = bisect_right(self._order, after)
        return self._answer(self._order[place]) if place < len(self._order) else "NONE"

    def _answer(self, wanted: Oid | None) -> str:
        self._renew()
        value = None if wanted is None else self._values.get(wanted)
        if wanted is None or value is None:
            return "NONE"
        return f".{oid_text(wanted)}\n{value[0]}\n{value[1]}"

    def _renew(self) -> None:
        if self._seconds() < self._until:
            return
        samples: Samples | None = None
        wait = AWAY_SECONDS
        try:
            samples = self._read()
            wait = GOOD_SECONDS
        except NoNumbers:
            # The answer is that it does not run.
            pass
        self._values = values(samples, self._base, self._now())
        self._order = sorted(self._values)
        # From now on, not from when it was asked: it may have taken long.
        self._until = self._seconds() + wait


def _parsed(text: str) -> Oid | None:
    parts = text.strip().lstrip(".").split(".")
    if not all(part.isascii() and part.isdigit() for part in parts):
        return None
    return tuple(map(int, parts))


def serve(agent: Agent, requests: TextIO, answers: TextIO) -> None:
    """Answer until there is nobody to ask any more."""

    def line() -> str:
        return requests.readline(4096)

    while said := line():
        match said.strip().lower():
            case "":
                # Net-SNMP says that it leaves by an empty line.
                return
            case "ping":
                answer = "PONG"
            case "get":
                answer = agent.get(line())
            case "getnext":
                answer = agent.getnext(line())
            case "set":
                line()
                line()
                answer = "not-writable"
            case _:
                answer = "NONE"
        answers.write(f"{answer}\n")
        answers.flush()


def run(metrics: str, base: str, requests: TextIO, answers: TextIO) -> None:
    """
    Be the agent of C{gateway snmp agent}.

    @param metrics: the address of F{/metrics}.
    @raise BadValue: of these texts one is not what it should be.
    """
    where: Address = address(metrics)

    def read() -> Samples:
        samples = fetch(where, PATIENCE_SECONDS)
        return replace(samples, config_hash=config_hash(where, PATIENCE_SECONDS))

    serve(Agent(read, oid(base)), requests, answers)
