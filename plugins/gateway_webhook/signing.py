"""
The signature of a request: HMAC-SHA256 over the time and the content.

The time is part of what is signed, so that a request that was caught can't be sent again later on: receivers refuse what is older than some
minutes. With two keys there are two signatures, so that keys can be changed without a moment in which a receiver's key is wrong.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from gateway.api.settings import Secret

#: Where the signatures are: C{t=1700000000,v1=...}, with one C{v1} for each key.
FIELD = "Gateway-Signature"


def signature(keys: Iterable[Secret], seconds: int, content: bytes) -> str:
    """
    Give what stands in the field.

    @param seconds: the time, since 1970.
    """
    signed = b"%d." % seconds + content
    made = (
        hmac.new(key.reveal().encode("utf-8"), signed, hashlib.sha256).hexdigest() for key in keys
    )
    return ",".join([f"t={seconds}", *(f"v1={one}" for one in made)])
