"""Location and its kin are rewritten where the site says so, and nowhere else (S21)."""

from __future__ import annotations

from gateway.testing.peers import request, response
from tests.scenarios.support import URL, ScenarioTestCase

MOVED = b"302 Found"


class LocationTests(ScenarioTestCase):
    """References to the origin."""

    def _answered(self, *lines: bytes, **site: object) -> dict[bytes, bytes]:
        gateway = self.reverse({"origins": ["http://198.51.100.1:8000"], **site})
        gateway.origin(port=8000, reply=response(b"", *lines, status=MOVED))
        client = gateway.client()
        client.send(request(b"/", b"Host: www.example.com:8080"))
        return dict(client.response().fields)

    def test_rewritten(self) -> None:
        """What names the origin names the host that the client asked."""
        found = self._answered(
            b"Location: http://198.51.100.1:8000/a?b#c",
            b"Content-Location: http://198.51.100.1:8000/d",
            b"Refresh: 5; url=http://198.51.100.1:8000/e",
            rewrite_location=True,
        )
        self.assertEqual(found[b"location"], b"http://www.example.com:8080/a?b#c")
        self.assertEqual(found[b"content-location"], b"http://www.example.com:8080/d")
        self.assertEqual(found[b"refresh"], b"5; url=http://www.example.com:8080/e")

    def test_other_places(self) -> None:
        """What names another place, or none, stays."""
        for value in (
            b"http://198.51.100.1/a",
            b"https://198.51.100.1:8000/",
            b"/a",
            b"//198.51.100.1:8000/",
            b"http://other.example.com/",
        ):
            self.assertEqual(
                self._answered(b"Location: " + value, rewrite_location=True)[b"location"], value
            )

    def test_by_rule_only(self) -> None:
        """Without the setting nothing is touched."""
        value = b"http://198.51.100.1:8000/a"
        self.assertEqual(self._answered(b"Location: " + value)[b"location"], value)

    def test_forward(self) -> None:
        """The forward proxy never touches it."""
        gateway = self.forward()
        gateway.origin(reply=response(b"", b"Location: http://198.51.100.1/", status=MOVED))
        client = gateway.client()
        client.send(request(URL))
        self.assertEqual(client.response().get("location"), b"http://198.51.100.1/")
