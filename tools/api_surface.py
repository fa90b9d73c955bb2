"""
Write the list of everything public that plugins build on, or with --check say where it differs from the stored one.

tests/api_surface.txt has each public name of gateway.api, gateway.api.settings and gateway.testing with its signature,
attributes and types, one on a line, so that a change of the API shows in review as a change of that file.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import importlib
import inspect
import re
import sys
import typing
from collections.abc import Iterator, Mapping
from difflib import unified_diff
from pathlib import Path
from textwrap import dedent
from typing import Any

from gateway.api.marks import SPEC_MARK

ROOT = Path(__file__).resolve().parent.parent
STORED = ROOT / "tests/api_surface.txt"
MODULES = ("gateway.api", "gateway.api.settings", "gateway.testing")

#: Methods that are not called by name, and public all the same.
_SPOKEN = frozenset(
    f"__{name}__"
    for name in (
        "init",
        "call",
        "contains",
        "delitem",
        "enter",
        "getitem",
        "iter",
        "len",
        "setitem",
    )
)
#: Larger tables are shown by their keys.
_FEW = 10
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_HEAD = """\
# Everything public that plugins and their tests build on. Written by: python tools/api_surface.py
"""


def surface() -> str:
    """Give the whole list."""
    lines: list[str] = []
    for module in MODULES:
        found = importlib.import_module(module)
        lines.append(f"\n[{module}]")
        for name in sorted(found.__all__):
            lines += _lines(name, getattr(found, name))
    return _HEAD + "\n".join(lines) + "\n"


def differences() -> list[str]:
    """Give the lines that differ from the stored list, as diff shows them; none if it is up to date."""
    stored = STORED.read_text() if STORED.exists() else ""
    found = unified_diff(stored.splitlines(), surface().splitlines(), "stored", "source", "", "", 0)
    return [line for line in found if not line.startswith(("---", "+++", "@@"))]


def _lines(name: str, value: Any) -> Iterator[str]:
    if inspect.isclass(value):
        yield from _class(name, value)
    elif inspect.isroutine(value):
        yield f"{name}{_signature(value)}"
    else:
        yield f"{name} = {_shown(value)}"


def _class(name: str, cls: type) -> Iterator[str]:
    bases = ", ".join(_type(base) for base in cls.__bases__ if base is not object)
    yield f"class {name}({bases})" if bases else f"class {name}"
    ours = [base for base in cls.__mro__ if base.__module__.partition(".")[0] == "gateway"]
    if issubclass(cls, enum.Enum):
        for member, value in cls.__members__.items():
            yield f"    {name}.{member} = {value.value!r}"
        return
    seen: dict[str, str] = {}
    for base in reversed(ours):
        seen.update(_members(base))
    for member in sorted(seen):
        yield f"    {name}.{member}{seen[member]}"


def _members(cls: type) -> Iterator[tuple[str, str]]:
    """Give name and form of what a class itself says in public, what it inherits left out."""
    defaults: dict[str, str] = {}
    if dataclasses.is_dataclass(cls):
        for field in dataclasses.fields(cls):
            if field.default is not dataclasses.MISSING:
                defaults[field.name] = f" = {_shown(field.default)}"
            elif field.default_factory is not dataclasses.MISSING:
                defaults[field.name] = " = ..."
    for name, annotation in inspect.get_annotations(cls).items():
        if not name.startswith("_"):
            said = vars(cls).get(name)
            if name not in defaults and not (said is None or inspect.ismemberdescriptor(said)):
                defaults[name] = f" = {_shown(said)}"
            yield name, f": {_type(annotation)}{defaults.get(name, '')}"
    annotated = inspect.get_annotations(cls)
    for name, value in vars(cls).items():
        if (name.startswith("_") and name not in _SPOKEN) or name in annotated:
            continue
        if name == "__init__":
            if not (dataclasses.is_dataclass(cls) or getattr(cls, "_is_protocol", False)):
                yield "__init__", _signature(value)
                yield from _set_in(value)
        elif isinstance(value, property):
            yield name, f": {_type(inspect.signature(value.fget).return_annotation)} (property)"  # type: ignore[arg-type]
        elif isinstance(value, classmethod | staticmethod):
            yield name, f"{_signature(value.__func__)} ({type(value).__name__})"
        elif inspect.isroutine(value):
            mark = "async " if inspect.iscoroutinefunction(value) else ""
            yield name, f"{_signature(value)}{f' ({mark.strip()})' if mark else ''}{_rule(value)}"
        elif not inspect.ismemberdescriptor(value):
            yield name, f" = {_shown(value)}"


def _rule(function: Any) -> str:
    """Say what is specified of a hook."""
    spec = getattr(function, SPEC_MARK, None)
    if spec is None:
        return ""
    budget = f", {spec.budget_seconds:g} s" if spec.waits else ""
    return f" [{spec.rule}, {spec.fail}{budget}{', threads' if spec.threads else ''}]"


def _set_in(function: Any) -> Iterator[tuple[str, str]]:
    """Give the public attributes that C{__init__} sets on its object, with the types that can be read off it."""
    tree = ast.parse(dedent(inspect.getsource(function)))
    taken = inspect.get_annotations(function)
    for node in ast.walk(tree):
        targets: list[ast.expr]
        if isinstance(node, ast.AnnAssign):
            targets, kind = [node.target], ast.unparse(node.annotation)
        elif isinstance(node, ast.Assign):
            targets, kind = list(node.targets), _kind(node.value, taken)
        else:
            continue
        for target in targets:
            # self.name, and no deeper.
            owner, _, name = ast.unparse(target).rpartition(".")
            if owner == "self" and not name.startswith("_"):
                yield name, f": {kind}"


def _kind(value: ast.expr, taken: dict[str, Any]) -> str:
    """Guess the type of what is assigned: a parameter's, a constant's, or that of the class that is called."""
    if isinstance(value, ast.Name) and value.id in taken:
        return _type(taken[value.id])
    if isinstance(value, ast.Constant):
        return type(value.value).__name__
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        return value.func.id
    return "(not said)"


def _signature(function: Any) -> str:
    signature = inspect.signature(function)
    parameters = [
        each.replace(
            annotation=each.annotation
            if each.annotation is each.empty
            else _Text(_type(each.annotation)),
            default=each.default if each.default is each.empty else _Text(_shown(each.default)),
        )
        for each in signature.parameters.values()
    ]
    answer = signature.return_annotation
    text = str(signature.replace(parameters=parameters, return_annotation=signature.empty))
    return text if answer is signature.empty else f"{text} -> {_type(answer)}"


class _Text:
    """Stands for a value by its text in a signature."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _type(annotation: Any) -> str:
    if isinstance(annotation, str):
        return annotation.strip("'\"")
    if annotation is None or annotation is type(None):
        return "None"
    if inspect.isclass(annotation) and not typing.get_args(annotation):
        module = annotation.__module__
        return (
            annotation.__qualname__
            if module == "builtins" or module.startswith("gateway.")
            else f"{module}.{annotation.__qualname__}"
        )
    return _shown(annotation)


def _shown(value: Any) -> str:
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, frozenset):
        # In one order, whatever the hashes are.
        return f"frozenset({sorted(value)!r})" if value else "frozenset()"
    if isinstance(value, Mapping) and len(value) > _FEW:
        # A table: what it is called by is what plugins build on.
        return f"{type(value).__name__} of {', '.join(sorted(map(str, value)))}"
    text = value.__name__ if inspect.isroutine(value) else repr(value)
    # What a name is called matters here, and not in which of our modules it is defined.
    return re.sub(r"\bgateway(?:\.[a-z_]\w*)+\.(?=\w)", "", _ADDRESS.sub("", text))


def main() -> int:
    """Write or check; the result is the exit status."""
    if "--check" in sys.argv[1:]:
        found = differences()
        print("\n".join(found) if found else "tests/api_surface.txt is up to date")
        return int(bool(found))
    STORED.write_text(surface())
    print(f"wrote {STORED.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
