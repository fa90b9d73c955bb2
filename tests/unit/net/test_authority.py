"""The gateway's CA: made at first need, rotated with an overlap, judged when loaded."""

from __future__ import annotations

import datetime
import os
import stat
from pathlib import Path

from cryptography import x509
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.authority import Authority, AuthorityError, CaProfile, Generation, Role
from gateway.net.ca_generation import make_root
from tests.unit.net.authorities import DAY, NOW, Now, foreign


class AuthorityTestCase(SynchronousTestCase):
    """Has a folder and a clock."""

    def setUp(self) -> None:
        """Name the folder; nothing is made yet."""
        self.now = Now()
        self.folder = Path(self.mktemp())
        self.warnings: list[str] = []
        self.authority = self.again()

    def again(self, profile: CaProfile | None = None) -> Authority:
        """Make another one for the same folder, as after a restart."""
        return Authority(self.folder, profile, warn=self.warnings.append, now=self.now)

    def roles(self) -> list[str]:
        """Give the roles of a fresh look, the earliest generation first."""
        fresh = self.again().load()
        return [fresh.role(one).value for one in fresh.generations]


class FirstNeedTests(AuthorityTestCase):
    """When the CA is made."""

    def test_looking_makes_nothing(self) -> None:
        """Neither making an authority, nor loading, nor asking what is published writes anything."""
        self.assertEqual(self.authority.load().generations, ())
        self.assertEqual(self.authority.published(), ())
        self.assertFalse(self.folder.exists())

    def test_first_signer(self) -> None:
        """The first need makes key and certificate in one private file of a private folder."""
        made = self.authority.signer()
        (path,) = self.folder.iterdir()
        self.assertEqual(path, made.path)
        self.assertEqual(stat.S_IMODE(self.folder.stat().st_mode), 0o700)
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        self.assertIn(b"PRIVATE KEY", path.read_bytes())

    def test_wide_umask(self) -> None:
        """The umask of the process has no say in it."""
        self.addCleanup(os.umask, os.umask(0))
        made = self.authority.signer()
        self.assertEqual(stat.S_IMODE(made.path.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(self.folder.stat().st_mode), 0o700)
        self.assertEqual(self.warnings, [])

    def test_kept(self) -> None:
        """A restart finds the same CA."""
        made = self.authority.signer()
        self.assertIs(self.authority.signer(), made)
        self.assertEqual(self.again().signer().fingerprint, made.fingerprint)

    def test_two_processes(self) -> None:
        """Of two that need it at once only one makes it: the other, which saw none, finds it."""
        slow, quick = self.again().load(), self.again().load()
        made = quick.create()
        self.assertEqual(slow.create().fingerprint, made.fingerprint)
        self.assertEqual(len(list(self.folder.iterdir())), 1)

    def test_no_folder_above(self) -> None:
        """A folder that can't be made is a clear error."""
        lost = Authority(self.folder / "a" / "b", now=self.now)
        error = self.assertRaises(AuthorityError, lost.signer)
        self.assertIn("can't be made: No such file or directory; make the folder above", str(error))


class CertificateTests(AuthorityTestCase):
    """What the root is like."""

    def made(self, **wishes: object) -> Generation:
        """Make one with a profile."""
        return self.again(CaProfile(**wishes)).signer()  # type: ignore[arg-type]

    def test_form(self) -> None:
        """EC P-256, ten years from a day ago, a CA that signs leaves alone, with an identifier of its key."""
        certificate = self.made().certificate
        key = certificate.public_key()
        self.assertEqual(key.curve.name, "secp256r1")  # type: ignore[union-attr]
        self.assertEqual(certificate.not_valid_before_utc, NOW - DAY)
        years = (certificate.not_valid_after_utc - certificate.not_valid_before_utc) / DAY / 365.25
        self.assertAlmostEqual(years, 10, 2)
        found = certificate.extensions
        basic = found.get_extension_for_class(x509.BasicConstraints)
        self.assertEqual((basic.critical, basic.value.ca, basic.value.path_length), (True, True, 0))
        usage = found.get_extension_for_class(x509.KeyUsage)
        self.assertEqual((usage.critical, usage.value.key_cert_sign), (True, True))
        self.assertFalse(usage.value.digital_signature)
        found.get_extension_for_class(x509.SubjectKeyIdentifier)
        self.assertRaises(
            x509.ExtensionNotFound, found.get_extension_for_class, x509.NameConstraints
        )

    def test_name(self) -> None:
        """Its name is the one that was wished, and differs from one generation to the next."""
        self.assertRegex(self.made(name="Example Ltd").name, r"\AExample Ltd [0-9a-f]{8}\Z")
        names = {make_root(CaProfile(), NOW).certificate.subject for _ in range(3)}
        self.assertEqual(len(names), 3)

    def test_constraints(self) -> None:
        """Constraints are critical; a list of permitted names leaves out all addresses."""
        made = self.made(permitted=("example.com",), excluded=("bank.example.com",))
        found = made.certificate.extensions.get_extension_for_class(x509.NameConstraints)
        self.assertTrue(found.critical)
        for name, may in (
            ("example.com", True),
            ("www.example.com", True),
            ("*.example.com", True),
            ("badexample.com", False),
            ("example.net", False),
            ("bank.example.com", False),
            ("www.bank.example.com", False),
            ("192.0.2.1", False),
            ("2001:db8::1", False),
        ):
            self.assertIs(made.permits(name), may, name)

    def test_exclusion_alone(self) -> None:
        """With excluded names alone everything else is permitted, addresses too."""
        made = self.made(excluded=("bank.example",))
        self.assertTrue(made.permits("192.0.2.1"))
        self.assertTrue(made.permits("www.example.com"))
        self.assertFalse(made.permits("www.bank.example"))

    def test_constraints_of_what_is_above(self) -> None:
        """An imported intermediate is bound by its root's constraints as well."""

        def only(*domains: str) -> tuple[x509.ExtensionType, ...]:
            return (x509.NameConstraints([x509.DNSName(domain) for domain in domains], None),)

        root = foreign("root", extra=only("example.com", "example.net"))
        below = foreign("below", above=root, extra=only("shop.example.com", "example.org"))
        taken = self.authority.adopt(below, NOW)
        self.assertEqual(taken.permitted, ("shop.example.com",))
        apart = foreign("apart", above=root, extra=only("example.org"))
        self.now.time += DAY
        taken = self.authority.adopt(apart, self.now())
        self.assertFalse(taken.permits("www.example.org"))
        self.assertFalse(taken.permits("www.example.com"))

    def test_profiles_that_are_none(self) -> None:
        """A name or a domain that can't stand in a certificate is refused with what to do."""
        for wishes in (
            {"name": ""},
            {"name": "x" * 56},
            {"name": "a\nb"},
            {"permitted": ("*.example.com",)},
            {"excluded": ("Example.com",)},
            {"permitted": ("",)},
        ):
            with self.assertRaises(AuthorityError) as caught:
                CaProfile(**wishes)
            self.assertTrue(caught.exception.mend)


class RotationTests(AuthorityTestCase):
    """One CA after another."""

    def test_overlap(self) -> None:
        """The next one is published at once, signs from its day on, and the one before stays known."""
        first = self.authority.signer()
        following = self.authority.rotate(NOW + 30 * DAY)
        self.assertEqual(self.roles(), ["present", "next"])
        self.assertEqual(
            [(one.name, one.signs) for one in self.authority.published()],
            [(first.name, True), (following.name, False)],
        )
        self.now.time += 30 * DAY - datetime.timedelta(seconds=2)
        self.assertEqual(self.authority.signer().path, first.path)
        self.now.time += datetime.timedelta(seconds=2)
        self.assertEqual(self.authority.signer().path, following.path)
        self.assertEqual(self.again().signer().fingerprint, following.fingerprint)
        self.assertEqual(self.roles(), ["retired", "present"])
        self.assertEqual([one.name for one in self.authority.published()], [following.name])
        self.assertEqual([one.name for one in self.authority.published(Role.RETIRED)], [first.name])

    def test_at_once(self) -> None:
        """A rotation without overlap takes the place of the present one."""
        self.authority.signer()
        self.now.time += DAY
        made = self.authority.rotate(self.now())
        self.assertEqual(self.authority.signer(), made)
        self.assertEqual(self.roles(), ["retired", "present"])

    def test_one_waits(self) -> None:
        """While one is waiting there is no other."""
        self.authority.signer()
        self.authority.rotate(NOW + 30 * DAY)
        error = self.assertRaises(AuthorityError, self.authority.rotate, NOW + 60 * DAY)
        self.assertIn("another CA is to sign from", str(error))
        self.assertEqual(len(self.roles()), 2)

    def test_old_keys_are_destroyed(self) -> None:
        """A rotation takes the keys of those that had retired before; their certificates stay."""
        first = self.authority.signer()
        self.authority.rotate(NOW + 30 * DAY)
        self.now.time += 60 * DAY
        self.assertIn(b"PRIVATE KEY", first.path.read_bytes())
        self.authority.rotate(self.now() + 30 * DAY)
        self.assertNotIn(b"PRIVATE KEY", first.path.read_bytes())
        self.assertEqual(stat.S_IMODE(first.path.stat().st_mode), 0o600)
        self.assertEqual(self.roles(), ["retired", "present", "next"])
        self.assertIsNone(self.again().load().generations[0].key)

    def test_after_the_end(self) -> None:
        """When nothing signs any more there is no overlap to wait for."""
        self.authority.signer()
        self.now.time += 4000 * DAY
        made = self.authority.rotate(self.now() + 30 * DAY)
        self.assertEqual(self.again().signer().fingerprint, made.fingerprint)

    def test_expired(self) -> None:
        """An expired CA is loaded and shown, and signs nothing."""
        self.authority.signer()
        self.now.time += 4000 * DAY
        self.assertEqual(self.roles(), ["expired"])
        for authority in (self.authority, self.again()):
            error = self.assertRaises(AuthorityError, authority.signer)
            self.assertIn("expired on", str(error))
            self.assertIn("gateway ca rotate --now", error.mend)

    def test_clock_that_is_behind(self) -> None:
        """With a clock before the CA's begin nothing is signed, and no second CA is made."""
        self.authority.signer()
        self.now.time -= 400 * DAY
        error = self.assertRaises(AuthorityError, self.again().signer)
        self.assertIn("clock", error.mend)
        self.assertEqual(len(list(self.folder.iterdir())), 1)


class AdoptionTests(AuthorityTestCase):
    """A CA that others have made."""

    def test_taken_over(self) -> None:
        """It signs from the time that was said, with what is above it."""
        root = foreign("root")
        below = foreign("below", above=root)
        taken = self.authority.adopt(below, NOW)
        self.assertEqual(self.again().signer().certificate, below.certificate)
        self.assertEqual(taken.anchor, root.certificate)
        (published,) = self.authority.published()
        self.assertEqual((published.name, published.root), ("root", True))

    def test_beside_the_present_one(self) -> None:
        """It may wait, as after a rotation."""
        self.authority.signer()
        self.authority.adopt(foreign(), NOW + 10 * DAY)
        self.assertEqual(self.roles(), ["present", "next"])

    def test_all_reasons(self) -> None:
        """What can't be the CA is refused with every reason, and nothing is written."""
        bad = foreign(ca=False, sign=False, end=NOW - DAY / 2)
        error = self.assertRaises(AuthorityError, self.authority.adopt, bad, NOW)
        for reason in ("basicConstraints", "keyCertSign", "expired"):
            self.assertIn(reason, str(error))
        self.assertFalse(self.folder.exists())

    def test_expired_by_then(self) -> None:
        """One that will have expired when it is to sign is refused."""
        short = foreign(end=NOW + 5 * DAY)
        self.assertRaises(AuthorityError, self.authority.adopt, short, NOW + 10 * DAY)

    def test_twice(self) -> None:
        """The same one is not taken twice."""
        own = foreign()
        self.authority.adopt(own, NOW)
        error = self.assertRaises(AuthorityError, self.authority.adopt, own, NOW)
        self.assertIn("there already", str(error))


class LoadTests(AuthorityTestCase):
    """What is wrong in the folder."""

    def fault(self) -> AuthorityError:
        """Load afresh, which fails."""
        with self.assertRaises(AuthorityError) as caught:
            self.again().load()
        error: AuthorityError = caught.exception
        return error

    def test_damaged(self) -> None:
        """A damaged CA is never replaced by itself: clients would not know the new one."""
        path = self.authority.signer().path
        path.write_bytes(path.read_bytes()[:-80])
        error = self.fault()
        self.assertEqual(error.path, str(path))
        self.assertIn("from a copy", error.mend)
        self.assertRaises(AuthorityError, self.again().signer)
        self.assertEqual(len(list(self.folder.iterdir())), 1)

    def test_strange_key(self) -> None:
        """A key that belongs to another certificate is found."""
        path = self.authority.signer().path
        key, mark, _ = path.read_bytes().partition(b"-----BEGIN CERTIFICATE")
        path.write_bytes(key + mark + foreign().pem.partition(mark)[2])
        self.assertIn("belongs to none of the certificates", str(self.fault()))

    def test_retired_and_damaged(self) -> None:
        """A damaged file of one that has retired is a warning: nothing needs it but clients."""
        first = self.authority.signer()
        self.now.time += DAY
        self.authority.rotate(self.now())
        first.path.write_bytes(b"")
        self.assertEqual(self.roles(), ["present"])
        self.assertIn("it has retired, and is left out", self.warnings[-1])

    def test_kept_when_loading_fails(self) -> None:
        """A load that fails leaves in force what was there before."""
        made = self.authority.signer()
        made.path.write_bytes(b"")
        self.assertRaises(AuthorityError, self.authority.load)
        self.assertIs(self.authority.signer(), made)

    def test_name_of_a_file(self) -> None:
        """A file whose name is almost right is not overlooked."""
        self.authority.signer()
        for name in ("ca-2027.pem", "ca-20271399T000000Z.pem"):
            path = self.folder / name
            path.write_bytes(b"")
            self.assertIn("is no name of a CA's file", str(self.fault()))
            path.unlink()
        (self.folder / "README").write_bytes(b"")
        self.assertEqual(self.roles(), ["present"])

    def test_leftovers(self) -> None:
        """What a crash in the middle of writing left behind is no CA, and goes with the next write."""
        self.authority.signer()
        (self.folder / ".new-0123").write_bytes(b"half")
        self.assertEqual(self.roles(), ["present"])
        self.authority.rotate(NOW + DAY)
        self.assertEqual(len(list(self.folder.iterdir())), 2)
