"""
The command line: C{python -m benchmarks [compare] | soak | idle | bigfiles | plugins | snis | auth | identified |
cache-miss | cache-objects | cache-zipf | scan | alarms | setup}.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path

from benchmarks import report
from benchmarks.compare import Plan, compare
from benchmarks.origins import remove_tree
from benchmarks.peers import PEERS, VENVS
from benchmarks.picture import draw
from benchmarks.programs import Cores
from benchmarks.scenarios import SCENARIOS

OUT = Path(__file__).parent / "out"
#: What the command identified measures.
IDENTIFIED = ("forward", "forward-varied", "reverse")
# mitmproxy 12 wants Python 3.12.
VENV_REQUIREMENTS = {"mitmproxy": "mitmproxy>=11,<12", "proxy.py": "proxy.py>=2.4,<3"}


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; the exit code is 0 if it was done, not whether targets were met."""
    options = parse(sys.argv[1:] if arguments is None else arguments)
    if options.command == "setup":
        return _setup()
    cores = Cores.split()
    # The load runs in this process too.
    os.sched_setaffinity(0, cores.load)
    state = Path(tempfile.mkdtemp(prefix="gateway-benchmarks-"))
    state.chmod(0o755)
    begun = time.monotonic()
    try:
        match options.command:
            case "soak":
                from benchmarks.soak import soak

                return soak(state, cores, options.port_base, options.minutes * 60, OUT, say)
            case "idle":
                from benchmarks.idle import idle

                return idle(state, cores, options.port_base, options.connections, say)
            case "bigfiles":
                from benchmarks.bigfiles import bigfiles

                return bigfiles(state, cores, options.port_base, options.size_mib << 20, say)
            case "plugins":
                from benchmarks.plugins import plugins

                return plugins(
                    state, cores, options.port_base, options.rounds, options.seconds, OUT, say
                )
            case "snis":
                from benchmarks.snis import snis

                return snis(state, cores, options.port_base, options.names, say)
            case "auth":
                from benchmarks.auth import auth

                return auth(state, cores, options.port_base, options.users, options.rates, say)
            case "identified":
                from benchmarks.identified import identified

                return identified(
                    state,
                    cores,
                    options.port_base,
                    options.scenarios,
                    options.rounds,
                    options.seconds,
                    OUT,
                    say,
                )
            case "cache-miss":
                from benchmarks.cache_miss import cache_miss

                return cache_miss(
                    state, cores, options.port_base, options.rounds, options.seconds, OUT, say
                )
            case "cache-objects":
                from benchmarks.cache_objects import cache_objects

                return cache_objects(
                    state,
                    cores,
                    options.port_base,
                    options.objects,
                    options.rounds,
                    options.seconds,
                    OUT,
                    say,
                )
            case "cache-zipf":
                from benchmarks.cache_zipf import cache_zipf

                return cache_zipf(
                    state,
                    cores,
                    options.port_base,
                    options.requests,
                    options.size_mib,
                    options.peers,
                    OUT,
                    say,
                )
            case "alarms":
                from benchmarks.alarms import alarms

                return alarms(
                    state, cores, options.port_base, options.rounds, options.seconds, OUT, say
                )
            case "scan":
                from benchmarks.scan import PARTS, scan

                return scan(
                    state,
                    cores,
                    options.port_base,
                    options.files,
                    options.rounds,
                    options.seconds,
                    OUT,
                    say,
                    options.only or PARTS,
                )
            case _:
                return _compare(options, state, cores)
    finally:
        say(f"{time.monotonic() - begun:.0f} s")
        if options.keep:
            say(f"state kept in {state}")
        else:
            remove_tree(state)


def _compare(options: argparse.Namespace, state: Path, cores: Cores) -> int:
    wanted = [peer for peer in PEERS if not options.peers or peer.name in options.peers]
    plan = Plan(
        scenarios=[
            entry for entry in SCENARIOS if not options.scenarios or entry.name in options.scenarios
        ],
        peers=[peer for peer in wanted if peer.path() is not None],
        rounds=options.rounds or (1 if options.quick else 3),
        seconds=options.seconds or (1 if options.quick else 3),
        connections=options.connections or (500 if options.quick else 2000),
        port_base=options.port_base,
        cores=cores,
        state=state,
    )
    if absent := report.missing(wanted):
        say(absent)
    if cores.proxy == cores.load:
        say(
            "only one core: proxy, load and origin share it, so trust nothing but processor time per unit"
        )
    results = compare(plan, say)
    OUT.mkdir(exist_ok=True)
    report.write_json(OUT / "results.json", plan, results)
    (OUT / "results.svg").write_text(draw(results, report.machine()))
    text = f"{report.tables(results)}\n\n{report.targets(results)}\n"
    if absent:
        text += f"\n{absent}\n"
    (OUT / "results.txt").write_text(text)
    say(f"\n{text}")
    say(f"written: {OUT / 'results.txt'}, {OUT / 'results.json'}, {OUT / 'results.svg'}")
    return 0


def _setup() -> int:
    for name, requirement in VENV_REQUIREMENTS.items():
        place = VENVS / name
        say(f"{requirement} -> {place}")
        venv.create(place, with_pip=True)
        subprocess.run(
            [place / "bin" / "python", "-m", "pip", "install", "--quiet", requirement], check=True
        )
    return 0


def parse(arguments: list[str]) -> argparse.Namespace:
    """
    Read the command line.

    @raise SystemExit: it has a fault, which is printed.
    """
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("-h", "--help")):
        arguments = ["compare", *arguments]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Compare this gateway with its peers. Without a command: compare.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", dest="command", required=True)
    compared = commands.add_parser("compare", help="the comparison, side by side")
    compared.add_argument(
        "--scenarios", type=_names([entry.name for entry in SCENARIOS]), help="comma-separated"
    )
    compared.add_argument(
        "--peers", type=_names([peer.name for peer in PEERS]), help="comma-separated"
    )
    compared.add_argument("--rounds", type=int, help="3, quick: 1")
    compared.add_argument("--seconds", type=float, help="of one window: 3, quick: 1")
    compared.add_argument("--connections", type=int, help="in the idle scenarios: 2000, quick: 500")
    compared.add_argument(
        "--quick", action="store_true", help="under two minutes, to see that all works"
    )
    soaked = commands.add_parser(
        "soak", help="mixed load for minutes: memory must not grow, each request logged once"
    )
    soaked.add_argument("--minutes", type=float, default=10)
    held = commands.add_parser("idle", help="hold idle connections and time one more client")
    held.add_argument("--connections", type=int, default=10_000)
    big = commands.add_parser(
        "bigfiles", help="2 GiB both ways, peers that never read, the upload limit to the byte"
    )
    big.add_argument("--size-mib", type=int, default=2048)
    empty = commands.add_parser("plugins", help="what one plugin costs that has nothing to say")
    many = commands.add_parser(
        "snis", help="interception of very many names: memory is bounded, handshakes get no dearer"
    )
    many.add_argument(
        "--names", type=_numbers, default=[1000, 100_000], help="comma-separated: 1000,100000"
    )
    logins = commands.add_parser(
        "auth",
        help="first logins against a real directory, and whether the reactor waits meanwhile",
    )
    logins.add_argument("--users", type=int, default=500)
    logins.add_argument(
        "--rates",
        type=_numbers,
        default=[50, 250, 2000, 0],
        help="logins a second, comma-separated; 0: all at the same moment",
    )
    known = commands.add_parser(
        "identified", help="what kept-alive requests of known users cost more than those of nobody"
    )
    known.add_argument(
        "--scenarios",
        type=_names(list(IDENTIFIED)),
        default=list(IDENTIFIED),
        help="comma-separated: " + ",".join(IDENTIFIED),
    )
    missed = commands.add_parser(
        "cache-miss", help="what the cache costs requests that it can't answer"
    )
    stored = commands.add_parser(
        "cache-objects", help="hits, restart and memory with few and with very many stored objects"
    )
    stored.add_argument(
        "--objects", type=_numbers, default=[1000, 1_000_000], help="comma-separated: 1000,1000000"
    )
    mixed = commands.add_parser(
        "cache-zipf", help="how many requests each cache answers by itself, with the same room"
    )
    mixed.add_argument("--requests", type=int, default=150_000)
    mixed.add_argument("--size-mib", type=_room, default=192, help="the room of each cache")
    mixed.add_argument(
        "--peers", type=_names([peer.name for peer in PEERS]), help="comma-separated"
    )
    scanned = commands.add_parser(
        "scan", help="what scanning costs beside Squid, c-icap and the same clamd"
    )
    scanned.add_argument("--files", type=int, default=300, help="in the corpus of each round")
    scanned.add_argument("--rounds", type=int, default=3)
    scanned.add_argument("--seconds", type=float, default=3, help="of a window")
    scanned.add_argument(
        "--only",
        type=_names(["corpus", "remembered", "first-byte"]),
        help="comma-separated: corpus,remembered,first-byte",
    )
    told = commands.add_parser(
        "alarms", help="what a flood of alarms does to the requests beside it"
    )
    made = commands.add_parser(
        "setup", help="install mitmproxy and proxy.py into environments of their own"
    )
    for command in (empty, known, missed, stored, told):
        command.add_argument("--rounds", type=int, default=5)
        command.add_argument("--seconds", type=float, default=3, help="of one window")
    for command in (
        *(compared, soaked, held, big, empty, many, logins, known),
        *(missed, stored, mixed, scanned, told, made),
    ):
        command.add_argument(
            "--port-base", type=int, default=25000, help="1000 ports from here are used"
        )
        command.add_argument("--keep", action="store_true", help="keep configurations and logs")
    return parser.parse_args(arguments)


def _names(known: list[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        chosen = text.split(",")
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        return chosen

    return parse


def _room(text: str) -> int:
    size = int(text)
    # The largest object that the gateway stores as it comes must have room.
    if size < 64:
        raise argparse.ArgumentTypeError("64 is the least")
    return size


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
