"""Tests of L{gateway.admin.control}: who may give orders, and what becomes of them."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from gateway.admin.control import MOST_BYTES, SILENCE_SECONDS, Control, address, peer_user


class AddressTests(SynchronousTestCase):
    """L{address}."""

    def test_same_options(self) -> None:
        """A command finds the gateway by the options that it was started with, however the file is spelt."""
        self.assertEqual(address("gateway.toml"), address(os.path.abspath("./gateway.toml")))
        self.assertEqual(address(None, 8080), address(None, "8080"))

    def test_other_options(self) -> None:
        """Gateways of other options are not found."""
        found = [address(None), address("a.toml"), address("b.toml"), address(None, 8080)]
        found.append(address(None, None, "http://127.0.0.1:8000"))
        self.assertEqual(len(set(found)), len(found))

    def test_abstract(self) -> None:
        """It is an abstract address, and not longer than one may be."""
        self.assertEqual(address("x" * 500)[0], "\0")
        self.assertLess(len(address("x" * 500)), 100)


class Line(StringTransport):
    """A transport with a real unix socket, whose peer is this process."""

    def __init__(self) -> None:
        super().__init__()
        self.socket, self.other = socket.socketpair()
        self.aborted = False

    def abortConnection(self) -> None:
        """Remember."""
        self.aborted = True

    def close(self) -> None:
        """Close both ends."""
        self.socket.close()
        self.other.close()


class ControlTests(SynchronousTestCase):
    """L{Control} without a port."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.given: list[Mapping[str, Any]] = []
        self.waiting: Deferred[Any] | None = None

    async def order(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Note it."""
        self.given.append(said)
        if self.waiting is not None:
            await self.waiting
        if said.get("fail"):
            raise LookupError("a secret reason")
        return {"ok": True}

    def connect(self, allowed: Callable[[int], bool] | None = None) -> tuple[Any, Line]:
        """Connect to it."""
        control = Control(self.clock, {"note": self.order}, allowed)
        protocol = control.buildProtocol(UNIXAddress(b""))
        line = Line()
        self.addCleanup(line.close)
        protocol.makeConnection(line)
        return protocol, line

    def answer(self, line: Line) -> dict[str, Any]:
        """Give what was answered; the connection is closed with it."""
        self.assertTrue(line.disconnecting)
        answer: dict[str, Any] = json.loads(line.value())
        return answer

    def test_peer(self) -> None:
        """The kernel says who is at the other end."""
        with socket.socketpair()[0] as one:
            self.assertEqual(peer_user(one), os.geteuid())

    def test_order(self) -> None:
        """An order is carried out with all that was said, and answered."""
        protocol, line = self.connect()
        protocol.dataReceived(b'{"order": "note", "dry_run": true}\n')
        self.assertEqual(self.answer(line), {"ok": True})
        self.assertEqual(self.given, [{"order": "note", "dry_run": True}])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_other_user(self) -> None:
        """Another user's orders are refused unread."""
        protocol, line = self.connect(lambda user: False)
        protocol.dataReceived(b'{"order": "note"}\n')
        self.assertEqual(
            self.answer(line)["why"], "only root and the gateway's own user may do that"
        )
        self.assertEqual(self.given, [])

    def test_nonsense(self) -> None:
        """What is no order is answered as such."""
        for said in (b"GET / HTTP/1.1\r\n", b"[]\n", b'{"order": "other"}\n', b'{"order": []}\n'):
            protocol, line = self.connect()
            protocol.dataReceived(said)
            self.assertIn("does not know that order", self.answer(line)["why"])
        self.assertEqual(self.given, [])

    def test_failure(self) -> None:
        """An order that fails is told as failed; the reason is for the log."""
        protocol, line = self.connect()
        protocol.dataReceived(b'{"order": "note", "fail": 1}\n')
        answer = self.answer(line)
        self.assertFalse(answer["ok"])
        self.assertNotIn("secret", answer["why"])
        self.assertEqual(len(self.flushLoggedErrors(LookupError)), 1)

    def test_too_long(self) -> None:
        """An order without an end is not gathered."""
        protocol, line = self.connect()
        protocol.dataReceived(b"x" * (MOST_BYTES + 1))
        self.assertEqual(self.answer(line)["why"], "the order is too long")

    def test_silence(self) -> None:
        """A connection that says nothing is closed."""
        _, line = self.connect()
        self.clock.advance(SILENCE_SECONDS)
        self.assertTrue(line.aborted)

    def test_one_order(self) -> None:
        """A second order on one connection is not carried out, nor is one after the peer has gone."""
        self.waiting = Deferred()
        protocol, line = self.connect()
        protocol.dataReceived(b'{"order": "note"}\n{"order": "note"}\n')
        self.assertEqual(len(self.given), 1)
        protocol.connectionLost()
        self.waiting.callback(None)
        self.assertEqual(line.value(), b"")
