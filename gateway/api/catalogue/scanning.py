"""
Scan engines and what they find malware with: whether they work, can be believed, and are up to date.
"""

from __future__ import annotations

from typing import Final

from gateway.api.events import EventField, EventGroup, EventType, Notify, Severity

_CLAMD = "the address of the clamd"
_ADDRESS = EventField("address", "Its address, as in the settings.", "unix:/run/clamav/clamd.ctl")
_ENGINE = "the engine: a clamd's address, or a folder of rules"
_VERSION = EventField(
    "version", "Engine and patterns, as the engine names them.", "ClamAV 1.4.2/27500"
)
_ENGINE_FIELD = EventField("engine", "What kind of engine it is.", "clamd")

CLAMD_DOWN: Final = EventType(
    name="clamd_down",
    number=10,
    severity=Severity.ERROR,
    group=EventGroup.SERVICE,
    title="clamd does not work",
    when="A clamd can't be reached, does not answer or answers nonsense. At the beginning of it.",
    act=(
        "See whether the service runs (systemctl status clamav-daemon) and whether the gateway may open its socket. "
        "Without any other engine content is refused, or passed on, as scan.on.engine_error says."
    ),
    subject=_CLAMD,
    fields=(_ADDRESS,),
    trap="gwScanEngine",
    notify=Notify.FIRST,
    owner="clamd",
)

CLAMD_UP: Final = EventType(
    name="clamd_up",
    number=11,
    severity=Severity.INFO,
    group=EventGroup.SERVICE,
    title="clamd works again",
    when="A clamd that did not work answers, has found the test file and is used again.",
    act="Nothing.",
    subject=_CLAMD,
    fields=(_ADDRESS,),
    ends="clamd_down",
    trap="gwScanEngine",
    notify=Notify.FIRST,
    owner="clamd",
)

SCAN_ENGINE_UNSAFE: Final = EventType(
    name="scan_engine_unsafe",
    number=12,
    severity=Severity.ERROR,
    group=EventGroup.SECURITY,
    title="scan engine finds nothing",
    when="An engine answers, but says that the harmless test file is clean: it is not used. At the beginning of it.",
    act=(
        "Look at the engine's signatures: they may be missing or damaged (freshclam, the engine's log). Until it finds the "
        "test file again it is treated as one that is down."
    ),
    subject=_CLAMD,
    fields=(_ADDRESS,),
    trap="gwScanEngine",
    notify=Notify.FIRST,
    owner="clamd",
)

SCAN_ENGINE_SAFE: Final = EventType(
    name="scan_engine_safe",
    number=13,
    severity=Severity.INFO,
    group=EventGroup.SECURITY,
    title="scan engine finds the test file again",
    when="An engine that said that the test file is clean finds it and is used again.",
    act="Nothing. What was let by meanwhile was let by another engine, or as scan.on.engine_error says.",
    subject=_CLAMD,
    fields=(_ADDRESS,),
    ends="scan_engine_unsafe",
    trap="gwScanEngine",
    notify=Notify.FIRST,
    owner="clamd",
)

SCAN_ENGINE_FAILS_OPEN: Final = EventType(
    name="scan_engine_fails_open",
    number=14,
    severity=Severity.WARNING,
    group=EventGroup.SECURITY,
    title="scan engine fails open",
    when=(
        "Trials of an engine showed that it says clean of what it did not look at, such as content beyond its limits. When "
        "that is found out, and when what it does not look at changes."
    ),
    act=(
        "Put the settings that the text names into clamd.conf (AlertExceedsMax and the like) and restart clamd. "
        "Until then less is given to it, and it is not believed of archives."
    ),
    subject=_CLAMD,
    fields=(_ADDRESS,),
    trap="gwScanEngine",
    notify=Notify.FIRST,
    owner="clamd",
)

SCAN_ENGINE_FAILS_CLOSED: Final = EventType(
    name="scan_engine_fails_closed",
    number=15,
    severity=Severity.INFO,
    group=EventGroup.SECURITY,
    title="scan engine no longer fails open",
    when="An engine that said clean of what it did not look at was tried anew, and says so now.",
    act="Nothing.",
    subject=_CLAMD,
    fields=(_ADDRESS,),
    ends="scan_engine_fails_open",
    trap="gwScanEngine",
    notify=Notify.FIRST,
    owner="clamd",
)

PATTERNS_UPDATED: Final = EventType(
    name="patterns_updated",
    number=16,
    severity=Severity.INFO,
    group=EventGroup.UPDATE,
    title="patterns updated",
    when="An engine is seen to use other signatures or rules than before. Each time.",
    act="Nothing: this is what should happen.",
    subject=_ENGINE,
    fields=(
        _ENGINE_FIELD,
        _VERSION,
        EventField("before", "What was used until then; may be empty.", "ClamAV 1.4.2/27499"),
    ),
    trap="gwUpdate",
    notify=Notify.NEVER,
)

PATTERNS_FAILED: Final = EventType(
    name="patterns_failed",
    number=17,
    severity=Severity.ERROR,
    group=EventGroup.UPDATE,
    title="patterns can't be used",
    when=(
        "New rules have faults, at once; or they could not be read or compiled three times in a row for another reason, such "
        "as too little memory. What was in use stays in use; without anything in use all content is an engine_error, "
        "and where there is at least one good file those with faults are left out."
    ),
    act=(
        "The process log names file and line of each fault. Mend the rules, or put the ones before back: they are read anew "
        "within a minute."
    ),
    subject=_ENGINE,
    fields=(
        _ENGINE_FIELD,
        EventField("faults", "How many faults there are.", "2"),
        EventField("version", "What stays in use; may be empty.", "yara-x 1.10.0/3f9a1c"),
    ),
    trap="gwUpdate",
    notify=Notify.FIRST,
)

PATTERNS_WORK: Final = EventType(
    name="patterns_work",
    number=18,
    severity=Severity.INFO,
    group=EventGroup.UPDATE,
    title="patterns can be used again",
    when="Rules that could not be used were mended or taken away, and what is there now is in use as a whole.",
    act="Nothing.",
    subject=_ENGINE,
    fields=(_ENGINE_FIELD, _VERSION),
    ends="patterns_failed",
    trap="gwUpdate",
    notify=Notify.FIRST,
)

PATTERNS_STALE: Final = EventType(
    name="patterns_stale",
    number=19,
    severity=Severity.WARNING,
    group=EventGroup.UPDATE,
    title="patterns are too old",
    when="The signatures that an engine uses are older than its setting allows (3 days for clamd). At the beginning of it.",
    act=(
        "See why they are not updated: does freshclam run (systemctl status clamav-freshclam), may it reach its mirror, is "
        "its disk full? New malware is not found until then."
    ),
    subject=_ENGINE,
    fields=(
        _ENGINE_FIELD,
        _VERSION,
        EventField("days", "How old they are, in days.", "4"),
        EventField("date", "When they were made.", "2026-03-12"),
    ),
    trap="gwUpdate",
    notify=Notify.FIRST,
)

PATTERNS_CURRENT: Final = EventType(
    name="patterns_current",
    number=20,
    severity=Severity.INFO,
    group=EventGroup.UPDATE,
    title="patterns are up to date again",
    when="An engine whose signatures were too old uses newer ones.",
    act="Nothing.",
    subject=_ENGINE,
    fields=(_ENGINE_FIELD, _VERSION),
    ends="patterns_stale",
    trap="gwUpdate",
    notify=Notify.FIRST,
)

YARA_RULES_GONE: Final = EventType(
    name="yara_rules_gone",
    number=21,
    severity=Severity.WARNING,
    group=EventGroup.UPDATE,
    title="no YARA rules any more",
    when="The folder of YARA rules became empty while its rules were in use: nothing is scanned with YARA.",
    act="Put the rules back. If they are not wanted any more, take yara out of plugins.enabled.",
    subject="the folder of rules",
    trap="gwUpdate",
    notify=Notify.FIRST,
    owner="yara",
)

YARA_RULES_BACK: Final = EventType(
    name="yara_rules_back",
    number=22,
    severity=Severity.INFO,
    group=EventGroup.UPDATE,
    title="YARA rules are back",
    when="There are rules in the folder again, and they are in use.",
    act="Nothing.",
    subject="the folder of rules",
    ends="yara_rules_gone",
    trap="gwUpdate",
    notify=Notify.FIRST,
    owner="yara",
)

TYPES: Final = (
    CLAMD_DOWN,
    CLAMD_UP,
    SCAN_ENGINE_UNSAFE,
    SCAN_ENGINE_SAFE,
    SCAN_ENGINE_FAILS_OPEN,
    SCAN_ENGINE_FAILS_CLOSED,
    PATTERNS_UPDATED,
    PATTERNS_FAILED,
    PATTERNS_WORK,
    PATTERNS_STALE,
    PATTERNS_CURRENT,
    YARA_RULES_GONE,
    YARA_RULES_BACK,
)
