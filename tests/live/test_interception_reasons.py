"""Origins that are refused, one for each fault: through interception each of them is told by its own reason."""

from __future__ import annotations

import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from twisted.trial.unittest import SynchronousTestCase

from tests.live.peers import Answer, Server, Stream, connected
from tests.live.processes import made_folder, until
from tests.live.tls_peers import (
    HOST,
    Intercepting,
    get,
    intercepted,
    openssl_server,
    roots_in,
    tunnelled,
    within,
)
from tests.unit.net.certificates import (
    DAY,
    NOW,
    Made,
    authority,
    issue,
    revocation_list,
    signed_anew,
)

ROOT = authority("Live root")
MIDDLE = authority("Live intermediate", above=ROOT)
STRANGER = authority("Live stranger")
#: What makes OpenSSL's server as weak as it can be.
WEAK = ("-cipher", "ALL:@SECLEVEL=0")


def leaf(above: Made | None = MIDDLE, **more: object) -> Made:
    """Make a server's certificate."""
    return issue("leaf", above, [HOST], **more)  # type: ignore[arg-type]


class ReasonTests(SynchronousTestCase):
    """A gateway that decrypts all, in front of bad origins."""

    def start(self, tls: str = "") -> None:
        """Start the gateway, and count no refusals yet."""
        self.folder = made_folder(self)
        self.gateway = Intercepting(self, roots_in(self.folder, ROOT), tls=tls)
        self.refusals = 0

    def careless(self, port: int) -> Answer:
        """Ask for a page without a look at the certificate."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        inside = within(tunnelled(connected(self, self.gateway.forward), port), context)
        self.addCleanup(inside.close)
        return get(inside, "/")

    def refused(self, reason: str, port: int, *, late: bool = False) -> None:
        """
        See that nobody gets a page of the origin, that whoever trusts the gateway is shown no valid certificate, and that
        page and log give the reason.

        @param late: the origin refuses after its handshake, so the certificate was good.
        """
        if not late:
            tunnel = tunnelled(connected(self, self.gateway.forward), port)
            with self.assertRaises(ssl.SSLCertVerificationError):
                within(tunnel, self.trust)
        answer = self.careless(port)
        self.assertEqual(answer.status, 502, reason)
        self.assertNotIn(b"s_server", answer.content)
        self.refusals += 1

        def requests() -> list[dict[str, object]]:
            lines = [line for line in self.gateway.lines(1) if line["method"] == "GET"]
            return lines if len(lines) >= self.refusals else []

        lines = until(requests, what="the line of the log")
        self.assertEqual(
            (lines[-1]["reason"], lines[-1]["outcome"], lines[-1]["url"]),
            (f"tls_{reason}", "failed", f"https://{HOST}:{port}/"),
        )
        self.assertIn(str(lines[-1]["id"]).encode(), answer.content)

    @property
    def trust(self) -> ssl.SSLContext:
        """Give the context of a client that trusts the gateway."""
        return ssl.create_default_context(cafile=self.gateway.ca)

    def serve(self, made: Made, *above: Made, options: tuple[str, ...] = ()) -> int:
        """Start a server and give its port."""
        return openssl_server(self, made, *above, options=options)

    def test_good(self) -> None:
        """Without a fault pages pass, whatever version and key the origin has."""
        self.start()
        for made, options in (
            (leaf(), ("-tls1_2",)),
            (leaf(), ("-tls1_3",)),
            (leaf(key=rsa.generate_private_key(65537, 2048)), ()),
            (leaf(key=ec.generate_private_key(ec.SECP521R1())), ()),
            (leaf(), ("-verify", "2")),
        ):
            port = self.serve(made, MIDDLE, options=options)
            answer = get(intercepted(self, self.gateway, port), "/")
            self.assertEqual(answer.status, 200)
            self.assertIn(b"s_server", answer.content)

    def test_certificates(self) -> None:
        """Each fault of a certificate."""
        self.start()
        self.refused("incomplete_chain", self.serve(leaf()))
        self.refused("expired", self.serve(leaf(valid=(-5, -1)), MIDDLE))
        self.refused("not_yet_valid", self.serve(leaf(valid=(1, 5)), MIDDLE))
        self.refused("wrong_host", self.serve(issue("x", MIDDLE, ["other.example.com"]), MIDDLE))
        self.refused("wrong_host", self.serve(issue(HOST, MIDDLE), MIDDLE))
        self.refused("self_signed", self.serve(leaf(None)))
        self.refused("unknown_root", self.serve(leaf(STRANGER), STRANGER))
        short = leaf(key=rsa.generate_private_key(65537, 1024))
        self.refused("weak_key", self.serve(short, MIDDLE, options=WEAK))
        old = signed_anew(leaf(), MIDDLE)
        self.refused("weak_signature", self.serve(old, MIDDLE, options=WEAK))

    def test_chains(self) -> None:
        """Each fault of what is above a certificate."""
        self.start()
        past = issue("Live past", ROOT, is_authority=True, valid=(-5, -1))
        self.refused("expired", self.serve(leaf(past), past))
        flat = issue("Live flat", ROOT, is_authority=True, path_length=0)
        below = issue("Live below", flat, is_authority=True)
        self.refused("path_length", self.serve(leaf(below), below, flat))
        domains = x509.NameConstraints([x509.DNSName("example.org")], None)
        narrow = issue("Live narrow", ROOT, is_authority=True, extensions=[domains])
        self.refused("name_constraints", self.serve(leaf(narrow), narrow))
        client = leaf(usages=[ExtendedKeyUsageOID.CLIENT_AUTH])
        self.refused("key_usage", self.serve(client, MIDDLE))

    def test_revoked(self) -> None:
        """Revoked by a list, or by what the origin itself staples."""
        gone = leaf()
        crl = self.mktemp()
        Path(crl).write_bytes(revocation_list(MIDDLE, gone).public_bytes(Encoding.PEM))
        self.start(tls=f'crl = ["{Path(crl).absolute()}"]')
        self.refused("revoked", self.serve(gone, MIDDLE))
        made = leaf()
        self.refused(
            "revoked", self.serve(made, MIDDLE, options=("-status_file", self.staple(made)))
        )
        self.refused(
            "revocation_unknown",
            self.serve(leaf(), MIDDLE, options=("-status_file", self.staple(made))),
        )

    def test_handshakes(self) -> None:
        """What ends a handshake other than by the certificate."""
        self.start()
        self.refused("version", self.serve(leaf(), MIDDLE, options=("-tls1_1", *WEAK)))
        null = ("-tls1_2", "-cipher", "eNULL:@SECLEVEL=0")
        self.refused("no_shared_cipher", self.serve(leaf(), MIDDLE, options=null))
        wants = ("-Verify", "2", "-verify_return_error")
        self.refused("client_certificate", self.serve(leaf(), MIDDLE, options=("-tls1_2", *wants)))
        self.refused("client_certificate", self.serve(leaf(), MIDDLE, options=wants), late=True)
        for token, said in (
            ("not_tls", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
            ("closed", b""),
            ("alert", b"\x15\x03\x03\x00\x02\x02\x50"),
        ):

            def serve(stream: Stream, said: bytes = said) -> None:
                stream.socket.recv(4096)
                stream.socket.sendall(said)

            self.refused(token, Server(self, serve).port)

    def staple(self, about: Made) -> str:
        """Write a response of the intermediate's that says "revoked"."""
        builder = ocsp.OCSPResponseBuilder().add_response(
            about.certificate,
            MIDDLE.certificate,
            hashes.SHA1(),
            ocsp.OCSPCertStatus.REVOKED,
            NOW - DAY,
            NOW + DAY,
            NOW - DAY,
            None,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.NAME, MIDDLE.certificate)
        path = self.folder / f"{about.certificate.serial_number:x}.ocsp"
        path.write_bytes(builder.sign(MIDDLE.key, hashes.SHA256()).public_bytes(Encoding.DER))
        return str(path)
