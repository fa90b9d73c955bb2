"""Tests of the plugin C{webhook} as a whole: its settings, its requests, and that nothing secret shows."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import CATALOGUE, DeliveryFailed, Fields, HttpAnswer, HttpFailed, Notice
from gateway.api.settings import ConfigError
from gateway.testing import FakeGateway, HttpRequest, check_plugin
from gateway_webhook import Webhook
from gateway_webhook.tests.notices import THEN, notice

URL = "https://hooks.example.com/services/T0/verysecretpath"
KEY = "a key of the tests that is long enough"
NEXT = "another key of the tests that follows"
AUTHORIZATION = "Bearer 0123456789abcdef"
MALWARE = CATALOGUE["malware_found"]("malware was found", "192.0.2.7")


class WebhookTestCase(SynchronousTestCase):
    """Tests with a gateway."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()

    def secret(self, name: str, text: str) -> dict[str, str]:
        """Write a secret, and give what names it in a setting."""
        (self.folder / name).write_text(text + "\n")
        return {"file": str(self.folder / name)}

    def gateway(self, *receivers: dict[str, object]) -> FakeGateway:
        """Start a gateway with these receivers; requests that a test has no answer for can't reach anybody."""
        given = list(receivers or ({"url": URL},))
        gw = FakeGateway(Webhook, {"to": given}, config={"notify.limit": "1s"})
        self.addCleanup(gw.stop)
        plugin: Any = gw.plugin
        plugin._now = lambda: THEN
        self.plugin = plugin
        return gw

    def deliver(self, gw: FakeGateway, given: Notice, number: int = 0) -> Deferred[None]:
        """Deliver a notice, past the queue."""
        receiver = self.plugin.settings.to[number]
        waiting = Deferred.fromCoroutine(self.plugin._deliver(receiver, given))
        gw.clock.advance(1)
        return waiting

    def requested(self, gw: FakeGateway, given: Notice) -> HttpRequest:
        """Deliver a notice, and give the request."""
        self.successResultOf(self.deliver(gw, given))
        return gw.http.requests[-1]

    def why(self, gw: FakeGateway, given: Notice | None = None) -> DeliveryFailed:
        """Deliver a notice in vain; give why."""
        waiting = self.deliver(gw, given or notice())
        error: Any = self.failureResultOf(waiting, DeliveryFailed).value
        return error  # type: ignore[no-any-return]

    def refused(self, *receivers: dict[str, object]) -> str:
        """Give what is wrong with a configuration."""
        error = self.assertRaises(ConfigError, FakeGateway, Webhook, {"to": list(receivers)})
        return str(error)


class RequestTests(WebhookTestCase):
    """Requests."""

    def test_request(self) -> None:
        """A notice is posted as JSON, with its name, its attempt and fields of the settings."""
        gw = self.gateway(
            {
                "url": URL,
                "fields": {"Authorization": self.secret("auth", AUTHORIZATION), "X-Team": "ops"},
            }
        )
        gw.http[URL] = HttpAnswer(204, Fields(), b"")
        request = self.requested(gw, notice(attempt=3))
        self.assertEqual((request.method, request.url), ("POST", URL))
        fields = {name.lower(): value for name, value in request.fields}
        self.assertEqual(
            fields,
            {
                "content-type": "application/json",
                "user-agent": "gateway-webhook/1",
                "idempotency-key": "n-1",
                "gateway-attempt": "3",
                "authorization": AUTHORIZATION,
                "x-team": "ops",
            },
        )
        self.assertEqual(json.loads(request.content)["id"], "n-1")

    def test_signed(self) -> None:
        """With two keys there are two signatures over the time and the very content."""
        gw = self.gateway(
            {"url": URL, "key": self.secret("key", KEY), "next_key": self.secret("next", NEXT)}
        )
        gw.http[URL] = b"ok"
        request = self.requested(gw, notice())
        signed = b"1700000000." + request.content
        expected = [
            "v1=" + hmac.new(key.encode(), signed, hashlib.sha256).hexdigest()
            for key in (KEY, NEXT)
        ]
        self.assertEqual(
            request.fields.get("gateway-signature"), ",".join(["t=1700000000", *expected])
        )

    def test_not_signed(self) -> None:
        """Without a key there is no signature."""
        gw = self.gateway()
        gw.http[URL] = b"ok"
        self.assertIsNone(self.requested(gw, notice()).fields.get("gateway-signature"))

    def test_chat(self) -> None:
        """A chat gets a text."""
        gw = self.gateway({"url": URL, "format": "slack"})
        gw.http[URL] = b"ok"
        self.assertEqual(set(json.loads(self.requested(gw, notice()).content)), {"text"})

    def test_whole_way(self) -> None:
        """An event of the gateway is posted; what comes within the limit is counted and posted at its end."""
        gw = self.gateway()
        gw.http[URL] = b"ok"
        for _ in range(5):
            gw.tell(MALWARE)
        gw.clock.advance(1000)
        counts = [
            alarm["count"]
            for request in gw.http.requests
            for alarm in json.loads(request.content)["alarms"]
        ]
        self.assertEqual(sum(counts), 5)
        self.assertLess(len(counts), 5)


class FailureTests(WebhookTestCase):
    """Receivers that do not take it."""

    def test_status(self) -> None:
        """What a status means is in the failure, and in the metrics."""
        gw = self.gateway({"url": URL, "name": "pager"})
        gw.http[URL] = HttpAnswer(503, Fields.of([("Retry-After", "90")]), b"")
        error = self.why(gw)
        self.assertEqual((error.is_final, error.after_seconds), (False, 90.0))
        self.assertEqual(str(error), "pager answers with status 503")
        gw.http[URL] = HttpAnswer(400, Fields(), b"")
        self.assertTrue(self.why(gw).is_final)
        metrics: Any = gw.services.metrics
        self.assertEqual(metrics.value("answers", receiver="pager", status="503"), 1.0)

    def test_back_again(self) -> None:
        """A receiver that was down gets the notice when it is back: the same name, another attempt."""
        gw = self.gateway()
        gw.http[URL] = HttpAnswer(500, Fields(), b"")
        gw.tell(MALWARE)
        gw.clock.advance(1)
        gw.http[URL] = b"ok"
        for _ in range(120):
            gw.clock.advance(1)
        first, second = gw.http.requests[:2]
        self.assertEqual(first.fields.get("idempotency-key"), second.fields.get("idempotency-key"))
        self.assertEqual(first.content, second.content)
        self.assertEqual([one.fields.get("gateway-attempt") for one in (first, second)], ["1", "2"])

    def test_nothing_secret(self) -> None:
        """Neither failures nor log, events, metrics, queue names nor cautions show URL, key or fields."""
        gw = self.gateway(
            {
                "url": self.secret("url", URL),
                "key": self.secret("key", KEY),
                "next_key": self.secret("next", NEXT),
                "fields": {"Authorization": self.secret("auth", AUTHORIZATION)},
            }
        )
        secrets = ("verysecretpath", KEY, NEXT, "0123456789abcdef")
        texts = []
        for answer in (
            HttpAnswer(404, Fields(), URL.encode()),
            HttpFailed("connect", f"can't connect to {URL}"),
            HttpFailed(
                "protocol", f"{AUTHORIZATION} {KEY} {URL.removeprefix('https://hooks.example.com')}"
            ),
            HttpFailed("timeout", "hooks.example.com: no whole answer within 15 s"),
        ):
            gw.http[URL] = answer
            error = self.why(gw)
            self.assertFalse(error.is_final)
            self.assertIsNone(error.__cause__)
            texts.append(str(error))
        gw.tell(MALWARE)
        for _ in range(60):
            gw.clock.advance(60)
        texts += [repr(gw.plugin.settings), *gw.log, *gw.cautions, *map(repr, gw.events)]
        texts += gw.services.alarms.receivers
        metrics: Any = gw.services.metrics
        texts += [repr(family) for family in metrics._metrics.families()]
        for secret in secrets:
            for text in texts:
                self.assertNotIn(secret, text)
        self.assertIn("https://hooks.example.com", gw.services.alarms.receivers)


class SettingsTests(WebhookTestCase):
    """C{[plugins.webhook]}."""

    def test_names(self) -> None:
        """A receiver is called by scheme, host and port of its URL, or as it is said."""
        gw = self.gateway(
            {"url": URL},
            {"url": "http://[::1]:8080/x"},
            {"url": self.secret("url", URL), "name": "pager"},
        )
        self.assertEqual(
            gw.services.alarms.receivers,
            ("https://hooks.example.com", "http://[::1]:8080", "pager"),
        )

    def test_lone_url(self) -> None:
        """A lone string is the URL of a receiver with the defaults."""
        gw = FakeGateway(Webhook, {"to": [URL]})
        self.addCleanup(gw.stop)
        self.assertEqual(gw.services.alarms.receivers, ("https://hooks.example.com",))

    def test_urls(self) -> None:
        """What can't be posted to is refused, without showing it."""
        for text in (
            "",
            "ftp://a.example/secretpath",
            "https:///secretpath",
            "https://user:secretpath@a.example/",
            "https://a.example/secretpath#x",
            "https://a.example/secretpath x",
            "https://a.example:99999/secretpath",
            "https://é.example/secretpath",
            "https://[::1/secretpath",
        ):
            for url in (text, self.secret("url", text) if text else text):
                why = self.refused({"url": url})
                self.assertRegex(why, "URL")
                self.assertNotIn("secretpath", why)

    def test_contradictions(self) -> None:
        """What is wrong with keys, fields and names is said, without showing them."""
        for more, words in (
            ({"key": self.secret("short", "secretvalue")}, "at least 16 characters"),
            ({"key": "secretvalue in the file"}, "a secret is not written here"),
            ({"next_key": self.secret("next", NEXT)}, "no key that it could follow"),
            ({"fields": {"Host": "secretvalue"}}, '"Host" can\'t be set'),
            ({"fields": {"Gateway-Signature": "secretvalue"}}, "can't be set"),
            ({"fields": {"a b": "secretvalue"}}, "can't be set"),
            ({"fields": {"X-A": "secretvalue\r\nX-B: y"}}, "can't stand in a field"),
            ({"fields": {"X-A": 5}}, "X-A"),
            ({"name": "a\nb"}, "can't be a name"),
        ):
            why = self.refused({"url": URL, **more})
            self.assertRegex(why, words)
            self.assertNotIn("secretvalue", why)
            self.assertNotIn("verysecretpath", why)

    def test_twice(self) -> None:
        """Two receivers of one name could not be told apart in the queue."""
        self.assertIn("give them a name", self.refused({"url": URL}, {"url": URL + "2"}))

    def test_cautions(self) -> None:
        """Who posts in clear to another machine is told so, and who posts to nobody."""
        gw = self.gateway(
            {"url": "http://127.0.0.1:8080/"}, {"url": "http://a.example/x"}, {"url": URL}
        )
        (caution,) = gw.cautions
        self.assertIn("to[1].url: alarms go to http://a.example in clear", caution)
        gw = FakeGateway(Webhook)
        self.addCleanup(gw.stop)
        self.assertIn("nobody is told", gw.cautions[0])

    def test_checked(self) -> None:
        """It is a plugin as it should be."""
        self.assertEqual(check_plugin(Webhook, {"to": [{"url": URL}]}), [])
