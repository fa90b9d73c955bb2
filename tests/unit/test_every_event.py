"""
Every event of the catalogue has a text that helps, a page, an object of the MIB, a mail, and a test that fires it.

C{FIRED} names for each the test that lets it happen where it belongs: the code that owns it raises it there, and the test
sees it come out.
"""

from __future__ import annotations

import html
import importlib
import inspect
import re
from pathlib import Path
from typing import Any
from unittest import TestResult

from twisted.trial.unittest import SkipTest, SynchronousTestCase

import gateway
from gateway.api import CATALOGUE, Event, EventType, Notify, Severity
from gateway.api.alarms import Notice
from gateway.api.describe_events import events_page
from gateway.cli.main import COMMANDS

ROOT = Path(gateway.__file__).resolve().parent.parent

_THREADS = "tests.unit.pipeline.test_threads.ThreadPoolsTests"
_QUARANTINE = "tests.unit.pipeline.test_quarantine.QuarantineTests"
_CLAMD = "gateway_clamd.tests.test_watch"
_YARA = "gateway_yara.tests.test_yara.FolderTests"
_VIOLATIONS = "tests.scenarios.test_violations"
_WATCHES = "tests.scenarios.test_watches"
_STORE = "tests.unit.net.test_certificate_store"
_PINS = "tests.unit.net.test_pins"
_DELIVERY = "tests.unit.alarms.test_delivery"

FIRED = {
    "malware_found": f"{_VIOLATIONS}.ViolationTests.test_scans",
    "malware_passed": f"{_VIOLATIONS}.ViolationTests.test_let_through",
    "policy_violation": f"{_VIOLATIONS}.ViolationTests.test_request",
    "upload_refused": f"{_VIOLATIONS}.ViolationTests.test_upload",
    "content_not_scanned": f"{_VIOLATIONS}.ViolationTests.test_scans",
    "content_passed_unscanned": "tests.scenarios.test_content.ResultTests.test_events",
    "filetype_found": "gateway_filetype.tests.test_filetype.DownloadTests.test_mismatch",
    "content_quarantined": f"{_QUARANTINE}.test_broken_disk",
    "clamd_down": f"{_CLAMD}.BreakerTests.test_hangs",
    "clamd_up": f"{_CLAMD}.BreakerTests.test_hangs",
    "scan_engine_unsafe": f"{_CLAMD}.CanaryTests.test_at_the_start",
    "scan_engine_safe": f"{_CLAMD}.CanaryTests.test_at_the_start",
    "scan_engine_fails_open": f"{_CLAMD}.OpenTests.test_limits",
    "scan_engine_fails_closed": f"{_CLAMD}.OpenTests.test_said_once",
    "patterns_updated": f"{_CLAMD}.AgeTests.test_updated",
    "patterns_failed": f"{_YARA}.test_broken",
    "patterns_work": f"{_YARA}.test_broken",
    "patterns_stale": f"{_CLAMD}.AgeTests.test_stale",
    "patterns_current": f"{_CLAMD}.AgeTests.test_stale",
    "yara_rules_gone": f"{_YARA}.test_gone",
    "yara_rules_back": f"{_YARA}.test_gone",
    "origin_down": "tests.unit.test_upstreams.UpstreamsTests.test_events",
    "origin_up": "tests.unit.test_upstreams.UpstreamsTests.test_events",
    "cache_aside": "gateway_cache.tests.test_aside.AsideTests.test_disk_full",
    "cache_back": "gateway_cache.tests.test_aside.AsideTests.test_disk_full",
    "quarantine_failed": f"{_QUARANTINE}.test_broken_disk",
    "quarantine_works": f"{_QUARANTINE}.test_broken_disk",
    "store_in_memory": "tests.unit.record.test_keyvalue.FileTests.test_no_folder",
    "store_damaged": "tests.unit.record.test_keyvalue.FileTests.test_no_database",
    "temp_space_short": "tests.unit.pipeline.test_spool.BudgetTests.test_alarm",
    "temp_space_free": "tests.unit.pipeline.test_spool.BudgetTests.test_alarm",
    "pool_full": f"{_THREADS}.test_full_and_not_any_more",
    "pool_room": f"{_THREADS}.test_full_and_not_any_more",
    "pool_stuck": f"{_THREADS}.test_all_stuck",
    "pool_free": f"{_THREADS}.test_all_stuck",
    "directory_down": "gateway_auth.tests.test_directory_servers.ServerTests.test_down_and_up",
    "directory_up": "gateway_auth.tests.test_directory_servers.ServerTests.test_down_and_up",
    "auth_users_faulty": "gateway_auth.tests.test_plugin.BasicTests.test_faulty_file_is_mended",
    "auth_users_read": "gateway_auth.tests.test_plugin.BasicTests.test_faulty_file_is_mended",
    "address_shared": "tests.scenarios.test_auth_addresses.TwoUsersTests.test_told_once",
    "certificate_expires": f"{_STORE}.ExpiryTests.test_thresholds",
    "ca_expires": f"{_VIOLATIONS}.TlsTests.test_ca",
    "certificate_refused": f"{_STORE}.ExchangeTests.test_refused",
    "certificate_exchanged": f"{_STORE}.ExchangeTests.test_exchanged",
    "upstream_certificate_refused": f"{_VIOLATIONS}.TlsTests.test_certificate",
    "tls_pinned": f"{_PINS}.ProposalTests.test_third_refusal",
    "tls_bypass_begun": f"{_PINS}.OrderTests.test_bypass",
    "tls_bypass_ended": f"{_PINS}.OrderTests.test_bypass",
    "tls_ca_missing": f"{_PINS}.LackingTests.test_refuses_everything",
    "tls_http2_only": "tests.unit.modes.test_http2_only.MemoryTests.test_told",
    "config_reloaded": "tests.scenarios.test_reload.RefusedTests.test_events",
    "config_refused": "tests.scenarios.test_reload.RefusedTests.test_events",
    "plugin_unhealthy": "tests.unit.pipeline.test_step.ErrorRuleTests.test_unhealthy",
    "plugin_healthy": "tests.unit.pipeline.test_step.ErrorRuleTests.test_unhealthy",
    "channel_down": f"{_DELIVERY}.DownTests.test_down_and_up",
    "channel_up": f"{_DELIVERY}.DownTests.test_down_and_up",
    "alarms_dropped": f"{_DELIVERY}.BoundTests.test_drop_rule",
    "disk_short": "tests.unit.watches.test_watching.DiskTests.test_edges",
    "disk_free": "tests.unit.watches.test_watching.DiskTests.test_edges",
    "disk_unreadable": "tests.unit.watches.test_watching.DiskTests.test_deaf",
    "disk_readable": "tests.unit.watches.test_watching.DiskTests.test_deaf",
    "memory_short": f"{_WATCHES}.ResourceTests.test_machine",
    "memory_free": f"{_WATCHES}.ResourceTests.test_machine",
    "connections_short": f"{_WATCHES}.ResourceTests.test_connections",
    "connections_free": f"{_WATCHES}.ResourceTests.test_connections_end",
    "descriptors_short": f"{_WATCHES}.ResourceTests.test_machine",
    "descriptors_free": f"{_WATCHES}.ResourceTests.test_machine",
    "reactor_slow": f"{_WATCHES}.ResourceTests.test_lag",
    "reactor_quick": f"{_WATCHES}.ResourceTests.test_lag",
    "cpu_stolen": f"{_WATCHES}.ResourceTests.test_machine",
    "cpu_returned": f"{_WATCHES}.ResourceTests.test_machine",
    "listen_overflow": f"{_WATCHES}.ResourceTests.test_machine",
    "listen_calm": f"{_WATCHES}.ResourceTests.test_machine",
    "abnormal_restart": f"{_WATCHES}.ProcessTests.test_abnormal_restart",
    "planned_stop": f"{_WATCHES}.ProcessTests.test_planned",
    "planned_start": f"{_WATCHES}.ProcessTests.test_planned",
    "stop_cut_short": f"{_WATCHES}.ProcessTests.test_cut_short",
    "config_drift": f"{_WATCHES}.PeerTests.test_drift",
    "config_alike": f"{_WATCHES}.PeerTests.test_drift",
    "peer_unreachable": f"{_WATCHES}.PeerTests.test_unreachable",
    "peer_reachable": f"{_WATCHES}.PeerTests.test_unreachable",
}


def found(path: str) -> Any:
    """Give the method that a test's id names."""
    module, case, method = path.rsplit(".", 2)
    return getattr(getattr(importlib.import_module(module), case), method)


class FiredTests(SynchronousTestCase):
    """Something fires each."""

    def test_all(self) -> None:
        """The table has every event of the catalogue, and no other."""
        self.assertEqual(sorted(FIRED), sorted(CATALOGUE))

    def test_named(self) -> None:
        """Each test that the table names is there, runs, and looks for that event."""
        for name, path in FIRED.items():
            method = found(path)
            self.assertTrue(path.rsplit(".", 1)[1].startswith("test_"), path)
            self.assertFalse(getattr(method, "skip", None) or getattr(method, "todo", None), path)
            source = inspect.getsource(method)
            self.assertRegex(source, rf'"{name}"|\b{name.upper()}\b', path)

    def test_fired(self) -> None:
        """Each of these tests passes, and the event is really made while it runs."""
        made: set[str] = set()
        make = EventType.__call__

        def noting(kind: EventType, /, *given: Any, **values: str) -> Event:
            made.add(kind.name)
            return make(kind, *given, **values)

        self.patch(EventType, "__call__", noting)
        for path in sorted(set(FIRED.values())):
            made.clear()
            case, method = found(path).__qualname__.split(".")
            one = getattr(importlib.import_module(path.rsplit(".", 2)[0]), case)(method)
            result = TestResult()
            one.run(result)
            self.assertEqual([text for _, text in (*result.errors, *result.failures)], [], path)
            wanted = {name for name, where in FIRED.items() if where == path}
            # What an extra is missing for can't be looked at here.
            self.assertLessEqual(set() if result.skipped else wanted, made, path)

    def test_raised(self) -> None:
        """Each type is used by somebody, and by its owner alone if it has one."""
        catalogue = ROOT / "gateway/api/catalogue"
        users: dict[str, list[Path]] = {}
        for folder in ("gateway", "plugins"):
            for path in (ROOT / folder).rglob("*.py"):
                if catalogue not in path.parents and "tests" not in path.parts:
                    for word in set(re.findall(r"\b[A-Z][A-Z0-9_]+\b", path.read_text())):
                        users.setdefault(word.lower(), []).append(path)
        for name, one in CATALOGUE.items():
            where = users.get(name, [])
            self.assertTrue(where, name)
            if one.owner:
                own = ROOT / "plugins" / f"gateway_{one.owner}"
                self.assertTrue(all(own in path.parents for path in where), name)


class TextTests(SynchronousTestCase):
    """What is said of them."""

    def test_whole_sentences(self) -> None:
        """When and what to do are sentences, short enough for a mail; a title fits a subject line."""
        for name, one in CATALOGUE.items():
            for text in (one.when, one.act, *(field.help for field in one.fields)):
                self.assertRegex(text, r"^[A-Za-z0-9].*\.$", name)
                self.assertRegex(text, r"^[ -~]+$", name)
                self.assertNotIn("`", text, name)
            self.assertLess(len(one.act), 500, name)
            self.assertRegex(one.title, r"^[A-Za-z ,'/0-9]{5,60}$", name)
            self.assertTrue(all(field.example for field in one.fields), name)

    def test_names_and_numbers(self) -> None:
        """Names are tokens; each has a number of its own."""
        for name, one in CATALOGUE.items():
            self.assertEqual(name, one.name)
            self.assertRegex(name, r"^[a-z][a-z0-9_]*$")
            self.assertGreater(one.number, 0)
        self.assertEqual(len({one.number for one in CATALOGUE.values()}), len(CATALOGUE))

    def test_states(self) -> None:
        """What ends a state has the same subject as what begins it, no more weight, and is told where that is."""
        ended: set[str] = set()
        for one in CATALOGUE.values():
            if not one.ends:
                continue
            begun = CATALOGUE[one.ends]
            self.assertNotIn(one.ends, ended)
            ended.add(one.ends)
            self.assertEqual(begun.ends, "")
            self.assertEqual(one.severity, Severity.INFO, one.name)
            self.assertNotEqual(begun.severity, Severity.INFO, one.name)
            self.assertEqual(
                (one.subject, one.group, one.notify, one.owner),
                (begun.subject, begun.group, begun.notify, begun.owner),
            )
            self.assertNotEqual(begun.notify, Notify.NEVER)

    def test_what_is_expected_is_quiet(self) -> None:
        """Updates that work, reloads and exchanged certificates are only logged (S29); certificates wait for the digest (S32)."""
        for name in (
            "patterns_updated",
            "config_reloaded",
            "certificate_exchanged",
            "content_passed_unscanned",
        ):
            self.assertEqual(CATALOGUE[name].notify, Notify.NEVER, name)
        for name in ("certificate_expires", "ca_expires", "upstream_certificate_refused"):
            self.assertEqual(CATALOGUE[name].notify, Notify.DIGEST, name)
        self.assertEqual(CATALOGUE["malware_found"].notify, Notify.FIRST)

    def test_settings(self) -> None:
        """A setting or a command of the gateway that a text names is one."""
        from tests.unit.test_docs import setting_names

        known = setting_names()
        tables = {one.partition(".")[0] for one in known} - {"plugins"}
        commands = {command.NAME for command in COMMANDS}
        for one in CATALOGUE.values():
            for text in (one.when, one.act, one.subject, *(field.help for field in one.fields)):
                for word in re.findall(r"\b[a-z_0-9]+(?:\.[a-z_0-9]+)+\b", text):
                    if word.partition(".")[0] in tables and not word.endswith(".toml"):
                        self.assertIn(word, known, one.name)
                for word in re.findall(r"\bgateway ([a-z]+)", text):
                    if word in ("ca", "event", "check", "quarantine", "reload", "tls"):
                        self.assertIn(word, commands, one.name)


class PageTests(SynchronousTestCase):
    """The documents."""

    def test_page(self) -> None:
        """docs/events.md is made from the catalogue, and has a section for each event that says what to do."""
        page = (ROOT / "docs/events.md").read_text()
        self.assertEqual(page, events_page(), "write it again with: make docs")
        for name, one in CATALOGUE.items():
            section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
            self.assertIn("**What to do**: ", section, name)
            for field in one.fields:
                self.assertIn(f"| `{field.name}` |", section, name)

    def test_names_in_documents(self) -> None:
        """An event that a document names as one is in the catalogue."""
        pages = [*ROOT.glob("docs/*.md"), *ROOT.glob("plugins/*/README.md"), ROOT / "README.md"]
        seen = 0
        for page in pages:
            for name in re.findall(r"\bevents? `([a-z0-9]+_[a-z0-9_]+)`", page.read_text()):
                seen += 1
                self.assertIn(name, CATALOGUE, page.name)
        self.assertGreater(seen, 10)


class MibTests(SynchronousTestCase):
    """The MIB."""

    def test_objects(self) -> None:
        """The MIB that is shipped has an identity for each event, with its number, and each notification that is named."""
        shipped = (ROOT / "plugins/gateway_snmp/GATEWAY-MIB.txt").read_text()
        numbers = dict(
            re.findall(
                r"^gwIs(\w+) OBJECT-IDENTITY\n.*?^    ::= \{ gwEventTypes (\d+) \}$",
                shipped,
                re.MULTILINE | re.DOTALL,
            )
        )
        for name, one in CATALOGUE.items():
            object_name = "".join(part.capitalize() for part in name.split("_"))
            self.assertEqual(numbers.get(object_name), str(one.number), name)
            self.assertRegex(shipped, rf"(?m)^{one.trap} NOTIFICATION-TYPE$", name)


class MailTests(SynchronousTestCase):
    """The mails."""

    def setUp(self) -> None:
        """Open the built-in templates."""
        try:
            import jinja2  # noqa: F401
        except ImportError:
            raise SkipTest("jinja2 is not installed") from None
        from gateway_mail.templates import Templates

        self.templates = Templates()

    def test_each(self) -> None:
        """The mail of each event says its title in the subject, and what to do in text and HTML."""
        for one in CATALOGUE.values():
            written = self.written(one)
            self.assertIn(one.title, written.subject.lower() + written.subject, one.name)
            text = " ".join(written.text.split())
            markup = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", written.html)).split())
            act = " ".join(one.act.split())
            self.assertIn(act, text, one.name)
            self.assertIn(act, markup, one.name)
            for field in one.fields:
                self.assertIn(f" {field.name}: ", text, one.name)

    def written(self, kind: EventType) -> Any:
        """Write the mail of one event."""
        from gateway_mail.letters import letter
        from gateway_mail.review import sample

        notice = Notice("n1", (sample(kind),), False, 1, "gw1.example.com", 1.0, 2.0)
        written = self.templates.write(letter(notice))
        self.assertEqual(written.fault, "")
        return written
