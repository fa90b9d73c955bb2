"""
The configuration: taken over or refused while the gateway runs.
"""

from __future__ import annotations

from typing import Final

from gateway.api.events import EventField, EventGroup, EventType, Notify, Severity

CONFIG_RELOADED: Final = EventType(
    name="config_reloaded",
    number=80,
    severity=Severity.INFO,
    group=EventGroup.CONFIGURATION,
    title="configuration reloaded",
    when="A reload took the configuration over. Each time.",
    act="Nothing. If nobody of you asked for it, find out who did: the process log has what changed.",
    fields=(EventField("changes", "How many settings have changed.", "3"),),
    trap="gwConfiguration",
    notify=Notify.NEVER,
)

CONFIG_REFUSED: Final = EventType(
    name="config_refused",
    number=81,
    severity=Severity.ERROR,
    group=EventGroup.CONFIGURATION,
    title="configuration refused",
    when="A reload was refused; the gateway goes on with the configuration before. Each time.",
    act=(
        "gateway check shows all faults with file and line. Mend them before the next restart: it would not start with "
        "them."
    ),
    fields=(EventField("why", "What is wrong.", "the configuration has 1 fault: ..."),),
    trap="gwConfiguration",
    notify=Notify.FIRST,
)

TYPES: Final = (CONFIG_RELOADED, CONFIG_REFUSED)
