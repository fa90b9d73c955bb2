"""Whatever plugins answer, raise or delay: each transaction ends once and is logged once, and what is refused does not pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import PluginError
from gateway.service import GatewayService
from gateway.testing.harness import ORIGIN, Harness
from gateway.testing.messages import Message
from gateway.testing.peers import ScriptedClient, chunked, request
from tests.effort import examples
from tests.scenarios.plugins import Watcher
from tests.scenarios.whims import KINDS, MISSING, First, Forbidden, Second, Whim

HOST = b"origin.example.com"
#: The port of the first client; each has the next one.
FIRST_PORT = 50000
#: What an origin may do with a complete request.
WAYS = ("length", "length", "chunked", "large", "interim", "silent", "short", "junk")


class Asked:
    """
    One request that a client makes, with marks that nothing else has.

    @ivar name: in its X-Id field and its path.
    @ivar raw: all of it.
    """

    def __init__(self, number: int, kind: str, forward: bool) -> None:
        self.name = f"r{number}."
        self.kind = kind
        mark = self.uploaded
        url = (
            b"http://" + HOST + b"/" + self.name.encode() if forward else b"/" + self.name.encode()
        )
        lines = [b"X-Id: " + self.name.encode(), b"Host: " + HOST]
        method = {"HEAD": b"HEAD", "GET": b"GET"}.get(kind, b"POST")
        if kind == "CONNECT":
            # Bytes behind the head are for the far end of the tunnel, if there will be one.
            self.raw = request(HOST + b":443", lines[0], method=b"CONNECT") + mark
        elif kind == "length":
            self.raw = request(url, *lines, method=method, content=mark * 3)
        elif kind == "expect":
            self.raw = request(url, *lines, b"Expect: 100-continue", method=method, content=mark)
        elif kind == "chunked":
            encoded = chunked(mark, mark, trailers=[b"X-End: " + mark])
            self.raw = request(url, *lines, b"Transfer-Encoding: chunked", method=method) + encoded
        else:
            self.raw = request(url, *lines, method=method)

    @property
    def uploaded(self) -> bytes:
        """The mark in its content."""
        return b"<up%b>" % self.name.encode()

    @property
    def downloaded(self) -> bytes:
        """The mark in the content of its answer."""
        return b"<down%b>" % self.name.encode()

    @property
    def answered(self) -> bytes:
        """The mark in the head of its answer."""
        return b"<head%b>" % self.name.encode()


class Play:
    """One run: clients and origins that act at random around two plugins that do."""

    def __init__(
        self,
        folder: str,
        *,
        mode: str,
        whims: Sequence[Sequence[tuple[str, int]]],
        opens: Sequence[bool],
        ways: Sequence[str],
    ) -> None:
        self.forbidden = Forbidden()
        self.plugins = [
            made(some, self.forbidden, fails_open=fails_open)
            for made, some, fails_open in zip((First, Second), whims, opens, strict=True)
        ]
        self.watcher = Watcher()
        self.forward = mode == "forward"
        self._ways = ways
        self._answers = 0
        self.asked: list[Asked] = []
        # Each client with the requests it made and what it has not sent of them.
        self.clients: list[tuple[ScriptedClient, list[Asked], bytearray]] = []
        said: dict[str, object] = {
            "timeouts.inactivity": "20s",
            "timeouts.client_idle": "10s",
            "timeouts.request_head": "10s",
            "timeouts.drain": "15s",
            "timeouts.tunnel": "30s",
            "timeouts.connect": "10s",
        }
        for name, fails_open in zip(("first", "second"), opens, strict=True):
            if fails_open:
                said[f"plugins.{name}.fail"] = "open"
        if self.forward:
            said["forward.allow_from"] = ["192.0.2.0/24"]
        else:
            said["site"] = [
                {
                    "host": ["*"],
                    "origins": [f"http://{ORIGIN}", "http://198.51.100.2"],
                    "listen": ["192.0.2.1:80"],
                    "max_connections": 2,
                }
            ]
        self.gateway = Harness(
            GatewayService,
            said,
            folder=folder,
            plugins={
                "first": self.plugins[0],
                "watcher": self.watcher,
                "second": self.plugins[1],
            },
            window=20000,
        )
        self.origins = [
            self.gateway.origin(reply=self._reply),
            self.gateway.origin("198.51.100.2", reply=self._reply),
            self.gateway.origin(port=443),
        ]

    def act(self, kind: str, which: int, what: int) -> None:
        """Do one thing; what can't be done now is left out."""
        match kind:
            case "ask":
                self._ask(which, what)
            case "decide":
                self.plugins[which % 2].decide(what)
                self.gateway.settle()
            case "time":
                self.gateway.advance((0.3, 2.5, 6.0, 11.0)[what % 4])
            case "scrape":
                self.gateway.service.recorder.exposition().text()
            case "abort":
                client, _, _ = self._client(which)
                (client.reset, client.close, client.end, client.stop_reading)[what % 4]()
            case "origin":
                alive = [
                    one for origin in self.origins for one in origin.connections if not one.left
                ]
                if alive:
                    one = alive[which % len(alive)]
                    (one.reset, one.close, one.end)[what % 3]()

    def _ask(self, which: int, what: int) -> None:
        """Make one to three requests in one go, the last one perhaps not to its end, which comes with the next."""
        client, mine, unsent = self._client(which)
        if client.left:
            return
        for turn in range(1 + what % 3):
            kinds = ("GET", "GET", "HEAD", "length", "chunked", "expect", "CONNECT")
            kind = kinds[(what + turn) % (len(kinds) if self.forward else len(kinds) - 1)]
            asked = Asked(len(self.asked), kind, self.forward)
            self.asked.append(asked)
            mine.append(asked)
            unsent += asked.raw
        kept = (0, 0, 0, 4, 30)[what % 5]
        going = bytes(unsent[: len(unsent) - kept])
        del unsent[: len(going)]
        client.send(going)

    def _client(self, which: int) -> tuple[ScriptedClient, list[Asked], bytearray]:
        """Give the last client but C{which}, or a new one."""
        if which >= len(self.clients) or self.clients[-1 - which][0].left:
            port = FIRST_PORT + len(self.clients)
            self.clients.append((self.gateway.client(port=port), [], bytearray()))
            return self.clients[-1]
        return self.clients[-1 - which]

    def _reply(self, asked: Message) -> bytes:
        """Answer with the request's own marks, in the next of the ways."""
        way = self._ways[self._answers % len(self._ways)]
        self._answers += 1
        name = (asked.get("x-id") or b"").decode()
        mark = b"<down%b>" % name.encode()
        content = mark * (5000 if way == "large" else 3)
        head = b"HTTP/1.1 200 OK\r\nX-Head: <head%b>\r\n" % name.encode()
        if way == "silent":
            return b""
        if way == "junk":
            return b"HTTP/9.9 junk\r\n\r\n"
        if way == "chunked":
            body = b"" if asked.method == b"HEAD" else chunked(content, trailers=[b"X-T: t"])
            return head + b"Transfer-Encoding: chunked\r\n\r\n" + body
        if way == "interim":
            head = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + head
        body = b"" if asked.method == b"HEAD" else content[: -4 if way == "short" else None]
        return head + b"Content-Length: %d\r\n\r\n" % len(content) + body

    def look(self, case: SynchronousTestCase) -> None:
        """Compare what the peers saw with what was refused, and the log with what was asked."""
        arrived = b"".join(one.received for origin in self.origins for one in origin.connections)
        refused = self.forbidden
        for number, (client, mine, _) in enumerate(self.clients):
            cut_off = FIRST_PORT + number in refused.clients
            if cut_off:
                case.assertEqual(client.received, b"", "an answer for a client that was refused")
            for asked in mine:
                if cut_off or asked.name in refused.requests:
                    case.assertNotIn(asked.name.encode(), arrived, "a request that was refused")
                if cut_off or asked.name in refused.requests | refused.uploads:
                    case.assertNotIn(asked.uploaded, arrived, "content that was refused")
                if asked.name in refused.answers:
                    case.assertNotIn(asked.answered, client.received, "an answer that was refused")
                if asked.name in refused.answers | refused.downloads:
                    case.assertNotIn(asked.downloaded, client.received, "content that was refused")
        lines = self.gateway.log
        case.assertEqual([line for line in lines if line["outcome"] == "unknown"], [])
        case.assertEqual(len({line["id"] for line in lines}), len(lines))
        case.assertEqual(len(self.watcher.seen), len(lines))
        case.assertEqual((self.gateway.connections, self.gateway.upstream_connections), (0, 0))


WHIMS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 11)), min_size=1, max_size=12)
ACTIONS = st.tuples(
    st.sampled_from(
        ("ask", "ask", "ask", "ask", "decide", "decide", "time", "abort", "origin", "scrape")
    ),
    st.integers(0, 3),
    st.integers(0, 104),
)


class AnyAnswersTests(SynchronousTestCase):
    """Random plays; C{GATEWAY_EXAMPLES} says how many."""

    def test_every_hook(self) -> None:
        """The plugin of these plays has every hook that is called."""
        self.assertEqual(MISSING, set())

    @settings(
        max_examples=examples(80),
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(
        mode=st.sampled_from(("forward", "reverse")),
        whims=st.tuples(WHIMS, WHIMS),
        opens=st.tuples(st.booleans(), st.booleans()),
        ways=st.lists(st.sampled_from(WAYS), min_size=1, max_size=5),
        actions=st.lists(ACTIONS, min_size=3, max_size=25),
    )
    def test_nothing_refused_passes(
        self,
        mode: str,
        whims: tuple[list[tuple[str, int]], ...],
        opens: tuple[bool, bool],
        ways: list[str],
        actions: list[tuple[str, int, int]],
    ) -> None:
        """What a plugin refused, or failed to judge, reaches nobody; everything ends once and is logged once."""
        play = Play(self.mktemp(), mode=mode, whims=whims, opens=opens, ways=ways)
        try:
            for action in actions:
                play.act(*action)
        finally:
            play.gateway.stop()
        faults = [fault for fault in self.flushLoggedErrors() if not _of_plugin(fault.value)]
        self.assertEqual(faults, [])
        play.look(self)


def _of_plugin(error: Any) -> bool:
    return isinstance(error, Whim | PluginError | TimeoutError | SystemExit) or (
        isinstance(error, TypeError | ValueError)
        and any(
            word in str(error)
            for word in ("answered", "awaitable", "can't be the name", "not a number")
        )
    )
