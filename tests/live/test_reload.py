"""Hot reload of a running process: under load, by every way to ask for it, of the code of a plugin's package."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.live.peers import Origin, Server, Stream, connected
from tests.live.processes import Gateway, made_folder, until

CONFIG = """
[[site]]
listen = ["127.0.0.1:$reverse"]
origins = ["http://127.0.0.1:$origin"]
[[site]]
host = ["sockets.example.com"]
listen = ["127.0.0.1:$reverse"]
origins = ["http://127.0.0.1:$sockets"]
[plugins]
enabled = ["generation", "upload_limit"]
[plugins.generation]
number = $number
"""

#: A plugin of three modules; what it says is in the innermost.
PLUGIN = {
    "__init__.py": """
from dataclasses import dataclass
from typing import Annotated
from weakref import WeakSet
from gateway.api import Block, Plugin, hookimpl
from gateway.api.settings import Help
from gateway_generation.middle import said

@dataclass(frozen=True, slots=True)
class Settings:
    number: Annotated[int, Help("Which one.")] = 0

class Generation(Plugin):
    name = "generation"
    Settings = Settings
    alive = WeakSet()

    def __init__(self, settings, services):
        super().__init__(settings, services)
        self.alive.add(self)

    @hookimpl()
    async def request_headers(self, txn):
        txn.notes["asked"] = str(self.settings.number)

    @hookimpl()
    def response_headers(self, txn):
        txn.notes["judged"] = str(self.settings.number)
        txn.response.fields.set("X-Said", said())
        if txn.notes["asked"] != txn.notes["judged"]:
            return Block("a verdict of two snapshots")

    @hookimpl()
    def counters(self):
        return {"alive": len(self.alive)}

plugin = Generation
""",
    "middle.py": "from gateway_generation.below.word import WORD\n\ndef said():\n    return WORD\n",
    "below/__init__.py": "",
    "below/word.py": "WORD = 'one'\n",
}


def installed_plugin(test: SynchronousTestCase) -> Path:
    """Put the plugin into a folder as an installer would; gives the folder, which is for PYTHONPATH."""
    folder = made_folder(test)
    for name, text in PLUGIN.items():
        file = folder / "gateway_generation" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    info = folder / "gateway_generation-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: gateway-generation\nVersion: 1.0\n"
    )
    (info / "entry_points.txt").write_text(
        "[gateway.plugins]\ngeneration = gateway_generation:plugin\n"
    )
    return folder


class ReloadCase(SynchronousTestCase):
    """A gateway with the plugin, in front of an origin and a server that echoes what is no HTTP."""

    def start(self, *arguments: str) -> None:
        """Start all."""
        self.folder = installed_plugin(self)
        self.origin = Origin(self)
        self.sockets = Server(self, _echoing)
        self.gateway = Gateway(
            self,
            CONFIG,
            origin=self.origin.port,
            sockets=self.sockets.port,
            number=0,
            arguments=arguments,
            environment={"PYTHONPATH": str(self.folder)},
        )

    def say(self, number: int) -> None:
        """Write another number into the configuration."""
        file = self.gateway.config
        text = file.read_text()
        before, _, after = text.partition("number = ")
        file.write_text(f"{before}number = {number}\n{after.partition(chr(10))[2]}")

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the command C{gateway reload} for this gateway."""
        name = str(Path(sys.executable).with_name("gateway"))
        return subprocess.run(
            [name, "reload", "--config", str(self.gateway.config), *words],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "PYTHONPATH": str(self.folder)},
        )

    def reloads(self, count: int) -> None:
        """Wait until so many reloads are done."""
        until(
            lambda: self.gateway.text.count("event config_reloaded") >= count,
            what=f"reload {count}",
        )

    def said(self) -> str:
        """Ask once, and give what the plugin's innermost module says."""
        client = connected(self, self.gateway.reverse)
        client.send(b"GET /hello HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n")
        return client.answer().head.get("x-said")


class UnderLoadTests(ReloadCase):
    """Twenty reloads while requests come."""

    def test_nothing_fails(self) -> None:
        """
        200 requests a second, long downloads and a WebSocket: none of them fails, none has a verdict of two snapshots,
        and in the end one plugin object lives.
        """
        self.start()
        socket = connected(self, self.gateway.reverse)
        socket.send(
            b"GET / HTTP/1.1\r\nHost: sockets.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        )
        self.assertEqual(socket.head().first[1], "101")
        downloads = []
        for _ in range(3):
            downloads.append(connected(self, self.gateway.reverse))
            downloads[-1].send(b"GET /slow/60 HTTP/1.1\r\nHost: www.example.com\r\n\r\n")
        load = [_Load(self.gateway.reverse, 50) for _ in range(4)]
        for one in load:
            one.start()
        for number in range(1, 21):
            self.say(number)
            if number % 2:
                done = self.command()
                self.assertEqual(done.returncode, 0, done.stderr)
            else:
                self.gateway.signal(signal.SIGHUP)
                self.reloads(number)
        for one in load:
            one.stop()
        count = sum(one.count for one in load)
        self.assertEqual([fault for one in load for fault in one.faults], [])
        for download in downloads:
            self.assertEqual(download.answer().content, b"0123456789" * 60)
        socket.send(b"still there")
        self.assertEqual(socket.exactly(11), b"still there")
        # The WebSocket keeps the object that it began with, and none of the nineteen in between.
        until(lambda: self.gateway.metric("gateway_plugin_alive") <= 2, what="the end of the old")
        socket.close()
        until(
            lambda: self.gateway.metric("gateway_plugin_alive") == 1, what="the end of the oldest"
        )
        lines = self.gateway.lines(count + 4)
        self.assertEqual(len(lines), count + 4)
        numbers = set()
        for line in lines:
            notes = line["notes"]
            if "judged" in notes:
                self.assertEqual(notes["asked"], notes["judged"])
                numbers.add(notes["asked"])
        self.assertGreater(count, 200)
        self.assertGreaterEqual(len(numbers), 15)


class CommandTests(ReloadCase):
    """C{gateway reload}."""

    def test_dry_run_and_faults(self) -> None:
        """A dry run only tells; a fault is told with its line, and nothing changes; what is right is done."""
        self.start()
        self.say(1)
        done = self.command("--dry-run")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(
            "plugins.generation.number changed (a new object of the plugin takes over)", done.stdout
        )
        self.assertIn("nothing was done", done.stdout)
        self.gateway.config.write_text(
            self.gateway.config.read_text() + "\n[plugins.ghost]\na = 1\n"
        )
        done = self.command("--dry-run")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(
            done.stderr, r"caution: \S+gateway\.toml:\d+: plugins\.ghost: has no effect"
        )
        self.gateway.config.write_text(
            self.gateway.config.read_text() + "\n[plugins.generation.x]\n"
        )
        done = self.command("--json")
        self.assertEqual(done.returncode, 2, done.stdout)
        answer = json.loads(done.stdout)
        self.assertFalse(answer["ok"])
        self.assertRegex(
            answer["faults"][0]["text"], r"gateway\.toml:\d+: plugins\.generation\.x: "
        )
        self.assertEqual(self.said(), "one")

    def test_without_options(self) -> None:
        """Without options the only gateway of the machine is meant; of several none."""
        self.start()
        name = str(Path(sys.executable).with_name("gateway"))
        # Other tests may run gateways at the same time: then it says how many there are.
        done = subprocess.run(
            [name, "reload", "--dry-run"], capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode:
            self.assertRegex(done.stderr, r"\d+ gateways run on this machine")
        else:
            self.assertIn("0 changes", done.stdout)

    def test_nobody_there(self) -> None:
        """Without a gateway of these options the command says so."""
        self.start()
        self.gateway.signal(signal.SIGTERM)
        self.gateway.ended()
        done = self.command()
        self.assertEqual(done.returncode, 1)
        self.assertIn("no gateway runs here that was started with --config", done.stderr)


class WatchTests(ReloadCase):
    """C{--watch}."""

    def test_code(self) -> None:
        """A changed module deep in the package takes effect; one with an error does not, and the old one goes on."""
        self.start("--watch")
        self.assertEqual(self.said(), "one")
        word = self.folder / "gateway_generation" / "below" / "word.py"
        word.write_text("WORD = 'two'\n")
        until(lambda: self.said() == "two", what="the new code")
        word.write_text("WORD = \n")
        self.gateway.says("reload refused, nothing has changed")
        self.assertEqual(self.said(), "two")
        word.write_text("WORD = 'six'\n")
        until(lambda: self.said() == "six", what="the mended code")

    def test_configuration(self) -> None:
        """A changed configuration takes effect."""
        self.start("--watch")
        self.say(7)
        self.gateway.says("event config_reloaded")
        self.said()
        self.assertEqual(self.gateway.lines(1)[-1]["notes"]["judged"], "7")


class _Load(threading.Thread):
    """
    Requests at a rate, on a connection that is made anew now and then.

    @ivar count: requests answered.
    @ivar faults: what went wrong.
    """

    def __init__(self, port: int, rate: float) -> None:
        super().__init__(daemon=True)
        self.count = 0
        self.faults: list[str] = []
        self._port = port
        self._pause = 1.0 / rate
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End after the present request."""
        self._stopped.set()
        self.join(10)

    def run(self) -> None:
        """Ask and ask."""
        import socket

        stream: Stream | None = None
        due = time.monotonic()
        while not self._stopped.is_set():
            if stream is None:
                stream = Stream(socket.create_connection(("127.0.0.1", self._port), 5))
            try:
                stream.send(b"GET /hello HTTP/1.1\r\nHost: www.example.com\r\n\r\n")
                answer = stream.answer()
                if (answer.status, answer.content) != (200, b"origin"):
                    self.faults.append(f"{answer.status} {answer.content!r}")
            except Exception as error:
                self.faults.append(repr(error))
                stream = None
            self.count += 1
            if self.count % 40 == 0 and stream is not None:
                stream.close()
                stream = None
            due += self._pause
            self._stopped.wait(max(0.0, due - time.monotonic()))
        if stream is not None:
            stream.close()


def _echoing(stream: Stream) -> None:
    """Change the protocol and give back what comes."""
    stream.head()
    stream.send(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )
    while True:
        stream.send(stream.exactly(11))
