"""Tests of L{gateway.upstreams}: what a configuration becomes, without anything being opened."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.events import Event, Severity
from gateway.config.faults import ConfigError
from gateway.config.load import load
from gateway.message.via import Via
from gateway.modes.reverse import ReverseMode
from gateway.net.deadlines import Deadlines
from gateway.net.source_ports import system_range
from gateway.testing.network import MemoryNetwork
from gateway.upstreams import Upstreams
from gateway.wire.limits import HeadLimits

SITE = {
    "host": ["www.example.com"],
    "listen": ["192.0.2.1:80"],
    "origins": ["http://198.51.100.1", "http://198.51.100.2"],
}


class UpstreamsCase(SynchronousTestCase):
    """Composes upstreams on a network in memory."""

    def setUp(self) -> None:
        self.reactor = MemoryNetwork()
        self.told: list[Event] = []

    def made(
        self,
        settings: dict[str, Any],
        before: Upstreams | None = None,
        *,
        judged: bool = False,
    ) -> Upstreams:
        """Compose."""
        return Upstreams(
            load(None, settings, {}),
            self.reactor,
            Deadlines(self.reactor),
            Via("gateway"),
            HeadLimits(),
            own=lambda: [("192.0.2.1", 8080)],
            tell=self.told.append,
            before=before,
            judged=judged,
        )


class UpstreamsTests(UpstreamsCase):
    """L{Upstreams}."""

    def test_forward_alone(self) -> None:
        """Without sites there is a forward proxy, and its connections are guarded, our own listeners included."""
        upstreams = self.made({})
        self.assertEqual(
            [(str(listen), mode.name) for listen, mode in upstreams.modes()],
            [("127.0.0.1:8080", "forward")],
        )
        guard = upstreams.dialer.guard
        assert guard is not None
        self.assertEqual(guard.check("127.0.0.1", 80), "loopback")
        self.assertEqual(guard.check("192.0.2.1", 8080), "own_listener")
        self.assertIsNone(guard.check("192.0.2.1", 80))

    def test_sites_alone(self) -> None:
        """With sites and no word of a forward proxy there is none, and no guard: origins are named by the operator."""
        upstreams = self.made({"site": [SITE]})
        self.assertEqual([mode.name for _, mode in upstreams.modes()], ["reverse"])
        self.assertIsNone(upstreams.dialer.guard)

    def test_each_listener(self) -> None:
        """Forward listeners share one mode; reverse listeners have one each, with the sites that are there."""
        other = {**SITE, "host": ["shop.example.com"], "listen": ["192.0.2.1:80", "192.0.2.1:81"]}
        upstreams = self.made(
            {"forward.listen": ["192.0.2.1:8080", "192.0.2.1:8081"], "site": [SITE, other]}
        )
        modes = list(upstreams.modes())
        self.assertEqual(
            [str(listen) for listen, _ in modes],
            [f"192.0.2.1:{port}" for port in (8080, 8081, 80, 81)],
        )
        self.assertIs(modes[0][1], modes[1][1])
        found = []
        for _, mode in modes[2:]:
            assert isinstance(mode, ReverseMode)
            found.append(
                [host for host in ("www.example.com", "shop.example.com") if mode.sites.knows(host)]
            )
        self.assertEqual(found, [["www.example.com", "shop.example.com"], ["shop.example.com"]])

    def test_upload_limit_of_a_site(self) -> None:
        """A site has its own upload limit, or the general one."""
        upstreams = self.made(
            {"limits.upload": "5MiB", "site": [{**SITE, "upload": "1MiB"}, {**SITE, "path": "/a"}]}
        )
        self.assertEqual([site.upload for site in upstreams.sites], [1 << 20, 5 << 20])

    def test_health_checks(self) -> None:
        """Checks run where a path is said, and leave nothing on the clock when they are stopped."""
        upstreams = self.made({"site": [{**SITE, "health": "/up"}, {**SITE, "path": "/a"}]})
        self.assertEqual(len(upstreams.checks), 1)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        upstreams.start()
        self.assertEqual(len(self.reactor.getDelayedCalls()), 2)
        upstreams.stop()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_host_of_checks(self) -> None:
        """A check asks for the site's name; for that of the origin where the site's is no name."""
        for host, asked in (
            ("www.example.com", b"www.example.com"),
            ("*.example.com", b"198.51.100.1:80"),
            ("*", b"198.51.100.1:80"),
        ):
            upstreams = self.made({"site": [{**SITE, "host": [host], "health": "/up"}]})
            self.assertIn(
                b"\r\nHost: " + asked + b"\r\n", next(iter(upstreams.checks.values()))._request
            )

    def test_events(self) -> None:
        """An origin that goes down and comes back is an event, with its site and its address."""
        upstreams = self.made({"site": [{**SITE, "health": {"path": "/up", "fall": 1, "rise": 1}}]})
        origins = upstreams.sites[0].origins
        origins.checked(origins.origins[0], healthy=False, why="status 500")
        origins.checked(origins.origins[0], healthy=True, why="good again")
        self.assertEqual(
            [(event.name, event.severity, event.subject) for event in self.told],
            [
                ("origin_down", Severity.WARNING, "www.example.com http://198.51.100.1:80"),
                ("origin_up", Severity.INFO, "www.example.com http://198.51.100.1:80"),
            ],
        )
        self.assertIn("of site www.example.com: status 500", self.told[0].text)

    def test_outage_of_a_site_that_goes(self) -> None:
        """In a reload an outage goes on with a site that stays as it was, and ends with one that does not."""
        other = {**SITE, "host": ["shop.example.com"]}
        before = self.made({"site": [SITE, other]})
        for site in before.sites:
            site.origins.checked(site.origins.origins[0], healthy=False, why="status 500")
        self.told.clear()
        after = self.made({"site": [SITE]}, before)
        before.give_way(after)
        (over,) = self.told
        self.assertEqual((over.name, over.values["site"]), ("origin_up", "shop.example.com"))
        origins = after.sites[0].origins
        origins.checked(origins.origins[0], healthy=True, why="good again")
        self.assertEqual(self.told[1].values["site"], "www.example.com")

    def test_pool_use(self) -> None:
        """The metrics get what is idle and in use, in all and for each site."""
        upstreams = self.made({"site": [SITE]})
        upstreams.pool.new("a")
        upstreams.sites[0].origins.acquire("192.0.2.7")
        use = [(use.pool, use.idle, use.busy, use.waiting) for use in upstreams.pool_use()]
        self.assertEqual(use, [("all", 0, 1, 0), ("site www.example.com", 0, 1, 0)])

    def test_stop(self) -> None:
        """Those who wait for an origin when it stops are refused, and look-ups end."""
        upstreams = self.made(
            {"site": [{**SITE, "origins": ["http://198.51.100.1"], "max_connections": 1}]}
        )
        origins = upstreams.sites[0].origins
        origins.acquire("192.0.2.7")
        waiting = origins.acquire("192.0.2.7")
        assert isinstance(waiting, Deferred)
        upstreams.stop()
        self.failureResultOf(waiting)

    def test_no_source_port(self) -> None:
        """Excluding all that the system has is a fault of the configuration."""
        first, last = system_range()
        error = self.assertRaises(
            ConfigError, self.made, {"network.exclude_ports": [f"{first}-{last}"]}
        )
        self.assertIn("network.exclude_ports", str(error))


class FollowingTests(UpstreamsCase):
    """One configuration after another."""

    def test_nothing_new(self) -> None:
        """Where nothing differs names, connections and what is known of origins go on being used."""
        before = self.made({"site": [SITE]})
        after = self.made({"site": [SITE]}, before)
        self.assertIs(after.resolver, before.resolver)
        self.assertIs(after.pool, before.pool)
        self.assertEqual(after.sites, before.sites)

    def test_other_network(self) -> None:
        """Where the network differs connections made by the old rules are not used, nor dialled by them."""
        for said in (
            {"network.exclude_ports": [4444]},
            {"timeouts.connect": "5s"},
            {"forward.deny_destinations": ["10.0.0.0/8"]},
            {"limits.fields": 50},
        ):
            before = self.made({"site": [SITE], "forward.listen": ["127.0.0.1:1"]})
            settings = {"site": [SITE], "forward.listen": ["127.0.0.1:1"], **said}
            after = self.made(settings, before)
            self.assertIsNot(after.pool, before.pool, said)
            self.assertIsNot(after.dialer, before.dialer, said)
            self.assertNotEqual(after.sites, before.sites, said)

    def test_judged_connections(self) -> None:
        """Where plugins judge connections none is taken over, but names are."""
        before = self.made({})
        after = self.made({}, before, judged=True)
        self.assertIsNot(after.pool, before.pool)
        self.assertIs(after.resolver, before.resolver)

    def test_changed_site(self) -> None:
        """Of two sites the one that stays keeps its origins' health, the other begins anew; its cookies stay valid."""
        other = {**SITE, "path": "/a", "sticky": "cookie"}
        before = self.made({"site": [SITE, other]})
        after = self.made({"site": [{**other, "balance": "client_hash"}, SITE]}, before)
        self.assertIs(after.sites[1], before.sites[0])
        self.assertIsNot(after.sites[0], before.sites[1])
        ids = [
            [state.id for state in site.origins.origins]
            for site in (after.sites[0], before.sites[1])
        ]
        self.assertEqual(ids[0], ids[1])

    def test_health_checks_go_on(self) -> None:
        """The checks of a site that stays go on; those of one that is gone end."""
        other = {**SITE, "path": "/a"}
        before = self.made({"site": [{**SITE, "health": "/up"}, {**other, "health": "/up"}]})
        before.start()
        calls = set(self.reactor.getDelayedCalls())
        self.assertEqual(len(calls), 4)
        after = self.made({"site": [{**SITE, "health": "/up"}, {**other, "health": "/ok"}]}, before)
        after.start(before)
        before.give_way(after)
        now = set(self.reactor.getDelayedCalls())
        self.assertEqual((len(now), len(now & calls)), (4, 2))
        before.stop([after])
        self.assertEqual(set(self.reactor.getDelayedCalls()), now)
        after.stop()
        self.assertEqual(self.reactor.getDelayedCalls(), [])
