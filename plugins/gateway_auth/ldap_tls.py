"""
TLS between a directory server's connection and what is said over it, by the standard library, in memory.

Certificates are verified there, addresses in certificates included. Knows nothing of transports: whoever has one brings what came and
sends what is given back.
"""

from __future__ import annotations

import ssl
from typing import Final

_READ_SIZE: Final = 65536


class Secured:
    """
    One side of a TLS connection, the client's.

    @ivar is_shaken: the handshake is done, and the server is who it was to be.
    @ivar is_ended: the server has said that it says nothing more.
    """

    __slots__ = ("_in", "_out", "_tls", "is_ended", "is_shaken")

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        """
        Make it; nothing is said yet.

        @param host: what the certificate must be for.
        @raise ValueError: it is no name.
        """
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=host)
        self.is_shaken = False
        self.is_ended = False

    def shake(self, came: bytes = b"") -> bytes:
        """
        Go on with the handshake.

        @param came: from the server.
        @return: for the server.
        @raise ssl.SSLError: it fails; L{parting} has what the server is to hear of that.
        """
        self._in.write(came)
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        else:
            self.is_shaken = True
        return self._out.read()

    def parting(self) -> bytes:
        """Give what is still to be sent, such as an alert."""
        return self._out.read()

    def opened(self, came: bytes = b"") -> bytes:
        """
        Give what the server said, as far as it came; nothing if no record of that is whole yet.

        @raise ssl.SSLError: what came is no TLS.
        """
        self._in.write(came)
        tls = self._tls
        pieces = []
        try:
            while piece := tls.read(_READ_SIZE):
                pieces.append(piece)
                # To be told by an exception that there is nothing more costs as much as reading it.
                if not self._in.pending and not tls.pending():
                    break
            else:
                self.is_ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.is_ended = True
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def closed(self, said: bytes) -> bytes:
        """Give the records for something to be said, and what else is to be sent."""
        self._tls.write(said)
        return self._out.read()
