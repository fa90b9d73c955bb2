"""Other proxies in front of ours (S01): Squid, Privoxy and tinyproxy with the gateway as their parent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from twisted.trial.unittest import SynchronousTestCase

from tests.live.peers import Closed, Origin, Stream, connected
from tests.live.processes import (
    FORWARD,
    Gateway,
    Program,
    free_port,
    made_folder,
    program_path,
    squid,
)

REQUESTS = 200

#: Method, path, content of the request, status and content of the response.
Mixed: TypeAlias = tuple[str, str, bytes, int, bytes]

MIXED: tuple[Mixed, ...] = (
    ("GET", "/hello", b"", 200, b"origin"),
    ("GET", "/status/204", b"", 204, b""),
    ("HEAD", "/hello", b"", 200, b""),
    ("GET", "/status/304", b"", 304, b""),
    ("GET", "/chunked", b"", 200, b"hello world"),
    ("POST", "/echo", b"content" * 1000, 200, b"content" * 1000),
    ("GET", "/hints", b"", 200, b"hinted"),
    ("GET", "/close", b"", 200, b"bye"),
    ("HEAD", "/chunked", b"", 200, b""),
    ("GET", "/plain", b"", 200, b"to the end"),
    ("PUT", "/echo", b"", 200, b""),
    ("GET", "/bytes/100000", b"", 200, bytes(100_000)),
)


class ProxiesInFrontTests(SynchronousTestCase):
    """Persistent connections through two proxies stay in step, whatever the messages are like."""

    def setUp(self) -> None:
        """Start an origin and the gateway."""
        self.origin = Origin(self)
        self.gateway = Gateway(self, FORWARD)

    def talk(self, port: int, requests: Sequence[Mixed] = MIXED, *, fresh: bool = False) -> int:
        """
        Send 200 requests through a proxy.

        @param fresh: each on a connection of its own, else on one for as long as the proxy lets it be.
        @return: how many connections there were.
        """
        client: Stream | None = None
        connections = 0
        host = f"127.0.0.1:{self.origin.port}"
        for number in range(REQUESTS):
            method, path, content, status, expected = requests[number % len(requests)]
            if client is None or fresh:
                client = connected(self, port)
                connections += 1
            lines = [f"{method} http://{host}{path}?{number} HTTP/1.1", f"Host: {host}"]
            if method in ("POST", "PUT"):
                lines.append(f"Content-Length: {len(content)}")
                if number % 2:
                    lines.append("Expect: 100-continue")
            client.send("\r\n".join([*lines, "", ""]).encode() + content)
            try:
                answer = client.answer(method)
            except (Closed, OSError) as error:
                self.fail(f"{number}: {method} {path}: {error!r} after {client.unread!r}")
            what = f"{number}: {method} {path}: {answer}"
            self.assertEqual((answer.status, answer.content), (status, expected), what)
            # A byte too many would stand before the next answer.
            self.assertEqual(client.unread, b"", what)
            if answer.head.get("connection").lower() == "close":
                client = None
        lines_of_log = self.gateway.lines(REQUESTS)
        self.assertEqual(len(lines_of_log), REQUESTS)
        self.assertEqual({line["outcome"] for line in lines_of_log}, {"delivered"})
        return connections

    def connections(self) -> int:
        """Count the connections to us that carried requests; Squid also makes empty ones to see who is there."""
        return len({line["client_port"] for line in self.gateway.lines(REQUESTS)})

    def test_directly(self) -> None:
        """Without another proxy all of it goes over one connection."""
        self.assertEqual(self.talk(self.gateway.forward), 1)
        self.assertEqual(self.connections(), 1)

    def squid(self) -> int:
        """Start Squid in front and give its port."""
        port = free_port()
        squid(
            self,
            f"cache_peer 127.0.0.1 parent {self.gateway.forward} 0 no-query no-digest default\n"
            "never_direct allow all\nnonhierarchical_direct off\n",
            port,
        )
        return port

    def test_squid(self) -> None:
        """Squid keeps its one connection to us through 200 requests without content."""
        self.assertEqual(self.talk(self.squid(), [each for each in MIXED if not each[2]]), 1)
        self.assertEqual(self.connections(), 1)
        via = self.origin.seen[0].get("via")
        self.assertRegex(
            via, r"^1\.1 squid\.example\.com \(squid/[0-9.]+\), 1\.1 gateway-[0-9a-f]+$"
        )

    def test_squid_with_content(self) -> None:
        """With content among them it makes a new connection to us for each POST, as it does to anybody, and no more."""
        self.assertEqual(self.talk(self.squid()), 1)
        posts = sum(MIXED[number % len(MIXED)][0] == "POST" for number in range(REQUESTS))
        self.assertLessEqual(self.connections(), 1 + posts)

    def test_privoxy(self) -> None:
        """Privoxy, whose client stays connected while it comes anew for each request, gets all answers right."""
        port = free_port()
        folder = made_folder(self)
        (folder / "config").write_text(
            f"listen-address 127.0.0.1:{port}\nforward / 127.0.0.1:{self.gateway.forward}\n"
            f"keep-alive-timeout 60\ntolerate-pipelining 1\nlogdir {folder}\ndebug 4096\n"
        )
        privoxy = Program(
            self, [program_path("privoxy"), "--no-daemon", str(folder / "config")], folder=folder
        )
        privoxy.listens(port)
        # It takes 103 for a final response, and waits for the connection's end.
        self.talk(port, [each for each in MIXED if each[1] != "/hints"])

    def test_tinyproxy(self) -> None:
        """Tinyproxy, which makes a connection for each request, gets all answers right."""
        port = free_port()
        folder = made_folder(self)
        (folder / "config").write_text(
            f"Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 20\nLogLevel Warning\n"
            f'LogFile "{folder}/log"\nUpstream http 127.0.0.1:{self.gateway.forward}\n'
        )
        tinyproxy = Program(
            self, [program_path("tinyproxy"), "-d", "-c", str(folder / "config")], folder=folder
        )
        tinyproxy.listens(port)
        self.talk(port, fresh=True)
        self.assertEqual(self.connections(), REQUESTS)
