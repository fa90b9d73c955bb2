"""
One search in place of many: the entries of several logins, the groups of several users, and whose each of them is.

A server spends most of a small search on its beginning and its end. What one search finds for many is shared out by what the entries
say of themselves, and only where that leaves no doubt: an entry, or a member of a group, that a server has matched by rules of its own
(other spaces, accents, spellings of a name) and that can't be given to anybody here means that all are to be asked for one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from gateway_auth.ldap_messages import Entry
from gateway_auth.ldap_wire import Question

#: What an entry of somebody has: one of these values of an attribute.
Marks: TypeAlias = Sequence[tuple[str, str]]

#: Has names of users and no distinguished names.
BY_NAME: Final = "memberuid"


def joined_users(questions: Sequence[Question], marks: Sequence[Marks]) -> Question:
    """
    Ask for several users at once.

    @param questions: one for each, alike but for the filter and for how many may be found.
    @param marks: how the entries of each are known.
    """
    first = questions[0]
    attributes = list(first.attributes)
    for attribute in {name: None for one in marks for name, _ in one}:
        if attribute.lower() not in (known.lower() for known in attributes):
            attributes.append(attribute)
    return Question(
        first.base,
        "",
        attributes,
        sum(one.limit for one in questions),
        first.scope,
        either=[one.filter for one in questions],
    )


def users_found(entries: Sequence[Entry], marks: Sequence[Marks]) -> list[list[Entry]] | None:
    """
    Share entries out among those who were asked for.

    @param marks: of each of them.
    @return: for each in their order; C{None}: an entry is nobody's.
    """
    places: dict[tuple[str, str], list[int]] = {}
    for place, one in enumerate(marks):
        for attribute, value in one:
            places.setdefault((attribute.lower(), value.lower()), []).append(place)
    wanted = {attribute for attribute, _ in places}
    found: list[list[Entry]] = [[] for _ in marks]
    for entry in entries:
        its = {
            place
            for attribute in wanted
            for text in entry.texts(attribute)
            for place in places.get((attribute, text.lower()), ())
        }
        if not its:
            return None
        for place in its:
            found[place].append(entry)
    return found


def groups_found(
    groups: Sequence[Entry], members: Sequence[tuple[str, str]]
) -> list[list[str]] | None:
    """
    Share groups out among their members.

    @param groups: each with those members alone that were asked for.
    @param members: the distinguished name, and the name in groups that list names, of each who was asked for.
    @return: the names of the groups of each, in their order; C{None}: it is not clear who is in one of them.
    """
    by_entry: dict[str, list[int]] = {}
    by_name: dict[str, list[int]] = {}
    for place, (dn, name) in enumerate(members):
        same = by_entry.setdefault(dn.lower(), [])
        if same and members[same[0]][0] != dn:
            # Two entries to a server that tells such names apart.
            return None
        same.append(place)
        by_name.setdefault(name, []).append(place)
    found: list[list[str]] = [[] for _ in members]
    for group in groups:
        its: set[int] = set()
        for attribute in group.attributes:
            values = group.texts(attribute)
            if len(values) != len(group.attributes[attribute]):
                return None
            for text in values:
                known = by_name.get(text) if attribute == BY_NAME else by_entry.get(text.lower())
                if known is None:
                    return None
                its.update(known)
        if not its:
            return None
        for place in its:
            found[place].append(group.dn)
    return found
