"""
Errors named by whose fault they are, and what the client is told.

A L{TransactionError} ends a transaction. It carries the status of the answer, the name of the page and a short
token for the access log, so that "refused" and "timed out" stay apart in all three places (RFC 9110 section 15).
"""

from __future__ import annotations


class TransactionError(Exception):
    """
    A transaction can't go on.

    @ivar status: the status of the answer, if one can still be sent.
    @ivar page: which page explains it; also the reason's name in the log.
    @ivar detail: one sentence for people; never holds a peer's raw bytes or a secret.
    """

    status: int = 500
    page: str = "error"

    def __init__(
        self, detail: str = "", *, status: int | None = None, page: str | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        if status is not None:
            self.status = status
        if page is not None:
            self.page = page


class ClientError(TransactionError):
    """The client's message is at fault: a 4xx; what it sent was not passed on."""

    status = 400
    page = "bad_request"


class UpstreamError(TransactionError):
    """
    The next hop is at fault: 502 or 504.

    @ivar begun: whether any byte of an answer came.
    """

    status = 502
    page = "upstream_error"
    begun: bool = False


class PluginError(TransactionError):
    """
    A plugin raised, ran out of its budget or gave an answer of the wrong type.

    @ivar plugin: the plugin's name.
    @ivar hook: the hook's name.
    @ivar cause: what was wrong.
    """

    status = 503
    page = "plugin_error"

    def __init__(self, plugin: str, hook: str, cause: BaseException) -> None:
        super().__init__(f"plugin {plugin} failed in {hook}")
        self.plugin = plugin
        self.hook = hook
        self.cause = cause


class GatewayError(TransactionError):
    """Our own fault: 500, logged with its traceback."""

    status = 500
    page = "gateway_error"
