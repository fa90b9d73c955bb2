"""
What can go wrong between us and the next hop, told apart in status, page and log.

Each fault is a class: its C{status} and C{page} are the client's answer (RFC 9110 section 15.6), and the page's
name stands in the access log. A detail names hosts and addresses, never what a peer sent.
"""

# The tokens are words of the log, not secrets:
# ruff: noqa: S105

from __future__ import annotations

import errno
from collections.abc import Collection

from gateway.api.errors import TransactionError, UpstreamError


class NetworkFault(UpstreamError):
    """
    The next hop could not be found, reached or understood.

    @ivar token: the fault by its cause, finer than the page; for counting and for tests.
    """

    token: str = "upstream"


class NameNotFound(NetworkFault):
    """The name system says that there is no such name (NXDOMAIN)."""

    status = 502
    page = "name_not_found"
    token = "dns_nxdomain"


class NameWithoutAddress(NameNotFound):
    """The name exists, but has neither A nor AAAA (RFC 2308 section 2.2: "no data")."""

    token = "dns_nodata"


class NameInvalid(NameNotFound):
    """Nothing of this form can be a host name, so nobody was asked."""

    token = "dns_invalid"


class NameTimeout(NetworkFault):
    """No name server answered in time."""

    status = 504
    page = "name_timeout"
    token = "dns_timeout"


class NameServerFailure(NetworkFault):
    """The name servers answered, but could not or would not tell (SERVFAIL, REFUSED, unreachable)."""

    status = 502
    page = "name_error"
    token = "dns_servfail"


class ConnectionRefused(NetworkFault):
    """The host is there, and nothing listens on the port."""

    status = 502
    page = "refused"
    token = "refused"


class Unreachable(NetworkFault):
    """There is no way to the host: routing, a firewall, or no address of that family here."""

    status = 502
    page = "unreachable"
    token = "unreachable"


class ConnectTimeout(NetworkFault):
    """The host did not answer the connection attempt in time."""

    status = 504
    page = "connect_timeout"
    token = "connect_timeout"


class SourcePortsExhausted(NetworkFault):
    """No source port was left for a connection to this destination."""

    status = 503
    page = "overloaded"
    token = "no_source_port"


class DescriptorsExhausted(NetworkFault):
    """The process or the machine is out of descriptors or socket memory."""

    status = 503
    page = "overloaded"
    token = "no_descriptor"


class UpstreamTimeout(NetworkFault):
    """The connected upstream was silent for too long."""

    status = 504
    page = "upstream_timeout"
    token = "upstream_timeout"


class UpstreamClosed(NetworkFault):
    """The upstream closed or reset the connection before its answer was complete."""

    status = 502
    page = "upstream_closed"
    token = "upstream_closed"


class UpstreamProtocolError(NetworkFault):
    """What the upstream sent is no valid answer."""

    status = 502
    page = "upstream_protocol"
    token = "upstream_protocol"


class DestinationForbidden(TransactionError):
    """
    The destination guard refused the address; nothing was sent to it.

    @ivar rule: the name of the rule, such as C{"loopback"} or C{"deny_destinations"}.
    """

    status = 403
    page = "forbidden_destination"
    token = "forbidden_destination"

    def __init__(self, rule: str, detail: str = "") -> None:
        super().__init__(detail)
        self.rule = rule


def connect_fault(error: OSError, address: str, port: int) -> NetworkFault:
    """
    Name the fault that the kernel's answer to a connection attempt stands for.

    C{EADDRNOTAVAIL} is taken as lack of source ports; who knows that there is no source I{address} says
    L{Unreachable} himself.
    """
    kind = _BY_ERRNO.get(error.errno or 0, Unreachable)
    where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    return kind(f"{where}: {_WORDS[kind]}")


def most_telling(faults: Collection[TransactionError]) -> TransactionError:
    """
    Choose the fault to report when every attempt of a destination failed.

    A host that refuses says more than one that is silent, and that more than a family we have no route for; our own
    shortage says most, since it is the one that the administrator can end.
    """
    return max(faults, key=lambda fault: _TELLING.get(type(fault), -1))


_BY_ERRNO: dict[int, type[NetworkFault]] = {
    errno.ECONNREFUSED: ConnectionRefused,
    errno.ECONNRESET: ConnectionRefused,
    errno.ECONNABORTED: ConnectionRefused,
    errno.ETIMEDOUT: ConnectTimeout,
    errno.EADDRNOTAVAIL: SourcePortsExhausted,
    errno.EADDRINUSE: SourcePortsExhausted,
    errno.EAGAIN: SourcePortsExhausted,
    errno.EMFILE: DescriptorsExhausted,
    errno.ENFILE: DescriptorsExhausted,
    errno.ENOBUFS: DescriptorsExhausted,
    errno.ENOMEM: DescriptorsExhausted,
}

_WORDS: dict[type[NetworkFault], str] = {
    ConnectionRefused: "connection refused",
    ConnectTimeout: "no answer to the connection attempt",
    Unreachable: "unreachable",
    SourcePortsExhausted: "no source port left",
    DescriptorsExhausted: "no descriptor left",
}

_TELLING: dict[type[TransactionError], int] = {
    DestinationForbidden: 0,
    Unreachable: 1,
    ConnectTimeout: 2,
    ConnectionRefused: 3,
    SourcePortsExhausted: 4,
    DescriptorsExhausted: 5,
}
