"""Plugin packages as an installer would leave them, in a folder that only the test's own imports see."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase


def write(site: Path, package: str, files: Mapping[str, str], points: Mapping[str, str]) -> Path:
    """
    Write a package and its entry points into a folder for packages.

    @param files: what is in its modules, by file name.
    @param points: where each plugin is, by its name: C{{"noop": "some_package.plugin:NoOp"}}.
    @return: the package's own folder.
    """
    folder = site / package
    folder.mkdir(parents=True)
    for name, text in {"__init__.py": '"""A package."""\n', **files}.items():
        (folder / name).write_text(text)
    described = site / f"{package}-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [f"{name} = {where}" for name, where in points.items()]
    (described / "entry_points.txt").write_text("\n".join(["[gateway.plugins]", *lines, ""]))
    return folder


def install(
    test: SynchronousTestCase, package: str, files: Mapping[str, str], points: Mapping[str, str]
) -> Path:
    """Do as L{write}, and let this process import it until the test ends."""
    site = Path(test.mktemp()).absolute()
    folder = write(site, package, files, points)
    sys.path.insert(0, str(site))

    def remove() -> None:
        sys.path.remove(str(site))
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            del sys.modules[name]

    test.addCleanup(remove)
    return folder
