"""Refusals by policy are events for operators; scans, logins and faults have their own, or none."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from twisted.logger import globalLogPublisher

from gateway.api import (
    Block,
    BodyFilter,
    ContentRefused,
    Event,
    Infected,
    Respond,
    Response,
    Transaction,
    Unscannable,
    hookimpl,
)
from gateway.net.authority import Authority
from gateway.net.ca_generation import LIFE
from gateway.net.expiry import LOOK_SECONDS
from gateway.testing.harness import Harness
from gateway.testing.peers import chunked, request, response
from tests.scenarios.interception import GET, InterceptionTestCase
from tests.scenarios.plugins import Base
from tests.scenarios.scanners import FOUND, Scanner
from tests.scenarios.support import URL, ScenarioTestCase
from tests.scenarios.veils import TARGET, origin_files


class Ear(Base):
    """Hears of events."""

    name = "ear"

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Event] = []

    @hookimpl()
    def event(self, event: Event) -> None:
        """Note it."""
        self.heard.append(event)


class Judge(Base):
    """Says something of each request."""

    @hookimpl()
    def request_headers(self, txn: Transaction) -> Any:
        """Judge."""
        return self.says(txn)


class LateJudge(Base):
    """Says something of each answer."""

    @hookimpl()
    def response_headers(self, txn: Transaction) -> Any:
        """Judge."""
        return self.says(txn)


class Refuse(Base, BodyFilter):
    """Refuses content when it comes."""

    @hookimpl()
    def response_filters(self, txn: Transaction) -> BodyFilter:
        """Look at all of it."""
        return self

    def data(self, chunk: bytes) -> bytes:
        """Refuse."""
        raise ContentRefused(Block("not that", "kinds"))


class ViolationTests(ScenarioTestCase):
    """What a forward proxy tells of."""

    def heard(
        self,
        plugin: Base | None,
        *,
        settings: Mapping[str, object] | None = None,
        sent: bytes = b"",
        reply: bytes = b"",
    ) -> list[Event]:
        """Let one request go its way; gives what was told of it."""
        ear = Ear()
        plugins: dict[str, object] = {"ear": ear}
        if plugin is not None:
            plugins["test"] = plugin
        self.gateway: Harness = self.forward(settings, plugins=plugins)
        self.gateway.origin(reply=reply or response(b"content"))
        client = self.gateway.client()
        client.send(sent or request(URL + b"?user=anna"))
        self.gateway.settle()
        return ear.heard

    def test_request(self) -> None:
        """A request that a plugin refuses is a violation, with category, status, transaction and URL without its query."""
        (event,) = self.heard(Judge(lambda txn: Block("the host is listed", "allow_deny")))
        self.assertEqual((event.name, event.subject), ("policy_violation", "192.0.2.7"))
        self.assertEqual(event.text, "refused: origin.example.com: the host is listed")
        self.assertEqual(
            dict(event.values),
            {
                "category": "allow_deny",
                "status": "403",
                "id": self.gateway.line["id"],
                "url": URL.decode(),
            },
        )

    def test_answer(self) -> None:
        """So is an answer, and content that a filter refuses when the client has a part of it perhaps."""
        for plugin in (LateJudge(lambda txn: Block("no such kind")), Refuse()):
            (event,) = self.heard(plugin)
            self.assertEqual(event.name, "policy_violation")

    def test_upload(self) -> None:
        """An upload that is refused as too large is told as that, declared or not."""
        limit = {"limits.upload": "1000B"}
        for sent in (
            request(URL, b"Content-Length: 1001", method=b"POST"),
            request(URL, b"Transfer-Encoding: chunked", method=b"POST") + chunked(bytes(1001)),
        ):
            (event,) = self.heard(None, settings=limit, sent=sent)
            self.assertEqual(event.name, "upload_refused")
            self.assertEqual(
                (event.values["status"], event.values["category"]), ("413", "upload_limit")
            )

    def test_scans(self) -> None:
        """What a scan refuses is told by the scan, once; what rules of kinds forbid within an archive is policy."""
        (event,) = self.heard(Scanner(lambda job: FOUND))
        self.assertEqual(event.name, "malware_found")
        (event,) = self.heard(Scanner(lambda job: Unscannable("malformed")))
        self.assertEqual((event.name, event.values["action"]), ("content_not_scanned", "block"))
        (event,) = self.heard(Scanner(lambda job: Unscannable("forbidden:type")))
        self.assertEqual(
            (event.name, event.values["category"]), ("policy_violation", "scan_forbidden")
        )

    def test_let_through(self) -> None:
        """Malware that passes is another event than malware that was blocked: no flood of the one hides the other."""
        (event,) = self.heard(Scanner(lambda job: Infected("odd", "test", certain=False)))
        self.assertEqual((event.name, event.values["action"]), ("malware_passed", "monitor"))

    def test_no_violation(self) -> None:
        """Logins, faults, and answers that a plugin makes itself are none; nor is what passes."""
        for says in (
            Block("sign in", "auth", 403),
            Block("sign in", "", 407),
            Block("out of order", "", 503),
            Respond(Response(302)),
            None,
        ):
            self.assertEqual(self.heard(Judge(lambda txn, says=says: says)), [])

    def test_hostile_reason(self) -> None:
        """What a plugin says may come from a peer: it is short and printable in the event."""
        (event,) = self.heard(Judge(lambda txn: Block("a\r\nb\0" * 1000, "c\nd")))
        self.assertTrue(event.text.isprintable())
        self.assertLess(len(event.text), 300)
        self.assertTrue(event.values["category"].isprintable())

    def test_no_line(self) -> None:
        """There may be thousands a minute, and the access log has each: the process log has none."""
        lines: list[str] = []

        def seen(event: Any) -> None:
            if str(event.get("log_format", "")).startswith("event {name}"):
                lines.append(event["name"])

        observer: Any = seen
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.heard(Judge(lambda txn: Block("the host is listed")))
        self.assertEqual(lines, [])
        self.heard(Scanner(lambda job: FOUND))
        self.assertEqual(lines, ["malware_found"])


class TlsTests(InterceptionTestCase):
    """What is told of tunnels."""

    def test_tunnel(self) -> None:
        """A CONNECT that is refused is a violation, once, whether its page is shown within TLS or not."""
        for shown in (False, True):
            ear = Ear()
            judge = Judge(
                lambda txn: Block("not there") if txn.request.method == "CONNECT" else None
            )
            gateway = self.intercepting(
                {"tls.block_page_over_tls": shown}, plugins={"test": judge, "ear": ear}
            )
            self.tls_origin(gateway)
            if shown:
                self.client(gateway).send(GET)
            else:
                gateway.client().send(request(TARGET, method=b"CONNECT"))
            gateway.settle()
            (event,) = ear.heard
            self.assertEqual(
                (event.name, event.values["id"]), ("policy_violation", gateway.log[0]["id"])
            )

    def test_ca(self) -> None:
        """A gateway that starts with a CA near its end tells of that, once."""
        folder = Path(self.mktemp())
        # A day off, as it is valid from a day before.
        made = datetime.now(UTC) - LIFE + timedelta(days=6.5)
        Authority(folder, warn=lambda caution: None, now=lambda: made).signer()
        ear = Ear()
        gateway = self.intercepting({"tls.ca": str(folder)}, plugins={"ear": ear})
        (event,) = ear.heard
        self.assertEqual((event.name, event.subject), ("ca_expires", str(folder)))
        self.assertEqual(event.values["days"], "5")
        gateway.advance(2 * LOOK_SECONDS)
        self.assertEqual(len(ear.heard), 1)

    def test_certificate(self) -> None:
        """A server whose certificate is not believed is told with the reason: at once, then once a minute."""
        ear = Ear()
        gateway = self.intercepting(plugins={"ear": ear})
        self.pem = origin_files(self.folder, "another.example.com")[0]
        self.tls_origin(gateway)
        for _ in range(3):
            self.client(gateway).send(GET)
        (event,) = ear.heard
        self.assertEqual(
            (event.name, event.subject), ("upstream_certificate_refused", "origin.example.com")
        )
        self.assertEqual(dict(event.values), {"reason": "wrong_host", "times": "1"})
        gateway.advance(60.0)
        self.assertEqual([event.values["times"] for event in ear.heard], ["1", "2"])
