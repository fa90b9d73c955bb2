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
from gateway_cache.cache_status import forward_line, passed_line
from gateway_cache.collapsing import Flights
from gateway_cache.contract import Store, Writing
from gateway_cache.counts import Counts
from gateway_cache.entry import Head
from gateway_cache.incoming import INLINE_BYTES
from gateway_cache.invalidation import invalidated
from gateway_cache.keys import key_of
from gateway_cache.messages import Answer, Asked
from gateway_cache.parts import COMBINED_BYTES, Combined, combine, part_variant, parts_for
from gateway_cache.policy import Policy
from gateway_cache.sinks import PartSink, ShortSink, Sink
from gateway_cache.state import ASKING, Asking, is_for_one
from gateway_cache.storable import Storable, hopeless, storable
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

    def judge(self, txn: Transaction, asking: Asking) -> None:
        """Look at the head of an answer that came from upstream to what the cache could not answer."""
        response = txn.response
        if asking.settled or response is None:
            return
        policy = asking.policy
        lines = response.lines()
        why = hopeless(lines, policy)
        is_head = asking.asked.method == b"HEAD"
        kept: Storable | None = None
        if why and asking.head is None and not is_head:
            # There is nothing to be kept, nothing that it takes the place of, and C{cache_store} will not look at it.
            flight = asking.flight
            if flight is not None:
                asking.flight = None
                self._flights.not_stored(flight, remember=response.status < 500)
            if policy.name:
                line = passed_line(policy.name, asking.why, why, asking.collapsed)
                response.fields.lines = [*lines, line]
            return
        if not why or is_head:
            asking.received = self._now()
        if is_head:
            self._freshen(asking, response, policy)
        if not why:
            kept, why = self._storable(txn, asking, response, lines)
            if kept is not None and (response.length or 0) > self._max_object:
                kept, why = None, "too large"
        if kept is None:
            self._passed(asking, response)
            if asking.head is not None and response.status < 500:
                # What took its place can't be kept, and it is no answer any more.
                self._store.remove(asking.key)
        else:
            asking.storable = kept
        if policy.name:
            if kept is None:
                line = passed_line(policy.name, asking.why, why, asking.collapsed)
            else:
                line = forward_line(
                    policy.name,
                    asking.why,
                    ttl=_ttl(kept),
                    stored=True,
                    collapsed=asking.collapsed,
                )
            asking.status_line = line
            lines = response.fields.lines = [*lines, line]
        asking.lines = lines

    def take(self, txn: Transaction, asking: Asking) -> ContentSink | None:
        """Give the sink for an answer that is to be stored."""
        response = txn.response
        verdict = asking.storable
        if verdict is None or asking.settled or response is None:
            return None
        if response.lines() is not asking.lines:
            # Other plugins have changed it since; what is stored is what the client gets.
            lines = [line for line in response.lines() if line is not asking.status_line]
            verdict, _ = self._storable(txn, asking, response, lines)
        if verdict is None:
            self._passed(asking, response)
            return None
        head = verdict.head(asking.key, response.status, response.length or 0)
        if head.part is not None:
            head = replace(head, variant=part_variant(head.variant, head.part[0]))
        elif response.length is not None and response.length <= INLINE_BYTES:
            return ShortSink(self, asking, head, self._max_object)
        writing = self.begin(asking, head, response.length)
        if writing is None:
            return None
        if head.part is not None:
            return PartSink(self, asking, head, writing, self._max_object, verdict.part_length)
        return Sink(self, asking, head, writing, self._max_object, response.length)

    def begin(self, asking: Asking, head: Head, expected: int | None) -> Writing | None:
        """Begin to store; C{None}: there is no room."""
        writing = self._store.begin(head, expected, asking.since)
        if writing is None:
            self._no_room(asking)
        return writing

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

    def keep(self, asking: Asking, writing: Writing, head: Head) -> None:
        """Store what is complete; who waits for it looks again when it is found."""
        self._counts.stored += 1
        flight, asking.flight = asking.flight, None
        writing.finish(head, None if flight is None else partial(self._flights.landed, flight))

    def keep_short(self, asking: Asking, head: Head, content: bytes) -> None:
        """Store what came whole; who waits for it looks again."""
        if not self._store.put(head, content, asking.since, alone=asking.alone):
            self._no_room(asking)
            return
        self._counts.stored += 1
        flight = asking.flight
        if flight is not None:
            asking.flight = None
            self._flights.landed(flight)

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

    def _no_room(self, asking: Asking) -> None:
        """Let those go who wait for what can't be stored, perhaps for a moment: of the next answer that says nothing."""
        self._counts.not_stored += 1
        flight, asking.flight = asking.flight, None
        if flight is not None:
            self._flights.not_stored(flight, remember=False)

    def _storable(
        self, txn: Transaction, asking: Asking, response: Response, lines: list[bytes]
    ) -> tuple[Storable | None, str]:
        """Tell what is to be stored, or why nothing is; for what is not L{hopeless} at a glance."""
        verdict = storable(
            asking.asked,
            Answer(response.status, lines),
            asking.policy,
            requested=asking.requested,
            received=asking.received,
            target=txn.request,
        )
        return (verdict, "") if isinstance(verdict, Storable) else (None, verdict.why)

    def _passed(self, asking: Asking, response: Response) -> None:
        """Tell those who wait that they wait for nothing; of an error that is no news for those to come."""
        flight = asking.flight
        if flight is not None:
            asking.flight = None
            self._flights.not_stored(flight, remember=response.status < 500)

    def _freshen(self, asking: Asking, response: Response, policy: Policy) -> None:
        """Let the answer to a HEAD renew what is stored, or make it void (RFC 9111 section 4.3.5)."""
        asked = asking.asked
        heads = [head for head in self._store.find(asking.key) if matches(head, asked, policy)]
        if not heads:
            return
        said = Answer(response.status, response.lines())
        made = freshened(heads, said, asking.requested, asking.received, policy)
        if made.outdated:
            self._store.remove(asking.key)
            self._counts.invalidated += 1
            return
        for old, newer in made.updated:
            self._store.update(old, newer)

    def unsafe(self, txn: Transaction, policy: Policy) -> None:
        """Make void what an unsafe request may have changed, and store its answer where that stands for a later GET."""
        response = txn.response
        assert response is not None
        request = txn.request
        lines = response.lines()
        answer = Answer(response.status, lines)
        for key in invalidated(request.raw_method, request, answer, policy.keys):
            self._store.remove(key)
            self._counts.invalidated += 1
        if request.raw_method != b"POST" or not policy.post or response.status != 200:
            return
        # Without it nothing is known of a later GET, and nearly no answer has it.
        if b"content-location" not in answer.wanted or is_for_one(txn):
            return
        now = self._now()
        asked = Asked(b"POST", request.fields.lines)
        asking = Asking(
            asked, key_of(request, policy.keys), policy, "method", now, self._store.mark()
        )
        asking.received = now
        verdict, _ = self._storable(txn, asking, response, lines)
        if verdict is not None:
            asking.storable = verdict
            asking.lines = lines
            txn.store[ASKING] = asking


def _ttl(kept: Storable) -> float:
    """Tell how long a response is fresh from now on; its Date aside, which has no parts of a second."""
    return kept.lifetime - max(kept.received - kept.requested, 0.0)
