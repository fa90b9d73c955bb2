"""
Scripts for sans-I/O peers: these bytes come in, those events come out.

A L{Playbook} is run as it is written, so that the line that is wrong is the line that fails; L{Playbook.at_every_cut}
then runs it again with the input cut at each offset. It knows nothing of any one protocol: its subject is whatever
has C{receive(data)} giving events, and perhaps C{send(event)} giving bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Protocol, Self


class Receiver(Protocol):
    """What a playbook can be about."""

    def receive(self, data: bytes, /) -> Any:
        """Give the events these bytes complete: a list or tuple, a single event or C{None}; or raise."""
        ...


class Like:
    """
    An event described by some of its attributes; equal to every event that has them.

    C{gives(Like(RequestHead, method=b"GET"))} is for events that compare by identity or hold more than the rule at
    hand is about.
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, kind: type, **attributes: object) -> None:
        self._kind = kind
        self._attributes = attributes

    def __eq__(self, other: object) -> bool:
        return isinstance(other, self._kind) and all(
            getattr(other, name) == value for name, value in self._attributes.items()
        )

    def __repr__(self) -> str:
        parts = [self._kind.__name__] + [
            f"{name}={value!r}" for name, value in self._attributes.items()
        ]
        return f"Like({', '.join(parts)})"


class Playbook:
    """
    A script and its expectations.

    Events gather until L{gives} or L{raises} accounts for them. Neighbouring C{bytes} events are content and count as
    one, because where content is cut is nobody's promise.
    """

    def __init__(self, subject: Receiver | Callable[[], Receiver]) -> None:
        """
        Begin.

        @param subject: a fresh peer, which is copied for each replay, or what makes one.
        """
        if callable(subject):
            self._make = subject
        else:
            pristine = deepcopy(subject)
            self._make = lambda: deepcopy(pristine)
        self._steps: list[_Step] = []
        self._run = _Run(self._make())

    def receives(self, data: bytes) -> Self:
        """Feed bytes; C{b""} means the other side closed."""
        return self._add(lambda run, cuts: run.feed(data, cuts), len(data))

    def calls(self, name: str, *arguments: object) -> Self:
        """Call another method, such as C{next}; events it gives count like those of C{receive}."""
        return self._add(lambda run, cuts: run.attempt(getattr(run.subject, name), *arguments))

    def gives(self, *events: object) -> Self:
        """Expect exactly these events since the last expectation."""
        return self._add(lambda run, cuts: run.expect(events))

    def raises(
        self, error: type[Exception], section: str | None = None, after: Iterable[object] = ()
    ) -> Self:
        """
        Expect this error.

        @param section: what the error's C{section} must be.
        @param after: events that a cut may bring out before the error: what is found must be a beginning of them.
        """
        before = list(after)
        return self._add(lambda run, cuts: run.expect_error(error, section, before))

    def sends(self, event: object, data: bytes) -> Self:
        """Expect C{send(event)} to give these bytes."""
        return self._add(lambda run, cuts: run.send(event, data))

    def at_every_cut(self) -> Self:
        """Run the whole script again with each input cut in two at each offset, and once byte by byte."""
        self._run.finish()
        for index, step in enumerate(self._steps):
            for cut in range(1, step.length):
                self._replay({index: [cut]}, f"input of step {index + 1} cut at {cut}")
        self._replay(
            {i: range(1, step.length) for i, step in enumerate(self._steps)}, "byte by byte"
        )
        return self

    def _add(self, play: Callable[[_Run, Sequence[int]], None], length: int = 0) -> Self:
        self._steps.append(_Step(play, length))
        play(self._run, ())
        return self

    def _replay(self, cuts: dict[int, Sequence[int]], name: str) -> None:
        run = _Run(self._make())
        try:
            for index, step in enumerate(self._steps):
                step.play(run, cuts.get(index, ()))
            run.finish()
        except Exception as error:
            raise AssertionError(f"{name}: {error}") from error


@dataclass(frozen=True, slots=True)
class _Step:
    """One line of the script; C{length} is that of its input."""

    play: Callable[[_Run, Sequence[int]], None]
    length: int


class _Run:
    """One performance: the subject and what it gave that no expectation has accounted for."""

    def __init__(self, subject: Receiver) -> None:
        self.subject = subject
        self._events: list[object] = []
        self._error: Exception | None = None

    def feed(self, data: bytes, cuts: Sequence[int]) -> None:
        for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True):
            if self._error is not None and start:
                # The subject is past reading; what is left of this input is not its business any more.
                return
            self.attempt(self.subject.receive, data[start:stop])

    def attempt(self, call: Callable[..., Any], *arguments: object) -> None:
        self._no_error()
        try:
            given = call(*arguments)
        except Exception as error:
            self._error = error
            return
        if given is not None:
            events = given if isinstance(given, (list, tuple)) else (given,)
            self._events = merged([*self._events, *events])

    def expect(self, events: Sequence[object]) -> None:
        wanted = merged(events)
        # The error, if there is one, is left to raises.
        if self._events != wanted:
            raise AssertionError(f"gave {self._events!r}, not {wanted!r}") from self._error
        self._events = []

    def expect_error(
        self, wanted: type[Exception], section: str | None, after: Sequence[object]
    ) -> None:
        if self._error is None:
            raise AssertionError(f"no {wanted.__name__}, but {self._events!r}")
        if not isinstance(self._error, wanted):
            raise AssertionError(f"{self._error!r}, not {wanted.__name__}") from self._error
        found = getattr(self._error, "section", None)
        if section is not None and found != section:
            raise AssertionError(f"broke {found}, not {section}") from self._error
        if not _begins(merged(after), self._events):
            raise AssertionError(f"gave {self._events!r} before the error, not {list(after)!r}")
        self._events = []
        self._error = None

    def send(self, event: object, data: bytes) -> None:
        self._no_error()
        sent = self.subject.send(event)  # type: ignore[attr-defined]
        if sent != data:
            raise AssertionError(f"sent {sent!r} for {event!r}, not {data!r}")

    def finish(self) -> None:
        self._no_error()
        if self._events:
            raise AssertionError(f"also gave {self._events!r}")

    def _no_error(self) -> None:
        if self._error is not None:
            raise AssertionError(f"unexpected {self._error!r}") from self._error


def merged(events: Iterable[object]) -> list[object]:
    """Join neighbouring C{bytes} and drop empty ones; the rest stays as it is."""
    out: list[object] = []
    for event in events:
        if isinstance(event, bytes):
            if not event:
                continue
            if out and isinstance(out[-1], bytes):
                out[-1] += event
                continue
        out.append(event)
    return out


def _begins(whole: Sequence[object], part: Sequence[object]) -> bool:
    if not part:
        return True
    if len(part) > len(whole):
        return False
    *complete, last = part
    wanted = whole[len(complete)]
    if isinstance(last, bytes) and isinstance(wanted, bytes):
        same = wanted.startswith(last)
    else:
        same = last == wanted
    return same and complete == list(whole[: len(complete)])
