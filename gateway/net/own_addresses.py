"""Whether an address is one of this machine's, asked of the kernel's routes; no list to keep up to date."""

from __future__ import annotations

import socket


def is_own_address(address: str) -> bool:
    """
    Tell whether packets to a literal address would stay on this machine.

    The route to an own address has that address as its source. Connecting a UDP socket looks the route up and sends
    nothing.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            # The port is of no consequence: discard (RFC 863).
            probe.connect((address, 9))
            return bool(probe.getsockname()[0] == address)
    except OSError:
        return False


def has_source_address(address: str) -> bool:
    """Tell whether this machine has an address from which it could reach a literal address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
    except OSError:
        return False
    return True
