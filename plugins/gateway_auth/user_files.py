"""
Files of local users: names and hashed passwords as C{htpasswd} writes them, and groups.

Each line is one of::

    anna:$2y$12$...                   bcrypt, as of C{htpasswd -B}
    anna:$argon2id$v=19$...           argon2 (RFC 9106)
    anna:gateway:5f4dcc3b5aa765d6...  for Digest: MD5 or SHA-256 of C{user:realm:password}, as of C{htdigest}

Weaker kinds of hashes are faults of the file. The file is read with the settings, and anew when it changes; a file that
is then at fault changes nothing and is told. What is in it never shows itself.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import argon2
import bcrypt

from gateway.api.settings import BadValue, PathKind

#: A longer file is none of users.
MAX_BYTES = 64 * 1024 * 1024
#: Such a hash takes seconds, and a few of them all threads.
_MAX_COST = 16
_USUAL_COST = 12
_MAX_MEMORY_KIB = 1 << 20
_SHOWN = 3

_BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
_ARGON2 = re.compile(r"\$argon2(?:id|i|d)\$v=\d+\$m=(\d+),t=(\d+),p=(\d+)\$[^$]+\$[^$]+")
_DIGEST = re.compile(r"(?:[0-9a-fA-F]{32}|[0-9a-fA-F]{64})")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True, repr=False)
class UserFile:
    """
    A file of users that was read.

    @ivar path: where it is.
    @ivar stamp: tells whether it is still the same file.
    @ivar passwords: hashes by user.
    @ivar digests: for Digest, by user, realm and algorithm.
    @ivar decoy: a hash that no password has, as costly as most of the others.
    """

    path: str
    stamp: tuple[int, int, int]
    passwords: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[tuple[str, str, str], str] = field(default_factory=dict)
    decoy: str = ""

    def __str__(self) -> str:
        """Give the path, as it is written in the settings."""
        return self.path


@dataclass(frozen=True, slots=True)
class GroupFile:
    """
    A file of groups that was read: in each line C{group: user user}.

    @ivar groups: of each user.
    """

    path: str
    stamp: tuple[int, int, int]
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def __str__(self) -> str:
        """Give the path, as it is written in the settings."""
        return self.path


class UserFileKind(PathKind):
    """A file of users; read with the settings, so that its faults are shown with theirs."""

    def read(self, raw: object, place: Any) -> Any:
        """Read the file; an empty path is none."""
        path = PathKind.read(self, raw, place)
        return read_users(path) if path else None

    def toml(self, value: Any) -> str:
        """Write its path."""
        return PathKind.toml(self, "" if value is None else str(value))


class GroupFileKind(PathKind):
    """A file of groups; likewise."""

    def read(self, raw: object, place: Any) -> Any:
        """Read the file; an empty path is none."""
        path = PathKind.read(self, raw, place)
        return read_groups(path) if path else None

    def toml(self, value: Any) -> str:
        """Write its path."""
        return PathKind.toml(self, "" if value is None else str(value))


def read_users(path: str) -> UserFile:
    """
    Read a file of users.

    @raise BadValue: it can't be read, or lines of it are no good; they are named by number, and nothing of them is shown.
    """
    passwords: dict[str, str] = {}
    digests: dict[tuple[str, str, str], str] = {}
    stamp, lines = _lines(path)
    faults: list[str] = []
    for number, line in lines:
        why = _take(line, passwords, digests)
        if why:
            faults.append(f"{path}:{number}: {why}")
    _raise(faults)
    return UserFile(path, stamp, passwords, digests, _decoy(passwords))


def read_groups(path: str) -> GroupFile:
    """
    Read a file of groups.

    @raise BadValue: it can't be read, or lines of it are no good.
    """
    groups: dict[str, set[str]] = {}
    stamp, lines = _lines(path)
    faults: list[str] = []
    for number, line in lines:
        group, colon, users = line.partition(":")
        if not colon or not group.strip() or _CONTROLS.search(line.replace("\t", " ")):
            faults.append(f"{path}:{number}: this is not like group: user user")
            continue
        for user in users.split():
            groups.setdefault(user, set()).add(group.strip())
    _raise(faults)
    return GroupFile(path, stamp, {user: frozenset(names) for user, names in groups.items()})


def _take(line: str, passwords: dict[str, str], digests: dict[tuple[str, str, str], str]) -> str:
    """Take one line; gives what is wrong with it, an empty text if nothing is."""
    user, _, rest = line.partition(":")
    if not user or not rest or _CONTROLS.search(line):
        return "this is not like user:hash"
    realm, colon, hashed = rest.rpartition(":")
    if colon:
        if not _DIGEST.fullmatch(hashed):
            return "behind user and realm is no hash of MD5 or SHA-256"
        algorithm = "MD5" if len(hashed) == 32 else "SHA-256"
        if (user, realm, algorithm) in digests:
            return "this user is there twice"
        digests[user, realm, algorithm] = hashed.lower()
        return ""
    found = _BCRYPT.fullmatch(rest)
    if found is not None:
        if not 4 <= int(found[1]) <= _MAX_COST:
            return f"a cost of bcrypt is between 4 and {_MAX_COST}"
    else:
        found = _ARGON2.fullmatch(rest)
        if found is None:
            return "the hash is neither of bcrypt nor of argon2; make one with htpasswd -B"
        if int(found[1]) > _MAX_MEMORY_KIB or int(found[2]) > 100 or int(found[3]) > 64:
            return "this hash of argon2 takes too much memory or time"
    if user in passwords:
        return "this user is there twice"
    passwords[user] = rest
    return ""


def _decoy(passwords: Mapping[str, str]) -> str:
    """Make a hash of the kind that is the most frequent, with another salt and of no password."""
    kinds = Counter(map(_cost, passwords.values()))
    cost = kinds.most_common(1)[0][0] if kinds else (_USUAL_COST,)
    secret = os.urandom(16).hex()
    if len(cost) == 1:
        return bcrypt.hashpw(secret.encode(), bcrypt.gensalt(cost[0])).decode()
    memory, times, lanes = cost
    return argon2.PasswordHasher(times, memory, lanes).hash(secret)


def _cost(hashed: str) -> tuple[int, ...]:
    found = _BCRYPT.fullmatch(hashed) or _ARGON2.fullmatch(hashed)
    assert found is not None
    return tuple(map(int, found.groups()))


def stamp_of(stat: os.stat_result) -> tuple[int, int, int]:
    """Give what tells whether a file is still the same."""
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _lines(path: str) -> tuple[tuple[int, int, int], list[tuple[int, str]]]:
    """Give what stands in the lines of a file, comments and empty ones left out."""
    try:
        with open(path, "rb") as stream:
            stamp = stamp_of(os.fstat(stream.fileno()))
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadValue(f"{path} can't be read: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise BadValue(f"{path} is longer than a file of users can be")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadValue(f"{path} is not UTF-8") from None
    lines = ((number, line.rstrip("\r")) for number, line in enumerate(text.split("\n"), 1))
    return stamp, [
        (number, line) for number, line in lines if line.strip() and not line.startswith("#")
    ]


def _raise(faults: list[str]) -> None:
    if faults:
        more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise BadValue("; ".join(faults[:_SHOWN]) + more)
