"""
A mail as it goes on the wire (RFC 5322, MIME): plain text and HTML of the same facts, the picture of a digest within.

The mail of a notice has the same Message-ID and the same date at each attempt, so that one that came twice is seen to be one. Nothing
that an event says gets into a field but through L{email.message.EmailMessage}, which refuses line ends.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any, Final

from gateway.api.alarms import Alarm, AlarmState, Notice
from gateway.api.events import Severity
from gateway_mail.settings import Mailbox
from gateway_mail.templates import Written

#: By which HTML names the picture (RFC 2392).
PICTURE: Final = "events@gateway"

#: States that a mail refers to, if it tells of several.
_MOST_THREADS: Final = 5


@dataclass(frozen=True, slots=True)
class Envelope:
    """
    One mail to one receiver, and who it is from for the server.

    @ivar sender: whom the server tells if it can't be delivered.
    @ivar content: the whole message; lines end with CR LF, none is longer than 998 bytes, and all of it is ASCII.
    """

    sender: str
    receiver: str
    content: bytes


def message(
    notice: Notice, written: Written, picture: bytes | None, sender: Mailbox, receiver: str
) -> Envelope:
    """
    Make a mail.

    @param picture: a PNG that the HTML names C{cid:} and L{PICTURE}.
    """
    host = _host(notice.node)
    mail = EmailMessage(SMTP)
    mail["From"] = Address(sender.name or "gateway", addr_spec=sender.address)
    mail["To"] = Address(addr_spec=receiver)
    mail["Subject"] = written.subject
    mail["Date"] = _date(notice.until)
    mail["Message-ID"] = f"<{_token(notice.id)}.{_digest(receiver)}@{host}>"
    threads = _threads(notice)
    if threads:
        mail["References"] = " ".join(f"<{thread}@{host}>" for thread in threads)
    # RFC 3834 section 5: no program shall answer it, nor say that somebody is on holiday.
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    if not notice.is_digest and any(_is_urgent(alarm) for alarm in notice.alarms):
        mail["Importance"] = "high"
    names = dict.fromkeys(_token(alarm.event.name) for alarm in notice.alarms)
    mail["X-Gateway-Event"] = ", ".join(list(names)[:20])
    mail["X-Gateway-Node"] = host
    mail["X-Gateway-Attempt"] = str(notice.attempt)
    mail.set_content(written.text, cte="quoted-printable")
    mail.add_alternative(written.html, subtype="html", cte="quoted-printable")
    if picture is not None:
        parts: Any = mail.get_payload()
        parts[1].add_related(
            picture,
            "image",
            "png",
            cid=f"<{PICTURE}>",
            disposition="inline",
            filename="events.png",
        )
    return Envelope(sender.address, receiver, mail.as_bytes())


def _is_urgent(alarm: Alarm) -> bool:
    return (
        alarm.event.severity is Severity.ERROR
        and alarm.state in (AlarmState.SINGLE, AlarmState.BEGUN)
        and not alarm.is_test
    )


def _date(seconds: float) -> str:
    try:
        return format_datetime(datetime.fromtimestamp(seconds, UTC))
    except (OverflowError, ValueError, OSError):
        return format_datetime(datetime.fromtimestamp(0, UTC))


def _threads(notice: Notice) -> list[str]:
    """
    Name what mails of one state belong to, whatever was restarted meanwhile: the same for beginning, middle and end.

    No mail has such a name itself; programs that show threads do without the first one.
    """
    if notice.is_digest or len(notice.alarms) != 1:
        return []
    alarm = notice.alarms[0]
    if alarm.state is AlarmState.SINGLE:
        return []
    name = alarm.event.name
    if alarm.state is AlarmState.OVER and alarm.type is not None and alarm.type.ends:
        name = alarm.type.ends
    subjects = list(alarm.subjects)[:_MOST_THREADS] or [alarm.event.subject]
    return [f"state.{_digest(f'{name} {subject}')}" for subject in subjects]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _token(text: str) -> str:
    """Make what can stand on the left of a Message-ID (RFC 5322 section 3.6.4), and is short enough for one line."""
    return text if re.fullmatch(r"[A-Za-z0-9_-]{1,32}", text) else _digest(text)


def _host(node: str) -> str:
    """Make what can stand on the right."""
    fits = len(node) <= 40 and re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", node)
    return node if fits and ".." not in node else f"{_digest(node)}.gateway"
