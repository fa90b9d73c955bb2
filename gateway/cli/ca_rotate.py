"""C{gateway ca rotate}: make the next CA, which signs when clients have had time to get it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, TextIO

from gateway.cli.ca_place import add_place, add_start, described, opened, show_error, start
from gateway.cli.command import DONE, FAULTY, NOT_DONE, write_json
from gateway.config.faults import ConfigError

if TYPE_CHECKING:
    from gateway.net.authority import Authority
    from gateway.net.ca_generation import CaProfile

NAME = "rotate"
SUMMARY = "make the next CA"
DESCRIPTION = """\
Makes a CA that is published at once and signs later, so that clients have both before they meet the new one. The
present one stays in the folder when it has retired; keys of those that retired before are destroyed. The new one is like
the present one (name, constraints) unless told otherwise. If there is none yet, the first is made and signs at once."""
EXAMPLES = """
  gateway ca rotate --config /etc/gateway/gateway.toml
      the next one signs in 30 days
  gateway ca rotate --folder /var/lib/gateway/ca --now
      at once, when the key may be known to others
  gateway ca rotate --folder /var/lib/gateway/ca --from 2027-03-01 --permit example.com --permit example.net
      one that can sign for names in two domains alone
"""
EXIT_CODES = {
    DONE: "made",
    NOT_DONE: "one is waiting already, or it could not be written",
    FAULTY: "the configuration has faults, or a wrong command line",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_place(parser)
    add_start(parser, 30)
    parser.add_argument("--name", help="what its name begins with (default: as before, Gateway CA)")
    parser.add_argument(
        "--permit",
        metavar="DOMAIN",
        action="append",
        help="sign for this domain and names below it alone; may be given again",
    )
    parser.add_argument(
        "--exclude",
        metavar="DOMAIN",
        action="append",
        help="never sign for this domain and names below it; may be given again",
    )
    parser.add_argument(
        "--unconstrained", action="store_true", help="sign for all names, whatever held before"
    )


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Make it."""
    from gateway.net.authority import AuthorityError, Role

    try:
        authority = opened(options, err)
        authority.profile = _profile(options, authority)
        if authority.generations:
            made = authority.rotate(start(options, authority.now()))
        else:
            made = authority.create()
    except (ConfigError, AuthorityError) as error:
        return show_error(error, options, out, err)
    if options.json:
        write_json(out, {"ok": True, "authority": described(authority, made)})
        return DONE
    out.write(f"{made.name} is made: {made.path}\nSHA-256 {made.fingerprint.hex(':').upper()}\n")
    if authority.role(made) is Role.NEXT:
        out.write(
            f"It signs from {made.signs_from:%Y-%m-%d %H:%M} UTC. Give it to the clients until then: "
            "gateway ca export\n"
        )
    else:
        out.write("It signs from now on. Give it to the clients: gateway ca export\n")
    out.write("A running gateway takes it with its next reload: gateway reload\n")
    return DONE


def _profile(options: argparse.Namespace, authority: Authority) -> CaProfile:
    """Make the profile of the next one: what is said here, else in the configuration, else what held before."""
    from gateway.net.ca_generation import CaProfile, profile_of

    like = configured = authority.profile
    if authority.generations:
        before = profile_of(authority.generations[-1])
        constrained = configured if configured.permitted or configured.excluded else before
        name = before.name if configured.name == CaProfile().name else configured.name
        like = CaProfile(name, constrained.permitted, constrained.excluded)
    said = bool(options.permit or options.exclude or options.unconstrained)
    return CaProfile(
        options.name or like.name,
        tuple(options.permit or ()) if said else like.permitted,
        tuple(options.exclude or ()) if said else like.excluded,
    )
