"""Users of an LDAP directory, a real slapd: who is let in, by which certificates, and what can be timed."""

from __future__ import annotations

import socket
import time

from gateway_auth.verifier import Unavailable, Verified
from tests.live.directories import ACCOUNT_PASSWORD, BASE, PEOPLE, PROBE, Slapd
from tests.live.directory_case import ALICES, DirectoryCase, Tap
from tests.live.peers import Server, Stream


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
        directory = self.directory(f"ldap://127.0.0.1:{tap.port}", plaintext=True, ready=0)
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

    async def test_ready_connections(self) -> None:
        """Before anybody logs in there are connections for it, on which nobody is bound; a login takes one of them."""
        slapd = Slapd(self)
        tap = Tap(self, slapd.secure)
        directory = self.directory(f"ldaps://127.0.0.1:{tap.port}", ca=str(slapd.ca), ready=4)
        servers = directory._servers.servers
        await self.until(lambda: servers[0].pool.idle == 4)
        self.assertEqual(tap.accepted, 4)
        self.assertEqual((await directory.verify("alice", "alicepw")).user, "alice")
        # That of the service account.
        self.assertEqual(tap.accepted, 5)


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
