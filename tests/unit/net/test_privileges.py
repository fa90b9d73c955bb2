"""Tests of L{gateway.net.privileges}; giving something up is tried in a process of its own."""

from __future__ import annotations

import fcntl
import os
import pwd
import resource
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from gateway.net.privileges import (
    MOST_PREPARED,
    PrivilegeError,
    become,
    prepare_descriptors,
    raise_descriptor_limit,
)

_CHILD = """
import os, sys
sys.path[:0] = {path!r}
from gateway.net.privileges import PrivilegeError, become
try:
    become({user!r}, {group!r})
except PrivilegeError as error:
    print(error)
else:
    print(os.getresuid(), os.getresgid(), os.getgroups())
"""


class BecomeTests(SynchronousTestCase):
    """L{become}."""

    def child(self, user: str, group: str) -> str:
        """Become somebody in another process; give what that says then."""
        code = _CHILD.format(path=[path for path in sys.path if path], user=user, group=group)
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def test_nothing(self) -> None:
        """Without a setting nothing changes."""
        before = os.getresuid(), os.getresgid(), os.getgroups()
        become("", "")
        self.assertEqual((os.getresuid(), os.getresgid(), os.getgroups()), before)

    def test_unknown(self) -> None:
        """An account that is not there is named, with its setting."""
        error = self.assertRaises(PrivilegeError, become, "no-such-user", "")
        self.assertEqual(str(error), "gateway.user: this system has no user no-such-user")
        error = self.assertRaises(PrivilegeError, become, "", "no-such-group")
        self.assertEqual(str(error), "gateway.group: this system has no group no-such-group")

    def test_for_good(self) -> None:
        """Real, effective and saved ids change and no group of before is left; whoever may not is told so."""
        nobody = pwd.getpwnam("nobody")
        told = self.child("nobody", "")
        if os.geteuid() != 0:
            self.assertIn("only root can become another user", told)
            return
        uid, gid = nobody.pw_uid, nobody.pw_gid
        self.assertEqual(told, f"{(uid,) * 3} {(gid,) * 3} [{gid}]")
        self.assertEqual(self.child("nobody", "root"), f"{(uid,) * 3} {(0,) * 3} [0]")
        self.assertEqual(self.child("", "nogroup"), f"{(0,) * 3} {(gid,) * 3} [{gid}]")

    def test_already(self) -> None:
        """Being that user already is enough, root or not."""
        name = pwd.getpwuid(os.geteuid()).pw_name
        before = os.getresuid(), os.getresgid()
        become(name, "")
        self.assertEqual((os.getresuid(), os.getresgid()), before)


_PREPARED = """
import os, sys
from gateway.net.privileges import prepare_descriptors

def size():
    for line in open("/proc/self/status"):
        if line.startswith("FDSize"):
            print(line.split()[1])

opened = len(os.listdir("/proc/self/fd"))
size()
prepare_descriptors(1000)
size()
# It does not get smaller, and less is there already.
prepare_descriptors(500)
size()
print(len(os.listdir("/proc/self/fd")) - opened)
"""


class DescriptorLimitTests(SynchronousTestCase):
    """L{raise_descriptor_limit}."""

    def test_raised(self) -> None:
        """The limit becomes what the system allows without privileges."""
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(500, before[1]), before[1]))
        self.assertEqual(raise_descriptor_limit(), before[1])
        self.assertEqual(resource.getrlimit(resource.RLIMIT_NOFILE), (before[1], before[1]))
        self.assertEqual(raise_descriptor_limit(), before[1])

    def test_prepared(self) -> None:
        """The kernel's table has room for as many as there may be, and nothing is left open."""
        told = subprocess.run(
            [sys.executable, "-c", _PREPARED],
            check=True,
            capture_output=True,
            text=True,
            env={"PYTHONPATH": os.pathsep.join(sys.path)},
        ).stdout.split()
        before, after, larger, opened = map(int, told)
        self.assertLess(before, 1000)
        self.assertGreaterEqual(after, 1000)
        self.assertEqual(larger, after)
        self.assertEqual(opened, 0)

    def test_bounded(self) -> None:
        """What may be without bound is prepared up to one; where it can't be, nothing is said."""
        asked: list[int] = []

        def duplicate(_: int, __: int, at: int) -> int:
            asked.append(at)
            raise OSError("there can't be so many")

        self.patch(fcntl, "fcntl", duplicate)
        for count in (MOST_PREPARED * 4, 100):
            prepare_descriptors(count)
        self.assertEqual(asked, [MOST_PREPARED - 1, 99])
