"""
C{[plugins.snmp]}: who receives traps, by which version and with which secrets.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Annotated, Literal, NamedTuple

from gateway.api import Severity
from gateway.api.settings import (
    BadValue,
    Duration,
    DurationKind,
    Events,
    EventSet,
    Help,
    Least,
    NotifyMap,
    SecretText,
    TextKind,
    WholeKind,
    is_this_machine,
)
from gateway_snmp.oids import oid
from gateway_snmp.tree import PLAYPEN, oid_text

#: RFC 3414 section 11.2.
_LEAST_CHARACTERS = 8
_TRAP_PORT = 162

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")


class Address(NamedTuple):
    """
    Where a receiver listens.

    @ivar host: a name or an IP address, without brackets.
    """

    host: str
    port: int = _TRAP_PORT

    def __str__(self) -> str:
        """Write it with its port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Tell whether what goes there stays on this machine."""
        return is_this_machine(self.host)


def address(text: str) -> Address:
    """
    Read C{host}, C{host:port}, an IPv6 address, or one in brackets with its port.

    @raise BadValue: it is none of these.
    """
    try:
        return Address(str(ipaddress.ip_address(text)))
    except ValueError:
        pass
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(_TRAP_PORT)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        is_host = _is_ipv6(host)
    else:
        is_host = bool(_HOST.fullmatch(host))
    if is_host and port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536:
        return Address(host, int(port))
    raise BadValue(
        f'"{text}" is no address of a receiver',
        '"10.0.0.9", "nms.example.com:162" or "[2001:db8::9]:162"',
    )


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


class OidText(tuple[int, ...]):
    """An OID of the settings, which writes itself with dots."""

    __slots__ = ()

    def __str__(self) -> str:
        """Write it with dots."""
        return oid_text(self)


def base_oid(text: str) -> OidText:
    """
    Read where the tree begins.

    @raise BadValue: it is no OID below enterprises.
    """
    return OidText(oid(text))


def engine_id(text: str) -> str:
    """
    Read the engine's name in hexadecimal digits; empty: it is made.

    @raise BadValue: it is none (RFC 3411 section 5, SnmpEngineID).
    """
    if not text:
        return ""
    digits = text.lower().removeprefix("0x").replace(":", "")
    if not re.fullmatch(r"([0-9a-f]{2}){5,32}", digits):
        raise BadValue(
            f'"{text}" is no engine id', "5 to 32 bytes in hexadecimal digits: 8000000001020304"
        )
    if set(digits) in ({"0"}, {"f"}):
        raise BadValue("an engine id is neither all zeros nor all ones")
    return digits


def user_name(text: str) -> str:
    """
    Check the name of a user of version 3.

    @raise BadValue: it is too long (RFC 3414 section 4).
    """
    if len(text.encode()) > 32 or not text.isprintable():
        raise BadValue("the name of an SNMP user has 32 bytes at the most")
    return text


AuthProtocol = Literal["sha1", "sha224", "sha256", "sha384", "sha512"]
PrivProtocol = Literal["aes128", "aes192", "aes256"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """One receiver of traps."""

    address: Annotated[
        Address,
        TextKind("host, host:port or [IPv6 address]:port", address),
        Help("Where it listens; port 162 unless said otherwise.", '"10.0.0.9:162"'),
    ]
    version: Annotated[
        Literal["1", "2c", "3"],
        Help("The version of SNMP. Versions 1 and 2c send everything in clear, the community too."),
    ] = "3"
    community: Annotated[
        SecretText | None, Help("For versions 1 and 2c.", '{ file = "/etc/gateway/community" }')
    ] = None
    user: Annotated[str, TextKind("a name", user_name), Help("The user of version 3.")] = ""
    auth: Annotated[
        SecretText | None,
        Help(
            "The user's passphrase to sign messages with, of 8 characters or more.",
            '{ file = "/etc/gateway/snmp-auth" }',
        ),
    ] = None
    auth_protocol: Annotated[
        AuthProtocol, Help("With which hash messages are signed; MD5 is not offered.")
    ] = "sha256"
    priv: Annotated[
        SecretText | None,
        Help(
            "The user's passphrase to encrypt messages with; takes auth, too.",
            '{ file = "/etc/gateway/snmp-priv" }',
        ),
    ] = None
    priv_protocol: Annotated[
        PrivProtocol,
        Help(
            "How messages are encrypted. Of aes192 and aes256 there are several ways to make keys; here it is the one "
            "that Net-SNMP and Cisco share. DES is not offered."
        ),
    ] = "aes128"
    inform: Annotated[
        bool,
        Help("Send informs: the receiver says that it has got them, and until then they are kept."),
    ] = False
    timeout: Annotated[Duration, Help("How long the answer to an inform is waited for.")] = 3.0
    retries: Annotated[
        int, WholeKind(0, 10), Help("How often an inform is sent again before that is a failure.")
    ] = 2
    oid_style: Annotated[
        Literal["gateway", "iwsva"],
        Help(
            "As what notifications are sent: those of GATEWAY-MIB; or, for rules made for IWSVA, "
            "malware, other security events and numbers under the three OIDs of that product."
        ),
    ] = "gateway"
    events: Annotated[
        Events,
        Help("Which events it is told of; a minus in front leaves out.", '["*", "-patterns_*"]'),
    ] = EventSet()
    least: Annotated[Least, Help("Events of less severity are not for it.")] = Severity.INFO
    notify: Annotated[
        NotifyMap,
        Help(
            "How it is told of single events; over notify.events.", '{ malware_found = "always" }'
        ),
    ] = field(default_factory=dict)
    digest: Annotated[
        float | None,
        DurationKind(),
        Help("How long events are gathered; notify.digest unless said.", '"5m"'),
    ] = None
    limit: Annotated[
        float | None,
        DurationKind(zero="no limit"),
        Help(
            "Of one event it is told no more often than this, the others are counted; notify.limit unless said.",
            '"10s"',
        ),
    ] = None

    def __post_init__(self) -> None:
        """
        Look at what must go together.

        @raise ValueError: it does not; no secret is in the text.
        """
        if self.version == "3":
            if not self.user:
                raise ValueError('user: version 3 needs one; or say version = "2c" and a community')
            if self.community is not None:
                raise ValueError("community: version 3 has none")
            if self.priv is not None and self.auth is None:
                raise ValueError("auth: what is encrypted is signed, too")
            for name, secret in (("auth", self.auth), ("priv", self.priv)):
                if secret is not None and len(secret.reveal()) < _LEAST_CHARACTERS:
                    raise ValueError(f"{name}: it has {_LEAST_CHARACTERS} characters at the least")
            return
        if self.community is None:
            raise ValueError(f"community: version {self.version} needs one")
        if self.user or self.auth is not None or self.priv is not None:
            raise ValueError("version: user, auth and priv are for version 3")
        if self.inform and self.version == "1":
            raise ValueError("inform: version 1 has none")

    @property
    def level(self) -> int:
        """Give the level of security as it is written in messages: 1 neither, 2 signed, 3 encrypted, too."""
        return 1 if self.auth is None else 2 if self.priv is None else 3


@dataclass(frozen=True, slots=True)
class SnmpSettings:
    """C{[plugins.snmp]}."""

    to: Annotated[
        tuple[Receiver, ...],
        Help(
            "Who receives traps or informs.",
            '[{ address = "10.0.0.9", user = "gateway", auth = { file = "..." }, priv = { file = "..." } }]',
        ),
    ] = ()
    base_oid: Annotated[
        OidText,
        TextKind("an OID", base_oid),
        Help(
            "Where GATEWAY-MIB begins: below the number of your own enterprise, if you have one. The default is the "
            "playpen of Net-SNMP. `gateway snmp mib` writes the MIB for it."
        ),
    ] = field(default=OidText(PLAYPEN))
    engine_id: Annotated[
        str,
        TextKind("hexadecimal digits", engine_id),
        Help(
            "The gateway's engine id, which receivers of traps of version 3 have to know. Empty: it is made once and kept; "
            "`gateway snmp show` says it."
        ),
    ] = ""
    datagram: Annotated[
        int,
        WholeKind(800, 65000),
        Help(
            "Bytes of a message at the most: details, and then texts, are cut for it. By default it fits into one packet."
        ),
    ] = 1400
    metrics_every: Annotated[
        float,
        DurationKind(zero="never"),
        Help("How often to send the numbers of gwPerformance as a trap, to every receiver."),
    ] = 0.0
    metrics: Annotated[
        Address,
        TextKind("host:port", address),
        Help("Where these numbers come from: the address in admin.health."),
    ] = Address("127.0.0.1", 8081)

    def __post_init__(self) -> None:
        """
        Look at what must go together.

        @raise ValueError: a receiver is named twice.
        """
        names = [str(receiver.address) for receiver in self.to]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"to: {name} is there twice")
