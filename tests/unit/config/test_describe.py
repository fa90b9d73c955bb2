"""The documents that are made from the schema."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.config.describe import Setting, settings, settings_page, table_struct
from gateway.config.kind import Place, Survey
from gateway.config.kinds.listeners import ListenTable
from gateway.config.kinds.parent_proxies import ParentTable
from gateway.config.kinds.secret import SecretTable
from gateway.config.layers import Sources
from gateway.config.load import load
from gateway.config.reading import fields_of, read_table
from gateway.config.schema import Config
from gateway.config.sections.plugins import Rule
from gateway.config.template import commented_file
from tests.unit.config.files import FilesTestCase

ROOT = Path(__file__).resolve().parents[3]


def tables() -> Iterator[tuple[str, type]]:
    """Go through every table that a file can have, with the name of its struct."""
    for field in fields_of(Config):
        yield field.key, table_struct(field)
    for struct in (Rule, ListenTable, ParentTable, SecretTable):
        yield struct.__name__, struct


def rows() -> Iterator[tuple[str, type, Setting]]:
    """Go through every setting."""
    for name, struct in tables():
        for setting in settings(struct):
            yield name, struct, setting


class SchemaTests(SynchronousTestCase):
    """Every setting says what it is."""

    def test_every_setting_has_help_and_unit(self) -> None:
        """Each field has a help text of whole sentences and says how its value is written."""
        for name, _, setting in rows():
            self.assertTrue(setting.unit, f"{name}.{setting.key} has no unit")
            self.assertRegex(setting.text, r"^\S.*[.]$", f"{name}.{setting.key} has no help")

    def test_defaults_can_be_written(self) -> None:
        """The default of each setting, written as the page shows it, reads as that default."""
        for name, struct, setting in rows():
            if setting.default:
                survey = Survey(Sources(), {})
                tree = tomllib.loads(f"{setting.key} = {setting.default}")
                required = {f.key: "http://a" for f in fields_of(struct) if f.is_required}
                if struct is ListenTable:
                    required = {"address": "127.0.0.1:1"}
                found: Any = read_table(struct, {**required, **tree}, Place(survey))
                self.assertEqual(survey.found, [], f"{name}.{setting.key}")
                expected: Any = read_table(struct, required, Place(survey))
                self.assertEqual(found, expected, f"{name}.{setting.key}")

    def test_examples_can_be_read(self) -> None:
        """Each example is a value that the gateway takes."""
        for name, struct, setting in rows():
            if setting.example and struct not in (ListenTable, ParentTable, SecretTable):
                survey = Survey(Sources(), {})
                read_table(
                    struct, tomllib.loads(f"{setting.key} = {setting.example}"), Place(survey)
                )
                self.assertEqual(survey.found, [], f"{name}.{setting.key}")


class PageTests(SynchronousTestCase):
    """docs/settings.md."""

    def test_up_to_date(self) -> None:
        """The page in the tree is the one that the schema makes: C{python -m gateway.config.describe}."""
        self.assertEqual((ROOT / "docs/settings.md").read_text(), settings_page())

    def test_names_every_setting(self) -> None:
        """Each setting has its row."""
        page = settings_page()
        for name, _, setting in rows():
            self.assertIn(f"| `{setting.key}` |", page, f"{name}.{setting.key}")

    def test_rows_are_whole(self) -> None:
        """Each row has four cells, whatever its text holds."""
        for line in settings_page().splitlines():
            if line.startswith("| `") and line.count(" | ") != 1:
                self.assertEqual(len(re.findall(r"(?<!\\)\|", line)), 5, line)


class TemplateTests(FilesTestCase):
    """The commented file."""

    def test_file_in_the_tree(self) -> None:
        """gateway.toml at the top of the tree is the file that C{gateway init} writes."""
        self.assertEqual((ROOT / "gateway.toml").read_text(), commented_file())

    def test_loads_as_the_defaults(self) -> None:
        """Loading it as it is changes nothing."""
        self.assertEqual(self.load(commented_file()), load())

    def test_switched_on_lines_are_the_defaults(self) -> None:
        """Loading it with every setting switched on changes nothing either: each line shows a true default."""
        text, count = re.subn(r"^#(?=[a-z_.]+ = )", "", commented_file(), flags=re.MULTILINE)
        self.assertGreater(count, 30)
        self.assertEqual(self.load(text), load())

    def test_example_of_a_site(self) -> None:
        """The example of a site loads once its comment signs are away."""
        found = re.search(r"^# \[\[site\]\]\n(# [a-z]+ = .*\n)+", commented_file(), re.MULTILINE)
        assert found is not None
        config = self.load(found[0].replace("# ", ""))
        self.assertEqual(config.site[0].host, ("www.example.com", "*.shop.example.com"))

    def test_lines_fit(self) -> None:
        """Text is wrapped; only an example may be longer than a screen is wide."""
        for line in commented_file().splitlines():
            if not line.startswith(
                ("# Example: ", "# host", '# "gateway check', "# Every key", "# Files")
            ):
                self.assertLessEqual(len(line), 100, line)


class EffectTests(SynchronousTestCase):
    """No key without an effect."""

    def test_every_setting_is_used(self) -> None:
        """Each key is read somewhere outside of the configuration and the console script."""
        source = "\n".join(
            path.read_text()
            for path in (ROOT / "gateway").rglob("*.py")
            if path.relative_to(ROOT / "gateway").parts[0] not in ("config", "cli")
        )
        structs: list[type] = [table_struct(field) for field in fields_of(Config)]
        for struct in (*structs, ListenTable, Rule):
            for setting in settings(struct):
                name = setting.key.rpartition(".")[2]
                self.assertRegex(source, rf"\.{name}\b", f"{struct.__name__}.{setting.key}")
