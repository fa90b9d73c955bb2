"""Which way of choosing source ports is taken, and what each tells the kernel."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Collection

from twisted.trial.unittest import SynchronousTestCase

from gateway.config.ports import PortSet
from gateway.net.source_ports import (
    BoundPorts,
    KernelPorts,
    SourcePorts,
    source_ports,
    system_range,
)

SYSTEM = (32768, 60999)


class FakeSocket:
    """Takes options and binds; some ports are taken."""

    def __init__(self, taken: Collection[int] = ()) -> None:
        self.taken = taken
        self.options: dict[tuple[int, int], int | bytes] = {}
        self.bound: tuple[str, int] | None = None

    def setsockopt(self, level: int, option: int, value: int | bytes) -> None:
        self.options[level, option] = value

    def bind(self, address: tuple[str, int]) -> None:
        if address[1] in self.taken:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        self.bound = address


def prepare(
    ports: SourcePorts, taken: Collection[int] = (), family: int = socket.AF_INET
) -> FakeSocket:
    """Prepare a socket."""
    made = FakeSocket(taken)
    ports.prepare(made, family)  # type: ignore[arg-type]
    return made


class ChoiceTests(SynchronousTestCase):
    def test_system(self) -> None:
        """Without a range, or with the system's own, the system chooses as always."""
        self.assertIsNone(source_ports(PortSet(), PortSet(), system=SYSTEM))
        self.assertIsNone(source_ports(PortSet.of("32768-60999"), PortSet(), system=SYSTEM))
        self.assertIsNone(source_ports(PortSet(), PortSet.of("1-1024"), system=SYSTEM))

    def test_kernel(self) -> None:
        """A range inside of the system's is left to the kernel, also with holes in it."""
        self.assertIsInstance(
            source_ports(PortSet.of("40000-50000"), PortSet(), system=SYSTEM), KernelPorts
        )
        self.assertIsInstance(
            source_ports(PortSet(), PortSet.of(40000), system=SYSTEM), KernelPorts
        )

    def test_bound(self) -> None:
        """A range that reaches beyond the system's is bound, for the kernel would ignore its bounds."""
        self.assertIsInstance(
            source_ports(PortSet.of("20000-60999"), PortSet(), system=SYSTEM), BoundPorts
        )

    def test_nothing_left(self) -> None:
        """To exclude every port is a fault of the configuration."""
        self.assertRaises(
            ValueError,
            source_ports,
            PortSet.of("20000-20001"),
            PortSet.of("1-30000"),
            system=SYSTEM,
        )

    def test_system_range(self) -> None:
        """The system says which ports it chooses from."""
        first, last = system_range()
        self.assertTrue(1 <= first < last <= 65535)


class KernelPortsTests(SynchronousTestCase):
    def test_option(self) -> None:
        """The option holds the last port in its upper and the first in its lower half."""
        made = prepare(KernelPorts(PortSet.of("40000-50000")))
        self.assertEqual(
            made.options, {(socket.IPPROTO_IP, 51): struct.pack("=I", 50000 << 16 | 40000)}
        )

    def test_runs(self) -> None:
        """With holes every run is chosen, the longer ones more often, and a failure is worth another try."""
        ports = KernelPorts(PortSet.of("40000-40008", 50000))
        chosen = [next(iter(prepare(ports).options.values())) for _ in range(2000)]
        long, short = (
            struct.pack("=I", last << 16 | first)
            for first, last in ((40000, 40008), (50000, 50000))
        )
        self.assertEqual(set(chosen), {long, short})
        self.assertTrue(1600 < chosen.count(long) < 1980)
        self.assertGreater(ports.retries, 0)
        self.assertEqual(KernelPorts(PortSet.of("40000-50000")).retries, 0)


class BoundPortsTests(SynchronousTestCase):
    def test_takes_turns(self) -> None:
        """Each port is used once before any is used again."""
        ports = BoundPorts(PortSet.of("20000-20004"))
        bound = [prepare(ports).bound for _ in range(5)]
        self.assertEqual(sorted(port for _, port in filter(None, bound)), list(range(20000, 20005)))

    def test_shares_ports(self) -> None:
        """A port may serve several destinations at a time."""
        made = prepare(BoundPorts(PortSet.of(20000)))
        self.assertEqual(made.options, {(socket.SOL_SOCKET, socket.SO_REUSEADDR): 1})

    def test_any_address(self) -> None:
        """The port is bound on every address of the socket's family."""
        ports = BoundPorts(PortSet.of(20000))
        self.assertEqual(prepare(ports).bound, ("0.0.0.0", 20000))
        self.assertEqual(prepare(ports, family=socket.AF_INET6).bound, ("::", 20000))

    def test_taken(self) -> None:
        """A port that somebody else holds is left out."""
        ports = BoundPorts(PortSet.of("20000-20002"))
        for _ in range(4):
            self.assertEqual(prepare(ports, {20000, 20002}).bound, ("0.0.0.0", 20001))

    def test_all_taken(self) -> None:
        """When every port is held the error is the kernel's for its own range."""
        error = self.assertRaises(
            OSError, prepare, BoundPorts(PortSet.of("20000-20002")), {20000, 20001, 20002}
        )
        self.assertEqual(error.errno, errno.EADDRNOTAVAIL)

    def test_other_errors(self) -> None:
        """An error that another port would not cure is raised."""

        class Broken(FakeSocket):
            def bind(self, address: tuple[str, int]) -> None:
                raise OSError(errno.ENOBUFS, "no memory")

        error = self.assertRaises(
            OSError, BoundPorts(PortSet.of("1-9")).prepare, Broken(), socket.AF_INET
        )
        self.assertEqual(error.errno, errno.ENOBUFS)
