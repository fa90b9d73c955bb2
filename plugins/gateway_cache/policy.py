"""
What an operator may decide about the rules of the cache; all else is as RFC 9111 has it.

A cache that several people use is always a shared one: there is no setting for that. Policies are compared by identity,
so that what was worked out under one is known to be of that one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

#: Request fields that some origins take for the method or the target, though neither is in the key: an answer to such a
#: request could be anybody's poison, so it isn't stored.
UNKEYED = frozenset(
    (
        b"x-host",
        b"x-http-method",
        b"x-http-method-override",
        b"x-method-override",
        b"x-original-host",
        b"x-original-url",
        b"x-rewrite-url",
    )
)

#: Request fields that the gateway writes itself on the way: what a client sent in them says nothing of what the origin
#: chose by, so a response that varies by one of them matches no request.
REWRITTEN = frozenset(
    ("connection", "forwarded", "te", "via", "x-forwarded-for", "x-real-ip", "x-request-id")
)

#: Fields that name what a response can be purged by, with what stands between two names.
TAG_FIELDS = ((b"surrogate-key", b" "), (b"cache-tag", b","))


@dataclass(frozen=True, slots=True)
class KeyRules:
    """
    How the key of a site differs from the target URI.

    @ivar ignore: names of query parameters that are left out, as they stand in the query (percent-encoded or not).
    @ivar ignore_prefixes: likewise all names that begin so, such as C{b"utm_"}.
    @ivar sort: parameters count whatever their order.
    @ivar cookies: names of cookies that tell variants apart, each together with its absence.
    """

    ignore: frozenset[bytes] = frozenset()
    ignore_prefixes: tuple[bytes, ...] = ()
    sort: bool = False
    cookies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """
    The knobs. Times are in seconds.

    @ivar heuristic: guess how long a response is fresh that does not say so (RFC 9111 section 4.2.2).
    @ivar heuristic_fraction: of the time since it was last modified.
    @ivar heuristic_most: the most that is guessed.
    @ivar default_ttl: how long a response is fresh that does not say so and of which nothing can be guessed; only where
        heuristics were allowed. 0: it is stale.
    @ivar negative_ttl: likewise of an error (404, 405, 410, 414, 501), in place of both.
    @ivar stale_if_error: how long past its freshness a response takes the place of an error where it says nothing of
        that; 0: not at all (RFC 9111 section 4.2.4).
    @ivar stale_most: the longest that anything is used past its freshness, whatever it or a client says.
    @ivar stale_with_s_maxage: C{stale-while-revalidate} and C{stale-if-error} hold beside C{s-maxage} too, which by the
        letter forbids it (RFC 9111 section 5.2.2.10).
    @ivar obey_reload: a client may demand validation (C{no-cache}, C{max-age}, C{min-fresh}, C{Pragma}).
    @ivar targeted: names of the targeted fields that are for this cache, the most important first, in lower case
        (RFC 9213); none in forward mode.
    @ivar raw_targeted: the same as bytes.
    @ivar cookies: when a response that sets a cookie is stored, or one to a request with a cookie that does not say how
        long it is fresh: C{"explicit"}: with C{max-age}, C{s-maxage} or C{public}; C{"public"}: with C{public} or
        C{s-maxage}; C{"never"}.
    @ivar post: a response to POST may be stored for later GETs (RFC 9110 section 9.3.3).
    @ivar parts: 206 responses may be stored, as parts.
    @ivar select_language: the stored variant in the language that a client prefers to all others is taken for it, though
        it was stored for a request that said it in other words.
    @ivar unkeyed: names of request fields that keep the response from being stored, in lower case.
    @ivar rewritten: names of request fields that the gateway changes, in lower case.
    @ivar tag_fields: name and separator of the fields with tags.
    @ivar keys: how the key is made.
    @ivar name: what C{Cache-Status} calls this cache (RFC 9211), a token; empty: there is no such field.
    """

    heuristic: bool = False
    heuristic_fraction: float = 0.1
    heuristic_most: float = 86_400.0
    default_ttl: float = 0.0
    negative_ttl: float = 0.0
    stale_if_error: float = 0.0
    stale_most: float = 7 * 86_400.0
    stale_with_s_maxage: bool = False
    obey_reload: bool = True
    targeted: tuple[str, ...] = ()
    cookies: Literal["explicit", "public", "never"] = "explicit"
    post: bool = True
    parts: bool = True
    select_language: bool = True
    unkeyed: frozenset[bytes] = UNKEYED
    rewritten: frozenset[str] = REWRITTEN
    tag_fields: tuple[tuple[bytes, bytes], ...] = TAG_FIELDS
    keys: KeyRules = KeyRules()
    name: str = "gateway"
    raw_targeted: tuple[bytes, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Spell what is looked for as it is on the wire."""
        names = tuple(name.encode("latin-1") for name in self.targeted)
        object.__setattr__(self, "raw_targeted", names)
