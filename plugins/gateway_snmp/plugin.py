"""
The plugin: a channel for each receiver, and what the commands ask for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import util
from typing import Any

from gateway.api import Caution, Plugin, Services, SettingFault, Surroundings, hookimpl
from gateway.api.alarms import ChannelRules, DeliveryFailed, Notice
from gateway_snmp import mib
from gateway_snmp.identity import Identity, take_identity
from gateway_snmp.loop import engines
from gateway_snmp.notification import of_alarm, of_numbers
from gateway_snmp.numbers import Look, between, look
from gateway_snmp.reader import NoNumbers
from gateway_snmp.sender import Sender, resolve
from gateway_snmp.settings import Address, Receiver, SnmpSettings
from gateway_snmp.tree import oid_text

#: For names, for what waits before it, and for what a receiver of version 3 is asked first.
_SPARE_SECONDS = 15.0
_MISSING = 'pysnmp is not installed: pip install "gateway[snmp]"'


class Snmp(Plugin):
    """Send alarms by SNMP."""

    name = "snmp"
    Settings = SnmpSettings

    settings: SnmpSettings

    def __init__(
        self,
        settings: SnmpSettings,
        services: Services,
        look: Callable[[Address, float], Look] = look,
    ) -> None:
        """
        Make it, and its channels; nothing is opened before it is started.

        @param look: reads the gateway's numbers, in a thread.
        """
        super().__init__(settings, services)
        self._look = look
        self.identity: Identity | None = None
        self._sender: Sender | None = None
        self._before: Look | None = None
        self._restarts = services.metrics.counter(
            "restarts", "Times that the sending thread ended unasked and was started anew."
        )
        for place, receiver in enumerate(settings.to):
            services.alarms.channel(
                str(receiver.address), partial(self._deliver, place, receiver), _rules(receiver)
            )
        if settings.to and settings.metrics_every:
            services.every(settings.metrics_every, self._send_numbers, name="numbers")

    def review(self, around: Surroundings) -> Iterator[Caution | SettingFault]:
        """Tell what is missing, and whom anybody could play."""
        if not self.settings.to:
            yield Caution(
                "nobody is told of anything",
                ("to",),
                '[{ address = "10.0.0.9", user = "gateway", auth = { file = "..." }, priv = { file = "..." } }]',
            )
            return
        if util.find_spec("pysnmp") is None:
            yield SettingFault("pysnmp is not installed", (), 'pip install "gateway[snmp]"')
        for place, receiver in enumerate(self.settings.to):
            if receiver.address.is_local:
                continue
            if receiver.version != "3":
                yield Caution(
                    f"alarms go to {receiver.address} in clear, with addresses, URLs and community",
                    ("to", place, "version"),
                    '"3"',
                )
            elif receiver.auth is None:
                yield Caution(
                    f"what goes to {receiver.address} is neither signed nor encrypted",
                    ("to", place),
                    "auth and priv",
                )

    async def start(self) -> None:
        """
        Begin a new start of the engine, and the thread that sends.

        @raise RuntimeError: pysnmp is not installed.
        """
        settings, services = self.settings, self.services
        if not settings.to:
            return
        if util.find_spec("pysnmp") is None:
            raise RuntimeError(_MISSING)
        self.identity = await take_identity(
            services.store,
            services.log,
            settings.base_oid,
            settings.engine_id,
            now=time.time,
            seconds=time.monotonic,
        )
        services.log.info(
            "the SNMP engine id is {engine}, start {boots}",
            engine=self.identity.engine_id.hex(),
            boots=self.identity.boots,
        )
        clock: Any = services.clock
        post = getattr(clock, "callFromThread", None)
        if post is None:
            # A gateway in memory has no thread that could be called from another one.
            return
        self._sender = Sender(
            settings.to, engines(self.identity), post, services.log, self._restarts
        )
        self._sender.start()

    async def stop(self) -> None:
        """End the thread."""
        sender, self._sender = self._sender, None
        if sender is not None:
            await sender.stop()

    async def _deliver(self, place: int, receiver: Receiver, notice: Notice) -> None:
        where = await resolve(receiver, self.services.threads)
        for alarm in notice.alarms:
            notification = of_alarm(
                alarm,
                notice.node,
                self.settings.base_oid,
                is_iwsva=receiver.oid_style == "iwsva",
                most_bytes=self.settings.datagram,
            )
            await self._running().send(place, where, notification, is_inform=receiver.inform)

    async def _send_numbers(self) -> None:
        settings = self.settings
        try:
            after = await self.services.threads.run(
                "directory", self._look, settings.metrics, self.services.clock.seconds()
            )
        except NoNumbers as error:
            self.services.log.warn("there are no numbers to send: {why}", why=str(error))
            return
        numbers, self._before = between(self._before, after), after
        for place, receiver in enumerate(settings.to):
            notification = of_numbers(
                numbers, settings.base_oid, is_iwsva=receiver.oid_style == "iwsva"
            )
            try:
                where = await resolve(receiver, self.services.threads)
                await self._running().send(place, where, notification, is_inform=False)
            except DeliveryFailed as error:
                # The next numbers will be better than these.
                self.services.log.info(
                    "numbers were not sent to {receiver}: {why}",
                    receiver=str(receiver.address),
                    why=str(error),
                )

    def _running(self) -> Sender:
        if self._sender is None:
            raise DeliveryFailed("the plugin does not send now")
        return self._sender

    @hookimpl()
    def order(self, name: str, said: Mapping[str, object]) -> Mapping[str, object] | None:
        """Tell commands what they ask for."""
        if name == "snmp.mib":
            return {"text": mib.text(self.settings.base_oid)}
        if name == "snmp.show":
            return self._shown()
        return None

    def _shown(self) -> dict[str, object]:
        identity = self.identity
        return {
            "engine_id": identity.engine_id.hex() if identity else "",
            "engine_boots": identity.boots if identity else 0,
            "base_oid": oid_text(self.settings.base_oid),
            "receivers": [
                {
                    "address": str(one.address),
                    "version": one.version,
                    "user": one.user,
                    "level": ("noAuthNoPriv", "authNoPriv", "authPriv")[one.level - 1],
                    "kind": "inform" if one.inform else "trap",
                    "oid_style": one.oid_style,
                }
                for one in self.settings.to
            ],
        }


def _rules(receiver: Receiver) -> ChannelRules:
    # A receiver of version 3 is asked for its engine id and its time before it gets the first inform.
    answers = 3 if receiver.version == "3" else 1
    patience = receiver.timeout * (receiver.retries + 1) * answers if receiver.inform else 0.0
    return ChannelRules(
        least=receiver.least,
        wants=receiver.events.matches,
        notify=receiver.notify,
        digest_seconds=receiver.digest,
        limit_seconds=receiver.limit,
        timeout_seconds=patience + _SPARE_SECONDS,
    )
