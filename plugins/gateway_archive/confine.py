"""
What a child process takes from itself before it looks at anything: the system sees to it that it can't do more than read
what it is given and answer.

To be called once, in the child. What a system does not have is left out; what it has and refuses, too: the limits are the core,
the rest is more walls around it.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
from contextlib import suppress

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION = 0x20080522
_CLONE_NEWNET = 0x40000000
_CLONE_NEWUSER = 0x10000000


def die_with(parent: int) -> None:
    """
    End as soon as the parent ends, however it does.

    @param parent: its process id, in case that it has ended already.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def confine(memory: int, file_size: int) -> None:
    """
    Take everything away that is not needed.

    @param memory: bytes of address space.
    @param file_size: bytes of one file.
    """
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_AS, memory)
    _limit(resource.RLIMIT_FSIZE, file_size)
    _limit(resource.RLIMIT_NOFILE, 256)
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        # A network of its own has nobody in it. Whoever is not root first needs users of its own.
        libc.unshare(_CLONE_NEWNET if os.geteuid() == 0 else _CLONE_NEWUSER | _CLONE_NEWNET)
        # Whoever has users of its own is root among them; and who was root before needs nothing of that either.
        libc.capset(struct.pack("=Ii", _CAPABILITY_VERSION, 0), bytes(24))
    # Neither processes nor threads. The system holds everybody to that but root.
    _limit(resource.RLIMIT_NPROC, 0)
    os.chdir("/")


def allow_seconds(seconds: float) -> None:
    """Let the process use so much more of the processor, and no more: it is killed then."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = int(used.ru_utime + used.ru_stime + seconds) + 2
    with suppress(OSError, ValueError):
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (most, hard))


def _limit(which: int, value: int) -> None:
    with suppress(OSError, ValueError):
        resource.setrlimit(which, (value, value))
