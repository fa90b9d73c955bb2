"""Tests of a whole gateway with a real mail server: what happens arrives as one mail, also after the server was away."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.live.mail_server import PASSWORD, USER, MailServer
from tests.live.processes import Gateway, made_folder, until
from tests.live.tls_peers import commanded

CONFIG = """
[forward]
listen = ["127.0.0.1:$forward"]
[gateway]
state = "$state"
[notify]
events = { config_refused = "always" }
[watch]
every = 0
[plugins]
enabled = ["mail"]
[plugins.mail]
to = ["ops@example.com", { address = "boss@example.com", events = ["-config_*"] }]
server = "localhost:$port"
user = "$user"
password = { file = "$secret" }
trust = "$trust"
timeout = "2s"
"""


class GatewayTestCase(SynchronousTestCase):
    """Tests with a gateway as C{twistd} runs it."""

    def gateway(self, server: MailServer) -> Gateway:
        """Start a gateway that sends by a server."""
        self.state = made_folder(self)
        return Gateway(
            self,
            CONFIG,
            state=self.state,
            secret=self.secret(),
            port=server.port,
            user=USER,
            trust=server.trust,
        )

    def secret(self) -> Path:
        file = Path(self.mktemp()).absolute()
        file.write_text(PASSWORD + "\n")
        return file

    def refuse(self, gateway: Gateway) -> None:
        """Let something happen: a configuration with a fault is not taken."""
        sound = gateway.config.read_text()
        gateway.config.write_text(sound + "\n[no_such_table]\n")
        commanded(gateway, "reload", status=2)
        gateway.config.write_text(sound)

    def assert_no_secret(self, gateway: Gateway) -> None:
        """Neither what it says nor what it keeps has the password, in any form it is sent in."""
        whole = f"\0{USER}\0{PASSWORD}".encode()
        folders = (gateway.folder, self.state)
        kept = [file for one in folders for file in one.rglob("*") if file.is_file()]
        self.assertGreater(len(kept), 2)
        texts = [file.read_bytes() for file in kept] + [gateway.asked("/metrics")[1].encode()]
        for text in texts:
            for secret in (
                PASSWORD.encode(),
                base64.b64encode(PASSWORD.encode()),
                base64.b64encode(whole),
            ):
                self.assertNotIn(secret, text)


class ArrivalTests(GatewayTestCase):
    """What happens arrives."""

    def test_event(self) -> None:
        """An event makes one mail, to the one whom it is for."""
        server = MailServer(self)
        gateway = self.gateway(server)
        self.refuse(gateway)
        mail = server.mails()[0]
        self.assertEqual(str(mail["To"]), "ops@example.com")
        self.assertEqual(str(mail["X-Gateway-Event"]), "config_refused")
        self.assertIn("no_such_table", mail.get_body(("plain",)).get_content())
        self.assert_no_secret(gateway)
        gateway.stop()
        self.assertEqual(len(server.raw), 1)

    def test_test(self) -> None:
        """C{gateway event test} sends each receiver a mail that says it is a test."""
        server = MailServer(self)
        gateway = self.gateway(server)
        commanded(gateway, "event", "test", "malware_found", "--to", "mail")
        mails = server.mails(2)
        self.assertEqual(
            sorted(str(mail["To"]) for mail in mails), ["boss@example.com", "ops@example.com"]
        )
        for mail in mails:
            self.assertIn("TEST", str(mail["Subject"]))

    def test_server_away(self) -> None:
        """What could not be sent, as the password was not taken, arrives once when it is; no secret is said meanwhile."""
        server = MailServer(self, "repeat")
        gateway = self.gateway(server)
        self.refuse(gateway)
        gateway.says("535")
        self.assertEqual(server.raw, [])
        server.stop()
        again = MailServer(self, port=server.port)
        again.mails(1, 60.0)
        self.assert_no_secret(gateway)
        said: Any = commanded(gateway, "event", "test", "malware_found", "--to", "mail")
        self.assertNotIn(PASSWORD, said)
        until(lambda: len(again.raw) >= 3)
        subjects = [str(mail["Subject"]) for mail in again.mails(3)]
        self.assertEqual(len([one for one in subjects if "TEST" not in one]), 1, subjects)
