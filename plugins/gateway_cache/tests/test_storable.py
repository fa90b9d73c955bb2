"""Tests of what may be stored."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway_cache.messages import Answer, Asked
from gateway_cache.policy import Policy
from gateway_cache.storable import NEVER, NotStorable, Storable, hopeless, storable
from gateway_cache.tests.rules import NOW, POLICY, TARGET, at, judged, lines, request, stored

FRESH = "Cache-Control: max-age=3600"


class StorableTests(SynchronousTestCase):
    def why(
        self,
        *fields: str,
        asked: Asked | None = None,
        status: int = 200,
        policy: Policy = POLICY,
    ) -> str:
        """Give why a response is not stored; empty if it is."""
        verdict = judged(*fields, asked=asked, status=status, policy=policy)
        return verdict.why if isinstance(verdict, NotStorable) else ""

    @given(
        st.lists(
            st.sampled_from(
                (
                    "no-store",
                    "No-Store",
                    " private ",
                    "private=x",
                    'private="a, no-store"',
                    "public",
                )
                + (
                    "max-age=9",
                    "must-understand",
                    "x=no-store",
                    "no-store=1",
                    '"',
                    "s-maxage=5",
                    "",
                )
            )
        ),
        st.sampled_from(("Cache-Control", "CACHE-CONTROL", "CDN-Cache-Control", "X-Cache-Control")),
        st.sampled_from((POLICY, Policy(targeted=("cdn-cache-control",)))),
    )
    def test_hopeless(self, directives: list[str], name: str, policy: Policy) -> None:
        """What is given up at a glance would be given up after a closer look, too; and the usual ones are seen."""
        for fields in (
            [f"{name}: {', '.join(directives)}"],
            [f"{name}: {directive}" for directive in directives],
            [f"X-Said: Cache-Control: {', '.join(directives)}", FRESH],
        ):
            if hopeless(lines(*fields), policy):
                self.assertNotEqual(self.why(*fields, policy=policy), "")
        two_lines = [b"Cache-Control: no-store, max-age=9", b"Cache-Control: must-understand"]
        self.assertEqual(hopeless(two_lines, policy), "")
        for said in ("no-store", "private, max-age=5", "max-age=0, no-cache, no-store"):
            self.assertNotEqual(hopeless([b"Cache-Control: " + said.encode()], policy), "")

    def test_methods(self) -> None:
        """Only what GET gave is stored, and not if it had content (RFC 9111 section 3)."""
        self.assertEqual(self.why(FRESH), "")
        for method in (b"HEAD", b"OPTIONS", b"PUT", b"M-SEARCH", b"get"):
            self.assertEqual(self.why(FRESH, asked=request(method=method)), "method")
        self.assertNotEqual(self.why(FRESH, asked=request("Content-Length: 3")), "")

    def test_post(self) -> None:
        """What POST gave is stored if it says how long it lasts and is what GET gives (RFC 9110 section 9.3.3)."""
        post = request("Content-Length: 5", method=b"POST")
        for location in (
            "/path?query=1",
            "https://www.example.com/path?query=1",
            "HTTPS://WWW.example.com:443/path?query=1#fragment",
        ):
            self.assertEqual(self.why(FRESH, f"Content-Location: {location}", asked=post), "")
        for location in ("/path?query=2", "/path", "http://www.example.com/path?query=1", ""):
            fields = (FRESH, f"Content-Location: {location}")
            expected = "" if location == "" else "method"
            self.assertEqual(self.why(*fields, asked=post), expected, location)
        same = "Content-Location: /path?query=1"
        self.assertEqual(self.why(FRESH, asked=post), "method")
        self.assertEqual(self.why('ETag: "a"', same, asked=post), "method")
        self.assertEqual(self.why(FRESH, same, asked=post, status=201), "method")
        self.assertEqual(self.why(FRESH, same, asked=post, policy=Policy(post=False)), "method")

    def test_statuses(self) -> None:
        """Any final status may be stored that says how long it lasts, but those of one request or one client."""
        for status in (200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 410, 499, 500, 503):
            self.assertEqual(self.why(FRESH, status=status), "", status)
        for status in (100, 103, 199, *NEVER):
            self.assertEqual(self.why(FRESH, status=status), "status", status)

    def test_must_understand(self) -> None:
        """C{must-understand} takes the place of C{no-store} where the status is known (section 5.2.2.3)."""
        fields = "Cache-Control: max-age=3600, no-store, must-understand"
        self.assertEqual(self.why(fields), "")
        self.assertNotEqual(self.why(fields, status=599), "")
        self.assertNotEqual(
            self.why("Cache-Control: max-age=3600, must-understand", status=599), ""
        )

    def test_forbidden(self) -> None:
        """What may not be stored is not (RFC 9111 sections 5.2.2.5, 5.2.2.7 and 5.2.1.5)."""
        for directives in ("no-store", "No-StOrE", "private", "private, public", 'a="b'):
            self.assertNotEqual(self.why(f"Cache-Control: max-age=9, {directives}"), "", directives)
        self.assertNotEqual(self.why(FRESH, asked=request("Cache-Control: no-store")), "")

    def test_nothing_allows(self) -> None:
        """Without a word of the origin only statuses that are heuristically cacheable are stored (section 3)."""
        for status in (200, 204, 301, 404, 410):
            self.assertEqual(self.why('ETag: "a"', status=status), "", status)
        for status in (201, 302, 403, 500, 503, 599):
            self.assertNotEqual(self.why('ETag: "a"', status=status), "", status)
            self.assertEqual(self.why('ETag: "a"', "Cache-Control: public", status=status), "")

    def test_authorization(self) -> None:
        """A user's response is stored only if the origin says that it is everybody's (section 3.5)."""
        asked = request("Authorization: Basic eDp5")
        self.assertEqual(self.why(FRESH, asked=asked), "authorization")
        self.assertEqual(self.why(f"Expires: {at(60)}", asked=asked), "authorization")
        wrong = "Cache-Control: s-maxage=x, max-age=60"
        self.assertEqual(self.why(wrong, 'ETag: "a"', asked=asked), "authorization")
        for directive in ("public", "must-revalidate", "s-maxage=60"):
            self.assertEqual(self.why(f"{FRESH}, {directive}", asked=asked), "", directive)

    def test_set_cookie(self) -> None:
        """What sets a cookie is stored if C{Cache-Control} says how long it lasts, or as the setting has it."""
        cookie = "Set-Cookie: a=b"
        self.assertEqual(self.why(FRESH, cookie), "")
        self.assertIn(b"Set-Cookie: a=b", stored(FRESH, cookie).lines)
        self.assertEqual(self.why(f"Expires: {at(60)}", cookie), "cookie")
        self.assertEqual(self.why('ETag: "a"', cookie), "cookie")
        self.assertEqual(self.why(FRESH, cookie, policy=Policy(cookies="public")), "cookie")
        public = "Cache-Control: public, max-age=9"
        self.assertEqual(self.why(public, cookie, policy=Policy(cookies="public")), "")
        self.assertEqual(self.why(public, cookie, policy=Policy(cookies="never")), "cookie")

    def test_cookie(self) -> None:
        """What was asked for with a cookie is nobody else's unless the origin says how long it lasts."""
        asked = request("Cookie: session=1")
        guessing = Policy(heuristic=True, default_ttl=60.0)
        self.assertEqual(self.why(FRESH, asked=asked), "")
        self.assertEqual(self.why(f"Expires: {at(60)}", asked=asked), "")
        self.assertEqual(self.why('ETag: "a"', asked=asked), "cookie")
        self.assertEqual(
            self.why(f"Last-Modified: {at(-60)}", asked=asked, policy=guessing), "cookie"
        )

    def test_unkeyed(self) -> None:
        """A field that some origins take for the target keeps the answer from being stored."""
        for field in ("X-HTTP-Method-Override: PUT", "x-original-url: /admin"):
            self.assertEqual(self.why(FRESH, asked=request(field)), "an unkeyed field")
        policy = Policy(unkeyed=frozenset((b"x-other",)))
        self.assertNotEqual(self.why(FRESH, asked=request("X-Other: 1"), policy=policy), "")
        self.assertEqual(self.why(FRESH, asked=request("X-Host: 1"), policy=policy), "")

    def test_useless(self) -> None:
        """What could never be used is not stored."""
        self.assertNotEqual(self.why(), "")
        self.assertNotEqual(self.why("Cache-Control: max-age=0"), "")
        self.assertNotEqual(self.why("Cache-Control: no-cache, max-age=60"), "")
        self.assertNotEqual(self.why(FRESH, "Age: 7200"), "")
        self.assertEqual(self.why("Cache-Control: max-age=0, stale-while-revalidate=9"), "")
        self.assertEqual(
            self.why("Cache-Control: max-age=0", policy=Policy(stale_if_error=9.0)), ""
        )
        for validator in ('ETag: "a"', f"Last-Modified: {at(-9)}"):
            self.assertEqual(self.why("Cache-Control: no-cache", validator), "")

    def test_vary(self) -> None:
        """What varies by everything, or by what the gateway changes, answers no request (section 4.1)."""
        for value in ("*", "*, *", ", *", "*, Foo", "Foo, *", "a b", "X-Forwarded-For", "Via"):
            self.assertEqual(self.why(FRESH, f"Vary: {value}"), "vary", value)
        self.assertEqual(self.why(FRESH, "Vary: ", "Vary: *"), "vary")

    def test_fields_left_out(self) -> None:
        """Fields of the connection and listed ones are not stored (sections 3.1, 5.2.2.4 and 5.2.2.7)."""
        head = stored(
            'Cache-Control: max-age=60, private="c", no-cache="D, e"',
            "Connection: keep-alive, a, B",
            *(f"{name}: 1" for name in "aBcdEf"),
            *(
                f"{name}: x"
                for name in (
                    "Keep-Alive",
                    "Proxy-Authenticate",
                    "Proxy-Authentication-Info",
                    "PROXY-authorization",
                    "Proxy-Connection",
                    "TE",
                    "Trailer",
                    "Transfer-Encoding",
                    "Upgrade",
                    "Content-Length",
                    "Age",
                )
            ),
            "Content-Range: ananananananana",
            "Test-Header: x",
            f"Date: {at(0)}",
        )
        self.assertEqual(
            head.lines,
            (
                b'Cache-Control: max-age=60, private="c", no-cache="D, e"',
                b"f: 1",
                b"Content-Range: ananananananana",
                b"Test-Header: x",
                f"Date: {at(0)}".encode(),
            ),
        )

    def test_needed_fields(self) -> None:
        """Who keeps a needed field from being stored, keeps the response from it."""
        for fields in (
            (FRESH, "Connection: Cache-Control"),
            ('Cache-Control: max-age=60, private="Vary"',),
            ('Cache-Control: max-age=60, no-cache="content-type"',),
        ):
            self.assertNotEqual(self.why(*fields), "", fields)
        targeted = Policy(targeted=("cdn-cache-control",))
        fields = ("CDN-Cache-Control: max-age=60", "Connection: cdn-cache-control")
        self.assertNotEqual(self.why(*fields, policy=targeted), "")

    def test_date(self) -> None:
        """A response without a date gets the time when it came (RFC 9110 section 6.6.1)."""
        self.assertEqual(stored(FRESH).lines[1:], (f"Date: {at(0)}".encode(),))

    def test_targeted(self) -> None:
        """A targeted field decides alone (RFC 9213 section 2.2)."""
        policy = Policy(targeted=("cdn-cache-control",))
        no_store = "Cache-Control: no-store"
        self.assertEqual(self.why(no_store, "CDN-Cache-Control: max-age=9", policy=policy), "")
        self.assertNotEqual(self.why(no_store, "CDN-Cache-Control: max-age=9"), "")
        self.assertNotEqual(self.why(FRESH, "CDN-Cache-Control: no-store", policy=policy), "")
        self.assertNotEqual(self.why(FRESH, "CDN-Cache-Control: private", policy=policy), "")
        self.assertNotEqual(self.why(no_store, "CDN-Cache-Control: a=&", policy=policy), "")

    def test_parts(self) -> None:
        """A 206 is stored as the part that it is, or not at all (RFC 9111 section 3.3)."""
        asked = request("Range: bytes=4-9")
        verdict = judged(FRESH, "Content-Range: bytes 4-9/10", asked=asked, status=206)
        assert isinstance(verdict, Storable)
        self.assertEqual((verdict.part, verdict.part_length), ((4, 10), 6))
        self.assertFalse(any(line.startswith(b"Content-Range") for line in verdict.lines))
        self.assertEqual(verdict.head(b"k", 206).part, (4, 10))
        unknown = judged(FRESH, "Content-Range: bytes 0-0/*", asked=asked, status=206)
        assert isinstance(unknown, Storable)
        self.assertEqual(unknown.part, (0, -1))
        for fields in (
            (),
            ("Content-Range: bytes 9-4/10",),
            ("Content-Range: bytes 4-10/10",),
            ("Content-Range: bytes */10",),
            ("Content-Range: items 4-9/10",),
            ("Content-Range: bytes 4-9/10", "Content-Range: bytes 4-9/10"),
            ("Content-Type: multipart/byteranges; boundary=a",),
        ):
            self.assertNotEqual(self.why(FRESH, *fields, asked=asked, status=206), "", fields)
        whole = (FRESH, "Content-Range: bytes 4-9/10")
        self.assertNotEqual(self.why(*whole, status=206), "")
        off = Policy(parts=False)
        self.assertEqual(self.why(*whole, asked=asked, status=206, policy=off), "partial")
        self.assertEqual(self.why(FRESH, asked=asked), "")

    def test_tags(self) -> None:
        """A response is stored with the names that it can be purged by."""
        head = stored(FRESH, "Surrogate-Key: a  b", "Cache-Tag: c, d e,a")
        self.assertEqual(head.tags, ("a", "b", "c", "d e"))
        other = Policy(tag_fields=((b"x-tags", b"|"),))
        self.assertEqual(
            stored(FRESH, "X-Tags: a|b", "Cache-Tag: c", policy=other).tags, ("a", "b")
        )

    @settings(derandomize=True, deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(
                    [
                        b"Cache-Control",
                        b"Expires",
                        b"Vary",
                        b"Connection",
                        b"Content-Range",
                        b"Content-Location",
                        b"CDN-Cache-Control",
                        b"Set-Cookie",
                        b"ETag",
                        b"Cache-Tag",
                    ]
                ),
                st.one_of(
                    st.binary(max_size=20),
                    st.sampled_from(
                        [
                            b"no-store",
                            b"private",
                            b"public",
                            b"max-age=60",
                            b"*",
                            b"s-maxage=9",
                            b"a",
                        ]
                    ),
                ),
            ),
            max_size=6,
        ),
        st.lists(
            st.sampled_from(
                [b"Authorization: x", b"Cookie: a=b", b"Cache-Control: no-store", b"Range: a", b":"]
            ),
            max_size=3,
        ),
        st.sampled_from([b"GET", b"POST", b"HEAD", b"PUT"]),
        st.sampled_from([100, 200, 204, 206, 302, 304, 404, 500, 599]),
        st.booleans(),
    )
    def test_any_bytes(
        self,
        fields: list[tuple[bytes, bytes]],
        asked: list[bytes],
        method: bytes,
        status: int,
        targeted: bool,
    ) -> None:
        """No bytes raise anything, and nothing is stored that section 3 forbids."""
        policy = Policy(targeted=("cdn-cache-control",) if targeted else (), heuristic=True)
        answer = Answer(status, [name + b": " + value for name, value in fields])
        verdict = storable(
            Asked(method, asked), answer, policy, requested=NOW, received=NOW, target=TARGET
        )
        if isinstance(verdict, NotStorable):
            return
        self.assertIn(method, (b"GET", b"POST"))
        self.assertNotIn(status, (100, 304))
        self.assertNotIn(b"Cache-Control: no-store", asked)
        said = [value for name, value in fields if name == b"Cache-Control"]
        if not targeted:
            self.assertNotIn(b"no-store", said)
            self.assertNotIn(b"private", said)
            if b"Authorization: x" in asked:
                self.assertTrue({b"public", b"s-maxage=9"} & set(said))
        self.assertNotIn((b"Vary", b"*"), fields)
        self.assertEqual(verdict.part is not None, status == 206)
        self.assertFalse(any(line.lower().startswith(b"connection") for line in verdict.lines))


class LinesTests(SynchronousTestCase):
    def test_usual_spelling(self) -> None:
        """The spelling of names stays as it was."""
        head = stored("cache-control: max-age=1", "SERVER: x", f"Date: {at(0)}")
        self.assertEqual(
            list(head.lines), lines("cache-control: max-age=1", "SERVER: x", f"Date: {at(0)}")
        )
