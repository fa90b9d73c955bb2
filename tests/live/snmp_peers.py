"""
Net-SNMP's programs for live tests: a receiver of traps, an agent, and the command that asks it.

They know no MIB but ours: those of the IETF are not in Debian, and the names have to be known without them.
"""

from __future__ import annotations

import contextlib
import random
import re
import socket
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.live.processes import REPOSITORY, DidNotHappen, Program, program_path, until

MIB = REPOSITORY / "plugins" / "gateway_snmp" / "GATEWAY-MIB.txt"
#: What our MIB can't import is said on standard error; it changes nothing.
_QUIET = ("-M", str(MIB.parent), "-m", str(MIB))

COMMUNITY = "a community of tests"
USER, AUTH, PRIV = "gwtrap", "authpass1", "privpass1"


def free_udp_port() -> int:
    """Give a UDP port that nobody listens on."""
    for _ in range(200):
        port = random.randrange(10_000, 20_000)
        with contextlib.suppress(OSError), socket.socket(type=socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise DidNotHappen("no port is free")


class Snmptrapd:
    """
    A receiver of traps and informs.

    @ivar port: where it listens, on loopback.
    """

    def __init__(
        self,
        test: SynchronousTestCase,
        folder: Path,
        engine_id: str,
        *,
        aes: str = "AES",
        config: str = "",
    ) -> None:
        """
        Make it and start it.

        @param folder: where its files are; what it has to remember over a restart is there, too.
        @param engine_id: of the gateway, in hexadecimal digits: traps of version 3 are of its user.
        @param aes: how it calls the cipher of its user.
        @param config: the lines of its configuration, in place of those with L{USER} and L{COMMUNITY}.
        """
        self._test = test
        self._folder = folder
        self.port = free_udp_port()
        folder.mkdir(exist_ok=True)
        self._config = folder / "receiver.conf"
        self._config.write_text(
            config
            or f'authCommunity log "{COMMUNITY}"\n'
            f"createUser -e 0x{engine_id} {USER} SHA-256 {AUTH} {aes} {PRIV}\n"
            f"createUser {USER} SHA-256 {AUTH} {aes} {PRIV}\n"
            f"authUser log {USER} priv\n"
        )
        self._log = folder / "traps.txt"
        self.start()

    def start(self, memory: str = "memory") -> None:
        """
        Start it, again if it was stopped.

        @param memory: the folder with its engine id and how often it has started; another one makes it another engine.
        """
        starts = self.text.count("NET-SNMP version")
        self._program = Program(
            self._test,
            [
                program_path("snmptrapd"),
                *("-f", "-n", "-A", "-c", str(self._config)),
                *("-Lf", str(self._log), "-OQ", "-F", "%N|%W|%q|%V|%v\n", *_QUIET),
                f"udp:127.0.0.1:{self.port}",
            ],
            environment={
                "SNMP_PERSISTENT_DIR": str(self._folder / memory),
                "SNMPCONFPATH": str(self._folder / memory),
            },
        )
        until(
            lambda: self.text.count("NET-SNMP version") > starts,
            what=f"the start of snmptrapd: {self._program.text}",
        )

    def stop(self) -> None:
        """End it."""
        self._program.stop()

    @property
    def text(self) -> str:
        """Give all that it wrote."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def received(self) -> list[str]:
        """Give the lines with what it received and believed."""
        return [line for line in self.text.splitlines() if line.count("|") >= 4]

    def receives(self, count: int, seconds: float = 20.0) -> list[str]:
        """Wait until so many notifications have come."""
        until(lambda: len(self.received) >= count, seconds, f"notification {count}: {self.text}")
        return self.received


class Snmpd:
    """
    An agent that has a part of its tree from a program.

    @ivar port: where it listens, on loopback.
    """

    def __init__(
        self, test: SynchronousTestCase, folder: Path, config: str, community: str
    ) -> None:
        """
        Make it, start it and wait until it answers.

        @param config: the lines of its configuration.
        @param community: by which it is asked.
        """
        self.port = free_udp_port()
        self._folder = folder
        self._community = community
        (folder / "snmpd.conf").write_text(config)
        self.program = Program(
            test,
            [
                program_path("snmpd"),
                *("-f", "-C", "-c", str(folder / "snmpd.conf"), "-Lf", str(folder / "snmpd.txt")),
                *("-I", "-smux", f"udp:127.0.0.1:{self.port}"),
            ],
            environment={"SNMP_PERSISTENT_DIR": str(folder), "MIBS": ""},
        )
        log = folder / "snmpd.txt"
        until(
            lambda: log.exists() and "NET-SNMP version" in log.read_text(errors="replace"),
            what=f"the start of snmpd: {self.program.text}",
        )

    def ask(self, command: str, *names: str, options: str = "-OQ") -> str:
        """Ask it by C{snmpget}, C{snmpwalk} or the like, by the names of our MIB; give what that prints."""
        said = subprocess.run(
            [
                program_path(command),
                *("-v2c", "-c", self._community, "-t", "5", "-r", "1", options),
                *(*_QUIET, f"127.0.0.1:{self.port}", *names),
            ],
            check=False,
            capture_output=True,
            text=True,
            env={"SNMP_PERSISTENT_DIR": str(self._folder)},
        )
        return said.stdout + re.sub(r"(?m)^(Cannot find module|Did not find).*\n", "", said.stderr)
