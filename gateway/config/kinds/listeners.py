"""How a listener is written: an address, or a table with its options and its TLS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from gateway.config import addresses
from gateway.config.faults import BadValue
from gateway.config.kind import FAULTY, Faulty, Help, Kind, Place, quoted, text_of
from gateway.config.kinds.numbers import WholeKind
from gateway.config.kinds.texts import PathKind
from gateway.config.reading import read_table


class TlsTable(msgspec.Struct, frozen=True, kw_only=True):
    """The TLS of a listener."""

    certificate: Annotated[
        str,
        PathKind(special=()),
        Help(
            "PEM file with the certificate, its issuers after it, and the key; or a folder of such "
            "files. Shown for hosts whose site has none of its own.",
            '"/etc/gateway/proxy.pem"',
        ),
    ]
    key: Annotated[
        str,
        PathKind(),
        Help("PEM file with the key. Empty: with the certificate, or beside it as NAME.key."),
    ] = ""
    staple: Annotated[
        str,
        PathKind(),
        Help(
            "OCSP response (DER) to send to clients that ask for one. Empty: the certificate's "
            "path with `.ocsp` after it, if that is there."
        ),
    ] = ""
    client_ca: Annotated[
        str,
        PathKind(),
        Help("PEM file with the authorities whose certificates clients have to show. Empty: none."),
    ] = ""
    client_certificate: Annotated[
        Literal["required", "optional"],
        Help('With `client_ca`: "optional" lets clients without a certificate in, too.'),
    ] = "required"


class ListenTable(msgspec.Struct, frozen=True, kw_only=True):
    """A listener with more than its address."""

    address: Annotated[
        str, Help("Where it listens, written as in the short form.", '"0.0.0.0:8080"')
    ]
    proxy_protocol: Annotated[
        bool,
        Help(
            "Every connection begins with a PROXY protocol header (version 1 or 2) that tells "
            "the client's address; "
            "connections from elsewhere than `network.trusted_proxies` are closed."
        ),
    ] = False
    max_connections: Annotated[
        int,
        WholeKind(zero="only limits.connections counts"),
        Help("Client connections open on it at once."),
    ] = 0
    tls: Annotated[
        TlsTable | None,
        Help(
            "With it clients connect by TLS: to an HTTPS proxy, or to sites.",
            '{ certificate = "/etc/gateway/proxy.pem" }',
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class ListenKind(Kind):
    """A listener: a string, or a table with its options."""

    name: ClassVar[str] = "listener"
    table: ClassVar[type | None] = ListenTable
    is_optional: bool = False
    """An empty string means no listener, and gives None."""
    has_options: bool = True

    def read(self, raw: object, place: Place) -> addresses.Listen | Faulty | None:
        """Read either form."""
        if isinstance(raw, str) and not raw and self.is_optional:
            return None
        if isinstance(raw, str) or not self.has_options:
            return addresses.listen(text_of(raw, 'an address such as "127.0.0.1:8080"'))
        if isinstance(raw, int):
            raise BadValue(f"{raw} has no address", f'"127.0.0.1:{raw}"')
        options = read_table(ListenTable, raw, place)
        if isinstance(options, Faulty):
            return FAULTY
        try:
            found = addresses.listen(options.address)
        except BadValue as error:
            at = place if error.part else place.child("address")
            return at.bad(error)
        return addresses.Listen(
            found.address,
            found.port,
            options.proxy_protocol,
            options.max_connections,
            found.kind,
            found.index,
            _listen_tls(options.tls),
        )

    def toml(self, value: Any) -> str:
        """Write the short form where it is enough."""
        if value is None:
            return '""'
        options = ""
        if value.proxy_protocol:
            options += ", proxy_protocol = true"
        if value.max_connections:
            options += f", max_connections = {value.max_connections}"
        if value.tls is not None:
            options += f", tls = {_tls_text(value.tls)}"
        return f"{{ address = {quoted(str(value))}{options} }}" if options else quoted(str(value))


def _listen_tls(table: TlsTable | None) -> addresses.ListenTls | None:
    if table is None:
        return None
    return addresses.ListenTls(
        table.certificate, table.key, table.staple, table.client_ca, table.client_certificate
    )


def _tls_text(tls: addresses.ListenTls) -> str:
    keys = ("certificate", "key", "staple", "client_ca")
    parts = [f"{key} = {quoted(value)}" for key in keys if (value := getattr(tls, key))]
    if tls.client_certificate != "required":
        parts.append(f"client_certificate = {quoted(tls.client_certificate)}")
    return "{ " + ", ".join(parts) + " }"
