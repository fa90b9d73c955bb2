"""Whatever events come in whatever order: each transaction ends once and is logged once, and the gateway can stop."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Block, Client, Plugin, PluginError, Response, Server, Transaction, hookimpl
from gateway.message.fields import Fields
from gateway.service import GatewayService
from gateway.testing.harness import CLIENT, ORIGIN, Harness
from gateway.testing.peers import OriginConnection, ScriptedClient, chunked, request, response
from tests.effort import examples
from tests.scenarios.plugins import Watcher
from tests.scenarios.support import URL

TARGET = b"origin.example.com:443"
CHUNKED = b"Transfer-Encoding: chunked"

#: What a client may say, whether it makes sense or not.
SAID = (
    request(URL),
    request(URL, method=b"HEAD"),
    request(URL) * 3,
    request(URL, b"Connection: close"),
    request(URL)[:30],
    request(URL)[30:],
    request(URL, method=b"POST", content=b"0123456789"),
    request(URL, b"Content-Length: 10", method=b"PUT"),
    b"01234",
    request(URL, CHUNKED, method=b"POST") + chunked(b"abc", trailers=[b"X-A: b"]),
    request(URL, CHUNKED, b"Expect: 100-continue", method=b"POST"),
    b"3\r\nabc\r\n",
    b"0\r\n\r\n",
    bytes(100000),
    request(URL, b"Content-Length: 100000", method=b"POST"),
    request(TARGET, method=b"CONNECT"),
    request(URL, b"Connection: Upgrade", b"Upgrade: websocket"),
    b"GET http://origin.example.com/ HTTP/1.0\r\n\r\n",
    request(b"http://nowhere.example.com/"),
    request(URL, b"Max-Forwards: 0", method=b"TRACE"),
    b"\r\n",
    b"junk\r\n\r\n",
)
#: What an origin may answer.
ANSWERED = (
    response(b"ok"),
    response(b"ok", b"Connection: close"),
    response(b"0123456789")[:-4],
    b"6789",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"3\r\nabc\r\n",
    b"0\r\nX-A: b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
    b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n",
    b"HTTP/1.1 200 O",
    response(bytes(200000)),
    b"junk\r\n\r\n",
)


class Undecided(Plugin):
    """
    A plugin whose answers come when the test says, if it asks to wait at all.

    @ivar waiting: what was asked and not answered.
    @ivar waits: the hooks that are not answered at once.
    """

    name = "undecided"

    def __init__(self, waits: frozenset[str]) -> None:
        self.waiting: list[Deferred[Any]] = []
        self.waits = waits

    def decide(self, answer: object) -> None:
        """Answer the oldest question."""
        if self.waiting:
            waiting = self.waiting.pop(0)
            if not waiting.called:
                waiting.callback(answer)

    @hookimpl()
    def client_connected(self, client: Client) -> Any:
        """Wait or not."""
        return self._ask("client_connected")

    @hookimpl()
    def request_headers(self, txn: Transaction) -> Any:
        """Wait or not."""
        return self._ask("request_headers")

    @hookimpl()
    def response_headers(self, txn: Transaction) -> Any:
        """Wait or not."""
        return self._ask("response_headers")

    @hookimpl()
    def page(self, txn: Transaction, name: str) -> Any:
        """Wait or not."""
        return self._ask("page")

    def _ask(self, hook: str) -> Deferred[Any] | None:
        if hook not in self.waits:
            return None
        made: Deferred[Any] = Deferred()
        self.waiting.append(made)
        return made


class AskedOfServers(Undecided):
    """The same, asked about servers too, without which many a tunnel needs no coroutine."""

    @hookimpl()
    def upstream_connected(self, txn: Transaction, server: Server) -> Any:
        """Wait or not."""
        return self._ask("upstream_connected")


class Play:
    """
    One run: peers that act at random, then the end and a look at what is left.

    @cvar said: what clients may say.
    @cvar answered: what origins may answer.
    """

    said: tuple[bytes, ...] = SAID
    answered: tuple[bytes, ...] = ANSWERED

    def __init__(
        self,
        folder: str,
        *,
        seed: int,
        mode: str,
        waits: frozenset[str],
        undecided: type[Undecided] = AskedOfServers,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        self.undecided = undecided(waits)
        self.watcher = Watcher()
        said: dict[str, object] = {
            "timeouts.inactivity": "20s",
            "timeouts.client_idle": "10s",
            "timeouts.request_head": "10s",
            "timeouts.drain": "15s",
            "timeouts.tunnel": "30s",
            "timeouts.connect": "10s",
            "limits.upload": "50KB",
            "forward.allow_from": ["192.0.2.0/24"],
        }
        if mode == "parent":
            said["forward.parent"] = [{"url": f"http://{ORIGIN}:80", "for": ["origin.example.com"]}]
        elif mode != "forward":
            del said["forward.allow_from"]
            said["network.trusted_proxies"] = [CLIENT]
            said["site"] = [
                {
                    "host": ["*"],
                    "origins": [f"http://{ORIGIN}", "http://198.51.100.2"],
                    "listen": [{"address": "192.0.2.1:80", "proxy_protocol": mode == "balancer"}],
                    "max_connections": 2,
                    "sticky": "cookie",
                }
            ]
        said.update(settings or {})
        self._greeting = (
            b"PROXY TCP4 203.0.113.9 192.0.2.1 51234 80\r\n" if mode == "balancer" else b""
        )
        self.gateway = Harness(
            GatewayService,
            said,
            folder=folder,
            plugins={"undecided": self.undecided, "watcher": self.watcher},
            window=20000,
        )
        self.gateway.network.choose = random.Random(seed).randrange
        self.origins = [
            self.gateway.origin(),
            self.gateway.origin("198.51.100.2"),
            self.gateway.origin(port=443),
        ]
        self.clients = [self._connected(), self._connected()]
        self.stopping = False

    def act(self, kind: str, which: int, what: int) -> None:
        """Do one thing; what can't be done now is left out."""
        if kind == "time":
            self.gateway.advance((0.3, 4.0, 11.0, 21.0)[what % 4])
        elif kind == "verdict":
            self.undecided.decide(
                (None, Block("no"), True, Response(200, Fields(), b"page"))[what % 4]
            )
            self.gateway.settle()
        elif kind == "admit":
            self.origins[which % 3].admitting = (True, False, None)[what % 3]
        elif kind == "stop":
            if not self.stopping:
                self.stopping = True
                self.gateway.begin_stop()
        elif kind == "connect":
            if not self.stopping:
                self.clients[which % 2] = self._connected()
        elif kind == "client":
            client = self.clients[which % 2]
            if not client.left:
                self._one_of(
                    [lambda: client.send(self.said[what % len(self.said)])] * 6
                    + [client.reset, client.close, client.end, client.stop_reading, client.read_on],
                    what // 32,
                )
        else:
            open_ones = [
                one for origin in self.origins for one in origin.connections if not one.left
            ]
            if open_ones:
                connection: OriginConnection = open_ones[which % len(open_ones)]
                self._one_of(
                    [lambda: connection.send(self.answered[what % len(self.answered)])] * 6
                    + [
                        connection.reset,
                        connection.close,
                        connection.end,
                        connection.stop_reading,
                        connection.read_on,
                    ],
                    what // 32,
                )

    def _connected(self) -> ScriptedClient:
        client = self.gateway.client()
        client.send(self._greeting)
        return client

    def through(self, actions: list[tuple[str, int, int]]) -> list[dict[str, Any]]:
        """Act, and finish whatever comes of it; gives the lines of the log."""
        try:
            for action in actions:
                self.act(*action)
        finally:
            self.finish()
        return self.gateway.log

    def finish(self) -> None:
        """Stop the gateway; the harness looks whether each transaction is in the log once."""
        self.gateway.stop()

    def _one_of(self, choices: list[Callable[[], Any]], which: int) -> None:
        choices[which % len(choices)]()


ACTIONS = st.tuples(
    st.sampled_from(
        (
            "client",
            "client",
            "client",
            "origin",
            "origin",
            "origin",
            "time",
            "verdict",
            "admit",
            "connect",
            "stop",
        )
    ),
    st.integers(0, 5),
    st.integers(0, 1023),
)
HOOKS = ("client_connected", "request_headers", "upstream_connected", "response_headers", "page")
EXAMPLES = examples(100)
#: How random plays are made: the same ones in each run.
PLAYS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)


class AnyOrderTests(SynchronousTestCase):
    """Random plays; C{GATEWAY_EXAMPLES} says how many."""

    @PLAYS
    @given(
        seed=st.integers(0, 2**32),
        mode=st.sampled_from(("forward", "reverse", "parent", "balancer")),
        waits=st.sets(st.sampled_from(HOOKS), max_size=3).map(frozenset),
        actions=st.lists(ACTIONS, min_size=3, max_size=25),
    )
    def test_each_ends_once(
        self, seed: int, mode: str, waits: frozenset[str], actions: list[tuple[str, int, int]]
    ) -> None:
        """Each transaction is told of once, logged once, and gone; nothing is logged as a fault of ours."""
        play = Play(self.mktemp(), seed=seed, mode=mode, waits=waits)
        lines = play.through(actions)
        self.assertEqual(len(play.watcher.seen), len(lines))
        self.assertEqual([line for line in lines if line["outcome"] == "unknown"], [])
        # A bool for an answer is a fault of the plugin's and logged as one; nothing else is.
        faults = [fault for fault in self.flushLoggedErrors() if not of_plugin(fault.value)]
        self.assertEqual(faults, [])
        play.clients.clear()
        if play.watcher.alive:
            gc.collect()
        self.assertEqual(play.watcher.alive, 0)


def of_plugin(error: BaseException | None) -> bool:
    """Tell whether an error is one of a plugin that the test has brought about."""
    return isinstance(error, (PluginError, TimeoutError)) or (
        isinstance(error, TypeError) and "answered" in str(error)
    )
