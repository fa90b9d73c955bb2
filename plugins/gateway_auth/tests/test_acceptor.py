"""Tests of what surrounds the Kerberos library; the library itself is in C{tests.live.test_auth_kerberos}."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.api.settings import BadValue
from gateway_auth.acceptor import (
    Acceptor,
    KeytabUnusable,
    NotInstalled,
    TokenRefused,
    _refused,
    _text,
    look_at,
)
from gateway_auth.negotiate import KeytabKind, _principal


class Said:
    """An error of the library."""

    def __init__(self, text: str) -> None:
        self.text = text

    def gen_message(self) -> str:
        """Say it."""
        return self.text


class FaultTests(SynchronousTestCase):
    """What is made of what the library says."""

    def test_kinds(self) -> None:
        """Faults that an operator can mend are told apart."""
        begin = "Major (851968): Unspecified GSS failure.  Minor code may provide more information, Minor (100005): "
        for text, fault in (
            ("Request is a replay", "replayed"),
            ("Clock skew too great", "clock"),
            ("Ticket expired", "expired"),
            ("Ticket not yet valid", "clock"),
            (
                "Request ticket server HTTP/x@Y kvno 3 not found in keytab; keytab is likely out of date",
                "no_key",
            ),
            ("Decrypt integrity check failed", "damaged"),
        ):
            refused = _refused(Said(begin + text))
            self.assertEqual((refused.fault, refused.detail), (fault, text))
        refused = _refused(
            Said("Major (65536): An unsupported mechanism was requested, Minor (0): Unknown error")
        )
        self.assertEqual(refused.fault, "mechanism")
        self.assertEqual(refused.detail, "An unsupported mechanism was requested")

    def test_peers_text(self) -> None:
        """What a ticket says of its server gets into the log without line ends, and not at any length."""
        refused = _refused(Said("server HTTP/\n\x1b[31mroot@X" + "y" * 1000))
        self.assertEqual(refused.detail[:22], "server HTTP/??[31mroot")
        self.assertEqual(len(refused.detail), 300)

    def test_wordless(self) -> None:
        """An error that can't be put into words is named."""

        class Wordless:
            def gen_message(self) -> str:
                raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no text")

        self.assertEqual(_refused(Wordless()).detail, "Wordless")

    def test_names(self) -> None:
        """A name that is no text is no name."""
        self.assertEqual(_text("zoë@X".encode()), "zoë@X")
        self.assertRaises(TokenRefused, _text, b"\xff@X")


class KeytabTests(SynchronousTestCase):
    """The file."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir(parents=True)

    def test_faults(self) -> None:
        """A file that is missing, is none, or is a folder is told by its path."""
        other = self.folder / "other"
        other.write_text("key")
        for path, why in (
            (self.folder / "missing", "No such file or directory"),
            (other, "is no keytab"),
            (self.folder, "Is a directory"),
        ):
            error = self.assertRaises(KeytabUnusable, look_at, str(path))
            self.assertIn(why, str(error))
            self.assertIn(str(path), str(error))
            bad: Any = self.assertRaises(BadValue, KeytabKind().read, str(path), _Place())
            self.assertIn(why, str(bad))

    def test_good(self) -> None:
        """A keytab is taken as it is, and none is none."""
        good = self.folder / "http.keytab"
        good.write_bytes(b"\x05\x02")
        self.assertEqual(KeytabKind().read(str(good), _Place()), str(good))
        self.assertEqual(KeytabKind().read("", _Place()), "")

    def test_extra(self) -> None:
        """Without the library it is said what to install."""
        missing: dict[str, Any] = {"gssapi": None}
        before = sys.modules.get("gssapi")
        sys.modules.update(missing)
        try:
            error = self.assertRaises(NotInstalled, Acceptor("http.keytab", "", "").open)
        finally:
            del sys.modules["gssapi"]
            if before is not None:
                sys.modules["gssapi"] = before
        self.assertIn("pip install 'gateway[kerberos]'", str(error))

    def test_principals(self) -> None:
        """A principal is checked with the settings."""
        for good in ("", "HTTP/a.example.com", "HTTP/a.example.com@EXAMPLE.COM", "svc@EXAMPLE.COM"):
            self.assertEqual(_principal(good), good)
        for bad in ("HTTP/", "HTTP/a b", "a@b@c", "HTTP/a/b", "@X"):
            self.assertRaises(BadValue, _principal, bad)


class _Place:
    folder = ""
