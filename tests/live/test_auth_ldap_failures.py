"""An LDAP directory that fails: a real slapd that is stopped or killed, and servers that are worse than it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Mapping, Sequence
from signal import SIGCONT as CONTINUE
from signal import SIGSTOP as STOP
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import LoopingCall
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Identity
from gateway.api.settings import Secret
from gateway_auth.ldap_wire import SocketAddress
from gateway_auth.limiter import Limiter
from gateway_auth.passwords import Passwords
from gateway_auth.remembered import Remembered
from tests.live.directories import ACCOUNT, ACCOUNT_PASSWORD, BASE, Slapd
from tests.live.directory_case import ALICES, DirectoryCase, Tap, pause
from tests.live.peers import Origin, Server, Stream
from tests.live.processes import FORWARD, Gateway, curl, free_port, until


class FailureTests(DirectoryCase):
    """A server that is down, hangs or is slow costs the time-out and no more, and comes back by itself."""

    quick: Mapping[str, Any] = {"timeout": 1.0, "retry": 0.3}

    async def test_killed(self) -> None:
        """A killed server is told once, and used again when it is back, without a restart."""
        slapd = Slapd(self)
        directory = self.directory(
            f"ldaps://localhost:{slapd.secure}", ca=str(slapd.ca), **self.quick
        )
        await directory.verify("alice", "alicepw")
        slapd.program.kill()
        for _ in range(10):
            await self.unavailable(directory, 1.1)
        self.assertTrue(directory.is_down)
        self.assertEqual(self.event_names(), ["directory_down"])
        slapd.start()
        await self.until(lambda: not directory.is_down)
        self.assertEqual((await directory.verify("alice", "alicepw")).user, "alice")
        self.assertEqual(self.event_names(), ["directory_down", "directory_up"])

    async def test_hung(self) -> None:
        """Of a server that accepts and never answers everybody hears in time, and the reactor never waits."""
        port = free_port()
        hung = Server(self, hangs, port)
        directory = self.directory(f"ldap://127.0.0.1:{port}", plaintext=True, **self.quick)
        gaps = Gaps()
        begun = time.monotonic()
        await gatherResults(
            [Deferred.fromCoroutine(self.unavailable(directory, 1.2)) for _ in range(20)]
        )
        await self.unavailable(directory, 1.2)
        await self.unavailable(directory, 1.2)
        self.assertLess(time.monotonic() - begun, 3.6)
        # From now on nobody waits.
        await self.unavailable(directory, 0.1)
        self.assertLess(gaps.stop(), 0.2)
        hung.stop()
        Slapd(self, ports=(port, free_port()))
        await self.until(lambda: not directory.is_down)
        self.assertEqual((await directory.verify("alice", "alicepw")).user, "alice")
        self.assertEqual(self.event_names(), ["directory_down", "directory_up"])

    async def test_hung_in_tls(self) -> None:
        """A handshake that does not go on ends in time, too."""
        hung = Server(self, hangs)
        directory = self.directory(f"ldaps://127.0.0.1:{hung.port}", **self.quick)
        self.assertIn("no answer in time", await self.unavailable(directory, 1.2))

    async def test_slow(self) -> None:
        """A server that sends a byte now and then does not hold anybody longer than one that sends none."""
        slapd = Slapd(self)
        tap = Tap(self, slapd.plain, pause=0.1)
        directory = self.directory(f"ldap://127.0.0.1:{tap.port}", plaintext=True, **self.quick)
        self.assertIn("no answer in time", await self.unavailable(directory, 1.2))
        tap.pause = 0.0
        self.assertEqual((await directory.verify("alice", "alicepw")).user, "alice")

    async def test_nonsense(self) -> None:
        """A server that is none of LDAP is one that failed."""

        def serve(stream: Stream) -> None:
            stream.send(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10)
            stream.drop(1 << 20)

        server = Server(self, serve)
        directory = self.directory(f"ldap://127.0.0.1:{server.port}", plaintext=True, **self.quick)
        await self.unavailable(directory, 1.2)

    async def test_name_that_can_not_be_looked_up(self) -> None:
        """A resolver that does not answer costs the time-out and at most one thread."""
        release = threading.Event()
        self.addCleanup(release.set)

        def resolve(host: str, port: int) -> Sequence[SocketAddress]:
            release.wait(20)
            return [(socket.AF_INET, ("127.0.0.1", port))]

        slapd = Slapd(self)
        directory = self.directory(
            f"ldaps://localhost:{slapd.secure}", ca=str(slapd.ca), resolve=resolve, **self.quick
        )
        await gatherResults(
            [Deferred.fromCoroutine(self.unavailable(directory, 1.2)) for _ in range(10)]
        )
        self.assertEqual(self.pools.pools["directory"].admitted, 1)
        release.set()
        await self.until(lambda: not directory.is_down)
        self.assertEqual((await directory.verify("alice", "alicepw")).user, "alice")

    async def test_fail_over(self) -> None:
        """The second server is asked within the same time-out, and the first one again when it is back."""
        port = free_port()
        hung = Server(self, hangs, port)
        second = Slapd(self)
        directory = self.directory(
            f"ldap://127.0.0.1:{port}",
            f"ldap://127.0.0.1:{second.plain}",
            plaintext=True,
            **{**self.quick, "timeout": 2.0},
        )
        for _ in range(3):
            self.assertEqual((await directory.verify("alice", "alicepw")).user, "alice")
        # The first one is left alone now.
        begun = time.monotonic()
        await directory.verify("bob", "bobpw")
        self.assertLess(time.monotonic() - begun, 0.5)
        self.assertEqual(self.events, [])
        hung.stop()
        first = Slapd(self, ports=(port, free_port()))
        servers = directory._servers.servers
        await self.until(lambda: servers[0].breaker.is_closed)
        second.program.kill()
        self.assertEqual((await directory.verify("carol", "carolpw")).user, "carol")
        first.program.kill()
        await self.unavailable(directory, 2.2)

    async def test_account_refused(self) -> None:
        """A service account that is refused is not tried again and again until it is locked."""
        slapd = Slapd(self)
        tap = Tap(self, slapd.plain)
        directory = self.directory(
            f"ldap://127.0.0.1:{tap.port}", plaintext=True, password=Secret("wrong"), **self.quick
        )
        for _ in range(5):
            self.assertIn("the service account is refused", await self.unavailable(directory, 1.2))
        await pause(1.0)
        self.assertEqual(bytes(tap.seen).count(b"wrong"), 1)
        self.assertEqual(self.event_names(), ["directory_down"])

    async def test_same_login_at_the_same_moment(self) -> None:
        """A browser that opens six connections logs in once."""
        slapd = Slapd(self)
        tap = Tap(self, slapd.plain)
        directory = self.directory(f"ldap://127.0.0.1:{tap.port}", plaintext=True)
        services = self.services(directory._settings)
        memory = Remembered(services.clock, seconds=60.0, refused_seconds=60.0)
        passwords = Passwords([directory], memory, Limiter(services.clock), services)
        logins = [
            Deferred.fromCoroutine(passwords.check("alice", "alicepw", "192.0.2.1"))
            for _ in range(6)
        ]
        identity = Identity("alice", ALICES, "basic")
        self.assertEqual(await gatherResults(logins), [identity] * 6)
        self.assertEqual(bytes(tap.seen).count(b"alicepw"), 1)


class GatewayTests(SynchronousTestCase):
    """The whole gateway while its directory is away."""

    config = """
[plugins]
enabled = ["auth"]
[plugins.auth]
order = ["basic"]
ip_cache = 0
[plugins.auth.ldap]
uri = ["ldaps://localhost:$ldaps"]
base = "$base"
bind_dn = "$account"
password = { file = "$password" }
ca = "$ca"
timeout = "1s"
retry = "300ms"
"""

    def ask(self, user: str, password: str = "") -> tuple[int, float]:
        """Give the status of a request through the proxy, and its seconds."""
        begun = time.monotonic()
        done = curl(
            *("-o", "/dev/null", "-w", "%{http_code}", "-x", f"127.0.0.1:{self.gateway.forward}"),
            *("--proxy-basic", "--proxy-user", f"{user}:{password or user + 'pw'}"),
            f"http://127.0.0.1:{self.origin.port}/hello",
        )
        return int(done.stdout), time.monotonic() - begun

    def test_directory_away(self) -> None:
        """Who is known goes on, others hear in time that nobody can say, and it all comes back by itself."""
        slapd = Slapd(self)
        self.origin = Origin(self)
        file = slapd.folder / "password"
        file.write_text(ACCOUNT_PASSWORD)
        self.gateway = Gateway(
            self,
            FORWARD + self.config,
            ldaps=slapd.secure,
            base=BASE,
            account=ACCOUNT,
            password=file,
            ca=slapd.ca,
        )
        self.assertEqual(self.ask("alice")[0], 200)
        self.assertEqual(self.ask("alice", "wrong")[0], 407)
        self.assertEqual(self.ask("nobody")[0], 407)
        lines = self.gateway.lines(3)
        self.assertEqual([line["user"] for line in lines][0], "alice")
        for number, away in enumerate((slapd.program.kill, lambda: slapd.program.signal(STOP))):
            away()
            for user in ("bob", "carol", "bob"):
                status, seconds = self.ask(user)
                self.assertEqual(status, 503)
                self.assertLess(seconds, 1.6)
            status, seconds = self.ask("alice")
            self.assertEqual(status, 200)
            self.assertLess(seconds, 0.5)
            if number:
                slapd.program.signal(CONTINUE)
            else:
                slapd.start()
            until(lambda: self.ask("alice")[0] == 200 and self.is_up())
        self.assertEqual(self.ask("bob")[0], 200)
        self.assertNotIn("alicepw", self.gateway.text)
        self.assertNotIn(ACCOUNT_PASSWORD, self.gateway.text)

    def is_up(self) -> bool:
        """Tell whether the server is asked."""
        return self.gateway.metric("gateway_plugin_auth_directory_server_up") == 1


class Gaps:
    """Watches for how long the reactor does nothing else."""

    def __init__(self) -> None:
        self._worst = 0.0
        self._last = time.monotonic()
        self._loop = LoopingCall(self._look)
        self._loop.start(0.005)

    def stop(self) -> float:
        """Give the longest time, seconds."""
        self._loop.stop()
        return self._worst

    def _look(self) -> None:
        now = time.monotonic()
        self._worst = max(self._worst, now - self._last)
        self._last = now


def hangs(stream: Stream) -> None:
    """Take what comes and never answer."""
    stream.drop(1 << 20)
