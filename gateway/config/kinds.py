"""
The kinds of settings: sizes, durations, ports, networks, addresses, paths, secrets.

The aliases at the end are what a struct uses, C{limit: Annotated[Size, Help("...")] = 64 * KIB}, that of a plugin too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import msgspec

from gateway.config import addresses, hosts, networks, ports, secrets, units
from gateway.config.faults import BadValue, nearest
from gateway.config.kind import FAULTY, Faulty, Help, Kind, Place, kind_name, quoted, text_of
from gateway.config.parents import Parent, parent
from gateway.config.reading import read_array, read_table


@dataclass(frozen=True, slots=True)
class SizeKind(Kind):
    """Bytes, as an int."""

    name: ClassVar[str] = "size"
    zero: str = ""
    """What 0 means; where it means nothing, 0 is a fault."""
    least: int = 1

    def read(self, raw: object, place: Place) -> int:
        """Take C{"2GiB"}, or a bare number of bytes."""
        if isinstance(raw, int) and not isinstance(raw, bool):
            if raw < 0 or raw > units.MAX_BYTES:
                raise BadValue(f"{raw} is not a size", 'write it like "64KiB" or "2GiB"')
            count = raw
        else:
            count = units.size(text_of(raw, 'a size such as "64KiB"'))
        if count == 0 and self.zero:
            return 0
        if count < self.least:
            allowed = f"at least {units.size_text(self.least)}" + (
                f", or 0 for {self.zero}" if self.zero else ""
            )
            raise BadValue(f"{units.size_text(count)} is too small", allowed)
        return count

    def toml(self, value: Any) -> str:
        """Write it with its unit."""
        return quoted(units.size_text(value)) if value else "0"

    @property
    def unit(self) -> str:
        """Say what 0 means."""
        return f"size; 0 = {self.zero}" if self.zero else "size"


@dataclass(frozen=True, slots=True)
class DurationKind(Kind):
    """Seconds, as a float."""

    name: ClassVar[str] = "duration"
    zero: str = ""
    """What 0 means; where it means nothing, 0 is a fault."""

    def read(self, raw: object, place: Place) -> float:
        """Take C{"30s"}; a bare number only when it is 0."""
        if isinstance(raw, (int, float)) and not isinstance(raw, bool):
            if raw != 0:
                raise BadValue(
                    f"{raw} has no unit", f'"{raw}s" for seconds, "{raw}ms" for milliseconds'
                )
            seconds = 0.0
        else:
            seconds = units.duration(text_of(raw, 'a duration such as "30s"'))
        if seconds == 0 and not self.zero:
            raise BadValue("a duration of 0", "it must be more than nothing")
        return seconds

    def toml(self, value: Any) -> str:
        """Write it with its unit."""
        return quoted(units.duration_text(value)) if value else "0"

    @property
    def unit(self) -> str:
        """Say what 0 means."""
        return f"duration; 0 = {self.zero}" if self.zero else "duration"


@dataclass(frozen=True, slots=True)
class WholeKind(Kind):
    """A whole number within bounds."""

    name: ClassVar[str] = "number"
    low: int = 0
    high: int = 2**31 - 1
    zero: str = ""
    """What 0 means, for the documentation."""

    def read(self, raw: object, place: Place) -> int:
        """Take a number within the bounds."""
        if isinstance(raw, bool) or not isinstance(raw, int):
            raise BadValue(f"expected a whole number, found {kind_name(raw)}")
        if not self.low <= raw <= self.high:
            raise BadValue(f"{raw} is not in {self.low}..{self.high}")
        return raw

    def toml(self, value: Any) -> str:
        """Write the digits."""
        return str(value)

    @property
    def unit(self) -> str:
        """Say the bounds and what 0 means."""
        bounds = f"{self.low} or more" if self.high == 2**31 - 1 else f"{self.low}..{self.high}"
        return f"number, {bounds}" + (f"; 0 = {self.zero}" if self.zero else "")


@dataclass(frozen=True, slots=True)
class TextKind(Kind):
    """A string that one function of this package checks and turns into a value."""

    name: ClassVar[str] = "string"
    what: str
    """What is written, such as C{URL}."""
    convert: Callable[[str], Any]

    def read(self, raw: object, place: Place) -> Any:
        """Convert a string."""
        return self.convert(text_of(raw, self.what))

    def toml(self, value: Any) -> str:
        """Write what C{str} makes of the value."""
        return quoted(str(value))

    @property
    def unit(self) -> str:
        """Say what is written."""
        return self.what


@dataclass(frozen=True, slots=True)
class NetworksKind(Kind):
    """An array of IP networks, as a L{networks.NetworkSet}."""

    name: ClassVar[str] = "IP networks"

    def read(self, raw: object, place: Place) -> networks.NetworkSet | Faulty:
        """Read each network."""
        found = read_array(
            Annotated[networks.Network, TextKind("an IP network", networks.network)], raw, place
        )
        return found if isinstance(found, Faulty) else networks.NetworkSet(found)

    def toml(self, value: Any) -> str:
        """Write an array."""
        return _array(quoted(str(item)) for item in value)


@dataclass(frozen=True, slots=True)
class HostsKind(Kind):
    """An array of host patterns, as a L{hosts.HostSet}."""

    name: ClassVar[str] = "host patterns"

    def read(self, raw: object, place: Place) -> hosts.HostSet | Faulty:
        """Read each pattern."""
        found = read_array(Annotated[str, TextKind("a host pattern", self.pattern)], raw, place)
        return found if isinstance(found, Faulty) else hosts.HostSet(found)

    @staticmethod
    def pattern(text: str) -> str:
        """
        Check one pattern.

        @raise BadValue: when it is none.
        """
        hosts.HostSet([text])
        return text

    def toml(self, value: Any) -> str:
        """Write an array."""
        return _array(map(quoted, value))


@dataclass(frozen=True, slots=True)
class PortsKind(Kind):
    """Ports, as a L{ports.PortSet}: a number, a range, or an array of both."""

    name: ClassVar[str] = "ports"

    def read(self, raw: object, place: Place) -> ports.PortSet:
        """Read numbers and ranges."""
        if raw == "":
            return ports.PortSet()
        ranges = []
        for index, item in enumerate(raw if isinstance(raw, list) else [raw]):
            try:
                ranges.append(ports.port_range(item))
            except BadValue as error:
                (place.child(index) if isinstance(raw, list) else place).bad(error)
        return ports.PortSet(ranges)

    def toml(self, value: Any) -> str:
        """Write an array."""
        return _array(str(a) if a == b else f'"{a}-{b}"' for a, b in value.ranges)


@dataclass(frozen=True, slots=True)
class PathKind(Kind):
    """A path; a relative one begins in the folder of the file that says it."""

    name: ClassVar[str] = "path"
    special: tuple[str, ...] = ("",)
    """Texts that mean something else than a path."""

    def read(self, raw: object, place: Place) -> str:
        """Make it absolute, or as absolute as the name of the configuration file is."""
        text = text_of(raw, "a path")
        if text in self.special:
            return text
        if not text or "\0" in text:
            raise BadValue("this cannot be a path")
        return os.path.join(place.folder, text)

    def toml(self, value: Any) -> str:
        """Write it."""
        return quoted(value)


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


class SecretTable(msgspec.Struct, frozen=True, kw_only=True):
    """Where a secret is kept; exactly one of the three."""

    file: Annotated[str, Help("A file that holds it; the line end at its end is cut off.")] = ""
    env: Annotated[str, Help("An environment variable that holds it.")] = ""
    credential: Annotated[
        str, Help("The name of a credential passed by systemd (`LoadCredential=`).")
    ] = ""


@dataclass(frozen=True, slots=True)
class SecretKind(Kind):
    """A secret, read from where the table says."""

    name: ClassVar[str] = "secret"
    table: ClassVar[type | None] = SecretTable

    def read(self, raw: object, place: Place) -> secrets.Secret | Faulty:
        """Fetch the secret."""
        advice = 'say where it is kept: { file = "..." }, { env = "..." } or { credential = "..." }'
        if not isinstance(raw, dict):
            raise BadValue("a secret is not written here", advice)
        where = read_table(SecretTable, raw, place)
        if isinstance(where, Faulty):
            return FAULTY
        match [bool(where.file), bool(where.env), bool(where.credential)]:
            case [True, False, False]:
                return secrets.from_file(os.path.join(place.folder, where.file))
            case [False, True, False]:
                return secrets.from_environment(where.env, place.survey.environ)
            case [False, False, True]:
                return secrets.from_credential(where.credential, place.survey.environ)
        if place.survey.is_faulty(place.path):
            return FAULTY
        raise BadValue("a secret is kept in exactly one place", advice)

    def toml(self, value: Any) -> str:
        """Show that there is one, and nothing of it."""
        return '"<secret>"' if value else '""'


class ParentTable(msgspec.Struct, frozen=True, kw_only=True, rename={"for_": "for"}):
    """One parent proxy."""

    url: Annotated[
        str,
        Help("The parent, with or without `user:password@`.", '"http://parent.example.com:3128"'),
    ]
    user: Annotated[str, Help("User name for the parent (Basic, RFC 7617).")] = ""
    password: Annotated[secrets.Secret | None, SecretKind(), Help("Its password.")] = None
    for_: Annotated[hosts.HostSet, HostsKind(), Help("Hosts whose requests go through it.")] = (
        hosts.HostSet(["*"])
    )
    no_proxy: Annotated[
        hosts.HostSet, HostsKind(), Help("Hosts whose requests do not, although `for` holds them.")
    ] = hosts.HostSet()


@dataclass(frozen=True, slots=True)
class ParentKind(Kind):
    """A parent proxy: an URL, or a table."""

    name: ClassVar[str] = "parent proxy"
    table: ClassVar[type | None] = ParentTable

    def read(self, raw: object, place: Place) -> Parent | Faulty:
        """Read either form."""
        told = read_table(ParentTable, {"url": raw} if isinstance(raw, str) else raw, place)
        if isinstance(told, Faulty):
            return FAULTY
        try:
            return parent(told.url, told.user, told.password, told.for_, told.no_proxy)
        except BadValue as error:
            at = (
                place
                if isinstance(raw, str) or error.part in ("user", "password")
                else place.child("url")
            )
            return at.fault(error.message, error.mend)

    def toml(self, value: Any) -> str:
        """Write it without its credentials."""
        return f"{{ url = {quoted(str(value))} }}"


def token(text: str) -> str:
    """
    Check a pseudonym or host with port, as a Via field names its maker (RFC 9110 section 7.6.3).

    @raise BadValue: when characters are in it that a field cannot hold there.
    """
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]*(:[0-9]{1,5})?", text):
        raise BadValue(
            f'"{text}" cannot stand in a Via field', 'a name such as "gateway-1", or host:port'
        )
    return text


def url_path(text: str) -> str:
    """
    Check the path of an URL, or an empty text.

    @raise BadValue: when it does not begin with a slash, or holds what no path can.
    """
    if text and not text.startswith("/"):
        raise BadValue(f'"{text}" does not begin with "/"', f'"/{text}"')
    if re.search(r"[^!-~]|#", text):
        raise BadValue(f'"{text}" cannot be a path', "percent-encode what is not plain ASCII")
    return text


def site_path(text: str) -> str:
    """
    Check the path prefix of a site.

    @raise BadValue: also when it is empty or holds a query.
    """
    if not text:
        raise BadValue("a site needs a path", '"/" for every path')
    if "?" in text:
        raise BadValue(f'"{text}" holds a query', "a site is chosen by the path alone")
    return url_path(text)


def log_format(text: str) -> str:
    """
    Check the name of a format of the access log.

    @raise BadValue: when there is none of that name.
    """
    names = ("squid", "combined", "json")
    if text in names or (text.startswith("custom ") and text[7:].strip()):
        return text
    near = nearest(text, names)
    advice = '"squid", "combined", "json" or "custom " and a format string'
    raise BadValue(
        f'"{text}" is not a format', f'did you mean "{near}"? {advice}' if near else advice
    )


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


def _array(items: Any) -> str:
    return "[" + ", ".join(items) + "]"


Size: TypeAlias = Annotated[int, SizeKind()]
SizeOrZero: TypeAlias = Annotated[int, SizeKind(zero="no limit")]
Duration: TypeAlias = Annotated[float, DurationKind()]
DurationOrZero: TypeAlias = Annotated[float, DurationKind(zero="no limit")]
Networks: TypeAlias = Annotated[networks.NetworkSet, NetworksKind()]
Hosts: TypeAlias = Annotated[hosts.HostSet, HostsKind()]
Ports: TypeAlias = Annotated[ports.PortSet, PortsKind()]
FilePath: TypeAlias = Annotated[str, PathKind()]
SecretText: TypeAlias = Annotated[secrets.Secret, SecretKind()]
