"""Tests of compiled rules and their processes, with threads and YARA-X itself, and of what they can be told."""

from __future__ import annotations

import os
import socket
import threading
from functools import partial
from importlib import util
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway_yara.child import receive, send
from gateway_yara.findings import meaning, result
from gateway_yara.folder import MAX_FILES, Sources, read_folder
from gateway_yara.process import ChildFailed, ChildTooSlow, Process
from gateway_yara.rules import Rules, compile_rules
from gateway_yara.tests.test_yara import RULE, SLOW

_SPEC = util.find_spec("yara_x")
NOTHING: dict[str, str] = {}


class RulesTestCase(SynchronousTestCase):
    """Makes rules."""

    if _SPEC is None:
        skip = "YARA-X is not installed"

    def compiled(self, *texts: str, memory: int = 1 << 30) -> Rules:
        """Compile rules."""
        assert _SPEC is not None
        assert _SPEC.origin is not None
        self.start = partial(Process, memory, str(Path(_SPEC.origin).parent.parent))
        files = tuple((f"{index}.yar", text.encode()) for index, text in enumerate(texts))
        rules, faults = compile_rules(self.start, Sources("d" * 64, files))
        self.assertEqual(faults, ())
        assert rules is not None
        self.addCleanup(rules.close)
        return rules


class RulesTests(RulesTestCase):
    """Scans."""

    def test_others_go_on(self) -> None:
        """While a rule takes its time, other threads of this process run."""
        rules = self.compiled(SLOW)
        rules.warm()
        answers: list[Any] = []
        content = bytes(1_000_000)
        scanning = threading.Thread(
            target=lambda: answers.append(rules.scan(NOTHING, content, -1, 1))
        )
        scanning.start()
        turns = 0
        while scanning.is_alive():
            scanning.join(0.01)
            turns += 1
        self.assertEqual(answers, [{"failed": "timeout"}])
        self.assertGreater(turns, 20)

    def test_at_the_same_time(self) -> None:
        """As many threads as ask have a process each; afterwards these are used again."""
        rules = self.compiled(RULE)
        found: list[Any] = []

        def scan() -> None:
            for _ in range(20):
                found.append(rules.scan(NOTHING, b"EVIL-MARK-1", -1, 60)["found"])

        threads = [threading.Thread(target=scan) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(found, [[["marked", ["family"], {}]]] * 80)
        self.assertLessEqual(len(rules._all), 4)
        self.assertEqual(len(rules._free), len(rules._all))

    def test_swapped(self) -> None:
        """Who closes rules while they scan lets that scan end, and its process with it."""
        rules = self.compiled(RULE)
        process = rules._take()
        rules.close()
        answer, _ = process.ask(
            {"ask": "scan", "variables": {}, "seconds": 5}, b"EVIL-MARK-1", seconds=5
        )
        self.assertEqual(len(answer["found"]), 1)
        rules._give_back(process)
        self.assertEqual(rules._all, set())
        self.assertRaises(ChildFailed, rules.scan, NOTHING, b"", -1, 5)

    def test_killed(self) -> None:
        """Who waits for a process that is killed hears of it at once."""
        rules = self.compiled(SLOW)
        rules.warm()
        errors: list[BaseException] = []

        def scan() -> None:
            try:
                rules.scan(NOTHING, bytes(1_000_000), -1, 60)
            except ChildFailed as error:
                errors.append(error)

        scanning = threading.Thread(target=scan)
        scanning.start()
        while not rules._all or rules._free:
            scanning.join(0.01)
        rules.kill()
        scanning.join(10)
        self.assertFalse(scanning.is_alive())
        self.assertEqual(len(errors), 1)
        self.assertEqual(rules._all, set())

    def test_no_answer(self) -> None:
        """A process that does not answer in time is ended."""
        rules = self.compiled(SLOW)
        process = rules._take()
        words = {"ask": "scan", "variables": {}, "seconds": 60}
        self.assertRaises(ChildTooSlow, process.ask, words, bytes(1_000_000), seconds=0.2)
        process.close()

    def test_memory(self) -> None:
        """A process that goes beyond its memory ends, and nobody else does."""
        rules = self.compiled(RULE, memory=64 << 20)
        self.assertRaises(ChildFailed, rules.scan, NOTHING, bytes(200 << 20), -1, 5)

    def test_files(self) -> None:
        """A file without a name is scanned like any content."""
        rules = self.compiled(RULE)
        made = os.memfd_create("content")
        try:
            os.write(made, bytes(100_000) + b"EVIL-MARK-1")
            self.assertEqual(len(rules.scan(NOTHING, b"", made, 5)["found"]), 1)
        finally:
            os.close(made)

    def test_faults(self) -> None:
        """Every file with a fault is named, with its line; the others are compiled."""
        self.compiled(RULE)
        files = (
            ("a.yar", b"\n\nrule a { condition: b }"),
            ("b.yar", RULE.encode()),
            ("c.yar", b"rule c { condition: \xff }"),
            ("d.yar", b'\ninclude "/etc/passwd"'),
        )
        rules, faults = compile_rules(self.start, Sources("", files))
        assert rules is not None
        self.addCleanup(rules.close)
        self.assertEqual(
            [str(fault) for fault in faults],
            [
                "a.yar:3: unknown identifier `b`",
                "c.yar:1: it is not UTF-8",
                "d.yar:2: include statements not allowed",
            ],
        )
        self.assertEqual(rules.files, 1)
        rules, faults = compile_rules(self.start, Sources("", files[:1]))
        self.assertEqual((rules, len(faults)), (None, 1))


class MessageTests(SynchronousTestCase):
    """What goes between the processes."""

    def test_both_ways(self) -> None:
        """Words, data and a file arrive as they were sent."""
        one, other = socket.socketpair()
        self.addCleanup(one.close)
        self.addCleanup(other.close)
        made = os.memfd_create("file")
        self.addCleanup(os.close, made)
        os.write(made, b"in it")
        send(one, {"a": "ä"}, b"data", made)
        words, data, file = receive(other)
        self.addCleanup(os.close, file)
        self.assertEqual((words, data, os.pread(file, 10, 0)), ({"a": "ä"}, b"data", b"in it"))

    def test_hostile(self) -> None:
        """What is no message is refused, and so is one that breaks off or is too long."""
        for written in (b"", b"\0\0", b"\0\0\0\2\0\0\0\0{", b"\xff" * 20, b"\0\0\0\2\0\0\0\0[]"):
            one, other = socket.socketpair()
            one.sendall(written)
            one.close()
            self.assertRaises((EOFError, ValueError), receive, other)
            other.close()


class FolderTests(SynchronousTestCase):
    """What is read of the folder."""

    def test_missing(self) -> None:
        """A folder that is not there has no rules and no faults."""
        found = read_folder(self.mktemp())
        self.assertEqual((found.files, found.faults), ((), ()))

    def test_digest(self) -> None:
        """The digest is of names and contents, whichever way the folder lists them."""
        folder = Path(self.mktemp())
        folder.mkdir()
        digests = {read_folder(str(folder)).digest}
        (folder / "a.yar").write_text("a")
        digests.add(read_folder(str(folder)).digest)
        (folder / "a.yar").rename(folder / "b.yar")
        digests.add(read_folder(str(folder)).digest)
        (folder / "b.yar").write_text("b")
        digests.add(read_folder(str(folder)).digest)
        (folder / "readme").write_text("b")
        digests.add(read_folder(str(folder)).digest)
        self.assertEqual(len(digests), 4)
        self.assertGreater(MAX_FILES, 1000)


class FindingTests(SynchronousTestCase):
    """What matches mean."""

    def test_meaning(self) -> None:
        """The action comes before the severity, and what nobody knows says nothing."""
        for metadata, expected in (
            ({"action": "SUSPICIOUS", "severity": "high"}, "suspicious"),
            ({"severity": "info"}, "ignore"),
            ({"severity": "extreme"}, "infected"),
            ({}, "infected"),
        ):
            self.assertEqual(meaning(metadata, "infected"), expected)

    def test_several(self) -> None:
        """The surest one is named, and how many more there are."""
        found = [["a", [], {"severity": "low"}], ["b", ["x", "y"], {}], ["c", [], {}]]
        infected = result(found, "infected", "e")
        assert infected is not None
        self.assertEqual((infected.name, infected.certain), ("b [x, y] and 2 more", True))
        self.assertIsNone(result([["a", [], {"action": "ignore"}]], "infected", "e"))
