"""
What the answer to a bind means: why a server refuses a user, for the operators' log alone (RFC 4511 section 4.1.9).

Active Directory answers nearly everything with C{invalidCredentials} and tells the reason in its text, as C{data 52e}. Others
tell it by the control of the password policy draft (draft-behera-ldap-password-policy), or by their own result codes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from gateway_auth.verifier import Reason

#: The control that asks for the state of a password, and comes back with it.
PASSWORD_POLICY = "1.3.6.1.4.1.42.2.27.8.5.1"  # noqa: S105 - an object identifier

SUCCESS = 0
INVALID_CREDENTIALS = 49

_AD_DATA = re.compile(r"\bdata ([0-9a-f]{2,8})\b", re.I)
#: Windows error codes in hexadecimal, as Active Directory writes them.
_AD_REASONS: Mapping[str, Reason] = {
    "525": "unknown_user",
    "52e": "wrong_password",
    "52f": "disabled",  # restrictions of the account
    "530": "disabled",  # not at this time of day
    "531": "disabled",  # not from this workstation
    "532": "expired",
    "533": "disabled",
    "701": "expired",  # the account itself
    "773": "expired",  # the password has to be changed first
    "775": "locked",
}
_CODES: Mapping[int, Reason] = {
    19: "locked",  # constraintViolation: 389 Directory Server, too many wrong passwords
    32: "unknown_user",  # noSuchObject
    34: "unknown_user",  # invalidDNSyntax
    48: "wrong_password",  # inappropriateAuthentication: the entry has no password
    49: "wrong_password",
    53: "disabled",  # unwillingToPerform: 389 Directory Server, an inactivated account
}
#: C{passwordExpired}, C{accountLocked}, C{changeAfterReset}.
_POLICY: Mapping[int, Reason] = {0: "expired", 1: "locked", 2: "expired"}


@dataclass(frozen=True, slots=True)
class Answer:
    """
    A server's answer to a bind.

    @ivar code: its result code.
    @ivar message: its text, which may say more.
    @ivar controls: values by object identifier.
    """

    code: int
    message: str = ""
    controls: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))


class Odd(Exception):
    """An answer that says nothing of the user: the server can't do its work, or does not want to by this way."""


def refusal(answer: Answer) -> Reason | None:
    """
    Tell why a user was refused.

    @return: C{None} if he was not.
    @raise Odd: the answer is about the server, not about the user.
    """
    policy = _policy_error(answer.controls.get(PASSWORD_POLICY, b""))
    if answer.code == SUCCESS:
        # A password that has to be changed first lets nobody in, with Active Directory neither.
        return "expired" if policy == 2 else None
    reason = _CODES.get(answer.code)
    if reason is None:
        raise Odd(f"result code {answer.code}")
    if answer.code != INVALID_CREDENTIALS:
        return reason
    if policy in _POLICY:
        return _POLICY[policy]
    found = _AD_DATA.search(answer.message)
    return reason if found is None else _AD_REASONS.get(found[1].lower(), reason)


def _policy_error(value: bytes) -> int:
    """
    Read the error out of C{PasswordPolicyResponseValue}, C{SEQUENCE { warning [0] ..., error [1] ENUMERATED }}.

    @return: -1 if there is none, or it can't be read.
    """
    if len(value) < 2 or value[0] != 0x30 or value[1] != len(value) - 2:
        return -1
    rest = value[2:]
    while len(rest) >= 2 and rest[1] <= len(rest) - 2:
        tag, length = rest[0], rest[1]
        if tag == 0x81 and length == 1:
            return rest[2]
        rest = rest[2 + length :]
    return -1
