"""Tests of rules about fields, through a whole gateway."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Fields, Listener, Response, Surroundings
from gateway.api.settings import ConfigError
from gateway.testing import FakeGateway, check_plugin
from gateway.testing.peers import request
from gateway_headers import Headers, HeadersSettings, plugin


class HeadersTestCase(SynchronousTestCase):
    """Makes gateways."""

    def started(
        self, *rules: Mapping[str, object], mode: Any = "forward", **more: object
    ) -> FakeGateway:
        """Start a gateway with the plugin."""
        gateway = FakeGateway(Headers, {"rule": list(rules), **more}, mode=mode)
        self.addCleanup(gateway.stop)
        return gateway

    def sent(
        self,
        gateway: FakeGateway,
        url: str,
        fields: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        method: str = "GET",
    ) -> Any:
        """Give a request as the origin saw it."""
        seen = self.successResultOf(gateway.request(method, url, fields))
        self.assertTrue(seen.reached_origin, seen.text)
        return gateway.origin.requests[-1]

    def faults(self, *rules: Mapping[str, object], **more: object) -> str:
        """Start in vain."""
        error = self.assertRaises(ConfigError, FakeGateway, Headers, {"rule": list(rules), **more})
        return str(error)


class CautionTests(HeadersTestCase):
    """What can't be done without decryption."""

    RULE: Mapping[str, object] = {"set": {"X-Team": "blue"}, "path": "/app"}
    MORE: Mapping[str, Any] = {"tenants": {"dropbox": ["1"]}, "safe_search": ["bing"]}

    def cautions(self, decrypt: Any, *modes: Any) -> list[str]:
        """Give the settings that the plugin warns of."""
        plugin = self.started(self.RULE, **self.MORE).plugin
        around = Surroundings(decrypt, tuple(Listener(f"192.0.2.1:{mode}", mode) for mode in modes))
        return [str(one.key[0]) for one in plugin.review(around)]

    def test_forward(self) -> None:
        """Whatever is done to https is a caution where nothing is decrypted."""
        self.assertEqual(self.cautions("none", "forward"), ["tenants", "safe_search", "rule"])
        self.assertEqual(self.cautions("rules", "forward"), [])
        self.assertEqual(self.cautions("all", "forward"), [])

    def test_sites(self) -> None:
        """With sites, whose TLS ends here, rules may be about those; without a forward proxy all are."""
        self.assertEqual(self.cautions("none", "forward", "reverse"), ["tenants", "safe_search"])
        self.assertEqual(self.cautions("none", "reverse"), [])

    def test_nothing_set(self) -> None:
        """Without settings there is nothing to say."""
        self.assertEqual(self.started().cautions, [])


class RequestTests(HeadersTestCase):
    """Fields of requests."""

    def test_set(self) -> None:
        """A field that is set replaces all that the client sent of its name, in any case."""
        gateway = self.started({"set": {"X-Team": "blue"}})
        found = self.sent(
            gateway, "http://a.example/", [("x-team", "red"), ("X-TEAM", "green"), ("X-Other", "1")]
        )
        self.assertEqual((found.all("x-team"), found.all("x-other")), ([b"blue"], [b"1"]))

    def test_add_and_remove(self) -> None:
        """A field that is added stands beside the others; one that is removed is gone; removing comes first."""
        gateway = self.started({"remove": ["Cookie", "X-A"], "add": {"X-A": "2", "X-B": "2"}})
        found = self.sent(gateway, "http://a.example/", {"cookie": "c", "X-A": "1", "X-B": "1"})
        self.assertEqual(
            (found.all("cookie"), found.all("x-a"), found.all("x-b")), ([], [b"2"], [b"1", b"2"])
        )

    def test_order(self) -> None:
        """All rules that match are applied, in their order."""
        gateway = self.started(
            {"set": {"X-A": "1"}},
            {"set": {"X-A": "2"}},
            {"remove": ["X-A"], "hosts": ["b.example"]},
        )
        self.assertEqual(self.sent(gateway, "http://a.example/").all("x-a"), [b"2"])
        self.assertEqual(self.sent(gateway, "http://b.example/").all("x-a"), [])

    def test_hosts(self) -> None:
        """A rule is for its hosts, on label boundaries, however they are written."""
        gateway = self.started({"hosts": [".a.example", "b.example"], "set": {"X-A": "1"}})
        for url, expected in (
            ("http://a.example/", [b"1"]),
            ("http://A.Example.:80/", [b"1"]),
            ("http://x.y.a.example/", [b"1"]),
            ("http://ba.example/", []),
            ("http://b.example/", [b"1"]),
            ("http://x.b.example/", []),
        ):
            self.assertEqual(self.sent(gateway, url).all("x-a"), expected, url)

    def test_paths_and_methods(self) -> None:
        """A rule is for its path and what is below, and for its methods."""
        gateway = self.started({"path": "/api/", "methods": ["POST", "PUT"], "set": {"X-A": "1"}})
        for method, path, expected in (
            ("POST", "/api", [b"1"]),
            ("PUT", "/api?x", [b"1"]),
            ("POST", "/api/x", [b"1"]),
            ("POST", "/apis", []),
            ("POST", "/", []),
            ("GET", "/api", []),
        ):
            found = self.sent(gateway, f"http://a.example{path}", method=method)
            self.assertEqual(found.all("x-a"), expected, (method, path))

    def test_reverse(self) -> None:
        """So it is for the requests of a site."""
        gateway = self.started({"hosts": ["a.example"], "set": {"X-A": "1"}}, mode="reverse")
        self.assertEqual(self.sent(gateway, "http://a.example/", {"X-A": "2"}).all("x-a"), [b"1"])

    def test_kept_connections(self) -> None:
        """Each request on a connection is changed on its own."""
        gateway = self.started({"path": "/a", "set": {"X-A": "1"}})
        client = gateway.client()
        for path in (b"/a", b"/b", b"/a"):
            client.send(request(b"http://a.example" + path, b"X-A: 2"))
        gateway.settle()
        self.assertEqual(
            [found.all("x-a") for found in gateway.origin.requests], [[b"1"], [b"2"], [b"1"]]
        )

    def test_tunnels(self) -> None:
        """A tunnel passes as it is."""
        gateway = self.started({"set": {"X-A": "1"}})
        gateway.origin["a.example:443"] = lambda data: data
        seen = self.successResultOf(gateway.connect("a.example:443", content=b"hello"))
        self.assertEqual((seen.status, seen.content), (200, b"hello"))


class ResponseTests(HeadersTestCase):
    """Fields of responses."""

    def test_all(self) -> None:
        """They are set, added and removed for what was asked; the request stays as it was."""
        gateway = self.started(
            {
                "direction": "response",
                "hosts": ["a.example"],
                "remove": ["Server"],
                "set": {"X-Frame-Options": "DENY"},
                "add": {"Vary": "Origin"},
            }
        )
        fields = [("Server", "x"), ("x-frame-options", "ALLOWALL"), ("Vary", "Accept")]
        for host in ("a.example", "b.example"):
            gateway.origin[f"http://{host}/"] = Response(200, Fields.of(fields), b"hello")
        seen = self.successResultOf(gateway.get("http://a.example/"))
        self.assertNotIn("Server", seen.fields)
        self.assertEqual(seen.fields.get_all("X-Frame-Options"), ["DENY"])
        self.assertEqual(seen.fields.get_all("Vary"), ["Accept", "Origin"])
        self.assertEqual((seen.content, gateway.origin.request.all("vary")), (b"hello", []))
        other = self.successResultOf(gateway.get("http://b.example/"))
        self.assertEqual(other.fields.get("Server"), "x")


class RefusalTests(HeadersTestCase):
    """What no rule may do; all of it is found when the settings are read."""

    def test_owned(self) -> None:
        """Framing, hop-by-hop fields, Host, Via and their like can be neither written nor removed."""
        for name in (
            "Content-Length",
            "transfer-encoding",
            "CONNECTION",
            "Keep-Alive",
            "Proxy-Connection",
            "TE",
            "Trailer",
            "Upgrade",
            "Host",
            "Via",
            "Expect",
            "Proxy-Authorization",
            "Proxy-Authenticate",
            "X-Forwarded-For",
            "Forwarded",
            "X-Request-Id",
        ):
            for rule in ({"set": {name: "1"}}, {"add": {name: "1"}}, {"remove": [name]}):
                found = self.faults(rule)
                self.assertIn("plugins.headers.rule[0]", found)
                self.assertIn(name, found)

    def test_injection(self) -> None:
        """No name and no value can hold a line end or another control character."""
        for name, value in (
            ("X-A", "1\r\nX-B: 2"),
            ("X-A", "1\n"),
            ("X-A", "\x00"),
            ("X-A\r\nX-B", "1"),
            ("X-A: 1\r\nX-B", "1"),
            ("X A", "1"),
            ("", "1"),
            ("X-Ä", "1"),
            ("X-A", "\u20ac"),
        ):
            for rule in ({"set": {name: value}}, {"add": {name: value}}):
                self.assertIn("plugins.headers.rule[0]", self.faults(rule))
        for name in ("X A", "X-A:", "", "X\nA"):
            self.assertIn("plugins.headers.rule[0].remove[0]", self.faults({"remove": [name]}))

    def test_nonsense(self) -> None:
        """A rule that does nothing, or never could, is refused."""
        self.assertIn("does nothing", self.faults({"hosts": ["a.example"]}))
        self.assertIn("CONNECT", self.faults({"methods": ["CONNECT"], "set": {"X-A": "1"}}))
        self.assertIn("not a method", self.faults({"methods": ["GET POST"], "set": {"X-A": "1"}}))
        self.assertIn("not a path", self.faults({"path": "api", "set": {"X-A": "1"}}))
        self.assertIn("not a path", self.faults({"path": "/api?x", "set": {"X-A": "1"}}))
        self.assertIn(
            'did you mean "request"', self.faults({"direction": "requests", "set": {"X-A": "1"}})
        )
        self.assertIn('did you mean "set"', self.faults({"sets": {"X-A": "1"}, "remove": ["X-B"]}))

    def test_entry_point(self) -> None:
        """The package names its plugin, which keeps the rules of plugins."""
        self.assertIs(plugin, Headers)
        self.assertEqual(list(check_plugin(Headers, HeadersSettings())), [])
