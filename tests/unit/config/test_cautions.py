"""What is valid and probably not meant."""

from __future__ import annotations

from gateway.config.cautions import cautions
from gateway.config.load import load
from tests.unit.config.files import FilesTestCase


class CautionTests(FilesTestCase):
    """Each caution has its file and line."""

    def cautions(self, text: str) -> list[str]:
        """List the cautions of one file, without the name of the folder."""
        return [str(fault).replace(f"{self.folder}/", "") for fault in cautions(self.load(text))]

    def test_defaults(self) -> None:
        """Nothing is to be said about the defaults."""
        self.assertEqual(cautions(load()), [])

    def test_open_proxy(self) -> None:
        """A proxy on an open address that lets the whole Internet in is an open proxy."""
        for network in ("0.0.0.0/0", "::/0", "0.0.0.0/1"):
            (found,) = self.cautions(f'[forward]\nlisten = [":8080"]\nallow_from = ["{network}"]')
            self.assertTrue(
                found.startswith(
                    f"gateway.toml:3: forward.allow_from: {network} makes an open proxy of 0.0.0.0:8080"
                ),
                found,
            )

    def test_own_networks(self) -> None:
        """A proxy for named networks is none, nor is one that only this machine reaches."""
        self.assertEqual(
            self.cautions('[forward]\nlisten = [":8080"]\nallow_from = ["10.0.0.0/8", "fd00::/8"]'),
            [],
        )
        self.assertEqual(self.cautions('[forward]\nallow_from = ["0.0.0.0/0"]'), [])

    def test_nobody_is_let_in(self) -> None:
        """An open listener with the default of C{allow_from} serves nobody that can reach it."""
        (found,) = self.cautions('[forward]\nlisten = ["192.0.2.1:8080"]')
        self.assertIn("only this machine may use it", found)

    def test_own_machine_as_destination(self) -> None:
        """Letting others' requests go to loopback is said."""
        (found,) = self.cautions(
            '[forward]\nlisten = [":8080"]\nallow_from = ["10.0.0.0/8"]\nallow_destinations = ["127.0.0.0/8", "169.254.0.0/16"]'
        )
        self.assertIn(
            "gateway.toml:4: forward.allow_destinations: 127.0.0.0/8 lets clients reach", found
        )

    def test_quarantine_without_a_place(self) -> None:
        """A quarantine whose folder can't be made is said."""
        (found,) = self.cautions('[scan]\nquarantine = "there/is/none"')
        self.assertIn("gateway.toml:2: scan.quarantine", found)
        self.assertIn("nothing can be kept: there is no folder there/is", found)
        self.assertEqual(self.cautions('[scan]\nquarantine = "kept"'), [])

    def test_password_in_the_file(self) -> None:
        """A password in an URL is said, without being shown."""
        (found,) = self.cautions('[forward]\nparent = ["http://u:hunter2@parent:3128"]')
        self.assertIn("gateway.toml:2: forward.parent[0]: the password stands in the file", found)
        self.assertNotIn("hunter2", found)

    def test_nobody_may_send_the_proxy_protocol(self) -> None:
        """A listener for the PROXY protocol without trusted proxies closes every connection."""
        text = '[[site]]\norigins = ["http://a"]\nlisten = [{ address = ":80", proxy_protocol = true }]\n'
        (found,) = self.cautions(text)
        self.assertIn(
            "gateway.toml:3: site[0].listen[0]: 0.0.0.0:80 closes every connection", found
        )
        self.assertEqual(self.cautions(text + '[network]\ntrusted_proxies = ["10.0.0.5"]'), [])

    def test_everybody_is_a_proxy(self) -> None:
        """Trusting everybody's X-Forwarded-For is said."""
        (found,) = self.cautions('[network]\ntrusted_proxies = ["0.0.0.0/0"]')
        self.assertIn("lets every client claim any address", found)

    def test_open_health(self) -> None:
        """Metrics on an open address are said."""
        (found,) = self.cautions('[admin]\nhealth = ":8081"')
        self.assertIn("gateway.toml:2: admin.health: 0.0.0.0:8081 shows", found)

    def test_node_that_nobody_can_ask(self) -> None:
        """A node of a cluster whose health listener is off, or for its own machine, can't be asked by the others."""
        peers = '[cluster]\npeers = ["http://10.0.0.2:8081"]\n'
        (found,) = self.cautions(peers)
        self.assertIn("gateway.toml:2: cluster.peers: no other node can ask this one", found)
        (found,) = self.cautions(f'{peers}[admin]\nhealth = ""')
        self.assertIn("admin.health is off", found)
        self.assertFalse(
            any("cluster" in one for one in self.cautions(f'{peers}[admin]\nhealth = ":8081"'))
        )

    def test_plugin_that_does_not_run(self) -> None:
        """Settings of a plugin that is not enabled have no effect; a misspelt name is answered."""
        (found,) = self.cautions("[plugins.upload_limits]\nx = 1")
        self.assertIn("gateway.toml:1: plugins.upload_limits: has no effect", found)
        self.assertIn('did you mean "upload_limit"?', found)

    def test_limit_that_nobody_enforces(self) -> None:
        """Without the plugin upload_limit no upload is limited; it is said unless no limit is wanted."""
        (found,) = self.cautions("[plugins]\nenabled = []")
        self.assertIn("no upload is limited", found)
        self.assertEqual(self.cautions("[plugins]\nenabled = []\n[limits]\nupload = 0"), [])
