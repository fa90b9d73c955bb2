"""
The process in which C{gateway plugin check} tries a plugin: C{python -m gateway.cli.plugin_judge}.

What to try comes as JSON on standard input, what was found goes as JSON to standard output: an array of
C{[where, what, mend]}. Whatever the plugin prints goes to standard error.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

from gateway.api import Plugin
from gateway.cli.plugin_source import readme_of
from gateway.config.reading import fields_of
from gateway.testing import check_plugin

Found: TypeAlias = tuple[str, str, str]


def judge(
    root: Path, module: str, attribute: str, name: str, settings: dict[str, Any]
) -> Iterator[Found]:
    """
    Import a plugin and try it; goes as far as that makes sense.

    @param root: the folder from which it is imported; it stands in C{sys.path}.
    @param name: which it must have.
    @param settings: as TOML gave them.
    """
    try:
        imported = importlib.import_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        yield *_raised(error, root, "it can't be imported"), _missing(error)
        return
    file = imported.__file__ or str(root)
    plugin = getattr(imported, attribute, None)
    if plugin is None:
        where = attribute or "plugin"
        yield file, f"it names no {where}", f"write {where} = the class of the plugin at its end"
        return
    if not (isinstance(plugin, type) and issubclass(plugin, Plugin)):
        mend = "name a subclass of gateway.api.Plugin, not an object of it"
        yield file, f"{attribute} is {plugin!r} and no class of a plugin", mend
        return
    where = _place(plugin)
    if plugin.name != name:
        mend = "its name, its entry point and gateway_NAME of its package are the same"
        yield where, f'it calls itself "{plugin.name}" and is found as "{name}"', mend
    try:
        findings = check_plugin(plugin, settings)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may also try to end the process
        yield *_raised(error, root, "it can't be tried"), "raise what is an Exception"
        return
    yield from map(_split, findings)
    if Path(file).name == "__init__.py":
        yield from _package(Path(file).parent, plugin)


def _split(finding: str) -> Found:
    """Take a finding of C{check_plugin} apart: C{where: what; mend.}"""
    where, _, rest = finding.rstrip(".").partition(": ")
    what, _, mend = rest.rpartition("; ")
    return where, what or mend, mend if what else ""


def _package(folder: Path, plugin: type[Plugin]) -> Iterator[Found]:
    """Look for what belongs to a package and is no code."""
    if not (folder / "py.typed").is_file():
        mend = "lay an empty file py.typed beside it, and name it in package-data"
        yield str(folder), "type checkers take its annotations for nothing", mend
    readme = readme_of(folder / "__init__.py")
    if readme is None:
        return  # said already
    text = readme.read_text(encoding="utf-8", errors="replace")
    for field in fields_of(plugin.Settings):
        if field.key not in text:
            what = f"it says nothing of the setting {field.key}"
            yield str(readme), what, "say what it means and what its default is"


def _raised(error: BaseException, root: Path, what: str) -> tuple[str, str]:
    """Say what was raised, and by which line of the plugin's own."""
    where = str(root)
    for frame in traceback.extract_tb(error.__traceback__):
        if Path(frame.filename).is_relative_to(root):
            where = f"{frame.filename}:{frame.lineno}"
    if isinstance(error, SyntaxError) and error.filename:
        where = f"{error.filename}:{error.lineno}"
    return where, f"{what}: {type(error).__name__}: {error}"


def _missing(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"pip install what brings {error.name}, and name it in its dependencies"
    return ""


def _place(plugin: type[Plugin]) -> str:
    try:
        return f"{inspect.getfile(plugin)}:{inspect.getsourcelines(plugin)[1]}"
    except (OSError, TypeError):
        return plugin.__module__


def main() -> None:
    """Judge what standard input names, and end the process, whatever the plugin has left running."""
    asked = json.load(sys.stdin)
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.path.insert(0, asked["root"])
    found = list(
        judge(
            Path(asked["root"]),
            asked["module"],
            asked["attribute"],
            asked["name"],
            asked["settings"],
        )
    )
    json.dump(found, answer)
    answer.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
