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
_NOWHERE = ffi.NULL
_WANT_READ = lib.SSL_ERROR_WANT_READ
_ZERO_RETURN = lib.SSL_ERROR_ZERO_RETURN


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

    __slots__ = ("_connection", "_error", "_from", "_into", "_ssl", "more")

    def __init__(self, connection: SSL.Connection) -> None:
        self._connection = connection
        self._ssl = connection._ssl
        self._into = connection._into_ssl
        self._from = connection._from_ssl
        self._error: SSL.Error | None = None
        self.more = True

    def feed(self, data: bytes) -> None:
        """Take what the network brought."""
        _bio_write(self._into, data, len(data))

    def received(self, data: bytes) -> bytes:
        """
        Take what the network brought, and give content.

        The usual message is one record. OpenSSL takes from the network no more than the record it reads, so if nothing
        waits there after one was read, there is no more of any.
        """
        into = self._into
        _bio_write(into, data, len(data))
        got: int = _ssl_read(self._ssl, _CONTENT, RECORD_BYTES)
        if got > 0 and not _bio_waiting(into, _NOWHERE):
            self.more = _bio_waiting(self._from, _NOWHERE) != 0
            return _CONTENT_VIEW[:got]  # type: ignore[no-any-return]
        try:
            content = self._content(got)
        except SSL.Error as error:
            self._error = error
            self.more = True
            return b""
        if not self.more:
            self.more = _bio_waiting(self._from, _NOWHERE) != 0
        return content

    def shake(self) -> bool:
        """Go on with the handshake as far as it goes; tells whether it is done."""
        ssl = self._ssl
        done: int = _ssl_do_handshake(ssl)
        if done == 1:
            # Errors in callbacks are raised only here.
            self._connection.do_handshake()
            return True
        if _ssl_get_error(ssl, done) != _WANT_READ:
            self._connection._raise_ssl_error(ssl, done)
        return False

    def content(self) -> bytes:
        """
        Give content, of several records if they are there; empty if there is no whole record.

        @raise SSL.ZeroReturnError: the peer has said that it sends no more.
        """
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return self._content(_ssl_read(self._ssl, _CONTENT, RECORD_BYTES))

    def _content(self, got: int) -> bytes:
        """Go on after the first answer of C{SSL_read}, until it has no more or there is no room for a record."""
        ssl = self._ssl
        size = 0
        while got > 0:
            size += got
            if size > _LAST:
                self.more = True
                return _CONTENT_VIEW[:size]  # type: ignore[no-any-return]
            got = _ssl_read(ssl, _CONTENT + size, RECORD_BYTES)
        self.more = False
        why: int = _ssl_get_error(ssl, got)
        if why != _WANT_READ:
            # At once, or the next connection would find this one's error; but content before it comes first.
            try:
                if why == _ZERO_RETURN:
                    raise SSL.ZeroReturnError
                self._connection._raise_ssl_error(ssl, got)
            except SSL.Error as error:
                if not size:
                    raise
                self._error = error
                self.more = True
        return _CONTENT_VIEW[:size] if size else b""

    def encrypt(self, data: bytes) -> None:
        """Make records of content."""
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
