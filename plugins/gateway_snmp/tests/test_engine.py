"""Tests of what is sent to a receiver and what its answers mean, against pysnmp's own receiver."""

from __future__ import annotations

import gc
import os
import tempfile
import tracemalloc
from typing import Any

from pysnmp.entity import config
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.settings import Secret
from gateway_snmp.engine import ReceiverEngine
from gateway_snmp.notification import Notification, of_alarm
from gateway_snmp.refusals import Refused
from gateway_snmp.settings import Receiver
from gateway_snmp.tests.examples import AUTH, ENGINE_ID, PRIV, alarm, identity, receiver
from gateway_snmp.tests.receiving import Receiving, forged
from gateway_snmp.tree import PLAYPEN, oid_text

_BASE = oid_text(PLAYPEN)
_TRAP_OID = "1.3.6.1.6.3.1.1.4.1.0"


class EngineTestCase(SynchronousTestCase):
    """Tests with an engine and a receiver."""

    def made(self, to: Receiver) -> ReceiverEngine:
        """Make an engine."""
        return ReceiverEngine(to, identity())

    def notification(self, **values: Any) -> Notification:
        """Make a notification."""
        return of_alarm(alarm(**values), "node-1", PLAYPEN)

    def assertCame(self, there: Receiving) -> None:
        """One notification came, with its values."""
        (got,) = there.got
        there.got.clear()
        self.assertEqual(str(got[_TRAP_OID]), f"{_BASE}.0.1")
        self.assertEqual(bytes(got[f"{_BASE}.1.1.1.0"]), b"malware_found")
        self.assertEqual(str(got[f"{_BASE}.1.1.2.0"]), f"{_BASE}.3.1")
        self.assertEqual(int(got[f"{_BASE}.1.1.7.0"]), 3)
        self.assertEqual(bytes(got[f"{_BASE}.1.1.12.0"]), b"node-1")

    def informed(self, engine: ReceiverEngine, there: Receiving) -> int:
        """Exchange messages until the inform is acknowledged; give how many of ours that took."""
        message, count = engine.inform(self.notification()), 1
        for _ in range(10):
            for answer in there.datagram(message):
                message = engine.received(answer)
            if engine.is_done:
                return count
            self.assertNotEqual(message, b"")
            count += 1
        raise AssertionError("it is never acknowledged")


class TrapTests(EngineTestCase):
    """Traps."""

    def test_versions(self) -> None:
        """A trap of each version arrives with its OID and its values."""
        there = Receiving()
        for version in ("1", "2c", "3"):
            there.datagram(self.made(receiver(version)).trap(self.notification()))
            self.assertCame(there)

    def test_wrong_secrets(self) -> None:
        """A trap with another community or another passphrase is not believed."""
        there = Receiving(community="another", auth="another passphrase")
        for version in ("1", "2c", "3"):
            there.datagram(self.made(receiver(version)).trap(self.notification()))
        self.assertEqual(there.got, [])

    def test_protocols(self) -> None:
        """Each protocol of the settings is the one that the receiver knows by that name."""
        auth: dict[Any, Any] = {
            "sha1": config.USM_AUTH_HMAC96_SHA,
            "sha224": config.USM_AUTH_HMAC128_SHA224,
            "sha256": config.USM_AUTH_HMAC192_SHA256,
            "sha384": config.USM_AUTH_HMAC256_SHA384,
            "sha512": config.USM_AUTH_HMAC384_SHA512,
        }
        for name, known in auth.items():
            there = Receiving(auth_protocol=known)
            there.datagram(self.made(receiver("3", auth_protocol=name)).trap(self.notification()))
            self.assertCame(there)
        priv: dict[Any, Any] = {
            "aes192": config.USM_PRIV_CFB192_AES,
            "aes256": config.USM_PRIV_CFB256_AES,
        }
        for name, known in priv.items():
            there = Receiving(priv_protocol=known)
            there.datagram(self.made(receiver("3", priv_protocol=name)).trap(self.notification()))
            self.assertCame(there)

    def test_signature_alone(self) -> None:
        """Without priv it is signed and readable; with priv nothing of it can be read."""
        for priv, is_readable in ((None, True), (Secret(PRIV), False)):
            message = self.made(receiver("3", priv=priv)).trap(self.notification())
            self.assertEqual(b"malware_found" in message, is_readable)

    def test_identity(self) -> None:
        """A trap of version 3 names our engine, its starts and its age."""
        message = self.made(receiver("3")).trap(self.notification())
        self.assertIn(ENGINE_ID + b"\x02\x01\x05\x02\x01\x64", message)

    def test_size(self) -> None:
        """A message is not longer than the notification says, in any version."""
        long = "ä" * 300
        event = alarm().event
        notification = of_alarm(
            alarm(event=type(event)(event.name, event.severity, long, long, {"url": long})),
            long,
            PLAYPEN,
            most_bytes=1000,
        )
        self.assertLessEqual(notification.size, 1000)
        for version in ("1", "2c", "3"):
            message = self.made(receiver(version)).trap(notification)
            self.assertLessEqual(len(message), 1000)
            self.assertGreater(len(message), 700)


class InformTests(EngineTestCase):
    """Informs."""

    def test_version_2(self) -> None:
        """An inform of version 2c is acknowledged at once."""
        there = Receiving()
        self.assertEqual(self.informed(self.made(receiver(inform=True)), there), 1)
        self.assertCame(there)

    def test_version_3(self) -> None:
        """The receiver is asked who it is and for its time, before the first inform alone."""
        there, engine = Receiving(), self.made(receiver("3", inform=True))
        self.assertGreater(self.informed(engine, there), 1)
        self.assertCame(there)
        self.assertEqual(self.informed(engine, there), 1)
        self.assertCame(there)

    def test_receiver_that_started_anew(self) -> None:
        """A receiver that has another engine id since its start gets the next inform after one that is given up."""
        engine = self.made(receiver("3", inform=True))
        self.informed(engine, Receiving())
        there = Receiving()
        for answer in there.datagram(engine.inform(self.notification())):
            self.assertEqual(engine.received(answer), b"")
        engine.give_up()
        self.informed(engine, there)
        self.assertCame(there)

    def test_refusals(self) -> None:
        """What a receiver has against it is said in clear words, without a passphrase."""
        for there, words in (
            (Receiving(auth="another passphrase"), "signature is wrong"),
            (Receiving(user="somebody"), "does not know the user gateway"),
            (Receiving(auth_protocol=config.USM_AUTH_HMAC96_SHA), "signature is wrong"),
        ):
            engine = self.made(receiver("3", inform=True))
            error = self.assertRaises(Refused, self.informed, engine, there)
            self.assertIn(words, str(error))
            self.assertNotIn(AUTH, str(error))
            self.assertEqual(there.got, [])

    def test_garbage(self) -> None:
        """What is no answer is passed over, and the answer still counts."""
        there, engine = Receiving(), self.made(receiver(inform=True))
        message = engine.inform(self.notification())
        for noise in (b"", b"\x30", b"\x30\x80\x00\x00", os.urandom(100), message):
            self.assertEqual(engine.received(noise), b"")
            self.assertFalse(engine.is_done)
        (answer,) = there.datagram(message)
        self.assertEqual(engine.received(answer), b"")
        self.assertTrue(engine.is_done)

    def test_forged(self) -> None:
        """An acknowledgement of version 3 that is not signed does not count, however well it fits otherwise."""
        there, engine = Receiving(), self.made(receiver("3", inform=True))
        self.informed(engine, there)
        message = engine.inform(self.notification())
        self.assertEqual(engine.received(forged(message)), b"")
        self.assertFalse(engine.is_done)

    def test_forged_without_keys(self) -> None:
        """The same acknowledgement does count where the settings want no signature: it is well made."""
        engine = self.made(receiver("3", inform=True, auth=None, priv=None))
        report = Receiving().datagram(engine.inform(self.notification()))[0]
        self.assertEqual(engine.received(forged(engine.received(report))), b"")
        self.assertTrue(engine.is_done)

    def test_answer_to_another(self) -> None:
        """The late answer to an inform that was given up does not count for the next one."""
        there, engine = Receiving(), self.made(receiver(inform=True))
        (late,) = there.datagram(engine.inform(self.notification()))
        engine.give_up()
        engine.inform(self.notification())
        self.assertEqual(engine.received(late), b"")
        self.assertFalse(engine.is_done)


class LibraryTests(EngineTestCase):
    """What the library is kept from."""

    def test_files(self) -> None:
        """No file is written, neither by an engine nor by a message."""
        folder = os.path.join(tempfile.gettempdir(), "__pysnmp")
        before = sorted(os.listdir(folder)) if os.path.isdir(folder) else None
        self.made(receiver("3")).trap(self.notification())
        after = sorted(os.listdir(folder)) if os.path.isdir(folder) else None
        self.assertEqual(before, after)

    def test_growth(self) -> None:
        """Neither traps nor informs leave anything behind."""
        there, engine = Receiving(), self.made(receiver("3", inform=True))
        notification = self.notification()

        def work() -> None:
            for _ in range(10):
                engine.trap(notification)
                self.informed(engine, there)
                there.got.clear()

        work()
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        work()
        grown = []
        for _ in range(3):
            gc.collect()
            before = tracemalloc.take_snapshot().filter_traces(_ours())
            work()
            gc.collect()
            after = tracemalloc.take_snapshot().filter_traces(_ours())
            grown.append(sum(one.size_diff for one in after.compare_to(before, "filename")))
        # A pointer for each answer goes when the engine is made anew; what leaks does so in each round, a table that is made
        # larger is so in one.
        self.assertLess(min(grown), 10_000, grown)

    def test_engines_go(self) -> None:
        """Of an engine that was made anew, or is not used any more, nothing is left."""
        engine = self.made(receiver("3", inform=True))
        notification = self.notification()
        counts = []
        for _ in range(3):
            engine.inform(notification)
            engine.give_up()
            self.made(receiver())
            gc.collect()
            counts.append(len(gc.get_objects()))
        self.assertLess(max(counts[1:]) - counts[0], 500)


def _ours() -> list[tracemalloc.Filter]:
    return [tracemalloc.Filter(True, "*pysnmp*"), tracemalloc.Filter(True, "*gateway_snmp*")]
