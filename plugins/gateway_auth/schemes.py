"""
Credentials of the schemes that are judged request by request, Digest, Negotiate and NTLM, with the brake on guessing in front.

Basic has its own in L{gateway_auth.passwords}. Which scheme is asked of whom is no business of this module.
"""

from __future__ import annotations

from gateway.api import Challenge, Identity, Transaction
from gateway_auth.credentials import token
from gateway_auth.parts import Parts
from gateway_auth.verifier import Refused


class Schemes:
    """Judges credentials by the parts that there are."""

    __slots__ = ("_parts",)

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def digest(self, txn: Transaction, rest: bytes) -> Identity:
        """
        Say whose Digest it is (RFC 7616).

        @param rest: what is behind the scheme.
        @raise gateway_auth.credentials.BadCredentials: it breaks the rules.
        @raise gateway_auth.digest.Stale: it would have been good a while ago.
        @raise Refused: it is wrong, or there were too many that were.
        """
        parts = self._parts
        digest, local = parts.digest, parts.local
        assert digest is not None and local is not None
        user, address = digest.user_of(rest), txn.client.address
        if parts.limiter.wait(user, address) > 0:
            raise parts.passwords.refusal("too_often", user, address)
        try:
            user = digest.check(rest, txn.request)
        except Refused as error:
            parts.limiter.failed(user, address)
            raise parts.passwords.refusal(error.reason, user, address) from None
        parts.limiter.succeeded(user, address)
        return Identity(user, local.groups(user), "digest")

    async def step(self, txn: Transaction, scheme: str, rest: bytes) -> Identity | Challenge:
        """
        Go on with a handshake of Negotiate (RFC 4559) or NTLM (MS-NTHT): who it is, or what to answer for the next step.

        @param rest: what is behind the scheme.
        @raise gateway_auth.credentials.BadCredentials: it is no token.
        @raise Refused: it is wrong, or there were too many that were.
        @raise gateway_auth.verifier.Unavailable: nobody can say.
        """
        parts = self._parts
        if scheme == "negotiate":
            assert parts.negotiate is not None
            return await parts.negotiate.step(txn, token(rest))
        assert parts.ntlm is not None
        address = txn.client.address
        if parts.limiter.wait_at(address) > 0:
            raise parts.passwords.refusal("too_often", "", address)
        try:
            return await parts.ntlm.step(txn, token(rest))
        except Refused as error:
            if error.reason in ("wrong_password", "unknown_user"):
                parts.limiter.failed_at(address)
            raise
