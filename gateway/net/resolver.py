"""
Host names to addresses, without ever blocking the reactor.

What is known is given at once and without a L{Deferred}: literal addresses, names from the hosts files, special names
(RFC 6761) and what the cache holds. For the rest A and AAAA are asked for side by side, once for everybody who waits
for the same name. The order is the name servers', IPv6 first; who connects mixes the families (RFC 8305).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.names import dns

from gateway.net.dns_answer import Addresses, Alias, Answer, NoData, NoName, read_answer
from gateway.net.faults import (
    NameInvalid,
    NameNotFound,
    NameServerFailure,
    NameTimeout,
    NameWithoutAddress,
    NetworkFault,
)
from gateway.net.host_names import canonical, literal
from gateway.net.hosts import Hosts
from gateway.net.nameservers import Asks

#: Addresses kept of one name: nobody tries more, and a hostile zone may list thousands.
_MOST_ADDRESSES = 16

#: Questions asked after each other when a server gives aliases without their ends.
_MOST_ALIASES = 8

#: Seconds to wait for the other family once one has answered (RFC 8305 section 3). "No such name" should go for both,
#: but there are servers that say it of AAAA where they have an A (RFC 4074 section 4.2), so it waits as well.
_RESOLUTION_DELAY = 0.05

#: The most seconds that the addresses of one family are believed when asking for the other failed.
_HALF_AN_ANSWER = 30

_LOOPBACK = ("127.0.0.1", "::1")

_KINDS = (dns.AAAA, dns.A)


@dataclass(frozen=True, slots=True)
class CacheLimits:
    """
    How long answers are believed and how many are kept; times in seconds.

    @ivar shortest: the least time for an address, whatever its TTL.
    @ivar longest: the most for an address.
    @ivar longest_negative: the most for "no such name" and "no address".
    @ivar failure: for a name whose servers failed or were silent (RFC 9520 asks for at least one second).
    """

    entries: int = 10_000
    shortest: float = 1.0
    longest: float = 3600.0
    longest_negative: float = 30.0
    failure: float = 2.0


class Resolver:
    """Looks names up; one for the whole gateway."""

    def __init__(
        self,
        clock: IReactorTime,
        servers: Asks,
        hosts: Hosts,
        *,
        limits: CacheLimits = CacheLimits(),
        budget_seconds: float = 5.0,
    ) -> None:
        """
        Nothing is asked before L{resolve}.

        @param budget_seconds: the time that one look-up may take in all.
        """
        self._clock = clock
        self._servers = servers
        self._hosts = hosts
        self._limits = limits
        self._budget = budget_seconds
        self._cache: OrderedDict[str, _Entry] = OrderedDict()
        self._running: dict[str, _LookUp] = {}
        # Those whose slower family is still awaited while nobody waits for it.
        self._unfinished: set[_LookUp] = set()

    def resolve(self, name: str) -> tuple[str, ...] | Deferred[tuple[str, ...]]:
        """
        Give the addresses of a host, at least one.

        @param name: a name in any case, or a literal address, IPv6 with or without brackets.
        @return: a tuple when they are known now; else a L{Deferred} that fires with it or fails with one of the
            faults below, and may be cancelled.
        @raise NetworkFault: known now: L{NameInvalid<gateway.net.faults.NameInvalid>}, or a L{NameNotFound},
            L{NameTimeout} or L{NameServerFailure} that is remembered.
        """
        # What may be an address is first asked whether it is one: such a name is rarer than an address.
        looks_literal = name[-1:].isdigit() or ":" in name
        if not looks_literal:
            known = self._known(name)
            if known is not None:
                return known
        address = literal(name)
        if address is not None:
            return (address,)
        proper = canonical(name)
        if looks_literal or proper != name:
            known = self._known(proper)
            if known is not None:
                return known
        last = proper.rpartition(".")[2]
        if last == "localhost":
            return _LOOPBACK
        if last in ("invalid", "onion"):
            # RFC 6761 section 6.4, RFC 7686 section 2: these are not asked for.
            raise NameNotFound(f"{proper}: there is no such name")
        look_up = self._running.get(proper)
        if look_up is None:
            look_up = self._running[proper] = _LookUp(
                proper, self._clock, self._servers, self._budget, self._progressed
            )
            self._unfinished.add(look_up)
            waiter = look_up.join()
            look_up.start()
            return waiter
        return look_up.join()

    def close(self) -> None:
        """End every look-up in flight with L{CancelledError}; what is known stays."""
        for look_up in list(self._unfinished):
            look_up.abandon()

    def forget(self) -> None:
        """Empty the cache."""
        self._cache.clear()

    def __len__(self) -> int:
        """Count the names in the cache, those out of date included."""
        return len(self._cache)

    def _known(self, name: str) -> tuple[str, ...] | None:
        addresses = self._hosts.lookup(name)
        if addresses is not None:
            return addresses
        entry = self._cache.get(name)
        if entry is None:
            return None
        if entry.until <= self._clock.seconds():
            del self._cache[name]
            return None
        self._cache.move_to_end(name)
        if entry.fault is not None:
            raise entry.fault()
        return entry.addresses

    def _progressed(self, look_up: _LookUp, has_news: bool) -> None:
        if self._running.get(look_up.name) is look_up:
            del self._running[look_up.name]
        if look_up.finished:
            self._unfinished.discard(look_up)
        if not has_news:
            return
        limits = self._limits
        if look_up.fault is None:
            ttl = min(max(look_up.ttl, limits.shortest), limits.longest)
        elif look_up.negative:
            ttl = min(max(look_up.ttl, limits.shortest), limits.longest_negative)
        else:
            ttl = limits.failure
        until = self._clock.seconds() + ttl
        self._cache[look_up.name] = _Entry(look_up.addresses, look_up.fault, until)
        self._cache.move_to_end(look_up.name)
        while len(self._cache) > limits.entries:
            self._cache.popitem(last=False)


@dataclass(frozen=True, slots=True)
class _Entry:
    """What is remembered of a name: addresses, or what makes the fault."""

    addresses: tuple[str, ...]
    fault: Callable[[], NetworkFault] | None
    until: float


class _LookUp:
    """
    One name's two questions in flight.

    @ivar addresses: what both families gave so far.
    @ivar fault: what makes the fault when there is no address.
    @ivar negative: the fault is the name servers' word and not their failure.
    @ivar ttl: seconds.
    @ivar finished: nothing more will come.
    """

    _log = Logger()

    def __init__(
        self,
        name: str,
        clock: IReactorTime,
        servers: Asks,
        budget: float,
        progressed: Callable[[_LookUp, bool], None],
    ) -> None:
        """
        Ask nothing yet.

        @param progressed: called with C{True} when there is a first result, and when the slower family adds to it;
            with C{False} when it ends otherwise.
        """
        self.name = name
        self.addresses: tuple[str, ...] = ()
        self.fault: Callable[[], NetworkFault] | None = None
        self.negative = False
        self.ttl = 0.0
        self.finished = False
        self._clock = clock
        self._servers = servers
        self._progressed = progressed
        self._waiters: list[Deferred[tuple[str, ...]]] = []
        self._asked: dict[int, Deferred[None]] = {}
        self._answers: dict[int, Answer | NetworkFault] = {}
        self._limit: IDelayedCall | None = clock.callLater(budget, self._out_of_time)
        self._patience: IDelayedCall | None = None
        self._told = False

    def join(self) -> Deferred[tuple[str, ...]]:
        """Wait for the result; when the last waiter is cancelled, the look-up ends."""
        waiter: Deferred[tuple[str, ...]] = Deferred(self._left)
        self._waiters.append(waiter)
        return waiter

    def start(self) -> None:
        """Ask both questions."""
        for kind in _KINDS:
            asked = Deferred.fromCoroutine(self._question(kind))
            if kind not in self._answers:
                self._asked[kind] = asked

    def abandon(self) -> None:
        """End without a result."""
        self._stop()
        self._progressed(self, False)
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.errback(CancelledError())

    async def _question(self, kind: int) -> None:
        try:
            answer: Answer | NetworkFault = await self._chase(kind)
        except CancelledError:
            return
        except NetworkFault as fault:
            answer = fault
        except Exception:
            self._log.failure("looking up {name} failed", name=self.name)
            answer = NameServerFailure(f"{self.name}: the look-up failed")
        self._asked.pop(kind, None)
        self._answers[kind] = answer
        self._weigh()

    async def _chase(self, kind: int) -> Answer:
        name, ttl = self.name, 2**31
        for _ in range(_MOST_ALIASES):
            answer = read_answer(await self._servers.ask(name, kind), name, kind)
            if not isinstance(answer, Alias):
                if isinstance(answer, Addresses) and ttl < answer.ttl:
                    return Addresses(answer.addresses, ttl)
                return answer
            try:
                name, ttl = canonical(answer.target), min(ttl, answer.ttl)
            except NameInvalid:
                raise NameServerFailure(f"{self.name}: an alias of no host name") from None
        raise NameServerFailure(f"{self.name}: too many aliases")

    def _weigh(self) -> None:
        """See whether the answers so far are enough."""
        if len(self._answers) == len(_KINDS):
            self._finish()
        elif any(isinstance(answer, Addresses | NoName) for answer in self._answers.values()):
            self._patience = self._clock.callLater(_RESOLUTION_DELAY, self._tell)

    def _out_of_time(self) -> None:
        for kind in _KINDS:
            self._answers.setdefault(kind, NameTimeout(f"{self.name}: no answer in time"))
        self._finish()

    def _finish(self) -> None:
        self._stop()
        if self._told and not any(map(self._adds, self._answers.values())):
            self._progressed(self, False)
        else:
            self._tell()

    def _tell(self) -> None:
        """Give the waiters what there is."""
        self._patience = None
        self._told = True
        self._sum_up()
        self._progressed(self, True)
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if self.fault is None:
                waiter.callback(self.addresses)
            else:
                waiter.errback(self.fault())

    def _adds(self, answer: Answer | NetworkFault) -> bool:
        return isinstance(answer, Addresses) and answer.addresses[0] not in self.addresses

    def _sum_up(self) -> None:
        given = [self._answers[kind] for kind in _KINDS if kind in self._answers]
        positive = [answer for answer in given if isinstance(answer, Addresses)]
        faults = [answer for answer in given if isinstance(answer, NetworkFault)]
        silent = [answer for answer in given if isinstance(answer, NoData | NoName)]
        self.fault, self.negative = None, False
        if positive:
            share = _MOST_ADDRESSES // len(positive)
            self.addresses = tuple(
                address for answer in positive for address in answer.addresses[:share]
            )
            self.ttl = min(answer.ttl for answer in positive)
            if faults:
                self.ttl = min(self.ttl, _HALF_AN_ANSWER)
        elif _no_name(silent) or not faults:
            self.negative = True
            self.ttl = min(answer.ttl or 0 for answer in silent)
            self.fault = (
                partial(NameNotFound, f"{self.name}: there is no such name")
                if _no_name(silent)
                else partial(NameWithoutAddress, f"{self.name}: the name has no address")
            )
        else:
            # What could not be learned may be an address, so "no data" of the other family is no answer.
            self.fault = partial(type(faults[0]), faults[0].detail)

    def _left(self, waiter: Deferred[tuple[str, ...]]) -> None:
        if waiter in self._waiters:
            self._waiters.remove(waiter)
            if not self._waiters:
                self._stop()
                self._progressed(self, False)

    def _stop(self) -> None:
        self.finished = True
        for call in (self._limit, self._patience):
            if call is not None and call.active():
                call.cancel()
        self._limit = self._patience = None
        asked, self._asked = self._asked, {}
        for question in asked.values():
            question.cancel()


def _no_name(answers: list[NoData | NoName]) -> bool:
    """Tell whether a server said that the name does not exist, whatever the kind (RFC 8020)."""
    return any(isinstance(answer, NoName) for answer in answers)
