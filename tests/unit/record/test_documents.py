"""The documents say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
from twisted.trial.unittest import SynchronousTestCase

import gateway
from gateway.record.directives import DIRECTIVES
from gateway.record.formats import compile_format
from gateway.record.outcomes import OUTCOMES
from gateway.record.schema import Line, Times, Tls, json_schema

DOCS = Path(gateway.__file__).parent.parent / "docs"
COMMAND = (
    "python -c 'from gateway.record.schema import json_schema; print(json_schema())' "
    "> docs/access-log.schema.json"
)


def described(record: type[msgspec.Struct], prefix: str = "") -> dict[str, str]:
    """Give the description of each field of a record that has one, by its dotted name."""
    info = msgspec.inspect.type_info(record)
    assert isinstance(info, msgspec.inspect.StructType)
    found = {}
    for field in info.fields:
        if isinstance(field.type, msgspec.inspect.Metadata):
            schema = field.type.extra_json_schema or {}
            found[prefix + field.name] = str(schema["description"])
    return found


class AccessLogDocumentTests(SynchronousTestCase):
    """F{docs/access-log.md}."""

    def setUp(self) -> None:
        """Read it."""
        self.text = (DOCS / "access-log.md").read_text()

    def rows(self) -> dict[str, str]:
        """Give the last column of each row by what is code in its first, where it says so first."""
        found: dict[str, str] = {}
        for first, meaning in re.findall(
            r"^\| (`[^|]+`) \|(?: [^|]+ \|)* ([^|]+) \|$", self.text, re.M
        ):
            for name in re.findall(r"`([^`]+)`", first):
                found.setdefault(name, meaning)
        return found

    def test_every_key(self) -> None:
        """Every key of a JSON line has a row with the schema's own words."""
        rows = self.rows()
        keys = {**described(Line), **described(Times, "timings."), **described(Tls)}
        self.assertEqual(len(keys), len(described(Line)) + 4 + 9)
        for name, meaning in keys.items():
            self.assertEqual(rows.get(name), meaning, name)

    def test_every_directive(self) -> None:
        """Every directive has a row with its meaning, and each one that has a row can be used."""
        rows = {name: meaning for name, meaning in self.rows().items() if name.startswith("%")}
        written = {
            f"%{{{directive.argument}}}{name}" if directive.argument else f"%{name}"
            for name, directive in DIRECTIVES.items()
        }
        self.assertEqual(set(rows), written)
        for name, directive in DIRECTIVES.items():
            key = f"%{{{directive.argument}}}{name}" if directive.argument else f"%{name}"
            self.assertEqual(rows[key], directive.meaning)
            compile_format(f"custom {key}")

    def test_every_outcome(self) -> None:
        """Every outcome is told."""
        for outcome in OUTCOMES:
            self.assertIn(f"`{outcome}`", self.text)

    def test_schema_file(self) -> None:
        """The schema beside the document is the one of the code."""
        stored = (DOCS / "access-log.schema.json").read_text()
        self.assertEqual(stored, json_schema() + "\n", f"make it anew: {COMMAND}")
