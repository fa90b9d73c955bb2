"""Attacks on cookie mode: forged, stolen, replayed and planted cookies and grants, and redirects to elsewhere (U4)."""

from __future__ import annotations

from gateway.api import Response
from gateway.message.fields import Fields
from gateway.testing import Seen
from gateway_auth.redirects import GO, RESERVED
from gateway_auth.tests.browser import KEY, OWN, Browser
from tests.scenarios.cookies import HOURS_8, OTHER, PAGE, CookieCase


class AttackTests(CookieCase):
    """What somebody may try."""

    def setUp(self) -> None:
        self.one = self.gateway()
        self.alice = self.browser(self.one)
        self.assertEqual(self.alice.sign_in(PAGE).content, b"the page")
        self.mallory = self.browser(self.one, address="192.0.2.66")
        self.mallory.sign_in(PAGE, "bob")

    def shows(
        self, browser: Browser, value: str, url: str = PAGE, name: str = "gateway-auth"
    ) -> Seen:
        """Show a cookie in a request that is not redirected."""
        fields = {"User-Agent": browser.agent, "Accept": "*/*", "Cookie": f"{name}={value}"}
        return self.one.get(url, fields, address=browser.address).seen()

    def test_forged(self) -> None:
        """A cookie that was changed, cut or made up is none."""
        good = self.cookie(self.alice)
        self.assertEqual(self.shows(self.alice, good).status, 200)
        changed = good[:-1] + ("A" if good[-1] != "A" else "B")
        key, data, tag = good.split(".")
        for bad in (
            changed,
            good[:-1],
            good[:20],
            good + "A",
            f"{key}.{data}.",
            f"{key}..{tag}",
            f"{key}.{tag}.{data}",
            "alice",
            "",
            "x" * 30000,
            '"' + good,
        ):
            self.assertEqual(self.shows(self.alice, bad).status, 407, bad[:40])

    def test_other_key(self) -> None:
        """A cookie of a gateway with another key is none."""
        strange = self.gateway(keys="s" * 40)
        person = self.browser(strange)
        person.sign_in(PAGE)
        self.assertEqual(self.shows(self.alice, self.cookie(person)).status, 407)

    def test_expired(self) -> None:
        """A cookie that was kept beyond its end is none."""
        good = self.cookie(self.alice)
        self.one.clock.advance(HOURS_8 + 1)
        self.assertEqual(self.shows(self.alice, good).status, 407)

    def test_other_origin(self) -> None:
        """A cookie is good at its own origin: not at another host or port, nor at the gateway's own name."""
        good = self.cookie(self.alice)
        self.assertEqual(self.shows(self.alice, good, OTHER).status, 407)
        at_port = self.shows(self.alice, good, "http://www.example.com:8080/", "gateway-auth-8080")
        self.assertEqual(at_port.status, 407)
        thief = self.browser(self.one, jar={("auth.gateway.local", "gateway-auth"): good})
        self.assertIn('type="password"', thief.go(f"{OWN}/").text)

    def test_own_name_elsewhere(self) -> None:
        """The session at the gateway's own name is good at no origin."""
        session = self.alice.jar["auth.gateway.local", "gateway-auth"]
        self.assertEqual(self.shows(self.alice, session).status, 407)

    def test_other_browser(self) -> None:
        """A cookie shown by another kind of browser is none."""
        thief = self.browser(self.one, agent="Mozilla/5.0 (Windows NT 10.0) Thief/1.0")
        self.assertEqual(self.shows(thief, self.cookie(self.alice)).status, 407)

    def test_other_address(self) -> None:
        """Where cookies are bound to addresses, one from another address is none; where not, people may move."""
        good = self.cookie(self.alice)
        moved = self.browser(self.one, address="192.0.2.99")
        self.assertEqual(self.shows(moved, good).status, 200)
        strict = self.gateway(bind="address")
        person = self.browser(strict)
        person.sign_in(PAGE)
        there = {"User-Agent": person.agent, "Cookie": f"gateway-auth={self.cookie(person)}"}
        self.assertEqual(strict.get(PAGE, there).seen().status, 200)
        self.assertEqual(strict.get(PAGE, there, address="192.0.2.99").seen().status, 407)

    def test_two_users(self) -> None:
        """Two good cookies of two users, one of them slipped in by a neighbour, name nobody."""
        both = f"{self.cookie(self.alice)}; gateway-auth={self.cookie(self.mallory)}"
        self.assertEqual(self.shows(self.alice, both).status, 407)
        twice = f"{self.cookie(self.alice)}; gateway-auth=rubbish"
        self.assertEqual(self.shows(self.alice, twice).status, 200)

    def test_grant_replayed(self) -> None:
        """A grant is good once, even in the right browser."""
        url = self.grant(self.alice, OTHER)
        state = dict(self.alice.jar)
        self.assertEqual(self.alice.ask("GET", url).status, 302)
        self.alice.jar = state
        self.assertEqual(self.alice.ask("GET", url).status, 403)

    def test_grant_expired(self) -> None:
        """A grant is good for a minute."""
        url = self.grant(self.alice, OTHER)
        self.one.clock.advance(62)
        self.assertEqual(self.alice.ask("GET", url).status, 403)

    def test_grant_stolen(self) -> None:
        """A grant that somebody has read on the way gives him nothing: he has not the browser that it was made for."""
        url = self.grant(self.alice, OTHER)
        thief = self.browser(self.one)
        self.assertEqual(thief.ask("GET", url).status, 407)
        thief.ask("GET", OTHER)
        self.assertEqual(thief.ask("GET", url).status, 302)
        self.assertNotIn(("other.example.com", "gateway-auth"), thief.jar)

    def test_grant_planted(self) -> None:
        """Nobody is signed in as somebody else by following that one's link, with his state cookie planted or not."""
        url = self.grant(self.mallory, OTHER)
        state = self.mallory.jar["other.example.com", "gateway-auth-state"]
        self.alice.ask("GET", OTHER)
        self.alice.ask("GET", url)
        self.assertNotIn(("other.example.com", "gateway-auth"), self.alice.jar)
        self.alice.jar["other.example.com", "gateway-auth-state"] = state
        self.alice.ask("GET", url)
        self.assertNotIn(("other.example.com", "gateway-auth"), self.alice.jar)

    def test_grant_elsewhere(self) -> None:
        """A grant for one origin is none at another."""
        url = self.grant(self.alice, OTHER)
        there = url.replace("other.example.com", "www.example.com")
        self.assertEqual(self.alice.ask("GET", there).status, 403)

    def test_open_redirect(self) -> None:
        """No URL of anybody's making sends a browser anywhere, neither in a query nor as a wish of another client."""
        for query in (
            "http://evil.example.com/",
            "url=http://evil.example.com/",
            "//evil.example.com",
            "x.y.z",
        ):
            seen = self.alice.ask("GET", f"{OWN}{GO}?{query}")
            self.assertEqual((seen.status, seen.fields.get("location")), (403, None))
            seen = self.alice.ask("GET", f"http://www.example.com{RESERVED}?{query}")
            self.assertEqual((seen.status, seen.fields.get("location")), (403, None))
        wish = self.mallory.ask("GET", "http://evil.example.com/").fields.get("location") or ""
        self.assertEqual(self.alice.ask("GET", wish).status, 403)

    def test_odd_paths(self) -> None:
        """A path of two slashes or a backslash leads back to the same origin, and nowhere else."""
        for target in ("//evil.example.net/x", "/\\evil.example.net", "/%5c%5cevil"):
            url = f"http://other.example.com{target}"
            person = self.browser(self.one)
            person.sign_in("http://www.example.com/")
            arrived = self.grant(person, url)
            location = person.ask("GET", arrived).fields.get("location") or ""
            self.assertTrue(location.startswith("http://other.example.com/"), location)
            self.assertNotIn("\\", location)

    def test_origin_sets(self) -> None:
        """An origin sets no cookie of ours, and its own ones pass."""
        fields = Fields.of(
            [
                ("Set-Cookie", f"gateway-auth={self.cookie(self.mallory)}; Path=/"),
                ("Set-Cookie", "theirs=1"),
            ]
        )
        self.one.origin[PAGE] = Response(200, fields, b"x")
        self.alice.ask("GET", PAGE)
        self.assertEqual(self.alice.jar["www.example.com", "theirs"], "1")
        self.assertNotEqual(self.cookie(self.alice), self.cookie(self.mallory))

    def test_reserved_paths(self) -> None:
        """What is below our path at an origin never gets there."""
        before = len(self.one.origin.requests)
        for path in (RESERVED, f"{RESERVED}/", f"{RESERVED}/login", f"{RESERVED}/go?x"):
            self.assertEqual(self.alice.ask("GET", f"http://www.example.com{path}").status, 403)
        self.assertEqual(len(self.one.origin.requests), before)

    def test_rotation(self) -> None:
        """After a change of keys cookies of the old one are good until its end, and new ones are made by the new one."""
        after = self.gateway(keys=f"{'n' * 40}\n{KEY} 2999-01-01T00:00:00Z")
        fields = {
            "User-Agent": self.alice.agent,
            "Cookie": f"gateway-auth={self.cookie(self.alice)}",
        }
        self.assertEqual(after.get(PAGE, fields).seen().status, 200)
        ended = self.gateway(keys=f"{'n' * 40}\n{KEY} 2020-01-01T00:00:00Z")
        self.assertEqual(ended.get(PAGE, fields).seen().status, 407)

    def test_all_keys_ended(self) -> None:
        """When no key is left nobody is let in, and people see a page and no error of the gateway."""
        dead = self.gateway(keys=f"{KEY} 2020-01-01T00:00:00Z")
        person = self.browser(dead)
        self.assertEqual(person.ask("GET", PAGE).status, 407)
        self.assertEqual(person.ask("GET", f"{OWN}/").status, 503)
