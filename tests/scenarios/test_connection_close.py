"""Connection: close on either side, and who may use a connection again (RFC 9112 section 9.6)."""

from __future__ import annotations

from gateway.testing.peers import request, response
from tests.scenarios.support import URL, ScenarioTestCase


class ClientSideTests(ScenarioTestCase):
    """What a client says."""

    def test_client_asks(self) -> None:
        """A client that says close gets the answer, which says so too, then the close."""
        gateway = self.forward()
        origin = gateway.origin(reply=response(b"abc"))
        client = gateway.client()
        client.send(request(URL, b"Connection: close"))
        self.assertEqual(
            (client.response().content, client.response().get("connection")), (b"abc", b"close")
        )
        self.assertEqual(client.closed, "fin")
        self.assertEqual(origin.connection.closed, "")

    def test_any_spelling(self) -> None:
        """In any case, among other options."""
        gateway = self.forward()
        gateway.origin(reply=response())
        client = gateway.client()
        client.send(request(URL, b"Connection: X-A, CLOSE"))
        self.assertEqual(client.closed, "fin")

    def test_proxy_connection(self) -> None:
        """Proxy-Connection means nothing: it never was a field of HTTP (RFC 9112 section C.2.2)."""
        gateway = self.forward()
        gateway.origin(reply=response())
        client = gateway.client()
        client.send(request(URL, b"Proxy-Connection: close"))
        self.assertEqual(client.closed, "")

    def test_with_an_error_page(self) -> None:
        """So it is with an answer of ours."""
        gateway = self.forward()
        client = gateway.client()
        client.send(request(b"http://nowhere.example.com/", b"Connection: close"))
        self.assertEqual((client.response().get("connection"), client.closed), (b"close", "fin"))

    def test_kept(self) -> None:
        """Without it the connection is kept and nothing is said."""
        gateway = self.forward()
        gateway.origin(reply=response())
        client = gateway.client()
        client.send(request(URL))
        self.assertEqual((client.response().get("connection"), client.closed), (None, ""))


class OriginSideTests(ScenarioTestCase):
    """What an origin says."""

    def test_origin_asks(self) -> None:
        """An origin that says close is not used again; the client's connection is another matter."""
        gateway = self.forward()
        origin = gateway.origin(reply=response(b"abc", b"Connection: close"))
        client = gateway.client()
        client.send(request(URL) + request(URL))
        self.assertEqual([found.content for found in client.responses()], [b"abc", b"abc"])
        self.assertEqual([found.get("connection") for found in client.responses()], [None, None])
        self.assertEqual(len(origin.connections), 2)
        self.assertEqual([found.closed for found in origin.connections], ["fin", "fin"])

    def test_kept_for_everybody(self) -> None:
        """A kept connection serves whoever asks next."""
        gateway = self.forward()
        origin = gateway.origin(reply=response(b"abc"))
        gateway.client().send(request(URL))
        gateway.client().send(request(URL))
        self.assertEqual(len(origin.connections), 1)

    def test_not_shared_between_destinations(self) -> None:
        """But only for the same host and port."""
        gateway = self.forward()
        origin, other = (
            gateway.origin(reply=response()),
            gateway.origin(port=8000, reply=response()),
        )
        client = gateway.client()
        client.send(request(URL) + request(b"http://origin.example.com:8000/"))
        gateway.names.known["alias.example.com"] = ("198.51.100.1",)
        client.send(request(b"http://alias.example.com/"))
        self.assertEqual((len(origin.connections), len(other.connections)), (2, 1))

    def test_bytes_that_nobody_asked_for(self) -> None:
        """Bytes on an idle connection end it: they could be taken for the next answer."""
        gateway = self.forward()
        origin = gateway.origin(reply=response(b"abc"))
        client = gateway.client()
        client.send(request(URL))
        origin.send(response(b"evil"))
        client.send(request(URL))
        self.assertEqual([found.content for found in client.responses()], [b"abc", b"abc"])
        self.assertEqual(len(origin.connections), 2)

    def test_bytes_behind_an_answer(self) -> None:
        """So do bytes that come together with an answer, behind it."""
        gateway = self.forward()
        origin = gateway.origin(reply=response(b"abc") + response(b"evil"))
        client = gateway.client()
        client.send(request(URL) + request(URL))
        self.assertEqual([found.content for found in client.responses()], [b"abc", b"abc"])
        self.assertEqual(len(origin.connections), 2)

    def test_connection_closed_by_the_origin(self) -> None:
        """A kept connection that its origin closes is let go."""
        gateway = self.forward()
        origin = gateway.origin(reply=response(b"abc"))
        client = gateway.client()
        client.send(request(URL))
        origin.connection.close()
        self.assertEqual(gateway.upstream_connections, 0)
        client.send(request(URL))
        self.assertEqual(len(client.responses()), 2)
