"""Tests of Digest: nonces, and the examples of RFC 7616."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Fields, Request
from gateway_auth.credentials import BadCredentials
from gateway_auth.digest import Digest, Nonces, Stale, is_target
from gateway_auth.tests.local_users import digest, ha1
from gateway_auth.verifier import Refused


def request(
    method: bytes = b"GET", target: bytes = b"/dir/index.html", host: str = "www.example.org"
) -> Request:
    """Make a request."""
    return Request(method, "http", host, 80, target, 1, Fields(), 0)


class AnyNonces(Nonces):
    """Takes the nonces of the RFC's examples."""

    def check(self, nonce: str) -> bytes:
        """Take it."""
        return b"\0" * 16


class ExampleTests(SynchronousTestCase):
    """RFC 7616 section 3.9.1."""

    common = (
        b'Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", '
        b'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, '
        b'cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, '
        b'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS", '
    ).removeprefix(b"Digest ")

    def check(self, rest: bytes) -> str:
        """Check credentials of Mufasa's."""

        def known(user: str, realm: str, algorithm: str) -> str | None:
            if user != "Mufasa":
                return None
            name = {"MD5": "md5", "SHA-256": "sha256"}[algorithm]
            return ha1(user, "Circle of Life", realm, name)

        return Digest("http-auth@example.org", AnyNonces(Clock()), known).check(rest, request())

    def test_sha256(self) -> None:
        """The example with SHA-256."""
        rest = b'algorithm=SHA-256, response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"'
        self.assertEqual(self.check(self.common + rest), "Mufasa")

    def test_md5(self) -> None:
        """The example with MD5, named and as what is meant without a name."""
        rest = b'response="8ca523f5e9506fed4657c9700eebdbec"'
        self.assertEqual(self.check(self.common + rest), "Mufasa")
        self.assertEqual(self.check(self.common + b"algorithm=MD5, " + rest), "Mufasa")

    def test_changed(self) -> None:
        """With anything else it is refused."""
        rest = b'response="8ca523f5e9506fed4657c9700eebdbec"'
        whole = self.common + rest
        for before, after in (
            (b"nc=00000001", b"nc=00000002"),
            (b"f2/wE4", b"f2/wE5"),
            (b"7ypf", b"8ypf"),
            (b"8ca5", b"8ca6"),
            (b"Mufasa", b"Scar"),
        ):
            self.assertRaises(Refused, self.check, whole.replace(before, after))

    def test_not_offered(self) -> None:
        """What was not offered is not taken: no count, another quality, another realm, a hashed name."""
        whole = self.common + b'response="8ca523f5e9506fed4657c9700eebdbec"'
        for before, after in (
            (b"qop=auth, ", b""),
            (b"qop=auth", b"qop=auth-int"),
            (b"nc=00000001, ", b""),
            (b"nc=00000001", b"nc=1"),
            (b"nc=00000001", b"nc=0000_001"),
            (b"nc=00000001", b"nc=00000000"),
            (b"http-auth@", b"other@"),
            (b"qop=auth", b"qop=auth, userhash=true"),
            (b"qop=auth", b"qop=auth, algorithm=SHA-512"),
            (b'username="Mufasa"', b"username*=latin-1''Mufasa"),
            (b'username="Mufasa", ', b""),
        ):
            self.assertRaises(BadCredentials, self.check, whole.replace(before, after))

    def test_encoded_name(self) -> None:
        """A name may be encoded (RFC 8187)."""
        whole = self.common + b'response="8ca523f5e9506fed4657c9700eebdbec"'
        made = whole.replace(b'username="Mufasa"', b"username*=UTF-8''Muf%61sa")
        self.assertEqual(self.check(made), "Mufasa")


class NonceTests(SynchronousTestCase):
    """L{Nonces}."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.nonces = Nonces(self.clock, seconds=300.0, most=3)

    def begun(self) -> bytes:
        """Make a nonce and give it as it is checked."""
        return self.nonces.check(self.nonces.make())

    def test_each_count_once(self) -> None:
        """Every count is taken once, in any order within the window."""
        nonce = self.begun()
        for count in (1, 3, 2, 70, 7):
            self.nonces.use(nonce, count)
        for count in (1, 3, 2, 70, 7, 6):
            self.assertRaises(Stale, self.nonces.use, nonce, count)
        self.nonces.use(nonce, 8)

    def test_far_ahead(self) -> None:
        """A count may be as high as it likes; it costs no memory."""
        nonce = self.begun()
        self.nonces.use(nonce, 2**32 - 1)
        self.assertRaises(Stale, self.nonces.use, nonce, 2**32 - 1)
        self.assertLess(self.nonces._used[nonce].bits, 2**64)

    def test_full(self) -> None:
        """When there is no more room the oldest is forgotten, and can't be replayed for all that."""
        nonces = []
        for _ in range(5):
            self.clock.advance(1)
            text = self.nonces.make()
            self.nonces.use(self.nonces.check(text), 1)
            nonces.append(text)
        self.assertEqual(len(self.nonces._used), 3)
        self.assertRaises(Stale, self.nonces.check, nonces[0])
        self.assertRaises(Stale, self.nonces.check, nonces[1])
        self.nonces.use(self.nonces.check(nonces[4]), 2)

    def test_changed(self) -> None:
        """No bit of a nonce can be changed."""
        text = self.nonces.make()
        for at in range(42):
            other = "A" if text[at] != "A" else "B"
            self.assertRaises(Stale, self.nonces.check, text[:at] + other + text[at + 1 :])

    def test_ends(self) -> None:
        """It ends by itself, and then needs no room."""
        text = self.nonces.make()
        self.nonces.use(self.nonces.check(text), 1)
        self.clock.advance(300)
        self.assertRaises(Stale, self.nonces.check, text)
        self.nonces.use(self.begun(), 1)
        self.assertEqual(len(self.nonces._used), 1)


class TargetTests(SynchronousTestCase):
    """L{is_target}."""

    def test_forms(self) -> None:
        """The path, the whole URI with or without its port, and of a CONNECT the authority."""
        asked = request(target=b"/a?b=c")
        for uri in ("/a?b=c", "http://www.example.org/a?b=c", "http://www.example.org:80/a?b=c"):
            self.assertTrue(is_target(uri, asked), uri)
        for uri in ("/a", "http://www.example.org/a", "https://www.example.org/a?b=c", "*", ""):
            self.assertFalse(is_target(uri, asked), uri)
        tunnel = Request(b"CONNECT", "", "a.example", 443, b"a.example:443", 1, Fields(), 0)
        self.assertTrue(is_target("a.example:443", tunnel))
        self.assertFalse(is_target("b.example:443", tunnel))


class ChallengeTests(SynchronousTestCase):
    """What is offered."""

    def test_answered(self) -> None:
        """A challenge says what a client has to answer, and its answer is taken."""
        made = Digest("gateway", Nonces(Clock()), lambda *_: ha1("anna", "secret"))
        first, second = made.challenges(stale=False)
        self.assertIn("algorithm=SHA-256", first)
        self.assertIn("algorithm=MD5", second)
        self.assertIn('qop="auth"', first)
        answer = digest(first, "anna", "secret", uri="/dir/index.html").removeprefix("Digest ")
        self.assertEqual(made.check(answer.encode(), request()), "anna")
