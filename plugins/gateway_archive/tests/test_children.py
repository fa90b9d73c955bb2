"""Tests of the child process itself: what it may do, and that nothing of it outlives its parent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway_archive.blobs import SMALL_BYTES
from gateway_archive.messages import MAX_FILES
from gateway_archive.process import Child, ChildFailed
from gateway_archive.tests.archives import zipped

_MEMORY = 256 << 20
_FILE = 64 << 20
_SECONDS = 10.0

#: A parent with processes in the midst of their work, which tells who they are.
_PARENT = """
import json, os, sys, zipfile, io
sys.path[:] = json.loads(sys.argv[1])
from gateway_archive.tests.desk import Desk, job
desk = Desk(workers=4)
made = io.BytesIO()
with zipfile.ZipFile(made, "w") as archive:
    for number in range(100):
        archive.writestr(str(number), os.urandom(200_000))
answers = [desk.unpacked(job(made.getvalue())) for _ in range(4)]
print(json.dumps([child.pid for child in desk.plugin.pool.children]), flush=True)
sys.stdin.read()
"""


class ConfinementTests(SynchronousTestCase):
    """What a child process has."""

    def setUp(self) -> None:
        """Start one that has answered once."""
        self.child = Child(_MEMORY, _FILE)
        self.addCleanup(self.child.wait, 5.0)
        self.addCleanup(self.child.kill)
        self.ask(zipped({"a": b"a" * 30}))

    def ask(self, content: bytes, **bounds: int) -> Any:
        """Have it walk through some content; gives what it says."""
        words = {"notes": {}, "bounds": bounds, "seconds": 5.0}
        message = self.child.ask(words, [content], seconds=_SECONDS)
        message.close()
        return message.words

    def of(self, name: str) -> str:
        """Read what the system says of it."""
        return Path(f"/proc/{self.child.pid}/{name}").read_text()

    def test_limits(self) -> None:
        """The system holds it to limits of memory, files, time, and leaves no image of it."""
        limits = {
            line[:25].strip(): line[25:].split()[:2] for line in self.of("limits").splitlines()
        }
        self.assertEqual(limits["Max address space"], [str(_MEMORY)] * 2)
        self.assertEqual(limits["Max file size"], [str(_FILE)] * 2)
        self.assertEqual(limits["Max core file size"], ["0", "0"])
        self.assertEqual(limits["Max processes"], ["0", "0"])
        self.assertEqual(limits["Max open files"], ["256", "256"])
        self.assertLessEqual(int(limits["Max cpu time"][0]), 10)

    def test_files(self) -> None:
        """It has a socket and nothing that has a name."""
        folder = f"/proc/{self.child.pid}/fd"
        names = {os.readlink(f"{folder}/{fd}") for fd in os.listdir(folder)}
        others = {name for name in names if not name.startswith(("socket:", "/memfd:"))}
        self.assertEqual(others, {"/dev/null"})

    def test_privileges(self) -> None:
        """It has none, and gains none by running something."""
        status = self.of("status")
        self.assertIn("NoNewPrivs:\t1", status)
        self.assertIn("CapEff:\t0000000000000000", status)
        self.assertIn("CapPrm:\t0000000000000000", status)

    def test_imports(self) -> None:
        """Nothing of the gateway and nothing of Twisted is in it."""
        maps = self.of("maps")
        self.assertIn("libarchive", maps)
        self.assertNotIn("_rust", maps)
        self.assertNotIn("OpenSSL", maps)

    def test_many(self) -> None:
        """One after the other is walked through, whatever becomes of each."""
        for number in range(50):
            content = zipped({"a": b"%d" % number * 20})
            self.assertEqual(
                len(self.ask(content if number % 2 else content[:-30])["found"]) > 0, True
            )

    def test_files_at_once(self) -> None:
        """Members that are files come in one message as far as it takes them, so that no process waits to be asked for the rest."""
        content = {str(number): os.urandom(SMALL_BYTES + 1) for number in range(MAX_FILES - 1)}
        words = self.ask(zipped(content))
        self.assertEqual(len(words["found"]), MAX_FILES - 1)
        self.assertTrue(words["last"])
        content["more"], content["last"] = (os.urandom(SMALL_BYTES + 1) for _ in range(2))
        words = self.ask(zipped(content))
        self.assertEqual((len(words["found"]), words["last"]), (MAX_FILES, False))
        message = self.child.ask({"more": True}, seconds=_SECONDS)
        self.addCleanup(message.close)
        self.assertEqual([one["path"] for one in message.words["found"]], ["last"])
        self.assertTrue(message.words["last"])

    def test_memory(self) -> None:
        """What takes more memory to unpack than a process has is told, and the next is unpacked."""
        for dictionary in (1 << 30, 192 << 20):
            # The header of a file packed with LZMA, which asks for so much.
            head = b"\x5d" + dictionary.to_bytes(4, "little") + b"\xff" * 8
            (found,) = self.ask(head + bytes(500))["found"]
            self.assertEqual(found["reason"], "extract_failed", dictionary)
            self.assertEqual(len(self.ask(zipped({"a": b"b" * 30}))["found"]), 1)

    def test_nonsense(self) -> None:
        """A parent that talks nonsense is none it works for."""
        self.assertRaises(ChildFailed, self.child.ask, {"x": 1}, seconds=_SECONDS)
        self.child.wait(5.0)
        self.assertFalse(self.child.is_alive)


class LeftoverTests(SynchronousTestCase):
    """What is left when the parent dies."""

    def test_kill_parent(self) -> None:
        """When the parent is killed in the midst of it, its processes are gone at once, and no file is left."""
        folder = self.mktemp()
        os.mkdir(folder)
        with subprocess.Popen(
            [sys.executable, "-c", _PARENT, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": os.path.abspath(folder)},
        ) as parent:
            assert parent.stdout is not None
            children = json.loads(parent.stdout.readline())
            self.assertEqual(len(children), 4)
            self.assertTrue(all(os.path.exists(f"/proc/{pid}") for pid in children))
            # One of them is in the midst of something long.
            os.kill(children[0], signal.SIGSTOP)
            parent.kill()
        self.assertTrue(_within(10.0, lambda: not any(_runs(pid) for pid in children)))
        self.assertEqual(os.listdir(folder), [])

    def test_parent_gone_before(self) -> None:
        """A process whose parent is gone before it has begun ends, too."""
        child = Child(_MEMORY, _FILE)
        child._socket.close()
        child.wait(10.0)
        self.assertFalse(child.is_alive)


def _runs(pid: int) -> bool:
    """Tell whether a process runs; one that waits to be looked at by nobody does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")


def _within(seconds: float, condition: Any) -> bool:
    """Wait for something that other processes do."""
    deadline = monotonic() + seconds
    while not condition():
        if monotonic() > deadline:
            return False
        sleep(0.02)
    return True
