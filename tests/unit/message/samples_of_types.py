"""
Content of known kinds, made when it is asked for: programs, and much that is none.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import sqlite3
import struct
import tarfile
import wave
import zipfile
import zlib
from collections.abc import Iterator


def pe(
    *, at: int = 128, flags: int = 0x0102, subsystem: int = 3, wide: bool = True, size: int = 2048
) -> bytes:
    """
    Make a Windows program (PE/COFF).

    @param at: where its header lies.
    @param flags: its characteristics; 0x2000 is a library.
    @param wide: it is of 64 bits.
    """
    dos = b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0\xb8".ljust(60, b"\0") + struct.pack("<I", at)
    coff = struct.pack("<HHIIIHH", 0x8664 if wide else 0x14C, 1, 0, 0, 0, 240, flags)
    optional = struct.pack("<H", 0x20B if wide else 0x10B).ljust(68, b"\0")
    optional += struct.pack("<H", subsystem)
    return (dos.ljust(at, b"\0") + b"PE\0\0" + coff + optional).ljust(size, b"\0")


def zipped(*names: str, first: tuple[str, bytes] | None = None) -> bytes:
    """Make a ZIP archive with these entries."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        if first is not None:
            archive.writestr(zipfile.ZipInfo(first[0]), first[1], zipfile.ZIP_STORED)
        for name in names:
            archive.writestr(name, f"content of {name} " * 20)
    return made.getvalue()


def tarred(mode: str = "w", form: int = tarfile.PAX_FORMAT) -> bytes:
    """Make a tar archive."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode, format=form) as archive:  # type: ignore[call-overload]
        entry = tarfile.TarInfo("a.txt")
        entry.size = 5
        archive.addfile(entry, io.BytesIO(b"hello"))
    return made.getvalue()


def compound(class_id: bytes = bytes(16), *streams: str, sector: int = 1) -> bytes:
    """Make the begin of a compound document (OLE) with a directory of these streams."""
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + b"\x3e\0\x03\0\xfe\xff\x09\0\x06\0"
    head = (head.ljust(48, b"\0") + struct.pack("<I", sector)).ljust(512 * (sector + 1), b"\0")
    entries = [("Root Entry", class_id), *((stream, bytes(16)) for stream in streams)]
    for name, identity in entries:
        head += (name.encode("utf-16-le").ljust(80, b"\0") + identity).ljust(128, b"\0")
    return head.ljust(4096, b"\0")


def png() -> bytes:
    """Make an image of one pixel."""
    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0\0")), (b"IEND", b"")]
    made = b"\x89PNG\r\n\x1a\n"
    for kind, content in chunks:
        made += struct.pack(">I", len(content)) + kind + content
        made += struct.pack(">I", zlib.crc32(kind + content))
    return made


def waved() -> bytes:
    """Make a second of silence."""
    made = io.BytesIO()
    with wave.open(made, "wb") as sound:
        sound.setparams((1, 1, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(8000))
    return made.getvalue()


def database() -> bytes:
    """Make an SQLite database."""
    base = sqlite3.connect(":memory:")
    base.execute("CREATE TABLE a (b)")
    return bytes(base.serialize())


#: The first bytes of each kind, as its own writers write them.
KINDS: tuple[tuple[str, bytes], ...] = (
    ("exe", pe()),
    ("exe", pe(wide=False, at=64)),
    ("exe", pe(at=9000, size=10000)[:8192]),
    ("dll", pe(flags=0x2102)),
    ("sys", pe(subsystem=1)),
    ("sys", pe(subsystem=10, flags=0x2102)),
    ("elf", b"\x7fELF\x02\x01\x01" + bytes(57)),
    ("macho", b"\xcf\xfa\xed\xfe\x07\0\0\x01" + bytes(24)),
    ("macho", b"\xca\xfe\xba\xbe\0\0\0\x02" + bytes(40)),
    ("class", b"\xca\xfe\xba\xbe\0\0\0\x34" + bytes(40)),
    ("dex", b"dex\n035\0" + bytes(40)),
    ("wasm", b"\0asm\x01\0\0\0"),
    ("lnk", bytes.fromhex("4c0000000114020000000000c000000000000046") + bytes(60)),
    ("msi", compound(bytes.fromhex("84100c0000000000c000000000000046"))),
    ("doc", compound(bytes.fromhex("0609020000000000c000000000000046"))),
    ("xls", compound(bytes(16), "Workbook")),
    ("ppt", compound(bytes(16), "PowerPoint Document")),
    ("msg", compound(bytes(16), "__nameid_version1.0")),
    ("ole", compound(sector=40)[:8192]),
    ("zip", zipped("a.txt")),
    ("zip", zipped("word/notes.txt")),
    ("zip", zipped()),
    ("docx", zipped("[Content_Types].xml", "_rels/.rels", "word/document.xml")),
    ("docm", zipped("[Content_Types].xml", "word/vbaProject.bin")),
    ("xlsx", zipped("[Content_Types].xml", "xl/workbook.xml")),
    ("pptx", zipped("_rels/.rels", "ppt/presentation.xml")),
    ("ooxml", zipped("[Content_Types].xml")),
    ("odt", zipped("a", first=("mimetype", b"application/vnd.oasis.opendocument.text"))),
    ("epub", zipped("a", first=("mimetype", b"application/epub+zip"))),
    ("jar", zipped("META-INF/MANIFEST.MF", "a/B.class")),
    ("apk", zipped("AndroidManifest.xml", "classes.dex")),
    ("ipa", zipped("Payload/a.app/Info.plist")),
    ("gzip", gzip.compress(b"hello")),
    ("bzip2", bz2.compress(b"hello")),
    ("bzip2", bz2.compress(b"")),
    ("xz", lzma.compress(b"hello")),
    ("lzma", lzma.compress(b"hello", lzma.FORMAT_ALONE)),
    ("zstd", b"(\xb5/\xfd\x04\0"),
    ("7z", b"7z\xbc\xaf\x27\x1c\0\x04" + bytes(24)),
    ("rar", b"Rar!\x1a\x07\x01\0" + bytes(24)),
    ("rar", b"Rar!\x1a\x07\0" + bytes(24)),
    ("tar", tarred()),
    ("tar", tarred(form=tarfile.GNU_FORMAT)),
    ("cab", b"MSCF\0\0\0\0" + bytes(28)),
    ("ar", b"!<arch>\na.o/            "),
    ("deb", b"!<arch>\ndebian-binary   "),
    ("rpm", b"\xed\xab\xee\xdb\x03\0"),
    ("cpio", b"070701" + b"0" * 104),
    ("lzh", b"\x20\x30-lh5-" + bytes(20)),
    ("iso", bytes(32769) + b"CD001\x01"),
    ("pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"),
    ("pdf", bytes(100) + b"%PDF-1.4\n"),
    ("ps", b"%!PS-Adobe-3.0\n"),
    ("rtf", b"{\\rtf1\\ansi hello}"),
    ("chm", b"ITSF\x03\0\0\0" + bytes(40)),
    ("png", png()),
    ("jpeg", b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01"),
    ("gif", b"GIF89a\x01\0\x01\0\x80\0\0"),
    ("bmp", b"BM" + struct.pack("<IIII", 1000, 0, 54, 40) + bytes(36)),
    ("tiff", b"II*\0\x08\0\0\0"),
    ("webp", b"RIFF\x24\0\0\0WEBPVP8 "),
    ("ico", b"\0\0\1\0\1\0\x10\x10\0\0\x01\0\x20\0\x68\x04\0\0\x16\0\0\0" + bytes(40)),
    ("avif", b"\0\0\0\x20ftypavif\0\0\0\0"),
    ("svg", b"<?xml version='1.0'?>\n<!-- made --><svg xmlns='http://www.w3.org/2000/svg'/>"),
    ("svg", b'<svg xmlns="http://www.w3.org/2000/svg"></svg>'),
    ("wav", waved()),
    ("mp3", b"ID3\x04\0\0\0\0\0\x7f" + bytes(127)),
    ("mp3", b"\xff\xfb\x90\x64" + bytes(200)),
    ("ogg", b"OggS\0\x02" + bytes(24)),
    ("flac", b"fLaC\0\0\0\x22"),
    ("mp4", b"\0\0\0\x18ftypisom\0\0\x02\0"),
    ("mov", b"\0\0\0\x14ftypqt  \0\0\0\0"),
    ("webm", b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm"),
    ("mkv", b"\x1a\x45\xdf\xa3\xa3\x42\x86\x81\x01\x42\x82\x88matroska"),
    ("avi", b"RIFF\x24\0\0\0AVI LIST"),
    ("swf", b"CWS\x0a\x20\0\0\0x\x9c"),
    ("ttf", b"\0\1\0\0\0\x0c\0\x80\0\x03\0\x40OS/2" + bytes(20)),
    ("otf", b"OTTO\0\x0c\0\x80\0\x03\0\x40CFF " + bytes(20)),
    ("woff2", b"wOF2\0\1\0\0\0\0\x10\0\0\x0c" + bytes(20)),
    ("sqlite", database()),
    ("html", b"<!DOCTYPE html><title>a</title>"),
    ("html", b"\xef\xbb\xbf \n<HTML lang=en>"),
    ("html", b"<!-- a --> <p>text"),
    ("html", "\ufeff<html>".encode("utf-16-le")),
    ("html", b"<?xml version='1.0'?><!DOCTYPE html><html xmlns='http://www.w3.org/1999/xhtml'>"),
    ("hta", b"<html><head><HTA:APPLICATION id=a>"),
    ("xml", b"<?xml version='1.0'?><a/>"),
    ("json", b'{"a": 1}'),
    ("json", b"[\n  {}]"),
    ("php", b"<?php echo 1;"),
    ("sh", b"#!/bin/sh\nexit\n"),
    ("python", b"#!/usr/bin/env python3\n"),
    ("perl", b"#! /usr/bin/perl -w\n"),
    ("bat", b"@ECHO OFF\r\ndir\r\n"),
    ("ps1", b"#Requires -Version 5\n"),
    ("ps1", "$ErrorActionPreference = 'Stop'\r\n".encode("utf-16")),
    ("vbs", b"On Error Resume Next\r\n"),
    ("vbs", b'Set s = CreateObject("WScript.Shell")\r\n'),
    ("jscript", b'var s = new ActiveXObject("WScript.Shell");'),
    ("wsf", b"<job><script language='VBScript'>"),
    ("reg", b"Windows Registry Editor Version 5.00\r\n"),
    ("eml", b"Received: from a.example by b.example\r\n"),
    ("url", b"[InternetShortcut]\r\nURL=http://www.example.com/\r\n"),
    ("pem", b"-----BEGIN CERTIFICATE-----\n"),
    ("text", b"hello, world\n"),
    ("text", b"[section]\nkey = value\n"),
    ("text", "größer\n".encode()),
)


def programs(count: int) -> Iterator[bytes]:
    """Give different Windows programs, drivers and libraries left aside."""
    chance = random.Random(1)
    for _ in range(count):
        at = chance.choice((64, 120, 128, 216, 248, 512, 4096, 8000, 9000, 70000))
        size = at + 1000 + chance.randrange(5000)
        subsystem = chance.choice((2, 3))
        made = pe(at=at, subsystem=subsystem, wide=chance.random() < 0.5, size=size)
        yield made[:400] + chance.randbytes(200) + made[600:] if at > 1000 else made


def no_programs(count: int) -> Iterator[bytes]:
    """Give content of all sorts that is no program, much of it as near to one as can be."""
    chance = random.Random(2)
    kinds = [
        content
        for kind, content in KINDS
        if kind not in ("exe", "dll", "sys", "elf", "macho", "class", "dex", "lnk")
    ]
    near = [
        b"MZ",
        b"MZ is the mark of Mark Zbikowski.\n" * 50,
        b"MZ\r\n",
        b"M" + bytes(200),
        b"ZM" + bytes(200),
        b"PE\0\0" + bytes(300),
        b"This program cannot be run in DOS mode.\r\r\n$",
        base64_program(),
        b" " + pe(),
        gzip.compress(pe()),
    ]
    for index in range(count):
        if index < len(near):
            yield near[index]
        elif index % 3:
            # With something behind it, so that no two are alike.
            yield kinds[index % len(kinds)] + b" %d" % index
        else:
            noise = chance.randbytes(chance.choice((1, 10, 100, 9000)))
            yield b"x%d" % index + noise


def base64_program() -> bytes:
    """Give a program as mail carries it."""
    import base64

    return base64.encodebytes(pe())
