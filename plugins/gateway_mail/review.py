"""
What is valid in the settings and probably not meant; the site's templates are tried out for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from difflib import get_close_matches
from typing import Final

from gateway.api import Caution, Event, EventType, Severity
from gateway.api.alarms import Alarm, AlarmState, Notice
from gateway.api.catalogue import CATALOGUE
from gateway_mail import chart
from gateway_mail.letters import Letter, letter
from gateway_mail.settings import MailSettings
from gateway_mail.templates import EVENTS, Templates, built_in_files, own_files

#: 2001-09-09, a time as good as any.
_THEN: Final = 1e9


def cautions_of(settings: MailSettings) -> Iterator[Caution]:
    """Look at the settings."""
    if not chart.can_draw():
        yield Caution(
            "Pillow is not installed, so digests have no picture", (), 'pip install "gateway[mail]"'
        )
    for server in settings.server:
        if settings.security_of(server) == "none" and not server.is_local:
            yield Caution(
                f"mail goes to {server} in clear: who is on the way reads it, and can change it",
                ("security",),
                'security = "starttls"',
            )
    if settings.templates:
        yield from _templates(settings.templates)


def samples(names: Collection[str]) -> Iterator[Letter]:
    """
    Give letters such as there may be: events alone, of no known type, states, a digest.

    @param names: events that are among them in any case.
    """
    kinds = [kind for kind in CATALOGUE.values() if kind.name in names]
    kinds += [next(kind for kind in CATALOGUE.values() if kind.name not in names)]
    alarms = [sample(kind) for kind in kinds]
    for alarm in alarms:
        yield letter(Notice("sample", (alarm,), False, 1, "gateway.example.com", _THEN, _THEN))
    yield letter(Notice("sample", tuple(alarms), True, 1, "gateway.example.com", _THEN, _THEN + 60))
    event = Event("x", Severity.INFO, "x")
    for state in AlarmState:
        unknown = Alarm("x", event, None, state, 0, _THEN, _THEN, is_test=True)
        yield letter(Notice("sample", (unknown,), False, 1, "gateway", _THEN, _THEN), "[gateway]")


def sample(kind: EventType) -> Alarm:
    """Make an alarm of a type, with the values that its fields have as examples."""
    values = {field.name: field.example for field in kind.fields}
    subject = "192.0.2.7" if kind.subject else ""
    event = Event(kind.name, kind.severity, f"{kind.title}: an example.", subject, values)
    count = 3 if subject else 1
    about = {subject: 2, "192.0.2.8": 1} if subject else {}
    state = AlarmState.OVER if kind.ends else AlarmState.SINGLE
    return Alarm("sample", event, kind, state, count, _THEN, _THEN + 60, about)


def _templates(folder: str) -> Iterator[Caution]:
    key = ("templates",)
    try:
        files = own_files(folder)
    except OSError as error:
        yield Caution(
            f"the folder {folder} can't be read, so the built-in templates are used: {error.strerror}",
            key,
        )
        return
    known = built_in_files() | {f"{EVENTS}/{name}.txt" for name in CATALOGUE}
    for name in files:
        near = get_close_matches(name, known, 1, 0.8)
        if name not in known and not _may_be(name, near):
            yield Caution(
                f"nothing uses the template {name} in {folder}",
                key,
                f"did you mean {near[0]}?" if near else "",
            )
    faults: set[str] = set()
    own = [name[len(EVENTS) + 1 : -len(".txt")] for name in files if name.startswith(EVENTS)]
    for fault in Templates(folder).faults(samples(own)):
        if str(fault) not in faults:
            faults.add(str(fault))
            yield Caution(
                f"a template in {folder} has a fault, so the built-in ones are used: {fault}", key
            )


def _may_be(name: str, near: list[str]) -> bool:
    """Tell whether it is what others include, or the text of an event of some plugin that is not known here."""
    folder, _, own = name.rpartition("/")
    return own.startswith("_") or (folder == EVENTS and own.endswith(".txt") and not near)
