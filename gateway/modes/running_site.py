"""
A site with what runs for it: its origins, its cookie, and what is worked out of its settings once.

Which requests are its own is known in L{gateway.modes.sites}, and what becomes of one in L{gateway.modes.reverse_upstream}.
"""

from __future__ import annotations

from math import ceil

from gateway.config.sections.site import Hsts, Site
from gateway.message.location import OriginReferences
from gateway.modes.balance import Pool as Origins
from gateway.modes.sticky import StickyCookie


class RunningSite:
    """
    A configured site with what runs for it.

    @ivar site: the configuration.
    @ivar origins: its pool.
    @ivar cookie: the sticky cookie; C{None} without.
    @ivar only: the one origin of a site that has no other and bounds nothing; else C{None}.
    @ivar keeps_fields: an origin is told the same whichever it is, of requests that name a host.
    @ivar references: what Location rewriting looks for; C{None} without.
    @ivar strict_transport: the line that answers over TLS get (RFC 6797 section 6.1); empty: none.
    @ivar amends: some answers get more than an intermediary adds to all.
    """

    __slots__ = (
        "amends",
        "cookie",
        "host",
        "keeps_fields",
        "listen",
        "name",
        "only",
        "origins",
        "path",
        "references",
        "site",
        "strict_transport",
        "upload",
    )

    def __init__(self, site: Site, origins: Origins, key: bytes, upload: int) -> None:
        self.site = site
        self.host = site.host
        self.path = site.path
        self.listen = site.listen
        self.name = site.host[0]
        self.origins = origins
        self.upload = upload
        self.cookie = None
        if site.sticky == "cookie":
            addresses = [str(origin) for origin in site.origins]
            self.cookie = StickyCookie(site.sticky_cookie, addresses, key, path=site.path)
        # Then there is nothing to choose and nobody to wait for.
        self.only = None
        if len(origins.origins) == 1 and not site.max_connections and self.cookie is None:
            self.only = origins.origins[0]
        # Then what goes on depends on nothing but the client's connection and its fields, if there is a Host among these.
        self.keeps_fields = self.cookie is None and site.preserve_host
        self.references = None
        if site.rewrite_location:
            self.references = OriginReferences((o.scheme, o.host, o.port) for o in site.origins)
        self.strict_transport = _strict_transport(site.hsts)
        self.amends = bool(self.references or self.cookie or self.strict_transport)


def _strict_transport(hsts: Hsts) -> bytes:
    if not hsts.max_age:
        return b""
    # A part of a second is not nothing, which would take it back.
    value = b"max-age=%d" % ceil(hsts.max_age)
    if hsts.subdomains:
        value += b"; includeSubDomains"
    if hsts.preload:
        value += b"; preload"
    return b"Strict-Transport-Security: " + value + b"\r\n"
