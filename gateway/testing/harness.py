"""
A whole gateway between scripted peers, in memory.

The tree of services is the real one, made of a configuration as the command line would make it; only the reactor, the
resolver and the far ends are ours. So what a test sees here is what clients, origins and the log would see.

A minimal test::

    gateway = Harness(GatewayService, {"forward.allow_from": ["192.0.2.0/24"]}, folder=self.mktemp())
    self.addCleanup(gateway.stop)
    origin = gateway.origin(reply=response(b"hello"))
    client = gateway.client()
    client.send(request(b"http://origin.example.com/"))
    self.assertEqual(client.response().content, b"hello")
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from gateway.config.load import load
from gateway.config.schema import Config
from gateway.net.faults import NameNotFound
from gateway.pipeline.discovery import installed
from gateway.testing.network import MemoryNetwork
from gateway.testing.peers import Reply, ScriptedClient, ScriptedOrigin
from gateway.testing.sockets import WINDOW

#: Where clients come from, and where the origin is, unless a test says otherwise.
CLIENT = "192.0.2.7"
ORIGIN = "198.51.100.1"

#: What the names of a test mean, beside those it adds itself.
_NAMES: Mapping[str, tuple[str, ...]] = {"origin.example.com": (ORIGIN,)}


#: Enabled in every gateway, as where nothing is configured.
_USUAL = "upload_limit"


@cache
def _usual_plugins() -> Mapping[str, object]:
    """Look among the installed packages once, and not for each gateway of a test run."""
    (found,) = installed().select(name=_USUAL)
    return {_USUAL: found.load()}


class Composed(Protocol):
    """What a harness has to know of the service it tests."""

    upstreams: Any
    recorder: Any
    listenings: list[Any]

    def startService(self) -> None:
        """Start."""

    def reload(self, read: Callable[[], Config]) -> Any:
        """Go over to another configuration; gives a Deferred."""

    def stopService(self) -> Any:
        """Stop; gives a Deferred."""


class Names:
    """
    The resolver of a test.

    @ivar known: addresses by name; an exception in their place is raised, a Deferred is waited for.
    @ivar asked: every name that was looked up.
    """

    def __init__(self) -> None:
        self.known: dict[str, tuple[str, ...] | Exception | Deferred[tuple[str, ...]]] = dict(
            _NAMES
        )
        self.asked: list[str] = []

    def resolve(self, name: str) -> tuple[str, ...] | Deferred[tuple[str, ...]]:
        """
        Give the addresses of a name; a literal address stands for itself.

        @raise Exception: what the test put there, or L{NameNotFound<gateway.net.faults.NameNotFound>}.
        """
        if name.replace(".", "").isdigit() or ":" in name:
            return (name,)
        self.asked.append(name)
        found = self.known.get(name)
        if found is None:
            raise NameNotFound(f"{name}: no such name")
        if isinstance(found, Exception):
            raise found
        return found


class Harness:
    """
    A running gateway and everything around it.

    @ivar network: the reactor; its time goes by L{advance} only.
    @ivar names: what names mean.
    @ivar service: the gateway.
    """

    def __init__(
        self,
        compose: Callable[..., Any],
        settings: Mapping[str, object] | None = None,
        *,
        folder: str,
        plugins: Mapping[str, object] | None = None,
        window: int = WINDOW,
    ) -> None:
        """
        Compose and start.

        @param compose: L{gateway.service.GatewayService}, or what takes its arguments.
        @param settings: by dotted name, as in C{{"timeouts.inactivity": "5s"}}; health, metrics and C{[watch]} are off and
            the drain is short unless said.
        @param folder: made by us, for the access log.
        @param plugins: by name; they come before C{upload_limit}, in this order.
        @param window: bytes that an unread connection holds before its sender has to wait.
        """
        os.makedirs(folder, exist_ok=True)
        self._log_path = os.path.join(os.path.abspath(folder), "access.log")
        self.network = MemoryNetwork(window)
        self.names = Names()
        said: dict[str, object] = {
            "admin.health": "",
            "log.access": {"path": self._log_path, "format": "json"},
            "plugins.enabled": [*(plugins or {}), _USUAL],
            "timeouts.drain": "10s",
            "gateway.name": "gateway-under-test",
            # A test must not depend on the machine's disks and memory.
            "watch.every": 0,
        }
        said.update(settings or {})
        self._said = said
        self.config: Config = load(None, said, {})
        self.service: Composed = compose(
            self.config, self.network, extra_plugins={**_usual_plugins(), **(plugins or {})}
        )
        self.service.upstreams.dialer.resolver = self.names
        # It greets on standard output, which is no place for a test.
        with contextlib.redirect_stdout(io.StringIO()):
            self.service.startService()
            self.network.settle()
        self._stopping: Deferred[None] | None = None
        self._looked_over = False

    # Peers.

    def client(self, address: str = CLIENT, *, port: int = 0, listener: int = 0) -> ScriptedClient:
        """
        Connect a client.

        @param port: its own; one is made up for 0.
        @param listener: which of the gateway's listeners, in the order of their opening.
        @raise AssertionError: nobody listens any more.
        """
        ports = self.network.ports
        found = None
        if ports:
            found = self.network.open(ports[listener], (address, port or self.network.ephemeral()))
        if found is None:
            raise AssertionError("nobody listens")
        made = ScriptedClient(self.network, found)
        self.network.settle()
        return made

    def origin(
        self, address: str = ORIGIN, port: int = 80, *, reply: Reply | None = None
    ) -> ScriptedOrigin:
        """Set up an origin; without one, connections to an address are refused."""
        return ScriptedOrigin(self.network, address, port, reply)

    # The configuration.

    def reload(self, settings: Mapping[str, object] | None = None) -> Deferred[Any]:
        """
        Let the gateway go over to changed settings.

        @param settings: by dotted name; the others stay as they are. C{None} in place of a value: as if it were not said.
        @raise gateway.config.faults.ConfigError: the settings have faults, which is found before the gateway is asked.
        """
        said = {**self._said, **(settings or {})}
        config = load(None, said, {})

        def done(given: Any) -> Any:
            self._said, self.config = said, config
            self.service.upstreams.dialer.resolver = self.names
            return given

        reloading: Deferred[Any] = self.service.reload(lambda: config)
        reloading.addCallback(done)
        self.network.settle()
        return reloading

    # Time.

    def advance(self, seconds: float) -> None:
        """Let time go by."""
        self.network.pass_time(seconds)

    def settle(self) -> None:
        """Let everything happen that can happen now; only needed after something that is no act of a peer's."""
        self.network.settle()

    # What came of it.

    @property
    def log(self) -> list[dict[str, Any]]:
        """The access log so far, one dictionary for each line."""
        access = self.service.recorder.access
        if access is not None and self._stopping is None:
            access.file.flush()
        if not os.path.exists(self._log_path):
            return []
        with open(self._log_path, encoding="ascii") as lines:
            return [json.loads(line) for line in lines]

    @property
    def line(self) -> dict[str, Any]:
        """
        The only line of the access log.

        @raise AssertionError: there is none, or more than one.
        """
        found = self.log
        if len(found) != 1:
            raise AssertionError(f"{len(found)} lines in the access log: {found}")
        return found[0]

    @property
    def connections(self) -> int:
        """Client connections that are open, as the gateway sees it."""
        return sum(len(listening.connections) for listening in self.service.listenings)

    @property
    def upstream_connections(self) -> int:
        """Connections to origins that are open, kept ones included, as the gateway sees it."""
        return len(self.service.upstreams.pool)

    # The end.

    def begin_stop(self) -> Deferred[None]:
        """Ask the service to stop, which drains; the Deferred fires when it has."""
        if self._stopping is None:
            self._stopping = self.service.stopService()
            self.network.settle()
        return self._stopping

    def stop(self) -> None:
        """
        Stop the gateway, waiting out its drain, and look whether it left in order.

        @raise AssertionError: it does not stop, a connection stays open, or some transaction is not in the log or is
            there twice.
        """
        stopping = self.begin_stop()
        self.advance(self.config.timeouts.drain + 5.0)
        if not stopping.called:
            raise AssertionError("the gateway does not stop")
        if not self.network.idle:
            raise AssertionError("connections are open after the end")
        if self.service.listenings and not self._looked_over:
            self._looked_over = True
            # Ids are a prefix and a number: the next one tells how many there were.
            begun = int(self.service.listenings[0].next_id()[-8:], 16) - 1
            logged = sorted(int(line["id"][-8:], 16) for line in self.log)
            if logged != list(range(1, begun + 1)):
                raise AssertionError(f"{begun} transactions, but these are in the log: {logged}")
