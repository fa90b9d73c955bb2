"""
Least privilege: what the process gives up once its sockets are open, and the descriptors it may have.
"""

from __future__ import annotations

import contextlib
import fcntl
import grp
import os
import pwd
import resource

#: Room is made for so many descriptors at the most, which takes half a MiB of the kernel's memory.
MOST_PREPARED = 65_536


class PrivilegeError(Exception):
    """The configured user or group can't be taken on; the text says why and what to do."""


def become(user: str, group: str) -> None:
    """
    Become a user and a group for good; does nothing if both are empty.

    @raise PrivilegeError: there is no such account, or the process may not.
    """
    ids = account_ids(user, group)
    if ids is None or ids == (os.geteuid(), os.getegid()):
        return
    account = _account(user) if user else None
    gid = ids[1]
    try:
        if account is not None:
            os.initgroups(user, gid)
        else:
            os.setgroups([gid])
        os.setgid(gid)
        if account is not None:
            os.setuid(account.pw_uid)
    except PermissionError:
        raise PrivilegeError(
            "gateway.user, gateway.group: only root can become another user; start as root or leave both empty"
        ) from None


def account_ids(user: str, group: str) -> tuple[int, int] | None:
    """
    Give the ids of user and group that L{become} takes on; C{None} if both are empty.

    @raise PrivilegeError: there is no such account.
    """
    if not user and not group:
        return None
    account = _account(user) if user else None
    uid = os.geteuid() if account is None else account.pw_uid
    return uid, _group(group) if group else os.getegid() if account is None else account.pw_gid


def raise_descriptor_limit() -> int:
    """Raise the limit of open descriptors as far as it goes without privileges, and give it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and soft < hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            return soft
        return hard
    return soft


def prepare_descriptors(count: int) -> None:
    """
    Have the kernel make its table of descriptors as large as it may get, up to L{MOST_PREPARED}.

    It grows by doubling otherwise, in C{accept}, and as the process has threads each time waits until all processors have let go of
    the old one (C{expand_fdtable} in Linux' C{fs/file.c}): 8 to 18 ms in which nobody is served, just when many clients come at once.

    @param count: how many there may be.
    """
    highest = min(count, MOST_PREPARED) - 1
    with contextlib.suppress(OSError):
        some = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.close(fcntl.fcntl(some, fcntl.F_DUPFD_CLOEXEC, highest))
        finally:
            os.close(some)


def _account(user: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(user)
    except KeyError:
        raise PrivilegeError(f"gateway.user: this system has no user {user}") from None


def _group(group: str) -> int:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise PrivilegeError(f"gateway.group: this system has no group {group}") from None
