"""Tests of the check of plugins while they work: start, hooks, scans and stop."""

from __future__ import annotations

import threading

from gateway.testing import check_plugin, checks
from tests.unit.testing.plugin_checks import CheckTestCase


class LifeTests(CheckTestCase):
    """Starting and stopping."""

    def test_start_raises(self) -> None:
        """A start that fails although everything answers is said."""
        found = self.finding("""
            class Checked(Plugin):
                name = "checked"
                def start(self):
                    raise ValueError("no list")
        """)
        self.assertIn("start: it raises ValueError: no list, although every service answers", found)

    def test_stop_twice(self) -> None:
        """A second stop does no harm."""
        found = self.finding("""
            class Checked(Plugin):
                name = "checked"
                file = None
                def start(self):
                    self.file = [1]
                def stop(self):
                    if self.file is not None:
                        self.file.pop()
        """)
        self.assertIn("stop: it raises IndexError", found)
        self.assertIn("when it is called a second time", found)

    def test_stop_without_start(self) -> None:
        """A plugin is stopped although its start failed, or was never begun."""
        found = check_plugin(
            self.made("""
            class Checked(Plugin):
                name = "checked"
                def start(self):
                    self.file = open("/dev/null")
                def stop(self):
                    self.file.close()
        """)
        )
        self.assertEqual(len(found), 1, found)
        self.assertIn("stop: it raises AttributeError", found[0])
        self.assertIn("although it was never started", found[0])

    def test_stop_after_failed_start(self) -> None:
        """A plugin whose start was cut short can be stopped, too."""
        found = check_plugin(
            self.made("""
            class Checked(Plugin):
                name = "checked"
                began = done = False
                async def start(self):
                    self.began = True
                    await self.services.http.request("GET", "http://lists.example/")
                    self.done = True
                def stop(self):
                    if self.began and not self.done:
                        raise KeyError("half")
        """)
        )
        self.assertEqual(len(found), 2, found)
        self.assertIn("after a start that failed", found[0])
        self.assertIn("after a start that was given up", found[1])

    def test_work_left(self) -> None:
        """What stays on the clock after stop is named."""
        found = check_plugin(
            self.made("""
            class Checked(Plugin):
                name = "checked"
                def start(self):
                    self.services.clock.callLater(60, self.refresh)
                def refresh(self):
                    pass
        """)
        )
        self.assertIn("it leaves a call of Checked.refresh on the clock", found[0])
        self.assertIn("services.every", found[0])

    def test_thread_left(self) -> None:
        """A thread that goes on after stop is named."""
        release = threading.Event()
        self.addCleanup(release.set)
        # Nobody lets it end meanwhile.
        self.patch(checks, "_THREAD_SECONDS", 0.0)
        found = check_plugin(
            self.made(
                """
            import threading
            class Checked(Plugin):
                name = "checked"
                def start(self):
                    threading.Thread(target=release.wait, name="worker", daemon=True).start()
        """,
                release=release,
            )
        )
        self.assertEqual(len(found), 1, found)
        self.assertIn("the thread 'worker' still runs after it", found[0])


class HookTests(CheckTestCase):
    """What hooks answer."""

    def test_wrong_answer(self) -> None:
        """An answer of a wrong type is shown with the request that brought it out and the types allowed."""
        found = check_plugin(
            self.made("""
            class Checked(Plugin):
                name = "checked"
                @hookimpl()
                def request_headers(self, txn):
                    return txn.request.method == "POST" or None
        """)
        )
        self.assertEqual(len(found), 1, found)
        self.assertIn(
            "request_headers: asked with POST it answers True, a bool; "
            "answer Allow | Block | Respond | ReadContent | None.",
            found[0],
        )

    def test_raises(self) -> None:
        """A hook that raises for some request is shown with it."""
        found = self.finding("""
            class Checked(Plugin):
                name = "checked"
                @hookimpl()
                async def request_headers(self, txn):
                    if txn.request.method == "CONNECT":
                        txn.request.scheme[0]
        """)
        self.assertIn("request_headers: asked with CONNECT it raises IndexError", found)

    def test_client_hello(self) -> None:
        """A hook for TLS is asked about clients that say much and clients that say little."""
        found = self.finding(
            """
            class Checked(Plugin):
                name = "checked"

                @hookimpl()
                def client_hello(self, client: Client, hello: ClientHello) -> Tunnel | None:
                    return Tunnel() if hello.server_name[0] == "p" else None
            """
        )
        self.assertIn(
            ".client_hello: asked with a client that names no host it raises IndexError", found
        )

    def test_intercepted_connect(self) -> None:
        """A plugin that counts ends is told of a CONNECT that was decrypted, too."""
        found = self.finding(
            """
            class Checked(Plugin):
                name = "checked"

                @hookimpl()
                def transaction_complete(self, txn: Transaction) -> None:
                    {Delivered: 0, Tunnelled: 1}[type(txn.outcome)]
            """
        )
        self.assertIn(
            ".transaction_complete: asked with an intercepted CONNECT it raises KeyError", found
        )

    def test_swallowed_cancel(self) -> None:
        """A hook that goes on when it is cancelled is told what to write."""
        found = self.finding("""
            class Checked(Plugin):
                name = "checked"
                @hookimpl()
                async def request_headers(self, txn):
                    try:
                        await self.services.http.request("GET", "http://lists.example/")
                    except Exception:
                        return None
        """)
        self.assertIn("request_headers: it goes on after CancelledError", found)

    def test_filter_of_another_length(self) -> None:
        """A filter that says it keeps the length keeps it."""
        found = self.finding("""
            class Doubles(BodyFilter):
                changes_length = False
                def data(self, chunk):
                    return chunk * 2
            class Checked(Plugin):
                name = "checked"
                @hookimpl()
                def response_filters(self, txn):
                    return Doubles()
        """)
        self.assertIn("changes_length = False and changes the length", found)

    def test_filter_that_raises(self) -> None:
        """A filter that breaks on a plain page is shown."""
        found = check_plugin(
            self.made("""
            class Breaks(BodyFilter):
                def end(self):
                    raise KeyError("end")
            class Checked(Plugin):
                name = "checked"
                @hookimpl()
                def request_filters(self, txn):
                    return Breaks()
        """)
        )
        self.assertEqual(len(found), 1, found)
        self.assertIn("request_filters: its filter raises KeyError: 'end'", found[0])


class ScanTests(CheckTestCase):
    """What a plugin says of content."""

    PACKED = """
        from dataclasses import replace
        class Some:
            def __init__(self, job):
                self.left = [replace(job, member="a", depth=1)]
            async def more(self):
                left, self.left = self.left, []
                return left
            def close(self):
                self.left = []
        class Checked(Plugin):
            name = "checked"
            @hookimpl()
            def content_need(self, txn, side):
                return Whole(1000)
            @hookimpl()
            def scan_patterns(self):
                return "checked 1"
            @hookimpl()
            def unpack_content(self, job):
                return Unpacked("zip", Some(job)) if job.content[:2] == b"PK" else NotPacked()
            @hookimpl()
            def scan_content(self, job):
                return Clean("checked", "1", Coverage(job.size, nested=False))
    """

    def changed(self, before: str, after: str) -> list[str]:
        """Check the plugin with one change."""
        self.assertEqual(self.PACKED.count(before), 1)
        return check_plugin(self.made(self.PACKED.replace(before, after)))

    def test_good(self) -> None:
        """One that unpacks and scans as it should has no finding."""
        self.assertEqual(check_plugin(self.made(self.PACKED)), [])

    def test_faults(self) -> None:
        """What would make content unscanned, or unpacking fail, is told with the sample that shows it."""
        for before, after, text in (
            (
                "Coverage(job.size",
                "Coverage(job.size // 2",
                "asked with a page it says clean of 9 bytes of 18",
            ),
            (", depth=1", "", "asked with an archive it gives a member without a name or a depth"),
            ("return left", "return [5]", "asked with an archive it gives 5 for a member"),
            ("return left", "1 / 0", "the members of an archive raise ZeroDivisionError"),
            ("self.left = self.left, []", "_ = self.left, []", "of an archive have no end"),
            (
                "def close(self):\n                self.left = []",
                "def close(self):\n                1 / 0",
                "closing the members of an archive",
            ),
            ('return "checked 1"', "return 1", "scan_patterns: asked with what it scans with it"),
        ):
            found = self.changed(before, after)
            self.assertTrue(any(text in one for one in found), (text, found))
