"""
Two gateways on one folder: what one has stored the other answers with, and what one throws out is gone for both, at once.

The hammer strikes for C{GATEWAY_HAMMER_SECONDS}: 4 s in the inner loop, 20 s in CI. For the full five minutes::

    GATEWAY_HAMMER_SECONDS=300 .venv/bin/python -m twisted.trial --reactor=gateway \\
        tests.live.test_cache_two_processes.HammerTests
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import threading
import time
from collections import Counter

from twisted.trial.unittest import SynchronousTestCase

from gateway.cli.control import plugin_order
from tests.effort import is_full
from tests.live.cache_peers import (
    HOST,
    SIZES,
    Crowd,
    Origin,
    caching,
    content_of,
    fetched,
    is_hit,
    is_right,
    number,
    request,
    taken,
)
from tests.live.peers import Answer, Closed, Stream, connected
from tests.live.processes import Gateway, made_folder, until
from tests.live.tls_peers import commanded

#: How long the hammer strikes.
SECONDS = float(os.environ.get("GATEWAY_HAMMER_SECONDS") or (20.0 if is_full() else 4.0))
SIZE = 4 << 20


class Fixture(SynchronousTestCase):
    """Two gateways, one folder, one origin."""

    size = "64MiB"

    def setUp(self) -> None:
        """Start all."""
        self.origin = Origin(self)
        self.folder = made_folder(self) / "cache"
        self.gateways = [self.gateway(), self.gateway()]
        self.one, self.other = self.gateways

    def gateway(self) -> Gateway:
        """Start one more."""
        return caching(self, self.origin, self.folder, size=self.size, memory="1MiB")

    def url(self, path: str) -> str:
        """Give the URL of a path, as its key has it."""
        return f"http://{HOST}:80{path}"

    def ordered(self, gateway: Gateway, **how: str) -> None:
        """Purge as the command does it, whose start takes a second."""
        options = argparse.Namespace(config=str(gateway.config), port=None, origin=None)
        answer = plugin_order(options, "cache.purge", **how)
        self.assertTrue(answer["ok"], answer)


class SharingTests(Fixture):
    """One thing after another."""

    paths = tuple(f"/{size}/shared" for size in SIZES)

    def filled(self) -> None:
        """Let the one store all, and the other find it."""
        for path in self.paths:
            self.assertTrue(is_right(fetched(self.one.reverse, path), path))
        until(lambda: number(self.one, "store_queue_bytes") == 0, what="all is written")
        for path in self.paths:
            answer = fetched(self.other.reverse, path)
            self.assertTrue(is_right(answer, path) and is_hit(answer), answer.head)
        self.assertEqual(set(self.origin.seen.values()), {1})

    def gone(self, paths: tuple[str, ...], generation: int) -> None:
        """See that neither gateway answers with what was; the first one to be asked fetches what is, for both."""
        for path in paths:
            answer = fetched(self.other.reverse, path)
            self.assertTrue(is_right(answer, path), answer.head)
            self.assertEqual(answer.head.get("x-generation"), str(generation))
            self.assertFalse(is_hit(answer))
            answer = fetched(self.one.reverse, path)
            self.assertTrue(is_right(answer, path), answer.head)
            self.assertEqual(answer.head.get("x-generation"), str(generation))

    def test_shared(self) -> None:
        """What one has stored, in its index or in a file, the other answers with."""
        self.filled()

    def test_purge_url(self) -> None:
        """A URL that is purged by the one is gone for the other, which had it in memory."""
        self.filled()
        for path in self.paths:
            self.origin.changed(path)
            commanded(self.one, "cache", "purge", self.url(path))
            self.gone((path,), 1)

    def test_purge_prefix(self) -> None:
        """So is all below a prefix."""
        self.filled()
        for path in self.paths:
            self.origin.changed(path)
        self.assertIn("6 stored", commanded(self.one, "cache", "purge", "--prefix", self.url("/")))
        self.gone(self.paths, 1)

    def test_purge_tag(self) -> None:
        """And all that has a tag."""
        self.origin.lines = [*self.origin.lines, "Surrogate-Key: red green"]
        self.filled()
        for path in self.paths:
            self.origin.changed(path)
        self.assertIn("6 stored", commanded(self.one, "cache", "purge", "--tag", "green"))
        self.gone(self.paths, 1)

    def test_unsafe(self) -> None:
        """What a POST through the one has made void the other has not either."""
        self.filled()
        for path in self.paths:
            self.assertEqual(fetched(self.one.reverse, path, method="POST").status, 204)
            self.gone((path,), 1)

    def test_killed(self) -> None:
        """When one is killed the other goes on: it answers, stores and purges as before."""
        self.filled()
        self.one.kill()
        for path in self.paths:
            self.assertTrue(is_hit(fetched(self.other.reverse, path)))
            self.origin.changed(path)
            self.ordered(self.other, url=self.url(path))
            self.assertFalse(is_hit(fetched(self.other.reverse, path)))
        until(lambda: number(self.other, "store_queue_bytes") == 0, what="all is written")
        for path in self.paths:
            answer = fetched(self.other.reverse, path)
            self.assertTrue(is_right(answer, path) and is_hit(answer), answer.head)

    def is_clean(self) -> bool:
        """Tell whether nobody but a single process has something unfinished in the folder."""
        return len(list((self.folder / "unfinished").iterdir())) == 1

    def test_killed_amid_stores(self) -> None:
        """
        One is killed while both store: the other serves and stores on, without a pause, and clears away what is left behind.

        A process that dies while it writes to the index holds the index's lock.
        """
        chosen = random.Random(5)

        def slowly(stream: Stream, path: str, head: bytes, content: bytes) -> bool:
            stream.send(head)
            pause = chosen.uniform(0.001, 0.01)
            for first in range(0, len(content), 20_000):
                time.sleep(pause)
                stream.send(content[first : first + 20_000])
            return True

        victim = self.one
        for turn in range(2):
            self.origin.answering = slowly
            paths = [f"/{chosen.choice(SIZES)}/{turn}-{number}" for number in range(100)]
            crowd = Crowd(self, [(self.other.reverse, request(path)) for path in paths])
            doomed = Crowd(self, [(victim.reverse, request(f"{path}-d")) for path in paths])
            time.sleep(chosen.uniform(0.05, 0.3))
            victim.kill()
            for path, answer in zip(paths, doomed.answers(), strict=True):
                self.assertTrue(answer is None or is_right(answer, f"{path}-d"))
            for path, answer in zip(paths, crowd.answers(15.0), strict=True):
                self.assertTrue(answer is not None and is_right(answer, path), path)
            until(self.is_clean, 10.0, "the end of all orphans")
            self.origin.answering = self.origin.at_once
            for path in paths:
                answer = fetched(self.other.reverse, path)
                self.assertTrue(is_right(answer, path) and is_hit(answer), path)
                self.assertTrue(is_right(fetched(self.other.reverse, f"{path}-d"), f"{path}-d"))
            victim = self.gateway()
            for path in paths:
                answer = fetched(victim.reverse, path)
                self.assertTrue(is_right(answer, path) and is_hit(answer), path)


class HammerTests(Fixture):
    """
    Everything at once: twice as much as there is room for is stored, evicted, purged and invalidated through both.

    Each answer must be right, and none may be older than what had been made void before it was asked for.

    @ivar least: of each path, the generation that nothing older may be given out of.
    @ivar faults: what was wrong.
    """

    size = "4MiB"

    def setUp(self) -> None:
        """Begin."""
        super().setUp()
        self.least: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.faults: list[str] = []
        self.lock = threading.Lock()
        self.paths = [f"/{size}/{number}" for size in SIZES for number in range(20)]
        assert sum(len(content_of(path)) for path in self.paths) > 2 * SIZE
        self.deadline = time.monotonic() + SECONDS

    def no_older(self, path: str, generation: int) -> None:
        """From now on nothing older of it may be given out."""
        with self.lock:
            self.least[path] = max(self.least[path], generation)

    def ask(self, chosen: random.Random) -> None:
        """Ask one of the gateways for something, mostly for what others ask for too, on connections that are kept for a while."""
        streams = [connected(self, gateway.reverse) for gateway in self.gateways]
        for _ in range(100):
            if time.monotonic() > self.deadline:
                break
            path = chosen.choice(chosen.choice((self.paths, self.paths[::10])))
            stream = chosen.choice(streams)
            least = self.least[path]
            stream.send(request(path, close=False))
            self.judge(path, stream.answer(), least)
        for stream in streams:
            stream.close()

    def judge(self, path: str, answer: Answer, least: int) -> None:
        """Look at an answer."""
        self.done["hit" if is_hit(answer) else "miss"] += 1
        if not is_right(answer, path):
            self.faults.append(f"{path} is not right: {answer.status} {answer.head}")
        elif int(answer.head.get("x-generation")) < least:
            self.faults.append(f"{path} is older than {least}: {answer.head}")

    def make_void(self, chosen: random.Random) -> None:
        """Change something by a POST through one of the gateways."""
        path = chosen.choice(self.paths)
        answer = fetched(chosen.choice(self.gateways).reverse, path, method="POST")
        self.assertEqual(answer.status, 204)
        self.no_older(path, int(answer.head.get("x-generation")))
        self.done["post"] += 1
        time.sleep(0.01)

    def purge(self, chosen: random.Random) -> None:
        """Change something at the origin and throw it out, by its URL, by a prefix or by its tag."""
        gateway = chosen.choice(self.gateways)
        path = chosen.choice(self.paths)
        size = path.split("/")[1]
        meant, how = chosen.choice(
            (
                ([path], {"url": self.url(path)}),
                ([one for one in self.paths if one.startswith(path)], {"prefix": self.url(path)}),
                ([one for one in self.paths if one.split("/")[1] == size], {"tag": "all"}),
            )
        )
        changed = {one: self.origin.changed(one) for one in meant}
        self.ordered(gateway, **how)
        for one, generation in changed.items():
            self.no_older(one, generation)
        self.done["purge"] += 1
        time.sleep(0.05)

    def watch(self, chosen: random.Random) -> None:
        """See that the folder does not grow."""
        # For a moment there is what is written and what gives way to it.
        least: dict[str, int] = {}
        for _ in range(5):
            parts = {one.name: taken(one) for one in self.folder.iterdir()}
            if not least or sum(parts.values()) < sum(least.values()):
                least = parts
            time.sleep(0.05)
        if sum(least.values()) > SIZE:
            self.faults.append(f"the folder has too much: {least}")
        self.done["watch"] += 1
        time.sleep(0.1)

    def test_hammer(self) -> None:
        """No answer is wrong or too old, no request fails, and the folder keeps its size."""
        self.origin.lines = [*self.origin.lines, "Surrogate-Key: all"]

        def again(work: object, seed: int) -> None:
            chosen = random.Random(seed)
            while time.monotonic() < self.deadline and len(self.faults) < 20:
                try:
                    work(chosen)  # type: ignore[operator]
                except (OSError, Closed, AssertionError) as error:
                    self.faults.append(repr(error))

        works = [*[self.ask] * 6, self.make_void, self.purge, self.watch]
        threads = [
            threading.Thread(target=again, args=(work, seed), daemon=True)
            for seed, work in enumerate(works)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS + 60)
        self.assertEqual(self.faults, [], "\n".join(self.faults))
        for what, least in (("hit", 50), ("miss", 50), ("post", 10), ("purge", 10), ("watch", 5)):
            self.assertGreater(self.done[what], least * SECONDS / 4, f"{what}: {self.done}")
        for gateway in self.gateways:
            self.assertEqual(number(gateway, "store_torn"), 0)
        self.assertGreater(sum(number(one, "store_evicted") for one in self.gateways), 0)
        if os.environ.get("GATEWAY_HAMMER_SECONDS"):
            sys.stderr.write(f"{dict(self.done)} in {SECONDS:g} s\n")
