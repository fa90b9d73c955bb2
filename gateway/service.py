"""
The composition root: a configuration becomes a running gateway.

Stages start in order and wait for each other: record, plugins, upstream, admin, listeners. They stop the other way
round: readiness fails at once, the listeners close, what runs may end for C{timeouts.drain} seconds, and only then do
plugins and the log go. Twisted's C{MultiService} neither waits for starts nor between stops, so this is our own.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
from collections.abc import Callable, Mapping
from math import inf
from types import CoroutineType
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway import __version__
from gateway.admin.config_hash import config_hash
from gateway.admin.control import Answer, Control
from gateway.admin.events import event_orders
from gateway.admin.health import Readiness
from gateway.admin.scan_test import scan_test_order
from gateway.admin.scan_urls import scan_urls_order
from gateway.admin.site import admin_site
from gateway.admin.tls_pins import pins_order
from gateway.alarms.desk import AlarmDesk
from gateway.alarms.drift import Identity, Peers
from gateway.alarms.restarts import Restarts
from gateway.api.events import Event
from gateway.config.folders import state_folder
from gateway.config.schema import Config
from gateway.greeting import greeting
from gateway.listeners import Listeners
from gateway.modes.listening import Listening, Room
from gateway.net.deadlines import Deadlines
from gateway.net.notify import Notifier
from gateway.net.pins import Pins
from gateway.net.privileges import (
    PrivilegeError,
    become,
    prepare_descriptors,
    raise_descriptor_limit,
)
from gateway.net.signals import ProcessSignals
from gateway.pipeline.infected import InfectedUrls
from gateway.pipeline.loaded import LoadedPlugins, PluginStartError
from gateway.pipeline.plugins import load_plugins
from gateway.pipeline.quarantine import Quarantine
from gateway.pipeline.run import Pipeline
from gateway.plugin_services import PluginServices
from gateway.record.counters import Counters
from gateway.record.recorder import Recorder
from gateway.record.scan_counters import ScanRoom
from gateway.record.tls_counters import LeafCache
from gateway.reload import Generations, Reloaded, ReloadError, StartError, open_listener
from gateway.securing import Securing
from gateway.snapshots import Composer
from gateway.telling import Telling
from gateway.upstreams import Upstreams
from gateway.watches.disks import written_to
from gateway.watches.watching import Watches


class GatewayService(Service):
    """
    The whole gateway as one Twisted service.

    @ivar readiness: what C{/readyz} says.
    @ivar pins: which names apps refuse to be decrypted for.
    @ivar quarantine: keeps refused content.
    @ivar watches: looks after the machine's resources.
    @ivar peers: asks other nodes how they are configured.
    """

    _log = Logger()
    name = "gateway"

    def __init__(
        self,
        config: Config,
        reactor: Any,
        *,
        extra_plugins: dict[str, object] | None = None,
        read: Callable[[], Config] | None = None,
        control: str = "",
    ) -> None:
        """
        Compose; nothing is opened and nothing started.

        @param extra_plugins: plugins beside the installed ones, for tests and embedding. Classes are made anew in a
            reload, objects stay.
        @param read: gives the configuration anew for a reload; C{None}: it is always the same.
        @param control: address of the socket for orders, see L{gateway.admin.control}; empty: none.
        @raise gateway.config.faults.ConfigError: the plugins' settings have faults.
        """
        self.reactor = reactor
        self._telling = Telling(lambda event: self.alarms.take(event), self._event_hook)
        self._state = state_folder(config, os.environ)
        self._restarts = Restarts(self._state)
        self._read = read or (lambda: config)
        self._extra_plugins = extra_plugins
        self._control_address = control
        self.pins = Pins(reactor, self.tell)
        self.pins.follow(automatic=config.tls.pinned_bypass)
        self.counters = Counters()
        self.recorder = Recorder(
            config.log, self.counters, reactor, getattr(reactor, "sends", None)
        )
        self.deadlines = Deadlines(reactor)
        self.readiness = Readiness()
        self._room = Room(config.limits.connections or inf)
        self.listeners = Listeners(reactor)
        self.plugin_services = PluginServices(
            reactor,
            config,
            self.tell,
            deadlines=self.deadlines,
            dialer=lambda: self.upstreams.dialer,
            own=self.listeners.addresses,
            via=lambda: self.generations.now.via,
        )
        self.quarantine = Quarantine(reactor, self._elsewhere, self.tell)
        self.quarantine.follow(config.scan.quarantine)
        prefix = secrets.token_hex(4)
        self._securing = Securing(reactor, self.tell)
        composer = Composer(
            reactor,
            deadlines=self.deadlines,
            recorder=self.recorder,
            own=self.listeners.addresses,
            tell=self.tell,
            load=self._load_plugins,
            room=self._room,
            securing=self._securing,
            pins=self.pins,
            prefix=prefix,
            elsewhere=self._elsewhere,
            quarantine=self.quarantine,
        )
        self.threads = self.plugin_services.threads
        self.alarms: AlarmDesk = self.plugin_services.alarms
        self._control = Control(
            reactor,
            {
                "plugin": self._ordered_of_plugins,
                "reload": self._ordered_to_reload,
                "scan_test": scan_test_order(lambda: self.pipeline, self._elsewhere),
                "scan_urls": scan_urls_order(self._infected_urls),
                "tls_pins": pins_order(self.pins),
                **event_orders(self.alarms),
            },
        )
        self._generations: Generations | None = None
        self._generations = Generations(
            composer, self.listeners, self.tell, config, clock=reactor, follow=self._follow
        )
        self.watches = Watches(
            reactor,
            self.tell,
            self._elsewhere,
            lag=self.recorder.lag,
            crowd=self._room,
            places=lambda: self.listenings,
            folders=self._written_to,
        )
        self._instance = secrets.token_hex(8)
        self._hashed: tuple[Config, str] | None = None
        self.peers = Peers(
            reactor, self.plugin_services.http.for_plugin(), self.tell, self._identity
        )
        self.counters.family_sources.append(self.watches.families)
        self.counters.family_sources.append(self.peers.families)
        self.counters.pool_sources.append(lambda: self.upstreams.pool_use())
        self.counters.family_sources.append(self.plugin_services.families)
        self.counters.hook_sources.append(lambda: self.plugins.hook_ledgers())
        self.counters.number_sources.append(lambda: self.plugins.numbers())
        self.counters.tls.leaves = self._leaves
        self.counters.scans.room = self._scan_room
        self._notifier = Notifier()
        self._watchdog: LoopingCall | None = None
        self._starting: Deferred[None] | None = None
        self._signals = ProcessSignals(
            reactor, hurry=self._hurry, reopen=self.recorder.reopen, reload=self._told_to_reload
        )
        self._idle_until = 0.0

    def _leaves(self) -> LeafCache | None:
        """Give the certificates that are minted now, for the metrics."""
        minting = self.generations.now.minting
        return None if minting is None else minting.mints

    def _scan_room(self) -> ScanRoom | None:
        """Tell what held content takes now, for the metrics."""
        pipeline = self.pipeline
        scanning = pipeline.scanning
        if scanning is None or pipeline.plans.content_need is None:
            return None
        budget = scanning.budget
        return ScanRoom(budget.used, budget.waiting, pipeline.remembered)

    def _written_to(self) -> Mapping[str, str]:
        return written_to(self.config, self._state, holds_content=self._scan_room() is not None)

    def _identity(self) -> Identity:
        """Give what other nodes are told of this one."""
        config = self.config
        if self._hashed is None or self._hashed[0] is not config:
            self._hashed = config, config_hash(config.sources)
        return Identity(
            self._hashed[1], self._instance, config.gateway.name or socket.gethostname()
        )

    def _told_to_peers(self) -> Identity | None:
        return self._identity() if self.config.cluster.peers else None

    # What runs now.

    @property
    def generations(self) -> Generations:
        """The snapshot in use and those before it."""
        assert self._generations is not None
        return self._generations

    @property
    def config(self) -> Config:
        """The configuration in use."""
        return self.generations.now.config

    @property
    def plugins(self) -> LoadedPlugins:
        """The plugins in use."""
        return self.generations.now.plugins

    @property
    def pipeline(self) -> Pipeline:
        """What new transactions begin with."""
        return self.generations.now.pipeline

    @property
    def upstreams(self) -> Upstreams:
        """The way to origins and parents, as new transactions go it."""
        return self.generations.now.upstreams

    @property
    def listenings(self) -> list[Listening]:
        """The listeners of clients that are open."""
        return self.generations.listenings

    def _elsewhere(self, function: Callable[..., Any], /, *args: object) -> Deferred[Any]:
        """Run a call in the pool for the disk."""
        return self.plugin_services.threads.run("disk", function, *args)

    def _infected_urls(self) -> InfectedUrls:
        scanning = self.pipeline.scanning
        assert scanning is not None
        return scanning.infected

    def _load_plugins(self, config: Config, fresh: bool) -> LoadedPlugins:
        return load_plugins(config, self.plugin_services, extra=self._extra_plugins, fresh=fresh)

    def _follow(self, config: Config) -> None:
        """Let what outlives snapshots do as another configuration says."""
        self._room.most = config.limits.connections or inf
        self.recorder.follow(config.log)
        self.plugin_services.follow(config)
        self.pins.follow(automatic=config.tls.pinned_bypass)
        self.quarantine.follow(config.scan.quarantine)
        self._follow_watch(config)

    def _follow_watch(self, config: Config) -> None:
        if self._telling.begun and not self._telling.closing:
            self.watches.follow(config.watch)
            self.peers.follow([str(peer) for peer in config.cluster.peers])

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
        prepare_descriptors(raise_descriptor_limit())
        await self.plugins.start()
        if not self.running:
            # Told to stop meanwhile: nothing may be opened after that.
            return
        self.upstreams.start()
        health = self.config.admin.health
        if health is not None:
            site = admin_site(
                self.readiness, self.recorder.exposition(), self.reactor, self._told_to_peers
            )
            open_listener(self.listeners, "admin.health", health, site, plain=True)
        self.generations.open()
        if self._control_address and self.config.admin.control:
            self._control.open(self._control_address)
        become(self.config.gateway.user, self.config.gateway.group)
        # After that, or the user could not reopen a log that root made. Lines written before are kept.
        self.recorder.start()
        self.quarantine.start()
        self.readiness.add("listeners", self._listeners_down)
        self.readiness.add("plugins", lambda: self.plugins.not_ready())
        self._signals.install()
        self._begin_to_tell()
        self._notifier.tell("READY=1", f"STATUS=gateway {__version__} serves")
        if self._notifier.watchdog_seconds:
            self._watchdog = LoopingCall(self._notifier.tell, "WATCHDOG=1")
            self._watchdog.clock = self.reactor
            self._watchdog.start(self._notifier.watchdog_seconds)
        self._say_hello()

    def _begin_to_tell(self) -> None:
        """Tell of the process before this one, then of what has happened since, and watch."""
        self._telling.begin(self._restarts.begin(tells=self.config.notify.planned_stop))
        self._follow_watch(self.config)

    def _listeners_down(self) -> str | None:
        """Say what is wrong with the listeners, for readiness."""
        missing = [
            listening.name for listening in self.listenings if not self.listeners.is_open(listening)
        ]
        return f"closed: {', '.join(missing)}" if missing else None

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
        said = greeting(
            self.config, self.listenings, self.listeners.text, self.generations.now.cautions
        )
        sys.stdout.write(said)
        sys.stdout.flush()

    # Running.

    def tell(self, event: Event) -> None:
        """Give an event to the log, to the channels and to the plugins; see L{Telling}."""
        self._telling.tell(event)

    def _event_hook(self) -> Callable[[Event], None] | None:
        """Give what tells the plugins in use; while they are being made there are none."""
        generations = self._generations
        return None if generations is None else generations.now.plugins.plans.event

    def reload(
        self,
        read: Callable[[], Config] | None = None,
        *,
        fresh: bool = False,
        dry_run: bool = False,
    ) -> Deferred[Reloaded]:
        """
        Go over to the configuration as it is written now; see L{Generations.reload}.

        @param read: gives another configuration in its place.
        @return: fails with L{ReloadError<gateway.reload.ReloadError>} if nothing has changed.
        """
        return ensureDeferred(
            self.generations.reload(read or self._read, fresh=fresh, dry_run=dry_run)
        )

    def _told_to_reload(self) -> None:
        """Reload, and open the logs anew, for whoever rotates them by SIGHUP; how it ended is in the log."""
        self.recorder.reopen()
        if self.running:
            self._notifier.tell_reloading()
            self.reload().addErrback(lambda _: None).addBoth(
                lambda _: self._notifier.tell("READY=1")
            )

    async def _ordered_of_plugins(self, said: Mapping[str, Any]) -> Answer:
        """Let the plugin that knows an order carry it out."""
        name, details = said.get("name"), said.get("said")
        if not isinstance(name, str) or not isinstance(details, dict):
            return {"ok": False, "why": "the order has no name"}
        plan = self.plugins.plans.order
        answer = None if plan is None else plan(name, details)
        if isinstance(answer, CoroutineType):
            answer = await answer
        if answer is None:
            return {"ok": False, "why": "no plugin that is enabled knows this order"}
        given = dict(answer)
        try:
            json.dumps(given)
        except (TypeError, ValueError):
            self._log.error("the answer to the order {name} can't be sent", name=name)
            return {"ok": False, "why": "the plugin's answer can't be sent"}
        why = given.pop("why", "")
        return {"ok": not why, "why": str(why or ""), "answer": given}

    async def _ordered_to_reload(self, said: Mapping[str, Any]) -> Answer:
        dry_run = bool(said.get("dry_run"))
        if not dry_run:
            self.recorder.reopen()
        try:
            done = await self.reload(fresh=bool(said.get("fresh")), dry_run=dry_run)
        except ReloadError as error:
            faults = [{"text": str(fault)} for fault in error.faults]
            return {"ok": False, "why": str(error), "faults": faults, "changes": []}
        changes = [
            {"path": change.path, "effect": change.effect, "text": str(change)}
            for change in done.changes
        ]
        cautions = [{"text": str(caution)} for caution in done.cautions]
        return {"ok": True, "why": "", "faults": [], "changes": changes, "cautions": cautions}

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
        self.watches.stop()
        self.peers.stop()
        self._restarts.stopping(self.tell, tells=self.config.notify.planned_stop)
        generations = self.generations
        generations.stop()
        self._control.close()
        await self.listeners.close_clients()
        for listening in generations.with_connections:
            listening.drain()
        await self._idle(self.config.timeouts.drain)
        for listening in generations.with_connections:
            listening.abort()
        await self._idle(1.0)
        if self._watchdog is not None:
            self._watchdog.stop()
        self._telling.closing = True
        generations.stop_upstreams()
        self._securing.stop()
        await self.listeners.close_all()
        # Before the plugins, which are what it tells by.
        await self.alarms.stop()
        await generations.stop_plugins()
        await self.quarantine.stop()
        await self.plugin_services.close()
        self.pins.stop()
        self.recorder.stop()
        self._restarts.end()
        self._signals.restore()

    async def _idle(self, seconds: float) -> None:
        """Wait until no client connection is open, for so long at the most."""
        self._idle_until = self.reactor.seconds() + seconds
        while any(listening.connections for listening in self.generations.with_connections):
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
