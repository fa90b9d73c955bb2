"""Which connections look like one program's."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.answers import ClientHello
from gateway.net.client_family import client_family
from gateway.wire.client_hello import read_client_hello
from tests.unit.wire.hellos import by_openssl

HELLO = ClientHello(
    "www.example.com",
    alpn=("h2", "http/1.1"),
    versions=(0x0304, 0x0303),
    ciphers=(0x1301, 0x1302, 0xC02B),
    extensions=(0, 10, 11, 13, 16, 43, 51),
    groups=(29, 23),
    signature_algorithms=(0x0403, 0x0804),
    point_formats=(0,),
)


def read(data: bytes) -> ClientHello:
    """Read a hello that is whole."""
    found = read_client_hello(data)
    assert found is not None
    return found


class FamilyTests(SynchronousTestCase):
    """L{client_family}."""

    def test_form(self) -> None:
        """It is twelve digits, whatever is missing."""
        for hello in (HELLO, ClientHello("")):
            self.assertRegex(client_family(hello), r"\A[0-9a-f]{12}\Z")

    def test_other_programs(self) -> None:
        """Each part that tells programs apart makes another family; the order of ciphers does as well."""
        others = [
            replace(HELLO, versions=(0x0303,)),
            replace(HELLO, ciphers=(0x1302, 0x1301, 0xC02B)),
            replace(HELLO, extensions=(*HELLO.extensions, 5)),
            replace(HELLO, groups=(29,)),
            replace(HELLO, signature_algorithms=(0x0804,)),
            replace(HELLO, point_formats=()),
        ]
        self.assertEqual(len({client_family(one) for one in (HELLO, *others)}), 7)

    @given(
        st.permutations(HELLO.extensions),
        st.sets(st.sampled_from((21, 35, 41, 42, 44, 0xFE0D))),
        st.integers(0, 15),
    )
    @settings(deadline=None)
    def test_same_program(self, shuffled: list[int], more: set[int], digit: int) -> None:
        """Host, protocols, resumption, GREASE and the order of extensions make no difference."""
        grease = digit << 12 | 0x0A00 | digit << 4 | 0x0A
        other = replace(
            HELLO,
            server_name="other.example.com",
            alpn=(),
            ciphers=(grease, *HELLO.ciphers),
            extensions=(grease, *(kind for kind in shuffled if kind not in (0, 16)), *more),
            groups=(grease, *HELLO.groups),
        )
        self.assertEqual(client_family(other), client_family(HELLO))

    def test_openssl(self) -> None:
        """A real client is of one family for every host, also when it resumes; with other settings it is another."""
        first = client_family(read(by_openssl(b"a.example.com")))
        self.assertEqual(client_family(read(by_openssl(b"b.example.com"))), first)
        self.assertEqual(client_family(read(by_openssl(resumes=True))), first)
        old = by_openssl(change=lambda context: context.set_max_proto_version(SSL.TLS1_2_VERSION))
        self.assertNotEqual(client_family(read(old)), first)
