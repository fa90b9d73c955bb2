"""Find the plugin that a path means, by looking at files only: no code of it is run here."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from gateway.cli.installed import GROUP

PREFIX = "gateway_"


class NoPlugin(Exception):
    """There is no plugin at the path; the text says what was looked for."""


@dataclass(frozen=True, slots=True)
class Source:
    """
    One plugin that is not necessarily installed.

    @ivar name: which it should have.
    @ivar root: the folder from which its module is imported.
    @ivar file: of its module.
    @ivar faults: what is wrong already, and how to mend it.
    """

    name: str
    root: Path
    module: str
    attribute: str
    file: Path
    faults: tuple[tuple[str, str], ...] = ()


def sources(path: Path) -> list[Source]:
    """
    Give the plugins at a path: a package's folder, a module's file, or a repository.

    @raise NoPlugin: there is none.
    """
    path = path.absolute()
    if path.suffix == ".py" and path.is_file():
        return [_module(path.parent if path.name == "__init__.py" else path)]
    if (path / "__init__.py").is_file():
        return [_module(path)]
    if not path.is_dir():
        what = "is no module of Python" if path.exists() else "is not there"
        raise NoPlugin(f"{path} {what}: name a package's folder, a .py file or a repository")
    return _repository(path)


def readme_of(file: Path) -> Path | None:
    """
    Find the README of a package or module that lies somewhere: inside the package, else beside it in its repository.

    @param file: the module, or C{__init__.py} of the package.
    """
    root = file.parent
    if file.name == "__init__.py":
        for found in sorted(root.glob("README*")):
            return found
        root = root.parent
    for folder in (root, root.parent) if root.name == "src" else (root,):
        if (folder / "pyproject.toml").is_file() or (folder / "setup.py").is_file():
            for found in sorted(folder.glob("README*")):
                return found
    return None


def _module(path: Path) -> Source:
    """Take a package or module; one inside other packages is imported by its whole name."""
    parts = [path.stem if path.is_file() else path.name]
    root = path.parent
    while (root / "__init__.py").is_file():
        parts.insert(0, root.name)
        root = root.parent
    file = path if path.is_file() else path / "__init__.py"
    return Source(parts[-1].removeprefix(PREFIX), root, ".".join(parts), "plugin", file)


def _repository(path: Path) -> list[Source]:
    points = _entry_points(path)
    found = [_of_entry_point(path, name, value) for name, value in (points or {}).items()]
    if found:
        return found
    packages = [
        package
        for folder in (path, path / "src")
        for package in sorted(folder.glob(f"{PREFIX}*"))
        if (package / "__init__.py").is_file() or package.suffix == ".py"
    ]
    if not packages:
        raise NoPlugin(
            f'{path} has neither an entry point of the group "{GROUP}" in a pyproject.toml nor a package {PREFIX}*'
        )
    # Of a setup.py nothing is known without running it.
    faults: tuple[tuple[str, str], ...] = ()
    if points is not None:
        package = packages[0].stem
        line = f'{package.removeprefix(PREFIX)} = "{package}:plugin"'
        mend = f'[project.entry-points."{GROUP}"] {line}'
        faults = (("no entry point, so that no gateway would find it", mend),)
    return [
        Source(one.name, one.root, one.module, one.attribute, one.file, faults)
        for one in map(_module, packages)
    ]


def _entry_points(path: Path) -> dict[str, str] | None:
    """
    Read them from C{pyproject.toml}; C{None} if it does not say.

    @raise NoPlugin: it can't be read.
    """
    file = path / "pyproject.toml"
    if not file.is_file():
        return None
    try:
        project = tomllib.loads(file.read_text(encoding="utf-8")).get("project")
    except (OSError, ValueError) as error:
        raise NoPlugin(f"{file} can't be read: {error}") from None
    if not isinstance(project, dict) or "entry-points" in project.get("dynamic", ()):
        return None
    groups = project.get("entry-points", {})
    points = groups.get(GROUP, {}) if isinstance(groups, dict) else {}
    if not isinstance(points, dict):
        raise NoPlugin(f'{file}: [project.entry-points."{GROUP}"] is no table')
    return {str(name): str(value) for name, value in points.items()}


def _of_entry_point(path: Path, name: str, value: str) -> Source:
    module, _, attribute = (part.strip() for part in value.partition(":"))
    inside = Path(*module.split("."))
    for root in (path, path / "src"):
        for file in (root / inside / "__init__.py", root / inside.with_suffix(".py")):
            if file.is_file():
                return Source(name, root, module, attribute, file)
    raise NoPlugin(f'{path} names "{name} = {value}" as a plugin, and has no module {module}')
