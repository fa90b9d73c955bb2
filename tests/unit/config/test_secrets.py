"""Secrets: read from elsewhere, never shown."""

from __future__ import annotations

import pickle
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gateway.config.faults import BadValue
from gateway.config.secrets import Secret, from_credential, from_environment, from_file


class SecretTests(SynchronousTestCase):
    """A secret does not show itself."""

    def test_never_shown(self) -> None:
        """Neither str, repr nor a format shows the text."""
        secret = Secret("hunter2")
        shown = f"{secret} {secret!r} {[secret]} {secret!s:>20}"
        self.assertNotIn("hunter2", shown)
        self.assertEqual(str(secret), "<secret>")
        self.assertEqual(secret.reveal(), "hunter2")

    def test_not_pickled(self) -> None:
        """It cannot be written out by pickle."""
        self.assertRaises(TypeError, pickle.dumps, Secret("hunter2"))

    def test_is_a_value(self) -> None:
        """Secrets of the same text are equal; an empty one is false."""
        self.assertEqual(Secret("a"), Secret("a"))
        self.assertNotEqual(Secret("a"), Secret("b"))
        self.assertEqual(hash(Secret("a")), hash(Secret("a")))
        self.assertFalse(Secret(""))


class FetchTests(SynchronousTestCase):
    """Where secrets are kept."""

    def setUp(self) -> None:
        """Make a folder with a secret in a file."""
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.file = self.folder / "word"
        self.file.write_text("hunter2\n")

    def test_file(self) -> None:
        """The line end at the end of the file is no part of the secret; other white space is."""
        self.assertEqual(from_file(str(self.file)).reveal(), "hunter2")
        self.file.write_text(" hunter 2 \r\n")
        self.assertEqual(from_file(str(self.file)).reveal(), " hunter 2 ")

    def test_bad_files(self) -> None:
        """A file that is absent, empty, a folder, too large or no text is a fault that shows nothing of it."""
        self.assertRaises(BadValue, from_file, str(self.folder / "absent"))
        self.assertRaises(BadValue, from_file, str(self.folder))
        for content in (b"", b"\n", b"hunter2\xff", b"x" * 70_000):
            self.file.write_bytes(content)
            fault = self.assertRaises(BadValue, from_file, str(self.file))
            self.assertNotIn("hunter2", fault.message + fault.mend)

    def test_environment(self) -> None:
        """A variable gives its text; one that is not set, or empty, is a fault."""
        self.assertEqual(from_environment("WORD", {"WORD": "hunter2"}).reveal(), "hunter2")
        self.assertRaises(BadValue, from_environment, "WORD", {"WORD": ""})
        self.assertRaises(BadValue, from_environment, "WORD", {})

    def test_credential(self) -> None:
        """A credential is a file in the folder that systemd names, and nowhere else."""
        environ = {"CREDENTIALS_DIRECTORY": str(self.folder)}
        self.assertEqual(from_credential("word", environ).reveal(), "hunter2")
        self.assertRaises(BadValue, from_credential, "word", {})
        for name in ("../word", "", "..", "a/b"):
            self.assertRaises(BadValue, from_credential, name, environ)
