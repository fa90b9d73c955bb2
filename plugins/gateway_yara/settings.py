"""
The settings: where the rules are, and what bounds a scan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from gateway.api.settings import Duration, FilePath, Help, Size, WholeKind


@dataclass(frozen=True, slots=True)
class YaraSettings:
    """C{[plugins.yara]}."""

    rules: Annotated[
        FilePath,
        Help("Folder of the rules: every `*.yar` and `*.yara` in it and in the folders below."),
    ] = "/etc/gateway/yara"
    every: Annotated[
        Duration,
        Help("How often the folder is looked at; what is there in two looks is taken."),
    ] = 10.0
    timeout: Annotated[
        Duration,
        Help(
            "Longest scan of one piece of content, in whole seconds; beyond it is `engine_timeout` in terms of `scan.on`."
        ),
    ] = 10.0
    max_size: Annotated[Size, Help("Largest content that is scanned.")] = 512 * 1024 * 1024
    larger: Annotated[
        Literal["too_large", "skip"],
        Help(
            "What is said of larger content: too_large, for `scan.on`, or nothing, if another engine looks at it."
        ),
    ] = "too_large"
    found: Annotated[
        Literal["infected", "suspicious"],
        Help("What a rule stands for whose metadata say neither `action` nor `severity`."),
    ] = "infected"
    processes: Annotated[
        int,
        WholeKind(1, 64),
        Help("How many pieces of content are scanned at the same time."),
    ] = 2
    memory: Annotated[
        Size, Help("Largest memory of a child process, beside the content that it scans.")
    ] = 1024 * 1024 * 1024
