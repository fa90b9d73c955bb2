"""Tests of the plugin filetype through a whole gateway: downloads, uploads, and what is packed in them."""

from __future__ import annotations

import base64
import gzip
import os
import zlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import (
    Clean,
    Coverage,
    Fields,
    Identity,
    Plugin,
    Response,
    ScanJob,
    Stored,
    StoredFile,
    Transaction,
    Unpacked,
    Unscannable,
    hookimpl,
)
from gateway.api.settings import ConfigError
from gateway.testing import FakeGateway, check_plugin
from gateway_filetype import Filetype, FiletypeSettings

URL = "http://a.example/files/a.bin"
#: A Windows program; its header lies in the first 100 bytes.
PROGRAM = (b"MZ\x90\0".ljust(60, b"\0") + b"\x40\0\0\0PE\0\0\x64\x86\x01\0".ljust(24, b"\0")).ljust(
    2000, b"\0"
)
IMAGE = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR" + bytes(range(256)) * 50
TEXT = b"nothing but text\n" * 1000


class WhoEver(Plugin):
    """Takes everybody's word for who he is."""

    name = "who_ever"

    @hookimpl()
    def authenticate(self, txn: Transaction) -> Identity | None:
        """Read the name and the groups."""
        user = txn.request.fields.get("X-User")
        groups = (txn.request.fields.get("X-Groups") or "").split()
        return Identity(user, frozenset(groups)) if user else None


class Opener(Plugin):
    """Unpacks what begins with PACK: names and contents between bars."""

    name = "opener"

    @hookimpl()
    def scan_patterns(self) -> str:
        """Name it."""
        return "opener/1"

    @hookimpl()
    def unpack_content(self, job: ScanJob) -> Unpacked | None:
        """Unpack."""
        with job.open() as file:
            content = file.read()
        return Unpacked("pack", Packed(content, job)) if content.startswith(b"PACK") else None


class Packed:
    """What is packed."""

    def __init__(self, content: bytes, job: ScanJob) -> None:
        self._jobs: list[ScanJob | Unscannable] = []
        for entry in content.split(b"|")[1:]:
            name, _, packed = entry.partition(b"=")
            self._jobs.append(
                ScanJob(
                    packed, None, len(packed), "", "", job.url, job.side, job.identity,
                    member=name.decode(), depth=1,
                )
            )  # fmt: skip

    async def more(self) -> Sequence[ScanJob | Unscannable]:
        """Give all at once, then nothing."""
        jobs, self._jobs = self._jobs, []
        return jobs

    def close(self) -> None:
        """Nothing is open."""


class Finder(Plugin):
    """Calls everything clean."""

    name = "finder"

    @hookimpl()
    def scan_patterns(self) -> str:
        """Name it."""
        return "finder/1"

    @hookimpl()
    def scan_content(self, job: ScanJob) -> Clean:
        """Find nothing."""
        return Clean("finder", "1", Coverage(job.size, True))


class FiletypeTestCase(SynchronousTestCase):
    """Makes gateways."""

    def started(
        self, settings: dict[str, object], plugins: Any = (WhoEver,), **how: Any
    ) -> FakeGateway:
        """Start a gateway."""
        gateway = FakeGateway(Filetype, settings, plugins=list(plugins), **how)
        self.addCleanup(gateway.stop)
        return gateway

    def got(
        self,
        gateway: FakeGateway,
        content: Any,
        media_type: str = "application/octet-stream",
        url: str = URL,
        status: int = 200,
        fields: dict[str, str] | None = None,
        asked: dict[str, str] | None = None,
    ) -> Any:
        """Download content."""
        said = {"Content-Type": media_type, **(fields or {})}
        gateway.origin[url] = Response(status, Fields.of(list(said.items())), content)
        return self.successResultOf(gateway.get(url, asked or {}))

    def sent(self, gateway: FakeGateway, content: Any, method: str = "POST", **fields: str) -> Any:
        """Upload content; whatever it is the origin answers."""
        gateway.origin[URL] = Response(200, content=b"thanks")
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        return self.successResultOf(gateway.request(method, URL, named, content))

    def assertRefused(self, seen: Any, *words: str) -> None:
        """It was refused, with a page that says why."""
        self.assertEqual(seen.status, 403, seen.text[:200])
        for word in words:
            self.assertIn(word, seen.verdict.why)


class DownloadTests(FiletypeTestCase):
    """What clients get."""

    def test_by_content(self) -> None:
        """A program is refused whatever it is called; the page says what was found and which rule says so."""
        gateway = self.started({"block": ["exe"], "mismatch": "pass"})
        for media_type, url in (
            ("application/octet-stream", URL),
            ("image/png", "http://a.example/a.png"),
            ("text/html; charset=utf-8", "http://a.example/"),
            ("", "http://a.example/a.txt"),
        ):
            seen = self.got(gateway, PROGRAM, media_type, url)
            self.assertRefused(seen, "a Windows program (exe)", "(setting plugins.filetype.block)")
            self.assertEqual(seen.notes["filetype_response"], "exe:block")
        self.assertIn("Windows program", seen.text)

    def test_no_program(self) -> None:
        """What is no program passes, whatever its name says and with the declared type that says nothing."""
        gateway = self.started({"block": ["executable"]})
        for content in (TEXT, IMAGE, b"", b"M", b"MZ", gzip.compress(PROGRAM)):
            seen = self.got(gateway, content, url="http://a.example/setup.exe")
            self.assertEqual((seen.status, seen.content), (200, content))

    def test_declared(self) -> None:
        """A type that is named and declared is refused by the head alone."""
        gateway = self.started({"block": ["exe"]})
        seen = self.got(gateway, TEXT, "application/x-msdownload")
        self.assertRefused(seen, "exe")

    def test_allow(self) -> None:
        """With a list of what is allowed all else is refused, and what nobody knows."""
        gateway = self.started({"allow": ["image", "text"]})
        self.assertEqual(self.got(gateway, IMAGE, "image/png").status, 200)
        self.assertEqual(self.got(gateway, TEXT, "text/plain").status, 200)
        self.assertRefused(self.got(gateway, b"%PDF-1.7\n", "application/pdf"), "a PDF document")
        noise = bytes(range(1, 255))[::-1] * 40
        self.assertRefused(self.got(gateway, noise), "of an unknown kind")
        gateway = self.started({"allow": ["image", "unknown"]})
        self.assertEqual(self.got(gateway, noise).status, 200)

    def test_mismatch(self) -> None:
        """By default a program that is declared as something to look at is refused, and no other."""
        gateway = self.started({})
        for media_type in (
            "image/png",
            "text/plain",
            "video/mp4",
            "font/woff2",
            "application/json",
        ):
            seen = self.got(gateway, PROGRAM, media_type)
            self.assertRefused(seen, f"declared as {media_type}", "plugins.filetype.mismatch")
        for media_type in ("application/octet-stream", "application/x-msdownload", "", "odd/thing"):
            self.assertEqual(self.got(gateway, PROGRAM, media_type).status, 200)
        self.assertEqual(self.got(gateway, IMAGE, "text/plain").status, 200)
        gateway = self.started({"mismatch": "monitor"})
        seen = self.got(gateway, PROGRAM, "image/png")
        self.assertEqual((seen.status, seen.content), (200, PROGRAM))
        self.assertEqual(seen.notes["filetype_response"], "exe:monitor")
        event = next(event for event in gateway.events if event.name == "filetype_found")
        self.assertIn("declared as image/png", event.text)
        self.assertEqual(event.values["kind"], "exe")

    def test_content_coding(self) -> None:
        """What is coded is judged as what it is decoded to; a coding that is none, or a lie, hides nothing."""
        gateway = self.started({"block": ["exe"], "mismatch": "pass"})
        bare = zlib.compressobj(wbits=-15)
        coded = {
            "gzip": gzip.compress(PROGRAM),
            "x-gzip": gzip.compress(b"") + gzip.compress(PROGRAM),
            "deflate": zlib.compress(PROGRAM),
            "DEFLATE": bare.compress(PROGRAM) + bare.flush(),
            "gzip, deflate": zlib.compress(gzip.compress(PROGRAM)),
            "utf-8": PROGRAM,
            "identity": PROGRAM,
            "gzip ": PROGRAM,
        }
        for coding, content in coded.items():
            seen = self.got(gateway, content, "text/plain", fields={"Content-Encoding": coding})
            self.assertRefused(seen, "(exe)")
        text = gzip.compress(TEXT)
        seen = self.got(gateway, text, "text/plain", fields={"Content-Encoding": "gzip"})
        self.assertEqual((seen.status, seen.content), (200, text))

    def test_unreadable(self) -> None:
        """What can't be decoded is refused where a rule names kinds; servers are not asked for it either."""
        for settings, status in (
            ({"block": ["exe"]}, 403),
            ({"block": ["exe"], "unreadable": "pass"}, 200),
            ({}, 200),
        ):
            gateway = self.started(dict(settings))
            for coding, content in (
                ("compress", b"\x1f\x9d\x90abc"),
                ("gzip", b"\x1f\x8b\x08\xff" * 9),
            ):
                seen = self.got(gateway, content, fields={"Content-Encoding": coding})
                self.assertEqual(seen.status, status, (settings, coding))
        gateway = self.started({"block": ["exe"]})
        self.got(gateway, TEXT, asked={"Accept-Encoding": "gzip, compress;q=0.5, dcb"})
        self.assertEqual(gateway.origin.requests[-1].get("accept-encoding"), b"gzip")

    def test_late_first_bytes(self) -> None:
        """Coded content that shows nothing of itself for long is not kept back without end."""
        gateway = self.started({"block": ["exe"]})
        long_name = b"\x1f\x8b\x08\x08" + bytes(6) + b"x" * 400_000
        seen = self.got(gateway, long_name, fields={"Content-Encoding": "gzip"})
        self.assertRefused(seen, "256 KiB")

    def test_parts(self) -> None:
        """Of a part that begins later only what is claimed is judged; a setting refuses such parts."""
        later = {"Content-Range": "bytes 100-199/2000"}
        first = {"Content-Range": "bytes 0-1999/2000"}
        gateway = self.started({"block": ["exe"]})
        seen = self.got(gateway, PROGRAM[100:200], status=206, fields=later)
        self.assertEqual(seen.status, 206)
        seen = self.got(gateway, PROGRAM, status=206, fields=first)
        self.assertRefused(seen, "(exe)")
        url = "http://a.example/setup.exe"
        self.assertRefused(self.got(gateway, PROGRAM[100:200], url=url, status=206, fields=later))
        gateway = self.started({"block": ["exe"], "partial": "block"})
        seen = self.got(gateway, PROGRAM[100:200], status=206, fields=later)
        self.assertRefused(seen, "plugins.filetype.partial")
        seen = self.got(gateway, b"--x\r\n", "multipart/byteranges; boundary=x", status=206)
        self.assertRefused(seen)

    def test_disposition(self) -> None:
        """A script that only its name shows is known by the name it is saved under."""
        gateway = self.started({"block": ["script"]})
        script = b"Write-Host hello\r\n"
        for said in (
            "attachment; filename=run.ps1",
            'attachment; filename="a b.ps1"',
            "attachment; filename=a.txt; filename*=UTF-8''run%2eps1",
        ):
            fields = {"Content-Disposition": said}
            seen = self.got(gateway, script, "text/plain", fields=fields)
            self.assertRefused(seen, "a PowerShell script", ".ps1")
        self.assertEqual(self.got(gateway, script, "text/plain").status, 200)
        self.assertEqual(self.got(gateway, b"let a = 1;", "text/javascript").status, 200)


class UploadTests(FiletypeTestCase):
    """What clients send."""

    def test_by_content(self) -> None:
        """A program is refused before the origin has it whole, with or without a declared length."""
        gateway = self.started({"block": ["exe"]})
        for content in (PROGRAM, [PROGRAM], [PROGRAM[:70], PROGRAM[70:]]):
            self.assertRefused(self.sent(gateway, content, Content_Type="image/png"), "(exe)")
        self.assertFalse(any(request.complete for request in gateway.origin.requests))
        for content in (IMAGE, [IMAGE], [IMAGE[:5], IMAGE[5:]], b"", TEXT):
            self.assertEqual(self.sent(gateway, content).status, 200)
            self.assertEqual(
                gateway.origin.requests[-1].content,
                b"".join(content) if isinstance(content, list) else content,
            )

    def test_forms(self) -> None:
        """Each file in a form is judged, by its own first bytes, type and name; ordinary fields are not files."""
        gateway = self.started({"block": ["exe", "script"]})
        kind = "multipart/form-data; boundary=XYZ"
        for content in (
            form(("a", "a.png", "image/png", PROGRAM)),
            form(
                ("a", "", "", b"text"), ("b", "a.txt", "text/plain", TEXT), ("c", "c", "", PROGRAM)
            ),
            form(("a", "run.ps1", "text/plain", b"Write-Host hello")),
            form(("a", "", "", PROGRAM)),
            form(("a", "a.png", "image/png", PROGRAM)).replace(b"\r\n", b"\n"),
            b"preamble\r\n" + form(("a", "a.png", "image/png", PROGRAM)),
            form(("a", "a.png", "image/png", PROGRAM)).removesuffix(b"--XYZ--\r\n"),
        ):
            for cut in (content, [content], [content[:99], content[99:]]):
                seen = self.sent(gateway, cut, Content_Type=kind)
                self.assertRefused(seen, "setting plugins.filetype.")
        self.assertFalse(any(request.complete for request in gateway.origin.requests))
        self.assertIn(
            "The upload is a Windows",
            self.sent(gateway, form(("a", "", "", PROGRAM)), Content_Type=kind).verdict.why,
        )
        for content in (
            form(("a", "a.png", "image/png", IMAGE), ("b", "b.txt", "text/plain", TEXT)),
            form(("a", "", "", b"#!/bin/sh\nexit\n")),
            form(),
        ):
            seen = self.sent(gateway, content, Content_Type=kind)
            self.assertEqual((seen.status, gateway.origin.requests[-1].content), (200, content))

    def test_base64_part(self) -> None:
        """A file that a form carries as base64 is judged as what it stands for."""
        gateway = self.started({"block": ["exe"]})
        content = form(("a", "a.txt", "text/plain", base64.encodebytes(PROGRAM)))
        coded = content.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n", 1)
        kind = "multipart/form-data; boundary=XYZ"
        self.assertRefused(self.sent(gateway, coded, Content_Type=kind), "(exe)")
        self.assertEqual(self.sent(gateway, content, Content_Type=kind).status, 200)

    def test_unreadable_forms(self) -> None:
        """A form that can't be read is refused where a rule names kinds, and only there."""
        for settings, status in (
            ({"block": ["exe"]}, 403),
            ({"block": ["exe"], "unreadable": "pass"}, 200),
            ({}, 200),
        ):
            gateway = self.started(dict(settings))
            kind = "multipart/form-data"
            self.assertEqual(self.sent(gateway, form(), Content_Type=kind).status, status)
            kind += '; boundary="XYZ"'
            endless = b"--XYZ\r\nX: " + b"x" * 20_000
            self.assertEqual(self.sent(gateway, endless, Content_Type=kind).status, status)
            coded = gzip.compress(form(("a", "a", "", PROGRAM)))
            seen = self.sent(gateway, coded, Content_Type=kind, Content_Encoding="gzip")
            self.assertEqual(seen.status, status)

    def test_put(self) -> None:
        """The path of a PUT names a file; that of a POST names what takes it."""
        gateway = self.started({"block": ["script"]})
        url = "http://a.example/run.ps1"
        gateway.origin[url] = Response(200)
        for method, status in (("PUT", 403), ("POST", 200)):
            seen = self.successResultOf(gateway.request(method, url, {}, b"Write-Host hello"))
            self.assertEqual(seen.status, status)


class RuleTests(FiletypeTestCase):
    """Which rule is asked."""

    def test_first_wins(self) -> None:
        """The first rule that matches decides, also for letting pass; the lists come last."""
        gateway = self.started(
            {
                "block": ["executable"],
                "rule": [
                    {"types": ["exe"], "hosts": ["*.trusted.example"], "action": "pass"},
                    {"types": ["archive"], "side": "upload"},
                    {"types": ["pdf"], "action": "monitor"},
                ],
            }
        )
        url = "http://www.trusted.example/a.png"
        self.assertEqual(self.got(gateway, PROGRAM, "image/png", url).status, 200)
        self.assertRefused(self.got(gateway, PROGRAM, "image/png"))
        archive = b"Rar!\x1a\x07\x01\0" + bytes(100)
        self.assertEqual(self.got(gateway, archive).status, 200)
        self.assertRefused(self.sent(gateway, archive), "plugins.filetype.rule[1]")
        self.assertEqual(self.got(gateway, b"%PDF-1.7\n").notes["filetype_response"], "pdf:monitor")

    def test_users_and_groups(self) -> None:
        """A rule is for its users and its groups; who is not known is neither."""
        gateway = self.started(
            {
                "block": ["exe"],
                "rule": [
                    {"types": ["exe"], "users": ["Ada"], "groups": ["Staff"], "action": "pass"}
                ],
            }
        )
        cases: tuple[tuple[dict[str, str], int], ...] = (
            ({}, 403),
            ({"X-User": "bob"}, 403),
            ({"X-User": "ada"}, 200),
            ({"X-User": "bob", "X-Groups": "guests staff"}, 200),
        )
        for fields, status in cases:
            self.assertEqual(self.got(gateway, PROGRAM, asked=fields).status, status, fields)

    def test_other_than(self) -> None:
        """A rule may be about all kinds but some, for some hosts only."""
        gateway = self.started(
            {"rule": [{"other_than": ["image"], "hosts": ["images.example"]}], "mismatch": "pass"}
        )
        url = "http://images.example/a"
        self.assertEqual(self.got(gateway, IMAGE, url=url).status, 200)
        self.assertRefused(self.got(gateway, TEXT, url=url), "plugins.filetype.rule[0]")
        self.assertEqual(self.got(gateway, TEXT).status, 200)

    def test_faults(self) -> None:
        """A kind that there is not is named with the nearest one, by extension or by letters."""
        for name, near in (
            ("exee", "exe"),
            ("scr", "exe"),
            ("executables", "executable"),
            ("?", ""),
        ):
            error = self.assertRaises(ConfigError, FakeGateway, Filetype, {"block": [name]})
            self.assertIn(f'did you mean "{near}"' if near else "no kind of file", str(error))
        for rule in ({}, {"types": ["exe"], "other_than": ["pdf"]}):
            self.assertRaises(ConfigError, FakeGateway, Filetype, {"rule": [rule]})

    def test_cautions(self) -> None:
        """What does nothing, or not what it seems to, is said."""
        for settings, words in (
            ({"mismatch": "pass"}, "no content is judged"),
            ({"block": ["exe"], "allow": ["exe"]}, "block and allow both have exe"),
            ({"deep": True}, "no rule asks for it"),
            ({"block": ["exe"]}, "not decrypted"),
        ):
            gateway = self.started(dict(settings))
            self.assertIn(words, " ".join(gateway.cautions))


class MemberTests(FiletypeTestCase):
    """What is packed in content."""

    PACK = b"PACK|a.txt=hello|inner/setup.png=" + PROGRAM

    def test_deep(self) -> None:
        """A program within is refused, in downloads and uploads, and the page names it."""
        gateway = self.started({"block": ["exe"], "deep": True}, [Opener, Finder])
        for seen in (self.got(gateway, self.PACK), self.sent(gateway, self.PACK)):
            self.assertRefused(seen, '"setup.png" in it is a Windows program (exe)')
        self.assertFalse(
            any(request.complete and request.content for request in gateway.origin.requests)
        )
        clean = b"PACK|a.txt=hello"
        seen = self.got(gateway, clean)
        self.assertEqual((seen.status, seen.content), (200, clean))

    def test_not_deep(self) -> None:
        """Without C{deep} nothing is held for this plugin, and what is packed is not its business."""
        gateway = self.started({"block": ["exe"]}, [Opener, Finder])
        seen = self.got(gateway, self.PACK)
        self.assertEqual((seen.status, seen.notes["scan_response"]), (200, "not_needed"))

    def test_monitor(self) -> None:
        """A rule that only watches lets a member pass and tells of it."""
        gateway = self.started(
            {"deep": True, "rule": [{"types": ["exe"], "action": "monitor"}]}, [Opener, Finder]
        )
        self.assertEqual(self.got(gateway, self.PACK).status, 200)
        self.assertIn("filetype_found", [event.name for event in gateway.events])

    def test_patterns(self) -> None:
        """What was scanned under these rules is scanned anew under others; by who asks nothing is remembered."""
        plain = self.started({"block": ["exe"], "deep": True}, [Opener, Finder]).plugin
        other = self.started({"block": ["dll"], "deep": True}, [Opener, Finder]).plugin
        rule = {"types": ["exe"], "users": ["ada"]}
        by_who = self.started({"rule": [rule], "deep": True}, [Opener, Finder]).plugin
        self.assertNotEqual(plain.scan_patterns(), other.scan_patterns())
        self.assertNotEqual(plain.scan_patterns(), "")
        self.assertEqual(by_who.scan_patterns(), "")


class Store(Plugin):
    """Answers from a store."""

    name = "store"
    response: Response
    path: Path | None = None

    @hookimpl()
    def cache_lookup(self, txn: Transaction) -> Stored | None:
        """Give what is stored for those who do not ask for something new."""
        if txn.request.fields.get("x-new"):
            return None
        if self.path is None:
            return Stored(self.response)
        descriptor = os.open(self.path, os.O_RDONLY)
        file = StoredFile(descriptor, 0, self.path.stat().st_size, partial(os.close, descriptor))
        return Stored(self.response, file=file)


class StoredTests(FiletypeTestCase):
    """What passed the filters when it was stored."""

    def setUp(self) -> None:
        """Make a gateway where Ada may have programs."""
        rule = {"types": ["exe"], "users": ["ada"], "action": "pass"}
        settings = {"block": ["exe"], "rule": [rule]}
        self.gateway = self.started(settings, [WhoEver, Store, Finder])
        store = self.gateway.plugins["store"]
        assert isinstance(store, Store)
        self.store = store

    def test_in_memory(self) -> None:
        """What is stored for one user is judged for the next."""
        self.store.response = Response(200, Fields.of([("Content-Type", "image/png")]), PROGRAM)
        for fields, status in (({"X-User": "ada"}, 200), ({"X-User": "bob"}, 403)):
            seen = self.successResultOf(self.gateway.get(URL, fields))
            self.assertEqual(seen.status, status)

    def test_coded(self) -> None:
        """What is stored with a content coding is judged behind it, in memory and in a file."""
        fields = [("Content-Type", "text/plain"), ("Content-Encoding", "gzip")]
        path = Path(self.mktemp())
        for content, expected in ((PROGRAM, 403), (TEXT, 200)):
            coded = gzip.compress(content)
            path.write_bytes(coded)
            for self.store.path in (None, path):
                stored = b"" if self.store.path else coded
                self.store.response = Response(200, Fields.of(fields), stored, length=len(coded))
                seen = self.successResultOf(self.gateway.get(URL))
                self.assertEqual(seen.status, expected, self.store.path)

    def test_in_a_file(self) -> None:
        """Of a file that was seen to pass the kind is known; another one is looked at first."""
        path = Path(self.mktemp())
        path.write_bytes(PROGRAM)
        self.store.path = path
        fields = [("Content-Type", "application/octet-stream"), ("ETag", '"1"')]
        self.store.response = Response(200, Fields.of(fields), length=len(PROGRAM))
        bob = self.successResultOf(self.gateway.get(URL, {"X-User": "bob"}))
        self.assertEqual((bob.status, bob.notes["scan_response"]), (403, "forbidden:type:block"))
        ada = self.successResultOf(self.gateway.get(URL, {"X-User": "ada"}))
        self.assertEqual((ada.status, ada.content), (200, PROGRAM))
        more = {"ETag": '"1"'}
        new = self.got(self.gateway, PROGRAM, fields=more, asked={"X-User": "ada", "X-New": "1"})
        self.assertEqual(new.status, 200)
        bob = self.successResultOf(self.gateway.get(URL, {"X-User": "bob"}))
        self.assertEqual(bob.status, 403)
        self.assertNotIn("scan_response", bob.notes)


class KitTests(SynchronousTestCase):
    """The rules for plugins."""

    def test_check(self) -> None:
        """The plugin keeps the rules for plugins."""
        check_plugin(Filetype, FiletypeSettings(block=("exe",)))


def form(*parts: tuple[str, str, str, bytes]) -> bytes:
    """Write a form: field, file name, type and content of each part."""
    written = b""
    for field, file, media_type, content in parts:
        head = f'--XYZ\r\nContent-Disposition: form-data; name="{field}"'
        head += f'; filename="{file}"' if file else ""
        head += f"\r\nContent-Type: {media_type}" if media_type else ""
        written += head.encode() + b"\r\n\r\n" + content + b"\r\n"
    return written + b"--XYZ--\r\n"
