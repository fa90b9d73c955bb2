"""Tests of L{gateway.net.certificate_store}: files that change, are broken, and expire."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.events import Event, Severity
from gateway.config.faults import BadValue
from gateway.config.tls import CertificateFiles
from gateway.net.certificate_store import LOOK_SECONDS, CertificateStore
from tests.unit.net.certificates import NOW, Made, issue, leaf, root
from tests.unit.net.tls_ends import response

WWW = "www.example.com"


class StoreCase(SynchronousTestCase):
    """A folder with a certificate."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.path = self.folder / "www.pem"
        self.events: list[Event] = []
        self.wall = NOW.timestamp()
        self.put(leaf(WWW))

    def put(self, made: Made, name: str = "www.pem") -> None:
        """Write certificate, key and issuer as one file, in the place of what was there."""
        from cryptography.hazmat.primitives.serialization import Encoding

        new = self.folder / "new"
        new.write_bytes(made.pem + root().certificate.public_bytes(Encoding.PEM))
        os.replace(new, self.folder / name)

    def store(
        self, path: Path | None = None, before: CertificateStore | None = None
    ) -> CertificateStore:
        """Read the files."""
        return CertificateStore(
            [CertificateFiles(str(path or self.path))],
            self.events.append,
            now=lambda: self.wall,
            before=before,
        )

    def serial(self, store: CertificateStore, name: str = WWW) -> int:
        """Give the serial number of what is shown."""
        found = store.certificate_for(name)
        assert found is not None
        return found.chain[0].get_serial_number()

    def names(self) -> list[str]:
        """Name the events."""
        return [event.name for event in self.events]


class ExchangeTests(StoreCase):
    """Files that change."""

    def test_unchanged(self) -> None:
        """What has not changed stays the very same object, with its contexts."""
        store = self.store()
        found = store.certificate_for(WWW)
        store.look()
        self.assertIs(store.certificate_for(WWW), found)
        self.assertEqual((store.exchanged, self.names()), (0, ["certificate_expires"]))

    def test_exchanged(self) -> None:
        """A new file is shown after the next look, once a minute, and an event says so."""
        clock = Clock()
        store = self.store()
        store.start(clock)
        new = leaf(WWW, "new.example.com")
        self.put(new)
        clock.advance(LOOK_SECONDS - 1)
        self.assertEqual(self.serial(store), leaf(WWW).certificate.serial_number)
        clock.advance(1)
        self.assertEqual(self.serial(store), new.certificate.serial_number)
        self.assertIn("certificate_exchanged", self.names())
        store.stop()
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_refused(self) -> None:
        """A bad new file is refused with one event, and the one before goes on."""
        store = self.store()
        for content in (b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
            self.events.clear()
            self.path.write_bytes(content)
            store.look()
            store.look()
            self.assertEqual(self.names().count("certificate_refused"), 1)
            self.assertEqual(self.serial(store), leaf(WWW).certificate.serial_number)
        self.path.unlink()
        store.look()
        self.assertEqual(self.serial(store), leaf(WWW).certificate.serial_number)

    def test_mended(self) -> None:
        """After a refusal the next good file is taken."""
        store = self.store()
        self.path.write_bytes(b"")
        store.look()
        new = leaf(WWW, "new.example.com")
        self.put(new)
        store.look()
        self.assertEqual(self.serial(store), new.certificate.serial_number)

    def test_key_later(self) -> None:
        """While the key of another file has not been exchanged yet the pair before goes on."""
        from cryptography.hazmat.primitives.serialization import Encoding

        old, new = leaf(WWW), leaf(WWW, "new.example.com")
        key_of = lambda made: made.pem[made.pem.index(b"-----BEGIN PRIVATE") :]  # noqa: E731
        cert, key = self.folder / "split.crt", self.folder / "split.key"
        cert.write_bytes(old.certificate.public_bytes(Encoding.PEM))
        key.write_bytes(key_of(old))
        store = self.store(cert)
        cert.write_bytes(new.certificate.public_bytes(Encoding.PEM))
        store.look()
        self.assertEqual(self.serial(store), old.certificate.serial_number)
        self.assertIn("certificate_refused", self.names())
        key.write_bytes(key_of(new))
        store.look()
        self.assertEqual(self.serial(store), new.certificate.serial_number)

    def test_expired_successor(self) -> None:
        """A file that is over does not take the place of one that is not."""
        store = self.store()
        self.put(issue("over", root(), (WWW,), valid=(-2, -0.5)))
        store.look()
        self.assertEqual(self.serial(store), leaf(WWW).certificate.serial_number)
        self.assertIn("expired on", self.events[0].text)

    def test_folder(self) -> None:
        """Of a folder every certificate is there; one that is added is found."""
        store = self.store(self.folder)
        self.assertEqual(self.serial(store, "b.example.com"), leaf(WWW).certificate.serial_number)
        self.put(leaf("b.example.com"), "b.pem")
        store.look()
        self.assertEqual(
            self.serial(store, "b.example.com"), leaf("b.example.com").certificate.serial_number
        )

    def test_folder_in_part(self) -> None:
        """Of a folder in which one file has changed the other certificates stay the objects that they are."""
        self.put(leaf("b.example.com"), "b.pem")
        store = self.store(self.folder)
        kept = store.certificate_for(WWW)
        new = leaf("b.example.com", "c.example.com")
        self.put(new, "b.pem")
        store.look()
        self.assertIs(store.certificate_for(WWW), kept)
        self.assertEqual(self.serial(store, "b.example.com"), new.certificate.serial_number)

    def test_failing_listener(self) -> None:
        """A fault of whoever is told of events does not end the looking."""
        clock = Clock()
        failing = [True]

        def tell(event: Event) -> None:
            if failing[0]:
                raise RuntimeError("no mail")

        files = [CertificateFiles(str(self.path))]
        store = CertificateStore(files, tell, now=lambda: self.wall)
        store.start(clock)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        failing[0] = False
        self.put(leaf(WWW, "new.example.com"))
        clock.advance(LOOK_SECONDS)
        self.assertEqual(store.exchanged, 1)
        store.stop()

    def test_start_fails(self) -> None:
        """At the start, and in a reload, a bad file is a fault."""
        self.path.write_bytes(b"nothing")
        self.assertRaises(BadValue, self.store)

    def test_reload(self) -> None:
        """A store after a reload takes over what has not changed, and does not tell again what was told."""
        before = self.store()
        before.look()
        told = self.names()
        after = self.store(before=before)
        after.look()
        self.assertIs(after.certificate_for(WWW), before.certificate_for(WWW))
        self.assertEqual(self.names(), told)
        self.put(leaf(WWW, "new.example.com"))
        newest = self.store(before=after)
        self.assertIsNot(newest.certificate_for(WWW), before.certificate_for(WWW))


class ExpiryTests(StoreCase):
    """Certificates near their end."""

    def test_thresholds(self) -> None:
        """30, 7 and 1 days before, and when it is over, one event each says so."""
        made = issue("long", root(), (WWW,), valid=(-1, 60))
        self.put(made)
        store = self.store()
        days = []
        for day in range(62):
            self.wall = NOW.timestamp() + day * 86400 + 60
            self.events.clear()
            store.look()
            store.look()
            if self.events:
                (event,) = self.events
                self.assertEqual(
                    (event.name, event.subject), ("certificate_expires", str(self.path))
                )
                days.append((60 - day, event.severity))
        self.assertEqual(
            days,
            [
                (30, Severity.WARNING),
                (7, Severity.WARNING),
                (1, Severity.ERROR),
                (0, Severity.ERROR),
            ],
        )

    def test_late(self) -> None:
        """A gateway that starts three days before says it once."""
        self.put(issue("soon", root(), (WWW,), valid=(-1, 3)))
        self.wall -= 60
        store = self.store()
        store.look()
        store.look()
        (event,) = self.events
        self.assertEqual(event.values["days"], "3")
        self.assertEqual(event.values["names"], WWW)


class StapleTests(StoreCase):
    """OCSP responses beside the certificate."""

    def staple(self, store: CertificateStore) -> bytes | None:
        """Give what is stapled."""
        found = store.certificate_for(WWW)
        assert found is not None
        return found.staple

    def test_beside(self) -> None:
        """A fresh response beside the certificate is stapled; one of another certificate is not."""
        data = response(leaf(WWW))
        beside = self.folder / "www.pem.ocsp"
        beside.write_bytes(data)
        self.assertEqual(self.staple(self.store()), data)
        beside.write_bytes(response(leaf("other.example.com")))
        self.assertIsNone(self.staple(self.store()))
        beside.write_bytes(b"garbage")
        self.assertIsNone(self.staple(self.store()))

    def test_comes_and_ends(self) -> None:
        """One that comes later is taken, with the contexts that were there; its time over, it is left out."""
        store = self.store()
        found = store.certificate_for(WWW)
        assert found is not None
        self.assertIsNone(found.staple)
        data = response(leaf(WWW))
        (self.folder / "www.pem.ocsp").write_bytes(data)
        store.look()
        self.assertEqual(self.staple(store), data)
        self.wall += 2 * 86400
        store.look()
        self.assertIsNone(self.staple(store))
