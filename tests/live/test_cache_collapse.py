"""Of many clients that want one thing that is not stored, one goes to the origin (also if that goes wrong)."""

from __future__ import annotations

import threading
import time

from twisted.trial.unittest import SynchronousTestCase

from tests.live.cache_peers import (
    Crowd,
    Origin,
    caching,
    content_of,
    fetched,
    is_hit,
    is_right,
    number,
    request,
)
from tests.live.peers import Stream, reset
from tests.live.processes import made_folder, until

CLIENTS = 500


class Fixture(SynchronousTestCase):
    """A gateway, its origin, and a crowd at one cold URL."""

    def setUp(self) -> None:
        """Start the origin and the gateway."""
        self.origin = Origin(self)
        self.folder = made_folder(self) / "cache"
        self.gateway = caching(self, self.origin, self.folder)
        self.port = self.gateway.reverse

    def crowd(self, path: str, count: int = CLIENTS) -> Crowd:
        """Let many clients ask for the same."""
        return Crowd(self, [(self.port, request(path))] * count)

    def gathered(self, waiting: int) -> None:
        """Wait until so many wait for another one's answer."""
        until(lambda: number(self.gateway, "collapsed_total") >= waiting, what="all wait")

    def stored(self, path: str) -> None:
        """See that what is stored is whole, and that the origin is not asked for it."""
        before = self.origin.seen[path]
        answer = fetched(self.port, path)
        self.assertTrue(is_right(answer, path))
        self.assertTrue(is_hit(answer), answer.head.get("cache-status"))
        self.assertEqual(self.origin.seen[path], before)


class CollapseTests(Fixture):
    """All goes well."""

    def one_for_all(self, path: str) -> None:
        """Let all ask at once: all get all of it, and the origin is asked once."""
        answers = self.crowd(path).answers()
        right = [answer for answer in answers if answer is not None and is_right(answer, path)]
        self.assertEqual((len(right), self.origin.seen[path]), (CLIENTS, 1))
        missed = [answer for answer in right if not is_hit(answer)]
        self.assertEqual(len(missed), 1)
        self.assertIn("fwd=uri-miss", missed[0].head.get("cache-status"))
        self.stored(path)

    def held(self, path: str) -> None:
        """Let all wait for an origin that begins, and ends only when nobody is missing."""

        def answering(stream: Stream, path: str, head: bytes, content: bytes) -> bool:
            stream.send(head + content[: len(content) // 2])
            self.origin.released.wait(30)
            stream.send(content[len(content) // 2 :])
            return True

        self.origin.answering = answering
        crowd = self.crowd(path)
        self.gathered(CLIENTS - 1)
        self.origin.released.set()
        answers = crowd.answers()
        right = [answer for answer in answers if answer is not None and is_right(answer, path)]
        self.assertEqual((len(right), self.origin.seen[path]), (CLIENTS, 1))
        self.stored(path)

    def test_small(self) -> None:
        """Of something small."""
        self.one_for_all("/1000/small")

    def test_file(self) -> None:
        """Of something that goes into a file, which is written in another thread."""
        self.one_for_all("/300000/file")

    def test_small_held(self) -> None:
        """Of something small while 499 wait for it, halfway."""
        self.held("/1000/small")

    def test_file_held(self) -> None:
        """Of something that goes into a file while 499 wait for it, halfway."""
        self.held("/300000/file")

    def test_slow(self) -> None:
        """Of an origin that takes a second for its first byte and another for the rest."""

        def answering(stream: Stream, path: str, head: bytes, content: bytes) -> bool:
            time.sleep(1)
            stream.send(head)
            for first in range(0, len(content), 30_000):
                time.sleep(0.1)
                stream.send(content[first : first + 30_000])
            return True

        self.origin.answering = answering
        self.one_for_all("/300000/slow")

    def test_not_stored(self) -> None:
        """What may not be stored is nobody else's: each goes by himself once that is known, and gets his own."""
        self.origin.lines = ["Cache-Control: private"]
        path = "/1000/private"
        answers = self.crowd(path, 100).answers()
        right = [answer for answer in answers if answer is not None and is_right(answer, path)]
        self.assertEqual((len(right), self.origin.seen[path]), (100, 100))


class DyingTests(Fixture):
    """The origin dies, or whoever asked it leaves."""

    def dies(self, path: str, *, chunked: bool = False) -> None:
        """Let the first answer break off in its midst while all wait for it: one client sees that, all others get it whole."""
        first = threading.Event()

        def answering(stream: Stream, path: str, head: bytes, content: bytes) -> bool:
            if chunked:
                head = head.replace(
                    b"Content-Length: %d" % len(content), b"Transfer-Encoding: chunked"
                )
                content = b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content)
            if first.is_set():
                return self.origin.at_once(stream, path, head, content)
            first.set()
            stream.send(head + content[: len(content) // 2])
            self.origin.released.wait(30)
            reset(stream.socket)
            return False

        self.origin.answering = answering
        crowd = self.crowd(path)
        self.gathered(CLIENTS - 1)
        self.origin.released.set()
        answers = crowd.answers()
        whole = [answer for answer in answers if answer is not None and answer.status == 200]
        self.assertEqual([one for one in whole if not is_right(one, path)], [])
        self.assertEqual((len(whole), self.origin.seen[path]), (CLIENTS - 1, 2))
        self.stored(path)

    def test_small_dies(self) -> None:
        """Of something small."""
        self.dies("/1000/small")

    def test_file_dies(self) -> None:
        """Of something that goes into a file."""
        self.dies("/300000/file")

    def test_chunked_dies(self) -> None:
        """Of something whose length nobody knows before its end."""
        self.dies("/300000/chunked", chunked=True)

    def test_never_whole(self) -> None:
        """Of an origin that dies every time nobody gets what looks whole, and nothing is stored."""

        def answering(stream: Stream, path: str, head: bytes, content: bytes) -> bool:
            stream.send(head + content[: len(content) // 2])
            time.sleep(0.002)
            reset(stream.socket)
            return False

        self.origin.answering = answering
        for path in ("/1000/torn", "/300000/torn"):
            answers = self.crowd(path, 100).answers()
            whole = [answer for answer in answers if answer is not None]
            self.assertEqual([answer for answer in whole if answer.status < 500], [])
            self.assertEqual(number(self.gateway, "store_objects"), 0)
        self.origin.answering = self.origin.at_once
        for path in ("/1000/torn", "/300000/torn"):
            answer = fetched(self.port, path)
            self.assertTrue(is_right(answer, path))
            self.assertFalse(is_hit(answer))
            self.stored(path)

    def test_leader_leaves(self) -> None:
        """If the client for whom the origin was asked leaves, the others get it all the same, of two requests at the most."""
        path = "/300000/left"
        first = threading.Event()

        def answering(stream: Stream, path: str, head: bytes, content: bytes) -> bool:
            if first.is_set():
                return self.origin.at_once(stream, path, head, content)
            first.set()
            stream.send(head + content[: len(content) // 2])
            self.origin.released.wait(30)
            stream.send(content[len(content) // 2 :])
            return True

        self.origin.answering = answering
        leader = self.crowd(path, 1)
        self.assertTrue(first.wait(10))
        crowd = self.crowd(path)
        self.gathered(CLIENTS)
        reset(leader.streams[0])
        self.origin.released.set()
        answers = crowd.answers()
        right = [answer for answer in answers if answer is not None and is_right(answer, path)]
        self.assertEqual(len(right), CLIENTS)
        self.assertLessEqual(self.origin.seen[path], 2)
        self.assertEqual(len(content_of(path)), 300_000)
        self.stored(path)
