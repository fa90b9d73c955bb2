"""Tests of L{gateway.net.certificates}: which certificate for which name."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.net.certificates import CertificateAndKey, Certificates, Shared
from tests.unit.net.certificates import leaf


def certificate(*names: str) -> CertificateAndKey:
    """Make one for names."""
    made = leaf(*names)
    return CertificateAndKey.of(made.certificate, (), made.key)


class ChoiceTests(SynchronousTestCase):
    """The certificates of one place."""

    def setUp(self) -> None:
        self.first = certificate("www.example.com")
        self.wild = certificate("*.example.com", "*.example.net")
        self.exact = certificate("shop.example.com", "www.example.com")
        self.choice = Certificates([self.first, self.wild, self.exact])

    def test_exact_before_wildcard(self) -> None:
        """An exact name wins over a wildcard, also of an earlier certificate."""
        self.assertIs(self.choice.for_name("shop.example.com"), self.exact)
        self.assertIs(self.choice.for_name("a.example.com"), self.wild)

    def test_earlier(self) -> None:
        """Of two that fit the earlier one is shown."""
        self.assertIs(self.choice.for_name("www.example.com"), self.first)

    def test_one_label(self) -> None:
        """A wildcard stands for one whole label, and never for the name below it."""
        self.assertIs(self.choice.for_name("a.example.net"), self.wild)
        for name in ("a.b.example.net", "example.net", ".example.net", "aexample.net", ""):
            self.assertIsNone(self.choice.named(name), name)
            self.assertIs(self.choice.for_name(name), self.first, name)

    def test_none(self) -> None:
        """Without certificates there is none to show."""
        self.assertIsNone(Certificates([]).for_name("www.example.com"))


class SharedTests(SynchronousTestCase):
    """The certificates of several sites."""

    def setUp(self) -> None:
        self.shop = certificate("shop.example.com")
        self.everything = certificate("*.example.com", "example.com")
        self.other = certificate("www.example.net")

    def test_site_first(self) -> None:
        """A host of a site gets that site's certificate, also when another's fits, or its own does not."""
        shared = Shared(
            [
                (("www.example.com",), Certificates([self.everything])),
                (("shop.example.com", "odd.example.org"), Certificates([self.other])),
                ((), Certificates([self.shop])),
            ]
        )
        self.assertIs(shared.for_name("shop.example.com"), self.other)
        self.assertIs(shared.for_name("odd.example.org"), self.other)
        self.assertIs(shared.for_name("www.example.com"), self.everything)

    def test_site_below(self) -> None:
        """A site that has everything below a name has its subdomains of every depth, the nearest first."""
        shared = Shared(
            [
                (("*.example.com",), Certificates([self.everything])),
                (("*.shop.example.com",), Certificates([self.shop])),
            ]
        )
        self.assertIs(shared.for_name("a.b.shop.example.com"), self.shop)
        self.assertIs(shared.for_name("shop.example.com"), self.everything)

    def test_by_certificate(self) -> None:
        """A name that is no host of a site gets a certificate that is for it."""
        shared = Shared(
            [
                (("a.example.com",), Certificates([self.shop])),
                ((), Certificates([self.other])),
            ]
        )
        self.assertIs(shared.for_name("www.example.net"), self.other)

    def test_fallback(self) -> None:
        """Nobody in particular gets the site of every host, or the first."""
        first = (("a.example.com",), Certificates([self.shop]))
        self.assertIs(
            Shared([first, (("*",), Certificates([self.other]))]).for_name(""), self.other
        )
        self.assertIs(Shared([first, ((), Certificates([self.other]))]).for_name(""), self.shop)
        self.assertIsNone(Shared([]).for_name(""))

    def test_folder(self) -> None:
        """Of a folder the certificate that is for the name is shown."""
        shared = Shared([(("*",), Certificates([self.shop, self.other]))])
        self.assertIs(shared.for_name("www.example.net"), self.other)
