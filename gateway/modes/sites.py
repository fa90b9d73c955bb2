"""
Which site a request belongs to: by listener, host and path.

The most specific host wins: its exact name, then the longest wildcard C{*.x} that ends it (one label or more in place of
the star), then C{*}. Among the sites of one host the longest path wins, on segment boundaries: C{/app} takes C{/app},
C{/app?x} and C{/app/x}, but neither C{/apple} nor C{/App}. A host whose sites leave a path over gives it to the next
less specific host.

A site may be more guarded than its neighbour, and the origin reads the path after us, perhaps in another way. So a path
is matched as it was sent and as origins are known to read it: dots removed, percent-encoding undone, backslashes
and repeated slashes for one, parameters (C{..;}) cut off. Where the readings lead to different sites the request is
refused. Within one site all of them pass: which of them is right is the origin's business.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar
from urllib.parse import unquote_to_bytes

from gateway.api.errors import ClientError


class SiteRule(Protocol):
    """What a table has to know of a site."""

    @property
    def host(self) -> Sequence[str]:
        """Names in lower case, C{*.name} or C{*}."""

    @property
    def path(self) -> str:
        """The prefix; with or without a slash at its end."""

    @property
    def listen(self) -> Sequence[Hashable]:
        """The listeners it is reached by; told apart by their text."""


S = TypeVar("S", bound=SiteRule)


class SiteTable(Generic[S]):
    """All sites of a configuration, compiled; immutable."""

    __slots__ = ("_listeners",)

    def __init__(self, sites: Iterable[S]) -> None:
        """
        Compile.

        @raise ValueError: two sites of one listener have the same host and path, or a path is none.
        """
        by_listener: dict[str, list[S]] = {}
        for site in sites:
            for listen in dict.fromkeys(map(str, site.listen)):
                by_listener.setdefault(listen, []).append(site)
        self._listeners = {key: HostTable(listed) for key, listed in by_listener.items()}

    def at(self, listener: str) -> HostTable[S] | None:
        """Give the hosts of a listener, named as in the configuration; C{None} if no site has it."""
        return self._listeners.get(listener)

    def find(self, host: str, path: bytes, listener: str) -> S | None:
        """Find the site, as L{HostTable.find} does, among those of a listener."""
        hosts = self._listeners.get(listener)
        return None if hosts is None else hosts.find(host, path)


class HostTable(Generic[S]):
    """The sites of one listener."""

    __slots__ = ("_any", "_exact", "_wildcards")

    def __init__(self, sites: Iterable[S]) -> None:
        """
        Compile.

        @raise ValueError: two sites have the same host and path, or a path is none.
        """
        by_host: dict[str, dict[bytes, S]] = {}
        for site in sites:
            if not site.path.startswith("/"):
                raise ValueError(f"{site.path!r} does not begin with a slash")
            path = site.path.encode("ascii").rstrip(b"/")
            for host in dict.fromkeys(site.host):
                paths = by_host.setdefault(host, {})
                if path in paths:
                    raise ValueError(f"two sites have the host {host} and the path {site.path}")
                paths[path] = site
        compiled = {host: _Paths(paths) for host, paths in by_host.items()}
        self._any = compiled.pop("*", None)
        self._wildcards = {h[2:]: paths for h, paths in compiled.items() if h.startswith("*.")}
        self._exact = {h: paths for h, paths in compiled.items() if not h.startswith("*.")}

    def find(self, host: str, path: bytes) -> S | None:
        """
        Find the site of a request.

        @param host: as L{gateway.message.target.parse_authority} gives it.
        @param path: the origin-form target, with or without its query, or C{*}.
        @return: C{None} if no site has the host, or none of those that have it has the path.
        @raise ClientError: 400, the path can be read as leading to different sites.
        """
        paths = self._exact.get(host)
        if paths is not None:
            site = paths.everything
            if site is not None or (site := paths.find(path)) is not None:
                return site
        if self._wildcards:
            at = host.find(".")
            while at >= 0:
                paths = self._wildcards.get(host[at + 1 :])
                if paths is not None and (site := paths.find(path)) is not None:
                    return site
                at = host.find(".", at + 1)
        return None if self._any is None else self._any.find(path)

    def whole(self, host: str) -> S | None:
        """Give the site that L{find} gives for this host whatever the path is; C{None} if it depends on that."""
        paths = self._exact.get(host)
        if paths is not None:
            return paths.everything
        if self._wildcards and "." in host:
            return None
        return None if self._any is None else self._any.everything

    def knows(self, host: str) -> bool:
        """Tell whether any site has the host, whatever the path: 404 may be said in place of 421."""
        if self._any is not None or host in self._exact:
            return True
        labels = host.split(".")
        return any(".".join(labels[i:]) in self._wildcards for i in range(1, len(labels)))


class _Paths(Generic[S]):
    """
    The sites of one host, by path.

    @ivar everything: the only site there is, if its path is the root: nothing has to be compared.
    """

    __slots__ = ("_depth", "_sites", "everything")

    def __init__(self, sites: Mapping[bytes, S]) -> None:
        self._sites = dict(sites)
        self._depth = max(path.count(b"/") for path in sites)
        self.everything = self._sites[b""] if self._sites.keys() == {b""} else None

    def find(self, path: bytes) -> S | None:
        if self.everything is not None:
            return self.everything
        # "OPTIONS *" asks about the server as a whole: whoever has its root answers.
        path = b"/" if path == b"*" else path.partition(b"?")[0]
        site = self._match(path)
        if _AMBIGUOUS.search(path):
            for reading in _readings(path):
                if self._match(reading) is not site:
                    raise ClientError(
                        "the path can be read as leading to different sites", page="ambiguous_path"
                    )
        return site

    def _match(self, path: bytes) -> S | None:
        if path[:1] != b"/":
            return None
        sites = self._sites
        best = sites.get(b"")
        end = 0
        for _ in range(self._depth):
            end = path.find(b"/", end + 1)
            site = sites.get(path if end < 0 else path[:end])
            if site is not None:
                best = site
            if end < 0:
                break
        return best


_AMBIGUOUS = re.compile(rb"[%\\;]|//|/\.")
_UNRESERVED = re.compile(rb"%(?:2[DEde]|3[0-9]|[46][1-9A-Fa-f]|[57][0-9Aa]|5[Ff]|7[Ee])")
_SLASHES = re.compile(rb"[/\\]+")
_PARAMETERS = re.compile(rb";[^/]*")


def _readings(path: bytes) -> Iterable[bytes]:
    """Give the path as RFC 3986 normalises it, and as more liberal servers read it."""
    yield _without_dots(_UNRESERVED.sub(lambda found: unquote_to_bytes(found[0]), path))
    decoded = unquote_to_bytes(path)
    merged = _SLASHES.sub(b"/", decoded)
    yield _without_dots(merged)
    yield _without_dots(_PARAMETERS.sub(b"", merged))


def _without_dots(path: bytes) -> bytes:
    """Remove dot segments (RFC 3986 section 5.2.4)."""
    kept: list[bytes] = []
    for segment in path.split(b"/")[1:]:
        if segment == b"..":
            if kept:
                kept.pop()
        elif segment != b".":
            kept.append(segment)
    return b"/" + b"/".join(kept)
