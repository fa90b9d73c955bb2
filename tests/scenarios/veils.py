"""TLS for scripted peers: a client that goes through a CONNECT, and origins that speak TLS."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from gateway.testing.harness import ORIGIN, Harness
from gateway.testing.messages import Message, read_requests, read_responses
from gateway.testing.network import MemoryNetwork
from gateway.testing.peers import OriginConnection, Reply, ScriptedClient, ScriptedOrigin, request
from gateway.testing.sockets import MemorySocket
from tests.unit.net.certificates import authority, issue

TARGET = b"origin.example.com:443"


class Veil:
    """
    One end's TLS, in memory, over a scripted peer whose bytes it takes.

    @ivar plain: everything that came, decrypted.
    @ivar failed: why there is no TLS; empty while all is well.
    @ivar ended: the other side said that it sends no more.
    """

    def __init__(
        self, peer: Any, context: ssl.SSLContext, *, server: bool, name: str | None
    ) -> None:
        self._peer = peer
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._in, self._out, server_side=server, server_hostname=name)
        self.shaken = False
        self.plain = b""
        self.failed = ""
        self.ended = False
        self._waiting = b""

    def take(self, data: bytes) -> None:
        """Take bytes of the wire."""
        self._in.write(data)
        self.go_on()

    def send(self, data: bytes) -> None:
        """Send content, as soon as the handshake is done."""
        self._waiting += data
        self.go_on()

    def hello(self) -> bytes:
        """Give the ClientHello instead of sending it; the peer has to."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self._out.read()

    def go_on(self) -> None:
        """Do what can be done now."""
        if self.failed:
            return
        try:
            if not self.shaken:
                self.tls.do_handshake()
                self.shaken = True
            if self._waiting:
                waiting, self._waiting = self._waiting, b""
                self.tls.write(waiting)
            while not self.ended:
                data = self.tls.read(65536)
                self.plain += data
                self.ended = not data
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        except ssl.SSLError as error:
            self.failed = getattr(error, "verify_message", "") or error.reason or str(error)
        out = self._out.read()
        if out:
            self._peer.send(out)


class TlsClient:
    """
    A client that shakes hands in a tunnel of the gateway's.

    @ivar raw: the client below.
    """

    def __init__(
        self,
        gateway: Harness,
        root: bytes,
        *,
        target: bytes = TARGET,
        name: str | None = "origin.example.com",
        alpn: Sequence[str] = ("http/1.1",),
        shake: bool = True,
        lines: Sequence[bytes] = (),
        raw: ScriptedClient | None = None,
    ) -> None:
        """
        Ask for a tunnel and, if it is granted, shake hands.

        @param root: the CA that is trusted, DER; empty: the handshake fails.
        @param name: the server name; C{None}: none is sent, and none is verified.
        @param raw: a client that is connected already.
        """
        self.raw: ScriptedClient = raw or gateway.client()
        self.raw.send(request(target, *lines, method=b"CONNECT"))
        self.granted = self.raw.take()
        # Not with the system's roots, which take long to read: who is trusted here is said by the test.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = name is not None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if root:
            context.load_verify_locations(cadata=root)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        self.veil = Veil(self.raw, context, server=False, name=name)
        below: Any = self.raw
        below._came = lambda: self.veil.take(self.raw.take())
        if shake:
            self.veil.go_on()

    def send(self, data: bytes) -> None:
        """Send within TLS."""
        self.veil.send(data)

    def responses(self, *methods: bytes) -> list[Message]:
        """Take apart what came within TLS."""
        return read_responses(self.veil.plain, methods, ended=self.veil.ended)

    def response(self, method: bytes = b"GET") -> Message:
        """Give the only response that came."""
        found = self.responses(method)
        if len(found) != 1:
            raise AssertionError(
                f"{len(found)} responses in {self.veil.plain!r}, {self.veil.failed}"
            )
        return found[0]

    @property
    def shown(self) -> dict[str, Any]:
        """The certificate that the gateway has shown."""
        return self.veil.tls.getpeercert() or {}


class _TlsConnection(OriginConnection):
    """One connection of a L{TlsOrigin}."""

    def __init__(self, network: MemoryNetwork, socket: MemorySocket, origin: TlsOrigin) -> None:
        super().__init__(network, socket, origin)
        self.veil = Veil(self, origin.context, server=True, name=None)
        self._answered = 0

    @property
    def requests(self) -> list[Message]:
        return read_requests(self.veil.plain)

    def _came(self) -> None:
        self.veil.take(self.take())
        reply = self._origin.reply
        complete = [found for found in self.requests if found.complete] if reply else []
        for found in complete[self._answered :]:
            self._answered += 1
            assert reply is not None
            self.veil.send(reply if isinstance(reply, bytes) else reply(found))


class TlsOrigin(ScriptedOrigin):
    """An origin with a certificate."""

    def __init__(
        self,
        gateway: Harness,
        pem: Path,
        reply: Reply | None = None,
        *,
        address: str = ORIGIN,
        port: int = 443,
        alpn: Sequence[str] = ("http/1.1",),
    ) -> None:
        """
        Set it up.

        @param pem: certificate and key.
        """
        super().__init__(gateway.network, address, port, reply)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pem)
        if alpn:
            self.context.set_alpn_protocols(list(alpn))

    def accept(self, socket: MemorySocket) -> None:
        """Take a connection."""
        self.connections.append(_TlsConnection(self._network, socket, self))

    @property
    def shaken(self) -> list[Veil]:
        """The TLS of its connections."""
        return [found.veil for found in self.connections if isinstance(found, _TlsConnection)]


def origin_files(folder: Path, *names: str) -> tuple[Path, Path]:
    """Write an origin's certificate with its key, and the root that it is trusted by."""
    above = authority()
    pem = folder / f"{names[0]}.pem"
    pem.write_bytes(issue(names[0], above, names).pem)
    root = folder / "origins.pem"
    root.write_bytes(above.certificate.public_bytes(Encoding.PEM))
    return pem, root
