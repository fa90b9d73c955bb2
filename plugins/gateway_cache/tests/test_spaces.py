"""Tests of the spaces of keys: they agree with the rules and the keys, and are bounded."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway_cache.keys import Place, key_of
from gateway_cache.policy import KeyRules, Policy
from gateway_cache.spaces import _REMEMBERED, Spaces

PLAIN = Policy()
RULED = Policy(keys=KeyRules(sort=True))


def policy_of(mode: str, host: str) -> Policy | None:
    """Have rules for two hosts in reverse mode."""
    return {"plain.example.com": PLAIN, "ruled.example.com": RULED}.get(
        host if mode == "reverse" else ""
    )


class SpacesTests(SynchronousTestCase):
    def test_key(self) -> None:
        """The key begins with the space's origin, and goes on with the target where no rule says otherwise."""
        spaces = Spaces(policy_of)
        for host, port in (("plain.example.com", 80), ("plain.example.com", 8443)):
            space = spaces["reverse", "https", host, port]
            target = Place("https", host, port, b"/a?c=1&b=2")
            self.assertEqual((space.policy, space.literal), (PLAIN, True))
            self.assertEqual(space.origin + target.raw_target, key_of(target, PLAIN.keys))
        self.assertEqual(spaces["reverse", "http", "ruled.example.com", 80][::2], (RULED, False))

    def test_addresses(self) -> None:
        """An IPv6 address is in brackets, as in every key."""
        target = Place("http", "2001:db8::1", 80, b"/")
        origin = Spaces(lambda mode, host: PLAIN)["forward", "http", "2001:db8::1", 80].origin
        self.assertEqual(origin + b"/", key_of(target, PLAIN.keys))

    def test_not_cached(self) -> None:
        """Where nothing is stored there are no rules; the mode counts."""
        self.assertIsNone(Spaces(policy_of)["forward", "http", "plain.example.com", 80].policy)

    def test_bounded(self) -> None:
        """However many hosts are asked for, so many are remembered."""
        spaces = Spaces(policy_of)
        for port in range(_REMEMBERED + 10):
            spaces["reverse", "http", "plain.example.com", port]
        self.assertLessEqual(len(spaces), _REMEMBERED)
