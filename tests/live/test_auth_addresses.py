"""Two users behind one address, on real sockets, with passwords that are really checked, and an operator with commands."""

from __future__ import annotations

import json
import random
import signal
import threading
from base64 import b64encode
from collections import Counter
from typing import Any

import bcrypt
from twisted.trial.unittest import SynchronousTestCase

from tests.live.peers import Origin, Stream, connected
from tests.live.processes import FORWARD, Gateway, made_folder, until
from tests.live.tls_peers import commanded

REQUESTS = 1000
USERS = ("anna", "bert")

CONFIG = (
    FORWARD
    + """
[plugins]
enabled = ["auth", "upload_limit"]
[plugins.auth]
order = ["basic"]
users = "$users"
[plugins.auth.addresses]
$addresses
"""
)


class Browser:
    """
    A user's browser: shows the password on a connection that has asked for it, and on no other.

    @ivar asked: how often it was asked.
    """

    def __init__(self, test: AddressCase, user: str) -> None:
        self.user = user
        self.asked = 0
        self._test = test
        self._stream: Stream | None = None
        self._shown = False

    def visit(self, *, anew: bool) -> None:
        """Ask for a page, on a new connection or on the one that is open."""
        if anew or self._stream is None:
            if self._stream is not None:
                self._stream.close()
            self._stream = connected(self._test, self._test.gateway.forward)
            self._shown = False
        status = self._ask(self._stream)
        if status == 407:
            self.asked += 1
            self._shown = True
            status = self._ask(self._stream)
        self._test.assertEqual(status, 200)

    def _ask(self, stream: Stream) -> int:
        url = f"http://127.0.0.1:{self._test.origin.port}/hello/{self.user}"
        said = [f"GET {url} HTTP/1.1", "Host: 127.0.0.1", "User-Agent: Browser/1.0"]
        if self._shown:
            secret = b64encode(f"{self.user}:{self.user}pw".encode()).decode()
            said.append(f"Proxy-Authorization: Basic {secret}")
        stream.send("\r\n".join([*said, "", ""]).encode())
        return stream.answer().status


class AddressCase(SynchronousTestCase):
    """
    A gateway with local users.

    @ivar gateway: it.
    @ivar users: who has asked for something.
    """

    gateway: Gateway
    origin: Origin
    users: list[Browser]

    def start(self, addresses: str = "") -> None:
        """Start origin and gateway, with further settings of the address cache."""
        self.origin = Origin(self)
        users = made_folder(self) / "users"
        users.write_text(
            "".join(
                f"{user}:{bcrypt.hashpw(f'{user}pw'.encode(), bcrypt.gensalt(5)).decode()}\n"
                for user in USERS
            )
        )
        self.gateway = Gateway(self, CONFIG, users=users, addresses=addresses)

    def interleaved(self, count: int) -> None:
        """Let both users make requests by turns, four of ten on new connections."""
        self.users = [Browser(self, user) for user in USERS]
        chance = random.Random(6)
        for number in range(count):
            self.users[number % 2].visit(anew=chance.random() < 0.4)

    def senders(self, count: int) -> Counter[tuple[str, str]]:
        """Count so many answered requests by who has sent them and whom they were put down to."""
        asked = sum(user.asked for user in self.users)
        return Counter(
            (line["url"].rpartition("/")[2], line["user"])
            for line in self.gateway.lines(count + asked, 20.0)
            if line["status"] == 200
        )

    def listed(self, *words: str) -> dict[str, Any]:
        """List what is remembered."""
        found: dict[str, Any] = json.loads(
            commanded(self.gateway, "user", "list", "--json", *words)
        )
        return found


class SharedTests(AddressCase):
    """Two users who are as alike as can be, at one address."""

    def test_with_guard(self) -> None:
        """With the settings as they are by default each request is put down to who has sent it."""
        self.start()
        self.interleaved(REQUESTS)
        half = REQUESTS // 2
        self.assertEqual(self.senders(REQUESTS), {("anna", "anna"): half, ("bert", "bert"): half})
        self.assertEqual(self.gateway.text.count("event address_shared 127.0.0.1"), 1)
        answer = self.listed()
        self.assertEqual(answer["users"], [])
        self.assertEqual(
            [(mark["address"], mark["reason"]) for mark in answer["shared"]],
            [("127.0.0.1", "users")],
        )

    def test_without_guard(self) -> None:
        """Without the guard all of the second user's requests are put down to the first one."""
        self.start("guard = false")
        self.interleaved(100)
        self.assertEqual(self.senders(100), {("anna", "anna"): 50, ("bert", "anna"): 50})


class OperatorTests(AddressCase):
    """One user, whose address is believed at once."""

    def known(self) -> Browser:
        """Let the user be known by the address."""
        self.start('probation = "0s"')
        user = Browser(self, "anna")
        user.visit(anew=True)
        user.visit(anew=True)
        self.assertEqual(user.asked, 1)
        return user

    def test_evict(self) -> None:
        """Whoever is evicted is asked again; of whom nothing is known that is said, by the exit code too."""
        user = self.known()
        (found,) = self.listed("anna")["users"]
        self.assertEqual((found["address"], found["user"]), ("127.0.0.1", "anna"))
        self.assertIn("127.0.0.1  anna", commanded(self.gateway, "user", "list"))
        said = commanded(self.gateway, "user", "evict", "127.0.0.1")
        self.assertIn("127.0.0.1 is forgotten: the address 127.0.0.1", said)
        self.assertEqual(self.listed()["users"], [])
        user.visit(anew=True)
        self.assertEqual(user.asked, 2)
        commanded(self.gateway, "user", "evict", "anna")
        commanded(self.gateway, "user", "evict", "anna", status=1)
        user.visit(anew=True)
        self.assertEqual(user.asked, 3)
        self.assertIn("anna is logged out", commanded(self.gateway, "user", "logout", "anna"))
        user.visit(anew=True)
        self.assertEqual(user.asked, 4)

    def test_reload(self) -> None:
        """Twenty reloads with other settings, in the middle of requests, ask nobody again, fail nothing and prolong nothing."""
        user = self.known()
        before = self.listed()["users"][0]["left_seconds"]
        config = self.gateway.config
        written = config.read_text()
        stopping = threading.Event()
        seen: list[int] = []
        failed: list[BaseException] = []

        def visits() -> None:
            try:
                while not stopping.is_set():
                    user.visit(anew=len(seen) % 2 == 0)
                    seen.append(user.asked)
            except BaseException as error:
                failed.append(error)

        def reloaded(times: int) -> None:
            until(lambda: self.gateway.text.count("event config_reloaded") == times)

        going_on = threading.Thread(target=visits, daemon=True)
        going_on.start()
        try:
            for number in range(1, 21):
                said = f'order = ["basic"]\nip_cache = "{15 + number % 3}m"'
                config.write_text(written.replace('order = ["basic"]', said))
                self.gateway.signal(signal.SIGHUP)
                reloaded(number)
        finally:
            stopping.set()
            going_on.join(10)
        self.assertEqual(failed, [])
        self.assertGreater(len(seen), 40)
        self.assertEqual(set(seen), {1})
        self.gateway.lines(len(seen) + 3)
        self.assertLess(self.listed()["users"][0]["left_seconds"], before)
