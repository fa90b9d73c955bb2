"""Tests of the arithmetic and the files of C{benchmarks}: what it measures with is checked, not what it measures."""

from pathlib import Path
from xml.etree import ElementTree

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.trial.unittest import SynchronousTestCase

from benchmarks import report
from benchmarks.certificates import ORIGIN_FILE, TRUST_FILE, write_certificates
from benchmarks.load import LoadFailed, parse_wrk
from benchmarks.peers import AUTHORITY_FILE, HERE, PEERS, Ports, Role, fill, words_for
from benchmarks.picture import draw
from benchmarks.plugins import slopes_of
from benchmarks.results import Cell, Series, judge, ratio
from benchmarks.scenarios import SCENARIOS, TARGETS, Target, secure_request, way_of
from benchmarks.soak import fit_slope
from benchmarks.tls_load import Way
from benchmarks.usage import Memory, parse_stat


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
