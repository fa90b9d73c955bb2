"""
The composition root: a configuration becomes a running gateway.

Stages start in order and wait for each other: record, plugins, upstream, admin, listeners. They stop the other way
round: readiness fails at once, the listeners close, what runs may end for C{timeouts.drain} seconds, and only then do
plugins and the log go. Twisted's C{MultiService} neither waits for starts nor between stops, so this is our own.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway import __version__
from gateway.admin.health import Readiness
from gateway.admin.site import admin_site
from gateway.api.events import Event
from gateway.api.services import Services
from gateway.config.addresses import Listen
from gateway.config.cautions import cautions
from gateway.config.schema import Config
from gateway.listeners import Listeners
from gateway.message.via import Via
from gateway.modes.client import ClientConnection
from gateway.modes.listening import Ids, Listening, Times
from gateway.modes.preface import ProxiedConnection
from gateway.net.deadlines import Deadlines
from gateway.net.notify import Notifier
from gateway.net.privileges import PrivilegeError, become, raise_descriptor_limit
from gateway.net.signals import ProcessSignals
from gateway.pipeline.plugins import LoadedPlugins, PluginStartError, load_plugins
from gateway.pipeline.run import Pipeline
from gateway.pipeline.threads import ThreadPools
from gateway.record.counters import Counters
from gateway.record.recorder import Recorder
from gateway.upstreams import Upstreams
from gateway.wire.limits import HeadLimits


class StartError(Exception):
    """The gateway can't start; the text says why and how to mend it."""


class GatewayService(Service):
    """
    The whole gateway as one Twisted service.

    @ivar config: the configuration it runs.
    @ivar readiness: what C{/readyz} says.
    @ivar listenings: the listeners of clients.
    """

    _log = Logger()
    name = "gateway"

    def __init__(
        self, config: Config, reactor: Any, *, extra_plugins: dict[str, object] | None = None
    ) -> None:
        """
        Compose; nothing is opened and nothing started.

        @param extra_plugins: plugins beside the installed ones, for tests and embedding.
        @raise gateway.config.faults.ConfigError: the plugins' settings have faults.
        """
        self.config = config
        self.reactor = reactor
        self.counters = Counters()
        self.recorder = Recorder(config.log, self.counters, reactor)
        self.deadlines = Deadlines(reactor)
        self.readiness = Readiness()
        self.threads = ThreadPools(reactor, self.tell)
        services = Services(
            clock=reactor, events=self.tell, log=Logger("gateway.plugin"), threads=self.threads
        )
        self.plugins: LoadedPlugins = load_plugins(config, services, extra=extra_plugins)
        prefix = secrets.token_hex(4)
        self.via = Via(config.gateway.name or f"gateway-{prefix}")
        self.pipeline = Pipeline(self.plugins.plans, self.recorder, self.via)
        self.limits = HeadLimits(
            head=config.limits.head,
            target=config.limits.target,
            fields=config.limits.fields,
            trailers=config.limits.trailers,
        )
        self.listeners = Listeners(reactor)
        self.upstreams = Upstreams(
            config,
            reactor,
            self.deadlines,
            self.via,
            self.limits,
            own=self.listeners.addresses,
            tell=self.tell,
        )
        self.counters.pool_sources.append(self.upstreams.pool_use)
        self.listenings: list[Listening] = []
        self._next_id = Ids(prefix)
        self._notifier = Notifier()
        self._watchdog: LoopingCall | None = None
        self._starting: Deferred[None] | None = None
        self._signals = ProcessSignals(reactor, hurry=self._hurry, reopen=self.recorder.reopen)
        self._idle_until = 0.0
        self._events_deep = 0

    # Starting.

    def startService(self) -> None:
        """
        Start all stages.

        @raise SystemExit: it can't start; said in one line on standard error.
        """
        super().startService()
        self._starting = starting = ensureDeferred(self._start())
        if starting.called:
            failed: list[Failure] = []
            starting.addErrback(failed.append)
            if failed:
                self._give_up(failed[0])
        else:
            starting.addErrback(self._give_up_later)

    async def _start(self) -> None:
        raise_descriptor_limit()
        await self.plugins.start()
        if not self.running:
            # Told to stop meanwhile: nothing may be opened after that.
            return
        self.upstreams.start()
        health = self.config.admin.health
        if health is not None:
            site = admin_site(self.readiness, self.recorder.exposition(), self.reactor)
            self._open("admin.health", health, site, plain=True)
        for listen, mode in self.upstreams.modes():
            listening = self._listening(str(listen), mode, listen)
            self.listenings.append(listening)
            self._open(mode.name, listen, listening, plain=False)
        become(self.config.gateway.user, self.config.gateway.group)
        # After that, or the user could not reopen a log that root made. Lines written before are kept.
        self.recorder.start()
        self.readiness.add("listeners", self._listeners_down)
        self._signals.install()
        self._notifier.tell("READY=1", f"STATUS=gateway {__version__} serves")
        if self._notifier.watchdog_seconds:
            self._watchdog = LoopingCall(self._notifier.tell, "WATCHDOG=1")
            self._watchdog.clock = self.reactor
            self._watchdog.start(self._notifier.watchdog_seconds)
        self._say_hello()

    def _listening(self, name: str, mode: Any, listen: Listen) -> Listening:
        config = self.config
        return Listening(
            name,
            mode,
            self.pipeline,
            deadlines=self.deadlines,
            next_id=self._next_id,
            limits=self.limits,
            times=Times(
                config.timeouts.request_head,
                config.timeouts.client_idle,
                config.timeouts.inactivity,
                config.timeouts.tunnel or float("inf"),
            ),
            upload_limit=config.limits.upload,
            trusted=config.network.trusted_proxies,
            traffic=self.recorder,
            connection=ProxiedConnection if listen.proxy_protocol else ClientConnection,
            room=self._has_room,
            max_connections=listen.max_connections,
        )

    def _listeners_down(self) -> str | None:
        """Say what is wrong with the listeners, for readiness."""
        missing = [
            listening.name for listening in self.listenings if not self.listeners.is_open(listening)
        ]
        return f"closed: {', '.join(missing)}" if missing else None

    def _has_room(self) -> bool:
        most = self.config.limits.connections
        return not most or sum(len(listening.connections) for listening in self.listenings) < most

    def _open(self, what: str, listen: Listen, factory: Any, *, plain: bool) -> None:
        try:
            self.listeners.open(listen, factory, plain=plain)
        except (CannotListenError, OSError, ValueError) as error:
            why = getattr(error, "socketError", None) or error
            raise StartError(f"{what}: can't listen on {listen}: {why}") from error

    def _give_up(self, failure: Failure) -> None:
        error = failure.value
        if isinstance(error, (StartError, PluginStartError, PrivilegeError)):
            raise SystemExit(f"gateway: {error}")
        failure.raiseException()

    def _give_up_later(self, failure: Failure) -> None:
        """A start that had to wait has failed: end the process, and let its status say so."""
        if not self.running:
            return
        self._log.critical("can't start: {why}", why=failure.getErrorMessage())
        self._notifier.tell(f"STATUS=can't start: {failure.getErrorMessage()}")
        self.reactor.addSystemEventTrigger("after", "shutdown", os._exit, 1)
        self.reactor.stop()

    def _say_hello(self) -> None:
        lines = [f"gateway {__version__}"]
        for listening in self.listenings:
            where = self.listeners.text(listening)
            lines.append(
                f"  {listening.mode.name} proxy on {where}{self._example(listening, where)}"
            )
        if self.config.admin.health is not None:
            where = self.listeners.text("admin")
            lines.append(f"  health and metrics on {where}     try: curl http://{where}/readyz")
        path = self.config.log.access.path
        lines.append(f"  access log: {'standard output' if path == '-' else path or 'off'}")
        lines.extend(f"  caution: {caution}" for caution in cautions(self.config))
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()

    def _example(self, listening: Listening, where: str) -> str:
        """Show how to try a listener, where that is a line: programs know no proxy on a unix socket."""
        path = where.removeprefix("unix:")
        if listening.mode.name == "forward":
            return "" if path != where else f"     try: curl -x http://{where} http://example.com/"
        named = (
            sites[0].host[0]
            for listen, sites in self.config.reverse_listeners
            if str(listen) == listening.name
        )
        host = next(named, "*").replace("*.", "www.")
        if path != where:
            return f"     try: curl --unix-socket {path} http://{'localhost' if host == '*' else host}/"
        return f"     try: curl {'' if host == '*' else f'-H Host:{host} '}http://{where}/"

    # Running.

    def tell(self, event: Event) -> None:
        """Give an event to the log and to the plugins; one that comes from telling an event goes to the log only."""
        self._log.info(
            "event {name} {subject}: {text}",
            name=event.name,
            subject=event.subject,
            text=event.text,
        )
        plugins = getattr(self, "plugins", None)
        if plugins is None or plugins.plans.event is None or self._events_deep:
            return
        self._events_deep += 1
        try:
            plugins.plans.event(event)
        finally:
            self._events_deep -= 1

    # Stopping.

    def stopService(self) -> Deferred[None]:
        """
        Drain and stop; fires when nothing runs any more.
        """
        super().stopService()
        return ensureDeferred(self._stop())

    async def _stop(self) -> None:
        self.readiness.draining = True
        self._notifier.tell("STOPPING=1")
        await self.listeners.close_clients()
        for listening in self.listenings:
            listening.drain()
        await self._idle(self.config.timeouts.drain)
        for listening in self.listenings:
            listening.abort()
        await self._idle(1.0)
        if self._watchdog is not None:
            self._watchdog.stop()
        self.upstreams.stop()
        await self.listeners.close_all()
        await self.plugins.stop()
        self.threads.stop()
        self.recorder.stop()
        self._signals.restore()

    async def _idle(self, seconds: float) -> None:
        """Wait until no client connection is open, for so long at the most."""
        self._idle_until = self.reactor.seconds() + seconds
        while any(listening.connections for listening in self.listenings):
            if self.reactor.seconds() >= self._idle_until:
                return
            await _later(self.reactor, 0.05)

    def _hurry(self) -> None:
        """Wait no longer for what runs."""
        self._idle_until = 0.0


def _later(reactor: Any, seconds: float) -> Deferred[None]:
    waiting: Deferred[None] = Deferred()
    fire: Callable[[None], None] = waiting.callback
    reactor.callLater(seconds, fire, None)
    return waiting
