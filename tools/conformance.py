"""
Run the external judges against this gateway and hold their scores to floors that only rise.

    conformance.py [--raise] FOLDER [NAME...]

FOLDER holds the judges, programs that know nothing of this project: they are pointed at an address and print a score in their last
line. NAME picks some of: faults-reverse, faults-forward, smuggle-reverse, smuggle-forward, clients. Each judge gets a fresh gateway,
started by twistd with a configuration written for it. tests/floors.json keeps the figures reached so far; a worse one fails, and with
--raise a better one is written there. Ends with one line "ok NAME ..." or "FAIL NAME ..." for each judge, and status 1 if one failed.
"""

import argparse
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLOORS = ROOT / "tests/floors.json"

# A judge that has not ended by then is stopped; the slowest takes two minutes on a gateway that works.
JUDGE_SECONDS = 420
START_SECONDS = 20
STOP_SECONDS = 10

Figures = dict[str, int]

# Of these less is better; of all the others more.
SHRINKING = frozenset({"ambiguous", "flagged"})

COUNT_OF = re.compile(r"^== \S+: (?P<passed>\d+)/\d+", re.M)
SMUGGLE = re.compile(
    r"^== \S+: pass (?P<passed>\d+)/\d+ .*AMBIG (?P<ambiguous>\d+) FLAG (?P<flagged>\d+); valid forwarded (?P<valid>\d+)/",
    re.M,
)


@dataclass(frozen=True, slots=True)
class Judge:
    """One judge in one mode: how its gateway is configured, what is run, and how its last line reads."""

    folder: str
    mode: str
    score: re.Pattern[str]

    @property
    def name(self) -> str:
        """The name of this judge in the floors and on the command line."""
        return self.folder if self.folder == "clients" else f"{self.folder}-{self.mode}"


JUDGES = [
    Judge("faults", "reverse", COUNT_OF),
    Judge("faults", "forward", COUNT_OF),
    Judge("smuggle", "reverse", SMUGGLE),
    Judge("smuggle", "forward", SMUGGLE),
    Judge("clients", "forward", COUNT_OF),
]


class Unjudged(Exception):
    """No score: the gateway did not start, or the judge did not end with one."""


def main() -> int:
    """Run the judges that were asked for and report; the result is the exit status."""
    parser = argparse.ArgumentParser(
        description="Hold the scores of the external judges to their floors."
    )
    parser.add_argument(
        "--raise", dest="raising", action="store_true", help="write better scores into the floors"
    )
    parser.add_argument("folder", type=Path, help="the folder of the judges")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="the judges to run; without one, all"
    )
    asked = parser.parse_args()
    folder = asked.folder.resolve()
    if not folder.is_dir():
        print(f"no judges at {asked.folder}")
        return 0
    known = {judge.name for judge in JUDGES}
    if unknown := set(asked.names) - known:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")

    home = Path(os.environ.setdefault("GW_HOME", f"{tempfile.gettempdir()}/gwtest-conformance"))
    subprocess.run([folder / "setup.sh"], check=True, stdin=subprocess.DEVNULL)
    floors: dict[str, Figures] = json.loads(FLOORS.read_text())
    failed = False
    verdicts = []
    for judge in JUDGES:
        if asked.names and judge.name not in asked.names:
            continue
        try:
            reached = run(judge, folder, home)
        except Unjudged as error:
            failed = True
            verdicts.append(f"FAIL {judge.name}: {error}")
            continue
        worse, better = compare(reached, floors.get(judge.name, {}))
        failed = failed or bool(worse)
        verdicts.append(
            f"{'FAIL' if worse else 'ok'} {judge.name}: {', '.join(worse or spell(reached))}"
        )
        if better and not worse:
            if asked.raising:
                floors[judge.name] = reached
                FLOORS.write_text(json.dumps(floors, indent=4) + "\n")
                verdicts[-1] += f"; floor raised: {', '.join(better)}"
            else:
                verdicts[-1] += (
                    f"; above its floor ({', '.join(better)}): raise it with make conformance"
                )
    print("\n".join(verdicts), flush=True)
    return int(failed)


def compare(reached: Figures, floor: Figures) -> tuple[list[str], list[str]]:
    """
    Set figures against their floor.

    @return: what is worse and what is better, in words. A figure without a floor is better than it.
    """
    worse: list[str] = []
    better: list[str] = []
    for name, figure in reached.items():
        before = floor.get(name)
        if before is None:
            better.append(f"{name} {figure}")
        elif figure != before:
            improved = (figure < before) == (name in SHRINKING)
            (better if improved else worse).append(f"{name} {figure} (was {before})")
    return worse, better


def spell(figures: Figures) -> list[str]:
    """Give each figure with its name."""
    return [f"{name} {figure}" for name, figure in figures.items()]


def run(judge: Judge, folder: Path, home: Path) -> Figures:
    """
    Start a gateway, run one judge against it, and read the score.

    @raise Unjudged: there is none.
    """
    print(f"-- {judge.name}", flush=True)
    if judge.folder == "clients":
        with client_origin(folder):
            hosts, authority = home / "clients/hosts", home / "clients/oca.pem"
            with gateway(judge.mode, origin_port=0, hosts=hosts) as address:
                # The origin's own authority in place of a gateway's: the cases then judge plain proxying and tunnels.
                output = judged([folder / "clients/run.sh", address, authority, "tunnel"])
    else:
        (origin_port,) = free_ports(1)
        with gateway(judge.mode, origin_port, hosts=None) as address:
            output = judged(
                [
                    folder / judge.folder / "run.sh",
                    address,
                    str(origin_port),
                    judge.mode,
                    judge.mode,
                ]
            )
    found = judge.score.search(output)
    if found is None:
        raise Unjudged("the judge ended without a score")
    return {name: int(figure) for name, figure in found.groupdict().items()}


def judged(command: list[str | Path]) -> str:
    """Run a judge to its end, or to its time limit, and give what it printed, which is shown as well."""
    # A session of its own: a judge has children, and all of them must end with it.
    judge = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
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
    script = folder / "clients/origin.sh"
    started = subprocess.run([script, "start"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    if started.returncode:
        raise Unjudged(f"the origin did not start (status {started.returncode})")
    try:
        yield
    finally:
        subprocess.run([script, "stop"], stdin=subprocess.DEVNULL)


@contextlib.contextmanager
def gateway(mode: str, origin_port: int, hosts: Path | None) -> Iterator[str]:
    """
    Run a gateway for one judge, and say where it listens.

    @param origin_port: where the judge will be the origin; of no meaning forward.
    @param hosts: names that the gateway looks up here first.
    """
    port, health = free_ports(2)
    with tempfile.TemporaryDirectory(prefix="gateway-judged-") as scratch:
        config = Path(scratch, "gateway.toml")
        config.write_text(configuration(mode, port, health, origin_port, hosts))
        log = Path(scratch, "gateway.log")
        twistd = Path(sys.executable).with_name("twistd")
        with log.open("wb") as output:
            service = subprocess.Popen(
                [twistd, "-n", "--pidfile=", "gateway", "--config", config],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=scratch,
            )  # fmt: skip
        try:
            wait_until_ready(service, health)
            yield f"127.0.0.1:{port}"
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


def configuration(mode: str, port: int, health: int, origin_port: int, hosts: Path | None) -> str:
    """Write the configuration that a judge asks for: what it sends may go anywhere on loopback."""
    listen = f'listen = ["127.0.0.1:{port}"]'
    if mode == "reverse":
        part = f'[[site]]\nhost = ["*"]\n{listen}\norigins = ["http://127.0.0.1:{origin_port}"]\n'
    else:
        part = f'[forward]\n{listen}\nconnect_ports = ["1-65535"]\nallow_destinations = ["127.0.0.0/8"]\n'
    names = f'[network]\nhosts_file = "{hosts}"\n' if hosts else ""
    return f'{part}{names}[log]\naccess = {{ path = "access.log" }}\n[admin]\nhealth = "127.0.0.1:{health}"\n'


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


if __name__ == "__main__":
    sys.exit(main())
