"""Settings that do not go together."""

from __future__ import annotations

from tests.unit.config.files import FilesTestCase

SITE = '[[site]]\nhost = ["{host}"]\norigins = ["http://127.0.0.1:9000"]\nlisten = [{listen}]\n'


def site(host: str, listen: str = '"127.0.0.1:8000"', more: str = "") -> str:
    """Write a site of four lines and what is to follow."""
    return SITE.format(host=host, listen=listen) + more


class ListenerTests(FilesTestCase):
    """Each address has one listener."""

    def test_one_address_twice(self) -> None:
        """Two listeners on one address are a fault of the second, which says where the first stands."""
        (found,) = self.faults('[forward]\nlisten = ["127.0.0.1:8000"]\n' + site("a"))
        self.assertEqual(
            found,
            "gateway.toml:6: site[0].listen[0]: 127.0.0.1:8000 is taken by forward.listen[0] "
            f"({self.folder}/gateway.toml:2) (give it another port)".replace(f"{self.folder}/", ""),
        )
        (found,) = self.faults('[forward]\nlisten = ["unix:/a", "unix:/a"]')
        self.assertIn("forward.listen[1]: unix:/a is taken by forward.listen[0]", found)

    def test_default_address_counts(self) -> None:
        """A default is taken, too."""
        (found,) = self.faults('[admin]\nhealth = "127.0.0.1:8080"')
        self.assertIn(
            "gateway.toml:2: admin.health: 127.0.0.1:8080 is taken by forward.listen[0]", found
        )

    def test_wildcard(self) -> None:
        """Every address holds the single address of the same port."""
        (found,) = self.faults('[forward]\nlisten = [":8081"]')
        self.assertIn(
            "admin.health: 127.0.0.1:8081 overlaps 0.0.0.0:8081 of forward.listen[0]", found
        )

    def test_sites_share(self) -> None:
        """Sites may share a listener; each listener then knows its sites, in the order of the file."""
        config = self.load(site("a") + site("b", '"127.0.0.1:8000", "127.0.0.1:8001"'))
        shared = [
            (str(place), [one.host for one in sites]) for place, sites in config.reverse_listeners
        ]
        self.assertEqual(
            shared, [("127.0.0.1:8000", [("a",), ("b",)]), ("127.0.0.1:8001", [("b",)])]
        )

    def test_sites_that_disagree(self) -> None:
        """Sites that share a listener must say the same of it."""
        (found,) = self.faults(
            site("a")
            + site("b", '{ address = "127.0.0.1:8000", proxy_protocol = true }')
            + '[network]\ntrusted_proxies = ["127.0.0.1"]'
        )
        self.assertIn(
            "site[1].listen[0]: 127.0.0.1:8000 has other options than in site[0].listen[0]", found
        )

    def test_twice_in_one_site(self) -> None:
        """One site cannot name an address twice."""
        (found,) = self.faults(site("a", '"127.0.0.1:8000", "127.0.0.1:8000"'))
        self.assertIn("site[0].listen[1]: 127.0.0.1:8000 is taken by site[0].listen[0]", found)


class SiteTests(FilesTestCase):
    """Sites make sense."""

    def test_nothing_in_it(self) -> None:
        """A site needs an origin, a host and a listener."""
        found = self.faults("[[site]]\nhost = []\nlisten = []")
        self.assertEqual(
            [fault.split(": ")[1] for fault in found],
            ["site[0].origins", "site[0].host", "site[0].listen"],
        )

    def test_same_host_and_path(self) -> None:
        """Two sites cannot have the same host and path on one listener."""
        (found,) = self.faults(
            site("a") + site("b", more='path = "/x"') + "\n" + site("A", more='path = "/"')
        )
        self.assertIn(
            'gateway.toml:11: site[2].host[0]: "a" with path "/" is site[0] (gateway.toml:1) already',
            found,
        )

    def test_same_host_elsewhere(self) -> None:
        """Another path or another listener makes it another site."""
        self.load(site("a") + site("a", more='path = "/x"\n') + site("a", '"127.0.0.1:8001"'))

    def test_slash_at_the_end(self) -> None:
        """A slash at the end of a path does not make it another one."""
        (found,) = self.faults(site("a", more='path = "/x"\n') + site("a", more='path = "/x/"'))
        self.assertIn("already", found)

    def test_repeats(self) -> None:
        """An origin, a host or a plugin that stands there twice is a slip."""
        found = self.faults(
            '[[site]]\nhost = ["a", "A"]\norigins = ["http://a", "http://a:80/"]\n[plugins]\nenabled = ["x", "x"]'
        )
        self.assertEqual(len([fault for fault in found if "stands here twice" in fault]), 3, found)

    def test_bad_paths(self) -> None:
        """A path begins with a slash and holds neither query, fragment nor white space."""
        for path in ("x", "", "/a?b", "/a#b", "/a b", "/ä"):
            (found,) = self.faults(site("a", more=f'path = "{path}"'))
            self.assertIn("gateway.toml:5: site[0].path: ", found)

    def test_one_fault_is_not_told_twice(self) -> None:
        """An origin that cannot be read is a fault, and not also the lack of an origin."""
        (found,) = self.faults('[[site]]\norigins = ["x"]')
        self.assertIn("site[0].origins[0]", found)


class OtherTests(FilesTestCase):
    """The rest."""

    def test_no_source_port_left(self) -> None:
        """Excluded ports must leave a source port, also when the system chooses."""
        (found,) = self.faults('[network]\nsource_ports = "20-30"\nexclude_ports = ["1-100"]')
        self.assertIn("gateway.toml:2: network.source_ports: no port is left", found)
        (found,) = self.faults('[network]\nexclude_ports = ["1-65535"]')
        self.assertIn("gateway.toml:2: network.exclude_ports: no port is left", found)
        self.load('[network]\nsource_ports = "20-30"\nexclude_ports = ["21-30"]')

    def test_durations_are_positive(self) -> None:
        """A wait of nothing is refused, but for a tunnel's, where it means no limit."""
        found = self.faults('[timeouts]\nconnect = "0s"\ndrain = 0\ninactivity = "-1s"\n')
        self.assertEqual(len(found), 3)
        self.assertEqual(self.load("[timeouts]\ntunnel = 0").timeouts.tunnel, 0.0)

    def test_plugin_names(self) -> None:
        """The name of a plugin is an identifier; one with a dash is answered with the likely one."""
        (found,) = self.faults('[plugins]\nenabled = ["upload-limit"]')
        self.assertIn('("upload_limit")', found)

    def test_group_without_user(self) -> None:
        """A group alone is not enough to leave root."""
        (found,) = self.faults('[gateway]\ngroup = "x"')
        self.assertIn("a group without a user", found)

    def test_name_for_via(self) -> None:
        """The name of the gateway must be able to stand in a Via field."""
        (found,) = self.faults('[gateway]\nname = "gate way"')
        self.assertIn("cannot stand in a Via field", found)
        self.assertEqual(
            self.load('[gateway]\nname = "gw.example.com:8080"').gateway.name, "gw.example.com:8080"
        )

    def test_log_format(self) -> None:
        """A format of the access log is one of three, or the user's own."""
        self.assertIn(
            'did you mean "combined"?', self.faults('[log.access]\nformat = "combind"')[0]
        )
        self.assertEqual(
            self.load('[log.access]\nformat = "custom %h"').log.access.format, "custom %h"
        )
        self.assertEqual(len(self.faults('[log.access]\nformat = "custom "')), 1)
