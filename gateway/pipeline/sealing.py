"""
The container of quarantined content: encrypted, authenticated, read and written in bounded memory.

Version 1, all numbers big-endian::

    8 bytes   "gwquar1" and a line end
    8 bytes   which key it is (derived from it, tells nothing about it)
    32 bytes  salt, random for each container
    4 bytes   length of the sealed head
    n bytes   the sealed head: a JSON object (RFC 8259) that says what the content is
    ...       the content in sealed pieces: 65536 bytes each and one more that is shorter, and may be empty

Each container has an AES-256-GCM key of its own, made of the quarantine's by HKDF-SHA256 (RFC 5869) with the salt, so a
counter does for a nonce: one byte for what it is (0 the head, 1 a piece, 2 the last piece), three zero bytes, and the
piece's number in eight. Sealed is the cipher text with its tag of 16 bytes behind it. The bytes before the head are
authenticated with it. So nothing can be changed, left out, put in another order or cut off without being noticed
(Rogaway's STREAM). The first bytes are those of no program, archive or picture, whatever the content is.

What is sealed, and where it lies, is not known here.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MAGIC: Final = b"gwquar1\n"
PIECE_BYTES: Final = 65536
#: Of a sealed head; what is put in it is shortened before.
MAX_HEAD_BYTES: Final = 65536

_KEY_ID_BYTES = 8
_SALT_BYTES = 32
_TAG_BYTES = 16
_PREFIX_BYTES = len(MAGIC) + _KEY_ID_BYTES + _SALT_BYTES + 4
_HEAD, _PIECE, _LAST = 0, 1, 2


class SealError(Exception):
    """A container can't be opened; the text says why."""


class WrongKey(SealError):
    """It was sealed with another key."""


@dataclass(frozen=True, slots=True)
class SealingKey:
    """
    What containers are sealed with.

    @ivar id: tells two keys apart; says nothing about them.
    """

    _secret: bytes
    id: bytes

    @classmethod
    def of(cls, secret: str) -> SealingKey:
        """Make it of a text that nobody can guess."""
        material = secret.encode()
        return cls(material, _derived(material, b"", b"gateway quarantine: key id", _KEY_ID_BYTES))

    def cipher(self, salt: bytes) -> AESGCM:
        """Make what one container is sealed with."""
        return AESGCM(_derived(self._secret, salt, b"gateway quarantine: container", 32))

    def __repr__(self) -> str:
        """Show no secret."""
        return f"<key {self.id.hex()}>"


def sealed_size(size: int) -> int:
    """Tell how many bytes a container of so much content has at the most."""
    return _PREFIX_BYTES + MAX_HEAD_BYTES + size + (size // PIECE_BYTES + 1) * _TAG_BYTES


def seal(key: SealingKey, head: Mapping[str, Any], content: BinaryIO, out: BinaryIO) -> None:
    """
    Write a container.

    @param content: read to its end; where it is longer or other than the head says, that is noticed when it is opened.
    @raise ValueError: the head is too long.
    @raise OSError: it can't be read or written.
    """
    salt = os.urandom(_SALT_BYTES)
    cipher = key.cipher(salt)
    plain = json.dumps(head).encode()
    length = len(plain) + _TAG_BYTES
    if length > MAX_HEAD_BYTES:
        raise ValueError("the head is too long")
    prefix = MAGIC + key.id + salt + length.to_bytes(4, "big")
    out.write(prefix)
    out.write(cipher.encrypt(_nonce(_HEAD, 0), plain, prefix))
    number = 0
    piece = _read(content, PIECE_BYTES)
    while len(piece) == PIECE_BYTES:
        out.write(cipher.encrypt(_nonce(_PIECE, number), piece, None))
        number += 1
        piece = _read(content, PIECE_BYTES)
    out.write(cipher.encrypt(_nonce(_LAST, number), piece, None))


class Opened:
    """
    A container that is read.

    @ivar head: what it says of its content; it is authentic.
    """

    def __init__(self, key: SealingKey, stream: BinaryIO) -> None:
        """
        Read the head.

        @param stream: at its beginning; stays the caller's to close.
        @raise WrongKey: it was sealed with another key.
        @raise SealError: it is no container, or was changed.
        @raise OSError: it can't be read.
        """
        self._stream = stream
        prefix = _read(stream, _PREFIX_BYTES)
        if len(prefix) < _PREFIX_BYTES or not prefix.startswith(MAGIC):
            raise SealError("this is no container of a quarantine, or one of another version")
        at = len(MAGIC)
        key_id, at = prefix[at : at + _KEY_ID_BYTES], at + _KEY_ID_BYTES
        salt, at = prefix[at : at + _SALT_BYTES], at + _SALT_BYTES
        length = int.from_bytes(prefix[at:], "big")
        if key_id != key.id:
            raise WrongKey("it was sealed with another key")
        if not _TAG_BYTES <= length <= MAX_HEAD_BYTES:
            raise SealError("its head was changed")
        self._cipher = key.cipher(salt)
        sealed = _read(stream, length)
        try:
            read = json.loads(self._cipher.decrypt(_nonce(_HEAD, 0), sealed, prefix))
        except (InvalidTag, ValueError):
            raise SealError("its head was changed or cut off") from None
        self.head: dict[str, Any] = read

    def pieces(self) -> Iterator[bytes]:
        """
        Give the content piece by piece; to be called once.

        Each piece is authentic. That they are all of it shows at the end only: what was given before an exception is
        worth nothing.

        @raise SealError: it was changed or cut off, or is not what the head says.
        @raise OSError: it can't be read.
        """
        digest, size, number = hashlib.sha256(), 0, 0
        is_last = False
        while not is_last:
            sealed = _read(self._stream, PIECE_BYTES + _TAG_BYTES)
            is_last = len(sealed) < PIECE_BYTES + _TAG_BYTES
            nonce = _nonce(_LAST if is_last else _PIECE, number)
            try:
                piece = self._cipher.decrypt(nonce, sealed, None)
            except (InvalidTag, ValueError):
                raise SealError("its content was changed or cut off") from None
            number += 1
            size += len(piece)
            digest.update(piece)
            if piece:
                yield piece
        if size != self.head.get("size") or digest.hexdigest() != self.head.get("sha256"):
            raise SealError("its content is not what its head says")


def _derived(secret: bytes, salt: bytes, purpose: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length, salt or None, purpose).derive(secret)


def _nonce(kind: int, number: int) -> bytes:
    return bytes((kind, 0, 0, 0)) + number.to_bytes(8, "big")


def _read(stream: BinaryIO, count: int) -> bytes:
    """Read so much, or what is left; one read of a file may give less."""
    parts = []
    while count and (part := stream.read(count)):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
