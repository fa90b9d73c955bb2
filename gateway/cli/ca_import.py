"""C{gateway ca import}: take a CA of one's own, PEM or PKCS#12."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path
from typing import TextIO

from gateway.cli.ca_place import add_place, add_start, described, opened, show_error, start
from gateway.cli.command import DONE, FAULTY, NOT_DONE, write_json
from gateway.config.faults import ConfigError

NAME = "import"
SUMMARY = "take a CA of one's own, with its key"
DESCRIPTION = """\
Checks a CA and takes it over: PEM with key and certificates, or PKCS#12. It has to be a CA (basicConstraints, keyUsage),
valid today, with its own key, RSA of 2048 bits or more or EC; what is above it in the file is kept and sent along. It
signs at once, as clients trust it already, unless told otherwise. A passphrase is read from a file or asked for."""
EXAMPLES = """
  gateway ca import company-ca.p12 --config /etc/gateway/gateway.toml
      asks for the passphrase
  gateway ca import ca.pem --key ca.key --folder /var/lib/gateway/ca --in-days 14
      certificate and key in two files, to sign in two weeks
"""
EXIT_CODES = {
    DONE: "taken over",
    NOT_DONE: "it can't be the gateway's CA, or could not be written",
    FAULTY: "the configuration has faults, or a wrong command line",
}

_MAX_BYTES = 1024 * 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("file", metavar="FILE", help="PEM or PKCS#12")
    parser.add_argument("--key", metavar="FILE", help="the key, if it is not in FILE (PEM)")
    parser.add_argument(
        "--passphrase-file", metavar="FILE", help="first line: the passphrase; - is standard input"
    )
    add_place(parser)
    add_start(parser, 0)


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Read, check and take over."""
    from gateway.net.authority import AuthorityError
    from gateway.net.ca_reading import read_material, self_signed

    try:
        content = _read(options.file)
        key = _read(options.key) if options.key else None
        passphrase = _passphrase(options, content, key)
        authority = opened(options, err)
        material = read_material(content, options.file, passphrase=passphrase, key=key)
        taken = authority.adopt(material, start(options, authority.now()))
    except (ConfigError, AuthorityError) as error:
        return show_error(error, options, out, err)
    except OSError as error:
        err.write(f"{error.filename} can't be read: {error.strerror}\n")
        return NOT_DONE
    if not self_signed(taken.anchor):
        err.write(
            "warning: the root above it is not in the file; clients have to trust it already\n"
        )
    if options.json:
        write_json(out, {"ok": True, "authority": described(authority, taken)})
    else:
        out.write(
            f"{taken.name} is taken over: {taken.path}, signs from {taken.signs_from:%Y-%m-%d}\n"
        )
        out.write("A running gateway takes it with its next reload: gateway reload\n")
    return DONE


def _read(name: str) -> bytes:
    with Path(name).open("rb") as stream:
        return stream.read(_MAX_BYTES)


def _passphrase(options: argparse.Namespace, content: bytes, key: bytes | None) -> bytes | None:
    """Give the passphrase; it is never taken from the command line, which others can see."""
    name: str | None = options.passphrase_file
    if name == "-":
        return sys.stdin.readline().rstrip("\r\n").encode()
    if name:
        with Path(name).open(encoding="utf-8") as stream:
            return stream.readline().rstrip("\r\n").encode()
    encrypted = b"ENCRYPTED" in (key or content) or b"-----BEGIN" not in content
    if encrypted and sys.stdin.isatty():
        return getpass.getpass(f"passphrase of {options.key or options.file}: ").encode() or None
    return None
