"""
The rules beside hishel's, where both claim the same one.

It claims RFC 9111 sections 3, 3.1, 4.1 and 4.2.1 for well-formed fields. Where ours is stricter by intent the reason is
named here; laxer it never is.
"""

from __future__ import annotations

from uuid import uuid4

from hishel import CacheMiss, CacheOptions, Entry, Headers, StoreAndUse
from hishel import Request as TheirRequest
from hishel import Response as TheirResponse
from hishel._core._spec import (
    exclude_unstorable_headers,
    get_freshness_lifetime,
    vary_headers_match,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway_cache.freshness import control_of, lifetime_of
from gateway_cache.messages import Answer, Asked
from gateway_cache.storable import NotStorable, storable
from gateway_cache.tests.rules import NOW, POLICY, at
from gateway_cache.vary import selecting_names, variant_of

URL = "https://www.example.com/path"
SHARED = CacheOptions(shared=True, supported_methods=["GET"], allow_stale=False)

#: Why we don't store what RFC 9111 section 3 would allow.
STRICTER = frozenset(
    (
        "status",
        "cookie",
        "vary",
        "stale at once",
        "the request says no-store",
        "a field that it needs is not to be stored",
    )
)

DIRECTIVES = st.lists(
    st.sampled_from(
        [
            "max-age=60",
            "s-maxage=90",
            "no-store",
            "no-cache",
            "private",
            "public",
            "must-revalidate",
            "proxy-revalidate",
            'private="x-user"',
            'no-cache="x-user"',
            "immutable",
        ]
    ),
    unique_by=lambda directive: directive.partition("=")[0],
    max_size=4,
)
FIELDS = st.dictionaries(
    st.sampled_from(["expires", "etag", "vary", "x-user", "last-modified", "proxy-authenticate"]),
    st.just(""),
    max_size=4,
)
VALUES = {
    "expires": at(30),
    "etag": '"a"',
    "vary": "foo",
    "x-user": "u",
    "last-modified": at(-60),
    "proxy-authenticate": "Basic",
}


def fields_of(directives: list[str], names: dict[str, str]) -> dict[str, str]:
    """Make the fields of a response."""
    fields = {name: VALUES[name] for name in names}
    fields["date"] = at(0)
    if directives:
        fields["cache-control"] = ", ".join(directives)
    return fields


def head_of(fields: dict[str, str]) -> list[bytes]:
    """Make field lines."""
    return [f"{name}: {value}".encode() for name, value in fields.items()]


class OracleTests(SynchronousTestCase):
    @settings(derandomize=True, deadline=None)
    @given(
        DIRECTIVES,
        FIELDS,
        st.sampled_from(["GET", "HEAD", "POST", "PUT"]),
        st.booleans(),
        st.sampled_from([200, 204, 206, 301, 302, 304, 403, 404, 410, 500, 503]),
    )
    def test_storing(
        self,
        directives: list[str],
        names: dict[str, str],
        method: str,
        authorized: bool,
        status: int,
    ) -> None:
        """We store nothing that it doesn't, and what it does but for the reasons named (section 3)."""
        fields = fields_of(directives, names)
        sent = {"authorization": "Basic eDp5"} if authorized else {}
        theirs = CacheMiss(
            request=TheirRequest(method=method, url=URL, headers=Headers(dict(sent))),
            options=SHARED,
        ).next(TheirResponse(status_code=status, headers=Headers(dict(fields))))
        ours = storable(
            Asked(method.encode(), head_of(sent)),
            Answer(status, head_of(fields)),
            POLICY,
            requested=NOW,
            received=NOW,
        )
        if isinstance(theirs, StoreAndUse):
            if isinstance(ours, NotStorable):
                self.assertIn(ours.why, STRICTER)
            else:
                kept = {line.partition(b":")[0].decode() for line in ours.lines}
                clean = exclude_unstorable_headers(
                    TheirResponse(status_code=status, headers=Headers(dict(fields))), True
                )
                self.assertEqual(kept, set(clean.headers))
        else:
            self.assertIsInstance(ours, NotStorable)

    @settings(derandomize=True, deadline=None)
    @given(DIRECTIVES, FIELDS)
    def test_lifetime(self, directives: list[str], names: dict[str, str]) -> None:
        """Lifetimes that the origin gives are the same (section 4.2.1)."""
        fields = fields_of(directives, names)
        message = Answer(200, head_of(fields))
        control, _ = control_of(message, POLICY)
        lifetime, source = lifetime_of(200, message, control, NOW, POLICY)
        if source == "none":
            return
        theirs = get_freshness_lifetime(
            TheirResponse(status_code=200, headers=Headers(dict(fields))), True
        )
        self.assertEqual(lifetime, theirs)

    @settings(derandomize=True, deadline=None)
    @given(
        st.lists(st.sampled_from(["foo", "bar", "*"]), min_size=1, max_size=2),
        st.dictionaries(st.sampled_from(["foo", "bar", "baz"]), st.sampled_from(["1", "2"])),
        st.dictionaries(st.sampled_from(["foo", "bar", "baz"]), st.sampled_from(["1", "2"])),
    )
    def test_vary(self, vary: list[str], before: dict[str, str], now: dict[str, str]) -> None:
        """The same requests match (section 4.1)."""
        value = ", ".join(vary)
        entry = Entry(
            id=uuid4(),
            request=TheirRequest(method="GET", url=URL, headers=Headers(dict(before))),
            response=TheirResponse(status_code=200, headers=Headers({"vary": value})),
        )
        asking = TheirRequest(method="GET", url=URL, headers=Headers(dict(now)))
        names = selecting_names([value.encode()], POLICY)
        ours = names is not None and variant_of(
            names, Asked(b"GET", head_of(before))
        ) == variant_of(names, Asked(b"GET", head_of(now)))
        self.assertEqual(ours, vary_headers_match(asking, entry))
