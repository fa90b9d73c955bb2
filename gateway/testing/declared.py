"""
What a plugin says about itself, looked at without running it: name, settings, imports, README.

The part of L{check_plugin<gateway.testing.check_plugin>} that reads; the part that runs the plugin is in
L{gateway.testing.checks}.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, packages_distributions
from pathlib import Path
from typing import Any

import msgspec

from gateway.api.hooks import Plugin
from gateway.config.reading import Field, fields_of, is_struct
from gateway.config.sections.plugins import Plugins, Rule
from gateway.record.redaction import is_secret_name

_NAME = re.compile(r"[a-z][a-z0-9_]*")

#: What a plugin's code must not import, and what it takes instead.
_NOT_ITS_OWN = {
    "twisted.internet.reactor": "take time from services.clock and threads from services.threads",
    "asyncio": "await Deferreds; a library that needs a loop of its own belongs into a thread",
}


def place(cls: type) -> str:
    """Say where a class stands: file, line and name."""
    try:
        file = Path(inspect.getfile(cls))
        line = inspect.getsourcelines(cls)[1]
    except (TypeError, OSError):
        return cls.__name__
    return f"{file.parent.name}/{file.name}:{line} {cls.__name__}"


def name_findings(cls: type[Plugin]) -> Iterator[str]:
    """Look at the name."""
    name = cls.name
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        yield (
            f"{place(cls)}.name: {name!r} is no name of a plugin; "
            'write small letters, digits and _, such as name = "block_hosts".'
        )
    elif name in {field.key for field in fields_of(Plugins)}:
        yield f"{place(cls)}.name: {name!r} is a key of [plugins] itself; take another name."


def settings_findings(cls: type[Plugin]) -> Iterator[str]:
    """Look at the settings: frozen, each with a help text, and with a default or an example."""
    where = f"{place(cls)}.Settings"
    struct: Any = cls.Settings
    if not is_struct(struct):
        yield f"{where}: it is no dataclass; write @dataclass(frozen=True, slots=True)."
        return
    if not _is_frozen(struct):
        yield (
            f"{where}: it can be changed while transactions read it; "
            "write @dataclass(frozen=True, slots=True)."
        )
    try:
        found = fields_of(struct)
    except NameError as error:
        yield (
            f"{where}: the annotation of a setting names what is not there ({error}); "
            "define it at the module's top level, for annotations are read by name."
        )
        return
    rules = {field.key for field in fields_of(Rule)}
    for field in found:
        if field.key in rules:
            yield (
                f"{where}.{field.name}: the gateway itself reads {field.key} in every plugin's table; "
                "give the setting another name."
            )
    yield from _fields(where, found)


def _fields(where: str, found: tuple[Field, ...]) -> Iterator[str]:
    for field in found:
        setting = f"{where}.{field.name}"
        if not field.help.text:
            yield (
                f"{setting}: the setting has no help text; "
                f'write {field.name}: Annotated[..., Help("What it means.")].'
            )
        if field.is_required and not field.help.example:
            yield (
                f"{setting}: the setting has no default; give it one, or, if every operator must say it, "
                "an example of a value as the second argument of Help."
            )
        if field.hint is str and field.kind is None and is_secret_name(field.name):
            yield (
                f"{setting}: a secret in plain text would be shown and logged; "
                "write Annotated[SecretText, Help(...)] with SecretText of gateway.api.settings."
            )
        if is_struct(field.hint):
            yield from _fields(setting, fields_of(field.hint))


def _is_frozen(struct: Any) -> bool:
    if issubclass(struct, msgspec.Struct):
        config: Any = struct.__struct_config__
        return bool(config.frozen)
    return bool(struct.__dataclass_params__.frozen)


def package_findings(cls: type[Plugin]) -> Iterator[str]:
    """Look at the files that the class came with: what they import, and whether there is a README."""
    try:
        file = Path(inspect.getfile(cls)).resolve()
    except (TypeError, OSError):
        return
    is_package = file.name == "__init__.py" or (file.parent / "__init__.py").exists()
    sources = sorted(file.parent.glob("**/*.py")) if is_package else [file]
    for source in sources:
        parts = source.relative_to(file.parent).parts
        if "tests" in parts[:-1] or source.name.startswith("test_"):
            continue
        yield from _imports(source)
    if not _has_readme(file.parent, cls.__module__.partition(".")[0]):
        yield (
            f"{place(cls)}: there is no README beside its package; write README.md: what it does, each setting, "
            "and what happens when it fails."
        )


def _imports(source: Path) -> Iterator[str]:
    try:
        tree = ast.parse(source.read_bytes())
    except SyntaxError as error:
        yield f"{source.parent.name}/{source.name}:{error.lineno}: it is no Python: {error.msg}."
        return
    for node in ast.walk(tree):
        named: list[str] = []
        if isinstance(node, ast.Import):
            named = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            named = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in named:
            where = f"{source.parent.name}/{source.name}:{getattr(node, 'lineno', 0)}"
            top, _, rest = name.partition(".")
            if top == "gateway" and rest.partition(".")[0] not in ("api", "testing"):
                yield (
                    f"{where}: {name} is not for plugins and changes without notice; "
                    "import from gateway.api or gateway.api.settings."
                )
            for forbidden, instead in _NOT_ITS_OWN.items():
                if name == forbidden or name.startswith(f"{forbidden}."):
                    yield f"{where}: it imports {forbidden}; {instead}."


def _has_readme(folder: Path, package: str) -> bool:
    """Look beside the module, up to the folder of its project, or into what the installer kept."""
    for above in [folder, *folder.parents][:4]:
        if any(above.glob("README*")):
            return True
        if (above / "pyproject.toml").exists() or (above / "setup.py").exists():
            break
    for name in packages_distributions().get(package, ()):
        try:
            # An email.message.Message, of which the annotation says less.
            found: Any = metadata(name)
        except PackageNotFoundError:
            continue
        if found.get("Description") or found.get_payload():
            return True
    return False
