"""
The walk through one piece of content: everything that is packed in it, at every depth, one thing after the other.

It runs in the child process. Nothing that it meets stops it but a bound for the whole (L{gateway_archive.bounds.Enough}); what
can't be unpacked is told, and the rest goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256

from gateway_archive import codings, forms, text_codings
from gateway_archive.blobs import Blob, Share, Spool
from gateway_archive.bounds import Bounds, Enough, Tally
from gateway_archive.faults import Broken, Fault, Limits, Lying, TooMuch, Unknown
from gateway_archive.found import Found, Member, Refused
from gateway_archive.libarchives import STREAMS, Archive
from gateway_archive.names import below, visible, without_ending
from gateway_archive.pull import Pull
from gateway_archive.readings import Reading, readings
from gateway_archive.refusing import Encrypted, Telling, refused
from gateway_archive.signatures import (
    END_OF_ZIP,
    HEAD_BYTES,
    MAIL_BYTES,
    TAIL_BYTES,
    is_mail,
    kind_at_start,
)
from gateway_archive.streams import Stream
from gateway_archive.zip_layout import Entry, read_layout
from gateway_archive.zips import OTHER_METHODS, unpacked

#: Of less than that nobody can make anything.
_LEAST_GAP = 16
#: Parts of a form without a file name are not worth a look of their own if they are shorter: the form is looked at too.
_LEAST_PART = 24
#: So much is looked at of what is too long.
_START = 1 << 20

_CODED = {"gzip": "gzip", "zstd": "zstd", "compress": "compress"}
_STREAMS = frozenset(("bzip2", "xz", "lzma"))
_TARS = frozenset(("tar", "cpio"))
#: Kinds whose reader goes through them from the start, so that what is behind the end is seen by nobody.
_SERIAL = frozenset(("tar", "cpio", "ar"))


class Walk:
    """
    One walk; iterate over it, once.

    @ivar kind: what the content is packed with; empty: nothing. Known when the first thing was given.
    @ivar covers: the content is a mere coding of the first thing that is given. Known then.
    @ivar share: the room it uses.
    @ivar tally: what was found so far, and how long it may take.
    @ivar is_over: everything was given; for whoever walks.
    """

    def __init__(
        self,
        blob: Blob,
        notes: Mapping[str, str],
        bounds: Bounds,
        deadline: float = float("inf"),
    ) -> None:
        """
        Begin.

        @param notes: as of C{ScanJob}.
        @param deadline: as of L{Tally}.
        """
        self.kind = ""
        self.covers = False
        self.is_over = False
        self._blob = blob
        self._notes = notes
        self._bounds = bounds
        self.share = Share(bounds.room)
        self.tally = Tally(bounds, blob.size, deadline)
        self._seen: set[tuple[int, bytes]] = set()
        # A coding of the whole message is no archive.
        self._deepest = bounds.depth

    def __iter__(self) -> Iterator[Found]:
        """Give what is in it."""
        try:
            yield from self._message()
        except Enough as fault:
            yield refused(fault, "")
        except MemoryError:
            yield Refused("extract_failed", "it takes too much memory to unpack")

    # The message

    def _message(self) -> Iterator[Found]:
        coding = self._notes.get("content_encoding", "")
        types = [self._notes[name] for name in ("content_type",) if self._notes.get(name)]
        if coding:
            yield from self._coded(coding, types)
        if not self.covers:
            yield from self._inside(self._blob, "", 0, types)

    def _coded(self, coding: str, types: list[str]) -> Iterator[Found]:
        """Undo a content coding, in every way that clients do."""
        try:
            plans = codings.plans(coding)
        except Unknown:
            self.kind = "coded"
            yield Refused("unscanned:coding", "nothing here undoes its content coding")
            return
        except TooMuch as too_much:
            self.kind = "coded"
            yield refused(too_much, "")
            return
        for plan in plans:
            if self.covers and len(plan) < len(plans[0]):
                # The ways that stop half-way are for inner codings that are a lie.
                return
            yield from self._decoded(plan, types)

    def _decoded(self, plan: tuple[str, ...], types: list[str]) -> Iterator[Found]:
        """
        Undo codings in one way.

        Where one way was right another may be as well, with other content: clients differ. But what fails then is no client's way.
        """
        decoding = codings.decode(self._blob.pieces(), plan, self._layer_limits())
        fault, blob = self._spooled(decoding)
        if isinstance(fault, Lying) and not blob.size or isinstance(fault, Broken) and self.covers:
            return
        self.kind = self.kind or "+".join(plan)
        self._deepest = self._bounds.depth + 1
        # Of what is nothing when it is decoded, at least the coding is looked at.
        is_right = fault is None and decoding.trailing is None and blob.size > 0
        self.covers = self.covers or is_right
        path = f"({'+'.join(plan)})"
        yield from self._give_what_there_is(blob, path, 1, fault, types)
        if decoding.first is not None:
            yield from self._give(blob.cut(0, decoding.first), path, 1, types)
        if decoding.trailing is not None:
            yield from self._gap(self._blob.cut(decoding.trailing), "", 0, "behind")
        if isinstance(fault, TooMuch) and fault.which in ("ratio", "size"):
            # In any other way it would be a bomb again.
            raise Enough(fault.which, fault.why)
        if fault is not None and not isinstance(fault, Lying):
            yield refused(fault, path)

    # What is in something

    def _give(
        self, blob: Blob, path: str, depth: int, types: Iterable[str] = (), *, quiet: bool = False
    ) -> Iterator[Found]:
        """
        Give a member and everything in it, once.

        @param quiet: nothing but what is in it, if that is all of it.
        """
        if not blob.size:
            return
        if self._is_seen(blob, path):
            return
        if not (quiet and kind_of(blob) in _TARS):
            yield self._member(blob, path, depth, types)
        yield from self._inside(blob, path, depth, types)

    def _give_what_there_is(
        self, blob: Blob, path: str, depth: int, fault: Fault | None, types: Iterable[str] = ()
    ) -> Iterator[Found]:
        """Give a member that could not be unpacked to its end: of one that is too long the start alone."""
        if not isinstance(fault, TooMuch):
            yield from self._give(blob, path, depth, types)
        elif blob.size:
            start = min(_START, self._bounds.room // 16)
            yield self._member(blob.cut(0, start), path, depth, types)

    def _member(self, blob: Blob, path: str, depth: int, types: Iterable[str]) -> Found:
        try:
            return Member(blob.alone(self.share), path, depth, _media_type(types))
        except TooMuch as fault:
            return refused(fault, path)

    def _inside(
        self, blob: Blob, path: str, depth: int, types: Iterable[str] = ()
    ) -> Iterator[Found]:
        ways = readings(blob)
        forms_of_it = [one for one in types if forms.is_container(one)]
        if not forms_of_it and is_mail(blob.read(0, MAIL_BYTES)):
            forms_of_it = ["message/rfc822"]
        is_text = self._bounds.texts and any(
            text_codings.is_text(_bare(one)) for one in types or ([""] if not depth else [])
        )
        if not ways and not forms_of_it and not is_text:
            return
        if depth >= self._deepest:
            is_sure = forms_of_it or any(not way.is_guess for way in ways)
            if not is_sure and not any(way.kind == "zip" and read_layout(blob, 1) for way in ways):
                # Whether it is one is only known when it was opened.
                return
            self.kind = self.kind or (ways[0].kind if ways else "form")
            yield self._too_deep(path)
            return
        for content_type in forms_of_it:
            yield from self._form(blob, content_type, path, depth)
        for way in ways:
            yield from self._opened(blob, way, path, depth)
        if is_text:
            yield from self._texts(blob, path, depth)

    def _too_deep(self, path: str) -> Found:
        most = self._bounds.depth
        return Refused("limit:depth", f"more than {most} archives are in one another", path)

    def _opened(self, blob: Blob, way: Reading, path: str, depth: int) -> Iterator[Found]:
        part = blob.cut(way.start) if way.start else blob
        found = self._open(part, way, path, depth)
        try:
            yield from found
        except Enough:
            raise
        except Fault as fault:
            if not way.is_guess:
                self.kind = self.kind or way.kind
                yield refused(fault, path)

    def _open(self, blob: Blob, way: Reading, path: str, depth: int) -> Iterator[Found]:
        kind = way.kind
        if kind == "zip":
            return self._zip(blob, way, path, depth)
        if not way.is_guess:
            self.kind = self.kind or kind
        if kind in _CODED or kind in _STREAMS:
            return self._stream(blob, kind, path, depth)
        return self._members(blob, kind, path, depth, is_guess=way.is_guess)

    # One stream

    def _stream(self, blob: Blob, kind: str, path: str, depth: int) -> Iterator[Found]:
        reader: codings.Decoding | Stream
        if kind in _CODED:
            reader = codings.decode(blob.pieces(), _CODED[kind], self._limits())
        else:
            reader = Stream(blob, kind)
        pull = Pull(reader, self.tally.grow)
        inner_kind = kind_at_start(pull.peek(HEAD_BYTES))
        if inner_kind in _TARS:
            yield from self._tar(pull, kind, inner_kind, path, depth)
        else:
            fault, content = self._spooled(pull, is_counted=True)
            if kind == "lzma" and not content.size and isinstance(fault, Broken):
                # It has no signature; this was something else.
                return
            yield from self._unpacked(content, kind, path, depth, fault)
            first = reader.first if isinstance(reader, codings.Decoding) else None
            if first is not None:
                yield from self._give(content.cut(0, first), below(path, "first"), depth + 1)
        if reader.trailing is not None:
            yield from self._gap(blob.cut(reader.trailing), path, depth, "behind")

    def _tar(self, pull: Pull, packing: str, kind: str, path: str, depth: int) -> Iterator[Found]:
        """Give the members of a tar archive in a stream, which is never there as a whole."""
        self.tally.file()
        if depth + 1 >= self._deepest:
            yield self._too_deep(path)
            return
        inner = below(path, without_ending(path, packing))
        try:
            yield from self._members(pull, kind, inner, depth + 1, is_guess=False)
        except Fault as fault:
            if isinstance(fault, Enough):
                raise
            yield refused(fault, inner)

    def _unpacked(
        self, content: Blob, kind: str, path: str, depth: int, fault: Fault | None
    ) -> Iterator[Found]:
        """Give what one stream was."""
        self.tally.file()
        inner = below(path, without_ending(path, kind))
        if fault is None:
            yield from self._give(content, inner, depth + 1, quiet=True)
        else:
            yield from self._give_what_there_is(content, inner, depth + 1, fault)
        if isinstance(fault, Enough):
            raise fault
        if fault is not None:
            yield refused(fault, path)

    # Archives

    def _members(
        self,
        source: Blob | Pull,
        kind: str,
        path: str,
        depth: int,
        *,
        is_guess: bool,
    ) -> Iterator[Found]:
        """Give the members of an archive that libarchive reads."""
        archive = Archive(source, kind)
        telling = Telling()
        count = 0
        try:
            for entry in archive:
                count += 1
                if is_guess:
                    self.kind = self.kind or kind
                self.tally.file()
                if entry.is_folder and entry.size <= 0:
                    continue
                fault, content = self._from(entry.pieces)
                if kind in STREAMS:
                    yield from self._unpacked(content, kind, path, depth, fault)
                    continue
                inner = below(path, visible(entry.name))
                yield from self._give_what_there_is(content, inner, depth + 1, fault)
                if isinstance(fault, Enough):
                    raise fault
                if fault is not None:
                    yield from telling.of(fault, inner)
                if isinstance(fault, Broken):
                    # What comes after damage is anybody's guess; the archive is refused anyway.
                    return
            if archive.has_encrypted and not telling.told("encrypted"):
                yield Refused("encrypted", "it is encrypted", path)
            if kind in _SERIAL:
                fault, rest = self._spooled(_without_zeros(archive.rest()))
                yield from self._gap(rest, path, depth, "behind")
                if fault is not None:
                    raise fault
        except Fault:
            if is_guess and not count:
                return
            raise
        finally:
            archive.close()
        if not count and not is_guess and kind not in ("7z", "tar", "cpio"):
            yield Refused("malformed", "it has no members", path)

    def _zip(self, blob: Blob, way: Reading, path: str, depth: int) -> Iterator[Found]:
        layout = read_layout(blob, self.tally.files_left)
        if layout is None:
            if way.is_guess:
                return
            self.kind = self.kind or "zip"
            yield from self._members(blob, "local zip", path, depth, is_guess=False)
            yield Refused("malformed", "the archive has no directory", path)
            return
        self.kind = self.kind or "zip"
        if layout.overlaps:
            # Each byte of it unpacks many times over.
            yield Refused("malformed", "members of the archive share their data", path)
            return
        if not layout.entries and not way.is_guess and blob.size > 22:
            yield from self._members(blob, "local zip", path, depth, is_guess=True)
        yield from self._entries(blob, layout.entries, path, depth)
        if layout.problems:
            yield Refused("malformed", layout.problems[0], path)
            yield from self._entries(blob, layout.local, path, depth)
        for start, end in layout.gaps:
            where = "between" if end < blob.size else "behind"
            if start == 0:
                # What it begins with is opened as that, and looked at with the whole; unless there is an archive once more.
                if way.is_guess and END_OF_ZIP not in blob.cut(max(0, end - TAIL_BYTES), end).read(
                    0, end
                ):
                    continue
                where = "in front"
            yield from self._gap(blob.cut(start, end), path, depth, where)
        if layout.cut:
            raise Enough("files", f"there are more than {self._bounds.files} files in it")

    def _entries(
        self, blob: Blob, entries: Iterable[Entry], path: str, depth: int
    ) -> Iterator[Found]:
        telling = Telling()
        is_other = False
        for entry in entries:
            self.tally.file()
            if entry.is_encrypted:
                yield from telling.of(Encrypted(), below(path, visible(entry.name)))
                continue
            if entry.method in OTHER_METHODS:
                is_other = True
                continue
            inner = below(path, visible(entry.name))
            fault, content = self._from(lambda e=entry: unpacked(blob, e, codings.decode))
            yield from self._give_what_there_is(content, inner, depth + 1, fault)
            if isinstance(fault, Enough):
                raise fault
            if fault is not None:
                yield from telling.of(fault, inner)
        if is_other:
            yield from self._members(blob, "zip", path, depth, is_guess=False)

    def _gap(self, blob: Blob, path: str, depth: int, where: str) -> Iterator[Found]:
        """Give what belongs to nothing in an archive."""
        if blob.size < _LEAST_GAP or blob.is_blank():
            return
        self.tally.file()
        yield from self._give(blob, below(path, f"({where})"), depth + 1)

    # Forms, mail, text

    def _form(self, blob: Blob, content_type: str, path: str, depth: int) -> Iterator[Found]:
        self.kind = self.kind or _bare(content_type).partition("/")[0]
        limits = self._limits()
        try:
            for part in forms.split(blob.open(), content_type, limits):
                self.tally.file()
                if part.size < _LEAST_PART and not part.filename and not part.codings:
                    continue
                inner = below(path, visible(part.filename or part.name or f"({part.kind.value})"))
                # What has no type is text (RFC 7578 section 4.4, RFC 2046 section 5.1).
                types = part.content_types or (part.media_type or "text/plain",)
                content = self._copied(part.chunks())
                yield from self._give(content, inner, depth + 1, types)
                for coding in part.codings:
                    decoding = codings.decode(part.chunks(), coding, limits)
                    fault, content = self._spooled(decoding)
                    yield from self._give_what_there_is(content, inner, depth + 1, fault, types)
                    if isinstance(fault, Enough):
                        raise fault
                    if fault is not None and not isinstance(fault, Lying):
                        yield refused(fault, inner)
        except Enough:
            raise
        except Fault as fault:
            yield refused(fault, path)

    def _texts(self, blob: Blob, path: str, depth: int) -> Iterator[Found]:
        try:
            for text in text_codings.texts(blob.open(), self._limits()):
                self.kind = self.kind or "text"
                self.tally.file()
                content = self._copied(text.chunks())
                yield from self._give(content, below(path, f"({text.kind})"), depth + 1)
        except Enough:
            raise
        except Fault as fault:
            yield refused(fault, path)

    # Room

    def _limits(self) -> Limits:
        """Give what a reader of one stream may do; how much comes out of it is counted here."""
        return Limits(size=1 << 62, ratio=1 << 30, parts=max(1, self.tally.files_left))

    def _layer_limits(self) -> Limits:
        """Give how much may come out of each of several codings that lie upon each other, which nobody here sees."""
        bounds = self._bounds
        return Limits(size=bounds.size, ratio=bounds.ratio, floor=bounds.floor)

    def _copied(self, pieces: Iterable[bytes]) -> Blob:
        fault, blob = self._spooled(pieces)
        if fault is not None:
            raise fault
        return blob

    def _from(self, begin: object) -> tuple[Fault | None, Blob]:
        """Spool what a function begins to give, which may fail at once."""
        try:
            pieces = begin()  # type: ignore[operator]
        except Fault as fault:
            return fault, Blob.of(b"")
        return self._spooled(pieces)

    def _spooled(
        self, pieces: Iterable[bytes], *, is_counted: bool = False
    ) -> tuple[Fault | None, Blob]:
        """Take what comes, up to the first fault; gives both."""
        spool = Spool(self.share)
        try:
            for piece in pieces:
                if not is_counted:
                    self.tally.grow(len(piece))
                self.tally.of_member(spool.size + len(piece))
                spool.write(piece)
        except Fault as fault:
            return fault, spool.finish()
        return None, spool.finish()

    def _is_seen(self, blob: Blob, path: str) -> bool:
        """Tell whether the same was there before, under a name with the same ending."""
        digest = sha256()
        for piece in blob.pieces():
            digest.update(piece)
        digest.update(path.rpartition("/")[2].rpartition(".")[2].lower().encode("utf-8", "replace"))
        # With the size, or the end of a name could pass for the end of content.
        key = (blob.size, digest.digest())
        if key in self._seen:
            return True
        self._seen.add(key)
        return False


def kind_of(blob: Blob) -> str:
    """Give what it is by its first bytes alone."""
    ways = readings(blob)
    return ways[0].kind if len(ways) == 1 else ""


def _without_zeros(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Leave out the zeros that a tape archive ends with."""
    is_blank = True
    for piece in pieces:
        rest = piece.lstrip(b"\0") if is_blank else piece
        if rest:
            is_blank = False
            yield rest


def _bare(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _media_type(types: Iterable[str]) -> str:
    return next((_bare(one) for one in types), "")
