"""Tests of local users."""

from __future__ import annotations

from pathlib import Path

import argon2
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.settings import BadValue
from gateway_auth.tests.local_users import ha1, hashed
from gateway_auth.user_files import read_groups, read_users
from gateway_auth.users import is_password

QUICK = argon2.PasswordHasher(1, 8, 1)


class FileTests(SynchronousTestCase):
    """L{read_users} and L{read_groups}."""

    def write(self, text: str | bytes) -> str:
        """Write a file."""
        path = Path(self.mktemp())
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    def test_kinds(self) -> None:
        """bcrypt, argon2 and Digest stand side by side, comments and empty lines between them."""
        file = read_users(
            self.write(
                f"# all\n\nanna:{hashed('a')}\r\njürgen:{QUICK.hash('b')}\nanna:gateway:{ha1('anna', 'a')}\n"
            )
        )
        self.assertEqual(set(file.passwords), {"anna", "jürgen"})
        self.assertEqual(set(file.digests), {("anna", "gateway", "SHA-256")})

    def test_faults(self) -> None:
        """What is weak, twice there or nonsense is a fault, by its line; nothing of the hash is shown."""
        for line in (
            "anna",
            "anna:",
            ":x",
            "anna:plaintext",
            "anna:$apr1$abcdefgh$0123456789012345678901",
            "anna:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
            "anna:gateway:123",
            "anna:$2b$31$" + "a" * 53,
            "anna:$argon2id$v=19$m=9999999,t=1,p=1$c2FsdHNhbHQ$aGFzaA",
            "an\x07na:x",
            f"anna:{hashed('b')}",
        ):
            path = self.write(f"anna:{hashed('a')}\n{line}\n")
            error = self.assertRaises(BadValue, read_users, path)
            self.assertIn(f"{path}:2:", error.message)
            self.assertNotIn(line.rpartition(":")[2] or "-", error.message.replace(path, ""))

    def test_not_there(self) -> None:
        """A file that is not there, or not UTF-8, is a fault."""
        self.assertRaises(BadValue, read_users, self.mktemp())
        self.assertRaises(BadValue, read_users, self.write(b"\xff\xfe"))

    def test_groups(self) -> None:
        """Groups have users, and names of groups may have spaces."""
        file = read_groups(self.write("domain users: anna bert\n# x\nstaff: anna\nempty:\n"))
        self.assertEqual(
            file.groups,
            {"anna": frozenset({"domain users", "staff"}), "bert": frozenset({"domain users"})},
        )
        self.assertRaises(BadValue, read_groups, self.write("no colon\n"))


class PasswordTests(SynchronousTestCase):
    """L{is_password} and the decoy."""

    def test_both_kinds(self) -> None:
        """Right is right and wrong is wrong."""
        for made in (hashed("größe"), QUICK.hash("größe")):
            self.assertTrue(is_password(made, "größe"))
            self.assertFalse(is_password(made, "grosse"))
            self.assertFalse(is_password(made, ""))

    def test_apache(self) -> None:
        """A hash as htpasswd names it is taken."""
        self.assertTrue(is_password(hashed("a").replace("$2b$", "$2y$"), "a"))

    def test_long(self) -> None:
        """bcrypt looks at 72 bytes, and a longer password is no error."""
        self.assertTrue(is_password(hashed("x" * 72), "x" * 100))

    def test_decoy_is_as_costly(self) -> None:
        """Who is not there costs what most of the others do, and no password is right for him."""
        folder = Path(self.mktemp())
        folder.mkdir()
        path = folder / "users"
        path.write_text(f"a:{hashed('a')}\nb:{hashed('b')}\nc:{QUICK.hash('c')}\n")
        self.assertTrue(read_users(str(path)).decoy.startswith("$2b$04$"))
        path.write_text(f"b:{hashed('b')}\nc:{QUICK.hash('c')}\nd:{QUICK.hash('d')}\n")
        decoy = read_users(str(path)).decoy
        self.assertIn("$m=8,t=1,p=1$", decoy)
        self.assertFalse(is_password(decoy, ""))
