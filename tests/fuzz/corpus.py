"""The corpus that a fuzzer begins with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def plant(arguments: Iterable[str], seeds: Iterable[bytes]) -> None:
    """Write the seeds into each folder among the arguments that is empty."""
    kept = list(seeds)
    for argument in arguments:
        folder = Path(argument)
        if folder.is_dir() and not any(folder.iterdir()):
            for number, seed in enumerate(kept):
                (folder / f"seed-{number}").write_bytes(seed)
