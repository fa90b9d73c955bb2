"""
The two messages of a transaction as plugins see them (RFC 9110 section 6): the request with its target, and the response.

Their contents are not in them; see L{gateway.api.content}.
"""

from __future__ import annotations

from gateway.message.fields import Fields


class Request:
    """
    A request with its resolved target (RFC 9110 section 7.1).

    @ivar raw_method: as received; methods are case-sensitive. What is put in its place has to be one; whatever it is, the client gets
        no content that it does not wait for.
    @ivar scheme: C{"http"} or C{"https"}; empty for CONNECT.
    @ivar host: the target's host in lower case, an IPv6 address without brackets.
    @ivar port: the target's port.
    @ivar raw_target: origin-form (path and query), C{b"*"}, or the authority of a CONNECT. What is put in its place has to be one,
        of visible ASCII alone, or the request ends with a 500 before an upstream hears of it.
    @ivar minor: the client's HTTP minor version, 0 or 1.
    @ivar fields: what the client sent; a plugin may change it until the request is forwarded.
    @ivar length: declared length of the content in bytes; 0 without content, C{None} if it is not declared (chunked).
    """

    __slots__ = ("fields", "host", "length", "minor", "port", "raw_method", "raw_target", "scheme")

    def __init__(
        self,
        raw_method: bytes,
        scheme: str,
        host: str,
        port: int,
        raw_target: bytes,
        minor: int,
        fields: Fields,
        length: int | None,
    ) -> None:
        self.raw_method = raw_method
        self.scheme = scheme
        self.host = host
        self.port = port
        self.raw_target = raw_target
        self.minor = minor
        self.fields = fields
        self.length = length

    def lines(self) -> list[bytes]:
        """Give C{fields.lines}, to be read only: quicker, as C{fields} are made when somebody asks for them."""
        return self.fields.lines

    def differing(self, since: list[bytes]) -> list[bool] | None:
        """
        Tell which lines are others than in the request before on this connection.

        So what was found out about that request need not be found out again if nothing it depends on is among them.

        @param since: that request's L{lines}, as its client sent them: the very list.
        @return: for each line, whether the one at its place was another, to be read only; C{None}: that is not known, as C{since} is no
            such list, there were more or fewer lines, one that differs concerns the connection or the framing, or a plugin has changed some.
        """
        return None

    @property
    def method(self) -> str:
        """The method as text."""
        return self.raw_method.decode("ascii")

    @property
    def path(self) -> str:
        """The path without the query, as sent (still percent-encoded)."""
        return self.raw_target.partition(b"?")[0].decode("latin-1")

    @property
    def query(self) -> str:
        """The query without its question mark; empty if there is none."""
        return self.raw_target.partition(b"?")[2].decode("latin-1")

    @property
    def authority(self) -> str:
        """Host and, where it is not the scheme's default, port; an IPv6 address in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        if (self.scheme, self.port) in (("http", 80), ("https", 443)):
            return host
        return f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The target URI; for CONNECT just C{host:port}."""
        if not self.scheme:
            return self.authority
        target = self.raw_target.decode("latin-1")
        return f"{self.scheme}://{self.authority}{'' if target == '*' else target}"


class Response:
    """
    A response: the upstream's head, or one made here with whole content.

    @ivar status: 200-999; as received also 101. A plugin may change it, but not to one that no final answer has, nor to 204 or 304
        where content follows, for which it has to answer by L{Respond}: a client would read that content as its next answer.
    @ivar reason: the reason phrase as received; not to be relied on.
    @ivar fields: a plugin may change it until it is delivered.
    @ivar length: declared length in bytes, C{None} if not declared; where content follows, what a plugin says of it counts only if it
        is so.
    @ivar content: whole content of a response made here, else empty.
    @ivar logged_type: lines, and the media type in them as the log writes it: of a response that is given again they are
        not looked through again. For the record alone; C{None} before.
    """

    __slots__ = ("content", "fields", "length", "logged_type", "reason", "status")

    def __init__(
        self,
        status: int,
        fields: Fields | None = None,
        content: bytes = b"",
        *,
        reason: bytes = b"",
        length: int | None = None,
    ) -> None:
        self.status = status
        self.reason = reason
        self.fields: Fields = Fields() if fields is None else fields
        self.content = content
        self.length = length
        self.logged_type: tuple[list[bytes], str] | None = None

    def lines(self) -> list[bytes]:
        """Give C{fields.lines}, to be read only; as of L{Request.lines}."""
        return self.fields.lines

    def again(self) -> Response:
        """Make the same response once more; C{fields} is its own."""
        made = Response.__new__(Response)
        made.status = self.status
        made.reason = self.reason
        made.fields = Fields(self.fields.lines)
        made.content = self.content
        made.length = self.length
        made.logged_type = None
        return made
