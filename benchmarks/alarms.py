"""
What alarms cost the requests beside them: a flood of infected downloads, told by mail, trap, message and webhook, or by nobody.

Two gateways with the same scanner, one of them with four channels to receivers that work. In turn within each round each gets
ten thousand infected downloads a minute, while another client asks for a clean page again and again at a steady pace, and takes
the time of each answer. What counts is the 99th percentile of those times, and how far rounds with the same gateway lie apart.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from string import Template

from benchmarks import usage
from benchmarks.origins import start_web_origin
from benchmarks.peers import REPOSITORY, Ports
from benchmarks.programs import Cores, DidNotStart, Program
from benchmarks.results import write
from benchmarks.scanners import start_clamd
from tests.live.clamd_daemon import MARKER

#: Infected downloads a second: ten thousand a minute.
FLOOD = 10_000 / 60
#: Requests a second whose time is taken.
PACE = 250.0
_PATIENCE = 20.0
_OFF, _ON = "off", "on"

_CONFIG = """
[gateway]
state = "$folder/state"
[[site]]
host = ["*"]
listen = ["127.0.0.1:$reverse"]
origins = ["http://127.0.0.1:$origin"]
[plugins]
enabled = [$enabled]
[plugins.clamd]
address = "unix:$clamd"
$channels
[log]
access = { path = "$folder/access.log", format = "json" }
[admin]
health = "127.0.0.1:$health"
"""
_CHANNELS = """
[plugins.mail]
to = ["ops@example.com"]
server = "127.0.0.1:$smtp"
security = "none"
[plugins.snmp]
to = [{ address = "127.0.0.1:$sink", version = "2c", community = { file = "$folder/secret" } }]
[plugins.syslog]
to = [{ address = "127.0.0.1:$sink", transport = "udp" }]
[plugins.webhook]
to = [{ url = "http://127.0.0.1:$hook/", key = { file = "$folder/secret" } }]
"""


@dataclass(frozen=True, slots=True)
class Window:
    """
    One stretch of one gateway.

    @ivar p50_ms: of the requests beside the flood; C{p99_ms} likewise.
    @ivar asked: how many there were.
    @ivar floods: infected downloads meanwhile.
    @ivar processor: seconds of the gateway's processor time.
    @ivar seconds: how long it lasted.
    """

    p50_ms: float
    p99_ms: float
    asked: int
    floods: int
    processor: float
    seconds: float


def alarms(
    state: Path,
    cores: Cores,
    port_base: int,
    rounds: int,
    seconds: float,
    out: Path,
    say: Callable[[str], None],
) -> int:
    """Measure and report; the exit code is 0 if alarms do not show in the times of other requests."""
    ports = Ports.numbered(port_base, 0)
    web = state / "web-origin"
    windows: dict[str, list[Window]] = {_OFF: [], _ON: []}
    with ExitStack() as stack:
        try:
            stack.callback(ports.clamd_socket.unlink, missing_ok=True)
            stack.enter_context(start_clamd(ports, cores.load, state / "clamd"))
            stack.enter_context(start_web_origin(ports.web_origin, cores.load, web))
            (web / "bad.bin").write_bytes(b"x" + MARKER)
            smtp, hook = port_base + 930, port_base + 931
            stack.enter_context(_mail_sink(state, cores, smtp))
            sink = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            sink.bind(("127.0.0.1", 0))
            hooks = ThreadingHTTPServer(("127.0.0.1", hook), _Hook)
            threading.Thread(target=hooks.serve_forever, daemon=True).start()
            stack.callback(hooks.shutdown)
            gateways = {}
            for index, name in enumerate((_OFF, _ON)):
                numbered = Ports.numbered(port_base, index)
                gateways[name] = (
                    numbered.reverse,
                    stack.enter_context(
                        _gateway(
                            state / name,
                            cores,
                            numbered,
                            ports,
                            has_channels=name == _ON,
                            smtp=smtp,
                            hook=hook,
                            sink=sink.getsockname()[1],
                        )
                    ),
                )
        except (LookupError, DidNotStart) as error:
            say(str(error))
            return 1
        for entrance, _ in gateways.values():
            _until_scanned(entrance)
        # A round to warm up is not counted.
        for turn in range(rounds + 1):
            names = [_OFF, _ON] if turn % 2 else [_ON, _OFF]
            for name in names:
                found = _window(*gateways[name], seconds)
                if turn:
                    windows[name].append(found)
                    say(f"round {turn} alarms {name}: p99 {found.p99_ms:.2f} ms")
    good = report(windows, say)
    write(out, "alarms", {name: [asdict(one) for one in found] for name, found in windows.items()})
    say("holds" if good else "DOES NOT HOLD")
    return 0 if good else 1


def report(windows: dict[str, list[Window]], say: Callable[[str], None]) -> bool:
    """Print a table; tell whether the times with alarms lie within those without."""
    say(
        f"{'alarms':<8}{'p50 ms':>9}{'p99 ms':>9}{'from':>9}{'to':>9}{'us a request of any kind':>26}"
    )
    for name, found in windows.items():
        tails = sorted(one.p99_ms for one in found)
        dear = median(one.processor / max(1, one.floods + one.asked) for one in found)
        say(
            f"{name:<8}{median(one.p50_ms for one in found):>9.2f}{median(tails):>9.2f}"
            f"{tails[0]:>9.2f}{tails[-1]:>9.2f}{dear * 1e6:>26.0f}"
        )
    off = [one.p99_ms for one in windows[_OFF]]
    on = [one.p99_ms for one in windows[_ON]]
    return median(on) <= max(off)


class _Hook(BaseHTTPRequestHandler):
    """Takes whatever is sent."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Read it and say that it came."""
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _mail_sink(state: Path, cores: Cores, port: int) -> Program:
    folder = state / "mails"
    folder.mkdir()
    said = {
        "port": port,
        "folder": str(folder),
        "mode": "fine",
        "security": "none",
        "pem": "",
        "user": "",
        "password": "",
    }
    script = REPOSITORY / "tests" / "live" / "mail_sink.py"
    started = Program.start(
        "mail",
        [sys.executable, "-W", "ignore", str(script), json.dumps(said)],
        cores=cores.load,
        output=folder / "output",
    )
    started.wait_ready(port)
    return started


def _gateway(
    folder: Path,
    cores: Cores,
    own: Ports,
    shared: Ports,
    *,
    has_channels: bool,
    smtp: int,
    hook: int,
    sink: int,
) -> Program:
    (folder / "state").mkdir(parents=True)
    (folder / "secret").write_text("a secret that nobody else has")
    plugins = ["clamd", *(["mail", "snmp", "syslog", "webhook"] if has_channels else [])]
    values = {
        "folder": folder,
        "reverse": own.reverse,
        "health": own.health,
        "origin": shared.web_origin,
        "clamd": shared.clamd_socket,
        "enabled": ", ".join(f'"{name}"' for name in plugins),
        "smtp": smtp,
        "hook": hook,
        "sink": sink,
    }
    channels = Template(_CHANNELS).substitute(values) if has_channels else ""
    config = folder / "gateway.toml"
    config.write_text(Template(_CONFIG).substitute(values, channels=channels))
    twistd = Path(sys.executable).with_name("twistd")
    started = Program.start(
        "gateway",
        [str(twistd), "-n", "--pidfile=", "gateway", "--config", str(config)],
        cores=cores.proxy,
        output=folder / "output",
    )
    started.wait_ready(own.reverse, own.health)
    return started


def _until_scanned(entrance: int) -> None:
    """Wait until what is clean passes and what is not does not: the scanner may not be ready yet."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        with _Client(entrance) as client:
            if (client.ask("/1k"), client.ask("/bad.bin")) == (200, 403):
                return
        if time.monotonic() > deadline:
            raise DidNotStart("the scanner finds nothing, or nothing passes")
        time.sleep(0.2)


def _window(entrance: int, gateway: Program, seconds: float) -> Window:
    """Flood one gateway for so long, and take the time of the requests beside the flood."""
    over = threading.Event()
    floods = 0

    def flood() -> None:
        nonlocal floods
        with _Client(entrance) as client:
            begun = time.monotonic()
            while not over.is_set():
                client.ask("/bad.bin")
                floods += 1
                over.wait(max(0.0, begun + floods / FLOOD - time.monotonic()))

    flooding = threading.Thread(target=flood)
    used = usage.cpu_seconds([gateway.pid])
    begun = time.monotonic()
    flooding.start()
    took = []
    with _Client(entrance) as client:
        while (now := time.monotonic()) < begun + seconds:
            client.ask("/1k")
            took.append(time.monotonic() - now)
            time.sleep(max(0.0, begun + len(took) / PACE - time.monotonic()))
    over.set()
    flooding.join()
    lasted = time.monotonic() - begun
    used = usage.cpu_seconds([gateway.pid]) - used
    took.sort()
    return Window(
        p50_ms=took[len(took) // 2] * 1000,
        p99_ms=took[len(took) * 99 // 100] * 1000,
        asked=len(took),
        floods=floods,
        processor=used,
        seconds=lasted,
    )


class _Client:
    """One kept-alive connection."""

    def __init__(self, port: int) -> None:
        self._stream = socket.create_connection(("127.0.0.1", port), _PATIENCE)
        self._stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reading = self._stream.makefile("rb")

    def __enter__(self) -> _Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._reading.close()
        self._stream.close()

    def ask(self, path: str) -> int:
        """Ask for a path, read all of the answer, and give its status."""
        self._stream.sendall(f"GET {path} HTTP/1.1\r\nHost: www.example.com\r\n\r\n".encode())
        status = int(self._reading.readline().split()[1])
        length = 0
        while (line := self._reading.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        self._reading.read(length)
        return status
