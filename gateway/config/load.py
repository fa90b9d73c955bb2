"""
Load a configuration: files and command line in, one frozen L{Config} or every fault out.

Precedence: command line > node.toml > conf.d/*.toml > gateway.toml > the defaults in L{gateway.config.sections}.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from msgspec.structs import replace

from gateway.config.addresses import Listen, origin
from gateway.config.checks import clashes
from gateway.config.faults import BadValue, ConfigError, Fault
from gateway.config.kind import Faulty, Place, Survey, kind_name
from gateway.config.layers import File, Sources, file_names, read_files
from gateway.config.ports import port
from gateway.config.reading import fields_of, read_table
from gateway.config.schema import Config
from gateway.config.sections.forward import Forward
from gateway.config.sections.plugins import Plugins, Rule
from gateway.config.sections.site import INHERIT, Site

T = TypeVar("T")

COMMAND_LINE = "command line"


def load(
    path: str | None = None,
    overrides: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    further: Callable[[Config], Iterable[Fault]] | None = None,
) -> Config:
    """
    Load the configuration.

    @param path: the file, read together with C{conf.d/*.toml} and C{node.toml} beside it; None reads no file at all.
    @param overrides: what the command line says. C{"port"} moves the forward listener (with C{"origin"}: the site's),
        C{"origin"} starts a reverse proxy to that URL alone; any other key is the dotted name of a setting, as in
        C{{"limits.upload": "1MiB"}}. A None is no override.
    @param environ: where C{{ env = ... }} and the systemd credentials are looked up; the process's own by default.
    @param further: looks for faults that only its caller can know of, such as those in the settings of plugins. It is
        given the configuration even when faults were found in it: with the defaults in their place.
    @raise ConfigError: with every fault at once.
    """
    said = {key: value for key, value in (overrides or {}).items() if value is not None}
    moved_to, origin_url = said.pop("port", None), said.pop("origin", None)
    files, faults = read_files(path) if path is not None else ([], [])
    is_partial = bool(faults)
    if said:
        files.append(File(COMMAND_LINE, "", _tree(said)))
    sources = Sources(files)
    tree = sources.merge()
    survey = Survey(sources, os.environ if environ is None else environ)

    config = _read(tree, Place(survey), sources)
    config = _try_origin(config, origin_url, moved_to, faults) if origin_url is not None else config
    config = (
        _move(config, moved_to, faults) if moved_to is not None and origin_url is None else config
    )
    config = _inherit(config)
    if not is_partial:  # what stands in an unread file cannot be missed
        for clash in list(clashes(config)):
            if not survey.is_faulty(clash.path):
                survey.add(clash.path, clash.message, clash.mend)
    faults += [sources.fault(*found) for found in survey.found]
    if further is not None:
        faults += further(config)
    if faults:
        raise ConfigError(_ordered(faults, file_names(path) if path is not None else []))
    return config


def load_plugin_settings(
    config: Config, name: str, struct: type[T], environ: Mapping[str, str] | None = None
) -> T:
    """
    Read C{[plugins.NAME]} into the plugin's own struct, with the same faults as for the gateway's own settings.

    @param struct: a frozen C{msgspec.Struct} or dataclass, annotated like those of L{gateway.config.sections}; a class
        without fields takes no settings.
    @raise ConfigError: with every fault of that table.
    """
    survey = Survey(config.sources, os.environ if environ is None else environ)
    place = Place(survey, ("plugins", name))
    settings = read_table(struct, dict(config.plugins.tables.get(name, {})), place)
    if survey.found or isinstance(settings, Faulty):
        raise ConfigError(config.sources.fault(*found) for found in survey.found)
    return settings


def _read(tree: dict[str, Any], place: Place, sources: Sources) -> Config:
    """Read the tree; faulty parts come out as their defaults, with the fault recorded."""
    rest = dict(tree)
    plugins, raw_plugins = Plugins(), rest.pop("plugins", {})
    raw_sites = rest.get("site", [])
    if isinstance(raw_sites, dict):
        place.child("site").fault("is one table", "write [[site]], with two brackets")
        raw_sites = rest.pop("site")
    if isinstance(raw_plugins, dict):
        plugins = _read_plugins(raw_plugins, place.child("plugins"))
    else:
        found = kind_name(raw_plugins)
        place.child("plugins").fault(f"expected a table, found {found}", "write [plugins]")
    config = read_table(Config, rest, place)
    if isinstance(config, Faulty):
        raise AssertionError("every section has a default")
    forward = config.forward
    if ("forward" not in tree and raw_sites) or (forward is not None and not forward.listen):
        forward = None
    return replace(config, forward=forward, plugins=plugins, sources=sources)


def _read_plugins(raw: dict[str, Any], place: Place) -> Plugins:
    own = {field.key for field in fields_of(Plugins)}
    rules: dict[str, Rule] = {}
    tables: dict[str, dict[str, Any]] = {}
    for name, table in raw.items():
        if name in own or not isinstance(table, dict):
            continue
        reserved = {field.key for field in fields_of(Rule)}
        rule = read_table(
            Rule, {key: table[key] for key in table if key in reserved}, place.child(name)
        )
        if not isinstance(rule, Faulty):
            rules[name] = rule
        tables[name] = {key: value for key, value in table.items() if key not in reserved}
    plugins = read_table(
        Plugins, {key: value for key, value in raw.items() if key not in tables}, place
    )
    return replace(
        Plugins() if isinstance(plugins, Faulty) else plugins, tables=tables, rules=rules
    )


def _try_origin(config: Config, url: object, number: object, faults: list[Fault]) -> Config:
    """Put aside what the file says of proxies; one site takes every host to one origin."""
    listen = Listen("127.0.0.1", _port(8080 if number is None else number, faults))
    try:
        site = Site(origins=(origin(str(url)),), listen=(listen,))
    except BadValue as error:
        faults.append(Fault(error.message, "--origin", COMMAND_LINE, mend=error.mend))
        return config
    return replace(config, forward=None, site=(site,))


def _move(config: Config, number: object, faults: list[Fault]) -> Config:
    """Give the first TCP listener of the forward proxy another port."""
    found = _port(number, faults)
    if config.forward is not None:
        places = list(config.forward.listen)
        for index, place in enumerate(places):
            if place.kind == "tcp":
                places[index] = Listen(
                    place.address, found, place.proxy_protocol, place.max_connections
                )
                return replace(config, forward=replace(config.forward, listen=tuple(places)))
    mend = (
        "add [forward], or say --origin"
        if config.forward is None
        else 'it listens on "unix:" or "systemd:" only'
    )
    faults.append(Fault("there is no forward listener to move", "--port", COMMAND_LINE, mend=mend))
    return config


def _port(number: object, faults: list[Fault]) -> int:
    try:
        return port(int(number) if isinstance(number, str) and number.isdecimal() else number)
    except BadValue as error:
        faults.append(Fault(error.message, "--port", COMMAND_LINE, mend=error.mend))
        return Forward().listen[0].port


def _inherit(config: Config) -> Config:
    """Put the general limit where a site does not say its own."""
    sites = tuple(
        replace(site, upload=config.limits.upload) if site.upload == INHERIT else site
        for site in config.site
    )
    return replace(config, site=sites)


def _tree(said: Mapping[str, object]) -> dict[str, Any]:
    """Turn dotted names into nested tables."""
    tree: dict[str, Any] = {}
    for name, value in said.items():
        *tables, key = name.split(".")
        table = tree
        for step in tables:
            table = table.setdefault(step, {})
        table[key] = value
    return tree


def _ordered(faults: list[Fault], names: list[str]) -> list[Fault]:
    """Order by file as they are laid over one another, then by line."""
    rank = {name: index for index, name in enumerate(names)}
    return sorted(faults, key=lambda fault: (rank.get(fault.file, -1), fault.line))
