"""By what content is known again."""

from __future__ import annotations

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.pipeline.fingerprint import fingerprint

_SHOW = "from gateway.pipeline.fingerprint import fingerprint; print(fingerprint(b'a').hex())"


class FingerprintTests(SynchronousTestCase):
    """L{fingerprint}."""

    @given(st.binary(max_size=200), st.integers(0, 10_000))
    def test_each_bit_counts(self, content: bytes, at: int) -> None:
        """The same content has the same tag, and with one bit changed another."""
        tag = fingerprint(content)
        self.assertEqual(len(tag), 16)
        self.assertEqual(fingerprint(memoryview(content)), tag)
        if content:
            changed = bytearray(content)
            changed[at % len(content)] ^= 1 << at % 8
            self.assertNotEqual(fingerprint(bytes(changed)), tag)

    def test_length_counts(self) -> None:
        """Zeros are content: none, one, and a block of them differ."""
        tags = {fingerprint(bytes(size)) for size in (0, 1, 15, 16, 17, 1 << 20)}
        self.assertEqual(len(tags), 6)

    def test_key_of_the_process(self) -> None:
        """Nobody outside can work a tag out: another process has another key."""
        shown = subprocess.run(
            [sys.executable, "-c", _SHOW], capture_output=True, text=True, check=True
        ).stdout
        self.assertNotEqual(shown.strip(), fingerprint(b"a").hex())
