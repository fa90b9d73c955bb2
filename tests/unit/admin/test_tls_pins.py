"""The order about pinned apps."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.admin.tls_pins import pins_order
from gateway.api.answers import ClientHello
from gateway.net.bypasses import MAX_BYPASSED
from gateway.net.ca_holders import NAMES_WITHOUT_CA
from gateway.net.client_family import client_family
from gateway.net.pins import Pins

APP = ClientHello("", ciphers=(0x1301,))
NAME = "api.example.com"


class OrderTests(SynchronousTestCase):
    """L{pins_order}."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.pins = Pins(self.clock, lambda event: None, wall=self.clock.seconds)

    def order(self, **said: Any) -> dict[str, Any]:
        """Carry an order out; what it gives can be written as JSON."""

        async def carried_out() -> dict[str, Any]:
            return await pins_order(self.pins)(said)

        answer = self.successResultOf(Deferred.fromCoroutine(carried_out()))
        found: dict[str, Any] = json.loads(json.dumps(answer))
        return found

    def refuse(self, name: str = NAME, times: int = 3) -> None:
        """Let a client refuse a name."""
        for _ in range(times):
            self.pins.failed(name, "tlsv1 alert unknown ca", "192.0.2.7", APP)

    def test_nothing(self) -> None:
        """While nobody refused anything there is nothing."""
        self.assertEqual(
            self.order(),
            {
                "ok": True,
                "why": "",
                "automatic": False,
                "pins": [],
                "clients_without_ca": 0,
                "addresses_without_ca": [],
            },
        )

    def test_proposal(self) -> None:
        """A proposal is told with all that is known of it; moments are of UTC."""
        self.refuse()
        self.clock.advance(90)
        self.refuse(times=1)
        (pin,) = self.order()["pins"]
        self.assertEqual(
            pin,
            {
                "name": NAME,
                "family": client_family(APP),
                "refusals": 4,
                "first_seen": "1970-01-01T00:00:00+00:00",
                "last_seen": "1970-01-01T00:01:30+00:00",
                "clients": 1,
                "trusting_clients": 0,
                "bypass": None,
            },
        )

    def test_bypass(self) -> None:
        """A bypass begins with the order, for a day or for as long as it says, and is in the answer."""
        for said, until in (({}, "1970-01-02"), ({"seconds": 3 * 86400}, "1970-01-04")):
            (pin,) = self.order(bypass="API.Example.com", **said)["pins"]
            self.assertEqual((pin["name"], pin["family"], pin["refusals"]), (NAME, None, 0))
            self.assertIsNone(pin["first_seen"])
            self.assertEqual(
                pin["bypass"],
                {"by": "operator", "family": None, "until": f"{until}T00:00:00+00:00"},
            )
        self.assertTrue(self.pins.bypassed(NAME, APP))

    def test_forget(self) -> None:
        """It ends with the other order; who is not known can't be forgotten."""
        self.refuse()
        self.order(bypass=NAME)
        self.assertEqual(self.order(forget=NAME)["pins"], [])
        self.assertFalse(self.pins.bypassed(NAME, APP))
        answer = self.order(forget=NAME)
        self.assertEqual((answer["ok"], answer["why"]), (False, f"nothing is known of {NAME}"))

    def test_bad_orders(self) -> None:
        """What is no host, or no time, changes nothing."""
        for said in (
            {"bypass": "*.example.com"},
            {"bypass": None},
            {"bypass": ["a"]},
            {"bypass": ""},
            {"bypass": NAME, "seconds": 0},
            {"bypass": NAME, "seconds": -5},
            {"bypass": NAME, "seconds": 1e9},
            {"bypass": NAME, "seconds": float("nan")},
            {"bypass": NAME, "seconds": "24h"},
            {"forget": "not a host"},
        ):
            answer = self.order(**said)
            self.assertFalse(answer["ok"], said)
            self.assertNotEqual(answer["why"], "", said)
            self.assertEqual(answer["pins"], [], said)

    @given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists))
    @settings(deadline=None)
    def test_any_order(self, value: Any) -> None:
        """Whatever stands in an order, the answer says whether something was done."""
        for said in ({"bypass": value}, {"forget": value}, {"bypass": NAME, "seconds": value}):
            pins = Pins(Clock(), lambda event: None)
            coroutine: Any = pins_order(pins)(said)
            with self.assertRaises(StopIteration) as ended:
                coroutine.send(None)
            answer = ended.exception.value
            self.assertEqual(answer["ok"], not answer["why"])
            self.assertEqual(len(answer["pins"]), int(answer["ok"]))

    def test_too_many(self) -> None:
        """At the bound the order is refused."""
        for number in range(MAX_BYPASSED):
            self.pins.bypass(f"{number}.example.com")
        answer = self.order(bypass=NAME)
        self.assertFalse(answer["ok"])
        self.assertIn("as many bypasses", answer["why"])

    def test_clients_without_ca(self) -> None:
        """Clients that refuse everything are named."""
        for number in range(NAMES_WITHOUT_CA):
            self.refuse(f"{number}.example.com", 1)
        answer = self.order()
        self.assertEqual(
            (answer["clients_without_ca"], answer["addresses_without_ca"]), (1, ["192.0.2.7"])
        )
