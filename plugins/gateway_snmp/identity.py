"""
Who the gateway is to receivers of version 3: its engine id, how often it has started, and since when.

The engine id is made once and kept. The count of starts must never go back, or receivers take what is new for a replay
(RFC 3414 section 2.2); so it is written down before anything is sent, and it is never less than the minutes since a fixed
day: that holds also where what was written down is lost, or is older than it should be because a machine was restored.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.api import KeyValue, Log, StoreFailed
from gateway_snmp.tree import Oid

_ID, _BOOTS = "engine_id", "engine_boots"
#: 2025-01-01.
_FIRST_DAY: Final = 1735689600
#: RFC 3414 section 2.2.1: at this one nothing would be believed any more.
_MOST_BOOTS: Final = (1 << 31) - 2
#: Octets that were chosen by whoever made them (RFC 3411 section 5).
_FORMAT: Final = 5


@dataclass(frozen=True, slots=True)
class Identity:
    """
    An engine, from one start on.

    @ivar boots: how often it has started.
    @ivar began: when it did, on the clock of L{seconds}.
    @ivar seconds: a clock that does not jump.
    """

    engine_id: bytes
    boots: int
    began: float
    seconds: Callable[[], float]

    @property
    def age(self) -> int:
        """Give the seconds since the start."""
        return max(0, int(self.seconds() - self.began))


async def take_identity(
    store: KeyValue,
    log: Log,
    base: Oid,
    fixed: str,
    *,
    now: Callable[[], float],
    seconds: Callable[[], float],
) -> Identity:
    """
    Begin a new start of the engine, and write that down.

    @param fixed: the engine id of the settings in hexadecimal digits; empty: the one that is kept.
    @param now: the time since 1970.
    @param seconds: a clock that does not jump.
    """
    kept_id = kept_boots = b""
    try:
        kept_id = await store.get(_ID) or b""
        kept_boots = await store.get(_BOOTS) or b""
    except StoreFailed as error:
        log.warn("what was kept of the SNMP engine can't be read: {why}", why=str(error))
    engine = bytes.fromhex(fixed) if fixed else kept_id
    if not 5 <= len(engine) <= 32:
        engine = _made(base)
    counted = int(kept_boots) + 1 if kept_boots.isdigit() else 1
    boots = min(max(counted, int(now() - _FIRST_DAY) // 60), _MOST_BOOTS)
    try:
        if engine != kept_id and not fixed:
            await store.set(_ID, engine)
        await store.set(_BOOTS, str(boots).encode())
    except StoreFailed as error:
        # Alarms go out all the same: the time sees to it that the next count is a greater one.
        log.warn("the start of the SNMP engine could not be written down: {why}", why=str(error))
    return Identity(engine, boots, seconds(), seconds)


def _made(base: Oid) -> bytes:
    enterprise = base[6] & 0x7FFFFFFF
    return (0x80000000 | enterprise).to_bytes(4, "big") + bytes([_FORMAT]) + secrets.token_bytes(8)
