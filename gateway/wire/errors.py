"""What a peer did wrong on the wire."""

from __future__ import annotations


class RemoteProtocolError(Exception):
    """
    The peer's bytes are no HTTP message that may be passed on.

    Nothing more can be read from that peer; an answer can still be sent to it.

    @ivar detail: what is wrong, in words that hold none of the peer's bytes.
    @ivar section: the rule that it breaks, such as C{"RFC 9112 section 6.3"}.
    @ivar status: the status a client is told; a bad response is always 502.
    @ivar page: the name of the page that explains it.
    """

    def __init__(
        self, detail: str, section: str, status: int = 400, page: str = "bad_request"
    ) -> None:
        super().__init__(f"{detail} ({section})")
        self.detail = detail
        self.section = section
        self.status = status
        self.page = page
