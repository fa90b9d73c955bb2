"""Strict-Transport-Security (RFC 6797) of a site, as curl sees it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.live.peers import Origin
from tests.live.processes import Gateway, certificate, curl, free_port, made_folder, nginx
from tests.live.test_tls import root_of

SITE = """
[[site]]
listen = [
  { address = "127.0.0.1:$reverse", tls = { certificate = "$pem" } },
  "127.0.0.1:$plain",
]
origins = ["http://127.0.0.1:$origin"]
"""

OWN = """
server {
  listen 127.0.0.1:$port;
  location / { add_header strict-transport-security "max-age=60"; return 200 "own"; }
  location /near { add_header Strict-Transport-Security-Policy "x"; return 200 "near"; }
}
"""


class FieldTests(SynchronousTestCase):
    """Which answers have it."""

    def start(self, hsts: str, origin: int) -> None:
        """Start a site with a TLS listener and another one."""
        self.pem = certificate(made_folder(self))
        self.root = root_of(self.pem)
        self.plain = free_port()
        self.gateway = Gateway(self, SITE + hsts, origin=origin, pem=self.pem, plain=self.plain)

    def fields(self, path: str = "/hello", *, secure: bool = True) -> list[str]:
        """Ask, and give the lines of this field."""
        port = self.gateway.reverse if secure else self.plain
        url = f"http{'s' * secure}://127.0.0.1:{port}{path}"
        done = curl("--cacert", str(self.root), "-i", url)
        self.assertEqual(done.returncode, 0, done.stderr)
        head = done.stdout.decode().partition("\r\n\r\n")[0].splitlines()
        return [
            line.partition(":")[2].strip()
            for line in head
            if line.lower().startswith("strict-transport-security:")
        ]

    def test_over_tls_alone(self) -> None:
        """Answers over TLS have it, others never (section 7.2)."""
        origin = Origin(self)
        self.start('hsts = "365d"', origin.port)
        self.assertEqual(self.fields(), ["max-age=31536000"])
        self.assertEqual(self.fields(secure=False), [])

    def test_options(self) -> None:
        """Subdomains and preload are said where they are wanted."""
        origin = Origin(self)
        self.start('hsts = { max_age = "1d", subdomains = true, preload = true }', origin.port)
        self.assertEqual(self.fields(), ["max-age=86400; includeSubDomains; preload"])

    def test_without(self) -> None:
        """A site that says nothing adds nothing."""
        origin = Origin(self)
        self.start("", origin.port)
        self.assertEqual(self.fields(), [])

    def test_own(self) -> None:
        """An origin that sends its own keeps it, in whatever case, and there is one field only."""
        port = free_port()
        nginx(self, OWN, port=port)
        self.start('hsts = "365d"', port)
        self.assertEqual(self.fields(), ["max-age=60"])
        self.assertEqual(self.fields("/near"), ["max-age=31536000"])
