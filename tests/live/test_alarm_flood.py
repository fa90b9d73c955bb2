"""
A flood of equal alarms: ten thousand infected downloads are one mail and two traps to a receiver, with every one counted.

What operators mean by a minute is C{notify.limit} here, shortened so that the test need not last one;
C{GATEWAY_FLOOD_SECONDS} says how far.
"""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.live.clamd_daemon import Clamd
from tests.live.mail_server import MailServer
from tests.live.processes import Gateway, made_folder, until
from tests.live.scan_peers import CONFIG, Store, bad
from tests.live.snmp_peers import COMMUNITY, Snmptrapd
from tests.live.tls_peers import commanded

DOWNLOADS = 10_000
CLIENTS = 8
ENGINE_ID = "8000000001020304"
#: The minute of this test, in seconds; 60 makes it a real one.
LIMIT = float(os.environ.get("GATEWAY_FLOOD_SECONDS", "25"))

ALARMS = """
[plugins.mail]
to = ["ops@example.com"]
server = "127.0.0.1:$mail"
security = "none"
[plugins.snmp]
engine_id = "$engine"
to = [{ address = "127.0.0.1:$traps", version = "2c", community = { file = "$secret" } }]
[notify]
limit = "${limit}s"
digest = "${limit}s"
[watch]
every = 0
"""


class FloodTests(SynchronousTestCase):
    """One URL that gives malware, asked for again and again."""

    def ask(self, port: int, times: int, statuses: list[bytes]) -> None:
        """Ask for it so often on one connection."""
        with socket.create_connection(("127.0.0.1", port), 20) as client:
            reading = client.makefile("rb")
            for _ in range(times):
                client.sendall(b"GET /a HTTP/1.1\r\nHost: files.example.com\r\n\r\n")
                status = reading.readline()
                length = 0
                while (line := reading.readline()) not in (b"\r\n", b""):
                    name, _, value = line.partition(b":")
                    if name.lower() == b"content-length":
                        length = int(value)
                reading.read(length)
                statuses.append(status.split()[1])

    def test_ten_thousand(self) -> None:
        """Within the limit there is one mail and one trap; at its end one more of each has the exact rest."""
        folder = made_folder(self)
        clamd = Clamd(self)
        store = Store(self, {"/a": bad(1000)})
        traps = Snmptrapd(self, folder / "snmp", ENGINE_ID)
        mails = MailServer(self, security="none", has_login=False)
        secret = folder / "community"
        secret.write_text(COMMUNITY)
        gateway = Gateway(
            self,
            CONFIG,
            enabled='"clamd", "mail", "snmp"',
            clamd=clamd.unix,
            origin=store.port,
            spool=made_folder(self),
            settings=ALARMS.replace("$mail", str(mails.port))
            .replace("$traps", str(traps.port))
            .replace("$secret", str(secret))
            .replace("${limit}", f"{LIMIT:g}")
            .replace("$engine", ENGINE_ID),
        )
        until(lambda: "ready" in gateway.asked("/readyz")[1], what="clamd is usable")
        statuses: list[bytes] = []
        begun = time.monotonic()
        clients = [
            threading.Thread(
                target=self.ask, args=(gateway.reverse, DOWNLOADS // CLIENTS, statuses)
            )
            for _ in range(CLIENTS)
        ]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        lasted = time.monotonic() - begun
        self.assertEqual(statuses, [b"403"] * DOWNLOADS)
        self.assertLess(lasted, LIMIT, "the machine is too slow for this test")
        self.assertEqual((len(mails.raw), len(traps.received)), (1, 1))
        until(lambda: len(mails.raw) >= 2 and len(traps.received) >= 2, 2 * LIMIT, "the rest")
        self.assertEqual((len(mails.raw), len(traps.received)), (2, 2))
        self.assertEqual(sum(map(self.counted, mails.mails())), DOWNLOADS)
        counts = [re.search(r"gwEventCount\.0 ?= ?(\d+)", line) for line in traps.received]
        self.assertEqual(sum(int(found[1]) if found else 0 for found in counts), DOWNLOADS)
        commanded(gateway, "event", "open")

    def counted(self, mail: Any) -> int:
        """Give how many events a mail says that it stands for."""
        text = mail.get_body(("plain",)).get_content()
        found = re.search(r"(?im)^\s*(?:times|count|how often)\D*([\d,]+)", text)
        assert found is not None, text
        return int(found[1].replace(",", ""))
