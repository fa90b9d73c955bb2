"""
Servers in memory: they speak SMTP to whoever connects, and do wrong what a test wants.

There is no TLS in memory: that it began is all that is known of it.
"""

from __future__ import annotations

import base64
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.protocol import Protocol
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import alsoProvides

from gateway_mail.settings import Security, Server

USER = "gateway@example.com"
PASSWORD = "hunter2-and-more"


class ScriptedServer:
    """
    A server.

    @ivar up: it accepts connections.
    @ivar offers: what it says it can do, beside STARTTLS while there is no TLS.
    @ivar starttls: it offers STARTTLS.
    @ivar answers: what it says in place of what it would, by the first word of what it was sent; C{""} for the greeting, C{"."} for
        the end of a mail. C{None}: nothing. C{"drop"}: it closes the connection.
    @ivar said: all lines that it was sent outside of mails, as they came.
    @ivar secured: those that came by TLS.
    @ivar mails: the mails that it took, with dots taken out.
    @ivar connections: how many there were.
    @ivar open: those that are.
    """

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.up = True
        self.starttls = True
        self.offers = ["PIPELINING", "AUTH PLAIN LOGIN", "SIZE 10000000"]
        self.answers: dict[str, str | None] = {}
        self.said: list[str] = []
        self.secured: list[str] = []
        self.mails: list[bytes] = []
        self.connections = 0
        self.open: list[_Connection] = []

    def connect(self, server: Server, security: Security, protocol: Protocol) -> Deferred[Any]:
        """Connect, as the plugin wants it."""
        if not self.up:
            return fail(ConnectionRefusedError("connection refused"))
        self.connections += 1
        self.open.append(_Connection(self, protocol, is_secure=security == "tls"))
        return succeed(protocol)

    @property
    def verbs(self) -> list[str]:
        """The first words of all that it was sent."""
        return [line.split(" ")[0] for line in self.said]


class _Connection(StringTransport):
    def __init__(self, server: ScriptedServer, protocol: Any, *, is_secure: bool) -> None:
        super().__init__()
        self._server = server
        self._is_secure = is_secure
        if is_secure:
            alsoProvides(self, ISSLTransport)
        self._protocol = protocol
        self._unread = b""
        self._challenges: list[bytes] = []
        self._in_mail = False
        self._mail = b""
        self._is_open = True
        protocol.makeConnection(self)
        self._answer("", "220 mail.example.com ESMTP")

    def getHost(self) -> Any:
        """Give our end, as the client sees it."""
        return type("Host", (), {"host": "192.0.2.1"})()

    def write(self, data: bytes) -> None:
        """Take what the client sends, in a later turn."""
        self._server.clock.callLater(0, self._read, data)

    def startTLS(self, context: object) -> None:
        """Begin TLS."""
        self._is_secure = True
        alsoProvides(self, ISSLTransport)

    def loseConnection(self) -> None:
        """Close, when what was written has gone."""
        self._server.clock.callLater(0, self._close, ConnectionDone())

    def abortConnection(self) -> None:
        """Close at once."""
        self._close(ConnectionLost())

    def _close(self, error: Exception) -> None:
        if self._is_open:
            self._is_open = False
            self._server.open.remove(self)
            self._protocol.connectionLost(Failure(error))

    def _read(self, data: bytes) -> None:
        self._unread += data
        while self._is_open and b"\r\n" in self._unread:
            line, self._unread = self._unread.split(b"\r\n", 1)
            if self._in_mail:
                self._read_mail(line)
            else:
                self._read_line(line.decode())

    def _read_mail(self, line: bytes) -> None:
        if line == b".":
            self._in_mail = False
            if self._answer(".", "250 2.0.0 queued").startswith("250"):
                self._server.mails.append(self._mail)
            self._mail = b""
        else:
            self._mail += (line[1:] if line.startswith(b".") else line) + b"\r\n"

    def _read_line(self, line: str) -> None:
        self._server.said.append(line)
        if self._is_secure:
            self._server.secured.append(line)
        if self._challenges:
            self._challenged(line)
            return
        verb = line.split(" ")[0]
        plain = "250 2.0.0 fine"
        if verb == "EHLO":
            offers = list(self._server.offers)
            if self._server.starttls and not self._is_secure:
                offers.append("STARTTLS")
            lines = ["mail.example.com greets you", *offers]
            plain = "\r\n".join(
                f"250{'-' if index < len(lines) - 1 else ' '}{one}"
                for index, one in enumerate(lines)
            )
        elif verb == "STARTTLS":
            plain = "220 2.0.0 begin"
        elif verb == "AUTH":
            plain = self._authenticated(line)
        elif verb == "DATA":
            plain = "354 go on"
        elif verb == "QUIT":
            plain = "221 2.0.0 farewell"
        said = self._answer(verb, plain)
        self._in_mail = verb == "DATA" and said.startswith("354")
        if verb == "QUIT":
            self._server.clock.callLater(0, self._close, ConnectionDone())

    def _authenticated(self, line: str) -> str:
        right = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
        if line.startswith("AUTH PLAIN "):
            return "235 2.7.0 welcome" if line[11:] == right else f"535 5.7.8 {line[11:]} is wrong"
        if line == "AUTH LOGIN":
            self._challenges = [USER.encode(), PASSWORD.encode()]
            return "334 " + base64.b64encode(b"Who?").decode()
        return "504 5.5.4 unknown"

    def _challenged(self, line: str) -> None:
        expected = self._challenges.pop(0)
        if base64.b64decode(line) != expected:
            self._challenges = []
            self._answer("AUTH", f"535 5.7.8 {line} is wrong")
        elif self._challenges:
            self._answer("AUTH", "334 " + base64.b64encode(b"And?").decode())
        else:
            self._answer("AUTH", "235 2.7.0 welcome")

    def _answer(self, to: str, plain: str) -> str:
        said = self._server.answers.get(to, plain)
        if said == "drop":
            self._server.clock.callLater(0, self._close, ConnectionLost())
        elif said is not None:
            self._server.clock.callLater(0, self._say, said)
        return said or ""

    def _say(self, text: str) -> None:
        if self._is_open:
            self._protocol.dataReceived(text.encode() + b"\r\n")
