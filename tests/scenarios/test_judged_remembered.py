"""What was scanned is not scanned again: not before somebody has other patterns, and never where that is not certain."""

from __future__ import annotations

import os
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from gateway.api import (
    Infected,
    NotPacked,
    Response,
    ScanJob,
    Stored,
    StoredFile,
    Unscannable,
    hookimpl,
)
from gateway.message.fields import Fields
from gateway.pipeline.fingerprint import fingerprint
from gateway.testing.harness import Harness
from gateway.testing.peers import ScriptedClient, ScriptedOrigin, chunked, request, response
from tests.scenarios.plugins import Base, Doubled, OnLookUp, OnResponseContent
from tests.scenarios.scanners import BAD, ContentTestCase, Scanner, clean
from tests.scenarios.support import URL
from tests.scenarios.unpackers import Shallow, Unpacker, shallow

HTML = b"Content-Type: text/html"


class RememberedTestCase(ContentTestCase):
    """
    Tests with a scanner that names its patterns.

    @ivar scanner: it looks at every depth.
    """

    def setUp(self) -> None:
        """Make the scanner."""
        super().setUp()
        self.scanner = Shallow(lambda job: shallow(job) if BAD in job.content else clean(job))

    def begun(
        self, more: dict[str, Base] | None = None, **settings: object
    ) -> tuple[Harness, ScriptedOrigin, ScriptedClient]:
        """Start."""
        return self.started(
            self.scanner, more, settings={f"scan.{name}": said for name, said in settings.items()}
        )

    def get(
        self,
        origin: ScriptedOrigin,
        client: ScriptedClient,
        content: bytes = b"content",
        *lines: bytes,
        path: bytes = b"",
    ) -> Any:
        """Get some content once more."""
        origin.reply = response(content, *lines)
        client.send(request(URL + path))
        self.gateway_of(client).settle()
        return client.responses()[-1]

    def gateway_of(self, client: ScriptedClient) -> Harness:
        """Give the gateway under test."""
        assert self.gateway is not None
        return self.gateway

    gateway: Harness | None = None

    def numbers(self, gateway: Harness) -> dict[str, float]:
        """Give the metrics of scans, by name and labels."""
        text = gateway.service.recorder.exposition().text().decode()
        return {
            " ".join(
                (sample.name.removeprefix("gateway_scan_"), *sorted(sample.labels.values()))
            ): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name.startswith("gateway_scan_")
        }


class RememberedTests(RememberedTestCase):
    """What is remembered."""

    def test_clean(self) -> None:
        """The same content is scanned once, whatever its URL and side, however it comes; the log says the same each time."""
        self.gateway, origin, client = self.begun()
        for path in (b"", b"other", b"x/y?z.exe"):
            self.assertEqual(self.get(origin, client, path=path).content, b"content")
        client.send(request(URL, method=b"POST", content=b"content"))
        origin.reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(
            b"con", b"tent"
        )
        client.send(request(URL))
        self.gateway.settle()
        self.assertEqual(len(self.scanner.asked), 1)
        self.assertEqual(client.responses()[-1].content, b"content")
        for line in self.gateway.log:
            self.assertEqual(
                (line["notes"]["scan_response"], line["notes"]["scan_engine"]), ("clean", "test 1")
            )
        self.assertEqual(self.gateway.log[3]["notes"]["scan_request"], "clean")
        numbers = self.numbers(self.gateway)
        self.assertEqual(
            (numbers["lookups_total hit"], numbers["lookups_total miss"]), (5, 1), numbers
        )
        self.assertEqual(numbers["messages_total clean response"], 5)
        self.assertEqual(numbers["bytes_total clean response"], 35)
        self.assertEqual(numbers["bytes_total clean request"], 7)
        self.assertEqual((numbers["remembered"], numbers["room_bytes"]), (1, 0))
        self.assertGivenBack(self.gateway)

    def test_infected(self) -> None:
        """Malware is refused each time, with the page, the event and the log of the first time."""
        told: list[Any] = []

        class Hears(Base):
            @hookimpl()
            def event(self, event: Any) -> None:
                """Note it."""
                told.append((event.name, event.values["name"], event.values["patterns"]))

        self.gateway, origin, client = self.begun({"hears": Hears()}, infected_urls=0)
        for path in (b"a", b"b"):
            found = self.get(origin, client, BAD, path=path)
            self.assertEqual(found.status, 403)
            self.assertIn(b"EICAR", found.content)
        self.assertEqual(len(self.scanner.asked), 1)
        self.assertNotIn(BAD, client.received)
        first, second = (line["notes"] for line in self.gateway.log)
        self.assertEqual(first, second)
        self.assertEqual(told, [("malware_found", "EICAR", "test 1")] * 2)

    def test_infected_url(self) -> None:
        """Where malware was found the next one is refused before anything is looked at."""
        self.gateway, origin, client = self.begun(remember=0)
        for _ in range(2):
            self.assertEqual(self.get(origin, client, BAD, b'ETag: "1"').status, 403)
        self.assertEqual(len(self.scanner.asked), 1)
        self.assertEqual(self.get(origin, client, b"mended", b'ETag: "2"').content, b"mended")

    def test_clean_under_an_infected_url(self) -> None:
        """A URL that gave malware is refused for as long as it is known for it, though what it gives now is remembered as clean."""
        self.gateway, origin, client = self.begun()
        self.get(origin, client, b"good", path=b"a")
        self.assertEqual(self.get(origin, client, BAD, b'ETag: "1"', path=b"b").status, 403)
        self.assertEqual(self.get(origin, client, b"good", b'ETag: "1"', path=b"b").status, 403)
        self.assertEqual(self.get(origin, client, b"good", path=b"a").content, b"good")
        self.assertEqual(len(self.scanner.asked), 2)

    def test_large(self) -> None:
        """Content in a file is remembered, too."""
        self.gateway, origin, client = self.begun(large_file={"mode": "hold"})
        content = bytes(range(256)) * 8192
        for _ in range(2):
            self.assertEqual(self.get(origin, client, content).content, content)
        self.assertEqual(len(self.scanner.asked), 1)
        self.assertGivenBack(self.gateway)

    def test_other_patterns(self) -> None:
        """With other patterns everything is scanned anew, and what was clean may be no more."""
        self.gateway, origin, client = self.begun()
        self.get(origin, client)
        self.scanner.patterns = "test 2"
        self.scanner.says = lambda job: Infected("new", "test")
        self.assertEqual(self.get(origin, client).status, 403)
        self.assertEqual(len(self.scanner.asked), 2)

    def test_patterns_that_change_meanwhile(self) -> None:
        """What was scanned while the patterns changed is scanned again."""

        def says(job: ScanJob) -> Any:
            self.scanner.patterns = "test 2"
            return clean(job)

        self.scanner.says = says
        self.gateway, origin, client = self.begun()
        self.get(origin, client)
        self.get(origin, client)
        self.get(origin, client)
        self.assertEqual(len(self.scanner.asked), 2)

    def test_said_to_be_something_else(self) -> None:
        """The same bytes under another type, coding, name or extension are scanned again: another answer may follow."""
        self.gateway, origin, client = self.begun()
        self.get(origin, client, b"content", HTML)
        for line in (
            b"Content-Type: text/plain",
            b"Content-Encoding: gzip",
            b"content-disposition: attachment; filename=a.exe",
        ):
            self.get(origin, client, b"content", line)
        self.get(origin, client, b"content", HTML, path=b"a.exe")
        self.assertEqual(len(self.scanner.asked), 5)
        self.get(origin, client, b"content", b"X-Other: 1", HTML, path=b"b.exe?a=1")
        self.assertEqual(len(self.scanner.asked), 5)

    def test_part(self) -> None:
        """What was said of a part is not said of the same bytes as a whole."""
        self.gateway, origin, client = self.begun()
        for _ in range(2):
            origin.reply = response(b"content", status=b"206 Partial Content")
            client.send(request(URL))
        self.assertEqual(len(self.scanner.asked), 1)
        self.get(origin, client)
        self.assertEqual(len(self.scanner.asked), 2)

    def test_what_may_be_different_tomorrow(self) -> None:
        """What could not be scanned is tried again each time."""
        for reason in (
            "engine_error",
            "capacity",
            "extract_failed",
            "unscanned:x",
            "forbidden:type",
        ):
            self.setUp()
            self.scanner.says = lambda job, reason=reason: Unscannable(reason)
            self.gateway, origin, client = self.begun()
            self.get(origin, client)
            self.get(origin, client)
            self.assertEqual(len(self.scanner.asked), 2, reason)

    def test_off(self) -> None:
        """With C{scan.remember} 0 nothing is remembered."""
        self.gateway, origin, client = self.begun(remember=0)
        self.get(origin, client)
        self.get(origin, client)
        self.assertEqual(len(self.scanner.asked), 2)
        self.assertEqual(self.numbers(self.gateway)["remembered"], 0)

    def test_bound(self) -> None:
        """Not more is remembered than C{scan.remember} says."""
        self.gateway, origin, client = self.begun(remember=2)
        for content in (b"a", b"b", b"c", b"b", b"a"):
            self.get(origin, client, content)
        self.assertEqual([job.content for job in self.scanner.asked], [b"a", b"b", b"c", b"a"])

    def test_somebody_who_does_not_say(self) -> None:
        """If one of those who scan or unpack names no patterns, or has none now, nothing is remembered."""

        class Silent(Base):
            @hookimpl()
            def scan_content(self, job: Any) -> None:
                """Have no opinion."""

        empty = Unpacker(NotPacked(), patterns="")
        for other in (Silent(), Scanner(clean), empty):
            self.setUp()
            self.gateway, origin, client = self.begun({"other": other})
            self.get(origin, client)
            self.get(origin, client)
            self.assertEqual(len(self.scanner.asked), 2, other)
        empty.patterns = "now it has"
        for _ in range(3):
            self.get(origin, client)
        self.assertEqual(len(self.scanner.asked), 3)

    def test_fails_open(self) -> None:
        """Nor if one fails open: what it left out must not last."""
        self.gateway, origin, client = self.started(
            self.scanner, settings={"plugins.test.fail": "open"}
        )
        self.get(origin, client)
        self.get(origin, client)
        self.assertEqual(len(self.scanner.asked), 2)

    def test_patterns_that_can_not_be_told(self) -> None:
        """A plugin that fails to name its patterns is scanned with each time, and is healthy again with its first answer."""

        class Broken(Shallow):
            @hookimpl()
            def scan_patterns(self) -> str:
                """
                Fail, or lie.

                @raise ZeroDivisionError: as it is now.
                """
                if self.patterns == "raise":
                    raise ZeroDivisionError
                return 5 if self.patterns == "lie" else self.patterns  # type: ignore[return-value]

        self.scanner = Broken(clean, "raise")
        self.gateway, origin, client = self.begun()
        for _ in range(20):
            self.get(origin, client)
        self.scanner.patterns = "lie"
        for _ in range(20):
            self.get(origin, client)
        self.assertEqual(len(self.scanner.asked), 40)
        self.assertGreater(len(self.flushLoggedErrors(ZeroDivisionError, TypeError)), 0)
        self.scanner.patterns = "test 3"
        for _ in range(3):
            self.get(origin, client)
        self.assertEqual(len(self.scanner.asked), 41)

    def test_after_filters(self) -> None:
        """What is remembered is what comes out of the filters."""
        doubles = OnResponseContent(lambda txn: Doubled())
        self.gateway, origin, client = self.begun({"doubles": doubles})
        for _ in range(2):
            self.assertEqual(self.get(origin, client, b"ab").content, b"abab!")
        self.assertEqual([job.content for job in self.scanner.asked], [b"abab!"])

    def test_reload(self) -> None:
        """Another configuration may mean other answers: everything is scanned anew."""
        self.gateway, origin, client = self.begun()
        self.get(origin, client)
        before = self.gateway.service.pipeline.remembered  # type: ignore[attr-defined]
        self.gateway.reload()
        client = self.gateway.client()
        self.get(origin, client)
        self.assertEqual((before, len(self.scanner.asked)), (1, 2))


class StoredTests(RememberedTestCase):
    """What a plugin has stored."""

    def served(self, stored: Stored, times: int, **settings: object) -> Harness:
        """Have a stored answer sent some times."""
        looks_up = OnLookUp(lambda txn: stored)
        self.gateway, _, client = self.begun({"store": looks_up}, **settings)
        for _ in range(times):
            client.send(request(URL))
            self.gateway.settle()
        self.responses = client.responses()
        return self.gateway

    def test_in_memory(self) -> None:
        """By what it is known again is worked out once of what is stored, and it is scanned once."""
        memo: dict[str, object] = {}
        stored = Stored(Response(200, Fields(), b"stored"), memo=memo)
        gateway = self.served(stored, 3)
        self.assertEqual(memo, {"gateway.mark": fingerprint(b"stored")})
        self.assertEqual(len(self.scanner.asked), 1)
        self.assertEqual([one.content for one in self.responses], [b"stored"] * 3)
        self.assertEqual({line["notes"]["scan_response"] for line in gateway.log}, {"clean"})
        self.assertEqual(self.numbers(gateway)["bytes_total clean response"], 18)

    def test_in_a_file(self) -> None:
        """What is in a file is not even read for it."""
        path = self.mktemp()
        content = bytes(range(256)) * 8192
        with open(path, "wb") as file:
            file.write(content)
        released: list[int] = []

        def stored(txn: object) -> Stored:
            descriptor = os.open(path, os.O_RDONLY)
            found = StoredFile(
                descriptor,
                0,
                len(content),
                lambda: (released.append(descriptor), os.close(descriptor))[0],  # type: ignore[func-returns-value]
            )
            return Stored(Response(200, Fields()), found, memo=memo)

        memo: dict[str, object] = {}
        self.gateway, _, client = self.begun(
            {"store": OnLookUp(stored)}, large_file={"mode": "hold"}
        )
        for _ in range(3):
            client.send(request(URL))
            self.gateway.settle()
        self.assertEqual([one.content for one in client.responses()], [content] * 3)
        self.assertEqual((len(self.scanner.asked), len(released), len(memo)), (1, 3, 1))
        self.assertEqual(self.numbers(self.gateway)["bytes_total clean response"], 3 * len(content))
        self.assertEqual(self.gateway.service.pipeline.scanning.budget.used, 0)  # type: ignore[attr-defined]

    def test_without_a_memo(self) -> None:
        """Without a place for it that is worked out each time; it is scanned once all the same."""
        self.served(Stored(Response(200, Fields(), b"stored")), 3)
        self.assertEqual(len(self.scanner.asked), 1)

    def test_memo_of_somebody_else(self) -> None:
        """What is not ours is not believed, and nothing is cut short by one that nothing is known of."""
        memo: dict[str, object] = {"gateway.mark": "0" * 16}
        self.served(Stored(Response(200, Fields(), b"stored"), memo=memo), 2)
        self.assertEqual(len(self.scanner.asked), 1)
        self.assertEqual(memo["gateway.mark"], fingerprint(b"stored"))

    def test_infected_with_new_patterns(self) -> None:
        """What was clean when it was stored is refused once the patterns know better."""
        memo: dict[str, object] = {}
        gateway = self.served(Stored(Response(200, Fields(), b"stored"), memo=memo), 2)
        self.scanner.patterns = "test 2"
        self.scanner.says = lambda job: Infected("new", "test")
        client = gateway.client()
        client.send(request(URL))
        gateway.settle()
        self.assertEqual(client.response().status, 403)
