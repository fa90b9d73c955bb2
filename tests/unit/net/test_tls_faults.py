"""Tests of L{gateway.net.tls_faults}: OpenSSL's reasons, told apart."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gateway.net.tls_faults import (
    CERTIFICATE_TOKENS,
    HANDSHAKE_TOKENS,
    TlsFault,
    alert_name,
    handshake_fault,
    late_fault,
    most_telling,
    timeout_fault,
)
from gateway.pipeline.page_texts import TEXTS

ROOT = Path(__file__).parents[3]


class FaultTests(SynchronousTestCase):
    """Faults and their pages."""

    def test_every_page(self) -> None:
        """Every token has a page of its own, and no page of TLS is without one."""
        pages = {f"tls_{token}" for token in (*CERTIFICATE_TOKENS, *HANDSHAKE_TOKENS)}
        # With a client there is no page to show.
        pages.add("tls_client")
        self.assertEqual({name for name in TEXTS if name.startswith("tls_")}, pages)

    def test_documented(self) -> None:
        """The access log's document has a row for each of them, and for no other."""
        text = (ROOT / "docs" / "access-log.md").read_text()
        rows = re.findall(r"^\| `tls_(\w+)` \|", text, re.M)
        self.assertEqual(sorted(rows), sorted((*CERTIFICATE_TOKENS, *HANDSHAKE_TOKENS)))

    def test_status(self) -> None:
        """All are the upstream's: 502, and 504 for one that takes too long."""
        self.assertEqual(TlsFault("expired", "").status, 502)
        self.assertEqual(timeout_fault("a.example").status, 504)
        self.assertEqual(timeout_fault("a.example").page, "tls_timeout")

    def test_most_telling(self) -> None:
        """Who is not known can't be believed in anything else; a date says least."""
        faults = [TlsFault(token, "") for token in ("weak_key", "expired", "unknown_root")]
        self.assertEqual(most_telling(faults).token, "unknown_root")
        self.assertEqual(most_telling(faults[:2]).token, "expired")


class HandshakeFaultTests(SynchronousTestCase):
    """Handshakes that OpenSSL gave up."""

    def test_no_protocol(self) -> None:
        """A server that takes no HTTP/1.1 says so by an alert of its own."""
        fault = handshake_fault("a.example", "tlsv1 alert no application protocol")
        self.assertEqual((fault.token, fault.page), ("http2_only", "tls_http2_only"))

    def test_alert_name(self) -> None:
        """An alert of the peer is known in each spelling; what we gave up ourselves is none."""
        for reason, name in {
            "tlsv1 alert unknown ca": "unknown ca",
            "SSL/TLS alert bad certificate": "bad certificate",
            "tlsv13 alert certificate required": "certificate required",
            "tlsv1 unrecognized name": "unrecognized name",
            "certificate verify failed": "",
            "no shared cipher": "",
            "": "",
        }.items():
            self.assertEqual(alert_name(reason), name, reason)

    def test_shown(self) -> None:
        """After the upstream's certificate a failure is about ours; before it, about versions and ciphers."""
        for reason in ("sslv3 alert handshake failure", "ssl/tls alert handshake failure"):
            self.assertEqual(handshake_fault("a.example", reason).token, "no_shared_cipher")
            shown = handshake_fault("a.example", reason, shown=True)
            self.assertEqual(shown.token, "client_certificate")
        fault = handshake_fault("a.example", "tlsv1 alert internal error", shown=True)
        self.assertEqual(fault.token, "alert")

    def test_late(self) -> None:
        """An alert that comes after the handshake counts if it is about our certificate, and only then."""
        for reason in ("tlsv13 alert certificate required", "tlsv1 alert unknown ca"):
            fault = late_fault(reason)
            assert fault is not None
            self.assertEqual(fault.token, "client_certificate")
        for reason in ("tlsv1 alert internal error", "unexpected eof while reading", ""):
            self.assertIsNone(late_fault(reason))

    def test_told_apart(self) -> None:
        """Each reason of OpenSSL's, in the spelling of its versions, leads to one token."""
        for token, reasons in {
            "closed": ["", "unexpected eof while reading"],
            "version": [
                "tlsv1 alert protocol version",
                "unsupported protocol",
                "no protocols available",
                "version too low",
            ],
            "no_shared_cipher": [
                "sslv3 alert handshake failure",
                "ssl/tls alert handshake failure",
                "tls alert handshake failure",
                "tlsv1 alert insufficient security",
                "wrong cipher returned",
            ],
            "client_certificate": [
                "tlsv13 alert certificate required",
                "sslv3 alert bad certificate",
                "tlsv1 alert unknown ca",
            ],
            "alert": [
                "tlsv1 alert internal error",
                "tlsv1 unrecognized name",
                "tls alert illegal parameter",
            ],
            "not_tls": ["wrong version number", "packet length too long", "http request"],
            "weak_key": ["dh key too small"],
            "bad_handshake": ["unsafe legacy renegotiation disabled", "some new reason"],
            "bad_certificate": ["certificate verify failed"],
        }.items():
            for reason in reasons:
                with self.subTest(reason=reason):
                    fault = handshake_fault("a.example", reason)
                    self.assertEqual((fault.token, fault.page), (token, f"tls_{token}"))
                    self.assertIn("a.example", fault.detail)

    def test_alert_is_named(self) -> None:
        """An alert is told by its name."""
        detail = handshake_fault("a.example", "tlsv1 alert internal error").detail
        self.assertIn("the alert: internal error.", detail)

    def test_odd_reason(self) -> None:
        """A reason that looks like none of OpenSSL's is not repeated."""
        for reason in ("<script>", "tls alert <b>\r\n", "x" * 100):
            detail = handshake_fault("a.example", reason).detail
            self.assertNotIn(reason.strip(), detail)
            self.assertNotIn("<", detail)
