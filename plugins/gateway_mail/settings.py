"""
C{[plugins.mail]}: who gets mail, and by which server.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from gateway.api import Severity
from gateway.api.events import Notify
from gateway.api.settings import (
    BadValue,
    Duration,
    DurationKind,
    Events,
    EventSet,
    FilePath,
    Help,
    HostSet,
    Least,
    NotifyMap,
    OneOrMoreKind,
    PathKind,
    SecretText,
    TextKind,
    is_this_machine,
)

#: How a connection is protected.
Security: TypeAlias = Literal["starttls", "tls", "none"]

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")
_SUBMISSION = 587
_SUBMISSIONS = 465


@dataclass(frozen=True, slots=True)
class Mailbox:
    """
    Who sends.

    @ivar name: for people; may be empty.
    @ivar address: C{gateway@example.com}; empty: it follows from the receivers.
    """

    name: str = ""
    address: str = ""

    def __str__(self) -> str:
        """Write it as it is written in the configuration."""
        return f"{self.name} <{self.address}>" if self.name else self.address


@dataclass(frozen=True, slots=True)
class Server:
    """
    A server that takes mail.

    @ivar host: a name or an IP address, one of IPv6 without brackets.
    """

    host: str
    port: int

    def __str__(self) -> str:
        """Write it as it is written in the configuration."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Tell whether it is on this machine, so that nobody listens on the way."""
        return is_this_machine(self.host)


def mail_address(text: str) -> str:
    """
    Check the address of a mailbox (RFC 5321 section 4.1.2, without quoted strings and without literals).

    @raise BadValue: it is none.
    """
    if not text.isascii():
        raise BadValue(
            f'"{text}" is not ASCII', "a domain with other letters is written as xn--..."
        )
    if not _ADDRESS.fullmatch(text) or len(text) > 254 or len(text.partition("@")[0]) > 64:
        raise BadValue(f'"{text}" is no mail address', 'such as "ops@example.com"')
    return text


def mailbox(text: str) -> Mailbox:
    """
    Read an address with or without a name: C{Gateway <gateway@example.com>}.

    @raise BadValue: it is none.
    """
    if not text:
        return Mailbox()
    found = re.fullmatch(r'\s*"?([^<>"]*?)"?\s*<([^<>]*)>\s*', text)
    if found is None:
        return Mailbox("", mail_address(text))
    if not found[1].isprintable() or len(found[1]) > 100:
        raise BadValue(f"{found[1]!r} is no name for a sender", "one line of up to 100 characters")
    return Mailbox(found[1], mail_address(found[2]))


def server(text: str) -> Server:
    """
    Read where a server is.

    @raise BadValue: it is no host with a port.
    """
    advice = '"smtp.example.com:587", "smtp.example.com:465" or "[2001:db8::1]:25"'
    found = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:]+)(?::([0-9]{1,5}))?", text)
    port = int(found[2] or _SUBMISSION) if found is not None else 0
    if found is None or not 0 < port < 65536:
        raise BadValue(f'"{text}" is no server', advice)
    host = found[1].strip("[]").lower()
    try:
        # Whatever may stand there is one host; patterns are not.
        HostSet([host])
        if "*" in host:
            raise ValueError
    except (BadValue, ValueError):
        raise BadValue(f'"{text}" is no server', advice) from None
    return Server(host, port)


def hello(text: str) -> str:
    """
    Check what the gateway calls itself.

    @raise BadValue: it is no domain.
    """
    if text and not re.fullmatch(rf"{_LABEL}(?:\.{_LABEL})*", text):
        raise BadValue(f'"{text}" is no host name', 'such as "gateway.example.com"')
    return text


def _prefix(text: str) -> str:
    if not text.isprintable() or len(text) > 60:
        raise BadValue(f"{text!r} can't begin a subject", "one line of up to 60 characters")
    return text.strip()


class TrustKind(PathKind):
    """A file of certificates; looked at with the settings, so that its faults are shown with theirs."""

    def read(self, raw: object, place: Any) -> Any:
        """Look whether there are certificates in the file."""
        path = super().read(raw, place)
        if path:
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
            except ssl.SSLError:
                raise BadValue(f"{path} holds no certificates", "a file in PEM form") from None
            except OSError as error:
                raise BadValue(f"{path} can't be read: {error.strerror}") from None
        return path


_Period: TypeAlias = Annotated[float | None, DurationKind()]
_Limit: TypeAlias = Annotated[float | None, DurationKind(zero="each at once")]


@dataclass(frozen=True, slots=True)
class Receiver:
    """One who gets mail; a lone string is the address."""

    shorthand: ClassVar[str] = "address"

    address: Annotated[str, TextKind("a mail address", mail_address), Help("Who gets it.")]
    least: Annotated[Least, Help("Events of less severity are not for this receiver.")] = (
        Severity.INFO
    )
    events: Annotated[
        Events,
        Help("Which events are; all unless said otherwise.", '["malware_*", "-malware_test"]'),
    ] = EventSet()
    notify: Annotated[
        NotifyMap,
        Help(
            "How this receiver is told of which event, in place of `notify.events`.",
            '{ malware_found = "always" }',
        ),
    ] = field(default_factory=dict)
    digest: Annotated[
        _Period, Help("Period of the digests, in place of `digest` of the plugin.")
    ] = None
    limit: Annotated[
        _Limit,
        Help("Between two mails of the same kind of event, in place of `notify.limit`."),
    ] = None


@dataclass(frozen=True, slots=True)
class MailSettings:
    """C{[plugins.mail]}."""

    to: Annotated[
        tuple[Receiver, ...],
        Help(
            "Who gets mail: addresses, or tables for those who are not told of everything.",
            '["ops@example.com", { address = "boss@example.com", least = "error" }]',
        ),
    ]
    server: Annotated[
        tuple[Server, ...],
        OneOrMoreKind("host:port, or an array of them", server),
        Help(
            "Where mail is given to. Of several the first that works; the others when it does not. Without a port: 587.",
            '"smtp.example.com:587"',
        ),
    ]
    security: Annotated[
        Literal["auto", "starttls", "tls", "none"],
        Help(
            "How the way to the server is protected. `auto`: on port 465 by TLS from the first byte (`tls`), to a server on "
            "this machine without a `user` not at all (`none`), else by STARTTLS, without which nothing is sent (`starttls`)."
        ),
    ] = "auto"
    user: Annotated[str, Help("For the server, if it asks for one; never sent without TLS.")] = ""
    password: Annotated[
        SecretText | None, Help("Of `user`.", '{ file = "/etc/gateway/mail.pw" }')
    ] = None
    trust: Annotated[
        str,
        TrustKind(),
        Help(
            "PEM file of the authorities that the server's certificate is verified by. Empty: the system's.",
            '"/etc/gateway/mail-ca.pem"',
        ),
    ] = ""
    timeout: Annotated[
        Duration,
        Help(
            "Longest wait for each answer of a server. For the one after the mail itself it is five times as long: whoever "
            "gives up too early there sends the mail twice."
        ),
    ] = 60.0
    from_: Annotated[
        Mailbox,
        TextKind("a mail address, or a name with one", mailbox),
        Help(
            "Who sends. Empty: `gateway` at the domain of the first receiver.",
            '"Gateway <gateway@example.com>"',
        ),
    ] = Mailbox()
    hello_name: Annotated[
        str,
        TextKind("a host name", hello),
        Help("What the gateway calls itself to the server. Empty: its IP address."),
    ] = ""
    subject_prefix: Annotated[
        str, TextKind("text", _prefix), Help("What each subject begins with.")
    ] = "[gateway]"
    digest: Annotated[_Period, Help("Period of the digests. Left out: `notify.digest`.")] = None
    templates: Annotated[
        FilePath,
        Help(
            "Folder of templates that stand in for built-in ones of the same name.",
            '"/etc/gateway/mail"',
        ),
    ] = ""

    def __post_init__(self) -> None:
        """
        Refuse what contradicts itself.

        @raise ValueError: it does.
        """
        addresses = [one.address.lower() for one in self.to]
        twice = next((one for one in addresses if addresses.count(one) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice} is there twice in to; give it one table")
        if not self.to:
            raise ValueError("to names nobody")
        if not self.server:
            raise ValueError("server names none")
        if bool(self.user) != bool(self.password):
            raise ValueError("user and password go together")
        if not self.user.isprintable():
            raise ValueError("user holds what no name has")
        if self.user and self.security == "none":
            raise ValueError(
                'with security = "none" everybody on the way could read the password: no user is sent without TLS'
            )

    @property
    def sender(self) -> Mailbox:
        """Give who sends."""
        if self.from_.address:
            return self.from_
        return Mailbox(self.from_.name, "gateway@" + self.to[0].address.partition("@")[2])

    def security_of(self, one: Server) -> Security:
        """Say how the way to a server is protected."""
        if self.security != "auto":
            return self.security
        if one.port == _SUBMISSIONS:
            return "tls"
        return "none" if one.is_local and not self.user else "starttls"


def rules_of(settings: MailSettings, receiver: Receiver) -> Mapping[str, Any]:
    """Give what of L{ChannelRules<gateway.api.alarms.ChannelRules>} the settings say of a receiver."""
    digest = settings.digest if receiver.digest is None else receiver.digest
    return {
        "least": receiver.least,
        "wants": receiver.events.matches,
        "notify": dict[str, Notify](receiver.notify),
        "digest_seconds": digest,
        "limit_seconds": receiver.limit,
    }
