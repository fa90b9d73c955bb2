"""
One state of the configuration and all that follows from it: plugins, call plans, routes, listeners.

A snapshot is made whole before anything of it is used and does not change afterwards. A running transaction keeps the
pipeline and the upstream of the one it began with, so no verdict is ever made of two.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.api.events import Event
from gateway.api.transaction import Client
from gateway.config.addresses import Listen
from gateway.config.cautions import cautions
from gateway.config.faults import Fault
from gateway.config.schema import Config
from gateway.config.sections.site import Site
from gateway.message.via import Via
from gateway.modes.client import ClientConnection
from gateway.modes.decryption import Decryption
from gateway.modes.discarding import Discarding
from gateway.modes.http2_only import Http2Only
from gateway.modes.interception import Interception
from gateway.modes.listening import Listening, Room, Times, ids
from gateway.modes.preface import ProxiedConnection
from gateway.modes.secured import SecuredConnection
from gateway.net.deadlines import Deadlines
from gateway.net.minting import Minting
from gateway.net.pins import Pins
from gateway.net.termination import Termination
from gateway.net.upstream_sides import UpstreamSides
from gateway.pipeline.loaded import LoadedPlugins
from gateway.pipeline.quarantine import Quarantine
from gateway.pipeline.refreshing import Refreshing
from gateway.pipeline.run import Pipeline
from gateway.pipeline.scan_means import Scanning
from gateway.pipeline.stored import Elsewhere
from gateway.record.recorder import Recorder
from gateway.securing import Securing
from gateway.upstreams import Upstreams
from gateway.wire.limits import HeadLimits


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """
    What one configuration amounts to.

    @ivar listenings: each place where clients connect, with what their connections share. In a reload one whose place
        is open already is only read: the listening of that place takes over what it says.
    @ivar secured: the TLS of those that have some, by place.
    @ivar minting: where certificates in others' names come from; C{None}: none is made.
    @ivar cautions: settings that are probably not meant, the plugins' after the gateway's own; on files that they name only
        in the first snapshot.
    """

    config: Config
    via: Via
    plugins: LoadedPlugins
    pipeline: Pipeline
    upstreams: Upstreams
    listenings: tuple[tuple[Listen, Listening], ...]
    secured: Mapping[str, Termination]
    minting: Minting | None
    cautions: tuple[Fault, ...]


class Composer:
    """Makes the snapshots of one process; what outlives them comes from outside."""

    def __init__(
        self,
        reactor: Any,
        *,
        deadlines: Deadlines,
        recorder: Recorder,
        own: Callable[[], Collection[tuple[str, int]]],
        tell: Callable[[Event], None],
        load: Callable[[Config, bool], LoadedPlugins],
        room: Room,
        securing: Securing,
        pins: Pins,
        prefix: str,
        elsewhere: Elsewhere,
        quarantine: Quarantine,
    ) -> None:
        """
        Keep what all snapshots share.

        @param own: gives the addresses of our own listeners, for the guard.
        @param load: makes the plugins of a configuration; of their packages' code as it is on disk now, if told so.
        @param room: counts the client connections of all listeners.
        @param prefix: of the ids of transactions, and of the gateway's name if it has none.
        @param elsewhere: reads from a disk in a thread.
        """
        self._reactor = reactor
        self._deadlines = deadlines
        self._recorder = recorder
        self._own = own
        self._tell = tell
        self._load = load
        self._room = room
        self._securing = securing
        self._pins = pins
        self._prefix = prefix
        self._next_id = ids(prefix)
        self._elsewhere = elsewhere
        self._quarantine = quarantine

    def compose(
        self,
        config: Config,
        before: Snapshot | None = None,
        *,
        fresh: bool = False,
        rehearses: bool = False,
    ) -> Snapshot:
        """
        Make a snapshot; nothing is opened or started.

        @param before: the one that it is to follow, whose kept connections it may go on using.
        @param fresh: read the code of the plugins' packages anew.
        @param rehearses: only to see whether it can be made: it must not be used, and nothing is written for it.
        @raise gateway.config.faults.ConfigError: what only making it shows: plugins' settings, source ports.
        """
        plugins = self._load(config, fresh)
        via = Via(config.gateway.name or f"gateway-{self._prefix}")
        scanning = Scanning.of(
            config.scan,
            self._reactor,
            self._tell,
            None if before is None else before.pipeline.scanning,
            self._quarantine,
            self._recorder.counters.scans,
        )
        pipeline = Pipeline(
            plugins.plans,
            self._recorder,
            via,
            scanning=scanning,
            refreshing=Refreshing(self._next_id, self._reactor),
            clock=self._reactor,
            elsewhere=self._elsewhere,
            tell=self._tell,
        )
        limits = HeadLimits(
            head=config.limits.head,
            target=config.limits.target,
            fields=config.limits.fields,
            trailers=config.limits.trailers,
        )
        securing = self._securing.rehearsal() if rehearses else self._securing
        minting = securing.interception(config, None if before is None else before.minting)
        sides = securing.upstreams(config)
        interception = self._interception(config, plugins, minting, sides)
        upstreams = Upstreams(
            config,
            self._reactor,
            self._deadlines,
            via,
            limits,
            own=self._own,
            tell=self._tell,
            before=None if before is None else before.upstreams,
            judged=plugins.plans.upstream_connected is not None,
            side=None if sides is None else sides.side,
            interception=interception,
            published=None if minting is None else minting.authority.published,
        )
        secured = self._secured(config, securing, {} if before is None else before.secured)
        listenings = tuple(
            (
                listen,
                self._listening(config, listen, mode, pipeline, limits, secured.get(str(listen))),
            )
            for listen, mode in upstreams.modes()
        )
        return Snapshot(
            config,
            via,
            plugins,
            pipeline,
            upstreams,
            listenings,
            secured,
            minting,
            # A reload has read all certificates already, twice; meanwhile traffic waits.
            (*cautions(config, with_files=before is None), *plugins.cautions),
        )

    def _interception(
        self,
        config: Config,
        plugins: LoadedPlugins,
        minting: Minting | None,
        sides: UpstreamSides | None,
    ) -> Interception | None:
        """Make what looks into tunnels, if there is anything to look for."""
        asked = plugins.plans.client_hello is not None
        if minting is None and not asked and config.tls.on_unknown_protocol == "tunnel":
            return None
        rules = Decryption(config.tls, asked=asked, bypassed=self._pins.bypassed)
        return Interception(
            rules,
            minting,
            sides,
            pins=self._pins,
            counts=self._recorder,
            http2_only=Http2Only(self._reactor.seconds, self._tell),
            excepted=frozenset(one.host for one in config.tls.exceptions).__contains__,
        )

    def _secured(
        self, config: Config, securing: Securing, before: Mapping[str, Termination]
    ) -> dict[str, Termination]:
        """Make the TLS of each listener that has some, by its place."""
        places: list[tuple[Listen, Sequence[Site]]] = list(config.reverse_listeners)
        if config.forward is not None:
            places += [(listen, ()) for listen in config.forward.listen]
        found = {}
        for listen, sites in places:
            name = str(listen)
            made = securing.listener(config, listen, sites, before.get(name))
            if made is not None:
                found[name] = made
        return found

    def _listening(
        self,
        config: Config,
        listen: Listen,
        mode: Any,
        pipeline: Pipeline,
        limits: HeadLimits,
        secure: Termination | None,
    ) -> Listening:
        times = config.timeouts
        return Listening(
            str(listen),
            mode,
            pipeline,
            deadlines=self._deadlines,
            next_id=self._next_id,
            limits=limits,
            times=Times(
                times.request_head,
                times.client_idle,
                times.inactivity,
                times.tunnel or float("inf"),
            ),
            upload_limit=config.limits.upload,
            trusted=config.network.trusted_proxies,
            shared=config.network.shared_networks
            if config.network.shared_networks.networks
            else (),
            traffic=self._recorder,
            connection=_entry(listen, secure),
            secure=secure,
            room=self._room,
            max_connections=listen.max_connections,
            discarding=Discarding(
                config.limits.discard, config.limits.discard_in_handshake, times.discard
            ),
        )


def _entry(listen: Listen, secure: Termination | None) -> Callable[[Listening, Client], Any]:
    """Choose who talks to a client first."""
    if listen.proxy_protocol:
        return ProxiedConnection
    return ClientConnection if secure is None else SecuredConnection
