"""Tests of how C{tools/conformance.py} reads scores and holds them to their floors: a mistake there lets a loss pass unseen."""

import json
import tomllib
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tools import scan_judge
from tools.conformance import (
    COUNT_OF,
    FLOORS,
    JUDGES,
    SMUGGLE,
    TLS,
    cache_figures,
    compare,
    told_apart,
)
from tools.judging import Names, Unjudged, configuration


class ScoreTests(SynchronousTestCase):
    """Reading the last line of a judge."""

    def test_count(self) -> None:
        """The judges of faults and clients print how many cases passed."""
        found = COUNT_OF.search("pass a/b [200]\n== forward: 51/58  1xx 4/4, connect 3/5\n")
        assert found is not None
        self.assertEqual(found.groupdict(), {"passed": "51"})

    def test_smuggle(self) -> None:
        """The judge of smuggling prints passes, what reached the origin wrongly, and what it should have let through."""
        found = SMUGGLE.search(
            "  flags: ctl-value 3\n"
            "== reverse: pass 212/240 soft 20 FAIL 8; AMBIG 1 FLAG 6; valid forwarded 28/30\n"
        )
        assert found is not None
        self.assertEqual(
            found.groupdict(), {"passed": "212", "ambiguous": "1", "flagged": "6", "valid": "28"}
        )

    def test_tls(self) -> None:
        """The judge of TLS prints how many bad origins were refused, and how many good ones passed."""
        found = TLS.search(
            "pass  expired  expect bad  BLOCKED\n"
            "== intercept: bad refused 18/19, good passed 6/6; passed through: ['revoked']\n"
        )
        assert found is not None
        self.assertEqual(found.groupdict(), {"refused": "18", "passed": "6"})

    def test_cache(self) -> None:
        """Passes of what is required and of what is optimal count; a test that could not judge is told apart from a failed one."""
        kinds = {
            "check": {"yes": 40, "no": 50, "retry": 1},
            "optimal": {"optional_fail": 20, "pass": 60, "dependency_fail": 9},
            "required": {"fail": 30, "setup_fail": 2, "pass": 120, "untested": 1},
        }
        self.assertEqual(cache_figures(kinds), {"required": 120, "optimal": 60, "unjudged": 4})

    def test_cache_without_passes(self) -> None:
        """A cache in which nothing passes has a score; a judge that broke off has none."""
        kinds = {"required": {"fail": 160}, "optimal": {"optional_fail": 105}}
        self.assertEqual(cache_figures(kinds), {"required": 0, "optimal": 0, "unjudged": 0})
        self.assertRaises(Unjudged, cache_figures, {"required": {"pass": 1}})

    def test_scan(self) -> None:
        """The judge of scanning prints what was blocked, what arrived, and what of the rest ended without an error."""
        found = scan_judge.SCORE.search(
            "policy nested-16.zip blocked 403 900 of 2000 bytes 0.1s\n"
            "== scan-upload-reverse: block 33/34 allow 10/10 policy(no error) 12/13 | plain 4/4, big 3/3\n"
        )
        assert found is not None
        self.assertEqual(found.groupdict(), {"blocked": "33", "delivered": "10", "policy": "12"})

    def test_no_score(self) -> None:
        """A judge that broke off has no score."""
        self.assertIsNone(COUNT_OF.search("pass a/b [200]\nTraceback\n"))


class ReasonTests(SynchronousTestCase):
    """The reasons of bad origins in the access log."""

    def counted(self, *lines: tuple[str, str | None]) -> int:
        """Count the origins that these lines, URL and reason, are right about, of one that expired and one of a wrong host."""
        log, ports = Path(self.mktemp()), Path(self.mktemp())
        log.write_text(
            "".join(json.dumps({"url": url, "reason": reason}) + "\n" for url, reason in lines)
        )
        ports.write_text("good 500 ok\nexpired 501 bad\nwrong-host 502 bad\n")
        return told_apart(log, ports)

    def test_all_right(self) -> None:
        """The reason may stand at the tunnel or at a request within, or at both."""
        right = [
            ("good.test:500", None),
            ("good.test:501", "tls_expired"),
            ("https://good.test:501/x", "tls_expired"),
            ("https://good.test:502/x", "tls_wrong_host"),
        ]
        self.assertEqual(self.counted(*right), 2)

    def test_another(self) -> None:
        """Another reason beside the right one is wrong."""
        self.assertEqual(
            self.counted(
                ("good.test:501", "tls_expired"),
                ("https://good.test:501/x", "tls_alert"),
                ("good.test:502", "tls_wrong_host"),
            ),
            1,
        )


class PolicyTests(SynchronousTestCase):
    """What is to become of the scanned cases that are a matter of policy."""

    def wrong(self, name: str, verdict: str, *notes: str) -> list[str]:
        """Judge a run in which one case ended so, and everything else as it should."""
        results = [
            {"name": case, "verdict": ending.verdict} for case, ending in scan_judge.POLICY.items()
        ]
        told = {case: {f"{min(ending.reasons)}:x"} for case, ending in scan_judge.POLICY.items()}
        self.assertEqual(scan_judge.as_configured(results, told), [])
        for result in results:
            if result["name"] == name:
                result["verdict"] = verdict
        return scan_judge.as_configured(results, {**told, name: set(notes)})

    def test_reason(self) -> None:
        """The reason counts, with whatever it says more; a wrong one beside the right one is wrong."""
        self.assertEqual(self.wrong("nested-30.zip", "blocked", "limit:depth:block"), [])
        for notes in (("malformed:block",), ("limit:depth:block", "clean"), ()):
            self.assertEqual(len(self.wrong("nested-30.zip", "blocked", *notes)), 1)

    def test_verdict(self) -> None:
        """What arrives though it should not is wrong whatever the log says; so is what was blocked and should have arrived."""
        self.assertEqual(len(self.wrong("bomb-1g.zip", "arrived", "limit:ratio:block")), 1)
        self.assertEqual(len(self.wrong("encrypted.zip", "blocked", "encrypted:warn")), 1)

    def test_notes(self) -> None:
        """The notes of one side are read by the last part of the path; a line that is only half there is not read."""
        log = Path(self.mktemp())
        entries = [
            {"url": "http://origin.test:1/a.zip", "notes": {"scan_response": "clean"}},
            {"url": "http://origin.test:1/b.zip", "notes": {"scan_request": "clean"}},
            {"url": "origin.test:1", "notes": {}},
        ]
        log.write_text("".join(json.dumps(entry) + "\n" for entry in entries) + '{"url": "')
        self.assertEqual(scan_judge.notes_of(log, "response"), {"a.zip": {"clean"}})


class FloorTests(SynchronousTestCase):
    """What counts as worse and what as better."""

    def test_equal(self) -> None:
        """The floor itself is neither."""
        self.assertEqual(
            compare({"passed": 5, "flagged": 1}, {"passed": 5, "flagged": 1}), ([], [])
        )

    def test_fewer_passes_are_worse(self) -> None:
        """One case fewer than the floor is a loss."""
        self.assertEqual(compare({"passed": 4}, {"passed": 5}), (["passed 4 (was 5)"], []))

    def test_more_passes_are_better(self) -> None:
        """One case more raises the floor."""
        self.assertEqual(compare({"passed": 6}, {"passed": 5}), ([], ["passed 6 (was 5)"]))

    def test_more_flags_are_worse(self) -> None:
        """What reached the origin wrongly counts the other way round."""
        self.assertEqual(
            compare({"ambiguous": 1, "flagged": 0}, {"ambiguous": 0, "flagged": 2}),
            (["ambiguous 1 (was 0)"], ["flagged 0 (was 2)"]),
        )

    def test_first_score(self) -> None:
        """A figure without a floor becomes one."""
        self.assertEqual(compare({"passed": 1}, {}), ([], ["passed 1"]))

    def test_floors_are_of_known_judges(self) -> None:
        """The file of floors names judges that are run; another name would hold nothing."""
        self.assertEqual(
            set(json.loads(FLOORS.read_text())) - {judge.name for judge in JUDGES}, set()
        )


class ConfigurationTests(SynchronousTestCase):
    """What a judged gateway is told."""

    def test_site_or_forward_proxy(self) -> None:
        """Each mode opens its own listener and the one for health, and no other part."""
        reverse = tomllib.loads(configuration("reverse", 1, 2, 3, None))
        self.assertEqual(set(reverse), {"site", "log", "admin"})
        self.assertEqual(reverse["site"][0]["origins"], ["http://127.0.0.1:3"])
        forward = tomllib.loads(configuration("forward", 1, 2, 0, Names(FLOORS, FLOORS)))
        self.assertEqual(set(forward), {"forward", "network", "log", "admin"})
        self.assertEqual(forward["network"]["hosts_file"], str(FLOORS))

    def test_cache(self) -> None:
        """The cache is a reverse proxy whose plugin stores in a folder of its own, with nothing else said."""
        told = tomllib.loads(configuration("cache", 1, 2, 3, None))
        self.assertEqual(set(told), {"site", "plugins", "log", "admin"})
        self.assertEqual(told["plugins"], {"enabled": ["cache"], "cache": {"path": "store"}})

    def test_scanning(self) -> None:
        """A gateway that scans is told where clamd is and nothing else, and logs what it notes."""
        scanning = scan_judge.configuration(Path("clamd.sock"))
        told = tomllib.loads(configuration("forward", 1, 2, 0, None, scanning))
        self.assertEqual(set(told), {"forward", "plugins", "log", "admin"})
        self.assertEqual(told["plugins"]["clamd"], {"address": "unix:clamd.sock"})
        self.assertEqual(told["log"]["access"]["format"], "json")

    def test_interception(self) -> None:
        """A proxy that decrypts is told so, and whom to trust."""
        told = tomllib.loads(
            configuration("intercept", 1, 2, 0, Names(Path("hosts"), Path("r.pem")))
        )
        self.assertEqual(set(told), {"forward", "network", "tls", "log", "admin"})
        self.assertEqual(told["tls"], {"decrypt": "all", "ca": "ca", "trust": ["r.pem"]})
