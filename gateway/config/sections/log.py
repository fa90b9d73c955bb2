"""C{[log]}: what is written about the work."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from gateway.config.kind import Help
from gateway.config.kinds.texts import PathKind, TextKind, log_format
from gateway.config.sections.section import Section

Masked: TypeAlias = Literal["query", "user"]


class Access(Section, frozen=True, kw_only=True):
    """The access log: one line for every transaction and tunnel."""

    shorthand: ClassVar[str] = "path"

    path: Annotated[
        str,
        PathKind(("", "-")),
        Help(
            'File; "-" is standard output, empty switches the log off.',
            '"/var/log/gateway/access.log"',
        ),
    ] = "-"
    format: Annotated[
        str,
        TextKind("format", log_format),
        Help('"squid", "combined" or "json", or "custom " and a format string.', '"json"'),
    ] = "squid"


class Log(Section, frozen=True, kw_only=True):
    """What is written about the work."""

    access: Annotated[
        Access,
        Help(
            "Where the access log goes, and how.",
            '{ path = "/var/log/gateway/access.log", format = "json" }',
        ),
    ] = Access()
    mask: Annotated[
        tuple[Masked, ...],
        Help(
            'What the access log leaves out: the "query" of every URL, the "user".',
            '["query", "user"]',
        ),
    ] = ()
