"""
The ClientHello: what a client says first in TLS, read without taking part in the handshake.

It tells who is wanted before anything is answered, so that a connection can be decrypted, passed on or refused. It must
not know what the bytes came out of (a CONNECT, a listener, a redirected connection), what is decided, or OpenSSL.

Follows RFC 8446 sections 4.1.2 and 5.1, with RFC 5246 for what older clients send, RFC 6066 (server_name), RFC 7301
(ALPN), RFC 8701 (GREASE) and RFC 9849 (ECH).

There are two refusals, and they are not alike. L{NotTls} is said only of what no TLS server takes for TLS, because its
bytes may be passed on unread where unknown protocols are let through. All else that is wrong is L{BadClientHello}:
OpenSSL up to 3 reads a ClientHello in SSLv2's form, and servers skip an empty record in front of one, so whoever called
those "not TLS" would give every client a way around decryption. For the same reason nothing is repaired: of two names,
or of a name that can be read in two ways, a server may believe the other one.
"""

from __future__ import annotations

import re
import struct
from typing import Final, NoReturn

from gateway.api.answers import ClientHello

#: Most bytes from the start of the stream to the end of the ClientHello, heads of records included.
MAX_BYTES: Final = 65536
#: Most bytes of content in one record (RFC 8446 section 5.1).
_RECORD_BYTES = 16384
_RECORD_HEAD = 5
_MESSAGE_HEAD = 4

_HANDSHAKE = 22
# change_cipher_spec, alert, handshake, application_data, heartbeat: with the major version behind it, this is TLS.
_RECORD_TYPES = range(20, 25)
_CLIENT_HELLO = 1
_TLS_1_2 = 0x0303
_TLS_1_3 = 0x0304

_SERVER_NAME = 0
_GROUPS = 10
_POINT_FORMATS = 11
_SIGNATURE_ALGORITHMS = 13
_ALPN = 16
_SESSION_TICKET = 35
_PRE_SHARED_KEY = 41
_SUPPORTED_VERSIONS = 43
_ECH = 0xFE0D

# The same labels as in a request's target (gateway.message.target), but no dot at the end: RFC 6066 section 3.
_NAME = re.compile(rb"[0-9A-Za-z_-]{1,63}(?:\.[0-9A-Za-z_-]{1,63})*")
_MAX_NAME = 253
# WHATWG URL, "ends in a number": an IPv4 address, or what a resolver may take for one.
_NUMBER = re.compile(rb"(?:.*\.)?(?:[0-9]+|0[xX][0-9A-Fa-f]*)")

_TWO_NUMBERS = struct.Struct(">HH").unpack_from


class NotTls(ValueError):
    """The peer speaks something else; its bytes are whole and unread in C{ClientHelloReader.seen}."""

    def __init__(self) -> None:
        super().__init__("not TLS")


class BadClientHello(ValueError):
    """
    The peer begins with TLS, or nearly so, and breaks its rules; the connection is to be dropped, never passed on.

    @ivar detail: what is wrong, in words that hold none of the peer's bytes.
    @ivar section: the rule that it breaks, such as C{"RFC 6066 section 3"}.
    """

    def __init__(self, detail: str, section: str) -> None:
        super().__init__(f"{detail} ({section})")
        self.detail = detail
        self.section = section


def read_client_hello(data: bytes | bytearray) -> ClientHello | None:
    """
    Read the ClientHello at the front of a stream; C{None} while more bytes are needed.

    Each call begins at the beginning; for bytes that trickle in use L{ClientHelloReader}.

    @param data: all bytes since the first one. What comes behind the ClientHello's last record is not looked at.
    @raise NotTls: this is no TLS, whatever will follow; known after five bytes at the most.
    @raise BadClientHello: it is no ClientHello that may be passed on, whatever will follow.
    """
    return ClientHelloReader().receive(data)


class ClientHelloReader:
    """
    Find the ClientHello in a stream that comes in pieces, at a cost that grows with the bytes and not with the pieces.

    Nothing is consumed: C{seen} has all that was received, to be handed to whoever goes on with the connection. It
    holds no more than L{MAX_BYTES} and the last piece.
    """

    __slots__ = ("_at", "_done", "_left", "_message", "_seen", "_size")

    def __init__(self) -> None:
        self._seen = bytearray()
        # Next byte to look at, which is the head of a record if nothing is left of the one before.
        self._at = 0
        self._left = 0
        self._message = bytearray()
        # Of the message with its head; 0 until that is here.
        self._size = 0
        self._done = False

    @property
    def seen(self) -> bytes:
        """All bytes received, in their order; also after an error."""
        return bytes(self._seen)

    def receive(self, data: bytes | bytearray) -> ClientHello | None:
        """
        Take bytes from the peer; give the ClientHello once it is complete.

        Every cut of a stream ends in the same result, as early as it is certain.

        @param data: any length, none included; that the peer closed its side is for the caller to know.
        @raise NotTls: see L{read_client_hello}.
        @raise BadClientHello: see L{read_client_hello}.
        @raise RuntimeError: it was given, or refused, before.
        """
        if self._done:
            raise RuntimeError("the ClientHello was already read, or refused")
        self._seen += data
        self._done = True
        if not self._complete():
            self._done = False
            return None
        message = bytes(self._message)
        self._message.clear()
        return _parse(message)

    def _complete(self) -> bool:
        """Gather the message out of its records; tell whether all of it is here."""
        seen, message = self._seen, self._message
        while True:
            if not self._left and not self._next_record():
                return False
            taken = min(self._left, len(seen) - self._at)
            message += seen[self._at : self._at + taken]
            self._at += taken
            self._left -= taken
            if message and message[0] != _CLIENT_HELLO:
                _bad("the first message is not a ClientHello", "RFC 8446 section 4")
            if not self._size and len(message) >= _MESSAGE_HEAD:
                self._size = _MESSAGE_HEAD + int.from_bytes(message[1:_MESSAGE_HEAD], "big")
            if self._size:
                lacking = self._size - len(message) - self._left
                if lacking < 0:
                    # What a client sends next, it sends after an answer or in records of another type.
                    _bad("bytes behind the ClientHello in its record", "RFC 8446 section 5.1")
                # What is not in this record needs others, and each needs a head.
                heads = -(-lacking // _RECORD_BYTES) * _RECORD_HEAD
                if self._at + self._left + heads + lacking > MAX_BYTES:
                    _bad(f"a ClientHello of more than {MAX_BYTES} bytes", "RFC 8446 section 4.1.2")
                if len(message) == self._size:
                    return True
            if self._left:
                return False

    def _next_record(self) -> bool:
        """Judge the head of a record and step behind it; tell whether all of it is here."""
        head = self._seen[self._at : self._at + _RECORD_HEAD]
        if not self._at and not _begins_tls(head):
            return False
        if head and head[0] != _HANDSHAKE:
            # Also between its parts: they may not be interleaved with other types.
            _bad("a record of another type before the ClientHello's end", "RFC 8446 section 5.1")
        if len(head) > 1 and head[1] != _TLS_1_2 >> 8:
            _bad("a record of no version of TLS", "RFC 8446 section 5.1")
        if len(head) < _RECORD_HEAD:
            return False
        # The rest of the version says nothing: "MUST be ignored for all purposes".
        length = head[3] << 8 | head[4]
        if not length:
            _bad("a handshake record without content", "RFC 8446 section 5.1")
        if length > _RECORD_BYTES:
            _bad("a record of more than 16384 bytes", "RFC 8446 section 5.1")
        self._at += _RECORD_HEAD
        self._left = length
        return True


def _bad(detail: str, section: str) -> NoReturn:
    raise BadClientHello(detail, section)


def _begins_tls(head: bytes | bytearray) -> bool:
    """
    Judge the first bytes of the stream, five at the most; tell whether they are certain to be TLS.

    @raise NotTls: they can't be.
    @raise BadClientHello: this is SSLv2's form (RFC 5246 appendix E.2): two bytes of length, client_hello, the version.
    """
    if not head:
        return False
    if head[0] & 0x80:
        if len(head) > 2 and head[2] != _CLIENT_HELLO:
            raise NotTls
        if len(head) < _RECORD_HEAD:
            return False
        if head[3] == _TLS_1_2 >> 8 or head[3:] == b"\0\2":
            _bad("a ClientHello in the form of SSLv2", "RFC 8446 appendix D.5")
        raise NotTls
    if head[0] not in _RECORD_TYPES or (len(head) > 1 and head[1] != _TLS_1_2 >> 8):
        raise NotTls
    return len(head) > 1


def _parse(message: bytes) -> ClientHello:
    rule = "RFC 8446 section 4.1.2"
    at = _MESSAGE_HEAD + 2 + 32
    if len(message) < at:
        _bad("a ClientHello that is cut short", rule)
    version = message[4] << 8 | message[5]
    if version >> 8 != _TLS_1_2 >> 8:
        _bad("a ClientHello of no version of TLS", rule)
    start, at = _vector(message, at, 1, rule)
    if at - start > 32:
        _bad("a session id of more than 32 bytes", rule)
    start, at = _vector(message, at, 2, rule)
    ciphers = _numbers(message[start:at], rule)
    start, at = _vector(message, at, 1, rule)
    compression = message[start:at]
    if 0 not in compression:
        _bad("no null compression", rule)
    extensions = _extensions(message, at)
    versions = _versions(extensions.get(_SUPPORTED_VERSIONS), version)
    if len(compression) > 1 and _TLS_1_3 in versions:
        _bad("compression with TLS 1.3", rule)
    return ClientHello(
        _server_name(extensions.get(_SERVER_NAME)),
        _protocols(extensions.get(_ALPN)),
        versions,
        ciphers,
        tuple(extensions),
        _listed(extensions.get(_GROUPS), "RFC 8446 section 4.2.7"),
        _listed(extensions.get(_SIGNATURE_ALGORITHMS), "RFC 8446 section 4.2.3"),
        _point_formats(extensions.get(_POINT_FORMATS)),
        has_ech=_ECH in extensions,
        has_ticket=bool(extensions.get(_SESSION_TICKET)),
        has_psk=_PRE_SHARED_KEY in extensions,
    )


def _extensions(message: bytes, at: int) -> dict[int, bytes]:
    """Read the extensions, in their order; a client of TLS 1.2 may have none, and then not even their length."""
    rule = "RFC 8446 section 4.2"
    found: dict[int, bytes] = {}
    if at == len(message):
        return found
    at, end = _vector(message, at, 2, rule)
    if end != len(message):
        _bad("bytes behind the extensions", "RFC 8446 section 4.1.2")
    while at < end:
        start = at + 4
        if start > end:
            _bad("an extension that is cut short", rule)
        kind, length = _TWO_NUMBERS(message, at)
        at = start + length
        if at > end:
            _bad("an extension that is cut short", rule)
        if kind in found:
            _bad("an extension given twice", rule)
        found[kind] = message[start:at]
    if _PRE_SHARED_KEY in found and next(reversed(found)) != _PRE_SHARED_KEY:
        _bad("pre_shared_key is not the last extension", "RFC 8446 section 4.2.11")
    return found


def _server_name(value: bytes | None) -> str:
    rule = "RFC 6066 section 3"
    if value is None:
        return ""
    # There is one type of name and one name of each type. Others can't even be skipped: their length is unknown.
    if _inner(value, 2, rule)[:1] != b"\0":
        _bad("no host name in server_name", rule)
    name = _inner(value[3:], 2, rule)
    if not name:
        _bad("an empty host name in server_name", rule)
    if len(name) > _MAX_NAME:
        _bad("a host name that is longer than any name can be", rule)
    if not _NAME.fullmatch(name):
        _bad("a character or a label that no host name has", rule)
    if _NUMBER.fullmatch(name):
        _bad("an address in place of a host name", rule)
    return name.decode("ascii").lower()


def _protocols(value: bytes | None) -> tuple[str, ...]:
    rule = "RFC 7301 section 3.1"
    if value is None:
        return ()
    names = _inner(value, 2, rule)
    found: list[str] = []
    at = 0
    while at < len(names):
        start, at = _vector(names, at, 1, rule)
        if start == at:
            _bad("an empty protocol name", rule)
        found.append(names[start:at].decode("latin-1"))
    if not found:
        _bad("an empty list of protocols", rule)
    return tuple(found)


def _versions(value: bytes | None, legacy: int) -> tuple[int, ...]:
    rule = "RFC 8446 section 4.2.1"
    if value is None:
        # TLS 1.3 and later are offered by the extension only.
        return (min(legacy, _TLS_1_2),)
    offered = _numbers(_inner(value, 1, rule), rule)
    return tuple(version for version in offered if not _is_grease(version))


def _is_grease(value: int) -> bool:
    """Tell whether a number was sent only to see that it is ignored (RFC 8701)."""
    return value & 0x0F0F == 0x0A0A and value >> 8 == value & 0xFF


def _listed(value: bytes | None, rule: str) -> tuple[int, ...]:
    return () if value is None else _numbers(_inner(value, 2, rule), rule)


def _point_formats(value: bytes | None) -> tuple[int, ...]:
    rule = "RFC 8422 section 5.1.2"
    if value is None:
        return ()
    formats = tuple(_inner(value, 1, rule))
    if not formats:
        _bad("an empty list", rule)
    return formats


def _vector(data: bytes, at: int, width: int, rule: str) -> tuple[int, int]:
    """Give where a vector begins and ends whose length, of so many bytes, stands at a place."""
    start = at + width
    end = start + int.from_bytes(data[at:start], "big")
    if end > len(data):
        _bad("a length that points behind the end", rule)
    return start, end


def _inner(value: bytes, width: int, rule: str) -> bytes:
    """Give the content of a vector that has to fill all of an extension."""
    start, end = _vector(value, 0, width, rule)
    if end != len(value):
        _bad("bytes behind a list", rule)
    return value[start:]


def _numbers(content: bytes, rule: str) -> tuple[int, ...]:
    count, odd = divmod(len(content), 2)
    if odd or not count:
        _bad("a list that is empty or of an odd length", rule)
    return struct.unpack(f">{count}H", content)
