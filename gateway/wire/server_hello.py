"""
The ServerHello: what a server says first in TLS, read as it goes past.

It tells which version and cipher two others have agreed on. It must not know what the bytes came out of, or OpenSSL. What
it can't make sense of is nobody's fault here: the bytes are not for us, and whoever they are for will judge them.

Follows RFC 8446 sections 4.1.3 and 4.2.1; a HelloRetryRequest has the same form, and says the same of both.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from gateway.wire.client_hello import NotTls

#: More is not waited for. A large key share may come before the version: 1.2 KiB with X25519MLKEM768.
MAX_BYTES: Final = 4096

#: The type of the record that a ServerHello comes in.
HANDSHAKE: Final = 22
_MAJOR = 3
_SERVER_HELLO = 2
_TLS_1_2 = 0x0303
_SUPPORTED_VERSIONS = 43
# Record head, message head, version and random.
_FIXED = 5 + 4 + 2 + 32

_TWO_NUMBERS = struct.Struct(">HH").unpack_from


@dataclass(frozen=True, slots=True)
class ServerHello:
    """
    What the server has chosen.

    @ivar version: by its number, such as 0x0304 for TLS 1.3.
    @ivar cipher: likewise, such as 0x1301.
    """

    version: int
    cipher: int


def read_server_hello(data: bytes) -> ServerHello | None:
    """
    Read the ServerHello at the front of a stream; C{None} while more bytes are needed.

    @param data: all bytes since the first one, of which there is one at least.
    @raise NotTls: it is none that can be read, whatever will follow. So is one that is spread over several records, which
        nobody sends.
    """
    size = len(data)
    if data[0] != HANDSHAKE or (size > 1 and data[1] != _MAJOR):
        raise NotTls
    if size <= _FIXED:
        return None
    end = 9 + int.from_bytes(data[6:9], "big")
    at = _FIXED + 1 + data[_FIXED]
    if (
        data[5] != _SERVER_HELLO
        or end > 5 + int.from_bytes(data[3:5], "big")
        or at + 3 > end
        or data[9] != _MAJOR
    ):
        raise NotTls
    if size < at + 3:
        return None
    version = data[9] << 8 | data[10]
    cipher = data[at] << 8 | data[at + 1]
    # Behind the compression; a server of TLS 1.2 may say no more.
    at += 3
    if version == _TLS_1_2 and at < end:
        at += 2
        while at < end:
            if size < at + 4:
                return None
            kind, length = _TWO_NUMBERS(data, at)
            if kind == _SUPPORTED_VERSIONS:
                if length != 2 or at + 6 > end:
                    raise NotTls
                if size < at + 6:
                    return None
                version = data[at + 4] << 8 | data[at + 5]
                break
            at += 4 + length
    return ServerHello(version, cipher)
