"""What becomes of the rest of a download that trickles: after the verdict, without one, and when the origin breaks off."""

from __future__ import annotations

from gateway.testing.peers import chunked, request, response
from tests.scenarios.plugins import Doubled, OnLookUp, OnResponseContent
from tests.scenarios.scanners import (
    FOUND,
    MIB,
    Copies,
    Scanner,
    verdict,
)
from tests.scenarios.support import URL
from tests.scenarios.test_stored_answers import Files
from tests.scenarios.trickle import Slow, TrickleTestCase, content_of


class RestTests(TrickleTestCase):
    """What may pass arrives as it was."""

    def test_clean(self) -> None:
        """All of it arrives, by every framing, and the connection goes on where it can."""
        for size in (1, 65_536, 100_000, 3_000_000):
            content = content_of(size)
            for kind in ("length", "chunked", "1.0"):
                scanner = Slow()
                gateway, origin, client = self.trickling(scanner)
                asked = request(URL)
                client.send(asked.replace(b"HTTP/1.1", b"HTTP/1.0") if kind == "1.0" else asked)
                if kind == "length":
                    origin.send(response(content))
                else:
                    origin.send(
                        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(content)
                    )
                gateway.advance(20)
                scanner.passes()
                gateway.settle()
                found = client.response()
                self.assertEqual(found.content, content)
                self.assertTrue(found.complete)
                line = self.assertLine(gateway, status=200, outcome="delivered")
                self.assertEqual(line["notes"]["scan_response"], "clean")
                if kind == "1.0":
                    self.assertEqual(client.closed, "fin")
                else:
                    scanner.says = verdict
                    client.send(request(URL))
                    origin.send(response(b"next"))
                    self.assertEqual(client.responses()[1].content, b"next")
                    self.assertEqual(len(origin.connections), 1)
                self.assertGivenBack(gateway)

    def test_pipelined(self) -> None:
        """A request behind waits until the response before it is complete; behind one that is broken off nothing comes."""
        for bad in (False, True):
            scanner = Slow()
            gateway, origin, client = self.trickling(scanner)
            client.send(request(URL) + request(URL + b"second"))
            origin.send(response(content_of(MIB)))
            gateway.advance(3)
            self.assertEqual(len(origin.requests), 1)
            if bad:
                scanner.answer.callback(FOUND)
            else:
                scanner.passes()
            gateway.settle()
            scanner.says = verdict
            if bad:
                self.assertEqual((client.closed, len(origin.requests)), ("reset", 1))
                continue
            origin.send(response(b"next"))
            self.assertEqual([one.content for one in client.responses()][1], b"next")

    def test_trailers(self) -> None:
        """Trailers come behind."""
        scanner = Slow()
        gateway, origin, client = self.trickling(scanner)
        client.send(request(URL))
        origin.send(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            + chunked(content_of(100_000), trailers=[b"X-Sum: 1"])
        )
        gateway.advance(3)
        scanner.passes()
        gateway.settle()
        self.assertTrue(client.received.endswith(b"0\r\nX-Sum: 1\r\n\r\n"))

    def test_filters(self) -> None:
        """What goes out is what the filters made of it, without the length that it had."""
        scanner = Slow()
        gateway, origin, client = self.trickling(
            scanner, {"doubles": OnResponseContent(lambda txn: Doubled())}
        )
        client.send(request(URL))
        origin.send(response(content_of(200_000)))
        gateway.advance(3)
        self.assertNotIn(b"Content-Length", client.received)
        scanner.passes()
        gateway.settle()
        self.assertEqual(len(client.response().content), 400_001)

    def test_stored_in_a_file(self) -> None:
        """What a plugin had stored in a file is trickled like what comes from an origin."""
        content = content_of(MIB)
        for bad in (False, True):
            files, scanner = Files(), Slow()
            gateway, origin, client = self.trickling(
                scanner, {"store": OnLookUp(lambda txn, files=files: files.stored(content))}
            )
            client.send(request(URL))
            gateway.advance(3)
            self.assertIn(b"Content-Length: 1048576", client.received)
            self.assertGreater(len(self.content(client)), 0)
            if bad:
                scanner.answer.callback(FOUND)
            else:
                scanner.passes()
            gateway.settle()
            self.assertEqual(client.closed, "reset" if bad else "")
            self.assertEqual(client.response().content == content, not bad)
            self.assertEqual(len(files.released), 1)
            self.assertGivenBack(gateway)

    def test_upload_under_way(self) -> None:
        """An answer that comes before the end of its request's content is trickled, and the connection used on or not."""
        for rest in (b"x" * 10, b""):
            scanner = Slow()
            gateway, origin, client = self.trickling(scanner)
            client.send(request(URL, method=b"POST", content=b"x" * 20)[:-10])
            origin.send(response(content_of(200_000)))
            gateway.advance(3)
            self.assertGreater(len(self.content(client)), 0)
            scanner.passes()
            gateway.settle()
            self.assertEqual(client.response(b"POST").content, content_of(200_000))
            client.send(rest)
            if not rest:
                gateway.advance(200)
                self.assertNotEqual(client.closed, "")
                continue
            scanner.says = verdict
            client.send(request(URL))
            origin.send(response(b"next"))
            gateway.settle()
            self.assertEqual(client.responses(b"POST")[-1].content, b"next")

    def test_stored(self) -> None:
        """Whoever stores responses gets all of it, and nothing of what is bad."""
        content = content_of(MIB)
        for bad in (False, True):
            store, scanner = Copies(), Slow()
            gateway, origin, client = self.trickling(scanner, {"store": store})
            client.send(request(URL))
            origin.send(response(content))
            gateway.advance(3)
            self.assertEqual(store.told, [])
            if bad:
                scanner.answer.callback(FOUND)
            else:
                scanner.passes()
            gateway.settle()
            self.assertEqual(store.ends, [] if bad else ["finish"])
            self.assertEqual(store.content, b"" if bad else content)

    def test_not_blocked(self) -> None:
        """What passes although it was not scanned, for want of a scanner that takes it, arrives whole."""
        scanner = Scanner(max_bytes=200_000)
        gateway, origin, client = self.started(
            scanner,
            settings={
                "scan.large_file": {"over": 0, "mode": "trickle"},
                "scan.on": {"too_large": "warn"},
            },
        )
        content = content_of(MIB)
        client.send(request(URL))
        origin.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        origin.send(b"%x\r\n%b\r\n" % (150_000, content[:150_000]))
        gateway.advance(3)
        self.assertGreater(len(self.content(client)), 0)
        origin.send(chunked(content[150_000:]))
        gateway.settle()
        self.assertEqual(client.response().content, content)
        self.assertEqual(gateway.line["notes"]["scan_response"], "too_large:warn")
