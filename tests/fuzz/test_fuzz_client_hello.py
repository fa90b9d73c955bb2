"""The fuzz target by itself, without a fuzzer: it passes on its seeds, and it does fail where it should."""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from gateway.api.answers import ClientHello
from tests.fuzz import fuzz_client_hello
from tests.unit.wire.hellos import changed


class FuzzTargetTests(SynchronousTestCase):
    def test_seeds(self) -> None:
        """Every seed is read alike at all cuts."""
        for seed in fuzz_client_hello.seeds():
            fuzz_client_hello.run(seed)

    def test_changed_seeds(self) -> None:
        """So is every seed with some bytes changed, always in the same way."""
        random = Random(8446)
        for seed in list(fuzz_client_hello.seeds()) * 5:
            fuzz_client_hello.run(changed(seed, random))

    def test_short_inputs(self) -> None:
        """What is too short to hold a stream is nothing."""
        for size in range(6):
            fuzz_client_hello.run(bytes(size))

    def test_it_finds_what_is_wrong(self) -> None:
        """Outcomes that differ are told, and values that break their promises."""
        good = ClientHello("a.example", ciphers=(1,))
        fuzz_client_hello.judge(good)
        fuzz_client_hello.compare(b"", good, good)
        for other in (None, ("NotTls", "not TLS"), ClientHello("b.example", ciphers=(1,))):
            self.assertRaises(AssertionError, fuzz_client_hello.compare, b"", good, other)
        for bad in (
            ClientHello("a..example", ciphers=(1,)),
            ClientHello("A.example", ciphers=(1,)),
            ClientHello("a\0.example", ciphers=(1,)),
            ClientHello("127.0.0.1", ciphers=(1,)),
            ClientHello("a" * 64, ciphers=(1,)),
            ClientHello(""),
            ClientHello("", ciphers=(1,), extensions=(0, 0)),
            ClientHello("", ciphers=(1,), versions=(0x0A0A,)),
        ):
            self.assertRaises(AssertionError, fuzz_client_hello.judge, bad)
