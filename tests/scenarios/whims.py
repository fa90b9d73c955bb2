"""
A plugin that does at each hook whatever a test wants: answers, raises, waits, lies or is cancelled.

It writes down whose bytes must not pass from then on, by the rules that C{docs/hooks.md} gives: that is the other half of
what the test compares with what the peers saw.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, succeed

from gateway.api import (
    NONE,
    Allow,
    Block,
    BodyFilter,
    Challenge,
    Clean,
    Client,
    ClientHello,
    ContentRefused,
    Coverage,
    Event,
    Identity,
    Infected,
    Intercept,
    Need,
    NotPacked,
    Phase,
    Plugin,
    ReadContent,
    Respond,
    Response,
    Route,
    ScanJob,
    Server,
    Side,
    Stored,
    Transaction,
    Tunnel,
    Unpacked,
    Unscannable,
    Validator,
    Whole,
    hookimpl,
)
from gateway.api.hooks import HOOKS, NOT_CALLED_YET
from gateway.message.fields import Fields

#: What a hook may do. The last five are errors, or as bad as one.
KINDS = (
    "nothing", "nothing", "nothing", "answer", "answer at once", "answer late", "nothing late",
    "fail late", "never", "raise", "lie", "exit", "cancel",
)  # fmt: skip
_ERRORS = frozenset(("fail late", "never", "raise", "lie", "exit"))


class Whim(Exception):
    """What the plugin raises."""


class Shy(BodyFilter):
    """Passes nothing on and refuses: at once, at the end, or by breaking."""

    def __init__(self, how: int) -> None:
        self._how = how

    def data(self, chunk: bytes) -> bytes:
        """Refuse, break or keep it."""
        if self._how == 0:
            raise ContentRefused(Block("no"))
        if self._how == 1:
            raise Whim("in a filter")
        return b""

    def end(self) -> bytes:
        """
        Refuse.

        @raise ContentRefused: always.
        """
        raise ContentRefused(Block("not to the end"))


class Doubled(BodyFilter):
    """Gives everything twice."""

    def data(self, chunk: bytes) -> bytes:
        """Give it twice."""
        return chunk * 2


class Sink:
    """Takes a copy of content, or breaks."""

    def __init__(self, how: int) -> None:
        self._how = how

    def write(self, chunk: bytes) -> None:
        """Take it, or break."""
        if self._how:
            raise Whim("in a sink")

    def finish(self) -> None:
        """Be done with it."""

    def abort(self) -> None:
        """Forget it."""


class Packed:
    """Gives out two members of some content, in one go or in two, or breaks."""

    def __init__(self, job: ScanJob, how: int) -> None:
        self._left = [
            replace(ScanJob.of(name.encode()), url=job.url, side=job.side, member=name, depth=1)
            for name in ("one", "two")
        ]
        self._how = how

    def more(self) -> Awaitable[Any]:
        """
        Give some.

        @raise Whim: it breaks.
        """
        if self._how == 2:
            raise Whim("in members")
        count = 1 + self._how
        given, self._left = self._left[:count], self._left[count:]
        return succeed(given)

    def close(self) -> None:
        """Break once more."""
        if self._how == 2:
            raise Whim("at the end of members")


@dataclass
class Forbidden:
    """
    Whose bytes must not pass.

    @ivar requests: nothing of these may reach an origin.
    @ivar uploads: no content of these may.
    @ivar answers: nothing of the origin's answers to these may reach the client.
    @ivar downloads: no content of the answers to these may reach the client.
    @ivar clients: ports of clients none of whose requests may reach an origin, and who get no answer.
    """

    requests: set[str] = field(default_factory=set)
    uploads: set[str] = field(default_factory=set)
    answers: set[str] = field(default_factory=set)
    downloads: set[str] = field(default_factory=set)
    clients: set[int] = field(default_factory=set)


class Whimsical(Plugin):
    """
    The plugin.

    @ivar waiting: what was asked and not answered, with the answers to come.
    @ivar fails_open: the configuration says so.
    """

    def __init__(
        self, whims: Sequence[tuple[str, int]], forbidden: Forbidden, *, fails_open: bool
    ) -> None:
        self.waiting: list[tuple[Deferred[Any], Any, Callable[[Any], None]]] = []
        self.fails_open = fails_open
        self._whims = whims
        self._next = 0
        self._forbidden = forbidden

    def decide(self, which: int) -> None:
        """Let one of the answers come."""
        if self.waiting:
            waiting, answer, refuse = self.waiting.pop(which % len(self.waiting))
            if not waiting.called:
                if isinstance(answer, BaseException):
                    waiting.errback(answer)
                else:
                    if answer is not None:
                        refuse(answer)
                    waiting.callback(answer)

    def _do(self, hook: str, answers: Sequence[Any], refuse: Callable[[Any], None]) -> Any:
        """
        Have the next whim.

        @param answers: what the hook may answer.
        @param refuse: writes down what follows from an answer, or from an error that refuses (C{None}).
        """
        kind, which = self._whims[self._next % len(self._whims)]
        self._next += 1
        answer = answers[which % len(answers)]
        silent = _SILENT.get(hook)
        spec = HOOKS[hook]
        closed = spec.closes and spec.fail == "closed" and not self.fails_open
        if kind.startswith("nothing"):
            if kind == "nothing" or not spec.waits:
                return silent
        elif kind == "cancel" and spec.closes:
            refuse(None)
        elif kind in _ERRORS or (kind != "answer" and not spec.waits):
            if closed:
                refuse(None)
        elif kind != "answer late" or closed:
            # One that comes late to a plugin that fails open may come too late: it counts when it comes.
            refuse(answer)
        match kind:
            case "answer":
                return answer
            case "answer at once":
                return self._coroutine(answer, None)
            case "answer late":
                return self._late(answer, which, refuse)
            case "nothing late":
                return self._late(silent, which, refuse)
            case "fail late":
                return self._late(Whim(hook), which, refuse)
            case "never":
                return Deferred()
            case "raise":
                raise Whim(hook)
            case "exit":
                raise SystemExit(hook)
            case "cancel":
                raise CancelledError()
        return (True, "no", 0, object())[which % 4]

    def _late(self, answer: Any, which: int, refuse: Callable[[Any], None]) -> Awaitable[Any]:
        made: Deferred[Any] = Deferred()
        self.waiting.append((made, answer, refuse))
        return made if which % 2 else self._coroutine(None, made)

    async def _coroutine(self, answer: Any, waiting: Deferred[Any] | None) -> Any:
        return answer if waiting is None else await waiting


#: What a hook answers that has nothing to say, where that is not C{None}.
_SILENT: Mapping[str, Any] = {
    "content_need": NONE,
    "admin_pages": (),
    "counters": {},
    "scan_patterns": "",
}


def _name(txn: Transaction) -> str:
    return txn.request.fields.get("x-id") or ""


def _page() -> Response:
    return Response(200, Fields(), b"a page of the plugin's")


def _passes(content: bytes) -> None:
    """Have seen the content, and nothing against it."""


def _stops(content: bytes) -> Block:
    return Block("such content")


def _hooks() -> dict[str, Any]:
    """Write all hooks; they only differ in what may be answered and what that means."""

    def before(hook: str, *answers: Any) -> Callable[..., Any]:
        def ask(self: Whimsical, txn: Transaction) -> Any:
            def refuse(answer: Any) -> None:
                if (
                    answer is None
                    or isinstance(answer, Block | Respond | Stored)
                    or isinstance(answer, ReadContent)
                    and answer.then is _stops
                ):
                    self._forbidden.requests.add(_name(txn))
                elif isinstance(answer, Shy):
                    self._forbidden.uploads.add(_name(txn))

            return self._do(hook, answers, refuse)

        return ask

    def after(hook: str, *answers: Any) -> Callable[..., Any]:
        def ask(self: Whimsical, txn: Transaction) -> Any:
            def refuse(answer: Any) -> None:
                if answer is None or isinstance(answer, Block | Respond):
                    self._forbidden.answers.add(_name(txn))
                elif isinstance(answer, Shy):
                    self._forbidden.downloads.add(_name(txn))

            return self._do(hook, answers, refuse)

        return ask

    verdicts = (Allow("so"), Block("no"), Respond(_page()), Block("gone", status=410))
    reads = (ReadContent(1 << 16, _passes), ReadContent(1 << 16, _stops))
    authenticates = before("authenticate", Identity("alice"), Challenge(("Basic",)))
    judges = before("request_headers", *verdicts, *reads)
    looks_up = before("cache_lookup", Stored(_page()), Validator({"If-None-Match": '"x"'}))
    selects = before("select_upstream", Route("direct"))
    judges_answer = after("response_headers", *verdicts)

    def client_connected(self: Whimsical, client: Client) -> Any:
        return self._do(
            "client_connected", [Block("no")], lambda _: self._forbidden.clients.add(client.port)
        )

    def client_hello(self: Whimsical, client: Client, hello: ClientHello) -> Any:
        return self._do(
            "client_hello",
            [Intercept(), Tunnel(), Block("no")],
            lambda _: self._forbidden.clients.add(client.port),
        )

    def authenticate(self: Whimsical, txn: Transaction) -> Any:
        return authenticates(self, txn)

    def request_headers(self: Whimsical, txn: Transaction) -> Any:
        return judges(self, txn)

    def request_filters(self: Whimsical, txn: Transaction) -> Any:
        return before("request_filters", *(Shy(how) for how in range(3)), Doubled())(self, txn)

    def cache_lookup(self: Whimsical, txn: Transaction) -> Any:
        return looks_up(self, txn)

    def select_upstream(self: Whimsical, txn: Transaction) -> Any:
        return selects(self, txn)

    def upstream_connected(self: Whimsical, txn: Transaction, server: Server) -> Any:
        def refuse(_: Any) -> None:
            # Later it was sent before, on a connection that broke.
            if txn.phase < Phase.FORWARDED:
                self._forbidden.requests.add(_name(txn))

        return self._do("upstream_connected", [Block("rebound")], refuse)

    def response_headers(self: Whimsical, txn: Transaction) -> Any:
        return judges_answer(self, txn)

    def response_filters(self: Whimsical, txn: Transaction) -> Any:
        return after("response_filters", *(Shy(how) for how in range(3)), Doubled())(self, txn)

    def content_need(self: Whimsical, txn: Transaction, side: Side) -> Need:
        def refuse(answer: Any) -> None:
            if answer is None:
                forbidden = self._forbidden
                held = forbidden.uploads if side is Side.REQUEST else forbidden.downloads
                held.add(_name(txn))

        found: Need = self._do("content_need", [Whole(1000000), Whole(20)], refuse)
        return found

    def scan_patterns(self: Whimsical) -> Any:
        return self._do("scan_patterns", ["1", "1", "2"], _nothing)

    def unpack_content(self: Whimsical, job: ScanJob) -> Any:
        def refuse(answer: Any) -> None:
            if answer is None or isinstance(answer, Unscannable):
                held = (
                    self._forbidden.uploads
                    if job.side is Side.REQUEST
                    else self._forbidden.downloads
                )
                held.add(job.url.rpartition("/")[2])

        answers = [
            NotPacked(),
            Unscannable("malformed"),
            *(Unpacked("zip", Packed(job, how)) for how in range(3)),
            Unpacked("gzip", Packed(job, 1), covers=True),
        ]
        return self._do("unpack_content", answers, refuse)

    def scan_content(self: Whimsical, job: ScanJob) -> Any:
        def refuse(answer: Any) -> None:
            if answer is None or isinstance(answer, Infected):
                held = (
                    self._forbidden.uploads
                    if job.side is Side.REQUEST
                    else self._forbidden.downloads
                )
                held.add(job.url.rpartition("/")[2])

        answers = [
            Clean("e", "1", Coverage(job.size, True)),
            Infected("EICAR", "e"),
            Unscannable("encrypted"),
        ]
        return self._do("scan_content", answers, refuse)

    def cache_store(self: Whimsical, txn: Transaction) -> Any:
        return self._do("cache_store", [Sink(0), Sink(1)], _nothing)

    def page(self: Whimsical, txn: Transaction, name: str) -> Any:
        return self._do("page", [_page()], _nothing)

    def transaction_complete(self: Whimsical, txn: Transaction) -> None:
        found: None = self._do("transaction_complete", [None], _nothing)
        return found

    def event(self: Whimsical, event: Event) -> Any:
        return self._do("event", [None], _nothing)

    def counters(self: Whimsical) -> Mapping[str, float]:
        answers: list[Any] = [{"hits_total": 1.0}, {"No name": 1.0}, {"no_number": "1"}]
        found: Mapping[str, float] = self._do("counters", answers, _nothing)
        return found

    def not_ready(self: Whimsical) -> str | None:
        found: str | None = self._do("not_ready", ["no reason", 1], _nothing)
        return found

    def order(self: Whimsical, name: str, said: Mapping[str, object]) -> Any:
        return self._do("order", [{"done": True}], _nothing)

    return {name: hookimpl()(found) for name, found in locals().items() if name in HOOKS}


def _nothing(_: Any) -> None:
    """Nothing is refused by this."""


_HOOKS = {name: found for name, found in _hooks().items() if name not in NOT_CALLED_YET}
#: Hooks that the plugin does not have although they are called.
MISSING = set(HOOKS) - NOT_CALLED_YET - set(_HOOKS)

First = type("First", (Whimsical,), {**_HOOKS, "name": "first"})
Second = type("Second", (Whimsical,), {**_HOOKS, "name": "second"})
