"""
Refuse uploads that are too large: 413 before any content is read where the length is declared, else at one byte too many.

The limit comes with the transaction, from C{limits.upload} or the site's C{upload}; a limit of the plugin's own wins
over both. CONNECT tunnels are no uploads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from gateway.api import Block, BodyFilter, ContentRefused, Plugin, Transaction, hookimpl
from gateway.api.settings import Help, SizeKind, size_text

__all__ = ["UploadLimit", "UploadLimitSettings", "plugin"]


@dataclass(frozen=True, slots=True)
class UploadLimitSettings:
    """C{[plugins.upload_limit]}."""

    limit: Annotated[
        int | None,
        SizeKind(zero="no limit"),
        Help(
            "Largest content of a request, in place of limits.upload and every site's upload.",
            '"500MiB"',
        ),
    ] = None


class UploadLimit(Plugin):
    """Hold uploads to a limit."""

    name = "upload_limit"
    Settings = UploadLimitSettings

    settings: UploadLimitSettings

    @hookimpl()
    def request_headers(self, txn: Transaction) -> Block | None:
        """Refuse a declared length that is over the limit."""
        length = txn.request.length
        # Most requests have no content, and nothing more is looked at for them.
        if not length or txn.request.raw_method == b"CONNECT":
            return None
        limit = self._limit(txn)
        if limit and length > limit:
            return self._block(txn, limit, f"The upload is {length} bytes long")
        return None

    @hookimpl()
    def request_filters(self, txn: Transaction) -> BodyFilter | None:
        """Count content whose length is not declared; a declared length is kept by the parser."""
        if txn.request.length is not None or txn.request.raw_method == b"CONNECT":
            return None
        limit = self._limit(txn)
        if not limit:
            return None
        return _Counter(limit, self._block(txn, limit, f"The upload is longer than {limit} bytes"))

    def _limit(self, txn: Transaction) -> int:
        own = self.settings.limit
        return txn.upload_limit if own is None else own

    def _block(self, txn: Transaction, limit: int, what: str) -> Block:
        if self.settings.limit is not None:
            setting = "plugins.upload_limit.limit"
        elif txn.client.mode == "reverse":
            setting = "limits.upload, or upload of the site"
        else:
            setting = "limits.upload"
        why = f"{what}; the limit is {size_text(limit)} (setting {setting})."
        return Block(why, category="upload_limit", status=413, page="upload_limit")


class _Counter(BodyFilter):
    """Let content by up to a limit."""

    changes_length = False

    def __init__(self, limit: int, block: Block) -> None:
        self._left = limit
        self._block = block

    def data(self, chunk: bytes) -> bytes:
        """
        Count a piece and pass it on unchanged.

        @raise ContentRefused: one byte too many.
        """
        self._left -= len(chunk)
        if self._left < 0:
            raise ContentRefused(self._block)
        return chunk


plugin = UploadLimit
