"""C{gateway ca}."""

from __future__ import annotations

import json
import plistlib
import stat
from io import StringIO
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from twisted.trial.unittest import SynchronousTestCase

from gateway.cli.ca import COMMANDS
from gateway.cli.main import main
from gateway.net.authority import Authority, utc_now
from tests.unit.cli.shapes import assert_explain_themselves
from tests.unit.config.files import FilesTestCase
from tests.unit.net.authorities import DAY, foreign


class ShapeTests(SynchronousTestCase):
    """Each command explains itself, as those beside C{ca} do."""

    def test_commands_of_this_version(self) -> None:
        """Help lists the commands that there are."""
        self.assertEqual(
            [command.NAME for command in COMMANDS], ["show", "export", "import", "rotate"]
        )

    def test_help_has_an_example_and_exit_codes(self) -> None:
        """Each has command lines that its parser takes, and says what its exit codes mean."""
        assert_explain_themselves(self, "ca", COMMANDS)


class CaTestCase(FilesTestCase):
    """Runs commands on one folder."""

    def setUp(self) -> None:
        """Name the CA's folder; it is not there."""
        super().setUp()
        self.ca = self.folder / "ca"

    def ran(self, command: str, *arguments: str, code: int = 0) -> str:
        """Run a command that ends with a code, and give what it wrote."""
        self.err = StringIO()
        out = StringIO()
        line = ["ca", command, "--folder", str(self.ca), *arguments]
        self.assertEqual(main(line, out, self.err), code, self.err.getvalue())
        return out.getvalue()

    def json(self, command: str, *arguments: str, code: int = 0) -> Any:
        """Run a command and read the JSON that it wrote."""
        return json.loads(self.ran(command, "--json", *arguments, code=code))

    def roles(self) -> list[str]:
        """Give the roles of what is there."""
        return [one["role"] for one in self.json("show")["authorities"]]


class PlaceTests(FilesTestCase):
    """Which folder is meant."""

    def test_by_the_configuration(self) -> None:
        """The commands find it by C{--config}; a configuration without a folder gets a clear error."""
        state = self.folder / "state"
        state.mkdir()
        path = self.write(f'[gateway]\nstate = "{state}"\n')
        out, err = StringIO(), StringIO()
        self.assertEqual(main(["ca", "rotate", "--config", path], out, err), 0, err.getvalue())
        self.assertEqual(len(list((state / "ca").iterdir())), 1)
        self.assertEqual(main(["ca", "show", "--config", self.write("")], out, err), 1)
        self.assertIn("set tls.ca or gateway.state, or give --folder DIR", err.getvalue())

    def test_profile_of_the_configuration(self) -> None:
        """A CA is made as the configuration wants it; what it says nothing of goes on, and the command line counts more."""
        state = self.folder / "state"
        state.mkdir()
        text = f'[gateway]\nstate = "{state}"\n[tls]\n'

        def rotated(more: str, *arguments: str) -> Any:
            path = self.write(text + more)
            out, err = StringIO(), StringIO()
            line = ["ca", "rotate", "--now", "--json", "--config", path, *arguments]
            self.assertEqual(main(line, out, err), 0, out.getvalue())
            made = json.loads(out.getvalue())["authority"]
            # Two of one second would be one after the other.
            Path(made["file"]).rename(state / "ca" / "ca-20200101T000000Z.pem")
            return made["name"][:-9], made["permitted"], made["excluded"]

        first = 'ca_name = "Acme"\nca_permit = ["example.com"]\nca_exclude = ["x.example.com"]'
        self.assertEqual(rotated(first), ("Acme", ["example.com"], ["x.example.com"]))
        self.assertEqual(rotated(""), ("Acme", ["example.com"], ["x.example.com"]))
        self.assertEqual(rotated('ca_permit = ["example.net"]'), ("Acme", ["example.net"], []))
        self.assertEqual(rotated(first, "--unconstrained"), ("Acme", [], []))

    def test_faulty_configuration(self) -> None:
        """Faults of the configuration are shown as everywhere."""
        path = self.write("nonsense = 1\n")
        err = StringIO()
        self.assertEqual(main(["ca", "show", "--config", path], StringIO(), err), 2)
        self.assertIn("1 fault", err.getvalue())


class ShowTests(CaTestCase):
    """C{gateway ca show}."""

    def test_none(self) -> None:
        """Looking makes nothing: it says that there is none, and how to get one."""
        self.assertIn("there is no CA", self.ran("show", code=1))
        self.assertEqual(self.json("show", code=1)["authorities"], [])
        self.assertFalse(self.ca.exists())

    def test_lines(self) -> None:
        """Name, role, fingerprint, key and end."""
        made = Authority(self.ca).signer()
        shown = self.ran("show")
        for part in (made.name, "present", made.fingerprint.hex(":").upper(), "EC secp256r1"):
            self.assertIn(part, shown)
        (row,) = self.json("show")["authorities"]
        self.assertEqual((row["has_key"], row["days_left"] > 3600), (True, True))
        self.assertNotIn("PRIVATE", shown + json.dumps(row))

    def test_fault(self) -> None:
        """What is wrong is said with the file, as JSON too."""
        path = Authority(self.ca).signer().path
        path.write_bytes(b"")
        self.ran("show", code=1)
        self.assertIn(str(path), self.err.getvalue())
        (fault,) = self.json("show", code=1)["faults"]
        self.assertEqual(fault["path"], str(path))

    def test_warning(self) -> None:
        """What was mended is said."""
        path = Authority(self.ca).signer().path
        path.chmod(0o644)
        self.ran("show")
        self.assertIn("warning: ", self.err.getvalue())


class ExportTests(CaTestCase):
    """C{gateway ca export}."""

    def test_none(self) -> None:
        """Without a CA there is nothing to export, and nothing is made."""
        self.ran("export", code=1)
        self.assertIn("there is no such CA", self.err.getvalue())
        self.assertFalse(self.ca.exists())

    def test_formats(self) -> None:
        """Every format holds the certificate, and none of them the key."""
        made = Authority(self.ca).signer()
        der = made.certificate.public_bytes(serialization.Encoding.DER)
        self.assertEqual(
            x509.load_pem_x509_certificate(self.ran("export").encode()), made.certificate
        )
        self.assertEqual(self.ran("export", "--format", "der").encode("latin-1"), der)
        profile = plistlib.loads(self.ran("export", "-f", "mobileconfig").encode())
        self.assertEqual(profile["PayloadContent"][0]["PayloadContent"], der)
        for name in ("pem", "der", "mobileconfig", "powershell", "shell", "firefox"):
            self.assertNotIn("PRIVATE", self.ran("export", "--format", name))

    def test_file(self) -> None:
        """A file is written, and its fingerprint said."""
        made = Authority(self.ca).signer()
        path = self.folder / "out.crt"
        said = self.ran("export", "--format", "der", "--output", str(path))
        self.assertIn(made.fingerprint.hex(":").upper(), said)
        self.assertEqual(x509.load_der_x509_certificate(path.read_bytes()), made.certificate)
        self.ran("export", "--output", str(self.folder / "no" / "file"), code=1)

    def test_generations(self) -> None:
        """By default the present one and the next; each alone when asked for, the retired one too."""
        first = Authority(self.ca).signer()
        self.ran("rotate")
        both = x509.load_pem_x509_certificates(self.ran("export").encode())
        self.assertEqual(both[0], first.certificate)
        self.assertEqual(len(both), 2)
        following = x509.load_pem_x509_certificates(self.ran("export", "--next").encode())
        self.assertEqual(following, both[1:])
        self.ran("export", "--retired", code=1)
        old = first.path.rename(self.ca / "ca-20200101T000000Z.pem")
        (waiting,) = (path for path in self.ca.iterdir() if path != old)
        waiting.rename(self.ca / "ca-20210101T000000Z.pem")
        retired = x509.load_pem_x509_certificates(self.ran("export", "--retired").encode())
        self.assertEqual(retired, [first.certificate])


class RotateTests(CaTestCase):
    """C{gateway ca rotate}."""

    def test_first(self) -> None:
        """Without a CA the first is made, and signs at once."""
        self.assertIn("It signs from now on", self.ran("rotate", "--name", "Example Ltd"))
        (row,) = self.json("show")["authorities"]
        self.assertEqual(row["role"], "present")
        self.assertTrue(row["name"].startswith("Example Ltd "))
        self.assertEqual(stat.S_IMODE(self.ca.stat().st_mode), 0o700)

    def test_overlap(self) -> None:
        """The next one signs in 30 days, or when it was said."""
        self.ran("rotate")
        day = (utc_now() + 90 * DAY).date()
        made = self.json("rotate", "--from", str(day))["authority"]
        self.assertEqual((made["role"], made["signs_from"][:10]), ("next", str(day)))
        self.assertIn("another CA is to sign", self.json("rotate", code=1)["faults"][0]["message"])
        self.assertEqual(self.roles(), ["present", "next"])

    def test_like_the_present_one(self) -> None:
        """Name and constraints go on, unless something else is said."""
        self.ran(
            "rotate", "--name", "Example", "--permit", "example.com", "--exclude", "x.example.com"
        )
        made = self.json("rotate", "--in-days", "5")["authority"]
        self.assertEqual(
            (made["permitted"], made["excluded"]), (["example.com"], ["x.example.com"])
        )
        self.assertRegex(made["name"], r"\AExample [0-9a-f]{8}\Z")
        Path(made["file"]).unlink()
        free = self.json("rotate", "--unconstrained")["authority"]
        self.assertEqual((free["permitted"], free["excluded"]), ([], []))

    def test_wrong_wishes(self) -> None:
        """A domain that is none is refused, and so is a day that is none."""
        self.ran("rotate", "--permit", "*.example.com", code=1)
        self.assertIn("without a star", self.err.getvalue())
        self.assertFalse(self.ca.exists())


class ImportTests(CaTestCase):
    """C{gateway ca import}."""

    def file(self, name: str, content: bytes) -> str:
        """Write what is to be imported."""
        path = self.folder / name
        path.write_bytes(content)
        return str(path)

    def test_taken_over(self) -> None:
        """A good one signs at once; what was there before has retired."""
        self.ran("rotate")
        path = next(self.ca.iterdir())
        path.rename(self.ca / "ca-20200101T000000Z.pem")
        own = foreign()
        self.assertIn("is taken over", self.ran("import", self.file("ca.pem", own.pem)))
        self.assertEqual(self.roles(), ["retired", "present"])
        self.assertEqual(Authority(self.ca).signer().certificate, own.certificate)

    def test_passphrase(self) -> None:
        """The passphrase comes from a file, and is never said."""
        own = foreign()
        assert own.key is not None
        packed = pkcs12.serialize_key_and_certificates(
            b"ca",
            own.key,
            own.certificate,
            None,
            serialization.BestAvailableEncryption(b"a secret"),
        )
        file = self.file("ca.p12", packed)
        wrong = self.file("wrong", b"nothing\n")
        self.ran("import", file, "--passphrase-file", wrong, code=1)
        self.assertIn("the passphrase is wrong", self.err.getvalue())
        self.assertFalse(self.ca.exists())
        right = self.file("right", b"a secret\n")
        said = self.ran("import", file, "--passphrase-file", right)
        self.assertNotIn("a secret", said + self.err.getvalue())
        self.assertEqual(self.roles(), ["present"])

    def test_root_that_is_missing(self) -> None:
        """Of an intermediate without its root it is said what clients need."""
        below = foreign("below", above=foreign("root"))
        key_and_own = below.pem.split(b"-----BEGIN CERT")
        content = b"-----BEGIN CERT".join(key_and_own[:2])
        self.ran("import", self.file("ca.pem", content))
        self.assertIn("the root above it is not in the file", self.err.getvalue())

    def test_refused(self) -> None:
        """What can't be a CA is refused with the reason, what isn't there with its name."""
        self.ran("import", self.file("x.pem", foreign(ca=False).pem), code=1)
        self.assertIn("not of a CA", self.err.getvalue())
        self.ran("import", str(self.folder / "missing"), code=1)
        self.assertIn("missing can't be read", self.err.getvalue())
        self.assertFalse(self.ca.exists())
