"""Tests of the plugin yara through a whole gateway, with YARA-X itself in its child processes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Fields, Plugin, Response, ScanJob, Unpacked, Unscannable, hookimpl
from gateway.testing import FakeGateway, check_plugin
from gateway_yara import Yara
from gateway_yara.process import ChildFailed

try:
    import yara_x as _yara_x
except ImportError:
    _yara_x = None  # type: ignore[assignment]

URL = "http://a.example/files/a.bin"
BAD = b"some text and EVIL-MARK-1 in it"
GOOD = b"some text and nothing in it"
RULE = 'rule marked : family { strings: $a = "EVIL-MARK-1" condition: $a }\n'
SLOW = "rule slow { condition: for all i in (0..filesize): (for all j in (0..filesize): (i + j >= 0)) }"


class Opener(Plugin):
    """Unpacks what begins with PACK."""

    name = "opener"

    @hookimpl()
    def unpack_content(self, job: ScanJob) -> Unpacked | None:
        """Unpack."""
        if not job.content.startswith(b"PACK"):
            return None
        packed = job.content[4:]
        member = ScanJob(packed, None, len(packed), "", "", job.url, member="in/a.js", depth=1)
        return Unpacked("pack", Packed([member]))


class Packed:
    """What is packed."""

    def __init__(self, jobs: Sequence[ScanJob | Unscannable]) -> None:
        self._jobs = jobs

    async def more(self) -> Sequence[ScanJob | Unscannable]:
        """Give all at once, then nothing."""
        jobs, self._jobs = self._jobs, ()
        return jobs

    def close(self) -> None:
        """Nothing is open."""


def no_process() -> Any:
    """
    Fail to start.

    @raise ChildFailed: always.
    """
    raise ChildFailed("no process can be started: Resource temporarily unavailable")


class YaraTestCase(SynchronousTestCase):
    """Makes gateways with a folder of rules."""

    if _yara_x is None:
        skip = "YARA-X is not installed"

    def setUp(self) -> None:
        """Make a folder."""
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()

    def write(self, name: str, rules: str) -> Path:
        """Write a file of rules."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(rules)
        return path

    def started(
        self,
        settings: dict[str, object] | None = None,
        plugins: Any = (),
        config: dict[str, object] | None = None,
    ) -> FakeGateway:
        """Start a gateway."""
        own = {"rules": str(self.folder), "every": "10s", "processes": 1, **(settings or {})}
        gateway = FakeGateway(Yara, own, plugins=list(plugins), config=config)
        self.addCleanup(gateway.stop)
        return gateway

    def got(self, gateway: FakeGateway, content: bytes, url: str = "") -> Any:
        """Download content, each time from another address: what was infected is remembered by that."""
        self.count = getattr(self, "count", 0) + 1
        url = url or f"http://a.example/{self.count}/a.bin"
        fields = Fields.of([("Content-Type", "Text/Plain; a=b")])
        gateway.origin[url] = Response(200, fields, content)
        return self.successResultOf(gateway.get(url))

    def note(self, gateway: FakeGateway, content: bytes, url: str = "") -> str:
        """Tell what the log says of content."""
        return str(self.got(gateway, content, url).notes.get("scan_response"))

    def looked(self, gateway: FakeGateway, times: int = 2) -> None:
        """Let the plugin look at its folder so often."""
        for _ in range(times):
            gateway.clock.advance(10.0)
            gateway.settle()

    def told(self, gateway: FakeGateway) -> list[str]:
        """Give the events of what is the matter with rules."""
        return [
            event.text
            for event in gateway.events
            if event.name in ("patterns_failed", "yara_rules_gone")
        ]

    def names(self, gateway: FakeGateway) -> list[str]:
        """Give the names of the events about rules."""
        about = ("patterns", "yara")
        found = [event for event in gateway.events if event.name.startswith(about)]
        self.assertTrue({event.subject for event in found} <= {str(self.folder)})
        return [event.name for event in found]


class ScanTests(YaraTestCase):
    """What is found."""

    def test_found(self) -> None:
        """What a rule matches is refused both ways, by the name and the tags of the rule; the rest passes."""
        self.write("a.yar", RULE)
        gateway = self.started(config={"scan.on": {"unscanned": "pass"}})
        seen = self.got(gateway, BAD)
        self.assertEqual((seen.status, seen.notes["scan_response"]), (403, "infected:block"))
        self.assertEqual(seen.notes["scan_found"], "marked [family]")
        sent = self.successResultOf(gateway.request("POST", URL, {}, BAD))
        self.assertEqual((sent.status, sent.notes["scan_request"]), (403, "infected:block"))
        self.assertFalse(
            any(request.complete and request.content for request in gateway.origin.requests)
        )
        self.assertEqual(self.got(gateway, GOOD).content, GOOD)

    def test_metadata(self) -> None:
        """The action of a rule says how sure it is, else its severity, else the setting."""
        cases = (
            ('action = "infected" severity = "low"', "infected:block"),
            ('action = "suspicious" severity = "high"', "suspicious:monitor"),
            ('severity = "critical"', "infected:block"),
            ('severity = "Medium"', "suspicious:monitor"),
            ('severity = "odd" action = 3', "suspicious:monitor"),
            ("score = 70", "suspicious:monitor"),
        )
        for index, (metadata, _) in enumerate(cases):
            self.write(
                f"{index}.yar",
                f'rule r{index} {{ meta: {metadata} strings: $a = "MARK-{index}-" condition: $a }}',
            )
        gateway = self.started({"found": "suspicious"})
        for index, (_, expected) in enumerate(cases):
            note = self.note(gateway, b"MARK-%d-" % index, f"http://a.example/{index}")
            self.assertEqual(note, expected, index)
        both = self.note(gateway, b"MARK-0- MARK-1-", "http://a.example/both")
        self.assertEqual(both, "infected:block")

    def test_ignored(self) -> None:
        """A rule that is to be ignored finds nothing, and is counted."""
        self.write("a.yar", RULE.replace("strings:", 'meta: action = "ignore" strings:'))
        gateway = self.started(config={"scan.on": {"unscanned": "pass"}})
        self.assertEqual(self.got(gateway, BAD).status, 200)

    def test_large(self) -> None:
        """Content in a file is scanned there; what is larger than the bound is not called clean, or left to others."""
        self.write("a.yar", RULE)
        gateway = self.started()
        content = bytes(3_000_000) + BAD
        self.assertEqual(self.note(gateway, content), "infected:block")
        gateway = self.started({"max_size": "1MB"})
        self.assertEqual(self.note(gateway, content), "too_large:block")
        gateway = self.started({"max_size": "1MB", "larger": "skip"})
        self.assertEqual(self.note(gateway, content), "not_needed")

    def test_members(self) -> None:
        """What is packed is scanned by itself, with its own name."""
        self.write(
            "a.yar",
            'rule r { condition: member == "in/a.js" and extension == ".js" and filesize == 5 }',
        )
        gateway = self.started(plugins=[Opener])
        self.assertEqual(self.note(gateway, b"PACK12345"), "infected:block")

    def test_variables(self) -> None:
        """Rules may ask for the declared type and the extension; what they ask of the address is not remembered."""
        self.write(
            "a.yar", 'rule r { condition: media_type == "text/plain" and extension == ".bin" }'
        )
        gateway = self.started(config={"scan.on": {"unscanned": "pass"}})
        self.assertEqual(self.note(gateway, GOOD), "infected:block")
        self.assertEqual(self.got(gateway, GOOD, "http://a.example/a").status, 200)
        plugin = gateway.plugin
        assert isinstance(plugin, Yara)
        self.assertIn("yara-x ", plugin.scan_patterns())
        self.write("b.yar", 'rule r { condition: url contains "b.example" and filename == "x" }')
        self.looked(gateway)
        self.assertEqual(self.note(gateway, GOOD, "http://b.example/x"), "infected:block")
        self.assertEqual(plugin.scan_patterns(), "")

    def test_slow(self) -> None:
        """A rule that takes too long ends in C{engine_timeout}, and the next content is scanned."""
        self.write("a.yar", RULE + SLOW)
        gateway = self.started({"timeout": "1s"})
        self.assertEqual(self.note(gateway, b"ab" * 2_000_000), "engine_timeout:block")
        self.assertEqual(self.note(gateway, BAD), "infected:block")

    def test_killed(self) -> None:
        """A process that ends in the middle is an C{engine_error} once; another one takes its place."""
        self.write("a.yar", RULE)
        gateway = self.started()
        self.assertEqual(self.note(gateway, BAD), "infected:block")
        plugin: Any = gateway.plugin
        for process in list(plugin._rules._all):
            process.kill()
        self.assertEqual(self.note(gateway, BAD + b"2"), "engine_error:block")
        self.assertEqual(self.note(gateway, BAD + b"3"), "infected:block")

    def test_no_rules(self) -> None:
        """Without rules nobody says that anything is clean, and nothing is held."""
        gateway = self.started()
        self.assertEqual(self.note(gateway, BAD), "not_needed")
        self.assertIn(f"there are no rules in {self.folder}", " ".join(gateway.cautions))


class FolderTests(YaraTestCase):
    """Rules that change."""

    def test_changed(self) -> None:
        """Other rules are taken when they were there for two looks, whatever the file's time says."""
        path = self.write("a.yar", RULE)
        gateway = self.started(config={"scan.on": {"unscanned": "pass"}})
        plugin: Any = gateway.plugin
        before = plugin.scan_patterns()
        was = path.stat()
        path.write_text(RULE.replace("MARK-1", "MARK-2"))
        os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
        self.looked(gateway, 1)
        self.assertEqual(plugin.scan_patterns(), before)
        self.looked(gateway, 1)
        self.assertNotEqual(plugin.scan_patterns(), before)
        self.assertEqual(self.got(gateway, BAD).status, 200)
        self.assertEqual(self.note(gateway, b"EVIL-MARK-2"), "infected:block")
        self.assertEqual(self.names(gateway), ["patterns_updated"])
        (updated,) = (event for event in gateway.events if event.name == "patterns_updated")
        self.assertEqual(updated.values["engine"], "yara")
        self.assertNotEqual(updated.values["version"], updated.values["before"])

    def test_touched(self) -> None:
        """A file that is only touched is not compiled again."""
        path = self.write("a.yar", RULE)
        gateway = self.started()
        plugin: Any = gateway.plugin
        rules = plugin._rules
        os.utime(path)
        self.looked(gateway, 3)
        self.assertIs(plugin._rules, rules)

    def test_broken(self) -> None:
        """Rules with a fault leave those before in use; the event names file and line, once; mended ones are taken."""
        path = self.write("a.yar", RULE)
        gateway = self.started(config={"scan.on": {"unscanned": "pass"}})
        self.write("below/b.yar", "\n\nrule broken { condition: $nothing }")
        self.looked(gateway, 5)
        texts = self.told(gateway)
        self.assertEqual(len(texts), 1)
        self.assertIn("below/b.yar:3: unknown pattern `$nothing`", texts[0])
        self.assertIn("the rules before stay in use", texts[0])
        self.assertIn("below/b.yar:3", " ".join(gateway.log))
        self.assertEqual(self.note(gateway, BAD), "infected:block")
        self.write("below/b.yar", 'rule mended { strings: $a = "MENDED" condition: $a }')
        self.looked(gateway)
        self.assertEqual(
            self.names(gateway), ["patterns_failed", "patterns_updated", "patterns_work"]
        )
        self.assertEqual(self.note(gateway, b"MENDED"), "infected:block")
        path.unlink()
        self.looked(gateway)
        self.assertEqual(self.got(gateway, BAD).status, 200)

    def test_broken_from_the_beginning(self) -> None:
        """At the start files with faults are left out; with nothing else nothing passes as scanned."""
        self.write("a.yar", RULE)
        self.write("b.yar", "rule broken {")
        self.write("c.yar", 'include "a.yar"')
        self.write("d.yara", 'rule other { strings: $a = "OTHER" condition: $a }')
        gateway = self.started()
        self.assertEqual(self.note(gateway, BAD), "infected:block")
        self.assertEqual(self.note(gateway, b"OTHER"), "infected:block")
        (text,) = self.told(gateway)
        self.assertIn("files with faults are left out: b.yar:1: ", text)
        self.assertIn("and 1 more", text)
        for name in ("a.yar", "d.yara"):
            (self.folder / name).unlink()
        gateway = self.started()
        self.assertEqual(self.note(gateway, GOOD), "engine_error:block")
        self.assertIn("nothing can be scanned", self.told(gateway)[0])
        self.write("b.yar", RULE)
        (self.folder / "c.yar").unlink()
        self.looked(gateway)
        self.assertEqual(self.note(gateway, BAD), "infected:block")
        self.assertEqual(self.names(gateway), ["patterns_failed", "patterns_work"])

    def test_broken_and_back(self) -> None:
        """Files with a fault that go again leave nothing the matter; the same fault later is told anew."""
        self.write("a.yar", RULE)
        gateway = self.started()
        for _ in range(2):
            path = self.write("b.yar", "rule broken {")
            self.looked(gateway)
            path.unlink()
            self.looked(gateway)
        self.assertEqual(self.names(gateway), ["patterns_failed", "patterns_work"] * 2)

    def test_nothing_but_faults_goes(self) -> None:
        """When files with faults were all there was, and they go, nothing is the matter."""
        path = self.write("b.yar", "rule broken {")
        gateway = self.started()
        path.unlink()
        self.looked(gateway)
        self.assertEqual(self.names(gateway), ["patterns_failed", "patterns_work"])

    def test_no_process_later(self) -> None:
        """That new rules can't be compiled though they have no faults is told after three looks in a row."""
        self.write("a.yar", RULE)
        gateway = self.started()
        plugin: Any = gateway.plugin
        starts = plugin.start_process
        plugin.start_process = no_process
        self.write("b.yar", RULE.replace("MARK-1", "MARK-2").replace("rule ", "rule other_"))
        self.looked(gateway, 3)
        self.assertEqual(self.names(gateway), [])
        self.looked(gateway, 3)
        self.assertEqual(self.names(gateway), ["patterns_failed"])
        plugin.start_process = starts
        self.looked(gateway, 1)
        self.assertEqual(
            self.names(gateway), ["patterns_failed", "patterns_updated", "patterns_work"]
        )

    def test_no_process(self) -> None:
        """If no process can be started it is tried again and told once; nothing passes as scanned meanwhile."""
        self.write("a.yar", RULE)

        class Poor(Yara):
            start_process = staticmethod(no_process)

        own = {"rules": str(self.folder), "every": "10s"}
        gateway = FakeGateway(Poor, own)
        self.addCleanup(gateway.stop)
        self.looked(gateway, 5)
        self.assertEqual(self.note(gateway, GOOD), "engine_error:block")
        self.assertEqual(len(self.told(gateway)), 1)
        self.assertIn("nothing can be scanned: the rules can't be compiled", self.told(gateway)[0])
        plugin: Any = gateway.plugin
        rich: Any = self.started().plugin
        plugin.start_process = rich.start_process
        self.looked(gateway, 1)
        self.assertEqual(self.note(gateway, BAD), "infected:block")

    def test_gone(self) -> None:
        """When the last file goes, it is told: from then on nothing is scanned."""
        path = self.write("a.yar", RULE)
        gateway = self.started()
        path.unlink()
        self.looked(gateway)
        self.assertIn("there are no rules any more", self.told(gateway)[0])
        self.assertEqual(self.note(gateway, BAD), "not_needed")
        self.write("a.yar", RULE)
        self.looked(gateway)
        self.assertEqual(self.names(gateway), ["yara_rules_gone", "yara_rules_back"])

    def test_unreadable(self) -> None:
        """A file that can't be read is a fault as any other, and C{gateway check} tells of it."""
        if os.geteuid() == 0:
            (self.folder / "a.yar").symlink_to(self.folder / "a.yar")
        else:
            self.write("a.yar", RULE).chmod(0)
        gateway = self.started()
        self.assertIn("rules that can't be read: a.yar", " ".join(gateway.cautions))
        self.assertEqual(self.note(gateway, GOOD), "engine_error:block")
        self.assertIn("a.yar: can't be read", self.told(gateway)[0])

    def test_hidden(self) -> None:
        """Hidden files, and those of other names, are not rules."""
        self.write("a.yar", RULE)
        self.write(".b.yar", "rule broken {")
        self.write("readme.txt", "no rule")
        gateway = self.started()
        self.assertEqual(self.told(gateway), [])

    def test_stopped(self) -> None:
        """No process is left when the gateway has stopped."""
        self.write("a.yar", RULE)
        gateway = self.started()
        self.note(gateway, BAD)
        plugin: Any = gateway.plugin
        processes = [process.pid for process in plugin._rules._all]
        self.assertEqual(len(processes), 1)
        gateway.stop()
        for pid in processes:
            self.assertFalse(Path(f"/proc/{pid}").exists())


class KitTests(YaraTestCase):
    """The rules for plugins."""

    def test_check(self) -> None:
        """The plugin keeps the rules for plugins."""
        check_plugin(Yara)
