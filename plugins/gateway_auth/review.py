"""
What of the settings surprises, or can't work, beside the rest of the configuration; each a function of its own.

What contradicts itself within C{[plugins.auth]} alone is refused by L{gateway_auth.settings}. Knows nothing of requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from gateway.api import Caution, Listener, SettingFault, SettingPath, Surroundings
from gateway_auth.policy import Policies, Policy
from gateway_auth.settings import AuthSettings, Scheme, available

Said: TypeAlias = Iterator[Caution | SettingFault]

#: So many listeners or networks are named.
_SHOWN = 3

#: What a scheme is there by.
_NEEDS: dict[Scheme, str] = {
    "negotiate": "set negotiate.keytab",
    "ntlm": "set ntlm.enabled",
    "cookie": 'set cookie = "8h"',
    "digest": "set users, with lines for Digest",
    "basic": "set users or ldap",
}


@dataclass(frozen=True, slots=True)
class _Asked:
    """
    A policy that holds for some clients.

    @ivar table: where it stands: empty for the plugin's own, else an element of C{networks}.
    @ivar order: the order as it is written there.
    """

    table: SettingPath
    policy: Policy
    order: tuple[Scheme, ...]

    @property
    def looks(self) -> bool:
        """Tell whether it looks at who is asking."""
        return self.policy.name in ("required", "optional")


def review(settings: AuthSettings, around: Surroundings) -> Said:
    """Go through everything."""
    policies = Policies(settings, available(settings)).all
    tables: list[SettingPath] = [(), *(("networks", n) for n in range(len(settings.networks)))]
    orders = [settings.order, *(rule.order for rule in settings.networks)]
    asked = [_Asked(*one) for one in zip(tables, policies, orders, strict=True)]
    yield from _schemes(settings, asked)
    asked = [one for one in asked if one.looks]
    yield from _passwords(settings, asked, around)
    yield from _ntlm(settings, asked)
    yield from _cookies(settings, asked, around)
    yield from _addresses(settings, asked, around)
    yield from _sites(settings, around)
    if settings.ldap is not None and settings.ldap.plaintext:
        servers = _names([str(uri) for uri in settings.ldap.uri if uri.scheme == "ldap"])
        yield Caution(
            f"passwords go to {servers} without TLS: everybody on the way can read them",
            ("ldap", "plaintext"),
            "plaintext = false uses StartTLS",
        )


def _schemes(settings: AuthSettings, asked: list[_Asked]) -> Said:
    there = available(settings)
    for one in asked:
        if one.policy.name == "required" and not one.policy.order:
            yield Caution(
                "nobody can show who he is, so all of whom that is required are refused",
                (*one.table, "policy"),
                "set users, ldap or negotiate",
            )
        for index, scheme in enumerate(one.order):
            if scheme not in there:
                what = f"{scheme} is not offered, as there are no settings for it"
                yield Caution(what, (*one.table, "order", index), _NEEDS[scheme])


def _passwords(settings: AuthSettings, asked: list[_Asked], around: Surroundings) -> Said:
    """Passwords that anybody on the way can read."""
    if not any("basic" in one.policy.order for one in asked):
        return
    places = [place for place in around.of_mode("forward") if _is_readable(place)]
    # In front of sites, TLS usually ends at who forwards to us.
    if not around.trusted_proxies:
        places += [
            place
            for place in around.of_mode("reverse")
            if _is_readable(place) and _asks(settings, place)
        ]
    if places:
        also = " and cookies" if settings.cookie else ""
        yield Caution(
            f"passwords{also} come in clear over {_names([place.name for place in places])}: "
            "everybody on the way can read them",
            ("users",) if settings.users is not None else ("ldap",),
            "give the listener tls; with negotiate alone no password is sent",
        )


def _ntlm(settings: AuthSettings, asked: list[_Asked]) -> Said:
    if any("ntlm" in one.policy.order for one in asked):
        yield Caution(
            "NTLM is on: whoever makes a client speak it to him can be that client elsewhere, and guess passwords "
            "from what he hears",
            ("ntlm", "enabled"),
            "negotiate, for clients that can do Kerberos",
        )


def _cookies(settings: AuthSettings, asked: list[_Asked], around: Surroundings) -> Said:
    """Cookie mode sees no cookie in what is not decrypted (U4)."""
    mine = [one for one in asked if "cookie" in one.policy.order]
    if not mine or not around.of_mode("forward"):
        return
    host = settings.cookies.host
    if any(host in place.hosts for place in around.of_mode("reverse")):
        what = f"{host} is a host of a [[site]], too: users of the forward proxy could not sign in"
        yield SettingFault(what, ("cookies", "host"), "give it a name of its own")
    tunnels: SettingPath = ("cookies", "tunnels")
    if around.decrypt == "none":
        what = (
            'nobody is known by a cookie over https, which is not decrypted (tls.decrypt = "none")'
        )
        if any(one.policy.order == ("cookie",) for one in mine):
            what += ", and there is no other scheme to ask a CONNECT by"
        else:
            what += ": a CONNECT is asked by Proxy-Authorization"
        yield Caution(what, ("cookie",), 'tls.decrypt = "all" or "rules", and cookies.tunnels')
        if settings.cookies.tunnels:
            what = "browsers' tunnels are opened to ask within, and broken off, as nothing is decrypted"
            yield Caution(what, tunnels, "leave it out, or set tls.decrypt")
    elif not settings.cookies.tunnels:
        what = "https that is decrypted is asked by Proxy-Authorization all the same: a CONNECT has no cookies"
        yield Caution(what, tunnels, 'tunnels = ["*"], or the hosts that are decrypted')


def _addresses(settings: AuthSettings, asked: list[_Asked], around: Surroundings) -> Said:
    """Addresses that are believed to stand for somebody."""
    if not any(one.policy.believes_address for one in asked):
        return
    if not settings.addresses.guard:
        yield Caution(
            "users behind one address are taken for each other, as nobody looks for shared addresses",
            ("addresses", "guard"),
            "guard = true",
        )
    if around.trusted_proxies and not all(place.has_proxy_protocol for place in around.listeners):
        yield Caution(
            f"behind trusted proxies ({_names(around.trusted_proxies)}) an address is what they name in X-Forwarded-For or "
            "Forwarded; requests in which they name none are of nobody's address",
            ("ip_cache",),
            "have them name their clients, or tell users apart by cookie",
        )


def _sites(settings: AuthSettings, around: Surroundings) -> Said:
    if settings.sites.hosts and not around.of_mode("reverse"):
        yield Caution("there is no [[site]] whose users could be asked", ("sites", "hosts"))


def _is_readable(place: Listener) -> bool:
    return not (place.has_tls or place.is_local)


def _asks(settings: AuthSettings, place: Listener) -> bool:
    """Tell whether users of a site at a place may be asked who they are."""
    hosts = settings.sites.hosts
    return bool(hosts) and any(host.startswith("*") or host in hosts for host in place.hosts)


def _names(names: list[str] | tuple[str, ...]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
