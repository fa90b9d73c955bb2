"""
The clients of first logins: each has a connection and an address of its own and asks once; one thread has all of them.

With a thread for each, clients wait for one another longer than for the gateway, on the core that they share with the directory. Knows
nothing of directories.
"""

from __future__ import annotations

import base64
import selectors
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

#: So many clients begin before those that have begun are looked at.
_AT_ONCE = 8


@dataclass(slots=True)
class Answers:
    """
    What became of logins.

    @ivar took: seconds from connecting to the first line of the answer, of each that was let in.
    @ivar refused: the statuses of the others.
    """

    took: list[float] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Client:
    stream: socket.socket
    request: bytes
    begun: float
    answer: bytes = b""


def log_in(port: int, target: str, users: int, rate: int, patience: float) -> Answers:
    """
    Log C{user0}, C{user1}, ... in, by one request each.

    @param target: whom they ask for, as C{host:port}.
    @param rate: so many begin in a second; 0: all in the same moment.
    @param patience: seconds to wait when nothing happens at all.
    @raise TimeoutError: that is over.
    """
    answers = Answers()
    waiting = 0
    begin = time.monotonic()
    coming = enumerate(_requests(target, users))
    due = next(coming, None)
    with selectors.DefaultSelector() as selector:
        while due is not None or waiting:
            for _ in range(_AT_ONCE):
                if due is None or (rate and time.monotonic() < begin + due[0] / rate):
                    break
                number, request = due
                client = _begun(port, number, request)
                selector.register(client.stream, selectors.EVENT_WRITE, client)
                waiting += 1
                due = next(coming, None)
            pause = patience
            if due is not None:
                pause = max(0.0, begin + due[0] / rate - time.monotonic()) if rate else 0.0
            events = selector.select(pause)
            if not events and due is None:
                raise TimeoutError(f"{waiting} logins were not answered")
            for key, mask in events:
                if _goes_on(selector, key.data, mask, answers):
                    waiting -= 1
    answers.took.sort()
    return answers


def _requests(target: str, users: int) -> Iterator[bytes]:
    for number in range(users):
        name = f"user{number}"
        secret = base64.b64encode(f"{name}:{name}pw".encode()).decode()
        yield (
            f"GET http://{target}/1k HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n"
            f"Proxy-Authorization: Basic {secret}\r\n\r\n"
        ).encode()


def _begun(port: int, number: int, request: bytes) -> _Client:
    stream = socket.socket()
    stream.setblocking(False)
    stream.bind((f"127.1.{number >> 8}.{number & 255}", 0))
    client = _Client(stream, request, time.monotonic())
    stream.connect_ex(("127.0.0.1", port))
    return client


def _goes_on(
    selector: selectors.BaseSelector, client: _Client, mask: int, answers: Answers
) -> bool:
    """Send or read; tells whether the client is done."""
    if mask & selectors.EVENT_WRITE:
        client.stream.sendall(client.request)
        selector.modify(client.stream, selectors.EVENT_READ, client)
        return False
    data = client.stream.recv(65536)
    client.answer += data
    line, end, _ = client.answer.partition(b"\r\n")
    if data and not end:
        return False
    status = int(line.split()[1]) if end else 0
    if status == 200:
        answers.took.append(time.monotonic() - client.begun)
    else:
        answers.refused.append(status)
    selector.unregister(client.stream)
    client.stream.close()
    return True
