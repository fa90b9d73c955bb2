"""
What a browser carries on its way to the gateway's own name and back, each of it sealed: wish, grant and state.

A wish says where somebody wanted to go, and is taken from the client that it was made for only. A grant names a user to one
origin, for a minute. The state is a cookie that an origin's pages share with one browser: its secret is in the wish and in the
grant, so that a grant is of use in that browser alone, and it counts how often the browser came back.

None of it can be made elsewhere (L{gateway_auth.tokens}). When each is asked for and what follows is for
L{gateway_auth.cookie_mode} to say.
"""

from __future__ import annotations

from typing import Final

from gateway.api import Response, Transaction
from gateway_auth import cookies
from gateway_auth.cookies import Origin
from gateway_auth.sessions import Session, client_hash, fresh_id, read, same, written
from gateway_auth.tokens import BadToken, Tokens

#: How long a person may take to sign in, and a browser to come back, seconds.
WISH_SECONDS: Final = 900.0
GRANT_SECONDS: Final = 60.0


class Wishes:
    """Seals and opens wishes, grants and states; whatever seals raises L{NoKey<gateway_auth.tokens.NoKey>} without a key."""

    __slots__ = ("_tokens",)

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def wish(self, txn: Transaction, origin: Origin, place: Origin, nonce: str) -> str:
        """
        Write down where a request wanted to go.

        @param place: where the wish will be read.
        @param nonce: the secret of the state; empty where he signs in at the origin itself.
        """
        request = txn.request
        target = request.raw_target.decode("latin-1")
        if not target.startswith("/"):
            target = "/"
        # Where he signs in at the origin itself, the browser knows better than we by which scheme it came. Two slashes
        # would begin with another host.
        url = f"/.{target}" if origin == place else f"{origin.url}{target}"
        content = written(str(origin), url, nonce, client_hash(txn))
        return self._tokens.seal("wish", str(place), content, WISH_SECONDS)

    def wanted(self, txn: Transaction, wish: str) -> tuple[str, str, str] | None:
        """Give a wish's origin, URL and secret; C{None}: it is not this client's, or not for here."""
        place = str(Origin.of(txn.request))
        try:
            origin, url, nonce, client = read(self._tokens.open("wish", place, wish))
        except (BadToken, ValueError):
            return None
        if not same(str(client), client_hash(txn)):
            return None
        return str(origin), str(url), str(nonce)

    def grant(self, origin: str, url: str, nonce: str, session: Session) -> str:
        """Name a user to an origin, for the browser that has the secret."""
        content = written(fresh_id(), url, nonce, session.packed())
        return self._tokens.seal("grant", origin, content, GRANT_SECONDS)

    def granted(self, origin: Origin, grant: str) -> tuple[str, str, str, Session] | None:
        """Give a grant's own name, its URL, secret and session; C{None}: it is none for this origin."""
        try:
            id, url, nonce, packed = read(self._tokens.open("grant", str(origin), grant))
            return str(id), str(url), str(nonce), Session.unpacked(packed)
        except (BadToken, ValueError):
            return None

    def state(self, txn: Transaction, origin: Origin) -> tuple[str, int] | None:
        """Give the secret that an origin's pages share with this browser, and how often it came back lately."""
        best: tuple[str, int] | None = None
        for text in cookies.copies(txn.request.fields, origin.cookie("state")):
            try:
                nonce, rounds, client = read(self._tokens.open("state", str(origin), text))
            except (BadToken, ValueError):
                continue
            # What somebody has set here from below the same domain was made for another client.
            if not isinstance(rounds, int) or not same(str(client), client_hash(txn)):
                continue
            if best is None or rounds > best[1]:
                best = str(nonce), rounds
        return best

    def set_state(
        self, txn: Transaction, response: Response, nonce: str, rounds: int, seconds: float
    ) -> None:
        """Share a secret with a browser, for so long."""
        origin = Origin.of(txn.request)
        content = written(nonce, rounds, client_hash(txn))
        text = self._tokens.seal("state", str(origin), content, seconds)
        cookies.set_cookie(response.fields, origin, "state", text, seconds)
