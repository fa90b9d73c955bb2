"""Tests of built-in pages."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.api.content import Side
from gateway.api.messages import Response
from gateway.pipeline.judged import Judged
from gateway.pipeline.page_texts import TEXTS
from gateway.pipeline.pages import page
from tests.unit.pipeline.builders import transaction

ROOT = Path(__file__).parents[3]

#: What the core names somewhere.
NAMES = [
    "auth_unavailable",
    "bad_request",
    "too_large_head",
    "uri_too_long",
    "not_allowed",
    "forbidden_destination",
    "port_not_allowed",
    "loop",
    "misdirected",
    "method_not_allowed",
    "expectation_failed",
    "not_implemented",
    "version",
    "request_timeout",
    "upload_limit",
    "name_not_found",
    "name_timeout",
    "name_error",
    "refused",
    "unreachable",
    "connect_timeout",
    "upstream_timeout",
    "upstream_closed",
    "upstream_protocol",
    "upstream_error",
    "overloaded",
    "draining",
    "plugin_error",
    "scan_infected",
    "scan_refused",
    "scan_forbidden",
    "scan_failed",
    "scan_capacity",
    "progress_over",
    "progress_unknown",
    "blocked",
    "gateway_error",
    "error",
    "authenticate",
    "no_origin",
    "ambiguous_path",
    "bad_scheme",
    "bad_target",
    "no_site",
    "not_a_proxy_request",
    "parent_refused",
    "tls_not_verified",
    "tls_revoked",
    "tls_self_signed",
    "tls_unknown_root",
    "tls_incomplete_chain",
    "tls_bad_signature",
    "tls_path_length",
    "tls_key_usage",
    "tls_name_constraints",
    "tls_bad_certificate",
    "tls_wrong_host",
    "tls_expired",
    "tls_not_yet_valid",
    "tls_weak_signature",
    "tls_weak_key",
    "tls_revocation_unknown",
    "tls_version",
    "tls_no_shared_cipher",
    "tls_client",
    "tls_client_certificate",
    "tls_alert",
    "tls_http2_only",
    "tls_not_tls",
    "tls_closed",
    "tls_timeout",
    "tls_bad_handshake",
]

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


class Outline(HTMLParser):
    """What an HTML page holds: its tags with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Fail if a tag is not closed in its turn."""
        if self.open.pop() != tag:
            raise AssertionError(f"{tag} closes out of turn")

    def handle_data(self, data: str) -> None:
        """Note text."""
        self.text += data


def outline(response: Response) -> Outline:
    """Read an HTML page."""
    return Outline(response.content.decode())


def problem(response: Response) -> dict[str, Any]:
    """Read a problem."""
    read: dict[str, Any] = json.loads(response.content)
    return read


class TextTests(SynchronousTestCase):
    """The words."""

    def test_every_name(self) -> None:
        """Each name the core uses has words, and no words are left over."""
        self.assertEqual(set(TEXTS), set(NAMES))

    def test_every_name_in_the_source(self) -> None:
        """No part of the gateway names a page that has no words."""
        for source in (ROOT / "gateway").rglob("*.py"):
            for name in re.findall(r"""\bpage\s*=\s*"([a-z_]+)\"""", source.read_text()):
                self.assertIn(name, TEXTS, source)

    def test_words(self) -> None:
        """Each has a title, what happened and what to do, in whole sentences."""
        for name, text in TEXTS.items():
            with self.subTest(page=name):
                self.assertTrue(text.title and not text.title.endswith("."))
                self.assertTrue(text.what.endswith(".") and text.do.endswith("."))
                self.assertEqual(re.findall(r"\{(?!host\})", text.title + text.what + text.do), [])


class HtmlPageTests(SynchronousTestCase):
    """Pages for people."""

    def test_accessible(self) -> None:
        """Every page says its language and title, fits small screens and closes what it opens."""
        for name in TEXTS:
            made = outline(page(name, 503, transaction()))
            tags = dict(made.tags)
            with self.subTest(page=name):
                self.assertEqual(made.open, [])
                self.assertEqual(tags["html"], {"lang": "en"})
                self.assertIn(
                    (
                        "meta",
                        {"name": "viewport", "content": "width=device-width, initial-scale=1"},
                    ),
                    made.tags,
                )
                self.assertEqual([tag for tag, _ in made.tags].count("h1"), 1)
                self.assertIn(TEXTS[name].title, made.text)
                self.assertIn(TEXTS[name].do, made.text)

    def test_alone(self) -> None:
        """A page needs nothing from elsewhere and runs nothing."""
        made = page("blocked", 403, transaction(), "listed")
        for tag, attributes in outline(made).tags:
            self.assertNotIn(tag, ("script", "link", "img", "iframe", "object", "form"))
            self.assertFalse({"src", "href", "style"} & set(attributes))
        self.assertNotIn(b"url(", made.content)
        self.assertIn("default-src 'none'", made.fields.get("Content-Security-Policy") or "")

    def test_fields(self) -> None:
        """A page is typed, never stored, and names the request; framing is left to the serialiser."""
        made = page("blocked", 403, transaction())
        self.assertEqual(made.status, 403)
        self.assertEqual(made.fields.get("Content-Type"), "text/html; charset=utf-8")
        self.assertEqual(made.fields.get("Cache-Control"), "no-store")
        self.assertEqual(made.fields.get("X-Request-Id"), "7f3a-1")
        self.assertNotIn("Content-Length", made.fields)
        self.assertNotIn("Retry-After", made.fields)
        self.assertIn("7f3a-1", outline(made).text)

    def test_retry_after(self) -> None:
        """It says when to come back, if that is known."""
        self.assertEqual(
            page("overloaded", 503, None, retry_after=5).fields.get("Retry-After"), "5"
        )

    def test_independent(self) -> None:
        """Fields of one page can be changed without changing another's."""
        page("blocked", 403, None).fields.add("X-Test", "1")
        self.assertNotIn("X-Test", page("blocked", 403, None).fields)

    def test_without_a_transaction(self) -> None:
        """A page can be made when no request could be made out."""
        made = page("bad_request", 400, None, "two lengths")
        self.assertIn("two lengths", outline(made).text)
        self.assertNotIn("X-Request-Id", made.fields)
        self.assertIn("the site", outline(page("refused", 502, None)).text)

    def test_host(self) -> None:
        """A page names the host that was asked for."""
        made = page("name_not_found", 502, transaction(host="nowhere.example.com"))
        self.assertIn("no site of the name nowhere.example.com", outline(made).text)

    def test_markup_does_not_inject(self) -> None:
        """Markup in what came from a client is shown, never obeyed."""
        evil = "<script>alert('1')</script>\"&"
        plain = [tag for tag, _ in outline(page("blocked", 403, transaction(), "x")).tags]
        made = page("blocked", 403, transaction(host=evil, target=b"/" + evil.encode()), evil)
        self.assertEqual([tag for tag, _ in outline(made).tags], plain)
        self.assertIn(evil, outline(made).text)
        self.assertNotIn(b"<script", made.content)

    def test_query_is_not_shown(self) -> None:
        """The address is shown without its query, which may hold secrets."""
        made = page("blocked", 403, transaction(target=b"/a?token=secret"))
        self.assertIn("http://www.example.com/a", outline(made).text)
        self.assertNotIn(b"secret", made.content)

    def test_long_things_are_cut(self) -> None:
        """A page stays small whatever was sent."""
        made = page("blocked", 403, transaction(target=b"/" + b"a" * 8000), "b" * 8000)
        self.assertLess(len(made.content), 4000)

    def test_nothing_from_behind(self) -> None:
        """What is behind the gateway is not named on pages of its failures."""
        for name in (
            "refused",
            "upstream_error",
            "plugin_error",
            "gateway_error",
            "forbidden_destination",
            "no_origin",
        ):
            made = page(name, 502, transaction(), "10.1.2.3:8000 said no")
            self.assertNotIn(b"10.1.2.3", made.content, name)

    def test_reasons_that_help(self) -> None:
        """The reason is shown where it is the client's own business: the upload's limit and setting, say."""
        made = page(
            "upload_limit", 413, transaction(), "The limit is 2GiB (setting limits.upload)."
        )
        self.assertIn("The limit is 2GiB (setting limits.upload).", outline(made).text)
        self.assertIn("limits.upload", TEXTS["upload_limit"].do)

    def test_unknown_names(self) -> None:
        """A name without words gets general ones: a refusal with its reason, a failure without."""
        refused = outline(page("guest_page", 403, transaction(), "guests only"))
        self.assertIn("Request refused", refused.text)
        self.assertIn("guests only", refused.text)
        self.assertNotIn("secret", outline(page("other", 500, transaction(), "secret")).text)

    def test_unknown_status(self) -> None:
        """A status without a phrase is shown as a number."""
        self.assertIn("499", outline(page("blocked", 499, transaction())).text)


class ScanPageTests(SynchronousTestCase):
    """Pages about content that was scanned."""

    def judged(self, **more: Any) -> Judged:
        """Make what a scan said."""
        said: dict[str, Any] = {
            "token": "infected",
            "why": "malware was found: EICAR in a.zip/b.exe",
            "name": "EICAR",
            "engine": "clamd",
            "patterns": "1.4/27800",
            "member": "a.zip/b.exe",
            **more,
        }
        return Judged(Side.RESPONSE, action="block", **said)

    def test_who_says_what_of_what(self) -> None:
        """A page says what was found, in what, and who found it with which patterns."""
        made = page("scan_infected", 403, transaction(), judged=self.judged())
        self.assertIn(
            "<dt>Reason</dt><dd>infected</dd><dt>Found</dt><dd>EICAR</dd><dt>Found in</dt><dd>a.zip/b.exe</dd>"
            "<dt>Found by</dt><dd>clamd</dd><dt>With patterns</dt><dd>1.4/27800</dd>",
            made.content.decode(),
        )
        self.assertNotIn("Found at", outline(made).text)
        told = problem(
            page("scan_infected", 403, None, "", "application/json", None, self.judged())
        )
        self.assertEqual(
            told["scan"],
            {
                "reason": "infected",
                "found": "EICAR",
                "member": "a.zip/b.exe",
                "engine": "clamd",
                "patterns": "1.4/27800",
            },
        )

    def test_what_is_not_known(self) -> None:
        """What is not known is not shown; without a scan there is nothing of it."""
        judged = self.judged(token="limit:depth", name="", engine="", patterns="", member="")
        told = problem(page("scan_refused", 403, None, "", "application/json", None, judged))
        self.assertEqual(told["scan"], {"reason": "limit:depth"})
        self.assertIn("fewer layers", told["advice"])
        self.assertNotIn("scan", problem(page("scan_refused", 403, None, "", "application/json")))

    def test_found_before(self) -> None:
        """What was found before is said to have been, and when."""
        judged = self.judged(found=1_800_000_000.5)
        made = outline(page("scan_infected", 403, transaction(), judged=judged))
        self.assertIn("found here before", made.text)
        self.assertIn("2027-01-15T08:00:00+00:00", made.text)

    def test_strangers(self) -> None:
        """Who comes from outside to a server is not told which versions it runs."""
        made = page("scan_infected", 403, transaction(mode="reverse"), judged=self.judged())
        self.assertNotIn(b"27800", made.content)
        self.assertIn(b"clamd", made.content)

    def test_names_of_members(self) -> None:
        """The name of a member, which its sender chose, is shown and never obeyed, and takes no room."""
        evil = '<script>x</script>"&\N{RIGHT-TO-LEFT OVERRIDE}exe.txt\n' + "a" * 5000
        judged = self.judged(member=evil, why=evil)
        plain = page("scan_infected", 403, transaction(), "x", judged=self.judged())
        made = page("scan_infected", 403, transaction(), evil, judged=judged)
        tags = [tag for tag, _ in outline(plain).tags]
        self.assertEqual([tag for tag, _ in outline(made).tags], tags)
        self.assertNotIn(b"<script", made.content)
        self.assertNotIn("\N{RIGHT-TO-LEFT OVERRIDE}", made.content.decode())
        self.assertIn("\\u202eexe.txt\\naaa", outline(made).text)
        self.assertLess(len(made.content), 5000)


class ProblemTests(SynchronousTestCase):
    """Pages for programs (RFC 9457)."""

    def test_problem(self) -> None:
        """A problem has the status, its phrase, the reason, the page's name and the request's id."""
        made = page("upload_limit", 413, transaction(), "The limit is 2GiB.", "application/json")
        self.assertEqual(made.fields.get("Content-Type"), "application/problem+json")
        self.assertEqual(made.fields.get("X-Request-Id"), "7f3a-1")
        self.assertEqual(made.fields.get("Cache-Control"), "no-store")
        self.assertEqual(
            problem(made),
            {
                "title": "Content Too Large",
                "status": 413,
                "detail": "The limit is 2GiB.",
                "code": "upload_limit",
                "advice": TEXTS["upload_limit"].do,
                "request_id": "7f3a-1",
            },
        )

    def test_without_reason_or_transaction(self) -> None:
        """Without a reason the words say what happened; without a phrase the title is the page's."""
        made = problem(page("refused", 502, None, "10.1.2.3", "application/problem+json"))
        self.assertEqual(made["detail"], "The server of the site refused the connection.")
        self.assertNotIn("request_id", made)
        self.assertEqual(
            problem(page("blocked", 499, None, "", "application/json"))["title"], "Blocked"
        )

    def test_who_gets_it(self) -> None:
        """JSON goes to those who would rather have it, HTML to everybody else."""
        for accept, is_json in (
            ("", False),
            ("*/*", False),
            (BROWSER, False),
            ("application/json", True),
            ("application/problem+json", True),
            ("application/json, text/plain, */*", True),
            ("text/html, application/json", False),
            ("text/html;q=0.5, application/json;q=0.9", True),
            ("application/json;q=0.5, text/html", False),
            ("application/json;charset=utf-8;q=0.8, text/html;level=1;q=0.2", True),
            ("application/json;q=0", False),
            ("application/json;q=high", False),
            ("APPLICATION/JSON", True),
            ("application/xhtml+xml, application/json", False),
            ("image/*", False),
            ("application/vnd.api+json", False),
        ):
            made = page("blocked", 403, None, "", accept)
            with self.subTest(accept=accept):
                self.assertEqual(
                    made.fields.get("Content-Type") == "application/problem+json", is_json
                )
