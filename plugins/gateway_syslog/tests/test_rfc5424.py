"""Tests of C{gateway_syslog.rfc5424}, with a reader that keeps to the grammar of the RFC."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Alarm, AlarmState, Event, Notice, Severity
from gateway_syslog.rfc5424 import FACILITIES, Header
from gateway_syslog.tests.notices import Read, alarm, notice, read
from gateway_syslog.texts import fitted

HEADER = Header(FACILITIES["local0"], 4711, "gateway@32473")
BOM = b"\xef\xbb\xbf"


def written(one: Alarm, of: Notice | None = None, most: int = 100_000) -> bytes:
    """Write an alarm."""
    about = notice(one) if of is None else of
    return fitted(lambda room: HEADER.message(one, about, room), most)


def told(one: Alarm, of: Notice | None = None, most: int = 100_000) -> Read:
    """Write and read."""
    return read(written(one, of, most))


class HeaderTests(SynchronousTestCase):
    """The head."""

    def test_whole(self) -> None:
        """A message byte for byte."""
        self.assertEqual(
            written(alarm('it said \\"no]"', url="http://a.example/x")),
            b"<132>1 2023-11-14T22:13:20.000000Z gw1.example.com gateway 4711 file_refused "
            b'[gateway@32473 id="7f3a-1" event="file_refused" state="single" severity="warning" group="security" '
            b'count="1" first="2023-11-14T22:13:18.000000Z" last="2023-11-14T22:13:20.000000Z" attempt="1" '
            b'subject="192.0.2.7"][gateway-event@32473 url="http://a.example/x"] '
            b"\xef\xbb\xbf"
            b'it said \\"no]"',
        )

    def test_priority(self) -> None:
        """Facility times eight and severity: error 3, warning 4, informational 6."""
        found = {one: told(alarm(severity=one)).priority for one in Severity}
        self.assertEqual(found, {Severity.ERROR: 131, Severity.WARNING: 132, Severity.INFO: 134})

    def test_names(self) -> None:
        """Names of nodes and events that a head can't hold are made to fit."""
        found = told(alarm(name="x" * 40), notice(node="böse node\n" + "n" * 300))
        self.assertEqual(found.msgid, "x" * 32)
        self.assertTrue(found.host.startswith("b_se_node_nnn"))
        self.assertEqual(len(found.host), 255)
        self.assertEqual(found.elements["gateway@32473"]["event"], "x" * 40)

    def test_no_node(self) -> None:
        """No name is written as such."""
        self.assertEqual(told(alarm(), notice(node="")).host, "-")

    def test_other_format(self) -> None:
        """Around CEF and JSON there is neither structured data nor a byte order mark."""
        found = read(HEADER.around(alarm(), "gw1", b"CEF:0|"))
        self.assertEqual((found.elements, found.text), ({}, b"CEF:0|"))


class DataTests(SynchronousTestCase):
    """Structured data and text."""

    def test_state(self) -> None:
        """State, count and whom it was about are there; a test and another attempt show."""
        found = told(
            alarm(state=AlarmState.OVER, count=7, subjects={"a": 4, "b": 3}, is_test=True),
            notice(attempt=3),
        ).elements["gateway@32473"]
        self.assertEqual(found["state"], "over")
        self.assertEqual(found["count"], "7")
        self.assertEqual(found["subjects"], "a (4); b (3)")
        self.assertEqual(found["test"], "true")
        self.assertEqual(found["attempt"], "3")

    def test_details_apart(self) -> None:
        """A detail that is called as one of ours can't be taken for it."""
        event = Event("x", Severity.INFO, "t", "", {"state": "over", "count": "9", "a b]": "c"})
        found = told(replace(alarm(), event=event)).elements
        self.assertEqual(found["gateway@32473"]["state"], "single")
        self.assertEqual(found["gateway-event@32473"], {"state": "over", "count": "9", "a_b_": "c"})

    def test_undescribed(self) -> None:
        """An event that nobody has described has no group."""
        self.assertNotIn("group", told(alarm(kind=None)).elements["gateway@32473"])

    @given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
    def test_any_text(self, text: str, subject: str, value: str) -> None:
        """Whatever strangers chose: it is a message by the grammar, in one line, and nothing else is in it."""
        made = written(alarm(text, subject, url=value))
        found = read(made)
        self.assertNotIn(b"\n", made)
        self.assertNotIn(b"\r", made)
        self.assertEqual(set(found.elements) - {"gateway@32473", "gateway-event@32473"}, set())
        self.assertEqual(found.text[:3], BOM)
        found.text.decode("utf-8")

    def test_bytes_come_back(self) -> None:
        """What is escaped is read as it was."""
        hard = 'a"b\\c]d[e=f g☃'
        found = told(alarm(hard, hard, url=hard))
        self.assertEqual(found.elements["gateway@32473"]["subject"], hard)
        self.assertEqual(found.elements["gateway-event@32473"]["url"], hard)
        self.assertEqual(found.text, BOM + hard.encode())


class BoundTests(SynchronousTestCase):
    """Long messages."""

    def test_cut(self) -> None:
        """Long texts are cut, and that shows; the message is still whole, with its id."""
        made = written(alarm("x" * 5000, url="http://a.example/" + "y" * 5000), most=2048)
        found = read(made)
        self.assertLessEqual(len(made), 2048)
        self.assertEqual(found.elements["gateway@32473"]["truncated"], "true")
        self.assertEqual(found.elements["gateway@32473"]["id"], "7f3a-1")
        self.assertTrue(found.elements["gateway-event@32473"]["url"].endswith("..."))
        self.assertTrue(found.text.endswith(b"..."))

    def test_not_cut(self) -> None:
        """What fits does not say that it was cut."""
        self.assertNotIn("truncated", told(alarm(), most=2048).elements["gateway@32473"])

    def test_worst(self) -> None:
        """The least bound holds for the longest of everything, with control characters that take four times their room."""
        values = {f"name_{number}_{'z' * 40}": "\0" * 9000 for number in range(100)}
        worst = alarm(
            "\0" * 9000,
            "\0" * 9000,
            name="\0" * 9000,
            count=10**9,
            subjects={"\0" * 9000: 10**9},
            is_test=True,
            id="i" * 200,
            values=values,
        )
        made = written(worst, notice(worst, node="n" * 500, attempt=10**6), most=1024)
        read(made)
        self.assertLessEqual(len(made), 1024)
