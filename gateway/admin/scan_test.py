"""
The order C{scan_test}: a file of this machine is judged by the running gateway, as content that comes by would be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred

from gateway.admin.control import Answer, Order
from gateway.api.errors import PluginError
from gateway.api.services import Overloaded
from gateway.pipeline.examining import Examined, examine, job_of_file
from gateway.pipeline.run import Pipeline

#: Pieces that are told of one by one.
MOST_TOLD = 200


def scan_test_order(now: Callable[[], Pipeline], elsewhere: Callable[..., Deferred[Any]]) -> Order:
    """
    Make the order; C{file} is an absolute path that the gateway's user can read.

    @param now: gives the pipeline in use.
    @param elsewhere: runs a call in a thread.
    """

    async def carry_out(said: Mapping[str, Any]) -> Answer:
        path = said.get("file")
        if not isinstance(path, str) or not path.startswith("/") or "\0" in path:
            return _not_done("no file is named")
        pipeline = now()
        scanning = pipeline.scanning
        if scanning is None or pipeline.plans.scan_content is None:
            return _not_done("no plugin that is enabled scans content")
        try:
            job = await elsewhere(job_of_file, path, scanning.budget.per_object)
        except (OSError, Overloaded) as error:
            return _not_done(f"the gateway can't read it: {error}")
        try:
            examined = await examine(job, pipeline.plans, scanning)
        except PluginError as error:
            return _not_done(f"it can't be judged: {error}")
        return {"ok": True, "why": "", **_described(examined)}

    return carry_out


def _not_done(why: str) -> Answer:
    return {"ok": False, "why": why}


def _described(examined: Examined) -> Answer:
    answer = examined.answer
    return {
        "result": "not_judged" if answer is None else answer.token,
        "action": examined.action,
        "because": "" if answer is None else answer.why,
        "name": "" if answer is None else answer.name,
        "member": "" if answer is None else answer.member,
        "engine": "" if answer is None else answer.engine,
        "patterns": "" if answer is None else answer.patterns,
        "size": examined.size,
        "sha256": examined.sha256,
        "count": examined.count,
        "pieces": [
            {"member": piece.member, "size": piece.size, "said": piece.said}
            for piece in examined.pieces[:MOST_TOLD]
        ],
    }
