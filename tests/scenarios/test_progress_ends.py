"""How downloads with a progress page end that nobody waits for, that take too long, or that are too many."""

from __future__ import annotations

import gc
from typing import Any

from gateway.testing.peers import request, response
from tests.scenarios.plugins import Watcher
from tests.scenarios.progress import CONTENT, DOCUMENT, FILE, ProgressTestCase, path_of
from tests.scenarios.scanners import FOUND
from tests.scenarios.support import URL


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
