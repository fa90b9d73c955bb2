"""Tests of text and HTML: whatever is told, both say the same, and harmlessly."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from twisted.trial.unittest import SynchronousTestCase

from gateway.api.alarms import AlarmState, Notice
from gateway.api.catalogue import CATALOGUE
from gateway_mail.letters import Letter, letter
from gateway_mail.review import sample
from gateway_mail.templates import BUILT_IN, Templates, Written, built_in_files
from gateway_mail.tests.notices import FOUND, THEN, alarm, notice

#: Elements that never have an end.
_VOID = ("meta", "hr", "img", "br", "!doctype")

#: What colours of the templates are read on.
_WHITE = "#ffffff"


class Page(HTMLParser):
    """
    What a reader sees of a page.

    @ivar text: all text, in one line.
    @ivar tags: all elements with their attributes.
    @ivar open: those that were not closed.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self._parts: list[str] = []
        self.feed(html)
        self.close()
        self.text = " ".join("".join(self._parts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)
            self._parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, (tag, self.open)
        self.open.pop()
        self._parts.append(" ")

    def handle_data(self, data: str) -> None:
        if "title" not in self.open:
            self._parts.append(data)


def facts_of(told: Letter) -> list[str]:
    """Give every fact that text and HTML have to say."""
    facts = [told.node]
    for one in told.alarms:
        facts += [one.title, one.text, one.severity, one.first, one.last, one.name]
        facts += [one.state, one.act, f"{one.count:,}", one.subject]
        for row in one.rows:
            facts += [row.label, row.value]
        for about in one.about:
            facts += [about.subject, f"{about.count:,}"]
        facts += one.paragraphs
    if told.is_digest:
        facts += [told.since, told.until, f"{told.count:,}"]
    return [" ".join(fact.split()) for fact in facts if fact]


class TemplatesTestCase(SynchronousTestCase):
    """Tests with the built-in templates."""

    def setUp(self) -> None:
        self.templates = Templates()

    def written(self, told: Notice) -> Written:
        made = self.templates.write(letter(told, "[gateway]"))
        self.assertEqual(made.fault, "")
        self.assert_harmless(made)
        return made

    def assert_harmless(self, made: Written) -> None:
        """No fault in HTML, nothing that is fetched or run, and nothing invisible."""
        page = Page(made.html)
        self.assertEqual(page.open, [])
        for tag, attributes in page.tags:
            self.assertNotIn(tag, ("script", "link", "iframe", "form", "a", "object", "style"))
            for name, value in attributes.items():
                self.assertFalse(name.startswith("on"), name)
                if name in ("src", "href", "background"):
                    self.assertTrue((value or "").startswith("cid:"), value)
        self.assertNotRegex(made.html + made.text, r"(?i)https?://")
        self.assertNotIn("url(", made.html)
        self.assertTrue(made.subject.isprintable())
        for line in (made.text + made.html).split("\n"):
            self.assertTrue(line.isprintable(), line)

    def assert_agree(self, told: Notice) -> None:
        """Every fact is in both parts, and no number, time or word of the one is missing in the other."""
        made = self.written(told)
        plain, page = " ".join(made.text.split()), Page(made.html).text
        for fact in facts_of(letter(told)):
            self.assertIn(fact, plain)
            self.assertIn(fact, page)
        for one, other in ((plain, page), (page, plain)):
            missing = set(re.findall(r"[\w.:<>\[\]+-]+", one)) - set(
                re.findall(r"[\w.:<>\[\]+-]+", other)
            )
            # Headings of tables, and what text draws its lines with.
            missing = {word.strip(".:,") for word in missing} - {
                word.strip(".:,") for word in re.findall(r"[\w.:<>\[\]+-]+", other)
            }
            self.assertLessEqual(
                {word for word in missing if word.strip("-")},
                {"Details", "What", "happened", "what", "when", "events", "about"},
            )


class AgreementTests(TemplatesTestCase):
    """Text and HTML."""

    def test_each_type(self) -> None:
        """Of every type of the catalogue both say the same: alarms, counts, subjects, times, details and advice."""
        for kind in CATALOGUE.values():
            self.assert_agree(notice(sample(kind)))

    def test_each_state(self) -> None:
        """So they do in every state, and of a reminder that stands for no event."""
        for state in AlarmState:
            self.assert_agree(
                notice(alarm(state=state, count=0 if state is AlarmState.GOES_ON else 2))
            )

    def test_digest(self) -> None:
        """So they do in a digest of everything."""
        alarms = [sample(kind) for kind in CATALOGUE.values()]
        self.assert_agree(notice(*alarms, is_digest=True, since=THEN - 900))

    def test_several_at_once(self) -> None:
        """So they do where several alarms come together without being a digest."""
        self.assert_agree(notice(alarm(), alarm(None, "odd", "", name="odd")))

    def test_others(self) -> None:
        """What is not in the list of subjects is counted."""
        told = notice(alarm(count=1000, subjects={"192.0.2.7": 600, "192.0.2.8": 300}))
        self.assert_agree(told)
        made = self.written(told)
        self.assertIn("- others: 100", made.text)
        self.assertIn("1,000", made.text)

    def test_test(self) -> None:
        """A test says that it is one, in the subject and in both parts."""
        made = self.written(notice(alarm(is_test=True)))
        self.assertIn("TEST", made.subject)
        for part in (made.text, made.html):
            self.assertIn("Nothing has happened", part)


class HostileTests(TemplatesTestCase):
    """Events whose texts were chosen by somebody who means no good."""

    TEXTS = (
        "a\r\nBcc: evil@example.com\r\n\r\n<b>x</b>",
        "\u202egpj.exe\u2066\x00\x1b[2J",
        "</td></table><script>alert(1)</script><img src=http://evil.example/x.png>",
        "{{ 7 * 7 }}{% include 'x' %}",
        "x" * 100_000,
        "\r\n.\r\nMAIL FROM:<>\r\n",
        "\udcff\ud800 surrogates",
        'http://evil.example/" onload="x',
        "'\"><&;",
    )

    def test_everywhere(self) -> None:
        """Wherever they stand they change nothing but what is read there."""
        for text in self.TEXTS:
            hostile = alarm(
                FOUND,
                text,
                text,
                count=3,
                values={"url": text, text[:50]: text},
                subjects={text: 2, "x": 1},
            )
            odd = alarm(None, text, text, name=text, values={"a": text})
            for told in (
                notice(hostile),
                notice(odd),
                notice(hostile, odd, is_digest=True),
                notice(hostile, node=text),
            ):
                made = self.written(told)
                self.assertNotIn("49", made.subject)
                self.assertLess(len(made.text), 40_000)
                self.assertNotIn("\n.\n", made.text)
                self.assertEqual(Page(made.html).open, [])

    def test_length(self) -> None:
        """A digest of the most that there may be, each as long as can be, stays small enough to be sent."""
        long = {field.name: "x" * 100_000 for field in FOUND.fields}
        subjects = {f"{number}{'x' * 5000}": 1 for number in range(20)}
        alarms = [
            alarm(
                text="y" * 100_000, subject="z" * 100_000, values=long, subjects=subjects, count=20
            )
        ] * 100
        made = self.written(notice(*alarms, is_digest=True))
        self.assertLess(len(made.text) + len(made.html), 3_000_000)


class ReadableTests(TemplatesTestCase):
    """Whoever reads it, by whatever means."""

    def test_structure(self) -> None:
        """The page has a language, one first heading, captions, and headings of rows and columns."""
        for told in (notice(), notice(alarm(), is_digest=True)):
            html = self.written(told).html
            page = Page(html)
            tags = [tag for tag, _ in page.tags]
            self.assertEqual(page.tags[0], ("html", {"lang": "en"}))
            self.assertEqual(tags.count("h1"), 1)
            self.assertEqual(tags.count("table"), tags.count("caption"))
            for tag, attributes in page.tags:
                if tag == "th":
                    self.assertIn(attributes.get("scope"), ("row", "col"))
                if tag == "img":
                    self.assertTrue(attributes.get("alt"))

    def test_contrast(self) -> None:
        """Text stands out from the page by 4.5 to 1 (WCAG 2.2, 1.4.3)."""
        files = "".join((BUILT_IN / name).read_text() for name in built_in_files())
        colours = set(re.findall(r"(?:[^-]color: |\": \")(#[0-9a-f]{6})", files))
        self.assertGreaterEqual(len(colours), 5)
        for colour in colours:
            self.assertGreaterEqual((luminance(_WHITE) + 0.05) / (luminance(colour) + 0.05), 4.5)

    def test_severity_is_no_matter_of_colour(self) -> None:
        """How bad it is stands there as a word."""
        for severity in ("info", "warning", "error"):
            kind = next(one for one in CATALOGUE.values() if one.severity.value == severity)
            self.assertIn(severity, Page(self.written(notice(sample(kind))).html).text)


class TextTests(TemplatesTestCase):
    """What is said of which event."""

    def test_each_has_something_to_say(self) -> None:
        """Of each type of the catalogue a mail says more than its facts: at least what to do."""
        for kind in CATALOGUE.values():
            made = self.written(notice(sample(kind)))
            self.assertIn(" ".join(kind.act.split()), " ".join(made.text.split()))

    def test_templates_of_events_that_there_are(self) -> None:
        """There is no template for an event that nobody raises."""
        names = {name[7:-4] for name in built_in_files() if name.startswith("events/")}
        self.assertLessEqual(names - {"default"}, set(CATALOGUE))

    def test_malware(self) -> None:
        """Whether the content reached its receiver is said at once."""
        blocked = self.written(notice(alarm(values={"action": "block"}))).text
        self.assertIn("did not reach its receiver", blocked)
        passed = self.written(notice(alarm(values={"action": "monitor"}))).text
        self.assertIn("the content reached its receiver", passed)

    def test_subjects(self) -> None:
        """The subject has what, about what, how often, and where."""
        for told, subject in (
            (notice(), "[gateway] malware found: 192.0.2.7 - proxy1.example.com"),
            (
                notice(alarm(count=1200, subjects={"a": 700, "b": 500})),
                "[gateway] malware found (1,200 times) - proxy1.example.com",
            ),
            (
                notice(alarm(count=1200), alarm(None, name="odd"), is_digest=True),
                "[gateway] digest: 1,201 events, malware found and 1 more - proxy1.example.com",
            ),
        ):
            self.assertEqual(self.written(told).subject, subject)


def luminance(colour: str) -> float:
    """Give the relative luminance of a colour, as WCAG defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
