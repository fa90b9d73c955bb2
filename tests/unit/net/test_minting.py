"""Tests of L{gateway.net.minting}: answering clients in an origin's name, over reloads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from OpenSSL import SSL, crypto
from twisted.trial.unittest import SynchronousTestCase

from gateway.config.sections.tls import Tls
from gateway.net.authority import Authority, AuthorityError
from gateway.net.mint import Mirrored
from gateway.net.minting import Minting
from gateway.net.tls_contexts import ServerContexts
from tests.unit.net.authorities import DAY, NOW, Now, foreign
from tests.unit.net.tls_ends import as_client, reused, shake

WWW = "www.example.com"


class MintingCase(SynchronousTestCase):
    """A folder for a CA."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.contexts = ServerContexts(lambda: 0.0)
        self.warned: list[str] = []

    def minting(self, before: Minting | None = None, **settings: Any) -> Minting:
        """Make what a snapshot has."""
        folder = settings.pop("folder", self.folder)
        return Minting.of(
            Tls(decrypt="all", **settings),
            folder,
            self.contexts,
            before=before,
            warn=self.warned.append,
        )

    def client(self, *roots: Any, **more: Any) -> SSL.Connection:
        """Make a client that trusts these certificates; no others."""
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        store = context.get_cert_store()
        assert store is not None
        for root in roots:
            store.add_cert(crypto.X509.from_cryptography(root))
        context.set_verify(SSL.VERIFY_PEER)
        return as_client(context, more.get("name", WWW))

    def root(self, minting: Minting) -> Any:
        """Give what clients are to trust."""
        return minting.authority.signer().anchor


class FirstTests(MintingCase):
    """The CA when the gateway starts."""

    def test_made_at_once(self) -> None:
        """What decrypts has its CA before the first client, made as the configuration wants it."""
        minting = self.minting(ca_name="Acme", ca_permit=("example.com",))
        (one,) = minting.authority.generations
        self.assertTrue(one.name.startswith("Acme "))
        self.assertEqual(one.permitted, ("example.com",))
        self.assertEqual(len(list(self.folder.iterdir())), 1)

    def test_prepared_only_when_needed(self) -> None:
        """The folder is prepared before the first CA is made, and not where there is one."""
        prepared: list[Path] = []
        for _ in range(2):
            Minting.of(
                Tls(decrypt="all"),
                self.folder,
                self.contexts,
                warn=self.warned.append,
                prepare=prepared.append,
            )
        self.assertEqual(prepared, [self.folder])

    def test_bad(self) -> None:
        """A CA that can't sign is an error at once."""
        self.minting()
        (path,) = self.folder.iterdir()
        path.write_bytes(b"damaged")
        error = self.assertRaises(AuthorityError, self.minting)
        self.assertIn(str(path), str(error))


class ReloadTests(MintingCase):
    """What the next snapshot takes over."""

    def test_same(self) -> None:
        """If nothing is said anew, CA and leaves are the same objects, whatever else changes."""
        before = self.minting()
        leaf = before.mints.leaf(b"f", WWW, Mirrored((WWW,)))
        after = self.minting(before, ciphers="compatible", never_decrypt=())
        self.assertIs(after.mints, before.mints)
        self.assertIs(after.authority, before.authority)
        self.assertIs(after.mints.known(b"f", WWW), leaf)

    def test_rotated_meanwhile(self) -> None:
        """A CA that was exchanged in the folder signs from the reload on."""
        Authority(self.folder, now=Now(NOW - DAY)).create()
        before = self.minting()
        old = before.mints.leaf(b"f", WWW, Mirrored((WWW,)))
        Authority(self.folder).load().rotate(before.authority.now())
        self.assertEqual(len(before.authority.generations), 1)
        after = self.minting(before)
        self.assertEqual(len(after.authority.generations), 2)
        self.assertIsNone(after.mints.known(b"f", WWW))
        self.assertNotEqual(
            after.mints.leaf(b"f", WWW, Mirrored((WWW,))).chain[0].get_issuer().CN,
            old.chain[0].get_issuer().CN,
        )

    def test_size(self) -> None:
        """Another number of leaves is another cache, of the same CA."""
        before = self.minting()
        after = self.minting(before, certificates=5)
        self.assertIsNot(after.mints, before.mints)
        self.assertIs(after.authority, before.authority)

    def test_folder_and_profile(self) -> None:
        """Another folder or profile is another CA; what is in the folder already stays as it is."""
        before = self.minting()
        elsewhere = self.minting(before, folder=Path(self.mktemp()))
        self.assertIsNot(elsewhere.authority, before.authority)
        renamed = self.minting(before, ca_name="Acme")
        self.assertIsNot(renamed.authority, before.authority)
        self.assertEqual(self.root(renamed), self.root(before))

    def test_bad(self) -> None:
        """A reload that finds the CA damaged is refused, and what runs goes on with what it has."""
        before = self.minting()
        (path,) = self.folder.iterdir()
        path.write_bytes(b"damaged")
        self.assertRaises(AuthorityError, self.minting, before)
        before.mints.leaf(b"f", WWW, Mirrored((WWW,)))


class AcceptTests(MintingCase):
    """Handshakes with clients."""

    def test_trusted(self) -> None:
        """Who has the CA takes the leaf, and can resume."""
        minting = self.minting()
        leaf = minting.mints.leaf(b"f", WWW, Mirrored((WWW,)))
        client = self.client(self.root(minting))
        shake(client, minting.accept(leaf, trusted=True))
        again = SSL.Connection(client.get_context(), None)
        again.set_tlsext_host_name(WWW.encode())
        again.set_connect_state()
        session = client.get_session()
        assert session is not None
        again.set_session(session)
        shake(again, minting.accept(leaf, trusted=True))
        self.assertTrue(reused(again))

    def test_untrusted(self) -> None:
        """A leaf of the other issuer is refused by who has the CA, and no session leads past that."""
        minting = self.minting()
        good = self.client(self.root(minting))
        shake(good, minting.accept(minting.mints.leaf(b"f", WWW, Mirrored((WWW,))), trusted=True))
        bad = minting.mints.untrusted(WWW)
        with self.assertRaises(SSL.Error):
            shake(self.client(self.root(minting)), minting.accept(bad, trusted=False))
        again = SSL.Connection(good.get_context(), None)
        again.set_tlsext_host_name(WWW.encode())
        again.set_connect_state()
        session = good.get_session()
        assert session is not None
        again.set_session(session)
        with self.assertRaises(SSL.Error):
            shake(again, minting.accept(bad, trusted=False))

    def test_no_tickets_for_untrusted(self) -> None:
        """Who took an untrusted leaf all the same, as by a click, can't resume."""
        minting = self.minting()
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        client = as_client(context, WWW)
        bad = minting.mints.untrusted(WWW)
        shake(client, minting.accept(bad, trusted=False))
        session = client.get_session()
        assert session is not None
        again = as_client(context, WWW)
        again.set_session(session)
        shake(again, minting.accept(bad, trusted=False))
        self.assertFalse(reused(again))

    def test_any_name_and_none(self) -> None:
        """The leaf is shown whatever name is asked for: whose it is was decided before."""
        minting = self.minting()
        leaf = minting.mints.leaf(b"", "192.0.2.1", None)
        for name in ("", WWW):
            client = self.client(self.root(minting), name=name)
            shake(client, minting.accept(leaf, trusted=True))
            shown = client.get_peer_certificate()
            assert shown is not None
            self.assertEqual(shown.to_cryptography(), leaf.chain[0].to_cryptography())

    def test_issuers(self) -> None:
        """A CA that is no root is sent along, so that who has the root alone can judge."""
        material = foreign("Below", above=foreign("Root"))
        Authority(self.folder).adopt(material, Authority(self.folder).now())
        minting = self.minting()
        leaf = minting.mints.leaf(b"f", WWW, Mirrored((WWW,)))
        client = self.client(material.chain[-1])
        shake(client, minting.accept(leaf, trusted=True))
        chain = client.get_peer_cert_chain()
        assert chain is not None
        self.assertEqual(len(chain), 2)
