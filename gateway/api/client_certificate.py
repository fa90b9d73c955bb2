"""Who a client is by its certificate (mutual TLS)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """
    The certificate of a client, after it was verified against the authorities of the listener.

    It says who made the connection, not who sent a request on it through another proxy. The texts are the client's
    own words, signed by an authority of the operator: a log escapes them as any other.

    @ivar subject: the distinguished name as of RFC 4514, such as C{CN=alice,O=Example}; may be empty.
    @ivar issuer: the name of the authority that signed it, likewise.
    @ivar names: its subject alternative names: DNS names, e-mail addresses, URIs and IP addresses.
    @ivar fingerprint: SHA-256 over the certificate (DER), 64 digits in lower case.
    @ivar serial: its serial number, in hexadecimal digits in lower case.
    """

    subject: str
    issuer: str
    names: tuple[str, ...]
    fingerprint: str
    serial: str
