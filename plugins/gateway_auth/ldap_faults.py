"""
What is wrong with a directory server or on the way to it, in the words that operators read; none of them has credentials.

Knows of searches and StartTLS; the results of binds are read in C{bind_results}.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator, Mapping
from typing import Final

from gateway_auth.ldap_ber import BadMessage
from gateway_auth.ldap_messages import Result
from gateway_auth.ldap_wire import NoAnswer, ServerFailed

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


@contextlib.contextmanager
def faults() -> Iterator[None]:
    """
    Say what goes wrong with what a server sends, or does not.

    @raise ServerFailed: it went wrong.
    """
    try:
        yield
    except TimeoutError:
        raise NoAnswer(LATE) from None
    except BadMessage as error:
        raise ServerFailed(f"no sensible answer: {error}") from None
    except OSError as error:
        raise ServerFailed(said_of(error)) from None
    except ValueError as error:
        # Its text may have a part of what was to be sent.
        raise ServerFailed(f"nothing can be asked ({type(error).__name__})") from None


def described(result: Result) -> str:
    """Name a result of a search or of StartTLS."""
    return f"{_CODES.get(result.code, 'result')} ({result.code})"


def said_of(error: BaseException) -> str:
    """Say what is wrong with a connection; such errors know of no credentials."""
    if isinstance(error, TimeoutError):
        return LATE
    if isinstance(error, ssl.SSLError):
        return error.reason or "TLS failed"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
