"""The pool of pipes, and what may be spliced at all."""

from __future__ import annotations

import os
from resource import RLIMIT_NOFILE, getrlimit, setrlimit

from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.splice import Pipe, PipePool, bare_socket


def open_descriptors() -> int:
    """Count this process's descriptors."""
    return len(os.listdir("/proc/self/fd"))


class PipeTests(SynchronousTestCase):
    """One pipe."""

    def test_size(self) -> None:
        """A pipe has the size it was asked for, where the kernel allows it."""
        pipe = Pipe(1 << 18)
        self.addCleanup(pipe.close)
        self.assertEqual(pipe.size, 1 << 18)

    def test_size_refused(self) -> None:
        """A size that the kernel refuses leaves a smaller pipe that works."""
        if os.geteuid() == 0:
            wanted = 1 << 31
        else:
            with open("/proc/sys/fs/pipe-max-size") as file:
                wanted = int(file.read()) * 2
        pipe = Pipe(wanted)
        self.addCleanup(pipe.close)
        self.assertIn(pipe.size, range(4096, wanted))
        os.write(pipe.write_fd, b"x")
        self.assertEqual(os.read(pipe.read_fd, 2), b"x")


class PipePoolTests(SynchronousTestCase):
    """Few pipes for many tunnels."""

    def test_used_again(self) -> None:
        """A pipe given back is the next one taken."""
        pool = PipePool()
        self.addCleanup(pool.close)
        pipe = pool.take()
        assert pipe is not None
        pool.give(pipe)
        self.assertIs(pool.take(), pipe)
        self.assertEqual(pool.open, 1)
        pool.give(pipe)

    def test_limit(self) -> None:
        """Beyond the limit there is none, until one is discarded."""
        pool = PipePool(limit=1)
        pipe = pool.take()
        assert pipe is not None
        self.assertIsNone(pool.take())
        pool.discard(pipe)
        again = pool.take()
        assert again is not None
        pool.discard(again)
        self.assertEqual(pool.open, 0)

    def test_too_small(self) -> None:
        """A pipe smaller than is worth its while is not given, nor kept open."""
        before = open_descriptors()
        pool = PipePool(size=1 << 16, least=1 << 17)
        self.assertIsNone(pool.take())
        self.assertEqual((pool.open, open_descriptors()), (0, before))

    def test_no_descriptor(self) -> None:
        """When the process may open no more descriptors there is no pipe, and no error."""
        pool = PipePool()
        soft, hard = getrlimit(RLIMIT_NOFILE)
        setrlimit(RLIMIT_NOFILE, (3, hard))
        try:
            self.assertIsNone(pool.take())
        finally:
            setrlimit(RLIMIT_NOFILE, (soft, hard))
        self.assertEqual(pool.open, 0)

    def test_keep(self) -> None:
        """No more than so many stay open unused, and closing leaves no descriptor behind."""
        before = open_descriptors()
        pool = PipePool(keep=2)
        pipes = [pool.take() for _ in range(5)]
        for pipe in pipes:
            assert pipe is not None
            pool.give(pipe)
        self.assertEqual((pool.open, open_descriptors()), (2, before + 4))
        pool.close()
        self.assertEqual((pool.open, open_descriptors()), (0, before))


class BareSocketTests(SynchronousTestCase):
    """What can be spliced."""

    def test_no_socket(self) -> None:
        """A transport that is no socket can't."""
        self.assertIsNone(bare_socket(StringTransport()))
