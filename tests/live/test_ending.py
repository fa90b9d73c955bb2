"""The end of a real process, as the next one knows it: killed, stopped, cut short, handed over; and two real nodes."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.live.peers import Origin, connected
from tests.live.processes import FORWARD, PATIENCE, Gateway, made_folder, until

STATE = """
[gateway]
state = "$state"
[notify]
planned_stop = $planned
[timeouts]
drain = "60s"
"""

SYSLOG = """
[plugins]
enabled = ["syslog"]
[plugins.syslog]
to = [{ address = "127.0.0.1:$receiver", transport = "udp" }]
"""


class EndingTests(SynchronousTestCase):
    """One gateway after the other with one folder for state."""

    def setUp(self) -> None:
        """Make the folder."""
        self.state = made_folder(self) / "state"
        self.state.mkdir()

    def gateway(self, before: Gateway | None = None, *, planned: bool = False) -> Gateway:
        """Start one, and wait until it has said what it has to say about the one before."""
        return Gateway(
            self,
            FORWARD + STATE,
            instead_of=before,
            state=self.state,
            planned=str(planned).lower(),
        )

    def events(self, gateway: Gateway) -> list[str]:
        """Give the names of the events in its log, in their order."""
        lines = [line for line in gateway.text.splitlines() if "] event " in line]
        return [line.split("] event ")[1].split()[0] for line in lines]

    @property
    def markers(self) -> list[Path]:
        """The markers of processes."""
        return sorted(self.state.glob("running-*"))

    def test_killed(self) -> None:
        """After a kill -9 the next start says so, first of all, and the one after that does not."""
        first = self.gateway()
        said = json.loads(self.markers[0].read_text())
        self.assertEqual((said["pid"], len(self.markers)), (first.pid, 1))
        self.assertEqual(os.stat(self.markers[0]).st_mode & 0o777, 0o600)
        first.kill()
        second = self.gateway(first)
        self.assertEqual(self.events(second)[:1], ["abnormal_restart"])
        self.assertRegex(
            second.text,
            rf"event abnormal_restart gateway: process {first.pid}, which served since 20\d\d-.*, had ended without "
            "being stopped",
        )
        second.signal(signal.SIGTERM)
        self.assertEqual(second.ended(), 0)
        self.assertEqual(self.markers, [])
        third = self.gateway(second)
        self.assertEqual(self.events(third), [])

    def test_stopped(self) -> None:
        """A planned stop is told by nobody: neither by the process that stops nor by the next one."""
        first = self.gateway()
        first.signal(signal.SIGTERM)
        self.assertEqual(first.ended(), 0)
        second = self.gateway(first)
        self.assertEqual((self.events(first), self.events(second)), ([], []))

    def test_stopped_and_told(self) -> None:
        """With notify.planned_stop both are told."""
        first = self.gateway(planned=True)
        first.signal(signal.SIGTERM)
        self.assertEqual(first.ended(), 0)
        self.assertEqual(self.events(first), ["planned_start", "planned_stop"])

    def test_cut_short(self) -> None:
        """One that is killed while it drains was stopped all the same, and that it was cut short is in the log."""
        origin = Origin(self)
        first = self.gateway()
        client = connected(self, first.forward)
        client.send(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % origin.port)
        self.assertEqual(client.answer("CONNECT").status, 200)
        first.signal(signal.SIGTERM)
        until(lambda: first.asked("/readyz")[0] == 503, what="the drain")
        first.kill()
        second = self.gateway(first)
        self.assertEqual(self.events(second), ["stop_cut_short"])

    def test_two_at_once(self) -> None:
        """A process that starts beside one that runs does not take it for dead, nor the other way round."""
        first, second = self.gateway(), self.gateway()
        self.assertEqual((self.events(second), len(self.markers)), ([], 2))
        first.signal(signal.SIGTERM)
        self.assertEqual(first.ended(), 0)
        third = self.gateway(first)
        self.assertEqual(self.events(third), [])
        third.kill()
        fourth = self.gateway(third)
        self.assertEqual(self.events(fourth), ["abnormal_restart"])
        self.assertEqual(len(self.markers), 2)

    def test_by_a_channel(self) -> None:
        """A channel tells of the kill -9 and not of the planned stop, nor of the start after it."""
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(receiver.close)
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(PATIENCE)

        def gateway(before: Gateway | None = None) -> Gateway:
            return Gateway(
                self,
                FORWARD + STATE + SYSLOG,
                instead_of=before,
                state=self.state,
                planned="false",
                receiver=receiver.getsockname()[1],
            )

        first = gateway()
        first.kill()
        second = gateway(first)
        self.assertIn(b"abnormal_restart", receiver.recv(65536))
        second.signal(signal.SIGTERM)
        self.assertEqual(second.ended(), 0)
        third = gateway(second)
        third.kill()
        fourth = gateway(third)
        # Datagrams keep their order on one machine: nothing came before this one.
        self.assertIn(f"process {third.pid},".encode(), receiver.recv(65536))
        self.assertTrue(fourth.running)

    def test_failed_start(self) -> None:
        """A start that fails tells nothing and leaves what the next one has to tell."""
        first = self.gateway()
        first.kill()
        holder = Gateway(self, FORWARD, instead_of=first)
        failed = Gateway(
            self, FORWARD + STATE, ready=False, instead_of=first, state=self.state, planned="false"
        )
        self.assertEqual(failed.ended(), 1)
        self.assertNotIn("abnormal_restart", failed.text)
        holder.kill()
        last = self.gateway(first)
        self.assertEqual(self.events(last), ["abnormal_restart"])


class ClusterTests(SynchronousTestCase):
    """Nodes of a cluster."""

    def node(self, shared: str) -> Gateway:
        """Start a node: what is shared is in one file, and what is its own in another."""
        node = Gateway(self, FORWARD, ready=False)
        node.kill()
        own = node.config.with_name("node.toml")
        own.write_text(node.config.read_text())
        return Gateway(self, shared, instead_of=node)

    def test_hashes(self) -> None:
        """Nodes with equal files tell equal hashes, whatever their own node.toml says; without a cluster nothing is told."""
        shared = (
            '[cluster]\npeers = ["http://127.0.0.1:9"]\n[limits]\nfields = %d\n[log]\n[admin]\n'
        )
        hashes = []
        for fields in (200, 200, 150):
            status, text = self.node(shared % fields).asked("/config-hash")
            self.assertEqual(status, 200)
            hashes.append(json.loads(text)["config"])
        self.assertEqual(hashes[0], hashes[1])
        self.assertNotEqual(hashes[0], hashes[2])
        self.assertEqual(self.node("[log]\n[admin]\n").asked("/config-hash")[0], 404)
