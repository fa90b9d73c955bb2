"""
A stored response made into an answer: the whole, a 304 where the client has it already, a part; for HEAD without content.
"""

from __future__ import annotations

import os
from http import HTTPStatus

from gateway.api import Fields, Response, Stored, StoredFile, Validator
from gateway_cache.conditions import Outcome, evaluate, not_modified
from gateway_cache.contract import Store
from gateway_cache.entry import Found, Head
from gateway_cache.messages import Asked
from gateway_cache.parts import cut_part
from gateway_cache.ranges import Multipart, Single, Unsatisfiable, cut

_REASONS = {status.value: status.phrase.encode("ascii") for status in HTTPStatus}
_TEXT = (
    b"Nothing that is stored answers this request, and it says that nobody else is to be asked.\n"
)


def answer(
    store: Store,
    head: Head,
    lines: list[bytes],
    asked: Asked,
    now: float,
    refresh: Validator | None = None,
) -> Stored | None:
    """
    Make the answer to a request.

    @param lines: of the response as it is now, with its age; never changed.
    @return: C{None}: the content is not there any more, so it is as if nothing were stored.
    """
    if asked.conditional and evaluate(asked, head, now) is Outcome.NOT_MODIFIED:
        return Stored(_response(304, not_modified(head, lines)), None, refresh)
    if asked.method == b"HEAD":
        return Stored(_response(head.status, lines, length=head.length), None, refresh)
    found = store.open(head)
    if found is None:
        return None
    if asked.has_range:
        part = cut(asked, head, lines, in_file=found.file is not None)
        if part is not None:
            return _part(found, part, refresh)
    response = _response(head.status, lines, found.content, length=head.length)
    # It leads to this very content, and goes with it.
    return Stored(response, found.file, refresh, found.head.memo)


def answer_part(store: Store, head: Head, lines: list[bytes], asked: Asked) -> Stored | None:
    """
    Answer a request for a range with a part that is stored.

    @return: C{None}: not all of it is in the part, or that is gone.
    """
    part = cut_part(asked, head, lines)
    found = None if part is None else store.open(head)
    return None if part is None or found is None else _part(found, part, None)


def refused(status: int, why: str, name: str) -> Stored:
    """Answer a request that must not go on to the origin, and that nothing stored answers (RFC 9111 section 5.2.1.7)."""
    lines = [b"Content-Type: text/plain; charset=utf-8", b"Cache-Control: no-store"]
    if name:
        lines.append(f"Cache-Status: {name}; detail={why}".encode("ascii"))
    return Stored(_response(status, lines, _TEXT))


def _response(
    status: int, lines: list[bytes], content: bytes = b"", *, length: int | None = None
) -> Response:
    return Response(status, Fields(lines), content, reason=_REASONS.get(status, b""), length=length)


def _part(
    found: Found, part: Single | Multipart | Unsatisfiable, refresh: Validator | None
) -> Stored | None:
    file = found.file
    if isinstance(part, Single):
        if file is not None:
            return Stored(_response(206, part.lines, length=part.length), part.file(file), refresh)
        return Stored(_response(206, part.lines, part.of(found.content)), None, refresh)
    try:
        if isinstance(part, Unsatisfiable):
            return Stored(_response(416, part.lines), None, refresh)
        content = part.of(found.content) if file is None else _read(part, file)
    except (OSError, EOFError):
        return None
    finally:
        if file is not None:
            file.release()
    return Stored(_response(206, part.lines, content), None, refresh)


def _read(part: Multipart, file: StoredFile) -> bytes:
    # Not many bytes, or it would not have been cut; they are in memory unless nobody asked for a while.
    return part.read(lambda length, at: os.pread(file.descriptor, length, file.offset + at))
