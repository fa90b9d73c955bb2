"""C{gateway ports}: every listener and every destination of a configuration, for whoever keeps the firewall."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TextIO

from gateway.cli.command import (
    DONE,
    FAULTY,
    add_config,
    add_json,
    overrides,
    show_config_error,
    write_json,
    write_table,
)
from gateway.config.addresses import Listen, Nameserver
from gateway.config.faults import ConfigError
from gateway.config.load import load
from gateway.config.networks import is_address
from gateway.config.schema import Config

NAME = "ports"
SUMMARY = "list the ports that a configuration listens on and connects to"
DESCRIPTION = """\
Lists what a gateway with this configuration listens on and what it connects to, with protocol and port.
Nothing is started or connected to."""
EXAMPLES = """
  gateway ports --config /etc/gateway/gateway.toml
      a table of both directions
  gateway ports --config gateway.toml --json
      the same for a program
"""
EXIT_CODES = {DONE: "listed", FAULTY: "the configuration has faults, or a wrong command line"}

RESOLV_CONF = "/etc/resolv.conf"


@dataclass(frozen=True, slots=True)
class Line:
    """One row: something that a firewall has to let pass."""

    direction: str
    """C{in} or C{out}."""
    protocol: str
    """C{tcp}, C{udp} or C{unix}."""
    address: str
    """An address, a host name, a path, or C{any}."""
    port: str
    """Numbers and ranges, C{any}, or empty for a unix socket."""
    purpose: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_config(parser)
    add_json(parser)


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Load the configuration and list."""
    try:
        config = load(options.config, overrides(options))
    except ConfigError as error:
        return show_config_error(error, options, out, err)
    found = [*listeners(config), *destinations(config, system_nameservers(RESOLV_CONF))]
    if options.json:
        write_json(out, {"ok": True, "ports": [asdict(line) for line in found]})
    else:
        rows = (
            (line.direction, line.protocol, line.address, line.port, line.purpose) for line in found
        )
        write_table(out, [("", "protocol", "address", "port", "purpose"), *rows])
    return DONE


def listeners(config: Config) -> Iterator[Line]:
    """List what the gateway listens on."""
    if config.forward is not None:
        for place in config.forward.listen:
            yield _listener(place, "forward proxy")
    for place, sites in config.reverse_listeners:
        names = dict.fromkeys(host for site in sites for host in site.host)
        yield _listener(place, f"reverse proxy for {', '.join(names)}")
    if config.admin.health is not None:
        yield _listener(config.admin.health, "health and metrics")


def destinations(config: Config, system: tuple[Nameserver, ...]) -> Iterator[Line]:
    """
    List what the gateway connects to.

    @param system: the name servers asked when the configuration names none.
    """
    hosts: list[str] = []
    if config.forward is not None:
        for parent in config.forward.parent:
            purpose = f"parent proxy for {', '.join(parent.for_)}"
            yield Line("out", "tcp", parent.host, str(parent.port), purpose)
            hosts.append(parent.host)
        if not any(
            "*" in parent.for_.patterns and not parent.no_proxy for parent in config.forward.parent
        ):
            guarded = "but loopback, link-local and this gateway itself"
            if config.forward.deny_destinations:
                guarded += f", {', '.join(map(str, config.forward.deny_destinations))}"
            if config.forward.allow_destinations:
                guarded += f"; also {', '.join(map(str, config.forward.allow_destinations))}"
            yield Line("out", "tcp", "any", "any", f"http requests, {guarded}")
            yield Line(
                "out", "tcp", "any", str(config.forward.connect_ports), f"tunnels, {guarded}"
            )
        hosts.append("any")
    for index, site in enumerate(config.site):
        for origin in site.origins:
            checks = f", checked every {site.health.every:g} s" if site.health.path else ""
            yield Line(
                "out", "tcp", origin.host, str(origin.port), f"origin of site[{index}]{checks}"
            )
            hosts.append(origin.host)
    for peer in config.cluster.peers:
        yield Line("out", "tcp", peer.host, str(peer.port), "a node of cluster.peers")
        hosts.append(peer.host)
    # A proxy that meets addresses only never asks for a name.
    if not all(is_address(host) for host in hosts):
        for server in config.network.nameservers or system:
            for protocol in ("udp", "tcp"):
                yield Line("out", protocol, server.address, str(server.port), "names (DNS)")


def system_nameservers(path: str) -> tuple[Nameserver, ...]:
    """Read the name servers of the system (resolv.conf(5)); none when the file cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            words = [line.split() for line in stream]
    except OSError:
        return ()
    addresses = (
        word[1].partition("%")[0] for word in words if len(word) > 1 and word[0] == "nameserver"
    )
    return tuple(Nameserver(address) for address in addresses if is_address(address))


def _listener(place: Listen, purpose: str) -> Line:
    if place.max_connections:
        purpose += f", at most {place.max_connections} connections"
    if place.proxy_protocol:
        purpose += ", PROXY protocol"
    if place.kind == "tcp":
        return Line("in", "tcp", place.address, str(place.port), purpose)
    if place.kind == "unix":
        return Line("in", "unix", place.address, "", purpose)
    return Line("in", "tcp", f"systemd socket {place.index}", "as in the socket unit", purpose)
