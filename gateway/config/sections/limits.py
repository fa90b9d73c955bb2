"""C{[limits]} and C{[timeouts]}: how much may be sent, and how long is waited."""

from __future__ import annotations

from typing import Annotated

from gateway.config.kind import Help
from gateway.config.kinds.numbers import Duration, DurationKind, Size, SizeKind, WholeKind
from gateway.config.sections.section import Section
from gateway.config.units import GIB, KIB, MIB


class Limits(Section, frozen=True, kw_only=True):
    """Bounds for what a client or an origin may send."""

    upload: Annotated[
        int,
        SizeKind(zero="no limit"),
        Help(
            "Largest content of a request, in every mode; more gets 413. Enforced by the plugin "
            "`upload_limit`."
        ),
    ] = 2 * GIB
    head: Annotated[
        Size,
        Help(
            "Largest head (first line and fields) of a request, which gets 431, or of a "
            "response, which makes 502."
        ),
    ] = 64 * KIB
    target: Annotated[Size, Help("Longest target of a request; more gets 414.")] = 16 * KIB
    fields: Annotated[
        int, WholeKind(1, 10_000), Help("Most field lines in a head or in trailers.")
    ] = 200
    trailers: Annotated[Size, Help("Largest trailer section.")] = 8 * KIB
    discard: Annotated[
        int,
        SizeKind(zero="none, and the connection is closed"),
        Help(
            "Most content that is still read, and dropped, of a request that was answered before its end, such as one "
            "that was refused; the client's connection can be used on then. With more to come it is closed."
        ),
    ] = MIB
    discard_in_handshake: Annotated[
        int,
        SizeKind(zero="as `limits.discard`"),
        Help(
            "The same after a challenge in a handshake of NTLM or Negotiate, which would begin anew on another connection: "
            "as much as clients that have to authenticate first may upload. At least `limits.discard`."
        ),
    ] = 64 * MIB
    connections: Annotated[
        int,
        WholeKind(zero="no limit"),
        Help("Client connections open at once, over all listeners."),
    ] = 20_000
    kept_upstreams: Annotated[
        int,
        WholeKind(1, 100_000),
        Help(
            "Servers (host and port, with TLS also the name) to which unused connections are kept at once; "
            "for one more the longest unused ones are closed."
        ),
    ] = 1000


class Timeouts(Section, frozen=True, kw_only=True):
    """How long the gateway waits, and for what."""

    connect: Annotated[
        Duration,
        Help("Time for a connection to an upstream, all its addresses together; then 504."),
    ] = 30.0
    resolve: Annotated[Duration, Help("Time for a name to be resolved; then 504.")] = 10.0
    request_head: Annotated[
        Duration, Help("Time for a head to be complete once its first byte is there; then 408.")
    ] = 30.0
    client_idle: Annotated[
        Duration, Help("Time for the next request on a client connection; then it is closed.")
    ] = 30.0
    upstream_idle: Annotated[
        Duration, Help("Time that an unused upstream connection is kept for the next request.")
    ] = 30.0
    inactivity: Annotated[
        Duration,
        Help(
            "Time without a byte in either direction that ends a transaction: with 504, or by "
            "breaking the connection off."
        ),
    ] = 180.0
    discard: Annotated[
        Duration,
        Help(
            "Time for content that is only dropped (`limits.discard`); then the connection is closed."
        ),
    ] = 60.0
    tunnel: Annotated[
        float,
        DurationKind(zero="no limit"),
        Help("Time without a byte in either direction that ends a tunnel (CONNECT, WebSocket)."),
    ] = 3600.0
    drain: Annotated[
        Duration,
        Help(
            "Time for running transactions to end when the gateway is stopped; then they are "
            "broken off."
        ),
    ] = 300.0
