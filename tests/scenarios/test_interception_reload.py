"""Decrypted connections and a configuration that changes under them, up to decryption that is off."""

from __future__ import annotations

from tests.scenarios.interception import GET, InterceptionTestCase, authority_der
from tests.scenarios.veils import TlsClient


class ReloadTests(InterceptionTestCase):
    """A configuration that changes under decrypted connections."""

    def test_goes_on(self) -> None:
        """One that may still be decrypted goes on, with the same certificate."""
        gateway = self.intercepting()
        self.tls_origin(gateway)
        client = self.client(gateway)
        client.send(GET)
        gateway.reload({"limits.fields": 150})
        client.send(GET)
        self.assertEqual([found.status for found in client.responses()], [200, 200])
        other = self.client(gateway)
        other.send(GET)
        self.assertEqual(other.response().status, 200, other.veil.failed)

    def test_off(self) -> None:
        """With decryption switched off, or for this host, it ends when nothing runs."""
        for change in ({"tls.decrypt": "none"}, {"tls.never_decrypt": ["origin.example.com"]}):
            gateway = self.intercepting()
            self.tls_origin(gateway)
            client = self.client(gateway)
            client.send(GET)
            gateway.reload(change)
            self.assertTrue(client.veil.ended)
            self.assertEqual(client.raw.closed, "fin")

    def test_off_before_the_first_request(self) -> None:
        """A client that has only just shaken hands gets its one answer."""
        gateway = self.intercepting()
        self.tls_origin(gateway)
        client = self.client(gateway)
        gateway.reload({"tls.never_decrypt": ["origin.example.com"]})
        self.assertEqual(client.raw.closed, "")
        client.send(GET)
        self.assertEqual(client.response().status, 200)
        self.assertEqual(client.response().get("connection"), b"close")
        self.assertEqual(client.raw.closed, "fin")

    def test_drain(self) -> None:
        """The end of the gateway ends idle ones at once."""
        gateway = self.intercepting()
        self.tls_origin(gateway)
        client = self.client(gateway)
        client.send(GET)
        gateway.begin_stop()
        self.assertTrue(client.veil.ended)

    def test_off_makes_nothing(self) -> None:
        """Without decryption no CA is made and nothing is looked at."""
        gateway = self.intercepting({"tls.decrypt": "none"})
        self.tls_origin(gateway)
        client = TlsClient(gateway, authority_der())
        client.send(GET)
        self.assertEqual(client.response().status, 200)
        self.assertFalse((self.folder / "ca").exists())
        client.raw.reset()
        self.assertEqual(gateway.line["tls"]["why"], "off")
