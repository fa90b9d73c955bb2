"""
The scanners behind the proxies: clamd for all of them, and the ICAP server that Squid asks.

clamd has the few signatures of the live tests, so that it is quick to start and nothing has to be fetched. With the usual eight
million it takes longer for each content, for everybody alike.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.peers import HERE, Ports, fill, words_for
from benchmarks.programs import Program, find
from tests.live import clamd_daemon

INSTALL = "apt-get install clamav-daemon c-icap libc-icap-mod-virus-scan"

#: Its own memory of clean contents is off: who works second would profit from who worked first.
OPTIONS = {
    "MaxThreads": 8,
    "MaxQueue": 64,
    "StreamMaxLength": "400M",
    "MaxFileSize": "400M",
    "MaxScanSize": "400M",
    "DisableCache": True,
    "LogClean": False,
}


def start_clamd(ports: Ports, cores: frozenset[int], state: Path) -> Program:
    """
    Start clamd and wait until it listens.

    @raise LookupError: it is not installed.
    """
    if find("clamd") is None:
        raise LookupError(f"the scanner is clamd: {INSTALL}")
    state.mkdir(parents=True)
    # It may change to a user of its own.
    state.chmod(0o777)
    ports.clamd_socket.unlink(missing_ok=True)
    clamd_daemon.prepare(state, ports.clamd, LocalSocket=ports.clamd_socket, **OPTIONS)
    program = Program.start(
        "clamd", clamd_daemon.command(state), cores=cores, output=state / "output.log"
    )
    program.wait_ready(ports.clamd)
    return program


def start_c_icap(ports: Ports, cores: frozenset[int], state: Path) -> Program:
    """
    Start the ICAP server and wait until it listens; clamd must be up.

    @raise LookupError: it or its module for clamd is not installed.
    """
    server = find("c-icap")
    modules = next(Path("/usr/lib").glob("*/c_icap/virus_scan.so"), None)
    if server is None or modules is None:
        raise LookupError(f"the ICAP server is c-icap with its module for clamd: {INSTALL}")
    state.mkdir(parents=True)
    state.chmod(0o777)
    config = state / "c-icap.conf"
    words = {**words_for(ports, state), "MODULES": str(modules.parent)}
    config.write_text(fill((HERE / "c-icap.conf").read_text(), words))
    program = Program.start(
        "c-icap", [server, "-N", "-D", "-f", str(config)], cores=cores, output=state / "output.log"
    )
    program.wait_ready(ports.icap)
    return program
