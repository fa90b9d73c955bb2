"""
The folder of the gateway's CA: one file for each generation, private, and written so that a crash leaves no half of one.

A file holds key and certificate together (PEM, RFC 7468), so there is no moment at which one is there without the other.
Its name says from when the generation signs, C{ca-20270131T000000Z.pem}: whoever looks into the folder sees what is in
force, and the change from one to the next needs no further write. What stands in a file is not known here.
"""

from __future__ import annotations

import datetime
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

#: Takes a sentence for the operator.
Warn = Callable[[str], None]

_FORM = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"ca-(\d{8}T\d{6}Z)\.pem")
_NEW = ".new-"
#: A key, a certificate and what is above it are a few KiB.
_MAX_BYTES = 256 * 1024


class AuthorityError(Exception):
    """
    Something is wrong with the CA: what, where and how to mend it.

    @ivar path: the file or folder, empty if there is none.
    @ivar mend: an advice, the imperative.
    """

    def __init__(self, message: str, path: Path | str = "", mend: str = "") -> None:
        self.message = message
        self.path = str(path)
        self.mend = mend
        super().__init__(": ".join(filter(None, (self.path, message))) + (mend and f"; {mend}"))


def found(folder: Path) -> list[tuple[datetime.datetime, Path]]:
    """
    List the generations by the time from which they sign, the earliest first; none if there is no folder.

    @raise AuthorityError: the folder can't be read, or a file's name is almost one of ours.
    """
    listed = []
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise AuthorityError(
            f"can't be read: {error.strerror}", folder, "give it to the user of the gateway"
        ) from None
    for name in names:
        if not name.startswith("ca-"):
            continue
        path = folder / name
        match = _NAME.fullmatch(name)
        try:
            if match is None:
                raise ValueError
            when = datetime.datetime.strptime(match[1], _FORM).replace(tzinfo=datetime.UTC)
        except ValueError:
            raise AuthorityError(
                "is no name of a CA's file",
                path,
                "call it ca-YYYYMMDDTHHMMSSZ.pem by the time (UTC) from which it signs, or move it away",
            ) from None
        listed.append((when, path))
    return sorted(listed)


def read(path: Path, warn: Warn, *, mends: bool = True) -> bytes:
    """
    Read a file with a key; permissions that are too wide are narrowed, with a warning.

    @param mends: without it they are left as they are, without a word.
    @raise AuthorityError: it can't be read, belongs to somebody else, or is no plain file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise AuthorityError(
            f"can't be read: {error.strerror}", path, "it has to be a file of the gateway's user"
        ) from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise AuthorityError("is no plain file", path, "put the file itself there")
    with open(descriptor, "rb") as stream:
        _private(status, path, descriptor, 0o600, warn, mends)
        content = stream.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise AuthorityError(f"has more than {_MAX_BYTES} bytes", path, "put the CA's file there")
    return content


def check_folder(folder: Path, warn: Warn, *, mends: bool = True) -> None:
    """
    See to it that nobody else can read or exchange what is in the folder; nothing is done if there is none.

    @param mends: as of L{read}.
    @raise AuthorityError: it is none, belongs to somebody else, or can't be narrowed.
    """
    try:
        status = os.stat(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise AuthorityError(f"can't be looked at: {error.strerror}", folder) from None
    if not stat.S_ISDIR(status.st_mode):
        raise AuthorityError("is no folder", folder, "name a folder for the CA alone")
    _private(status, folder, folder, 0o700, warn, mends)


@contextmanager
def locked(folder: Path, warn: Warn) -> Iterator[None]:
    """
    Make the folder if it isn't there, and keep other writers out; leftovers of a crash are removed.

    @raise AuthorityError: it can't be made, or is not private.
    """
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise AuthorityError(
            f"can't be made: {error.strerror}",
            folder,
            "make the folder above it and give it to the user of the gateway",
        ) from None
    else:
        _give(folder)
        _flush_folder(folder.parent)
    check_folder(folder, warn)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        for name in os.listdir(folder):
            if name.startswith(_NEW):
                os.unlink(folder / name)
        yield
    finally:
        os.close(descriptor)


def add(folder: Path, when: datetime.datetime, content: bytes) -> Path:
    """
    Write a generation, whole or not at all; the caller holds the lock.

    @param when: from when it signs; a second later each time that another one has this very name.
    """
    path = folder / f"ca-{when:{_FORM}}.pem"
    while path.exists():
        when += datetime.timedelta(seconds=1)
        path = folder / f"ca-{when:{_FORM}}.pem"
    replace(path, content)
    return path


def replace(path: Path, content: bytes) -> None:
    """
    Write a file, whole or not at all; the caller holds the lock.

    @raise AuthorityError: there is no room, or no right to.
    """
    new = path.parent / f"{_NEW}{secrets.token_hex(8)}"
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as stream:
            # The umask may have taken a right away, and must not have the last word.
            os.fchmod(descriptor, 0o600)
            stream.write(content)
            stream.flush()
            os.fsync(descriptor)
        _give(new)
        os.rename(new, path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise AuthorityError(f"can't be written: {error.strerror}", path) from None
    _flush_folder(path.parent)


def _private(
    status: os.stat_result, path: Path, target: Path | int, mode: int, warn: Warn, mends: bool
) -> None:
    """
    Refuse what belongs to somebody else; narrow the mode if need be.

    @param target: what C{chmod} takes: the descriptor where there is one, so that nothing is exchanged in between.
    """
    if status.st_uid not in (os.geteuid(), 0) and os.geteuid() != 0:
        raise AuthorityError(
            f"belongs to another user (uid {status.st_uid}), who knows the key or may exchange it",
            path,
            "give it to the user of the gateway, or make a new CA elsewhere",
        )
    wide = stat.S_IMODE(status.st_mode) & ~mode
    if not wide or not mends:
        return
    try:
        os.chmod(target, stat.S_IMODE(status.st_mode) & mode)
    except OSError:
        raise AuthorityError(
            f"others have rights to it (mode {stat.S_IMODE(status.st_mode):04o})",
            path,
            f"chmod {mode:04o}",
        ) from None
    warn(
        f"{path}: others had rights to it (mode {stat.S_IMODE(status.st_mode):04o}), which are taken away; "
        "if somebody may have read the key, make a new CA: gateway ca rotate --now"
    )


def _give(path: Path) -> None:
    """Give what root has written to whoever owns the folder above it: the gateway has to read it as its own user."""
    if os.geteuid() == 0:
        above = os.stat(path.parent)
        os.chown(path, above.st_uid, above.st_gid)


def _flush_folder(folder: Path) -> None:
    """Make an entry of a folder last over a power failure."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
