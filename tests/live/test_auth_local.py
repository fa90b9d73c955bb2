"""
The plugin auth with a real client: curl answers Basic and Digest of local users, as a proxy's client, in tunnels and at a site;
and behind the local users a directory, which goes and comes back.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import argon2
import bcrypt
from twisted.trial.unittest import SynchronousTestCase

from tests.live.directories import ACCOUNT, ACCOUNT_PASSWORD, BASE, Slapd
from tests.live.processes import FORWARD, Gateway, curl, free_port, made_folder, nginx, until

WEB = """
server {
    listen 127.0.0.1:$origin;
    location / { return 200 "proxy=$$http_proxy_authorization,own=$$http_authorization,user=$$http_x_remote_user,groups=$$http_x_remote_groups"; }
}
"""

CONFIG = """
[plugins]
enabled = ["auth", "upload_limit"]

[plugins.auth]
users = "$users"
groups = "$groups"
ip_cache = 0

[plugins.auth.sites]
hosts = ["www.example.com"]

[[site]]
host = ["*"]
listen = ["127.0.0.1:$reverse"]
origins = ["http://127.0.0.1:$origin"]
"""


class LocalUsersTests(SynchronousTestCase):
    """anna (bcrypt, Digest) and bert (argon2)."""

    def setUp(self) -> None:
        """Start an origin that tells what it got, and the gateway."""
        folder = made_folder(self)
        self.users = Path(folder) / "users"
        digests = [
            hashlib.new(name, b"anna:gateway:secret").hexdigest() for name in ("md5", "sha256")
        ]
        self.users.write_text(
            f"anna:{bcrypt.hashpw(b'secret', bcrypt.gensalt(8)).decode()}\n"
            f"bert:{argon2.PasswordHasher(2, 1024, 1).hash('hidden')}\n"
            + "".join(f"anna:gateway:{digest}\n" for digest in digests)
        )
        groups = Path(folder) / "groups"
        groups.write_text("staff: anna bert\n")
        self.origin = free_port()
        nginx(self, WEB, origin=self.origin)
        self.gateway = Gateway(
            self, FORWARD + CONFIG, users=self.users, groups=groups, origin=self.origin
        )
        self.url = f"http://127.0.0.1:{self.origin}/"
        self.proxy = ("-x", f"http://127.0.0.1:{self.gateway.forward}")

    def status(self, *arguments: str) -> tuple[int, str]:
        """Fetch; give the last status and the content."""
        done = curl("-w", "\n%{http_code}", *arguments)
        content, _, code = done.stdout.decode().rpartition("\n")
        return int(code), content

    def user_of_last(self, count: int) -> str | None:
        """Give the user of the last line of the access log, once there are so many lines."""

        def lines() -> list[str]:
            found = self.gateway.log.read_text().splitlines() if self.gateway.log.exists() else []
            return found if len(found) >= count else []

        user: str | None = json.loads(until(lines)[-1])["user"]
        return user

    def test_basic(self) -> None:
        """Both kinds of hashes are good; the origin sees nothing of the password, and the log the user."""
        self.assertEqual(self.status(*self.proxy, self.url)[0], 407)
        for number, pair in enumerate(("anna:secret", "bert:hidden"), 2):
            status, content = self.status(*self.proxy, "--proxy-user", pair, self.url)
            self.assertEqual((status, content), (200, "proxy=,own=,user=,groups="))
            self.assertEqual(self.user_of_last(number), pair.partition(":")[0])
        self.assertEqual(self.status(*self.proxy, "--proxy-user", "anna:wrong", self.url)[0], 407)

    def test_digest(self) -> None:
        """curl answers a challenge of Digest, and goes on with its nonce; bert can't, as there is no hash of his for it."""
        options = (*self.proxy, "--proxy-digest", "--proxy-user")
        status, content = self.status(*options, "anna:secret", self.url, self.url)
        self.assertEqual((status, content.count("proxy=,own=")), (200, 2))
        for pair in ("anna:wrong", "bert:hidden"):
            self.assertEqual(self.status(*options, pair, self.url)[0], 407)

    def test_tunnel(self) -> None:
        """A CONNECT is asked, by both schemes; within the tunnel nothing is."""
        tunnel = (*self.proxy, "--proxytunnel")
        done = curl(*tunnel, self.url)
        self.assertIn(b"407", done.stderr)
        for scheme in ("--proxy-basic", "--proxy-digest"):
            done = curl(*tunnel, scheme, "--proxy-user", "anna:secret", self.url)
            self.assertEqual((done.returncode, done.stdout), (0, b"proxy=,own=,user=,groups="))

    def test_site(self) -> None:
        """At a site the origin is told who it is, whatever the client says of itself."""
        site = (
            "-H",
            "Host: www.example.com",
            "-H",
            "X-Remote-User: root",
            f"http://127.0.0.1:{self.gateway.reverse}/",
        )
        self.assertEqual(self.status(*site)[0], 401)
        for scheme in ("--basic", "--digest"):
            status, content = self.status(scheme, "--user", "anna:secret", *site)
            self.assertEqual((status, content), (200, "proxy=,own=,user=anna,groups=staff"))
        other = ("-H", "Host: other.example.com", *site[2:])
        token = base64.b64encode(b"anna:secret").decode()
        status, content = self.status("--user", "anna:secret", *other)
        self.assertEqual((status, content), (200, f"proxy=,own=Basic {token},user=,groups="))

    def test_file_changes(self) -> None:
        """A user who is put into the file is in within seconds, without a reload."""
        options = (*self.proxy, "--proxy-user", "clara:new", self.url)
        self.assertEqual(self.status(*options)[0], 407)
        with self.users.open("a") as file:
            file.write(f"clara:{bcrypt.hashpw(b'new', bcrypt.gensalt(8)).decode()}\n")
        until(lambda: self.status(*options)[0] == 200, what="the new user")

    def test_nothing_in_the_log(self) -> None:
        """No log holds a password or what stands for it."""
        pairs = ("anna:secret", "anna:sEcReT-wrong", "typed-password:x")
        for pair in pairs:
            for scheme in ("--proxy-basic", "--proxy-digest"):
                self.status(*self.proxy, scheme, "--proxy-user", pair, self.url)
        self.user_of_last(8)
        text = self.gateway.log.read_text() + self.gateway.says("wrong_password")
        for pair in pairs:
            self.assertNotIn(base64.b64encode(pair.encode()).decode(), text)
        for forbidden in ("secret", "sEcReT-wrong", "typed-password"):
            self.assertNotIn(forbidden, text)
        self.assertIn("wrong_password", text)


DIRECTORY = """
[plugins]
enabled = ["auth", "upload_limit"]

[plugins.auth]
order = ["negotiate", "basic"]
users = "$users"
ip_cache = 0
cookie = "8h"
remember_refused = 0

[plugins.auth.ldap]
uri = ["ldaps://localhost:$secure"]
ca = "$ca"
base = "$base"
bind_dn = "$account"
password = { file = "$password" }
timeout = "2s"
retry = "1s"
"""


class DirectoryTests(SynchronousTestCase):
    """anna is a local user; alice and bob are in the directory."""

    def setUp(self) -> None:
        """Start a directory, an origin and the gateway."""
        folder = Path(made_folder(self))
        users, password = folder / "users", folder / "password"
        users.write_text(f"anna:{bcrypt.hashpw(b'secret', bcrypt.gensalt(8)).decode()}\n")
        password.write_text(ACCOUNT_PASSWORD)
        self.slapd = Slapd(self)
        self.origin = free_port()
        nginx(self, WEB, origin=self.origin)
        self.gateway = Gateway(
            self,
            FORWARD + DIRECTORY,
            users=users,
            password=password,
            secure=self.slapd.secure,
            ca=self.slapd.ca,
            base=BASE,
            account=ACCOUNT,
        )

    def status(self, pair: str) -> int:
        """Fetch as somebody."""
        done = curl(
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "-x",
            f"http://127.0.0.1:{self.gateway.forward}",
            "--proxy-user",
            pair,
            f"http://127.0.0.1:{self.origin}/",
        )
        return int(done.stdout)

    def test_both_sources(self) -> None:
        """Local users and those of the directory are known, and nobody else."""
        found = {
            pair: self.status(pair)
            for pair in ("anna:secret", "alice:alicepw", "anna:alicepw", "alice:secret", "x:y")
        }
        self.assertEqual(
            found,
            {
                "anna:secret": 200,
                "alice:alicepw": 200,
                "anna:alicepw": 407,
                "alice:secret": 407,
                "x:y": 407,
            },
        )

    def test_down(self) -> None:
        """Without the directory those who are remembered go on, the others get a 503, and all is well when it is back."""
        self.assertEqual(self.status("alice:alicepw"), 200)
        self.slapd.program.stop()
        self.assertEqual(
            [self.status(pair) for pair in ("alice:alicepw", "anna:secret", "bob:bobpw")],
            [200, 200, 503],
        )
        self.slapd.start()
        until(lambda: self.status("bob:bobpw") == 200, what="the directory")
