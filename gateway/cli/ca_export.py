"""C{gateway ca export}: the certificate of the CA, as clients want it; never its key."""

from __future__ import annotations

import argparse
import sys
from typing import TextIO

from gateway.cli.ca_place import add_place, opened, show_error
from gateway.cli.command import DONE, FAULTY, NOT_DONE, write_json
from gateway.config.faults import ConfigError
from gateway.pipeline.ca_formats import FORMATS, PublishedCa, export, fingerprint

NAME = "export"
SUMMARY = "write the CA's certificate for clients"
DESCRIPTION = """\
Writes the certificate that clients have to trust, and during a rotation the next one with it; of an imported CA the
root above it, if it is known. The key is never written. Formats:
""" + "\n".join(f"  {one.name:<13} {one.what}" for one in FORMATS.values())
EXAMPLES = """
  gateway ca export --config /etc/gateway/gateway.toml > gateway-ca.pem
      as PEM
  gateway ca export --folder /var/lib/gateway/ca --format mobileconfig --output gateway-ca.mobileconfig
      a profile for iPhone, iPad and Mac
  gateway ca export --folder /var/lib/gateway/ca --format der --retired --output old.crt
      the CA before the present one, for a client that has to know it still
"""
EXIT_CODES = {
    DONE: "written",
    NOT_DONE: "there is no such CA, or it could not be written",
    FAULTY: "the configuration has faults, or a wrong command line",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_place(parser)
    parser.add_argument(
        "-f", "--format", choices=[*FORMATS], default="pem", help="the format (default: pem)"
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", default="-", help="where to (default: -, standard output)"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--next", action="store_true", help="the next CA alone")
    which.add_argument("--retired", action="store_true", help="the last one that has retired")


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Load the CA and write it."""
    from gateway.net.authority import AuthorityError, Role

    try:
        authority = opened(options, err)
    except (ConfigError, AuthorityError) as error:
        return show_error(error, options, out, err)
    chosen: tuple[PublishedCa, ...]
    if options.retired:
        chosen = authority.published(Role.RETIRED)[-1:]
    elif options.next:
        chosen = authority.published(Role.NEXT)
    else:
        chosen = authority.published()
    if not chosen:
        missing = AuthorityError("there is no such CA", authority.folder, "gateway ca show")
        return show_error(missing, options, out, err)
    content = export(options.format, chosen)
    try:
        _write(options.output, content, out)
    except OSError as error:
        err.write(f"{options.output} can't be written: {error.strerror}\n")
        return NOT_DONE
    if options.output != "-":
        held = chosen if FORMATS[options.format].several else chosen[:1]
        if options.json:
            names = [{"name": one.name, "sha256": fingerprint(one)} for one in held]
            write_json(out, {"ok": True, "file": options.output, "authorities": names})
        else:
            out.writelines(
                f"{options.output}: {one.name}, SHA-256 {fingerprint(one)}\n" for one in held
            )
    return DONE


def _write(name: str, content: bytes, out: TextIO) -> None:
    if name != "-":
        with open(name, "wb") as stream:
            stream.write(content)
    elif out is sys.stdout:
        out.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    else:
        # A stream of text, as in tests: every byte as the character of its number.
        out.write(content.decode("latin-1"))
