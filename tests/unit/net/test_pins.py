"""Which refusals make a proposal, what ends one, and what is passed on unread."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import SSL
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.answers import ClientHello
from gateway.api.events import Event, Severity
from gateway.net.bypasses import BYPASS_SECONDS, LONGEST_BYPASS_SECONDS, MAX_BYPASSED, TooMany
from gateway.net.ca_holders import MAX_CLIENTS, MAX_TOLD, NAMES_WITHOUT_CA
from gateway.net.client_family import client_family
from gateway.net.pins import (
    MAX_FAMILIES,
    MAX_NAMED_CLIENTS,
    MAX_NAMES,
    WINDOW_SECONDS,
    Pin,
    Pins,
)
from gateway.net.tls import TlsFailed, TlsTransport
from tests.effort import examples
from tests.unit.net.certificates import root, server_context

APP = ClientHello("", ciphers=(0x1301, 0xC02B))
BROWSER = ClientHello("", ciphers=(0x1302,))
NAME = "api.example.com"
UNKNOWN_CA = "tlsv1 alert unknown ca"
PHONE = "192.0.2.7"
#: Seconds since 1970 when the clock of the tests stands at 0.
BEGIN = 1_800_000_000.0


class PinsTestCase(SynchronousTestCase):
    """Has pins on a clock that the test moves."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.told: list[Event] = []
        self.pins = Pins(self.clock, self.told.append, wall=lambda: BEGIN + self.clock.seconds())

    def refuse(
        self,
        count: int = 1,
        name: str = NAME,
        *,
        client: str = PHONE,
        hello: ClientHello = APP,
        alert: str = UNKNOWN_CA,
        every: float = 1.0,
    ) -> None:
        """Let a client refuse the certificate for a name, so many seconds apart."""
        for _ in range(count):
            self.pins.failed(name, alert, client, hello)
            self.clock.advance(every)

    def accept(
        self, name: str = "www.example.com", client: str = PHONE, hello: ClientHello = BROWSER
    ) -> None:
        """Let a client accept one."""
        self.pins.succeeded(name, client, hello)
        self.clock.advance(1)

    def names(self) -> list[str]:
        """Give the names of the events so far."""
        return [event.name for event in self.told]

    def pin(self) -> Pin:
        """Give the only one that is listed."""
        (found,) = self.pins.proposals()
        return found


class ProposalTests(PinsTestCase):
    """When something is proposed."""

    def test_third_refusal(self) -> None:
        """Three refusals within ten minutes are a proposal, told once, and two are none."""
        self.refuse(2)
        self.assertEqual((self.told, self.pins.proposals()), ([], []))
        self.refuse(5)
        (event,) = self.told
        self.assertEqual((event.name, event.subject), ("tls_pinned", NAME))
        self.assertEqual(event.severity, Severity.WARNING)
        self.assertEqual(event.values["family"], client_family(APP))
        pin = self.pin()
        self.assertEqual((pin.name, pin.refusals, pin.clients, pin.trusting), (NAME, 7, 1, 0))
        self.assertEqual((pin.first_seen, pin.last_seen), (BEGIN, BEGIN + 6))
        self.assertIsNone(pin.bypass)
        self.assertFalse(self.pins.bypassed(NAME, APP))

    def test_window(self) -> None:
        """Refusals that are further apart than ten minutes are none, however many there are."""
        self.refuse(20, every=WINDOW_SECONDS / 2 + 1)
        self.assertEqual(self.told, [])
        self.refuse(3, every=WINDOW_SECONDS / 2)
        self.assertEqual(self.names(), ["tls_pinned"])

    def test_families_and_names_apart(self) -> None:
        """Refusals by different programs, or for different names, are not added up."""
        for hello in (APP, BROWSER):
            for name in (NAME, "other.example.com"):
                self.refuse(2, name, hello=hello)
        self.assertEqual(self.told, [])

    def test_other_alerts(self) -> None:
        """What says nothing about trust does not count: another alert, a fault of ours, an end without a word."""
        for alert in (
            "",
            "unexpected eof while reading",
            "sslv3 alert handshake failure",
            "ssl/tls alert certificate expired",
            "tlsv1 alert protocol version",
            "unknown ca",
            "certificate verify failed",
        ):
            self.refuse(5, alert=alert)
        self.assertEqual((self.told, self.pins.proposals()), ([], []))

    def test_spellings(self) -> None:
        """The three alerts count in each form that OpenSSL has for them."""
        alerts = (
            "tlsv1 alert unknown ca",
            "sslv3 alert bad certificate",
            "ssl/tls alert bad certificate",
            "sslv3 alert certificate unknown",
            "ssl/tls alert certificate unknown",
            "SSL/TLS alert certificate unknown",
        )
        for number, alert in enumerate(alerts):
            self.accept()
            self.refuse(3, f"{number}.example.com", alert=alert)
        self.assertEqual(self.names(), ["tls_pinned"] * len(alerts))

    def test_no_name(self) -> None:
        """Without a name there is nothing to propose."""
        self.refuse(5, "")
        self.assertEqual((self.told, self.pins.proposals()), ([], []))

    def test_clients(self) -> None:
        """It says how many clients refused, and how many of them accept the certificate for other names since."""
        self.refuse(client="192.0.2.1")
        self.refuse(client="192.0.2.2")
        self.accept(client="192.0.2.1")
        self.accept(client="192.0.2.9")
        self.refuse(client="192.0.2.3")
        (event,) = self.told
        self.assertEqual((event.values["clients"], event.values["trusting"]), ("3", "1"))
        self.assertIn("1 of them accepts it for other names", event.text)
        self.accept(client="192.0.2.2")
        self.assertEqual((self.pin().clients, self.pin().trusting), (3, 2))

    def test_trust_of_long_ago(self) -> None:
        """Who accepted before it refused may have lost the CA since, as when the CA was exchanged."""
        self.accept()
        self.refuse(3)
        self.assertEqual(self.pin().trusting, 0)
        self.assertIn("the gateway's CA may be all that is missing", self.told[0].text)
        self.accept()
        self.assertEqual(self.pin().trusting, 1)
        self.clock.advance(WINDOW_SECONDS)
        self.refuse()
        self.assertEqual(self.pin().trusting, 0)


class WithdrawalTests(PinsTestCase):
    """What takes a suspicion away."""

    def test_accepted_in_between(self) -> None:
        """When somebody of the family accepts it, the refusals before are forgotten."""
        self.refuse(2)
        self.accept(NAME, "192.0.2.9", APP)
        self.clock.advance(WINDOW_SECONDS)
        self.refuse(2)
        self.assertEqual(self.told, [])

    def test_rest(self) -> None:
        """For ten minutes after that nobody's refusals count: those clients lack the CA."""
        self.refuse(1)
        self.accept(NAME, "192.0.2.9", APP)
        self.refuse(20)
        self.assertEqual(self.told, [])
        self.clock.advance(WINDOW_SECONDS)
        self.refuse(3)
        self.assertEqual(self.names(), ["tls_pinned"])

    def test_proposal(self) -> None:
        """A proposal is withdrawn by it, and may be made anew."""
        self.refuse(3)
        self.accept(NAME, "192.0.2.9", APP)
        self.assertEqual(self.pins.proposals(), [])
        self.clock.advance(WINDOW_SECONDS)
        self.refuse(3)
        self.assertEqual(self.names(), ["tls_pinned"] * 2)

    def test_another_program(self) -> None:
        """A browser that accepts the name says nothing about the app that does not."""
        self.refuse(2)
        self.accept(NAME, hello=BROWSER)
        self.refuse(1)
        self.assertEqual(self.names(), ["tls_pinned"])
        self.assertEqual(self.pin().trusting, 1)


class LackingTests(PinsTestCase):
    """A device without the CA is no pinned app."""

    def test_refuses_everything(self) -> None:
        """Who refuses one name after the other is told of once, and proposes no further name."""
        for number in range(20):
            self.refuse(3, f"{number}.example.com")
        self.assertEqual(self.names(), ["tls_pinned"] * (NAMES_WITHOUT_CA - 1) + ["tls_ca_missing"])
        self.assertEqual(self.told[-1].subject, PHONE)
        self.assertEqual(self.pins.lacking(), [PHONE])
        self.assertEqual(len(self.pins.proposals()), NAMES_WITHOUT_CA - 1)

    def test_others_count(self) -> None:
        """Another client's refusals count as ever."""
        for number in range(NAMES_WITHOUT_CA):
            self.refuse(1, f"{number}.example.com")
        self.told.clear()
        self.refuse(3, client="192.0.2.8")
        self.assertEqual(self.names(), ["tls_pinned"])

    def test_installed(self) -> None:
        """Once it accepts a certificate it counts again."""
        for number in range(NAMES_WITHOUT_CA):
            self.refuse(1, f"{number}.example.com")
        self.accept()
        self.assertEqual(self.pins.lacking(), [])
        self.told.clear()
        self.refuse(3)
        self.assertEqual(self.names(), ["tls_pinned"])

    def test_all_at_once(self) -> None:
        """When all clients lack it, as after a CA was exchanged too early, some events say so and not thousands."""
        for client in range(100):
            for number in range(NAMES_WITHOUT_CA):
                name = f"{client}-{number}.example.com"
                self.refuse(1, name, client=f"192.0.2.{client}", every=0.0)
        self.assertEqual(self.names(), ["tls_ca_missing"] * MAX_TOLD)
        self.assertEqual(len(self.pins.lacking()), 100)


class AutomaticTests(PinsTestCase):
    """C{tls.pinned_bypass}."""

    def setUp(self) -> None:
        super().setUp()
        self.pins.follow(automatic=True)

    def pinned(self) -> None:
        """Let an app refuse a name on a device that has the CA."""
        self.refuse(1)
        self.accept()
        self.refuse(2)

    def test_a_day(self) -> None:
        """The name is passed on for clients of this family, for a day; begin and end are told."""
        self.pinned()
        self.assertEqual(self.names(), ["tls_pinned", "tls_bypass_begun"])
        self.assertEqual(self.told[1].severity, Severity.WARNING)
        self.assertTrue(self.pins.bypassed(NAME, APP))
        self.assertFalse(self.pins.bypassed(NAME, BROWSER))
        self.assertFalse(self.pins.bypassed("www.example.com", APP))
        bypass = self.pin().bypass
        assert bypass is not None
        self.assertEqual((bypass.by, bypass.until), ("automatic", BEGIN + 3 + BYPASS_SECONDS))
        self.clock.advance(BYPASS_SECONDS)
        self.assertFalse(self.pins.bypassed(NAME, APP))
        self.assertEqual(self.names()[2:], ["tls_bypass_ended"])
        self.assertEqual((self.pins.proposals(), self.clock.getDelayedCalls()), ([], []))

    def test_anew(self) -> None:
        """After that it is found out anew."""
        self.pinned()
        self.clock.advance(BYPASS_SECONDS)
        self.told.clear()
        self.pinned()
        self.assertEqual(self.names(), ["tls_pinned", "tls_bypass_begun"])

    def test_nobody_has_the_ca(self) -> None:
        """While no client that refuses it is known to have the CA it stays a proposal."""
        self.refuse(10)
        self.assertEqual(self.names(), ["tls_pinned"])
        self.accept()
        self.refuse(1)
        self.assertEqual(self.names(), ["tls_pinned", "tls_bypass_begun"])

    def test_handshakes_under_way(self) -> None:
        """Refusals that come when it is passed on already change nothing."""
        self.pinned()
        self.refuse(3)
        self.assertEqual(self.names(), ["tls_pinned", "tls_bypass_begun"])
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)

    def test_accepted_after_all(self) -> None:
        """When a client of the family accepts it, the bypass ends."""
        self.pinned()
        self.accept(NAME, "192.0.2.9", APP)
        self.assertFalse(self.pins.bypassed(NAME, APP))
        self.assertEqual(self.names()[2:], ["tls_bypass_ended"])
        self.assertEqual(self.pins.proposals(), [])

    def test_switched_off(self) -> None:
        """When the setting is taken back, what it began ends, and what people ordered goes on."""
        self.pinned()
        self.pins.bypass("other.example.com")
        self.pins.follow(automatic=False)
        self.assertFalse(self.pins.bypassed(NAME, APP))
        self.assertTrue(self.pins.bypassed("other.example.com", APP))
        self.assertEqual(self.names()[3:], ["tls_bypass_ended"])
        self.pins.follow(automatic=False)
        self.assertEqual(len(self.told), 4)

    def test_as_many_as_there_may_be(self) -> None:
        """At the bound the proposal stays one."""
        for number in range(MAX_BYPASSED):
            self.pins.bypass(f"{number}.example.com")
        self.told.clear()
        self.pinned()
        self.assertEqual(self.names(), ["tls_pinned"])
        self.assertFalse(self.pins.bypassed(NAME, APP))


class OrderTests(PinsTestCase):
    """What an operator orders."""

    def test_bypass(self) -> None:
        """A name is passed on for all clients, proposed or not, for as long as was said."""
        self.pins.bypass(NAME, 60)
        for hello in (APP, BROWSER):
            self.assertTrue(self.pins.bypassed(NAME, hello))
        pin = self.pin()
        self.assertEqual((pin.family, pin.refusals), ("", 0))
        self.clock.advance(60)
        self.assertFalse(self.pins.bypassed(NAME, APP))
        self.assertEqual(self.names(), ["tls_bypass_begun", "tls_bypass_ended"])
        self.assertEqual(self.pins.proposals(), [])

    def test_proposal(self) -> None:
        """A proposal of that name shows the bypass, and is one again when that is over."""
        self.refuse(3)
        self.pins.bypass(NAME, 60)
        self.assertEqual([pin.family for pin in self.pins.proposals()], ["", client_family(APP)])
        for pin in self.pins.proposals():
            self.assertIsNotNone(pin.bypass)
        self.clock.advance(60)
        self.assertIsNone(self.pin().bypass)

    def test_again(self) -> None:
        """Ordered again it lasts from then on, and the time of before no longer ends it."""
        self.pins.bypass(NAME, 60)
        self.clock.advance(50)
        self.pins.bypass(NAME, 60)
        self.clock.advance(50)
        self.assertTrue(self.pins.bypassed(NAME, APP))
        self.clock.advance(10)
        self.assertFalse(self.pins.bypassed(NAME, APP))

    def test_longest(self) -> None:
        """Thirty days are the most."""
        found = self.pins.bypass(NAME, 10 * LONGEST_BYPASS_SECONDS)
        self.assertEqual(found.until, BEGIN + LONGEST_BYPASS_SECONDS)

    def test_forget(self) -> None:
        """Forgetting ends bypass and proposal, and says whether there was one."""
        self.assertFalse(self.pins.forget(NAME))
        self.refuse(1)
        self.assertFalse(self.pins.forget(NAME))
        self.refuse(3)
        self.pins.bypass(NAME)
        self.assertTrue(self.pins.forget(NAME))
        self.assertEqual((self.pins.proposals(), self.clock.getDelayedCalls()), ([], []))
        self.assertFalse(self.pins.bypassed(NAME, APP))
        self.refuse(2)
        self.assertEqual(self.pins.proposals(), [])

    def test_too_many(self) -> None:
        """There is a bound, and at it one that is there can still be prolonged."""
        for number in range(MAX_BYPASSED):
            self.pins.bypass(f"{number}.example.com")
        self.assertRaises(TooMany, self.pins.bypass, NAME)
        self.assertFalse(self.pins.bypassed(NAME, APP))
        self.pins.bypass("0.example.com")

    def test_stop(self) -> None:
        """The end of the process leaves no timer."""
        self.pins.bypass(NAME)
        self.pins.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.names(), ["tls_bypass_begun"])


class MemoryTests(PinsTestCase):
    """Nothing that clients do makes it grow without end."""

    def test_names(self) -> None:
        """Of more names than the bound the least recent are forgotten."""
        for number in range(MAX_NAMES + 10):
            self.accept()
            self.refuse(3, f"{number}.example.com", every=0.0)
        found = {pin.name for pin in self.pins.proposals()}
        self.assertEqual(len(found), MAX_NAMES)
        self.assertNotIn("9.example.com", found)
        self.assertIn(f"{MAX_NAMES + 9}.example.com", found)

    def test_families(self) -> None:
        """A name has a few families at the most."""
        for cipher in range(MAX_FAMILIES + 5):
            self.refuse(3, hello=ClientHello("", ciphers=(cipher,)), every=0.0)
        self.assertEqual(len(self.pins.proposals()), MAX_FAMILIES)

    def test_clients(self) -> None:
        """So have clients, in all and of one name."""
        for number in range(MAX_CLIENTS + 10):
            self.pins.failed(NAME, UNKNOWN_CA, f"2001:db8::{number:x}", APP)
            self.pins.succeeded("www.example.com", f"2001:db8:1::{number:x}", APP)
        self.assertEqual(self.pin().clients, MAX_NAMED_CLIENTS)
        self.assertEqual(len(self.pins._holders), MAX_CLIENTS)


NAMES = st.sampled_from(("a.example.com", "b.example.com"))
CLIENTS = st.sampled_from(("192.0.2.1", "192.0.2.2"))
HELLOS = st.sampled_from((APP, BROWSER))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("refuse"), NAMES, CLIENTS, HELLOS),
        st.tuples(st.just("refuse"), NAMES, CLIENTS, HELLOS),
        st.tuples(st.just("accept"), NAMES, CLIENTS, HELLOS),
        st.tuples(st.just("wait"), st.sampled_from((1.0, 200.0, 601.0, 86400.0))),
        st.tuples(st.just("bypass"), NAMES),
        st.tuples(st.just("forget"), NAMES),
        st.tuples(st.just("follow"), st.booleans()),
    ),
    max_size=40,
)


class AnyOrderTests(SynchronousTestCase):
    """Whatever happens in whatever order."""

    @given(STEPS)
    @settings(deadline=None, max_examples=examples(200))
    def test_rules(self, steps: list[tuple[Any, ...]]) -> None:
        """
        No proposal without three refusals within ten minutes; no bypass of a name that nobody ordered, while the setting
        is off; each bypass has one timer, and each begins and ends by turns.
        """
        clock = Clock()
        told: list[Event] = []
        pins = Pins(clock, told.append, wall=clock.seconds)
        refused: dict[tuple[str, str], list[float]] = {}
        automatic = False
        for kind, *said in steps:
            seen = len(told)
            if kind == "refuse":
                name, client, hello = said
                pins.failed(name, UNKNOWN_CA, client, hello)
                refused.setdefault((name, client_family(hello)), []).append(clock.seconds())
            elif kind == "accept":
                pins.succeeded(*said)
            elif kind == "wait":
                clock.advance(said[0])
            elif kind == "bypass":
                pins.bypass(said[0])
            elif kind == "forget":
                pins.forget(said[0])
            else:
                automatic = said[0]
                pins.follow(automatic=automatic)
            for event in told[seen:]:
                if event.name == "tls_pinned":
                    times = refused[event.subject, event.values["family"]]
                    self.assertGreaterEqual(len(times), 3)
                    self.assertLessEqual(clock.seconds() - times[-3], WINDOW_SECONDS)
                if event.name == "tls_bypass_begun":
                    self.assertTrue(automatic or kind == "bypass", steps)
            bypasses = {
                (pin.bypass.name, pin.bypass.family) for pin in pins.proposals() if pin.bypass
            }
            self.assertEqual(len(clock.getDelayedCalls()), len(bypasses))
        changes: dict[tuple[str, str], str] = {}
        for event in told:
            if event.name == "tls_bypass_ended":
                key = event.subject, event.values["family"]
                self.assertEqual(changes[key], "tls_bypass_begun")
            if event.name.startswith("tls_bypass_"):
                changes[event.subject, event.values["family"]] = event.name


class OpensslTests(PinsTestCase):
    """What a real client's refusal looks like to our side of TLS."""

    def setUp(self) -> None:
        super().setUp()
        self.reasons: list[str] = []

    def _failed(self, tls: TlsTransport, failed: TlsFailed) -> None:
        self.reasons.append(failed.reason)
        self.pins.failed(NAME, failed.reason, PHONE, APP)

    def _never(self, tls: TlsTransport) -> None:
        raise AssertionError("the client accepted it")

    def shake(
        self, prepare: Callable[[ssl.SSLContext], object], version: ssl.TLSVersion, name: str = NAME
    ) -> None:
        """Let a client of the standard library meet a gateway that shows a certificate for one name."""
        connection = SSL.Connection(server_context(NAME), None)
        connection.set_accept_state()
        transport = StringTransport()
        tls = TlsTransport(connection, self._never, self._failed)
        tls.makeConnection(transport)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = context.maximum_version = version
        prepare(context)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = context.wrap_bio(incoming, outgoing, server_hostname=name)
        for _ in range(10):
            try:
                client.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError:
                # Its alert is written, if it has one, and it goes.
                if outgoing.pending:
                    tls.dataReceived(outgoing.read())
                return
            tls.dataReceived(outgoing.read())
            incoming.write(transport.value())
            transport.clear()
        raise AssertionError("the client accepted it")

    def trusting(self, context: ssl.SSLContext) -> None:
        """Trust the root of the tests."""
        context.load_verify_locations(cadata=root().certificate.public_bytes(Encoding.PEM).decode())

    def test_unknown_ca(self) -> None:
        """A client without the CA sends unknown_ca, in each version."""
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            for _ in range(3):
                self.shake(lambda context: None, version)
            self.assertEqual(self.names(), ["tls_pinned"], self.reasons)
            self.pins.forget(NAME)
            self.told.clear()

    def test_bad_certificate(self) -> None:
        """A client that trusts the CA and wants something else of the certificate sends bad_certificate."""
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            for _ in range(3):
                self.shake(self.trusting, version, "other.example.com")
            self.assertEqual(self.names(), ["tls_pinned"], self.reasons)
            self.assertTrue(all("bad certificate" in one for one in self.reasons), self.reasons)
            self.pins.forget(NAME)
            self.told.clear()

    def test_no_common_cipher(self) -> None:
        """A handshake that fails for another reason does not count."""
        for _ in range(3):
            self.shake(
                lambda context: context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256"),
                ssl.TLSVersion.TLSv1_2,
            )
        self.assertEqual(self.reasons, ["no shared cipher"] * 3)
        self.assertEqual((self.told, self.pins.proposals()), ([], []))
