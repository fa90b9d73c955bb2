"""
C{[plugins.cache]}: what can be set, and what rules for the requests of each mode and site follow from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from gateway.api.settings import (
    BadValue,
    Duration,
    DurationKind,
    FilePath,
    Help,
    Hosts,
    HostSet,
    Size,
    TextKind,
)
from gateway_cache.policy import KeyRules, Policy

_NEVER = DurationKind(zero="never")


def _token(text: str) -> str:
    """
    Check the name of a field or of a cookie.

    @raise BadValue: it is none.
    """
    if not text or not all(c.isascii() and (c.isalnum() or c in "!#$%&'*+-.^_`|~") for c in text):
        raise BadValue(f'"{text}" is not a name', "letters, digits and hyphens")
    return text


def _parameter(text: str) -> str:
    """
    Check the name of a query parameter, with C{*} at its end for all that begin so.

    @raise BadValue: it can't stand in a query.
    """
    if not text or text == "*" or any(not "!" <= c <= "~" or c in '&=#?"<>' for c in text):
        raise BadValue(f'"{text}" is not the name of a query parameter', 'such as "utm_*"')
    return text


_FieldName = Annotated[str, TextKind("the name of a field", _token)]
_CookieName = Annotated[str, TextKind("the name of a cookie", _token)]
_Parameter = Annotated[str, TextKind("the name of a query parameter", _parameter)]


@dataclass(frozen=True, slots=True)
class SiteRule:
    """One element of C{sites}: what holds for some hosts of the reverse proxy; the first that matches wins."""

    host: Annotated[Hosts, Help("Hosts, as the site's own.", '["www.example.com"]')]
    enabled: Annotated[bool, Help("Store anything of them at all.")] = True
    ignore_query: Annotated[
        tuple[_Parameter, ...],
        Help(
            "Query parameters that make no difference, with `*` at the end for all names that begin so. Only for what the "
            "origin really does not look at: whoever asks first decides what all others get.",
            '["utm_*", "fbclid"]',
        ),
    ] = ()
    sort_query: Annotated[bool, Help("Query parameters are the same in whatever order.")] = False
    cookies: Annotated[
        tuple[_CookieName, ...],
        Help("Cookies that tell variants apart, such as one for the language.", '["lang"]'),
    ] = ()
    ttl: Annotated[
        float | None,
        _NEVER,
        Help("How long what says nothing of it is fresh, in place of guessing.", '"5m"'),
    ] = None


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """C{[plugins.cache]}."""

    path: Annotated[
        FilePath,
        Help(
            "The folder with all that is stored, on a local disk. All gateway processes of a machine may use the same one, "
            "and only these: what is in it counts as the gateway's own."
        ),
    ] = "/var/cache/gateway"
    size: Annotated[Size, Help("The most that is kept on disk.")] = 4 * 2**30
    memory: Annotated[
        Size, Help("The most that each process keeps in memory of what is asked for often.")
    ] = 128 * 2**20
    max_object: Annotated[
        Size, Help("Larger content is not stored, as of video; it passes as without the cache.")
    ] = 64 * 2**20
    wait: Annotated[
        float,
        DurationKind(zero="nobody waits"),
        Help(
            "Of requests for one thing that is not stored, one goes to the origin, and the others wait so long for it."
        ),
    ] = 10.0
    heuristic: Annotated[
        bool,
        Help(
            "Guess how long an answer is fresh that does not say so and was last modified a while ago: a tenth of that "
            "time, a day at the most (RFC 9111 section 4.2.2)."
        ),
    ] = False
    negative: Annotated[
        float,
        DurationKind(zero="not at all"),
        Help("How long a 404 or 410 that does not say so is taken for an answer."),
    ] = 0.0
    stale_if_error: Annotated[
        float,
        DurationKind(zero="not at all"),
        Help(
            "How long past its time an answer stands in for an origin that fails or can't be reached, where the answer says "
            "nothing of that; never one that says `must-revalidate`."
        ),
    ] = 3600.0
    stale_most: Annotated[
        Duration, Help("The longest that anything is used past its time, whatever it says.")
    ] = 7 * 86_400.0
    obey_reload: Annotated[
        bool,
        Help(
            "A client may demand that the origin is asked, as browsers do on reload. Without it clients can't make work for "
            "origins, and can't get rid of what is wrong in the cache."
        ),
    ] = True
    targeted: Annotated[
        tuple[_FieldName, ...],
        Help(
            "Fields with which origins of the reverse proxy speak to this cache alone (RFC 9213), the most important first."
        ),
    ] = ("CDN-Cache-Control",)
    set_cookie: Annotated[
        Literal["explicit", "public", "never"],
        Help(
            'When an answer that sets a cookie is stored: "explicit", where the answer says how long it is fresh or that it '
            'is `public`; "public", only where it says `public` or `s-maxage`; "never". By RFC 9111 a cookie is no reason '
            "not to store; of sites that set cookies of sessions and forget to say `private`, choose otherwise."
        ),
    ] = "explicit"
    status: Annotated[
        bool, Help("Say in `Cache-Status` what the cache did with a request (RFC 9211).")
    ] = True
    name: Annotated[
        str, TextKind("a name", _token), Help("What `Cache-Status` calls this cache.")
    ] = "gateway"
    hosts: Annotated[Hosts, Help("Hosts of which the forward proxy stores anything.", '["*"]')] = (
        HostSet(["*"])
    )
    sites: Annotated[tuple[SiteRule, ...], Help("Rules for some sites of the reverse proxy.")] = ()

    def __post_init__(self) -> None:
        """
        Refuse sizes that contradict one another.

        @raise BadValue: they do.
        """
        if self.max_object > self.size:
            raise BadValue("max_object is larger than size", "make size larger")


class Policies:
    """
    The rules for each request.

    @ivar forward: those of the forward proxy.
    """

    def __init__(self, settings: CacheSettings) -> None:
        self._settings = settings
        self._hosts = settings.hosts
        self.forward = self._policy(None, ())
        self._reverse = self._policy(None, settings.targeted)
        self._sites = tuple(
            (rule.host, self._policy(rule, settings.targeted) if rule.enabled else None)
            for rule in settings.sites
        )
        self._known: dict[tuple[str, str], Policy | None] = {}

    def of(self, mode: str, host: str) -> Policy | None:
        """Give the rules for a host; C{None}: nothing of it is stored."""
        key = (mode, host)
        try:
            return self._known[key]
        except KeyError:
            found = self._find(mode, host)
            if len(self._known) > 10_000:
                self._known.clear()
            self._known[key] = found
            return found

    def _find(self, mode: str, host: str) -> Policy | None:
        if mode != "reverse":
            return self.forward if host in self._hosts else None
        for hosts, policy in self._sites:
            if host in hosts:
                return policy
        return self._reverse

    def _policy(self, rule: SiteRule | None, targeted: tuple[str, ...]) -> Policy:
        settings = self._settings
        keys = KeyRules()
        ttl: float | None = None
        if rule is not None:
            ttl = rule.ttl
            names = [name.encode("ascii") for name in rule.ignore_query]
            keys = KeyRules(
                frozenset(name for name in names if not name.endswith(b"*")),
                tuple(name[:-1] for name in names if name.endswith(b"*")),
                rule.sort_query,
                rule.cookies,
            )
        return Policy(
            heuristic=settings.heuristic and ttl is None,
            default_ttl=ttl or 0.0,
            negative_ttl=settings.negative,
            stale_if_error=settings.stale_if_error,
            stale_most=settings.stale_most,
            obey_reload=settings.obey_reload,
            targeted=tuple(name.lower() for name in targeted),
            cookies=settings.set_cookie,
            keys=keys,
            name=settings.name if settings.status else "",
        )
