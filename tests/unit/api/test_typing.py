"""What mypy says of plugins: nothing of good ones, and of a mistake a message that names it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).parents[3]
SAMPLES = Path(__file__).parent / "samples"

#: Strict like the project itself, and as a plugin's own settings are, see docs/tutorial.md.
SETTINGS = """
[mypy]
python_version = 3.11
strict = True
plugins = gateway.api.mypy
show_column_numbers = False
pretty = False
"""

#: In a sample, the lines that are wrong and a part of what must be said of each.
_WRONG = re.compile(r"#: (.+)$")


@cache
def said() -> dict[str, dict[int, list[str]]]:
    """Run mypy once for all samples; give what it said of each, by line."""
    # In the folder that trial clears away each time, but for the cache, which is worth keeping.
    folder = Path.cwd() / "typing"
    folder.mkdir(exist_ok=True)
    (folder / "mypy.ini").write_text(SETTINGS)
    files = []
    for sample in sorted(SAMPLES.glob("*.py.txt")):
        file = folder / sample.name.removesuffix(".txt")
        file.write_text(sample.read_text())
        files.append(file.name)
    command = [sys.executable, "-m", "mypy", "--config-file=mypy.ini", "--no-error-summary"]
    done = subprocess.run(
        [*command, f"--cache-dir={ROOT / '.mypy_cache' / 'samples'}", *files],
        cwd=folder,
        env={**os.environ, "MYPYPATH": str(ROOT), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 1) or done.stderr:
        raise AssertionError(done.stdout + done.stderr)
    found: dict[str, dict[int, list[str]]] = {file: {} for file in files}
    for line in done.stdout.splitlines():
        parts = re.fullmatch(r"([^:]+):(\d+): error: (.*)", line)
        if parts:
            found.setdefault(parts[1], {}).setdefault(int(parts[2]), []).append(parts[3])
    return found


class TypingTests(SynchronousTestCase):
    """The samples, all checked by one mypy whose cache is kept from run to run."""

    def wanted(self, file: str) -> dict[int, str]:
        """Give what a sample expects of its lines."""
        text = (SAMPLES / f"{file}.txt").read_text()
        return {
            number: found[1]
            for number, line in enumerate(text.splitlines(), 1)
            if (found := _WRONG.search(line))
        }

    def assertSays(self, file: str, *, faults: int) -> None:
        """Look at a sample: each marked line has one error with the words marked there, and no other line has any."""
        wanted = self.wanted(file)
        self.assertEqual(len(wanted), faults)
        found = said()[file]
        self.assertEqual(sorted(found), sorted(wanted), found)
        for line, words in wanted.items():
            (message,) = found[line]
            for part in words.split(" ... "):
                self.assertIn(part, message, f"{file}:{line}")

    def test_good(self) -> None:
        """Plugins as the documents show them have no error: plain, async, with a Deferred, settings and services."""
        self.assertSays("good.py", faults=0)

    def test_bool(self) -> None:
        """A hook that answers a bool is told so, with the types it may answer."""
        self.assertSays("answers_bool.py", faults=3)

    def test_misspelt(self) -> None:
        """A mark on a name that no hook has is told so, with the nearest one."""
        self.assertSays("misspelt.py", faults=4)

    def test_arguments(self) -> None:
        """An argument of another type, a missing one and one too many are told."""
        self.assertSays("wrong_argument.py", faults=4)

    def test_marks(self) -> None:
        """A hook without a mark, and a mark with what it can't take, are told."""
        self.assertSays("wrong_mark.py", faults=3)

    def test_use(self) -> None:
        """What a plugin does with the objects given to it is checked: verdicts, services, keys."""
        self.assertSays("wrong_use.py", faults=5)
