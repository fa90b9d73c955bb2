"""C{gateway tls explain}: whether TLS with a host would be decrypted, and by which setting."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, TextIO

from gateway.cli.command import (
    DONE,
    FAULTY,
    add_config,
    add_json,
    overrides,
    show_config_error,
    write_json,
)
from gateway.config.faults import BadValue, ConfigError
from gateway.config.hosts import HostSet, host_name
from gateway.config.load import load
from gateway.config.networks import is_address

if TYPE_CHECKING:
    from gateway.config.sections.tls import Tls

NAME = "explain"
SUMMARY = "say whether TLS with a host would be decrypted, and why"
DESCRIPTION = """\
Says what the configuration makes of a tunnel (CONNECT) to a host in which the client asks for the same name. Nothing
is connected and no gateway is asked: what it has learnt of pinned apps is shown by gateway tls pins. Plugins with the hook
client_hello are named; what they would say is known only when they are asked."""
EXAMPLES = """
  gateway tls explain www.example.com --config /etc/gateway/gateway.toml
      decrypted or passed on, and the setting that says so
  gateway tls explain 192.0.2.7 --server-name www.example.com --json
      a tunnel to an address in which the client asks for a name, for a program
"""
EXIT_CODES = {DONE: "explained", FAULTY: "the configuration has faults, or a wrong command line"}

_WHAT = {"intercept": "decrypted", "tunnel": "passed on unread", "block": "refused"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("host", metavar="HOST", type=_host, help="the host of the CONNECT")
    parser.add_argument(
        "--server-name",
        metavar="NAME",
        type=_host,
        help="the name that the client asks for in TLS (SNI), if it is another one",
    )
    add_config(parser)
    add_json(parser)


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Load the configuration, decide, and say why."""
    from gateway.api.answers import ClientHello
    from gateway.cli.installed import compiled
    from gateway.modes.decryption import Decryption

    host: str = options.host
    # An address is never a server name (RFC 6066 section 3).
    name: str = options.server_name or ("" if is_address(host) else host)
    try:
        config = load(options.config, overrides(options))
        plugins = [step.plugin for step in compiled(config).steps if step.hook == "client_hello"]
    except ConfigError as error:
        return show_config_error(error, options, out, err)
    decision = Decryption(config.tls).decide(host, ClientHello(name), None)
    pattern = _pattern(config.tls, decision.why, host, name)
    if options.json:
        write_json(
            out,
            {
                "ok": True,
                "host": host,
                "server_name": name,
                "decision": decision.kind,
                "why": decision.why,
                "pattern": pattern or None,
                "plugins": plugins,
            },
        )
        return DONE
    out.write(f"{host}: {_WHAT[decision.kind]}\n{_reason(config.tls, decision.why, pattern)}\n")
    if plugins and decision.why != "never_decrypt":
        out.write(f"unless a plugin says otherwise, these are asked: {', '.join(plugins)}\n")
    elif plugins:
        out.write(f"whatever plugins say, but they may refuse it: {', '.join(plugins)}\n")
    return DONE


def _pattern(tls: Tls, why: str, *names: str) -> str:
    """Find the pattern that decided; empty if none did."""
    hosts = {"never_decrypt": tls.never_decrypt, "decrypt_hosts": tls.decrypt_hosts}.get(why)
    for pattern in () if hosts is None else hosts.patterns:
        alone = HostSet((pattern,))
        if any(name in alone for name in names if name):
            return pattern
    return ""


def _reason(tls: Tls, why: str, pattern: str) -> str:
    if pattern:
        return f'tls.{why} has "{pattern}"'
    if why == "not_listed":
        return 'tls.decrypt is "rules", and tls.decrypt_hosts does not name it'
    return f'tls.decrypt is "{tls.decrypt}"'


def _host(text: str) -> str:
    try:
        return host_name(text)
    except BadValue as bad:
        raise argparse.ArgumentTypeError(bad.message) from None
