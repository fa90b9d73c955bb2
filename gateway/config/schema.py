"""
Every setting of the gateway: its name, kind, default and meaning.

One struct per table of the file. The help texts are the source of docs/settings.md and of the commented gateway.toml.
A key stands here only once it has an effect; names that belong to a later version are listed in C{later}, so that they
are not taken for misspelt.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import msgspec

from gateway.config.addresses import Listen, Nameserver, Origin, nameserver, origin
from gateway.config.hosts import HostSet, site_host
from gateway.config.kind import Help, Hidden
from gateway.config.kinds import (
    Duration,
    DurationKind,
    FilePath,
    ListenKind,
    Networks,
    ParentKind,
    PathKind,
    Ports,
    Size,
    SizeKind,
    TextKind,
    WholeKind,
    log_format,
    site_path,
    token,
    url_path,
)
from gateway.config.layers import Sources
from gateway.config.networks import NetworkSet
from gateway.config.parents import Parent
from gateway.config.ports import PortSet
from gateway.config.tls import (
    DayKind,
    ListedHostsKind,
    ca_name,
    exact_host,
    fingerprint,
    presented_host,
    signed_domain,
    verified_host,
)
from gateway.config.units import GIB, KIB, MIB

Xff: TypeAlias = Literal["append", "delete", "keep"]
Balance: TypeAlias = Literal["round_robin", "least_connections", "client_hash"]
Masked: TypeAlias = Literal["query", "user"]
Action: TypeAlias = Literal["block", "warn", "monitor", "pass"]
Overload: TypeAlias = Literal["block", "wait", "bypass"]

INHERIT = -1
"""Stands in C{Site.upload} for "as C{limits.upload}"; never seen after loading."""


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One table of the file."""

    later: ClassVar[tuple[str, ...]] = ()
    """Keys of versions to come."""


class Gateway(Section, frozen=True, kw_only=True):
    """What is true of the whole gateway."""

    name: Annotated[
        str,
        TextKind("name", token),
        Help(
            "How the gateway calls itself in the Via field, by which it also knows its own "
            "requests when they come back "
            "in a loop. Every gateway of a chain needs a different one. Empty: one is made at "
            "every start."
        ),
    ] = ""
    user: Annotated[
        str,
        Help(
            "System user to become when the listeners are open; needs a start as root. Empty: no "
            "change."
        ),
    ] = ""
    group: Annotated[str, Help("System group to become. Empty: the group of `user`.")] = ""
    state: Annotated[
        FilePath,
        Help(
            "Folder that exists and that the gateway may write to, for what plugins keep over a "
            "restart. Empty: the one that systemd gives (`StateDirectory=` in the unit); without "
            "that, it is kept in memory only.",
            '"/var/lib/gateway"',
        ),
    ] = ""


class Forward(Section, frozen=True, kw_only=True):
    """
    The forward proxy: what browsers and programs are told to use as their proxy.

    It runs when this table is there, and also when the file has no `[[site]]` either.
    """

    listen: Annotated[
        tuple[Annotated[Listen, ListenKind()], ...],
        Help(
            "Where clients connect. An empty array switches the forward proxy off.",
            '["0.0.0.0:8080", { address = "[::1]:8081", proxy_protocol = true }]',
        ),
    ] = (Listen("127.0.0.1", 8080),)
    allow_from: Annotated[
        Networks,
        Help(
            "Clients that may use it; everybody else gets 403. The default serves this machine "
            "alone: whoever listens on "
            "other addresses says here for whom. Clients of a unix socket are let in by its file "
            "permissions.",
            '["10.0.0.0/8", "192.168.0.0/16", "127.0.0.0/8"]',
        ),
    ] = NetworkSet.of("127.0.0.0/8", "::1/128")
    connect_ports: Annotated[
        Ports,
        Help("Ports that CONNECT may open a tunnel to: numbers and ranges.", '[443, "8443-8444"]'),
    ] = PortSet.of(443)
    allow_destinations: Annotated[
        Networks,
        Help(
            "Exceptions to the guard: addresses that may be connected to although they are "
            "loopback or link-local. The gateway's own listeners and `deny_destinations` stay "
            "refused.",
            '["127.0.0.0/8"]',
        ),
    ] = NetworkSet()
    deny_destinations: Annotated[
        Networks,
        Help(
            "Addresses that may not be connected to, beside those that the guard refuses anyway: "
            "loopback, link-local and the "
            "gateway's own listeners. The address really dialled counts, whatever the name "
            "resolved to before.",
            '["10.0.0.0/8", "fc00::/7"]',
        ),
    ] = NetworkSet()
    parent: Annotated[
        tuple[Annotated[Parent, ParentKind()], ...],
        Help(
            "Parent proxies; the first one whose `for` holds the host takes the request, others "
            "go direct.",
            '[{ url = "http://parent.example.com:3128", for = ["*.example.com"], no_proxy = '
            '["intra.example.com"] }]',
        ),
    ] = ()


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


class TlsException(Section, frozen=True, kw_only=True):
    """One upstream for which something else holds, for a time."""

    host: Annotated[
        str,
        TextKind("host", exact_host),
        Help("The upstream: a name or an address, no pattern.", '"old.example.com"'),
    ]
    reason: Annotated[str, Help("Why, for those who read the file and the log.")]
    until: Annotated[
        datetime.date, DayKind(), Help("The last day (UTC) on which it holds.", "2027-12-31")
    ]
    min_version: Annotated[
        Literal["", "1.0", "1.1", "1.2", "1.3"],
        Help(
            "Lowest version of TLS for this host. Below 1.2 old ciphers are allowed for it as well. "
            "Empty: as `tls.min_version`."
        ),
    ] = ""
    ciphers: Annotated[
        Literal["", "modern", "compatible"], Help("Ciphers for this host. Empty: as `tls.ciphers`.")
    ] = ""
    fingerprint: Annotated[
        str,
        TextKind("SHA-256 fingerprint", fingerprint),
        Help(
            "SHA-256 of the one certificate that is accepted from this host although something is "
            "wrong with it. Empty: its certificate is judged as any other."
        ),
    ] = ""


class TlsClientCertificate(Section, frozen=True, kw_only=True):
    """What the gateway shows to servers that ask for a certificate."""

    host: Annotated[
        str,
        TextKind("host", presented_host),
        Help(
            'The servers: a name, "*.example.com" for everything below a name, or an address. An exact '
            "name wins over a wildcard, a longer wildcard over a shorter one.",
            '"api.example.com"',
        ),
    ]
    certificate: Annotated[
        str,
        PathKind(special=()),
        Help(
            "PEM file with the certificate, its issuers after it, and the key.",
            '"/etc/gateway/api-client.pem"',
        ),
    ]
    key: Annotated[
        FilePath,
        Help("PEM file with the key. Empty: with the certificate, or beside it as NAME.key."),
    ] = ""


class Tls(Section, frozen=True, kw_only=True):
    """
    TLS with clients and with upstreams.

    Each of `exceptions` has the keys of [TLS exceptions](#tls-exceptions), each of `client_certificates` those of
    [Client certificates](#client-certificates).
    """

    decrypt: Annotated[
        Literal["none", "rules", "all"],
        Help(
            "Which TLS the forward proxy decrypts in tunnels (CONNECT), with certificates of its own CA, "
            'which clients have to trust. "none": none; "rules": that of `decrypt_hosts`, and where a '
            'plugin says so; "all": also what nobody has an opinion on. `never_decrypt` stays unread in any case.'
        ),
    ] = "none"
    never_decrypt: Annotated[
        HostSet,
        ListedHostsKind(),
        Help(
            "Hosts that are never decrypted, whatever plugins say; the host of the CONNECT counts. If that "
            "is an address, the name that the client asks for in TLS counts too, and the tunnel then leads "
            'to that name. Whole labels: "bank.example.com" is that host alone, "*.bank.example.com" '
            'everything below it, ".bank.example.com" both.',
            '["bank.example.com", "*.windowsupdate.com"]',
        ),
    ] = HostSet()
    decrypt_hosts: Annotated[
        HostSet,
        ListedHostsKind(),
        Help(
            'With `decrypt = "rules"`: hosts that are decrypted where no plugin has an opinion; written as '
            "in `never_decrypt`.",
            '[".example.com"]',
        ),
    ] = HostSet()
    on_unknown_protocol: Annotated[
        Literal["tunnel", "block"],
        Help(
            "What becomes of a tunnel that the gateway could read and does not know the language of: no "
            'TLS, or nothing but HTTP/2 within it. "tunnel" passes it on unread, "block" closes it.'
        ),
    ] = "tunnel"
    block_page_over_tls: Annotated[
        bool,
        Help(
            "A CONNECT that is refused is answered with 200 and the page is shown within TLS, over a "
            "certificate of the CA: browsers show no page with the 403 that it gets otherwise."
        ),
    ] = False
    pinned_bypass: Annotated[
        bool,
        Help(
            "Names whose certificate apps keep refusing are passed on unread by themselves, for 24 hours. "
            "With false they are only proposed, see `gateway tls pins`."
        ),
    ] = False
    ca: Annotated[
        FilePath,
        Help(
            "Folder of the CA, for the gateway's user alone; made when it is first needed. Empty: `ca` in "
            "`gateway.state`.",
            '"/var/lib/gateway/ca"',
        ),
    ] = ""
    ca_name: Annotated[
        str,
        TextKind("name", ca_name),
        Help("What the name of a new CA begins with; a mark of its own follows."),
    ] = "Gateway CA"
    ca_permit: Annotated[
        tuple[Annotated[str, TextKind("domain", signed_domain)], ...],
        Help(
            "Domains for which a new CA may sign, with all names below them. Empty: all.",
            '["example.com"]',
        ),
    ] = ()
    ca_exclude: Annotated[
        tuple[Annotated[str, TextKind("domain", signed_domain)], ...],
        Help(
            "Domains for which a new CA may not sign, with all names below them.",
            '["bank.example.com"]',
        ),
    ] = ()
    certificates: Annotated[
        int,
        WholeKind(1, 200_000),
        Help(
            "Certificates of decrypted hosts kept in memory, 6 KiB each; the least used give way."
        ),
    ] = 10_000
    min_version: Annotated[
        Literal["1.2", "1.3"], Help("Lowest version of TLS, with clients and with upstreams.")
    ] = "1.2"
    max_version: Annotated[Literal["1.2", "1.3"], Help("Highest version of TLS.")] = "1.3"
    ciphers: Annotated[
        Literal["modern", "compatible"],
        Help(
            'With "modern", TLS 1.2 has forward secrecy and authenticated encryption alone '
            '(ECDHE with AES-GCM or ChaCha20); "compatible" adds, at the end, what old programs '
            "need (DHE, CBC, RSA key exchange). TLS 1.3 is the same in both."
        ),
    ] = "modern"
    trust: Annotated[
        tuple[FilePath, ...],
        Help(
            "PEM files with authorities that upstreams' certificates may come from, beside those "
            "of the system.",
            '["/etc/gateway/internal-ca.pem"]',
        ),
    ] = ()
    crl: Annotated[
        tuple[FilePath, ...],
        Help(
            "Files with lists of revoked certificates (CRL, PEM or DER). Certificates of an issuer "
            "with a list are looked up in it.",
            '["/etc/gateway/internal.crl"]',
        ),
    ] = ()
    exceptions: Annotated[
        tuple[TlsException, ...],
        Help(
            "Upstreams for which something else holds, each with a reason and a last day.",
            '[{ host = "old.example.com", min_version = "1.0", reason = "replaced in spring", '
            "until = 2027-04-30 }]",
        ),
    ] = ()
    client_certificates: Annotated[
        tuple[TlsClientCertificate, ...],
        Help(
            "What the gateway shows to upstreams that ask for a certificate, by host; nobody else gets one.",
            '[{ host = "api.example.com", certificate = "/etc/gateway/api-client.pem" }]',
        ),
    ] = ()
    key_log: Annotated[
        FilePath,
        Help(
            "File that the secrets of all TLS sessions are written to (format of SSLKEYLOGFILE): "
            "whoever reads it can read the traffic. For tests alone. Empty: none.",
        ),
    ] = ""


class Limits(Section, frozen=True, kw_only=True):
    """Bounds for what a client or an origin may send."""

    upload: Annotated[
        int,
        SizeKind(zero="no limit"),
        Help(
            "Largest content of a request, in every mode; more gets 413. Enforced by the plugin "
            "`upload_limit`."
        ),
    ] = 2 * GIB
    head: Annotated[
        Size,
        Help(
            "Largest head (first line and fields) of a request, which gets 431, or of a "
            "response, which makes 502."
        ),
    ] = 64 * KIB
    target: Annotated[Size, Help("Longest target of a request; more gets 414.")] = 16 * KIB
    fields: Annotated[
        int, WholeKind(1, 10_000), Help("Most field lines in a head or in trailers.")
    ] = 200
    trailers: Annotated[Size, Help("Largest trailer section.")] = 8 * KIB
    connections: Annotated[
        int,
        WholeKind(zero="no limit"),
        Help("Client connections open at once, over all listeners."),
    ] = 20_000
    kept_upstreams: Annotated[
        int,
        WholeKind(1, 100_000),
        Help(
            "Servers (host and port, with TLS also the name) to which unused connections are kept at once; "
            "for one more the longest unused ones are closed."
        ),
    ] = 1000


class Timeouts(Section, frozen=True, kw_only=True):
    """How long the gateway waits, and for what."""

    connect: Annotated[
        Duration,
        Help("Time for a connection to an upstream, all its addresses together; then 504."),
    ] = 30.0
    resolve: Annotated[Duration, Help("Time for a name to be resolved; then 504.")] = 10.0
    request_head: Annotated[
        Duration, Help("Time for a head to be complete once its first byte is there; then 408.")
    ] = 30.0
    client_idle: Annotated[
        Duration, Help("Time for the next request on a client connection; then it is closed.")
    ] = 30.0
    upstream_idle: Annotated[
        Duration, Help("Time that an unused upstream connection is kept for the next request.")
    ] = 30.0
    inactivity: Annotated[
        Duration,
        Help(
            "Time without a byte in either direction that ends a transaction: with 504, or by "
            "breaking the connection off."
        ),
    ] = 180.0
    tunnel: Annotated[
        float,
        DurationKind(zero="no limit"),
        Help("Time without a byte in either direction that ends a tunnel (CONNECT, WebSocket)."),
    ] = 3600.0
    drain: Annotated[
        Duration,
        Help(
            "Time for running transactions to end when the gateway is stopped; then they are "
            "broken off."
        ),
    ] = 300.0


class Network(Section, frozen=True, kw_only=True):
    """Addresses, ports and names."""

    shared_networks: Annotated[
        Networks,
        Help(
            "Networks in which several people are behind one address: terminal servers, address translation, "
            "VPN gateways. Nobody is taken for somebody else because of such an address.",
            '["10.9.0.0/16"]',
        ),
    ] = NetworkSet()
    trusted_proxies: Annotated[
        Networks,
        Help(
            "Proxies and load balancers in front of the gateway. A PROXY protocol header, "
            "X-Forwarded-For and Forwarded are "
            "believed from them only.",
            '["10.0.0.5"]',
        ),
    ] = NetworkSet()
    xff: Annotated[
        Xff,
        Help(
            'What the forward proxy does with X-Forwarded-For: "append" the client\'s address, '
            '"delete" the field, or "keep" '
            "it as it came. Sites have their own `xff`."
        ),
    ] = "delete"
    forwarded: Annotated[
        bool,
        Help(
            "Sites also tell the client's address, the host and the scheme in Forwarded (RFC 7239)."
        ),
    ] = False
    source_ports: Annotated[
        Ports,
        Help(
            "Ports that connections to upstreams come from. Empty: as the system chooses.",
            '"20000-60999"',
        ),
    ] = PortSet()
    exclude_ports: Annotated[
        Ports,
        Help(
            "Ports that they never come from, for firewalls that treat some specially; taken out "
            "of `source_ports`, or of the "
            "system's own range.",
            '[27374, "31337-31340"]',
        ),
    ] = PortSet()
    hosts_file: Annotated[
        FilePath,
        Help("Names looked up here first, in the format of /etc/hosts.", '"/etc/gateway/hosts"'),
    ] = ""
    nameservers: Annotated[
        tuple[Annotated[Nameserver, TextKind("IP address", nameserver)], ...],
        Help(
            "DNS servers to ask. Empty: those of the system.",
            '["192.0.2.53", "[2001:db8::53]:5353"]',
        ),
    ] = ()


class ScanActions(Section, frozen=True, kw_only=True):
    """What follows from each result of a scan."""

    infected: Annotated[Action, Help("Malware was found.")] = "block"
    suspicious: Annotated[Action, Help("Heuristics think it may be malware.")] = "monitor"
    encrypted: Annotated[Action, Help("It is encrypted, such as an archive with a password.")] = (
        "warn"
    )
    malformed: Annotated[Action, Help("It is damaged, or made to confuse scanners.")] = "block"
    limit: Annotated[
        Action, Help("An archive goes beyond a limit of the scanner: depth, files, ratio.")
    ] = "block"
    too_large: Annotated[
        Action,
        Help(
            "It is longer than the plugins want to have whole, or than a quarter of `scan.temp_limit`, "
            "512MiB at the most. With anything but block it passes without having been scanned."
        ),
    ] = "block"
    engine_error: Annotated[
        Action,
        Help(
            "A scanner says that it could not scan, or `scan.timeout` ran out. A plugin that fails "
            "outright is dealt with by its own `fail`."
        ),
    ] = "block"
    capacity: Annotated[
        Action,
        Help("There was no room in `scan.temp_limit` for 10 s, or `scan.temp_dir` cannot be used."),
    ] = "block"


class Scan(Section, frozen=True, kw_only=True):
    """
    How content is held that plugins, such as virus scanners, want whole before any of it passes.

    Without such a plugin nothing of this has an effect.
    """

    later: ClassVar[tuple[str, ...]] = ("max_depth", "max_files", "max_ratio", "large_file")

    temp_dir: Annotated[
        FilePath,
        Help(
            "Folder for held content over 1MiB, in files that have no name and are gone with the "
            "process; a tmpfs or a fast disk. Empty: the system's folder for temporary files.",
            '"/var/lib/gateway/spool"',
        ),
    ] = ""
    temp_limit: Annotated[
        int,
        SizeKind(least=4 * MIB),
        Help(
            "Room for all held content together, memory included. A message may take a quarter of "
            "it, 512MiB at the most; one that finds no room waits up to 10 s for it."
        ),
    ] = 2 * GIB
    timeout: Annotated[
        Duration,
        Help(
            "Time for all plugins together to scan one message; then `scan.on.engine_error` holds."
        ),
    ] = 60.0
    on: Annotated[
        ScanActions,
        Help(
            "What follows from each result: block refuses, with 403, or with 503 where the gateway "
            "is at fault; warn delivers it and raises an event; monitor delivers it, with an event "
            "if something was found; pass delivers it. Whatever follows, the access log notes the "
            "result. The worst of several results is the one with the strictest action. A reason "
            "that is not listed here is blocked.",
            '{ infected = "block", encrypted = "block", too_large = "warn" }',
        ),
    ] = ScanActions()


class Access(Section, frozen=True, kw_only=True):
    """The access log: one line for every transaction and tunnel."""

    shorthand: ClassVar[str] = "path"

    path: Annotated[
        str,
        PathKind(("", "-")),
        Help(
            'File; "-" is standard output, empty switches the log off.',
            '"/var/log/gateway/access.log"',
        ),
    ] = "-"
    format: Annotated[
        str,
        TextKind("format", log_format),
        Help('"squid", "combined" or "json", or "custom " and a format string.', '"json"'),
    ] = "squid"


class Log(Section, frozen=True, kw_only=True):
    """What is written about the work."""

    access: Annotated[
        Access,
        Help(
            "Where the access log goes, and how.",
            '{ path = "/var/log/gateway/access.log", format = "json" }',
        ),
    ] = Access()
    mask: Annotated[
        tuple[Masked, ...],
        Help(
            'What the access log leaves out: the "query" of every URL, the "user".',
            '["query", "user"]',
        ),
    ] = ()


class ThreadPool(Section, frozen=True, kw_only=True):
    """One pool of threads, for calls of plugins that block."""

    workers: Annotated[
        int, WholeKind(1, 256), Help("Threads; each is started when it is first needed.")
    ] = 4
    queue: Annotated[int, WholeKind(0, 100_000), Help("Calls that may wait for a thread.")] = 64
    overload: Annotated[
        Overload,
        Help(
            'What becomes of a call when threads and queue are full. "block": it fails at once, '
            'so the error rule of its hook decides; "wait": it waits up to `wait` for room and '
            'fails then; "bypass": the hook has no opinion, as if the plugin were not there. That '
            "is refused at start where a hook in this pool fails closed; what a plugin runs in the "
            'pool by itself fails as with "block".'
        ),
    ] = "block"
    wait: Annotated[
        Duration, Help('Longest wait for room with `overload = "wait"`; part of the budget.')
    ] = 1.0


class DiskPool(ThreadPool, frozen=True, kw_only=True):
    """One pool of threads, for calls of plugins that block."""

    workers: Annotated[
        int, WholeKind(1, 256), Help("Threads; each is started when it is first needed.")
    ] = 2
    queue: Annotated[int, WholeKind(0, 100_000), Help("Calls that may wait for a thread.")] = 256


class Threads(Section, frozen=True, kw_only=True):
    """The pools of threads; everything else runs in one."""

    scan: Annotated[ThreadPool, Help("For what computes: content scanners.")] = ThreadPool()
    directory: Annotated[
        ThreadPool, Help("For what waits for servers: directories, databases.")
    ] = ThreadPool()
    disk: Annotated[DiskPool, Help("For what reads and writes files.")] = DiskPool()

    @property
    def pools(self) -> Mapping[str, ThreadPool]:
        """Each pool by the name that plugins know it by."""
        return {"scan": self.scan, "directory": self.directory, "disk": self.disk}


class Rule(Section, frozen=True, kw_only=True):
    """The keys that every plugin's table may have beside its own."""

    fail: Annotated[
        Literal["", "closed", "open"],
        Help(
            'What happens to a request when the plugin fails on it: "closed" refuses it, "open" '
            "lets it go on without the "
            "plugin. Empty: what the plugin itself declares."
        ),
    ] = ""
    budget: Annotated[
        float,
        DurationKind(zero="as the plugin declares"),
        Help("Time that one call of the plugin may take before it counts as failed."),
    ] = 0.0


class Plugins(Section, frozen=True, kw_only=True):
    """
    The plugins and their order.

    `[plugins.NAME]` holds the settings of the plugin NAME; its README lists them.
    """

    enabled: Annotated[
        tuple[str, ...],
        Help(
            "The plugins that run, in the order in which they are asked; nothing else makes one "
            "run."
        ),
    ] = ("upload_limit",)
    tables: Annotated[Mapping[str, Mapping[str, Any]], Hidden()] = {}
    """C{[plugins.x]} as TOML gave it, C{fail} and C{budget} taken out; see L{gateway.config.load.load_plugin_settings}."""
    rules: Annotated[Mapping[str, Rule], Hidden()] = {}
    """C{fail} and C{budget} of each plugin that has a table."""

    def rule(self, name: str) -> Rule:
        """Give what the file says on failure and budget of a plugin."""
        return self.rules.get(name) or Rule()


class Admin(Section, frozen=True, kw_only=True):
    """How the gateway is watched."""

    health: Annotated[
        Listen | None,
        ListenKind(is_optional=True, has_options=False),
        Help(
            "Where `/healthz`, `/readyz` and `/metrics` are served. Empty: nowhere.",
            '"0.0.0.0:8081"',
        ),
    ] = Listen("127.0.0.1", 8081)
    control: Annotated[
        bool,
        Help(
            "Whether commands such as `gateway reload` reach the running gateway, by a socket of "
            "this machine that only root and the gateway's own user may use."
        ),
    ] = True


class Config(Section, frozen=True, kw_only=True):
    """A whole configuration; immutable, so that a running transaction keeps the one it began with."""

    later: ClassVar[tuple[str, ...]] = (
        "transparent",
        "icap",
        "rule",
        "reputation",
        "smartscan",
        "console",
        "cluster",
    )

    gateway: Annotated[Gateway, Help("The gateway as a whole.")] = Gateway()
    forward: Annotated[Forward | None, Help("The forward proxy.")] = Forward()
    """None when no forward proxy runs."""
    site: Annotated[tuple[Site, ...], Help("The reverse proxy.")] = ()
    tls: Annotated[Tls, Help("TLS.")] = Tls()
    limits: Annotated[Limits, Help("Bounds.")] = Limits()
    timeouts: Annotated[Timeouts, Help("Waiting times.")] = Timeouts()
    network: Annotated[Network, Help("Addresses, ports and names.")] = Network()
    scan: Annotated[Scan, Help("Content that plugins want whole.")] = Scan()
    log: Annotated[Log, Help("Logs.")] = Log()
    threads: Annotated[Threads, Help("Threads.")] = Threads()
    plugins: Annotated[Plugins, Help("Plugins.")] = Plugins()
    admin: Annotated[Admin, Help("Health and metrics.")] = Admin()
    sources: Annotated[Sources, Hidden()] = Sources()
    """Where each value stood, for later faults; no part of what the configuration means."""

    @property
    def reverse_listeners(self) -> tuple[tuple[Listen, tuple[Site, ...]], ...]:
        """Each listener of the reverse proxy with the sites that share it, in the order of the file."""
        shared: dict[Listen, list[Site]] = {}
        for site in self.site:
            for place in site.listen:
                shared.setdefault(place, []).append(site)
        return tuple((place, tuple(sites)) for place, sites in shared.items())
