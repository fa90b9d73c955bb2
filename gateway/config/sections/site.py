"""C{[[site]]}: the reverse proxy, its origins and how they are looked after."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from gateway.config.addresses import Listen, Origin, origin
from gateway.config.hosts import site_host
from gateway.config.kind import Help
from gateway.config.kinds.listeners import ListenKind
from gateway.config.kinds.numbers import Duration, DurationKind, SizeKind, WholeKind
from gateway.config.kinds.texts import FilePath, TextKind, site_path, token, url_path
from gateway.config.kinds.tls import verified_host
from gateway.config.sections.network import Xff
from gateway.config.sections.section import Section

Balance: TypeAlias = Literal["round_robin", "least_connections", "client_hash"]
INHERIT = -1
"""Stands in C{Site.upload} for "as C{limits.upload}"; never seen after loading."""


class Health(Section, frozen=True, kw_only=True):
    """Active health checks of a site's origins."""

    shorthand: ClassVar[str] = "path"

    path: Annotated[
        str,
        TextKind("path", url_path),
        Help(
            "Path asked for by GET; 2xx and 3xx mean healthy. Empty: no active checks.", '"/health"'
        ),
    ] = ""
    every: Annotated[Duration, Help("Time between two checks of one origin.")] = 5.0
    timeout: Annotated[Duration, Help("Time within which a check must be answered.")] = 3.0
    fall: Annotated[
        int,
        WholeKind(1),
        Help(
            "Failures in a row, of checks or of requests, after which an origin gets no more "
            "requests."
        ),
    ] = 3
    rise: Annotated[
        int, WholeKind(1), Help("Successes in a row after which it gets requests again.")
    ] = 2


class Hsts(Section, frozen=True, kw_only=True):
    """HTTP Strict Transport Security of a site (RFC 6797): browsers that have been there once come by https alone."""

    shorthand: ClassVar[str] = "max_age"

    max_age: Annotated[
        float,
        DurationKind(zero="none is sent"),
        Help(
            "Strict-Transport-Security for clients that come by TLS: how long a browser remembers to "
            "come by https alone. An answer of the origin that has this field keeps its own. "
            'Browsers cannot be told otherwise before the time is over, but by "1s".',
            '"365d"',
        ),
    ] = 0.0
    subdomains: Annotated[
        bool, Help("It holds for all names below the site's, too (includeSubDomains).")
    ] = False
    preload: Annotated[
        bool,
        Help(
            "Browsers' makers may put the site into their lists (preload), which is hard to take back."
        ),
    ] = False


class Site(Section, frozen=True, kw_only=True):
    """
    The reverse proxy: one `[[site]]` for each group of hosts and path.

    Sites may share a listener; a request whose host no site has is answered with 421.
    """

    host: Annotated[
        tuple[Annotated[str, TextKind("host", site_host)], ...],
        Help(
            'Hosts of this site: names, "*.example.com" for everything below a name, "*" for '
            "every host. An exact name "
            "wins over a wildcard, a longer wildcard over a shorter one.",
            '["www.example.com", "*.shop.example.com"]',
        ),
    ] = ("*",)
    path: Annotated[
        str,
        TextKind("path", site_path),
        Help(
            "The site has the paths that begin with this, whole segments only; the longest one "
            "wins.",
            '"/app"',
        ),
    ] = "/"
    listen: Annotated[
        tuple[Annotated[Listen, ListenKind()], ...],
        Help("Where clients connect.", '["0.0.0.0:8000"]'),
    ] = (Listen("127.0.0.1", 8000),)
    origins: Annotated[
        tuple[Annotated[Origin, TextKind("URL", origin)], ...],
        Help("The servers behind this site.", '["http://10.0.1.10:8000", "http://10.0.1.11:8000"]'),
    ] = ()
    verify_host: Annotated[
        str,
        TextKind("host", verified_host),
        Help(
            "Name that `https` origins are asked for (SNI) and that their certificates must be for, "
            "where that is not the host of their URL. Empty: the host of the URL.",
            '"app.internal.example.com"',
        ),
    ] = ""
    certificate: Annotated[
        FilePath,
        Help(
            "PEM file with the certificate, its issuers after it, and the key; or a folder of such "
            "files. With it the site's listeners are TLS. Files that change are taken over within "
            "a minute.",
            '"/etc/gateway/www.pem"',
        ),
    ] = ""
    key: Annotated[
        FilePath,
        Help("PEM file with the key. Empty: with the certificate, or beside it as NAME.key."),
    ] = ""
    staple: Annotated[
        FilePath,
        Help(
            "OCSP response (DER) to send to clients that ask for one. Empty: the certificate's "
            "path with `.ocsp` after it, if that is there."
        ),
    ] = ""
    client_ca: Annotated[
        FilePath,
        Help(
            "PEM file with the authorities whose certificates clients have to show (mutual TLS). "
            "Sites that share a listener say the same. Empty: none.",
            '"/etc/gateway/clients-ca.pem"',
        ),
    ] = ""
    client_certificate: Annotated[
        Literal["required", "optional"],
        Help('With `client_ca`: "optional" lets clients without a certificate in, too.'),
    ] = "required"
    hsts: Annotated[
        Hsts,
        Help(
            "Browsers are to come by https alone.",
            '{ max_age = "365d", subdomains = true }',
        ),
    ] = Hsts()
    balance: Annotated[
        Balance,
        Help(
            "How an origin is chosen: in turn, the one with the fewest requests under way, or by "
            "the client's address, "
            "so that a client stays with its origin."
        ),
    ] = "round_robin"
    health: Annotated[
        Health,
        Help(
            "Health checks of the origins.",
            '{ path = "/health", every = "5s", fall = 3, rise = 2 }',
        ),
    ] = Health()
    sticky: Annotated[
        Literal["none", "cookie"],
        Help('With "cookie" a client stays with the origin of its first answer.'),
    ] = "none"
    sticky_cookie: Annotated[str, TextKind("name", token), Help("Name of that cookie.")] = (
        "gateway-origin"
    )
    upload: Annotated[
        int,
        SizeKind(zero="no limit"),
        Help(
            "Largest content of a request to this site. Not said: as `limits.upload`.", '"500MiB"'
        ),
    ] = INHERIT
    xff: Annotated[
        Xff,
        Help(
            'What becomes of X-Forwarded-For: "append" the client\'s address, "delete" the '
            'field, or "keep" it as it came. '
            'With "append", what a client outside `network.trusted_proxies` wrote there is '
            "dropped first."
        ),
    ] = "append"
    preserve_host: Annotated[
        bool, Help("The origin gets the Host that the client sent; with false it gets its own.")
    ] = True
    rewrite_location: Annotated[
        bool,
        Help(
            "Location and Content-Location that name the origin are rewritten to the host that "
            "the client asked."
        ),
    ] = False
    max_connections: Annotated[
        int,
        WholeKind(zero="no limit"),
        Help("Connections open to each origin at once; further requests queue."),
    ] = 0
    queue: Annotated[
        int,
        WholeKind(),
        Help("Requests that may wait for a connection to this site's origins; one more gets 503."),
    ] = 1000
    queue_wait: Annotated[Duration, Help("Longest wait there; then 503 with Retry-After.")] = 5.0
    retries: Annotated[
        int,
        WholeKind(0, 16),
        Help(
            "Other origins tried when one fails, where RFC 9110 section 9.2.2 allows it and "
            "nothing was sent on."
        ),
    ] = 1
