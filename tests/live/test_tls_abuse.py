"""Abuse of handshakes: with a site that is reached by https, and with a proxy that intercepts."""

from __future__ import annotations

from tests.live import tls_abuse
from tests.live.peers import Origin, Stream
from tests.live.processes import Gateway, made_folder
from tests.live.tls_peers import (
    Intercepting,
    SecureOrigin,
    dialled,
    roots_in,
    serving,
    site_certificate,
    tunnelled,
    written,
)
from tests.unit.net.certificates import authority

SITE = """
[[site]]
host = ["www.example.com"]
listen = ["127.0.0.1:$reverse"]
certificate = "$pem"
origins = ["http://127.0.0.1:$origin"]
"""


class TerminatedTests(tls_abuse.AbuseCase):
    """A site with a certificate."""

    def start(self) -> None:
        """Start a site."""
        folder = made_folder(self)
        pem = written(folder, site_certificate())
        self.root = roots_in(folder, authority("Live root"))
        self.gateway = Gateway(self, SITE + tls_abuse.TIMEOUTS, origin=Origin(self).port, pem=pem)

    def reach(self) -> Stream:
        """Connect."""
        return dialled(self.gateway.reverse)


class InterceptedTests(tls_abuse.AbuseCase):
    """A proxy that decrypts what goes through its tunnels."""

    def start(self) -> None:
        """Start an origin with TLS, and a proxy that trusts it."""
        folder = made_folder(self)
        pem = written(folder, site_certificate())
        self.origin = SecureOrigin(self, serving(pem))
        trust = roots_in(folder, authority("Live root"))
        self.gateway = gateway = Intercepting(
            self, trust, more=tls_abuse.TIMEOUTS, tls='on_unknown_protocol = "block"'
        )
        self.root = gateway.ca

    def reach(self) -> Stream:
        """Open a tunnel."""
        return tunnelled(dialled(self.gateway.forward), self.origin.port)
