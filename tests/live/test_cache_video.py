"""
A video player that seeks gets every byte as it is, cached or not (S27): Chromium itself, and a sequence of its requests with more.

What it plays are sound waves in a C{<video>}, which no encoder is needed for; how it asks is the same for every format.
"""

from __future__ import annotations

import contextlib
import io
import random
import re
import socket
import threading
import wave
from dataclasses import dataclass
from email import message_from_bytes
from functools import cache

from twisted.trial.unittest import SynchronousTestCase

from tests.live.cache_peers import Origin, Received, caching, fetched, is_hit
from tests.live.chromium import Chromium
from tests.live.peers import Answer, Closed, Head, Server, Stream
from tests.live.processes import PATIENCE, made_folder, until

SERVER = "the-origin/1.0"
FILM = "/film.wav"
PAGE = b'<!doctype html><title>Film</title><body>film<video id="film" preload="auto" muted src="/film.wav"></video>'

#: What Chromium asks for while somebody seeks forth and back in 20 MB, as recorded; C{True}: with If-Range.
RECORDED = (
    ("bytes=0-", False),
    ("bytes=17629184-", True),
    ("bytes=8814592-17629183", True),
    ("bytes=5443292-8814591", True),
    ("bytes=18797312-", True),
    ("bytes=4407296-8814591", True),
    ("bytes=16135936-18797311", True),
)


@cache
def film(size: int = 20_000_000) -> bytes:
    """Give noise of stereo quality; so many bytes but for a head."""
    made = io.BytesIO()
    with wave.open(made, "wb") as waves:
        waves.setnchannels(2)
        waves.setsampwidth(2)
        waves.setframerate(44_100)
        waves.writeframes(random.Random(27).randbytes(size))
    return made.getvalue()


def cinema(path: str, generation: int) -> bytes:
    """Give what the origin has: one film, long or short, and a page to see it on."""
    if path == FILM:
        return film()
    return film(50_000) if path == "/short.wav" else PAGE


@dataclass
class Exchange:
    """
    One request and what came of its answer before the client went on.

    @ivar content: as much of it as came.
    """

    asked: Head
    answer: Head
    content: bytes


class Tap(Server):
    """A line to a port of this machine, on which everything is recorded."""

    def __init__(self, test: SynchronousTestCase, to: int) -> None:
        self._to = to
        self._recorded: list[tuple[bytearray, bytearray]] = []
        super().__init__(test, self._carry)

    def _carry(self, near: Stream) -> None:
        up, down = recorded = (bytearray(), bytearray())
        self._recorded.append(recorded)
        # Little is on the way, as on a line: so a client that has enough for now makes the sender wait.
        near.socket.settimeout(None)
        near.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
        with socket.create_connection(("127.0.0.1", self._to), PATIENCE) as far:
            far.settimeout(None)
            back = threading.Thread(
                target=self._direction, args=(far, near.socket, down), daemon=True
            )
            back.start()
            self._direction(near.socket, far, up)
            back.join()

    def _direction(self, source: socket.socket, sink: socket.socket, recorded: bytearray) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                recorded += data
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def exchanges(self, url: str) -> list[Exchange]:
        """Give what was asked and answered of a URL so far."""
        found = []
        for up, down in list(self._recorded):
            requests, answers = Received(bytes(up)), Received(bytes(down))
            with contextlib.suppress(Closed):
                while (asked := requests.head()).first[0] == "GET":
                    answer = answers.head()
                    length = int(answer.get("content-length"))
                    content = answers.unread[:length]
                    answers.unread = answers.unread[length:]
                    if asked.first[1] == url:
                        found.append(Exchange(asked, answer, content))
        return found


class Fixture(SynchronousTestCase):
    """A cinema behind a gateway."""

    def setUp(self) -> None:
        """Open it."""
        self.origin = Origin(self)
        self.origin.contents = cinema
        self.gateway = caching(
            self, self.origin, made_folder(self) / "cache", size="256MiB", largest="64MiB"
        )

    def store(self, path: str) -> None:
        """Let somebody see the whole film, so that it is stored."""
        answer = fetched(self.gateway.reverse, path)
        self.assertEqual(answer.content, cinema(path, 0))
        until(lambda: is_hit(fetched(self.gateway.reverse, path, method="HEAD")), what="the film")

    def judge(self, path: str, ranges: str, answer: Head, content: bytes) -> None:
        """See that a 206 is of what was asked for, and that every byte that came is the film's."""
        whole = cinema(path, 0)
        status = int(answer.first[1])
        self.assertEqual(answer.get("server"), SERVER)
        self.assertEqual(answer.get("etag"), '"0"')
        if is_hit(Answer(answer)):
            self.assertRegex(answer.get("cache-status"), r"^gateway; hit; ttl=3[56]\d\d$")
            self.assertIn(int(answer.get("age")), range(100))
        else:
            self.assertRegex(answer.get("cache-status"), r"^gateway; fwd=[a-z-]+")
            self.assertEqual(answer.get("age"), "")
        if status == 200:
            self.assertEqual(content, whole[: len(content)])
            return
        self.assertEqual(status, 206)
        said = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", answer.get("content-range"))
        assert said is not None, answer
        first, last, size = map(int, said.groups())
        self.assertEqual((first, last, size), (*meant(ranges, len(whole)), len(whole)))
        self.assertEqual(int(answer.get("content-length")), last + 1 - first)
        self.assertEqual(content, whole[first : first + len(content)])


def meant(ranges: str, size: int) -> tuple[int, int]:
    """Give the first and the last byte that one range stands for."""
    first, _, last = ranges.removeprefix("bytes=").partition("-")
    if not first:
        return max(0, size - int(last)), size - 1
    return int(first), min(int(last), size - 1) if last else size - 1


class PlayerTests(Fixture):
    """Chromium plays, and somebody seeks."""

    def seen(self, url: str) -> list[Exchange]:
        """See the film with a new browser, forth and back; gives what it asked for."""
        tap = Tap(self, self.gateway.forward)
        browser = Chromium(self, f"127.0.0.1:{tap.port}")
        browser.go(url.replace(FILM, "/page"))
        until(lambda: browser.run("film.readyState") >= 2, what="the beginning")
        for second in (100, 50, 5, 110, 25, 101):
            browser.run(f"done = 0; film.onseeked = () => done = 1; film.currentTime = {second}")
            until(lambda: browser.run("done"), what=f"second {second}")
            self.assertEqual(browser.run("film.currentTime"), second)
        browser.run("film.play()")
        until(lambda: browser.run("film.currentTime > 101.2"), what="the film goes on")
        self.assertEqual(browser.run("film.error && film.error.message"), None)
        browser.stop()
        exchanges = tap.exchanges(url)
        for one in exchanges:
            self.judge(FILM, one.asked.get("range"), one.answer, one.content)
        asked = [one.asked.get("range") for one in exchanges]
        self.assertEqual(asked[0], "bytes=0-")
        self.assertGreater(len([one for one in asked if not one.startswith("bytes=0-")]), 1, asked)
        return exchanges

    def test_player(self) -> None:
        """With nothing stored and with everything it gets what it asks for; then nobody asks the origin."""
        url = f"http://127.0.0.1:{self.origin.port}{FILM}"
        self.seen(url)
        answer = fetched(self.gateway.forward, url)
        self.assertEqual(answer.content, film())
        before = self.origin.seen[FILM]
        exchanges = self.seen(url)
        self.assertEqual({one.answer.first[1] for one in exchanges}, {"206"})
        status = [one.answer.get("cache-status") for one in exchanges]
        self.assertEqual([one for one in status if "; hit" not in one], [])
        self.assertEqual(self.origin.seen[FILM], before)


class RangeTests(Fixture):
    """What it asks for, and more that others do."""

    def asked(self, path: str, ranges: str, *lines: str) -> Answer:
        """Ask for a part."""
        return fetched(self.gateway.reverse, path, f"Range: {ranges}", *lines)

    def sequences(self, path: str) -> None:
        """Ask for all of them, and see that every answer is right."""
        size = len(cinema(path, 0))
        generated = random.Random(27)
        sequence = [("bytes=-1000", False), (f"bytes=-{size + 5}", False), ("bytes=0-0", True)]
        for _ in range(10):
            first = generated.randrange(size)
            sequence.append((f"bytes={first}-", True))
            sequence.append((f"bytes={first // 2}-{first + 1000}", False))
        if path == FILM:
            sequence = [*RECORDED, *sequence]
        for ranges, conditional in sequence:
            answer = self.asked(path, ranges, *(['If-Range: "0"'] if conditional else ()))
            self.judge(path, ranges, answer.head, answer.content)
            if answer.status == 206:
                first, last = meant(ranges, size)
                self.assertEqual(len(answer.content), last + 1 - first)
            else:
                self.assertEqual(len(answer.content), size)

    def test_nothing_stored(self) -> None:
        """While nothing is stored but what these requests bring."""
        self.sequences(FILM)
        self.sequences("/short.wav")

    def test_stored(self) -> None:
        """From a file and from memory: nobody asks the origin, and all are parts."""
        for path in (FILM, "/short.wav"):
            self.store(path)
            before = self.origin.seen[path]
            self.sequences(path)
            self.assertEqual(self.asked(path, "bytes=5-9").status, 206)
            self.assertEqual(self.origin.seen[path], before)

    def test_other_validator(self) -> None:
        """Whoever has a part of something else gets the whole, as If-Range says."""
        for path in (FILM, "/short.wav"):
            self.store(path)
            for validator in ('"other"', 'W/"0"', "Sun, 22 Nov 2020 00:00:00 GMT"):
                answer = self.asked(path, "bytes=5-9", f"If-Range: {validator}")
                self.assertEqual((answer.status, answer.content), (200, cinema(path, 0)))
                self.assertTrue(is_hit(answer))
                self.assertEqual(answer.head.get("server"), SERVER)

    def test_several(self) -> None:
        """Several ranges at once, overlapping ones too, come as parts of one answer, or as the whole."""
        for path in (FILM, "/short.wav"):
            self.store(path)
            whole = cinema(path, 0)
            for ranges in ("0-99,200-299", "0-9,-10", "40000-40100,0-5", "10-20,15-30"):
                answer = self.asked(path, f"bytes={ranges}")
                self.assertTrue(is_hit(answer))
                if answer.status == 200:
                    self.assertEqual(answer.content, whole)
                    continue
                kind = answer.head.get("content-type")
                if not kind.startswith("multipart/byteranges"):
                    self.assertEqual(ranges, "10-20,15-30")
                    self.assertEqual(answer.content, whole[10:31])
                    continue
                self.parts(kind, answer.content, whole, ranges)

    def parts(self, kind: str, content: bytes, whole: bytes, ranges: str) -> None:
        """See that an answer of several parts has those that were asked for."""
        message = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + content)
        found = message.get_payload()
        assert isinstance(found, list)
        self.assertEqual(len(found), len(ranges.split(",")))
        for part, one in zip(found, ranges.split(","), strict=True):
            first, last = meant(one, len(whole))
            self.assertEqual(part["Content-Range"], f"bytes {first}-{last}/{len(whole)}")
            # Lines of bytes that are no text survive email's reading only in the raw.
            self.assertIn(b"\r\n\r\n" + whole[first : last + 1] + b"\r\n--", content)

    def test_beyond(self) -> None:
        """A part behind the end is refused with the length."""
        for path in (FILM, "/short.wav"):
            size = len(cinema(path, 0))
            for _ in range(2):
                answer = self.asked(path, f"bytes={size}-")
                self.assertEqual(answer.status, 416)
                self.assertEqual(answer.head.get("content-range"), f"bytes */{size}")
                self.store(path)
