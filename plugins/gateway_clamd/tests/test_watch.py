"""Tests of what is found out of a clamd, and what follows when it is not what it should be."""

from __future__ import annotations

from gateway.api import Clean, Coverage, Infected, Unscannable
from gateway_clamd.contents import Place
from gateway_clamd.engine import Standing
from gateway_clamd.samples import packed
from gateway_clamd.settings import MIB
from gateway_clamd.tests.plugin_case import MOMENT, PluginTestCase
from gateway_clamd.tests.scripted import BAD
from gateway_clamd.trials import _LEAST_BYTES

ONE = "unix:/one"


class StartTests(PluginTestCase):
    """The first look."""

    def test_waits_for_it(self) -> None:
        """Who comes before anything is known waits, and is not told that it is out of order."""
        self.made(begin=False)
        waiting = self.scan(b"hello")
        self.assertNoResult(waiting)
        self.pass_by(0.1)
        self.assertIsInstance(self.successResultOf(waiting), Clean)
        self.assertEqual(self.told(), [])

    def test_not_there(self) -> None:
        """A gateway starts without its clamd; results are errors at once until it is there."""
        self.clamd.up = False
        self.made()
        self.assertEqual(self.told(), ["clamd_down"])
        self.assertEqual(self.reason(b"hello"), "engine_error")
        self.pass_by(60.0)
        self.assertEqual(self.told(), [])
        self.clamd.up = True
        self.pass_by(6.0)
        self.assertEqual(self.told(), ["clamd_up"])
        self.assertIsInstance(self.scanned(b"hello"), Clean)

    def test_silent(self) -> None:
        """One that accepts connections and says nothing is out of order after the time for a ping."""
        for up, hangs in ((None, False), (True, True)):
            self.setUp()
            self.clamd.up, self.clamd.hangs = up, hangs
            self.made()
            waiting = self.scan(b"hello")
            if up is None:
                # The time for a connection is the reactor's matter.
                self.pass_by(11.0)
            else:
                self.pass_by(5.5)
                self.assertEqual(self.told(), ["clamd_down"])
            found = self.successResultOf(waiting)
            assert isinstance(found, Unscannable)
            self.assertEqual(found.reason, "engine_error")
            self.plugin.stop()

    def test_another_program(self) -> None:
        """Somebody else at its address is no clamd."""
        self.clamd.finds = False
        self.clamd.version = "SSH-2.0-OpenSSH"
        self.made()
        self.assertEqual(self.reason(b"hello"), "engine_error")
        self.assertEqual(self.told(), ["scan_engine_unsafe"])


class BreakerTests(PluginTestCase):
    """A clamd that stops working."""

    def test_hangs(self) -> None:
        """After some pings without an answer nobody waits for it any more, those under way included, until it answers."""
        self.made(failures=3, health=5.0, connect_timeout=5.0)
        self.clamd.hangs = True
        waiting = self.scan(b"hello")
        self.pass_by(19.0)
        self.assertNoResult(waiting)
        self.pass_by(2.0)
        found = self.successResultOf(waiting)
        assert isinstance(found, Unscannable)
        self.assertEqual(found.reason, "engine_error")
        self.assertEqual(self.told(), ["clamd_down"])
        before = len(self.clamd.connections)
        self.assertEqual(self.reason(b"next"), "engine_error")
        self.assertEqual(len(self.clamd.connections), before)
        self.assertEqual(self.value("ready", address=ONE), 0.0)
        self.clamd.hangs = False
        self.pass_by(11.0)
        self.assertEqual(self.told(), ["clamd_up"])
        self.assertIsInstance(self.scanned(b"next"), Clean)
        self.pass_by(1.0)
        self.assertEqual(self.value("ready", address=ONE), 1.0)

    def test_hiccup(self) -> None:
        """A ping or two without an answer are no failure, and a success begins anew."""
        self.made(failures=3)
        for _ in range(5):
            self.clamd.hangs = True
            self.pass_by(7.0)
            self.clamd.hangs = False
            self.pass_by(10.0)
        self.assertEqual(self.told(), [])
        self.assertIs(self.plugin.engines[0].standing, Standing.READY)
        self.assertIsInstance(self.scanned(b"hello"), Clean)

    def test_restarted(self) -> None:
        """One that was started anew is tried out anew, before it is believed: it may be configured otherwise."""
        self.made()
        before = self.plugin.scan_patterns()
        content = packed(b"hello")
        found = Clean("clamd", "1.4.6/27800", Coverage(len(content), True))
        self.assertEqual(self.scanned(content), found)
        self.clamd.kill()
        self.clamd.up, self.clamd.alerts = True, False
        waiting = self.scan(content)
        self.pass_by(0.1)
        found = Clean("clamd", "1.4.6/27800", Coverage(len(content), False))
        self.assertEqual(self.successResultOf(waiting), found)
        self.assertEqual(self.told(), ["scan_engine_fails_open"])
        self.assertNotIn(self.plugin.scan_patterns(), ("", before))

    def test_restarted_while_it_is_tried(self) -> None:
        """What was found out of two is believed of neither."""
        self.made()
        self.clamd.kill()
        self.clamd.up = self.clamd.hangs = True
        self.pass_by(1.0)
        self.assertIs(self.plugin.engines[0].standing, Standing.UNKNOWN)
        self.clamd.alerts = self.clamd.hangs = False
        for line in self.clamd.open:
            line.lose()
        self.pass_by(6.0)
        self.assertIs(self.plugin.engines[0].standing, Standing.READY)
        self.assertEqual(len(self.plugin.engines[0].known.gaps), 1)

    def test_stopped_while_it_looks(self) -> None:
        """When the plugin is stopped just then, nothing is left behind."""
        self.made()
        self.clamd.kill()
        self.clamd.up = self.clamd.hangs = True
        self.pass_by(1.0)
        self.plugin.stop()
        self.pass_by(0.1)
        self.assertEqual((self.clamd.open, self.told()), ([], []))

    def test_scans_count(self) -> None:
        """Scans that get no answer count too, so that the next ones need not find it out."""
        self.made(failures=2)
        self.clamd.breaks = 2
        self.assertEqual(self.reason(b"hello"), "engine_error")
        self.assertEqual(self.told(), ["clamd_down"])

    def test_ends(self) -> None:
        """When it ends that is known at once."""
        self.made()
        self.clamd.kill()
        self.pass_by(MOMENT)
        self.assertEqual(self.told(), ["clamd_down"])
        self.assertEqual(self.reason(b"hello"), "engine_error")

    def test_patterns(self) -> None:
        """What is out of order has no patterns, and others when it comes back."""
        self.made(failures=1)
        before = self.plugin.scan_patterns()
        self.assertNotEqual(before, "")
        self.clamd.kill()
        self.pass_by(6.0)
        self.assertEqual(self.plugin.scan_patterns(), "")
        self.clamd.up = True
        self.pass_by(6.0)
        # It may be configured otherwise now.
        self.assertNotIn(self.plugin.scan_patterns(), ("", before))


class VersionTests(PluginTestCase):
    """New signatures."""

    def test_change(self) -> None:
        """A new version is seen within a minute, and changes the patterns."""
        self.made()
        before = self.plugin.scan_patterns()
        self.assertTrue(before.startswith("clamd 1.4.6/27800 "))
        self.pass_by(120.0)
        self.assertEqual(self.plugin.scan_patterns(), before)
        self.clamd.version = "ClamAV 1.4.6/27801/Tue Nov 17 09:00:00 2026"
        self.pass_by(66.0)
        after = self.plugin.scan_patterns()
        self.assertTrue(after.startswith("clamd 1.4.6/27801 "))
        self.assertEqual(self.scanned(b"hello"), Clean("clamd", "1.4.6/27801", Coverage(5, True)))

    def test_own_signatures(self) -> None:
        """Signatures of one's own have no version, but they show."""
        self.clamd.version = "ClamAV 1.4.6"
        self.made()
        before = self.plugin.scan_patterns()
        self.clamd.stats = self.clamd.stats.replace("5.884M", "5.891M")
        self.pass_by(66.0)
        self.assertNotIn(self.plugin.scan_patterns(), ("", before))

    def test_no_longer_than_an_hour(self) -> None:
        """Where nothing shows, results are not believed for ever."""
        self.clamd.version, self.clamd.stats = "ClamAV 1.4.6", "COMMAND UNAVAILABLE"
        self.made()
        before = self.plugin.scan_patterns()
        self.pass_by(3700.0, 5.0)
        self.assertNotIn(self.plugin.scan_patterns(), ("", before))

    def test_unknown(self) -> None:
        """A clamd that does not say its version is used, and no result of it is remembered."""
        self.clamd.version = "COMMAND UNAVAILABLE"
        self.made()
        self.assertEqual(self.plugin.scan_patterns(), "")
        self.assertEqual(self.scanned(b"hello"), Clean("clamd", "unknown", Coverage(5, True)))

    def test_tried_out_again(self) -> None:
        """With a new version it has to find the test file at once."""
        self.made()
        self.clamd.finds = False
        self.clamd.version = "ClamAV 1.4.6/27801/Tue Nov 17 09:00:00 2026"
        self.pass_by(66.0)
        self.assertEqual(self.told(), ["patterns_updated", "scan_engine_unsafe"])
        self.assertEqual(self.reason(b"hello"), "engine_error")


class AgeTests(PluginTestCase):
    """What is told of signatures."""

    def test_updated(self) -> None:
        """New signatures are told with what was there before; those that are there at the start are not new."""
        self.made()
        self.assertEqual(self.events, [])
        self.clamd.version = "ClamAV 1.4.6/27801/Tue Nov 17 09:00:00 2026"
        self.pass_by(66.0)
        (event,) = self.events
        self.assertEqual((event.name, event.subject), ("patterns_updated", ONE))
        self.assertEqual(
            dict(event.values),
            {"engine": "clamd", "version": "ClamAV 1.4.6/27801", "before": "ClamAV 1.4.6/27800"},
        )

    def test_stale(self) -> None:
        """Signatures that are older than 3 days are told of once, and once more when there are newer ones."""
        self.made(health=600.0)
        self.pass_by(3 * 86400.0 - 2000.0, 600.0)
        self.assertEqual(self.told(), [])
        self.pass_by(4000.0, 600.0)
        (stale,) = self.events
        self.assertEqual((stale.name, stale.subject), ("patterns_stale", ONE))
        self.assertEqual((stale.values["days"], stale.values["date"]), ("3", "2026-11-16"))
        self.pass_by(36000.0, 600.0)
        self.assertEqual(self.told(), ["patterns_stale"])
        self.clamd.version = "ClamAV 1.4.6/27801/Thu Nov 19 09:00:00 2026"
        self.pass_by(2000.0, 600.0)
        self.assertEqual(self.told(), ["patterns_updated", "patterns_current"])

    def test_still_too_old(self) -> None:
        """Newer ones that are too old as well do not end it."""
        self.clamd.version = "ClamAV 1.4.6/27700/Sat Aug  1 09:00:00 2026"
        self.made()
        self.assertEqual(self.told(), ["patterns_stale"])
        self.clamd.version = "ClamAV 1.4.6/27701/Sun Aug  2 09:00:00 2026"
        self.pass_by(66.0)
        self.assertEqual(self.told(), ["patterns_updated"])

    def test_no_date(self) -> None:
        """Where clamd says no date, or none that can be read, nothing is known of the age."""
        for version in (
            "ClamAV 1.4.6",
            "ClamAV 1.4.6/27800",
            "ClamAV 1.4.6/27800/today",
            "ClamAV 1.4.6/27800/Mon Nuv 16 09:00:00 1999",
            "ClamAV 1.4.6/27800/Mon Nov 36 09:00 1999",
        ):
            self.setUp()
            self.clamd.version = version
            self.made()
            self.assertEqual(self.told(), [])
            self._stop()

    def test_age_is_not_looked_at(self) -> None:
        """With 0 as its limit no age is too old."""
        self.clamd.version = "ClamAV 1.4.6/27700/Sat Aug  1 09:00:00 2020"
        self.made(stale=0.0)
        self.assertEqual(self.told(), [])


class CanaryTests(PluginTestCase):
    """What has to be found."""

    def test_at_the_start(self) -> None:
        """A clamd that does not find the test file is not used, until it does."""
        self.clamd.finds = False
        self.made()
        self.assertEqual(self.told(), ["scan_engine_unsafe"])
        self.assertEqual(
            (self.reason(b"hello"), self.reason(BAD)), ("engine_error", "engine_error")
        )
        self.assertEqual((self.clamd.scanned, self.plugin.scan_patterns()), ([], ""))
        self.pass_by(60.0)
        self.assertEqual(self.told(), [])
        self.clamd.finds = True
        self.pass_by(6.0)
        self.assertEqual(self.told(), ["scan_engine_safe"])
        self.assertIsInstance(self.scanned(b"hello"), Clean)

    def test_unsafe_and_down(self) -> None:
        """One that is not safe and then does not answer has two things the matter; both are over when it is ready."""
        self.clamd.finds = False
        self.made()
        self.clamd.kill()
        self.pass_by(30.0)
        self.assertEqual(self.told(), ["scan_engine_unsafe", "clamd_down"])
        self.clamd.up = True
        self.pass_by(30.0)
        self.assertEqual(self.told(), [])
        self.clamd.finds = True
        self.pass_by(30.0)
        begun = self.events
        self.assertEqual({event.subject for event in begun}, {ONE})
        self.assertEqual(self.told(), ["clamd_up", "scan_engine_safe"])

    def test_each_hour(self) -> None:
        """One that stops finding it is found out within an hour, and what is under way is not believed."""
        self.made()
        self.pass_by(1800.0, 5.0)
        self.clamd.finds = False
        self.pass_by(1700.0, 5.0)
        self.assertEqual(self.told(), [])
        self.clamd.holds = True
        waiting = self.scan(b"hello")
        self.pass_by(0.1)
        self.assertNoResult(waiting)
        self.plugin.watches[0]._canary_due = self.clock.seconds()
        self.pass_by(5.5)
        self.assertEqual(self.told(), ["scan_engine_unsafe"])
        found = self.successResultOf(waiting)
        assert isinstance(found, Unscannable)
        self.assertEqual(found.reason, "engine_error")

    def test_hour(self) -> None:
        """It is given the test file again after an hour, and not each time that it is pinged."""
        self.made(descriptors=False)
        before = self.clamd.orders.count("INSTREAM")
        self.pass_by(3500.0, 5.0)
        self.assertEqual(self.clamd.orders.count("INSTREAM"), before)
        self.pass_by(200.0, 5.0)
        self.assertEqual(self.clamd.orders.count("INSTREAM"), before + 1)

    def test_off(self) -> None:
        """It can be switched off."""
        self.clamd.finds = False
        self.made(canary=False)
        self.assertEqual(self.told(), [])
        self.assertEqual(self.scanned(BAD), Infected("Win.Test.Bad-1", "clamd"))


class OpenTests(PluginTestCase):
    """A clamd that says OK to what it did not look at."""

    def test_limits(self) -> None:
        """It is said loudly; what is longer than it looks at is too large, and nothing is believed of what is within."""
        self.clamd.alerts = False
        self.clamd.max_file = 5 * MIB
        self.made(max_size=16 * MIB)
        self.assertEqual(self.told(), ["scan_engine_fails_open"])
        self.assertEqual(self.plugin.engines[0].known.most_bytes, 5 * MIB)
        self.assertEqual(self.reason(BAD + bytes(5 * MIB)), "too_large")
        self.assertEqual(
            self.scanned(bytes(5 * MIB)), Clean("clamd", "1.4.6/27800", Coverage(5 * MIB, True))
        )
        content = packed(b"hello")
        self.assertEqual(
            self.scanned(content), Clean("clamd", "1.4.6/27800", Coverage(len(content), False))
        )
        self.pass_by(1.0)
        self.assertEqual(self.value("fails_open", address=ONE), 1.0)

    def test_limits_of_streams(self) -> None:
        """Where content is sent the limit is found out, too, to a power of two."""
        self.clamd.alerts = False
        self.clamd.max_file = 5 * MIB
        self.made(max_size=16 * MIB, descriptors=False)
        self.assertEqual(self.plugin.engines[0].known.most_bytes, 4 * MIB)

    def test_limit_is_set(self) -> None:
        """If the limit is set, it is not looked for."""
        self.clamd.alerts = False
        self.made(max_size=16 * MIB, engine_max_file=3 * MIB)
        self.assertEqual(self.plugin.engines[0].known.most_bytes, 3 * MIB)

    def test_limit_can_not_be_found(self) -> None:
        """If a padded test file is never found, next to nothing is believed."""
        self.clamd.alerts = False
        self.clamd.max_file = 1000
        self.made(max_size=16 * MIB)
        self.assertEqual(self.plugin.engines[0].known.most_bytes, _LEAST_BYTES)

    def test_encrypted_and_packed(self) -> None:
        """Silence about what is encrypted, or not opened at all, counts as much."""
        for name in ("alerts_encrypted", "opens"):
            self.setUp()
            setattr(self.clamd, name, False)
            self.made()
            self.assertEqual(self.told(), ["scan_engine_fails_open"])
            content = packed(b"hello")
            self.assertEqual(
                self.scanned(content), Clean("clamd", "1.4.6/27800", Coverage(len(content), False))
            )
            self._stop()

    def test_said_once(self) -> None:
        """It is said at the start and when something changes, not each time that it is looked."""
        self.clamd.alerts_encrypted = False
        self.made()
        self.told()
        self.clamd.version = "ClamAV 1.4.6/27801/Tue Nov 17 09:00:00 2026"
        self.pass_by(66.0)
        self.assertEqual(self.told(), ["patterns_updated"])
        self.clamd.alerts_encrypted = True
        self.clamd.version = "ClamAV 1.4.6/27802/Wed Nov 18 09:00:00 2026"
        self.pass_by(66.0)
        self.assertEqual(self.told(), ["patterns_updated", "scan_engine_fails_closed"])
        self.assertEqual(self.plugin.engines[0].known.gaps, ())

    def test_alert_is_no_infection(self) -> None:
        """With alerts, what goes beyond a limit is a limit."""
        self.clamd.max_file = 100_000
        self.made()
        self.assertEqual(self.told(), [])
        self.assertEqual(self.reason(BAD + bytes(100_000)), "limit:size")


class StreamLimitTests(PluginTestCase):
    """How much clamd takes in a stream."""

    def test_found_out(self) -> None:
        """By what it refuses when it is announced; nothing longer is held for it."""
        self.clamd.max_stream = 3_000_000
        self.made(descriptors=False)
        most = self.plugin.engines[0].most
        self.assertTrue(3_000_000 - 65536 < most <= 3_000_000, most)
        self.assertEqual(self.reason(bytes(3_000_001)), "too_large")

    def test_files_are_not_bound_by_it(self) -> None:
        """An open file may be longer."""
        self.clamd.max_stream = 3_000_000
        self.made()
        self.assertIsInstance(self.scanned(self.in_file(bytes(4_000_000))), Clean)

    def test_descriptors_are_not_taken(self) -> None:
        """If clamd can't read files, that shows at the start, or with the first one, and content is sent."""
        self.clamd.max_stream = 3_000_000
        self.clamd.files = None
        self.made()
        engine = self.plugin.engines[0]
        self.assertIs(engine.standing, Standing.READY)
        self.assertEqual((engine.reads(Place.MEMORY), engine.reads(Place.HELD)), (False, True))
        self.scanned(self.in_file(b"hello"))
        self.assertEqual((self.clamd.ways, engine.reads(Place.HELD)), (["stream"], False))
        self.assertLessEqual(engine.most, 3_000_000)
        self.assertEqual(self.reason(self.in_file(bytes(3_000_001))), "too_large")


class MomentTests(PluginTestCase):
    """Nothing takes longer than it says."""

    def test_start_is_quick(self) -> None:
        """Everything is found out without a wait of its own."""
        self.made(begin=False)
        self.pass_by(MOMENT)
        self.assertIs(self.plugin.engines[0].standing, Standing.READY)
