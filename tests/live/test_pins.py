"""An app that has pinned its certificate, a gateway that decrypts, and an operator with a command."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.live.processes import curl, made_folder, until
from tests.live.tls_peers import (
    HOST,
    Intercepting,
    SecureOrigin,
    commanded,
    roots_in,
    serving,
    site_certificate,
    written,
)
from tests.unit.net.certificates import authority

OTHER = "other.example.com"


class PinnedTests(SynchronousTestCase):
    """The app trusts the origin's own root and nobody else; it is curl, and its device has the CA."""

    def start(self, tls: str = "") -> None:
        """Start origin and gateway, with further settings of C{[tls]}."""
        folder = made_folder(self)
        self.root = roots_in(folder, authority("Live root"))
        pem = written(folder, site_certificate(None, OTHER))
        self.origin = SecureOrigin(self, serving(pem))
        self.gateway = Intercepting(self, self.root, tls=tls)
        self.proxy = ("-x", f"http://127.0.0.1:{self.gateway.forward}")

    def app(self) -> int:
        """Let the app ask; gives curl's status: 60 is a certificate that it does not believe."""
        done = curl(
            *self.proxy, "--cacert", str(self.root), f"https://{HOST}:{self.origin.port}/hello"
        )
        if done.returncode == 0:
            self.assertEqual(done.stdout, b"origin")
        return done.returncode

    def other_app(self) -> None:
        """Let something else on the same device ask for another name."""
        done = curl(
            *(*self.proxy, "--cacert", str(self.gateway.ca)),
            f"https://{OTHER}:{self.origin.port}/hello",
        )
        self.assertEqual((done.returncode, done.stdout), (0, b"origin"), done.stderr)

    def pins(self, *more: str, status: int = 0) -> dict[str, Any]:
        """Run the command and read its answer."""
        found: dict[str, Any] = json.loads(
            commanded(self.gateway, "tls", "pins", "--json", *more, status=status)
        )
        return found

    def outcomes(self) -> list[str]:
        """Give what became of all transactions so far."""
        return [line["outcome"] for line in self.gateway.lines(1)]

    def refused(self) -> None:
        """Let the app refuse three times; the device accepts another name in between."""
        self.assertEqual(self.app(), 60)
        self.other_app()
        self.assertEqual([self.app(), self.app()], [60, 60])

    def test_proposal(self) -> None:
        """Three refusals are proposed; the app works once an operator says so, and no longer when that is taken back."""
        self.start()
        self.refused()
        self.gateway.says(f"event tls_pinned {HOST}")
        (pin,) = self.pins()["pins"]
        self.assertEqual(
            (pin["name"], pin["refusals"], pin["clients"], pin["trusting_clients"], pin["bypass"]),
            (HOST, 3, 1, 1, None),
        )
        self.assertEqual(self.app(), 60)
        self.assertEqual(self.pins("--bypass", HOST, "--for", "1h")["pins"][0]["name"], HOST)
        self.assertEqual(self.app(), 0)
        until(lambda: self.outcomes().count("tunnelled") == 1)
        self.pins("--forget", HOST)
        self.assertEqual(self.app(), 60)
        self.assertIn("no app seems", commanded(self.gateway, "tls", "pins"))
        self.pins("--forget", HOST, status=1)

    def test_automatic(self) -> None:
        """With the setting the app works by itself from the fourth time on; a reload without it ends that."""
        self.start("pinned_bypass = true")
        self.refused()
        self.gateway.says(f"event tls_bypass_begun {HOST}")
        self.assertEqual(self.app(), 0)
        config = self.gateway.config
        config.write_text(config.read_text().replace("pinned_bypass = true", ""))
        commanded(self.gateway, "reload")
        self.assertIn("event tls_bypass_ended", self.gateway.text)
        self.assertEqual(self.app(), 60)

    def test_reload(self) -> None:
        """A reload keeps what is known and ordered."""
        self.start()
        self.refused()
        self.pins("--bypass", HOST)
        commanded(self.gateway, "reload")
        self.assertEqual(len(self.pins()["pins"]), 2)
        self.assertEqual(self.app(), 0)

    def test_fault_of_the_origin(self) -> None:
        """A client that refuses the page about an origin that is not believed has pinned nothing."""
        self.start()
        other = made_folder(self)
        bad = SecureOrigin(self, serving(written(other, site_certificate(authority("Nobody")))))
        for _ in range(5):
            done = curl(
                *(*self.proxy, "--cacert", str(self.gateway.ca)), f"https://{HOST}:{bad.port}/"
            )
            self.assertEqual(done.returncode, 60)
        self.assertEqual(self.pins()["pins"], [])
