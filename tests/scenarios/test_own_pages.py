"""C{http://gateway.local/}: what clients of the forward proxy get from the gateway itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gateway.testing.harness import CLIENT, Harness
from gateway.testing.messages import Message
from gateway.testing.peers import request
from tests.scenarios.support import ScenarioTestCase

OWN = b"http://gateway.local/"


class OwnSiteTests(ScenarioTestCase):
    """The site of a gateway that decrypts."""

    def decrypting(self, settings: Mapping[str, object] | None = None) -> Harness:
        """Start a gateway that decrypts, with a CA of its own."""
        folder = Path(self.mktemp()).absolute()
        return self.forward({"tls.decrypt": "all", "tls.ca": str(folder), **(settings or {})})

    def asked(
        self, gateway: Harness, data: bytes, method: bytes = b"GET", client: str = CLIENT
    ) -> Message:
        """Ask on a connection of its own."""
        asking = gateway.client(client)
        asking.send(data)
        return asking.response(method)

    def test_page_and_file(self) -> None:
        """Page and certificate come on one connection, nobody is asked for the name, and each is in the log."""
        gateway = self.decrypting()
        client = gateway.client()
        for url in (OWN, OWN + b"gateway-ca.pem", b"http://GATEWAY.local.:80/gateway-ca.pem"):
            client.send(request(url))
        page, *files = client.responses()
        self.assertEqual((page.status, page.get("cache-control")), (200, b"no-store"))
        self.assertIn(b"Install the gateway's certificate", page.content)
        for file in files:
            self.assertIn(b"BEGIN CERTIFICATE", file.content)
        self.assertEqual([line["status"] for line in gateway.log], [200] * 3)
        self.assertEqual(gateway.names.asked, [])

    def test_head(self) -> None:
        """HEAD gets a head alone."""
        found = self.asked(self.decrypting(), request(OWN, method=b"HEAD"), b"HEAD")
        self.assertEqual((found.status, found.content), (200, b""))

    def test_nothing_there(self) -> None:
        """Other paths and methods get a page that says so."""
        gateway = self.decrypting()
        self.assertEqual(self.asked(gateway, request(OWN + b"gateway-ca.key")).status, 404)
        for content in (None, b"x" * 1000):
            found = self.asked(gateway, request(OWN, method=b"PUT", content=content))
            self.assertEqual((found.status, found.get("allow")), (405, b"GET, HEAD"))

    def test_stranger(self) -> None:
        """Who may not use the proxy gets nothing from there either."""
        found = self.asked(self.decrypting(), request(OWN), client="203.0.113.9")
        self.assertEqual(found.status, 403)
        self.assertNotIn(b"BEGIN CERTIFICATE", found.content)

    def test_no_tls(self) -> None:
        """By CONNECT there is no such host: nobody trusts a certificate for it yet."""
        tunnel = request(b"gateway.local:443", method=b"CONNECT")
        self.assertEqual(self.asked(self.decrypting(), tunnel, b"CONNECT").status, 502)

    def test_parent(self) -> None:
        """No parent is asked for it, whatever goes to one."""
        gateway = self.decrypting({"forward.parent": [{"url": "http://192.0.2.3:3128"}]})
        self.assertEqual(self.asked(gateway, request(OWN)).status, 200)

    def test_nothing_decrypted(self) -> None:
        """A gateway that decrypts nothing has no such site: the name is looked up like any other."""
        gateway = self.forward()
        self.assertEqual(self.asked(gateway, request(OWN)).status, 502)
        self.assertEqual(gateway.names.asked, ["gateway.local"])
