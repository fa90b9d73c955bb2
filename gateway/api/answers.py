"""
What hooks are told and may answer beyond verdicts: who asks, where it goes, what is stored.

All are values that don't change; C{None} in their place means "no opinion, ask the next plugin".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from gateway.api.transaction import Response


@dataclass(frozen=True, slots=True)
class ClientHello:
    """
    What a client says before its TLS handshake (RFC 8446 section 4.1.2).

    @ivar server_name: the host it wants, in lower case; empty if it does not say.
    @ivar alpn: the protocols it offers, in its order.
    """

    server_name: str
    alpn: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Intercept:
    """
    Decrypt this connection.

    @ivar why: for the log.
    """

    why: str = ""


@dataclass(frozen=True, slots=True)
class Tunnel:
    """
    Pass this connection on unread.

    @ivar why: for the log.
    """

    why: str = ""


@dataclass(frozen=True, slots=True)
class Challenge:
    """
    Ask the client to say who it is (RFC 9110 section 11.3).

    @ivar schemes: one value of C{Proxy-Authenticate} or C{WWW-Authenticate} for each way, best first; which of
        the two fields, and so 407 or 401, is the mode's to know.
    @ivar why: for the page and the log.
    """

    schemes: tuple[str, ...]
    why: str = ""

    @classmethod
    def merged(cls, challenges: Iterable[Challenge]) -> Challenge:
        """Make one of several: every way once, in their order."""
        schemes: dict[str, None] = {}
        why: list[str] = []
        for challenge in challenges:
            schemes.update(dict.fromkeys(challenge.schemes))
            if challenge.why and challenge.why not in why:
                why.append(challenge.why)
        return cls(tuple(schemes), "; ".join(why))


@dataclass(frozen=True, slots=True)
class Route:
    """
    Where a request goes next.

    @ivar kind: C{"direct"}: to the target itself; C{"parent"}: to another proxy; C{"origin"}: to this origin
        in place of the target.
    @ivar host: name or address of the parent or the origin; empty for C{"direct"}.
    @ivar port: its TCP port; 0 for C{"direct"}.
    @ivar why: for the log.
    """

    kind: Literal["direct", "parent", "origin"]
    host: str = ""
    port: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Server:
    """
    The upstream that was really dialled.

    @ivar host: the name that was looked up.
    @ivar address: the IP address it is connected to, as text.
    @ivar port: the TCP port.
    """

    host: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Stored:
    """
    A stored response to answer with.

    @ivar response: with whole content in C{response.content}.
    """

    response: Response


@dataclass(frozen=True, slots=True)
class Validator:
    """
    Ask the upstream whether what is stored still holds (RFC 9110 section 13).

    @ivar fields: names and values to set in the forwarded request, such as C{If-None-Match}.
    """

    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AdminPage:
    """
    A page of the web console.

    @ivar path: where under the plugin's own folder, such as C{"lists"}; empty for the folder itself.
    @ivar title: what its link says.
    @ivar resource: a C{twisted.web} resource that renders it.
    """

    path: str
    title: str
    resource: object
