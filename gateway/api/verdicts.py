"""
What a plugin may decide: a verdict is a type, never a bool.

C{None} in place of a verdict always means "no opinion, ask the next plugin".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from gateway.api.transaction import Response


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
