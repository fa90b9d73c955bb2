"""Answers of the gateway's own: short pages that say what was wrong and how to ask about it."""

from __future__ import annotations

import json

from gateway.net.faults import NameServerFailure, NameTimeout
from gateway.testing.peers import request
from tests.scenarios.support import URL, ScenarioTestCase


class PageTests(ScenarioTestCase):
    """Pages at the edge; their words are tested elsewhere."""

    def test_html(self) -> None:
        """A browser gets HTML; nobody may store it, and the request id is on it, in its head and in the log."""
        gateway = self.forward()
        client = gateway.client()
        client.send(request(b"http://nowhere.example.com/", b"Accept: text/html,*/*;q=0.8"))
        found = client.response()
        identifier = gateway.line["id"]
        self.assertEqual(found.get("content-type"), b"text/html; charset=utf-8")
        self.assertEqual(found.get("cache-control"), b"no-store")
        self.assertEqual(found.get("x-request-id"), identifier.encode())
        self.assertIn(identifier.encode(), found.content)
        self.assertIn(b"nowhere.example.com", found.content)

    def test_json(self) -> None:
        """A program that would rather have JSON gets it."""
        gateway = self.forward()
        client = gateway.client()
        client.send(request(b"http://nowhere.example.com/", b"Accept: application/json"))
        found = client.response()
        problem = json.loads(found.content)
        self.assertEqual(found.get("content-type"), b"application/problem+json")
        self.assertEqual((problem["status"], problem["request_id"]), (502, gateway.line["id"]))

    def test_malformed(self) -> None:
        """So it is where no request could be made out."""
        gateway = self.forward()
        client = gateway.client()
        client.send(b"nonsense\r\n\r\n")
        found = client.response()
        self.assertEqual(
            (found.status, found.get("connection"), client.closed), (400, b"close", "fin")
        )
        self.assertEqual(found.get("x-request-id"), gateway.line["id"].encode())
        self.assertLine(
            gateway, status=400, outcome="failed", reason="bad_request", url="error:invalid-request"
        )

    def test_escaped(self) -> None:
        """What a client sent stands on no page unescaped."""
        gateway = self.forward()
        client = gateway.client()
        client.send(request(b"http://nowhere.example.com/<script>alert(1)</script>"))
        self.assertNotIn(b"<script>", client.received)

    def test_faults_told_apart(self) -> None:
        """DNS failure, refusal and time-outs are told apart in status and log."""
        gateway = self.forward()
        gateway.names.known["failing.example.com"] = NameServerFailure(
            "the name servers would not tell"
        )
        gateway.names.known["slow.example.com"] = NameTimeout("no name server answered")
        gateway.names.known["refusing.example.com"] = ("198.51.100.9",)
        for host in (b"nowhere", b"failing", b"slow", b"refusing"):
            gateway.client().send(request(b"http://%b.example.com/" % host))
        self.assertEqual(
            [(line["status"], line["reason"]) for line in gateway.log],
            [(502, "name_not_found"), (502, "name_error"), (504, "name_timeout"), (502, "refused")],
        )

    def test_not_for_a_proxy(self) -> None:
        """A request for a web server that comes to the proxy is told what to do."""
        gateway = self.forward()
        client = gateway.client()
        client.send(request(b"/index.html"))
        self.assertEqual(client.response().status, 400)
        self.assertIn(b"proxy", client.response().content)

    def test_https_without_connect(self) -> None:
        """An https target is asked for by CONNECT: 501."""
        gateway = self.forward()
        client = gateway.client()
        client.send(request(b"https://origin.example.com/", b"Host: origin.example.com"))
        self.assertEqual(client.response().status, 501)

    def test_versions_and_limits(self) -> None:
        """What can't be read has its own status."""
        for raw, status in (
            (b"GET http://a/ HTTP/2.0\r\n\r\n", 505),
            (b"GET http://a/" + b"a" * 20000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
            (b"GET http://a/ HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 70000 + b"\r\n\r\n", 431),
            (b"GET http://a/ HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 300 + b"\r\n", 431),
            (b"GET http://a/ HTTP/1.1\r\n\r\n", 400),
            (
                b"POST http://a/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                501,
            ),
        ):
            gateway = self.forward()
            client = gateway.client()
            client.send(raw)
            self.assertEqual((client.response().status, client.closed), (status, "fin"), raw[:60])
            self.assertLine(gateway, status=status, outcome="failed")

    def test_connection_goes_on(self) -> None:
        """After a page that was no fault of the message the connection goes on."""
        gateway = self.forward()
        client = gateway.client()
        client.send(request(b"http://nowhere.example.com/") + request(URL))
        self.assertEqual([found.status for found in client.responses()], [502, 502])
        self.assertEqual(client.closed, "")
