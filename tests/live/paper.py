"""
A channel for live tests, installed as any plugin is: it tells of each request for C{/tell/N}, and sends what there is to
send to a server of the test's.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.live.processes import made_folder

_SOURCE = '''
"""A channel that posts alarms as JSON."""
import json
from typing import ClassVar

from gateway.api import Block, Plugin, hookimpl
from gateway.api.alarms import ChannelRules, DeliveryFailed
from gateway.api.events import EventGroup, EventType, Notify, Severity

TOLD = EventType(
    name="paper_told",
    severity=Severity.ERROR,
    group=EventGroup.SECURITY,
    title="told",
    when="Each time.",
    act="Nothing.",
    owner="paper",
)


class Paper(Plugin):
    name = "paper"
    version = "1.0"
    event_types: ClassVar = (TOLD,)

    def __init__(self, settings, services):
        self._services = services
        rules = ChannelRules(
            # That a request was refused is told too, by the gateway.
            wants=lambda event: event.name != "policy_violation",
            default=Notify.ALWAYS,
            limit_seconds=0,
            most_together=1,
            timeout_seconds=5.0,
        )
        services.alarms.channel("press", self._send, rules)

    @hookimpl()
    def request_headers(self, txn):
        if "/tell/" in txn.request.url:
            number = txn.request.url.rpartition("/")[2]
            self._services.events(TOLD(f"number {number}", number))
            return Block("told")
        return None

    async def _send(self, notice):
        said = {
            "id": notice.id,
            "attempt": notice.attempt,
            "events": [alarm.event.name for alarm in notice.alarms],
            "subjects": [alarm.event.subject for alarm in notice.alarms],
        }
        answer = await self._services.http.request(
            "POST", "http://127.0.0.1:{port}/", content=json.dumps(said).encode()
        )
        if answer.status != 200:
            raise DeliveryFailed(f"status {answer.status}")
'''


def paper(test: SynchronousTestCase, port: int) -> dict[str, str]:
    """Install it, as C{paper}, sending to a port; gives the environment for a gateway that is to have it."""
    folder = made_folder(test)
    (folder / "paper.py").write_text(_SOURCE.replace("{port}", str(port)))
    info = folder / "paper-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: paper\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[gateway.plugins]\npaper = paper:Paper\n")
    return {"PYTHONPATH": str(folder)}


class Press:
    """
    The receiver: takes what the channel sends.

    @ivar got: what came and was taken, in order.
    @ivar silent: how many it takes without ever saying so; they are in C{got} too.
    """

    def __init__(
        self, test: SynchronousTestCase, port: int, *, silent: int = 0, seconds: float = 0.0
    ) -> None:
        """
        Listen.

        @param seconds: how long each answer takes.
        """
        self.got: list[dict[str, Any]] = []
        self.silent = silent
        self._over = threading.Event()
        press = self

        class Answering(BaseHTTPRequestHandler):
            """Takes one notice."""

            def do_POST(self) -> None:
                """Take it."""
                said = self.rfile.read(int(self.headers["Content-Length"]))
                press.got.append(json.loads(said))
                if press.silent:
                    press.silent -= 1
                    press._over.wait(30)
                    self.close_connection = True
                    return
                press._over.wait(seconds)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Answering)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        test.addCleanup(self.stop)

    def stop(self) -> None:
        """Be gone; twice is no fault."""
        if not self._over.is_set():
            self._over.set()
            self._server.shutdown()
            self._server.server_close()

    def subjects(self, event: str = "paper_told") -> list[str]:
        """What events of a name were about, in the order in which they came."""
        return [one["subjects"][0] for one in list(self.got) if event in one["events"]]

    @property
    def events(self) -> list[str]:
        """The names of all events, in order."""
        return [name for one in list(self.got) for name in one["events"]]
