"""Tests of what the log says of a connection's TLS."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from gateway.api.transaction import ClientTls
from gateway.record.columns import Columns
from gateway.record.connection_tls import bump_mode, json_texts, squid_version

FULL = ClientTls(
    server_name="www.example.com",
    version="TLSv1.3",
    cipher="TLS_AES_128_GCM_SHA256",
    alpn="http/1.1",
    resumed=True,
    decision="intercept",
    why="decrypt_all",
    upstream_version="TLSv1.2",
    upstream_cipher="ECDHE-RSA-AES128-GCM-SHA256",
)


class Spied(dict[str, str]):
    """Counts how often a text is asked for."""

    asked = 0

    def __missing__(self, text: str) -> str:
        self.asked += 1
        return json.dumps(text or None)


class JsonTests(SynchronousTestCase):
    """The object of a JSON line."""

    def test_whole(self) -> None:
        """Every field is there under its name."""
        text = json_texts(Columns().json_names)(FULL)
        found = json.loads(text)
        self.assertEqual(found, {name: getattr(FULL, name) for name in ClientTls.__slots__})

    def test_empty(self) -> None:
        """What is empty is null."""
        found = json.loads(json_texts(Columns().json_names)(ClientTls()))
        self.assertIs(found.pop("resumed"), False)
        self.assertEqual(set(found.values()), {None})

    def test_once_for_each_connection(self) -> None:
        """The text is made once, and each connection has its own, also when two say the same or one is gone."""
        names = Spied()
        text = json_texts(names)
        first = text(FULL)
        made = names.asked
        self.assertIs(text(FULL), first)
        self.assertEqual(names.asked, made)
        for number in range(10_000):
            # Objects that are freed at once leave their addresses to the next ones.
            name = f"www{number}.example.com"
            self.assertIn(f'"{name}"', text(ClientTls(server_name=name)))
        self.assertEqual(text(FULL), first)


class SquidTests(SynchronousTestCase):
    """What directives with Squid's names say."""

    def test_bump_mode(self) -> None:
        """Squid's words; TLS that ends at a listener is nothing that it would name."""
        modes = [
            bump_mode(ClientTls(decision=decision))
            for decision in ("intercept", "tunnel", "block", "terminate", "")
        ]
        self.assertEqual(modes, ["bump", "splice", "terminate", None, None])
        self.assertIsNone(bump_mode(None))

    def test_version(self) -> None:
        """Versions are written as Squid does."""
        found = [squid_version(version) for version in ("TLSv1.3", "TLSv1.2", "")]
        self.assertEqual(found, ["TLS/1.3", "TLS/1.2", ""])
