"""C{[network]}: addresses, ports and names."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from gateway.config.addresses import Nameserver, nameserver
from gateway.config.kind import Help
from gateway.config.kinds.sets import Networks, Ports
from gateway.config.kinds.texts import FilePath, TextKind
from gateway.config.networks import NetworkSet
from gateway.config.ports import PortSet
from gateway.config.sections.section import Section

Xff: TypeAlias = Literal["append", "delete", "keep"]


class Network(Section, frozen=True, kw_only=True):
    """Addresses, ports and names."""

    shared_networks: Annotated[
        Networks,
        Help(
            "Networks in which several people are behind one address: terminal servers, address translation, "
            "VPN gateways. Nobody is taken for somebody else because of such an address.",
            '["10.9.0.0/16"]',
        ),
    ] = NetworkSet()
    trusted_proxies: Annotated[
        Networks,
        Help(
            "Proxies and load balancers in front of the gateway. A PROXY protocol header, "
            "X-Forwarded-For and Forwarded are "
            "believed from them only.",
            '["10.0.0.5"]',
        ),
    ] = NetworkSet()
    xff: Annotated[
        Xff,
        Help(
            'What the forward proxy does with X-Forwarded-For: "append" the client\'s address, '
            '"delete" the field, or "keep" '
            "it as it came. Sites have their own `xff`."
        ),
    ] = "delete"
    forwarded: Annotated[
        bool,
        Help(
            "Sites also tell the client's address, the host and the scheme in Forwarded (RFC 7239)."
        ),
    ] = False
    source_ports: Annotated[
        Ports,
        Help(
            "Ports that connections to upstreams come from. Empty: as the system chooses.",
            '"20000-60999"',
        ),
    ] = PortSet()
    exclude_ports: Annotated[
        Ports,
        Help(
            "Ports that they never come from, for firewalls that treat some specially; taken out "
            "of `source_ports`, or of the "
            "system's own range.",
            '[27374, "31337-31340"]',
        ),
    ] = PortSet()
    hosts_file: Annotated[
        FilePath,
        Help("Names looked up here first, in the format of /etc/hosts.", '"/etc/gateway/hosts"'),
    ] = ""
    nameservers: Annotated[
        tuple[Annotated[Nameserver, TextKind("IP address", nameserver)], ...],
        Help(
            "DNS servers to ask. Empty: those of the system.",
            '["192.0.2.53", "[2001:db8::53]:5353"]',
        ),
    ] = ()
