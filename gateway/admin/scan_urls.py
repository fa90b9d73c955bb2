"""
The order C{scan_urls}: which URLs are remembered to have given malware, and how they are forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.admin.control import Answer, Order
from gateway.admin.moments import moment
from gateway.pipeline.infected import InfectedUrls, Listed

#: So many are named at the most.
MOST_LISTED = 1000


def scan_urls_order(now: Callable[[], InfectedUrls]) -> Order:
    """
    Make the order: C{purge} names a URL, or is C{True} for all of them; without it, it is a question.

    @param now: gives the memory of the configuration in use.
    """

    async def carry_out(said: Mapping[str, Any]) -> Answer:
        urls = now()
        if "purge" not in said:
            listed = urls.list()
            return {
                "ok": True,
                "why": "",
                "most": urls.max,
                "count": len(listed),
                "urls": [_described(one) for one in listed[:MOST_LISTED]],
            }
        which = said["purge"]
        if which is not True and not isinstance(which, str):
            return {"ok": False, "why": "no URL is named"}
        return {"ok": True, "why": "", "purged": urls.purge(None if which is True else which)}

    return carry_out


def _described(one: Listed) -> dict[str, object]:
    judged = one.judged
    return {
        "url": one.url,
        "known_by": one.known_by,
        "reason": judged.token,
        "name": judged.name,
        "member": judged.member or None,
        "engine": judged.engine,
        "patterns": judged.patterns or None,
        "found": moment(judged.found),
        "left_seconds": int(one.left_seconds),
        "refused": one.refused,
    }
