"""Origins that authenticate connections (NTLM, Negotiate; RFC 4559), and the clients that log in there."""

from __future__ import annotations

from typing import Any

from gateway.testing.harness import ORIGIN, Harness
from gateway.testing.messages import Message
from gateway.testing.peers import ScriptedClient, ScriptedOrigin, request, response
from gateway.testing.sockets import MemorySocket
from tests.scenarios.support import URL
from tests.scenarios.veils import TlsClient, TlsOrigin


class Door:
    """
    What a server knows of one connection: it asks for a handshake of three messages, and remembers whose it was.

    As servers do, it forgets what it was about when it gets anything else in between, and never looks again at a
    connection that is somebody's.
    """

    def __init__(self, scheme: bytes) -> None:
        self._scheme = scheme
        self._begun: bytes | None = None
        self.user = b""

    def answer(self, asked: Message) -> bytes:
        """Answer one request."""
        scheme, _, said = (asked.get("authorization") or b"").partition(b" ")
        if scheme.lower() == self._scheme.lower():
            word, _, who = said.partition(b":")
            if word == b"hello":
                self._begun = who
                self.user = b""
                return self._wants(b" challenge")
            if word == b"proof" and who == self._begun:
                self.user = who
        self._begun = None
        if self.user:
            return response(b"for " + self.user)
        return self._wants(b"")

    def _wants(self, more: bytes) -> bytes:
        line = b"WWW-Authenticate: " + self._scheme + more
        return response(b"who?", line, status=b"401 Unauthorized")


class _Asked:
    """What one connection is answered by."""

    def __init__(self, door: Door, around: Any) -> None:
        self.reply = None if around.silent else door.answer
        self.context = getattr(around, "context", None)


class _Doors:
    """
    Gives each connection of an origin a door of its own.

    @ivar doors: in the order of the connections.
    @ivar silent: new connections are not answered.
    """

    scheme = b"NTLM"
    silent = False
    doors: list[Door]
    connections: list[Any]

    def accept(self, socket: MemorySocket) -> None:
        """Take a connection."""
        super().accept(socket)  # type: ignore[misc]
        door = Door(self.scheme)
        self.doors.append(door)
        self.connections[-1]._origin = _Asked(door, self)


class DoorOrigin(_Doors, ScriptedOrigin):
    """An origin that authenticates connections."""

    def __init__(
        self,
        gateway: Harness,
        address: str = ORIGIN,
        port: int = 80,
        *,
        scheme: bytes = b"NTLM",
    ) -> None:
        super().__init__(gateway.network, address, port)
        self.doors = []
        self.scheme = scheme


class TlsDoorOrigin(_Doors, TlsOrigin):
    """The same over TLS."""

    def __init__(self, gateway: Harness, pem: Any) -> None:
        super().__init__(gateway, pem)
        self.doors = []


def credentials(word: bytes, who: bytes, scheme: bytes = b"NTLM") -> bytes:
    """Write a message of the handshake."""
    return b"Authorization: %b %b:%b" % (scheme, word, who)


def log_in(
    client: ScriptedClient | TlsClient,
    who: bytes,
    url: bytes = URL,
    scheme: bytes = b"NTLM",
    *lines: bytes,
) -> None:
    """Let a client do the whole handshake."""
    for word in (b"hello", b"proof"):
        client.send(request(url, credentials(word, who, scheme), *lines))


def said(client: ScriptedClient | TlsClient) -> list[bytes]:
    """Give the contents of a client's answers."""
    return [found.content for found in client.responses()]
