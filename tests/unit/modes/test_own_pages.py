"""The gateway's own site."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from twisted.trial.unittest import SynchronousTestCase

from gateway.api.messages import Response
from gateway.message.target import parse_absolute
from gateway.modes.own_pages import OWN_HOST, own_response
from gateway.net.authority import Published
from gateway.pipeline.ca_formats import FORMATS, export, fingerprint
from tests.unit.pipeline.builders import transaction

CA = Published(
    "Gateway CA 01234567",
    b"the certificate",
    True,
    datetime(2027, 1, 31, tzinfo=UTC),
    datetime(2037, 1, 31, tzinfo=UTC),
    True,
)


class OwnPageTests(SynchronousTestCase):
    """L{own_response}."""

    def never_stored(self, response: Response) -> Response:
        """Nobody may store what is answered here."""
        self.assertEqual(response.fields.get("Cache-Control"), "no-store")
        self.assertEqual(response.fields.get("X-Content-Type-Options"), "nosniff")
        return response

    def test_host(self) -> None:
        """The name is what a request's target gives for it, however it is spelt."""
        for url in (
            b"http://gateway.local/",
            b"http://GATEWAY.local./",
            b"http://gateway.local:80/",
        ):
            self.assertEqual(parse_absolute(url, b"GET")[1:3], (OWN_HOST, 80))

    def test_page(self) -> None:
        """The page is at the root, by GET and HEAD, whatever the query."""
        for method in ("GET", "HEAD"):
            for path in ("/", "/ca", "/?from=mail"):
                response = self.never_stored(own_response(method, path, [CA]))
                self.assertEqual(response.status, 200)
                self.assertIn(fingerprint(CA).encode(), response.content)

    def test_files(self) -> None:
        """So is each file that it offers."""
        for one in FORMATS.values():
            response = self.never_stored(own_response("GET", f"/{one.file}", [CA]))
            self.assertEqual((response.status, response.content), (200, export(one.name, [CA])))

    def test_no_ca(self) -> None:
        """While there is no CA the page says so and there is no file."""
        self.assertIn(b"This gateway has no CA", own_response("GET", "/", ()).content)
        for one in FORMATS.values():
            self.assertEqual(own_response("GET", f"/{one.file}", ()).status, 404)

    def test_not_found(self) -> None:
        """Elsewhere is nothing, and a page says so."""
        for path in ("/readyz", "/ca/../etc/passwd", "//", "", "/gateway-ca.key", "/%2e"):
            response = self.never_stored(own_response("GET", path, [CA]))
            self.assertEqual(response.status, 404)
            self.assertIn(b"There is nothing here", response.content)

    def test_other_methods(self) -> None:
        """Nothing can be changed here, and whoever tries is told what can be done."""
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "get", "BREW"):
            for path in ("/", "/nowhere"):
                response = self.never_stored(own_response(method, path, [CA]))
                self.assertEqual(response.status, 405)
                self.assertEqual(response.fields.get("Allow"), "GET, HEAD")

    def test_with_a_transaction(self) -> None:
        """The pages of errors name the transaction, and are JSON for who prefers that."""
        txn = transaction()
        txn.request.fields.set("Accept", "application/json")
        response = own_response("GET", "/nowhere", [CA], txn)
        problem = json.loads(response.content)
        self.assertEqual((problem["status"], problem["request_id"]), (404, txn.id))
