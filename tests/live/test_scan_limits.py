"""What goes beyond the limits of an engine that says so of nothing (decision 4): it is never clean, and found where the limits are higher."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.live.clamd_daemon import DEBIAN, MARKER, Clamd, scanned
from tests.live.scan_peers import Store, Ways, actions, nested, scanning

#: As large as it was when clamd said OK to it.
LARGE = MARKER + bytes((30 << 20) - len(MARKER))
#: More than clamd looks into as it comes.
DEEP = nested(MARKER, 17)

#: More than our walk and clamd together look into.
DEEPEST = nested(MARKER, 40)

FILES = {"/large": LARGE, "/deep.zip": DEEP, "/deepest.zip": DEEPEST}
#: How often something may be packed, deeper than that.
DEEPER = "[plugins.archive]\nmax_depth = 45\n"


class OverLimitTests(SynchronousTestCase):
    """30 MiB with the marker at the very beginning, and the marker in ZIPs that are nested 17 and 40 deep; clamd as Debian has it."""

    def setUp(self) -> None:
        """Have an origin with all of them."""
        self.store = Store(self, FILES)

    def told(
        self, clamd: Clamd, *, enabled: tuple[str, ...], more: str = ""
    ) -> dict[str, set[str]]:
        """
        Send all in each way through a gateway that passes whatever is not scanned, and blocks what is infected.

        @return: what was noted of each.
        """
        gateway = scanning(
            self, self.store, clamd, enabled=enabled, scan=actions("pass"), more=more
        )
        gateway.says("is ready")
        ways = Ways(self, gateway, self.store)
        found: dict[str, set[str]] = {}
        for way, path, answer in ways.each(FILES):
            noted = {
                line["notes"]["scan_request" if line["method"] == "PUT" else "scan_response"]
                for line in gateway.lines(ways.sent)
                if line["url"].endswith(path)
            }
            found[path] = noted
            blocked = answer is None or answer.status == 403
            self.assertEqual(blocked, noted == {"infected:block"}, f"{way} {path} {noted}")
        return found

    def fails_open(self, **options: Any) -> Clamd:
        """Start a clamd that says nothing of what is over its limits."""
        said: dict[str, Any] = {**DEBIAN, **options}
        return Clamd(self, **said)

    def test_engine_alone(self) -> None:
        """Without anybody who unpacks, one is too large, and what may be packed in the other was not looked at."""
        clamd = self.fails_open(StreamMaxLength="100M")
        for content in FILES.values():
            self.assertEqual(scanned(clamd.socket, content), "stream: OK")
        self.assertEqual(
            self.told(clamd, enabled=("clamd",)),
            {
                "/large": {"too_large:pass"},
                "/deep.zip": {"unscanned:nested:pass"},
                "/deepest.zip": {"unscanned:nested:pass"},
            },
        )

    def test_unpacked(self) -> None:
        """Where archives are unpacked, the second is found by both together; what is deeper still goes beyond our own limit."""
        self.assertEqual(
            self.told(self.fails_open(), enabled=("archive", "clamd")),
            {
                "/large": {"too_large:pass"},
                "/deep.zip": {"infected:block"},
                "/deepest.zip": {"limit:depth:pass"},
            },
        )

    def test_deeper(self) -> None:
        """With a higher limit of depth everything that is packed is found, though clamd by itself does not."""
        self.assertEqual(
            self.told(self.fails_open(), enabled=("archive", "clamd"), more=DEEPER),
            {
                "/large": {"too_large:pass"},
                "/deep.zip": {"infected:block"},
                "/deepest.zip": {"infected:block"},
            },
        )

    def test_raised(self) -> None:
        """With higher limits of both, all of them are found."""
        clamd = self.fails_open(MaxFileSize="100M", MaxScanSize="200M", StreamMaxLength="100M")
        self.assertEqual(
            self.told(clamd, enabled=("archive", "clamd"), more=DEEPER),
            {path: {"infected:block"} for path in FILES},
        )

    def test_blocked(self) -> None:
        """With the actions as they come nothing of it passes, whoever unpacks."""
        clamd = self.fails_open()
        for enabled in (("clamd",), ("archive", "clamd")):
            gateway = scanning(self, self.store, clamd, enabled=enabled)
            gateway.says("is ready")
            for way, path, answer in Ways(self, gateway, self.store).each(FILES):
                if answer is not None:
                    self.assertIn(answer.status, (403, 503), f"{way} {path}")
        self.assertEqual(self.store.got, {})
