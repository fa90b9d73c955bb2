"""The login page in a whole gateway: whose forms are taken, guessing, and a site's own page."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from gateway.testing import Seen
from gateway_auth.login import LOGIN, LOGOUT
from gateway_auth.tests.browser import OWN
from tests.scenarios.cookies import PAGE, CookieCase


class FormTests(CookieCase):
    """Whose forms are taken, and what is on the page."""

    def setUp(self) -> None:
        self.one = self.gateway()
        self.alice = self.browser(self.one)
        self.assertEqual(self.alice.sign_in(PAGE).content, b"the page")
        self.mallory = self.browser(self.one, address="192.0.2.66")
        self.mallory.sign_in(PAGE, "bob")

    def test_login_csrf(self) -> None:
        """A form is taken from a page of ours in this browser alone: not without proof, nor with another's."""
        asked = list(self.front(self.one).asked)
        victim = self.browser(self.one, address="192.0.2.50")
        form = victim.go(f"{OWN}{LOGIN}")
        evil = self.mallory
        evil.jar.pop(("auth.gateway.local", "gateway-auth"))
        theirs = evil.go(f"{OWN}{LOGIN}")
        stolen = evil.hidden(theirs)["proof"]
        planted = evil.jar["auth.gateway.local", "gateway-auth-form"]
        for fields, typed in (
            ({}, {"proof": ""}),
            ({}, {"proof": stolen}),
            ({"Origin": "http://evil.example.com"}, {}),
            ({"Origin": "null"}, {}),
            ({"Sec-Fetch-Site": "cross-site"}, {}),
            ({"Cookie": ""}, {}),
            ({"Cookie": f"gateway-auth-form={planted}"}, {"proof": stolen}),
        ):
            victim.url = f"{OWN}{LOGIN}"
            seen = victim.send(form, fields, user="bob", password="bobpw", **typed)
            self.assertEqual(seen.status, 403, (fields, list(typed)))
            self.assertNotIn(("auth.gateway.local", "gateway-auth"), victim.jar)
        self.assertEqual(self.front(self.one).asked, asked)

    def test_logout_csrf(self) -> None:
        """Another site signs nobody out."""
        seen = self.alice.ask(
            "POST", f"{OWN}{LOGOUT}", {"Origin": "http://evil.example.com"}, b"proof=x"
        )
        self.assertEqual(seen.status, 403)
        seen = self.alice.ask("POST", f"{OWN}{LOGOUT}", {}, b"proof=x")
        self.assertEqual(seen.status, 403)
        self.assertEqual(self.alice.go(f"{OWN}{LOGOUT}").status, 200)
        self.assertEqual(self.alice.ask("GET", PAGE).status, 200)

    def test_pages_escape(self) -> None:
        """What was typed comes back as text, and pages can be neither framed nor run anything."""
        form = self.browser(self.one)
        page = form.go(f"{OWN}{LOGIN}")
        again = form.send(page, user='"><script>alert(1)</script>', password="x")
        self.assertNotIn("<script", again.text)
        self.assertIn("&lt;script&gt;", again.text)
        policy = again.fields.get("content-security-policy") or ""
        for part in ("default-src 'none'", "form-action 'self'", "frame-ancestors 'none'"):
            self.assertIn(part, policy)
        self.assertEqual(again.fields.get("cache-control"), "no-store")


class GuessTests(CookieCase):
    """Guessing passwords at the form."""

    def setUp(self) -> None:
        self.one = self.gateway()
        self.person = self.browser(self.one)
        self.page = self.person.go(f"{OWN}{LOGIN}")

    def tries(self, user: str, password: str) -> Seen:
        self.person.url = f"{OWN}{LOGIN}"
        return self.person.send(self.page, user=user, password=password)

    def test_no_difference(self) -> None:
        """A user who does not exist and a wrong password look the same."""

        def shown(seen: Seen, user: str) -> str:
            return re.sub(r'value="[^"]*"', "", seen.text.replace(user, "USER"))

        one, other = self.tries("alice", "wrong"), self.tries("nobody", "wrong")
        self.assertEqual((one.status, shown(one, "alice")), (other.status, shown(other, "nobody")))
        empty = self.tries("", "")
        self.assertEqual(empty.status, 403)

    def test_lock_out(self) -> None:
        """After some wrong passwords a user has to wait, longer each time, whether he exists or not."""
        for user in ("alice", "nobody"):
            statuses = [self.tries(user, f"wrong{n}").status for n in range(8)]
            self.assertEqual(statuses[:5], [403] * 5)
            self.assertIn(429, statuses[5:])
        asked = len(self.front(self.one).asked)
        seen = self.tries("alice", "alicepw")
        self.assertEqual(seen.status, 429)
        self.assertGreaterEqual(int(seen.fields.get("retry-after") or 0), 1)
        self.assertEqual(len(self.front(self.one).asked), asked)
        self.one.clock.advance(60)
        self.assertEqual(self.tries("alice", "alicepw").status, 200)

    def test_not_in_the_log(self) -> None:
        """Neither a password nor a name that nobody has, which may be one, is in the log or in a note."""
        self.tries("hunter2-typed-here", "secretpw")
        self.tries("alice", "secretpw")
        text = repr(self.one.log) + repr(self.one.access_log) + repr(self.one.events)
        self.assertIn("alice", text)
        self.assertNotIn("secretpw", text)
        self.assertNotIn("hunter2", text)

    def test_directory_down(self) -> None:
        """When nobody can check it, that is said, and counts as no wrong password."""
        self.front(self.one).is_down = True
        for _ in range(10):
            self.assertEqual(self.tries("alice", "alicepw").status, 503)
        self.front(self.one).is_down = False
        self.assertEqual(self.tries("alice", "alicepw").status, 200)

    def test_too_large(self) -> None:
        """A form of megabytes is not read."""
        seen = self.person.ask("POST", f"{OWN}{LOGIN}", {}, b"user=" + b"a" * 100_000)
        self.assertEqual(seen.status, 413)


class ReverseTests(CookieCase):
    """The login page of a site."""

    def setUp(self) -> None:
        self.one = self.gateway("reverse")
        self.person = self.browser(self.one)

    def test_sign_in(self) -> None:
        """The form is shown in the page's place, and then the page; the origin sees neither form nor cookie."""
        page = self.person.go(PAGE)
        self.assertEqual(page.status, 403)
        self.assertIn("Sign in to go on to www.example.com", page.text)
        self.assertEqual(self.one.origin.requests, [])
        done = self.person.send(page, user="alice", password="alicepw")
        self.assertEqual((done.status, urlsplit(self.person.url)[1:4]), (200, urlsplit(PAGE)[1:4]))
        self.assertEqual(len(self.one.origin.requests), 1)
        (came,) = self.one.origin.requests
        self.assertNotIn(b"gateway-auth", b"".join(n + v for n, v in came.fields))

    def test_programs(self) -> None:
        """Programs are challenged with 401."""
        seen = self.person.ask("GET", PAGE, {"Accept": "application/json"})
        self.assertEqual(seen.status, 401)
        self.assertIn("www-authenticate", seen.fields)

    def test_nothing_in_urls(self) -> None:
        """Neither name nor password nor where one wanted to go is in a URL on the way."""
        page = self.person.go(PAGE)
        self.person.send(page, user="alice", password="alicepw")
        for line in self.one.access_log:
            self.assertNotRegex(line["url"], r"alice|wish|proof")

    def test_slashes(self) -> None:
        """A path that begins with another host's name leads back to this site."""
        page = self.person.go("http://www.example.com//evil.example.net/x")
        self.person.send(page, user="alice", password="alicepw")
        self.assertEqual(urlsplit(self.person.url).hostname, "www.example.com")

    def test_sign_out(self) -> None:
        """The site's own path signs out."""
        self.person.sign_in(PAGE)
        self.one.clock.advance(1)
        page = self.person.go(f"http://www.example.com{LOGOUT}")
        self.person.send(page)
        self.assertEqual(self.person.go(PAGE).status, 403)
