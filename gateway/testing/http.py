"""
Requests of a plugin's own, answered by the test.

Nothing goes over any wire, not even one in memory: what a plugin asks a directory or a reputation service is looked up in
a mapping of URLs. An address that nobody wrote an answer for can't be reached.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from gateway.api.messages import Response
from gateway.api.services import Clock, HttpAnswer, HttpFailed
from gateway.message.fields import Fields
from gateway.pipeline.waiting import limited


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request that a plugin made with C{services.http}."""

    method: str
    url: str
    fields: Fields
    content: bytes


#: What answers a URL: an answer, content of a 200, an error, a Deferred that gives one of these to one request later (or
#: never: a server that is silent), or a function of the request that gives one of these.
HttpScript: TypeAlias = (
    HttpAnswer
    | Response
    | bytes
    | HttpFailed
    | Deferred[Any]
    | Callable[[HttpRequest], "HttpAnswer | Response | bytes | HttpFailed | Deferred[Any]"]
)


class ScriptedHttp:
    """
    C{services.http} of every plugin of a test: C{gw.http["http://lists.example/bad"] = b"bad.example"}.

    @ivar requests: what was asked, in order.
    @ivar otherwise: what answers a URL that has no answer of its own; C{None}: it can't be reached.
    """

    def __init__(self, clock: Clock, answers: Mapping[str, HttpScript] | None = None) -> None:
        self.requests: list[HttpRequest] = []
        self.otherwise: HttpScript | None = None
        self._clock = clock
        self._answers: dict[str, HttpScript] = dict(answers or {})

    def __setitem__(self, url: str, answer: HttpScript) -> None:
        """Answer a URL, the query included, from now on."""
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"{url!r} is no http or https URL")
        self._answers[url] = answer

    def __delitem__(self, url: str) -> None:
        """Answer it no more."""
        del self._answers[url]

    def request(
        self,
        method: str,
        url: str,
        *,
        fields: Fields | None = None,
        content: bytes = b"",
        timeout_seconds: float = 10.0,
        max_bytes: int = 1 << 20,
    ) -> Deferred[HttpAnswer]:
        """Ask; the answer comes in a later turn, as from a server."""
        if not url.startswith(("http://", "https://")):
            return fail(HttpFailed("url", f"{url!r} is no http or https URL"))
        request = HttpRequest(method, url, Fields() if fields is None else fields.copy(), content)
        self.requests.append(request)
        given: Deferred[Any] = Deferred(lambda _: call.cancel())
        call = self._clock.callLater(0, given.callback, request)
        # What the script gives may be a Deferred, which is then waited for.
        given.addCallback(self._script).addCallback(_answer, max_bytes)
        answer: Deferred[Any] = limited(given, timeout_seconds, self._clock)
        return answer.addErrback(lambda failure: _timed_out(failure, url, timeout_seconds))

    def _script(self, request: HttpRequest) -> Any:
        script = self._answers.get(request.url, self.otherwise)
        if callable(script) and not isinstance(script, Deferred):
            script = script(request)
        if script is None:
            known = ", ".join(self._answers) or "none"
            return HttpFailed(
                "connect",
                f"the test has no answer for {request.url}; it has answers for: {known}",
            )
        return script


def _answer(script: Any, max_bytes: int) -> HttpAnswer:
    """
    Make an answer of what a test wrote.

    @raise HttpFailed: that is what the test wrote, or it is too large.
    """
    match script:
        case HttpAnswer():
            made = script
        case Response():
            made = HttpAnswer(script.status, script.fields, script.content)
        case bytes():
            made = HttpAnswer(200, Fields(), script)
        case Exception():
            raise script
        case _:
            raise TypeError(f"{script!r} is no answer of a server; give bytes or an HttpAnswer")
    if len(made.content) > max_bytes:
        raise HttpFailed("too_large", f"{len(made.content)} bytes are more than {max_bytes}")
    return made


def _timed_out(failure: Failure, url: str, seconds: float) -> HttpAnswer:
    """
    Call a time-out by the name that plugins know.

    @raise HttpFailed: always, unless the failure is another one.
    """
    failure.trap(TimeoutError)
    raise HttpFailed("timeout", f"{url} did not answer within {seconds:g} s")
