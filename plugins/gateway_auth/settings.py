"""
C{[plugins.auth]}: what can be set, and which of it contradicts itself.

Sections of single parts stand in the modules of these parts and are taken in here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from gateway.api.settings import (
    BadValue,
    Duration,
    DurationKind,
    Help,
    Hosts,
    HostSet,
    Networks,
    TextKind,
    WholeKind,
)
from gateway_auth.address_settings import AddressSettings
from gateway_auth.connections import ConnectionSettings
from gateway_auth.cookie_settings import CookieSettings
from gateway_auth.ldap_settings import LdapSettings
from gateway_auth.negotiate import NegotiateSettings
from gateway_auth.ntlm import NtlmSettings
from gateway_auth.user_files import GroupFile, GroupFileKind, UserFile, UserFileKind

#: Ways to show who one is, as C{order} names them.
Scheme: TypeAlias = Literal["negotiate", "ntlm", "digest", "basic", "cookie"]
#: What is asked of the clients of a network.
PolicyName: TypeAlias = Literal["off", "guest", "optional", "required"]

#: Schemes that identify a connection, so that each new one is asked again.
CONNECTION_BOUND: frozenset[Scheme] = frozenset(("negotiate", "ntlm"))

_NEVER = DurationKind(zero="never")


def _field_name(text: str) -> str:
    """
    Check the name of a field; an empty text is none.

    @raise BadValue: it is no name of one.
    """
    if not all(c.isascii() and (c.isalnum() or c == "-") for c in text):
        raise BadValue(f'"{text}" is not the name of a field', 'such as "X-Remote-User"')
    return text


def _realm(text: str) -> str:
    """
    Check a realm.

    @raise BadValue: it can't stand between quotation marks.
    """
    if not text or any(not " " <= c <= "~" or c in '"\\' for c in text):
        raise BadValue("a realm is plain ASCII without quotation marks and backslashes")
    return text


_FieldName = Annotated[str, TextKind("the name of a field", _field_name)]


@dataclass(frozen=True, slots=True)
class NetworkRule:
    """One element of C{networks}: what holds for the clients of some networks; the first that matches wins."""

    for_: Annotated[Networks, Help("The clients' networks.", '["10.0.0.0/8"]')]
    policy: Annotated[
        PolicyName,
        Help(
            "`off`: nobody is asked and nobody known; `guest`: everybody is the guest; `optional`: who shows "
            "credentials is known, nobody is asked for them; `required`: nobody passes unknown."
        ),
    ] = "required"
    order: Annotated[
        tuple[Scheme, ...], Help("Schemes, best first. Empty: as `order` of the plugin.")
    ] = ()
    ip_cache: Annotated[
        float | None,
        _NEVER,
        Help("In place of the plugin's `ip_cache`; 0 = not for these networks.", '"90m"'),
    ] = None


@dataclass(frozen=True, slots=True)
class LimiterSettings:
    """C{[plugins.auth.limiter]}: what follows wrong passwords."""

    tries: Annotated[
        int,
        WholeKind(low=1, high=1000),
        Help("Wrong passwords of one user, from everywhere together, before he has to wait."),
    ] = 5
    address_tries: Annotated[
        int,
        WholeKind(low=1, high=100000),
        Help("Wrong passwords from one address, for all users together, before it has to wait."),
    ] = 50
    wait: Annotated[Duration, Help("The first wait; it doubles with each wrong password.")] = 1.0
    longest_wait: Annotated[Duration, Help("The longest wait.")] = 900.0
    forget: Annotated[
        Duration, Help("After so long without a wrong password those before it are forgotten.")
    ] = 900.0


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """C{[plugins.auth.sites]}: authentication in front of reverse-proxied sites."""

    hosts: Annotated[
        Hosts, Help("Hosts of sites whose users have to be known.", '["intranet.example.com"]')
    ] = HostSet()
    user_header: Annotated[
        _FieldName, Help("Field in which the origin is told the user; empty: it is not told.")
    ] = "X-Remote-User"
    groups_header: Annotated[
        _FieldName,
        Help("Field in which the origin is told the groups, by commas; empty: it is not told."),
    ] = "X-Remote-Groups"
    authorization: Annotated[
        Literal["drop", "keep"],
        Help(
            "What becomes of an `Authorization` that was meant for and taken by the gateway. One that was not is none "
            "of its business and goes on."
        ),
    ] = "drop"


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """C{[plugins.auth]}."""

    order: Annotated[
        tuple[Scheme, ...],
        Help(
            "Ways to show who one is, best first. Empty: those for which there are settings.",
            '["negotiate", "basic"]',
        ),
    ] = ()
    policy: Annotated[
        PolicyName, Help("What is asked of clients of whose network `networks` says nothing.")
    ] = "required"
    networks: Annotated[
        tuple[NetworkRule, ...],
        Help("What is asked of the clients of some networks; the first that matches wins."),
    ] = ()
    realm: Annotated[
        str,
        TextKind("a name", _realm),
        Help("The name under which clients ask their user for a password."),
    ] = "gateway"
    users: Annotated[
        UserFile | None,
        UserFileKind(),
        Help(
            "File of local users as htpasswd writes it (bcrypt or argon2; Digest as htdigest writes it); read anew when it "
            "changes. Empty: none.",
            '"/etc/gateway/users"',
        ),
    ] = None
    groups: Annotated[
        GroupFile | None,
        GroupFileKind(),
        Help(
            "File of the local users' groups, in each line `group: user user`. Empty: none.",
            '"/etc/gateway/groups"',
        ),
    ] = None
    ldap: Annotated[
        LdapSettings | None, Help("An LDAP directory or Active Directory. Not set: none.")
    ] = None
    negotiate: Annotated[NegotiateSettings, Help("Kerberos.")] = NegotiateSettings()
    ntlm: Annotated[NtlmSettings, Help("NTLM by Samba's winbindd.")] = NtlmSettings()
    connections: Annotated[
        ConnectionSettings, Help("Connections that Negotiate or NTLM has identified.")
    ] = ConnectionSettings()
    guest: Annotated[str, Help("The name of the guest.")] = "guest"
    unavailable: Annotated[
        Literal["refuse", "guest", "anonymous"],
        Help(
            "What becomes of a request whose credentials nobody can check, as the directory is down. `refuse`: a 503 page; "
            "`guest`: it is the guest's; `anonymous`: it goes on without an identity. Who is remembered is not concerned."
        ),
    ] = "refuse"
    remember: Annotated[
        Duration,
        Help(
            "So long a verified password is taken for good without asking again. It is kept as a keyed hash only."
        ),
    ] = 900.0
    remember_refused: Annotated[
        float,
        _NEVER,
        Help(
            "So long a refused password is refused without asking again, so that one that a program has stored does not lock "
            "its user's account."
        ),
    ] = 60.0
    remembered: Annotated[
        int, WholeKind(low=1, high=1_000_000), Help("Most passwords that are remembered.")
    ] = 20000
    ip_cache: Annotated[
        float,
        _NEVER,
        Help(
            "So long everything that comes from an address is the user's who authenticated from there; 0 = never."
        ),
    ] = 900.0
    ip_cache_icap: Annotated[
        float,
        _NEVER,
        Help("Likewise for clients of the ICAP listener."),
    ] = 5400.0
    addresses: Annotated[
        AddressSettings, Help("How far an address is believed to stand for one user.")
    ] = AddressSettings()
    cookie: Annotated[
        float,
        _NEVER,
        Help("Cookie mode: so long a cookie says who a browser's user is; 0 = no cookie mode."),
    ] = 0.0
    cookies: Annotated[CookieSettings, Help("Cookies and the login page.")] = CookieSettings()
    limiter: Annotated[LimiterSettings, Help("What follows wrong passwords.")] = LimiterSettings()
    sites: Annotated[SiteSettings, Help("Authentication in front of sites.")] = SiteSettings()

    def __post_init__(self) -> None:
        """
        Refuse what contradicts itself.

        @raise ValueError: it does.
        """
        faults = contradictions(self)
        if faults:
            raise ValueError("; ".join(faults))


def available(settings: AuthSettings) -> frozenset[Scheme]:
    """Tell for which schemes there are settings."""
    there: dict[Scheme, bool] = {
        "negotiate": bool(settings.negotiate.keytab),
        "ntlm": settings.ntlm.enabled,
        "cookie": settings.cookie > 0,
        "digest": settings.users is not None and bool(settings.users.digests),
        "basic": settings.users is not None or settings.ldap is not None,
    }
    return frozenset(scheme for scheme, is_there in there.items() if is_there)


def contradictions(settings: AuthSettings) -> list[str]:
    """
    Say what contradicts itself.

    Cookie mode spares users to authenticate again; a scheme that is bound to connections asks each new one. With both on one
    network nobody can tell which is wanted unless the order says so.
    """
    there = available(settings)
    bound = sorted(CONNECTION_BOUND & there)
    if "cookie" not in there or not bound:
        return []
    orders = [("order", settings.policy, settings.order)]
    orders += [
        (f"networks[{index}].order", rule.policy, rule.order or settings.order)
        for index, rule in enumerate(settings.networks)
    ]
    return [
        f"cookie mode and {' and '.join(bound)}, which asks each new connection, are both on: say by {where} which comes "
        f'first, such as ["cookie", "{bound[0]}", "basic"]'
        for where, policy, order in orders
        if policy in ("required", "optional") and not order
    ]
