"""
What is wrong with a directory server or on the way to it, in the words that operators read; none of them has credentials.

Knows of searches and StartTLS; the results of binds are read in C{bind_results}.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from typing import Final

from twisted.internet.error import ConnectError
from twisted.internet.error import TimeoutError as NotConnected

from gateway_auth.ldap_ber import BadMessage
from gateway_auth.ldap_messages import Result
from gateway_auth.ldap_wire import ServerFailed

#: What is said when a deadline is over.
LATE: Final = "no answer in time"

#: What operators read of result codes that servers give to searches and StartTLS (RFC 4511 appendix A).
_CODES: Mapping[int, str] = {
    1: "operationsError",
    2: "protocolError",
    3: "timeLimitExceeded",
    7: "authMethodNotSupported",
    8: "strongerAuthRequired",
    11: "adminLimitExceeded",
    12: "unavailableCriticalExtension",
    13: "confidentialityRequired",
    16: "noSuchAttribute",
    17: "undefinedAttributeType",
    18: "inappropriateMatching",
    21: "invalidAttributeSyntax",
    33: "aliasProblem",
    34: "invalidDNSyntax",
    36: "aliasDereferencingProblem",
    48: "inappropriateAuthentication",
    49: "invalidCredentials",
    50: "insufficientAccessRights",
    51: "busy",
    52: "unavailable",
    53: "unwillingToPerform",
    54: "loopDetect",
    80: "other",
}


def fault_of(error: Exception) -> ServerFailed:
    """Say what went wrong with what a server sends, or with what was to be asked."""
    if isinstance(error, BadMessage):
        return ServerFailed(f"no sensible answer: {error}")
    if isinstance(error, OSError):
        return ServerFailed(said_of(error))
    # Its text may have a part of what was to be sent.
    return ServerFailed(f"nothing can be asked ({type(error).__name__})")


def tls_fault_of(error: Exception) -> ServerFailed:
    """Say what went wrong with a handshake, or with a certificate."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return ServerFailed(f"the certificate is not trusted: {error.verify_message}")
    return ServerFailed(f"no TLS: {said_of(error)}")


def described(result: Result) -> str:
    """Name a result of a search or of StartTLS."""
    return f"{_CODES.get(result.code, 'result')} ({result.code})"


def said_of(error: BaseException) -> str:
    """Say what is wrong with a connection; such errors know of no credentials."""
    if isinstance(error, (TimeoutError, NotConnected)):
        return LATE
    if isinstance(error, ConnectError) and isinstance(error.osError, int):
        return os.strerror(error.osError)
    if isinstance(error, ssl.SSLError):
        return error.reason or "TLS failed"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
