"""Tests of the settings, and of what rules follow from them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.api.settings import ConfigError, HostSet
from gateway.testing import FakeGateway
from gateway_cache import Cache
from gateway_cache.settings import CacheSettings, Policies, SiteRule


class PoliciesTests(SynchronousTestCase):
    """Which rules hold for whom."""

    def test_modes(self) -> None:
        """Targeted fields are for the reverse proxy; the forward proxy is nobody's CDN."""
        policies = Policies(CacheSettings())
        forward, reverse = policies.of("forward", "a.example"), policies.of("reverse", "a.example")
        assert forward is not None
        assert reverse is not None
        self.assertEqual((forward.targeted, reverse.targeted), ((), ("cdn-cache-control",)))
        self.assertIs(policies.of("reverse", "b.example"), reverse)

    def test_forward_hosts(self) -> None:
        """The forward proxy stores of these hosts alone."""
        policies = Policies(CacheSettings(hosts=HostSet([".example.com"])))
        self.assertIsNotNone(policies.of("forward", "www.example.com"))
        self.assertIsNone(policies.of("forward", "www.example.org"))

    def test_sites(self) -> None:
        """The first rule that has the host wins."""
        policies = Policies(
            CacheSettings(
                sites=(
                    SiteRule(host=HostSet(["api.example.com"]), enabled=False),
                    SiteRule(
                        host=HostSet([".example.com"]),
                        ignore_query=("utm_*", "fbclid"),
                        cookies=("lang",),
                        ttl=60.0,
                    ),
                )
            )
        )
        self.assertIsNone(policies.of("reverse", "api.example.com"))
        policy = policies.of("reverse", "www.example.com")
        assert policy is not None
        self.assertEqual(policy.keys.ignore, frozenset((b"fbclid",)))
        self.assertEqual(policy.keys.ignore_prefixes, (b"utm_",))
        self.assertEqual((policy.keys.cookies, policy.default_ttl), (("lang",), 60.0))

    def test_faults(self) -> None:
        """What can't be is refused, with its place."""
        for settings, words in (
            ({"size": "1MiB", "max_object": "2MiB"}, "max_object is larger than size"),
            ({"name": "a b"}, "not a name"),
            ({"targeted": ["A B"]}, "not a name"),
            (
                {"sites": [{"host": ["*"], "ignore_query": ["*"]}]},
                "not the name of a query parameter",
            ),
        ):
            error = self.assertRaises(
                ConfigError, FakeGateway, Cache, {"path": self.mktemp(), **settings}
            )
            self.assertIn(words, str(error))

    def test_caution(self) -> None:
        """A forward proxy that decrypts nothing caches nothing of https."""
        gateway = FakeGateway(Cache, {"path": self.mktemp()})
        self.addCleanup(gateway.stop)
        self.assertIn("https", " ".join(gateway.cautions))
