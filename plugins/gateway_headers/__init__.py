"""
Set, add and remove fields of requests and responses; restrict accounts and searches of well-known services by them.

A field that is set replaces what the client sent of that name, so that nobody gets round a restriction by sending the field
himself. What the gateway owns (framing, hop-by-hop fields, C{Host}, C{Via} and the like) can't be written; that is found
when the settings are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from gateway.api import (
    Caution,
    Plugin,
    Respond,
    Services,
    Surroundings,
    Transaction,
    hookimpl,
)
from gateway.api.settings import Help
from gateway_headers.presets import Tenants, tenant_rules
from gateway_headers.rules import Rule, RuleSet
from gateway_headers.safe_search import Engine, safe_location

__all__ = ["Headers", "HeadersSettings", "plugin"]


@dataclass(frozen=True, slots=True)
class HeadersSettings:
    """C{[plugins.headers]}."""

    rule: Annotated[
        tuple[Rule, ...],
        Help("What is done to which messages. Every rule that matches is applied, in this order."),
    ] = ()
    tenants: Annotated[
        Tenants, Help("Which organisations' accounts may be used with well-known services.")
    ] = Tenants()
    safe_search: Annotated[
        tuple[Engine, ...],
        Help(
            "Search engines whose searches are sent back with their strict filter in the query.",
            '["google", "bing", "duckduckgo"]',
        ),
    ] = ()


class Headers(Plugin):
    """Change fields by rules."""

    name = "headers"
    Settings = HeadersSettings

    settings: HeadersSettings

    def __init__(self, settings: HeadersSettings, services: Services) -> None:
        super().__init__(settings, services)
        # Restrictions come last, so that no rule of the operators' undoes one by mistake.
        rules = (*settings.rule, *tenant_rules(settings.tenants))
        self._requests = RuleSet(rule for rule in rules if rule.direction == "request")
        self._responses = RuleSet(rule for rule in rules if rule.direction == "response")

    def review(self, around: Surroundings) -> Iterator[Caution]:
        """Say what can't be done, as it would have to be done in TLS."""
        if around.decrypt != "none" or not around.of_mode("forward"):
            return
        settings = self.settings
        https = "over https, of which nothing is decrypted"
        mend = 'tls.decrypt = "rules", with the hosts in tls.decrypt_hosts'
        if any(tenant_rules(settings.tenants)):
            yield Caution(
                f"nobody is restricted {https}: these services speak nothing else",
                ("tenants",),
                mend,
            )
        if settings.safe_search:
            yield Caution(f"no search is made safe {https}", ("safe_search",), mend)
        # With sites, the rules may be about those alone.
        if settings.rule and not around.of_mode("reverse"):
            count = len(settings.rule)
            rules = "1 rule has" if count == 1 else f"{count} rules have"
            yield Caution(f"{rules} no effect {https}", ("rule",), mend)

    @hookimpl()
    def request_headers(self, txn: Transaction) -> Respond | None:
        """Change the request's fields, or send a search back to its strict form."""
        request = txn.request
        # The fields of a CONNECT end here: what is within the tunnel is another message, seen only if it is decrypted.
        if request.raw_method == b"CONNECT":
            return None
        if self.settings.safe_search:
            response = safe_location(self.settings.safe_search, request)
            if response is not None:
                txn.notes["headers"] = "safe_search"
                return Respond(response)
        self._requests.apply(request, request.fields)
        return None

    @hookimpl()
    def response_headers(self, txn: Transaction) -> None:
        """Change the response's fields."""
        assert txn.response is not None
        self._responses.apply(txn.request, txn.response.fields)


plugin = Headers
