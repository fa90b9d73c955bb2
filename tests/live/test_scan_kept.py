"""What is remembered and kept of malware, by the commands of an operator and over a kill: the quarantine, infected URLs, scans of files."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.live.cache_peers import mounted
from tests.live.clamd_daemon import MARKER_NAME, Clamd
from tests.live.processes import Gateway, made_folder, until
from tests.live.scan_peers import Store, Ways, bad, clean, packed, scanning
from tests.live.tls_peers import commanded

LARGE = 8 << 20


class Fixture(SynchronousTestCase):
    """A clamd, an origin and a gateway with a quarantine."""

    def setUp(self) -> None:
        """Start them."""
        self.clamd = Clamd(self)
        self.store = Store(self)
        self.folder = made_folder(self)
        self.quarantine = self.folder / "quarantine"
        self.gateway = self.started()
        self.ways = Ways(self, self.gateway, self.store)

    def started(self, instead_of: Gateway | None = None) -> Gateway:
        """Start a gateway."""
        return scanning(
            self,
            self.store,
            self.clamd,
            enabled=("clamd",),
            scan=f'quarantine = "{self.quarantine}"\n',
            instead_of=instead_of,
        )

    def json(self, *words: str, status: int = 0) -> Any:
        """Run a command and read what it wrote."""
        return json.loads(commanded(self.gateway, *words, "--json", status=status))

    def kept(self) -> list[dict[str, Any]]:
        """List what is in the quarantine."""
        found: list[dict[str, Any]] = self.json("quarantine", "list")["kept"]
        return found

    def is_kept(self, count: int) -> bool:
        """Tell whether so much is in the quarantine, whole."""
        names = os.listdir(self.quarantine)
        return len(names) == count and all(name.endswith(".gwquar") for name in names)


class KeptTests(Fixture):
    """What an operator sees and does."""

    def test_quarantine(self) -> None:
        """What was refused on both sides is kept out of everybody's reach, and comes out as it was."""
        contents = {"/down": bad(100_000), "/up": bad(3_000_000)}
        self.store.files["/down?token=secret"] = contents["/down"]
        for answer in (
            self.ways.asked("/down?token=secret"),
            self.ways.asked("/up", upload=contents["/up"], forward=True),
        ):
            assert answer is not None
            self.assertEqual(answer.status, 403)
        until(lambda: self.quarantine.exists() and self.is_kept(2), what="both are kept")
        lines = {line["id"]: line for line in self.gateway.lines(self.ways.sent)}
        for one in self.kept():
            self.assertNotIn("secret", str(one))
            path = "/" + one["url"].rpartition("/")[2]
            self.assertEqual((one["name"], one["reason"]), (MARKER_NAME, "infected"))
            self.assertEqual(lines[one["request"]]["notes"]["quarantine"], one["id"])
            to = self.folder / one["id"]
            commanded(self.gateway, "quarantine", "extract", one["id"][:8], "--to", str(to))
            self.assertTrue(to.read_bytes() == contents.pop(path), path)
            self.assertEqual(stat.S_IMODE(to.stat().st_mode), 0o600)
        self.assertEqual(contents, {})
        for entry in self.quarantine.iterdir():
            self.assertEqual(stat.S_IMODE(entry.stat().st_mode), 0o600)
            self.assertNotIn(b"MALWARE", entry.read_bytes())
        self.assertEqual(stat.S_IMODE(self.quarantine.stat().st_mode), 0o700)
        self.assertEqual(len(self.json("quarantine", "purge", "--all")["deleted"]), 2)
        self.assertEqual(self.kept(), [])

    def test_infected_urls(self) -> None:
        """A URL that gave malware is refused until an operator has it forgotten."""
        self.store.files["/a"] = bad(1000)
        first, second = self.ways.asked("/a"), self.ways.asked("/a")
        assert first is not None
        assert second is not None
        self.assertEqual((first.status, second.status), (403, 403))
        self.assertNotIn(b"found here before", first.content)
        self.assertIn(b"found here before", second.content)
        (listed,) = self.json("scan", "urls", "list")["urls"]
        self.assertEqual((listed["name"], listed["refused"]), (MARKER_NAME, 1))
        self.assertEqual(self.json("scan", "urls", "purge", listed["url"])["purged"], 1)
        answer = self.ways.asked("/a")
        assert answer is not None
        self.assertNotIn(b"found here before", answer.content)

    def test_files(self) -> None:
        """The gateway judges a file as it would judge what comes by."""
        for name, content, status, result in (
            ("bad", bad(1000), 1, "infected"),
            ("bad-large", bad(3_000_000), 1, "infected"),
            ("bad.zip", packed({"a": bad(1000)}), 1, "infected"),
            ("clean", clean(1000), 0, "clean"),
            ("clean-large", clean(3_000_000), 0, "clean"),
        ):
            path = self.folder / name
            path.write_bytes(content)
            found = self.json("scan", "test", str(path), status=status)
            self.assertEqual(found["result"], result, f"{name}: {found}")
        self.assertFalse(self.quarantine.exists() and list(self.quarantine.iterdir()))


class KillTests(Fixture):
    """kill -9 while content is being kept."""

    def test_no_halves(self) -> None:
        """After a restart every container is whole and nothing else is left."""
        uploads = [bad(LARGE + number) for number in range(12)]
        asked = [
            self.ways.request(f"/{number}", upload=content)
            for number, content in enumerate(uploads)
        ]
        crowd = self.ways.crowd(asked)

        def begun() -> list[Path]:
            return list(self.quarantine.glob("*.gwquar"))

        until(begun, what="the first that is kept")
        self.gateway.kill()
        crowd.answers(30.0)
        # As if it had been killed in the middle of one, which is up to chance.
        (self.quarantine / ".new-0123456789abcdef").write_bytes(b"gwquar1\n" + bytes(1000))
        self.gateway = self.started(self.gateway)
        until(
            lambda: self.is_kept(len(begun())) and begun(), 10.0, what="all leftovers are removed"
        )
        kept = self.kept()
        self.assertTrue(kept)
        for one in kept:
            to = self.folder / one["id"]
            commanded(self.gateway, "quarantine", "extract", one["id"], "--to", str(to))
            self.assertIn(to.read_bytes(), uploads)


class FullDiskTests(Fixture):
    """A quarantine whose disk is full."""

    def setUp(self) -> None:
        """Mount a small disk for it."""
        if os.geteuid():
            raise SkipTest("to mount a file system needs root")
        super().setUp()

    def started(self, instead_of: Gateway | None = None) -> Gateway:
        """Start a gateway whose quarantine is on that disk."""
        disk = self.folder / "disk"
        disk.mkdir()
        mounted(self, disk, ["size=66m"])
        self.quarantine = disk / "quarantine"
        return super().started(instead_of)

    def test_nothing_in_the_way(self) -> None:
        """What finds no room is not kept, that is said, and everybody gets what he would have got."""
        self.store.files = {"/bad": bad(LARGE), "/small": bad(10_000), "/clean": clean(10_000)}
        for path, status in (("/bad", 403), ("/small", 403), ("/clean", 200)):
            answer = self.ways.asked(path)
            assert answer is not None
            self.assertEqual(answer.status, status, path)
        self.gateway.says("event quarantine_failed quarantine")
        self.gateway.says("the disk is almost full")
        self.gateway.says("event quarantine_works quarantine")
        (one,) = self.kept()
        self.assertTrue(one["url"].endswith("/small"))
