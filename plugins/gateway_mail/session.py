"""
One session with a server: greeting, TLS, authentication, one mail (RFC 5321, 3207, 4954).

L{ESMTPClient} of Twisted knows the order of things. What it is not left to do, and why:
  - it keeps the dialogue, password included, and puts it into the text of errors: here nothing is kept;
  - after STARTTLS it believes what came before TLS as if it had come within: here that ends the session;
  - it sends a password twice if the first time is refused, and by LOGIN to whoever asks in other words than expected as the
    user's name: here each step is told once;
  - at the border of two chunks it leaves a dot at the beginning of a line as it is: here the mail goes as a whole;
  - a server may talk without an end: here its answers have one.

Knows nothing of notices.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import connectionDone
from twisted.internet.ssl import VerificationError
from twisted.mail.smtp import ESMTPClient
from twisted.python.failure import Failure

from gateway.api import Clock
from gateway_mail.harmless import one_line
from gateway_mail.messages import Envelope
from gateway_mail.settings import Security

#: So many lines an answer has at the most, of 512 bytes as a rule (RFC 5321 section 4.5.3.1.5).
_MOST_LINES: Final = 100
_MOST_BYTES: Final = 2048

#: What is kept of what a server said.
_MOST_SAID: Final = 200

#: So long the server may take to close the connection.
_FAREWELL_SECONDS: Final = 5.0

#: The answer after a mail may take so many times as long as another (RFC 5321 section 4.5.3.2.6).
PATIENCE: Final = 5


class MailFailed(Exception):
    """
    A server did not take the mail.

    @ivar is_final: it says that this mail, or its receiver, will never be taken.
    @ivar is_open: the mail was sent whole and not answered: it may arrive all the same, so nobody else should get it now.
    """

    def __init__(self, why: str, *, is_final: bool = False, is_open: bool = False) -> None:
        super().__init__(why)
        self.is_final = is_final
        self.is_open = is_open


@dataclass(frozen=True, slots=True)
class Login:
    """
    Who the gateway is for the server.

    @ivar password: in clear; it is in no text that is given away.
    """

    user: bytes
    password: bytes

    def __repr__(self) -> str:
        """Write a stand-in."""
        return "<login>"

    def hidden_in(self, text: str) -> str:
        """Take the password out of what a server said, in every form that it was sent in."""
        whole = b"\0" + self.user + b"\0" + self.password
        forms = (base64.b64encode(whole), base64.b64encode(self.password), self.password)
        for form in forms:
            text = text.replace(form.decode("utf-8", "replace"), "<secret>")
        return text


#: Without annotations, so everything that comes of it is taken as it is.
_Client: Any = ESMTPClient


class Session(_Client):  # type: ignore[misc]
    """
    A session.

    @ivar done: fires with C{None} when the server has taken the mail; fails with L{MailFailed}. If it is cancelled the
        connection is dropped.
    """

    debug = False
    heloFallback = False
    MAX_LENGTH = _MOST_BYTES
    identity: bytes

    def __init__(
        self,
        mail: Envelope,
        *,
        hello: str,
        security: Security,
        login: Login | None,
        tls: object,
        clock: Clock,
        timeout: float,
        gone: Callable[[Session], None] = lambda session: None,
    ) -> None:
        """
        Prepare it.

        @param hello: what we call ourselves; empty: our address.
        @param tls: makes the TLS connection after STARTTLS.
        @param timeout: for each answer, in seconds.
        @param gone: called when there is no connection any more, some time after C{done}.
        """
        super().__init__(None, tls if security == "starttls" else None, hello)
        self.done: Deferred[None] = Deferred(self._dropped)
        self.requireTransportSecurity = security != "none"
        self.requireAuthentication = login is not None
        self._mail = mail
        self._login = login
        self._clock = clock
        self._seconds = timeout
        self._gone = gone
        self._deadline: Any = None
        self._stage = "greeting"
        self._is_over = False
        self._is_sent = False
        self._lines = 0

    # The connection.

    def connectionMade(self) -> None:
        """Wait for the greeting."""
        if self._is_over:
            self.transport.abortConnection()
            return
        if not self.identity:
            # Without the interface's name that a link-local address may end with.
            host = self.transport.getHost().host.partition("%")[0]
            self.identity = f"[IPv6:{host}]".encode() if ":" in host else f"[{host}]".encode()
        super().connectionMade()
        self._wait(self._seconds)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Whatever was waited for does not come."""
        super().connectionLost(reason)
        self._failed(_lost(reason))
        self._cancel()
        self._gone(self)

    def lineReceived(self, line: bytes) -> None:
        """Take a line of an answer."""
        if self._is_over:
            return
        self._lines += 1
        if self._lines > _MOST_LINES or not re.match(rb"[2-5][0-9]{2}(?:[ -]|$)", line):
            self._failed("the server does not speak SMTP")
            return
        if line[3:4] != b"-":
            self._lines = 0
            self._wait(self._seconds)
        super().lineReceived(line)

    def lineLengthExceeded(self, line: bytes) -> None:
        """Hang up."""
        self._failed("the server does not speak SMTP")

    def sendLine(self, line: bytes) -> None:
        """Send a line, and remember what it is about."""
        verb = line[:8].split(b" ")[0].upper()
        named = {b"MAIL": "MAIL FROM", b"RCPT": "RCPT TO"}
        if verb in (b"EHLO", b"STARTTLS", b"AUTH", b"MAIL", b"RCPT", b"DATA"):
            self._stage = named.get(verb, verb.decode())
        super().sendLine(line)

    def hurry(self) -> None:
        """Give up if the mail itself is not even on its way."""
        if not self._is_sent:
            self._failed("the server is too slow")

    def drop(self) -> None:
        """Hang up, if that has not been done."""
        if self.transport is not None:
            self.transport.abortConnection()

    # TLS.

    def esmtpEHLORequired(self, code: int = -1, resp: bytes = b"") -> None:
        """The server refuses the greeting."""
        self._refused(code, resp)

    def esmtpTLSRequired(self, code: int = -1, resp: bytes = b"") -> None:
        """The server, or whoever is on the way, offers no TLS."""
        self._failed("the server offers no STARTTLS, and nothing is sent without")

    def esmtpTLSFailed(self, code: int = -1, resp: bytes = b"") -> None:
        """The server does not begin TLS."""
        self._refused(code, resp)

    def esmtpState_serverConfig(self, code: int, resp: bytes) -> None:
        """Take the list of what the server can do; the first line is a greeting."""
        items: dict[bytes, bytes | None] = {}
        for line in resp.split(b"\n")[1:]:
            name, _, rest = line.strip().partition(b" ")
            items[name.upper()] = rest or None
        self.tryTLS(code, resp, items)

    def esmtpState_starttls(self, code: int, resp: bytes) -> None:
        """Begin TLS, unless somebody has sent more already, to be taken for what comes by TLS."""
        if self.clearLineBuffer():
            self._failed("something was sent in clear after STARTTLS: somebody is on the way")
            return
        super().esmtpState_starttls(code, resp)

    # Authentication.

    def authenticate(self, code: int, resp: bytes, items: dict[bytes, bytes | None]) -> None:
        """Say who we are, by the first way that both know."""
        login = self._login
        if login is None:
            self.smtpState_from(code, resp)
            return
        if not self._tlsMode:
            self._failed("no password is sent without TLS")
            return
        ways = (items.get(b"AUTH") or b"").upper().split()
        steps: list[Callable[[bytes], bytes]]
        if b"PLAIN" in ways:
            whole = b"\0" + login.user + b"\0" + login.password
            first, steps = b"AUTH PLAIN " + base64.b64encode(whole), []
        elif b"LOGIN" in ways:
            first, steps = b"AUTH LOGIN", [lambda _: login.user, lambda _: login.password]
        elif b"CRAM-MD5" in ways:
            first, steps = b"AUTH CRAM-MD5", [lambda challenge: _cram(login, challenge)]
        else:
            self._failed("the server offers no way to authenticate that is known here")
            return
        self._challenged(steps)
        self.sendLine(first)

    def _challenged(self, steps: list[Callable[[bytes], bytes]]) -> None:
        """Wait for the next challenge, or for the end."""

        def answer(code: int, resp: bytes) -> None:
            try:
                challenge = base64.b64decode(resp, validate=True)
            except ValueError:
                self._failed("the server sent a challenge that can't be read")
                return
            self._challenged(steps[1:])
            super(Session, self).sendLine(base64.b64encode(steps[0](challenge)))

        self._expected = [334] if steps else [235]
        self._okresponse = answer if steps else self.smtpState_from
        self._failresponse = self._refused

    # The mail.

    def getMailFrom(self) -> str:
        """Give who sends."""
        return self._mail.sender

    def getMailTo(self) -> list[str]:
        """Give the one receiver."""
        return [self._mail.receiver]

    def smtpState_data(self, code: int, resp: bytes) -> None:
        """Send the mail, dots doubled where they begin a line (RFC 5321 section 4.5.2)."""
        self._expected = list(range(200, 300))
        self._okresponse = self.smtpState_msgSent
        self._failresponse = self._refused
        self._stage = "the mail"
        self._is_sent = True
        content = re.sub(rb"(?m)^\.", b"..", self._mail.content)
        end = b".\r\n" if content.endswith(b"\r\n") else b"\r\n.\r\n"
        self.transport.write(content + end)
        self._wait(self._seconds * PATIENCE)

    def smtpState_toOrData(self, code: int, resp: bytes) -> None:
        """Take the answer about the receiver."""
        if self.lastAddress is not None and not 200 <= code < 300:
            self._refused(code, resp)
            return
        super().smtpState_toOrData(code, resp)

    def smtpState_msgSent(self, code: int, resp: bytes) -> None:
        """The server has the mail, or refuses its sender; there is no other one."""
        if not 200 <= code < 300:
            self._refused(code, resp)
            return
        self._end()
        self._leave()
        self.done.callback(None)

    # The end.

    def sendError(self, exc: Any) -> None:
        """Take what L{ESMTPClient} finds wrong; of its texts nothing is kept but the server's own."""
        self._refused(exc.code, exc.resp if isinstance(exc.resp, bytes) else exc.resp.encode())

    def _refused(self, code: int, resp: bytes) -> None:
        final = self._is_final(code, resp)
        said = f"{code} {self._said(code, resp)}".strip() if code > 0 else self._said(code, resp)
        # It was answered, so nothing is open.
        self._is_sent = False
        self._failed(f"{self._stage} was answered with {said}", is_final=final, is_answered=True)

    def _is_final(self, code: int, resp: bytes) -> bool:
        """
        Tell whether the server refuses this receiver or this mail for ever.

        A wrong password, a sender that it does not like, and being no friend of this server at all are things that get mended. So is
        a want of rights, which RFC 3463 numbers x.7: the server might take the mail, if not from us.
        """
        if not 500 <= code < 600 or code in (502, 503, 530, 534, 535, 538):
            return False
        if self._stage == "RCPT TO":
            return not re.match(rb"5\.7\.", resp)
        return self._stage == "the mail"

    def _said(self, code: int, resp: bytes) -> str:
        """Give what the server said, as much of it as may be shown."""
        if self._stage == "AUTH":
            # A server may repeat what it was sent; the number of the fault is enough (RFC 4954 section 6).
            found = re.match(rb"[245]\.[0-9]{1,3}\.[0-9]{1,3}(?= |$)", resp)
            return found[0].decode() if found else ""
        text = resp.decode("utf-8", "replace")
        return one_line(text if self._login is None else self._login.hidden_in(text), _MOST_SAID)

    def _failed(self, why: str, *, is_final: bool = False, is_answered: bool = False) -> None:
        if self._is_over:
            return
        open_ = self._is_sent
        at = "" if is_answered else f" (at {self._stage})"
        self._end()
        if is_answered:
            self._leave()
        elif self.transport is not None:
            self.transport.abortConnection()
        self.done.errback(MailFailed(why + at, is_final=is_final, is_open=open_))

    def _end(self) -> None:
        self._is_over = True
        self._cancel()
        self._login = None

    def _leave(self) -> None:
        """Say farewell; whether the server hears it matters to nobody for long."""
        super().sendLine(b"QUIT")
        self.transport.loseConnection()
        self._deadline = self._clock.callLater(_FAREWELL_SECONDS, self.drop)

    def _cancel(self) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._deadline = None

    def _wait(self, seconds: float) -> None:
        self._cancel()
        self._deadline = self._clock.callLater(seconds, self._late, seconds)

    def _late(self, seconds: float) -> None:
        self._failed(f"no answer within {seconds:g} s")

    def _dropped(self, done: Deferred[None]) -> None:
        if not self._is_over:
            self._end()
            self.drop()


def _cram(login: Login, challenge: bytes) -> bytes:
    """Answer a challenge (RFC 2195)."""
    return login.user + b" " + hmac.new(login.password, challenge, "md5").hexdigest().encode()


def _lost(reason: Failure) -> str:
    """Say why a connection ended, of TLS too."""
    error = reason.value
    if isinstance(error, VerificationError):
        return "the server's certificate is not for this name"
    if isinstance(error, SSL.Error):
        parts = error.args[0] if error.args and isinstance(error.args[0], list) else []
        said = ", ".join(str(part[-1]) for part in parts) or "it ended"
        return f"TLS failed: {one_line(said, _MOST_SAID)}"
    if isinstance(error, ConnectionDone):
        return "the server closed the connection"
    return f"the connection broke: {one_line(str(error), _MOST_SAID)}"
