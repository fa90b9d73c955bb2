"""
Giving an order to the running gateway: the client's side of L{gateway.admin.control}.
"""

from __future__ import annotations

import argparse
import json
import os
import pwd
import socket
from collections.abc import Iterator
from typing import Any

from gateway.admin.control import PREFIX, address, peer_user
from gateway.config.faults import ConfigError
from gateway.config.load import load

#: Starting a plugin may take a minute, and several are started one after the other.
PATIENCE_SECONDS = 300.0


class Unreachable(Exception):
    """No gateway of these options answers; the text says what may be the reason."""


def order(options: argparse.Namespace, name: str, /, **more: object) -> dict[str, Any]:
    """
    Give an order and wait for its answer.

    @param options: say which gateway is meant, by the same options that it was started with.
    @raise Unreachable: nobody answers.
    """
    where = _place(options)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(PATIENCE_SECONDS)
        try:
            connection.connect(where)
        except OSError:
            raise Unreachable(_nobody(options)) from None
        # The name is free while no gateway runs, so somebody else may have taken it.
        if peer_user(connection) not in _trusted(options):
            raise Unreachable("another user's process has taken the place of the gateway")
        try:
            connection.sendall(json.dumps({"order": name, **more}).encode() + b"\n")
            received = b""
            while piece := connection.recv(65536):
                received += piece
        except OSError as error:
            raise Unreachable(f"the gateway does not answer: {error}") from None
    if not received:
        raise Unreachable("the gateway ended before it answered")
    answer: dict[str, Any] = json.loads(received)
    return answer


def plugin_order(options: argparse.Namespace, name: str, **said: object) -> dict[str, Any]:
    """
    Give an order that a plugin carries out, and wait for its answer.

    @return: C{ok}, C{why} not, and what the plugin says beside that.
    @raise Unreachable: nobody answers.
    """
    answer = order(options, "plugin", name=name, said=said)
    given: dict[str, Any] = answer.get("answer") or {}
    return {**given, "ok": answer["ok"], "why": answer["why"]}


def _place(options: argparse.Namespace) -> str:
    """
    Give the address of the gateway that is meant: of the only one on this machine, if nothing was said.

    @raise Unreachable: nothing was said, and there are several.
    """
    said = address(options.config, options.port, options.origin)
    if (options.config, options.port, options.origin) != (None, None, None):
        return said
    there = set(_open_places())
    if said in there or not there:
        return said
    if len(there) > 1:
        raise Unreachable(
            f"{len(there)} gateways run on this machine: say the options that yours was started with, such as --config"
        )
    return there.pop()


def _open_places() -> Iterator[str]:
    """Find the sockets of gateways (proc(5), an abstract name is shown with @)."""
    try:
        with open("/proc/net/unix", encoding="ascii", errors="replace") as lines:
            for line in lines:
                name = line.split()[-1]
                if name.startswith(f"@{PREFIX}"):
                    yield f"\0{name[1:]}"
    except OSError:
        return


def _trusted(options: argparse.Namespace) -> set[int]:
    users = {0, os.geteuid()}
    try:
        user = load(options.config).gateway.user
        if user:
            users.add(pwd.getpwnam(user).pw_uid)
    except (ConfigError, KeyError):
        pass
    return users


def _nobody(options: argparse.Namespace) -> str:
    if options.config is None:
        return "no gateway runs on this machine, or its admin.control is off"
    return (
        f"no gateway runs here that was started with --config {options.config}, "
        "or its admin.control is off"
    )
