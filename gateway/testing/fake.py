"""
A whole gateway around a plugin under test: the real one, in memory, quick to set up and quick to ask.

What runs is L{GatewayService<gateway.service.GatewayService>} itself, composed of a configuration as the command line
would; the reactor, the far ends and the plugin's services are ours (L{Harness<gateway.testing.harness.Harness>}). So a test
sees what a client, an origin and the log would see. There is no socket, no thread and no wait::

    class BlockHostsTests(SynchronousTestCase):
        def test_listed_host(self) -> None:
            gw = FakeGateway(BlockHosts, {"hosts": ["bad.example"]})
            seen = self.successResultOf(gw.get("http://bad.example/"))
            self.assertEqual(seen.outcome, Refused(Block("host is listed")))
            self.assertEqual(gw.origin.requests, [])
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import CoroutineType, TracebackType
from typing import Any, Literal, Self, TypeAlias

from twisted.internet.defer import Deferred

from gateway.api.answers import ClientHello, Intercept, Tunnel
from gateway.api.events import Event
from gateway.api.hooks import Plugin
from gateway.api.services import Services
from gateway.api.transaction import Client
from gateway.api.verdicts import Block
from gateway.config.load import load_plugin_settings
from gateway.config.schema import Config
from gateway.plugin_services import pool_sizes
from gateway.service import GatewayService
from gateway.testing.clock import GatewayClock
from gateway.testing.exchange import Exchange
from gateway.testing.harness import CLIENT, ORIGIN, Harness
from gateway.testing.http import HttpScript
from gateway.testing.peers import ScriptedClient
from gateway.testing.probe import NAME as PROBE
from gateway.testing.probe import Probe, WhyNot
from gateway.testing.services import FakeLog, FakeServices, LogText
from gateway.testing.spoken import request_bytes, target_of
from gateway.testing.under_way import UnderWay
from gateway.testing.web import FakeOrigin, Far, Page

#: A plugin of a test: its class, its class with settings, or an object that was made already.
Given: TypeAlias = type[Plugin] | tuple[type[Plugin], object] | Plugin

_MODES: Mapping[str, Mapping[str, object]] = {
    "forward": {"forward.allow_from": ["192.0.2.0/24", "2001:db8::/32"]},
    "reverse": {
        "site": [{"host": ["*"], "origins": [f"http://{ORIGIN}"], "listen": ["192.0.2.1:80"]}]
    },
}


class FakeGateway:
    """
    A running gateway with one plugin or several.

    @ivar plugin: the first plugin's object.
    @ivar plugins: all of them, by name.
    @ivar services: what the first plugin was given; C{services.store}, C{.metrics}, C{.every} and C{.log} can be looked at.
    @ivar clock: the time; C{advance} lets it go by.
    @ivar origin: what servers answer, and what they received.
    @ivar http: what answers the plugins' own requests.
    @ivar threads: what ran in thread pools; can be held up or full.
    """

    def __init__(
        self,
        plugin: Given,
        settings: object = None,
        *,
        mode: Literal["forward", "reverse"] = "forward",
        plugins: Sequence[Given] = (),
        origin: Mapping[str, Page | Far] | None = None,
        http: Mapping[str, HttpScript] | None = None,
        store: Mapping[str, bytes] | None = None,
        config: Mapping[str, object] | None = None,
    ) -> None:
        """
        Start a gateway.

        @param settings: of the plugin: an object of its C{Settings}, or what stands in its table of the configuration,
            C{{"hosts": ["bad.example"], "fail": "open"}}; C{None}: the defaults.
        @param plugins: those enabled behind it, in this order.
        @param origin: what C{gw.origin} has from the beginning, for plugins that ask in C{start}; so have C{http} what
            C{gw.http} has, and C{store} what is in the first plugin's store.
        @param config: other settings of the gateway by dotted name, C{{"limits.upload": "1MiB"}}.
        @raise gateway.config.faults.ConfigError: the settings have faults, or the plugin would be refused at start.
        @raise AssertionError: the gateway does not start; the plugin's own error is its cause.
        """
        self.origin = FakeOrigin(origin)
        self.plugins: dict[str, Plugin] = {}
        self._probe = Probe()
        self._mode = mode
        given = [(plugin, settings), *(_pair(other) for other in plugins)]
        named = [_named(one) for one, _ in given]
        # Freed when the gateway goes, stopped or not, so that no test has to.
        folder = tempfile.mkdtemp(prefix="fake-gateway-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        said: dict[str, object] = {
            **_MODES[mode],
            "plugins.enabled": [*named, PROBE],
        }
        for name, (_, own) in zip(named, given, strict=True):
            if isinstance(own, Mapping):
                said[f"plugins.{name}"] = dict(own)
        said.update(config or {})
        self._given = list(zip(named, given, strict=True))
        self._store = store
        self._http = http
        with WhyNot() as why_not:
            try:
                self._harness = Harness(self._compose, said, folder=folder)
            except SystemExit as stopped:
                self._equips.stop()
                raise AssertionError(f"the gateway does not start: {stopped}") from (
                    stopped.__context__ or stopped
                )
        if self._harness.network.stopped:
            raise AssertionError(f"the gateway does not start: {why_not.text}")
        self._under_way = UnderWay(self._harness, self._probe, self.origin, self.clock)
        names = self.origin.join(self._harness.network)
        self._harness.names = self._composed.upstreams.dialer.resolver = names
        self.plugin: Plugin = self.plugins[named[0]]
        self.services: Services = self._equips.given.get(named[0]) or self.plugin.services

    # Asking.

    def get(
        self,
        url: str,
        fields: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        *,
        address: str = CLIENT,
        on: ScriptedClient | None = None,
    ) -> Exchange:
        """
        Ask for a URL.

        @param fields: of the request, beside C{Host}.
        @param address: the client's.
        @param on: a connection of L{client} to use; otherwise the request has one of its own.
        @return: fires with L{Seen} when the transaction has ended.
        """
        return self.request("GET", url, fields, address=address, on=on)

    def request(
        self,
        method: str,
        url: str,
        fields: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        content: bytes | Sequence[bytes] = b"",
        *,
        address: str = CLIENT,
        on: ScriptedClient | None = None,
    ) -> Exchange:
        """
        Make any request.

        @param content: a sequence goes in chunks, without a declared length.
        @return: as of L{get}.
        @raise ValueError: what is to be sent is no request of HTTP, or the URL is C{https}: see L{connect}.
        """
        target, host = target_of(url, self._mode)
        return self._ask(
            f"{method} {url}",
            request_bytes(method, target, host, fields, content),
            b"",
            address,
            on,
        )

    def connect(
        self,
        authority: str,
        fields: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        *,
        content: bytes = b"",
        address: str = CLIENT,
    ) -> Exchange:
        """
        Ask for a tunnel to C{host:port}, send C{content} through it once it stands, and end it.

        @return: fires with L{Seen} when the tunnel has ended; its C{content} came from C{gw.origin[authority]}.
        """
        request = request_bytes("CONNECT", authority, authority, fields, b"")
        return self._ask(f"CONNECT {authority}", request, content, address, None)

    def client_hello(
        self, hello: ClientHello, *, address: str = CLIENT, client: Client | None = None
    ) -> Deferred[Intercept | Tunnel | Block | None]:
        """
        Ask the plugins what becomes of a TLS connection; there is no TLS and no connection then.

        @param address: the client's.
        @param client: who is asking, for plugins that look at more of it than its address.
        @return: fires with the first answer, C{None} if nobody has one; fails with
            L{PluginError<gateway.api.PluginError>} where the gateway would drop the connection.
        """
        self._running()
        listening = self._composed.listenings[0]
        if client is None:
            client = Client(
                address,
                self._harness.network.ephemeral(),
                mode=self._mode,
                listener=listening.name,
            )
        plan = listening.pipeline.plans.client_hello

        async def ask() -> Intercept | Tunnel | Block | None:
            answer = None if plan is None else plan(client, hello)
            return await answer if isinstance(answer, CoroutineType) else answer

        asking = Deferred.fromCoroutine(ask())
        self._look()
        return asking

    def order(
        self, name: str, said: Mapping[str, object] | None = None
    ) -> Deferred[Mapping[str, object] | None]:
        """
        Give the plugins an operator's order.

        @return: fires with the answer of the one that knows it, C{None} if none does.
        """
        self._running()
        plan = self._composed.listenings[0].pipeline.plans.order

        async def ask() -> Mapping[str, object] | None:
            answer = None if plan is None else plan(name, said or {})
            return await answer if isinstance(answer, CoroutineType) else answer

        asking = Deferred.fromCoroutine(ask())
        self._look()
        return asking

    def client(self, address: str = CLIENT) -> ScriptedClient:
        """Connect a client for what L{request} can't say: several requests on one connection, or bytes by hand."""
        return self._harness.client(address)

    def tell(self, *events: Event) -> None:
        """Let events happen, as if the gateway or another plugin told them: channels and the hook C{event} hear of them."""
        self._running()
        for event in events:
            self._composed.tell(event)
        self._look()

    # Looking.

    @property
    def events(self) -> list[Event]:
        """What operators would have been told, by the plugins or by the gateway."""
        return list(self._probe.events)

    @property
    def cautions(self) -> list[str]:
        """What the plugins say of their settings as C{gateway check} shows it: C{plugins.x.key: what (how to mend it)}."""
        found = self._composed.plugins.cautions
        return [str(replace(caution, file="", line=0)) for caution in found]

    @property
    def log(self) -> list[LogText]:
        """What the first plugin logged."""
        log = self.services.log
        return list(log.texts) if isinstance(log, FakeLog) else []

    @property
    def access_log(self) -> list[dict[str, Any]]:
        """The access log so far."""
        return self._harness.log

    @property
    def harness(self) -> Harness:
        """What is below: the wire, the resolver, the service."""
        return self._harness

    def services_of(self, name: str) -> Services:
        """
        Give what a plugin was given.

        @raise KeyError: no plugin of this name was made here.
        """
        return self._equips.given[name]

    def settle(self) -> None:
        """Let the gateway do everything that it can do without time going by."""
        self._look()

    # The end.

    def stop(self) -> None:
        """
        Stop the gateway and its plugins and look whether all is in order; not needed in every test.

        @raise AssertionError: something does not stop, stays open, or is not in the log.
        """
        self._harness.stop()
        self._equips.stop()
        self._look()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.stop()

    # Within.

    def _compose(self, config: Config, network: Any, **_: object) -> GatewayService:
        """Make the plugins, now that there is a clock, and the gateway around them."""
        self.clock = GatewayClock(network, self._advance)
        self._equips = FakeServices(
            self.clock,
            self._tell,
            http=self._http,
            store=self._store,
            pools=pool_sizes(config.threads),
            notify=config.notify,
        )
        self.http, self.threads = self._equips.http, self._equips.threads
        for name, (one, own) in self._given:
            self.plugins[name] = self._made(config, name, one, own)
        extra: dict[str, object] = {**self.plugins, PROBE: self._probe}
        self._composed = GatewayService(config, network, extra_plugins=extra)
        # Hooks that are marked with a pool go there, too.
        self._composed.threads.pools = dict(self.threads.pools)
        # The channels of the plugins are there.
        self._composed.alarms = self._equips.alarms
        self._composed.plugin_services.alarms = self._equips.alarms
        return self._composed

    def _made(self, config: Config, name: str, one: Given, own: object) -> Plugin:
        if isinstance(one, Plugin):
            return one
        assert isinstance(one, type)
        if own is None or isinstance(own, Mapping):
            settings: Any = load_plugin_settings(config, name, one.Settings, {})
        else:
            settings = own
        return one(settings, self._equips.for_plugin(name, settings))

    def _tell(self, event: Event) -> None:
        self._probe.events.append(event)
        # A plugin that tells something while it is made is heard by nobody else yet.
        if hasattr(self, "_composed"):
            self._composed.tell(event)

    def _advance(self, seconds: float) -> None:
        self._look()
        self._harness.advance(seconds)
        self._look()

    def _ask(
        self, name: str, request: bytes, then: bytes, address: str, on: ScriptedClient | None
    ) -> Exchange:
        self._running()
        client = on or self._harness.client(address)
        return self._under_way.ask(name, request, then, client, is_own=on is None)

    def _running(self) -> None:
        """
        Look whether there is somebody to ask.

        @raise AssertionError: the gateway does not run.
        """
        if self._harness.network.stopped:
            raise AssertionError("the gateway did not start: some plugin failed to; see the log")
        if not self._harness.network.ports:
            raise AssertionError(
                "the gateway does not run: it was stopped, or some plugin still waits in start(); "
                "gw.clock.advance() lets time go by"
            )

    def _look(self) -> None:
        self._under_way.look()


def _pair(given: Given) -> tuple[Given, object]:
    return given if isinstance(given, tuple) else (given, None)


def _named(given: object) -> str:
    """
    Give a plugin's name.

    @raise TypeError: it is no plugin.
    """
    kind = given if isinstance(given, type) else type(given)
    if not issubclass(kind, Plugin):
        raise TypeError(f"{given!r} is no plugin: give a subclass of gateway.api.Plugin")
    name: str = getattr(given, "name", "")
    if not name:
        raise TypeError(f'{kind.__name__} has no name: say name = "..." in the class')
    return name
