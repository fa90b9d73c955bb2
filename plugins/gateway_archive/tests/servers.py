"""
How servers read forms: real parsers where there are some for Python, and models of others by their sources' rules.

Each gives the contents of all parts that an application would have seen whole, those before an error included.
"""

from __future__ import annotations

import email.policy
import logging
import re
from collections.abc import Callable
from email.parser import BytesParser

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser
from werkzeug.exceptions import HTTPException
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

# It warns of everything that it refuses.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)

Reader = Callable[[bytes, bytes], list[bytes]]


def by_werkzeug(body: bytes, boundary: bytes) -> list[bytes]:
    """Read as Flask does."""
    decoder = MultipartDecoder(boundary, max_form_memory_size=None)
    found: list[bytes] = []
    content = b""
    try:
        decoder.receive_data(body)
        decoder.receive_data(None)
        while not isinstance(event := decoder.next_event(), Epilogue | NeedData):
            if isinstance(event, Field | File):
                content = b""
            elif isinstance(event, Data):
                content += event.data
                if not event.more_data:
                    found.append(content)
    except (ValueError, HTTPException, LookupError):
        pass
    return found


def by_python_multipart(body: bytes, boundary: bytes) -> list[bytes]:
    """Read as Starlette and FastAPI do."""
    found: list[bytes] = []

    content = bytearray()

    def data(chunk: bytes, start: int, end: int) -> None:
        content.extend(chunk[start:end])

    def end() -> None:
        found.append(bytes(content))
        content.clear()

    parser = MultipartParser(
        boundary, {"on_part_begin": content.clear, "on_part_data": data, "on_part_end": end}
    )
    try:
        parser.write(body)
        parser.finalize()
    except (MultipartParseError, ValueError):
        pass
    return found


def by_email(body: bytes, boundary: bytes) -> list[bytes]:
    """Read as the standard library does, and whoever builds on it."""
    head = b'Content-Type: multipart/form-data; boundary="' + boundary + b'"\r\n\r\n'
    message = BytesParser(policy=email.policy.compat32).parsebytes(head + body)
    if not message.is_multipart():
        return []
    found: list[bytes] = []
    for part in message.walk():
        content = None if part.is_multipart() else part.get_payload(decode=True)
        if isinstance(content, bytes):
            found.append(content)
    return found


def like_php(body: bytes, boundary: bytes) -> list[bytes]:
    """A part begins behind a line that is the delimiter, and ends where a line begins like it (main/rfc1867.c)."""
    found: list[bytes] = []
    at = 0
    delimiter = b"--" + boundary
    while at < len(body):
        end = body.find(b"\n", at)
        line = body[at : len(body) if end < 0 else end].removesuffix(b"\r")
        at = len(body) if end < 0 else end + 1
        if line != delimiter:
            continue
        while at < len(body):
            end = body.find(b"\n", at)
            line = body[at : len(body) if end < 0 else end].removesuffix(b"\r")
            at = len(body) if end < 0 else end + 1
            if not line:
                break
        end = body.find(b"\n" + delimiter, at)
        if end < 0:
            found.append(body[at:])
            break
        found.append(body[at:end].removesuffix(b"\r"))
        at = end + 1
    return found


def like_commons(body: bytes, boundary: bytes) -> list[bytes]:
    """The first delimiter may be anywhere, others want CRLF in front; two bytes behind each tell (commons-fileupload)."""
    found: list[bytes] = []
    at = body.find(b"--" + boundary)
    while at >= 0:
        at += 2 + len(boundary)
        if body[at : at + 1] == b"\n":
            at += 1
        elif body[at : at + 2] == b"\r\n":
            at += 2
        else:
            break
        head = body.find(b"\r\n\r\n", at)
        if head < 0:
            break
        at = head + 4
        end = body.find(b"\r\n--" + boundary, at)
        if end < 0:
            break
        found.append(body[at:end])
        at = end + 2
    return found


def like_split(body: bytes, boundary: bytes) -> list[bytes]:
    """Written in a minute: divided at each boundary, and each piece at its first empty line."""
    found = []
    for piece in body.split(b"--" + boundary)[1:]:
        head, blank, content = piece.partition(b"\r\n\r\n")
        if blank and not head.startswith(b"--"):
            found.append(re.sub(rb"\r?\n\Z", b"", content))
    return found


def like_lines(body: bytes, boundary: bytes) -> list[bytes]:
    """Line by line, whatever ends a line, blanks at their ends cut off."""
    found: list[list[bytes]] = []
    state = "outside"
    for line in re.split(rb"(?<=\n)", body):
        stripped = line.rstrip(b" \t\r\n")
        if stripped == b"--" + boundary:
            state = "head"
            found.append([])
        elif stripped == b"--" + boundary + b"--":
            break
        elif state == "head":
            if not line.strip(b"\r\n"):
                state = "content"
        elif state == "content":
            found[-1].append(line)
    return [re.sub(rb"\r?\n\Z", b"", b"".join(lines)) for lines in found]


def is_given(content: bytes, found: list[bytes], boundary: bytes, is_whole: bool) -> bool:
    """
    Tell whether the content that some server sees was found, but for line ends at its end.

    @param is_whole: the form has an end. If it has none, what could begin a delimiter at its end is content for some.
    """
    blank = b" \t\r\n\0"
    seen = content.rstrip(blank)
    if not seen or any(one.rstrip(blank) == seen for one in found if one.startswith(seen)):
        return True
    rest = b"--" + boundary + b"--"
    tails = {rest[:size] for size in range(len(rest) + 1)}
    return not is_whole and any(
        one.startswith(content) and one[len(content) :].strip(blank) in tails for one in found
    )


READERS: dict[str, Reader] = {
    "werkzeug": by_werkzeug,
    "python-multipart": by_python_multipart,
    "email": by_email,
    "php": like_php,
    "commons": like_commons,
    "split": like_split,
    "lines": like_lines,
}
