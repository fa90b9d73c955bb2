"""
What a plugin says of its own settings before it starts: faults and cautions.

Kinds find what is wrong with one value, and the class of the settings what is wrong with all of them together. What shows
only beside the rest of the configuration is found by L{Plugin.review<gateway.api.Plugin.review>}, which is given just as
much of it as that takes. Since 1.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

#: Where a setting stands in the plugin's own table: C{("networks", 0, "order")}; empty: the table itself.
SettingPath: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Caution:
    """
    Settings that are valid, do what they say, and are probably not meant.

    @ivar what: what follows from them, in words for who wrote the configuration; one line and no secret.
    @ivar key: the setting to look at.
    @ivar mend: what to write in its place, if that is known.
    """

    what: str
    key: SettingPath = ()
    mend: str = ""


@dataclass(frozen=True, slots=True)
class SettingFault:
    """
    Settings with which the plugin can't do what it is for; the gateway does not start with them.

    @ivar what: what is wrong, in words for who wrote the configuration; one line and no secret.
    @ivar key: the setting to blame.
    @ivar mend: what to write in its place, if that is known.
    """

    what: str
    key: SettingPath = ()
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Listener:
    """
    A place where clients connect.

    @ivar name: its address as in the configuration, C{"10.0.0.1:8080"}; the same as L{Client.listener<gateway.api.Client>}.
    @ivar mode: what clients find there.
    @ivar kind: C{"systemd"} is a socket that was passed, of which the configuration does not say where it listens.
    @ivar has_tls: clients come by TLS.
    @ivar is_local: only this machine reaches it.
    @ivar has_proxy_protocol: each connection says by the PROXY protocol whose it is.
    @ivar hosts: those of the sites on it, as they are written; none in forward mode.
    """

    name: str
    mode: Literal["forward", "reverse"] = "forward"
    kind: Literal["tcp", "unix", "systemd"] = "tcp"
    has_tls: bool = False
    is_local: bool = False
    has_proxy_protocol: bool = False
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """
    What a plugin may know of the configuration around its own table.

    @ivar decrypt: C{tls.decrypt}: which TLS of the forward proxy is read: none, what C{tls.decrypt_hosts} and plugins
        say, or all but what C{tls.never_decrypt} names. In reverse mode it means nothing.
    @ivar listeners: where clients connect, those of the forward proxy first.
    @ivar trusted_proxies: C{network.trusted_proxies}, as networks in CIDR form.
    """

    decrypt: Literal["none", "rules", "all"] = "none"
    listeners: tuple[Listener, ...] = ()
    trusted_proxies: tuple[str, ...] = ()

    def of_mode(self, mode: Literal["forward", "reverse"]) -> tuple[Listener, ...]:
        """Give the listeners of a mode; none: it is off."""
        return tuple(listener for listener in self.listeners if listener.mode == mode)
