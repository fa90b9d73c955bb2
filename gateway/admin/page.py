"""What all pages of the health listener share: GET and HEAD alone, never stored, no word about the server's software."""

from __future__ import annotations

from abc import abstractmethod

from twisted.web.http import NOT_ALLOWED, NOT_FOUND
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource

_TEXT = b"text/plain; charset=utf-8"
_PAGES = b"try /healthz, /readyz or /metrics\n"


class Page(Resource):
    """A page whose whole content is made at once."""

    isLeaf = True

    def __init__(self) -> None:
        Resource.__init__(self)

    @abstractmethod
    def answer(self, request: IRequest) -> tuple[int, bytes, bytes]:
        """Give status, media type and content."""

    def render(self, request: IRequest) -> bytes:
        """Answer GET and HEAD, refuse the rest (RFC 9110 section 15.5.6)."""
        request.responseHeaders.removeHeader(b"server")
        request.setHeader(b"cache-control", b"no-store")
        request.setHeader(b"x-content-type-options", b"nosniff")
        if request.postpath:
            status, media_type, content = NOT_FOUND, _TEXT, _PAGES
        elif request.method in (b"GET", b"HEAD"):
            status, media_type, content = self.answer(request)
        else:
            request.setHeader(b"allow", b"GET, HEAD")
            status, media_type, content = NOT_ALLOWED, _TEXT, b"GET and HEAD only\n"
        request.setResponseCode(status)
        request.setHeader(b"content-type", media_type)
        request.setHeader(b"content-length", b"%d" % len(content))
        return b"" if request.method == b"HEAD" else content


class NothingHere(Page):
    """Whatever is no page."""

    def answer(self, request: IRequest) -> tuple[int, bytes, bytes]:
        """Name the pages there are."""
        return NOT_FOUND, _TEXT, _PAGES
