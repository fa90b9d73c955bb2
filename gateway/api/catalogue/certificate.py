"""
Certificates and TLS: what runs out, what was exchanged or refused, what is passed on unread.

Unless a site says otherwise these come with the digest only.
"""

from __future__ import annotations

from typing import Final

from gateway.api.events import EventField, EventGroup, EventType, Notify, Severity

_UNTIL = EventField("until", "The last day.", "2026-06-30")
_DAYS = EventField("days", "How many days are left; less than 0: it is over.", "29")
_FAMILY = EventField(
    "family",
    "Which kind of client, as its ClientHello tells; empty: all.",
    "ja4_t13d1516h2_8daaf6152771",
)
_BY = EventField("by", "Who let it begin: operator or automatic.", "operator")

CERTIFICATE_EXPIRES: Final = EventType(
    name="certificate_expires",
    number=60,
    severity=Severity.WARNING,
    group=EventGroup.CERTIFICATE,
    title="certificate expires",
    when="A certificate of a site or a listener expires in 30, 7 or 1 days, or has expired. Once each; from 1 day on an error.",
    act=(
        "Put the new certificate, with its chain and key, into the files that the text names: they are read within a "
        "minute, no reload is needed. If a program renews it, see why it did not."
    ),
    subject="the certificate's file",
    fields=(
        EventField("names", "The names that it is for.", "www.example.com, example.com"),
        _UNTIL,
        _DAYS,
    ),
    trap="gwCertExpiry",
)

CA_EXPIRES: Final = EventType(
    name="ca_expires",
    number=61,
    severity=Severity.WARNING,
    group=EventGroup.CERTIFICATE,
    title="the gateway's CA expires",
    when=(
        "The CA that signs for decrypted sites expires in 30, 7 or 1 days, or has expired. Once each; from 1 day on an "
        "error."
    ),
    act=(
        "Make the next one with gateway ca rotate, with --in-days and fewer days than are left, and let clients install it "
        "before it signs; then gateway reload. Afterwards every decrypted site is an error for clients that do not have it."
    ),
    subject="the CA's folder",
    fields=(
        EventField("names", "What the CA is called.", "Example Gateway CA"),
        _UNTIL,
        _DAYS,
    ),
    trap="gwCertExpiry",
)

CERTIFICATE_REFUSED: Final = EventType(
    name="certificate_refused",
    number=62,
    severity=Severity.ERROR,
    group=EventGroup.CERTIFICATE,
    title="changed certificate not used",
    when="The files of a certificate were changed, and are damaged, expired or do not belong together. Once for each change.",
    act="Mend the files. The certificate before goes on being shown until then, as long as it is valid.",
    subject="the certificate's file",
    trap="gwTls",
)

CERTIFICATE_EXCHANGED: Final = EventType(
    name="certificate_exchanged",
    number=63,
    severity=Severity.INFO,
    group=EventGroup.CERTIFICATE,
    title="certificate exchanged",
    when="Changed files of a certificate were read and are used. Each time.",
    act="Nothing.",
    subject="the certificate's file",
    trap="gwTls",
    notify=Notify.NEVER,
)

UPSTREAM_CERTIFICATE_REFUSED: Final = EventType(
    name="upstream_certificate_refused",
    number=64,
    severity=Severity.INFO,
    group=EventGroup.CERTIFICATE,
    title="server's certificate refused",
    when=(
        "The certificate that a server showed could not be verified, so the connection was not used. At most once a minute "
        "for a server and reason, with the number of times."
    ),
    act=(
        "Look at what the digest has most of. unknown_root or incomplete_chain of an own server: put its CA into tls.trust. "
        "Of a well-known server it may be somebody in between: do not make an exception."
    ),
    subject="the server's name",
    fields=(
        EventField("reason", "What is wrong with it.", "unknown_root"),
        EventField("times", "How many connections since this was told last.", "17"),
    ),
    trap="gwTls",
)

TLS_PINNED: Final = EventType(
    name="tls_pinned",
    number=65,
    severity=Severity.WARNING,
    group=EventGroup.CERTIFICATE,
    title="apps may refuse to be decrypted",
    when="Clients of one kind refused the gateway's certificate for a name three times within ten minutes. Once for each.",
    act=(
        "If an app of yours does not work, pass the name on unread: gateway tls pins --bypass and the name, for good in "
        "tls.never_decrypt. If no such client accepts any of our certificates, install the CA on it."
    ),
    subject="the name",
    fields=(
        _FAMILY,
        EventField("refusals", "How often it was refused.", "3"),
        EventField("clients", "By how many clients.", "2"),
        EventField("trusting", "How many of them have accepted other certificates of ours.", "2"),
    ),
    trap="gwTls",
)

TLS_BYPASS_BEGUN: Final = EventType(
    name="tls_bypass_begun",
    number=66,
    severity=Severity.WARNING,
    group=EventGroup.CERTIFICATE,
    title="name passed on unread",
    when="An operator, or tls.pinned_bypass, let a name be passed on unread for a time. Each time; an operator's is no warning.",
    act="If it works well that way, put the name into tls.never_decrypt; else end it: gateway tls pins --forget and the name.",
    subject="the name",
    fields=(_BY, _FAMILY, EventField("seconds", "For how long, in seconds.", "86400")),
    trap="gwTls",
)

TLS_BYPASS_ENDED: Final = EventType(
    name="tls_bypass_ended",
    number=67,
    severity=Severity.INFO,
    group=EventGroup.CERTIFICATE,
    title="name no longer passed on unread",
    when="The time of such a name is over, or somebody ended it. Each time.",
    act="Nothing.",
    subject="the name",
    fields=(_BY, _FAMILY),
    trap="gwTls",
    notify=Notify.NEVER,
)

TLS_CA_MISSING: Final = EventType(
    name="tls_ca_missing",
    number=68,
    severity=Severity.WARNING,
    group=EventGroup.CERTIFICATE,
    title="client lacks the gateway's CA",
    when=(
        "A client refused the gateway's certificates for four names and accepted none in between. Once for each client, and "
        "for 20 clients in ten minutes at the most."
    ),
    act=(
        "Install the CA on that client: it is offered at the gateway's own page for it. If many clients have this at once, "
        "a new CA signs before all have it: gateway ca show."
    ),
    subject="the client's address",
    trap="gwTls",
)

TLS_HTTP2_ONLY: Final = EventType(
    name="tls_http2_only",
    number=69,
    severity=Severity.WARNING,
    group=EventGroup.CERTIFICATE,
    title="server speaks HTTP/2 alone",
    when="A server that was to be decrypted speaks HTTP/2 alone and is passed on unread for an hour. Each time it is found.",
    act="If it is to be so for good, put the name into tls.never_decrypt; if nothing may pass unread, set tls.on_http2_only to block.",
    subject="the server's name",
    fields=(
        EventField("port", "Its port.", "443"),
        EventField("seconds", "For how long, in seconds.", "3600"),
    ),
    trap="gwTls",
)

TYPES: Final = (
    CERTIFICATE_EXPIRES,
    CA_EXPIRES,
    CERTIFICATE_REFUSED,
    CERTIFICATE_EXCHANGED,
    UPSTREAM_CERTIFICATE_REFUSED,
    TLS_PINNED,
    TLS_BYPASS_BEGUN,
    TLS_BYPASS_ENDED,
    TLS_CA_MISSING,
    TLS_HTTP2_ONLY,
)
