"""The gateway under a service manager: sockets that are passed to it, word of its state, and an account of its own."""

from __future__ import annotations

import os
import pwd
import re
import signal
import socket
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.live.peers import Origin, Stream, connected
from tests.live.processes import FORWARD, Gateway, Program, free_port, short_folder, until

SITE = """
[[site]]
listen = [$listen]
origins = ["http://127.0.0.1:$origin"]
"""

GET = b"GET /hello HTTP/1.1\r\nHost: www.example.com\r\n\r\n"

#: Does what a service manager does between fork and exec, for it knows the process's id only then.
WITH_ID = ("/bin/sh", "-c", 'LISTEN_PID=$$ exec "$0" "$@"')


class ActivationTests(SynchronousTestCase):
    """Socket activation (sd_listen_fds(3))."""

    def test_sockets(self) -> None:
        """Sockets that were listened on before the gateway ran are served: what waited, IPv4, IPv6 and unix."""
        origin = Origin(self)
        path = short_folder(self) / "s"
        made = [
            socket.create_server(("127.0.0.1", 0)),
            socket.create_server(("::1", 0), family=socket.AF_INET6),
            socket.socket(socket.AF_UNIX),
        ]
        made[2].bind(str(path))
        made[2].listen()
        for each in made:
            self.addCleanup(each.close)
        waiting = connected(self, made[0].getsockname()[1])
        waiting.send(GET)

        def pass_on() -> None:
            # First away from the numbers they will have.
            high = [os.dup2(each.fileno(), 100 + number) for number, each in enumerate(made)]
            for number, descriptor in enumerate(high):
                os.dup2(descriptor, 3 + number)

        gateway = Gateway(
            self,
            SITE,
            listen='"systemd:0", "systemd:1", "systemd:2"',
            origin=origin.port,
            through=WITH_ID,
            environment={"LISTEN_FDS": str(len(made))},
            prepare=pass_on,
            keep=(3, 4, 5),
        )
        self.assertIn(f"reverse proxy on 127.0.0.1:{made[0].getsockname()[1]}", gateway.text)
        self.assertEqual(waiting.answer().content, b"origin")
        six = Stream(socket.create_connection(made[1].getsockname()[:2]))
        unix = Stream(socket.socket(socket.AF_UNIX))
        unix.socket.connect(str(path))
        for client in (six, unix):
            client.send(GET)
            self.assertEqual(client.answer().content, b"origin")
            client.close()
        self.assertEqual([line["client"] for line in gateway.lines(3)], ["127.0.0.1", "::1", None])
        gateway.signal(signal.SIGTERM)
        self.assertEqual(gateway.ended(), 0)
        # The socket is the service manager's: it stays, and whoever connects waits for the next start.
        connected(self, made[0].getsockname()[1])
        with socket.socket(socket.AF_UNIX) as waiting_on:
            waiting_on.connect(str(path))

    def test_sockets_for_another(self) -> None:
        """Sockets that are meant for another process are left alone."""
        gateway = Gateway(
            self,
            SITE,
            listen='"systemd:0"',
            origin=1,
            ready=False,
            environment={"LISTEN_FDS": "1", "LISTEN_PID": "1"},
        )
        self.assertEqual(gateway.ended(), 1)
        self.assertIn("systemd passed 0 sockets to this process", gateway.text)


class NotifyTests(SynchronousTestCase):
    """What the service manager is told (sd_notify(3))."""

    def test_states(self) -> None:
        """Ready when it serves, alive in between, stopping at once when told to."""
        path = short_folder(self) / "notify"
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(manager.close)
        manager.bind(str(path))
        manager.settimeout(10)
        environment = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "600000"}
        gateway = Gateway(self, FORWARD, ready=False, environment=environment)
        first = manager.recv(4096).decode().split("\n")
        self.assertEqual(first[0], "READY=1")
        self.assertRegex(first[1], r"^STATUS=gateway \d+\.\d+\.\d+ serves$")
        # Who is told it is ready may send traffic.
        connected(self, gateway.forward).close()
        for _ in range(3):
            self.assertEqual(manager.recv(4096), b"WATCHDOG=1")
        gateway.signal(signal.SIGTERM)
        until(lambda: manager.recv(4096) == b"STOPPING=1")
        self.assertEqual(gateway.ended(), 0)

    def test_failed_start(self) -> None:
        """Whoever fails to start is never ready."""
        path = short_folder(self) / "notify"
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(manager.close)
        manager.bind(str(path))
        manager.setblocking(False)
        config = 'forward.listen = ["192.0.2.1:$forward"]'
        gateway = Gateway(self, config, ready=False, environment={"NOTIFY_SOCKET": str(path)})
        self.assertEqual(gateway.ended(), 1)
        self.assertRaises(BlockingIOError, manager.recv, 4096)


class AccountTests(SynchronousTestCase):
    """C{gateway.user}."""

    def test_user(self) -> None:
        """
        Root binds a low port and then is root no more, with no group left over; it serves, and goes on in a new log.

        Anybody else is told why that can't be.
        """
        config = SITE + '[gateway]\nuser = "nobody"\n'
        if os.geteuid() != 0:
            gateway = Gateway(self, config, listen='"127.0.0.1:$reverse"', origin=1, ready=False)
            self.assertEqual(gateway.ended(), 1)
            self.assertIn("only root can become another user", gateway.text)
            return
        origin = Origin(self)
        nobody = pwd.getpwnam("nobody")
        folder = short_folder(self)
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        low = low_port()
        log = folder / "access.log"
        gateway = Gateway(
            self,
            config + '[log]\naccess = { path = "$own", format = "json" }\n',
            listen=f'"127.0.0.1:{low}"',
            origin=origin.port,
            own=log,
        )
        status = self.status(gateway)
        self.assertEqual(set(status["Uid"]), {str(nobody.pw_uid)})
        self.assertEqual(set(status["Gid"]), {str(nobody.pw_gid)})
        self.assertEqual(set(status["Groups"]), {str(nobody.pw_gid)})
        self.assertEqual(set(status["CapEff"]), {"0" * 16})
        client = connected(self, low)
        client.send(GET)
        self.assertEqual(client.answer().content, b"origin")
        until(lambda: log.exists() and log.read_text())
        log.rename(folder / "access.log.1")
        gateway.signal(signal.SIGUSR1)
        client.send(GET)
        self.assertEqual(client.answer().content, b"origin")
        until(lambda: log.exists() and log.read_text().count("\n") == 1)
        self.assertEqual(log.stat().st_uid, nobody.pw_uid)
        gateway.signal(signal.SIGTERM)
        self.assertEqual(gateway.ended(), 0)

    def status(self, program: Program) -> dict[str, list[str]]:
        """Give what the kernel says of a process."""
        text = Path(f"/proc/{program.pid}/status").read_text()
        return {name: value.split() for name, value in re.findall(r"(?m)^(\w+):\s*(.*)$", text)}


def low_port() -> int:
    """Give a port that only root may listen on."""
    for port in range(1023, 900, -1):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    return free_port()
