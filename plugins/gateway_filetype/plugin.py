"""
The hooks: where content is judged on its way, and what is said of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Iterator
from contextlib import suppress
from functools import partial
from urllib.parse import urlsplit

from gateway.api import (
    NONE,
    Block,
    BodyFilter,
    Caution,
    Fields,
    FirstBytes,
    Key,
    Need,
    Plugin,
    Response,
    ScanJob,
    Services,
    SettingFault,
    Side,
    Surroundings,
    Transaction,
    Unscannable,
    Whole,
    hookimpl,
    true_type,
)
from gateway.api.catalogue.security import FILETYPE_FOUND
from gateway_filetype.coding import HEAD, UNKNOWN, Head, Undecodable, acceptable
from gateway_filetype.filters import MOST_KEPT, FormFilter, HeadFilter, Refuse
from gateway_filetype.forms import File
from gateway_filetype.known import KnownKinds
from gateway_filetype.names import media_type, of_disposition, of_message, of_path, shown
from gateway_filetype.rules import Applying, Asked, Found, Rules
from gateway_filetype.settings import FiletypeSettings

_FORM = "multipart/form-data"

#: A response that is no upstream's, and of which nobody has said yet what it is, is to be scanned.
_JUDGED: Key[bool] = Key("filetype.judged")


class Filetype(Plugin):
    """Hold content to rules about kinds of files."""

    name = "filetype"
    Settings = FiletypeSettings

    settings: FiletypeSettings

    def __init__(self, settings: FiletypeSettings, services: Services) -> None:
        super().__init__(settings, services)
        self._rules = Rules(settings)
        self._known = KnownKinds()
        # Grows whenever something stored has to be scanned here, as what is remembered of it knows nothing of who asks.
        self._asked_for_stored = 0
        self._patterns = "filetype/" + hashlib.sha256(repr(settings).encode()).hexdigest()[:16]
        self._found = services.metrics.counter(
            "found", "Files that rules are about, by what followed.", ("side", "action")
        )

    def review(self, around: Surroundings) -> Iterator[Caution | SettingFault]:
        """Tell of settings that do nothing, or not what they seem to."""
        settings = self.settings
        if settings.does_nothing:
            yield Caution(
                "no content is judged: there are no rules, and disguised programs may pass",
                ("mismatch",),
                'block = ["executable"]',
            )
        for index, rule in enumerate(settings.rule):
            key = ("rule", index)
            if bool(rule.types) == bool(rule.other_than):
                yield SettingFault(
                    "a rule has either types or other_than", key, 'types = ["executable"]'
                )
        both = sorted(set(settings.block) & set(settings.allow))
        if both:
            yield Caution(f"block and allow both have {', '.join(both)}: it is blocked", ("allow",))
        if settings.deep and not (settings.block or settings.allow or settings.rule):
            yield Caution("deep holds all content whole, and no rule asks for it", ("deep",))
        if around.of_mode("forward") and around.decrypt == "none" and not settings.does_nothing:
            yield Caution(
                "what passes in TLS is not judged, as it is not decrypted", (), "set tls.decrypt"
            )

    @hookimpl()
    def request_headers(self, txn: Transaction) -> None:
        """Ask servers for no content coding that can't be undone here."""
        fields = txn.request.fields
        accepted = fields.get("accept-encoding") if UNKNOWN else None
        if not accepted or txn.request.raw_method == b"CONNECT":
            return
        applying = self._rules.of(_asked(txn, Side.RESPONSE))
        if applying is not None and applying.blocks:
            left = acceptable(fields.combined("accept-encoding") or "")
            if left is not None:
                fields.set("Accept-Encoding", left)

    @hookimpl()
    def request_filters(self, txn: Transaction) -> BodyFilter | None:
        """Judge what a client sends: the files in a form, else the content."""
        request = txn.request
        if request.raw_method == b"CONNECT" or request.length == 0:
            return None
        applying = self._rules.of(_asked(txn, Side.REQUEST))
        if applying is None:
            return None
        fields = request.fields
        declared = media_type(fields.get("content-type"))
        unreadable = partial(self._unreadable, txn, Side.REQUEST, applying)
        if declared == _FORM:
            if fields.get("content-encoding"):
                return HeadFilter(
                    lambda head, is_all: unreadable("A form within a content coding can't be read"),
                    unreadable,
                    None,
                    waits=False,
                )
            judge_file = partial(self._judge_file, txn, applying)
            return FormFilter(fields.get("content-type") or "", judge_file, unreadable)
        name = of_disposition(fields.get("content-disposition"))
        if not name and request.raw_method == b"PUT":
            name = of_path(request.path)
        judge = partial(self._judge, txn, Side.REQUEST, applying, declared, name)
        coding = fields.get("content-encoding")
        return HeadFilter(judge, unreadable, coding, waits=request.length is not None)

    @hookimpl()
    def response_headers(self, txn: Transaction) -> Block | None:
        """Judge what the head shows: by a declared type that is named, and what is stored by what it was found to be."""
        response = txn.response
        assert response is not None
        if response.status in (204, 304):
            return None
        applying = self._rules.of(_asked(txn, Side.RESPONSE))
        if applying is None:
            txn.store[_JUDGED] = True
            return None
        fields = response.fields
        declared = media_type(fields.get("content-type"))
        if type(response) is Response:
            return self._stored(txn, response, applying, declared)
        kind = true_type(b"", media_type=declared) if declared else ""
        if kind:
            name = of_message(fields, txn.request.path)
            what = _what(name, Side.RESPONSE)
            found = applying.judge(kind, "", what, is_all=False)
            if found is not None and found.action == "block":
                return self._follow(txn, Side.RESPONSE, found)
        block = self._partial(txn, response, applying, declared)
        txn.store[_JUDGED] = True
        return block

    @hookimpl()
    def response_filters(self, txn: Transaction) -> BodyFilter | None:
        """Judge what a server sends."""
        response = txn.response
        assert response is not None
        applying = self._rules.of(_asked(txn, Side.RESPONSE))
        if applying is None:
            return None
        fields = response.fields
        declared = media_type(fields.get("content-type"))
        if not _begins(response):
            if _JUDGED in txn.store:
                return None
            block = self._partial(txn, response, applying, declared)
            return None if block is None else Refuse(block)
        name = of_message(fields, txn.request.path)
        judge = partial(self._judge_download, txn, applying, declared, name, response)
        unreadable = partial(self._unreadable, txn, Side.RESPONSE, applying)
        coding = fields.combined("content-encoding")
        return HeadFilter(judge, unreadable, coding, waits=response.length is not None)

    @hookimpl()
    def content_need(self, txn: Transaction, side: Side) -> Need:
        """Want content whole for what is packed in it, and what is stored if nobody knows what it is; else its begin."""
        if self.settings.deep:
            applying = self._rules.of(_asked(txn, side))
            return NONE if applying is None else Whole(self.settings.max_size)
        response = txn.response
        if side is Side.REQUEST or response is None or self.settings.does_nothing:
            return NONE
        if type(response) is not Response:
            # Of no declared length it may be a stream of events, which begins when something happens.
            return NONE if response.length is None else FirstBytes()
        if _JUDGED in txn.store:
            return NONE
        self._asked_for_stored += 1
        return Whole(self.settings.max_size)

    @hookimpl()
    def scan_patterns(self) -> str:
        """Name the rules."""
        if not self._rules.by_who:
            return self._patterns
        return "" if self.settings.deep else f"{self._patterns}/{self._asked_for_stored}"

    @hookimpl()
    def scan_content(self, job: ScanJob) -> Unscannable | None | Awaitable[Unscannable | None]:
        """Judge what is packed in content, and what is stored."""
        if not job.member and not self._asked_for_stored:
            # It was judged on its way here.
            return None
        if job.member and not self.settings.deep:
            return None
        host = (urlsplit(job.url).hostname or "").lower()
        applying = self._rules.of(Asked(job.side, host, job.identity))
        if applying is None:
            return None
        if job.path is None:
            return self._judge_job(job, applying, job.content[:MOST_KEPT])
        return self._judge_file_of(job, applying)

    # Judging.

    async def _judge_file_of(self, job: ScanJob, applying: Applying) -> Unscannable | None:
        head = await self.services.threads.run("scan", _head_of, job)
        return self._judge_job(job, applying, head)

    def _judge_job(self, job: ScanJob, applying: Applying, head: bytes) -> Unscannable | None:
        if not job.member:
            head = _decoded(head, job.notes.get("content_encoding"))
        name = job.member.rpartition("/")[2] if job.member else of_path(urlsplit(job.url).path)
        kind = true_type(head[:HEAD], media_type=job.media_type, name=name)
        what = f'"{shown(name)}" in it' if job.member else _what(name, job.side)
        found = applying.judge(kind, job.media_type, what)
        if found is None:
            return None
        self._found.inc(side=job.side.value, action=found.action)
        if found.action == "monitor":
            self._tell(found, job.side, job.url, "")
            return None
        return Unscannable("forbidden:type", found.why, self.name)

    def _judge(
        self,
        txn: Transaction,
        side: Side,
        applying: Applying,
        declared: str,
        name: str,
        head: bytes,
        is_all: bool,
    ) -> Block | None:
        kind = true_type(head, media_type=declared, name=name)
        found = applying.judge(kind, declared, _what(name, side), is_all=is_all)
        if found is None or (found.action == "monitor" and not is_all):
            return None
        return self._follow(txn, side, found)

    def _judge_download(
        self,
        txn: Transaction,
        applying: Applying,
        declared: str,
        name: str,
        response: Response,
        head: bytes,
        is_all: bool,
    ) -> Block | None:
        if is_all:
            kind = true_type(head, media_type=declared, name=name)
            self._known.note(txn.request.url, response.fields, kind)
        return self._judge(txn, Side.RESPONSE, applying, declared, name, head, is_all)

    def _judge_file(self, txn: Transaction, applying: Applying, file: File) -> Block | None:
        """Judge a part of a form; of its ordinary fields only what no one types into them."""
        heads = [file.head]
        if file.is_base64 and file.decoded:
            heads.append(file.decoded)
        for head in heads:
            kind = true_type(head, media_type=file.media, name=file.name)
            is_all = file.is_all and bool(file.name)
            if not file.name and (not kind or kind in _TYPED):
                continue
            what = _what(file.name, Side.REQUEST)
            found = applying.judge(kind, file.media, what, is_all=is_all)
            if found is not None and (found.action == "block" or file.is_all):
                block = self._follow(txn, Side.REQUEST, found)
                if block is not None:
                    return block
        return None

    def _stored(
        self, txn: Transaction, response: Response, applying: Applying, declared: str
    ) -> Block | None:
        name = of_message(response.fields, txn.request.path)
        kind: str | None
        if response.content:
            coding = response.fields.combined("content-encoding")
            head = _decoded(response.content[:MOST_KEPT], coding)
            kind = true_type(head, media_type=declared, name=name)
        else:
            kind = self._known.of(txn.request.url, response.fields)
        if kind is None:
            return None
        txn.store[_JUDGED] = True
        found = applying.judge(kind, declared, _what(name, Side.RESPONSE))
        return None if found is None else self._follow(txn, Side.RESPONSE, found)

    def _partial(
        self, txn: Transaction, response: Response, applying: Applying, declared: str
    ) -> Block | None:
        """Judge a part of a file by what is claimed of it."""
        if _begins(response):
            return None
        name = of_message(response.fields, txn.request.path)
        kind = true_type(b"", media_type=declared, name=name)
        found = applying.judge(kind, declared, _what(name, Side.RESPONSE)) if kind else None
        if found is None:
            found = applying.partial()
        return None if found is None else self._follow(txn, Side.RESPONSE, found)

    def _unreadable(
        self, txn: Transaction, side: Side, applying: Applying, why: str
    ) -> Block | None:
        found = applying.unreadable(why)
        return None if found is None else self._follow(txn, side, found)

    # What follows.

    def _follow(self, txn: Transaction, side: Side, found: Found) -> Block | None:
        kind = found.kind or "unknown"
        txn.notes[f"filetype_{side.value}"] = f"{kind}:{found.action}"
        self._found.inc(side=side.value, action=found.action)
        if found.action == "monitor":
            self._tell(found, side, txn.request.url, txn.id)
            return None
        return Block(found.why, "filetype")

    def _tell(self, found: Found, side: Side, url: str, id: str) -> None:
        values = {
            "kind": found.kind or "unknown",
            "setting": found.setting,
            "side": side.value,
            "url": url.partition("?")[0],
        }
        if id:
            values["id"] = id
        host = urlsplit(url).hostname or ""
        text = f"{found.why} It passed, as the setting says monitor."
        self.services.events(FILETYPE_FOUND(text, host, **values))


# Kinds of text, which people do type into fields.
_TYPED = frozenset(
    ("text", "html", "js", "css", "json", "xml", "svg", "csv", "eml", "url", "pem", "pgp", "sh")
    + ("bat", "ps1", "vbs", "jscript", "python", "perl", "ruby", "php", "hta", "wsf", "reg", "yaml")
    + ("ics", "vcard", "vtt", "m3u", "slk", "applescript", "mpd", "uu", "binhex", "rtf", "ps")
)


def _asked(txn: Transaction, side: Side) -> Asked:
    return Asked(side, txn.request.host, txn.identity)


def _what(name: str, side: Side) -> str:
    name = shown(name)
    if name:
        return f'The file "{name}"'
    return "The upload" if side is Side.REQUEST else "The content"


def _begins(response: Response) -> bool:
    """Tell whether a response has the first byte of what it is about (RFC 9110 section 14.4)."""
    if response.status != 206:
        return True
    given: Fields = response.fields
    said = given.get("content-range")
    return said is not None and said.strip().lower().startswith("bytes 0-")


def _head_of(job: ScanJob) -> bytes:
    with job.open() as file:
        return file.read(HEAD if job.member else MOST_KEPT)


def _decoded(content: bytes, content_encoding: str | None) -> bytes:
    """Give the first bytes behind a content coding, or as they are if it can't be undone."""
    head = Head(content_encoding)
    with suppress(Undecodable):
        head.take(content)
    return head.bytes or content[:HEAD]
