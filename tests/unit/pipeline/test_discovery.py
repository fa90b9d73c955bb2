"""Tests of what is known of installed plugins: it is read once, and again as soon as packages come, change or go."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gateway.pipeline.discovery import installed


class InstalledTests(SynchronousTestCase):
    """Entry points as they are now."""

    def setUp(self) -> None:
        """Have a place for packages."""
        self.place = Path(self.mktemp()).absolute()
        self.place.mkdir()
        sys.path.append(str(self.place))
        self.addCleanup(sys.path.remove, str(self.place))

    def note(self, package: str, *names: str) -> Path:
        """Do as an installer does with a package that has these plugins."""
        folder = self.place / f"{package}-1.0.dist-info"
        folder.mkdir(exist_ok=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = "".join(f"{name} = {package}:plugin\n" for name in names)
        (folder / "entry_points.txt").write_text(f"[gateway.plugins]\n{lines}")
        return folder

    def names(self) -> set[str]:
        """Give the plugins of the tests' packages."""
        return {point.name for point in installed() if point.name.startswith("of_tests_")}

    def test_read_once(self) -> None:
        """While nothing changes no package is looked into again."""
        self.assertIs(installed(), installed())
        self.assertIn("upload_limit", installed().names)

    def test_installed(self) -> None:
        """Packages are seen as soon as they are there, however close together they come."""
        for number in range(5):
            self.note(f"of_tests_{number}", f"of_tests_{number}")
            self.assertEqual(len(self.names()), number + 1)

    def test_removed(self) -> None:
        """One that is gone is not seen any more."""
        folder = self.note("of_tests", "of_tests_a")
        self.assertEqual(self.names(), {"of_tests_a"})
        shutil.rmtree(folder)
        self.assertEqual(self.names(), set())

    def test_noted_anew(self) -> None:
        """What a package says of itself may change in its place, as it does in a developer's tree."""
        folder = self.note("of_tests", "of_tests_a")
        self.assertEqual(self.names(), {"of_tests_a"})
        self.note("of_tests", "of_tests_a", "of_tests_b")
        os.utime(folder / "entry_points.txt", ns=(1, 1))
        self.assertEqual(self.names(), {"of_tests_a", "of_tests_b"})

    def test_places(self) -> None:
        """A place that Python looks at no longer counts no longer; one that is not there, or an archive, does no harm."""
        self.note("of_tests", "of_tests_a")
        self.assertEqual(self.names(), {"of_tests_a"})
        archive = self.place / "archive.zip"
        archive.write_bytes(b"PK\5\6" + bytes(18))
        more = [str(self.place / "nowhere"), str(archive)]
        self.patch(sys, "path", [*(one for one in sys.path if one != str(self.place)), *more])
        self.assertEqual(self.names(), set())
