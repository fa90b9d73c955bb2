"""Tests of L{gateway.admin.config_hash}: what counts for the hash, and what does not."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from gateway.admin.config_hash import config_hash
from gateway.admin.health import Readiness
from gateway.admin.site import admin_site
from gateway.alarms.drift import Identity
from gateway.config.load import load

CONFIG = """
[forward]
listen = ["127.0.0.1:8080"]
allow_from = ["10.0.0.0/8"]

[limits]
upload = "1GiB"
fields = 100
"""


class HashTests(SynchronousTestCase):
    """The hash."""

    def hash(
        self,
        text: str,
        *,
        node: str = "",
        part: str = "",
        overrides: dict[str, object] | None = None,
    ) -> str:
        """Give that of a gateway.toml, with a node.toml and a file in conf.d."""
        folder = Path(self.mktemp())
        (folder / "conf.d").mkdir(parents=True)
        (folder / "gateway.toml").write_text(text)
        if node:
            (folder / "node.toml").write_text(node)
        if part:
            (folder / "conf.d/10.toml").write_text(part)
        config = load(str(folder / "gateway.toml"), overrides, {"PASSWORD": "x"})
        return config_hash(config.sources)

    def test_meaning(self) -> None:
        """Comments, order and where a key stands do not count; each value does."""
        usual = self.hash(CONFIG)
        self.assertRegex(usual, "^[0-9a-f]{64}$")
        other = """
        # as before
        [limits]
        fields = 100   # lines
        [forward]
        allow_from = ["10.0.0.0/8"]
        listen = ['127.0.0.1:8080']
        """
        self.assertEqual(self.hash(other, part='[limits]\nupload = "1GiB"'), usual)
        self.assertNotEqual(self.hash(CONFIG.replace("fields = 100", "fields = 101")), usual)
        self.assertNotEqual(self.hash(CONFIG, part="[limits]\nfields = 101"), usual)
        self.assertNotEqual(
            self.hash(
                CONFIG + '[[site]]\norigins = ["http://a"]\nhost = ["*"]\nlisten = ["127.0.0.1:81"]'
            ),
            usual,
        )

    def test_own(self) -> None:
        """What is true of one node does not count: node.toml, the command line, the list of peers."""
        usual = self.hash(CONFIG)
        self.assertEqual(self.hash(CONFIG, node="[limits]\nfields = 7"), usual)
        self.assertEqual(self.hash(CONFIG, overrides={"port": 8090}), usual)
        self.assertEqual(self.hash(CONFIG, overrides={"limits.fields": 9}), usual)
        self.assertEqual(self.hash(CONFIG + '[cluster]\npeers = ["http://10.0.0.2:8081"]'), usual)

    def test_secrets(self) -> None:
        """What may be a secret is not in the hash: passwords in URLs, and what plugins' settings call so."""

        def config(url: str, word: str) -> str:
            return (
                f'[forward]\nparent = [{{ url = "{url}" }}]\n'
                f'[plugins.own]\napi_key = "{word}"\nnested = {{ Password = "{word}", deep = [{{ token = "{word}" }}] }}\n'
            )

        usual = self.hash(config("http://me:one@parent.example.com:3128", "a"))
        self.assertEqual(self.hash(config("http://me:two@parent.example.com:3128", "b")), usual)
        self.assertNotEqual(self.hash(config("http://me:one@other.example.com:3128", "a")), usual)

    def test_where_secrets_are_kept(self) -> None:
        """The place of a secret counts, as it is said by the file; its content does not."""

        def config(place: str) -> str:
            return f'[forward]\nparent = [{{ url = "http://p.example.com:3128", user = "u", password = {{ {place} }} }}]\n'

        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        (folder / "secret").write_text("one")
        usual = self.hash(config(f'file = "{folder}/secret"'))
        (folder / "secret").write_text("two")
        self.assertEqual(self.hash(config(f'file = "{folder}/secret"')), usual)
        self.assertNotEqual(self.hash(config('env = "PASSWORD"')), usual)

    def test_no_file(self) -> None:
        """Without any file all are alike."""
        empty = hashlib.sha256(b"{}").hexdigest()
        self.assertEqual(config_hash(load(None, {"port": 9}, {}).sources), empty)


class PageTests(SynchronousTestCase):
    """The page."""

    def ask(self, identity: Identity | None) -> tuple[int, bytes]:
        """Ask for it; give status and content."""
        site = admin_site(Readiness(), Numbers(), Clock(), lambda: identity)
        site.doStart()
        self.addCleanup(site.doStop)
        protocol = site.buildProtocol(IPv4Address("TCP", "127.0.0.1", 40001))
        transport = StringTransport()
        protocol.makeConnection(transport)
        protocol.dataReceived(b"GET /config-hash HTTP/1.1\r\nHost: a\r\n\r\n")
        head, _, content = transport.value().partition(b"\r\n\r\n")
        return int(head.split()[1]), content

    def test_told(self) -> None:
        """A node of a cluster tells hash, instance and name, and nothing else but its version."""
        status, content = self.ask(Identity("a" * 64, "me", "gw1"))
        said = json.loads(content)
        self.assertEqual((status, sorted(said)), (200, ["config", "instance", "node", "version"]))
        self.assertEqual((said["config"], said["instance"], said["node"]), ("a" * 64, "me", "gw1"))

    def test_no_cluster(self) -> None:
        """A gateway without peers tells nobody."""
        self.assertEqual(self.ask(None)[0], 404)


class Numbers:
    """No metrics."""

    def text(self) -> bytes:
        """Give none."""
        return b""
