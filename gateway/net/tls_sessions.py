"""
TLS sessions with upstreams, kept to be resumed: a handshake without certificates, at a third of the cost.

What was judged in the full handshake holds for the resumed one, so a session is found only for the very same
expectations, on the same context, and for a bounded time. OpenSSL's own cache knows no hosts and is off.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

from OpenSSL import SSL

#: Seconds for which a session may be used; revocations and exceptions take effect after this at the latest.
SESSION_SECONDS = 3600.0
#: Destinations that are remembered.
MAX_KEYS = 2048
#: Sessions of one destination: TLS 1.3 tickets are for one use each (RFC 8446 appendix C.4).
MAX_OF_ONE = 4


class UpstreamSessions:
    """
    The sessions of one client context; goes with it, and so with the trust by which they were judged.

    A key holds all that was expected: host, port, name to verify, fingerprint of an exception. Connections that showed
    a client certificate, or on which somebody authenticated, are not kept (performance rule 14).
    """

    __slots__ = ("_kept", "_seconds", "offered")

    def __init__(self, seconds: Callable[[], float]) -> None:
        """
        Have none.

        @param seconds: a clock that never goes backwards, such as the reactor's.
        """
        self._seconds = seconds
        # Of each key the newest last, with the time at which it ends and whether it is for one use.
        self._kept: OrderedDict[Hashable, list[tuple[float, bool, SSL.Session]]] = OrderedDict()
        self.offered = 0
        """How many connections were given a session; whether the upstream takes it is its own choice."""

    def __len__(self) -> int:
        """Count the destinations."""
        return len(self._kept)

    def offer(self, connection: SSL.Connection, key: Hashable) -> bool:
        """Give a connection a session to resume, before its handshake; tells whether there was one."""
        kept = self._kept.get(key)
        if not kept:
            return False
        until, single, session = kept[-1]
        if until <= self._seconds():
            # What is older ends sooner.
            del self._kept[key]
            return False
        if single:
            kept.pop()
            if not kept:
                del self._kept[key]
        else:
            self._kept.move_to_end(key)
        connection.set_session(session)
        self.offered += 1
        return True

    def keep(self, connection: SSL.Connection, key: Hashable, begun: float) -> None:
        """
        Keep the session of a connection that was judged good.

        With TLS 1.3 the ticket comes after the handshake: call this when an answer was read, or when the connection
        goes back to the pool or ends.

        @param begun: when the certificate was judged, on the clock of this object; of a resumed connection the time of
            its full handshake, or its own if that is not known: then the upstream's bound on resumption holds.
        """
        session = connection.get_session()
        until = begun + SESSION_SECONDS
        if session is None or until <= self._seconds():
            return
        single = connection.get_protocol_version() == SSL.TLS1_3_VERSION
        entry = (until, single, session)
        kept = self._kept.setdefault(key, [])
        if not single:
            kept.clear()
        kept.append(entry)
        kept.sort(key=_until)
        del kept[:-MAX_OF_ONE]
        self._kept.move_to_end(key)
        while len(self._kept) > MAX_KEYS:
            self._kept.popitem(last=False)

    @staticmethod
    def over(connection: SSL.Connection) -> None:
        """
        Take note that a connection has ended, however it did; nothing can be sent or read on it afterwards.

        OpenSSL makes a session useless when its connection is freed without a C{close_notify}, which TLS has not asked
        for since 1.1 (RFC 4346 section 7.2.1) and which many servers leave out.
        """
        connection.set_shutdown(SSL.SENT_SHUTDOWN | SSL.RECEIVED_SHUTDOWN)

    def forget(self, key: Hashable) -> None:
        """Forget a destination, as after a handshake that failed."""
        self._kept.pop(key, None)


def _until(entry: tuple[float, bool, SSL.Session]) -> float:
    return entry[0]
