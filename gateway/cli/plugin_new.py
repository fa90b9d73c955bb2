"""C{gateway plugin new NAME}: write the repository of a plugin that works, to be changed into one's own."""

from __future__ import annotations

import argparse
import builtins
import re
import shlex
import string
from collections.abc import Mapping
from importlib.metadata import entry_points
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TextIO

from gateway import __version__
from gateway.cli.command import DONE, NOT_DONE, add_json, write_json
from gateway.cli.installed import GROUP
from gateway.config.reading import fields_of
from gateway.config.sections.plugins import Plugins

NAME = "new"
SUMMARY = "write the repository of a new plugin"
DESCRIPTION = """\
Writes a whole repository around a small plugin that works: package data with the entry point, the plugin with
its settings, tests, README, settings for mypy and ruff, a file for GitHub Actions. Its tests pass as they are.
Nothing is installed."""
EXAMPLES = """
  gateway plugin new block_hosts
      writes the folder gateway-block-hosts with the package gateway_block_hosts
  gateway plugin new block_hosts --folder src/blocker
      writes into this folder, which must be new or empty
"""
EXIT_CODES = {
    DONE: "written",
    NOT_DONE: "the name or the folder is no good, or the folder cannot be written",
}

LONGEST = 28
"""Of a name, in characters: it becomes part of class names, metrics and lines of code."""

#: Where each file of L{gateway.cli}'s folder C{template} goes; all have the suffix C{.tmpl}, so that no tool takes them for
#: what they are not. None: an empty file.
TEMPLATES: Mapping[str, str | None] = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    ".gitignore": "gitignore",
    ".github/workflows/check.yml": "check.yml",
    "gateway.toml": "gateway.toml",
    "@@{package}/__init__.py": "plugin.py",
    "@@{package}/py.typed": None,
    "@@{package}/tests/__init__.py": "tests_init.py",
    "@@{package}/tests/test_@@{name}.py": "test_plugin.py",
}

#: Words that the code of the templates uses, beside those of Python and of L{gateway.api}.
_TAKEN = {"Annotated", "FakeGateway", "SynchronousTestCase"}


class _Blanks(string.Template):
    """A text with C{@@{name}} in it: neither Python nor TOML nor a workflow has that by itself."""

    delimiter = "@@"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "name", metavar="NAME", help="of the plugin: lower-case letters, digits and underscores"
    )
    parser.add_argument(
        "--folder", metavar="DIR", help="of the repository (default: gateway-NAME in this folder)"
    )
    add_json(parser)


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Write the repository, and say what to do next."""
    name: str = options.name
    why = name_fault(name)
    folder = Path(options.folder or f"gateway-{name.replace('_', '-')}")
    if not why:
        why = _folder_fault(folder)
    if not why:
        try:
            written = write(name, folder)
        except OSError as error:
            why = f"{error.filename or folder} cannot be written: {error.strerror}"
    if why:
        if options.json:
            write_json(out, {"ok": False, "fault": why})
        else:
            err.write(f"{why}\n")
        return NOT_DONE
    steps = [
        f"cd {shlex.quote(str(folder))} && python -m pip install -e '.[test]'",
        f"python -m twisted.trial gateway_{name}",
        "twistd -n gateway --config gateway.toml",
    ]
    if options.json:
        write_json(out, {"ok": True, "folder": str(folder), "files": written, "next": steps})
        return DONE
    out.write(f"{folder} is written: a plugin {name} that refuses hosts. Next:\n")
    out.writelines(f"  {step}\n" for step in steps)
    out.write(f"Then make it yours: {folder / f'gateway_{name}' / '__init__.py'}\n")
    return DONE


def name_fault(name: str) -> str:
    """Say why a plugin can't have this name; an empty text if it can."""
    if not re.fullmatch(r"[a-z](_?[a-z0-9])*", name):
        plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_").removeprefix("gateway_")
        near = f"; {plain} would do" if not _plain_fault(plain) else ""
        return (
            f'"{name}" is no name for a plugin: it begins with a letter, then letters, digits and single '
            f"underscores, all in lower case{near}"
        )
    return _plain_fault(name)


def contents(name: str) -> dict[str, str]:
    """Give the text of each file of a new repository, by its path."""
    from gateway import api
    from gateway.api import settings

    made = "".join(part.capitalize() for part in name.split("_"))
    if made in {*api.__all__, *settings.__all__, *_TAKEN} or hasattr(builtins, made):
        made += "Plugin"
    blanks = {
        "name": name,
        "package": f"gateway_{name}",
        "distribution": f"gateway-{name.replace('_', '-')}",
        "Class": made,
        "version": __version__,
        "requires_api": repr(api.API_VERSION),
    }
    folder = files("gateway.cli") / "template"
    return {
        _Blanks(path).substitute(blanks): _Blanks(
            (folder / f"{template}.tmpl").read_text(encoding="utf-8")
        ).substitute(blanks)
        if template
        else ""
        for path, template in TEMPLATES.items()
    }


def write(name: str, folder: Path) -> list[str]:
    """
    Write a new repository and give the paths of its files.

    @raise OSError: it cannot be written; what was written up to then stays.
    """
    made = contents(name)
    for path, text in made.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    return list(made)


def _folder_fault(folder: Path) -> str:
    """Say why nothing is to be written here; a folder with nothing but an empty repository of git is fine."""
    try:
        there = [entry.name for entry in folder.iterdir() if entry.name != ".git"]
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"{folder} cannot be used: {error.strerror}"
    return f"{folder} is there already and not empty; name another with --folder" if there else ""


def _plain_fault(name: str) -> str:
    """Say why a name that is written as it should be can't be used."""
    if not name or not name[0].isalpha():
        return "a name begins with a letter"
    if len(name) > LONGEST:
        return f'"{name}" is longer than {LONGEST} characters'
    if name.startswith("gateway_"):
        return f'"{name}": the package is called gateway_{name} anyway; say {name.removeprefix("gateway_")}'
    if name in {field.key for field in fields_of(Plugins)}:
        return f'"{name}" is a key of the table [plugins], so no plugin can be called that'
    for point in entry_points(group=GROUP, name=name):
        package = f"the package {point.dist.name}" if point.dist else point.value
        return f'there is a plugin "{name}" already, of {package}'
    if find_spec(f"gateway_{name}") is not None:
        return f"there is a package gateway_{name} already"
    return ""
