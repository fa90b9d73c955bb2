"""
The verification of upstreams against OpenSSL's own server: what is refused, why, and what is not.

Other than in memory, the servers are of another version than the library that judges them, and are really weak.
"""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.tls_faults import TlsFault, handshake_fault
from gateway.net.trust import load_trust
from gateway.net.verify import ClientSide, TrustStore
from tests.live.peers import Server, Stream
from tests.live.processes import PATIENCE, made_folder
from tests.live.tls_peers import openssl_server
from tests.unit.net.certificates import DAY, NOW, Made, authority, issue, signed_anew
from tests.unit.net.handshakes import client, reason

HOST = "www.example.com"
ROOT = authority("Live root")
MIDDLE = authority("Live intermediate", above=ROOT)
STRANGER = authority("Live stranger")


def leaf(above: Made | None = MIDDLE, **more: object) -> Made:
    """Make a server's certificate."""
    return issue("leaf", above, [HOST], **more)  # type: ignore[arg-type]


class ServerTests(SynchronousTestCase):
    """A server for each fault, and those without."""

    def setUp(self) -> None:
        self.folder = made_folder(self)
        roots = self.folder / "root.pem"
        roots.write_bytes(ROOT.certificate.public_bytes(Encoding.PEM))
        self.store = TrustStore(load_trust([roots], system=None))
        self.context = client(self.store)

    def serve(self, made: Made, *above: Made, options: tuple[str, ...] = ()) -> int:
        """Start a server and give its port."""
        return openssl_server(self, made, *above, options=options)

    def connect(self, port: int) -> tuple[TlsFault | None, bytes]:
        """Shake hands and ask for a page."""
        side = ClientSide(self.store, HOST)
        ours = SSL.Connection(self.context, None)
        side.attach(ours)
        ours.set_connect_state()
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as stream:
            stream.settimeout(PATIENCE)
            try:
                while True:
                    try:
                        ours.do_handshake()
                        break
                    except SSL.WantReadError:
                        if not exchange(ours, stream):
                            return side.failed(ours, ""), b""
            except SSL.Error as error:
                return side.failed(ours, reason(error)), b""
            fault = side.finish(ours)
            if fault is not None:
                return fault, b""
            return talk(ours, stream)

    def refuses(self, token: str, made: Made, *above: Made, options: tuple[str, ...] = ()) -> None:
        """Check that a server is refused for this reason."""
        fault, page = self.connect(self.serve(made, *above, options=options))
        assert fault is not None, "accepted"
        self.assertEqual((fault.token, page), (token, b""))

    def accepts(self, made: Made, *above: Made, options: tuple[str, ...] = ()) -> None:
        """Check that a server is believed and can be used."""
        fault, page = self.connect(self.serve(made, *above, options=options))
        self.assertIsNone(fault, fault and fault.detail)
        self.assertIn(b"200 ok", page)

    def test_good(self) -> None:
        """Each version and kind of key that is allowed is accepted, a wish for a client certificate too."""
        self.accepts(leaf(), MIDDLE, options=("-tls1_2",))
        self.accepts(leaf(), MIDDLE, options=("-tls1_3",))
        self.accepts(leaf(key=rsa.generate_private_key(65537, 2048)), MIDDLE)
        self.accepts(leaf(key=ec.generate_private_key(ec.SECP521R1())), MIDDLE)
        self.accepts(leaf(), MIDDLE, options=("-verify", "2"))

    def test_bad_certificates(self) -> None:
        """Each fault of a certificate is told by its own name."""
        weak = ("-cipher", "ALL:@SECLEVEL=0")
        self.refuses("incomplete_chain", leaf())
        self.refuses("expired", leaf(valid=(-5, -1)), MIDDLE)
        self.refuses("not_yet_valid", leaf(valid=(1, 5)), MIDDLE)
        self.refuses("wrong_host", issue("leaf", MIDDLE, ["other.example.com"]), MIDDLE)
        self.refuses("wrong_host", issue(HOST, MIDDLE), MIDDLE)
        self.refuses("self_signed", leaf(None))
        self.refuses("unknown_root", leaf(STRANGER), STRANGER)
        short = rsa.generate_private_key(65537, 1024)
        self.refuses("weak_key", leaf(key=short), MIDDLE, options=weak)
        self.refuses("weak_signature", signed_anew(leaf(), MIDDLE), MIDDLE, options=weak)

    def test_staples(self) -> None:
        """A stapled revocation counts, and a response about another certificate is none."""
        made = leaf()
        for token, about, status in (
            ("revoked", made, ocsp.OCSPCertStatus.REVOKED),
            ("revocation_unknown", leaf(), ocsp.OCSPCertStatus.GOOD),
        ):
            self.refuses(token, made, MIDDLE, options=("-status_file", self.staple(about, status)))
        good = self.staple(made, ocsp.OCSPCertStatus.GOOD)
        self.accepts(made, MIDDLE, options=("-status_file", good))
        must = leaf(extensions=[x509.TLSFeature([x509.TLSFeatureType.status_request])])
        self.refuses("revocation_unknown", must, MIDDLE)

    def test_bad_handshakes(self) -> None:
        """What fails before or after the certificate is told apart."""
        old = ("-cipher", "ALL:@SECLEVEL=0")
        self.refuses("version", leaf(), MIDDLE, options=("-tls1_1", *old))
        self.refuses(
            "no_shared_cipher", leaf(), MIDDLE, options=("-tls1_2", "-cipher", "eNULL:@SECLEVEL=0")
        )
        fault, _ = self.connect(
            self.serve(leaf(), MIDDLE, options=("-Verify", "2", "-verify_return_error"))
        )
        assert fault is not None
        self.assertEqual(fault.token, "client_certificate")

    def test_no_tls(self) -> None:
        """A server of another protocol, one that closes, and one that sends an alert, are told apart."""
        for token, answer in (
            ("not_tls", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
            ("closed", b""),
            ("alert", b"\x15\x03\x03\x00\x02\x02\x50"),
        ):

            def serve(stream: Stream, answer: bytes = answer) -> None:
                stream.socket.recv(4096)
                stream.socket.sendall(answer)

            fault, _ = self.connect(Server(self, serve).port)
            assert fault is not None
            self.assertEqual(fault.token, token)

    def staple(self, about: Made, status: ocsp.OCSPCertStatus) -> str:
        """Write a response of the intermediate's."""
        revoked = NOW - DAY if status is ocsp.OCSPCertStatus.REVOKED else None
        builder = ocsp.OCSPResponseBuilder().add_response(
            about.certificate,
            MIDDLE.certificate,
            hashes.SHA1(),
            status,
            NOW - DAY,
            NOW + DAY,
            revoked,
            None,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.NAME, MIDDLE.certificate)
        response = builder.sign(MIDDLE.key, hashes.SHA256())
        path = Path(self.folder) / f"{about.certificate.serial_number:x}-{status.name}.ocsp"
        path.write_bytes(response.public_bytes(Encoding.DER))
        return str(path)


def exchange(ours: SSL.Connection, stream: socket.socket) -> bool:
    """Send what there is to be sent and read once; tells whether something came."""
    flush(ours, stream)
    try:
        data = stream.recv(65536)
    except ConnectionError:
        return False
    if data:
        ours.bio_write(data)
    return bool(data)


def flush(ours: SSL.Connection, stream: socket.socket) -> None:
    """Send what there is to be sent; a server that has gone says why in what is still to be read."""
    try:
        while True:
            data = ours.bio_read(65536)
            with contextlib.suppress(ConnectionError):
                stream.sendall(data)
    except SSL.Error:
        return


def talk(ours: SSL.Connection, stream: socket.socket) -> tuple[TlsFault | None, bytes]:
    """Ask for a page; an alert about our certificate comes only here with TLS 1.3."""
    ours.send(b"GET / HTTP/1.0\r\n\r\n")
    page = b""
    while True:
        try:
            page += ours.recv(65536)
        except SSL.WantReadError:
            if not exchange(ours, stream):
                return None, page
        except SSL.ZeroReturnError:
            return None, page
        except SSL.Error as error:
            return handshake_fault(HOST, reason(error)), page
