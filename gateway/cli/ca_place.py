"""
What the commands below C{gateway ca} have in common: which folder is meant, and how a CA is described.
"""

from __future__ import annotations

import argparse
import os
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from gateway.cli.command import (
    NOT_DONE,
    add_json,
    overrides,
    show_config_error,
    write_json,
)
from gateway.config.faults import ConfigError
from gateway.config.folders import ca_folder, state_folder
from gateway.config.load import load

if TYPE_CHECKING:
    from gateway.net.authority import Authority, Generation


def add_place(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which CA is meant."""
    parser.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        help="the configuration file; without one the defaults hold",
    )
    # Ports and origins are of no interest here, and -o stands for a file.
    parser.set_defaults(port=None, origin=None)
    parser.add_argument(
        "--folder",
        metavar="DIR",
        help="the CA's folder; by default the one of the configuration",
    )
    add_json(parser)


def add_start(parser: argparse.ArgumentParser, days: int) -> None:
    """Add the options that say from when a CA signs."""
    when = parser.add_mutually_exclusive_group()
    when.add_argument(
        "--in-days",
        metavar="N",
        type=_days,
        default=days,
        help=f"sign from so many days on (default: {days}; at once if there is no CA yet)",
    )
    when.add_argument(
        "--from", dest="start", metavar="DATE", type=_day, help="sign from this day on (UTC)"
    )
    when.add_argument(
        "--now", dest="in_days", action="store_const", const=0, help="sign from now on"
    )


def start(options: argparse.Namespace, now: datetime) -> datetime:
    """Say from when the CA is to sign."""
    if options.start is not None:
        return datetime.combine(options.start, time(), UTC)
    return now + timedelta(days=options.in_days)


def opened(options: argparse.Namespace, err: TextIO) -> Authority:
    """
    Load the CA of a configuration; nothing is made.

    @raise ConfigError: the configuration has faults.
    @raise gateway.net.authority.AuthorityError: it can't be loaded, or the configuration names no folder.
    """
    from gateway.net.authority import Authority, AuthorityError
    from gateway.net.ca_generation import configured_profile

    profile = None
    folder = options.folder
    if not folder or options.config is not None:
        config = load(options.config, overrides(options))
        folder = folder or ca_folder(config.tls, state_folder(config, os.environ))
        profile = configured_profile(config.tls)
    if not folder:
        raise AuthorityError(
            "the configuration names no folder for the CA",
            mend="set tls.ca or gateway.state, or give --folder DIR",
        )
    return Authority(
        Path(folder), profile, warn=lambda warning: _say(err, f"warning: {warning}")
    ).load()


def described(authority: Authority, one: Generation) -> dict[str, object]:
    """Describe a CA, for JSON."""
    from gateway.net.ca_reading import key_kind

    return {
        "role": authority.role(one).value,
        "name": one.name,
        "sha256": one.fingerprint.hex(":").upper(),
        "key": key_kind(one.certificate),
        "has_key": one.key is not None,
        "signs_from": one.signs_from.isoformat(),
        "expires": one.expires.isoformat(),
        "days_left": (one.expires - authority.now()).days,
        "permitted": list(one.permitted),
        "excluded": list(one.excluded),
        "anchor_sha256": _anchor(one),
        "file": str(one.path),
    }


def show_error(
    error: ConfigError | Exception, options: argparse.Namespace, out: TextIO, err: TextIO
) -> int:
    """Write what is wrong, as C{options.json} wants it, and give the exit code."""
    if isinstance(error, ConfigError):
        return show_config_error(error, options, out, err)
    if options.json:
        fault = {
            "message": getattr(error, "message", str(error)),
            "path": getattr(error, "path", "") or None,
            "mend": getattr(error, "mend", "") or None,
        }
        write_json(out, {"ok": False, "faults": [fault]})
    else:
        _say(err, str(error))
    return NOT_DONE


def _anchor(one: Generation) -> str:
    from cryptography.hazmat.primitives.hashes import SHA256

    return one.anchor.fingerprint(SHA256()).hex(":").upper()


def _say(err: TextIO, line: str) -> None:
    err.write(line + "\n")


def _days(text: str) -> int:
    days = int(text)
    if not 0 <= days <= 3650:
        raise argparse.ArgumentTypeError("0 to 3650 days")
    return days


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("a day is written as 2027-01-31") from None
