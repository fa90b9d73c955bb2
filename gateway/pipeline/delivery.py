"""
An answer on its way to the client: its head as an intermediary sends it on, and its content behind.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import is_
from time import time

from gateway.api.answers import Stored
from gateway.api.content import ContentSink
from gateway.api.errors import GatewayError
from gateway.api.messages import Response
from gateway.api.transaction import Phase, Transaction
from gateway.message.dates import http_date
from gateway.message.statuses import is_final, phrase
from gateway.message.via import Via
from gateway.pipeline.body import BodyPipe
from gateway.pipeline.dispatch import CallPlans
from gateway.pipeline.exchange import WHOLE, Exchange
from gateway.pipeline.paged import LEAST_BYTES, PagedContents
from gateway.pipeline.scanning import filter_with
from gateway.pipeline.tee import Copy, Tee
from gateway.pipeline.written import dated, written_head
from gateway.wire.events import ResponseHead
from gateway.wire.lines import going_on
from gateway.wire.write import WHOLE_HEAD, section

# An attribute of an enumeration is looked up by its metaclass each time: twenty times as dear as a name.
_DELIVERING = Phase.DELIVERING


#: Written heads of stored responses that are remembered.
MOST_SECTIONS = 1000


class Delivery:
    """Delivers the answers of one snapshot."""

    def __init__(self, plans: CallPlans, via: Via) -> None:
        self._response_filters = plans.response_filters
        self._cache_store = plans.cache_store
        # Nobody changes content, so what came whole can leave whole.
        self._bare = plans.response_filters is None
        self._via = tuple(line + b"\r\n" for line in via.lines)
        # Who stores responses often gives the same list of lines again; here it is kept from becoming another one.
        self._sections: dict[int, tuple[list[bytes], bytes]] = {}
        self._paged = PagedContents()

    def deliver(self, x: Exchange, head: ResponseHead) -> None:
        """
        Let the answer flow to the client.

        If it came whole it is sent when this returns; else C{x.signal} fires at its end.
        """
        given = head.section
        if head.status != given.status or head.reason is not given.reason:
            _check_status(head)
        content = x.content
        download = x.download
        length = head.length
        if (
            content
            and length == len(content)
            and self._bare
            and download is None
            and x.upload is None
            and not x.trailers
        ):
            self._deliver_whole(x, head, content)
            return
        if length != given.length:
            length = _length(x, head)
        txn = x.txn
        down = x.down
        if download is not None and download.held and x.trickle is not None:
            self._go_on(x, head, download)
            return
        fields = self.forwarded(x, head)
        status = txn.status = head.status
        txn.phase = _DELIVERING
        filters = None
        copy = None
        held = download is not None and download.held
        bodiless = not head.framing and (x.asked.raw_method == b"HEAD" or status in (204, 304))
        settled = download is not None and download.has_filters
        if self._response_filters is not None and not bodiless and not held and not settled:
            filters = self._response_filters(txn)
        if self._cache_store is not None:
            copy = self._copy(self._cache_store, x, status)
        if (content is not None or (held and x.hop is None)) and (
            x.upload is not None and not x.upload.ended
        ):
            down.early()
        if content is not None and not filters and not x.trailers:
            down.start(status, head.reason, fields, length, bodiless)
            if content:
                content = bytes(content)
                down.write(content)
                if copy is not None:
                    copy.write(content)
            if copy is not None:
                copy.finish()
            down.end(())
            return
        if download is None:
            download = x.download = BodyPipe(WHOLE, x.ended_with)
            assert content is not None
            x.content = None
            if content:
                download.write(bytes(content))
            download.end(x.trailers)
        if copy is not None:
            download.watch(copy.over)
        if filters:
            filter_with(download, filters)
        if download.filtered:
            length = None
        down.start(status, head.reason, fields, length, bodiless)
        download.open(down if copy is None else Tee(down, copy))
        if download.flowing:
            down.stream(download)

    def _deliver_whole(self, x: Exchange, head: ResponseHead, content: bytes | memoryview) -> None:
        """
        Deliver what came whole and leaves whole.

        On a kept connection the next answer often has the same head; what it becomes for most clients is remembered.
        """
        txn = x.txn
        down = x.down
        shared = head.section
        # Nothing else of ours is in it.
        via = self._via
        more = x.upstream.answered(txn, head)
        status = txn.status = head.status
        txn.phase = _DELIVERING
        if not down.persistent or not x.asked.minor:
            down.whole(status, head.reason, self._fields(head, more), content)
        else:
            own = head.own_fields
            received = shared.received
            added = None
            as_received = status == shared.status and head.reason is shared.reason and not more
            if own is not None and as_received and own.lines is not received:
                # A plugin may say the same of all of them.
                lines = own.lines
                as_received = len(lines) == len(received) + 1 and all(map(is_, received, lines))
                added = lines[-1] if as_received else None
            if as_received and shared.onward_for is via and shared.onward_added is added:
                written = shared.onward
            else:
                fields = self._fields(head, more)
                written = WHOLE_HEAD % (status, head.reason, fields, len(content))
                # Else the section says nothing of the length, or the date is that of each answer.
                if as_received and shared.framing > 0 and shared.dated:
                    shared.onward = written
                    shared.onward_for = via
                    shared.onward_added = added
            down.send_whole(written, content)
        store = self._cache_store
        # It has content, so it is neither the answer to a HEAD nor a 304; for the rest see L{_copy}.
        if store is not None and x.upstream.shares:
            sink = store(txn)
            if sink is not None:
                copy = Copy(sink)
                copy.write(bytes(content))
                copy.finish()

    def start(self, x: Exchange, head: Response) -> None:
        """Send the head of an answer whose content is being held and scanned; the rest is for L{deliver}."""
        txn = x.txn
        download = x.download
        assert download is not None
        if isinstance(head, ResponseHead):
            _check_status(head)
            fields = self.forwarded(x, head)
            length = _length(x, head)
        else:
            fields = self._section(head.fields.lines)[1] + x.upstream.amended(head)
            assert x.stored is not None
            assert x.stored.file is not None
            length = x.stored.file.length
        if download.filtered:
            length = None
        txn.status = head.status
        txn.phase = _DELIVERING
        if x.upload is not None and not x.upload.ended:
            x.down.early()
        x.down.start(head.status, head.reason, fields, length, False)

    def _go_on(self, x: Exchange, head: ResponseHead, download: BodyPipe) -> None:
        """Deliver the rest of an answer of which the client has the head and perhaps something of the content."""
        sink = x.trickle.rest(download)
        if self._cache_store is not None:
            copy = self._copy(self._cache_store, x, head.status)
            if copy is not None:
                download.watch(copy.over)
                sink = Tee(sink, copy)
        download.open(sink)

    def send_stored(self, x: Exchange, stored: Stored) -> None:
        """Send a stored response that is in memory."""
        response = stored.response
        down = x.down
        asked = x.asked
        if down.persistent and asked.minor and asked.raw_method != b"HEAD":
            head = written_head(stored, self._via[1], x.upstream.amended(response))
            if head is not None:
                txn = x.txn
                txn.status = response.status
                txn.phase = _DELIVERING
                content = response.content
                if len(content) >= LEAST_BYTES and down.sends_pages:
                    # There is a memo, or the head were not written.
                    paged = self._paged.of(content, stored.memo)  # type: ignore[arg-type]
                    if paged is not None:
                        down.send_paged(head, content, paged.descriptor)
                        return
                down.send_whole(head, content)
                return
        self.deliver_stored(x, response)

    def deliver_stored(self, x: Exchange, response: Response) -> bool:
        """
        Send a stored response.

        @return: it is sent; else C{x.signal} fires at its end.
        """
        txn = x.txn
        down = x.down
        download = x.download
        if download is not None and download.held and x.trickle is not None:
            download.open(x.trickle.rest(download))
            return False
        received = response.fields.lines
        known = self._sections.get(id(received))
        if known is None or known[0] is not received:
            known = self._section(received)
        lines = known[1] + x.upstream.amended(response)
        status = response.status
        if not is_final(status):
            raise GatewayError(f"what is stored has the status {status}, which no final answer has")
        txn.status = status
        txn.phase = _DELIVERING
        if x.upload is not None and not x.upload.ended:
            down.early()
        reason = phrase(response.reason)
        if download is None:
            content = response.content
            if status in (204, 304):
                down.start(status, reason, lines, None, True)
                down.end(())
            elif x.asked.raw_method == b"HEAD":
                length = len(content) if response.length is None else response.length
                down.start(status, reason, lines, length, True)
                down.end(())
            else:
                down.whole(status, reason, lines, content)
            return True
        assert x.stored is not None
        assert x.stored.file is not None
        down.start(status, reason, lines, x.stored.file.length, False)
        download.open(down)
        if download.flowing:
            down.stream(download)
        return False

    def _section(self, lines: list[bytes]) -> tuple[list[bytes], bytes]:
        """Write the lines of a stored response, with what is added to all of them; remembered by the list."""
        written = section(lines) + self._via[1]
        if not dated(lines):
            return lines, written + b"Date: %b\r\n" % http_date(time())
        if len(self._sections) >= MOST_SECTIONS:
            self._sections.clear()
        known = self._sections[id(lines)] = (lines, written)
        return known

    @staticmethod
    def _copy(
        store: Callable[[Transaction], ContentSink | None], x: Exchange, status: int
    ) -> Copy | None:
        """
        Ask whether somebody stores this answer.

        Those to HEAD and 304s are none by themselves; and what a server tells a user that it knows by the connection is
        his, though nothing in the request says so (RFC 9111 section 3.5).

        @param store: C{_cache_store}, which is there.
        """
        if x.asked.raw_method == b"HEAD" or status == 304 or not x.upstream.shares:
            return None
        sink = store(x.txn)
        return None if sink is None else Copy(sink)

    def forwarded(self, x: Exchange, head: ResponseHead) -> bytes:
        """Tell the upstream of an answer, and give its lines as they go on; see L{_fields}."""
        return self._fields(head, x.upstream.answered(x.txn, head))

    def _fields(self, head: ResponseHead, more: bytes) -> bytes:
        """
        Give the answer's end-to-end lines with what an intermediary adds (RFC 9110 sections 6.6.1 and 7.6.3).

        @param more: lines of the upstream's own, each with its CRLF.
        """
        own = head.own_fields
        shared = head.section
        received = shared.received
        lines = received if own is None else own.lines
        if lines is received:
            fields = shared.passed
        elif (added := len(lines) - len(received)) > 0 and all(map(is_, received, lines)):
            # Something was added, and that is no field of the connection.
            if added == 1:
                fields = b"%b%b\r\n" % (shared.passed, lines[-1])
            else:
                fields = shared.passed + section(lines[-added:])
        elif shared.hop is None:
            fields = section(lines)
        else:
            fields = section(going_on(lines, received, shared.hop))
        if head.status == 426 and shared.upgrade is not None:
            # Which protocol is asked for is all that this answer says (RFC 9110 section 15.5.22).
            more += b"Upgrade: %b\r\nConnection: Upgrade\r\n" % shared.upgrade
        if not shared.dated:
            return b"%b%bDate: %b\r\n%b" % (
                fields,
                self._via[shared.minor],
                http_date(time()),
                more,
            )
        return fields + self._via[shared.minor] + more


def _check_status(head: ResponseHead) -> None:
    """
    See that the status that a plugin has given an upstream's answer goes with its content; a reason that is none is taken away.

    After the head of an answer without content a client reads whatever follows as the next answer (RFC 9112 section 6.3).

    @raise GatewayError: it does not.
    """
    status = head.status
    head.reason = phrase(head.reason)
    if not is_final(status):
        raise GatewayError(
            f"a plugin gave an answer the status {status}, which no final answer has"
        )
    if status in (204, 304) and head.framing:
        raise GatewayError(
            f"a plugin gave an answer with content the status {status}; it has to answer by Respond"
        )


def _length(x: Exchange, head: ResponseHead) -> int | None:
    """
    Give the length to be declared of an upstream's answer: a plugin's word counts where it can be seen to be so.

    If more follows than was declared the client reads the rest as its next answer.

    @return: C{None}: none is declared.
    """
    length = head.length
    if length is None or length == head.section.length:
        return length
    framing = head.framing
    if not framing:
        # None follows, and it is said of another answer's content (RFC 9110 section 8.6).
        return length if length >= 0 else None
    if framing > 0:
        return framing
    content = x.content
    return len(content) if content is not None and not x.trailers else None
