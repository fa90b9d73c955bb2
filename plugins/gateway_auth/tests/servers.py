"""Directory servers without sockets: they have entries, count what they are asked, and fail when they are told to."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal

from gateway_auth.bind_results import Answer
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
    @ivar connections: that are open.
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
        self.searches_refused = False
        self.connections: set[FakeWire] = set()
        self.connected = 0
        for entry in entries:
            self.passwords[entry.dn] = f"{entry.dn.partition(',')[0].partition('=')[2]}-password"

    def connect(
        self, uri: ServerUri, addresses: Sequence[SocketAddress], deadline: Deadline
    ) -> Wire:
        """Connect."""
        if self.down:
            raise ServerFailed("refused")
        self.connected += 1
        return FakeWire(self, deadline)

    def binds(self) -> list[str]:
        """Give the names that were bound as, the service account's left out."""
        names = [one.removeprefix("bind ") for one in self.asked if one.startswith("bind ")]
        return [name for name in names if name != ACCOUNT]


class FakeWire:
    """A connection to a server in memory."""

    def __init__(self, server: FakeServer, deadline: Deadline) -> None:
        self.deadline = deadline
        self.bound = ""
        self._binding: tuple[str, str] | None = None
        self._server = server
        server.connections.add(self)

    def bind(self, name: str, password: str) -> Answer:
        """Look at the password."""
        self._look()
        assert name and password
        self._came(f"bind {name}")
        if name in self._server.answers:
            return self._server.answers[name]
        known = self._server.passwords.get(name)
        is_good = known is not None and known == password
        self.bound = name if is_good else ""
        return Answer(0 if is_good else 49)

    def search(
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
        wanted = [
            (match[1].lower(), re.sub(r"(?:\\[0-9a-f]{2})+", _plain, match[2]).lower())
            for match in _MATCH.finditer(filter)
        ]
        entries = [
            entry
            for entry in self._server.entries
            if any(
                value in ("*", *(text.lower() for text in entry.texts(key)))
                and key in entry.attributes
                for key, value in wanted
            )
        ]
        if len(entries) > limit:
            raise TooMany("too many")
        return entries

    def begin_bind(self, name: str, password: str) -> int:
        """Keep what was asked."""
        assert self._binding is None
        self._look()
        self._binding = name, password
        return 1

    def end_bind(self, number: int) -> Answer:
        """Look at the password."""
        assert self._binding is not None
        (name, password), self._binding = self._binding, None
        return self.bind(name, password)

    def search_all(self, questions: Sequence[Question]) -> list[Found]:
        """Find for one after the other."""
        self._look()
        self._server.asked.append(f"{len(questions)} searches")
        answers: list[Found] = []
        for one in questions:
            try:
                answers.append(
                    self.search(
                        one.base, one.filter, one.attributes, limit=one.limit, scope=one.scope
                    )
                )
            except (SearchRefused, TooMany) as error:
                answers.append(error)
        return answers

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


def _plain(found: re.Match[str]) -> str:
    return bytes.fromhex(found[0].replace("\\", "")).decode()
