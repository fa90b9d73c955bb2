"""
The listening ports of a process: opened by what the configuration says, found again by their owner, closed in order.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Collection
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, maybeDeferred

from gateway.config.addresses import Listen
from gateway.net.notify import passed_descriptors
from gateway.net.transport import listen as listen_tcp
from gateway.net.unix_port import adopt_unix, listen_unix

#: Connections that may wait for us to accept them (S02); the kernel caps it by net.core.somaxconn.
BACKLOG = 1024


class Listeners:
    """Every port of the process."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._ports: dict[Any, Any] = {}
        self._plain: set[Any] = set()
        self._addresses: dict[Any, tuple[str, int]] = {}

    def open(self, listen: Listen, factory: Any, *, plain: bool) -> None:
        """
        Open a port.

        @param plain: for the admin pages: Twisted's own transport, open until the very end, owner C{"admin"}.
        @raise twisted.internet.error.CannotListenError: the address is taken or not ours.
        @raise ValueError: systemd passed no such socket.
        """
        reactor = self._reactor
        if listen.kind == "unix":
            port = listen_unix(reactor, listen.address, factory, backlog=BACKLOG, mode=0o660)
        elif listen.kind == "systemd":
            port = self._adopt(listen.index, factory)
        elif plain:
            port = reactor.listenTCP(
                listen.port, factory, backlog=BACKLOG, interface=listen.address
            )
        else:
            port = listen_tcp(
                reactor, listen.port, factory, interface=listen.address, backlog=BACKLOG
            )
        owner = "admin" if plain else factory
        self._ports[owner] = port
        host = port.getHost()
        if isinstance(host, (IPv4Address, IPv6Address)):
            self._addresses[owner] = (host.host, host.port)
        if plain:
            self._plain.add(owner)

    def close(self, owner: Any) -> Deferred[Any]:
        """Close one port: no connection is accepted from here on, those that are open are not touched."""
        return self._close(owner)

    def text(self, owner: Any) -> str:
        """Give where a port really listens, C{address:port} or a path."""
        host = self._ports[owner].getHost()
        if isinstance(host, (IPv4Address, IPv6Address)):
            return f"[{host.host}]:{host.port}" if ":" in host.host else f"{host.host}:{host.port}"
        return f"unix:{os.fsdecode(host.name)}"

    def is_open(self, owner: Any) -> bool:
        """Tell whether a port is there and accepts."""
        return owner in self._ports

    def addresses(self) -> Collection[tuple[str, int]]:
        """Give address and port of every TCP port, for the destination guard, which asks for each connection."""
        return self._addresses.values()

    async def close_clients(self) -> None:
        """Stop accepting clients; the admin port stays."""
        for owner in [owner for owner in self._ports if owner not in self._plain]:
            await self._close(owner)

    async def close_all(self) -> None:
        """Close what is left."""
        for owner in list(self._ports):
            await self._close(owner)

    def _close(self, owner: Any) -> Deferred[Any]:
        self._addresses.pop(owner, None)
        return maybeDeferred(self._ports.pop(owner).stopListening)

    def _adopt(self, index: int, factory: Any) -> Any:
        passed = passed_descriptors()
        if index >= len(passed):
            raise ValueError(
                f"systemd passed {len(passed)} sockets to this process, none with the number {index}"
            )
        descriptor = passed[index]
        with socket.socket(fileno=os.dup(descriptor)) as passed_socket:
            passed_socket.setblocking(False)
            if passed_socket.family == socket.AF_UNIX:
                return adopt_unix(self._reactor, descriptor, factory)
        return listen_tcp(self._reactor, 0, factory, adopted=descriptor)
