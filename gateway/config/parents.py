"""Parent proxies: which requests of the forward proxy go on through another proxy, and with which credentials."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote

from gateway.config.addresses import Scheme, host_port, url
from gateway.config.faults import BadValue
from gateway.config.hosts import HostSet
from gateway.config.secrets import Secret


@dataclass(frozen=True, slots=True)
class Parent:
    """One parent proxy; the first in the list that L{takes} a host gets its requests."""

    host: str
    port: int
    user: str = ""
    password: Secret = field(default_factory=lambda: Secret(""))
    for_: HostSet = field(default_factory=lambda: HostSet(["*"]))
    """Hosts that go through it."""
    no_proxy: HostSet = field(default_factory=HostSet)
    """Hosts that do not, although C{for_} holds them."""
    open_password: bool = field(default=False, compare=False)
    """The password stands in the URL, for every reader of the file to see."""
    scheme: Scheme = "http"
    """With C{https} the connection to the parent itself is TLS, and the parent is verified."""

    def takes(self, host: str) -> bool:
        """Tell whether requests for a host (a name, or an address without brackets) go through this parent."""
        return host in self.for_ and host not in self.no_proxy

    def __str__(self) -> str:
        """Write its URL without credentials."""
        return f"{self.scheme}://{host_port(self.host, self.port)}"


def parent(
    location: str, user: str, password: Secret | None, for_: HostSet, no_proxy: HostSet
) -> Parent:
    """
    Make a parent from what the file says.

    @param location: its URL, which may hold C{user:password@}.
    @raise BadValue: when the URL is none, or credentials stand in two places or by halves.
    """
    found = url(location)
    if found.scheme not in ("http", "https"):
        raise BadValue(
            f'"{found.scheme}" is not a scheme of a parent',
            '"http://parent.example.com:3128"',
            part="url",
        )
    is_open = False
    if found.userinfo:
        if user or password is not None:
            raise BadValue("the credentials stand twice", "leave them out of the URL", part="url")
        name, colon, word = found.userinfo.partition(":")
        user, is_open = unquote(name), bool(colon)
        password = Secret(unquote(word))
    elif password is not None and not user:
        raise BadValue("a password without a user", 'add user = "..."', part="password")
    # Basic credentials end the user at the first colon (RFC 7617 section 2).
    if ":" in user:
        raise BadValue("a user name cannot hold a colon", part="user")
    scheme: Scheme = "https" if found.scheme == "https" else "http"
    secret = password or Secret("")
    return Parent(found.host, found.port, user, secret, for_, no_proxy, is_open, scheme)


def parent_for(parents: Iterable[Parent], host: str) -> Parent | None:
    """Find the parent that takes a host; None means to connect directly."""
    for candidate in parents:
        if candidate.takes(host):
            return candidate
    return None
