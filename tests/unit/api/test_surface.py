"""The public names of the API and of the test kit are those that are stored, so that a change of them is seen in review."""

from __future__ import annotations

import importlib
import inspect
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).parents[3]


def tool() -> ModuleType:
    """Import the tool that writes the list; tools are no package."""
    spec = spec_from_file_location("api_surface", ROOT / "tools/api_surface.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class SurfaceTests(SynchronousTestCase):
    """tests/api_surface.txt."""

    def test_is_current(self) -> None:
        """The stored list is what the source says."""
        found = tool().differences()
        if found:
            shown = "\n".join(found)
            self.fail(
                "The public API differs from tests/api_surface.txt:\n"
                f"{shown}\n"
                "Is that meant? A minor version adds, and takes nothing away (docs/decisions). "
                "Then write the list again with: python tools/api_surface.py"
            )

    def test_says_signatures(self) -> None:
        """The list has signatures, attributes with their types, defaults, and the rule of each hook."""
        text = tool().surface()
        for line in (
            "class Block",
            "    Block.status: int = 403",
            "    Client.address: str",
            "    BodyFilter.changes_length: ClassVar[bool] = True",
            "    Plugin.request_headers(self, txn: Transaction) -> Maybe[Verdict | ReadContent | None] [first, closed, 5 s]",
            "    Services.clock: Clock",
            "    Severity.ERROR = 'error'",
            "    Transaction.notes: dict[str, str] (property)",
            "[gateway.testing]",
        ):
            self.assertIn(f"\n{line}\n", text)

    def test_says_nothing_of_one_machine(self) -> None:
        """Neither an address in memory nor a path gets into the list."""
        text = tool().surface()
        self.assertNotIn("0x", text)
        self.assertNotIn(str(ROOT), text)

    def test_documented(self) -> None:
        """Every public class and function has a docstring of its own, and every public method of a class, too."""
        silent = []
        for module in tool().MODULES:
            found = importlib.import_module(module)
            for name in found.__all__:
                value = getattr(found, name)
                if not (inspect.isclass(value) or inspect.isroutine(value)):
                    continue
                if not value.__module__.startswith("gateway."):
                    continue
                if not vars(value).get("__doc__") and not inspect.isroutine(value):
                    silent.append(name)
                members = vars(value).items() if inspect.isclass(value) else ()
                for member, function in members:
                    if (
                        not member.startswith("_")
                        and inspect.isfunction(function)
                        and not function.__doc__
                    ):
                        silent.append(f"{name}.{member}")
        self.assertEqual(silent, [])
