"""
Certificates, rules and the CA exchanged while clients come with new handshakes: none of them fails.

And the other way round: where nothing is decrypted, there is no CA, and no certificate is ever made.
"""

from __future__ import annotations

import json
import signal
from functools import partial
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from twisted.trial.unittest import SynchronousTestCase

from tests.live.peers import Origin, Stream
from tests.live.processes import FORWARD, Gateway, curl, made_folder, until
from tests.live.tls_peers import (
    HOST,
    Intercepting,
    SecureOrigin,
    Visitor,
    commanded,
    dialled,
    roots_in,
    serving,
    site_certificate,
    trusting,
    tunnelled,
    written,
)
from tests.unit.net.certificates import authority

SITE = """
[[site]]
host = ["www.example.com", "127.0.0.1"]
listen = ["127.0.0.1:$reverse"]
certificate = "$pem"
origins = ["http://127.0.0.1:$origin"]
"""

ROOT = authority("Live root")
VISITORS = 3
TIMES = 6


def leaves(gateway: Gateway) -> float:
    """Give how many leaves were asked for; a gateway without a cache of them counts none."""
    text = gateway.asked("/metrics")[1]
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "gateway_tls_leaf_requests_total"
    )


class ReloadCase(SynchronousTestCase):
    """A gateway with visitors; each of them has a new handshake for each request."""

    gateway: Gateway
    visitors: list[Visitor]

    def reach(self) -> Stream:
        """Connect, up to where a handshake can begin."""
        return dialled(self.gateway.reverse)

    def visited(self, *trust: Path) -> None:
        """Let visitors come who trust these."""
        self.visitors = [Visitor(self, self.reach, trusting(*trust)) for _ in range(VISITORS)]
        self.met(2)

    def met(self, count: int) -> None:
        """Wait until each visitor has been here so many times more."""
        for one in self.visitors:
            one.visits(count)

    def reloaded(self, *, by_signal: bool) -> None:
        """Reload, by the command or by the signal, and wait until that is done."""
        before = self.gateway.text.count("event config_reloaded")
        if by_signal:
            self.gateway.signal(signal.SIGHUP)
        else:
            commanded(self.gateway, "reload")
        until(lambda: self.gateway.text.count("event config_reloaded") > before, what="the reload")

    def nothing_failed(self) -> None:
        """End the visits, and see that each of them went well, on its first connection."""
        for one in self.visitors:
            one.end()
        self.assertEqual([fault for one in self.visitors for fault in one.faults], [])
        self.assertEqual([one.retried for one in self.visitors], [0] * len(self.visitors))

    def shown(self) -> set[str]:
        """Give the serial numbers of all certificates that were shown."""
        return {serial for one in self.visitors for serial in one.shown}

    def issuers(self) -> set[str]:
        """Give who signed them."""
        return {issuer for one in self.visitors for issuer in one.issuers}

    def interception(self, *, more: str = "", tls: str = "") -> Intercepting:
        """Start an origin with TLS, and a gateway that decrypts what goes there."""
        folder = made_folder(self)
        origin = SecureOrigin(self, serving(written(folder, site_certificate())))
        self.gateway = gateway = Intercepting(self, roots_in(folder, ROOT), more=more, tls=tls)
        self.reach = lambda: tunnelled(dialled(gateway.forward), origin.port)  # type: ignore[method-assign]
        return gateway


class TerminationTests(ReloadCase):
    """A site with a certificate."""

    def setUp(self) -> None:
        """Start it."""
        self.folder = made_folder(self)
        self.pem = written(self.folder, site_certificate())
        self.gateway = Gateway(self, SITE, origin=Origin(self).port, pem=self.pem)
        self.visited(roots_in(self.folder, ROOT))

    def test_certificates(self) -> None:
        """Files are exchanged again and again, and each new certificate is shown after the reload."""
        for number in range(TIMES):
            made = site_certificate()
            written(self.folder, made)
            self.reloaded(by_signal=number % 3 > 0)
            self.met(2)
            self.assertIn(f"{made.certificate.serial_number:X}".zfill(40), self.padded())
        self.nothing_failed()
        self.assertEqual(len(self.shown()), TIMES + 1)

    def padded(self) -> set[str]:
        """Give the serial numbers in full length; OpenSSL leaves a leading zero out or not."""
        return {serial.zfill(40) for serial in self.shown()}

    def test_half_exchanged(self) -> None:
        """A certificate without its key, and a broken file, are not taken over; the one before is shown."""
        before = self.shown()
        whole = self.pem.read_bytes()
        half = site_certificate().pem.partition(b"-----BEGIN PRIV")[0]
        for broken in (whole[:300], b"", half):
            count = self.refusals()
            self.pem.write_bytes(broken)
            self.gateway.signal(signal.SIGHUP)
            until(partial(self.refused_after, count), what="the refusal")
            self.met(2)
        self.assertEqual(self.shown(), before)
        self.pem.write_bytes(whole)
        self.nothing_failed()

    def refused_after(self, count: int) -> bool:
        """Tell whether there were more refusals than so many."""
        return self.refusals() > count

    def refusals(self) -> int:
        """Count the reloads that were refused."""
        return self.gateway.text.count("event config_refused")

    def test_rules(self) -> None:
        """The configuration is changed again and again."""
        text = self.gateway.config.read_text()
        for number in range(TIMES):
            more = f'[[site]]\nhost = ["n{number}.example.com"]\nlisten = ["127.0.0.1:'
            more += f'{self.gateway.reverse}"]\ncertificate = "{self.pem}"\norigins = ["http://127.0.0.1:1"]\n'
            ciphers = ("modern", "compatible")[number % 2]
            self.gateway.config.write_text(f'{text}\n{more}\n[tls]\nciphers = "{ciphers}"\n')
            self.reloaded(by_signal=number % 3 > 0)
            self.met(1)
        self.nothing_failed()


class InterceptionTests(ReloadCase):
    """A proxy that decrypts."""

    def test_rotation(self) -> None:
        """After C{gateway ca rotate} and a reload the new CA signs; who trusts both notices nothing."""
        gateway = self.interception()
        self.visited(gateway.ca)
        (first,) = self.issuers()
        self.assertGreater(leaves(gateway), 0)
        for number in range(2):
            before = self.issuers()
            commanded(gateway, "ca", "rotate", "--now")
            # The one that has signed so far is a retired one now, for everybody but the running gateway.
            trust = [gateway.folder / f"{number}-{kind}.pem" for kind in ("new", "old")]
            trust[0].write_text(commanded(gateway, "ca", "export"))
            trust[1].write_text(commanded(gateway, "ca", "export", "--retired"))
            for one in self.visitors:
                one.context = trusting(*trust)
            self.met(2)
            self.assertEqual(self.issuers(), before)
            self.reloaded(by_signal=number % 3 > 0)
            self.met(2)
            self.assertEqual(len(self.issuers()), len(before) + 1)
        self.nothing_failed()
        self.assertIn(first, self.issuers())

    def test_rules(self) -> None:
        """
        What is decrypted is changed again and again: visitors meet the origin's certificate or the gateway's.

        Who shook hands just before, with the gateway, gets an answer to the first request all the same.
        """
        gateway = self.interception()
        both = gateway.folder / "both.pem"
        both.write_bytes(gateway.ca.read_bytes() + roots_in(gateway.folder, ROOT).read_bytes())
        self.visited(both)
        text = gateway.config.read_text()
        for number in range(TIMES):
            rule = ('decrypt = "all"', f'decrypt = "all"\nnever_decrypt = ["{HOST}"]')[
                1 - number % 2
            ]
            gateway.config.write_text(text.replace('decrypt = "all"', rule))
            self.reloaded(by_signal=number % 3 > 0)
            self.met(1)
            for one in self.visitors:
                one.issuers.clear()
            self.met(1)
            (issuer,) = self.issuers()
            self.assertEqual("Live root" in issuer, number % 2 == 0)
        self.nothing_failed()


class NothingMintedTests(SynchronousTestCase):
    """A gateway that decrypts nothing."""

    CONFIG = (
        FORWARD
        + SITE
        + """
[[site]]
host = ["secure.example.com"]
listen = ["127.0.0.1:$reverse"]
certificate = "$pem"
origins = ["https://127.0.0.1:$secure"]
[gateway]
state = "$state"
[tls]
trust = ["$trust"]
[network]
hosts_file = "$hosts"
"""
    )

    def test_all_ways(self) -> None:
        """
        Tunnels, https by the proxy, sites with TLS on either side and a reload: clients see the certificates of origins
        and sites alone, no CA is made, and no leaf.
        """
        folder = made_folder(self)
        pem = written(folder, site_certificate(None, "secure.example.com"))
        trust = roots_in(folder, ROOT)
        state = folder / "state"
        state.mkdir(mode=0o700)
        hosts = folder / "hosts"
        hosts.write_text(f"127.0.0.1 {HOST}\n")
        secure = SecureOrigin(self, serving(pem))
        self.gateway = gateway = Gateway(
            self,
            self.CONFIG,
            origin=Origin(self).port,
            secure=secure.port,
            pem=pem,
            trust=trust,
            state=state,
            hosts=hosts,
        )
        tunnels = Visitor(
            self, lambda: tunnelled(dialled(gateway.forward), secure.port), trusting(trust)
        )
        sites = Visitor(self, lambda: dialled(gateway.reverse), trusting(trust))
        for visitor in (tunnels, sites):
            visitor.visits(10)
        commanded(gateway, "reload")
        for visitor in (tunnels, sites):
            visitor.visits(5)
            visitor.end()
            self.assertEqual(visitor.faults, [])
            self.assertEqual(len(visitor.shown), 1)
        at = f"secure.example.com:{gateway.reverse}:127.0.0.1"
        url = f"https://secure.example.com:{gateway.reverse}/hello"
        done = curl("--cacert", str(trust), "--resolve", at, url)
        self.assertEqual(done.stdout, b"origin", done.stderr)
        self.nothing_minted(state)

    def nothing_minted(self, state: Path) -> None:
        """See that there is no CA, neither on disk nor by the command, and that no leaf was counted."""
        self.assertFalse((state / "ca").exists())
        self.assertEqual(leaves(self.gateway), 0)
        self.assertGreater(self.gateway.metric("gateway_tls_handshakes_total", side="client"), 10)
        shown = json.loads(commanded(self.gateway, "ca", "show", "--json", status=1))
        self.assertEqual(shown["authorities"], [])
        self.assertFalse((state / "ca").exists())
