"""The settings of the quarantine."""

from __future__ import annotations

from gateway.config.faults import ConfigError
from gateway.config.load import load
from tests.unit.config.files import FilesTestCase

KEY = "0123456789abcdef" * 2


class QuarantineTests(FilesTestCase):
    """C{scan.quarantine}."""

    def said(self, value: str, key: str = KEY) -> str:
        """Load a file with a value; gives its fault, or nothing."""
        path = self.write(f"[scan]\nquarantine = {value}\n")
        try:
            self.found = load(path, environ={"KEY": key}).scan.quarantine
        except ConfigError as error:
            return str(error)
        return ""

    def test_off(self) -> None:
        """Nothing is kept by default, and no key is named by an empty one."""
        self.assertEqual(load().scan.quarantine.path, "")
        self.assertEqual(self.said('{ key = "" }'), "")
        self.assertEqual(self.found, load().scan.quarantine)

    def test_path_alone(self) -> None:
        """A path alone will do; a relative one begins where the file is."""
        self.assertEqual(self.said('"kept"'), "")
        self.assertEqual(self.found.path, str(self.folder / "kept"))
        self.assertIsNone(self.found.key)

    def test_key(self) -> None:
        """A key is named and never written here; one that can be guessed is refused, and not shown."""
        self.assertEqual(self.said('{ path = "kept", key = { env = "KEY" } }'), "")
        assert self.found.key is not None
        self.assertEqual(self.found.key.reveal(), KEY)
        self.assertIn("not written here", self.said(f'{{ path = "kept", key = "{KEY}" }}'))
        fault = self.said('{ path = "kept", key = { env = "KEY" } }', "hunter2")
        self.assertIn("less than 32 characters", fault)
        self.assertNotIn("hunter2", fault)
