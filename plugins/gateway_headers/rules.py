"""
Rules about fields: which messages they are for and what they do.

Everything in a rule is checked when it is made, so that applying it can't fail.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from gateway.api import Fields, Request
from gateway.api.settings import BadValue, Help, Hosts, TextKind

#: What the gateway writes, reads or takes away by rules of its own; C{Fields} refuses those of framing and connection.
OWNED = frozenset(
    (
        "expect",
        "forwarded",
        "max-forwards",
        "proxy",
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-authorization",
        "trailer",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-request-id",
    )
)

_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def field_name(text: str) -> str:
    """
    Check the name of a field that a rule is about.

    @raise BadValue: it is none, or one that the gateway owns.
    """
    _check(text, "")
    return text


def method(text: str) -> str:
    """
    Check a method.

    @raise BadValue: it is none.
    """
    if not _METHOD.fullmatch(text):
        raise BadValue(f'"{text}" is not a method', 'such as "GET"')
    return text


def url_path(text: str) -> str:
    """
    Check the path of a rule.

    @raise BadValue: it can be none.
    """
    if not re.fullmatch(r"/[!-~]*", text) or re.search(r"[?#*]", text):
        raise BadValue(
            f'"{text}" is not a path', 'such as "/api", which means itself and all below it'
        )
    return text


@dataclass(frozen=True, slots=True)
class Rule:
    """C{[[plugins.headers.rule]]}: what is done to the fields of some messages."""

    direction: Annotated[
        Literal["request", "response"], Help("Whose fields: the request's or the response's.")
    ] = "request"
    hosts: Annotated[
        Hosts | None,
        Help(
            "The hosts that are asked: `name`, `*.name` (below it), `.name` (both); every one unless set.",
            '[".example.com"]',
        ),
    ] = None
    path: Annotated[
        str,
        TextKind("a path", url_path),
        Help("The path that is asked for, or one above it, as it is written in the request."),
    ] = "/"
    methods: Annotated[
        tuple[Annotated[str, TextKind("a method", method)], ...],
        Help("The methods of the requests; every one unless set.", '["POST"]'),
    ] = ()
    remove: Annotated[
        tuple[Annotated[str, TextKind("a field name", field_name)], ...],
        Help("Fields to take out, first of all.", '["Server"]'),
    ] = ()
    set: Annotated[
        dict[str, str],
        Help("Fields to write in place of those of that name.", '{ "X-Frame-Options" = "DENY" }'),
    ] = field(default_factory=dict)
    add: Annotated[
        dict[str, str], Help("Fields to write beside those of that name.", '{ "Vary" = "Origin" }')
    ] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """
        Check what can't be checked by itself.

        @raise ValueError: a name or a value can't be written, or nothing is to be done.
        """
        for name, value in (*self.set.items(), *self.add.items()):
            _check(name, value)
        if not (self.remove or self.set or self.add):
            raise ValueError("this rule does nothing: say remove, set or add")
        if self.methods and "CONNECT" in self.methods:
            raise ValueError("the fields of a CONNECT go nowhere, so no rule can be about them")


class RuleSet:
    """Rules in their order, made ready to be applied."""

    __slots__ = ("_rules",)

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = [(rule, rule.path.rstrip("/").encode("ascii")) for rule in rules]

    def apply(self, request: Request, fields: Fields) -> None:
        """
        Do what all rules say that match.

        @param fields: the request's or its response's.
        """
        for rule, path in self._rules:
            if rule.hosts is not None and request.host not in rule.hosts:
                continue
            if path and not _is_below(path, request.raw_target):
                continue
            if rule.methods and request.method not in rule.methods:
                continue
            _do(rule.remove, rule.set, rule.add, fields)


def _do(
    remove: Iterable[str], write: Mapping[str, str], add: Mapping[str, str], fields: Fields
) -> None:
    for name in remove:
        fields.remove(name)
    for name, value in write.items():
        fields.set(name, value)
    for name, value in add.items():
        fields.add(name, value)


def _is_below(path: bytes, target: bytes) -> bool:
    return target.startswith(path) and target[len(path) : len(path) + 1] in (b"", b"/", b"?")


def _check(name: str, value: str) -> None:
    """
    Check that a field can be written.

    @raise BadValue: it can't, as C{Fields} or the gateway's own rules forbid it.
    """
    if name.lower() in OWNED:
        raise BadValue(
            f"{name} is the gateway's own field and can't be changed by a rule",
            "it has settings of its own or none at all",
        )
    try:
        Fields().set(name, value)
    except ValueError as error:
        raise BadValue(str(error)) from None
