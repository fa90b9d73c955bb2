"""C{[gateway]} and C{[admin]}: the process as a whole, and how it is watched."""

from __future__ import annotations

from typing import Annotated

from gateway.config.addresses import Listen
from gateway.config.kind import Help
from gateway.config.kinds.listeners import ListenKind
from gateway.config.kinds.texts import FilePath, TextKind, token
from gateway.config.sections.section import Section


class Gateway(Section, frozen=True, kw_only=True):
    """What is true of the whole gateway."""

    name: Annotated[
        str,
        TextKind("name", token),
        Help(
            "How the gateway calls itself in the Via field, by which it also knows its own "
            "requests when they come back "
            "in a loop. Every gateway of a chain needs a different one. Empty: one is made at "
            "every start."
        ),
    ] = ""
    user: Annotated[
        str,
        Help(
            "System user to become when the listeners are open; needs a start as root. Empty: no "
            "change."
        ),
    ] = ""
    group: Annotated[str, Help("System group to become. Empty: the group of `user`.")] = ""
    state: Annotated[
        FilePath,
        Help(
            "Folder that exists and that the gateway may write to, for what plugins keep over a "
            "restart. Empty: the one that systemd gives (`StateDirectory=` in the unit); without "
            "that, it is kept in memory only.",
            '"/var/lib/gateway"',
        ),
    ] = ""


class Admin(Section, frozen=True, kw_only=True):
    """How the gateway is watched."""

    health: Annotated[
        Listen | None,
        ListenKind(is_optional=True, has_options=False),
        Help(
            "Where `/healthz`, `/readyz` and `/metrics` are served. Empty: nowhere.",
            '"0.0.0.0:8081"',
        ),
    ] = Listen("127.0.0.1", 8081)
    control: Annotated[
        bool,
        Help(
            "Whether commands such as `gateway reload` reach the running gateway, by a socket of "
            "this machine that only root and the gateway's own user may use."
        ),
    ] = True
