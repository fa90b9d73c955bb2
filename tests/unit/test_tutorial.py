"""The tutorial works: its files are written, its tests run, its types are checked and its configuration loads."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gateway.config.load import load
from tests.tutorial import PAGE, blocks, files


class TutorialTests(SynchronousTestCase):
    """docs/tutorial.md."""

    def test_every_block_is_known(self) -> None:
        """Each block is a file, or commands that some test runs; the only other one is the picture of the files."""
        shown = []
        for language, name, _ in blocks():
            if language in ("python", "toml", "markdown"):
                shown.append(name)
            elif language == "sh":
                self.assertIn(name, ("checks", "wheel", "run", "try"))
            else:
                self.assertEqual((language, name), ("text", "gateway-house/"))
        self.assertEqual(len(shown), len(set(shown)), "each file is shown once")
        (picture,) = [body for language, _, body in blocks() if language == "text"]
        self.assertEqual({Path(name).name for name in shown}, set(re.findall(r"\S+\.\w+", picture)))

    def test_configuration(self) -> None:
        """Its configuration has no fault, and enables what its package brings."""
        path = Path(self.mktemp())
        path.write_text(files()["gateway.toml"])
        config = load(str(path), {}, {})
        self.assertEqual(
            config.plugins.enabled, ("upload_limit", "house_hosts", "house_scores", "house_words")
        )

    def test_words(self) -> None:
        """The page names nothing of the test kit that is not there."""
        import gateway.testing as kit

        text = PAGE.read_text()
        for name in re.findall(r"`gw\.(\w+)", text):
            self.assertTrue(hasattr(kit.FakeGateway, name) or name in ("origin", "http", "clock"))
        for name in re.findall(r"from gateway\.testing import (.+)", text):
            for each in name.split(", "):
                self.assertIn(each, kit.__all__)
