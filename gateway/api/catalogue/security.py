"""
What was refused, or let by with reservations: malware, policy, uploads, content that could not be judged.
"""

from __future__ import annotations

from typing import Final

from gateway.api.events import EventField, EventGroup, EventType, Notify, Severity

_ID = EventField("id", "The transaction, as in the access log.", "c0ffee01-5")
_URL = EventField("url", "The URL, without its query.", "http://files.example.com/a.zip")
_CLIENT = "the client's address"

#: What is said of judged content, whatever came of it.
_SCAN_FIELDS = (
    EventField("reason", "What the scan said, as the keys of scan.on.", "infected"),
    EventField("action", "What followed: block, warn or monitor.", "block"),
    EventField("side", "Whose content it is: request (an upload) or response.", "response"),
    _ID,
    _URL,
    EventField("name", "What was found.", "Eicar-Signature"),
    EventField("engine", "Which engine said so.", "clamd"),
    EventField("patterns", "With which patterns.", "clamd 1.4.2/27500"),
    EventField("member", "Where in an archive it was.", "docs/a.exe"),
)

MALWARE_FOUND: Final = EventType(
    name="malware_found",
    number=1,
    severity=Severity.ERROR,
    group=EventGroup.SECURITY,
    title="malware found",
    when="A scanner found malware, or what may be malware, in a download or an upload, and it was blocked. Each time.",
    act=(
        "The content did not reach its receiver, so nothing has to be done at once. Look for other machines that asked "
        "for the same URL (the access log has the id of the transaction), and where it is an upload look at the machine "
        "it came from."
    ),
    subject=_CLIENT,
    fields=_SCAN_FIELDS,
    trap="gwMalware",
    notify=Notify.FIRST,
)

MALWARE_PASSED: Final = EventType(
    name="malware_passed",
    number=8,
    severity=Severity.ERROR,
    group=EventGroup.SECURITY,
    title="malware let through",
    when=(
        "A scanner found malware, or what may be malware, and the configuration let it pass: the action in scan.on is "
        "warn or monitor, as it usually is for what is merely suspicious. Each time. It is told apart from what was "
        "blocked, so that a flood of that hides none of it."
    ),
    act=(
        "Look at the receiving machine now: it has the content. If that is more than you want, let scan.on say block."
    ),
    subject=_CLIENT,
    fields=_SCAN_FIELDS,
    trap="gwMalware",
    notify=Notify.FIRST,
)

POLICY_VIOLATION: Final = EventType(
    name="policy_violation",
    number=2,
    severity=Severity.INFO,
    group=EventGroup.SECURITY,
    title="refused by policy",
    when=(
        "A rule of a plugin refused a request, a response or its content: a listed host, a kind of file. Each time; "
        "logins, scans and faults of the gateway are not among them. It has no line in the process log, as the access "
        "log has one."
    ),
    act=(
        "Usually nothing: the rule did what it is there for. If one client has very many, look whether a program on it "
        "calls out by itself; if many clients have the same URL, the rule may be wrong."
    ),
    subject=_CLIENT,
    fields=(
        EventField(
            "category", "Which policy, as the plugin names it; may be missing.", "allow_deny"
        ),
        EventField("status", "What the client was answered.", "403"),
        _ID,
        _URL,
    ),
    trap="gwPolicyViolation",
    logged=False,
)

UPLOAD_REFUSED: Final = EventType(
    name="upload_refused",
    number=3,
    severity=Severity.INFO,
    group=EventGroup.SECURITY,
    title="upload refused",
    when=(
        "An upload was refused as too large (status 413), by a rule of the plugin upload_limit or by limits.upload. Each "
        "time. It has no line in the process log, as the access log has one."
    ),
    act=(
        "If the upload is legitimate, raise the limit that its text names, for that site or by a rule; else nothing. "
        "Very large uploads to unknown hosts may be data that is carried off: look at the client."
    ),
    subject=_CLIENT,
    fields=(
        EventField(
            "category", "Which rule, as the plugin names it; may be missing.", "upload_limit"
        ),
        EventField("status", "What the client was answered.", "413"),
        _ID,
        _URL,
    ),
    trap="gwPolicyViolation",
    logged=False,
)

CONTENT_NOT_SCANNED: Final = EventType(
    name="content_not_scanned",
    number=4,
    severity=Severity.WARNING,
    group=EventGroup.SECURITY,
    title="refused, as it could not be scanned",
    when=(
        "Content was refused because it could not be scanned, as it is encrypted, damaged, too large or because the "
        "engine failed, and scan.on says block for that reason. Each time."
    ),
    act=(
        "With the reasons engine_error, engine_timeout, capacity or extract_failed something is wrong here: look at the "
        "scan engine and at the room for held content. With the others it is the content: whoever needs it can be "
        "helped by another setting in scan.on, or by a copy that can be scanned."
    ),
    subject=_CLIENT,
    fields=_SCAN_FIELDS,
    trap="gwPolicyViolation",
)

CONTENT_PASSED_UNSCANNED: Final = EventType(
    name="content_passed_unscanned",
    number=5,
    severity=Severity.WARNING,
    group=EventGroup.SECURITY,
    title="passed, though it could not be scanned",
    when=(
        "Content that could not be scanned was let by, as scan.on says warn for that reason: encrypted archives, "
        "unless it is set otherwise. Each time."
    ),
    act=(
        "Nothing, if that is what scan.on is meant to say. With the reasons engine_error, engine_timeout or capacity look "
        "at the scan engine. To keep such content out say block."
    ),
    subject=_CLIENT,
    fields=_SCAN_FIELDS,
    trap="gwPolicyViolation",
    notify=Notify.NEVER,
)

FILETYPE_FOUND: Final = EventType(
    name="filetype_found",
    number=6,
    severity=Severity.INFO,
    group=EventGroup.SECURITY,
    title="kind of file seen",
    when="A file of a kind that a rule of the plugin filetype watches, without refusing it, came by. Each time.",
    act="Nothing: such rules are there to learn what a refusal would hit. When that is known, let them say block.",
    subject="the host that the file came from or went to",
    fields=(
        EventField("kind", "Which kind; unknown: it could not be told.", "exe"),
        EventField("setting", "Which setting watches it.", "plugins.filetype.rule 1"),
        EventField("side", "Whose content it is: request or response.", "response"),
        _URL,
        _ID,
    ),
    trap="gwPolicyViolation",
    notify=Notify.NEVER,
    owner="filetype",
)

CONTENT_QUARANTINED: Final = EventType(
    name="content_quarantined",
    number=7,
    severity=Severity.INFO,
    group=EventGroup.SECURITY,
    title="content quarantined",
    when="Refused content was put into the quarantine. Once for each content, however often it comes.",
    act="Look at it, if it matters: gateway quarantine show and the beginning of its SHA-256. It is deleted by its age.",
    subject="always quarantine",
    fields=(
        _ID,
        EventField("size", "Its size in bytes.", "48213"),
        EventField(
            "sha256",
            "Its SHA-256 in hexadecimal.",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        ),
        EventField("reason", "Why it was refused, as the keys of scan.on.", "infected"),
        EventField("name", "What was found in it; may be empty.", "Eicar-Signature"),
        EventField(
            "request", "Whose content it is: method and URL.", "GET http://files.example.com/a.zip"
        ),
    ),
    trap="gwMalware",
)

TYPES: Final = (
    MALWARE_FOUND,
    MALWARE_PASSED,
    POLICY_VIOLATION,
    UPLOAD_REFUSED,
    CONTENT_NOT_SCANNED,
    CONTENT_PASSED_UNSCANNED,
    FILETYPE_FOUND,
    CONTENT_QUARANTINED,
)
