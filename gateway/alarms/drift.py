"""
Whether other nodes are configured as this one is.

Each minute every peer is asked for the hash of its configuration. A difference that lasts is told once, until it is
over: while a change rolls through the nodes they differ, and nobody has to act. A peer that does not say is no
difference; that is a state of its own. What a peer answers is a stranger's word: bounded, and shown only where it is a
hash or a plain name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.logger import Logger

from gateway.alarms.thresholds import Bounds, Monitor, Reading
from gateway.api.catalogue.machine import (
    CONFIG_ALIKE,
    CONFIG_DRIFT,
    PEER_REACHABLE,
    PEER_UNREACHABLE,
)
from gateway.api.events import Event
from gateway.api.services import Clock, Http, HttpFailed

#: Between two questions to one peer.
ASK_SECONDS = 60.0
#: How long a difference has to last; longer than a change takes to get to all nodes.
HOLD_SECONDS = 300.0
#: How long a peer may take to answer.
ANSWER_SECONDS = 10.0

#: Where a node tells it, below its health listener.
PATH = "/config-hash"

_MOST_BYTES = 4096
_HASH = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9._:@ -]{1,100}")
_SHOWN = 12
_LASTING = Bounds(1.0, 1.0, HOLD_SECONDS)


@dataclass(frozen=True, slots=True)
class Identity:
    """
    What a node says of itself.

    @ivar config: the hash of its settings, 64 hexadecimal digits.
    @ivar instance: another one for each process, by which a node knows itself.
    @ivar node: what it calls itself; empty: nothing.
    """

    config: str
    instance: str
    node: str = ""


class Peers:
    """
    The peers of one node, asked again and again.

    @ivar alike: of each peer that has answered: whether it is configured alike.
    @ivar reached: of each peer that was asked: whether the last time it answered.
    """

    _log = Logger()

    def __init__(
        self, clock: Clock, http: Http, tell: Callable[[Event], None], own: Callable[[], Identity]
    ) -> None:
        """
        Prepare; nobody is asked.

        @param own: gives what this node is like, each time.
        """
        self.alike: dict[str, bool] = {}
        self.reached: dict[str, bool] = {}
        self._clock = clock
        self._http = http
        self._own = own
        self._peers: tuple[str, ...] = ()
        self._call: Any = None
        self._asking: dict[str, Deferred[None]] = {}
        self._drift = Monitor(
            CONFIG_DRIFT,
            CONFIG_ALIKE,
            tell,
            advice="compare the files of both nodes and reload",
            bounds=_LASTING,
        )
        self._silence = Monitor(
            PEER_UNREACHABLE,
            PEER_REACHABLE,
            tell,
            advice="whether it is configured alike is not known",
            bounds=_LASTING,
        )

    def follow(self, peers: Collection[str]) -> None:
        """Ask these from now on, each minute; the states of those that are not among them are over."""
        gone = set(self._peers) - set(peers)
        self._peers = tuple(peers)
        for peer in gone:
            self._forget(peer)
        if gone:
            now = self._clock.seconds()
            for monitor in (self._drift, self._silence):
                monitor.keep(self._peers, now)
        if self._peers and self._call is None:
            self._call = self._clock.callLater(ASK_SECONDS, self._turn)
        elif not self._peers:
            self._end_timer()

    def stop(self) -> None:
        """Ask nobody any more; nothing is told of it."""
        self._end_timer()
        self._peers = ()
        for asking in list(self._asking.values()):
            asking.cancel()

    def families(self) -> Iterator[Metric]:
        """Give what is known of them, for C{/metrics}."""
        if not self._peers:
            return
        alike = GaugeMetricFamily(
            "gateway_peer_config_alike", "1: configured alike.", labels=("peer",)
        )
        reached = GaugeMetricFamily("gateway_peer_up", "1: it answered.", labels=("peer",))
        for family, known in ((alike, self.alike), (reached, self.reached)):
            for peer, value in known.items():
                family.add_metric((peer,), int(value))
        yield from (alike, reached)

    def _end_timer(self) -> None:
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _forget(self, peer: str) -> None:
        self.alike.pop(peer, None)
        self.reached.pop(peer, None)
        asking = self._asking.get(peer)
        if asking is not None:
            asking.cancel()

    def _turn(self) -> None:
        self._call = self._clock.callLater(ASK_SECONDS, self._turn)
        for peer in self._peers:
            if peer in self._asking:
                continue
            asking = self._asking[peer] = ensureDeferred(self._ask(peer))
            asking.addErrback(self._failed)
            asking.addBoth(self._asked, peer)

    def _asked(self, result: object, peer: str) -> None:
        del self._asking[peer]

    def _failed(self, failure: Any) -> None:
        if failure.check(CancelledError) is None:
            self._log.failure("a peer could not be compared with", failure)

    async def _ask(self, peer: str) -> None:
        try:
            answer = await self._http.request(
                "GET",
                f"{peer}{PATH}",
                timeout_seconds=ANSWER_SECONDS,
                max_bytes=_MOST_BYTES,
            )
        except HttpFailed as error:
            if error.reason == "loop":
                # Nodes may share one list: this entry is we ourselves.
                self._itself(peer)
            elif error.reason != "closed":
                self._silent(peer, str(error))
            return
        theirs = None if answer.status != 200 else _identity(answer.content)
        if theirs is None:
            why = "it answers with something else" if answer.status == 200 else "it tells no hash"
            self._silent(peer, f"{why} (status {answer.status})")
            return
        ours = self._own()
        if theirs.instance == ours.instance:
            self._itself(peer)
        else:
            self._compare(peer, ours, theirs)

    def _itself(self, peer: str) -> None:
        self.alike.pop(peer, None)
        self.reached.pop(peer, None)

    def _silent(self, peer: str, why: str) -> None:
        self.reached[peer] = False
        text = f"{peer} can't be asked how it is configured ({why})"
        reading = Reading(1.0, text, {"why": why})
        self._silence.read_some({peer: reading}, self._clock.seconds())

    def _compare(self, peer: str, ours: Identity, theirs: Identity) -> None:
        now = self._clock.seconds()
        self.reached[peer] = True
        named = {"node": theirs.node} if theirs.node else {}
        told = Reading(0.0, f"{peer} says how it is configured again", named)
        self._silence.read_some({peer: told}, now)
        self.alike[peer] = is_alike = ours.config == theirs.config
        own, other = ours.config[:_SHOWN], theirs.config[:_SHOWN]
        values = {**named, "ours": own, "theirs": other}
        if is_alike:
            reading = Reading(0.0, f"{peer} is configured like this node again ({own})", values)
        else:
            text = f"{peer} is not configured like this node ({other} there, {own} here)"
            reading = Reading(1.0, text, values)
        self._drift.read_some({peer: reading}, now)


def _identity(content: bytes) -> Identity | None:
    """Read an answer; C{None}: it is none."""
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, Mapping):
        return None
    config, instance, node = said.get("config"), said.get("instance"), said.get("node")
    if not (isinstance(config, str) and _HASH.fullmatch(config) and isinstance(instance, str)):
        return None
    is_name = isinstance(node, str) and _NAME.fullmatch(node)
    return Identity(config, instance[:100], str(node) if is_name else "")
