"""Directory servers without sockets: they have entries, count what they are asked, and fail when they are told to."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from gateway_auth.bind_results import Answer
from gateway_auth.errand import Errand
from gateway_auth.ldap_messages import Entry
from gateway_auth.ldap_settings import ServerUri
from gateway_auth.ldap_wire import (
    ACTIVE_DIRECTORY,
    Deadline,
    Found,
    Question,
    SearchRefused,
    ServerFailed,
    SocketAddress,
    TooMany,
    Wire,
)

BASE = "dc=example,dc=com"
ACCOUNT, ACCOUNT_PASSWORD = f"cn=gateway,{BASE}", "account-password"

_MATCH = re.compile(r"\(([A-Za-z]+)(?::[0-9.]+:)?=([^()]*)\)")


def person(name: str, **attributes: str | list[str]) -> Entry:
    """Make a user's entry."""
    values: dict[str, str | list[str]] = {"uid": name, "sAMAccountName": name, **attributes}
    return Entry(
        f"uid={name},{BASE}",
        {
            key.lower(): tuple(
                one.encode() for one in ([value] if isinstance(value, str) else value)
            )
            for key, value in values.items()
        },
    )


def group(name: str, *members: str) -> Entry:
    """Make a group of these distinguished names."""
    return Entry(f"cn={name},{BASE}", {"member": tuple(one.encode() for one in members)})


class FakeServer:
    """
    A server; what it knows is for the test to change.

    @ivar asked: what came, in order: C{bind NAME}, C{search FILTER}.
    @ivar passwords: by the name that is bound as.
    @ivar answers: other answers to binds than by the password, by name.
    @ivar down: it can't be connected to; C{broken}: what is connected breaks.
    @ivar breaks: told what came, says whether the connection breaks without an answer.
    @ivar tried: so often somebody has tried to connect; C{connected}: so often with success.
    @ivar connections: that are open.
    @ivar fold: values that are alike by this are one.
    @ivar can_match: it can give those values alone that match.
    """

    def __init__(self, *entries: Entry, is_ad: bool = False) -> None:
        self.asked: list[str] = []
        self.entries = list(entries)
        self.passwords = {ACCOUNT: ACCOUNT_PASSWORD}
        self.answers: dict[str, Answer] = {}
        self.is_ad = is_ad
        self.down = False
        self.broken = False
        self.breaks: Callable[[str], bool] = lambda asked: False
        self.fold: Callable[[str], str] = str.lower
        self.searches_refused = False
        self.can_match = True
        self.connections: set[FakeWire] = set()
        self.connected = 0
        self.tried = 0
        self._held: list[Deferred[None]] | None = None
        for entry in entries:
            self.passwords[entry.dn] = f"{entry.dn.partition(',')[0].partition('=')[2]}-password"

    async def connect(
        self, uri: ServerUri, addresses: Sequence[SocketAddress], deadline: Deadline
    ) -> Wire:
        """Connect."""
        self.tried += 1
        await self.go()
        if self.down:
            raise ServerFailed("refused")
        self.connected += 1
        return FakeWire(self, deadline)

    def hold(self) -> None:
        """Let whatever comes wait."""
        self._held = []

    def release(self) -> None:
        """Let it go on, in the order in which it came."""
        held, self._held = self._held or [], None
        for one in held:
            one.callback(None)

    async def go(self) -> None:
        """Wait as long as everything does."""
        if self._held is not None:
            waiting: Deferred[None] = Deferred()
            self._held.append(waiting)
            await waiting

    def binds(self) -> list[str]:
        """Give the names that were bound as, the service account's left out."""
        names = [one.removeprefix("bind ") for one in self.asked if one.startswith("bind ")]
        return [name for name in names if name != ACCOUNT]


class FakeWire:
    """A connection to a server in memory."""

    def __init__(self, server: FakeServer, deadline: Deadline) -> None:
        self.deadline = deadline
        self.bound = ""
        self._server = server
        server.connections.add(self)

    async def bind(self, name: str, password: str) -> Answer:
        """Look at the password."""
        await self._server.go()
        self._look()
        assert name and password
        self._came(f"bind {name}")
        if name in self._server.answers:
            return self._server.answers[name]
        known = self._server.passwords.get(name)
        is_good = known is not None and known == password
        self.bound = name if is_good else ""
        return Answer(0 if is_good else 49)

    def bind_and_tell(
        self, name: str, password: str, told: Callable[[Answer | Failure], object]
    ) -> None:
        """Tell it to a function."""
        Errand(self.bind(name, password), told)

    async def search(
        self,
        base: str,
        filter: str,
        attributes: Sequence[str],
        *,
        limit: int,
        scope: Literal["base", "subtree"] = "subtree",
    ) -> list[Entry]:
        """Find what has any of the values in the filter."""
        self._look()
        if not base:
            found = (ACTIVE_DIRECTORY,) if self._server.is_ad else ()
            return [Entry("", {"supportedcapabilities": found})]
        self._came(f"search {filter}")
        if self._server.searches_refused:
            raise SearchRefused("insufficientAccessRights (50)")
        if scope == "base":
            return [entry for entry in self._server.entries if entry.dn == base]
        wanted = _wanted(filter)
        entries = [
            entry
            for entry in self._server.entries
            if any(
                (
                    value == "*"
                    or self._server.fold(value) in map(self._server.fold, entry.texts(key))
                )
                and key in entry.attributes
                for key, value in wanted
            )
        ]
        if len(entries) > limit:
            raise TooMany("too many")
        return entries

    async def search_all(self, questions: Sequence[Question]) -> list[Found]:
        """Find for one after the other."""
        await self._server.go()
        self._look()
        self._server.asked.append(f"{len(questions)} searches")
        answers: list[Found] = []
        for one in questions:
            try:
                if one.matched and not self._server.can_match:
                    raise SearchRefused("unavailableCriticalExtension (12)")
                filter = one.filter + "".join(one.either)
                entries = await self.search(
                    one.base, filter, one.attributes, limit=one.limit, scope=one.scope
                )
                if one.matched:
                    entries = [_matched(entry, one) for entry in entries]
                answers.append(entries)
            except (SearchRefused, TooMany) as error:
                answers.append(error)
        return answers

    @property
    def is_open(self) -> bool:
        """It can't be known."""
        return True

    def close(self) -> None:
        """Close."""
        self._server.connections.discard(self)

    def _came(self, asked: str) -> None:
        self._server.asked.append(asked)
        if self._server.breaks(asked):
            self.close()
            self._look()

    def _look(self) -> None:
        if self._server.broken or self not in self._server.connections:
            raise ServerFailed("the server closed the connection")


def _wanted(filter: str) -> list[tuple[str, str]]:
    """Give attributes and values of a filter, in lower case."""
    return [
        (match[1].lower(), re.sub(r"(?:\\[0-9a-f]{2})+", _plain, match[2]).lower())
        for match in _MATCH.finditer(filter)
    ]


def _matched(entry: Entry, asked: Question) -> Entry:
    """Leave what was asked for of an entry, and the values of it that match (RFC 3876)."""
    wanted = _wanted("".join(asked.either))
    found = {
        name: tuple(one for one in values if (name, one.decode().lower()) in wanted)
        for name, values in entry.attributes.items()
        if name in (attribute.lower() for attribute in asked.attributes)
    }
    return Entry(entry.dn, {name: values for name, values in found.items() if values})


def _plain(found: re.Match[str]) -> str:
    return bytes.fromhex(found[0].replace("\\", "")).decode()
