"""
The plugin: puts the parts together, and knows none of them from within.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import partial
from importlib import util

from gateway.api import Caution, Plugin, Services, SettingFault, Surroundings
from gateway.api.alarms import ChannelRules, DeliveryFailed, Notice
from gateway.api.services import Overloaded
from gateway_mail import chart
from gateway_mail.connecting import Connect, connects, tls_by
from gateway_mail.letters import letter
from gateway_mail.messages import PICTURE, Envelope, message
from gateway_mail.review import cautions_of
from gateway_mail.sending import Sending, most_seconds
from gateway_mail.settings import MailSettings, Receiver, rules_of
from gateway_mail.templates import Templates

#: Alarms of one digest.
MOST_TOGETHER = 100

#: Faults of templates that are logged; what they say may have something of an event in it.
_MOST_SAID = 100

_NOT_THERE = 'jinja2 is not installed: pip install "gateway[mail]"'


class Mail(Plugin):
    """Tell people of alarms by mail."""

    name = "mail"
    Settings = MailSettings

    settings: MailSettings

    def __init__(
        self, settings: MailSettings, services: Services, connect: Connect | None = None
    ) -> None:
        """
        Make it; nothing is connected before there is something to send.

        @param connect: reaches servers, in place of the reactor.
        """
        super().__init__(settings, services)
        self._templates: Templates | None = None
        self._said: set[str] = set()
        tls = tls_by(settings.trust)
        connect = connect or connects(services.clock, settings.timeout, tls)
        self._sending = Sending(settings, services.clock, connect, tls)
        for receiver in settings.to:
            rules = ChannelRules(
                **rules_of(settings, receiver),
                most_together=MOST_TOGETHER,
                timeout_seconds=most_seconds(settings),
            )
            services.alarms.channel(receiver.address, partial(self.deliver, receiver), rules)

    def review(self, around: Surroundings) -> Iterator[Caution | SettingFault]:
        """Say what is missing, what goes in clear, and what is wrong with the site's templates."""
        if util.find_spec("jinja2") is None:
            yield SettingFault("jinja2 is not installed", (), 'pip install "gateway[mail]"')
            return
        yield from cautions_of(self.settings)

    def start(self) -> None:
        """
        Open the templates.

        @raise RuntimeError: jinja2 is not installed.
        """
        if util.find_spec("jinja2") is None:
            raise RuntimeError(_NOT_THERE)
        self._templates = Templates(self.settings.templates)

    def stop(self) -> None:
        """Drop all connections."""
        self._sending.stop()

    async def deliver(self, receiver: Receiver, notice: Notice) -> None:
        """
        Send a notice.

        @raise DeliveryFailed: it could not be sent.
        """
        try:
            mail, fault = await self.services.threads.run("disk", self._written, receiver, notice)
        except Overloaded as error:
            raise DeliveryFailed(str(error)) from None
        if fault and fault not in self._said and len(self._said) < _MOST_SAID:
            self._said.add(fault)
            self.services.log.error(
                "mails are written by the built-in templates, for there is a fault in those of {folder}: {why}",
                folder=self.settings.templates,
                why=fault,
            )
        await self._sending.send(mail)

    def _written(self, receiver: Receiver, notice: Notice) -> tuple[Envelope, str]:
        """Write a mail, in a thread."""
        assert self._templates is not None, "channels deliver between start and stop"
        facts = letter(notice, self.settings.subject_prefix)
        picture = None
        if notice.is_digest and chart.can_draw():
            picture = chart.draw(facts)
            facts = dataclasses.replace(
                facts, picture=f"cid:{PICTURE}", picture_text=chart.described(facts)
            )
        written = self._templates.write(facts)
        mail = message(notice, written, picture, self.settings.sender, receiver.address)
        return mail, written.fault
