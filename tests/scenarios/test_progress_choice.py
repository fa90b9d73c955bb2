"""Who gets a progress page: people who go to a file, and never a program."""

from __future__ import annotations

from typing import Any

from gateway.testing.peers import request, response
from tests.scenarios.progress import (
    ACCEPT,
    AGENT,
    BROWSER,
    CONTENT,
    DOCUMENT,
    FILE,
    ProgressTestCase,
)
from tests.scenarios.trickle import Slow


class ChoiceTests(ProgressTestCase):
    """Who gets a page and who never does."""

    def got(
        self, *lines: bytes, answer: bytes = b"", method: bytes = b"GET", **settings: Any
    ) -> str:
        """Tell what a request gets: C{page}, C{trickle} or C{nothing}."""
        said = {"over": 0, "after": "5s", "mode": "progress", **settings}
        gateway, origin, client = self.started(Slow(), settings={"scan.large_file": said})
        content = b"x" if method == b"POST" else None
        client.send(request(FILE, *lines, method=method, content=content))
        origin.send(answer or response(CONTENT))
        gateway.advance(0.6)
        received = client.received
        client.reset()
        if not received:
            return "nothing"
        return "page" if b"/.gateway-scan-" in received else "trickle"

    def test_navigations(self) -> None:
        """A person who goes to a file gets it, over TLS or not."""
        self.assertEqual(self.got(*DOCUMENT), "page")
        self.assertEqual(self.got(*BROWSER), "page")
        self.assertEqual(self.got(AGENT, b"Accept: text/html"), "page")

    def test_others(self) -> None:
        """Scripts, parts, images, frames, what is fetched in advance, and programs never do."""
        for lines in (
            (AGENT, b"Accept: */*"),
            (AGENT,),
            (ACCEPT,),
            (AGENT, b"Accept: application/json, text/htmlx"),
            (*BROWSER, b"X-Requested-With: XMLHttpRequest"),
            (*DOCUMENT, b"Range: bytes=0-"),
            (*DOCUMENT, b"Sec-Purpose: prefetch"),
            (*DOCUMENT, b"Purpose: prefetch"),
            (*BROWSER, b"Sec-Fetch-Dest: empty", b"Sec-Fetch-Mode: cors"),
            (*BROWSER, b"Sec-Fetch-Dest: iframe", b"Sec-Fetch-Mode: navigate"),
            (*BROWSER, b"Sec-Fetch-Dest: image", b"Sec-Fetch-Mode: no-cors"),
            (*BROWSER, b"Sec-Fetch-Dest: document", b"Sec-Fetch-Mode: cors"),
            (*BROWSER, b"Sec-Fetch-Mode: navigate"),
            (ACCEPT, b"User-Agent: curl/8.5.0"),
            (ACCEPT, b"User-Agent: Wget/1.25.0"),
            (b"Accept: text/*", b"User-Agent: Debian APT-HTTP/1.3 (3.0.3)"),
            (ACCEPT, b"User-Agent: Java/21.0.2"),
            (ACCEPT, b"User-Agent: Microsoft BITS/7.8"),
        ):
            self.assertEqual(self.got(*lines), "trickle", lines)

    def test_methods_and_statuses(self) -> None:
        """Nor does what is no GET, or no 200."""
        self.assertEqual(self.got(*DOCUMENT, method=b"POST"), "trickle")
        for status in (b"206 Partial Content", b"404 Not Found", b"203 Other"):
            answer = response(CONTENT, status=status)
            self.assertEqual(self.got(*DOCUMENT, answer=answer), "trickle", status)

    def test_head(self) -> None:
        """A HEAD gets its head."""
        gateway, origin, client, scanner = self.showing()
        client.send(request(FILE, *DOCUMENT, method=b"HEAD"))
        origin.send(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n")
        self.assertEqual(client.response(b"HEAD").get("content-length"), b"300000")

    def test_web_pages(self) -> None:
        """A web page stays under its own address, unless it is to be saved."""
        for kind in (b"text/html; charset=utf-8", b"application/xhtml+xml", b"image/svg+xml"):
            line = b"Content-Type: " + kind
            self.assertEqual(self.got(*DOCUMENT, answer=response(CONTENT, line)), "trickle", kind)
            saved = response(CONTENT, line, b"Content-Disposition: Attachment; filename=x")
            self.assertEqual(self.got(*DOCUMENT, answer=saved), "page", kind)

    def test_lists(self) -> None:
        """The lists of programs and hosts can be changed."""
        self.assertEqual(self.got(*DOCUMENT, bypass_agents=["x11"]), "trickle")
        self.assertEqual(self.got(*DOCUMENT, bypass_agents=[]), "page")
        self.assertEqual(self.got(*DOCUMENT, bypass_hosts=[".example.com"]), "trickle")
        self.assertEqual(self.got(*DOCUMENT, bypass_hosts=[]), "page")

    def test_mode(self) -> None:
        """Other modes show none."""
        self.assertEqual(self.got(*DOCUMENT, mode="trickle"), "trickle")
        self.assertEqual(self.got(*DOCUMENT, mode="hold"), "nothing")

    def test_size_and_time(self) -> None:
        """What is neither large nor slow is simply waited for."""
        self.assertEqual(self.got(*DOCUMENT, over="1MiB"), "nothing")
        self.assertEqual(self.got(*DOCUMENT, over="1MiB", after="500ms"), "page")
        self.assertEqual(self.got(*DOCUMENT, over="200KiB"), "page")

    def test_unknown_length(self) -> None:
        """A navigation is not taken for a large file only because nobody says how long it will be."""
        answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
        self.assertEqual(self.got(*DOCUMENT, answer=answer, over="1MiB"), "nothing")
        self.assertEqual(self.got(*DOCUMENT, answer=answer, over="1MiB", after="500ms"), "page")
        self.assertEqual(self.got(AGENT, answer=answer, over="1MiB"), "trickle")
        web = answer.replace(b"Transfer", b"Content-Type: text/html\r\nTransfer", 1)
        self.assertEqual(self.got(*DOCUMENT, answer=web, over="1MiB"), "nothing")
        self.assertEqual(self.got(*DOCUMENT, answer=web, over="1MiB", after="500ms"), "trickle")
