"""
What origins are told of users, in front of sites (reverse mode), and what they must not be told by anybody else.

An origin that believes C{X-Remote-User} believes whoever can write it, so what a client sends under that name, or under one
that a server might take for it, is taken out of every request to every site, whether its users have to be known or not.
Names with underscores and the like never get past the core. Knows nothing of how somebody was identified.
"""

from __future__ import annotations

from gateway.api import Fields, Identity, Key, Transaction
from gateway_auth.settings import SiteSettings

#: More of a list of groups is not sent: servers refuse heads that are too long.
MAX_GROUPS_BYTES = 6000

_CONSUMED: Key[bool] = Key("auth.consumed")
_ENCODED = {ord(c): f"%{ord(c):02X}" for c in "%,"} | {n: f"%{n:02X}" for n in (*range(32), 127)}


class Sites:
    """
    Fields for origins.

    @ivar hosts: whose users have to be known.
    @ivar names: of the fields that origins believe, in lower case.
    """

    def __init__(self, settings: SiteSettings) -> None:
        self.hosts = settings.hosts
        self._settings = settings
        self.names = tuple(
            name.lower() for name in (settings.user_header, settings.groups_header) if name
        )
        # The list of lines that was looked at last: it comes by here twice, and the next request may have the same.
        self._clean: list[bytes] | None = None
        self._marks = tuple(f"\n{name}:".encode("ascii") for name in self.names)

    def strip(self, fields: Fields) -> None:
        """Take out what a client says of its user."""
        if fields.lines is self._clean:
            return
        # One search through all lines is quicker than a look at each; no line has a line break in it.
        text = b"\n".join((b"", *fields.lines)).lower()
        for name, mark in zip(self.names, self._marks, strict=True):
            if mark in text:
                fields.remove(name)
        self._clean = fields.lines

    def consumed(self, txn: Transaction) -> None:
        """Take credentials that were ours out of a request, unless origins shall have them."""
        if self._settings.authorization == "drop":
            txn.request.fields.remove("Authorization")

    def tell(self, fields: Fields, identity: Identity) -> None:
        """
        Tell an origin who it is.

        @raise ValueError: the name can't stand in a field.
        """
        settings = self._settings
        if settings.user_header:
            fields.set(settings.user_header, _in_a_field(identity.user))
        if settings.groups_header and identity.groups:
            fields.set(settings.groups_header, groups_text(identity.groups))


def groups_text(groups: frozenset[str]) -> str:
    """Write groups, sorted, with commas between them and those within percent-encoded; as many as there is room for."""
    written: list[str] = []
    room = MAX_GROUPS_BYTES
    for group in sorted(groups):
        text = _in_a_field(group.translate(_ENCODED))
        room -= len(text) + 1
        if room < 0:
            break
        written.append(text)
    return ",".join(written)


def _in_a_field(text: str) -> str:
    """Write a text as UTF-8; a field of the gateway has one character for each byte."""
    return text.encode("utf-8").decode("latin-1")
