"""Folders with configuration files in them, for the tests of this package and of the commands."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gateway.config.faults import ConfigError
from gateway.config.load import load
from gateway.config.schema import Config


class FilesTestCase(SynchronousTestCase):
    """A test with an empty folder of its own."""

    def setUp(self) -> None:
        """Make the folder."""
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()

    def write(self, text: str, name: str = "gateway.toml") -> str:
        """Write a file and give its path."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return str(path)

    def load(self, text: str, **environ: str) -> Config:
        """Load one file."""
        return load(self.write(text), environ=environ)

    def faults(self, text: str, overrides: dict[str, object] | None = None) -> list[str]:
        """List the faults of one file, without the name of the folder."""
        return self.faults_of(self.write(text), overrides)

    def faults_of(self, path: str | None, overrides: dict[str, object] | None = None) -> list[str]:
        """List the faults of a file that is there, without the name of the folder."""
        error = self.assertRaises(ConfigError, load, path, overrides, {})
        return [str(fault).replace(f"{self.folder}/", "") for fault in error.faults]
