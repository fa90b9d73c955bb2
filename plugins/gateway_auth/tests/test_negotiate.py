"""Tests of Negotiate, with an acceptor that tests script; the real library is in C{tests.live.test_auth_kerberos}."""

from __future__ import annotations

import gc
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred

from gateway.api import Challenge, Identity, Response
from gateway_auth.acceptor import KeytabUnusable, Round, TokenRefused
from gateway_auth.negotiate import MAX_TOKEN, Negotiate, NegotiateSettings
from gateway_auth.tests.handshaking import HandshakeTestCase, client, transaction
from gateway_auth.verifier import Refused, Unavailable, Verified

OWN = "HTTP/gateway.example.com@EXAMPLE.COM"
ALICE = Round(None, b"", "alice@EXAMPLE.COM", OWN, 3600.0)
SETTINGS = NegotiateSettings(keytab="http.keytab")


class FakeAcceptor:
    """
    Answers each token as a test says.

    @ivar given: the contexts and tokens it was given.
    """

    def __init__(self) -> None:
        self.answers: dict[bytes, Round | Exception] = {b"alice": ALICE}
        self.given: list[tuple[object | None, bytes]] = []

    def open(self) -> None:
        """There is a key."""

    def step(self, context: object | None, token: bytes) -> Round:
        """Answer."""
        self.given.append((context, token))
        answer = self.answers[token]
        if isinstance(answer, Exception):
            raise answer
        return answer


class NegotiateTestCase(HandshakeTestCase):
    """A test with a scripted acceptor."""

    def setUp(self) -> None:
        super().setUp()
        self.acceptor = FakeAcceptor()

    def made(self, settings: NegotiateSettings = SETTINGS, **other: Any) -> Negotiate:
        """Make one."""
        return Negotiate(settings, self.services, self.connections, acceptor=self.acceptor, **other)

    def named(self, peer: str, settings: NegotiateSettings) -> Any:
        """Give what a principal is called, or the reason why it is not let in."""
        self.acceptor.answers[b"x"] = replace(ALICE, peer=peer)
        begun = self.going(self.made(settings).step(transaction(client()), b"x"))
        caught: list[Any] = []
        begun.addCallbacks(
            lambda identity: caught.append(identity.user),
            lambda failure: caught.append(failure.value.reason),
        )
        return caught[0]


class StepTests(NegotiateTestCase):
    """One token after the other."""

    def test_one_round(self) -> None:
        """A good token identifies the user, for all that follows on this connection and for no other one."""
        negotiate, mine = self.made(), client()
        identity = self.done(negotiate.step(transaction(mine), b"alice"))
        self.assertEqual(identity, Identity("alice", frozenset(), "negotiate"))
        self.assertEqual(self.connections.identity(transaction(mine)), identity)
        self.assertIsNone(self.connections.identity(transaction(client())))
        self.assertEqual(self.threads.ran[-1].pool, "directory")

    def test_ticket_ends(self) -> None:
        """A connection is nobody's when the ticket is over."""
        self.acceptor.answers[b"short"] = replace(ALICE, seconds=60.0)
        mine = client()
        self.done(self.made().step(transaction(mine), b"short"))
        self.clock.advance(60.0)
        self.assertIsNone(self.connections.identity(transaction(mine)))

    def test_two_rounds(self) -> None:
        """A token that needs another one is answered by ours; the next one goes on where it was."""
        context = object()
        self.acceptor.answers[b"first"] = Round(context, b"more")
        negotiate, mine = self.made(), client()
        asked = self.done(negotiate.step(transaction(mine), b"first"))
        self.assertEqual(asked, Challenge(("Negotiate bW9yZQ==",)))
        identity = self.done(negotiate.step(transaction(mine), b"alice"))
        self.assertIsInstance(identity, Identity)
        self.assertEqual(self.acceptor.given, [(None, b"first"), (context, b"alice")])

    def test_rounds_of_another_connection(self) -> None:
        """What is half done on one connection is not gone on with on another."""
        self.acceptor.answers[b"first"] = Round(object(), b"more")
        negotiate = self.made()
        self.done(negotiate.step(transaction(client()), b"first"))
        self.done(negotiate.step(transaction(client()), b"alice"))
        self.assertEqual(self.acceptor.given[1], (None, b"alice"))

    def test_context_is_used_once(self) -> None:
        """After a token that was no good the client begins anew."""
        self.acceptor.answers[b"first"] = Round(object(), b"more")
        self.acceptor.answers[b"bad"] = TokenRefused("damaged", "defective")
        negotiate, mine = self.made(), client()
        self.done(negotiate.step(transaction(mine), b"first"))
        self.raised(Refused, negotiate.step(transaction(mine), b"bad"))
        self.done(negotiate.step(transaction(mine), b"alice"))
        self.assertEqual(self.acceptor.given[2], (None, b"alice"))

    def test_handshake_takes_too_long(self) -> None:
        """A client that takes too long begins anew."""
        self.acceptor.answers[b"first"] = Round(object(), b"more")
        negotiate, mine = self.made(), client()
        self.done(negotiate.step(transaction(mine), b"first"))
        self.clock.advance(SETTINGS.handshake)
        self.done(negotiate.step(transaction(mine), b"alice"))
        self.assertEqual(self.acceptor.given[1], (None, b"alice"))

    def test_too_many_rounds(self) -> None:
        """Rounds have an end."""
        self.acceptor.answers[b"more"] = Round(object(), b"more")
        negotiate, mine = self.made(replace(SETTINGS, rounds=3)), client()
        for _ in range(2):
            self.done(negotiate.step(transaction(mine), b"more"))
        self.raised(Refused, negotiate.step(transaction(mine), b"more"))

    def test_too_many_handshakes(self) -> None:
        """So many clients may be half done; those that are gone or take too long make room."""
        self.acceptor.answers[b"first"] = Round(object(), b"more")
        negotiate = self.made(replace(SETTINGS, handshakes=2))
        clients = [client() for _ in range(2)]
        for one in clients:
            self.done(negotiate.step(transaction(one), b"first"))
        self.raised(Unavailable, negotiate.step(transaction(client()), b"first"))
        del one
        clients.pop()
        gc.collect()
        clients.append(client())
        self.done(negotiate.step(transaction(clients[-1]), b"first"))
        self.raised(Unavailable, negotiate.step(transaction(client()), b"first"))
        self.clock.advance(SETTINGS.handshake)
        self.done(negotiate.step(transaction(client()), b"first"))

    def test_shared_connection(self) -> None:
        """Behind a proxy a ticket counts for its own request, and several rounds are refused."""
        self.acceptor.answers[b"first"] = Round(object(), b"more")
        negotiate, proxy = self.made(), client()
        identity = self.done(negotiate.step(transaction(proxy, Via="1.1 other"), b"alice"))
        self.assertEqual(identity, Identity("alice", frozenset(), "negotiate"))
        self.assertIsNone(self.connections.identity(transaction(proxy)))
        self.raised(Refused, negotiate.step(transaction(proxy, Via="1.1 other"), b"first"))

    def test_another_user(self) -> None:
        """Whoever tries to be another one and fails is nobody."""
        self.acceptor.answers[b"bad"] = TokenRefused("replayed", "Request is a replay")
        negotiate, mine = self.made(), client()
        self.done(negotiate.step(transaction(mine), b"alice"))
        error = self.raised(Refused, negotiate.step(transaction(mine), b"bad"))
        self.assertEqual(error.reason, "bad_token")
        self.assertIsNone(self.connections.identity(transaction(mine)))
        self.assertEqual(self.counted("negotiate_tokens", result="replayed"), 1)
        self.assertIn("Request is a replay", self.log.texts[-1])

    def test_nobody_can_say(self) -> None:
        """A keytab that was taken away and a full pool are no fault of the client's."""
        self.acceptor.answers[b"x"] = KeytabUnusable("no key")
        negotiate = self.made()
        error = self.raised(Unavailable, negotiate.step(transaction(client()), b"x"))
        self.assertEqual(error.detail, "no key")
        self.threads.full.add("directory")
        self.raised(Unavailable, negotiate.step(transaction(client()), b"alice"))

    def test_size(self) -> None:
        """A token of 64 KiB is taken, a longer one is not looked at."""
        token = b"a" * MAX_TOKEN
        self.acceptor.answers[token] = ALICE
        self.done(self.made().step(transaction(client()), token))
        self.raised(Refused, self.made().step(transaction(client()), token + b"a"))
        self.assertEqual(len(self.acceptor.given), 1)

    def test_ntlm_inside(self) -> None:
        """NTLM in the place of a ticket is refused and said so, unless somebody is there to take it."""
        token = b"NTLMSSP\0\x01\0\0\0"
        self.raised(Refused, self.made().step(transaction(client()), token))
        self.assertEqual(self.counted("negotiate_tokens", result="ntlm"), 1)
        taken: list[tuple[bytes, str]] = []

        class TakesNtlm:
            async def step(self, txn: object, token: bytes, scheme: str) -> Identity:
                taken.append((token, scheme))
                return Identity("bob")

        negotiate = self.made(ntlm=TakesNtlm())
        identity = self.done(negotiate.step(transaction(client()), token))
        self.assertEqual((identity, taken), (Identity("bob"), [(token, "Negotiate")]))
        self.assertEqual(self.acceptor.given, [])

    def test_stop(self) -> None:
        """What is half done when the configuration changes begins anew."""
        self.acceptor.answers[b"first"] = Round(object(), b"more")
        negotiate, mine = self.made(), client()
        self.done(negotiate.step(transaction(mine), b"first"))
        negotiate.stop()
        self.done(self.made().step(transaction(mine), b"alice"))
        self.assertEqual(self.acceptor.given[1], (None, b"alice"))

    def test_abandoned(self) -> None:
        """A client that goes while its token is looked at leaves nothing behind."""
        self.threads.hold()
        mine = client()
        begun = self.going(self.made().step(transaction(mine), b"alice"))
        self.assertNoResult(begun)
        begun.cancel()
        self.threads.release()
        self.settle()
        self.failureResultOf(begun)
        self.assertIsNone(self.connections.identity(transaction(mine)))


class NameTests(NegotiateTestCase):
    """What principals are called."""

    def test_own_realm(self) -> None:
        """Users of the gateway's realm are called by their name alone, or with the realm if that is wanted."""
        for peer, user, principal in (
            ("alice@EXAMPLE.COM", "alice", "alice@EXAMPLE.COM"),
            ("Alice@EXAMPLE.COM", "alice", "alice@EXAMPLE.COM"),
            ("alice/admin@EXAMPLE.COM", "alice/admin", "alice/admin@EXAMPLE.COM"),
            ("PC01$@EXAMPLE.COM", "pc01$", "pc01$@EXAMPLE.COM"),
        ):
            self.assertEqual(self.named(peer, SETTINGS), user)
            self.assertEqual(self.named(peer, replace(SETTINGS, names="principal")), principal)

    def test_other_realms(self) -> None:
        """Users of a realm that ours trusts are refused unless it is listed, and are never taken for ours."""
        peer = "alice@OTHER.EXAMPLE.COM"
        self.assertEqual(self.named(peer, SETTINGS), "bad_name")
        both = replace(SETTINGS, realms=("EXAMPLE.COM", "OTHER.EXAMPLE.COM"))
        self.assertEqual(self.named(peer, both), peer)
        self.assertEqual(self.named("alice@EXAMPLE.COM", both), "alice")
        other = replace(SETTINGS, realms=("OTHER.EXAMPLE.COM",))
        self.assertEqual(self.named("alice@EXAMPLE.COM", other), "bad_name")
        for realm in ("example.com", "EXAMPLE.COM.", "XEXAMPLE.COM"):
            self.assertEqual(self.named(f"alice@{realm}", SETTINGS), "bad_name")

    def test_odd_names(self) -> None:
        """A name that could be read as another one makes no user."""
        for peer in (
            "alice",
            "@EXAMPLE.COM",
            "alice@",
            "alice\\@OTHER@EXAMPLE.COM",
            "alice\\/x@EXAMPLE.COM",
            "ali\nce@EXAMPLE.COM",
            "ali\u202ece@EXAMPLE.COM",
        ):
            self.assertEqual(self.named(peer, SETTINGS), "bad_name", repr(peer))

    def test_groups(self) -> None:
        """Groups and the canonical name come from the directory, if there is one."""

        async def look_up(name: str) -> Verified:
            return Verified(name.title(), frozenset(("staff",)))

        negotiate = self.made(look_up=look_up)
        identity = self.done(negotiate.step(transaction(client()), b"alice"))
        self.assertEqual(identity, Identity("Alice", frozenset(("staff",)), "negotiate"))

    def test_no_groups(self) -> None:
        """Where groups can't be found out nobody is let in without them, nor is who is no user of the directory."""
        mine = client()
        for error in (Unavailable("down"), Refused("disabled")):

            async def look_up(name: str, error: Exception = error) -> Verified:
                raise error

            negotiate = self.made(look_up=look_up)
            self.raised(type(error), negotiate.step(transaction(mine), b"alice"))
            self.assertIsNone(self.connections.identity(transaction(mine)))


class AnsweredTests(NegotiateTestCase):
    """The gateway's own proof."""

    def test_reply(self) -> None:
        """The last token goes with the answer, in the field of the mode."""
        self.acceptor.answers[b"alice"] = replace(ALICE, reply=b"me")
        for mode, field in (("forward", "Proxy-Authenticate"), ("reverse", "WWW-Authenticate")):
            mine = client()
            mine.mode = mode
            negotiate, txn = self.made(), transaction(mine)
            self.done(negotiate.step(txn, b"alice"))
            txn.response = Response(200)
            negotiate.answered(txn)
            self.assertEqual(txn.response.fields.get_all(field), ["Negotiate bWU="])

    def test_no_reply(self) -> None:
        """Other answers are left as they are."""
        txn = transaction(client())
        txn.response = Response(200)
        self.made().answered(txn)
        self.assertEqual(txn.response.fields.lines, [])


class StartTests(NegotiateTestCase):
    """Before the first client."""

    def test_no_key(self) -> None:
        """Without a key the gateway does not start."""

        def fail() -> None:
            raise KeytabUnusable('cannot read "http.keytab": Permission denied')

        self.acceptor.open = fail  # type: ignore[method-assign]
        begun: Deferred[None] = self.going(self.made().start())
        self.assertIn("Permission denied", str(self.failureResultOf(begun, KeytabUnusable).value))
