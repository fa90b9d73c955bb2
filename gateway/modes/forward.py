"""
The forward proxy: absolute-form requests and CONNECT (RFC 9112 section 3.2, RFC 9110 section 9.3.6).

Where they go from there is in L{gateway.modes.forward_upstream}. What the guard thinks of the address is asked when it is dialled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from gateway.api.errors import ClientError, TransactionError
from gateway.api.messages import Response
from gateway.api.transaction import Transaction
from gateway.config.parents import Parent
from gateway.message.forwarding import Addresses, Forwarding, Policy, trusts
from gateway.message.target import InvalidTarget, parse_absolute, parse_authority
from gateway.message.via import Via
from gateway.modes import onward
from gateway.modes.connect_upstream import ConnectUpstream, Destination
from gateway.modes.forward_upstream import ForwardUpstream, Way
from gateway.modes.mode import Mode
from gateway.modes.own_pages import OWN_HOST, own_response
from gateway.net.dial import Dialer
from gateway.net.pool import Pool
from gateway.net.upstream_tls import Side
from gateway.pipeline.ca_formats import PublishedCa
from gateway.pipeline.ports import Intercepts
from gateway.wire.connects import KnownConnects
from gateway.wire.events import RequestHead

#: Clients of which it is remembered whether they may use the proxy; one costs some 100 bytes.
_REMEMBERED = 4096
#: Targets of CONNECTs of which it is remembered where they lead; one costs some 300 bytes.
_MOST_DESTINATIONS = 1024
_SLASH = 0x2F
# As a number, for where bytes are looked for in others, an error is raised and dropped first: twenty times as dear.
_HASH = 0x23


class AllowedPorts(Protocol):
    """Ports that something may be done with."""

    def __contains__(self, port: int, /) -> bool: ...


class ForwardMode:
    """What all connections of the forward listeners share."""

    name = "forward"
    keeps_http10 = False

    def __init__(
        self,
        dialer: Dialer,
        pool: Pool,
        via: Via,
        *,
        allow_from: Addresses,
        connect_ports: AllowedPorts,
        parents: Sequence[Parent] = (),
        xff: Policy = "delete",
        trusted: Addresses = (),
        connect_seconds: float = 30.0,
        side: Callable[[str], Side] | None = None,
        interception: Intercepts | None = None,
        published: Callable[[], Sequence[PublishedCa]] | None = None,
    ) -> None:
        """
        Take what the connections share.

        @param side: makes our side of TLS with a parent of this name; needed if some parent is an https one.
        @param interception: who may look into tunnels.
        @param published: gives the certificates that clients are offered at L{OWN_HOST}; C{None}: there is no such site.
        """
        self.dialer = dialer
        self.pool = pool
        self.via = via
        self.allow_from = allow_from
        # Of clients' addresses, whether they may use the proxy.
        self._judged: dict[str, bool] = {}
        self.connect_ports = connect_ports
        self.parents = parents
        self.xff: Policy = xff
        self.trusted = trusted
        self.connect_seconds = connect_seconds
        self.side: Any = side
        self.interception: Any = interception
        self.published = published
        self.connects: KnownConnects | None = KnownConnects()
        # By the targets of CONNECTs, those that may be gone to.
        self._destinations: dict[bytes, Destination] = {}

    def _resolve(self, head: RequestHead) -> None:
        """
        Resolve the target of any method but CONNECT; origin-form has none here.

        @raise InvalidTarget: it means nothing here.
        """
        method = head.raw_method
        target = head.target
        if head.section.host_field is not None:
            # Not used, for the target says it all, but what could be misread by the next hop goes no further.
            host, port = parse_authority(head.section.host_field, 80)
        if target == b"*":
            if method != b"OPTIONS" or head.section.host_field is None:
                raise InvalidTarget("only OPTIONS has the target *")
            head.host, head.port = host, port
            return
        if target[:1] == b"/":
            raise InvalidTarget(
                "a proxy needs the whole URL in the request line", page="not_a_proxy_request"
            )
        head.scheme, head.host, head.port, head.raw_target = parse_absolute(target, method)

    def upstream(
        self, txn: Transaction, head: RequestHead, connection: Any
    ) -> ForwardUpstream | Response:
        """Resolve the target and let it through, or say why not."""
        method = head.raw_method
        if method == b"CONNECT":
            return self._tunnel(txn, head, connection)
        section = head.section
        way = section.way
        if way is None and txn.client is connection.client:
            way = onward.way_before(section, connection)
        target = head.target
        if (
            way is not None
            and way.mode is self
            and target.startswith(way.prefix)
            and _HASH not in target
            and method not in onward.COUNTED
        ):
            # The same host as that of a request before, whose sender could go there.
            head.host = way.host
            head.port = way.port
            head.raw_target = target[len(way.prefix) - 1 :]
            return ForwardUpstream(way, head)
        self._resolve(head)
        self._let_in(txn, connection)
        request = txn.request
        if request.scheme != "http":
            raise ClientError(
                "https targets are asked for by CONNECT", status=501, page="not_implemented"
            )
        answer = onward.check(head, self.via)
        if answer is not None:
            return answer
        if self.published is not None and request.host == OWN_HOST:
            return own_response(request.method, request.path, self.published(), txn)
        if self.xff != "delete" and connection.forwarding is None:
            address = connection.client.address
            connection.forwarding = Forwarding(
                self.xff, address, "http", trusted=trusts(self.trusted, address)
            )
        way = Way(self, head, connection.forwarding)
        rest = head.raw_target
        if (
            section.harmless
            and rest[0] == _SLASH
            and target.endswith(rest)
            and method not in onward.COUNTED
        ):
            way.prefix = target[: len(target) - len(rest) + 1]
            section.way = way
            if txn.client is connection.client:
                connection.way = way
        return ForwardUpstream(way, head)

    def _tunnel(
        self, txn: Transaction, head: RequestHead, connection: Any
    ) -> ConnectUpstream | Response:
        """Do the same for a CONNECT."""
        target = head.target
        # All of it follows from the target alone; what a header section remembers is for other methods and any target.
        known = self._destinations.get(target)
        head.scheme = ""
        if known is not None:
            head.host = known.host
            head.port = known.port
            self._let_in(txn, connection)
            answer = None if head.section.harmless else onward.check(head, self.via)
            return ConnectUpstream(self, head, known) if answer is None else answer
        head.host, head.port = parse_authority(target, None)
        self._let_in(txn, connection)
        if head.port not in self.connect_ports:
            raise TransactionError(
                f"CONNECT to port {head.port} is not allowed", status=403, page="port_not_allowed"
            )
        answer = onward.check(head, self.via)
        if answer is not None:
            return answer
        if len(self._destinations) >= _MOST_DESTINATIONS:
            self._destinations.clear()
        made = self._destinations[target] = Destination(self, head)
        return ConnectUpstream(self, head, made)

    def _let_in(self, txn: Transaction, connection: Any) -> None:
        """
        See whether a client may use the proxy.

        @raise TransactionError: it may not.
        """
        client = txn.client
        address = client.address
        if client is not connection.client:
            # A trusted proxy speaks for another client in each request.
            allowed: bool | None = address in self.allow_from
        else:
            judged = self._judged
            allowed = judged.get(address)
            if allowed is None:
                if len(judged) >= _REMEMBERED:
                    judged.clear()
                # Who has no address came through a unix socket and was let in by its permissions.
                allowed = judged[address] = not address or address in self.allow_from
        if not allowed:
            raise TransactionError(
                "this client may not use the proxy", status=403, page="not_allowed"
            )

    def parent_of(self, host: str) -> Parent | None:
        """Give the parent that requests for a host go to; C{None}: they go to the host itself."""
        for candidate in self.parents:
            if candidate.takes(host):
                return candidate
        return None

    def renewed(self, newer: Mode) -> Mode:
        """Go over to the listener's mode."""
        return newer
