"""
Check the news fragments: each is well named, says something, and a change that needs one has one.

A change is what HEAD adds to the commit in NEWS_BASE, by default origin/main. It needs a fragment if it touches what users run:
gateway/ or plugins/, but not their tests. Where HEAD adds nothing to its base, only the fragments themselves are looked at.
"""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEWS = ROOT / "news"


def main() -> int:
    """Print each fault; the result is the exit status."""
    faults = [*misnamed(), *missing(os.environ.get("NEWS_BASE", "origin/main"))]
    for fault in faults:
        print(fault)
    return int(bool(faults))


def misnamed() -> list[str]:
    """Give the fragments that towncrier would pass over or that say nothing."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["towncrier"]
    types = "|".join(kind["directory"] for kind in settings["type"])
    # 2.feature.md, 2.feature.1.md for a second one, +name.misc.md for a change without an issue.
    shape = re.compile(rf"(\d+|\+[a-z0-9_-]+)\.({types})(\.\d+)?\.md")
    faults = []
    for path in sorted(NEWS.iterdir()):
        if path.name in settings["ignore"]:
            continue
        if not shape.fullmatch(path.name):
            faults.append(f"news/{path.name}: the name is not ISSUE.TYPE.md with a type of {types}")
        elif not path.read_text().strip():
            faults.append(f"news/{path.name}: it says nothing")
    return faults


def missing(base: str) -> list[str]:
    """Say that a fragment is missing, if HEAD adds a change to C{base} that needs one."""
    changed = git("diff", "--name-only", f"{base}...HEAD")
    if changed is None:
        return []
    needing = [
        path
        for path in changed
        if path.startswith(("gateway/", "plugins/")) and "/tests/" not in path
    ]
    if not needing or any(path.startswith("news/") or path == "NEWS.md" for path in changed):
        return []
    return [
        f"no news fragment, and this needs one: {', '.join(needing[:5])}{' ...' * (len(needing) > 5)}"
    ]


def git(*arguments: str) -> list[str] | None:
    """Give the lines that git prints, or None if it fails: no repository, or no such base."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.splitlines() if done.returncode == 0 else None


if __name__ == "__main__":
    sys.exit(main())
