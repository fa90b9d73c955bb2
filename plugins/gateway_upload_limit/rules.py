"""
Rules about uploads: which limit is for which request, and for which file in a form.

The first rule that matches wins, so what is special stands before what is general.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from gateway.api import Transaction
from gateway.api.settings import BadValue, Help, SizeKind, TextKind

#: How browsers send forms with files (RFC 7578); its parts have types of their own.
FORM = "multipart/form-data"

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_MEDIA = re.compile(r"(?:\*/\*|[!#$&^_.+\-0-9A-Za-z]+/(?:\*|[!#$&^_.+\-0-9A-Za-z]+))")


def media_range(text: str) -> str:
    """
    Check a media type or a range of them and give it in lower case.

    @raise BadValue: it is none, or has parameters.
    """
    if not _MEDIA.fullmatch(text):
        raise BadValue(f'"{text}" is not a media type', 'such as "image/png" or "image/*"')
    return text.lower()


def method(text: str) -> str:
    """
    Check a method.

    @raise BadValue: it is none, or CONNECT, whose tunnel is no upload.
    """
    if not _TOKEN.fullmatch(text) or text == "CONNECT":
        raise BadValue(f'"{text}" is not a method that uploads', 'such as "PUT"')
    return text


def name(text: str) -> str:
    """
    Check a name and give it in a form in which case does not matter.

    @raise BadValue: it is empty.
    """
    if not text.strip():
        raise BadValue("an empty name")
    return text.strip().casefold()


_Name = Annotated[str, TextKind("a name", name)]


@dataclass(frozen=True, slots=True)
class Rule:
    """C{[[plugins.upload_limit.rule]]}: a limit, and for what it is; what is not set is for all."""

    limit: Annotated[
        int,
        SizeKind(zero="no limit"),
        Help("Largest content of a request, or of a file.", '"10MiB"'),
    ]
    media: Annotated[
        tuple[Annotated[str, TextKind("a media type", media_range)], ...],
        Help(
            "Media types of what is sent. Each file in a form is held to the first rule that matches its own type.",
            '["image/*", "application/pdf"]',
        ),
    ] = ()
    methods: Annotated[
        tuple[Annotated[str, TextKind("a method", method)], ...],
        Help("Methods of the request.", '["PUT"]'),
    ] = ()
    users: Annotated[
        tuple[_Name, ...], Help("Users who send it; any of these or of `groups`.")
    ] = ()
    groups: Annotated[
        tuple[_Name, ...], Help("Groups of the users who send it; any of these or of `users`.")
    ] = ()
    sites: Annotated[
        tuple[_Name, ...],
        Help(
            "Sites it is sent to, each by the first `host` of its `[[site]]`.",
            '["www.example.com"]',
        ),
    ] = ()


@dataclass(frozen=True, slots=True)
class Limit:
    """
    A limit and where it comes from.

    @ivar count: bytes; 0: no limit.
    @ivar setting: the setting that says so.
    """

    count: int
    setting: str


class RuleSet:
    """
    Rules in their order.

    @ivar has_media: some rule is about media types, so files in forms must be looked at.
    """

    __slots__ = ("_rules", "has_media")

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = [
            (rule, Limit(rule.limit, f"plugins.upload_limit.rule[{index}].limit"))
            for index, rule in enumerate(rules)
        ]
        self.has_media = any(rule.media for rule, _ in self._rules)

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self._rules)

    def find(self, txn: Transaction, media: str) -> Limit | None:
        """Give the limit of a request, C{None} if no rule matches."""
        for rule, limit in self._rules:
            if _concerns(rule, txn) and (not rule.media or _is_in(media, rule.media)):
                return limit
        return None

    def for_files(self, txn: Transaction) -> list[tuple[Rule, Limit]]:
        """Give the rules that the files in a form are held to; empty if none of them is about media types."""
        found = [(rule, limit) for rule, limit in self._rules if _concerns(rule, txn)]
        return found if any(rule.media for rule, _ in found) else []


def file_limit(rules: Iterable[tuple[Rule, Limit]], media: str) -> Limit | None:
    """
    Give the limit of one file in a form.

    @return: C{None} where the first rule that matches is about requests, to which the whole form is held already.
    """
    for rule, limit in rules:
        if not rule.media:
            return None
        if _is_in(media, rule.media):
            return limit
    return None


def media_type(txn: Transaction) -> str:
    """Give the declared type of a request's content, in lower case and without parameters; empty if it declares none."""
    declared = txn.request.fields.get("content-type")
    return "" if declared is None else declared.partition(";")[0].strip().lower()


def _concerns(rule: Rule, txn: Transaction) -> bool:
    """Tell whether a rule is about a request, its media type aside."""
    if rule.methods and txn.request.method not in rule.methods:
        return False
    if rule.sites and txn.site.casefold() not in rule.sites:
        return False
    if not rule.users and not rule.groups:
        return True
    identity = txn.identity
    if identity is None:
        return False
    return identity.user.casefold() in rule.users or any(
        group.casefold() in rule.groups for group in identity.groups
    )


def _is_in(media: str, ranges: Iterable[str]) -> bool:
    for one in ranges:
        if one in (media, "*/*") or (one.endswith("/*") and media.startswith(one[:-1])):
            return True
    return False
