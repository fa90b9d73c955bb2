"""What tests of the address cache are made of: requests from addresses, and a cache to ask."""

from __future__ import annotations

from typing import Any

from gateway.api import Client, Event, Fields, Identity, Request, Timings, Transaction
from gateway.testing import Clock, FakeServices
from gateway_auth.address_settings import AddressSettings
from gateway_auth.addresses import AddressCache
from gateway_auth.settings import AuthSettings

ANNA = Identity("anna", frozenset(["staff"]), "basic")
BERT = Identity("bert", frozenset(), "basic")
HOME = "192.0.2.7"
BROWSER = "Browser/1.0"


def a_request(
    address: str = HOME,
    agent: str | None = BROWSER,
    *,
    peer: str = "",
    mode: str = "forward",
    **fields: str,
) -> Transaction:
    """Make a request; underscores in the names of its fields stand for hyphens."""
    said = [("User-Agent", agent)] if agent is not None else []
    said += [(name.replace("_", "-"), value) for name, value in fields.items()]
    request = Request(b"GET", "http", "www.example.com", 80, b"/", 1, Fields.of(said), 0)
    return Transaction("1", request, Client(address, 5000, mode=mode, peer=peer), Timings(0.0, 0.0))


class World:
    """
    A gateway's clock and events, and the caches of plugin objects one after the other.

    @ivar cache: of the latest one.
    """

    def __init__(self, ip_cache: float = 900.0, **own: Any) -> None:
        self.clock = Clock()
        self.clock.advance(1000.0)
        self.events: list[Event] = []
        self.services = FakeServices(self.clock, self.events.append)
        self.reload(ip_cache, **own)

    def reload(self, ip_cache: float = 900.0, networks: Any = (), **own: Any) -> None:
        """Make the next object, with other settings."""
        settings = AuthSettings(
            ip_cache=ip_cache, networks=networks, addresses=AddressSettings(**own)
        )
        self.cache = AddressCache(settings, self.services.for_plugin("auth"))

    def user(self, *args: Any, **kwargs: Any) -> str:
        """Say whose a request without credentials is; nobody's: an empty text."""
        found = self.cache.get(a_request(*args, **kwargs))
        return "" if found is None else found.user
