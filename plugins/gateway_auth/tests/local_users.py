"""A file of local users, and what their programs send."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import bcrypt
from twisted.trial.unittest import SynchronousTestCase

from gateway.testing import FakeGateway
from gateway.testing.exchange import Exchange, Seen
from gateway_auth import Auth

URL = "http://www.example.com/"


def hashed(password: str) -> str:
    """Hash as cheaply as bcrypt can."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


def ha1(user: str, password: str, realm: str = "gateway", algorithm: str = "sha256") -> str:
    """Hash for Digest."""
    return hashlib.new(algorithm, f"{user}:{realm}:{password}".encode()).hexdigest()


def basic(user: str, password: str, field: str = "Proxy-Authorization") -> dict[str, str]:
    """Give the field of Basic."""
    return {field: "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def nonce_of(challenge: str) -> str:
    """Give the nonce of a challenge."""
    found = re.search(r'nonce="([^"]+)"', challenge)
    assert found is not None, challenge
    return found[1]


def digest(
    challenge: str,
    user: str,
    password: str,
    *,
    uri: str = URL,
    method: str = "GET",
    count: int = 1,
    algorithm: str = "SHA-256",
    nonce: str = "",
) -> str:
    """Answer a challenge of Digest; what is here is written after RFC 7616 and not after the plugin."""
    name = {"SHA-256": "sha256", "MD5": "md5"}[algorithm]

    def of(text: str) -> str:
        return hashlib.new(name, text.encode()).hexdigest()

    nonce = nonce or nonce_of(challenge)
    counted = f"{count:08x}"
    first, second = of(f"{user}:gateway:{password}"), of(f"{method}:{uri}")
    response = of(f"{first}:{nonce}:{counted}:abcdef:auth:{second}")
    return (
        f'Digest username="{user}", realm="gateway", nonce="{nonce}", uri="{uri}", algorithm={algorithm}, '
        f'qop=auth, nc={counted}, cnonce="abcdef", response="{response}"'
    )


class LocalUsersTestCase(SynchronousTestCase):
    """A test with local users: anna (secret; group staff) and bert (hidden); bert can't do Digest."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.users = self.folder / "users"
        self.users.write_text(
            f"# people\nanna:{hashed('secret')}\nbert:{hashed('hidden')}\n"
            f"anna:gateway:{ha1('anna', 'secret')}\n"
            f"anna:gateway:{ha1('anna', 'secret', algorithm='md5')}\n"
        )
        self.groups = self.folder / "groups"
        self.groups.write_text("staff: anna clara\n")

    def gateway(self, mode: str = "forward", **settings: object) -> FakeGateway:
        """Start a gateway with these users."""
        own = {"users": str(self.users), "groups": str(self.groups), "ip_cache": 0, **settings}
        made = FakeGateway(Auth, own, mode=mode)  # type: ignore[arg-type]
        made.origin[URL] = b"hello"
        self.addCleanup(made.stop)
        return made

    def seen(self, exchange: Exchange) -> Seen:
        """Give what came of a request."""
        seen: Seen = self.successResultOf(exchange)
        return seen
