"""Tests of rules and of what the client is told, through a whole gateway."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Allow, Identity, Plugin, Transaction, hookimpl
from gateway.api.settings import ConfigError
from gateway.testing import FakeGateway, check_plugin
from gateway.testing.peers import chunked, request
from gateway_upload_limit import UploadLimit, UploadLimitSettings
from gateway_upload_limit.tests.test_parts import BOUNDARY, form, part

FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY.decode()}"}
URL = "http://a.example/"


class WhoEver(Plugin):
    """Takes everybody's word for who he is."""

    name = "who_ever"

    @hookimpl()
    def authenticate(self, txn: Transaction) -> Identity | None:
        """Read the name and the groups."""
        user = txn.request.fields.get("X-User")
        groups = (txn.request.fields.get("X-Groups") or "").split()
        return Identity(user, frozenset(groups)) if user else None


class Welcome(Plugin):
    """Allows everything."""

    name = "welcome"

    @hookimpl()
    def request_headers(self, txn: Transaction) -> Allow:
        """Allow it."""
        return Allow("welcome")


class RuleTestCase(SynchronousTestCase):
    """Makes gateways."""

    def started(
        self, *rules: dict[str, object], mode: Any = "forward", limit: object = "1000B", **more: Any
    ) -> FakeGateway:
        """Start a gateway with rules and a general limit."""
        gateway = FakeGateway(
            UploadLimit,
            {"rule": list(rules)},
            mode=mode,
            plugins=[WhoEver],
            config={"limits.upload": limit, **more},
        )
        self.addCleanup(gateway.stop)
        return gateway

    def send(
        self,
        gateway: FakeGateway,
        content: Any,
        fields: dict[str, str] | None = None,
        method: str = "POST",
        url: str = URL,
    ) -> Any:
        """Send content; a list goes in chunks."""
        return self.successResultOf(gateway.request(method, url, fields or {}, content))

    def assertLimit(
        self, gateway: FakeGateway, limit: int, fields: dict[str, str] | None = None, **how: Any
    ) -> None:
        """Declared or not, exactly so much passes and not a byte more."""
        for content, expected in (
            (bytes(limit), 404),
            ([bytes(limit)], 404),
            (bytes(limit + 1), 413),
            ([bytes(limit), b"x"], 413),
        ):
            before = sum(found.complete for found in gateway.origin.requests)
            seen = self.send(gateway, content, fields, **how)
            self.assertEqual(seen.status, expected, (len(content), seen.text))
            came = sum(found.complete for found in gateway.origin.requests) - before
            self.assertEqual(came, int(expected == 404), len(content))


class RuleTests(RuleTestCase):
    """Which limit is whose."""

    def test_first_wins(self) -> None:
        """The first rule that matches wins, over the general limit, too; without one that is what holds."""
        gateway = self.started(
            {"limit": "10B", "methods": ["PUT"], "media": ["image/*"]},
            {"limit": "2000B", "methods": ["PUT"]},
            {"limit": "5B", "methods": ["PUT", "PATCH"]},
        )
        self.assertLimit(gateway, 10, {"Content-Type": "image/png"}, method="PUT")
        self.assertLimit(gateway, 2000, {"Content-Type": "text/plain"}, method="PUT")
        self.assertLimit(gateway, 5, method="PATCH")
        self.assertLimit(gateway, 1000)

    def test_media(self) -> None:
        """Media types are matched by name or range, in any case and without their parameters."""
        gateway = self.started({"limit": "10B", "media": ["image/*", "Application/PDF"]})
        for media, limit in (
            ("image/png", 10),
            ("IMAGE/svg+xml; charset=utf-8", 10),
            ("application/pdf", 10),
            ("application/pdfx", 1000),
            ("images/png", 1000),
        ):
            self.assertLimit(gateway, limit, {"Content-Type": media})
        self.assertLimit(gateway, 1000)

    def test_users_and_groups(self) -> None:
        """A rule is for its users and its groups; who is not known is neither."""
        gateway = self.started(
            {"limit": "0", "users": ["Root"]} | {"limit": 0},
            {"limit": "10B", "users": ["ann"], "groups": ["Guests"]},
        )
        self.assertLimit(gateway, 10, {"X-User": "Ann"})
        self.assertLimit(gateway, 10, {"X-User": "bob", "X-Groups": "staff guests"})
        self.assertLimit(gateway, 1000, {"X-User": "bob", "X-Groups": "staff"})
        self.assertLimit(gateway, 1000)
        for content in (bytes(5000), [bytes(5000)]):
            self.assertEqual(self.send(gateway, content, {"X-User": "root"}).status, 404)

    def test_sites(self) -> None:
        """A rule is for its sites; the others keep their own limit."""
        sites = [
            {
                "host": [host],
                "origins": ["http://198.51.100.1"],
                "listen": ["192.0.2.1:80"],
                "upload": "100B",
            }
            for host in ("a.example", "b.example")
        ]
        gateway = self.started({"limit": "10B", "sites": ["A.example"]}, mode="reverse", site=sites)
        self.assertLimit(gateway, 10)
        self.assertLimit(gateway, 100, url="http://b.example/")

    def test_setting_is_named(self) -> None:
        """The refusal names the rule by its place, counted from 0 as everywhere in the configuration's faults."""
        gateway = self.started(
            {"limit": "1B", "methods": ["PUT"]}, {"limit": "2kB", "methods": ["POST"]}
        )
        self.assertIn(
            "the limit is 2kB (setting plugins.upload_limit.rule[1].limit)",
            self.send(gateway, bytes(2001)).text,
        )

    def test_behind_an_allow(self) -> None:
        """What a plugin in front allowed is still measured: nothing of what declares too much passes."""
        gateway = FakeGateway(Welcome, plugins=[UploadLimit], config={"limits.upload": "1000B"})
        self.addCleanup(gateway.stop)
        seen = self.send(gateway, bytes(1001))
        self.assertEqual(seen.status, 413)
        self.assertFalse([found for found in gateway.origin.requests if found.content])
        self.assertEqual(self.send(gateway, bytes(1000)).status, 404)

    def test_faults(self) -> None:
        """Bad rules are blamed where they stand."""
        for rule, why in (
            ({"media": ["image/*"]}, "is missing"),
            ({"limit": "1MB", "media": ["image"]}, "not a media type"),
            ({"limit": "1MB", "media": ["image/png; x=y"]}, "not a media type"),
            ({"limit": "1MB", "methods": ["CONNECT"]}, "not a method that uploads"),
            ({"limit": "1MB", "users": [" "]}, "an empty name"),
            ({"limit": "1MB", "user": ["a"]}, 'did you mean "users"'),
            ({"limit": "many"}, "limit"),
        ):
            error = self.assertRaises(ConfigError, self.started, {"limit": 1}, rule)
            self.assertIn("plugins.upload_limit.rule[1]", str(error))
            self.assertIn(why, str(error))

    def test_rules_of_plugins(self) -> None:
        """The plugin keeps the rules of plugins."""
        self.assertEqual(list(check_plugin(UploadLimit, UploadLimitSettings())), [])


class FormTests(RuleTestCase):
    """Forms with files."""

    def test_declared(self) -> None:
        """A declared length over the limit is refused before any content, so no file is named."""
        gateway = self.started()
        client = gateway.client()
        content = form(part(bytes(2000), file="a.png"))
        head = request(
            URL.encode(),
            b"Content-Type: " + FORM["Content-Type"].encode(),
            b"Content-Length: %d" % len(content),
            b"Expect: 100-continue",
            method=b"POST",
        )
        client.send(head)
        found = client.response()
        self.assertEqual((found.status, gateway.origin.connections), (413, []))
        self.assertIn(f"The upload is {len(content)} bytes long".encode(), found.content)
        self.assertNotIn(b"the file", found.content)

    def test_undeclared(self) -> None:
        """Where it is counted, the file is named that the byte over the limit belongs to."""
        gateway = self.started()
        content = form(
            part(bytes(100), file="small.png"),
            part(bytes(2000), file="<b>&large.png"),
            part(bytes(9), file="c"),
        )
        for pieces in ([content], [content[at : at + 7] for at in range(0, len(content), 7)]):
            seen = self.send(gateway, pieces, FORM)
            self.assertEqual(seen.status, 413)
            self.assertIn(
                "longer than 1000 bytes, in the file &quot;&lt;b&gt;&amp;large.png&quot;; the limit is 1kB",
                seen.text,
            )
            self.assertNotIn("<b>", seen.text)
        self.assertEqual(
            [found.complete for found in gateway.origin.requests],
            [False] * len(gateway.origin.requests),
        )

    def test_files_of_a_type(self) -> None:
        """A file in a form is held to the first rule of its own type, also where the form's length is declared."""
        gateway = self.started(
            {"limit": "50B", "media": ["image/*"]},
            {"limit": "80B", "media": ["*/*"], "methods": ["PUT"]},
        )
        fine = form(
            part(bytes(50), file="a.png", media="image/png"),
            part(bytes(400), file="b.txt", media="text/plain"),
        )
        large = form(
            part(bytes(400), file="b.txt", media="text/plain"),
            part(bytes(51), file="a.png", media="image/png"),
        )
        for content in (fine, [fine]):
            self.assertEqual(self.send(gateway, content, FORM).status, 404)
        for content in (large, [large]):
            seen = self.send(gateway, content, {**FORM, "Accept": "application/json"})
            self.assertEqual(seen.status, 413)
            told = json.loads(seen.text)
            self.assertEqual((told["file"], told["limit_bytes"]), ("a.png", 50))
            self.assertIn('The file "a.png" (image/png) is longer than 50 bytes', told["detail"])
            self.assertEqual(told["setting"], "plugins.upload_limit.rule[0].limit")
        self.assertEqual(sum(found.complete for found in gateway.origin.requests), 2)

    def test_rule_about_all(self) -> None:
        """Where the first rule that matches a file is about requests, the file has no limit of its own."""
        gateway = self.started(
            {"limit": 0, "users": ["ann"]}, {"limit": "50B", "media": ["image/*"]}
        )
        content = form(part(bytes(5000), file="a.png", media="image/png"))
        self.assertEqual(self.send(gateway, content, {**FORM, "X-User": "ann"}).status, 404)
        self.assertEqual(self.send(gateway, content[:900], {**FORM, "X-User": "bob"}).status, 413)

    def test_long_head(self) -> None:
        """A part that hides its type behind a head without an end is refused where types matter, else only counted."""
        content = (
            b"--"
            + BOUNDARY
            + b"\r\nX: "
            + b"x" * 9000
            + b"\r\nContent-Type: image/png\r\n\r\n"
            + bytes(100)
        )
        gateway = self.started({"limit": "50B", "media": ["image/*"]}, limit="1MB")
        seen = self.send(gateway, content, FORM)
        self.assertEqual(seen.status, 413)
        self.assertIn("8KiB", seen.text)
        gateway = self.started(limit="1MB")
        self.assertEqual(self.send(gateway, [content], FORM).status, 404)

    def test_no_boundary(self) -> None:
        """A form without a boundary is content like any other."""
        gateway = self.started({"limit": "50B", "media": ["image/*"]})
        self.assertLimit(gateway, 1000, {"Content-Type": "multipart/form-data"})


class AnswerTests(RuleTestCase):
    """JSON for programs, HTML for people."""

    def test_formats(self) -> None:
        """Accept decides; where it says neither, a program that sends JSON gets JSON."""
        gateway = self.started()
        for fields, expected in (
            ({"Accept": "text/html,*/*;q=0.8"}, "text/html; charset=utf-8"),
            ({"Accept": "application/json"}, "application/problem+json"),
            ({"Accept": "application/problem+json, text/html;q=0.9"}, "application/problem+json"),
            ({"Accept": "application/json;q=0.5, text/html"}, "text/html; charset=utf-8"),
            ({"Content-Type": "application/json"}, "application/problem+json"),
            ({"Content-Type": "application/ld+json", "Accept": "*/*"}, "application/problem+json"),
            (
                {"Content-Type": "application/json", "Accept": "text/html"},
                "text/html; charset=utf-8",
            ),
            ({"Accept": "*/*"}, "text/html; charset=utf-8"),
            ({}, "text/html; charset=utf-8"),
        ):
            for content in (bytes(1001), [bytes(1001)]):
                seen = self.send(gateway, content, fields)
                self.assertEqual(
                    (seen.status, seen.fields.get("Content-Type")), (413, expected), fields
                )
                self.assertIn("(setting limits.upload)", seen.text)
                self.assertEqual(
                    (seen.log["outcome"], seen.log["reason"]), ("refused", "upload_limit")
                )

    def test_problem(self) -> None:
        """A problem has the limit and its setting as members of their own."""
        seen = self.send(self.started(), bytes(1001), {"Accept": "application/json"})
        told = json.loads(seen.text)
        self.assertEqual(seen.fields.get("X-Request-Id"), told.pop("request_id"))
        self.assertEqual(
            told,
            {
                "title": "Content Too Large",
                "status": 413,
                "detail": "The upload is 1001 bytes long; the limit is 1kB (setting limits.upload).",
                "code": "upload_limit",
                "limit": "1kB",
                "limit_bytes": 1000,
                "setting": "limits.upload",
            },
        )

    def test_other_pages(self) -> None:
        """The pages of others are left alone."""
        gateway = self.started()
        gateway.origin.unknown.add("a.example")
        seen = self.send(gateway, b"x", {"Content-Type": "application/json"})
        self.assertEqual(
            (seen.status, seen.fields.get("Content-Type")), (502, "text/html; charset=utf-8")
        )

    def test_after_the_answer_began(self) -> None:
        """Where the origin has begun to answer, the answer is broken off, so that nobody takes it for whole."""
        gateway = self.started()
        client = gateway.client()
        gateway.origin.addresses["a.example"] = "198.51.100.77"
        client.send(
            request(URL.encode(), b"Transfer-Encoding: chunked", method=b"POST")
            + chunked(bytes(900))[:-5]
        )
        gateway.settle()
        self.assertEqual([found.complete for found in gateway.origin.requests], [False])
        client.send(chunked(bytes(101)))
        gateway.settle()
        self.assertEqual(client.response().status, 413)
        self.assertEqual([found.complete for found in gateway.origin.requests], [False])
