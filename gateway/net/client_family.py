"""
Which program a client may be: a coarse fingerprint of its ClientHello, the same for all connections of one program.

Much like JA3 and JA4, and like them a hint and no proof: two programs with one TLS library look alike, and a client can
look like any other. Left out is what differs between connections of one program: the host and the protocols it asks
for, resumption, padding, GREASE (RFC 8701), and the order of the extensions, which browsers shuffle.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from gateway.api.answers import ClientHello

#: Extensions that come and go: server_name, ALPN, padding, session_ticket, pre_shared_key, early_data, cookie,
#: encrypted_client_hello.
_VARYING: Final = frozenset((0, 16, 21, 35, 41, 42, 44, 0xFE0D))


#: Values that are sent only to see that they are ignored.
_GREASE: Final = frozenset(0x0A0A + 0x1010 * number for number in range(16))


def client_family(hello: ClientHello) -> str:
    """Give twelve hexadecimal digits."""
    said = (
        [value for value in hello.versions if value not in _GREASE],
        [value for value in hello.ciphers if value not in _GREASE],
        sorted(kind for kind in hello.extensions if kind not in _VARYING and kind not in _GREASE),
        [value for value in hello.groups if value not in _GREASE],
        [value for value in hello.signature_algorithms if value not in _GREASE],
        hello.point_formats,
    )
    return blake2b(repr(said).encode(), digest_size=6).hexdigest()
