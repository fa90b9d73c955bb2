"""Tests of L{gateway.securing}: when there is a CA, and what a start says if there is none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.config.faults import ConfigError
from gateway.config.load import load
from gateway.config.schema import Config
from gateway.net.minting import Minting
from gateway.securing import Securing
from tests.unit.net.certificates import leaf


class SecuringCase(SynchronousTestCase):
    """A folder for state."""

    def setUp(self) -> None:
        self.state = Path(self.mktemp()).absolute()
        self.state.mkdir()
        self.ca = self.state / "ca"
        self.securing = Securing(Clock(), lambda event: None, environ={})

    def config(self, **tls: Any) -> Config:
        """Load a configuration."""
        said: dict[str, object] = {f"tls.{key}": value for key, value in tls.items()}
        return load(None, {"gateway.state": str(self.state), **said}, {})

    def made(self, **tls: Any) -> Minting | None:
        """Make what a first snapshot has."""
        return self.securing.interception(self.config(**tls), None)

    def refused(self, config: Config, before: Minting | None = None) -> str:
        """Give the words of the fault."""
        return str(self.assertRaises(ConfigError, self.securing.interception, config, before))


class NeedTests(SecuringCase):
    """Who needs a CA."""

    def test_off(self) -> None:
        """With decryption off there is no CA, and nothing that could mint."""
        for tls in (
            {},
            {"never_decrypt": ["a.example.com"]},
            {"ca": str(self.ca)},
            {"on_unknown_protocol": "block"},
        ):
            self.assertIsNone(self.made(**tls))
            self.assertEqual(list(self.state.iterdir()), [])

    def test_on(self) -> None:
        """It is made at the start where something is decrypted, or a page shown over TLS."""
        for tls in ({"decrypt": "rules"}, {"decrypt": "all"}, {"block_page_over_tls": True}):
            made = self.made(**tls)
            assert made is not None
            self.assertEqual(len(list(self.ca.iterdir())), 1)
            self.assertEqual(made.authority.folder, self.ca)

    def test_no_forward_proxy(self) -> None:
        """Sites alone decrypt nothing of others."""
        site = {"host": ["*"], "origins": ["http://192.0.2.1"], "listen": ["127.0.0.1:1"]}
        config = load(
            None, {"gateway.state": str(self.state), "tls.decrypt": "all", "site": [site]}, {}
        )
        self.assertIsNone(self.securing.interception(config, None))

    def test_upstreams(self) -> None:
        """Whom to trust is read only if somebody is reached by TLS, and that may be any server once TLS is decrypted."""
        self.assertIsNone(self.securing.upstreams(self.config()))
        trust = self.state / "root.pem"
        trust.write_bytes(leaf("root.example.com").pem)
        said = self.config(decrypt="all", trust=[str(trust)])
        self.assertIsNotNone(self.securing.upstreams(said))


class FaultTests(SecuringCase):
    """What a start says."""

    def test_no_folder(self) -> None:
        """Without a folder for it there is no start."""
        config = load(None, {"tls.decrypt": "all"}, {})
        self.assertIn("tls.ca: decryption needs a CA", self.refused(config))

    def test_folder_of_systemd(self) -> None:
        """The folder may be systemd's."""
        securing = Securing(
            Clock(), lambda event: None, environ={"STATE_DIRECTORY": str(self.state)}
        )
        securing.interception(load(None, {"tls.decrypt": "all"}, {}), None)
        self.assertTrue(self.ca.is_dir())

    def test_damaged(self) -> None:
        """A damaged CA is named with its path and what to do, at the start and in a reload, and is never replaced."""
        before = self.made(decrypt="all")
        (path,) = self.ca.iterdir()
        path.write_bytes(b"damaged")
        for known in (None, before):
            said = self.refused(self.config(decrypt="all"), known)
            self.assertIn(f"tls.ca: {path}: ", said)
            self.assertIn("bring the file back from a copy", said)
        self.assertEqual([one.read_bytes() for one in self.ca.iterdir()], [b"damaged"])

    def test_not_writable(self) -> None:
        """A folder that is none is named."""
        self.ca.write_text("")
        said = self.refused(self.config(decrypt="all"))
        self.assertIn(f"tls.ca: {self.ca}: is no folder", said)


class ReloadTests(SecuringCase):
    """From one snapshot to the next."""

    def test_kept(self) -> None:
        """CA and leaves live as long as the process, over other changes."""
        before = self.made(decrypt="all")
        assert before is not None
        after = self.securing.interception(self.config(decrypt="rules"), before)
        assert after is not None
        self.assertIs(after.mints, before.mints)

    def test_state_is_settled_at_the_start(self) -> None:
        """The folder for state is looked at only at the start: another one needs a restart, as C{gateway reload} says."""
        before = self.made(decrypt="all")
        assert before is not None
        elsewhere = Path(self.mktemp()).absolute()
        elsewhere.mkdir()
        config = load(None, {"gateway.state": str(elsewhere), "tls.decrypt": "all"}, {})
        after = self.securing.interception(config, before)
        assert after is not None
        self.assertIs(after.authority, before.authority)
        self.assertEqual(list(elsewhere.iterdir()), [])


class OwnerTests(SecuringCase):
    """A start as root."""

    if os.geteuid() != 0:
        skip = "only root can give files away"

    def test_given_to_the_user(self) -> None:
        """What root makes belongs to the user that the process becomes, or it could not be read again."""
        config = load(
            None,
            {"tls.ca": str(self.ca), "tls.decrypt": "all", "gateway.user": "nobody"},
            {},
        )
        self.securing.interception(config, None)
        owner = os.stat(self.ca).st_uid
        self.assertNotEqual(owner, 0)
        self.assertEqual({one.stat().st_uid for one in self.ca.iterdir()}, {owner})
