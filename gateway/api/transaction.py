"""
One request and its response, as plugins and the record see them.

Made by a mode when a request head is complete, owned by the one C{run} made for it, dropped when that ends. Pipes,
timers and transports are not here: they stay in C{gateway.pipeline}.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from gateway.api.client_certificate import ClientCertificate
from gateway.api.errors import TransactionError
from gateway.api.messages import Request, Response
from gateway.api.verdicts import Verdict

T = TypeVar("T")


class Phase(enum.IntEnum):
    """How far a transaction has come; it only goes forward."""

    RECEIVED = 0
    IDENTIFIED = 1
    ADMITTED = 2
    FORWARDED = 3
    ANSWERED = 4
    JUDGED = 5
    DELIVERING = 6
    ENDED = 7


# An attribute of an enumeration is looked up by its metaclass each time: twenty times as dear as a name.
_RECEIVED = Phase.RECEIVED


@dataclass(frozen=True, slots=True)
class Delivered:
    """The whole response reached the client's transport."""


@dataclass(frozen=True, slots=True)
class Refused:
    """
    A verdict ended it.

    @ivar verdict: a L{Block<gateway.api.Block>} or L{Respond<gateway.api.Respond>}.
    """

    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Failed:
    """
    An error ended it.

    @ivar error: whose fault it was.
    """

    error: TransactionError


@dataclass(frozen=True, slots=True)
class Aborted:
    """
    A side went away in the middle.

    @ivar by: C{"client"}, C{"upstream"} or C{"gateway"}.
    @ivar why: for the log.
    """

    by: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Tunnelled:
    """A CONNECT tunnel or an upgraded connection that ended."""


@dataclass(frozen=True, slots=True)
class Intercepted:
    """A CONNECT whose TLS is decrypted here; it ended when the handshake with the client was done."""


Outcome: TypeAlias = Delivered | Refused | Failed | Aborted | Tunnelled | Intercepted


class Key(Generic[T]):
    """A typed key of a plugin's own state: C{SCORE: Key[int] = Key("reputation.score")}."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        """Show the name."""
        return f"Key({self.name!r})"


#: Set in the C{store} of a CONNECT's transaction: the tunnel is never passed on unread, but refused where it is not
#: decrypted. For a plugin that lets a client through to judge what is asked within. Since 1.0.
DECRYPTED_ONLY: Key[bool] = Key("gateway.decrypted_only")


class Store(dict[Key[Any], Any]):
    """Typed per-object state of plugins."""

    __slots__ = ()

    if TYPE_CHECKING:
        # What a dictionary does by itself, in the types of the keys: no hook of a plugin is without one of these.

        def __getitem__(self, key: Key[T]) -> T:
            """
            Give a value.

            @raise KeyError: it was never set.
            """

        def __setitem__(self, key: Key[T], value: T) -> None:
            """Set a value."""

        def get(self, key: Key[T], default: T | None = None) -> T | None:
            """Give a value or the default."""


@dataclass(frozen=True, slots=True)
class Identity:
    """
    Who is asking.

    @ivar user: the canonical user name.
    @ivar groups: names of groups, if known.
    @ivar source: how it was found, such as C{"basic"} or C{"guest"}.
    """

    user: str
    groups: frozenset[str] = frozenset()
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTls:
    """
    What is known of the TLS on a client connection; no keys, no secrets, nothing of what is said inside.

    A field is empty where it does not apply: without a handshake of ours, as usual with C{"tunnel"} and C{"block"},
    there is only what the client claimed in its first message; with C{"tunnel"}, once the server has answered, also the
    version and the cipher that it has named to the client.

    @ivar server_name: the host that the client asked for (SNI), in lower case. Its own claim: it may be anything that is
        a well-formed name, and another one than the host of a CONNECT.
    @ivar version: as agreed with the client, such as C{"TLSv1.3"}.
    @ivar cipher: as agreed with the client, by OpenSSL's name, such as C{"TLS_AES_128_GCM_SHA256"}.
    @ivar alpn: the protocol that was agreed on, such as C{"http/1.1"}.
    @ivar resumed: an earlier session of the client was taken up again.
    @ivar decision: C{"terminate"}: TLS ends here, with a certificate of the listener; C{"intercept"}: likewise, with one
        made for the server's name; C{"tunnel"}: it passed unread; C{"block"}: it was refused.
    @ivar why: what led to the decision, as a token.
    @ivar upstream_version: as agreed with the server whose certificate was shown to the client in another's name, or by
        the client itself where it passes unread.
    @ivar upstream_cipher: likewise.
    """

    server_name: str = ""
    version: str = ""
    cipher: str = ""
    alpn: str = ""
    resumed: bool = False
    decision: str = ""
    why: str = ""
    upstream_version: str = ""
    upstream_cipher: str = ""


class Client:
    """
    The peer of one client connection.

    @ivar address: the client's IP address as text, from the PROXY protocol if a trusted peer sent one.
    @ivar port: its TCP port.
    @ivar peer: the address of the TCP peer itself.
    @ivar mode: C{"forward"}, C{"reverse"}, C{"transparent"} or C{"icap"}.
    @ivar listener: the address it connected to, for the log.
    @ivar certificate: who it is by its certificate, verified against the listener's C{client_ca}; C{None} if it showed
        none or was asked for none. It says who made the connection, not who sent a request through another proxy.
    @ivar by_proxy: the connection is a trusted proxy's (C{network.trusted_proxies}): it may carry several clients' requests.
    @ivar shared: several people may be behind its address: it is that of a trusted proxy, or in C{network.shared_networks}.
    @ivar tls: the TLS of the connection; C{None} if there is none, or none that was looked at.
    @ivar store: plugin state that lives as long as the connection.
    """

    __slots__ = (
        "address",
        "by_proxy",
        "certificate",
        "listener",
        "mode",
        "peer",
        "port",
        "shared",
        "store",
        "tls",
    )

    def __init__(
        self, address: str, port: int, *, mode: str, listener: str = "", peer: str = ""
    ) -> None:
        self.address = address
        self.port = port
        self.mode = mode
        self.listener = listener
        self.peer: str = peer or address
        self.certificate: ClientCertificate | None = None
        self.tls: ClientTls | None = None
        self.by_proxy = False
        self.shared = False
        self.store = Store()


class Timings:
    """
    Seconds on the monotonic clock, 0.0 where it was not reached.

    @ivar wall: when the request head was complete, seconds since the epoch.
    @ivar begun: the same moment on the monotonic clock.
    @ivar resolved: the upstream's name was resolved (0.0: nothing had to be).
    @ivar connected: the upstream connection was made (0.0: a kept one was used).
    @ivar first_byte: the final response's head was complete.
    @ivar ended: the transaction ended.
    """

    __slots__ = ("begun", "connected", "ended", "first_byte", "resolved", "wall")

    def __init__(self, wall: float, begun: float) -> None:
        self.wall = wall
        self.begun = begun
        self.resolved = 0.0
        self.connected = 0.0
        self.first_byte = 0.0
        self.ended = 0.0


class Transaction:
    """
    One request, its response and what was decided.

    @ivar id: unique in this process and, by its random prefix, practically everywhere; printed on pages and in the log.
    @ivar request: what the client asked for.
    @ivar response: C{None} until an answer is there.
    @ivar client: the client connection's peer.
    @ivar identity: who is asking, if known.
    @ivar verdict: the verdict that decided, if any.
    @ivar phase: how far it has come.
    @ivar outcome: set once, at the end.
    @ivar timings: when what happened.
    @ivar upstream: where it went, C{"address:port"}; empty if nowhere.
    @ivar route: how it went: C{"direct"}, C{"parent"}, C{"origin"}, C{"none"}; C{"store"}: what is stored answered it.
    @ivar bytes_in: bytes of content (or tunnel bytes) received from the client.
    @ivar bytes_out: bytes sent to the client, heads included.
    @ivar head_out: how many of those were heads.
    @ivar status: the status sent to the client, 0 while none was.
    @ivar site: the configured site of a reverse-proxied request, by its first host; else empty.
    @ivar upload_limit: how many bytes of content the configuration lets this request have; 0: no limit. Set before any
        hook is called, enforced by the upload-limit plugin.
    """

    __slots__ = (
        "__weakref__",
        "_notes",
        "_store",
        "bytes_in",
        "bytes_out",
        "client",
        "head_out",
        "id",
        "identity",
        "outcome",
        "phase",
        "request",
        "response",
        "route",
        "site",
        "status",
        "timings",
        "upload_limit",
        "upstream",
        "verdict",
    )

    def __init__(
        self, id: str, request: Request, client: Client, timings: Timings, upload_limit: int = 0
    ) -> None:
        self.id = id
        self.request = request
        self.client = client
        self.timings = timings
        self.response: Response | None = None
        self.identity: Identity | None = None
        self.verdict: Verdict | None = None
        self.phase: Phase = _RECEIVED
        self.outcome: Outcome | None = None
        self.upstream = ""
        self.route = "none"
        self.bytes_in = 0
        self.bytes_out = 0
        self.head_out = 0
        self.status = 0
        self.site = ""
        self.upload_limit = upload_limit
        self._notes: dict[str, str] | None = None
        self._store: Store | None = None

    # Not made by __getattr__ when it is first asked for: in a class that has one, the interpreter (CPython 3.11) reads every attribute
    # the slow way, and those of a transaction are read all the time.
    @property
    def store(self) -> Store:
        """Plugin state that lives as long as the transaction."""
        store = self._store
        if store is None:
            store = self._store = Store()
        return store

    @property
    def notes(self) -> dict[str, str]:
        """Short texts for the access log, by name."""
        if self._notes is None:
            self._notes = {}
        return self._notes

    @property
    def decrypted_only(self) -> bool:
        """Tell whether L{DECRYPTED_ONLY} is set."""
        return self.store.get(DECRYPTED_ONLY) is True

    @property
    def has_notes(self) -> bool:
        """Tell whether a note was made, without making the dictionary."""
        return bool(self._notes)
