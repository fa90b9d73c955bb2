"""
Everything on the far side of the gateway, composed: names, dialling, pools, sites and their health.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from gateway.api.events import Event
from gateway.config.addresses import Listen
from gateway.config.faults import ConfigError
from gateway.config.schema import Config
from gateway.config.sections.site import Site
from gateway.config.tls import listener_tls
from gateway.message.via import Via
from gateway.modes.balance import Pool as Origins
from gateway.modes.forward import ForwardMode
from gateway.modes.health import HealthChecks, dialing
from gateway.modes.interception import Interception
from gateway.modes.mode import Mode
from gateway.modes.outages import Outages
from gateway.modes.reverse import ReverseMode
from gateway.modes.running_site import RunningSite
from gateway.modes.sites import SiteTable
from gateway.modes.sticky import origin_id
from gateway.net.deadlines import Deadlines
from gateway.net.dial import Dialer
from gateway.net.guard import Guard
from gateway.net.hosts import Hosts
from gateway.net.nameservers import NameServers
from gateway.net.pool import Pool
from gateway.net.resolver import Resolver
from gateway.net.source_ports import source_ports
from gateway.net.upstream_tls import Side
from gateway.pipeline.ca_formats import PublishedCa
from gateway.record.counters import PoolUse
from gateway.wire.limits import HeadLimits


class Upstreams:
    """
    What modes need to reach anything.

    @ivar pool: connections to all next hops.
    @ivar sites: the reverse proxy's.
    """

    def __init__(
        self,
        config: Config,
        reactor: Any,
        deadlines: Deadlines,
        via: Via,
        limits: HeadLimits,
        *,
        own: Callable[[], Collection[tuple[str, int]]],
        tell: Callable[[Event], None],
        before: Upstreams | None = None,
        judged: bool = False,
        side: Callable[[str], Side] | None = None,
        interception: Interception | None = None,
        published: Callable[[], Sequence[PublishedCa]] | None = None,
    ) -> None:
        """
        Compose; nothing is opened.

        @param own: gives the addresses of our own listeners, for the guard.
        @param tell: is told when an origin goes down or comes back.
        @param before: of the configuration that this one follows: where both say the same of the network, kept
            connections and looked-up names go on being used, and so does what is known of the origins of a site that
            stayed as it was.
        @param judged: plugins judge each connection when it is made (C{upstream_connected}): one that others have let
            pass before is not used again.
        @param side: makes our side of TLS with an upstream of this name; needed if the configuration has https ones.
        @param interception: looks into the forward proxy's tunnels; C{None}: nobody does.
        @param published: gives the CA's certificates for clients to install; C{None}: there is no CA.
        @raise ConfigError: no source port is left.
        """
        self._side = side
        self._interception = interception
        self._published = published
        self._config = config
        self._reactor = reactor
        self._outages: Outages = Outages(tell) if before is None else before._outages
        self._via = via
        self.resolver: Resolver
        self.dialer: Dialer
        self.pool: Pool
        # Without a kept secret clients are distributed anew after a restart; nothing else depends on it.
        self._key: bytes = secrets.token_bytes(32) if before is None else before._key
        if before is not None and _network_of(before._config) == _network_of(config):
            self.resolver = before.resolver
            self.dialer = before.dialer
            self.pool = self._pool(deadlines, limits) if judged else before.pool
        else:
            self._reach_out(deadlines, limits, own)
        self.sites: list[RunningSite] = []
        self.checks: dict[RunningSite, HealthChecks] = {}
        for site in config.site:
            kept = None
            if before is not None and before.dialer is self.dialer:
                kept = before._running(site, self.sites)
            self._add(site, kept, before)

    def _reach_out(
        self,
        deadlines: Deadlines,
        limits: HeadLimits,
        own: Callable[[], Collection[tuple[str, int]]],
    ) -> None:
        """Make what names are looked up and connections made with."""
        config = self._config
        reactor = self._reactor
        network = config.network
        servers = NameServers(
            reactor, [(server.address, server.port) for server in network.nameservers]
        )
        hosts = Hosts((network.hosts_file, "/etc/hosts"), reactor)
        self.resolver = Resolver(reactor, servers, hosts, budget_seconds=config.timeouts.resolve)
        guard = None
        if config.forward is not None:
            guard = Guard(config.forward.allow_destinations, config.forward.deny_destinations, own)
        try:
            ports = source_ports(network.source_ports, network.exclude_ports)
        except ValueError:
            # Only here is it known which range the system has.
            what = "no port of the system's range is left once exclude_ports are taken out"
            fault = config.sources.fault(
                ("network", "exclude_ports"), what, "say source_ports, or exclude fewer"
            )
            raise ConfigError([fault]) from None
        self.dialer = Dialer(reactor, self.resolver, guard, ports, deadlines)
        self.pool = self._pool(deadlines, limits)

    def _pool(self, deadlines: Deadlines, limits: HeadLimits) -> Pool:
        idle = self._config.timeouts.upstream_idle
        keys = self._config.limits.kept_upstreams
        return Pool(deadlines, idle_seconds=idle, keys=keys, limits=limits)

    def _running(self, site: Site, taken: Collection[RunningSite]) -> RunningSite | None:
        """Find a site that runs with these very settings."""
        for running in self.sites:
            if running.site == site and running not in taken:
                return running
        return None

    def _add(self, site: Site, kept: RunningSite | None, before: Upstreams | None) -> None:
        """Take a site over from before, or make it."""
        if kept is not None and before is not None:
            self.sites.append(kept)
            if kept in before.checks:
                self.checks[kept] = before.checks[kept]
            return
        key = self._key
        origins = Origins.of(site, self._reactor, lambda address: origin_id(address, key))
        self._outages.watch(origins, site.host[0] + site.path.rstrip("/"))
        upload = self._config.limits.upload if site.upload < 0 else site.upload
        made = RunningSite(site, origins, key, upload)
        self.sites.append(made)
        if site.health.path:
            name = site.host[0]
            host = name if "*" not in name else str(site.origins[0]).partition("://")[2]
            connect = dialing(
                self.dialer, self._config.timeouts.connect, self._side, site.verify_host
            )
            checks = HealthChecks(origins, site.health, connect, self._reactor, host=host)
            self.checks[made] = checks

    def modes(self) -> Iterator[tuple[Listen, Mode]]:
        """Give each listener of clients with its mode."""
        config = self._config
        trusted = config.network.trusted_proxies
        connect = config.timeouts.connect
        if config.forward is not None:
            forward = config.forward
            mode = ForwardMode(
                self.dialer,
                self.pool,
                self._via,
                allow_from=forward.allow_from,
                connect_ports=forward.connect_ports,
                parents=forward.parent,
                xff=config.network.xff,
                trusted=trusted,
                connect_seconds=connect,
                side=self._side,
                interception=self._interception,
                published=self._published,
            )
            for listen in forward.listen:
                yield listen, mode
        table = SiteTable(self.sites)
        for listen, sites in config.reverse_listeners:
            hosts = table.at(str(listen))
            assert hosts is not None
            yield (
                listen,
                ReverseMode(
                    self.dialer,
                    self.pool,
                    self._via,
                    hosts,
                    trusted=trusted,
                    forwarded=config.network.forwarded,
                    connect_seconds=connect,
                    secure=listener_tls(listen, sites) is not None,
                    side=self._side,
                ),
            )

    def start(self, before: Upstreams | None = None) -> None:
        """Begin the health checks, but those that go on from before."""
        going = () if before is None else before.checks
        for site, check in self.checks.items():
            if site not in going:
                check.start()

    def give_way(self, after: Upstreams) -> None:
        """End what the next configuration does not go on with: health checks, outages; and keep no connection for it."""
        for site, check in self.checks.items():
            if site not in after.checks:
                check.stop()
        self._outages.leave(site.origins for site in self.sites if site not in after.sites)
        if self.pool is not after.pool:
            self.pool.retire()

    def stop(self, living: Collection[Upstreams] = ()) -> None:
        """
        End health checks, waiting requests, kept connections and look-ups, when nothing uses them any more.

        @param living: of other configurations that are in use, which keep what is theirs too.
        """
        for site, check in self.checks.items():
            if not any(site in other.checks for other in living):
                check.stop()
        for site in self.sites:
            if not any(site in other.sites for other in living):
                site.origins.close()
        if not any(self.pool is other.pool for other in living):
            self.pool.close()
        if not any(self.resolver is other.resolver for other in living):
            self.resolver.close()

    def pool_use(self) -> list[PoolUse]:
        """Say what the connections do, for the metrics."""
        idle = self.pool.idle
        used = [PoolUse("all", idle, len(self.pool) - idle, 0)]
        for site in self.sites:
            busy = sum(state.open for state in site.origins.origins)
            used.append(PoolUse(f"site {site.name}", 0, busy, site.origins.queue.waiting))
        return used


def _network_of(config: Config) -> tuple[object, ...]:
    """Give all that decides how connections are made and which of them may be used again."""
    forward = config.forward
    guard = None if forward is None else (forward.allow_destinations, forward.deny_destinations)
    limits, times = config.limits, config.timeouts
    heads = limits.head, limits.target, limits.fields, limits.trailers
    waits = times.connect, times.resolve, times.upstream_idle, limits.kept_upstreams
    return config.network, waits, heads, guard, config.tls
