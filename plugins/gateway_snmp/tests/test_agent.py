"""Tests of the agent that snmpd runs, and of what it reads."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.settings import BadValue
from gateway_snmp.agent import AWAY_SECONDS, GOOD_SECONDS, Agent, row_index, run, serve, values
from gateway_snmp.reader import NoNumbers, Samples, config_hash, fetch, parse
from gateway_snmp.settings import Address
from gateway_snmp.tree import STATE_OBJECTS, oid_text

BASE = (1, 3, 6, 1, 4, 1, 99999)
STATE = f".{oid_text(BASE)}.1.2"
METRICS = r"""# HELP gateway_info The gateway.
# TYPE gateway_info gauge
gateway_info{version="1.2.3"} 1.0
# TYPE gateway_start_time_seconds gauge
gateway_start_time_seconds 1000.5
# TYPE gateway_requests_total counter
gateway_requests_total{mode="forward",status="2xx"} 7.0
gateway_requests_total{mode="reverse",status="none"} 5.0
# TYPE gateway_tunnels_open gauge
gateway_cpu_seconds_total{kind="user"} 1.25
gateway_cpu_seconds_total{kind="system"} 0.5
gateway_resident_memory_bytes 5.24288e+07
gateway_reactor_lag_max_seconds 0.0123
gateway_scan_messages_total{result="infected",side="response"} 3.0
gateway_scan_messages_total{result="infected",side="request"} 1.0
gateway_scan_messages_total{result="clean",side="response"} 99.0
gateway_alarm_sent_total{channel="snmp/10.0.0.9:162"} 4.0
gateway_alarm_queued{channel="snmp/10.0.0.9:162"} 2.0
gateway_alarm_queued{channel="a \"b\\c\nd"} 0.0
gateway_open_fds NaN
gateway_sent nonsense
no sample at all
"""


class ValueTests(SynchronousTestCase):
    """Metrics as values of the MIB."""

    def values(self, samples: Samples | None) -> dict[str, tuple[str, str]]:
        """Give them by the ends of their OIDs."""
        return {
            oid_text(oid[len(BASE) :]): value
            for oid, value in values(samples, BASE, 2000.0).items()
        }

    def test_values(self) -> None:
        """Samples are summed up, scaled and typed; what is declared and not counted yet is 0."""
        found = self.values(replace(parse(METRICS), config_hash="abc"))
        for number, value in {
            1: ("integer", "1"),
            2: ("string", "1.2.3"),
            3: ("timeticks", "99950"),
            4: ("counter64", "12"),
            6: ("gauge", "0"),
            9: ("counter64", "175"),
            10: ("gauge", "51200"),
            12: ("gauge", "12"),
            13: ("counter64", "3"),
            14: ("counter64", "1"),
            17: ("string", "abc"),
        }.items():
            self.assertEqual(found[f"1.2.{number}.0"], value)
        for number in (5, 11, 15):
            self.assertNotIn(f"1.2.{number}.0", found)

    def test_channels(self) -> None:
        """Each channel has a row whose index follows from its name."""
        found = self.values(parse(METRICS))
        row = row_index("snmp/10.0.0.9:162")
        self.assertEqual(found[f"1.3.1.1.2.{row}"], ("string", "snmp/10.0.0.9:162"))
        self.assertEqual(found[f"1.3.1.1.3.{row}"], ("counter64", "4"))
        self.assertEqual(found[f"1.3.1.1.5.{row}"], ("gauge", "2"))
        odd = row_index('a "b\\c\nd')
        self.assertEqual(found[f"1.3.1.1.2.{odd}"], ("string", 'a "b\\c d'))

    def test_nothing(self) -> None:
        """Of a gateway that does not answer it is only known that it does not."""
        self.assertEqual(self.values(None), {"1.2.1.0": ("integer", "2")})
        self.assertEqual(self.values(parse("")), {"1.2.1.0": ("integer", "1")})

    def test_documented(self) -> None:
        """Each object is a metric, or one of those that are known here by name."""
        named = {one.name for one in STATE_OBJECTS if not one.metric}
        self.assertEqual(named, {"gwRunning", "gwVersion", "gwConfigHash"})


class AgentTests(SynchronousTestCase):
    """The conversation with snmpd."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.asked = 0
        self.text: str | None = METRICS
        self.agent = Agent(self._read, BASE, now=lambda: 2000.0, seconds=self.clock.seconds)

    def _read(self) -> Samples:
        self.asked += 1
        if self.text is None:
            raise NoNumbers("nobody answers")
        return parse(self.text)

    def said(self, *lines: str) -> list[str]:
        """Give the agent's answers to lines."""
        answers = io.StringIO()
        serve(self.agent, io.StringIO("".join(f"{line}\n" for line in lines)), answers)
        return answers.getvalue().splitlines()

    def test_lines(self) -> None:
        """Each request of pass_persist is answered as snmpd.conf(5) says."""
        self.assertEqual(self.said("PING"), ["PONG"])
        self.assertEqual(self.said("get", f"{STATE}.4.0"), [f"{STATE}.4.0", "counter64", "12"])
        self.assertEqual(self.said("getnext", STATE), [f"{STATE}.1.0", "integer", "1"])
        self.assertEqual(self.said("getnext", f"{STATE}.4.0")[0], f"{STATE}.6.0")
        self.assertEqual(self.said("set", f"{STATE}.4.0", "integer 5"), ["not-writable"])
        for line in ("", "1.2.x", f"{STATE}.4", f"{STATE}.99.0", "1..3", "²", "9" * 5000):
            self.assertEqual(self.said("get", line)[:1], ["NONE"])
        self.assertEqual(self.said("getnext", ".1.4"), ["NONE"])
        self.assertEqual(self.said("nonsense"), ["NONE"])
        self.assertEqual(self.said("PING", "", "PING"), ["PONG"])
        self.assertEqual(self.said("get"), ["NONE"])

    def test_walk(self) -> None:
        """A walk comes by every value, in the order of OIDs, and ends."""
        at, walked = f".{oid_text(BASE)}", []
        while (answer := self.said("getnext", at)) != ["NONE"]:
            at = answer[0]
            walked.append(tuple(map(int, at[1:].split("."))))
        self.assertEqual(walked, sorted(values(parse(METRICS), BASE, 2000.0)))

    def test_asked_seldom(self) -> None:
        """The gateway is asked once for all that is asked within a moment."""
        for _ in range(5):
            self.said("getnext", STATE)
        self.assertEqual(self.asked, 1)
        self.clock.advance(GOOD_SECONDS + 0.1)
        self.said("get", f"{STATE}.1.0")
        self.assertEqual(self.asked, 2)

    def test_away(self) -> None:
        """A gateway that does not answer is left alone for a time, so that snmpd does not wait again and again."""
        self.text = None
        for _ in range(3):
            self.assertEqual(self.said("get", f"{STATE}.1.0")[2], "2")
            self.assertEqual(self.said("get", f"{STATE}.4.0"), ["NONE"])
        self.assertEqual(self.asked, 1)
        self.text = METRICS
        self.clock.advance(AWAY_SECONDS + 0.1)
        self.assertEqual(self.said("get", f"{STATE}.1.0")[2], "1")

    def test_options(self) -> None:
        """What the command line says is checked before snmpd asks anything."""
        for metrics, base in (("", "1.3.6.1.4.1.1"), ("127.0.0.1:1", "1.3")):
            self.assertRaises(BadValue, run, metrics, base, io.StringIO(), io.StringIO())
        answers = io.StringIO()
        run("127.0.0.1:1", "1.3.6.1.4.1.1", io.StringIO("PING\n"), answers)
        self.assertEqual(answers.getvalue(), "PONG\n")


class FetchTests(SynchronousTestCase):
    """Asking the health listener."""

    def server(self, answer: Callable[[socket.socket], object]) -> Address:
        """Listen for one connection, read a request from it and have it answered in a thread."""
        listening = socket.create_server(("127.0.0.1", 0))

        def serve_one() -> None:
            connection, _ = listening.accept()
            with connection:
                self.request = connection.recv(4096)
                answer(connection)

        thread = threading.Thread(target=serve_one, daemon=True)
        thread.start()
        self.addCleanup(thread.join, 5)
        self.addCleanup(listening.close)
        return Address("127.0.0.1", listening.getsockname()[1])

    def test_fetched(self) -> None:
        """Numbers are asked for with HTTP/1.0, so that they come as they are."""
        head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"
        where = self.server(lambda to: to.sendall((head + METRICS).encode()))
        self.assertEqual(fetch(where, 5.0).total("gateway_requests_total"), 12)
        self.assertTrue(self.request.startswith(b"GET /metrics HTTP/1.0\r\n"))

    def test_not_there(self) -> None:
        """Whatever is no answer with numbers is told as that."""
        for answer in (
            b"HTTP/1.1 404 Not Found\r\n\r\n",
            b"",
            b"nonsense",
        ):
            where = self.server(partial(_say, answer))
            self.assertRaises(NoNumbers, fetch, where, 5.0)
        self.assertRaises(NoNumbers, fetch, Address("127.0.0.1", 1), 5.0)

    def test_slow(self) -> None:
        """One that says a little now and then is not listened to for ever."""
        done = threading.Event()

        def trickle(to: socket.socket) -> None:
            while not done.wait(0.05):
                to.sendall(b"H")

        where = self.server(trickle)
        self.addCleanup(done.set)
        began = time.monotonic()
        self.assertRaises(NoNumbers, fetch, where, 0.3)
        self.assertLess(time.monotonic() - began, 2.0)

    def test_hash(self) -> None:
        """The hash of the configuration is there in a cluster alone; anything else is no hash."""
        for content, expected in (
            (b'{"config": "abc", "node": "a"}', "abc"),
            (b'{"config": 5}', ""),
            (b"[]", ""),
            (b"nonsense", ""),
        ):
            where = self.server(partial(_say, b"HTTP/1.1 200 OK\r\n\r\n" + content))
            self.assertEqual(config_hash(where, 5.0), expected)
        self.assertEqual(config_hash(Address("127.0.0.1", 1), 5.0), "")


def _say(answer: bytes, to: socket.socket) -> None:
    to.sendall(answer)
