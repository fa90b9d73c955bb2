"""Pipelined requests are answered in their order, one after the other (RFC 9112 section 9.3.2)."""

from __future__ import annotations

from gateway.testing.peers import chunked, request, response
from tests.scenarios.support import URL, ScenarioTestCase


class PipeliningTests(ScenarioTestCase):
    """Several requests before the first answer."""

    def test_in_one_piece(self) -> None:
        """Requests that come together are answered in order."""
        gateway = self.forward()
        origin = gateway.origin(reply=lambda asked: response(asked.target))
        client = gateway.client()
        client.send(b"".join(request(URL + b"%d" % number) for number in range(20)))
        self.assertEqual(
            [found.content for found in client.responses()],
            [b"/%d" % number for number in range(20)],
        )
        self.assertEqual(len(origin.connections), 1)

    def test_in_pieces_of_their_own(self) -> None:
        """A request that comes while another one runs waits for that one's end."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL + b"1"))
        client.send(request(URL + b"2"))
        client.send(request(URL + b"3"))
        for number in range(3):
            self.assertEqual(len(origin.requests), number + 1)
            origin.send(response(b"%d" % number))
        self.assertEqual([found.content for found in client.responses()], [b"0", b"1", b"2"])

    def test_cut_anywhere(self) -> None:
        """Where the bytes of pipelined requests are cut makes no difference."""
        whole = (
            request(URL + b"1")
            + request(URL + b"2", method=b"POST", content=b"abc")
            + request(URL + b"3")
        )
        gateway = self.forward()
        origin = gateway.origin()
        for cut in range(1, len(whole), 7):
            client = gateway.client()
            client.send(whole[:cut])
            client.send(whole[cut:])
            for _ in range(3):
                origin.send(response(origin.connection.requests[-1].target))
            self.assertEqual(
                [found.content for found in client.responses()], [b"/1", b"/2", b"/3"], cut
            )
            self.assertEqual(len(origin.connection.requests), 3, cut)
            client.close()
            origin.connection.close()

    def test_byte_by_byte_while_another_runs(self) -> None:
        """A request that comes byte by byte behind a running one is read when its turn comes."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL + b"1"))
        for byte in request(URL + b"2", method=b"POST", content=b"abc"):
            client.send(bytes((byte,)))
        origin.send(response(b"one"))
        origin.send(response(b"two"))
        self.assertEqual([found.content for found in client.responses()], [b"one", b"two"])
        self.assertEqual(origin.requests[1].content, b"abc")

    def test_with_content(self) -> None:
        """Content of one request is never taken for the next request, nor the other way round."""
        gateway = self.forward()
        origin = gateway.origin(reply=lambda asked: response(asked.content))
        client = gateway.client()
        inner = request(URL + b"smuggled")
        client.send(
            request(URL, method=b"POST", content=inner)
            + request(URL, b"Transfer-Encoding: chunked", method=b"POST")
            + chunked(inner, inner)
            + request(URL, method=b"POST", content=b"last")
        )
        self.assertEqual(
            [found.content for found in client.responses()], [inner, inner * 2, b"last"]
        )
        self.assertEqual([found.target for found in origin.requests], [b"/"] * 3)

    def test_refusal_in_the_middle(self) -> None:
        """A request that is refused is answered in its place; those behind it are served."""
        gateway = self.forward()
        gateway.origin(reply=lambda asked: response(asked.target))
        client = gateway.client()
        client.send(
            request(URL + b"1") + request(b"http://nowhere.example.com/") + request(URL + b"3")
        )
        self.assertEqual([found.status for found in client.responses()], [200, 502, 200])

    def test_malformed_in_the_middle(self) -> None:
        """A malformed request is answered after those before it, and nothing behind it is read."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(
            request(URL + b"1")
            + b"GET http://origin.example.com/2 HTTP/1.1\r\nHost : x\r\n\r\n"
            + request(URL + b"3")
        )
        self.assertEqual(client.received, b"")
        origin.send(response(b"one"))
        self.assertEqual([found.status for found in client.responses()], [200, 400])
        self.assertEqual(client.closed, "fin")
        self.assertEqual(len(origin.requests), 1)
        self.assertEqual([line["status"] for line in gateway.log], [200, 400])

    def test_broken_answer_in_the_middle(self) -> None:
        """An answer that breaks off ends the connection: whatever is behind it is not served."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL + b"1") + request(URL + b"2"))
        origin.send(response(b"0123456789")[:-1])
        origin.connection.close()
        self.assertEqual(len(origin.requests), 1)
        self.assertFalse(client.responses()[0].complete)
        self.assertNotEqual(client.closed, "")

    def test_connection_close_in_the_middle(self) -> None:
        """Nothing behind a request with Connection: close is served."""
        gateway = self.forward()
        origin = gateway.origin(reply=response(b"one"))
        client = gateway.client()
        client.send(request(URL, b"Connection: close") + request(URL))
        self.assertEqual(len(client.responses()), 1)
        self.assertEqual((client.closed, len(origin.requests)), ("fin", 1))

    def test_end_behind_the_last(self) -> None:
        """A client that says that it sends no more gets all its answers."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL + b"1") + request(URL + b"2"))
        client.end()
        origin.send(response(b"one"))
        origin.send(response(b"two"))
        self.assertEqual([found.content for found in client.responses()], [b"one", b"two"])
        self.assertEqual(client.closed, "fin")


class BoundedMemoryTests(ScenarioTestCase):
    """What a client may make us keep."""

    def test_requests_that_wait(self) -> None:
        """While a request runs only so much of what is behind it is taken in."""
        gateway = self.forward()
        gateway.origin()
        client = gateway.client()
        client.send(request(URL))
        client.send(request(URL) * 10000)
        self.assertGreater(client.unsent, len(request(URL)) * 10000 - 300000)

    def test_all_are_served(self) -> None:
        """However many there are, all are answered at last."""
        gateway = self.forward()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL) * 2000)
        origin.reply = response(b"x")
        origin.send(response(b"x"))
        self.assertEqual(len(client.responses()), 2000)

    def test_client_that_does_not_read(self) -> None:
        """No new request of a client is begun while it leaves its answers unread."""
        gateway = self.forward()
        origin = gateway.origin(reply=response(bytes(20000)))
        client = gateway.client()
        client.stop_reading()
        client.send(request(URL) * 100)
        self.assertLess(len(origin.requests), 30)

    def test_requests_of_a_client_that_does_not_read(self) -> None:
        """Nor are more and more of its requests taken in meanwhile."""
        gateway = self.forward()
        gateway.origin(reply=response(bytes(20000)))
        client = gateway.client()
        client.stop_reading()
        client.send(request(URL) * 20000)
        self.assertGreater(client.unsent, len(request(URL)) * 20000 - 300000)

    def test_client_that_reads_again(self) -> None:
        """When it reads again it gets all of them."""
        gateway = self.forward()
        gateway.origin(reply=response(bytes(20000)))
        client = gateway.client()
        client.stop_reading()
        client.send(request(URL) * 100)
        client.read_on()
        self.assertEqual(len(client.responses()), 100)

    def test_client_that_reads_again_after_its_end(self) -> None:
        """Also if it has half-closed its connection meanwhile."""
        gateway = self.forward()
        gateway.origin(reply=response(bytes(20000)))
        client = gateway.client()
        client.stop_reading()
        client.send(request(URL) * 100)
        client.end()
        client.read_on()
        self.assertEqual(len(client.responses()), 100)
        self.assertEqual(client.closed, "fin")
