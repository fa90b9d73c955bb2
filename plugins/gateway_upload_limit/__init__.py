"""
Refuse uploads that are too large: 413 before any content is read where the length is declared, else at one byte too many.

The limit is that of the first rule that matches; else the plugin's own; else it comes with the transaction, from
C{limits.upload} or the site's C{upload}. CONNECT tunnels are no uploads.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated

from gateway.api import (
    Block,
    BodyFilter,
    ContentRefused,
    Plugin,
    Response,
    Services,
    Transaction,
    hookimpl,
)
from gateway.api.settings import Help, SizeKind, size_text
from gateway_upload_limit.parts import MAX_HEAD, HeadTooLong, PartReader, boundary_of
from gateway_upload_limit.problem import EXCESS, Excess, problem, wants_problem
from gateway_upload_limit.rules import FORM, Limit, Rule, RuleSet, file_limit, media_type

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
    rule: Annotated[
        tuple[Rule, ...],
        Help("Limits for some requests; the first rule that matches wins over all other limits."),
    ] = ()


class UploadLimit(Plugin):
    """Hold uploads to a limit."""

    name = "upload_limit"
    Settings = UploadLimitSettings

    settings: UploadLimitSettings

    def __init__(self, settings: UploadLimitSettings, services: Services) -> None:
        super().__init__(settings, services)
        self._rules = RuleSet(settings.rule)

    @hookimpl(without_content=False)
    def request_headers(self, txn: Transaction) -> Block | None:
        """Refuse a declared length that is over the limit."""
        length = txn.request.length
        if not length or txn.request.raw_method == b"CONNECT":
            return None
        limit = self._limit(txn)
        if limit.count and length > limit.count:
            return _declared(txn, limit, length)
        return None

    @hookimpl()
    def request_filters(self, txn: Transaction) -> BodyFilter | None:
        """
        Count content whose length is not declared; a declared length is kept by the parser.

        Files in a form are counted either way if rules are about them.
        """
        length = txn.request.length
        if txn.request.raw_method == b"CONNECT" or length == 0:
            return None
        if length is not None and not self._rules:
            limit = self._limit(txn)
            return _Refuse(txn, limit, length) if 0 < limit.count < length else None
        limit = self._limit(txn)
        if length is not None and 0 < limit.count < length:
            return _Refuse(txn, limit, length)
        parts = self._parts(txn, is_counted=length is None and limit.count > 0)
        if parts is None and (length is not None or not limit.count):
            return None
        return _Counter(txn, limit, parts)

    @hookimpl()
    def page(self, txn: Transaction, name: str) -> Response | None:
        """Answer programs with the limit, its setting and the file as members of a problem."""
        if name != "upload_limit":
            return None
        excess = txn.store.get(EXCESS)
        return problem(txn, excess) if excess is not None and wants_problem(txn) else None

    def _limit(self, txn: Transaction) -> Limit:
        if self._rules:
            found = self._rules.find(txn, media_type(txn))
            if found is not None:
                return found
        if self.settings.limit is not None:
            return Limit(self.settings.limit, "plugins.upload_limit.limit")
        if txn.client.mode == "reverse":
            return Limit(txn.upload_limit, "limits.upload, or upload of the site")
        return Limit(txn.upload_limit, "limits.upload")

    def _parts(self, txn: Transaction, *, is_counted: bool) -> PartReader | None:
        """Give a reader of the form, if it is one and its parts matter: to name them, or for limits of their own."""
        if media_type(txn) != FORM:
            return None
        rules = self._rules.for_files(txn) if self._rules.has_media else []
        if not rules and not is_counted:
            return None
        boundary = boundary_of(txn.request.fields.get("content-type") or "")
        if boundary is None:
            return None
        return PartReader(boundary, partial(file_limit, rules) if rules else None)


class _Refuse(BodyFilter):
    """
    Let nothing by of content that declares too much.

    Only needed where a plugin in front allowed the request, so that its head was not looked at here.
    """

    changes_length = False

    def __init__(self, txn: Transaction, limit: Limit, length: int) -> None:
        self._txn = txn
        self._limit = limit
        self._length = length

    def data(self, chunk: bytes) -> bytes:
        """
        Refuse.

        @raise ContentRefused: always.
        """
        raise ContentRefused(_declared(self._txn, self._limit, self._length))


class _Counter(BodyFilter):
    """Let content by up to a limit, and files in a form up to theirs."""

    changes_length = False

    def __init__(self, txn: Transaction, limit: Limit, parts: PartReader | None) -> None:
        self._txn = txn
        self._limit = limit
        self._parts = parts
        self._count = 0

    def data(self, chunk: bytes) -> bytes:
        """
        Count a piece and pass it on unchanged.

        @raise ContentRefused: one byte too many.
        """
        self._count += len(chunk)
        limit = self._limit.count
        over = self._count - limit if limit else 0
        if self._parts is not None:
            # Up to the byte that is too many, so that the part is named which that belongs to.
            self._read(self._parts, chunk[: len(chunk) - over] if over > 0 else chunk)
        if over > 0:
            self._refuse()
        return chunk

    def end(self) -> bytes:
        """
        Take the end; a form may break off in the midst of a file.

        @raise ContentRefused: the file is too long.
        """
        if self._parts is not None and self._parts.finish():
            self._refuse_part(self._parts)
        return b""

    def _read(self, parts: PartReader, data: bytes) -> None:
        try:
            is_over = parts.read(data)
        except HeadTooLong:
            if parts.has_limits:
                why = f"The head of a part of the form is longer than {size_text(MAX_HEAD)}, so it can't be measured."
                raise ContentRefused(_refusal(why)) from None
            # Nothing but a name was wanted of it.
            self._parts = None
            return
        if is_over:
            self._refuse_part(parts)

    def _refuse_part(self, parts: PartReader) -> None:
        if parts.limit is not None:
            what = parts.what[:1].upper() + parts.what[1:]
            why = f"{what} ({parts.media}) is longer than {parts.limit.count} bytes"
            raise ContentRefused(_block(self._txn, parts.limit, why, parts.file))

    def _refuse(self) -> None:
        why = f"The upload is longer than {self._limit.count} bytes"
        parts = self._parts
        if parts is not None and parts.what:
            why += f", in {parts.what}"
        raise ContentRefused(
            _block(self._txn, self._limit, why, "" if parts is None else parts.file)
        )


def _declared(txn: Transaction, limit: Limit, length: int) -> Block:
    return _block(txn, limit, f"The upload is {length} bytes long", "")


def _block(txn: Transaction, limit: Limit, what: str, file: str) -> Block:
    why = f"{what}; the limit is {size_text(limit.count)} (setting {limit.setting})."
    txn.store[EXCESS] = Excess(why, limit, file)
    return _refusal(why)


def _refusal(why: str) -> Block:
    return Block(why, category="upload_limit", status=413, page="upload_limit")


plugin = UploadLimit
