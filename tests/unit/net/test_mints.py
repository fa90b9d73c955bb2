"""The cache of leaves."""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.authority import Authority, CaProfile
from gateway.net.mint import Mirrored, NotMinted
from gateway.net.mints import Mints
from tests.unit.net.authorities import DAY, NOW, Now, foreign, judged


class MintsTestCase(SynchronousTestCase):
    """Has a CA in a folder and a clock."""

    def setUp(self) -> None:
        """Name the folder; nothing is made yet."""
        self.now = Now()
        self.folder = Path(self.mktemp())
        self.authority = Authority(self.folder, now=self.now)

    def mints(self, size: int = 100) -> Mints:
        """Make a cache."""
        return Mints(self.authority, size)


class CacheTests(MintsTestCase):
    """What is kept, and for how long."""

    def test_nothing_is_made_before_the_first_leaf(self) -> None:
        """A cache of leaves alone makes no CA; the first leaf does."""
        mints = self.mints()
        self.assertFalse(self.folder.exists())
        mints.untrusted("www.example.com")
        self.assertFalse(self.folder.exists())
        mints.leaf(b"", "www.example.com", None)
        self.assertEqual(len(list(self.folder.iterdir())), 1)

    def test_hit(self) -> None:
        """The same origin and name get the same leaf, whatever the spelling."""
        mints = self.mints()
        model = Mirrored(("www.example.com",))
        self.assertIsNone(mints.known(b"f", "www.example.com"))
        first = mints.leaf(b"f", "www.example.com", model)
        self.assertIs(mints.leaf(b"f", "www.example.com", model), first)
        self.assertIs(mints.leaf(b"f", "WWW.example.com.", model), first)
        self.assertIs(mints.known(b"f", "www.example.com"), first)
        self.assertEqual((mints.hits, mints.misses, len(mints)), (3, 1, 1))

    def test_another_certificate(self) -> None:
        """An origin with a new certificate gets a new leaf, and so does another name."""
        mints = self.mints()
        model = Mirrored(("*.example.com",))
        made = {
            id(mints.leaf(print_, name, model))
            for print_ in (b"f", b"g")
            for name in ("a.example.com", "b.example.com")
        }
        self.assertEqual((len(made), mints.misses), (4, 4))

    def test_excuse_is_not_shared(self) -> None:
        """A leaf made with an excuse is not shown to those without one."""
        mints = self.mints()
        mints.leaf(b"f", "a.example.com", Mirrored(("b.example.com",), excused=True))
        self.assertIsNone(mints.known(b"f", "a.example.com"))
        with self.assertRaises(NotMinted):
            mints.leaf(b"f", "a.example.com", Mirrored(("b.example.com",)))

    def test_fingerprint_and_certificate_belong_together(self) -> None:
        """A leaf is never kept for a certificate that was not read, nor a mirrored one for none."""
        mints = self.mints()
        for fingerprint, model in ((b"f", None), (b"", Mirrored(("a.example.com",)))):
            with self.assertRaises(ValueError):
                mints.leaf(fingerprint, "a.example.com", model)
        self.assertEqual(len(mints), 0)

    def test_bound(self) -> None:
        """The least used leaf gives way, so the cache never grows over its size."""
        mints = self.mints(3)
        for name in ("a", "b", "c"):
            mints.leaf(b"", name, None)
        kept = mints.leaf(b"", "a", None)
        mints.leaf(b"", "d", None)
        self.assertEqual((len(mints), mints.evicted), (3, 1))
        self.assertIs(mints.leaf(b"", "a", None), kept)
        before = mints.misses
        mints.leaf(b"", "b", None)
        self.assertEqual(mints.misses, before + 1)
        for number in range(100):
            mints.leaf(b"", f"n{number}.example.com", None)
        self.assertEqual((len(mints), mints.evicted), (3, 102))

    def test_failures_are_not_kept(self) -> None:
        """What can't be minted takes no place."""
        mints = self.mints()
        for name in ("a b", "www.example.com"):
            with self.assertRaises(NotMinted):
                mints.leaf(b"f", name, Mirrored(("other.example.com",)))
        self.assertEqual(len(mints), 0)

    def test_leaf_that_runs_out(self) -> None:
        """A leaf is made anew before it ends."""
        mints = self.mints()
        first = mints.leaf(b"", "a.example.com", None)
        self.now.time += 60 * DAY
        self.assertIs(mints.leaf(b"", "a.example.com", None), first)
        self.now.time += 25 * DAY
        self.assertIsNot(mints.leaf(b"", "a.example.com", None), first)

    def test_rotation(self) -> None:
        """From the day on which the next CA signs every leaf is its leaf, those in the cache included."""
        mints = self.mints()
        first = mints.leaf(b"", "a.example.com", None)
        following = self.authority.rotate(NOW + 30 * DAY)
        self.assertIs(mints.leaf(b"", "a.example.com", None), first)
        self.now.time += 30 * DAY
        second = mints.leaf(b"", "a.example.com", None)
        issuer = second.chain[0].to_cryptography().issuer
        self.assertEqual(issuer, following.certificate.subject)

    def test_loading_again_keeps_leaves(self) -> None:
        """A reload that finds the same CA leaves the cache as it is."""
        mints = self.mints()
        first = mints.leaf(b"", "a.example.com", None)
        self.authority.load()
        self.assertIs(mints.leaf(b"", "a.example.com", None), first)

    def test_one_key(self) -> None:
        """All leaves of a process have one key, ready for a connection."""
        first, second = (self.mints().leaf(b"", name, None) for name in "ab")
        self.assertIs(first.key, second.key)
        connection = SSL.Connection(SSL.Context(SSL.TLS_METHOD), None)
        first.use(connection)
        used = connection.get_certificate()
        assert used is not None
        self.assertEqual(used.digest("sha256"), first.chain[0].digest("sha256"))

    def test_size(self) -> None:
        """A cache of nothing is refused."""
        self.assertRaises(ValueError, self.mints, 0)

    def test_issuers(self) -> None:
        """A root is not sent; an intermediate is."""
        self.assertEqual(self.mints().issuers, ())
        below = foreign("below", above=foreign("root"))
        self.authority.adopt(below, NOW)
        self.now.time += DAY / 24
        self.assertEqual(self.mints().issuers, (below.certificate,))


class UntrustedTests(MintsTestCase):
    """Leaves for pages over TLS that say why an origin was refused."""

    def test_nobody_trusts_it(self) -> None:
        """A client that trusts the gateway's CA doesn't trust this leaf, though it is for the right name."""
        mints = self.mints()
        trusted = self.authority.signer().certificate
        good = mints.leaf(b"", "www.example.com", None)
        self.assertEqual(judged(good, trusted, "www.example.com"), "")
        bad = mints.untrusted("www.example.com")
        self.assertRegex(judged(bad, trusted, "www.example.com"), "unable to get local issuer")
        self.assertEqual(bad.names, ("www.example.com",))

    def test_never_taken_for_a_good_one(self) -> None:
        """The two kinds share the cache and never a leaf."""
        mints = self.mints()
        bad = mints.untrusted("www.example.com")
        self.assertIsNot(mints.leaf(b"", "www.example.com", None), bad)
        self.assertIs(mints.untrusted("www.example.com"), bad)

    def test_its_issuer_is_written_nowhere(self) -> None:
        """The throw-away issuer has another key than the CA, and is in no file."""
        mints = self.mints()
        signer = self.authority.signer()
        bad = mints.untrusted("www.example.com").chain[0].to_cryptography()
        self.assertNotEqual(bad.issuer, signer.certificate.subject)
        with self.assertRaises((ValueError, InvalidSignature)):
            bad.verify_directly_issued_by(signer.certificate)
        self.assertEqual([one.path for one in self.authority.generations], [signer.path])

    def test_new_issuer_when_the_old_one_ends(self) -> None:
        """In a process that runs for long the throw-away issuer is replaced before anything is signed past its end."""
        mints = self.mints()
        first = mints.untrusted("www.example.com")
        self.now.time += 30 * DAY
        again = mints.untrusted("www.example.com")
        self.assertIsNot(again, first)
        self.assertGreater(again.chain[0].to_cryptography().not_valid_after_utc, self.now.time)


class ConstrainedTests(MintsTestCase):
    """A CA that may not sign for everything."""

    def test_refusal(self) -> None:
        """For a name outside its constraints there is no leaf, but there is the untrusted one."""
        self.authority.profile = CaProfile(permitted=("example.com",))
        mints = self.mints()
        mints.leaf(b"", "www.example.com", None)
        with self.assertRaises(NotMinted):
            mints.leaf(b"", "www.example.net", None)
        self.assertTrue(mints.untrusted("www.example.net").chain[0].digest("sha256"))
        self.assertIn(
            b"CERTIFICATE",
            self.authority.signer().certificate.public_bytes(Encoding.PEM),
        )
