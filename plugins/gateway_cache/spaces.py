"""
Spaces of keys: what the rules for a request and the beginning of its key are, looked up at once for all requests to an origin.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gateway_cache.keys import Place, origin_of
from gateway_cache.policy import Policy

_REMEMBERED = 4096


class Space(NamedTuple):
    """
    The keys of one origin.

    @ivar policy: the rules for it; C{None}: nothing of it is stored.
    @ivar origin: what all of its keys begin with.
    @ivar literal: behind that comes the target as it is; else what L{key_of<gateway_cache.keys.key_of>} makes of it.
    """

    policy: Policy | None
    origin: bytes
    literal: bool


class Spaces(dict[tuple[str, str, str, int], Space]):
    """By the client's mode, and by the target's scheme, host and port; found out when first asked for."""

    def __init__(self, policy_of: Callable[[str, str], Policy | None]) -> None:
        """
        Know none.

        @param policy_of: gives the rules for a mode and a host; always the same ones.
        """
        super().__init__()
        self._policy_of = policy_of

    def __missing__(self, asked: tuple[str, str, str, int]) -> Space:
        """Find it out."""
        mode, scheme, host, port = asked
        policy = self._policy_of(mode, host)
        rules = None if policy is None else policy.keys
        literal = rules is not None and not (rules.ignore or rules.ignore_prefixes or rules.sort)
        made = Space(policy, origin_of(Place(scheme, host, port, b"")), literal)
        if len(self) >= _REMEMBERED:
            self.clear()
        self[asked] = made
        return made
