"""C{[notify]}: when and how often people are told of events, whatever the channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from gateway.config.kind import Help
from gateway.config.kinds.notify import MaintenanceKind, NotifyTextsKind
from gateway.config.kinds.numbers import Duration, DurationKind, WholeKind
from gateway.config.sections.section import Section
from gateway.config.windows import Window


class Notify(Section, frozen=True, kw_only=True):
    """
    When and how often people are told of events.

    Who is told, by trap, mail or message, is set up at the plugins that do it: snmp, mail, syslog, webhook. Without one of
    them events are in the log alone, and nothing of this has an effect.
    """

    planned_stop: Annotated[
        bool,
        Help(
            "Whether a planned stop, and the start that follows it, is told. One that was not planned always is, at the "
            "next start."
        ),
    ] = False
    limit: Annotated[
        float,
        DurationKind(zero="each one"),
        Help(
            "Of one kind of event no more than one alarm is sent in so much time; those between are counted and told "
            "together at its end."
        ),
    ] = 60.0
    repeat: Annotated[
        float,
        DurationKind(zero="never"),
        Help(
            "What lasts, such as an outage, is told again each time so long, and once when it is over."
        ),
    ] = 1800.0
    digest: Annotated[
        Duration,
        Help(
            'How long events are gathered that are told together: those told as "digest", and after the first as "first".'
        ),
    ] = 900.0
    events: Annotated[
        Mapping[str, str],
        NotifyTextsKind(),
        Help(
            'How single kinds of events are told, by name: "never": they are in the log only; "first": the first one at '
            'once, more within `notify.digest` in a digest; "digest": with the next digest; "always": each at once, as often as '
            "`notify.limit` lets it. The others as `docs/events.md` says.",
            '{ malware_found = "first", config_reloaded = "never" }',
        ),
    ] = {}
    maintenance: Annotated[
        tuple[Window, ...],
        MaintenanceKind(),
        Help(
            "When the local time of the machine is in one of these, only what is about security is told; at its end, what "
            "then lasts of the rest. With days or daily, over midnight too, or from one moment to another.",
            '["Sun 02:00-04:00", "Mon-Fri 23:30-00:30", "2026-12-01 22:00/2026-12-02 02:00"]',
        ),
    ] = ()
    queue: Annotated[
        int,
        WholeKind(1, 1_000_000),
        Help(
            "How many notices wait for one receiver that can't be reached; then the oldest of the least severe ones are dropped, "
            "which is counted and told."
        ),
    ] = 10_000
    keep: Annotated[
        Duration, Help("How long a notice waits for its receiver before it is given up.")
    ] = 7 * 86400.0
