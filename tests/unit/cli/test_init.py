"""C{gateway init}."""

from __future__ import annotations

import os
from io import StringIO

from gateway.cli.main import main
from gateway.config.load import load
from tests.unit.config.files import FilesTestCase


class InitTests(FilesTestCase):
    """It writes a file that changes nothing."""

    def init(self, *arguments: str) -> tuple[int, str, str]:
        """Run the command; give the exit code and both outputs."""
        out, err = StringIO(), StringIO()
        return main(["init", *arguments], out, err), out.getvalue(), err.getvalue()

    def test_written_file_is_the_defaults(self) -> None:
        """The file that it writes loads as the defaults, and the output says what to do with it."""
        path = str(self.folder / "new.toml")
        code, out, err = self.init("--output", path)
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(load(path), load())
        self.assertIn(f"gateway check --config {path}", out)

    def test_keeps_what_is_there(self) -> None:
        """A file that is there stays as it is, unless it is told otherwise."""
        path = self.write("# mine\n")
        code, out, err = self.init("-o", path)
        self.assertEqual(
            (code, out, err), (1, "", f"{path} is there already; --force writes over it\n")
        )
        self.assertEqual((self.folder / "gateway.toml").read_text(), "# mine\n")
        self.assertEqual(self.init("-o", path, "--force")[0], 0)
        self.assertNotIn("# mine", (self.folder / "gateway.toml").read_text())

    def test_cannot_write(self) -> None:
        """A folder that is not there is said in one line."""
        path = os.path.join(self.folder, "absent", "gateway.toml")
        self.assertEqual(
            self.init("-o", path), (1, "", f"{path} cannot be written: No such file or directory\n")
        )

    def test_show(self) -> None:
        """A dash shows the file."""
        code, out, _ = self.init("-o", "-")
        self.assertEqual(code, 0)
        self.assertEqual(load(self.write(out)), load())
