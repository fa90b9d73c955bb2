"""
Text and HTML of a mail, by templates (jinja2) that a site may override one by one.

The site's are in a folder; what is not there is built in. They run in a sandbox, and what they are given is escaped in HTML. A template
of the site's with a fault never costs a mail: the whole of it is written by the built-in ones then.

Rendering may take a moment: it is done in a thread, and nothing here knows another one.
"""

from __future__ import annotations

import dataclasses
import html
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway_mail.harmless import one_line
from gateway_mail.letters import Letter, Told

BUILT_IN: Final = Path(__file__).parent / "templates"

#: Folder of the templates that say something of one kind of event, and the one for all others.
EVENTS: Final = "events"
_DEFAULT: Final = f"{EVENTS}/default.txt"

#: More than a digest of the largest size ever takes.
_MOST_CHARACTERS: Final = 2_000_000


class TemplateFault(Exception):
    """
    A template that can't be used.

    @ivar template: its name; empty if it is not known.
    """

    def __init__(self, why: str, template: str = "") -> None:
        super().__init__(f"{template}: {why}" if template else why)
        self.template = template


@dataclass(frozen=True, slots=True)
class Written:
    """
    A mail's subject and parts.

    @ivar fault: why it was not written by the site's templates; empty: it was, or there are none.
    """

    subject: str
    text: str
    html: str
    fault: str = ""


class Templates:
    """The templates of a plugin object."""

    def __init__(self, folder: str = "") -> None:
        """
        Open them; each is read when it is first used.

        @param folder: the site's; empty: there is none.
        @raise ImportError: jinja2 is not installed.
        """
        self._built_in = _Pair(str(BUILT_IN))
        self._own = _Pair(folder, str(BUILT_IN)) if folder else None

    def write(self, letter: Letter) -> Written:
        """Write a mail; by the built-in templates if the site's have a fault."""
        fault = ""
        if self._own is not None:
            try:
                return _write(self._own, letter)
            except TemplateFault as error:
                fault = str(error)
        try:
            return dataclasses.replace(_write(self._built_in, letter), fault=fault)
        except TemplateFault as error:
            # Ours have none that is known; what there is to say must arrive all the same.
            return _plain(letter, str(error))

    def faults(self, letters: Iterable[Letter]) -> Iterator[TemplateFault]:
        """Find what is wrong with the site's templates: each is read, and used for letters made up for that."""
        if self._own is None:
            return
        for name in self._own.text.list_templates(extensions=["txt", "html"]):
            try:
                _template(self._own.text, name)
            except TemplateFault as error:
                yield error
        seen: set[str] = set()
        for letter in letters:
            try:
                _write(self._own, letter)
            except TemplateFault as error:
                if str(error) not in seen:
                    seen.add(str(error))
                    yield error


def own_files(folder: str) -> list[str]:
    """
    List the files in the site's folder by their names as templates.

    @raise OSError: it can't be read.
    """
    with os.scandir(folder):
        pass  # os.walk keeps silent about a folder that can't be read.
    return sorted(
        os.path.relpath(os.path.join(at, name), folder)
        for at, _, names in os.walk(folder)
        for name in names
    )


def built_in_files() -> frozenset[str]:
    """Give the names of the built-in templates."""
    return frozenset(own_files(str(BUILT_IN)))


class _Pair:
    """
    The same templates for text, and for HTML.

    @ivar text: writes what it is given as it is.
    @ivar html: escapes everything, in a template for text that one for HTML includes, too.
    """

    def __init__(self, *folders: str) -> None:
        self.text = _environment(folders, is_html=False)
        self.html = _environment(folders, is_html=True)


def _environment(folders: Sequence[str], *, is_html: bool) -> Any:
    from jinja2 import FileSystemLoader, StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    return ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(folders),
        autoescape=is_html,
        undefined=StrictUndefined,
        # A letter is written by the templates that there were when the plugin started, or when each was first used.
        auto_reload=False,
        cache_size=-1,
    )


def _write(pair: _Pair, letter: Letter) -> Written:
    """
    Write a mail.

    @raise TemplateFault: a template can't be read or used.
    """
    alarms = tuple(
        dataclasses.replace(alarm, paragraphs=_paragraphs(pair.text, letter, alarm))
        for alarm in letter.alarms
    )
    letter = dataclasses.replace(letter, alarms=alarms)
    form = "digest" if letter.is_digest else "notice"
    subject = _rendered(pair.text, "subject.txt", letter=letter)
    text = _rendered(pair.text, f"{form}.txt", letter=letter)
    page = _rendered(pair.html, f"{form}.html", letter=letter)
    return Written(one_line(" ".join(subject.split()), 200), _tidy(text), page + "\n")


def _plain(letter: Letter, fault: str) -> Written:
    """Write the facts without any template."""
    lines = []
    for alarm in letter.alarms:
        lines += [alarm.title, alarm.text, *(f"{row.label}: {row.value}" for row in alarm.rows)]
        lines += [f"{about.count:,} {about.subject}" for about in alarm.about]
        lines += [alarm.act, ""]
    text = "\n".join(lines)
    shown = html.escape(text)
    title = one_line(f"{letter.prefix} {letter.alarm.title} - {letter.node}", 200)
    page = f'<!DOCTYPE html>\n<html lang="en"><title>{html.escape(title)}</title><pre>{shown}</pre></html>\n'
    return Written(title, text, page, fault)


def _paragraphs(environment: Any, letter: Letter, alarm: Told) -> tuple[str, ...]:
    """Give what the event's own template says; it is the same in text and HTML."""
    names = [f"{EVENTS}/{alarm.name}.txt", _DEFAULT]
    text = _rendered(environment, *names, letter=letter, alarm=alarm)
    blocks = "\n".join(line.strip() for line in text.splitlines()).split("\n\n")
    return tuple(one_line(" ".join(block.split()), 4000) for block in blocks if block.strip())


def _template(environment: Any, *names: str) -> Any:
    """
    Find the first of several templates.

    @raise TemplateFault: there is none, or it can't be read.
    """
    from jinja2 import TemplateNotFound, TemplateSyntaxError

    try:
        return environment.select_template(names)
    except TemplateNotFound as error:
        raise TemplateFault("there is no such template", error.name or names[0]) from None
    except TemplateSyntaxError as error:
        where = f"line {error.lineno}: {error.message}"
        raise TemplateFault(one_line(where, 300), error.name or names[0]) from None
    except (OSError, ValueError) as error:
        raise TemplateFault(one_line(str(error), 300), names[0]) from None


def _rendered(environment: Any, *names: str, **facts: object) -> str:
    """
    Use the first of several templates.

    @raise TemplateFault: it can't be used.
    """
    from jinja2 import TemplateNotFound

    template = _template(environment, *names)
    parts: list[str] = []
    size = 0
    try:
        for part in template.generate(**facts):
            parts.append(part)
            size += len(part)
            if size > _MOST_CHARACTERS:
                raise TemplateFault("it writes without an end", template.name)
    except TemplateFault:
        raise
    except TemplateNotFound as error:
        raise TemplateFault(f"there is no template {error.name} here", template.name) from None
    # Whatever a template does: a fault of it is no fault of the mail.
    except Exception as error:
        why = one_line(f"{type(error).__name__}: {error}", 300)
        raise TemplateFault(why, template.name) from None
    return "".join(parts)


def _tidy(text: str) -> str:
    """Leave no more than one empty line together, and none at the end."""
    lines: list[str] = []
    for line in text.splitlines():
        # What a signature begins with, "-- ", keeps its space (RFC 3676 section 4.3).
        line = line if line == "-- " else line.rstrip()
        if line or (lines and lines[-1]):
            lines.append(line)
    return "\n".join(lines).strip("\n") + "\n"
