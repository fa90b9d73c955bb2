"""
Least privilege: what the process gives up once its sockets are open, and the descriptors it may have.
"""

from __future__ import annotations

import grp
import os
import pwd
import resource


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
