"""Tests of the arithmetic and the files of C{benchmarks}: what it measures with is checked, not what it measures."""

import itertools
import json
import os
import socket
import threading
import tomllib
from contextlib import redirect_stderr
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import cast
from xml.etree import ElementTree
from zlib import crc32

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.trial.unittest import SynchronousTestCase

from benchmarks import (
    cache_miss,
    cache_objects,
    cache_zipf,
    identified,
    report,
    scan,
    scan_corpus,
    turns,
)
from benchmarks.__main__ import IDENTIFIED, parse
from benchmarks.certificates import ORIGIN_FILE, TRUST_FILE, write_certificates
from benchmarks.load import (
    LoadFailed,
    Requests,
    Work,
    discard,
    made,
    parse_wrk,
    read_any_head,
    read_head,
)
from benchmarks.peers import AUTHORITY_FILE, HERE, PEERS, Ports, Role, fill, words_for
from benchmarks.picture import draw
from benchmarks.plugins import slopes_of
from benchmarks.results import Cell, Series, judge, ratio
from benchmarks.scenarios import SCENARIOS, TARGETS, Target, secure_request, way_of
from benchmarks.soak import fit_slope
from benchmarks.tls_load import Way
from benchmarks.usage import Memory, parse_stat
from gateway.config.load import load, load_plugin_settings
from gateway_auth import AuthSettings

#: Of some password, as cheap as can be.
HASH = "$2b$04$abcdefghijklmnopqrstuu5Z8dYHLkTFcJ4wBBCzzHyXlo2YPvZ9u"


def series(*costs: float) -> Series:
    """Give one window a round."""
    return Series(
        [Cell(turn, cost, 1000.0) for turn, cost in enumerate(costs)], Memory(2 << 20, 1 << 20)
    )


class UsageTests(SynchronousTestCase):
    """What is read from C{/proc}."""

    def test_name_with_parentheses(self) -> None:
        """A command's name may hold spaces and parentheses; the fields are counted after the last one."""
        numbers = " ".join(str(field) for field in range(4, 53))
        stat = parse_stat(f"77 (a) b (c) S {numbers}")
        self.assertEqual(
            (stat.parent, stat.ticks, stat.children_ticks, stat.rss_pages),
            (4, 14 + 15, 16 + 17, 24),
        )


class LoadTests(SynchronousTestCase):
    """What is read from wrk."""

    LINE = (
        '{"requests":%d,"seconds":2.0,"bytes":%d,"p50_ms":1.5,"p99_ms":9.0,'
        '"connect":1,"read":2,"write":0,"status":3,"timeout":0}'
    )

    def test_errors_are_added(self) -> None:
        """Every kind of error counts."""
        work = parse_wrk(self.LINE % (10, 20000), 1024)
        self.assertEqual((work.units, work.errors, work.p99_ms), (10, 6, 9.0))

    def test_short_answers(self) -> None:
        """Answers lighter than the content asked for are error pages and no work."""
        self.assertRaises(LoadFailed, parse_wrk, self.LINE % (10, 2000), 1024)

    def test_no_answer(self) -> None:
        """No answer at all is a failure, not a division by zero."""
        self.assertRaises(LoadFailed, parse_wrk, self.LINE % (0, 0), 1024)


class ResultTests(SynchronousTestCase):
    """Medians, ratios and targets."""

    def test_ratio_pairs_rounds(self) -> None:
        """Costs are divided within a round; a busy minute that hits both changes nothing."""
        self.assertEqual(ratio(series(10, 50, 10), series(20, 100, 20)), 0.5)

    def test_ratio_of_a_missing_round(self) -> None:
        """A round that the other did not finish is left out."""
        self.assertEqual(ratio(series(10, 90), series(20)), 0.5)
        self.assertIsNone(ratio(series(10), Series()))

    def test_targets(self) -> None:
        """A target is met, not met, or not measured; one of a scenario that was not run is left out."""
        results = {
            "one": {"gateway": series(10), "squid": series(20)},
            "idle": {"gateway": series(5)},
        }
        targets = [
            Target("one", "squid", 0.5),
            Target("one", "haproxy", 2.0),
            Target("idle", None, 4.0),
            Target("other", "squid", 1.0),
        ]
        self.assertEqual([each.met for each in judge(results, targets)], [True, None, False])

    def test_slopes_of_rounds(self) -> None:
        """What a plugin costs is fitted within each round that all took part in."""
        cells = {
            0: [Cell(0, 50.0, 1), Cell(1, 80.0, 1), Cell(2, 50.0, 1)],
            5: [Cell(0, 53.0, 1), Cell(1, 82.5, 1)],
            20: [Cell(0, 62.0, 1), Cell(1, 90.0, 1), Cell(2, 70.0, 1)],
        }
        found = slopes_of({count: Series(row) for count, row in cells.items()})
        self.assertEqual([round(slope, 6) for slope in found], [0.6, 0.5])

    def test_slope(self) -> None:
        """The fitted line has the slope of exact points, and none where they make no line."""
        self.assertAlmostEqual(fit_slope([(0, 5), (10, 25), (20, 45)]), 2.0)
        self.assertEqual(fit_slope([(3, 1)]), 0.0)


class FileTests(SynchronousTestCase):
    """The configurations in the tree."""

    def test_every_word_is_known(self) -> None:
        """Each peer's file can be filled in for each role it plays."""
        words = words_for(Ports.numbered(25000, 0), HERE)
        for peer in PEERS:
            for role in peer.roles:
                for template in peer.templates[role]:
                    self.assertNotIn("@FORWARD@", fill((HERE / template).read_text(), words))

    def test_unknown_word(self) -> None:
        """A word nobody fills in is a fault at once."""
        self.assertRaises(KeyError, fill, "@NOBODY@", {})

    def test_ports_differ(self) -> None:
        """No two peers share a port but those of the web origin."""
        taken = [
            port
            for index in range(len(PEERS))
            for ports in [Ports.numbered(25000, index)]
            for port in (
                ports.forward,
                ports.reverse,
                ports.relay,
                ports.health,
                ports.secure,
                ports.tunnel_origin,
            )
        ]
        self.assertEqual(len(taken), len(set(taken)))

    def test_targets_name_what_exists(self) -> None:
        """Each target names a scenario and a peer that takes part in it."""
        scenarios = {scenario.name: scenario for scenario in SCENARIOS}
        peers = {peer.name: peer for peer in PEERS}
        for target in TARGETS:
            if target.peer is not None:
                self.assertIsNotNone(scenarios[target.scenario].role_of(peers[target.peer]))

    def test_gateway_plays_every_role(self) -> None:
        """The gateway takes part in every scenario."""
        self.assertEqual(PEERS[0].roles, frozenset(Role))


class SecureTests(SynchronousTestCase):
    """What the scenarios inside TLS are made of."""

    def setUp(self) -> None:
        """Have the certificates of a run."""
        self.state = Path(self.mktemp())
        self.certificates = self.state / "certificates"
        write_certificates(self.certificates)
        self.peers = {peer.name: peer for peer in PEERS}
        self.ports = Ports.numbered(25000, 1)

    def way(self, name: str, role: Role) -> Way:
        """Give the way through a peer."""
        peer = self.peers[name]
        return way_of(peer, role, self.ports, self.state, self.certificates)

    def test_proxies_do_not_sign_for_the_origin(self) -> None:
        """The origin's issuer and the CA of proxies are two, or a tunnel would pass for interception."""
        origin, authority = (
            x509.load_pem_x509_certificate((self.certificates / name).read_bytes())
            for name in (ORIGIN_FILE, AUTHORITY_FILE)
        )
        trust = x509.load_pem_x509_certificate((self.certificates / TRUST_FILE).read_bytes())
        self.assertEqual(origin.issuer, trust.subject)
        self.assertNotEqual(origin.issuer, authority.subject)
        for certificate in (origin, authority, trust):
            self.assertIsInstance(certificate.public_key(), ec.EllipticCurvePublicKey)

    def test_terminated(self) -> None:
        """Clients of a site begin with TLS and trust the issuer of its certificate."""
        way = self.way("nginx", Role.TERMINATE)
        self.assertEqual(
            (way.port, way.destination, way.trust),
            (self.ports.secure, None, self.certificates / TRUST_FILE),
        )

    def test_intercepted(self) -> None:
        """Clients of a proxy ask for a tunnel and trust the CA that the proxy signs with."""
        made = self.state / "squid-authority.pem"
        made.write_text("")
        way = self.way("squid", Role.INTERCEPT)
        self.assertEqual((way.port, way.destination, way.trust), (self.ports.forward, 25910, made))
        head, _, rest = secure_request(way).partition(b"\r\n\r\n")
        self.assertEqual((head.count(b"\r\n"), rest), (14, b""))

    def test_no_authority(self) -> None:
        """A proxy that has made no CA decrypts nothing, and is left out."""
        self.assertRaises(LoadFailed, self.way, "gateway", Role.INTERCEPT)


class IdentifiedTests(SynchronousTestCase):
    """What the requests of known users are made of, and how they are judged."""

    def test_options(self) -> None:
        """All scenarios in five rounds unless it is said; an unknown one is a fault."""
        usual = parse(["identified"])
        self.assertEqual((usual.scenarios, usual.rounds), (list(identified.NAMES), 5))
        self.assertEqual(IDENTIFIED, identified.NAMES)
        said = parse(["identified", "--scenarios", "reverse,forward", "--rounds", "2"])
        self.assertEqual((said.scenarios, said.rounds), (["reverse", "forward"], 2))
        with redirect_stderr(StringIO()) as told:
            self.assertRaises(SystemExit, parse, ["identified", "--scenarios", "sideways"])
        self.assertIn("sideways", told.getvalue())

    def test_differences(self) -> None:
        """Differences are taken within a round; one that the other did not finish is left out."""
        found = identified.difference(series(15, 115, 30), series(10, 100))
        self.assertEqual((found.us, found.least, found.most), (10.0, 5.0, 15.0))
        self.assertIsNone(identified.difference(series(10), Series()).us)

    def judged(self, *basic: float, errors: int = 0) -> bool:
        """Judge a row."""
        row = {"no plugin": series(90, 90), "off": series(100, 100), "basic": series(*basic)}
        row["basic"].cells[0] = replace(row["basic"].cells[0], errors=errors)
        ways = tuple(way for way in identified.FORWARD if way.name in row)
        said: list[str] = []
        good = identified.report(ways, row, said.append)
        self.assertEqual(len(said), 4)
        return good

    def test_judged(self) -> None:
        """Who is known may cost so much more than nobody, and no request may fail."""
        self.assertTrue(self.judged(110, 110))
        self.assertFalse(self.judged(111, 111))
        self.assertFalse(self.judged(100, 100, errors=1))

    def test_lines(self) -> None:
        """The ways differ in what shows the user and in nothing else."""
        by_name = {way.name: way for way in identified.FORWARD}
        plain = identified.lines(by_name["no plugin"], 25900)
        self.assertEqual(identified.lines(by_name["connection"], 25900), plain)
        *same, last = identified.lines(by_name["basic"], 25900)
        self.assertEqual(same, plain)
        self.assertTrue(last.startswith("Proxy-Authorization: Basic "))
        cookie = identified.lines(by_name["cookie"], 25900)
        differ = [pair for pair in zip(cookie, plain, strict=True) if pair[0] != pair[1]]
        ((ours, theirs),) = differ
        self.assertTrue(ours.startswith(f"{theirs}; gateway-auth-25900="))
        varied = identified.lines(by_name["no plugin"], 25900, varied=True)
        self.assertEqual(sum("@N@" in line for line in varied), 1)

    def test_configurations(self) -> None:
        """Every way's configuration is one that the gateway takes."""
        template = (HERE / "gateway.toml").read_text()
        for ways in (identified.FORWARD, identified.REVERSE):
            for way in ways:
                state = Path(self.mktemp()).absolute()
                state.mkdir()
                for name, text in (("users", f"anna:{HASH}\n"), ("keys", f"{identified.KEY}\n")):
                    (state / name).write_text(text)
                    (state / name).chmod(0o600)
                text = fill(template, words_for(Ports.numbered(25000, 0), state))
                file = state / "gateway.toml"
                known = replace(way, more=())
                file.write_text(identified.configured(known, text, state))
                config = load(str(file), environ={})
                self.assertEqual("auth" in config.plugins.enabled, way.settings is not None)
                settings = load_plugin_settings(config, "auth", AuthSettings, {})
                self.assertEqual(settings.cookie > 0, way.cookie)


class Paused(Requests):
    """
    A load that is over after some turns.

    @ivar said: what was done to all of them.
    """

    def __init__(self, name: str, turns: int, said: list[str], units: float = 1) -> None:
        self._name = name
        self._left = turns
        self._units = units
        self.said = said

    @property
    def over(self) -> bool:
        """Tell whether no turn is left."""
        return not self._left

    def pause(self) -> None:
        """Note it."""
        self.said.append(f"-{self._name}")

    def resume(self) -> None:
        """Note it."""
        self._left -= 1
        self.said.append(f"+{self._name}")

    def work(self) -> Work:
        """Give it, or fail if there is none."""
        if not self._units:
            raise LoadFailed(self._name)
        return Work(self._units, 1.0)

    def __exit__(self, *_: object) -> None:
        self.said.append(f"0{self._name}")


class TurnsTests(SynchronousTestCase):
    """Loads that work in turn."""

    def setUp(self) -> None:
        """Let a turn take no time."""
        self.patch(turns, "TURN_SECONDS", 0)
        self.said: list[str] = []

    def test_in_turn(self) -> None:
        """One works at a time, each as long as it has something to do, and who is first is said."""
        loads = [Paused("a", 1, self.said), Paused("b", 2, self.said, 7)]
        done = turns.in_turns([lambda: loads[0], lambda: loads[1]], first=1)
        self.assertEqual([cast(Work, each).units for each in done], [1, 7])
        self.assertEqual(" ".join(self.said), "-a -b +b -b +a -a +b -b 0b 0a")

    def test_failures(self) -> None:
        """One that does not start, or whose work fails, is nothing to the others."""

        def missing() -> Requests:
            raise LoadFailed("missing")

        done = turns.in_turns(
            [missing, lambda: Paused("a", 1, self.said, 0), lambda: Paused("b", 1, self.said)]
        )
        self.assertEqual([str(each) for each in done[:2]], ["missing", "a"])
        self.assertEqual(cast(Work, done[2]).units, 1)

    def test_process(self) -> None:
        """What a program tells is read when it is over."""
        told = json.dumps(
            {"requests": 3, "bytes": 30, "seconds": 1, "p50_ms": 1, "p99_ms": 2}
            | dict.fromkeys(("connect", "read", "write", "status", "timeout"), 0)
        )
        with Requests(["echo", told], 1, 10) as load:
            self.assertEqual(load.work().units, 3)
            self.assertTrue(load.over)
        with Requests(["sh", "-c", "echo out of order >&2"], 1, 10) as load:
            error = self.assertRaises(LoadFailed, load.work)
            self.assertIn("out of order", str(error))

    def test_paused(self) -> None:
        """A program stands still, and goes on; one that is left is killed, standing still or not."""
        with Requests(["sleep", "60"], 1, 10) as load:
            load.pause()
            os.waitid(os.P_PID, load.pid, os.WSTOPPED)
            self.assertFalse(load.over)
            load.resume()
            os.waitid(os.P_PID, load.pid, os.WCONTINUED)
            load.pause()
        self.assertTrue(load.over)


class ScanTests(SynchronousTestCase):
    """The corpus that is scanned, and how the figures are judged."""

    def test_corpus(self) -> None:
        """The same seed makes the same files, another one none of them; every kind has its share, and is what it says."""
        folder = Path(self.mktemp())
        kinds = [replace(kind, kib=(2, 40)) for kind in scan_corpus.KINDS]
        first = scan_corpus.make(folder, 1, 1, kinds)
        self.assertEqual(scan_corpus.make(folder, 1, 1, kinds), first)
        self.assertEqual({file.name for file in first}, {file.name for file in folder.iterdir()})
        for file in first:
            content = (folder / file.name).read_bytes()
            self.assertEqual((len(content), crc32(content)), (file.size, file.checksum))
        other = scan_corpus.make(folder, 2, 1, kinds)
        self.assertEqual(
            {file.checksum for file in first} & {file.checksum for file in other}, set()
        )
        self.assertEqual(sum(kind.share for kind in scan_corpus.KINDS), 100)
        for kind in scan_corpus.KINDS:
            self.assertTrue(any(file.name.endswith(kind.ending) for file in other), kind.ending)

    def judged(self, ours: scan.Spent, theirs: scan.Spent) -> bool:
        """Judge one pass of each."""
        said: list[str] = []
        return scan.report_passes({"gateway": [ours], "squid": [theirs]}, said.append)

    def test_passes(self) -> None:
        """What counts is content per processor time of everybody, clamd too."""
        theirs = scan.Spent(proxy=1.0, helpers=1.0, scanner=4.0, mib=60.0)
        self.assertEqual((theirs.without_scanner, theirs.together), (30.0, 10.0))
        self.assertTrue(self.judged(scan.Spent(0.5, 0.5, 3.0, mib=60.0), theirs))
        self.assertFalse(self.judged(scan.Spent(0.0, 0.1, 4.0, mib=60.0), theirs))
        self.assertFalse(scan.report_passes({"squid": [theirs]}, lambda line: None))

    def test_remembered(self) -> None:
        """What is remembered may cost a fifth more than what is not scanned, and no request may fail."""

        def judged(remembered: Series) -> bool:
            row = {scan.UNSCANNED: series(100, 100), scan.REMEMBERED: remembered}
            return scan.report_remembered(
                {name: row for name, *_ in scan.CONTENTS}, lambda line: None
            )

        self.assertTrue(judged(series(120, 120)))
        self.assertFalse(judged(series(121, 121)))
        failing = series(100)
        failing.cells[0] = replace(failing.cells[0], errors=1)
        self.assertFalse(judged(failing))

    def test_first_bytes(self) -> None:
        """Every download of the gateway has to begin in time; who has none has failed."""
        for row, expected in (
            ([(0.9, 6.0), (1.0, 6.0)], True),
            ([(0.5, 6.0), (1.1, 6.0)], False),
            ([], False),
        ):
            waits = {"gateway": row, "squid": [(6.0, 6.1)]}
            self.assertEqual(scan.report_first_bytes(waits, lambda line: None), expected)


class AnswerTests(SynchronousTestCase):
    """What is read of a cache's answers."""

    def answered(self, *answers: bytes) -> socket.socket:
        """Have a connection on which these answers come."""
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        theirs.sendall(b"".join(answers))
        theirs.close()
        return ours

    def test_head(self) -> None:
        """Names are in lower case, and the content is skipped to the byte, so that the next answer follows."""
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 70000\r\nX-Made: 1\r\n\r\n" + bytes(70000)
        client = self.answered(answer, b"HTTP/1.1 504 Late\r\n\r\n")
        fields, length, content = read_head(client)
        self.assertEqual((fields[b"x-made"], length), (b"1", 70000))
        discard(client, length - len(content))
        status, _, length, content = read_any_head(client)
        self.assertEqual((status, length, content), (504, 0, b""))

    def test_not_a_success(self) -> None:
        """Where a 200 is wanted, another answer is a failure, and so is one that is cut short."""
        self.assertRaises(LoadFailed, read_head, self.answered(b"HTTP/1.1 502 Bad\r\n\r\n"))
        self.assertRaises(LoadFailed, read_head, self.answered(b"HTTP/1.1 200"))
        self.assertRaises(LoadFailed, discard, self.answered(b"12"), 3)

    def test_marks(self) -> None:
        """The marks of two answers are compared; without one, or with another each time, it is no hit."""
        for answers, expected in (((b"a", b"b", b"b"), b"b"), ((b"a", b"b"), None), ((b"",), None)):
            with socket.create_server(("127.0.0.1", 0)) as server:
                server.settimeout(5)
                client_port = server.getsockname()[1]
                replies = [
                    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n%b\r\n"
                    % (b"X-Made: %b\r\n" % mark if mark else b"")
                    for mark in answers
                ]
                thread = threading.Thread(target=self.serve, args=(server, replies))
                thread.start()
                try:
                    if expected is None:
                        self.assertRaises(LoadFailed, made, client_port, b"GET", settle=True)
                    else:
                        self.assertEqual(made(client_port, b"GET", settle=True), expected)
                finally:
                    thread.join()

    def serve(self, server: socket.socket, replies: list[bytes]) -> None:
        """Answer each request on one connection, and close it."""
        connection, _ = server.accept()
        with connection:
            for reply in replies:
                if not connection.recv(100):
                    break
                connection.sendall(reply)


class CacheTests(SynchronousTestCase):
    """What the comparisons of caches are made of, and how they are judged."""

    def test_options(self) -> None:
        """The commands and what they take unless it is said."""
        self.assertEqual(parse(["cache-objects"]).objects, [1000, 1_000_000])
        self.assertEqual(parse(["cache-objects", "--objects", "5,7"]).objects, [5, 7])
        self.assertEqual(parse(["cache-miss", "--rounds", "2"]).rounds, 2)
        mixed = parse(["cache-zipf", "--size-mib", "64", "--peers", "gateway,nginx"])
        self.assertEqual((mixed.size_mib, mixed.peers), (64, ["gateway", "nginx"]))
        with redirect_stderr(StringIO()) as told:
            self.assertRaises(SystemExit, parse, ["cache-zipf", "--peers", "abacus"])
            self.assertRaises(SystemExit, parse, ["cache-zipf", "--size-mib", "63"])
        self.assertIn("abacus", told.getvalue())

    def test_everybody_stores(self) -> None:
        """Whoever has a cache gets the same room, and its own file says so."""
        words = words_for(Ports.numbered(25000, 0), HERE) | {"CACHE_SIZE": "777"}
        for peer in PEERS:
            if Role.CACHE in peer.roles:
                files = [
                    fill((HERE / name).read_text(), words) for name in peer.templates[Role.CACHE]
                ]
                self.assertEqual(sum("777" in file for file in files), 1, peer.name)

    def test_ways(self) -> None:
        """Without the plugin there is none; the others have it, with a table that can be read."""
        template = (HERE / "gateway-cache.toml").read_text()
        for way in cache_miss.WAYS:
            state = Path(self.mktemp())
            state.mkdir()
            file = state / "gateway-cache.toml"
            file.write_text(fill(template, words_for(Ports.numbered(25000, 0), state)))
            cache_miss.configured(way, state)
            self.assertEqual(file.exists(), way.enabled)
            if way.enabled:
                settings = tomllib.loads(file.read_text())["plugins"]["cache"]
                self.assertEqual("sites" in settings, bool(way.settings))

    def test_misses_judged(self) -> None:
        """A miss may cost so much more than without the plugin, in the same round, and no request may fail."""
        said: list[str] = []
        for costs, good in (((125, 75), True), ((126, 76), False)):
            row = {"without": series(100, 50), "with": series(*costs)}
            self.assertEqual(cache_miss.report(row, said.append), good)
        self.assertFalse(cache_miss.report({"without": series(1), "with": Series()}, said.append))

    def test_rivals(self) -> None:
        """Others are told of beside, each against itself without its cache; what they cost is no fault of ours."""
        for rival in cache_miss.RIVALS:
            text = (HERE / rival.file).read_text()
            bare = cache_miss.uncached(rival, text)
            self.assertNotIn("proxy_cache answers", bare)
            self.assertEqual("deny all" in bare, bool(rival.more))
            self.assertTrue(set(bare.splitlines()) - {rival.more, ""} <= set(text.splitlines()))
        said: list[str] = []
        row = {"without": series(100), "with": series(110)}
        row |= {"nginx": series(150), "nginx-without": series(20), "squid": series(1)}
        self.assertTrue(cache_miss.report(row, said.append))
        self.assertEqual(
            ["nginx" in line and "+130.0" in line for line in said[-2:]], [False, True]
        )

    def test_hits_judged(self) -> None:
        """A hit with many objects may cost a fifth more than with few."""
        said: list[str] = []
        for cost, good in ((12, True), (13, False)):
            row = {"few": series(10, 10), "many": series(cost, cost)}
            self.assertEqual(cache_objects.report(row, said.append), good)

    def test_objects_asked_for(self) -> None:
        """Some of the objects lie evenly among all; a small store has no others."""
        self.assertEqual(cache_objects.targets(1_000_000, 1000)[2:4], ["1000", "1000"])
        self.assertEqual(cache_objects.targets(500, 1000)[2:4], ["500", "1"])
        self.assertEqual(cache_objects.targets(5000, 0)[2:4], ["5000", "1"])

    def test_sequence(self) -> None:
        """What is asked for is the same each time, popular or once only, and one object has one size."""
        first, again = (list(itertools.islice(cache_zipf.sequence(), 3000)) for _ in range(2))
        self.assertEqual(first, again)
        sizes: dict[int, set[int]] = {}
        for number, kib in first:
            sizes.setdefault(number, set()).add(kib)
        self.assertEqual({len(each) for each in sizes.values()}, {1})
        once = [number for number, _ in first if number >= cache_zipf.OBJECTS]
        self.assertEqual(len(once), len(set(once)))
        self.assertTrue(200 < len(once) < 400, len(once))

    def test_ratios_judged(self) -> None:
        """The gateway must have the hits of each rival, with as much room as that one took."""
        said: list[str] = []
        tallies = {
            "gateway": cache_zipf.Tally(100, 50),
            "squid": cache_zipf.Tally(100, 50),
            "nginx": cache_zipf.Tally(100, 55),
        }
        self.assertFalse(cache_zipf.verdict(tallies, {}, said.append))
        more = {"nginx": cache_zipf.Tally(100, 56)}
        self.assertTrue(cache_zipf.verdict(tallies, more, said.append))
        self.assertFalse(cache_zipf.verdict({}, {}, said.append))

    def test_room_is_kept(self) -> None:
        """Hits with more room than there is are none."""
        said: list[str] = []
        kept = cache_zipf.Tally(100, 50, disk=10 << 20, room=10)
        self.assertTrue(cache_zipf.verdict({"gateway": kept}, {}, said.append))
        taken = cache_zipf.Tally(100, 50, disk=11 << 20, room=10)
        self.assertFalse(cache_zipf.verdict({"gateway": taken}, {}, said.append))


class ReportTests(SynchronousTestCase):
    """Tables and picture."""

    def test_picture_is_well_formed(self) -> None:
        """The picture is XML, with one bar for each peer, cut or whole."""
        results = {
            "reverse-1k": {"gateway": series(40), "haproxy": series(30), "mitmproxy": series(2000)}
        }
        root = ElementTree.fromstring(draw(results, {"processor": "A & B <1>"}))
        names = [element.tag.rpartition("}")[2] for element in root]
        self.assertEqual((names.count("rect"), names.count("polygon")), (1 + 2, 1))

    def test_table_names_who_was_left_out(self) -> None:
        """A peer that failed stands in the table with its reason."""
        text = report.tables(
            {"reverse-1k": {"gateway": series(40), "squid": Series(failure="no squid\nmore")}}
        )
        self.assertIn("left out: no squid", text)
        self.assertIn("40.0", text)
