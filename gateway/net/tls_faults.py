"""
What can be wrong with an upstream's TLS, told apart in page, log and sentence.

The tokens are the gateway's own words, and each has a page of its own: C{tls_} and the token. A sentence names the host
that was asked for, dates and names of a checked form; never what the peer wrote otherwise. OpenSSL's reasons, which
L{handshake_fault} reads, are constants of its own (RFC 5246 section 7.2, RFC 8446 section 6 for the alerts).
"""

# The tokens are words of the log, not secrets:
# ruff: noqa: S105

from __future__ import annotations

import re
from collections.abc import Iterable

from gateway.net.faults import NetworkFault

#: What is wrong with a certificate, the most telling first: what the server shows is nobody's who is known, then what
#: its issuer did not mean it for, then what time and strength say, and last what was only found missing.
CERTIFICATE_TOKENS = (
    "not_verified",
    "revoked",
    "self_signed",
    "unknown_root",
    "incomplete_chain",
    "bad_signature",
    "path_length",
    "key_usage",
    "name_constraints",
    "bad_certificate",
    "wrong_host",
    "expired",
    "not_yet_valid",
    "weak_signature",
    "weak_key",
    "revocation_unknown",
)
#: What else ends a handshake.
HANDSHAKE_TOKENS = (
    "version",
    "no_shared_cipher",
    "client_certificate",
    "http2_only",
    "alert",
    "not_tls",
    "closed",
    "timeout",
    "bad_handshake",
)


class TlsFault(NetworkFault):
    """
    There can be no TLS with the upstream, or none that could be believed.

    @ivar token: one of L{CERTIFICATE_TOKENS} or L{HANDSHAKE_TOKENS}.
    """

    status = 502

    def __init__(self, token: str, detail: str) -> None:
        """
        Name it.

        @param detail: one sentence for people; no text of the peer that was not checked.
        """
        super().__init__(detail, page=f"tls_{token}")
        self.token = token
        if token == "timeout":
            self.status = 504


def most_telling(faults: Iterable[TlsFault]) -> TlsFault:
    """Choose the fault of a certificate to report, of at least one."""
    return min(faults, key=lambda fault: _RANKS.get(fault.token, -1))


def handshake_fault(host: str, reason: str, *, shown: bool = False) -> TlsFault:
    """
    Say what a handshake that OpenSSL gave up means; also for an alert that came just after it, as TLS 1.3 has them.

    @param host: who was asked for.
    @param reason: OpenSSL's reason, such as C{tlsv1 alert protocol version}; empty if the upstream just went.
    @param shown: the upstream had shown its certificate, so version and cipher were agreed upon.
    """
    text = reason.lower()
    if not text or "unexpected eof" in text:
        return TlsFault("closed", f"{host} closed the connection in the TLS handshake.")
    alert = alert_name(text)
    if alert:
        return _alert_fault(host, alert, shown=shown)
    for token, parts, words in _REASONS:
        if any(part in text for part in parts):
            return TlsFault(token, f"{host} {words}.")
    words = f": {text}" if _PLAIN.fullmatch(text) else ""
    return TlsFault("bad_handshake", f"The TLS handshake with {host} failed{words}.")


def alert_name(reason: str) -> str:
    """
    Give the name of the alert that the peer sent, such as C{unknown ca}; empty if it sent none.

    @param reason: OpenSSL's reason, such as C{tlsv1 alert unknown ca}.
    """
    alert = _ALERT.fullmatch(reason.lower())
    return "" if alert is None else alert.group(1) or alert.group(2)


def late_fault(reason: str) -> TlsFault | None:
    """
    Say what an alert means that came when the handshake was done for us, but not for the upstream.

    In TLS 1.3 it judges our certificate, or the lack of one, last of all (RFC 8446 section 4.4.2).

    @param reason: OpenSSL's.
    @return: C{None}: it is about something else.
    """
    alert = alert_name(reason)
    return _alert_fault("The server", alert, shown=True) if alert in _OUR_CERTIFICATE else None


def timeout_fault(host: str) -> TlsFault:
    """Say that the handshake did not come to its end in time."""
    return TlsFault("timeout", f"{host} did not finish the TLS handshake in time.")


def _alert_fault(host: str, alert: str, *, shown: bool) -> TlsFault:
    if alert == "protocol version":
        return TlsFault("version", f"{host} takes none of the versions of TLS that we do.")
    if shown and alert == "handshake failure":
        # What is said in TLS 1.2 to who has no certificate (RFC 5246 section 7.4.6).
        return TlsFault(
            "client_certificate",
            f"{host} wants a client certificate, or so it seems: it gave up when it had shown its own.",
        )
    if alert in ("handshake failure", "insufficient security"):
        return TlsFault(
            "no_shared_cipher", f"{host} takes none of the ciphers and groups that we do."
        )
    if alert in _OUR_CERTIFICATE:
        return TlsFault(
            "client_certificate", f"{host} wants a client certificate; it sent the alert: {alert}."
        )
    if alert == "no application protocol":
        # HTTP/1.1 is all that was offered (RFC 7301 section 3.2).
        return TlsFault(
            "http2_only", f"{host} speaks no HTTP/1.1 within TLS, only HTTP/2 as it seems."
        )
    name = alert if _PLAIN.fullmatch(alert) else "of an unknown kind"
    return TlsFault("alert", f"{host} ended the TLS handshake with the alert: {name}.")


_RANKS = {token: rank for rank, token in enumerate(CERTIFICATE_TOKENS)}

_PLAIN = re.compile(r"[a-z0-9 /_-]{1,64}")

#: OpenSSL names an alert that it received so, and leaves the word out for some.
_ALERT = re.compile(
    r"(?:ssl/tls|sslv3|tls|tlsv1|tlsv13) (?:alert (.+)|(unsupported extension|certificate unobtainable|"
    r"unrecognized name|bad certificate status response|bad certificate hash value))"
)

#: Alerts about a certificate that a server can only mean for ours, or for the lack of one.
_OUR_CERTIFICATE = frozenset(
    (
        "certificate required",
        "bad certificate",
        "unsupported certificate",
        "certificate revoked",
        "certificate expired",
        "certificate unknown",
        "unknown ca",
        "no certificate",
    )
)

_REASONS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    (
        "version",
        (
            "unsupported protocol",
            "no protocols available",
            "version too low",
            "version too high",
            "bad protocol version",
            "wrong ssl version",
            "inappropriate fallback",
        ),
        "speaks no version of TLS that is allowed",
    ),
    (
        "not_tls",
        (
            "wrong version number",
            "packet length too long",
            "http request",
            "unexpected message",
            "bad record type",
            "invalid record type",
            "not tls",
            "record length mismatch",
            "encrypted length too long",
        ),
        "answered with something that is not TLS",
    ),
    (
        "weak_key",
        ("dh key too small", "ee key too small", "ca key too small", "modulus too small"),
        "uses a key that is too weak",
    ),
    ("weak_signature", ("md too weak",), "uses a signature that is too weak"),
    (
        "no_shared_cipher",
        (
            "no ciphers available",
            "cipher returned",
            "no suitable",
            "wrong curve",
            "bad ecpoint",
            "wrong signature type",
            "no shared",
        ),
        "takes none of the ciphers and groups that we do",
    ),
    (
        "bad_handshake",
        ("legacy renegotiation",),
        "does not know secure renegotiation (RFC 5746)",
    ),
    ("bad_certificate", ("certificate verify failed",), "has a certificate that is not valid"),
)
