"""
A clamd in memory: it speaks the protocol to whoever connects, and does wrong what a test wants.

What it finds and what it leaves unsaid follows rules that are those of the real one, as far as the plugin can tell.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone, ConnectionRefusedError
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure

from gateway_clamd.samples import canary
from gateway_clamd.settings import MIB, Address

#: What it finds anywhere.
BAD = b"something bad"


class ScriptedClamd:
    """
    A clamd.

    @ivar up: it accepts connections; C{None}: it leaves them unanswered.
    @ivar hangs: it accepts connections and answers nothing.
    @ivar holds: answers to scans wait in C{held} until L{release}.
    @ivar finds: it knows the test file.
    @ivar alerts: it says that a limit was exceeded; C{alerts_encrypted} likewise.
    @ivar opens: it unpacks archives.
    @ivar files: it can read what descriptors it is given; C{None}: it closes when it gets one, as under AppArmor.
    @ivar answers: what it says of content, in place of what it would.
    @ivar breaks: so many connections end in the middle of the next scans.
    @ivar version: what it says to C{VERSION}; C{stats} likewise.
    @ivar scanned: all content that it was given, in order, but the plugin's own trials.
    @ivar ways: C{"file"} or C{"stream"} for each.
    @ivar connections: all that were made.
    """

    def __init__(self, clock: Any = None) -> None:
        """
        Make one.

        @param clock: answers come when it goes on, never at once.
        """
        self.clock = clock
        self.up: bool | None = True
        self.hangs = False
        self.holds = False
        self.finds = True
        self.alerts = self.alerts_encrypted = self.opens = True
        self.files: bool | None = True
        self.answers: Mapping[bytes, str] = {}
        self.breaks = 0
        self.max_stream = 100 * MIB
        self.max_file = 100 * MIB
        self.version = "ClamAV 1.4.6/27800/Mon Nov 16 09:00:00 2026"
        self.stats = (
            "POOLS: 1\n\nMEMSTATS: heap N/A pools 1 pools_used 5.884M pools_total 5.964M\nEND"
        )
        self.scanned: list[bytes] = []
        self.ways: list[str] = []
        self.orders: list[str] = []
        self.held: list[tuple[Line, str, str]] = []
        self.connections: list[Line] = []

    def connect(self, address: Address, protocol: Protocol) -> Deferred[Any]:
        """Connect somebody (L{gateway_clamd.connecting.Connect})."""
        if self.up is None:
            return Deferred()
        if not self.up:
            return fail(ConnectionRefusedError())
        line = Line(self, protocol)
        self.connections.append(line)
        protocol.makeConnection(line)
        return succeed(protocol)

    @property
    def open(self) -> list[Line]:
        """Give the connections that are open."""
        return [line for line in self.connections if not line.closed]

    def release(self, number: int = 0) -> None:
        """Give an answer that was held."""
        line, prefix, text = self.held.pop(number)
        line.say(prefix + text)

    def kill(self) -> None:
        """End like a crash."""
        self.up = False
        for line in self.open:
            line.lose()

    def judge(self, content: bytes) -> str:
        """Say what it finds, without what stands in front."""
        if content in self.answers:
            return self.answers[content]
        if len(content) > self.max_file:
            return "Heuristics.Limits.Exceeded.MaxFileSize FOUND" if self.alerts else "OK"
        if content.startswith(canary()[:60]):
            return "Eicar-Signature FOUND" if self.finds else "OK"
        if content.count(b"PK\x03\x04") > 17:
            return "Heuristics.Limits.Exceeded.MaxRecursion FOUND" if self.alerts else "OK"
        if content.startswith(b"PK") and content[6] & 1:
            return "Heuristics.Encrypted.Zip FOUND" if self.alerts_encrypted else "OK"
        if b"/Encrypt" in content:
            return "Heuristics.Encrypted.PDF FOUND" if self.alerts_encrypted else "OK"
        if content.startswith(b"PK") and canary() in content:
            return "Eicar-Signature FOUND" if self.finds and self.opens else "OK"
        return "Win.Test.Bad-1 FOUND" if BAD in content else "OK"


class Line:
    """
    One connection; for the plugin it is the transport.

    @ivar closed: it is.
    @ivar paused: it takes no more of a producer's pieces until L{resume}.
    @ivar written: how often something was written.
    """

    def __init__(self, clamd: ScriptedClamd, protocol: Protocol) -> None:
        self.closed = False
        self.paused = False
        self.written: list[int] = []
        self._clamd = clamd
        self._protocol = protocol
        self._data = b""
        self._content: bytearray | None = None
        self._left = 0
        self._in_session = False
        self._number = 0
        self._producer: Any = None
        self._serving = False
        self._descriptor: int | None = None

    # What the plugin calls.

    def write(self, data: bytes) -> None:
        """Take what the plugin sends."""
        assert not self.closed
        self.written.append(len(data))
        self._data += data
        self._serve()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Take pieces from a producer, all of them at once unless it is paused."""
        assert not streaming
        self._producer = producer
        self.resume()

    def unregisterProducer(self) -> None:
        """Take no more."""
        self._producer = None

    def abortConnection(self) -> None:
        """The plugin closes."""
        self.closed = True

    def loseWriteConnection(self) -> None:
        """The plugin sends nothing more."""
        self.lose()

    def getHandle(self) -> Line:
        """Give the socket: itself."""
        return self

    def sendmsg(self, buffers: list[bytes], ancillary: list[Any]) -> int:
        """Take a descriptor along with an order."""
        ((_, _, numbers),) = ancillary
        if self._clamd.files is None:
            self.lose()
            return len(buffers[0])
        self._descriptor = os.dup(numbers[0])
        self._data += buffers[0]
        self._serve()
        return len(buffers[0])

    # What a test calls.

    def resume(self) -> None:
        """Take pieces until it is paused or there are no more."""
        while self._producer is not None and not self.paused and not self.closed:
            self._producer.resumeProducing()

    def say(self, text: str) -> None:
        """Answer."""
        self.raw(text.encode() + b"\0")

    def raw(self, data: bytes) -> None:
        """Say whatever it may be."""
        self._clamd.clock.callLater(0, self._said, data)

    def lose(self) -> None:
        """Close from this side."""
        self._clamd.clock.callLater(0, self._lost)

    def _said(self, data: bytes) -> None:
        if not self.closed:
            self._protocol.dataReceived(data)

    def _lost(self) -> None:
        if not self.closed:
            self.closed = True
            self._protocol.connectionLost(Failure(ConnectionDone()))

    def _serve(self) -> None:
        if self._serving:
            return
        self._serving = True
        while not self.closed and not self._clamd.hangs and self._step():
            pass
        self._serving = False

    def _step(self) -> bool:
        if self._content is not None:
            return self._stream()
        name, end, self._data = self._data.partition(b"\0")
        if not end:
            self._data = name
            return False
        self._order(name.decode())
        return True

    def _stream(self) -> bool:
        assert self._content is not None
        if self._left:
            piece, self._data = self._data[: self._left], self._data[self._left :]
            self._content += piece
            self._left -= len(piece)
            return bool(piece)
        if len(self._data) < 4:
            return False
        (self._left,) = struct.unpack(">I", self._data[:4])
        self._data = self._data[4:]
        if len(self._content) + self._left > self._clamd.max_stream:
            self._answer("INSTREAM size limit exceeded. ERROR")
            self.lose()
            return False
        if not self._left:
            content, self._content = bytes(self._content), None
            self._scan("stream", content)
        return True

    def _order(self, name: str) -> None:
        clamd = self._clamd
        assert name[0] == "z", name
        name = name[1:]
        clamd.orders.append(name)
        if name == "IDSESSION":
            self._in_session = True
            return
        self._number += 1
        if name == "INSTREAM":
            self._content = bytearray()
        elif name == "FILDES":
            # The byte that came with the descriptor.
            self._data = self._data[1:]
            self._file()
        else:
            simple = {"PING": "PONG", "VERSION": clamd.version, "STATS": clamd.stats}
            self._answer(simple[name])
            if not self._in_session:
                self.lose()

    def _file(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        assert descriptor is not None
        size = os.fstat(descriptor).st_size
        content = os.pread(descriptor, min(size, self._clamd.max_file + 1), 0)
        os.close(descriptor)
        if not self._clamd.files:
            self._answer("No file descriptor received. ERROR")
        else:
            self._scan("fd[9]", content)

    def _scan(self, prefix: str, content: bytes) -> None:
        clamd = self._clamd
        text = clamd.judge(content)
        if not _is_trial(content):
            clamd.scanned.append(content)
            clamd.ways.append("stream" if prefix == "stream" else "file")
            if clamd.breaks:
                clamd.breaks -= 1
                self.lose()
                return
            if clamd.holds:
                number = f"{self._number}: " if self._in_session else ""
                clamd.held.append((self, f"{number}{prefix}: ", text))
                return
        self._answer(f"{prefix}: {text}")

    def _answer(self, text: str) -> None:
        self.say(f"{self._number}: {text}" if self._in_session else text)


def _is_trial(content: bytes) -> bool:
    return b"nothing of interest" in content or canary()[:60] in content or b"/Encrypt" in content
