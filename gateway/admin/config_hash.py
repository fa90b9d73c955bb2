"""
F{/config-hash}: by which nodes of a cluster see whether they are configured alike (L8).

The hash is over what the files say, as TOML means it: neither comments nor the order of keys count, nor what is true
of one node only, F{node.toml}, the command line and the list of peers. Values that are, or may be, secrets are left
out before anything is hashed, so that nobody can try passwords against it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from twisted.web.http import NOT_FOUND, OK
from twisted.web.iweb import IRequest

from gateway import __version__
from gateway.admin.page import Page
from gateway.alarms.drift import Identity
from gateway.config.layers import Sources
from gateway.config.load import COMMAND_LINE
from gateway.record.redaction import is_secret_name

#: What is true of one machine only.
NODE_FILE = "node.toml"

_USERINFO = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)[^/?#]*@")
_LEFT_OUT = "<secret>"


def config_hash(sources: Sources) -> str:
    """Give the hash of a configuration: 64 hexadecimal digits."""
    shared = Sources(
        file
        for file in sources.files
        if file.name != COMMAND_LINE and os.path.basename(file.name) != NODE_FILE
    )
    tree = shared.merge()
    cluster = tree.get("cluster")
    if isinstance(cluster, dict):
        cluster.pop("peers", None)
        if not cluster:
            del tree["cluster"]
    canonical = json.dumps(
        _open(tree), sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str
    )
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _open(value: Any) -> Any:
    """Leave out what may be secret; where a secret is kept, such as C{{ file = "..." }}, is none."""
    if isinstance(value, Mapping):
        return {
            key: _LEFT_OUT
            if is_secret_name(key) and not isinstance(item, (Mapping, bool))
            else _open(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_open(item) for item in value]
    if isinstance(value, str):
        return _USERINFO.sub(rf"\1{_LEFT_OUT}@", value)
    return value


class ConfigHashPage(Page):
    """The page; there is none for a gateway without peers."""

    def __init__(self, identity: Callable[[], Identity | None]) -> None:
        """
        Prepare.

        @param identity: gives what is told; C{None}: nothing.
        """
        super().__init__()
        self._identity = identity

    def answer(self, request: IRequest) -> tuple[int, bytes, bytes]:
        """Tell it as JSON."""
        own = self._identity()
        if own is None:
            return NOT_FOUND, b"text/plain; charset=utf-8", b"this gateway has no cluster.peers\n"
        said = {
            "config": own.config,
            "instance": own.instance,
            "node": own.node,
            "version": __version__,
        }
        return OK, b"application/json", json.dumps(said).encode() + b"\n"
