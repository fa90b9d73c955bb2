"""
What clamd answers to a scan, and what that means: one line of text, and not a byte more is believed than is known.

Whatever is not known here to be a clean answer is none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.api import Clean, Coverage, Infected, ScanJob, ScanResult, Unscannable

ENGINE = "clamd"

_ANSWER = re.compile(r"(?:stream|fd\[\d{1,10}\]): (.*)")
#: What is put behind a name if C{ExtendedDetectionInfo} is on.
_EXTENDED = re.compile(r"\([0-9a-f]{32,64}:\d+\)\Z")
_MOST_NAME = 200

_LIMITS = {
    "MaxRecursion": "depth",
    "MaxFiles": "files",
    "MaxFileSize": "size",
    "MaxScanSize": "size",
    "MaxScanTime": "time",
}

# Errors that say something of the content (cl_strerror in libclamav); all others are the engine's own.
_ERRORS = {
    "Exceeded max recursion depth": "limit:depth",
    "Recursion limit reached": "limit:depth",
    "Exceeded max scan size": "limit:size",
    "Exceeded max scan files": "limit:files",
    "Exceeded time limit": "engine_timeout",
    "Time limit reached": "engine_timeout",
    "Bad format or broken data": "malformed",
    "Can't parse data": "malformed",
    "Can't unpack some data": "extract_failed",
    "INSTREAM size limit exceeded.": "too_large",
}

# Errors of a clamd that does not get at the file whose descriptor it was given.
_NO_FILE = frozenset(
    (
        "No file descriptor received.",
        "FILDES: didn't receive file descriptor.",
        "FILDES support not compiled in.",
        "Not a regular file",
        "Can't open file or directory",
        "Can't get file status",
        "Can't read file",
        "Can't access file",
        "Can't map file into memory",
        "Can't set file offset",
    )
)


@dataclass(frozen=True, slots=True)
class Trust:
    """
    How far a clamd can be believed when it finds nothing.

    @ivar version: of itself and its patterns, such as C{"1.4.6/27800"}; not empty.
    @ivar whole: it says when it did not look at something because of a limit, or of a password.
    """

    version: str
    whole: bool


def judged(answer: str, job: ScanJob, trust: Trust, nested: bool) -> ScanResult:
    """
    Make a result of an answer.

    @param nested: it looks into all that may be packed in the content.
    """
    found = found_name(answer)
    if found:
        return _finding(found)
    matched = _ANSWER.fullmatch(answer)
    if matched is not None and matched[1] == "OK":
        return Clean(ENGINE, trust.version, Coverage(job.size, nested))
    said = error_of(answer)
    reason = _ERRORS.get(said, "engine_error")
    return Unscannable(reason, f"clamd could not scan it: {said}", ENGINE)


def found_name(answer: str) -> str:
    """Give the name of what was found; empty: nothing was, or it is no such answer."""
    matched = _ANSWER.fullmatch(answer)
    if matched is None or not matched[1].endswith(" FOUND"):
        return ""
    name = _EXTENDED.sub("", matched[1][: -len(" FOUND")])
    return _shown(name) or "unnamed"


def is_clean(answer: str) -> bool:
    """Tell whether nothing was found."""
    matched = _ANSWER.fullmatch(answer)
    return matched is not None and matched[1] == "OK"


def is_limit(answer: str) -> bool:
    """Tell whether it says that a limit was exceeded."""
    return found_name(answer).startswith("Heuristics.Limits.Exceeded")


def is_encrypted(answer: str) -> bool:
    """Tell whether it says that something is encrypted."""
    return found_name(answer).startswith("Heuristics.Encrypted")


def lacks_file(answer: str) -> bool:
    """Tell whether clamd could not get at a file whose descriptor it was given."""
    return error_of(answer) in _NO_FILE


def error_of(answer: str) -> str:
    """Give the text of an error, fit to be shown."""
    matched = _ANSWER.fullmatch(answer)
    said = answer if matched is None else matched[1]
    return _shown(said.removesuffix("ERROR").rstrip()) or "it said nothing"


def _finding(name: str) -> ScanResult:
    if name.startswith("Heuristics.Limits.Exceeded"):
        which = name.removeprefix("Heuristics.Limits.Exceeded").lstrip(".").partition(".")[0]
        which = which.removesuffix("UNOFFICIAL")
        limit = _LIMITS.get(which, "mail" if which.startswith("Email") else "other")
        return Unscannable(f"limit:{limit}", f"it goes beyond a limit of clamd: {name}", ENGINE)
    if name.startswith("Heuristics.Encrypted"):
        return Unscannable("encrypted", f"it is encrypted, so clamd can't scan it: {name}", ENGINE)
    if name.startswith("Heuristics.Broken.Executable"):
        return Unscannable("malformed", f"it is damaged: {name}", ENGINE)
    # Broken media are everywhere and were looked at all the same: a suspicion at the most.
    certain = not name.startswith(("Heuristics.", "PUA."))
    return Infected(name, ENGINE, certain)


def _shown(text: str) -> str:
    text = "".join(c if c.isascii() and c.isprintable() else "?" for c in text)
    return text if len(text) <= _MOST_NAME else text[: _MOST_NAME - 3] + "..."
