"""Tests of requests and responses as the rules see them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway_cache.messages import WANTED, Asked, Message, index, wanted_index
from gateway_cache.policy import TAG_FIELDS, UNKEYED
from gateway_cache.tests.rules import request


class MessagesTests(SynchronousTestCase):
    def test_cacheable(self) -> None:
        """GET and HEAD without content may be answered from the cache; what content asks for is in no key."""
        self.assertTrue(request().cacheable)
        self.assertTrue(request("Content-Length: 0", method=b"HEAD").cacheable)
        self.assertFalse(request("Content-Length: 1").cacheable)
        self.assertFalse(request("Transfer-Encoding: chunked").cacheable)
        self.assertFalse(request(method=b"POST").cacheable)
        self.assertFalse(request(method=b"get").cacheable)

    def test_values(self) -> None:
        """Any field can be asked for, in any case, one value for each line."""
        asked = request("FOO:1 ", "foo:\t2", "If-None-Match: x", "Range: bytes=0-")
        self.assertEqual(asked.values(b"foo"), [b"1", b"2"])
        self.assertIsNone(asked.values(b"bar"))
        self.assertIsNone(asked.values(b"age"))
        self.assertTrue(asked.conditional)
        self.assertTrue(asked.has_range)

    def test_known_names(self) -> None:
        """What the rules look for by default is taken out at once."""
        self.assertLessEqual(UNKEYED, WANTED)
        self.assertLessEqual({name for name, _ in TAG_FIELDS}, WANTED)

    @settings(derandomize=True, deadline=None)
    @given(
        st.lists(
            st.one_of(
                st.binary(max_size=20), st.sampled_from([b"Age: 1", b"aGE:2", b"Vary", b"vary: a"])
            ),
            max_size=5,
        )
    )
    def test_any_bytes(self, head: list[bytes]) -> None:
        """No bytes raise anything, and both readings agree."""
        everything = index(head)
        self.assertEqual(
            wanted_index(head), {name: v for name, v in everything.items() if name in WANTED}
        )
        message = Message(head)
        for name, values in everything.items():
            self.assertEqual(message.values(name), values)
        Asked(b"GET", head)
