"""The page that offers the gateway's CA, and its files."""

from __future__ import annotations

import base64
import datetime
import json
import plistlib
import re
from dataclasses import dataclass
from html.parser import HTMLParser

from twisted.trial.unittest import SynchronousTestCase

from gateway.api.messages import Response
from gateway.pipeline.ca_formats import FORMATS, NEXT_FILE, as_pem, export, fingerprint
from gateway.pipeline.ca_page import PATHS, ca_response
from gateway.pipeline.ca_texts import PLATFORMS

START = datetime.datetime(2027, 1, 31, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Ca:
    """One that is published; its bytes need not be a certificate here."""

    name: str = "Gateway CA 01234567"
    der: bytes = bytes(range(256)) * 2
    root: bool = True
    signs_from: datetime.datetime = START
    expires: datetime.datetime = START + datetime.timedelta(days=3652)
    signs: bool = True


ONE = Ca()
NEXT = Ca("Gateway CA 89abcdef", bytes(reversed(range(256))), signs=False)


class Reader(HTMLParser):
    """Reads a page: its elements stand in each other as they should, and its links."""

    VOID = frozenset({"meta"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.headings: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element says."""
        if tag not in self.VOID:
            self.open.append(tag)
        found = dict(attrs)
        self.ids += [found["id"] or ""] if "id" in found else []
        self.links += [found["href"] or ""] if "href" in found else []
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Elements are closed in the order in which they were opened."""
        assert self.open.pop() == tag, tag


def read(response: Response) -> Reader:
    """Read a page to its end."""
    reader = Reader()
    reader.feed(response.content.decode())
    reader.close()
    assert reader.open == []
    return reader


class PageTestCase(SynchronousTestCase):
    """Asks the site."""

    def get(self, path: str, *published: Ca) -> Response:
        """Get what is there."""
        found = ca_response(path, published)
        assert found is not None, path
        return found

    def field(self, response: Response, name: str) -> str:
        """Give a field of the response."""
        value = response.fields.get(name)
        assert value is not None, name
        return str(value)


class PageTests(PageTestCase):
    """The page."""

    def test_paths(self) -> None:
        """The page is at the root and at /ca, whatever the query; elsewhere is nothing."""
        for path in (*PATHS, "/?x=1"):
            self.assertEqual(self.get(path, ONE).status, 200)
        for path in ("/x", "/ca/../etc/passwd", "/gateway-ca.key", "//", "/caX", NEXT_FILE):
            self.assertIsNone(ca_response(path, [ONE]), path)

    def test_links_lead_somewhere(self) -> None:
        """Each link leads to a place of the page or to a file that is there, and every file is linked."""
        reader = read(self.get("/", ONE, NEXT))
        files = set()
        for link in reader.links:
            if link.startswith("#"):
                self.assertIn(link[1:], reader.ids)
            else:
                self.assertEqual(self.get(link, ONE, NEXT).status, 200)
                files.add(link.removeprefix("/"))
        self.assertEqual(files, {one.file for one in FORMATS.values()} | {NEXT_FILE})
        self.assertEqual(len(set(reader.ids)), len(reader.ids))

    def test_accessible(self) -> None:
        """A language, a title, one main heading, and sections below it."""
        response = self.get("/", ONE)
        reader = read(response)
        self.assertEqual(reader.headings[0], "h1")
        self.assertEqual(set(reader.headings[1:]), {"h2"})
        self.assertGreaterEqual(len(reader.headings), len(PLATFORMS) + 1)
        for part in (b'<html lang="en">', b"<title>", b"<main>", b'name="viewport"'):
            self.assertIn(part, response.content)

    def test_fingerprint(self) -> None:
        """Each published CA is shown with its fingerprint, and from when it is used."""
        content = self.get("/", ONE, NEXT).content.decode()
        for one in (ONE, NEXT):
            self.assertIn(fingerprint(one), content)
            self.assertIn(one.name, content)
        self.assertIn("from 2027-01-31: install it in time", content)
        self.assertIn("compare the SHA-256 fingerprint", content)

    def test_policy(self) -> None:
        """No script, no outside resource, no form, no frame; never stored."""
        response = self.get("/", ONE)
        policy = self.field(response, "Content-Security-Policy")
        self.assertIn("default-src 'none'", policy)
        self.assertIn("frame-ancestors 'none'", policy)
        self.assertEqual(self.field(response, "Cache-Control"), "no-store")
        self.assertEqual(self.field(response, "X-Content-Type-Options"), "nosniff")
        for part in (b"<script", b"http:", b"https:", b" style=", b"javascript:"):
            self.assertNotIn(part, response.content)

    def test_names_are_escaped(self) -> None:
        """The name of an imported CA may hold anything."""
        evil = Ca("<script>alert(1)</script>\"'&")
        content = self.get("/", evil).content
        self.assertNotIn(b"<script", content)
        self.assertIn(b"&lt;script&gt;", content)

    def test_no_ca(self) -> None:
        """While there is no CA the page says so, and there are no files."""
        response = self.get("/")
        self.assertIn(b"no CA", response.content)
        self.assertEqual(read(response).links, [])
        for one in FORMATS.values():
            self.assertIsNone(ca_response(f"/{one.file}", ()))


class FileTests(PageTestCase):
    """The files."""

    def test_fields(self) -> None:
        """Each has its type and name; what phones install by opening is no attachment."""
        for one in FORMATS.values():
            response = self.get(f"/ca/{one.file}", ONE)
            self.assertEqual(self.field(response, "Content-Type"), one.media)
            disposition = self.field(response, "Content-Disposition")
            self.assertIn(f'filename="{one.file}"', disposition)
            self.assertIs(
                disposition.startswith("inline"), one.name in ("mobileconfig", "der"), one.name
            )
            self.assertEqual(response.content, export(one.name, [ONE]))

    def test_second_der(self) -> None:
        """DER holds one certificate, so the next one has a file of its own."""
        self.assertEqual(self.get("/gateway-ca.crt", ONE, NEXT).content, ONE.der)
        self.assertEqual(self.get(f"/{NEXT_FILE}", ONE, NEXT).content, NEXT.der)

    def test_pem(self) -> None:
        """PEM holds all, in lines of 64."""
        text = export("pem", [ONE, NEXT]).decode()
        self.assertEqual(text, as_pem(ONE) + as_pem(NEXT))
        self.assertEqual(max(map(len, text.splitlines())), 64)
        body = "".join(as_pem(ONE).splitlines()[1:-1])
        self.assertEqual(base64.b64decode(body), ONE.der)

    def test_mobileconfig(self) -> None:
        """A valid property list with a payload for each; the same CA keeps its identifiers."""
        below = Ca("below", b"x", root=False)
        read = plistlib.loads(export("mobileconfig", [ONE, NEXT, below]))
        self.assertEqual((read["PayloadType"], read["PayloadVersion"]), ("Configuration", 1))
        payloads = read["PayloadContent"]
        self.assertEqual(
            [(one["PayloadType"], one["PayloadContent"]) for one in payloads],
            [
                ("com.apple.security.root", ONE.der),
                ("com.apple.security.root", NEXT.der),
                ("com.apple.security.pkcs1", b"x"),
            ],
        )
        identifiers = [read["PayloadUUID"], *(one["PayloadUUID"] for one in payloads)]
        self.assertEqual(len(set(identifiers)), 4)
        alone = plistlib.loads(export("mobileconfig", [ONE]))
        self.assertEqual(alone["PayloadContent"][0], payloads[0])
        self.assertEqual(alone["PayloadIdentifier"], read["PayloadIdentifier"])

    def test_names_in_a_profile(self) -> None:
        """A name can't break out of the profile."""
        evil = "</string><key>PayloadType</key>&"
        read = plistlib.loads(export("mobileconfig", [Ca(evil)]))
        self.assertEqual(read["PayloadDisplayName"], evil)

    def test_scripts_hold_no_foreign_text(self) -> None:
        """Scripts, which run with all rights, hold the certificates and never a name."""
        evil = Ca("'; Remove-Item C:\\ \nEND\nrm -rf /", b"der")
        for name in ("powershell", "shell"):
            self.assertEqual(export(name, [evil]), export(name, [Ca("plain", b"der")]))

    def test_powershell(self) -> None:
        """Every certificate goes to its store: roots to Root, others to CA."""
        text = export("powershell", [ONE, Ca("below", b"x", root=False)]).decode()
        self.assertEqual(re.findall(r"@\('(\w+)', '", text), ["Root", "CA"])
        self.assertIn(base64.b64encode(ONE.der).decode(), text)
        self.assertEqual(text.count("\n"), text.count("\r\n"))

    def test_firefox(self) -> None:
        """A policy that names the PEM file."""
        policy = json.loads(export("firefox", [ONE]))
        self.assertEqual(policy["policies"]["Certificates"]["Install"], ["gateway-ca.pem"])


class TextTests(SynchronousTestCase):
    """The instructions."""

    def test_files_exist(self) -> None:
        """Each platform names formats that there are, and commands name their files."""
        known = {one.file for one in FORMATS.values()}
        for one in PLATFORMS:
            self.assertLessEqual(set(one.formats), set(FORMATS))
            for file in re.findall(r"gateway-ca\.\w+", " ".join([one.code, *one.steps])):
                self.assertIn(file, known)
        self.assertEqual(len({one.anchor for one in PLATFORMS}), len(PLATFORMS))
