"""Alarms, receivers and an identity, as tests need them."""

from __future__ import annotations

from typing import Any

from gateway.api import Event, EventType
from gateway.api.alarms import Alarm, AlarmState, Notice
from gateway.api.catalogue import CATALOGUE
from gateway.api.settings import Secret
from gateway_snmp.identity import Identity
from gateway_snmp.settings import Address, Receiver

MALWARE = CATALOGUE["malware_found"]
ENGINE_ID = bytes.fromhex("8000000001020304")
AUTH, PRIV, COMMUNITY = "a passphrase to sign", "a passphrase to hide", "the community"


def alarm(type: EventType = MALWARE, **values: Any) -> Alarm:
    """Make an alarm of an event with a subject and some values."""
    event = Event(
        type.name,
        type.severity,
        "malware was found",
        "10.1.2.3",
        {"name": "Eicar", "url": "http://files.example.com/a"},
    )
    made: dict[str, Any] = {
        "id": "a-1",
        "event": event,
        "type": type,
        "state": AlarmState.SINGLE,
        "count": 3,
        "first": 1_000_000_000.0,
        "last": 1_000_000_000.5,
    }
    return Alarm(**{**made, **values})


def notice(*alarms: Alarm) -> Notice:
    """Make a notice of alarms, or of one."""
    return Notice("n-1", alarms or (alarm(),), False, 1, "node-1", 1e9, 1e9)


def receiver(version: str = "2c", *, port: int = 162, **values: Any) -> Receiver:
    """Make a receiver on loopback, with a community or a user that signs and encrypts."""
    said: dict[str, Any] = {"address": Address("127.0.0.1", port), "version": version}
    if version == "3":
        said |= {"user": "gateway", "auth": Secret(AUTH), "priv": Secret(PRIV)}
    else:
        said["community"] = Secret(COMMUNITY)
    return Receiver(**{**said, **values})


def identity(boots: int = 5) -> Identity:
    """Make an engine that has run for 100 seconds."""
    return Identity(ENGINE_ID, boots, 0.0, lambda: 100.0)
