"""
NTLM and Kerberos against a real Active Directory: Samba's domain controller, winbindd and C{ntlm_auth}.

Slow: the domain takes some 20 seconds to be there, once for all modules that use it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import struct
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.live.active_directory import GATEWAY, REALM, ActiveDirectory, domain
from tests.live.kerberos_realm import kinit
from tests.live.peers import Origin, Server, Stream, connected
from tests.live.processes import FORWARD, Gateway, curl, made_folder, until
from tests.live.test_auth_kerberos import curl_as, token

NTLM = (
    FORWARD
    + """
[plugins]
enabled = ["auth"]
[plugins.auth]
order = ["ntlm"]
ip_cache = "0s"
[plugins.auth.ntlm]
enabled = true
domain = "GWTEST"
helpers = 4
"""
)
KERBEROS = (
    FORWARD
    + """
[plugins]
enabled = ["auth"]
[plugins.auth]
order = ["negotiate"]
ip_cache = "0s"
negotiate = { keytab = "$keytab", replay_cache = "file2:$folder/replay" }
"""
)

#: A first message: Unicode, NTLM, extended session security, a target wanted.
FIRST = b64encode(
    b"NTLMSSP\0"
    + struct.pack("<II", 1, 0xE2088297)
    + bytes(16)
    + bytes([10, 0, 0x61, 0x4A, 0, 0, 0, 15])
).decode()


class DomainTestCase(SynchronousTestCase):
    """
    A test with the domain, an origin and gateways.

    @ivar content: what L{ask} sends by POST; empty: it asks by GET.
    """

    content = b""

    def setUp(self) -> None:
        self.domain: ActiveDirectory = domain()
        self.origin = Origin(self)
        self.url = f"http://127.0.0.1:{self.origin.port}/hello"

    def gateway(self, config: str, **values: Any) -> Gateway:
        """Start a gateway that knows the domain."""
        return Gateway(self, config, environment=self.domain.environment, **values)

    def ask(self, stream: Stream, credentials: str = "", *fields: str) -> int:
        """Send a request on a connection, all of its content with it, and give the status of its answer."""
        method = "POST" if self.content else "GET"
        lines = [f"{method} {self.url} HTTP/1.1", f"Host: 127.0.0.1:{self.origin.port}", *fields]
        if self.content:
            lines.append(f"Content-Length: {len(self.content)}")
        if credentials:
            lines.append(f"Proxy-Authorization: {credentials}")
        stream.send("".join(f"{line}\r\n" for line in [*lines, ""]).encode() + self.content)
        self.answer = stream.answer()
        return self.answer.status


class NtlmTests(DomainTestCase):
    """NTLM by curl, and by hand."""

    def test_passwords(self) -> None:
        """The right password gets through as its user, by request and by tunnel; a wrong one and an account that is disabled do not."""
        gateway = self.gateway(NTLM)
        proxy = ("--proxy-ntlm", "-x", f"http://127.0.0.1:{gateway.forward}")
        for more in ((), ("--proxytunnel",)):
            done = curl(*proxy, *more, "-U", "alice:Passw0rd.alice", self.url)
            self.assertEqual((done.returncode, done.stdout), (0, b"origin"), done.stderr)
        done = curl(*proxy, "-U", "GWTEST\\Bob:Passw0rd.bob", self.url)
        self.assertEqual((done.returncode, done.stdout), (0, b"origin"), done.stderr)
        for user, password in (
            ("alice", "wrong"),
            ("alice", ""),
            ("nobody", "Passw0rd.alice"),
            ("disabled", "Passw0rd.disabled"),
            ("", ""),
        ):
            done = curl(
                *proxy,
                "-w",
                "%{http_code}",
                "-o",
                "/dev/null",
                "-U",
                f"{user}:{password}",
                self.url,
            )
            self.assertEqual(done.stdout, b"407", (user, done.stderr))
        users = [line["user"] for line in gateway.lines(1) if line["status"] == 200]
        self.assertEqual(users, ["alice", "alice", "bob"])
        self.assertEqual(len(self.origin.seen), 3)
        # A domain does not tell whether a name or a password was wrong.
        for result, least in (("wrong_password", 3), ("disabled", 1), ("empty", 1)):
            found = gateway.metric("gateway_plugin_auth_ntlm_messages_total", result=result)
            self.assertGreaterEqual(found, least, result)
        for secret in ("Passw0rd", "TlRMTVNTUAAD"):
            self.assertNotIn(secret, gateway.text)

    def test_relay(self) -> None:
        """A good answer to one connection's challenge gets nobody anything on another connection."""
        gateway = self.gateway(NTLM)
        thief, other = (connected(self, gateway.forward) for _ in range(2))
        # curl is the victim that answers the thief's challenge; what it says is brought to both connections.
        answer = self.victim(thief)
        self.assertEqual(self.ask(other, answer), 407)
        self.assertEqual(self.ask(other), 407)
        self.assertEqual(self.origin.seen, [])
        # The message itself was good, so it was the connection that it was refused for.
        self.assertEqual(self.ask(thief, answer), 200)
        self.assertEqual(self.ask(thief), 200)
        self.assertEqual(self.ask(other, answer), 407)
        self.assertEqual(self.ask(other), 407)

    def test_content(self) -> None:
        """A client that sends 200 KiB along with each step gets through by one connection, as one that sends them at last."""
        gateway = self.gateway(NTLM)
        self.url = self.url.replace("hello", "echo")
        self.content = os.urandom(200 << 10)
        stream = connected(self, gateway.forward)
        self.assertEqual(self.ask(stream), 407)
        answer = self.victim(stream)
        self.assertEqual(self.answer.head.get("connection"), "")
        self.assertEqual(self.ask(stream, answer), 200)
        self.assertEqual(self.answer.content, self.content)
        # And what follows is known by the connection.
        self.assertEqual(self.ask(stream), 200)
        self.assertEqual(self.answer.content, self.content)
        self.assertEqual([head.get("content-length") for head in self.origin.seen], ["204800"] * 2)
        statuses = [(line["status"], line["user"]) for line in gateway.lines(4)]
        self.assertEqual(statuses, [(407, None), (407, None), (200, "alice"), (200, "alice")])
        file = made_folder(self) / "content"
        file.write_bytes(self.content)
        done = curl(
            *("--proxy-ntlm", "-x", f"http://127.0.0.1:{gateway.forward}"),
            *("-U", "alice:Passw0rd.alice", "--data-binary", f"@{file}", "-H", "Expect:"),
            *("-o", str(file.with_name("back")), "-w", "%{http_code} %{num_connects}", self.url),
        )
        self.assertEqual(done.stdout, b"200 1", done.stderr)
        self.assertEqual(file.with_name("back").read_bytes(), self.content)

    def test_connections(self) -> None:
        """Helpers are shared by many clients, each connection has its own user, and idle ones hold up nobody for long."""
        gateway = self.gateway(NTLM)
        idle = [connected(self, gateway.forward) for _ in range(8)]
        for stream in idle[:4]:
            self.assertEqual(self.ask(stream, f"NTLM {FIRST}"), 407)
        proxy = ("--proxy-ntlm", "-x", f"http://127.0.0.1:{gateway.forward}")
        for user in ("alice", "bob", "carol") * 2:
            done = curl(*proxy, "-U", f"{user}:Passw0rd.{user}", self.url, self.url)
            self.assertEqual(done.stdout, b"origin" * 2, done.stderr)
        # Four that are idle, and the first messages of six.
        users = [line["user"] for line in gateway.lines(22) if line["status"] == 200]
        expected = [user for user in ("alice", "bob", "carol") * 2 for _ in range(2)]
        self.assertEqual(users, expected)
        self.assertLessEqual(gateway.metric("gateway_plugin_auth_ntlm_helpers"), 4)

    def test_helpers_die(self) -> None:
        """Who comes while the helpers are dead gets 503 and not 407; they are started again by themselves."""
        folder = made_folder(self)
        script = folder / "helper"
        script.write_text(
            f"#!/bin/sh\n[ -e {folder}/broken ] && exit 1\nexec /usr/bin/ntlm_auth --helper-protocol=squid-2.5-ntlmssp\n"
        )
        script.chmod(0o755)
        gateway = self.gateway(NTLM + f'helper = ["{script}"]\n')
        proxy = ("--proxy-ntlm", "-x", f"http://127.0.0.1:{gateway.forward}")
        asked = (*proxy, "-U", "alice:Passw0rd.alice", "-w", "%{http_code}", "-o", "/dev/null")
        self.assertEqual(curl(*asked, self.url).stdout, b"200")
        (folder / "broken").touch()
        _kill_children(gateway.pid, "ntlm_auth")
        self.assertEqual(curl(*asked, self.url).stdout, b"503")
        (folder / "broken").unlink()
        until(lambda: curl(*asked, self.url).stdout == b"200", what="the helper's return")
        gateway.stop()
        until(lambda: not _children("ntlm_auth", str(self.domain.folder)), what="the helpers' end")

    def test_within_negotiate(self) -> None:
        """A client without a ticket sends NTLM in the place of one, which is taken where NTLM is on."""
        config = NTLM.replace('["ntlm"]', '["negotiate"]')
        config += f'[plugins.auth.negotiate]\nkeytab = "{self.domain.keytab}"\n'
        gateway = self.gateway(config)
        stream = connected(self, gateway.forward)
        answer = self.victim(stream, "Negotiate")
        self.assertEqual(self.ask(stream, answer), 200)
        self.assertEqual(gateway.lines(2)[-1]["user"], "alice")

    def victim(self, thief: Stream, scheme: str = "NTLM") -> str:
        """
        Let curl, as alice, speak NTLM to a proxy that brings all of it to a connection to the gateway.

        @return: the last message, which the gateway did not get yet.
        """
        heard: list[str] = []

        def serve(stream: Stream) -> None:
            first = stream.head().get("proxy-authorization").removeprefix("NTLM ")
            self.assertEqual(self.ask(thief, f"{scheme} {first}"), 407)
            challenge = self.answer.head.get("proxy-authenticate")
            self.assertTrue(challenge.startswith(f"{scheme} TlRMTVNTUAAC"), challenge)
            stream.send(
                b"HTTP/1.1 407 Who\r\nContent-Length: 0\r\n"
                + f"Proxy-Authenticate: NTLM {challenge.removeprefix(scheme + ' ')}\r\n\r\n".encode()
            )
            heard.append(stream.head().get("proxy-authorization").removeprefix("NTLM "))
            stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        trap = Server(self, serve)
        proxy = f"http://127.0.0.1:{trap.port}"
        curl("--proxy-ntlm", "-U", "alice:Passw0rd.alice", "-x", proxy, self.url)
        self.assertTrue(b64decode(heard[0]).startswith(b"NTLMSSP\0\x03"))
        return f"{scheme} {heard[0]}"


class KerberosTests(DomainTestCase):
    """Tickets of the domain."""

    def test_tickets(self) -> None:
        """A ticket of the domain gets through as its user, however the user wrote the name at login."""
        gateway = self.gateway(KERBEROS, keytab=self.domain.keytab)
        proxy = (
            *(
                "--proxy-negotiate",
                "-U",
                ":",
                "--resolve",
                f"{GATEWAY}:{gateway.forward}:127.0.0.1",
            ),
            *("-x", f"http://{GATEWAY}:{gateway.forward}"),
        )
        for name, user in (("alice", "alice"), ("BOB", "bob")):
            who = kinit(made_folder(self), self.domain.environment, name, f"Passw0rd.{user}")
            for more in ((), ("--proxytunnel",)):
                done = curl_as(who, *proxy, *more, self.url)
                self.assertEqual((done.returncode, done.stdout), (0, b"origin"), done.stderr)
        users = [line["user"] for line in gateway.lines(4) if line["status"] == 200]
        self.assertEqual(users, ["alice", "alice", "bob", "bob"])

    def test_token(self) -> None:
        """A domain's token is taken by hand, and NTLM in its place is refused while NTLM is off."""
        gateway = self.gateway(KERBEROS, keytab=self.domain.keytab)
        who = kinit(made_folder(self), self.domain.environment, "alice", "Passw0rd.alice")
        stream = connected(self, gateway.forward)
        self.assertEqual(self.ask(stream, f"Negotiate {FIRST}"), 407)
        self.assertEqual(self.answer.head.get("proxy-authenticate"), "Negotiate")
        mine = token(who, f"HTTP/{GATEWAY}@{REALM}")
        self.assertEqual(self.ask(stream, f"Negotiate {mine}"), 200)


def _children(name: str, ancestor: str) -> list[int]:
    """Give the processes of this name whose environment or command speaks of a text."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            if (entry / "comm").read_text().strip() == name:
                said = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
                if ancestor.encode() in said:
                    found.append(int(entry.name))
    return found


def _kill_children(parent: int, name: str) -> None:
    """Kill the processes of this name that a process has started; there is at least one."""
    killed = 0
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent and (entry / "comm").read_text().strip() == name:
                os.kill(int(entry.name), signal.SIGKILL)
                killed += 1
    assert killed
