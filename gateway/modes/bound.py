"""
A client connection that authenticates itself as such to servers: NTLM, and Negotiate (RFC 4559 section 6).

Such credentials hold for the connection they come by: a server takes whatever follows on it for the same user's, so an
upstream connection that has carried them is one client connection's alone, and the three messages of a handshake have to
go by the same one. From the first such request on, all requests of the client connection go by connections of its own,
each next hop by one, and a site's requests to one origin. When the client connection ends they are closed.

What a request means and where it goes is the mode's around which this one is put.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from gateway.api.messages import Response
from gateway.api.transaction import Transaction
from gateway.modes.mode import Mode
from gateway.net.owner import Owner, OwnKey
from gateway.pipeline.ports import Upstream
from gateway.wire.events import RequestHead

#: Origins that one connection remembers; more than one for a site only if a trusted proxy sends several clients' by it.
_MOST_ORIGINS = 256


class BoundMode:
    """
    The mode of one such connection.

    @ivar mode: the one that it would have else.
    @ivar owner: whose the upstream connections are.
    """

    __slots__ = ("_origins", "connects", "keeps_http10", "mode", "name", "owner")

    def __init__(
        self, mode: Mode, owner: Owner, origins: dict[tuple[Hashable, ...], str] | None = None
    ) -> None:
        self.mode = mode
        self.owner = owner
        self.name = mode.name
        self.keeps_http10 = mode.keeps_http10
        self.connects = mode.connects
        self._origins = {} if origins is None else origins

    def upstream(self, txn: Transaction, head: RequestHead, connection: Any) -> Upstream | Response:
        """Choose where it goes, by connections of its own."""
        made: Any = self.mode.upstream(txn, head, connection)
        if type(made) is not Response:
            made = made.bound(self, txn)
        return made  # type: ignore[no-any-return]

    def renewed(self, newer: Any) -> BoundMode | None:
        """Go over to what a newer configuration says; what is bound stays so."""
        mode = self.mode.renewed(newer)
        return None if mode is None else BoundMode(mode, self.owner, self._origins)

    def key(self, key: Hashable, txn: Transaction) -> OwnKey:
        """
        Give what a request's connections are kept under.

        @param key: what they would be kept under for everybody.
        """
        return OwnKey(key, _who(txn), self.owner)

    def origin(self, site: Hashable, txn: Transaction) -> str | None:
        """Give the id of the origin that such requests for a site go to; C{None}: there is none yet."""
        return self._origins.get((site, _who(txn)))

    def settle(self, site: Hashable, txn: Transaction, origin: str) -> None:
        """Remember that origin."""
        at = site, _who(txn)
        if len(self._origins) >= _MOST_ORIGINS and at not in self._origins:
            self._origins.clear()
        self._origins[at] = origin


def _who(txn: Transaction) -> tuple[str, str]:
    """
    Tell apart whom one client connection may speak for: a proxy in front may mix its clients' requests on one, and then
    these are not one user's either. Known only when plugins have said who it is.
    """
    return txn.client.address, "" if txn.identity is None else txn.identity.user
