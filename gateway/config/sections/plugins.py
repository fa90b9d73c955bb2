"""C{[plugins]}: which run, in which order, and what every plugin's table may say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from gateway.config.kind import Help, Hidden
from gateway.config.kinds.numbers import DurationKind
from gateway.config.sections.section import Section


class Rule(Section, frozen=True, kw_only=True):
    """The keys that every plugin's table may have beside its own."""

    fail: Annotated[
        Literal["", "closed", "open"],
        Help(
            'What happens to a request when the plugin fails on it: "closed" refuses it, "open" '
            "lets it go on without the "
            "plugin. Empty: what the plugin itself declares."
        ),
    ] = ""
    budget: Annotated[
        float,
        DurationKind(zero="as the plugin declares"),
        Help("Time that one call of the plugin may take before it counts as failed."),
    ] = 0.0


class Plugins(Section, frozen=True, kw_only=True):
    """
    The plugins and their order.

    `[plugins.NAME]` holds the settings of the plugin NAME; its README lists them.
    """

    enabled: Annotated[
        tuple[str, ...],
        Help(
            "The plugins that run, in the order in which they are asked; nothing else makes one "
            "run."
        ),
    ] = ("upload_limit",)
    tables: Annotated[Mapping[str, Mapping[str, Any]], Hidden()] = {}
    """C{[plugins.x]} as TOML gave it, C{fail} and C{budget} taken out; see L{gateway.config.load.load_plugin_settings}."""
    rules: Annotated[Mapping[str, Rule], Hidden()] = {}
    """C{fail} and C{budget} of each plugin that has a table."""

    def rule(self, name: str) -> Rule:
        """Give what the file says on failure and budget of a plugin."""
        return self.rules.get(name) or Rule()
