"""
What stands for a request that could not be read, so that it has its line in the log too.
"""

from __future__ import annotations

from gateway.api.messages import Request
from gateway.message.fields import Fields


class UnreadRequest(Request):
    """Stands for a request that could not be read, so that it has its line in the log too."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(b"NONE", "", "", 0, b"", 1, Fields(), 0)

    @property
    def url(self) -> str:
        """What the log says in place of a URL."""
        return "error:invalid-request"
