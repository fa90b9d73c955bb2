"""C{[forward]}: the forward proxy."""

from __future__ import annotations

from typing import Annotated

from gateway.config.addresses import Listen
from gateway.config.kind import Help
from gateway.config.kinds.listeners import ListenKind
from gateway.config.kinds.parent_proxies import ParentKind
from gateway.config.kinds.sets import Networks, Ports
from gateway.config.networks import NetworkSet
from gateway.config.parents import Parent
from gateway.config.ports import PortSet
from gateway.config.sections.section import Section


class Forward(Section, frozen=True, kw_only=True):
    """
    The forward proxy: what browsers and programs are told to use as their proxy.

    It runs when this table is there, and also when the file has no `[[site]]` either.
    """

    listen: Annotated[
        tuple[Annotated[Listen, ListenKind()], ...],
        Help(
            "Where clients connect. An empty array switches the forward proxy off.",
            '["0.0.0.0:8080", { address = "[::1]:8081", proxy_protocol = true }]',
        ),
    ] = (Listen("127.0.0.1", 8080),)
    allow_from: Annotated[
        Networks,
        Help(
            "Clients that may use it; everybody else gets 403. The default serves this machine "
            "alone: whoever listens on "
            "other addresses says here for whom. Clients of a unix socket are let in by its file "
            "permissions.",
            '["10.0.0.0/8", "192.168.0.0/16", "127.0.0.0/8"]',
        ),
    ] = NetworkSet.of("127.0.0.0/8", "::1/128")
    connect_ports: Annotated[
        Ports,
        Help("Ports that CONNECT may open a tunnel to: numbers and ranges.", '[443, "8443-8444"]'),
    ] = PortSet.of(443)
    allow_destinations: Annotated[
        Networks,
        Help(
            "Exceptions to the guard: addresses that may be connected to although they are "
            "loopback or link-local. The gateway's own listeners and `deny_destinations` stay "
            "refused.",
            '["127.0.0.0/8"]',
        ),
    ] = NetworkSet()
    deny_destinations: Annotated[
        Networks,
        Help(
            "Addresses that may not be connected to, beside those that the guard refuses anyway: "
            "loopback, link-local and the "
            "gateway's own listeners. The address really dialled counts, whatever the name "
            "resolved to before.",
            '["10.0.0.0/8", "fc00::/7"]',
        ),
    ] = NetworkSet()
    parent: Annotated[
        tuple[Annotated[Parent, ParentKind()], ...],
        Help(
            "Parent proxies; the first one whose `for` holds the host takes the request, others "
            "go direct.",
            '[{ url = "http://parent.example.com:3128", for = ["*.example.com"], no_proxy = '
            '["intra.example.com"] }]',
        ),
    ] = ()
