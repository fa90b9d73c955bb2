"""
How L{FakeGateway} sees what no peer sees: a plugin behind all others, and an ear for a start that fails.
"""

from __future__ import annotations

from typing import Any, Self

from twisted.logger import LogEvent, LogLevel, globalLogPublisher

from gateway.api import Event, Plugin, Transaction, hookimpl

NAME = "fake_gateway_probe"


class Probe(Plugin):
    """
    Take note, and have no opinion.

    @ivar ended: the transactions that ended, by the client's address and port.
    @ivar events: what operators would have been told, by whomever.
    """

    name = NAME

    def __init__(self) -> None:
        self.ended: dict[tuple[str, int], list[Transaction]] = {}
        self.events: list[Event] = []

    @hookimpl()
    def transaction_complete(self, txn: Transaction) -> None:
        """Keep the transaction."""
        client = txn.client
        self.ended.setdefault((client.address, client.port), []).append(txn)

    @hookimpl()
    def event(self, event: Event) -> None:
        """Keep the event; one that the test saw coming is here already."""
        if not any(event is known for known in self.events):
            self.events.append(event)


class WhyNot:
    """
    Hears why a gateway does not start, which it says in its log alone once it had to wait for a plugin.

    @ivar text: the reason; empty if none was said.
    """

    def __init__(self) -> None:
        self.text = ""

        # The annotations of Twisted know classes that say they are observers, and no functions.
        self._observer: Any = self._hear

    def __enter__(self) -> Self:
        globalLogPublisher.addObserver(self._observer)
        return self

    def __exit__(self, *raised: object) -> None:
        globalLogPublisher.removeObserver(self._observer)

    def _hear(self, event: LogEvent) -> None:
        if event.get("log_level") is LogLevel.critical and "why" in event:
            self.text = str(event["why"])
