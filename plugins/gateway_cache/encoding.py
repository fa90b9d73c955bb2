"""
How a stored response lies in the index: a fixed part that says where its content is, and the head behind it.

The fixed part can be changed without the head being decoded, as eviction does. Both are under one checksum, so that a torn
record is none. Pure; who keeps records is L{gateway_cache.index}.
"""

from __future__ import annotations

import struct
from hashlib import blake2b
from operator import attrgetter
from typing import NamedTuple, TypeAlias
from zlib import crc32

import msgspec

from gateway_cache.entry import Head

#: Of what a folder holds; one of another number is not read.
FORMAT = 1

#: LMDB takes keys of up to 511 bytes.
_NAME_BYTES = 400
_DIGEST_BYTES = 16

_CHECKSUM = struct.Struct("<I")
_FIXED = struct.Struct("<QQQQQIBB2x")
_HEAD_AT = _CHECKSUM.size + _FIXED.size

_Lines: TypeAlias = tuple[
    bytes,
    bytes,
    tuple[str, ...],
    int,
    tuple[bytes, ...],
    float,
    float,
    int,
    tuple[str, ...],
    tuple[int, int] | None,
    str,
    bytes,
]
# What a head has of them, in their order.
_stored_of = attrgetter(
    "key",
    "variant",
    "vary",
    "status",
    "lines",
    "requested",
    "received",
    "length",
    "tags",
    "part",
    "verdict",
    "digest",
)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Lines).decode


class Torn(Exception):
    """What was read is not what was written."""


class Place(NamedTuple):
    """
    Where an object is, and what it takes.

    @ivar since: when it was begun, as L{gateway_cache.shared.Shared.tick} counts.
    @ivar number: its own, never used again.
    @ivar position: in its queue.
    @ivar charge: bytes that it is counted with.
    @ivar length: of the content, bytes.
    @ivar checksum: of the content.
    @ivar queue: one of L{gateway_cache.eviction}'s.
    @ivar in_file: 1: the content is in a file; 0: in the index.
    """

    since: int
    number: int
    position: int
    charge: int
    length: int
    checksum: int
    queue: int
    in_file: int


def names_of(key: bytes) -> bytes:
    """Give what the names of all variants of a key begin with; in the order of keys, long ones are cut."""
    if len(key) > _NAME_BYTES:
        digest = blake2b(key, digest_size=_DIGEST_BYTES).digest()
        return key[: _NAME_BYTES - _DIGEST_BYTES] + digest + b"\0"
    return key + b"\0"


def name_of(key: bytes, variant: bytes) -> bytes:
    """Give the name of one variant in the index."""
    if not variant:
        return names_of(key)
    return names_of(key) + blake2b(variant, digest_size=_DIGEST_BYTES).digest()


def prefix_of(prefix: bytes) -> bytes:
    """Give what the names of all keys that begin so begin with; those of other keys may begin with it as well."""
    return prefix[: _NAME_BYTES - _DIGEST_BYTES]


def encoded_head(head: Head) -> bytes:
    """Encode all of a head but what is only for memory."""
    return _encode(_stored_of(head))


def record(place: Place, head: bytes) -> bytes:
    """Make a record of a place and an encoded head."""
    rest = _FIXED.pack(*place) + head
    return _CHECKSUM.pack(crc32(rest)) + rest


def place_of(value: bytes) -> Place:
    """
    Read the fixed part of a record.

    @raise Torn: it is none.
    """
    _whole(value)
    return _place(value)


def head_part(value: bytes) -> bytes:
    """Give the encoded head of a record that was looked at."""
    return value[_HEAD_AT:]


def read(value: bytes) -> tuple[Place, Head]:
    """
    Read a record.

    @raise Torn: it is none.
    """
    _whole(value)
    try:
        return _place(value), Head(*_decode(value[_HEAD_AT:]))
    except msgspec.MsgspecError as error:
        raise Torn(str(error)) from error


def _place(value: bytes) -> Place:
    return Place._make(_FIXED.unpack_from(value, _CHECKSUM.size))


def _whole(value: bytes) -> None:
    if len(value) <= _HEAD_AT or _CHECKSUM.unpack_from(value)[0] != crc32(value[4:]):
        raise Torn("the record's checksum is wrong")
