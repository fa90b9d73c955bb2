"""Tests of policies, and of settings that contradict themselves."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.api.settings import ConfigError, NetworkSet
from gateway.testing import FakeGateway
from gateway_auth import Auth, AuthSettings
from gateway_auth.negotiate import NegotiateSettings
from gateway_auth.policy import Policies, effective_order
from gateway_auth.settings import NetworkRule, Scheme
from gateway_auth.tests.local_users import LocalUsersTestCase

KEYTAB = NegotiateSettings(keytab="/etc/gateway/http.keytab")


def rule(*networks: str, **more: Any) -> NetworkRule:
    """Make one."""
    return NetworkRule(NetworkSet.of(*networks), **more)


class PoliciesTests(SynchronousTestCase):
    """L{Policies}."""

    def test_first_wins(self) -> None:
        """The first network that holds an address decides, IPv4 within IPv6 included; else the general policy."""
        policies = Policies(
            AuthSettings(
                policy="optional",
                networks=(
                    rule("10.1.0.0/16", policy="off"),
                    rule("10.0.0.0/8", "2001:db8::/32", policy="guest"),
                ),
            ),
            (),
        )
        for address, name in (
            ("10.1.2.3", "off"),
            ("::ffff:10.1.2.3", "off"),
            ("10.2.3.4", "guest"),
            ("2001:db8::1", "guest"),
            ("192.0.2.1", "optional"),
            ("no address", "optional"),
            ("", "optional"),
        ):
            self.assertEqual(policies.of(address).name, name, address)

    def test_address_cache(self) -> None:
        """A network has its own say on the address cache."""
        policies = Policies(
            AuthSettings(networks=(rule("10.0.0.0/8", ip_cache=0.0), rule("11.0.0.0/8"))), ()
        )
        self.assertFalse(policies.of("10.0.0.1").believes_address)
        self.assertTrue(policies.of("11.0.0.1").believes_address)
        self.assertFalse(Policies(AuthSettings(ip_cache=0.0), ()).of("1.2.3.4").believes_address)

    def test_order(self) -> None:
        """What is not there is not in the order; a cookie without a place comes behind what nobody notices."""
        there: frozenset[Scheme] = frozenset(("negotiate", "cookie", "basic"))
        self.assertEqual(effective_order((), there), ("negotiate", "cookie", "basic"))
        self.assertEqual(effective_order(("basic",), there), ("cookie", "basic"))
        self.assertEqual(
            effective_order(("negotiate", "ntlm", "basic"), there), ("negotiate", "cookie", "basic")
        )
        self.assertEqual(effective_order(("basic", "cookie"), there), ("basic", "cookie"))


class ContradictionTests(LocalUsersTestCase):
    """U5: cookie mode and schemes that ask each connection."""

    def test_refused(self) -> None:
        """Both on one network without an order is refused, and it is said where the order is missing."""
        error = self.assertRaises(ValueError, AuthSettings, cookie=3600.0, negotiate=KEYTAB)
        self.assertIn("say by order which comes first", str(error))
        error = self.assertRaises(
            ValueError,
            AuthSettings,
            cookie=3600.0,
            negotiate=KEYTAB,
            policy="off",
            networks=(rule("10.0.0.0/8"),),
        )
        self.assertIn("networks[0].order", str(error))

    def test_told_by_check(self) -> None:
        """It is a fault of the configuration, with the place."""
        own = {"cookie": "8h", "ntlm": {"enabled": True}}
        error = self.assertRaises(ConfigError, FakeGateway, Auth, own)
        self.assertIn("cookie mode", str(error))

    def test_order_solves_it(self) -> None:
        """With an order, or where nobody is asked, it is none."""
        AuthSettings(cookie=3600.0, negotiate=KEYTAB, order=("cookie", "negotiate"))
        AuthSettings(cookie=3600.0, negotiate=KEYTAB, order=("negotiate", "basic"))
        AuthSettings(cookie=3600.0, negotiate=KEYTAB, policy="guest")
        AuthSettings(cookie=3600.0)

    def test_words(self) -> None:
        """Realms and names of fields are checked."""
        for own in (
            {"realm": 'a "b"'},
            {"realm": ""},
            {"sites": {"user_header": "X Remote"}},
            {"sites": {"user_header": "X_Remote"}},
            {"networks": [{"policy": "off"}]},
            {"order": ["kerberos"]},
        ):
            self.assertRaises(ConfigError, FakeGateway, Auth, own)
