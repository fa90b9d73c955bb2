"""Users of an LDAP directory: a real slapd, and servers that are worse than it."""

from __future__ import annotations

import dataclasses
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from signal import SIGCONT as CONTINUE
from signal import SIGSTOP as STOP
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import LoopingCall, deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from gateway.api import Event, Services
from gateway.api.settings import Secret
from gateway.pipeline.threads import PoolSize, ThreadPools
from gateway.testing import FakeServices
from gateway_auth.directory import Directory
from gateway_auth.ldap_settings import LdapSettings, server_uri
from gateway_auth.ldap_wire import SocketAddress
from gateway_auth.verifier import Refused, Unavailable, Verified
from tests.live.directories import ACCOUNT, ACCOUNT_PASSWORD, BASE, PEOPLE, PROBE, Slapd
from tests.live.peers import Origin, Server, Stream
from tests.live.processes import FORWARD, Gateway, curl, free_port, until

_reactor: Any = reactor

#: All of alice's groups; the nested ones go round in a circle.
ALICES = frozenset(("admins", "staff", "all", "printers"))


class DirectoryCase(TestCase):
    """Has what a directory needs: threads, a clock, and an end."""

    timeout = 60

    def setUp(self) -> None:
        """Make threads as the gateway has them."""
        self.events: list[Event] = []
        self.pools = ThreadPools(_reactor, self.events.append, {"directory": PoolSize(4, 64)})
        self.addCleanup(self.pools.stop)

    def services(self, settings: LdapSettings) -> Services:
        """Give a plugin's services with real threads and real time."""
        fake = FakeServices(_reactor, self.events.append)
        self.addCleanup(fake.stop)
        return dataclasses.replace(fake.for_plugin("auth", settings), threads=self.pools)

    def directory(
        self,
        *uris: str,
        account: bool = True,
        resolve: Callable[[str, int], Sequence[SocketAddress]] | None = None,
        **values: Any,
    ) -> Directory:
        """Make a directory."""
        values.setdefault("base", BASE)
        if account:
            values.setdefault("bind_dn", ACCOUNT)
            values.setdefault("password", Secret(ACCOUNT_PASSWORD))
        values.setdefault("refusal_delay", 0.0)
        settings = LdapSettings(uri=tuple(map(server_uri, uris)), **values)
        services = self.services(settings)
        more: dict[str, Any] = {} if resolve is None else {"resolve": resolve}
        made = Directory(settings, services, **more)
        self.addCleanup(made.stop)
        return made

    async def refused(self, directory: Directory, user: str, password: str) -> str:
        """Give why a login is refused."""
        try:
            verified = await directory.verify(user, password)
        except Refused as refused:
            return refused.reason
        raise self.failureException(f"{user!r} was let in as {verified}")

    async def unavailable(self, directory: Directory, within: float) -> str:
        """Give why nobody can say, and see that it was said in time."""
        begun = time.monotonic()
        try:
            verified = await directory.verify("alice", "alicepw")
        except Unavailable as error:
            took = time.monotonic() - begun
            self.assertLess(took, within, "it was not said in time")
            return error.detail
        raise self.failureException(f"somebody answered: {verified}")

    async def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        """Wait for something."""
        end = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), end, "it did not happen in time")
            await pause(0.02)

    def event_names(self) -> list[str]:
        """Give what operators heard."""
        return [event.name for event in self.events]


class LoginTests(DirectoryCase):
    """Who is let in, and as whom."""

    async def test_forms(self) -> None:
        """However a name is written, its user is the same and has all groups, nested in a circle."""
        slapd = Slapd(self)
        directory = self.directory(f"ldaps://localhost:{slapd.secure}", ca=str(slapd.ca))
        for name in (
            "alice",
            "ALICE",
            "alice@example.test",
            "EXAMPLE\\alice",
            "example.test\\alice",
        ):
            self.assertEqual(await directory.verify(name, "alicepw"), Verified("alice", ALICES))
        self.assertEqual(
            await directory.verify("bob", "bobpw"),
            Verified("bob", frozenset(("all", "admins", "staff"))),
        )
        self.assertEqual(
            await directory.verify("carol", "carolpw"), Verified("carol", frozenset(("printers",)))
        )
        for name in ("alice@other.test", "OTHER\\alice"):
            self.assertEqual(await self.refused(directory, name, "alicepw"), "unknown_user")

    async def test_start_tls(self) -> None:
        """An ldap server is asked by StartTLS, and its certificate may name an address."""
        slapd = Slapd(self)
        directory = self.directory(f"ldap://127.0.0.1:{slapd.plain}", ca=str(slapd.ca))
        self.assertEqual((await directory.verify("alice", "alicepw")).user, "alice")
        self.assertEqual(await self.refused(directory, "alice", "bobpw"), "wrong_password")

    async def test_nothing_readable_on_the_way(self) -> None:
        """The password is on the wire in clear with the explicit setting only."""
        slapd = Slapd(self)
        tap = Tap(self, slapd.plain)
        directory = self.directory(f"ldap://127.0.0.1:{tap.port}", ca=str(slapd.ca))
        await directory.verify("alice", "alicepw")
        self.assertNotIn(b"alicepw", tap.seen)
        self.assertNotIn(ACCOUNT_PASSWORD.encode(), tap.seen)
        directory = self.directory(f"ldap://127.0.0.1:{tap.port}", plaintext=True)
        await directory.verify("alice", "alicepw")
        self.assertIn(b"alicepw", tap.seen)

    async def test_template(self) -> None:
        """With a template users bind at once; a service account then reads the groups."""
        slapd = Slapd(self)
        template = f"uid={{user}},{PEOPLE}"
        uri = f"ldaps://127.0.0.1:{slapd.secure}"
        directory = self.directory(uri, ca=str(slapd.ca), dn_template=template)
        self.assertEqual(await directory.verify("Alice", "alicepw"), Verified("alice", ALICES))
        alone = self.directory(uri, ca=str(slapd.ca), dn_template=template, account=False)
        # This server lets users see their own entry and no group.
        self.assertEqual(await alone.verify("Alice", "alicepw"), Verified("alice", frozenset()))
        for one in (directory, alone):
            self.assertEqual(await self.refused(one, "alice", "wrong"), "wrong_password")
            self.assertEqual(await self.refused(one, "OTHER\\alice", "alicepw"), "unknown_user")
            for name in (f"alice,{PEOPLE}", "alice+cn=x", "cn=gateway", "#616c696365", '"alice"'):
                self.assertIn(
                    await self.refused(one, name, "alicepw"),
                    ("wrong_password", "unknown_user"),
                )

    async def test_wrong_passwords(self) -> None:
        """Nobody is let in by a wrong, an empty or a strange password."""
        slapd = Slapd(self)
        directory = self.directory(f"ldaps://localhost:{slapd.secure}", ca=str(slapd.ca))
        for password in ("wrong", "alicepw ", "ALICEPW", "*", "alicepw\0", "\0alicepw", "x" * 5000):
            self.assertEqual(await self.refused(directory, "alice", password), "wrong_password")
        self.assertEqual(await self.refused(directory, "alice", ""), "empty")
        self.assertEqual(await self.refused(directory, "nobody", "alicepw"), "unknown_user")
        for name in ("", " alice", "al\nice", "alice\0", "al\u200bice", "a\\b\\c", "x" * 300):
            self.assertEqual(await self.refused(directory, name, "alicepw"), "bad_name")

    async def test_injection(self) -> None:
        """What a name does not escape it can't say: a user with an evil name logs in as himself and as nobody else."""
        slapd = Slapd(self)
        directory = self.directory(f"ldaps://localhost:{slapd.secure}", ca=str(slapd.ca))
        self.assertEqual(
            await directory.verify(PROBE, f"{PROBE}pw"),
            Verified(PROBE, frozenset(("odd, really",))),
        )
        evil = ("*", "a*", "alice)(uid=*", "*)(objectClass=*", "nobody)(|(uid=alice)", "alice*")
        for name in (*evil, "(uid=alice)", "al(ice", "alice)", "&(uid=alice)", "alice)%00"):
            self.assertEqual(await self.refused(directory, name, "alicepw"), "unknown_user", name)
        self.assertEqual(await self.refused(directory, PROBE, "alicepw"), "wrong_password")

    async def test_password_policy(self) -> None:
        """The log can tell a locked account and an expired password from a wrong one."""
        slapd = Slapd(self, policy=True)
        directory = self.directory(f"ldaps://localhost:{slapd.secure}", ca=str(slapd.ca))
        self.assertEqual(await self.refused(directory, "bob", "bobpw"), "locked")
        self.assertEqual(await self.refused(directory, "carol", "carolpw"), "expired")
        self.assertEqual(await self.refused(directory, "alice", "wrong"), "wrong_password")
        self.assertEqual((await directory.verify("alice", "alicepw")).user, "alice")

    async def test_group_settings(self) -> None:
        """Groups can be named by their whole names, be direct ones only, and be some only."""
        slapd = Slapd(self, memberof=True)
        uri, ca = f"ldaps://localhost:{slapd.secure}", str(slapd.ca)
        directory = self.directory(uri, ca=ca, nested=False)
        self.assertEqual(
            (await directory.verify("alice", "alicepw")).groups, frozenset(("admins", "printers"))
        )
        directory = self.directory(uri, ca=ca, group_name="dn", nested=False)
        self.assertIn(
            f"cn=admins,ou=groups,{BASE}", (await directory.verify("alice", "alicepw")).groups
        )
        directory = self.directory(uri, ca=ca, group_filter="(objectClass=posixGroup)")
        self.assertEqual(
            (await directory.verify("alice", "alicepw")).groups, frozenset(("printers",))
        )
        directory = self.directory(uri, ca=ca, group_depth=1)
        with self.assertRaises(Unavailable):
            await directory.verify("alice", "alicepw")

    async def test_verified_elsewhere(self) -> None:
        """Groups of users who were verified by a ticket are looked up by the names in it."""
        slapd = Slapd(self)
        directory = self.directory(f"ldaps://localhost:{slapd.secure}", ca=str(slapd.ca))
        self.assertEqual(await directory.groups("alice@EXAMPLE.TEST"), ALICES)
        self.assertEqual(await directory.canonical("Alice@EXAMPLE.TEST"), "alice")
        slapd.program.kill()
        self.assertEqual(await directory.groups("alice@EXAMPLE.TEST"), ALICES)
        directory.forget("ALICE")
        with self.assertRaises(Unavailable):
            await directory.groups("alice@EXAMPLE.TEST")

    async def test_kept_connections(self) -> None:
        """Logins share a few connections, each of which is the last user's only until the next one binds."""
        slapd = Slapd(self)
        tap = Tap(self, slapd.plain)
        directory = self.directory(f"ldap://127.0.0.1:{tap.port}", plaintext=True)
        for _ in range(10):
            self.assertEqual((await directory.verify("bob", "bobpw")).user, "bob")
            self.assertEqual(await self.refused(directory, "alice", "bobpw"), "wrong_password")
            self.assertEqual((await directory.verify("alice", "alicepw")).user, "alice")
        self.assertEqual(tap.accepted, 2)
        slapd.program.kill()
        slapd.start()
        # The kept ones are dead, and nobody has to notice.
        self.assertEqual((await directory.verify("bob", "bobpw")).user, "bob")
        self.assertEqual(self.events, [])


class CertificateTests(DirectoryCase):
    """No password goes to a server that can't show who it is."""

    async def test_not_trusted(self) -> None:
        """A certificate of an unknown authority is refused, by TLS from the start and by StartTLS."""
        slapd = Slapd(self)
        for uri in (f"ldaps://localhost:{slapd.secure}", f"ldap://localhost:{slapd.plain}"):
            directory = self.directory(uri)
            self.assertIn("not trusted", await self.unavailable(directory, 3.0))

    async def test_wrong_name(self) -> None:
        """A certificate for another host is refused."""
        slapd = Slapd(self)
        directory = self.directory(
            f"ldaps://dc1.example.test:{slapd.secure}",
            ca=str(slapd.ca),
            resolve=lambda host, port: [(socket.AF_INET, ("127.0.0.1", port))],
        )
        self.assertIn("not valid for 'dc1.example.test'", await self.unavailable(directory, 3.0))

    async def test_no_tls_offered(self) -> None:
        """A server that refuses StartTLS gets no password."""
        seen = bytearray()

        def serve(stream: Stream) -> None:
            seen.extend(stream.socket.recv(4096))
            # ExtendedResponse 1: protocolError.
            stream.send(b"\x30\x0c\x02\x01" + seen[4:5] + b"\x78\x07\x0a\x01\x02\x04\x00\x04\x00")
            seen.extend(stream.socket.recv(4096))

        server = Server(self, serve)
        directory = self.directory(f"ldap://127.0.0.1:{server.port}")
        await self.unavailable(directory, 3.0)
        self.assertNotIn(b"pw", seen)
        self.assertNotIn(ACCOUNT_PASSWORD.encode(), seen)


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
        logins = [Deferred.fromCoroutine(directory.verify("alice", "alicepw")) for _ in range(6)]
        self.assertEqual(await gatherResults(logins), [Verified("alice", ALICES)] * 6)
        self.assertEqual(bytes(tap.seen).count(b"alicepw"), 1)


class TimingTests(DirectoryCase):
    """It can't be timed which users there are."""

    async def test_unknown_user_and_wrong_password(self) -> None:
        """Both take about as long, with as many questions, also without the delay."""
        slapd = Slapd(self)
        tap = Tap(self, slapd.plain)
        directory = self.directory(f"ldap://127.0.0.1:{tap.port}", plaintext=True)
        await self.refused(directory, "alice", "warm")
        took: dict[str, list[float]] = {"alice": [], "nobody": []}
        for _ in range(30):
            for name, times in took.items():
                begun = time.monotonic()
                await self.refused(directory, name, "wrong")
                times.append(time.monotonic() - begun)
        known, unknown = (sorted(times)[15] for times in took.values())
        self.assertLess(abs(known - unknown), 0.005, f"{known:.4f} {unknown:.4f}")

    async def test_delay(self) -> None:
        """With it no refusal comes sooner, whatever the reason."""
        slapd = Slapd(self)
        directory = self.directory(
            f"ldaps://localhost:{slapd.secure}", ca=str(slapd.ca), refusal_delay=0.25
        )
        for name, password in (("alice", "wrong"), ("nobody", "x"), ("alice", ""), ("\n", "x")):
            begun = time.monotonic()
            await self.refused(directory, name, password)
            self.assertGreaterEqual(time.monotonic() - begun, 0.24)


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


class Tap(Server):
    """
    Passes bytes on to a server, and keeps what clients sent.

    @ivar seen: it.
    @ivar pause: seconds between two bytes of the server's; 0: as they come.
    """

    def __init__(self, test: Any, to: int, *, pause: float = 0.0) -> None:
        self.seen = bytearray()
        self.pause = pause
        self._to = to
        super().__init__(test, self._carry)

    def _carry(self, near: Stream) -> None:
        with socket.create_connection(("127.0.0.1", self._to)) as far:
            threading.Thread(target=self._back, args=(far, near.socket), daemon=True).start()
            while data := near.socket.recv(65536):
                self.seen += data
                far.sendall(data)

    def _back(self, far: socket.socket, near: socket.socket) -> None:
        try:
            while data := far.recv(65536):
                for index in range(len(data)) if self.pause else ():
                    near.sendall(data[index : index + 1])
                    time.sleep(self.pause)
                if not self.pause:
                    near.sendall(data)
            near.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


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


def pause(seconds: float) -> Deferred[None]:
    """Let time go by."""
    return deferLater(_reactor, seconds, lambda: None)
