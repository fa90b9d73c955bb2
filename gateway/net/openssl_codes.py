"""
What the numbers of OpenSSL's verification mean: the gateway's token, and words for people.

Pure tables, by number as openssl-verification-options(1) and C{x509_vfy.h} have them: not all have a name in pyOpenSSL.
"""

# The tokens are words of the log, not secrets:
# ruff: noqa: S105

from __future__ import annotations

from OpenSSL import crypto

#: There is no revocation list by the issuer of a certificate.
NO_LIST = 3
#: What X509_STRICT finds and the authorities of half the companies do: identifiers left out or marked critical, basic
#: constraints not marked, key usage left out, or set beyond what a server needs. None of it lets anybody in.
FORGIVEN = frozenset((80, 81, 82, 85, 86, 88, 89, 90, 91, 92, 102, 103))
#: What follows "The certificate of HOST", for tokens that need no more.
WORDS = {
    "self_signed": "is signed by itself and by nobody who is trusted",
    "unknown_root": "comes from an authority that is not trusted",
    "incomplete_chain": "came without that of its issuer, which is not trusted by itself",
    "bad_signature": "has a signature that is wrong",
    "path_length": "has a longer chain of issuers than those allow",
    "key_usage": "or one of its issuers' is not meant for this use",
    "name_constraints": "is for names that its issuer may not certify",
    "weak_signature": "has a weak signature (MD5 or SHA-1) in its chain",
    "weak_key": "has a key in its chain that is too weak",
    "revoked": "was revoked, says the revocation list of its issuer",
}


def say(code: int, depth: int, certificate: crypto.X509) -> tuple[str, str]:
    """Give the token and the words for an error of OpenSSL's."""
    token = _TOKENS.get(code, "bad_certificate")
    if token == "incomplete_chain" and depth:
        # The server did send who issued its certificate; whoever issued that one is nobody we know.
        token = "unknown_root"
    words = WORDS.get(token)
    if token == "expired":
        words = f"expired on {_day(certificate.get_notAfter())}"
    elif token == "not_yet_valid":
        words = f"is not valid before {_day(certificate.get_notBefore())}"
    elif token == "revocation_unknown":
        words = _LIST_WORDS.get(code, "can't be checked against the revocation list of its issuer")
    elif words is None:
        words = f"is not valid (OpenSSL's code {code})"
    if depth and token in ("expired", "not_yet_valid", "revoked", "weak_key", "weak_signature"):
        words = f"was issued with one that {words}"
    return token, words


def _day(stamp: bytes | None) -> str:
    """Write the day of an ASN.1 time."""
    digits = (stamp or b"")[:8]
    if len(digits) != 8 or not digits.isdigit():
        return "an unreadable day"
    return f"{digits[:4].decode()}-{digits[4:6].decode()}-{digits[6:].decode()}"


_TOKENS = {
    2: "unknown_root",
    3: "revocation_unknown",
    4: "bad_signature",
    5: "revocation_unknown",
    6: "bad_signature",
    7: "bad_signature",
    8: "revocation_unknown",
    9: "not_yet_valid",
    10: "expired",
    11: "revocation_unknown",
    12: "revocation_unknown",
    15: "revocation_unknown",
    16: "revocation_unknown",
    18: "self_signed",
    19: "unknown_root",
    20: "incomplete_chain",
    21: "incomplete_chain",
    22: "path_length",
    23: "revoked",
    25: "path_length",
    26: "key_usage",
    27: "unknown_root",
    28: "unknown_root",
    32: "key_usage",
    33: "revocation_unknown",
    35: "revocation_unknown",
    36: "revocation_unknown",
    37: "key_usage",
    38: "path_length",
    39: "key_usage",
    44: "revocation_unknown",
    47: "name_constraints",
    48: "name_constraints",
    49: "name_constraints",
    51: "name_constraints",
    52: "name_constraints",
    53: "name_constraints",
    54: "revocation_unknown",
    66: "weak_key",
    67: "weak_key",
    68: "weak_signature",
    76: "bad_signature",
    77: "bad_signature",
    78: "bad_signature",
    79: "key_usage",
}

_LIST_WORDS = {
    8: "can't be checked: the signature of its issuer's revocation list is wrong",
    11: "can't be checked: the revocation list of its issuer is from the future",
    12: "can't be checked: the revocation list of its issuer is out of date",
}
