"""The plugin auth with all its parts in a whole gateway: in which order they speak, and who must not be believed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Allow, Identity, Plugin, Response, Transaction, hookimpl
from gateway.testing import FakeGateway, Seen
from gateway.testing.spoken import request_bytes
from gateway_auth import Auth
from gateway_auth.tests.browser import AGENT, OWN, Browser
from gateway_auth.tests.local_users import basic, hashed

PAGE = "http://www.example.com/page"
OTHER = "http://other.example.com/"


class AllowAll(Plugin):
    """Stands in front and ends the phase of request heads."""

    name = "allow_all"

    @hookimpl()
    def request_headers(self, txn: Transaction) -> Allow:
        """Allow."""
        return Allow("everything")


class Meddles(Plugin):
    """Stands in front and changes lines, as a request's C{X-Meddle} says."""

    name = "meddles"

    @hookimpl()
    def request_headers(self, txn: Transaction) -> Allow | None:
        """Change them; or end the phase."""
        fields = txn.request.fields
        wanted = fields.get("X-Meddle")
        if wanted == "adds":
            fields.add("X-More", "1")
        elif wanted == "puts":
            fields.set("Cookie", "more=2; gateway-auth=x")
        return Allow("it") if wanted == "allows" else None


class AuthCase(SynchronousTestCase):
    """alice (alicepw) and bob (bobpw); staff is alice."""

    def setUp(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        self.users, self.groups = folder / "users", folder / "groups"
        self.users.write_text(f"alice:{hashed('alicepw')}\nbob:{hashed('bobpw')}\n")
        self.groups.write_text("staff: alice\n")

    def settings(self, **more: object) -> dict[str, object]:
        """Give the plugin's settings."""
        return {"users": str(self.users), "groups": str(self.groups), "ip_cache": 0, **more}

    def gateway(self, mode: Any = "forward", **more: object) -> FakeGateway:
        """Start a gateway."""
        return self.started(FakeGateway(Auth, self.settings(**more), mode=mode))

    def started(self, gateway: FakeGateway) -> FakeGateway:
        """Give it pages, and an end."""
        self.addCleanup(gateway.stop)
        gateway.origin[PAGE] = b"the page"
        gateway.origin[OTHER] = b"the other page"
        return gateway

    def identity(self, seen: Seen) -> Identity | None:
        """Give who it was."""
        assert seen.transaction is not None
        return seen.transaction.identity


class CookieTests(AuthCase):
    """Cookie mode with real users."""

    def test_sign_in(self) -> None:
        """A browser signs in by the form once, and is known at each origin with the groups of the file."""
        gateway = self.gateway(cookie="8h")
        person = Browser([gateway])
        self.assertEqual(person.sign_in(PAGE).content, b"the page")
        seen = person.go(OTHER)
        self.assertEqual(seen.content, b"the other page")
        self.assertEqual(self.identity(seen), Identity("alice", frozenset({"staff"}), "cookie"))
        metrics: Any = gateway.services.metrics
        self.assertEqual(metrics.value("logins", result="signed_in"), 1.0)
        for request in gateway.origin.requests:
            self.assertNotIn(b"gateway-auth", request.raw)

    def test_programs(self) -> None:
        """Programs are asked by the order, and known by what they answer."""
        gateway = self.gateway(cookie="8h")
        self.assertEqual(self.successResultOf(gateway.get(PAGE)).status, 407)
        seen = self.successResultOf(gateway.get(PAGE, basic("bob", "bobpw")))
        self.assertEqual(self.identity(seen), Identity("bob", source="basic"))

    def test_behind_basic(self) -> None:
        """Where the order has a scheme before the cookie, browsers are asked by that."""
        gateway = self.gateway(cookie="8h", order=["basic", "cookie"])
        seen = Browser([gateway]).ask("GET", PAGE)
        self.assertEqual(seen.status, 407)

    def test_form_is_always_open(self) -> None:
        """Who has no cookie gets the form at the gateway's own name, whatever the order."""
        gateway = self.gateway(cookie="8h", order=["basic", "cookie"])
        page = Browser([gateway]).go(f"{OWN}/")
        self.assertEqual(page.status, 200)
        self.assertIn('name="password"', page.text)

    def test_wrong_passwords(self) -> None:
        """The form and Basic count wrong passwords together."""
        gateway = self.gateway(cookie="8h", limiter={"tries": 4, "wait": "60s"})
        for number in range(2):
            self.successResultOf(gateway.get(PAGE, basic("alice", f"guess{number}")))
        person = Browser([gateway])
        page = person.go(PAGE)
        for _ in range(2):
            page = person.send(page, user="alice", password="guess")
        self.assertEqual(person.send(page, user="alice", password="alicepw").status, 429)
        other = self.successResultOf(gateway.get(PAGE, basic("alice", "alicepw")))
        self.assertEqual(other.status, 407)

    def test_front_plugin_ends_the_phase(self) -> None:
        """A plugin in front that allows everything lets nobody in who is not known."""
        gateway = self.started(
            FakeGateway(
                AllowAll, plugins=[Auth], config={"plugins.auth": self.settings(cookie="8h")}
            )
        )
        seen = Browser([gateway]).ask("GET", PAGE)
        self.assertEqual(seen.status, 302)
        self.assertEqual(self.successResultOf(gateway.get(PAGE)).status, 407)
        self.assertEqual(gateway.origin.requests, [])

    def test_front_plugin_changes_lines(self) -> None:
        """Whatever a plugin in front changes, the origin sees no cookie of ours, how often the same user has come before."""
        config = {"plugins.auth": self.settings(cookie="8h")}
        gateway = self.started(FakeGateway(Meddles, plugins=[Auth], config=config))
        person = Browser([gateway])
        person.sign_in(PAGE)
        client = gateway.client()
        cookie = f"theirs=1; {person.cookie_field(PAGE)}"
        wishes = (
            "allows",
            "",
            "allows",
            "",
            "adds",
            "",
            "puts",
            "puts",
            "",
            "adds",
            "puts",
            "allows",
            "",
        )
        for number, wish in enumerate(wishes):
            fields = [("Cookie", cookie), ("User-Agent", AGENT), ("Accept", "*/*")]
            fields += [("Referer", f"{PAGE}/{number}"), ("X-Meddle", wish)]
            client.send(request_bytes("GET", PAGE, "www.example.com", fields, b""))
            gateway.settle()
            row, asked = gateway.access_log[-1], gateway.origin.requests[-1]
            self.assertEqual((row["status"], row["user"]), (200, "alice"))
            self.assertNotIn(b"gateway-auth", asked.raw)
            self.assertEqual(asked.get("cookie"), b"more=2" if wish == "puts" else b"theirs=1")
            self.assertEqual(asked.get("referer"), f"{PAGE}/{number}".encode())

    def test_site(self) -> None:
        """At a site a browser gets the form, the origin the name, and Authorization is the origin's own."""
        gateway = self.gateway("reverse", cookie="8h", sites={"hosts": ["www.example.com"]})
        person = Browser([gateway])
        done = person.sign_in(PAGE)
        self.assertEqual(done.content, b"the page")
        own = {"Authorization": "Basic b3JpZ2luOm93bg==", "X-Remote-User": "root"}
        person.ask("GET", PAGE, own)
        asked = gateway.origin.requests[-1]
        self.assertEqual(asked.get("x-remote-user"), b"alice")
        self.assertEqual(asked.get("authorization"), b"Basic b3JpZ2luOm93bg==")
        self.assertNotIn(b"root", asked.raw)

    def test_removed_user(self) -> None:
        """A user who is taken out of the file is out when his groups are asked for anew, cookie or not."""
        gateway = self.gateway(cookie="8h")
        person = Browser([gateway])
        person.sign_in(PAGE)
        self.users.write_text(f"bob:{hashed('bobpw')}\n")
        gateway.clock.advance(7300)
        gateway.settle()
        self.assertEqual(person.ask("GET", PAGE).status, 302)


class OrderTests(AuthCase):
    """Which of several signs decides."""

    def test_credentials_before_address(self) -> None:
        """A wrong password is not made good by an address that is known."""
        gateway = self.gateway(ip_cache="15m", addresses={"probation": 0, "same_program": False})
        self.assertEqual(self.status(gateway, basic("alice", "alicepw")), 200)
        self.assertEqual(self.status(gateway), 200)
        self.assertEqual(self.status(gateway, basic("alice", "wrong")), 407)

    def test_two_users_at_an_address(self) -> None:
        """Two users at one address make it nobody's, on one connection as well."""
        gateway = self.gateway(ip_cache="15m", addresses={"probation": 0, "same_program": False})
        client = gateway.client()
        for user in ("alice", "bob", "alice"):
            seen = self.successResultOf(gateway.get(PAGE, basic(user, f"{user}pw"), on=client))
            identity = self.identity(seen)
            assert identity is not None
            self.assertEqual(identity.user, user)
        self.assertEqual(self.status(gateway), 407)
        self.assertIn("address_shared", [event.name for event in gateway.events])

    def test_identity_stays_with_its_request(self) -> None:
        """Basic says nothing of the next request on the connection."""
        gateway = self.gateway()
        client = gateway.client()
        first = self.successResultOf(gateway.get(PAGE, basic("alice", "alicepw"), on=client))
        second = self.successResultOf(gateway.get(PAGE, on=client))
        self.assertEqual((first.status, second.status), (200, 407))

    def test_evict(self) -> None:
        """`gateway user evict` ends what is remembered of a user, here and at his address."""
        gateway = self.gateway(ip_cache="15m", addresses={"probation": 0})
        self.assertEqual(self.status(gateway, basic("alice", "alicepw")), 200)
        answer = self.successResultOf(gateway.order("user.evict", {"who": "alice"}))
        assert answer is not None
        self.assertEqual(answer["others"], 1)
        self.assertEqual(self.status(gateway), 407)
        self.assertIsNone(self.successResultOf(gateway.order("cache.clear")))

    def status(self, gateway: FakeGateway, fields: dict[str, str] | None = None) -> int:
        """Ask, and give the status."""
        return self.successResultOf(gateway.get(PAGE, fields or {})).status


class SmugglingTests(AuthCase):
    """Identity that is not shown but said."""

    def test_every_spelling(self) -> None:
        """No spelling of the field that tells the user gets from a client to an origin, whatever stands in front."""
        plugins = [Auth]
        config = {"plugins.auth": self.settings(policy="off", sites={"hosts": ["www.example.com"]})}
        gateway = self.started(
            FakeGateway(AllowAll, plugins=plugins, config=config, mode="reverse")
        )
        for name in ("X-Remote-User", "x-remote-user", "X_Remote_User", "X-REMOTE_USER"):
            for url in (PAGE, OTHER):
                self.successResultOf(gateway.get(url, {name: "root"}))
        for request in gateway.origin.requests:
            self.assertNotIn(b"root", request.raw)
        self.assertEqual(len(gateway.origin.requests), 8)

    def test_answer_of_the_origin(self) -> None:
        """What an origin answers tells the gateway nothing of users."""
        gateway = self.gateway()
        gateway.origin[PAGE] = Response(200, content=b"x")
        seen = self.successResultOf(gateway.get(PAGE, {"X-Remote-User": "alice"}))
        self.assertEqual((seen.status, self.identity(seen)), (407, None))

    def test_second_field_behind_the_first(self) -> None:
        """Credentials in two fields are nobody's, in whichever order and case."""
        gateway = self.gateway()
        good = basic("alice", "alicepw")["Proxy-Authorization"]
        other = basic("bob", "bobpw")["Proxy-Authorization"]
        for pair in ((good, other), (other, good), (good, good)):
            fields = [("Proxy-Authorization", pair[0]), ("pRoXy-AuThOrIzAtIoN", pair[1])]
            self.assertEqual(self.successResultOf(gateway.get(PAGE, fields)).status, 407)

    def test_never_upstream(self) -> None:
        """Proxy-Authorization never gets upstream: not good, not of an unknown scheme, not where nobody is asked."""
        for policy in ("required", "optional", "off", "guest"):
            gateway = self.gateway(policy=policy)
            for value in (
                basic("alice", "alicepw")["Proxy-Authorization"],
                basic("alice", "wrong")["Proxy-Authorization"],
                "Bearer abc",
            ):
                self.successResultOf(gateway.get(PAGE, {"Proxy-Authorization": value}))
            for request in gateway.origin.requests:
                self.assertNotIn(b"proxy-authorization", request.raw.lower())

    def test_pipelined(self) -> None:
        """Of requests that come in one piece each has its own user."""
        gateway = self.gateway()
        client = gateway.client()
        said: list[tuple[str, dict[str, str]]] = [
            ("a", basic("alice", "alicepw")),
            ("b", {}),
            ("c", basic("bob", "bobpw")),
        ]
        client.send(
            b"".join(
                request_bytes(
                    "GET", f"http://www.example.com/{name}", "www.example.com", fields, b""
                )
                for name, fields in said
            )
        )
        gateway.settle()
        users = [(line["url"][-1], line["user"], line["status"]) for line in gateway.access_log]
        self.assertEqual(users, [("a", "alice", 404), ("b", None, 407), ("c", "bob", 404)])


class AgentTests(AuthCase):
    """Browsers behind one address."""

    def test_each_browser_its_user(self) -> None:
        """Two browsers at one address that take turns are never taken for each other."""
        gateway = self.gateway(cookie="8h", ip_cache="15m")
        people = {name: Browser([gateway], agent=f"{AGENT} {name}") for name in ("alice", "bob")}
        for name, person in people.items():
            person.sign_in(PAGE, name)
        for turn in range(100):
            name = ("alice", "bob")[turn % 2]
            identity = self.identity(people[name].go(PAGE))
            assert identity is not None
            self.assertEqual(identity.user, name)
