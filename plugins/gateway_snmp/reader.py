"""
Reading the gateway's own numbers from its F{/metrics}, in a thread or a process that may wait.

Only what is needed of Prometheus' text format is read; the gateway wrote it.
"""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from gateway_snmp.settings import Address

_MOST_BYTES: Final = 8 << 20
_SAMPLE: Final = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
_DECLARED: Final = re.compile(r"^# TYPE (\S+) (?:counter|gauge)$", re.MULTILINE)
_LABEL: Final = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
_ESCAPED: Final = re.compile(r"\\(.)")


class NoNumbers(Exception):
    """The gateway gives none; the text says why."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One number of a metric."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Samples:
    """
    What was read at one time, by the names of the metrics.

    @ivar config_hash: of the configuration; empty: not known.
    """

    of: Mapping[str, list[Sample]]
    config_hash: str = ""

    def total(self, name: str, labels: Mapping[str, str] | None = None) -> float | None:
        """Add up the samples that have these labels; C{None}: there is no such metric."""
        found = self.of.get(name)
        if found is None:
            return None
        wanted = (labels or {}).items()
        return sum(one.value for one in found if wanted <= one.labels.items())

    def label(self, name: str, label: str) -> str:
        """Give a label of the first sample of a metric; empty: there is none."""
        found = self.of.get(name)
        return found[0].labels.get(label, "") if found else ""


def parse(text: str) -> Samples:
    """Read the text; lines that are none of ours are left out."""
    # What is declared is there, though nothing may have been counted yet.
    of: dict[str, list[Sample]] = {name: [] for name in _DECLARED.findall(text)}
    for name, labels, value in _lines(text):
        of.setdefault(name, []).append(Sample(labels, value))
    return Samples(of)


def _lines(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    for line in text.splitlines():
        found = None if line.startswith("#") else _SAMPLE.fullmatch(line)
        if found is None:
            continue
        name, labels, value = found.groups()
        try:
            number = float(value)
        except ValueError:
            continue
        if number - number == 0:  # neither infinite nor no number
            yield name, {key: _plain(said) for key, said in _LABEL.findall(labels or "")}, number


def _plain(said: str) -> str:
    return _ESCAPED.sub(lambda found: "\n" if found[1] == "n" else found[1], said)


def fetch(where: Address, seconds: float) -> Samples:
    """
    Ask F{/metrics}.

    @param seconds: for all of it.
    @raise NoNumbers: nobody answers in time, or not with numbers.
    """
    return parse(page(where, "/metrics", seconds))


def config_hash(where: Address, seconds: float) -> str:
    """Ask for the hash of the configuration; empty: only a gateway of a cluster has one, or it does not answer."""
    try:
        said = json.loads(page(where, "/config-hash", seconds))
    except (NoNumbers, ValueError):
        return ""
    found = said.get("config", "") if isinstance(said, dict) else ""
    return found if isinstance(found, str) else ""


def page(where: Address, path: str, seconds: float) -> str:
    """
    Ask the health listener for a page.

    @raise NoNumbers: nobody answers in time, or there is no such page.
    """
    deadline = time.monotonic() + seconds
    request = f"GET {path} HTTP/1.0\r\nHost: {where}\r\nConnection: close\r\n\r\n"
    received = bytearray()
    try:
        with socket.create_connection((where.host, where.port), seconds) as connection:
            connection.sendall(request.encode())
            while True:
                left = deadline - time.monotonic()
                if left <= 0 or len(received) > _MOST_BYTES:
                    raise NoNumbers(f"{where} takes too long to answer, or says too much")
                connection.settimeout(left)
                piece = connection.recv(65536)
                if not piece:
                    break
                received += piece
    except OSError as error:
        raise NoNumbers(f"nobody answers at {where}: {error.strerror or error}") from None
    head, _, content = bytes(received).partition(b"\r\n\r\n")
    if not re.match(rb"HTTP/1\.[01] 200 ", head):
        raise NoNumbers(f"{where} has no page {path}")
    return content.decode(errors="replace")
