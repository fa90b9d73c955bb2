"""Tests of L{gateway.net.tunnel_hop}."""

from __future__ import annotations

from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from gateway.net.tunnel_hop import TunnelHop


class Transport(StringTransport):
    """A transport that knows whether it was reset."""

    aborted = False

    def abortConnection(self) -> None:
        """Remember it."""
        self.aborted = True


class TunnelHopTests(SynchronousTestCase):
    """A connection between being dialled and being given to a tunnel."""

    def setUp(self) -> None:
        self.hop = TunnelHop()
        self.transport = Transport()
        self.hop.makeConnection(self.transport)

    def test_interface(self) -> None:
        """It hears of a server that ends before the tunnel begins."""
        verifyObject(IHalfCloseableProtocol, self.hop)

    def test_early_bytes(self) -> None:
        """What a server says before the tunnel begins is kept, once, and no more is read meanwhile."""
        self.hop.dataReceived(b"220 ")
        self.hop.dataReceived(b"ready")
        self.assertEqual(self.transport.producerState, "paused")
        self.assertEqual(self.hop.surrender(), b"220 ready")
        self.assertEqual(self.hop.surrender(), b"")

    def test_silent(self) -> None:
        """A server that waits leaves nothing behind and goes on being read."""
        self.assertEqual(self.hop.surrender(), b"")
        self.assertEqual(self.transport.producerState, "producing")

    def test_abort(self) -> None:
        """One that is not wanted is reset."""
        self.hop.abort()
        self.assertTrue(self.transport.aborted)

    def test_abort_of_a_lost_one(self) -> None:
        """One that is gone already is left alone."""
        self.hop.connectionLost(Failure(ConnectionLost()))
        self.hop.abort()
        self.assertFalse(self.transport.aborted)

    def test_end(self) -> None:
        """A server that ends before the tunnel begins is closed in order."""
        self.hop.readConnectionLost()
        self.assertTrue(self.transport.disconnecting)
