"""
What is stored of the answers that pass: the hooks C{response_headers} and C{cache_store}.

The head says whether it may be stored, and C{Cache-Status} says so to the client; the content is copied beside the client.
An unsafe request makes void what was stored for its target.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from gateway.api import ContentSink, Response, Transaction
from gateway_cache.cache_status import forward_line
from gateway_cache.collapsing import Flights
from gateway_cache.contract import Store, Writing
from gateway_cache.counts import Counts
from gateway_cache.entry import Head
from gateway_cache.invalidation import SAFE, invalidated
from gateway_cache.keys import key_of
from gateway_cache.messages import Answer, asked_of
from gateway_cache.parts import COMBINED_BYTES, Combined, combine, part_variant, parts_for
from gateway_cache.policy import Policy
from gateway_cache.state import ASKING, Asking, is_for_one
from gateway_cache.storable import NotStorable, Storable, hopeless, storable
from gateway_cache.updating import freshened
from gateway_cache.vary import matches


class Taking:
    """Takes what may be stored, for one plugin object."""

    def __init__(
        self,
        store: Store,
        flights: Flights,
        counts: Counts,
        now: Callable[[], float],
        max_object: int,
    ) -> None:
        """
        Begin.

        @param max_object: larger content is not stored, bytes.
        """
        self._store = store
        self._flights = flights
        self._counts = counts
        self._now = now
        self._max_object = max_object

    def judge(self, txn: Transaction, policy: Policy) -> None:
        """Look at the head of an answer that came from upstream."""
        response = txn.response
        assert response is not None
        asking = txn.store.get(ASKING)
        if asking is None:
            if txn.request.raw_method not in SAFE:
                self._unsafe(txn, response, policy)
            return
        if asking.settled:
            return
        asking.received = self._now()
        if asking.asked.method == b"HEAD":
            self._freshen(asking, response, policy)
        lines = response.fields.lines
        verdict = self._storable(txn, asking, response, lines)
        why = ""
        if isinstance(verdict, NotStorable):
            why = verdict.why
        elif response.length is not None and response.length > self._max_object:
            why = "too large"
        else:
            asking.storable = verdict
        if why:
            self._passed(asking, response)
            if asking.head is not None and response.status < 500:
                # What took its place can't be kept, and it is no answer any more.
                self._store.remove(asking.key)
        if policy.name:
            asking.status_line = forward_line(
                policy.name,
                asking.why,
                ttl=None if asking.storable is None else _ttl(asking.storable),
                stored=asking.storable is not None,
                collapsed=asking.collapsed,
                detail=why,
            )
            lines = [*lines, asking.status_line]
            response.fields.lines = lines
        asking.lines = lines

    def take(self, txn: Transaction) -> ContentSink | None:
        """Give the sink for an answer that is to be stored."""
        asking = txn.store.get(ASKING)
        response = txn.response
        if asking is None or asking.storable is None or asking.settled or response is None:
            return None
        verdict: Storable | NotStorable = asking.storable
        if response.fields.lines is not asking.lines:
            # Other plugins have changed it since; what is stored is what the client gets.
            lines = [line for line in response.fields.lines if line is not asking.status_line]
            verdict = self._storable(txn, asking, response, lines)
        if isinstance(verdict, NotStorable):
            self._passed(asking, response)
            return None
        head = verdict.head(asking.key, response.status, response.length or 0)
        if head.part is not None:
            head = replace(head, variant=part_variant(head.variant, head.part[0]))
        writing = self._store.begin(head, response.length, asking.since)
        if writing is None:
            # For want of room, perhaps for a moment: of the next answer that says nothing.
            self._counts.not_stored += 1
            if asking.flight is not None:
                self._flights.not_stored(asking.flight, remember=False)
            return None
        if head.part is not None:
            return PartSink(self, asking, head, writing, self._max_object, verdict.part_length)
        return Sink(self, asking, head, writing, self._max_object, response.length)

    def join(self, asking: Asking, head: Head, content: bytes | None, writing: Writing) -> bool:
        """
        Store a part, with those parts that are stored already where they fit together.

        @param content: of the part; C{None}: it is too large to be copied.
        @param writing: has the part; ended here.
        @return: it is stored.
        """
        stored = parts_for(self._store.find(asking.key), asking.asked, asking.policy)
        most = 0 if content is None else COMBINED_BYTES
        made = combine(stored, head, asking.asked, asking.policy, most=most)
        if made is None:
            writing.abort()
            return False
        if made.alone and made.head.variant == head.variant:
            self.keep(asking, writing, made.head)
            return True
        writing.abort()
        whole = None if content is None else self._joined(made, head, content)
        again = None
        if whole is not None:
            again = self._store.begin(made.head, len(whole), asking.since)
        if again is None or whole is None:
            return False
        again.write(whole)
        self.keep(asking, again, made.head)
        return True

    def _joined(self, made: Combined, head: Head, content: bytes) -> bytes | None:
        """Put the content of several parts together; C{None}: one of them is gone."""
        pieces: list[bytes] = []
        for piece, first, length in made.pieces:
            if piece is head:
                pieces.append(content[first : first + length])
                continue
            found = self._store.open(piece)
            if found is None:
                return None
            if found.file is None:
                pieces.append(found.content[first : first + length])
                continue
            try:
                pieces.append(os.pread(found.file.descriptor, length, found.file.offset + first))
            except OSError:
                return None
            finally:
                found.file.release()
        return b"".join(pieces)

    def over(self, asking: Asking) -> None:
        """The transaction has ended: whoever waits for it and got nothing waits no more."""
        if asking.flight is not None:
            self._flights.failed(asking.flight)

    def keep(self, asking: Asking, writing: Writing, head: Head) -> None:
        """Store what is complete; who waits for it looks again when it is found."""
        self._counts.stored += 1
        flight, asking.flight = asking.flight, None
        writing.finish(head, None if flight is None else partial(self._flights.landed, flight))

    def lost(self, asking: Asking, *, too_large: bool = False) -> None:
        """It is not stored, for it broke off, or is too large."""
        self._counts.not_stored += 1
        # The next one leads the same flight: when this transaction ends that is none of its business.
        flight, asking.flight = asking.flight, None
        if flight is not None:
            if too_large:
                self._flights.not_stored(flight)
            else:
                self._flights.failed(flight)

    def _storable(
        self, txn: Transaction, asking: Asking, response: Response, lines: list[bytes]
    ) -> Storable | NotStorable:
        why = hopeless(lines, asking.policy)
        if why:
            return NotStorable(why)
        return storable(
            asking.asked,
            Answer(response.status, lines),
            asking.policy,
            requested=asking.requested,
            received=asking.received,
            target=txn.request,
        )

    def _passed(self, asking: Asking, response: Response) -> None:
        """Tell those who wait that they wait for nothing; of an error that is no news for those to come."""
        if asking.flight is not None:
            self._flights.not_stored(asking.flight, remember=response.status < 500)

    def _freshen(self, asking: Asking, response: Response, policy: Policy) -> None:
        """Let the answer to a HEAD renew what is stored, or make it void (RFC 9111 section 4.3.5)."""
        asked = asking.asked
        heads = [head for head in self._store.find(asking.key) if matches(head, asked, policy)]
        if not heads:
            return
        said = Answer(response.status, response.fields.lines)
        made = freshened(heads, said, asking.requested, asking.received, policy)
        if made.outdated:
            self._store.remove(asking.key)
            self._counts.invalidated += 1
            return
        for old, newer in made.updated:
            self._store.update(old, newer)

    def _unsafe(self, txn: Transaction, response: Response, policy: Policy) -> None:
        """Make void what an unsafe request may have changed, and store its answer where that stands for a later GET."""
        request = txn.request
        lines = response.fields.lines
        answer = Answer(response.status, lines)
        for key in invalidated(request.raw_method, request, answer, policy.keys):
            self._store.remove(key)
            self._counts.invalidated += 1
        if request.raw_method != b"POST" or not policy.post or response.status != 200:
            return
        if is_for_one(txn):
            return
        now = self._now()
        asked = asked_of(b"POST", request.fields.lines)
        asking = Asking(
            asked, key_of(request, policy.keys), policy, "method", now, self._store.mark()
        )
        asking.received = now
        verdict = self._storable(txn, asking, response, lines)
        if isinstance(verdict, Storable):
            asking.storable = verdict
            asking.lines = lines
            txn.store[ASKING] = asking


class Sink:
    """Takes the content of one response."""

    __slots__ = ("_asking", "_expected", "_head", "_most", "_size", "_taking", "_writing")

    def __init__(
        self,
        taking: Taking,
        asking: Asking,
        head: Head,
        writing: Writing,
        most: int,
        expected: int | None,
    ) -> None:
        """
        Begin.

        @param most: longer content is not stored, bytes.
        @param expected: content of any other length is not either; C{None}: it is not known.
        """
        self._taking = taking
        self._asking = asking
        self._head = head
        self._writing: Writing | None = writing
        self._most = most
        self._expected = expected
        self._size = 0

    def write(self, chunk: bytes) -> None:
        """Take a piece."""
        writing = self._writing
        if writing is None:
            return
        self._size += len(chunk)
        if self._size > self._most:
            self._writing = None
            writing.abort()
            self._taking.lost(self._asking, too_large=True)
        else:
            writing.write(chunk)

    def finish(self) -> None:
        """Keep it."""
        writing, self._writing = self._writing, None
        if writing is None:
            return
        if self._expected is not None and self._expected != self._size:
            writing.abort()
            self._taking.lost(self._asking)
        else:
            self._keep(writing)

    def abort(self) -> None:
        """Drop it."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.abort()
            self._taking.lost(self._asking)

    def _keep(self, writing: Writing) -> None:
        head = self._head
        if head.length != self._size:
            head = replace(head, length=self._size)
        self._taking.keep(self._asking, writing, head)


class PartSink(Sink):
    """Takes the content of a 206, which may become one with parts that are stored (RFC 9111 section 3.4)."""

    __slots__ = ("_content",)

    def __init__(
        self,
        taking: Taking,
        asking: Asking,
        head: Head,
        writing: Writing,
        most: int,
        expected: int | None,
    ) -> None:
        Sink.__init__(self, taking, asking, head, writing, most, expected)
        self._content: list[bytes] | None = []

    def write(self, chunk: bytes) -> None:
        """Take a piece; of large parts it is not kept for becoming one with others."""
        Sink.write(self, chunk)
        if self._content is not None:
            if self._size > COMBINED_BYTES:
                self._content = None
            else:
                self._content.append(chunk)

    def _keep(self, writing: Writing) -> None:
        head = replace(self._head, length=self._size)
        content = None if self._content is None else b"".join(self._content)
        if not self._taking.join(self._asking, head, content, writing):
            self._taking.lost(self._asking)


def _ttl(kept: Storable) -> float:
    """Tell how long a response is fresh from now on; its Date aside, which has no parts of a second."""
    return kept.lifetime - max(kept.received - kept.requested, 0.0)
