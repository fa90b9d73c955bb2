"""How a parent proxy is written: an URL, or a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import msgspec

from gateway.config import hosts, secrets
from gateway.config.faults import BadValue
from gateway.config.kind import FAULTY, Faulty, Help, Kind, Place, quoted
from gateway.config.kinds.secret import SecretKind
from gateway.config.kinds.sets import HostsKind
from gateway.config.parents import Parent, parent
from gateway.config.reading import read_table


class ParentTable(msgspec.Struct, frozen=True, kw_only=True, rename={"for_": "for"}):
    """One parent proxy."""

    url: Annotated[
        str,
        Help("The parent, with or without `user:password@`.", '"http://parent.example.com:3128"'),
    ]
    user: Annotated[str, Help("User name for the parent (Basic, RFC 7617).")] = ""
    password: Annotated[secrets.Secret | None, SecretKind(), Help("Its password.")] = None
    for_: Annotated[hosts.HostSet, HostsKind(), Help("Hosts whose requests go through it.")] = (
        hosts.HostSet(["*"])
    )
    no_proxy: Annotated[
        hosts.HostSet, HostsKind(), Help("Hosts whose requests do not, although `for` holds them.")
    ] = hosts.HostSet()


@dataclass(frozen=True, slots=True)
class ParentKind(Kind):
    """A parent proxy: an URL, or a table."""

    name: ClassVar[str] = "parent proxy"
    table: ClassVar[type | None] = ParentTable

    def read(self, raw: object, place: Place) -> Parent | Faulty:
        """Read either form."""
        told = read_table(ParentTable, {"url": raw} if isinstance(raw, str) else raw, place)
        if isinstance(told, Faulty):
            return FAULTY
        try:
            return parent(told.url, told.user, told.password, told.for_, told.no_proxy)
        except BadValue as error:
            at = (
                place
                if isinstance(raw, str) or error.part in ("user", "password")
                else place.child("url")
            )
            return at.fault(error.message, error.mend)

    def toml(self, value: Any) -> str:
        """Write it without its credentials."""
        return f"{{ url = {quoted(str(value))} }}"
