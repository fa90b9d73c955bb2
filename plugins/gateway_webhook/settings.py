"""
C{[plugins.webhook]}: who is posted to, and with what.

A URL may hold a secret in its path, as those of chat servers do: it is never shown but for its scheme and host.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from gateway.api import ChannelRules, Severity
from gateway.api.settings import (
    BadValue,
    Duration,
    DurationKind,
    Events,
    EventSet,
    Help,
    Least,
    NotifyMap,
    Secret,
    SecretKind,
    TextKind,
    receiver_label,
    told_apart,
)

#: A key that can be guessed signs nothing.
LEAST_KEY = 16
#: Alarms of one request.
MOST_TOGETHER = {"generic": 100, "slack": 20}
#: What the core gives an attempt beyond the request's own time.
_SLACK_SECONDS = 5.0

_FIELD_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}")
_FIELD_VALUE = re.compile(r"[!-~](?:[ \t!-~]*[!-~])?")
_OURS = frozenset(
    (
        *("connection", "content-encoding", "content-length", "content-type", "expect"),
        *("gateway-attempt", "gateway-signature", "host", "idempotency-key", "keep-alive"),
        *("proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "user-agent", "via"),
    )
)


@dataclass(frozen=True, slots=True)
class Url:
    """
    Where to post.

    @ivar whole: all of it; a secret, for nobody knows what is in the path.
    @ivar shown: scheme, host and port.
    """

    whole: Secret
    shown: str

    @property
    def is_clear(self) -> bool:
        """Tell whether everybody on the way can read what is sent."""
        return self.shown.startswith("http:")

    @property
    def host(self) -> str:
        """Whom it leads to."""
        return urlsplit(self.shown).hostname or ""


def url(secret: Secret) -> Url:
    """
    Look at a URL.

    @raise BadValue: it can't be posted to; without a word of it.
    """
    advice = '"https://alarms.example.com/gateway", or { file = "..." } that holds it'
    text = secret.reveal()
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise BadValue("this is no URL", advice) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadValue("this is no http or https URL", advice)
    if not re.fullmatch(r"[!-~]+", text) or "#" in text:
        raise BadValue("this can't be a URL", "percent-encode what is not plain ASCII")
    if parts.username is not None or parts.password is not None:
        raise BadValue("a user and a password are not written into the URL", "use fields")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Url(secret, f"{parts.scheme}://{host}" + ("" if port is None else f":{port}"))


@dataclass(frozen=True, slots=True)
class OpenSecretKind(SecretKind):
    """A text that may be written in the file itself, or kept elsewhere as secrets are; it is never shown."""

    name: ClassVar[str] = "string or secret"

    def read(self, raw: object, place: Any) -> Any:
        """Take the text, or fetch it."""
        return Secret(raw) if isinstance(raw, str) else SecretKind.read(self, raw, place)


@dataclass(frozen=True, slots=True)
class UrlKind(OpenSecretKind):
    """A URL, written in the file or kept elsewhere."""

    name: ClassVar[str] = "URL or secret"

    def read(self, raw: object, place: Any) -> Any:
        """Look at it."""
        secret = OpenSecretKind.read(self, raw, place)
        return url(secret) if isinstance(secret, Secret) else secret

    def toml(self, value: Any) -> str:
        """Show where it leads."""
        return f'"{value.shown}/<secret>"'


@dataclass(frozen=True, slots=True)
class KeyKind(SecretKind):
    """A key that is long enough."""

    def read(self, raw: object, place: Any) -> Any:
        """Fetch it."""
        secret = SecretKind.read(self, raw, place)
        if isinstance(secret, Secret) and len(secret.reveal()) < LEAST_KEY:
            raise BadValue(
                f"a key has at least {LEAST_KEY} characters", "make one with: openssl rand -hex 32"
            )
        return secret


@dataclass(frozen=True, slots=True)
class Receiver:
    """One C{to} of C{[plugins.webhook]}; a lone string is its URL."""

    shorthand: ClassVar[str] = "url"

    url: Annotated[
        Url,
        UrlKind(),
        Help(
            "Where to post, by https or http; a text, or `{ file = ... }` where the URL itself is a secret.",
            '"https://alarms.example.com/gateway"',
        ),
    ]
    name: Annotated[
        str,
        TextKind("a name", receiver_label),
        Help(
            "What the receiver is called in the log, in metrics and in the queue. Empty: scheme and host of the URL.",
            '"pager"',
        ),
    ] = ""
    format: Annotated[
        Literal["generic", "slack"],
        Help("What is posted: JSON with everything, or a text as Slack and Mattermost take it."),
    ] = "generic"
    key: Annotated[
        Secret | None,
        KeyKind(is_optional=True),
        Help(
            "Key of the signature; none: nothing is signed.", '{ file = "/etc/gateway/hook.key" }'
        ),
    ] = None
    next_key: Annotated[
        Secret | None,
        KeyKind(is_optional=True),
        Help("A second key, while keys are changed: requests have a signature by each."),
    ] = None
    fields: Annotated[
        dict[str, Annotated[Secret, OpenSecretKind()]],
        Help(
            "Fields of the request, such as Authorization; texts or secrets, and never shown.",
            '{ Authorization = { file = "/etc/gateway/hook.auth" } }',
        ),
    ] = field(default_factory=dict)
    events: Annotated[Events, Help("Which events.", '["malware_found", "*_down", "*_up"]')] = (
        EventSet()
    )
    least: Annotated[Least, Help("Less severe ones are not sent.")] = Severity.INFO
    notify: Annotated[
        NotifyMap,
        Help("How some events are sent, over `[notify.events]`.", '{ malware_found = "always" }'),
    ] = field(default_factory=dict)
    limit: Annotated[
        float | None,
        DurationKind(zero="each event by itself"),
        Help(
            "Events of a kind are sent no more often than this, with how many there were; `notify.limit` unless set."
        ),
    ] = None
    digest: Annotated[
        float | None, DurationKind(), Help("Period of digests; `notify.digest` unless set.")
    ] = None
    timeout: Annotated[
        Duration, Help("Time for a request, from the name's look-up to the end of the answer.")
    ] = 15.0

    def __post_init__(self) -> None:
        """
        Look at what must go together.

        @raise ValueError: it does not.
        """
        if self.next_key is not None and self.key is None:
            raise ValueError("next_key: there is no key that it could follow")
        for name, value in self.fields.items():
            if not _FIELD_NAME.fullmatch(name) or name.lower() in _OURS:
                raise ValueError(f'fields: "{name}" can\'t be set')
            if not _FIELD_VALUE.fullmatch(value.reveal()):
                raise ValueError(f'fields: the value of "{name}" can\'t stand in a field')

    @property
    def label(self) -> str:
        """What it is called."""
        return self.name or self.url.shown

    @property
    def keys(self) -> tuple[Secret, ...]:
        """Those to sign with."""
        return tuple(key for key in (self.key, self.next_key) if key is not None)

    @property
    def rules(self) -> ChannelRules:
        """What it is told of."""
        return ChannelRules(
            least=self.least,
            wants=self.events.matches,
            notify=self.notify,
            digest_seconds=self.digest,
            limit_seconds=self.limit,
            most_together=MOST_TOGETHER[self.format],
            timeout_seconds=self.timeout + _SLACK_SECONDS,
        )


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """C{[plugins.webhook]}."""

    to: Annotated[
        tuple[Receiver, ...],
        Help(
            "The receivers; each gets all events that it is for.",
            '[{ url = "https://alarms.example.com/gateway", key = { file = "/etc/gateway/hook.key" } }]',
        ),
    ] = ()

    def __post_init__(self) -> None:
        """
        See that receivers can be told apart.

        @raise ValueError: two are called the same.
        """
        told_apart([receiver.label for receiver in self.to])
