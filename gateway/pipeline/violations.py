"""
Which refusals operators are told of as events: those of policy. It is looked at a transaction that was refused, at its end.

What scans refuse is told where it is judged, for it is told of what passes, too; logins are the daily business of whoever
asks for them; and what fails here, as a 5xx says, is no policy.
"""

from __future__ import annotations

from gateway.api.catalogue.security import POLICY_VIOLATION, UPLOAD_REFUSED
from gateway.api.events import Event
from gateway.api.transaction import Transaction
from gateway.api.verdicts import Block, Verdict
from gateway.pipeline.findings import plain

#: What an operator's rules forbid is found by a scan, but is none of malware.
_FORBIDDEN = "scan_forbidden"


def violation(txn: Transaction, verdict: Verdict) -> Event | None:
    """Make the event of a transaction that ended with this verdict; C{None}: it is none for people."""
    if not isinstance(verdict, Block):
        return None
    status, category = verdict.status, verdict.category
    if status >= 500 or status in (401, 407) or category == "auth":
        return None
    if category.startswith("scan_") and category != _FORBIDDEN:
        return None
    request = txn.request
    kind = UPLOAD_REFUSED if status == 413 else POLICY_VIOLATION
    said = {"category": plain(category)} if category else {}
    return kind(
        f"refused: {request.host}: {plain(verdict.why)}",
        txn.client.address,
        status=str(status),
        id=txn.id,
        url=request.url.partition("?")[0],
        **said,
    )
