"""What the commands of C{gateway user} have in common: how a user is named, and what was forgotten."""

from __future__ import annotations

import argparse
from typing import Any

_LONGEST = 1024


def named(text: str) -> str:
    """Check the name of a user, or an address; whether there is such a one only the gateway can say."""
    if not text.strip() or len(text) > _LONGEST or not text.isprintable():
        raise argparse.ArgumentTypeError("no user and no address is named like that")
    return text


def ended(answer: dict[str, Any]) -> str:
    """Say what was forgotten."""
    addresses, others = answer["addresses"], answer["others"]
    found = [f"the address {address}" for address in addresses]
    if others:
        found.append(f"{others} other thing{'' if others == 1 else 's'}, such as connections")
    return ", ".join(found) or "nothing was remembered"
