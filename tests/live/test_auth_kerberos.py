"""Negotiate against a real KDC: curl and tokens made by the library itself, through the gateway to an origin."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from base64 import b64encode
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.live.kerberos_realm import KerberosRealm
from tests.live.peers import Origin, Stream, connected
from tests.live.processes import (
    FORWARD,
    Gateway,
    free_port,
    haproxy,
    made_folder,
    program_path,
    squid,
    until,
)

AUTH = (
    FORWARD
    + """
[plugins]
enabled = ["auth"]
[plugins.auth]
order = ["negotiate"]
ip_cache = "0s"
[plugins.auth.negotiate]
keytab = "$keytab"
replay_cache = "file2:$folder/replay"
"""
)

#: Prints a token of the user in whose environment it runs: arguments are the service and the mechanism.
_TOKEN = """
import sys, gssapi
from base64 import b64encode
name = gssapi.Name(sys.argv[1], gssapi.NameType.kerberos_principal)
mech = gssapi.OID.from_int_seq(sys.argv[2])
flags = gssapi.RequirementFlag.mutual_authentication
context = gssapi.SecurityContext(name=name, mech=mech, usage="initiate", flags=flags)
print(b64encode(context.step()).decode())
"""
#: Prints the two tokens of a client that would like NTLM best, knows Kerberos too, and begins with no token of either
#: (RFC 4178 section 4.2); the second one's checksum is over what it offered.
_TWO_TOKENS = """
import sys, gssapi
from base64 import b64encode
def der(tag, content):
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([0x82]) + size.to_bytes(2, "big")
    return bytes([tag]) + length + content
name = gssapi.Name(sys.argv[1], gssapi.NameType.kerberos_principal)
kerberos = gssapi.OID.from_int_seq("1.2.840.113554.1.2.2")
context = gssapi.SecurityContext(name=name, mech=kerberos, usage="initiate", flags=gssapi.RequirementFlag.integrity)
token = context.step()
offered = der(0x30, bytes.fromhex("060a2b06010401823702020a 06092a864886f712010202"))
spnego = bytes.fromhex("06062b0601050502")
print(b64encode(der(0x60, spnego + der(0xA0, der(0x30, der(0xA0, offered))))).decode())
checksum = context.get_signature(offered)
answer = der(0xA2, der(4, token)) + der(0xA3, der(4, checksum))
print(b64encode(der(0xA1, der(0x30, answer))).decode())
"""
GATEWAY = "HTTP/gateway.example.test@EXAMPLE.TEST"
_SPNEGO = "1.3.6.1.5.5.2"
_KERBEROS = "1.2.840.113554.1.2.2"


def token(user: dict[str, str], service: str = GATEWAY, mech: str = _SPNEGO) -> str:
    """Make a token as a browser would, which can be used once."""
    return run_as(user, _TOKEN, service, mech)


def run_as(user: dict[str, str], program: str, *arguments: str) -> str:
    """Run a small Python program as a user that is logged in, and give what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, **user},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if done.returncode:
        raise AssertionError(done.stderr)
    return done.stdout.strip()


def curl_as(user: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run curl as a user that is logged in."""
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return subprocess.run(
        [program_path("curl"), "-q", "-sS", "--max-time", "15", *arguments],
        env={**kept, **user},
        capture_output=True,
        timeout=20,
        check=False,
    )


class KerberosTestCase(SynchronousTestCase):
    """A test with a realm, an origin and a gateway that asks for tickets."""

    def setUp(self) -> None:
        self.realm = KerberosRealm(self)
        self.origin = Origin(self)
        self.url = f"http://127.0.0.1:{self.origin.port}/hello"

    def gateway(self, config: str = AUTH, **values: Any) -> Gateway:
        """Start a gateway in the realm."""
        values.setdefault("keytab", self.realm.keytab)
        return Gateway(self, config, environment=self.realm.environment, **values)

    def ask(self, stream: Stream, credentials: str = "", *fields: str) -> int:
        """Send a request on a connection and give the status of its answer."""
        self.send(stream, credentials, *fields)
        self.answer = stream.answer()
        return self.answer.status

    def send(self, stream: Stream, credentials: str = "", *fields: str) -> None:
        """Send a request on a connection."""
        lines = [f"GET {self.url} HTTP/1.1", f"Host: 127.0.0.1:{self.origin.port}", *fields]
        if credentials:
            lines.append(f"Proxy-Authorization: {credentials}")
        stream.send("".join(f"{line}\r\n" for line in [*lines, ""]).encode())


class CurlTests(KerberosTestCase):
    """What people do."""

    def test_requests(self) -> None:
        """curl with a ticket gets through as its user, without one it does not; the connection is asked once."""
        gateway = self.gateway()
        proxy = ("--proxy-negotiate", "-U", ":", "-x", f"http://localhost:{gateway.forward}")
        done = curl_as(self.realm.login("alice"), *proxy, self.url, self.url, self.url)
        self.assertEqual((done.returncode, done.stdout), (0, b"origin" * 3), done.stderr)
        users = [(line["status"], line["user"]) for line in gateway.lines(3)]
        self.assertEqual([user for status, user in users if status == 200], ["alice"] * 3)
        self.assertLessEqual(len(users), 4)
        nobody = {**self.realm.environment, "KRB5CCNAME": "FILE:/nowhere"}
        done = curl_as(nobody, *proxy, "-w", "%{http_code}", "-o", "/dev/null", self.url)
        self.assertEqual(done.stdout, b"407")
        self.assertEqual(len(self.origin.seen), 3)
        for head in self.origin.seen:
            self.assertNotIn("proxy-authorization", head.fields)
        accepted = gateway.metric("gateway_plugin_auth_negotiate_tokens_total", result="accepted")
        # curl may show a ticket with each request, though it need not.
        self.assertIn(accepted, (1, 2, 3))

    def test_tunnel(self) -> None:
        """A CONNECT is asked for, and what is in its tunnel is its user's."""
        gateway = self.gateway()
        proxy = ("--proxy-negotiate", "-U", ":", "-x", f"http://localhost:{gateway.forward}")
        done = curl_as(self.realm.login("bob"), *proxy, "--proxytunnel", self.url)
        self.assertEqual((done.returncode, done.stdout), (0, b"origin"), done.stderr)
        self.assertEqual(
            [line["user"] for line in gateway.lines(1) if line["status"] == 200], ["bob"]
        )
        done = curl_as({}, "--proxytunnel", "-x", f"http://localhost:{gateway.forward}", self.url)
        self.assertIn(b"407", done.stderr)

    def test_post(self) -> None:
        """What is sent along with a request arrives once and whole."""
        gateway = self.gateway()
        proxy = ("--proxy-negotiate", "-U", ":", "-x", f"http://localhost:{gateway.forward}")
        file = made_folder(self) / "content"
        file.write_bytes(os.urandom(1_000_000))
        url = self.url.replace("hello", "echo")
        alice = self.realm.login("alice")
        for more in ((), ("-H", "Transfer-Encoding: chunked")):
            self.origin.seen.clear()
            done = curl_as(alice, *proxy, *more, "--data-binary", f"@{file}", url)
            self.assertEqual(done.stdout, file.read_bytes(), (more, done.stderr))
            self.assertEqual(len(self.origin.seen), 1)


class TokenTests(KerberosTestCase):
    """What tokens are good for."""

    def test_connection(self) -> None:
        """A token identifies its connection, pipelined requests too, and no other connection from the same address."""
        gateway = self.gateway()
        alice = self.realm.login("alice")
        mine, other = (connected(self, gateway.forward) for _ in range(2))
        self.assertEqual(self.ask(mine), 407)
        self.assertEqual(self.answer.head.get("proxy-authenticate"), "Negotiate")
        self.assertEqual(self.ask(mine, f"Negotiate {token(alice)}"), 200)
        self.assertTrue(self.answer.head.get("proxy-authenticate").startswith("Negotiate "))
        self.assertEqual(self.ask(other), 407)
        for _ in range(3):
            self.send(mine)
        self.send(other)
        self.assertEqual([mine.answer().status for _ in range(3)], [200] * 3)
        self.assertEqual(other.answer().status, 407)
        lines = gateway.lines(7)
        self.assertEqual([line["user"] for line in lines if line["status"] == 200], ["alice"] * 4)
        self.assertFalse([line for line in lines if line["status"] == 407 and line["user"]])

    def test_two_users(self) -> None:
        """Two users behind one address are told apart by their connections, and a connection can change hands."""
        gateway = self.gateway()
        alice, bob = self.realm.login("alice"), self.realm.login("bob")
        first, second = (connected(self, gateway.forward) for _ in range(2))
        self.assertEqual(self.ask(first, f"Negotiate {token(alice)}"), 200)
        self.assertEqual(self.ask(second, f"Negotiate {token(bob)}"), 200)
        for _ in range(20):
            self.assertEqual((self.ask(first), self.ask(second)), (200, 200))
        self.assertEqual(self.ask(first, f"Negotiate {token(bob)}"), 200)
        self.assertEqual(self.ask(first), 200)
        users = [line["user"] for line in gateway.lines(44)]
        self.assertEqual(users, ["alice", "bob"] * 21 + ["bob", "bob"])

    def test_reload(self) -> None:
        """A reload changes nothing for connections that are known, but for the rules that hold for them."""
        gateway = self.gateway()
        alice = self.realm.login("alice")
        mine, other = (connected(self, gateway.forward) for _ in range(2))
        self.assertEqual(self.ask(mine, f"Negotiate {token(alice)}"), 200)
        config = gateway.config.read_text()
        for number, more in enumerate(
            ("", 'names = "principal"\n', 'realms = ["OTHER.TEST"]\n'), 1
        ):
            changed = config.replace(
                "[plugins.auth.negotiate]\n", f"[plugins.auth.negotiate]\n{more}"
            )
            gateway.config.write_text(f"{changed}\n# {number}\n")
            gateway.signal(signal.SIGHUP)
            until(lambda n=number: gateway.text.count("event config_reloaded") >= n)  # type: ignore[misc]
            self.assertEqual((self.ask(mine), self.ask(other)), (200, 407))
        self.assertEqual(self.ask(other, f"Negotiate {token(alice)}"), 407)
        users = [line["user"] for line in gateway.lines(8) if line["status"] == 200]
        self.assertEqual(users, ["alice"] * 4)

    def test_replay(self) -> None:
        """A token is good once: neither another connection nor its own can use it again, and who tries is nobody."""
        gateway = self.gateway()
        alice = self.realm.login("alice")
        used = token(alice)
        mine, thief = (connected(self, gateway.forward) for _ in range(2))
        self.assertEqual(self.ask(mine, f"Negotiate {used}"), 200)
        self.assertEqual(self.ask(thief, f"Negotiate {used}"), 407)
        self.assertEqual(self.ask(mine, f"Negotiate {used}"), 407)
        self.assertEqual(self.ask(mine), 407)
        replayed = gateway.metric("gateway_plugin_auth_negotiate_tokens_total", result="replayed")
        self.assertEqual(replayed, 2)
        self.assertEqual(self.ask(mine, f"Negotiate {token(alice)}"), 200)

    def test_bare_kerberos(self) -> None:
        """Kerberos without SPNEGO around it is taken, as some programs send it."""
        gateway = self.gateway()
        bare = token(self.realm.login("alice"), mech=_KERBEROS)
        self.assertEqual(self.ask(connected(self, gateway.forward), f"Negotiate {bare}"), 200)

    def test_several_rounds(self) -> None:
        """A client that begins with another mechanism is told ours, and goes on on the same connection only."""
        gateway = self.gateway()
        alice = self.realm.login("alice")
        for order in ("same", "other", "same"):
            begin, end = run_as(alice, _TWO_TOKENS, GATEWAY).split()
            mine, other = (connected(self, gateway.forward) for _ in range(2))
            self.assertEqual(self.ask(mine, f"Negotiate {begin}"), 407)
            self.assertRegex(
                self.answer.head.get("proxy-authenticate"), r"^Negotiate [A-Za-z0-9+/=]+$"
            )
            used = mine if order == "same" else other
            expected = 200 if order == "same" else 407
            self.assertEqual(self.ask(used, f"Negotiate {end}"), expected)
            self.assertEqual(self.ask(used), expected)
            self.assertEqual(self.ask(other), 407)

    def test_nonsense(self) -> None:
        """What is no token, NTLM, or a good one that was changed, is refused."""
        gateway = self.gateway()
        good = token(self.realm.login("alice"))
        changed = good[:-8] + ("AAAAAAA=" if good[-8:] != "AAAAAAA=" else "BAAAAAA=")
        ntlm = b64encode(b"NTLMSSP\0\x01\0\0\0" + bytes(24)).decode()
        for text in ("AAAA", "YA==", "!!", "", ntlm, changed, good[: len(good) // 8 * 4]):
            stream = connected(self, gateway.forward)
            self.assertEqual(self.ask(stream, f"Negotiate {text}"), 407, text[:20])
            self.assertEqual(self.ask(stream), 407)
        self.assertEqual(self.origin.seen, [])

    def test_other_service(self) -> None:
        """A ticket for another service is none for us, also if its key is in the keytab."""
        keytab = self.realm.folder / "both.keytab"
        self.realm.service("host/gateway.example.test", keytab)
        self.realm.service("HTTP/other.example.test", keytab)
        alice = self.realm.login("alice")
        gateway = self.gateway(keytab=keytab)
        stream = connected(self, gateway.forward)
        host = token(alice, "host/gateway.example.test@EXAMPLE.TEST")
        self.assertEqual(self.ask(stream, f"Negotiate {host}"), 407)
        ours = token(alice, "HTTP/other.example.test@EXAMPLE.TEST")
        self.assertEqual(self.ask(stream, f"Negotiate {ours}"), 200)
        unknown = token(alice)
        self.assertEqual(self.ask(stream, f"Negotiate {unknown}"), 407)

    def test_principal(self) -> None:
        """With a principal named, tickets for another one are refused."""
        gateway = self.gateway(
            AUTH.replace('keytab = "', 'principal = "HTTP/localhost@EXAMPLE.TEST"\nkeytab = "')
        )
        alice = self.realm.login("alice")
        stream = connected(self, gateway.forward)
        self.assertEqual(self.ask(stream, f"Negotiate {token(alice)}"), 407)
        local = token(alice, "HTTP/localhost@EXAMPLE.TEST")
        self.assertEqual(self.ask(stream, f"Negotiate {local}"), 200)


class KeytabTests(KerberosTestCase):
    """The gateway's keys."""

    def test_new_key(self) -> None:
        """After the service's key was changed tickets are refused until the keytab has it, without a restart."""
        gateway = self.gateway()
        stream = connected(self, gateway.forward)
        self.assertEqual(self.ask(stream, f"Negotiate {token(self.realm.login('alice'))}"), 200)
        newer = self.realm.folder / "newer.keytab"
        self.realm.admin(f"ktadd -k {newer} HTTP/gateway.example.test")
        alice = self.realm.login("alice")
        self.assertEqual(self.ask(stream, f"Negotiate {token(alice)}"), 407)
        until(lambda: "no_key" in gateway.text, what="the reason in the log")
        newer.replace(self.realm.keytab)
        self.assertEqual(self.ask(stream, f"Negotiate {token(alice)}"), 200)

    def test_keytab_is_gone(self) -> None:
        """Without the keytab nobody can say who it is: that is a fault of ours and no wrong ticket."""
        gateway = self.gateway()
        alice = self.realm.login("alice")
        aside = self.realm.keytab.rename(self.realm.folder / "aside")
        stream = connected(self, gateway.forward)
        self.assertEqual(self.ask(stream, f"Negotiate {token(alice)}"), 503)
        aside.rename(self.realm.keytab)
        stream = connected(self, gateway.forward)
        self.assertEqual(self.ask(stream, f"Negotiate {token(alice)}"), 200)

    def test_does_not_start(self) -> None:
        """A keytab that is missing, is none, or has no key for us keeps the gateway from starting, and says so."""
        folder = made_folder(self)
        other = folder / "other.keytab"
        self.realm.service("host/gateway.example.test", other)
        none = folder / "none.keytab"
        none.write_text("no keytab")
        for keytab, why in (
            (folder / "missing", "No such file"),
            (none, "is no keytab"),
            (other, "no key for HTTP/..."),
        ):
            gateway = self.gateway(ready=False, keytab=keytab)
            self.assertNotEqual(gateway.ended(), 0)
            self.assertIn(why, gateway.text)
            gateway.stop = lambda: None  # type: ignore[method-assign]


class ProxyBetweenTests(KerberosTestCase):
    """Another proxy in front, which uses one connection for all of its clients."""

    def test_said(self) -> None:
        """A request that says that another proxy passed it on leaves nothing behind on its connection."""
        gateway = self.gateway()
        alice = self.realm.login("alice")
        stream = connected(self, gateway.forward)
        via = "Via: 1.1 branch.example.com"
        self.assertEqual(self.ask(stream, f"Negotiate {token(alice)}", via), 200)
        self.assertEqual(self.ask(stream, "", via), 407)
        self.assertEqual(self.ask(stream), 407)
        self.assertEqual(self.ask(stream, f"Negotiate {token(alice)}"), 200)
        self.assertEqual(self.ask(stream, "", via), 407)

    def test_trusted(self) -> None:
        """What a trusted proxy brings for one client is nothing of the next one on the same connection, named or not."""
        gateway = self.gateway(
            AUTH.replace("[plugins]", 'allow_from = ["127.0.0.0/8", "192.0.2.0/24"]\n[plugins]')
            + '[network]\ntrusted_proxies = ["127.0.0.0/8"]\n'
        )
        alice = self.realm.login("alice")
        stream = connected(self, gateway.forward)
        for address in ("192.0.2.1", "192.0.2.2", ""):
            named = [f"X-Forwarded-For: {address}"] if address else []
            self.assertEqual(self.ask(stream, "", *named), 407)
            self.assertEqual(self.ask(stream, f"Negotiate {token(alice)}", *named), 200)
            self.assertEqual(self.ask(stream, "", *named), 407)

    def test_squid(self) -> None:
        """Behind a real Squid that mixes users on its connections, nobody is taken for another one."""
        gateway = self.gateway()
        port = free_port()
        squid(
            self,
            f"cache_peer 127.0.0.1 parent {gateway.forward} 0 no-query default login=PASSTHRU connection-auth=on\n"
            "never_direct allow all\nforwarded_for delete",
            port,
        )
        alice = self.realm.login("alice")
        for _ in range(5):
            self.ask(connected(self, port), f"Negotiate {token(alice)}")
            self.assertEqual(self.ask(connected(self, port)), 407)

    def test_load_balancer(self) -> None:
        """The PROXY protocol brings a client's own connection, so that it is remembered."""
        gateway = self.gateway(
            AUTH.replace(
                'listen = ["127.0.0.1:$forward"]',
                'listen = [{ address = "127.0.0.1:$forward", proxy_protocol = true }]\nallow_from = ["127.0.0.0/8"]',
            )
            + '[network]\ntrusted_proxies = ["127.0.0.1"]\n'
        )
        port = free_port()
        haproxy(
            self,
            f"listen front\n  mode tcp\n  bind 127.0.0.1:{port}\n"
            f"  server gateway 127.0.0.1:{gateway.forward} send-proxy-v2\n",
            port,
        )
        alice = self.realm.login("alice")
        mine, other = (connected(self, port, "127.0.7.1") for _ in range(2))
        self.assertEqual(self.ask(mine, f"Negotiate {token(alice)}"), 200)
        self.assertEqual((self.ask(mine), self.ask(other)), (200, 407))
        self.assertEqual({line["client"] for line in gateway.lines(3)}, {"127.0.7.1"})
