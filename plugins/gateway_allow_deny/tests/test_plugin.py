"""Tests of the plugin's settings, its order and what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import (
    Allow,
    Block,
    Caution,
    Client,
    Fields,
    Listener,
    Plugin,
    Refused,
    Request,
    Server,
    Surroundings,
    Timings,
    Transaction,
    hookimpl,
)
from gateway.api.settings import ConfigError
from gateway.testing import FakeGateway, check_plugin
from gateway_allow_deny import AllowDeny, AllowDenySettings, plugin


class Witness(Plugin):
    """Notes that it was asked."""

    name = "witness"

    @hookimpl()
    def request_headers(self, txn: Transaction) -> None:
        """Note it."""
        txn.notes["witness"] = "asked"


class PluginTestCase(SynchronousTestCase):
    """Makes gateways."""

    def started(self, **settings: object) -> FakeGateway:
        """Start a gateway with the plugin."""
        gateway = FakeGateway(AllowDeny, settings, plugins=[Witness])
        self.addCleanup(gateway.stop)
        return gateway

    def status(self, gateway: FakeGateway, url: str) -> int:
        """Ask for a URL, or for a tunnel to C{host:port}."""
        asked = gateway.get(url) if "//" in url else gateway.connect(url)
        return self.successResultOf(asked).status


class OrderTests(PluginTestCase):
    """What wins."""

    def test_allow_wins(self) -> None:
        """What is on both lists passes; what is on none is as the default says."""
        for default, other in (("allow", 404), ("deny", 403)):
            gateway = self.started(
                allow=["good.bad.example"], deny=["bad.example"], default=default
            )
            self.assertEqual(self.status(gateway, "http://good.bad.example/"), 404)
            self.assertEqual(self.status(gateway, "http://bad.example/"), 403)
            self.assertEqual(self.status(gateway, "http://other.example/"), other)

    def test_nothing_set(self) -> None:
        """Without settings everything passes."""
        self.assertEqual(self.status(self.started(), "http://any.example/"), 404)

    def test_refusal(self) -> None:
        """A refusal names the entry, on the page and in the log."""
        gateway = self.started(deny=["bad.example/x"])
        seen = self.successResultOf(gateway.get("http://www.bad.example/x/y"))
        block = Block(
            "The address is on the deny list (entry bad.example/x).", category="allow_deny"
        )
        self.assertEqual(seen.outcome, Refused(block))
        self.assertIn("entry bad.example/x", seen.text)
        self.assertEqual(seen.notes, {"allow_deny": "bad.example/x"})
        self.assertEqual((seen.log["reason"], seen.log["detail"]), ("allow_deny", block.why))

    def test_when_allowed(self) -> None:
        """What is allowed is judged by the other plugins all the same, unless the settings say otherwise."""
        for setting, notes in (("ask_on", {"witness": "asked"}), ("end_phase", {})):
            gateway = self.started(allow=["good.example"], when_allowed=setting)
            seen = self.successResultOf(gateway.get("http://good.example/"))
            self.assertEqual((seen.status, seen.notes), (404, notes))
            if setting == "end_phase":
                self.assertEqual(seen.verdict, Allow("allow list: good.example"))

    def test_files(self) -> None:
        """Files are added to what stands in the settings."""
        path = Path(self.mktemp())
        path.write_text("# ours\nlisted.example\n198.51.100.0/24 # addresses\n")
        gateway = self.started(deny=["other.example"], deny_files=[str(path.resolve())])
        for url in ("http://listed.example/", "http://other.example/", "http://198.51.100.7/"):
            self.assertEqual(self.status(gateway, url), 403, url)


class TunnelTests(PluginTestCase):
    """CONNECT."""

    def test_ports(self) -> None:
        """Ports are judged before hosts: an allowed host opens no port."""
        config: Any = {"forward.connect_ports": ["1-65535"]}
        for settings, port, expected in (
            ({"connect_deny": [25, "6660-6669"]}, 25, 403),
            ({"connect_deny": [25, "6660-6669"]}, 6665, 403),
            ({"connect_deny": [25], "allow": ["any.example"]}, 25, 403),
            ({"connect_deny": [25]}, 443, 200),
            ({"connect_allow": [443]}, 443, 200),
            ({"connect_allow": [443], "allow": ["any.example"]}, 8443, 403),
            ({"connect_allow": ["1-65535"], "connect_deny": [443]}, 443, 403),
            ({"deny": ["any.example:8443"]}, 8443, 403),
            ({"deny": ["any.example:8443"]}, 443, 200),
        ):
            gateway = FakeGateway(AllowDeny, settings, config=config)
            self.addCleanup(gateway.stop)
            self.assertEqual(
                self.status(gateway, f"any.example:{port}"), expected, (settings, port)
            )
            self.assertEqual(len(gateway.origin.connections), int(expected == 200))

    def test_paths(self) -> None:
        """Of a path that can't be seen the setting says what it means, to refuse unless set."""
        for tunnels, denied, allowed in (("closed", 403, 403), ("open", 200, 200)):
            gateway = self.started(deny=["bad.example/x"], tunnels=tunnels)
            self.assertEqual(self.status(gateway, "bad.example:443"), denied)
            self.assertEqual(self.status(gateway, "other.example:443"), 200)
            self.assertEqual(self.status(gateway, "http://bad.example/y"), 404)
            gateway = self.started(allow=["good.example/x"], default="deny", tunnels=tunnels)
            self.assertEqual(self.status(gateway, "good.example:443"), allowed)
            self.assertEqual(self.status(gateway, "http://good.example/x"), 404)

    def test_caution(self) -> None:
        """Entries with a path are cautions, with what the setting makes of them in tunnels."""
        gateway = self.started(
            deny=["c.example", "http://b.example/y", "bad.example/x"], allow=["d.example/z"]
        )
        allow, deny = gateway.cautions
        self.assertTrue(
            allow.startswith(
                "plugins.allow_deny.allow[0]: 1 entry with a path is host-only unless decrypted, which "
            )
        )
        self.assertIn("plugins.allow_deny.deny[2]: 1 entry with a path is host-only", deny)
        self.assertIn(
            'bad.example/x; by tunnels = "closed" tunnels to the whole host are refused', deny
        )
        self.assertEqual(self.started(deny=["c.example", "http://b.example/y"]).cautions, [])


class CautionTests(PluginTestCase):
    """S16: what a path in an entry comes to, by what is decrypted."""

    def cautions(self, decrypt: str, mode: str = "forward", **settings: object) -> list[Caution]:
        """Give what the plugin says with one listener."""
        gateway = self.started(**{"deny": ["a.example", "bad.example/x"], **settings})
        around = Surroundings(decrypt, (Listener("192.0.2.1:80", mode),))  # type: ignore[arg-type]
        plugin = gateway.plugin
        assert isinstance(plugin, AllowDeny)
        return list(plugin.review(around))

    def test_by_decryption(self) -> None:
        """Without decryption, and where rules say so, the entry is host-only; with it a CONNECT is judged before it."""
        for decrypt, text in (
            ("none", "host-only unless decrypted, which nothing is"),
            ("rules", "host-only unless decrypted: bad.example/x"),
            ("all", "judged by the host at CONNECT, before it is decrypted"),
        ):
            (found,) = self.cautions(decrypt)
            self.assertIn(text, found.what)
            self.assertEqual(found.key, ("deny", 1))
            self.assertIn("open", found.mend)

    def test_open(self) -> None:
        """With open tunnels the host passes, which is right where all is decrypted."""
        for decrypt in ("none", "rules"):
            (found,) = self.cautions(decrypt, tunnels="open")
            self.assertIn('by tunnels = "open" tunnels to the host pass', found.what)
        self.assertEqual(self.cautions("all", tunnels="open"), [])

    def test_sites_alone(self) -> None:
        """In reverse mode there are no tunnels, so there is nothing to say."""
        self.assertEqual(self.cautions("none", "reverse"), [])

    def test_files(self) -> None:
        """Entries of files count, and the first three are named."""
        path = self.mktemp()
        with open(path, "w") as file:
            file.write("".join(f"{name}.example/x\n" for name in "abcd"))
        (found,) = self.cautions("none", deny=[], deny_files=[path])
        self.assertEqual(found.key, ("deny_files",))
        self.assertIn("4 entries with a path are host-only", found.what)
        self.assertIn(": such as a.example/x, b.example/x, c.example/x; by", found.what)


class UnitTests(PluginTestCase):
    """Without a gateway around it: what the core would not let come so far."""

    def transaction(self, host: str, method: bytes = b"GET", *, route: str = "none") -> Transaction:
        """Make a transaction."""
        scheme, target = ("", host.encode()) if method == b"CONNECT" else ("http", b"/")
        request = Request(method, scheme, host, 443, target, 1, Fields(), 0)
        txn = Transaction("1", request, Client("192.0.2.1", 1, mode="forward"), Timings(0.0, 0.0))
        txn.route = route
        return txn

    def made(self, **settings: object) -> Any:
        """Make the plugin."""
        return self.started(**settings).plugin

    def test_no_host(self) -> None:
        """What names no host, or one that could be two, is refused whatever the lists say."""
        subject = self.made(allow=["*"])
        for host in ("", "a..b", "a@b", "a b"):
            for method in (b"GET", b"CONNECT"):
                self.assertIsInstance(
                    subject.request_headers(self.transaction(host, method)), Block
                )
        self.assertIsNone(subject.request_headers(self.transaction("a")))

    def test_parent(self) -> None:
        """The address of a parent proxy says nothing of the target and is not judged."""
        subject = self.made(deny=["10.0.0.0/8"])
        server = Server("a.example", "10.0.0.1", 3128)
        self.assertIsNone(
            subject.upstream_connected(self.transaction("a.example", route="parent"), server)
        )
        self.assertIsInstance(
            subject.upstream_connected(self.transaction("a.example", route="direct"), server), Block
        )

    def test_dialled_spellings(self) -> None:
        """The address that was dialled is judged in whatever form it is told; one that can't be read is refused."""
        subject = self.made(deny=["10.0.0.0/8"])
        txn = self.transaction("a.example", route="direct")
        for address in ("10.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "", "unix"):
            self.assertIsInstance(
                subject.upstream_connected(txn, Server("a", address, 80)), Block, address
            )
        for address in ("11.0.0.1", "2001:db8::1"):
            self.assertIsNone(subject.upstream_connected(txn, Server("a", address, 80)))

    def test_entry_point(self) -> None:
        """The package names its plugin, which keeps the rules of plugins."""
        self.assertIs(plugin, AllowDeny)
        self.assertEqual(list(check_plugin(AllowDeny, AllowDenySettings())), [])


class SettingTests(PluginTestCase):
    """Faults of the settings."""

    def faults(self, **settings: object) -> str:
        """Start in vain."""
        error = self.assertRaises(ConfigError, FakeGateway, AllowDeny, settings)
        return str(error)

    def test_bad_entries(self) -> None:
        """A bad entry is blamed where it stands, all of them at once."""
        found = self.faults(deny=["ok.example", "a..b", "10.0.0.1/8"], allow=["http://u@a/"])
        for place in (
            "plugins.allow_deny.deny[1]",
            "plugins.allow_deny.deny[2]",
            "plugins.allow_deny.allow[0]",
        ):
            self.assertIn(place, found)
        self.assertIn("10.0.0.0/8", found)

    def test_bad_file(self) -> None:
        """A bad line is named with its file."""
        path = Path(self.mktemp()).resolve()
        path.write_text("ok.example\na..b\n")
        found = self.faults(deny_files=[str(path)])
        self.assertIn("plugins.allow_deny.deny_files[0]", found)
        self.assertIn(f"{path}:2: ", found)
        self.assertIn("can't be read", self.faults(allow_files=["/nonexistent/list.txt"]))

    def test_unknown(self) -> None:
        """Unknown keys and choices are refused with the nearest known one."""
        self.assertIn('did you mean "deny"', self.faults(denny=[]))
        self.assertIn("closed", self.faults(tunnels="close"))
