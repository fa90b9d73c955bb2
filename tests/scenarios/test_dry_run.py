"""A reload that is only tried changes nothing, on disk neither."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from gateway.config.load import load
from gateway.net.authority import Authority
from gateway.reload import ReloadError
from gateway.testing.harness import Harness
from tests.scenarios.support import ScenarioTestCase


class DecryptionTests(ScenarioTestCase):
    """Decryption that would be switched on."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.ca = self.folder / "ca"

    def tried(self, gateway: Harness, **said: object) -> Any:
        """Try a reload."""
        service: Any = gateway.service
        config = load(
            None, {**gateway._said, **{k.replace("__", "."): v for k, v in said.items()}}, {}
        )
        return service.reload(lambda: config, dry_run=True)

    def state(self) -> list[tuple[str, int, int]]:
        """Give all that lies in the folder: names, modes and times of the last change."""
        found = []
        for path in [self.folder, *self.folder.rglob("*")]:
            status = os.stat(path)
            found.append((str(path), status.st_mode, status.st_mtime_ns))
        return sorted(found)

    def test_no_ca(self) -> None:
        """No CA is made, nor a log of keys; by the reload itself they are."""
        gateway = self.forward()
        before = self.state()
        said = {"tls__decrypt": "all", "tls__ca": str(self.ca)}
        log = str(self.folder / "keys")
        done = self.successResultOf(self.tried(gateway, tls__key_log=log, **said))
        self.assertIn("tls.decrypt", [change.path for change in done.changes])
        self.assertEqual(self.state(), before)
        self.successResultOf(
            gateway.reload({name.replace("__", "."): value for name, value in said.items()})
        )
        self.assertEqual(len(list(self.ca.iterdir())), 1)

    def test_one_is_there(self) -> None:
        """One that is there is judged, and its rights are left as they are."""
        Authority(self.ca).create()
        (file,) = self.ca.iterdir()
        file.chmod(0o644)
        self.ca.chmod(0o755)
        before = self.state()
        gateway = self.forward()
        said = {"tls__decrypt": "all", "tls__ca": str(self.ca)}
        self.successResultOf(self.tried(gateway, **said))
        self.assertEqual(self.state(), before)
        file.write_text("no CA")
        failure = self.failureResultOf(self.tried(gateway, **said), ReloadError)
        self.assertIn(str(file), str(failure.value))

    def test_next_one(self) -> None:
        """One that was made meanwhile is not taken over."""
        gateway = self.forward({"tls.decrypt": "all", "tls.ca": str(self.ca)})
        service: Any = gateway.service
        authority = service.generations.now.minting.authority
        known = authority.generations
        Authority(self.ca).rotate(authority.now())
        self.successResultOf(self.tried(gateway, limits__fields=150))
        self.assertEqual(authority.generations, known)
        self.successResultOf(gateway.reload())
        self.assertEqual(len(authority.generations), 2)
