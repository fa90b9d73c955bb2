"""
TLS with clients in another's name: the CA, its leaves, and the connections that show them, put together.

One object per snapshot. The CA and the leaves that were made are taken over from the one before where the same is said
of them. For whom a leaf is minted, and whether at all, is not known here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from OpenSSL import SSL

from gateway.config.sections.tls import Tls
from gateway.net.authority import Authority
from gateway.net.ca_files import Warn
from gateway.net.ca_generation import configured_profile
from gateway.net.certificates import CertificateAndKey
from gateway.net.mints import Mints
from gateway.net.tls_contexts import KeyLine, ServerContexts, ServerSide, TlsPolicy, accepting
from gateway.net.upstream_contexts import policy_of


@dataclass(frozen=True, slots=True, eq=False)
class Minting:
    """
    What it takes to answer a client in an origin's name.

    @ivar mints: the leaves.
    @ivar authority: the CA that signs them; what it publishes is what clients are to trust.
    """

    mints: Mints
    authority: Authority
    _size: int
    _policy: TlsPolicy
    _contexts: ServerContexts
    _key_log: KeyLine | None

    @classmethod
    def of(
        cls,
        tls: Tls,
        folder: Path,
        contexts: ServerContexts,
        *,
        key_log: KeyLine | None = None,
        before: Minting | None = None,
        warn: Warn,
        prepare: Callable[[Path], None] = lambda folder: None,
        rehearses: bool = False,
    ) -> Minting:
        """
        Load the CA, and make the first one if there is none: what is wrong with it is to be known before a client asks.

        @param folder: of the CA.
        @param contexts: those of the process.
        @param before: of the snapshot before. If nothing is said anew of the CA, it goes on with that one's, read again.
        @param warn: takes what was mended, and what the operator should know.
        @param prepare: called with the folder before anything is made in it.
        @param rehearses: only say what would be wrong. Nothing on disk is made or mended, C{before} is as it was, and
            what is given must not be used.
        @raise gateway.net.authority.AuthorityError: there is no CA that may sign; what ran before is as it was.
        """
        profile = configured_profile(tls)
        if rehearses:
            # Not by the one in use, which would go over to what it reads.
            tried = Authority(folder, profile, warn=lambda caution: None, mends=False)
            if tried.load().generations:
                tried.signer()
            return cls(Mints(tried, 1), tried, tls.certificates, policy_of(tls), contexts, None)
        mints: Mints | None = None
        authority: Authority | None = None
        if before is not None:
            known = before.authority
            if (known.folder, known.profile) == (folder, profile):
                authority = known
                if before._size == tls.certificates:
                    mints = before.mints
        if authority is None:
            authority = Authority(folder, profile, warn=warn)
        authority.load()
        if not authority.generations:
            prepare(folder)
        authority.signer()
        if mints is None:
            mints = Mints(authority, tls.certificates)
        return cls(mints, authority, tls.certificates, policy_of(tls), contexts, key_log)

    def accept(self, leaf: CertificateAndKey, *, trusted: bool) -> SSL.Connection:
        """
        Make a connection that waits for a client's handshake and shows a leaf whatever name is asked for.

        @param trusted: it was signed by the CA. With another one there are no tickets: who was shown a leaf that
            nobody trusts judges the next one anew, and no session leads from one kind to the other.
        @raise gateway.net.authority.AuthorityError: there is no CA that may sign any more.
        """
        context = self._contexts.get(
            self._policy,
            tickets=trusted,
            key_log=self._key_log,
            issuers=self.mints.issuers if trusted else (),
        )
        return accepting(context, ServerSide(lambda name: leaf))
