"""
C{[plugins.auth.cookies]}: what can be set of cookies and the login page beside how long a cookie is good.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from gateway.api.settings import BadValue, Help, Hosts, HostSet, SecretText, TextKind

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def own_host(text: str) -> str:
    """
    Check the gateway's own name for logging in and give it in lower case.

    @raise BadValue: it is no name, or that of the gateway's other pages.
    """
    name = text.lower()
    labels = name.split(".")
    if len(name) > 253 or not all(map(_LABEL.fullmatch, labels)) or labels[-1].isdigit():
        raise BadValue(f'"{text}" is not a host name', 'such as "auth.gateway.local"')
    if name == "gateway.local":
        raise BadValue(f"{name} has the certificate's page", 'such as "auth.gateway.local"')
    return name


@dataclass(frozen=True, slots=True)
class CookieSettings:
    """C{[plugins.auth.cookies]}."""

    host: Annotated[
        str,
        TextKind("host name", own_host),
        Help(
            "The gateway's own name, where users of the forward proxy sign in. Browsers reach it through the proxy; it needs "
            "no address and must be no other site's."
        ),
    ] = "auth.gateway.local"
    keys: Annotated[
        SecretText | None,
        Help(
            "Keys of cookies, one in each line, the newest first, each with its end behind it if it has one. The same for all "
            "nodes. Not set: keys are made here and renewed every week, and no other node takes them.",
            '{ file = "/etc/gateway/cookie.keys" }',
        ),
    ] = None
    login: Annotated[
        Literal["form", "challenge"],
        Help(
            'How users of the forward proxy sign in at `host`: "form", a page with a form; "challenge", by `order` (Negotiate '
            "without a question, or the browser's own window)."
        ),
    ] = "form"
    bind: Annotated[
        Literal["browser", "address"],
        Help(
            'What a cookie is bound to beside its origin: "browser", the `User-Agent`; "address", the client\'s address too, '
            "for networks where addresses stay."
        ),
    ] = "browser"
    tunnels: Annotated[
        Hosts,
        Help(
            "Hosts to which CONNECT of a browser passes without an identity, to be asked for it within. For hosts whose TLS is "
            "decrypted: what is not is refused to who did not say who he is.",
            '["*"]',
        ),
    ] = HostSet()
