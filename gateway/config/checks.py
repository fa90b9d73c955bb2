"""
Faults that no single value shows: settings that do not go together.

Each check looks at the structs that were read and records what it finds; L{gateway.config.load} leaves out what only
follows from a fault found before.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.config.addresses import Listen
from gateway.config.clash import Clash
from gateway.config.faults import Path
from gateway.config.ports import PortSet
from gateway.config.schema import Config
from gateway.config.sections.site import Site
from gateway.config.tls import uses_tls

EVERY_SOURCE_PORT = PortSet([(1024, 65535)])


def clashes(config: Config) -> Iterator[Clash]:
    """Go through every check."""
    yield from _sites(config)
    yield from _listeners(config)
    yield from _duplicate_sites(config)
    yield from _ports(config)
    yield from _plugins(config)
    yield from _group(config)
    if uses_tls(config):
        from gateway.config import tls_checks  # only those who use TLS pay for its libraries

        yield from tls_checks.clashes(config)


def _sites(config: Config) -> Iterator[Clash]:
    for index, site in enumerate(config.site):
        if not site.origins:
            yield Clash(
                ("site", index, "origins"),
                "a site needs an origin",
                'origins = ["http://127.0.0.1:9000"]',
            )
        if not site.host:
            yield Clash(("site", index, "host"), "a site needs a host", '"*" takes every host')
        if not site.listen:
            yield Clash(
                ("site", index, "listen"), "a site needs a listener", 'listen = ["127.0.0.1:8000"]'
            )
        yield from _repeats(("site", index, "origins"), site.origins)
        yield from _repeats(("site", index, "host"), site.host)


def _listeners(config: Config) -> Iterator[Clash]:
    """Two listeners on one address; sites may share one when they agree on its options."""
    where = config.sources.where
    seen: list[tuple[Listen, Path]] = []
    places: list[tuple[Listen, Path]] = []
    if config.forward is not None:
        places += [
            (place, ("forward", "listen", index))
            for index, place in enumerate(config.forward.listen)
        ]
    for number, site in enumerate(config.site):
        places += [
            (place, ("site", number, "listen", index)) for index, place in enumerate(site.listen)
        ]
    if config.admin.health is not None:
        places.append((config.admin.health, ("admin", "health")))
    for place, path in places:
        for other, other_path in seen:
            if not place.overlaps(other):
                continue
            between_sites = path[0] == other_path[0] == "site" and path[:2] != other_path[:2]
            if between_sites and place == other:
                continue
            if between_sites and place.same_place(other):
                message = f"{place} has other options than in {where(other_path)}"
                yield Clash(path, message, "sites that share a listener say the same of it")
            elif place.same_place(other):
                yield Clash(
                    path, f"{place} is taken by {where(other_path)}", "give it another port"
                )
            else:
                message = f"{place} overlaps {other} of {where(other_path)}"
                yield Clash(path, message, "give it another port, or name the addresses one by one")
            break
        seen.append((place, path))


def _duplicate_sites(config: Config) -> Iterator[Clash]:
    seen: dict[tuple[Listen, str, str], int] = {}
    for number, site in enumerate(config.site):
        for index, host in enumerate(site.host):
            owners = {
                seen.setdefault((place, host, _prefix(site)), number) for place in site.listen
            } - {number}
            if owners:
                taken = config.sources.where(("site", min(owners)))
                message = f'"{host}" with path "{site.path}" is {taken} already'
                yield Clash(
                    ("site", number, "host", index),
                    message,
                    "join the two, or give one another path",
                )


def _ports(config: Config) -> Iterator[Clash]:
    network = config.network
    wanted = network.source_ports or EVERY_SOURCE_PORT
    if not wanted.without(network.exclude_ports):
        key = "source_ports" if network.source_ports else "exclude_ports"
        message = "no port is left once exclude_ports are taken out"
        yield Clash(("network", key), message, "widen source_ports or exclude fewer")


def _plugins(config: Config) -> Iterator[Clash]:
    yield from _repeats(("plugins", "enabled"), config.plugins.enabled)
    for index, name in enumerate(config.plugins.enabled):
        if not name.isidentifier():
            advice = name.removeprefix("gateway-").replace("-", "_")
            mend = f'"{advice}"' if advice.isidentifier() else "letters, digits and underscores"
            yield Clash(
                ("plugins", "enabled", index), f'"{name}" is not the name of a plugin', mend
            )


def _group(config: Config) -> Iterator[Clash]:
    if config.gateway.group and not config.gateway.user:
        yield Clash(("gateway", "group"), "a group without a user", 'add user = "..."')


def _repeats(path: Path, items: tuple[object, ...]) -> Iterator[Clash]:
    for index, item in enumerate(items):
        if item in items[:index]:
            yield Clash((*path, index), f"{item} stands here twice", "leave one out")


def _prefix(site: Site) -> str:
    """The path as it is matched: "/app" and "/app/" differ by nothing but the lone segment."""
    return site.path.rstrip("/") or "/"
