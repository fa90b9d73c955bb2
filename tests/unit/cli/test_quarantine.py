"""C{gateway quarantine}."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import time
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.cli.main import main
from gateway.cli.quarantine import COMMANDS
from gateway.config.load import load
from gateway.pipeline.quarantine_folder import Folder
from tests.unit.cli.shapes import assert_explain_themselves
from tests.unit.config.files import FilesTestCase

EVIL = b"evil" * 50_000


class ShapeTests(SynchronousTestCase):
    """Each command explains itself."""

    def test_explain_themselves(self) -> None:
        """Each has examples that can be given, and exit codes."""
        assert_explain_themselves(self, "quarantine", COMMANDS)


class QuarantineTests(FilesTestCase):
    """The commands, on a folder with something in it."""

    def setUp(self) -> None:
        """Name the folder; it is not there."""
        super().setUp()
        self.path = self.folder / "quarantine"
        self.config = self.write(f'[scan]\nquarantine = "{self.path}"\n')

    def keep(self, content: bytes, *, days_ago: float = 0, **more: Any) -> str:
        """Keep content; gives its id."""
        when = time.time() - days_ago * 86400
        folder = Folder.of(load(self.config).scan.quarantine, lambda: when)
        digest = hashlib.sha256(content).hexdigest()
        head = {
            "id": digest[:32],
            "time": when,
            "size": len(content),
            "sha256": digest,
            "reason": "infected",
            "name": "EICAR",
            "user": "",
            "client": "192.0.2.1",
            "url": "http://www.example.com/a\x1b[2J",
            **more,
        }
        folder.keep(head, lambda: io.BytesIO(content))
        return digest[:32]

    def ran(self, command: str, *arguments: str, code: int = 0) -> str:
        """Run a command that ends with a code, and give what it wrote."""
        out, self.err = io.StringIO(), io.StringIO()
        line = ["quarantine", command, "--config", self.config, *arguments]
        self.assertEqual(main(line, out, self.err), code, self.err.getvalue())
        return out.getvalue()

    def json(self, command: str, *arguments: str, code: int = 0) -> Any:
        """Run a command and read the JSON that it wrote."""
        return json.loads(self.ran(command, "--json", *arguments, code=code))

    def test_list(self) -> None:
        """What is kept is listed, the oldest first; nothing of it drives the terminal."""
        self.assertEqual(self.ran("list"), "nothing is kept\n")
        new = self.keep(b"new", user="anna")
        old = self.keep(b"old", days_ago=2)
        head, first, second = self.ran("list").splitlines()
        self.assertTrue(first.startswith(old[:12]))
        self.assertTrue(second.startswith(new[:12]))
        self.assertIn("anna", second)
        self.assertIn("192.0.2.1", first)
        self.assertIn("http://www.example.com/a\\x1b[2J", first)
        kept = self.json("list")["kept"]
        self.assertEqual([one["id"] for one in kept], [old, new])
        self.assertTrue(all(one["readable"] for one in kept))

    def test_show(self) -> None:
        """All that is known is shown; a few digits name it, as far as no other begins so."""
        id = self.keep(b"evil")
        out = self.ran("show", id[:5].upper())
        self.assertIn(hashlib.sha256(b"evil").hexdigest(), out)
        self.assertNotIn("\x1b", out)
        self.assertEqual(self.json("show", id)["name"], "EICAR")
        self.assertFalse(self.json("show", "zz", code=1)["ok"])
        self.ran("show", "", code=1)
        for number in range(20):
            self.keep(str(number).encode())
        self.ran("show", "", code=1)
        ids = [one["id"][0] for one in self.json("list")["kept"]]
        twice = next(digit for digit in ids if ids.count(digit) > 1)
        self.ran("show", twice, code=1)
        self.assertIn("say more of it", self.err.getvalue())

    def test_extract(self) -> None:
        """Content comes out as it was, in a new file for its owner alone that is not executable."""
        id = self.keep(EVIL)
        to = self.folder / "sample"
        before = os.umask(0)
        try:
            self.ran("extract", id, "--to", str(to))
        finally:
            os.umask(before)
        self.assertEqual(to.read_bytes(), EVIL)
        self.assertEqual(stat.S_IMODE(to.stat().st_mode), 0o600)
        self.assertEqual(len(self.json("list")["kept"]), 1)
        to.write_text("mine")
        self.ran("extract", id, "--to", str(to), code=1)
        self.assertIn("there already", self.err.getvalue())
        self.assertEqual(to.read_text(), "mine")
        other = self.folder / "other"
        found = self.json("extract", id, "--to", str(other))
        self.assertEqual((found["bytes"], found["to"]), (len(EVIL), str(other)))

    def test_tampered(self) -> None:
        """What was changed on the disk does not come out, and nothing of it stays where it was to go."""
        id = self.keep(EVIL)
        path = self.path / f"{id}.gwquar"
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        to = self.folder / "sample"
        self.ran("extract", id, "--to", str(to), code=1)
        self.assertIn("changed", self.err.getvalue())
        self.assertFalse(to.exists())
        content[100] ^= 1
        path.write_bytes(content)
        self.assertFalse(self.json("list")["kept"][0]["readable"])
        self.assertIn("changed", self.ran("list"))
        self.ran("show", id, code=1)

    def test_renamed(self) -> None:
        """A container under another one's name is found out."""
        id = self.keep(EVIL)
        os.rename(self.path / f"{id}.gwquar", self.path / f"{'0' * 32}.gwquar")
        self.assertFalse(self.json("list")["kept"][0]["readable"])
        to = self.folder / "sample"
        self.ran("extract", "000", "--to", str(to), code=1)
        self.assertFalse(to.exists())

    def test_wrong_key(self) -> None:
        """With another key nothing comes out; that it is another one is said."""
        id = self.keep(EVIL)
        Path(f"{self.path}.key").write_text("x" * 40)
        self.ran("extract", id, "--to", str(self.folder / "sample"), code=1)
        self.assertIn("another key", self.err.getvalue())
        self.assertIn("another key", self.ran("list"))
        Path(f"{self.path}.key").unlink()
        self.ran("list", code=1)
        self.assertIn("there is no key", self.err.getvalue())
        # Getting rid of it takes no key.
        self.ran("delete", id)

    def test_key_of_the_configuration(self) -> None:
        """The key that the configuration names is used, and none is made."""
        key = self.folder / "key"
        key.write_text("0123456789abcdef" * 2 + "\n")
        self.config = self.write(
            f'[scan]\nquarantine = {{ path = "{self.path}", key = {{ file = "{key}" }} }}\n'
        )
        id = self.keep(EVIL)
        self.ran("extract", id, "--to", str(self.folder / "sample"))
        self.assertFalse(Path(f"{self.path}.key").exists())

    def test_delete(self) -> None:
        """One is deleted, and no other."""
        id, other = self.keep(b"1"), self.keep(b"2")
        self.assertEqual(self.json("delete", id)["deleted"], [id])
        self.assertEqual([one["id"] for one in self.json("list")["kept"]], [other])
        self.ran("delete", id, code=1)

    def test_purge(self) -> None:
        """What is old is deleted, or everything."""
        new, old = self.keep(b"1"), self.keep(b"2", days_ago=8)
        self.assertEqual(self.json("purge", "--older", "7d")["deleted"], [old])
        self.assertEqual(self.ran("purge", "--all"), "1 piece of content deleted\n")
        self.assertEqual(self.json("purge", "--all")["deleted"], [])
        self.assertNotEqual(new, old)

    def test_no_quarantine(self) -> None:
        """A configuration that names none is a fault, and so is one with faults."""
        self.config = self.write("")
        self.ran("list", code=2)
        self.assertIn("scan.quarantine", self.err.getvalue())
        self.config = self.write("[scan]\nquarantine = 5\n")
        self.ran("list", code=2)
        self.assertFalse(self.json("list", code=2)["ok"])
