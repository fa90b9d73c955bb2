"""Tests of C{gateway_syslog.cef} and C{gateway_syslog.records}."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Alarm, AlarmState, Severity
from gateway_syslog import cef, records
from gateway_syslog.tests.notices import alarm, notice
from gateway_syslog.texts import Room, fitted

_KEY = re.compile(r"(?:^| )([A-Za-z0-9_]+)=")
#: Numbers of header fields, their places in the list that L{read} gives.
VERSION, VENDOR, PRODUCT, DEVICE, SIGNATURE, NAME, SEVERITY = range(7)


def written(one: Alarm, *, attempt: int = 1, most: int = 100_000) -> str:
    """Write an alarm as CEF."""
    made = notice(one, attempt=attempt)
    return fitted(lambda room: cef.message(one, made, room), most).decode()


def read(text: str) -> tuple[list[str], dict[str, str]]:
    """Read the header and the extension, as the format's description says."""
    parts = re.split(r"(?<!\\)(?:\\\\)*\|", text, maxsplit=7)
    assert len(parts) == 8, text
    header = [re.sub(r"\\([\\|])", r"\1", part) for part in parts[:7]]
    extension: dict[str, str] = {}
    found = list(_KEY.finditer(parts[7]))
    for one, following in zip(found, [*found[1:], None], strict=True):
        end = len(parts[7]) if following is None else following.start()
        value = parts[7][one.end() : end]
        unescaped = re.sub(r"\\([\\=nr])", lambda m: {"n": "\n", "r": "\r"}.get(m[1], m[1]), value)
        assert one[1] not in extension, f"{one[1]} is there twice"
        extension[one[1]] = unescaped
    return header, extension


class CefTests(SynchronousTestCase):
    """CEF."""

    def test_keys(self) -> None:
        """Details stand under the keys that CEF has for them, the others under custom strings with labels."""
        header, found = read(
            written(
                alarm(
                    "malware",
                    url="http://a.example/dir/a.zip?x=1",
                    action="block",
                    reason="infected",
                    side="response",
                )
            )
        )
        self.assertEqual(header[VERSION], "CEF:0")
        self.assertEqual(header[SIGNATURE], "file_refused")
        self.assertEqual(header[NAME], "a file was refused")
        self.assertEqual(header[SEVERITY], "6")
        self.assertEqual(found["src"], "192.0.2.7")
        self.assertEqual(found["request"], "http://a.example/dir/a.zip?x=1")
        self.assertEqual(found["fname"], "a.zip")
        self.assertEqual(found["act"], "block")
        self.assertEqual(found["reason"], "infected")
        self.assertEqual((found["cs1Label"], found["cs1"]), ("side", "response"))
        self.assertEqual(found["rt"], "1700000000000")
        self.assertEqual(found["externalId"], "7f3a-1")
        self.assertEqual(found["cat"], "security")
        self.assertEqual(found["msg"], "malware")

    def test_member(self) -> None:
        """The file in an archive is the file."""
        _, found = read(written(alarm(url="http://a.example/a.zip", member="docs/x.exe")))
        self.assertEqual(found["fname"], "docs/x.exe")

    def test_severity(self) -> None:
        """Of 0 to 10: low, medium, high."""
        found = [read(written(alarm(severity=one)))[0][SEVERITY] for one in Severity]
        self.assertEqual(found, ["3", "6", "8"])

    def test_six(self) -> None:
        """More details than custom strings get keys of their own."""
        values = {f"detail_{number}": str(number) for number in range(8)}
        _, found = read(written(alarm(subject="10.0.0.1:80", values=values)))
        self.assertEqual((found["cs1Label"], found["cs1"]), ("subject", "10.0.0.1:80"))
        self.assertEqual((found["cs6Label"], found["cs6"]), ("detail_4", "4"))
        self.assertEqual(found["gatewayDetail7"], "7")
        self.assertNotIn("src", found)

    def test_ipv6(self) -> None:
        """A client's IPv6 address has the key of its kind."""
        _, found = read(written(alarm(subject="2001:db8::7")))
        self.assertEqual(found["c6a2"], "2001:db8::7")
        self.assertEqual(found["c6a2Label"], "Source IPv6 Address")

    def test_not_a_client(self) -> None:
        """An address that is no client's is not the source."""
        _, found = read(written(alarm(subject="192.0.2.7", kind=None)))
        self.assertEqual((found["cs1Label"], found["cs1"]), ("subject", "192.0.2.7"))

    def test_escaping(self) -> None:
        """In the header | and \\ are escaped, in values = and \\, and lines' ends are written as such."""
        made = written(alarm("a=b|c\\d\r\ne", name="x|y\\z", kind=None))
        self.assertIn("|x\\|y\\\\z|", made)
        self.assertTrue(made.endswith("msg=a\\=b|c\\\\d\\ne"), made)

    @given(st.text(max_size=60), st.text(max_size=60))
    def test_any_text(self, text: str, value: str) -> None:
        """Whatever strangers chose: one line, no key of theirs, and the severity is where it belongs."""
        made = written(alarm(text, reason=value))
        self.assertEqual(len(made.splitlines()), 1)
        header, found = read(made)
        self.assertEqual(header[SEVERITY], "6")
        self.assertEqual(
            set(found),
            {
                *("rt", "start", "end", "cnt", "externalId", "dvchost", "outcome", "cat", "src"),
                *("reason", "msg"),
            },
        )

    def test_attempts(self) -> None:
        """Another attempt and a test show."""
        _, found = read(written(alarm(is_test=True, state=AlarmState.BEGUN), attempt=2))
        self.assertEqual((found["gatewayAttempt"], found["gatewayTest"]), ("2", "true"))
        self.assertEqual(found["outcome"], "begun")

    def test_bound(self) -> None:
        """The least bound holds for the longest of everything, and shows."""
        worst = alarm(
            "\0" * 9000,
            "\0" * 9000,
            name="|" * 9000,
            id="i" * 200,
            is_test=True,
            values={f"n{number}": "\0" * 9000 for number in range(100)},
        )
        made = written(worst, most=1024)
        self.assertLessEqual(len(made.encode()), 1024)
        self.assertEqual(read(made)[1]["gatewayTruncated"], "true")


class JsonTests(SynchronousTestCase):
    """JSON."""

    def read(self, one: Alarm, *, most: int = 100_000) -> dict[str, Any]:
        """Write and read."""
        made = fitted(lambda room: records.message(one, notice(one), room), most)
        self.assertLessEqual(len(made), most)
        self.assertEqual(len(made.splitlines()), 1)
        found: dict[str, Any] = json.loads(made)
        return found

    def test_members(self) -> None:
        """Everything that is known of an alarm is there."""
        self.assertEqual(
            self.read(alarm("text", count=3, subjects={"192.0.2.7": 3}, url="http://a.example/")),
            {
                "version": 1,
                "id": "7f3a-1",
                "time": "2023-11-14T22:13:20.000000Z",
                "node": "gw1.example.com",
                "event": "file_refused",
                "state": "single",
                "severity": "warning",
                "group": "security",
                "title": "a file was refused",
                "subject": "192.0.2.7",
                "text": "text",
                "count": 3,
                "first": "2023-11-14T22:13:18.000000Z",
                "last": "2023-11-14T22:13:20.000000Z",
                "attempt": 1,
                "fields": {"url": "http://a.example/"},
                "subjects": {"192.0.2.7": 3},
            },
        )

    def test_any_character(self) -> None:
        """Line ends and what is not ASCII are escaped and come back."""
        self.assertEqual(self.read(alarm("a\n☃\u2028\x00"))["text"], "a\n☃\u2028\x00")

    def test_bound(self) -> None:
        """The least bound holds for the longest of everything, and shows."""
        values = {f"n{number}": "\0" * 9000 for number in range(100)}
        worst = alarm("\0" * 9000, "\0" * 9000, name="\0" * 9000, is_test=True, values=values)
        found = self.read(worst, most=1024)
        self.assertIs(found["truncated"], True)
        self.assertEqual(found["id"], "7f3a-1")


class RoomTests(SynchronousTestCase):
    """All formats."""

    def test_room(self) -> None:
        """A message without details still says what happened."""
        short = Room(16, has_details=False)
        made = alarm("something", url="http://a.example/")
        for write in (cef.message, records.message):
            self.assertIn(b"something", write(made, notice(made), short))
            self.assertNotIn(b"a.example", write(made, notice(made), short))
