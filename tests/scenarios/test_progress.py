"""People who go to a large file with a browser look at a progress page while it is held and scanned (S17, S18)."""

from __future__ import annotations

import json
import re

from gateway.testing.peers import chunked, request, response
from tests.scenarios.interception import InterceptionTestCase
from tests.scenarios.plugins import OnEnd, OnLookUp, OnResponse
from tests.scenarios.progress import (
    AGENT,
    BROWSER,
    CONTENT,
    DOCUMENT,
    FILE,
    SETTINGS,
    ProgressTestCase,
    path_of,
)
from tests.scenarios.scanners import FOUND, MIB, Copies, verdict
from tests.scenarios.support import URL
from tests.scenarios.test_stored_answers import Files
from tests.scenarios.trickle import Slow, content_of


class DownloadTests(ProgressTestCase):
    """From the page to the file."""

    def test_file(self) -> None:
        """The page comes at once, tells how it goes, and ends in the file as the origin sent it."""
        gateway, origin, client, scanner = self.showing()
        client.send(request(FILE, *DOCUMENT))
        origin.send(
            response(CONTENT, b'ETag: "a"', b"X-More: yes", b"Accept-Ranges: bytes")[:-100_000]
        )
        gateway.advance(0.4)
        self.assertEqual(client.received, b"")
        gateway.advance(0.2)
        page = client.response()
        self.assertEqual((page.status, page.get("cache-control")), (200, b"no-store"))
        self.assertIn(b"a file.bin", page.content)
        path = path_of(page)
        status = self.status(gateway, path)
        self.assertEqual(
            (status["state"], status["percent"], status["next"]), ("receiving", 66, None)
        )
        self.assertEqual((status["received"], status["total"]), (200_000, 300_000))
        origin.send(CONTENT[-100_000:])
        self.assertEqual(self.status(gateway, path)["state"], "scanning")
        self.assertEqual(self.asked(gateway, path + "get/a").status, 303)
        scanner.passes()
        gateway.settle()
        status = self.status(gateway, path)
        self.assertEqual((status["state"], status["next"]), ("ready", path + "get/a%20file.bin"))
        # On the connection that the page came by, which was free all the time.
        client.send(request(URL[:-1] + status["next"].encode(), *DOCUMENT))
        gateway.settle()
        file = client.responses()[1]
        self.assertEqual(file.content, CONTENT)
        self.assertEqual(
            (file.status, file.get("etag"), file.get("x-more"), file.get("accept-ranges")),
            (200, b'"a"', b"yes", None),
        )
        self.assertEqual(file.get("content-disposition"), b'attachment; filename="a file.bin"')
        self.assertEqual(file.get("content-length"), b"300000")
        self.assertEqual(len(origin.requests), 1)
        self.assertGivenBack(gateway)
        first, last = (
            [line for line in gateway.log if line["url"].endswith(end)]
            for end in ("/files/a%20file.bin", "/get/a%20file.bin")
        )
        self.assertEqual([line["outcome"] for line in first + last], ["delivered"] * 2)
        self.assertEqual(
            first[0]["notes"],
            {"scan_response": "clean", "scan_engine": "test 1", "scan_delivery": "progress"},
        )
        self.assertEqual(last[0]["notes"], {"progress": first[0]["id"]})
        self.assertGreater(last[0]["bytes_out"], 300_000)

    def test_infected(self) -> None:
        """What is bad ends in the block page, with its status, and nothing of it was sent."""
        gateway, origin, client, scanner = self.showing()
        path = self.begun(gateway, origin, client)
        scanner.answer.callback(FOUND)
        gateway.settle()
        status = self.status(gateway, path)
        self.assertEqual(status["state"], "refused")
        for _ in range(2):
            found = self.asked(gateway, status["next"])
            self.assertEqual(found.status, 403)
            self.assertIn(b"EICAR", found.content)
        line = next(line for line in gateway.log if line["outcome"] == "refused")
        self.assertEqual(line["reason"], "scan_infected")
        self.assertEqual(line["notes"]["scan_delivery"], "progress")
        self.assertNotIn(CONTENT[:50], client.received)
        self.assertGivenBack(gateway)

    def test_origin_that_breaks_off(self) -> None:
        """So does a download that fails."""
        gateway, origin, client, scanner = self.showing()
        client.send(request(FILE, *DOCUMENT))
        origin.send(response(CONTENT)[:-1])
        gateway.advance(0.6)
        path = path_of(client.response())
        origin.connection.reset()
        status = self.status(gateway, path)
        self.assertEqual(status["state"], "refused")
        self.assertEqual(self.asked(gateway, status["next"]).status, 502)

    def test_waits_for_the_end(self) -> None:
        """Who asks how it goes is answered at once when it is done, and else soon."""
        gateway, origin, client, scanner = self.showing()
        path = self.begun(gateway, origin, client)
        client.send(request(URL[:-1] + path.encode() + b"status"))
        gateway.advance(0.9)
        self.assertEqual(len(client.responses()), 1)
        gateway.advance(0.2)
        self.assertEqual(len(client.responses()), 2)
        client.send(request(URL[:-1] + path.encode() + b"status"))
        gateway.advance(0.5)
        scanner.passes()
        gateway.settle()
        self.assertEqual(json.loads(client.responses()[2].content)["state"], "ready")

    def test_without_script(self) -> None:
        """Without JavaScript the page loads itself again, and leads to the file."""
        gateway, origin, client, scanner = self.showing()
        path = self.begun(gateway, origin, client)
        reload = f'<noscript><meta http-equiv="refresh" content="3; url={path}"></noscript>'
        self.assertIn(reload.encode(), client.received)
        self.assertIn(reload.encode(), self.asked(gateway, path).content)
        scanner.passes()
        gateway.settle()
        page = self.asked(gateway, path)
        target = f"{path}get/a%20file.bin"
        self.assertIn(
            f'<meta http-equiv="refresh" content="0; url={target}">'.encode(), page.content
        )
        self.assertIn(f'<a href="{target}">'.encode(), page.content)
        self.assertEqual(self.asked(gateway, target).content, CONTENT)

    def test_chunked(self) -> None:
        """Content of unknown length arrives whole, with its trailers."""
        gateway, origin, client, scanner = self.showing()
        client.send(request(FILE, *DOCUMENT))
        origin.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        origin.send(b"%x\r\n%b\r\n" % (len(CONTENT), CONTENT))
        gateway.advance(0.6)
        path = path_of(client.response())
        self.assertIsNone(self.status(gateway, path)["percent"])
        origin.send(chunked(trailers=[b"X-Sum: 1"]))
        scanner.passes()
        gateway.settle()
        found = self.asked(gateway, path + "get/x")
        self.assertEqual((found.content, found.trailers), (CONTENT, [(b"x-sum", b"1")]))

    def test_small(self) -> None:
        """So does a file that came in one piece and is only slowly scanned; what is bad of these ends in its page."""
        for bad in (False, True):
            gateway, origin, client, scanner = self.showing(
                settings={"scan.large_file": {"over": "1MiB", "after": "5s"}}
            )
            client.send(request(FILE, *DOCUMENT))
            origin.send(response(b"abc"))
            gateway.advance(4.9)
            self.assertEqual(client.received, b"")
            gateway.advance(0.2)
            path = path_of(client.response())
            self.assertEqual(self.status(gateway, path)["state"], "scanning")
            if bad:
                scanner.answer.callback(FOUND)
            else:
                scanner.passes()
            gateway.settle()
            found = self.asked(gateway, path + "get/x")
            self.assertEqual(found.status, 403 if bad else 200)
            self.assertEqual(found.content == b"abc", not bad)
            self.assertGivenBack(gateway)

    def test_name(self) -> None:
        """The origin's own name for the file is kept; else it has that of the URL, without what no name can hold."""
        for said, target, expected in (
            (b'attachment; filename="b.zip"', b"a.bin", b'attachment; filename="b.zip"'),
            (b"inline", b"a.bin", b"inline"),
            (b"", b"dir/?q=/x", b'attachment; filename="download"'),
            (b"", b"a%0d%0aX:%20y%22.exe", b'attachment; filename="a_X_ y_.exe"'),
            (
                b"",
                b"%C3%BCber.pdf?x",
                b"attachment; filename=\"_ber.pdf\"; filename*=UTF-8''%C3%BCber.pdf",
            ),
            (b"", b"..%2f..%2fetc", b'attachment; filename="_.._etc"'),
        ):
            gateway, origin, client, scanner = self.showing()
            client.send(request(URL + target, *DOCUMENT))
            lines = [b"Content-Disposition: " + said] if said else []
            origin.send(response(CONTENT, *lines))
            gateway.advance(0.6)
            path = path_of(client.response())
            scanner.passes()
            gateway.settle()
            found = self.asked(gateway, path + "get/anything")
            self.assertEqual(found.get("content-disposition"), expected)

    def test_stored(self) -> None:
        """Whoever stores responses gets it as the origin sent it, when the client does."""
        store = Copies()
        gateway, origin, client, scanner = self.showing({"store": store})
        path = self.begun(gateway, origin, client)
        scanner.passes()
        gateway.settle()
        self.asked(gateway, path + "get/x")
        self.assertEqual((store.content, store.ends), (CONTENT, ["finish"]))

    def test_stored_in_a_file(self) -> None:
        """So is what a plugin had stored in a file."""
        files = Files()
        gateway, origin, client, scanner = self.showing(
            {"store": OnLookUp(lambda txn: files.stored(CONTENT))}
        )
        client.send(request(FILE, *DOCUMENT))
        gateway.advance(0.6)
        path = path_of(client.response())
        self.assertEqual(self.status(gateway, path)["total"], 300_000)
        scanner.passes()
        gateway.settle()
        self.assertEqual(self.asked(gateway, path + "get/x").content, CONTENT)
        self.assertEqual(len(files.released), 1)
        self.assertGivenBack(gateway)

    def test_plugins(self) -> None:
        """Plugins see the transaction once, and are told of its end once."""
        asked, ended = OnResponse(), OnEnd()
        gateway, origin, client, scanner = self.showing({"asked": asked, "ended": ended})
        path = self.begun(gateway, origin, client)
        self.assertEqual(len(ended.asked), 0)
        scanner.passes()
        gateway.settle()
        self.asked(gateway, path + "get/x")
        self.assertEqual((len(asked.asked), len(ended.asked)), (1, 2))

    def test_client_that_does_not_read(self) -> None:
        """The file goes no faster than the client reads, and a client that leaves ends it."""
        for leaves in (False, True):
            gateway, origin, client, scanner = self.showing()
            content = content_of(3 * MIB)
            client.send(request(FILE, *DOCUMENT))
            origin.send(response(content))
            gateway.advance(0.6)
            path = path_of(client.response())
            scanner.passes()
            gateway.settle()
            other = gateway.client()
            other.stop_reading()
            other.send(request(URL[:-1] + path.encode() + b"get/x"))
            gateway.settle()
            self.assertGreater(gateway.service.pipeline.scanning.budget.used, 0)  # type: ignore[attr-defined]
            if leaves:
                other.reset()
                gateway.settle()
                self.assertEqual([line["outcome"] for line in gateway.log], ["aborted", "aborted"])
            else:
                other.read_on()
                gateway.settle()
                self.assertEqual(other.response().content, content)
            self.assertGivenBack(gateway)

    def test_client_that_stalls(self) -> None:
        """A client that takes nothing more of the file is given up on."""
        gateway, origin, client, scanner = self.showing(settings={"timeouts.inactivity": "20s"})
        client.send(request(FILE, *DOCUMENT))
        origin.send(response(content_of(3 * MIB)))
        gateway.advance(0.6)
        path = path_of(client.response())
        scanner.passes()
        gateway.settle()
        other = gateway.client()
        other.stop_reading()
        other.send(request(URL[:-1] + path.encode() + b"get/x"))
        gateway.advance(100)
        self.assertEqual(other.closed, "reset")
        self.assertEqual([line["reason"] for line in gateway.log], ["client", "client"])
        self.assertGivenBack(gateway)


class PageTests(ProgressTestCase):
    """The page itself."""

    def test_policy(self) -> None:
        """Nothing but its own style and script runs, by a nonce of each answer; it is never stored, nor named to others."""
        gateway, origin, client, scanner = self.showing()
        path = self.begun(gateway, origin, client)
        nonces = set()
        for page in (client.response(), self.asked(gateway, path)):
            policy = (page.get("content-security-policy") or b"").decode()
            nonce = re.search(r"script-src 'nonce-([^']+)'", policy)
            assert nonce is not None
            nonces.add(nonce[1])
            self.assertTrue(policy.startswith("default-src 'none'; "))
            self.assertEqual(policy.count(nonce[1]), 2)
            self.assertEqual(page.content.count(b"<script"), 1)
            self.assertIn(f'<script nonce="{nonce[1]}">'.encode(), page.content)
            self.assertNotIn(b"src=", page.content)
            self.assertNotIn(b"http://www", page.content)
            self.assertEqual(page.get("cache-control"), b"no-store")
            self.assertEqual(page.get("referrer-policy"), b"no-referrer")
        self.assertEqual(len(nonces), 2)

    def test_escaped(self) -> None:
        """What comes from the URL is escaped."""
        gateway, origin, client, scanner = self.showing()
        client.send(request(URL + b"%3Cscript%3Ealert(1)%3C/script%3E'%22", *DOCUMENT))
        origin.send(response(CONTENT))
        gateway.advance(0.6)
        self.assertEqual(client.response().content.lower().count(b"<script"), 1)

    def test_keep_alive(self) -> None:
        """The connection goes on behind the page, with what was pipelined too."""
        gateway, origin, client, scanner = self.showing()
        client.send(request(FILE, *DOCUMENT) + request(URL + b"other", AGENT))
        origin.send(response(CONTENT))
        gateway.advance(0.6)
        scanner.passes()
        scanner.says = verdict
        origin.send(response(b"other"))
        gateway.settle()
        page, other = client.responses()
        self.assertEqual(other.content, b"other")
        client.close()
        self.assertEqual(self.asked(gateway, path_of(page) + "get/x").content, CONTENT)

    def test_connection_that_closes(self) -> None:
        """The fetch goes on when the page's connection is closed, by the client's wish or its leaving."""
        for closes in (False, True):
            gateway, origin, client, scanner = self.showing()
            more = [b"Connection: close"] if closes else []
            client.send(request(FILE, *DOCUMENT, *more))
            origin.send(response(CONTENT)[:-1])
            gateway.advance(0.6)
            path = path_of(client.response())
            if closes:
                self.assertEqual(client.closed, "fin")
            client.reset()
            origin.send(CONTENT[-1:])
            scanner.passes()
            gateway.settle()
            self.assertEqual(self.asked(gateway, path + "get/x").content, CONTENT)


class PlaceTests(ProgressTestCase):
    """Where it is shown."""

    def test_reverse(self) -> None:
        """In front of sites the page is under the site's own address."""
        scanner = Slow()
        gateway, origin, client = self.started(scanner, reverse=True, settings=SETTINGS)
        client.send(request(b"/files/a.bin", *BROWSER))
        origin.send(response(CONTENT))
        gateway.advance(0.6)
        path = path_of(client.response())
        scanner.passes()
        gateway.settle()
        client.send(request(path.encode() + b"get/a.bin"))
        gateway.settle()
        self.assertEqual(client.responses()[1].content, CONTENT)


class DecryptedTests(InterceptionTestCase):
    """Within TLS."""

    def test_decrypted(self) -> None:
        """Within a decrypted tunnel all of it happens on the same host, with the same certificate."""
        scanner = Slow()
        gateway = self.intercepting(SETTINGS, plugins={"test": scanner})
        self.tls_origin(gateway, response(CONTENT))
        client = self.client(gateway)
        asked = (b"Host: origin.example.com", *DOCUMENT)
        client.send(request(b"/files/a.bin", *asked))
        gateway.advance(0.6)
        (page,) = client.responses()
        path = path_of(page)
        scanner.passes()
        gateway.settle()
        # A browser that comes by another connection of its own.
        other = self.client(gateway)
        other.send(request(path.encode() + b"get/a.bin", *asked))
        gateway.settle()
        self.assertEqual(other.response().content, CONTENT)
