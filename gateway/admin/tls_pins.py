"""
The order C{tls_pins}: what is known of pinned apps, and what an operator wants of a name.

What is ordered here is gone with the process; what is to stay is written into C{tls.never_decrypt}.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.admin.control import Answer, Order
from gateway.admin.moments import moment
from gateway.config.faults import BadValue
from gateway.config.hosts import host_name
from gateway.net.bypasses import BYPASS_SECONDS, LONGEST_BYPASS_SECONDS, Bypass, TooMany
from gateway.net.pins import Pin, Pins

#: Addresses of clients without the CA that are named at the most.
_MOST_NAMED = 100


def pins_order(pins: Pins) -> Order:
    """Make the order: C{bypass} and C{forget} name a host, C{seconds} says how long; with neither it is a question."""

    async def carry_out(said: Mapping[str, Any]) -> Answer:
        why = _change(pins, said)
        lacking = pins.lacking()
        return {
            "ok": not why,
            "why": why,
            "automatic": pins.automatic,
            "pins": [_described(pin) for pin in pins.proposals()],
            "clients_without_ca": len(lacking),
            "addresses_without_ca": lacking[:_MOST_NAMED],
        }

    return carry_out


def _change(pins: Pins, said: Mapping[str, Any]) -> str:
    """Do what is ordered, if something is; say why not."""
    try:
        if "bypass" in said:
            name, seconds = _host(said["bypass"]), said.get("seconds", BYPASS_SECONDS)
            if not isinstance(seconds, int | float) or not 0 < seconds <= LONGEST_BYPASS_SECONDS:
                return f"a bypass lasts {LONGEST_BYPASS_SECONDS / 86400:g} days at the most, and not less than nothing"
            pins.bypass(name, float(seconds))
        elif "forget" in said:
            name = _host(said["forget"])
            if not pins.forget(name):
                return f"nothing is known of {name}"
    except BadValue as bad:
        return bad.message
    except TooMany:
        return "there are as many bypasses as there may be; end some with --forget"
    return ""


def _host(said: object) -> str:
    """
    Check a host.

    @raise BadValue: it is none.
    """
    if not isinstance(said, str):
        raise BadValue("no host is named")
    return host_name(said)


def _described(pin: Pin) -> dict[str, object]:
    return {
        "name": pin.name,
        "family": pin.family or None,
        "refusals": pin.refusals,
        "first_seen": moment(pin.first_seen) if pin.refusals else None,
        "last_seen": moment(pin.last_seen) if pin.refusals else None,
        "clients": pin.clients,
        "trusting_clients": pin.trusting,
        "bypass": None if pin.bypass is None else _bypass(pin.bypass),
    }


def _bypass(bypass: Bypass) -> dict[str, object]:
    return {
        "by": bypass.by,
        "family": bypass.family or None,
        "until": moment(bypass.until),
    }
