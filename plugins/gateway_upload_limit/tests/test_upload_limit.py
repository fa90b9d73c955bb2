"""Tests of the upload limit."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import (
    Block,
    BodyFilter,
    Client,
    ContentRefused,
    Fields,
    Request,
    Timings,
    Transaction,
)
from gateway_upload_limit import UploadLimit, UploadLimitSettings, plugin

LIMIT = 1000


def transaction(
    length: int | None, *, limit: int = LIMIT, method: bytes = b"POST", mode: str = "forward"
) -> Transaction:
    """Make a transaction whose request declares this much content; C{None}: chunked."""
    request = Request(method, "http", "www.example.com", 80, b"/", 1, Fields(), length)
    txn = Transaction("1", request, Client("192.0.2.1", 40000, mode=mode), Timings(0.0, 0.0))
    txn.upload_limit = limit
    return txn


def made(limit: int | None = None) -> UploadLimit:
    """Make the plugin; it uses no services."""
    services: Any = None
    return UploadLimit(UploadLimitSettings(limit), services)


class DeclaredTests(SynchronousTestCase):
    """Content whose length is declared."""

    def test_at_the_limit(self) -> None:
        """Exactly the limit passes, uncounted, for the parser keeps the declared length."""
        txn = transaction(LIMIT)
        self.assertIsNone(made().request_headers(txn))
        self.assertIsNone(made().request_filters(txn))

    def test_over_the_limit(self) -> None:
        """One byte more is refused by its head, with 413 and the page that names limit and setting."""
        block = made().request_headers(transaction(LIMIT + 1))
        assert block is not None
        self.assertEqual(
            (block.status, block.page, block.category), (413, "upload_limit", "upload_limit")
        )
        self.assertEqual(
            block.why, "The upload is 1001 bytes long; the limit is 1kB (setting limits.upload)."
        )

    def test_no_content(self) -> None:
        """A request without content is no upload."""
        self.assertIsNone(made().request_headers(transaction(0, limit=1)))
        self.assertIsNone(made().request_filters(transaction(0, limit=1)))

    def test_no_limit(self) -> None:
        """A limit of 0 is none."""
        self.assertIsNone(made().request_headers(transaction(10**15, limit=0)))

    def test_reverse(self) -> None:
        """Behind a site the reason names the site's setting too."""
        block = made().request_headers(transaction(LIMIT + 1, mode="reverse"))
        assert block is not None
        self.assertIn("limits.upload, or upload of the site", block.why)


class UndeclaredTests(SynchronousTestCase):
    """Content whose length is not declared."""

    def counter(self, limit: int = LIMIT) -> BodyFilter:
        """Give the filter of a chunked request."""
        found = made().request_filters(transaction(None, limit=limit))
        assert found is not None
        return found

    def test_head_passes(self) -> None:
        """Its head says nothing of its length, so it passes."""
        self.assertIsNone(made().request_headers(transaction(None)))

    def test_at_the_limit(self) -> None:
        """Exactly the limit passes unchanged, however it is cut."""
        for size in (1, 7, LIMIT):
            counter = self.counter()
            content = bytes(range(250)) * 4
            pieces = [content[at : at + size] for at in range(0, LIMIT, size)]
            self.assertEqual(b"".join(map(counter.data, pieces)) + counter.end(), content)

    def test_over_the_limit(self) -> None:
        """The first byte over it is refused, and its piece does not pass."""
        for first in (1, LIMIT - 1, LIMIT):
            counter = self.counter()
            counter.data(b"x" * first)
            error = self.assertRaises(ContentRefused, counter.data, b"x" * (LIMIT + 1 - first))
            self.assertEqual(
                error.block,
                Block(
                    "The upload is longer than 1000 bytes; the limit is 1kB (setting limits.upload).",
                    "upload_limit",
                    413,
                    "upload_limit",
                ),
            )

    def test_length_is_kept(self) -> None:
        """Counting changes no length, so the gateway may pass a declared one on."""
        self.assertFalse(self.counter().changes_length)

    def test_each_on_its_own(self) -> None:
        """Each request is counted from nothing."""
        subject = made()
        for _ in range(2):
            counter = subject.request_filters(transaction(None))
            assert counter is not None
            counter.data(b"x" * LIMIT)

    def test_no_limit(self) -> None:
        """Without a limit nothing is counted."""
        self.assertIsNone(made().request_filters(transaction(None, limit=0)))


class SettingTests(SynchronousTestCase):
    """The plugin's own limit, and what it leaves alone."""

    def test_own_limit_wins(self) -> None:
        """A limit of its own replaces the transaction's, whether lower or higher, and is named as the setting."""
        block = made(10).request_headers(transaction(11))
        assert block is not None
        self.assertIn("10 (setting plugins.upload_limit.limit)", block.why)
        self.assertIsNone(made(LIMIT * 2).request_headers(transaction(LIMIT + 1)))
        self.assertIsNone(made(0).request_headers(transaction(LIMIT + 1)))

    def test_tunnels(self) -> None:
        """A CONNECT tunnel is no upload, whatever its head says."""
        for length in (None, LIMIT + 1):
            txn = transaction(length, method=b"CONNECT")
            self.assertIsNone(made().request_headers(txn))
            self.assertIsNone(made().request_filters(txn))

    def test_entry_point(self) -> None:
        """The package names its plugin, under the name that the configuration uses."""
        self.assertIs(plugin, UploadLimit)
        self.assertEqual(plugin.name, "upload_limit")
