"""
What a mode has to know: what a request means, and where it goes.

A mode makes the api's Request out of a head, and for a transaction the Upstream that the pipeline asks for
connections. The client connection around it is the same for all modes.
"""

from __future__ import annotations

from typing import Any, Protocol

from gateway.api.messages import Response
from gateway.api.transaction import Transaction
from gateway.pipeline.ports import Upstream
from gateway.wire.connects import KnownConnects
from gateway.wire.events import RequestHead


class Mode(Protocol):
    """
    One mode on one listener.

    @ivar name: C{"forward"} or C{"reverse"}.
    @ivar keeps_http10: an HTTP/1.0 client may keep its connection; not through a proxy (RFC 9112 section 9.3).
    @ivar connects: heads of CONNECTs that came to it; C{None}: it lets none go on.
    """

    name: str
    keeps_http10: bool
    connects: KnownConnects | None

    def upstream(self, txn: Transaction, head: RequestHead, connection: Any) -> Upstream | Response:
        """
        Resolve the target, which is to fill in the head's scheme, host, port and C{raw_target}, and choose where the
        request goes, or answer it here.

        @param connection: the client connection, for what is found out once for all its requests.
        @raise gateway.message.target.InvalidTarget: it means nothing here; nothing is logged of it but that.
        @raise gateway.api.errors.TransactionError: nowhere, with the reason.
        """

    def renewed(self, newer: Any) -> Mode | None:
        """
        Give what holds for a connection from now on, when the configuration has changed.

        @param newer: the listener's mode.
        @return: C{None}: the connection is to end after what runs.
        """
