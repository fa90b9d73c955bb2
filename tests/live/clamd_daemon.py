"""
A real clamd for live tests and benchmarks, ready in about a second: its own configuration, and signatures that are made here.

There is no pattern of anybody else: the EICAR test file and L{MARKER}, which can be put into any content, are what it finds.
Neither stands in the tree as it is looked for: both are put together when they are needed. Everything of it is in one
folder; that of a test ends with the test.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import struct
from collections.abc import Mapping
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.live.processes import PATIENCE, Program, free_port, program_path, short_folder, until

#: What L{Clamd} finds anywhere in any content, and by which name.
MARKER = b"-".join((b"GWTEST", b"MALWARE", b"MARKER"))
MARKER_NAME = "GWTest.Marker.UNOFFICIAL"
EICAR_NAME = "GWTest.Eicar.UNOFFICIAL"

_CONFIG = "clamd.conf"
_SOCKET = "clamd.sock"

#: What Debian's package writes, as far as it matters to scans; nothing is said of what goes beyond a limit.
DEBIAN: Mapping[str, object] = {
    "MaxScanSize": "100M",
    "MaxFileSize": "25M",
    "MaxRecursion": 16,
    "StreamMaxLength": "25M",
    "AlertExceedsMax": False,
}


def eicar() -> bytes:
    """Give the harmless file that every scanner knows; put together here, so that none finds it in the tree."""
    head = b"X5O!P%@AP[4" + b"\\" + b"PZX54(P^)7CC)7}$"
    return b"-".join((head + b"EICAR", b"STANDARD", b"ANTIVIRUS", b"TEST", b"FILE!$H+H*"))


def prepare(folder: Path, port: int = 0, **options: object) -> None:
    """
    Write the configuration and the signatures of a clamd.

    @param port: for TCP on loopback; 0: none.
    @param options: of F{clamd.conf}, in place of those here, such as C{MaxFileSize="25M"}; C{None} leaves one out, and a
        truth value is written as C{yes} or C{no}.
    """
    for name in ("db", "tmp"):
        (folder / name).mkdir()
    write_signatures(folder)
    settings: dict[str, object] = {
        "Foreground": True,
        "DatabaseDirectory": folder / "db",
        "OfficialDatabaseOnly": False,
        "TemporaryDirectory": folder / "tmp",
        "LocalSocket": folder / _SOCKET,
        "LogFile": folder / "clamd.log",
        "LogTime": True,
        "LogClean": True,
        "MaxThreads": 4,
        "StreamMaxLength": "100M",
        "MaxScanSize": "200M",
        "MaxFileSize": "100M",
        "MaxRecursion": 17,
        "AlertExceedsMax": True,
        "AlertEncrypted": True,
        "SelfCheck": 3600,
        "ConcurrentDatabaseReload": True,
    }
    if port:
        settings |= {"TCPSocket": port, "TCPAddr": "127.0.0.1"}
    settings |= options
    lines = [f"{name} {_value(value)}" for name, value in settings.items() if value is not None]
    (folder / _CONFIG).write_text("\n".join(lines) + "\n")


def write_signatures(folder: Path, **more: bytes) -> None:
    """
    Write the signatures; a clamd that runs has to be told by L{Clamd.reload}.

    @param more: further ones: what is to be found anywhere, by its name.
    """
    test = eicar()
    patterns = {"GWTest.Marker": MARKER, **more}
    lines = [f"GWTest.Eicar:0:0:{test.hex()}"]
    lines += [f"{name}:0:*:{pattern.hex()}" for name, pattern in patterns.items()]
    digest = hashlib.md5(test, usedforsecurity=False).hexdigest()
    (folder / "db" / "local.hdb").write_text(f"{digest}:{len(test)}:GWTest.Eicar\n")
    (folder / "db" / "local.ndb").write_text("\n".join(lines) + "\n")


def command(folder: Path) -> list[str]:
    """Give what starts a clamd that was prepared."""
    return [program_path("clamd"), "-c", str(folder / _CONFIG)]


def asked(path: Path, order: str, seconds: float = PATIENCE) -> str:
    """
    Give a clamd an order that takes no content, such as C{PING}, on a connection of its own.

    @return: the answer; empty if it closes without one.
    @raise OSError: it does not listen, or is silent for so long.
    """
    with socket.socket(socket.AF_UNIX) as to:
        to.settimeout(seconds)
        to.connect(str(path))
        to.sendall(b"z" + order.encode() + b"\0")
        return _all(to)


def scanned(path: Path, content: bytes, seconds: float = PATIENCE) -> str:
    """Have a clamd scan content, without the gateway, and give its answer such as C{stream: OK}."""
    with socket.socket(socket.AF_UNIX) as to:
        to.settimeout(seconds)
        to.connect(str(path))
        to.sendall(b"zINSTREAM\0" + struct.pack(">I", len(content)) + content + bytes(4))
        return _all(to)


class Clamd:
    """
    A running clamd.

    @ivar folder: where everything of it is; the path of a unix socket in it is short enough.
    @ivar socket: path of its unix socket.
    @ivar port: of TCP on loopback; 0: none.
    @ivar unix: its address, as the plugin's settings take it; C{tcp} likewise.
    """

    def __init__(
        self, test: SynchronousTestCase, *, port: int | None = 0, **options: object
    ) -> None:
        """
        Make it, start it and wait until it answers.

        @param port: for TCP; 0: none; C{None}: a free one.
        @param options: as of L{prepare}.
        """
        self._test = test
        self.folder = short_folder(test)
        self.socket = Path(str(options.get("LocalSocket", self.folder / _SOCKET)))
        self.port = free_port() if port is None else port
        self.unix = f"unix:{self.socket}"
        self.tcp = f"tcp:127.0.0.1:{self.port}"
        prepare(self.folder, self.port, **options)
        self.start()

    @property
    def pid(self) -> int:
        """Give its process id."""
        return self.program.pid

    @property
    def log(self) -> str:
        """Give what it wrote into its log."""
        file = self.folder / "clamd.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def start(self) -> None:
        """Start it, again if it was stopped, and wait until it answers."""
        self.program = Program(self._test, command(self.folder), folder=self.folder)
        try:
            until(self.answers, what="clamd's first answer")
        except AssertionError:
            raise AssertionError(f"clamd does not start: {self.program.text[-2000:]}") from None

    def answers(self) -> bool:
        """Tell whether it answers a ping within a second."""
        with contextlib.suppress(OSError):
            return asked(self.socket, "PING", 1.0) == "PONG"
        return False

    def stop(self) -> None:
        """End it as a service manager would."""
        self.program.stop()

    def kill(self) -> None:
        """End it as a crash would; its socket stays where it is."""
        self.program.kill()

    def signal(self, number: int) -> None:
        """Send it a signal: C{SIGSTOP} hangs it, C{SIGCONT} lets it go on."""
        os.kill(self.pid, number)

    def reload(self, **more: bytes) -> None:
        """
        Give it more signatures and wait until it has them.

        @param more: as of L{write_signatures}.
        """
        write_signatures(self.folder, **more)
        before = self.log.count("Activating the newly loaded database")
        asked(self.socket, "RELOAD")
        until(
            lambda: self.log.count("Activating the newly loaded database") > before,
            what="the reload of clamd",
        )


def _all(to: socket.socket) -> str:
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := to.recv(4096):
            parts.append(part)
    return b"".join(parts).decode(errors="replace").rstrip("\0\n")


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
