"""
Addresses as they are written in the file: listeners, origins and name servers.

Everything here is a value; opening sockets is the business of those who use it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from gateway.config.faults import BadValue
from gateway.config.hosts import host_name
from gateway.config.networks import NetworkSet, is_address
from gateway.config.ports import port

Kind: TypeAlias = Literal["tcp", "unix", "systemd"]
Scheme: TypeAlias = Literal["http", "https"]

MAX_UNIX_PATH = 107
"""Bytes that fit into C{sun_path} with its end mark (unix(7))."""

DEFAULT_PORTS: dict[str, int] = {"http": 80, "https": 443}

_LOOPBACK = NetworkSet.of("127.0.0.0/8", "::1")
_HOST_PORT = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*):(-?[0-9]{1,9})")
_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?:(?P<userinfo>[^@/?#]*)@)?(?P<authority>[^@/?#]*)(?P<rest>.*)"
)


@dataclass(frozen=True, slots=True)
class ListenTls:
    """The TLS of a listener: the certificate for hosts whose site has none of its own, and what clients show."""

    certificate: str
    """Path of a PEM file, or of a folder of them."""
    key: str = ""
    """Path of the key; empty: it is with the certificate."""
    staple: str = ""
    client_ca: str = ""
    client_certificate: Literal["required", "optional"] = "required"


@dataclass(frozen=True, slots=True)
class Listen:
    """One place where clients are accepted."""

    address: str
    """An IP address without brackets (C{0.0.0.0}, C{::} for every one); a path for C{unix}; empty for C{systemd}."""
    port: int = 0
    """0 for C{unix} and C{systemd}."""
    proxy_protocol: bool = False
    """Each connection begins with a PROXY protocol header, believed from C{network.trusted_proxies} only."""
    max_connections: int = 0
    """Client connections accepted at once; 0 = no limit of its own."""
    kind: Kind = "tcp"
    index: int = 0
    """Which of the sockets that systemd passed (C{LISTEN_FDS}), counted from 0."""
    tls: ListenTls | None = None
    """None: plain, unless a site on it has a certificate."""

    def __str__(self) -> str:
        """Write it as in the file."""
        if self.kind == "unix":
            return f"unix:{self.address}"
        if self.kind == "systemd":
            return f"systemd:{self.index}"
        return host_port(self.address, self.port)

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it; a socket of systemd counts as open to others."""
        return self.kind == "unix" or (self.kind == "tcp" and self.address in _LOOPBACK)

    def same_place(self, other: Listen) -> bool:
        """Tell whether both are one address, whatever else is set."""
        return (self.kind, self.address, self.port, self.index) == (
            other.kind,
            other.address,
            other.port,
            other.index,
        )

    def overlaps(self, other: Listen) -> bool:
        """Tell whether the system would refuse to open both."""
        if self.same_place(other):
            return True
        if not self.kind == other.kind == "tcp" or self.port != other.port:
            return False
        mine, theirs = self.address, other.address
        if "::" in (mine, theirs):  # Linux opens :: for both families
            return True
        return "0.0.0.0" in (mine, theirs) and (":" in mine) == (":" in theirs)  # noqa: S104


@dataclass(frozen=True, slots=True)
class Origin:
    """One server behind a site."""

    scheme: Scheme
    host: str
    """A name in lower case, or an address without brackets."""
    port: int

    def __str__(self) -> str:
        """Write it as an URL, with its port."""
        return f"{self.scheme}://{host_port(self.host, self.port)}"


@dataclass(frozen=True, slots=True)
class Nameserver:
    """One DNS server to ask."""

    address: str
    port: int = 53

    def __str__(self) -> str:
        """Write it with its port."""
        return host_port(self.address, self.port)


@dataclass(frozen=True, slots=True)
class Url:
    """The parts of an URL that names a server: no path, no query."""

    scheme: str
    host: str
    port: int
    userinfo: str = ""
    """As written, still percent-encoded."""


def host_port(host: str, number: int) -> str:
    """Write C{host:port}, with brackets around an IPv6 address."""
    return f"[{host}]:{number}" if ":" in host else f"{host}:{number}"


def listen(text: str) -> Listen:
    """
    Turn C{"127.0.0.1:8080"}, C{"[::1]:8080"}, C{":8080"}, C{"unix:/path"} or C{"systemd:0"} into a listener.

    C{":8080"} is every IPv4 address of the machine, C{"[::]:8080"} every address of both families.

    @raise BadValue: for anything else; a host name is none, for what it means may change under a listener.
    """
    scheme, _, rest = text.partition(":")
    if scheme == "unix":
        if not rest.startswith("/"):
            raise BadValue(
                f'"{rest}" is not an absolute path', 'write it like "unix:/run/gateway.sock"'
            )
        if len(rest.encode()) > MAX_UNIX_PATH or "\0" in rest:
            raise BadValue(f"the path of a unix socket has at most {MAX_UNIX_PATH} bytes")
        return Listen(rest, kind="unix")
    if scheme == "systemd":
        if not re.fullmatch("[0-9]{1,3}", rest):
            raise BadValue(
                f'"{rest}" is not the number of a socket',
                '"systemd:0" is the first one of the socket unit',
            )
        return Listen("", kind="systemd", index=int(rest))
    address, number = split_host_port(text, "127.0.0.1")
    if address in ("", "*"):
        address = "0.0.0.0"  # noqa: S104 - said by the user
    if not is_address(address):
        advice = (
            f'"127.0.0.1:{number}"'
            if address == "localhost"
            else f'an address of this machine, or ":{number}"'
        )
        raise BadValue(f'"{address}" is not an IP address', advice, part="address")
    return Listen(address, number)


def origin(text: str) -> Origin:
    """
    Turn C{"http://10.0.1.10:8000"} into an origin; without a port it is the scheme's own.

    @raise BadValue: for another scheme, for credentials, and for a path (the client's path is passed on as it is).
    """
    found = url(text)
    if found.scheme not in ("http", "https"):
        raise BadValue(
            f'"{found.scheme}" is not a scheme of an origin',
            'write it like "http://10.0.1.10:8000"',
        )
    if found.userinfo:
        raise BadValue(
            "an origin has no user name or password in its URL",
            f'"http://{text.rpartition("@")[2]}"',
        )
    return Origin("https" if found.scheme == "https" else "http", found.host, found.port)


def nameserver(text: str) -> Nameserver:
    """
    Turn C{"192.0.2.53"} or C{"192.0.2.53:5353"} into a name server.

    @raise BadValue: when it is not an IP address with or without a port.
    """
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if is_address(bare):
        return Nameserver(bare)
    address, number = split_host_port(text, "192.0.2.53")
    if not is_address(address):
        raise BadValue(
            f'"{address}" is not an IP address',
            "a name server is told by its address",
            part="address",
        )
    return Nameserver(address, number)


def url(text: str) -> Url:
    """
    Split the URL of a server; a lone C{/} at its end is let pass.

    @raise BadValue: when it is not one, or names more than a server.
    """
    match = _URL.fullmatch(text)
    if match is None:
        advice = (
            f'"http://{text}"'
            if _HOST_PORT.fullmatch(text)
            else 'write it like "http://192.0.2.10:8000"'
        )
        raise BadValue(f'"{_without_credentials(text)}" is not an URL', advice)
    if match["rest"] not in ("", "/"):
        raise BadValue(
            f'"{match["rest"]}" does not belong here',
            "name the server alone: scheme, host and port",
        )
    scheme, authority = match["scheme"].lower(), match["authority"]
    if re.search(r":-?[0-9]+$", authority) and not authority.endswith("]"):
        host, number = split_host_port(authority, "host.example.com")
    else:
        host, number = authority.removesuffix(":"), DEFAULT_PORTS.get(scheme, 0)
        if host.startswith("[") and not host.endswith("]"):
            raise BadValue(f'"{host}" has no closing bracket')
    if not host:
        raise BadValue(f'"{scheme}://" names no host', 'write it like "http://192.0.2.10:8000"')
    return Url(scheme, host_name(host), number, match["userinfo"] or "")


def split_host_port(text: str, example: str) -> tuple[str, int]:
    """
    Split C{host:port}; the host comes without brackets and may be empty.

    @param example: a host for the advice in a fault.
    @raise BadValue: when a port is missing, or is no port.
    """
    match = _HOST_PORT.fullmatch(text)
    if match is None:
        if re.fullmatch("[0-9]{1,5}", text):
            raise BadValue(f'"{text}" has no address', f'"{example}:{text}"')
        if is_address(text.strip("[]")):
            raise BadValue(f'"{text}" has no port', f'"{host_port(text.strip("[]"), 8080)}"')
        head, _, tail = text.rpartition(":")
        if is_address(head) and tail.isdigit():
            raise BadValue(f'"{text}" needs brackets', f'"[{head}]:{tail}"')
        raise BadValue(f'"{text}" is not an address with a port', f'write it like "{example}:8080"')
    try:
        number = port(int(match[2]))
    except BadValue as fault:
        raise BadValue(fault.message, fault.mend, part="port") from None
    host = match[1]
    if host.startswith("["):
        if ":" not in host:
            raise BadValue(
                f'"{host}" is not an IPv6 address',
                "brackets are for IPv6 addresses",
                part="address",
            )
        host = host[1:-1]
    return host, number


def _without_credentials(text: str) -> str:
    """Keep what may be a password out of a fault's text."""
    return re.sub(r"[^/]*@", "...@", text)
