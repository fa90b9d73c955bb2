"""Cookie mode in numbers, with the whole plugin as an operator configures it: what a directory is asked (U3, L4)."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gateway.testing import FakeGateway
from gateway.testing.peers import request
from gateway_auth.tests.browser import Browser
from gateway_auth.tests.servers import BASE, FakeServer, group
from gateway_auth.tests.servers import person as entry
from gateway_auth.tests.with_directory import gateway_with
from tests.effort import examples

PAGE = "http://www.example.com/page"
URLS = (PAGE, "http://other.example.com/", "http://www.example.com:8080/")
HOURS_8 = 28800.0
#: A user's groups are asked for again so often.
GROUPS_SECONDS = 7200.0


class NumberCase(SynchronousTestCase):
    """A directory with alice and bob, and gateways with cookies, one key and no cache of addresses."""

    def setUp(self) -> None:
        self.server = FakeServer(entry("alice"), entry("bob"), group("staff", f"uid=alice,{BASE}"))
        folder = Path(self.mktemp())
        folder.mkdir()
        self.keys = folder / "cookie.keys"
        self.keys.write_text(f"{os.urandom(32).hex()}\n")

    def gateway(self, keys: Path | None = None) -> FakeGateway:
        """Start a gateway."""
        gateway = gateway_with(
            self.server,
            self.keys.parent,
            ip_cache=0,
            cookie="8h",
            cookies={"keys": {"file": str(keys or self.keys)}},
        )
        self.addCleanup(gateway.stop)
        for url in URLS:
            gateway.origin[url] = b"the page"
        return gateway

    def sign_in(self, person: Browser, name: str) -> None:
        """Let somebody sign in at the first page and go to all others once."""
        self.assertEqual(
            person.sign_in(PAGE, name, f"{name}-password").content, b"the page", person.trail
        )
        for url in URLS:
            self.assertEqual(person.go(url).content, b"the page")

    @property
    def logins(self) -> Counter[str]:
        """How often a user's password was given to the directory, by user."""
        return Counter(dn.partition(",")[0].removeprefix("uid=") for dn in self.server.binds())


class HoursTests(NumberCase):
    """One gateway, for eight hours."""

    def test_start(self) -> None:
        """What the plugin asks by itself when it starts comes to that directory too: nothing here waits for another one."""
        self.gateway()
        self.assertEqual({one.partition(" ")[0] for one in self.server.asked}, {"bind", "search"})
        self.assertEqual(self.logins, {})

    def test_one_login_in_8_hours(self) -> None:
        """Over 10,000 requests (in CI, else 2,000) at three origins the directory is asked for each user's password once (U3)."""
        gateway = self.gateway()
        people = {name: Browser([gateway]) for name in ("alice", "bob")}
        for name, person in people.items():
            self.sign_in(person, name)
        heads = {
            (name, url): request(
                url.encode(),
                b"User-Agent: " + person.agent.encode(),
                b"Cookie: " + person.cookie_field(url).encode(),
            )
            for name, person in people.items()
            for url in URLS
        }
        before = len(gateway.access_log)
        expected = []
        # On kept connections, all from one address and in turn, for as long as the cookies are good.
        rounds, turns = 20, examples(10_000) // 40
        for _ in range(rounds):
            lines = {name: gateway.client() for name in people}
            for number in range(turns):
                url = URLS[number % 3]
                for name, line in lines.items():
                    line.send(heads[name, url])
                    expected.append((200, name))
            for line in lines.values():
                line.close()
            gateway.clock.advance(HOURS_8 / rounds - 5)
        seen = [(line["status"], line["user"]) for line in gateway.access_log[before:]]
        self.assertEqual(Counter(seen), Counter(expected))
        self.assertEqual(seen, expected)
        self.assertEqual(self.logins, {"alice": 1, "bob": 1})
        # Groups are looked up by the service account: at the login, and every two hours.
        asked = [one for one in self.server.asked if one.startswith("search") and "uid=" in one]
        self.assertLessEqual(len(asked), 2 * HOURS_8 / GROUPS_SECONDS * 4)
        metrics = gateway.services.metrics
        self.assertEqual(
            metrics.value("directory_requests_total", what="verify", outcome="good"),  # type: ignore[attr-defined]
            2.0,
        )

    def test_over(self) -> None:
        """After eight hours the directory is asked for the password again, so the test above would see it."""
        gateway = self.gateway()
        person = Browser([gateway])
        self.sign_in(person, "alice")
        gateway.clock.advance(HOURS_8 + 1)
        page = person.go(PAGE)
        self.assertIn('type="password"', page.text)
        self.assertEqual(person.send(page, user="alice", password="alice-password").status, 200)
        self.assertEqual(self.logins, {"alice": 2})


class NodeTests(NumberCase):
    """Several gateways with no store in common (L4)."""

    def test_three_nodes(self) -> None:
        """With one key who has signed in at one node is known at all, request by request in turn: nobody asks again."""
        nodes = [self.gateway() for _ in range(3)]
        person = Browser(nodes)
        self.sign_in(person, "alice")
        person.trail.clear()
        for _ in range(20):
            for url in URLS:
                self.assertEqual(person.go(url).content, b"the page")
        self.assertEqual({status for _, status in person.trail}, {200})
        self.assertEqual(self.logins, {"alice": 1})

    def test_other_key(self) -> None:
        """With a key of its own a node knows nobody from elsewhere, and the directory is asked again."""
        other = self.keys.with_name("other.keys")
        other.write_text(f"{os.urandom(32).hex()}\n")
        person = Browser([self.gateway()])
        self.sign_in(person, "alice")
        person.gateways = [self.gateway(other)]
        page = person.go(PAGE)
        self.assertIn('type="password"', page.text)
        self.assertEqual(person.send(page, user="alice", password="alice-password").status, 200)
        self.assertEqual(self.logins, {"alice": 2})
