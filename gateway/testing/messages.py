"""
HTTP/1 messages as the far end sees them, taken apart after the fact.

On purpose not our own parsers: what they and our serialiser misunderstand alike would go unseen. This one reads what it
is given in one way (RFC 9112 section 6) and fails on anything odd, for it only ever reads what the gateway wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Message:
    """
    A request or a response.

    @ivar start: the start line.
    @ivar fields: names in lower case, values; in order.
    @ivar content: without transfer coding.
    @ivar trailers: as C{fields}.
    @ivar framing: C{"none"}, C{"length"}, C{"chunked"} or C{"close"}.
    @ivar complete: its end was seen.
    @ivar raw: all its bytes so far.
    """

    start: bytes
    fields: list[tuple[bytes, bytes]] = field(default_factory=list)
    content: bytes = b""
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    framing: str = "none"
    complete: bool = False
    raw: bytes = b""

    @property
    def method(self) -> bytes:
        """Of a request."""
        return self.start.split(b" ")[0]

    @property
    def target(self) -> bytes:
        """Of a request."""
        return self.start.split(b" ")[1]

    @property
    def status(self) -> int:
        """Of a response."""
        return int(self.start.split(b" ")[1])

    @property
    def url(self) -> str:
        """Of a request: where it is to go, made of its target and its Host; of a CONNECT C{host:port}."""
        target = self.target.decode("latin-1")
        if not target.startswith("/"):
            return target
        return f"http://{(self.get('host') or b'').decode('latin-1')}{target}"

    def get(self, name: str) -> bytes | None:
        """
        Give the value of a field that occurs once at most, C{None} if it is not there.

        @raise AssertionError: it occurs more than once.
        """
        values = self.all(name)
        if len(values) > 1:
            raise AssertionError(f"{name} occurs {len(values)} times")
        return values[0] if values else None

    def all(self, name: str) -> list[bytes]:
        """Give the values of a field."""
        wanted = name.lower().encode("ascii")
        return [value for found, value in self.fields if found == wanted]

    @property
    def names(self) -> list[bytes]:
        """The fields' names."""
        return [name for name, _ in self.fields]


def read_requests(data: bytes) -> list[Message]:
    """
    Take requests apart; the last one may be incomplete.

    What follows an C{Upgrade} or a CONNECT is no message and stays in C{raw} of nobody: look at the bytes themselves.
    """
    found: list[Message] = []
    while data:
        message, data = _read(data, None, False)
        found.append(message)
        if not message.complete or message.method == b"CONNECT":
            break
    return found


def read_responses(
    data: bytes, methods: Iterable[bytes] = (), *, ended: bool = False
) -> list[Message]:
    """
    Take responses apart, interim ones included; the last one may be incomplete.

    @param methods: of the requests they answer, in order; GET for those not named.
    @param ended: the sender closed in order, which completes a response without length or chunks.
    """
    found: list[Message] = []
    asked = iter(methods)
    method = next(asked, b"GET")
    while data:
        message, data = _read(data, method, ended)
        found.append(message)
        if not message.complete or message.status == 101:
            break
        if message.status >= 200:
            if method == b"CONNECT" and message.status < 300:
                break
            method = next(asked, b"GET")
    return found


def _read(data: bytes, method: bytes | None, ended: bool) -> tuple[Message, bytes]:
    """
    Read one message.

    @param method: of the request that a response answers; C{None}: this is a request.
    """
    head, empty_line, rest = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    message = Message(lines[0], raw=data)
    if not empty_line:
        return message, b""
    message.fields = _fields(lines[1:])
    bodiless = method is not None and (
        method == b"HEAD"
        or message.status < 200
        or message.status in (204, 304)
        or (method == b"CONNECT" and message.status < 300)
    )
    coding, length = message.get("transfer-encoding"), message.get("content-length")
    if bodiless or method == b"HEAD":
        message.complete = True
    elif coding is not None:
        _assert(coding == b"chunked" and length is None, "framing that can be read in two ways")
        message.framing = "chunked"
        rest = _chunks(message, rest)
    elif length is not None:
        message.framing = "length"
        size = int(length)
        message.content, rest = rest[:size], rest[size:]
        message.complete = len(message.content) == size
    elif method is not None:
        message.framing = "close"
        message.content, rest = rest, b""
        message.complete = ended
    else:
        message.complete = True
    if message.complete:
        message.raw = data[: len(data) - len(rest)]
    return message, rest


def _chunks(message: Message, data: bytes) -> bytes:
    """Read chunks and trailers; gives what follows."""
    while True:
        line, end, after = data.partition(b"\r\n")
        if not end:
            return b""
        size = int(line, 16)
        if not size:
            break
        message.content += after[:size]
        if len(after) < size + 2:
            return b""
        _assert(after[size : size + 2] == b"\r\n", "a chunk that is longer than its size")
        data = after[size + 2 :]
    if after.startswith(b"\r\n"):
        message.complete = True
        return after[2:]
    section, empty_line, rest = after.partition(b"\r\n\r\n")
    if not empty_line:
        return b""
    message.trailers = _fields(section.split(b"\r\n"))
    message.complete = True
    return rest


def _fields(lines: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    for line in lines:
        name, colon, value = line.partition(b":")
        _assert(bool(colon) and name == name.strip() and bool(name), f"no field line: {line!r}")
        found.append((name.lower(), value.strip(b" \t")))
    return found


def _assert(holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(what)
