"""
The whole configuration: every table of the file, and what is put together from several of them.

The tables are in L{gateway.config.sections}.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from gateway.config.addresses import Listen
from gateway.config.kind import Help, Hidden
from gateway.config.layers import Sources
from gateway.config.sections.forward import Forward
from gateway.config.sections.general import Admin, Gateway
from gateway.config.sections.limits import Limits, Timeouts
from gateway.config.sections.log import Log
from gateway.config.sections.network import Network
from gateway.config.sections.notify import Notify
from gateway.config.sections.plugins import Plugins
from gateway.config.sections.scan import Scan
from gateway.config.sections.section import Section
from gateway.config.sections.site import Site
from gateway.config.sections.threads import Threads
from gateway.config.sections.tls import Tls
from gateway.config.sections.watch import Cluster, Watch


class Config(Section, frozen=True, kw_only=True):
    """A whole configuration; immutable, so that a running transaction keeps the one it began with."""

    later: ClassVar[tuple[str, ...]] = (
        "transparent",
        "icap",
        "rule",
        "reputation",
        "smartscan",
        "console",
    )

    gateway: Annotated[Gateway, Help("The gateway as a whole.")] = Gateway()
    forward: Annotated[Forward | None, Help("The forward proxy.")] = Forward()
    """None when no forward proxy runs."""
    site: Annotated[tuple[Site, ...], Help("The reverse proxy.")] = ()
    tls: Annotated[Tls, Help("TLS.")] = Tls()
    limits: Annotated[Limits, Help("Bounds.")] = Limits()
    timeouts: Annotated[Timeouts, Help("Waiting times.")] = Timeouts()
    network: Annotated[Network, Help("Addresses, ports and names.")] = Network()
    scan: Annotated[Scan, Help("Content that plugins want whole.")] = Scan()
    log: Annotated[Log, Help("Logs.")] = Log()
    notify: Annotated[Notify, Help("Alarms.")] = Notify()
    threads: Annotated[Threads, Help("Threads.")] = Threads()
    plugins: Annotated[Plugins, Help("Plugins.")] = Plugins()
    admin: Annotated[Admin, Help("Health and metrics.")] = Admin()
    watch: Annotated[Watch, Help("Resources.")] = Watch()
    cluster: Annotated[Cluster, Help("Other nodes.")] = Cluster()
    sources: Annotated[Sources, Hidden()] = Sources()
    """Where each value stood, for later faults; no part of what the configuration means."""

    @property
    def reverse_listeners(self) -> tuple[tuple[Listen, tuple[Site, ...]], ...]:
        """Each listener of the reverse proxy with the sites that share it, in the order of the file."""
        shared: dict[Listen, list[Site]] = {}
        for site in self.site:
            for place in site.listen:
                shared.setdefault(place, []).append(site)
        return tuple((place, tuple(sites)) for place, sites in shared.items())
