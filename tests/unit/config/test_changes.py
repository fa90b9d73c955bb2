"""Tests of L{gateway.config.changes}: what differs, what it takes, and that no secret is shown."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.trial.unittest import SynchronousTestCase

from gateway.config.changes import Change, changes, places
from gateway.config.load import load

SITE = {"host": ["a.example.com"], "origins": ["http://127.0.0.1:1"], "listen": ["127.0.0.1:81"]}


class ChangesTests(SynchronousTestCase):
    """L{changes}."""

    def between(self, before: Mapping[str, object], after: Mapping[str, object]) -> list[Change]:
        """Compare two configurations."""
        return changes(load(None, before, {}), load(None, after, {}))

    def test_none(self) -> None:
        """Two readings of one configuration differ in nothing."""
        said = {"site": [SITE], "limits.upload": "1MiB", "plugins.x.key": "value"}
        self.assertEqual(self.between(said, dict(said)), [])

    def test_values(self) -> None:
        """A setting is shown as it is written, before and after."""
        self.assertEqual(
            self.between({}, {"limits.upload": "1MiB", "timeouts.drain": "5s"}),
            [
                Change("limits.upload", "request", '"2GiB"', '"1MiB"'),
                Change("timeouts.drain", "request", '"300s"', '"5s"'),
            ],
        )
        self.assertEqual(
            str(Change("limits.upload", "request", '"2GiB"', '"1MiB"')),
            'limits.upload: "2GiB" -> "1MiB" (from the next request on)',
        )

    def test_listeners(self) -> None:
        """A place that is new or gone is a port; the list that names it is not said once more."""
        found = self.between({}, {"forward.listen": ["127.0.0.1:8080", "127.0.0.1:9"]})
        self.assertEqual(found, [Change("127.0.0.1:9", "listener", "", "forward")])

    def test_options_of_a_listener(self) -> None:
        """What is said of a place that stays holds from the next request on."""
        place = {"address": "127.0.0.1:8080", "max_connections": 5}
        found = self.between({}, {"forward.listen": [place]})
        self.assertEqual(
            [(one.path, one.effect) for one in found],
            [("forward.listen[0].max_connections", "request")],
        )

    def test_sites(self) -> None:
        """Sites are compared one by one; those that are new or gone are told as such."""
        other = {**SITE, "host": ["b.example.com"]}
        found = self.between(
            {"site": [SITE]}, {"site": [{**SITE, "balance": "client_hash"}, other]}
        )
        self.assertEqual([one.path for one in found], ["site[0].balance", "site[1]"])
        gone = self.between({"site": [SITE, other]}, {"site": [SITE]})
        self.assertEqual(gone, [Change("site[1]", "request", "there", "")])

    def test_restart(self) -> None:
        """What was settled at the start needs a restart."""
        found = self.between({}, {"gateway.user": "nobody", "admin.health": "127.0.0.1:9"})
        self.assertEqual({one.effect for one in found}, {"restart"})
        self.assertEqual([one.path for one in found], ["gateway.user", "admin.health"])

    def test_mode_of_a_place(self) -> None:
        """A place that goes to another mode is told."""
        site = {**SITE, "listen": ["127.0.0.1:8080"]}
        found = self.between({}, {"site": [site], "forward.listen": []})
        self.assertEqual(found[0], Change("127.0.0.1:8080", "restart", "forward", "reverse"))

    def test_plugins(self) -> None:
        """Order, rules and settings of plugins: the values of the last may be secrets and are not shown."""
        found = self.between(
            {"plugins.x.password": "horse"},
            {
                "plugins.enabled": ["x", "upload_limit"],
                "plugins.x.password": "battery",
                "plugins.x.fail": "open",
            },
        )
        self.assertEqual(
            found,
            [
                Change("plugins.enabled", "plugin", "upload_limit", "x, upload_limit"),
                Change("plugins.x.fail", "plugin", '""', '"open"'),
                Change("plugins.x.password", "plugin"),
            ],
        )
        self.assertNotIn("battery", "".join(map(str, found)))

    def test_parents(self) -> None:
        """A parent's URL may hold a password, which is not shown."""
        found = self.between(
            {"forward.parent": [{"url": "http://u:horse@a.example.com"}]},
            {"forward.parent": [{"url": "http://u:battery@b.example.com"}]},
        )
        text = "".join(map(str, found))
        self.assertIn("forward.parent", text)
        self.assertNotIn("horse", text)
        self.assertNotIn("battery", text)

    def test_log(self) -> None:
        """The access log changes with its next line."""
        found = self.between({}, {"log.access.format": "json"})
        self.assertEqual(found, [Change("log.access.format", "log", '"squid"', '"json"')])

    def test_watched(self) -> None:
        """What is watched changes with the next reading, and who is told with the next event."""
        found = self.between({}, {"watch.memory": "90%", "watch.disk": 0, "notify.limit": "5s"})
        self.assertEqual(
            [(one.path, one.effect, one.before, one.after) for one in found],
            [
                ("notify.limit", "event", '"60s"', '"5s"'),
                ("watch.disk", "watch", '"10%"', "0"),
                ("watch.memory", "watch", '"80%"', '"90%"'),
            ],
        )


class PlacesTests(SynchronousTestCase):
    """L{places}."""

    def test_both(self) -> None:
        """Every place of both modes, once."""
        config = load(
            None, {"site": [SITE, {**SITE, "path": "/b"}], "forward.listen": ["[::1]:80"]}
        )
        self.assertEqual(
            {str(place): mode for place, mode in places(config).items()},
            {"[::1]:80": "forward", "127.0.0.1:81": "reverse"},
        )
