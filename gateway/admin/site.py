"""
The site of the health listener: F{/healthz}, F{/readyz}, F{/metrics} and F{/config-hash}, small and quick.

It is asked every few seconds by programs, so it writes no log of its own; and it may be open to a network, so content
that a request brings is thrown away and a silent connection is closed.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from gateway.admin.config_hash import ConfigHashPage
from gateway.admin.health import HealthPage, Readiness, ReadyPage
from gateway.admin.metrics import MetricsPage, Numbers
from gateway.admin.page import NothingHere
from gateway.alarms.drift import Identity

#: A connection that says nothing for so long is closed.
IDLE_SECONDS = 15


def admin_site(
    readiness: Readiness,
    numbers: Numbers,
    reactor: IReactorTime,
    identity: Callable[[], Identity | None] = lambda: None,
) -> Site:
    """
    Make the factory for the listener at C{admin.health}.

    @param numbers: as L{Recorder.exposition<gateway.record.recorder.Recorder.exposition>} makes it.
    @param identity: what other nodes of a cluster are told; C{None}: nothing.
    """
    root = _Root()
    root.putChild(b"healthz", HealthPage())
    root.putChild(b"readyz", ReadyPage(readiness))
    root.putChild(b"metrics", MetricsPage(numbers))
    root.putChild(b"config-hash", ConfigHashPage(identity))
    site = Site(root, _Request, timeout=IDLE_SECONDS, reactor=reactor)
    site.noisy = False
    # A probe every second is no news; the access log is for clients.
    site.log = _unlogged  # type: ignore[method-assign,assignment]
    return site


def _unlogged(request: Request) -> None:
    """Keep twisted.web from logging each request."""


class _Root(Resource):
    """The folder of the four."""

    def __init__(self) -> None:
        Resource.__init__(self)

    def getChild(self, path: bytes, request: IRequest) -> Resource:
        return NothingHere()


class _Request(Request):
    """A request whose content nobody wants."""

    def handleContentChunk(self, data: bytes) -> None:
        """Drop it, or a stranger could fill the disk with it."""
