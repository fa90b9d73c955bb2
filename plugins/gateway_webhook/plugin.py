"""
The plugin: a channel for each receiver, and a request for each notice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

from gateway.api import (
    Caution,
    Fields,
    HttpFailed,
    Notice,
    Plugin,
    Services,
    SettingFault,
    Surroundings,
)
from gateway.api.settings import is_this_machine
from gateway_webhook.answers import failed, judged
from gateway_webhook.bodies import generic, slack
from gateway_webhook.settings import Receiver, WebhookSettings
from gateway_webhook.signing import FIELD, signature

_WRITERS = {"generic": generic, "slack": slack}
_USER_AGENT = "gateway-webhook/1"


class Webhook(Plugin):
    """Post alarms to web servers."""

    name = "webhook"
    Settings = WebhookSettings

    settings: WebhookSettings

    def __init__(
        self,
        settings: WebhookSettings,
        services: Services,
        now: Callable[[], float] = time.time,
    ) -> None:
        """
        Make it; nothing is sent before there is an alarm.

        @param now: the time in seconds since 1970, for signatures.
        """
        super().__init__(settings, services)
        self._now = now
        self._answers = services.metrics.counter(
            "answers", "Answers of receivers, by their status.", ("receiver", "status")
        )
        for receiver in settings.to:
            services.alarms.channel(
                receiver.label, partial(self._deliver, receiver), receiver.rules
            )

    def review(self, around: Surroundings) -> Iterator[Caution | SettingFault]:
        """Say what anybody on the way can read, or send in our name."""
        if not self.settings.to:
            yield Caution(
                "nobody is told of anything",
                ("to",),
                '[{ url = "https://alarms.example.com/gateway" }]',
            )
        for number, receiver in enumerate(self.settings.to):
            if receiver.url.is_clear and not is_this_machine(receiver.url.host):
                yield Caution(
                    f"alarms go to {receiver.label} in clear, and so do fields and the URL itself",
                    ("to", number, "url"),
                    "an https URL",
                )

    async def _deliver(self, receiver: Receiver, notice: Notice) -> None:
        content = _WRITERS[receiver.format](notice)
        fields = Fields.of(
            [
                ("Content-Type", "application/json"),
                ("User-Agent", _USER_AGENT),
                ("Idempotency-Key", notice.id),
                ("Gateway-Attempt", str(notice.attempt)),
                *((name, value.reveal()) for name, value in receiver.fields.items()),
            ]
        )
        if receiver.keys:
            fields.add(FIELD, signature(receiver.keys, int(self._now()), content))
        try:
            answer = await self.services.http.request(
                "POST",
                receiver.url.whole.reveal(),
                fields=fields,
                content=content,
                timeout_seconds=receiver.timeout,
            )
        except HttpFailed as error:
            self._answers.inc(receiver=receiver.label, status=error.reason)
            said = _without(_secrets(receiver), str(error))
            # Not with its cause: a traceback could show more than the text.
            raise failed(receiver.label, error.reason, said) from None
        self._answers.inc(receiver=receiver.label, status=str(answer.status))
        judged(receiver.label, answer, self._now)


def _secrets(receiver: Receiver) -> Iterator[str]:
    url = receiver.url.whole.reveal()
    yield url
    yield url.removeprefix(receiver.url.shown)
    for secret in (*receiver.keys, *receiver.fields.values()):
        yield secret.reveal()


def _without(secrets: Iterator[str], text: str) -> str:
    """Take secrets out of what is said about a request, though nobody should have put them in."""
    for secret in secrets:
        # A path of one or two characters is no secret, and is in the middle of every text.
        if len(secret) > 2:
            text = text.replace(secret, "...")
    return text
