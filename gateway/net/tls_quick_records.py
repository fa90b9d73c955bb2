"""
Records by OpenSSL itself, past pyOpenSSL.

pyOpenSSL's own calls make an exception of each question that finds nothing, allocate 64 KiB for each read, and ask four objects
after each call whether something went wrong: 14 us for a small request and its answer, where these take 3. So OpenSSL is
called directly here; whatever goes wrong is still judged and told by pyOpenSSL. What is used of it beside its API is
looked for when this is imported, which fails where a new version has it no more: then L{gateway.net.tls_records} goes
on without, and a test says so.

Buffers are shared by all connections, for all of them live in one thread and nothing stays in one between two calls.
"""

from __future__ import annotations

from OpenSSL import SSL
from OpenSSL._util import ffi, lib

# As in tls_records, which imports this.
RECORD_BYTES = 16384
PIECE_BYTES = 4 * RECORD_BYTES

_LAST = PIECE_BYTES - RECORD_BYTES
_CONTENT = ffi.new("char[]", PIECE_BYTES)
_CONTENT_VIEW = ffi.buffer(_CONTENT)
_OUT_BYTES = PIECE_BYTES + 4096
_OUT = ffi.new("char[]", _OUT_BYTES)
_OUT_VIEW = ffi.buffer(_OUT)

_ssl_read = lib.SSL_read
_ssl_write = lib.SSL_write
_ssl_get_error = lib.SSL_get_error
_ssl_do_handshake = lib.SSL_do_handshake
_bio_read = lib.BIO_read
_bio_write = lib.BIO_write
_bio_waiting = lib.BIO_get_mem_data
_ssl_version = lib.SSL_version
_NOWHERE = ffi.NULL
_WANT_READ = lib.SSL_ERROR_WANT_READ
_ZERO_RETURN = lib.SSL_ERROR_ZERO_RETURN

# Bytes that a record has beside its content at least: head, type of content and tag (RFC 8446 section 5.2).
_AROUND_TLS13 = 5 + 1 + 16
# Head, explicit nonce and tag (RFC 5288 section 3); head and tag (RFC 7905 section 2).
_AROUND_GCM = 5 + 8 + 16
_AROUND_CHACHA20 = 5 + 16
# No message is so much shorter than its content.
_NEVER = -2 * RECORD_BYTES


def _look() -> None:
    """
    Look whether a connection has what is used here.

    @raise AttributeError: it has not.
    """
    connection: object = SSL.Connection(SSL.Context(SSL.TLS_METHOD), None)
    for name in ("_ssl", "_into_ssl", "_from_ssl", "_raise_ssl_error"):
        getattr(connection, name)


_look()


class QuickRecords:
    """See L{Records<gateway.net.tls_records.Records>}."""

    __slots__ = (
        "_around",
        "_connection",
        "_error",
        "_from",
        "_into",
        "_ssl",
        "_usual",
        "more",
    )

    def __init__(self, connection: SSL.Connection) -> None:
        self._connection = connection
        self._ssl = connection._ssl
        self._into = connection._into_ssl
        self._from = connection._from_ssl
        self._error: SSL.Error | None = None
        self.more = True
        # What a record has around its content, while nothing waits in either direction and no part of one is here.
        self._around = _NEVER
        # The same, whatever waits.
        self._usual = _NEVER

    def feed(self, data: bytes) -> None:
        """Take what the network brought."""
        self._around = _NEVER
        _bio_write(self._into, data, len(data))

    def received(self, data: bytes) -> bytes:
        """
        Take what the network brought, and give content.

        The usual message is one record, and its length tells: what came with nothing before it, and is as much longer than
        the content as a record is at least, was that record and nothing else. So there is nothing left to be asked for.
        """
        size = len(data)
        _bio_write(self._into, data, size)
        got: int = _ssl_read(self._ssl, _CONTENT, RECORD_BYTES)
        if size - got == self._around and got > 0:
            return _CONTENT_VIEW[:got]  # type: ignore[no-any-return]
        return self._received(got)

    def _received(self, got: int) -> bytes:
        """
        Go on after the first answer of C{SSL_read}.

        OpenSSL takes from the network no more than the record it reads, so if nothing waits there after one was read,
        there is no more of any.
        """
        if got > 0 and not _bio_waiting(self._into, _NOWHERE):
            more = self.more = _bio_waiting(self._from, _NOWHERE) != 0
            self._around = _NEVER if more else self._usual
            return _CONTENT_VIEW[:got]  # type: ignore[no-any-return]
        self._around = _NEVER
        content = self._content(got)
        if not self.more:
            self.more = _bio_waiting(self._from, _NOWHERE) != 0
        return content

    def shake(self) -> bool:
        """Go on with the handshake as far as it goes; tells whether it is done."""
        ssl = self._ssl
        done: int = _ssl_do_handshake(ssl)
        if done == 1:
            # Errors in callbacks are raised only here.
            self._connection._raise_ssl_error(ssl, done)
            self._usual = _around(self._connection)
            return True
        if _ssl_get_error(ssl, done) != _WANT_READ:
            self._connection._raise_ssl_error(ssl, done)
        return False

    def content(self) -> bytes:
        """
        Give content, of several records if they are there; empty if there is no whole record.

        @raise SSL.ZeroReturnError: the peer has said that it sends no more.
        """
        if self._error is None:
            data = self._content(_ssl_read(self._ssl, _CONTENT, RECORD_BYTES))
            if data or self._error is None:
                return data
        error, self._error = self._error, None
        try:
            raise error
        finally:
            # It knows this frame, and so would keep itself and the connection for the collector to find.
            del error

    def _content(self, got: int) -> bytes:
        """
        Go on after the first answer of C{SSL_read}, until it has no more or there is no room for a record.

        An error is kept at once, or the next connection would find this one's; but content before it comes first.
        """
        ssl = self._ssl
        size = 0
        while got > 0:
            size += got
            if size > _LAST:
                self.more = True
                return _CONTENT_VIEW[:size]  # type: ignore[no-any-return]
            got = _ssl_read(ssl, _CONTENT + size, RECORD_BYTES)
        why: int = _ssl_get_error(ssl, got)
        if why == _ZERO_RETURN:
            self._error = SSL.ZeroReturnError()
        elif why != _WANT_READ:
            try:
                self._connection._raise_ssl_error(ssl, got)
            except SSL.Error as error:
                self._error = error.with_traceback(None)
        self.more = self._error is not None
        return _CONTENT_VIEW[:size] if size else b""

    def encrypt(self, data: bytes) -> None:
        """Make records of content."""
        self._around = _NEVER
        size = len(data)
        done: int = _ssl_write(self._ssl, data, size)
        if done != size:
            self._encrypt_rest(data, done)

    def _encrypt_rest(self, data: bytes, done: int) -> None:
        """Go on after the first answer of C{SSL_write}, which makes one record."""
        size = len(data)
        ssl = self._ssl
        with ffi.from_buffer(data) as start:
            while True:
                if done <= 0:
                    self._connection._raise_ssl_error(ssl, done)
                    raise AssertionError("a memory BIO takes everything")
                size -= done
                if not size:
                    return
                start += done
                done = _ssl_write(ssl, start, size)

    def encrypted(self, data: bytes) -> bytes:
        """Make records of content and give what is to be sent."""
        size = len(data)
        done: int = _ssl_write(self._ssl, data, size)
        if done != size:
            self._encrypt_rest(data, done)
        made: int = _bio_read(self._from, _OUT, _OUT_BYTES)
        return _OUT_VIEW[:made] if 0 < made < _OUT_BYTES else self._sendable(made)

    def sendable(self) -> bytes:
        """Give what is to be sent; empty if there is nothing."""
        return self._sendable(_bio_read(self._from, _OUT, _OUT_BYTES))

    def _sendable(self, made: int) -> bytes:
        """Go on after the first answer of C{BIO_read}."""
        if made <= 0:
            return b""
        if made < _OUT_BYTES:
            return _OUT_VIEW[:made]  # type: ignore[no-any-return]
        parts = [_OUT_VIEW[:made]]
        while (made := _bio_read(self._from, _OUT, _OUT_BYTES)) > 0:
            parts.append(_OUT_VIEW[:made])
        return b"".join(parts)


def _around(connection: SSL.Connection) -> int:
    """Give how many bytes a record has beside its content at least, where all that it has is known."""
    version: int = _ssl_version(connection._ssl)
    if version == SSL.TLS1_3_VERSION:
        return _AROUND_TLS13
    cipher = connection.get_cipher_name() or ""
    if "GCM" in cipher:
        return _AROUND_GCM
    if "CHACHA20" in cipher:
        return _AROUND_CHACHA20
    return _NEVER
