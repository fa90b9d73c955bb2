"""The code blocks of docs/tutorial.md as files and commands, for the tests that run them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import gateway

ROOT = Path(gateway.__file__).resolve().parent.parent
PAGE = ROOT / "docs/tutorial.md"

#: Every block says in its first line which file it is, or, if it is a shell's, what it is for.
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> Iterator[tuple[str, str, str]]:
    """Give each block of code: language, what its first line says, and the rest."""
    for language, text in _BLOCK.findall(PAGE.read_text()):
        first, _, rest = text.partition("\n")
        yield language, first.removeprefix("# "), rest


def files() -> dict[str, str]:
    """Give the files that the page shows, by name, with the line that names them where a language has comments."""
    found: dict[str, str] = {}
    for language, name, body in blocks():
        if language in ("python", "toml", "markdown"):
            found[name] = body if language == "markdown" else f"# {name}\n{body}"
    return found


def commands(purpose: str) -> list[str]:
    """Give the lines of the shell's block for a purpose."""
    (found,) = [body for language, name, body in blocks() if (language, name) == ("sh", purpose)]
    return found.splitlines()


def written(folder: Path) -> Path:
    """Write the files of the page into a folder and give it."""
    for name, text in files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def noted(folder: Path) -> None:
    """Note the page's package as installed, beside its files, as C{pip install -e} would."""
    project = tomllib.loads(files()["pyproject.toml"])["project"]
    name, version = project["name"].replace("-", "_"), project["version"]
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {version}\n\n"
        + files()["README.md"]
    )
    (info / "top_level.txt").write_text(f"{name}\n")
    points = project["entry-points"]["gateway.plugins"]
    lines = "".join(f"{key} = {value}\n" for key, value in points.items())
    (info / "entry_points.txt").write_text(f"[gateway.plugins]\n{lines}")
