"""Tests of what is known of well-known services: tenant restrictions and safe search."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from gateway.api import Fields, Request
from gateway_headers.safe_search import safe_location
from gateway_headers.tests.test_headers import HeadersTestCase


class TenantTests(HeadersTestCase):
    """C{[plugins.headers.tenants]}."""

    def assertSets(self, tenants: dict[str, object], host: str, **expected: str) -> None:
        """A host's requests get these fields, whatever the client sent of them; others don't."""
        gateway = self.started(tenants=tenants)
        fields = {name.replace("_", "-"): value for name, value in expected.items()}
        found = self.sent(gateway, f"http://{host}/x", dict.fromkeys(fields, "evil"))
        for name, value in fields.items():
            self.assertEqual(found.all(name), [value.encode()], name)
        for other in (f"{host}.other.example", "other.example"):
            found = self.sent(gateway, f"http://{other}/x")
            for name in fields:
                self.assertEqual(found.all(name), [], (other, name))

    def test_google(self) -> None:
        """Google is told the domains, in all of its hosts."""
        for host in ("google.com", "accounts.google.com", "mail.google.com"):
            self.assertSets(
                {"google": ["example.com", "example.org"]},
                host,
                X_GoogApps_Allowed_Domains="example.com,example.org",
            )

    def test_microsoft(self) -> None:
        """Microsoft is told the tenants and who restricts, at its three places to log in."""
        tenants = {
            "microsoft": ["example.onmicrosoft.com", "example.com"],
            "microsoft_directory": "456ff232-35l2",
        }
        for host in ("login.microsoftonline.com", "login.microsoft.com", "login.windows.net"):
            self.assertSets(
                dict(tenants),
                host,
                Restrict_Access_To_Tenants="example.onmicrosoft.com,example.com",
                Restrict_Access_Context="456ff232-35l2",
            )
        self.assertSets(
            {"microsoft_consumer": "deny"},
            "login.live.com",
            Sec_Restrict_Tenant_Access_Policy="restrict-msa",
        )

    def test_others(self) -> None:
        """Slack, Dropbox and YouTube are told what they document."""
        self.assertSets(
            {"slack": ["T1", "E2"], "slack_requester": "E2"},
            "app.slack.com",
            X_Slack_Allowed_Workspaces="T1,E2",
            X_Slack_Allowed_Workspaces_Requester="E2",
        )
        self.assertSets(
            {"dropbox": ["12345"]}, "www.dropbox.com", X_Dropbox_Allowed_Team_Ids="12345"
        )
        self.assertSets({"youtube": "strict"}, "www.youtube.com", YouTube_Restrict="Strict")
        self.assertSets(
            {"youtube": "moderate"}, "youtubei.googleapis.com", YouTube_Restrict="Moderate"
        )

    def test_wins(self) -> None:
        """No rule of the operators' undoes a restriction."""
        gateway = self.started(
            {"set": {"YouTube-Restrict": "None"}},
            {"remove": ["YouTube-Restrict"]},
            tenants={"youtube": "strict"},
        )
        self.assertEqual(
            self.sent(gateway, "http://m.youtube.com/").all("youtube-restrict"), [b"Strict"]
        )

    def test_faults(self) -> None:
        """Half a restriction, or a value that would be two, is refused."""
        self.assertIn("belong together", self.faults(tenants={"microsoft": ["example.com"]}))
        self.assertIn("belong together", self.faults(tenants={"slack_requester": "E2"}))
        self.assertIn(
            "write several as an array", self.faults(tenants={"google": ["a.example,b.example"]})
        )
        self.assertIn("tenants", self.faults(tenants={"dropbox": ["1\r\nX: 2"]}))
        self.assertIn('did you mean "google"', self.faults(tenants={"gogle": ["a.example"]}))


class SafeSearchTests(HeadersTestCase):
    """C{safe_search}."""

    def test_redirect(self) -> None:
        """A search goes back to itself with the strict filter, and then passes."""
        gateway = self.started(safe_search=["google", "bing", "duckduckgo"])
        for url, expected in (
            (
                "http://www.google.com/search?q=a+b&hl=en",
                "http://www.google.com/search?q=a+b&hl=en&safe=active",
            ),
            ("http://google.co.uk/search?q=a", "http://google.co.uk/search?q=a&safe=active"),
            (
                "http://www.google.de/search?safe=off&q=a",
                "http://www.google.de/search?q=a&safe=active",
            ),
            (
                "http://www.google.com/search?s%61fe=off&q=a&SAFE=x",
                "http://www.google.com/search?q=a&safe=active",
            ),
            (
                "http://www.google.com/search?safe=active&q=a&safe=off",
                "http://www.google.com/search?q=a&safe=active",
            ),
            (
                "http://www.bing.com/images/search?q=a&adlt=off",
                "http://www.bing.com/images/search?q=a&adlt=strict",
            ),
            ("http://duckduckgo.com/?q=a&kp=-2", "http://duckduckgo.com/?q=a&kp=1"),
            ("http://html.duckduckgo.com/html/?q=a", "http://html.duckduckgo.com/html/?q=a&kp=1"),
        ):
            seen = self.successResultOf(gateway.get(url))
            self.assertEqual(
                (seen.status, seen.reached_origin, seen.fields.get("Location")),
                (302, False, expected),
            )
            self.assertEqual(seen.fields.get("Cache-Control"), "no-store")
            self.assertEqual(seen.notes, {"headers": "safe_search"})
            self.assertTrue(self.successResultOf(gateway.get(expected)).reached_origin, expected)

    def test_others_pass(self) -> None:
        """What is no search, is filtered already or is asked of others passes."""
        gateway = self.started(safe_search=["google"])
        for url in (
            "http://www.google.com/",
            "http://www.google.com/search",
            "http://www.google.com/search?hl=en",
            "http://www.google.com/maps?q=a",
            "http://www.google.com/search?q=a&safe=active",
            "http://www.google.com/search?q=a&safe=Active",
            "http://maps.google.com/search?q=a",
            "http://www.google.com.evil.example/search?q=a",
            "http://notgoogle.com/search?q=a",
            "http://www.bing.com/search?q=a",
        ):
            self.assertTrue(self.successResultOf(gateway.get(url)).reached_origin, url)

    def test_within_tls(self) -> None:
        """What was decrypted goes back by https, with its port."""
        for port, authority in ((443, "www.google.com"), (8443, "www.google.com:8443")):
            found = Request(
                b"GET",
                "https",
                "www.google.com",
                port,
                b"/search?q=%26safe%3Doff&oq=x",
                1,
                Fields(),
                0,
            )
            response = safe_location(("google",), found)
            assert response is not None
            parts = urlsplit(response.fields.get("Location") or "")
            self.assertEqual(
                (parts.scheme, parts.netloc, parts.path), ("https", authority, "/search")
            )
            self.assertEqual(
                parse_qsl(parts.query), [("q", "&safe=off"), ("oq", "x"), ("safe", "active")]
            )

    def test_other_methods(self) -> None:
        """Only what may be asked twice is sent back."""
        found = Request(b"POST", "https", "www.google.com", 443, b"/search?q=a", 1, Fields(), 0)
        self.assertIsNone(safe_location(("google",), found))
        gateway = self.started(safe_search=["google"])
        self.assertTrue(
            self.successResultOf(
                gateway.request("POST", "http://www.google.com/search?q=a")
            ).reached_origin
        )

    def test_other_engines(self) -> None:
        """Only the engines that are named are looked at; one that is not known is refused."""
        found = Request(b"GET", "http", "www.bing.com", 80, b"/search?q=a", 1, Fields(), 0)
        self.assertIsNone(safe_location(("google",), found))
        self.assertIsNotNone(safe_location(("google", "bing"), found))
        self.assertIn("did you mean", self.faults(safe_search=["gogle"]))
