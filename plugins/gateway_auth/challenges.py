"""
What somebody gets who is not known: a challenge with the schemes of his network (RFC 9110 section 11), a page, a redirect, or nothing.

It is always asked in the same words, whatever was wrong with what was shown. So is here what becomes of those whom nobody can check.
"""

from __future__ import annotations

from typing import TypeAlias

from gateway.api import Block, Challenge, Identity, Respond, Services, Transaction
from gateway_auth.known import Known
from gateway_auth.parts import Parts
from gateway_auth.policy import Policy
from gateway_auth.redirects import RESERVED
from gateway_auth.settings import AuthSettings
from gateway_auth.verifier import Unavailable

#: What the hook answers.
Answer: TypeAlias = Identity | Challenge | Block | Respond | None


class Challenges:
    """
    Asks who it is.

    @ivar guest: who stands for everybody in a guests' network.
    @ivar count: how many challenges there were.
    """

    def __init__(
        self, settings: AuthSettings, services: Services, parts: Parts, known: Known
    ) -> None:
        self.guest = Identity(settings.guest, source="guest")
        self.count = 0
        self._settings = settings
        self._log = services.log
        self._parts = parts
        self._known = known

    def ask(self, txn: Transaction, policy: Policy, *, stale: bool = False) -> Answer:
        """
        Ask who it is, always in the same words; or pass where nobody has to say it.

        @param stale: what was shown would have been good a while ago (RFC 7616 section 3.3).
        """
        if policy.name == "optional":
            return None
        browsers = self._parts.browsers
        if browsers is not None and self._may_redirect(txn, policy) and browsers.seed(txn):
            # What is asked within a tunnel, and forms, whose content has to be read, come later.
            if not txn.request.scheme or browsers.is_open(txn):
                return None
            said = browsers.answer(txn)
            if isinstance(said, Block | Respond):
                return said
        schemes = self._offered(txn, policy, stale=stale)
        if not schemes:
            return Block("Nobody can sign in here.", "auth", 403, "authenticate")
        self.count += 1
        return Challenge(tuple(schemes))

    def unavailable(self, txn: Transaction, error: Unavailable) -> Answer:
        """Do what is set for credentials that nobody can check."""
        choice = self._settings.unavailable
        self._log.warn(
            "nobody can say who {address} is, {choice}: {why}",
            address=txn.client.address,
            choice=choice,
            why=error.detail,
        )
        if choice == "guest":
            return self._known.count(self.guest)
        if choice == "anonymous":
            return None
        return Block(
            "Your name and password can't be checked at the moment.",
            "auth_unavailable",
            503,
            "auth_unavailable",
        )

    def _may_redirect(self, txn: Transaction, policy: Policy) -> bool:
        """Tell whether a browser gets a page or a redirect before a challenge."""
        request = txn.request
        browsers = self._parts.browsers
        return (
            policy.redirects
            # A challenge of a proxy means nothing within a tunnel.
            or (request.scheme == "https" and txn.client.mode != "reverse")
            or request.path.startswith(RESERVED)
            or (browsers is not None and browsers.is_open(txn))
        )

    def _offered(self, txn: Transaction, policy: Policy, *, stale: bool) -> list[str]:
        parts = self._parts
        offered: list[str] = []
        for scheme in policy.order:
            if scheme == "negotiate" and parts.negotiate is not None:
                offered.append(parts.negotiate.challenge())
            elif scheme == "ntlm" and parts.ntlm is not None:
                if parts.ntlm.offered(txn):
                    offered.append(parts.ntlm.challenge())
            elif scheme == "digest" and parts.digest is not None:
                offered += parts.digest.challenges(stale=stale)
            elif scheme == "basic":
                offered.append(f'Basic realm="{self._settings.realm}", charset="UTF-8"')
        return offered
