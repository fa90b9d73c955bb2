"""Tests of L{gateway.net.staple}: OCSP responses, by whom and about what."""

from __future__ import annotations

import datetime

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.staple import MAX_STAPLE_BYTES, BadStaple, Statement, read_staple
from tests.unit.net.certificates import DAY, NOW, Made, authority, issue, rsa_key

ISSUER = authority("Issuer of staples")
LEAF = issue("leaf", ISSUER, ["www.example.com"])


def respond(
    *,
    about: Made = LEAF,
    issuer: Made = ISSUER,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    by: Made = ISSUER,
    shown: bool = True,
    valid: tuple[float, float | None] = (-1, 1),
    names: bool = False,
) -> bytes:
    """Make a response; I{shown}: with the certificate of whom it is by."""
    revoked = NOW - DAY if status is ocsp.OCSPCertStatus.REVOKED else None
    kind = ocsp.OCSPResponderEncoding.NAME if names else ocsp.OCSPResponderEncoding.HASH
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            about.certificate,
            issuer.certificate,
            hashes.SHA1(),
            status,
            NOW + valid[0] * DAY,
            None if valid[1] is None else NOW + valid[1] * DAY,
            revoked,
            None,
        )
        .responder_id(kind, by.certificate)
    )
    if by is not issuer and shown:
        builder = builder.certificates([by.certificate])
    return builder.sign(by.key, hashes.SHA256()).public_bytes(Encoding.DER)


def read(data: bytes, leaf: Made = LEAF, issuer: Made = ISSUER) -> Statement | None:
    """Read a response now."""
    now = datetime.datetime.now(datetime.UTC)
    return read_staple(data, leaf.certificate, issuer.certificate, now)


class StapleTests(SynchronousTestCase):
    """What counts as a word of the issuer."""

    def refused(self, words: str, data: bytes) -> None:
        """Check that a response is refused with these words."""
        with self.assertRaises(BadStaple) as caught:
            read(data)
        self.assertIn(words, str(caught.exception))

    def test_good(self) -> None:
        """The issuer's own response counts, however it names itself and with whichever key."""
        self.assertEqual(read(respond()), Statement(None))
        self.assertEqual(read(respond(names=True)), Statement(None))
        old_school = issue("RSA", None, is_authority=True, key=rsa_key(2048))
        leaf = issue("leaf", old_school)
        data = respond(about=leaf, issuer=old_school, by=old_school)
        self.assertEqual(read(data, leaf, old_school), Statement(None))

    def test_revoked(self) -> None:
        """A revocation says since when, and counts however old the response is."""
        for valid in ((-1, 1), (-5, -3)):
            said = read(respond(status=ocsp.OCSPCertStatus.REVOKED, valid=valid))
            assert said is not None and said.revoked is not None
            self.assertEqual(said.revoked, (NOW - DAY).replace(microsecond=0))

    def test_nothing_said(self) -> None:
        """No staple, and a responder that only speaks of itself, say nothing of the certificate."""
        self.assertIsNone(read(b""))
        later = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
        self.assertIsNone(read(later.public_bytes(Encoding.DER)))

    def test_garbage(self) -> None:
        """What is no response, or cut, or changed, or huge, is refused."""
        good = respond()
        self.refused("is not an OCSP response", b"garbage")
        self.refused("is not an OCSP response", good[:-1])
        self.refused("has a wrong signature", good[:-1] + bytes([good[-1] ^ 1]))
        self.refused("too large", b"\0" * (MAX_STAPLE_BYTES + 1))

    def test_time(self) -> None:
        """A response has its time, and without an end a day; clocks may differ by five minutes."""
        self.refused("out of date", respond(valid=(-5, -1)))
        self.refused("out of date", respond(valid=(-5, None)))
        self.refused("from the future", respond(valid=(1, 2)))
        minute = 1 / 24 / 60
        self.assertEqual(read(respond(valid=(2 * minute, 1))), Statement(None))
        self.assertEqual(read(respond(valid=(-0.5, None))), Statement(None))

    def test_unknown(self) -> None:
        """An issuer that knows of no such certificate did not issue it."""
        self.refused("not known to its issuer", respond(status=ocsp.OCSPCertStatus.UNKNOWN))

    def test_about_another(self) -> None:
        """A response about another certificate, or by another authority of the same serial number, is none about this."""
        self.refused("another certificate", respond(about=issue("other", ISSUER)))
        other = authority("Other issuer")
        self.refused("another certificate", respond(issuer=other, by=other))

    def test_by_another(self) -> None:
        """Only the issuer's signature counts, whoever a response says it is by."""
        imposter = issue("Issuer of staples", None, is_authority=True)
        self.refused("somebody else than the issuer", respond(by=imposter, shown=False))
        self.refused("wrong signature", respond(by=imposter, shown=False, names=True))
        self.refused("did not delegate", respond(by=imposter, names=True))

    def test_delegated(self) -> None:
        """Whom the issuer itself certified for it may sign, while that certificate is valid."""
        signs = (ExtendedKeyUsageOID.OCSP_SIGNING,)
        responder = issue("responder", ISSUER, usages=signs)
        self.assertEqual(read(respond(by=responder)), Statement(None))
        for responder in (
            issue("responder", authority("Other issuer"), usages=signs),
            issue("responder", ISSUER),
            issue("responder", ISSUER, usages=()),
        ):
            self.refused("did not delegate", respond(by=responder))
        self.refused(
            "not valid now", respond(by=issue("responder", ISSUER, usages=signs, valid=(-5, -1)))
        )
