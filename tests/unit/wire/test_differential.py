"""
Two other parsers read the same bytes: llhttp (by httptools), as Node.js has it, and h11.

Where we accept, both must read what we read: the same start line, fields, framing, content, trailers and end. Where one
of them disagrees, C{REASONS} or L{DIFFERENCES} says why; that we are stricter is no disagreement, and what both
refuse we refuse too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.effort import examples
from tests.unit.wire import vectors
from tests.unit.wire.agreement import disagreement, verdict
from tests.unit.wire.messages import requests, responses
from tests.unit.wire.reading import (
    Reading,
    by_h11,
    h11_responses,
    llhttp,
    llhttp_responses,
    our_responses,
    ours,
)

#: By vector and oracle: what differs, and why.
DIFFERENCES = {
    ("chunked among white space", "llhttp"): "it takes no tab before a coding; RFC 9110 section 5.5 does",
    ("white space in extensions", "llhttp"): "RFC 9112 section 7.1.1 has white space there",
    ("trailers that frame are dropped", "llhttp"): "it refuses them; RFC 9110 section 6.5.1 lets us drop them",
    ("an empty line before", "h11"): "RFC 9112 section 2.2 asks servers to ignore it",
    ("empty lines before each", "h11"): "the same",
    ("a later minor version", "llhttp"): "RFC 9110 section 2.5",
    ("a method in lower case", "llhttp"): "methods are case-sensitive tokens, RFC 9110 section 9.1",
    ("the longest method", "llhttp"): "it has a list of methods",
    ("an upgrade with content", "llhttp"): "it ends the message with its head; RFC 9110 section 7.8 first wants the whole request",
}  # fmt: skip

#: By kind of vector and rule: why we refuse what both of them take.
STRICTER = {
    ("length and chunked", "RFC 9112 section 6.1"): "chunks in HTTP/1.0: some older hop on the way may not know them",
    ("chunks", "RFC 9112 section 7.1"): "broken extensions, and lines over the limit",
    ("chunks", "RFC 9112 section 7.1.1"): "extensions over the limit",
    ("chunks", "RFC 9110 section 5.4"): "trailers over the limit",
    ("request lines", "RFC 9110 section 2.5"): "no version of HTTP but 1.x has such a request line",
    ("connections", "RFC 9110 section 7.6.1"): "only an intermediary acts on it, and it would change the message",
    ("connects", "RFC 9110 section 9.3.6"): "what is behind a CONNECT belongs to the tunnel",
}  # fmt: skip

UPGRADING = vectors.Read(
    "an upgrade with content",
    vectors.posts(b"Connection: upgrade", b"Upgrade: x", b"Content-Length: 5"),
    (b"hello",),
)


class DifferentialTests(SynchronousTestCase):
    """Where we accept, nobody reads anything else."""

    def agree(self, data: bytes, mine: Reading, theirs: dict[str, Reading]) -> None:
        """Compare with the oracles."""
        self.assertEqual(disagreement(data, mine, theirs), "")

    def test_valid(self) -> None:
        """Every valid vector is read alike by both, but for the documented differences, and those are real."""
        oracles: dict[str, Callable[[bytes], Reading]] = {"llhttp": llhttp, "h11": by_h11}
        differ = set()
        for vector in (*vectors.VALID, UPGRADING):
            mine = ours(vector.data)
            for oracle, read in oracles.items():
                reading = read(vector.data)
                found = [verdict(reading, i, message) for i, message in enumerate(mine.messages)]
                if "other" in found or "refused" in found:
                    differ.add((vector.name, oracle))
                    self.assertIn((vector.name, oracle), DIFFERENCES, f"{mine} {reading}")
        self.assertEqual(differ, set(DIFFERENCES))

    def test_refused(self) -> None:
        """What we give before an error is what the others read there, if they read it."""
        for table in vectors.REFUSED.values():
            for vector in table:
                for data in (vector.data, vectors.gets() + vector.data):
                    mine = ours(data)
                    whole = [message for message in mine.messages if message.complete]
                    self.agree(data, Reading(whole), {"llhttp": llhttp(data), "h11": by_h11(data)})

    def test_both_accept_what_we_refuse(self) -> None:
        """Where both oracles accept a vector that we refuse, it is by a rule in L{STRICTER}; each of those is in use."""
        rules = set()
        for kind, table in vectors.REFUSED.items():
            for vector in table:
                readings = llhttp(vector.data), by_h11(vector.data)
                if not any(reading.refused for reading in readings) and all(
                    reading.messages and reading.messages[0].complete for reading in readings
                ):
                    rules.add((kind, vector.section))
                    self.assertIn((kind, vector.section), STRICTER, vector.name)
        self.assertEqual(rules, set(STRICTER))

    @settings(deadline=None, max_examples=examples(250), suppress_health_check=list(HealthCheck))
    @given(requests())
    def test_requests(self, data: bytes) -> None:
        """Requests made at random, most of them nearly valid, are read alike or refused."""
        self.agree(data, ours(data), {"llhttp": llhttp(data), "h11": by_h11(data)})

    @settings(deadline=None, max_examples=examples(250), suppress_health_check=list(HealthCheck))
    @given(responses(), st.booleans())
    def test_responses(self, data: bytes, closes: bool) -> None:
        """Responses made at random are read alike or refused, cut off by the close or not."""
        mine = our_responses(data, closes=closes)
        theirs = {"llhttp": llhttp_responses(data), "h11": h11_responses(data, closes=closes)}
        if closes and mine.messages and mine.messages[-1].complete:
            # httptools can't be told of the close, which may have been the end.
            messages = theirs["llhttp"].messages
            if len(messages) == len(mine.messages) and not theirs["llhttp"].refused:
                messages[-1] = replace(messages[-1], complete=True)
        self.agree(data, mine, theirs)
