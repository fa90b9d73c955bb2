"""What C{[tls]} says of decryption, with real programs: what passes unread, when there is a CA, certificates of our own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptography.x509.oid import ExtendedKeyUsageOID
from twisted.trial.unittest import SynchronousTestCase

from tests.live.peers import Closed, connected
from tests.live.processes import Gateway, curl, free_port, made_folder, nginx, until
from tests.live.tls_peers import (
    HOST,
    SecureOrigin,
    roots_in,
    serving,
    site_certificate,
    tunnelled,
    written,
)
from tests.unit.net.certificates import authority, issue

ROOT = authority("Live root")
CLIENTS = authority("Live root of clients")

SETTINGS = """
[forward]
listen = ["127.0.0.1:$forward"]
allow_destinations = ["127.0.0.0/8"]
connect_ports = ["1-65535"]
[network]
hosts_file = "$hosts"
[tls]
trust = ["$trust"]
ca = "$folder/ca"
"""

# It tells who the client is by its certificate, and on which of its connections it was asked.
ASKING = """
server {
  listen 127.0.0.1:$port ssl;
  ssl_certificate $pem;
  ssl_certificate_key $pem;
  ssl_client_certificate $clients;
  ssl_verify_client on;
  ssl_protocols $protocols;
  location / { return 200 "$$ssl_client_s_dn $$connection"; }
}
"""


class DecryptionCase(SynchronousTestCase):
    """An origin that is reached by https, and a gateway that trusts its root."""

    def setUp(self) -> None:
        self.folder = made_folder(self)
        self.root = roots_in(self.folder, ROOT)
        self.hosts = self.folder / "hosts"
        self.hosts.write_text(f"127.0.0.1 {HOST} other.example.com\n")
        self.pem = written(self.folder, site_certificate(None, "other.example.com"))

    def start(self, tls: str) -> Gateway:
        """Start a gateway."""
        self.gateway = Gateway(self, SETTINGS + tls, trust=self.root, hosts=self.hosts)
        self.ca = self.gateway.folder / "ca"
        return self.gateway

    def root_of_gateway(self) -> Path:
        """Write what clients of the gateway are to trust."""
        (made,) = self.ca.glob("ca-*.pem")
        text = made.read_text()
        begin = text.index("-----BEGIN CERTIFICATE-----")
        end = "-----END CERTIFICATE-----\n"
        path = self.folder / "gateway.pem"
        path.write_text(text[begin : text.index(end) + len(end)])
        return path

    def fetch(self, trusted: Path, *urls: str) -> Any:
        """Fetch through the gateway, trusting one root alone."""
        proxy = f"http://127.0.0.1:{self.gateway.forward}"
        return curl("--proxy", proxy, "--cacert", str(trusted), "--http1.1", *urls)

    def decided(self, count: int) -> list[tuple[str, str]]:
        """Give what was decided of CONNECTs, from the log."""
        lines = self.gateway.lines(count)
        return [
            (line["tls"]["decision"], line["tls"]["why"])
            for line in lines
            if line["method"] == "CONNECT" and line["tls"]
        ]


class ChoiceTests(DecryptionCase):
    """What passes unread."""

    def test_rules(self) -> None:
        """Listed hosts are decrypted, others show their own certificate, and the log says why."""
        origin = SecureOrigin(self, serving(self.pem))
        self.start(
            'decrypt = "rules"\ndecrypt_hosts = [".example.com"]\n'
            'never_decrypt = ["other.example.com"]'
        )
        url, other = (f"https://{host}:{origin.port}/hello" for host in (HOST, "other.example.com"))
        ours = self.root_of_gateway()
        self.assertEqual(self.fetch(ours, url).stdout, b"origin")
        self.assertEqual(self.fetch(self.root, url).returncode, 60)
        self.assertEqual(self.fetch(self.root, other).stdout, b"origin")
        self.assertEqual(self.fetch(ours, other).returncode, 60)
        bare = f"https://127.0.0.1:{origin.port}/hello"
        self.assertEqual(self.fetch(self.root, bare).stdout, b"origin")
        self.assertEqual(
            sorted(set(self.decided(6))),
            [
                ("intercept", "decrypt_hosts"),
                ("tunnel", "never_decrypt"),
                ("tunnel", "not_listed"),
            ],
        )

    def test_off(self) -> None:
        """With decryption off no CA is made, whatever passes; switched on by a reload, one is, and clients need it."""
        origin = SecureOrigin(self, serving(self.pem))
        gateway = self.start("")
        url = f"https://{HOST}:{origin.port}/hello"
        self.assertEqual(self.fetch(self.root, url).stdout, b"origin")
        self.assertFalse(self.ca.exists())
        text = gateway.config.read_text()
        gateway.config.write_text(text.replace("[tls]\n", '[tls]\ndecrypt = "all"\n'))
        gateway.signal(1)
        gateway.says("event config_reloaded")
        self.assertEqual(self.fetch(self.root_of_gateway(), url).stdout, b"origin")
        gateway.config.write_text(text)
        gateway.signal(1)
        until(lambda: gateway.text.count("event config_reloaded") > 1, what="the reload")
        self.assertEqual(self.fetch(self.root, url).stdout, b"origin")

    def test_damaged_ca(self) -> None:
        """A gateway whose CA is damaged does not start, and says which file it is and what to do."""
        self.start('decrypt = "all"')
        (path,) = self.ca.iterdir()
        path.write_text("damaged")
        self.gateway.stop()
        after = Gateway(
            self,
            SETTINGS + 'decrypt = "all"',
            trust=self.root,
            hosts=self.hosts,
            ready=False,
            instead_of=self.gateway,
        )
        after.says("bring the file back from a copy")
        self.assertIn(str(path), after.text)
        until(lambda: not after.running, what="the end of the process")


class UnknownTests(DecryptionCase):
    """What is no TLS."""

    def spoken(self, data: bytes) -> bytes:
        """Say something in a tunnel; gives what comes back, nothing if it is closed."""
        origin = SecureOrigin(self, serving(self.pem))
        stream = tunnelled(connected(self, self.gateway.forward), origin.port)
        stream.send(data)
        try:
            return stream.socket.recv(100)
        except (Closed, OSError):
            return b""

    def test_blocked_without_decryption(self) -> None:
        """C{block} holds also where nothing is decrypted: TLS passes unread, other protocols are closed, and no CA is made."""
        origin = SecureOrigin(self, serving(self.pem))
        self.start('on_unknown_protocol = "block"')
        self.assertEqual(self.spoken(b"SSH-2.0-Client\r\n"), b"")
        url = f"https://{HOST}:{origin.port}/hello"
        self.assertEqual(self.fetch(self.root, url).stdout, b"origin")
        self.assertEqual(self.decided(2), [("block", "unknown_protocol"), ("tunnel", "off")])
        self.assertFalse(self.ca.exists())


class ClientCertificateTests(DecryptionCase):
    """A server that wants a certificate."""

    def asking(self, protocols: str) -> int:
        """Start nginx, which asks for a certificate; gives its port."""
        clients = roots_in(self.folder, CLIENTS, name="clients.pem")
        port = free_port()
        nginx(self, ASKING, port=port, pem=self.pem, clients=clients, protocols=protocols)
        made = issue("our gateway", CLIENTS, usages=(ExtendedKeyUsageOID.CLIENT_AUTH,))
        self.ours = written(self.folder, made, name="ours.pem")
        return port

    def shown(self, host: str = HOST) -> str:
        """Say in the file which host gets ours."""
        return f'client_certificates = [{{ host = "{host}", certificate = "{self.ours}" }}]\n'

    def test_intercepted(self) -> None:
        """It is shown in decrypted tunnels, over TLS 1.2 and 1.3; one client keeps its connection, another has its own."""
        for protocols in ("TLSv1.2", "TLSv1.3"):
            port = self.asking(protocols)
            self.start('decrypt = "all"\n' + self.shown())
            url, ours = f"https://{HOST}:{port}/", self.root_of_gateway()
            connections = []
            for _ in range(2):
                done = self.fetch(ours, url + "a", url + "b")
                self.assertEqual(done.returncode, 0, done.stderr)
                who, _, rest = done.stdout.decode().partition(" gateway ")
                self.assertEqual(who, "CN=our")
                first, second = rest.split("CN=our gateway ")
                self.assertEqual(first, second)
                connections.append(first)
            self.assertNotEqual(*connections)

    def test_not_for_others(self) -> None:
        """A host that it is not for gets none, and refuses."""
        port = self.asking("TLSv1.2 TLSv1.3")
        self.start('decrypt = "all"\n' + self.shown("other.example.com"))
        done = self.fetch(self.root_of_gateway(), f"https://{HOST}:{port}/")
        self.assertNotIn(b"our gateway", done.stdout)

    def test_origin_of_a_site(self) -> None:
        """A site's origin gets it by the name that is verified."""
        port = self.asking("TLSv1.2 TLSv1.3")
        site = (
            f'\n[[site]]\nlisten = ["127.0.0.1:$reverse"]\norigins = ["https://127.0.0.1:{port}"]\n'
            f'verify_host = "{HOST}"\n'
        )
        gateway = self.start(self.shown() + site)
        done = curl(f"http://127.0.0.1:{gateway.reverse}/")
        self.assertIn(b"CN=our gateway", done.stdout)
