"""Tests of the plugin as a whole, in a gateway in memory, with local users."""

from __future__ import annotations

from typing import Any, cast

from gateway.api import Block, Identity, Respond
from gateway.testing import Seen
from gateway_auth.digest import NONCE_SECONDS
from gateway_auth.plugin import Auth
from gateway_auth.tests.local_users import (
    URL,
    LocalUsersTestCase,
    basic,
    digest,
    ha1,
    hashed,
    nonce_of,
)
from gateway_auth.verifier import Unavailable, Verified


def identity_of(seen: Seen) -> Identity | None:
    """Give who a request was from."""
    assert seen.transaction is not None
    return seen.transaction.identity


def user_of(seen: Seen) -> str:
    """Give the name of whom a request was from; nobody's fails the test."""
    identity = identity_of(seen)
    assert identity is not None
    return identity.user


class BasicTests(LocalUsersTestCase):
    """Basic as a proxy takes it."""

    def test_unknown_is_asked(self) -> None:
        """A request without credentials is asked by all schemes of the order, and goes nowhere."""
        seen = self.seen(self.gateway().get(URL))
        self.assertEqual(seen.status, 407)
        self.assertFalse(seen.reached_origin)
        schemes = [value.split()[0] for value in seen.fields.get_all("Proxy-Authenticate")]
        self.assertEqual(schemes, ["Digest", "Digest", "Basic"])

    def test_order(self) -> None:
        """The order is that of the settings, and what is not in it is not offered."""
        seen = self.seen(self.gateway(order=["basic"]).get(URL))
        self.assertEqual(
            seen.fields.get_all("Proxy-Authenticate"), ['Basic realm="gateway", charset="UTF-8"']
        )

    def test_known(self) -> None:
        """With the right password the user and his groups are known, and the password stays here."""
        gateway = self.gateway()
        seen = self.seen(gateway.get(URL, basic("anna", "secret")))
        self.assertEqual(seen.content, b"hello")
        assert seen.transaction is not None and seen.transaction.identity is not None
        identity = seen.transaction.identity
        self.assertEqual(
            (identity.user, identity.groups, identity.source), ("anna", {"staff"}, "basic")
        )
        self.assertNotIn(b"authorization", gateway.origin.request.raw.lower())

    def test_answers_alike(self) -> None:
        """A wrong password, an unknown user, an empty password and nonsense are answered with the same bytes."""
        gateway = self.gateway(order=["basic"])
        answers = set()
        for fields in (
            basic("anna", "wrong"),
            basic("nobody", "wrong"),
            basic("anna", ""),
            basic("", "secret"),
            {"Proxy-Authorization": "Basic !!!"},
            {"Proxy-Authorization": "Nonsense"},
            {},
        ):
            seen = self.seen(gateway.get(URL, fields))
            own = {"x-request-id", "date"}
            answers.add(
                (
                    seen.status,
                    tuple(pair for pair in seen.fields if pair[0].lower() not in own),
                    seen.content.replace((seen.fields.get("x-request-id") or "").encode(), b"ID"),
                )
            )
        self.assertEqual(len(answers), 1)

    def test_two_fields(self) -> None:
        """Two fields of credentials, of which the next reader may take the other one, are none."""
        pairs = [*basic("anna", "secret").items(), *basic("bert", "hidden").items()]
        self.assertEqual(self.seen(self.gateway().get(URL, pairs)).status, 407)

    def test_asked_once(self) -> None:
        """The password is checked once, however many requests and connections bring it."""
        gateway = self.gateway()
        for _ in range(5):
            self.assertEqual(self.seen(gateway.get(URL, basic("anna", "secret"))).status, 200)
        metrics = cast(Any, gateway.services.metrics)
        self.assertEqual(metrics.value("password_checks", result="good"), 1.0)
        counted = cast(Auth, gateway.plugin).counters()
        self.assertEqual(
            (counted["auth_requests_total"], counted["auth_memory_hits_total"]), (5, 4)
        )

    def test_remembered_ends(self) -> None:
        """What is remembered ends by itself, so a changed password is noticed."""
        gateway = self.gateway(remember="10m")
        self.seen(gateway.get(URL, basic("anna", "secret")))
        self.users.write_text(f"anna:{hashed('other')}\n")
        gateway.clock.advance(601)
        self.assertEqual(self.seen(gateway.get(URL, basic("anna", "secret"))).status, 407)
        self.assertEqual(self.seen(gateway.get(URL, basic("anna", "other"))).status, 200)

    def test_file_changes(self) -> None:
        """A user who is taken out of the file is out within seconds, though his password was remembered."""
        gateway = self.gateway()
        self.seen(gateway.get(URL, basic("anna", "secret")))
        self.users.write_text(f"bert:{hashed('hidden')}\n")
        gateway.clock.advance(6)
        gateway.settle()
        self.assertEqual(self.seen(gateway.get(URL, basic("anna", "secret"))).status, 407)
        self.assertEqual(self.seen(gateway.get(URL, basic("bert", "hidden"))).status, 200)

    def test_faulty_file(self) -> None:
        """A file that turns faulty is told once and changes nothing."""
        gateway = self.gateway()
        self.users.write_text("anna:plain\n")
        gateway.clock.advance(20)
        gateway.settle()
        self.assertEqual([event.name for event in gateway.events], ["auth_users_faulty"])
        self.assertNotIn("plain", gateway.events[0].text)
        self.assertEqual(self.seen(gateway.get(URL, basic("anna", "secret"))).status, 200)

    def test_faulty_file_is_mended(self) -> None:
        """When it has no fault any more that is told, with the same subject."""
        gateway = self.gateway()
        good = self.users.read_text()
        self.users.write_text("anna:plain\n")
        gateway.clock.advance(20)
        gateway.settle()
        self.users.write_text(good)
        gateway.clock.advance(20)
        gateway.settle()
        self.assertEqual(
            [(event.name, event.subject) for event in gateway.events],
            [("auth_users_faulty", str(self.users)), ("auth_users_read", str(self.users))],
        )

    def test_wrong_one_is_remembered(self) -> None:
        """A wrong password that a program repeats is checked once, so no account is locked by it."""
        gateway = self.gateway()
        for _ in range(50):
            self.assertEqual(self.seen(gateway.get(URL, basic("anna", "wrong"))).status, 407)
        metrics = cast(Any, gateway.services.metrics)
        self.assertEqual(metrics.value("password_checks", result="refused"), 1.0)
        self.assertEqual(self.seen(gateway.get(URL, basic("anna", "secret"))).status, 200)

    def test_connect(self) -> None:
        """A tunnel needs credentials as any request does."""
        gateway = self.gateway()
        gateway.origin["www.example.com:443"] = b"far"
        self.assertEqual(self.seen(gateway.connect("www.example.com:443")).status, 407)
        seen = self.seen(
            gateway.connect("www.example.com:443", basic("anna", "secret"), content=b"near")
        )
        self.assertEqual((seen.status, seen.content), (200, b"far"))

    def test_nothing_in_the_log(self) -> None:
        """Neither passwords nor their encoded form get into a log, right or wrong; nor names that nobody has."""
        gateway = self.gateway()
        for pair in (("anna", "secret"), ("anna", "guess-0"), ("typed-password", "guess-1")):
            fields = basic(*pair)
            self.seen(gateway.get(URL, fields))
            text = repr((gateway.log, gateway.access_log, gateway.events))
            for forbidden in (pair[1], fields["Proxy-Authorization"].split()[1]):
                self.assertNotIn(forbidden, text)
        text = repr(gateway.log)
        self.assertNotIn("typed-password", text)
        self.assertIn("anna at 192.0.2.", text)
        self.assertIn("wrong_password", text)
        self.assertIn("unknown_user", text)


class GuessTests(LocalUsersTestCase):
    """Guessing passwords."""

    def test_waits(self) -> None:
        """After some wrong passwords the right one is not tried either, until the wait is over."""
        gateway = self.gateway(limiter={"tries": 3, "wait": "30s"})
        for number in range(3):
            self.seen(gateway.get(URL, basic("anna", f"guess{number}")))
        self.assertEqual(self.seen(gateway.get(URL, basic("anna", "secret"))).status, 407)
        gateway.clock.advance(31)
        self.assertEqual(self.seen(gateway.get(URL, basic("anna", "secret"))).status, 200)

    def test_remembered_are_not_locked_out(self) -> None:
        """Who is signed in goes on while others guess at his name."""
        gateway = self.gateway(limiter={"tries": 2})
        self.seen(gateway.get(URL, basic("anna", "secret")))
        for number in range(10):
            self.seen(gateway.get(URL, basic("anna", f"{number}"), address="192.0.2.66"))
        self.assertEqual(self.seen(gateway.get(URL, basic("anna", "secret"))).status, 200)

    def test_stuffing(self) -> None:
        """Many names from one address are as good as many passwords."""
        gateway = self.gateway(limiter={"address_tries": 4, "wait": "30s"})
        for number in range(4):
            self.seen(gateway.get(URL, basic(f"user{number}", "guess")))
        self.assertEqual(self.seen(gateway.get(URL, basic("anna", "secret"))).status, 407)
        other = self.seen(gateway.get(URL, basic("anna", "secret"), address="192.0.2.66"))
        self.assertEqual(other.status, 200)


class DigestTests(LocalUsersTestCase):
    """Digest."""

    def challenge(self, gateway: Any) -> str:
        """Get one."""
        seen = self.seen(gateway.get(URL))
        return cast(str, seen.fields.get("Proxy-Authenticate"))

    def answered(self, gateway: Any, credentials: str) -> Any:
        """Send an answer to it."""
        return self.seen(gateway.get(URL, {"Proxy-Authorization": credentials}))

    def test_known(self) -> None:
        """Both algorithms are taken, and the count may go on."""
        gateway = self.gateway()
        challenge = self.challenge(gateway)
        for count, algorithm in enumerate(("SHA-256", "MD5", "SHA-256"), 1):
            seen = self.answered(
                gateway, digest(challenge, "anna", "secret", count=count, algorithm=algorithm)
            )
            self.assertEqual(seen.status, 200)
            self.assertEqual(seen.transaction.identity.source, "digest")

    def test_replayed(self) -> None:
        """What was heard can't be sent again; the client is told to take another nonce."""
        gateway = self.gateway()
        credentials = digest(self.challenge(gateway), "anna", "secret")
        self.assertEqual(self.answered(gateway, credentials).status, 200)
        seen = self.answered(gateway, credentials)
        self.assertEqual(seen.status, 407)
        self.assertIn("stale=true", seen.fields.get("Proxy-Authenticate"))

    def test_old_nonce(self) -> None:
        """After its time a nonce is stale, and the next one is taken without asking the user."""
        gateway = self.gateway()
        challenge = self.challenge(gateway)
        gateway.clock.advance(NONCE_SECONDS + 1)
        seen = self.answered(gateway, digest(challenge, "anna", "secret"))
        again = seen.fields.get("Proxy-Authenticate")
        self.assertIn("stale=true", again)
        self.assertEqual(self.answered(gateway, digest(again, "anna", "secret")).status, 200)

    def test_wrong(self) -> None:
        """A wrong password is not stale, nor is a user who has no hash for Digest, and both are answered alike."""
        gateway = self.gateway()
        challenge = self.challenge(gateway)
        for user, password in (("anna", "wrong"), ("bert", "hidden"), ("nobody", "x")):
            seen = self.answered(gateway, digest(challenge, user, password))
            self.assertEqual(seen.status, 407)
            self.assertNotIn("stale", seen.fields.get("Proxy-Authenticate"))

    def test_other_request(self) -> None:
        """Credentials of one request are none for another."""
        gateway = self.gateway()
        challenge = self.challenge(gateway)
        for uri in ("/", URL):
            good = digest(challenge, "anna", "secret", uri=uri, count=ord(uri[0]))
            self.assertEqual(self.answered(gateway, good).status, 200)
        for uri in ("/other", "http://other.example.com/", "http://[/"):
            bad = digest(challenge, "anna", "secret", uri=uri, count=150)
            self.assertEqual(self.answered(gateway, bad).status, 407)

    def test_nonce_of_somebody_else(self) -> None:
        """A nonce that we did not make is none of ours, however it looks."""
        gateway = self.gateway()
        other = nonce_of(self.challenge(self.gateway()))
        challenge = self.challenge(gateway)
        for nonce in (other, "x", "ä", "A" * 44):
            made = digest(challenge, "anna", "secret", nonce=nonce)
            self.assertEqual(self.answered(gateway, made).status, 407)


class PolicyTests(LocalUsersTestCase):
    """What is asked of whom."""

    def networks(self, policy: str, **more: object) -> Any:
        """Make a gateway with a policy for the client's network."""
        return self.gateway(networks=[{"for": ["192.0.2.0/24"], "policy": policy, **more}])

    def test_off(self) -> None:
        """`off`: nobody is known, whatever he shows."""
        gateway = self.networks("off")
        for fields in ({}, basic("anna", "secret"), basic("anna", "wrong")):
            seen = self.seen(gateway.get(URL, fields))
            self.assertEqual((seen.status, identity_of(seen)), (200, None))

    def test_guest(self) -> None:
        """`guest`: everybody is the guest."""
        seen = self.seen(self.networks("guest").get(URL))
        assert seen.transaction is not None and seen.transaction.identity is not None
        self.assertEqual((user_of(seen), seen.transaction.identity.source), ("guest", "guest"))

    def test_optional(self) -> None:
        """`optional`: who shows himself is known, the others pass unknown."""
        gateway = self.networks("optional")
        self.assertEqual(self.seen(gateway.get(URL)).status, 200)
        seen = self.seen(gateway.get(URL, basic("anna", "secret")))
        self.assertEqual(user_of(seen), "anna")
        seen = self.seen(gateway.get(URL, basic("anna", "wrong")))
        self.assertEqual((seen.status, identity_of(seen)), (200, None))

    def test_own_order(self) -> None:
        """A network has its own order, and a scheme that is not in it is not taken there."""
        gateway = self.networks("required", order=["digest"])
        seen = self.seen(gateway.get(URL, basic("anna", "secret")))
        self.assertEqual(seen.status, 407)
        self.assertNotIn("Basic", repr(seen.fields.get_all("Proxy-Authenticate")))

    def test_nobody_can_sign_in(self) -> None:
        """Where nobody can sign in all are refused, and the operator is told."""
        gateway = self.gateway(users="", groups="")
        seen = self.seen(gateway.get(URL, basic("anna", "secret")))
        self.assertEqual(seen.status, 403)
        self.assertTrue(any("nobody can show" in text for text in gateway.cautions))


class Down:
    """A source of users that can't be asked."""

    asked = 0

    async def verify(self, user: str, password: str) -> Verified:
        """Fail."""
        self.asked += 1
        raise Unavailable("the server is on fire")


class UnavailableTests(LocalUsersTestCase):
    """The directory is down."""

    def down(self, **settings: Any) -> Any:
        """Make a gateway with a directory that is down behind the local users."""
        gateway = self.gateway(**settings)
        passwords = cast(Any, gateway.plugin)._parts.passwords
        passwords.verifiers = (*passwords.verifiers, Down())
        return gateway

    def test_refused(self) -> None:
        """Closed: a 503 page that says nothing of what is behind, and no challenge."""
        seen = self.seen(self.down().get(URL, basic("clara", "pw")))
        self.assertEqual(seen.status, 503)
        self.assertIsInstance(seen.verdict, Block)
        self.assertNotIn("fire", seen.text)
        self.assertFalse(seen.reached_origin)
        self.assertNotIn("proxy-authenticate", seen.fields)

    def test_no_event_of_health(self) -> None:
        """The plugin is not taken for broken because a directory is."""
        gateway = self.down()
        for number in range(10):
            self.seen(gateway.get(URL, basic("clara", f"{number}")))
        self.assertEqual([event.name for event in gateway.events], [])

    def test_guest(self) -> None:
        """By setting it is the guest's, or nobody's."""
        seen = self.seen(self.down(unavailable="guest").get(URL, basic("clara", "pw")))
        self.assertEqual(user_of(seen), "guest")
        seen = self.seen(self.down(unavailable="anonymous").get(URL, basic("clara", "pw")))
        self.assertEqual((seen.status, identity_of(seen)), (200, None))

    def test_known_go_on(self) -> None:
        """Who is remembered, and who is known without the directory, goes on."""
        gateway = self.down()
        for _ in range(2):
            self.assertEqual(self.seen(gateway.get(URL, basic("anna", "secret"))).status, 200)

    def test_wrong_local_password(self) -> None:
        """With the directory down a wrong password of a local user is answered as a name that is not local."""
        statuses = {
            self.seen(self.down().get(URL, basic(user, "wrong"))).status
            for user in ("anna", "clara")
        }
        self.assertEqual(statuses, {503})

    def test_not_counted_as_wrong(self) -> None:
        """That nobody could say is no wrong password."""
        gateway = self.down(limiter={"tries": 2})
        for _ in range(5):
            self.seen(gateway.get(URL, basic("clara", "pw")))
        self.assertEqual(self.seen(gateway.get(URL, basic("clara", "pw"))).status, 503)


SITE = {"hosts": ["www.example.com"]}


class SiteTests(LocalUsersTestCase):
    """In front of sites."""

    def sited(self, **sites: object) -> Any:
        """Make a gateway that asks for users of www.example.com."""
        return self.gateway("reverse", sites={**SITE, **sites})

    def authorization(self, user: str = "anna", password: str = "secret") -> dict[str, str]:
        """Give credentials for an origin."""
        return basic(user, password, "Authorization")

    def test_asked(self) -> None:
        """Users of the site are asked as an origin asks, by 401."""
        seen = self.seen(self.sited().get(URL))
        self.assertEqual(seen.status, 401)
        self.assertIn("WWW-Authenticate", seen.fields)
        self.assertNotIn("Proxy-Authenticate", seen.fields)

    def test_told(self) -> None:
        """The origin is told user and groups, and gets no credentials that were ours."""
        gateway = self.sited()
        for _ in range(2):
            self.assertEqual(self.seen(gateway.get(URL, self.authorization())).status, 200)
        for request in gateway.origin.requests:
            self.assertEqual(request.get("x-remote-user"), b"anna")
            self.assertEqual(request.get("x-remote-groups"), b"staff")
            self.assertIsNone(request.get("authorization"))

    def test_keep(self) -> None:
        """By setting the origin gets the credentials, too."""
        gateway = self.sited(authorization="keep")
        self.seen(gateway.get(URL, self.authorization()))
        self.assertIsNotNone(gateway.origin.request.get("authorization"))

    def test_smuggled(self) -> None:
        """What a client says of itself never gets to an origin: not beside ours, not at sites whose users nobody asks."""
        gateway = self.sited()
        fake = [("x-ReMote-User", "root"), ("X-Remote-User", "root"), ("X-Remote-Groups", "wheel")]
        self.seen(gateway.get(URL, [*fake, *self.authorization().items()]))
        self.seen(gateway.get("http://other.example.com/", fake))
        first, second = gateway.origin.requests
        self.assertEqual(
            [line for line in first.raw.split(b"\r\n") if line.lower().startswith(b"x-remote")],
            [b"X-Remote-User: anna", b"X-Remote-Groups: staff"],
        )
        self.assertNotIn(b"root", second.raw)
        self.assertNotIn(b"wheel", second.raw)

    def test_lookalikes(self) -> None:
        """Names that servers fold into ours don't get there either."""
        gateway = self.sited()
        fields = [("X_Remote_User", "root"), ("X-Remote_User", "root")]
        self.seen(gateway.get(URL, [*fields, *self.authorization().items()]))
        self.assertNotIn(b"root", gateway.origin.request.raw)

    def test_others_authorization(self) -> None:
        """At sites that are none of our business credentials go on to the origin."""
        gateway = self.sited()
        self.seen(gateway.get("http://other.example.com/", self.authorization()))
        self.assertIsNotNone(gateway.origin.request.get("authorization"))

    def test_proxy_authorization_never(self) -> None:
        """A field for proxies is not for us here, and never gets upstream."""
        gateway = self.sited()
        seen = self.seen(gateway.get(URL, basic("anna", "secret")))
        self.assertEqual(seen.status, 401)
        self.seen(gateway.get("http://other.example.com/", basic("anna", "secret")))
        self.assertNotIn(b"proxy-authorization", gateway.origin.request.raw.lower())


class ReloadTests(LocalUsersTestCase):
    """A reload makes a new plugin object."""

    def test_remembered(self) -> None:
        """Nobody is checked again, and nobody is free to guess, for a reload."""
        gateway = self.gateway(limiter={"tries": 2, "wait": "30s"})
        self.seen(gateway.get(URL, basic("bert", "hidden")))
        for number in range(2):
            self.seen(gateway.get(URL, basic("anna", f"{number}")))
        old = cast(Auth, gateway.plugin)
        new = Auth(old.settings, gateway.services)
        self.assertIs(new._parts.remembered, old._parts.remembered)
        self.assertGreater(new._parts.limiter.wait("anna", "192.0.2.9"), 0)


class FaceTests(LocalUsersTestCase):
    """Small things that are seen from outside."""

    def test_repr(self) -> None:
        """No setting shows a hash."""
        gateway = self.gateway()
        self.assertNotIn("$2b$", repr(gateway.plugin.settings))
        self.assertNotIn(ha1("anna", "secret"), repr(gateway.plugin.settings))

    def test_no_login_page_without_cookies(self) -> None:
        """Without cookie mode paths of the login page are the origin's."""
        gateway = self.gateway(policy="off")
        gateway.origin["http://www.example.com/.gateway-auth/login"] = b"own"
        seen = self.seen(gateway.get("http://www.example.com/.gateway-auth/login"))
        self.assertEqual(seen.content, b"own")
        self.assertNotIsInstance(seen.verdict, Respond)
