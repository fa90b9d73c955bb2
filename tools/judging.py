"""
What judging takes: a gateway that is started for one judge, and the judge's program, run to its end or its time limit.

Which judges there are, and what their scores have to be, is not known here.
"""

import contextlib
import http.client
import importlib.metadata
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

# A judge that has not ended by then is stopped; the slowest takes two minutes on a gateway that works.
JUDGE_SECONDS = 420
START_SECONDS = 20
STOP_SECONDS = 10
LOG_SECONDS = 5

Figures = dict[str, int]


@dataclass(frozen=True, slots=True)
class Judge:
    """
    One judge in one mode: how its gateway is configured, what is run, and how its last line reads.

    @ivar name: its name in the floors and on the command line.
    @ivar mode: C{reverse}, C{forward}, C{intercept}, which is forward with decryption, or C{cache}, which is reverse with the cache.
    @ivar score: finds the figures in what it prints; C{None}: it writes them into a file.
    """

    name: str
    folder: str
    mode: str
    score: re.Pattern[str] | None


@dataclass(frozen=True, slots=True)
class Names:
    """
    What a judge wants a gateway to know of its origins.

    @ivar hosts: names that the gateway looks up here first.
    @ivar root: whom it is to trust as an upstream.
    """

    hosts: Path
    root: Path


@dataclass(frozen=True, slots=True)
class Judged:
    """
    A gateway under a judge.

    @ivar address: where it listens.
    @ivar log: its access log.
    @ivar authority: the certificate of its CA, as clients get it; only where it decrypts.
    """

    address: str
    log: Path
    authority: Path


class Unjudged(Exception):
    """No score: the gateway did not start, or the judge did not end with one."""


def need_plugins(*names: str) -> None:
    """
    See that the gateway has what a judge is about.

    @raise Unjudged: one of these plugins is not installed.
    """
    for name in names:
        if not importlib.metadata.entry_points(group="gateway.plugins", name=name):
            raise Unjudged(f"the plugin {name} is not installed")


def figures(judge: Judge, output: str) -> Figures:
    """
    Read the score out of what a judge printed.

    @raise Unjudged: there is none.
    """
    found = judge.score.search(output) if judge.score else None
    if found is None:
        raise Unjudged("the judge ended without a score")
    return {name: int(figure) for name, figure in found.groupdict().items()}


def judged(
    command: Sequence[str | Path], environment: Mapping[str, str] = MappingProxyType({})
) -> str:
    """
    Run a judge to its end, or to its time limit, and give what it printed, which is shown as well.

    @param environment: what it gets beside our own.
    @raise Unjudged: its time was up.
    """
    # A session of its own: a judge has children, and all of them must end with it.
    judge = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
        env={**os.environ, **environment},
    )
    try:
        output, _ = judge.communicate(timeout=JUDGE_SECONDS)
    except subprocess.TimeoutExpired:
        raise Unjudged(f"the judge had not ended after {JUDGE_SECONDS} s") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(judge.pid, signal.SIGKILL)
        judge.wait()
    lines = [line for line in output.splitlines() if not line.startswith("pass ")]
    print("\n".join(lines), flush=True)
    return output


@contextlib.contextmanager
def client_origin(folder: Path) -> Iterator[None]:
    """Run the web server that the real clients talk to."""
    script = folder / "origin.sh"
    started = subprocess.run([script, "start"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    if started.returncode:
        raise Unjudged(f"the origin did not start (status {started.returncode})")
    try:
        yield
    finally:
        subprocess.run([script, "stop"], stdin=subprocess.DEVNULL)


@contextlib.contextmanager
def gateway(
    mode: str, origin_port: int = 0, names: Names | None = None, scanning: str = ""
) -> Iterator[Judged]:
    """
    Run a gateway for one judge.

    @param origin_port: where the judge will be the origin; of no meaning forward.
    @param names: what the gateway is to know of the judge's origins.
    @param scanning: what it is told of its scanners, as TOML.
    @raise Unjudged: it did not start, or did not live as long as the judge.
    """
    port, health = free_ports(2)
    with tempfile.TemporaryDirectory(prefix="gateway-judged-") as scratch:
        config = Path(scratch, "gateway.toml")
        config.write_text(configuration(mode, port, health, origin_port, names, scanning))
        log = Path(scratch, "gateway.log")
        twistd = Path(sys.executable).with_name("twistd")
        with log.open("wb") as output:
            service = subprocess.Popen(
                [twistd, "-n", "--pidfile=", "gateway", "--config", config],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=scratch,
            )  # fmt: skip
        try:
            wait_until_ready(service, health)
            authority = Path(scratch, "authority.pem")
            if mode == "intercept":
                export_authority(config, authority)
            yield Judged(f"127.0.0.1:{port}", Path(scratch, "access.log"), authority)
            if service.poll() is not None:
                raise Unjudged(
                    f"the gateway ended with status {service.returncode} under the judge"
                )
        except Unjudged:
            print(log.read_text(errors="replace")[-4000:], flush=True)
            raise
        finally:
            service.terminate()
            try:
                service.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                service.kill()
                service.wait()


def configuration(
    mode: str,
    port: int,
    health: int,
    origin_port: int,
    names: Names | None,
    scanning: str = "",
) -> str:
    """Write the configuration that a judge asks for: what it sends may go anywhere on loopback."""
    listen = f'listen = ["127.0.0.1:{port}"]'
    if mode in ("reverse", "cache"):
        text = f'[[site]]\nhost = ["*"]\n{listen}\norigins = ["http://127.0.0.1:{origin_port}"]\n'
    else:
        text = f'[forward]\n{listen}\nconnect_ports = ["1-65535"]\nallow_destinations = ["127.0.0.0/8"]\n'
    if names is not None:
        text += f'[network]\nhosts_file = "{names.hosts}"\n'
        if mode == "intercept":
            text += f'[tls]\ndecrypt = "all"\nca = "ca"\ntrust = ["{names.root}"]\n'
    if mode == "cache":
        # All else as it comes: no guessing how long something is fresh, and no answers in place of errors that are not allowed.
        text += '[plugins]\nenabled = ["cache"]\n[plugins.cache]\npath = "store"\n'
    form = "json" if mode == "intercept" or scanning else "squid"
    text += scanning
    text += f'[log]\naccess = {{ path = "access.log", format = "{form}" }}\n'
    return f'{text}[admin]\nhealth = "127.0.0.1:{health}"\n'


def export_authority(config: Path, file: Path) -> None:
    """
    Write the certificate of a gateway's CA, as its clients get it.

    @raise Unjudged: there is none.
    """
    command = Path(sys.executable).with_name("gateway")
    done = subprocess.run(
        [command, "ca", "export", "--config", config, "--output", file],
        cwd=config.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise Unjudged(f"the CA could not be exported: {done.stderr.strip()}")
    # A judge's clients may be other users.
    file.chmod(0o644)


def wait_until_ready(service: subprocess.Popen[bytes], health: int) -> None:
    """
    Wait for the gateway to say that it is ready.

    @raise Unjudged: it ended, or did not become ready in time.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and service.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", health, timeout=2)
            connection.request("GET", "/readyz")
            ready = connection.getresponse().status == 200
            connection.close()
            if ready:
                return
        time.sleep(0.1)
    raise Unjudged("the gateway did not start")


def free_ports(count: int) -> list[int]:
    """Find ports that nobody listens on just now."""
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in taken]
