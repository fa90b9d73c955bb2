"""Plugins for the tests of what plugins are tested with: one of each sort."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Annotated, Any

from gateway.api import (
    Block,
    BodyFilter,
    Clean,
    Client,
    ContentRefused,
    Coverage,
    Event,
    Identity,
    Infected,
    Need,
    Plugin,
    Respond,
    Response,
    Route,
    ScanJob,
    Server,
    Severity,
    Side,
    Transaction,
    Verdict,
    Whole,
    hookimpl,
)
from gateway.api.settings import Help, Hosts, SecretText


@dataclass(frozen=True, slots=True)
class BlockHostsSettings:
    """Settings with a required one."""

    hosts: Annotated[Hosts, Help("Hosts that nobody may visit.", '["bad.example"]')]


class BlockHosts(Plugin):
    """Judges at once."""

    name = "block_hosts"
    Settings = BlockHostsSettings

    settings: BlockHostsSettings

    @hookimpl()
    def request_headers(self, txn: Transaction) -> Block | None:
        """Look into the list."""
        if txn.request.host not in self.settings.hosts:
            return None
        self.services.log.info("{host} is listed", host=txn.request.host)
        return Block("host is listed")


class Asks(Plugin):
    """Asks a service for each request, within half a second."""

    name = "asks"

    @hookimpl(budget_seconds=0.5)
    async def request_headers(self, txn: Transaction) -> Verdict | None:
        """Ask."""
        answer = await self.services.http.request(
            "GET", f"https://lists.example/{txn.request.host}"
        )
        txn.notes["score"] = answer.content.decode()
        return Block("the score is bad") if answer.content == b"bad" else None


class Remembers(Plugin):
    """Uses each of the other services."""

    name = "remembers"

    def __init__(self, settings: Any, services: Any) -> None:
        super().__init__(settings, services)
        self.seen = services.metrics.counter("seen", "Requests seen.", labels=("host",))
        self.size = services.metrics.histogram("size", "Sizes.", bounds=(1.0, 10.0))

    def start(self) -> None:
        """Begin to forget."""
        self.services.every(60.0, self.forget)

    async def forget(self) -> None:
        """Forget everybody."""
        for key in await self.services.store.keys():
            await self.services.store.delete(key)

    @hookimpl()
    async def request_headers(self, txn: Transaction) -> Verdict | None:
        """Let everybody in once."""
        key = txn.client.address
        self.seen.inc(host=txn.request.host)
        self.size.observe(5.0)
        if await self.services.store.get(key) is not None:
            self.services.events(Event("again", Severity.INFO, "somebody is here again", key))
            return Block("once only")
        await self.services.store.set(key, b"was here", ttl_seconds=30.0)
        return None


@dataclass(frozen=True, slots=True)
class TellsSettings:
    """A secret."""

    token: Annotated[SecretText, Help("The token of the service.", '"abc"')]


class Tells(Plugin):
    """Logs what it should not."""

    name = "tells"
    Settings = TellsSettings

    def start(self) -> None:
        """Log it."""
        self.services.log.warn("the token is {token}", token=self.settings.token.reveal())


class Hashes(Plugin):
    """Has a call that blocks."""

    name = "hashes"

    @hookimpl()
    async def request_headers(self, txn: Transaction) -> None:
        """Let a thread do it."""
        txn.notes["hash"] = str(await self.services.threads.run("disk", _hash, txn.request.host))


def _hash(text: str) -> int:
    return ord(text[0])


class Writes(Plugin):
    """Notes who was asked, in order."""

    name = "writes"

    @hookimpl()
    def request_headers(self, txn: Transaction) -> None:
        """Note it."""
        txn.notes["order"] = txn.notes.get("order", "") + "w"


class WritesToo(Plugin):
    """Notes who was asked, in order."""

    name = "writes_too"

    @hookimpl()
    def request_headers(self, txn: Transaction) -> None:
        """Note it."""
        txn.notes["order"] = txn.notes.get("order", "") + "t"


class Connects(Plugin):
    """Judges clients and servers, and sends where it likes."""

    name = "connects"

    @hookimpl()
    def client_connected(self, client: Client) -> Block | None:
        """Refuse one address."""
        return Block("not you") if client.address == "192.0.2.66" else None

    @hookimpl()
    def authenticate(self, txn: Transaction) -> Identity | None:
        """Know one."""
        return Identity("alice") if "Authorization" in txn.request.fields else None

    @hookimpl()
    def select_upstream(self, txn: Transaction) -> Route | None:
        """Send some to a parent."""
        return (
            Route("parent", "proxy.example", 3128)
            if txn.request.host.endswith(".far.example")
            else None
        )

    @hookimpl()
    def upstream_connected(self, txn: Transaction, server: Server) -> Block | None:
        """Refuse a rebound name."""
        return Block("rebound") if server.address.startswith("203.0.113.") else None


class Censors(Plugin):
    """Filters both ways."""

    name = "censors"

    @hookimpl()
    def request_filters(self, txn: Transaction) -> BodyFilter:
        """Refuse a word."""
        return Refuses()

    @hookimpl()
    def response_filters(self, txn: Transaction) -> BodyFilter:
        """Shout."""
        return Shouts()


class Refuses(BodyFilter):
    """Refuses a word."""

    def data(self, chunk: bytes) -> bytes:
        """Look for it."""
        if b"secret" in chunk:
            raise ContentRefused(Block("a secret"))
        return chunk


class Shouts(BodyFilter):
    """Makes capitals."""

    def data(self, chunk: bytes) -> bytes:
        """Make them."""
        return chunk.upper()


class Scans(Plugin):
    """Has content held, and looks at it in a thread."""

    name = "scans"

    @hookimpl()
    def content_need(self, txn: Transaction, side: Side) -> Need:
        """Of small pages, all."""
        return Whole(1000)

    @hookimpl(thread="scan")
    def scan_content(self, job: ScanJob) -> Clean | Infected:
        """Look for a word."""
        with job.open() as content:
            if b"heron" in content.read():
                return Infected("heron", "scans")
        return Clean("scans", "1", Coverage(job.size, nested=True))


class Responds(Plugin):
    """Answers itself."""

    name = "responds"

    def __init__(self) -> None:
        self.services = None  # type: ignore[assignment]

    @hookimpl()
    def request_headers(self, txn: Transaction) -> Respond:
        """Answer."""
        return Respond(Response(200, content=b"mine"))


class Stubborn(Plugin):
    """Does not start, or never gets there."""

    name = "stubborn"

    def start(self) -> Awaitable[None]:
        """Ask first."""
        return self._start()

    async def _start(self) -> None:
        await self.services.http.request("GET", "http://lists.example/")
