"""WebSockets (RFC 6455) through a site, through the forward proxy and through a tunnel, with masks and frames as they are."""

from __future__ import annotations

import base64
import hashlib
import os
import struct

from twisted.trial.unittest import SynchronousTestCase

from tests.live.peers import Server, Stream, connected
from tests.live.processes import FORWARD, Gateway

SITE = """
[[site]]
listen = ["127.0.0.1:$reverse"]
origins = ["http://127.0.0.1:$origin"]
"""

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10


def accept_of(key: str) -> str:
    """Give what a server answers to a key (RFC 6455 section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key.encode() + _MAGIC).digest()).decode()


def frame(kind: int, content: bytes, *, masked: bool) -> bytes:
    """Make a frame that is a whole message."""
    if len(content) < 126:
        length = struct.pack("!B", len(content) | masked << 7)
    elif len(content) < 65536:
        length = struct.pack("!BH", 126 | masked << 7, len(content))
    else:
        length = struct.pack("!BQ", 127 | masked << 7, len(content))
    head = bytes([0x80 | kind]) + length
    if not masked:
        return head + content
    mask = os.urandom(4)
    return head + mask + xored(content, mask)


def xored(content: bytes, mask: bytes) -> bytes:
    """Mask or unmask."""
    long = (mask * (len(content) // 4 + 1))[: len(content)]
    return (int.from_bytes(content, "big") ^ int.from_bytes(long, "big")).to_bytes(
        len(content), "big"
    )


def read_frame(stream: Stream) -> tuple[int, bytes]:
    """Read a frame; give its kind and content."""
    kind, length = stream.exactly(2)
    count = length & 127
    if count == 126:
        (count,) = struct.unpack("!H", stream.exactly(2))
    elif count == 127:
        (count,) = struct.unpack("!Q", stream.exactly(8))
    mask = stream.exactly(4) if length & 128 else b""
    content = stream.exactly(count)
    return kind & 15, xored(content, mask) if mask else content


def echo(stream: Stream) -> None:
    """Be a server: greet at once, give every message back, pong, and close when the client does."""
    head = stream.head()
    if head.get("upgrade").lower() != "websocket" or head.get("connection").lower() != "upgrade":
        stream.send(
            b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n"
        )
        return
    accept = accept_of(head.get("sec-websocket-key"))
    stream.send(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
        % accept.encode()
        + frame(_TEXT, b"welcome", masked=False)
    )
    while True:
        kind, content = read_frame(stream)
        stream.send(frame(_PONG if kind == _PING else kind, content, masked=False))
        if kind == _CLOSE:
            return


class WebSocketTests(SynchronousTestCase):
    """A WebSocket server behind the gateway."""

    def setUp(self) -> None:
        """Start both."""
        self.origin = Server(self, echo)
        self.gateway = Gateway(self, FORWARD + SITE, origin=self.origin.port)
        self.host = f"127.0.0.1:{self.origin.port}"

    def open(self, client: Stream, target: str) -> None:
        """Make a WebSocket of a connection."""
        key = base64.b64encode(os.urandom(16)).decode()
        client.send(
            f"GET {target} HTTP/1.1\r\nHost: {self.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat\r\n\r\n".encode()
        )
        head = client.head()
        self.assertEqual(head.first[1], "101", head)
        self.assertEqual(head.get("sec-websocket-accept"), accept_of(key))
        self.assertEqual(head.get("sec-websocket-protocol"), "chat")
        self.assertEqual(
            (head.get("upgrade").lower(), head.get("connection").lower()), ("websocket", "upgrade")
        )

    def talk(self, client: Stream) -> None:
        """Send messages of every size, a ping in between, and close in order."""
        self.assertEqual(read_frame(client), (_TEXT, b"welcome"))
        for size in (0, 1, 125, 126, 65535, 65536, 3_000_000):
            content = os.urandom(size)
            client.send(frame(_BINARY, content, masked=True))
            self.assertEqual(read_frame(client), (_BINARY, content))
        client.send(frame(_PING, b"are you there", masked=True))
        self.assertEqual(read_frame(client), (_PONG, b"are you there"))
        client.send(frame(_CLOSE, struct.pack("!H", 1000), masked=True))
        self.assertEqual(read_frame(client), (_CLOSE, struct.pack("!H", 1000)))
        self.assertEqual(client.rest(), b"")
        client.close()

    def tunnelled(self, status: int) -> None:
        """See the one line of the log."""
        line = self.gateway.lines(1)[0]
        self.assertEqual((line["outcome"], line["status"]), ("tunnelled", status))
        self.assertGreater(line["bytes_in"], 3_100_000)
        self.assertGreater(line["bytes_out"], 3_100_000)

    def test_site(self) -> None:
        """Through a site."""
        client = connected(self, self.gateway.reverse)
        self.open(client, "/chat")
        self.talk(client)
        self.tunnelled(101)

    def test_forward(self) -> None:
        """Through the forward proxy by an absolute URL."""
        client = connected(self, self.gateway.forward)
        self.open(client, f"http://{self.host}/chat")
        self.talk(client)
        self.tunnelled(101)

    def test_tunnel(self) -> None:
        """Through a tunnel, as browsers do it."""
        client = connected(self, self.gateway.forward)
        client.send(f"CONNECT {self.host} HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode())
        self.assertEqual(client.answer("CONNECT").status, 200)
        self.open(client, "/chat")
        self.talk(client)
        self.tunnelled(200)

    def test_refused(self) -> None:
        """A server that wants an upgrade which nobody asked for gives its 426, and the connection stays usable."""
        client = connected(self, self.gateway.reverse)
        for _ in range(2):
            client.send(f"GET / HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode())
            self.assertEqual(client.answer().status, 426)

    def test_server_breaks_off(self) -> None:
        """A server that goes in the middle of a message takes the client's connection with it."""
        client = connected(self, self.gateway.reverse)
        self.open(client, "/chat")
        self.assertEqual(read_frame(client), (_TEXT, b"welcome"))
        client.send(frame(_BINARY, bytes(1000), masked=True)[:100])
        self.origin.stop()
        self.assertEqual(client.rest(), b"")
        client.close()
        self.assertEqual(self.gateway.lines(1)[0]["outcome"], "tunnelled")
