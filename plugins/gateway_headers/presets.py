"""
Tenant restrictions: with whose accounts well-known services may be used from here.

Each service documents a field by which a proxy tells it that; the service does the rest. They all speak https, so the
fields can be written only where that is decrypted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from gateway.api.settings import BadValue, Help, HostSet, TextKind
from gateway_headers.rules import Rule

_ID = re.compile(r"[A-Za-z0-9_.:-]+")


def identifier(text: str) -> str:
    """
    Check one domain, tenant or id; several are written as an array.

    @raise BadValue: it holds a comma, white space or another character that would make two of it.
    """
    if not _ID.fullmatch(text):
        raise BadValue(f'"{text}" is not one domain or id', "write several as an array")
    return text


_Id = Annotated[str, TextKind("a domain or id", identifier)]


@dataclass(frozen=True, slots=True)
class Tenants:
    """C{[plugins.headers.tenants]}: nothing is restricted unless set."""

    google: Annotated[
        tuple[_Id, ...],
        Help(
            "Google Workspace domains whose accounts may be used; add `consumer_accounts` for private ones.",
            '["example.com"]',
        ),
    ] = ()
    microsoft: Annotated[
        tuple[_Id, ...],
        Help(
            "Microsoft 365 tenants that may be used, by domain or id; needs `microsoft_directory`.",
            '["example.onmicrosoft.com"]',
        ),
    ] = ()
    microsoft_directory: Annotated[
        str,
        Help(
            "The directory id of the organisation that sets this restriction; its administrators see what was refused.",
        ),
    ] = ""
    microsoft_consumer: Annotated[
        Literal["allow", "deny"], Help("Whether private Microsoft accounts may be used.")
    ] = "allow"
    slack: Annotated[
        tuple[_Id, ...],
        Help(
            "Slack workspaces and organisations that may be used, by id; needs `slack_requester`."
        ),
    ] = ()
    slack_requester: Annotated[
        str, Help("The id of the Slack workspace or organisation that sets this restriction.")
    ] = ""
    dropbox: Annotated[tuple[_Id, ...], Help("Dropbox teams that may be used, by id.")] = ()
    youtube: Annotated[
        Literal["off", "moderate", "strict"], Help("The restricted mode of YouTube.")
    ] = "off"

    def __post_init__(self) -> None:
        """
        Check that what belongs together is there.

        @raise ValueError: half of a restriction, which the service would ignore.
        """
        for several, one, name, other in (
            (self.microsoft, self.microsoft_directory, "microsoft", "microsoft_directory"),
            (self.slack, self.slack_requester, "slack", "slack_requester"),
        ):
            if bool(several) != bool(one):
                raise ValueError(f"{name} and {other} belong together: set both")
            if one:
                identifier(one)


def tenant_rules(tenants: Tenants) -> Iterator[Rule]:
    """Give the rules that restrict as told."""
    if tenants.google:
        yield _rule([".google.com"], {"X-GoogApps-Allowed-Domains": ",".join(tenants.google)})
    if tenants.microsoft:
        fields = {
            "Restrict-Access-To-Tenants": ",".join(tenants.microsoft),
            "Restrict-Access-Context": tenants.microsoft_directory,
        }
        hosts = ["login.microsoftonline.com", "login.microsoft.com", "login.windows.net"]
        yield _rule(hosts, fields)
    if tenants.microsoft_consumer == "deny":
        yield _rule(["login.live.com"], {"Sec-Restrict-Tenant-Access-Policy": "restrict-msa"})
    if tenants.slack:
        fields = {
            "X-Slack-Allowed-Workspaces": ",".join(tenants.slack),
            "X-Slack-Allowed-Workspaces-Requester": tenants.slack_requester,
        }
        yield _rule([".slack.com"], fields)
    if tenants.dropbox:
        yield _rule([".dropbox.com"], {"X-Dropbox-Allowed-Team-Ids": ",".join(tenants.dropbox)})
    if tenants.youtube != "off":
        hosts = [
            "www.youtube.com",
            "m.youtube.com",
            "youtubei.googleapis.com",
            "youtube.googleapis.com",
            "www.youtube-nocookie.com",
        ]
        yield _rule(hosts, {"YouTube-Restrict": tenants.youtube.capitalize()})


def _rule(hosts: list[str], fields: dict[str, str]) -> Rule:
    return Rule(hosts=HostSet(hosts), set=fields)
