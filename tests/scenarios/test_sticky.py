"""A client with the sticky cookie stays with its origin, and the origin never sees the cookie."""

from __future__ import annotations

from gateway.testing.harness import Harness
from gateway.testing.peers import ScriptedClient, request, response
from tests.scenarios.support import ScenarioTestCase

SITE: dict[str, object] = {
    "origins": ["http://198.51.100.1", "http://198.51.100.2"],
    "sticky": "cookie",
}


class StickyTests(ScenarioTestCase):
    """Two origins."""

    def _started(self, **more: object) -> tuple[Harness, ScriptedClient]:
        gateway = self.reverse({**SITE, **more})
        for number in (1, 2):
            gateway.origin(f"198.51.100.{number}", reply=response(b"%d" % number))
        return gateway, gateway.client()

    def test_given(self) -> None:
        """The first answer brings the cookie; those to its bearer don't."""
        _, client = self._started()
        client.send(request(b"/"))
        line = client.responses()[0].get("set-cookie") or b""
        self.assertTrue(line.startswith(b"gateway-origin="))
        self.assertNotIn(b"198.51", line)
        client.send(request(b"/", b"Cookie: " + line.partition(b";")[0]))
        self.assertEqual(client.responses()[1].get("set-cookie"), None)

    def test_kept(self) -> None:
        """Whoever brings it comes to the same origin each time."""
        _, client = self._started()
        client.send(request(b"/"))
        cookie = (client.responses()[0].get("set-cookie") or b"").partition(b";")[0]
        for _ in range(4):
            client.send(request(b"/", b"Cookie: x=y; " + cookie))
        self.assertEqual(len({found.content for found in client.responses()}), 1)

    def test_others_take_turns(self) -> None:
        """Whoever does not is distributed."""
        _, client = self._started()
        for _ in range(4):
            client.send(request(b"/"))
        self.assertEqual(
            sorted(found.content for found in client.responses()), [b"1", b"1", b"2", b"2"]
        )

    def test_not_for_the_origin(self) -> None:
        """The origin gets the other cookies of the line, and no line if there is no other."""
        gateway = self.reverse({**SITE, "origins": ["http://198.51.100.1"]})
        origin = gateway.origin(reply=response())
        client = gateway.client()
        client.send(request(b"/"))
        cookie = (client.responses()[0].get("set-cookie") or b"").partition(b";")[0]
        client.send(request(b"/", b"Cookie: a=b; " + cookie + b"; c=d"))
        client.send(request(b"/", b"Cookie: " + cookie))
        self.assertEqual(
            [found.get("cookie") for found in origin.requests], [None, b"a=b; c=d", None]
        )

    def test_forged(self) -> None:
        """A cookie that names no origin is as none, and replaced."""
        _, client = self._started()
        client.send(request(b"/", b"Cookie: gateway-origin=0123456789abcdef"))
        self.assertIsNotNone(client.response().get("set-cookie"))

    def test_origin_that_is_gone(self) -> None:
        """Whose origin can't be reached goes to another one, and gets its cookie."""
        gateway, client = self._started()
        client.send(request(b"/", b"Connection: close"))
        first = client.response()
        cookie = (first.get("set-cookie") or b"").partition(b";")[0]
        for station in gateway.network.stations.values():
            for connection in station.connections:  # type: ignore[attr-defined]
                station.admitting = False  # type: ignore[attr-defined]
                connection.close()
        client = gateway.client()
        client.send(request(b"/", b"Cookie: " + cookie))
        self.assertNotEqual(client.response().content, first.content)
        self.assertEqual(client.response().status, 200)
        self.assertIsNotNone(client.response().get("set-cookie"))

    def test_our_own_pages(self) -> None:
        """An answer that no origin gave binds to none."""
        gateway, client = self._started(retries=0)
        for station in gateway.network.stations.values():
            station.admitting = False  # type: ignore[attr-defined]
        client.send(request(b"/"))
        self.assertEqual((client.response().status, client.response().all("set-cookie")), (502, []))
