"""
C{[plugins.auth] ldap}: where the directory is, and what its entries look like.

Knows nothing of the wire. What contradicts itself is refused with the configuration, not at the first login.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from gateway.api.settings import (
    BadValue,
    Duration,
    DurationOrZero,
    Help,
    PathKind,
    Secret,
    SecretText,
    TextKind,
    WholeKind,
)
from gateway_auth.ldap_filters import BadFilter, encode_filter
from gateway_auth.names import domain_of, first_rdn

_PORTS = {"ldap": 389, "ldaps": 636}
_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9-]*")


@dataclass(frozen=True, slots=True)
class ServerUri:
    """
    One server.

    @ivar scheme: C{"ldaps"}: TLS from the first byte; C{"ldap"}: TLS after StartTLS, unless C{plaintext} is set.
    @ivar host: name or address, an IPv6 address without brackets.
    @ivar port: the TCP port.
    """

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        """Write it as in the file."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"


def server_uri(text: str) -> ServerUri:
    """
    Read where a server is.

    @raise BadValue: it is no C{ldap} or C{ldaps} URI, or says more than host and port.
    """
    advice = 'such as "ldaps://dc1.example.com" or "ldap://dc1.example.com:389"'
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise BadValue(f'"{text}" is no server', advice) from None
    if parts.scheme not in _PORTS or not host or not re.fullmatch(r"[0-9A-Za-z._:%-]+", host):
        raise BadValue(f'"{text}" is no server', advice)
    if parts.username is not None or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise BadValue(f'"{text}" says more than host and port', advice)
    return ServerUri(parts.scheme, host, _PORTS[parts.scheme] if port is None else port)


def distinguished_name(text: str) -> str:
    """
    Check a distinguished name (RFC 4514) as far as that can be done without the schema, by ldap3's grammar.

    @raise BadValue: it is none.
    """
    # A quarter of a second to import, for configurations with a directory alone.
    from ldap3.core.exceptions import LDAPInvalidDnError
    from ldap3.utils.dn import parse_dn

    try:
        parts = parse_dn(text, strip=True)
    except LDAPInvalidDnError as error:
        raise BadValue(
            f'"{text}" is no distinguished name: {error}', 'such as "dc=example,dc=com"'
        ) from None
    if not parts or not text.isprintable() or first_rdn(text) is None:
        raise BadValue(f'"{text}" is no distinguished name', 'such as "dc=example,dc=com"')
    return text


def _dn_or_empty(text: str) -> str:
    return distinguished_name(text) if text else ""


def _template(text: str) -> str:
    if not text:
        return ""
    if text.count("{user}") != 1:
        raise BadValue("the template has to say where the name stands", '"uid={user},ou=people,…"')
    if "{" in text.replace("{user}", "") or "}" in text.replace("{user}", ""):
        raise BadValue("the only thing in braces is {user}")
    distinguished_name(text.replace("{user}", "x"))
    return text


def _filter(text: str) -> str:
    """Check a filter; that it stands in parentheses keeps it whole within another one."""
    depth = 0
    for index, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0 or (depth == 0 and index < len(text) - 1):
            raise BadValue(f'"{text}" is no filter', 'in parentheses, such as "(uid={user})"')
    if text and (depth or text[0] != "("):
        raise BadValue(f'"{text}" is no filter', 'in parentheses, such as "(uid={user})"')
    try:
        if text:
            encode_filter(text)
    except BadFilter as error:
        raise BadValue(f'"{text}" is no filter: {error}') from None
    return text


def _user_filter(text: str) -> str:
    _filter(text)
    left = text.replace("{user}", "").replace("{name}", "")
    if text and left == text:
        raise BadValue("the filter has to say where the name stands", '"(uid={user})"')
    if "{" in left or "}" in left:
        raise BadValue("in braces there are only {user} and {name}")
    return text


def _attribute(text: str) -> str:
    if text and not _ATTRIBUTE.fullmatch(text):
        raise BadValue(f'"{text}" is no attribute', 'such as "uid"')
    return text


class CaFileKind(PathKind):
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


@dataclass(frozen=True, slots=True)
class LdapSettings:
    """C{[plugins.auth] ldap}: an LDAP directory or Active Directory."""

    uri: Annotated[
        tuple[Annotated[ServerUri, TextKind("the URI of a server", server_uri)], ...],
        Help(
            "Servers of one directory; the first one that answers is asked. `ldaps://` is TLS; so is `ldap://`, by "
            "StartTLS, unless `plaintext` is set.",
            '["ldaps://dc1.example.com", "ldaps://dc2.example.com"]',
        ),
    ]
    base: Annotated[
        str,
        TextKind("a distinguished name", distinguished_name),
        Help("Below it are users and groups.", '"dc=example,dc=com"'),
    ]
    bind_dn: Annotated[
        str,
        Help(
            "The service account that looks users up: a distinguished name, or `user@domain` in Active Directory. Empty: "
            "an LDAP directory is searched anonymously, Active Directory by the users themselves.",
            '"cn=gw,dc=example,dc=com"',
        ),
    ] = ""
    password: Annotated[
        SecretText | None,
        Help("The service account's password.", '{ file = "/etc/gateway/ldap.pw" }'),
    ] = None
    timeout: Annotated[
        Duration, Help("Longest wait for the directory, all servers, look-ups and TLS together.")
    ] = 3.0
    group_cache: Annotated[
        Duration, Help("So long a user's groups are taken for good without asking again.")
    ] = 7200.0
    ca: Annotated[
        str,
        CaFileKind(),
        Help(
            "PEM file of the authorities that servers' certificates are verified by. Empty: the system's.",
            '"/etc/gateway/directory-ca.pem"',
        ),
    ] = ""
    plaintext: Annotated[
        bool,
        Help(
            "Ask `ldap://` servers without TLS: everybody on the way can read the users' passwords."
        ),
    ] = False
    kind: Annotated[
        Literal["auto", "ad", "ldap"],
        Help("What the servers are: Active Directory, or another one. `auto`: they are asked."),
    ] = "auto"
    domain: Annotated[
        str,
        Help(
            r"The NetBIOS name of the domain, for `DOMAIN\user`. Empty: the first `dc` of `base`.",
            '"EXAMPLE"',
        ),
    ] = ""
    dn_template: Annotated[
        str,
        TextKind("a distinguished name with {user}", _template),
        Help(
            "The users' distinguished names, where all are alike: nobody has to be looked up then.",
            '"uid={user},ou=people,dc=example,dc=com"',
        ),
    ] = ""
    user_filter: Annotated[
        str,
        TextKind("a filter with {user}", _user_filter),
        Help(
            "Finds a user's entry; `{user}` is the name without the directory's own domain, `{name}` the name as it was "
            "written. Empty: by `uid`, in Active Directory by `sAMAccountName` or `userPrincipalName`.",
            '"(&(objectClass=person)(uid={user}))"',
        ),
    ] = ""
    user_attribute: Annotated[
        str,
        TextKind("an attribute", _attribute),
        Help(
            "Its value is the user's name in rules and logs. Empty: `uid`, in Active Directory `sAMAccountName`."
        ),
    ] = ""
    group_base: Annotated[
        str,
        TextKind("a distinguished name", _dn_or_empty),
        Help("Below it are the groups. Empty: as `base`."),
    ] = ""
    group_filter: Annotated[
        str,
        TextKind("a filter", _filter),
        Help("Only groups that it finds count. Empty: all.", '"(objectClass=groupOfNames)"'),
    ] = ""
    group_name: Annotated[
        Literal["cn", "dn"],
        Help(
            "What a group is called in rules: by its common name, or by its distinguished name, which no other one has."
        ),
    ] = "cn"
    nested: Annotated[
        bool, Help("A member of a group is a member of the groups that this group is in.")
    ] = True
    group_depth: Annotated[
        int, WholeKind(low=1, high=100), Help("So many groups may be within one another.")
    ] = 20
    groups: Annotated[
        int,
        WholeKind(low=1, high=1000),
        Help("A user may be in so many groups; who is in more is not let in."),
    ] = 1000
    connections: Annotated[
        int,
        WholeKind(low=0, high=256),
        Help("Connections to a server that are kept, for look-ups and for logins each."),
    ] = 8
    ready: Annotated[
        int,
        WholeKind(low=0, high=256),
        Help(
            "So many connections for logins, but no more than `connections`, are held open to the server that is asked "
            "even if nobody logs in, so that many who come at once wait for no handshake; 0 = none."
        ),
    ] = 6
    idle: Annotated[
        Duration,
        Help(
            "So long a connection is kept without being used; what is to be `ready` is then made anew."
        ),
    ] = 60.0
    failures: Annotated[
        int,
        WholeKind(low=1, high=1000),
        Help("After so many failures in a row a server is not asked any more."),
    ] = 3
    retry: Annotated[
        Duration, Help("So often a server that failed is tried, until it answers again.")
    ] = 5.0
    refusal_delay: Annotated[
        DurationOrZero,
        Help(
            "No refusal is told sooner than this, so that it can't be timed which users there are; 0 = at once."
        ),
    ] = 0.25

    def __post_init__(self) -> None:
        """
        Check what can't be checked by itself.

        @raise ValueError: settings contradict one another.
        """
        if not self.uri:
            raise ValueError("uri names no server")
        if self.bind_dn and self.password is None:
            raise ValueError("bind_dn needs a password: without one, servers take it for anonymous")
        if self.password is not None and not self.bind_dn:
            raise ValueError("there is a password, but no bind_dn that it is for")
        if self.plaintext and all(uri.scheme == "ldaps" for uri in self.uri):
            raise ValueError("plaintext has no effect: every server is ldaps://")

    @property
    def dns_domain(self) -> str:
        """The domain that C{base} is named after, in lower case; may be empty."""
        return domain_of(self.base)

    @property
    def netbios(self) -> str:
        """What stands before the backslash in C{DOMAIN\\user}, in any case of letters; may be empty."""
        return self.domain or self.dns_domain.partition(".")[0].upper()

    @property
    def secret(self) -> Secret:
        """
        The service account's password.

        @raise AssertionError: there is no service account.
        """
        assert self.password is not None
        return self.password
