"""
Everything on the far side of the gateway, composed: names, dialling, pools, sites and their health.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterator
from typing import Any

from gateway.api.events import Event, Severity
from gateway.config.addresses import Listen
from gateway.config.faults import ConfigError
from gateway.config.schema import Config
from gateway.message.via import Via
from gateway.modes.balance import Pool as Origins
from gateway.modes.forward import ForwardMode
from gateway.modes.health import HealthChecks, dialing
from gateway.modes.mode import Mode
from gateway.modes.origins import OriginState
from gateway.modes.reverse import ReverseMode, RunningSite
from gateway.modes.sites import SiteTable
from gateway.modes.sticky import origin_id
from gateway.net.deadlines import Deadlines
from gateway.net.dial import Dialer
from gateway.net.guard import Guard
from gateway.net.hosts import Hosts
from gateway.net.nameservers import NameServers
from gateway.net.resolver import Resolver
from gateway.net.source_ports import source_ports
from gateway.net.upstream import Pool
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
    ) -> None:
        """
        Compose; nothing is opened.

        @param own: gives the addresses of our own listeners, for the guard.
        @param tell: is told when an origin goes down or comes back.
        @raise ConfigError: no source port is left.
        """
        network = config.network
        self._config = config
        self._tell = tell
        self._via = via
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
        self.pool = Pool(deadlines, idle_seconds=config.timeouts.upstream_idle, limits=limits)
        # Without a kept secret clients are distributed anew after a restart; nothing else depends on it.
        key = secrets.token_bytes(32)
        self.sites: list[RunningSite] = []
        self.checks: list[HealthChecks] = []
        connect = dialing(self.dialer, config.timeouts.connect)
        for site in config.site:
            origins = Origins.of(site, reactor, lambda address: origin_id(address, key))
            origins.on_change = self._changed(origins.name)
            upload = config.limits.upload if site.upload < 0 else site.upload
            self.sites.append(RunningSite(site, origins, key, upload))
            if site.health.path:
                name = site.host[0]
                host = name if "*" not in name else str(site.origins[0]).partition("://")[2]
                self.checks.append(HealthChecks(origins, site.health, connect, reactor, host=host))

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
            )
            for listen in forward.listen:
                yield listen, mode
        table = SiteTable(self.sites)
        for listen, _ in config.reverse_listeners:
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
                ),
            )

    def start(self) -> None:
        """Begin the health checks."""
        for check in self.checks:
            check.start()

    def stop(self) -> None:
        """End health checks, waiting requests, kept connections and look-ups."""
        for check in self.checks:
            check.stop()
        for site in self.sites:
            site.origins.close()
        self.pool.close()
        self.resolver.close()

    def pool_use(self) -> list[PoolUse]:
        """Say what the connections do, for the metrics."""
        idle = self.pool.idle
        used = [PoolUse("all", idle, len(self.pool) - idle, 0)]
        for site in self.sites:
            busy = sum(state.open for state in site.origins.origins)
            used.append(PoolUse(f"site {site.name}", 0, busy, site.origins.queue.waiting))
        return used

    def _changed(self, site: str) -> Callable[[OriginState, str], None]:
        def changed(state: OriginState, why: str) -> None:
            name, severity = (
                ("origin_up", Severity.INFO) if state.up else ("origin_down", Severity.WARNING)
            )
            self._tell(
                Event(
                    name,
                    severity,
                    f"origin {state.address} of site {site}: {why}",
                    subject=state.address,
                )
            )

        return changed
