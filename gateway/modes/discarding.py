"""
What is still to come of a request's content that is answered already: read it and drop it, or close (RFC 9112 section 9.3).

A connection can be used on only behind the end of that content, and some have to be: in a handshake of NTLM or Negotiate, which
belongs to its connection, an answer that closes it would begin all anew. So a little is read and dropped; what is
more, or of unknown use, closes the connection, and the answer says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.config.units import MIB
from gateway.pipeline.exchange import Exchange
from gateway.wire.events import CHUNKED, ResponseHead

#: A challenge of such a handshake: the scheme with a message behind it (RFC 4559 section 4, RFC 9110 section 11.2).
_MESSAGE = re.compile(r"(?:^|,)[ \t]*(?:ntlm|negotiate|nego2)[ \t]+[a-z0-9+/]", re.IGNORECASE)
_CHALLENGES = {401: "www-authenticate", 407: "proxy-authenticate"}


@dataclass(frozen=True, slots=True)
class Discarding:
    """
    How much is read and dropped.

    @ivar most: bytes behind any answer; 0: none.
    @ivar most_in_handshake: bytes behind a challenge that answers a message of a handshake; C{most} if that is more.
    @ivar seconds: for all of it; it takes no longer, however steadily it comes.
    """

    most: int = MIB
    most_in_handshake: int = 64 * MIB
    seconds: float = 60.0

    def left(self, x: Exchange) -> int:
        """
        Judge what is to come of a request whose final answer is known (C{txn.response}, C{txn.status}).

        @return: so many bytes may come until its end; -1: the connection is to be closed.
        """
        txn = x.txn
        upload = x.upload
        response = txn.response
        if upload is None or response is None or txn.status in (413, 417):
            # Too much by definition; and who awaits what we don't understand may never send anything.
            return -1
        most = self.most
        name = _CHALLENGES.get(txn.status)
        in_handshake = name is not None and any(map(_MESSAGE.search, response.fields.get_all(name)))
        if in_handshake:
            if type(response) is ResponseHead:
                # The origin's, and its connection, which the handshake belongs to, ends with content that it did not get.
                return -1
            most = max(most, self.most_in_handshake)
        elif x.asked.section.expects_continue and not upload.count:
            # It waited for leave to send its content, and does not get it. What it sends next may be that nevertheless, or
            # another request of a client that is wrong (RFC 9110 section 10.1.1).
            return -1
        framing = x.asked.framing
        if not most or (framing != CHUNKED and framing - upload.count > most):
            return -1
        return most
