"""
Users behind one address: whose request is whose with the IP user cache, and what a reload does to it.

The two users here are as alike as can be: one address, one kind of browser. A browser shows its user's password to a
connection that has asked for it and to none before, which is what a cache by address is tempted by. Who has really sent a
request stands in its path, and whom the gateway took for its sender in the access log.
"""

from __future__ import annotations

import random
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from gateway.api import Challenge, Identity, Plugin, Services, Transaction, hookimpl
from gateway.api.settings import Duration, Help
from gateway.testing.harness import CLIENT, Harness
from gateway.testing.messages import read_responses
from gateway.testing.peers import ScriptedClient, response
from gateway_auth.address_settings import AddressSettings
from gateway_auth.addresses import AddressCache
from gateway_auth.settings import AuthSettings
from tests.effort import is_full
from tests.scenarios.support import ScenarioTestCase

REQUESTS = 1000 if is_full() else 400
#: Who go on while the gateway is reloaded.
USERS = 50 if is_full() else 20
#: Between two requests, in seconds: a thousand take half an hour, and so several windows.
PAUSE = 1.8
BROWSER = "Browser/1.0"
#: Connections that a browser has open at the most.
OPEN = 3


@dataclass(frozen=True, slots=True)
class AskingSettings:
    """What the tests vary."""

    guard: Annotated[bool, Help("Of the cache.")] = True
    ip_cache: Annotated[Duration, Help("Of the cache.")] = AuthSettings().ip_cache


class Asking(Plugin):
    """Asks for passwords, and believes that of a user C{x} to be C{xpw}; what it does not know it asks the cache."""

    name = "asking"
    Settings = AskingSettings

    def __init__(self, settings: AskingSettings, services: Services) -> None:
        super().__init__(settings, services)
        own = AddressSettings(guard=settings.guard)
        self.cache = AddressCache(
            replace(AuthSettings(), ip_cache=settings.ip_cache, addresses=own), services
        )

    @hookimpl()
    def authenticate(self, txn: Transaction) -> Identity | Challenge:
        """Look at the password, else at the address."""
        said = txn.request.fields.get("proxy-authorization", "")
        if said:
            user, _, password = b64decode(said.split()[1]).decode().partition(":")
            if password == f"{user}pw":
                identity = Identity(user, frozenset(), "basic")
                self.cache.put(txn, identity)
                return identity
        found = self.cache.get(txn)
        return found or Challenge(('Basic realm="test"',), "who is it?")


class Browser:
    """
    One user's browser: several connections, each of which it shows the password to once it was asked there.

    @ivar asked: how often it was asked.
    """

    def __init__(
        self, gateway: Harness, user: str, *, agent: str = BROWSER, address: str = CLIENT
    ) -> None:
        self.user = user
        self.asked = 0
        self.failed = 0
        self._gateway = gateway
        self._agent = agent
        self._address = address
        self._shown: dict[int, bool] = {}
        self._open: list[ScriptedClient] = []

    def visit(self, number: int, *, anew: bool) -> None:
        """Ask for a page, on a connection of its own or on one that is open."""
        self._open = [client for client in self._open if not client.closed and not client.left]
        if anew or not self._open:
            client = self._gateway.client(self._address)
            self._shown[id(client)] = False
            self._open.append(client)
            if len(self._open) > OPEN:
                self._open.pop(0).close()
        client = self._open[-1] if anew else self._open[number % len(self._open)]
        status = self._ask(client, number)
        if status == 407:
            self.asked += 1
            self._shown[id(client)] = True
            status = self._ask(client, number)
        self.failed += status != 200

    def leave(self) -> None:
        """Close all connections."""
        for client in self._open:
            if not client.left:
                client.close()
        self._open.clear()

    def _ask(self, client: ScriptedClient, number: int) -> int:
        client.take()
        said = [
            f"GET http://origin.example.com/{self.user}/{number} HTTP/1.1",
            "Host: origin.example.com",
            f"User-Agent: {self._agent}",
        ]
        if self._shown[id(client)]:
            secret = b64encode(f"{self.user}:{self.user}pw".encode()).decode()
            said.append(f"Proxy-Authorization: Basic {secret}")
        client.send("\r\n".join([*said, "", ""]).encode())
        (answer,) = read_responses(client.take())
        return answer.status


class AddressCase(ScenarioTestCase):
    """Gateways that ask."""

    def asking(self, **settings: object) -> Harness:
        """Start one, with the settings of the plugin."""
        said = {f"plugins.asking.{name}": value for name, value in settings.items()}
        # Or a browser's connection would end between two of its requests.
        said["timeouts.client_idle"] = "10m"
        gateway = self.forward(said, plugins={"asking": Asking})
        gateway.origin(reply=response(b"hello"))
        return gateway

    def senders(self, gateway: Harness) -> Counter[tuple[str, str]]:
        """Count the requests that were answered by who has sent them and whom they were put down to."""
        found: Counter[tuple[str, str]] = Counter()
        for line in gateway.log:
            if line["status"] == 200:
                found[line["url"].split("/")[3], line["user"]] += 1
        return found

    def mistaken(self, gateway: Harness) -> int:
        """Count those that were put down to another one."""
        return sum(
            count for (sender, user), count in self.senders(gateway).items() if sender != user
        )

    def interleaved(self, gateway: Harness, pause: float = PAUSE) -> list[Browser]:
        """Let two users behind one address make all those requests by turns, four of ten on new connections."""
        users = [Browser(gateway, "anna"), Browser(gateway, "bert")]
        chance = random.Random(6)
        for number in range(REQUESTS):
            users[number % 2].visit(number, anew=chance.random() < 0.4)
            gateway.advance(pause)
        return users


class TwoUsersTests(AddressCase):
    """A thousand requests of two users behind one address, by turns; outside of CI fewer."""

    halves: Mapping[tuple[str, str], int] = {
        (user, user): REQUESTS // 2 for user in ("anna", "bert")
    }

    def test_with_guard(self) -> None:
        """With the guard, the cache as it is by default, each request is put down to who has sent it."""
        for pause in (PAUSE, 0.0):
            gateway = self.asking()
            users = self.interleaved(gateway, pause)
            self.assertEqual(self.mistaken(gateway), 0)
            self.assertEqual(self.senders(gateway), self.halves)
            self.assertEqual([user.failed for user in users], [0, 0])

    def test_without_guard(self) -> None:
        """Without it the second one is taken for the first and never asked: the fault that the guard is for."""
        gateway = self.asking(guard=False)
        users = self.interleaved(gateway, 0.5)
        self.assertEqual(self.senders(gateway)["bert", "anna"], REQUESTS // 2)
        self.assertEqual(users[1].asked, 0)

    def test_told_once(self) -> None:
        """Operators hear of the address once, however long it goes on."""
        gateway = self.asking()
        told: list[Any] = []
        service: Any = gateway.service
        service.plugin_services._states.tell = told.append
        self.successResultOf(gateway.reload())
        self.interleaved(gateway)
        self.assertEqual(
            [(event.name, event.subject) for event in told], [("address_shared", CLIENT)]
        )

    def test_other_browsers(self) -> None:
        """A second user with another kind of browser is asked whenever he comes, and the first request is his own."""
        for late in (0.0, 31.0, 200.0, 899.0):
            gateway = self.asking()
            anna = Browser(gateway, "anna")
            bert = Browser(gateway, "bert", agent="Other/2")
            anna.visit(0, anew=True)
            gateway.advance(late)
            for number in range(1, 40):
                for user in (bert, anna):
                    user.visit(number, anew=True)
                gateway.advance(1.0)
            self.assertEqual(self.mistaken(gateway), 0, late)

    def test_what_remains(self) -> None:
        """
        A second user with the very same browser, who comes after the probation, is taken for the first until the next one.

        It begins 300 s after the first user was seen, and from its first request on nothing is mistaken any more.
        """
        gateway = self.asking()
        users = Browser(gateway, "anna"), Browser(gateway, "bert")
        users[0].visit(0, anew=True)
        gateway.advance(100.0)
        for number in range(1, 401):
            for user in users:
                user.visit(number, anew=True)
            gateway.advance(1.0)
            if number == 200:
                mistaken = self.mistaken(gateway)
                # Second 100 to 299, one request of his in each.
                self.assertEqual(mistaken, 200)
        self.assertEqual(self.mistaken(gateway), mistaken)


class OneUserTests(AddressCase):
    """What the cache is for."""

    def visits(self, gateway: Harness, count: int) -> Browser:
        """Let one user make requests, each on a new connection, one a second."""
        user = Browser(gateway, "anna")
        for number in range(count):
            user.visit(number, anew=True)
            user.leave()
            gateway.advance(1.0)
        return user

    def test_asked_seldom(self) -> None:
        """In a quarter of an hour a user's 900 new connections are asked 90 times, and each request is put down to him."""
        gateway = self.asking()
        user = self.visits(gateway, 900)
        self.assertEqual(user.asked, 90)
        self.assertEqual(self.senders(gateway), {("anna", "anna"): 900})

    def test_churn(self) -> None:
        """An address that another user gets after the window is his, and nobody is told of sharing."""
        gateway = self.asking(ip_cache="60s")
        for user in ("anna", "bert", "anna"):
            Browser(gateway, user).visit(1, anew=True)
            gateway.advance(61.0)
        self.assertEqual(self.mistaken(gateway), 0)
        cache = _cache(gateway)
        self.assertFalse(cache.shared(CLIENT))


class ReloadTests(AddressCase):
    """Reloads while users go on."""

    def test_nobody_is_asked_again(self) -> None:
        """Twenty reloads, some with other settings, ask no user again and fail no request."""
        gateway = self.asking()
        users = [
            Browser(gateway, f"user{number}", address=f"192.0.2.{number}")
            for number in range(10, 10 + USERS)
        ]
        for user in users:
            user.visit(0, anew=True)
        gateway.advance(40.0)
        asked = sum(user.asked for user in users)
        self.assertEqual(asked, USERS)
        for number, window in zip(range(1, 21), self.windows(), strict=False):
            for user in users:
                user.visit(number, anew=True)
            self.successResultOf(gateway.reload({"plugins.asking.ip_cache": window}))
            gateway.advance(1.0)
        self.assertEqual(sum(user.asked for user in users), asked)
        self.assertEqual(sum(user.failed for user in users), 0)
        self.assertEqual(self.mistaken(gateway), 0)
        self.assertEqual(sum(self.senders(gateway).values()), USERS * 21)

    def test_shared_before(self) -> None:
        """An address that two users shared before a reload is shared after it, from the first request on."""
        gateway = self.asking()
        users = Browser(gateway, "anna"), Browser(gateway, "bert")
        for number in range(200):
            for user in users:
                user.visit(number, anew=True)
            gateway.advance(1.0)
            if number % 20 == 10:
                self.successResultOf(gateway.reload())
                self.assertTrue(_cache(gateway).shared(CLIENT))
        self.assertEqual(self.mistaken(gateway), 0)

    def windows(self) -> Iterator[str]:
        """Give other settings for each reload."""
        while True:
            yield from ("20m", "10m", "15m")


def _cache(gateway: Harness) -> AddressCache:
    service: Any = gateway.service
    found: AddressCache = service.plugins.plugins["asking"].cache
    return found
