"""
The orders C{event_open}, C{event_test} and C{event_quiet}: what is out of order, whether alarms reach people, and when they
need not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.admin.control import Answer, Order
from gateway.admin.moments import moment
from gateway.alarms.desk import AlarmDesk
from gateway.alarms.hush import LONGEST_SECONDS
from gateway.alarms.lasting import OpenState
from gateway.api.catalogue import CATALOGUE
from gateway.api.events import Event, EventType

#: States that are told of one by one.
MOST_TOLD = 500


def event_orders(desk: AlarmDesk) -> dict[str, Order]:
    """Make the orders by name."""

    async def show_open(said: Mapping[str, Any]) -> Answer:
        states = desk.states()
        return {
            "ok": True,
            "why": "",
            "count": len(states),
            "states": [_state(state) for state in states[:MOST_TOLD]],
            "channels": [
                {"name": name, "queued": queued} for name, queued in sorted(desk.channels().items())
            ],
            "quiet_until": _until(desk),
        }

    async def test(said: Mapping[str, Any]) -> Answer:
        name, plugins = said.get("name"), said.get("to", [])
        kind = CATALOGUE.get(name) if isinstance(name, str) else None
        if kind is None:
            return _not_done("there is no event of that name")
        if not isinstance(plugins, list) or not all(isinstance(one, str) for one in plugins):
            return _not_done("the channels are no list of names")
        there = {key.partition("/")[0] for key in desk.channels()}
        if not there:
            return _not_done("no plugin that is enabled tells anybody of events")
        missing = sorted(set(plugins) - there)
        if missing:
            return _not_done(
                f"no channel of {', '.join(missing)}; there are those of {', '.join(sorted(there))}"
            )
        became = await desk.test(sample(kind), plugins)
        return {
            "ok": True,
            "why": "",
            "receivers": [{"channel": key, "why": why} for key, why in sorted(became.items())],
        }

    async def quiet(said: Mapping[str, Any]) -> Answer:
        if "seconds" in said:
            seconds = said["seconds"]
            if (
                isinstance(seconds, bool)
                or not isinstance(seconds, int | float)
                or not 0 <= seconds <= LONGEST_SECONDS
            ):
                return _not_done("a window lasts 7 days at the most, and not less than nothing")
            desk.quiet(float(seconds) or None)
        return {"ok": True, "why": "", "until": _until(desk)}

    return {"event_open": show_open, "event_test": test, "event_quiet": quiet}


def sample(kind: EventType) -> Event:
    """Make an event of a type with made-up details."""
    values = {field.name: field.example for field in kind.fields}
    return kind(f"a test, nothing has happened: {kind.title}", "test", **values)


def _not_done(why: str) -> Answer:
    return {"ok": False, "why": why}


def _state(state: OpenState) -> dict[str, object]:
    return {
        "name": state.name,
        "subject": state.subject,
        "severity": state.severity.value,
        "text": state.text,
        "since": moment(state.since),
        "count": state.count,
    }


def _until(desk: AlarmDesk) -> str | None:
    until = desk.quiet_until
    return None if until is None else moment(until)
