"""The address of a progress page is a secret between one client and one download."""

from __future__ import annotations

from gateway.testing.peers import request
from tests.scenarios.progress import CONTENT, ProgressTestCase
from tests.scenarios.support import URL


class TokenTests(ProgressTestCase):
    """Who gets what is under the page's address."""

    def test_once(self) -> None:
        """The file is handed over once; then the address says that it is over."""
        gateway, origin, client, scanner = self.showing()
        path = self.begun(gateway, origin, client)
        scanner.passes()
        gateway.settle()
        self.assertEqual(self.asked(gateway, path + "get/x").content, CONTENT)
        for what in ("get/x", "status", ""):
            self.assertEqual(self.asked(gateway, path + what).status, 410)

    def test_bound(self) -> None:
        """A token is worth nothing to another client, at another site, or with a letter changed."""
        gateway, origin, client, scanner = self.showing()
        gateway.names.known["other.example.com"] = ("198.51.100.1",)
        path = self.begun(gateway, origin, client)
        scanner.passes()
        gateway.settle()
        last = "A" if path[-2] != "A" else "B"
        for wrong in (
            path[:-2] + last + "/",
            "/.gateway-scan-/",
            "/.gateway-scan-x",
            "/.gateway-scan-" + "é" * 9,
        ):
            wrong = wrong.encode("latin-1").decode("latin-1").replace("é", "%E9")
            for what in ("", "status", "get/x"):
                self.assertEqual(self.asked(gateway, wrong + what).status, 404)
        self.assertEqual(self.asked(gateway, path + "get/x", address="192.0.2.8").status, 404)
        other = gateway.client()
        other.send(request(b"http://other.example.com" + path.encode() + b"get/x"))
        self.assertEqual(other.response().status, 404)
        self.assertEqual(self.asked(gateway, path + "nothing").status, 404)
        # All of that took nothing from whom it belongs to.
        self.assertEqual(self.asked(gateway, path + "get/x").content, CONTENT)
        self.assertEqual(len(origin.requests), 1)

    def test_unguessable(self) -> None:
        """Tokens are long and never the same."""
        gateway, origin, client, scanner = self.showing()
        paths = set()
        for _ in range(5):
            paths.add(self.begun(gateway, origin, gateway.client()))
        self.assertEqual(len(paths), 5)
        self.assertTrue(all(len(path) > len("/.gateway-scan-/") + 30 for path in paths))

    def test_methods(self) -> None:
        """Only GET gets anything, and HEAD where it takes nothing away."""
        gateway, origin, client, scanner = self.showing()
        path = self.begun(gateway, origin, client).encode()
        scanner.passes()
        gateway.settle()
        for method, what, status in (
            (b"POST", b"status", 405),
            (b"HEAD", b"get/x", 405),
            (b"HEAD", b"", 200),
            (b"DELETE", b"", 405),
        ):
            other = gateway.client()
            content = b"x" if method == b"POST" else None
            other.send(request(URL[:-1] + path + what, method=method, content=content))
            gateway.settle()
            self.assertEqual(other.response(method).status, status)
        self.assertEqual(self.asked(gateway, path.decode() + "get/x").content, CONTENT)

    def test_never_sent_on(self) -> None:
        """Nothing under these paths ever goes to an origin, also where no page is ever shown."""
        for settings in ({}, {"scan.large_file": {"mode": "hold"}}):
            gateway = self.forward(settings)
            origin = gateway.origin()
            for path in ("/.gateway-scan-abc/", "/.gateway-scan-", "/.gateway-scan-x/status?a=b"):
                self.assertEqual(self.asked(gateway, path).status, 404)
            self.assertEqual(origin.connections, [])
        gateway = self.reverse()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(b"/.gateway-scan-abc/status"))
        self.assertEqual((client.response().status, origin.connections), (404, []))

    def test_stranger(self) -> None:
        """Who may not use the proxy gets nothing from there either."""
        gateway, origin, client, scanner = self.showing()
        path = self.begun(gateway, origin, client)
        self.assertEqual(self.asked(gateway, path, address="203.0.113.9").status, 403)
