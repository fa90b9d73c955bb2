"""
Tells operators of origins that are down: once when it begins, and once when it is over.

What is down for people is not quite what is down for requests. An origin that failed is tried again each time a time out
is over, by one request; as long as that fails it has not come back. Sites that share an origin under one name have one
outage, which is over when it is for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from gateway.api.catalogue.service import ORIGIN_DOWN, ORIGIN_UP
from gateway.api.events import Event, Severity
from gateway.modes.balance import Pool
from gateway.modes.origins import OriginState


class Outages:
    """Those of one process's origins; they outlive reloads."""

    def __init__(self, tell: Callable[[Event], None]) -> None:
        """Begin with none."""
        self._tell = tell
        # By subject: those that are down, and told of.
        self._down: dict[str, set[OriginState]] = {}

    def watch(self, origins: Pool, site: str) -> None:
        """Tell of the origins of a site from now on."""
        origins.on_change = partial(self._changed, origins, site)

    def leave(self, pools: Iterable[Pool]) -> None:
        """Tell no more of these, as the configuration has changed; what is told of ends."""
        for origins in pools:
            origins.on_change = _ignored
            for state in origins.origins:
                for subject in [one for one, down in self._down.items() if state in down]:
                    site = subject.rpartition(" ")[0]
                    self._over(origins, site, state, "its site was changed or taken away")

    def _changed(self, origins: Pool, site: str, state: OriginState, why: str) -> None:
        if not state.up:
            self._begun(origins, site, state, why)
        elif not state.failures:
            # Else it gets the one request that shows whether it is back.
            self._over(origins, site, state, why)

    def _begun(self, origins: Pool, site: str, state: OriginState, why: str) -> None:
        subject = f"{site} {state.address}"
        down = self._down.setdefault(subject, set())
        if state in down:
            return
        down.add(state)
        if len(down) > 1:
            return
        up = sum(one.up for one in origins.origins)
        text = f"origin {state.address} of site {site}: {why}"
        if not up:
            text += "; no other one of this site works"
        severity = None if up else Severity.ERROR
        self._tell(ORIGIN_DOWN(text, subject, severity, **_values(origins, site, state, up)))

    def _over(self, origins: Pool, site: str, state: OriginState, why: str) -> None:
        subject = f"{site} {state.address}"
        down = self._down.get(subject)
        if down is None or state not in down:
            return
        down.remove(state)
        if down:
            return
        del self._down[subject]
        up = sum(one.up for one in origins.origins)
        text = f"origin {state.address} of site {site}: {why}"
        self._tell(ORIGIN_UP(text, subject, **_values(origins, site, state, up)))


def _values(origins: Pool, site: str, state: OriginState, up: int) -> dict[str, str]:
    return {
        "site": site,
        "address": state.address,
        "up": str(up),
        "origins": str(len(origins.origins)),
    }


def _ignored(state: OriginState, why: str) -> None:
    """Nobody is told."""
