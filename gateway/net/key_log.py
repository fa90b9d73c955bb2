"""
The key log: the secrets of every TLS session in the format of SSLKEYLOGFILE, for Wireshark in a test network.

Whoever reads the file can read the traffic. It is written only where C{tls.key_log} says so, never because of an
environment variable.
"""

from __future__ import annotations

import os

from OpenSSL import SSL
from twisted.logger import Logger


class KeyLog:
    """
    One file that lines are added to.

    Two of one path are equal, so contexts that write to it are the same over a reload.
    """

    __slots__ = ("_file", "path")

    _log = Logger()

    def __init__(self, path: str) -> None:
        """
        Open the file, made for its owner alone if it is not there.

        @raise OSError: when it can't be, and when it is a symbolic link: somebody may have laid it there.
        """
        self._file = -1
        self.path = path
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.open(path, flags, 0o600)

    def __call__(self, connection: SSL.Connection, line: bytes) -> None:
        """Write a line; called by OpenSSL in the handshake."""
        if self._file < 0:
            return
        try:
            os.write(self._file, line + b"\n")
        except OSError as error:
            self._log.warn(
                "no more keys are written to {path}: {error}", path=self.path, error=error
            )
            self.close()

    def close(self) -> None:
        """Write no more."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def __del__(self) -> None:
        """Close the file with the last context that writes to it."""
        self.close()

    def __eq__(self, other: object) -> bool:
        """Tell whether both write to one path."""
        return isinstance(other, KeyLog) and self.path == other.path

    def __hash__(self) -> int:
        """Hash by the path."""
        return hash(self.path)
