"""
Allow and deny hosts, URLs, networks and the ports of tunnels, however they are spelt.

What is on the list C{allow} passes, else what is on C{deny} is refused, else C{default} decides. The lists judge what a
request asks for; networks judge once more the address that was really dialled, which a name may have been made to mean
after it was judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from gateway.api import (
    Allow,
    Block,
    Caution,
    Plugin,
    Server,
    Services,
    Surroundings,
    Transaction,
    hookimpl,
)
from gateway.api.settings import Help, PathKind, Ports, TextKind
from gateway_allow_deny.canonical import canonical_address, canonical_host
from gateway_allow_deny.entries import Entry, ListFile, Network, entry, gathered, read_list
from gateway_allow_deny.lists import HostList, Target, Unseen
from gateway_allow_deny.unseen import Listed, path_caution

__all__ = ["AllowDeny", "AllowDenySettings", "plugin"]


class ListFileKind(PathKind):
    """A file of entries; read with the settings, so that its faults are shown with theirs."""

    def read(self, raw: object, place: Any) -> Any:
        """Read the file."""
        return read_list(super().read(raw, place))

    def toml(self, value: Any) -> str:
        """Write its path."""
        return super().toml(str(value))


class EntryKind(TextKind):
    """An entry of a list."""

    def toml(self, value: Any) -> str:
        """Write it as it was written."""
        return super().toml(value.text)


_Listed = Annotated[
    Entry | Network, EntryKind("a host, URL or network such as example.com or 10.0.0.0/8", entry)
]
_File = Annotated[ListFile, ListFileKind(special=())]


@dataclass(frozen=True, slots=True)
class AllowDenySettings:
    """C{[plugins.allow_deny]}."""

    allow: Annotated[
        tuple[_Listed, ...],
        Help(
            "Hosts, URLs and networks that pass, even if `deny` has them, too.", '["example.com"]'
        ),
    ] = ()
    deny: Annotated[
        tuple[_Listed, ...],
        Help(
            "Hosts, URLs and networks that are refused. A name stands for itself and all below it.",
            '["ads.example.com", "example.net/private", "10.0.0.0/8"]',
        ),
    ] = ()
    allow_files: Annotated[
        tuple[_File, ...], Help("Files with more entries of `allow`, one in a line.")
    ] = ()
    deny_files: Annotated[
        tuple[_File, ...], Help("Files with more entries of `deny`, one in a line.")
    ] = ()
    default: Annotated[
        Literal["allow", "deny"], Help("What becomes of a request that is on neither list.")
    ] = "allow"
    connect_allow: Annotated[
        Ports | None,
        Help(
            "The ports to which tunnels may go; all that `forward.connect_ports` has unless set.",
            "[443]",
        ),
    ] = None
    connect_deny: Annotated[
        Ports | None,
        Help("Ports to which no tunnel may go, whatever its host.", '[25, "6660-6669"]'),
    ] = None
    tunnels: Annotated[
        Literal["closed", "open"],
        Help(
            "What an entry with a path means for a CONNECT tunnel, in which no path can be seen. `closed`: in `deny` "
            "it refuses the whole host, in `allow` it admits nothing. `open`: the other way round."
        ),
    ] = "closed"
    when_allowed: Annotated[
        Literal["ask_on", "end_phase"],
        Help(
            "What follows from `allow`. `ask_on`: the other plugins judge the request as any other. `end_phase`: those "
            "behind this one are not asked about its head; later phases, such as scanning, still run."
        ),
    ] = "ask_on"


class AllowDeny(Plugin):
    """Judge requests by two lists."""

    name = "allow_deny"
    Settings = AllowDenySettings

    settings: AllowDenySettings

    def __init__(self, settings: AllowDenySettings, services: Services) -> None:
        super().__init__(settings, services)
        self._allow = HostList(gathered(settings.allow, settings.allow_files), "allow")
        self._deny = HostList(gathered(settings.deny, settings.deny_files), "deny")
        is_open = settings.tunnels == "open"
        self._unseen_allow: Unseen = "matches" if is_open else "differs"
        self._unseen_deny: Unseen = "differs" if is_open else "matches"

    def review(self, around: Surroundings) -> Iterator[Caution]:
        """Say which entries can't be kept to in tunnels."""
        if around.of_mode("forward"):
            settings = self.settings
            for listed in (
                Listed("allow", settings.allow, self._allow.with_paths),
                Listed("deny", settings.deny, self._deny.with_paths),
            ):
                yield from path_caution(listed, settings.tunnels, around.decrypt)

    @hookimpl()
    def request_headers(self, txn: Transaction) -> Allow | Block | None:
        """Judge what a request asks for."""
        request = txn.request
        is_tunnel = request.raw_method == b"CONNECT"
        if is_tunnel:
            block = self._port(request.port)
            if block is not None:
                return block
        host = canonical_host(request.host)
        if host is None:
            return _block("The host is not written in a way that all servers read alike.")
        target = Target(
            host,
            ":" in host or host.rpartition(".")[2].isdigit(),
            request.scheme,
            request.port,
            None if is_tunnel else request.raw_target.partition(b"?")[0],
        )
        found = self._allow.find(target, self._unseen_allow)
        if found is not None:
            if self.settings.when_allowed == "end_phase":
                return Allow(f"allow list: {found}")
            return None
        found = self._deny.find(target, self._unseen_deny)
        if found is not None:
            txn.notes["allow_deny"] = found
            return _block(f"The address is on the deny list (entry {found}).")
        if self.settings.default == "deny":
            return _block(
                "The address is not on the allow list, and nothing else may be asked for."
            )
        return None

    @hookimpl()
    def upstream_connected(self, txn: Transaction, server: Server) -> Block | None:
        """Judge the address that a name turned out to mean; a parent's says nothing of the target."""
        if txn.route == "parent" or not self._deny.networks:
            return None
        address = canonical_address(server.address)
        if address is None:
            return _block("The address that was dialled is none that can be judged.")
        found = self._deny.networks.find_within(address)
        if found is None or self._allow.networks.find(address) is not None:
            return None
        txn.notes["allow_deny"] = found
        # Where a name leads is told to operators, by the log, and not to who asked.
        return _block("The name leads to an address on the deny list.")

    def _port(self, port: int) -> Block | None:
        allowed, denied = self.settings.connect_allow, self.settings.connect_deny
        if (denied is None or port not in denied) and (allowed is None or port in allowed):
            return None
        return _block(f"Tunnels to port {port} are not allowed.")


def _block(why: str) -> Block:
    return Block(why, category="allow_deny")


plugin = AllowDeny
