"""
What the log says of the TLS of a client's connection.

It says the same on every line of a connection, so it is put into words once. Names are what clients claimed, so they are
escaped as all else. There are neither keys nor tickets in a L{ClientTls}, and so none here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from gateway.api.transaction import ClientTls

# Kept by the object's identity, for its hash costs as much as ten look-ups. Who is kept can't be freed, so no other
# object can have the same identity meanwhile.
_MOST_KEPT = 2048

#: What Squid calls a decision; without bumping it has no word for TLS that ends at a listener.
_BUMP_MODES: Final[Mapping[str, str]] = {
    "intercept": "bump",
    "tunnel": "splice",
    "block": "terminate",
}


def json_texts(names: Mapping[str, str]) -> Callable[[ClientTls], str]:
    """
    Make the maker of the C{tls} object of a JSON line.

    @param names: gives each text as a JSON string, C{null} if it is empty.
    """
    kept: dict[int, tuple[ClientTls, str]] = {}

    def text(tls: ClientTls) -> str:
        found = kept.get(id(tls))
        if found is None:
            if len(kept) >= _MOST_KEPT:
                kept.clear()
            found = kept[id(tls)] = tls, _json(tls, names)
        return found[1]

    return text


def bump_mode(tls: ClientTls | None) -> str | None:
    """Give Squid's word for what became of the connection."""
    return None if tls is None else _BUMP_MODES.get(tls.decision)


def squid_version(version: str) -> str:
    """Write a version as Squid does: C{TLS/1.3} for OpenSSL's C{TLSv1.3}."""
    return version.replace("v", "/", 1) if version.startswith("TLSv") else version


def _json(tls: ClientTls, names: Mapping[str, str]) -> str:
    return (
        f'{{"server_name":{names[tls.server_name]},"version":{names[tls.version]},'
        f'"cipher":{names[tls.cipher]},"alpn":{names[tls.alpn]},'
        f'"resumed":{"true" if tls.resumed else "false"},'
        f'"decision":{names[tls.decision]},"why":{names[tls.why]},'
        f'"upstream_version":{names[tls.upstream_version]},'
        f'"upstream_cipher":{names[tls.upstream_cipher]}}}'
    )
