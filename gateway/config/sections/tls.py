"""C{[tls]}: TLS with clients and with upstreams."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from gateway.config.hosts import HostSet
from gateway.config.kind import Help
from gateway.config.kinds.numbers import WholeKind
from gateway.config.kinds.texts import FilePath, PathKind, TextKind
from gateway.config.kinds.tls import (
    DayKind,
    ListedHostsKind,
    ca_name,
    exact_host,
    fingerprint,
    presented_host,
    signed_domain,
)
from gateway.config.sections.section import Section


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
    on_http2_only: Annotated[
        Literal["auto", "tunnel", "block"],
        Help(
            "What becomes of a tunnel that is to be decrypted to a server that speaks nothing but HTTP/2, which the "
            'gateway does not read. "auto": it passes unread, unless `on_unknown_protocol` is "block" or plugins '
            'scan or filter the content of answers; "tunnel": also then; "block": the client gets a page that says '
            "why. It never passes where a plugin wants it decrypted."
        ),
    ] = "auto"
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
