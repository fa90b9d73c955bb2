"""
What is found out of a clamd by trying it: whether it finds what it has to, and what it calls clean without having looked.

Its configuration can't be asked for. But content that is over a limit costs it next to nothing, so limits show quickly: how much it takes
in a stream by announcing content that never comes, how much of a file it looks at by a test file that is padded with zeros.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from gateway_clamd import samples
from gateway_clamd.answers import found_name, is_clean, is_encrypted, is_limit, lacks_file
from gateway_clamd.connecting import Question
from gateway_clamd.contents import Stream, padded, zeros
from gateway_clamd.engine import Engine, Knowledge
from gateway_clamd.session import Lost, TookTooLong
from gateway_clamd.settings import MIB, ClamdSettings
from gateway_clamd.wire import stream_head

#: Time for one trial.
TRIAL_SECONDS = 20.0
#: Limits of streams are found out to so many bytes.
_STEP_BYTES = 65536
#: If it can't be found out how much of a file is looked at.
_LEAST_BYTES = MIB
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class NotFound(Exception):
    """It does not find what it has to find; the text says what it answered."""


@dataclass(frozen=True, slots=True)
class Version:
    """
    What a clamd says of itself.

    @ivar text: such as C{1.4.6/27800}; empty: it does not say.
    @ivar signatures: changes with its signatures, also with those that have no version; empty: not known.
    @ivar made: when the official ones among them were made, in seconds since 1970, give or take some hours: clamd says
        it in its own local time; C{None}: it does not say.
    """

    text: str
    signatures: str
    made: float | None = None


async def version(engine: Engine) -> Version:
    """
    Ask for the version.

    @raise Lost: there is no answer.
    """
    said = await engine.ask(Question.of("VERSION"))
    if not said:
        raise Lost("it closes without an answer")
    text, made = "", None
    if said.startswith("ClamAV "):
        parts = said.removeprefix("ClamAV ").split("/")
        text = "/".join(parts[:2])
        made = _moment(parts[2]) if len(parts) > 2 else None
        text = "".join(c for c in text if c.isascii() and c.isprintable())[:60]
    # Signatures of one's own have no version, but they take memory.
    stats = await engine.ask(Question.of("STATS"))
    words = stats.split()
    memory = words[words.index("pools_used") + 1] if "pools_used" in words[:-1] else ""
    return Version(text, memory[:20], made)


def _moment(said: str) -> float | None:
    """Read a date as C{ctime} writes it, C{Mon Nov 16 09:00:00 2026}, whatever the locale is here."""
    words = said.split()
    try:
        _, month, day, time, year = words
        hour, minute, second = map(int, time.split(":"))
        moment = datetime(
            int(year), _MONTHS.index(month) + 1, int(day), hour, minute, second, tzinfo=UTC
        )
    except ValueError:
        return None
    return moment.timestamp()


async def finds(engine: Engine, *, as_file: bool) -> None:
    """
    See whether it finds the test file.

    @raise NotFound: it does not.
    @raise Lost: there is no answer, or it does not get at the file.
    """
    answer = await _tried(engine, samples.canary(), as_file=as_file)
    if as_file and lacks_file(answer):
        raise Lost(answer)
    if not found_name(answer):
        raise NotFound(f"it says of the EICAR test file: {answer[:100]}")


async def known(
    engine: Engine, settings: ClamdSettings, said: Version, mark: bytes, *, as_file: bool
) -> Knowledge:
    """
    Find everything out; it takes some milliseconds, or a second if much is left unsaid.

    @param mark: makes what is tried another thing than the last time.
    @param as_file: it can read what is passed to it open.
    @raise Lost: it gave no answer.
    """
    found = Knowledge(version=said.text)
    found = replace(found, most_sent=await _most_sent(engine, settings.max_size))
    most = settings.max_size
    gaps = []
    if not is_limit(await _tried(engine, samples.nested(mark))):
        gaps.append("what goes beyond its limits (AlertExceedsMax)")
        tried = most if as_file else min(most, found.most_sent)
        most = settings.engine_max_file or await _most_seen(engine, tried, as_file=as_file)
    if not is_encrypted(await _tried(engine, samples.encrypted(mark))):
        gaps.append("encrypted archives (AlertEncrypted)")
    if not is_encrypted(await _tried(engine, samples.encrypted_document(mark))):
        gaps.append("encrypted documents (AlertEncrypted)")
    if settings.canary and is_clean(await _tried(engine, samples.packed(samples.canary()))):
        gaps.append("what is in archives (ScanArchive)")
    return replace(found, most_bytes=min(most, settings.max_size), gaps=tuple(gaps))


async def _tried(engine: Engine, content: bytes, *, as_file: bool = False) -> str:
    try:
        if not as_file:
            stream = Stream(len(content), zeros(len(content), content), content)
            return await engine.try_out(stream, TRIAL_SECONDS)
        file = padded(content, len(content))
        try:
            return await engine.try_out(file, TRIAL_SECONDS)
        finally:
            os.close(file)
    except TookTooLong:
        raise Lost(f"a trial took more than {TRIAL_SECONDS:g} s") from None
    except OSError as error:
        raise Lost(f"no test file can be made: {error.strerror}") from None


async def _most_sent(engine: Engine, most: int) -> int:
    """Give how much it takes in a stream: it refuses what is announced, before anything of it comes."""

    async def takes(size: int) -> bool:
        said = await engine.ask(Question(stream_head(size), half_closed=True))
        return "size limit exceeded" not in said

    if await takes(most):
        return most
    low, high = 0, most
    while high - low > _STEP_BYTES:
        middle = (low + high) // 2
        low, high = (middle, high) if await takes(middle) else (low, middle)
    return low


async def _most_seen(engine: Engine, most: int, *, as_file: bool) -> int:
    """
    Give how long a file may be so that a clamd that says nothing of its limits looks at it.

    The test file is padded: it is found as long as it is looked at. What is longer than that costs nothing where a file is
    passed, but is all sent otherwise, so there it is found out to a power of two only.
    """

    async def sees(size: int) -> bool:
        test = samples.canary()
        if not as_file:
            stream = Stream(size, zeros(size, test))
            return bool(found_name(await engine.try_out(stream, TRIAL_SECONDS)))
        file = padded(test, size)
        try:
            return bool(found_name(await engine.try_out(file, TRIAL_SECONDS)))
        finally:
            os.close(file)

    async def sees_in_time(size: int) -> bool:
        try:
            return await sees(size)
        except (Lost, TookTooLong, OSError):
            return False

    high = most
    if await sees_in_time(high):
        return high
    low = high // 2
    while low > _LEAST_BYTES and not await sees_in_time(low):
        low, high = low // 2, low
    if low <= _LEAST_BYTES:
        return min(_LEAST_BYTES, most)
    while as_file and high - low > MIB:
        middle = (low + high) // 2
        low, high = (middle, high) if await sees_in_time(middle) else (low, middle)
    return low
