"""
TLS for live tests: origins that speak it, clients whose bytes a test has in its hands, and a gateway that intercepts.

Clients use Python's own OpenSSL, which is another one than the gateway's.
"""

from __future__ import annotations

import contextlib
import io
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from twisted.trial.unittest import SynchronousTestCase

from gateway.cli.main import main
from tests.live.peers import Answer, Closed, Origin, Server, Stream, connected
from tests.live.processes import PATIENCE, Gateway, Program, free_port, made_folder, program_path
from tests.unit.net.certificates import Made, authority, issue

#: The name that everything here is reached by.
HOST = "www.example.com"

INTERCEPTING = """
[forward]
listen = ["127.0.0.1:$forward"]
allow_destinations = ["127.0.0.0/8"]
connect_ports = ["1-65535"]
[tls]
decrypt = "all"
ca = "$folder/ca"
trust = ["$trust"]
$tls
[network]
hosts_file = "$hosts"
"""


def written(folder: Path, made: Made, *above: Made, name: str = "server.pem") -> Path:
    """Write a certificate, those above it and its key into one file, in one step."""
    part = folder / f".{name}"
    part.write_bytes(
        made.pem + b"".join(one.certificate.public_bytes(Encoding.PEM) for one in above)
    )
    part.rename(folder / name)
    return folder / name


def roots_in(folder: Path, *roots: Made, name: str = "roots.pem") -> Path:
    """Write what somebody is to trust."""
    file = folder / name
    file.write_bytes(b"".join(one.certificate.public_bytes(Encoding.PEM) for one in roots))
    return file


def serving(pem: Path) -> ssl.SSLContext:
    """Make the context of a server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    context.set_alpn_protocols(["http/1.1"])
    return context


def trusting(*roots: Path) -> ssl.SSLContext:
    """Make the context of a client that trusts these alone."""
    context = ssl.create_default_context(cafile=roots[0])
    for one in roots[1:]:
        context.load_verify_locations(one)
    context.set_alpn_protocols(["http/1.1"])
    return context


class SecureStream(Stream):
    """A stream whose end is said within TLS (RFC 8446 section 6.1), so that nobody takes it for one that was cut off."""

    def close(self) -> None:
        """Say that this is the end, and close."""
        assert isinstance(self.socket, ssl.SSLSocket)
        self.socket.settimeout(1)
        with contextlib.suppress(OSError, ValueError):
            self.socket.unwrap()
        super().close()


class SecureServer(Server):
    """A server that shakes hands first."""

    def __init__(
        self,
        test: SynchronousTestCase,
        serve: Callable[[Stream], None],
        context: ssl.SSLContext,
    ) -> None:
        self._context = context
        super().__init__(test, serve)

    def _run(self, stream: Stream) -> None:
        if (inside := _shaken(stream, self._context)) is not None:
            super()._run(inside)


class SecureOrigin(Origin):
    """An origin that is reached by https."""

    def __init__(self, test: SynchronousTestCase, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(test)

    def _run(self, stream: Stream) -> None:
        if (inside := _shaken(stream, self._context)) is not None:
            super()._run(inside)


def openssl_server(
    test: SynchronousTestCase, made: Made, *above: Made, options: Sequence[str] = ()
) -> int:
    """
    Start C{openssl s_server}, which answers each request with a page about the connection; gives its port.

    @param above: certificates that it sends along.
    @param options: what makes it bad.
    """
    port = free_port()
    pem = str(written(made_folder(test), made, *above))
    command = [program_path("openssl"), "s_server", "-accept", f"127.0.0.1:{port}", "-www"]
    command += ["-cert", pem, "-key", pem, "-cert_chain", pem, *options]
    Program(test, command).listens(port)
    return port


def _shaken(stream: Stream, context: ssl.SSLContext) -> Stream | None:
    try:
        return SecureStream(context.wrap_socket(stream.socket, server_side=True))
    except (OSError, ValueError):
        stream.close()
        return None


class Intercepting(Gateway):
    """
    A gateway that decrypts everything.

    @ivar ca: what clients are to trust, as the command exports it.
    """

    def __init__(
        self,
        test: SynchronousTestCase,
        trust: Path,
        *,
        more: str = "",
        tls: str = "",
        environment: dict[str, str] | None = None,
    ) -> None:
        """
        Start it.

        @param trust: whom it trusts.
        @param more: further tables.
        @param tls: further settings of C{[tls]}.
        """
        hosts = made_folder(test) / "hosts"
        hosts.write_text(f"127.0.0.1 {HOST} other.example.com\n")
        super().__init__(
            test,
            INTERCEPTING + more,
            trust=trust,
            hosts=hosts,
            tls=tls,
            environment=environment,
        )
        self.ca = self.folder / "exported.pem"
        # As the command does it, whose start would take longer than the rest.
        exported = io.StringIO()
        test.assertEqual(main(["ca", "export", "--config", str(self.config)], exported), 0)
        self.ca.write_text(exported.getvalue())


def commanded(gateway: Gateway, *words: str, status: int = 0) -> str:
    """Run a command for a gateway's configuration, which must end with this status; gives what it printed."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("gateway")), *words, "--config", str(gateway.config)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": ""},
    )
    gateway.test.assertEqual(done.returncode, status, done.stdout + done.stderr)
    return done.stdout


def tunnelled(stream: Stream, port: int, host: str = HOST) -> Stream:
    """Open a tunnel on a connection with a forward proxy."""
    stream.send(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    answer = stream.answer("CONNECT")
    assert answer.status == 200, answer
    return stream


def within(stream: Stream, context: ssl.SSLContext, host: str = HOST) -> Stream:
    """Shake hands and give what is inside."""
    return Stream(context.wrap_socket(stream.socket, server_hostname=host))


def intercepted(test: SynchronousTestCase, gateway: Intercepting, port: int) -> Stream:
    """Go through a gateway that decrypts to a port of this machine; gives what is inside."""
    stream = tunnelled(connected(test, gateway.forward), port)
    inside = within(stream, trusting(gateway.ca))
    test.addCleanup(inside.close)
    return inside


def get(stream: Stream, path: str = "/hello", *more: str) -> Answer:
    """Ask for a path."""
    stream.send("\r\n".join([f"GET {path} HTTP/1.1", f"Host: {HOST}", *more, "", ""]).encode())
    return stream.answer()


def site_certificate(root: Made | None = None, *names: str) -> Made:
    """Make a certificate for what is served here."""
    return issue("server", root or authority("Live root"), [HOST, "127.0.0.1", *names])


class HeldHandshake:
    """A client whose bytes go out as a test wants them."""

    def __init__(
        self, context: ssl.SSLContext, cut: Callable[[bytes], Iterable[bytes]] = lambda data: [data]
    ) -> None:
        """
        Begin nothing yet.

        @param cut: makes pieces of what is sent, each of which goes out by itself.
        """
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=HOST)
        self._cut = cut

    def hello(self) -> bytes:
        """Give the ClientHello."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.do_handshake()
        return self._outgoing.read()

    def fetched(self, stream: Stream) -> bytes:
        """Do all of the handshake, then ask for a page; gives what comes to the end of the connection."""
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._exchange(stream)
        self._tls.write(
            f"GET /hello HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode()
        )
        answer = b""
        while True:
            try:
                data = self._tls.read(65536)
            except ssl.SSLWantReadError:
                self._exchange(stream)
                continue
            except ssl.SSLZeroReturnError:
                return answer
            if not data:
                return answer
            answer += data

    def _exchange(self, stream: Stream) -> None:
        for piece in self._cut(self._outgoing.read()):
            stream.send(piece)
        data = stream.socket.recv(65536)
        if not data:
            raise Closed
        self._incoming.write(data)


class Visitor(threading.Thread):
    """
    Comes again and again, each time with a whole new handshake and one request.

    @ivar count: visits.
    @ivar faults: what went wrong in any of them.
    @ivar retried: how often the connection was closed, in order, between the handshake and the answer, so that the
        visitor came again at once.
    @ivar shown: serial numbers of the certificates that were shown.
    @ivar issuers: who signed them.
    @ivar context: what the next visit is made with.
    """

    def __init__(
        self,
        test: SynchronousTestCase,
        reach: Callable[[], Stream],
        context: ssl.SSLContext,
        pause: float = 0.0,
    ) -> None:
        """
        Begin at once; ends with the test.

        @param reach: connects, up to where a handshake can begin.
        @param pause: seconds between two visits.
        """
        super().__init__(daemon=True)
        self.count = 0
        self.faults: list[str] = []
        self.retried = 0
        self.shown: set[str] = set()
        self.issuers: set[str] = set()
        self.context = context
        self._reach = reach
        self._pause = pause
        self._ended = threading.Event()
        test.addCleanup(self.end)
        self.start()

    def end(self) -> None:
        """Come no more."""
        self._ended.set()
        self.join(PATIENCE)

    def run(self) -> None:
        """Visit until the end."""
        while not self._ended.is_set():
            try:
                if not self._visit():
                    self.retried += 1
                    assert self._visit(), "closed twice"
            except Exception as error:
                self.faults.append(repr(error))
            self.count += 1
            self._ended.wait(self._pause)

    def visits(self, count: int, seconds: float = PATIENCE) -> None:
        """Wait for so many more, begun and ended from now on."""
        wanted = self.count + count + 1
        deadline = time.monotonic() + seconds
        while self.count < wanted:
            if time.monotonic() > deadline:
                raise AssertionError(f"visitors are not served any more: {self.faults[:3]}")
            time.sleep(0.01)

    def _visit(self) -> bool:
        """Come once; tell whether there was an answer, or only an orderly end."""
        stream = self._reach()
        try:
            stream = within(stream, self.context)
            assert isinstance(stream.socket, ssl.SSLSocket)
            shown = stream.socket.getpeercert()
            assert shown is not None
            self.shown.add(str(shown["serialNumber"]))
            self.issuers.add(str(shown["issuer"]))
            try:
                answer = get(stream)
            except Closed:
                if stream.unread:
                    raise
                return False
            if (answer.status, answer.content) != (200, b"origin"):
                self.faults.append(f"{answer.status} {answer.content!r}")
            return True
        finally:
            stream.close()


def dialled(port: int) -> Stream:
    """Connect to a port of this machine; whoever asks closes it."""
    stream = Stream(socket.create_connection(("127.0.0.1", port), PATIENCE))
    stream.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return stream
