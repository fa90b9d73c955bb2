"""
The groups of a user: direct ones, and those that these are in.

Active Directory follows nesting itself, by a matching rule. Elsewhere it is walked, one level at a time: every group that was
found is asked for once, so a circle ends, and depth and number are bounded. Who is in more groups than the bound is not let in,
as nobody knows what a rule about the others would have said.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from gateway_auth.group_members import ALL
from gateway_auth.ldap_messages import Entry
from gateway_auth.ldap_settings import LdapSettings
from gateway_auth.ldap_wire import Question, TooMany, Wire
from gateway_auth.names import escape_filter, escape_filter_bytes, first_rdn

#: LDAP_MATCHING_RULE_IN_CHAIN (MS-ADTS section 3.1.1.3.4.4).
_IN_CHAIN = "1.2.840.113556.1.4.1941"
#: So many groups are asked for at once.
_AT_ONCE = 25
#: So long it is taken for good which groups some groups are in: it is the same for all who log in at the same time.
ABOVE_SECONDS = 60.0
#: Of so many sets of groups that is known, of sets that have no more groups than this with those above.
_MOST_KNOWN, _MOST_GROUPS = 1000, 100
#: Has names of users and no distinguished names.
_BY_NAME = "memberUid"
#: What of a user's entry has to be at hand.
ATTRIBUTES = ("memberOf", "objectSid", "primaryGroupID")


class Above:
    """Which groups some groups are in, for a short time."""

    def __init__(self, now: Callable[[], float]) -> None:
        """
        Know nothing.

        @param now: gives seconds.
        """
        self._now = now
        self._known: OrderedDict[frozenset[str], tuple[float, tuple[str, ...]]] = OrderedDict()

    def get(self, groups: frozenset[str]) -> tuple[str, ...] | None:
        """Give the groups that these are in, C{None} if that is not known."""
        known = self._known.get(groups)
        return known[1] if known is not None and self._now() < known[0] else None

    def put(self, groups: frozenset[str], above: Sequence[str]) -> None:
        """Keep what was found; what was found first gives way. Who is in many groups is alone with that, so it is not kept."""
        if len(groups) + len(above) > _MOST_GROUPS:
            return
        self._known.pop(groups, None)
        self._known[groups] = (self._now() + ABOVE_SECONDS, tuple(above))
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)

    def clear(self) -> None:
        """Forget all."""
        self._known.clear()


async def read_groups(
    wire: Wire,
    settings: LdapSettings,
    entry: Entry,
    user: str,
    above: Above | None,
    members: Sequence[str] = ALL,
    *,
    is_ad: bool,
    direct: Sequence[str] | None = None,
) -> frozenset[str]:
    """
    Give the names of all groups of a user.

    @param entry: the user's, with L{ATTRIBUTES}.
    @param above: what is known of groups within groups, of this directory and by these settings; C{None} where it is the user who
        looks, who may see less or more of them than another one.
    @param user: what groups that list names and not entries know him as (C{memberUid}).
    @param members: the attributes by which groups name their members; not those of Active Directory.
    @param direct: what L{question} has found, if that was asked already.
    @raise TooMany: there are more, or deeper ones, than the settings allow.
    """
    if direct is None:
        direct = await _search(wire, question(settings, entry, user, members, is_ad=is_ad))
    found = direct if is_ad else await _walked(wire, settings, entry, direct, above, members)
    if len(found) > settings.groups:
        raise TooMany(f"the user is in more than {settings.groups} groups")
    if settings.group_name == "dn":
        return frozenset(found)
    return frozenset(name for dn in found if (name := _common_name(dn)))


@lru_cache(maxsize=4096)
def _common_name(dn: str) -> str | None:
    return first_rdn(dn)


def question(
    settings: LdapSettings,
    entry: Entry,
    user: str,
    members: Sequence[str] = ALL,
    *,
    is_ad: bool,
) -> Question:
    """Give what finds all groups of a user in Active Directory, elsewhere the direct ones; as of L{read_groups}."""
    if not is_ad:
        return _question(settings, _is_member(entry, user, members))
    member = escape_filter(entry.dn)
    wanted = [f"(member:{_IN_CHAIN}:={member})" if settings.nested else f"(member={member})"]
    primary = _primary_group(entry)
    if primary is not None:
        # It is not among the members' groups: the user's entry names it.
        wanted.append(f"(objectSid={escape_filter_bytes(primary)})")
    return _question(settings, wanted)


def joint_question(
    settings: LdapSettings, users: Sequence[tuple[Entry, str]], members: Sequence[str]
) -> Question:
    """
    Give what finds the direct groups of several users, and of their members these users alone; not in Active Directory.

    @param users: entries, and how groups that list names know them.
    """
    wanted = [one for entry, user in users for one in _is_member(entry, user, members)]
    return Question(
        settings.group_base or settings.base,
        settings.group_filter,
        members,
        settings.groups,
        either=wanted,
        matched=True,
    )


def _is_member(entry: Entry, user: str, members: Sequence[str]) -> list[str]:
    wanted = _has_member([entry.dn], members)
    if _BY_NAME in members:
        wanted.append(f"({_BY_NAME}={escape_filter(user)})")
    return wanted


async def _walked(
    wire: Wire,
    settings: LdapSettings,
    entry: Entry,
    direct: Sequence[str],
    above: Above | None,
    members: Sequence[str],
) -> list[str]:
    found: dict[str, str] = {}
    level = _new(found, direct)
    if not settings.group_filter and not settings.group_base:
        # Groups that can't be found by their members; a bound to some groups would have to be looked up for each.
        level += _new(found, entry.texts("memberOf"))
    depth = 1
    while settings.nested and level:
        if depth > settings.group_depth or len(found) > settings.groups:
            raise TooMany(
                f"the user's groups are more than {settings.groups}, or nested more than {settings.group_depth} deep"
            )
        level = _new(found, await _all_above(wire, settings, level, above, members))
        depth += 1
    return list(found.values())


async def _all_above(
    wire: Wire,
    settings: LdapSettings,
    level: Sequence[str],
    above: Above | None,
    members: Sequence[str],
) -> Sequence[str]:
    """Give the groups that any of these is in."""
    key = frozenset(level)
    known = None if above is None else above.get(key)
    if known is not None:
        return known
    found: list[str] = []
    for index in range(0, len(level), _AT_ONCE):
        wanted = _has_member(level[index : index + _AT_ONCE], members)
        found += await _search(wire, _question(settings, wanted))
    if above is not None:
        above.put(key, found)
    return found


def _new(found: dict[str, str], dns: Iterable[str]) -> list[str]:
    """Add what is not there yet, and give it."""
    new = {dn.lower(): dn for dn in dns if dn.lower() not in found}
    found.update(new)
    return list(new.values())


def _has_member(dns: Sequence[str], members: Sequence[str]) -> list[str]:
    escaped = [escape_filter(dn) for dn in dns]
    return [f"({name}={dn})" for dn in escaped for name in members if name != _BY_NAME]


def _question(settings: LdapSettings, wanted: Sequence[str]) -> Question:
    """Ask for the groups that any of these filters finds; without one nothing is to be asked."""
    filter = f"(|{''.join(wanted)})" if len(wanted) > 1 else "".join(wanted)
    if settings.group_filter and filter:
        filter = f"(&{settings.group_filter}{filter})"
    return Question(settings.group_base or settings.base, filter, (), settings.groups)


async def _search(wire: Wire, asked: Question) -> list[str]:
    if not asked.filter:
        return []
    found = await wire.search(asked.base, asked.filter, asked.attributes, limit=asked.limit)
    return [entry.dn for entry in found]


def _primary_group(entry: Entry) -> bytes | None:
    """Give the security identifier of the primary group: the user's own with another last number (MS-DTYP 2.4.2.2)."""
    sid = next(iter(entry.attributes.get("objectsid", ())), b"")
    number = next(iter(entry.attributes.get("primarygroupid", ())), b"")
    if len(sid) < 12 or not number.isdigit() or int(number) >= 2**32:
        return None
    return sid[:-4] + int(number).to_bytes(4, "little")
