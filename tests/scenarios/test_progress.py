"""People who go to a large file with a browser look at a progress page while it is held and scanned (S17, S18)."""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Mapping
from typing import Any

from gateway.testing.harness import CLIENT, Harness
from gateway.testing.messages import Message
from gateway.testing.peers import ScriptedClient, ScriptedOrigin, chunked, request, response
from tests.scenarios.interception import InterceptionTestCase
from tests.scenarios.plugins import OnEnd, OnLookUp, OnResponse, Watcher
from tests.scenarios.scanners import FOUND, MIB, ContentTestCase, Copies, verdict
from tests.scenarios.support import URL
from tests.scenarios.test_stored_answers import Files
from tests.scenarios.test_trickle import Slow, content_of

FILE = URL + b"files/a%20file.bin"
AGENT = b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) Chrome/150.0"
ACCEPT = b"Accept: text/html,application/xhtml+xml,*/*;q=0.8"
BROWSER = (AGENT, ACCEPT)
#: As browsers add to it over TLS.
DOCUMENT = (
    *BROWSER,
    b"Sec-Fetch-Dest: document",
    b"Sec-Fetch-Mode: navigate",
    b"Sec-Fetch-Site: none",
)
CONTENT = content_of(300_000)
SETTINGS = {"scan.large_file": {"over": 0, "after": "5s", "mode": "progress"}}


def path_of(page: Message) -> str:
    """Give the path that a progress page names."""
    found = re.search(rb'const at = "(/\.gateway-scan-[^"]+/)"', page.content)
    assert found is not None, page.content
    return found[1].decode()


class ProgressTestCase(ContentTestCase):
    """Gateways that show pages."""

    def showing(
        self, more: dict[str, Any] | None = None, settings: Mapping[str, object] | None = None
    ) -> tuple[Harness, ScriptedOrigin, ScriptedClient, Slow]:
        """Start one for which everything is large."""
        scanner = Slow()
        said = {**SETTINGS, **(settings or {})}
        gateway, origin, client = self.started(scanner, more, settings=said)
        return gateway, origin, client, scanner

    def begun(
        self, gateway: Harness, origin: ScriptedOrigin, client: ScriptedClient, *lines: bytes
    ) -> str:
        """Go to a file; gives the path of its page."""
        client.send(request(FILE, *DOCUMENT))
        origin.send(response(CONTENT, b"Content-Type: application/octet-stream", *lines))
        gateway.advance(0.6)
        (page,) = client.responses()
        self.assertTrue(page.complete)
        return path_of(page)

    def asked(self, gateway: Harness, path: str, *lines: bytes, address: str = CLIENT) -> Message:
        """Ask for something of it on a connection of its own."""
        client = gateway.client(address)
        client.send(request(URL[:-1] + path.encode(), *lines))
        gateway.advance(1.1)
        return client.response()

    def status(self, gateway: Harness, path: str) -> dict[str, Any]:
        """Ask how it goes."""
        found: dict[str, Any] = json.loads(self.asked(gateway, path + "status").content)
        return found


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


class EndTests(ProgressTestCase):
    """When nobody wants it any more."""

    def test_nobody_asks(self) -> None:
        """A fetch ends when its client has not asked for a minute, whether it is under way or done."""
        for state in ("receiving", "ready", "refused"):
            gateway, origin, client, scanner = self.showing()
            client.send(request(FILE, *DOCUMENT))
            origin.send(response(CONTENT)[:-1])
            gateway.advance(0.6)
            path = path_of(client.response())
            if state != "receiving":
                origin.send(CONTENT[-1:])
            if state == "ready":
                scanner.passes()
            if state == "refused":
                scanner.answer.callback(FOUND)
            gateway.advance(50)
            self.assertEqual(self.status(gateway, path)["state"], state)
            gateway.advance(66)
            self.assertEqual(self.asked(gateway, path + "status").status, 410)
            lines = [line for line in gateway.log if line["url"].endswith(".bin")]
            self.assertEqual(len(lines), 1, state)
            if state != "refused":
                self.assertEqual((lines[0]["outcome"], lines[0]["reason"]), ("aborted", "client"))
            if state == "receiving":
                self.assertEqual(origin.connection.closed, "reset")
            self.assertGivenBack(gateway)

    def test_lifetime(self) -> None:
        """It ends after a quarter of an hour, however often it is asked for."""
        gateway, origin, client, scanner = self.showing()
        path = self.begun(gateway, origin, client)
        scanner.passes()
        gateway.settle()
        for _ in range(17):
            self.assertEqual(self.asked(gateway, path + "status").status, 200)
            gateway.advance(50)
        gateway.advance(40)
        self.assertEqual(self.asked(gateway, path + "status").status, 410)
        self.assertGivenBack(gateway)

    def test_silent_origin(self) -> None:
        """An origin from which nothing comes is given up on, and the page says so."""
        gateway, origin, client, scanner = self.showing()
        client.send(request(FILE, *DOCUMENT))
        origin.send(response(CONTENT)[:-1])
        gateway.advance(0.6)
        path = path_of(client.response())
        for _ in range(4):
            self.assertEqual(self.asked(gateway, path + "status").status, 200)
            gateway.advance(50)
        status = self.status(gateway, path)
        self.assertEqual(status["state"], "refused")
        self.assertEqual(self.asked(gateway, status["next"]).status, 504)

    def test_too_many(self) -> None:
        """No client has more than so many; what is beyond that is trickled."""
        gateway, origin, client, scanner = self.showing()
        for _ in range(16):
            self.begun(gateway, origin, gateway.client())
        client.send(request(FILE, *DOCUMENT))
        origin.send(response(CONTENT))
        gateway.advance(0.6)
        (found,) = client.responses()
        self.assertFalse(found.complete)
        self.assertEqual(found.content, CONTENT[: len(found.content)])
        other = gateway.client("192.0.2.9")
        self.begun(gateway, origin, other)
        client.reset()

    def test_stop(self) -> None:
        """The gateway stops without waiting for pages, and every transaction is in the log."""
        gateway, origin, client, scanner = self.showing()
        self.begun(gateway, origin, client)
        client.close()
        gateway.begin_stop()
        gateway.advance(100)
        line = self.assertLine(gateway, outcome="aborted", reason="gateway")
        self.assertTrue(line["url"].endswith(".bin"))

    def test_reload(self) -> None:
        """A reload leaves a fetch to its end, with the plugins that it began with, and so does one that shows no pages."""
        gateway, origin, client, scanner = self.showing()
        path = self.begun(gateway, origin, client)
        self.successResultOf(gateway.reload({"scan.large_file": {"mode": "hold"}}))
        generations: Any = gateway.service.generations  # type: ignore[attr-defined]
        self.assertEqual(len(generations.retiring), 1)
        self.assertEqual(self.status(gateway, path)["state"], "scanning")
        scanner.passes()
        gateway.settle()
        self.assertEqual(len(generations.retiring), 1)
        self.assertEqual(self.asked(gateway, path + "get/x").content, CONTENT)
        gateway.settle()
        self.assertEqual(generations.retiring, [])

    def test_reload_before(self) -> None:
        """So it is when the page is shown after the reload."""
        gateway, origin, client, scanner = self.showing()
        client.send(request(FILE, *DOCUMENT))
        origin.send(response(CONTENT))
        generations: Any = gateway.service.generations  # type: ignore[attr-defined]
        self.successResultOf(gateway.reload({"timeouts.drain": "7s"}))
        gateway.advance(0.6)
        path = path_of(client.response())
        self.assertEqual(len(generations.retiring), 1)
        scanner.passes()
        gateway.settle()
        self.assertEqual(self.asked(gateway, path + "get/x").content, CONTENT)
        gateway.settle()
        self.assertEqual(generations.retiring, [])

    def test_nothing_is_left(self) -> None:
        """However it ends, nothing of the transaction is left without waiting for the collector of garbage."""
        gc.disable()
        self.addCleanup(gc.enable)
        for end in ("delivered", "refused", "idle", "client"):
            watcher = Watcher()
            gateway, origin, client, scanner = self.showing({"watcher": watcher})
            path = self.begun(gateway, origin, client)
            if end == "refused":
                scanner.answer.callback(FOUND)
            elif end != "idle":
                scanner.passes()
            gateway.settle()
            if end == "client":
                other = gateway.client()
                other.stop_reading()
                other.send(request(URL[:-1] + path.encode() + b"get/x"))
                gateway.settle()
                other.reset()
            elif end == "delivered":
                self.asked(gateway, path + "get/x")
            gateway.advance(70)
            self.flushLoggedErrors()
            self.assertGreater(len(watcher.seen), 0)
            self.assertEqual(watcher.alive, 0, end)


class ChoiceTests(ProgressTestCase):
    """Who gets a page and who never does."""

    def got(
        self, *lines: bytes, answer: bytes = b"", method: bytes = b"GET", **settings: Any
    ) -> str:
        """Tell what a request gets: C{page}, C{trickle} or C{nothing}."""
        said = {"over": 0, "after": "5s", "mode": "progress", **settings}
        gateway, origin, client = self.started(Slow(), settings={"scan.large_file": said})
        content = b"x" if method == b"POST" else None
        client.send(request(FILE, *lines, method=method, content=content))
        origin.send(answer or response(CONTENT))
        gateway.advance(0.6)
        received = client.received
        client.reset()
        if not received:
            return "nothing"
        return "page" if b"/.gateway-scan-" in received else "trickle"

    def test_navigations(self) -> None:
        """A person who goes to a file gets it, over TLS or not."""
        self.assertEqual(self.got(*DOCUMENT), "page")
        self.assertEqual(self.got(*BROWSER), "page")
        self.assertEqual(self.got(AGENT, b"Accept: text/html"), "page")

    def test_others(self) -> None:
        """Scripts, parts, images, frames, what is fetched in advance, and programs never do."""
        for lines in (
            (AGENT, b"Accept: */*"),
            (AGENT,),
            (ACCEPT,),
            (AGENT, b"Accept: application/json, text/htmlx"),
            (*BROWSER, b"X-Requested-With: XMLHttpRequest"),
            (*DOCUMENT, b"Range: bytes=0-"),
            (*DOCUMENT, b"Sec-Purpose: prefetch"),
            (*DOCUMENT, b"Purpose: prefetch"),
            (*BROWSER, b"Sec-Fetch-Dest: empty", b"Sec-Fetch-Mode: cors"),
            (*BROWSER, b"Sec-Fetch-Dest: iframe", b"Sec-Fetch-Mode: navigate"),
            (*BROWSER, b"Sec-Fetch-Dest: image", b"Sec-Fetch-Mode: no-cors"),
            (*BROWSER, b"Sec-Fetch-Dest: document", b"Sec-Fetch-Mode: cors"),
            (*BROWSER, b"Sec-Fetch-Mode: navigate"),
            (ACCEPT, b"User-Agent: curl/8.5.0"),
            (ACCEPT, b"User-Agent: Wget/1.25.0"),
            (b"Accept: text/*", b"User-Agent: Debian APT-HTTP/1.3 (3.0.3)"),
            (ACCEPT, b"User-Agent: Java/21.0.2"),
            (ACCEPT, b"User-Agent: Microsoft BITS/7.8"),
        ):
            self.assertEqual(self.got(*lines), "trickle", lines)

    def test_methods_and_statuses(self) -> None:
        """Nor does what is no GET, or no 200."""
        self.assertEqual(self.got(*DOCUMENT, method=b"POST"), "trickle")
        for status in (b"206 Partial Content", b"404 Not Found", b"203 Other"):
            answer = response(CONTENT, status=status)
            self.assertEqual(self.got(*DOCUMENT, answer=answer), "trickle", status)

    def test_head(self) -> None:
        """A HEAD gets its head."""
        gateway, origin, client, scanner = self.showing()
        client.send(request(FILE, *DOCUMENT, method=b"HEAD"))
        origin.send(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n")
        self.assertEqual(client.response(b"HEAD").get("content-length"), b"300000")

    def test_web_pages(self) -> None:
        """A web page stays under its own address, unless it is to be saved."""
        for kind in (b"text/html; charset=utf-8", b"application/xhtml+xml", b"image/svg+xml"):
            line = b"Content-Type: " + kind
            self.assertEqual(self.got(*DOCUMENT, answer=response(CONTENT, line)), "trickle", kind)
            saved = response(CONTENT, line, b"Content-Disposition: Attachment; filename=x")
            self.assertEqual(self.got(*DOCUMENT, answer=saved), "page", kind)

    def test_lists(self) -> None:
        """The lists of programs and hosts can be changed."""
        self.assertEqual(self.got(*DOCUMENT, bypass_agents=["x11"]), "trickle")
        self.assertEqual(self.got(*DOCUMENT, bypass_agents=[]), "page")
        self.assertEqual(self.got(*DOCUMENT, bypass_hosts=[".example.com"]), "trickle")
        self.assertEqual(self.got(*DOCUMENT, bypass_hosts=[]), "page")

    def test_mode(self) -> None:
        """Other modes show none."""
        self.assertEqual(self.got(*DOCUMENT, mode="trickle"), "trickle")
        self.assertEqual(self.got(*DOCUMENT, mode="hold"), "nothing")

    def test_size_and_time(self) -> None:
        """What is neither large nor slow is simply waited for."""
        self.assertEqual(self.got(*DOCUMENT, over="1MiB"), "nothing")
        self.assertEqual(self.got(*DOCUMENT, over="1MiB", after="500ms"), "page")
        self.assertEqual(self.got(*DOCUMENT, over="200KiB"), "page")

    def test_unknown_length(self) -> None:
        """A navigation is not taken for a large file only because nobody says how long it will be."""
        answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
        self.assertEqual(self.got(*DOCUMENT, answer=answer, over="1MiB"), "nothing")
        self.assertEqual(self.got(*DOCUMENT, answer=answer, over="1MiB", after="500ms"), "page")
        self.assertEqual(self.got(AGENT, answer=answer, over="1MiB"), "trickle")
        web = answer.replace(b"Transfer", b"Content-Type: text/html\r\nTransfer", 1)
        self.assertEqual(self.got(*DOCUMENT, answer=web, over="1MiB"), "nothing")
        self.assertEqual(self.got(*DOCUMENT, answer=web, over="1MiB", after="500ms"), "trickle")


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
