"""
What is asked of whom: a policy for each network of clients, with the schemes in their order.

The first element of C{networks} that holds the client's address decides, else the plugin's own C{policy} and C{order} do.
Knows nothing of requests.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.api.settings import NetworkSet
from gateway_auth.settings import CONNECTION_BOUND, AuthSettings, PolicyName, Scheme

#: The order of schemes unless one is set: what asks no user for anything comes first, what shows a password last.
USUAL_ORDER: tuple[Scheme, ...] = ("negotiate", "ntlm", "cookie", "digest", "basic")


@dataclass(frozen=True, slots=True)
class Policy:
    """
    What is asked of a client.

    @ivar name: which policy it is.
    @ivar order: ways to show who one is, best first; only such as are there.
    @ivar believes_address: an address that is remembered is enough.
    @ivar redirects: a browser is sent to get a cookie before it is challenged.
    """

    name: PolicyName
    order: tuple[Scheme, ...]
    believes_address: bool

    @property
    def redirects(self) -> bool:
        """Tell whether the cookie comes before every scheme of the protocol."""
        return self.order[:1] == ("cookie",)


class Policies:
    """Finds the policy of a client."""

    __slots__ = ("_rules", "usual")

    def __init__(self, settings: AuthSettings, available: Iterable[Scheme]) -> None:
        """
        Compile.

        @param available: schemes for which there is a part.
        """
        there = frozenset(available)
        self.usual = Policy(
            settings.policy, effective_order(settings.order, there), settings.ip_cache > 0
        )
        self._rules: Sequence[tuple[NetworkSet, Policy]] = [
            (
                rule.for_,
                Policy(
                    rule.policy,
                    effective_order(rule.order or settings.order, there),
                    (settings.ip_cache if rule.ip_cache is None else rule.ip_cache) > 0,
                ),
            )
            for rule in settings.networks
        ]

    def of(self, address: str) -> Policy:
        """Give the policy of an address; what is no address is in no network."""
        if not self._rules:
            return self.usual
        try:
            for networks, policy in self._rules:
                if address in networks:
                    return policy
        except ValueError:
            pass
        return self.usual

    @property
    def all(self) -> list[Policy]:
        """Give every policy that there is."""
        return [self.usual, *(policy for _, policy in self._rules)]


def effective_order(said: tuple[Scheme, ...], there: frozenset[Scheme]) -> tuple[Scheme, ...]:
    """
    Give the order that holds.

    A cookie mode that is switched on without a place in the order comes behind the schemes that need no user to do
    anything, and before those that ask him for a password with each program.
    """
    order = [scheme for scheme in said or USUAL_ORDER if scheme in there]
    if "cookie" in there and "cookie" not in order:
        behind = sum(scheme in CONNECTION_BOUND for scheme in order)
        order.insert(behind, "cookie")
    return tuple(order)
