"""C{gateway tls pins}: names whose clients refuse the gateway's certificates, and what is passed on unread for that."""

from __future__ import annotations

import argparse
from typing import Any, TextIO

from gateway.cli.command import (
    DONE,
    FAULTY,
    NOT_DONE,
    add_config,
    add_json,
    show_answer,
    write_table,
)
from gateway.config.faults import BadValue
from gateway.config.hosts import host_name
from gateway.config.units import duration

NAME = "pins"
SUMMARY = "show names whose apps refuse to be decrypted, and pass them on unread for a time"
DESCRIPTION = """\
Lists each name for which three refusals of the gateway's certificate came within ten minutes from one family of clients
(those whose ClientHello looks alike). Where TRUSTING is 0, none of these clients has accepted the certificate for another
name since: they may not have pinned anything, but lack the gateway's CA.

A bypass lasts for the time that is said, or until the gateway is restarted. For good, put the name into
tls.never_decrypt."""
EXAMPLES = """
  gateway tls pins --config /etc/gateway/gateway.toml
      what is proposed, and what is passed on unread
  gateway tls pins --bypass api.example.com --for 8h
      passes connections to that host on unread, whichever client asks for it
  gateway tls pins --forget api.example.com
      ends that, and takes the proposal away
"""
EXIT_CODES = {
    DONE: "done",
    NOT_DONE: "no gateway answers, nothing is known of the name, or there are too many bypasses",
    FAULTY: "a wrong command line",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_config(parser)
    add_json(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--bypass", metavar="NAME", type=_host, help="pass connections to this host on unread"
    )
    which.add_argument(
        "--forget", metavar="NAME", type=_host, help="end the bypass and the proposal of this host"
    )
    parser.add_argument(
        "--for",
        dest="seconds",
        metavar="TIME",
        type=_time,
        help="with --bypass: for how long (default: 24h; 30d at the most)",
    )


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Ask or order, and show what there is then."""
    from gateway.cli.control import Unreachable, order

    said: dict[str, object] = {}
    if options.bypass:
        said["bypass"] = options.bypass
    if options.forget:
        said["forget"] = options.forget
    if options.seconds is not None:
        if not options.bypass:
            err.write("--for says how long a --bypass lasts\n")
            return FAULTY
        said["seconds"] = options.seconds
    try:
        answer = order(options, "tls_pins", **said)
    except Unreachable as error:
        answer = {"ok": False, "why": str(error), "pins": []}
    return show_answer(options, answer, out, err, lambda: _show(answer, out))


def _show(answer: dict[str, Any], out: TextIO) -> None:
    pins = answer["pins"]
    if pins:
        head = ("NAME", "FAMILY", "REFUSED", "CLIENTS", "TRUSTING", "FIRST", "LAST", "BYPASS")
        write_table(out, [head, *map(_row, pins)])
        out.write(
            "A bypass ends with the gateway's process at the latest; for good: tls.never_decrypt\n"
        )
    else:
        out.write("no app seems to have pinned a certificate, and no name is passed on for that\n")
    lacking = answer["clients_without_ca"]
    if lacking:
        out.write(
            f"{lacking} client{'' if lacking == 1 else 's'} refused every name and may lack the gateway's CA: "
            f"{', '.join(address or 'without address' for address in answer['addresses_without_ca'])}\n"
        )
    if answer["automatic"]:
        out.write(
            "tls.pinned_bypass is on: proposals with a trusting client are followed for 24 hours\n"
        )


def _row(pin: dict[str, Any]) -> tuple[str, ...]:
    bypass = pin["bypass"]
    return (
        pin["name"],
        pin["family"] or "every",
        str(pin["refusals"]),
        str(pin["clients"]),
        str(pin["trusting_clients"]),
        pin["first_seen"] or "-",
        pin["last_seen"] or "-",
        f"until {bypass['until']} ({bypass['by']})" if bypass else "no",
    )


def _host(text: str) -> str:
    try:
        return host_name(text)
    except BadValue as bad:
        raise argparse.ArgumentTypeError(bad.message) from None


def _time(text: str) -> float:
    try:
        seconds = duration(text)
    except BadValue as bad:
        raise argparse.ArgumentTypeError(bad.message) from None
    if not 0 < seconds <= 30 * 86400:
        raise argparse.ArgumentTypeError("more than nothing, and 30d at the most")
    return seconds
