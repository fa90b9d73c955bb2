"""
What a plugin may decide: a verdict is a type, never a bool.

C{None} in place of a verdict always means "no opinion, ask the next plugin".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from gateway.api.messages import Response


@dataclass(frozen=True, slots=True)
class Allow:
    """
    End this phase in favour of the client; later phases still run.

    @ivar why: for the log.
    """

    why: str


@dataclass(frozen=True, slots=True)
class Block:
    """
    Refuse the transaction.

    @ivar why: one sentence, shown on the page and written to the log.
    @ivar category: a short class for reports, such as C{"malware"}; may be empty.
    @ivar status: 4xx or 5xx of the answer.
    @ivar page: the name of the page to show.
    """

    why: str
    category: str = ""
    status: int = 403
    page: str = "blocked"


@dataclass(frozen=True, slots=True)
class Respond:
    """
    Answer in the origin's place: a redirect, a login page, a synthetic answer.

    @ivar response: with whole content in C{response.content}.
    """

    response: Response


Verdict: TypeAlias = Allow | Block | Respond

#: Most bytes of content that L{ReadContent} can ask for.
MOST_READ: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class ReadContent:
    """
    Decide when the request's content is here, as of a form; all of it is kept in memory until then.

    @ivar limit: bytes of content at the most, up to L{MOST_READ}; with more the request is refused with 413.
    @ivar then: called once with the content, empty if there is none; gives the verdict. C{None} lets the request go on,
        content and all, as L{Allow} does. What it raises, and how long it may take, is as with the hook itself.
    """

    limit: int
    then: Callable[[bytes], Verdict | Awaitable[Verdict | None] | None]

    def __post_init__(self) -> None:
        """Refuse what can't be kept."""
        if not 0 <= self.limit <= MOST_READ:
            raise ValueError(f"limit must be between 0 and {MOST_READ} bytes, not {self.limit}")
