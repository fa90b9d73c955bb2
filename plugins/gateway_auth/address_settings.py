"""The settings of the IP user cache, C{[plugins.auth.addresses]}."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from gateway.api.settings import Duration, DurationKind, Help, Networks, NetworkSet, WholeKind


@dataclass(frozen=True, slots=True)
class AddressSettings:
    """C{[plugins.auth.addresses]}: how far an address is believed; for how long is said by C{ip_cache}."""

    guard: Annotated[
        bool,
        Help(
            "Notice addresses that several people share, and believe them no more. `false` is for tests that show what "
            "happens without it: users behind one address are then taken for each other."
        ),
    ] = True
    shared_for: Annotated[
        Duration, Help("So long an address counts as shared after the last sign of that.")
    ] = 3600.0
    probation: Annotated[
        float,
        DurationKind(zero="none"),
        Help(
            "So long after a user was first seen the address is not believed yet: everybody there is asked, so that a "
            "second user shows."
        ),
    ] = 30.0
    probation_every: Annotated[
        float,
        DurationKind(zero="only at the beginning"),
        Help("The probation is repeated at this interval, for users who come later."),
    ] = 300.0
    same_program: Annotated[
        bool,
        Help(
            "Believe an address only for programs with the User-Agent of one that has authenticated there. `false` lets "
            "programs in that can't authenticate, and those of a second user."
        ),
    ] = True
    shared_networks: Annotated[
        Networks,
        Help(
            "Networks in which an address never stands for one person: NAT, terminal servers, VPN.",
            '["10.9.0.0/16"]',
        ),
    ] = NetworkSet()
    trusted_proxies: Annotated[
        Networks,
        Help(
            "Downstream proxies, as in `network.trusted_proxies`: their own address stands for nobody. The addresses of "
            "clients that they name are believed as others are.",
            '["10.0.0.5"]',
        ),
    ] = NetworkSet()
    entries: Annotated[
        int,
        WholeKind(low=1, high=1_000_000),
        Help("Most addresses that are remembered, and most that are noted as shared."),
    ] = 50_000
