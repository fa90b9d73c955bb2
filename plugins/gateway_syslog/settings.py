"""
C{[plugins.syslog]}: who gets messages, on which way and how they are written.

Files for TLS are read with the configuration: their faults are shown with its own, and what is read may belong to an account that
the gateway gives up afterwards.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import crypto
from twisted.internet import ssl

from gateway.api import ChannelRules, Notify, Severity
from gateway.api.settings import (
    BadValue,
    Duration,
    DurationKind,
    Events,
    EventSet,
    Help,
    Least,
    NotifyMap,
    PathKind,
    Secret,
    SecretText,
    SizeKind,
    TextKind,
    receiver_label,
    told_apart,
)
from gateway_syslog.rfc5424 import FACILITIES

PORTS = {"udp": 514, "tcp": 514, "tls": 6514}
#: Longest message where the setting says nothing: what RFC 5424 section 6.1 wants every receiver to take, and what most servers take.
MOST_BYTES = {"udp": 2048, "tcp": 8192, "tls": 8192}
LEAST_BYTES = 1024
#: Alarms that are written to a connection together.
MOST_TOGETHER = 500
_UDP_MOST = 65507
_MOST_FILE = 1 << 20

_HOST = re.compile(r"[0-9A-Za-z._:%-]{1,253}")
_SD_ID = re.compile(r'[^ \x00-\x20\x7f-\U0010ffff="\]@]{1,26}@[0-9]+(\.[0-9]+)*')
_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Address:
    """
    Where a receiver listens.

    @ivar host: a name or an IP address, an IPv6 address without brackets.
    @ivar port: 0: the usual one of the transport.
    """

    host: str
    port: int = 0

    def __str__(self) -> str:
        """Write it as it is written in the configuration."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port else host


def address(text: str) -> Address:
    """
    Read an address.

    @raise BadValue: it is none.
    """
    advice = '"10.0.0.8:514", "[2001:db8::8]:6514" or "logs.example.com"'
    found = re.fullmatch(r"(\[[0-9A-Fa-f:.%a-z]+\]|[^:\[\]]+)(?::([0-9]{1,5}))?", text)
    if found is None:
        raise BadValue(f'"{text}" is no address of a syslog server', advice)
    host, port = found[1].strip("[]"), found[2]
    if not _HOST.fullmatch(host) or (port is not None and not 0 < int(port) < 65536):
        raise BadValue(f'"{text}" is no address of a syslog server', advice)
    return Address(host, int(port or 0))


def facility(text: str) -> str:
    """
    Check the name of a facility.

    @raise BadValue: there is none of that name.
    """
    if text not in FACILITIES:
        raise BadValue(f'"{text}" is no facility', "one of " + ", ".join(FACILITIES))
    return text


def sd_id(text: str) -> str:
    """
    Check the name of an element of structured data of our own (RFC 5424 section 6.3.2).

    @raise BadValue: it is none.
    """
    if not _SD_ID.fullmatch(text) or len(text) > 26:
        raise BadValue(
            f'"{text}" is no name for structured data',
            'a name, "@" and your private enterprise number, at most 26 characters: "gateway@32473"',
        )
    return text


@dataclass(frozen=True, slots=True)
class Certificates:
    """
    Certificates out of a PEM file.

    @ivar path: where they were read.
    @ivar found: in their order there; at least one.
    """

    path: str
    found: tuple[ssl.Certificate, ...]


class CertificatesKind(PathKind):
    """A PEM file of certificates, or an empty text for none."""

    def read(self, raw: object, place: Any) -> Any:
        """Read the certificates in the file."""
        path = super().read(raw, place)
        if not path:
            return None
        try:
            with open(path, encoding="ascii", errors="replace") as stream:
                blocks = _CERTIFICATE.findall(stream.read(_MOST_FILE))
        except OSError as error:
            raise BadValue(f'cannot read "{path}": {error.strerror}') from None
        try:
            found = tuple(ssl.Certificate.loadPEM(block) for block in blocks)
        except Exception:
            # Whatever OpenSSL calls its faults.
            found = ()
        if not found:
            raise BadValue(f'"{path}" holds no certificates', "a file in PEM form")
        return Certificates(path, found)

    def toml(self, value: Any) -> str:
        """Write the path."""
        return super().toml(value.path if value else "")


def own_certificate(certificate: ssl.Certificate, secret: Secret) -> Any:
    """
    Give a certificate with its private key.

    @raise ValueError: they do not belong together, or the key is none.
    """
    try:
        # OpenSSL itself would ask for a password at the terminal.
        key: Any = load_pem_private_key(secret.reveal().encode(), None)
        pair = ssl.KeyPair(crypto.PKey.from_cryptography_key(key))
    except Exception:
        # No word of theirs: it may show what is in the file.
        raise ValueError("key: it holds no private key in PEM form without a password") from None
    if certificate.original.to_cryptography().public_key() != key.public_key():
        raise ValueError("key: it is not the one of the certificate")
    return ssl.PrivateCertificate.fromCertificateAndKeyPair(certificate, pair)


@dataclass(frozen=True, slots=True)
class Receiver:
    """One C{to} of C{[plugins.syslog]}; a lone string is its address."""

    shorthand: ClassVar[str] = "address"

    address: Annotated[
        Address,
        TextKind("host:port or host", address),
        Help(
            "Where the syslog server listens. Without a port: 514, by TLS 6514.", '"10.0.0.8:514"'
        ),
    ]
    transport: Annotated[
        Literal["udp", "tcp", "tls"],
        Help("How messages get there. By `udp` nobody notices what is lost."),
    ] = "tcp"
    format: Annotated[
        Literal["rfc5424", "cef", "json"],
        Help("How an alarm is written: structured data and a text, CEF, or a JSON object."),
    ] = "rfc5424"
    header: Annotated[
        Literal["rfc5424", "none"],
        Help("What stands before CEF and JSON: the head of RFC 5424, or nothing."),
    ] = "rfc5424"
    framing: Annotated[
        Literal["octets", "newline"],
        Help(
            "How a receiver by TCP or TLS knows where a message ends: by its length before it (RFC 6587 section 3.4.1, RFC 5425), "
            "or by the end of the line."
        ),
    ] = "octets"
    facility: Annotated[
        str,
        TextKind("a facility", facility),
        Help("The facility: " + ", ".join(f"`{name}`" for name in FACILITIES) + "."),
    ] = "local0"
    sd_id: Annotated[
        str,
        TextKind("a name and an enterprise number", sd_id),
        Help(
            "Name of the structured data. 32473 is the enterprise number for examples (RFC 5612); put your own there if "
            "your receivers tell devices apart by it."
        ),
    ] = "gateway@32473"
    max_size: Annotated[
        int,
        SizeKind(zero="2048 bytes by UDP, else 8192"),
        Help("Longest message; texts in longer ones are cut and say so."),
    ] = 0
    name: Annotated[
        str,
        TextKind("a name", receiver_label),
        Help(
            "What the receiver is called in the log, in metrics and in the queue, up to 200 characters. Empty: transport and address.",
            '"siem"',
        ),
    ] = ""
    events: Annotated[Events, Help("Which events.", '["*", "-config_reloaded"]')] = EventSet()
    least: Annotated[Least, Help("Less severe ones are not sent.")] = Severity.INFO
    notify: Annotated[
        NotifyMap,
        Help("How some events are sent, over `always`.", '{ filetype_found = "digest" }'),
    ] = field(default_factory=dict)
    limit: Annotated[
        float,
        DurationKind(zero="each event by itself"),
        Help("Events of a kind are sent no more often than this, with how many there were."),
    ] = 0.0
    digest: Annotated[
        float | None, DurationKind(), Help("Period of digests; `notify.digest` unless set.")
    ] = None
    timeout: Annotated[
        Duration, Help("Time for one attempt, with the connection and the receiver's answer to it.")
    ] = 30.0
    trust: Annotated[
        Certificates | None,
        CertificatesKind(),
        Help(
            "PEM file of the authorities, or of the very certificate, that the receiver's certificate is verified by. Empty: the system's.",
            '"/etc/gateway/syslog-ca.pem"',
        ),
    ] = None
    tls_name: Annotated[
        str, Help("Name that the receiver's certificate must be for. Empty: the host of `address`.")
    ] = ""
    certificate: Annotated[
        Certificates | None,
        CertificatesKind(),
        Help("PEM file of our own certificate, with those between it and its authority."),
    ] = None
    key: Annotated[
        SecretText | None,
        Help("Its private key, in PEM form.", '{ file = "/etc/gateway/syslog.key" }'),
    ] = None

    def __post_init__(self) -> None:
        """
        Look at what must go together.

        @raise ValueError: it does not.
        """
        if self.max_size and self.max_size < LEAST_BYTES:
            raise ValueError(f"max_size: {LEAST_BYTES} bytes at the least")
        if self.transport == "udp" and self.max_size > _UDP_MOST:
            raise ValueError(f"max_size: a datagram has {_UDP_MOST} bytes at the most")
        if self.transport == "udp" and self.framing != "octets":
            raise ValueError("framing: by UDP every message has a datagram of its own")
        if self.format == "rfc5424" and self.header == "none":
            raise ValueError('header: the format "rfc5424" is nothing without it')
        secured = (self.trust, self.certificate, self.key, self.tls_name or None)
        if self.transport != "tls" and any(one is not None for one in secured):
            raise ValueError('trust, tls_name, certificate and key are for transport = "tls"')
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together")
        if self.certificate is not None and self.key is not None:
            own_certificate(self.certificate.found[0], self.key)

    @property
    def most_bytes(self) -> int:
        """The longest message."""
        return self.max_size or MOST_BYTES[self.transport]

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.address.port or PORTS[self.transport]

    @property
    def label(self) -> str:
        """What it is called."""
        return self.name or f"{self.transport}:{Address(self.address.host, self.port)}"

    @property
    def rules(self) -> ChannelRules:
        """What it is told of."""
        return ChannelRules(
            least=self.least,
            wants=self.events.matches,
            notify=self.notify,
            default=Notify.ALWAYS,
            digest_seconds=self.digest,
            limit_seconds=self.limit,
            most_together=MOST_TOGETHER,
            timeout_seconds=self.timeout,
        )


@dataclass(frozen=True, slots=True)
class SyslogSettings:
    """C{[plugins.syslog]}."""

    to: Annotated[
        tuple[Receiver, ...],
        Help(
            "The receivers; each gets all events that it is for.",
            '[{ address = "10.0.0.8:6514", transport = "tls" }]',
        ),
    ] = ()

    def __post_init__(self) -> None:
        """
        See that receivers can be told apart.

        @raise ValueError: two are called the same.
        """
        told_apart([receiver.label for receiver in self.to])
