"""No module of the gateway is needed by one that it needs itself, not even for an annotation."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parents[2]

#: Where nodes hold statements, or what holds them in turn.
_PARTS = ("body", "orelse", "handlers", "finalbody", "cases")


def name_of(path: Path) -> str:
    """Give the name of the module in a file."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported(tree: ast.Module) -> set[str]:
    """Give what a module names in imports, those under C{TYPE_CHECKING} and in functions included."""
    found: set[str] = set()
    left: list[ast.AST] = [tree]
    for node in left:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        # Expressions, which are most of a tree, hold no imports.
        for part in _PARTS:
            left += getattr(node, part, ())
    return found


class CircleTests(SynchronousTestCase):
    """Imports of the gateway's modules among each other."""

    def test_no_circle(self) -> None:
        """Whoever reads a module can read all that it needs before it."""
        files = {name_of(path): path for path in (ROOT / "gateway").rglob("*.py")}
        graph = {
            name: {
                other
                for other in imported(ast.parse(path.read_text("utf-8")))
                # A package is what is in it.
                if other in files and other != name and files[other].name != "__init__.py"
            }
            for name, path in files.items()
        }
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            self.fail(" < ".join(error.args[1]))
