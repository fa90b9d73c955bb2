"""
The way to a directory server: the first of its addresses that answers, and TLS there, from the first byte (C{ldaps}) or by StartTLS.

Blocks, in a thread of the pool C{directory}, until the deadline of the work that the connection is for. Which server is asked is
up to C{directory_servers}.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Sequence

from gateway_auth.ldap_faults import said_of
from gateway_auth.ldap_settings import ServerUri
from gateway_auth.ldap_socket import LdapWire
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


def connects(context: ssl.SSLContext, *, plaintext: Callable[[ServerUri], bool]) -> Connects:
    """
    Give what connects to servers.

    @param plaintext: whether a server is asked without TLS.
    """

    def connect(uri: ServerUri, addresses: Sequence[SocketAddress], deadline: Deadline) -> Wire:
        """
        Connect.

        @raise ServerFailed: no address answers, or TLS fails.
        """
        stream = _opened(addresses, deadline)
        wire = LdapWire(stream, deadline)
        try:
            if uri.scheme == "ldaps":
                wire.secure(context, uri.host)
            elif not plaintext(uri):
                wire.start_tls(context, uri.host)
        except BaseException:
            wire.close()
            raise
        return wire

    return connect


def _opened(addresses: Sequence[SocketAddress], deadline: Deadline) -> socket.socket:
    """Connect to the first address that answers; each has its share of the time that is left."""
    failed = ServerFailed("its name has no address")
    for index, (family, address) in enumerate(addresses):
        stream = socket.socket(family, socket.SOCK_STREAM)
        try:
            stream.settimeout(deadline.left() / (len(addresses) - index))
            stream.connect(address)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            stream.close()
            kind = NoAnswer if isinstance(error, TimeoutError) else ServerFailed
            failed = kind(f"can't connect to {address[0]}: {said_of(error)}")
            continue
        return stream
    raise failed
