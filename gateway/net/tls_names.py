"""
What versions and ciphers of TLS are called in the log, by their numbers.

The names are OpenSSL's, so that a connection which passed unread is told of in the same words as one that was decrypted.
"""

from __future__ import annotations

import ssl
from functools import cache
from typing import Final

_VERSIONS: Final = {
    0x0300: "SSLv3",
    0x0301: "TLSv1",
    0x0302: "TLSv1.1",
    0x0303: "TLSv1.2",
    0x0304: "TLSv1.3",
}


def version_name(number: int) -> str:
    """Give the name of a version, or its number if nobody has given it one."""
    return _VERSIONS.get(number) or f"0x{number:04X}"


def cipher_name(number: int) -> str:
    """Give the name of a cipher, or its number if the installed OpenSSL does not know it."""
    return _ciphers().get(number) or f"0x{number:04X}"


@cache
def _ciphers() -> dict[int, str]:
    """Ask OpenSSL once for all that it has, whatever is allowed here."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    # By OpenSSL's numbers: the lower half is that of the protocol.
    return {int(one["id"]) & 0xFFFF: str(one["name"]) for one in context.get_ciphers()}
