"""F{/metrics}: the numbers for Prometheus; what they mean is in C{docs/metrics.md}."""

from __future__ import annotations

from typing import Protocol

from twisted.web.http import OK
from twisted.web.iweb import IRequest

from gateway.admin.page import Page
from gateway.record.exposition import CONTENT_TYPE


class Numbers(Protocol):
    """What makes the text: L{gateway.record.exposition.Exposition}."""

    def text(self) -> bytes:
        """Give the whole text."""


class MetricsPage(Page):
    """F{/metrics}."""

    def __init__(self, numbers: Numbers) -> None:
        super().__init__()
        self._numbers = numbers

    def answer(self, request: IRequest) -> tuple[int, bytes, bytes]:
        """Read all numbers now."""
        return OK, CONTENT_TYPE, self._numbers.text()
