"""
Giving a mail to one of several servers: the first that works.

A server that did not work is asked last for a while, so that a dead one costs time now and then and not with each mail. Knows
nothing of what is in a mail.
"""

from __future__ import annotations

from typing import Final

from twisted.internet.defer import DeferredSemaphore
from twisted.internet.error import ConnectError, ConnectingCancelledError, DNSLookupError

from gateway.api import Clock
from gateway.api.alarms import DeliveryFailed
from gateway_mail.connecting import Connect, Tls
from gateway_mail.harmless import one_line
from gateway_mail.messages import Envelope
from gateway_mail.session import PATIENCE, Login, MailFailed, Session
from gateway_mail.settings import MailSettings, Server

#: Sessions at the same time; servers want few from one client.
SESSIONS: Final = 4

#: So long a server that did not work is asked after the others.
LAST_SECONDS: Final = 300.0

#: Everything up to the mail itself may take so many times as long as one answer.
_BEFORE: Final = 3


def most_seconds(settings: MailSettings) -> float:
    """Give how long one mail may take, with a while for its turn."""
    each = settings.timeout * (_BEFORE + 1)
    return 60.0 + each * len(settings.server) + settings.timeout * PATIENCE


class Sending:
    """Gives mails to servers."""

    def __init__(self, settings: MailSettings, clock: Clock, connect: Connect, tls: Tls) -> None:
        self._settings = settings
        self._clock = clock
        self._connect = connect
        self._tls = tls
        self._turns = DeferredSemaphore(SESSIONS)
        self._last_until: dict[Server, float] = {}
        self._sessions: set[Session] = set()

    async def send(self, mail: Envelope) -> None:
        """
        Give a mail to the first server that takes it.

        @raise DeliveryFailed: none does; or one refuses it for good, or may have taken it, and no other is asked then.
        """
        await self._turns.acquire()
        try:
            await self._send(mail)
        finally:
            self._turns.release()

    def stop(self) -> None:
        """Drop all connections."""
        for session in list(self._sessions):
            session.drop()

    async def _send(self, mail: Envelope) -> None:
        failures = []
        for server in self._ordered():
            try:
                await self._attempt(server, mail)
            except MailFailed as error:
                why = f"{server}: {error}"
                if error.is_final or error.is_open:
                    raise DeliveryFailed(why, is_final=error.is_final) from None
                self._last_until[server] = self._clock.seconds() + LAST_SECONDS
                failures.append(why)
            else:
                self._last_until.pop(server, None)
                return
        raise DeliveryFailed("; ".join(failures))

    def _ordered(self) -> list[Server]:
        """Give the servers in the order they are to be asked in."""
        now = self._clock.seconds()
        return sorted(self._settings.server, key=lambda one: self._last_until.get(one, 0.0) > now)

    async def _attempt(self, server: Server, mail: Envelope) -> None:
        """
        Give a mail to a server.

        @raise MailFailed: it does not take it.
        """
        settings = self._settings
        security = settings.security_of(server)
        session = Session(
            mail,
            hello=settings.hello_name,
            security=security,
            login=_login(settings),
            tls=self._tls(server.host) if security == "starttls" else None,
            clock=self._clock,
            timeout=settings.timeout,
            gone=self._sessions.discard,
        )
        try:
            await self._connect(server, security, session)
        except (ConnectError, DNSLookupError, ConnectionError, OSError) as error:
            if isinstance(error, ConnectingCancelledError):
                raise
            raise MailFailed(_unreachable(error)) from None
        self._sessions.add(session)
        slow = self._clock.callLater(settings.timeout * _BEFORE, session.hurry)
        try:
            await session.done
        finally:
            if slow.active():
                slow.cancel()


def _login(settings: MailSettings) -> Login | None:
    if not settings.user or settings.password is None:
        return None
    return Login(settings.user.encode(), settings.password.reveal().encode())


def _unreachable(error: Exception) -> str:
    return f"can't be reached: {one_line(str(error) or type(error).__name__, 200)}"
