"""
Who can be shown a page in the place of a file: a person who goes to it with a browser, and nobody else.

Browsers say so (C{Sec-Fetch-Dest}, of the Fetch Metadata Request Headers), but only where the connection is secure or
local; elsewhere it is told by what else they send. In doubt it is no navigation: a program that gets a page where it
wants a file takes that for the file.
"""

from __future__ import annotations

import re

from gateway.api.messages import Request, Response
from gateway.config.hosts import HostSet
from gateway.config.sections.large_file import AGENTS, DEFAULT, HOSTS, LargeFile
from gateway.message.fields import Fields

#: Content that a browser shows and that leads on from its own address, or never ends: it has to stay where it is.
_PAGES = frozenset(
    (
        "text/html",
        "application/xhtml+xml",
        "text/xml",
        "application/xml",
        "image/svg+xml",
        "text/event-stream",
        "multipart/x-mixed-replace",
    )
)
#: Fields of requests that are a script's, a part's or made in advance.
_OTHERS = ("range", "if-range", "x-requested-with", "x-moz", "purpose", "sec-purpose", "upgrade")
_FETCH = ("sec-fetch-dest", "sec-fetch-mode", "sec-fetch-site", "sec-fetch-user")
_HTML = re.compile(
    r"(?:^|,)[ \t]*(?:text/html|application/xhtml\+xml)[ \t]*(?:;|,|$)", re.IGNORECASE
)


class Navigations:
    """Knows them, by what one configuration says."""

    def __init__(self, settings: LargeFile) -> None:
        names = set(settings.bypass_agents)
        if DEFAULT in names:
            names = {*names - {DEFAULT}, *AGENTS}
        agents = sorted(map(re.escape, names - {""}))
        self._agents = re.compile("|".join(agents), re.IGNORECASE) if agents else None
        hosts = settings.bypass_hosts.patterns
        self._hosts = HostSet([*hosts, *HOSTS] if DEFAULT in hosts else hosts)

    def is_one(self, request: Request) -> bool:
        """Tell whether a person asks for this, in a window of its own."""
        fields = request.fields
        if (
            request.raw_method != b"GET"
            or not request.minor
            or any(name in fields for name in _OTHERS)
            or not _is_document(fields)
            or request.host in self._hosts
        ):
            return False
        agent = fields.get("user-agent", "")
        assert agent is not None
        return bool(agent) and (self._agents is None or not self._agents.search(agent))


def is_file(response: Response) -> bool:
    """Tell whether what is asked for is a file, which is the same under another address."""
    if response.status != 200:
        return False
    kind = response.fields.get("content-type") or ""
    if kind.partition(";")[0].strip().lower() not in _PAGES:
        return True
    # What is to be saved is not shown.
    return _is_attachment(response.fields)


def _is_document(fields: Fields) -> bool:
    """Tell whether it is for a window of its own."""
    if any(name in fields for name in _FETCH):
        return (fields.get("sec-fetch-dest") or "").lower() == "document" and (
            fields.get("sec-fetch-mode") or "navigate"
        ).lower() == "navigate"
    return _HTML.search(fields.combined("accept") or "") is not None


def _is_attachment(fields: Fields) -> bool:
    said = fields.get("content-disposition") or ""
    return said.partition(";")[0].strip().lower() == "attachment"
