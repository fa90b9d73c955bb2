"""
A real rsyslogd for live tests: it takes messages by UDP, TCP and TLS, reads them by its own parsers and writes down what it read.

Each message becomes one line of JSON with the structured data as rsyslog's C{mmpstrucdata} understands it. Everything of it is in
one folder that ends with the test.
"""

from __future__ import annotations

import contextlib
import json
import socket
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.live.processes import PATIENCE, Program, free_port, program_path, short_folder, until
from tests.live.tls_peers import roots_in, written
from tests.unit.net.certificates import Made

_CONFIG = """
global(workDirectory="$folder" maxMessageSize="64k" $global)
module(load="mmpstrucdata")
module(load="imudp")
module(load="imtcp" $streams)
template(name="whole" type="list") { property(name="jsonmesg") constant(value="\\n") }
ruleset(name="all") {
    action(type="mmpstrucdata" jsonRoot="$$!sd")
    action(type="omfile" file="$folder/messages" template="whole" fileCreateMode="0644")
}
$inputs
"""


class Rsyslog:
    """
    A running rsyslogd.

    @ivar udp: its port for datagrams.
    @ivar tcp: its port for streams; by TLS if it was given a certificate.
    """

    def __init__(
        self,
        test: SynchronousTestCase,
        *,
        certificate: Made | None = None,
        clients: Made | None = None,
        peers: tuple[str, ...] = (),
    ) -> None:
        """
        Start it and wait until it listens.

        @param certificate: what it shows by TLS.
        @param clients: who has to have signed its clients' certificates; C{None}: it wants none.
        @param peers: names of which one has to be in a client's certificate.
        """
        self._test = test
        self.folder = short_folder(test)
        self.udp, self.tcp = free_port(), free_port()
        self._files = self._secured(certificate, clients, peers)
        self._configure()
        self.start()

    def start(self) -> None:
        """Start it, again if it was stopped."""
        config = self.folder / "rsyslog.conf"
        self.program = Program(
            self._test,
            [
                *(program_path("rsyslogd"), "-n", "-f", str(config)),
                *("-i", str(self.folder / "pid")),
            ],
            folder=self.folder,
        )
        until(self._listens, what=f"the start of rsyslogd: {self.program.text[-1000:]}")

    def stop(self) -> None:
        """End it as a service manager would."""
        self.program.stop()

    def kill(self) -> None:
        """End it as a crash would."""
        self.program.kill()

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Give what it has read so far."""
        file = self.folder / "messages"
        if not file.exists():
            return []
        whole = file.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.tcp), 1):
            return True
        return False

    def _secured(
        self, certificate: Made | None, clients: Made | None, peers: tuple[str, ...]
    ) -> tuple[str, str]:
        if certificate is None:
            return "", ""
        pem = written(self.folder, certificate)
        ca = roots_in(self.folder, clients or certificate, name="clients.pem")
        mode = "anon" if clients is None else ("x509/name" if peers else "x509/certvalid")
        files = (
            f'defaultNetstreamDriverCAFile="{ca}" defaultNetstreamDriverCertFile="{pem}" '
            f'defaultNetstreamDriverKeyFile="{pem}"'
        )
        streams = f'streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="{mode}"'
        if peers:
            names = ", ".join(f'"{name}"' for name in peers)
            streams += f" permittedPeer=[{names}]"
        return files, streams

    def _configure(self) -> None:
        files, streams = self._files
        inputs = (
            f'input(type="imudp" address="127.0.0.1" port="{self.udp}" ruleset="all" rcvbufSize="4m")\n'
            f'input(type="imtcp" address="127.0.0.1" port="{self.tcp}" ruleset="all")'
        )
        text = _CONFIG.replace("$folder", str(self.folder)).replace("$$!", "$!")
        text = text.replace("$global", files).replace("$streams", streams)
        (self.folder / "rsyslog.conf").write_text(text.replace("$inputs", inputs))


def waited(rsyslog: Rsyslog, count: int) -> list[dict[str, Any]]:
    """Wait, blocking, until so many messages were read, and give them."""
    until(lambda: len(rsyslog.messages) >= count, PATIENCE, f"message {count}")
    return rsyslog.messages
