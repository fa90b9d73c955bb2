"""
The way to a directory server: the first of its addresses that answers, and TLS there, from the first byte (C{ldaps}) or by StartTLS.

Only this module touches a reactor, and it takes the one that the plugin's clock is. In a gateway in memory there is none, and no
server answers. Which server is asked is up to C{directory_servers}.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from socket import AF_INET6
from typing import Any

from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, connectProtocol
from twisted.internet.error import ConnectError
from twisted.internet.error import TimeoutError as NotConnected
from twisted.internet.interfaces import IReactorTCP

from gateway_auth.ldap_connection import LdapWire
from gateway_auth.ldap_faults import LATE, said_of
from gateway_auth.ldap_settings import ServerUri
from gateway_auth.ldap_wire import Connects, Deadline, NoAnswer, ServerFailed, SocketAddress, Wire


def tls_context(ca: str) -> ssl.SSLContext:
    """
    Make what verifies servers' certificates and their names.

    @param ca: PEM file; empty: the system's store.
    @raise OSError: it can't be read, or holds no certificates.
    """
    context = ssl.create_default_context(cafile=ca or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def connects(
    clock: Any, context: ssl.SSLContext, *, plaintext: Callable[[ServerUri], bool]
) -> Connects:
    """
    Give what connects to servers.

    @param clock: the plugin's; a reactor, or nobody can be reached.
    @param plaintext: whether a server is asked without TLS.
    """

    async def connect(
        uri: ServerUri, addresses: Sequence[SocketAddress], deadline: Deadline
    ) -> Wire:
        """
        Connect.

        @raise ServerFailed: no address answers, or TLS fails.
        """
        wire = await _opened(clock, addresses, deadline)
        try:
            if uri.scheme == "ldaps":
                await wire.secure(context, uri.host)
            elif not plaintext(uri):
                await wire.start_tls(context, uri.host)
        except BaseException:
            wire.close()
            raise
        return wire

    return connect


async def _opened(clock: Any, addresses: Sequence[SocketAddress], deadline: Deadline) -> LdapWire:
    """Connect to the first address that answers; each has its share of the time that is left."""
    reactor: Any = clock
    if not IReactorTCP.providedBy(reactor):
        raise ServerFailed("there is no network here")
    failed = ServerFailed("its name has no address")
    for index, (family, address) in enumerate(addresses):
        wire = LdapWire(clock, deadline)
        try:
            share = deadline.left() / (len(addresses) - index)
        except TimeoutError:
            raise NoAnswer(f"can't connect to {address[0]}: {LATE}") from None
        try:
            await connectProtocol(_endpoint(clock, family, address, share), wire)
        except (ConnectError, OSError) as error:
            kind = NoAnswer if isinstance(error, (NotConnected, TimeoutError)) else ServerFailed
            failed = kind(f"can't connect to {address[0]}: {said_of(error)}")
            continue
        return wire
    raise failed


def _endpoint(clock: Any, family: int, address: tuple[Any, ...], seconds: float) -> Any:
    host, port = address[:2]
    if family != AF_INET6:
        return TCP4ClientEndpoint(clock, host, port, seconds)
    # A link's own address is good on that link alone.
    scope = address[3] if len(address) > 3 else 0
    return TCP6ClientEndpoint(clock, f"{host}%{scope}" if scope else host, port, seconds)
