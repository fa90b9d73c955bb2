"""
Cautions: settings that are valid, do what they say, and are probably not meant.

C{gateway check} shows them; none of them keeps the gateway from starting.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from gateway.config.addresses import Listen
from gateway.config.faults import Fault, nearest
from gateway.config.networks import Network, NetworkSet
from gateway.config.schema import Config
from gateway.config.tls import uses_tls

_LOOPBACK = NetworkSet.of("127.0.0.0/8", "::1")


def cautions(config: Config, *, with_files: bool = True) -> list[Fault]:
    """
    List what the person who wrote the configuration should look at again.

    @param with_files: also what shows only in the files that it names, such as certificates; of a thousand of those it
        takes a tenth of a second.
    """
    return [
        *_forward(config),
        *_proxy_protocol(config),
        *_admin(config),
        *_plugins(config),
        *_quarantine(config, with_files),
        *_tls(config, with_files),
        *_cluster(config),
    ]


def _forward(config: Config) -> Iterator[Fault]:
    if config.forward is None:
        return
    forward, fault = config.forward, config.sources.fault
    open_to_others = [place for place in forward.listen if not place.is_local]
    if open_to_others:
        where = ", ".join(map(str, open_to_others))
        wide = [network for network in forward.allow_from if _is_the_internet(network)]
        if wide:
            yield fault(
                ("forward", "allow_from"),
                f"{wide[0]} makes an open proxy of {where}: anybody who reaches it can use it",
                "name your own networks",
            )
        elif all(str(network.network_address) in _LOOPBACK for network in forward.allow_from):
            yield fault(
                ("forward", "allow_from"),
                f"{where} can be reached by others, but only this machine may use it",
                'name the networks of your clients, such as allow_from = ["10.0.0.0/8"]',
            )
        for network in forward.allow_destinations:
            if str(network.network_address) in _LOOPBACK or _is_the_internet(network):
                yield fault(
                    ("forward", "allow_destinations"),
                    f"{network} lets clients reach services of the gateway's own machine",
                )
    for index, parent in enumerate(forward.parent):
        if parent.open_password:
            yield fault(
                ("forward", "parent", index),
                "the password stands in the file for all its readers",
                'user = "...", password = { file = "..." }',
            )


def _proxy_protocol(config: Config) -> Iterator[Fault]:
    fault, trusted = config.sources.fault, config.network.trusted_proxies
    for network in trusted:
        if network.prefixlen == 0:
            yield fault(
                ("network", "trusted_proxies"),
                f"{network} lets every client claim any address",
                "name your proxies",
            )
    if not trusted:
        for path, place in _listeners(config):
            if place.proxy_protocol and place.kind == "tcp":
                yield fault(
                    path,
                    f"{place} closes every connection: no proxy is trusted to send the PROXY "
                    "protocol",
                    "name the load balancers in network.trusted_proxies",
                )


def _admin(config: Config) -> Iterator[Fault]:
    health = config.admin.health
    if health is not None and not health.is_local:
        yield config.sources.fault(
            ("admin", "health"),
            f"{health} shows health and metrics to everybody who reaches it",
            "guard it by a firewall",
        )


def _plugins(config: Config) -> Iterator[Fault]:
    fault, enabled = config.sources.fault, config.plugins.enabled
    for name in config.plugins.tables:
        if name not in enabled:
            near = nearest(name, enabled)
            yield fault(
                ("plugins", name),
                f"has no effect: {name} is not in plugins.enabled",
                f'did you mean "{near}"?' if near else f'add "{name}" to plugins.enabled',
            )
    if "upload_limit" not in enabled and (
        config.limits.upload or any(site.upload for site in config.site)
    ):
        yield fault(
            ("plugins", "enabled"),
            "no upload is limited: upload_limit is not among the plugins",
            'add "upload_limit"',
        )


def _quarantine(config: Config, with_files: bool) -> Iterator[Fault]:
    path = config.scan.quarantine.path
    if with_files and path:
        above = os.path.dirname(os.path.abspath(path))
        if not os.path.isdir(above):
            yield config.sources.fault(
                ("scan", "quarantine", "path"),
                f"nothing can be kept: there is no folder {above}",
                "make it, and give it to the user of the gateway",
            )


def _cluster(config: Config) -> Iterator[Fault]:
    if not config.cluster.peers:
        return
    health = config.admin.health
    if health is None or health.is_local:
        yield config.sources.fault(
            ("cluster", "peers"),
            "no other node can ask this one how it is configured: "
            + ("admin.health is off" if health is None else f"admin.health is {health}"),
            "let admin.health listen on an address that the other nodes reach, and no others",
        )


def _tls(config: Config, with_files: bool) -> Iterator[Fault]:
    if uses_tls(config):
        from gateway.config import tls_checks  # only those who use TLS pay for its libraries

        yield from tls_checks.cautions(config, with_files=with_files)


def _listeners(config: Config) -> Iterator[tuple[tuple[str | int, ...], Listen]]:
    if config.forward is not None:
        for index, place in enumerate(config.forward.listen):
            yield ("forward", "listen", index), place
    for number, site in enumerate(config.site):
        for index, place in enumerate(site.listen):
            yield ("site", number, "listen", index), place


def _is_the_internet(network: Network) -> bool:
    """Tell whether a network is too large to be anybody's own."""
    return network.prefixlen < (8 if network.version == 4 else 16) and not network.is_private
