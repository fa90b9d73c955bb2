"""
What a plugin gets from the gateway, and all it gets: no server object, no configuration but its own.

These are shapes (L{typing.Protocol}); the gateway and its test kit each bring their own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

from gateway.api.alarms import Alarms
from gateway.api.events import Event
from gateway.message.fields import Fields

T = TypeVar("T")


class Clock(Protocol):
    """Time, and calls later on; Twisted's reactors and its test C{Clock} are ones."""

    def seconds(self) -> float:
        """Give the time in seconds; only differences mean something."""

    def callLater(
        self, delay: float, callable: Callable[..., object], *args: object, **kwargs: object
    ) -> Any:
        """
        Call a function so many seconds later.

        @return: what knows C{cancel()}, to take the call back, and C{active()}, whether it is still to come.
        """


class Log(Protocol):
    """
    The plugin's own log: a format with named fields, never a ready-made string.

    C{log.info("{host} is listed in {name}", host=host, name=name)}

    What is secret stays out of it: the values of fields whose names say so (C{password}, C{authorization}, C{cookie},
    C{token}, ...), the secrets of the plugin's own settings wherever they turn up, and user and password in URLs; in
    the text of exceptions too. That is a net and no licence: leave out what nobody has to read.
    """

    def debug(self, format: str | None = None, **fields: object) -> None:
        """Say what only helps to find a fault."""

    def info(self, format: str | None = None, **fields: object) -> None:
        """Say what is as it should be, or a client's own fault."""

    def warn(self, format: str | None = None, **fields: object) -> None:
        """Say what someone else's fault is: an upstream's, a directory's."""

    def error(self, format: str | None = None, **fields: object) -> None:
        """Say what is our own fault."""

    def failure(self, format: str, *args: Any, **fields: Any) -> None:
        """
        Say what went wrong, as L{error} does, and append the exception with its traceback.

        @param args: the C{Failure} that an errback was given; inside an C{except} block nothing: its exception is taken.
        """


class Threads(Protocol):
    """Named thread pools with bounded queues."""

    def run(self, pool: str, function: Callable[..., T], /, *args: object) -> Awaitable[T]:
        """
        Run a function that blocks in a thread of this pool.

        @param pool: C{"scan"}, C{"directory"} or C{"disk"}.
        @return: what it gives; fails with what it raises, or with L{Overloaded} at once if the pool is full.
        """


class Overloaded(Exception):
    """
    A pool has neither a free thread nor room in its queue, or does not answer any more.

    @ivar pool: its name.
    """

    def __init__(self, pool: str, why: str) -> None:
        super().__init__(f"the thread pool {pool} takes no more work: {why}")
        self.pool = pool


class KeyValue(Protocol):
    """
    The plugin's own small store; no other plugin sees its keys, and it survives a restart where there is a place for it.

    It is for what is costly to learn again, such as the answers of a reputation service: bounded, and not a database.
    Every call waits, because the disk is never read in the reactor's thread. All raise L{StoreFailed}.
    """

    def get(self, key: str) -> Awaitable[bytes | None]:
        """Give a value; C{None} if there is none, or no longer."""

    def set(self, key: str, value: bytes, ttl_seconds: float | None = None) -> Awaitable[None]:
        """
        Keep a value in place of what was there.

        @param key: not empty, at most 1024 bytes as UTF-8.
        @param value: at most 1 MiB. A plugin may have 100,000 keys, and 64 MiB with their values.
        @param ttl_seconds: for how long, more than 0; C{None} is without an end. A restart does not prolong it.
        """

    def delete(self, key: str) -> Awaitable[None]:
        """Forget a value; one that is not there is no fault."""

    def keys(self, prefix: str = "") -> Awaitable[list[str]]:
        """Give the keys that begin so, sorted."""


class StoreFailed(Exception):
    """
    The store did not do it.

    @ivar reason: C{too_large}: key or value; C{full}: the plugin has used up its share; C{busy}: too many calls wait
        for the disk; C{closed}: the gateway is stopped; C{failed}: the disk.
    """

    def __init__(
        self, reason: Literal["too_large", "full", "busy", "closed", "failed"], detail: str
    ) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """
    What a server answered to a plugin's own request.

    @ivar status: any; a 404 is an answer and no failure, and a 302 is not followed.
    @ivar content: whole, transfer coding removed, content coding not.
    """

    status: int
    fields: Fields
    content: bytes


HttpReason: TypeAlias = Literal[
    "url", "name", "loop", "connect", "tls", "timeout", "too_large", "protocol", "busy", "closed"
]


class HttpFailed(Exception):
    """
    There is no answer.

    @ivar reason: C{url}: it is no C{http} or C{https} URL; C{name}: it has no address; C{loop}: it leads to this
        gateway itself; C{connect}; C{tls}: the certificate or the handshake; C{timeout}; C{too_large}: more content
        than wanted; C{protocol}: no HTTP, or cut off; C{busy}: too many of the plugin's requests are under way;
        C{closed}: the gateway is stopped.
    """

    def __init__(self, reason: HttpReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


class Http(Protocol):
    """
    Requests of the plugin's own, to a directory or a reputation service; they never wait in the reactor's thread.

    No redirect is followed, no proxy of the environment is used, no cookie is kept. Certificates are verified by the
    system's store. A request that would come back to this gateway is refused.
    """

    def request(
        self,
        method: str,
        url: str,
        *,
        fields: Fields | None = None,
        content: bytes = b"",
        timeout_seconds: float = 10.0,
        max_bytes: int = 1 << 20,
    ) -> Awaitable[HttpAnswer]:
        """
        Ask a server.

        @param url: C{http} or C{https}, without a user and a password: they belong into C{Authorization}.
        @param fields: sent beside C{Host}, C{Content-Length} and our entry in C{Via}.
        @param timeout_seconds: for all of it, from the name's look-up to the last byte of the answer.
        @param max_bytes: of the answer's content.
        @return: fails with L{HttpFailed}; cancelling it breaks the connection off.
        @raise ValueError: a method that is no token, or a bound that is not more than 0.
        """


class Counter(Protocol):
    """A number that only grows."""

    def inc(self, amount: float = 1.0, /, **labels: str) -> None:
        """
        Count.

        @param amount: 0 or more.
        @param labels: a value for each label that the metric was made with, no other ones.
        """


class Gauge(Protocol):
    """A number that goes up and down."""

    def set(self, value: float, /, **labels: str) -> None:
        """Say what it is now."""


class Histogram(Protocol):
    """How a measure is distributed."""

    def observe(self, value: float, /, **labels: str) -> None:
        """Count a measure, in the unit of its bounds: seconds, unless the plugin chose others."""


#: Upper bounds of a histogram's buckets unless said otherwise, seconds.
BOUNDS: tuple[float, ...] = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics(Protocol):
    """
    The plugin's own numbers, shown by C{/metrics} as C{gateway_plugin_<plugin>_<name>}.

    To ask twice for one name gives the same metric, and numbers go on over a reload. Make them once, in C{__init__};
    all raise C{ValueError} for a name or label that can't be one, or that was made before as something else. What
    clients can choose is no label: of each metric only the first 100 combinations of label values are kept apart, the
    rest is counted under C{other}.
    """

    def counter(self, name: str, help: str, labels: Sequence[str] = ()) -> Counter:
        """
        Give a counter.

        @param name: lower-case letters, digits, C{_}; C{_total} is added where it is missing.
        """

    def gauge(self, name: str, help: str, labels: Sequence[str] = ()) -> Gauge:
        """Give a gauge."""

    def histogram(
        self,
        name: str,
        help: str,
        bounds: Sequence[float] = BOUNDS,
        labels: Sequence[str] = (),
    ) -> Histogram:
        """
        Give a histogram.

        @param bounds: of its buckets, growing; the last one, without a bound, is added.
        """


class Job(Protocol):
    """Something that is done again and again."""

    def cancel(self) -> None:
        """Do it no more, and cancel the run under way; once is enough, twice no fault."""


class Every(Protocol):
    """Makes jobs."""

    def __call__(
        self,
        seconds: float,
        function: Callable[[], object],
        /,
        *,
        name: str = "",
        at_once: bool = False,
    ) -> Job:
        """
        Call a function again and again, until the job is cancelled or the plugin stopped.

        The first interval begins when the plugin is started, or now if it is already. Runs keep to a grid of times, so the interval does not drift; a run that takes longer than the interval drops
        the times it missed and never overlaps the next. One that fails is logged and counted, and the next comes all
        the same.

        @param seconds: between the beginnings of two runs, more than 0.
        @param function: plain, C{async def} or giving a Deferred.
        @param name: for the log and the metrics; the function's own unless said.
        @param at_once: the first run is now, not one interval from now.
        """


@dataclass(frozen=True, slots=True)
class Services:
    """
    What a plugin is made with; one object for each plugin.

    @ivar clock: time, for every wait that a plugin makes.
    @ivar events: call it with an L{Event}, in the reactor's thread, to tell operators.
    @ivar log: the plugin's own log.
    @ivar threads: for calls that block.
    @ivar store: the plugin's own keys and values.
    @ivar http: requests of its own.
    @ivar metrics: its own numbers.
    @ivar every: calls a function again and again: C{services.every(60.0, self.refresh)}.
    @ivar alarms: makes channels that tell people of events: traps, mail, messages.
    """

    clock: Clock
    events: Callable[[Event], None]
    log: Log
    threads: Threads
    store: KeyValue
    http: Http
    metrics: Metrics
    every: Every
    alarms: Alarms
