"""
What a finished handshake with a client has agreed on, as plugins and the log see it.

Read once per connection. Nothing secret is read: no keys, no tickets, no randoms.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from OpenSSL import SSL

from gateway.api.transaction import ClientTls
from gateway.net.tls import TlsFailed
from gateway.net.tls_faults import CERTIFICATE_TOKENS, TlsFault, alert_name

# pyOpenSSL does not name it. Without it nothing is told of resumption, which is no reason not to work.
_reused: Callable[[Any], int] | None = getattr(
    getattr(SSL, "_lib", None), "SSL_session_reused", None
)

#: Alerts of a peer that does not believe a certificate (RFC 5246 section 7.2.2).
_DISTRUST = frozenset(
    (
        "bad certificate",
        "unsupported certificate",
        "certificate revoked",
        "certificate expired",
        "certificate unknown",
        "certificate required",
        "unknown ca",
    )
)
# OpenSSL's words when it is we who do not believe a client's.
_DISTRUSTED = ("certificate verify failed", "peer did not return a certificate")
_REFUSALS = frozenset((*CERTIFICATE_TOKENS, "client_certificate"))


def client_tls(
    connection: SSL.Connection,
    decision: str,
    why: str = "",
    *,
    upstream: SSL.Connection | None = None,
) -> ClientTls:
    """
    Say what was agreed on.

    @param connection: the client's; its handshake is done.
    @param decision: as of L{ClientTls}, and so is C{why}.
    @param upstream: the server's whose certificate was shown in another's name; its handshake is done, too.
    """
    return _agreed(
        connection.get_servername() or b"",
        connection.get_protocol_version_name(),
        connection.get_cipher_name() or "",
        connection.get_alpn_proto_negotiated(),
        is_resumed(connection),
        decision,
        why,
        "" if upstream is None else upstream.get_protocol_version_name(),
        "" if upstream is None else upstream.get_cipher_name() or "",
    )


@lru_cache(maxsize=1024)
def _agreed(
    server_name: bytes,
    version: str,
    cipher: str,
    alpn: bytes,
    resumed: bool,
    decision: str,
    why: str,
    upstream_version: str,
    upstream_cipher: str,
) -> ClientTls:
    """Say it; one object for all connections that are alike, which the log puts into words once."""
    return ClientTls(
        server_name=server_name.decode("ascii", "replace").lower(),
        version=version,
        cipher=cipher,
        alpn=alpn.decode("latin-1"),
        resumed=resumed,
        decision=decision,
        why=why,
        upstream_version=upstream_version,
        upstream_cipher=upstream_cipher,
    )


def is_resumed(connection: SSL.Connection) -> bool:
    """Tell whether a finished handshake took up an earlier session."""
    return _reused is not None and bool(_reused(connection._ssl))


def shaken_result(connection: SSL.Connection) -> str:
    """Put a finished handshake into one of two kinds, for the metrics: C{"new"} or C{"resumed"}."""
    return "resumed" if is_resumed(connection) else "new"


def handshake_result(failed: TlsFailed | TlsFault) -> str:
    """
    Put a failed handshake into one of a few kinds, for the metrics.

    @return: C{"refused"}: one of the two did not believe the other's certificate; C{"closed"}: the peer just went;
        C{"timeout"} or C{"failed"}.
    """
    if isinstance(failed, TlsFault):
        if failed.token in _REFUSALS:
            return "refused"
        return failed.token if failed.token in ("closed", "timeout") else "failed"
    reason = failed.reason.lower()
    if not reason or "unexpected eof" in reason:
        return "closed"
    if alert_name(reason) in _DISTRUST or any(words in reason for words in _DISTRUSTED):
        return "refused"
    return "failed"
