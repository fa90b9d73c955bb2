"""Tests of what is not found out again on a connection: each of what may have ended it meanwhile, and that the origin sees nothing of it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import Any, cast

from gateway.api import (
    Challenge,
    Client,
    Fields,
    Identity,
    Request,
    Response,
    Timings,
    Transaction,
)
from gateway.api.settings import NetworkSet
from gateway.testing import Clock, FakeGateway, FakeServices, Seen
from gateway.testing.spoken import request_bytes
from gateway_auth import Auth, AuthSettings
from gateway_auth.connections import SHOWN, Shown
from gateway_auth.keys import KeyRing, read_keys
from gateway_auth.ntlm import NtlmSettings
from gateway_auth.plugin import MOST_HARMLESS
from gateway_auth.repeats import LAST, Repeat
from gateway_auth.settings import NetworkRule
from gateway_auth.tests.browser import AGENT, KEY, Browser
from gateway_auth.tests.local_users import URL, LocalUsersTestCase, basic, hashed

ANNA = basic("anna", "secret")
SITE = {"hosts": ["www.example.com"]}
OTHER = "http://other.example.com/"


class RepeatTestCase(LocalUsersTestCase):
    """
    A test with one connection, on which no time limit ends.

    @ivar one: the gateway.
    """

    def begin(self, mode: Any = "forward", **settings: Any) -> None:
        """Start the gateway and connect."""
        own = {"users": str(self.users), "groups": str(self.groups), "ip_cache": 0, **settings}
        limits = {"timeouts.client_idle": "100h", "timeouts.request_head": "100h"}
        self.one = FakeGateway(Auth, own, mode=mode, config=limits)
        self.addCleanup(self.one.stop)
        self.one.origin[URL] = self.one.origin[OTHER] = b"hello"
        self.client = self.one.client()

    def ask(self, fields: dict[str, str], url: str = URL, method: str = "GET") -> Seen:
        """Ask on the connection."""
        return self.seen(self.one.request(method, url, fields, on=self.client))

    def repeat(self, seen: Seen) -> Repeat:
        """Give what is kept of the connection."""
        assert seen.transaction is not None
        return seen.transaction.client.store[LAST]

    def again(self, fields: dict[str, str]) -> Seen:
        """Ask three times and see that the last time nothing was looked at again."""
        self.ask(fields)
        before = self.repeat(self.ask(fields))
        seen = self.ask(fields)
        self.assertEqual(seen.status, 200)
        self.assertIs(self.repeat(seen), before)
        return seen

    def checks(self) -> float:
        """Tell how many passwords were found good."""
        metrics = cast(Any, self.one.services.metrics)
        return float(metrics.value("password_checks", result="good"))

    def order(self, name: str, who: str) -> None:
        """Give an order."""
        answer = self.one.order(name, {"who": who})
        self.one.clock.advance(0)
        self.successResultOf(answer)

    def identity(self, seen: Seen) -> Identity | None:
        """Give who it was."""
        assert seen.transaction is not None
        return seen.transaction.identity


class BasicTests(RepeatTestCase):
    """Basic with each request."""

    def test_counted(self) -> None:
        """Who is known without a look is counted as the others are, and logged."""
        self.begin()
        seen = self.again(ANNA)
        self.assertEqual(seen.log["user"], "anna")
        counted = cast(Auth, self.one.plugin).counters()
        self.assertEqual(
            (counted["auth_memory_hits_total"], counted["auth_by_basic_total"]), (2, 3)
        )

    def test_other_fields(self) -> None:
        """Lines that tell nothing of who asks may be others; one byte more or less of those that do, and it is looked."""
        self.begin()
        before = self.repeat(self.again(ANNA))
        for more in ({"Referer": "x"}, {"Cookie": "a=1"}, {"Authorization": "Basic eDp5"}, {}):
            self.assertIs(self.repeat(self.ask({**ANNA, **more})), before)
        self.assertIsNot(self.repeat(self.ask({**ANNA, "User-Agent": "x"})), before)
        self.assertEqual(self.ask(basic("anna", "secrer")).status, 407)
        self.assertEqual(self.ask({}).status, 407)

    def test_twice(self) -> None:
        """Credentials that stand there once more are none, though no line is another one."""
        self.begin()
        self.again(ANNA)
        twice = [*ANNA.items(), *ANNA.items()]
        self.assertEqual(self.seen(self.one.get(URL, twice, on=self.client)).status, 407)
        self.assertEqual(self.again(ANNA).log["user"], "anna")

    def test_other_user(self) -> None:
        """Another user's credentials on the same connection are that user's, whatever else stays as it was."""
        self.begin()
        for _ in range(3):
            self.assertEqual(self.ask({**ANNA, "Referer": "x"}).log["user"], "anna")
            bert = basic("bert", "hidden")
            self.assertEqual(self.ask({**bert, "Referer": "y"}).log["user"], "bert")

    def test_ends(self) -> None:
        """When the remembered password ends it is checked again, however busy the connection is."""
        self.begin(remember="10m")
        for _ in range(6):
            self.again(ANNA)
            self.one.clock.advance(100)
        self.assertEqual(self.checks(), 1)
        self.assertEqual(self.ask(ANNA).status, 200)
        self.assertEqual(self.checks(), 2)

    def test_password_changed(self) -> None:
        """A password that is changed in the file is none within seconds."""
        self.begin()
        self.again(ANNA)
        self.users.write_text(f"anna:{hashed('other')}\n")
        self.one.clock.advance(6)
        self.assertEqual(self.ask(ANNA).status, 407)

    def test_groups_changed(self) -> None:
        """Groups that are changed in the file are those of the next request."""
        self.begin()
        self.again(ANNA)
        self.groups.write_text("admins: anna\n")
        self.one.clock.advance(6)
        self.assertEqual(
            self.identity(self.ask(ANNA)), Identity("anna", frozenset(["admins"]), "basic")
        )

    def test_another_password_is_right(self) -> None:
        """A password that was right ends when another one of the same user is, wherever that comes from."""
        self.begin()
        self.again(ANNA)
        self.users.write_text(f"anna:{hashed('other')}\n")
        before = cast(Auth, self.one.plugin)._parts.epoch.now
        local = cast(Auth, self.one.plugin)._parts.local
        assert local is not None
        # As if the file was read and nobody was told: the password itself has to tell.
        local._changed = str
        self.one.clock.advance(6)
        self.assertEqual(self.ask(ANNA).status, 200)
        self.assertEqual(self.seen(self.one.get(URL, basic("anna", "other"))).status, 200)
        self.assertIs(cast(Auth, self.one.plugin)._parts.epoch.now, before)
        self.assertEqual(self.ask(ANNA).status, 407)

    def test_evicted(self) -> None:
        """Who is evicted is checked again."""
        self.begin()
        self.again(ANNA)
        self.order("user.evict", "anna")
        self.assertEqual(self.ask(ANNA).status, 200)
        self.assertEqual(self.checks(), 2)

    def test_noted_at_the_address(self) -> None:
        """The address is noted again every five seconds, so that it is noticed when somebody else comes there."""
        self.begin(ip_cache="15m")
        self.again(ANNA)
        self.order("user.evict", "192.0.2.7")
        self.again(ANNA)
        self.one.clock.advance(5)
        self.ask(ANNA)
        listed = self.successResultOf(self.one.order("user.list", {"who": "anna"}))
        assert listed is not None
        self.assertEqual(listed["count"], 1)

    def test_site(self) -> None:
        """In front of a site the origin is told the user each time, what the client says of him never, and no password."""
        self.begin("reverse", sites=SITE)
        fields = {**basic("anna", "secret", "Authorization"), "X-Remote-User": "root"}
        self.again(fields)
        before = self.repeat(self.ask({**fields, "Referer": "0"}))
        for number in range(1, 4):
            self.assertIs(self.repeat(self.ask({**fields, "Referer": f"{number}"})), before)
            self.assertEqual(self.one.origin.requests[-1].get("referer"), f"{number}".encode())
        self.assertIsNot(self.repeat(self.ask({**fields, "X-Remote-User": "toor"})), before)
        self.ask({**fields, "X-REMOTE-user": "toor", "Referer": "4"})
        self.assertEqual(len(self.one.origin.requests), 9)
        for came in self.one.origin.requests:
            self.assertEqual(came.get("x-remote-user"), b"anna")
            self.assertEqual(came.raw.lower().count(b"x-remote-user"), 1)
            for kept in (b"root", b"toor", b"authorization"):
                self.assertNotIn(kept, came.raw.lower())

    def test_site_is_told_what_the_client_has_guessed(self) -> None:
        """Who sends what the origin will be told of him, and says that it ends here, keeps nothing of it from the origin."""
        self.begin("reverse", sites=SITE)
        guessed = {
            **basic("anna", "secret", "Authorization"),
            "Connection": "X-Remote-User, X-Remote-Groups",
            "X-Remote-User": "anna",
            "X-Remote-Groups": "staff",
        }
        self.again(guessed)
        self.ask({**guessed, "Referer": "1"})
        self.assertEqual(len(self.one.origin.requests), 4)
        for came in self.one.origin.requests:
            self.assertEqual(
                [came.all(name) for name in ("x-remote-user", "x-remote-groups")],
                [[b"anna"], [b"staff"]],
            )


class CookieTests(RepeatTestCase):
    """A cookie with each request."""

    def begin(self, mode: Any = "forward", **settings: Any) -> None:
        """Start the gateway, and sign anna in with a browser."""
        cookies = {"keys": self.keys(KEY)}
        super().begin(mode, **{"cookie": "8h", "cookies": cookies, **settings})
        self.person = Browser([self.one])
        self.assertEqual(self.person.sign_in(URL, "anna", "secret").content, b"hello")
        self.client = self.one.client()
        self.before = len(self.one.origin.requests)

    def came(self) -> list[Any]:
        """Give what came to the origin from the connection."""
        return self.one.origin.requests[self.before :]

    def keys(self, text: str) -> dict[str, str]:
        """Write keys into a file."""
        path = self.folder / "keys"
        path.write_text(f"{text}\n")
        path.chmod(0o600)
        return {"file": str(path)}

    def fields(self, others: str = "theirs=1") -> dict[str, str]:
        """Give what the browser sends, with cookies of the origin's."""
        ours = self.person.cookie_field(URL)
        return {"User-Agent": AGENT, "Accept": "text/html", "Cookie": f"{others}; {ours}"}

    def test_known(self) -> None:
        """He is known without a look and counted; the origin sees its own cookies, as they are at the time, and none of ours."""
        self.begin()
        seen = self.again(self.fields())
        self.assertEqual(self.identity(seen), Identity("anna", frozenset(["staff"]), "cookie"))
        self.again(self.fields("theirs=2; more=3"))
        self.again(self.fields())
        shown = [came.get("cookie") for came in self.came()]
        self.assertEqual(shown, [b"theirs=1"] * 3 + [b"theirs=2; more=3"] * 3 + [b"theirs=1"] * 3)
        for came in self.came():
            self.assertNotIn(b"gateway-auth", came.raw)
        cast(Auth, self.one.plugin).counters()
        # And once when the browser came back with its grant.
        metrics = cast(Any, self.one.services.metrics)
        taken = metrics.value("cookies", result="taken")
        counted = cast(Auth, self.one.plugin).counters()
        self.assertEqual(taken, counted["auth_by_cookie_total"])

    def test_other_pages(self) -> None:
        """The same cookies among other lines are the same user's without a look, and kept from the origin all the same."""
        self.begin()
        before = self.repeat(self.again(self.fields()))
        for number in range(3):
            seen = self.ask({**self.fields(), "Referer": f"{URL}{number}", "X-A": "gateway-auth"})
            self.assertIs(self.repeat(seen), before)
            came = self.came()[-1]
            self.assertEqual(
                [came.get(name) for name in ("cookie", "referer", "x-a")],
                [b"theirs=1", f"{URL}{number}".encode(), b"gateway-auth"],
            )
        ours = self.person.cookie_field(URL)
        self.assertIsNot(self.repeat(self.ask({**self.fields(), "Cookie": ours})), before)
        self.ask({**self.fields(), "Cookie": ours, "Referer": "x"})
        self.assertIsNone(self.came()[-1].get("cookie"))
        self.assertEqual(self.came()[-1].get("referer"), b"x")

    def lines(self, *lines: str) -> Any:
        """Send a request of just these field lines, in this order; gives its line of the log."""
        asked = f"GET {URL} HTTP/1.1\r\nHost: www.example.com\r\n"
        self.client.send("".join((asked, *(f"{line}\r\n" for line in lines), "\r\n")).encode())
        self.one.settle()
        return self.one.access_log[-1]

    def test_others_in_the_same_places(self) -> None:
        """Pages that differ in the same places are the same user's; what tells in such a place is looked at, however often it is sent."""
        self.begin()
        agent, ours = f"User-Agent: {AGENT}", f"Cookie: {self.person.cookie_field(URL)}"
        for _ in range(2):
            for number in range(5):
                said = self.lines(agent, f"Referer: {number}", ours, f"X-A: {number // 3}")
                self.assertEqual((said["status"], said["user"]), (200, "anna"))
            # Of as many lines: no cookie any more, then one where there was something else.
            for other in ("X-B: 1", "X-B: 2", "X-B: 2"):
                said = self.lines(agent, "Referer: 5", other, "X-A: 1")
                self.assertNotEqual((said["status"], said["user"]), (200, "anna"))
            for place in ("Referer: 5", "Referer: 6", "Referer: 6"):
                said = self.lines(agent, place, "X-B: 1", ours)
                self.assertEqual((said["status"], said["user"]), (200, "anna"))
            bert = "Proxy-Authorization: " + basic("bert", "hidden")["Proxy-Authorization"]
            for place in ("Referer: 7", "Referer: 8"):
                said = self.lines(agent, place, "X-B: 1", ours)
                self.assertEqual((said["status"], said["user"]), (200, "anna"))
                for _ in range(2):
                    said = self.lines(agent, bert, "X-B: 1", ours)
                    self.assertEqual((said["status"], said["user"]), (200, "bert"))

    def test_program_gone(self) -> None:
        """A cookie without the program it was given to shows nobody, whatever stands in the program's place, also if the very same request comes twice."""
        self.begin()
        agent, ours = f"User-Agent: {AGENT}", f"Cookie: {self.person.cookie_field(URL)}"
        for number in range(3):
            self.assertEqual(self.lines(agent, "X-A: 1", ours, f"X-C: {number}")["user"], "anna")
        for _ in range(3):
            said = self.lines(agent, "X-A: 1", "X-B: 1", "X-C: 2")
            self.assertNotEqual((said["status"], said["user"]), (200, "anna"))
        for number in range(3):
            self.assertEqual(self.lines(ours, "X-A: 1", agent, f"X-C: {number}")["user"], "anna")
        # Once the program was looked at as what stands in a place that differs.
        for other in ("X-B: 1", "X-B: 1", "X-B: 2", "X-B: 2"):
            said = self.lines(ours, "X-A: 1", other, "X-C: 2")
            self.assertNotEqual((said["status"], said["user"]), (200, "anna"))
        # And as what has come to such a place.
        for number in range(3):
            said = self.lines(ours, f"X-A: {number}", agent, "X-C: 2")
            self.assertEqual((said["status"], said["user"]), (200, "anna"))
        said = self.lines(ours, "User-Agent: x", agent, "X-C: 2")
        self.assertNotEqual((said["status"], said["user"]), (200, "anna"))

    def test_other_user_on_the_connection(self) -> None:
        """The same cookies with something beside them that says otherwise are looked at: credentials, another cookie, another program."""
        self.begin()
        fields = self.fields()
        for more, user, status in (
            (basic("bert", "hidden"), "bert", 200),
            (basic("bert", "wrong"), None, 302),
            ({"User-Agent": f"{AGENT} 2"}, None, 302),
        ):
            self.again(fields)
            seen = self.ask({**fields, **more})
            self.assertEqual((seen.log["user"], seen.status), (user, status))
        other = Browser([self.one])
        other.sign_in(URL, "bert", "hidden")
        self.again(fields)
        pairs = [*fields.items(), ("Cookie", other.cookie_field(URL))]
        seen = self.seen(self.one.get(URL, pairs, on=self.client))
        self.assertEqual((seen.log["user"], seen.status), (None, 302))
        self.again(fields)
        seen = self.ask({**fields, "Cookie": other.cookie_field(URL)})
        self.assertEqual(seen.log["user"], "bert")

    def test_other_origin(self) -> None:
        """The same lines are no cookie at another origin, whose name is in the request line alone."""
        self.begin()
        self.again(self.fields())
        said = [("Cookie", self.fields()["Cookie"]), ("User-Agent", AGENT)]
        for url, status in ((URL, 200), (URL, 200), (OTHER, 407), (URL, 200)):
            self.client.send(request_bytes("GET", url, "www.example.com", said, b""))
            self.one.settle()
            self.assertEqual(self.one.access_log[-1]["status"], status, url)

    def test_ends(self) -> None:
        """Eight hours after the password it is over."""
        self.begin()
        for _ in range(8):
            self.again(self.fields())
            self.one.clock.advance(3600)
        self.assertEqual(self.ask(self.fields()).status, 302)

    def test_groups_that_were_asked_for(self) -> None:
        """Groups that had to be asked for are asked for again after half a minute, without a wait between."""
        self.begin()
        self.one.clock.advance(7300)
        before = self.repeat(self.again(self.fields()))
        self.one.clock.advance(29)
        self.assertIs(self.repeat(self.ask(self.fields())), before)
        self.one.clock.advance(1)
        self.assertIsNot(self.repeat(self.ask(self.fields())), before)

    def test_removed_user(self) -> None:
        """Who is taken out of the file is out within seconds, where his groups are asked for."""
        self.begin()
        self.one.clock.advance(7300)
        self.again(self.fields())
        self.users.write_text(f"bert:{hashed('hidden')}\n")
        self.one.clock.advance(6)
        self.assertEqual(self.ask(self.fields()).status, 302)

    def test_logged_out(self) -> None:
        """Who is logged out by an operator has no cookie any more."""
        self.begin()
        self.again(self.fields())
        self.order("user.logout", "anna")
        self.assertEqual(self.ask(self.fields()).status, 302)

    def test_logs_out(self) -> None:
        """Who logs out himself has none, on no connection."""
        self.begin()
        self.again(self.fields())
        page = self.person.go("http://auth.gateway.local/")
        self.person.send(page)
        self.assertEqual(self.ask(self.fields()).status, 302)

    def test_other_keys(self) -> None:
        """A cookie whose key is none any more is none."""
        self.begin()
        self.again(self.fields())
        browsers = cast(Auth, self.one.plugin)._parts.browsers
        assert browsers is not None
        browsers.mode.tokens.keys = read_keys(f"{'n' * 40}\n{KEY}")
        self.again(self.fields())
        browsers.mode.tokens.keys = read_keys("n" * 40)
        self.assertEqual(self.ask(self.fields()).status, 302)

    def test_key_ends(self) -> None:
        """A cookie ends with its key, though it was opened before."""
        self.begin()
        browsers = cast(Auth, self.one.plugin)._parts.browsers
        assert browsers is not None
        tokens = browsers.mode.tokens
        (old,) = read_keys(KEY).keys
        (new,) = read_keys("n" * 40).keys
        tokens.keys = KeyRing([new, replace(old, until=tokens.now() + 600)])
        self.again(self.fields())
        self.one.clock.advance(599)
        self.again(self.fields())
        self.one.clock.advance(1)
        self.assertEqual(self.ask(self.fields()).status, 302)

    def test_site(self) -> None:
        """In front of a site the origin is told the user each time, and keeps its own C{Authorization}."""
        self.begin("reverse", sites=SITE)
        own = {"Authorization": "Basic b3JpZ2luOm93bg==", "X-Remote-User": "root"}
        self.again({**self.fields(), **own})
        before = self.repeat(self.ask({**self.fields(), **own, "Referer": "0"}))
        seen = self.ask({**self.fields(), **own, "Referer": "1", "Accept": "image/png"})
        self.assertIs(self.repeat(seen), before)
        self.assertEqual(self.came()[-1].get("referer"), b"1")
        for came in self.came():
            self.assertEqual(
                [came.get(name) for name in ("x-remote-user", "cookie", "authorization")],
                [b"anna", b"theirs=1", b"Basic b3JpZ2luOm93bg=="],
            )
            self.assertNotIn(b"root", came.raw)
            self.assertNotIn(b"gateway-auth", came.raw)

    def test_own_path_after_others(self) -> None:
        """A path of ours goes to no origin either where the lines differ and it is known how others are left."""
        self.begin()
        for number in range(3):
            self.ask({**self.fields(), "Referer": f"{number}"})
        before = len(self.one.origin.requests)
        self.assertEqual(
            self.ask(self.fields(), "http://www.example.com/.gateway-auth").status, 403
        )
        self.assertEqual(len(self.one.origin.requests), before)
        self.ask({**self.fields(), "Referer": "4"})
        self.assertNotIn(b"gateway-auth", self.came()[-1].raw)

    def test_answers(self) -> None:
        """An origin sets no cookie of ours, how often its answers were harmless before, and how many of them there were."""
        self.begin()
        answers = [("theirs=1", 1), ("gateway-auth=x", 0), ("theirs=1", 1), ("gateway-auth=x", 0)]
        answers += [(f"theirs={number}", 1) for number in range(MOST_HARMLESS + 2)]
        for value, passed in (*answers, *answers[:4]):
            self.one.origin[URL] = Response(200, Fields.of([("Set-Cookie", value)]), b"x")
            for _ in range(2):
                seen = self.ask(self.fields())
                self.assertEqual(len(seen.fields.get_all("set-cookie")), passed, value)
        self.assertLessEqual(len(cast(Auth, self.one.plugin)._harmless), MOST_HARMLESS)

    def test_own_paths(self) -> None:
        """The same lines on a path of ours go to no origin."""
        self.begin()
        self.again(self.fields())
        for path in (".gateway-auth", ".gateway-auth/go", ".gateway-auth?x"):
            self.assertFalse(self.ask(self.fields(), f"{URL}{path}").reached_origin)


class AddressTests(RepeatTestCase):
    """Requests that show nothing, at an address that is believed."""

    def begin(self, mode: Any = "forward", **settings: Any) -> None:
        """Start the gateway and teach it the address."""
        addresses = {"probation": 0, "probation_every": 0}
        super().begin(mode, **{"ip_cache": "15m", "addresses": addresses, **settings})
        self.seen(self.one.get(URL, {**ANNA, "User-Agent": AGENT}))

    def test_known(self) -> None:
        """The address is asked each time, the lines once."""
        self.begin()
        seen = self.again({"User-Agent": AGENT})
        self.assertEqual(self.identity(seen), Identity("anna", frozenset(["staff"]), "address"))
        before = self.repeat(seen)
        self.assertIsNotNone(before.signs)
        self.assertIs(self.repeat(self.ask({"User-Agent": AGENT, "Referer": "x"})), before)
        self.assertEqual(self.ask({"User-Agent": "other"}).status, 407)
        self.assertEqual(self.ask({"User-Agent": AGENT, "Via": "1.1 x"}).status, 407)

    def test_evicted(self) -> None:
        """An address that is evicted is nobody's at once."""
        self.begin()
        self.again({"User-Agent": AGENT})
        self.order("user.evict", "192.0.2.7")
        self.assertEqual(self.ask({"User-Agent": AGENT}).status, 407)

    def test_second_user(self) -> None:
        """An address at which another user turns up is nobody's at once."""
        self.begin()
        self.again({"User-Agent": AGENT})
        self.seen(self.one.get(URL, basic("bert", "hidden")))
        self.assertEqual(self.ask({"User-Agent": AGENT}).status, 407)

    def test_ends(self) -> None:
        """Its window ends however busy the connection is."""
        self.begin()
        for _ in range(9):
            self.again({"User-Agent": AGENT})
            self.one.clock.advance(100)
        self.assertEqual(self.ask({"User-Agent": AGENT}).status, 407)

    def test_probation(self) -> None:
        """When it is time everybody is asked again, however busy the connection is, and answered after it."""
        addresses = {"probation": "30s", "probation_every": "5m"}
        self.begin(ip_cache="1h", addresses=addresses)
        fields = {"User-Agent": AGENT}
        self.assertEqual(self.ask(fields).status, 407)
        now = 0.0
        for moment, status in (
            (30, 200),
            (299, 200),
            (300, 407),
            (329, 407),
            (330, 200),
            (599, 200),
            (600, 407),
            (631, 200),
        ):
            self.one.clock.advance(moment - now)
            now = moment
            self.assertEqual([self.ask(fields).status for _ in range(3)], [status] * 3, moment)

    def test_other_groups(self) -> None:
        """Groups that turn out to be others count for the next request, and the origin is told of them."""
        sites = {"hosts": ["www.example.com"], "groups_header": "X-Remote-Groups"}
        self.begin(sites=sites, mode="reverse")
        basic_at_site = basic("anna", "secret", "Authorization")
        fields = {"User-Agent": AGENT}
        self.seen(self.one.get(URL, {**basic_at_site, **fields}))
        self.again(fields)
        self.assertEqual(self.one.origin.requests[-1].get("x-remote-groups"), b"staff")
        self.groups.write_text("wheel: anna\n")
        self.one.clock.advance(60)
        self.seen(self.one.get(URL, {**basic_at_site, **fields}))
        self.ask(fields)
        self.assertEqual(self.one.origin.requests[-1].get("x-remote-groups"), b"wheel")

    def test_gives_way(self) -> None:
        """An entry that gave way to newer ones answers nobody, on no connection."""
        self.begin(addresses={"probation": 0, "probation_every": 0, "entries": 1})
        self.again({"User-Agent": AGENT})
        other = self.one.client("192.0.2.8")
        self.seen(self.one.request("GET", URL, {**ANNA, "User-Agent": AGENT}, on=other))
        self.assertEqual(self.ask({"User-Agent": AGENT}).status, 407)

    def test_navigation(self) -> None:
        """What a program sent to an address is judged by is not what a person is, though the lines are the same."""
        self.begin(cookie="8h", order=["cookie", "basic"])
        fields = {"User-Agent": AGENT, "Accept": "text/html"}
        for method, status in (("OPTIONS", 200), ("GET", 302), ("OPTIONS", 200), ("GET", 302)):
            self.assertEqual(self.ask(fields, method=method).status, status)


class ConnectionTests(LocalUsersTestCase):
    """Connections that were identified as such, and what must not be crossed."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = Clock()
        self.services = FakeServices(self.clock, lambda event: None)
        self.plugin = self.made()
        self.mine = self.connected()
        self.lines = [b"Host: www.example.com", b"User-Agent: x"]

    def made(self, **settings: Any) -> Auth:
        """Make an object of the plugin, as a reload does."""
        own = {"order": ("ntlm",), "ntlm": NtlmSettings(enabled=True), "ip_cache": 0.0, **settings}
        return Auth(AuthSettings(**own), self.services.for_plugin("auth"))

    def connected(self, until: float = 100.0) -> Client:
        """Make a connection that NTLM has identified."""
        client = Client("192.0.2.7", 4000, mode="forward")
        client.store[SHOWN] = Shown(Identity("anna", source="ntlm"), until, client.address)
        return client

    def ask(self, client: Client, plugin: Auth | None = None) -> Any:
        """Ask by a connection, always with the very same list of lines."""
        request = Request(b"GET", "http", "www.example.com", 80, b"/", 1, Fields(self.lines), 0)
        txn = Transaction("1", request, client, Timings(0.0, 0.0))
        return (plugin or self.plugin).authenticate(txn)

    def user(self, client: Client, plugin: Auth | None = None) -> str:
        """Ask three times, and give who it was each time; the last two without a look."""
        self.assertIsInstance(self.ask(client, plugin), Identity)
        before = client.store[LAST]
        answers = {self.ask(client, plugin) for _ in range(2)}
        self.assertIs(client.store[LAST], before)
        (identity,) = answers
        return cast(Identity, identity).user

    def test_known(self) -> None:
        """It is known until it ends, is taken back or evicted."""
        self.assertEqual(self.user(self.mine), "anna")
        self.clock.advance(100)
        self.assertIsInstance(self.ask(self.mine), Challenge)
        evicted = self.connected(1000.0)
        self.assertEqual(self.user(evicted), "anna")
        evicted.store[SHOWN].until = 0.0
        self.assertIsInstance(self.ask(evicted), Challenge)

    def test_other_connection(self) -> None:
        """The same lines mean nothing on another connection of the same client."""
        self.assertEqual(self.user(self.mine), "anna")
        self.assertIsInstance(self.ask(Client("192.0.2.7", 4001, mode="forward")), Challenge)

    def test_proxy_on_the_way(self) -> None:
        """A request that another proxy passes on by the same connection is nobody's, however it says so; the next one is his again."""
        own = self.lines
        self.assertEqual(self.user(self.mine), "anna")
        for more in (b"Via: 1.1 x", b"forwarded: for=192.0.2.9", b"X-FORWARDED-For: 192.0.2.9"):
            self.lines = [*own, b"Referer: x", more]
            self.assertNotIsInstance(self.ask(self.mine), Identity)
            self.lines = [*own, b"Referer: y"]
            self.assertEqual(self.user(self.mine), "anna")

    def test_trusted_proxy(self) -> None:
        """A connection that turns out to be a trusted proxy's is nobody's from then on."""
        self.assertEqual(self.user(self.mine), "anna")
        self.mine.by_proxy = True
        self.assertNotIsInstance(self.ask(self.mine), Identity)

    def test_reload(self) -> None:
        """What was judged by other settings does not count: other schemes, other policies, other networks."""
        rule = NetworkRule(NetworkSet([ip_network("192.0.2.0/24")]), "off")
        for settings in ({"ntlm": NtlmSettings()}, {"policy": "off"}, {"networks": (rule,)}):
            self.assertEqual(self.user(self.mine), "anna")
            answer = self.ask(self.mine, self.made(**settings))
            self.assertNotIsInstance(answer, Identity)
        self.assertEqual(self.user(self.mine, self.made()), "anna")

    def test_end_noticed_by_an_object_before(self) -> None:
        """What an object before a reload still notices ends what the one after it has kept."""
        after = self.made()
        self.assertEqual(self.user(self.mine, after), "anna")
        before = self.mine.store[LAST]
        self.plugin._parts.evict("nobody")
        self.assertIsInstance(self.ask(self.mine, after), Identity)
        self.assertIsNot(self.mine.store[LAST], before)
