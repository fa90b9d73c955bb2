"""
The plugin: a channel for each receiver, what writes its messages, and the way to it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

from gateway.api import Alarm, Caution, Log, Notice, Plugin, Services, SettingFault, Surroundings
from gateway.api.settings import is_this_machine
from gateway_syslog import cef, records
from gateway_syslog.connecting import connects
from gateway_syslog.datagrams import Datagrams
from gateway_syslog.rfc5424 import FACILITIES, Header
from gateway_syslog.settings import Receiver, SyslogSettings
from gateway_syslog.streams import Stream
from gateway_syslog.texts import Room, fitted
from gateway_syslog.ways import Way

#: Makes the way to a receiver.
MakeWay: TypeAlias = Callable[[Any, Receiver, Log], Way]

_Write: TypeAlias = Callable[[Alarm, Notice, Room], bytes]


def way(clock: Any, receiver: Receiver, log: Log) -> Way:
    """Make the way that a receiver is to be reached on."""
    name = receiver.label
    if receiver.transport == "udp":
        return Datagrams(clock, receiver.address.host, receiver.port, log, name=name)
    return Stream(
        clock,
        connects(clock, receiver),
        log,
        name=name,
        secured=receiver.transport == "tls",
        framing=receiver.framing,
    )


def writer(receiver: Receiver) -> _Write:
    """Give what writes an alarm for a receiver, however long that becomes."""
    header = Header(FACILITIES[receiver.facility], os.getpid(), receiver.sd_id)
    if receiver.format == "rfc5424":
        return header.message
    inner = cef.message if receiver.format == "cef" else records.message
    if receiver.header == "none":
        return inner
    return lambda alarm, notice, room: header.around(alarm, notice.node, inner(alarm, notice, room))


def messages(write: _Write, most_bytes: int, notice: Notice) -> Iterator[bytes]:
    """Write the messages of a notice one by one, none longer than that."""
    return (fitted(partial(write, alarm, notice), most_bytes) for alarm in notice.alarms)


class Syslog(Plugin):
    """Send alarms to syslog servers."""

    name = "syslog"
    Settings = SyslogSettings

    settings: SyslogSettings

    def __init__(
        self, settings: SyslogSettings, services: Services, make_way: MakeWay = way
    ) -> None:
        """
        Make it; nothing is connected before there is an alarm.

        @param make_way: makes the way to a receiver, in place of a socket.
        """
        super().__init__(settings, services)
        self._ways: list[Way] = []
        self._messages = services.metrics.counter(
            "messages", "Messages that were delivered, as far as is known.", ("receiver",)
        )
        for receiver in settings.to:
            self._open(receiver, make_way(services.clock, receiver, services.log))

    def review(self, around: Surroundings) -> Iterator[Caution | SettingFault]:
        """Say what anybody on the way can read."""
        if not self.settings.to:
            yield Caution("nobody is told of anything", ("to",), '[{ address = "10.0.0.8:514" }]')
        for number, receiver in enumerate(self.settings.to):
            if receiver.transport != "tls" and not is_this_machine(receiver.address.host):
                yield Caution(
                    f"alarms go to {receiver.label} in clear, with addresses and URLs",
                    ("to", number, "transport"),
                    '"tls"',
                )

    def stop(self) -> None:
        """Close all connections."""
        for one in self._ways:
            one.close()

    def _open(self, receiver: Receiver, to: Way) -> None:
        write = writer(receiver)
        most, label = receiver.most_bytes, receiver.label

        async def deliver(notice: Notice) -> None:
            await to.send(
                lambda more: messages(
                    write, most, replace(notice, attempt=notice.attempt + more) if more else notice
                )
            )
            self._messages.inc(len(notice.alarms), receiver=label)

        self._ways.append(to)
        self.services.alarms.channel(label, deliver, receiver.rules)
