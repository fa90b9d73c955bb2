"""Tests of L{gateway.config.folders}: where things are kept."""

from __future__ import annotations

from gateway.config.folders import ca_folder, state_folder
from gateway.config.load import load
from tests.unit.config.files import FilesTestCase


class FolderTests(FilesTestCase):
    """The CA's folder."""

    def test_below_the_state(self) -> None:
        """Without a setting of its own the CA is in the folder for state, the configured or systemd's."""
        config = self.load('[gateway]\nstate = "/var/lib/gateway"\n')
        self.assertEqual(ca_folder(config.tls, state_folder(config, {})), "/var/lib/gateway/ca")
        default = load()
        state = state_folder(default, {"STATE_DIRECTORY": "/a:/b"})
        self.assertEqual(ca_folder(default.tls, state), "/a/ca")
        self.assertEqual(ca_folder(default.tls, state_folder(default, {})), "")

    def test_own_setting(self) -> None:
        """C{tls.ca} counts more, and begins in the folder of the file."""
        config = self.load('[gateway]\nstate = "/var/lib/gateway"\n[tls]\nca = "our-ca"\n')
        self.assertEqual(ca_folder(config.tls, "/var/lib/gateway"), f"{self.folder}/our-ca")
