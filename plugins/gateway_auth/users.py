"""
Local users as a source of users, so that no directory is needed.

Their files are looked at again and again; one that is at fault then changes nothing and is told. Hashes are compared in threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import argon2
import bcrypt

from gateway.api import Services
from gateway.api.catalogue.identity import AUTH_USERS_FAULTY, AUTH_USERS_READ
from gateway.api.settings import BadValue
from gateway_auth.user_files import GroupFile, UserFile, read_groups, read_users, stamp_of
from gateway_auth.verifier import Refused, Verified

#: How often it is looked whether a file has changed, seconds.
LOOK_SECONDS = 5.0
#: bcrypt takes no more of a password, and its library now says so instead of cutting it off.
_BCRYPT_BYTES = 72
_HASHER = argon2.PasswordHasher()


class LocalUsers:
    """
    Users of a file (a L{Verifier<gateway_auth.verifier.Verifier>}).

    @ivar file: as it was read last.
    """

    def __init__(
        self,
        file: UserFile,
        groups: GroupFile | None,
        services: Services,
        changed: Callable[[str], object] = str,
    ) -> None:
        """
        Take what was read.

        @param changed: called with each user whose password or groups are others now, or who is gone.
        """
        self.file = file
        self._changed = changed
        self._groups: GroupFile | None = groups
        self._services = services
        self._faulty: set[str] = set()
        services.every(LOOK_SECONDS, self.look, name="users")

    async def verify(self, user: str, password: str) -> Verified:
        """
        Check a password, in a thread; for a user that is not there against a hash that is as costly.

        @raise Refused: it is wrong, or there is no such user.
        """
        known = self.file.passwords.get(user)
        run = self._services.threads.run
        is_right = await run("directory", is_password, known or self.file.decoy, password)
        if known is None:
            raise Refused("unknown_user")
        if not is_right:
            raise Refused("wrong_password")
        return Verified(user, self.groups(user))

    def knows(self, user: str) -> bool:
        """Tell whether there is such a user."""
        file = self.file
        return user in file.passwords or any(user == name for name, _, _ in file.digests)

    def groups(self, user: str) -> frozenset[str]:
        """
        Give the groups of a user who has shown by other means who he is.

        @raise Refused: there is no such user any more.
        """
        if not self.knows(user):
            raise Refused("unknown_user")
        none: frozenset[str] = frozenset()
        return none if self._groups is None else self._groups.groups.get(user, none)

    def digest(self, user: str, realm: str, algorithm: str) -> str | None:
        """
        Give the hash of user, realm and password for Digest, in lower-case hexadecimal digits; C{None} if there is none.

        @param algorithm: C{"MD5"} or C{"SHA-256"}.
        """
        return self.file.digests.get((user, realm, algorithm))

    async def look(self) -> None:
        """Read what has changed; what is at fault leaves things as they were."""
        before, groups = self.file, self._groups
        self.file = await self._look(before, read_users)
        if self.file is not before:
            self._tell(before.passwords, self.file.passwords)
        if groups is not None:
            self._groups = await self._look(groups, read_groups)
            if self._groups is not groups:
                self._tell(groups.groups, self._groups.groups)

    def _tell(self, before: Mapping[str, object], now: Mapping[str, object]) -> None:
        for user in before.keys() | now.keys():
            if before.get(user) != now.get(user):
                self._changed(user)

    async def _look(self, file: Any, read: Any) -> Any:
        run = self._services.threads.run
        try:
            found = await run("directory", _changed, file, read)
        except BadValue as error:
            if file.path not in self._faulty:
                self._faulty.add(file.path)
                self._services.events(
                    AUTH_USERS_FAULTY(
                        f"{error.message}; the users read before it changed are still the ones that count",
                        file.path,
                    )
                )
            return file
        if file.path in self._faulty:
            self._faulty.discard(file.path)
            self._services.events(
                AUTH_USERS_READ(f"{file.path} has no fault any more and counts as it is", file.path)
            )
        if found is not file:
            self._services.log.info("{path} was read anew", path=file.path)
        return found


def is_password(hashed: str, password: str) -> bool:
    """Tell whether a hash is that of a password; takes its time, so never in the reactor's thread."""
    secret = password.encode("utf-8", "surrogatepass")
    if hashed.startswith("$2"):
        return bcrypt.checkpw(secret[:_BCRYPT_BYTES], hashed.encode("ascii"))
    try:
        return _HASHER.verify(hashed, secret)
    except argon2.exceptions.VerificationError:
        return False


def _changed(file: Any, read: Any) -> Any:
    """Read a file if it is not the same any more; for a thread."""
    try:
        stat = os.stat(file.path)
    except OSError as error:
        raise BadValue(f"{file.path} can't be read: {error.strerror}") from None
    return file if stamp_of(stat) == file.stamp else read(file.path)
