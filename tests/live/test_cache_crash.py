"""What the cache has stored when its process ends or is killed, when its disk is full, and when nothing can be written."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from functools import partial

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.effort import is_full
from tests.live.cache_peers import (
    SIZES,
    Crowd,
    Origin,
    caching,
    fetched,
    is_hit,
    is_right,
    mounted,
    number,
    request,
    taken,
)
from tests.live.peers import Stream
from tests.live.processes import Gateway, made_folder, until
from tests.live.tls_peers import commanded

#: What is larger is in a file.
INLINE = 65_536
STORES = 100
SIZE = 16 << 20


class Fixture(SynchronousTestCase):
    """An origin, and a folder for gateways one after another."""

    def setUp(self) -> None:
        """Start an origin that takes its time."""
        self.origin = Origin(self)
        self.folder = made_folder(self) / "cache"
        self.sent = 0
        self.random = random.Random(7)

    def slowly(self, stream: Stream, path: str, head: bytes, content: bytes) -> bool:
        """Send an answer in pieces, each a moment after the other."""
        stream.send(head)
        pause = self.random.uniform(0.001, 0.02)
        for first in range(0, len(content), 20_000):
            time.sleep(pause)
            stream.send(content[first : first + 20_000])
        self.sent += 1
        return True

    def gateway(self, size: str = "16MiB", before: Gateway | None = None) -> Gateway:
        """Start a gateway on the folder."""
        return caching(self, self.origin, self.folder, size=size, instead_of=before)

    def all_right(self, gateway: Gateway, paths: list[str]) -> int:
        """See that the answers to all of these are byte for byte the origin's, and give how many the cache had."""
        hits = 0
        for path in paths:
            answer = fetched(gateway.reverse, path)
            self.assertTrue(is_right(answer, path), f"{path}: {answer.head}")
            hits += is_hit(answer)
        return hits


class KillTests(Fixture):
    """kill -9 while 100 answers are being stored, again and again on the same folder."""

    def killed_amid(self, gateway: Gateway, paths: list[str], after: int) -> None:
        """Let clients ask for all of these at once, and kill the gateway when so many were sent by the origin."""
        self.origin.answering = self.slowly
        self.sent = 0
        crowd = Crowd(self, [(gateway.reverse, request(path)) for path in paths])
        until(lambda: self.sent >= after, what="some answers")
        gateway.kill()
        for answer, path in zip(crowd.answers(), paths, strict=True):
            self.assertTrue(answer is None or is_right(answer, path))
        self.origin.answering = self.origin.at_once

    def is_clean(self, gateway: Gateway) -> bool:
        """Tell whether everything in the folder belongs to something."""
        unfinished = {one.name for one in (self.folder / "unfinished").iterdir()}
        if len(unfinished) != 1 or not unfinished.pop().startswith(f"{gateway.pid}-"):
            return False
        listed = json.loads(commanded(gateway, "cache", "list", "--json"))
        self.assertFalse(listed["more"])
        known = sorted(one["bytes"] for one in listed["keys"] if one["bytes"] > INLINE)
        files = (one for one in (self.folder / "files").rglob("*") if one.is_file())
        return sorted(one.stat().st_size for one in files) == known

    def kills(self, size: str, turns: int) -> tuple[list[int], list[int]]:
        """
        Store 30 things, then turn by turn kill the gateway while it stores 100 more.

        @return: for each turn how many of the 30, and of the 100 after they were all asked for again, the cache had.
        """
        gateway = self.gateway(size)
        early = [f"/{size}/early-{number}" for number in range(5) for size in SIZES]
        self.all_right(gateway, early)
        until(lambda: number(gateway, "store_queue_bytes") == 0, what="all is written")
        every = list(early)
        of_early, of_late = [], []
        for turn in range(turns):
            paths = [f"/{self.random.choice(SIZES)}/{turn}-{one}" for one in range(STORES)]
            self.killed_amid(gateway, paths, self.random.randrange(20, 80))
            # As if it had been killed just before an object got into the index.
            strange = self.folder / "files" / "07" / "4c6f7374207"
            strange.parent.mkdir(exist_ok=True)
            strange.write_bytes(os.urandom(70_000))
            gateway = self.gateway(size, gateway)
            until(partial(self.is_clean, gateway), 10.0, "the end of all orphans")
            of_early.append(self.all_right(gateway, early))
            every += paths
            self.all_right(gateway, every)
            of_late.append(self.all_right(gateway, paths))
            self.assertEqual(number(gateway, "store_torn"), 0)
        return of_early, of_late

    def test_kill(self) -> None:
        """Nothing torn is served, orphans are gone within 10 s, and nothing is lost but what was under way."""
        turns = 5 if is_full() else 2
        self.assertEqual(self.kills("128MiB", turns), ([30] * turns, [STORES] * turns))

    def test_kill_when_full(self) -> None:
        """The same while old objects give way to new ones all the time; then no more room is taken than there is."""
        self.kills("8MiB", 4 if is_full() else 2)
        self.assertLessEqual(taken(self.folder), 8 << 20)

    def test_bound(self) -> None:
        """What is not whole yet takes room too: much more than the size, all under way at once, does not exceed the size."""
        paths = [f"/1000000/{one}" for one in range(STORES)]
        most = 0

        def answering(stream: Stream, path: str, head: bytes, content: bytes) -> bool:
            stream.send(head + content[:-1000])
            self.sent += 1
            self.origin.released.wait(30)
            stream.send(content[-1000:])
            return True

        self.origin.answering = answering
        gateway = self.gateway()
        crowd = Crowd(self, [(gateway.reverse, request(path)) for path in paths])
        until(lambda: self.sent == STORES, what="all are under way")
        for _ in range(10):
            # Whatever is to be written is written within that time.
            time.sleep(0.1)
            most = max(most, taken(self.folder))
        self.origin.released.set()
        for answer, path in zip(crowd.answers(), paths, strict=True):
            self.assertTrue(answer is not None and is_right(answer, path))
        self.assertLessEqual(max(most, taken(self.folder)), SIZE)

    def test_torn(self) -> None:
        """A file that is not as long as it was, or is gone, is a miss: the origin is asked, and its answer is stored anew."""
        gateway = self.gateway()
        paths = [f"/{size}/torn" for size in SIZES if size > INLINE]
        self.all_right(gateway, paths)
        until(lambda: self.all_right(gateway, paths) == len(paths), what="all are stored")
        gateway.kill()
        files = [one for one in (self.folder / "files").rglob("*") if one.is_file()]
        self.assertEqual(len(files), len(paths))
        for one in files[1:]:
            os.truncate(one, one.stat().st_size // 2)
        files[0].unlink()
        gateway = self.gateway(before=gateway)
        self.assertEqual(self.all_right(gateway, paths), 0)
        until(lambda: self.all_right(gateway, paths) == len(paths), what="all are stored anew")


class RestartTests(Fixture):
    """An orderly end, and a reload."""

    def test_restart(self) -> None:
        """After SIGTERM everything is there, what was stored a moment before too."""
        gateway = self.gateway()
        paths = [f"/{size}/{one}" for one in range(5) for size in SIZES]
        self.all_right(gateway, paths)
        gateway.signal(signal.SIGTERM)
        self.assertEqual(gateway.ended(), 0)
        gateway = self.gateway(before=gateway)
        self.assertEqual(self.all_right(gateway, paths), len(paths))

    def test_reload(self) -> None:
        """A reload under load fails no request and loses nothing, though two stores have the folder open for a while."""
        gateway = self.gateway("128MiB")
        paths = [f"/{size}/{one}" for one in range(5) for size in SIZES]
        for turn in range(4):
            new = [f"/{size}/{turn}-{one}" for one in range(5) for size in SIZES]
            asked = [*new, *paths] * 2
            self.origin.answering = self.slowly
            crowd = Crowd(self, [(gateway.reverse, request(path)) for path in asked])
            said = gateway.config.read_text()
            # Something of the plugin must be another, or it stays as it is.
            changed = said.replace(f'"{16 + turn}MiB"\nmax_', f'"{17 + turn}MiB"\nmax_')
            self.assertNotEqual(changed, said)
            gateway.config.write_text(changed)
            commanded(gateway, "reload")
            for answer, path in zip(crowd.answers(), asked, strict=True):
                self.assertTrue(answer is not None and is_right(answer, path), path)
            self.all_right(gateway, new)
            paths += new
            self.assertEqual(self.all_right(gateway, paths), len(paths))


class FullTests(SynchronousTestCase):
    """A disk of 8 MiB for a cache that thinks it may take 64."""

    def setUp(self) -> None:
        """Mount it; that is root's to do, as whom CI runs."""
        if os.geteuid():
            raise SkipTest("to mount a file system needs root")
        self.origin = Origin(self)
        self.folder = made_folder(self)

    def load(self, gateway: Gateway, paths: list[str], crowds: int = 6) -> int:
        """Let crowds ask for these: each answer must be right; gives how many the cache had."""
        hits = 0
        order = random.Random(3)
        for _ in range(crowds):
            chosen = order.choices(paths, k=100)
            crowd = Crowd(self, [(gateway.reverse, request(path)) for path in chosen])
            for path, answer in zip(chosen, crowd.answers(), strict=True):
                assert answer is not None, f"the answer to {path} broke off"
                self.assertTrue(is_right(answer, path), f"{path}: {answer.head}")
                hits += is_hit(answer)
        return hits

    def test_full(self) -> None:
        """
        Under a load of four times the disk no request fails and no byte is wrong; the cache says that it steps aside.

        The same holds after a restart on the full disk.
        """
        mounted(self, self.folder, ["size=8m"])
        paths = [f"/{size}/{one}" for one in range(70) for size in SIZES]
        self.assertGreater(sum(int(path.split("/")[1]) for path in paths), 32 << 20)
        gateway = caching(self, self.origin, self.folder, memory="1MiB")
        self.load(gateway, paths, 12)
        gateway.says("event cache_aside")
        self.assertEqual(number(gateway, "store_aside"), 1)
        self.load(gateway, paths)
        gateway.kill()
        gateway = caching(self, self.origin, self.folder, memory="1MiB", instead_of=gateway)
        self.load(gateway, paths)

    def test_filled_by_others(self) -> None:
        """A disk that somebody else fills up makes no request fail either, and what was stored is still of use."""
        mounted(self, self.folder, ["size=8m"])
        folder = self.folder / "cache"
        gateway = caching(self, self.origin, folder, size="6MiB")
        paths = [f"/{size}/{one}" for one in range(3) for size in SIZES]
        self.load(gateway, paths, 2)
        until(lambda: number(gateway, "store_queue_bytes") == 0, what="all is written")
        with (self.folder / "theirs").open("wb", buffering=0) as sink:
            while True:
                try:
                    sink.write(bytes(4096))
                except OSError:
                    break
        self.assertGreater(self.load(gateway, paths, 2), 100)
        self.load(gateway, [f"/{size}/new-{one}" for one in range(10) for size in SIZES], 3)
        gateway.says("event cache_aside")

    def test_read_only(self) -> None:
        """Where nothing can be written, no request fails, and the cache says that it steps aside."""
        mounted(self, self.folder, ["size=8m", "ro"])
        paths = [f"/{size}/{one}" for one in range(5) for size in SIZES]
        gateway = caching(self, self.origin, self.folder / "cache")
        gateway.says("event cache_aside")
        self.assertEqual(self.load(gateway, paths, 3), 0)
        self.assertIn("Read-only file system", gateway.text)

    def test_read_only_later(self) -> None:
        """The same with a folder in which something is stored already; when it can be written again the cache is back."""
        mounted(self, self.folder, ["size=8m"])
        paths = [f"/{size}/{one}" for one in range(2) for size in SIZES]
        gateway = caching(self, self.origin, self.folder)
        self.load(gateway, paths, 2)
        gateway.kill()
        self.remounted("ro")
        gateway = caching(self, self.origin, self.folder, instead_of=gateway)
        gateway.says("event cache_aside")
        self.load(gateway, paths, 2)
        self.remounted("rw")
        if is_full():
            # It tries again after half a minute.
            gateway.says("event cache_back", 50.0)
            self.load(gateway, paths, 2)
            self.assertGreater(self.load(gateway, paths, 1), 50)

    def remounted(self, how: str) -> None:
        """Let the file system be read-only, or not any more."""
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.folder)], check=True)
