"""From files and the command line to one configuration, or every fault."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated, ClassVar

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.addresses import Listen, Nameserver, Origin
from gateway.config.cautions import cautions
from gateway.config.describe import settings as settings_of
from gateway.config.describe import table_struct
from gateway.config.faults import ConfigError, Fault
from gateway.config.hosts import HostSet
from gateway.config.kind import Help
from gateway.config.kinds.numbers import Duration, Size
from gateway.config.kinds.sets import Hosts
from gateway.config.load import load, load_plugin_settings
from gateway.config.networks import NetworkSet
from gateway.config.ports import PortSet
from gateway.config.reading import fields_of
from gateway.config.schema import Config
from gateway.config.secrets import Secret
from gateway.config.sections.plugins import Rule
from tests.effort import examples
from tests.unit.config.files import FilesTestCase

EVERYTHING = """
[gateway]
name = "gw-1"
[forward]
listen = ["0.0.0.0:8080", { address = "[::1]:8081", proxy_protocol = true, max_connections = 7 }]
allow_from = ["10.0.0.0/8"]
connect_ports = [443, "1024-2000"]
allow_destinations = ["127.0.0.0/8"]
deny_destinations = ["192.0.2.0/24"]
parent = [{ url = "http://parent:3128", user = "u", password = { env = "PW" }, for = ["*.example.com"], no_proxy = ["a.example.com"] }]
[[site]]
host = ["www.example.com", "*.shop.example.com"]
path = "/app"
listen = ["0.0.0.0:8000"]
origins = ["http://10.0.1.10:8000", "http://10.0.1.11"]
balance = "client_hash"
health = { path = "/health", every = "500ms", fall = 4, rise = 5 }
sticky = "cookie"
upload = "500MiB"
xff = "keep"
[limits]
upload = 0
head = "32KiB"
fields = 100
connections = 5
[timeouts]
connect = "1s"
drain = "5m"
[network]
trusted_proxies = ["10.0.0.5"]
xff = "append"
source_ports = "20000-60999"
exclude_ports = [25000]
hosts_file = "hosts"
nameservers = ["192.0.2.53"]
[log]
access = { path = "/var/log/a.log", format = "json" }
mask = ["query", "user"]
[plugins]
enabled = ["upload_limit", "auth"]
[plugins.auth]
order = ["basic"]
fail = "open"
budget = "2s"
[admin]
health = "127.0.0.1:8082"
"""


class DefaultTests(FilesTestCase):
    """What holds without a word said."""

    def test_no_file(self) -> None:
        """Without a file there is a forward proxy for this machine, health, and the upload limit of 2 GiB."""
        config = load()
        assert config.forward is not None
        self.assertEqual(config.forward.listen, (Listen("127.0.0.1", 8080),))
        self.assertEqual(config.forward.allow_from, NetworkSet.of("127.0.0.0/8", "::1"))
        self.assertEqual(config.forward.connect_ports, PortSet.of(443))
        self.assertEqual(config.admin.health, Listen("127.0.0.1", 8081))
        self.assertEqual(config.plugins.enabled, ("upload_limit",))
        self.assertEqual((config.site, config.limits.upload), ((), 2 * 1024**3))

    def test_times_of_the_specification(self) -> None:
        """The waiting times are those that the old product's users had to set by hand."""
        times = load().timeouts
        found = (times.connect, times.request_head, times.client_idle, times.upstream_idle)
        self.assertEqual((*found, times.inactivity, times.drain), (30, 30, 30, 30, 180, 300))

    def test_empty_file(self) -> None:
        """An empty file says the same as none."""
        self.assertEqual(self.load(""), load())


class ValueTests(FilesTestCase):
    """Values come out ready to use."""

    def test_everything(self) -> None:
        """Every section gives typed values, units resolved."""
        config = self.load(EVERYTHING, PW="hunter2")
        assert config.forward is not None
        self.assertEqual(
            config.forward.listen,
            (Listen("0.0.0.0", 8080), Listen("::1", 8081, proxy_protocol=True, max_connections=7)),
        )
        (parent,) = config.forward.parent
        self.assertEqual(
            (parent.host, parent.user, parent.password), ("parent", "u", Secret("hunter2"))
        )
        self.assertEqual(parent.for_, HostSet(["*.example.com"]))
        (site,) = config.site
        self.assertEqual(
            site.origins, (Origin("http", "10.0.1.10", 8000), Origin("http", "10.0.1.11", 80))
        )
        self.assertEqual(
            (site.health.every, site.health.fall, site.upload), (0.5, 4, 500 * 1024**2)
        )
        self.assertEqual((config.limits.upload, config.limits.head), (0, 32768))
        self.assertEqual((config.timeouts.connect, config.timeouts.drain), (1.0, 300.0))
        self.assertEqual(config.network.nameservers, (Nameserver("192.0.2.53"),))
        self.assertEqual(config.network.source_ports, PortSet.of("20000-60999"))
        self.assertEqual(
            (config.log.access.path, config.log.mask), ("/var/log/a.log", ("query", "user"))
        )
        self.assertEqual(config.plugins.tables["auth"], {"order": ["basic"]})
        self.assertEqual(config.plugins.rule("auth"), Rule(fail="open", budget=2.0))
        self.assertEqual(config.plugins.rule("upload_limit"), Rule())

    def test_password_is_not_shown(self) -> None:
        """The repr of a whole configuration shows no secret."""
        config = self.load(EVERYTHING, PW="hunter2")
        self.assertNotIn("hunter2", repr(config))

    def test_relative_path(self) -> None:
        """A relative path begins in the folder of the file that says it."""
        config = self.load(EVERYTHING, PW="x")
        self.assertEqual(config.network.hosts_file, str(self.folder / "hosts"))
        self.assertEqual(self.load('[log]\naccess = "-"').log.access.path, "-")

    def test_short_forms(self) -> None:
        """A table with one key that matters may be written as its value alone."""
        config = self.load(
            '[log]\naccess = "a.log"\n[[site]]\norigins = ["http://a"]\nhealth = "/up"'
        )
        self.assertEqual(config.log.access.path, str(self.folder / "a.log"))
        self.assertEqual(config.site[0].health.path, "/up")

    def test_site_takes_the_general_limit(self) -> None:
        """A site that says nothing of uploads has the general limit; 0 is said, and means none."""
        sites = self.load(
            '[limits]\nupload = "1MiB"\n[[site]]\nhost = ["a"]\norigins = ["http://a"]\n'
            '[[site]]\nhost = ["b"]\norigins = ["http://a"]\nupload = 0'
        ).site
        self.assertEqual([site.upload for site in sites], [1024**2, 0])

    def test_health_off(self) -> None:
        """An empty address switches the health listener off."""
        self.assertIsNone(self.load('[admin]\nhealth = ""').admin.health)

    def test_frozen(self) -> None:
        """Nothing in a configuration can be changed."""
        with self.assertRaises(AttributeError):
            load().limits.fields = 3  # type: ignore[misc]


class ForwardTests(FilesTestCase):
    """When a forward proxy runs."""

    def test_sites_alone(self) -> None:
        """A file with a site and no [forward] starts no forward proxy."""
        self.assertIsNone(self.load('[[site]]\norigins = ["http://a"]').forward)

    def test_both(self) -> None:
        """With both tables both run."""
        self.assertIsNotNone(self.load('[forward]\n[[site]]\norigins = ["http://a"]').forward)

    def test_neither(self) -> None:
        """A file with neither runs the forward proxy."""
        self.assertIsNotNone(self.load("[limits]\nfields = 10").forward)

    def test_switched_off(self) -> None:
        """An empty array of listeners switches it off, as node.toml may want for one machine."""
        self.assertIsNone(self.load("[forward]\nlisten = []").forward)


class LayerTests(FilesTestCase):
    """Several files and the command line."""

    def test_precedence(self) -> None:
        """The command line wins over node.toml, that over conf.d in the order of names, that over the file."""
        path = self.write(
            "[limits]\nfields = 1\ntrailers = 1\nconnections = 1\n[timeouts]\ndrain = '1s'"
        )
        self.write("[limits]\nfields = 2\ntrailers = 2\nconnections = 2\n", "conf.d/10.toml")
        self.write("[limits]\ntrailers = 22", "conf.d/20.toml")
        self.write("[limits]\nfields = 222", "conf.d/ignored.txt")
        self.write("[limits]\nconnections = 3", "node.toml")
        config = load(path, {"timeouts.drain": "9s"})
        limits = config.limits
        self.assertEqual((limits.fields, limits.trailers, limits.connections), (2, 22, 3))
        self.assertEqual(config.timeouts.drain, 9.0)

    def test_sites_are_joined(self) -> None:
        """[[site]] tables of all files are joined in the order of the files; other arrays are replaced."""
        path = self.write(
            '[forward]\nconnect_ports = [1, 2]\n[[site]]\nhost = ["a"]\norigins = ["http://a"]'
        )
        self.write('[[site]]\nhost = ["b"]\norigins = ["http://b"]', "conf.d/b.toml")
        self.write("[forward]\nconnect_ports = [3]", "node.toml")
        config = load(path)
        self.assertEqual([site.host for site in config.site], [("a",), ("b",)])
        assert config.forward is not None
        self.assertEqual(config.forward.connect_ports, PortSet.of(3))

    def test_fault_in_another_file(self) -> None:
        """A fault names the file in which the value stands, and its place in that file."""
        path = self.write('[[site]]\nhost = ["a"]\norigins = ["http://a"]\n[limits]\nfields = 0')
        self.write(
            '\n[[site]]\nhost = ["b"]\norigins = ["http://a", "gopher://a"]', "conf.d/b.toml"
        )
        self.write("[limits]\nfield = 7", "node.toml")
        self.assertEqual(
            self.faults_of(path),
            [
                "gateway.toml:5: limits.fields: 0 is not in 1..10000",
                'conf.d/b.toml:4: site[0].origins[1]: "gopher" is not a scheme of an origin '
                '(write it like "http://10.0.1.10:8000")',
                'node.toml:2: limits.field: unknown key (did you mean "fields"?)',
            ],
        )

    def test_later_fault_hides_behind_no_earlier_value(self) -> None:
        """A value that a later file replaces is not looked at."""
        path = self.write("[limits]\nfields = 0")
        self.write("[limits]\nfields = 5", "node.toml")
        self.assertEqual(load(path).limits.fields, 5)


class FaultTests(FilesTestCase):
    """All faults at once, each with its line and a way to mend it."""

    def test_all_at_once(self) -> None:
        """Every fault of a file is listed, in the order of its lines."""
        found = self.faults(
            '[forward]\nlisten = ["127.0.0.1:8080",\n "0.0.0.0:70000"]\nallow_form = ["10.0.0.0/8"]\n'
            'allow_from = ["10.0.0.1/8"]\n[limits]\nupload = "2G"\nfields = "many"\n[timeouts]\nconnect = 30\n'
            '[network]\nxff = "appand"\n'
        )
        self.assertEqual(
            found,
            [
                "gateway.toml:3: forward.listen[1].port: 70000 is not in 1..65535",
                'gateway.toml:4: forward.allow_form: unknown key (did you mean "allow_from"?)',
                'gateway.toml:5: forward.allow_from[0]: "10.0.0.1/8" has bits set behind its prefix '
                '("10.0.0.0/8" for the network, "10.0.0.1" for the one address)',
                'gateway.toml:7: limits.upload: "G" is not a unit of size '
                '("2GiB" counts in 1024, "2GB" in 1000)',
                "gateway.toml:8: limits.fields: expected a whole number, found a string",
                'gateway.toml:10: timeouts.connect: 30 has no unit ("30s" for seconds, "30ms" for milliseconds)',
                'gateway.toml:12: network.xff: "appand" is not known here '
                '(did you mean "append"? one of "append", "delete", "keep")',
            ],
        )

    def test_unknown_section(self) -> None:
        """A misspelt section is answered with the nearest one, a strange one with all."""
        (near,) = self.faults("\n[forwrad]\n")
        self.assertEqual(near, 'gateway.toml:2: forwrad: unknown key (did you mean "forward"?)')
        (strange,) = self.faults("[zzz]")
        self.assertIn("known here: gateway, forward, site", strange)

    def test_later_versions(self) -> None:
        """What a later version will know is told apart from a misspelling."""
        found = self.faults("[scan]\nmax_depth = 3\n[[rule]]\n")
        expected = [
            (2, "scan.max_depth"),
            (3, "rule"),
        ]
        self.assertEqual(
            found,
            [
                f"gateway.toml:{line}: {path}: not available in this version (leave it out)"
                for line, path in expected
            ],
        )

    def test_wrong_shapes(self) -> None:
        """A table where a value belongs, and a value where a table belongs, are faults like any other."""
        found = self.faults(
            'limits = 3\nplugins = "a"\n[forward]\nlisten = "127.0.0.1:80"\nparent = 5\n[site]\nhost = ["a"]'
        )
        self.assertEqual(
            [fault.split(" (")[0] for fault in found],
            [
                "gateway.toml:1: limits: expected a table, found a whole number",
                "gateway.toml:2: plugins: expected a table, found a string",
                "gateway.toml:4: forward.listen: expected an array, found a string",
                "gateway.toml:5: forward.parent: expected an array, found a whole number",
                "gateway.toml:6: site: is one table",
            ],
        )

    def test_true_is_no_number(self) -> None:
        """true is neither a number nor a size, and a number is not true."""
        found = self.faults(
            "[limits]\nfields = true\nhead = true\n[network]\nforwarded = 1\n[timeouts]\ndrain = false"
        )
        self.assertEqual(len(found), 4)

    def test_secrets(self) -> None:
        """A secret in the file itself, in two places, or not to be had is a fault."""
        found = self.faults(
            "[forward]\nparent = [\n"
            '{ url = "http://a", user = "u", password = "hunter2" },\n'
            '{ url = "http://a", user = "u", password = { env = "A", file = "b" } },\n'
            '{ url = "http://a", user = "u", password = { env = "NOT_SET" } },\n'
            '{ url = "http://a", user = "u", password = { file = "absent" } },\n'
            '{ url = "http://a", user = "u", password = { fil = "absent" } },\n]'
        )
        self.assertEqual(
            [fault.split(": ")[0] for fault in found], [f"gateway.toml:{n}" for n in range(3, 8)]
        )
        self.assertNotIn("hunter2", "".join(found))
        self.assertIn("the environment variable NOT_SET is not set", found[2])
        self.assertIn('cannot read "absent": No such file', found[3])
        self.assertIn('did you mean "file"?', found[4])

    def test_syntax(self) -> None:
        """What is not TOML is a fault with file and line, and the other files are still read."""
        path = self.write("[limits]\nfields = 0\n")
        self.write("[forward]\nlisten = [\n", "conf.d/10.toml")
        self.write("[limits]\nfields = = 3\n", "conf.d/20.toml")
        found = self.faults_of(path)
        self.assertEqual(len(found), 3)
        self.assertTrue(found[0].startswith("gateway.toml:2: limits.fields: "), found[0])
        self.assertTrue(found[1].startswith("conf.d/10.toml:3: "), found[1])
        self.assertTrue(found[2].startswith("conf.d/20.toml:2: "), found[2])

    def test_not_text(self) -> None:
        """A file that is not UTF-8 is a fault with the line of the first bad byte."""
        (self.folder / "gateway.toml").write_bytes(b"[limits]\nfields = 1 # \xff\n")
        (found,) = self.faults_of(str(self.folder / "gateway.toml"))
        self.assertEqual(found, "gateway.toml:2: is not UTF-8 text (save the file as UTF-8)")

    def test_no_such_file(self) -> None:
        """A file that was named and is not there is a fault, not the defaults."""
        (found,) = self.faults_of(str(self.folder / "absent.toml"))
        self.assertEqual(found, "absent.toml: cannot be read: No such file or directory")

    def test_faults_of_others(self) -> None:
        """Faults that the caller looks for are listed with the rest, even when there is no other."""
        path = self.write("[limits]\nfields = 0")

        def further(config: Config) -> list[Fault]:
            return [config.sources.fault(("limits", "fields"), "is odd")]

        error = self.assertRaises(ConfigError, load, path, {}, {}, further)
        self.assertEqual([fault.line for fault in error.faults], [2, 2])
        self.assertRaises(ConfigError, load, None, {}, {}, further)


class CommandLineTests(FilesTestCase):
    """C{--port} and C{--origin}."""

    def test_port(self) -> None:
        """--port moves the first TCP listener of the forward proxy and keeps its address and options."""
        path = self.write(
            '[forward]\nlisten = ["unix:/a", { address = "0.0.0.0:1", max_connections = 3 }, "127.0.0.1:2"]'
        )
        for number in (9090, "9090"):
            forward = load(path, {"port": number}).forward
            assert forward is not None
            self.assertEqual(forward.listen[1], Listen("0.0.0.0", 9090, max_connections=3))
            self.assertEqual(
                [str(place) for place in forward.listen], ["unix:/a", "0.0.0.0:9090", "127.0.0.1:2"]
            )

    def test_origin(self) -> None:
        """--origin is a reverse proxy for every host on port 8080, or on that of --port, and nothing else."""
        for overrides, number in (({}, 8080), ({"port": 9090}, 9090)):
            config = load(None, {"origin": "http://127.0.0.1:9000", **overrides})
            self.assertIsNone(config.forward)
            (site,) = config.site
            self.assertEqual((site.host, site.listen), (("*",), (Listen("127.0.0.1", number),)))
            self.assertEqual(site.origins, (Origin("http", "127.0.0.1", 9000),))
            self.assertEqual(site.upload, config.limits.upload)

    def test_origin_puts_proxies_of_the_file_aside(self) -> None:
        """With --origin the file's limits hold, its [forward] and [[site]] do not."""
        path = self.write(
            '[forward]\n[limits]\nfields = 9\n[[site]]\nhost = ["a"]\norigins = ["http://a"]'
        )
        config = load(path, {"origin": "http://127.0.0.1:9000"})
        self.assertEqual((config.limits.fields, len(config.site), config.forward), (9, 1, None))

    def test_faults(self) -> None:
        """A wrong option is a fault like any other."""
        self.assertEqual(
            self.faults_of(None, {"port": "70000"}),
            ["command line: --port: 70000 is not in 1..65535"],
        )
        (found,) = self.faults_of(None, {"origin": "http://a/b"})
        self.assertTrue(
            found.startswith('command line: --origin: "/b" does not belong here'), found
        )
        (found,) = self.faults_of(self.write('[[site]]\norigins = ["http://a"]'), {"port": 1})
        self.assertTrue(
            found.startswith("command line: --port: there is no forward listener"), found
        )

    def test_dotted_names(self) -> None:
        """Any other setting may be said by its dotted name."""
        config = load(
            None, {"forward.allow_destinations": ["127.0.0.0/8"], "limits.upload": "1MiB"}
        )
        assert config.forward is not None
        self.assertEqual(config.forward.allow_destinations, NetworkSet.of("127.0.0.0/8"))
        self.assertEqual(config.limits.upload, 1024**2)
        (found,) = self.faults_of(None, {"limits.uplod": 1})
        self.assertEqual(found, 'command line: limits.uplod: unknown key (did you mean "upload"?)')

    def test_none_is_not_said(self) -> None:
        """An option that was not given changes nothing."""
        self.assertEqual(load(None, {"port": None, "origin": None}), load())


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of a plugin, as a third party writes them."""

    later: ClassVar[tuple[str, ...]] = ("cookies",)

    hosts: Annotated[Hosts, Help("Hosts to refuse.")]
    most: Annotated[Size, Help("Largest.")] = 1024
    wait: Annotated[Duration, Help("Time.")] = 3.0
    names: dict[str, int] = {}
    level: Annotated[int, msgspec.Meta(ge=1, le=5)] = 1


class PluginSettingsTests(FilesTestCase):
    """A plugin's own struct is read like the gateway's."""

    def plugin_faults(self, text: str, struct: type = Settings) -> list[str]:
        """List the faults in the table of the plugin x."""
        config = self.load(text)
        error = self.assertRaises(ConfigError, load_plugin_settings, config, "x", struct, {})
        return [str(fault).replace(f"{self.folder}/", "") for fault in error.faults]

    def test_values(self) -> None:
        """Values come out ready to use, and C{fail} and C{budget} are not the plugin's."""
        config = self.load(
            '[plugins.x]\nhosts = ["*.example.com"]\nmost = "2KiB"\nnames = { a = 1 }\nlevel = 5\nfail = "open"\nbudget = "1s"'
        )
        found = load_plugin_settings(config, "x", Settings)
        self.assertEqual(found.hosts, HostSet(["*.example.com"]))
        self.assertEqual(
            (found.most, found.wait, found.names, found.level), (2048, 3.0, {"a": 1}, 5)
        )

    def test_faults(self) -> None:
        """Faults have file, line and path, as everywhere, and all are listed."""
        found = self.plugin_faults(
            '[plugins.x]\nmots = 1\nwait = 3\nlevel = 9\nnames = { a = "b" }\ncookies = 1\n'
        )
        self.assertEqual(
            [fault.split(": ")[:2] for fault in found],
            [
                ["gateway.toml:1", "plugins.x.hosts"],
                ["gateway.toml:3", "plugins.x.wait"],
                ["gateway.toml:5", "plugins.x.names.a"],
                ["gateway.toml:4", "plugins.x.level"],
                ["gateway.toml:2", "plugins.x.mots"],
                ["gateway.toml:6", "plugins.x.cookies"],
            ],
        )
        self.assertIn('did you mean "most"?', found[4])
        self.assertIn("not available in this version", found[5])

    def test_no_table(self) -> None:
        """A plugin without a table gets its defaults, or the fault that it needs one."""
        (found,) = self.plugin_faults("[limits]")
        self.assertIn("plugins.x.hosts: is missing (Hosts to refuse.)", found)

    def test_no_settings(self) -> None:
        """A class without fields takes no settings."""

        class NoSettings:
            """Nothing."""

        config = self.load("[plugins.x]")
        self.assertIsInstance(load_plugin_settings(config, "x", NoSettings), NoSettings)
        (found,) = self.plugin_faults("[plugins.x]\na = 1", NoSettings)
        self.assertEqual(
            found, "gateway.toml:2: plugins.x.a: unknown key (nothing can be set here)"
        )

    def test_own_check(self) -> None:
        """A struct that refuses its values with a ValueError makes a fault of the table."""

        class Strict(Settings, frozen=True, kw_only=True):
            """Settings with a check of their own."""

            def __post_init__(self) -> None:
                if self.most < self.wait:
                    raise ValueError("most must not be less than wait")

        (found,) = self.plugin_faults('\n[plugins.x]\nhosts = []\nmost = 1\nwait = "9s"', Strict)
        self.assertEqual(found, "gateway.toml:2: plugins.x: most must not be less than wait")

    def test_bad_rule(self) -> None:
        """The reserved keys are checked when the configuration is loaded."""
        (found,) = self.faults('[plugins.x]\nfail = "opne"')
        self.assertTrue(
            found.startswith('gateway.toml:2: plugins.x.fail: "opne" is not known here'), found
        )


KEYS = sorted(
    {
        setting.key.rpartition(".")[2]
        for field in fields_of(Config)
        for setting in settings_of(table_struct(field))
    }
)
TREES = st.recursive(
    st.one_of(
        st.integers(),
        st.floats(),
        st.booleans(),
        st.dates(),
        st.text(max_size=6),
        st.sampled_from(
            ["127.0.0.1:80", "http://a", "10.0.0.0/8", "*", "1s", "1KiB", "/", "unix:/a", "a"]
        ),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=3)), inner, max_size=4),
    ),
    max_leaves=10,
)


class AnythingTests(FilesTestCase):
    """Whatever a file holds."""

    @settings(deadline=None, max_examples=examples(300))
    @given(
        st.dictionaries(
            st.sampled_from([field.key for field in fields_of(Config)]), TREES, max_size=3
        )
    )
    def test_faults_or_a_configuration(self, tree: dict[str, object]) -> None:
        """Any tree of values is a configuration or a list of faults, each with a path and in words; never a crash."""
        try:
            config = load(None, tree, {})
        except ConfigError as error:
            self.assertTrue(error.faults)
            for fault in error.faults:
                self.assertTrue(fault.path and fault.message)
        else:
            cautions(config)

    def test_more_than_the_parser_takes(self) -> None:
        """A number or a nesting that the TOML parser gives up on is a fault."""
        self.assertEqual(len(self.faults("a = " + "9" * 5000)), 1)
        self.assertEqual(len(self.faults("a = " + "[" * 5000)), 1)


class ImportTests(FilesTestCase):
    """What loading a configuration loads."""

    def test_no_twisted(self) -> None:
        """The configuration can be read without Twisted, and a faultless one without looking for lines."""
        program = (
            "import sys; from gateway.config.load import load; load(); "
            "print(*[m for m in ('twisted', 'zope', 'tomlkit', 'difflib', 'gateway.config.lines') if m in sys.modules])"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        self.assertEqual(done.stdout.strip(), "")
