"""
Content as plugins see it: filters on what streams by, needs for the whole, scan jobs and their results.

Here are the shapes only. Pipes, holds and temp space are the core's: a plugin can neither wait within a stream
nor hold it.
"""

from __future__ import annotations

import enum
import hashlib
import io
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, ClassVar, Protocol, TypeAlias, runtime_checkable

from gateway.api.transaction import Identity
from gateway.api.verdicts import Block


class Side(enum.Enum):
    """Whose content: what the client sends or what it gets."""

    REQUEST = "request"
    RESPONSE = "response"


class ContentRefused(Exception):
    """
    Raised by a L{BodyFilter}: not one more byte of this content may pass.

    On the request's side the upstream connection is aborted, so that it never sees a complete message, and the
    client gets the block's page if no answer has begun. On the response's side the client's connection is cut
    short of a complete message, as its head is out already. It is no error of the plugin.

    @ivar block: the verdict.
    """

    def __init__(self, block: Block) -> None:
        super().__init__(block.why)
        self.block = block


class BodyFilter:
    """
    Look at content, or change it, as it streams by; one object for one message.

    Called in the reactor's thread for every piece, so keep it short; it can't wait. Framing is the core's: it
    declares the length anew, or none, as the filters demand.

    @cvar changes_length: what comes out may be longer or shorter than what goes in, so the declared length can't be
        passed on. Set it to C{False} in a filter that gives every byte on.
    """

    changes_length: ClassVar[bool] = True

    def data(self, chunk: bytes) -> bytes:
        """
        Take a piece and give what goes on in its place.

        @param chunk: never empty, of any length; where one piece ends says nothing.
        @return: C{b""} while there is nothing to pass on yet.
        @raise ContentRefused: nothing more may pass.
        """
        return chunk

    def end(self) -> bytes:
        """
        Take the end of the content and give what is still owed.

        Not called for a message that breaks off.

        @raise ContentRefused: the message must not become complete.
        """
        return b""


@runtime_checkable
class ContentSink(Protocol):
    """
    Where a copy of a response's content goes; in the reactor's thread, from the core.

    L{finish} or L{abort} is called, exactly one of them and once. A sink that raises is logged and dropped: it is given
    C{abort} if it had not ended, nothing more of the content, and the client's download goes on.
    """

    def write(self, chunk: bytes) -> None:
        """Take a piece, after all response filters."""

    def finish(self) -> None:
        """The content is complete; called once, and nothing after it."""

    def abort(self) -> None:
        """The message broke off: what was taken is worth nothing; called once, and nothing after it."""


@dataclass(frozen=True, slots=True)
class Need:
    """How much of some content a plugin must have in hand before any of it may pass."""


@dataclass(frozen=True, slots=True)
class Whole(Need):
    """
    All of it, held by the core until the plugin's L{scan_content<gateway.api.Plugin.scan_content>} answered.

    @ivar max_bytes: what is longer is not given to L{scan_content<gateway.api.Plugin.scan_content>}, and
        C{scan.on.too_large} says what becomes of it. It is also bounded by C{scan.temp_limit}.
    """

    max_bytes: int


@dataclass(frozen=True, slots=True)
class FirstBytes(Need):
    """
    Of a response, what its filters let pass first; then it streams.

    So a L{BodyFilter} that judges by the first bytes, and gives nothing on before it has, is heard before the head of
    the response is sent: if it refuses, the client gets a page. Not for content that may begin late, such as a stream
    of events. On the request's side it means nothing, as the answer can be a page anyway.
    """


#: Nothing has to be held.
NONE = Need()


@dataclass(frozen=True, slots=True)
class ScanJob:
    """
    One piece of whole content to judge; nothing of it changes, so it may cross into a thread.

    @ivar content: the content, if it is small enough to be in memory; else C{path} names it.
    @ivar path: a file to read, never to change; C{None} if C{content} has it. It has no name of its own: it can be opened
        from this process only, and it is there as long as this object is.
    @ivar size: length in bytes.
    @ivar media_type: as declared, in lower case and without parameters; may be a lie.
    @ivar sha256: of the content, in hexadecimal.
    @ivar url: the target URI of the transaction.
    @ivar side: whose content it is.
    @ivar identity: who is asking, if known.
    @ivar notes: more about it by name: C{content_type} (whole, with its parameters), C{content_encoding} and
        C{content_disposition} and C{content_range} where the message has these fields, C{status} of a response, C{method}
        of the request. A member has what the one who unpacked it says: C{nested} is C{unknown} where something may be packed
        in it that was not given out, so that only a L{Clean} that is C{nested} counts.
    @ivar keeps: what keeps the file there; not for plugins.
    @ivar member: where this was packed within the content of the message, such as C{"a.zip/b.tar/c.exe"}; empty: it is
        that content itself. Names are the sender's claim, with everything unprintable made visible.
    @ivar depth: how often it was unpacked; 0: not at all.
    """

    content: bytes
    path: Path | None
    size: int
    media_type: str
    sha256: str
    url: str
    side: Side = Side.RESPONSE
    identity: Identity | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
    keeps: object = field(default=None, repr=False, compare=False)
    member: str = ""
    depth: int = 0

    def open(self) -> BinaryIO:
        """
        Give all of the content as a file to read, wherever it is; to be closed by whoever calls.

        From a thread: reading a file blocks.
        """
        return io.BytesIO(self.content) if self.path is None else self.path.open("rb")

    @classmethod
    def of(
        cls,
        content: bytes,
        *,
        media_type: str = "application/octet-stream",
        url: str = "http://example.com/",
        side: Side = Side.RESPONSE,
        identity: Identity | None = None,
    ) -> ScanJob:
        """Make one from bytes in memory."""
        digest = hashlib.sha256(content).hexdigest()
        return cls(content, None, len(content), media_type, digest, url, side, identity)


@dataclass(frozen=True, slots=True)
class Coverage:
    """
    How much of some content an engine has really looked at.

    @ivar size: bytes of it, as it was given to the engine. If these are not all, the content was not scanned.
    @ivar nested: whether what is packed in it was unpacked too, at every depth, and looked at; also C{True} for content in
        which the engine knows that nothing is packed.
    """

    size: int
    nested: bool


@dataclass(frozen=True, slots=True)
class Clean:
    """
    Every byte was looked at and nothing was found.

    Without a coverage it can't be said: a result whose C{coverage.size} is not the size of the content counts as
    C{unscanned}, and so does one that is not C{nested} where nobody unpacked the content either.

    @ivar engine: who looked.
    @ivar patterns: the version of what it looked with, such as C{"1.4.6/27800"}; not empty.
    @ivar coverage: what it looked at.
    """

    engine: str
    patterns: str
    coverage: Coverage

    def __post_init__(self) -> None:
        """
        Refuse what says nothing.

        @raise ValueError: no engine or no version of its patterns.
        """
        if not self.engine or not self.patterns:
            raise ValueError(
                "clean has to be said by a named engine with the version of its patterns"
            )


@dataclass(frozen=True, slots=True)
class Infected:
    """
    Something bad was found.

    @ivar name: of what was found.
    @ivar engine: who found it.
    @ivar certain: C{False} for a finding of heuristics: C{scan.on.suspicious} says what follows, not C{infected}.
    """

    name: str
    engine: str
    certain: bool = True


@dataclass(frozen=True, slots=True)
class Unscannable:
    """
    It could not be looked at whole, so nobody may call it clean.

    @ivar reason: a short token, one of L{REASONS}; behind a colon it may say more, such as C{limit:depth} or
        C{unscanned:range}. What follows is configured by the token in C{scan.on}. Any other is refused.
    @ivar why: one sentence for people.
    @ivar engine: who tried.
    """

    reason: str
    why: str = ""
    engine: str = ""


ScanResult: TypeAlias = Clean | Infected | Unscannable

#: Why content could not be looked at: it is encrypted; it is damaged or made to confuse; it goes beyond a limit of the
#: one who unpacks (C{limit:depth}, C{limit:files}, C{limit:ratio}, C{limit:size}); it is longer than an engine takes; it
#: could not be unpacked for want of room or of a tool; the engine failed; it took too long; it is overloaded; a rule of
#: the operator's forbids it, whatever is in it (C{forbidden:type}), which no setting lets pass; or nobody looked
#: (C{unscanned:<why>}).
REASONS = frozenset(
    (
        "encrypted",
        "malformed",
        "limit",
        "too_large",
        "extract_failed",
        "engine_error",
        "engine_timeout",
        "capacity",
        "forbidden",
        "unscanned",
    )
)


class Members(Protocol):
    """
    What is packed in some content, given out a few at a time; the one who unpacked it owns it.

    The core asks for the next ones when it has results for those before, so no more room is used than these take.
    """

    def more(self) -> Awaitable[Sequence[ScanJob | Unscannable]]:
        """
        Give the next members; none: there are no more.

        What is packed within a member is given out as members of their own, at every depth; those before need not be
        kept any longer. An L{Unscannable} stands for what could not be unpacked; the rest may still follow.

        @return: fails if unpacking failed: it counts as C{extract_failed}, or as C{capacity} if it fails with
            L{Overloaded<gateway.api.Overloaded>}. Give L{Unscannable} for what is wrong with the content.
        """

    def close(self) -> None:
        """End it: no more is asked for. Called once, also where not all was given out, or while some are awaited."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """
    There is something packed in the content.

    @ivar kind: what it is packed with, such as C{"zip"}, C{"gzip"} or C{"multipart"}, for the log.
    @ivar members: what is in it.
    @ivar covers: the content is a mere coding of what is in it, every byte of which was decoded, such as C{Content-Encoding}:
        then it need not be scanned as it stands.
    """

    kind: str
    members: Members
    covers: bool = False


@dataclass(frozen=True, slots=True)
class NotPacked:
    """
    Nothing is packed in the content, as far as any byte of it says.

    @ivar kind: what it is, such as C{"html"} or C{"png"}, for the log; may be empty.
    """

    kind: str = ""
