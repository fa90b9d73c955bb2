"""
The groups of a user: direct ones, and those that these are in.

Active Directory follows nesting itself, by a matching rule. Elsewhere it is walked, one level at a time: every group that was
found is asked for once, so a circle ends, and depth and number are bounded. Who is in more groups than the bound is not let in,
as nobody knows what a rule about the others would have said.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway_auth.ldap_settings import LdapSettings
from gateway_auth.ldap_wire import Entry, TooMany, Wire
from gateway_auth.names import escape_filter, escape_filter_bytes, first_rdn

#: LDAP_MATCHING_RULE_IN_CHAIN (MS-ADTS section 3.1.1.3.4.4).
_IN_CHAIN = "1.2.840.113556.1.4.1941"
#: So many groups are asked for at once.
_AT_ONCE = 25
#: What of a user's entry has to be at hand.
ATTRIBUTES = ("memberOf", "objectSid", "primaryGroupID")


def read_groups(
    wire: Wire, settings: LdapSettings, entry: Entry, user: str, *, is_ad: bool
) -> frozenset[str]:
    """
    Give the names of all groups of a user.

    @param entry: the user's, with L{ATTRIBUTES}.
    @param user: what groups that list names and not entries know him as (C{memberUid}).
    @raise TooMany: there are more, or deeper ones, than the settings allow.
    """
    found = _of_ad(wire, settings, entry) if is_ad else _walked(wire, settings, entry, user)
    if len(found) > settings.groups:
        raise TooMany(f"the user is in more than {settings.groups} groups")
    if settings.group_name == "dn":
        return frozenset(found)
    return frozenset(name for dn in found if (name := first_rdn(dn)))


def _of_ad(wire: Wire, settings: LdapSettings, entry: Entry) -> list[str]:
    member = escape_filter(entry.dn)
    wanted = [f"(member:{_IN_CHAIN}:={member})" if settings.nested else f"(member={member})"]
    primary = _primary_group(entry)
    if primary is not None:
        # It is not among the members' groups: the user's entry names it.
        wanted.append(f"(objectSid={escape_filter_bytes(primary)})")
    return _search(wire, settings, wanted)


def _walked(wire: Wire, settings: LdapSettings, entry: Entry, user: str) -> list[str]:
    wanted = [*_has_member([entry.dn]), f"(memberUid={escape_filter(user)})"]
    found: dict[str, str] = {}
    level = _new(found, _search(wire, settings, wanted))
    if not settings.group_filter and not settings.group_base:
        # Groups that can't be found by their members; a bound to some groups would have to be looked up for each.
        level += _new(found, entry.texts("memberOf"))
    depth = 1
    while settings.nested and level:
        if depth > settings.group_depth or len(found) > settings.groups:
            raise TooMany(
                f"the user's groups are more than {settings.groups}, or nested more than {settings.group_depth} deep"
            )
        above: list[str] = []
        for index in range(0, len(level), _AT_ONCE):
            above += _search(wire, settings, _has_member(level[index : index + _AT_ONCE]))
        level = _new(found, above)
        depth += 1
    return list(found.values())


def _new(found: dict[str, str], dns: Iterable[str]) -> list[str]:
    """Add what is not there yet, and give it."""
    new = {dn.casefold(): dn for dn in dns if dn.casefold() not in found}
    found.update(new)
    return list(new.values())


def _has_member(dns: Sequence[str]) -> list[str]:
    return [
        f"({attribute}={escape_filter(dn)})"
        for dn in dns
        for attribute in ("member", "uniqueMember")
    ]


def _search(wire: Wire, settings: LdapSettings, wanted: Sequence[str]) -> list[str]:
    filter = f"(|{''.join(wanted)})" if len(wanted) > 1 else wanted[0]
    if settings.group_filter:
        filter = f"(&{settings.group_filter}{filter})"
    base = settings.group_base or settings.base
    return [entry.dn for entry in wire.search(base, filter, (), limit=settings.groups)]


def _primary_group(entry: Entry) -> bytes | None:
    """Give the security identifier of the primary group: the user's own with another last number (MS-DTYP 2.4.2.2)."""
    sid = next(iter(entry.attributes.get("objectsid", ())), b"")
    number = next(iter(entry.attributes.get("primarygroupid", ())), b"")
    if len(sid) < 12 or not number.isdigit() or int(number) >= 2**32:
        return None
    return sid[:-4] + int(number).to_bytes(4, "little")
