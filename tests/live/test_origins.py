"""A site with several origins: what its clients notice when one of them goes and comes back."""

from __future__ import annotations

import threading

from twisted.trial.unittest import SynchronousTestCase

from tests.live.peers import Closed, Origin, connected
from tests.live.processes import Gateway, Program, free_port, nginx, until

SITE = """
[[site]]
listen = ["127.0.0.1:$reverse"]
origins = ["http://127.0.0.1:$first", "http://127.0.0.1:$second"]
$more
"""

REQUEST = b"GET /hello HTTP/1.1\r\nHost: www.example.com\r\n\r\n"


class OriginsTests(SynchronousTestCase):
    """Two origins behind one site."""

    def ask(self, port: int, count: int) -> list[str]:
        """Ask on one connection; give who answered, or the status of a failure."""
        client = connected(self, port)
        found = []
        for _ in range(count):
            client.send(REQUEST)
            answer = client.answer()
            found.append(answer.content.decode() if answer.status == 200 else str(answer.status))
        client.close()
        return found

    def test_turns(self) -> None:
        """Both get requests in turn, over connections that are kept."""
        first, second = Origin(self, "first"), Origin(self, "second")
        gateway = Gateway(self, SITE, first=first.port, second=second.port, more="")
        self.assertEqual(sorted(self.ask(gateway.reverse, 40)), ["first"] * 20 + ["second"] * 20)
        self.assertEqual((first.accepted, second.accepted), (1, 1))

    def test_one_is_killed(self) -> None:
        """When one of two nginx is killed under load no request fails, and it gets requests again when it is back."""
        ports = [free_port(), free_port()]
        server = "server { listen 127.0.0.1:$port; location / { return 200 $port; } location = /up { return 204; } }"
        first = nginx(self, server, port=ports[0])
        nginx(self, server, port=ports[1])
        health = 'health = { path = "/up", every = "300ms", timeout = "1s", fall = 2, rise = 2 }'
        gateway = Gateway(self, SITE, first=ports[0], second=ports[1], more=health)
        found: list[str] = []
        going = threading.Event()

        def load() -> None:
            while not going.is_set():
                try:
                    found.extend(self.ask(gateway.reverse, 20))
                except (Closed, OSError) as error:
                    found.append(repr(error))

        threads = [threading.Thread(target=load) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            until(lambda: str(ports[0]) in found and len(found) > 100, what="load on both origins")
            # Its connections are ended by the kernel, those in use too.
            first.kill()
            gateway.says("event origin_down", 5)
            at = len(found)
            until(lambda: len(found) > at + 200, what="load on one origin")
            self.assertNotIn(str(ports[0]), found[at + 40 :])
            Program(self, first.command).listens(ports[0])
            gateway.says("event origin_up", 5)
            at = len(found)
            until(lambda: str(ports[0]) in found[at:], what="load on the origin that is back")
        finally:
            going.set()
            for thread in threads:
                thread.join()
        self.assertEqual({each for each in found if each not in map(str, ports)}, set())

    def test_none_is_left(self) -> None:
        """With no origin alive the answer is 502 at once, and 200 as soon as one is there."""
        first, second = Origin(self, "first"), Origin(self, "second")
        gateway = Gateway(self, SITE, first=first.port, second=second.port, more="")
        self.ask(gateway.reverse, 2)
        for origin in (first, second):
            origin.stop()
        self.assertEqual(set(self.ask(gateway.reverse, 10)), {"502"})
        back = Origin(self, "back", first.port)
        until(
            lambda: self.ask(gateway.reverse, 1) == ["back"],
            what="an answer from the origin that is back",
        )
        self.assertGreater(len(back.seen), 0)
        self.assertLess(gateway.lines(12)[-1]["duration"], 1000)
