"""
TLS that passes unread, as far as it can be overheard: the version and the cipher that client and server have agreed on.

Both stand in the ServerHello, which nobody encrypts; it is looked at as it goes past and nothing waits for it. Whatever
can't be made out is left out, without a word: the connection is not ours.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from gateway.api.transaction import Client, ClientTls
from gateway.net.tls_names import cipher_name, version_name
from gateway.wire.client_hello import NotTls
from gateway.wire.server_hello import HANDSHAKE, MAX_BYTES, ServerHello, read_server_hello


class Overheard:
    """What a client's server says first in a tunnel, until it is known what they have agreed on."""

    __slots__ = ("_client", "_said")

    def __init__(self, client: Client) -> None:
        """
        Listen.

        @param client: whose C{tls} is told.
        """
        self._client = client
        self._said = b""

    def __call__(self, data: bytes) -> bool:
        """Take bytes of the server; tell whether that is enough."""
        said = self._said + data[:MAX_BYTES] if self._said else data
        if said[0] != HANDSHAKE:
            # Most of what is not TLS, without the cost of an exception.
            return True
        try:
            hello = read_server_hello(said)
        except NotTls:
            return True
        if hello is None:
            self._said = said[:MAX_BYTES]
            return len(said) >= MAX_BYTES
        client = self._client
        client.tls = _agreed(client.tls, hello)
        return True


def _agreed(tls: ClientTls | None, hello: ServerHello) -> ClientTls:
    """Add what was agreed on to what is known of the client's TLS."""
    if tls is None:
        return _unread(hello)
    version, cipher = version_name(hello.version), cipher_name(hello.cipher)
    if tls.decision == "terminate":
        # That is the TLS with the proxy itself; the tunnel goes through it.
        return replace(tls, upstream_version=version, upstream_cipher=cipher)
    return ClientTls(
        server_name=tls.server_name,
        version=version,
        cipher=cipher,
        decision=tls.decision,
        why=tls.why,
        upstream_version=version,
        upstream_cipher=cipher,
    )


@lru_cache(maxsize=64)
def _unread(hello: ServerHello) -> ClientTls:
    """Say it of a tunnel at which nobody has looked; one object for all alike, which the log puts into words once."""
    version, cipher = version_name(hello.version), cipher_name(hello.cipher)
    return ClientTls(
        version=version,
        cipher=cipher,
        decision="tunnel",
        why="off",
        upstream_version=version,
        upstream_cipher=cipher,
    )
