"""Cookie mode in a whole gateway: the way of a person, and of clients that are none (U4)."""

from __future__ import annotations

from urllib.parse import urlsplit

from twisted.internet.defer import Deferred

from gateway.api.settings import HostSet
from gateway.testing import FakeGateway
from gateway_auth.login import LOGIN
from gateway_auth.tests.browser import OWN, Browser, Front
from tests.scenarios.cookies import HOURS_8, OTHER, PAGE, CookieCase


class WayTests(CookieCase):
    """The way of a person."""

    def setUp(self) -> None:
        self.one = self.gateway()
        self.person = self.browser(self.one)

    def test_sign_in(self) -> None:
        """Who has no cookie is asked at the gateway's own name and taken back to exactly where he wanted to go."""
        page = self.person.go(PAGE)
        self.assertEqual(
            (page.status, urlsplit(self.person.url).hostname), (200, "auth.gateway.local")
        )
        self.assertIn('<label for="user">', page.text)
        done = self.person.send(page, user="alice", password="alicepw")
        self.assertEqual((done.status, done.content, self.person.url), (200, b"the page", PAGE))
        self.assertEqual(self.front(self.one).users, [(PAGE, "alice")])
        self.assertEqual(done.log["user"], "alice")

    def test_next_origin(self) -> None:
        """At the next origin nobody is asked again: three redirects, and one check of a password for all."""
        self.person.sign_in(PAGE)
        self.person.trail.clear()
        self.assertEqual(self.person.go(OTHER).content, b"the page")
        self.assertEqual([status for _, status in self.person.trail], [302, 302, 302, 200])
        self.assertEqual(self.front(self.one).asked, ["alice"])

    def test_known(self) -> None:
        """With the cookie nothing but the request itself is made."""
        self.person.sign_in(PAGE)
        self.person.trail.clear()
        for _ in range(3):
            self.person.go(PAGE)
        self.assertEqual([status for _, status in self.person.trail], [200, 200, 200])

    def test_origin_sees_nothing(self) -> None:
        """Of all this the origin sees one request, without a cookie of ours and with its own."""
        self.person.jar["www.example.com", "theirs"] = "1"
        self.person.sign_in(PAGE)
        (came,) = self.one.origin.requests
        shown = [value for name, value in came.fields if name.lower() == b"cookie"]
        self.assertEqual(shown, [b"theirs=1"])
        self.assertNotIn(b"gateway-auth", b"".join(n + v for n, v in came.fields))

    def test_no_name_in_clear(self) -> None:
        """Neither cookies nor URLs hold the user's name, and the cookie's attributes are as said."""
        seen = [self.person.ask("GET", PAGE)]
        for _ in range(3):
            location = seen[-1].fields.get("location")
            if not location:
                break
            seen.append(self.person.ask("GET", location))
        done = self.person.send(seen[-1], user="alice", password="alicepw")
        self.assertEqual(done.status, 200)
        for key, value in self.person.jar.items():
            self.assertNotIn("alice", f"{key}{value}")
        arrived = self.grant(self.person, OTHER)
        self.assertNotIn("alice", arrived)
        (made,) = (
            value
            for value in self.person.ask("GET", arrived).fields.get_all("set-cookie")
            if value.startswith("gateway-auth=")
        )
        self.assertRegex(made, r"; Path=/; Max-Age=28[78]\d\d; HttpOnly; SameSite=Lax$")

    def test_ports(self) -> None:
        """Two ports of a host, which share a browser's cookies, have each their own."""
        self.person.sign_in(PAGE)
        self.assertEqual(self.person.go("http://www.example.com:8080/").status, 200)
        self.person.trail.clear()
        for url in (PAGE, "http://www.example.com:8080/"):
            self.person.go(url)
        self.assertEqual([status for _, status in self.person.trail], [200, 200])

    def test_ends(self) -> None:
        """Eight hours after the password every cookie is over, that of an origin visited last too."""
        self.person.sign_in(PAGE)
        self.one.clock.advance(HOURS_8 - 100)
        self.assertEqual(self.person.go(OTHER).content, b"the page")
        self.one.clock.advance(101)
        for url in (OTHER, PAGE):
            self.assertIn('type="password"', self.person.go(url).text)

    def test_wrong_password(self) -> None:
        """A wrong password shows the form again, and the right one then goes on to where he wanted."""
        page = self.person.go(PAGE)
        again = self.person.send(page, user="alice", password="wrong")
        self.assertEqual(again.status, 403)
        self.assertIn('role="alert"', again.text)
        self.assertIn('value="alice"', again.text)
        self.assertNotIn("wrong<", again.text)
        self.person.url = f"{OWN}{LOGIN}"
        self.assertEqual(
            self.person.send(again, user="alice", password="alicepw").content, b"the page"
        )
        self.assertEqual(self.person.url, PAGE)

    def test_sign_out(self) -> None:
        """Who signs out is asked again at all origins, though their cookies have not ended."""
        self.person.sign_in(PAGE)
        self.person.go(OTHER)
        page = self.person.go(f"{OWN}/")
        self.assertIn("signed in as <strong>alice</strong>", page.text)
        self.one.clock.advance(1)
        self.assertIn("signed out", self.person.send(page).text)
        for url in (PAGE, OTHER):
            self.assertIn('type="password"', self.person.go(url).text)
        self.one.clock.advance(1)
        self.assertEqual(self.person.sign_in(PAGE).content, b"the page")

    def test_several_pages_at_once(self) -> None:
        """Pages that are opened at the same time all get there."""
        self.person.sign_in(OTHER)
        first = self.person.ask("GET", PAGE).fields.get("location") or ""
        state = dict(self.person.jar)
        second = self.person.ask("GET", "http://www.example.com/").fields.get("location") or ""
        self.assertNotEqual(state, self.person.jar)
        for wish, page in ((first, PAGE), (second, "http://www.example.com/")):
            self.assertEqual(self.person.go(wish).content, b"the page")
            self.assertEqual(self.person.url, page)

    def test_groups(self) -> None:
        """Groups come with the cookie, are asked for again after two hours, and stay as they were while nobody answers."""
        seen = self.person.sign_in(PAGE)
        front = self.front(self.one)
        self.assertEqual(seen.transaction.identity.groups, {"staff", "admins"})  # type: ignore[union-attr]
        self.assertEqual(front.asked_groups, [])
        self.one.clock.advance(7201)
        front.groups["alice"] = frozenset({"staff"})
        seen = self.person.go(PAGE)
        self.assertEqual(seen.transaction.identity.groups, {"staff"})  # type: ignore[union-attr]
        front.is_down = True
        seen = self.person.go(PAGE)
        self.assertEqual(seen.transaction.identity.groups, {"staff", "admins"})  # type: ignore[union-attr]

    def test_many_groups(self) -> None:
        """Groups for which a cookie has no room are asked for; the cookie stays within what browsers take."""
        front = self.front(self.one)
        front.groups["alice"] = frozenset(f"CN=group {n:04} {hash(n * 7919)}" for n in range(3000))
        seen = self.person.sign_in(PAGE)
        self.assertEqual(len(seen.transaction.identity.groups), 3000)  # type: ignore[union-attr]
        self.assertEqual(front.asked_groups, ["alice"])
        self.assertLess(max(len(value) for value in self.person.jar.values()), 3500)


class ChallengeTests(CookieCase):
    """Signing in at the gateway's own name by a challenge."""

    def test_challenge(self) -> None:
        """It is challenged there only; who answers has his cookie and is asked nowhere else."""
        one = self.gateway(login="challenge")
        person = self.browser(one)
        self.assertEqual(person.go(PAGE).status, 407)
        self.assertEqual(urlsplit(person.url).hostname, "auth.gateway.local")
        here = person.ask("GET", person.url, {"Proxy-Authorization": "Test alice"})
        back = here.fields.get("location") or ""
        self.assertEqual(person.go(back).content, b"the page")
        self.assertEqual(person.url, PAGE)
        self.assertEqual(person.go(OTHER).content, b"the page")
        self.assertEqual(self.front(one).asked, [])

    def test_weak(self) -> None:
        """Whom only his address stands for gets no cookie for eight hours of it."""
        one = self.gateway()
        person = self.browser(one)
        wish = person.ask("GET", PAGE).fields.get("location") or ""
        seen = person.ask("GET", wish, {"Proxy-Authorization": "Weak alice"})
        self.assertIn('type="password"', seen.text)
        self.assertNotIn(("auth.gateway.local", "gateway-auth"), person.jar)


class OtherClientTests(CookieCase):
    """Clients that are no persons, and browsers that keep nothing."""

    def setUp(self) -> None:
        self.one = self.gateway()

    def test_programs(self) -> None:
        """What is no navigation of a browser is asked by Proxy-Authorization and never redirected."""
        person = self.browser(self.one)
        for method, fields in (
            ("GET", {"User-Agent": "curl/8", "Accept": "*/*"}),
            ("GET", {"User-Agent": "curl/8"}),
            ("GET", {"Accept": "image/*"}),
            ("GET", {"Sec-Fetch-Mode": "cors"}),
            ("GET", {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}),
            ("GET", {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}),
            ("GET", {"X-Requested-With": "XMLHttpRequest"}),
            ("GET", {"Sec-Purpose": "prefetch"}),
            ("POST", {}),
            ("OPTIONS", {}),
        ):
            seen = person.ask(method, PAGE, fields)
            self.assertEqual(seen.status, 407, fields)
            self.assertIn("proxy-authenticate", seen.fields)
        self.assertEqual(self.one.origin.requests, [])

    def test_connect(self) -> None:
        """A CONNECT has no cookies, so it is asked by Proxy-Authorization; to our own name it is refused."""
        fields = {"User-Agent": Browser([]).agent}
        self.assertEqual(self.one.connect("www.example.com:443", fields).seen().status, 407)
        self.assertEqual(self.one.connect("auth.gateway.local:443", fields).seen().status, 403)

    def test_unread_tunnel(self) -> None:
        """A CONNECT that passes to be asked within never passes unread; without decryption it is refused (fail closed)."""
        one = self.gateway(tunnels=HostSet(["*.example.com"]))
        one.origin["www.example.com:443"] = b"secret"
        fields = {"User-Agent": Browser([]).agent}
        seen = one.connect("www.example.com:443", fields, content=b"not TLS").seen()
        self.assertEqual((seen.status, seen.reached_origin), (403, False))
        self.assertEqual(one.connect("www.example.net:443", fields).seen().status, 407)
        self.assertEqual(one.connect("www.example.com:443").seen().status, 407)

    def test_no_cookies(self) -> None:
        """A browser that keeps no cookies is not sent in circles but asked, and with the answer gets where it wanted."""
        person = self.browser(self.one)
        person.sign_in(OTHER)
        jar = {key: value for key, value in person.jar.items() if key[0] == "auth.gateway.local"}
        blind = self.browser(self.one, keeps_cookies=False, jar=jar)
        seen = blind.go(PAGE)
        self.assertEqual(seen.status, 407)
        self.assertEqual(len(blind.trail), 3)
        done = blind.go(blind.url, {"Proxy-Authorization": "Test alice"})
        self.assertEqual((done.content, blind.url), (b"the page", PAGE))

    def test_loop(self) -> None:
        """A browser that keeps our cookies but never shows the one that counts is asked after three rounds."""
        person = self.browser(self.one)
        person.sign_in(OTHER)
        person.trail.clear()
        url = PAGE
        for _ in range(20):
            seen = person.ask("GET", url)
            person.jar.pop(("www.example.com", "gateway-auth"), None)
            if seen.status != 302:
                break
            url = seen.fields.get("location") or ""
        self.assertEqual(seen.status, 407)
        self.assertEqual([status for _, status in person.trail], [302] * 9 + [407])
        self.one.clock.advance(901)
        self.assertEqual(person.go(PAGE).status, 200)

    def test_long_url(self) -> None:
        """A URL that is too long to be remembered is not cut: the browser is asked otherwise."""
        self.assertEqual(self.browser(self.one).ask("GET", f"{PAGE}{'x' * 9000}").status, 407)


class RestartTests(CookieCase):
    """Keys that the gateway makes itself."""

    async def stored(self, gateway: FakeGateway) -> bytes | None:
        return await gateway.services.store.get("cookie keys")

    def test_restart(self) -> None:
        """Without keys in the settings a restart signs nobody out, as long as the store is kept."""
        one = self.gateway(keys="")
        person = self.browser(one)
        person.sign_in(PAGE)
        reading = Deferred.fromCoroutine(self.stored(one))
        one.clock.advance(1)
        kept = self.successResultOf(reading)
        assert kept is not None
        again = FakeGateway(Front, store={"cookie keys": kept})
        self.addCleanup(again.stop)
        again.origin[PAGE] = b"the page"
        person.gateways = [again]
        person.trail.clear()
        self.assertEqual(person.go(PAGE).content, b"the page")
        self.assertEqual(len(person.trail), 1)
        strange = self.gateway(keys="")
        person.gateways = [strange]
        self.assertIn('type="password"', person.go(PAGE).text)
