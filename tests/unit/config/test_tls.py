"""The TLS part of a configuration."""

from __future__ import annotations

import datetime
import sys

from gateway.config.addresses import ListenTls
from gateway.config.cautions import cautions
from gateway.config.load import load
from gateway.config.tls import (
    CertificateFiles,
    ListenerTls,
    listener_tls,
    mints_certificates,
    uses_tls,
    verifies_upstreams,
)
from tests.unit.config.files import FilesTestCase
from tests.unit.net.certificates import Made, issue, leaf, revocation_list, root

SITE = '[[site]]\norigins = ["http://127.0.0.1:9000"]\n'
WWW = "www.example.com"
DIGITS = "0123456789abcdef" * 4


class TlsCase(FilesTestCase):
    """A folder with certificates."""

    def setUp(self) -> None:
        super().setUp()
        self.put("www.pem", leaf(WWW))

    def put(self, name: str, made: Made) -> None:
        """Write certificate and key, for their owner alone."""
        path = self.folder / name
        path.write_bytes(made.pem)
        path.chmod(0o600)

    def cautions(self, text: str) -> list[str]:
        """List the cautions, without the name of the folder and those on the time of the tests' certificates."""
        found = [str(fault).replace(f"{self.folder}/", "") for fault in cautions(self.load(text))]
        return [one for one in found if "expires on" not in one]


class SettingTests(TlsCase):
    """What is written becomes what is meant."""

    def test_defaults(self) -> None:
        """TLS 1.2 and 1.3 with modern ciphers; no certificate, and nothing is imported for it."""
        config = load()
        tls = config.tls
        self.assertEqual((tls.min_version, tls.max_version, tls.ciphers), ("1.2", "1.3", "modern"))
        self.assertFalse(uses_tls(config))

    def test_paths(self) -> None:
        """A relative path begins in the folder of the file."""
        config = self.load(SITE + 'certificate = "www.pem"')
        self.assertEqual(config.site[0].certificate, f"{self.folder}/www.pem")
        self.assertTrue(uses_tls(config))

    def test_listener(self) -> None:
        """A listener may have a table with its certificate; it is written back as it was read."""
        config = self.load(
            '[forward]\nlisten = [{ address = ":8443", tls = { certificate = "www.pem" } }]'
        )
        assert config.forward is not None
        (place,) = config.forward.listen
        self.assertEqual(place.tls, ListenTls(f"{self.folder}/www.pem"))
        self.assertEqual(
            listener_tls(place), ListenerTls((CertificateFiles(f"{self.folder}/www.pem"),))
        )

    def test_sites_of_a_listener(self) -> None:
        """A listener shows its own certificate and those of its sites, in the order of the file."""
        self.put("shop.pem", leaf("shop.example.com"))
        config = self.load(
            SITE
            + f'host = ["{WWW}"]\ncertificate = "www.pem"\n'
            + SITE
            + 'host = ["shop.example.com"]\ncertificate = "shop.pem"'
        )
        ((place, sites),) = config.reverse_listeners
        told = listener_tls(place, sites)
        assert told is not None
        self.assertEqual(
            told.files,
            (
                CertificateFiles(f"{self.folder}/www.pem", hosts=(WWW,)),
                CertificateFiles(f"{self.folder}/shop.pem", hosts=("shop.example.com",)),
            ),
        )
        self.assertIsNone(listener_tls(load().forward.listen[0]))  # type: ignore[union-attr]

    def test_clients(self) -> None:
        """Authorities of clients hold for the listener, required unless it is said otherwise."""
        text = SITE + 'certificate = "www.pem"\nclient_ca = "www.pem"\n'
        for more, required in (("", True), ('client_certificate = "optional"', False)):
            ((place, sites),) = self.load(text + more).reverse_listeners
            told = listener_tls(place, sites)
            assert told is not None
            self.assertEqual(
                (told.client_ca, told.client_required), (f"{self.folder}/www.pem", required)
            )

    def test_exceptions(self) -> None:
        """An exception has a host, what is excepted, a reason and a last day, as a date or as text."""
        for until in ("2027-04-30", '"2027-04-30"'):
            config = self.load(
                '[tls]\nexceptions = [{ host = "Old.example.com", min_version = "1.0", '
                f'fingerprint = "{DIGITS.upper()}", reason = "spring", until = {until} }}]'
            )
            (found,) = config.tls.exceptions
            self.assertEqual(
                (found.host, found.min_version, found.fingerprint, found.until),
                ("old.example.com", "1.0", DIGITS, datetime.date(2027, 4, 30)),
            )

    def test_bad_exceptions(self) -> None:
        """Patterns, half fingerprints, moments and what excepts nothing are faults."""
        whole = {
            "host": '"a"',
            "reason": '"r"',
            "until": "2027-04-30",
            "ciphers": '"compatible"',
        }
        for key, value, expected in (
            ("host", '"*.example.com"', "is a pattern"),
            ("fingerprint", '"aabb"', "no SHA-256 fingerprint"),
            ("until", "2027-04-30T10:00:00", "expected a day"),
            ("until", '"tomorrow"', "is not a day"),
            ("min_version", '"0.9"', "is not known here"),
            ("ciphers", '""', "excepts nothing"),
            ("reason", '" "', "is empty"),
        ):
            table = ", ".join(f"{name} = {text}" for name, text in {**whole, key: value}.items())
            (found,) = self.faults(f"[tls]\nexceptions = [{{ {table} }}]")
            self.assertIn(expected, found)
        found = ", ".join(self.faults('[tls]\nexceptions = [{ host = "a" }]'))
        self.assertIn("exceptions[0].reason: is missing", found)
        self.assertIn("exceptions[0].until: is missing", found)


class DecryptionTests(TlsCase):
    """What is said of decryption."""

    def test_defaults(self) -> None:
        """Nothing is decrypted, nothing minted, and what can't be read passes."""
        tls = load().tls
        self.assertEqual((tls.decrypt, tls.on_unknown_protocol), ("none", "tunnel"))
        self.assertEqual((tls.certificates, tls.ca_name), (10_000, "Gateway CA"))
        self.assertFalse(tls.block_page_over_tls or tls.pinned_bypass)
        self.assertFalse(mints_certificates(load()))
        self.assertFalse(verifies_upstreams(load()))

    def test_needs(self) -> None:
        """Decryption and pages over TLS need a CA and verified upstreams, where there is a forward proxy."""
        for text in ('decrypt = "rules"', 'decrypt = "all"', "block_page_over_tls = true"):
            config = self.load(f"[tls]\n{text}")
            self.assertTrue(mints_certificates(config))
            self.assertTrue(verifies_upstreams(config))
            self.assertTrue(uses_tls(config))
            self.assertFalse(mints_certificates(self.load(f"[tls]\n{text}\n{SITE}")))
        self.assertTrue(verifies_upstreams(self.load('[[site]]\norigins = ["https://a"]')))
        self.assertTrue(verifies_upstreams(self.load('[forward]\nparent = ["https://a:1"]')))

    def test_hosts(self) -> None:
        """Patterns are on whole labels, as everywhere in the file."""
        tls = self.load(
            '[tls]\ndecrypt = "rules"\nnever_decrypt = ["bank.example.com", "*.update.example.com"]\n'
            'decrypt_hosts = [".example.com", "192.0.2.0/24"]'
        ).tls
        never = ("bank.example.com", "x.update.example.com", "a.b.update.example.com")
        self.assertTrue(all(host in tls.never_decrypt for host in never))
        for host in ("www.bank.example.com", "update.example.com", "xupdate.example.com"):
            self.assertNotIn(host, tls.never_decrypt)
        self.assertTrue(all(h in tls.decrypt_hosts for h in ("example.com", "192.0.2.7")))
        self.assertNotIn("notexample.com", tls.decrypt_hosts)

    def test_categories(self) -> None:
        """A category is refused as what it is: no plugin of this version has its list."""
        for key in ("never_decrypt", "decrypt_hosts"):
            (found,) = self.faults(
                f'[tls]\ndecrypt = "rules"\n{key} = ["a.example.com", "@banking"]'
            )
            self.assertIn(f'tls.{key}[1]: "@banking" is a category, whose list a plugin', found)
        (found,) = self.faults('[tls]\ndecrypt = "all"\nnever_decrypt = ["a b"]')
        self.assertIn("never_decrypt[0]: ", found)

    def test_bounds(self) -> None:
        """Values that mean nothing are faults."""
        for text, expected in (
            ('decrypt = "some"', "is not known here"),
            ("certificates = 0", "is not in 1..200000"),
            ("certificates = 200001", "is not in 1..200000"),
            ('ca_name = ""', "cannot be the name of a CA"),
            (f'ca_name = "{"x" * 56}"', "1 to 55 printable"),
            ('ca_permit = ["*.example.com"]', "is a pattern"),
            ('ca_exclude = [".example.com"]', "is a pattern"),
            ('ca_permit = ["192.0.2.1"]', "is an address"),
            ('decrypt = "all"\nca = "no/where"', 'tls.ca: the folder "no" is not there'),
        ):
            (found,) = self.faults(f"[tls]\n{text}")
            self.assertIn(expected, found)

    def test_client_certificates(self) -> None:
        """A certificate for upstreams is read at once, with the faults of any other; the key is never quoted."""
        shown = '[tls]\nclient_certificates = [{{ host = "{}", certificate = "{}" }}]'
        config = self.load(shown.format("*.API.example.com", "www.pem"))
        (one,) = config.tls.client_certificates
        self.assertEqual(
            (one.host, one.certificate), ("*.api.example.com", f"{self.folder}/www.pem")
        )
        at = "tls.client_certificates[0]."
        for host, file, expected in (
            ("a", "none.pem", f"{at}certificate: cannot read"),
            ("a", "", f"{at}certificate: this cannot be a path"),
            ("*", "www.pem", f'{at}host: "*" would show'),
            ("a.*", "www.pem", f"{at}host: "),
        ):
            (found,) = self.faults(shown.format(host, file))
            self.assertIn(expected, found)
        (self.folder / "half.pem").write_bytes(leaf(WWW).pem.split(b"-----BEGIN PRIVATE")[0])
        (found,) = self.faults(shown.format("a", "half.pem"))
        self.assertIn("holds no private key", found)
        twice = '{ host = "a", certificate = "www.pem" }'
        (found,) = self.faults(f"[tls]\nclient_certificates = [{twice}, {twice}]")
        self.assertIn("client_certificates[1].host: a stands here twice", found)

    def test_without_effect(self) -> None:
        """What has no effect is told."""
        folder = '[gateway]\nstate = "."\n'
        for text, expected in (
            ('never_decrypt = ["a"]', "tls.never_decrypt: has no effect: nothing is decrypted"),
            ("pinned_bypass = true", "tls.pinned_bypass: has no effect"),
            ('decrypt_hosts = ["a"]', "tls.decrypt_hosts: has no effect: nothing"),
            (
                'decrypt = "all"\ndecrypt_hosts = ["a"]',
                "tls.decrypt_hosts: has no effect: everything",
            ),
        ):
            (found,) = self.cautions(f"{folder}[tls]\n{text}")
            self.assertIn(expected, found)
        (found,) = self.cautions(f'{folder}[tls]\ndecrypt = "all"\n{SITE}')
        self.assertIn("tls.decrypt: has no effect: there is no forward proxy", found)
        whole = 'decrypt = "rules"\ndecrypt_hosts = ["a"]\nnever_decrypt = ["b"]'
        self.assertEqual(self.cautions(f"{folder}[tls]\n{whole}"), [])

    def test_folder(self) -> None:
        """Where the CA's folder is left to systemd that is told: started otherwise there is none."""
        (found,) = self.cautions('[tls]\ndecrypt = "all"')
        self.assertIn("tls.ca: the CA is kept in the folder that systemd gives", found)
        self.assertEqual(self.cautions('[tls]\ndecrypt = "all"\nca = "ca"'), [])

    def test_client_certificate_cautions(self) -> None:
        """One that others can read, or that ends, is told."""
        text = '[tls]\nclient_certificates = [{ host = "a", certificate = "www.pem" }]'
        (self.folder / "www.pem").chmod(0o644)
        (found,) = self.cautions(text)
        self.assertIn("everybody on this machine can read the key", found)
        self.put("www.pem", issue("timed", root(), (WWW,), valid=(-3, -1)))
        (found,) = [str(fault) for fault in cautions(self.load(text))]
        self.assertIn("servers will refuse it", found)


class StrictTransportTests(TlsCase):
    """HSTS of a site."""

    def test_forms(self) -> None:
        """A duration is enough; a table says more."""
        secured = SITE + 'certificate = "www.pem"\n'
        self.assertEqual(self.load(secured + 'hsts = "365d"').site[0].hsts.max_age, 31_536_000)
        hsts = self.load(secured + 'hsts = { max_age = "1d", subdomains = true }').site[0].hsts
        self.assertEqual((hsts.max_age, hsts.subdomains, hsts.preload), (86_400, True, False))
        self.assertEqual(self.load(secured).site[0].hsts.max_age, 0)

    def test_without_tls(self) -> None:
        """It is for answers over TLS alone; on a site without it is a fault, and so are halves of it."""
        (found,) = self.faults(SITE + 'hsts = "1d"')
        self.assertIn("site[0].hsts: no listener of this site is TLS", found)
        (found,) = self.faults(SITE + 'certificate = "www.pem"\nhsts = { preload = true }')
        self.assertIn("site[0].hsts.preload: has no effect without max_age", found)
        own = 'listen = [{ address = ":1", tls = { certificate = "www.pem" } }]\n'
        self.load(SITE + own + 'hsts = "1d"')

    def test_preload(self) -> None:
        """What no list would take is told."""
        whole = SITE + f'host = ["{WWW}"]\ncertificate = "www.pem"\n'
        (found,) = self.cautions(whole + 'hsts = { max_age = "30d", preload = true }')
        self.assertIn("for a year", found)
        text = 'hsts = { max_age = "365d", subdomains = true, preload = true }'
        self.assertEqual(self.cautions(whole + text), [])


class FaultTests(TlsCase):
    """What does not go together."""

    def fault(self, text: str) -> str:
        """Give the only fault."""
        (found,) = self.faults(text)
        return found

    def test_certificate(self) -> None:
        """A certificate that cannot be read, or has another's key, is a fault of its setting."""
        found = self.fault(SITE + 'certificate = "none.pem"')
        self.assertIn('gateway.toml:3: site[0].certificate: cannot read "none.pem"', found)
        self.put("other.pem", leaf("other.example.com"))
        found = self.fault(SITE + 'certificate = "www.pem"\nkey = "other.pem"')
        self.assertIn("does not belong to", found)
        found = self.fault('[forward]\nlisten = [{ address = ":1", tls = { certificate = "no" } }]')
        self.assertIn("forward.listen[0].tls.certificate: cannot read", found)
        found = self.fault('[forward]\nlisten = [{ address = ":1", tls = { certificate = "" } }]')
        self.assertIn("this cannot be a path", found)

    def test_alone(self) -> None:
        """What needs a certificate is a fault without one."""
        for key in ("key", "staple", "client_ca"):
            self.assertIn(
                f"site[0].{key}: has no effect without", self.fault(SITE + f'{key} = "www.pem"')
            )

    def test_files(self) -> None:
        """Staples, authorities, trust and lists must be there, and be what they are said to be."""
        whole = SITE + 'certificate = "www.pem"\n'
        self.assertIn("site[0].staple", self.fault(whole + 'staple = "none"'))
        self.assertIn("site[0].client_ca", self.fault(whole + 'client_ca = "none"'))
        self.write("nothing", "a.txt")
        self.assertIn("tls.trust[0]: ", self.fault('[tls]\ntrust = ["a.txt"]'))
        self.assertIn("tls.crl[0]: ", self.fault('[tls]\ncrl = ["a.txt"]'))
        self.assertIn("tls.key_log: ", self.fault('[tls]\nkey_log = "no/keys"'))

    def test_good_files(self) -> None:
        """What is good is no fault."""
        from cryptography.hazmat.primitives.serialization import Encoding

        crl = revocation_list(root(), leaf(WWW)).public_bytes(Encoding.PEM)
        (self.folder / "a.crl").write_bytes(crl)
        self.load('[tls]\ntrust = ["www.pem"]\ncrl = ["a.crl"]')

    def test_versions(self) -> None:
        """The highest version is not below the lowest, nor an exception above the highest."""
        self.assertIn(
            "tls.max_version: is below",
            self.fault('[tls]\nmin_version = "1.3"\nmax_version = "1.2"'),
        )
        found = self.fault(
            '[tls]\nmax_version = "1.2"\nexceptions = [{ host = "a", min_version = "1.3", '
            'reason = "r", until = 2030-01-01 }]'
        )
        self.assertIn("is above tls.max_version", found)
        self.assertIn("is not known here", self.fault('[tls]\nmin_version = "1.1"'))

    def test_plain_beside_tls(self) -> None:
        """A listener is TLS for all of its sites or for none, unless it has a certificate of its own."""
        whole = SITE + f'host = ["{WWW}"]\ncertificate = "www.pem"\n'
        plain = SITE + 'host = ["plain.example.com"]\n'
        found = self.fault(whole + plain)
        self.assertIn("site[1].certificate: 127.0.0.1:8000 is TLS for another site", found)
        own = 'listen = [{ address = "127.0.0.1:8000", tls = { certificate = "www.pem" } }]\n'
        self.load(whole + own + plain + own)

    def test_clients_of_one_listener(self) -> None:
        """Sites of one listener ask for the same certificates: one connection reaches them all."""
        one = SITE + 'host = ["a"]\ncertificate = "www.pem"\n'
        two = SITE + 'host = ["b"]\ncertificate = "www.pem"\n'
        ask = 'client_ca = "www.pem"\n'
        self.assertIn("site[1].client_ca: ", self.fault(one + two + ask))
        self.assertIn("site[1].client_ca: ", self.fault(one + ask + two))
        self.load(one + ask + two + ask)
        elsewhere = 'listen = ["127.0.0.1:8001"]\n'
        self.load(one + two + ask + elsewhere)


class CautionTests(TlsCase):
    """What is valid and probably not meant."""

    def test_nothing(self) -> None:
        """A good certificate for the hosts of its site is nothing to speak of."""
        self.assertEqual(self.cautions(SITE + f'host = ["{WWW}"]\ncertificate = "www.pem"'), [])

    def test_names(self) -> None:
        """Hosts that the certificate is not for are named; "*" is none."""
        (found,) = self.cautions(
            SITE + f'host = ["{WWW}", "b.example.com", "*"]\ncertificate = "www.pem"'
        )
        self.assertIn("clients will refuse it for b.example.com: it is for www.example.com", found)

    def test_rights(self) -> None:
        """A key that everybody can read is named with the command that mends it."""
        (self.folder / "www.pem").chmod(0o644)
        (found,) = self.cautions(SITE + 'certificate = "www.pem"')
        self.assertIn("everybody on this machine can read the key", found)
        self.assertIn("chmod o=", found)

    def test_time(self) -> None:
        """A certificate whose time is over, has not come, or ends soon is told, and does not keep the gateway down."""
        for valid, expected in (
            ((-3, -1), "expired on"),
            ((2, 90), "is not valid before"),
            ((-3, 20), "expires on"),
        ):
            self.put("www.pem", issue("timed", root(), (WWW,), valid=valid))
            config = self.load(SITE + 'certificate = "www.pem"')
            (found,) = [str(fault) for fault in cautions(config)]
            self.assertIn(expected, found)
        self.put("www.pem", issue("timed", root(), (WWW,), valid=(-3, 90)))
        self.assertEqual(cautions(self.load(SITE + 'certificate = "www.pem"')), [])

    def test_without_files(self) -> None:
        """Who asks to have no file looked at hears only of settings."""
        self.put("www.pem", issue("timed", root(), (WWW,), valid=(-3, -1)))
        text = SITE + 'certificate = "www.pem"\nverify_host = "a.example.com"'
        (found,) = cautions(self.load(text), with_files=False)
        self.assertEqual(found.path, "site[0].verify_host")
        self.assertEqual(len(cautions(self.load(text))), 2)

    def test_key_log(self) -> None:
        """A key log is always told."""
        (found,) = self.cautions('[tls]\nkey_log = "keys"')
        self.assertIn("can read all TLS traffic", found)

    def test_old_exception(self) -> None:
        """An exception that has ended is told."""
        text = '[tls]\nexceptions = [{{ host = "a", ciphers = "compatible", reason = "r", until = {} }}]'
        (found,) = self.cautions(text.format("2020-01-01"))
        self.assertIn("ended on 2020-01-01", found)
        today = datetime.datetime.now(datetime.UTC).date()
        self.assertEqual(self.cautions(text.format(today + datetime.timedelta(1))), [])

    def test_verified_host(self) -> None:
        """A name to verify needs an origin that is verified."""
        (found,) = self.cautions(SITE + 'verify_host = "a.example.com"')
        self.assertIn("no origin is https", found)
        text = '[[site]]\norigins = ["https://10.0.0.1"]\nverify_host = "a.example.com"'
        self.assertEqual(self.cautions(text), [])


class ImportTests(FilesTestCase):
    """What is not used costs nothing."""

    def test_without_tls(self) -> None:
        """A configuration without TLS imports none of its libraries."""
        import subprocess

        script = (
            "import sys\nfrom gateway.config.load import load\n"
            "from gateway.config.cautions import cautions\ncautions(load())\n"
            "print([m for m in ('OpenSSL', 'cryptography') if m in sys.modules])"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
        self.assertEqual(done.stdout.strip(), b"[]")
