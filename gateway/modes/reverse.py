"""
The reverse proxy: requests by host and path to a site.

Where they go from there is in L{gateway.modes.reverse_upstream}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.api.errors import ClientError
from gateway.api.messages import Response
from gateway.api.transaction import Transaction
from gateway.message.forwarding import Forwarding, trusts
from gateway.message.target import InvalidTarget, parse_absolute, parse_authority
from gateway.message.via import Via
from gateway.modes import onward
from gateway.modes.mode import Mode
from gateway.modes.reverse_upstream import ReverseUpstream, Way
from gateway.modes.running_site import RunningSite
from gateway.modes.sites import HostTable
from gateway.net.dial import Dialer
from gateway.net.pool import Pool
from gateway.net.upstream_tls import Side
from gateway.wire.connects import KnownConnects
from gateway.wire.events import RequestHead

_SLASH = 0x2F
# As a number, for where bytes are looked for in others, an error is raised and dropped first: twenty times as dear.
_HASH = 0x23
#: Methods whose requests are looked at each for itself, though they look like one before.
_JUDGED = onward.COUNTED | {b"CONNECT"}


class ReverseMode:
    """What all connections of one reverse listener share."""

    name = "reverse"
    keeps_http10 = True
    connects: KnownConnects | None = None

    def __init__(
        self,
        dialer: Dialer,
        pool: Pool,
        via: Via,
        sites: HostTable[RunningSite],
        *,
        trusted: Any = (),
        forwarded: bool = False,
        connect_seconds: float = 30.0,
        secure: bool = False,
        side: Callable[[str], Side] | None = None,
    ) -> None:
        """
        Take what the connections of a listener share.

        @param side: makes our side of TLS with an origin of this name; needed if some origin is an https one.
        @param secure: its clients come by https.
        """
        self.dialer = dialer
        self.pool = pool
        self.via = via
        self.sites = sites
        self.trusted = trusted
        self.forwarded = forwarded
        self.connect_seconds = connect_seconds
        self.side: Any = side
        self.secure = secure
        self.scheme = "https" if secure else "http"
        self.port = 443 if secure else 80

    def _resolve(self, head: RequestHead) -> None:
        """
        Resolve the target: the authority of an absolute-form wins over Host (RFC 9112 section 3.2.2).

        @raise InvalidTarget: it means nothing here.
        """
        target = head.target
        field = head.section.host_field
        if field:
            head.host, head.port = parse_authority(field, self.port)
        else:
            head.port = self.port
        if self.secure:
            head.scheme = "https"
        if head.raw_method == b"CONNECT":
            # Whatever its target looks like: an origin might take it for a tunnel, and what comes behind it for no request.
            raise InvalidTarget("this is no proxy", status=405, page="method_not_allowed")
        if target[0] == _SLASH:
            # The parser lets printable ASCII through; of that only the fragment has no place here.
            if _HASH in target:
                raise InvalidTarget("a fragment has no place in a request")
            return
        if target == b"*":
            if head.raw_method != b"OPTIONS":
                raise InvalidTarget("only OPTIONS has the target *")
            return
        head.scheme, head.host, head.port, head.raw_target = parse_absolute(target, head.raw_method)

    def upstream(
        self, txn: Transaction, head: RequestHead, connection: Any
    ) -> ReverseUpstream | Response:
        """Resolve the target, and find its site."""
        section = head.section
        way = section.way
        if way is None:
            way = onward.way_before(section, connection)
        target = head.target
        if (
            way is not None
            and way.mode is self
            and target[0] == _SLASH
            and _HASH not in target
            and head.raw_method not in _JUDGED
        ):
            # Host says where to, and it is that of a request before.
            head.scheme = self.scheme
            head.host = way.host
            head.port = way.port
            site = way.site
            txn.site = site.name
            txn.upload_limit = site.upload
            return ReverseUpstream(way, head)
        self._resolve(head)
        host = head.host
        site = self.sites.find(host, head.raw_target)
        if site is None:
            if self.sites.knows(host):
                raise ClientError("no site has this path", status=404, page="no_site")
            raise ClientError("no site has this host", status=421, page="misdirected")
        if self.secure and connection.names_another(host):
            raise ClientError(
                "the connection was made for another host", status=421, page="misdirected"
            )
        txn.site = site.name
        txn.upload_limit = site.upload
        answer = onward.check(head, self.via)
        if answer is not None:
            if self.secure and site.strict_transport:
                name, _, value = site.strict_transport.decode().strip().partition(": ")
                answer.fields.add(name, value)
            return answer
        forwarding = connection.forwarding
        if forwarding is None or connection.forwarding_site is not site:
            address = connection.client.address
            forwarding = Forwarding(
                site.site.xff,
                address,
                self.scheme,
                trusted=trusts(self.trusted, address),
                forwarded=self.forwarded,
            )
            connection.forwarding = forwarding
            connection.forwarding_site = site
        way = Way(self, site, head, forwarding)
        if (
            section.harmless
            and target[0] == _SLASH
            and head.raw_method not in onward.COUNTED
            and self.sites.whole(host) is site
        ):
            section.way = connection.way = way
        return ReverseUpstream(way, head)

    def renewed(self, newer: Mode) -> Mode:
        """Go over to the listener's mode."""
        return newer
