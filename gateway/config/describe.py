"""
The page docs/settings.md, made from the schema: C{python -m gateway.config.describe > docs/settings.md}.

The page cannot disagree with the program: defaults, units, bounds and help are those that the reader uses.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from gateway.config.kind import Kind, quoted
from gateway.config.kinds.listeners import ListenKind, TlsTable
from gateway.config.kinds.parent_proxies import ParentTable
from gateway.config.kinds.secret import SecretKind, SecretTable
from gateway.config.reading import Field, fields_of, is_struct, split
from gateway.config.schema import Config
from gateway.config.sections.plugins import Rule
from gateway.config.sections.section import Section
from gateway.config.sections.site import INHERIT
from gateway.config.sections.tls import TlsClientCertificate, TlsException

INTRODUCTION = """\
# Settings

<!-- Made by `python -m gateway.config.describe`; do not edit. -->

The configuration is one TOML file, `twistd -n gateway --config gateway.toml`. Every key is optional, and so is the file: without
one the gateway is a forward proxy on 127.0.0.1:8080 with health and metrics on 127.0.0.1:8081. `gateway init` writes a file with
every key as a comment, `gateway check --config gateway.toml` lists all its faults at once, `gateway ports` says what it listens on
and connects to.

**Several files.** Beside the file, `conf.d/*.toml` are read in the order of their names, then `node.toml`, for what is true of one
machine only. A later file wins over an earlier one key by key, and the command line wins over all of them. `[[site]]` tables of all
files are joined; any other array is replaced as a whole.

**Values.**

| written as | means |
|---|---|
| size | `"64KiB"`, `"2GiB"` count in 1024, `"10MB"` in 1000; a bare number is bytes |
| duration | `"500ms"`, `"30s"`, `"5m"`, `"2h"`, `"1d"`; the unit is never left out |
| share | `"80%"`, `"12.5%"`; the sign is never left out |
| listener | `"127.0.0.1:8080"`, `"[::1]:8080"`, `":8080"` (every IPv4 address), `"[::]:8080"` (every address), `"unix:/run/gateway.sock"`, \
`"systemd:0"` (the first socket of a socket unit), or a table, see [Listeners](#listeners) |
| IP networks | `["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"]`; an IPv4-mapped IPv6 address counts as the IPv4 address |
| host patterns | `"www.example.com"` (that host), `"*.example.com"` (below it), `".example.com"` (both), `"*"`, an address or a network |
| ports | `443`, `"8000-8099"`, or an array of both |
| path | a relative one begins in the folder of the file that says it |
| secret | never in the file itself: `{ file = "..." }`, `{ env = "..." }` or `{ credential = "..." }` (systemd), read at the start |
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the page."""

    key: str
    unit: str
    default: str
    """As TOML; empty where not to say the key is something else than any value."""
    text: str
    example: str


def settings_page() -> str:
    """Make the whole page."""
    parts = [INTRODUCTION]
    for table in fields_of(Config):
        struct = table_struct(table)
        header = f"[[{table.key}]]" if get_origin(table.hint) is tuple else f"[{table.key}]"
        parts.append(f"## `{header}`\n\n{description(struct)}\n\n{_rows(settings(struct))}")
    parts.append(
        "### Every `[plugins.NAME]`\n\nThese keys may stand in the table of any plugin, beside its own.\n\n"
        + _rows(settings(Rule))
    )
    listener = next(field.kind for field in fields_of(_struct("admin")) if field.kind is not None)
    assert listener.table is not None, "listeners have a table form"
    parts.append(
        "## Listeners\n\nA listener with options is a table, "
        '`{ address = "0.0.0.0:8080", max_connections = 500 }`.\n\n'
        + _rows(settings(listener.table))
    )
    parts.append(
        "### TLS of a listener\n\nThe keys of its `tls` table.\n\n" + _rows(settings(TlsTable))
    )
    parts.append(
        "## TLS exceptions\n\nEach element of `tls.exceptions`.\n\n" + _rows(settings(TlsException))
    )
    parts.append(
        "## Client certificates\n\nEach element of `tls.client_certificates`.\n\n"
        + _rows(settings(TlsClientCertificate))
    )
    parts.append(
        "## Parent proxies\n\nEach element of `forward.parent`.\n\n" + _rows(settings(ParentTable))
    )
    parts.append("## Secrets\n\nExactly one of these keys.\n\n" + _rows(settings(SecretTable)))
    return "\n".join(parts)


def settings(struct: type, prefix: str = "") -> Iterator[Setting]:
    """Go through the settings of a table, those of tables inside it included."""
    for field in fields_of(struct):
        key = prefix + field.key
        if is_struct(field.hint) and field.kind is None:
            yield from settings(field.hint, f"{key}.")
        else:
            yield Setting(
                key, unit_of(field), default_of(field), field.help.text, field.help.example
            )


def table_struct(table: Field) -> type[Section]:
    """Give the struct of one table of the file."""
    found = _inner(table.hint)
    if not (isinstance(found, type) and issubclass(found, Section)):
        raise TypeError(f"{table.name} is no table")
    return found


def description(struct: type) -> str:
    """Give what a struct says about itself."""
    return inspect.cleandoc(struct.__doc__ or "")


def unit_of(field: Field) -> str:
    """Say how a value is written."""
    if field.kind is not None:
        return field.kind.unit
    if get_origin(field.hint) is tuple:
        if is_struct(_inner(field.hint)):
            return "array: table"
        element, notes = split(get_args(field.hint)[0])
        return f"array: {unit_of(Field('', '', element, notes, None, False))}"
    if is_struct(_inner(field.hint)):
        return "table"
    if get_origin(field.hint) is Literal:
        return " or ".join(quoted(str(choice)) for choice in get_args(field.hint))
    return {bool: "true or false", str: "string", int: "number", float: "number"}.get(
        field.hint, ""
    )


def default_of(field: Field) -> str:
    """Write the default as TOML, or nothing when there is none."""
    kind = field.kind
    if field.is_required or field.default is INHERIT:
        return ""
    if isinstance(kind, SecretKind) and not kind.is_optional:
        return ""
    if field.default is None and not isinstance(kind, ListenKind | SecretKind):
        return ""  # TOML has no word for None; an address and a secret have: the empty string
    return toml(field.default, field.hint, field.kind)


def toml(value: Any, hint: Any, kind: Kind | None) -> str:
    """Write a value as TOML."""
    if kind is not None:
        return kind.toml(value)
    if isinstance(value, tuple):
        element, notes = split(get_args(hint)[0])
        inner = next((note for note in notes if isinstance(note, Kind)), None)
        return "[" + ", ".join(toml(item, element, inner) for item in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return quoted(value) if isinstance(value, str) else str(value)


def _rows(found: Iterator[Setting]) -> str:
    lines = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for setting in found:
        default = f"`{setting.default}`" if setting.default else "-"
        example = f" Example: `{setting.example}`" if setting.example else ""
        cells = (f"`{setting.key}`", setting.unit, default, setting.text + example)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _struct(name: str) -> type[Section]:
    return next(table_struct(table) for table in fields_of(Config) if table.name == name)


def _inner(hint: Any) -> Any:
    """Take the struct out of C{X | None} and C{tuple[X, ...]}."""
    found = [arg for arg in get_args(hint) if arg not in (type(None), Ellipsis)]
    return found[0] if found else hint


if __name__ == "__main__":
    sys.stdout.write(settings_page())
