"""
Alive and ready: two questions a load balancer or an orchestrator asks again and again.

F{/healthz} answers while the process turns its reactor; who restarts a hung process asks there. F{/readyz} answers
whether traffic should come here now: it fails at once when the gateway drains, and while a named check fails. A check
is a plain call that must not wait: whoever has slow news keeps it in an attribute and lets the check read that.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeAlias

from twisted.logger import Logger
from twisted.web.http import OK, SERVICE_UNAVAILABLE
from twisted.web.iweb import IRequest

from gateway.admin.page import Page

#: Gives C{None} if all is well, else one short sentence.
Check: TypeAlias = Callable[[], str | None]


class Readiness:
    """
    The checks behind F{/readyz}.

    @ivar draining: set when the gateway begins to drain; from then on it is not ready.
    """

    _log = Logger()

    def __init__(self) -> None:
        self.draining = False
        self._checks: dict[str, Check] = {}

    def add(self, name: str, check: Check) -> None:
        """
        Add a check.

        @param name: one word of lower case, such as C{listeners}; a check of the same name is replaced.
        """
        self._checks[name] = check

    def remove(self, name: str) -> None:
        """Take a check away; not an error if there is none."""
        self._checks.pop(name, None)

    def report(self) -> dict[str, str | None]:
        """Give what each check says, in the order they were added, with C{draining} at the head."""
        found: dict[str, str | None] = {"draining": "the gateway stops" if self.draining else None}
        for name, check in self._checks.items():
            try:
                found[name] = check()
            except Exception:
                self._log.failure("the readiness check {name} failed", name=name)
                found[name] = "the check itself failed"
        return found

    @property
    def is_ready(self) -> bool:
        """Tell whether traffic should come here."""
        return not any(self.report().values())


class HealthPage(Page):
    """F{/healthz}."""

    def answer(self, request: IRequest) -> tuple[int, bytes, bytes]:
        """Say that the process is alive, which it is if it says so."""
        return OK, b"text/plain; charset=utf-8", b"ok\n"


class ReadyPage(Page):
    """F{/readyz}: 200 or 503, as text, or as JSON for who asks for it with C{Accept}."""

    def __init__(self, readiness: Readiness) -> None:
        super().__init__()
        self._readiness = readiness

    def answer(self, request: IRequest) -> tuple[int, bytes, bytes]:
        """Ask all checks and list what they say."""
        report = self._readiness.report()
        is_ready = not any(report.values())
        status = OK if is_ready else SERVICE_UNAVAILABLE
        if b"application/json" in (request.getHeader(b"accept") or b""):
            checks = {name: {"ok": not why, "why": why or ""} for name, why in report.items()}
            body = json.dumps({"ready": is_ready, "checks": checks}, indent=1)
            return status, b"application/json", f"{body}\n".encode()
        lines = ["ready" if is_ready else "not ready"]
        lines += [
            f"{'failed' if why else 'ok':7s}{name}{f': {why}' if why else ''}"
            for name, why in report.items()
        ]
        return status, b"text/plain; charset=utf-8", "\n".join([*lines, ""]).encode()
