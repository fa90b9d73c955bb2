"""
What scanning costs: this gateway with clamd beside Squid with c-icap and the same clamd.

Three things are measured, in turn within each round. All files of a corpus that nobody has seen yet, through each proxy:
processor time of the proxy, of what it starts or asks (child processes, the ICAP server) and of clamd, each for itself. Then contents
whose verdict the gateway remembers, beside a gateway without scanners. Then how long a client waits for the first byte of a large
download over a line that takes seconds for it.
"""

from __future__ import annotations

import dataclasses
import queue
import random
import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from statistics import median

from benchmarks import load, scan_corpus, usage
from benchmarks.compare import Plan, compare
from benchmarks.load import LoadFailed, Work
from benchmarks.origins import LARGE_BYTES, SMALL_BYTES, start_web_origin
from benchmarks.peers import GATEWAY, PEERS, Peer, Ports, Role
from benchmarks.programs import Cores, DidNotStart, Program
from benchmarks.results import Series, costs, ratio, write
from benchmarks.scan_corpus import File
from benchmarks.scanners import start_c_icap, start_clamd
from benchmarks.scenarios import PER_REQUEST, Scenario
from tests.live.clamd_daemon import MARKER

MIB = 1 << 20
RIVAL = "squid"
#: How many times the rival's throughput per second of processor time.
LEAST_GAIN = 1.5
#: What a request for remembered content may cost, of what one without scanners costs.
REMEMBERED_LIMIT = 1.2
#: Until the first byte of a large download, seconds.
FIRST_BYTE_LIMIT = 1.0
LARGE_MIB = 100
CLIENTS = 8
TIMEOUT = 60
READY_SECONDS = 20.0
_PIECE_BYTES = 1 << 18
UNSCANNED, REMEMBERED = "unscanned", "remembered"
#: What can be measured by itself.
CORPUS, FIRST_BYTE = "corpus", "first-byte"
PARTS = (CORPUS, REMEMBERED, FIRST_BYTE)
#: Name, title, path, size.
CONTENTS: tuple[tuple[str, str, str, int], ...] = (
    ("scan-remembered-1k", "The same 1 KB again and again", "/1k", SMALL_BYTES),
    ("scan-remembered-100k", "The same 100 KB again and again", "/100k", LARGE_BYTES),
)

Say = Callable[[str], None]


@dataclass(slots=True)
class Spent:
    """
    Processor time of one pass over a corpus, in seconds.

    @ivar helpers: of child processes of the proxy, and of an ICAP server.
    @ivar mib: content that came out of the proxy.
    @ivar seconds: it took so long.
    """

    proxy: float = 0.0
    helpers: float = 0.0
    scanner: float = 0.0
    mib: float = 0.0
    seconds: float = 0.0

    @property
    def without_scanner(self) -> float:
        """Give MiB per second of what is not clamd's."""
        return self.mib / (self.proxy + self.helpers)

    @property
    def together(self) -> float:
        """Give MiB per second of everybody's."""
        return self.mib / (self.proxy + self.helpers + self.scanner)


@dataclass(frozen=True, slots=True)
class Contestant:
    """A proxy with its scanner: what else works for it."""

    name: str
    proxy: Program
    entrance: int
    beside: tuple[Program, ...] = ()

    def spent(self, clamd: Program) -> Spent:
        """Give what all of them have used since they were started."""
        members = self.proxy.tree
        own = usage.own_seconds(self.proxy.pid)
        helpers = usage.cpu_seconds(members) - own
        helpers += sum(usage.cpu_seconds(program.tree) for program in self.beside)
        return Spent(own, helpers, usage.cpu_seconds(clamd.tree))


def scan(
    state: Path,
    cores: Cores,
    port_base: int,
    files: int,
    rounds: int,
    seconds: float,
    out: Path,
    say: Say,
    parts: Sequence[str] = PARTS,
) -> int:
    """
    Measure and report; the exit code is 0 if everything that was measured holds.

    @param files: in each corpus.
    @param seconds: of a window with remembered contents.
    @param parts: what is measured, of L{PARTS}; what is written holds nothing of the others.
    """
    ports = Ports.numbered(port_base, 0)
    web = state / "web-origin"
    passes: dict[str, list[Spent]] = {}
    waits: dict[str, list[tuple[float, float]]] = {}
    remembered: dict[str, dict[str, Series]] = {}
    with ExitStack() as stack:
        try:
            stack.callback(ports.clamd_socket.unlink, missing_ok=True)
            clamd = stack.enter_context(start_clamd(ports, cores.load, state / "clamd"))
        except (LookupError, DidNotStart) as error:
            say(str(error))
            return 1
        if CORPUS in parts or FIRST_BYTE in parts:
            with start_web_origin(ports.web_origin, cores.load, web), ExitStack() as proxies:
                contestants = _start(proxies, cores, port_base, state, say)
                if CORPUS in parts:
                    passes = _passes(contestants, clamd, web, ports.web_origin, files, rounds, say)
                if FIRST_BYTE in parts:
                    waits = _first_bytes(contestants, web, ports.web_origin, rounds, say)
        if REMEMBERED in parts:
            plan = Plan(
                scenarios=[_scenario(*content) for content in CONTENTS],
                peers=[_peer(name) for name in (UNSCANNED, REMEMBERED)],
                rounds=rounds,
                seconds=seconds,
                connections=0,
                port_base=port_base,
                cores=cores,
                state=state / "remembered",
            )
            remembered = compare(plan, say)
    good = True
    if CORPUS in parts:
        good = report_passes(passes, say) and good
    if REMEMBERED in parts:
        good = report_remembered(remembered, say) and good
    if FIRST_BYTE in parts:
        good = report_first_bytes(waits, say) and good
    write(
        out,
        "scan",
        {
            "files": files,
            "passes": {name: [asdict(one) for one in row] for name, row in passes.items()},
            "remembered_us_per_request": {name: costs(row) for name, row in remembered.items()},
            "first_byte_seconds": waits,
        },
    )
    say("holds" if good else "DOES NOT HOLD")
    return 0 if good else 1


def report_passes(passes: Mapping[str, Sequence[Spent]], say: Say) -> bool:
    """Print a table; tell whether the gateway does L{LEAST_GAIN} times what the rival does, clamd included."""
    say(
        f"\n{'scanning':<10}{'MiB':>8}{'seconds':>9}   CPU s: proxy helpers  clamd   MiB/CPU s: without clamd, with it"
    )
    for name, row in passes.items():
        for spent in row:
            say(
                f"{name:<10}{spent.mib:>8.1f}{spent.seconds:>9.2f}   {spent.proxy:>12.2f}{spent.helpers:>8.2f}"
                f"{spent.scanner:>7.2f}   {spent.without_scanner:>25.1f}{spent.together:>9.1f}"
            )
    ours, theirs = passes.get(GATEWAY.name), passes.get(RIVAL)
    if not ours:
        say("the gateway was not measured")
        return False
    if not theirs:
        say(f"not measured: {RIVAL}")
        return True
    alone = median(
        a.without_scanner / b.without_scanner for a, b in zip(ours, theirs, strict=False)
    )
    gain = median(a.together / b.together for a, b in zip(ours, theirs, strict=False))
    met = gain >= LEAST_GAIN
    say(
        f"{gain:.2f} times {RIVAL}'s with clamd, {alone:.2f} times without"
        f" (at least {LEAST_GAIN:g} with it): {'met' if met else 'NOT MET'}"
    )
    return met


def report_remembered(results: Mapping[str, Mapping[str, Series]], say: Say) -> bool:
    """Print a table; tell whether remembered contents cost no more than L{REMEMBERED_LIMIT} times those without a scanner."""
    good = True
    for name, title, _, _ in CONTENTS:
        row = results[name]
        say(f"\n{title}")
        for way, series in row.items():
            if series.cost is None or series.failure:
                say(f"{way:<12}{series.failure or 'not measured'}")
            else:
                say(f"{way:<12}{series.cost:>9.1f} us/request{series.errors:>4} errors")
        times = ratio(row.get(REMEMBERED), row.get(UNSCANNED))
        errors = sum(series.errors for series in row.values())
        met = times is not None and times <= REMEMBERED_LIMIT and not errors
        good = good and met
        if times is not None:
            say(f"{times:.2f} times (at most {REMEMBERED_LIMIT:g}): {'met' if met else 'NOT MET'}")
    return good


def report_first_bytes(waits: Mapping[str, Sequence[tuple[float, float]]], say: Say) -> bool:
    """Print how long the first byte of content took, and all of it; tell whether the gateway's came in time."""
    say(f"\nfirst byte of a download of {LARGE_MIB} MiB")
    for name, row in waits.items():
        told = ", ".join(f"{first:.2f} of {whole:.1f} s" for first, whole in row)
        say(f"{name:<10}{told}")
    ours = waits.get(GATEWAY.name)
    met = bool(ours) and max(first for first, _ in ours or ()) <= FIRST_BYTE_LIMIT
    say(f"at most {FIRST_BYTE_LIMIT:g} s: {'met' if met else 'NOT MET'}")
    return met


def fetch_all(entrance: int, origin: int, files: Sequence[File], clients: int = CLIENTS) -> float:
    """
    Fetch every file once through a forward proxy, over so many kept-alive connections, and see that it is the right one.

    @return: MiB of content.
    @raise LoadFailed: an answer is not what the origin has.
    """
    waiting: queue.SimpleQueue[File] = queue.SimpleQueue()
    for file in files:
        waiting.put(file)
    faults: list[str] = []
    counts = [0] * clients

    def work(index: int) -> None:
        try:
            with closing(HTTPConnection("127.0.0.1", entrance, timeout=TIMEOUT)) as client:
                while not faults:
                    try:
                        file = waiting.get_nowait()
                    except queue.Empty:
                        return
                    got = get(client, origin, f"/corpus/{file.name}")
                    if (got.status, got.size, got.checksum) != (200, file.size, file.checksum):
                        raise LoadFailed(
                            f"{file.name}: status {got.status}, {got.size} of {file.size} bytes"
                        )
                    counts[index] += file.size
        except (LoadFailed, OSError) as error:
            faults.append(str(error))

    threads = [threading.Thread(target=work, args=(index,)) for index in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise LoadFailed(faults[0])
    return sum(counts) / MIB


@dataclass(frozen=True, slots=True)
class Got:
    """
    What came of one request.

    @ivar checksum: CRC-32 of the content.
    @ivar first: seconds until its first byte was there.
    @ivar whole: seconds until all of it was.
    """

    status: int
    size: int
    checksum: int
    first: float
    whole: float


def get(client: HTTPConnection, origin: int, path: str) -> Got:
    """
    Fetch from the origin through a forward proxy.

    @raise LoadFailed: the answer breaks off.
    """
    begun = time.monotonic()
    try:
        client.request(
            "GET",
            f"http://127.0.0.1:{origin}{path}",
            headers={"Accept-Encoding": "gzip, deflate, br"},
        )
        answer = client.getresponse()
        size = checksum = 0
        first = 0.0
        while data := answer.read1(_PIECE_BYTES):
            first = first or time.monotonic() - begun
            size += len(data)
            checksum = zlib.crc32(data, checksum)
        # As long as it is open the connection takes no other request.
        answer.close()
    except HTTPException as error:
        raise LoadFailed(f"{path}: {error!r}") from None
    return Got(answer.status, size, checksum, first, time.monotonic() - begun)


def _start(
    stack: ExitStack, cores: Cores, port_base: int, state: Path, say: Say
) -> list[Contestant]:
    """Start everybody who can scan; who can't is named and left out."""
    started = []
    for index, peer in enumerate(PEERS):
        if Role.SCAN not in peer.roles:
            continue
        ports = Ports.numbered(port_base, index)
        if peer.path() is None:
            say(f"not installed: {peer.name}: {peer.install}")
            continue
        try:
            beside: tuple[Program, ...] = ()
            if peer.name == RIVAL:
                helper = start_c_icap(ports, cores.proxy, state / "c-icap")
                beside = (stack.enter_context(helper),)
            proxy = stack.enter_context(peer.start(Role.SCAN, ports, cores, state / peer.name))
            entrance = peer.entrance(Role.SCAN, ports)
            proxy.wait_ready(entrance)
            contestant = Contestant(peer.name, proxy, entrance, beside)
            see_scanned(contestant, ports.web_origin, state / "web-origin")
        except (LookupError, DidNotStart, LoadFailed, OSError) as error:
            say(f"{peer.name}: left out: {error}")
            continue
        started.append(contestant)
    return started


def see_scanned(contestant: Contestant, origin: int, web: Path) -> None:
    """
    See that malware does not pass and everything else does, or what is measured would not be scanning.

    @raise LoadFailed: it is otherwise.
    """
    deadline = time.monotonic() + READY_SECONDS
    for name, content in (("good.bin", b"x"), ("bad.bin", b"x" + MARKER)):
        (web / name).write_bytes(content)
    while True:
        with closing(HTTPConnection("127.0.0.1", contestant.entrance, timeout=TIMEOUT)) as client:
            good = get(client, origin, "/good.bin")
            bad = get(client, origin, "/bad.bin")
        if bad.checksum == zlib.crc32(b"x" + MARKER):
            raise LoadFailed("malware passes")
        if good.status == 200:
            return
        # Its scanner may not be ready yet.
        if time.monotonic() > deadline:
            raise LoadFailed(f"nothing passes: status {good.status}")
        time.sleep(0.2)


def _passes(
    contestants: Sequence[Contestant],
    clamd: Program,
    web: Path,
    origin: int,
    files: int,
    rounds: int,
    say: Say,
) -> dict[str, list[Spent]]:
    passes: dict[str, list[Spent]] = {contestant.name: [] for contestant in contestants}
    folder = web / "corpus"
    # A pass to warm up is not counted.
    for turn in range(rounds + 1):
        corpus = scan_corpus.make(folder, turn, files if turn else max(20, files // 10))
        shift = turn % len(contestants) if contestants else 0
        for contestant in [*contestants[shift:], *contestants[:shift]]:
            if contestant.name not in passes:
                continue
            before = contestant.spent(clamd)
            begun = time.monotonic()
            try:
                mib = fetch_all(contestant.entrance, origin, corpus)
            except LoadFailed as error:
                say(f"{contestant.name}: left out: {error}")
                del passes[contestant.name]
                continue
            seconds = time.monotonic() - begun
            after = contestant.spent(clamd)
            if turn:
                spent = Spent(
                    after.proxy - before.proxy,
                    after.helpers - before.helpers,
                    after.scanner - before.scanner,
                    mib,
                    seconds,
                )
                passes[contestant.name].append(spent)
                say(f"round {turn} {contestant.name}: {spent.together:.1f} MiB per CPU second")
    return passes


def _first_bytes(
    contestants: Sequence[Contestant], web: Path, origin: int, rounds: int, say: Say
) -> dict[str, list[tuple[float, float]]]:
    """Give for each download the seconds to the first byte of content, and to the last."""
    folder = web / "corpus"
    folder.mkdir(parents=True, exist_ok=True)
    waits: dict[str, list[tuple[float, float]]] = {one.name: [] for one in contestants}
    for turn in range(rounds):
        # Another one each time: nobody may remember it.
        name = f"large-{turn}.mp4"
        content = random.Random(turn).randbytes(LARGE_MIB * MIB)
        (folder / name).write_bytes(content)
        wanted = zlib.crc32(content)
        del content
        for contestant in contestants:
            try:
                with closing(
                    HTTPConnection("127.0.0.1", contestant.entrance, timeout=TIMEOUT)
                ) as client:
                    got = get(client, origin, f"/corpus/{name}")
            except (LoadFailed, OSError) as error:
                say(f"{contestant.name}: the large download failed: {error}")
                continue
            if (got.status, got.checksum) != (200, wanted):
                say(f"{contestant.name}: the large download: status {got.status}, {got.size} bytes")
                continue
            waits[contestant.name].append((got.first, got.whole))
        (folder / name).unlink()
    return waits


def _peer(name: str) -> Peer:
    def command(path: str, state: Path, role: Role) -> list[str]:
        if name == UNSCANNED:
            (state / "gateway-scan.toml").unlink()
        return GATEWAY.command(path, state, role)

    return dataclasses.replace(GATEWAY, name=name, command=command)


def _scenario(name: str, title: str, path: str, size: int) -> Scenario:
    def run(peer: Peer, ports: Ports, seconds: float) -> Work:
        return load.requests(ports.reverse, "plain", [path], seconds, size).work()

    return Scenario(name, title, (Role.SCAN,), PER_REQUEST, run)
