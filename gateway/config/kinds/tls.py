"""Kinds of values that only TLS has: hosts that a certificate is for, fingerprints, days on which an exception ends."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from typing import Any

from gateway.config.faults import BadValue
from gateway.config.hosts import host_name, site_host
from gateway.config.kind import Kind, kind_name
from gateway.config.kinds.sets import HostsKind
from gateway.config.networks import is_address


def exact_host(text: str) -> str:
    """
    Check the host of an exception: a name or an address, no pattern.

    @raise BadValue: for anything else.
    """
    if "*" in text:
        raise BadValue(f'"{text}" is a pattern', "an exception is for one host")
    return host_name(text)


def presented_host(text: str) -> str:
    """
    Check the host that a client certificate is for: a name, C{*.name} or an address.

    @raise BadValue: for anything else, "*" too: who shows a certificate tells who it is.
    """
    if text == "*":
        raise BadValue('"*" would show the certificate to everybody who asks', "name the servers")
    return site_host(text)


def signed_domain(text: str) -> str:
    """
    Check a domain that the CA is constrained to.

    @raise BadValue: for what is no domain; names below it are included without a star.
    """
    if "*" in text or text.startswith("."):
        raise BadValue(f'"{text}" is a pattern', "a domain holds for all names below it, too")
    name = host_name(text)
    if is_address(name):
        raise BadValue(f'"{text}" is an address', "a CA is constrained to domains")
    return name


def ca_name(text: str) -> str:
    """
    Check what the names of the gateway's CAs begin with.

    @raise BadValue: when it is empty, too long, or holds what cannot be shown.
    """
    if not re.fullmatch(r"[^\x00-\x1f\x7f]{1,55}", text) or not text.strip():
        raise BadValue(f"{text!r} cannot be the name of a CA", "1 to 55 printable characters")
    return text


def verified_host(text: str) -> str:
    """
    Check the name that origins are verified by; empty: the host of the origin.

    @raise BadValue: for what is no host.
    """
    return exact_host(text) if text else ""


def fingerprint(text: str) -> str:
    """
    Check a SHA-256 fingerprint, with or without colons, and give its 64 digits in lower case.

    @raise BadValue: when it is none.
    """
    digits = text.strip().lower().removeprefix("sha256:").replace(":", "")
    if len(digits) == 64 and not digits.strip("0123456789abcdef"):
        return digits
    if not text:
        return ""
    raise BadValue(
        f'"{text}" is no SHA-256 fingerprint',
        "64 hexadecimal digits, as `openssl x509 -noout -fingerprint -sha256` writes them",
    )


@dataclass(frozen=True, slots=True)
class ListedHostsKind(HostsKind):
    """Host patterns of a list that is to have categories as well."""

    @staticmethod
    def pattern(text: str) -> str:
        """
        Check one pattern.

        @raise BadValue: also for C{@name}: a category needs a plugin that has its list.
        """
        if text.startswith("@"):
            raise BadValue(
                f'"{text}" is a category, whose list a plugin brings; none does so in this version',
                'name the hosts: "bank.example.com", "*.bank.example.com"',
            )
        return HostsKind.pattern(text)


@dataclass(frozen=True, slots=True)
class DayKind(Kind):
    """A day, as a C{datetime.date}."""

    name = "day"

    def read(self, raw: object, place: Any) -> datetime.date:
        """Take a date of TOML, or the same as a string."""
        if isinstance(raw, datetime.date) and not isinstance(raw, datetime.datetime):
            return raw
        if isinstance(raw, str):
            try:
                return datetime.date.fromisoformat(raw)
            except ValueError:
                pass
            raise BadValue(f'"{raw}" is not a day', "year, month and day: 2027-12-31")
        raise BadValue(f"expected a day, found {kind_name(raw)}", "2027-12-31")

    def toml(self, value: Any) -> str:
        """Write a date of TOML."""
        return str(value.isoformat())
