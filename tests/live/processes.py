"""
Real programs for live tests: the gateway as C{twistd} runs it, and servers and proxies of others.

Everything here blocks, for what is tested runs in processes of its own. A program ends with the test that started it,
by its id. A program that is not installed fails the test: C{tools/debian-packages.txt} lists what there must be.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from string import Template
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from prometheus_client.parser import text_string_to_metric_families
from twisted.trial.unittest import SynchronousTestCase

import gateway

REPOSITORY = Path(gateway.__file__).parent.parent

#: What no wait of a test may outlast, in seconds.
PATIENCE = 20.0

FORWARD = """
[forward]
listen = ["127.0.0.1:$forward"]
allow_destinations = ["127.0.0.0/8"]
connect_ports = ["1-65535"]
"""

COMMON = {
    "[log]": '[log]\naccess = { path = "$log", format = "json" }\n',
    "[admin]": '[admin]\nhealth = "127.0.0.1:$health"\n',
}


class DidNotHappen(AssertionError):
    """What a test waited for did not come about in time."""


def until(condition: Callable[[], Any], seconds: float = PATIENCE, what: str = "it") -> Any:
    """
    Wait for a true value and give it.

    @raise DidNotHappen: it stays false for so many seconds.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise DidNotHappen(f"{what} did not happen within {seconds:g} s")
        time.sleep(0.02)
    return value


#: Ports that were given: each is given once, as whoever got it may not listen yet.
_given: set[int] = set()


def free_port() -> int:
    """Give a port that nobody listens on, from below the range that connections are given theirs from."""
    for _ in range(200):
        port = random.randrange(10_000, 20_000)
        if port in _given:
            continue
        _given.add(port)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise DidNotHappen("no port is free")


def program_path(name: str) -> str:
    """Give where a program is; Debian keeps servers out of the ordinary user's PATH."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")
    if found is None:
        raise AssertionError(
            f"{name} is not installed; tools/debian-packages.txt lists what the tests need"
        )
    return found


class Program:
    """
    One running program.

    @ivar command: what it was started by.
    @ivar folder: a place for its files; its output is in C{output} there.
    """

    def __init__(
        self,
        test: SynchronousTestCase,
        command: Sequence[str],
        *,
        folder: Path | None = None,
        environment: dict[str, str] | None = None,
        prepare: Callable[[], None] | None = None,
        keep: Sequence[int] = (),
    ) -> None:
        """
        Start it; it ends with the test.

        @param prepare: called in the new process before the program is there.
        @param keep: descriptors that it inherits.
        """
        self.test = test
        self.command = command
        self.folder = folder or made_folder(test)
        self._output = self.folder / "output"
        with self._output.open("wb") as sink:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **(environment or {})},
                preexec_fn=prepare,
                pass_fds=keep,
            )
        self.pid = self._process.pid
        self._gone = False
        test.addCleanup(self.stop)

    @property
    def text(self) -> str:
        """Give what it printed so far."""
        return self._output.read_text(errors="replace")

    @property
    def running(self) -> bool:
        """Tell whether it has not ended yet."""
        return self._process.poll() is None

    @property
    def rss(self) -> int:
        """Give its resident memory in bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.M)
        assert found is not None
        return int(found[1]) * 1024

    @property
    def descriptors(self) -> int:
        """Count its open descriptors."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def listens(self, *ports: int) -> None:
        """
        Wait until it accepts connections on these ports.

        @raise DidNotHappen: it ended or stays deaf; with what it printed.
        """
        for port in ports:
            deadline = time.monotonic() + PATIENCE
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                if not self.running or time.monotonic() > deadline:
                    raise DidNotHappen(f"nobody listens on {port}: {self.text[-2000:]}")
                time.sleep(0.02)

    def says(self, words: str, seconds: float = PATIENCE) -> str:
        """
        Wait until some words are in its output, and give the output.

        @raise DidNotHappen: it ended or stays silent; with what it printed.
        """
        deadline = time.monotonic() + seconds
        while True:
            # In this order: what it says at its very end counts.
            ends = not self.running or time.monotonic() > deadline
            if words in (text := self.text):
                return text
            if ends:
                raise DidNotHappen(f"{words!r} was not said: {text[-2000:]}")
            time.sleep(0.02)

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def ended(self, seconds: float = PATIENCE) -> int:
        """Wait for its end and give its exit status, negative for a signal."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise DidNotHappen(f"{self.pid} did not end: {self.text[-2000:]}") from None

    def kill(self) -> None:
        """End it and its children as a power cut would; more than once is harmless."""
        if not self._gone:
            # Once only: later the number may be another's.
            self._gone = True
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """End it and its children; more than once is harmless."""
        # Asked twice: the gateway would wait for connections that the test has left open.
        for seconds in (0.2, 3.0):
            if self.running:
                self._process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(seconds)
        self.kill()


class Gateway(Program):
    """
    The gateway, as C{twistd -n gateway --config FILE} runs it.

    When the test ends it is looked through for tracebacks: there must be none.

    @ivar forward: port of the forward proxy, whether there is one or not; C{reverse} and C{health} likewise.
    @ivar log: path of the access log.
    """

    def __init__(
        self,
        test: SynchronousTestCase,
        config: str,
        *,
        ready: bool = True,
        arguments: Sequence[str] = (),
        environment: dict[str, str] | None = None,
        prepare: Callable[[], None] | None = None,
        keep: Sequence[int] = (),
        through: Sequence[str] = (),
        instead_of: Gateway | None = None,
        **values: object,
    ) -> None:
        """
        Write the configuration, start, and wait until it is ready.

        @param config: C{$forward}, C{$reverse}, C{$health}, C{$log} and C{$folder} stand for what is chosen here;
            tables of L{COMMON} that are not in it are added.
        @param ready: C{False} does not wait: it is not meant to start.
        @param through: a command that the gateway's is given to.
        @param instead_of: one that has ended, whose ports and folder this one gets.
        @param values: what else is put in.
        """
        if instead_of is None:
            folder = made_folder(test)
            self.forward, self.reverse, self.health = (free_port() for _ in range(3))
        else:
            folder = instead_of.folder
            self.forward, self.reverse = instead_of.forward, instead_of.reverse
            self.health = instead_of.health
        self.log = folder / "access.log"
        config = "\n".join(
            [config, *(text for table, text in COMMON.items() if table not in config)]
        )
        known = {
            "forward": self.forward,
            "reverse": self.reverse,
            "health": self.health,
            "log": self.log,
            "folder": folder,
        }
        self.config = folder / "gateway.toml"
        self.config.write_text(Template(config).substitute({**known, **values}))
        twistd = str(Path(sys.executable).with_name("twistd"))
        command = [*through, twistd, "-n", "--pidfile=", "gateway", "--config", str(self.config)]
        super().__init__(
            test,
            [*command, *arguments],
            folder=folder,
            # Without what was compiled every start takes twice as long, and there are many.
            environment={
                "PYTHONUNBUFFERED": "1",
                "PYTHONDONTWRITEBYTECODE": "",
                **(environment or {}),
            },
            prepare=prepare,
            keep=keep,
        )
        if ready:
            self.says("access log: ")
            # What plugins need may take longer, or not be there at all.
            test.assertIn("ok     listeners", self.asked("/readyz")[1])

    def asked(self, path: str) -> tuple[int, str]:
        """Ask the health listener; give status and content."""
        try:
            with build_opener(ProxyHandler({})).open(
                f"http://127.0.0.1:{self.health}{path}", timeout=5
            ) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read().decode()

    def metric(self, name: str, **labels: str) -> float:
        """Give a number of F{/metrics}; the sum of those that have these labels."""
        status, text = self.asked("/metrics")
        self.test.assertEqual(status, 200)
        found = [
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        self.test.assertNotEqual(found, [], f"there is no metric {name}")
        return sum(found)

    def lines(self, count: int, seconds: float = 5.0) -> list[dict[str, Any]]:
        """Wait until so many transactions are in the access log, and give them all."""

        def there() -> list[str]:
            # The last line may be only half there yet.
            whole = self.log.read_text().rpartition("\n")[0] if self.log.exists() else ""
            lines = whole.splitlines()
            return lines if len(lines) >= count else []

        return [json.loads(line) for line in until(there, seconds, f"line {count} of the log")]

    def stop(self) -> None:
        """End it, and see that it had no unexpected fault."""
        super().stop()
        found = re.search(
            r"(Traceback \(most|Unhandled|a transaction's coroutine failed)(.|\n){,2000}", self.text
        )
        self.test.assertIsNone(found, found and found[0])


def made_folder(test: SynchronousTestCase) -> Path:
    """Make a folder for a test's files, which servers that change their user can enter too."""
    folder = Path(test.mktemp()).absolute()
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    return folder


def short_folder(test: SynchronousTestCase) -> Path:
    """Make a folder with a short path: that of a unix socket has 107 bytes at the most."""
    folder = Path(tempfile.mkdtemp(prefix="gateway-"))
    folder.chmod(0o755)
    test.addCleanup(shutil.rmtree, folder, ignore_errors=True)
    return folder


def nginx(test: SynchronousTestCase, server: str, **values: object) -> Program:
    """
    Start nginx and wait until it listens.

    @param server: what stands in C{http}: C{server} blocks with C{$port}, and C{$folder} for files.
    @param values: ports to listen on by name, and what else is put in.
    """
    folder = made_folder(test)
    paths = " ".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    http = Template(server).substitute({"folder": folder, **values})
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off; worker_processes 1; pid {folder}/pid; error_log stderr warn;\n"
        f"{'user root;' if os.geteuid() == 0 else ''}\n"
        f"events {{ worker_connections 512; }}\nhttp {{ access_log off; {paths}\n{http}\n}}\n"
    )
    started = Program(
        test, [program_path("nginx"), "-p", str(folder), "-c", str(config)], folder=folder
    )
    started.listens(*(port for port in values.values() if isinstance(port, int)))
    return started


def squid(test: SynchronousTestCase, config: str, port: int) -> Program:
    """
    Start Squid without a cache and wait until it listens.

    @param config: what is said beside the port.
    """
    folder = made_folder(test)
    file = folder / "squid.conf"
    file.write_text(
        f"http_port 127.0.0.1:{port}\n{config}\n"
        "cache deny all\ncache_mem 0 MB\naccess_log none\ncache_log /dev/stderr\ncache_store_log none\n"
        "pid_filename none\npinger_enable off\nicp_port 0\nshutdown_lifetime 0 seconds\n"
        f"coredump_dir {folder}\nvisible_hostname squid.example.com\nhttp_access allow all\n"
        "memory_cache_shared off\nmax_filedescriptors 1024\n"
    )
    started = Program(test, [program_path("squid"), "-N", "-f", str(file)], folder=folder)
    started.listens(port)
    return started


def haproxy(test: SynchronousTestCase, config: str, *ports: int) -> Program:
    """Start HAProxy with these proxies and wait until it listens."""
    folder = made_folder(test)
    file = folder / "haproxy.cfg"
    file.write_text(
        "global\n  maxconn 200\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 20s\n"
        f"  timeout server 20s\n{config}\n"
    )
    started = Program(test, [program_path("haproxy"), "-db", "-f", str(file)], folder=folder)
    started.listens(*ports)
    return started


def certificate(folder: Path, name: str = "127.0.0.1") -> Path:
    """Make a self-signed certificate with its key in one file."""
    file = folder / "server.pem"
    key = folder / "server.key"
    alternative = f"IP:{name}" if name[0].isdigit() else f"DNS:{name}"
    subprocess.run(
        [
            *(
                program_path("openssl"),
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
            ),
            *(
                "-nodes",
                "-days",
                "2",
                "-subj",
                f"/CN={name}",
                "-addext",
                f"subjectAltName={alternative}",
            ),
            *("-keyout", str(key), "-out", str(file)),
        ],
        check=True,
        capture_output=True,
    )
    file.write_bytes(file.read_bytes() + key.read_bytes())
    return file


def curl(*arguments: str, seconds: int = 15) -> subprocess.CompletedProcess[bytes]:
    """Run curl without any configuration or proxy of the environment; its status is the caller's to judge."""
    environment = {
        name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")
    }
    return subprocess.run(
        [program_path("curl"), "-q", "-sS", "--max-time", str(seconds), *arguments],
        capture_output=True,
        timeout=seconds + 5,
        env=environment,
        check=False,
    )
