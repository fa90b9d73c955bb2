"""ClientHellos of OpenSSL: they are read, and OpenSSL reads no other name."""

from __future__ import annotations

import random
from dataclasses import replace

from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.answers import ClientHello
from gateway.testing.playbook import Like
from gateway.wire.client_hello import read_client_hello
from tests.unit.wire import hellos
from tests.unit.wire.hellos import asked, by_openssl, disagreement, outcome, playbook, records


def tls_1_2(context: SSL.Context) -> None:
    """Let a client know nothing newer."""
    context.set_max_proto_version(SSL.TLS1_2_VERSION)


def tls_1_3(context: SSL.Context) -> None:
    """Let a client know nothing older."""
    context.set_min_proto_version(SSL.TLS1_3_VERSION)


def with_alpn(context: SSL.Context) -> None:
    """Let a client offer two protocols."""
    context.set_alpn_protos([b"h2", b"http/1.1"])


class OpenSslTests(SynchronousTestCase):
    """Hellos of a real client, read by us and by a real server."""

    def reads(self, data: bytes, **wanted: object) -> None:
        """Read one whole, cut at every offset and byte by byte; a server of OpenSSL's reads the same."""
        self.assertEqual(Like(ClientHello, **wanted), read_client_hello(data))
        playbook().receives(data).gives(Like(ClientHello, **wanted)).at_every_cut()
        theirs = asked(data)
        self.assertTrue(theirs.answered)
        self.assertEqual(disagreement(data, outcome(data), theirs), "")

    def test_default(self) -> None:
        """A client as it comes offers TLS 1.3 and 1.2, and no secret of its own."""
        self.reads(
            by_openssl(),
            server_name="www.example.com",
            alpn=(),
            versions=(0x0304, 0x0303),
            has_ech=False,
            has_psk=False,
            has_ticket=False,
        )

    def test_tls_1_2(self) -> None:
        """A client of TLS 1.2 says its version at the front."""
        self.reads(by_openssl(change=tls_1_2), server_name="www.example.com", versions=(0x0303,))

    def test_tls_1_3(self) -> None:
        """A client of TLS 1.3 alone says so by the extension, whatever stands at the front."""
        data = by_openssl(change=tls_1_3)
        self.reads(data, server_name="www.example.com", versions=(0x0304,))
        found = read_client_hello(data)
        assert found is not None
        self.assertEqual(set(found.ciphers) - {0x00FF}, {0x1301, 0x1302, 0x1303})

    def test_no_name(self) -> None:
        """Who asks for no name gets an empty one."""
        self.reads(by_openssl(None), server_name="")

    def test_case(self) -> None:
        """Names are in lower case."""
        self.reads(by_openssl(b"WWW.Example.COM"), server_name="www.example.com")

    def test_alpn(self) -> None:
        """Protocols are in the client's order."""
        self.reads(by_openssl(change=with_alpn), alpn=("h2", "http/1.1"))

    def test_ticket(self) -> None:
        """A client that was here before shows its ticket in TLS 1.2, its key in TLS 1.3."""
        self.reads(by_openssl(change=tls_1_2, resumes=True), has_ticket=True, has_psk=False)
        self.reads(by_openssl(resumes=True), has_ticket=False, has_psk=True)

    def test_lists(self) -> None:
        """Groups, signature algorithms and point formats are as they were set."""

        def change(context: SSL.Context) -> None:
            tls_1_2(context)
            context.set_cipher_list(b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256")

        found = read_client_hello(by_openssl(change=change))
        assert found is not None
        self.assertEqual(found.ciphers, (0xC02B, 0xC02F, 0x00FF)[: len(found.ciphers)])
        self.assertGreaterEqual(len(found.ciphers), 2)
        self.assertIn(0x001D, found.groups)
        self.assertIn(0x0403, found.signature_algorithms)
        self.assertEqual(found.point_formats[:1], (0,))
        self.assertLessEqual({0, 10, 11, 13}, set(found.extensions))

    def test_fragments(self) -> None:
        """A message in any number of records is one message, for OpenSSL too."""
        whole = by_openssl()
        content = whole[5:]
        for sizes in ((1,), (3, 1), (4,), (200, 1, 300), (1,) * 40):
            data = records(content, sizes)
            self.assertEqual(read_client_hello(data), read_client_hello(whole))
            self.assertEqual(disagreement(data, outcome(data), asked(data)), "")
            self.assertTrue(asked(data).answered)

    def test_changed(self) -> None:
        """Whatever becomes of a hello: what OpenSSL answers is TLS for us, with the same name, or refused."""
        source = random.Random(8446)
        accepted = answered = 0
        for data in (by_openssl(change=with_alpn), by_openssl(change=tls_1_2)) * 150:
            made = hellos.changed(data, source)
            ours, theirs = outcome(made), asked(made)
            self.assertEqual(disagreement(made, ours, theirs), "")
            accepted += isinstance(ours, ClientHello)
            answered += theirs.answered
        # The comparison is about something.
        self.assertGreater(accepted, 30)
        self.assertGreater(answered, 30)

    def test_it_finds_what_is_wrong(self) -> None:
        """The comparison fails where it should."""
        data = by_openssl(change=with_alpn)
        theirs, ours = asked(data), read_client_hello(data)
        assert ours is not None
        for wrong in (
            None,
            ("NotTls", ""),
            replace(ours, server_name="www.example.org"),
            replace(ours, alpn=("h2",)),
        ):
            self.assertNotEqual(disagreement(data, wrong, theirs), "")
